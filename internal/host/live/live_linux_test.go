//go:build linux

package live

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

// TestProcessesSeesItself looks at this very machine.
func TestProcessesSeesItself(t *testing.T) {
	l := Open()
	defer l.Close()
	procs, _, _ := l.Processes(t.Context(), 50*time.Millisecond)
	i := slices.IndexFunc(procs, func(p deminer.Process) bool { return p.ID.PID == os.Getpid() })
	if i < 0 {
		t.Fatal("the test's own process was not seen")
	}
	p := procs[i]
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if p.Exe != exe || !slices.Equal(p.Argv, os.Args) || p.PPID != os.Getppid() || int(p.UID) != os.Getuid() {
		t.Errorf("got exe %q argv %q ppid %d uid %d", p.Exe, p.Argv, p.PPID, p.UID)
	}
	if len(p.Hidden) > 0 || p.Kernel || p.NThreads < 2 || p.RSS == 0 || p.Memory == nil || p.NetNS == 0 {
		t.Errorf("got hidden %v kernel %v threads %d rss %d memory %v netns %d", p.Hidden, p.Kernel, p.NThreads, p.RSS, p.Memory, p.NetNS)
	}
	if age := time.Since(p.Started); age < 0 || age > 10*time.Minute {
		t.Errorf("got start %v", p.Started)
	}
}
