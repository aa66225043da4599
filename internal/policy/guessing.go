package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// Guessing is what is done about who guesses passwords. In a file it is a mode alone, or the keys below.
type Guessing struct {
	Mode    Mode          `yaml:"mode" json:"mode"`       // off, alert, or block; "" alerts
	Tries   int           `yaml:"tries" json:"tries"`     // so many failed logins from one source within the window are a program's; 0: 10
	Window  time.Duration `yaml:"window" json:"window"`   // 0: ten minutes
	Ban     time.Duration `yaml:"ban" json:"ban"`         // how long the source is blocked the first time, twice as long each time it comes back; 0: one hour
	Longest time.Duration `yaml:"longest" json:"longest"` // no block is longer; 0: a week, or the ban where that is longer
	Allow   []Network     `yaml:"allow" json:"allow"`     // never blocked, whatever they do
}

// Network is a network, or an address as a network of one.
type Network struct{ netip.Prefix }

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *Network) UnmarshalText(text []byte) error {
	if a, err := netip.ParseAddr(string(text)); err == nil {
		a = a.WithZone("").Unmap()
		n.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is neither an address nor a network such as 192.0.2.0/24", text)
	}
	n.Prefix = p
	return nil
}

// UnmarshalYAML names the line of what is no network.
func (n *Network) UnmarshalYAML(from *yaml.Node) error {
	if err := n.UnmarshalText([]byte(from.Value)); err != nil {
		return fmt.Errorf("line %d: %w", from.Line, err)
	}
	return nil
}

// Limits of what a policy may say of guesses.
const (
	fewestTries = 3
	mostTries   = 40
	mostAllowed = 1000
	longestBan  = 90 * 24 * time.Hour
)

// guessingKeys are those of Guessing.
var guessingKeys = []string{"mode", "tries", "window", "ban", "longest", "allow"}

// UnmarshalYAML takes a mode alone, too. A decoder that is strict is not strict here by itself.
func (g *Guessing) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&g.Mode)
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; !slices.Contains(guessingKeys, key.Value) {
			return fmt.Errorf("line %d: guessing has no key %q", key.Line, key.Value)
		}
	}
	type plain Guessing
	return n.Decode((*plain)(g))
}

// check gives the key that is wrong, "" for the whole, and why.
func (g *Guessing) check() (key string, err error) {
	switch w := g.filled(); {
	case w.Mode != Off && w.Mode != Alert && w.Mode != Block:
		return "mode", fmt.Errorf("guessing is %q; want off, alert or block", w.Mode)
	case w.Tries < fewestTries || w.Tries > mostTries:
		return "tries", fmt.Errorf("tries is %d; want %d to %d: people mistype", w.Tries, fewestTries, mostTries)
	case w.Window < 10*time.Second || w.Window > 24*time.Hour:
		return "window", fmt.Errorf("window is %s; want 10s to 24h", w.Window)
	case w.Ban < time.Minute || w.Ban > longestBan:
		return "ban", fmt.Errorf("ban is %s; want 1m to %s", w.Ban, longestBan)
	case w.Longest < w.Ban || w.Longest > longestBan:
		return "longest", fmt.Errorf("longest is %s; want at least the ban (%s) and at most %s", w.Longest, w.Ban, longestBan)
	case len(w.Allow) > mostAllowed:
		return "allow", fmt.Errorf("%d networks are allowed; want at most %d", len(w.Allow), mostAllowed)
	}
	for _, n := range g.Allow {
		if n.Bits() == 0 {
			return "allow", fmt.Errorf("%s is everybody: guessing: alert blocks nobody", n)
		}
	}
	return "", nil
}

// filled gives the usual values to what is not named.
func (g Guessing) filled() Guessing {
	if g.Mode == "" {
		g.Mode = Alert
	}
	if g.Tries == 0 {
		g.Tries = 10
	}
	if g.Window == 0 {
		g.Window = 10 * time.Minute
	}
	if g.Ban == 0 {
		g.Ban = time.Hour
	}
	if g.Longest == 0 {
		g.Longest = max(7*24*time.Hour, g.Ban)
	}
	return g
}

// Guesses says what is done about who guesses passwords at a time: in maintenance nobody is blocked, but all is told.
func (p *Policy) Guesses(now time.Time) Guessing {
	g := p.Guessing.filled()
	if g.Mode == Block && p.maintenance(now) != nil {
		g.Mode = Alert
	}
	return g
}

// String says in a few words what is done.
func (g Guessing) String() string {
	g = g.filled()
	out := string(g.Mode)
	if g.Mode == Off {
		return out
	}
	out += fmt.Sprintf(": %d tries in %s", g.Tries, g.Window)
	if g.Mode == Block {
		out += fmt.Sprintf(", blocked for %s at first and %s at most; %d networks allowed", g.Ban, g.Longest, len(g.Allow))
	}
	return out
}
