package auth

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/deminer/deminer"
)

// Person is somebody with an account.
type Person struct {
	Name     string
	Role     Role
	Hash     string // of the password, argon2id
	Secret   string // of one-time codes, base32; "" where none are asked for
	Used     int64  // step of the last code that was taken
	Made     time.Time
	Disabled bool
}

// Session is one browser in which somebody is logged in.
type Session struct {
	Hash    string // SHA-256 of what the browser holds
	Person  string
	Made    time.Time
	Seen    time.Time
	Expires time.Time
	Address string
	Browser string // safe text
}

// Link lets one person set a password, once.
type Link struct {
	Hash    string
	Person  string // whose account it is; "": who comes chooses a name
	Role    Role   // of an account that is made by it
	Expires time.Time
}

// Guess counts failed log-ins of a name or from an address.
type Guess struct {
	Failures int
	Until    time.Time // nothing is tried before
	Last     time.Time
}

// Store is what this package remembers with. What is looked for and is not there is [ErrNobody].
type Store interface {
	People
	Keys
	Links
	Sessions
}

// People remembers accounts.
type People interface {
	People(ctx context.Context) ([]Person, error) // by name
	Person(ctx context.Context, name string) (Person, error)
	// AddPerson writes a new account; a name that is there is [ErrTaken].
	AddPerson(ctx context.Context, p Person) error
	// SetRole changes the role of an account, and whether it is locked, and nothing else of it.
	SetRole(ctx context.Context, name string, role Role, disabled bool) error
	// Guess changes what is counted of a subject, in one piece.
	Guess(ctx context.Context, subject string, change func(Guess) Guess) (Guess, error)
}

// Keys remembers what people log in with. Each changes nothing else of an account: hashing a password takes a while, in which an admin may
// have locked it.
type Keys interface {
	// SetHash sets the password of an account that is not locked, else [ErrNobody]; reset has it ask for no codes any more.
	SetHash(ctx context.Context, name, hash string, reset bool) error
	// SetCodes sets the secret of codes, if the step of the code that was given for it is later than that of the last one, and says if so.
	SetCodes(ctx context.Context, name, secret string, step int64) (bool, error)
	// TakeCode notes the step of a code of a secret, if the account is not locked and it is later than that of the last one, and says if so.
	TakeCode(ctx context.Context, name, secret string, step int64) (bool, error)
}

// Links remembers links.
type Links interface {
	AddLink(ctx context.Context, l Link) error
	// TakeLink gives a link that has not expired and takes it away: it opens once.
	TakeLink(ctx context.Context, hash string, now time.Time) (Link, error)
	// EndLinks takes all links of a person away, "" those for the first one.
	EndLinks(ctx context.Context, person string) error
}

// Sessions remembers who is logged in.
type Sessions interface {
	AddSession(ctx context.Context, s Session) error
	Session(ctx context.Context, hash string) (Session, error)
	Sessions(ctx context.Context, person string) ([]Session, error) // the latest first
	TouchSession(ctx context.Context, hash string, seen time.Time) error
	// EndSessions ends one session of a person ("" all of them).
	EndSessions(ctx context.Context, person, hash string) error
}

// The errors that callers act on.
var (
	ErrNobody  = errors.New("nobody has that name, or the password or the code is wrong")
	ErrTaken   = errors.New("that name is taken")
	ErrLink    = errors.New("this link was used, or has expired")
	ErrSession = errors.New("not logged in")
	ErrRules   = errors.New("that cannot be taken")
	ErrCode    = errors.New("a code of your app is needed")
)

// LockedError says that guessing is locked for a while.
type LockedError struct{ Until time.Time }

// Error implements error.
func (e LockedError) Error() string { return "too many failed log-ins" }

// How long things last.
const (
	sessionLife = 12 * time.Hour
	sessionIdle = 2 * time.Hour
	linkLife    = 24 * time.Hour
	nameTries   = 10 // failed log-ins of one name before it is locked
	addrTries   = 5  // and from one address
	longestLock = 15 * time.Minute
)

// Options are what [New] needs.
type Options struct {
	Store Store
	// Log writes to the audit log; where it fails nothing is done.
	Log func(ctx context.Context, who Who, what, on, detail string) error
	Now func() time.Time // nil: time.Now
}

// House knows the people. Make one with [New].
type House struct {
	opt   Options
	slots chan bool  // passwords that are hashed at once
	join  sync.Mutex // one link opens after the other: there is one first person
}

// New makes a house.
func New(o Options) *House {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &House{opt: o, slots: make(chan bool, 2)}
}

func (h *House) now() time.Time { return h.opt.Now().UTC() }

// Setup gives the token of a link by which the first admin makes an account; "" where somebody is there already.
func (h *House) Setup(ctx context.Context) (token string, err error) {
	all, err := h.opt.Store.People(ctx)
	if err != nil || len(all) > 0 {
		return "", err
	}
	return h.link(ctx, Link{Role: Admin, Expires: h.now().Add(linkLife)})
}

