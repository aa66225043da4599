package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/server"
)

const alertColumns = "SELECT a.host, COALESCE(h.name, a.host), a.fleet, a.updated, a.body FROM alerts a LEFT JOIN hosts h ON h.id = a.host"

func scanAlert(scan func(...any) error) (a server.Alert, err error) {
	var updated int64
	var body string
	if err := scan(&a.Host, &a.HostName, &a.Fleet, &updated, &body); err != nil {
		return a, err
	}
	a.Updated = from(updated)
	return a, value(body, &a.Alert)
}

// Alerts implements [server.Alerts].
func (d *DB) Alerts(ctx context.Context, f server.AlertFilter) (out []server.Alert, total int, err error) {
	w := &where{}
	switch f.State {
	case "":
	case "open":
		w.add("a.open = ?", 1)
	case "closed":
		w.add("a.open = ?", 0)
	default:
		w.add("a.state = ?", f.State)
	}
	for _, c := range []struct{ cond, value string }{{"a.host = ?", f.Host}, {"a.fleet = ?", f.Fleet}, {"a.rule = ?", f.Rule}, {"a.sha256 = ?", f.SHA256}} {
		if c.value != "" {
			w.add(c.cond, c.value)
		}
	}
	if f.Topic != "" {
		w.add(`a.topics LIKE ? ESCAPE '\'`, like("|"+f.Topic+"|"))
	}
	if f.Grade != "" {
		w.add("a.grade = ?", slices.Index(alert.Grades(), alert.Grade(f.Grade)))
	}
	if f.Text != "" {
		w.add(`(a.find LIKE ? ESCAPE '\' OR LOWER(h.name) LIKE ? ESCAPE '\')`, like(f.Text))
	}
	some := " FROM alerts a" // the name of a host is only looked at where a text is searched for
	if f.Text != "" {
		some += " LEFT JOIN hosts h ON h.id = a.host"
	}
	some += w.String()
	err = each(ctx, d.look, "SELECT COUNT(*)"+some, w.args, func(scan func(...any) error) error { return scan(&total) })
	if err != nil || f.Limit < 0 || f.Offset >= total {
		return nil, total, err
	}
	// Which ones stand on the page is found without reading their bodies.
	query := "SELECT a.host, a.id" + some + " ORDER BY a.open DESC, a.grade DESC, a.last DESC, a.host, a.id LIMIT " + w.arg(f.Limit) + " OFFSET " + w.arg(f.Offset)
	query = alertColumns + " JOIN (" + query + ") k ON k.host = a.host AND k.id = a.id ORDER BY a.open DESC, a.grade DESC, a.last DESC, a.host, a.id"
	err = each(ctx, d.look, query, w.args, func(scan func(...any) error) error {
		a, err := scanAlert(scan)
		out = append(out, a)
		return err
	})
	return out, total, err
}

// Alert implements [server.Alerts].
func (d *DB) Alert(ctx context.Context, host, id string) (a server.Alert, err error) {
	found := false
	err = each(ctx, d.look, alertColumns+" WHERE a.host = $1 AND a.id = $2", []any{host, id}, func(scan func(...any) error) error {
		found = true
		a, err = scanAlert(scan)
		return err
	})
	if err == nil && !found {
		err = server.ErrNone
	}
	return a, err
}

// SetAlert implements [server.Alerts].
func (d *DB) SetAlert(ctx context.Context, a server.Alert) error {
	a.Updated = time.Now()
	c, err := alertRow(&a, 0)
	if err != nil {
		return err
	}
	return gone(d.exec(ctx, "UPDATE alerts SET state = $3, open = $4, closed = $5, updated = $6, body = $7 WHERE host = $1 AND id = $2",
		a.Host, a.ID, string(a.State), c.open, c.closed, millis(a.Updated), c.body))
}

// Incidents implements [server.Alerts].
func (d *DB) Incidents(ctx context.Context, open bool, limit int) ([]server.Incident, error) {
	having := ""
	if open {
		having = " HAVING SUM(a.open) > 0"
	}
	return d.incidents(ctx, "a.fleet <> ''", having+" ORDER BY SUM(a.open * (a.grade + 1)) DESC, MAX(a.last) DESC, a.fleet LIMIT $1", limit)
}

