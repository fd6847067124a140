package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// An agent without the word Headless in it, by which Hissa knows a browser that a program drives.
const agent = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) " +
	"Chrome/156.0.0.0 Mobile Safari/537.36"

// patience is how long anything may take before it counts as never: no test fails for being slow.
const patience = 2 * time.Minute

// tall is how many points of a page a window shows.
const tall = 800

// chrome is the one browser of a run; every test has a profile of its own in it.
var chrome struct {
	start sync.Once
	ctx   context.Context
	stop  func()
	err   error
}

// browser starts chromium once. All names ending in .example lead to the test's own front, and cookies
// of other sites than the page's are refused, as Safari, Firefox and Brave do.
func browser(t testing.TB) context.Context {
	t.Helper()
	needs(t, "chromium", "apt-get install chromium")
	chrome.start.Do(func() {
		path, _ := exec.LookPath("chromium")
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors,
			chromedp.UserAgent(agent),
			chromedp.Flag("host-resolver-rules",
				"MAP *.example "+street.listener.Addr().String()+", MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
			chromedp.Flag("test-third-party-cookie-phaseout", true),
			chromedp.Flag("hide-scrollbars", true),
			chromedp.Flag("font-render-hinting", "none"),
			chromedp.Flag("lang", "en-IN"),
		)
		allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, stop := chromedp.NewContext(allocator)
		chrome.ctx, chrome.stop = ctx, func() { stop(); stopAllocator() }
		chrome.err = chromedp.Do(ctx)
	})
	if chrome.err != nil {
		t.Fatalf("chromium does not start: %v", chrome.err)
	}
	return chrome.ctx
}

// needs skips a test where a tool is missing, or fails it with HISSA_REQUIRE_TOOLS=1.
func needs(t testing.TB, tool, remedy string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		missing(t, tool, remedy)
	}
}

func missing(t testing.TB, what, remedy string) {
	t.Helper()
	text := what + " is missing: " + remedy
	if os.Getenv("HISSA_REQUIRE_TOOLS") != "" {
		t.Fatal(text)
	}
	t.Skip(text)
}

// view is through what somebody looks at a page. The zero view is a wide screen by day.
type view struct {
	width int64 // 1280 unless set; up to 480 it is a phone
	dark  bool
	slow  bool   // a cheap phone on a slow 4G: see speed_test.go
	hello string // a script that runs before the page's own
}

func (v view) String() string {
	shade := "light"
	if v.dark {
		shade = "dark"
	}
	return fmt.Sprintf("%d-%s", v.size(), shade)
}

func (v view) size() int64 {
	if v.width == 0 {
		return 1280
	}
	return v.width
}

// request is one that the page made.
type request struct {
	Method, URL, Body string
	Headers           network.Headers // those that were sent, cookies among them
	Status            int64
	Bytes             float64 // over the wire, headers included
	done              bool
	loader            cdp.LoaderID // the document that made it
}

// header is one of the request's, "" when it was not sent. HTTP/2 writes names in lower case.
func (r request) header(name string) string {
	for key, value := range r.Headers {
		if text, ok := value.(string); ok && strings.EqualFold(key, name) {
			return text
		}
	}
	return ""
}

// tab is a page in a profile of its own, and all that was noticed in it.
type tab struct {
	testing.TB
	ctx    context.Context
	target target.ID
	close  func() // once; the end of the test does it too

	mu       sync.Mutex
	requests map[network.RequestID]*request
	headers  map[network.RequestID]network.Headers // as they were sent
	order    []network.RequestID
	said     []string // errors and warnings on the console, exceptions, broken policies
	refused  []string // cookies that the browser did not take, with its reason
}

// watcher runs in every document before the page's own scripts, and tells what only the page can know.
const watcher = `
addEventListener('securitypolicyviolation', (e) =>
  seenByTheTest(e.violatedDirective + ' ' + e.blockedURI + ' ' + (e.sample || '')));
window.testShifts = [];
new PerformanceObserver((list) => { for (const e of list.getEntries()) testShifts.push({ value: e.value,
  what: e.sources.map((s) => [s.node && (s.node.outerHTML || s.node.data || '').slice(0, 100),
    s.previousRect.x, s.previousRect.y, s.currentRect.x, s.currentRect.y].join(' ')).join(' | ') }); })
  .observe({ type: 'layout-shift', buffered: true });
`