// Empty reports whether nobody has an account yet.
func (h *House) Empty(ctx context.Context) (bool, error) {
	all, err := h.opt.Store.People(ctx)
	return err == nil && len(all) == 0, err
}

func (h *House) link(ctx context.Context, l Link) (token string, err error) {
	token = secret()
	l.Hash = digest(token)
	if err := h.opt.Store.AddLink(ctx, l); err != nil {
		return "", fmt.Errorf("write a link down: %w", err)
	}
	return token, nil
}

// Invite makes a link by which somebody makes an account with a role, or, where the account is there, sets a new password.
func (h *House) Invite(ctx context.Context, who Who, name string, role Role) (token string, err error) {
	if err := who.May(Admin); err != nil {
		return "", err
	}
	if name = fold(name); !names.MatchString(name) {
		return "", fmt.Errorf("%w: a name has letters, digits and . _ @ -, at most 64", ErrRules)
	}
	if !role.AtLeast(Viewer) {
		return "", fmt.Errorf("%w: there is no such role", ErrRules)
	}
	switch p, err := h.opt.Store.Person(ctx, name); {
	case err != nil && !errors.Is(err, ErrNobody):
		return "", err
	case err == nil && p.Disabled:
		return "", fmt.Errorf("%w: the account is locked; unlock it first", ErrRules)
	}
	if err := h.opt.Log(ctx, who, "invite", name, string(role)); err != nil {
		return "", err
	}
	return h.link(ctx, Link{Person: name, Role: role, Expires: h.now().Add(linkLife)})
}