func (d *DB) incidents(ctx context.Context, cond, tail string, args ...any) (out []server.Incident, err error) {
	place := map[string]int{}
	err = each(ctx, d.look, `SELECT a.fleet, MIN(a.first), MAX(a.last), COUNT(*), SUM(a.open), MAX(a.grade), SUM(CASE WHEN a.topics LIKE '%|mining|%' THEN 1 ELSE 0 END)
		FROM alerts a WHERE `+cond+" GROUP BY a.fleet"+tail, args, func(scan func(...any) error) error {
		var i server.Incident
		var first, last int64
		var grade, mining int
		if err := scan(&i.ID, &first, &last, &i.Alerts, &i.Open, &grade, &mining); err != nil {
			return err
		}
		i.First, i.Last, i.Mining = from(first), from(last), mining > 0
		i.Grade = alert.Grades()[max(0, min(grade, len(alert.Grades())-1))]
		place[i.ID] = len(out)
		out = append(out, i)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range out {
		if err := d.fill(ctx, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// fill adds the hosts of an incident and its title: that of what is best proven and was seen first.
func (d *DB) fill(ctx context.Context, i *server.Incident) error {
	err := each(ctx, d.look, `SELECT a.host, COALESCE(MAX(h.name), a.host), MIN(a.first), SUM(a.open), COUNT(*) FROM alerts a LEFT JOIN hosts h ON h.id = a.host
		WHERE a.fleet = $1 GROUP BY a.host ORDER BY MIN(a.first), a.host`, []any{i.ID}, func(scan func(...any) error) error {
		var p server.Place
		var first int64
		err := scan(&p.Host, &p.Name, &first, &p.Open, &p.Alerts)
		p.First = from(first)
		i.Hosts = append(i.Hosts, p)
		return err
	})
	if err != nil {
		return err
	}
	return each(ctx, d.look, "SELECT a.body FROM alerts a WHERE a.fleet = $1 ORDER BY CASE WHEN a.topics LIKE '%|mining|%' THEN 0 ELSE 1 END, a.grade DESC, CASE WHEN a.body LIKE '%\"artifact\":{\"kind\":\"process\"%' THEN 0 ELSE 1 END, a.first, a.id LIMIT 1",
		[]any{i.ID}, func(scan func(...any) error) error {
			var body string
			if err := scan(&body); err != nil {
				return err
			}
			var a alert.Alert
			err := value(body, &a)
			i.Title = a.Title
			return err
		})
}

// Incident implements [server.Alerts].
func (d *DB) Incident(ctx context.Context, id string) (server.Incident, error) {
	all, err := d.incidents(ctx, "a.fleet = $1", "", id)
	if err != nil {
		return server.Incident{}, err
	}
	if len(all) == 0 {
		return server.Incident{}, server.ErrNone
	}
	i := all[0]
	i.Told = map[server.Tie]int{}
	// What most hosts tell comes first, so that one of them cannot crowd the rest out; what was thrown off has no say.
	err = each(ctx, d.look, `SELECT t.kind, t.value, COUNT(DISTINCT t.host) AS told FROM ties t LEFT JOIN hosts h ON h.id = t.host
		WHERE t.fleet = $1 AND t.kind <> 'incident' AND COALESCE(h.revoked, 0) = 0 GROUP BY t.kind, t.value ORDER BY told DESC, t.kind, t.value LIMIT 500`, []any{id}, func(scan func(...any) error) error {
		var t server.Tie
		var hosts int
		err := scan(&t.Kind, &t.Value, &hosts)
		i.Ties, i.Told[t] = append(i.Ties, t), hosts
		return err
	})
	if err != nil {
		return i, err
	}
	// Of each host the latest report counts.
	latest := map[string]time.Time{}
	err = each(ctx, d.look, "SELECT host, taken, body FROM parts WHERE fleet = $1 ORDER BY taken DESC, host, id LIMIT 500", []any{id}, func(scan func(...any) error) error {
		var p server.Part
		var taken int64
		var body string
		if err := scan(&p.Host, &taken, &body); err != nil {
			return err
		}
		p.Taken = from(taken)
		if at, ok := latest[p.Host]; ok && !at.Equal(p.Taken) {
			return nil
		}
		latest[p.Host] = p.Taken
		err := value(body, &p.Incident)
		i.Parts = append(i.Parts, p)
		return err
	})
	return i, err
}

// Forget implements [server.Intake].
func (d *DB) Forget(ctx context.Context, k server.Keep, now time.Time) error {
	before := func(age time.Duration) int64 { return millis(now.Add(-age)) }
	return d.in(ctx, func(tx *sql.Tx) error {
		for _, q := range []struct {
			query string
			arg   any
		}{
			{"DELETE FROM messages WHERE received < $1", before(k.Messages)},
			{"DELETE FROM alerts WHERE open = 0 AND updated < $1", before(k.Closed)},
			{`DELETE FROM alerts WHERE EXISTS (SELECT 1 FROM (SELECT host, id, ROW_NUMBER() OVER (PARTITION BY host ORDER BY open DESC, grade DESC, last DESC) AS place FROM alerts) r
				WHERE r.place > $1 AND r.host = alerts.host AND r.id = alerts.id)`, k.Alerts},
			{`DELETE FROM reports WHERE EXISTS (SELECT 1 FROM (SELECT host, id, ROW_NUMBER() OVER (PARTITION BY host ORDER BY taken DESC, id) AS place FROM reports) r
				WHERE r.place > $1 AND r.host = reports.host AND r.id = reports.id)`, k.Reports},
			{"DELETE FROM deeds WHERE updated < $1 AND state NOT IN ('approved', 'running', 'undoing')", before(k.Orders)},
			{"DELETE FROM orders WHERE updated < $1 AND state IN ('done', 'failed', 'expired')", before(k.Orders)},
			{"DELETE FROM sessions WHERE expires < $1", millis(now)},
			{"DELETE FROM links WHERE expires < $1", millis(now)},
			{"DELETE FROM guesses WHERE last < $1", before(7 * 24 * time.Hour)},
		} {
			if _, err := run(ctx, tx, q.query, q.arg); err != nil {
				return err
			}
		}
		for _, query := range []string{
			"DELETE FROM steps WHERE NOT EXISTS (SELECT 1 FROM deeds WHERE deeds.host = steps.host AND deeds.plan = steps.plan)",
			"DELETE FROM parts WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE alerts.fleet = parts.fleet)",
			"DELETE FROM ties WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE alerts.fleet = ties.fleet) AND NOT EXISTS (SELECT 1 FROM parts WHERE parts.fleet = ties.fleet)",
			"DELETE FROM incidents WHERE NOT EXISTS (SELECT 1 FROM ties WHERE ties.fleet = incidents.id)",
		} {
			if _, err := run(ctx, tx, query); err != nil {
				return err
			}
		}
		return nil
	})
}
