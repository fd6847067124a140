package web

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// everyPage renders the gallery in every language.
func everyPage(t *testing.T, look func(t *testing.T, s Sample, html string)) {
	t.Helper()
	for _, s := range Gallery() {
		for _, lang := range Languages {
			s.Frame.Lang, s.Frame.Base = lang, "/shop"
			var text bytes.Buffer
			if err := s.Page.Render(&text, s.Frame); err != nil {
				t.Errorf("%s in %s: %v", s.Name, lang, err)
				continue
			}
			t.Run(s.Name+"/"+lang, func(t *testing.T) { look(t, s, text.String()) })
		}
	}
}

// Every page is whole: its tags are balanced, nothing in it is active but the one script, every id is
// there once, every field has a label, and every address lies below the path of public_url.
func TestEveryPageIsWhole(t *testing.T) {
	everyPage(t, func(t *testing.T, s Sample, html string) {
		d, err := readHTML(html)
		if err != nil {
			t.Fatal(err)
		}
		d.check(t)
		if strings.Contains(html, "ZgotmplZ") && !strings.Contains(s.Name, "hostile") {
			t.Error("an address was refused")
		}
		if strings.Contains(html, "<no value>") || strings.Contains(html, "%!") {
			t.Error("something is missing or formatted wrongly")
		}
	})
}

// What a stranger wrote stays text, wherever it stands.
func TestHostileTextsStayTexts(t *testing.T) {
	plain := 0
	everyPage(t, func(t *testing.T, s Sample, html string) {
		d, err := readHTML(html)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range d.elements {
			if e.name == "img" || e.name == "iframe" || e.name == "object" {
				t.Errorf("<%s> is in no template", e.name)
			}
			for name, value := range e.attrs {
				leads := name == "href" || name == "action" || name == "src"
				if leads && strings.HasPrefix(strings.ToLower(value), "javascript:") {
					t.Errorf("<%s %s=%q>", e.name, name, value)
				}
			}
		}
		plain += strings.Count(html, "&lt;script&gt;")
	})
	if plain < 50 {
		t.Errorf("hostile texts stand in %d places only: the gallery doesn't try them", plain)
	}
}

// A page with ordinary data is small enough for a phone in a train.
func TestPagesAreSmall(t *testing.T) {
	everyPage(t, func(t *testing.T, s Sample, html string) {
		if !strings.Contains(html, "Ünendlich") && len(html) > 60_000+len(sheet()) {
			t.Errorf("%d bytes", len(html))
		}
	})
	if most := 26_000; len(stylesheet) > most {
		t.Errorf("the stylesheet has %d bytes", len(stylesheet))
	}
	if _, packed := script(); len(packed) > 2_000 {
		t.Errorf("packed, the script has %d bytes", len(packed))
	}
}

