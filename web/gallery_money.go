package web

import (
	"fmt"
	"strings"
	"time"
)

func galleryStatements(n int) []StatementRow {
	states := []string{"draft", "draft", "approved", "held", "sent", "paid", "carried", "declined",
		"replaced", "failed", "reversed"}
	var rows []StatementRow
	for i := range n {
		who := galleryNames[i%5]
		r := StatementRow{ID: int64(117 - i), Partner: who.code, Name: who.name,
			At: ago(time.Duration(i*i) * hour), State: states[i%len(states)],
			Closing: int64(1842500 / (i + 1)), Held: int64(521000 / (i + 1))}
		r.Payable = r.Closing - r.Held
		if r.State == "held" {
			r.Reason = "asked Ravi about the refunds"
		}
		rows = append(rows, r)
	}
	return rows
}

func galleryStatement() Statement {
	s := Statement{ID: 117, Partner: "ASHA", Name: "Asha Verma", From: ago(30 * 24 * hour),
		At: ago(hour), State: "draft",
		Opening: 120000, Closing: 1842500, Held: 521000, Payable: 1321500, Minimum: 50000,
		Amount: 1295100, TakenBack: 20000,
		Tax:    &Tax{Amount: 26400, Section: "393(1)", Rate: "2 %", Base: 1321500, Credited: 1900000},
		Allows: []string{"approved", "held", "declined"}, Key: strings.Repeat("9c41d0", 10) + "77aa"}
	for i, r := range galleryRows(14) {
		kind, amount := "earn", r.Amount/10
		if i%5 == 4 {
			kind, amount = "reverse", -r.Amount/20
		}
		s.Entries = append(s.Entries, StatementEntry{At: ago(time.Duration(700-i*40) * hour),
			Kind: kind, TxnID: r.TxnID, Amount: amount})
		s.Pays = append(s.Pays, StatementLine{TxnID: r.TxnID, Amount: r.Amount / 10,
			DueAt: ago(time.Duration(i) * hour)})
	}
	s.Entries = append(s.Entries, StatementEntry{At: ago(300 * hour), Kind: "pay", Payout: 98,
		UTR: "SBIN326112204417", Amount: -99000})
	s.Holds = []StatementLine{{galleryTxn(20), 14990, ago(-300 * hour), []string{"period"}},
		{galleryTxn(21), 5000, ago(hour), []string{"conflict", "unconfirmed"}}}
	return s
}

func statementsSamples() []Sample {
	paid := galleryStatement()
	paid.State, paid.Allows = "paid", nil
	paid.Tax.Deducted = true
	paid.Steps = []Step{{At: ago(50 * hour), Who: "Meera Iyer", Step: "approved"}, {At: ago(40 * hour),
		Who: "Meera Iyer", Step: "sent", Way: "file 3"},
		{At: ago(20 * hour), Who: "Ravi (accounts)", Step: "paid", UTR: "SBIN326112204417"}}
	small := Statement{ID: 9, Partner: "RAVI", Name: "Ravi Kumar", At: ago(hour), State: "carried",
		Closing: 14990, Payable: 14990, Minimum: 50000, Amount: 14990}
	wrong := galleryStatement()
	wrong.Form = Form{Errors: map[string]string{"reason": "needed"}}
	hard := Statement{ID: 1, Partner: nasty(0), Name: nasty(7), At: galleryNow, State: nasty(1),
		Key: nasty(3), Tax: &Tax{Section: nasty(0), Rate: nasty(1)},
		Allows: []string{"approved", "declined"}, Steps: []Step{{At: galleryNow, Who: nasty(0),
			Step: nasty(1), Way: nasty(2), UTR: nasty(4), Reason: nasty(7)}},
		Entries: []StatementEntry{{Kind: nasty(1), TxnID: nasty(0)}, {Kind: nasty(0), Payout: 1,
			UTR: nasty(1)}},
		Pays: []StatementLine{{TxnID: nasty(0)}}, Holds: []StatementLine{{TxnID: nasty(1),
			Blocks: []string{"abuse"}}}}
	return []Sample{
		{Name: "statements/open", Page: Statements{Show: "open", Rows: galleryStatements(8),
			Minimum: 50000}},
		{Name: "statements/all", Page: Statements{Show: "all", Rows: galleryStatements(50),
			Paging: Paging{Before: "190", Older: "67"}, Partner: "ASHA"}},
		{Name: "statements/partly", Page: Statements{Show: "open", Rows: galleryStatements(3),
			Approved: []int64{116, 115}, Refused: []LeftOut{
				{114, "RAVI", "statement 114 must not be paid any more: the commission of T1 is reversed by now. " +
					"hissa statement draft -partner RAVI makes a new one"}, {113, nasty(6), nasty(0)}}}},
		{Name: "statements/nothing", Page: Statements{Show: "open", Nothing: true, Due: 482000}},
		{Name: "statements/done", Page: Statements{Show: "open"}}, {Name: "statements/none",
			Page: Statements{Show: "all", Partner: nasty(0)}},
		{Name: "statement/draft", Page: galleryStatement()}, {Name: "statement/wrong", Page: wrong},
		{Name: "statement/paid", Page: paid},
		{Name: "statement/carried", Page: small}, {Name: "statement/hostile", Page: hard},
	}
}

