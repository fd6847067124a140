package browsertest

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/chromedp/chromedp"
)

const axePath = "testdata/axe/node_modules/axe-core/axe.min.js"

var axeSource = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile(axePath)
	return string(text), err
})

// barriers are what axe-core finds in the page: what keeps somebody with a screen reader, a keyboard or
// weak eyes from using it. only names the rules to look at; all of them without it.
func (p *tab) barriers(only ...string) (found []string) {
	p.Helper()
	source, err := axeSource()
	if err != nil {
		missing(p.TB, axePath, "npm ci --prefix browsertest/testdata/axe")
	}
	if !eval[bool](p, `!!window.axe`) {
		eval[chromedp.Void](p, source+"\n;undefined") // as DevTools do, which no policy of the page forbids
	}
	rules := "{}"
	if len(only) > 0 {
		rules = fmt.Sprintf(`{ runOnly: ["%s"] }`, strings.Join(only, `", "`))
	}
	type violation struct {
		ID, Help string
		Nodes    []struct {
			HTML           string
			FailureSummary string
		}
	}
	for _, v := range eval[[]violation](p, `axe.run(document, `+rules+`).then((result) => result.violations)`) {
		for _, n := range v.Nodes {
			found = append(found, fmt.Sprintf("%s: %s: %.160s: %s", v.ID, v.Help, n.HTML,
				strings.ReplaceAll(n.FailureSummary, "\n", " ")))
		}
	}
	return found
}

// accessible fails the test where axe-core finds something.
func accessible(p *tab, what string) {
	p.Helper()
	if found := p.barriers(); len(found) > 0 {
		p.Errorf("%s: axe finds\n\t%s", what, strings.Join(found, "\n\t"))
	}
}