// A block alone is the same as in its page, with the id that it is swapped by.
func TestBlocks(t *testing.T) {
	found := 0
	swapped := regexp.MustCompile(`id="([a-z]+)" data-live="([^"]+)" data-topics="[a-z ]+"`)
	for _, s := range Gallery() {
		var whole bytes.Buffer
		if err := s.Page.Render(&whole, s.Frame); err != nil {
			t.Fatal(err)
		}
		for _, m := range swapped.FindAllStringSubmatch(whole.String(), -1) {
			found++
			if want := "block=" + m[1]; !strings.Contains(m[2], want) {
				t.Errorf("%s: block %s is fetched from %s", s.Name, m[1], m[2])
			}
			s.Frame.Block = m[1]
			var block bytes.Buffer
			if err := s.Page.Render(&block, s.Frame); err != nil {
				t.Fatal(err)
			}
			text := block.String()
			if strings.Contains(text, "<html") || !strings.Contains(text, `id="`+m[1]+`"`) {
				t.Errorf("%s: block %s is not what the page swaps: %.120s", s.Name, m[1], text)
			}
			if !strings.Contains(whole.String(), strings.TrimSpace(text)) {
				t.Errorf("%s: block %s differs from the page", s.Name, m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("%d blocks", found)
	}
}

// An unknown language is English, an unknown block the whole page, and a page that fails writes nothing.
func TestRender(t *testing.T) {
	var text bytes.Buffer
	if err := (Keys{}).Render(&text, Frame{Lang: "xx", Block: "nonsense", Role: "owner"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), `<html lang="en">`) {
		t.Error("not in English, or not whole")
	}
	text.Reset()
	if err := (Needs{What: "no such thing"}).Render(&text, Frame{Lang: "en",
		Role: "owner"}); err == nil || text.Len() > 0 {
		t.Errorf("a list of nothing known: %v, %d bytes", err, text.Len())
	}
}

// Below what is held stands when some of it is released; that nothing waits only where nothing is held.
func TestWhenWhatIsHeldIsReleased(t *testing.T) {
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, IST)
	for want, held := range map[string]Earnings{
		"nothing waits": {}, "waits to be checked": {Held: 500},
		"next released": {Held: 500, Releases: []Release{{At: day, Amount: 300, Count: 1}}},
	} {
		held.Range.Name = "30d"
		for name, page := range map[string]Page{
			"earnings": held, "overview": Overview{Range: held.Range, Held: held.Held, NextRelease: held.NextRelease()},
			"partner": Partner{Code: "ASHA", Range: held.Range, Held: held.Held, HeldUntil: held.NextRelease(),
				Access: Access{State: "active"}},
		} {
			var text bytes.Buffer
			if err := page.Render(&text, Frame{Lang: "en", Role: "owner"}); err != nil {
				t.Fatal(err)
			}
			for _, line := range []string{"nothing waits", "waits to be checked", "next released"} {
				if strings.Contains(text.String(), line) != (line == want) {
					t.Errorf("%s with %d held: %q is there: %t", name, held.Held, line, line != want)
				}
			}
		}
	}
}

// The address of the same page in another language keeps the query, and stays on this host.
func TestLanguageLinks(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{"/admin/payments?state=held&lang=en", "/admin/payments?lang=hi&state=held"},
		{"//evil.example/x", "/evil.example/x?lang=hi"}, {`/\evil.example`, "/evil.example?lang=hi"},
		{"https://evil.example/", "/https://evil.example/?lang=hi"}, {"", "/?lang=hi"}, {"/x?%zz",
			"/x?lang=hi"},
	} {
		if got := inLanguage(c.path, "hi"); got != c.want {
			t.Errorf("%q: %q, want %q", c.path, got, c.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		pattern string
		parts   []any
		want    string
	}{
		{"/admin/payments/{}", []any{"a/b?c"}, "/shop/admin/payments/a%2Fb%3Fc"},
		{"/admin/partners/{}/edit", []any{"../x"}, "/shop/admin/partners/..%2Fx/edit"},
		{"/admin/partners/{}", []any{"{}"}, "/shop/admin/partners/%7B%7D"},
		{"/admin/statements/{}", []any{int64(17)}, "/shop/admin/statements/17"},
	} {
		got, err := address("/shop", c.pattern, c.parts...)
		if err != nil || got != c.want {
			t.Errorf("%s %v: %q, %v, want %q", c.pattern, c.parts, got, err, c.want)
		}
	}
	for _, pattern := range []string{"/admin/{}", "/admin"} {
		if _, err := address("", pattern, []any{"x",
			"y"}[:len(pattern)%3]...); err == nil && pattern == "/admin/{}" {
			t.Errorf("%s: a hole is left", pattern)
		}
	}
}

// The script is served packed and plain, for ever, and under no other name.
func TestAssets(t *testing.T) {
	server := httptest.NewServer(Assets())
	defer server.Close()
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	path, _ := script()
	for _, encoding := range []string{"", "gzip, br"} {
		r, _ := http.NewRequest(http.MethodGet, server.URL+path, nil)
		r.Header.Set("Accept-Encoding", encoding)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var reader io.Reader = answer.Body
		if encoding != "" {
			if reader, err = gzip.NewReader(answer.Body); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(reader)
		answer.Body.Close()
		if err != nil || !bytes.Equal(got, liveScript) {
			t.Errorf("with %q: %v, %d bytes", encoding, err, len(got))
		}
		if !strings.Contains(answer.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%v", answer.Header)
		}
	}
	answer, err := client.Get(server.URL + "/assets/hissa-live-000000000000.js")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusNotFound {
		t.Errorf("another version's name: %d", answer.StatusCode)
	}
}

// The gallery is served: its list, and a page in both languages.
func TestGalleryHandler(t *testing.T) {
	server := httptest.NewServer(GalleryHandler())
	defer server.Close()
	for path, want := range map[string]string{
		"/": "overview/full", "/gallery/overview/full?lang=hi": `<html lang="hi">`,
		"/gallery/payment/held":              "ASHA10",
		"/gallery/overview/full?block=needs": `<section id="needs"`, "/admin/payments/17?lang=hi": "ASHA10",
		"/admin/?block=needs": `<section id="needs"`, "/partner/": "/r/ASHA",
	} {
		answer, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %v: no %q", path, err, want)
		}
		if answer.Header.Get("Content-Security-Policy") != Policy() {
			t.Errorf("%s: without the policy", path)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// Every page has a name in the gallery, so that nothing is without a picture and a test.
func TestEveryTemplateIsInTheGallery(t *testing.T) {
	files, err := filepath.Glob("*.html")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, s := range Gallery() {
		if err := s.Page.Render(io.Discard, s.Frame); err != nil {
			t.Fatal(err)
		}
	}
	compiling.Lock()
	for k := range templates {
		used[k.page+".html"] = true
	}
	compiling.Unlock()
	for _, file := range files {
		if !used[file] && !slices.Contains([]string{"layout.html", "partials.html", "gallery.html"}, file) {
			t.Errorf("%s is in no sample", file)
		}
	}
}

// The words: both languages have the same sentences with the same holes, each is used, and Hindi is Hindi.
func TestWords(t *testing.T) {
	english, hindi := vocabularies()["en"].phrases, vocabularies()["hi"].phrases
	hole := regexp.MustCompile(`\{[a-z_]+\}`)
	holes := func(text string) string {
		list := hole.FindAllString(text, -1)
		slices.Sort(list)
		return strings.Join(list, " ")
	}
	// The same in both: names, and what India writes in Latin letters.
	same := []string{"lang.en", "lang.hi", "payout.utr", "payee.ifsc", "payee.pan", "payee.gstin",
		"fact.sqlite", "fact.go",
		"mode.UPI", "mode.EMI", "mode.PAYTM_DIGITAL_CREDIT", "payee.vpa"}
	for key, en := range english {
		hi, ok := hindi[key]
		if !ok {
			t.Errorf("hi.toml has no %s", key)
			continue
		}
		if (en.one == "") != (hi.one == "") {
			t.Errorf("%s: one sentence in one language, two in the other", key)
		}
		for _, text := range []string{en.one, hi.one, hi.other} {
			if text != "" && holes(text) != holes(en.other) {
				t.Errorf("%s: %q and %q have other holes", key, en.other, text)
			}
		}
		devanagari := strings.ContainsFunc(hi.other, func(r rune) bool { return r >= 0x900 && r < 0x980 })
		if !slices.Contains(same, key) && (hi.other == en.other || !devanagari) {
			t.Errorf("%s: %q is not Hindi", key, hi.other)
		}
		if strings.TrimSpace(en.other) != en.other || strings.TrimSpace(hi.other) != hi.other {
			t.Errorf("%s: blanks around it", key)
		}
	}
	for key := range hindi {
		if _, ok := english[key]; !ok {
			t.Errorf("en.toml has no %s", key)
		}
	}
	for _, key := range unusedWords(t, slices.Collect(maps.Keys(english))) {
		t.Errorf("%s: no template uses it", key)
	}
}

// unusedWords are the keys that no template and no Go file names, nor looks up by code in their table.
func unusedWords(t *testing.T, keys []string) (unused []string) {
	t.Helper()
	var text strings.Builder
	for _, pattern := range []string{"*.html", "*.go"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(body)
		}
	}
	byCode := map[string]bool{}
	lookup := regexp.MustCompile(`(?:code|printf)\s+"([a-z_]+)(?:\.%s)?"`)
	for _, m := range lookup.FindAllStringSubmatch(text.String(), -1) {
		byCode[m[1]] = true
	}
	for _, key := range keys {
		table, name, _ := strings.Cut(key, ".")
		if !strings.Contains(text.String(), `"`+key+`"`) && !byCode[table] && table != "month" {
			prefix, _, _ := strings.Cut(name, "_")
			if !strings.Contains(text.String(), `"`+table+"."+prefix+"_") {
				unused = append(unused, key)
			}
		}
	}
	return unused
}

func TestWordsAreFilled(t *testing.T) {
	v, err := readVocabulary("en",
		"[a]\nplain = \"<b> {x} & {x}\"\ncount = { one = \"{n} day\", other = \"{n} days\" }\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key   string
		holes []any
		want  string
	}{
		{"a.plain", []any{"x", `"{n}"`, "n", 2}, "&lt;b&gt; &#34;{n}&#34; &amp; &#34;{n}&#34;"},
		{"a.count", []any{"n", 1}, "1 day"}, {"a.count", []any{"n", int64(123456)}, "1,23,456 days"},
		{"a.count", []any{"n", 0}, "0 days"},
	} {
		got, err := v.say(c.key, c.holes...)
		if err != nil || string(got) != c.want {
			t.Errorf("%s %v: %q, %v, want %q", c.key, c.holes, got, err, c.want)
		}
	}
	if _, err := v.say("a.nothing"); err == nil {
		t.Error("a key that is not there")
	}
	v.lang = "hi"
	if got, _ := v.say("a.count", "n", 0); got != "0 day" {
		t.Errorf("Hindi counts none as one: %q", got)
	}
	if got, _ := v.code("a", "<unknown>"); got != "&lt;unknown&gt;" {
		t.Errorf("a code without a word: %q", got)
	}
	for _, bad := range []string{"[a]\nx = 1\n", "[a]\nx = { one = \"\", other = \"y\" }\n",
		"[a]\nx = { one = \"x\", other = \"y\", more = \"z\" }\n"} {
		if _, err := readVocabulary("en", bad); err == nil {
			t.Errorf("%q: taken", bad)
		}
	}
}

func TestNumbers(t *testing.T) {
	v := vocabularies()["en"]
	for paise, want := range map[int64]string{
		0: "₹0.00", -5: "−₹0.05", 99999: "₹999.99", 12345600: "₹1,23,456.00",
		4_12_00_00_000_00: "₹4,12,00,00,000.00",
	} {
		if got := Rupees(paise); got != want {
			t.Errorf("%d: %s, want %s", paise, got, want)
		}
	}
	for paise, want := range map[int64]string{
		99_999_99: "₹99,999.99", 1_84_250_00: "₹1.84 L", 99_99_999_99: "₹100.00 L",
		2_30_00_000_00: "₹2.30 Cr",
		-1_84_250_00:   "−₹1.84 L", 1_00_000_00: "₹1.00 L",
	} {
		got, err := v.short(paise)
		if err != nil || !strings.Contains(string(got), want) || !strings.Contains(string(got),
			Rupees(paise)) {
			t.Errorf("%d: %s, %v, want %s", paise, got, err, want)
		}
	}
	for _, c := range []struct {
		now, before int64
		want        string
	}{{100, 0, "new"}, {0, 0, "same"}, {150, 100, "+50.0 %"}, {50, 100, "−50.0 %"}, {900, 100,
		"+800 %"}, {-5, 100, "−105 %"}} {
		if got, err := v.change(c.now, c.before); err != nil || !strings.Contains(string(got), c.want) {
			t.Errorf("%d after %d: %s, %v, want %s", c.now, c.before, got, err, c.want)
		}
	}
	if got := ratio(948, 1342); got != "70.6 %" {
		t.Error(got)
	}
	if got := ratio(1, 0); got != "–" {
		t.Error(got)
	}
	if got := grouped(-1234567); got != "−12,34,567" {
		t.Error(got)
	}
}

func TestTimes(t *testing.T) {
	v, h := vocabularies()["en"], vocabularies()["hi"]
	at := time.Date(2026, 11, 22, 8, 35, 12, 0, time.UTC)
	for want, got := range map[string]string{
		`<time datetime="2026-11-22T08:35:12Z" title="2026-11-22 08:35:12 UTC">22 Nov 2026, ` +
			`14:05 IST</time>`: string(v.at(at)),
		`>22 Nov 2026, 14:05:12 IST<`: string(v.clock(at)), `>22 नव॰ 2026<`: string(h.day(at)),
		`>14:05<`:         string(v.when(at, at.Add(time.Hour))),
		`>22 Nov, 14:05<`: string(v.when(at, at.AddDate(0, 0, 3))), `>22 Nov 2026<`: string(v.when(at,
			at.AddDate(1, 0, 0))), "–": string(v.day(time.Time{})),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for d, want := range map[time.Duration]string{49 * time.Hour: "2 days", time.Hour: "1 hour",
		90 * time.Second: "1 minute", -time.Hour: "0 seconds"} {
		if got, err := v.span(d); err != nil || string(got) != want {
			t.Errorf("%v: %s, %v, want %s", d, got, err, want)
		}
	}
}

// A chart shows what there is: zero lines, no bar out of its frame, today hatched, few bars for many days.
func TestCharts(t *testing.T) {
	v := vocabularies()["en"]
	bar := regexp.MustCompile(`y="(-?\d+)" height="(-?\d+)"`)
	for _, n := range []int{1, 7, 30, 62, 63, 400, 2000} {
		svg, err := v.bars(galleryDays(n))
		if err != nil {
			t.Fatal(err)
		}
		bars := strings.Count(string(svg), "<g><title>")
		if bars == 0 || bars > 100 || n <= mostBars && bars != n {
			t.Errorf("%d days: %d bars", n, bars)
		}
		if !strings.Contains(string(svg), `class="sales part"`) {
			t.Errorf("%d days: today looks whole", n)
		}
		for _, m := range bar.FindAllStringSubmatch(string(svg), -1) {
			var y, height int
			fmt.Sscan(m[1], &y)
			fmt.Sscan(m[2], &height)
			if y < 0 || height <= 0 || y+height > 2*headroom+salesHeight+incomeHeight+axisHeight {
				t.Errorf("%d days: a bar at %d, %d high", n, y, height)
			}
		}
	}
	if svg, err := v.bars(nil); err != nil || strings.Contains(string(svg), "<g>") {
		t.Errorf("no day: %v", err)
	}
	if spark(nil) != "" || spark([]int64{0, -3}) != "" || !strings.Contains(string(spark([]int64{1,
		2})), "M1 24v-12M4 24v-24") {
		t.Errorf("a line of bars: %s", spark([]int64{1, 2}))
	}
	if share(1, 4) == share(1, 2) || share(1, 0) == "" {
		t.Error("a share")
	}
}

func TestQR(t *testing.T) {
	svg, err := QRSVG("https://go.chai.example/r/ASHA")
	if err != nil || !strings.HasPrefix(string(svg),
		`<svg xmlns="http://www.w3.org/2000/svg"`) || len(svg) > 6000 {
		t.Errorf("%v: %d bytes", err, len(svg))
	}
	png, err := QRPNG("https://go.chai.example/r/ASHA")
	if err != nil || !bytes.HasPrefix(png, []byte("\x89PNG")) {
		t.Errorf("%v", err)
	}
	if _, err := QRPNG(strings.Repeat("x", 5000)); err == nil {
		t.Error("a text too long for a code")
	}
	if drawn, err := drawQR(strings.Repeat("x", 5000)); err != nil || drawn != "" {
		t.Errorf("a text too long for a code, in a page: %v", err)
	}
}
