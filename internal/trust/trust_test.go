package trust

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// memory is a store for tests.
type memory struct {
	mu       sync.Mutex
	tokens   map[string]Token // by hash
	machines map[string]Machine
	broken   error
}

func (s *memory) PutToken(_ context.Context, t Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[t.Hash] = t
	return nil
}

func (s *memory) Tokens(context.Context) (out []Token, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tokens {
		out = append(out, t)
	}
	return out, nil
}

func (s *memory) Enroll(_ context.Context, hash string, m Machine, now time.Time) (Machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return m, s.broken
	}
	t, ok := s.tokens[hash]
	if !ok || !now.Before(t.Expires) {
		return m, ErrToken
	}
	for _, old := range s.machines {
		if old.Key == m.Key {
			if old.Token == t.ID && old.Revoked.IsZero() {
				return old, nil
			}
			return m, ErrToken
		}
	}
	if t.Used >= t.Uses {
		return m, ErrToken
	}
	t.Used++
	s.tokens[hash] = t
	m.Token, m.Group = t.ID, t.Group
	s.machines[m.ID] = m
	return m, nil
}

func (s *memory) Machine(_ context.Context, id string) (Machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.machines {
		if m.ID == id || m.Key == id {
			return m, nil
		}
	}
	return Machine{}, ErrUnknown
}

func (s *memory) Renew(_ context.Context, id, old, key string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.machines[id]
	if !ok || m.Key != old || !m.Revoked.IsZero() {
		return ErrUnknown
	}
	m.Key, m.Renewed = key, now
	s.machines[id] = m
	return nil
}

func (s *memory) Revoke(_ context.Context, id string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.machines[id]
	if !ok {
		return ErrUnknown
	}
	m.Revoked = now
	s.machines[id] = m
	return nil
}

// site is a server that listens.
type site struct {
	*Authority
	store *memory
	addr  string
	clock *time.Time
	dir   *os.Root
}

func root(t testing.TB) *os.Root {
	t.Helper()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

func begin(t testing.TB) *site {
	t.Helper()
	clock := time.Now()
	s := &site{store: &memory{tokens: map[string]Token{}, machines: map[string]Machine{}}, clock: &clock, dir: root(t)}
	var err error
	if s.Authority, err = Open(s.dir, []string{"127.0.0.1", "deminer.example"}, s.store, func() time.Time { return *s.clock }); err != nil {
		t.Fatal(err)
	}
	h := httptest.NewUnstartedServer(s.Handler(func() []string { return []string{":4222", "other.example:1"} }, func(line string) { t.Log(line) }))
	h.TLS = &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.Certificate() }}
	h.StartTLS()
	t.Cleanup(h.Close)
	s.addr = h.Listener.Addr().String()
	return s
}

func (s *site) token(t testing.TB, uses int, life time.Duration) string {
	t.Helper()
	text, _, err := s.NewToken(t.Context(), "somebody", "web", uses, life)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEnrollRevoke(t *testing.T) {
	s := begin(t)
	dir, token := root(t), s.token(t, 1, time.Hour)
	if _, err := Load(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("not enrolled: %v", err)
	}
	i, err := Enroll(t.Context(), dir, s.addr, token, "web\x1b[31m1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(i.Bus) != "[127.0.0.1:4222 other.example:1]" {
		t.Errorf("bus: %v", i.Bus)
	}
	again, err := Load(dir)
	if err != nil || again.Host != i.Host || !bytes.Equal(again.Seed, i.Seed) {
		t.Errorf("%+v %v", again, err)
	}
	if err := again.Move(dir, "[::1]:8443", "[::1]:4222"); err != nil {
		t.Error(err)
	}
	if moved, err := Load(dir); err != nil || moved.Server != "[::1]:8443" || fmt.Sprint(moved.Bus) != "[[::1]:4222]" || moved.Host != i.Host {
		t.Errorf("moved: %+v %v", moved, err)
	}
	public := i.Key().Public().(ed25519.PublicKey)
	if host, err := s.Admit(t.Context(), public); err != nil || host != i.Host {
		t.Errorf("%q %v", host, err)
	}
	m, err := s.store.Machine(t.Context(), i.Host)
	if err != nil || m.Group != "web" || m.Key != hex.EncodeToString(public) || strings.ContainsRune(m.Name, 0x1b) {
		t.Errorf("%+v %v", m, err)
	}
	for _, kept := range s.store.tokens {
		if strings.Contains(token, kept.Hash) || kept.Used != 1 {
			t.Errorf("the token is kept as %+v", kept)
		}
	}
	if err := s.Revoke(t.Context(), i.Host); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Admit(t.Context(), public); !errors.Is(err, deminer.ErrRevoked) {
		t.Errorf("a revoked key: %v", err)
	}
	if err := i.Renew(t.Context(), dir, time.Now()); !errors.Is(err, ErrToken) {
		t.Errorf("a revoked host renews: %v", err)
	}
	st, err := s.dir.Stat(caFile)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the authority's key: %v %v", st.Mode(), err)
	}
}

