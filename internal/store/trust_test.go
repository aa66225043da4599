package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/trust"
)

func TestMachines(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		m, ctx := d.Machines(), t.Context()
		now := time.Date(2026, 11, 27, 3, 0, 0, 0, time.UTC)
		key := func(n int) string { return fmt.Sprintf("%064x", n) }
		one := func(n int) trust.Machine {
			return trust.Machine{ID: fmt.Sprintf("%032x", n), Key: key(n), Name: fmt.Sprint("host ", n), Enrolled: now, Renewed: now}
		}
		tok := trust.Token{ID: deminer.NewID(now), Hash: strings.Repeat("a", 64), By: "ann", Group: "web", Made: now, Expires: now.Add(time.Hour), Uses: 2}
		if err := m.PutToken(ctx, tok); err != nil {
			t.Fatal(err)
		}
		enroll := func(name, hash string, in trust.Machine, at time.Time, want error) trust.Machine {
			t.Helper()
			got, err := m.Enroll(ctx, hash, in, at)
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
			return got
		}
		enroll("another token", strings.Repeat("b", 64), one(1), now, trust.ErrToken)
		enroll("expired", tok.Hash, one(1), now.Add(time.Hour), trust.ErrToken)
		first := enroll("the first", tok.Hash, one(1), now, nil)
		again := one(9)
		again.Key = first.Key
		if got := enroll("the first again", tok.Hash, again, now, nil); got.ID != first.ID || got.Group != "web" || got.Token != tok.ID {
			t.Errorf("again: %+v", got)
		}
		enroll("the second", tok.Hash, one(2), now, nil)
		enroll("one too many", tok.Hash, one(3), now, trust.ErrToken)
		if list, err := m.Tokens(ctx); err != nil || len(list) != 1 || list[0].Used != 2 || !list[0].Expires.Equal(tok.Expires) {
			t.Errorf("tokens: %+v %v", list, err)
		}
		for _, by := range []string{first.ID, first.Key} {
			if got, err := m.Machine(ctx, by); err != nil || got.ID != first.ID || !got.Enrolled.Equal(now) {
				t.Errorf("by %s: %+v %v", by, got, err)
			}
		}
		if _, err := m.Machine(ctx, key(3)); !errors.Is(err, trust.ErrUnknown) {
			t.Errorf("a key that nobody has: %v", err)
		}
		if h, err := d.Host(ctx, first.ID); err != nil || h.Name != "host 1" {
			t.Errorf("the server does not know the host: %+v %v", h, err)
		}
		for _, c := range []struct {
			name, id, old, key string
			want               error
		}{{"a foreign key", first.ID, key(2), key(7), trust.ErrUnknown}, {"to one that another has", first.ID, key(1), key(2), trust.ErrUnknown},
			{"rightly", first.ID, key(1), key(4), nil}, {"twice", first.ID, key(1), key(5), trust.ErrUnknown}, {"back to an old one", first.ID, key(4), key(1), trust.ErrUnknown}} {
			if err := m.Renew(ctx, c.id, c.old, c.key, now); !errors.Is(err, c.want) {
				t.Errorf("renew %s: %v, want %v", c.name, err, c.want)
			}
		}
		if err := m.Revoke(ctx, first.ID, now); err != nil {
			t.Fatal(err)
		}
		if err := m.Revoke(ctx, "nobody", now); !errors.Is(err, trust.ErrUnknown) {
			t.Errorf("revoke nobody: %v", err)
		}
		if got, err := m.Machine(ctx, key(4)); err != nil || !got.Revoked.Equal(now) {
			t.Errorf("revoked: %+v %v", got, err)
		}
		if err := m.Renew(ctx, first.ID, key(4), key(6), now); !errors.Is(err, trust.ErrUnknown) {
			t.Errorf("a revoked host renews: %v", err)
		}
		tok.Uses = 9
		if err := m.PutToken(ctx, tok); err != nil {
			t.Fatal(err)
		}
		old := one(8)
		old.Key = key(1)
		enroll("with an old key", tok.Hash, old, now, trust.ErrToken)
		revoked := one(8)
		revoked.Key = key(4)
		enroll("with a revoked key", tok.Hash, revoked, now, trust.ErrToken)
	})
}

func TestTokenIsCounted(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		now := time.Now()
		tok := trust.Token{ID: deminer.NewID(now), Hash: strings.Repeat("a", 64), Made: now, Expires: now.Add(time.Hour), Uses: 5}
		if err := d.Machines().PutToken(t.Context(), tok); err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		var mu sync.Mutex
		in := 0
		for n := range 20 {
			wait.Go(func() {
				_, err := d.Machines().Enroll(t.Context(), tok.Hash, trust.Machine{ID: fmt.Sprintf("%032x", n), Key: fmt.Sprintf("%064x", n)}, now)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					in++
				} else if !errors.Is(err, trust.ErrToken) {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if in != 5 {
			t.Errorf("%d came in with a token for 5", in)
		}
	})
}
