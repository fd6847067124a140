package main

import (
	"net/http"
	"strings"
)

// maxAgent is how many bytes of a User-Agent are looked at. The longest that in-app browsers send
// stay under 600; nothing is gained by lower-casing a header that somebody filled up.
const maxAgent = 1024

// Reasons that name no sender.
const (
	reasonHead      = "a HEAD request"
	reasonPrefetch  = "a prefetch"
	reasonPreview   = "a page preview"
	reasonNotPage   = "an image or frame, not a page"
	reasonNotScript = "not sent by a page's script"
	reasonNoAgent   = "no user agent"
	reasonCrawler   = "a crawler"
	reasonTool      = "a tool, not a browser"
)

// An agentSign is a piece of text, in lower case, that gives a user agent away; name is what
// people call its sender. It counts at the start of a word only, so that no phone's model or
// app's name matches by its middle; with "^" in front it counts at the very start only, because
// the browsers inside WhatsApp, Snapchat or Pinterest put the app's name behind a browser's, and
// those are people.
type agentSign struct{ text, name string }

// previewSigns give away what fetches a link only to draw a card beside a message. Where two fit,
// the upper one counts: iMessage calls itself by three other names, LINE and KakaoTalk by one.
var previewSigns = []agentSign{
	{"facebot twitterbot", "iMessage"},
	{"line-poker", "LINE"},
	{"kakaotalk-scrap", "KakaoTalk"},
	{"^whatsapp", "WhatsApp"}, // Signal sends the same
	{"facebookexternalhit", "Facebook"},
	{"facebot", "Facebook"},
	{"facebookcatalog", "Facebook"},
	{"meta-externalhit", "Facebook"},
	{"meta-externalfetcher", "Meta"},
	{"telegrambot", "Telegram"},
	{"twitterbot", "X"},
	{"linkedinbot", "LinkedIn"},
	{"slackbot", "Slack"},
	{"slack-imgproxy", "Slack"},
	{"discordbot", "Discord"},
	{"skypeuripreview", "Skype"},
	{"microsoftpreview", "Microsoft"},
	{"pinterestbot", "Pinterest"},
	{"^pinterest/", "Pinterest"},
	{"snap url preview", "Snapchat"},
	{"snapurlpreview", "Snapchat"},
	{"^snapchat", "Snapchat"},
	{"^viber", "Viber"},
	{"linespider", "LINE"},
	{"redditbot", "Reddit"},
	{"^tumblr/", "Tumblr"},
	{"vkshare", "VK"},
	{"tiktokspider", "TikTok"},
	{"^bluesky", "Bluesky"},
	{"mastodon/", "Mastodon"},
	{"^synapse", "Matrix"},
	{"iframely", "Iframely"},
	{"embedly", "Embedly"},
	{"bingpreview", "Bing"},
	{"google web preview", "Google"},
	{"googleimageproxy", "Gmail"},
	{"google-pagerenderer", "Google"},
	{"yahoo link preview", "Yahoo"},
	{"yahoomailproxy", "Yahoo"},
	{"flipboardproxy", "Flipboard"},
	{"^notion/", "Notion"},
	{"printfriendly", "PrintFriendly"},
}

// crawlerSigns give away what reads pages for search engines, language models and advertisers.
// Most would be known by the address that they carry; named are those that a merchant meets, and
// those that carry none.
var crawlerSigns = []agentSign{
	{"googlebot", "Googlebot"},
	{"adsbot-google", "AdsBot"},
	{"mediapartners-google", "AdSense"},
	{"google-inspectiontool", "Google"},
	{"google-physicalweb", "Google"},
	{"google favicon", "Google"},
	{"googleother", "Google"},
	{"google-agent", "Google"},
	{"playstore-google", "Google"},
	{"bingbot", "Bingbot"},
	{"applebot", "Applebot"},
	{"duckduckbot", "DuckDuckBot"},
	{"yandexbot", "YandexBot"},
	{"baiduspider", "Baiduspider"},
	{"petalbot", "PetalBot"},
	{"bytespider", "Bytespider"},
	{"amazonbot", "Amazonbot"},
	{"gptbot", "GPTBot"},
	{"chatgpt-user", "ChatGPT"},
	{"oai-searchbot", "ChatGPT"},
	{"claudebot", "ClaudeBot"},
	{"claude-user", "Claude"},
	{"perplexitybot", "Perplexity"},
	{"perplexity-user", "Perplexity"},
	{"manus-user", "Manus"},
	{"ccbot", "CCBot"},
	{"facebookbot", "Meta"},
	{"meta-externalagent", "Meta"},
	{"meta-webindexer", "Meta"},
	{"ahrefsbot", "AhrefsBot"},
	{"semrushbot", "SemrushBot"},
	{"mj12bot", "MJ12bot"},
	{"dotbot", "DotBot"},
	{"ips-agent", "Verisign"},
	{"outbrain", "Outbrain"},
	{"adbeat", "Adbeat"},
	{"datanyze", "Datanyze"},
	{"geedoshop", "Geedo"},
}

