package browsertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// desk is a small page with the script of Hissa's: the test itself says what its stream tells, and when and how
// its rows are answered.
type desk struct {
	testing.TB
	events chan string // what the open stream tells next

	mu      sync.Mutex
	rows    []string
	told    int           // the last event's id
	since   []string      // where each stream was asked to begin
	fetched int           // how often the rows alone were asked for
	broken  bool          // the rows alone are answered 503
	let     chan struct{} // where there is one, rows that were read wait for a word before they are sent
}

// deskHasSeen is the place up to which the page shows what happened.
const deskHasSeen = 7

// deskPage says of itself what Hissa's layout does.
const deskPage = `<!doctype html><html lang="en"><head><title>Desk</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width"><script src="/hissa-live.js" defer></script></head>
<body data-events="/events" data-place="%d" data-new="1 new payment" data-news="{n} new payments"
data-changed="Something is new" data-show="show"><main><h1>Desk</h1>
<section id="rows" data-live="/?block=rows" data-topics="payments">no order</section></main>
<p id="live" role="status" aria-live="polite"></p></body></html>`

func newDesk(t testing.TB) (*desk, *tab) {
	t.Helper()
	d := &desk{TB: t, events: make(chan string, 8), told: deskHasSeen}
	lives(t, "go.shop.example", d)
	p := open(t, view{})
	p.goTo(house + "/")
	return d, p
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/events":
		d.stream(w, r)
	case r.URL.Path == "/hissa-live.js":
		http.ServeFile(w, r, "../web/hissa-live.js")
	case r.URL.Query().Has("block"):
		d.block(w, r)
	default:
		fmt.Fprintf(w, deskPage, deskHasSeen)
	}
}

// stream begins with an event of nothing, as Hissa's does.
func (d *desk) stream(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.since = append(d.since, r.URL.Query().Get("since"))
	d.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	for text := event(deskHasSeen, 0); ; {
		fmt.Fprint(w, text)
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case text = <-d.events:
		case <-r.Context().Done():
			return
		}
	}
}

func event(id, payments int, changed ...string) string {
	text, _ := json.Marshal(map[string]any{"changed": append([]string{}, changed...), "payments": payments})
	return fmt.Sprintf("id: %d\nevent: changed\ndata: %s\n\n", id, text)
}

func (d *desk) block(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.fetched++
	rows, broken, let := strings.Join(d.rows, ", "), d.broken, d.let
	d.mu.Unlock()
	if broken {
		http.Error(w, "the service starts anew", http.StatusServiceUnavailable)
		return
	}
	if let != nil {
		select {
		case <-let:
		case <-r.Context().Done():
			return
		}
	}
	fmt.Fprintf(w, `<section id="rows" data-live="/?block=rows" data-topics="payments">%s</section>`, rows)
}

// tells sends an event.
func (d *desk) tells(payments int, changed ...string) {
	d.mu.Lock()
	d.told++
	text := event(d.told, payments, changed...)
	d.mu.Unlock()
	d.events <- text
}

// sells adds a payment, and tells of it.
func (d *desk) sells(order string) {
	d.mu.Lock()
	d.rows = append(d.rows, order)
	d.mu.Unlock()
	d.tells(1, "payments")
}

// breaks lets the rows fail from now on, or come again.
func (d *desk) breaks(broken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = broken
}

// sends lets the rows that have waited longest go.
func (d *desk) sends() {
	d.Helper()
	select {
	case d.let <- struct{}{}:
	case <-time.After(patience):
		d.Fatal("nobody has asked for the rows")
	}
}

// Rows that could not be fetched are not forgotten: the line says that there is something to show, and the next
// event or a press brings them.
func TestRowsThatDoNotComeAreFetchedAgain(t *testing.T) {
	d, p := newDesk(t)
	d.breaks(true)
	d.sells("order1")
	p.comesUp("#live", "1 new payment · show")
	d.breaks(false)
	d.tells(0) // as every stream begins
	p.comesUp("#rows", "order1")
	p.until("nothing waits", `document.querySelector('#live').innerText === '1 new payment'`)

	d.breaks(true)
	d.sells("order2")
	p.comesUp("#live", "2 new payments · show")
	d.breaks(false)
	p.press("#live button")
	p.comesUp("#rows", "order2")
	p.until("the line is empty", `document.querySelector('#live').innerText === ''`)
	for range 2 {
		p.complainsOf("status of 503 ")
		p.expects(http.StatusServiceUnavailable)
	}
	p.fine()
}

// What changes while rows are on their way is fetched after them, so that the older answer is never the last.
func TestRowsAreFetchedOneAfterAnother(t *testing.T) {
	d, p := newDesk(t)
	d.let = make(chan struct{})
	d.sells("order1")
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		d.mu.Lock()
		asked := d.fetched > 0
		d.mu.Unlock()
		if asked {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody asks for the rows")
		}
	}
	d.sells("order2")
	p.comesUp("#live", "2 new payments")
	d.sends()
	p.comesUp("#rows", "order1")
	d.sends()
	p.comesUp("#rows", "order2")
	p.fine()
}

// The line says each thing once, and its button is not taken from under a finger. The stream begins where the
// page ends, so nothing is lost between the two.
func TestTheLineSaysAThingOnce(t *testing.T) {
	d, p := newDesk(t)
	d.sells("order1")
	p.comesUp("#live", "1 new payment")
	p.comesUp("#rows", "order1")
	p.run(`window.said = 0;
window.button = document.querySelector('#live button');
button.focus();
new MutationObserver(() => said++).observe(document.querySelector('#live'),
  { childList: true, subtree: true, characterData: true }); undefined`)
	d.tells(0, "clicks")
	d.tells(0, "payments")
	d.sells("order2")
	p.comesUp("#live", "2 new payments")
	if said := eval[int](p, `said`); said != 1 {
		t.Errorf("the line speaks %d times of one payment", said)
	}
	if !eval[bool](p, `document.activeElement === button`) {
		t.Error("the button that was in use is gone")
	}
	p.comesUp("#rows", "order2")
	d.mu.Lock()
	defer d.mu.Unlock()
	if want := fmt.Sprint(deskHasSeen); !slices.Equal(d.since, []string{want}) {
		t.Errorf("streams were asked for from %q on, want one from %s", d.since, want)
	}
}
