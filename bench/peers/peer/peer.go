// Package peer is what the peers written in Go have in common, so that they differ only in what is
// measured: how each of them keeps its books.
package peer

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"hissa/paytm"
)

// Options are the flags that every peer has.
type Options struct {
	Listen string // HOST:PORT on the loopback interface
	Data   string // the peer's own folder, which exists

	keyFile string
}

// ParseFlags reads the command line, the peer's own flags included.
func ParseFlags() (Options, error) {
	var o Options
	flag.StringVar(&o.Listen, "listen", "127.0.0.1:8090", "`address` to listen on, loopback only")
	flag.StringVar(&o.Data, "data", "", "`folder` of the peer's data; made if need be")
	flag.StringVar(&o.keyFile, "key", "", "`file` with the merchant key")
	flag.Parse()
	if o.Data == "" {
		return o, errors.New("-data is missing: name a folder for the peer's data")
	}
	host, _, err := net.SplitHostPort(o.Listen)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
		return o, fmt.Errorf("-listen %s is not on the loopback interface: "+
			"name an address such as 127.0.0.1:8090", o.Listen)
	}
	return o, os.MkdirAll(o.Data, 0o700)
}

// Key reads the merchant key.
func (o Options) Key() (*paytm.Key, error) {
	if o.keyFile == "" {
		return nil, errors.New("-key is missing: name the file with the merchant key")
	}
	text, err := os.ReadFile(o.keyFile)
	if err != nil {
		return nil, err
	}
	return paytm.NewKey(strings.TrimSpace(string(text)))
}

// Service is a peer at work. Close is called once, after the last request.
type Service interface {
	http.Handler
	Close() error
}

// Main opens a peer, serves until SIGTERM or an interrupt, and closes it. It listens only when the
// peer is open, so the first answer to /ready is true.
func Main(open func(Options) (Service, error)) {
	if err := run(open); err != nil {
		log.Fatal(err)
	}
}

func run(open func(Options) (Service, error)) error {
	// Before anything is started, so that a signal always finds what is to be ended.
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	o, err := ParseFlags()
	if err != nil {
		return err
	}
	service, err := open(o)
	if err != nil {
		return err
	}
	return errors.Join(serve(stop, o.Listen, service), service.Close())
}

// serve answers requests until stop, and those that are in flight then to their end.
func serve(stop context.Context, address string, h http.Handler) error {
	server := &http.Server{Addr: address, Handler: h, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}
	patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return server.Shutdown(patience)
}
