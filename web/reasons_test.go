package web

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var someTag = regexp.MustCompile(`<[^>]*>`)

// inHindi is a sentence as a Hindi page says it, what stays in English in ‹›.
func inHindi(text string) string {
	said := string(vocabularies()["hi"].reason(text))
	said = regexp.MustCompile(`<(?:bdi|span) lang="en"[^>]*>(.*?)</(?:bdi|span)>`).ReplaceAllString(said, "‹$1›")
	return html.UnescapeString(someTag.ReplaceAllString(said, ""))
}

func TestReasonsInHindi(t *testing.T) {
	for _, c := range []struct{ english, hindi string }{
		{"clicked 41 days before payment, the window is 30 days",
			"क्लिक पेमेंट से 41 दिन पहले हुआ, समय-सीमा 30 दिन की है"},
		{"clicked 2 hours before payment, within the window of 30 days; but promo comes first",
			"क्लिक पेमेंट से 2 घंटे पहले हुआ, 30 दिन की समय-सीमा के अंदर; पर प्रोमो कोड पहले गिना जाता है"},
		{"clicked 1 hour before payment, within the window of 30 days, as an imported file says; but ASHA was disabled " +
			"at the time", "क्लिक पेमेंट से 1 घंटे पहले हुआ, 30 दिन की समय-सीमा के अंदर, इंपोर्ट की गई फ़ाइल के मुताबिक़; पर पार्टनर " +
			"ASHA उस समय बंद थे"},
		{"not a click: a link preview (WhatsApp)", "क्लिक नहीं माना गया: लिंक का प्रीव्यू (WhatsApp)"},
		{"not a click: what another program said", "क्लिक नहीं माना गया: ‹what another program said›"},
		{"DIWALI 26 came back with the payment in MERC_UNQ_REF, but names no partner",
			"DIWALI 26 पेमेंट के साथ MERC_UNQ_REF में वापस आया, पर यह किसी पार्टनर का नहीं है"},
		{"brought this customer on 3 Oct 2026, within 12 months", "इस ग्राहक को 3 अक्टू॰ 2026 को लाए, 12 महीने के अंदर"},
		{"ASHA10 is on the order; it earns nothing: the program pays for the first 2 payments of a customer; " +
			"but the commission was due already", "ऑर्डर पर ASHA10 है; इस पर कुछ नहीं मिलता: प्रोग्राम ग्राहक के पहले 2 पेमेंट पर ही देता है; " +
			"पर कमीशन पहले ही देय हो चुका था"},
		{"the messages carry different amounts (₹1.00, ₹2.00) and different orders (7, 8) and different outcomes " +
			"(failed, success)", "मैसेज आपस में मेल नहीं खाते: अलग-अलग रक़म (₹1.00, ₹2.00) और अलग-अलग ऑर्डर (7, 8) और अलग-अलग " +
			"नतीजे (असफल, सफल)"},
		{"the customer seems to be ASHA: the same e-mail address and UPI id; 7 promo codes were tried on the order",
			"ग्राहक ख़ुद ASHA ही लगते हैं: ई-मेल पता और UPI ID वही हैं; ऑर्डर पर 7 प्रोमो कोड आज़माए गए"},
		{"the click came in a burst: more than 3 clicks within an hour from one browser at one address",
			"एक साथ बहुत सारे क्लिक आए: एक घंटे में एक ही पते के एक ही ब्राउज़र से 3 से ज़्यादा क्लिक"},
		{"payment success, ₹1,499.00", "पेमेंट सफल, ₹1,499.00"},
		{"payment in Paytm's list pending, USD 12.00", "Paytm की सूची में पेमेंट लंबित, USD 12.00"},
		{"refund (older form) R-1, ₹300.00", "रिफ़ंड (पुराना तरीक़ा), R-1, ₹300.00"},
		{"dispute D7 WON, ₹300.00", "विवाद D7 (जीता), ₹300.00"},
		{"dispute D7 UNDER REVIEW, ₹300.00", "विवाद D7 (UNDER REVIEW), ₹300.00"},
		{"pre-debit notice", "पैसा कटने से पहले की सूचना"},
		{`refund succeeded: REFUNDID is missing; TXNAMOUNT "a; b" is not an amount in rupees such as 1499.00`,
			`रिफ़ंड पूरा हुआ: REFUNDID नहीं है; TXNAMOUNT "a; b" रुपयों में रक़म नहीं है, जैसे 1499.00`},
		{"Paytm's status API answered HTTP 503: Paytm has a fault: ask again later (asked to wait 2m0s)",
			"Paytm के स्टेटस API ने HTTP 503 कहा: Paytm में गड़बड़ है: बाद में फिर पूछें (2m0s रुकने को कहा)"},
		{"the shop can't be reached: connection refused", "दुकान तक नहीं पहुँच सके: ‹connection refused›"},
		{"statement 17 must not be paid any more: the commission of T1 is held again (conflict dispute). " +
			"if it was not paid, hissa payout failed 17, then hissa statement draft -partner ASHA makes a new one",
			"स्टेटमेंट 17 का पैसा अब न चुकाएँ: T1 का कमीशन फिर रुक गया है (टकराव, विवाद)। अगर चुकाया नहीं गया, तो यहाँ असफल बताएँ या " +
				"hissa payout failed 17 चलाएँ, फिर नया स्टेटमेंट बनाएँ, यहाँ या hissa statement draft -partner ASHA से"},
		{"₹300.00 of earlier payouts was taken back since; hissa statement draft -partner ASHA makes a new statement",
			"पहले के भुगतानों में से ₹300.00 इसके बाद वापस लिया गया; नया स्टेटमेंट बनाएँ, यहाँ या " +
				"hissa statement draft -partner ASHA से"},
		{"payout 17 of ASHA is paid, UTR 412345 and can't become sent: hissa payout reversed 17, if the money came back",
			"ASHA का भुगतान 17 अभी 'चुकाया गया' है, UTR 412345, 'भेजा गया' नहीं हो सकता: पैसा लौट आया हो तो बताएँ, यहाँ या " +
				"hissa payout reversed 17 से"},
		{"ASHA: payout 3 is on its way: say hissa payout paid or failed first", "ASHA: भुगतान 3 भेजा जा चुका है: पहले बताएँ कि " +
			"चुकाया गया या नहीं, यहाँ या hissa payout paid या failed से"},
		{"the QR of payout 4 was shown on 22 Nov 2026, 21:05:06 IST: if it was paid, hissa payout paid 4 -utr …; if surely " +
			"not, hissa payout qr 4 -again", "भुगतान 4 का QR 22 नव॰ 2026, 21:05:06 IST को दिखाया गया था: चुकाया गया हो तो यहाँ बताएँ " +
			"या hissa payout paid 4 -utr …; पक्का नहीं चुकाया हो तो hissa payout qr 4 -again"},
		{"ASHA10 is taken: it is a promo of partner ASHA, and codes never move",
			"ASHA10 पहले से किसी के पास है: यह पार्टनर ASHA का प्रोमो कोड है, और कोड कभी नहीं बदलते"},
		{`rate "x": write a percentage up to 100% like 12.5%, flat rupees like 50.00, or program`,
			`दर "x": 100% तक प्रतिशत लिखें जैसे 12.5%, या रुपये जैसे 50.00, या program`},
		{"disabled ", "बंद रहेंगे"},
		// What nobody here has worded stays as it is, however much of it looks known.
		{"nobody has said this", "‹nobody has said this›"}, {"x: y; z", "‹x: y; z›"}, {"", ""},
		{`<script>: "burst"`, `‹<script>: "burst"›`}, {"conflict of interest", "‹conflict of interest›"},
		{strings.Repeat("a; ", 10_000), "‹" + strings.Repeat("a; ", 10_000) + "›"},
	} {
		if got := inHindi(c.english); got != c.hindi {
			t.Errorf("%s\n got  %s\n want %s", c.english, got, c.hindi)
		}
	}
	if got := string(vocabularies()["en"].reason("a & b")); got != "<bdi>a &amp; b</bdi>" {
		t.Errorf("in English: %s", got)
	}
}

