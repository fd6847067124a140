package main

// hissa admin: who signs in to the pages, and what they may do there.

import (
	"context"
	"fmt"
	"strings"

	"hissa/web"
)

var adminCommand = command{
	name: "admin", config: true, reading: true, usage: "add EMAIL|list|set EMAIL|disable EMAIL|enable EMAIL|reset EMAIL",
	short: "who signs in to the pages",
	long: `
admin add EMAIL [-role owner|finance|viewer] [-name "Meera"] [-mail]
admin list
admin set EMAIL -role owner|finance|viewer
admin disable EMAIL
admin enable EMAIL
admin reset EMAIL [-mail]

add prints a link, alone on stdout, for the person to open. It is good once, for seven days; with it
they choose a password, and from then on they sign in at public_url/admin/ with that and their
address. reset prints such a link for somebody who forgot the password or lost the phone that shows
codes; the old password works until the link is used. With -mail the link is mailed to them instead,
through the server that [mail] names.

An owner may do everything; finance looks at everything, approves, pays and reviews; a viewer looks.
add makes an owner unless -role says otherwise. Whoever is disabled is signed out at once.

Example:  hissa admin add meera@shop.in`,
	run: func(c *call) error {
		return c.verbs(map[string]func(*call) error{
			"add": adminAdd, "list": adminList, "set": adminSet, "reset": adminReset,
			"disable": func(c *call) error { return c.adminAble(true) },
			"enable":  func(c *call) error { return c.adminAble(false) },
		}, "add, list, set, disable, enable, reset")
	},
}

func roleFlag(c *call, otherwise string) *string { return c.flags.String("role", otherwise, "") }

func checkRole(role string) error {
	switch role {
	case "owner", "finance", "viewer":
		return nil
	}
	return usageError{fmt.Sprintf("-role %q: it is owner, finance or viewer", role)}
}

// oneEmail reads the flags and the address that is the only argument.
func (c *call) oneEmail() (string, error) {
	if err := c.exactly(1); err != nil {
		return "", err
	}
	email, err := readEmail(c.args[0])
	if err != nil {
		return "", usageError{err.Error()}
	}
	return email, nil
}

func adminAdd(c *call) error {
	role, mailed := roleFlag(c, "owner"), mailFlag(c)
	name := c.flags.String("name", "", "")
	email, err := c.oneEmail()
	if err != nil {
		return err
	}
	if err := checkRole(*role); err != nil {
		return err
	}
	return c.links(*mailed, func(ctx context.Context, store *Store) (string, error) {
		token, err := store.AddUser(ctx, email, strings.TrimSpace(*name), *role)
		return token, asNo(err, "")
	})
}

// sayLink prints a link that invites somebody.
func (c *call) sayLink(link string) {
	fmt.Fprintln(c.stdout, link)
	fmt.Fprintln(c.stderr, "hissa: the link is good once, for seven days; it is not shown again")
}

// user finds one of the shop's people for a command.
func (s *Store) user(ctx context.Context, email string) (*User, error) {
	u, err := s.UserByEmail(ctx, email, false)
	if err == nil && u == nil {
		err = noError{"nobody signs in with " + email + ": hissa admin list shows who does"}
	}
	return u, err
}

func adminReset(c *call) error {
	mailed := mailFlag(c)
	email, err := c.oneEmail()
	if err != nil {
		return err
	}
	return c.links(*mailed, func(ctx context.Context, store *Store) (string, error) {
		u, err := store.user(ctx, email)
		if err != nil {
			return "", err
		}
		token, err := store.InviteAgain(ctx, u.ID)
		return token, asNo(err, "")
	})
}

func adminSet(c *call) error {
	role := roleFlag(c, "")
	email, err := c.oneEmail()
	if err != nil {
		return err
	}
	if err := checkRole(*role); err != nil {
		return err
	}
	return c.changeUser(email, email+" is "+*role+" now", func(ctx context.Context, store *Store, u *User) error {
		return store.ChangeUser(ctx, u.ID, *role, !u.Disabled.IsZero())
	})
}

