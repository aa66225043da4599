package pkgdb

import (
	"bytes"
	"testing"
)

func FuzzStatus(f *testing.F) {
	f.Add([]byte("Package: a\nStatus: install ok installed\nVersion: 1\nConffiles:\n /etc/x 0123456789abcdef0123456789abcdef\n\n"))
	f.Add([]byte("\n\n Package: a\n:\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var last int64 = -1
		if _, err := parseStatus(bytes.NewReader(b), func(s stanza) bool {
			if s.offset <= last || s.offset >= int64(len(b)) {
				t.Errorf("offset %d after %d of %d", s.offset, last, len(b))
			}
			last = s.offset
			return true
		}); err != nil {
			t.Error(err)
		}
	})
}

func FuzzLists(f *testing.F) {
	f.Add("d41d8cd98f00b204e9800998ecf8427e  usr/bin/x\n/a\n/b\n:\n")
	f.Fuzz(func(t *testing.T, s string) {
		parseMD5(s)
		parseDiversions([]byte(s))
		apkSum(s)
	})
}

func FuzzAPK(f *testing.F) {
	f.Add([]byte("C:Q1abc=\nP:a\nV:1\nF:bin\nR:x\nZ:Q10fHUncRM1a23Y6xx2/O0uVBz+Qk=\n\nP:b\nV:2\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		pkgs := 0
		if _, err := parseAPK(bytes.NewReader(b), apkVisitor{
			pkg: func(pkg) bool { pkgs++; return true },
			file: func(it item) bool {
				if pkgs == 0 {
					t.Error("a file before any package")
				}
				return true
			},
		}); err != nil {
			t.Error(err)
		}
	})
}
