package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"hissa/paytm"
)

// leastConfig sets what has no default, and nothing else.
const leastConfig = `public_url = "https://go.shop.in"
[links]
landing = "https://shop.in/"
[paytm]
environment = "staging"
mid = "MyShop00000000000001"
merchant_key = "file:paytm.key"
[commission]
rate = "10%"
`

// leastWith changes leastConfig by some lines: one that sets an option takes the place of the one
// that sets it there, others join their table, "" being the space above all tables.
func leastWith(t testing.TB, table string, lines ...string) string {
	t.Helper()
	text := leastConfig
	at := 0
	if table != "" {
		header := "[" + table + "]\n"
		if at = strings.Index(text, header); at < 0 {
			text, at = text+header, len(text)
		}
		at += len(header)
	}
	for _, line := range slices.Backward(lines) {
		name, _, _ := strings.Cut(line, " ")
		if old := strings.Index("\n"+text, "\n"+name+" = "); old >= 0 {
			after := text[old:]
			text = text[:old] + line + after[strings.Index(after, "\n"):]
			continue
		}
		text = text[:at] + line + "\n" + text[at:]
	}
	return text
}

func TestConfigDefaults(t *testing.T) {
	var want Config
	want.Path = "hissa.toml"
	want.Listen = "127.0.0.1:8080"
	want.PublicURL = &url.URL{Scheme: "https", Host: "go.shop.in"}
	want.Database = "/etc/hissa/hissa.db"
	want.TrustedProxies = []netip.Prefix{
		netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128"),
	}
	want.Links.Landing = &url.URL{Scheme: "https", Host: "shop.in", Path: "/"}
	want.Links.AllowHosts = []string{"shop.in"}
	want.Paytm.Environment = "staging"
	want.Paytm.MID = "MyShop00000000000001"
	want.Paytm.Confirm = true
	want.Paytm.APIURL = paytm.StagingURL
	want.Attribution.Window = 30 * 24 * time.Hour
	want.Attribution.Model = "last-click"
	want.Attribution.Precedence = []string{"promo", "click", "reference", "customer"}
	want.Commission.RateBPS = 1000
	want.Abuse.Own, want.Abuse.Codes, want.Abuse.Clicks = true, 5, 60
	want.Commission.Hold = 14 * 24 * time.Hour
	for _, text := range bankColumns {
		heading, cell, _ := strings.Cut(text, "=")
		want.Payout.Columns = append(want.Payout.Columns, payoutColumn{heading, cell})
	}
	want.TDS.Rates = []TaxRate{{From: time.Date(2026, 4, 1, 0, 0, 0, 0, ist), Section: "393(1)", Code: "1006",
		BPS: 200, Threshold: 20_000_00}}
	want.TDS.WithoutPAN = 2000
	want.Privacy.KeepBodies = 180 * 24 * time.Hour
	want.Reconcile.Daily = true
	want.Replica.Ack, want.Replica.Away = "local", "refuse"
	got, faults := parseConfig("hissa.toml", []byte(leastConfig), "/etc/hissa", false)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
}

// Each row puts one line into a configuration that is right, and says what one field is then.
func TestConfigValues(t *testing.T) {
	for _, c := range []struct {
		table, line string
		field       func(*Config) any
		want        string
	}{
		{"", `listen = ":0"`, func(c *Config) any { return c.Listen }, ":0"},
		{"", `listen = "[::1]:8080"`, func(c *Config) any { return c.Listen }, "[::1]:8080"},
		{"", `public_url = "https://Go.Shop.in:8443/a/b/"`,
			func(c *Config) any { return c.PublicURL }, "https://go.shop.in:8443/a/b"},
		{"", `public_url = "http://127.0.0.1:8080/"`,
			func(c *Config) any { return c.PublicURL }, "http://127.0.0.1:8080"},
		{"", `public_url = "http://[::1]:8080"`,
			func(c *Config) any { return c.PublicURL }, "http://[::1]:8080"},
		{"", `public_url = "http://localhost"`,
			func(c *Config) any { return c.PublicURL }, "http://localhost"},
		{"", `database = "../db/./h.db"`, func(c *Config) any { return c.Database }, "/etc/db/h.db"},
		{"", `database = "/srv/h.db"`, func(c *Config) any { return c.Database }, "/srv/h.db"},
		{"", `trusted_proxies = []`, func(c *Config) any { return c.TrustedProxies }, "[]"},
		{"", `trusted_proxies = ["10.0.0.7", "10.1.2.3/8", "::ffff:10.0.0.8", "fd00::1"]`,
			func(c *Config) any { return c.TrustedProxies },
			"[10.0.0.7/32 10.0.0.0/8 10.0.0.8/32 fd00::1/128]"},
		{"", `attribution.window = "1h"`,
			func(c *Config) any { return c.Attribution.Window }, "1h0m0s"},
		{"links", `landing = "https://shop.in/p?x=1#top"`,
			func(c *Config) any { return c.Links.Landing }, "https://shop.in/p?x=1#top"},
		{"links", `landing = "http://[::1]:3000/"`,
			func(c *Config) any { return c.Links.AllowHosts }, "[::1]"},
		{"links", `allow_hosts = ["Shop.in", "m.shop.in"]`,
			func(c *Config) any { return c.Links.AllowHosts }, "[shop.in m.shop.in]"},
		{"links", `allow_hosts = []`, func(c *Config) any { return c.Links.AllowHosts }, "[]"},
		{"links", `cookie_domain = "Shop.in"`,
			func(c *Config) any { return c.Links.CookieDomain }, "shop.in"},
		{"paytm", `environment = "production"`,
			func(c *Config) any { return c.Paytm.APIURL }, "https://secure.paytmpayments.com"},
		{"paytm", `api_url = "http://127.0.0.1:9000/v/"`,
			func(c *Config) any { return c.Paytm.APIURL }, "http://127.0.0.1:9000/v"},
		{"payout", `minimum = "500.00"`, func(c *Config) any { return c.Payout.Minimum }, "50000"},
		{"payout", `account = "00012345"`, func(c *Config) any { return c.Payout.Account }, "00012345"},
		{"payout", `columns = ["Beneficiary Name = {name}", "Amount={amount}", "Mode=NEFT", "Spare="]`,
			func(c *Config) any { return c.Payout.Columns },
			"[{Beneficiary Name {name}} {Amount {amount}} {Mode NEFT} {Spare }]"},
		{"paytm", `confirm = false`, func(c *Config) any { return c.Paytm.Confirm }, "false"},
		{"paytm", `api_url = "https://securegw.paytm.in"`,
			func(c *Config) any { return c.Paytm.APIURL }, "https://securegw.paytm.in"},
		{"paytm", `forward = "https://shop.in/paytm-hook?key=x"`,
			func(c *Config) any { return c.Paytm.Forward }, "https://shop.in/paytm-hook?key=x"},
		{"paytm", `forward = "http://10.0.0.7:3000/paytm-hook"`,
			func(c *Config) any { return c.Paytm.Forward }, "http://10.0.0.7:3000/paytm-hook"},
		{"reconcile", `daily = false`, func(c *Config) any { return c.Reconcile.Daily }, "false"},
		{"reconcile", `txn_id = "Paytm Txn Id"`,
			func(c *Config) any { return c.Reconcile.TxnID }, "Paytm Txn Id"},
		{"reconcile", `refund_id = "Refund Id"`,
			func(c *Config) any { return *c.reportColumns()["refund_id"] }, "Refund Id"},
		{"paytm", `order_suffix = "_"`, func(c *Config) any { return c.Paytm.OrderSuffix }, "_"},
		{"attribution", `window = "365d"`,
			func(c *Config) any { return c.Attribution.Window }, "8760h0m0s"},
		{"attribution", `model = "first-click"`,
			func(c *Config) any { return c.Attribution.Model }, "first-click"},
		{"attribution", `precedence = ["campaign", "click"]`,
			func(c *Config) any { return c.Attribution.Precedence }, "[campaign click]"},
		{"attribution", `lifetime = "120mo"`,
			func(c *Config) any { return c.Attribution.Lifetime }, "120"},
		{"commission", `rate = "12.5%"`, func(c *Config) any { return c.Commission.RateBPS }, "1250"},
		{"commission", `rate = "0.01%"`, func(c *Config) any { return c.Commission.RateBPS }, "1"},
		{"commission", `rate = "100%"`, func(c *Config) any { return c.Commission.RateBPS }, "10000"},
		{"commission", `exclude_tax = "18%"`,
			func(c *Config) any { return c.Commission.ExcludeTaxBPS }, "1800"},
		{"commission", `exclude_tax = "99.99%"`,
			func(c *Config) any { return c.Commission.ExcludeTaxBPS }, "9999"},
		{"commission", `tiers = ["100000.00 12%", "500000.00 15%"]`,
			func(c *Config) any { return c.Commission.Tiers }, "[{10000000 12%} {50000000 15%}]"},
		{"commission", `cap = "500.00"`, func(c *Config) any { return c.Commission.Cap }, "50000"},
		{"commission", `payments = 7`, func(c *Config) any { return c.Commission.Payments }, "7"},
		{"commission", `hold = "0d"`, func(c *Config) any { return c.Commission.Hold }, "0s"},
		{"commission", `hold = "90m"`, func(c *Config) any { return c.Commission.Hold }, "1h30m0s"},
		{"commission", `hold = "365d"`, func(c *Config) any { return c.Commission.Hold }, "8760h0m0s"},
		{"replica", `url = ""`, func(c *Config) any { return fmt.Sprint(c.Replica.Place == nil) }, "true"},
		{"replica", `url = "file:///var/backups/hissa/"`,
			func(c *Config) any { return c.Replica.Place.String() }, "file:///var/backups/hissa"},
		{"replica", `url = "s3://bucket/shop?region=ap-south-1"`,
			func(c *Config) any { return c.Replica.Place.String() }, "s3://bucket/shop?region=ap-south-1"},
		{"replica", "url = \"file:///var/x\"\nack = \"replica\"\naway = \"local\"",
			func(c *Config) any { return c.Replica.Ack + " " + c.Replica.Away }, "replica local"},
	} {
		text := leastWith(t, c.table, c.line)
		config, faults := parseConfig("hissa.toml", []byte(text), "/etc/hissa", false)
		if len(faults) > 0 {
			t.Errorf("%s: %v", c.line, faults)
			continue
		}
		if got := fmt.Sprint(c.field(config)); got != c.want {
			t.Errorf("%s: %s, want %s", c.line, got, c.want)
		}
	}
}

