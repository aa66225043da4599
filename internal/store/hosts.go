package store

import (
	"context"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/server"
)

// Hosts implements [server.Hosts].
func (d *DB) Hosts(ctx context.Context, brief bool) ([]server.Host, error) {
	return d.hosts(ctx, brief, " ORDER BY h.name, h.id")
}

func (d *DB) hosts(ctx context.Context, brief bool, tail string, args ...any) (out []server.Host, err error) {
	place := map[string]int{}
	query := "SELECT h.id, h.name, h.enrolled, h.seen, h.revoked, h.mode, h.agent, h.policy FROM hosts h"
	if brief {
		query = "SELECT h.id, h.name, h.enrolled, h.seen, h.revoked, h.mode, '', '' FROM hosts h"
	}
	err = each(ctx, d.look, query+tail, args, func(scan func(...any) error) error {
		var h server.Host
		var enrolled, seen, revoked int64
		var agent, policy string
		if err := scan(&h.ID, &h.Name, &enrolled, &seen, &revoked, &h.Agent.Mode, &agent, &policy); err != nil {
			return err
		}
		h.Enrolled, h.Seen, h.Revoked = from(enrolled), from(seen), from(revoked)
		if err := value(agent, &h.Agent); err != nil {
			return err
		}
		place[h.ID] = len(out)
		out = append(out, h)
		return value(policy, &out[len(out)-1].Policy)
	})
	if err != nil || len(out) == 0 {
		return out, err
	}
	one := "SELECT host, COUNT(*), SUM(CASE WHEN grade = 2 THEN 1 ELSE 0 END), SUM(CASE WHEN grade >= 1 AND state <> 'blocked' AND topics LIKE '%|mining|%' THEN 1 ELSE 0 END) FROM alerts WHERE open = 1"
	args = nil
	if len(out) == 1 {
		one, args = one+" AND host = $1", []any{out[0].ID}
	}
	err = each(ctx, d.look, one+" GROUP BY host", args, func(scan func(...any) error) error {
		var host string
		var open, proven, mining int
		if err := scan(&host, &open, &proven, &mining); err != nil {
			return err
		}
		if i, ok := place[host]; ok {
			out[i].Open, out[i].Proven, out[i].Mining = open, proven, mining
		}
		return nil
	})
	return out, err
}

// Host implements [server.Hosts].
func (d *DB) Host(ctx context.Context, id string) (server.Host, error) {
	hs, err := d.hosts(ctx, false, " WHERE h.id = $1", id)
	if err != nil {
		return server.Host{}, err
	}
	if len(hs) == 0 {
		return server.Host{}, server.ErrNone
	}
	return hs[0], nil
}

// Enroll implements [server.Hosts].
func (d *DB) Enroll(ctx context.Context, id, name string, now time.Time) error {
	if name == "" {
		name = id
	}
	_, err := d.exec(ctx, newHost+" ON CONFLICT (id) DO UPDATE SET name = $2, enrolled = $3, revoked = 0", id, name, millis(now), 0)
	return err
}

// RevokeHost implements [server.Hosts].
func (d *DB) RevokeHost(ctx context.Context, id string, now time.Time) error {
	return gone(d.exec(ctx, "UPDATE hosts SET revoked = $2 WHERE id = $1", id, millis(now)))
}

// gone makes an error of a change that found nothing to change.
func gone(n int64, err error) error {
	if err == nil && n == 0 {
		return server.ErrNone
	}
	return err
}

// SetPolicy implements [server.Hosts].
func (d *DB) SetPolicy(ctx context.Context, host string, p server.Policy) error {
	body, err := text(p)
	if err != nil {
		return err
	}
	return gone(d.exec(ctx, "UPDATE hosts SET policy = $2 WHERE id = $1", host, body))
}

const day = 24 * 60 * 60 * 1000 // milliseconds

// Counts implements [server.Hosts].
func (d *DB) Counts(ctx context.Context, now time.Time, brief bool) (c server.Counts, err error) {
	row := func(query string, into ...any) error {
		return each(ctx, d.look, query, nil, func(scan func(...any) error) error { return scan(into...) })
	}
	err = row(`SELECT COUNT(*), COALESCE(SUM(CASE WHEN grade = 2 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN grade = 0 THEN 1 ELSE 0 END), 0),
		COUNT(DISTINCT CASE WHEN grade >= 1 AND state <> 'blocked' AND topics LIKE '%|mining|%' THEN host END),
		COUNT(DISTINCT CASE WHEN grade >= 1 THEN host END), COUNT(DISTINCT CASE WHEN grade >= 1 AND fleet <> '' THEN fleet END)
		FROM alerts WHERE open = 1`, &c.Open, &c.Proven, &c.Suspect, &c.Mining, &c.Risk, &c.Incidents)
	if err != nil || brief {
		return c, err
	}
	if err := row("SELECT COUNT(*) FROM hosts WHERE revoked = 0", &c.Hosts); err != nil {
		return c, err
	}
	c.ByState = map[string]int{}
	err = each(ctx, d.look, "SELECT state, COUNT(*) FROM alerts GROUP BY state", nil, func(scan func(...any) error) error {
		var s string
		var n int
		err := scan(&s, &n)
		c.ByState[s] = n
		return err
	})
	if err != nil {
		return c, err
	}
	return c, d.daily(ctx, &c, millis(now)/day)
}

// daily counts what was found and closed on each of the last 30 days.
func (d *DB) daily(ctx context.Context, c *server.Counts, today int64) error {
	for i := range int64(30) {
		c.Days = append(c.Days, server.Day{Day: from((today - 29 + i) * day)})
	}
	for column, put := range map[string]func(*server.Day, int){"first": func(d *server.Day, n int) { d.Found = n }, "closed": func(d *server.Day, n int) { d.Handled = n }} {
		query := "SELECT " + column + " / 86400000, COUNT(*) FROM alerts WHERE " + column + " >= $1 GROUP BY " + column + " / 86400000"
		err := each(ctx, d.look, query, []any{(today - 29) * day}, func(scan func(...any) error) error {
			var at int64
			var n int
			if err := scan(&at, &n); err != nil {
				return err
			}
			if i := at - (today - 29); i >= 0 && i < 30 {
				put(&c.Days[i], n)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Vault implements [server.Rest].
func (d *DB) Vault(ctx context.Context, host string) (out []server.Kept, err error) {
	err = d.things(ctx, "vault", host, func(id, name, body string) error {
		var all []deminer.Kept
		err := value(body, &all)
		for _, k := range all {
			out = append(out, server.Kept{Host: id, HostName: name, Kept: k})
		}
		return err
	})
	return out, err
}

// Blocks implements [server.Rest].
func (d *DB) Blocks(ctx context.Context, host string) (out []server.Blocked, err error) {
	err = d.things(ctx, "blocks", host, func(id, name, body string) error {
		var all []deminer.Blocked
		err := value(body, &all)
		for _, b := range all {
			out = append(out, server.Blocked{Host: id, HostName: name, Blocked: b})
		}
		return err
	})
	return out, err
}

func (d *DB) things(ctx context.Context, column, host string, row func(id, name, body string) error) error {
	query, args := "SELECT id, name, "+column+" FROM hosts WHERE revoked = 0 AND "+column+" NOT IN ('', 'null', '[]')", []any(nil)
	if host != "" {
		query, args = query+" AND id = $1", []any{host}
	}
	return each(ctx, d.look, query+" ORDER BY name, id", args, func(scan func(...any) error) error {
		var id, name, body string
		if err := scan(&id, &name, &body); err != nil {
			return err
		}
		return row(id, name, body)
	})
}
