package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/guard"
	"github.com/deminer/deminer/internal/history"
)

// TestKeeper: a line that was cut and comes back is cut again, by a plan that can be undone; what an undo put back is left alone.
func TestKeeper(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"honest", "sysetmd"} {
		if err := unpack(name, root); err != nil {
			t.Fatal(err)
		}
	}
	before := map[string][]byte{} // contents by their hash
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			b, err := os.ReadFile(name)
			before[fmt.Sprintf("%x", sha256.Sum256(b))] = b
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	call := func(a ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		if got := run(context.Background(), append(a, "--root", root), nil, &out, &errs); got != exitClean {
			t.Fatalf("%v: exit %d: %s", a, got, errs.String())
		}
	}
	call("clean", "--yes", "--watch", "0")
	f := &flags{root: root}
	s, err := openStore(f, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.reach(f); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	nginx := history.Entry{Event: deminer.Event{Proc: deminer.ProcID{PID: 7, Start: 1}, Exe: "/usr/sbin/nginx"}}
	k := &keeper{store: s, now: time.Now, lineage: func(id deminer.ProcID) ([]history.Entry, error) {
		return []history.Entry{{Event: deminer.Event{Proc: id, Exe: "/bin/sh"}}, nginx}, nil
	}}
	if err := k.refresh(); err != nil || k.list.Len() == 0 {
		t.Fatal(err, k.list.Len())
	}
	const name = "/var/spool/cron/crontabs/root"
	e := deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: name, Time: time.Now(), Proc: deminer.ProcID{PID: 8, Start: 2}, Exe: "/bin/sh"}
	file := filepath.Join(root, name)
	clean, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	saw := func(act bool) *guard.Attempt {
		t.Helper()
		a, err := k.saw(context.Background(), &e, guard.Facts{}, act)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := saw(true); a != nil {
		t.Fatalf("nothing came back: %+v", a)
	}
	var line deminer.Raw
	for _, r := range k.list.All() {
		if r.Action.Verb == deminer.VerbCutLine && r.Action.Target.Path == name {
			line = r.Action.Target.Line
		}
	}
	bad := append(bytes.Clone(clean), (string(line) + "\n# theirs\n")...)
	if err := os.WriteFile(file, bad, 0o600); err != nil || line == "" {
		t.Fatal(err, line)
	}
	if a := saw(false); a == nil || a.Blocked || !strings.Contains(a.Done, "policy") {
		t.Fatalf("told only: %+v", a)
	}
	a := saw(true)
	if a == nil || !a.Blocked || a.Trigger != "by nginx 7 > sh 8 (web server)" || !strings.Contains(a.What, "the text is in "+name+" again") {
		t.Fatalf("came back, blocked: %+v", a)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != string(clean)+"# theirs\n" {
		t.Fatalf("%v: %q", err, got)
	}
	// A sound file at the name of a removed one is told, and stays.
	var gone string
	for _, r := range k.list.All() {
		if r.Action.Verb == deminer.VerbQuarantine && r.Action.Target.Kind == deminer.KindFile {
			gone = string(r.Action.Target.Path)
		}
	}
	sound := filepath.Join(root, gone)
	if err := errors.Join(os.MkdirAll(filepath.Dir(sound), 0o755), os.WriteFile(sound, []byte("the owner's\n"), 0o644)); err != nil || gone == "" {
		t.Fatal(err, gone)
	}
	at := deminer.Event{Kind: deminer.EventFile, Op: deminer.FileWritten, Path: deminer.Raw(gone), Time: time.Now()}
	if a, err := k.saw(context.Background(), &at, guard.Facts{}, true); err != nil || a == nil || a.Blocked || !strings.Contains(a.Done, "told only") {
		t.Errorf("another content at %s: %+v, %v", gone, a, err)
	}
	if _, err := os.Lstat(sound); err != nil {
		t.Errorf("the owner's file: %v", err)
	}
	if err := os.Remove(sound); err != nil {
		t.Fatal(err)
	}
	sum := k.list.Contents()[0]
	elsewhere := deminer.Event{Kind: deminer.EventFile, Op: deminer.FileCreated, Path: "/srv/other", Time: time.Now()}
	other, facts := filepath.Join(root, "srv", "other"), guard.Facts{SHA256: sum}
	if err := errors.Join(os.MkdirAll(filepath.Dir(other), 0o755), os.WriteFile(other, before[sum], 0o755)); err != nil || len(before[sum]) == 0 {
		t.Fatal(err)
	}
	if a, err := k.saw(context.Background(), &elsewhere, facts, true); err != nil || a == nil || !a.Blocked {
		t.Fatalf("removed content elsewhere: %+v, %v", a, err)
	}
	if _, err := os.Lstat(other); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("it is still there: %v", err)
	}
	k.stamp = "" // no journal says that a program came
	// What a program of the system holds, too, is not guarded by content.
	tool := filepath.Join(root, "usr", "bin", "tool")
	if err := errors.Join(os.MkdirAll(filepath.Dir(tool), 0o755), os.WriteFile(tool, before[sum], 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := k.refresh(); err != nil || slices.Contains(k.list.Contents(), sum) {
		t.Fatalf("the content of a program is guarded: %v", err)
	}
	s.close()
	call("undo", a.Plan, "--yes")
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, bad) {
		t.Fatalf("undo of the guard: %v: %q", err, got)
	}
	call("undo", "--yes") // of the clean-up
	if s, err = openStore(f, false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.reach(f); err != nil {
		t.Fatal(err)
	}
	k.store = s
	if a := saw(true); a != nil {
		t.Fatalf("what was undone is guarded: %+v", a)
	}
	if k.list.Len() != 0 {
		t.Errorf("%d guarded after the undo", k.list.Len())
	}
}
