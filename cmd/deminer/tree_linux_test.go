package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer/lab/wallet"
	"golang.org/x/tools/txtar"
)

// unpack writes the tree of testdata/trees/NAME.txtar below root. The comment's last line gives every name's time. A
// section is named "[append:|dir:|link:|elf:]PATH [MODE]": append adds to a file that is there, the content of link is where it
// leads, elf puts an ELF header without code before the content. @WALLET@ is an address with a valid checksum that
// belongs to nobody.
func unpack(name, root string) error {
	ar, err := txtar.ParseFile(filepath.Join("testdata", "trees", name+".txtar"))
	if err != nil {
		return err
	}
	_, text, _ := strings.Cut(string(ar.Comment), "\ntime ")
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(text))
	if err != nil {
		return err
	}
	for _, f := range ar.Files {
		if err := unpackOne(root, f, at); err != nil {
			return fmt.Errorf("unpack %s: %w", f.Name, err)
		}
	}
	return nil
}

func unpackOne(root string, f txtar.File, at time.Time) error {
	name, modeText, _ := strings.Cut(f.Name, " ")
	kind, rest, ok := strings.Cut(name, ":")
	if ok {
		name = rest
	} else {
		kind = ""
	}
	mode := os.FileMode(0o644)
	if modeText != "" {
		m, err := strconv.ParseUint(modeText, 8, 32)
		if err != nil {
			return err
		}
		mode = os.FileMode(m)
	}
	file := filepath.Join(root, name)
	if err := parents(root, filepath.Dir(file), at); err != nil {
		return err
	}
	data := bytes.ReplaceAll(f.Data, []byte("@WALLET@"), []byte(wallet.Make(wallet.Mainnet, 1)))
	switch kind {
	case "dir":
		return parents(root, file, at)
	case "link":
		return os.Symlink(strings.TrimSpace(string(data)), file)
	case "append":
		old, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, append(old, data...), 0); err != nil {
			return err
		}
		return os.Chtimes(file, at, at)
	case "elf":
		data = append(elfHeader(), data...)
	}
	if err := os.WriteFile(file, data, mode); err != nil {
		return err
	}
	if err := os.Chmod(file, mode); err != nil {
		return err
	}
	return os.Chtimes(file, at, at)
}

// parents makes the directories of a tree with a fixed time.
func parents(root, dir string, at time.Time) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if dir != root {
		if err := parents(root, filepath.Dir(dir), at); err != nil {
			return err
		}
	}
	return os.Mkdir(dir, 0o755)
}

// elfHeader is a 64-bit x86 shared object without a segment.
func elfHeader() []byte {
	h := make([]byte, 64)
	copy(h, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(h[16:], 3)  // ET_DYN
	binary.LittleEndian.PutUint16(h[18:], 62) // EM_X86_64
	binary.LittleEndian.PutUint32(h[20:], 1)
	binary.LittleEndian.PutUint16(h[52:], 64)
	return h
}

// infected is a fresh tree with the intrusion of the guide's example.
func infected(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	for _, name := range []string{"honest", "sysetmd"} {
		if err := unpack(name, root); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
