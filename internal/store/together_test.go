package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// TestTogether: changes that wait at the same time are all made, one that fails fails alone, and each has its own count.
func TestTogether(t *testing.T) {
	on(t, func(t *testing.T, d *DB) {
		add := func(ctx context.Context, key string) (int64, error) {
			return d.exec(ctx, "INSERT INTO old_keys (key, machine) VALUES ($1, $2)", key, "m")
		}
		if _, err := add(t.Context(), "k0"); err != nil {
			t.Fatal(err)
		}
		gone, stop := context.WithCancel(t.Context())
		stop()
		var wait sync.WaitGroup
		for n := range 200 {
			wait.Go(func() {
				switch {
				case n%50 == 0: // it is there already
					if _, err := add(t.Context(), "k0"); err == nil {
						t.Error("a second one of the same key was kept")
					}
				case n%50 == 1:
					if _, err := add(gone, fmt.Sprint("gone", n)); err == nil {
						t.Error("a change of somebody who has gone before was made")
					}
				default:
					if rows, err := add(t.Context(), fmt.Sprint("k", n)); err != nil || rows != 1 {
						t.Errorf("%d: %d rows, %v", n, rows, err)
					}
				}
			})
		}
		wait.Wait()
		if n, err := d.exec(t.Context(), "UPDATE old_keys SET machine = 'x' WHERE machine = 'm'"); err != nil || n != 1+200-8 {
			t.Errorf("%d rows, %v, want %d", n, err, 1+200-8)
		}
		if d.together.busy || len(d.together.waiting) > 0 {
			t.Error("somebody still waits")
		}
	})
}
