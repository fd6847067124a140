package main

// Paytm's report as a CSV file, as its dashboard gives it. Its columns differ between reports and over
// the years, so their names are configuration.

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"hissa/paytm"
)

// usualColumns are the names under which each thing is looked for, when the configuration names none.
// They are compared without case, spaces, hyphens and underscores.
var usualColumns = map[string][]string{
	"txn_id":    {"Transaction_ID", "Txn ID", "TXNID", "Paytm Transaction ID"},
	"order_id":  {"Order_ID", "ORDERID", "Merchant Order ID"},
	"amount":    {"Amount", "Transaction_Amount", "Txn Amount", "TXNAMOUNT"},
	"status":    {"Status", "Transaction_Status", "Txn Status"},
	"time":      {"Transaction_Date", "Txn Date", "TXNDATE", "Transaction Date Time"},
	"type":      {"Transaction_Type", "Txn Type", "TXNTYPE"},
	"refund_id": {"Refund_ID", "REFUNDID"},
}

// reportColumns are the options that name the columns of a report, by what stands in each.
func (c *Config) reportColumns() map[string]*string {
	r := &c.Reconcile
	return map[string]*string{
		"txn_id": &r.TxnID, "order_id": &r.OrderID, "amount": &r.Amount, "status": &r.Status,
		"time": &r.Time, "type": &r.Type, "refund_id": &r.RefundID,
	}
}

const (
	reportPreamble = 20        // lines that may stand above the names of the columns
	reportAtMost   = 256 << 20 // bytes
)

// report is a file on its way to rows.
type report struct {
	columns map[string]int // where each thing stands; -1 nowhere
	rows    [][]string
	mid     int    // where the MID stands; -1 nowhere
	ours    string // our MID: one report may be about several
}

func openReport(name string, config *Config) (lister, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, noError{fmt.Sprintf("the report can't be read: %v", err)}
	}
	defer file.Close()
	return readReport(file, name, config)
}

// readReport reads a file and finds its columns. The rows of payments come before those of refunds.
func readReport(file io.Reader, name string, config *Config) (lister, error) {
	text, err := io.ReadAll(io.LimitReader(file, reportAtMost+1))
	switch {
	case err != nil:
		return nil, noError{fmt.Sprintf("the report can't be read: %v", err)}
	case len(text) == 0:
		return nil, noError{name + " is empty"}
	case len(text) > reportAtMost:
		return nil, noError{fmt.Sprintf("%s is larger than %d MB: download a shorter time",
			name, reportAtMost>>20)}
	}
	table := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\ufeff")))
	table.FieldsPerRecord, table.LazyQuotes, table.Comma = -1, true, separator(text)
	rows, err := table.ReadAll()
	if err != nil {
		return nil, noError{fmt.Sprintf("%s is no CSV file: %v: download the report as CSV, not as Excel",
			name, err)}
	}
	configured := config.reportColumns()
	for i, header := range rows[:min(len(rows), reportPreamble)] {
		columns := findColumns(header, configured)
		if columns["txn_id"] < 0 || columns["amount"] < 0 {
			continue
		}
		for thing, at := range columns {
			if at < 0 && *configured[thing] != "" {
				return nil, noError{fmt.Sprintf("%s has no column %q, which reconcile.%s of the "+
					"configuration names. Its columns are: %s",
					name, *configured[thing], thing, strings.Join(header, ", "))}
			}
		}
		r := &report{columns: columns, rows: rows[i+1:], ours: config.Paytm.MID}
		r.mid = slices.IndexFunc(header, func(cell string) bool { return plain(cell) == "mid" })
		return r.list, nil
	}
	return nil, unknownLayout(name, rows)
}

// unknownLayout says which columns there are, and how to name those that matter.
func unknownLayout(name string, rows [][]string) error {
	widest := []string{}
	for _, row := range rows[:min(len(rows), reportPreamble)] {
		if len(row) > len(widest) {
			widest = row
		}
	}
	return noError{fmt.Sprintf("%s has a layout that is not known: no column for the TXNID and one for the "+
		"amount in rupees. Its columns seem to be: %s. Name them in the configuration, such as\n\n"+
		"  [reconcile]\n  txn_id = \"…\"\n  amount = \"…\"\n",
		name, strings.Join(widest, ", "))}
}

// findColumns says where in a header each thing stands: under the configured name, else under a usual
// one.
func findColumns(header []string, configured map[string]*string) map[string]int {
	columns := map[string]int{}
	for thing, names := range usualColumns {
		if name := *configured[thing]; name != "" {
			names = []string{name}
		}
		columns[thing] = -1
		for _, name := range names {
			at := slices.IndexFunc(header, func(cell string) bool { return plain(cell) == plain(name) })
			if at >= 0 {
				columns[thing] = at
				break
			}
		}
	}
	return columns
}

