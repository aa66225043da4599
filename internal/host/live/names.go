package live

import (
	"bytes"
	"strings"

	"github.com/deminer/deminer"
)

// exeName reads the text of the link /proc/PID/exe: the kernel adds " (deleted)" where the name is gone, and a memfd is
// "/memfd:name (deleted)".
func exeName(text string) (name string, deleted, memfd bool) {
	name, deleted = strings.CutSuffix(text, " (deleted)")
	return name, deleted, strings.HasPrefix(name, "/memfd:")
}

// namespaceID reads the text of a link in /proc/PID/ns, like "net:[4026531840]"; 0 if it is none.
func namespaceID(text string) uint64 {
	_, rest, ok := strings.Cut(text, ":[")
	if !ok || !strings.HasSuffix(rest, "]") {
		return 0
	}
	return unsigned([]byte(rest[:len(rest)-1]))
}

// Sizes of RandomX (configuration.h of the library): the cache of light mode, and the dataset of fast mode.
const (
	randomXCache   = 256 << 20
	randomXDataset = 2<<30 + 33554368
)

// likeRandomX reports a region that is worth the price of smaps: about the size of RandomX's cache, its dataset, both
// together, or 1 GiB pages for them; or any scratchpad.
func likeRandomX(m *deminer.Memory) bool {
	const slack = 8 << 20
	for _, r := range m.Large {
		if r.Perms[0] != 'r' {
			continue // address space that was only set aside
		}
		for _, size := range [...]uint64{randomXCache, randomXDataset, randomXCache + randomXDataset, 3 << 30} {
			if r.Size >= size-slack/8 && r.Size <= size+slack {
				return true
			}
		}
	}
	return m.Scratch2M > 0 && len(m.Large) > 0
}

// socketInode reads the text of a link in /proc/PID/fd, "socket:[1234]"; 0 if it is no socket.
func socketInode(text []byte) uint64 {
	rest, ok := bytes.CutPrefix(text, []byte("socket:["))
	if !ok {
		return 0
	}
	rest, _ = bytes.CutSuffix(rest, []byte("]"))
	return unsigned(rest)
}
