package detect

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// shared is what is known of one line, unit or script that holds several commands.
type shared struct {
	*deminer.Shared
	bad []reason // by part: what its own text says against it; key "" where nothing does
	// What sides found last, and for how much of what was found, and one: every entry that starts a script asks again.
	worse   []int
	works   bool
	sidesAt int
}

// sharedBy gives what holds several commands under this ref, or nil.
func (p *Pass) sharedBy(ref string) *shared {
	if p.memo.shared == nil {
		p.memo.shared = map[string]*shared{}
		for i := range p.Snapshot.Shared {
			s := &p.Snapshot.Shared[i]
			p.memo.shared[s.Whole.Ref()] = &shared{Shared: s}
		}
	}
	return p.memo.shared[ref]
}

// against says what speaks against one command by itself, or a reason without a key.
func (p *Pass) against(s *shared, i int) reason {
	if s.bad == nil {
		s.bad = make([]reason, len(s.Parts))
		for j := range s.Parts {
			s.bad[j] = p.judgeCommand(&s.Parts[j])
		}
	}
	if s.bad[i].key != "" {
		return s.bad[i]
	}
	for _, t := range p.foreignTargets(&s.Parts[i]) {
		if p.provenFile(t) && p.sharedBy(file(t).Ref()) == nil {
			return reason{"proven-target", "it starts " + q(t) + ", which is proven to be the intruder's"}
		}
	}
	return reason{}
}

// provenFile reports whether a proof speaks of a file.
func (p *Pass) provenFile(name string) bool {
	m := p.memo
	for ; m.proofsAt < len(m.found); m.proofsAt++ {
		f := &m.found[m.proofsAt]
		if f.Tier == deminer.Proof && f.Subject.Kind == deminer.KindFile && f.Topic != deminer.TopicTamper && f.Topic != deminer.TopicDoor {
			m.proofs[string(f.Subject.Path)] = true
		}
	}
	return m.proofs[name]
}

// judgeCommand reads the text of one command.
func (p *Pass) judgeCommand(f *deminer.Foothold) reason {
	text := string(f.Command)
	if killsOnly(text) {
		return reason{}
	}
	if list := cradlesIn(text); len(list) > 0 {
		return list[0]
	}
	for _, t := range p.foreignTargets(f) {
		if pl := placeOf(t); pl.odd() && !strings.HasPrefix(f.Name, "Environment") {
			if a, err := p.FS.Stat(t); err == nil && a.IsRegular() && a.Size > 2 {
				return reason{"odd-target", "it starts " + q(t) + ", which lies " + pl.words() + " and which no package owns"}
			}
		}
	}
	if p.Rules == nil {
		return reason{}
	}
	if h, ok := strongest(p.Rules.Text(text)); ok && h.Strength >= match.Strong && h.Class != match.Data && h.Class != match.WebShell {
		return reason{"rule", deminer.Safe(h.What) + " (rule " + deminer.Safe(h.Rule) + ")"}
	}
	return reason{}
}

// mixed lists the commands in a shared thing that speak against themselves, where another one does work of its own, or the script
// is older than its last change: then that is the owner's, and only these are the intruder's. It is empty where all of it is one's
// or the other's.
func (p *Pass) mixed(s *shared) []int {
	if s == nil || placeOf(string(s.Whole.Path)).odd() {
		return nil
	}
	bad, works := p.sides(s)
	if !works && !(s.Whole.Kind == deminer.KindFile && aged(s.Parts[0].Attr) && len(s.Parts)-len(bad) > 0) {
		return nil
	}
	return bad
}

// sides lists the commands that speak against themselves, and tells whether one of the others does work of its own.
func (p *Pass) sides(s *shared) (bad []int, works bool) {
	at := len(p.memo.found) + 1
	if s.sidesAt == at {
		return s.worse, s.works
	}
	defer func() { s.worse, s.works, s.sidesAt = bad, works, at }()
	for i := range s.Parts {
		if p.against(s, i).key != "" {
			bad = append(bad, i)
		} else {
			works = works || p.works(s, i)
		}
	}
	return bad, works
}

// aged reports a file that was there for a day before it was last written to: whoever wrote last did not bring it.
func aged(a deminer.Attr) bool {
	return !a.Btime.IsZero() && a.Mtime.Sub(a.Btime) > 24*time.Hour
}

