package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// contestants are all that bench knows, in the order of the tables. peers/README.md has their
// settings.
var contestants = []contestant{
	{"hissa", "as it is released", true, func() program { return &hissa{} }},
	{"single", "Go and SQLite, one transaction a request", true, goPeer("single")},
	{"postgres", "Go and PostgreSQL, one transaction a request", true, goPeer("postgres")},
	{"pocketbase", "PocketBase with a route of its own", true, goPeer("pocketbase")},
	{"node", "Node and SQLite", true, func() program { return &nodePeer{} }},
	{"verify", "no database: reads and verifies, then answers", false, goPeer("hello", "-verify")},
	{"hello", "no database: reads, then answers", false, goPeer("hello")},
}

// clickers are those that are asked for redirects.
var clickers = []contestant{
	contestants[0],
	{"oneclick", "Go and SQLite, one insert a click", false, goPeer("oneclick")},
	{"redirect", "stores nothing", false, goPeer("oneclick", "-store=false")},
}

// patient is for what takes long: a hundred thousand orders in one request.
var patient = &http.Client{Timeout: 10 * time.Minute}

// wireless is what the peers have in common: how they are asked over HTTP.
type wireless struct {
	key string
}

func (wireless) open(context.Context, string) error { return nil }
func (wireless) ready() string                      { return "/ready" }
func (wireless) visited(int64)                      {}

// seed sends all orders at once, each with a click and a partner.
func (wireless) seed(ctx context.Context, s *server, orders []string) error {
	var lines strings.Builder
	for i, order := range orders {
		fmt.Fprintf(&lines, "%s\tclk_%s\t%s\n", order, strings.ToLower(order), partnerCode(i))
	}
	ask, err := http.NewRequestWithContext(ctx, "POST", s.url("/seed"), strings.NewReader(lines.String()))
	if err != nil {
		return err
	}
	answer, err := patient.Do(ask)
	if err != nil {
		return err
	}
	drain(answer)
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("POST /seed: status %d", answer.StatusCode)
	}
	return nil
}

func (wireless) finish(ctx context.Context, s *server) (have books, err error) {
	defer func() { err = errors.Join(err, s.stop()) }()
	ask, err := http.NewRequestWithContext(ctx, "GET", s.url("/count"), nil)
	if err != nil {
		return have, err
	}
	answer, err := patient.Do(ask)
	if err != nil {
		return have, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return have, nil // it keeps no books; whoever has to is caught by the comparison
	}
	return have, json.NewDecoder(answer.Body).Decode(&have)
}

// compiled is a peer in Go.
type compiled struct {
	wireless
	name   string
	flags  []string
	binary string
}

func goPeer(name string, flags ...string) func() program {
	return func() program { return &compiled{name: name, flags: flags} }
}

func (p *compiled) prepare(ctx context.Context, w *workshop) (err error) {
	p.key = w.key
	folder := filepath.Join("peers", p.name)
	if _, err := os.Stat(folder); err != nil {
		return missingError{"the peer " + p.name + " is not in this copy (" + folder + ")", fetch}
	}
	if p.name == "postgres" {
		if _, err := postgresProgram("initdb"); err != nil {
			return err
		}
	}
	p.binary, err = w.compile(ctx, folder, "peer-"+p.name)
	return err
}

// postgresProgram looks where a PATH would, and where Debian has the server's programs.
func postgresProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", missingError{"PostgreSQL's " + name + " is not installed", install}
	}
	return found[len(found)-1], nil
}

func (p *compiled) argv(dir, listen string) ([]string, error) {
	return append([]string{p.binary, "-listen", listen, "-data", dir, "-key", p.key}, p.flags...), nil
}

// nodePeer is the peer in JavaScript.
type nodePeer struct{ wireless }

const nodeFolder = "peers/node"

func (p *nodePeer) prepare(_ context.Context, w *workshop) error {
	p.key = w.key
	return nodeIsHere()
}

func nodeIsHere() error {
	if _, err := os.Stat(nodeFolder); err != nil {
		return missingError{"the peer node is not in this copy (" + nodeFolder + ")", fetch}
	}
	if _, err := exec.LookPath("node"); err != nil {
		return missingError{"Node is not installed", install}
	}
	if _, err := os.Stat(filepath.Join(nodeFolder, "node_modules")); err != nil {
		return missingError{"the modules of " + nodeFolder + " are not installed", install}
	}
	return nil
}

func (p *nodePeer) argv(dir, listen string) ([]string, error) {
	return []string{"node", filepath.Join(nodeFolder, "server.js"),
		"--listen", listen, "--data", dir, "--key", p.key}, nil
}
