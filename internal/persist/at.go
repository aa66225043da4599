package persist

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// listAt lists the jobs of at and batch. A job is a file: "# atrun uid=N", the environment of the one who made it, a cd,
// then what runs. Its name is the queue, five hexadecimal digits of a number, eight of minutes since 1970 (at's NAMES).
func listAt(l *Lister) {
	for _, name := range l.Files("/var/spool/cron/atjobs", "/var/spool/at", "/var/spool/atjobs", "/var/at/jobs") {
		base := path.Base(name)
		if base == ".SEQ" || base == ".lockfile" || base == ".placeholder" {
			continue
		}
		text, ok := l.Read(name)
		if !ok || text == "" {
			continue
		}
		uid := atUID(text)
		f := deminer.Foothold{Path: deminer.Raw(name), Name: base, User: l.User(uid), Command: deminer.Raw(atScript(text)), Trigger: "once",
			Targets: l.Targets(text, l.User(uid)), Odd: oddLine(text[:min(len(text), maxCommand)])}
		if when, ok := atTime(base); ok {
			f.Trigger = fmt.Sprintf("once, at %s", when.Format("2006-01-02 15:04 UTC"))
		} else {
			f.Odd = append(f.Odd, "the name is not that of a job")
			f.Disabled = true
		}
		l.Add(f)
	}
}

// atTime reads the time in a job's name.
func atTime(base string) (time.Time, bool) {
	if len(base) != 14 {
		return time.Time{}, false
	}
	minutes, err := strconv.ParseUint(base[6:], 16, 32)
	_, bad := strconv.ParseUint(base[1:6], 16, 32)
	return time.Unix(int64(minutes)*60, 0).UTC(), err == nil && bad == nil
}

func atUID(text string) uint32 {
	_, rest, ok := strings.Cut(text[:min(len(text), 4096)], "# atrun uid=")
	if !ok {
		return 0
	}
	digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	uid, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(uid)
}

// atScript is what follows the environment and the change of directory.
func atScript(text string) string {
	if i := strings.Index(text, "\ncd "); i >= 0 {
		if _, rest, ok := strings.Cut(text[i:], "\n}\n"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return strings.TrimSpace(text)
}
