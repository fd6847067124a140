package main

// The README is held to its word: its map to the files that are there, its tables to go.mod and to
// the code, its configuration to the parser, and its commands, those marked "sh test", are run.

import (
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"hissa/paytm/paytmtest"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var headingPattern = regexp.MustCompile("(?m)^##? .*$")

// section is the text under a heading, up to the next chapter or, for a part of one, the next
// part.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(readme(t), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("the README has no %s", heading)
	}
	if strings.HasPrefix(heading, "### ") {
		text, _, _ = strings.Cut(text, "\n### ")
	}
	return headingPattern.Split(text, 2)[0]
}

var fencePattern = regexp.MustCompile("(?ms)^( *)```([a-z ]*)\n(.*?)^ *```$")

// blocks are the fenced blocks whose first line ends with info, such as "sh test".
func blocks(t *testing.T, info string) []string {
	t.Helper()
	var found []string
	for _, match := range fencePattern.FindAllStringSubmatch(readme(t), -1) {
		if match[2] == info {
			found = append(found, strings.ReplaceAll("\n"+match[3], "\n"+match[1], "\n")[1:])
		}
	}
	if len(found) == 0 {
		t.Fatalf("the README has no block marked %q", info)
	}
	return found
}

var firstCell = regexp.MustCompile("(?m)^\\| `([^`]+)`")

// rowNames are what the rows of a section's tables begin with.
func rowNames(t *testing.T, heading string) []string {
	t.Helper()
	var names []string
	for _, match := range firstCell.FindAllStringSubmatch(section(t, heading), -1) {
		names = append(names, match[1])
	}
	return names
}

// Every source and every folder is on the map, and everything on the map is there.
func TestReadmeMap(t *testing.T) {
	onMap := rowNames(t, "## Map of the code")
	for i, name := range onMap {
		info, err := os.Stat(name)
		if err != nil || info.IsDir() != strings.HasSuffix(name, "/") {
			t.Errorf("the map names %s, which is not there", name)
		}
		if slices.Contains(onMap[:i], name) {
			t.Errorf("the map names %s twice", name)
		}
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() {
			name += "/"
		}
		source := strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
		folder := entry.IsDir() && !strings.HasPrefix(name, ".")
		if (source || folder) && !slices.Contains(onMap, name) {
			t.Errorf("%s is not on the README's map", name)
		}
	}
}

// Files that the README speaks of elsewhere are there too.
func TestReadmeFiles(t *testing.T) {
	spoken := regexp.MustCompile("`((?:deploy|paytm|schema|testdata)/[^` ]*|config[a-z.]*toml)`")
	matches := spoken.FindAllStringSubmatch(readme(t), -1)
	if len(matches) == 0 {
		t.Fatal("the README speaks of no file")
	}
	for _, match := range matches {
		if _, err := os.Stat(match[1]); err != nil {
			t.Errorf("the README speaks of %s: %v", match[1], err)
		}
	}
}

// Every module that go.mod requires for our own code is in the dependency tables: what is linked in
// the first, the rest in the second. What those need in turn is counted.
func TestReadmeDependencies(t *testing.T) {
	linked := modules(t, "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".")
	direct := modules(t, "list", "-m", "-f", "{{if not (or .Indirect .Main)}}{{.Path}}{{end}}", "all")
	text := section(t, "## Dependencies")
	if !strings.Contains(text, fmt.Sprintf("\n%d modules in all", len(linked))) {
		t.Errorf("the README does not say that %d modules are inside", len(linked))
	}
	inside, outside, ok := strings.Cut(text, "\nNamed in `go.mod` and not inside:\n")
	if !ok {
		t.Fatal("the dependencies have no second table")
	}
	for _, table := range []struct {
		what, text string
		want       func(module string) bool
	}{
		{"modules inside", inside, func(m string) bool { return slices.Contains(linked, m) }},
		{"modules outside", outside, func(m string) bool { return !slices.Contains(linked, m) }},
	} {
		var got, want []string
		for _, match := range firstCell.FindAllStringSubmatch(table.text, -1) {
			got = append(got, match[1])
		}
		for _, module := range direct {
			if table.want(module) {
				want = append(want, module)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the README names\n%s\nand go.mod\n%s", table.what, strings.Join(got, "\n"),
				strings.Join(want, "\n"))
		}
	}
}

// modules runs the go command and picks the modules' paths out of what it prints; our own has no
// point in it and is left out.
func modules(t *testing.T, arguments ...string) []string {
	t.Helper()
	output, err := exec.Command("go", arguments...).Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("go %s: %s", strings.Join(arguments, " "), failed.Stderr)
		}
		t.Fatal(err)
	}
	path := regexp.MustCompile(`[a-z0-9-]+(\.[a-z0-9-]+)+/[A-Za-z0-9/._-]+`)
	paths := path.FindAllString(string(output), -1)
	slices.Sort(paths)
	return slices.Compact(paths)
}