var names = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{0,63}$`)

func fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// Join makes the account of a link, or sets its password, and logs its person in. A password that is not taken does not use the
// link up.
func (h *House) Join(ctx context.Context, token, name, password, address, browser string) (session string, err error) {
	if err := h.open(ctx, "addr:"+address); err != nil {
		return "", err
	}
	if name = fold(name); name != "" && !names.MatchString(name) {
		return "", fmt.Errorf("%w: a name has letters, digits and . _ @ -, at most 64", ErrRules)
	}
	if err := fit(password, name); err != nil {
		return "", err
	}
	hash, err := h.hash(ctx, password)
	if err != nil {
		return "", err
	}
	p, err := h.opened(ctx, token, name, hash, address)
	if err != nil {
		return "", err
	}
	return h.begin(ctx, p, address, browser)
}

// opened opens a link and sets the password of its person, who is made if there is none. No other link of that person opens any more: what
// was invited before is not what an admin wants now.
func (h *House) opened(ctx context.Context, token, name, hash, address string) (p Person, err error) {
	h.join.Lock()
	defer h.join.Unlock()
	l, err := h.opt.Store.TakeLink(ctx, digest(token), h.now())
	if err == nil && l.Person == "" {
		var empty bool
		if empty, err = h.Empty(ctx); err == nil && !empty {
			err = ErrLink // it was for the first person, and there is one
		}
	}
	if err != nil {
		h.failed(ctx, "addr:"+address, addrTries)
		return p, err
	}
	if l.Person != "" {
		name = l.Person
	}
	if !names.MatchString(name) {
		_ = h.opt.Store.AddLink(ctx, l) // it was good; only the name was missing
		return p, fmt.Errorf("%w: choose a name", ErrRules)
	}
	p, err = h.opt.Store.Person(ctx, name)
	fresh := errors.Is(err, ErrNobody)
	switch {
	case err != nil && !fresh:
		return p, err
	case fresh:
		p = Person{Name: name, Role: l.Role, Made: h.now()}
	case p.Disabled:
		return p, ErrLink
	}
	if err := h.opt.Log(ctx, Who{Name: name, Address: address}, "set password", name, string(p.Role)); err != nil {
		return p, err
	}
	if p.Hash = hash; fresh {
		err = h.opt.Store.AddPerson(ctx, p)
	} else {
		err = h.opt.Store.SetHash(ctx, name, hash, true)
	}
	if err != nil {
		return p, err
	}
	for _, person := range []string{name, l.Person} { // the first person's links bear no name
		if err := h.opt.Store.EndLinks(ctx, person); err != nil {
			return p, err
		}
	}
	return p, h.opt.Store.EndSessions(ctx, name, "")
}

// LogIn logs somebody in and gives what the browser is to hold. A wrong name, password and code cannot be told apart.
func (h *House) LogIn(ctx context.Context, name, password, code, address, browser string) (session string, err error) {
	name = fold(name)
	subject, from := "name:"+deminer.Cut(name, 64), "addr:"+address
	backFrom, err := h.try(ctx, from, addrTries)
	if err != nil {
		return "", err
	}
	backName, err := h.try(ctx, subject, nameTries)
	back := func() { backFrom(); backName() }
	if err != nil {
		backFrom()
		return "", err
	}
	p, err := h.opt.Store.Person(ctx, name)
	if err != nil && !errors.Is(err, ErrNobody) {
		back()
		return "", err
	}
	good, err := h.check(ctx, p.Hash, password) // of nobody, too: it takes as long
	if err != nil {
		back()
		return "", err
	}
	if good && p.Secret != "" {
		if code == "" {
			back()
			return "", ErrCode // the password was right: this is no guess
		}
		if step := codeStep(p.Secret, code, h.now()); step == 0 {
			good = false
		} else if good, err = h.opt.Store.TakeCode(ctx, p.Name, p.Secret, step); err != nil {
			back()
			return "", err
		}
	}
	if !good || p.Name == "" || p.Disabled {
		_ = h.opt.Log(ctx, Who{Name: "server", Address: address}, "log-in refused", deminer.Cut(name, 64), "")
		return "", ErrNobody
	}
	if err := h.opt.Log(ctx, Who{Name: p.Name, Address: address}, "log-in", p.Name, deminer.Cut(browser, 100)); err != nil {
		return "", err
	}
	for _, s := range []string{subject, from} {
		if _, err := h.opt.Store.Guess(ctx, s, func(Guess) Guess { return Guess{} }); err != nil {
			return "", err
		}
	}
	return h.begin(ctx, p, address, browser)
}

func (h *House) begin(ctx context.Context, p Person, address, browser string) (string, error) {
	token, now := secret(), h.now()
	err := h.opt.Store.AddSession(ctx, Session{Hash: digest(token), Person: p.Name, Made: now, Seen: now, Expires: now.Add(sessionLife),
		Address: deminer.Cut(address, 80), Browser: deminer.Cut(browser, 200)})
	return token, err
}

// open reports whether a subject may try.
func (h *House) open(ctx context.Context, subject string) error {
	g, err := h.opt.Store.Guess(ctx, subject, nil)
	if err == nil && h.now().Before(g.Until) {
		return LockedError{g.Until}
	}
	return err
}

// failed counts a failure; from some on the subject waits, twice as long each time.
func (h *House) failed(ctx context.Context, subject string, tries int) {
	now := h.now()
	_, _ = h.opt.Store.Guess(ctx, subject, func(g Guess) Guess { return g.failed(now, tries) })
}

func (g Guess) failed(now time.Time, tries int) Guess {
	if now.Sub(g.Last) > 24*time.Hour {
		g.Failures = 0
	}
	g.Failures++
	g.Last = now
	if over := g.Failures - tries; over >= 0 {
		g.Until = now.Add(min(longestLock, 5*time.Second<<min(over, 10)))
	}
	return g
}

// try counts a try as failed before it is made, so that many at once are no more tries than one after the other; back takes that back, with the
// wait that came of it. [LockedError] says that nothing may be tried now.
func (h *House) try(ctx context.Context, subject string, tries int) (back func(), err error) {
	now := h.now().Truncate(time.Millisecond) // as a store keeps it
	var before, after Guess
	_, err = h.opt.Store.Guess(ctx, subject, func(g Guess) Guess {
		if before, after = g, g; !now.Before(g.Until) {
			after = g.failed(now, tries)
		}
		return after
	})
	if err == nil && before == after {
		err = LockedError{before.Until}
	}
	if err != nil {
		return nil, err
	}
	return func() {
		_, _ = h.opt.Store.Guess(context.WithoutCancel(ctx), subject, func(g Guess) Guess {
			g.Failures = max(0, g.Failures-1)
			if !after.Until.Equal(before.Until) && g.Until.Equal(after.Until) {
				g.Until = before.Until
			}
			return g
		})
	}, nil
}

// Who gives the person of a session, or [ErrSession].
func (h *House) Who(ctx context.Context, token, address string) (Who, Session, error) {
	if token == "" || len(token) > 100 {
		return Who{}, Session{}, ErrSession
	}
	s, err := h.opt.Store.Session(ctx, digest(token))
	if errors.Is(err, ErrNobody) {
		return Who{}, Session{}, ErrSession
	}
	if err != nil {
		return Who{}, Session{}, err
	}
	now := h.now()
	if !now.Before(s.Expires) || now.Sub(s.Seen) > sessionIdle {
		return Who{}, Session{}, errors.Join(ErrSession, h.opt.Store.EndSessions(ctx, s.Person, s.Hash))
	}
	p, err := h.opt.Store.Person(ctx, s.Person)
	if errors.Is(err, ErrNobody) || err == nil && p.Disabled {
		return Who{}, Session{}, ErrSession
	}
	if err != nil {
		return Who{}, Session{}, err
	}
	if now.Sub(s.Seen) > time.Minute {
		if err := h.opt.Store.TouchSession(ctx, s.Hash, now); err != nil {
			return Who{}, Session{}, err
		}
	}
	return Who{Name: p.Name, Role: p.Role, Address: address}, s, nil
}