func TestConfigFlatInPlaceOfRate(t *testing.T) {
	for _, line := range []string{`flat = "50.00"`, "flat = \"50.00\"\nrate = \"\""} {
		text := strings.Replace(leastConfig, `rate = "10%"`, line, 1)
		config, faults := parseConfig("hissa.toml", []byte(text), "/", false)
		if len(faults) > 0 || config.Commission.Flat != 5000 || config.Commission.RateBPS != 0 {
			t.Errorf("%s: %+v %v", line, config, faults)
		}
	}
}

// faultCase puts a line or two into a configuration that is right. What is wrong then stands at
// the place of the value, with what to do.
type faultCase struct{ table, line, want string }

func checkFaults(t *testing.T, cases []faultCase) {
	t.Helper()
	for _, c := range cases {
		text := leastWith(t, c.table, c.line)
		_, faults := parseConfig("hissa.toml", []byte(text), "/etc/hissa", false)
		want := "hissa.toml:" + strings.ReplaceAll(c.want, "\n", "\nhissa.toml:")
		if got := faults.Error(); got != want {
			t.Errorf("%s\n got %s\nwant %s", c.line, got, want)
		}
	}
}

func TestConfigFaultsAddresses(t *testing.T) {
	checkFaults(t, []faultCase{
		{"", `listen = "8080"`,
			`1:10: listen: "8080" is not host:port, write an address and a port ` +
				`like "127.0.0.1:8080"`},
		{"", `listen = "127.0.0.1:65536"`,
			`1:10: listen: "127.0.0.1:65536" has no port from 0 to 65535, write an ` +
				`address and a port like "127.0.0.1:8080"`},
		{"", `listen = "127.0.0.1:http"`,
			`1:10: listen: "127.0.0.1:http" has no port from 0 to 65535, write an ` +
				`address and a port like "127.0.0.1:8080"`},
		{"", `listen = "a b:80"`,
			`1:10: listen: "a b:80" has no usable host, write an address and a port ` +
				`like "127.0.0.1:8080"`},
		{"", `listen = ""`,
			`1:10: listen: "" is not host:port, write an address and a port like ` +
				`"127.0.0.1:8080"`},
		{"", `listen = 8080`,
			`1:10: listen: is a number and not text, write it in double quotes`},
		{"", `listen = "127.0.0.1:8080\n"`,
			`1:10: listen: has a control character inside, write it on one line ` +
				`without tabs and escapes`},
		{"", `public_url = ""`,
			`1:14: public_url: is not set, write it like "https://go.shop.in"`},
		{"", `public_url = "go.shop.in"`,
			`1:14: public_url: "go.shop.in" is not an https URL, write it like ` +
				`"https://go.shop.in"`},
		{"", `public_url = "ftp://go.shop.in"`,
			`1:14: public_url: "ftp://go.shop.in" is not an https URL, write it ` +
				`like "https://go.shop.in"`},
		{"", `public_url = "https://"`,
			`1:14: public_url: "https://" is not an https URL, write it like ` +
				`"https://go.shop.in"`},
		{"", `public_url = "http://go.shop.in"`,
			`1:14: public_url: "http://go.shop.in" is http but Paytm only calls ` +
				`https, write https:// (http is for 127.0.0.1 and localhost)`},
		{"", `public_url = "https://go.shop.in/?a=1"`,
			`1:14: public_url: "https://go.shop.in/?a=1" has a query or fragment, ` +
				`leave out the ? or # and what follows`},
		{"", `public_url = "https://go.shop.in/#"`,
			`1:14: public_url: "https://go.shop.in/#" has a query or fragment, ` +
				`leave out the ? or # and what follows`},
		{"", `public_url = "https://asha:pass@go.shop.in"`,
			`1:14: public_url: has a user name or password in it, leave out what ` +
				`stands before the @`},
		{"", `public_url = "https://go.shop.in/a/../b"`,
			`1:14: public_url: "https://go.shop.in/a/../b" has an odd path: use ` +
				`only letters, digits and - _ . ~ between single slashes`},
		{"", `public_url = "https://go.shop.in//a"`,
			`1:14: public_url: "https://go.shop.in//a" has an odd path: use only ` +
				`letters, digits and - _ . ~ between single slashes`},
		{"", `public_url = "https://go.shop.in/a%2Fb"`,
			`1:14: public_url: "https://go.shop.in/a%2Fb" has an odd path: use only ` +
				`letters, digits and - _ . ~ between single slashes`},
		{"", `public_url = "https://go.shop.in:0"`,
			`1:14: public_url: "https://go.shop.in:0" has no usable port, write a ` +
				`port from 1 to 65535 or none`},
		{"", `public_url = "https://go.shop.in:99999"`,
			`1:14: public_url: "https://go.shop.in:99999" has no usable port, write ` +
				`a port from 1 to 65535 or none`},
		{"", `public_url = "https://go.shop.in:"`,
			`1:14: public_url: "https://go.shop.in:" has no usable port, write a ` +
				`port from 1 to 65535 or none`},
		{"", `public_url = "https://दुकान.भारत"`,
			`1:14: public_url: "https://दुकान.भारत" has no usable host: write a ` +
				`host name in its ASCII form, like shop.in`},
		{"", `public_url = "https://-a.in"`,
			`1:14: public_url: "https://-a.in" has no usable host: write a host ` +
				`name in its ASCII form, like shop.in`},
		{"", `public_url = "http://128.0.0.1"`,
			`1:14: public_url: "http://128.0.0.1" is http but Paytm only calls ` +
				`https, write https:// (http is for 127.0.0.1 and localhost)`},
		{"", `database = ""`,
			`1:12: database: is empty, write the path of a file like "hissa.db"`},
		{"", `database = ":memory:"`,
			`1:12: database: ":memory:" is not the path of a file, write a plain ` +
				`path like "hissa.db"`},
		{"", `database = "file:hissa.db"`,
			`1:12: database: "file:hissa.db" is not the path of a file, write a ` +
				`plain path like "hissa.db"`},
		{"", `database = "db/"`,
			`1:12: database: "db/" is a folder, add the name of a file`},
		{"", `trusted_proxies = "127.0.0.1"`,
			`1:19: trusted_proxies: is text and not a list: write it in brackets ` +
				`like ["a", "b"]`},
		{"", `trusted_proxies = ["127.0.0.1", "proxy"]`,
			`1:33: trusted_proxies[1]: "proxy" is not an address or a range, write ` +
				`it like "10.0.0.5" or "10.0.0.0/24"`},
		{"", `trusted_proxies = ["10.0.0.0/33"]`,
			`1:20: trusted_proxies[0]: "10.0.0.0/33" is not an address or a range, ` +
				`write it like "10.0.0.5" or "10.0.0.0/24"`},
		{"", "trusted_proxies = [\"127.0.0.1\", # \"one\"\n  1,\n\t\"x\"]",
			`2:3: trusted_proxies[1]: is a number and not text, write it in double ` +
				`quotes` + "\n" +
				`3:2: trusted_proxies[2]: "x" is not an address or a range, write it ` +
				`like "10.0.0.5" or "10.0.0.0/24"`},
		{"", `trusted_proxies = ["fe80::1%eth0"]`,
			`1:20: trusted_proxies[0]: "fe80::1%eth0" is not an address or a range, ` +
				`write it like "10.0.0.5" or "10.0.0.0/24"`},
		{"links", `landing = "http://shop.in/"`,
			`3:11: links.landing: "http://shop.in/" is http but a shop must be ` +
				`reached by https, write https:// (http is for 127.0.0.1 and localhost)`},
		{"links", `landing = "/"`,
			`3:11: links.landing: "/" is not an https URL, write it like ` +
				`"https://shop.in/"`},
		{"links", `allow_hosts = ["https://shop.in"]`,
			`3:16: links.allow_hosts[0]: "https://shop.in" is not a plain host ` +
				`name, write the name alone like "shop.in"`},
		{"links", `allow_hosts = ["shop.in:443", "*.shop.in"]`,
			`3:16: links.allow_hosts[0]: "shop.in:443" is not a plain host name, ` +
				`write the name alone like "shop.in"` + "\n" +
				`3:31: links.allow_hosts[1]: "*.shop.in" is not a plain host name, ` +
				`write the name alone like "shop.in"`},
		{"links", `allow_hosts = "shop.in"`,
			`3:15: links.allow_hosts: is text and not a list: write it in brackets ` +
				`like ["a", "b"]`},
		{"links", `cookie_domain = "other.in"`,
			`3:17: links.cookie_domain: go.shop.in does not belong to "other.in" ` +
				`and the shop would never see the cookie, write a domain that both ` +
				`go.shop.in and shop.in belong to or leave it empty`},
		{"links", `cookie_domain = "go.shop.in"`,
			`3:17: links.cookie_domain: shop.in does not belong to "go.shop.in" and ` +
				`the shop would never see the cookie, write a domain that both ` +
				`go.shop.in and shop.in belong to or leave it empty`},
		{"links", `cookie_domain = "in"`,
			`3:17: links.cookie_domain: "in" is shared by many sites and browsers ` +
				`refuse its cookies, write your own like "shop.in" or leave it empty`},
		{"links", `cookie_domain = "co.in"`,
			`3:17: links.cookie_domain: "co.in" is shared by many sites and ` +
				`browsers refuse its cookies, write your own like "shop.in" or leave it ` +
				`empty`},
		{"links", `cookie_domain = ".shop.in"`,
			`3:17: links.cookie_domain: ".shop.in" begins with a point, leave the ` +
				`point out`},
		{"links", `cookie_domain = "127.0.0.1"`,
			`3:17: links.cookie_domain: "127.0.0.1" is an address and no cookie is ` +
				`shared between addresses, leave it empty`},
		{"links", `cookie_domain = "shop.in/"`,
			`3:17: links.cookie_domain: "shop.in/" is not a plain host name, write ` +
				`the name alone like "shop.in"`},
		{"links", `cookie_domain = "hop.in"`,
			`3:17: links.cookie_domain: go.shop.in does not belong to "hop.in" and ` +
				`the shop would never see the cookie, write a domain that both ` +
				`go.shop.in and shop.in belong to or leave it empty`},
	})
}

