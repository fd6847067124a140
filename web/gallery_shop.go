package web

import (
	"fmt"
	"strings"
	"time"
)

const galleryConflict = "the messages carry different amounts (₹1,499.00, ₹500.00)"

func paymentSamples() []Sample {
	full := Payment{
		TxnID: galleryTxn(0), Known: true, Order: "4812", Status: "success", Amount: 149900,
		PaidAt: ago(3 * hour),
		Mode:   "UPI", RRN: "632611220417", Partner: "ASHA", Name: "Asha Verma", Basis: "promo",
		Refunded:     30000,
		Confirmation: Confirmation{State: "agreed", At: ago(3 * hour)},
		Commission: &Commission{Amount: 14990, Reversed: 3000, State: "held", Rate: "10 %",
			By: "program", Program: 2,
			DueAt: ago(-13 * 24 * hour), Blocks: []Block{{Code: "period"}, {Code: "abuse",
				Text: "the click came in a burst: more than 30 clicks within an hour from one browser at one address"}}},
		Candidates: []Candidate{
			{Counts: true, Won: true, Basis: "promo", Partner: "ASHA", Name: "Asha Verma",
				Verdict: "ASHA10 is on the order"},
			{Counts: true, Basis: "click", Partner: "RAVI", Name: "Ravi Kumar",
				Verdict: "clicked 2 days before payment, within the window of 30 days; but promo comes first"},
			{Basis: "click", Partner: "MEERA", Name: "मीरा शर्मा",
				Verdict: "clicked 41 days before payment, the window is 30 days"},
		},
		Messages: []Message{{At: ago(3 * hour), What: "payment success, ₹1,499.00",
			Result: "credited", Times: 3},
			{At: ago(2 * hour), What: "refund succeeded 5550001, ₹300.00", Result: "recorded", Times: 1}},
		Answers: []Answer{{At: ago(3*hour - 4*time.Second), Asked: "order 4812", Said: "success",
			Paise: 149900}},
		Handed: []Handed{{At: ago(3 * hour), State: "taken", Tries: 1}},
		Entries: []Entry{{Seq: 91, At: ago(3 * hour), Kind: "earn", Debit: "expense",
			Credit: "partner:ASHA", Amount: 14990, Hash: strings.Repeat("a3f1", 16)},
			{Seq: 97, At: ago(2 * hour), Kind: "reverse", Debit: "partner:ASHA", Credit: "expense",
				Amount: 3000, Hash: strings.Repeat("09be", 16)}},
		Message: []Field{{"TXNID", galleryTxn(0)}, {"TXNAMOUNT", "1499.00"}, {"STATUS",
			"TXN_SUCCESS"}, {"CUSTID", "98••••••21"}},
		CanAccept: true, CanRefuse: true,
	}
	conflict := full
	conflict.Status, conflict.Conflict, conflict.CanConfirm, conflict.AskAmount = "success",
		galleryConflict, true, true
	conflict.Commission = &Commission{Amount: 5000, State: "held", Rate: "10 %", By: "tier",
		Sales: 9000000, Cap: 5000, Program: 1,
		Blocks: []Block{{Code: "conflict", Text: galleryConflict}, {Code: "unconfirmed"},
			{Code: "dispute"}, {Code: "merchant"}}}
	conflict.Confirmation = Confirmation{State: "waiting", Next: ago(-time.Minute),
		Trouble: "Paytm's status API answered HTTP 503: Paytm has a fault: ask again later"}
	conflict.Handed = []Handed{{ago(hour), "never", 9, "the shop can't be reached: connection refused"},
		{ago(hour), "waits", 0, ""}}
	conflict.Form = Form{Values: map[string]string{"amount": "1499,5"},
		Errors: map[string]string{"amount": "amount", "reason": "needed"}}
	paid := full
	paid.Commission = &Commission{Amount: 14990, State: "paid", Rate: "₹50.00", By: "code",
		Code: "ASHA10", Payout: 17, DueAt: ago(99 * hour), FixedAt: ago(99 * hour)}
	paid.CanAccept, paid.Refunded, paid.Mode = false, 0, "HYBRID"
	paid.Parts = []Part{{"UPI", 100000}, {"PPI", 49900}, {"EMI", -1}}
	paid.Words = []Word{{ago(5 * hour), "Meera Iyer", "accept", "a gift, says Asha"}}
	paid.Confirmation = Confirmation{State: "agreed", Person: true, At: ago(5 * hour),
		Reason: "seen on the dashboard"}
	nobody := Payment{TxnID: galleryTxn(3), Known: true, Status: "success", Amount: 64900,
		PaidAt: ago(hour), Currency: "USD",
		Why: "paid in USD: commissions are in rupees only", Confirmation: Confirmation{State: "expired"},
		CanConfirm: true,
		Messages:   full.Messages[:1]}
	failed := nobody
	failed.Status, failed.Confirmation, failed.CanConfirm = "failed", Confirmation{State: "denied"}, false
	off := nobody
	off.Status, off.Confirmation, off.Commission = "pending", Confirmation{State: "off"},
		&Commission{Rate: "12 %", By: "partner", State: "due", DueAt: ago(hour)}
	none := off
	none.Commission = &Commission{By: "exhausted", State: "reversed"}
	unknown := Payment{TxnID: galleryTxn(4), Messages: full.Messages[1:]}
	return []Sample{
		{Name: "payment/held", Page: full}, {Name: "payment/conflict", Page: conflict},
		{Name: "payment/paid", Page: paid},
		{Name: "payment/nobody", Page: nobody}, {Name: "payment/failed", Page: failed},
		{Name: "payment/due", Page: off},
		{Name: "payment/exhausted", Page: none}, {Name: "payment/unknown", Page: unknown},
		{Name: "payment/hostile", Page: hostilePayment()},
	}
}

