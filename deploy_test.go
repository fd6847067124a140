package main

// Everything in deploy/ is tried for real: the unit by systemd's own judges, the proxy samples
// with Hissa behind them, and the shop's snippets in their own languages. HISSA_REQUIRE_TOOLS=1
// makes a missing tool a failure.

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hissa/paytm/paytmtest"
)

// needTool finds a program, or skips the test.
func needTool(t *testing.T, name, remedy string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		toolMissing(t, name, remedy)
	}
	return path
}

func toolMissing(t *testing.T, what, remedy string) {
	t.Helper()
	if os.Getenv("HISSA_REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s is missing: %s", what, remedy)
	}
	t.Skipf("%s is missing: %s", what, remedy)
}

// aShop is a shop with Hissa serving it on loopback, a simulated Paytm, and one partner, Asha,
// with the code ASHA10.
type aShop struct {
	testing.TB
	paytm  *paytmtest.Paytm
	config string // path of the configuration
	url    string // where Hissa listens
	key    string // of scope orders

	process *os.Process  // hissa serve
	log     bytes.Buffer // what it said since it began to serve; to be read when it has ended
}

// openShop serves until the test ends. publicURL is what the shop's configuration says.
func openShop(t *testing.T, publicURL string) *aShop {
	t.Helper()
	s := &aShop{TB: t, paytm: paytmtest.New(paytmtest.Config{Seed: 11})}
	api, stopAPI := s.paytm.Start()
	t.Cleanup(stopAPI)
	dir := t.TempDir()
	s.config = filepath.Join(dir, "shop.toml")
	writeFile(t, filepath.Join(dir, "shop.key"), s.paytm.MerchantKey()+"\n", 0o600)
	writeFile(t, s.config, fmt.Sprintf(`listen = "127.0.0.1:0"
public_url = %q
[links]
landing = "https://shop.in/"
[paytm]
environment = "staging"
mid = %q
merchant_key = "file:shop.key"
api_url = %q
order_suffix = "_"
[commission]
rate = "10%%"
`, publicURL, s.paytm.MID(), api), 0o600)
	s.serve(t)
	s.hissa("partner", "add", "-code", "ASHA", "-name", "Asha", "-promo", "ASHA10")
	s.key = strings.TrimSpace(s.hissa("key", "add", "shop"))
	return s
}

// serve starts hissa serve in a process of its own, as the unit does.
func (s *aShop) serve(t *testing.T) {
	t.Helper()
	command := asCommand("serve", "-config", s.config)
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s.process = command.Process
	said := waitFor(t, log, "msg=serving listen=", "\n")
	_, rest, _ := strings.Cut(said, "msg=serving listen=")
	s.url = "http://" + strings.Fields(rest)[0]
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(&s.log, log)
	}()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		_ = command.Process.Signal(syscall.SIGTERM)
		<-drained
		if err := command.Wait(); err != nil {
			t.Errorf("serve ended: %v", err)
		}
	})
}

// hissa runs a command beside the server and returns what it prints.
func (s *aShop) hissa(arguments ...string) string {
	s.Helper()
	var out, words bytes.Buffer
	arguments = append(arguments, "-config", s.config)
	if code := run(arguments, strings.NewReader(""), &out, &words); code != exitDone {
		s.Fatalf("hissa %s ends with %d: %s", strings.Join(arguments, " "), code, &words)
	}
	return out.String()
}

// click follows Asha's link and returns the cookie's click.
func (s *aShop) click() string {
	s.Helper()
	req, err := http.NewRequest(http.MethodGet, s.url+"/r/ASHA", nil)
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("User-Agent",
		"Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0")
	answer, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	for _, c := range answer.Cookies() {
		if c.Name == clickCookie {
			return c.Value
		}
	}
	s.Fatal("the link set no cookie")
	return ""
}

