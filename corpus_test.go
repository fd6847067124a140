package main

// The hostile corpus: requests as strangers, broken programs and attackers send them, byte by byte on
// a connection of their own, at Hissa itself and through the proxies of deploy/. Meanwhile genuine
// webhooks come at a steady rate, and others drip a byte now and then to keep connections open.
// Asserted: every genuine webhook is answered 200; nobody is answered 5xx; nobody is sent to a
// foreign host; the log stays one record a line; nothing a stranger sent is booked; memory is where
// it was; and afterwards the books are in order and the server works.

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
	"unicode/utf16"

	"hissa/paytm/paytmtest"
)

// hostile is one request. Want lists the statuses that Hissa itself may answer; "" is any below 500.
type hostile struct {
	kind    string
	head    string // request line and headers, without the empty line
	body    string
	endless bool // more chunks follow until the other side has had enough
	ends    bool // nothing follows: the sending side is closed
	want    string
}

// webhookLine begins a request to the webhook.
const webhookLine = "POST /webhooks/paytm HTTP/1.1\r\nHost: localhost"

// hostileHook is a webhook with a body and its length.
func hostileHook(kind, body, want string, headers ...string) hostile {
	head := fmt.Sprintf("%s\r\nConnection: close\r\nContent-Length: %d", webhookLine, len(body))
	for _, h := range headers {
		head += "\r\n" + h
	}
	return hostile{kind: kind, head: head, body: body, want: want}
}

// hostileGet asks for a path as it stands.
func hostileGet(kind, path, want string, headers ...string) hostile {
	head := "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close"
	for _, h := range headers {
		head += "\r\n" + h
	}
	return hostile{kind: kind, head: head, want: want}
}

// corpus is every hostile request once; what is drawn by luck is another in every round.
func corpus(luck *rand.Rand, p *paytmtest.Paytm) []hostile {
	return slices.Concat(hostileSizes(luck), hostileTexts(luck), signedOddities(luck, p), hostileHeaders(luck),
		hostileFraming(), hostilePaths(luck), hostileLinks(luck))
}

// hostileSizes are bodies too large, too many, too deep, and compressed ones.
func hostileSizes(luck *rand.Rand) []hostile {
	sized := func(n int) string { return "comments=" + strings.Repeat("a", n-len("comments=")) }
	chunked := func(body string) hostile {
		return hostile{kind: "chunked", want: "401 413", body: fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body),
			head: webhookLine + "\r\nConnection: close\r\nTransfer-Encoding: chunked"}
	}
	deep := func(open string) string { return `{"a":` + strings.Repeat(open, (maxBody-10)/len(open)) }
	bomb := zeros(1 << 20)
	list := []hostile{
		hostileHook("64 KiB less one", sized(maxBody-1), "401"), hostileHook("64 KiB", sized(maxBody), "401"),
		hostileHook("64 KiB and one", sized(maxBody+1), "413"),
		hostileHook("100 KiB", sized(100<<10), "413"),
		chunked(sized(maxBody)), chunked(sized(maxBody + 1)),
		{kind: "endless", want: "413", endless: true, head: webhookLine + "\r\nTransfer-Encoding: chunked"},
		hostileHook("10,001 parameters", strings.Repeat("a=&", 10_001), "400"),
		hostileHook("201 parameters", manyNames(201), "400"), hostileHook("200 parameters", manyNames(200), "401"),
		hostileHook("names that collide", manyNames(5000), "400"),
		hostileHook("deep JSON", deep("["), "400"), hostileHook("deep JSON", deep(`{"a":`), "400"),
		hostileHook("deep JSON", strings.Repeat("[", 60_000), "400"),
		hostileHook("wide JSON", "{"+strings.Repeat(`"a":1,`, 10_000)+`"b":2}`, "400"),
		hostileHook("long number", `{"TXNAMOUNT":1`+strings.Repeat("0", 60_000)+`}`, "400 401"),
		hostileHook("a million keys", aMillionKeys, "413"),
	}
	for _, coding := range []string{"gzip", "deflate", "br", "zstd", "gzip, gzip", "x-gzip", "GZIP", "compress"} {
		list = append(list, hostileHook("a bomb", bomb, "415", "Content-Encoding: "+coding))
	}
	return append(list, hostileHook("random bytes", randomBytes(luck, luck.IntN(2000)), "400 401"))
}

