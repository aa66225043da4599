package store

import (
	"context"
	"database/sql"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/server"
)

// Reports implements [server.Rest].
func (d *DB) Reports(ctx context.Context, host, order string, limit int) (out []server.Report, err error) {
	w := &where{}
	if host != "" {
		w.add("r.host = ?", host)
	}
	if order != "" {
		w.add("r.order_id = ?", order)
	}
	query := "SELECT r.head, COALESCE(h.name, r.host) FROM reports r LEFT JOIN hosts h ON h.id = r.host" + w.String() + " ORDER BY r.taken DESC, r.id LIMIT " + w.arg(limit)
	err = each(ctx, d.look, query, w.args, func(scan func(...any) error) error {
		var head, name string
		if err := scan(&head, &name); err != nil {
			return err
		}
		var r server.Report
		err := value(head, &r)
		r.HostName = name
		out = append(out, r)
		return err
	})
	return out, err
}

// Report implements [server.Rest].
func (d *DB) Report(ctx context.Context, host, id string) (r server.Report, err error) {
	found := false
	err = each(ctx, d.look, "SELECT r.head, r.body, COALESCE(h.name, r.host) FROM reports r LEFT JOIN hosts h ON h.id = r.host WHERE r.host = $1 AND r.id = $2", []any{host, id},
		func(scan func(...any) error) error {
			found = true
			var head, body, name string
			if err := scan(&head, &body, &name); err != nil {
				return err
			}
			if err := value(head, &r); err != nil {
				return err
			}
			r.Body, r.HostName = &deminer.Report{}, name
			return value(body, r.Body)
		})
	if err == nil && !found {
		err = server.ErrNone
	}
	return r, err
}

// Append implements [server.Rest].
func (d *DB) Append(ctx context.Context, e server.Entry) error {
	return d.in(ctx, func(tx *sql.Tx) error { return add(ctx, tx, e) })
}

// add seals an entry of the audit log and writes it down.
func add(ctx context.Context, tx *sql.Tx, e server.Entry) error {
	var prev server.Entry
	err := each(ctx, tx, "SELECT seq, sum FROM audit ORDER BY seq DESC LIMIT 1", nil, func(scan func(...any) error) error { return scan(&prev.Seq, &prev.Sum) })
	if err != nil {
		return err
	}
	e = e.Sealed(prev)
	_, err = run(ctx, tx, "INSERT INTO audit (seq, time, who, address, what, target, detail, prev, sum) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		e.Seq, millis(e.Time), e.By, e.From, e.What, e.On, e.Detail, e.Prev, e.Sum)
	return err
}

// Log implements [server.Rest].
func (d *DB) Log(ctx context.Context, below int64, limit int) (out []server.Entry, err error) {
	query, args := "SELECT seq, time, who, address, what, target, detail, prev, sum FROM audit", []any{limit}
	if below > 0 {
		query, args = query+" WHERE seq < $2", append(args, below)
	}
	err = each(ctx, d.look, query+" ORDER BY seq DESC LIMIT $1", args, func(scan func(...any) error) error {
		var e server.Entry
		var at int64
		err := scan(&e.Seq, &at, &e.By, &e.From, &e.What, &e.On, &e.Detail, &e.Prev, &e.Sum)
		e.Time = from(at)
		out = append(out, e)
		return err
	})
	return out, err
}
