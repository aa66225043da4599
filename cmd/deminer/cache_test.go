package main

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/deminer/deminer/internal/detect"
	"github.com/deminer/deminer/internal/match"
	"github.com/google/go-cmp/cmp"
)

func fileKey(i int) detect.FileKey {
	at := time.Unix(1_700_000_000, int64(i)).UTC()
	return detect.FileKey{Dev: 1, Ino: uint64(i), Size: 7, Mtime: at, Ctime: at}
}

// TestCacheRemembers: what was put in is there after save and load, for the same rules only; what nobody asked for is
// forgotten after a whole scan and kept after a part of one.
func TestCacheRemembers(t *testing.T) {
	f := &flags{state: t.TempDir()}
	loudly := detect.Content{Kind: "elf", SHA256: "00ff", Hits: []match.Hit{{Rule: "yara/x", Strength: match.Strong}}}
	c := openCache(f, "rules")
	for i := range 5000 {
		c.Put(fileKey(i), detect.Content{Kind: kinds[i%len(kinds)]})
	}
	c.Put(fileKey(5000), loudly)
	c.Keep([32]byte{7})
	if err := c.save(true); err != nil {
		t.Fatal(err)
	}
	c = openCache(f, "rules")
	for i := range 5000 {
		if got, ok := c.Get(fileKey(i)); !ok || got.Kind != kinds[i%len(kinds)] {
			t.Fatalf("file %d: %+v, %v", i, got, ok)
		}
	}
	if got, ok := c.Get(fileKey(5000)); !ok || cmp.Diff(loudly, got) != "" {
		t.Errorf("loud file: %+v, %v", got, ok)
	}
	if !c.Same([32]byte{7}) || c.Same([32]byte{8}) {
		t.Error("packaged files are confused")
	}
	if _, ok := c.Get(fileKey(5001)); ok {
		t.Error("a file that was never seen is known")
	}
	changed := fileKey(3)
	changed.Ctime = changed.Ctime.Add(time.Nanosecond)
	if _, ok := c.Get(changed); ok {
		t.Error("a file changed since is known")
	}
	if _, ok := openCache(f, "other rules").Get(fileKey(1)); ok {
		t.Error("known under other rules")
	}

	c = openCache(f, "rules")
	c.Get(fileKey(1))
	c.Put(fileKey(6000), detect.Content{Kind: "text"})
	if err := c.save(false); err != nil {
		t.Fatal(err)
	}
	if c = openCache(f, "rules"); c.files.len() != 5003 {
		t.Errorf("after a part of a scan %d records, want 5003", c.files.len())
	}
	c.Get(fileKey(1))
	if err := c.save(true); err != nil {
		t.Fatal(err)
	}
	if c = openCache(f, "rules"); c.files.len() != 1 || len(c.loud) != 0 {
		t.Errorf("after a whole scan %d records and %d loud ones, want 1 and none", c.files.len(), len(c.loud))
	}
}

// TestCacheDamaged: a cache that was cut, turned around or opened to others is not used, and written anew.
func TestCacheDamaged(t *testing.T) {
	f := &flags{state: t.TempDir()}
	c := openCache(f, "rules")
	for i := range 100 {
		c.Put(fileKey(i), detect.Content{Kind: "text"})
	}
	if err := c.save(true); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	swapped := append([]byte(nil), whole...)
	first := len(cacheFormat) + 32 + 8
	copy(swapped[first:], whole[first+recordSize:first+2*recordSize])
	huge := append([]byte(nil), whole...)
	huge[first-2] = 0x7F
	for name, b := range map[string][]byte{"cut": whole[:len(whole)/2], "head": whole[:20], "empty": {}, "swapped": swapped, "huge": huge, "readable": whole} {
		mode := os.FileMode(0o600)
		if name == "readable" {
			mode = 0o644
		}
		if err := os.WriteFile(c.file, b, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(c.file, mode); err != nil {
			t.Fatal(err)
		}
		d := openCache(f, "rules")
		if _, ok := d.Get(fileKey(1)); ok {
			t.Errorf("%s: used", name)
		}
		d.Put(fileKey(1), detect.Content{Kind: "elf"})
		if err := d.save(true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, ok := openCache(f, "rules").Get(fileKey(1)); !ok {
			t.Errorf("%s: not written anew", name)
		}
	}
}

func FuzzCacheTable(f *testing.F) {
	f.Add([]byte(nil), []byte("x"))
	f.Add(make([]byte, recordSize), make([]byte, 16))
	f.Fuzz(func(t *testing.T, b, k []byte) {
		tab, err := parseTable(b)
		if err != nil {
			return
		}
		var name key
		copy(name[:], k)
		i, ok := tab.find(name)
		for n := range tab.len() {
			if here := key(tab.at(n)[:16]) == name; here && (!ok || i != n) {
				t.Fatalf("record %d is not found: %d, %v", n, i, ok)
			}
		}
	})
}

func BenchmarkCacheGet(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		c := openCache(&flags{state: b.TempDir()}, "rules")
		for i := range n {
			c.Put(fileKey(i), detect.Content{Kind: "text"})
		}
		t, err := parseTable(c.files.bytes(false))
		if err != nil {
			b.Fatal(err)
		}
		c.files = t
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				if _, ok := c.Get(fileKey(i % n)); !ok {
					b.Fatal("lost")
				}
			}
		})
	}
}
