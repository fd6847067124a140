package paytmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Faults is how deliveries go wrong. The zero value sends each message once, in order.
type Faults struct {
	Duplicate  float64       // chance that a message is sent once more, drawn for each copy
	MaxCopies  int           // most extra copies of a message; 0 with a Duplicate chance: one
	Reorder    bool          // any order, copies included
	Delay      time.Duration // longest pause before a delivery, each drawn anew
	LoseAnswer float64       // chance that an answer is read and then lost: sent again
	Cut        float64       // chance that the connection breaks amid the body: sent again
}

// Delivery is one attempt to hand over one message.
type Delivery struct {
	Message Message
	Copy    int    // 0 for the message itself, then its duplicates
	Attempt int    // from 1
	Status  int    // of HTTP; 0 when there was no answer
	Result  string // R of {"result":R}, else of {"error":R}
	Lost    bool   // the answer came but the courier acts as if it hadn't
	Err     error  // why there was no answer
}

// Acknowledged reports whether the receiver took the message, by an answer of 2xx, lost or not.
func (d Delivery) Acknowledged() bool { return d.Err == nil && d.Status/100 == 2 }

// delivered is what Paytm believes, and ends the attempts.
func (d Delivery) delivered() bool { return d.Acknowledged() && !d.Lost }

// Courier delivers messages to one webhook URL the way Paytm does: at least once, again after
// any answer but 2xx or none, and it gives up in the end. Set its fields before Send.
type Courier struct {
	Workers    int            // deliveries at the same time; 1 unless set
	Attempts   int            // most attempts for one copy; 5 unless set
	Pause      time.Duration  // before the second attempt, doubled for each after; 20 ms
	Timeout    time.Duration  // for one answer; 10 s
	OnDelivery func(Delivery) // called after every attempt, never twice at the same time

	url    string
	faults Faults
	client *http.Client

	mu  sync.Mutex // guards rng
	rng *rand.Rand

	calling sync.Mutex // held while OnDelivery runs
}

const (
	usualAttempts = 5
	usualPause    = 20 * time.Millisecond
	usualTimeout  = 10 * time.Second
)

// NewCourier makes a courier of p to a webhook URL. All its chances follow from the seed of p
// and from how many couriers p had before.
func NewCourier(p *Paytm, url string, f Faults) *Courier {
	p.mu.Lock()
	p.couriers++
	stream := p.couriers
	p.mu.Unlock()
	return &Courier{
		Workers: 1, Attempts: usualAttempts, Pause: usualPause, Timeout: usualTimeout,
		url:    url,
		faults: f,
		rng:    rand.New(rand.NewPCG(p.seed, stream)),
		client: &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}
}

// Close lets go of idle connections.
func (c *Courier) Close() { c.client.CloseIdleConnections() }

// Send delivers messages with the courier's faults and returns every attempt, grouped by copy in
// the order in which they set out. It returns when all are delivered or given up, or soon after
// ctx ends. With one worker the attempts, their order and their bodies follow from the seed, as
// long as the receiver answers alike.
func (c *Courier) Send(ctx context.Context, messages ...Message) []Delivery {
	trips := c.plan(messages)
	attempts := make([][]Delivery, len(trips))
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(1, c.Workers) {
		workers.Go(func() {
			for i := range next {
				attempts[i] = c.deliver(ctx, trips[i])
			}
		})
	}
	for i := range trips {
		next <- i
	}
	close(next)
	workers.Wait()
	var all []Delivery
	for _, some := range attempts {
		all = append(all, some...)
	}
	return all
}

// trip is one copy of a message with the luck of each attempt, drawn before anything is sent so
// that neither workers nor answers change what the seed decides.
type trip struct {
	message Message
	number  int // Delivery.Copy
	delay   time.Duration
	luck    []luck
}

type luck struct{ cut, lost bool }

func (c *Courier) plan(messages []Message) []trip {
	c.mu.Lock()
	defer c.mu.Unlock()
	var trips []trip
	for _, m := range messages {
		trips = append(trips, c.draw(m, 0))
		for n := 1; n <= max(1, c.faults.MaxCopies) && c.chance(c.faults.Duplicate); n++ {
			trips = append(trips, c.draw(m, n))
		}
	}
	if c.faults.Reorder {
		c.rng.Shuffle(len(trips), func(i, j int) { trips[i], trips[j] = trips[j], trips[i] })
	}
	return trips
}

// draw decides one copy's luck. The last attempt has no bad luck, so that a healthy receiver
// gets everything.
func (c *Courier) draw(m Message, number int) trip {
	t := trip{message: m, number: number, luck: make([]luck, max(1, c.Attempts))}
	t.delay = time.Duration(c.rng.Float64() * float64(c.faults.Delay))
	for i := range t.luck[1:] {
		t.luck[i].cut = c.chance(c.faults.Cut)
		t.luck[i].lost = c.chance(c.faults.LoseAnswer)
	}
	return t
}

// chance draws even when the outcome is certain, so that a changed fault leaves the luck of the
// others as it was.
func (c *Courier) chance(p float64) bool { return c.rng.Float64() < p }

// deliver tries one copy until it is delivered, given up, or ctx ends.
func (c *Courier) deliver(ctx context.Context, t trip) []Delivery {
	var attempts []Delivery
	wait := t.delay
	for i, luck := range t.luck {
		if !sleep(ctx, wait) {
			break
		}
		d := c.attempt(ctx, t.message, luck)
		d.Copy, d.Attempt = t.number, i+1
		attempts = append(attempts, d)
		c.tell(d)
		if d.delivered() {
			break
		}
		wait = c.Pause << i
	}
	return attempts
}

func (c *Courier) tell(d Delivery) {
	if c.OnDelivery == nil {
		return
	}
	c.calling.Lock()
	defer c.calling.Unlock()
	c.OnDelivery(d)
}

// sleep waits, and reports false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt POSTs a message once.
func (c *Courier) attempt(ctx context.Context, m Message, luck luck) Delivery {
	d := Delivery{Message: m}
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = usualTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var body io.Reader = bytes.NewReader(m.Body)
	if luck.cut {
		body = io.MultiReader(bytes.NewReader(m.Body[:len(m.Body)/2]), broken{})
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, body)
	if err != nil {
		d.Err = err
		return d
	}
	request.ContentLength = int64(len(m.Body))
	request.Header.Set("Content-Type", m.ContentType)
	response, err := c.client.Do(request)
	if err != nil {
		d.Err = err
		return d
	}
	defer response.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		d.Err = fmt.Errorf("the answer broke off: %w", err)
		return d
	}
	d.Status, d.Result, d.Lost = response.StatusCode, outcome(reply), luck.lost
	return d
}

// errCut is the fault Cut.
var errCut = errors.New("the connection broke amid the body")

// broken is where a body breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errCut }

// outcome reads R from {"result":R} or {"error":R}, "" from anything else.
func outcome(reply []byte) string {
	var answer struct{ Result, Error string }
	if json.Unmarshal(reply, &answer) != nil {
		return ""
	}
	if answer.Result != "" {
		return answer.Result
	}
	return answer.Error
}
