package history

import (
	"encoding/binary"
	"path"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
)

// The index of a block is a Bloom filter over the keys of its entries: it says "surely not here" or "perhaps here", one time
// in fifty wrongly the latter.
const (
	bitsPerKey = 8
	probes     = 5
	maxDepth   = 8 // names of a path that can be asked for; what lies deeper is found through those
)

// key is the hash of something that can be asked for.
type key uint64

// The kinds of keys.
const (
	keyPID      = 'p'
	keyProc     = 'P'
	keyParent   = 'c'
	keyExe      = 'e'
	keyPath     = 'f'
	keyRemote   = 'r'
	keyIncident = 'i'
	keyKind     = 'k'
)

// hashed is FNV-1a with a last mixing. Who makes collisions makes queries read a block in vain, no more.
func hashed(kind byte, s string) key {
	h := uint64(14695981039346656037)
	h = (h ^ uint64(kind)) * 1099511628211
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return key(h ^ h>>32)
}

func procKey(kind byte, p deminer.ProcID) key {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], uint64(p.PID))
	binary.LittleEndian.PutUint64(b[8:], p.Start)
	return hashed(kind, string(b[:]))
}

// keysOf gives each key of an entry to see; one may come twice.
func keysOf(e *Entry, see func(key)) {
	see(hashed(keyKind, string(e.Kind)))
	if e.Proc.PID != 0 {
		see(hashed(keyPID, strconv.Itoa(e.Proc.PID)))
		see(procKey(keyProc, e.Proc))
	}
	if e.Parent != 0 && e.begins() {
		see(procKey(keyParent, e.ParentID()))
	}
	if e.Exe != "" {
		see(hashed(keyExe, string(e.Exe)))
		see(hashed(keyExe, path.Base(string(e.Exe))))
	}
	for _, p := range []deminer.Raw{e.Path, ranFrom(e)} {
		prefixes(string(p), func(dir string) { see(hashed(keyPath, dir)) })
	}
	if e.Remote != "" {
		see(hashed(keyRemote, e.Remote))
		see(hashed(keyRemote, addressOf(e.Remote)))
	}
	if e.Kind == deminer.EventDNS && e.Name != "" {
		see(hashed(keyRemote, hostName(string(e.Name))))
		for _, a := range e.Addrs {
			see(hashed(keyRemote, a))
		}
	}
	if a := e.Alert; a != nil {
		see(hashed(keyIncident, a.Incident))
		see(hashed(keyIncident, a.ID))
	}
}

// ranFrom is where a program that began lies.
func ranFrom(e *Entry) deminer.Raw {
	if e.Kind == deminer.EventExec || e.Kind == KindProcess {
		return e.Exe
	}
	return ""
}

// prefixes gives a path and the directories above it, the first maxDepth names of it.
func prefixes(name string, see func(string)) {
	depth := 0
	for i := 1; i < len(name); i++ {
		if name[i] == '/' {
			if depth++; depth > maxDepth {
				return
			}
			see(name[:i])
		}
	}
	if len(name) > 1 {
		see(name)
	}
}

// addressOf cuts the port off.
func addressOf(remote string) string {
	if i := strings.LastIndexByte(remote, ':'); i > 0 {
		return strings.Trim(remote[:i], "[]")
	}
	return remote
}

func hostName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// keys are those that an entry must have to be wanted.
func (f *Filter) keys() (out []key) {
	if f.PID != 0 {
		out = append(out, hashed(keyPID, strconv.Itoa(f.PID)))
	}
	if f.Proc.PID != 0 {
		out = append(out, procKey(keyProc, f.Proc))
	}
	if f.Parent.PID != 0 {
		out = append(out, procKey(keyParent, f.Parent))
	}
	if f.Exe != "" {
		out = append(out, hashed(keyExe, f.Exe))
	}
	if f.Path != "" {
		out = append(out, hashed(keyPath, shallow(path.Clean(f.Path))))
	}
	if f.Remote != "" {
		out = append(out, hashed(keyRemote, hostName(f.Remote)))
	}
	if f.Incident != "" {
		out = append(out, hashed(keyIncident, f.Incident))
	}
	return out
}

// shallow cuts a path to the depth that the index has.
func shallow(name string) string {
	last := name
	depth := 0
	prefixes(name, func(dir string) {
		if depth++; depth <= maxDepth {
			last = dir
		}
	})
	return last
}

func has(e *Entry, want key) (found bool) {
	keysOf(e, func(k key) { found = found || k == want })
	return found
}

// bloom makes the index of a set of keys.
func bloom(keys map[key]struct{}) []byte {
	bits := make([]byte, max(8, (len(keys)*bitsPerKey+63)/64*8))
	for k := range keys {
		spots(k, len(bits), func(at int, bit byte) bool { bits[at] |= bit; return true })
	}
	return bits
}

// perhaps reports whether a key may be in an index.
func perhaps(bits []byte, k key) bool {
	ok := len(bits) > 0
	spots(k, len(bits), func(at int, bit byte) bool { ok = ok && bits[at]&bit != 0; return ok })
	return ok
}

func spots(k key, size int, see func(at int, bit byte) bool) {
	if size == 0 {
		return
	}
	a, b := uint64(k), uint64(k)>>17|1
	for i := range uint64(probes) {
		n := (a + i*b) % uint64(size*8)
		if !see(int(n/8), 1<<(n%8)) {
			return
		}
	}
}

// may reports whether a block can hold what is wanted.
func (f *Filter) may(bits []byte, keys []key) bool {
	for _, k := range keys {
		if !perhaps(bits, k) {
			return false
		}
	}
	for _, k := range f.Kinds {
		if perhaps(bits, hashed(keyKind, string(k))) {
			return true
		}
	}
	return len(f.Kinds) == 0
}