// toolSigns give away libraries, browsers that a script drives, monitors and scanners.
var toolSigns = []agentSign{
	{"^curl", "curl"},
	{"^wget", "wget"},
	{"^python", "Python"},
	{"^go-http-client", "Go"},
	{"^okhttp", "OkHttp"},
	{"^java/", "Java"},
	{"^dalvik/", "Android app"},
	{"^axios", "axios"},
	{"^node", "Node.js"},
	{"^postman", "Postman"},
	{"headlesschrome", "HeadlessChrome"},
	{"phantomjs", "PhantomJS"},
	{"playwright", "Playwright"},
	{"puppeteer", "Puppeteer"},
	{"selenium", "Selenium"},
	{"ghost inspector", "Ghost Inspector"},
	{"lighthouse", "Lighthouse"},
	{"gtmetrix", "GTmetrix"},
	{"ptst/", "WebPageTest"},
	{"pingdom", "Pingdom"},
	{"datadogsynthetics", "Datadog"},
	{"newrelicsynthetics", "New Relic"},
	{"thousandeyes", "ThousandEyes"},
	{"dareboost", "Dareboost"},
	{"dotcom-monitor", "Dotcom-Monitor"},
	{"hotjar", "Hotjar"},
	{"silktide", "Silktide"},
	{"nikto", "Nikto"},
	{"openvas", "OpenVAS"},
	{"acunetix", "Acunetix"},
	{"sucuri", "Sucuri"},
	{"securityheaders", "SecurityHeaders"},
	{"cookiehub", "CookieHub"},
}

// A rankedSign is an agentSign as the search wants it: rank is its place in the tables read in
// order, and reason is made once instead of per request.
type rankedSign struct {
	text, reason string
	atStart      bool
	rank         int
}

// signsByPair holds every sign under the pair of letters that it begins with, so that most words
// of a user agent meet an empty list.
var signsByPair = indexSigns()

// pairKey tells pairs of letters apart by the low five bits of each.
func pairKey(first, second byte) int { return int(first&31)<<5 | int(second&31) }

func indexSigns() (index [1024][]rankedSign) {
	rank := 0
	add := func(kind string, signs []agentSign) {
		for _, s := range signs {
			text, atStart := strings.CutPrefix(s.text, "^")
			reason := kind + " (" + s.name + ")"
			key := pairKey(text[0], text[1])
			index[key] = append(index[key], rankedSign{text, reason, atStart, rank})
			rank++
		}
	}
	add("a link preview", previewSigns)
	add("a crawler", crawlerSigns)
	add("a tool", toolSigns)
	return index
}

// notAPerson says in words why r is not a person following a link, as in "a link preview
// (WhatsApp)" or "a prefetch", or "" for a person. Such a request is redirected like any other
// and stored as not counted; the words, all from the tables and constants of this file, end up in
// exports. It keeps out what announces itself, not somebody who lies.
func notAPerson(r *http.Request) string {
	// Browsers say document only for a page in a tab of its own: a frame or an image is how a
	// cookie gets stuffed. Old and in-app browsers, and all of them over plain HTTP, say nothing.
	return notFetched(r, "document", "navigate", reasonNotPage)
}