// works reports whether a command runs a program that is there, in a place where owners keep programs, and that nothing speaks
// against. A unit is worth what it is there to run.
func (p *Pass) works(s *shared, i int) bool {
	f := &s.Parts[i]
	if s.Whole.Kind == deminer.KindFile && strings.HasPrefix(f.Name, "Exec") && f.Name != "ExecStart" || strings.HasPrefix(f.Name, "Environment") {
		return false
	}
	for _, t := range f.Targets {
		a, err := p.FS.Stat(t)
		if err == nil && a.IsRegular() && a.Size > 2 && !placeOf(t).odd() && !p.accused(t) && !serving[path.Base(t)] {
			return true
		}
	}
	return !leading[f.Name] && !serving[f.Name] && (s.Whole.Kind == deminer.KindLine || !looking[f.Name]) && p.there(f.Name)
}

// there reports whether the system has a program of this name.
func (p *Pass) there(name string) bool {
	for _, dir := range []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"} {
		if a, err := p.FS.Stat(dir + "/" + name); name != "" && !strings.Contains(name, "/") && err == nil && a.IsRegular() {
			return true
		}
	}
	return false
}

// leading are commands by which an intruder's one line brings its program and starts it, or makes room for it.
var leading = set("cd", "wget", "curl", "chmod", "chown", "mkdir", "rm", "mv", "cp", "ln", "touch", "sleep", "export", "echo", "printf", "cat", "sh", "bash", "dash", "test", "[", "kill", "ps", "grep", "awk",
	"sed", "xargs", "setsid", "nice", "env", "timeout", "sudo", "su", "source", ".", "eval", "exec", "true", "false", "which", "id", "whoami", "uname", "mount", "umount", "dd", "tee", "tr")

// looking are commands with which droppers look around and cut words, and which say something only in a line of their own.
var looking = set("find", "ls", "head", "tail", "cut", "sort", "uniq", "wc", "date", "ip", "df", "du", "basename", "dirname", "seq", "pwd", "who", "w", "last", "stat", "readlink", "tput", "clear",
	"getconf", "lsb_release", "arch", "ifconfig", "route", "hostnamectl", "dmesg", "lsmod", "ldconfig", "md5sum", "sha256sum", "od", "xxd", "hexdump", "strings", "file", "diff", "cmp", "expr", "bc", "yes")

// serving are programs that a dropper calls as often as an owner's script: that one of them is called does not tell whose it is.
var serving = set("crontab", "systemctl", "service", "iptables", "ip6tables", "nft", "ufw", "firewall-cmd", "setenforce", "sysctl", "modprobe", "insmod", "rmmod", "chattr", "lsattr", "useradd",
	"usermod", "passwd", "chpasswd", "userdel", "apt", "apt-get", "yum", "dnf", "apk", "dpkg", "rpm", "docker", "pkill", "killall", "pgrep", "pidof", "netstat", "ss", "lsof", "nproc", "hostname",
	"tar", "unzip", "gcc", "make", "cmake", "perl", "python3", "base64", "openssl", "lscpu", "free", "nohup", "screen", "tmux", "at", "update-rc.d", "chkconfig", "wrmsr", "dos2unix")

// narrow moves a finding about a thing that an owner and an intruder wrote together to the intruder's commands in it, so that the
// rest stays. A finding about an entry for what a script that it starts holds moves into the script.
func (p *Pass) narrow(f deminer.Finding) []deminer.Finding {
	if f.Tier != deminer.Strong && f.Tier != deminer.Proof || f.Subject.Kind != deminer.KindFile && f.Subject.Kind != deminer.KindLine || f.Topic == deminer.TopicDoor {
		return []deminer.Finding{f}
	}
	s := p.sharedBy(f.Subject.Ref())
	bad := p.mixed(s)
	for i := 0; i < len(f.Also) && len(bad) == 0; i++ {
		if a := f.Also[i]; a.Kind == deminer.KindFile && a.Ref() != f.Subject.Ref() && (s == nil || !p.anyBad(s)) {
			s = p.sharedBy(a.Ref())
			bad = p.mixed(s)
		}
	}
	if len(bad) == 0 {
		return []deminer.Finding{f}
	}
	var out []deminer.Finding
	for _, i := range p.meant(f, s, bad) {
		if key := toldAs(f, &s.Parts[i]); !p.memo.told[key] {
			p.memo.told[key] = true
			out = append(out, p.aboutPart(f, s, i))
		}
	}
	return out
}