func TestTokensThatAreNone(t *testing.T) {
	s, other := begin(t), begin(t)
	once := s.token(t, 1, time.Hour)
	if _, err := Enroll(t.Context(), root(t), s.addr, once, "a", time.Now()); err != nil {
		t.Fatal(err)
	}
	short, ended := s.token(t, 5, time.Minute), s.token(t, 5, time.Hour)
	list, err := s.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tok := range list {
		if tok.Hash == hashOf(strings.Split(ended, ".")[1]) {
			if err := s.EndToken(t.Context(), tok.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	*s.clock = s.clock.Add(2 * time.Minute)
	mine := strings.Split(once, ".")
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"used up":         {once, ErrToken},
		"expired":         {short, ErrToken},
		"ended":           {ended, ErrToken},
		"guessed":         {mine[0] + "." + strings.Repeat("a", 32) + "." + mine[2], ErrToken},
		"half":            {mine[0] + "." + mine[1], nil},
		"other authority": {other.token(t, 1, time.Hour), nil},
	} {
		dir := root(t)
		_, err := Enroll(t.Context(), dir, s.addr, c.token, "b", time.Now())
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if _, err := Load(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s left an enrolment: %v", name, err)
		}
	}
	if len(s.store.machines) != 1 {
		t.Errorf("%d machines, want 1", len(s.store.machines))
	}
}

// TestWrongServerHearsNothing has a host come to a server of another authority, which shows the true one's certificate beside its own.
func TestWrongServerHearsNothing(t *testing.T) {
	s, thief := begin(t), begin(t)
	heard := 0
	h := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard++ }))
	leaf, err := thief.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	h.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Certificate[0], s.CA().Raw}, PrivateKey: leaf.PrivateKey}}}
	h.StartTLS()
	defer h.Close()
	if _, err := Enroll(t.Context(), root(t), h.Listener.Addr().String(), s.token(t, 1, time.Hour), "a", time.Now()); err == nil || heard > 0 {
		t.Errorf("%v, and it heard %d requests", err, heard)
	}
}