// notAPage is notAPerson for what the script in a page of the shop sends.
func notAPage(r *http.Request) string { return notFetched(r, "empty", "cors", reasonNotScript) }

// notFetched judges a request that a browser makes for one purpose, in one mode.
func notFetched(r *http.Request, purpose, mode, otherwise string) string {
	if r.Method == http.MethodHead {
		return reasonHead
	}
	if reason := speculative(r.Header); reason != "" {
		return reason
	}
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != purpose {
		return otherwise
	}
	return agentReason(r.UserAgent(), r.Header.Get("Sec-Fetch-Mode") == mode)
}

// speculative gives the reason when a browser, or the browser inside an app, loads a page that
// nobody has opened yet. Chrome says so in Sec-Purpose, older Chrome and Safari in Purpose,
// Safari's start page and Facebook's app in X-Purpose, Firefox in X-Moz.
func speculative(h http.Header) string {
	for _, name := range [...]string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		for _, value := range h[name] {
			value = strings.ToLower(value)
			switch {
			case strings.Contains(value, "prefetch"), strings.Contains(value, "prerender"):
				return reasonPrefetch
			case strings.Contains(value, "preview"):
				return reasonPreview
			}
		}
	}
	return ""
}

// agentReason judges a user agent by the signs, then by the two things that crawlers write and
// browsers don't, then by its shape. vouched is whether the request carries a browser engine's own
// word on what it is for.
func agentReason(agent string, vouched bool) string {
	agent = strings.TrimSpace(agent)
	if agent == "" {
		return reasonNoAgent
	}
	agent = strings.ToLower(agent[:min(len(agent), maxAgent)])
	if reason := findSign(agent); reason != "" {
		return reason
	}
	if namesItself(agent) || robotWord(agent) {
		return reasonCrawler
	}
	// An app may give its web view a name of its own, without "Mozilla"; the engine tells.
	if !vouched && !browserShape(agent) {
		return reasonTool
	}
	return ""
}

// findSign gives the reason of the highest-ranking sign in agent, or "".
func findSign(agent string) (reason string) {
	best := -1
	for i := range len(agent) - 1 {
		if i > 0 && asciiLetter(agent[i-1]) {
			continue
		}
		for _, s := range signsByPair[pairKey(agent[i], agent[i+1])] {
			if (best < 0 || s.rank < best) && (i == 0 || !s.atStart) &&
				strings.HasPrefix(agent[i:], s.text) {
				best, reason = s.rank, s.reason
			}
		}
	}
	return reason
}

// namesItself reports whether agent carries a web address, or calls itself compatible with
// browsers without being one: what crawlers do by custom, and browsers no more. Internet Explorer
// said compatible of itself, on Windows Phone too.
func namesItself(agent string) bool {
	if strings.Contains(agent, "://") {
		return true
	}
	_, what, found := strings.Cut(agent, "compatible;")
	return found && !strings.HasPrefix(what, " msie")
}

// robotWord reports whether a word of agent ends in bot or bots (Cubot is a phone), or speaks of
// crawling.
func robotWord(agent string) bool {
	if strings.Contains(agent, "crawl") || strings.Contains(agent, "spider") ||
		strings.Contains(agent, "scrap") {
		return true
	}
	for rest := agent; ; {
		before, after, found := strings.Cut(rest, "bot")
		if !found {
			return false
		}
		rest = after
		after = strings.TrimPrefix(after, "s")
		ends := after == "" || !asciiLetter(after[0])
		if ends && !strings.HasSuffix(before, "cu") {
			return true
		}
	}
}

// browserShape reports whether agent looks as browsers do: "Mozilla/5.0 (device)", Opera Mini's
// "Opera/9.80 (device)", or a feature phone's browser, which names its Java profile or UC.
func browserShape(agent string) bool {
	if strings.HasPrefix(agent, "mozilla/") || strings.HasPrefix(agent, "opera/") {
		return strings.Contains(agent, " (")
	}
	return strings.Contains(agent, "midp") || strings.Contains(agent, "ucweb") ||
		strings.Contains(agent, "ucbrowser")
}

func asciiLetter(c byte) bool { return 'a' <= c && c <= 'z' }