// The README names every command, and every word that an operator meets.
func TestReadmeWords(t *testing.T) {
	text := readme(t)
	for _, c := range commands() {
		if !regexp.MustCompile(`\b(shop|hissa|go run \.|/hissa) `+c.name+`\b`).MatchString(text) &&
			!strings.Contains(text, "`"+c.name+"`") {
			t.Errorf("the README shows no use of %s", c.name)
		}
	}
	for _, code := range []int{exitDone, exitNo, exitUsage, exitBusy, exitConfig} {
		if !strings.Contains(section(t, "## Exit codes"), fmt.Sprintf("\n| %d | ", code)) {
			t.Errorf("exit code %d is not in the README's table", code)
		}
	}
	words := rowNames(t, "### What the words mean")
	want := append([]string{"held", "due", "paid", "reversed", "period", "unconfirmed", "conflict", "dispute",
		"merchant", "abuse"}, resultNames...)
	want = append(want, findMissing, findMismatched, findUnrefunded, findUnlisted, findUnreadable)
	slices.Sort(words)
	slices.Sort(want)
	words, want = slices.Compact(words), slices.Compact(want)
	if !slices.Equal(words, want) {
		t.Errorf("the README explains the words\n%q, want\n%q", words, want)
	}
}

// readmeConfig is the configuration of the first hour, put together from its pieces.
func readmeConfig(t *testing.T) string {
	return strings.Join(blocks(t, "toml test"), "\n")
}

func TestReadmeConfiguration(t *testing.T) {
	config := readmeConfig(t)
	if _, faults := parseConfig("README.md", []byte(config), "/etc/hissa", false); len(faults) > 0 {
		t.Errorf("the first hour's configuration has faults:\n%v", faults)
	}
	whole := config + strings.Join(blocks(t, "toml copy"), "\n")
	c, faults := parseConfig("README.md", []byte(whole), "/etc/hissa", false)
	if len(faults) > 0 || c.Replica.Place == nil || c.Alerts.URL == "" {
		t.Errorf("with a copy and alerts it is %+v, with the faults:\n%v", c, faults)
	}
	c, faults = parseConfig("README.md", []byte(config+blocks(t, "toml mail")[0]), "/etc/hissa", false)
	if len(faults) > 0 || c.Mail.From.Name != "Chai & Co" {
		t.Errorf("with a mail server it is %+v, with the faults:\n%v", c, faults)
	}
	forward := strings.Replace(config, "[paytm]\n", blocks(t, "toml forward")[0]+"\n", 1)
	c, faults = parseConfig("README.md", []byte(forward), "/etc/hissa", false)
	if len(faults) > 0 || c.Paytm.Forward == nil {
		t.Errorf("with the shop's handler it is %+v, with the faults:\n%v", c, faults)
	}
	for i, block := range blocks(t, "toml privacy") {
		_, faults := parseConfig("README.md", []byte(config+block), "/etc/hissa", false)
		if len(faults) > 0 || strings.Count(block, "file:") != i+1 {
			t.Errorf("with a key for raw messages it has the faults:\n%v", faults)
		}
	}
	both := strings.TrimSpace(blocks(t, "toml key")[0])
	one := regexp.MustCompile("(?m)^merchant_key .*$")
	changed := one.ReplaceAllString(config, both)
	if changed == config {
		t.Fatal("the configuration has no merchant_key")
	}
	if _, faults := parseConfig("README.md", []byte(changed), "/etc/hissa", false); len(faults) > 0 {
		t.Errorf("while the key is changed it has faults:\n%v", faults)
	}
}

// readmeShell is what the README's commands find on a VM, made small: no sudo, no systemd, no user
// hissa, and every folder below $ROOT.
const readmeShell = `
sudo() { if [ "$1" = -u ]; then shift 2; fi; "$@"; }
install() {
	if [ "$1" = -o ]; then shift 4; fi
	command install "$@"
}
systemctl() {
	case "$1" in
	stop | restart) kill "$service"; wait "$service" ;;
	esac
	case "$1" in
	enable | start | restart)
		hissa serve -config "$ROOT/etc/hissa/shop.toml" 2>>"$ROOT/log" &
		service=$!
		tries=0
		until curl -fs "$URL/readyz" >"$ROOT/ready"; do
			tries=$((tries + 1))
			[ "$tries" -lt 300 ]
			sleep 0.05
		done ;;
	esac
}
trap 'kill "$service"' EXIT
`

