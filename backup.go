package main

// hissa backup: a copy of the database while it is in use.

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

var backupCommand = command{
	name: "backup", config: true, usage: "FILE",
	short: "a copy of the database while it is in use",
	long: `
Writes a whole, consistent copy of the database to FILE, which must not exist, beside a running
serve. Never copy a live database with cp: what was committed last may be in its -wal file only.

Example:  hissa backup /var/backups/hissa/2026-11-22.db`,
	run: func(c *call) error {
		if err := c.exactly(1); err != nil {
			return err
		}
		target, err := filepath.Abs(c.args[0])
		if err != nil {
			return err
		}
		if _, err := os.Stat(target); err == nil {
			return noError{target + " exists: name a new file"}
		}
		return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
			if err := store.Backup(ctx, target); err != nil {
				return err
			}
			fmt.Fprintf(c.stderr, "hissa: copied to %s\n", target)
			return nil
		})
	},
}
