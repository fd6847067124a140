package browsertest

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"hissa/browsertest/stage"
)

// street is where all hosts of the tests live: one listener that speaks HTTPS, as the proxy in front of
// a real shop and of Hissa does, and hands each host's requests to whoever moved in there.
var street struct {
	listener net.Listener
	mu       sync.Mutex
	houses   map[string]http.Handler
}

// built is the binary under test.
var built string

// TestMain builds hissa once, as it is released, and opens the street.
func TestMain(m *testing.M) {
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "hissa-browsertest-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	built = filepath.Join(dir, "hissa")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", built, ".")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building hissa: %w\n%s", err, out)
	}
	server := openStreet()
	defer server.Close()
	code = m.Run()
	if chrome.stop != nil {
		chrome.stop()
	}
	return code, nil
}

func openStreet() *httptest.Server {
	street.houses = map[string]http.Handler{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		street.mu.Lock()
		house := street.houses[r.Host]
		street.mu.Unlock()
		if house == nil {
			http.Error(w, "nobody lives at "+r.Host, http.StatusBadGateway)
			return
		}
		house.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = stage.Quiet
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.EnableHTTP2 = true
	server.StartTLS()
	street.listener = server.Listener
	return server
}

// lives lets a handler answer for a host until the test ends.
func lives(t testing.TB, host string, house http.Handler) {
	street.mu.Lock()
	defer street.mu.Unlock()
	street.houses[host] = house
	t.Cleanup(func() {
		street.mu.Lock()
		defer street.mu.Unlock()
		delete(street.houses, host)
	})
}

// behind is a proxy to a server on this machine.
func behind(t testing.TB, address string) http.Handler {
	t.Helper()
	proxy, err := stage.Behind(address)
	if err != nil {
		t.Fatal(err)
	}
	return proxy
}
