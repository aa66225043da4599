package trust

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/state"
)

// identityFile is where a host keeps what it was enrolled with, in its state directory, of mode 0600.
const identityFile = "enrolment.json"

// Identity is what a host is known by at its server, and knows that by.
type Identity struct {
	Host   string    `json:"host"`           // id; "" until the server has answered
	Server string    `json:"server"`         // HOST:PORT that it was enrolled at
	For    string    `json:"for"`            // hash of the token that it was enrolled with
	Seed   []byte    `json:"seed"`           // of its key
	Next   []byte    `json:"next,omitempty"` // of the key that it has asked for
	Made   time.Time `json:"made"`           // the key
	CA     string    `json:"ca"`             // PEM
	Orders []byte    `json:"orders"`         // public key that signs orders
	Bus    []string  `json:"bus"`            // HOST:PORT
}

// Key is the key of the host.
func (i *Identity) Key() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(i.Seed) }

// TLS believes the server of this host, at whatever address, and nobody else.
func (i *Identity) TLS() *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(i.CA))
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: ServerName}
}

// Load reads the identity in a state directory; fs.ErrNotExist where the host is not enrolled.
func Load(dir *os.Root) (*Identity, error) {
	i, err := load(dir)
	if err != nil {
		return nil, err
	}
	if !deminer.IsID(i.Host) {
		return nil, fmt.Errorf("read the enrolment: it was not finished: %w", fs.ErrNotExist)
	}
	if block, _ := pem.Decode([]byte(i.CA)); block == nil || len(i.Orders) != ed25519.PublicKeySize || len(i.Bus) == 0 {
		return nil, errors.New("read the enrolment: it is not whole; enroll this host again")
	}
	return i, nil
}

func load(dir *os.Root) (*Identity, error) {
	text, err := state.Read(dir, identityFile, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("read the enrolment: %w", err)
	}
	i := &Identity{}
	if err := json.Unmarshal(text, i); err != nil || len(i.Seed) != ed25519.SeedSize {
		return nil, errors.New("read the enrolment: it is damaged; enroll this host again")
	}
	return i, nil
}

func (i *Identity) save(dir *os.Root) error {
	text, err := json.Marshal(i)
	if err == nil {
		err = state.Replace(dir, identityFile, text)
	}
	if err != nil {
		return fmt.Errorf("keep the enrolment: %w", err)
	}
	return nil
}

// Move notes that the server of this host is found elsewhere, HOST:PORT each.
func (i *Identity) Move(dir *os.Root, server string, bus ...string) error {
	if len(bus) == 0 || i.Server == server && slices.Equal(i.Bus, bus) {
		return nil
	}
	i.Server, i.Bus = server, bus
	return i.save(dir)
}

// Forget takes the identity away. The server still knows the host until it is revoked there.
func Forget(dir *os.Root) error { return dir.Remove(identityFile) }

// Enroll enrolls the host at a server, HOST:PORT, with a token, and keeps what it got. The key is on disk before it is sent: if the answer
// is lost, the same call with the same token goes on. A server whose authority is not the one of the token is told nothing.
func Enroll(ctx context.Context, dir *os.Root, server, token, name string, now time.Time) (*Identity, error) {
	secret, print, err := readToken(token)
	if err != nil {
		return nil, fmt.Errorf("enroll: %w", err)
	}
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		return nil, fmt.Errorf("enroll: the server is given as HOST:PORT: %w", err)
	}
	i, err := load(dir)
	if err != nil || i.Host != "" || i.For != hashOf(secret) { // begun anew; one that was not answered goes on
		seed := make([]byte, ed25519.SeedSize)
		rand.Read(seed) // never fails, see crypto/rand
		i = &Identity{Seed: seed, For: hashOf(secret), Made: now.UTC()}
	}
	i.Server = server
	if err := i.save(dir); err != nil {
		return nil, err
	}
	e := enrollment{Token: secret, Name: name, Key: i.Key().Public().(ed25519.PublicKey)}
	e.Proof = ed25519.Sign(i.Key(), e.signed())
	got, err := ask(ctx, pinned(print, now), "https://"+server+EnrollPath, e)
	if err != nil {
		return nil, fmt.Errorf("enroll at %s: %w", deminer.Safe(server), err)
	}
	if block, _ := pem.Decode([]byte(got.CA)); block == nil || fingerprint(block.Bytes) != print {
		return nil, fmt.Errorf("enroll at %s: the authority that it names is not the one of the token", deminer.Safe(server))
	}
	if err := i.take(got, host); err != nil {
		return nil, fmt.Errorf("enroll at %s: %w", deminer.Safe(server), err)
	}
	return i, i.save(dir)
}

