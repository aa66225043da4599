package stratum

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer/lab/wallet"
)

// TestExchange lets miner and pool talk over loopback in each transport.
func TestExchange(t *testing.T) {
	for _, c := range []struct{ scheme, mode string }{
		{"", Plain}, {"stratum+tcp://", Plain}, {"stratum+ssl://", TLS}, {"ws://", WebSocket},
	} {
		t.Run(c.scheme, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			p := &Pool{NewJob: 20 * time.Millisecond}
			served := make(chan error, 1)
			go func() { served <- p.Listen(ctx, l, c.mode) }()

			talk, stop := context.WithCancel(ctx)
			defer stop()
			go func() {
				for ctx.Err() == nil {
					if _, s, k := p.Counts(); s >= 3 && k >= 3 {
						break
					}
					time.Sleep(5 * time.Millisecond)
				}
				stop()
			}()
			jobs, shares, err := Client{
				Pool: c.scheme + l.Addr().String(), Wallet: wallet.Make(wallet.Mainnet, 0), Pass: "x", Agent: "test",
				Submit: 30 * time.Millisecond, KeepAlive: 25 * time.Millisecond, Timeout: 5 * time.Second,
			}.Session(talk)
			if err != nil {
				t.Errorf("Session: %v", err)
			}
			if jobs < 2 || shares < 3 {
				t.Errorf("miner saw %d jobs and sent %d shares, want at least 2 and 3", jobs, shares)
			}
			if logins, _, _ := p.Counts(); logins != 1 {
				t.Errorf("pool saw %d logins, want 1", logins)
			}
			cancel()
			if err := <-served; err != nil {
				t.Errorf("Listen: %v", err)
			}
		})
	}
}

func TestReceiveRefusesLongMessage(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go a.Write([]byte(strings.Repeat("x", MaxLine+1)))
	if _, err := Lines(b).Receive(); err == nil {
		t.Error("Receive took a message longer than MaxLine")
	}
}
