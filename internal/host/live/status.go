package live

import (
	"bytes"
	"strconv"
)

// status is what deminer reads of /proc/PID/status, see proc_pid_status(5).
type status struct {
	tgid      int
	tracer    int
	uid, euid uint32
	gid       uint32
	hugetlb   uint64 // bytes
	capEff    uint64
	voluntary uint64
}

// parseStatus reads the lines it knows; a name with newlines cannot fake one, because the kernel escapes newlines in
// "Name:", which is the first line in any case and is skipped.
func parseStatus(b []byte) status {
	var s status
	for line := range bytes.Lines(b) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		first, rest := nextWord(value)
		switch string(key) {
		case "Tgid":
			s.tgid = int(unsigned(first))
		case "TracerPid":
			s.tracer = int(unsigned(first))
		case "Uid":
			second, _ := nextWord(rest)
			s.uid, s.euid = uint32(unsigned(first)), uint32(unsigned(second))
		case "Gid":
			s.gid = uint32(unsigned(first))
		case "HugetlbPages":
			s.hugetlb = unsigned(first) << 10
		case "CapEff":
			s.capEff, _ = strconv.ParseUint(string(first), 16, 64)
		case "voluntary_ctxt_switches":
			s.voluntary = unsigned(first)
		}
	}
	return s
}

// unsigned is number with 0 for what is not a number.
func unsigned(b []byte) uint64 {
	n, _ := number(b)
	return n
}

// ioCounts is /proc/PID/io, in bytes.
type ioCounts struct{ rchar, wchar, read, write uint64 }

func parseIO(b []byte) ioCounts {
	var c ioCounts
	for line := range bytes.Lines(b) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		n := unsigned(bytes.TrimSpace(value))
		switch string(key) {
		case "rchar":
			c.rchar = n
		case "wchar":
			c.wchar = n
		case "read_bytes":
			c.read = n
		case "write_bytes":
			c.write = n
		}
	}
	return c
}

// parseStrings splits what /proc/PID/cmdline or environ holds: strings that end in NUL. A program that wrote its own
// title may have left many NULs at the end; they are dropped.
func parseStrings(b []byte) []string {
	b = bytes.TrimRight(b, "\x00")
	if len(b) == 0 {
		return nil
	}
	text := string(b)
	out := make([]string, 0, bytes.Count(b, []byte{0})+1)
	for start, i := 0, 0; i <= len(text); i++ {
		if i == len(text) || text[i] == 0 {
			out = append(out, text[start:i])
			start = i + 1
		}
	}
	return out
}
