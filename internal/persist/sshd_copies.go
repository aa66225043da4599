package persist

import (
	"path"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// listSSHDCopies lists links to, and copies of, sshd in places where anybody may put files: started under another name,
// sshd reads the PAM rules of that name, and "su" lets root in without a password.
func listSSHDCopies(l *Lister) {
	const sshd = "/usr/sbin/sshd"
	want, err := l.Host.FS.Stat(sshd)
	if err != nil {
		l.Fail(sshd, err)
		return
	}
	real := l.Real(sshd)
	l.walk(dropPlaces(l), func(name string, e host.Entry, attr func() (deminer.Attr, error)) {
		f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: "root", Trigger: "started by hand or by another foothold", Targets: []string{real}}
		switch {
		case e.Type == deminer.Symlink && l.Real(name) == real:
			f.Odd = []string{"a link to " + sshd}
		case e.Type == deminer.Regular:
			a, err := attr()
			if err != nil || a.Size != want.Size || a.Size == 0 || !sameContent(l, name, real) {
				return
			}
			f.Odd = []string{"a copy of " + sshd}
		default:
			return
		}
		l.Add(f)
	})
}

// sameContent compares two files, at most [maxProgram] bytes.
func sameContent(l *Lister, a, b string) bool {
	x, err1 := l.Host.FS.Open(a)
	if err1 != nil {
		return false
	}
	defer x.Close()
	y, err2 := l.Host.FS.Open(b)
	if err2 != nil {
		return false
	}
	defer y.Close()
	p, q := make([]byte, 64<<10), make([]byte, 64<<10)
	for at := int64(0); at < maxProgram; at += int64(len(p)) {
		n, e1 := x.ReadAt(p, at)
		m, e2 := y.ReadAt(q, at)
		if n != m || string(p[:n]) != string(q[:m]) {
			return false
		}
		if e1 != nil || e2 != nil {
			return n < len(p)
		}
	}
	return false
}
