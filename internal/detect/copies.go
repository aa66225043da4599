package detect

import (
	"crypto/sha256"
	"io"

	"github.com/deminer/deminer"
)

// knowCopies makes other running copies of this very program no subject, as deminer itself is none: a second scan, or a
// watch, holds every indicator in its memory, too. A copy is one by its content.
func (p *Pass) knowCopies() {
	self := p.Snapshot.Host.Self
	if len(self) == 0 || p.Inside == nil {
		return
	}
	size := p.programSize(self[0])
	var own [sha256.Size]byte
	read := false // the own program is long: only if another of its size runs
	for i := range p.Snapshot.Processes {
		pr := &p.Snapshot.Processes[i]
		if size == 0 || pr.ExeAttr.Size != size || p.memo.self[pr.ID] {
			continue
		}
		if !read {
			var n int64
			if own, n = p.programSum(self[0], size); n != size {
				return
			}
			read = true
		}
		if sum, n := p.programSum(pr.ID, size); n == size && sum == own {
			p.memo.self[pr.ID] = true
		}
	}
}

// programSize is the size in bytes of what a process runs; 0 where it cannot be seen.
func (p *Pass) programSize(id deminer.ProcID) int64 {
	f, err := p.Inside.Exe(id)
	if err != nil {
		return 0
	}
	defer f.Close()
	a, err := f.Attr()
	if err != nil {
		return 0
	}
	return a.Size
}

// maxOwn bounds what is read of a program that may be a copy, in bytes.
const maxOwn = 256 << 20

// programSum gives digest and size of what a process runs; size 0 where it cannot be read, or is not the wanted one.
func (p *Pass) programSum(id deminer.ProcID, want int64) (sum [sha256.Size]byte, size int64) {
	f, err := p.Inside.Exe(id)
	if err != nil {
		return sum, 0
	}
	defer f.Close()
	a, err := f.Attr()
	if err != nil || a.Size > maxOwn || a.Size != want {
		return sum, 0
	}
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, maxOwn))
	if err != nil {
		return sum, 0
	}
	h.Sum(sum[:0])
	return sum, n
}
