package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// listDaemons lists the commands that network, log and monitoring daemons run by their configuration.
func listDaemons(l *Lister) {
	const asked = "the monitoring server asks"
	listLines(l, []lineRule{
		{files: []string{"/etc/inetd.conf", "/etc/inetd.d/*"}, match: inetd, user: "root", trigger: "somebody connects"},
		{files: []string{"/etc/hosts.allow", "/etc/hosts.deny"}, match: wrapperSpawn, user: "root", trigger: "somebody connects", join: `\`, keep: true},
		{files: []string{"/etc/rsyslog.conf", "/etc/rsyslog.d/*.conf"}, match: rsyslogRuns, user: "root", trigger: "a log line comes in"},
		{files: []string{"/etc/syslog-ng/syslog-ng.conf", "/etc/syslog-ng/conf.d/*.conf"}, match: contains("program("), user: "root", trigger: "a log line comes in", keep: true},
		{files: []string{"/etc/snmp/snmpd.conf", "/etc/snmp/snmpd.conf.d/*", "/etc/snmp/snmptrapd.conf", "/usr/share/snmp/snmpd.conf", "/var/lib/snmp/snmpd.conf", "/var/lib/net-snmp/snmpd.conf"},
			match: wordThen("extend", "exec", "sh", "pass", "pass_persist", "extendfix", "dlmod", "traphandle"), user: "root", trigger: asked, keep: true},
		{files: []string{"/etc/zabbix/zabbix_agent*.conf", "/etc/zabbix/zabbix_agent*.d/*.conf", "/etc/zabbix_agent*.conf", "/usr/local/etc/zabbix_agent*.conf"}, match: zabbixRuns, user: "zabbix", trigger: asked, keep: true},
		{files: []string{"/etc/nagios/nrpe.cfg", "/etc/nagios/nrpe.d/*.cfg", "/etc/nrpe.d/*.cfg", "/etc/nagios/nrpe_local.cfg"}, match: nrpe, user: "nagios", trigger: asked, keep: true},
		{files: []string{"/etc/telegraf/telegraf.conf", "/etc/telegraf/telegraf.d/*.conf"}, match: tomlCommands, user: "telegraf", trigger: "every few seconds, by telegraf", arrays: true, keep: true},
		{files: []string{"/etc/collectd.conf", "/etc/collectd/collectd.conf", "/etc/collectd.d/*.conf"}, match: settings("Exec", "NotificationExec"), user: "collectd", trigger: "every few seconds, by collectd", keep: true},
		{files: []string{"/etc/audit/plugins.d/*.conf", "/etc/audisp/plugins.d/*.conf"}, match: settings("path"), user: "root", trigger: "start of auditd", keep: true},
		{files: []string{"/etc/audit/auditd.conf", "/etc/audit/rules.d/*"}, match: settings("dispatcher", "space_left_action", "admin_space_left_action", "disk_full_action", "disk_error_action"), user: "root", trigger: "auditd runs out of space", keep: true},
		{files: []string{"/etc/smartd.conf"}, match: contains("-M exec "), user: "root", trigger: "a disk fails", keep: true},
		{files: []string{"/etc/mdadm.conf", "/etc/mdadm/mdadm.conf"}, match: settings("PROGRAM"), user: "root", trigger: "an array changes", keep: true},
		{files: []string{"/etc/fail2ban/action.d/*.local", "/etc/fail2ban/jail.local", "/etc/fail2ban/jail.d/*"}, match: settings("actionban", "actionstart", "actionstop", "actionunban", "actioncheck", "ignorecommand"), user: "root", trigger: "fail2ban bans somebody", keep: true},
		{files: []string{"/etc/X11/xinit/xinitrc", "/etc/X11/xdm/Xsetup*", "/etc/gdm3/*/Default"}, match: backgrounded, user: "root", trigger: "start of a desktop", keep: true},
		{files: []string{"/etc/mc/mc.ext", "/etc/lesspipe.conf", "/etc/man_db.conf", "/etc/manpath.config"}, match: settings("DEFINE pager", "DEFINE cat"), user: "every user", trigger: "somebody reads a page", keep: true},
	})
	listFiles(l, []fileRule{
		{files: []string{"/etc/X11/Xsession.d/*", "/etc/X11/xinit/xinitrc.d/*", "/etc/X11/Xreset.d/*"}, user: "every user", trigger: "start of a desktop", script: true, unowned: true},
		{files: []string{"/usr/lib/cups/backend/*", "/usr/lib/cups/filter/*"}, user: "lp", trigger: "somebody prints", unowned: true},
	})
	for _, name := range l.Files("/etc/xinetd.d") {
		xinetd(l, name)
	}
}

// inetd matches a service line: service type protocol wait user program arguments.
func inetd(text string) (name, command string) {
	w, rest := fieldsThen(text, 5)
	if rest == "" || strings.HasPrefix(rest, "internal") {
		return "", ""
	}
	program, args := cutBlank(rest)
	_, args = cutBlank(args) // the first argument is the name it runs under
	return w[0], strings.TrimSpace(program + " " + args)
}

// wrapperSpawn matches the shell commands of hosts_options(5).
func wrapperSpawn(text string) (name, command string) {
	for _, word := range []string{"spawn", "twist"} {
		for part := range strings.SplitSeq(text, ":") {
			p := strings.TrimSpace(part)
			if rest, ok := strings.CutPrefix(p, word); ok && rest != "" && strings.ContainsAny(rest[:1], " \t=(") {
				_, after, _ := strings.Cut(text, word)
				after = strings.TrimLeft(after, " \t=")
				if strings.HasPrefix(after, "(") {
					after, _, _ = strings.Cut(after[1:], ")")
				}
				return word, strings.TrimSpace(after)
			}
		}
	}
	return "", ""
}

// rsyslogRuns matches omprog actions and the old form "selector ^program".
func rsyslogRuns(text string) (name, command string) {
	if i := strings.Index(text, "binary="); i >= 0 {
		return "omprog", strings.Trim(strings.TrimSuffix(strings.TrimSpace(text[i+len("binary="):]), ")"), `"' `)
	}
	if w := strings.Fields(text); len(w) >= 2 && strings.HasPrefix(w[1], "^") {
		_, command, _ = strings.Cut(text, "^")
		return "program", command
	}
	if strings.HasPrefix(text, "$ActionExecOnlyWhenPreviousIsSuspended") || !strings.HasPrefix(text, "$ModLoad /") {
		return "", ""
	}
	return "module", strings.TrimSpace(strings.TrimPrefix(text, "$ModLoad"))
}

// wordThen matches lines of snmpd.conf that begin with one of these words; the command is the first absolute path and what follows.
func wordThen(words ...string) func(string) (string, string) {
	return func(text string) (string, string) {
		key, rest := cutBlank(text)
		if !slices.Contains(words, strings.ToLower(key)) {
			return "", ""
		}
		if i := strings.Index(rest, "/"); i >= 0 {
			return key, rest[i:]
		}
		return key, rest
	}
}

// zabbixRuns matches the parameters of an agent that run or load something.
func zabbixRuns(text string) (name, command string) {
	key, value := keyEquals(text)
	switch key {
	case "UserParameter":
		name, command, _ = strings.Cut(value, ",")
		return name, command
	case "EnableRemoteCommands", "AllowKey":
		if value == "1" || strings.Contains(value, "system.run") {
			return key, ""
		}
	case "LoadModule":
		return key, value
	}
	return "", ""
}

// nrpe matches "command[name]=program".
func nrpe(text string) (name, command string) {
	rest, ok := strings.CutPrefix(text, "command[")
	if !ok {
		return "", ""
	}
	name, command, _ = strings.Cut(rest, "]=")
	return name, command
}

// tomlCommands matches the commands of telegraf's exec plugins.
func tomlCommands(text string) (name, command string) {
	name, command = settings("commands", "command")(text)
	return name, strings.TrimSpace(strings.NewReplacer(`", "`, " ; ", `",`, " ; ", `"`, "").Replace(strings.Trim(command, "[] ")))
}

// backgrounded matches commands left running in the background.
func backgrounded(text string) (name, command string) {
	if strings.HasSuffix(text, "&") && !strings.HasSuffix(text, "&&") {
		return "background", text
	}
	return "", ""
}

// xinetd lists one service file; the file is the foothold.
func xinetd(l *Lister, name string) {
	f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: "root", Trigger: "somebody connects"}
	args := ""
	for _, line := range l.Lines(name) {
		key, value := keyEquals(line.Text)
		switch key {
		case "server":
			f.Command = deminer.Raw(value)
		case "server_args":
			args = value
		case "user":
			f.User = value
		case "disable":
			f.Disabled = value == "yes"
		}
	}
	if f.Command == "" {
		return
	}
	f.Command = deminer.Raw(strings.TrimSpace(string(f.Command) + " " + args))
	l.Add(f)
}