// take keeps an answer. host stands for what names no host.
func (i *Identity) take(got enrolled, host string) error {
	if !deminer.IsID(got.Host) || len(got.Orders) != ed25519.PublicKeySize || len(got.Bus) == 0 || len(got.Bus) > 100 {
		return errors.New("it did not answer as a server of deminer's does")
	}
	i.Host, i.CA, i.Orders, i.Bus = got.Host, got.CA, got.Orders, nil
	for _, b := range got.Bus {
		at, port, err := net.SplitHostPort(b)
		if err != nil || len(b) > 300 {
			return errors.New("it named a bus that has no address")
		}
		if at == "" {
			at = host
		}
		i.Bus = append(i.Bus, net.JoinHostPort(at, port))
	}
	return nil
}

// Renew has the server take another key for this host, and keeps it. The new one is on disk before it is sent; who asks again after an
// answer was lost goes on with it.
func (i *Identity) Renew(ctx context.Context, dir *os.Root, now time.Time) error {
	if len(i.Next) != ed25519.SeedSize {
		i.Next = make([]byte, ed25519.SeedSize)
		rand.Read(i.Next) // never fails, see crypto/rand
		if err := i.save(dir); err != nil {
			return err
		}
	}
	next := ed25519.NewKeyFromSeed(i.Next)
	r := renewal{Host: i.Host, Old: i.Key().Public().(ed25519.PublicKey), Key: next.Public().(ed25519.PublicKey)}
	r.By, r.Proof = ed25519.Sign(i.Key(), r.signed()), ed25519.Sign(next, r.signed())
	got, err := ask(ctx, i.TLS(), "https://"+i.Server+RenewPath, r)
	if err != nil {
		return fmt.Errorf("renew the key of this host: %w", err)
	}
	if got.Host != i.Host {
		return errors.New("renew the key of this host: the server answered for another one")
	}
	i.Seed, i.Next, i.Made = i.Next, nil, now.UTC()
	return i.save(dir)
}

// pinned believes a server whose certificate comes from the authority with this fingerprint.
func pinned(print string, now time.Time) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, ServerName: ServerName, InsecureSkipVerify: true, // the authority is in no store: it is compared below
		VerifyConnection: func(c tls.ConnectionState) error {
			for _, ca := range c.PeerCertificates {
				if fingerprint(ca.Raw) != print {
					continue
				}
				pool := x509.NewCertPool()
				pool.AddCert(ca)
				_, err := c.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: ServerName, CurrentTime: now})
				return err
			}
			return errors.New("it is not the server of this token: nothing was said to it")
		}}
}

// ask posts a request and reads the answer.
func ask(ctx context.Context, config *tls.Config, url string, v any) (out enrolled, err error) {
	body, err := json.Marshal(v)
	if err != nil {
		return out, err
	}
	ctx, stop := context.WithTimeout(ctx, waitFor)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	req.Header.Set("Content-Type", "application/json")
	way := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}
	resp, err := (&http.Client{Transport: way, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxPEM))
	switch {
	case err != nil:
		return out, err
	case resp.StatusCode == http.StatusTooManyRequests:
		return out, ErrWait
	case resp.StatusCode == http.StatusForbidden:
		return out, fmt.Errorf("%w: %s", ErrToken, deminer.Cut(deminer.Safe(strings.TrimSpace(string(text))), 200))
	case resp.StatusCode != http.StatusOK:
		return out, fmt.Errorf("the server answered %d: %s", resp.StatusCode, deminer.Cut(deminer.Safe(strings.TrimSpace(string(text))), 200))
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return out, fmt.Errorf("read the answer: %w", err)
	}
	return out, nil
}
