package detect

import (
	"testing"
	"time"

	"github.com/deminer/deminer"
)

func TestStopsAtLogin(t *testing.T) {
	now := time.Date(2026, 3, 8, 0, 0, 0, 0, time.UTC)
	begin := now.Add(-6 * 24 * time.Hour)
	snap := &deminer.Snapshot{Taken: now}
	var shy, job, whole []deminer.Work
	for day := range 5 {
		at := begin.Add(time.Duration(day)*24*time.Hour + 9*time.Hour)
		snap.Logins = append(snap.Logins, deminer.Login{Kind: "login", Time: at})
		shy = append(shy, deminer.Work{Exe: "/tmp/m", From: at.Add(-20 * time.Minute), To: at.Add(-10 * time.Minute), Cores: 2},
			deminer.Work{Exe: "/tmp/m", From: at.Add(-10 * time.Minute), To: at.Add(40 * time.Second), Cores: 2})
		job = append(job, deminer.Work{Exe: "/usr/bin/backup", From: at.Add(-8 * time.Hour), To: at.Add(-7 * time.Hour), Cores: 1})
		whole = append(whole, deminer.Work{Exe: "/usr/bin/db", From: at, To: at.Add(23*time.Hour + 59*time.Minute + 50*time.Second), Cores: 1})
	}
	job = append(job, deminer.Work{Exe: "/usr/bin/backup", From: snap.Logins[4].Time.Add(-time.Hour), To: snap.Logins[4].Time, Cores: 1})
	if got := StopsAtLogin(shy, snap); len(got) != 1 || got[0].Tier != deminer.Strong || got[0].Subject.Path != "/tmp/m" {
		t.Errorf("%+v", got)
	}
	for _, quiet := range [][]deminer.Work{nil, job, whole, shy[:4]} {
		if got := StopsAtLogin(quiet, snap); len(got) != 0 {
			t.Errorf("%+v", got)
		}
	}
	for at := begin; at.Before(now); at = at.Add(5 * time.Minute) { // somebody's machine logs in all the time
		snap.Logins = append(snap.Logins, deminer.Login{Kind: "login", Time: at})
	}
	if got := StopsAtLogin(shy, snap); len(got) != 0 {
		t.Errorf("by chance: %+v", got)
	}
}
