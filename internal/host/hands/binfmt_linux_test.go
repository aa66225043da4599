//go:build linux

package hands

import (
	"os"
	"path/filepath"
	"testing"
)

// TestBinfmtSetting reads a rule of binfmt_misc as the word that would be written, so that a switched-off rule can be
// switched on again.
func TestBinfmtSetting(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sys/fs/binfmt_misc/python3.11")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"enabled\ninterpreter /x\nflags: OC\n": "1", "disabled\n": "0"} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		k := &kernel{proc: dir}
		if got, err := k.Setting("fs.binfmt_misc.python3/11"); err != nil || got != want {
			t.Errorf("Setting = %q, %v; want %q", got, err, want)
		}
	}
}