// The commands of the README, those that a machine without users and systemd can run, one after
// the other in one shell. Only their folders and the address are moved.
func TestReadmeCommands(t *testing.T) {
	needTool(t, "curl", "apt-get install curl")
	p := paytmtest.New(paytmtest.Config{MID: "MyShop00000000000001", Seed: 13})
	root, address := t.TempDir(), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	furnish(t, root, address, p)
	const txn = "20261122111212800110168000000000001"
	message := p.PaymentForm(p.Pay("1042", 149900, paytmtest.TxnID(txn),
		paytmtest.At(time.Date(2026, 11, 22, 5, 42, 12, 0, time.UTC))))
	writeFile(t, filepath.Join(root, "payment"), string(message.Body), 0o600)

	script := "set -eu\nPATH=$ROOT/bin:$PATH\n" + readmeShell
	for _, block := range blocks(t, "sh test") {
		if strings.Contains(block, "explain "+txn) {
			script += "curl -fsS --data-binary @payment $URL/webhooks/paytm\n"
		}
		block = strings.ReplaceAll(block, "https://go.shop.in", "http://"+address)
		script += moved(root).Replace(block)
	}
	command := exec.Command("sh", "-c", script)
	command.Dir = root
	command.Env = append(os.Environ(), "ROOT="+root, "URL=http://"+address)
	output, err := command.CombinedOutput()
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(root, "log"))
		t.Fatalf("the README's commands: %v\n%s\nthe service said\n%s", err, output, log)
	}
	for text, times := range map[string]int{
		"https://go.shop.in/r/ASHA\n":              1,
		`{"order_id":"1042","result":"bound"}`:     1,
		`{"result":"credited"}`:                    1,
		"Asha (ASHA) earns ₹149.90: 10% of":        1,
		"The books are in order: ":                 2,
		"your word is booked":                      1,
		"LI_12345":                                 1,
		"RAVI  Ravi  15%      disabled":            1,
		"copied to " + root + "/var/backups/hissa": 2,
	} {
		if got := strings.Count(string(output), text); got != times {
			t.Errorf("the commands say %q %d times, want %d:\n%s", text, got, times, output)
		}
	}
	november, err := os.ReadFile(filepath.Join(root, "november.csv"))
	if err != nil || !strings.Contains(string(november), txn+",ASHA,149.90,0.00,INR,") {
		t.Errorf("november.csv: %v\n%s", err, november)
	}
	key, err := os.Stat(filepath.Join(root, "shop.key"))
	if err != nil {
		t.Fatal(err)
	}
	if key.Mode().Perm() != 0o600 {
		t.Errorf("the shop's key has the rights %v", key.Mode())
	}
}

// The chapter about money out, said word for word in a shop where a commission is due: it ends paid, and
// the accountant's sums are the ledger's.
func TestReadmePaysPartners(t *testing.T) {
	c := newChild(t)
	config, err := os.ReadFile(c.config())
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, c.config(), string(config)+blocks(t, "toml money")[0], 0o600)
	store, err := openStore(filepath.Join(c.dir, "hissa.db"), StoreOptions{Environment: "staging", MID: c.paytm.MID()})
	if err != nil {
		t.Fatal(err)
	}
	b := &books{TB: t, Store: store}
	b.setClock(func() time.Time { return noon })
	promo := PartnerChange{Code: "ASHA", Promos: []string{"ASHA10"}}
	if _, err := store.SetPartner(b.ctx(), promo); err != nil {
		t.Fatal(err)
	}
	b.due("ASHA", "T1", 1_499_00)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("set -eu\nhissa() { HISSA_TEST_AS_COMMAND=1 %q \"$@\"; }\n"+
		"shop() { hissa \"$@\" -config %q; }\n", os.Args[0], c.config())
	// The commands pay today, so that the month to be exported must not end before.
	money := strings.Join(blocks(t, "sh money"), "\n")
	const end = " -to 2026-12-01 "
	if !strings.Contains(money, end) {
		t.Errorf("the chapter exports nothing with%q", end)
	}
	money = strings.ReplaceAll(money, end, time.Now().AddDate(0, 0, 2).Format(" -to 2006-01-02 "))
	command := exec.Command("sh", "-c", script+money)
	command.Dir = c.dir
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, text := range []string{
		"statement 1 of ASHA, ₹149.90, is approved", "file 1: 1 payout, ₹149.90", "1   ASHA     ₹149.90  sent",
		"payout 1 of ASHA, ₹149.90, is paid: it is in the ledger", "asha-1.statement is genuine: ",
		"\nexpense                    149.90         0.00\n",
	} {
		if !strings.Contains("\n"+string(output), text) {
			t.Errorf("the commands don't say %q:\n%s", text, output)
		}
	}
	c.must("verify")
}

