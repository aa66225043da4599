package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// callout is a setting by which the kernel starts a program by itself, and its value when nobody set it.
type callout struct{ name, usual, trigger string }

func callouts() []callout {
	return []callout{
		{"kernel.core_pattern", "core", "a program crashes"},
		{"kernel.modprobe", "/sbin/modprobe", "the kernel wants a module"},
		{"kernel.hotplug", "/bin/true", "a device appears"}, // usually empty, but then nothing could be written
		{"kernel.poweroff_cmd", "/sbin/poweroff", "the kernel shuts down"},
	}
}

// listCallouts lists the programs the kernel starts by itself, in force and as set at boot by sysctl.d.
func listCallouts(l *Lister) {
	for _, c := range callouts() {
		name := "/proc/sys/" + strings.ReplaceAll(c.name, ".", "/")
		if !l.Exists(name) {
			continue
		}
		text, ok := l.Read(name)
		value := strings.TrimSuffix(text, "\n")
		command := calloutCommand(c, value)
		if !ok || command == "" {
			continue
		}
		l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(value), LineNo: 1, Name: c.name, User: "root", Trigger: c.trigger,
			Command: deminer.Raw(command), Odd: oddLine(value), Remove: []deminer.Action{setting(c.name, c.usual)}})
	}
	listLines(l, []lineRule{{files: []string{"/etc/sysctl.conf", "/etc/sysctl.d/*.conf", "/run/sysctl.d/*.conf", "/usr/local/lib/sysctl.d/*.conf", "/usr/lib/sysctl.d/*.conf", "/lib/sysctl.d/*.conf"},
		match: sysctlCallout, user: "root", trigger: "set at boot: the kernel starts the program by itself", comment: "#;", keep: true}})
	for _, name := range l.Glob("/sys/kernel/uevent_helper", "/sys/fs/cgroup/*/release_agent") {
		text, ok := l.Read(name)
		if value := strings.TrimSpace(text); ok && value != "" && value != "/run/cgmanager/agents/cgm-release-agent.systemd" && !strings.HasPrefix(value, "/lib/systemd/systemd-cgroups-agent") &&
			!strings.HasPrefix(value, "/usr/lib/systemd/systemd-cgroups-agent") {
			f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(value), LineNo: 1, Name: path.Base(name), User: "root", Trigger: "a device appears",
				Command: deminer.Raw(value), Odd: oddLine(value), Remove: noRecipe()}
			if f.Name == "release_agent" {
				f.Trigger = "the last process of a control group ends"
			}
			l.Add(f)
		}
	}
}

// calloutCommand is the program a value of the setting starts; "" for the usual value and for those that start none.
func calloutCommand(c callout, value string) string {
	if c.name == "kernel.core_pattern" {
		command, pipe := strings.CutPrefix(value, "|")
		if !pipe {
			return ""
		}
		return command
	}
	if value == "" || value == c.usual || value == "/usr"+c.usual || value == "/usr"+strings.Replace(c.usual, "/sbin/", "/bin/", 1) {
		return ""
	}
	return value
}

// sysctlCallout matches the lines of sysctl.conf(5) that set such a setting to a program.
func sysctlCallout(text string) (name, command string) {
	key, value, ok := strings.Cut(strings.TrimPrefix(text, "-"), "=")
	if !ok {
		return "", ""
	}
	key, value = strings.ReplaceAll(strings.TrimSpace(key), "/", "."), strings.TrimSpace(value)
	for _, c := range callouts() {
		if command := calloutCommand(c, value); c.name == key && command != "" {
			return key, command
		}
	}
	return "", ""
}