func hostilePayment() Payment {
	p := Payment{TxnID: nasty(6), Known: true, Order: nasty(0), Status: nasty(1), Mode: nasty(2),
		RRN: nasty(3), Conflict: nasty(4),
		Partner: nasty(6), Name: nasty(7), PaidAt: galleryNow, Why: nasty(1), CanConfirm: true,
		AskAmount: true, CanRefuse: true,
		Confirmation: Confirmation{State: nasty(1), Person: true, Reason: nasty(0), At: galleryNow},
		Commission: &Commission{State: nasty(1), Rate: nasty(0), By: "code", Code: nasty(4),
			DueAt:  galleryNow,
			Blocks: []Block{{Code: "abuse", Text: nasty(0)}}},
		Form: Form{Values: map[string]string{"reason": nasty(1)},
			Errors: map[string]string{"reason": nasty(0)}}}
	for i := range hostile {
		p.Candidates = append(p.Candidates, Candidate{Basis: nasty(i), Partner: nasty(i + 1),
			Name: nasty(i), Verdict: nasty(i + 2)})
		p.Messages = append(p.Messages, Message{What: nasty(i), Result: nasty(i + 1), Times: 1,
			Note: nasty(i + 2)})
		p.Answers = append(p.Answers, Answer{Asked: nasty(i), Said: nasty(i + 1), Text: nasty(i)})
		p.Message = append(p.Message, Field{nasty(i), nasty(i + 1)})
		p.Entries = append(p.Entries, Entry{Kind: nasty(i), Debit: nasty(i), Credit: nasty(i + 1),
			Hash: nasty(i)})
		p.Words = append(p.Words, Word{Who: nasty(i), Say: nasty(i + 1), Reason: nasty(i)})
	}
	return p
}