func (c *call) adminAble(disabled bool) error {
	email, err := c.oneEmail()
	if err != nil {
		return err
	}
	said := email + " may sign in"
	if disabled {
		said = email + " is disabled and signed out"
	}
	return c.changeUser(email, said, func(ctx context.Context, store *Store, u *User) error {
		return store.ChangeUser(ctx, u.ID, "", disabled)
	})
}

func (c *call) changeUser(email, said string, change func(context.Context, *Store, *User) error) error {
	return c.with(true, func(ctx context.Context, _ *Config, store *Store) error {
		u, err := store.user(ctx, email)
		if err != nil {
			return err
		}
		if err := change(ctx, store, u); err != nil {
			return asNo(err, "")
		}
		fmt.Fprintln(c.stderr, "hissa: "+said)
		return nil
	})
}

func adminList(c *call) error {
	if err := c.exactly(0); err != nil {
		return err
	}
	return c.with(false, func(ctx context.Context, _ *Config, store *Store) error {
		list, err := store.Users(ctx)
		if err != nil {
			return err
		}
		var rows [][]string
		for _, u := range list {
			if c.json {
				if err := c.writeJSON(record{
					{"email", u.Email}, {"name", u.Name}, {"role", u.Role}, {"state", u.State()},
					{"codes", len(u.totp) > 0}, {"created_at", rfc3339(u.Created)}, {"seen_at", rfc3339(u.Seen)},
				}); err != nil {
					return err
				}
				continue
			}
			seen := "never"
			if !u.Seen.IsZero() {
				seen = clock(u.Seen)
			}
			rows = append(rows, []string{u.Email, u.Role, u.State(), seen, u.Name})
		}
		switch {
		case c.json:
			return nil
		case len(list) == 0:
			fmt.Fprintln(c.stderr, "hissa: nobody signs in yet: hissa admin add EMAIL")
			return nil
		}
		return table(c.stdout, strings.Fields("EMAIL ROLE STATE SEEN NAME"), rows)
	})
}

// mailFlag is for the commands that make a link.
func mailFlag(c *call) *bool { return c.flags.Bool("mail", false, "") }

// links runs a command that makes a link, and then hands that over: it is mailed, or alone on stdout. One that
// could not be mailed is there too.
func (c *call) links(mailed bool, makes func(context.Context, *Store) (token string, err error)) error {
	return c.with(true, func(ctx context.Context, config *Config, store *Store) error {
		if mailed && config.mailer() == nil {
			return noError{"-mail needs a mail server: set smtp and from under [mail]"}
		}
		token, err := makes(ctx, store)
		if err != nil {
			return err
		}
		u, err := store.UserOfLink(ctx, token, false)
		if err != nil {
			return err
		}
		letter := config.invitation(u, token)
		if !mailed {
			c.sayLink(letter.Link)
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, mailTakes)
		defer cancel()
		if err := config.mailer().write(ctx, store.now(), u.Email, web.Languages[0], letter); err != nil {
			c.sayLink(letter.Link)
			return fmt.Errorf("it could not be mailed, so send it yourself: %w: hissa check says more", err)
		}
		fmt.Fprintf(c.stderr, "hissa: the link is on its way to %s; it is good once, for seven days\n", u.Email)
		return nil
	})
}

func partnerInvite(c *call) error {
	mailed, revoke := mailFlag(c), c.flags.Bool("revoke", false, "")
	if err := c.exactly(1); err != nil {
		return err
	}
	code := c.args[0]
	unknown := fmt.Sprintf("there is no partner %s: hissa partner list shows them", code)
	switch {
	case *revoke && *mailed:
		return usageError{"-revoke takes a way in back, so there is nothing to -mail"}
	case *revoke:
		return c.with(true, func(ctx context.Context, _ *Config, store *Store) error {
			if err := store.ShutPartnerOut(ctx, code); err != nil {
				return asNo(err, unknown)
			}
			fmt.Fprintf(c.stderr, "hissa: %s is shut out of the portal: hissa partner invite %s lets them in again\n", code, code)
			return nil
		})
	}
	return c.links(*mailed, func(ctx context.Context, store *Store) (string, error) {
		token, err := store.InvitePartner(ctx, code)
		return token, asNo(err, unknown)
	})
}
