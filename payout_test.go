package main

import (
	"bytes"
	"encoding/csv"
	"net/url"
	"strings"
	"testing"

	"rsc.io/qr"
)

// What partners are called and what columns say never becomes a formula, nor a file that a bank refuses.
func TestBankFile(t *testing.T) {
	config := &Config{PublicURL: &url.URL{Scheme: "https", Host: "go.shop.in"}}
	for _, text := range []string{"NAME={name}", "ACC={account}", "AMOUNT={amount}", "DATE={date}", "DAY={date/}",
		"NOTE={note}", "ID={id}", "BY=+1{partner}", "MAIL={email}"} {
		c, err := parsePayoutColumn(text)
		if err != nil {
			t.Fatal(err)
		}
		config.Payout.Columns = append(config.Payout.Columns, c)
	}
	pay := func(name, mail string) Payable {
		return Payable{&Statement{ID: 17, Partner: "ASHA", Payable: 123456}, Contact{Name: name, Account: "007", Email: mail}}
	}
	text, err := config.bankFile(noon, []Payable{
		pay("Asha & Co., \"Studio\"", ""), pay("=HYPERLINK(1)", "=a@b.in"), pay("@SUM+1", "\t-x@b.in"),
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"NAME|ACC|AMOUNT|DATE|DAY|NOTE|ID|BY|MAIL",
		"Asha Co. Studio|007|1234.56|22-11-2026|22/11/2026|Payout 17 go.shop.in|17|1ASHA|",
		"HYPERLINK 1|007|1234.56|22-11-2026|22/11/2026|Payout 17 go.shop.in|17|1ASHA|a@b.in",
		"SUM 1|007|1234.56|22-11-2026|22/11/2026|Payout 17 go.shop.in|17|1ASHA|x@b.in",
	} {
		if got := strings.Join(rows[i], "|"); got != want {
			t.Errorf("row %d is %s, want %s", i, got, want)
		}
	}
	for text, want := range map[string]string{
		"Asha Rao": "Asha Rao", "आशा": "", "  A..": "A", strings.Repeat("a", 39) + " bc": strings.Repeat("a", 39),
	} {
		if got := bankText(text); got != want {
			t.Errorf("a bank reads %q as %q, want %q", text, got, want)
		}
	}
}

// A spreadsheet shows what a statement says: texts stay texts, numbers numbers.
func TestNotFormula(t *testing.T) {
	for cell, want := range map[string]string{
		"": "", "T1": "T1", "-12.00": "-12.00", "=1+1": "'=1+1", "+91": "+91", "@x": "'@x", "-x": "'-x", "\tx": "'\tx",
	} {
		if got := notFormula(cell); got != want {
			t.Errorf("%q becomes %q, want %q", cell, got, want)
		}
	}
}

// The link in the QR has nothing in it but what payers' apps read, blanks as %20.
func TestUPILink(t *testing.T) {
	got := upiLink(Contact{Name: "Asha & Co.", VPA: "asha.1@okbank"}, 123450, "Payout 17 go.shop.in")
	const want = "upi://pay?pa=asha.1@okbank&pn=Asha%20Co&am=1234.50&cu=INR&tn=Payout%2017%20go.shop.in"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := upiLink(Contact{Name: "आशा", VPA: "a@b"}, 100, "x"); got !=
		"upi://pay?pa=a@b&pn="+url.QueryEscape("आशा")+"&am=1.00&cu=INR&tn=x" {
		t.Errorf("a name in another script: %s", got)
	}
}

// What is drawn in a terminal is the code, square for square, with four light squares around it.
func TestQRAsDrawn(t *testing.T) {
	code, err := qr.Encode("upi://pay?pa=asha@okbank&am=1.00&cu=INR&tn=Payout%2017", qr.M)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	writeQR(&text, code, false)
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	if len(lines) != (code.Size+8+1)/2 {
		t.Fatalf("%d lines for %d squares", len(lines), code.Size)
	}
	for i, line := range lines {
		squares := []rune(line)
		if len(squares) != code.Size+8 {
			t.Fatalf("line %d has %d squares", i, len(squares))
		}
		for j, c := range squares {
			for half, light := range []bool{c == '█' || c == '▀', c == '█' || c == '▄'} {
				x, y := j-4, 2*i+half-4
				inside := x >= 0 && y >= 0 && x < code.Size && y < code.Size
				if light == (inside && code.Black(x, y)) {
					t.Fatalf("the square at %d, %d is drawn light: %t", x, y, light)
				}
			}
		}
	}
}