func needsSamples() []Sample {
	var list []Sample
	why := map[string]string{
		"conflict": galleryConflict,
		"abuse": "the customer seems to be ASHA: the same mobile number and UPI id; " +
			"7 promo codes were tried on the order",
		"dispute":  "the customer disputes the payment",
		"denied":   "a message said success, Paytm's API says that it failed",
		"merchant": "the amount is not the one the shop named for the order",
		"expired":  "Paytm's API has known nothing since 19 Nov 2026",
		"unattributed": "no partner: the order was not bound to a click or a code, and the payment carries no " +
			"reference that is registered",
		"review": `payment: TXNAMOUNT "12,00" is not an amount in rupees such as 1499.00`,
	}
	waits := map[string]string{
		"refunds": "refund accepted of a payment that is not known", "forward": "the shop answered HTTP 500",
		"refused": "its signature does not fit the merchant key, or it names another shop",
	}
	labels := map[string]string{"refunds": "555000%d", "forward": "refund 555000%d", "refused": "198.51.100.%d/32"}
	for _, n := range galleryNeeds() {
		p := Needs{What: n.Kind, All: galleryNeeds()}
		for i, r := range galleryRows(12) {
			row := NeedRow{TxnID: r.TxnID, At: r.At, Amount: r.Amount, Partner: r.Partner, Name: r.Name,
				Held: r.Commission, Why: why[n.Kind]}
			if label := labels[n.Kind]; label != "" {
				row = NeedRow{Label: fmt.Sprintf(label, i), At: r.At, Why: waits[n.Kind]}
			}
			p.Rows = append(p.Rows, row)
		}
		list = append(list, Sample{Name: "needs/" + n.Kind, Page: p})
	}
	hard := Needs{What: "abuse", All: galleryNeeds(), Paging: Paging{Before: nasty(1), Older: nasty(0)}}
	for i := range hostile {
		hard.Rows = append(hard.Rows, NeedRow{TxnID: nasty(i), Label: nasty(i + 1), Partner: nasty(i),
			Name: nasty(i + 2), Why: nasty(i)})
	}
	return append(list, Sample{Name: "needs/none", Page: Needs{What: "review"}},
		Sample{Name: "needs/hostile", Page: hard})
}

func partnersSamples() []Sample {
	var rows []PartnerRow
	for i := range 25 {
		n := galleryNames[i%5]
		r := PartnerRow{Code: n.code, Name: n.name, State: "active", Clicks: int64(1893 / (i + 1)),
			Payments: int64(134 / (i + 1)),
			Sales:    int64(18425000 / (i + 1)), Commission: int64(1842500 / (i + 1)),
			Due: int64(482000 / (i + 1)), Held: 921300}
		if i > 4 {
			r.Code, r.Name = fmt.Sprintf("%s%d", n.code, i), fmt.Sprintf("%s %d", n.name, i)
		}
		if i%9 == 8 {
			r.State, r.Due = "disabled", 0
		}
		for _, d := range galleryDays(30) {
			r.Days = append(r.Days, d.Commission/int64(i+1))
		}
		rows = append(rows, r)
	}
	hard := []PartnerRow{{Code: nasty(0), Name: nasty(7), State: "disabled"}, {Code: nasty(6),
		Name: nasty(3), State: nasty(1)}}
	form := Form{Values: map[string]string{"name": "Asha Verma", "code": "as ha", "rate": "12"},
		Errors: map[string]string{"code": "codeform", "rate": "rate"}}
	imported := []ImportRow{{2, "ASHA", "Asha Verma", "same", "is there already"}, {3, "RAVI", "Ravi Kumar", "same",
		"is there already"},
		{4, "NEW1", "New One", "new", "disabled "}, {6, "RAVI2", "Ravi K.", "fault",
			"RAVI10 is taken: it is a promo of partner RAVI, and codes never move"}, {5, nasty(0), nasty(7), "fault", nasty(1)}}
	applied := []Application{{ID: 3, At: ago(5 * hour), Name: "Kabir Das", Email: "kabir@example.in",
		Mobile: "9811122233",
		Where:  "instagram.com/kabir, 40,000 followers", Note: "I cook with your tea.", Code: "KABIR",
		State: "open"},
		{ID: 2, At: ago(50 * hour), Name: nasty(7), Email: nasty(0), Where: nasty(2), Note: nasty(1),
			Code: nasty(4), State: "open"},
		{ID: 1, At: ago(90 * hour), Name: "Old", State: "accepted", Code: "OLD"}, {ID: 0, Name: "No",
			State: "refused"}}
	return []Sample{
		{Name: "partners/full", Page: Partners{Rows: rows, Paging: Paging{Older: "RAVI9"},
			Applications: 2, Join: true}},
		{Name: "partners/one", Page: Partners{Rows: rows[:1]}}, {Name: "partners/nothing",
			Page: Partners{Nothing: true}},
		{Name: "partners/no-match", Page: Partners{Text: "zz", State: "disabled"}},
		{Name: "partners/hostile", Page: Partners{Rows: hard, Text: nasty(1),
			Paging: Paging{Older: nasty(0)}}},
		{Name: "partner-form/new", Page: PartnerForm{Rate: "10%"}}, {Name: "partner-form/wrong",
			Page: PartnerForm{Form: form}},
		{Name: "partner-form/change", Page: PartnerForm{Code: nasty(0),
			Form: Form{Values: map[string]string{"name": nasty(1)}}}},
		{Name: "import/begin", Page: Import{Form: Form{Errors: map[string]string{"file": "file"}}}},
		{Name: "import/dry", Page: Import{Rows: imported, Dry: true, Text: "code,name\n" + nasty(0),
			New: 1, Changed: 1, Bad: 1}},
		{Name: "import/done", Page: Import{Rows: imported[:3], New: 1, Changed: 1}},
		{Name: "applications/some", Page: Applications{Rows: applied,
			Join: "https://go.chai.example/join", Open: 3,
			Form: Form{Values: map[string]string{"code": "ASHA"},
				Errors: map[string]string{"code": "taken"}}}},
		{Name: "applications/off", Page: Applications{}},
	}
}

