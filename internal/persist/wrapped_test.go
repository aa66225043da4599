package persist

import (
	"io"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hosttest"
)

// chattrGone is a package database that lists /usr/bin/chattr with the content "\x7fELFchattr".
type chattrGone struct{ host.Packages }

func (c chattrGone) Owner(name string) deminer.Provenance {
	if name == "/usr/bin/chattr" {
		return deminer.Provenance{State: deminer.Owned, Package: "e2fsprogs"}
	}
	return c.Packages.Owner(name)
}
func (chattrGone) CheckContent(_ string, r io.Reader) deminer.Provenance {
	b, err := io.ReadAll(r)
	if err != nil || string(b) != "\x7fELFchattr" {
		return deminer.Provenance{State: deminer.Modified}
	}
	return deminer.Provenance{State: deminer.Intact}
}

// TestRenamedTool finds a missing tool under the name an intruder gave it, and moves it back.
func TestRenamedTool(t *testing.T) {
	h, err := hosttest.Parse([]byte("-- /usr/bin/tntrecht --\n7f454c46636861747472\n-- /usr/bin/other --\n7f454c46\n" +
		"-- @attr --\n/bin link=usr/bin\n/usr/bin/tntrecht hex=yes\n/usr/bin/other hex=yes\n"))
	if err != nil {
		t.Fatal(err)
	}
	h.Packages = chattrGone{h.Packages}
	var m []Mechanism
	for _, a := range All() {
		if a.Name == "wrapped-tools" {
			m = append(m, a)
		}
	}
	found, gaps := Run(t.Context(), Env{Host: &h.Host}, m)
	if len(found) != 1 || len(gaps) != 0 {
		t.Fatalf("found %v, gaps %v; want one foothold", found, gaps)
	}
	a := found[0].Remove[0]
	if a.Verb != deminer.VerbRename || a.Target.Path != "/usr/bin/tntrecht" || a.Args["to"] != "/usr/bin/chattr" {
		t.Errorf("recipe %+v, want a rename of /usr/bin/tntrecht to /usr/bin/chattr", a)
	}
}