// rows are the rows of an export.
func (s *aShop) rows(kind string) []map[string]any {
	s.Helper()
	var rows []map[string]any
	lines := json.NewDecoder(strings.NewReader(s.hissa("export", kind)))
	for lines.More() {
		var row map[string]any
		if err := lines.Decode(&row); err != nil {
			s.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// order is the last binding of an order: click and promo code, nil when there is none.
func (s *aShop) order(id string) []any {
	s.Helper()
	var found []any
	for _, row := range s.rows("orders") {
		if row["order_id"] == id {
			found = []any{row["click_id"], row["promo_code"]}
		}
	}
	return found
}

func (s *aShop) bound(id string, click, promo any) {
	s.Helper()
	if got := s.order(id); !slices.Equal(got, []any{click, promo}) {
		s.Errorf("order %s is bound to %v, want click %v and promo code %v", id, got, click, promo)
	}
}

// post sends a message of Paytm's and returns the status and the answer.
func post(t testing.TB, client *http.Client, url string, m paytmtest.Message) (int, string) {
	t.Helper()
	answer, err := client.Post(url, m.ContentType, bytes.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(body))
}

// The service unit.

const unitFile = "deploy/hissa@.service"

// unit reads the settings of the unit; one that is given twice has both values.
func unit(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(line, "#") {
			settings[name] = append(settings[name], value)
		}
	}
	return settings
}

// systemd reads the unit without a word, and finds it hardened: 1.6 at most, of 10.
func TestSystemdAcceptsTheUnit(t *testing.T) {
	analyze := needTool(t, "systemd-analyze", "apt-get install systemd")
	text, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	const binary = "/usr/local/bin/hissa"
	if !bytes.Contains(text, []byte("ExecStart="+binary+" serve ")) {
		t.Fatalf("the unit does not start %s, where the README puts it", binary)
	}
	self, err := os.Executable() // systemd wants a program that is there
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "hissa@.service"),
		strings.Replace(string(text), binary, self, 1), 0o600)
	for _, arguments := range [][]string{
		{"verify", "--man=no", "--recursive-errors=no", "./hissa@shop.service"},
		{"security", "--offline=true", "--threshold=16", "--no-pager", "./hissa@.service"},
	} {
		command := exec.Command(analyze, arguments...)
		command.Dir = dir
		output, err := command.CombinedOutput()
		if err != nil || arguments[0] == "verify" && len(output) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", arguments[0], err, output)
		}
	}
}

// The unit starts again what a start may mend, and leaves alone what only a person can.
func TestTheUnitKnowsTheExitCodes(t *testing.T) {
	settings := unit(t)
	final := strings.Fields(strings.Join(settings["RestartPreventExitStatus"], " "))
	for code, want := range map[int]bool{
		exitUsage: true, exitConfig: true, exitBusy: false, exitNo: false,
	} {
		if slices.Contains(final, fmt.Sprint(code)) != want {
			t.Errorf("exit code %d is final: %v, want %v", code, !want, want)
		}
	}
	if got := settings["Restart"]; !slices.Equal(got, []string{"on-failure"}) {
		t.Errorf("Restart is %v, want on-failure", got)
	}
}

// A crash of a Go program ends with exit code 2, which the unit takes for a wrong command line.
// Its environment must make a crash a signal, or a crashed shop would stay down.
func TestACrashIsNotTakenForAWrongCommandLine(t *testing.T) {
	s := openShop(t, "http://127.0.0.1:8080")
	config, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(filepath.Dir(s.config), "second.toml")
	writeFile(t, second, "database = \"second.db\"\n"+string(config), 0o600)
	command := asCommand("serve", "-config", second)
	command.Env = append(command.Env, unit(t)["Environment"]...)
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	said := waitFor(t, log, "msg=serving")
	if err := command.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, log)
	_ = command.Wait()
	status, _ := command.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signal() != syscall.SIGABRT {
		t.Errorf("a crash ends with %v, want the signal abort; it said %s", command.ProcessState, said)
	}
}

// asCommand is hissa in a process of its own.
func asCommand(arguments ...string) *exec.Cmd {
	command := exec.Command(os.Args[0], arguments...)
	command.Env = append(os.Environ(), runsHissa)
	return command
}

