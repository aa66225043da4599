//go:build linux

package sense

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path"
	"strings"

	"github.com/deminer/deminer/internal/host/mountinfo"
)

// errFar: a name leads to a file system that may never answer.
var errFar = errors.New("it is on a file system of a server or a program, which may not answer: what changes there is not seen")

// Limits of finding out what is far.
const (
	maxMounts = 20_000
	maxLinks  = 40
)

// mounts are the mount points of this process: true for those that are far. The root never is: all that runs here lives in it.
type mounts map[string]bool

// readMounts reads /proc/self/mountinfo; of what is mounted over another the last one counts.
func readMounts(list io.Reader) (mounts, error) {
	m := mounts{}
	lines := bufio.NewScanner(list)
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan() && n < maxMounts; n++ {
		if one, ok := mountinfo.Parse(lines.Bytes()); ok && one.Point != "/" {
			m[one.Point] = mountinfo.Far(one.Type)
		}
	}
	return m, lines.Err()
}

func ownMounts() (mounts, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readMounts(f)
}

// leadsFar reports whether a name is on what is far, or leads there by a link. No name on what is far is looked at for it.
func (m mounts) leadsFar(name string) bool {
	at, links := "/", 0
	for rest := strings.Split(path.Clean(name), "/"); len(rest) > 0; {
		next := path.Join(at, rest[0])
		if rest = rest[1:]; m[next] {
			return true
		}
		target, err := os.Readlink(next)
		if err != nil { // no link, or nothing: then nothing is opened
			at = next
			continue
		}
		if links++; links > maxLinks {
			return false // to open it is an error
		}
		if path.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(path.Clean(target), "/"), rest...)
	}
	return false
}
