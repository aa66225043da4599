package store

import (
	"cmp"
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

// intake is one transaction that takes deliveries in. What many of them need is read at its beginning and written at its end, in
// statements of many rows; in between it stands here.
type intake struct {
	ctx   context.Context
	tx    *sql.Tx
	pg    bool
	stmts map[string]*sql.Stmt // of SQLite; the driver of PostgreSQL keeps its own

	fresh  map[name]bool         // messages that were not known
	alerts map[name]*kept        // alerts of these deliveries, as they are and as they will be
	order  []name                // of the alerts that will be written
	fleets map[server.Tie]string // incident of each tie that is known
	made   map[string]int64      // when incidents were made
	moved  map[string]string     // incident -> the one that it has become
	ties   [][]any               // that will be written; the last value is the incident
}

// name is a host with the id of a message or an alert of it.
type name struct{ host, id string }

// kept is an alert as it stands in the database, with what will be written.
type kept struct {
	told, ties, fleet string
	closed            int64
	found             bool
	row               []any // nil: nothing; the incident is filled in at the end
}

// do runs a prepared statement and gives the number of rows.
func (in *intake) do(query string, args ...any) (int64, error) {
	if in.pg {
		return run(in.ctx, in.tx, query, args...)
	}
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
	var row *sql.Row
	if in.pg {
		row = in.tx.QueryRowContext(in.ctx, query, args...)
	} else {
		st, err := in.stmt(query)
		if err != nil {
			return false, err
		}
		row = st.QueryRowContext(in.ctx, args...)
	}
	err := row.Scan(dst...)
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
		in := &intake{ctx: ctx, tx: tx, pg: d.pg, stmts: map[string]*sql.Stmt{}, fresh: map[name]bool{}, alerts: map[name]*kept{}, fleets: map[server.Tie]string{}, made: map[string]int64{},
			moved: map[string]string{}}
		defer func() {
			for _, st := range in.stmts {
				st.Close()
			}
		}()
		if err := in.begin(ds); err != nil {
			return err
		}
		for _, one := range ds {
			if err := in.take(one); err != nil {
				return err
			}
		}
		return in.end()
	})
}

// numbered reports whether what a message says bears the id of the message that said it, so that it and what is older change nothing:
// then its id need not be remembered. Those are nearly all messages.
func numbered(d *server.Delivery) bool {
	return d.Agent != nil || d.Alert != nil || d.Kind == deminer.MessageVault || d.Kind == deminer.MessageBlocks
}

func (in *intake) take(d *server.Delivery) error {
	d.Told = cmp.Or(d.Told, d.ID)
	if !numbered(d) {
		if !in.fresh[name{d.Host, d.ID}] {
			return nil
		}
		delete(in.fresh, name{d.Host, d.ID}) // the same one may stand here twice
		d.Fresh = true
	}
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
	n, err := in.do("UPDATE hosts SET told = $2, agent = $3, name = $4, mode = $5 WHERE id = $1 AND told < $2", d.Host, d.Told, body, name, d.Agent.Mode)
	d.Fresh = n > 0
	return err
}

// things replaces all that lies in the vault of a host, or all its blocks.
func (in *intake) things(d *server.Delivery, column string, all any) error {
	body, err := text(all)
	if err != nil {
		return err
	}
	n, err := in.do("UPDATE hosts SET "+column+"_told = $2, "+column+" = $3 WHERE id = $1 AND "+column+"_told < $2", d.Host, d.Told, body)
	d.Fresh = n > 0
	return err
}

func (in *intake) alert(d *server.Delivery) error {
	a, key := d.Alert, name{d.Host, d.Alert.ID}
	old := in.alerts[key]
	if old.found && old.told >= d.Told {
		return nil
	}
	if now := tieText(d.Ties); now != old.ties || !old.found {
		fleet, err := in.join(d.Host, d.Ties, old.fleet, d.Received)
		if err != nil {
			return err
		}
		old.ties, old.fleet = now, fleet
	}
	c, err := alertRow(a, old.closed)
	if err != nil {
		return err
	}
	if old.row == nil {
		in.order = append(in.order, key)
	}
	old.found, old.told, old.closed, d.Fresh = true, d.Told, c.closed, true
	old.row = []any{d.Host, a.ID, d.Told, string(a.State), c.open, c.grade, c.topics, c.rule, old.fleet, old.ties, millis(a.First), millis(a.Last), c.closed, millis(a.Updated), c.find, c.body,
		a.Thing.SHA256}
	return nil
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
	var all []string
	note := func(id string) error {
		if id = in.now(id); id == "" || slices.Contains(all, id) {
			return nil
		}
		if _, ok := in.made[id]; !ok {
			var made int64
			found, err := in.one("SELECT made FROM incidents WHERE id = $1", []any{id}, &made)
			if err != nil || !found {
				return err
			}
			in.made[id] = made
		}
		all = append(all, id)
		return nil
	}
	if err := note(have); err != nil {
		return "", err
	}
	for _, t := range ties {
		if err := note(in.fleets[t]); err != nil {
			return "", err
		}
	}
	if len(all) == 0 {
		all = []string{server.NewID()[:8]}
		in.made[all[0]] = millis(now)
		if _, err := in.do("INSERT INTO incidents (id, made) VALUES ($1, $2)", all[0], millis(now)); err != nil {
			return "", err
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(in.made[a], in.made[b]), cmp.Compare(a, b)) })
	for _, id := range all[1:] {
		if err := in.merge(id, all[0]); err != nil {
			return "", err
		}
	}
	for _, t := range ties {
		in.fleets[t] = all[0]
		in.ties = append(in.ties, []any{t.Kind, t.Value, host, all[0]})
	}
	return all[0], nil
}

// now gives the incident that one has become.
func (in *intake) now(id string) string {
	for in.moved[id] != "" {
		id = in.moved[id]
	}
	return id
}

// merge makes an incident a part of another one.
func (in *intake) merge(id, into string) error {
	in.moved[id] = into
	for _, query := range []string{"UPDATE ties SET fleet = $1 WHERE fleet = $2", "UPDATE alerts SET fleet = $1 WHERE fleet = $2", "UPDATE parts SET fleet = $1 WHERE fleet = $2"} {
		if _, err := in.do(query, into, id); err != nil {
			return err
		}
	}
	_, err := in.do("DELETE FROM incidents WHERE id = $1", id)
	return err
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
	if d.Keep > 0 { // at once: a host that tells one after the other would fill the disk
		const older = "DELETE FROM reports WHERE host = $1 AND id IN (SELECT id FROM reports WHERE host = $1 ORDER BY taken DESC, id LIMIT 1000 OFFSET $2)"
		if _, err := in.do(older, d.Host, d.Keep); err != nil {
			return err
		}
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
