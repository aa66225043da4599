package pkgdb

import (
	"encoding/base64"
	"io"
	"path"
	"strings"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

var apkFiles = []string{"/lib/apk/db/installed", "/usr/lib/apk/db/installed"}

// apk is the database of Alpine: one text file of entries, each line a letter, a colon and a value.
type apk struct {
	fs   host.FS
	name string
}

func (a *apk) load(l *loader) {
	f, err := a.fs.Open(a.name)
	if err != nil {
		l.gap(deminer.Failed, a.name, err.Error())
		return
	}
	defer f.Close()
	whole, err := parseAPK(io.LimitReader(f, 256<<20), apkVisitor{
		pkg:  l.pkg,
		file: func(it item) bool { l.path(it.path); return true },
	})
	if err != nil || !whole {
		l.gap(deminer.Partial, a.name, because("it ends in the middle of an entry", err))
	}
}

func (a *apk) items(p *pkg, see func(item) bool) error {
	f, err := a.fs.Open(a.name)
	if err != nil {
		return err
	}
	defer f.Close()
	first := true
	_, err = parseAPK(io.NewSectionReader(f, int64(p.ref), maxRecord), apkVisitor{
		pkg:  func(pkg) bool { defer func() { first = false }(); return first },
		file: func(it item) bool { return it.sum == nil || see(it) },
	})
	return err
}

// age implements database; apk keeps no time of installation.
func (a *apk) age(*pkg) time.Time { return time.Time{} }

func (a *apk) oddities(*DB) []string { return nil }

// apkVisitor is told of packages and of the files of the last one; false stops.
type apkVisitor struct {
	pkg  func(pkg) bool
	file func(item) bool
}

// parseAPK reads P (name), V (version), F (directory), R (file in it) and Z (its digest). whole is false where the last
// entry has no end.
func parseAPK(r io.Reader, v apkVisitor) (whole bool, err error) {
	var (
		off, start int64
		name, dir  string
		begun, has bool // an entry, and the name of its package
		last       item
	)
	flush := func() bool {
		it := last
		last = item{}
		return it.path == "" || v.file(it)
	}
	whole = true
	err = lines(r, func(line string, size int) bool {
		at := off
		off += int64(size)
		if line == "" {
			more := flush()
			begun, has, whole, dir, name = false, false, true, "", ""
			return more
		}
		if !begun {
			begun, whole, start = true, false, at
		}
		if len(line) < 2 || line[1] != ':' {
			return true
		}
		if !has && line[0] != 'P' && line[0] != 'V' {
			return true
		}
		value := line[2:]
		switch line[0] {
		case 'P':
			name = value
		case 'V': // follows P
			has = true
			return v.pkg(pkg{name: name, version: value, ref: uint64(start)})
		case 'F':
			more := flush()
			dir = "/" + value
			return more && v.file(item{path: dir})
		case 'R':
			more := flush()
			last = item{path: path.Join("/", dir, value), config: strings.HasPrefix(dir, "/etc")}
			return more
		case 'Z':
			last.algo, last.sum = apkSum(value)
		}
		return true
	})
	if err == nil && begun {
		flush()
	}
	return whole, err
}

// apkSum reads "Q1" and a base64 SHA-1, or "Q2" and a base64 SHA-256.
func apkSum(s string) (algo, []byte) {
	if len(s) < 2 {
		return 0, nil
	}
	sum, err := base64.StdEncoding.DecodeString(s[2:])
	switch {
	case err != nil:
	case s[:2] == "Q1" && len(sum) == 20:
		return algoSHA1, sum
	case s[:2] == "Q2" && len(sum) == 32:
		return algoSHA256, sum
	}
	return 0, nil
}
