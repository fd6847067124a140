package web

// The sentences are compared with the source that words them, both ways: none stands in the file that nothing
// words any more, and nothing that a page shows is worded without a sentence in the file.

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// wordedIn are the functions that word what pages show.
var wordedIn = strings.Fields(`
	contradiction believe refunded byClick byReference byCampaign reference byCustomer limit readAgain nobody earn
	Terms.byCode Terms.active abuse bursts.next indexSigns server.recordClick blockWords
	Notification.words Notification.subject
	server.needPayments server.needMessages server.needForwards server.needRefused importPage partnerOf
	Store.judgeImport cannotBecome tx.refuseStopped tx.stopped tx.changed tx.makeWay noFileFor tx.approved
	server.handleOldPayoutFile checkPartner checkTaxNumbers PartnerChange.ratePromos parseRate codeTaken.Error
	tx.agreedAmount tx.actOnPartner APIError.Error Client.ask Client.read Client.LinkTransactions refusal Envelope.rows
	forwarder.post unreachable confirmer.askLink listOf fromList
	readEncrypted reading.take reading.id reading.amount reading.positive reading.circumstances readPayment
	reading.status readRefund readOlderRefund ParseAmount`)

// wordedAs are the fields, types and constants whatever is put into which a page may show.
var wordedAs = strings.Fields(`Verdict Why Conflict Abuse Counted Unusable Problem
	refusedStep decisionError reasonHead reasonPrefetch reasonPreview reasonNotPage reasonNotScript reasonNoAgent
	reasonCrawler reasonTool burst ErrSignature errTooMany errNotSigned`)

// declaration is a function, or what a file declares otherwise, with the texts in it.
type declaration struct {
	name   string
	texts  []string // all
	pieces []string // of these, cut where something is put in
	worded []string // those that a page may show
}

// readSource reads the program's declarations.
func readSource(t *testing.T) (list []declaration) {
	t.Helper()
	for _, pattern := range []string{"../*.go", "../paytm/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range tree.Decls {
				list = append(list, readDeclaration(d))
			}
		}
	}
	return list
}

func readDeclaration(tree ast.Decl) declaration {
	var d declaration
	if f, is := tree.(*ast.FuncDecl); is {
		d.name = f.Name.Name
		if f.Recv != nil {
			d.name = nameOf(f.Recv.List[0].Type) + "." + d.name
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		var into string
		var what []ast.Expr
		switch n := n.(type) {
		case *ast.CallExpr:
			if isLog(n) {
				return false
			}
		case *ast.BasicLit:
			d.texts = append(d.texts, textOf(n)...)
		case *ast.AssignStmt:
			into, what = nameOf(n.Lhs...), n.Rhs
		case *ast.KeyValueExpr:
			switch into, what = nameOf(n.Key), []ast.Expr{n.Value}; into {
			case "why":
				into = "Why" // of a row of Paytm's messages
			case "long": // a command's help, which no page shows
				return false
			}
		case *ast.CompositeLit:
			into, what = nameOf(n.Type), n.Elts
		case *ast.ValueSpec:
			into, what = nameOf(n.Names[0]), n.Values
		}
		if into != "" && slices.Contains(wordedAs, into) {
			for _, e := range what {
				ast.Inspect(e, func(n ast.Node) bool {
					d.worded = append(d.worded, textOf(n)...)
					return true
				})
			}
		}
		return true
	})
	if slices.Contains(wordedIn, d.name) {
		d.worded = d.texts
	}
	d.pieces = pieces(d.texts)
	return d
}

// isLog tells what goes into the log, which stays English.
func isLog(call *ast.CallExpr) bool {
	f, is := call.Fun.(*ast.SelectorExpr)
	return is && nameOf(f.X) == "log"
}

// nameOf is the last name of the first of some expressions that has one of those that are looked for.
func nameOf(list ...ast.Expr) (name string) {
	for _, e := range list {
		if star, is := e.(*ast.StarExpr); is {
			e = star.X
		}
		switch e := e.(type) {
		case *ast.Ident:
			name = e.Name
		case *ast.SelectorExpr:
			name = e.Sel.Name
		}
		if slices.Contains(wordedAs, name) {
			break
		}
	}
	return name
}

