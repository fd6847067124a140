package web

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Whoever reads in the sun, or sees colours otherwise, reads: text has a contrast of 4.5 to 1 to what is
// behind it, lines that matter 3 to 1, in the light and in the dark.
func TestContrast(t *testing.T) {
	text := stylesheet
	light := colours(text[strings.Index(text, ":root"):strings.Index(text, "@media")])
	dark := colours(text[strings.Index(text, "prefers-color-scheme: dark"):strings.Index(text,
		"* { box-sizing")])
	for name, theme := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, c := range []struct {
			front  string
			behind []string
			least  float64
		}{
			{"text", []string{"bg", "surface", "raised"}, 7}, {"quiet", []string{"bg", "surface"}, 4.5},
			{"accent", []string{"bg", "surface", "tint"}, 4.5}, {"on-accent", []string{"accent"}, 4.5},
			{"good", []string{"bg", "surface", "good-tint"}, 4.5}, {"bad", []string{"bg", "surface",
				"bad-tint"}, 4.5},
			{"bg", []string{"bad"}, 4.5}, {"sales", []string{"bg"}, 3}, {"income", []string{"bg",
				"surface"}, 3},
			{"edge", []string{"bg", "surface"}, 3},
		} {
			for _, behind := range c.behind {
				if theme[c.front] == "" || theme[behind] == "" {
					t.Fatalf("%s: no --%s or --%s", name, c.front, behind)
				}
				if got := contrast(t, theme[c.front], theme[behind]); got < c.least {
					t.Errorf("%s: --%s on --%s: %.2f, less than %v", name, c.front, behind, got, c.least)
				}
			}
		}
	}
}

func colours(text string) map[string]string {
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6})`).FindAllStringSubmatch(text, -1) {
		found[m[1]] = m[2]
	}
	return found
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	one, two := luminance(t, a), luminance(t, b)
	return (max(one, two) + 0.05) / (min(one, two) + 0.05)
}

// luminance is WCAG's relative luminance.
func luminance(t *testing.T, hex string) (sum float64) {
	t.Helper()
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// Every class that a template gives has a rule, and every class that has a rule is given, or is made of a
// code.
func TestClasses(t *testing.T) {
	given := map[string]bool{"js": true}
	everyPage(t, func(_ *testing.T, _ Sample, html string) {
		for _, m := range regexp.MustCompile(`class="([^"<>]*)"`).FindAllStringSubmatch(html, -1) {
			for _, class := range strings.Fields(m[1]) {
				given[class] = true
			}
		}
	})
	text := regexp.MustCompile(`(?s)/\*.*?\*/|\{[^{}]*\}`).ReplaceAllString(stylesheet, " {} ")
	ruled := map[string]bool{}
	for _, m := range regexp.MustCompile(`\.([a-z][a-z-]*)`).FindAllStringSubmatch(text, -1) {
		ruled[m[1]] = true
		if !given[m[1]] {
			t.Errorf("no page has the class %s", m[1])
		}
	}
	for class := range given {
		if !ruled[class] && !strings.HasPrefix(class, "s-") && !strings.Contains(class,
			"(") && regexp.MustCompile(`^[a-z-]+$`).MatchString(class) {
			t.Errorf("the class %s has no rule", class)
		}
	}
}
