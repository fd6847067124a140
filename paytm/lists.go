package paytm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// The lists that Paytm keeps: the payments of a payment link, and all orders of a period.
var (
	linkAPI = api{"link API", "/link/fetchTransaction", "AES", 4 << 20}

	// Paytm's page says CHECKSUM or JWT, its n8n node sends AES.
	orderListAPI = api{"order list API", "/merchant-passbook/search/list/order/v2", "CHECKSUM", 4 << 20}
)

const (
	rowsAPage   = 50
	pagesAtAll  = 1000
	pagesAtOnce = 20          // of one stretch of time, so that the rows in memory are few
	atLeast     = time.Minute // a shorter stretch is not tried

	pauses       = 5 // that Paytm may want before one page
	longestPause = time.Minute

	// ListedAtOnce is the longest period the order list covers in one question, and ListedBack how far
	// it goes back (Paytm's page on the Order List API).
	ListedAtOnce = 30 * 24 * time.Hour
	ListedBack   = 18 * 30 * 24 * time.Hour
)

// Listed is one row of Paytm's lists: a payment, or in the order list a refund.
type Listed struct {
	Result string // TXN_SUCCESS, TXN_FAILURE, PENDING, or what else Paytm wrote

	OrderID, TxnID, Mode string

	Reference string    // what the shop sent as mercUnqRef
	Amount    int64     // paise; -1 when the row has none, or one that is unusable
	At        time.Time // UTC: when the order was completed, else made; zero when the row has none

	Refund   bool   // the row is about a refund, of Amount
	RefundID string // "" when the row names none

	Signed bool   // the answer was signed
	Body   []byte // the exact bytes of the row
}

// ListKind is what the order list is asked for.
type ListKind string

const (
	ListPayments ListKind = "TRANSACTION"
	ListRefunds  ListKind = "REFUND"
)

// LinkTransactions asks for the payments of a payment link or invoice, by its number: LI_12345 without
// the letters. None is no error. Errors are as of OrderStatus.
func (c *Client) LinkTransactions(ctx context.Context, link string) ([]Listed, error) {
	if !allDigits(link) || len(link) > 18 {
		return nil, fmt.Errorf("%s is no number of a payment link", quote(link))
	}
	return c.pages(ctx, pagesAtAll, func(page int) ([]Listed, error) {
		envelope, _, err := c.ask(ctx, linkAPI, struct {
			MID      string      `json:"mid"`
			LinkID   json.Number `json:"linkId"` // as a text Paytm refuses it
			PageNo   int         `json:"pageNo"`
			PageSize int         `json:"pageSize"`
			All      bool        `json:"fetchAllTxns"`
		}{c.MID, json.Number(link), page, rowsAPage, true})
		var refused *APIError
		if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			// "Data Not Found" comes under that status, too.
			if e, err := c.read(linkAPI, refused.reply); err == nil && nothingFound(e) {
				return nil, nil
			}
		}
		if err != nil {
			return nil, err
		}
		return envelope.rows(linkAPI)
	})
}

// Orders asks for the successful payments, or refunds, between two times, whatever length that is and
// however many they are, and hands every row over, until one returns an error. Errors are else as of
// OrderStatus.
func (c *Client) Orders(
	ctx context.Context, kind ListKind, from, to time.Time, each func(Listed) error,
) error {
	length := ListedAtOnce
	var before map[string]bool // the stretch before: whether Paytm counts both ends is not known
	for from.Before(to) {
		length = min(length, to.Sub(from))
		until, most := from.Add(length), pagesAtOnce
		if length <= atLeast {
			most = pagesAtAll
		}
		rows, err := c.pages(ctx, most, func(page int) ([]Listed, error) {
			return c.orderPage(ctx, kind, from, until, page)
		})
		if errors.Is(err, errTooMany) && length > atLeast {
			length = max(atLeast, (length / 8).Truncate(time.Second))
			continue
		}
		if err != nil {
			return err
		}
		these := make(map[string]bool, len(rows))
		for _, row := range rows {
			these[string(row.Body)] = true
			if before[string(row.Body)] {
				continue
			}
			if err := each(row); err != nil {
				return err
			}
		}
		if len(rows) < pagesAtOnce*rowsAPage/4 {
			length = min(2*length, ListedAtOnce)
		}
		before, from = these, until
	}
	return nil
}

func (c *Client) orderPage(
	ctx context.Context, kind ListKind, from, to time.Time, page int,
) ([]Listed, error) {
	const layout = "2006-01-02T15:04:05-07:00"
	envelope, _, err := c.ask(ctx, orderListAPI, struct {
		MID    string   `json:"mid"`
		From   string   `json:"fromDate"`
		To     string   `json:"toDate"`
		Kind   ListKind `json:"orderSearchType"`
		Status string   `json:"orderSearchStatus"`
		Page   int      `json:"pageNumber"`
		Size   int      `json:"pageSize"`
		Sort   bool     `json:"isSort"`
	}{c.MID, from.In(IST).Format(layout), to.In(IST).Format(layout), kind, "SUCCESS", page, rowsAPage, true})
	if err != nil {
		return nil, err
	}
	return envelope.rows(orderListAPI)
}

