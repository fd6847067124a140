package browsertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hissa/browsertest/stage"
	"hissa/paytm/paytmtest"
)

// shop is a merchant at https://shop.example with Hissa at https://go.shop.example, a simulated Paytm,
// and two partners, ASHA and RAVI. Its landing page may also be reached at https://other.example, which
// is another site.
type shop struct {
	testing.TB
	dir   string
	paytm *paytmtest.Paytm
	url   string // of hissa, behind the street
	stop  func() // stops hissa, and waits for that
	key   string
}

// newShop opens a shop. terms is put below [attribution], and more at the end, below [commission].
func newShop(t testing.TB, terms string, more ...string) *shop {
	t.Helper()
	s := &shop{TB: t, dir: t.TempDir(), paytm: paytmtest.New(paytmtest.Config{Seed: 21})}
	api, stop := s.paytm.Start()
	t.Cleanup(stop)
	s.write("paytm.key", s.paytm.MerchantKey())
	s.write("hissa.toml", fmt.Sprintf(`listen = "127.0.0.1:0"
public_url = "https://go.shop.example"
[links]
landing = "https://shop.example/"
allow_hosts = ["shop.example", "other.example"]
cookie_domain = "shop.example"
[paytm]
environment = "staging"
mid = %q
merchant_key = "file:paytm.key"
api_url = %q
order_suffix = "_"
[attribution]
%s
[commission]
rate = "10%%"
%s
`, s.paytm.MID(), api, terms, strings.Join(more, "\n")))
	s.hissa("partner", "add", "-code", "ASHA", "-name", "Asha")
	s.hissa("partner", "add", "-code", "RAVI", "-name", "Ravi")
	s.key = strings.TrimSpace(s.hissa("key", "add", "shop"))
	s.serve()
	lives(t, "go.shop.example", behind(t, s.url))
	return s
}

func (s *shop) write(name, text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// hissa runs a command to its end and returns what it printed.
func (s *shop) hissa(arguments ...string) string {
	s.Helper()
	command := exec.Command(built, append(arguments, "-config", filepath.Join(s.dir, "hissa.toml"))...)
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		s.Fatalf("hissa %v: %v\n%s%s", arguments, err, out, &said)
	}
	return string(out)
}

var listening = regexp.MustCompile(`msg=serving listen=(\S+)`)

// serve runs hissa until the test ends, and then has its books checked.
func (s *shop) serve() {
	s.Helper()
	command := exec.Command(built, "serve", "-config", filepath.Join(s.dir, "hissa.toml"))
	at, stop, err := stage.Start(command, listening)
	if err != nil {
		s.Fatal(err)
	}
	s.url, s.stop = "http://"+at, stop
	s.Cleanup(func() { s.hissa("verify") })
	s.Cleanup(stop)
}

// started starts a server that says where it listens, and stops it when the test ends.
func started(t testing.TB, command *exec.Cmd, where *regexp.Regexp) string {
	t.Helper()
	at, stop, err := stage.Start(command, where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return at
}

// bind is what a shop's server says at its checkout.
func (s *shop) bind(order, click string) {
	s.Helper()
	s.binds(map[string]string{"order_id": order, "click_id": click})
}

// binds is the same with any fields.
func (s *shop) binds(fields map[string]string) {
	s.Helper()
	body, _ := json.Marshal(fields)
	r, err := http.NewRequest("POST", s.url+"/v1/orders", bytes.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		s.Errorf("the order %v is answered %s", fields, answer.Status)
	}
}

// pays lets the customer pay ₹1,499.00, and returns who earned by what, such as "ASHA click 149.90", or ""
// for nobody.
func (s *shop) pays(order string, with ...paytmtest.Option) string {
	s.Helper()
	message := s.takes(order, 149900, with...)
	for _, row := range s.rows("commissions") {
		if row["txn_id"] == message.TxnID {
			return fmt.Sprint(row["partner"], " ", row["basis"], " ", row["amount"])
		}
	}
	return ""
}

// takes lets a customer pay an amount, and Paytm tell of it.
func (s *shop) takes(order string, paise int64, with ...paytmtest.Option) paytmtest.Message {
	s.Helper()
	// A click counts in whole seconds up to the payment's, which must not lie before it.
	at := paytmtest.At(time.Now())
	message := s.paytm.PaymentForm(s.paytm.Pay(order, paise, append([]paytmtest.Option{at}, with...)...))
	s.hears(message)
	return message
}

// hears hands a message to the webhook as Paytm does.
func (s *shop) hears(message paytmtest.Message) {
	s.Helper()
	answer, err := http.Post(s.url+"/webhooks/paytm", message.ContentType, bytes.NewReader(message.Body))
	if err != nil {
		s.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		s.Fatalf("%s of order %s is answered %s", message.About, message.OrderID, answer.Status)
	}
}

// clicks are those in the books, each like "ASHA sub=insta true".
func (s *shop) clicks() (clicks []string) {
	s.Helper()
	for _, row := range s.rows("clicks") {
		clicks = append(clicks, fmt.Sprint(row["partner"], " ", row["sub"], " ", row["counted"]))
	}
	return clicks
}

func (s *shop) rows(kind string) (rows []map[string]any) {
	s.Helper()
	for line := range strings.Lines(s.hissa("export", kind, "-format", "jsonl")) {
		row := map[string]any{}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			s.Fatalf("%v in %s", err, line)
		}
		rows = append(rows, row)
	}
	return rows
}
