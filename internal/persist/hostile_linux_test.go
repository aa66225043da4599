package persist

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/deminer/deminer/internal/host/hosttest"
)

// TestHostileSizes gives every place one very long line, very many short lines, and very many entries on one line: the work
// grows with the size, and what is kept stays bounded.
func TestHostileSizes(t *testing.T) {
	for name, text := range map[string]func(n int) string{
		"one line":   func(n int) string { return strings.Repeat("init=/a ", n/8) },
		"many lines": func(n int) string { return strings.Repeat("auth x\\\n", n/8) },
		"entries": func(n int) string {
			return "docker:x:1:" + numbers(n/100) + "\n" + strings.Repeat("passwd: b ", n/170) + "\n"
		},
		"values":     func(n int) string { return strings.Repeat(`D::Post-Invoke {"a";};`, n/25) },
		"statements": func(n int) string { return strings.Repeat("DPkg::Post-Invoke {\"a\"; \"b\"; };\n", n/50) },
		"members":    func(n int) string { return "{" + strings.Repeat(`"hosts":["tcp://"],`, n/340) + `"a":1}` },
	} {
		held := int64(0)
		hosttest.Growth(t, name, 64<<10, func(n int) { held = max(held, sizes(t, text(n))) })
		if held > 512<<20 {
			t.Errorf("%s: holds %d MiB", name, held>>20)
		}
	}
}

// sizes runs every mechanism over a host that has the text everywhere, and gives the bytes that what was found holds.
func sizes(t *testing.T, text string) int64 {
	h, err := hosttest.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range fuzzPlaces() {
		h.FS.Put(p, []byte(text))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	found, _ := Run(t.Context(), Env{Host: &h.Host}, All())
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(found)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// numbers is "0,1,2 ..." up to n.
func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strconv.Itoa(i) + ",")
	}
	return b.String()
}
