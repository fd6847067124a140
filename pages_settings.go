package main

// The page of settings: what the configuration's file says and in which line, else the default. And the keys
// for programs.

import (
	_ "embed"
	"errors"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"hissa/web"
)

var settingsRoutes = []route{
	{pattern: "GET /admin/settings", may: shop, handle: (*server).pageSettings},
	{pattern: "GET /admin/keys", may: shop, handle: (*server).pageKeys},
	{pattern: "POST /admin/keys", may: owners, again: "key", handle: (*server).handleAddKey},
	{pattern: "POST /admin/keys/{name}/revoke", may: owners, again: "key", handle: (*server).handleRevokeKey},
}

// sampleFile has every option at its default with prose above it.
//
//go:embed config.example.toml
var sampleFile string

// sampleOption is one line of the sample.
type sampleOption struct{ section, key, value, doc string }

// sampleOptions are the options of the sample in its order. What has no default has the value "".
func sampleOptions(text string) (list []sampleOption) {
	section, doc := "", []string{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		name, value, isOption := strings.Cut(strings.TrimPrefix(line, "#"), " = ")
		switch {
		case strings.HasPrefix(line, "["):
			section, doc = strings.Trim(line, "[]"), nil
		case line == "":
			doc = nil
		case strings.HasPrefix(line, "# ") || line == "#":
			doc = append(doc, strings.TrimSpace(strings.TrimPrefix(line, "#")))
		case isOption:
			if !strings.HasPrefix(line, "#") {
				value = ""
			}
			list = append(list, sampleOption{section, name, value, strings.Join(doc, " ")})
			doc = nil
		}
	}
	return list
}

// secretOptions are those whose values are, or may hold, a secret: an address to which anybody may post.
var secretOptions = []string{"alerts.url", "mail.password", "paytm.forward"}

// configurationText is what stands in the file that a service was started with; "" for none.
func configurationText(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(string(text), "\ufeff")
}

func (s *server) pageSettings(v *visit) error {
	page := web.Settings{File: s.config.Path, Changed: configurationText(s.config.Path) != s.settings}
	page.Sections = settingsSections(s.settings)
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
	}
	page.Facts = []web.Field{{Name: "version", Value: version}, {Name: "go", Value: runtime.Version()},
		{Name: "sqlite", Value: sqliteVersion()}, {Name: "database", Value: s.config.Database}, {Name: "started", Value: clock(s.began)}}
	return v.show(page)
}

// settingsSections are all options with what a file says about each.
func settingsSections(text string) (list []web.SettingsSection) {
	found := locate(text)
	for _, o := range sampleOptions(sampleFile) {
		if len(list) == 0 || list[len(list)-1].Name != o.section {
			list = append(list, web.SettingsSection{Name: o.section})
		}
		full := strings.TrimPrefix(o.section+"."+o.key, ".")
		row := web.Setting{Key: o.key, Value: o.value, Doc: o.doc}
		if at, is := found.values[full]; is {
			row.Value = valueAt(text, at)
			row.Line, row.Column = lineAndColumn(text, at)
		}
		if slices.Contains(secretOptions, full) && row.Line > 0 && strings.Trim(row.Value, `"'`) != "" {
			row.Value = masked
		}
		rows := &list[len(list)-1].Rows
		*rows = append(*rows, row)
	}
	return list
}

// valueAt is the text of a value, in one line.
func valueAt(text string, at int) string {
	w := walker{places{map[string]int{}, map[string]int{}}, text, at}
	w.value(nil)
	return strings.Join(strings.Fields(text[at:w.at]), " ")
}

func (s *server) pageKeys(v *visit) error { return s.showKeys(v, http.StatusOK, web.Keys{}) }

// showKeys lists the keys around what a form just did.
func (s *server) showKeys(v *visit, status int, page web.Keys) error {
	var list []Key
	if err := s.store.read(v.Context(), func(r rows) (err error) {
		list, err = r.keys()
		return err
	}); err != nil {
		return err
	}
	for _, k := range list {
		page.Rows = append(page.Rows, web.Key{Name: k.Name, Scope: k.Scope, At: k.Created, Revoked: k.Revoked})
	}
	return v.render(status, page)
}

// handleAddKey makes a key and shows it, the only time it is ever seen.
func (s *server) handleAddKey(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	name, scope := strings.TrimSpace(v.PostFormValue("name")), v.PostFormValue("scope")
	if !slices.Contains([]string{"orders", "read", "metrics"}, scope) {
		return problem{http.StatusBadRequest, ""}
	}
	wrong := map[string]string{}
	if !codePattern().MatchString(name) {
		wrong["name"] = "codeform"
		return s.showKeys(v, http.StatusUnprocessableEntity, web.Keys{Form: typed(v, wrong, "name", "scope")})
	}
	secret, err := s.store.AddKey(v.Context(), name, scope)
	if errors.Is(err, errKeyExists) {
		wrong["name"] = "taken"
		return s.showKeys(v, http.StatusUnprocessableEntity, web.Keys{Form: typed(v, wrong, "name", "scope")})
	}
	if err != nil {
		return err
	}
	return s.showKeys(v, http.StatusOK, web.Keys{Name: name, New: secret})
}

func (s *server) handleRevokeKey(v *visit) error {
	err := s.store.RevokeKey(v.Context(), v.PathValue("name"))
	if err != nil {
		return err
	}
	return v.done("/admin/keys", "saved")
}
