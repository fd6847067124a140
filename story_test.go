package main

// The stories in testdata/stories: each is a script that runs hissa as a person would, beside a
// simulated Paytm, and reads as documentation. hissa is the real program, in a process of its own.
// Every story has a folder with hissa.toml (the plain shop's below, unless it brings its own) and
// paytm.key; $URL is where the world reaches its hissa, $API its Paytm's status API.
//
//	serve [-new]          starts hissa serve and waits until it is ready; its log is serve.log
//	sigterm               stops it, which must end with exit code 0
//	settled [T1]          waits until no question to Paytm's API is due, or it gave its word on T1
//	ends CODE hissa …     runs a command that must end with this exit code
//	timeless hissa …      runs a command; TIME, SEQ, CLICK, HASH stand for what no two runs share
//	visit /r/ASHA [agent=whatsapp]       follows a link with the one browser, whose cookie is $CLICK
//	bind order=1042 [click= promo= customer= amount= key=shop.key] want=bound
//	get /healthz [key=FILE] want=200     and post PATH FILE [type= encoding=] want=400
//	paytm pay T1 order=1042 499.00 [pending|failed] [at=+2m mode= ref= pos= campaign= subs=
//	                      currency=]
//	paytm settle T1 success              what was pending has an end
//	paytm send T1 [json|flat] [link=2048] [as=pending] [times=2] want=credited,duplicate
//	paytm sample NAME [as=T1] [unsigned] want=…   one of testdata/paytm_samples.json, signed for this shop
//	paytm conflict T1 900.00 want=…      the same TXNID, genuinely signed, with another amount
//	paytm refund R1 T1 100.00            then paytm send R1 accepted|succeeded|refused|older want=…
//	paytm dispute D1 T1 NEW 499.00 want=…
//	paytm forge T9 order=1042 999.00 [ref=] [from=mandate] want=BAIT,FORGED
//	paytm api away|back|unknown T1|deny T1|amount T1 900.00
//	paytm rotate FILE                    from now on Paytm signs with this key
//	shop up|down                         whether the shop's own handler, at $SHOP, takes messages
//	shop has T1 [times=2]                waits until it has taken so many messages about T1, and no more
//
// want is the result, or else the status of HTTP. When a story ends while hissa serves, it is
// stopped, and hissa verify must find the books in order. The merchant key must not be in the log.

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

const runsHissa = "HISSA_TEST_AS_COMMAND=1"

// TestMain lets the test binary be hissa itself: for a story by its name, for another test with
// HISSA_TEST_AS_COMMAND=1.
func TestMain(m *testing.M) {
	if slices.Contains(os.Environ(), runsHissa) {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	// The race detector would wait a second at the end of every command.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	testscript.Main(m, map[string]func(){"hissa": main})
}

// TestStories runs them all; UPDATE_STORIES=1 writes what came out where a story compares files.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/stories",
		RequireUniqueNames: true,
		UpdateScripts:      os.Getenv("UPDATE_STORIES") == "1",
		Setup:              setStage,
		Condition:          without,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": verb((*stage).serve), "sigterm": verb((*stage).sigterm),
			"settled": verb((*stage).settled), "visit": verb((*stage).visit),
			"bind": verb((*stage).bind), "get": verb((*stage).get), "post": verb((*stage).post),
			"paytm": verb((*stage).atPaytm), "shop": verb((*stage).atShop),
			"ends": ends, "timeless": timeless,
		},
	})
}

// without is the condition [without:TOOL], for what a story can't tell without a tool that is not
// ours. With HISSA_REQUIRE_TOOLS=1 it has to be there.
func without(condition string) (bool, error) {
	tool, is := strings.CutPrefix(condition, "without:")
	if !is {
		return false, fmt.Errorf("there is no condition %s", condition)
	}
	_, err := exec.LookPath(tool)
	if err != nil && os.Getenv("HISSA_REQUIRE_TOOLS") == "1" {
		return false, err
	}
	return err != nil, nil
}

