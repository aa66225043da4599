// Package persist lists footholds: every configured way in which code, or a person, comes back to a host.
//
// It lists, it does not judge: most of what it lists is the owner's. Each persistence mechanism is one [Mechanism], a value
// in [All] with its own file and its own fixture, testdata/NAME.txtar. Each foothold carries the recipe that takes exactly
// this one away. Everything read is hostile text: sizes, counts and depths are bounded, and what is left out is a gap.
package persist

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// Mechanism is one way to come back, and how its footholds are listed.
type Mechanism struct {
	Name      string     // kebab-case; also the name of the fixture
	ID        string     // catalogue id: "PL-01"
	Technique string     // ATT&CK v19 id; a foothold may carry its own
	Doc       string     // one line: what is listed
	Needs     host.Facet // without it the mechanism is skipped, which is a gap
	List      func(*Lister)
}

// Env is what mechanisms are listed from.
type Env struct {
	Host     *host.Host
	Accounts []deminer.Account
	// Homes are the home directories to look into; nil means those of the accounts, /root, /home/* and /etc/skel.
	Homes []Home
	// NoSearch leaves out what has to be searched for in whole trees (set-id programs, repositories, copies of sshd,
	// module files): each mechanism that would search says so in a gap.
	NoSearch bool
}

// Home is a home directory and the user whose programs start from it; User is "" where no account has it.
type Home struct{ User, Dir string }

// List runs every mechanism of [All] and gives the footholds in the order of All, and what could not be looked at.
func List(ctx context.Context, env Env) ([]deminer.Foothold, []deminer.Gap) {
	return Run(ctx, env, All())
}

// Run is [List] with these mechanisms only.
func Run(ctx context.Context, env Env, mechanisms []Mechanism) ([]deminer.Foothold, []deminer.Gap) {
	var found []deminer.Foothold
	var gaps []deminer.Gap
	if env.Homes == nil {
		env.Homes = homes(env)
	}
	seen := map[string]deminer.Attr{}
	known := map[string]string{}
	var units *unitSet
	for _, m := range mechanisms {
		if !env.Host.Has(m.Needs) {
			gaps = append(gaps, deminer.Gap{Part: "persist/" + m.Name, State: deminer.Skipped, Why: "needs " + string(m.Needs)})
			continue
		}
		l := &Lister{Env: env, ctx: ctx, mech: m, attrs: seen, index: map[string]int{}, units: &units, known: known}
		l.list()
		found = append(found, l.found...)
		gaps = append(gaps, l.gaps...)
	}
	return found, gaps
}

// Named gives the mechanisms of these names, in the order of All.
func Named(names []string) []Mechanism {
	return slices.DeleteFunc(slices.Clone(All()), func(m Mechanism) bool { return !slices.Contains(names, m.Name) })
}

// list runs the mechanism. A panic in a parser is a fault of ours, but it must not blind the rest of the look.
func (l *Lister) list() {
	defer func() {
		if p := recover(); p != nil {
			l.gap(deminer.Failed, "", fmt.Sprintf("fault in the parser: %v", p))
		}
	}()
	l.mech.List(l)
}

// homes are the home directories of all accounts and those that lie about without an account.
func homes(env Env) []Home {
	var out []Home
	have := map[string]bool{"": true, "/": true}
	add := func(user, dir string) {
		if real, err := host.Resolve(env.Host.FS, dir); err == nil && !have[real] {
			have[real] = true
			out = append(out, Home{user, real})
		}
	}
	for _, a := range env.Accounts {
		if len(out) < maxHomes && strings.HasPrefix(a.Home, "/") {
			add(a.Name, a.Home)
		}
	}
	add("root", "/root")
	list, err := env.Host.FS.ReadDir("/home")
	if err == nil {
		for _, e := range list[:min(len(list), maxHomes)] {
			add("", "/home/"+e.Name)
		}
	}
	add("", "/etc/skel")
	return slices.DeleteFunc(out, func(h Home) bool { return !isDir(env.Host.FS, h.Dir) })
}

func isDir(fsys host.FS, name string) bool {
	a, err := fsys.Stat(name)
	return err == nil && a.IsDir()
}

// HomeOf gives the home directory of a user, or "".
func (e Env) HomeOf(user string) string {
	for _, a := range e.Accounts {
		if a.Name == user {
			return a.Home
		}
	}
	if user == "root" {
		return "/root"
	}
	return ""
}

// User names the account with this uid, or gives the number.
func (e Env) User(uid uint32) string {
	for _, a := range e.Accounts {
		if a.UID == uid {
			return a.Name
		}
	}
	if uid == 0 {
		return "root"
	}
	return fmt.Sprint(uid)
}