func textOf(n ast.Node) []string {
	lit, is := n.(*ast.BasicLit)
	if !is || lit.Kind != token.STRING {
		return nil
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		return nil
	}
	return []string{strings.ReplaceAll(text, "%%", "%")}
}

const signs = " ;:,.()-="

// spelled reports whether a text can be put together of pieces of others, each of whole words and of some length:
// of letters anything could be.
func spelled(text string, others []string) bool {
	text = strings.Trim(text, signs)
	for n := len(text); n > 0; n = max(strings.LastIndexAny(text[:n], signs), 0) {
		if stands(strings.Trim(text[:n], signs), others) {
			return n == len(text) || spelled(text[n:], others)
		}
	}
	return text == ""
}

const shortestPiece = 8

// stands reports whether some words are one of some pieces, or in one of them and long enough.
func stands(words string, others []string) bool {
	long := len(words) >= shortestPiece
	words = " " + words + " "
	return slices.ContainsFunc(others, func(other string) bool {
		return words == other || long && strings.Contains(other, words)
	})
}

// pieces are texts cut where something is put in, each between two spaces.
func pieces(texts []string) (list []string) {
	for _, text := range texts {
		for _, piece := range verbPattern.Split(text, -1) {
			if piece = strings.Trim(piece, signs); piece != "" {
				list = append(list, " "+piece+" ")
			}
		}
	}
	return list
}

// wording returns the declaration that words a sentence.
func wording(source []declaration, literals []string) (name string, found bool) {
	var everywhere []string // constants are used where others stand
	for _, d := range source {
		if d.name == "" {
			everywhere = append(everywhere, pieces(d.worded)...)
		}
	}
	for _, d := range source {
		texts := append(slices.Clip(d.pieces), everywhere...)
		if !slices.ContainsFunc(literals, func(literal string) bool { return !spelled(literal, texts) }) {
			return d.name, true
		}
	}
	return "", false
}

func TestEverySayingIsWorded(t *testing.T) {
	source := readSource(t)
	hi := vocabularies()["hi"].sayings()
	for _, one := range hi.list {
		if _, found := wording(source, one.literals); !found && !one.bare {
			t.Errorf("nothing words %q", one.english)
		}
	}
	for _, made := range []string{
		"a payment was eaten by {id}", "the shop has swallowed the order", "{id} is a partner of the moon",
		"the messages disagree with {id}", "no such click was ever made", "statement {n} is lost and nothing is payable now",
	} {
		if name, found := wording(source, holePattern.Split(made, -1)); found {
			t.Errorf("%s seems to word %q", name, made)
		}
	}
	for kind, words := range hi.words {
		for word := range words {
			if !slices.ContainsFunc(source, func(d declaration) bool {
				return slices.ContainsFunc(d.texts, func(text string) bool { return strings.TrimSpace(text) == word })
			}) {
				t.Errorf("nothing words the %s %q", kind, word)
			}
		}
	}
}

var verbPattern = regexp.MustCompile(`%[0-9.]*[a-z]`)

func TestEverythingWordedIsASaying(t *testing.T) {
	hi := vocabularies()["hi"].sayings()
	var known []string
	for _, one := range hi.list {
		known = append(known, one.literals...)
	}
	for _, words := range hi.words {
		known = append(known, slices.Collect(maps.Keys(words))...)
	}
	found, names := 0, map[string]bool{}
	for _, d := range readSource(t) {
		names[d.name] = true
		for _, text := range d.worded {
			for _, part := range verbPattern.Split(text, -1) {
				part = strings.Trim(part, signs+"[]…")
				if !strings.Contains(part, " ") {
					continue
				}
				found++
				_, whole := hi.say(part)
				if !whole && !slices.ContainsFunc(known, func(one string) bool { return strings.Contains(one, part) }) {
					t.Errorf("%s words %q, and words/reasons-hi.toml has no such sentence", d.name, part)
				}
			}
		}
	}
	for _, name := range wordedIn {
		if !names[name] {
			t.Errorf("there is no %s any more", name)
		}
	}
	if found < 150 {
		t.Errorf("%d sentences found", found)
	}
}