// open opens a tab. Whatever it complains of fails the test at its end, unless the test has taken the
// complaints before.
func open(t testing.TB, v view) *tab {
	t.Helper()
	p := &tab{TB: t, requests: map[network.RequestID]*request{},
		headers: map[network.RequestID]network.Headers{}}
	ctx, closeTab := chromedp.NewContext(browser(t),
		chromedp.WithNewBrowserContext(), chromedp.WithListener(p.notice))
	p.ctx = ctx
	p.close = sync.OnceFunc(func() {
		if said := p.complaints(); len(said) > 0 {
			t.Errorf("the page complains:\n%s", strings.Join(said, "\n"))
		}
		closeTab()
	})
	t.Cleanup(p.close)
	if err := chromedp.Do(ctx); err != nil { // now, so that the tab's life is not bound to one action's time
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(v.size(), tall))
	for _, name := range []string{"seenByTheTest", "hacked"} {
		call(p, runtime.AddBinding, runtime.AddBindingParams{Name: name})
	}
	script := v.hello + watcher
	call(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	p.dark(v.dark)
	if v.slow {
		p.throttle()
	}
	return p
}

// dark turns the light off, or on again, in the page that is there.
func (p *tab) dark(off bool) {
	p.Helper()
	shade := "light"
	if off {
		shade = "dark"
	}
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: shade}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// call runs one command of the protocol.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	if err != nil {
		p.Fatal(err)
	}
	return result
}

// do runs actions within a time that no page of ours needs.
func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// notice is called with every event of the tab.
func (p *tab) notice(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.noticeRequest(e)
	case *network.EventRequestWillBeSentExtraInfo: // may come first
		p.headers[e.RequestID] = e.Headers
	case *network.EventResponseReceived:
		if r := p.requests[e.RequestID]; r != nil {
			r.Status = e.Response.Status
		}
	case *network.EventResponseReceivedExtraInfo:
		for _, c := range e.BlockedCookies {
			p.refused = append(p.refused, fmt.Sprint(c.CookieLine, " ", c.BlockedReasons))
		}
	case *network.EventLoadingFinished:
		if r := p.requests[e.RequestID]; r != nil {
			r.done, r.Bytes = true, r.Bytes+e.EncodedDataLength
		}
	case *network.EventLoadingFailed:
		if r := p.requests[e.RequestID]; r != nil {
			r.done = true
		}
	case *page.EventFrameNavigated:
		if e.Frame.ParentID == "" { // what the document before asked for may never be told to end
			for _, r := range p.requests {
				r.done = r.done || r.loader != e.Frame.LoaderID
			}
		}
	default:
		p.noticeComplaint(event)
	}
}

func (p *tab) noticeRequest(e *network.EventRequestWillBeSent) {
	if strings.HasPrefix(e.Request.URL, "data:") {
		return
	}
	r := &request{Method: e.Request.Method, URL: e.Request.URL, loader: e.LoaderID}
	// What becomes of a frame of another site is told to that frame alone.
	r.done = e.Type == network.ResourceTypeDocument && string(e.FrameID) != string(p.target) ||
		e.Type == network.ResourceTypeEventSource // which never ends
	for _, part := range e.Request.PostDataEntries {
		r.Body += string(part.Bytes)
	}
	if before := p.requests[e.RequestID]; before != nil { // a redirect goes on under the same id
		r.Bytes = e.RedirectResponse.EncodedDataLength
	} else {
		p.order = append(p.order, e.RequestID)
	}
	p.requests[e.RequestID] = r
}