// waitFor reads until the texts have come, one after the other.
func waitFor(t *testing.T, from io.Reader, texts ...string) string {
	t.Helper()
	var said bytes.Buffer
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		said.Write(buffer[:n])
		rest, found := said.String(), true
		for _, text := range texts {
			if _, after, ok := strings.Cut(rest, text); ok {
				rest = after
			} else {
				found = false
			}
		}
		if found {
			return said.String()
		}
		if err != nil {
			t.Fatalf("%q never came: %v\n%s", texts, err, &said)
		}
	}
}

// The proxies.

// proxy is a proxy in front of a backend, under https://localhost.
type proxy struct {
	secure, plain int // ports
	authority     string
	client        *http.Client
}

// sample reads a sample and changes it for the test: each text must be there as often as said.
func sample(t *testing.T, path string, changes ...change) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for _, c := range changes {
		if n := strings.Count(text, c.from); n != c.times {
			t.Fatalf("%s has %q %d times, want %d", path, c.from, n, c.times)
		}
		text = strings.ReplaceAll(text, c.from, c.to)
	}
	return text
}

type change struct {
	from, to string
	times    int
}

// startProxy runs a proxy and waits until both its ports answer.
func startProxy(t *testing.T, p *proxy, environment []string, name string, arguments ...string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, name, arguments...)
	command.Env = append(os.Environ(), environment...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() { stop(); <-ended })
	for _, port := range []int{p.plain, p.secure} {
		for {
			conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err == nil {
				conn.Close()
				break
			}
			select {
			case err := <-ended:
				ended <- err
				t.Fatalf("%s ended: %v\n%s", name, err, &said)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// newProxy picks ports and makes a certificate for localhost in dir.
func newProxy(t *testing.T, dir string) *proxy {
	p := &proxy{secure: freePort(t), plain: freePort(t), authority: filepath.Join(dir, "cert.pem")}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	pool.AppendCertsFromPEM(public)
	writeFile(t, p.authority, string(public), 0o600)
	writeFile(t, filepath.Join(dir, "key.pem"),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), 0o600)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	p.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return p
}

// deserted is where nobody listens.
func deserted(t *testing.T) string { return fmt.Sprintf("http://127.0.0.1:%d", freePort(t)) }

func nginxFor(t *testing.T, dir, backend string) *proxy {
	nginx := needTool(t, "nginx", "apt-get install nginx-light")
	p := newProxy(t, dir)
	site := sample(t, "deploy/nginx.conf",
		change{"    listen [::]:80;\n", "", 1},
		change{"    listen [::]:443 ssl;\n", "", 1},
		change{"listen 80;", fmt.Sprintf("listen 127.0.0.1:%d;", p.plain), 1},
		change{"listen 443 ssl;", fmt.Sprintf("listen 127.0.0.1:%d ssl;", p.secure), 1},
		change{"/etc/letsencrypt/live/go.shop.in/fullchain.pem", p.authority, 1},
		change{"/etc/letsencrypt/live/go.shop.in/privkey.pem", filepath.Join(dir, "key.pem"), 1},
		change{"https://go.shop.in$", fmt.Sprintf("https://localhost:%d$", p.secure), 1},
		change{"http://127.0.0.1:8080;", "http://" + backend + ";", 1},
		change{"server_name go.shop.in;", "server_name localhost;", 2})
	writeFile(t, filepath.Join(dir, "site.conf"), site, 0o600)
	var folders strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&folders, "%s_temp_path %s;\n", kind, filepath.Join(dir, kind))
	}
	main := filepath.Join(dir, "nginx.conf")
	writeFile(t, main, fmt.Sprintf(`daemon off;
master_process off;
pid %s;
events {}
http {
access_log off;
%sinclude %s;
}
`, filepath.Join(dir, "pid"), &folders, filepath.Join(dir, "site.conf")), 0o600)
	flags := []string{"-e", "stderr", "-p", dir, "-c", main}
	if output, err := exec.Command(nginx, append(flags, "-t")...).CombinedOutput(); err != nil {
		t.Fatalf("nginx -t: %v\n%s", err, output)
	}
	startProxy(t, p, nil, nginx, flags...)
	return p
}

