package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/alert"
	"github.com/deminer/deminer/internal/auth"
	"github.com/deminer/deminer/internal/server"
	"github.com/deminer/deminer/internal/store"
)

// BenchmarkPages is how long pages take with 10,000 hosts and 100,000 alerts.
func BenchmarkPages(b *testing.B) {
	ctx := b.Context()
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(b.TempDir(), "x.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	now, n := time.Now(), 0
	for h := range 10_000 {
		host := fmt.Sprintf("h%05d", h)
		var ds []*server.Delivery
		add := func(d server.Delivery) {
			n++
			d.Host, d.ID, d.Received = host, fmt.Sprintf("%032x", n), now
			ds = append(ds, &d)
		}
		add(server.Delivery{Kind: deminer.MessageState, Agent: &deminer.AgentState{Mode: "watching", Host: deminer.HostInfo{Name: "host-" + host, Distro: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.1.0"}}})
		for i := range 10 {
			a := alert.Alert{ID: fmt.Sprintf("%08x", i), State: alert.States()[3*min(1, (h+i)%20)], Grade: alert.Grades()[i%3], Topics: []deminer.Topic{deminer.TopicMining}, Title: "kswapd0 logs in to a mining pool", Why: []string{"it logged in to a pool"},
				First: now.Add(-time.Duration(h) * time.Minute), Last: now.Add(-time.Duration(h) * time.Second), Count: 3, Thing: alert.Thing{Path: "/tmp/x", SHA256: strings.Repeat(fmt.Sprintf("%02x", h%200), 32)}}
			add(server.Delivery{Kind: deminer.MessageAlert, Alert: &server.Alert{Alert: a, Host: host, Updated: now}, Ties: []server.Tie{{Kind: "sha256", Value: a.Thing.SHA256}}})
		}
		if err := db.Deliver(ctx, ds); err != nil {
			b.Fatal(err)
		}
	}
	srv := server.New(server.Options{Store: db})
	people := auth.New(auth.Options{Store: db, Log: srv.Audit})
	c, err := New(Options{Server: srv, People: people})
	if err != nil {
		b.Fatal(err)
	}
	link, err := people.Setup(ctx)
	if err != nil {
		b.Fatal(err)
	}
	token, err := people.Join(context.WithoutCancel(ctx), link, "ann", password, "192.0.2.1", "")
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range []string{"/", "/alerts", "/alerts?q=h09999&state=all", "/alerts?topic=mining&grade=proof&page=20", "/alerts/h00017/00000002", "/incidents", "/hosts", "/scans", "/policies"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, "https://x"+path, nil)
				r.Header.Set("Cookie", sessionCookie+"="+token)
				w := httptest.NewRecorder()
				if c.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
