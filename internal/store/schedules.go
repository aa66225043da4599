package store

import (
	"context"
	"time"

	"github.com/deminer/deminer/internal/server"
)

// AddSchedule implements [server.Schedules].
func (d *DB) AddSchedule(ctx context.Context, s server.Schedule) error {
	hosts, err := text(s.Hosts)
	if err != nil {
		return err
	}
	_, err = d.exec(ctx, "INSERT INTO schedules (id, mode, hosts, every, next, made_by, made) VALUES ($1, $2, $3, $4, $5, $6, $7)", s.ID, s.Mode, hosts, s.Every.Milliseconds(), millis(s.Next), s.By, millis(s.Made))
	return err
}

// Schedules implements [server.Schedules].
func (d *DB) Schedules(ctx context.Context) (out []server.Schedule, err error) {
	err = each(ctx, d.look, "SELECT id, mode, hosts, every, next, made_by, made FROM schedules ORDER BY made, id", nil, func(scan func(...any) error) error {
		var s server.Schedule
		var hosts string
		var every, next, made int64
		if err := scan(&s.ID, &s.Mode, &hosts, &every, &next, &s.By, &made); err != nil {
			return err
		}
		s.Every, s.Next, s.Made = time.Duration(every)*time.Millisecond, from(next), from(made)
		err := value(hosts, &s.Hosts)
		out = append(out, s)
		return err
	})
	return out, err
}

// EndSchedule implements [server.Schedules].
func (d *DB) EndSchedule(ctx context.Context, id string) error {
	return gone(d.exec(ctx, "DELETE FROM schedules WHERE id = $1", id))
}

// TakeSchedule implements [server.Schedules].
func (d *DB) TakeSchedule(ctx context.Context, id string, due, next time.Time) (bool, error) {
	n, err := d.exec(ctx, "UPDATE schedules SET next = $3 WHERE id = $1 AND next = $2", id, millis(due), millis(next))
	return n > 0, err
}