var aMillionKeys = strings.Repeat("a=1&", 1_000_000)

// zeros is a gzip stream that grows to n bytes, a thousand times its size.
func zeros(n int) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(make([]byte, n)) // into memory
	_ = w.Close()
	return b.String()
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "n%d=&", i)
	}
	return strings.TrimSuffix(b.String(), "&")
}

func randomBytes(luck *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(luck.Uint32())
	}
	return string(b)
}

// hostileTexts are bodies in which one reader sees what another doesn't.
func hostileTexts(luck *rand.Rand) (list []hostile) {
	const plain = `MID=SHOP&ORDERID=1&STATUS=TXN_SUCCESS&TXNID=T1&CHECKSUMHASH=x`
	wide := utf16.Encode([]rune(plain))
	var little, big []byte
	for _, unit := range wide {
		little = binary.LittleEndian.AppendUint16(little, unit)
		big = binary.BigEndian.AppendUint16(big, unit)
	}
	for _, body := range []string{
		string(little), string(big), "\xff\xfe" + string(little), "\xfe\xff" + string(big),
		plain + "\x00", "MID=a%00b", "MID=\xc0\xaf", "MID=%c0%af", "MID=%ff", "MID=\xed\xa0\x80", "MID=%ed%a0%80",
		"a;b=2", "MID", "=x", "&&", "%zz=1", "a=%", "a=%4", "a=1&a=2", "TXNID=1&TXNID=2", "TXNID=1&%54XNID=2",
		"{", "{}{}", `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":"` + "\x01" + `"}`, `{"a":01}`,
		`{"a":NaN}`, `{'a':1}`, `{"a":1,}`, `{"head":{},"body":{}} x`, "{\"a\":\"\xff\"}", `{"a":1e999999}}`,
		"", " ", "\r\n\r\n", "null&", "\x00\x00\x00",
	} {
		list = append(list, hostileHook("malformed text", body, "400"))
	}
	for _, body := range []string{
		plain, plain + "&", "a=1;b=2", `{"a":"\ud800"}`, "\ufeff" + plain, "MID=\u202e1POHS", "MID=\u200bSHOP", "MID=e\u0301&x=\u00e9", "txnid=1&TXNID=2",
		`{"head":{"signature":"x"},"body":{}}`, `{"head":[],"body":{"a":1}}`, `{"head":{"signature":[1]},"body":{}}`,
		`{"body":{"a":null}}`, `{"a":1}`, "  {}", `{"CHECKSUMHASH":["x"]}`, "CHECKSUMHASH=" + strings.Repeat("A", 108),
		"CHECKSUMHASH=" + strings.Repeat("%0a", 100), "a=" + randomLetters(luck, 200),
	} {
		list = append(list, hostileHook("unsigned text", body, "401"))
	}
	return list
}

func randomLetters(luck *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + luck.IntN(26))
	}
	return string(b)
}