// What a stranger has put into a hole is text.
func TestHolesOfReasonsAreTexts(t *testing.T) {
	for _, english := range []string{"<b>& is on the order", "the shop can't be reached: <b>&", "message <b>&"} {
		said := string(vocabularies()["hi"].reason(english))
		if !strings.Contains(said, "&lt;b&gt;&amp;") || strings.Contains(said, "<b>") {
			t.Errorf("%s: %s", english, said)
		}
	}
}

// A buyer chooses what comes back with a payment, and could choose it so that every few letters of it double the
// work.
func TestSayingTriesNoReasonTwice(t *testing.T) {
	hi := vocabularies()["hi"].sayings()
	const codeTakes, end = 128, " is on the order, but names no partner"
	for _, c := range []struct{ begin, again, last string }{
		{"x: ", "a; ", `x: "q"`}, {"", "a; ", `"q"`}, {"", "x: ", `"q"`}, {"", "refund: a; ", `"q"`}, {"", "conflict ", `"q"`},
		{"", "refund: ", ""}, {"", "a; refund: x: ", "dispute"}, {"", "not a click: a; ", `"q"`},
	} {
		for _, row := range []struct{ length, most int }{{codeTakes, 100}, {longestSaying - len(end), 2 * mostTries}} {
			text := c.begin
			for len(text)+len(c.again)+len(c.last) <= row.length {
				text += c.again
			}
			text += c.last + end
			one := telling{sayings: hi}
			said, _ := one.all(text)
			if one.tries > row.most {
				t.Errorf("%d tries for %d bytes: %.60s…", one.tries, len(text), text)
			}
			if row.length == codeTakes && !strings.Contains(said, "पर यह किसी पार्टनर का नहीं है") {
				t.Errorf("%s: %s", text, said)
			}
		}
	}
}