// plain makes Transaction_ID, "Transaction ID" and TRANSACTIONID one name.
func plain(name string) string {
	return strings.NewReplacer(" ", "", "_", "", "-", "").Replace(strings.ToLower(bare(name)))
}

// bare takes the spaces off a cell, and the apostrophe with which reports keep spreadsheets from
// taking a long number for one.
func bare(cell string) string { return strings.Trim(strings.TrimSpace(cell), "'") }

// list hands over the rows whose time is within the period, or unknown.
func (r *report) list(_ context.Context, from, to time.Time, each func(paytm.Listed) error) error {
	for _, refunds := range []bool{false, true} {
		for _, cells := range r.rows {
			row, about := r.row(cells)
			outside := !row.At.IsZero() && (row.At.Before(from) || !to.IsZero() && !row.At.Before(to))
			if !about || row.Refund != refunds || outside {
				continue
			}
			if err := each(row); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *report) cell(cells []string, thing string) string {
	if at := r.columns[thing]; at >= 0 && at < len(cells) {
		return bare(cells[at])
	}
	return ""
}

// id is a cell that has the form of an id, else "".
func (r *report) id(cells []string, thing string) string {
	if text := r.cell(cells, thing); idPattern().MatchString(text) {
		return text
	}
	return ""
}

// idPattern is what Paytm's ids, and the shop's, may be.
var idPattern = pattern(`^[A-Za-z0-9_@.=-]{1,64}$`)

// body is what is kept of a line: what was read of it, and no customer's name beside.
func (r *report) body(cells []string) []byte {
	kept := map[string]string{}
	for thing := range r.columns {
		if text := r.cell(cells, thing); text != "" {
			kept[thing] = text
		}
	}
	text, err := json.Marshal(kept)
	if err != nil {
		panic(err) // texts can always be written
	}
	return text
}

// row reads one line; about is false when it is about no successful payment or refund of this MID.
func (r *report) row(cells []string) (row paytm.Listed, about bool) {
	if r.mid >= 0 && r.mid < len(cells) && bare(cells[r.mid]) != "" && bare(cells[r.mid]) != r.ours {
		return row, false
	}
	row = paytm.Listed{
		Result: "TXN_SUCCESS", TxnID: r.id(cells, "txn_id"), OrderID: r.id(cells, "order_id"),
		RefundID: r.id(cells, "refund_id"), Amount: -1, Body: r.body(cells),
	}
	if r.cell(cells, "txn_id") == "" && r.cell(cells, "amount") == "" {
		return row, false // an empty line, or a sum
	}
	if status := r.cell(cells, "status"); status != "" && !succeededBy(status) {
		return row, false
	}
	switch kind := strings.ToLower(r.cell(cells, "type")); {
	case strings.Contains(kind, "refund"):
		row.Refund = true
	case kind == "", strings.Contains(kind, "acquiring"), strings.Contains(kind, "sale"),
		strings.Contains(kind, "payment"), strings.Contains(kind, "transaction"):
	default:
		return row, false // a settlement, a chargeback, a fee
	}
	amount, back := strings.CutPrefix(strings.ReplaceAll(r.cell(cells, "amount"), ",", ""), "-")
	if r.cell(cells, "type") == "" {
		row.Refund = back // the sign is all that tells
	}
	if paise, err := paytm.ParseAmount(amount); err == nil && (row.Refund || !back) {
		row.Amount = paise
	}
	row.At = reportTime(r.cell(cells, "time"))
	return row, true
}

// succeededBy reads a status: TXN_SUCCESS, Success, Successful; not Unsuccessful, nor "not successful".
func succeededBy(status string) bool {
	before, _, is := strings.Cut(strings.ToLower(status), "success")
	before = strings.TrimRight(before, " _-:")
	return is && !strings.HasSuffix(before, "un") && !strings.HasSuffix(before, "not")
}

// reportTime reads a time in IST; zero when it is written in a way that is not known.
func reportTime(text string) time.Time {
	if at, hasClock, err := paytm.ParseTime(text); err == nil && hasClock {
		return at
	}
	for _, layout := range []string{
		"02-01-2006 15:04:05", "02-01-2006 15:04", "02/01/2006 15:04:05", "02 Jan 2006 15:04:05",
		"2006-01-02 15:04", "02-Jan-2006 15:04:05",
	} {
		if at, err := time.ParseInLocation(layout, text, ist); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}

// separator is what stands between the cells: a comma, unless the first lines have more of another.
func separator(text []byte) rune {
	head := string(text[:min(len(text), 4096)])
	best := ','
	for _, r := range ";\t" {
		if strings.Count(head, string(r)) > strings.Count(head, string(best)) {
			best = r
		}
	}
	return best
}
