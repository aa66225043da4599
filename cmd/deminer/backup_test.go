package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer/internal/trust"
)

// TestBackup: a server comes back from a backup with its keys, its tokens and its hosts.
func TestBackup(t *testing.T) {
	dir := t.TempDir()
	data, back, file := filepath.Join(dir, "data"), filepath.Join(dir, "back"), filepath.Join(dir, "backup")
	call := func(want int, a ...string) string {
		t.Helper()
		var out, errs strings.Builder
		if code := run(t.Context(), a, nil, &out, &errs); code != want {
			t.Fatalf("%v: exit %d, want %d: %s", a, code, want, errs.String())
		}
		return out.String() + errs.String()
	}
	office := func(data string) *headOffice {
		t.Helper()
		h := &headOffice{opt: &serving{data: data}, say: func(string) {}}
		lock, err := h.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.db.Close(); lock.Close() })
		return h
	}
	call(exitError, "server", "backup", "--data", data, file)
	first := office(data)
	text, _, err := first.trust.NewToken(t.Context(), "ann", "", 5, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	call(exitClean, "server", "backup", "--data", data, file) // while it runs
	call(exitError, "server", "backup", "--data", data, file) // over another one
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st, err)
	}
	call(exitError, "server", "restore", "--data", data, file) // over a server
	call(exitClean, "server", "restore", "--data", back, file)
	second := office(back)
	if !second.trust.CA().Equal(first.trust.CA()) {
		t.Error("the authority is another one")
	}
	if list, err := second.trust.Tokens(t.Context()); err != nil || len(list) != 1 || list[0].By != "ann" || strings.Contains(text, list[0].Hash) {
		t.Errorf("tokens: %+v %v", list, err)
	}
	if _, err := second.db.Machines().Machine(t.Context(), "none"); err != trust.ErrUnknown {
		t.Errorf("the database: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(data, "backup-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// TestForgedBackup: nothing but the files of a backup is taken out of one.
func TestForgedBackup(t *testing.T) {
	for name, head := range map[string]tar.Header{
		"above": {Name: "../evil", Typeflag: tar.TypeReg}, "link": {Name: "trust/ca.pem", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		"other": {Name: "trust/other.pem", Typeflag: tar.TypeReg}, "keys missing": {Name: "server.db", Typeflag: tar.TypeReg},
	} {
		var b bytes.Buffer
		packed := gzip.NewWriter(&b)
		list := tar.NewWriter(packed)
		if err := list.WriteHeader(&head); err != nil {
			t.Fatal(err)
		}
		list.Close()
		packed.Close()
		dir := t.TempDir()
		file, data := filepath.Join(dir, "file"), filepath.Join(dir, "data")
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if names, err := takeBack(file, data); err == nil {
			t.Errorf("%s: %v were taken", name, names)
		}
		if _, err := os.Lstat(filepath.Join(dir, "evil")); err == nil {
			t.Errorf("%s: a file was made outside", name)
		}
	}
}
