package paytm_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"hissa/paytm"
)

// A webhook handler reads the raw body, never the parsed form: a query string would be mixed into
// that, and nobody has signed it.
func ExampleParse() {
	key, err := paytm.NewKey("vK9@xPq#72mLzR&d")
	if err != nil {
		log.Fatal(err)
	}
	body := []byte("ORDERID=ORD_1001&MID=AFFDEM00000000000001" +
		"&TXNID=20260115111212800110168000000000001&TXNAMOUNT=1499.00&PAYMENTMODE=UPI" +
		"&CURRENCY=INR&TXNDATE=2026-01-15&TXNDATETIME=2026-01-15+13%3A03%3A05.0" +
		"&STATUS=TXN_SUCCESS&RESPCODE=01&RESPMSG=Txn+Success&GATEWAYNAME=PPBLC" +
		"&BANKTXNID=601512345678&BANKNAME=&CUSTID=CUST_001&MERC_UNQ_REF=clk_8f3a2b" +
		"&CHECKSUMHASH=NoPIUyolnfKGK6s2Y8ha%2FOpep%2Bo2uYZwVAyjiSXbJAhIpLimZaw8QdTcp%2B0P1L" +
		"wGTdJWvrr3wr3rOQbLmr7mBBkf8XdZbvaeo2L%2FzlA4UGM%3D")

	envelope, err := paytm.Parse(body)
	if err != nil {
		log.Fatal(err) // answer 400
	}
	fmt.Println(envelope.Shape, envelope.MID())
	fmt.Println("genuine:", envelope.Verify(key))
	// Output:
	// form AFFDEM00000000000001
	// genuine: true
}

func ExampleKey_Sign() {
	key, err := paytm.NewKey("vK9@xPq#72mLzR&d")
	if err != nil {
		log.Fatal(err)
	}
	fields := paytm.Fields{
		{Name: "MID", Value: "AFFDEM00000000000001"},
		{Name: "ORDERID", Value: "ORD_1"},
	}
	checksum := key.Sign(fields)
	fmt.Println(len(checksum), "characters, other ones each time")
	fmt.Println(key.Verify(fields, checksum))

	fields[1].Value = "ORD_2"
	fmt.Println(key.Verify(fields, checksum))
	fmt.Println(key)
	// Output:
	// 108 characters, other ones each time
	// true
	// false
	// paytm.Key(redacted)
}

func ExampleEnvelope_Classify() {
	const ids = "MID=SHOP1&ORDERID=1042&TXNID=2026011500001"
	for _, body := range []string{
		ids + "&TXNAMOUNT=1499.00&STATUS=TXN_SUCCESS&MERC_UNQ_REF=ASHA",
		ids + "&TXNAMOUNT=1e9&STATUS=TXN_SUCCESS",
		`{"head":{},"body":{"orderId":"1042","txnId":"2026011500001","refundId":"R1",` +
			`"refundAmount":"500.00","status":"SUCCESS"}}`,
		ids + "&TXNAMOUNT=1499.00&ARN=74056633031820896327619",
	} {
		envelope, err := paytm.Parse([]byte(body))
		if err != nil {
			log.Fatal(err)
		}
		switch m := envelope.Classify(); {
		case m.Review != "":
			fmt.Printf("%s, for a person: %s\n", m.Type, m.Review)
		case m.Kind == paytm.Payment:
			fmt.Printf("%s: %s, %d paise, reference %s\n", m.Type, m.Status, m.Amount, m.Reference)
		case m.Kind == paytm.Refund:
			fmt.Printf("%s: %d paise of %s\n", m.Type, m.RefundAmount, m.TxnID)
		default:
			fmt.Printf("%s: %s\n", m.Type, m.Why)
		}
	}
	// Output:
	// payment: success, 149900 paise, reference ASHA
	// payment, for a person: TXNAMOUNT "1e9" is not an amount in rupees such as 1499.00
	// refund accepted: 50000 paise of 2026011500001
	// payment ARN: It gives the bank's number of a payment that is already known.
}

func ExampleClient_OrderStatus() {
	key, err := paytm.NewKey("vK9@xPq#72mLzR&d")
	if err != nil {
		log.Fatal(err)
	}
	// In place of Paytm: BaseURL is paytm.ProductionURL otherwise.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := `{"resultInfo":{"resultStatus":"TXN_SUCCESS","resultCode":"01"},` +
			`"txnId":"2026011500001","orderId":"1042","txnAmount":"1499.00","mid":"SHOP1"}`
		fmt.Fprintf(w, `{"head":{"signature":"%s"},"body":%s}`, key.SignText([]byte(body)), body)
	}))
	defer server.Close()

	client := paytm.Client{BaseURL: server.URL, MID: "SHOP1", Key: key}
	answer, err := client.OrderStatus(context.Background(), "1042")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Result, answer.TxnID, paytm.FormatAmount(answer.Amount))
	fmt.Println("settles it:", answer.Definite())
	// Output:
	// TXN_SUCCESS 2026011500001 1499.00
	// settles it: true
}

func ExampleParseAmount() {
	for _, text := range []string{"1499.00", "5.0", "20", "1.005", "1e9"} {
		paise, err := paytm.ParseAmount(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(paise, paytm.FormatAmount(paise))
	}
	// Output:
	// 149900 1499.00
	// 500 5.00
	// 2000 20.00
	// "1.005" is not a whole number of paise
	// "1e9" is not an amount in rupees such as 1499.00
}

func ExampleParseTime() {
	at, hasClock, err := paytm.ParseTime("2026-01-15 13:03:05.0")
	fmt.Println(at, hasClock, err)
	// Output:
	// 2026-01-15 07:33:05 +0000 UTC true <nil>
}
