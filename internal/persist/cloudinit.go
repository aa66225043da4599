package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// listCloudInit lists what cloud-init runs at boot: scripts, and the commands of runcmd and bootcmd. User data comes back
// from the cloud's console however often it is removed here.
func listCloudInit(l *Lister) {
	listFiles(l, []fileRule{
		{files: []string{"/var/lib/cloud/scripts/per-boot/*"}, user: "root", trigger: "every boot", exec: true, script: true},
		{files: []string{"/var/lib/cloud/scripts/per-instance/*", "/var/lib/cloud/scripts/per-once/*", "/var/lib/cloud/instance/scripts/*", "/var/lib/cloud/scripts/vendor/*"},
			user: "root", trigger: "first boot of an instance", exec: true, script: true},
	})
	for _, name := range l.Glob("/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d/*.cfg", "/var/lib/cloud/instance/user-data.txt", "/var/lib/cloud/instance/vendor-data.txt", "/var/lib/cloud/seed/*/user-data") {
		text, ok := l.Read(name)
		switch {
		case !ok:
		case strings.HasPrefix(text, "#!"):
			fileRule{user: "root", trigger: "boot, by cloud-init", script: true}.add(l, name, "root")
		default:
			cloudCommands(l, name)
		}
	}
}

// cloudCommands lists the items below runcmd: and bootcmd: of a cloud configuration. The YAML is read by its indentation
// only: a key at the margin opens a section, "- " opens an item.
func cloudCommands(l *Lister, name string) {
	section := ""
	lines := l.Lines(name)
	for i := 0; i < len(lines); i++ {
		text := strings.TrimSpace(lines[i].Text)
		switch {
		case text == "" || text[0] == '#':
			continue
		case lines[i].Text[0] != ' ' && lines[i].Text[0] != '-' && lines[i].Text[0] != '\t':
			section, _, _ = strings.Cut(text, ":")
			continue
		case section != "runcmd" && section != "bootcmd" || !strings.HasPrefix(text, "-"):
			continue
		}
		from, indent := i, indentOf(lines[i].Text)
		for i+1 < len(lines) && indentOf(lines[i+1].Text) > indent {
			i++
		}
		whole := joinLines(lines, from+1, i+1)
		command := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(whole), "-"))
		if strings.HasPrefix(command, "[") {
			command = strings.NewReplacer(",", " ", `"`, "", "'", "").Replace(strings.Trim(command, "[]"))
		}
		command = strings.TrimSpace(strings.TrimLeft(command, "|>-"))
		f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(whole), LineNo: lines[from].No, Name: section, User: "root",
			Trigger: "every boot, by cloud-init", Command: deminer.Raw(command), Odd: oddText(whole)}
		if section == "runcmd" {
			f.Trigger = "first boot of an instance, by cloud-init"
		}
		if strings.HasPrefix(path.Base(name), "user-data") {
			f.Odd = append(f.Odd, "it came with the instance's user data; look there too")
		}
		l.Add(f)
	}
}

// indentOf counts the blanks a line begins with; an empty line has none.
func indentOf(s string) int { return len(s) - len(strings.TrimLeft(s, " ")) }
