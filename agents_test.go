package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A browser on a phone, as far as its headers go.
const phoneAgent = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) " +
	"Chrome/142.0.0.0 Mobile Safari/537.36"

// reasonServer answers every request with notAPerson's words in a header, so that they are asked
// for with requests as a server sees them.
func reasonServer(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Reason", notAPerson(r))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestNotAPersonByHeaders(t *testing.T) {
	address := reasonServer(t)
	for _, c := range []struct {
		name, method, header, value, want string
	}{
		{"a plain visit", "GET", "", "", ""},
		{"HEAD", "HEAD", "", "", "a HEAD request"},
		{"Chrome prefetches", "GET", "Sec-Purpose", "prefetch", "a prefetch"},
		{"Chrome prerenders", "GET", "Sec-Purpose", "prefetch;prerender", "a prefetch"},
		{"through a proxy", "GET", "Sec-Purpose", "prefetch;anonymous-client-ip", "a prefetch"},
		{"prerender alone", "GET", "Sec-Purpose", "Prerender", "a prefetch"},
		{"another purpose", "GET", "Sec-Purpose", "something-new", ""},
		{"older Chrome", "GET", "Purpose", "prefetch", "a prefetch"},
		{"older Safari", "GET", "Purpose", "preview", "a page preview"},
		{"Facebook's app", "GET", "X-Purpose", "preview", "a page preview"},
		{"Firefox", "GET", "X-Moz", "prefetch", "a prefetch"},
		{"a page", "GET", "Sec-Fetch-Dest", "document", ""},
		{"a frame", "GET", "Sec-Fetch-Dest", "iframe", "an image or frame, not a page"},
		{"an old frame", "GET", "Sec-Fetch-Dest", "frame", "an image or frame, not a page"},
		{"an image", "GET", "Sec-Fetch-Dest", "image", "an image or frame, not a page"},
		{"a fetch", "GET", "Sec-Fetch-Dest", "empty", "an image or frame, not a page"},
		{"a script", "GET", "Sec-Fetch-Dest", "script", "an image or frame, not a page"},
		{"a style", "GET", "Sec-Fetch-Dest", "style", "an image or frame, not a page"},
		{"no agent", "GET", "User-Agent", "", "no user agent"},
		{"a blank agent", "GET", "User-Agent", " \t ", "no user agent"},
		{"Go's client", "GET", "User-Agent", "Go-http-client/1.1", "a tool (Go)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, err := http.NewRequest(c.method, address, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("User-Agent", phoneAgent)
			if c.header != "" {
				request.Header.Set(c.header, c.value)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if got := response.Header.Get("Reason"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A purpose counts in whichever of several header lines it stands.
func TestNotAPersonReadsEveryLine(t *testing.T) {
	r := httptest.NewRequest("GET", "/r/ASHA", nil)
	r.Header.Set("User-Agent", phoneAgent)
	r.Header["Sec-Purpose"] = []string{"other", "prefetch"}
	if got := notAPerson(r); got != reasonPrefetch {
		t.Errorf("got %q, want %q", got, reasonPrefetch)
	}
}

func TestNotAPersonByAgent(t *testing.T) {
	const (
		safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 " +
			"(KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 "
		linux = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
	)
	for _, c := range []struct{ agent, want string }{
		{"WhatsApp/2.23.20.0 A", "a link preview (WhatsApp)"},
		{"WhatsApp/2.23.20.0", "a link preview (WhatsApp)"},
		{"WhatsApp/2.2409.2 N", "a link preview (WhatsApp)"},
		{"WhatsApp/2.2336.9 W", "a link preview (WhatsApp)"},
		{"WhatsApp/2.25.1.75 i", "a link preview (WhatsApp)"},
		{"WhatsApp/2.16.16/i", "a link preview (WhatsApp)"},
		{"WhatsApp/2", "a link preview (WhatsApp)"}, // Signal
		{"WhatsApp", "a link preview (WhatsApp)"},
		{phoneAgent + " WhatsApp/2.24.13.77", ""}, // a person in the app's own browser
		{safari + "facebookexternalhit/1.1 Facebot Twitterbot/1.0", "a link preview (iMessage)"},
		{"facebookexternalhit/1.1;line-poker/1.0", "a link preview (LINE)"},
		{"facebookexternalhit/1.1; kakaotalk-scrap/1.0;", "a link preview (KakaoTalk)"},
		{"facebookexternalhit/1.1", "a link preview (Facebook)"},
		{"TelegramBot (like TwitterBot)", "a link preview (Telegram)"},
		{"Twitterbot/1.0", "a link preview (X)"},
		{"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "a link preview (Slack)"},
		{"Snapchat/12.1 (SM-A125F; Android 11)", "a link preview (Snapchat)"},
		{phoneAgent + " Snapchat/12.90.0.46 (like Safari/604.1)", ""},
		{"Pinterest/0.2 (+https://www.pinterest.com/bot.html)", "a link preview (Pinterest)"},
		{phoneAgent + " [Pinterest/Android]", ""},
		{"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
			"a crawler (Googlebot)"},
		{"GPTBot/1.2 (+https://openai.com/gptbot)", "a crawler (GPTBot)"},
		{"Mozilla/5.0 (compatible; NewThing/1.0)", "a crawler"},
		{linux + "Chrome/120.0.0.0 Safari/537.36; compatible; NewThing", "a crawler"},
		{linux + "NewThing/1.0 (+https://new.example/about)", "a crawler"},
		{phoneAgent + " SomeBot", "a crawler"},
		{phoneAgent + " some_robots/2", "a crawler"},
		{phoneAgent + " Bottle/2", ""},
		{phoneAgent + " Unpingdom/2", ""}, // signs count at the start of a word
		{phoneAgent + " Spiderling/2", "a crawler"},
		{phoneAgent + " scraper", "a crawler"},
		{"Mozilla/5.0 (Linux; Android 13; CUBOT MAX 5) Chrome/119.0.0.0 Mobile Safari/537.36", ""},
		{"Mozilla/5.0 (Linux; Android 13; CUBOT MAX 5) CrawlBot/1", "a crawler"},
		{"Mozilla/5.0 (compatible; MSIE 10.0; Windows Phone 8.0; NOKIA; Lumia 520)", ""},
		{linux + "HeadlessChrome/120.0.0.0 Safari/537.36", "a tool (HeadlessChrome)"},
		{phoneAgent + " Chrome-Lighthouse", "a tool (Lighthouse)"},
		{"curl/8.5.0", "a tool (curl)"},
		{"python-requests/2.32.3", "a tool (Python)"},
		{"libwww-perl/6.67", "a tool, not a browser"},
		{"Mozilla/5.0", "a tool, not a browser"},
		{"जाल", "a tool, not a browser"},
		{"x", "a tool, not a browser"},
	} {
		if got := agentReason(c.agent, false); got != c.want {
			t.Errorf("%s\n\tgot %q, want %q", c.agent, got, c.want)
		}
	}
}

// An app may call its web view by the app's name alone. Its engine still says that it navigates,
// which helps neither a crawler nor a preview that says what it is.
func TestNotAPersonTrustsTheEngineForTheShapeOnly(t *testing.T) {
	for _, c := range []struct{ agent, want string }{
		{"SomeShoppingApp/7.2", ""},
		{"WhatsApp/2.23.20.0 A", "a link preview (WhatsApp)"},
		{"SomeBot/1.0", "a crawler"},
	} {
		r := httptest.NewRequest("GET", "/r/ASHA", nil)
		r.Header.Set("User-Agent", c.agent)
		r.Header.Set("Sec-Fetch-Dest", "document")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		if got := notAPerson(r); got != c.want {
			t.Errorf("%s: got %q, want %q", c.agent, got, c.want)
		}
	}
}

// Every row of the tables works by itself: none is shadowed by another, misspelt or in capitals,
// and each makes a phrase that can stand in an export.
func TestEverySignIsFound(t *testing.T) {
	for kind, signs := range map[string][]agentSign{
		"a link preview": previewSigns, "a crawler": crawlerSigns, "a tool": toolSigns,
	} {
		for _, s := range signs {
			agent := "Mozilla/5.0 (X11; Linux x86_64) " + s.text
			if text, atStart := strings.CutPrefix(s.text, "^"); atStart {
				agent = text
			}
			want := kind + " (" + s.name + ")"
			if got := agentReason(strings.ToUpper(agent), true); got != want {
				t.Errorf("%q: got %q, want %q", s.text, got, want)
			}
		}
	}
}

// humanAgents are the user agents of testdata/agents/people.txt.
func humanAgents(t *testing.T) (agents []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/agents/people.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			agents = append(agents, line)
		}
	}
	if len(agents) < 70 {
		t.Fatalf("people.txt has %d user agents, expected 70 or more", len(agents))
	}
	return agents
}

func TestPeopleAreCounted(t *testing.T) {
	for _, agent := range humanAgents(t) {
		for _, dest := range []string{"", "document"} {
			r := httptest.NewRequest("GET", "/r/ASHA", nil)
			r.Header.Set("User-Agent", agent)
			if dest != "" {
				r.Header.Set("Sec-Fetch-Dest", dest)
			}
			if got := notAPerson(r); got != "" {
				t.Errorf("Sec-Fetch-Dest %q, %s\n\tis called %q", dest, agent, got)
			}
		}
	}
}

// A header that somebody filled up costs no more than a long one.
func TestAgentIsReadToItsLimit(t *testing.T) {
	pad := func(n int) string { return phoneAgent + strings.Repeat(" ", n-len(phoneAgent)) }
	if got := agentReason(pad(maxAgent-9)+"googlebot", true); got != "a crawler (Googlebot)" {
		t.Errorf("a sign that ends at the limit: got %q", got)
	}
	if got := agentReason(pad(maxAgent)+"googlebot", true); got != "" {
		t.Errorf("a sign beyond the limit: got %q", got)
	}
	long := pad(1 << 20)
	if n := testing.AllocsPerRun(100, func() { agentReason(long, true) }); n > 1 {
		t.Errorf("%v allocations, want the one of lower-casing", n)
	}
}

// Whatever the headers say, the reason is one of ours: nothing of a stranger's gets into an
// export.
func FuzzNotAPerson(f *testing.F) {
	ours := []string{
		"", reasonHead, reasonPrefetch, reasonPreview, reasonNotPage, reasonNoAgent,
		reasonCrawler, reasonTool,
	}
	for _, bucket := range signsByPair {
		for _, s := range bucket {
			ours = append(ours, s.reason)
		}
	}
	f.Add(phoneAgent, "prefetch", "document")
	f.Add("WhatsApp/2.23.20.0 A", "", "")
	f.Add("robot\xff\x00bots", "PREVIEW", "image")
	f.Add("(compatible;", "", "")
	f.Fuzz(func(t *testing.T, agent, purpose, dest string) {
		r := httptest.NewRequest("GET", "/r/ASHA", nil)
		r.Header = http.Header{
			"User-Agent": {agent}, "Sec-Purpose": {purpose}, "Sec-Fetch-Dest": {dest},
		}
		if got := notAPerson(r); !slices.Contains(ours, got) {
			t.Errorf("the reason %q is not one of the tables'", got)
		}
	})
}

// runNode runs a script, gives it stdin as JSON and reads what it prints as JSON into out. It
// skips the test when node, or a module that the script needs, is not there, unless
// HISSA_REQUIRE_TOOLS=1.
func runNode(t *testing.T, stdin, out any, needs string, args ...string) {
	t.Helper()
	missing := func(what, remedy string) {
		t.Helper()
		if os.Getenv("HISSA_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%s is missing: %s", what, remedy)
		}
		t.Skipf("%s is missing: %s", what, remedy)
	}
	path, err := exec.LookPath("node")
	if err != nil {
		missing("node", "install Node.js 18 or later")
	}
	if _, err := os.Stat(needs); needs != "" && err != nil {
		missing(needs, "npm ci --prefix testdata/agents")
	}
	input, err := json.Marshal(stdin)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path, args...)
	command.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s", err, &stderr)
	}
	if err := json.Unmarshal(output, out); err != nil {
		t.Fatalf("what node printed: %v", err)
	}
}

// The community's list of crawlers and isbot are the judges here, not the tables: they know what
// crawlers call themselves, and only the small part that matters is written down in agents.go.
func TestAgentsAgainstTheCrawlerLists(t *testing.T) {
	var list struct {
		Crawlers []struct {
			Agent string
			Tags  []string
			Isbot bool
		}
		Given []bool
	}
	humans := humanAgents(t)
	runNode(t, humans, &list, "testdata/agents/node_modules", "testdata/agents/dump.js")
	if len(list.Crawlers) < 2000 {
		t.Fatalf("the list has %d examples, expected 2,000 or more", len(list.Crawlers))
	}

	var all, social, bots agentTally
	whatsapps := 0
	for _, c := range list.Crawlers {
		caught := agentReason(c.Agent, false) != ""
		all.add(caught, c.Agent)
		if slices.Contains(c.Tags, "social-preview") {
			social.add(caught, c.Agent)
		}
		if c.Isbot {
			bots.add(caught, c.Agent)
		}
		if strings.HasPrefix(c.Agent, "WhatsApp/2.") {
			whatsapps++
			if got := agentReason(c.Agent, true); got != "a link preview (WhatsApp)" {
				t.Errorf("%s: got %q", c.Agent, got)
			}
		}
	}
	// Among the missed are people whom the list has by mistake: an in-app browser of Instagram
	// and one of Facebook, on real phones, and the windows of two code editors.
	all.require(t, "the list's examples", 2000, 97)
	social.require(t, "its link previews", 130, 99)
	bots.require(t, "what isbot calls a bot", 2000, 97)
	if whatsapps < 20 {
		t.Errorf("the list has %d examples of WhatsApp/2, expected 20 or more", whatsapps)
	}
	if len(list.Given) != len(humans) {
		t.Fatalf("isbot judged %d of %d people", len(list.Given), len(humans))
	}
	for i, bot := range list.Given {
		if bot {
			t.Errorf("isbot calls a bot: %s", humans[i])
		}
	}
}

// An agentTally counts how many of a group were caught, and keeps those that were not.
type agentTally struct {
	caught int
	missed []string
}

func (y *agentTally) add(caught bool, agent string) {
	if caught {
		y.caught++
	} else {
		y.missed = append(y.missed, agent)
	}
}

func (y *agentTally) require(t *testing.T, what string, least, percent int) {
	t.Helper()
	total := y.caught + len(y.missed)
	if total < least || y.caught*100 < total*percent {
		t.Errorf("%s: %d of %d caught, want %d%% of at least %d; missed:\n\t%s", what,
			y.caught, total, percent, least, strings.Join(y.missed, "\n\t"))
		return
	}
	t.Logf("%s: %d of %d caught", what, y.caught, total)
}

func BenchmarkNotAPerson(b *testing.B) {
	for name, agent := range map[string]string{
		"phone": phoneAgent, "preview": "WhatsApp/2.23.20.0 A",
	} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/r/ASHA", nil)
			r.Header.Set("User-Agent", agent)
			b.ReportAllocs()
			for b.Loop() {
				notAPerson(r)
			}
		})
	}
}
