// Package stratum is the talk between the lab's imitation miner and its stub
// pool: line-wise JSON-RPC as Monero pools speak it, over TCP, TLS or WebSocket.
// Nothing in it can find or check a share.
package stratum

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"
)

// MaxLine bounds one message in either direction, in bytes.
const MaxLine = 16 << 10

// Request is a message of the miner, or with an empty ID a notice of the pool.
type Request struct {
	ID      int             `json:"id,omitempty"`
	Jsonrpc string          `json:"jsonrpc"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// Response is the pool's answer to the request with the same ID.
type Response struct {
	ID      int    `json:"id"`
	Jsonrpc string `json:"jsonrpc"`
	Error   any    `json:"error"`
	Result  any    `json:"result"`
}

// Login is the first message of a miner.
type Login struct {
	Login string   `json:"login"`
	Pass  string   `json:"pass"`
	Agent string   `json:"agent"`
	Rigid string   `json:"rigid,omitempty"`
	Algo  []string `json:"algo"`
}

// Job is the work that a pool hands out; here it is only of the right shape.
type Job struct {
	Blob     string `json:"blob"`
	JobID    string `json:"job_id"`
	Target   string `json:"target"`
	Height   int    `json:"height"`
	SeedHash string `json:"seed_hash"`
	Algo     string `json:"algo"`
	ID       string `json:"id,omitempty"`
}

// Submit is the miner's answer to a job; the lab's is made up.
type Submit struct {
	ID     string `json:"id"`
	JobID  string `json:"job_id"`
	Nonce  string `json:"nonce"`
	Result string `json:"result"`
	Algo   string `json:"algo"`
}

// Conn sends and receives whole messages.
type Conn interface {
	// Send writes one message.
	Send(message any) error
	// Receive returns the next message, at most MaxLine bytes.
	Receive() ([]byte, error)
	// SetDeadline bounds the sends and receives that follow.
	SetDeadline(t time.Time) error
	// Close ends the connection.
	Close() error
}

type lineConn struct {
	net.Conn
	r *bufio.Reader
}

// Lines speaks one message a line over c.
func Lines(c net.Conn) Conn {
	return &lineConn{Conn: c, r: bufio.NewReaderSize(c, MaxLine)}
}

func (c *lineConn) Send(message any) error {
	b, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	_, err = c.Write(append(b, '\n'))
	return err
}

func (c *lineConn) Receive() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("message longer than %d bytes", MaxLine)
	}
	if err != nil && (err != io.EOF || len(line) == 0) {
		return nil, err
	}
	return append([]byte(nil), line...), nil
}

// Dial connects to a pool address as miners write it: stratum+tcp://, stratum+ssl://,
// stratum+tls://, ws://, or host:port alone. Certificates are not checked, as miners do not.
func Dial(address string, useTLS bool, timeout time.Duration) (Conn, error) {
	if !strings.Contains(address, "://") {
		address = "stratum+tcp://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("parse pool address: %w", err)
	}
	raw, err := net.DialTimeout("tcp", u.Host, timeout)
	if err != nil {
		return nil, fmt.Errorf("dial pool: %w", err)
	}
	switch {
	case u.Scheme == "ws":
		return clientWebSocket(raw, u)
	case useTLS || strings.HasSuffix(u.Scheme, "ssl") || strings.HasSuffix(u.Scheme, "tls"):
		c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		_ = c.SetDeadline(time.Now().Add(timeout))
		if err := c.Handshake(); err != nil {
			raw.Close()
			return nil, fmt.Errorf("tls handshake with pool: %w", err)
		}
		_ = c.SetDeadline(time.Time{})
		return Lines(c), nil
	}
	return Lines(raw), nil
}
