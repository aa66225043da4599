package stratum

import (
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Pool is the other side of the talk: it accepts every login and every share.
type Pool struct {
	NewJob time.Duration // how often every miner gets a new job

	logins, shares, keepalives atomic.Int64
	jobs                       atomic.Int64
}

// Counts returns how many messages of each kind came in so far.
func (p *Pool) Counts() (logins, shares, keepalives int64) {
	return p.logins.Load(), p.shares.Load(), p.keepalives.Load()
}

// Serve talks to one miner until it goes away.
func (p *Pool) Serve(conn Conn) error {
	defer conn.Close()
	var mu sync.Mutex // answers and notices share the connection
	send := func(m any) error {
		mu.Lock()
		defer mu.Unlock()
		return conn.Send(m)
	}
	done := make(chan struct{})
	defer close(done)
	session := randomHex(8)
	loggedIn := false
	for {
		b, err := conn.Receive()
		if err != nil {
			return err
		}
		var m Request
		if err := json.Unmarshal(b, &m); err != nil {
			return fmt.Errorf("decode message: %w", err)
		}
		answer := Response{ID: m.ID, Jsonrpc: "2.0", Result: map[string]string{"status": "OK"}}
		switch m.Method {
		case "login":
			p.logins.Add(1)
			answer.Result = map[string]any{"id": session, "job": p.job(session), "extensions": []string{"algo", "keepalive"}, "status": "OK"}
			if !loggedIn {
				loggedIn = true
				go p.notify(send, session, done)
			}
		case "submit":
			p.shares.Add(1)
		case "keepalived":
			p.keepalives.Add(1)
			answer.Result = map[string]string{"status": "KEEPALIVED"}
		}
		if err := send(answer); err != nil {
			return err
		}
	}
}

func (p *Pool) notify(send func(any) error, session string, done <-chan struct{}) {
	t := time.NewTicker(p.NewJob)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-t.C:
			raw, err := json.Marshal(p.job(session))
			if err != nil || send(Request{Jsonrpc: "2.0", Method: "job", Params: raw}) != nil {
				return
			}
		}
	}
}

func (p *Pool) job(session string) Job {
	n := p.jobs.Add(1)
	return Job{
		Blob: "1010" + randomHex(74), JobID: fmt.Sprintf("%012d", n), Target: "b88d0600",
		Height: 3_200_000 + int(n), SeedHash: randomHex(32), Algo: "rx/0", ID: session,
	}
}