// signedOddities are sealed with the merchant key and hold what can't be relied on: kept for a person.
func signedOddities(luck *rand.Rand, p *paytmtest.Paytm) (list []hostile) {
	sealed := func(name, value string) {
		fields := map[string]string{"MID": p.MID(), "ORDERID": "odd", "TXNID": "ODD" + randomLetters(luck, 8),
			"TXNAMOUNT": "1.00", "STATUS": "TXN_SUCCESS", "BANKTXNID": "1", "MERC_UNQ_REF": "ASHA"}
		fields[name] = value
		m := p.SignForm(fields)
		list = append(list, hostileHook("signed, "+name, string(m.Body), "200", "Content-Type: "+m.ContentType))
	}
	for _, amount := range []string{
		"1e9", "-1", "1,000.00", "0x10", "1.005", "NaN", " 1", "1 ", "\u0661", "9999999999999", "+1", ".5", "", "0", "Infinity",
	} {
		sealed("TXNAMOUNT", amount)
	}
	for _, id := range []string{
		"a b", "a\nb", "a|b", "\u202eT", "T\u200b1", strings.Repeat("T", 65), "T\x1b[31m", "<script>", "'; DROP TABLE", "..%2f", "é",
	} {
		sealed("TXNID", id)
		sealed("ORDERID", id)
	}
	for _, text := range []string{"TXN_MAYBE", "success", "TXN_SUCCESS "} {
		sealed("STATUS", text)
	}
	sealed("CURRENCY", "RUPEES")
	return list
}

// hostileHeaders are huge, many, odd, or lie about the sender.
func hostileHeaders(luck *rand.Rand) []hostile {
	many := make([]string, 500)
	for i := range many {
		many[i] = fmt.Sprintf("X-%d: %s", i, randomLetters(luck, 5))
	}
	cookies := make([]string, 100)
	for i := range cookies {
		cookies[i] = fmt.Sprintf("c%d=%s", i, randomLetters(luck, 20))
	}
	list := []hostile{
		hostileGet("huge header", "/healthz", "431", "X-Big: "+strings.Repeat("x", 40<<10)),
		hostileGet("many headers", "/healthz", "200 431", many...),
		hostileGet("no such host", "/healthz", "400", "Host: evil.example"),
		hostileGet("header with a break", "/healthz", "400", "X-A: a\x00b"),
		hostileGet("header without a name", "/healthz", "400", ": x"),
		hostileGet("header with a space", "/healthz", "400", "X A: b"),
		hostileGet("folded header", "/healthz", "200 400", "X-A: a\r\n b"),
		hostileGet("many cookies", "/r/ASHA", "302", "Cookie: "+strings.Join(cookies, "; ")),
		hostileGet("huge cookie", "/r/ASHA", "302 431", "Cookie: hissa_click="+strings.Repeat("x", 7000)),
		hostileGet("range", "/healthz", "200", "Range: bytes=0-0,0-0,-1"),
		hostileGet("upgrade", "/healthz", "200", "Upgrade: websocket", "Connection: Upgrade"),
		hostileGet("expect", "/healthz", "200 417", "Expect: the-spanish-inquisition"),
		hostileGet("keys", "/metrics", "401", "Authorization: Bearer "+randomLetters(luck, 43)),
		hostileGet("keys", "/v1/export/ledger", "401", "Authorization: Basic "+randomLetters(luck, 43)),
		hostileGet("keys", "/v1/export/ledger", "401", "Authorization: Bearer "+strings.Repeat("A", 8000)),
	}
	for _, cookie := range []string{
		"hissa_click=", "hissa_click=clk_'; DROP TABLE clicks", "hissa_click=\"clk_a", "=;=;=", "hissa_click", ";;;;",
		"hissa_click=clk_\x1b[31m", "hissa_click=a; hissa_click=b",
	} {
		list = append(list, hostileGet("odd cookie", "/r/ASHA", "302 400", "Cookie: "+cookie))
	}
	for _, from := range []string{
		"203.0.113.9", "unknown", strings.Repeat("1.1.1.1, ", 500), "::1%eth0", "\"[2001:db8::1]:80\"", "-1", ",,,,",
	} {
		list = append(list, hostileHook("claimed address", "a=b", "401", "X-Forwarded-For: "+from))
	}
	for _, kind := range []string{
		"", "text/plain", "multipart/form-data; boundary=x", "multipart/form-data", "application/json; charset=utf-16",
		"application/x-www-form-urlencoded; charset=\xff", strings.Repeat("a/", 3000), "\x1b[31m",
	} {
		list = append(list, hostileHook("odd Content-Type", "a=b", "400 401", "Content-Type: "+kind))
	}
	return list
}

