package main

// The page of tax deducted from commissions: one quarter, or a year, by section of the Act and by partner.

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"time"

	"hissa/web"
)

// pageTDS shows the tax of a quarter: year, quarter; the current one without them. With format=csv it is the
// file that hissa tds writes, which has whole PANs and is for those who pay.
func (s *server) pageTDS(v *visit) error {
	query := v.URL.Query()
	year, _ := strconv.Atoi(query.Get("year"))
	quarter, _ := strconv.Atoi(query.Get("quarter"))
	if quarter < 0 || quarter > 4 || year != 0 && (year < 2000 || year > 2100) {
		return problem{http.StatusBadRequest, ""}
	}
	now := s.store.now()
	span := quarterOf(now, year, quarter)
	list, err := s.store.Deductions(v.Context(), span)
	if err != nil {
		return err
	}
	if query.Get("format") == "csv" {
		if !slices.Contains(whoPays, v.session.Role) {
			return problem{http.StatusForbidden, ""}
		}
		return v.taxFile(span, list)
	}
	page := web.TDS{Year: financialYear(span.From), ThisYear: financialYear(now), From: span.From,
		LastDay: span.To.AddDate(0, 0, -1), Sections: taxSections(list), Off: !s.config.TDS.Deduct}
	if year == 0 || quarter > 0 {
		page.Quarter = quarterIn(span.From)
	}
	page.FirstYear = page.ThisYear
	if err := s.store.read(v.Context(), func(r rows) error {
		var first int64
		if err := r.one(q("first-statement"), args{}, &first); err != nil {
			return err
		}
		if first > 0 {
			page.FirstYear = financialYear(fromMillis(&first))
		}
		return r.creditedIn(span, page.Sections)
	}); err != nil {
		return err
	}
	return v.show(page)
}

// taxFile is what hissa tds -format csv writes.
func (v *visit) taxFile(span Span, list []Deduction) error {
	var cells [][]string
	for _, d := range list {
		cells = append(cells, d.record().cells())
	}
	var text bytes.Buffer
	if err := writeCSV(&text, Deduction{}.record().names(), cells); err != nil {
		return err
	}
	name := "tds-" + span.From.In(ist).Format(time.DateOnly) + ".csv"
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	return v.write(http.StatusOK, "text/csv; charset=utf-8", text.Bytes())
}

// taxSections adds up what was deducted, less what was given back, by section, partner and rate.
func taxSections(list []Deduction) (sections []web.TaxSection) {
	for _, d := range list {
		i := slices.IndexFunc(sections, func(s web.TaxSection) bool { return s.Section == d.Section && s.Code == d.Code })
		if i < 0 {
			i = len(sections)
			sections = append(sections, web.TaxSection{Section: d.Section, Code: d.Code})
		}
		s, rate := &sections[i], rateText(Rate{BPS: d.BPS})
		j := slices.IndexFunc(s.Rows, func(r web.TaxRow) bool { return r.Partner == d.Partner && r.Rate == rate })
		if j < 0 {
			j = len(s.Rows)
			s.Rows = append(s.Rows, web.TaxRow{Partner: d.Partner, Name: d.To.Name, PAN: lastDigits(d.To.pan()), Rate: rate})
		}
		s.Rows[j].Taxed, s.Taxed = s.Rows[j].Taxed+d.Base, s.Taxed+d.Base
		s.Rows[j].Deducted, s.Deducted = s.Rows[j].Deducted+d.Amount, s.Deducted+d.Amount
	}
	return sections
}

// creditedIn fills in what the statements credited that were approved in a stretch of time, and what of it
// has been paid out.
func (r rows) creditedIn(span Span, sections []web.TaxSection) error {
	for i := range sections {
		section := &sections[i]
		for j := range section.Rows {
			row := &section.Rows[j]
			list, err := r.statementsOf(q("statements-of-partner"), args{row.Partner})
			if err != nil {
				return err
			}
			for _, s := range list {
				at := s.creditedAt()
				if s.Tax == nil || !s.credited() || at.Before(span.From) || !at.Before(span.To) ||
					s.Tax.Section != section.Section || rateText(Rate{BPS: s.Tax.BPS}) != row.Rate {
					continue
				}
				row.Credited += s.Payable
				if s.State() == "paid" {
					row.Paid += s.Amount()
				}
			}
			section.Credited, section.Paid = section.Credited+row.Credited, section.Paid+row.Paid
		}
	}
	return nil
}
