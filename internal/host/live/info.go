package live

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/deminer/deminer"
)

// osRelease is what os-release(5) says of the distribution.
type osRelease struct {
	pretty string
	like   []string
}

func parseOSRelease(b []byte) osRelease {
	var r osRelease
	var id, name, like string
	for line := range bytes.Lines(b) {
		key, value, ok := strings.Cut(strings.TrimSpace(string(line)), "=")
		if !ok {
			continue
		}
		value = unquote(value)
		switch key {
		case "PRETTY_NAME":
			r.pretty = value
		case "NAME":
			name = value
		case "ID":
			id = value
		case "ID_LIKE":
			like = value
		}
	}
	if r.pretty == "" {
		r.pretty = name
	}
	r.like = strings.Fields(id + " " + like)
	return r
}

// unquote takes the quotes of the shell off a value.
func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' {
		return s
	}
	quote := s[0]
	s = s[1 : len(s)-1]
	if quote == '\'' {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte("\"$`\\", s[i+1]) >= 0 {
			i++
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// firstLine is the first line of a file, without blanks around it.
func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return strings.TrimSpace(string(line))
}

// hostID is the machine-id, or a hash of name and root where there is none.
func hostID(machine []byte, name, root string) string {
	id := firstLine(machine)
	if len(id) == 32 && isHex(id) {
		return id
	}
	sum := sha256.Sum256([]byte(name + "\x00" + root))
	return hex.EncodeToString(sum[:16])
}

// zoneName takes the name of the time zone from the link /etc/localtime, or from Debian's /etc/timezone.
func zoneName(link string, timezone []byte) string {
	if _, name, ok := strings.Cut(link, "zoneinfo/"); ok && link != "" {
		return name
	}
	return firstLine(timezone)
}

// parseMemTotal reads the size of memory in bytes from /proc/meminfo.
func parseMemTotal(b []byte) uint64 {
	for line := range bytes.Lines(b) {
		key, rest := nextWord(line)
		if string(key) == "MemTotal:" {
			value, _ := nextWord(rest)
			return unsigned(value) << 10
		}
	}
	return 0
}

// isLab reports whether the marker file names a host on which imitations may be run.
func isLab(marker []byte) bool { return firstLine(marker) == deminer.Marker }