func caddyFor(t *testing.T, dir, backend string) *proxy {
	caddy := needTool(t, "caddy", "apt-get install caddy")
	if output, err := exec.Command(caddy, "validate", "--adapter", "caddyfile", "--config",
		"deploy/Caddyfile").CombinedOutput(); err != nil {
		t.Fatalf("caddy validate: %v\n%s", err, output)
	}
	p := newProxy(t, dir)
	options := fmt.Sprintf("{\n\tadmin off\n\thttp_port %d\n\thttps_port %d\n"+
		"\tdefault_bind 127.0.0.1\n\tskip_install_trust\n\tservers {", p.plain, p.secure)
	name := fmt.Sprintf("\nlocalhost {\n\ttls %s %s\n", p.authority, filepath.Join(dir, "key.pem"))
	site := sample(t, "deploy/Caddyfile",
		change{"{\n\tservers {", options, 1},
		change{"\ngo.shop.in {", name, 1},
		change{"reverse_proxy 127.0.0.1:8080", "reverse_proxy " + backend, 1})
	config := filepath.Join(dir, "Caddyfile")
	writeFile(t, config, site, 0o600)
	startProxy(t, p, []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir},
		caddy, "run", "--adapter", "caddyfile", "--config", config)
	return p
}

func (p *proxy) url(path string) string {
	return fmt.Sprintf("https://localhost:%d%s", p.secure, path)
}

var proxies = map[string]func(t *testing.T, dir, backend string) *proxy{
	"nginx": nginxFor, "caddy": caddyFor,
}

// seen is what reaches Hissa of a request.
type seen struct{ uri, host, from, kind, body string }

// What Hissa sees behind each proxy is what was sent: body and path byte for byte, and the
// visitor's own address, whatever the visitor claims.
func TestProxiesPassRequestsOnUnchanged(t *testing.T) {
	const path = "/r/A%2FB%20c//d?to=%2Fshoes%3Fa%3D1&x=%20+%2B&empty="
	const kind = "application/x-www-form-urlencoded; charset=UTF-8"
	body := make([]byte, maxBody)
	_, _ = rand.Read(body)
	for name, start := range proxies {
		t.Run(name, func(t *testing.T) {
			requests := make(chan seen, 1)
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				read, _ := io.ReadAll(r.Body)
				host, _, _ := strings.Cut(r.Host, ":")
				requests <- seen{r.RequestURI, host, r.Header.Get("X-Forwarded-For"),
					r.Header.Get("Content-Type"), string(read)}
			}))
			defer backend.Close()
			p := start(t, t.TempDir(), backend.Listener.Addr().String())

			req, err := http.NewRequest(http.MethodPost, p.url(path), bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Forwarded-For", "203.0.113.9")
			req.Header.Set("Content-Type", kind)
			answer, err := p.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Fatalf("a body of %d bytes is answered %d by the proxy", len(body), answer.StatusCode)
			}
			got, want := <-requests, seen{path, "localhost", "127.0.0.1", kind, string(body)}
			if got.body != want.body {
				t.Errorf("a body of %d bytes became another of %d", len(want.body), len(got.body))
			}
			if got.body, want.body = "", ""; got != want {
				t.Errorf("behind the proxy: %+v\nwant              %+v", got, want)
			}
		})
	}
}

