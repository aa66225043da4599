package persist

import (
	"bytes"
	"testing"
)

func FuzzLdCache(f *testing.F) {
	f.Add([]byte(cacheMagic + "\x01\x00\x00\x00" + string(make([]byte, 24)) + string(make([]byte, 24))))
	f.Add([]byte(oldMagic + "xxxxxxxx" + cacheMagic + "\xff\xff\xff\xff" + string(make([]byte, 60))))
	f.Fuzz(func(t *testing.T, b []byte) {
		libs, err := parseLdCache(b)
		if err != nil && libs != nil {
			t.Errorf("libraries %v beside the error %v", libs, err)
		}
		for _, l := range libs {
			if !bytes.Contains(b, []byte(l.path)) {
				t.Errorf("path %q is not in the cache", l.path)
			}
		}
	})
}

func FuzzSmallTables(f *testing.F) {
	f.Add(":x:M:0:a:b:/i:C", "export A='b'", "auth [a=b] m.so x", []byte{1, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0})
	f.Add(";", "LD_AUDIT DEFAULT= OVERRIDE=\"x\"", "[", []byte{})
	f.Fuzz(func(t *testing.T, binfmtLine, envLine, pam string, caps []byte) {
		if b, ok := parseBinfmt(binfmtLine); ok {
			b.foothold("/x")
		}
		if key, _, ok := variable(envLine); ok && key == "" {
			t.Errorf("a variable without a name from %q", envLine)
		}
		if p, ok := parsePAM(pam, false); ok && p.module == "" {
			t.Errorf("a rule without a module from %q", pam)
		}
		if len(caps) < 12 && capabilities(caps) != "" {
			t.Errorf("capabilities from %x", caps)
		}
	})
}