// shopConfig is the plain shop's hissa.toml. $URL, $API and $MID are put in, in every .toml file
// of a story.
const shopConfig = `listen     = "127.0.0.1:0"
public_url = "$URL"

[links]
landing = "https://shop.example/"

[paytm]
environment  = "staging"
mid          = "$MID"
merchant_key = "file:paytm.key"
api_url      = "$API"

[commission]
rate = "10%"
`

// stage is what one story plays on.
type stage struct {
	dir      string
	url      string // of the proxy in front of hissa
	upstream atomic.Pointer[url.URL]
	paytm    *paytmtest.Paytm
	payments map[string]*paytmtest.Payment
	refunds  map[string]bookedRefund
	serving  *exec.Cmd
	ended    chan error // how the serving one ended
	shop     shopHandler
}

type bookedRefund struct {
	*paytmtest.Refund
	of *paytmtest.Payment
}

func setStage(env *testscript.Env) error {
	s := &stage{dir: env.WorkDir, paytm: paytmtest.New(paytmtest.Config{Seed: 1}),
		payments: map[string]*paytmtest.Payment{}, refunds: map[string]bookedRefund{}}
	proxy := httptest.NewServer(s.proxy())
	s.url = proxy.URL
	api, stopAPI := s.paytm.Start()
	shop := httptest.NewServer(&s.shop)
	env.Values["stage"] = s
	env.Defer(func() {
		s.curtain(env.T().(testing.TB))
		shop.Close()
		stopAPI()
		proxy.Close()
	})
	env.Setenv("GORACE", os.Getenv("GORACE"))
	env.Vars = append(env.Vars, runsHissa) // for hissa's own child, which starts the binary by its path
	names := map[string]string{"URL": s.url, "WORK": s.dir, "ADDR": strings.TrimPrefix(s.url, "http://"),
		"API": api, "MID": s.paytm.MID(), "CLICK": "", "SHOP": shop.URL}
	for name, value := range names { // testscript sets WORK itself, to the same
		env.Setenv(name, value)
	}
	key := []byte(s.paytm.MerchantKey() + "\n")
	if err := os.WriteFile(filepath.Join(s.dir, "paytm.key"), key, 0o600); err != nil {
		return err
	}
	return s.writeConfigs(names)
}

// writeConfigs puts the addresses into the configurations.
func (s *stage) writeConfigs(names map[string]string) error {
	main := filepath.Join(s.dir, "hissa.toml")
	if _, err := os.Stat(main); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(main, []byte(shopConfig), 0o600); err != nil {
			return err
		}
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "*.toml"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		text = []byte(os.Expand(string(text), func(name string) string { return names[name] }))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
	}
	return err
}

// proxy stands in front of hissa as in a real shop. So its address stays while hissa, which takes
// any free port, comes and goes.
func (s *stage) proxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			if to := s.upstream.Load(); to != nil {
				r.SetURL(to)
			}
			r.SetXForwarded()
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
}

// curtain stops hissa at the end of a story, looks for the merchant key in its log, and has the
// books verified.
func (s *stage) curtain(t testing.TB) {
	journal, _ := os.ReadFile(filepath.Join(s.dir, "serve.log")) // a story need not serve
	if bytes.Contains(journal, []byte(s.paytm.MerchantKey())) {
		t.Error("the merchant key stands in serve.log")
	}
	if s.serving == nil {
		return
	}
	if err := s.end(); err != nil {
		t.Errorf("hissa serve ended badly: %v, see serve.log", err)
	}
	verify := exec.Command("hissa", "verify")
	verify.Dir = s.dir
	if said, err := verify.CombinedOutput(); err != nil {
		t.Errorf("hissa verify: %v\n%s", err, said)
	}
}

// line is what stands behind a verb: words, and settings such as order=1042.
type line struct {
	*testscript.TestScript
	words    []string
	settings map[string]string
}

