package main

// hissa import clicks, and orders: read as a stream, judged and booked some hundred lines at a time. What
// would become of each line is worked out on a copy of the database, so that it is what does become of it.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// importColumns are the names under which a file may have each thing, and which one there must be.
type importColumns struct {
	names  map[string][]string
	needed string
	called string // what a person calls that one
}

// each reads a file of CSV or JSON lines, row by row. number is the line on which a row begins.
func (c importColumns) each(file io.Reader, row func(number int, cell func(string) string) error) error {
	in := bufio.NewReaderSize(file, 64<<10)
	if mark, _ := in.Peek(3); string(mark) == "\ufeff" {
		_, _ = in.Discard(len(mark))
	}
	head, _ := in.Peek(4096) // what can't be read shows again below
	if text := bytes.TrimSpace(head); len(text) > 0 && text[0] == '{' {
		return c.eachObject(in, row)
	}
	table := csv.NewReader(in)
	table.FieldsPerRecord, table.Comma, table.ReuseRecord = -1, separator(head), true
	header, err := table.Read()
	if err != nil {
		return fmt.Errorf("is no CSV file: %w", err)
	}
	at := map[string]int{}
	for what := range c.names {
		at[what] = c.find(what, header)
	}
	if at[c.needed] < 0 {
		return fmt.Errorf("has no column for %s; its columns are: %s", c.called, strings.Join(header, ", "))
	}
	for {
		cells, err := table.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("is no CSV file: %w", err)
		}
		number, _ := table.FieldPos(0)
		if err := row(number, func(what string) string {
			if i := at[what]; i >= 0 && i < len(cells) {
				return strings.TrimSpace(cells[i])
			}
			return ""
		}); err != nil {
			return err
		}
	}
}

// find is where among the names of a file's columns one thing stands, -1 nowhere.
func (c importColumns) find(what string, header []string) int {
	for _, name := range c.names[what] {
		i := slices.IndexFunc(header, func(cell string) bool { return plain(cell) == plain(name) })
		if i >= 0 {
			return i
		}
	}
	return -1
}

// eachObject reads JSON lines.
func (c importColumns) eachObject(in *bufio.Reader, row func(int, func(string) string) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	number := 0
	for lines.Scan() {
		number++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var fields map[string]any
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.UseNumber() // an order id may have more digits than a float
		if err := decoder.Decode(&fields); err != nil || fields == nil || decoder.More() {
			return fmt.Errorf("line %d is no JSON object", number)
		}
		var header []string
		for name := range fields {
			header = append(header, name)
		}
		slices.Sort(header)
		if c.find(c.needed, header) < 0 {
			return fmt.Errorf("line %d has no field for %s; its fields are: %s", number, c.called,
				strings.Join(header, ", "))
		}
		if err := row(number, func(what string) string {
			i := c.find(what, header)
			if i < 0 {
				return ""
			}
			return strings.TrimSpace(cellOf(fields[header[i]]))
		}); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", number+1, err)
	}
	return nil
}

// cellOf is a JSON value as it would stand in CSV.
func cellOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []any:
		var words []string
		for _, one := range v {
			words = append(words, cellOf(one))
		}
		return strings.Join(words, " ")
	}
	return fmt.Sprint(v)
}

// importLine is a line of the file and what became of it.
type importLine struct {
	number int
	id     string // of the click or the order
	click  Click
	order  Order
	person Person // who ordered
	result string // new, same, bound, replaced; wrong
	why    string
}

func (l *importLine) wrong(format string, a ...any) {
	l.result, l.why = "wrong", fmt.Sprintf(format, a...)
}

// bringing is one sort of rows that a file may bring.
type bringing struct {
	what    string
	columns importColumns
	read    func(l *importLine, cell func(string) string, now time.Time)
	book    func(t *tx, who string, lines []*importLine) error
}

func columnsCalled(names ...string) map[string][]string {
	columns := map[string][]string{}
	for _, name := range names {
		columns[name] = []string{name}
	}
	return columns
}

var (
	bringClicks = bringing{"click",
		importColumns{columnsCalled("id", "partner", "at", "sub", "counted"), "id", "the click's id (id)"},
		readClick, (*tx).bringClicks}
	bringOrders = bringing{"order",
		importColumns{columnsCalled("order_id", "click_id", "promo_code", "customer_id", "email", "mobile",
			"amount", "at"), "order_id", "the order's id (order_id)"},
		readBinding, (*tx).bringOrders}
)

var clickPattern = pattern(`^` + clickPrefix + `[A-Za-z0-9_-]{1,60}$`)

// readClick makes a click of the cells of a line.
func readClick(l *importLine, cell func(string) string, now time.Time) {
	l.id = cell("id")
	c := Click{ID: l.id, Partner: cell("partner"), Counted: cell("counted")}
	if c.Counted == "true" {
		c.Counted = ""
	}
	at, wrong := pastTime(cell("at"), now)
	sub, err := url.ParseQuery(strings.ReplaceAll(cell("sub"), "+", "%2B"))
	c.At, c.Sub = at, subs(sub)
	switch {
	case !clickPattern().MatchString(c.ID):
		l.wrong(`id %q: it is "clk_" and 1 to 60 letters, digits, - and _`, c.ID)
	case cell("at") == "":
		l.wrong("at is missing: when it was clicked")
	case wrong != "":
		l.wrong("%s", wrong)
	case err != nil || strings.Contains(cell("sub"), ";"):
		l.wrong("sub can't be read: it is sub=…&sub1=…, escaped as in a link")
	case !isPlain(c.Counted):
		l.wrong("counted is true, or the reason why not in at most 128 characters")
	}
	l.click = c
}

