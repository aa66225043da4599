package live

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
)

// Limits of what is kept of a process's memory, see deminer.Memory.
const (
	maxLarge  = 256
	maxLibs   = 512
	largeSize = 64 << 20
	// scratchpad is RANDOMX_SCRATCHPAD_L3 of RandomX's configuration.h: 2 MiB for each mining thread.
	scratchpad = 2 << 20
	// threadStack is the usual size of a thread's stack (ulimit -s of 8 MiB), which is no row of scratchpads.
	threadStack = 8 << 20
)

// mapping is one line of /proc/PID/maps.
type mapping struct {
	start, end uint64
	perms      string
	inode      uint64
	path       string
}

// parseMapping reads a line like "7f00-7f10 rw-p 00000000 08:01 1234  /path"; see proc_pid_maps(5). Newlines in paths
// come as \012, so a line is a line.
func parseMapping(line []byte) (mapping, bool) {
	var m mapping
	span, rest := nextWord(line)
	from, to, ok := bytes.Cut(span, []byte("-"))
	if !ok {
		return m, false
	}
	var err1, err2 error
	m.start, err1 = strconv.ParseUint(string(from), 16, 64)
	m.end, err2 = strconv.ParseUint(string(to), 16, 64)
	if err1 != nil || err2 != nil || m.end < m.start {
		return m, false
	}
	perms, rest := nextWord(rest)
	if len(perms) != 4 {
		return m, false
	}
	m.perms = permsOf(perms)
	_, rest = nextWord(rest) // offset
	_, rest = nextWord(rest) // device
	inode, rest := nextWord(rest)
	if m.inode, ok = number(inode); !ok {
		return m, false
	}
	m.path = string(bytes.TrimSuffix(bytes.TrimLeft(rest, " "), []byte("\n")))
	return m, true
}

// permsOf saves an allocation for the usual ones.
func permsOf(b []byte) string {
	for _, p := range [...]string{"r--p", "r-xp", "rw-p", "---p", "rwxp", "r--s", "rw-s"} {
		if string(b) == p {
			return p
		}
	}
	return string(b)
}

func (m mapping) size() uint64 { return m.end - m.start }

// huge reports a mapping that MAP_HUGETLB made; the kernel shows it as a deleted file of this name.
func (m mapping) huge() bool { return strings.HasPrefix(m.path, "/anon_hugepage") }

// anonymous reports memory that has no file behind it; names in brackets that the program chose count as none.
func (m mapping) anonymous() bool {
	switch {
	case m.path == "", m.path == "[heap]", strings.HasPrefix(m.path, "[anon"), m.huge():
		return true
	}
	return strings.HasPrefix(m.path, "/dev/zero (deleted)") || strings.HasPrefix(m.path, "/memfd:")
}

// shape gathers deminer.Memory from mappings one by one.
type shape struct {
	mem     deminer.Memory
	exe     string
	threads int
	last    string // the library seen last
	seen    map[string]bool
}

// parseMaps reads /proc/PID/maps. exe is the program's own path, which is no library; threads is its thread count.
func parseMaps(b []byte, exe string, threads int) *deminer.Memory {
	s := shape{exe: exe, threads: threads}
	for line := range bytes.Lines(b) {
		if m, ok := parseMapping(line); ok {
			s.add(m)
		}
	}
	return &s.mem
}

func (s *shape) add(m mapping) {
	s.mem.Mappings++
	exec, write := m.perms[2] == 'x', m.perms[1] == 'w'
	if !m.anonymous() {
		if m.path[0] == '/' {
			s.mem.FileBytes += m.size()
		}
		if exec && m.path[0] == '/' {
			s.library(m.path)
		}
		return
	}
	if exec {
		s.mem.AnonExec++
		s.mem.AnonExecBytes += m.size()
	}
	if m.size() >= largeSize && len(s.mem.Large) < maxLarge {
		s.mem.Large = append(s.mem.Large, deminer.Region{
			Start: m.start, Size: m.size(), Perms: m.perms, Path: m.path, Huge: m.huge(),
		})
	}
	if write && !exec {
		s.mem.Scratch2M += s.scratchpads(m.size())
	}
}

// scratchpads says how many RandomX scratchpads a region may be: one of exactly 2 MiB; or a row of them, one for most of
// the threads. The kernel joins neighbours, so a row is common.
func (s *shape) scratchpads(size uint64) int {
	if size == scratchpad {
		return 1
	}
	if size%scratchpad != 0 || size == threadStack || size/scratchpad > 4096 {
		return 0
	}
	n := int(size / scratchpad)
	if n >= 2 && n <= s.threads && 2*n >= s.threads {
		return n
	}
	return 0
}

func (s *shape) library(path string) {
	if path == s.last || strings.TrimSuffix(path, " (deleted)") == s.exe || len(s.mem.Libs) >= maxLibs {
		return
	}
	s.last = path
	if s.seen == nil {
		s.seen = make(map[string]bool)
	}
	if !s.seen[path] {
		s.seen[path] = true
		s.mem.Libs = append(s.mem.Libs, path)
	}
}

// parseSmaps adds resident sizes and the kind of pages to the large regions; see proc_pid_smaps(5).
func parseSmaps(b []byte, mem *deminer.Memory) {
	var at *deminer.Region
	byStart := make(map[uint64]*deminer.Region, len(mem.Large))
	for i := range mem.Large {
		byStart[mem.Large[i].Start] = &mem.Large[i]
	}
	for line := range bytes.Lines(b) {
		key, rest := nextWord(line)
		if len(key) > 0 && key[len(key)-1] != ':' {
			if m, ok := parseMapping(line); ok {
				at = byStart[m.start]
			}
			continue
		}
		if at == nil {
			continue
		}
		value, _ := nextWord(rest)
		switch string(key) {
		case "Rss:":
			at.Rss = max(at.Rss, unsigned(value)<<10)
		case "Private_Hugetlb:", "Shared_Hugetlb:":
			if n := unsigned(value) << 10; n > 0 {
				at.Huge = true
				at.Rss += n
			}
		}
	}
}