// Beside what an act changed about a partner stands why, in a person's own words, which no page rewrites.
func TestNotesOfActs(t *testing.T) {
	hi := vocabularies()["hi"]
	for _, c := range []struct{ act, english, hindi string }{
		{"partner-changed", "rate 12%, name, UPI id", "दर 12%, नाम, UPI ID"},
		{"partner-changed", "rate 50.00, account, as agreed, name", "दर 50.00, बैंक खाता, as agreed, name"},
		{"partner-changed", "DIWALI, name", "DIWALI, name"},
		{"partner-changed", "rate too high, name", "rate too high, name"},
		{"partner-enabled", "disabled, PAN", "disabled, PAN"},
		{"partner-disabled", "name", "name"},
		{"payment-denied", "disabled", "disabled"},
		{"payout-sent", "file 3", "फ़ाइल 3"},
	} {
		said, err := hi.note(c.act, c.english)
		if got := html.UnescapeString(someTag.ReplaceAllString(string(said), "")); err != nil || got != c.hindi {
			t.Errorf("%s %s: %s, %v", c.act, c.english, got, err)
		}
	}
}

// What is about no payment is as short in Hindi as in English, and its title is whole.
func TestLabelsAreShort(t *testing.T) {
	for text, hindi := range map[string]string{
		"refund 20261122111212800110168": "रिफ़ंड 202611…0110168", "order 7": "ऑर्डर 7",
		"20261122111212800110168": "202611…0110168", "192.0.2.0/24": "192.0.2.0/24",
	} {
		label := string(vocabularies()["hi"].label(text))
		if got := someTag.ReplaceAllString(label, ""); got != hindi {
			t.Errorf("%s: %s", text, got)
		}
		id := text[strings.LastIndex(text, " ")+1:]
		if !strings.Contains(label, `title="`+id+`"`) || strings.Contains(label, "lang=") {
			t.Errorf("%s: %s", text, label)
		}
	}
}

