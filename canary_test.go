package main

// The canary test: a unique text in every field that holds a secret or something personal, a shop's whole
// life through a real serve, and then every file and every output is searched for every one of them. Each
// may be in the places that need it, and nowhere else.

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hissa/paytm/paytmtest"
)

// canary is one text and the places where it may be.
type canary struct {
	what, text string
	places     []string
	message    bool // it stands in a message of Paytm's, and in the database only as far as that is open
}

// inDatabase are the places of what the database needs. A copy is made of compressed pages, in which not
// everything is found; it is looked for in what was brought back from it.
var inDatabase = []string{"database", "backup", "restored", "copy"}

func alsoIn(places ...string) []string { return append(slices.Clone(inDatabase), places...) }

// canaryLife is a shop that has canaries in all it is told.
type canaryLife struct {
	*child
	canaries []canary
	found    map[string][]byte // what lies and is said where, by its place
	handler  *shopHandler
	apiKey   string

	owner, meera, ravi *reader // of the pages
}

// has plants a canary. Only letters and digits of it are looked for, which nothing escapes.
func (l *canaryLife) has(what, text string, places ...string) string {
	l.canaries = append(l.canaries, canary{what: what, text: text, places: places})
	return text
}

// says plants a canary in a message of Paytm's.
func (l *canaryLife) says(what, text string, places ...string) string {
	l.canaries = append(l.canaries, canary{what: what, text: text, places: places, message: true})
	return text
}

// note keeps what a place holds.
func (l *canaryLife) note(place string, text []byte) {
	l.found[place] = append(append(l.found[place], '\n'), text...)
}

// does runs a command, whose whole output is noted.
func (l *canaryLife) does(place string, args ...string) string {
	l.Helper()
	out := l.must(args...)
	l.note(place, []byte(out))
	return out
}

// asks makes a request and notes the answer.
func (l *canaryLife) asks(place, method, path, body string, header ...string) {
	l.Helper()
	r, err := http.NewRequest(method, l.url+path, strings.NewReader(body))
	if err != nil {
		l.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		l.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		l.Fatal(err)
	}
	if want := map[bool]int{true: 302, false: 201}[method == "GET"]; answer.StatusCode/100 != 2 &&
		answer.StatusCode != want && place != "refusals" {
		l.Fatalf("%s %s: %d %s", method, path, answer.StatusCode, text)
	}
	l.note(place, text)
}

// hears delivers a message of Paytm's.
func (l *canaryLife) hears(m paytmtest.Message, want string) {
	l.Helper()
	_, said := post(l.TB, http.DefaultClient, l.url+"/webhooks/paytm", m)
	if !strings.Contains(said, want) {
		l.Fatalf("%s: %s, want %s", m.About, said, want)
	}
	l.note("answers", []byte(said))
}