// The whole way: http goes to https, hissa check -live proves name, certificate, proxy, webhook,
// MID and key, a payment is credited, and a body that is too large is refused by Hissa.
func TestProxiesInFrontOfHissa(t *testing.T) {
	for name, start := range proxies {
		t.Run(name, func(t *testing.T) {
			// Hissa must know its public URL first, and the proxy Hissa's address: this is between.
			var backend atomic.Pointer[httputil.ReverseProxy]
			relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				backend.Load().ServeHTTP(w, r)
			}))
			defer relay.Close()
			p := start(t, t.TempDir(), relay.Listener.Addr().String())
			s := openShop(t, p.url(""))
			backend.Store(towards(t, s.url))

			p.redirects(t)
			check := asCommand("check", "-live", "-config", s.config)
			check.Env = append(check.Env, "SSL_CERT_FILE="+p.authority)
			if output, err := check.CombinedOutput(); err != nil {
				t.Errorf("hissa check -live: %v\n%s", err, output)
			}
			paid := s.paytm.Pay("1042", 149900, paytmtest.Reference("ASHA"), oddText)
			status, said := post(t, p.client, p.url("/webhooks/paytm"), s.paytm.PaymentForm(paid))
			if status != http.StatusOK || said != `{"result":"credited"}` {
				t.Errorf("a payment is answered %d %s", status, said)
			}
			status, said = post(t, p.client, p.url("/webhooks/paytm"),
				paytmtest.Message{ContentType: "text/plain", Body: make([]byte, maxBody+1)})
			if status != http.StatusRequestEntityTooLarge || said != `{"error":"too large"}` {
				t.Errorf("a body that is too large is answered %d %s", status, said)
			}
		})
	}
}

// A sender that closes its own direction once the request is out hears what Hissa answers, and
// never an empty 200 of the proxy's for what Hissa may not have stored.
func TestProxiesWaitForHissasAnswer(t *testing.T) {
	for name := range proxies {
		t.Run(name, func(t *testing.T) {
			s := openShop(t, "https://localhost")
			d := through(name)(t, s)
			for i := range 50 {
				m := s.paytm.PaymentForm(s.paytm.Pay(fmt.Sprint(i), 149900, paytmtest.Reference("ASHA")))
				conn, err := d.dial()
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprintf(conn, "%s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
					webhookLine, m.ContentType, len(m.Body), m.Body)
				if err := conn.(*tls.Conn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				said, _ := io.ReadAll(answer.Body)
				if strings.TrimSpace(string(said)) != `{"result":"credited"}` {
					t.Fatalf("message %d is answered %d %q", i, answer.StatusCode, said)
				}
			}
		})
	}
}

// oddText is what breaks a message that is decoded and encoded again on its way.
var oddText = paytmtest.Comments("é & +% \"=;")

// redirects checks that http is sent on to https, the whole path with it.
func (p *proxy) redirects(t *testing.T) {
	t.Helper()
	answer, err := p.client.Get(fmt.Sprintf("http://localhost:%d/r/ASHA?x=1", p.plain))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	to := answer.Header.Get("Location")
	if answer.StatusCode != http.StatusPermanentRedirect ||
		!strings.HasPrefix(to, "https://localhost") || !strings.HasSuffix(to, "/r/ASHA?x=1") {
		t.Errorf("http is answered %d %q, want 308 to https", answer.StatusCode, to)
	}
}

func towards(t *testing.T, address string) *httputil.ReverseProxy {
	t.Helper()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return httputil.NewSingleHostReverseProxy(target)
}

// The shop's snippets.

// snippet is one language: a program that reads a request as JSON on stdin, calls the snippet with
// it and prints the result as JSON.
type snippet struct{ tool, remedy, flag, program string }

var snippets = map[string]snippet{
	"bind.php": {"php", "apt-get install php-cli php-curl", "-r", `
require "deploy/shop/bind.php";
$in = json_decode(stream_get_contents(STDIN), true);
parse_str(strtr($in["cookies"], [";" => "&", " " => ""]), $_COOKIE);
ini_set("error_log", "/dev/stderr");
echo json_encode(hissa_bind($in["order"], null, $in["promo"], $in["customer"], $in["amount"]));`},
	"bind.mjs": {"node", "install Node.js 18 or later", "--input-type=module", `
import { hissaBind, hissaClick } from "./deploy/shop/bind.mjs";
import { readFileSync } from "node:fs";
const { order, cookies, promo, customer, amount } = JSON.parse(readFileSync(0));
const click = hissaClick(cookies);
console.log(JSON.stringify(await hissaBind(order, click, promo, customer, amount)));`},
	"bind.py": {"python3", "apt-get install python3", "-c", `
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, "deploy/shop")
from bind import hissa_bind, hissa_click
q = json.load(sys.stdin)
click = hissa_click(q["cookies"])
print(json.dumps(hissa_bind(q["order"], click, q["promo"], q["customer"], q["amount"])))`},
}

// checkout is what a customer brings.
type checkout struct {
	Order    string `json:"order"`
	Cookies  string `json:"cookies"`
	Promo    string `json:"promo"`
	Customer string `json:"customer"`
	Amount   string `json:"amount"`
}

// bind runs a snippet; result is "" when it says that the order is not bound.
func (n snippet) bind(t *testing.T, hissaURL, key string, c checkout) (result, log string) {
	t.Helper()
	input, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, n.tool, n.flag, n.program)
	if n.flag == "--input-type=module" {
		command = exec.CommandContext(ctx, n.tool, n.flag, "--eval", n.program)
	}
	command.Env = append(os.Environ(), "HISSA_URL="+hissaURL, "HISSA_KEY="+key)
	command.Stdin = bytes.NewReader(input)
	var out, words bytes.Buffer
	command.Stdout, command.Stderr = &out, &words
	if err := command.Run(); err != nil {
		t.Fatalf("the checkout broke: %v\n%s", err, &words)
	}
	var said *string
	if err := json.Unmarshal(out.Bytes(), &said); err != nil {
		t.Fatalf("printed %q: %v", &out, err)
	}
	if said != nil {
		result = *said
	}
	return result, words.String()
}

