package store

import (
	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/server"
)

// plan takes a plan in that this host was asked for, once: what was shown to a person never changes.
func (in *intake) plan(d *server.Delivery) error {
	n, err := in.do("UPDATE deeds SET state = $3, plan = $4, digest = $5, steps = $6, body = $7, updated = $8, text = '' WHERE id = $1 AND host = $2 AND state = 'asked'",
		d.Order, d.Host, string(server.DeedReady), d.Plan.ID, d.Digest, len(d.Plan.Steps), string(d.Raw), millis(d.Received))
	if err != nil || n == 0 {
		return err
	}
	return in.orderMoves(d, server.OrderRunning, "")
}

// record notes where a step stands, if the plan is one of this host.
func (in *intake) record(d *server.Delivery) error {
	r := d.Record.Record
	var id, state string
	found, err := in.one("SELECT id, state FROM deeds WHERE host = $1 AND plan = $2 LIMIT 1", []any{d.Host, d.Record.Plan}, &id, &state)
	if err != nil || !found {
		return err
	}
	if state == string(server.DeedApproved) || state == string(server.DeedExpired) {
		if _, err := in.do("UPDATE deeds SET state = 'running', updated = $2 WHERE id = $1", id, millis(d.Received)); err != nil {
			return err
		}
	}
	if d.Order != "" {
		if err := in.orderMoves(d, server.OrderRunning, ""); err != nil {
			return err
		}
	}
	if r.Step == "" {
		return nil
	}
	_, err = in.do(`INSERT INTO steps (host, plan, step, seq, state, note, time) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (host, plan, step) DO UPDATE SET seq = $4, state = $5, note = $6, time = $7 WHERE steps.seq <= $4`,
		d.Host, d.Record.Plan, r.Step, r.Seq, string(r.State), r.Note, millis(r.Time))
	return err
}

// done ends an order of this host, and takes the deed further that it belongs to.
func (in *intake) done(d *server.Delivery) error {
	var kind, deed string
	found, err := in.one("SELECT kind, deed FROM orders WHERE id = $1 AND host = $2", []any{d.Order, d.Host}, &kind, &deed)
	if err != nil || !found {
		return err
	}
	end := server.OrderDone
	if !d.Done.OK {
		end = server.OrderFailed
	}
	if err := in.orderMoves(d, end, d.Done.Text); err != nil || deed == "" {
		return err
	}
	if kind == string(deminer.OrderPlan) && d.Done.OK {
		return nil // the plan itself says so
	}
	states, to := server.DeedAfter(deminer.OrderKind(kind), end)
	for _, s := range states {
		n, err := in.do("UPDATE deeds SET state = CASE WHEN $3 <> '' THEN $3 ELSE "+asRun+" END, text = $4, updated = $5 WHERE id = $1 AND state = $2", deed, string(s), string(to), d.Done.Text, millis(d.Received))
		if err != nil || n > 0 {
			return err
		}
	}
	return nil
}

// orderMoves takes the order of a delivery further, if it has not ended.
func (in *intake) orderMoves(d *server.Delivery, to server.OrderState, text string) error {
	_, err := in.do("UPDATE orders SET state = $3, text = $4, updated = $5 WHERE id = $1 AND host = $2 AND state IN ('made', 'accepted', 'running', 'expired')",
		d.Order, d.Host, string(to), text, millis(d.Received))
	return err
}
