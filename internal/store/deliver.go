package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/server"
)

// intake is one transaction that takes deliveries in, with its prepared statements.
type intake struct {
	ctx   context.Context
	tx    *sql.Tx
	stmts map[string]*sql.Stmt
	known map[string]bool // hosts that have a row
}

// do runs a prepared statement and gives the number of rows.
func (in *intake) do(query string, args ...any) (int64, error) {
	st, err := in.stmt(query)
	if err != nil {
		return 0, err
	}
	r, err := st.ExecContext(in.ctx, args...)
	if err != nil {
		return 0, fmt.Errorf("change the database: %w", err)
	}
	return r.RowsAffected()
}

func (in *intake) stmt(query string) (*sql.Stmt, error) {
	st := in.stmts[query]
	if st == nil {
		var err error
		if st, err = in.tx.PrepareContext(in.ctx, query); err != nil {
			return nil, fmt.Errorf("prepare a statement: %w", err)
		}
		in.stmts[query] = st
	}
	return st, nil
}

// one reads one row into dst and reports whether there was one.
func (in *intake) one(query string, args []any, dst ...any) (bool, error) {
	st, err := in.stmt(query)
	if err != nil {
		return false, err
	}
	err = st.QueryRowContext(in.ctx, args...).Scan(dst...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask the database: %w", err)
	}
	return true, nil
}

// Deliver implements [server.Intake].
func (d *DB) Deliver(ctx context.Context, ds []*server.Delivery) error {
	return d.in(ctx, func(tx *sql.Tx) error {
		in := &intake{ctx, tx, map[string]*sql.Stmt{}, map[string]bool{}}
		defer func() {
			for _, st := range in.stmts {
				st.Close()
			}
		}()
		for _, one := range ds {
			if err := in.take(one); err != nil {
				return err
			}
		}
		return nil
	})
}

func (in *intake) take(d *server.Delivery) error {
	if err := in.host(d); err != nil {
		return err
	}
	n, err := in.do("INSERT INTO messages (host, id, received) VALUES ($1, $2, $3) ON CONFLICT (host, id) DO NOTHING", d.Host, d.ID, millis(d.Received))
	if err != nil || n == 0 {
		return err
	}
	d.Fresh = true
	switch {
	case d.Agent != nil:
		return in.state(d)
	case d.Alert != nil:
		return in.alert(d)
	case d.Report != nil:
		return in.report(d)
	case d.Plan != nil:
		return in.plan(d)
	case d.Record != nil:
		return in.record(d)
	case d.Done != nil:
		return in.done(d)
	case d.Kind == deminer.MessageVault:
		return in.things(d, "vault", d.Vault)
	case d.Kind == deminer.MessageBlocks:
		return in.things(d, "blocks", d.Blocks)
	}
	return nil
}

// host makes the row of a host that speaks for the first time, and refuses one that was revoked.
func (in *intake) host(d *server.Delivery) error {
	if in.known[d.Host] {
		return nil
	}
	var revoked int64
	found, err := in.one("SELECT revoked FROM hosts WHERE id = $1", []any{d.Host}, &revoked)
	switch {
	case err != nil:
		return err
	case found && revoked != 0:
		return fmt.Errorf("%w: host %s was revoked", server.ErrRefused, d.Host)
	case !found:
		if _, err := in.do(newHost, d.Host, d.Host, millis(d.Received), millis(d.Received)); err != nil {
			return err
		}
	default:
		if _, err := in.do("UPDATE hosts SET seen = $2 WHERE id = $1 AND seen < $2", d.Host, millis(d.Received)); err != nil {
			return err
		}
	}
	in.known[d.Host] = true
	return nil
}

const newHost = `INSERT INTO hosts (id, name, enrolled, seen, revoked, told, agent, policy, vault, vault_told, blocks, blocks_told)
	VALUES ($1, $2, $3, $4, 0, '', '', '', '', '', '', '')`

func (in *intake) state(d *server.Delivery) error {
	body, err := text(d.Agent)
	if err != nil {
		return err
	}
	name := d.Agent.Host.Name
	if name == "" {
		name = d.Host
	}
	_, err = in.do("UPDATE hosts SET told = $2, agent = $3, name = $4, mode = $5 WHERE id = $1 AND told < $2", d.Host, d.ID, body, name, d.Agent.Mode)
	return err
}

// things replaces all that lies in the vault of a host, or all its blocks.
func (in *intake) things(d *server.Delivery, column string, all any) error {
	body, err := text(all)
	if err != nil {
		return err
	}
	_, err = in.do("UPDATE hosts SET "+column+"_told = $2, "+column+" = $3 WHERE id = $1 AND "+column+"_told < $2", d.Host, d.ID, body)
	return err
}

