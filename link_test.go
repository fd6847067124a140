package main

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// The shop of these tests: its landing page has a path, a query and a fragment of its own.
const landingText = "https://shop.in/hi/?from=hissa#top"

var linkHosts = []string{"shop.in", "m.shop.in", "Blog.Shop.in", "xn--p1b6ci4b4b3a.in"}

func onLinkHosts(host string) bool {
	return slices.ContainsFunc(linkHosts, func(h string) bool {
		return host == strings.ToLower(h)
	})
}

func mustURL(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// destinationOf calls destination as the handler does, with a query as it stood in the request.
func destinationOf(t testing.TB, rawQuery string) (location string, ok bool) {
	t.Helper()
	query, _ := url.ParseQuery(rawQuery) // like Request.URL.Query, which drops what is malformed
	return destination(mustURL(t, landingText), linkHosts, query, rawQuery)
}

// toQuery writes to as a correct client would.
func toQuery(to string) string { return "to=" + url.QueryEscape(to) }

func TestDestination(t *testing.T) {
	for _, c := range []struct{ name, query, want string }{
		{"no deep link", "", "https://shop.in/hi/?from=hissa#top"},
		{"an empty one", "to=", "https://shop.in/hi/?from=hissa#top"},
		{"a path", toQuery("/shoes"), "https://shop.in/shoes"},
		{"the root", toQuery("/"), "https://shop.in/"},
		{"a path in plain letters", "to=/shoes/red", "https://shop.in/shoes/red"},
		{"path, query, fragment", toQuery("/shoes?x=1#y"), "https://shop.in/shoes?x=1#y"},
		{"several parameters", toQuery("/s?a=1&b=2"), "https://shop.in/s?a=1&b=2"},
		{"a fragment that routes", toQuery("/#/p/7?x=1"), "https://shop.in/#/p/7?x=1"},
		{"Hindi", toQuery("/जूते?q=लाल#क"), "https://shop.in/" +
			"%E0%A4%9C%E0%A5%82%E0%A4%A4%E0%A5%87?q=%E0%A4%B2%E0%A4%BE%E0%A4%B2#%E0%A4%95"},
		{"escapes stay as they are", toQuery("/a%20b%2Fc?q=a%26b#%C2%A0"),
			"https://shop.in/a%20b%2Fc?q=a%26b#%C2%A0"},
		{"spaces", toQuery("/my shoes?q=red shoes"),
			"https://shop.in/my%20shoes?q=red%20shoes"},
		{"a percentage", toQuery("/sale?off=50%"), "https://shop.in/sale?off=50%25"},
		{"brackets", toQuery("/s?size[]=7"), "https://shop.in/s?size%5B%5D=7"},
		{"an at sign in a path", toQuery("/@asha"), "https://shop.in/@asha"},
		{"a colon in a path", toQuery("/p:7"), "https://shop.in/p:7"},
		{"dots inside", toQuery("/a/../b/./c"), "https://shop.in/a/../b/./c"},
		{"two slashes inside", toQuery("/a//b"), "https://shop.in/a//b"},
		{"a URL in a query", toQuery("/go?next=https://evil.com/"),
			"https://shop.in/go?next=https://evil.com/"},
		{"a parameter called to", toQuery("/s?to=b") + "&to=/second",
			"https://shop.in/s?to=b"},

		{"a host on the list", toQuery("https://m.shop.in/p/7?x=1#y"),
			"https://m.shop.in/p/7?x=1#y"},
		{"in capitals", toQuery("HTTPS://M.Shop.IN/P"), "https://m.shop.in/P"},
		{"listed in capitals", toQuery("https://blog.shop.in/"), "https://blog.shop.in/"},
		{"the default port", toQuery("https://m.shop.in:443/p"), "https://m.shop.in/p"},
		{"an empty port", toQuery("https://m.shop.in:/p"), "https://m.shop.in/p"},
		{"a bare host", toQuery("https://m.shop.in"), "https://m.shop.in/"},
		{"a host and a query", toQuery("https://m.shop.in?x=1"), "https://m.shop.in/?x=1"},
		{"a name in Hindi", toQuery("https://xn--p1b6ci4b4b3a.in/"),
			"https://xn--p1b6ci4b4b3a.in/"},

		{"passed on to landing", "utm_source=insta",
			"https://shop.in/hi/?from=hissa&utm_source=insta#top"},
		{"passed on in order", "b=2&sub=x&a=1&" + toQuery("/s?z=0#f") + "&sub3=y",
			"https://shop.in/s?z=0&b=2&sub=x&a=1&sub3=y#f"},
		{"repeated", "a=1&a=2", "https://shop.in/hi/?from=hissa&a=1&a=2#top"},
		{"without a value", "gift&x=", "https://shop.in/hi/?from=hissa&gift&x=#top"},
		{"empty ones go", "&&a=1&", "https://shop.in/hi/?from=hissa&a=1#top"},
		{"badly escaped ones go", "a=%zz&%=1&b=2", "https://shop.in/hi/?from=hissa&b=2#top"},
		{"a semicolon", "a=1;b", "https://shop.in/hi/?from=hissa&a=1%3Bb#top"},
		{"bytes that don't belong", "a=<\"`\\|^>#\x01\xff",
			"https://shop.in/hi/?from=hissa&a=%3C%22%60%5C%7C%5E%3E%23%01%FF#top"},
		{"only to is taken out", "To=1&too=2&t%6F=/s", "https://shop.in/s?To=1&too=2"},
	} {
		got, ok := destinationOf(t, c.query)
		if got != c.want || !ok {
			t.Errorf("%s: %s\n\tgot  %s, %v\n\twant %s, true", c.name, c.query, got, ok, c.want)
		}
	}
}

func TestDestinationOfAShopOnLoopback(t *testing.T) {
	landing := mustURL(t, "http://127.0.0.1:3000")
	got, ok := destination(landing, nil, url.Values{"to": {"/shoes"}}, "to=/shoes&sub=a")
	if want := "http://127.0.0.1:3000/shoes?sub=a"; got != want || !ok {
		t.Errorf("got %s, %v, want %s, true", got, ok, want)
	}
	got, ok = destination(landing, nil, nil, "sub=a")
	if want := "http://127.0.0.1:3000/?sub=a"; got != want || !ok {
		t.Errorf("got %s, %v, want %s, true", got, ok, want)
	}
}

// A stray comma in a list of hosts lets no address without a host through.
func TestDestinationWithAnEmptyHostOnTheList(t *testing.T) {
	for _, to := range []string{"https:", "https:x", "https:/x", "https:///x", "https://:443/x"} {
		query := url.Values{"to": {to}}
		got, ok := destination(mustURL(t, landingText), []string{""}, query, query.Encode())
		if got != landingText || ok {
			t.Errorf("%s: got %s, %v, want landing and false", to, got, ok)
		}
	}
}

// What is too long for a proxy's header buffer loses parameters, never the visitor.
func TestDestinationIsBounded(t *testing.T) {
	path := "/" + strings.Repeat("a", maxTo-1)
	if got, ok := destinationOf(t, toQuery(path)); got != "https://shop.in"+path || !ok {
		t.Errorf("a to of %d bytes is refused", maxTo)
	}
	if _, ok := destinationOf(t, toQuery(path+"a")); ok {
		t.Errorf("a to of %d bytes is taken", maxTo+1)
	}
	got, ok := destinationOf(t, "a=1&long="+strings.Repeat("x", maxPassed)+"&b=2")
	if want := "https://shop.in/hi/?from=hissa&a=1&b=2#top"; got != want || !ok {
		t.Errorf("got %s, %v, want %s, true", got, ok, want)
	}
	got, _ = destinationOf(t, "a="+strings.Repeat("|", maxPassed/2)+"&b=2")
	if want := "https://shop.in/hi/?from=hissa&b=2#top"; got != want {
		t.Errorf("the bound is not on what is written: got %d bytes", len(got))
	}
}

// refusedLinks are values of to that must send the visitor to landing and be reported.
func refusedLinks() (links []string) {
	links = strings.Split(refusedText, "\n")
	links = slices.DeleteFunc(links, func(s string) bool { return s == "" })
	// Every way of writing an address that is not ours, with every foreign host.
	for _, host := range []string{
		"evil.com", "shop.in.evil.com", "evilshop.in", "shop.in@evil.com", "shop.in:x@evil.com",
		"evil.com:443", "127.0.0.1", "[::1]", "shop.in.", "shop.in:8443", "shop%2ein",
		"ſhop.in", "ｓhop.in", "shop。in", "shop.in\x00.evil.com", "a.shop.in", "shop.in%00",
		"sh\u200cop.in", "shop\u2024in",
	} {
		for _, form := range []string{
			"https://%s", "https://%s/", "https://%s/shoes", "https://%s?x=1", "https://%s#x",
			"http://%s/", "//%s", "//%s/", "///%s", "/\\%s", "\\\\%s", "https:\\\\%s/",
			"/%%2f%s", "/%%5c%s", "/.//%s", "/a/..//%s", "https:%s", "https:/%s", "https:///%s",
			" https://%s/", "\thttps://%s/", "%s",
		} {
			form = strings.ReplaceAll(form, "%%", "%")
			links = append(links, strings.Replace(form, "%s", host, 1))
		}
	}
	// Control characters, wherever they stand in an address of ours.
	for _, control := range []string{
		"\x00", "\t", "\n", "\r", "\r\n", "\x0b", "\x1b", "\x1f", "\x7f", "\u0080", "\u0085",
		"\xff",
	} {
		for _, form := range []string{
			"%s/shoes", "/%s/shoes", "/%s", "/shoes%s", "/shoes?x=%s", "/shoes#%s",
			"https://shop.in%s/", "https://shop%s.in/", "ht%stps://shop.in/",
		} {
			links = append(links, strings.Replace(form, "%s", control, 1))
		}
	}
	return links
}

// One a line, for what the patterns above don't make.
const refusedText = `
shoes
./shoes
../shoes
?x=1
#top
shop.in/shoes
//
///
////
//?x=1
//#x
//shop.in/shoes
//shop.in@evil.com/
//user:secret@shop.in/
https:
https:/
https://
https:///
https:///shoes
https:?x=1
https://?x=1
https:shop.in
https:/shop.in/shoes
https:///shop.in/shoes
http://shop.in/shoes
http://m.shop.in/
HTTP://shop.in/
ftp://shop.in/
ws://shop.in/
wss://shop.in/
file:///etc/passwd
file://shop.in/etc/passwd
javascript:alert(1)
JavaScript:alert(1)
javascript://shop.in/%0aalert(1)
javascript:/shop.in/alert(1)
data:text/html,x
data://shop.in/text/html,x
vbscript:x
blob:https://shop.in/x
intent://shop.in/#Intent;scheme=https;end
upi://pay?pa=evil@upi
view-source:https://shop.in/
about:blank
mailto:a@shop.in
tel:+911234567890
shop.in:443
https://user@shop.in/
https://user:secret@shop.in/
https://@shop.in/
https://:@shop.in/
https://shop.in@/
https://shop.in:80/
https://shop.in:444/
https://shop.in:0443/
https://shop.in:4430/
https://shop.in:443:443/
https://shop.in:x/
https://shop.in:-443/
https://shop.in:443@evil.com/
https://shop.in..
https://.shop.in/
https://www.shop.in/
https://shop-in/
https://shop.in.in/
https://in/
https://*.shop.in/
https://*/
https://shop.in,evil.com/
https://shop.in;evil.com/
https://shop.in&evil.com/
https://shop.in evil.com/
https://shop.in\evil.com/
https://shop.in\@evil.com/
https://evil.com\@shop.in/
https://evil.com\.shop.in/
https://evil.com#@shop.in/
https://evil.com?@shop.in/
https://evil.com/@shop.in/
https://evil.com%23@shop.in/
https://evil.com%2f@shop.in/
https://evil.com%5c@shop.in/
https://evil.com%00.shop.in/
https://evil.com%2f.shop.in/
https://shop%E3%80%82in/
https://%73hop.in/
https://shop.in%2f/
https://shop.in%20/
https://[shop.in]/
https://[::ffff:127.0.0.1]/
https://[::1
https://2130706433/
https://0x7f000001/
https://0177.0.0.1/
https://localhost/
https://दुकान.भारत/
https://shoр.in/
https://shop.in//evil.com
https://shop.in//evil.com/..
https://shop.in/.//evil.com
https://shop.in/%2fevil.com
https://shop.in/%2F%2Fevil.com
https://shop.in/%5cevil.com
https://shop.in/\evil.com
https://shop.in/..//evil.com
https://shop.in/%2e%2e//evil.com
/\
/\/evil.com
/\\evil.com
\/evil.com
\\evil.com
\evil.com
/shoes\
/shoes\..\..\evil
/shoes?x=\
/shoes#\
/%2f/evil.com
/%2f%2fevil.com
/%2F%2Fevil.com
/%2f%5cevil.com
/%5c%5cevil.com
/%5C/evil.com
/%5c%2fevil.com
/a%5cb
/a/%5c..
/.%2f/evil.com
/%2e//evil.com
/%2e/%2fevil.com
/%2e%2e//evil.com
/%2e%2e%2f%2fevil.com
/././/evil.com
/../..//evil.com
/a/b/../..//evil.com
/a/%2e%2e//evil.com
/a/..%2f/evil.com
/a%2f..%2f%2fevil.com
/..//
/.//
/%00
/a%00b
/%0a
/%0d%0aSet-Cookie:x=1
/%0d%0a%0d%0a<script>
/%09/evil.com
/%7f
/%c2%85
/%ff
/%c0%af%c0%afevil.com
/%c0%ae%c0%ae/evil
/%e0%80%af
/%
/%2
/%zz
/a%g0
`

// However to is written, raw or escaped once more, nobody leaves the shop.
func TestDestinationNeverLeavesTheShop(t *testing.T) {
	links := refusedLinks()
	slices.Sort(links)
	links = slices.Compact(links)
	if len(links) < 500 {
		t.Fatalf("the corpus has %d links, expected 500 or more", len(links))
	}
	for _, to := range links {
		location, ok := destinationOf(t, toQuery(to))
		if ok || location != landingText {
			t.Errorf("%q: got %s, %v, want landing and false", to, location, ok)
		}
		for _, rawQuery := range []string{
			"to=" + to, "to=" + url.PathEscape(to), toQuery(toQuery(to)), "x=" + to,
			toQuery(url.QueryEscape(to)), toQuery("/" + url.PathEscape(to)),
			toQuery("/p?x=" + to), toQuery("/p#" + to), to, "to=/p&" + to,
		} {
			location, _ := destinationOf(t, rawQuery)
			if fault := locationFault(location); fault != "" {
				t.Fatalf("%q: %s is %s", rawQuery, location, fault)
			}
		}
	}
}

// A to that net/url can't decode is not in the parsed query, and is reported all the same.
func TestDestinationReportsWhatWasNotDecoded(t *testing.T) {
	for _, rawQuery := range []string{"to=%zz", "to=/s%", "to=/s;x=1", "a=1&to=%2"} {
		location, ok := destinationOf(t, rawQuery)
		if ok || !strings.HasPrefix(location, "https://shop.in/hi/?") {
			t.Errorf("%s: got %s, %v, want landing and false", rawQuery, location, ok)
		}
	}
}

// locationFault says what is wrong with a Location for the shop of these tests, or "".
func locationFault(location string) string {
	for i := range len(location) {
		if c := location[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\\\"<>`{|}^", c) >= 0 {
			return "not clean ASCII"
		}
	}
	u, err := url.Parse(location)
	switch {
	case err != nil:
		return "not a URL: " + err.Error()
	case u.Scheme != "https" || u.Opaque != "":
		return "of another scheme"
	case u.User != nil:
		return "with a user in it"
	case !onLinkHosts(u.Host):
		return "on another host"
	case strings.HasPrefix(u.Path, "//"):
		return "open to a second redirect"
	case len(location) > 3*maxTo+maxPassed+len(landingText):
		return "too long"
	}
	return ""
}

// Browsers read addresses by rules of their own; node has the same ones. Every Location that the
// corpus and the lawful links give must lead a browser to one of the shop's hosts.
func TestDestinationAsABrowserReadsIt(t *testing.T) {
	locations := []string{}
	for _, to := range append(refusedLinks(), "/shoes", "https://m.shop.in/p", "/a/..", "/@x") {
		for _, rawQuery := range []string{
			toQuery(to), "to=" + to, "x=" + to, toQuery("/" + url.PathEscape(to)),
			toQuery("/p?x=" + to), toQuery("/p#" + to),
		} {
			location, _ := destinationOf(t, rawQuery)
			locations = append(locations, location)
		}
	}
	slices.Sort(locations)
	locations = slices.Compact(locations)
	var read []struct{ Protocol, Host, Username, Pathname string }
	runNode(t, locations, &read, "", "-e", `
		const locations = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
		console.log(JSON.stringify(locations.map((location) => {
			const { protocol, host, username, pathname } = new URL(location);
			return { protocol, host, username, pathname };
		})));`)
	if len(read) != len(locations) || len(read) < 500 {
		t.Fatalf("node read %d of %d locations, expected 500 or more", len(read), len(locations))
	}
	for i, u := range read {
		if !onLinkHosts(u.Host) || u.Protocol != "https:" || u.Username != "" ||
			strings.HasPrefix(u.Pathname, "//") {
			t.Errorf("%s: a browser reads %+v", locations[i], u)
		}
	}
}

// The same over a wire: whatever stands in the request line, the Location that leaves is clean.
func TestDestinationOverHTTP(t *testing.T) {
	landing := mustURL(t, landingText)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		location, _ := destination(landing, linkHosts, r.URL.Query(), r.URL.RawQuery)
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusFound)
	}))
	t.Cleanup(server.Close)
	for _, c := range []struct{ rawQuery, want string }{
		{"to=//evil.com", landingText},
		{"to=/%5Cevil.com&a=1", "https://shop.in/hi/?from=hissa&a=1#top"},
		{"to=/\\evil.com", landingText},
		{"to=https:\\\\evil.com", landingText},
		{"to=/x%0d%0aSet-Cookie:a=b", landingText},
		{"a=%0d%0aSet-Cookie:a=b", "https://shop.in/hi/?from=hissa&a=%0d%0aSet-Cookie:a=b#top"},
		{"a=\"<script>", "https://shop.in/hi/?from=hissa&a=%22%3Cscript%3E#top"},
		{"a=\xe0\xa4\x9c", "https://shop.in/hi/?from=hissa&a=%E0%A4%9C#top"},
		{"?to=/s", "https://shop.in/hi/?from=hissa&?to=/s#top"},
		{"to=/s?x=1&y=2", "https://shop.in/s?x=1&y=2"},
	} {
		connection, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { connection.Close() })
		request := "GET /r/ASHA?" + c.rawQuery + " HTTP/1.1\r\nHost: go.shop.in\r\n\r\n"
		if _, err := connection.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Fatalf("%q: %v", c.rawQuery, err)
		}
		response.Body.Close()
		if got := response.Header.Get("Location"); got != c.want || len(response.Cookies()) > 0 {
			t.Errorf("%q: got %q and %v, want %q", c.rawQuery, got, response.Cookies(), c.want)
		}
	}
}

