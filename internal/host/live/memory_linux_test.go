//go:build linux

package live

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"golang.org/x/sys/unix"
)

// secret is put together at run time, so that the program file does not hold it.
func secret() []byte { return []byte(strings.Repeat("deminer", 2) + strconv.Itoa(4242*4242)) }

// remember maps memory of the size of RandomX's dataset, writes one secret into its middle, and stays.
func remember() error {
	b, err := unix.Mmap(-1, 0, randomXDataset&^4095, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return err
	}
	copy(b[1<<30:], secret())
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// isDataset knows the region again; the kernel may have joined a neighbor to it.
func isDataset(r deminer.Region) bool {
	return r.Size >= randomXDataset&^4095 && r.Size < randomXDataset+1<<20
}

func TestMemory(t *testing.T) {
	needRoot(t)
	l := opened(t)
	cmd, _ := child(t, "", "memory", 0)
	p := see(t, l, cmd.Process.Pid, 0)
	large := p.Memory.Large
	found := false
	for _, r := range large {
		found = found || isDataset(r) && r.Rss > 0 && r.Rss < 8<<20
	}
	if !found {
		t.Errorf("got large regions %+v", large)
	}
	var read int64
	hit := false
	err := l.Memory(t.Context(), p.ID, 1<<30, func(r deminer.Region, off uint64, buf []byte) bool {
		read += int64(len(buf))
		if len(buf) > piece {
			t.Errorf("a piece of %d bytes", len(buf))
		}
		if i := bytes.Index(buf, secret()); i >= 0 && isDataset(r) {
			at := off + uint64(i)
			hit = hit || at >= 1<<30 && at < 1<<30+1<<20 && at%4096 == 0
		}
		return true
	})
	if err != nil || !hit {
		t.Errorf("secret found: %v, %v", hit, err)
	}
	if read > 64<<20 {
		t.Errorf("%d bytes were read of a process that touched little", read)
	}
	calls := 0
	if err := l.Memory(t.Context(), p.ID, 1<<30, func(deminer.Region, uint64, []byte) bool { calls++; return false }); err != nil || calls != 1 {
		t.Errorf("after a no: %d calls, %v", calls, err)
	}
	read = 0
	if err := l.Memory(t.Context(), p.ID, 5000, func(_ deminer.Region, _ uint64, b []byte) bool { read += int64(len(b)); return true }); err != nil || read != 5000 {
		t.Errorf("with a limit of 5000: %d bytes, %v", read, err)
	}
	if err := l.Memory(t.Context(), deminer.ProcID{PID: p.ID.PID, Start: 1}, 1, nil); err == nil {
		t.Error("the memory of another process with the same number was read")
	}
}
