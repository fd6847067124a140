package main

// What a webhook is answered: from what was known, the new message and the position that follows. And what
// a message is about, by which its repeats are found. All of it is worked out from values.

import (
	"encoding/hex"
	"slices"
)

// The answers to a webhook, in the order in which the first that fits is given.
const (
	resultIgnored      = "ignored"
	resultReview       = "review"
	resultDuplicate    = "duplicate"
	resultConflict     = "conflict"
	resultCredited     = "credited"
	resultUnattributed = "unattributed"
	resultRecorded     = "recorded"
)

// subject is what a message is about, by which its repeats and its relatives are found.
func (n Notification) subject() string {
	if n.TxnID != "" {
		return n.TxnID
	}
	for _, other := range []struct{ what, id string }{
		{"dispute ", n.DisputeID}, {"refund ", n.RefundID}, {"subscription ", n.Customer},
		{"order ", n.OrderID},
	} {
		if other.id != "" {
			return other.what + other.id
		}
	}
	return "message " + hex.EncodeToString(n.Identity[:8])
}

// again is the answer to the repeat of a message.
func again(n Notification) string {
	if n.Result == resultIgnored || n.Result == resultReview {
		return n.Result
	}
	return resultDuplicate
}

// judge gives the answer to a new message: the first of the results that fits.
func judge(n Notification, before Facts, after Position) string {
	switch {
	case n.Kind == "other":
		return resultIgnored
	case n.Unusable != "" || n.TxnID == "":
		return resultReview
	case n.Kind == "payment":
		return judgePayment(n, before, after)
	}
	repeats := func(k Notification) bool { return k.Unusable == "" && k.sameNews(n) }
	contradicts := func(k Notification) bool { return k.Unusable == "" && k.otherRefund(n) }
	switch {
	case slices.ContainsFunc(before.Notifications, repeats):
		return resultDuplicate
	case slices.ContainsFunc(before.Notifications, contradicts):
		return resultConflict
	}
	return resultRecorded
}

// sameNews reports whether two messages say the same about one dispute or one refund.
func (n Notification) sameNews(o Notification) bool {
	switch {
	case n.Kind != o.Kind:
		return false
	case n.Kind == "dispute":
		return n.DisputeID == o.DisputeID && n.Dispute == o.Dispute
	case n.Kind == "refund":
		return n.RefundID == o.RefundID && n.Event == o.Event && n.Refund == o.Refund
	}
	return false
}

// otherRefund reports whether two messages contradict each other about one refund.
func (n Notification) otherRefund(o Notification) bool {
	if n.Kind != "refund" || o.Kind != "refund" || n.RefundID != o.RefundID {
		return false
	}
	return n.Refund != o.Refund ||
		n.Event == "succeeded" && o.Event == "refused" ||
		n.Event == "refused" && o.Event == "succeeded"
}

func judgePayment(n Notification, before Facts, after Position) string {
	ps := before.payments()
	if !n.inRupees() && !slices.ContainsFunc(ps, Notification.inRupees) {
		return resultReview
	}
	same := func(k Notification) bool {
		return k.Status == n.Status && k.Amount == n.Amount && k.OrderID == n.OrderID &&
			(k.Currency == n.Currency || k.inRupees() && n.inRupees())
	}
	contradicts := func(k Notification) bool { return k.Status != "pending" && !same(k) }
	switch {
	case slices.ContainsFunc(ps, same):
		return resultDuplicate
	case n.Status == "pending":
		return resultRecorded
	case slices.ContainsFunc(ps, contradicts) || deniedBy(before, n):
		return resultConflict
	case n.Status != "success":
		return resultRecorded
	case after.Partner != "":
		return resultCredited
	}
	return resultUnattributed
}

// deniedBy reports whether the last word on the transaction, of a person or the API,
// is another one than the message's.
func deniedBy(f Facts, n Notification) bool {
	if d := lastDecision(f); d != nil {
		return d.Agree != (n.Status == "success") || d.Amount > 0 && d.Amount != n.Amount
	}
	if a := lastAnswer(f); a != nil {
		return a.Result != n.Status || a.Result == "success" && a.Amount != n.Amount
	}
	return false
}
