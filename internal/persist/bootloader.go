package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// listBootLoader lists the words of kernel command lines that choose what runs first or switch a defence off, and the
// scripts that write the boot loader's configuration.
func listBootLoader(l *Lister) {
	listFiles(l, []fileRule{{files: []string{"/etc/grub.d/*"}, user: "root", trigger: "the boot loader's configuration is written", exec: true, except: notRun}})
	for _, name := range l.Glob("/etc/default/grub", "/etc/default/grub.d/*.cfg", "/etc/kernel/cmdline", "/etc/kernel/cmdline.d/*", "/boot/cmdline.txt", "/boot/firmware/cmdline.txt",
		"/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/boot/grub/grub.conf", "/boot/grub/menu.lst", "/boot/grub/custom.cfg", "/boot/efi/EFI/*/grub.cfg", "/boot/loader/entries/*.conf",
		"/boot/efi/loader/entries/*.conf", "/efi/loader/entries/*.conf", "/boot/extlinux/extlinux.conf", "/boot/syslinux/syslinux.cfg", "/extlinux.conf", "/etc/lilo.conf") {
		if l.IsFile(name) {
			bootWords(l, name)
		}
	}
}

// bootWords lists each telling word of each line; removal takes the one word out of its line.
func bootWords(l *Lister, name string) {
	for _, line := range l.Lines(name) {
		text := strings.TrimSpace(line.Text)
		if text == "" || text[0] == '#' {
			continue
		}
		if strings.HasPrefix(name, "/etc/default/") && (strings.Contains(text, "$(") || strings.Contains(text, "`")) && !strings.HasPrefix(text, "GRUB_DISTRIBUTOR=") {
			_, value, _ := strings.Cut(text, "=")
			l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: "command", User: "root",
				Trigger: "the boot loader's configuration is written", Command: deminer.Raw(unquote(value)), Odd: oddLine(line.Text)})
		}
		words := slices.DeleteFunc(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\t' || r == '"' || r == '\'' }), plainWord)
		for _, w := range words[:l.share(name, line.Text, len(words))] {
			odd, runs := bootWord(w)
			f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Part: w, Name: w, User: "root", Trigger: "boot",
				Command: deminer.Raw(runs), Targets: []string{}, Odd: oddLine(line.Text), Remove: []deminer.Action{l.Edit(l.Real(name), line.Text, withoutWord(line.Text, w), line.No)}}
			if strings.HasPrefix(runs, "/") {
				f.Targets = []string{path.Clean(runs)}
			}
			if odd != "" {
				f.Odd = append(f.Odd, odd)
			}
			l.Add(f)
		}
	}
}

// plainWord reports whether a word of the command line is of no interest.
func plainWord(w string) bool {
	odd, runs := bootWord(w)
	return odd == "" && runs == ""
}

// bootWord says what a word of the kernel command line switches off, or which program or unit it starts.
func bootWord(w string) (odd, runs string) {
	key, value, _ := strings.Cut(w, "=")
	switch key {
	case "init", "rdinit", "systemd.run", "systemd.wants", "rd.systemd.wants", "systemd.debug_shell", "modules_load", "rd.driver.pre", "rd.driver.post", "systemd.setenv":
		switch value {
		case "/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd", "/bin/systemd":
			return "", ""
		}
		return "", strings.TrimSpace(value + " ")
	}
	switch w {
	case "selinux=0", "apparmor=0", "audit=0", "security=none", "enforcing=0":
		return "switches a defence off", ""
	case "module.sig_enforce=0", "lockdown=none", "nokaslr", "ima_appraise=off":
		return "lets changed kernel code in", ""
	case "mitigations=off":
		return "switches protection of the processor off", ""
	case "rd.break", "single", "emergency", "systemd.unit=emergency.target", "systemd.unit=rescue.target":
		return "boots into a shell", ""
	}
	return "", ""
}

// withoutWord takes one word out of a line, with a blank beside it.
func withoutWord(line, w string) string {
	for _, c := range []struct{ old, by string }{{" " + w + " ", " "}, {`"` + w + " ", `"`}, {" " + w + `"`, `"`}, {`'` + w + " ", `'`}, {" " + w + `'`, `'`}} {
		if strings.Contains(line, c.old) {
			return strings.Replace(line, c.old, c.by, 1)
		}
	}
	if rest, ok := strings.CutSuffix(line, " "+w); ok {
		return rest
	}
	return strings.Replace(line, w, "", 1)
}
