// Command pool is the lab's stub mining pool and its second-stage web server. It
// pays nothing and checks nothing: every login and share is accepted.
//
//	pool -plain 203.0.113.7:3333 -tls 203.0.113.7:443 -ws 203.0.113.7:8080 -www 203.0.113.7:80 -dir stage
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/deminer/deminer/lab/stratum"
)

func main() {
	var plain, tls, ws, www, dir string
	flag.StringVar(&plain, "plain", "", "comma-separated `addresses` for plain Stratum")
	flag.StringVar(&tls, "tls", "", "comma-separated `addresses` for Stratum over TLS")
	flag.StringVar(&ws, "ws", "", "comma-separated `addresses` for Stratum over WebSocket")
	flag.StringVar(&www, "www", "", "comma-separated `addresses` for files over HTTP")
	flag.StringVar(&dir, "dir", "", "`directory` that -www serves")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := serve(ctx, map[string]string{stratum.Plain: plain, stratum.TLS: tls, stratum.WebSocket: ws}, www, dir); err != nil {
		fmt.Fprintf(os.Stderr, "pool: %v\n", err)
		os.Exit(1)
	}
}

// serve listens everywhere at once, says "ready" on standard output, and returns
// when ctx ends.
func serve(ctx context.Context, stratumOn map[string]string, www, dir string) error {
	p := &stratum.Pool{NewJob: 15 * time.Second}
	var wg sync.WaitGroup
	defer wg.Wait()
	for mode, list := range stratumOn {
		for _, addr := range split(list) {
			l, err := net.Listen("tcp", addr)
			if err != nil {
				return fmt.Errorf("listen for %s miners: %w", mode, err)
			}
			wg.Go(func() { _ = p.Listen(ctx, l, mode) })
		}
	}
	for _, addr := range split(www) {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("listen for HTTP: %w", err)
		}
		s := &http.Server{Handler: logged(http.FileServer(http.Dir(dir))), ReadHeaderTimeout: 5 * time.Second}
		defer context.AfterFunc(ctx, func() { s.Close() })()
		wg.Go(func() { _ = s.Serve(l) })
	}
	fmt.Println("ready")
	<-ctx.Done()
	logins, shares, keepalives := p.Counts()
	fmt.Printf("logins %d shares %d keepalives %d\n", logins, shares, keepalives)
	return nil
}

// logged prints one line for every file fetched, so that a test can prove a re-infection.
func logged(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Printf("fetch %q from %s\n", r.URL.Path, r.RemoteAddr)
		h.ServeHTTP(w, r)
	})
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}