// hostileFraming is for those who want two programs to see two different ends of one request.
func hostileFraming() (list []hostile) {
	const next = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
	const chunked = "5\r\na=b&c\r\n0\r\n\r\n"
	framed := func(headers, body string) {
		list = append(list, hostile{kind: "framing", head: webhookLine + "\r\n" + headers, body: body, ends: true})
	}
	framed("Content-Length: 3\r\nTransfer-Encoding: chunked", chunked+next)
	framed("Transfer-Encoding: chunked\r\nContent-Length: 100", chunked+next)
	framed("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", chunked)
	framed("Transfer-Encoding: chunked, chunked", chunked)
	framed("Transfer-Encoding: \x0bchunked", chunked)
	framed("Transfer-Encoding : chunked", chunked)
	framed("Transfer-Encoding: xchunked", chunked)
	framed("Transfer-Encoding: gzip, chunked", chunked)
	framed("Content-Length: 3\r\nContent-Length: 4", "a=bc"+next)
	framed("Content-Length: 3, 3", "a=b")
	framed("Content-Length: +3", "a=b")
	framed("Content-Length: -1", "a=b")
	framed("Content-Length: 0x3", "a=b")
	framed("Content-Length: 99999999999999999999999", "a=b")
	framed("Content-Length: 3", "a=b"+next+next)
	framed("Content-Length: 3\nX-A: b", "a=b")
	framed("Content-Length: 50", "a=b")
	framed("Transfer-Encoding: chunked", "5\r\nab\r\n")
	framed("Transfer-Encoding: chunked", "-5\r\nabcde\r\n0\r\n\r\n")
	framed("Transfer-Encoding: chunked", "fffffffffffffffff\r\nabcde\r\n0\r\n\r\n")
	framed("Transfer-Encoding: chunked", "5;"+strings.Repeat("x", 20_000)+"\r\na=b&c\r\n0\r\n\r\n")
	framed("Transfer-Encoding: chunked", "3\r\na=b\r\n0\r\nX-Trailer: "+strings.Repeat("x", 20_000)+"\r\n\r\n")
	for _, line := range []string{
		"POST /webhooks/paytm HTTP/1.0", "POST /webhooks/paytm HTTP/1.0\r\nTransfer-Encoding: chunked",
		"POST /webhooks/paytm", "POST /webhooks/paytm HTTP/9.9", "POST /webhooks/paytm HTTP/1.1x",
		"POST  /webhooks/paytm HTTP/1.1", "post /webhooks/paytm HTTP/1.1", "P\x00ST / HTTP/1.1",
		"PRI * HTTP/2.0", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET http://evil.example/ HTTP/1.1",
		"OPTIONS * HTTP/1.1", "CONNECT evil.example:443 HTTP/1.1", "TRACE / HTTP/1.1", "DELETE /webhooks/paytm HTTP/1.1",
	} {
		list = append(list, hostile{kind: "request line", head: line + "\r\nHost: localhost\r\nConnection: close", ends: true})
	}
	return list
}

// hostilePaths lead elsewhere, or nowhere.
func hostilePaths(luck *rand.Rand) (list []hostile) {
	for _, path := range []string{
		"//", "//evil.example", "//evil.example/%2e%2e", "/\\evil.example", "/%2e%2e/%2e%2e/etc/passwd", "/../webhooks/paytm",
		"/%00", "/a%00b", "/%", "/%zz", "/%ff", "/\xff", "/webhooks/paytm/", "/webhooks//paytm", "/webhooks/./paytm",
		"/webhooks/paytm%2f", "/WEBHOOKS/PAYTM", "/" + strings.Repeat("a", 8000), "/" + strings.Repeat("a/", 3000), "/r/",
		"/r//", "/r/a/b", "/r/..", "/r/%2e%2e", "/healthz/..//evil.example", "//evil.example/r/ASHA", "/.//evil.example",
		"/v1/export/", "/v1/export/..%2f", "/.git/config", "/debug/pprof/", "/admin/", "/?" + strings.Repeat("a=b&", 1500),
	} {
		list = append(list, hostileGet("path", path, ""))
	}
	for _, code := range []string{
		"NOBODY", "%00", "%0d%0aSet-Cookie:a=b", "%1b[31m", "ASHA%20", "asha", "%E2%80%AEAHSA", "'", strings.Repeat("A", 3000),
		randomLetters(luck, 12), "%ff%fe", "%C5%BFHA",
	} {
		list = append(list, hostileGet("partner's code", "/r/"+code, "302 400", "User-Agent: "+phoneAgent))
	}
	return list
}

