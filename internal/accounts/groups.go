package accounts

import (
	"slices"
	"strconv"
	"strings"
)

// maxMembers bounds what all groups together may list.
const maxMembers = 1_000_000

type groups struct {
	byID    map[uint32]string
	members map[string][]string // account -> groups
	count   int
}

func newGroups() *groups {
	return &groups{byID: map[uint32]string{}, members: map[string][]string{}}
}

// parse reads group(5): name:password:gid:member,member.
func (g *groups) parse(text []byte) (bad []int) {
	for n, line := range lines(text) {
		f := strings.Split(line, ":")
		if len(f) != 4 || f[0] == "" {
			bad = append(bad, n)
			continue
		}
		id, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			bad = append(bad, n)
			continue
		}
		if _, ok := g.byID[uint32(id)]; !ok {
			g.byID[uint32(id)] = f[0]
		}
		g.add(f[0], f[3])
	}
	return bad
}

// parseShadow reads gshadow(5): name:password:administrators:members. Its members count only together with group's,
// but a member that is named only here is still worth seeing.
func (g *groups) parseShadow(text []byte) (bad []int) {
	for n, line := range lines(text) {
		f := strings.Split(line, ":")
		if len(f) != 4 || f[0] == "" {
			bad = append(bad, n)
			continue
		}
		g.add(f[0], f[2])
		g.add(f[0], f[3])
	}
	return bad
}

func (g *groups) add(group, list string) {
	for m := range strings.SplitSeq(list, ",") {
		m = strings.TrimSpace(m)
		if m == "" || g.count >= maxMembers || len(g.members[m]) >= 1000 || slices.Contains(g.members[m], group) {
			continue
		}
		g.count++
		g.members[m] = append(g.members[m], group)
	}
}

// of gives the groups of an account, its primary group first.
func (g *groups) of(name string, gid uint32) []string {
	var out []string
	if primary, ok := g.byID[gid]; ok {
		out = append(out, primary)
	}
	for _, m := range g.members[name] {
		if !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}
