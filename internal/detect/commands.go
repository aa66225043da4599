package detect

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// watched are the commands an admin looks with or cleans with; intruders replace, wrap, rename or break them.
var watched = []string{"ps", "top", "htop", "ls", "netstat", "ss", "lsof", "find", "chattr", "lsattr", "kill", "pkill", "killall", "crontab",
	"ldd", "wget", "curl", "rm", "mount", "strace", "who", "w", "last", "passwd", "systemctl", "grep", "dmesg", "pgrep", "lsmod", "stat", "id", "bash", "ip", "iptables"}

// kept are the names under which an intruder keeps the command he replaced.
func kept(name string) []string {
	return []string{name + ".original", name + ".orig", name + ".org", name + ".lanigiro", name + ".bak", name + ".old", "." + name, name + "_", name + ".real", "." + name + ".org", name + ".dpkg", name + "1", name + ".save"}
}

// replacedCommand speaks of system commands that are not what their package brought.
func replacedCommand(ctx context.Context, p *Pass) error {
	done := map[string]bool{}
	for _, dir := range p.commandDirs() {
		for _, name := range watched {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			full := path.Join(dir, name)
			real, err := host.Resolve(p.FS, full)
			if err != nil {
				p.renamed(dir, name, err)
				continue
			}
			if done[real] {
				continue
			}
			done[real] = true
			p.command(ctx, name, real)
		}
	}
	p.toolCopies()
	return nil
}

// commandDirs are the directories of the system's commands, each once: /bin and /sbin may be links into /usr.
func (p *Pass) commandDirs() []string {
	out := []string{"/usr/bin", "/usr/sbin"}
	for _, dir := range []string{"/bin", "/sbin"} {
		if a, err := p.FS.Lstat(dir); err == nil && a.IsDir() {
			out = append(out, dir)
		}
	}
	return out
}

// aliases are the names under which intruders keep copies of the downloader and of chattr for themselves.
var aliases = map[string]string{"cd1": "curl", "wd1": "wget", "cdt": "curl", "wdt": "wget", "cdz": "curl", "wdz": "wget", "cur": "curl", "wge": "wget", "curl1": "curl", "wget1": "wget", "cd2": "curl", "wd2": "wget",
	"TNTcurl": "curl", "TNTwget": "wget", "tntcurl": "curl", "tntwget": "wget", "tntrecht": "chattr", "TNTrecht": "chattr", "lockr": "chattr", "ttcurl": "curl", "zget": "wget", "url": "curl", "get": "wget", "xget": "wget", "xcurl": "curl", "chattr1": "chattr", "ca": "chattr"}

// toolCopies speaks of copies of packaged tools under such names whose originals are still there.
func (p *Pass) toolCopies() {
	if p.Packages == nil {
		return
	}
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/local/bin"} {
		for _, alias := range sortedKeys(aliases) {
			name, real := path.Join(dir, alias), path.Join("/usr/bin", aliases[alias])
			a, err := p.FS.Lstat(name)
			if err != nil || dir == "/bin" && p.usrMerged() || !host.Exists(p.FS, real) || !p.sameAsPackaged(name, real) {
				continue
			}
			p.Report(deminer.Finding{
				Topic: deminer.TopicTamper, Tier: deminer.Proof, Class: deminer.ByTamper, Technique: "T1036.003", Catalogue: "DE-19",
				Title:   q(name) + " is a copy of " + real + " under a name intruders use",
				Why:     []string{"its content is exactly what the package brought as " + q(real)},
				Subject: file(name), Time: born(a),
			})
		}
	}
}

// usrMerged reports whether /bin is a link to /usr/bin.
func (p *Pass) usrMerged() bool {
	a, err := p.FS.Lstat("/bin")
	return err == nil && a.Type == deminer.Symlink
}

