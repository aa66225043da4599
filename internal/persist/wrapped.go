package persist

import (
	"context"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// adminTools are the programs an admin looks with, which intruders replace, wrap or rename. All are ELF files in every
// distribution, or links to one.
func adminTools() []string {
	return []string{"ps", "top", "htop", "netstat", "ss", "lsof", "ls", "find", "crontab", "kill", "pkill", "pgrep", "killall", "pidof", "pstree",
		"chattr", "lsattr", "wget", "curl", "rm", "mv", "cp", "cat", "grep", "stat", "df", "du", "w", "who", "last", "lastlog", "uptime", "free", "vmstat",
		"dmesg", "lsmod", "rmmod", "insmod", "modprobe", "ip", "ifconfig", "iptables", "nft", "tcpdump", "strace", "md5sum", "sha256sum", "systemctl",
		"journalctl", "ssh", "sshd", "scp", "su", "sudo", "passwd", "login", "mount", "umount", "readlink", "dir", "vdir", "unhide", "watch", "nohup"}
}

// listWrapped lists scripts and copies that stand in the way of an admin's tools, and the originals that were moved aside.
func listWrapped(l *Lister) {
	dirs := toolDirs(l)
	missing := missingTools(l)
	for i, d := range dirs {
		have := map[string]bool{}
		for _, e := range l.Dir(d) {
			have[e.Name] = e.Type == deminer.Regular || e.Type == deminer.Symlink
		}
		for _, tool := range adminTools() {
			name := path.Join(d, tool)
			switch {
			case have[tool] && isScript(l, name):
				listScript(l, name, keptOriginal(l, d, tool, have))
			case have[tool] && later(l, dirs[i+1:], tool) != "" && l.Real(name) != l.Real(later(l, dirs[i+1:], tool)):
				l.Add(deminer.Foothold{Path: deminer.Raw(name), Name: tool, Trigger: "somebody calls " + tool, Targets: []string{name},
					Odd: []string{"found before " + later(l, dirs[i+1:], tool) + " in the search path"}})
			}
		}
		listRenamed(l, d, have, missing)
	}
}

// toolDirs are the directories of programs in PATH order, each real directory once; those of people come first, as in their PATH.
func toolDirs(l *Lister) []string {
	var all, out []string
	for _, h := range l.Homes {
		all = append(all, path.Join(h.Dir, ".local/bin"), path.Join(h.Dir, "bin"), path.Join(h.Dir, ".bin"))
	}
	all = append(all, "/bin/.local/bin", "/usr/bin/.local/bin")
	for _, d := range append(all, binDirs()...) {
		if real := l.Real(d); l.IsDir(d) && !slices.Contains(out, real) {
			out = append(out, real)
		}
	}
	return out
}

// later finds the tool in a directory of the system that comes later in PATH.
func later(l *Lister, dirs []string, tool string) string {
	for _, d := range dirs {
		if name := path.Join(d, tool); (strings.HasPrefix(d, "/usr/bin") || strings.HasPrefix(d, "/usr/sbin") || d == "/bin" || d == "/sbin") && l.Exists(name) {
			return name
		}
	}
	return ""
}

// isScript reports whether the file itself, not what a link leads to, begins with "#!".
func isScript(l *Lister, name string) bool {
	return !l.IsLink(name) && head(l, name, 2) == "#!"
}

// head gives the first n bytes of a file, or fewer.
func head(l *Lister, name string, n int64) string {
	f, err := l.Host.FS.Open(name)
	if err != nil {
		l.Fail(name, err)
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, n))
	if err != nil {
		l.Fail(name, err)
	}
	return string(b)
}

// asides are the names under which wrappers keep the original.
func asides(tool string) []string {
	return []string{tool + ".original", tool + ".orig", tool + ".org", tool + ".real", tool + ".bak", tool + ".old", "." + tool, tool + "_", tool + ".lanigiro", tool + ".distrib"}
}

// keptOriginal finds the original of a wrapped tool, or "".
func keptOriginal(l *Lister, dir, tool string, have map[string]bool) string {
	for _, n := range asides(tool) {
		if name := path.Join(dir, n); have[n] && head(l, name, 4) == "\x7fELF" {
			return name
		}
	}
	return ""
}

// listScript lists a script in place of a program, unless a package brought it just so.
func listScript(l *Lister, name, original string) {
	if l.Host.Packages != nil && l.Host.Packages.Check(l.ctx, name).Trusted() {
		return
	}
	text, _ := l.Read(name)
	f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), Trigger: "somebody calls " + path.Base(name),
		Odd: []string{"a script stands where a program is expected"}, Targets: l.Targets(text, "")}
	if original != "" {
		f.Odd = append(f.Odd, "the program was kept as "+original)
		f.Remove = []deminer.Action{drop(name), rename(original, name)}
	} else if own := l.owner(name); own.Package != "" {
		f.Remove = []deminer.Action{restore(name, own)}
	}
	l.Add(f)
}

// owner says which package lists the path; the zero value where that cannot be told.
func (l *Lister) owner(name string) deminer.Provenance {
	if l.Host.Packages == nil {
		return deminer.Provenance{}
	}
	return l.Host.Packages.Owner(name)
}

// missingTools are the tools that a package lists but that are not there, at their places in the file system.
func missingTools(l *Lister) []string {
	var out []string
	if l.Host.Packages == nil {
		return nil
	}
	for _, dir := range binDirs() {
		if !l.IsDir(dir) {
			continue
		}
		real := l.Real(dir)
		for _, tool := range adminTools() {
			name := path.Join(real, tool)
			if owned, _ := l.Owned(name); owned && !l.Exists(name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// listRenamed lists programs no package owns whose content is that of a missing tool: the tool under another name.
func listRenamed(l *Lister, dir string, have map[string]bool, missing []string) {
	if len(missing) == 0 {
		return
	}
	for _, base := range sorted(have) {
		name := path.Join(dir, base)
		if owned, known := l.Owned(name); owned || !known || l.IsLink(name) || head(l, name, 4) != "\x7fELF" {
			continue
		}
		for _, tool := range missing {
			if !sameAsPackaged(l.ctx, l, name, tool) {
				continue
			}
			l.Add(deminer.Foothold{Path: deminer.Raw(name), Name: base, Trigger: "never by itself: hides " + path.Base(tool) + " from the admin",
				Targets: []string{}, Odd: []string{"it is the packaged " + tool + ", which is missing"}, Remove: []deminer.Action{rename(name, tool)}})
		}
	}
}

// sameAsPackaged reports whether the content of name is the packaged content of tool.
func sameAsPackaged(ctx context.Context, l *Lister, name, tool string) bool {
	f, err := l.Host.FS.Open(name)
	if err != nil || ctx.Err() != nil {
		return false
	}
	defer f.Close()
	return l.Host.Packages.CheckContent(tool, io.LimitReader(f, maxProgram)).State == deminer.Intact
}

// maxProgram bounds the reading of a program that may be a renamed tool; bytes.
const maxProgram = 64 << 20

func sorted(set map[string]bool) []string {
	var out []string
	for name, ok := range set {
		if ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// rename moves a file back to where it belongs.
func rename(from, to string) deminer.Action {
	return deminer.Action{Verb: deminer.VerbRename, Target: deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(from)},
		Args: map[string]deminer.Raw{"to": deminer.Raw(to)}}
}

// restore puts the packaged content back.
func restore(name string, own deminer.Provenance) deminer.Action {
	return deminer.Action{Verb: deminer.VerbRestore, Target: deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(name)},
		Args: map[string]deminer.Raw{"package": deminer.Raw(own.Package), "version": deminer.Raw(own.Version)}}
}
