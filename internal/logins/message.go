package logins

import (
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// interesting reports whether messages of a program are read.
func interesting(ident string) bool {
	switch path.Base(ident) {
	case "sshd", "sshd-session", "sshd-auth", "sudo", "su", "CRON", "cron", "crond", "crontab", "useradd", "adduser", "usermod",
		"userdel", "groupadd", "passwd", "chpasswd", "systemd", "dropbear":
		return true
	}
	return askedByPAM(ident)
}

// askedByPAM reports whether a program lets people in from afar by a password that PAM checks, and logs in PAM's words.
func askedByPAM(ident string) bool {
	switch path.Base(ident) {
	case "vsftpd", "proftpd", "pure-ftpd", "dovecot", "auth", "saslauthd", "cockpit-session", "xrdp-sesman", "smbd", "login", "remote":
		return true
	}
	return false
}

// message takes one message of a program. User names in it are chosen by whoever tries to log in, so addresses are
// looked for from the end.
func (c *collector) message(class, source string, at time.Time, ident, msg string) {
	l := deminer.Login{Time: at, Source: source}
	e := Event{Time: at, Source: source}
	switch path.Base(ident) {
	case "sshd", "sshd-session", "sshd-auth":
		if sshd(msg, &l) {
			c.login(class, l)
		}
	case "vsftpd", "proftpd", "pure-ftpd", "dovecot", "auth", "saslauthd", "cockpit-session", "xrdp-sesman", "smbd", "login", "remote":
		if pamUnix(msg, &l) {
			c.login(class, l)
		}
	case "dropbear":
		if dropbear(msg, &l) {
			c.login(class, l)
		}
	case "sudo":
		if sudo(msg, &l, &e) {
			c.login(class, l)
			c.event(class, e)
			if clearsLogs(e.Text) {
				e.Kind = "log-cleared"
				c.event(class, e)
			}
		}
	case "su":
		if su(msg, &l) {
			c.login(class, l)
		}
	case "CRON", "cron", "crond", "crontab":
		if cron(msg, &e) {
			c.event(class, e)
		}
	case "systemd":
		if unit(msg, &e) {
			c.event(class, e)
		}
	default:
		if account(msg, &e) {
			c.event(class, e)
		}
	}
}

// sshd reads "Accepted METHOD for USER from ADDR port N ssh2[: TYPE FINGERPRINT]" and "Failed METHOD for [invalid user
// ]USER from ADDR port N ssh2", also inside "message repeated N times: [ ... ]".
func sshd(msg string, l *deminer.Login) bool {
	if rest, ok := strings.CutPrefix(msg, "message repeated "); ok {
		times, inner, _ := strings.Cut(rest, " times: [ ")
		n, err := strconv.Atoi(times)
		if err != nil || n < 1 || n > 1e6 {
			return false
		}
		l.Count, msg = n, strings.TrimSuffix(inner, "]")
	}
	verb, rest, _ := strings.Cut(msg, " ")
	switch verb {
	case "Accepted":
		l.Kind = "login"
		l.Count = 0
	case "Failed":
		l.Kind = "failed"
	default:
		return false
	}
	method, rest, ok := strings.Cut(rest, " for ")
	at, w := sshdFrom(rest, l.Kind == "login")
	if !ok || at < 0 {
		return false
	}
	l.Method = strings.TrimSuffix(method, "/pam")
	l.User = strings.TrimPrefix(rest[:at], "invalid user ")
	l.From = w[0]
	for _, f := range w {
		if strings.HasPrefix(f, "SHA256:") || strings.HasPrefix(f, "MD5:") {
			l.Key = f
		}
	}
	return true
}

// sshdFrom finds "from ADDRESS port N ssh2" and gives where it begins and its words from the address on. Two texts around it are
// chosen by who tries to log in and may hold the same words: the name before it, and after it the id of a certificate that nobody
// has to have signed. An account that exists has no such name; a line that ends with the address has nothing after it. Of another
// line that has several the address is "".
func sshdFrom(rest string, exists bool) (int, []string) {
	const from = " from "
	var at []int
	var words [][]string
	for i := 0; len(at) < 3; {
		n := strings.Index(rest[i:], from)
		if n < 0 {
			break
		}
		i += n
		if w := strings.Fields(rest[i+len(from):]); len(w) >= 3 && w[1] == "port" {
			at, words = append(at, i), append(words, w)
		}
		i += len(from) - 1 // the blank may begin the next
	}
	switch last := len(at) - 1; {
	case last < 0:
		return -1, nil
	case last == 0 || exists:
		return at[0], words[0]
	case len(words[last]) <= 4:
		return at[last], words[last]
	default:
		return at[0], []string{""}
	}
}

// pamUnix reads "pam_unix(SERVICE:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=bob rhost=192.0.2.7
// user=bob". Names in it are chosen by whoever tries to log in: where they hold what looks like another address, none is taken.
func pamUnix(msg string, l *deminer.Login) bool {
	head, rest, ok := strings.Cut(msg, ": authentication failure; ")
	if !ok || !strings.HasPrefix(head, "pam_") || !strings.HasSuffix(head, ":auth)") || strings.Count(rest, "rhost=") != 1 {
		return false
	}
	before, after, _ := strings.Cut(rest, "rhost=")
	l.From, after, _ = strings.Cut(after, " ")
	_, l.User, ok = strings.Cut(after, "user=")
	if !ok {
		_, l.User, _ = strings.Cut(before, "ruser=")
	}
	l.User = strings.TrimSpace(l.User)
	l.Kind, l.Method = "failed", "password"
	return l.From != ""
}

// dropbear reads "Pubkey auth succeeded for 'root' with ... key SHA256:... from 1.2.3.4:5" and "Password auth succeeded
// for 'root' from ...", and "Bad password attempt for 'root' from ...".
func dropbear(msg string, l *deminer.Login) bool {
	switch {
	case strings.HasPrefix(msg, "Pubkey auth succeeded"):
		l.Kind, l.Method = "login", "publickey"
	case strings.HasPrefix(msg, "Password auth succeeded"):
		l.Kind, l.Method = "login", "password"
	case strings.HasPrefix(msg, "Bad password attempt"):
		l.Kind, l.Method = "failed", "password"
	default:
		return false
	}
	_, rest, ok := strings.Cut(msg, " for '")
	at := strings.LastIndex(rest, " from ")
	if !ok || at < 0 {
		return false
	}
	l.User, _, _ = strings.Cut(rest[:at], "'")
	l.From = rest[at+len(" from "):]
	if i := strings.LastIndexByte(l.From, ':'); i >= 0 {
		l.From = l.From[:i]
	}
	for f := range strings.FieldsSeq(rest[:at]) {
		if strings.HasPrefix(f, "SHA256:") || strings.HasPrefix(f, "sha1!!") {
			l.Key = f
		}
	}
	return true
}

// sudo reads "USER : TTY=pts/0 ; PWD=/x ; USER=root ; COMMAND=/bin/y".
func sudo(msg string, l *deminer.Login, e *Event) bool {
	user, rest, ok := strings.Cut(strings.TrimSpace(msg), " : ")
	_, command, ok2 := strings.Cut(rest, " ; COMMAND=")
	if !ok || !ok2 {
		return false
	}
	l.Kind, l.User, l.TTY = "sudo", user, strings.TrimPrefix(field(rest, "TTY="), "/dev/")
	if strings.Contains(rest, "incorrect password attempt") || strings.Contains(rest, "NOT in sudoers") || strings.Contains(rest, "command not allowed") {
		l.Kind, l.Method = "failed", "sudo"
	}
	e.Kind, e.User, e.Text = "sudo", user, command
	return true
}

func field(s, key string) string {
	for f := range strings.SplitSeq(s, " ; ") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(f), key); ok {
			return v
		}
	}
	return ""
}

