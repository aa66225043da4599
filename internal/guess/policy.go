package guess

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/deminer/deminer"
)

// Duration is a time that is written as people do: "10m", "24h".
type Duration time.Duration

// D gives the time itself.
func (d Duration) D() time.Duration { return time.Duration(d) }

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read a time: %w", err)
	}
	t, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("read a time: %w", err)
	}
	*d = Duration(t)
	return nil
}

// Rule says how many failures within which time are a program's and not a person's.
type Rule struct {
	Name     string   `json:"name"`
	Kind     Kind     `json:"kind"`            // source, spray: of one source; account: of one account
	Window   Duration `json:"window"`          // looked back so far
	Failures int      `json:"failures"`        // at least so many
	Names    int      `json:"names,omitempty"` // on at least so many accounts; of account: from at least so many sources
	Ban      Duration `json:"ban,omitempty"`   // blocks the source so long the first time; 0: only told
}

// Policy is the data that decides.
type Policy struct {
	Block   bool           `json:"block"` // false: everything is told, nobody is blocked
	Rules   []Rule         `json:"rules"`
	Longest Duration       `json:"longest"`         // no block is longer, however often one comes back
	Right   int            `json:"right"`           // so many failures before a password login make it a guess that was right
	Memory  Duration       `json:"memory"`          // and so long they are remembered
	Trust   Duration       `json:"trust"`           // so long after a login that was no guess its source is not blocked
	Allow   []netip.Prefix `json:"allow,omitempty"` // never blocked
}

// Usual is the policy where the owner has none: it watches and tells, and blocks nobody.
//
// A person who has forgotten a password gives up after a few tries; sshd ends a connection after six. Ten failures in ten minutes
// are a program. The slow rule is for programs that know the fast one: 30 in a day are more than one in an hour, all day.
func Usual() Policy {
	return Policy{
		Rules: []Rule{
			{Name: "fast", Kind: Source, Window: Duration(10 * time.Minute), Failures: 10, Ban: Duration(time.Hour)},
			{Name: "spray", Kind: Spray, Window: Duration(time.Hour), Failures: 6, Names: 5, Ban: Duration(time.Hour)},
			{Name: "slow", Kind: Source, Window: Duration(24 * time.Hour), Failures: 30, Ban: Duration(24 * time.Hour)},
			{Name: "account", Kind: Account, Window: Duration(time.Hour), Failures: 30, Names: 10},
		},
		Longest: Duration(7 * 24 * time.Hour), Right: 10, Memory: Duration(30 * 24 * time.Hour), Trust: Duration(30 * 24 * time.Hour),
	}
}

// Tuned is Usual with the numbers of an owner: so many tries of one source in the window are a program's, and the first ban is so
// long. The other rules keep their measure to these: three times as many in a day, six in ten where they go to many accounts; and
// so many before a login make it a guess that was right. What is tuned must be checked.
func Tuned(tries int, window, ban, longest time.Duration) Policy {
	p := Usual()
	p.Longest, p.Right = Duration(longest), tries
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Ban > 0 {
			r.Ban = Duration(ban)
		}
		switch r.Name {
		case "fast":
			r.Window, r.Failures = Duration(window), tries
		case "spray":
			r.Failures = max(3, (tries*6+9)/10)
			r.Names = min(r.Names, r.Failures)
		case "slow":
			r.Failures = 3 * tries
			r.Ban = Duration(min(24*ban, longest))
		}
	}
	return p
}

// Check refuses a policy that would block people or nobody.
func (p Policy) Check() error {
	if p.Longest <= 0 || p.Memory <= 0 || p.Trust < 0 || p.Right < 3 {
		return fmt.Errorf("guess policy: longest and memory must be times, right at least 3")
	}
	names := map[string]bool{}
	for _, r := range p.Rules {
		switch {
		case r.Name == "" || names[r.Name]:
			return fmt.Errorf("guess policy: rule %q has no name of its own", r.Name)
		case r.Kind != Source && r.Kind != Spray && r.Kind != Account:
			return fmt.Errorf("guess policy: rule %s: no kind %q", r.Name, r.Kind)
		case r.Failures < 3 || r.Failures > maxTimes || r.Names > maxNames:
			return fmt.Errorf("guess policy: rule %s: between 3 and %d failures, at most %d names", r.Name, maxTimes, maxNames)
		case r.Window < Duration(time.Second) || r.Window > p.Memory || r.Ban < 0 || r.Ban > p.Longest:
			return fmt.Errorf("guess policy: rule %s: its window must be within the memory, its ban within the longest", r.Name)
		case r.Kind == Account && r.Ban > 0:
			return fmt.Errorf("guess policy: rule %s: an account is not blocked", r.Name)
		}
		names[r.Name] = true
	}
	return nil
}

// Spare is who must never be blocked, with the reason.
type Spare struct {
	own []spared
}

type spared struct {
	net netip.Prefix
	why string
}

// Add spares a network, or an address (as a network of one).
func (s *Spare) Add(net netip.Prefix, why string) {
	if net.IsValid() {
		s.own = append(s.own, spared{net.Masked(), why})
	}
}

// AddAddr spares an address.
func (s *Spare) AddAddr(a netip.Addr, why string) {
	if a = a.WithZone("").Unmap(); a.IsValid() {
		s.Add(netip.PrefixFrom(a, a.BitLen()), why)
	}
}

// Why says why a source must not be blocked; "": it may. A network is spared if anything in it is.
func (s Spare) Why(source netip.Prefix) string {
	a := source.Addr()
	switch {
	case !source.IsValid() || a.IsUnspecified() || a.IsMulticast():
		return "it is no address of a host"
	case a.IsLoopback():
		return "it is this host itself"
	case a.IsLinkLocalUnicast():
		return "it is a neighbour on the same wire, by an address that others may have, too"
	}
	if a.IsPrivate() || carrier.Contains(a) {
		return "it is a private address: a translator or load balancer with many behind it may have it"
	}
	if deminer.Translated(a) {
		return "a translator stands there for all of IPv4"
	}
	for _, o := range s.own {
		if o.net.Overlaps(source) {
			return o.why
		}
	}
	return ""
}

// With joins two lists of who must not be blocked.
func (s Spare) With(o Spare) Spare {
	return Spare{own: append(append([]spared{}, s.own...), o.own...)}
}

// carrier are the addresses of translators of a provider (RFC 6598).
var carrier = netip.MustParsePrefix("100.64.0.0/10")