func TestConfigFaultsPaytm(t *testing.T) {
	checkFaults(t, []faultCase{
		{"paytm", `environment = "prod"`,
			`5:15: paytm.environment: "prod" is not known, write "production" or ` +
				`"staging"`},
		{"paytm", `environment = ""`,
			`5:15: paytm.environment: is not set, write "production" or "staging"`},
		{"paytm", `mid = ""`,
			`6:7: paytm.mid: is not set, copy it from Paytm's dashboard under API keys`},
		{"paytm", `mid = " MyShop"`,
			`6:7: paytm.mid: has spaces around it, remove them`},
		{"paytm", `mid = "My Shop"`,
			`6:7: paytm.mid: is not 1 to 64 letters, digits, - or _, copy it again ` +
				`from Paytm's dashboard`},
		{"paytm", `mid = 5`,
			`6:7: paytm.mid: is a number and not text, write it in double quotes`},
		{"paytm", `merchant_key = "abcd"`,
			`7:16: paytm.merchant_key: a key does not belong in this file: put it ` +
				`in a file of mode 0600, and name that as "file:/etc/hissa/paytm.key"`},
		{"paytm", `merchant_key = ""`,
			`7:16: paytm.merchant_key: is not set, write ` +
				`"file:/etc/hissa/paytm.key" or "env:PAYTM_KEY"`},
		{"paytm", `merchant_key = []`,
			`7:16: paytm.merchant_key: names 0 keys: name one, or two or three ` +
				`while it is changed, the new one first`},
		{"paytm", `merchant_key = ["file:a", "file:b", "file:c", "file:d"]`,
			`7:16: paytm.merchant_key: names 4 keys: name one, or two or three ` +
				`while it is changed, the new one first`},
		{"paytm", `merchant_key = ["file:a", "file:a"]`,
			`7:27: paytm.merchant_key[1]: stands in the list twice, name it once`},
		{"paytm", `merchant_key = ["file:a", "bKMfNxPPf_ZdppUP"]`,
			`7:27: paytm.merchant_key[1]: a key does not belong in this file: put ` +
				`it in a file of mode 0600, and name that as ` +
				`"file:/etc/hissa/paytm.key"`},
		{"paytm", `merchant_key = 5`,
			`7:16: paytm.merchant_key: is a number and not text, write it in double ` +
				`quotes`},
		{"paytm", `merchant_key = "env:A B"`,
			`7:16: paytm.merchant_key: names no environment variable, write it like ` +
				`"env:PAYTM_KEY"`},
		{"paytm", `merchant_key = "file:"`,
			`7:16: paytm.merchant_key: names no file, write it like ` +
				`"file:/etc/hissa/paytm.key"`},
		{"paytm", `merchant_key = "env:"`,
			`7:16: paytm.merchant_key: names no environment variable, write it like ` +
				`"env:PAYTM_KEY"`},
		{"paytm", `confirm = "no"`,
			`5:11: paytm.confirm: is text and not true or false, write true or ` +
				`false without quotes`},
		{"paytm", `api_url = "http://paytm.in"`,
			`5:11: paytm.api_url: "http://paytm.in" is http but Paytm only answers ` +
				`https, write https:// (http is for 127.0.0.1 and localhost)`},
		{"paytm", `forward = "http://shop.in/hook"`,
			`5:11: paytm.forward: "http://shop.in/hook" is http but Paytm's messages name ` +
				`customers, write https:// (http is for 127.0.0.1 and localhost)`},
		{"paytm", `forward = "http://localhost:3000/hook"`,
			`5:11: paytm.forward: "localhost" is a name and names are not dialled inside this ` +
				`machine, write the address itself like "http://127.0.0.1:3000/paytm-hook"`},
		{"paytm", `forward = "https://go.shop.in/webhooks/paytm"`,
			`5:11: paytm.forward: "go.shop.in" is public_url's host and every message would come ` +
				`back, write the address of the shop's own handler`},
		{"reconcile", `amount = "` + strings.Repeat("x", 101) + `"`,
			`11:10: reconcile.amount: is no name of a column, copy it from the first line of the report`},
		{"paytm", `forward_refused = true`,
			`5:19: paytm.forward_refused: has nowhere to hand messages on to, set forward or ` +
				`leave this out`},
		{"paytm", `order_suffix = "-"`,
			`5:16: paytm.order_suffix: "-" is not known, write "" or "_"`},
	})
}

