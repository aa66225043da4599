package pkgdb

import (
	"bufio"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/deminer/deminer/internal/host"
)

// maxLine bounds one line of a text database; a longer one is passed over. Paths are at most 4096 bytes, Depends lines
// of Debian reach about 5000.
const maxLine = 64 << 10

// stanza is what one entry of the status file says (deb-control(5), dpkg's status file).
type stanza struct {
	name, arch, version string
	state               string // third word of Status
	offset              int64  // of its first byte
	conffiles           []conffile
}

type conffile struct {
	path string
	sum  []byte
}

// parseStatus gives the entries one by one until see returns false. whole is false where the last entry has no end.
func parseStatus(r io.Reader, see func(stanza) bool) (whole bool, err error) {
	var s stanza
	var off int64
	begun, inConf := false, false
	whole = true
	err = lines(r, func(line string, size int) bool {
		start := off
		off += int64(size)
		if line == "" {
			more := !begun || see(s)
			s, begun, inConf, whole = stanza{}, false, false, true
			return more
		}
		if !begun {
			s.offset, begun, whole = start, true, false
		}
		if line[0] == ' ' {
			if inConf && len(s.conffiles) < maxFiles {
				s.conf(line)
			}
			return true
		}
		inConf = s.field(line)
		return true
	})
	if begun && err == nil && s.version != "" { // the last entry of a file without a blank line at its end
		see(s)
	}
	return whole, err
}

// field takes one "Key: value" line and reports whether lines of conffiles follow.
func (s *stanza) field(line string) (conffiles bool) {
	key, value, ok := strings.Cut(line, ":")
	if !ok {
		return false
	}
	value = strings.TrimSpace(value)
	switch key {
	case "Package":
		s.name = strings.Clone(value)
	case "Architecture":
		s.arch = strings.Clone(value)
	case "Version":
		s.version = strings.Clone(value)
	case "Status":
		if w := strings.Fields(value); len(w) == 3 {
			s.state = strings.Clone(w[2])
		}
	case "Conffiles":
		return true
	}
	return false
}

// conf takes one line " PATH MD5 [obsolete] [remove-on-upgrade]"; "newconffile" stands for a digest not known yet.
func (s *stanza) conf(line string) {
	w := strings.Fields(line)
	if len(w) < 2 || !strings.HasPrefix(w[0], "/") {
		return
	}
	if sum, err := hex.DecodeString(w[1]); err == nil && len(sum) == 16 {
		s.conffiles = append(s.conffiles, conffile{strings.Clone(w[0]), sum})
	}
}

// parseMD5 reads a line "MD5  path/without/leading/slash".
func parseMD5(line string) (sum []byte, name string, ok bool) {
	if len(line) < 35 || line[32] != ' ' {
		return nil, "", false
	}
	sum, err := hex.DecodeString(line[:32])
	name = strings.TrimPrefix(strings.TrimPrefix(line[34:], "./"), "/")
	return sum, "/" + name, err == nil && name != ""
}

// diversion says that files at a path, of all packages but one, lie elsewhere (dpkg-divert(1)).
type diversion struct{ to, by string }

// parseDiversions reads groups of three lines: from, to, package or ":" for a local one.
func parseDiversions(text []byte) map[string]diversion {
	out := map[string]diversion{}
	w := strings.Split(string(text), "\n")
	for ; len(w) >= 3 && len(out) < maxFiles; w = w[3:] {
		if strings.HasPrefix(w[0], "/") && strings.HasPrefix(w[1], "/") {
			out[w[0]] = diversion{w[1], w[2]}
		}
	}
	return out
}

// eachLine gives the lines of a file until see returns false.
func eachLine(fsys host.FS, name string, see func(line string) bool) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return lines(io.LimitReader(f, maxRecord), func(line string, _ int) bool { return see(line) })
}

// lineReaders are kept: a database is a thousand small files.
var lineReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 32<<10) }}

// lines gives lines without their end, and their size with it. A line that is too long is given cut; see must clone
// what it keeps of a line only to save memory: the string is its own.
func lines(r io.Reader, see func(line string, size int) bool) error {
	b := lineReaders.Get().(*bufio.Reader)
	b.Reset(r)
	defer func() {
		b.Reset(nil)
		lineReaders.Put(b)
	}()
	var long []byte // the beginning of a line that is longer than the buffer
	for size := 0; ; {
		chunk, err := b.ReadSlice('\n')
		size += len(chunk)
		line := chunk
		if size > len(chunk) || errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, chunk[:min(len(chunk), maxLine-len(long))]...)
			line = long
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == io.EOF:
			if size > 0 {
				see(strings.TrimSuffix(string(line), "\n"), size)
			}
			return nil
		case err != nil:
			return err
		}
		if !see(strings.TrimSuffix(string(line), "\n"), size) {
			return nil
		}
		long, size = long[:0], 0
	}
}
