package pkgdb

import (
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

const (
	dpkgStatus     = "/var/lib/dpkg/status"
	dpkgInfo       = "/var/lib/dpkg/info"
	dpkgDiversions = "/var/lib/dpkg/diversions"
	maxStanza      = 4 << 20
	maxStatus      = 1 << 30 // a desktop's status file is about 10 MiB
)

// dpkg is the database of Debian and its relatives (dpkg(1), deb-md5sums(5)).
type dpkg struct {
	fs     host.FS
	divert map[string]diversion // by the path as packages list it
}

// openDpkg gives nil where there is no dpkg database with at least a byte in it.
func openDpkg(fsys host.FS) *dpkg {
	a, err := fsys.Stat(dpkgStatus)
	if err != nil || !a.IsRegular() || a.Size == 0 {
		return nil
	}
	return &dpkg{fs: fsys}
}

func (d *dpkg) load(l *loader) {
	text, err := host.ReadFile(d.fs, dpkgDiversions, 8<<20)
	if err != nil && !missing(err) {
		l.gap(deminer.Partial, dpkgDiversions, err.Error())
	}
	d.divert = parseDiversions(text)
	lists := map[string]bool{} // base name -> a package has it
	entries, err := d.fs.ReadDir(dpkgInfo)
	if err != nil {
		l.gap(deminer.Failed, dpkgInfo, err.Error())
	}
	for _, e := range entries {
		if base, ok := strings.CutSuffix(e.Name, ".list"); ok {
			lists[base] = false
		}
	}
	f, err := d.fs.Open(dpkgStatus)
	if err != nil {
		l.gap(deminer.Failed, dpkgStatus, err.Error())
		return
	}
	defer f.Close()
	whole, err := parseStatus(io.LimitReader(f, maxStatus), func(s stanza) bool { return d.add(l, s, lists) })
	if err != nil || !whole {
		l.gap(deminer.Partial, dpkgStatus, because("it ends in the middle of an entry", err))
	}
	d.orphans(l, lists)
}

func because(why string, err error) string {
	if err != nil {
		return err.Error()
	}
	return why
}

// add takes one package of the status file and the paths it lists.
func (d *dpkg) add(l *loader, s stanza, lists map[string]bool) bool {
	if s.state == "" || s.state == "not-installed" || s.name == "" || strings.ContainsAny(s.name, "/") {
		return true
	}
	base := s.name + ":" + s.arch
	if _, ok := lists[base]; !ok {
		base = s.name
	}
	_, listed := lists[base]
	lists[base] = true
	if !l.pkg(pkg{name: s.name, version: s.version, ref: uint64(s.offset), file: base}) {
		return false
	}
	if !listed {
		if s.state != "config-files" {
			l.gap(deminer.Partial, dpkgInfo+"/"+base+".list", "the file list of an installed package is missing")
		}
		return true
	}
	name := dpkgInfo + "/" + base + ".list"
	err := eachLine(d.fs, name, func(line string) bool {
		if strings.HasPrefix(line, "/") {
			l.path(d.place(line, s.name))
		}
		return !l.full
	})
	if err != nil {
		l.gap(deminer.Partial, name, err.Error())
	}
	return true
}

// orphans judges file lists of packages that the status file does not name. Many mean that the status file was cut; a
// few mean that somebody put them there, so they count for nothing.
func (d *dpkg) orphans(l *loader, lists map[string]bool) {
	var names []string
	for base, known := range lists {
		if !known {
			names = append(names, base)
		}
	}
	if len(names) > 5 && len(names)*20 > len(lists) {
		l.gap(deminer.Partial, dpkgStatus, fmt.Sprintf("%d of %d file lists belong to packages it does not name", len(names), len(lists)))
		return
	}
	for _, base := range names {
		l.db.odd = append(l.db.odd, fmt.Sprintf("%s/%s.list lists files of a package that %s does not name", dpkgInfo, base, dpkgStatus))
	}
}

// place gives where a file that a package lists really lies, diversions considered.
func (d *dpkg) place(name, pkg string) string {
	if v, ok := d.divert[name]; ok && v.by != pkg {
		return v.to
	}
	return name
}

// items implements database: md5sums of the package, and of the configuration files from its status.
func (d *dpkg) items(p *pkg, see func(item) bool) error {
	more := true
	err := eachLine(d.fs, dpkgInfo+"/"+p.file+".md5sums", func(line string) bool {
		if sum, name, ok := parseMD5(line); ok {
			more = see(item{path: d.place(name, p.name), algo: algoMD5, sum: sum})
		}
		return more
	})
	if err != nil && !missing(err) || !more {
		return err
	}
	f, err := d.fs.Open(dpkgStatus)
	if err != nil {
		return err
	}
	defer f.Close()
	var found stanza
	_, err = parseStatus(io.NewSectionReader(f, int64(p.ref), maxStanza), func(s stanza) bool { found = s; return false })
	if err != nil || found.name != p.name {
		return err
	}
	for _, c := range found.conffiles {
		if !see(item{path: d.place(c.path, p.name), algo: algoMD5, sum: c.sum, config: true}) {
			break
		}
	}
	return nil
}

func (d *dpkg) age(p *pkg) time.Time {
	a, err := d.fs.Lstat(path.Join(dpkgInfo, p.file+".list"))
	if err != nil {
		return time.Time{}
	}
	return a.Mtime
}
