package stratum

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// The ways in which a pool listener speaks.
const (
	Plain     = "plain"
	TLS       = "tls"
	WebSocket = "ws"
)

// Listen serves miners that connect to l in the given mode until ctx ends, and
// returns after the last connection is closed.
func (p *Pool) Listen(ctx context.Context, l net.Listener, mode string) error {
	if mode == TLS {
		cert, err := selfSigned()
		if err != nil {
			l.Close()
			return err
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		raw, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept miner: %w", err)
		}
		wg.Go(func() {
			defer raw.Close()
			defer context.AfterFunc(ctx, func() { raw.Close() })()
			conn := Lines(raw)
			if mode == WebSocket {
				if conn, err = AcceptWebSocket(raw); err != nil {
					return
				}
			}
			_ = p.Serve(conn) // a miner that goes away is no fault
		})
	}
}

// selfSigned makes the kind of certificate that private pools have.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make pool key: %w", err)
	}
	now := time.Now()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0), DNSNames: []string{"pool.lab.invalid"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make pool certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
