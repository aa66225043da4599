package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// memory is a store that forgets when the test ends.
type memory struct {
	mu       sync.Mutex
	people   map[string]Person
	guesses  map[string]Guess
	links    map[string]Link
	sessions map[string]Session
}

func (m *memory) People(context.Context) (out []Person, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.people {
		out = append(out, p)
	}
	return out, nil
}

func (m *memory) Person(_ context.Context, name string) (Person, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.people[name]
	if !ok {
		return p, ErrNobody
	}
	return p, nil
}

func (m *memory) AddPerson(_ context.Context, p Person) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.people[p.Name]; ok {
		return ErrTaken
	}
	m.people[p.Name] = p
	return nil
}

// change changes somebody of whom something is true.
func (m *memory) change(name string, is func(Person) bool, do func(*Person)) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.people[name]
	if !ok || !is(p) {
		return false
	}
	do(&p)
	m.people[name] = p
	return true
}

func (m *memory) SetRole(_ context.Context, name string, role Role, disabled bool) error {
	if !m.change(name, func(Person) bool { return true }, func(p *Person) { p.Role, p.Disabled = role, disabled }) {
		return ErrNobody
	}
	return nil
}

func (m *memory) SetHash(_ context.Context, name, hash string, reset bool) error {
	if !m.change(name, func(p Person) bool { return !p.Disabled }, func(p *Person) {
		if p.Hash = hash; reset {
			p.Secret = ""
		}
	}) {
		return ErrNobody
	}
	return nil
}

func (m *memory) SetCodes(_ context.Context, name, secret string, step int64) (bool, error) {
	return m.change(name, func(p Person) bool { return p.Used < step }, func(p *Person) { p.Secret, p.Used = secret, step }), nil
}

func (m *memory) TakeCode(_ context.Context, name, secret string, step int64) (bool, error) {
	return m.change(name, func(p Person) bool { return !p.Disabled && p.Secret == secret && p.Used < step }, func(p *Person) { p.Used = step }), nil
}

func (m *memory) Guess(_ context.Context, subject string, change func(Guess) Guess) (Guess, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if change != nil {
		m.guesses[subject] = change(m.guesses[subject])
	}
	return m.guesses[subject], nil
}

func (m *memory) AddLink(_ context.Context, l Link) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.links[l.Hash] = l
	return nil
}

func (m *memory) TakeLink(_ context.Context, hash string, now time.Time) (Link, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.links[hash]
	if !ok || !now.Before(l.Expires) {
		return Link{}, ErrLink
	}
	delete(m.links, hash)
	return l, nil
}

func (m *memory) EndLinks(_ context.Context, person string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for h, l := range m.links {
		if l.Person == person {
			delete(m.links, h)
		}
	}
	return nil
}

func (m *memory) AddSession(_ context.Context, s Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[s.Hash] = s
	return nil
}

func (m *memory) Session(_ context.Context, hash string) (Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[hash]
	if !ok {
		return s, ErrNobody
	}
	return s, nil
}

func (m *memory) Sessions(_ context.Context, person string) (out []Session, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		if s.Person == person {
			out = append(out, s)
		}
	}
	return out, nil
}

func (m *memory) TouchSession(_ context.Context, hash string, seen time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sessions[hash]
	s.Seen = seen
	m.sessions[hash] = s
	return nil
}

func (m *memory) EndSessions(_ context.Context, person, hash string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for h, s := range m.sessions {
		if s.Person == person && (hash == "" || hash == h) {
			delete(m.sessions, h)
		}
	}
	return nil
}

const good = "correct horse battery"

// town is a house with a clock and what it logged.
type town struct {
	*House
	t   *testing.T
	m   *memory
	now time.Time
	log []string
}