// bornWithCanaries is a shop whose configuration has its secrets planted.
func bornWithCanaries(t *testing.T, sealed bool) *canaryLife {
	l := &canaryLife{child: newChild(t), found: map[string][]byte{}, handler: &shopHandler{down: true}}
	l.has("the merchant key", l.paytm.MerchantKey())
	web := httptest.NewServer(l.handler)
	t.Cleanup(web.Close)
	key := bytes.Repeat([]byte("q7Fz"), 8)
	l.has("the body key's bytes", string(key))
	l.has("the secret of the copy's bucket", "hissa-secret") // as every child has it
	if err := os.WriteFile(filepath.Join(l.dir, "bodies.key"),
		[]byte(base64.StdEncoding.EncodeToString(key)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "mail.password"),
		[]byte(l.has("the mail server's password", "qanarymailpassword")), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(l.config())
	if err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(string(text), "[paytm]\n", "[paytm]\nforward = \""+web.URL+"/"+
		l.has("the address of the shop's handler", "qanaryhandler")+"\"\nforward_refused = true\n", 1) +
		"hold = \"0d\"\n[tds]\ndeduct = true\nrates = [\"2020-04-01 393(1) 1006 2% 20000.00\"]\n" +
		"[payout]\naccount = \"" + l.has("the shop's account", "640281937502846",
		alsoIn("bank file", "everything", shopPages, shopFiles)...) + "\"\n" +
		"[alerts]\nurl = \"http://127.0.0.1:9/" + l.has("the address of alarms", "qanaryalarms") + "\"\n" +
		"[mail]\nsmtp = \"127.0.0.1:9\"\nfrom = \"shop@shop.example\"\nuser = \"hissa\"\n" +
		"password = \"file:mail.password\"\n[join]\nopen = true\n[privacy]\n"
	if sealed {
		config += "key = \"file:" + filepath.Join(l.dir, "bodies.key") + "\"\n"
	}
	if err := os.WriteFile(l.config(), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	l.copies("file://" + filepath.Join(l.dir, "copy"))
	return l
}

// partners are people whom the shop pays.
func (l *canaryLife) partners() {
	l.Helper()
	gstin := ""
	for _, check := range "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		number := "27QNRPX7319K1Z" + string(check)
		if checkTaxNumbers(PartnerChange{GSTIN: &number}) == nil {
			gstin = number
		}
	}
	l.must("partner", "add", "-code", "MEERA", "-promo", "MEERA10",
		"-ref", l.says("a reference", "QANARYREFERENCE",
			alsoIn("explain", "export", "partners", "everything", shopPages, ownPages)...),
		"-name", l.has("a partner's name", "Qanarypartnername",
			alsoIn("statement", "explain", "export", "partners", "bank file", "tds", "everything",
				shopPages, shopFiles, ownPages)...),
		"-email", l.has("a partner's e-mail address", "qanarypartnermail",
			alsoIn("bank file", "everything", shopPages, shopFiles, ownPages, openPages)...)+"@example.in",
		"-mobile", l.has("a partner's number", "9173046285", alsoIn("everything")...),
		"-customer", l.has("a partner's customer id", "qanarypartnerself"),
		"-vpa", l.has("a partner's UPI id", "qanarypartnervpa",
			alsoIn("everything", shopPages, ownPages)...)+"@okbank",
		"-account", l.has("a partner's account", "735091846203517",
			alsoIn("bank file", "everything", shopPages, shopFiles)...), "-ifsc", "HDFC0001234",
		"-pan", l.has("a partner's PAN", "QNRPX7319K",
			alsoIn("tds", "everything", shopPages, shopFiles, ownPages)...),
		"-gstin", l.has("a partner's GSTIN", gstin, alsoIn("everything", shopPages, ownPages)...))
	l.must("partner", "add", "-code", "RAVI", "-name", "Ravi", "-promo", "RAVI10",
		"-email", l.has("another partner's e-mail address", "qanaryravimail",
			alsoIn("everything", shopPages, strangePages, openPages)...)+"@example.in",
		"-vpa", l.has("a UPI id that is paid by QR", "qanaryravivpa",
			alsoIn("qr", "everything", shopPages, strangePages)...)+"@okbank")
	l.apiKey = strings.TrimSpace(l.only("key", "add", "shop"))
	l.has("the shop's key", l.apiKey)
}

// visits are clicks and orders.
func (l *canaryLife) visits() {
	l.Helper()
	l.asks("answers", "GET", "/r/MEERA?sub="+l.has("a click's sub", "qanarysub",
		alsoIn("export", "everything", shopPages, ownPages)...)+
		"&q="+l.has("a link's query", "qanaryquery"), "",
		"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) "+l.has("a browser", "qanaryagent"),
		"Referer", "https://shop.example/"+l.has("where a visitor came from", "qanaryreferer"),
		"X-Forwarded-For", l.has("a visitor's address", "198.51.100.173"))
	order := func(id, more string) {
		l.asks("answers", "POST", "/v1/orders", `{"order_id":"`+id+`",`+more+`}`, "Authorization", "Bearer "+l.apiKey)
	}
	order("1001", `"promo_code":"MEERA10","customer_id":"`+
		l.has("a customer's id", "qanarycustomer", alsoIn("export", "everything", shopPages)...)+`","email":"`+
		l.has("a customer's e-mail address", "qanarybuyermail")+`@example.com","mobile":"`+
		l.has("a customer's number", "8265190437")+`"`)
	order("1002", `"promo_code":"RAVI10"`)
	order("1003", `"promo_code":"MEERA10","email":"qanarypartnermail@example.in"`) // their own
	l.asks("refusals", "POST", "/v1/orders", `{"order_id":"1"}`,
		"Authorization", "Bearer "+l.has("a key that is none", "qanarynokey"))
}

// payments are messages of every shape, with somebody in every field.
func (l *canaryLife) payments() {
	l.Helper()
	paid := paytmtest.At(time.Now().Add(-30 * 24 * time.Hour))
	extra := []paytmtest.Option{paid,
		paytmtest.Reference("QANARYREFERENCE"),
		paytmtest.Customer(l.says("CUSTID", "qanarycustid")),
		paytmtest.Subscription(l.says("SUBS_ID", "qanarysubs", alsoIn("everything")...)),
		paytmtest.Comments(l.says("comments", "qanarycomments")),
	}
	for name, text := range map[string]string{
		"VPA": "qanarypayervpa", "PAYMENTEMAILID": "qanarypayermail", "PAYMENTMOBILENUMBER": "7350918264",
		"Masked_customer_mobile_number": "73XXXQ8264", "maskedCardNo": "471649XXQ83951", "cardIndexNo": "qanaryindex",
		"cardHash": "qanarycardhash", "RRN": "912837465012", "udf_1": "qanaryudfone", "udf_2": "qanaryudftwo",
		"udf_3": "qanaryudfthree", "CUSTOMER_NAME": "qanarypayername", "LASTFOURDIGITS": "Q3951Q7",
		"AUTHCODE": "qanaryauthcode", "ADDRESS": "qanaryaddress", "PAYER_ACCOUNT": "826519043735091",
	} {
		extra = append(extra, paytmtest.With(name, l.says(name, text)+map[bool]string{true: "@upi"}[name == "VPA"]))
	}
	first := l.paytm.Pay("1001", 50_000_000, extra...)
	l.hears(l.paytm.PaymentForm(first), "credited")
	l.hears(l.paytm.PaymentFlatJSON(first), "duplicate")
	second := l.paytm.Pay("1002", 900_000, paid)
	l.hears(l.paytm.SignBody(fmt.Sprintf(`{"mid":%q,"orderId":"1002","txnId":%q,"txnAmount":"9000.00",`+
		`"currency":"INR","status":"TXN_SUCCESS","txnDate":%q,"bankTxnId":"1","custId":%q,"vpa":%q,"comments":%q,`+
		`"udf1":%q,"maskedCardNo":%q,"extendInfo":{"name":%q},"paymentMode":"UPI"}`,
		l.paytm.MID(), second.TxnID, second.PaidAt.In(ist).Format("2006-01-02 15:04:05.0"),
		l.says("custId", "qanaryjsoncust"), l.says("vpa", "qanaryjsonvpa")+"@upi",
		l.says("comments in JSON", "qanaryjsoncomments"), l.says("udf1", "qanaryjsonudf"),
		l.says("maskedCardNo in JSON", "526731XXQ40286"), l.says("extendInfo", "qanaryjsonname"))), "credited")
	l.hears(l.paytm.PaymentForm(l.paytm.Pay("1003", 100_000, paid)), "credited")
	l.hears(l.paytm.PaymentForm(l.paytm.Pay("1004", 100_000, paytmtest.Failed(),
		paytmtest.With("udf_1", l.says("a field of a failure", "qanaryfailed")))), "recorded")
	refund := l.paytm.Refund(first, 100_000)
	l.hears(l.paytm.RefundSucceeded(first, refund), "recorded")
	l.hears(l.paytm.SignForm(map[string]string{"MID": l.paytm.MID(), "ORDERID": "1005", "TXNID": "T5",
		"TXNAMOUNT": "1e9", "STATUS": "TXN_SUCCESS", "NAME": l.says("a message that can't be used", "qanaryreview")}),
		"review")
	good := l.paytm.PaymentForm(first)
	l.hears(paytmtest.Message{ContentType: good.ContentType,
		Body: []byte("MID=" + l.paytm.MID() + "&CHECKSUMHASH=x&NAME=" + l.says("a refused message", "qanaryrefused"))},
		"signature")
	l.hears(paytmtest.Message{ContentType: good.ContentType,
		Body: []byte("NAME=" + l.says("an unreadable message", "qanaryunreadable") + "&%zz")}, "malformed")
}

// settles waits until Paytm's API has given its word on the three sales.
func (l *canaryLife) settles() {
	l.Helper()
	for until := time.Now().Add(2 * patience); ; time.Sleep(50 * time.Millisecond) {
		if strings.Count(l.only("export", "transactions"), `"confirmation":"agreed"`) == 3 {
			return
		}
		if time.Now().After(until) {
			l.Fatalf("Paytm's API gives no word: %s", l.only("export", "transactions"))
		}
	}
}

// pays is the end of a month.
func (l *canaryLife) pays() {
	l.Helper()
	l.does("reviews", "review", "list")
	l.does("statement", "statement", "draft")
	l.does("statement", "statement", "approve", "-all")
	l.does("statement", "statement", "list", "-all")
	for _, id := range []string{"1", "2"} {
		for _, form := range []string{"text", "csv"} {
			l.does("statement", "statement", "show", id, "-format", form)
		}
		l.does("statement", "statement", "show", id, "-json")
		l.does("signed statement", "statement", "show", id, "-format", "signed")
	}
	l.does("bank file", "payout", "file")
	l.does("qr", "payout", "qr", "2")
	l.does("payouts", "payout", "list", "-all")
	l.does("payouts", "payout", "paid", "1", "-utr", "HDFCN52026120112345")
	l.does("tds", "tds")
	l.does("tds", "tds", "-format", "csv")
}

// tells runs every command that reads, and asks all that answers.
func (l *canaryLife) tells() {
	l.Helper()
	for _, kind := range exports {
		l.does("export", "export", kind.name)
		l.does("export", "export", kind.name, "-format", "csv")
	}
	for _, pay := range l.paytm.Payments() {
		l.does("explain", "explain", pay.TxnID)
		l.does("explain", "explain", pay.TxnID, "-json")
	}
	l.does("partners", "partner", "list")
	l.does("partners", "partner", "list", "-json")
	for _, command := range []string{"program", "verify", "replay", "reconcile", "drill"} {
		l.does("commands", command)
	}
	l.does("commands", "key", "list")
	out, _ := l.hissa("check") // the handler is down
	l.note("commands", []byte(out))
	metrics := strings.TrimSpace(l.only("key", "add", "monitor", "-scope", "metrics"))
	l.has("the key for metrics", metrics)
	l.asks("metrics", "GET", "/metrics", "", "Authorization", "Bearer "+metrics)
	l.asks("metrics", "GET", "/healthz", "")
	l.asks("metrics", "GET", "/readyz", "")
	l.does("commands", "backup", filepath.Join(l.dir, "backup.db"))
}

// ends stops the shop, brings the copy back beside it, and notes what lies on the disk.
func (l *canaryLife) ends() {
	l.Helper()
	l.inStep()
	l.note("database", l.file(l.database()+"-wal")) // before it is brought home
	l.stop()
	l.note("log", l.whole.Bytes())
	l.does("commands", "restore", "-to", filepath.Join(l.dir, "restored.db"))
	for kind, name := range map[string]string{"signing key": signingKeyName, "salt": "customer_salt"} {
		places := inDatabase
		if kind == "salt" { // without it the same customer would be another one elsewhere
			places = alsoIn("everything")
		}
		l.has("the "+kind, l.setting(name), places...)
	}
	if err := filepath.WalkDir(l.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			l.note(placeOf(strings.TrimPrefix(path, l.dir+"/")), l.file(path))
		}
		return err
	}); err != nil {
		l.Fatal(err)
	}
	delete(l.found, "given") // the configuration and the keys
}