func TestConfigFaultsTerms(t *testing.T) {
	checkFaults(t, []faultCase{
		{"attribution", `window = "30"`,
			`11:10: attribution.window: "30" is not a length of time: write days, ` +
				`hours or minutes like "30d", "12h" or "90m"`},
		{"attribution", `window = "59m"`,
			`11:10: attribution.window: "59m" is too short, write at least "1h"`},
		{"attribution", `window = "366d"`,
			`11:10: attribution.window: "366d" is too long, write at most "365d"`},
		{"attribution", `window = "30 days"`,
			`11:10: attribution.window: "30 days" is not a length of time: write ` +
				`days, hours or minutes like "30d", "12h" or "90m"`},
		{"attribution", `model = "linear"`,
			`11:9: attribution.model: "linear" is not known, write "last-click" or ` +
				`"first-click"`},
		{"attribution", `precedence = []`,
			`11:14: attribution.precedence: is empty, name at least one like ["click"]`},
		{"attribution", `precedence = ["click", "email"]`,
			`11:24: attribution.precedence[1]: "email" is not known, write "promo" ` +
				`or "click" or "reference" or "customer" or "campaign"`},
		{"attribution", `precedence = ["click", "promo", "click"]`,
			`11:14: attribution.precedence: "click" stands in it twice, name it once`},
		{"attribution", `lifetime = "12"`,
			`11:12: attribution.lifetime: "12" is not a number of months, write 1 ` +
				`to 120 months like "12mo" or leave it empty`},
		{"attribution", `lifetime = "121mo"`,
			`11:12: attribution.lifetime: "121mo" is not a number of months, write ` +
				`1 to 120 months like "12mo" or leave it empty`},
		{"attribution", `lifetime = "0mo"`,
			`11:12: attribution.lifetime: "0mo" is not a number of months, write 1 ` +
				`to 120 months like "12mo" or leave it empty`},
		{"attribution", "lifetime = \"12mo\"\nprecedence = [\"click\"]",
			`11:12: attribution.lifetime: has no effect without customer in ` +
				`precedence, add "customer" there or leave lifetime empty`},
		{"commission", `rate = "ten"`,
			`9:8: commission.rate: "ten" is not a percentage, write it like "10%"`},
		{"commission", `rate = 10`,
			`9:8: commission.rate: is a number and not text, write it in double quotes`},
		{"commission", `rate = "0%"`,
			`9:8: commission.rate: "0%" can't be paid out of a payment, write a ` +
				`share from "0.01%" to "100%"`},
		{"commission", `rate = "100.01%"`,
			`9:8: commission.rate: "100.01%" can't be paid out of a payment, write ` +
				`a share from "0.01%" to "100%"`},
		{"commission", `rate = "1.234%"`,
			`9:8: commission.rate: "1.234%" is not a percentage, write it like "10%"`},
		{"commission", `flat = "50.00"`,
			`10:8: commission.rate: rate on line 10 and flat on line 9 are both ` +
				`set, keep one of them`},
		{"commission", `flat = 50.00`,
			`9:8: commission.flat: is a number and not text, write it in double quotes` + "\n" +
				`10:8: commission.rate: rate on line 10 and flat on line 9 are both ` +
				`set, keep one of them`},
		{"commission", `flat = "0"`,
			`9:8: commission.flat: "0" is not an amount, write rupees above zero ` +
				`like "50.00"` + "\n" +
				`10:8: commission.rate: rate on line 10 and flat on line 9 are both ` +
				`set, keep one of them`},
		{"commission", `tiers = ["100000.00"]`,
			`9:10: commission.tiers[0]: "100000.00" is not a tier, write rupees and a rate like "100000.00 12%"`},
		{"commission", `tiers = ["2.00 12%", "1.00 15%"]`,
			`9:22: commission.tiers[1]: does not come after the one before it, write the tiers from the ` +
				`lowest amount to the highest`},
		{"commission", `cap = "0"`,
			`9:7: commission.cap: "0" is not an amount, write rupees above zero like "50.00"`},
		{"commission", `payments = "1"`,
			`9:12: commission.payments: is text and not a whole number, write a number from 0 to 1000 ` +
				`without quotes`},
		{"commission", `payments = -1`,
			`9:12: commission.payments: -1 is out of range, write a number from 0 to 1000 without quotes`},
		{"commission", `exclude_tax = "-1%"`,
			`9:15: commission.exclude_tax: "-1%" is not a percentage, write it like ` +
				`"18%"`},
		{"commission", `rate = ""`,
			`9:8: commission.rate: is not set and flat is not either, write rate = ` +
				`"10%" or flat = "50.00" under [commission]`},
		{"commission", `exclude_tax = "100%"`,
			`9:15: commission.exclude_tax: "100%" is not below 100%, write the tax ` +
				`on top of the price like "18%"`},
		{"commission", `exclude_tax = "18"`,
			`9:15: commission.exclude_tax: "18" is not a percentage, write it like ` +
				`"18%"`},
		{"commission", `hold = "366d"`,
			`9:8: commission.hold: "366d" is too long, write at most "365d"`},
		{"commission", `hold = "-1d"`,
			`9:8: commission.hold: "-1d" is not a length of time: write days, hours ` +
				`or minutes like "30d", "12h" or "90m"`},
		{"commission", `hold = "999999d"`,
			`9:8: commission.hold: "999999d" is too long, write at most "365d"`},
		{"replica", `url = "s3://a:b@bucket/path"`,
			`11:7: replica.url: holds a secret, take it out and set AWS_ACCESS_KEY_ID and ` +
				`AWS_SECRET_ACCESS_KEY in the environment`},
		{"replica", `url = "s3://bucket/path?accessKeyID=x"`,
			`11:7: replica.url: holds a secret (accessKeyID), set it in the environment instead`},
		{"replica", `url = "s3://bucket"`,
			`11:7: replica.url: needs a bucket and a path of the shop's own, "s3://bucket/shop"`},
		{"replica", `url = "file://backups/hissa"`,
			`11:7: replica.url: needs a whole path: write it with three slashes, "file:///var/…"`},
		{"replica", `url = "gs://bucket/path"`,
			`11:7: replica.url: begins with "gs", s3:// and file:/// are understood`},
		{"replica", `ack = "replica"`,
			`11:7: replica.ack: "replica" needs a copy to wait for: set url, or write "local"`},
		{"tds", `rates = ["2026-04-01 393(1) 2% 20000.00"]`,
			`11:10: tds.rates[0]: "2026-04-01 393(1) 2% 20000.00" has not five parts, write it like ` +
				`"2026-04-01 393(1) 1006 2% 20000.00"`},
		{"tds", `rates = ["2026-04-01 a 1 2% 0", "2026-04-01 b 1 3% 0"]`,
			`11:33: tds.rates[1]: does not come after the one before it, write the rates in order of their dates`},
		{"tds", `rates = ["1 April a 1 2%"]`,
			`11:10: tds.rates[0]: "1" is not a date, write it like "2026-04-01 393(1) 1006 2% 20000.00"`},
		{"tds", `rates = ["2026-04-01 a 1 2% x"]`,
			`11:10: tds.rates[0]: "x" is not an amount, write it like "2026-04-01 393(1) 1006 2% 20000.00"`},
		{"privacy", `key = []`, `11:7: privacy.key: names 0 keys: name one, or two or three while it is changed, the ` +
			`new one first`},
		{"privacy", `key = "abcd"`, `11:7: privacy.key: a key does not belong in this file: put it in a file of mode ` +
			`0600, and name that as "file:/etc/hissa/bodies.key"`},
		{"privacy", `key = "env:"`, `11:7: privacy.key: names no environment variable, write it like "env:BODY_KEY"`},
		{"privacy", `key = true`, `11:7: privacy.key: is true or false and not text, write it in double quotes`},
		{"privacy", `keep_bodies = "2h"`, `11:15: privacy.keep_bodies: "2h" is too short, write at least "24h"`},
		{"mail", "smtp = \"smtp.shop.in\"\nfrom = \"a@b.in\"",
			`11:8: mail.smtp: "smtp.shop.in" is not host:port, write a host and a port like "smtp.shop.in:587"`},
		{"mail", `smtp = "smtp.shop.in:587"`,
			`11:8: mail.smtp: has no use without from, write from too or leave this out`},
		{"mail", "smtp = \"a.in:0\"\nfrom = \"a@b.in\"",
			`11:8: mail.smtp: "a.in:0" has no port from 1 to 65535, write a host and a port like "smtp.shop.in:587"`},
		{"mail", `from = "partners at shop.in"`, `11:8: mail.from: is no e-mail address, write it like ` +
			`"partners@shop.in" or "Chai & Co <partners@shop.in>"` + "\n" +
			`11:8: mail.from: has no use without smtp, write smtp too or leave this out`},
		{"mail", "smtp = \"a.in:25\"\nfrom = \"a@b.in\"\nuser = \"u\"",
			`13:8: mail.user: has no use without password, write password too or leave this out`},
		{"mail", "smtp = \"a.in:25\"\nfrom = \"a@b.in\"\nuser = \"u\"\npassword = \"hunter2\"",
			`14:12: mail.password: a password does not belong in this file: put it in a file of mode 0600, and name ` +
				`that as "file:/etc/hissa/mail.password"`},
		{"payout", `minimum = "-1"`,
			`11:11: payout.minimum: "-1" is not an amount, write rupees above zero like "50.00"`},
		{"payout", `account = "12 34"`,
			`11:11: payout.account: "12 34" is not an account number, write 6 to 20 digits without blanks`},
		{"payout", `columns = []`,
			`11:11: payout.columns: is empty, name the bank's columns or leave it out`},
		{"payout", `columns = ["AMOUNT"]`,
			`11:12: payout.columns[0]: "AMOUNT" has no heading, write it like "AMOUNT={amount}"`},
		{"payout", `columns = ["=1+1={amount}"]`,
			`11:12: payout.columns[0]: "=1+1={amount}" has no heading, write it like "AMOUNT={amount}"`},
		{"payout", `columns = ["+1={amount}"]`,
			`11:12: payout.columns[0]: "+1" looks like a formula, begin it with a letter`},
		{"payout", `columns = ["A={amount}", "B={iban}"]`,
			`11:26: payout.columns[1]: "{iban}" is no field, write one of {account} {amount} {date} {date/} ` +
				`{email} {from} {id} {ifsc} {name} {note} {partner}`},
		{"alerts", `url = "http://pager.example/x"`,
			`11:7: alerts.url: "http://pager.example/x" is http but alarms tell strangers what is ` +
				`weak, write https:// (http is for 127.0.0.1 and localhost)`},
		{"replica", `away = "never"`,
			`11:8: replica.away: "never" is not known, write "refuse" or "local"`},
		{"replica", `ack = "remote"`,
			`11:7: replica.ack: "remote" is not known, write "local" or "replica"`},
	})
}