func newTown(t *testing.T) *town {
	w := &town{t: t, now: time.Unix(1_800_000_000, 0), m: &memory{people: map[string]Person{}, guesses: map[string]Guess{}, links: map[string]Link{}, sessions: map[string]Session{}}}
	w.House = New(Options{Store: w.m, Now: func() time.Time { return w.now }, Log: func(_ context.Context, who Who, what, on, _ string) error {
		w.m.mu.Lock()
		defer w.m.mu.Unlock()
		w.log = append(w.log, what+" "+on)
		return nil
	}})
	return w
}

// admin makes the first account, and gives its session.
func (w *town) admin() string {
	w.t.Helper()
	link, err := w.Setup(w.t.Context())
	if err != nil || link == "" {
		w.t.Fatal(link, err)
	}
	token, err := w.Join(w.t.Context(), link, " Ann", good, "192.0.2.1", "b")
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

func TestFirstStart(t *testing.T) {
	w := newTown(t)
	ctx := t.Context()
	link, err := w.Setup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, password string }{{"ann", "short"}, {"ann", strings.Repeat("x", 300)}, {"ann", "ann"}, {"", good}, {"a b", good}, {"../x", good}} {
		if _, err := w.Join(ctx, link, c.name, c.password, "192.0.2.1", ""); !errors.Is(err, ErrRules) {
			t.Errorf("%q %q: got %v", c.name, c.password, err)
		}
	}
	token, err := w.Join(ctx, link, "ann", good, "192.0.2.1", "")
	if err != nil {
		t.Fatalf("a link that was not used up does not open: %v", err)
	}
	if who, _, err := w.Who(ctx, token, "192.0.2.1"); err != nil || who.Role != Admin || who.Name != "ann" {
		t.Errorf("got %+v %v", who, err)
	}
	if _, err := w.Join(ctx, link, "bob", good, "192.0.2.1", ""); !errors.Is(err, ErrLink) {
		t.Errorf("a link opened twice: %v", err)
	}
	if again, err := w.Setup(ctx); again != "" || err != nil {
		t.Errorf("a second first person: %q %v", again, err)
	}
	if h := w.m.people["ann"].Hash; !strings.HasPrefix(h, "$argon2id$v=19$m=47104,t=2,p=1$") || strings.Contains(h, good) {
		t.Errorf("kept as %s", h)
	}
	for hash := range w.m.sessions {
		if strings.Contains(hash, token) || hash == token {
			t.Error("the store holds what the browser holds")
		}
	}
}

func TestLogIn(t *testing.T) {
	w := newTown(t)
	w.admin()
	ctx := t.Context()
	for _, c := range []struct {
		name, password string
		want           error
	}{{"ann", good, nil}, {" ANN ", good, nil}, {"ann", good + " ", ErrNobody}, {"ann", "", ErrNobody}, {"nobody", good, ErrNobody}} {
		_, err := w.LogIn(ctx, c.name, c.password, "", "192.0.2.9", "")
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%q: got %v, want %v", c.name, err, c.want)
		}
	}
	if text := strings.Join(w.log, "\n"); !strings.Contains(text, "log-in refused nobody") || !strings.Contains(text, "log-in ann") {
		t.Errorf("logged:\n%s", text)
	}
}

// TestGuessing: nothing is tried while a name or an address waits, and it waits longer each time.
func TestGuessing(t *testing.T) {
	w := newTown(t)
	w.admin()
	ctx := t.Context()
	try := func(name, password, from string) error {
		_, err := w.LogIn(ctx, name, password, "", from, "")
		return err
	}
	var locked LockedError
	for i := range addrTries {
		if err := try("ann", "wrong", "192.0.2.66"); !errors.Is(err, ErrNobody) {
			t.Fatalf("try %d: %v", i, err)
		}
	}
	if err := try("ann", good, "192.0.2.66"); !errors.As(err, &locked) {
		t.Fatalf("the right password of a guesser was tried: %v", err)
	}
	if err := try("ann", good, "192.0.2.1"); err != nil {
		t.Fatalf("somebody else is locked out with him: %v", err)
	}
	waits := []time.Duration{}
	for range 4 {
		w.now = w.now.Add(time.Hour)
		_ = try("ann", "wrong", "192.0.2.66")
		waits = append(waits, w.m.guesses["addr:192.0.2.66"].Until.Sub(w.now))
	}
	if waits[1] <= waits[0] || waits[3] <= waits[2] || waits[3] > longestLock {
		t.Errorf("it waits %v", waits)
	}
	for i := range nameTries { // from everywhere
		_ = try("ann", "wrong", "198.51.100."+string(rune('0'+i)))
	}
	if err := try("ann", good, "192.0.2.1"); !errors.As(err, &locked) {
		t.Errorf("a name is guessed from everywhere: %v", err)
	}
}