// Both sides of every sentence have the same holes, the other side is Hindi, and no hole is all of a sentence
// that anything would fit.
func TestSayings(t *testing.T) {
	hi := vocabularies()["hi"].sayings()
	for _, one := range hi.list {
		here, there := slices.Sorted(slices.Values(one.holes)), slices.Sorted(slices.Values(one.order))
		if len(slices.Compact(here)) != len(one.holes) || len(slices.Compact(there)) != len(one.holes) {
			t.Errorf("%q and %q have other holes, or one twice", one.english, one.other)
		}
		if len(one.holes) > 1 && slices.Contains(one.literals[1:len(one.holes)], "") {
			t.Errorf("%q: where does one hole end?", one.english)
		}
		if !one.bare && one.other != "QR" && !inDevanagari(one.other) {
			t.Errorf("%q: %q is not Hindi", one.english, one.other)
		}
		if one.literal() == 0 && one.open() > 0 {
			t.Errorf("%q: anything fits", one.english)
		}
	}
	for kind, words := range hi.words {
		for word, other := range words {
			if !inDevanagari(other) && !slices.Contains([]string{"UPI ID", "IFSC", "PAN", "GSTIN", "API"}, other) {
				t.Errorf("%s %s: %q is not Hindi", kind, word, other)
			}
		}
		if !slices.ContainsFunc(hi.list, func(one saying) bool { return strings.Contains(one.english, "{"+kind) }) {
			t.Errorf("no sentence has a hole for a %s", kind)
		}
	}
}

func inDevanagari(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r >= 0x900 && r < 0x980 })
}

var (
	twoLatinWords  = regexp.MustCompile(`[A-Za-z]{2,} [A-Za-z]{2,}`)
	fourLatinWords = regexp.MustCompile(`(?:[A-Za-z']{2,}[ ,;:]+){3}[A-Za-z]{2,}`) // no name has as many
)

// On a Hindi page nothing is English but what others wrote, the configuration's own prose, names and commands.
func TestHindiPagesAreHindi(t *testing.T) {
	theirs := []string{"", "English", "connection refused"}
	var nasty []string
	for _, text := range hostile {
		nasty = append(nasty, text, "")
	}
	strange := strings.NewReplacer(nasty...)
	names := regexp.MustCompile(`Chai & Co|hissa [a-z -]+|merchant key|Developer settings|payment notification URL|` +
		`I cook with your tea|asked Ravi about the refunds|seen on the dashboard|DIWALI|Paytm Postpaid|instagram.*|UPI ID`)
	everyPage(t, func(t *testing.T, s Sample, html string) {
		if !strings.Contains(html, `<html lang="hi">`) || strings.HasPrefix(s.Name, "settings/") {
			return
		}
		d, err := readHTML(html)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range d.elements {
			if e.name == "bdi" && fourLatinWords.MatchString(names.ReplaceAllString(strange.Replace(e.text), "")) {
				t.Errorf("<bdi> is no name: %.200s", e.text)
			}
			named := slices.Contains([]string{"bdi", "pre", "code", "textarea", "title", "html", "style"}, e.name)
			switch text := strings.TrimSpace(strange.Replace(e.text)); {
			case e.attrs["lang"] == "en":
				if !slices.Contains(theirs, text) {
					t.Errorf("<%s> is English: %.200s", e.name, text)
				}
			case !named && e.attrs["translate"] != "no" && twoLatinWords.MatchString(names.ReplaceAllString(text, "")):
				t.Errorf("<%s> has English words: %.200s", e.name, text)
			}
		}
	})
}

// A page of fifty rows costs next to nothing more in Hindi.
func BenchmarkReasons(b *testing.B) {
	v := vocabularies()["hi"]
	for b.Loop() {
		for range 50 {
			v.reason("clicked 2 hours before payment, within the window of 30 days; but promo comes first")
		}
	}
}
