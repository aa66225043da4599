package pkgdb

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// maxOdd bounds how many signs of one kind are told.
const maxOdd = 50

// slack is how much later than a package's file list its other info files may be written in one run of dpkg.
const slack = time.Hour

// oddities implements database. dpkg writes all info files of a package in one run, the list last; the others keep the
// time of the package's build. So an info file that is newer than the list was changed by hand, as was a list that is
// newer than the status file, which every run of dpkg writes. A digest of a file that is not listed was put there.
func (d *dpkg) oddities(db *DB) []string {
	out := d.lateFiles()
	for i := range db.pkgs {
		p := &db.pkgs[i]
		if db.dbs[p.db] != database(d) || len(out) >= maxOdd {
			continue
		}
		// What cannot be read is a gap, told elsewhere.
		_ = eachLine(d.fs, dpkgInfo+"/"+p.file+".md5sums", func(line string) bool {
			_, name, ok := parseMD5(line)
			if ok && !db.index.has(db.canon(d.place(name, p.name)), uint32(i)) {
				out = append(out, fmt.Sprintf("%s/%s.md5sums has a digest of %s, which the package does not list",
					dpkgInfo, p.file, deminer.Cut(name, 200)))
			}
			return len(out) < maxOdd
		})
	}
	return out
}

func (d *dpkg) lateFiles() []string {
	entries, err := d.fs.ReadDir(dpkgInfo)
	status, err2 := d.fs.Stat(dpkgStatus)
	if err != nil || err2 != nil {
		return nil
	}
	lists := map[string]time.Time{}
	var out []string
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name, ".list")
		if !ok {
			continue
		}
		a, err := d.fs.Lstat(path.Join(dpkgInfo, e.Name))
		if err != nil {
			continue
		}
		lists[base] = a.Mtime
		if a.Mtime.After(status.Mtime.Add(slack)) {
			out = append(out, d.late(e.Name, a.Mtime, "dpkg's last run", status.Mtime))
		}
	}
	for _, e := range entries {
		ext := path.Ext(e.Name)
		list, ok := lists[strings.TrimSuffix(e.Name, ext)]
		if !ok || ext == ".list" {
			continue
		}
		a, err := d.fs.Lstat(path.Join(dpkgInfo, e.Name))
		if err == nil && a.Mtime.After(list.Add(slack)) {
			out = append(out, d.late(e.Name, a.Mtime, "the package's installation", list))
		}
	}
	return out[:min(len(out), maxOdd)]
}

func (d *dpkg) late(name string, at time.Time, what string, then time.Time) string {
	return fmt.Sprintf("%s/%s was changed on %s, after %s on %s", dpkgInfo, deminer.Cut(name, 200),
		at.UTC().Format(time.DateTime), what, then.UTC().Format(time.DateTime))
}