// TestGuessingAtOnce: many tries at the same time are no more than one after the other, of passwords and of codes.
func TestGuessingAtOnce(t *testing.T) {
	w := newTown(t)
	token := w.admin()
	ctx, who := t.Context(), Who{Name: "ann", Role: Admin}
	key, _ := NewCodes(who)
	for what, c := range map[string]struct {
		tries int
		try   func() error
	}{
		"log-in":   {addrTries, func() error { return second(w.LogIn(ctx, "nobody", "wrong wrong wrong", "", "192.0.2.66", "")) }},
		"password": {nameTries, func() error { return w.SetPassword(ctx, who, token, "wrong wrong wrong", good+"2") }},
		"code":     {nameTries, func() error { return w.UseCodes(ctx, who, key, "000000") }},
	} {
		w.m.guesses = map[string]Guess{}
		var wait sync.WaitGroup
		results := make(chan error, 40)
		for range cap(results) {
			wait.Go(func() { results <- c.try() })
		}
		wait.Wait()
		close(results)
		tried := 0
		for err := range results {
			var locked LockedError
			if !errors.As(err, &locked) {
				tried++
			}
		}
		if tried != c.tries {
			t.Errorf("%s: %d of 40 were tried, want %d", what, tried, c.tries)
		}
	}
	w.m.guesses = map[string]Guess{}
	if err := w.SetPassword(ctx, who, token, good, good+"2"); err != nil || w.m.guesses["name:ann"].Failures != 0 {
		t.Errorf("what went well is counted: %+v %v", w.m.guesses, err)
	}
}

func TestSessions(t *testing.T) {
	w := newTown(t)
	token := w.admin()
	ctx := t.Context()
	if _, _, err := w.Who(ctx, token[:len(token)-1]+"=", ""); !errors.Is(err, ErrSession) {
		t.Errorf("another token: %v", err)
	}
	if !IsForm(token, Form(token)) || IsForm(token, Form(token+"x")) || IsForm("", Form("")) {
		t.Error("forms are not those of the session")
	}
	for range 10 { // it is used
		w.now = w.now.Add(time.Hour)
		if _, _, err := w.Who(ctx, token, ""); err != nil {
			t.Fatal(err)
		}
	}
	w.now = w.now.Add(3 * time.Hour)
	if _, _, err := w.Who(ctx, token, ""); !errors.Is(err, ErrSession) {
		t.Errorf("it never ends: %v", err)
	}
	idle, err := w.LogIn(ctx, "ann", good, "", "192.0.2.1", "")
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(sessionIdle + time.Minute)
	if _, _, err := w.Who(ctx, idle, ""); !errors.Is(err, ErrSession) || len(w.m.sessions) != 0 {
		t.Errorf("one that nobody uses goes on: %v", err)
	}
}

