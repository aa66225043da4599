package live

import (
	"bytes"
	"errors"
	"strconv"
)

// userHZ is the unit of the times in /proc: USER_HZ, 100 on every machine Go runs on (asm-generic/param.h).
const userHZ = 100

// kernelThread is PF_KTHREAD of linux/sched.h, in the flags of /proc/PID/stat. A program cannot set it.
const kernelThread = 0x00200000

var (
	errShort  = errors.New("text ends early")
	errSyntax = errors.New("text is not what the kernel writes")
)

// stat is what deminer reads of /proc/PID/stat, see proc_pid_stat(5). Times are in ticks of 1/100 second.
type stat struct {
	pid     int
	comm    string
	state   byte
	ppid    int
	session int
	tty     int
	flags   uint64
	cpu     uint64 // user + system
	reaped  uint64 // user + system of the children that were waited for
	nice    int
	threads int
	start   uint64
	pages   uint64 // resident
	policy  int
}

// parseStat reads one line of stat. The name in brackets is the process's own choice and may hold brackets, blanks and
// newlines, so it ends at the last closing bracket.
func parseStat(b []byte) (stat, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return stat{}, errSyntax
	}
	s := stat{comm: string(b[open+1 : end])}
	pid, ok := number(bytes.TrimSpace(b[:open]))
	if !ok {
		return stat{}, errSyntax
	}
	s.pid = int(pid)
	rest := b[end+1:]
	for field := 3; field <= 41; field++ {
		var word []byte
		if word, rest = nextWord(rest); len(word) == 0 {
			if field > 24 {
				break // an old kernel has fewer fields
			}
			return stat{}, errShort
		}
		if !s.set(field, word) {
			return stat{}, errSyntax
		}
	}
	return s, nil
}

// set stores one field, counted from 1 as in the manual page.
func (s *stat) set(field int, word []byte) bool {
	if field == 3 {
		s.state = word[0]
		return len(word) == 1
	}
	n, ok := signed(word)
	switch field {
	case 4:
		s.ppid = int(n)
	case 6:
		s.session = int(n)
	case 7:
		s.tty = int(n)
	case 9:
		s.flags = uint64(n)
	case 14, 15:
		s.cpu += uint64(n)
	case 16, 17:
		s.reaped += uint64(n)
	case 19:
		s.nice = int(n)
	case 20:
		s.threads = int(n)
	case 22:
		s.start = uint64(n)
	case 24:
		s.pages = uint64(max(n, 0))
	case 41:
		s.policy = int(n)
	default:
		return true
	}
	return ok
}

// nextWord cuts the next word off b; words are parted by blanks.
func nextWord(b []byte) (word, rest []byte) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n') {
		i++
	}
	b = b[i:]
	for i = 0; i < len(b) && b[i] != ' ' && b[i] != '\t' && b[i] != '\n'; i++ {
	}
	return b[:i], b[i:]
}

// number reads an unsigned decimal number that fills b.
func number(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b), 10, 64)
	return n, err == nil
}

// signed reads a decimal number that may have a sign; beyond 63 bits it wraps, as unsigned fields do in C.
func signed(b []byte) (int64, bool) {
	if len(b) > 1 && b[0] == '-' {
		n, ok := number(b[1:])
		return -int64(n), ok
	}
	n, ok := number(b)
	return int64(n), ok
}