// readBinding makes the binding of an order of the cells of a line.
func readBinding(l *importLine, cell func(string) string, now time.Time) {
	q := orderRequest{OrderID: cell("order_id"), ClickID: cell("click_id"), PromoCode: cell("promo_code"),
		CustomerID: cell("customer_id"), Email: cell("email"), Mobile: cell("mobile"), Amount: cell("amount")}
	l.id = q.OrderID
	l.person = Person{Customer: q.CustomerID, Email: q.Email, Mobile: q.Mobile}
	var err error
	if l.order, err = q.order(); err != nil {
		var told httpError
		errors.As(err, &told)
		l.wrong("%s", told.text)
		return
	}
	if !utf8.ValidString(q.ClickID + q.PromoCode + q.CustomerID + q.Email + q.Mobile) {
		l.wrong("is not UTF-8")
		return
	}
	at, wrong := pastTime(cell("at"), now)
	if wrong != "" {
		l.wrong("%s", wrong)
	}
	l.order.At = at
}

func isPlain(text string) bool { return plainPattern().MatchString(text) && utf8.ValidString(text) }

// pastTime reads a time; "" is now. What is wrong with it comes in words.
func pastTime(text string, now time.Time) (at time.Time, wrong string) {
	if text == "" {
		return now, ""
	}
	at, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return at, fmt.Sprintf("at %q: write a time like 2026-11-22T10:00:00+05:30", text)
	case at.After(now):
		return at, "at " + text + " is in the future"
	case at.Year() < 2000:
		return at, "at " + text + " is before the year 2000"
	}
	return at.UTC().Truncate(time.Millisecond), ""
}

// bringChunk is how many lines one transaction books.
const bringChunk = 200

// importRows is the command for one sort of rows.
func importRows(b bringing) func(*call) error {
	return func(c *call) error {
		apply := c.flags.Bool("apply", false, "")
		if err := c.exactly(1); err != nil {
			return err
		}
		return c.with(*apply, func(ctx context.Context, _ *Config, store *Store) error {
			return c.bring(ctx, store, b, *apply)
		})
	}
}

// bring judges a file on a copy, and then books it if it may.
func (c *call) bring(ctx context.Context, store *Store, b bringing, apply bool) (err error) {
	on, remove, err := store.copied(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	before, err := on.earnings(ctx)
	if err != nil {
		return err
	}
	told := 0
	counts, err := c.readRows(ctx, on, b, func(lines []*importLine) error {
		err := c.tellRows(b, lines, told == 0)
		told += len(lines)
		return err
	})
	if err != nil {
		return err
	}
	after, err := on.earnings(ctx)
	if err != nil {
		return err
	}
	if counts["wrong"] > 0 {
		return noError{plural(counts["wrong"], "line") + " can't be imported; nothing is booked"}
	}
	done := "would be booked with -apply"
	if apply {
		done = "booked"
		if err := c.bookRows(ctx, store, b); err != nil {
			return err
		}
	}
	for _, partner := range slices.Sorted(maps.Keys(after)) {
		if more := after[partner] - before[partner]; more != 0 {
			fmt.Fprintf(c.stderr, "hissa: that makes %s for %s\n", rupees(more), partner)
		}
	}
	fresh := counts["new"] + counts["bound"] + counts["replaced"]
	fmt.Fprintf(c.stderr, "hissa: %s %s, %d there already\n", plural(fresh, b.what), done, counts["same"])
	return nil
}

// bookRows books a file in which nothing was wrong a moment ago.
func (c *call) bookRows(ctx context.Context, store *Store, b bringing) error {
	_, err := c.readRows(ctx, store, b, func(lines []*importLine) error {
		for _, l := range lines {
			if l.result == "wrong" {
				return noError{fmt.Sprintf("%s:%d: %s; the lines before it are booked", c.args[0], l.number, l.why)}
			}
		}
		return nil
	})
	return err
}

// readRows books a file on a store, some lines at a time, and counts what became of them.
func (c *call) readRows(
	ctx context.Context, on *Store, b bringing, tell func([]*importLine) error,
) (counts map[string]int64, err error) {
	file, err := os.Open(c.args[0])
	if err != nil {
		return nil, noError{err.Error()}
	}
	defer file.Close()
	counts = map[string]int64{}
	var lines []*importLine
	flush := func() error {
		if err := on.bring(ctx, b, lines); err != nil {
			return err
		}
		for _, l := range lines {
			counts[l.result]++
		}
		err := tell(lines)
		lines = nil
		return err
	}
	err = b.columns.each(file, func(number int, cell func(string) string) error {
		l := &importLine{number: number}
		b.read(l, cell, on.now())
		if lines = append(lines, l); len(lines) < bringChunk {
			return nil
		}
		return flush()
	})
	var no noError
	if err != nil && !errors.As(err, &no) && ctx.Err() == nil {
		err = noError{fmt.Sprintf("%s: %v", c.args[0], err)}
	}
	if err == nil {
		err = flush()
	}
	return counts, err
}

func (c *call) tellRows(b bringing, lines []*importLine, first bool) error {
	var rows [][]string
	for _, l := range lines {
		r := record{{"line", int64(l.number)}, {b.what, l.id}, {"result", l.result}, {"why", l.why}}
		if c.json {
			if err := c.writeJSON(r); err != nil {
				return err
			}
		}
		rows = append(rows, r.cells())
	}
	if c.json || len(rows) == 0 && !first {
		return nil
	}
	headings := []string{"LINE", strings.ToUpper(b.what), "RESULT", "WHY"}
	if !first {
		headings, rows = rows[0], rows[1:]
	}
	return table(c.stdout, headings, rows)
}
