package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// work is one of the things that are measured.
type work struct {
	name string
	what string
	run  func(context.Context, *bench) error
}

var works = []work{
	{"webhooks", "as many payments as each server takes, over 1 to 256 connections", webhookWork},
	{"paced", "half as many as it takes, each due at its moment", pacedWork},
	{"disk", "a disk whose syncs take 5 ms", diskWork},
	{"clicks", "partners' links followed", clickWork},
	{"fsync", "syncs counted", fsyncWork},
	{"checksum", "one message read and verified, here and on Node", checksumWork},
	{"growth", "hissa with more and more payments in its books", growthWork},
}

// bench is one run of this program.
type bench struct {
	workshop     *workshop
	report       *Report
	sites        map[string]*site // open ones, by folder
	connections  []int
	sizes        []int // of growth, in payments
	rounds       int
	length       time.Duration // of one measurement
	rate         float64       // of paced, in requests a second; 0 for half of what a server takes
	servers      []string      // only these; nil for all
	allowMissing bool
}

// options are the command line.
type options struct {
	only, servers, connections, growth string
	rounds                             int
	seconds, rate                      float64
	short, allowMissing, keep          bool
	dir, markdown, json, svg           string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, parse()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func parse() (o options) {
	var names []string
	for _, w := range works {
		names = append(names, w.name+" ("+w.what+")")
	}
	flag.StringVar(&o.only, "only", "", "names of works, joined by commas: "+strings.Join(names, ", "))
	flag.StringVar(&o.servers, "servers", "", "names of servers, joined by commas; hissa is always one")
	flag.StringVar(&o.connections, "connections", "1,16,64,256", "numbers of connections at once")
	flag.StringVar(&o.growth, "growth", "100000,1000000", "sizes for growth, in payments, ascending")
	flag.IntVar(&o.rounds, "rounds", 5, "how often everything is measured; the tables have medians")
	flag.Float64Var(&o.seconds, "seconds", 5, "length of one measurement")
	flag.Float64Var(&o.rate, "rate", 0, "requests a second for paced, in place of half of what each server takes")
	flag.BoolVar(&o.short, "short", false, "a quick look: one round of one second at 1 and 16 connections")
	flag.BoolVar(&o.allowMissing, "allow-missing", false, "go on without a peer that is not installed")
	flag.BoolVar(&o.keep, "keep", false, "leave the folder with the data where it is")
	flag.StringVar(&o.dir, "dir", "/var/tmp", "a folder on the disk to measure")
	flag.StringVar(&o.markdown, "markdown", "", "a file that gets the report, too")
	flag.StringVar(&o.json, "json", "", "a file that gets every single measurement")
	flag.StringVar(&o.svg, "svg", "", "a folder that gets the pictures")
	flag.Parse()
	if o.short {
		o.rounds, o.seconds, o.connections, o.growth = 1, 1, "1,16", "2000,10000"
	}
	return o
}

func run(ctx context.Context, o options) (err error) {
	b, chosen, err := newBench(o)
	if err != nil {
		return err
	}
	if b.workshop, err = newWorkshop(o.dir); err != nil {
		return err
	}
	defer func() {
		var wrong wrongBooks // whoever has to find out why needs them
		if o.keep || errors.As(err, &wrong) {
			fmt.Fprintln(os.Stderr, "bench: the data is in", b.workshop.dir)
			return
		}
		err = errors.Join(err, b.workshop.close())
	}()
	if b.report.Machine, err = lookAtMachine(b.workshop.dir); err != nil {
		return err
	}
	for _, w := range chosen {
		fmt.Fprintf(os.Stderr, "== %s: %s\n", w.name, w.what)
		if err := w.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		if ctx.Err() != nil {
			return errors.New("stopped; nothing is reported of a run that is not whole")
		}
	}
	b.report.Versions = append(b.workshop.versions(), toolVersions(ctx)...)
	return b.report.write(o)
}

func newBench(o options) (*bench, []work, error) {
	connections, err := numbers("connections", o.connections)
	if err != nil {
		return nil, nil, err
	}
	sizes, err := numbers("growth", o.growth)
	if err != nil {
		return nil, nil, err
	}
	if o.rounds < 1 || o.seconds < 0.1 {
		return nil, nil, errors.New("-rounds is at least 1 and -seconds at least 0.1")
	}
	if o.rate < 0 {
		return nil, nil, errors.New("-rate is a number of requests a second")
	}
	b := &bench{
		sites: map[string]*site{}, connections: connections, sizes: sizes, rounds: o.rounds,
		length: time.Duration(o.seconds * float64(time.Second)), rate: o.rate, allowMissing: o.allowMissing,
		report: &Report{Date: time.Now(), Rounds: o.rounds, Seconds: o.seconds},
	}
	if b.servers, err = chooseServers(o.servers); err != nil {
		return nil, nil, err
	}
	chosen, err := choose(o.only)
	return b, chosen, err
}

// choose is the works that -only names, in their own order; all without it.
func choose(only string) (chosen []work, err error) {
	if only == "" {
		return works, nil
	}
	names := strings.Split(only, ",")
	for _, w := range works {
		if i := slices.Index(names, w.name); i >= 0 {
			chosen = append(chosen, w)
			names = slices.Delete(names, i, i+1)
		}
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("-only %s: there is no such work; -help lists them", strings.Join(names, ","))
	}
	return chosen, nil
}

// chooseServers is the names that -servers has, and hissa; nil, for all, without it.
func chooseServers(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	var known []string
	for _, c := range slices.Concat(contestants, clickers) {
		if !slices.Contains(known, c.name) {
			known = append(known, c.name)
		}
	}
	names := strings.Split(list, ",")
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("-servers %s: there are %s", name, strings.Join(known, ", "))
		}
	}
	return append(names, "hissa"), nil
}

