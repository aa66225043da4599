//go:build linux

package remedy_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/hands"
	"github.com/deminer/deminer/internal/journal"
	"github.com/deminer/deminer/internal/remedy"
	"github.com/deminer/deminer/internal/vault"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// world is a host made of a real directory, with a state directory of its own beside it.
type world struct {
	root, state string
	runner      *remedy.Runner
}

func newWorld(t testing.TB, live bool) *world {
	t.Helper()
	top := t.TempDir()
	w := &world{root: top + "/root", state: top + "/state"}
	for _, d := range []string{w.root, w.state} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { unflag(top) })
	r, err := openRunner(w.root, w.state, live)
	if err != nil {
		t.Fatal(err)
	}
	w.runner = r
	return w
}

func openRunner(root, state string, live bool) (*remedy.Runner, error) {
	h, err := hands.Open(root, live)
	if err != nil {
		return nil, err
	}
	s, err := hands.State(state, "/deminer")
	if err != nil {
		return nil, err
	}
	for _, d := range []string{"vault", "journal"} {
		if err := s.Mkdir(d, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	vdir, err1 := s.OpenRoot("vault")
	jdir, err2 := s.OpenRoot("journal")
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	v, err := vault.Open(vdir)
	if err != nil {
		return nil, err
	}
	tools := remedy.Tools{Hands: h, Vault: v, State: s, Now: time.Now, Room: hands.StateRoom(s), PackageFiles: []string{"/pkgs"},
		LockAccounts: func() (func(), error) { return hands.LockAccounts(root) }}
	return &remedy.Runner{Tools: tools, Journal: &journal.Store{Dir: jdir, Lock: hands.Lock}}, nil
}

func (w *world) write(t testing.TB, name, text string, mode os.FileMode) {
	t.Helper()
	full := w.root + name
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(full, mode); err != nil {
		t.Fatal(err)
	}
}

// age gives everything below the root times in the past, so that a time that is not put back shows.
func (w *world) age(t testing.TB) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(w.root, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		n++
		ts := []unix.Timespec{{Sec: int64(1600000000 + n), Nsec: int64(123456789 - n)}, {Sec: int64(1500000000 + n), Nsec: int64(987654321 - n)}}
		err = unix.UtimesNanoAt(unix.AT_FDCWD, p, ts, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.EPERM) { // +i: comes with its own time
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tree describes everything below a directory: type, mode, owner, times, flags, extended attributes, content.
func tree(t testing.TB, root string) []string {
	t.Helper()
	var out []string
	for todo := []string{root}; len(todo) > 0; todo = todo[1:] {
		p := todo[0]
		line, err := describe(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimPrefix(p, root)+" "+line)
		// Listing a directory must not touch its access time either.
		fd, err := unix.Open(p, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NOATIME, 0)
		if err != nil {
			continue
		}
		d := os.NewFile(uintptr(fd), p)
		names, err := d.Readdirnames(-1)
		d.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			todo = append(todo, p+"/"+name)
		}
	}
	sort.Strings(out)
	return out
}

func describe(p string) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(p, &st); err != nil {
		return "", err
	}
	line := fmt.Sprintf("%o %d:%d mtime %d.%09d", st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
	if st.Mode&unix.S_IFMT != unix.S_IFLNK { // reading a link touches its access time, whoever reads it
		line += fmt.Sprintf(" atime %d.%09d", st.Atim.Sec, st.Atim.Nsec)
	}
	buf := make([]byte, 4096)
	if n, err := unix.Llistxattr(p, buf); err == nil && n > 0 {
		names := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
		sort.Strings(names)
		for _, name := range names {
			v := make([]byte, 4096)
			n, err := unix.Lgetxattr(p, name, v)
			if err != nil {
				return "", err
			}
			line += " " + name + "=" + hex.EncodeToString(v[:n])
		}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		to, err := os.Readlink(p)
		return line + " -> " + to, err
	case unix.S_IFREG, unix.S_IFDIR:
	default:
		return line, nil
	}
	fd, err := unix.Open(p, unix.O_RDONLY|unix.O_NOATIME, 0)
	if err != nil {
		return "", err
	}
	f := os.NewFile(uintptr(fd), p)
	defer f.Close()
	if v, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS); err == nil {
		line += fmt.Sprintf(" flags %x", v&0x30)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		var b bytes.Buffer
		if _, err := b.ReadFrom(f); err != nil {
			return "", err
		}
		line += fmt.Sprintf(" %q", b.Bytes())
	}
	return line, nil
}

func setFlags(t testing.TB, p string, flags int) {
	t.Helper()
	if err := chattr(p, flags); err != nil {
		t.Fatalf("set flags of %s: %v", p, err)
	}
}

func chattr(p string, flags int) error {
	fd, err := unix.Open(p, unix.O_RDONLY|unix.O_NOATIME, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	now, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(now)&^0x30|flags)
}

// unflag lets a test directory be removed.
func unflag(top string) {
	_ = filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err == nil && (d.IsDir() || d.Type().IsRegular()) {
			_ = chattr(p, 0)
		}
		return nil
	})
}

func planOf(id string, steps ...deminer.Step) deminer.Plan {
	for i := range steps {
		if steps[i].ID == "" {
			steps[i].ID = fmt.Sprintf("s%02d", i+1)
		}
	}
	return deminer.Plan{ID: id, Version: "1", Steps: steps}
}

func do(verb deminer.Verb, target deminer.Artifact, args ...string) deminer.Step {
	s := deminer.Step{Action: deminer.Action{Verb: verb, Target: target}, Undo: true}
	for i := 0; i+1 < len(args); i += 2 {
		if s.Action.Args == nil {
			s.Action.Args = map[string]deminer.Raw{}
		}
		s.Action.Args[args[i]] = deminer.Raw(args[i+1])
	}
	return s
}

func file(p string) deminer.Artifact {
	return deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(p)}
}

func line(p, text string) deminer.Artifact {
	return deminer.Artifact{Kind: deminer.KindLine, Path: deminer.Raw(p), Line: deminer.Raw(text)}
}

func (w *world) run(p deminer.Plan) error {
	return w.runner.Run(context.Background(), p, p.Digest(), nil)
}

func (w *world) mustRun(t testing.TB, p deminer.Plan) {
	t.Helper()
	if err := w.run(p); err != nil {
		t.Fatalf("run: %v", err)
	}
}

func (w *world) mustUndo(t testing.TB, plan string) {
	t.Helper()
	if err := w.runner.Undo(context.Background(), plan, nil); err != nil {
		t.Fatalf("undo: %v", err)
	}
}

func same(t testing.TB, want, got []string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("tree differs (-before +after):\n%s", d)
	}
}

func (w *world) text(t testing.TB, name string) string {
	t.Helper()
	f, err := os.OpenFile(w.root+name, os.O_RDONLY|unix.O_NOATIME, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