func FuzzDestination(f *testing.F) {
	for _, to := range refusedLinks() {
		f.Add(toQuery(to))
	}
	f.Add("to=/shoes?x=1%23y&sub=a&utm_source=b")
	f.Add("to=https://m.shop.in:443/p&%74o=//evil.com&a=%zz;b")
	f.Add("a=\\&b=\r\n&c=\xff&d=#")
	f.Fuzz(func(t *testing.T, rawQuery string) {
		location, ok := destinationOf(t, rawQuery)
		if fault := locationFault(location); fault != "" {
			t.Fatalf("%q: %s is %s", rawQuery, location, fault)
		}
		if !ok && !strings.HasPrefix(location, "https://shop.in/hi/?from=hissa") {
			t.Fatalf("%q is refused, but leads to %s", rawQuery, location)
		}
		again, ok := destinationOf(t, toQuery(strings.TrimPrefix(location, "https://shop.in")))
		if ok && again != location {
			t.Fatalf("%s as a deep link becomes %s", location, again)
		}
	})
}

func TestSubs(t *testing.T) {
	long := strings.Repeat("a", maxSub)
	for _, c := range []struct{ name, query, want string }{
		{"none", "utm_source=insta", ""},
		{"one", "sub=insta", "sub=insta"},
		{"in one order", "sub5=e&sub=z&sub2=reel&sub1=a&sub4=d&sub3=c",
			"sub=z&sub1=a&sub2=reel&sub3=c&sub4=d&sub5=e"},
		{"others are not kept", "sub6=x&Sub=x&sub_id=x&sub0=x", ""},
		{"empty ones are not kept", "sub=&sub1=%20&sub2=+a+", "sub2=a"},
		{"the first of two", "sub=a&sub=b", "sub=a"},
		{"Hindi stays readable", "sub=" + url.QueryEscape("रील 2"), "sub=रील 2"},
		{"no second meaning", "sub=" + url.QueryEscape("a&sub2=b%26;c+d"),
			"sub=a%26sub2=b%2526%3Bc%2Bd"},
		{"unprintable runes go", "sub=a%00%0d%0a%7f%E2%80%AEb%ff%E2%80%A8c", "sub=abc"},
		{"the replacement character itself stays", "sub=%EF%BF%BD", "sub=\uFFFD"},
		{"cut at 64 bytes", "sub=" + long + "b&sub1=c", "sub=" + long + "&sub1=c"},
		{"cut between runes", "sub=" + long[2:] + "%E0%A4%95b", "sub=" + long[2:]},
	} {
		query, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := subs(query); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzSubs(f *testing.F) {
	f.Add("insta", "a&sub2=b%;c+d")
	f.Add("\x00\xff\u202e", strings.Repeat("क", 40))
	f.Fuzz(func(t *testing.T, first, second string) {
		stored := subs(url.Values{"sub": {first}, "sub2": {second}})
		back, err := url.ParseQuery(stored)
		if err != nil {
			t.Fatalf("%q can't be read back: %v", stored, err)
		}
		for name, values := range back {
			value := values[0]
			if len(values) != 1 || name != "sub" && name != "sub2" || value == "" ||
				len(value) > maxSub || !utf8.ValidString(value) {
				t.Fatalf("%q holds %q of %s", stored, values, name)
			}
		}
		if again := subs(back); again != stored {
			t.Fatalf("%q stored again is %q", stored, again)
		}
	})
}

// Ids of clicks come in the order of the clicks, and no two are the same.
func TestClickIDs(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	seen := map[string]bool{}
	last := ""
	for i := range 1000 {
		id := clickID(now.Add(time.Duration(i/10) * time.Millisecond))
		if !clickPattern().MatchString(id) || len(id) != 30 || seen[id] {
			t.Fatalf("%q is no new id of 30 characters", id)
		}
		if seen[id] = true; i%10 == 0 {
			if id <= last {
				t.Fatalf("%s comes after %s", id, last)
			}
			last = id
		}
	}
}