// needPHP finds PHP with its curl extension, or skips the test.
func needPHP(t *testing.T) string {
	t.Helper()
	php := needTool(t, "php", "apt-get install php-cli php-curl")
	modules, err := exec.Command(php, "-m").Output()
	if err != nil || !bytes.Contains(modules, []byte("\ncurl\n")) {
		toolMissing(t, "PHP's curl extension", "apt-get install php-curl")
	}
	return php
}

func eachSnippet(t *testing.T, test func(t *testing.T, n snippet)) {
	for name, n := range snippets {
		t.Run(name, func(t *testing.T) {
			needTool(t, n.tool, n.remedy)
			if n.tool == "php" {
				needPHP(t)
			}
			test(t, n)
		})
	}
}

func TestSnippetsBindOrders(t *testing.T) {
	s := openShop(t, "http://127.0.0.1:8080")
	click := s.click()
	eachSnippet(t, func(t *testing.T, n snippet) {
		all := checkout{Order: n.tool + "-1", Cookies: "theme=dark; hissa_click=" + click + "; cart=7",
			Promo: "ASHA10", Customer: "77", Amount: "1499.00"}
		for _, want := range []string{"bound", "same"} {
			if result, log := n.bind(t, s.url+"/", s.key+"\n", all); result != want || log != "" {
				t.Errorf("the result is %q, want %q; the log says %q", result, want, log)
			}
		}
		s.bound(all.Order, click, "ASHA10")
		if result, _ := n.bind(t, s.url, s.key, checkout{Order: n.tool + "-2"}); result != "bound" {
			t.Errorf("an order that nobody brought: %q, want bound", result)
		}
		s.bound(n.tool+"-2", "", "")
	})
}

// A cookie that a visitor made up costs nobody the promo code.
func TestSnippetsLeaveOddCookiesOut(t *testing.T) {
	s := openShop(t, "http://127.0.0.1:8080")
	eachSnippet(t, func(t *testing.T, n snippet) {
		for i, cookie := range []string{
			"x", "clk_" + strings.Repeat("a", 200), "clk_%00%0d%0aX:y", `"clk_a"b`,
		} {
			order := fmt.Sprintf("%s-%d", n.tool, i)
			result, log := n.bind(t, s.url, s.key,
				checkout{Order: order, Cookies: "hissa_click=" + cookie, Promo: "ASHA10"})
			if result != "bound" {
				t.Errorf("cookie %q: %q, %s", cookie, result, log)
			}
			s.bound(order, "", "ASHA10")
		}
	})
}

