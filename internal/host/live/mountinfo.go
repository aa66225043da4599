package live

import (
	"bytes"

	"github.com/deminer/deminer"
)

// Limits on mountinfo: hosts of many containers have thousands of lines.
const (
	maxMountinfo = 8 << 20
	maxMounts    = 20000
)

// parseMountinfo reads /proc/PID/mountinfo, see proc_pid_mountinfo(5). Lines it cannot read are left out.
func parseMountinfo(b []byte) []deminer.Mount {
	var out []deminer.Mount
	for line := range bytes.Lines(b) {
		if m, ok := parseMount(line); ok && len(out) < maxMounts {
			out = append(out, m)
		}
	}
	return out
}

func parseMount(line []byte) (deminer.Mount, bool) {
	var f [6][]byte
	rest := line
	for i := range f {
		f[i], rest = nextWord(rest)
	}
	// Optional fields follow up to a lone hyphen.
	var word []byte
	for string(word) != "-" {
		if word, rest = nextWord(rest); len(word) == 0 {
			return deminer.Mount{}, false
		}
	}
	kind, rest := nextWord(rest)
	source, rest := nextWord(rest)
	super, _ := nextWord(rest)
	id, ok := number(f[0])
	if !ok || len(kind) == 0 {
		return deminer.Mount{}, false
	}
	return deminer.Mount{
		ID: int(id), Root: unescape(f[3]), Point: unescape(f[4]), Type: unescape(kind), Source: unescape(source),
		Opts: string(f[5]) + ";" + string(super),
	}, true
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
