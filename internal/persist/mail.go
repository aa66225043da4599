package persist

import "strings"

// listMail lists the programs that mail starts: pipes of aliases and .forward files, filters of procmail and others.
func listMail(l *Lister) {
	listLines(l, []lineRule{
		{files: []string{"/etc/aliases", "/etc/mail/aliases", "/etc/postfix/aliases", "/etc/exim4/aliases"}, match: aliasPipe, user: "nobody", trigger: "mail comes in", keep: true},
		{files: []string{"~/.forward", "~/.forward+*"}, match: forwardPipe, trigger: "mail comes in"},
		{files: []string{"~/.qmail", "~/.qmail-*", "/var/qmail/alias/.qmail-*"}, match: forwardPipe, trigger: "mail comes in"},
		{files: []string{"~/.procmailrc", "/etc/procmailrc", "~/.mailfilter", "/etc/maildroprc"}, match: procmail, trigger: "mail comes in", keep: true},
		{files: []string{"/etc/postfix/master.cf"}, match: postfixPipe, user: "root", trigger: "mail comes in", join: "", keep: true},
		{files: []string{"/etc/postfix/main.cf"}, match: settings("mailbox_command", "fallback_transport_command", "sendmail_path", "mailq_path"), user: "root", trigger: "mail comes in", keep: true},
	})
}

// aliasPipe matches "name: |command" of aliases(5), and files that are included.
func aliasPipe(text string) (name, command string) {
	name, value, ok := strings.Cut(text, ":")
	if !ok {
		return "", ""
	}
	if _, command = forwardPipe(strings.TrimSpace(value)); command == "" {
		return "", ""
	}
	return name, command
}

// forwardPipe matches an address that is a program: |command or "|command".
func forwardPipe(text string) (name, command string) {
	i := strings.IndexByte(text, '|')
	if i < 0 || strings.Trim(text[:i], "\", \t") != "" && !strings.Contains(text[:i], ",") {
		return "", ""
	}
	return "pipe", strings.TrimSpace(strings.Trim(strings.TrimSpace(text[i+1:]), `"`))
}

// procmail matches actions that are programs, and assignments that run one by backquotes.
func procmail(text string) (name, command string) {
	switch {
	case text[0] == '|':
		return "pipe", strings.TrimSpace(text[1:])
	case strings.HasPrefix(text, "TRAP="), strings.HasPrefix(text, "SHELL="):
		name, command, _ = strings.Cut(text, "=")
		return name, unquote(command)
	case strings.Contains(text, "`"):
		_, rest, _ := strings.Cut(text, "`")
		command, _, _ = strings.Cut(rest, "`")
		return "backquotes", command
	}
	return "", ""
}

// postfixPipe matches the argv= of a pipe or spawn service.
func postfixPipe(text string) (name, command string) {
	_, command, ok := strings.Cut(text, "argv=")
	if !ok {
		return "", ""
	}
	return "argv", command
}
