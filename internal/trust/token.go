package trust

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/deminer/deminer"
)

// Limits of tokens.
const (
	MaxUses     = 100_000
	LongestLife = 90 * 24 * time.Hour
	tokenMark   = "deminer1" // what a token begins with
	secretSize  = 20         // bytes
)

// NewToken makes a token and gives the text that is handed to who enrolls hosts: mark, secret and fingerprint of the authority, with dots
// between. The text is not kept; it cannot be shown again.
func (a *Authority) NewToken(ctx context.Context, by, group string, uses int, life time.Duration) (text string, t Token, err error) {
	if uses < 1 || uses > MaxUses || life < time.Minute || life > LongestLife {
		return "", t, fmt.Errorf("make a token: give from 1 to %d uses and from a minute to %d days", MaxUses, LongestLife/(24*time.Hour))
	}
	secret := strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random(secretSize)))
	now := a.now().UTC()
	t = Token{ID: deminer.NewID(now), Hash: hashOf(secret), By: by, Group: group, Made: now, Expires: now.Add(life), Uses: uses}
	if err := a.store.PutToken(ctx, t); err != nil {
		return "", t, fmt.Errorf("make a token: %w", err)
	}
	return tokenMark + "." + secret + "." + fingerprint(a.ca.Raw), t, nil
}

// EndToken makes a token useless from now on.
func (a *Authority) EndToken(ctx context.Context, id string) error {
	list, err := a.store.Tokens(ctx)
	if err != nil {
		return fmt.Errorf("end a token: %w", err)
	}
	for _, t := range list {
		if t.ID == id {
			if now := a.now().UTC(); t.Expires.After(now) {
				t.Expires = now
			}
			return a.store.PutToken(ctx, t)
		}
	}
	return fmt.Errorf("end a token: %w", ErrToken)
}

// Tokens lists the tokens, the newest first.
func (a *Authority) Tokens(ctx context.Context) ([]Token, error) { return a.store.Tokens(ctx) }

// hashOf is what of a secret is kept. It has 160 bits by chance, so nothing slower is needed.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte("deminer token v1\x00" + secret))
	return hex.EncodeToString(sum[:])
}

// readToken takes a token's text apart.
func readToken(text string) (secret, print string, err error) {
	part := strings.Split(strings.TrimSpace(text), ".")
	if len(part) != 3 || part[0] != tokenMark || len(part[1]) != 32 || len(part[2]) != 32 || strings.Trim(part[2], "0123456789abcdef") != "" {
		return "", "", errors.New("that is no token of deminer's, or not the whole of one")
	}
	return part[1], part[2], nil
}

// How many wrong tokens may come from one place in a while, and how many places are remembered.
const (
	maxMisses = 10
	missTime  = 10 * time.Minute
	maxPlaces = 10_000
)

// misses counts wrong tokens by the place that they come from.
type misses struct {
	now  func() time.Time
	mu   sync.Mutex
	from map[netip.Prefix]miss
}

type miss struct {
	n     int
	since time.Time
}

// place is the address of who calls, or its network of 64 bits.
func place(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := at.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// over reports whether no more is heard from a place for now.
func (m *misses) over(from netip.Prefix) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	got, ok := m.from[from]
	if ok && m.now().Sub(got.since) > missTime {
		delete(m.from, from)
		return false
	}
	return got.n >= maxMisses
}

func (m *misses) count(from netip.Prefix) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.from == nil || len(m.from) >= maxPlaces {
		m.from = map[netip.Prefix]miss{}
	}
	got := m.from[from]
	if got.n++; got.since.IsZero() {
		got.since = m.now()
	}
	m.from[from] = got
}
