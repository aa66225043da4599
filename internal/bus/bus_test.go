package bus

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/nats-io/nats.go"
)

const serverName = "server.test"

// identity makes a CA with a certificate of a server.
func identity(t testing.TB) (*x509.CertPool, *tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{serverName}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(c)
	return pool, &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// fleet is a server and the hosts that it knows.
type fleet struct {
	*Server
	ca      *x509.CertPool
	mu      sync.Mutex
	hosts   map[string]string // by key
	took    []string          // host and id
	refuse  error
	notices chan Notice
}

func (f *fleet) Admit(_ context.Context, key ed25519.PublicKey) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if host := f.hosts[string(key)]; host != "" {
		return host, nil
	}
	return "", errors.New("unknown")
}

func (f *fleet) take(_ context.Context, host string, m deminer.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse == nil {
		f.took = append(f.took, host+" "+m.ID)
	}
	return f.refuse
}

func (f *fleet) taken() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.took, ",")
}

func serve(t testing.TB, listen string, ca *x509.CertPool, cert *tls.Certificate) *fleet {
	t.Helper()
	return serveIn(t, listen, ca, cert, nil)
}

func serveIn(t testing.TB, listen string, ca *x509.CertPool, cert *tls.Certificate, cluster *Cluster) *fleet {
	t.Helper()
	f := &fleet{ca: ca, hosts: map[string]string{}, notices: make(chan Notice, 100)}
	s, err := Serve(Options{Listen: listen, Cluster: cluster, Certificate: func() (*tls.Certificate, error) { return cert, nil }, Gate: f, Take: f.take,
		Sign: func(o deminer.Order) ([]byte, error) { return json.Marshal(o) }, Notice: func(n Notice) { f.notices <- n }, Say: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	f.Server = s
	t.Cleanup(s.Close)
	return f
}

// host enrolls one more.
func (f *fleet) host(id string) ed25519.PrivateKey {
	public, key, _ := ed25519.GenerateKey(rand.Reader) // never fails, see crypto/rand
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hosts[string(public)] = id
	return key
}

func (f *fleet) line(t testing.TB, id string, key ed25519.PrivateKey, take func(context.Context, []byte) deminer.Reply) (*Line, chan bool) {
	t.Helper()
	if take == nil {
		take = func(context.Context, []byte) deminer.Reply { return deminer.Reply{OK: true} }
	}
	up := make(chan bool, 100)
	l, err := Open(LineOptions{Servers: []string{f.Addr().String()}, Host: id, Key: key, TLS: &tls.Config{RootCAs: f.ca, ServerName: serverName}, Take: take, Change: func(ok bool, _ error) { up <- ok }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, up
}

func (f *fleet) notice(t testing.TB) Notice {
	t.Helper()
	select {
	case n := <-f.notices:
		return n
	case <-time.After(20 * time.Second):
		t.Fatal("no notice of who came or went")
	}
	return Notice{}
}

// await gives when the line is up, or is not.
func await(t testing.TB, up chan bool, want bool) {
	t.Helper()
	after := time.After(20 * time.Second)
	for {
		select {
		case got := <-up:
			if got == want {
				return
			}
		case <-after:
			t.Fatalf("the line was never up=%v", want)
		}
	}
}

func message(body string) deminer.Message {
	return deminer.Message{ID: deminer.NewID(time.Now()), Kind: deminer.MessageState, Time: time.Now(), Body: json.RawMessage(body)}
}

var hostA, hostB = strings.Repeat("a", 32), strings.Repeat("b", 32)

func TestThereAndBack(t *testing.T) {
	ca, cert := identity(t)
	f := serve(t, "127.0.0.1:0", ca, cert)
	var got deminer.Order
	l, up := f.line(t, hostA, f.host(hostA), func(_ context.Context, signed []byte) deminer.Reply {
		if err := json.Unmarshal(signed, &got); err != nil {
			return deminer.Reply{Why: err.Error()}
		}
		return deminer.Reply{OK: true, Why: "taken"}
	})
	await(t, up, true)
	if n := f.notice(t); !n.Up || n.Host != hostA || !strings.HasPrefix(n.Address, "127.0.0.1:") || n.Others != 0 {
		t.Errorf("%+v", n)
	}
	small, large := message(`{"a":1}`), message(`"`+strings.Repeat("miner ", 1<<20)+`"`) // six megabytes, packed
	for _, m := range []deminer.Message{small, large} {
		if r, err := l.Send(t.Context(), m); err != nil || !r.OK {
			t.Fatalf("%+v %v", r, err)
		}
	}
	if want := hostA + " " + small.ID + "," + hostA + " " + large.ID; f.taken() != want {
		t.Errorf("took %s\nwant %s", f.taken(), want)
	}
	o := deminer.Order{ID: deminer.NewID(time.Now()), Kind: deminer.OrderScan, Host: hostA, By: "somebody"}
	if r, err := f.Order(t.Context(), o); err != nil || !r.OK || r.Why != "taken" || got.ID != o.ID {
		t.Errorf("%+v %v, took %+v", r, err, got)
	}
	o.Host = hostB
	if _, err := f.Order(t.Context(), o); !errors.Is(err, deminer.ErrNobody) {
		t.Errorf("an order to nobody: %v", err)
	}
	for _, c := range []struct {
		err  error
		want deminer.Reply
	}{{errors.New("disk full"), deminer.Reply{Why: "the server could not write it down", Again: true}},
		{fmt.Errorf("%w: odd", deminer.ErrRefused), deminer.Reply{Why: "refused for good: odd"}}} {
		f.mu.Lock()
		f.refuse = c.err
		f.mu.Unlock()
		if r, err := l.Send(t.Context(), small); err != nil || r != c.want {
			t.Errorf("%v: %+v %v, want %+v", c.err, r, err, c.want)
		}
	}
	if got, want := f.Counts(), (Counts{Connected: 1, Taken: 2, Refused: 1, Later: 1, Ordered: 1, Nobody: 1}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	if err := l.Retire(); err != nil {
		t.Error(err)
	}
	if n := f.notice(t); n.Up || n.Host != hostA {
		t.Errorf("%+v", n)
	}
	if len(f.Connected()) != 0 {
		t.Errorf("still connected: %v", f.Connected())
	}
}

// TestForeignSubjects speaks NATS with the key of a host and tries what only others may do.
func TestForeignSubjects(t *testing.T) {
	ca, cert := identity(t)
	f := serve(t, "127.0.0.1:0", ca, cert)
	other, up := f.line(t, hostB, f.host(hostB), func(context.Context, []byte) deminer.Reply {
		t.Error("an order reached another host")
		return deminer.Reply{}
	})
	await(t, up, true)
	key := f.host(hostA)
	public, err := publicKey(key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	denied := make(chan error, 20)
	thief, err := nats.Connect("tls://"+f.Addr().String(), nats.Nkey(public, func(n []byte) ([]byte, error) { return ed25519.Sign(key, n), nil }),
		nats.Secure(&tls.Config{RootCAs: ca, ServerName: serverName}), nats.TLSHandshakeFirst(), nats.CustomInboxPrefix(inboxPrefix+hostA),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close()
	wire, err := f.pack.packMessage(message(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{hostPrefix + hostB + ".state", orderPrefix + hostB, orderPrefix + hostA, "$SYS.REQ.SERVER.PING", "_INBOX.x", inboxPrefix + hostB + ".x", hostPrefix + hostA + ".state.more"} {
		if err := errors.Join(thief.Publish(subject, wire), thief.Flush()); err != nil {
			t.Fatal(err)
		}
		if err := within(denied); !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("publish to %s: %v, want it denied", subject, err)
		}
	}
	for _, subject := range []string{">", hostPrefix + ">", orderPrefix + hostB, orderPrefix + "*", inboxPrefix + hostB + ".>", "$SYS.>", "_INBOX.>"} {
		if _, err := thief.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		if err := within(denied); !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("listen to %s: %v, want it denied", subject, err)
		}
	}
	// The answer to an own message is not to be had where others listen: the server would speak there in its own name.
	for _, reply := range []string{orderPrefix + hostB, hostPrefix + hostB + ".state", inboxPrefix + hostB + ".x"} {
		if err := thief.PublishRequest(hostPrefix+hostA+".state", reply, wire); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := thief.Request(hostPrefix+hostA+".state", wire, 10*time.Second); err != nil || !bytes.Contains(got.Data, []byte(`"ok":true`)) {
		t.Errorf("an honest message: %v", err)
	}
	if got := f.taken(); strings.Contains(got, hostB) || strings.Count(got, hostA) != 1 {
		t.Errorf("taken: %s, want the one honest message of A", got)
	}
	if !other.Connected() {
		t.Error("the other host was cut off")
	}
}

func within(c chan error) error {
	select {
	case err := <-c:
		return err
	case <-time.After(10 * time.Second):
		return errors.New("nothing was said")
	}
}

func TestWhoIsKeptOut(t *testing.T) {
	ca, cert := identity(t)
	f := serve(t, "127.0.0.1:0", ca, cert)
	key := f.host(hostA)
	public, err := publicKey(key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, _ := ed25519.GenerateKey(rand.Reader) // never fails, see crypto/rand
	strange, err := publicKey(stranger.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	otherCA, _ := identity(t)
	secure := func(ca *x509.CertPool) nats.Option {
		return nats.Secure(&tls.Config{RootCAs: ca, ServerName: serverName})
	}
	signed := func(key ed25519.PrivateKey) func([]byte) ([]byte, error) {
		return func(n []byte) ([]byte, error) { return ed25519.Sign(key, n), nil }
	}
	for name, o := range map[string][]nats.Option{
		"nobody":            {secure(ca)},
		"stranger":          {secure(ca), nats.Nkey(strange, signed(stranger))},
		"key of another":    {secure(ca), nats.Nkey(public, signed(stranger))},
		"server's name":     {secure(ca), nats.UserInfo(serverUser, "secret")},
		"server's secret":   {secure(ca), nats.UserInfo(serverUser, f.door.secret)}, // from outside of the process not even with it
		"system's name":     {secure(ca), nats.UserInfo(systemUser, "")},
		"wrong CA":          {secure(otherCA), nats.Nkey(public, signed(key))},
		"old TLS":           {nats.Secure(&tls.Config{RootCAs: ca, ServerName: serverName, MaxVersion: tls.VersionTLS12}), nats.Nkey(public, signed(key))},
		"without TLS first": nil,
	} {
		url := "tls://" + f.Addr().String()
		if o == nil {
			url, o = "nats://"+f.Addr().String(), []nats.Option{nats.Nkey(public, signed(key)), nats.Timeout(time.Second)}
		} else {
			o = append(o, nats.TLSHandshakeFirst())
		}
		if c, err := nats.Connect(url, o...); err == nil {
			t.Errorf("%s came in", name)
			c.Close()
		}
	}
	c, err := nats.Connect("tls://"+f.Addr().String(), nats.TLSHandshakeFirst(), secure(ca), nats.Nkey(public, signed(key)))
	if err != nil {
		t.Fatalf("the host itself: %v", err)
	}
	c.Close()
}

func TestRevokedIsCut(t *testing.T) {
	ca, cert := identity(t)
	f := serve(t, "127.0.0.1:0", ca, cert)
	l, up := f.line(t, hostA, f.host(hostA), nil)
	await(t, up, true)
	if n := f.notice(t); !n.Up {
		t.Errorf("%+v", n)
	}
	f.mu.Lock()
	clear(f.hosts)
	f.mu.Unlock()
	f.Cut(hostA)
	await(t, up, false)
	if n := f.notice(t); n.Up || n.Host != hostA {
		t.Errorf("%+v", n)
	}
	if _, err := f.Order(t.Context(), deminer.Order{ID: deminer.NewID(time.Now()), Host: hostA}); !errors.Is(err, deminer.ErrNobody) {
		t.Errorf("an order to a revoked host: %v", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second) // in which it tries to come back
	defer stop()
	if r, err := l.Send(ctx, message(`{}`)); err == nil {
		t.Errorf("a revoked host was heard: %+v", r)
	}
	if f.taken() != "" || len(f.Connected()) != 0 {
		t.Errorf("took %q, connected %v", f.taken(), f.Connected())
	}
}

func TestTwoOfOneKey(t *testing.T) {
	ca, cert := identity(t)
	f := serve(t, "127.0.0.1:0", ca, cert)
	key := f.host(hostA)
	var ups [3]chan bool
	for i := range ups {
		_, ups[i] = f.line(t, hostA, key, nil)
		await(t, ups[i], true)
		if n := f.notice(t); !n.Up || n.Others != min(i, maxHost-1) {
			t.Errorf("connection %d: %+v", i+1, n)
		}
	}
	await(t, ups[0], false) // two at most: the oldest went
	if n := f.Connections(hostA); n != maxHost {
		t.Errorf("%d connections stand, want %d", n, maxHost)
	}
}

func TestOddMessages(t *testing.T) {
	ca, cert := identity(t)
	f := serve(t, "127.0.0.1:0", ca, cert)
	l, up := f.line(t, hostA, f.host(hostA), nil)
	await(t, up, true)
	good, err := json.Marshal(message(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.pack.ready(); err != nil {
		t.Fatal(err)
	}
	bomb := f.pack.out.EncodeAll(make([]byte, 64<<20), []byte{packedForm})
	if len(bomb) > deminer.MaxMessage {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	for name, wire := range map[string][]byte{
		"nothing": {}, "form": []byte("x{}"), "not JSON": []byte("j{"), "two": append(append([]byte("j"), good...), good...),
		"no id": []byte(`j{"id":"../../etc/passwd","kind":"state","time":"2026-01-01T00:00:00Z","body":{}}`),
		"kind":  []byte(strings.Replace("j"+string(good), `"state"`, `"alert"`, 1)), "field": []byte(strings.Replace("j"+string(good), `"kind"`, `"host":"b","kind"`, 1)),
		"deep": []byte("j" + strings.Repeat("[", 500_000)), "not zstd": []byte("zzzzzz"), "bomb": bomb,
	} {
		m, err := l.conn.Request(hostPrefix+hostA+".state", wire, 20*time.Second)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r, err := readReply(m.Data); err != nil || r.OK || r.Again || !strings.Contains(r.Why, "refused for good") {
			t.Errorf("%s: %+v %v, want it refused for good", name, r, err)
		}
	}
	if _, err := l.Send(t.Context(), message(`"`+strings.Repeat("a", deminer.MaxBody)+`"`)); !errors.Is(err, deminer.ErrRefused) {
		t.Errorf("a body over the limit: %v", err)
	}
	var noise bytes.Buffer
	for noise.Len() < 2*deminer.MaxMessage { // does not pack
		fmt.Fprintf(&noise, "%x", random(64))
	}
	if _, err := l.Send(t.Context(), message(`"`+noise.String()+`"`)); !errors.Is(err, deminer.ErrRefused) {
		t.Errorf("a message over the limit of the wire: %v", err)
	}
	if f.taken() != "" {
		t.Errorf("took %s", f.taken())
	}
	if r, err := l.Send(t.Context(), message(`{}`)); err != nil || !r.OK {
		t.Errorf("a good one after all that: %+v %v", r, err)
	}
}

func TestServerComesBack(t *testing.T) {
	ca, cert := identity(t)
	first := serve(t, "127.0.0.1:0", ca, cert)
	key := first.host(hostA)
	l, up := first.line(t, hostA, key, nil)
	await(t, up, true)
	addr := first.Addr().String()
	first.mu.Lock() // the server does not come to an answer
	sent := make(chan error)
	go func() {
		_, err := l.Send(context.Background(), message(`{}`))
		sent <- err
	}()
	until(t, "the message is being taken", func() bool { return first.busyWith(hostA) })
	first.Cut(hostA)
	if err := within(sent); err == nil || !strings.Contains(err.Error(), "broke") {
		t.Errorf("a message whose answer cannot come any more: %v", err)
	}
	first.mu.Unlock()
	await(t, up, false)
	await(t, up, true)
	first.Close()
	await(t, up, false)
	if r, err := l.Send(t.Context(), message(`{}`)); err == nil {
		t.Errorf("a server that is away took a message: %+v", r)
	}
	second := serve(t, addr, ca, cert)
	second.mu.Lock()
	second.hosts[string(key.Public().(ed25519.PublicKey))] = hostA
	second.mu.Unlock()
	await(t, up, true)
	if r, err := l.Send(t.Context(), message(`{}`)); err != nil || !r.OK {
		t.Errorf("%+v %v", r, err)
	}
}

// TestCluster has a host at one server and its orders at another, and takes the first one away.
func TestCluster(t *testing.T) {
	ca, cert := identity(t)
	authority, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	first := serveIn(t, "127.0.0.1:0", ca, cert, &Cluster{Listen: "127.0.0.1:0", CA: authority, Name: serverName})
	second := serveIn(t, "127.0.0.1:0", ca, cert, &Cluster{Listen: "127.0.0.1:0", Peers: []string{first.ClusterAddr()}, CA: authority, Name: serverName})
	otherCA, otherCert := identity(t)
	strangeCA, err := x509.ParseCertificate(otherCert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	stranger := serveIn(t, "127.0.0.1:0", otherCA, otherCert, &Cluster{Listen: "127.0.0.1:0", Peers: []string{first.ClusterAddr()}, CA: strangeCA, Name: serverName})
	until(t, "the two servers find one another", func() bool { return first.Peers() == 1 && second.Peers() == 1 })
	key := first.host(hostA)
	second.hosts = first.hosts // one memory
	up := make(chan bool, 100)
	l, err := Open(LineOptions{Servers: []string{first.Addr().String(), second.Addr().String()}, Host: hostA, Key: key, TLS: &tls.Config{RootCAs: ca, ServerName: serverName},
		Take: func(context.Context, []byte) deminer.Reply { return deminer.Reply{OK: true} }, Change: func(ok bool, _ error) { up <- ok }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	await(t, up, true)
	home, away := first, second
	if len(second.Connected()) == 1 { // it chose that one
		home, away = second, first
	}
	if n := away.notice(t); !n.Up || !n.Elsewhere || n.Host != hostA {
		t.Errorf("the other server was told %+v", n)
	}
	o := deminer.Order{ID: deminer.NewID(time.Now()), Host: hostA}
	until(t, "an order through the other server", func() bool { r, err := away.Order(t.Context(), o); return err == nil && r.OK })
	away.Cut(hostA)
	await(t, up, false)
	await(t, up, true)
	if _, err := stranger.Order(t.Context(), o); !errors.Is(err, deminer.ErrNobody) || stranger.Peers() != 0 {
		t.Errorf("a server of another authority: %v, joined to %d", err, stranger.Peers())
	}
	home.Close()
	until(t, "a message after its server is gone", func() bool {
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		r, err := l.Send(ctx, message(`{}`))
		return err == nil && r.OK
	})
	if !strings.Contains(away.taken(), hostA) {
		t.Errorf("the server that is left took %q", away.taken())
	}
}

func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what + ": not within half a minute")
		}
	}
}

// busyWith reports whether a message of a host is being taken.
func (s *Server) busyWith(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy[host] > 0
}

// wire is a way between an agent and its server that can be cut without either being told.
type wire struct {
	net.Listener
	cut atomic.Bool // for connections of before
}

func newWire(t testing.TB, to string) *wire {
	t.Helper()
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	w := &wire{Listener: in}
	go func() {
		for {
			a, err := in.Accept()
			if err != nil {
				return
			}
			b, err := net.Dial("tcp", to)
			if err != nil {
				a.Close()
				continue
			}
			dead := &atomic.Bool{}
			pass := func(from, to net.Conn) {
				buf := make([]byte, 32<<10)
				for {
					n, err := from.Read(buf)
					if w.cut.Load() {
						dead.Store(true)
					}
					if dead.Load() {
						if err != nil {
							return
						}
						continue
					}
					if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
						from.Close()
						to.Close()
						return
					}
				}
			}
			go pass(a, b)
			go pass(b, a)
		}
	}()
	return w
}

// TestWayCut: what was sent into a connection that is dead without being closed is sent again over another one.
func TestWayCut(t *testing.T) {
	ca, cert := identity(t)
	f := serve(t, "127.0.0.1:0", ca, cert)
	w := newWire(t, f.Addr().String())
	up := make(chan bool, 100)
	l, err := Open(LineOptions{Servers: []string{w.Addr().String()}, Host: hostA, Key: f.host(hostA), TLS: &tls.Config{RootCAs: ca, ServerName: serverName},
		Take: func(context.Context, []byte) deminer.Reply { return deminer.Reply{OK: true} }, Change: func(ok bool, _ error) { up <- ok }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	await(t, up, true)
	w.cut.Store(true)
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	m := message(`{}`)
	if r, err := l.Send(ctx, m); err == nil {
		t.Errorf("an answer came through a way that is cut: %+v", r)
	}
	w.cut.Store(false)
	until(t, "the message goes over another connection", func() bool {
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
		defer stop()
		r, err := l.Send(ctx, m)
		return err == nil && r.OK
	})
	if f.taken() != hostA+" "+m.ID {
		t.Errorf("taken: %s", f.taken())
	}
}

// TestFlood: a host that sends without waiting for answers is cut off, and another one is heard all the while.
func TestFlood(t *testing.T) {
	ca, cert := identity(t)
	f := serve(t, "127.0.0.1:0", ca, cert)
	key := f.host(hostA)
	honest, up := f.line(t, hostB, f.host(hostB), nil)
	await(t, up, true)
	public, err := publicKey(key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	options := []nats.Option{nats.Nkey(public, func(n []byte) ([]byte, error) { return ed25519.Sign(key, n), nil }), nats.Secure(&tls.Config{RootCAs: ca, ServerName: serverName}),
		nats.TLSHandshakeFirst(), nats.NoReconnect()}
	flood, err := nats.Connect("tls://"+f.Addr().String(), options...)
	if err != nil {
		t.Fatal(err)
	}
	defer flood.Close()
	wire, err := f.pack.packMessage(message(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan bool)
	go func() {
		defer close(end)
		for !flood.IsClosed() {
			_ = flood.PublishRequest(hostPrefix+hostA+".state", inboxPrefix+hostA+".x", wire) // it is cut off in the middle
		}
	}()
	heard := 0
	until(t, "who floods is cut off", func() bool {
		if r, err := honest.Send(t.Context(), message(`{}`)); err == nil && r.OK {
			heard++
		}
		return flood.IsClosed()
	})
	<-end
	if heard == 0 {
		t.Error("another host was not heard meanwhile")
	}
	if again, err := nats.Connect("tls://"+f.Addr().String(), options...); err == nil {
		t.Error("it came back at once")
		again.Close()
	}
	f.door.bar(hostA, time.Now().Add(-time.Second))
	again, err := nats.Connect("tls://"+f.Addr().String(), options...)
	if err != nil {
		t.Fatalf("after its time it does not come back: %v", err)
	}
	again.Close()
}

// noGate lets nobody in.
type noGate struct{}

func (noGate) Admit(context.Context, ed25519.PublicKey) (string, error) {
	return "", errors.New("nobody")
}

// TestTakenAddress: a bus whose address another program has says so, and does not try.
func TestTakenAddress(t *testing.T) {
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	never := func() (*tls.Certificate, error) { return nil, errors.New("not asked for") }
	_, err = Serve(Options{Listen: in.Addr().String(), Certificate: never, Gate: noGate{}, Sign: func(deminer.Order) ([]byte, error) { return nil, nil },
		Take: func(context.Context, string, deminer.Message) error { return nil }})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v", err)
	}
}