// What is no option, and what is no TOML.
func TestConfigFaultsNames(t *testing.T) {
	checkFaults(t, []faultCase{
		{"", `listn = 3`,
			`1:1: listn: there is no such option, did you mean listen?`},
		{"", `Listen = ':1'`,
			`1:1: Listen: there is no such option, did you mean listen?`},
		{"paytm", `public-url = 1`,
			`5:1: paytm.public-url: there is no such option, write public_url above ` +
				`the first [table]`},
		{"commission", "x = 1\n[paytm]",
			`10:2: stands in the file twice, keep one of them`},
		{"paytm", `order_sufix = 1`,
			`5:1: paytm.order_sufix: there is no such option, did you mean ` +
				`order_suffix?`},
		{"links", `Mid = 1`,
			`3:1: links.Mid: there is no such option, write mid under [paytm]`},
		{"", `listen.port = 80`,
			`1:1: listen: is a table and not text, write it in double quotes`},
		{"", `"a.b" = 1`,
			`1:1: "a.b": there is no such option, remove it or look it up in ` +
				`config.example.toml`},
		{"link", `x = 1`,
			`10:1: link: there is no such option, did you mean links?`},
		{"links.more", `x = 1`,
			`10:1: links.more: there is no such option, remove it or look it up in ` +
				`config.example.toml`},
		{"", `replica = true`,
			`1:11: replica: is true or false and not a table, write [replica] once ` +
				`on a line of its own`},
		{"", `replica = []`,
			`1:11: replica: is a list and not a table, write [replica] once on a ` +
				`line of its own`},
		{"", `links.allow_hosts = [ "*" ]`,
			`1:23: links.allow_hosts[0]: "*" is not a plain host name, write the ` +
				`name alone like "shop.in"`},
		{"", `x = `,
			`1:5: x: expected value but found '\n' instead, write it like name = ` +
				`"value"`},
		{"paytm", `mid = MyShop`,
			`6:7: paytm.mid: is not TOML, write it like name = "value"`},
		{"paytm", "mid = \"a\"\nmid = \"b\"",
			`7:1: paytm.mid: stands in the file twice, keep one of them`},
		{"paytm", `mid = "MyShop`,
			`6:14: paytm.mid: strings cannot contain newlines, write it like name = ` +
				`"value"`},
		{"commission", `rate = 10%`,
			`9:10: commission: expected a top-level item to end with a newline, ` +
				`comment, or EOF, but got '%' instead, write it like name = "value"`},
		{"", `url: 'x'`,
			`1:4: expected '.' or '=', but got ':' instead, write it like name = ` +
				`"value"`},
		{"", `é = 1`,
			`1:1: expected '.' or '=', but got 'é' instead, write it like name = ` +
				`"value"`},
		{"", "database = \"दुकान.db\" # नाम\nlisten = ''",
			`2:10: listen: "" is not host:port, write an address and a port like ` +
				`"127.0.0.1:8080"`},
	})
}

// Nothing waits for another fault to be mended first.
func TestConfigTellsAllFaultsAtOnce(t *testing.T) {
	const text = `# a shop
listen = 8080
databse = "hissa.db"

links.landing = "shop.in" # no scheme
links.allow_hosts = [
  "shop.in", # fine
  "https://shop.in",
]

[paytm]
mid = " MyShop "
merchant_key = "secret"
mode = """
[commission]
rate = "not here"
"""

[commission]
rate = "ten"
'flat' = "50"

[[replica]]
url = "s3://bucket"
`
	want := []string{
		`1:1: public_url: is not set, write it like "https://go.shop.in"`,
		`2:10: listen: is a number and not text, write it in double quotes`,
		`3:1: databse: there is no such option, did you mean database?`,
		`5:17: links.landing: "shop.in" is not an https URL, write it like "https://shop.in/"`,
		`8:3: links.allow_hosts[1]: "https://shop.in" is not a plain host name, ` +
			`write the name alone like "shop.in"`,
		`11:1: paytm.environment: is not set, write "production" or "staging"`,
		`12:7: paytm.mid: has spaces around it, remove them`,
		`13:16: paytm.merchant_key: a key does not belong in this file: ` +
			`put it in a file of mode 0600, and name that as "file:/etc/hissa/paytm.key"`,
		`14:1: paytm.mode: there is no such option, ` +
			`remove it or look it up in config.example.toml`,
		`20:8: commission.rate: "ten" is not a percentage, write it like "10%"`,
		`21:10: commission.flat: rate on line 20 and flat on line 21 are both set, keep one of them`,
		`23:1: replica: is a list of tables and not a table, ` +
			`write [replica] once on a line of its own`,
	}
	config, faults := parseConfig("/etc/shop.toml", []byte(text), "/", false)
	for i, fault := range faults {
		if i < len(want) && fault.String() != "/etc/shop.toml:"+want[i] {
			t.Errorf(" got %s\nwant %s", fault, want[i])
		}
	}
	if len(faults) != len(want) {
		t.Errorf("%d faults, want %d:\n%v", len(faults), len(want), faults)
	}
	if config != nil {
		t.Error("a configuration with faults must not be usable")
	}
}