func payoutsSamples() []Sample {
	states := []string{"approved", "sent", "sent", "paid", "failed", "reversed"}
	var rows []PayoutRow
	for i := range 12 {
		who := galleryNames[i%5]
		r := PayoutRow{ID: int64(117 - i), Partner: who.code, Name: who.name,
			Amount: int64(1842500 / (i + 1)), State: states[i%6], Since: ago(time.Duration(i*i) * hour)}
		if r.State != "approved" {
			r.Way = "file 3"
		}
		if r.State == "paid" {
			r.UTR = fmt.Sprintf("SBIN3261122044%02d", i)
		}
		rows = append(rows, r)
	}
	payee := Payee{Name: "Asha Verma", VPA: "asha@upi", Account: "30211004417", IFSC: "SBIN0001234",
		PAN: "ABC••••••F"}
	approved := Payout{ID: 117, Partner: "ASHA", Name: "Asha Verma", Amount: 1295100, State: "approved",
		Payee: payee, Note: "Payout 117 go.chai.example",
		Allows: []string{"sent", "paid"}, Steps: []Step{{At: ago(hour), Who: "Meera Iyer",
			Step: "approved"}},
		Tax: &Tax{Amount: 26400, Section: "393(1)", Rate: "2 %", Deducted: true}}
	sent := approved
	sent.State, sent.Allows = "sent", []string{"sent", "paid", "failed"}
	sent.UPI = "upi://pay?pa=asha@upi&pn=Asha%20Verma&am=12951.00&cu=INR&tn=Payout%20117%20go.chai.example"
	sent.Form = Form{Values: map[string]string{"utr": "12"}, Errors: map[string]string{"utr": "utr"}}
	paid := approved
	paid.State, paid.Allows = "paid", []string{"reversed"}
	paid.Steps = append(paid.Steps, Step{At: ago(0), Who: "Meera Iyer", Step: "paid", UTR: "632611220417"})
	bare := approved
	bare.Payee, bare.Tax = Payee{}, nil
	hard := sent
	hard.UPI, hard.Note, hard.Name, hard.Partner, hard.State = nasty(2), nasty(1), nasty(7), nasty(0),
		nasty(4)
	hard.Payee = Payee{nasty(0), nasty(1), nasty(2), nasty(3), nasty(4), nasty(5), nasty(6)}
	return []Sample{
		{Name: "payouts/open", Page: Payouts{Show: "open", Rows: rows, Ready: 3, Total: 2741000,
			Left: []LeftOut{{116, "RAVI", "no bank account: hissa partner set RAVI -account … " +
				"-ifsc …, or hissa payout qr 116"}},
			Files:  []BankFile{{3, ago(40 * hour), 5, 4412000, 2}, {2, ago(900 * hour), 11, 9921000, 0}},
			Paging: Paging{Older: "105"}}},
		{Name: "payouts/none", Page: Payouts{Show: "open"},
			Frame: Frame{Fault: "ASHA: payout 117 is on its way: say hissa payout paid or failed first"}},
		{Name: "payouts/hostile", Page: Payouts{Show: "all", Left: []LeftOut{{1, nasty(0), nasty(7)}},
			Rows: []PayoutRow{{ID: 1, Partner: nasty(0), Name: nasty(7), Way: nasty(1), UTR: nasty(4),
				State: nasty(1), Reason: nasty(0)}}}},
		{Name: "payout/approved", Page: approved}, {Name: "payout/sent", Page: sent},
		{Name: "payout/paid", Page: paid},
		{Name: "payout/bare", Page: bare}, {Name: "payout/hostile", Page: hard},
	}
}

