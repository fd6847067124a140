package main

import (
	"bytes"
	"fmt"
	"time"

	"hissa/paytm"
	"hissa/paytm/paytmtest"
)

// price of every payment, in paise.
const price = 149900

// till is the simulated Paytm of a run: it numbers the payments and signs the messages.
type till struct {
	paytm  *paytmtest.Paytm
	serial int64
}

func newTill() *till { return &till{paytm: paytmtest.New(paytmtest.Config{})} }

// payment is the signed message of one successful payment: 42 names, which is what the fullest
// messages of Paytm's payment webhook carry, many of them empty. Every name is documented: hissa
// does not trust a payment that brings names of its own.
func (t *till) payment(order string) (txnID string, body []byte) {
	t.serial++
	now := time.Now().In(paytm.IST)
	txnID = fmt.Sprintf("%s111212800110168%012d", now.Format("20060102"), t.serial)
	bank := fmt.Sprintf("%012d", 400000000000+t.serial)
	amount := paytm.FormatAmount(price)
	m := t.paytm.SignForm(map[string]string{
		"BANKNAME":                      "HDFC Bank",
		"BANKTXNID":                     bank,
		"CURRENCY":                      "INR",
		"CUSTID":                        fmt.Sprintf("CUST_%09d", t.serial%100000),
		"GATEWAYNAME":                   "HDFC",
		"MERC_UNQ_REF":                  "",
		"MID":                           t.paytm.MID(),
		"Masked_customer_mobile_number": "98XXXXXX10",
		"ORDERID":                       order,
		"PAYABLE_AMOUNT":                amount,
		"PAYMENTMODE":                   "CC",
		"PRN":                           "",
		"PROMO_CAMP_ID":                 "",
		"PROMO_RESPCODE":                "",
		"PROMO_STATUS":                  "",
		"REFUNDAMT":                     "0.00",
		"RESPCODE":                      "01",
		"RESPMSG":                       "Txn Success",
		"RESULTCODE":                    "S",
		"RRN":                           bank,
		"STATUS":                        "TXN_SUCCESS",
		"TXNAMOUNT":                     amount,
		"TXNDATE":                       now.Format(time.DateOnly),
		"TXNDATETIME":                   now.Format(time.DateTime) + ".0",
		"TXNID":                         txnID,
		"TXNTYPE":                       "SALE",
		"VPA":                           "",
		"cardHash":                      "b7a1f6c02c4f5bb8a0e94c3f3f0ad1f5d9f0f57b",
		"cardIndexNo":                   "202611231011bd6b8c1f2d3e4a5b6c7d8e9f",
		"cardScheme":                    "VISA",
		"clientId":                      "C11",
		"comments":                      "",
		"feeRateFactors":                `{"internationalCardPayment":"false","feeCode":"CC001"}`,
		"emiSubventionInfo":             "",
		"maskedCardNo":                  "411111******1111",
		"pccCode":                       "",
		"prepaidCard":                   "false",
		"riskInfo":                      "",
		"udf_1":                         "cart 8f14e45f-ceea-467f-a9d2-1c0b6e9f2b77",
		"udf_2":                         "web checkout, diwali sale",
		"udf_3":                         "",
	})
	return txnID, m.Body
}

// webhook makes the whole HTTP request of a payment.
func (t *till) webhook(order string) []byte {
	_, body := t.payment(order)
	return post("/webhooks/paytm", "application/x-www-form-urlencoded", "", body)
}

// post makes a whole request. Headers, when there are any, end with a line break.
func post(path, contentType, headers string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\n"+
		"Content-Length: %d\r\n%s\r\n", path, contentType, len(body), headers)
	b.Write(body)
	return b.Bytes()
}

// get makes a whole request as a phone's browser sends it, and a proxy hands it on.
func get(path, from string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: %s\r\n"+
		"Accept: text/html\r\nX-Forwarded-For: %s\r\n\r\n", path, browser, from)
}

// visitors are how many addresses the visitors come from. All these clicks from one address would be
// a burst, which hissa finds suspicious: nearly every click, and every payment that it brings.
const visitors = 20_000

// visitorAddress is one of those that RFC 2544 sets apart for benchmarks.
func visitorAddress(i int) string {
	return fmt.Sprintf("198.18.%d.%d", i/200%(visitors/200), 1+i%200)
}

const browser = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 " +
	"(KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36"