// verb makes a command of a story. What it leaves unread is a mistake of the story.
func verb(do func(*stage, *line)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, not bool, arguments []string) {
		l := &line{TestScript: ts, settings: map[string]string{}}
		for _, a := range arguments {
			if name, value, is := strings.Cut(a, "="); is && !strings.Contains(name, "/") {
				l.settings[name] = value
			} else {
				l.words = append(l.words, a)
			}
		}
		if not {
			ts.Fatalf("say with want what is to come, not with !")
		}
		do(ts.Value("stage").(*stage), l)
		if len(l.words) > 0 || len(l.settings) > 0 {
			ts.Fatalf("not understood: %v %v", l.words, l.settings)
		}
	}
}

func (l *line) word(what string) string {
	if len(l.words) == 0 {
		l.Fatalf("%s is missing", what)
	}
	word := l.words[0]
	l.words = l.words[1:]
	return word
}

// has takes the next word if it is this one.
func (l *line) has(word string) bool {
	if len(l.words) == 0 || l.words[0] != word {
		return false
	}
	l.words = l.words[1:]
	return true
}

func (l *line) setting(name, otherwise string) string {
	value, is := l.settings[name]
	delete(l.settings, name)
	if !is {
		return otherwise
	}
	return value
}

func (l *line) must(name string) string {
	value := l.setting(name, "")
	if value == "" {
		l.Fatalf("%s= is missing", name)
	}
	return value
}

func (l *line) amount() int64 {
	paise, err := paytm.ParseAmount(l.word("an amount in rupees"))
	l.Check(err)
	return paise
}

// at reads a payment time: from now on (+2m, -41d), or in IST (2026-01-31T23:59:59).
func (l *line) at(text string) time.Time {
	if days, is := strings.CutSuffix(text, "d"); is {
		n, err := strconv.Atoi(days)
		l.Check(err)
		return time.Now().AddDate(0, 0, n)
	}
	if d, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(d)
	}
	at, err := time.ParseInLocation("2006-01-02T15:04:05", text, ist)
	l.Check(err)
	return at
}

// patience is for what takes no second unless the machine is busy.
const patience = 30 * time.Second

// eventually tries until it is done.
func (l *line) eventually(what string, done func() bool) {
	for until := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			l.Fatalf("waited %s for %s", patience, what)
		}
	}
}

var servingAt = regexp.MustCompile(`msg=serving listen=(\S+)`)

