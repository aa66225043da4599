package logins

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/accounts"
	"github.com/deminer/deminer/internal/host"
)

// Hint is one sign that logs or histories were meddled with: a plain fact, not a verdict.
type Hint struct {
	Path string // hostile
	What string // in words; made here, safe but for quoted parts
	Line deminer.Raw
}

// maxHints bounds the signs of one host.
const maxHints = 500

// Tampering looks for signs that somebody hid his traces. boot is when the host started; zero skips what needs it.
func Tampering(ctx context.Context, fsys host.FS, boot time.Time) ([]Hint, []deminer.Gap) {
	t := &tampering{fs: fsys, boot: boot, c: &collector{}}
	t.logs()
	t.records()
	homes := accounts.Homes(fsys)
	for _, h := range homes[:min(len(homes), 10_000)] {
		if ctx.Err() != nil {
			t.c.gap(deminer.Partial, h.Dir, "stopped: "+ctx.Err().Error())
			break
		}
		t.histories(h.Dir)
		for _, name := range []string{".bashrc", ".bash_profile", ".profile", ".zshrc", ".bash_login", ".zshenv"} {
			t.shellFile(path.Join(h.Dir, name))
		}
	}
	t.system()
	return t.hints, t.c.gaps
}

type tampering struct {
	fs    host.FS
	boot  time.Time
	c     *collector
	hints []Hint
}

func (t *tampering) hint(name, what, line string) {
	if len(t.hints) < maxHints {
		t.hints = append(t.hints, Hint{name, what, deminer.Raw(cut(line))})
	}
}

// logs looks at the log files themselves.
func (t *tampering) logs() {
	list, err := t.fs.ReadDir("/var/log")
	if err != nil {
		t.c.gap(deminer.Failed, "/var/log", err.Error())
		return
	}
	for _, base := range []string{"wtmp", "btmp", "lastlog", "auth.log", "secure", "syslog", "messages", "cron", "kern.log", "audit", "journal"} {
		name := "/var/log/" + base
		a, err := t.fs.Deep(name)
		if err != nil {
			continue // not every system has every log
		}
		switch {
		case a.Type == deminer.Symlink:
			t.toNull(name)
		case a.Flags != 0:
			t.hint(name, fmt.Sprintf("has the flag %s set, which logs do not have", a.Flags), "")
		case a.Type == deminer.Regular && !rotatedCopy(list, base):
			t.fresh(name, a)
		}
	}
}

// fresh tells of a log that began after the host did although nothing rotated it.
func (t *tampering) fresh(name string, a deminer.Attr) {
	if t.boot.IsZero() || a.Btime.IsZero() || a.Btime.Before(t.boot.Add(time.Hour)) || path.Base(name) == "lastlog" {
		return
	}
	t.hint(name, fmt.Sprintf("was created on %s, after the host started, and there is no rotated copy",
		a.Btime.UTC().Format(time.DateTime)), "")
}

func rotatedCopy(list []host.Entry, base string) bool {
	for _, e := range list {
		if strings.HasPrefix(e.Name, base+".") || strings.HasPrefix(e.Name, base+"-") {
			return true
		}
	}
	return false
}

// toNull tells of a log or history that leads nowhere.
func (t *tampering) toNull(name string) {
	target, err := t.fs.ReadLink(name)
	if err == nil && path.Clean(target) == "/dev/null" {
		t.hint(name, "is a link to /dev/null", "")
	}
}

// records looks into wtmp and btmp.
func (t *tampering) records() {
	for _, name := range rotated(t.fs, "/var/log", "wtmp", "btmp") {
		tail(t.fs, name, maxUtmp, t.c, func(r io.Reader) error {
			odd, err := oddRecords(r)
			for _, what := range odd {
				t.hint(name, what, "")
			}
			return err
		})
	}
}

// oddRecords tells what log cleaners leave behind.
func oddRecords(in io.Reader) ([]string, error) {
	var out []string
	all, zero, nameless, back := 0, 0, 0, 0
	var last, firstBack time.Time
	rest, err := parseUtmp(in, func(r record) {
		all++
		switch {
		case r.zero:
			zero++
			return
		case r.typ == utUser && r.user == "":
			nameless++
		case r.time.Add(time.Hour).Before(last):
			if back++; back == 1 {
				firstBack = r.time
			}
		}
		last = r.time
	})
	if zero > 0 {
		out = append(out, fmt.Sprintf("%d of %d records are all zero bytes", zero, all))
	}
	if nameless > 0 {
		out = append(out, fmt.Sprintf("%d logins have no user", nameless))
	}
	if back > 0 {
		out = append(out, fmt.Sprintf("time goes back by more than an hour at %d records, first to %s", back, firstBack.Format(time.DateTime)))
	}
	if rest > 0 {
		out = append(out, fmt.Sprintf("it ends with %d bytes that are no whole record", rest))
	}
	return out, err
}

// histories looks at the shell histories of one home.
func (t *tampering) histories(home string) {
	for _, base := range []string{".bash_history", ".zsh_history", ".history", ".sh_history", ".ash_history", ".mysql_history", ".python_history"} {
		name := path.Join(home, base)
		a, err := t.fs.Deep(name)
		switch {
		case err != nil:
		case a.Type == deminer.Symlink:
			t.toNull(name)
		case a.Type == deminer.Device || a.Type == deminer.Directory:
			t.hint(name, fmt.Sprintf("is a %s, so no history is kept", a.Type), "")
		case a.Flags&deminer.Immutable != 0:
			t.hint(name, "cannot be changed (flag i), so no history is kept", "")
		}
	}
}

// system looks at the shell files of all users.
func (t *tampering) system() {
	for _, name := range []string{"/etc/profile", "/etc/bash.bashrc", "/etc/bashrc", "/etc/environment", "/etc/zsh/zshrc", "/etc/zshrc"} {
		t.shellFile(name)
	}
	list, _ := t.fs.ReadDir("/etc/profile.d") // none is usual
	for _, e := range list[:min(len(list), 1000)] {
		t.shellFile("/etc/profile.d/" + e.Name)
	}
}

// shellFile looks for lines that turn the history off.
func (t *tampering) shellFile(name string) {
	text, err := host.ReadFile(t.fs, name, 1<<20)
	if err != nil && len(text) == 0 {
		return // shell files are read in full elsewhere, and gaps told there
	}
	for raw := range bytes.Lines(text) {
		line := strings.TrimSpace(string(raw))
		if what := historyOff(line); what != "" {
			t.hint(name, what, line)
		}
	}
}

// historyOff says how a line of a shell file turns the history off, or "".
func historyOff(line string) string {
	if strings.HasPrefix(line, "#") {
		return ""
	}
	for w := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune(" \t;&", r) }) {
		switch key, value, _ := strings.Cut(w, "="); {
		case key == "HISTFILE" && strings.Contains(w, "=") && (strings.Trim(value, `"'`) == "" || strings.Trim(value, `"'`) == "/dev/null"):
			return "sends the shell history nowhere"
		case (key == "HISTSIZE" || key == "HISTFILESIZE") && strings.Trim(value, `"'`) == "0":
			return "keeps no shell history"
		}
	}
	f := strings.Join(strings.Fields(line), " ")
	switch {
	case strings.Contains(f, "unset HISTFILE"), strings.Contains(f, "unset HISTORY"):
		return "sends the shell history nowhere"
	case strings.Contains(f, "set +o history"):
		return "turns the shell history off"
	case strings.Contains(f, "history -c"):
		return "clears the shell history"
	}
	return ""
}