func (l *canaryLife) file(path string) []byte {
	l.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		l.Fatal(err)
	}
	return text
}

func (l *canaryLife) setting(name string) (value string) {
	l.Helper()
	store := openReader(l.database())
	defer store.readers.Close()
	if err := store.readers.look(q("setting"), args{name}, &value); err != nil {
		l.Fatal(err)
	}
	return value
}

// placeOf tells what a file is.
func placeOf(file string) string {
	switch {
	case file == "hissa.toml" || strings.HasSuffix(file, ".key") || file == "mail.password":
		return "given"
	case file == "hissa.db" || file == "hissa.db-wal" || file == "hissa.db-shm":
		return "database"
	case file == "backup.db":
		return "backup"
	case strings.HasPrefix(file, "restored.db"):
		return "restored"
	case strings.HasPrefix(file, "hissa.db-refused"):
		return "refused"
	case strings.HasPrefix(file, "copy/") || strings.HasPrefix(file, "hissa.db-litestream/"):
		return "copy"
	}
	return "beside: " + file
}

// writtenAs are the ways in which a text may lie in a file.
func writtenAs(text string) (ways [][]byte) {
	ways = append(ways, lowered([]byte(text)), []byte(hex.EncodeToString([]byte(text))),
		lowered([]byte(url.QueryEscape(text))))
	for before := range 3 { // base64 depends on where in three bytes the text begins
		if len(text) < 8 {
			break
		}
		coded := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), text...))
		first, last := (before*8+5)/6, (before+len(text))*8/6
		ways = append(ways, lowered([]byte(coded[first:last])))
	}
	return ways
}

