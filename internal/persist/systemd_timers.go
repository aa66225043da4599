package persist

import (
	"strconv"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// listTimers lists the system manager's timers, with the command of the service each one starts.
func listTimers(l *Lister) {
	s := l.systemUnits()
	for _, u := range s.units {
		if _, kind := splitUnit(u.name); kind == "timer" {
			l.addUnit(s, u, "", true)
		}
	}
}

// timerTrigger says when a timer fires and how long the wait between two times is at most: the shortest of its settings.
func timerTrigger(list []setLine) (string, time.Duration) {
	var best time.Duration
	var said []string
	for _, d := range list {
		if d.value == "" {
			continue
		}
		switch d.key {
		case "OnCalendar":
			t, words := calendar(d.value)
			said = append(said, words)
			if t > 0 && (best == 0 || t < best) {
				best = t
			}
		case "OnUnitActiveSec", "OnUnitInactiveSec":
			t, ok := timespan(d.value)
			if !ok {
				said = append(said, d.key+"="+deminer.Cut(d.value, 40))
				continue
			}
			said = append(said, every(t))
			if best == 0 || t < best {
				best = t
			}
		case "OnBootSec", "OnStartupSec", "OnActiveSec":
			said = append(said, deminer.Cut(d.value, 40)+" after boot")
		}
	}
	if len(said) == 0 {
		return "never: no time is set", 0
	}
	return strings.Join(said[:min(len(said), 6)], ", "), best
}

// timespan reads a time span of systemd.time(7): "5min 20s", "1h30m", a plain number of seconds.
func timespan(s string) (time.Duration, bool) {
	var total time.Duration
	s = strings.TrimSpace(s)
	for s != "" {
		n := 0
		for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == '.') {
			n++
		}
		number, err := strconv.ParseFloat(s[:n], 64)
		s = strings.TrimLeft(s[n:], " ")
		m := 0
		for m < len(s) && s[m] >= 'A' && s[m] <= 'z' {
			m++
		}
		u := spanUnit(s[:m])
		if err != nil || u == 0 || number*float64(u) > float64(100*365*24*time.Hour) {
			return 0, false
		}
		total += time.Duration(number * float64(u))
		s = strings.TrimLeft(s[m:], " ")
	}
	return total, total > 0
}

func spanUnit(s string) time.Duration {
	day := 24 * time.Hour
	switch s {
	case "us", "usec":
		return time.Microsecond
	case "ms", "msec":
		return time.Millisecond
	case "", "s", "sec", "second", "seconds":
		return time.Second
	case "m", "min", "minute", "minutes":
		return time.Minute
	case "h", "hr", "hour", "hours":
		return time.Hour
	case "d", "day", "days":
		return day
	case "w", "week", "weeks":
		return 7 * day
	case "M", "month", "months":
		return 2629800 * time.Second
	case "y", "year", "years":
		return 31557600 * time.Second
	}
	return 0
}

// calendar gives the longest wait of a calendar event of systemd.time(7), and it in words. Events it cannot read have
// period 0 and are quoted.
func calendar(s string) (time.Duration, string) {
	quoted := `at "` + deminer.Cut(s, 60) + `"`
	cron, seconds, ok := calendarFields(strings.ToLower(strings.TrimSpace(s)))
	if !ok {
		return 0, quoted
	}
	d, words := period(strings.Join(cron[:], " "))
	switch {
	case d == 0:
		return 0, quoted
	case d == time.Minute && len(seconds) > 1:
		most := 60 + seconds[0] - seconds[len(seconds)-1]
		for i := 1; i < len(seconds); i++ {
			most = max(most, seconds[i]-seconds[i-1])
		}
		d = time.Duration(most) * time.Second
		return d, every(d)
	case strings.HasPrefix(words, "at "):
		return d, quoted + ", at most " + span(d) + " apart"
	}
	return d, words
}

// calendarFields turns a calendar event into the five fields of cron and the seconds.
func calendarFields(s string) (cron [5]string, seconds []int, ok bool) {
	switch s {
	case "minutely":
		s = "*:*"
	case "hourly":
		s = "*:0"
	case "daily", "weekly", "monthly", "yearly", "annually":
		f := strings.Fields(nickname("@" + s))
		return [5]string(f), []int{0}, true
	case "quarterly":
		return [5]string{"0", "0", "1", "1,4,7,10", "*"}, []int{0}, true
	case "semiannually":
		return [5]string{"0", "0", "1", "1,7", "*"}, []int{0}, true
	}
	cron = [5]string{"0", "0", "*", "*", "*"}
	seconds = []int{0}
	for i, word := range strings.Fields(s) {
		switch {
		case strings.Contains(word, ":"):
			f := strings.Split(word, ":")
			cron[1], cron[0] = cronPart(f[0], 23), cronPart(f[1], 59)
			if len(f) == 3 {
				seconds = bits(cronPart(f[2], 59))
			}
		case strings.Count(word, "-") == 2 && strings.ContainsAny(word, "0123456789*"):
			f := strings.Split(word, "-")
			cron[3], cron[2] = cronPart(f[1], 12), cronPart(f[2], 31)
		case i == 0 && word[0] >= 'a' && word[0] <= 'z':
			var days []string
			for day := range strings.SplitSeq(word, ",") {
				from, to, ranged := strings.Cut(strings.ReplaceAll(day, "..", "-"), "-")
				day = from[:min(3, len(from))]
				if ranged {
					day += "-" + to[:min(3, len(to))]
				}
				days = append(days, day)
			}
			cron[4] = strings.Join(days, ",")
		case i > 0: // a time zone
		default:
			return cron, nil, false
		}
	}
	// Weekday and date must both hold here; cron takes either when both are given.
	if cron[2] != "*" && cron[4] != "*" {
		return cron, nil, false
	}
	return cron, seconds, len(seconds) > 0
}

// cronPart turns "a/b" (from a, every b) into a range with a step, and drops fractions of seconds.
func cronPart(s string, hi int) string {
	parts := strings.Split(strings.ReplaceAll(s, "..", "-"), ",")
	for i, p := range parts {
		p, _, _ = strings.Cut(p, ".")
		if from, step, ok := strings.Cut(p, "/"); ok && from != "*" && !strings.Contains(from, "-") {
			p = from + "-" + strconv.Itoa(hi) + "/" + step
		}
		parts[i] = p
	}
	return strings.Join(parts, ",")
}

// bits lists the values of a field of 0 to 59, or nil where it cannot be read.
func bits(field string) []int {
	set, ok := cronField(field, 0, 59, "")
	if !ok {
		return nil
	}
	var out []int
	for v := range 60 {
		if set>>v&1 == 1 {
			out = append(out, v)
		}
	}
	return out
}
