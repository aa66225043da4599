package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// binfmt is one rule by which the kernel hands a kind of file to an interpreter (Documentation/admin-guide/binfmt-misc.rst).
type binfmt struct {
	name, interpreter, flags, magic string
}

// listBinfmt lists the rules of binfmt_misc, those in force and those that configuration brings at boot.
func listBinfmt(l *Lister) {
	const live = "/proc/sys/fs/binfmt_misc"
	// Without the mount a look at the directory would make an automount load the kernel's module: looking changes nothing.
	mounts, _ := l.Read("/proc/1/mounts")
	var rules []string
	if strings.Contains(mounts, " "+live+" binfmt_misc ") {
		rules = l.Files(live)
	}
	for _, name := range rules {
		base := path.Base(name)
		if base == "register" || base == "status" {
			continue
		}
		text, ok := l.Read(name)
		if !ok {
			continue
		}
		b := binfmt{name: base}
		for line := range strings.Lines(text) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch strings.TrimSuffix(key, ":") {
			case "interpreter":
				b.interpreter = value
			case "flags":
				b.flags = value
			case "magic":
				b.magic = value
			}
		}
		f := b.foothold(name)
		f.Disabled = strings.HasPrefix(text, "disabled")
		f.Remove = []deminer.Action{setting("fs.binfmt_misc."+strings.ReplaceAll(base, ".", "/"), "0")}
		l.Add(f)
	}
	for _, name := range l.Files("/etc/binfmt.d", "/run/binfmt.d", "/usr/local/lib/binfmt.d", "/usr/lib/binfmt.d") {
		for _, line := range l.Lines(name) {
			b, ok := parseBinfmt(line.Text)
			if !ok {
				continue
			}
			f := b.foothold(name)
			f.Line, f.LineNo, f.Odd = deminer.Raw(line.Text), line.No, append(f.Odd, oddLine(line.Text)...)
			f.Remove = []deminer.Action{l.Cut(name, line.Text, line.No, true)}
			l.Add(f)
		}
	}
	for _, name := range l.Files("/var/lib/binfmts", "/usr/share/binfmts") { // update-binfmts(8)
		b := binfmt{name: path.Base(name)}
		for i, line := range l.Lines(name) {
			key, value := cutBlank(strings.TrimSpace(line.Text))
			switch {
			case key == "interpreter":
				b.interpreter = value
			case key == "credentials" && value == "yes":
				b.flags = "C"
			case path.Dir(name) == "/var/lib/binfmts" && i == 5: // package, type, offset, magic, mask, interpreter, one a line
				b.interpreter = strings.TrimSpace(line.Text)
			case path.Dir(name) == "/var/lib/binfmts" && i == 7 && line.Text == "yes": // credentials
				b.flags = "C"
			}
		}
		l.Add(b.foothold(name))
	}
}

// parseBinfmt reads a line of binfmt.d: ":name:type:offset:magic:mask:interpreter:flags", any character may stand for the colon.
func parseBinfmt(line string) (b binfmt, ok bool) {
	text := strings.TrimSpace(line)
	if text == "" || text[0] == '#' || text[0] == ';' {
		return b, false
	}
	f := strings.Split(text[1:], text[:1])
	if len(f) < 7 {
		return b, false
	}
	return binfmt{f[0], f[5], f[6], f[3]}, true
}

func (b binfmt) foothold(name string) deminer.Foothold {
	f := deminer.Foothold{Path: deminer.Raw(name), Name: b.name, Trigger: "start of a program of the kind " + b.name,
		Command: deminer.Raw(b.interpreter), Targets: []string{}}
	if strings.HasPrefix(b.interpreter, "/") {
		f.Targets = []string{path.Clean(b.interpreter)}
	}
	if strings.Contains(b.flags, "C") {
		f.User = "root"
		f.Odd = append(f.Odd, "the interpreter runs with the rights of a set-uid program it is given")
	}
	if m := strings.ToLower(b.magic); (m == "7f454c46" || m == `\x7felf` || m == `\x7f\x45\x4c\x46`) || m == `\x23\x21` || m == "2321" || m == "#!" {
		f.Odd = append(f.Odd, "it catches every program of this kind")
	}
	if why := oddPlace(b.interpreter); why != "" && b.interpreter != "" {
		f.Odd = append(f.Odd, "the interpreter lies "+why)
	}
	return f
}
