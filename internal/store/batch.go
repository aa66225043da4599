package store

import (
	"fmt"
	"strings"

	"github.com/deminer/deminer/internal/server"
)

// chunk is how many rows one statement reads or writes. A statement of the same size is made once.
const chunk = 64

// rows writes the places of n rows of m values: "($1, $2), ($3, $4)". SQLite looks for each numbered one among all of them, so there
// they have no numbers.
func (in *intake) rows(n, m int) string {
	if !in.pg {
		row := "(" + strings.Repeat("?, ", m-1) + "?)"
		return strings.Repeat(row+", ", n-1) + row
	}
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		for j := range m {
			sep := ", "
			if j == 0 {
				sep = "("
			}
			fmt.Fprintf(&b, "%s$%d", sep, i*m+j+1)
		}
		b.WriteByte(')')
	}
	return b.String()
}

// chunks does something with rows, some at a time: it gets their places in a statement, and their values.
func (in *intake) chunks(all [][]any, do func(places string, args []any) error) error {
	for len(all) > 0 {
		n := min(len(all), chunk)
		var args []any
		for _, r := range all[:n] {
			args = append(args, r...)
		}
		if err := do(in.rows(n, len(all[0])), args); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// begin reads what the deliveries need: their hosts, which messages are new, the alerts as they stand, and the incidents of their ties.
func (in *intake) begin(ds []*server.Delivery) error {
	if err := in.hosts(ds); err != nil {
		return err
	}
	var messages, alerts, ties [][]any
	once := map[any]bool{}
	first := func(key any) bool {
		was := once[key]
		once[key] = true
		return !was
	}
	for _, d := range ds {
		if !numbered(d) && first(name{d.Host, d.ID}) {
			messages = append(messages, []any{d.Host, d.ID, millis(d.Received)})
		}
		if d.Alert != nil && in.alerts[name{d.Host, d.Alert.ID}] == nil {
			in.alerts[name{d.Host, d.Alert.ID}] = &kept{}
			alerts = append(alerts, []any{d.Host, d.Alert.ID})
		}
		for _, t := range tiesIn(d) {
			if first(t) {
				ties = append(ties, []any{t.Kind, t.Value})
			}
		}
	}
	err := in.chunks(messages, func(places string, args []any) error {
		return each(in.ctx, in.tx, "INSERT INTO messages (host, id, received) VALUES "+places+" ON CONFLICT (host, id) DO NOTHING RETURNING host, id", args, func(scan func(...any) error) error {
			var n name
			err := scan(&n.host, &n.id)
			in.fresh[n] = true
			return err
		})
	})
	if err != nil {
		return err
	}
	err = in.chunks(alerts, func(places string, args []any) error {
		return each(in.ctx, in.tx, "SELECT host, id, told, ties, fleet, closed FROM alerts WHERE (host, id) IN (VALUES "+places+")", args, func(scan func(...any) error) error {
			var n name
			k := &kept{found: true}
			err := scan(&n.host, &n.id, &k.told, &k.ties, &k.fleet, &k.closed)
			in.alerts[n] = k
			return err
		})
	})
	if err != nil {
		return err
	}
	return in.chunks(ties, func(places string, args []any) error {
		return each(in.ctx, in.tx, "SELECT kind, value, MIN(fleet) FROM ties WHERE (kind, value) IN (VALUES "+places+") GROUP BY kind, value", args, func(scan func(...any) error) error {
			var t server.Tie
			var fleet string
			err := scan(&t.Kind, &t.Value, &fleet)
			in.fleets[t] = fleet
			return err
		})
	})
}

func tiesIn(d *server.Delivery) []server.Tie {
	out := d.Ties
	for i := range d.Parts {
		out = append(out[:len(out):len(out)], d.Parts[i].Ties...)
	}
	return out
}

// hosts makes the rows of hosts that speak for the first time, notes when the others spoke, and refuses those that were revoked.
func (in *intake) hosts(ds []*server.Delivery) error {
	var all [][]any
	seen := map[string]int64{}
	for _, d := range ds {
		if _, ok := seen[d.Host]; !ok {
			all = append(all, []any{d.Host})
		}
		seen[d.Host] = max(seen[d.Host], millis(d.Received))
	}
	known := map[string]bool{}
	var late [][]any // those whose time has moved
	err := in.chunks(all, func(places string, args []any) error {
		return each(in.ctx, in.tx, "SELECT id, seen, revoked FROM hosts WHERE (id) IN (VALUES "+places+")", args, func(scan func(...any) error) error {
			var id string
			var at, revoked int64
			if err := scan(&id, &at, &revoked); err != nil {
				return err
			}
			if revoked != 0 {
				return fmt.Errorf("%w: host %s was revoked", server.ErrRefused, id)
			}
			if known[id] = true; at < seen[id] {
				late = append(late, []any{id})
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	for id, at := range seen {
		if known[id] {
			continue
		}
		if _, err := in.do(newHost, id, id, at, at); err != nil {
			return err
		}
	}
	// Of one batch the times are those of one moment: its last one stands for all.
	var last int64
	for _, at := range seen {
		last = max(last, at)
	}
	return in.chunks(late, func(places string, args []any) error {
		_, err := in.do(fmt.Sprintf("UPDATE hosts SET seen = %d WHERE (id) IN (VALUES %s)", last, places), args...)
		return err
	})
}

// end writes what was gathered.
func (in *intake) end() error {
	for _, t := range in.ties {
		t[3] = in.now(t[3].(string))
	}
	err := in.chunks(in.ties, func(places string, args []any) error {
		_, err := in.do("INSERT INTO ties (kind, value, host, fleet) VALUES "+places+" ON CONFLICT (kind, value, host) DO NOTHING", args...)
		return err
	})
	if err != nil {
		return err
	}
	var all [][]any
	for _, n := range in.order {
		k := in.alerts[n]
		k.row[8] = in.now(k.fleet)
		all = append(all, k.row)
	}
	return in.chunks(all, func(places string, args []any) error {
		_, err := in.do(`INSERT INTO alerts (host, id, told, state, open, grade, topics, rule, fleet, ties, first, last, closed, updated, find, body, sha256) VALUES `+places+`
			ON CONFLICT (host, id) DO UPDATE SET told = excluded.told, state = excluded.state, open = excluded.open, grade = excluded.grade, topics = excluded.topics, rule = excluded.rule,
			fleet = excluded.fleet, ties = excluded.ties, first = excluded.first, last = excluded.last, closed = excluded.closed, updated = excluded.updated, find = excluded.find, body = excluded.body,
			sha256 = excluded.sha256`, args...)
		return err
	})
}