// A refusal is logged with Hissa's reason, never with the key, and not tried again.
func TestSnippetsSayWhyAnOrderIsNotBound(t *testing.T) {
	s := openShop(t, "http://127.0.0.1:8080")
	front := fronted(t, s, 0)
	eachSnippet(t, func(t *testing.T, n snippet) {
		for _, c := range []struct {
			key    string
			amount string
			want   string
		}{
			{s.key, "a lot", "amount must be rupees above zero"},
			{"no-such-key-4711", "", `"error":"key"`},
		} {
			before := front.requests.Load()
			result, log := n.bind(t, front.url, c.key, checkout{Order: n.tool, Amount: c.amount})
			if result != "" || !strings.Contains(log, "order "+n.tool+" is not bound") ||
				!strings.Contains(log, c.want) {
				t.Errorf("result %q, log %q, want the reason %q", result, log, c.want)
			}
			if strings.Contains(log, c.key) {
				t.Error("the log holds the key")
			}
			if tries := front.requests.Load() - before; tries != 1 {
				t.Errorf("tried %d times, want once", tries)
			}
		}
		_, log := n.bind(t, s.url, "odd\nkey-4711", checkout{Order: n.tool})
		if strings.Contains(log, "4711") {
			t.Errorf("the log holds an unusable key: %q", log)
		}
		if got := s.order(n.tool); got != nil {
			t.Errorf("the order is bound to %v", got)
		}
	})
}

// front is a server before Hissa that answers 503 to the first few requests.
type front struct {
	url      string
	requests atomic.Int64
}

