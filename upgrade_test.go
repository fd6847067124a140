package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hissa/paytm/paytmtest"
)

// A standby of this version follows a server of an older one, for as long as the server is not upgraded. What it
// asks about its readiness is answered by every schema.
func TestAStandbyReadsEverySchema(t *testing.T) {
	databases, err := filepath.Glob("testdata/databases/schema-*.db")
	if err != nil || len(databases) == 0 {
		t.Fatalf("%d databases (%v)", len(databases), err)
	}
	for _, old := range databases {
		text, err := os.ReadFile(old)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "followed.db")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		store := openReader(path)
		if seq, _, err := store.Head(t.Context()); err != nil || seq == 0 {
			t.Errorf("%s ends at %d (%v)", old, seq, err)
		}
		if ids, err := store.SealedWith(t.Context()); err != nil || len(ids) > 0 {
			t.Errorf("%s needs the keys %x (%v)", old, ids, err)
		}
		if err := store.readers.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The databases in testdata were written by older versions of Hissa, one for each schema there was.
// Each is brought up to date with its books as they were, and goes on.
func TestUpgradeFromEverySchema(t *testing.T) {
	migrations, err := schemaFiles.ReadDir("schema")
	if err != nil {
		t.Fatal(err)
	}
	databases, err := filepath.Glob("testdata/databases/schema-*.db")
	if err != nil {
		t.Fatal(err)
	}
	if len(databases) != len(migrations)-1 {
		t.Errorf("%d databases for %d older schemas: keep one of each, as its last version wrote it",
			len(databases), len(migrations)-1)
	}
	for _, old := range databases {
		t.Run(filepath.Base(old), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(old)
			if err != nil {
				t.Fatal(err)
			}
			c := newChild(t)
			c.loses()
			if err := os.WriteFile(c.database(), text, 0o600); err != nil {
				t.Fatal(err)
			}
			before := strings.SplitAfter(c.must("verify"), "\n")
			// What its last version printed.
			if want := "25 facts, 4 payments, 3 ledger entries"; !strings.Contains(before[0], want) ||
				!strings.Contains(before[1], "8cae8a74ca95b01d19da3e918d955d71737ac6fb33fe555e488c3c1f8ee4aa7e") {
				t.Errorf("%s, want %s", before, want)
			}
			c.start()
			pay := c.paytm.Pay("9001", 100000, paytmtest.TxnID("AFTER_THE_UPGRADE"), paytmtest.Reference("ASHA"))
			m := c.paytm.PaymentForm(pay)
			if _, said := post(t, http.DefaultClient, c.url+"/webhooks/paytm", m); !strings.Contains(said, "credited") {
				t.Errorf("a sale after the upgrade: %s", said)
			}
			c.stop()
			c.must("verify")
			if n := strings.Count(c.only("export", "transactions"), "\n"); n != 5 {
				t.Errorf("%d transactions, want 5", n)
			}
		})
	}
}
