package persist

import (
	"path"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// listPinned lists eBPF objects that are pinned in a file system, so that they outlive the program that loaded them. They
// are gone after a reboot; what loads them again is another foothold. No verb unpins them: an unpinned program cannot be put back.
func listPinned(l *Lister) {
	l.walk([]place{{"/sys/fs/bpf", 6, 5000}}, func(name string, e host.Entry, _ func() (deminer.Attr, error)) {
		l.Add(deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: "root", Trigger: "stays loaded until the next boot",
			Targets: []string{}, Odd: oddName(path.Base(name)), Remove: noRecipe()})
	})
}