func (s *stage) serve(l *line) {
	path := filepath.Join(s.dir, "serve.log")
	journal, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	l.Check(err)
	defer journal.Close()
	before, err := journal.Seek(0, io.SeekEnd)
	l.Check(err)
	cmd := exec.Command("hissa", "serve")
	if l.has("-new") {
		cmd.Args = append(cmd.Args, "-new")
	}
	cmd.Dir, cmd.Stderr, cmd.Env = s.dir, journal, append(os.Environ(), runsHissa)
	l.Check(cmd.Start())
	s.serving, s.ended = cmd, make(chan error, 1)
	go func() { s.ended <- cmd.Wait() }()
	l.eventually("hissa serve", func() bool {
		text, err := os.ReadFile(path)
		l.Check(err)
		if len(s.ended) > 0 {
			l.Fatalf("hissa serve ended: %v\n%s", <-s.ended, text[before:])
		}
		found := servingAt.FindSubmatch(text[before:])
		if found == nil {
			return false
		}
		s.upstream.Store(&url.URL{Scheme: "http", Host: string(found[1])})
		answer, err := http.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

func (s *stage) sigterm(l *line) {
	if s.serving == nil {
		l.Fatalf("hissa serve is not running")
	}
	l.Check(s.end())
}

func (s *stage) end() error {
	cmd := s.serving
	s.serving = nil
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-s.ended:
		return err
	case <-time.After(patience):
		return errors.Join(errors.New("it did not stop"), cmd.Process.Kill())
	}
}

// settled looks into the database beside hissa: no command tells what is only asked later.
func (s *stage) settled(l *line) {
	config, err := loadConfig(filepath.Join(s.dir, "hissa.toml"))
	l.Check(err)
	store, err := openStore(config.Database, config.storeOptions(false))
	l.Check(err)
	defer store.Close()
	if len(l.words) == 0 {
		l.eventually("Paytm's API to be asked", func() bool {
			due, err := store.DuePolls(context.Background(), 1)
			l.Check(err)
			return len(due) == 0
		})
		return
	}
	txnID := l.word("a TXNID")
	l.eventually("Paytm's word on "+txnID, func() bool {
		story, err := store.Story(context.Background(), txnID)
		l.Check(err)
		return story.Txn != nil && story.Txn.Confirmation != waiting
	})
}

// ends runs a command that must end with one exit code.
func ends(ts *testscript.TestScript, not bool, arguments []string) {
	if not || len(arguments) < 2 {
		ts.Fatalf("usage: ends CODE command …")
	}
	err := ts.Exec(arguments[1], arguments[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != arguments[0] {
		ts.Fatalf("it ended with %d, not %s", code, arguments[0])
	}
}

var (
	stamps   = regexp.MustCompile(`\d{1,2} \w{3} \d{4}, \d\d:\d\d:\d\d IST|\d{4}-\d\d-\d\dT[\d:.]+Z`)
	columns  = regexp.MustCompile(`(TIME|CREATED) {2,}`) // as wide as a day of one digit or of two
	seqs     = regexp.MustCompile(`"seq":[0-9]+`)
	trailing = regexp.MustCompile(`(?m) +$`)
	hashes   = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
	clicks   = regexp.MustCompile(`\bclk_[a-z0-9]+`)
)

// timeless runs a command and leaves out of its output what is another in every run.
func timeless(ts *testscript.TestScript, not bool, arguments []string) {
	if not || len(arguments) == 0 {
		ts.Fatalf("usage: timeless command …")
	}
	ts.Check(ts.Exec(arguments[0], arguments[1:]...))
	text := stamps.ReplaceAllString(ts.ReadFile("stdout"), "TIME")
	text = seqs.ReplaceAllString(text, `"seq":SEQ`)
	text = columns.ReplaceAllString(text, "$1  ")
	text = trailing.ReplaceAllString(text, "")
	text = hashes.ReplaceAllString(text, "HASH")
	fmt.Fprint(ts.Stdout(), clicks.ReplaceAllString(text, "CLICK"))
}

// The visitor and the shop.

// visit tells on stdout where the visitor is sent, and the cookie if there is a new one.
func (s *stage) visit(l *line) {
	req, err := http.NewRequest(http.MethodGet, s.url+l.word("a path"), nil)
	l.Check(err)
	agents := map[string]string{"": phone, "whatsapp": preview}
	agent, known := agents[l.setting("agent", "")]
	if !known {
		l.Fatalf("nobody knows this agent")
	}
	req.Header.Set("User-Agent", agent)
	if click := l.Getenv("CLICK"); click != "" {
		req.AddCookie(&http.Cookie{Name: clickCookie, Value: click})
	}
	answer, err := http.DefaultTransport.RoundTrip(req)
	l.Check(err)
	defer answer.Body.Close()
	fmt.Fprintln(l.Stdout(), answer.StatusCode, answer.Header.Get("Location"))
	for _, c := range answer.Cookies() {
		l.Setenv("CLICK", c.Value)
		fmt.Fprintln(l.Stdout(), "Set-Cookie:", c.Raw)
	}
}

func (s *stage) bind(l *line) {
	order := map[string]string{"order_id": l.must("order")}
	names := map[string]string{"click": "click_id", "promo": "promo_code",
		"customer": "customer_id", "amount": "amount"}
	for setting, name := range names {
		if value := l.setting(setting, ""); value != "" {
			order[name] = value
		}
	}
	body, err := json.Marshal(order)
	l.Check(err)
	s.ask(l, http.MethodPost, "/v1/orders", body, l.setting("key", "shop.key"))
}

func (s *stage) get(l *line) {
	s.ask(l, http.MethodGet, l.word("a path"), nil, l.setting("key", ""))
}

func (s *stage) post(l *line) {
	path := l.word("a path")
	body := l.ReadFile(l.word("a file"))
	s.ask(l, http.MethodPost, path, []byte(body), l.setting("key", ""))
}

// ask puts a request and writes the answer on stdout.
func (s *stage) ask(l *line, method, path string, body []byte, key string) {
	req, err := http.NewRequest(method, s.url+path, bytes.NewReader(body))
	l.Check(err)
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(l.ReadFile(key)))
	}
	if kind := l.setting("type", ""); kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if encoding := l.setting("encoding", ""); encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	answer, err := http.DefaultTransport.RoundTrip(req)
	l.Check(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	l.Check(err)
	fmt.Fprintf(l.Stdout(), "%d %s", answer.StatusCode, text)
	var said struct{ Result string }
	_ = json.Unmarshal(text, &said) // what is not JSON has no result
	want := l.must("want")
	if got := cmp.Or(said.Result, strconv.Itoa(answer.StatusCode)); got != want {
		l.Fatalf("%s %s: %s, want %s", method, path, got, want)
	}
}

// shopHandler is the shop's own webhook handler, as it stood at Paytm's URL before.
type shopHandler struct {
	mu    sync.Mutex
	down  bool
	taken []paytmtest.Message
}

func (h *shopHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil || h.down {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	h.taken = append(h.taken, paytmtest.Message{Body: body, ContentType: r.Header.Get("Content-Type")})
}

// about counts the messages taken that are about a payment.
func (h *shopHandler) about(txnID string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.taken {
		if envelope, err := paytm.Parse(m.Body); err == nil && envelope.Classify().TxnID == txnID {
			n++
		}
	}
	return n
}

func (s *stage) atShop(l *line) {
	switch what := l.word("what the shop does"); what {
	case "up", "down":
		s.shop.mu.Lock()
		s.shop.down = what == "down"
		s.shop.mu.Unlock()
	case "has":
		id, times := l.word("a TXNID"), l.setting("times", "1")
		l.eventually("the shop to have "+id, func() bool {
			return strconv.Itoa(s.shop.about(id)) >= times
		})
		time.Sleep(50 * time.Millisecond)
		if n := strconv.Itoa(s.shop.about(id)); n != times {
			l.Fatalf("the shop has %s messages about %s, want %s", n, id, times)
		}
	default:
		l.Fatalf("the shop never does %s", what)
	}
}

// Paytm.

func (s *stage) atPaytm(l *line) {
	verbs := map[string]func(*line){"pay": s.pay, "settle": s.settle, "send": s.send,
		"conflict": s.conflict, "refund": s.refund, "dispute": s.dispute, "forge": s.forge,
		"api": s.api, "rotate": s.rotate, "sample": s.sample}
	do := verbs[l.word("what Paytm does")]
	if do == nil {
		l.Fatalf("Paytm does no such thing")
	}
	do(l)
}

func (s *stage) pay(l *line) {
	id, order, amount := l.word("a TXNID"), l.must("order"), l.amount()
	options := []paytmtest.Option{paytmtest.TxnID(id), paytmtest.At(l.at(l.setting("at", "0s"))),
		paytmtest.Mode(l.setting("mode", "UPI")), paytmtest.Reference(l.setting("ref", "")),
		paytmtest.Pos(l.setting("pos", "")), paytmtest.Campaign(l.setting("campaign", "")),
		paytmtest.Subscription(l.setting("subs", "")),
		paytmtest.Currency(l.setting("currency", "INR"))}
	if l.has("pending") {
		options = append(options, paytmtest.Pending())
	}
	if l.has("failed") {
		options = append(options, paytmtest.Failed())
	}
	s.payments[id] = s.paytm.Pay(order, amount, options...)
}

func (s *stage) payment(l *line) *paytmtest.Payment {
	id := l.word("a TXNID")
	if s.payments[id] == nil {
		l.Fatalf("nobody paid %s", id)
	}
	return s.payments[id]
}

func (s *stage) settle(l *line) { s.paytm.Settle(s.payment(l), l.status(l.word("a status"))) }

func (l *line) status(text string) paytm.Status {
	status := paytm.Status(text)
	if status != paytm.Success && status != paytm.Failed && status != paytm.Pending {
		l.Fatalf("a payment is success, failed or pending, not %s", text)
	}
	return status
}

// send delivers one message, times over.
func (s *stage) send(l *line) {
	times, err := strconv.Atoi(l.setting("times", "1"))
	l.Check(err)
	var m paytmtest.Message
	id := l.word("a TXNID or a refund's id")
	switch r, is := s.refunds[id]; {
	case is:
		m = s.refundMessage(l, r)
	case s.payments[id] != nil:
		m = s.paymentMessage(l, s.payments[id])
	default:
		l.Fatalf("nobody paid %s, and it is no refund", id)
	}
	var copies []paytmtest.Message
	for range times {
		copies = append(copies, m)
	}
	s.deliver(l, copies...)
}

// paymentMessage is the message of now, or with as= that of a status the payment had before.
func (s *stage) paymentMessage(l *line, pay *paytmtest.Payment) paytmtest.Message {
	defer s.paytm.Settle(pay, pay.Status)
	s.paytm.Settle(pay, l.status(l.setting("as", string(pay.Status))))
	link := l.setting("link", "")
	switch {
	case link != "":
		return s.paytm.LinkPayment(pay, link)
	case l.has("json"):
		return s.paytm.PaymentJSON(pay)
	case l.has("flat"):
		return s.paytm.PaymentFlatJSON(pay)
	}
	return s.paytm.PaymentForm(pay)
}

func (s *stage) refundMessage(l *line, r bookedRefund) paytmtest.Message {
	events := map[string]func(*paytmtest.Payment, *paytmtest.Refund) paytmtest.Message{
		"accepted": s.paytm.RefundAccepted, "succeeded": s.paytm.RefundSucceeded,
		"refused": s.paytm.RefundRefused, "older": s.paytm.RefundOlderForm,
	}
	write := events[l.word("accepted, succeeded, refused or older")]
	if write == nil {
		l.Fatalf("a refund is accepted, succeeded, refused or older")
	}
	return write(r.of, r.Refund)
}

// deliver hands messages over one after the other and compares the answers.
func (s *stage) deliver(l *line, messages ...paytmtest.Message) {
	courier := paytmtest.NewCourier(s.paytm, s.url+"/webhooks/paytm", paytmtest.Faults{})
	courier.Attempts = 1
	defer courier.Close()
	var got []string
	for _, d := range courier.Send(context.Background(), messages...) {
		l.Check(d.Err)
		if d.Acknowledged() {
			got = append(got, d.Result)
		} else {
			got = append(got, strconv.Itoa(d.Status))
		}
		l.Logf("%s: %d %s", d.Message.About, d.Status, d.Result)
	}
	if want := l.must("want"); strings.Join(got, ",") != want {
		l.Fatalf("hissa answered %s, want %s", strings.Join(got, ","), want)
	}
}

// samples are the messages that Paytm has published.
func samples() (map[string]json.RawMessage, error) {
	text, err := os.ReadFile("testdata/paytm_samples.json")
	if err != nil {
		return nil, err
	}
	var list []struct {
		Name    string
		Payload json.RawMessage
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	byName := map[string]json.RawMessage{}
	for _, sample := range list {
		byName[sample.Name] = sample.Payload
	}
	return byName, nil
}

// sample sends what Paytm has published, with this shop's MID and key, in the shape it has there.
func (s *stage) sample(l *line) {
	all, err := samples()
	l.Check(err)
	name := l.word("a sample's name")
	payload, ok := all[name]
	if !ok {
		l.Fatalf("there is no sample %s", name)
	}
	ours := map[string]string{"MID": s.paytm.MID(), "mid": s.paytm.MID()}
	if id := l.setting("as", ""); id != "" {
		ours["TXNID"], ours["txnId"], ours["transactionId"] = id, id, id
	}
	m := s.signed(l, payload, ours)
	if l.has("unsigned") {
		fields, err := url.ParseQuery(string(m.Body))
		l.Check(err)
		fields.Del("CHECKSUMHASH")
		m.Body = []byte(fields.Encode())
	}
	m.About = name
	s.deliver(l, m)
}

// signed makes a message of a sample's payload: JSON with head and body of that, a form of the rest.
func (s *stage) signed(l *line, payload json.RawMessage, ours map[string]string) paytmtest.Message {
	var sample struct{ Body map[string]any }
	l.Check(json.Unmarshal(payload, &sample))
	if sample.Body == nil {
		values := map[string]string{}
		l.Check(json.Unmarshal(payload, &values))
		for name := range values {
			values[name] = cmp.Or(ours[name], values[name])
		}
		return s.paytm.SignForm(values)
	}
	for name := range sample.Body {
		if value := ours[name]; value != "" {
			sample.Body[name] = value
		}
	}
	body, err := json.Marshal(sample.Body)
	l.Check(err)
	return s.paytm.SignBody(string(body))
}

// Every message that Paytm has published has its place in a story.
func TestEverySampleHasItsStory(t *testing.T) {
	all, err := samples()
	if err != nil {
		t.Fatal(err)
	}
	stories, err := filepath.Glob("testdata/stories/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var told strings.Builder
	for _, story := range stories {
		text, err := os.ReadFile(story)
		if err != nil {
			t.Fatal(err)
		}
		told.Write(text)
	}
	for name := range all {
		if !strings.Contains(told.String(), "\npaytm sample "+name+" ") {
			t.Errorf("no story tells of %s", name)
		}
	}
}

func (s *stage) conflict(l *line) {
	pay := s.payment(l)
	s.deliver(l, s.paytm.Conflicting(pay, l.amount()))
}

func (s *stage) refund(l *line) {
	id := l.word("a refund id")
	pay := s.payment(l)
	r := s.paytm.Refund(pay, l.amount(), paytmtest.RefundID(id))
	s.refunds[id] = bookedRefund{r, pay}
}

func (s *stage) dispute(l *line) {
	id := l.word("a dispute id")
	pay, status := s.payment(l), l.word("a status")
	s.deliver(l, s.paytm.Dispute(pay, id, status, l.amount()))
}

// forge sends the forger's bait and what he makes of it.
func (s *stage) forge(l *line) {
	id, order, amount := l.word("a TXNID"), l.must("order"), l.amount()
	var bait, forged paytmtest.Message
	if l.setting("from", "") == "mandate" {
		bait, forged = s.paytm.ForgeFromMandate(order, id, amount)
	} else {
		bait, forged = s.paytm.Forge(order, id, amount,
			paytmtest.Reference(l.setting("ref", "")))
	}
	s.deliver(l, bait, forged)
}

func (s *stage) api(l *line) {
	var faults paytmtest.APIFaults
	lie := func(c paytmtest.Contradiction) {
		faults.Contradict = map[string]paytmtest.Contradiction{l.word("a TXNID"): c}
	}
	switch what := l.word("how the API is"); what {
	case "away":
		faults.Away = true
	case "back":
	case "unknown":
		lie(paytmtest.Contradiction{Unknown: true})
	case "deny":
		lie(paytmtest.Contradiction{Status: paytm.Failed})
	case "amount":
		id := l.word("a TXNID")
		faults.Contradict = map[string]paytmtest.Contradiction{id: {Amount: l.amount()}}
	default:
		l.Fatalf("the API is never %s", what)
	}
	s.paytm.SetAPI(faults)
}

func (s *stage) rotate(l *line) {
	s.paytm.Rotate(strings.TrimSpace(l.ReadFile(l.word("a key file"))))
}
