// Package mountinfo reads the kernel's list of mounts, for eyes and hands alike.
package mountinfo

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
)

// Parse reads a line of /proc/PID/mountinfo, see proc_pid_mountinfo(5); false where it is none. Opts are those of the mount and
// those of the file system, with ";" between. Whoever may mount chose the names: they hold any character.
func Parse(line []byte) (deminer.Mount, bool) {
	// Only these divide: the kernel escapes them in names, and no other blank.
	f := bytes.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' })
	const fixed = 6 // then optional fields, up to a lone hyphen
	at := fixed
	for at < len(f) && string(f[at]) != "-" {
		at++
	}
	if at+1 >= len(f) {
		return deminer.Mount{}, false
	}
	id, err := strconv.ParseUint(string(f[0]), 10, 31)
	if err != nil {
		return deminer.Mount{}, false
	}
	tail := make([][]byte, 3) // type, source, options; the kernel may leave the last ones empty
	copy(tail, f[at+1:])
	return deminer.Mount{
		ID: int(id), Root: unescape(f[3]), Point: unescape(f[4]), Type: unescape(tail[0]), Source: unescape(tail[1]),
		Opts: string(f[5]) + ";" + string(tail[2]),
	}, true
}

// far are types of file systems behind a server, or a program.
var far = map[string]bool{"nfs": true, "nfs4": true, "cifs": true, "smb3": true, "fuse": true, "fuseblk": true, "9p": true, "ceph": true, "afs": true, "autofs": true,
	"glusterfs": true, "lustre": true, "ocfs2": true, "gfs2": true, "beegfs": true, "virtiofs": true}

// Far reports whether what is behind file systems of a type may never answer: to open a file there may hang.
func Far(fstype string) bool {
	family, _, _ := strings.Cut(fstype, ".") // fuse.sshfs
	return far[family]
}

// unescape undoes \040 and its like, which the kernel writes for blanks, newlines and backslashes.
func unescape(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b)
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+3 < len(b) && octal(b[i+1:i+4]) {
			out = append(out, (b[i+1]-'0')<<6|(b[i+2]-'0')<<3|(b[i+3]-'0'))
			i += 3
			continue
		}
		out = append(out, b[i])
	}
	return string(out)
}

func octal(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '7' {
			return false
		}
	}
	return b[0] <= '3'
}
