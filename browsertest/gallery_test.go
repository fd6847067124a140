package browsertest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"

	"hissa/browsertest/stage"
)

// What a page may cost, however much it shows.
const (
	mostRequests = 5
	mostBytes    = 60 << 10
)

// kept are the pages whose looks are kept, in every view.
var kept = stage.Important

// gallery serves every page in each state, as `hissa demo -pages` does, behind a proxy at
// https://gallery.example, and returns their names by group.
func gallery(t testing.TB) map[string][]string {
	t.Helper()
	command := exec.Command(built, "demo", "-pages", "-listen", "127.0.0.1:0")
	at := started(t, command, stage.Gallery)
	lives(t, "gallery.example", stage.Packed(behind(t, at)))
	answer, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	index, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string][]string{}
	link := regexp.MustCompile(`href="/gallery/(([a-z-]+)/[a-z0-9-]+)"`)
	for _, m := range link.FindAllStringSubmatch(string(index), -1) {
		groups[m[2]] = append(groups[m[2]], m[1])
	}
	if len(groups) < 20 {
		t.Fatalf("the gallery shows %d groups:\n%s", len(groups), index)
	}
	for _, name := range kept {
		if group, _, _ := strings.Cut(name, "/"); !slices.Contains(groups[group], name) {
			t.Fatalf("the gallery has no %s", name)
		}
	}
	return groups
}

// Every page, in every state, on a phone and on a wide screen, by day and by night: nothing that keeps
// somebody out, nothing against its own policy, nothing on the console, nothing that jumps, scrolls
// sideways or weighs too much. Those that are kept look as they did.
func TestEveryPage(t *testing.T) {
	groups := gallery(t)
	t.Run("pages", func(t *testing.T) {
		for _, group := range slices.Sorted(maps.Keys(groups)) {
			pages := groups[group]
			if testing.Short() {
				pages = pages[:1]
			}
			t.Run(group, func(t *testing.T) {
				t.Parallel()
				for _, v := range []view{{width: 360}, {width: 1280}} {
					p := open(t, v)
					call(p, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
					for _, name := range pages {
						p.inspect(name, "en", v)
					}
					p.close()
				}
				p := open(t, view{width: 360})
				for _, name := range pages {
					if name == pages[0] || slices.Contains(kept, name) {
						p.inspect(name, "hi", view{width: 360})
					}
				}
			})
		}
	})
}

// inspect opens a page of the gallery and looks at all that is demanded of it.
func (p *tab) inspect(name, language string, v view) {
	p.Helper()
	p.anew()
	p.dark(false)
	what := fmt.Sprintf("%s %d %s", name, v.size(), language)
	address := "https://gallery.example/gallery/" + name
	if language != "en" {
		address += "?lang=" + language
	}
	p.goTo(address)
	if requests, bytes := p.weight(); requests > mostRequests || bytes > mostBytes {
		p.Errorf("%s: %d requests, %.0f bytes", what, requests, bytes)
	}
	if shift, moved := p.shift(); shift > 0 {
		p.Errorf("%s: things move by %.4f: %s", what, shift, moved)
	}
	if wide := p.overflow(); wide != "" {
		p.Errorf("%s scrolls sideways: %s", what, wide)
	}
	if got := eval[string](p, `document.documentElement.lang`); got != language {
		p.Errorf("%s is in %q", what, got)
	}
	accessible(p, what)
	isKept := slices.Contains(kept, name)
	p.pictured(name, language, v, isKept)
	p.dark(true)
	if found := p.barriers("color-contrast"); len(found) > 0 {
		p.Errorf("%s by night: axe finds\n\t%s", what, strings.Join(found, "\n\t"))
	}
	v.dark = true
	p.pictured(name, language, v, isKept)
	if said := p.complaints(); len(said) > 0 {
		p.Errorf("%s complains:\n\t%s", what, strings.Join(said, "\n\t"))
	}
}

// pictured compares the page with the picture of it, if one is kept.
func (p *tab) pictured(name, language string, v view, isKept bool) {
	p.Helper()
	file := strings.ReplaceAll(name, "/", "-") + "-" + v.String()
	if language != "en" {
		file += "-" + language
	}
	switch {
	case isKept:
		p.looks(file)
	case *shots != "":
		p.keep(p.picture(), file)
	}
}

// On a slow phone, where a page comes in pieces, nothing jumps. How soon it is painted there is measured by
// the program paint, on a machine that has nothing else to do.
func TestNothingJumpsOnASlowPhone(t *testing.T) {
	gallery(t)
	pages := kept
	if testing.Short() {
		pages = pages[:2]
	}
	for _, name := range pages {
		p := open(t, view{width: 360, slow: true})
		p.goTo("https://gallery.example/gallery/" + name)
		if shift, moved := p.shift(); shift > 0 {
			t.Errorf("%s: things move by %.4f: %s", name, shift, moved)
		}
		p.close() // a processor is made slow by keeping it busy, and the next page needs it
	}
}

// A camera reads the QR codes from the pages as they are on the screen.
func TestCodesAreRead(t *testing.T) {
	gallery(t)
	for name, want := range map[string]string{
		"payout/sent": "upi://pay?", "links/full": "https://", "account/totp": "otpauth://totp/",
	} {
		p := open(t, view{width: 360})
		p.goTo("https://gallery.example/gallery/" + name)
		codes := p.codes()
		if len(codes) == 0 || !strings.HasPrefix(codes[0], want) {
			t.Errorf("%s: a camera reads %q, want %s…", name, codes, want)
		}
	}
}