// Windows editors begin a file with a mark and end lines in two characters; columns count
// characters, not bytes; inline tables are tables; quotes and brackets hide what is inside.
func TestConfigFaultsInOddFiles(t *testing.T) {
	for text, want := range map[string]string{
		"listen = '1'":           `1:10: listen: "1" is`,
		"\ufefflisten = '1'\r\n": `1:10: listen: "1" is`,
		"# नाम\r\n\tdatabase = '' # नाम\r\n":        `2:13: database: is`,
		"links = {landing = 'x', 'उ' = 1}":          `1:20: links.landing: "x" is`,
		"'links' = {landing = 'x', 'उ' = 1}":        `1:27: links."उ": there is`,
		"links . 'landing' = \"x\"":                 `1:21: links.landing: "x" is`,
		"x = '''a'''''\nlisten = '1'":               `2:10: listen: "1" is`,
		"x = \"\"\"a\\\"\"\"\"\nlisten = '1'":       `2:10: listen: "1" is`,
		"x = \"a\\\"\" # \"\nlisten = '1'":          `2:10: listen: "1" is`,
		"x = [[1, {a = ']'}], '#']\nlisten = '1'":   `2:10: listen: "1" is`,
		"x = 1979-05-27 07:32:00 # a\nlisten = '1'": `2:10: listen: "1" is`,
		"x = '''\nlisten = 1\n'''\nlisten = '1'":    `4:10: listen: "1" is`,
		"listen = \"\xff\"":                         `1:11: the file is not UTF-8, save it as UTF-8`,
		"l\x00i\x00":                                `1:2: files cannot contain NULL`,
	} {
		_, faults := parseConfig("hissa.toml", []byte(text), "/", false)
		if !strings.Contains("\n"+faults.Error(), "\nhissa.toml:"+want) {
			t.Errorf("%q: no line begins with %s:\n%v", text, want, faults)
		}
	}
}

const (
	newMerchantKey = "Zq7#vX@9!kLw$2Rb"
	oldMerchantKey = "hT5&mC_8?pGd*4Ns"
)

// writeFile writes text to a file of this mode, whatever the umask is.
func writeFile(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// withKey reads leastConfig with this merchant_key, relative to dir.
func withKey(t testing.TB, dir, reference string) (*Config, Faults) {
	t.Helper()
	text := leastWith(t, "paytm", "merchant_key = "+reference)
	return parseConfig("hissa.toml", []byte(text), dir, true)
}

// isKey reports whether key is this merchant key: one proves what the other signs.
func isKey(t testing.TB, key *paytm.Key, merchantKey string) bool {
	t.Helper()
	other, err := paytm.NewKey(merchantKey)
	if err != nil {
		t.Fatal(err)
	}
	return other.VerifyText([]byte("text"), key.SignText([]byte("text")))
}

const atMerchantKey = "hissa.toml:7:16: paytm.merchant_key: "

func TestKeyFileRights(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "paytm.key")
	const readable, open = "is readable by others", "is open to others"
	for _, c := range []struct {
		mode       os.FileMode
		want       string // "" when it is taken
		credential string // the same for a file that systemd hands over
	}{
		{0o600, "", ""}, {0o400, "", ""}, {0o700, "", ""},
		{0o640, readable, ""}, {0o440, readable, ""}, {0o660, readable, ""},
		{0o620, open, ""}, {0o610, open, ""},
		{0o604, readable, readable}, {0o644, readable, readable}, {0o444, readable, readable},
		{0o666, readable, readable}, {0o777, readable, readable},
		{0o602, open, open}, {0o601, open, open},
	} {
		writeFile(t, path, newMerchantKey, c.mode)
		for folder, want := range map[string]string{"": c.want, dir + "/": c.credential} {
			if want != "" {
				want = atMerchantKey + "key file " + path + " " + want + ": chmod 600 " + path
			}
			t.Setenv("CREDENTIALS_DIRECTORY", folder)
			if _, faults := withKey(t, dir, `"file:paytm.key"`); faults.Error() != want {
				t.Errorf("mode %o, credentials in %q: %q, want %q", c.mode, folder, faults, want)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeyFileContent(t *testing.T) {
	dir := t.TempDir()
	long := newMerchantKey + oldMerchantKey
	for _, c := range []struct {
		text, key string
		length    int // of what is refused
	}{
		{text: newMerchantKey, key: newMerchantKey},
		{text: newMerchantKey + "\n", key: newMerchantKey},
		{text: newMerchantKey + "\r\n", key: newMerchantKey},
		{text: long[:24] + "\n", key: long[:24]},
		{text: long, key: long},
		{text: long[:15] + "\n", length: 15}, // its newline does not make it 16
		{text: newMerchantKey + "\n\n", length: 17},
		{text: newMerchantKey + "\r", length: 17},
		{text: " " + newMerchantKey, length: 17},
		{text: newMerchantKey + " \n", length: 17},
		{text: "", length: 0},
		{text: "\n", length: 0},
		{text: strings.Repeat(long, 1000), length: maxKeyFile},
	} {
		writeFile(t, filepath.Join(dir, "paytm.key"), c.text, 0o600)
		config, faults := withKey(t, dir, `"file:paytm.key"`)
		if c.key != "" {
			if len(faults) > 0 || !isKey(t, config.Paytm.Keys[0], c.key) {
				t.Errorf("%q: %v", c.text, faults)
			}
			continue
		}
		want := atMerchantKey + fmt.Sprintf("the key has %d bytes and not 16, 24 or 32, copy it again "+
			"from Paytm's dashboard without spaces around it", c.length)
		if faults.Error() != want {
			t.Errorf("%.40q: %v", c.text, faults)
		}
	}
}

func TestKeyFileThatIsNone(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "paytm.key"), newMerchantKey+"\n", 0o600)
	for link, target := range map[string]string{"good": "paytm.key", "folder": ".", "lost": "gone"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	const found = " can't be found, put the merchant key there and let the user who runs hissa " +
		"enter the folder"
	for name, want := range map[string]string{
		"good":        "",
		"gone":        "key file of this name" + found,
		"lost":        "key file of this name" + found,
		dir + "/gone": "key file " + dir + "/gone" + found,
		"paytm.key/x": "key file of this name" + found,
		"folder": "key file " + dir + "/folder is not a regular file, " +
			"name a file that holds only the key",
		"/dev/null": "key file /dev/null is not a regular file, " +
			"name a file that holds only the key",
	} {
		if want != "" {
			want = atMerchantKey + want
		}
		if _, faults := withKey(t, dir, `"file:`+name+`"`); faults.Error() != want {
			t.Errorf("%s: %q, want %q", name, faults, want)
		}
	}
}

func TestKeyFromEnvironment(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"HISSA_TEST_KEY", newMerchantKey, ""},
		{"hissa_test_key", newMerchantKey + "\n", ""},
		{"HISSA_TEST_KEY", "", "the environment variable HISSA_TEST_KEY is empty, " +
			"set it where the service is started or use file:PATH"},
		{"hissa_test_key", "", "the environment variable of this name is empty, " +
			"set it where the service is started or use file:PATH"},
		{"HISSA_TEST_KEY", newMerchantKey[:9], "the key has 9 bytes and not 16, 24 or 32, " +
			"copy it again from Paytm's dashboard without spaces around it"},
	} {
		t.Setenv(c.name, c.value)
		config, faults := withKey(t, "/", `"env:`+c.name+`"`)
		if c.want != "" {
			if want := atMerchantKey + c.want; faults.Error() != want {
				t.Errorf("%s=%q: %q, want %q", c.name, c.value, faults, want)
			}
			continue
		}
		if len(faults) > 0 || !isKey(t, config.Paytm.Keys[0], newMerchantKey) {
			t.Errorf("%s=%q: %v", c.name, c.value, faults)
		}
	}
}

// While a key is changed the list begins with the new one, which signs.
func TestKeyRotation(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "new.key"), newMerchantKey+"\n", 0o600)
	t.Setenv("HISSA_TEST_OLD", oldMerchantKey)
	config, faults := withKey(t, dir, `["file:new.key", "env:HISSA_TEST_OLD"]`)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	keys := config.Paytm.Keys
	if len(keys) != 2 || !isKey(t, keys[0], newMerchantKey) || !isKey(t, keys[1], oldMerchantKey) {
		t.Errorf("%d keys, and not the new one and then the old", len(keys))
	}

	_, faults = withKey(t, dir, `["file:new.key", "file:gone.key", "env:HISSA_TEST_NONE"]`)
	if len(faults) != 2 || faults[0].Column != 33 || faults[1].Column != 50 {
		t.Errorf("each key of a list has its own faults: %v", faults)
	}
}

