package stratum

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// never is the keepalive period of a client that sends none.
const never = 365 * 24 * time.Hour

// Client is one imitation miner's side of the talk.
type Client struct {
	Pool      string        // address as Dial takes it
	TLS       bool          // force TLS
	Wallet    string        // who is "paid"
	Pass      string        // usually "x"
	Agent     string        // user agent in the login message
	Rig       string        // rig-id, may be empty
	Submit    time.Duration // how often a made-up share is sent
	KeepAlive time.Duration // how often keepalived is sent; 0 = never
	Timeout   time.Duration // dial and handshake
}

// Session connects, logs in and answers jobs with made-up shares until ctx ends or
// the pool goes away. It returns how many jobs came and how many shares went.
func (c Client) Session(ctx context.Context) (jobs, shares int, err error) {
	conn, err := Dial(c.Pool, c.TLS, c.Timeout)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()

	login := Login{Login: c.Wallet, Pass: c.Pass, Agent: c.Agent, Rigid: c.Rig, Algo: []string{"rx/0"}}
	if err := call(conn, 1, "login", login); err != nil {
		return 0, 0, fmt.Errorf("send login: %w", err)
	}
	in := make(chan []byte)
	gone := make(chan error, 1)
	done := make(chan struct{})
	defer close(done)
	go receive(conn, in, gone, done)

	submit := time.NewTicker(c.Submit)
	defer submit.Stop()
	keep := time.NewTicker(cmp.Or(c.KeepAlive, never))
	defer keep.Stop()
	var session, job string
	for id := 2; ; {
		select {
		case <-ctx.Done():
			return jobs, shares, nil
		case err := <-gone:
			return jobs, shares, err
		case b := <-in:
			if s, j := readJob(b); j != "" {
				session, job = cmp.Or(s, session), j
				jobs++
			}
			continue
		case <-submit.C:
			if job == "" {
				continue
			}
			err = call(conn, id, "submit", Submit{ID: session, JobID: job, Nonce: randomHex(4), Result: randomHex(32), Algo: "rx/0"})
			shares++
		case <-keep.C:
			err = call(conn, id, "keepalived", map[string]string{"id": session})
		}
		if err != nil {
			return jobs, shares, err
		}
		id++
	}
}

func receive(conn Conn, in chan<- []byte, gone chan<- error, done <-chan struct{}) {
	for {
		b, err := conn.Receive()
		if err != nil {
			gone <- err
			return
		}
		select {
		case in <- b:
		case <-done:
			return
		}
	}
}

// readJob finds the job in an answer to login or in a job notice.
func readJob(b []byte) (session, job string) {
	var m struct {
		Params Job `json:"params"`
		Result struct {
			ID  string `json:"id"`
			Job Job    `json:"job"`
		} `json:"result"`
	}
	if json.Unmarshal(b, &m) != nil {
		return "", ""
	}
	if m.Params.JobID != "" {
		return "", m.Params.JobID
	}
	return m.Result.ID, m.Result.Job.JobID
}

func call(conn Conn, id int, method string, params any) error {
	raw, err := json.Marshal(params)
	if err != nil {
		return err
	}
	return conn.Send(Request{ID: id, Jsonrpc: "2.0", Method: method, Params: raw})
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}
