package bus

import (
	"crypto/ed25519"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/nats-io/nats.go"
)

// TestLines: whoever makes the bus speak fills no disk, and what was left out is counted.
func TestLines(t *testing.T) {
	var said []string
	now := time.Unix(1000, 0)
	l := &lines{say: func(s string) { said = append(said, s) }, now: func() time.Time { return now }}
	for i := range 1000 {
		l.line(fmt.Sprint(i))
	}
	if len(said) != maxLines+1 || said[0] != "0" || !strings.Contains(said[maxLines], "counted") {
		t.Errorf("%d lines: %q", len(said), said)
	}
	now, said = now.Add(time.Minute), nil
	l.line("later")
	l.line("still")
	if got := strings.Join(said, ","); got != "the bus: and 940 more lines,later,still" {
		t.Errorf("then %s", got)
	}
}

// TestManyRefused: who sends what is refused for good, or to where it may not, again and again, is cut off as who floods is.
func TestManyRefused(t *testing.T) {
	for name, send := range map[string]func(c *nats.Conn, wire []byte, i int) error{
		"messages that are none": func(c *nats.Conn, _ []byte, _ int) error {
			_, err := c.Request(hostPrefix+hostA+".state", []byte("x"), 20*time.Second)
			return err
		},
		"messages that are refused": func(c *nats.Conn, wire []byte, _ int) error {
			_, err := c.Request(hostPrefix+hostA+".state", wire, 20*time.Second)
			return err
		},
		"subjects of others": func(c *nats.Conn, _ []byte, i int) error {
			return c.Publish(fmt.Sprintf("%s%s.a%c", hostPrefix, hostB, 'a'+i%26), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ca, cert := identity(t)
			f := serve(t, "127.0.0.1:0", ca, cert)
			f.refuse = deminer.ErrRefused
			key := f.host(hostA)
			public, err := publicKey(key.Public().(ed25519.PublicKey))
			if err != nil {
				t.Fatal(err)
			}
			c, err := nats.Connect("tls://"+f.Addr().String(), nats.Nkey(public, func(n []byte) ([]byte, error) { return ed25519.Sign(key, n), nil }),
				nats.Secure(&tls.Config{RootCAs: ca, ServerName: serverName}), nats.TLSHandshakeFirst(), nats.NoReconnect(), nats.CustomInboxPrefix(inboxPrefix+hostA),
				nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			wire, err := f.pack.packMessage(message(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			for i := range maxExcess - 10 {
				if err := send(c, wire, i); err != nil {
					t.Fatalf("after %d: %v", i, err)
				}
			}
			for i := range 30 {
				_ = send(c, wire, i) // it is cut off in the middle
			}
			_ = c.Flush()
			until(t, "it is cut off", func() bool { return c.IsClosed() })
		})
	}
}
