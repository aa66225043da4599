package incident

import (
	"strings"
	"testing"
	"time"

	"github.com/deminer/deminer"
)

func TestReach(t *testing.T) {
	at := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	one := func(pid int, exe deminer.Raw, s int, way string) deminer.Ancestor {
		return deminer.Ancestor{Proc: deminer.ProcID{PID: pid, Start: uint64(pid)}, Exe: exe, Line: "x\x1b[2J", At: at.Add(time.Duration(s) * time.Second), Way: way}
	}
	up := []deminer.Ancestor{one(9, "/tmp/m", 30, ""), one(8, "/bin/sh", 10, ""), one(7, "/usr/sbin/nginx", -9999, "web server"), one(1, "/sbin/init", -99999, "")}
	inc := deminer.Incident{Since: at.Add(30 * time.Second), Timeline: []deminer.Moment{{Time: at.Add(30 * time.Second), What: "process 9 m started"}},
		Entries: []deminer.Entry{{What: "sure", Belief: "certain"}, {What: "maybe", Belief: "possible"}}}
	for range 2 { // twice is no more than once
		Reach(&inc, up)
		Wrote(&inc, deminer.Artifact{Kind: deminer.KindFile, Path: "/etc/cron.d/x"}, at.Add(20*time.Second), up)
	}
	if len(inc.Timeline) != 4 || !inc.Since.Equal(at.Add(10*time.Second)) || !strings.HasPrefix(inc.Timeline[0].What, "process 8 sh") || !strings.HasPrefix(inc.Timeline[1].What, "/etc/cron.d/x was written by process 9 m") {
		t.Errorf("%+v", inc.Timeline)
	}
	if len(inc.Entries) != 3 || inc.Entries[1].Belief != "likely" || !strings.Contains(inc.Entries[1].Why[0], "nginx 7 > sh 8 > m 9") {
		t.Errorf("%+v", inc.Entries)
	}
	for _, m := range inc.Timeline {
		if strings.Contains(m.What, "\x1b") {
			t.Errorf("raw: %q", m.What)
		}
	}
	bare := deminer.Incident{}
	Reach(&bare, up[:1])
	Reach(&bare, nil)
	if len(bare.Timeline)+len(bare.Entries) != 0 {
		t.Errorf("%+v", bare)
	}
}
