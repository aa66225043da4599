package detect

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// maxNewDirs bounds how many directories are spoken of.
const maxNewDirs = 200

// kitDirectory speaks of directories that were made in the minutes of the intrusion around something accused. They are
// taken away only if they are empty when everything of the intruder's has left them.
func kitDirectory(_ context.Context, p *Pass) error {
	if p.proven() == "" {
		return nil
	}
	done := map[string]bool{}
	for _, name := range p.accusedPaths() {
		for dir := path.Dir(name); strings.Count(dir, "/") > 1 && len(done) < maxNewDirs; dir = path.Dir(dir) {
			if done[dir] {
				break
			}
			done[dir] = true
			if !p.newDirectory(dir) {
				break // what lies in an owner's directory says nothing of the one above it
			}
		}
	}
	for _, m := range p.Snapshot.Kernel.Mounts {
		if procMount.MatchString(m.Point) && strings.Count(m.Root, "/") > 1 && !done[m.Root] {
			done[m.Root] = true
			p.newDirectory(m.Root, deminer.Artifact{Kind: deminer.KindMount, Path: deminer.Raw(m.Point)})
		}
	}
	return nil
}

// newDirectory speaks of one directory if it is new, and reports whether it did.
func (p *Pass) newDirectory(dir string, also ...deminer.Artifact) bool {
	a, err := p.FS.Lstat(dir)
	if err != nil || !a.IsDir() || a.Btime.IsZero() || packaged(p.owner(dir)) || under(dir, StateDir) || dir == StateDir {
		return false
	}
	g, ok := p.near(a.Btime, minutes)
	if !ok || standard[dir] || p.ownersHome(dir) {
		return false
	}
	if _, doubt := p.nobodyElse(change{path: dir, uid: a.UID, at: a.Btime}); doubt != "" && placeOf(dir).hidden == "" && !p.filledAtOnce(dir, a.Btime) {
		return false
	}
	p.Report(deminer.Finding{
		Topic: deminer.TopicMining, Tier: deminer.Weak, Class: deminer.ByProvenance, Catalogue: "EX-05",
		Title:   q(dir) + " was made with the intrusion",
		Why:     []string{"the directory was made at " + a.Btime.UTC().Format(time.RFC3339) + ", within " + fmt.Sprint(minutes) + " of: " + g.Title, "it goes only if nothing of others lies in it"},
		Cleared: []string{"a directory of the owner's: it stays as long as anything lies in it"},
		Subject: file(dir), Also: also, Time: a.Btime,
		Remove: []deminer.Action{{Verb: deminer.VerbQuarantine, Target: file(dir), Args: map[string]deminer.Raw{"only": "empty"}}},
	})
	return true
}

// ownersHome reports the home of an account that is not proven to be the intruder's.
func (p *Pass) ownersHome(dir string) bool {
	mine := p.guilty()
	for i := range p.Snapshot.Accounts {
		if a := &p.Snapshot.Accounts[i]; a.Home == dir && !mine["account:"+a.Name] {
			return true
		}
	}
	return false
}

// atOnce is how long a script takes from making a directory to putting the first thing into it.
const atOnce = 2 * time.Second

// filledAtOnce reports whether the first thing in a directory came right after it. A directory that others made before has
// stood empty for longer, or holds something of theirs.
func (p *Pass) filledAtOnce(dir string, made time.Time) bool {
	list, err := p.FS.ReadDir(dir)
	if err != nil || len(list) > maxNewDirs {
		return false
	}
	for _, e := range list {
		if a, err := p.FS.Lstat(path.Join(dir, e.Name)); err == nil && !a.Btime.IsZero() && a.Btime.Sub(made) <= atOnce {
			return true
		}
	}
	return false
}

// standard are directories that every system has, with or without something in them.
var standard = set("/etc/cron.d", "/etc/cron.daily", "/etc/cron.hourly", "/etc/cron.monthly", "/etc/cron.weekly", "/etc/init.d", "/etc/profile.d",
	"/etc/ssh", "/etc/ssh/sshd_config.d", "/etc/sudoers.d", "/etc/systemd", "/etc/systemd/system", "/etc/systemd/user", "/etc/systemd/system/multi-user.target.wants",
	"/etc/systemd/system/default.target.wants", "/etc/systemd/system/timers.target.wants", "/etc/sysctl.d", "/etc/udev", "/etc/udev/rules.d", "/etc/modprobe.d",
	"/etc/modules-load.d", "/etc/ld.so.conf.d", "/etc/pam.d", "/etc/security", "/etc/logrotate.d", "/etc/network", "/etc/iptables", "/root/.ssh",
	"/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/share", "/usr/src", "/usr/lib/systemd", "/usr/lib/systemd/system",
	"/usr/local", "/usr/local/bin", "/usr/local/etc", "/usr/local/lib", "/usr/local/sbin", "/usr/local/share",
	"/var/cache", "/var/lib", "/var/local", "/var/log", "/var/mail", "/var/opt", "/var/run", "/var/spool", "/var/spool/cron", "/var/spool/cron/crontabs",
	"/var/spool/at", "/var/tmp", "/var/www", "/var/www/html", "/dev/shm", "/run/lock", "/run/systemd")

// accusedPaths are the paths of which strong findings speak, what accused entries start, and the files that start those.
func (p *Pass) accusedPaths() []string {
	var out []string
	seen := map[string]bool{}
	add := func(name string) {
		if name != "" && !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
	}
	lines := map[string]bool{}
	for _, f := range p.memo.found {
		if f.Tier != deminer.Proof && f.Tier != deminer.Strong || f.Topic == deminer.TopicDoor {
			continue
		}
		for _, a := range append([]deminer.Artifact{f.Subject}, f.Also...) {
			if a.Kind == deminer.KindFile || a.Kind == deminer.KindLine || a.Kind == deminer.KindProcess {
				add(string(a.Path))
			}
			lines[a.Ref()] = true
		}
	}
	for i := range p.Snapshot.Footholds {
		if f := &p.Snapshot.Footholds[i]; lines[f.Artifact().Ref()] {
			for _, t := range p.foreignTargets(f) {
				add(t)
			}
		}
	}
	// What starts an accused program is convicted with it, though no finding speaks of it.
	for i := range p.Snapshot.Footholds {
		f := &p.Snapshot.Footholds[i]
		if f.Line != "" || !slices.ContainsFunc(p.foreignTargets(f), func(t string) bool { return seen[t] }) {
			continue
		}
		add(string(f.Path))
		for _, a := range f.Remove {
			add(string(a.Target.Path))
		}
	}
	return out
}