// The keys that seal raw messages are read like merchant keys: from files that nobody else can open.
func TestBodyKeys(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "paytm.key"), newMerchantKey, 0o600)
	hexed := strings.Repeat("0f", 32)
	writeFile(t, filepath.Join(dir, "new.key"), base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n", 0o600)
	writeFile(t, filepath.Join(dir, "wide.key"), hexed, 0o640)
	writeFile(t, filepath.Join(dir, "again.key"), hexed, 0o600)
	t.Setenv("HISSA_TEST_OLD", hexed)
	const at = "hissa.toml:11:7: privacy.key: "
	for _, c := range []struct{ key, want string }{
		{`""`, ""},
		{`"file:new.key"`, "66687aad"},
		{`["env:HISSA_TEST_OLD", "file:new.key"]`, "9b68d49b 66687aad"},
		{`"file:wide.key"`, at + "key file " + dir + "/wide.key is readable by others: chmod 600 " + dir + "/wide.key"},
		{`"file:gone.key"`, at + "key file of this name can't be found, put the key there and let the user who runs " +
			"hissa enter the folder"},
		{`"file:paytm.key"`, at + "the key has 16 characters and is not 32 bytes in base64 or hex, make one with " +
			"openssl rand -base64 32"},
		{`["env:HISSA_TEST_OLD", "file:again.key"]`, at + "names the key 9b68d49b twice, name it once"},
	} {
		config, faults := parseConfig("hissa.toml", []byte(leastWith(t, "privacy", "key = "+c.key)), dir, true)
		got := faults.Error()
		if len(faults) == 0 {
			var names []string
			for _, key := range config.Privacy.Keys {
				names = append(names, key.name())
			}
			got = strings.Join(names, " ")
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.key, got, c.want)
		}
	}
}

// keyMistakes are configurations in which KEY stands where no key belongs.
func keyMistakes(t testing.TB) (texts []string) {
	for _, value := range []string{
		`"KEY"`, `'KEY'`, `KEY`, `"""KEY"""`, "'''\nKEY'''", `"KEY\n"`, `"KEY\q"`, `"KEY`,
		`["KEY"]`, `[KEY]`, "[\n  KEY\n]", `["env:HISSA_TEST_KEY", "KEY"]`, `[["KEY"]]`,
		`"key:KEY"`, `"ENV:KEY"`, `"env:KEY"`, `"file: KEY"`, `"file:KEY"`,
		`{file = "KEY"}`, `+KEY`, `0xKEY`, `1e5KEY`, `"file:long.key" KEY`,
		`"file:long.key"`, `"file:wide.key"`, `"env:HISSA_TEST_KEY"`,
	} {
		texts = append(texts, leastWith(t, "paytm", "merchant_key = "+value))
	}
	for _, line := range []string{
		`mid = " KEY"`, `mid = KEY`, `merchant_kye = "KEY"`, `merchant-key = "KEY"`, `KEY`, `"KEY"`,
		`merchant_key "KEY"`, `merchant_key: KEY`, `api_url = "https://asha:KEY@api.shop.in"`,
	} {
		texts = append(texts, leastWith(t, "paytm", line))
	}
	return append(texts,
		"merchant_key = \"KEY\"\n"+leastConfig,
		"[paytm.merchant_key]\nfile = \"KEY\"\n",
		"[[paytm.merchant_key]]\nfile = \"KEY\"\n",
		leastWith(t, "replica", `url = "s3://asha:KEY@bucket"`),
		leastWith(t, "mail", `password = "KEY"`), leastWith(t, "mail", `password = KEY`),
		leastWith(t, "mail", `password = "env:HISSA_TEST_KEY"`), leastWith(t, "mail", `user = "KEY"`),
		leastWith(t, "privacy", `key = "KEY"`), leastWith(t, "privacy", `key = ["file:gone.key", "KEY"]`),
		leastWith(t, "privacy", `key = "env:HISSA_TEST_KEY"`), leastWith(t, "privacy", `key = KEY`),
	)
}

// Wherever a merchant key lands by mistake, no four characters of it are told.
func TestFaultsNeverTellAKey(t *testing.T) {
	for _, key := range []string{
		newMerchantKey, "bKMfNxPPf_ZdppUP", "7319463019463752", `it's-a"b'KEQW'"1`, "QWxq/R7+sV9=3z8f",
	} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "wide.key"), key, 0o644)
		writeFile(t, filepath.Join(dir, "long.key"), key+"x", 0o600)
		t.Setenv("HISSA_TEST_KEY", key+"x")
		for _, text := range keyMistakes(t) {
			text = strings.ReplaceAll(text, "KEY", key)
			text = strings.ReplaceAll(text, "HISSA_TEST_"+key, "HISSA_TEST_KEY")
			_, faults := parseConfig("hissa.toml", []byte(text), dir, true)
			if len(faults) == 0 {
				t.Errorf("no fault in\n%s", text)
			}
			told := strings.ReplaceAll(faults.Error(), dir, "")
			for i := range len(key) - 3 {
				if strings.Contains(told, key[i:i+4]) {
					t.Errorf("%q is told: %s", key[i:i+4], told)
				}
			}
		}
	}
}

func TestLoadConfig(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	_, err := loadConfig("hissa.toml")
	const missing = "no hissa.toml here: copy config.example.toml to hissa.toml, " +
		"or name one with -config"
	if err == nil || err.Error() != missing {
		t.Errorf("without a file: %v", err)
	}
	var faults Faults
	_, err = loadConfig(dir)
	if err == nil || errors.As(err, &faults) || !strings.Contains(err.Error(), "-config") {
		t.Errorf("with a folder in its place: %v", err)
	}

	if err := os.Mkdir("shop", 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, "shop/paytm.key", newMerchantKey+"\n", 0o600)
	writeFile(t, "shop/hissa.toml", leastConfig, 0o644)
	config, err := loadConfig("shop/hissa.toml")
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "shop", "hissa.db"); !sameFolder(t, config.Database, want) {
		t.Errorf("the database is %s and not beside its configuration, %s", config.Database, want)
	}
	if config.Path != "shop/hissa.toml" || len(config.Paytm.Keys) != 1 {
		t.Errorf("path %q, %d keys", config.Path, len(config.Paytm.Keys))
	}

	writeFile(t, "shop/hissa.toml", "listn = 1\n"+leastConfig, 0o644)
	_, err = loadConfig("shop/hissa.toml")
	const want = "shop/hissa.toml:1:1: listn: there is no such option, did you mean listen?"
	if !errors.As(err, &faults) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// sameFolder compares two absolute paths of one name, whatever links lead to their folder.
func sameFolder(t *testing.T, a, b string) bool {
	t.Helper()
	folderA, errA := filepath.EvalSymlinks(filepath.Dir(a))
	folderB, errB := filepath.EvalSymlinks(filepath.Dir(b))
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	return filepath.IsAbs(a) && folderA == folderB && filepath.Base(a) == filepath.Base(b)
}