// lowered makes the letters of A to Z small and leaves every other byte as it is, as bytes.ToLower does not.
func lowered(text []byte) []byte {
	text = bytes.Clone(text)
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			text[i] = c + 'a' - 'A'
		}
	}
	return text
}

// seen are the places where each canary is, in any way of writing it.
func (l *canaryLife) seen() map[string][]string {
	seen := map[string][]string{}
	for place, text := range l.found {
		text = lowered(text)
		text = append(text, bytes.ReplaceAll(text, []byte("\n"), nil)...) // in lines of some width
		for _, c := range l.canaries {
			if slices.ContainsFunc(writtenAs(c.text), func(w []byte) bool { return bytes.Contains(text, w) }) {
				seen[c.what] = append(seen[c.what], place)
			}
		}
	}
	return seen
}

func canaryLifeOf(t *testing.T, sealed bool) *canaryLife {
	l := bornWithCanaries(t, sealed)
	l.partners()
	l.start("-new")
	l.visits()
	l.payments()
	l.settles()
	l.signIn()
	l.apply()
	l.pays()
	l.read()
	l.tells()
	l.ends()
	return l
}

// Nothing secret and nothing personal is where it is not needed.
func TestCanaries(t *testing.T) {
	t.Parallel()
	l := canaryLifeOf(t, true)
	seen := l.seen()
	for _, c := range l.canaries {
		for _, place := range seen[c.what] {
			if !slices.Contains(c.places, place) {
				t.Errorf("%s, %s, is in %s", c.what, c.text, place)
			}
		}
	}
	for _, c := range l.canaries { // the lists say no more than is so
		for _, place := range c.places {
			if !slices.Contains(seen[c.what], place) && place != "copy" {
				t.Errorf("%s, %s, may be in %s, and is not there", c.what, c.text, place)
			}
		}
	}
	for _, place := range []string{"database", "backup", "restored", "refused", "copy", "log", "metrics", "export",
		"statement", "signed statement", "bank file", "qr", "explain", "beside: hissa.db-head"} {
		if len(l.found[place]) < 50 {
			t.Errorf("%s was not looked at: %q", place, l.found[place])
		}
	}
}

