package bus

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/deminer/deminer"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// How long an agent waits between tries to connect: a time by chance up to one that doubles from the first to the last, so that
// thousands do not come back at once.
const (
	firstWait = 500 * time.Millisecond
	lastWait  = time.Minute
)

// LineOptions say where the server of an agent is and how the two know one another.
type LineOptions struct {
	Servers []string           // HOST:PORT, one or more
	Host    string             // id, as enrolled
	Key     ed25519.PrivateKey // of this host
	TLS     *tls.Config        // believes the server and nobody else; version 1.3, whatever it says
	// Take is given each order as it came, signed; what it gives is the answer. It must come back soon: it takes note of an order, it does not
	// carry it out.
	Take func(ctx context.Context, signed []byte) deminer.Reply
	// Change is told that the connection stands or not, and why not; nil: nobody is.
	Change func(up bool, why error)
}

// Line is the connection of an agent to its server. It comes back by itself whenever it breaks, for as long as it takes.
type Line struct {
	opt  LineOptions
	conn *nats.Conn
	pack packer
	stop context.CancelFunc

	mu    sync.Mutex
	whole context.Context // ends when the connection that stands breaks
	broke context.CancelFunc
}

// Open begins to connect and does not wait for it. The error is one of the options.
func Open(opt LineOptions) (*Line, error) {
	if !deminer.IsID(opt.Host) || len(opt.Key) != ed25519.PrivateKeySize || opt.TLS == nil || len(opt.Servers) == 0 || opt.Take == nil {
		return nil, errors.New("open the line to the server: what the enrolment left is not whole; enroll this host again")
	}
	if opt.Change == nil {
		opt.Change = func(bool, error) {}
	}
	public, err := publicKey(opt.Key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	l := &Line{opt: opt}
	var ctx context.Context
	ctx, l.stop = context.WithCancel(context.Background())
	o := nats.GetDefaultOptions()
	for _, s := range opt.Servers {
		o.Servers = append(o.Servers, "tls://"+s)
	}
	o.Secure, o.TLSHandshakeFirst = true, true
	o.TLSConfig = opt.TLS.Clone()
	o.TLSConfig.MinVersion = tls.VersionTLS13
	o.Nkey = public
	o.SignatureCB = func(nonce []byte) ([]byte, error) { return ed25519.Sign(opt.Key, nonce), nil }
	o.InboxPrefix = inboxPrefix + opt.Host
	o.RetryOnFailedConnect, o.AllowReconnect, o.MaxReconnect, o.IgnoreAuthErrorAbort = true, true, -1, true
	o.CustomReconnectDelayCB = pause
	o.ReconnectBufSize = -1 // what cannot be sent stays in the spool
	o.Timeout, o.PingInterval, o.MaxPingsOut, o.NoEcho = 20*time.Second, 2*time.Minute, 2, true
	o.IgnoreDiscoveredServers, o.DrainTimeout = true, 10*time.Second
	o.ConnectedCB = func(*nats.Conn) { opt.Change(true, nil) }
	o.ReconnectedCB = o.ConnectedCB
	o.ClosedCB = func(*nats.Conn) { l.stop() }
	l.renew()
	o.DisconnectedErrCB = func(_ *nats.Conn, err error) {
		l.renew()
		opt.Change(false, err)
	}
	o.ReconnectErrCB = func(_ *nats.Conn, err error) { opt.Change(false, err) }
	o.AsyncErrorCB = func(_ *nats.Conn, _ *nats.Subscription, err error) { opt.Change(true, err) }
	if l.conn, err = o.Connect(); err != nil {
		l.stop()
		return nil, fmt.Errorf("open the line to the server: %w", err)
	}
	sub, err := l.conn.Subscribe(orderPrefix+opt.Host, func(m *nats.Msg) { l.order(ctx, m) })
	if err == nil {
		err = sub.SetPendingLimits(64, 8*deminer.MaxMessage)
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("listen to orders: %w", err)
	}
	return l, nil
}

// renew ends what waits for an answer over a connection that broke: none will come.
func (l *Line) renew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broke != nil {
		l.broke()
	}
	l.whole, l.broke = context.WithCancel(context.Background())
}

