package bpf

import "github.com/cilium/ebpf/link"

// Hangs reports whether a link still holds its program at a control group, as far as the kernel tells. A link that was made by hand does
// not know what it is: it is asked for anew.
func Hangs(l link.Link) bool {
	info, err := l.Info()
	if err != nil {
		return true
	}
	same, err := link.NewFromID(info.ID)
	if err != nil {
		return true
	}
	defer same.Close()
	info, err = same.Info()
	return err != nil || info.Cgroup() == nil || info.Cgroup().CgroupId != 0
}
