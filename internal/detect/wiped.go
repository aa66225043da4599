package detect

import (
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// wiped notes logs and histories that were emptied or turned off. Images and rotation empty them too, so this explains an
// intrusion and never proves one.
func wiped(_ context.Context, p *Pass) error {
	for _, name := range []string{"/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog", "/var/log/auth.log", "/var/log/secure", "/var/log/syslog", "/var/log/messages", "/var/log/cron"} {
		a, err := p.FS.Lstat(name)
		if err != nil {
			continue
		}
		link, _ := p.FS.ReadLink(name)
		if link != "/dev/null" && (a.Size > 0 || !a.IsRegular() || rotated(p, name)) {
			continue
		}
		f := wipedFinding(name, "the log "+name+" is empty or thrown away", a)
		if link == "/dev/null" {
			f.Why = []string{q(name) + " is a link to /dev/null"}
		} else {
			f.Why = []string{fmt.Sprintf("%s holds 0 bytes since %s and no rotated copy lies beside it", q(name), a.Mtime.UTC().Format("2006-01-02 15:04"))}
		}
		f.Tier = p.weigh(a)
		p.Report(f)
	}
	for _, h := range p.homes() {
		for _, n := range []string{".bash_history", ".zsh_history"} {
			name := path.Join(h, n)
			link, err := p.FS.ReadLink(name)
			if err != nil || link != "/dev/null" {
				continue
			}
			a, _ := p.FS.Lstat(name)
			f := wipedFinding(name, "the shell history of "+deminer.Safe(h)+" is thrown away", a)
			f.Why = []string{q(name) + " is a link to /dev/null"}
			f.Tier = p.weigh(a)
			p.Report(f)
		}
	}
	for _, h := range p.Hints {
		a, _ := p.FS.Lstat(h.Path)
		f := wipedFinding(h.Path, "somebody may have hidden his traces in "+deminer.Safe(h.Path), a)
		f.Why, f.Tier = []string{deminer.Safe(h.What)}, p.weigh(a)
		if h.Line != "" {
			f.Why = append(f.Why, "the line: "+q(h.Line))
		}
		p.Report(f)
	}
	return nil
}

func wipedFinding(name, title string, a deminer.Attr) deminer.Finding {
	return deminer.Finding{
		Topic: deminer.TopicTamper, Class: deminer.ByTamper, Technique: "T1685.006", Catalogue: "DE-12", Title: title,
		Subject: file(name), Time: a.Mtime, Fix: "What happened before may be missing from this report; ask the log server or the cloud's audit trail.",
	}
}

// weigh is weak at the time of another finding, and a note else.
func (p *Pass) weigh(a deminer.Attr) deminer.Tier {
	if _, ok := p.near(a.Mtime, time.Hour); ok {
		return deminer.Weak
	}
	return deminer.Note
}

// rotated reports whether an older copy lies beside the log.
func rotated(p *Pass, name string) bool {
	list, err := p.FS.ReadDir(path.Dir(name))
	if err != nil {
		return true
	}
	for _, e := range list {
		if rest, ok := strings.CutPrefix(e.Name, path.Base(name)); ok && rest != "" && (rest[0] == '.' || rest[0] == '-') {
			return true
		}
	}
	return false
}
