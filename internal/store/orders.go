package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/server"
)

const orderColumns = "SELECT o.body, o.grp, o.deed, o.state, o.text, o.tries, o.updated, COALESCE(h.name, o.host) FROM orders o LEFT JOIN hosts h ON h.id = o.host"

func scanOrder(scan func(...any) error) (o server.Order, err error) {
	var body, state string
	var updated int64
	if err := scan(&body, &o.Group, &o.Deed, &state, &o.Text, &o.Tries, &updated, &o.HostName); err != nil {
		return o, err
	}
	o.State, o.Updated = server.OrderState(state), from(updated)
	return o, value(body, &o.Order)
}

func addOrder(ctx context.Context, tx *sql.Tx, o *server.Order) error {
	body, err := text(o.Order)
	if err != nil {
		return err
	}
	_, err = run(ctx, tx, "INSERT INTO orders (id, host, kind, grp, deed, state, text, tries, made, updated, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		o.ID, o.Host, string(o.Kind), o.Group, o.Deed, string(o.State), o.Text, o.Tries, millis(o.Made), millis(o.Updated), body)
	return err
}

// AddOrders implements [server.Orders].
func (d *DB) AddOrders(ctx context.Context, os []server.Order) error {
	return d.in(ctx, func(tx *sql.Tx) error {
		for i := range os {
			if err := addOrder(ctx, tx, &os[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Order implements [server.Orders].
func (d *DB) Order(ctx context.Context, id string) (o server.Order, err error) {
	found := false
	err = each(ctx, d.look, orderColumns+" WHERE o.id = $1", []any{id}, func(scan func(...any) error) error {
		found = true
		o, err = scanOrder(scan)
		return err
	})
	if err == nil && !found {
		err = server.ErrNone
	}
	return o, err
}

// Orders implements [server.Orders].
func (d *DB) Orders(ctx context.Context, f server.OrderFilter) (out []server.Order, err error) {
	w := &where{}
	for _, c := range []struct{ cond, value string }{{"o.host = ?", f.Host}, {"o.kind = ?", f.Kind}, {"o.grp = ?", f.Group}} {
		if c.value != "" {
			w.add(c.cond, c.value)
		}
	}
	if f.Waiting {
		w.add("o.state = ?", string(server.OrderMade))
	}
	if f.Unended {
		w.cond = append(w.cond, "o.state IN ('made', 'accepted', 'running')")
	}
	if f.Limit <= 0 {
		f.Limit = 50
	}
	err = each(ctx, d.look, orderColumns+w.String()+" ORDER BY o.made DESC, o.id LIMIT "+w.arg(f.Limit), w.args, func(scan func(...any) error) error {
		o, err := scanOrder(scan)
		out = append(out, o)
		return err
	})
	return out, err
}

// MoveOrder implements [server.Orders].
func (d *DB) MoveOrder(ctx context.Context, id string, states []server.OrderState, to server.OrderState, text string, now time.Time) (bool, error) {
	n, err := d.exec(ctx, "UPDATE orders SET state = $2, text = $3, updated = $4, tries = tries + 1 WHERE id = $1 AND state IN ("+quoted(states)+")",
		id, string(to), text, millis(now))
	return n > 0, err
}

// quoted lists states of the server's own, which hold nothing but letters.
func quoted[S ~string](states []S) string {
	var out []string
	for _, s := range states {
		out = append(out, "'"+strings.ReplaceAll(string(s), "'", "''")+"'")
	}
	return strings.Join(out, ", ")
}

// AddDeed implements [server.Deeds].
func (d *DB) AddDeed(ctx context.Context, deed server.Deed, o server.Order) error {
	alerts, err := text(deed.Alerts)
	if err != nil {
		return err
	}
	return d.in(ctx, func(tx *sql.Tx) error {
		if err := addOrder(ctx, tx, &o); err != nil {
			return err
		}
		_, err := run(ctx, tx, `INSERT INTO deeds (id, host, handling, alerts, grp, made_by, made, state, text, plan, digest, steps, approver, updated, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', '', '', 0, '', $9, '')`,
			deed.ID, deed.Host, string(deed.Handling), alerts, deed.Group, deed.By, millis(deed.Made), string(deed.State), millis(deed.Updated))
		return err
	})
}

const deedColumns = `SELECT d.id, d.host, COALESCE(h.name, d.host), d.handling, d.alerts, d.grp, d.made_by, d.made, d.state, d.text, d.plan, d.digest, d.steps, d.approver, d.updated,
	(SELECT COUNT(*) FROM steps s WHERE s.host = d.host AND s.plan = d.plan AND d.plan <> '' AND s.state = 'done'), %s FROM deeds d LEFT JOIN hosts h ON h.id = d.host`

func scanDeed(scan func(...any) error) (e server.Deed, err error) {
	var handling, alerts, state, body string
	var made, updated int64
	err = scan(&e.ID, &e.Host, &e.HostName, &handling, &alerts, &e.Group, &e.By, &made, &state, &e.Text, &e.PlanID, &e.Digest, &e.Steps, &e.Approver, &updated, &e.Done, &body)
	if err != nil {
		return e, err
	}
	e.Handling, e.State, e.Made, e.Updated = deminer.Handling(handling), server.DeedState(state), from(made), from(updated)
	if body != "" {
		e.Plan = &deminer.Plan{}
		if err := value(body, e.Plan); err != nil {
			return e, err
		}
	}
	return e, value(alerts, &e.Alerts)
}

// Deed implements [server.Deeds].
func (d *DB) Deed(ctx context.Context, id string) (e server.Deed, err error) {
	found := false
	err = each(ctx, d.look, fmt.Sprintf(deedColumns, "d.body")+" WHERE d.id = $1", []any{id}, func(scan func(...any) error) error {
		found = true
		e, err = scanDeed(scan)
		return err
	})
	if err == nil && !found {
		err = server.ErrNone
	}
	return e, err
}

// Deeds implements [server.Deeds].
func (d *DB) Deeds(ctx context.Context, host, group string, limit int) (out []server.Deed, err error) {
	w := &where{}
	if host != "" {
		w.add("d.host = ?", host)
	}
	if group != "" {
		w.add("d.grp = ?", group)
	}
	err = each(ctx, d.look, fmt.Sprintf(deedColumns, "''")+w.String()+" ORDER BY d.made DESC, d.id LIMIT "+w.arg(limit), w.args, func(scan func(...any) error) error {
		e, err := scanDeed(scan)
		out = append(out, e)
		return err
	})
	return out, err
}

// asRun is the state in which the run of a deed left it; where that is not known any more, it is not said that it went well.
const asRun = "COALESCE((SELECT CASE o.state WHEN 'done' THEN 'done' ELSE 'failed' END FROM orders o WHERE o.deed = deeds.id AND o.kind = 'run' ORDER BY o.made DESC LIMIT 1), 'failed')"

// MoveDeed implements [server.Deeds].
func (d *DB) MoveDeed(ctx context.Context, id string, m server.Move) (moved bool, err error) {
	err = d.in(ctx, func(tx *sql.Tx) error {
		n, err := run(ctx, tx, "UPDATE deeds SET state = CASE WHEN $2 <> '' THEN $2 ELSE "+asRun+" END, text = $3, updated = $4, approver = CASE WHEN $5 = '' THEN approver ELSE $5 END WHERE id = $1 AND state IN ("+quoted(m.From)+")",
			id, string(m.To), m.Text, millis(m.Time), m.By)
		if err != nil || n == 0 {
			return err
		}
		moved = true
		if m.Entry != nil {
			if err := add(ctx, tx, *m.Entry); err != nil {
				return err
			}
		}
		if m.Order == nil {
			return nil
		}
		return addOrder(ctx, tx, m.Order)
	})
	return moved && err == nil, err
}

// StepStates implements [server.Deeds].
func (d *DB) StepStates(ctx context.Context, host, plan string) (out []server.StepState, err error) {
	err = each(ctx, d.look, "SELECT step, state, note, time FROM steps WHERE host = $1 AND plan = $2 ORDER BY step", []any{host, plan}, func(scan func(...any) error) error {
		var s server.StepState
		var state string
		var at int64
		err := scan(&s.Step, &state, &s.Note, &at)
		s.State, s.Time = deminer.RecordState(state), from(at)
		out = append(out, s)
		return err
	})
	return out, err
}