func numbers(name, list string) (found []int, err error) {
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-%s %s: numbers above zero, joined by commas", name, list)
		}
		found = append(found, n)
	}
	return found, nil
}

// keepers are the contestants that store what they acknowledge.
func keepers() []contestant {
	return slices.DeleteFunc(slices.Clone(contestants), func(c contestant) bool { return !c.keeps })
}

// eachRound measures each of the contestants in turn, once a round. Each round begins with another
// one, so that none is always the first after a pause. What has the same folder goes on with the same
// databases.
func (b *bench) eachRound(
	ctx context.Context, folder string, list []contestant, measure func(*site, int) error,
) error {
	sites, err := b.open(ctx, folder, list)
	if err != nil {
		return err
	}
	for round := range b.rounds {
		for i := range sites {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := measure(sites[(round+i)%len(sites)], round); err != nil {
				return err
			}
		}
	}
	return nil
}

// open gives each contestant its place in a folder, which it keeps until the end of the run.
func (b *bench) open(ctx context.Context, folder string, list []contestant) (sites []*site, err error) {
	var absent []error // each thing once, however many need it
	for _, c := range list {
		if b.servers != nil && !slices.Contains(b.servers, c.name) {
			continue
		}
		place := filepath.Join(folder, c.name)
		s := b.sites[place]
		if s == nil {
			s, err = b.newSite(ctx, c, folder)
		}
		var missing missingError
		switch {
		case errors.As(err, &missing):
			if err = b.without(missing); err != nil && !slices.Contains(absent, err) {
				absent = append(absent, err)
			}
			err = nil
		case err != nil:
			return nil, err
		default:
			b.sites[place] = s
			sites = append(sites, s)
		}
	}
	return sites, errors.Join(absent...)
}

// without goes on without something that is missing, where that is allowed, and the report says so.
func (b *bench) without(err error) error {
	var missing missingError
	if !b.allowMissing || !errors.As(err, &missing) {
		return err
	}
	if text := missing.what; !slices.Contains(b.report.Missing, text) {
		b.report.Missing = append(b.report.Missing, text)
		fmt.Fprintln(os.Stderr, "bench: goes on although", text)
	}
	return nil
}

// add notes a measurement, unless it failed.
func (b *bench) add(run Run, err error) {
	if err == nil {
		b.report.Runs = append(b.report.Runs, run)
	}
}

// progress is one line a measurement, for whoever waits.
func (b *bench) progress(r Run) {
	fmt.Fprintf(os.Stderr, "   %-10s %3d connections %-6s round %d: %7.0f/s, p50 %6.2f ms, p99 %6.2f ms\n",
		r.Server, r.Connections, r.Variant, r.Round+1, r.Rate, r.P50/1000, r.P99/1000)
}