// hostileLinks are 100 of the deep links that must end at the landing page, and the shop's own call by
// one who has no key.
func hostileLinks(luck *rand.Rand) (list []hostile) {
	refused := refusedLinks()
	for range 100 {
		to := refused[luck.IntN(len(refused))]
		list = append(list, hostileGet("deep link", "/r/ASHA?to="+url.QueryEscape(to)+"&sub="+url.QueryEscape(to), "302",
			"User-Agent: "+phoneAgent))
	}
	for _, body := range []string{`{"order_id":"1"}`, strings.Repeat("[", 10_000), "", strings.Repeat("a", 17<<10)} {
		h := hostileHook("an order without a key", body, "401", "Authorization: Bearer "+randomLetters(luck, 40))
		h.head = strings.Replace(h.head, "/webhooks/paytm", "/v1/orders", 1)
		list = append(list, h)
	}
	return list
}

// The doors.

// door is a way to Hissa.
type door struct {
	name string
	dial func() (net.Conn, error)
	get  func(path string) string // an URL for the client
	*http.Client
}

// directly is the door without a proxy.
func directly(_ *testing.T, s *aShop) door {
	address := strings.TrimPrefix(s.url, "http://")
	return door{"directly", func() (net.Conn, error) { return net.DialTimeout("tcp", address, 5*time.Second) },
		func(path string) string { return s.url + path }, &http.Client{Transport: &http.Transport{}}}
}

// through is the door with a proxy in front.
func through(name string) func(t *testing.T, s *aShop) door {
	return func(t *testing.T, s *aShop) door {
		p := proxies[name](t, t.TempDir(), strings.TrimPrefix(s.url, "http://"))
		secure := p.client.Transport.(*http.Transport).TLSClientConfig.Clone()
		secure.ServerName, secure.NextProtos = "localhost", []string{"http/1.1"}
		address := fmt.Sprintf("127.0.0.1:%d", p.secure)
		dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: secure}
		return door{name, func() (net.Conn, error) { return dialer.Dial("tcp", address) }, p.url, p.client}
	}
}

// answered is what came back: no status at all where the connection was just closed.
type answered struct {
	status   int
	location string
}

// send writes the request while it waits for the answer.
func (h hostile) send(d door) (answered, error) {
	conn, err := d.dial()
	if err != nil {
		return answered{}, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second)) // fails only on a closed one
	go func() {
		_, _ = io.WriteString(conn, h.head+"\r\n\r\n"+h.body) // whoever refuses it need not read it
		for sent := 0; h.endless && sent < 4<<20; sent += 1000 {
			if _, err := fmt.Fprintf(conn, "3e8\r\n%s\r\n", strings.Repeat("a", 1000)); err != nil {
				return
			}
		}
		if half, can := conn.(interface{ CloseWrite() error }); can && h.ends {
			_ = half.CloseWrite()
		}
	}()
	method, _, _ := strings.Cut(h.head, " ")
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return answered{}, nil
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
	return answered{answer.StatusCode, answer.Header.Get("Location")}, nil
}

