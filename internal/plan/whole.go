package plan

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// merged are the directories that hold the same files under two names on most hosts.
var merged = [][2]string{{"/bin/", "/usr/bin/"}, {"/sbin/", "/usr/sbin/"}, {"/lib/", "/usr/lib/"}, {"/lib64/", "/usr/lib64/"}, {"/lib32/", "/usr/lib32/"},
	{"/var/run/", "/run/"}, {"/var/lock/", "/run/lock/"}, {"/usr/sbin/", "/usr/bin/"}}

// names lists a path and the other names it may go by.
func names(name string) []string {
	out := []string{path.Clean(name)}
	for i := 0; i < len(out) && i < 8; i++ {
		for _, m := range merged {
			for _, way := range [][2]string{m, {m[1], m[0]}} {
				rest, ok := strings.CutPrefix(out[i], way[0])
				if other := way[1] + rest; ok && !slices.Contains(out, other) {
					out = append(out, other)
				}
			}
		}
	}
	return out
}

// holds says why a thing must not be moved as a whole: a place of the system, a home, or something that has in it what must stay.
func (g *guard) holds(clean string) string {
	all := names(clean)
	in := func(list []string) bool {
		return slices.ContainsFunc(all, func(n string) bool { return slices.Contains(list, n) })
	}
	around := func(name string) bool {
		return slices.ContainsFunc(names(name), func(n string) bool {
			return slices.ContainsFunc(all, func(d string) bool { return strings.HasPrefix(n, d+"/") })
		})
	}
	switch {
	case clean == "/" || in(deminer.SystemDirs()) || in(data):
		return "it is a directory of the system, with files of others in it"
	case slices.ContainsFunc(keep, around) || slices.ContainsFunc(data, around) || slices.ContainsFunc(deminer.SystemDirs(), around):
		return "it has in it what a host does not work without"
	}
	for _, a := range g.accounts {
		if home := path.Clean(a.Home); (slices.Contains(all, home) || around(home)) && !g.evicted(a) && home != "/" && !strings.HasPrefix(home, "/nonexistent") {
			return "it is, or holds, the home of account " + deminer.Safe(a.Name)
		}
	}
	for name, own := range g.trusted {
		if (own.State == deminer.Intact || own.State == deminer.Modified || own.State == deminer.Owned) && around(name) {
			return "it holds files of package " + deminer.Safe(own.Package)
		}
	}
	for _, p := range g.procs {
		if p.Exe != "" && !p.Deleted && p.Container == "" && !g.accused[p.ID] && around(p.Exe) {
			return "a program that is not accused runs from it: " + deminer.Safe(p.Exe)
		}
	}
	return ""
}

// evicted reports whether the account itself is convicted, so that its home is not an owner's. Whoever shares the home keeps it.
func (g *guard) evicted(a deminer.Account) bool {
	return g.out[a.Name] && a.UID >= 1000 && !slices.ContainsFunc(g.accounts, func(b deminer.Account) bool { return b.Home == a.Home && !g.out[b.Name] })
}
