package marker

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"exact", Line + "\n", true},
		{"exact and more lines", Line + "\nmade today\n", true},
		{"no newline", Line, true},
		{"second line", "x\n" + Line + "\n", false},
		{"longer", Line + " or so\n", false},
		{"empty", "", false},
	} {
		path := filepath.Join(t.TempDir(), "marker")
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		err := Check(path)
		if (err == nil) != c.ok {
			t.Errorf("%s: Check = %v, want ok %v", c.name, err, c.ok)
		}
		if err != nil && !errors.Is(err, ErrNoLab) {
			t.Errorf("%s: Check = %v, want ErrNoLab", c.name, err)
		}
	}
	if err := Check(filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrNoLab) {
		t.Errorf("missing file: Check = %v, want ErrNoLab", err)
	}
}
