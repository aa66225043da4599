//go:build linux

package live

import (
	"errors"
	"fmt"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/bpf"
	"golang.org/x/sys/unix"
)

// maxPrograms bounds the list of eBPF programs.
const maxPrograms = 4096

// programs lists the loaded eBPF programs.
func programs(g *gapList) []deminer.BPF {
	var out []deminer.BPF
	boot := bootTime()
	at := bpf.ID{}
	for {
		if _, err := bpf.Call(unix.BPF_PROG_GET_NEXT_ID, &at); err != nil {
			if !errors.Is(err, unix.ENOENT) {
				g.fail("eBPF programs", fmt.Errorf("list them: %w", err))
			}
			return out
		}
		if len(out) >= maxPrograms {
			g.fail("eBPF programs", errTooMany)
			return out
		}
		info, err := bpf.Info(at.Next)
		if err == nil {
			out = append(out, parseProgInfo(info, boot))
		} else if !errors.Is(err, unix.ENOENT) {
			g.fail(fmt.Sprintf("eBPF program %d", at.Next), err)
		}
		at.ID = at.Next
	}
}