// paused waits as long as Paytm asked for, if that was what err is about.
func paused(ctx context.Context, err error) bool {
	var refused *APIError
	if !errors.As(err, &refused) || refused.RetryAfter <= 0 || refused.RetryAfter > longestPause {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(refused.RetryAfter):
		return true
	}
}

var errTooMany = errors.New("the list has too many pages: ask for a shorter time")

// pages reads page after page until one is empty: how many rows Paytm puts on one at most differs
// between its own pages, so a short one is not known to be the last. With most pages and none of them
// empty it is errTooMany. A long list is not given up because Paytm wants a pause in the middle of it.
func (c *Client) pages(
	ctx context.Context, most int, read func(page int) ([]Listed, error),
) ([]Listed, error) {
	var all []Listed
	first := ""
	for page := 1; page <= most; page++ {
		rows, err := read(page)
		for range pauses {
			if page == 1 || !paused(ctx, err) {
				break
			}
			rows, err = read(page)
		}
		if err != nil || len(rows) == 0 {
			return all, err
		}
		if text := string(rows[0].Body); text == first {
			return all, nil // the same page again: this API has only one
		} else {
			first = text
		}
		all = append(all, rows...)
	}
	return nil, errTooMany
}

// nothingFound is how the lists say that there is nothing.
func nothingFound(e *Envelope) bool {
	_, code, text := e.resultInfo()
	return code == "404" || strings.EqualFold(text, "Data Not Found")
}

// rows reads the rows of a list.
func (e *Envelope) rows(from api) ([]Listed, error) {
	status, code, text := e.resultInfo()
	orders := e.content.member("orders")
	switch {
	case nothingFound(e), orders == nil && status == "SUCCESS":
		return nil, nil
	case orders == nil || orders.kind != kindArray:
		return nil, &APIError{API: from.name, Status: http.StatusOK, Problem: fmt.Sprintf(
			"%s %s: check MID and merchant key, then whether Paytm has opened this API for the MID",
			code, quote(text))}
	}
	array := e.Text[orders.start-e.content.start : orders.end-e.content.start]
	list, err := elements(array)
	if err != nil {
		return nil, err
	}
	var rows []Listed
	for i := range list {
		if n := &list[i]; n.kind == kindObject {
			row := listed(n, array[n.start:n.end])
			row.Signed = e.Checksum != ""
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// The names of a row. The link API's are those of Paytm's page and of its own samples, the order
// list's those of its page and of programs that read it.
var (
	listTxn       = names{"txnId"}
	listOrder     = names{"orderId", "merchantOrderId"}
	listAmount    = names{"txnAmount", "amount"}
	listStatus    = names{"orderStatus", "orderSearchStatus"}
	listReference = names{"mercUniqRef", "mercUnqRef", "merchantUniqueReference"}
	listMode      = names{"paymentMode", "payMode"}
	listType      = names{"orderType", "orderSearchType", "txnType"}
	listRefund    = names{"refundId"}
	listTimes     = names{"orderCompletedTime", "orderCreatedTime"}
)

// listed reads one row. Like in a message, what is unusable counts as absent.
func listed(n *node, body []byte) Listed {
	e := &Envelope{Shape: HeadBody, Fields: n.fields(false), content: n}
	e.sort()
	r := &reading{envelope: e}
	row := Listed{
		OrderID: r.id(listOrder, optional, "_-@.="), TxnID: r.id(listTxn, optional, "_-@.="),
		Mode: r.label(listMode), Reference: r.label(listReference),
		RefundID: r.id(listRefund, optional, "_-@.="), Amount: -1, Body: body,
	}
	row.Refund = row.RefundID != "" || strings.EqualFold(listType.value(e), "REFUND")
	amount := listAmount
	if row.Refund && nameRefundAmount.value(e) != "" {
		amount = nameRefundAmount
	}
	if paise, usable := r.amount(amount, required); usable {
		row.Amount = paise
	}
	row.Result = listStatus.value(e)
	// The link API has one word for a success on most MIDs and the other on some.
	switch status, _ := paymentStatus(row.Result); {
	case status == "" && linkStatus[row.Result] == Success:
		row.Result = "TXN_SUCCESS"
	case status == "" && linkStatus[row.Result] == Failed:
		row.Result = "TXN_FAILURE"
	}
	for _, name := range listTimes {
		if at, hasClock, err := ParseTime(e.get(name)); err == nil && hasClock {
			row.At = at
			break
		}
	}
	return row
}