// pause says how long to wait before the next round of tries.
func pause(tries int) time.Duration {
	most := lastWait
	if tries < 8 {
		most = min(lastWait, firstWait<<max(0, tries))
	}
	return most/4 + rand.N(most*3/4)
}

func (l *Line) order(ctx context.Context, m *nats.Msg) {
	text, err := l.pack.unpack(m.Data)
	reply := deminer.Reply{Why: "the order could not be read"}
	if err == nil {
		reply = l.opt.Take(ctx, text)
	}
	wire, err := json.Marshal(reply)
	if err == nil {
		err = m.Respond(wire)
	}
	if err != nil && ctx.Err() == nil {
		l.opt.Change(l.conn.IsConnected(), fmt.Errorf("answer an order: %w", err))
	}
}

// Send brings a message to the server and gives what it answered: with OK, the server has written it down. The error says that nothing
// is known, and the same message may be sent again; deminer.ErrRefused that it can never be sent. The context's deadline is to leave the
// server half a minute.
func (l *Line) Send(ctx context.Context, m deminer.Message) (deminer.Reply, error) {
	wire, err := l.pack.packMessage(m)
	if err != nil {
		return deminer.Reply{}, fmt.Errorf("send a message: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	l.mu.Lock()
	whole := l.whole
	l.mu.Unlock()
	defer context.AfterFunc(whole, stop)()
	got, err := l.conn.RequestWithContext(ctx, hostPrefix+l.opt.Host+"."+string(m.Kind), wire)
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return deminer.Reply{}, fmt.Errorf("send a message: %w: %w", deminer.ErrRefused, err)
	case errors.Is(err, nats.ErrNoResponders):
		return deminer.Reply{Why: "the server does not take messages now", Again: true}, nil
	case errors.Is(err, context.DeadlineExceeded) && l.conn.IsConnected():
		// A server that lives answers long before. The way between may have been cut without either side being told.
		if again := l.conn.ForceReconnect(); again != nil {
			err = errors.Join(err, again)
		}
		return deminer.Reply{}, fmt.Errorf("send a message: no answer, the line is opened anew: %w", err)
	case whole.Err() != nil:
		return deminer.Reply{}, errors.New("send a message: the connection broke before the answer came")
	case err != nil:
		return deminer.Reply{}, fmt.Errorf("send a message: %w", err)
	}
	return readReply(got.Data)
}

// Connected reports whether the line stands.
func (l *Line) Connected() bool { return l.conn.IsConnected() }

// Retire ends the line once the orders that have come over it are answered: another line of the same host takes its place.
func (l *Line) Retire() error {
	if err := l.conn.Drain(); err != nil {
		l.Close()
		return fmt.Errorf("end the line of before: %w", err)
	}
	return nil
}

// Close ends the line.
func (l *Line) Close() {
	l.stop()
	l.conn.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broke()
}

// publicKey writes a key as NATS does.
func publicKey(key ed25519.PublicKey) (string, error) {
	text, err := nkeys.Encode(nkeys.PrefixByteUser, key)
	if err != nil {
		return "", fmt.Errorf("write a key: %w", err)
	}
	return string(text), nil
}

// readKey reads a key that came over the wire.
func readKey(text string) (ed25519.PublicKey, error) {
	if len(text) > 100 || !nkeys.IsValidPublicUserKey(text) {
		return nil, errors.New("not a key of a host")
	}
	raw, err := nkeys.Decode(nkeys.PrefixByteUser, []byte(text))
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, errors.New("not a key of a host")
	}
	return ed25519.PublicKey(raw), nil
}
