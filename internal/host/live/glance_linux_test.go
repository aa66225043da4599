package live

import (
	"os"
	"testing"
)

func TestGlanceIsTheShortLook(t *testing.T) {
	l := Open()
	defer l.Close()
	got, err := l.Glance(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := newReader(l.proc, bootTime()).process(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != want.ID || got.PPID != want.PPID || got.Exe == "" || got.Exe != want.Exe || len(got.Argv) == 0 || len(got.Argv) != len(want.Argv) ||
		got.UID != want.UID || got.Unit != want.Unit || got.Container != want.Container || got.Cwd != want.Cwd {
		t.Errorf("glance\n%+v\nlook\n%+v", got, want)
	}
	if _, err := l.Glance(1 << 23); err == nil {
		t.Error("a process that cannot be was found")
	}
}
