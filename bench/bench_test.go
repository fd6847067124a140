package main

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hissa/paytm"
)

func TestPercentileIsAValueThatWasMeasured(t *testing.T) {
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for p, want := range map[float64]time.Duration{
		0.001: 1, 0.5: 50, 0.99: 99, 0.999: 100, 1: 100,
	} {
		if got := percentile(hundred, p); got != want {
			t.Errorf("percentile %g of 1 to 100 is %d, want %d", p, got, want)
		}
	}
	if shown(hundred, 0.99) != 99 || shown(hundred, 0.999) != 0 {
		t.Error("a hundred values tell of the hundredth, not of the thousandth")
	}
	if got := percentile(nil, 0.5); got != 0 {
		t.Errorf("percentile of nothing is %d", got)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3, 1, 2}, 2}, {[]float64{4, 1}, 2.5}, {[]float64{7}, 7}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %g, want %g", c.values, got, c.want)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("nothing has a median")
	}
}

func TestRatiosAreTakenWithinARound(t *testing.T) {
	got := ratios(map[int]float64{0: 10, 1: 100, 2: 7}, map[int]float64{0: 5, 1: 50, 3: 1})
	if !slices.Equal(got, []float64{2, 2}) {
		t.Errorf("ratios are %v, want 2 of each round that both have", got)
	}
}

func TestAMessageIsOneThatHissaTrusts(t *testing.T) {
	shop := newTill()
	txnID, body := shop.payment("ORDER_1")
	e, err := paytm.Parse(body)
	if err != nil || !e.Verify(shop.paytm.Key()) {
		t.Fatalf("it does not verify: %v", err)
	}
	m := e.Classify()
	if m.TxnID != txnID || m.OrderID != "ORDER_1" || m.Amount != price || m.Status != paytm.Success ||
		len(m.Unknown) > 0 || m.Review != "" || m.Reference != "" {
		t.Errorf("it reads as %+v", m)
	}
	if len(e.Fields) != 42 || len(body) < 1000 || len(body) > 1200 {
		t.Errorf("%d names in %d bytes", len(e.Fields), len(body))
	}
}

// Of 20 requests one is a repeat of an earlier one, and the others come once each.
func TestStockRepeatsOneInTwenty(t *testing.T) {
	s := &stock{shots: make([]shot, 950), repeats: true}
	seen := map[*shot]int{}
	total := 0
	for next := s.next(); next != nil; next = s.next() {
		total++
		if total%repeatEvery == 0 && seen[next] == 0 {
			t.Fatalf("request %d repeats nothing", total)
		}
		seen[next]++
	}
	if len(seen) != 950 || total != 1000-1 && total != 1000 {
		t.Errorf("%d requests of %d payments", total, len(seen))
	}
}

