package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// listLdConf lists the directories that ld.so.conf adds to the search for libraries (ldconfig(8)).
func listLdConf(l *Lister) {
	first := append([]string{"/etc/ld.so.conf"}, l.Glob("/etc/ld.so.conf.d/*.conf", "/etc/ld-musl-*.path")...)
	l.Included(first, func(name string) (more []string) {
		for _, line := range l.Lines(name) {
			text, _, _ := strings.Cut(line.Text, "#")
			word, rest := cutBlank(strings.TrimSpace(text))
			if word == "include" {
				for p := range strings.FieldsSeq(rest) {
					if !strings.HasPrefix(p, "/") {
						p = path.Join(path.Dir(name), p)
					}
					more = append(more, l.Glob(p)...)
				}
				continue
			}
			dirs := strings.FieldsFunc(text, isPreloadBlank)
			for _, dir := range dirs[:l.share(name, line.Text, len(dirs))] {
				if strings.HasPrefix(dir, "/") {
					addLibDir(l, name, line, dir, len(dirs) > 1)
				}
			}
		}
		return more
	})
}

func addLibDir(l *Lister, name string, line Line, dir string, several bool) {
	f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: dir, User: "every user",
		Trigger: "start of a program that needs a library found in " + dir, Targets: []string{}, Odd: oddLine(line.Text),
		Remove: []deminer.Action{l.Cut(name, line.Text, line.No, path.Base(path.Dir(name)) == "ld.so.conf.d")}}
	if several {
		f.Part = dir
		f.Remove = []deminer.Action{l.Edit(name, line.Text, dropWord(line.Text, dir), line.No)}
	}
	if why := oddPlace(dir); why != "" {
		f.Odd = append(f.Odd, why)
	}
	a, err := l.Host.FS.Stat(dir)
	switch {
	case err != nil:
		f.Disabled = true
	case a.Mode&0o002 != 0 || a.UID != 0:
		f.Odd = append(f.Odd, "others than root may write to the directory")
	}
	l.Add(f)
}
