package persist

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer/internal/host/hosttest"
)

// TestHostileSizes gives every place one line of a mebibyte, very many short lines, and very many entries on one line: the
// work stays bounded in time and memory.
func TestHostileSizes(t *testing.T) {
	for name, text := range map[string]string{
		"one line":   strings.Repeat("init=/a ", 1<<17),
		"many lines": strings.Repeat("auth x\\\n", 1<<17),
		"entries":    "docker:x:1:" + numbers(10_000) + "\n" + strings.Repeat("passwd: b ", 6000) + "\n",
		"values":     strings.Repeat(`D::Post-Invoke {"a";};`, 40_000),
		"statements": strings.Repeat("DPkg::Post-Invoke {\"a\"; \"b\"; };\n", 20_000),
		"members":    "{" + strings.Repeat(`"hosts":["tcp://"],`, 3000) + `"a":1}`,
	} {
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
		at := time.Now()
		found, _ := Run(t.Context(), Env{Host: &h.Host}, All())
		took := time.Since(at)
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(found)
		if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); took > 30*time.Second || held > 512<<20 {
			t.Errorf("%s: took %v and holds %d MiB for %d footholds", name, took, held>>20, len(found))
		} else {
			t.Logf("%s: %v, %d MiB, %d footholds", name, took, held>>20, len(found))
		}
	}
}

// numbers is "0,1,2 ..." up to n.
func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strconv.Itoa(i) + ",")
	}
	return b.String()
}
