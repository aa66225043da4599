package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/deminer/deminer/internal/bus"
	"github.com/deminer/deminer/internal/server"
)

// serveMetrics answers GET /metrics, in Prometheus' text form, and GET /healthz, at an address of its own, to whoever asks. shut ends it.
func (h *headOffice) serveMetrics(addr string) (shut func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	in, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fail(exitError, "choose another address with --metrics", "serve metrics: %w", plainly(err))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, stop := context.WithTimeout(r.Context(), 5*time.Second)
		defer stop()
		if _, err := h.server.Counts(ctx); err != nil {
			h.say("health: " + err.Error())
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		ctx, stop := context.WithTimeout(r.Context(), 5*time.Second)
		defer stop()
		c, err := h.server.Counts(ctx)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		writeMetrics(w, h.bus.Counts(), c, err == nil)
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10}
	go func() { _ = s.Serve(in) }() // it ends when it is closed
	h.say("metrics at http://" + in.Addr().String() + "/metrics")
	return func() { _ = s.Close() }, nil
}

// writeMetrics writes what is counted. Without an answer of the database, what it would say is left out.
func writeMetrics(w io.Writer, b bus.Counts, c server.Counts, known bool) {
	one := func(kind, name, help string, value any) {
		fmt.Fprintf(w, "# HELP deminer_%s %s\n# TYPE deminer_%s %s\ndeminer_%s %v\n", name, help, name, kind, name, value)
	}
	up := 0
	if known {
		up = 1
	}
	one("gauge", "database_up", "1: the database answers.", up)
	if known {
		one("gauge", "hosts", "Hosts that belong to the fleet.", c.Hosts)
		one("gauge", "hosts_at_risk", "Hosts with open alerts that are convicted.", c.Risk)
		one("gauge", "hosts_mining", "Hosts that mine and are not contained.", c.Mining)
		one("gauge", "alerts_open", "Open alerts.", c.Open)
		one("gauge", "incidents_open", "Open incidents.", c.Incidents)
	}
	one("gauge", "agents_connected", "Agents that are connected to this server.", b.Connected)
	one("gauge", "servers_joined", "Other servers of the cluster.", b.Peers)
	one("counter", "messages_taken_total", "Messages of agents that were written down.", b.Taken)
	one("counter", "messages_refused_total", "Messages that will never be taken.", b.Refused)
	one("counter", "messages_later_total", "Messages that were to be sent again.", b.Later)
	one("counter", "orders_answered_total", "Orders that an agent answered.", b.Ordered)
	one("counter", "orders_unreached_total", "Orders whose agent was not connected.", b.Nobody)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	one("gauge", "memory_bytes", "Memory taken from the system by the Go runtime.", m.Sys-m.HeapReleased)
	one("gauge", "goroutines", "Goroutines.", runtime.NumGoroutine())
}
