package store

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// maxTogether is how many changes of one statement are made in one transaction.
const maxTogether = 256

// together makes changes of one statement that wait at the same time in one transaction: the disk is waited for once for all of them. Who
// comes first makes them; the others wait for the answer.
type together struct {
	mu      sync.Mutex
	busy    bool
	waiting []*change
}

// change is one statement.
type change struct {
	ctx   context.Context
	query string
	args  []any
	n     int64
	err   error
	done  chan struct{}
}

// exec is a change of one statement; it gives the number of rows. When it comes back without an error, it is on disk.
func (d *DB) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	c := &change{ctx: ctx, query: query, args: args, done: make(chan struct{})}
	t := &d.together
	t.mu.Lock()
	t.waiting = append(t.waiting, c)
	first := !t.busy
	t.busy = true
	t.mu.Unlock()
	if first {
		d.makeAll()
	}
	<-c.done // it is made whether or not who asked for it still waits
	return c.n, c.err
}

// makeAll makes what waits until nothing does.
func (d *DB) makeAll() {
	t := &d.together
	for {
		t.mu.Lock()
		list := t.waiting[:min(len(t.waiting), maxTogether)]
		t.waiting = t.waiting[len(list):]
		if len(list) == 0 {
			t.waiting, t.busy = nil, false
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		d.makeSome(list)
	}
}

// makeSome makes some changes as one, and each alone where that cannot be: one that fails costs only itself.
func (d *DB) makeSome(list []*change) {
	ctx := list[0].ctx
	if len(list) > 1 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(context.WithoutCancel(ctx), time.Minute) // of no single one
		defer stop()
	}
	err := d.in(ctx, func(tx *sql.Tx) (err error) {
		for _, c := range list {
			if c.err = c.ctx.Err(); c.err != nil {
				continue
			}
			if c.n, err = run(ctx, tx, c.query, c.args...); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range list {
		switch {
		case err != nil && len(list) > 1 && c.err == nil:
			c.err = d.in(c.ctx, func(tx *sql.Tx) (err error) {
				c.n, err = run(c.ctx, tx, c.query, c.args...)
				return err
			})
		case err != nil && c.err == nil:
			c.err = err
		}
		if c.err != nil {
			c.n = 0
		}
		close(c.done)
	}
}