// su reads what util-linux ("(to root) ann on pts/0") and shadow ("Successful su for root by ann") write.
func su(msg string, l *deminer.Login) bool {
	l.Kind = "su"
	if rest, ok := strings.CutPrefix(msg, "FAILED SU "); ok {
		l.Kind, l.Method, msg = "failed", "su", rest
	}
	if rest, ok := strings.CutPrefix(msg, "(to "); ok {
		_, rest, _ = strings.Cut(rest, ") ")
		l.User, l.TTY, ok = strings.Cut(rest, " on ")
		return ok
	}
	rest, ok := strings.CutPrefix(msg, "Successful su for ")
	if !ok {
		rest, ok = strings.CutPrefix(msg, "FAILED su for ")
		l.Kind, l.Method = "failed", "su"
	}
	_, l.User, _ = strings.Cut(rest, " by ")
	return ok && l.User != ""
}

// cron reads "(USER) CMD (COMMAND)" and what crontab writes of changes: "(USER) REPLACE (USER)".
func cron(msg string, e *Event) bool {
	rest, ok := strings.CutPrefix(msg, "(")
	user, rest, ok2 := strings.Cut(rest, ") ")
	verb, what, ok3 := strings.Cut(rest, " (")
	if !ok || !ok2 || !ok3 {
		return false
	}
	e.User, e.Text = user, strings.TrimSpace(strings.TrimSuffix(what, ")"))
	switch verb {
	case "CMD":
		e.Kind = "cron"
	case "REPLACE", "DELETE":
		e.Kind, e.Text = "crontab", verb+" crontab of "+e.Text
	default:
		return false
	}
	return true
}

// account reads what useradd and its relatives write.
func account(msg string, e *Event) bool {
	for _, k := range []struct{ has, kind string }{
		{"new user:", "user-added"}, {"new group:", "user-added"}, {"delete user", "user-deleted"}, {"password changed for", "password"},
		{"to group", "user-changed"}, {"change user", "user-changed"}, {"to shadow group", "user-changed"},
	} {
		if strings.Contains(msg, k.has) {
			e.Kind, e.Text = k.kind, msg
			return true
		}
	}
	return false
}

// unit reads "Started NAME - Description." of PID 1.
func unit(msg string, e *Event) bool {
	rest, ok := strings.CutPrefix(msg, "Started ")
	if !ok || strings.HasPrefix(rest, "Session ") || strings.HasPrefix(rest, "session-") {
		return false
	}
	e.Kind, e.Text = "unit", strings.TrimSuffix(rest, ".")
	return true
}

// clearsLogs reports whether a command wipes logs.
func clearsLogs(cmd string) bool {
	if strings.Contains(cmd, "journalctl") && strings.Contains(cmd, "--vacuum") || strings.Contains(cmd, "history -c") {
		return true
	}
	if !strings.Contains(cmd, "/var/log") && !strings.Contains(cmd, "/var/run/utmp") {
		return false
	}
	name, _, _ := strings.Cut(cmd, " ")
	switch path.Base(name) {
	case "rm", "shred", "truncate", "unlink", "wipe":
		return true
	}
	return false
}
