package main

// hissa key: which programs may call.

import (
	"context"
	"fmt"
	"text/tabwriter"
)

var keyCommand = command{
	name: "key", config: true, reading: true,
	usage: "add NAME [-scope orders|read|metrics]|list|revoke NAME",
	short: "keys for the shop and the monitor",
	long: `
key add NAME [-scope orders]
key list
key revoke NAME

A key lets a program in: scope orders binds orders (POST /v1/orders), metrics reads /metrics,
read is for what reads the books. The key is printed once, alone on stdout, and kept only as a
hash. Send it as "Authorization: Bearer KEY".

Example:  hissa key add shop > shop.key`,
	run: func(c *call) error {
		return c.verbs(map[string]func(*call) error{
			"add": keyAdd, "list": keyList, "revoke": keyRevoke,
		}, "add, list, revoke")
	},
}

func keyAdd(c *call) error {
	scope := c.flags.String("scope", "orders", "")
	if err := c.exactly(1); err != nil {
		return err
	}
	if *scope != "orders" && *scope != "read" && *scope != "metrics" {
		return usageError{fmt.Sprintf("-scope %q: it is orders, read or metrics", *scope)}
	}
	if !codePattern().MatchString(c.args[0]) {
		return usageError{"a key's name is 1 to 32 letters, digits, - and _"}
	}
	return c.with(true, func(ctx context.Context, _ *Config, store *Store) error {
		secret, err := store.AddKey(ctx, c.args[0], *scope)
		if err != nil {
			return asNo(err, "")
		}
		fmt.Fprintln(c.stdout, secret)
		fmt.Fprintln(c.stderr, "hissa: this is the only time the key is shown")
		return nil
	})
}

func keyRevoke(c *call) error {
	if err := c.exactly(1); err != nil {
		return err
	}
	return c.with(true, func(ctx context.Context, _ *Config, store *Store) error {
		if err := store.RevokeKey(ctx, c.args[0]); err != nil {
			return asNo(err,
				fmt.Sprintf("no working key is called %s: hissa key list shows them", c.args[0]))
		}
		fmt.Fprintf(c.stderr, "hissa: key %s is revoked\n", c.args[0])
		return nil
	})
}

func keyList(c *call) error {
	if err := c.exactly(0); err != nil {
		return err
	}
	return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
		var list []Key
		if err := store.read(ctx, func(r rows) (err error) {
			list, err = r.keys()
			return err
		}); err != nil {
			return err
		}
		tw := tabwriter.NewWriter(c.stdout, 0, 4, 2, ' ', 0)
		if !c.json {
			fmt.Fprintln(tw, "NAME\tSCOPE\tCREATED\tSTATE")
		}
		for _, k := range list {
			state := "works"
			if !k.Revoked.IsZero() {
				state = "revoked " + clock(k.Revoked)
			}
			if c.json {
				if err := c.writeJSON(record{
					{"name", k.Name}, {"scope", k.Scope},
					{"created_at", rfc3339(k.Created)}, {"revoked_at", rfc3339(k.Revoked)},
				}); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", k.Name, k.Scope, clock(k.Created), state)
		}
		return tw.Flush()
	})
}
