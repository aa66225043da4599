package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/deminer/deminer/internal/trust"
)

// Machines is what of a database says which machines belong to the server: a [trust.Store].
type Machines struct{ d *DB }

var _ trust.Store = Machines{}

// Machines gives the machines of the server.
func (d *DB) Machines() Machines { return Machines{d} }

// PutToken implements [trust.Store].
func (m Machines) PutToken(ctx context.Context, t trust.Token) error {
	_, err := m.d.exec(ctx, `INSERT INTO tokens (id, hash, made_by, grp, made, expires, uses, used) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO UPDATE SET expires = $6, uses = $7`, t.ID, t.Hash, t.By, t.Group, millis(t.Made), millis(t.Expires), t.Uses, t.Used)
	return err
}

const tokenColumns = "SELECT id, hash, made_by, grp, made, expires, uses, used FROM tokens"

func scanToken(scan func(...any) error) (t trust.Token, err error) {
	var made, expires int64
	err = scan(&t.ID, &t.Hash, &t.By, &t.Group, &made, &expires, &t.Uses, &t.Used)
	t.Made, t.Expires = from(made), from(expires)
	return t, err
}

// Tokens implements [trust.Store]. It gives the last thousand.
func (m Machines) Tokens(ctx context.Context) (out []trust.Token, err error) {
	err = each(ctx, m.d.look, tokenColumns+" ORDER BY made DESC, id DESC LIMIT 1000", nil, func(scan func(...any) error) error {
		t, err := scanToken(scan)
		out = append(out, t)
		return err
	})
	return out, err
}

const machineColumns = "SELECT id, key, name, grp, token, enrolled, renewed, revoked FROM machines"

func machine(ctx context.Context, q asker, cond string, args ...any) (m trust.Machine, err error) {
	found := false
	err = each(ctx, q, machineColumns+" WHERE "+cond, args, func(scan func(...any) error) error {
		var enrolled, renewed, revoked int64
		err := scan(&m.ID, &m.Key, &m.Name, &m.Group, &m.Token, &enrolled, &renewed, &revoked)
		m.Enrolled, m.Renewed, m.Revoked = from(enrolled), from(renewed), from(revoked)
		found = true
		return err
	})
	if err == nil && !found {
		err = trust.ErrUnknown
	}
	return m, err
}

// Enroll implements [trust.Store]. The server knows the host from the same moment on.
func (m Machines) Enroll(ctx context.Context, hash string, in trust.Machine, now time.Time) (out trust.Machine, err error) {
	err = m.d.in(ctx, func(tx *sql.Tx) error {
		var t trust.Token
		err := each(ctx, tx, tokenColumns+" WHERE hash = $1", []any{hash}, func(scan func(...any) (err error)) (err error) {
			t, err = scanToken(scan)
			return err
		})
		if err != nil {
			return err
		}
		if t.ID == "" || !now.Before(t.Expires) {
			return trust.ErrToken
		}
		switch old, err := machine(ctx, tx, "key = $1", in.Key); {
		case err == nil && old.Token == t.ID && old.Revoked.IsZero():
			out = old
			return nil
		case err == nil:
			return trust.ErrToken
		case !errors.Is(err, trust.ErrUnknown):
			return err
		}
		if used, err := keyWasUsed(ctx, tx, in.Key); used || err != nil {
			return errors.Join(err, trust.ErrToken)
		}
		n, err := run(ctx, tx, "UPDATE tokens SET used = used + 1 WHERE id = $1 AND used < uses", t.ID)
		if err != nil {
			return err
		}
		if n != 1 {
			return trust.ErrToken
		}
		out = in
		out.Token, out.Group = t.ID, t.Group
		if _, err := run(ctx, tx, "INSERT INTO machines (id, key, name, grp, token, enrolled, renewed, revoked) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)",
			out.ID, out.Key, out.Name, out.Group, out.Token, millis(out.Enrolled), millis(out.Renewed)); err != nil {
			return err
		}
		_, err = run(ctx, tx, newHost+" ON CONFLICT (id) DO NOTHING", out.ID, cmp.Or(out.Name, out.ID), millis(now), 0)
		return err
	})
	if err != nil {
		return trust.Machine{}, fmt.Errorf("enroll a host: %w", err)
	}
	return out, nil
}

func keyWasUsed(ctx context.Context, q asker, key string) (used bool, err error) {
	err = each(ctx, q, "SELECT machine FROM old_keys WHERE key = $1", []any{key}, func(scan func(...any) error) error {
		used = true
		var id string
		return scan(&id)
	})
	return used, err
}

// Machine implements [trust.Store].
func (m Machines) Machine(ctx context.Context, idOrKey string) (trust.Machine, error) {
	return machine(ctx, m.d.look, "id = $1 OR key = $1", idOrKey)
}

// Renew implements [trust.Store].
func (m Machines) Renew(ctx context.Context, id, old, key string, now time.Time) error {
	return m.d.in(ctx, func(tx *sql.Tx) error {
		if used, err := keyWasUsed(ctx, tx, key); used || err != nil {
			return errors.Join(err, trust.ErrUnknown)
		}
		switch _, err := machine(ctx, tx, "key = $1", key); {
		case err == nil:
			return trust.ErrUnknown
		case !errors.Is(err, trust.ErrUnknown):
			return err
		}
		n, err := run(ctx, tx, "UPDATE machines SET key = $3, renewed = $4 WHERE id = $1 AND key = $2 AND revoked = 0", id, old, key, millis(now))
		if err != nil {
			return err
		}
		if n != 1 {
			return trust.ErrUnknown
		}
		_, err = run(ctx, tx, "INSERT INTO old_keys (key, machine) VALUES ($1, $2)", old, id)
		return err
	})
}

// Revoke implements [trust.Store].
func (m Machines) Revoke(ctx context.Context, id string, now time.Time) error {
	return m.d.in(ctx, func(tx *sql.Tx) error {
		if _, err := machine(ctx, tx, "id = $1", id); err != nil {
			return err
		}
		_, err := run(ctx, tx, "UPDATE machines SET revoked = $2 WHERE id = $1 AND revoked = 0", id, millis(now))
		return err
	})
}
