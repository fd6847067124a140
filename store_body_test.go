package main

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"testing"

	"hissa/paytm/paytmtest"
)

// Every body comes back as it was, and none takes more room than that.
func TestBodiesComeBack(t *testing.T) {
	p := paytmtest.New(paytmtest.Config{})
	noise := make([]byte, 1000)
	rand.Read(noise)
	bodies := [][]byte{{}, []byte("x"), noise, bytes.Repeat([]byte("ORDERID="), 8000)}
	var came, kept int
	for i := range 100 {
		pay := p.Pay(fmt.Sprint("ORDER", i), int64(100+i))
		for _, m := range []paytmtest.Message{p.PaymentForm(pay), p.PaymentJSON(pay), p.PaymentFlatJSON(pay)} {
			packed, _ := packBody(m.Body)
			came, kept = came+len(m.Body), kept+len(packed)
			bodies = append(bodies, m.Body)
		}
	}
	for _, body := range bodies {
		packed, packing := packBody(body)
		back, err := unpackBody(packed, packing)
		if err != nil || !bytes.Equal(back, body) || len(packed) > len(body) {
			t.Fatalf("%d bytes became %d and then %d: %v", len(body), len(packed), len(back), err)
		}
	}
	if 9*kept > 5*came {
		t.Errorf("%d bytes of messages are kept in %d", came, kept)
	}
	if _, err := unpackBody([]byte("x"), 99); err == nil {
		t.Error("a packing of the future was unpacked")
	}
}

// The lists of words are part of the format: what was packed with one of them opens for ever.
func TestWhatWasPackedBeforeOpens(t *testing.T) {
	const (
		form = "CURRENCY=INR&GATEWAYNAME=HDFC&RESPMSG=Txn+Success&ORDERID=1001&cardScheme=RUPAY&STATUS=TXN_SUCCESS&udf_1=ASHA"
		json = `{"head":{"signature":"x","version":"v1"},"body":{"mid":"SHOP0001","orderId":"1001","status":"TXN_SUCCESS"}}`
	)
	for _, c := range []struct {
		packing      int
		body, packed string
	}{
		{1, form, "6d6223010c4844464352270111b550313030312663617264536368656d653d52555041594ec500247564665f313d41534841"},
		{2, form, "6d6223010c4844464352270111b50c313030312e34021052555041594ec500247564665f313d41534841"},
		{1, json, "6b15000e00786a4309346d6964223a2253484f5030303031324a090c313030312e430801cb0d0008227d7d"},
		{2, json, "6b15000e00786ad50d346d6964223a2253484f503030303132dc0d0c313030312ed50c01cb0d0008227d7d"},
	} {
		raw, err := hex.DecodeString(c.packed)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := unpackBody(raw, c.packing); err != nil || string(back) != c.body {
			t.Errorf("packed with list %d: %q (%v), was %q", c.packing, back, err, c.body)
		}
	}
	for i, want := range []string{
		"b39a867df6c1f7b7cb7ebe1f96c0495acc2a2fa384094a1ccb8303f9630d7114",
		"2f10e0ea74e5b9073358fac275b354884ca8576d7224d8e98b5638cb24cd142d",
	} {
		text, err := os.ReadFile(fmt.Sprintf("schema/bodies-%d.txt", i+1))
		if sum := sha256.Sum256(text); err != nil || hex.EncodeToString(sum[:]) != want {
			t.Errorf("the list %d is another (%v): what was packed with it would open as something else", i+1, err)
		}
	}
	if len(bodyWords) != 3 {
		t.Error("a further list of words needs two lines here")
	}
}

// The length that a packed body begins with is not believed before it is known to be possible.
func TestATornLengthTakesNoMemory(t *testing.T) {
	torn := []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3} // 4 GiB less a byte
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := unpackBody(torn, len(bodyWords)-1)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 16*maxBody {
		t.Errorf("%d bytes were taken: %v", took, err)
	}
}

// What is on a disk that went bad must not bring verify down.
func FuzzUnpackBody(f *testing.F) {
	packed, packing := packBody([]byte("ORDERID=1&STATUS=TXN_SUCCESS&RESPMSG=Txn+Success"))
	f.Add(packed, packing)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3}, 1)
	f.Add([]byte("x"), -1)
	f.Fuzz(func(t *testing.T, packed []byte, packing int) {
		body, err := unpackBody(packed, packing)
		if err == nil && len(body) > maxBody {
			t.Errorf("%d bytes became %d", len(packed), len(body))
		}
	})
}