// lawful says what is wrong with an answer, "" when nothing is. That a version or an encoding of HTTP
// is unknown is said with 505 and 501 by net/http and by proxies: it is the sender's fault. So is a
// body that breaks off, or is larger than Caddy lets through: Caddy says 502 of it, and Hissa never
// had it whole.
func (h hostile) lawful(d door, a answered) string {
	framing := h.kind == "framing" || h.kind == "request line"
	switch {
	case framing && (a.status == 501 || a.status == 505):
		return ""
	case d.name == "caddy" && a.status == 502 && (framing || h.endless || h.kind == "a million keys"):
		return ""
	case a.status >= 500:
		return "is answered 5xx"
	case a.status/100 == 2 && strings.HasPrefix(h.head, webhookLine) && !strings.HasPrefix(h.kind, "signed"):
		return "is told that it was taken"
	case d.name == "directly" && h.want != "" && a.status != 0 && !strings.Contains(h.want, strconv.Itoa(a.status)):
		return "should be answered " + h.want
	case a.location == "":
		return ""
	}
	to, err := url.Parse(a.location)
	if err != nil || strings.HasPrefix(a.location, "//") || strings.ContainsAny(a.location, "\\\r\n\t") ||
		to.Host != "" && to.Host != "shop.in" && to.Hostname() != "localhost" {
		return "leads to a foreign host"
	}
	if h.kind == "deep link" && to.Host != "shop.in" {
		return "does not lead to the shop"
	}
	return ""
}

// The siege.

// siege is one shop, one door, and those who come through it.
type siege struct {
	*aShop
	door
	mu      sync.Mutex
	answers map[string]map[int]int // by kind: how often which status
	took    []time.Duration        // of genuine webhooks
	paid    int
	stop    chan struct{}
	wg      sync.WaitGroup
}

func TestHostileCorpus(t *testing.T) {
	for _, row := range []struct {
		name     string
		requests int
		drips    int
		open     func(*testing.T, *aShop) door
	}{
		{"directly", cycles(2_000, 14_000, 400_000), 300, directly},
		{"nginx", cycles(500, 3_000, 50_000), 30, through("nginx")},
		{"caddy", cycles(500, 3_000, 50_000), 30, through("caddy")},
	} {
		t.Run(row.name, func(t *testing.T) {
			var s *aShop
			t.Cleanup(func() { oneRecordALine(t, s.log.String()) }) // after hissa serve has ended
			s = openShop(t, "https://localhost")
			g := &siege{aShop: s, door: row.open(t, s), answers: map[string]map[int]int{}, stop: make(chan struct{})}
			luck := luckOf(2026)
			g.hurl(luck, 300) // so that what grows once has grown
			before := g.memory()
			g.wg.Go(g.genuine)
			for i := range row.drips {
				g.wg.Go(func() { g.drip(i) })
			}
			g.hurl(luck, row.requests)
			close(g.stop)
			g.wg.Wait()
			g.afterwards(t, before)
		})
	}
}

// hurl sends so many requests of the corpus over eight connections at once.
func (g *siege) hurl(luck *rand.Rand, requests int) {
	g.Helper()
	work := make(chan hostile)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for h := range work {
				g.judge(h)
			}
		})
	}
	for sent := 0; sent < requests; {
		list := corpus(luck, g.paytm)
		luck.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		for _, h := range list[:min(len(list), requests-sent)] {
			work <- h
			sent++
		}
	}
	close(work)
	wg.Wait()
}

