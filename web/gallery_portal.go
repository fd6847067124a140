package web

import "time"

func gallerySales(n int) []Sale {
	var list []Sale
	for i, r := range galleryRows(n) {
		s := Sale{TxnID: r.TxnID, At: r.At, Amount: r.Amount, Commission: r.Amount / 10,
			DueAt: ago(time.Duration(-20*i) * hour),
			State: []string{"held", "due", "held", "paid", "reversed"}[i%5], Basis: []string{"click",
				"promo"}[i%2], Via: []string{"instagram", "ASHA10"}[i%2]}
		if s.State == "held" {
			s.Blocks = []string{[]string{"period", "unconfirmed", "abuse"}[i%3]}
		}
		if s.State == "reversed" {
			s.Refunded, s.Commission = s.Amount, 0
		}
		list = append(list, s)
	}
	return list
}

func portalSamples() []Sample {
	link := Link{URL: "https://go.chai.example/r/ASHA"}
	full := Earnings{Code: "ASHA", Name: "Asha Verma", Range: galleryRange("30d", 30),
		Sums:   Sums{Commission: 1842500, Clicks: 1893, Payments: 134},
		Before: Sums{Commission: 1510000}, Held: 921300, Due: 481300, Paid: 1_24_300_00,
		Days: galleryDays(30), Latest: gallerySales(6), Link: link,
		Releases: []Release{{ago(-20 * hour), 214000, 12}, {ago(-44 * hour), 91000, 4}}, Rate: "12 %",
		Hold: 14 * 24 * hour, Minimum: 50000, Details: true}
	nothing := Earnings{Code: "NEW1", Range: galleryRange("7d", 7), Link: link, Rate: "10 %",
		Hold: 14 * 24 * hour, Nothing: true}
	hard := full
	hard.Name, hard.Link, hard.Rate, hard.Details = nasty(7), Link{URL: nasty(2)}, nasty(0), false
	hard.Latest = []Sale{{TxnID: nasty(0), Basis: nasty(1), Via: nasty(7), State: nasty(4), At: galleryNow}}
	clicks := []Click{{ago(20 * time.Second), "instagram", true, ""}, {ago(9 * time.Minute), "", false,
		"a link preview (WhatsApp)"}, {ago(50 * hour), nasty(7), false, nasty(0)}}
	links := Links{Link: Link{URL: link.URL + "?sub=instagram", Sub: "instagram"},
		Share:  "Chai that I like: https://go.chai.example/r/ASHA?sub=instagram",
		Promos: []Code{{"ASHA10", "", galleryNow}, {"DIWALI", "15 %", galleryNow}},
		Refs:   []Code{{"LI_77120", "", galleryNow}},
		Subs:   []Sub{{"instagram", 1204, 92, 1210000}, {"", 87, 2, 30000}}}
	hardLinks := Links{Link: Link{URL: nasty(1), Sub: nasty(1)}, Share: nasty(1),
		Promos: []Code{{nasty(0), nasty(1), galleryNow}}, More: true,
		Subs: []Sub{{Sub: nasty(0)}}, Form: Form{Errors: map[string]string{"sub": "codeform"}}}
	statement := galleryStatement()
	statement.Allows, statement.State = nil, "approved"
	return []Sample{
		{Name: "earnings/full", Page: full}, {Name: "earnings/nothing", Page: nothing},
		{Name: "earnings/hostile", Page: hard},
		{Name: "sales/full", Page: Sales{Rows: gallerySales(50), Clicks: clicks,
			Paging: Paging{Older: "44"}}},
		{Name: "sales/nothing", Page: Sales{Nothing: true, Link: link}}, {Name: "sales/no-match",
			Page: Sales{State: "paid", Clicks: clicks[:1]}},
		{Name: "links/full", Page: links}, {Name: "links/hostile", Page: hardLinks},
		{Name: "partner-statements/some", Page: PartnerStatements{Rows: galleryStatements(6),
			Key: galleryStatement().Key}},
		{Name: "partner-statements/none", Page: PartnerStatements{}},
		{Name: "partner-statements/statement", Page: statement},
		{Name: "details/full", Page: Details{Tax: true, Payee: Payee{Name: "Asha Verma",
			VPA: "asha@upi", Account: "••••••4417", IFSC: "SBIN0001234"},
			Form: Form{Values: map[string]string{"ifsc": "SBI"},
				Errors: map[string]string{"ifsc": "ifsc", "password": "password"}}}},
		{Name: "details/empty", Page: Details{}},
	}
}

func joinSamples() []Sample {
	return []Sample{
		{Name: "join/open", Page: Join{Rate: "10 %", Hold: 14 * 24 * hour, Minimum: 50000}},
		{Name: "join/wrong", Page: Join{Rate: nasty(0), Hold: hour,
			Form: Form{Values: map[string]string{"name": nasty(1), "note": "</textarea>" + nasty(0),
				"email": "x"},
				Errors: map[string]string{"email": "email", "where": "needed", "note": nasty(0)}}}},
		{Name: "join/done", Page: Join{Done: true}},
	}
}