func (in *intake) alert(d *server.Delivery) error {
	a := d.Alert
	var told, ties, fleet string
	var closed int64
	found, err := in.one("SELECT told, ties, fleet, closed FROM alerts WHERE host = $1 AND id = $2", []any{d.Host, a.ID}, &told, &ties, &fleet, &closed)
	if err != nil || found && told >= d.ID {
		return err
	}
	if now := tieText(d.Ties); now != ties || !found {
		ties = now
		if fleet, err = in.join(d.Host, d.Ties, fleet, d.Received); err != nil {
			return err
		}
	}
	row, err := alertRow(a, closed)
	if err != nil {
		return err
	}
	_, err = in.do(`INSERT INTO alerts (host, id, told, state, open, grade, topics, rule, fleet, ties, first, last, closed, updated, find, body, sha256)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
		ON CONFLICT (host, id) DO UPDATE SET told = $3, state = $4, open = $5, grade = $6, topics = $7, rule = $8, fleet = $9, ties = $10,
			first = $11, last = $12, closed = $13, updated = $14, find = $15, body = $16, sha256 = $17`,
		d.Host, a.ID, d.ID, string(a.State), row.open, row.grade, row.topics, row.rule, fleet, ties, millis(a.First), millis(a.Last), row.closed,
		millis(a.Updated), row.find, row.body, a.Thing.SHA256)
	return err
}

// columns are what an alert is found by.
type columns struct {
	open, grade              int
	closed                   int64
	topics, rule, find, body string
}

func alertRow(a *server.Alert, closed int64) (c columns, err error) {
	c.grade = slices.Index(alert.Grades(), a.Grade)
	if a.State.Open() {
		c.open = 1
	} else if c.closed = closed; closed == 0 {
		c.closed = millis(a.Updated)
	}
	c.topics = "|"
	for _, t := range a.Topics {
		c.topics += string(t) + "|"
	}
	c.rule = server.RuleOf(&a.Alert)
	words := []string{a.ID, a.Title, deminer.Safe(a.Thing.Path), a.Thing.SHA256, a.Thing.Unit, a.Thing.Container, a.Thing.User, a.Incident, a.Thing.Artifact.String()}
	c.find = strings.ToLower(strings.Join(append(words, a.Why...), "\n"))
	c.body, err = text(a.Alert)
	return c, err
}

func tieText(ties []server.Tie) string {
	var b strings.Builder
	for _, t := range ties {
		b.WriteString(t.Kind + " " + t.Value + "\n")
	}
	return b.String()
}

// join puts what has these ties into the incident that has one of them, or into a new one; incidents that prove to be one become the
// oldest. have is the incident that it is in already, "" for none.
func (in *intake) join(host string, ties []server.Tie, have string, now time.Time) (fleet string, err error) {
	if len(ties) == 0 {
		return have, nil
	}
	type old struct {
		id   string
		made int64
	}
	var all []old
	note := func(id string) error {
		if id == "" || slices.ContainsFunc(all, func(o old) bool { return o.id == id }) {
			return nil
		}
		o := old{id: id}
		found, err := in.one("SELECT made FROM incidents WHERE id = $1", []any{id}, &o.made)
		if found {
			all = append(all, o)
		}
		return err
	}
	if err := note(have); err != nil {
		return "", err
	}
	for _, t := range ties {
		var id string
		if _, err := in.one("SELECT fleet FROM ties WHERE kind = $1 AND value = $2 LIMIT 1", []any{t.Kind, t.Value}, &id); err != nil {
			return "", err
		}
		if err := note(id); err != nil {
			return "", err
		}
	}
	slices.SortFunc(all, func(a, b old) int {
		if a.made != b.made {
			return int(max(-1, min(1, a.made-b.made)))
		}
		return strings.Compare(a.id, b.id)
	})
	if len(all) == 0 {
		fleet = server.NewID()[:8]
		if _, err := in.do("INSERT INTO incidents (id, made) VALUES ($1, $2)", fleet, millis(now)); err != nil {
			return "", err
		}
	} else {
		fleet = all[0].id
		for _, o := range all[1:] {
			for _, query := range []string{"UPDATE ties SET fleet = $1 WHERE fleet = $2", "UPDATE alerts SET fleet = $1 WHERE fleet = $2",
				"UPDATE parts SET fleet = $1 WHERE fleet = $2"} {
				if _, err := in.do(query, fleet, o.id); err != nil {
					return "", err
				}
			}
			if _, err := in.do("DELETE FROM incidents WHERE id = $1", o.id); err != nil {
				return "", err
			}
		}
	}
	for _, t := range ties {
		if _, err := in.do("INSERT INTO ties (kind, value, host, fleet) VALUES ($1, $2, $3, $4) ON CONFLICT (kind, value, host) DO NOTHING", t.Kind, t.Value, host, fleet); err != nil {
			return "", err
		}
	}
	return fleet, nil
}

func (in *intake) report(d *server.Delivery) error {
	r := d.Report
	head := *r
	head.Body = nil
	text1, err := text(head)
	if err != nil {
		return err
	}
	if _, err := in.do("INSERT INTO reports (host, id, order_id, taken, head, body) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (host, id) DO NOTHING",
		d.Host, r.ID, r.Order, millis(r.Taken), text1, string(d.Raw)); err != nil {
		return err
	}
	for _, p := range d.Parts {
		var have string
		if _, err := in.one("SELECT fleet FROM parts WHERE host = $1 AND id = $2", []any{d.Host, p.Part.ID}, &have); err != nil {
			return err
		}
		fleet, err := in.join(d.Host, p.Ties, have, d.Received)
		if err != nil {
			return err
		}
		body, err := text(p.Part.Incident)
		if err != nil {
			return err
		}
		if _, err := in.do(`INSERT INTO parts (host, id, fleet, taken, body) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (host, id) DO UPDATE SET fleet = $3, taken = $4, body = $5 WHERE parts.taken <= $4`, d.Host, p.Part.ID, fleet, millis(p.Part.Taken), body); err != nil {
			return err
		}
	}
	return nil
}