func settingsSamples() []Sample {
	sections := []SettingsSection{
		{"", []Setting{{Key: "listen", Value: `"127.0.0.1:8080"`,
			Doc: "Where Hissa listens, in plain HTTP."},
			{Key: "public_url", Value: `"https://go.chai.example"`, Line: 18,
				Doc: "How the world reaches it: links and the webhook begin with this."}}},
		{"commission", []Setting{{Key: "rate", Value: `"10%"`, Line: 61,
			Doc: "What a partner earns of a payment."},
			{Key: "hold", Value: `"14d"`, Line: 62, Doc: "How long after the payment it becomes due."}}},
		{nasty(0), []Setting{{Key: nasty(1), Value: nasty(7), Line: 3, Doc: nasty(4)}}},
	}
	facts := []Field{{"version", "1.0.0, 8f12ab4"}, {"sqlite", "3.51.0"}, {"database",
		"/var/lib/hissa/shop.db, 412 MB"}, {nasty(0), nasty(1)}}
	keys := []Key{{"checkout", "orders", ago(900 * hour), time.Time{}}, {"old", "read",
		ago(9000 * hour), ago(100 * hour)}, {nasty(1), nasty(0), galleryNow, time.Time{}}}
	people := []Person{{1, "Meera Iyer", "meera@shop.in", "owner", "active", true, ago(5 * time.Minute),
		true},
		{2, "Ravi", "ravi@shop.in", "finance", "invited", false, time.Time{}, false}, {3, nasty(7),
			nasty(0), "viewer", "disabled", false, ago(999 * hour), false}}
	acts := []Act{{At: ago(5 * time.Minute), Who: "Meera Iyer", Did: "statement-approved", About: "117",
		Link: "/admin/statements/117", From: "203.0.113.0/24"},
		{At: ago(2 * hour), Who: "Ravi", Did: "payment-agreed", About: galleryTxn(2),
			Link: "/admin/payments/" + galleryTxn(2), Note: "seen on the dashboard"},
		{At: ago(3 * hour), Who: "root (command)", Did: "key-added", About: "checkout", Note: "orders"},
		{At: ago(3 * hour), Who: "Ravi", Did: "partner-changed", About: "ASHA", Note: "rate 12%, UPI id, as agreed"},
		{At: ago(3 * hour), Who: "Ravi", Did: "signed-in"},
		{At: galleryNow, Who: nasty(0), Did: nasty(1), About: nasty(4),
			Link: "//evil.example/" + nasty(2), Note: nasty(7), From: nasty(3)}}
	return []Sample{
		{Name: "settings/full", Page: Settings{File: "/etc/hissa/shop.toml", Sections: sections[:2],
			Facts: facts[:3]}},
		{Name: "settings/changed", Page: Settings{File: nasty(1), Sections: sections, Facts: facts,
			Changed: true}},
		{Name: "keys/some", Page: Keys{Rows: keys, Form: Form{Errors: map[string]string{"name": "taken"}}}},
		{Name: "keys/made", Page: Keys{Rows: keys[:1], Name: "checkout",
			New: "hk_5mK2hT7QfXoB0w3vZr8n1Yd4"}}, {Name: "keys/none", Page: Keys{}},
		{Name: "people/some", Page: People{Rows: people}},
		{Name: "people/link", Page: People{Rows: people[:2], Mail: true,
			Link: "https://go.chai.example/admin/welcome/5mK2hT7QfXo", For: "Ravi", Until: ago(-48 * hour),
			Form: Form{Values: map[string]string{"role": "finance"},
				Errors: map[string]string{"email": "email"}}}},
		{Name: "acts/some", Page: Acts{Rows: acts, Paging: Paging{Older: "9"}}}, {Name: "acts/none",
			Page: Acts{}},
		{Name: "acts/who", Page: Acts{Rows: acts, Who: nasty(0), About: nasty(1)}},
	}
}

func tdsSamples() []Sample {
	row := func(who int, pan, rate string, credited, taxed, deducted, paid int64) TaxRow {
		return TaxRow{Partner: galleryNames[who].code, Name: galleryNames[who].name, PAN: pan, Rate: rate,
			TaxSums: TaxSums{credited, taxed, deducted, paid}}
	}
	full := TDS{Year: 2026, FirstYear: 2025, ThisYear: 2026, Quarter: 3, From: time.Date(2026, 10, 1, 0, 0, 0, 0, IST),
		LastDay: time.Date(2026, 12, 31, 0, 0, 0, 0, IST), Sections: []TaxSection{{Section: "393(1)",
			Code: "1006", Rows: []TaxRow{row(0, "••••••234F", "2 %", 1321500, 3221500, 64400, 1257100),
				row(2, "", "20 %", 2150000, 2150000, 430000, 0), row(3, "••••••871K", "2 %", -40000,
					-40000, -800, 0)}, TaxSums: TaxSums{3431500, 5331500, 493600, 1257100}}}}
	year := full
	year.Quarter, year.Year, year.From = 0, 2025, time.Date(2025, 4, 1, 0, 0, 0, 0, IST)
	year.LastDay = time.Date(2026, 3, 31, 0, 0, 0, 0, IST)
	hard := full
	hard.Sections = []TaxSection{{Section: nasty(0), Code: nasty(1), Rows: []TaxRow{{Partner: nasty(6),
		Name: nasty(7), PAN: nasty(2), Rate: nasty(3)}}}}
	none := TDS{Year: 2026, FirstYear: 2026, ThisYear: 2026, Quarter: 3, From: full.From, LastDay: full.LastDay}
	off := none
	off.Off = true
	return []Sample{{Name: "tds/quarter", Page: full}, {Name: "tds/year", Page: year},
		{Name: "tds/none", Page: none}, {Name: "tds/off", Page: off}, {Name: "tds/hostile", Page: hard}}
}
