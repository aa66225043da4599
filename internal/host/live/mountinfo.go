package live

import (
	"bytes"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/mountinfo"
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
		if m, ok := mountinfo.Parse(line); ok && len(out) < maxMounts {
			out = append(out, m)
		}
	}
	return out
}
