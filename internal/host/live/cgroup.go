package live

import (
	"strings"
)

// group is what the control groups of a process tell about it.
type group struct {
	path      string // in the unified hierarchy, or in systemd's where that says more
	unit      string
	container string
}

// parseCgroup reads /proc/PID/cgroup: one "number:controllers:path" for each hierarchy, see cgroups(7).
func parseCgroup(b []byte) group {
	var g group
	var systemd string
	text := string(b)
	for len(text) > 0 {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		_, line, _ = strings.Cut(line, ":")
		controllers, path, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		switch controllers {
		case "":
			g.path = path
		case "name=systemd":
			systemd = path
		}
		if id := containerID(path); id != "" && g.container == "" {
			g.container = id
		}
	}
	if systemd != "" && (g.path == "" || g.path == "/") {
		g.path = systemd
	}
	g.unit = unitOf(g.path)
	return g
}

// unitOf finds the system unit a control group belongs to: the first element that is no slice.
func unitOf(path string) string {
	for elem := range strings.SplitSeq(path, "/") {
		if strings.HasSuffix(elem, ".slice") || elem == "" {
			continue
		}
		// systemd puts "_" before a name that would clash with the kernel's own files.
		elem = strings.TrimPrefix(elem, "_")
		for _, kind := range []string{".service", ".scope", ".socket", ".mount", ".swap"} {
			if strings.HasSuffix(elem, kind) {
				return elem
			}
		}
		return ""
	}
	return ""
}

// containerID finds a container's id in a control group's path, as docker, containerd, CRI-O, podman and the kubelet
// name their groups: an element that is 64 hex digits, alone or as "engine-ID.scope"; and LXC, which uses names.
func containerID(path string) string {
	var found string
	for elem := range strings.SplitSeq(path, "/") {
		elem = strings.TrimSuffix(elem, ".scope")
		if name, ok := strings.CutPrefix(elem, "lxc.payload."); ok && name != "" {
			return name
		}
		if at := strings.LastIndexAny(elem, "-:"); at >= 0 {
			elem = elem[at+1:]
		}
		if len(elem) == 64 && isHex(elem) {
			found = elem // the innermost is the container itself
		}
	}
	if found == "" {
		if _, rest, ok := strings.Cut(path, "/lxc/"); ok {
			found, _, _ = strings.Cut(rest, "/")
		}
	}
	return found
}

func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}
