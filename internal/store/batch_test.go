package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/server"
)

// TestOneBatch: what comes in one batch is as if it had come one by one.
func TestOneBatch(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		n := 0
		alertOf := func(host, id string, count int, ties ...string) *server.Delivery {
			n++
			a := miner(id)
			a.Count = count
			out := &server.Delivery{Host: host, ID: fmt.Sprintf("%032x", n), Kind: deminer.MessageAlert, Received: time.Unix(int64(1000+n), 0), Alert: &server.Alert{Alert: a, Host: host}}
			for _, v := range ties {
				out.Ties = append(out.Ties, server.Tie{Kind: "sha256", Value: v})
			}
			return out
		}
		first, again := alertOf("h1", "0000000a", 1, "x"), alertOf("h1", "0000000a", 2, "x")
		old := alertOf("h1", "0000000a", 9, "x")
		old.ID = strings.Repeat("0", 32) // made before the others
		batch := []*server.Delivery{first, first, again, old, alertOf("h2", "0000000b", 1, "y"), alertOf("h3", "0000000c", 1, "z"), alertOf("h4", "0000000d", 1, "x", "y"), alertOf("h5", "0000000e", 1, "q")}
		for i := range 300 { // more than one statement holds
			batch = append(batch, alertOf("h6", fmt.Sprintf("%08x", 0x1000+i), 1))
		}
		batch = append(batch, alertOf("h7", "0000000f", 1, "z", "x"))
		if err := d.Deliver(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		a, err := d.Alert(t.Context(), "h1", "0000000a")
		if err != nil || a.Count != 2 {
			t.Errorf("got %+v %v, want the later one", a, err)
		}
		for _, c := range []struct{ host, id string }{{"h2", "0000000b"}, {"h3", "0000000c"}, {"h4", "0000000d"}, {"h7", "0000000f"}} {
			if b, err := d.Alert(t.Context(), c.host, c.id); err != nil || b.Fleet != a.Fleet || b.Fleet == "" {
				t.Errorf("%s: incident %q, want %q: %v", c.host, b.Fleet, a.Fleet, err)
			}
		}
		if b, err := d.Alert(t.Context(), "h5", "0000000e"); err != nil || b.Fleet == a.Fleet {
			t.Errorf("strangers were joined: %v", err)
		}
		list, err := d.Incidents(t.Context(), false, 10)
		if err != nil || len(list) != 2 {
			t.Errorf("got %d incidents, %v, want 2", len(list), err)
		}
		inc, err := d.Incident(t.Context(), a.Fleet)
		if err != nil || len(inc.Ties) != 3 || len(inc.Hosts) != 5 {
			t.Errorf("got %+v %v", inc, err)
		}
		if _, total, err := d.Alerts(t.Context(), server.AlertFilter{Host: "h6", Limit: -1}); err != nil || total != 300 {
			t.Errorf("got %d %v", total, err)
		}
		h, err := d.Host(t.Context(), "h1")
		if err != nil || h.Seen.Before(time.Unix(1002, 0)) {
			t.Errorf("heard %v, %v", h.Seen, err)
		}
		handled := alertOf("h1", "0000000a", 3, "x")
		handled.Alert.State = alert.Handled
		if err := d.Deliver(t.Context(), []*server.Delivery{handled, handled}); err != nil {
			t.Fatal(err)
		}
		if a, err = d.Alert(t.Context(), "h1", "0000000a"); err != nil || a.State != alert.Handled || a.Fleet != inc.ID {
			t.Errorf("got %+v %v", a, err)
		}
	})
}