// meant lists the commands that a finding speaks of, out of those that speak against themselves: those whose own reason it
// gives, or else those that hold one of its indicators, or else those that start what it names. What was found of one says
// nothing of the others; a finding that singles out none, like one about the form of the whole line, is about all of them.
func (p *Pass) meant(f deminer.Finding, s *shared, bad []int) []int {
	var given, holding, starting []int
	for _, i := range bad {
		r, part := p.against(s, i), &s.Parts[i]
		if slices.ContainsFunc(f.Why, func(w string) bool { return strings.Contains(w, r.text) }) {
			given = append(given, i)
		}
		text := string(part.Command) + "\n" + r.text
		if slices.ContainsFunc(f.Indicators, func(x deminer.Indicator) bool { return x.Value != "" && strings.Contains(text, x.Value) }) {
			holding = append(holding, i)
		}
		if slices.ContainsFunc(f.Also, func(a deminer.Artifact) bool { return slices.Contains(part.Targets, string(a.Path)) }) {
			starting = append(starting, i)
		}
	}
	for _, list := range [][]int{given, holding, starting} {
		if len(list) > 0 {
			return list
		}
	}
	return bad
}

// toldAs names what a finding adds about a command. A script may be started by thousands of entries, and each leads to all of its
// commands.
func toldAs(f deminer.Finding, part *deminer.Foothold) string {
	key := fmt.Sprintf("%s|%s|%s|%s|%s", f.Detector, f.Tier, f.Class, f.Topic, part.Artifact().Ref())
	for _, i := range f.Indicators {
		key += "|" + i.Kind + "|" + string(i.Value)
	}
	return key
}

func (p *Pass) anyBad(s *shared) bool {
	bad, _ := p.sides(s)
	return len(bad) > 0
}

// aboutPart is a finding about one command instead of all that it stands among.
func (p *Pass) aboutPart(f deminer.Finding, s *shared, i int) deminer.Finding {
	part := &s.Parts[i]
	g := f
	g.Subject, g.Remove, g.Time = part.Artifact(), part.Remove, part.Attr.Mtime
	g.Also = nil
	for _, t := range p.foreignTargets(part) {
		g.Also = append(g.Also, file(t))
	}
	g.Why = append([]string{"of " + where(part) + " this is the intruder's: " + q(string(part.Command)) + ": " + p.against(s, i).text}, f.Why...)
	g.Why = append(g.Why, "the other commands there do work that nothing speaks against: they stay, byte for byte")
	if len(part.Remove) == 0 {
		g.Fix = "Take this command out by hand: it stands among others in a way that deminer cannot undo exactly."
	}
	return g
}

// sharedEntry speaks of the intruder's commands that stand among the owner's, wherever no other detector did.
func sharedEntry(_ context.Context, p *Pass) error {
	for i := range p.Snapshot.Shared {
		s := p.sharedBy(p.Snapshot.Shared[i].Whole.Ref())
		p.wholeLine(s)
		for _, at := range p.mixed(s) {
			part := &s.Parts[at]
			if p.speaksOf(part.Artifact()) {
				continue
			}
			r := p.against(s, at)
			g := about(part, deminer.Strong, deminer.ByPersist, "a command that is not the owner's stands in "+where(part), q(string(part.Command))+": "+r.text)
			g.Remove, g.Indicators = part.Remove, urls(r.text)
			g.Cleared = []string{"an owner's own job: the other commands there are, and stay"}
			if r.key == "proven-target" {
				g.Class = deminer.ByContent
			}
			p.Report(p.settle(g))
			if title, ok := p.namesBad(string(part.Command)); ok {
				h := g
				h.Class, h.Title = deminer.ByNetwork, deminer.Safe(part.Path)+" fetches from the intruder's address"
				h.Why = []string{"it names the address of: " + title}
				p.Report(h)
			}
		}
	}
	return nil
}

// wholeLine speaks of a line of several commands that starts a proven program and does no other work.
func (p *Pass) wholeLine(s *shared) {
	bad, works := p.sides(s)
	if works || s.Whole.Kind != deminer.KindLine || p.speaksOf(s.Whole) {
		return
	}
	for _, i := range bad {
		if r := p.against(s, i); r.key == "proven-target" {
			f := s.Parts[0]
			f.Part, f.Name, f.Command = "", s.Whole.Name, deminer.Raw(strings.TrimSpace(string(f.Line)))
			g := about(&f, deminer.Proof, deminer.ByContent, "an entry in "+where(&f)+" brings and starts a proven program, and does nothing else", r.text)
			g.Subject = s.Whole
			p.Report(g)
			return
		}
	}
}

// namesBad says whose address a text names.
func (p *Pass) namesBad(text string) (string, bool) {
	bad := p.badAddresses()
	for _, addr := range sortedKeys(bad) {
		if addr != "" && strings.Contains(text, addr) {
			return bad[addr], true
		}
	}
	return "", false
}