func partnerSamples() []Sample {
	link := "https://go.chai.example/r/ASHA"
	full := Partner{Code: "ASHA", Name: "Asha Verma", State: "active", Since: ago(4000 * hour),
		Held: 9213000, HeldUntil: ago(-30 * hour),
		Due: 4813050, Paid: 1_24_300_00, Range: galleryRange("30d", 30), Sums: Sums{Sales: 18425000,
			Commission: 1842500, Clicks: 1893, Payments: 134, Attributed: 134},
		Days: galleryDays(30), Links: []Link{{URL: link}, {URL: link + "?sub=instagram", Sub: "instagram"}},
		Promos: []Code{{"ASHA10", "", ago(4000 * hour)}, {"DIWALI", "15 %", ago(800 * hour)}},
		Refs:   []Code{{"LI_77120", "", ago(100 * hour)}},
		Rates: []RateChange{{At: ago(700 * hour), Rate: "12 %"}, {At: ago(800 * hour), Rate: "15 %",
			Of: "DIWALI"}, {}},
		Subs: []Sub{{"instagram", 1204, 92, 1210000}, {"youtube", 602, 40, 602500}, {"", 87, 2,
			30000}}, MoreSubs: true,
		Customers: Customers{On: true, Count: 61, Rows: []Customer{{"c-••••41", ago(900 * hour),
			ago(-8000 * hour), 4, 59960}}},
		Payee: Payee{Name: "Asha Verma", VPA: "asha@upi", Account: "••••••4417",
			IFSC: "SBIN0001234", PAN: "ABC••••••F", Email: "asha@example.in"},
		Latest: galleryRowsOf("ASHA", 5), Access: Access{State: "active", At: ago(2000 * hour)}}
	fresh := Partner{Code: "NEW1", Name: "New One", State: "active", Since: ago(time.Minute),
		Range: galleryRange("7d", 7), Days: galleryDays(7),
		Links: []Link{{URL: "https://go.chai.example/r/NEW1"}}, Rates: []RateChange{{}},
		Access: Access{State: "none", Mail: "new.one@example.in"}}
	invited := fresh
	invited.Access = Access{State: "invited", At: ago(time.Minute),
		Link: "https://go.chai.example/partner/welcome/5mK2hT7QfXo", Until: ago(-72 * hour),
		Mail: "new.one@example.in"}
	invited.State = "disabled"
	shut := full
	shut.Access = Access{State: "shut", At: ago(hour), Mail: "asha@example.in"}
	hard := full
	hard.Code, hard.Name, hard.Links = nasty(6), nasty(7), []Link{{URL: nasty(2)}, {URL: nasty(0)},
		{URL: nasty(7)}}
	hard.Promos, hard.Refs = []Code{{nasty(1), nasty(0), galleryNow}}, []Code{{nasty(4), nasty(0),
		galleryNow}}
	hard.Payee = Payee{nasty(0), nasty(1), nasty(2), nasty(3), nasty(4), nasty(5), nasty(6)}
	hard.Subs = []Sub{{Sub: nasty(0)}, {Sub: nasty(7)}}
	return []Sample{{Name: "partner/full", Page: full}, {Name: "partner/fresh", Page: fresh},
		{Name: "partner/invited", Page: invited}, {Name: "partner/shut", Page: shut}, {Name: "partner/hostile", Page: hard}}
}
