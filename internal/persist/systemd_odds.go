package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// confDirs are the directories that hold a kind of systemd's configuration, in falling rank.
func confDirs(sub string) []string {
	return []string{"/etc/" + sub, "/run/" + sub, "/usr/local/lib/" + sub, "/usr/lib/" + sub, "/lib/" + sub}
}

// listSystemdConf lists variables given to every service (systemd-system.conf(5)).
func listSystemdConf(l *Lister) {
	files := []string{"/etc/systemd/system.conf", "/etc/systemd/user.conf", "/usr/lib/systemd/system.conf", "/usr/lib/systemd/user.conf"}
	files = append(files, l.Files(append(confDirs("systemd/system.conf.d"), confDirs("systemd/user.conf.d")...)...)...)
	for _, name := range files {
		if !l.IsFile(name) {
			continue
		}
		for _, d := range parseUnit(name, l.Lines(name)) {
			if d.key != "DefaultEnvironment" && d.key != "ManagerEnvironment" || d.value == "" {
				continue
			}
			l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(d.line.Text), LineNo: d.line.No, Name: d.key, User: "root", Trigger: "with every service",
				Command: deminer.Raw(d.value), Targets: append([]string{}, l.Targets("export "+d.value, "root")...), Odd: oddLine(d.line.Text),
				Remove: []deminer.Action{l.Cut(name, d.line.Text, d.line.No, strings.Contains(name, ".conf.d/")), reload()}})
		}
	}
}

// listTmpfiles lists the lines of tmpfiles.d(5) that make files, links and copies, write into files, or set their flags,
// at boot and once a day.
func listTmpfiles(l *Lister) {
	for _, name := range append(l.Files(confDirs("tmpfiles.d")...), l.Files("/etc/user-tmpfiles.d", "/usr/share/user-tmpfiles.d")...) {
		if !strings.HasSuffix(name, ".conf") {
			continue
		}
		for _, line := range l.Lines(name) {
			f, arg := fieldsThen(line.Text, 6)
			if len(f) < 2 || f[0] == "" || !strings.Contains("fFwCLhHtaA", f[0][:1]) && !setIDMode(f) || !strings.HasPrefix(f[1], "/") {
				continue
			}
			targets := []string{}
			if strings.Contains("LC", f[0][:1]) && strings.HasPrefix(arg, "/") && !l.IsDir(arg) {
				targets = append(targets, path.Clean(arg))
			}
			l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: f[1], User: "root", Trigger: "at boot",
				Command: deminer.Raw(strings.TrimSpace(line.Text)), Targets: targets, Odd: oddLine(line.Text), Remove: []deminer.Action{l.Cut(name, line.Text, line.No, true)}})
		}
	}
}

// setIDMode reports whether a line sets the set-uid or set-gid bit of something that is no directory.
func setIDMode(f []string) bool {
	if len(f) < 3 || strings.Contains("dDvqQeX", f[0][:1]) {
		return false
	}
	mode := strings.TrimLeft(f[2], "~:")
	return len(mode) == 4 && mode[0] >= '2' && mode[0] <= '7' && mode[0] != '1'
}

// listSysusers lists the lines of sysusers.d(5) that make an account with a shell or with the number 0, at boot.
func listSysusers(l *Lister) {
	for _, name := range l.Files(confDirs("sysusers.d")...) {
		if !strings.HasSuffix(name, ".conf") {
			continue
		}
		for _, line := range l.Lines(name) {
			list, _ := words(line.Text, map[string]string{})
			var f []string
			for _, w := range list {
				f = append(f, w.text)
			}
			if len(f) < 3 || f[0] != "u" && f[0] != "u!" || f[1] == "root" {
				continue
			}
			id, _, _ := strings.Cut(f[2], ":")
			shell := f[len(f)-1]
			if len(f) < 6 || strings.HasSuffix(shell, "nologin") || shell == "-" || strings.HasSuffix(shell, "/false") || strings.HasSuffix(shell, "/sync") {
				shell = ""
			}
			if id != "0" && shell == "" {
				continue
			}
			l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: f[1], User: f[1], Trigger: "at boot",
				Technique: "T1136.001", Command: deminer.Raw(line.Text), Targets: []string{}, Odd: oddLine(line.Text), Remove: []deminer.Action{l.Cut(name, line.Text, line.No, true)}})
		}
	}
}

// listPortables lists images and directories of portable services and settings of nspawn containers.
func listPortables(l *Lister) {
	for _, dir := range []string{"/etc/portables", "/var/lib/portables", "/run/portables", "/usr/local/lib/portables", "/etc/systemd/nspawn", "/run/systemd/nspawn"} {
		for _, e := range l.Dir(dir) {
			name := path.Join(dir, e.Name)
			if !slices.Contains([]deminer.FileType{deminer.Regular, deminer.Symlink, deminer.Directory}, e.Type) {
				continue
			}
			f := deminer.Foothold{Path: deminer.Raw(name), Name: e.Name, User: "root", Trigger: "when its services or container start", Targets: []string{}, Odd: oddName(e.Name)}
			if e.Type == deminer.Directory {
				f.Remove = noRecipe()
			}
			l.Add(f)
		}
	}
}