// The README tells of every state that a statement can have.
func TestReadmeStates(t *testing.T) {
	states := regexp.MustCompile("`([a-z]+)`")
	told := map[string]bool{}
	for line := range strings.Lines(section(t, "## Paying partners")) {
		if first, _, is := strings.Cut(strings.TrimPrefix(line, "| "), " | "); is {
			for _, m := range states.FindAllStringSubmatch(first, -1) {
				told[m[1]] = true
			}
		}
	}
	for _, state := range append(slices.Collect(maps.Keys(lawful)), "draft", "carried") {
		if !told[state] {
			t.Errorf("the README does not say what %s means", state)
		}
	}
}

// moved puts the README's folders below root.
func moved(root string) *strings.Replacer {
	return strings.NewReplacer("/etc/hissa", root+"/etc/hissa",
		"/var/lib/hissa", root+"/var/lib/hissa", "/var/backups/hissa", root+"/var/backups/hissa",
		"/usr/local/bin", root+"/bin")
}

// furnish makes what the README has made by the time of its first command: folders, the key of
// the simulated Paytm, the README's configuration, and the program, also as a copy to install.
func furnish(t *testing.T, root, address string, p *paytmtest.Paytm) {
	t.Helper()
	api, stop := p.Start()
	t.Cleanup(stop)
	for _, dir := range []string{"etc/hissa", "var/lib/hissa/shop", "var/backups/hissa", "bin"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config := fmt.Sprintf("listen = %q\n", address) + moved(root).Replace(readmeConfig(t))
	config = strings.Replace(config, "[paytm]\n", fmt.Sprintf("[paytm]\napi_url = %q\n", api), 1)
	writeFile(t, filepath.Join(root, "etc/hissa/shop.toml"), config, 0o600)
	writeFile(t, filepath.Join(root, "etc/hissa/shop.key"), p.MerchantKey()+"\n", 0o600)
	hissa := fmt.Sprintf("#!/bin/sh\nHISSA_TEST_AS_COMMAND=1 exec %q \"$@\"\n", os.Args[0])
	for _, path := range []string{"hissa", "bin/hissa"} {
		writeFile(t, filepath.Join(root, path), hissa, 0o700)
	}
}

// The command that builds the one file builds it, without anything to link at start. It compiles
// everything anew, so it runs where HISSA_REQUIRE_TOOLS=1.
func TestReadmeBuild(t *testing.T) {
	if os.Getenv("HISSA_REQUIRE_TOOLS") != "1" || testing.Short() {
		t.Skip("takes minutes the first time: set HISSA_REQUIRE_TOOLS=1")
	}
	build := blocks(t, "sh build")[0]
	target := filepath.Join(t.TempDir(), "hissa")
	elsewhere := strings.Replace(build, "-o hissa ", "-o "+target+" ", 1)
	if elsewhere == build {
		t.Fatalf("the command does not write hissa: %s", build)
	}
	if output, err := exec.Command("sh", "-c", elsewhere).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, output)
	}
	file, err := elf.Open(target)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("the file needs %v (%v)", libraries, err)
	}
	if file.Machine != elf.EM_X86_64 {
		t.Errorf("the file is for %v", file.Machine)
	}
	if runtime.GOARCH != "amd64" || runtime.GOOS != "linux" {
		return
	}
	output, err := exec.Command(target, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(output), "hissa ") {
		t.Errorf("hissa version: %v\n%s", err, output)
	}
}

// Every test that SECURITY.md names is there.
func TestSecurityNamesTests(t *testing.T) {
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, pattern := range []string{"*_test.go", "*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			part, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(part)
		}
	}
	names := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(string(text), -1)
	if len(names) < 20 {
		t.Errorf("only %d tests are named", len(names))
	}
	for _, name := range names {
		if !strings.Contains(code.String(), "\nfunc "+name[1]+"(") {
			t.Errorf("there is no test %s", name[1])
		}
	}
}