func TestSyncsAreCountedByWhenTheyBegan(t *testing.T) {
	log := filepath.Join(t.TempDir(), "syncs")
	err := os.WriteFile(log, []byte(`7 100.500000 fdatasync(5) = 0
7 101.000000 fsync(5 <unfinished ...>
8 101.100000 fdatasync(6) = 0 (DELAYED)
7 101.200000 <... fsync resumed>) = 0
7 101.300000 --- SIGTERM {si_signo=SIGTERM} ---
7 102.500000 fdatasync(5) = 0
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	n, err := syncsBetween(log, time.Unix(100, 9e8), time.Unix(102, 0))
	if err != nil || n != 2 {
		t.Errorf("%g syncs (%v), want 2", n, err)
	}
}

func TestChecksumLines(t *testing.T) {
	for _, text := range []string{
		"parse+verify 51234.5\nverify 80000\n",
		"parse+verify: 51234.5 ops/s\nverify: 80000 ops/s\n",
		"{\"parse+verify\": 51234.5,\n\"verify\": 80000}\n",
	} {
		found := checksumLine.FindAllStringSubmatch(text, -1)
		if len(found) != 2 || found[0][2] != "51234.5" || found[1][2] != "80000" {
			t.Errorf("%q reads as %q", text, found)
		}
	}
}

func TestFiguresAsPeopleReadThem(t *testing.T) {
	for got, want := range map[string]string{
		significant(1234567): "1,234,567", significant(12.34): "12.3", significant(0.5): "0.50",
		significant(math.NaN()): "–", duration(0): "–", duration(950): "950 µs", duration(1500): "1.50 ms",
		duration(2.5e6): "2.50 s", size(1100): "1.10 KB", size(42e6): "42.0 MB", times(2): "2.00 ×",
		wholeDuration(2000): "2 ms", wholeDuration(200): "200 µs", wholeDuration(50): "50 µs",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// sample is a report with two servers and everything in it.
func sample() *Report {
	r := &Report{Date: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Rounds: 2, Seconds: 5,
		Machine:   Machine{CPU: "A & B <1>", Cores: 2, Memory: 4e9, Kernel: "6.1", FileSystem: "ext4", SyncP50: 250},
		Checksums: []Checksum{{"hissa/paytm, Go", "verify", 1100, 2000, 0}, {"paytmchecksum, Node", "verify", 1100, 9000, -1}},
		Growth: []Growth{{Payments: 100000, Rate: 5000, Against: 1, CPU: 90, Totals: 800, Story: 700, Verify: 1e6, Explain: 9000, First: 20000},
			{Payments: 1000000, Rate: 4000, Against: 0.8, CPU: 95, Totals: 900, Story: 750, Verify: 9e5,
				Explain: 9500, First: 21000}}}
	for round := range 2 {
		for i, name := range []string{"hissa", "single"} {
			speed := float64(round+1) * []float64{3000, 1000}[i]
			base := Run{Server: name, Round: round, Requests: 1000, Rate: speed, P50: 1e6 / speed, P99: 3e6 / speed}
			for _, at := range []Run{{Work: "webhooks", Connections: 1}, {Work: "webhooks", Connections: 64},
				{Work: "paced", Connections: 64, Pace: speed / 2}, {Work: "fsync", Connections: 16, Syncs: 100},
				{Work: "disk", Variant: "bare", Connections: 256}, {Work: "disk", Variant: "traced", Connections: 256},
				{Work: "disk", Variant: "5 ms", Connections: 256}, {Work: "clicks", Connections: 16}} {
				run := base
				run.Work, run.Variant, run.Connections = at.Work, at.Variant, at.Connections
				run.Pace, run.Syncs = at.Pace, at.Syncs
				r.Runs = append(r.Runs, run)
			}
		}
	}
	return r
}

func TestReportHasEveryTable(t *testing.T) {
	text := sample().markdown()
	for _, want := range []string{
		"A & B <1>, 2 cores", "**1 connection**", "**64 connections**",
		"| hissa: as it is released | 4,500 | 1.00 × |", "| 1,500 | 3.00 × |", // medians, and ratios within rounds
		"paytmchecksum, Node | verify | 9.00 µs | 111,111 | – |", "| 1,000,000 | 4,000 | 0.80 × |",
		"| 1,000 | 100 | 0.10 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, "NaN") || strings.Contains(line, "Inf") {
			t.Errorf("a figure that is none: %s", line)
		}
	}
	for block := range strings.SplitSeq(text, "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		for _, line := range lines {
			if strings.HasPrefix(lines[0], "|") && strings.Count(line, "|") != strings.Count(lines[0], "|") {
				t.Errorf("a row of another length than its table's head: %s", line)
			}
		}
	}
}

func TestPicturesAreXMLWithoutScripts(t *testing.T) {
	pictures := sample().pictures()
	if len(pictures) != 2 {
		t.Errorf("%d pictures, want 2", len(pictures))
	}
	for name, text := range pictures {
		reader := xml.NewDecoder(strings.NewReader(text))
		for {
			token, err := reader.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "script" {
				t.Errorf("%s has a script", name)
			}
		}
		if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("%s has a figure that is none", name)
		}
		if !strings.Contains(text, "prefers-color-scheme: dark") || !strings.Contains(text, ">hissa") {
			t.Errorf("%s is unreadable in the dark, or names nobody", name)
		}
	}
}

func TestNamesAtTheEndsOfLinesDoNotCover(t *testing.T) {
	taken := []float64{100, 113, 126}
	at := apart(113, taken)
	for _, other := range taken {
		if math.Abs(at-other) < 13 {
			t.Errorf("%g covers %g", at, other)
		}
	}
}

// keeper says whatever a test wants of its books.
type keeper struct {
	wireless
	have books
}

func (k keeper) prepare(context.Context, *workshop) error       { return nil }
func (k keeper) argv(string, string) ([]string, error)          { return nil, nil }
func (k keeper) finish(context.Context, *server) (books, error) { return k.have, nil }

func TestBooksHaveToHoldWhatWasAcknowledged(t *testing.T) {
	for _, c := range []struct {
		have   books
		unsure int64
		wrong  bool
	}{
		{books{10, 10, 10}, 0, false},
		{books{9, 10, 10}, 0, true},   // one lost
		{books{10, 11, 10}, 0, true},  // one booked twice
		{books{10, 10, 9}, 3, true},   // a message lost
		{books{12, 12, 12}, 3, false}, // refused, and booked all the same
		{books{14, 14, 14}, 3, true},  // more than were ever sent
	} {
		s := &site{contestant: contestant{name: "x", keeps: true}, program: keeper{have: c.have},
			acked: 10, unsure: c.unsure}
		var wrong wrongBooks
		if err := s.check(t.Context(), nil); errors.As(err, &wrong) != c.wrong {
			t.Errorf("10 acknowledged, %d refused, %+v in the books: %v", c.unsure, c.have, err)
		}
	}
}

// The open loop counts from when a request was due: of a server that stalls, every request that was
// due meanwhile is late.
func TestOpenLoopCountsFromWhenARequestWasDue(t *testing.T) {
	var once sync.Once
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		once.Do(func() { time.Sleep(200 * time.Millisecond) })
	}))
	defer slow.Close()
	wires, err := dialAll(slow.Listener.Addr().String(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(wires)
	s := &stock{shots: []shot{{request: get("/", visitorAddress(0))}}, endless: true}
	got, err := openLoop(t.Context(), wires, s, http.StatusOK, 100, 400*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	late := 0
	for _, l := range got.latencies {
		if l > 50*time.Millisecond {
			late++
		}
	}
	if len(got.latencies) < 40 || late < 10 {
		t.Errorf("%d of %d requests were late", late, len(got.latencies))
	}
}

func TestChildrenAreCounted(t *testing.T) {
	child := exec.Command("sleep", "10")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Wait() }()
	defer func() { _ = child.Process.Kill() }()
	pids, err := descendants(os.Getpid())
	if err != nil || !slices.Contains(pids, child.Process.Pid) {
		t.Errorf("%v, %v: without the child %d", pids, err, child.Process.Pid)
	}
	if n, err := memoryOf(os.Getpid()); err != nil || n < 1<<20 {
		t.Errorf("%d bytes of memory, %v", n, err)
	}
	if _, err := usageOf(os.Getpid()); err != nil {
		t.Error(err)
	}
}

func TestOnlyNamesWorks(t *testing.T) {
	chosen, err := choose("paced,webhooks")
	if err != nil || len(chosen) != 2 || chosen[0].name != "webhooks" {
		t.Errorf("%v, %v: want webhooks before paced, which needs it", chosen, err)
	}
	if _, err := choose("webhook"); err == nil {
		t.Error("a name that is none is no error")
	}
	if _, err := chooseServers("postgres,posgres"); err == nil {
		t.Error("a server that is none is no error")
	}
}