func (p *Pass) command(ctx context.Context, name, real string) {
	a, err := p.FS.Stat(real)
	if err != nil || !a.IsRegular() || p.Packages == nil {
		return
	}
	own := p.Packages.Check(ctx, real)
	if own.State == deminer.Unowned {
		p.standIn(real, a)
		return
	}
	if own.State != deminer.Modified {
		return
	}
	f := deminer.Finding{
		Topic: deminer.TopicTamper, Tier: deminer.Strong, Class: deminer.ByTamper, Technique: "T1554", Catalogue: "PL-30",
		Title:   "the system command " + q(real) + " is not the packaged one",
		Why:     []string{q(real) + ": " + own.String()},
		Subject: file(real), Time: a.Mtime,
	}
	switch body := p.script(real); {
	case strings.HasPrefix(body, "#!"):
		p.judgeWrapper(&f, body)
	case a.Size == 0 || a.Mode&0o111 == 0:
		f.Why = append(f.Why, fmt.Sprintf("it was made useless: %d bytes, mode %04o", a.Size, a.Mode))
	default:
		f.Distrust = "the program " + real + " was replaced"
	}
	if k := p.keptCopy(real); k != "" {
		f.Why = append(f.Why, "the packaged content lies beside it as "+q(k))
		if strings.HasPrefix(path.Base(k), ".") {
			f.Tier, f.Why = deminer.Proof, append(f.Why, "the packaged command was put out of sight")
		}
		f.Also = []deminer.Artifact{file(k)}
		f.Remove = []deminer.Action{
			{Verb: deminer.VerbQuarantine, Target: file(real), Phase: deminer.PhaseRepair},
			{Verb: deminer.VerbRename, Target: file(k), Args: map[string]deminer.Raw{"to": deminer.Raw(real)}, Phase: deminer.PhaseRepair},
		}
	} else {
		f.Remove = []deminer.Action{{Verb: deminer.VerbRestore, Target: file(real), Args: map[string]deminer.Raw{"package": deminer.Raw(own.Package), "version": deminer.Raw(own.Version)}}}
	}
	if to := p.divertedTo(real); to != "" {
		f.Cleared = append(f.Cleared, "dpkg-divert moved the packaged command to "+q(to)+", which its owner does on purpose")
		if f.Tier == deminer.Strong {
			f.Tier = deminer.Weak
		}
	}
	p.Report(p.settle(f))
}

// keptCopy finds the packaged content of a command under another name in its directory.
func (p *Pass) keptCopy(real string) string {
	dir, name := path.Split(real)
	for _, k := range kept(name) {
		if p.sameAsPackaged(dir+k, real) {
			return dir + k
		}
	}
	return ""
}

// sameAsPackaged reports whether the file at name holds what the package brought for real.
func (p *Pass) sameAsPackaged(name, real string) bool {
	if a, err := p.FS.Lstat(name); err != nil || !a.IsRegular() || a.Size == 0 {
		return false
	}
	f, err := p.FS.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	return p.Packages.CheckContent(real, f).State == deminer.Intact && !packaged(p.owner(name))
}

// renamed speaks of packaged commands that are gone and whose content lies in the same directory under another name.
func (p *Pass) renamed(dir, name string, err error) {
	full := path.Join(dir, name)
	if !missing(err) || p.Packages == nil || p.Packages.Owner(full).State != deminer.Owned {
		return
	}
	list, err := p.FS.ReadDir(dir)
	if err != nil || len(list) > 20000 {
		return
	}
	f := deminer.Finding{
		Topic: deminer.TopicTamper, Tier: deminer.Weak, Class: deminer.ByTamper, Technique: "T1036.003", Catalogue: "DE-19",
		Title:   "the packaged command " + q(full) + " is gone",
		Why:     []string{p.Packages.Owner(full).String() + ", but there is no such file"},
		Subject: file(full),
		Remove:  []deminer.Action{{Verb: deminer.VerbRestore, Target: file(full), Args: map[string]deminer.Raw{"package": deminer.Raw(p.Packages.Owner(full).Package)}}},
	}
	for _, e := range list {
		other := path.Join(dir, e.Name)
		if e.Type != deminer.Regular || p.owner(other).State != deminer.Unowned || !p.sameAsPackaged(other, full) {
			continue
		}
		if p.proven() != "" {
			f.Tier = deminer.Strong
		}
		f.Title = "the command " + q(name) + " was renamed to " + q(e.Name)
		f.Why = append(f.Why, q(other)+" holds exactly what the package brought as "+q(full))
		if f.Cleared = []string{"hardening: an owner takes downloaders away like this; ask him"}; aliases[e.Name] != "" || strings.HasPrefix(e.Name, ".") {
			f.Tier, f.Cleared = deminer.Proof, nil
			f.Why = append(f.Why, "intruders rename it like this, to keep it for themselves")
		}
		f.Subject, f.Also = file(other), nil
		f.Remove = []deminer.Action{{Verb: deminer.VerbRename, Target: file(other), Args: map[string]deminer.Raw{"to": deminer.Raw(full)}}}
		break
	}
	p.Report(p.settle(f))
}