func TestOneUseIsOne(t *testing.T) {
	s := begin(t)
	token := s.token(t, 3, time.Hour)
	var wait sync.WaitGroup
	var mu sync.Mutex
	in := 0
	for range 8 {
		dir := root(t)
		wait.Go(func() {
			if _, err := Enroll(context.Background(), dir, s.addr, token, "a", time.Now()); err == nil {
				mu.Lock()
				in++
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if in != 3 {
		t.Errorf("%d hosts came in with a token for 3", in)
	}
}

func TestAnswerLost(t *testing.T) {
	s := begin(t)
	dir, token := root(t), s.token(t, 1, time.Hour)
	s.store.broken = errors.New("the disk is full")
	if _, err := Enroll(t.Context(), dir, s.addr, token, "a", time.Now()); err == nil || errors.Is(err, ErrToken) || strings.Contains(err.Error(), "disk") {
		t.Errorf("a server in trouble: %v", err)
	}
	s.store.broken = nil
	first, err := Enroll(t.Context(), dir, s.addr, token, "a", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	lost := *first // as if it had not been kept
	lost.Host = ""
	if err := lost.save(dir); err != nil {
		t.Fatal(err)
	}
	second, err := Enroll(t.Context(), dir, s.addr, token, "a", time.Now())
	if err != nil || second.Host != first.Host {
		t.Errorf("%+v %v, want the host of before", second, err)
	}
	old := first.Key().Public().(ed25519.PublicKey)
	before := *second
	if err := second.Renew(t.Context(), dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Admit(t.Context(), old); !errors.Is(err, ErrUnknown) {
		t.Errorf("the old key: %v", err)
	}
	if host, err := s.Admit(t.Context(), second.Key().Public().(ed25519.PublicKey)); err != nil || host != first.Host {
		t.Errorf("the new key: %q %v", host, err)
	}
	before.Next = second.Seed // the answer to renew was lost
	if err := before.Renew(t.Context(), dir, time.Now()); err != nil || !bytes.Equal(before.Seed, second.Seed) {
		t.Errorf("renew again: %v", err)
	}
}

func TestGuessingIsSlow(t *testing.T) {
	s := begin(t)
	part := strings.Split(s.token(t, 1, time.Hour), ".")
	var err error
	for n := range maxMisses + 1 {
		_, err = Enroll(t.Context(), root(t), s.addr, fmt.Sprintf("%s.%032d.%s", part[0], n, part[2]), "a", time.Now())
	}
	if !errors.Is(err, ErrWait) || errors.Is(err, ErrToken) {
		t.Errorf("after %d wrong tokens: %v", maxMisses, err)
	}
	good := strings.Join(part, ".")
	if _, err = Enroll(t.Context(), root(t), s.addr, good, "a", time.Now()); !errors.Is(err, ErrWait) || !strings.Contains(err.Error(), "your token stays good") {
		t.Errorf("a good token is heard, or called a bad one: %v", err)
	}
	*s.clock = s.clock.Add(missTime + time.Second)
	if _, err = Enroll(t.Context(), root(t), s.addr, good, "a", time.Now()); err != nil {
		t.Errorf("after a while: %v", err)
	}
}

func TestAuthorityStays(t *testing.T) {
	s := begin(t)
	reopen := func(names ...string) *Authority {
		t.Helper()
		a, err := Open(s.dir, names, s.store, func() time.Time { return *s.clock })
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	leaf := func(a *Authority) []byte {
		c, err := a.Certificate()
		if err != nil {
			t.Fatal(err)
		}
		return c.Certificate[0]
	}
	same := reopen("deminer.example", "127.0.0.1")
	if !same.CA().Equal(s.CA()) || !same.orders.Equal(s.orders) || !bytes.Equal(leaf(same), leaf(s.Authority)) {
		t.Error("another start made other keys")
	}
	if renamed := reopen("10.0.0.1"); bytes.Equal(leaf(renamed), leaf(s.Authority)) || !renamed.CA().Equal(s.CA()) {
		t.Error("other names: want another certificate of the same authority")
	}
	was := leaf(s.Authority)
	*s.clock = s.clock.Add(serverLife - renewAt + time.Hour)
	if bytes.Equal(leaf(s.Authority), was) {
		t.Error("a certificate near its end was not made anew")
	}
	f, err := s.dir.OpenFile(caFile, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := Open(s.dir, nil, s.store, nil); err == nil {
		t.Error("an authority without its key was made anew: all hosts would be lost")
	}
}

func order(host string, made time.Time) deminer.Order {
	return deminer.Order{ID: deminer.NewID(made), Kind: deminer.OrderRun, Host: host, By: "somebody", Made: made.UTC(), Expires: made.Add(10 * time.Minute).UTC(), Run: &deminer.RunOrder{Plan: "p", Digest: "d"}}
}

// taker is a host that takes orders.
type taker struct {
	*Orders
	s     *site
	dir   *os.Root
	clock time.Time
	host  string
}

func take(t *testing.T, s *site) *taker {
	o := &taker{s: s, dir: root(t), clock: *s.clock, host: deminer.NewID(time.Now())}
	o.open(t)
	return o
}

func (o *taker) open(t *testing.T) {
	t.Helper()
	var err error
	if o.Orders, err = OpenOrders(o.dir, o.host, o.s.orders.Public().(ed25519.PublicKey), func() time.Time { return o.clock }, func(s string) { t.Log(s) }); err != nil {
		t.Fatal(err)
	}
}

func (o *taker) sign(t *testing.T, order deminer.Order) []byte {
	t.Helper()
	wire, err := o.s.Sign(order)
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

func TestOrders(t *testing.T) {
	s, thief := begin(t), begin(t)
	o := take(t, s)
	mine := order(o.host, o.clock)
	wire := o.sign(t, mine)
	stolen, err := thief.Sign(mine)
	if err != nil {
		t.Fatal(err)
	}
	altered := bytes.Replace(wire, []byte(`"digest":"d"`), []byte(`"digest":"e"`), 1)
	bare := append(ed25519.Sign(s.orders, wire[ed25519.SignatureSize:]), wire[ed25519.SignatureSize:]...) // the right key, for another purpose
	for name, c := range map[string]struct {
		wire []byte
		want error
	}{
		"altered after it was signed": {altered, ErrForged}, "signed by another server": {stolen, ErrForged}, "signed for another purpose": {bare, ErrForged},
		"for another host": {o.sign(t, order(deminer.NewID(time.Now()), o.clock)), ErrForged}, "empty": {nil, ErrForged}, "short": {wire[:64], ErrForged},
		"two hours old": {o.sign(t, order(o.host, o.clock.Add(-2*time.Hour))), ErrExpired}, "two hours early": {o.sign(t, order(o.host, o.clock.Add(2*time.Hour))), ErrExpired},
	} {
		if got, err := o.Check(c.wire, nil); !errors.Is(err, c.want) || got.ID != "" {
			t.Errorf("%s: %+v %v, want %v", name, got, err, c.want)
		}
	}
	for _, skewed := range []time.Duration{0, 59 * time.Minute, -59 * time.Minute} {
		other := take(t, s)
		if _, err := other.Check(other.sign(t, order(other.host, other.clock.Add(skewed))), nil); err != nil {
			t.Errorf("a clock that differs by %s: %v", skewed, err)
		}
	}
	if got, err := o.Check(wire, nil); err != nil || got.Run.Digest != "d" {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := o.Check(wire, nil); !errors.Is(err, ErrSeen) || got.ID != mine.ID {
		t.Errorf("again: %+v %v", got, err)
	}
}

func TestReplayAfterAll(t *testing.T) {
	s := begin(t)
	o := take(t, s)
	wire := o.sign(t, order(o.host, o.clock))
	if _, err := o.Check(wire, nil); err != nil {
		t.Fatal(err)
	}
	replay := func(name string, want error) {
		t.Helper()
		if _, err := o.Check(wire, nil); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	o.open(t)
	replay("after a restart", ErrSeen)
	start := o.clock
	o.clock = start.Add(3 * time.Hour)
	if _, err := o.Check(o.sign(t, order(o.host, o.clock)), nil); err != nil { // with which the first one is forgotten
		t.Fatal(err)
	}
	replay("much later", ErrExpired)
	o.clock = start
	replay("after the clock was set back", ErrExpired)
	o.open(t)
	replay("and another restart", ErrExpired)
	if err := o.dir.WriteFile(seenFile, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.open(t)
	replay("after the memory was damaged", ErrExpired)
	if _, err := o.Check(o.sign(t, order(o.host, o.clock.Add(time.Second))), nil); err != nil {
		t.Errorf("a new one after the memory was damaged: %v", err)
	}
}

func TestTooManyOrders(t *testing.T) {
	s := begin(t)
	o := take(t, s)
	first := o.sign(t, order(o.host, o.clock))
	if _, err := o.Check(first, nil); err != nil {
		t.Fatal(err)
	}
	for n := range maxSeen { // as if as many had come
		made := o.clock.Add(time.Duration(n+1) * time.Millisecond)
		o.seen.IDs[deminer.NewID(made)] = mark{made, made.Add(time.Hour)}
	}
	if _, err := o.Check(o.sign(t, order(o.host, o.clock.Add(time.Minute))), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Check(first, nil); !errors.Is(err, ErrExpired) || len(o.seen.IDs) > maxSeen {
		t.Errorf("%v with %d remembered: the first was forgotten and must not be taken again", err, len(o.seen.IDs))
	}
}

func TestSignRefuses(t *testing.T) {
	s := begin(t)
	good := order(deminer.NewID(time.Now()), time.Now())
	for name, change := range map[string]func(*deminer.Order){
		"kind": func(o *deminer.Order) { o.Kind = "shell" }, "two fields": func(o *deminer.Order) { o.Vault = "x" }, "none": func(o *deminer.Order) { o.Run = nil },
		"another field": func(o *deminer.Order) { o.Kind = deminer.OrderScan }, "id": func(o *deminer.Order) { o.ID = "1" }, "host": func(o *deminer.Order) { o.Host = "*" },
		"long": func(o *deminer.Order) { o.Expires = o.Made.Add(MaxLife + time.Second) }, "backwards": func(o *deminer.Order) { o.Expires = o.Made },
	} {
		bad := good
		change(&bad)
		if _, err := s.Sign(bad); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	good.Kind = deminer.OrderUndo
	if _, err := s.Sign(good); err != nil {
		t.Errorf("undo: %v", err)
	}
}