func (g *siege) judge(h hostile) {
	a, err := h.send(g.door)
	if err != nil {
		g.Errorf("%s: no connection: %v", h.kind, err)
	}
	if wrong := h.lawful(g.door, a); wrong != "" {
		g.Errorf("%s %s: %d %q\n%.300q %.100q", h.kind, wrong, a.status, a.location, h.head, h.body)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.answers[h.kind] == nil {
		g.answers[h.kind] = map[int]int{}
	}
	g.answers[h.kind][a.status]++
}

// genuine delivers a hundred payments a second until the siege ends.
func (g *siege) genuine() {
	every := time.NewTicker(10 * time.Millisecond)
	defer every.Stop()
	for {
		select {
		case <-g.stop:
			return
		case <-every.C:
		}
		m := g.paytm.PaymentForm(g.paytm.Pay(fmt.Sprint("G", g.paid), 100000, paytmtest.Reference("ASHA")))
		g.paid++
		began := time.Now()
		answer, err := g.Post(g.get("/webhooks/paytm"), m.ContentType, bytes.NewReader(m.Body))
		if err != nil {
			g.Errorf("a genuine webhook: %v", err)
			continue
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		g.took = append(g.took, time.Since(began))
		if answer.StatusCode != http.StatusOK || !strings.Contains(string(text), "credited") {
			g.Errorf("a genuine webhook is answered %d %s", answer.StatusCode, text)
		}
	}
}

// drip keeps a connection busy with a byte now and then, in the headers or in the body, and opens
// another when it is closed.
func (g *siege) drip(i int) {
	starts := []string{"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
		webhookLine + "\r\nContent-Length: 60000\r\n\r\n", webhookLine + "\r\nTransfer-Encoding: chunked\r\n\r\n", ""}
	for {
		conn, err := g.dial()
		if err == nil {
			_, err = io.WriteString(conn, starts[i%len(starts)])
		}
		for err == nil {
			select {
			case <-g.stop:
				conn.Close()
				return
			case <-time.After(200 * time.Millisecond):
				_, err = io.WriteString(conn, "1")
			}
		}
		if conn != nil {
			conn.Close()
		}
		select {
		case <-g.stop:
			return
		case <-time.After(200 * time.Millisecond): // closed by the other side, as it should be
		}
	}
}

// oneRecordALine checks that nothing a stranger sent broke out of its record, or could colour or
// rewrite a terminal.
func oneRecordALine(t *testing.T, log string) {
	for i, line := range strings.Split(strings.TrimSuffix(log, "\n"), "\n") {
		if i > 0 && !strings.HasPrefix(line, "time=") || strings.ContainsFunc(line, unicode.IsControl) {
			t.Errorf("the log has a line %q", line)
			return
		}
	}
}

// memory is what the kernel counts for Hissa's process, in KiB.
func (g *siege) memory() int {
	g.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.process.Pid))
	if err != nil {
		g.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		g.Fatal(err)
	}
	return kib
}

// mostMemory is what Hissa may hold after the corpus: what the caches of the database come to and the
// garbage of a moment. It was 20 MB more after 14,000 requests, 58 MB more after 110,000, and no more
// than that after 200,000.
func mostMemory(before int) int { return 2*before + 64<<10 } // KiB

// watched says that the race detector is built in: most of the memory is then its own.
func watched() bool {
	build, _ := debug.ReadBuildInfo()
	return build != nil && slices.Contains(build.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func (g *siege) afterwards(t *testing.T, before int) {
	if after := g.memory(); after > mostMemory(before) && !watched() {
		t.Errorf("memory grew from %d to %d KiB", before, after)
	} else {
		t.Logf("memory was %d KiB and is %d KiB", before, after)
	}
	slices.Sort(g.took)
	if len(g.took) == 0 {
		t.Fatal("no genuine webhook was sent")
	}
	p99 := g.took[len(g.took)*99/100]
	t.Logf("%d genuine webhooks: p99 %s, slowest %s (the promise is a p99 of 250 ms)", len(g.took), p99, g.took[len(g.took)-1])
	if p99 > 5*time.Second {
		t.Errorf("genuine webhooks took %s", p99)
	}
	for _, kind := range slices.Sorted(maps.Keys(g.answers)) {
		t.Logf("%-24s %v", kind, g.answers[kind])
	}
	answer, err := g.Get(g.get("/readyz"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("/readyz is answered %d afterwards", answer.StatusCode)
	}
	if got := len(g.rows("transactions")); got != g.paid {
		t.Errorf("%d payments are booked, %d were made", got, g.paid)
	}
	g.hissa("verify")
}