// The control: without a key every canary of a message is found, in the database or among the refused.
func TestCanariesWithoutAKey(t *testing.T) {
	t.Parallel()
	l := canaryLifeOf(t, false)
	seen := l.seen()
	for _, c := range l.canaries {
		if c.message && !slices.Contains(seen[c.what], "database") && !slices.Contains(seen[c.what], "refused") {
			t.Errorf("%s, %s, is found nowhere: %s", c.what, c.text, seen[c.what])
		}
	}
}

// A text is found however it is written.
func TestCanariesAreFound(t *testing.T) {
	const text = "qanary+Text/7"
	for _, written := range []string{text, "QANARY+TEXT/7", url.QueryEscape(text), hex.EncodeToString([]byte(text)),
		base64.StdEncoding.EncodeToString([]byte(text)), base64.StdEncoding.EncodeToString([]byte("x" + text + "y")),
		base64.StdEncoding.EncodeToString([]byte("xy" + text)), base64.StdEncoding.EncodeToString([]byte("xyz" + text)),
		"qanary+\nText/7"} {
		l := &canaryLife{found: map[string][]byte{"here": []byte("before " + written + " after")}}
		l.has("it", text)
		if !slices.Contains(l.seen()["it"], "here") {
			t.Errorf("%s is not found as %s", text, written)
		}
	}
}
