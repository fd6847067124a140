// Command paint measures when pages are first painted on a cheap phone with a slow 4G, and exits 1 where the
// median of one is above a second. It is a program and no test, because a machine that has other things to do
// paints later:
//
//	cd browsertest
//	go run ./paint
//
// How many times slower than this one the phone's processor is, it works out by Lighthouse's BenchmarkIndex, which
// it measures in the same browser before and after; -slower says it outright, -phone names another phone.
//
// It builds hissa, serves the gallery of its pages behind HTTPS, packed as serve does, and opens each page
// several times in chromium, each time in a new profile. An empty page is measured along: what it takes is the
// network's and the machine's, and none of a page's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"hissa/browsertest/stage"
)

func main() {
	tries := flag.Int("tries", 9, "how often each page is opened")
	most := flag.Duration("most", time.Second, "the latest median that is good")
	slower := flag.Float64("slower", 0, "how many times slower than this one the phone's processor is; 0 works it out")
	phone := flag.Float64("phone", stage.MidPhone, "the phone's BenchmarkIndex")
	others := flag.Bool("lighthouse", false, "let Lighthouse measure instead, as the phone of its own mobile profile")
	flag.Parse()
	pages := flag.Args()
	if len(pages) == 0 {
		pages = stage.Important
	}
	if *tries < 1 || *phone <= 0 || *slower < 0 {
		fmt.Fprintln(os.Stderr, "-tries must be at least 1, -phone above 0, -slower not below 0")
		os.Exit(2)
	}
	front, stop, err := serve()
	if err == nil {
		if *others {
			err = judged(front, pages, *tries, *most)
		} else {
			err = run(front, pages, *tries, *slower, *phone, *most)
		}
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var errLate = errors.New("a page is painted too late")

func run(front *httptest.Server, pages []string, tries int, slower, phone float64, most time.Duration) error {
	ctx, stopChrome, err := chrome(front.Listener.Addr().String())
	if err != nil {
		return err
	}
	defer stopChrome()
	before, err := index(ctx)
	if err != nil {
		return err
	}
	if slower == 0 {
		slower = max(1, before/phone)
	}
	fmt.Printf("%d tries each on %d processors of %s, index %.0f; 360 points, 1.6 Mbit/s, 150 ms, "+
		"%.1f times slower: index %.0f\n\n", tries, runtime.NumCPU(), runtime.GOARCH, before, slower, before/slower)
	fmt.Printf("%-18s %9s %9s %9s\n", "page", "median", "least", "most")
	late := false
	for _, page := range append([]string{""}, pages...) {
		times, err := measure(ctx, page, tries, slower)
		if err != nil {
			return err
		}
		late = tell(page, times, most) || late
	}
	after, err := index(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\nindex %.0f at the end: what is far from the %.0f of the beginning was disturbed\n", after, before)
	if late {
		return errLate
	}
	return nil
}

// tell prints a page's times, which are in order, and reports whether they are too late; an empty page is never.
func tell(page string, times []time.Duration, most time.Duration) (late bool) {
	median, said := times[len(times)/2], "pass"
	if late = page != "" && median > most; late {
		said = "FAIL"
	}
	if page == "" {
		page, said = "(an empty page)", ""
	}
	fmt.Printf("%-18s %6d ms %6d ms %6d ms  %s\n", page, median.Milliseconds(), times[0].Milliseconds(),
		times[len(times)-1].Milliseconds(), said)
	return late
}

// pathOf is where a page of the gallery is; "" is the empty one.
func pathOf(page string) string {
	if page == "" {
		return "/"
	}
	return "/gallery/" + page
}

// serve builds hissa and serves its gallery, and an empty page at /.
func serve() (front *httptest.Server, stop func(), err error) {
	dir, err := os.MkdirTemp("", "hissa-paint-")
	if err != nil {
		return nil, nil, err
	}
	stop = func() { os.RemoveAll(dir) }
	binary := filepath.Join(dir, "hissa")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, ".")
	build.Dir, build.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		stop()
		return nil, nil, fmt.Errorf("building hissa, which is done from the folder browsertest: %w\n%s", err, out)
	}
	at, stopHissa, err := stage.Start(exec.Command(binary, "demo", "-pages", "-listen", "127.0.0.1:0"), stage.Gallery)
	if err != nil {
		stop()
		return nil, nil, err
	}
	proxy, err := stage.Behind(at)
	if err != nil {
		stopHissa()
		stop()
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<!doctype html><title>Empty</title><link rel="icon" href="data:,">Nothing`)
	})
	mux.Handle("/", stage.Packed(proxy))
	front = httptest.NewUnstartedServer(mux)
	front.Config.ErrorLog, front.EnableHTTP2 = stage.Quiet, true
	front.StartTLS()
	return front, func() { front.Close(); stopHissa(); os.RemoveAll(dir) }, nil
}

// chrome starts a browser for which gallery.example is where front listens.
func chrome(front string) (context.Context, func(), error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, nil, fmt.Errorf("%w: apt-get install chromium", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.IgnoreCertErrors,
		chromedp.Flag("host-resolver-rules", "MAP gallery.example "+front+", MAP * ~NOTFOUND"))
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		stopAllocator()
		return nil, nil, err
	}
	return ctx, func() { stop(); stopAllocator() }, nil
}

// measure opens a page so many times, "" for the empty one, and returns the times to its first paint, in order.
func measure(ctx context.Context, page string, tries int, slower float64) (times []time.Duration, err error) {
	address := "https://gallery.example" + pathOf(page)
	for range tries {
		took, err := once(ctx, address, slower)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", address, err)
		}
		times = append(times, took)
	}
	slices.Sort(times)
	return times, nil
}

// index is this processor's BenchmarkIndex, the median of five. Those before only warm the browser up, which has
// much to do when it starts.
func index(ctx context.Context) (float64, error) {
	tab, closeTab := chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
	defer closeTab()
	var found []float64
	for i := range 12 {
		n, err := chromedp.Run(tab, chromedp.Evaluate[float64](stage.Index))
		if err != nil {
			return 0, err
		}
		if i >= 7 {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	return found[len(found)/2], nil
}

func once(ctx context.Context, address string, slower float64) (time.Duration, error) {
	tab, closeTab := chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
	defer closeTab()
	if err := chromedp.Do(tab, chromedp.EmulateViewport(360, 800)); err != nil {
		return 0, err
	}
	if err := stage.SlowPhone(tab, slower); err != nil {
		return 0, err
	}
	limited, cancel := context.WithTimeout(tab, time.Minute)
	defer cancel()
	answer, err := chromedp.RunResponse(limited, chromedp.Navigate(address))
	if err != nil {
		return 0, err
	}
	if answer.Status != http.StatusOK {
		return 0, fmt.Errorf("answered %d: hissa demo -pages lists the pages there are", answer.Status)
	}
	await := func(params *cdpruntime.EvaluateParams) { wait := true; params.AwaitPromise = &wait }
	ms, err := chromedp.Run(limited, chromedp.Evaluate[float64](stage.FirstPaint, await))
	return time.Duration(ms * float64(time.Millisecond)), err
}