// shadowed speaks of commands put where a shell finds them before the real ones, in order to filter what those show.
func shadowed(_ context.Context, p *Pass) error {
	dirs := []string{"/usr/local/bin", "/usr/local/sbin", "/bin/.local/bin", "/usr/bin/.local/bin", "/opt/bin"}
	for _, h := range p.homes() {
		dirs = append(dirs, h+"/bin", h+"/.local/bin")
	}
	for _, dir := range dirs {
		list, err := p.FS.ReadDir(dir)
		if err != nil || len(list) > 5000 {
			continue
		}
		var names []string
		for _, e := range list {
			if inList(watched, e.Name) && e.Type == deminer.Regular && !packaged(p.owner(path.Join(dir, e.Name))) {
				names = append(names, e.Name)
			}
		}
		for _, n := range names {
			p.shadow(path.Join(dir, n), n, len(names))
		}
	}
	return nil
}

func (p *Pass) shadow(full, name string, siblings int) {
	a, err := p.FS.Stat(full)
	if err != nil || !a.Executable() {
		return
	}
	f := deminer.Finding{
		Topic: deminer.TopicTamper, Tier: deminer.Weak, Class: deminer.ByTamper, Technique: "T1574.007", Catalogue: "PL-30",
		Title:   q(full) + " comes before the system's " + q(name),
		Why:     []string{"a shell that looks there first runs it instead of the packaged command"},
		Cleared: []string{"an owner's newer version or helper: it does not filter what the real command shows"},
		Subject: file(full), Time: a.Mtime,
	}
	body := p.script(full)
	switch {
	case placeOf(full).hidden != "" || siblings >= 4 && body == "" && (under(full, "/root") || strings.Contains(full, "/.local/bin/")):
		f.Tier, f.Cleared = deminer.Strong, nil
		f.Why = append(f.Why, fmt.Sprintf("%d such commands lie in that directory", siblings))
	}
	if w := p.wrapper(body); w.hides != "" || w.runs != "" {
		f.Tier, f.Cleared = deminer.Proof, nil
		f.Why = append(f.Why, w.words()...)
	} else if w.filters != "" || w.odd != "" {
		f.Tier, f.Cleared = deminer.Strong, nil
		f.Why = append(f.Why, w.words()...)
	}
	f = p.settle(f)
	p.Report(f)
	if f.Tier == deminer.Proof {
		p.putsFirst(path.Dir(full), full)
	}
}

// putsFirst speaks of lines that put the directory of such a command before those of the system.
func (p *Pass) putsFirst(dir, command string) {
	for _, f := range p.footholds() {
		first, err := host.Resolve(p.FS, pathPrefix(string(f.Line)))
		if err != nil || first != dir {
			continue
		}
		g := about(f, deminer.Strong, deminer.ByTamper, "an entry in "+where(f)+" puts an intruder's commands before the system's", "they lie in "+q(dir)+": "+q(command))
		g.Technique = "T1574.007"
		p.Report(g)
	}
}

// homes lists the home directories of the accounts, /root first, each once, at most 2000.
func (p *Pass) homes() []string {
	out := []string{"/root"}
	seen := map[string]bool{"/root": true, "/": true, "": true, "/nonexistent": true}
	for i := range p.Snapshot.Accounts {
		if h := path.Clean(p.Snapshot.Accounts[i].Home); !seen[h] && strings.HasPrefix(h, "/") && len(out) < 2000 && !underSystem(h) {
			seen[h] = true
			out = append(out, h)
		}
	}
	return out
}

// underSystem reports directories that some accounts have as home though they are the system's.
func underSystem(h string) bool {
	switch h {
	case "/bin", "/sbin", "/usr", "/usr/bin", "/usr/sbin", "/dev", "/etc", "/run", "/var", "/proc", "/sys", "/var/run", "/boot", "/lib", "/tmp", "/opt", "/home", "/srv":
		return true
	}
	return underAny(h, "/proc", "/sys", "/dev", "/run", "/usr/sbin", "/usr/bin")
}

func inList(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