func TestURLFor(t *testing.T) {
	for _, c := range []struct {
		public string
		parts  []string
		want   string
	}{
		{"https://go.shop.in", nil, "https://go.shop.in"},
		{"https://go.shop.in/", nil, "https://go.shop.in"},
		{"https://go.shop.in/", []string{"r", "ASHA"}, "https://go.shop.in/r/ASHA"},
		{"https://go.shop.in", []string{"webhooks", "paytm"}, "https://go.shop.in/webhooks/paytm"},
		{"https://go.shop.in", []string{"admin", ""}, "https://go.shop.in/admin/"},
		{"https://shop.in/go", nil, "https://shop.in/go"},
		{"https://shop.in/go", []string{"r", "ASHA"}, "https://shop.in/go/r/ASHA"},
		{"https://shop.in/a/go//", []string{"r", "ASHA"}, "https://shop.in/a/go/r/ASHA"},
		{"http://127.0.0.1:8080/go", []string{"healthz"}, "http://127.0.0.1:8080/go/healthz"},
		{"https://go.shop.in", []string{"r", "a/b?c#d e%"}, "https://go.shop.in/r/a%2Fb%3Fc%23d%20e%25"},
	} {
		text := leastWith(t, "", `public_url = "`+c.public+`"`)
		config, faults := parseConfig("hissa.toml", []byte(text), "/", false)
		if len(faults) > 0 {
			t.Errorf("%s: %v", c.public, faults)
			continue
		}
		for range 2 { // one call leaves nothing behind for the next
			if got := config.URLFor(c.parts...); got != c.want {
				t.Errorf("%s, %q: %s, want %s", c.public, c.parts, got, c.want)
			}
		}
	}
}

func readExample(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var optionLine = regexp.MustCompile(`(?m)^#?([a-z_]+) = `)

// optionsOfStruct lists the options that Config has fields for, as their tags say.
func optionsOfStruct(of reflect.Type, table string) (names []string) {
	for field := range of.Fields() {
		name := field.Tag.Get("toml")
		switch {
		case name == "-":
		case table == "" && field.Type.Kind() == reflect.Struct:
			names = append(names, optionsOfStruct(field.Type, name+".")...)
		default:
			names = append(names, table+name)
		}
	}
	return names
}

// The struct, the reader and the example know the same options, so none of them can fall behind.
func TestConfigIsWhole(t *testing.T) {
	want := slices.Sorted(slices.Values(optionsOfStruct(reflect.TypeFor[Config](), "")))

	reader := configReader{known: map[string]bool{}, tables: map[string]bool{}}
	reader.read(&Config{})
	if got := slices.Sorted(maps.Keys(reader.known)); !slices.Equal(got, want) {
		t.Errorf("the reader knows\n%v\nthe struct has\n%v", got, want)
	}

	var got []string
	table := ""
	for line := range strings.Lines(readExample(t)) {
		if strings.HasPrefix(line, "[") {
			table = strings.Trim(line, "[]\n") + "."
		}
		if match := optionLine.FindStringSubmatch(line); match != nil {
			got = append(got, table+match[1])
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("the example shows\n%v\nthe struct has\n%v", got, want)
	}
}

// Somebody who copies the example, has a MID and puts the key where it says is done.
func TestConfigExample(t *testing.T) {
	text := readExample(t)
	example, faults := parseConfig("config.example.toml", []byte(text), "/etc/hissa", false)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if example.Paytm.Environment != "staging" {
		t.Error("the example must begin with staging, where nothing costs money")
	}
	const reference = `merchant_key = "file:/etc/hissa/paytm.key"`
	if !strings.Contains(text, "\n"+reference+"\n") {
		t.Errorf("the example must have the line %s", reference)
	}

	// What is commented out is the default: taking every # away changes nothing.
	whole := optionLine.ReplaceAllString(text, "$1 = ")
	if whole == text {
		t.Fatal("no option of the example is commented out")
	}
	defaults, faults := parseConfig("config.example.toml", []byte(whole), "/etc/hissa", false)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if !reflect.DeepEqual(example, defaults) {
		t.Errorf("the example says\n%+v\nwith every line taken\n%+v", example, defaults)
	}

	// Every option has prose above it.
	before := ""
	for line := range strings.Lines(text) {
		if optionLine.MatchString(line) && !strings.HasPrefix(before, "# ") {
			t.Errorf("nothing explains %s", line)
		}
		before = line
	}
}

// oddConfig is TOML of many forms.
const oddConfig = "[a.'b'.\"c\"]\r\nd.e = {f = [1, {g = 1979-05-27 07:32:00}], h = '''i'''}\n" +
	"[[j]]\n[k . l]\nm={}"

// FuzzConfig holds for every text: no panic; either a configuration that the rest of the program
// can rely on, or faults in the order of their lines, each inside the file and on one line.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(leastConfig))
	f.Add([]byte(readExample(f)))
	f.Add([]byte(leastWith(f, "paytm", `merchant_key = ["file:a", 'env:B']`, `mid = """a"""`)))
	f.Add([]byte("\ufeff" + oddConfig))
	f.Add([]byte("a = \"\\\n\"\n\"b\\n\" = \"\\\r\""))
	f.Fuzz(func(t *testing.T, text []byte) {
		config, faults := parseConfig("hissa.toml", text, "/etc/hissa", false)
		if (config == nil) != (len(faults) > 0) {
			t.Fatalf("%+v and %v", config, faults)
		}
		if config != nil {
			reliable(t, config)
		}
		lines := strings.Split(string(text), "\n")
		for i, fault := range faults {
			if fault.Line < 1 || fault.Line > len(lines) || fault.Column < 1 ||
				fault.Column > utf8.RuneCountInString(lines[fault.Line-1])+1 {
				t.Errorf("outside the file: %v", fault)
			}
			if fault.Problem == "" || fault.Remedy == "" || strings.ContainsAny(fault.String(), "\r\n") {
				t.Errorf("not a line that helps: %q", fault)
			}
			if i > 0 && (fault.Line < faults[i-1].Line ||
				fault.Line == faults[i-1].Line && fault.Column < faults[i-1].Column) {
				t.Errorf("out of order: %v", faults)
			}
		}
	})
}

// reliable checks what the rest of the program takes for granted.
func reliable(t *testing.T, c *Config) {
	t.Helper()
	public, domain := c.PublicURL.Hostname(), c.Links.CookieDomain
	environment := c.Paytm.Environment
	window, hold := c.Attribution.Window, c.Commission.Hold
	rate, flat, tax := c.Commission.RateBPS, c.Commission.Flat, c.Commission.ExcludeTaxBPS
	for what, holds := range map[string]bool{
		"https": c.PublicURL.Scheme == "https" || public == "localhost" ||
			netip.MustParseAddr(public).IsLoopback(),
		"links below it":          strings.HasPrefix(c.URLFor("r", "A"), c.PublicURL.String()+"/r/"),
		"a landing page":          c.Links.Landing.Host != "",
		"a cookie for both hosts": domain == "" || strings.HasSuffix(public, domain),
		"a database file":         filepath.IsAbs(c.Database),
		"an environment":          environment == "production" || environment == "staging",
		"a MID":                   c.Paytm.MID != "",
		"an API":                  strings.HasPrefix(c.Paytm.APIURL, "http"),
		"a window":                window >= time.Hour && window <= longest,
		"a precedence":            len(c.Attribution.Precedence) > 0,
		"a lifetime":              c.Attribution.Lifetime >= 0 && c.Attribution.Lifetime <= 120,
		"one of rate and flat":    (rate > 0) != (flat > 0),
		"a rate up to 100%":       rate >= 0 && rate <= 10000,
		"a flat amount":           flat >= 0,
		"a tax below 100%":        tax >= 0 && tax < 10000,
		"a hold":                  hold >= 0 && hold <= longest,
		"no replica":              c.Replica.Place == nil && c.Replica.Ack == "local",
	} {
		if !holds {
			t.Errorf("without %s: %+v", what, c)
		}
	}
}

// Every key of a text that is TOML has a place, whatever else is in the text.
func FuzzPlaces(f *testing.F) {
	f.Add(leastConfig)
	f.Add(readExample(f))
	f.Add(oddConfig)
	f.Add("a = \"\"\"\"b\"\"\"\"\"\nc = [[], [ ] # ]\n]\n'd' . e = ''")
	f.Fuzz(func(t *testing.T, text string) {
		r := configReader{text: text, values: map[string]any{}}
		if strings.Contains(text, "\\") || strings.HasPrefix(text, "\ufeff") || !r.decode() {
			return
		}
		for _, key := range r.keys {
			at, is := r.places.keys[key.String()]
			if last := key[len(key)-1]; !is || !strings.Contains(text[at:], last) {
				t.Errorf("%q: %v of %v", key, at, r.places.keys)
			}
		}
	})
}
