package persist

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hosttest"
)

// run lists one mechanism of a host that holds one file.
func run(t *testing.T, ctx context.Context, name, content, mechanism string) ([]deminer.Foothold, []deminer.Gap) {
	t.Helper()
	h, err := hosttest.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.FS.Put(name, []byte(content))
	for _, m := range All() {
		if m.Name == mechanism {
			return Run(ctx, Env{Host: &h.Host}, []Mechanism{m})
		}
	}
	t.Fatalf("no mechanism %q", mechanism)
	return nil, nil
}

func TestTooLargeTable(t *testing.T) {
	job := "* * * * * root /tmp/first\n"
	found, gaps := run(t, t.Context(), "/etc/cron.d/x", job+"#"+strings.Repeat("x", maxFile)+"\n* * * * * root /tmp/last\n", "cron")
	if len(found) != 2 || found[0].Line != "" || found[1].Command != "/tmp/first" {
		t.Errorf("the whole table and its first job wanted, got %+v", found)
	}
	if len(gaps) != 1 || gaps[0].State != deminer.Partial || gaps[0].What != "/etc/cron.d/x" {
		t.Errorf("one partial gap wanted, got %+v", gaps)
	}
}

func TestLongLine(t *testing.T) {
	long := "* * * * * root /tmp/a " + strings.Repeat("b", maxFile-100)
	found, gaps := run(t, t.Context(), "/etc/cron.d/x", long+"\n", "cron")
	if len(found) != 1 || string(found[0].Line) != long || len(gaps) != 0 || found[0].Targets[0] != "/tmp/a" {
		t.Errorf("the line of 1 MB wanted as it is, got %d footholds, gaps %v", len(found), gaps)
	}
}

func TestManyLines(t *testing.T) {
	var b strings.Builder
	for i := range maxLines + 5 {
		fmt.Fprintf(&b, "@daily u %d\n", i)
	}
	found, gaps := run(t, t.Context(), "/etc/cron.d/x", b.String(), "cron")
	if len(found) != maxLines || len(gaps) != 1 || gaps[0].State != deminer.Partial {
		t.Errorf("%d footholds and one gap wanted, got %d, %v", maxLines, len(found), gaps)
	}
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	found, gaps := run(t, ctx, "/etc/cron.d/x", "* * * * * root /tmp/a\n", "cron")
	if len(found) != 0 || len(gaps) == 0 {
		t.Errorf("nothing found and a gap wanted, got %v, %v", found, gaps)
	}
}

func TestFaultIsAGap(t *testing.T) {
	h, err := hosttest.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, gaps := Run(t.Context(), Env{Host: &h.Host}, []Mechanism{{Name: "bad", Needs: host.NeedFS, List: func(*Lister) { panic("x") }}, {Name: "live", Needs: host.NeedLive}})
	if len(gaps) != 2 || gaps[0].State != deminer.Failed || gaps[1].State != deminer.Skipped {
		t.Errorf("a failed and a skipped part wanted, got %+v", gaps)
	}
}

func TestHomes(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- @attr --\n/root type=dir\n/home/left type=dir\n/srv/a type=dir\n/home/link link=/srv/a\n/home/file uid=1\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(homes(Env{Host: &h.Host, Accounts: []deminer.Account{{Name: "a", Home: "/srv/a"}, {Name: "b", Home: "/srv/a"}, {Name: "c", Home: "/none"}, {Name: "d", Home: "/"}}}))
	if want := "[{a /srv/a} {root /root} { /home/left}]"; got != want {
		t.Errorf("homes = %s, want %s", got, want)
	}
}

// TestIncludedOnce: a file is read once by whatever names it is reached, also where files include each other.
func TestIncludedOnce(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /a --\n/b /link /gone /b\n-- /b --\n/a /c /dir\n-- /c --\n/c\n-- /dir/x --\n\n-- /link --\n-- @attr --\n/link link=/b\n"))
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	Run(t.Context(), Env{Host: &h.Host}, []Mechanism{{Name: "x", Needs: host.NeedFS, List: func(l *Lister) {
		l.Included([]string{"/a", "/a"}, func(name string) []string {
			seen = append(seen, name)
			return strings.Fields(l.Lines(name)[0].Text)
		})
	}}})
	if got := strings.Join(seen, " "); got != "/a /b /c" {
		t.Errorf("read %s", got)
	}
}