func (p *tab) noticeComplaint(event any) {
	switch e := event.(type) {
	case *runtime.EventBindingCalled:
		what := "against the policy: "
		if e.Name == "hacked" { // what the payloads of hostile_test.go call
			what = "a stranger's script ran: "
		}
		p.said = append(p.said, what+e.Payload)
	case *page.EventJavascriptDialogOpening:
		p.said = append(p.said, "a dialog opens: "+e.Message)
		go func() { // the page stands still until it is answered
			_, _ = chromedp.Call(p.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{})
		}()
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		p.said = append(p.said, "exception: "+text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			text, _ := json.Marshal(e.Args)
			p.said = append(p.said, "console: "+string(text))
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError || e.Entry.Level == cdplog.EntryLevelWarning {
			p.said = append(p.said, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	}
}

// complaints are what the page complained of so far; they are then forgotten.
func (p *tab) complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	said := p.said
	p.said = nil
	return said
}

// anew forgets what was noticed so far.
func (p *tab) anew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.order, p.said, p.refused = nil, nil, nil
}

// made lists the requests so far that keep accepts.
func (p *tab) made(keep func(request) bool) (list []request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range p.order {
		r := *p.requests[id]
		if r.Headers = p.headers[id]; keep(r) {
			list = append(list, r)
		}
	}
	return list
}

// goTo opens an address and waits until the page has come to rest.
func (p *tab) goTo(address string) {
	p.Helper()
	p.do(chromedp.Navigate(address))
	p.settle()
}

// settle waits until the document is there and nothing has been under way for a while.
func (p *tab) settle() {
	p.Helper()
	quiet := time.Now()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		under := p.made(func(r request) bool { return !r.done })
		state, err := try[string](p, `document.readyState`)
		if len(under) > 0 || err != nil || state != "complete" { // an error is a document that goes away
			quiet = time.Now()
		}
		if time.Since(quiet) > 150*time.Millisecond {
			return
		}
		if time.Now().After(deadline) {
			p.Fatalf("the page does not come to rest: %+v", under)
		}
	}
}

// eval is what an expression in the page comes to, awaited if it is a promise.
func eval[T any](p *tab, expression string) T {
	p.Helper()
	value, err := try[T](p, expression)
	if err != nil {
		p.Fatalf("%.300s: %v", expression, err)
	}
	return value
}

// try is eval for whoever goes on after an error.
func try[T any](p *tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	await := func(params *runtime.EvaluateParams) { params.AwaitPromise = ptr(true) }
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, await))
}

// until waits for an expression to be true in the page, whatever page that is by then.
func (p *tab) until(what, expression string) {
	p.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(25 * time.Millisecond) {
		is, err := try[bool](p, expression)
		if is && err == nil {
			return
		}
		if time.Now().After(deadline) {
			text, _ := try[string](p, `location.href + "\n" + document.body.innerText`)
			p.Fatalf("still not so: %s (%s, %v)\n%s", what, expression, err, text)
		}
	}
}

// run evaluates an expression for what it does.
func (p *tab) run(expression string) {
	p.Helper()
	eval[chromedp.Void](p, expression)
	p.settle()
}

// press clicks with the mouse on what a selector names, and waits until the page has come to rest.
func (p *tab) press(selector string) {
	p.Helper()
	at := eval[struct{ X, Y float64 }](p, fmt.Sprintf(`(() => {
		const element = document.querySelector(%q);
		element.scrollIntoView({ block: 'center', behavior: 'instant' });
		const box = element.getClientRects()[0];
		return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
	})()`, selector))
	for _, kind := range []input.DispatchMouseEventType{
		input.DispatchMouseEventTypeMousePressed, input.DispatchMouseEventTypeMouseReleased,
	} {
		call(p, input.DispatchMouseEvent, input.DispatchMouseEventParams{
			Type: kind, X: at.X, Y: at.Y, Button: input.MouseButtonLeft, ClickCount: 1,
		})
	}
	p.settle()
}

// write puts text into a field, as from a keyboard.
func (p *tab) write(selector, text string) {
	p.Helper()
	eval[chromedp.Void](p, fmt.Sprintf(`document.querySelector(%q).focus()`, selector))
	call(p, input.InsertText, input.InsertTextParams{Text: text})
}

func ptr[T any](v T) *T { return &v }

// text is what an element says.
func (p *tab) text(selector string) string {
	p.Helper()
	return eval[string](p, fmt.Sprintf(`document.querySelector(%q).innerText`, selector))
}

// cookies are all that the profile holds.
func (p *tab) cookies() []*network.Cookie {
	p.Helper()
	id := chromedp.FromContext(p.ctx).BrowserContextID
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	all, err := chromedp.CallBrowser(ctx, storage.GetCookies, storage.GetCookiesParams{BrowserContextID: id})
	if err != nil {
		p.Fatal(err)
	}
	return all.Cookies
}

// cookie is the profile's cookie of a name, nil when there is none.
func (p *tab) cookie(name string) *network.Cookie {
	p.Helper()
	cookies := p.cookies()
	i := slices.IndexFunc(cookies, func(c *network.Cookie) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return cookies[i]
}
