package main

import (
	"net/http/httptest"
	"net/netip"
	"testing"
)

// Whom the log names: nobody can claim an address that no trusted proxy vouches for.
func TestNetworkOfASender(t *testing.T) {
	s := &server{config: &Config{TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"),
	}}}
	for _, row := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"203.0.113.9:4000", nil, "203.0.113.0/24"},
		{"203.0.113.9:4000", []string{"198.51.100.7"}, "203.0.113.0/24"},
		{"127.0.0.1:4000", []string{"198.51.100.7"}, "198.51.100.0/24"},
		{"127.0.0.1:4000", []string{"1.2.3.4, 198.51.100.7"}, "198.51.100.0/24"},
		{"127.0.0.1:4000", []string{"1.2.3.4", "198.51.100.7, 10.1.1.1"}, "198.51.100.0/24"},
		{"127.0.0.1:4000", []string{"nonsense"}, "127.0.0.0/24"},
		{"127.0.0.1:4000", nil, "127.0.0.0/24"},
		{"[2001:db8:1:2::9]:4000", nil, "2001:db8:1::/48"},
		{"127.0.0.1:4000", []string{"::ffff:198.51.100.7"}, "198.51.100.0/24"},
		{"@", nil, "unknown"},
	} {
		r := httptest.NewRequest("POST", "/webhooks/paytm", nil)
		r.RemoteAddr = row.remote
		for _, f := range row.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		if got := s.network(r); got != row.want {
			t.Errorf("%s forwarded for %q: %s, want %s", row.remote, row.forwarded, got, row.want)
		}
	}
}
