// Package stage is what the tests and the program paint share: the pages that matter most, a server that says
// where it listens, the proxy in front of it, a slow phone.
package stage

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Important are the pages whose looks are kept and whose first paint is measured, by their names in the
// gallery of `hissa demo -pages`.
var Important = []string{
	"overview/full", "payments/full", "payment/held", "partners/full", "partner/full", "statement/paid",
	"payout/sent", "earnings/full", "links/full", "sign-in/staff",
}

// Gallery is where `hissa demo -pages` says that it listens.
var Gallery = regexp.MustCompile(`at (http://127\.0\.0\.1:[0-9]+)/`)

// Start starts a server that says where it listens, which the expression finds on its standard output or
// error. stop ends it and waits for that.
func Start(command *exec.Cmd, where *regexp.Regexp) (at string, stop func(), err error) {
	said, err := command.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	command.Stdout = command.Stderr
	if err := command.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
	}
	lines := bufio.NewScanner(said)
	var heard strings.Builder
	for lines.Scan() {
		fmt.Fprintln(&heard, lines.Text())
		if m := where.FindStringSubmatch(lines.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, said) }()
			return m[1], stop, nil
		}
	}
	stop()
	return "", nil, fmt.Errorf("%s does not say where it listens:\n%s", command.Path, &heard)
}

// Quiet is the log of servers whose browser may go away amid a handshake.
var Quiet = log.New(io.Discard, "", 0)

// Behind is a proxy to a server on this machine.
func Behind(address string) (http.Handler, error) {
	to, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		ErrorLog: Quiet,
	}, nil
}

// Packed sends pages packed, as serve does and the gallery does not.
func Packed(house http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/assets/") {
			house.ServeHTTP(w, r)
			return
		}
		r.Header.Del("Accept-Encoding")
		zipped := &zipper{ResponseWriter: w, to: gzip.NewWriter(w)}
		defer zipped.end()
		house.ServeHTTP(zipped, r)
	})
}

type zipper struct {
	http.ResponseWriter
	to    *gzip.Writer
	wrote bool
}

func (z *zipper) WriteHeader(status int) {
	if status == http.StatusOK {
		z.Header().Del("Content-Length")
		z.Header().Set("Content-Encoding", "gzip")
	}
	z.ResponseWriter.WriteHeader(status)
}

func (z *zipper) Write(text []byte) (int, error) {
	z.wrote = true
	return z.to.Write(text)
}

func (z *zipper) end() {
	if z.wrote {
		_ = z.to.Close()
	}
}

// SlowPhone makes a tab a cheap phone on a 4G that is not having its best day: 1.6 Mbit/s down, 750 kbit/s up,
// 150 ms to the first byte, and a processor so many times slower than this one.
func SlowPhone(ctx context.Context, slower float64) error {
	const mbit = 1e6 / 8
	_, err := chromedp.Call(ctx, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
		MatchedNetworkConditions: []*network.Conditions{{
			Latency: 150, DownloadThroughput: 1.6 * mbit, UploadThroughput: 0.75 * mbit,
		}},
	})
	if err != nil {
		return err
	}
	_, err = chromedp.Call(ctx, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: slower})
	return err
}

// FirstPaint comes to the time in milliseconds from asking for a page to its first showing something.
const FirstPaint = `new Promise((done) => new PerformanceObserver((list) => {
	for (const e of list.getEntriesByName('first-contentful-paint')) done(e.startTime);
}).observe({ type: 'paint', buffered: true }))`

// MidPhone is the BenchmarkIndex of the phone that pages are measured on: what Chrome's developer tools calibrate for
// as mid-tier, a Pixel 5. Their low tier, a Moto G Power of 2022, has 264 (CalibrationController.ts of
// ChromeDevTools/devtools-frontend). The ranges in Lighthouse's docs/throttling.md are of Chrome 86.
const MidPhone = 1000

// Index comes to this processor's BenchmarkIndex, as Lighthouse defines it: the mean of how many tens of strings of
// ten thousand letters are made in a second, and of how many tens of copies of a hundred thousand numbers.
const Index = `(() => {
	const half = 500, perSecond = (n, since) => Math.round(n / 10 / ((Date.now() - since) / 1000));
	let strings = 0, began = Date.now();
	while (Date.now() - began < half) {
		let s = '';
		for (let i = 0; i < 10000; i++) s += 'a';
		if (s.length === 1) throw new Error('so that the loop is not optimized away');
		strings++;
	}
	strings = perSecond(strings, began);
	let from = Array.from({ length: 100000 }, (_, i) => i), to = [...from], copies = 0;
	began = Date.now();
	while (copies % 10 !== 0 || Date.now() - began < half) {
		for (let i = 0; i < from.length; i++) to[i] = from[i];
		[from, to] = [to, from];
		copies++;
	}
	return (strings + perSecond(copies, began)) / 2;
})()`
