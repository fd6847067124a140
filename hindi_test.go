package main

// On Hindi pages what the program words is Hindi. Every page that a test looks at is looked at in Hindi too, and
// so is the page of each of the last payments in the books when a test ends; web/reasons_test.go reads the source.

import (
	"bytes"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hissa/web"
)

var (
	inEnglish = regexp.MustCompile(`<(?:bdi|span)[^>]* lang="en"[^>]*>([^<]*)<`)
	twoWords  = regexp.MustCompile(`\pL{2,}[ ,:;]+\pL{2,}`)

	// othersWords are what Paytm, or a file from elsewhere, says.
	othersWords = []string{"Txn Success", "Invalid Order Id", "Your payment has been declined by your bank.", "a link preview",
		"Looks like the payment is not complete. Please wait while we confirm the status with your bank."}
)

// wantHindi finds sentences on a Hindi page that are marked as English.
func wantHindi(t testing.TB, where, page string) {
	t.Helper()
	if !strings.Contains(page, `<html lang="hi">`) {
		t.Errorf("%s is no Hindi page: %.300s", where, plainText(page))
	}
	for _, m := range inEnglish.FindAllStringSubmatch(page, -1) {
		text := html.UnescapeString(m[1])
		theirs := slices.Contains(othersWords, text) || strings.Contains(text, hostileText)
		if twoWords.MatchString(text) && !theirs {
			t.Errorf("%s in Hindi has %q, which web/words/reasons-hi.toml lacks", where, text)
		}
	}
}

const paymentsInHindi = 20

// inHindi looks at the pages of the newest payments in the books.
func (b *books) inHindi() {
	b.Helper()
	ids, err := b.newestPayments()
	if err != nil {
		b.Errorf("the newest payments, to look at in Hindi: %v", err)
	}
	for _, id := range ids {
		story, err := b.Story(b.ctx(), id)
		if err != nil || story.Txn == nil {
			b.Errorf("payment %s, to look at in Hindi: %v", id, err)
			continue
		}
		page := story.page(b.now())
		var text bytes.Buffer
		frame := web.Frame{Lang: "hi", Role: "owner", Path: "/admin/payments/" + id, Now: b.now()}
		if err := page.Render(&text, frame); err != nil {
			b.Errorf("payment %s in Hindi: %v", id, err)
		}
		wantHindi(b, "the page of payment "+id, text.String())
	}
}

func (b *books) newestPayments() (ids []string, err error) {
	err = b.read(b.ctx(), func(r rows) error {
		found, err := r.payments(paymentFilter{Amount: -1}, newest, paymentsInHindi, b.now())
		for _, l := range found.Lines {
			ids = append(ids, l.TxnID)
		}
		return err
	})
	return ids, err
}
