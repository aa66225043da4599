package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/deminer/deminer/internal/auth"
)

const personColumns = "SELECT name, role, hash, totp, totp_used, made, disabled FROM people"

func (d *DB) people(ctx context.Context, query string, args ...any) (out []auth.Person, err error) {
	err = each(ctx, d.look, query, args, func(scan func(...any) error) error {
		var p auth.Person
		var role string
		var made, disabled int64
		err := scan(&p.Name, &role, &p.Hash, &p.Secret, &p.Used, &made, &disabled)
		p.Role, p.Made, p.Disabled = auth.Role(role), from(made), disabled != 0
		out = append(out, p)
		return err
	})
	return out, err
}

// People implements [auth.People].
func (d *DB) People(ctx context.Context) ([]auth.Person, error) {
	return d.people(ctx, personColumns+" ORDER BY name")
}

// Person implements [auth.People].
func (d *DB) Person(ctx context.Context, name string) (auth.Person, error) {
	all, err := d.people(ctx, personColumns+" WHERE name = $1", name)
	if err != nil {
		return auth.Person{}, err
	}
	if len(all) == 0 {
		return auth.Person{}, auth.ErrNobody
	}
	return all[0], nil
}

// number is a truth as it is kept.
func number(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// AddPerson implements [auth.People].
func (d *DB) AddPerson(ctx context.Context, p auth.Person) error {
	return d.must(ctx, auth.ErrTaken, "INSERT INTO people (name, role, hash, totp, totp_used, made, disabled) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO NOTHING",
		p.Name, string(p.Role), p.Hash, p.Secret, p.Used, millis(p.Made), number(p.Disabled))
}

// SetRole implements [auth.People].
func (d *DB) SetRole(ctx context.Context, name string, role auth.Role, disabled bool) error {
	return d.must(ctx, auth.ErrNobody, "UPDATE people SET role = $2, disabled = $3 WHERE name = $1", name, string(role), number(disabled))
}

// SetHash implements [auth.Keys].
func (d *DB) SetHash(ctx context.Context, name, hash string, reset bool) error {
	codes := ""
	if reset {
		codes = ", totp = ''"
	}
	return d.must(ctx, auth.ErrNobody, "UPDATE people SET hash = $2"+codes+" WHERE name = $1 AND disabled = 0", name, hash)
}

// SetCodes implements [auth.Keys].
func (d *DB) SetCodes(ctx context.Context, name, secret string, step int64) (bool, error) {
	n, err := d.exec(ctx, "UPDATE people SET totp = $2, totp_used = $3 WHERE name = $1 AND totp_used < $3", name, secret, step)
	return n > 0, err
}

// TakeCode implements [auth.Keys].
func (d *DB) TakeCode(ctx context.Context, name, secret string, step int64) (bool, error) {
	n, err := d.exec(ctx, "UPDATE people SET totp_used = $3 WHERE name = $1 AND totp = $2 AND totp_used < $3 AND disabled = 0", name, secret, step)
	return n > 0, err
}

// must makes a change that fails where it changes nothing.
func (d *DB) must(ctx context.Context, none error, query string, args ...any) error {
	n, err := d.exec(ctx, query, args...)
	if err == nil && n == 0 {
		err = none
	}
	return err
}

// Guess implements [auth.People].
func (d *DB) Guess(ctx context.Context, subject string, change func(auth.Guess) auth.Guess) (g auth.Guess, err error) {
	read := func(q asker) error {
		return each(ctx, q, "SELECT failures, until, last FROM guesses WHERE subject = $1", []any{subject}, func(scan func(...any) error) error {
			var until, last int64
			err := scan(&g.Failures, &until, &last)
			g.Until, g.Last = from(until), from(last)
			return err
		})
	}
	if change == nil {
		return g, read(d.look)
	}
	err = d.in(ctx, func(tx *sql.Tx) error {
		if err := read(tx); err != nil {
			return err
		}
		if g = change(g); g == (auth.Guess{}) {
			_, err := run(ctx, tx, "DELETE FROM guesses WHERE subject = $1", subject)
			return err
		}
		_, err := run(ctx, tx, "INSERT INTO guesses (subject, failures, until, last) VALUES ($1, $2, $3, $4) ON CONFLICT (subject) DO UPDATE SET failures = $2, until = $3, last = $4",
			subject, g.Failures, millis(g.Until), millis(g.Last))
		return err
	})
	return g, err
}

// AddLink implements [auth.Links].
func (d *DB) AddLink(ctx context.Context, l auth.Link) error {
	_, err := d.exec(ctx, "INSERT INTO links (hash, person, role, expires) VALUES ($1, $2, $3, $4)", l.Hash, l.Person, string(l.Role), millis(l.Expires))
	return err
}

// TakeLink implements [auth.Links].
func (d *DB) TakeLink(ctx context.Context, hash string, now time.Time) (l auth.Link, err error) {
	err = d.in(ctx, func(tx *sql.Tx) error {
		var role string
		var expires int64
		err := tx.QueryRowContext(ctx, "DELETE FROM links WHERE hash = $1 AND expires > $2 RETURNING hash, person, role, expires", hash, millis(now)).Scan(&l.Hash, &l.Person, &role, &expires)
		if errors.Is(err, sql.ErrNoRows) {
			return auth.ErrLink
		}
		l.Role, l.Expires = auth.Role(role), from(expires)
		return err
	})
	return l, err
}

// EndLinks implements [auth.Links].
func (d *DB) EndLinks(ctx context.Context, person string) error {
	_, err := d.exec(ctx, "DELETE FROM links WHERE person = $1", person)
	return err
}

// AddSession implements [auth.Sessions].
func (d *DB) AddSession(ctx context.Context, s auth.Session) error {
	_, err := d.exec(ctx, "INSERT INTO sessions (hash, person, made, seen, expires, address, browser) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		s.Hash, s.Person, millis(s.Made), millis(s.Seen), millis(s.Expires), s.Address, s.Browser)
	return err
}

func (d *DB) sessions(ctx context.Context, cond, arg string) (out []auth.Session, err error) {
	err = each(ctx, d.look, "SELECT hash, person, made, seen, expires, address, browser FROM sessions WHERE "+cond+" ORDER BY seen DESC LIMIT 1000", []any{arg}, func(scan func(...any) error) error {
		var s auth.Session
		var made, seen, expires int64
		err := scan(&s.Hash, &s.Person, &made, &seen, &expires, &s.Address, &s.Browser)
		s.Made, s.Seen, s.Expires = from(made), from(seen), from(expires)
		out = append(out, s)
		return err
	})
	return out, err
}

// Session implements [auth.Sessions].
func (d *DB) Session(ctx context.Context, hash string) (auth.Session, error) {
	all, err := d.sessions(ctx, "hash = $1", hash)
	if err != nil {
		return auth.Session{}, err
	}
	if len(all) == 0 {
		return auth.Session{}, auth.ErrNobody
	}
	return all[0], nil
}

// Sessions implements [auth.Sessions].
func (d *DB) Sessions(ctx context.Context, person string) ([]auth.Session, error) {
	return d.sessions(ctx, "person = $1", person)
}

// TouchSession implements [auth.Sessions].
func (d *DB) TouchSession(ctx context.Context, hash string, seen time.Time) error {
	_, err := d.exec(ctx, "UPDATE sessions SET seen = $2 WHERE hash = $1", hash, millis(seen))
	return err
}

// EndSessions implements [auth.Sessions].
func (d *DB) EndSessions(ctx context.Context, person, hash string) error {
	query, args := "DELETE FROM sessions WHERE person = $1", []any{person}
	if hash != "" {
		query, args = query+" AND hash = $2", append(args, hash)
	}
	_, err := d.exec(ctx, query, args...)
	return err
}
