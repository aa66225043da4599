package persist

import (
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// powerful are the groups whose members are root, or can become root without a password of their own.
func powerful() []string {
	return []string{"root", "sudo", "wheel", "admin", "docker", "lxd", "incus", "incus-admin", "lxc", "libvirt", "disk", "shadow", "adm", "podman", "microk8s", "kvm", "staff", "sys"}
}

// groupLine is one line of group: "name:password:gid:member,member".
type groupLine struct {
	line    Line
	name    string
	members []string
}

func groupLines(l *Lister, file string) []groupLine {
	var out []groupLine
	for _, line := range l.Lines(file) {
		f := strings.Split(line.Text, ":")
		if len(f) != 4 || f[3] == "" {
			continue
		}
		out = append(out, groupLine{line, f[0], strings.Split(f[3], ",")})
	}
	return out
}

// privileged gives the powerful groups each account is listed in.
func privileged(l *Lister) map[string][]string {
	out := map[string][]string{}
	for _, g := range groupLines(l, "/etc/group") {
		for _, m := range g.members {
			if slices.Contains(powerful(), g.name) && !slices.Contains(out[m], g.name) {
				out[m] = append(out[m], g.name)
			}
		}
	}
	return out
}

// listGroups lists who is in the groups that are as good as root; removal takes the one member out of the line.
func listGroups(l *Lister) {
	hidden := map[string]groupLine{}
	for _, g := range groupLines(l, "/etc/gshadow") {
		hidden[g.name] = g
	}
	known := names(l.Lines("/etc/passwd"))
	for _, g := range groupLines(l, "/etc/group") {
		if !slices.Contains(powerful(), g.name) {
			continue
		}
		for i, m := range g.members[:l.share("/etc/group", g.line.Text, len(g.members))] {
			if m == "" || slices.Index(g.members, m) != i {
				continue
			}
			f := deminer.Foothold{Path: "/etc/group", Line: deminer.Raw(g.line.Text), LineNo: g.line.No, Part: m, Name: g.name + ": " + m, User: m,
				Trigger: m + " has the rights of group " + g.name, Targets: []string{}, Odd: oddLine(g.line.Text)}
			if len(known) > 0 && !slices.Contains(known, m) {
				f.Odd = append(f.Odd, "no account of this name in passwd")
			}
			f.Remove = []deminer.Action{l.Edit("/etc/group", g.line.Text, without(g.line.Text, m), g.line.No)}
			if s, ok := hidden[g.name]; ok && slices.Contains(s.members, m) {
				f.Remove = append(f.Remove, l.Edit("/etc/gshadow", s.line.Text, without(s.line.Text, m), s.line.No))
			}
			l.Add(f)
		}
	}
}

// without takes a member out of a group or gshadow line.
func without(line, member string) string {
	i := strings.LastIndexByte(line, ':') + 1
	members := slices.DeleteFunc(strings.Split(line[i:], ","), func(m string) bool { return m == member })
	return line[:i] + strings.Join(members, ",")
}
