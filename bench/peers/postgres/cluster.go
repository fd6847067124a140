package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// settings are what is said to PostgreSQL. The first three are its defaults, and are named because
// everything rests on them; all else that is not named is a default, too.
var settings = []string{
	"fsync=on",
	"synchronous_commit=on",
	"full_page_writes=on",
	"shared_buffers=256MB", // the defaults are for the smallest of machines
	"max_wal_size=2GB",     // so that no checkpoint falls into each minute
	"listen_addresses=",    // a socket in its own folder, and no network
}

// cluster is a PostgreSQL server that belongs to this process.
type cluster struct {
	server *exec.Cmd
	ended  chan error // takes how it ended
	socket string     // the folder of its socket
}

// startCluster makes a cluster where there is none, and starts it.
func startCluster(data string) (*cluster, error) {
	who, err := owner()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(data, "cluster")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	socket, err := os.MkdirTemp("", "peer-postgres-") // the path of a socket has to be short
	if err != nil {
		return nil, err
	}
	if who != nil {
		if err := os.Chmod(data, 0o711); err != nil { // so that the other user may pass through
			return nil, err
		}
		for _, folder := range []string{home, socket} {
			if err := os.Chown(folder, int(who.Uid), int(who.Gid)); err != nil {
				return nil, err
			}
		}
	}
	if _, err := os.Stat(filepath.Join(home, "PG_VERSION")); err != nil {
		initdb, err := program(who, "initdb", "-D", home, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
		if err != nil {
			return nil, err
		}
		if out, err := initdb.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("initdb: %w\n%s", err, out)
		}
	}
	arguments := []string{"-D", home, "-k", socket}
	for _, s := range settings {
		arguments = append(arguments, "-c", s)
	}
	server, err := program(who, "postgres", arguments...)
	if err != nil {
		return nil, err
	}
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		return nil, err
	}
	c := &cluster{server, make(chan error, 1), socket}
	go func() { c.ended <- server.Wait() }()
	if err := c.wait(); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// owner is who the server runs as: PostgreSQL refuses to be root. nil is whoever runs this.
func owner() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.ParseUint(found.Uid, 10, 32)
		gid, _ := strconv.ParseUint(found.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres: run this as another user")
}

// program looks where a PATH would, and where Debian has the server's programs. It dies with this
// process, and an interrupt from the terminal is not for it.
func program(who *syscall.Credential, name string, arguments ...string) (*exec.Cmd, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
		if len(found) == 0 {
			return nil, err
		}
		path = found[len(found)-1]
	}
	cmd := exec.Command(path, arguments...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	return cmd, nil
}

// wait returns when the server answers. Recovery after a crash takes a while.
func (c *cluster) wait() error {
	var last error
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		if last = c.ping(); last == nil {
			return nil
		}
		select {
		case err := <-c.ended:
			c.ended <- err
			return errors.Join(errors.New("PostgreSQL ended at once"), last)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return last
}

func (c *cluster) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, "user=postgres dbname=postgres host="+c.socket)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// stop ends the server in good order: what is connected is cut off, and a checkpoint is made.
func (c *cluster) stop() error {
	_ = c.server.Process.Signal(syscall.SIGINT) // fails only when it has ended
	return errors.Join(<-c.ended, os.RemoveAll(c.socket))
}
