//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/deminer/deminer/lab/host"
	"github.com/deminer/deminer/lab/manifest"
	"github.com/deminer/deminer/lab/scenario"
)

// still lists the planted artefacts that are there now, seen from outside the host.
func still(h *host.Host, all []planted, tree manifest.Tree) []string {
	running := map[string]bool{}
	for _, p := range h.Processes() {
		running[p.Comm] = true
	}
	root, err := os.OpenRoot(h.Root)
	if err != nil {
		return []string{"root of the host: " + err.Error()}
	}
	defer root.Close()
	var out []string
	for _, p := range all {
		if there(h, root, p, tree, running) {
			out = append(out, p.String())
		}
	}
	return out
}

func there(h *host.Host, root *os.Root, p planted, tree manifest.Tree, running map[string]bool) bool {
	const immutable, appendOnly = 0x10, 0x20 // FS_IMMUTABLE_FL, FS_APPEND_FL
	switch p.Kind {
	case scenario.Process:
		return running[p.Comm]
	case scenario.Account:
		return hasLine(root, "/etc/passwd", p.Name+":", true) || hasLine(root, "/etc/shadow", p.Name+":", true)
	case scenario.Line, scenario.Key, scenario.Preload:
		return hasLine(root, p.Path, p.Line, false)
	case scenario.Part:
		b, err := root.ReadFile(strings.TrimPrefix(usr(p.Path), "/"))
		return err == nil && strings.Contains(string(b), p.Line)
	case scenario.Flag:
		return tree[usr(p.Path)].Flags&(immutable|appendOnly) != 0
	case scenario.Mount:
		return covered(h)
	}
	if p.was != "" { // the owner's file is back, or is not
		return tree[usr(p.Path)].SHA256 != p.was
	}
	_, err := root.Lstat(strings.TrimPrefix(usr(p.Path), "/"))
	return err == nil
}

// alive lists the processes of these names, by PID, as a host's owner knows them.
func alive(h *host.Host, names []string) map[int]string {
	out := map[int]string{}
	for _, p := range h.Processes() {
		if contains(names, p.Comm) {
			out[p.Inner] = p.Comm
		}
	}
	return out
}

// died lists those of before that live no more.
func died(before, now map[int]string) []string {
	var out []string
	for pid, name := range before {
		if now[pid] != name {
			out = append(out, fmt.Sprintf("process %d %s", pid, name))
		}
	}
	return out
}

// hasLine reads the file beneath the root; a line of 1 MB or more ends the search.
func hasLine(root *os.Root, name, want string, prefix bool) bool {
	f, err := root.Open(strings.TrimPrefix(usr(name), "/"))
	if err != nil {
		return false
	}
	defer f.Close()
	sc := bufio.NewScanner(io.LimitReader(f, 16<<20))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if sc.Text() == want || prefix && strings.HasPrefix(sc.Text(), want) {
			return true
		}
	}
	return false
}

// covered reports whether something is mounted on a /proc/PID of the host.
func covered(h *host.Host) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(h.Leader()) + "/mountinfo")
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) > 4 && path.Dir(f[4]) == "/proc" && strings.Trim(path.Base(f[4]), "0123456789") == "" {
			return true
		}
	}
	return false
}
