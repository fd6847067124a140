package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"hissa/paytm/paytmtest"
)

// workshop is where a run has its binaries, and its data.
type workshop struct {
	dir   string
	key   string            // the file with the merchant key
	built map[string]string // by source folder: the binary
}

// newWorkshop makes a folder for the run. Others may pass through it: PostgreSQL refuses to work as
// root, so that peer's data belongs to another user.
func newWorkshop(in string) (*workshop, error) {
	dir, err := os.MkdirTemp(in, "hissa-bench-")
	if err != nil {
		return nil, fmt.Errorf("%w: -dir names a folder on the disk that is to be measured", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	w := &workshop{dir: dir, key: filepath.Join(dir, "merchant.key"), built: map[string]string{}}
	return w, os.WriteFile(w.key, []byte(paytmtest.DefaultMerchantKey), 0o600)
}

func (w *workshop) close() error { return os.RemoveAll(w.dir) }

// compile builds the program in a folder, once.
func (w *workshop) compile(ctx context.Context, folder, name string, env ...string) (string, error) {
	if path := w.built[folder]; path != "" {
		return path, nil
	}
	path := filepath.Join(w.dir, name)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", path, ".")
	build.Dir = folder
	build.Env = append(os.Environ(), env...)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", folder, err, out)
	}
	w.built[folder] = path
	return path, nil
}

// worthNaming are the modules whose version says something about a figure.
var worthNaming = []string{"modernc.org/sqlite", "github.com/jackc/pgx/v5", "github.com/mattn/go-sqlite3",
	"github.com/pocketbase/pocketbase"}

// versions is what each binary was built from.
func (w *workshop) versions() (lines []string) {
	for _, path := range w.built {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			continue
		}
		line := []string{filepath.Base(path), info.GoVersion}
		for _, m := range info.Deps {
			if slices.Contains(worthNaming, m.Path) {
				line = append(line, m.Path+" "+m.Version)
			}
		}
		lines = append(lines, strings.Join(line, ", "))
	}
	slices.Sort(lines)
	return lines
}