func fronted(t *testing.T, s *aShop, failures int64) *front {
	t.Helper()
	f, onward := &front{}, towards(t, s.url)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.requests.Add(1) <= failures {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		onward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func TestSnippetsTryOnceMore(t *testing.T) {
	s := openShop(t, "http://127.0.0.1:8080")
	eachSnippet(t, func(t *testing.T, n snippet) {
		f := fronted(t, s, 1)
		result, log := n.bind(t, f.url, s.key, checkout{Order: n.tool, Promo: "ASHA10"})
		if result != "bound" {
			t.Errorf("after one 503: %q, %s", result, log)
		}
		s.bound(n.tool, "", "ASHA10")
		f = fronted(t, s, 2)
		result, log = n.bind(t, f.url, s.key, checkout{Order: n.tool + "-2"})
		if tries := f.requests.Load(); result != "" || tries != 2 || !strings.Contains(log, "503") {
			t.Errorf("after two times 503: %q, %d tries, %s", result, tries, log)
		}
	})
}

// When Hissa is away, or takes a connection and never answers, the customer can pay all the same.
func TestSnippetsNeverBreakTheCheckout(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	eachSnippet(t, func(t *testing.T, n snippet) {
		t.Parallel()
		for _, where := range []string{deserted(t), "http://" + silent.Addr().String(), "", "nonsense"} {
			result, log := n.bind(t, where, "key", checkout{Order: "1042"})
			if result != "" || !strings.Contains(log, "order 1042 is not bound: ") {
				t.Errorf("HISSA_URL=%s: result %q, log %q", where, result, log)
			}
		}
	})
}

// wordpress serves the test's shop with its plugin, and Hissa at hissaURL.
func wordpress(t *testing.T, hissaURL, key string) string {
	t.Helper()
	command := exec.Command(needPHP(t), "-d", "output_buffering=0", "-S", "127.0.0.1:0",
		"deploy/shop/testdata/wordpress.php")
	command.Env = append(os.Environ(), "HISSA_URL="+hissaURL, "HISSA_KEY="+key)
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait()
	})
	said := waitFor(t, log, "started")
	go func() { _, _ = io.Copy(io.Discard, log) }()
	at := regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`).FindString(said)
	if at == "" {
		t.Fatalf("php does not say where it listens: %s", said)
	}
	return at
}

func visitShop(t *testing.T, address, cookie string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", cookie)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusOK || string(page) != "Go and pay" {
		t.Errorf("the checkout is answered %d %q", answer.StatusCode, page)
	}
}

// Both kinds of checkout bind the order, and Paytm's name for the order finds it.
func TestWooCommerce(t *testing.T) {
	s := openShop(t, "http://127.0.0.1:8080")
	site := wordpress(t, s.url, s.key)
	click := s.click()
	const classic = "woocommerce_checkout_order_created"
	const block = "woocommerce_store_api_checkout_order_processed"
	visitShop(t, site+"/?order=1042&coupons=asha10+welcome&hook="+classic, "hissa_click="+click)
	s.bound("1042", click, "asha10")
	visitShop(t, site+"/?order=1043&hook="+block, "hissa_click="+click)
	s.bound("1043", click, "")
	visitShop(t, site+"/?order=1044&coupons=welcome+asha10&filter=1&hook="+block, "hissa_click[]=odd")
	s.bound("1044", "", "asha10")

	paid := s.paytm.Pay("1042_20261122101500", 149900, oddText)
	webhook := site + "/?wc-api=WC_paytm&webhook=yes"
	status, said := post(t, http.DefaultClient, webhook, s.paytm.PaymentForm(paid))
	if status != http.StatusOK || said != "The shop saw order 1042_20261122101500" {
		t.Errorf("the webhook is answered %d %q", status, said)
	}
	rows := s.rows("attributions")
	if len(rows) == 0 || rows[0]["txn_id"] != paid.TxnID || rows[0]["basis"] != "promo" ||
		rows[0]["partner"] != "ASHA" {
		t.Errorf("the payment is attributed as %v", rows)
	}

	forged := s.paytm.PaymentForm(paid)
	forged.Body = bytes.Replace(forged.Body, []byte("TXNAMOUNT=1499"), []byte("TXNAMOUNT=9499"), 1)
	status, said = post(t, http.DefaultClient, webhook, forged)
	if status != http.StatusUnauthorized {
		t.Errorf("a changed message is answered %d %q, want Hissa's 401", status, said)
	}
}

// With Hissa away the shop goes on: the customer pays, the shop's own handler sees the webhook,
// and Paytm is told to come again.
func TestWooCommerceWithoutHissa(t *testing.T) {
	site := wordpress(t, deserted(t), "key")
	visitShop(t, site+"/?order=1042&hook=woocommerce_checkout_order_created", "")
	p := paytmtest.New(paytmtest.Config{Seed: 12})
	status, said := post(t, http.DefaultClient, site+"/?wc-api=WC_paytm&webhook=yes",
		p.PaymentForm(p.Pay("1042", 100)))
	if status != http.StatusServiceUnavailable || said != "The shop saw order 1042" {
		t.Errorf("the webhook is answered %d %q, want 503 and the shop's own page", status, said)
	}
	status, said = post(t, http.DefaultClient, site+"/?wc-api=WC_paytm",
		p.PaymentForm(p.Pay("1043", 100)))
	if status != http.StatusOK || said != "The shop saw order 1043" {
		t.Errorf("a customer who comes back is answered %d %q", status, said)
	}
}

// A shop of its own making hands the webhook on with forward.php, whatever its format.
func TestForward(t *testing.T) {
	s := openShop(t, "http://127.0.0.1:8080")
	page := wordpress(t, s.url, s.key) + "/?forward"
	form := s.paytm.PaymentForm(s.paytm.Pay("1042", 149900, paytmtest.Reference("ASHA"), oddText))
	body := s.paytm.PaymentJSON(s.paytm.Pay("1043", 149900, paytmtest.Reference("ASHA"), oddText))
	for i, m := range []paytmtest.Message{form, body} {
		status, said := post(t, http.DefaultClient, page, m)
		if status != http.StatusOK || !strings.HasPrefix(said, "The shop saw order") {
			t.Errorf("%s is answered %d %q", m.About, status, said)
		}
		if rows := s.rows("commissions"); len(rows) != i+1 {
			t.Errorf("after %s the commissions are %v", m.About, rows)
		}
	}
	page = wordpress(t, deserted(t), "") + "/?forward"
	if status, _ := post(t, http.DefaultClient, page, form); status != http.StatusServiceUnavailable {
		t.Errorf("without Hissa a message is answered %d, want 503", status)
	}
}
