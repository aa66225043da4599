package detect

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/deminer/deminer"
)

// kthreadName matches what kernel threads are called, with or without brackets.
var kthreadName = regexp.MustCompile(`^\[?(kworker/[0-9u].*|kworker|ksoftirqd(/\d+)?|kswapd\d*|kthreadd|kthrot\w*|migration(/\d+)?|rcu_\w+|rcuo\w+/\d+|rcub/\d+|watchdog(/\d+|d)|khugepaged|kcompactd\d*|kdevtmpfs|kblockd|ksmd|kauditd|khungtaskd|oom_reaper|writeback|jbd2/\S+|xfs[-_]\S+|scsi_eh_\d+|cpuhp/\d+|idle_inject/\d+|kcache\S*|kpsmoused|netns|irq/\d+\S*|bioset|crypto|md\d*_raid\d+|nfsd\d*|ext4-\S+|kintegrityd|events/\d+|pdflush|mm_percpu_wq|devfreq_wq|loop\d+|card\d+-crtc\d+)\]?$`)

// fakeKthread speaks of user programs that call themselves like kernel threads. A true one has the kernel's own flag, no
// program and no memory; a name in brackets alone is only a hint, with CPU time or a connection it is proof.
func fakeKthread(_ context.Context, p *Pass) error {
	for _, pr := range p.subjects() {
		name, how := kthreadClaim(pr)
		if name == "" || packaged(pr.Own) && !deminer.RunsScripts(pr.Name()) || pr.Exe == "" && len(pr.Argv) == 0 {
			continue
		}
		f := deminer.Finding{
			Topic: deminer.TopicMining, Tier: deminer.Strong, Class: deminer.ByHiding, Technique: "T1036.011", Catalogue: "DE-04",
			Title: called(pr) + " pretends to be a kernel thread",
			Why: []string{
				how + " is " + q(name) + ", the name of a kernel thread",
				fmt.Sprintf("yet it is a user program: it runs %s, its parent is %d, the kernel does not mark it as a kernel thread", q(pr.Exe), pr.PPID),
			},
			Cleared: []string{"a true kernel thread: those carry the kernel's flag and have no program", "a packaged daemon that changes its title: no package owns the program"},
			Subject: process(pr), Time: pr.Started,
		}
		if c := p.outward(pr); len(c) > 0 {
			f.Why = append(f.Why, "it holds a connection to "+deminer.Safe(c[0].Remote)+"; kernel threads never own one")
			f.Tier = deminer.Proof
		}
		if u := p.cores(pr); u >= busyCores {
			f.Why = append(f.Why, fmt.Sprintf("it uses %.2f cores", u))
			f.Tier = deminer.Proof
		}
		p.Report(f)
	}
	return nil
}

// kthreadClaim gives the kernel-thread name a process bears, and where. Without brackets a name counts only in comm and
// argv[0] both, because many words are names of honest programs too.
func kthreadClaim(pr *deminer.Process) (name, how string) {
	argv0 := ""
	if len(pr.Argv) > 0 {
		argv0 = strings.TrimSpace(pr.Argv[0])
	}
	switch {
	case strings.HasPrefix(argv0, "[") && strings.HasSuffix(argv0, "]") && (kthreadName.MatchString(argv0) || kthreadName.MatchString(pr.Comm)):
		return argv0, "its command line"
	case strings.HasPrefix(pr.Comm, "[") && kthreadName.MatchString(pr.Comm):
		return pr.Comm, "its name"
	case strings.Contains(pr.Comm, "/") && kthreadName.MatchString(pr.Comm):
		return pr.Comm, "its name"
	case kthreadName.MatchString(pr.Comm) && (argv0 == "" || path.Base(argv0) == pr.Comm) && !commonWords[pr.Comm]:
		return pr.Comm, "its name"
	}
	return "", ""
}

// commonWords are kernel-thread names that honest programs bear too.
var commonWords = set("crypto", "writeback", "netns", "nfsd", "watchdogd", "bioset")

// disguise speaks of programs that show another program's name, or an empty or innocent command line.
func disguise(_ context.Context, p *Pass) error {
	for _, pr := range p.subjects() {
		if packaged(pr.Own) || pr.Exe == "" || pr.Own.State == deminer.Unknown || len(pr.Argv) == 0 || pr.Container != "" {
			continue
		}
		shown := strings.TrimSpace(pr.Argv[0])
		if k, _ := kthreadClaim(pr); k != "" {
			continue
		}
		other := systemName(strings.TrimSuffix(strings.TrimPrefix(firstWord(shown), "-"), ":"))
		if other == "" {
			other = systemName(pr.Comm)
		}
		odd := placeOf(pr.Exe).odd()
		if other == "" || other == path.Base(pr.Exe) && !odd || !odd && !p.elsewhere(other, pr.Exe) {
			continue
		}
		f := deminer.Finding{
			Topic: deminer.TopicBackdoor, Tier: deminer.Strong, Class: deminer.ByHiding, Technique: "T1036.005", Catalogue: "DE-05",
			Title:   called(pr) + " shows the name of a system program but runs another",
			Why:     []string{"it shows itself as " + q(strings.Join(pr.Argv[:min(4, len(pr.Argv))], " ")) + " and " + q(pr.Comm), "it runs " + q(pr.Exe) + ", which no package owns; the real " + q(other) + " lies elsewhere"},
			Cleared: []string{"interpreters, multi-call programs and daemons that set a title: the program is none of them"},
			Subject: process(pr), Time: pr.Started,
		}
		p.Report(f)
	}
	return nil
}

func firstWord(s string) string {
	w, _, _ := strings.Cut(s, " ")
	return w
}

// systemNames are programs that every admin expects to see in a process list and does not look at twice.
var systemNames = set("sshd", "cron", "crond", "systemd", "systemd-journald", "systemd-logind", "systemd-resolved", "systemd-udevd",
	"systemd-networkd", "systemd-timesyncd", "rsyslogd", "dbus-daemon", "agetty", "getty", "login", "top", "ls", "ps", "netstat", "who",
	"id", "bash", "sh", "su", "sudo", "init", "udevd", "auditd", "polkitd", "irqbalance", "ifconfig", "crontab", "httpd", "apache2",
	"nginx", "php-fpm", "mysqld", "postgres", "dhclient", "chronyd", "ntpd", "rsync", "snapd", "dockerd", "containerd", "atd", "acpid")

func systemName(s string) string {
	if b := path.Base(s); systemNames[b] {
		return b
	}
	return ""
}

// elsewhere reports whether a program of that name lies in a system directory, packaged, and is not this one.
func (p *Pass) elsewhere(name, exe string) bool {
	for _, d := range systemDirs {
		c := path.Join(d, name)
		if c != exe && packaged(p.owner(c)) {
			if _, err := p.FS.Stat(c); err == nil {
				return true
			}
		}
	}
	return name == "init" || name == "bash" || name == "sh"
}

var systemDirs = []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/lib/systemd", "/lib/systemd"}
