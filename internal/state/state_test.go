package state

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(dir+"/a", []byte("12345"), 0o600), os.Mkdir(dir+"/d", 0o700), os.Symlink("a", dir+"/l")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if b, err := Read(root, "a", 5); err != nil || string(b) != "12345" {
		t.Errorf("%q %v", b, err)
	}
	for name, want := range map[string]error{"a": ErrOdd, "d": ErrOdd, "l": ErrOdd, "none": fs.ErrNotExist} {
		if b, err := Read(root, name, 4); !errors.Is(err, want) || b != nil {
			t.Errorf("%s: %q %v, want %v", name, b, err, want)
		}
		if f, err := Open(root, name, 4); !errors.Is(err, want) || f != nil {
			t.Errorf("open %s: %v, want %v", name, err, want)
		}
	}
}
