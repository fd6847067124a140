package browsertest

import (
	"crypto/hmac"
	"crypto/sha1" // RFC 6238, as authenticator apps have it
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Whole flows, as the shop's people, partners and visitors go through them, with the mouse and the keyboard.
// Every page that they come to is looked at (fine).

const (
	house    = "https://go.shop.example"
	password = "four plain words here"
)

// inViews goes through a flow on a phone by night and on a wide screen by day; with -short on the phone.
func inViews(t *testing.T, flow func(t *testing.T, v view)) {
	views := []view{{width: 360, dark: true}, {width: 1280}}
	if testing.Short() {
		views = views[:1]
	}
	for _, v := range views {
		t.Run(v.String(), func(t *testing.T) { flow(t, v) })
	}
}

// fine fails the test where the page keeps somebody out, scrolls sideways or complains.
func (p *tab) fine() {
	p.Helper()
	what := eval[string](p, `location.pathname + ', ' + document.title`)
	if wide := p.overflow(); wide != "" {
		p.Errorf("%s scrolls sideways: %s", what, wide)
	}
	accessible(p, what)
	if said := p.complaints(); len(said) > 0 {
		p.Errorf("%s complains:\n\t%s", what, strings.Join(said, "\n\t"))
	}
}

// comes opens a page of Hissa by its path.
func (p *tab) comes(path string) {
	p.Helper()
	p.goTo(house + path)
	p.fine()
}

// leaves presses what leads to another page, and waits for that.
func (p *tab) leaves(selector string) {
	p.Helper()
	eval[chromedp.Void](p, `window.before = true; undefined`)
	p.press(selector)
	p.until("another page is there", `!window.before && document.readyState === 'complete'`)
	p.settle()
}

// follows is leaves where all goes well.
func (p *tab) follows(selector string) {
	p.Helper()
	p.leaves(selector)
	p.fine()
}

// stopped is leaves where the page that comes says what is wrong. The browser notes its status.
func (p *tab) stopped(selector string, status int, says string) {
	p.Helper()
	p.leaves(selector)
	p.expects(status)
	p.fine()
	p.says(says)
}

// expects takes from the complaints that a page has this status.
func (p *tab) expects(status int) {
	p.Helper()
	mark := fmt.Sprintf("status of %d ", status)
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.IndexFunc(p.said, func(text string) bool { return strings.Contains(text, mark) })
	if at < 0 {
		p.Errorf("the page has not the status %d: %q", status, p.said)
		return
	}
	p.said = slices.Delete(p.said, at, at+1)
}

// types puts text into a field in place of what is there.
func (p *tab) types(selector, text string) {
	p.Helper()
	eval[chromedp.Void](p, fmt.Sprintf(`document.querySelector(%q).select()`, selector))
	p.write(selector, text)
}

// fills fills in a form's fields by their names.
func (p *tab) fills(fields ...string) {
	p.Helper()
	for i := 0; i < len(fields); i += 2 {
		p.types("#f-"+fields[i], fields[i+1])
	}
}

// shows is what somebody can read on the page, or in a part of it.
func (p *tab) shows(selector string) string {
	p.Helper()
	return strings.ReplaceAll(p.text(selector), "\u00a0", " ")
}

// says wants texts to be read on the page.
func (p *tab) says(texts ...string) {
	p.Helper()
	shown := p.shows("body")
	for _, text := range texts {
		if !strings.Contains(shown, text) {
			p.Errorf("%s does not say %q:\n%s", eval[string](p, `location.href`), text, shown)
		}
	}
}

// at wants to be at a path of Hissa.
func (p *tab) at(path string) {
	p.Helper()
	if got := eval[string](p, `location.href`); got != house+path {
		p.Fatalf("at %s, want %s\n%s", got, house+path, p.shows("body"))
	}
}

// opens unfolds what is folded.
func (p *tab) opens(summary string) {
	p.Helper()
	p.press(summary)
	if !eval[bool](p, fmt.Sprintf(`document.querySelector(%q).parentElement.open`, summary)) {
		p.Fatalf("%s does not unfold", summary)
	}
}

// picks puts a file into a form.
func (p *tab) picks(selector, name, text string) {
	p.Helper()
	path := filepath.Join(p.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
	field := call(p, runtime.Evaluate, runtime.EvaluateParams{
		Expression: fmt.Sprintf(`document.querySelector(%q)`, selector)})
	call(p, dom.SetFileInputFiles, dom.SetFileInputFilesParams{
		Files: []string{path}, ObjectID: field.Result.ObjectID})
}

// saves presses what downloads a file, and returns its name and text.
func (p *tab) saves(selector string) (name, text string) {
	p.Helper()
	folder := p.TempDir()
	_, err := chromedp.CallBrowser(p.ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		Behavior: "allow", BrowserContextID: chromedp.FromContext(p.ctx).BrowserContextID, DownloadPath: folder,
	})
	if err != nil {
		p.Fatal(err)
	}
	p.press(selector)
	for deadline := time.Now().Add(patience); ; time.Sleep(25 * time.Millisecond) {
		files, err := os.ReadDir(folder)
		if err != nil {
			p.Fatal(err)
		}
		// While it is written it has another name, and a dot or .crdownload in it.
		if len(files) == 1 && !strings.HasPrefix(files[0].Name(), ".") && !strings.HasSuffix(files[0].Name(), ".crdownload") {
			raw, err := os.ReadFile(filepath.Join(folder, files[0].Name()))
			if err != nil {
				p.Fatal(err)
			}
			return files[0].Name(), string(raw)
		}
		if time.Now().After(deadline) {
			p.Fatalf("pressing %s saves nothing: %v", selector, files)
		}
	}
}

// welcomed opens a link that invites, and chooses the password.
func (p *tab) welcomed(link string) {
	p.Helper()
	p.goTo(link)
	p.fine()
	p.fills("password", password, "again", password)
	p.follows("main form button")
}

// merchant is one of the shop's people, signed in.
func (s *shop) merchant(v view) *tab {
	s.Helper()
	p := open(s.TB, v)
	p.welcomed(strings.TrimSpace(s.hissa("admin", "add", "meera@shop.in", "-name", "Meera")))
	p.at("/admin/")
	return p
}

// signsOut goes through the menu.
func (p *tab) signsOut() {
	p.Helper()
	p.opens(".menu summary")
	p.follows(".menu form button")
	p.says("You are signed out.")
}

// code is what an authenticator app shows that scanned a QR, so many periods of 30 seconds from now.
func code(t testing.TB, scanned string, later int64) string {
	t.Helper()
	link, err := url.Parse(scanned)
	if err != nil || link.Scheme != "otpauth" {
		t.Fatalf("an app can't read %q: %v", scanned, err)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(link.Query().Get("secret"))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30+later)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// The first person gets in by a link, which is good once; from then on by the password, and by a code too
// once an app was set up.
func TestSigningIn(t *testing.T) {
	inViews(t, func(t *testing.T, v view) {
		s := newShop(t, "")
		link := strings.TrimSpace(s.hissa("admin", "add", "meera@shop.in"))
		p := open(t, v)
		p.goTo(link)
		p.fine()
		p.says("Choose a password", "meera@shop.in")
		p.fills("password", "short", "again", "short")
		p.stopped("main form button", 422, "At least 10 characters.")
		p.fills("password", password, "again", password)
		p.follows("main form button")
		p.at("/admin/")
		p.goTo(link)
		p.expects(410)
		p.fine()
		p.says("This link no longer works")

		p.comes("/admin/")
		p.signsOut()
		p.comes("/admin/payments?state=due") // the door, which leads back
		p.fills("email", "meera@shop.in", "password", "four plain words there")
		p.stopped("main form button", 422, "E-mail or password is not right.")
		p.fills("password", password)
		p.follows("main form button")
		p.at("/admin/payments?state=due")

		secret := p.setsUpCodes()
		p.signsOut()
		p.fills("email", "meera@shop.in", "password", password)
		p.follows("main form button")
		p.says("One more step")
		p.fills("code", "000000")
		p.stopped("main form button", 422, "That code is not right.")
		p.fills("code", code(t, secret, 1)) // the one that is shown now was taken to set it up
		p.follows("main form button")
		p.at("/admin/")
		p.comes("/admin/acts")
		p.says("meera@shop.in", "chose a password", "turned on codes at sign-in", "signed in")
	})
}

// setsUpCodes lets an app scan the QR, and returns what it read.
func (p *tab) setsUpCodes() (scanned string) {
	p.Helper()
	p.comes("/admin/account")
	p.follows("input[value=totp-new] ~ p button")
	p.says("Your password, once more")
	p.fills("again_password", password)
	p.follows("main form button")
	codes := p.codes()
	if len(codes) != 1 {
		p.Fatalf("the app reads %q", codes)
	}
	p.says(p.text("main .copies code"))
	if !strings.Contains(codes[0], p.text("main .copies code")) {
		p.Errorf("the page names the secret %q, the QR holds %q", p.text("main .copies code"), codes[0])
	}
	p.fills("code", code(p.TB, codes[0], 0))
	p.follows("input[value=totp-on] ~ p button")
	p.says("Saved.", "Active")
	return codes[0]
}

// Partners come from a file, which is shown before anything is done; they get a link, and can be turned away
// again.
func TestPartnersAreTakenOver(t *testing.T) {
	inViews(t, func(t *testing.T, v view) {
		s := newShop(t, "")
		p := s.merchant(v)
		p.comes("/admin/partners")
		p.follows(`main a[href$="/admin/import"]`)
		p.picks("#file", "bad.csv", "code,name,rate\nMEERA,Meera Shah,12%\nOM,Om Das,much\n")
		p.stopped("main form:last-of-type button", 422, "With a fault: 1")
		p.says("Meera Shah", "Om Das", "Nothing is changed yet.")
		if eval[bool](p, `!!document.querySelector('input[name=apply]')`) {
			t.Error("a file with a fault in it is offered to be taken over, and would be refused")
		}
		p.picks("#file", "partners.csv", "code,name,rate,promo,email,vpa\n"+
			"MEERA,Meera Shah,12%,MEERA10,meera@example.in,meera@upi\nRAVI,Ravi Kumar,,,,\n")
		p.follows("main form:last-of-type button")
		p.says("New: 1. Changed: 0.", "Nothing is changed yet.", "is there already")
		if n := len(s.rows("partners")); n != 2 {
			t.Errorf("looking at a file made %d partners of 2", n)
		}
		p.follows("input[name=apply] ~ p button")
		p.at("/admin/partners")
		p.says("Saved.", "Meera Shah", "Ravi")
		if n := len(s.rows("partners")); n != 3 {
			t.Errorf("%d partners, want 3", n)
		}

		p.follows(`#rows a[href$="/partners/MEERA"]`)
		p.says("Meera Shah", "MEERA10", "12 %", "meera@upi", "not invited")
		p.follows(`form[action$="/MEERA/invite"] button`)
		p.says("Your password, once more")
		p.fills("again_password", password)
		p.follows("main form button")
		link := p.text(".panel .copies bdi")
		p.says("The link is ready", link)
		partner := open(t, v)
		partner.welcomed(link)
		partner.at("/partner/")
		partner.says("Nobody has followed your link yet", house+"/r/MEERA")

		p.comes("/admin/partners/MEERA")
		p.says("signs in")
		p.opens("main section:last-of-type summary")
		p.fills("reason", "moved away")
		p.follows("button[value=disabled]")
		p.says("Saved.", "Disabled")
		partner.comes("/partner/") // what they earned is theirs to see, disabled or not
		lives(t, "shop.example", s.plainShop(""))
		visitor := open(t, view{width: 360})
		visitor.goTo(house + "/r/MEERA")
		if c := visitor.cookie("hissa_click"); c != nil {
			t.Errorf("the link of a partner who was disabled sets %q", c.Value)
		}
	})
}

// Whoever wants to become a partner applies; one of the shop's people takes them on, or does not.
func TestPeopleApply(t *testing.T) {
	inViews(t, func(t *testing.T, v view) {
		s := newShop(t, "", "[join]", "open = true")
		p := s.merchant(v)
		visitor := open(t, v)
		visitor.comes("/join")
		visitor.says("Become a partner of shop.example", "10 %")
		visitor.fills("name", "Om Das", "email", "om@example.in", "mobile", "98765", "where", "om.example", "code", "OM")
		visitor.stopped("main form button", 422, "A mobile number of 10 digits.")
		visitor.fills("mobile", "9876543210", "note", "I make films of shoes.")
		visitor.follows("main form button")
		visitor.says("Thank you")
		visitor.comes("/join")
		visitor.fills("name", "Spam", "email", "spam@example.in", "where", "everywhere")
		visitor.follows("main form button")

		p.comes("/admin/")
		p.says("2 applications")
		p.follows(`main a[href$="/applications"]`)
		p.says("Om Das", "om@example.in", "om.example", "I make films of shoes.", "Spam")
		spam, om := `form[action$="/applications/2"] `, `form[action$="/applications/1"] `
		p.types(spam+"input[name=reason]", "an advertisement")
		p.follows(spam + "button[value=refuse]")
		p.says("Saved.", "Turned down")
		p.types(om+"input[name=code]", "asha")
		p.stopped(om+"button[value=accept]", 422, "ASHA")
		p.types(om+"input[name=code]", "OM")
		p.follows(om + "button[value=accept]")
		p.says("The link is ready", "Om Das")

		visitor.welcomed(p.text(".panel .copies bdi"))
		visitor.at("/partner/")
		visitor.says(house + "/r/OM")
	})
}