func TestCodes(t *testing.T) {
	// RFC 6238, appendix B, for SHA-1: the last six digits.
	for step, want := range map[int64]string{59 / 30: "287082", 1111111109 / 30: "081804", 20000000000 / 30: "353130"} {
		if got, err := codeAt("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", step); err != nil || got != want {
			t.Errorf("step %d: got %s %v, want %s", step, got, err, want)
		}
	}
	w := newTown(t)
	w.admin()
	ctx, who := t.Context(), Who{Name: "ann", Role: Admin}
	key, _ := NewCodes(who)
	if err := w.UseCodes(ctx, who, key, "000000"); !errors.Is(err, ErrRules) {
		t.Errorf("a wrong code was taken: %v", err)
	}
	code := func() string {
		c, err := codeAt(key, w.now.Unix()/codeLife)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if err := w.UseCodes(ctx, who, key, code()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.LogIn(ctx, "ann", good, "", "192.0.2.1", ""); !errors.Is(err, ErrCode) {
		t.Errorf("without a code: %v", err)
	}
	if _, err := w.LogIn(ctx, "ann", good, code(), "192.0.2.1", ""); !errors.Is(err, ErrNobody) {
		t.Errorf("a code was taken twice: %v", err)
	}
	w.now = w.now.Add(time.Minute)
	if _, err := w.LogIn(ctx, "ann", good, code(), "192.0.2.1", ""); err != nil {
		t.Errorf("the right code: %v", err)
	}
}

func TestPeople(t *testing.T) {
	w := newTown(t)
	token := w.admin()
	ctx, ann := t.Context(), Who{Name: "ann", Role: Admin}
	link, err := w.Invite(ctx, ann, "Bob", Responder)
	if err != nil {
		t.Fatal(err)
	}
	bob, err := w.Join(ctx, link, "ann", good, "192.0.2.2", "") // whatever name he types, the link is for bob
	if err != nil {
		t.Fatal(err)
	}
	who, _, err := w.Who(ctx, bob, "")
	if err != nil || who.Name != "bob" || who.Role != Responder {
		t.Fatalf("got %+v %v", who, err)
	}
	for what, err := range map[string]error{
		"invite": second(w.Invite(ctx, who, "eve", Admin)), "change": w.Change(ctx, who, "bob", Admin, false), "end": w.End(ctx, who, "ann", ""), "list": second(w.All(ctx, who)),
	} {
		if !errors.Is(err, ErrForbidden) {
			t.Errorf("a responder may %s: %v", what, err)
		}
	}
	if err := w.Change(ctx, ann, "ann", Viewer, false); !errors.Is(err, ErrRules) {
		t.Errorf("nobody is an admin any more: %v", err)
	}
	if err := w.Change(ctx, ann, "bob", Responder, true); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Who(ctx, bob, ""); !errors.Is(err, ErrSession) {
		t.Errorf("a locked account goes on: %v", err)
	}
	if _, err := w.LogIn(ctx, "bob", good, "", "192.0.2.2", ""); !errors.Is(err, ErrNobody) {
		t.Errorf("a locked account logs in: %v", err)
	}
	other, err := w.LogIn(ctx, "ann", good, "", "192.0.2.1", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.SetPassword(ctx, ann, token, "wrong wrong wrong", good+"2"); !errors.Is(err, ErrRules) {
		t.Errorf("a password was changed without the old one: %v", err)
	}
	if err := w.SetPassword(ctx, ann, token, good, good+"2"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Who(ctx, other, ""); !errors.Is(err, ErrSession) {
		t.Errorf("another session goes on after the password was changed: %v", err)
	}
	if _, _, err := w.Who(ctx, token, ""); err != nil {
		t.Errorf("one's own session ended: %v", err)
	}
}

// TestOldLinks: there is one first person, and what was invited before somebody was locked or set a password opens nothing.
func TestOldLinks(t *testing.T) {
	w := newTown(t)
	ctx, ann := t.Context(), Who{Name: "ann", Role: Admin}
	link := func(token string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	setup := []string{link(w.Setup(ctx)), link(w.Setup(ctx)), link(w.Setup(ctx))}
	var wait sync.WaitGroup
	for i, l := range setup[:2] {
		wait.Go(func() { _, _ = w.Join(ctx, l, "ann"+string(rune('0'+i)), good, "192.0.2."+string(rune('1'+i)), "") })
	}
	wait.Wait()
	if _, err := w.Join(ctx, setup[2], "mallory", good, "192.0.2.66", ""); !errors.Is(err, ErrLink) || len(w.m.people) != 1 || len(w.m.links) != 0 {
		t.Fatalf("another first person: %v; %v, %d links left", err, w.m.people, len(w.m.links))
	}
	bob := []string{link(w.Invite(ctx, ann, "bob", Viewer)), link(w.Invite(ctx, ann, "bob", Admin))}
	token, err := w.Join(ctx, bob[0], "", good, "192.0.2.2", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Join(ctx, bob[1], "", good+"x", "192.0.2.66", ""); !errors.Is(err, ErrLink) {
		t.Errorf("an invitation of before the password opened: %v", err)
	}
	reset := link(w.Invite(ctx, ann, "bob", Viewer))
	if err := w.SetPassword(ctx, Who{Name: "bob", Role: Viewer}, token, good, good+"2"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Join(ctx, reset, "", good+"x", "192.0.2.67", ""); !errors.Is(err, ErrLink) {
		t.Errorf("an invitation of before another password opened: %v", err)
	}
	reset = link(w.Invite(ctx, ann, "bob", Viewer))
	w.m.people["eve"] = Person{Name: "eve", Role: Admin}
	if err := w.Change(ctx, ann, "bob", Viewer, true); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Join(ctx, reset, "", good+"x", "192.0.2.68", ""); !errors.Is(err, ErrLink) || !w.m.people["bob"].Disabled {
		t.Errorf("an invitation of before he was locked opened: %v, %+v", err, w.m.people["bob"])
	}
	if _, err := w.Invite(ctx, ann, "bob", Viewer); !errors.Is(err, ErrRules) {
		t.Errorf("somebody who is locked was invited: %v", err)
	}
}

// TestMeanwhile: who is locked and demoted while a password is hashed stays so, and one code lets in once.
func TestMeanwhile(t *testing.T) {
	w := newTown(t)
	w.admin()
	ctx, ann, bob := t.Context(), Who{Name: "ann", Role: Admin}, Who{Name: "bob", Role: Admin}
	link, err := w.Invite(ctx, ann, "bob", Admin)
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.Join(ctx, link, "", good, "192.0.2.2", "")
	if err != nil {
		t.Fatal(err)
	}
	key, _ := NewCodes(bob)
	code := func() string {
		w.now = w.now.Add(time.Minute)
		c, err := codeAt(key, w.now.Unix()/codeLife)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if err := w.UseCodes(ctx, bob, key, code()); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	results, once := make(chan error, 4), code()
	for range cap(results) {
		wait.Go(func() { results <- second(w.LogIn(ctx, "bob", good, once, "192.0.2.2", "")) })
	}
	wait.Wait()
	close(results)
	in := 0
	for err := range results {
		if err == nil {
			in++
		}
	}
	if in != 1 {
		t.Errorf("one code let in %d times", in)
	}
	quiet := w.opt.Log
	for what, try := range map[string]func() error{
		"log-in":       func() error { return second(w.LogIn(ctx, "bob", good, code(), "192.0.2.2", "")) },
		"set password": func() error { return w.SetPassword(ctx, bob, token, good, good+"2") },
		"use codes":    func() error { return w.UseCodes(ctx, bob, key, code()) },
	} {
		locked := false
		w.opt.Log = func(ctx context.Context, who Who, did, on, detail string) error {
			if did == what && !locked {
				locked = true
				if err := w.Change(ctx, ann, "bob", Viewer, true); err != nil {
					t.Error(err)
				}
			}
			return quiet(ctx, who, did, on, detail)
		}
		err := try()
		if p := w.m.people["bob"]; !locked || p.Role != Viewer || !p.Disabled {
			t.Errorf("%s (%v): %s, locked %v", what, err, p.Role, p.Disabled)
		}
		if err := w.Change(ctx, ann, "bob", Admin, false); err != nil {
			t.Fatal(err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
