package trust

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/state"
)

// ServerName is the name that the server's certificate bears for its agents, at whatever address they find it.
const ServerName = "server.deminer"

// The files of an authority, each of mode 0600.
const (
	caFile     = "ca.pem"     // certificate and key of the authority
	ordersFile = "orders.pem" // key that signs orders
	serverFile = "server.pem" // certificate and key of the server
	maxPEM     = 64 << 10
)

// How long certificates last. Those of the authority outlive every server.
const (
	caLife     = 25 * 365 * 24 * time.Hour
	serverLife = 365 * 24 * time.Hour
	renewAt    = 120 * 24 * time.Hour // before its end
	early      = 25 * time.Hour       // that a certificate is valid before it was made, for hosts whose clock is behind
)

// Authority is what a server trusts machines with, and what they trust it by.
type Authority struct {
	dir    *os.Root
	names  []string
	store  Store
	now    func() time.Time
	ca     *x509.Certificate
	caKey  *ecdsa.PrivateKey
	orders ed25519.PrivateKey

	mu     sync.Mutex
	leaf   *tls.Certificate
	misses misses
}

// Open opens the authority in a directory and makes it at the first start. Names are those under which the server is found, host names and
// addresses, besides ServerName. now is the clock; nil: that of the system.
func Open(dir *os.Root, names []string, store Store, now func() time.Time) (*Authority, error) {
	if now == nil {
		now = time.Now
	}
	a := &Authority{dir: dir, store: store, now: now, misses: misses{now: now}}
	a.names = append([]string{ServerName}, names...)
	slices.Sort(a.names)
	a.names = slices.Compact(a.names)
	if err := a.openCA(); err != nil {
		return nil, fmt.Errorf("open the server's authority: %w", err)
	}
	if err := a.openOrders(); err != nil {
		return nil, fmt.Errorf("open the key for orders: %w", err)
	}
	if _, err := a.Certificate(); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Authority) openCA() error {
	cert, key, err := readPair(a.dir, caFile)
	if errors.Is(err, fs.ErrNotExist) {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return err
		}
		now := a.now()
		c := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "deminer authority " + hex.EncodeToString(random(4))}, NotBefore: now.Add(-early), NotAfter: now.Add(caLife),
			IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
		if cert, err = writePair(a.dir, caFile, c, c, key, key); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if !cert.IsCA {
		return fmt.Errorf("%s holds no authority", caFile)
	}
	a.ca, a.caKey = cert, key
	return nil
}

func (a *Authority) openOrders() error {
	text, err := state.Read(a.dir, ordersFile, maxPEM)
	if errors.Is(err, fs.ErrNotExist) {
		_, a.orders, err = ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		der, err := x509.MarshalPKCS8PrivateKey(a.orders)
		if err != nil {
			return err
		}
		return state.Replace(a.dir, ordersFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	if err != nil {
		return err
	}
	key, err := parseKey(text)
	if err != nil {
		return fmt.Errorf("read %s: %w", ordersFile, err)
	}
	orders, ok := key.(ed25519.PrivateKey)
	if !ok {
		return fmt.Errorf("read %s: not an ed25519 key", ordersFile)
	}
	a.orders = orders
	return nil
}

// Certificate gives the server's certificate, with the authority's behind it. It is made anew long before it runs out, and when the names
// have changed.
func (a *Authority) Certificate() (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fits := func(c *x509.Certificate) bool {
		have := slices.Clone(c.DNSNames)
		for _, ip := range c.IPAddresses {
			have = append(have, ip.String())
		}
		slices.Sort(have)
		return a.now().Add(renewAt).Before(c.NotAfter) && slices.Equal(have, a.names) && c.CheckSignatureFrom(a.ca) == nil
	}
	if a.leaf != nil && fits(a.leaf.Leaf) {
		return a.leaf, nil
	}
	cert, key, err := readPair(a.dir, serverFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open the server's certificate: %w", err)
	}
	if err != nil || !fits(cert) {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, fmt.Errorf("make the server's certificate: %w", err)
		}
		now := a.now()
		c := &x509.Certificate{SerialNumber: serial(), Subject: pkix.Name{CommonName: "deminer server"}, NotBefore: now.Add(-early), NotAfter: now.Add(serverLife),
			BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
		for _, n := range a.names {
			if ip := net.ParseIP(n); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, n)
			}
		}
		if cert, err = writePair(a.dir, serverFile, c, a.ca, key, a.caKey); err != nil {
			return nil, fmt.Errorf("make the server's certificate: %w", err)
		}
	}
	a.leaf = &tls.Certificate{Certificate: [][]byte{cert.Raw, a.ca.Raw}, PrivateKey: key, Leaf: cert}
	return a.leaf, nil
}

// CA gives the certificate of the authority.
func (a *Authority) CA() *x509.Certificate { return a.ca }

// Admit gives the id of the host with this key: what the bus asks as one connects. deminer.ErrRevoked, ErrUnknown.
func (a *Authority) Admit(ctx context.Context, key ed25519.PublicKey) (string, error) {
	m, err := a.store.Machine(ctx, hex.EncodeToString(key))
	if err != nil {
		return "", err
	}
	if !m.Revoked.IsZero() {
		return "", fmt.Errorf("%w: %s", deminer.ErrRevoked, deminer.Cut(m.Name, 60))
	}
	return m.ID, nil
}

// Revoke takes a host's trust away: its key is never admitted again. The connection that stands, the bus cuts.
func (a *Authority) Revoke(ctx context.Context, id string) error {
	if err := a.store.Revoke(ctx, id, a.now()); err != nil {
		return fmt.Errorf("revoke a host: %w", err)
	}
	return nil
}

// fingerprint names a certificate in a token: 128 bits of its SHA-256.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:16])
}

func serial() *big.Int { return new(big.Int).SetBytes(append([]byte{1}, random(15)...)) }

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails, see crypto/rand
	return b
}

// readPair reads a certificate and its key.
func readPair(dir *os.Root, name string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	text, err := state.Read(dir, name, maxPEM)
	if err != nil {
		return nil, nil, err
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, nil, fmt.Errorf("read %s: there is no certificate", name)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	parsed, err := parseKey(rest)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(cert.PublicKey) {
		return nil, nil, fmt.Errorf("read %s: the key does not belong to the certificate", name)
	}
	return cert, key, nil
}

func parseKey(text []byte) (any, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, errors.New("there is no key")
	}
	return x509.ParsePKCS8PrivateKey(block.Bytes)
}

// writePair makes a certificate and keeps it with its key.
func writePair(dir *os.Root, name string, c, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	if err := state.Replace(dir, name, text); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
