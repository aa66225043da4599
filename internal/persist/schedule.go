package persist

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// nickname gives the five fields that a cron nickname stands for, "@reboot" for itself, or "".
func nickname(s string) string {
	switch strings.ToLower(s) {
	case "@reboot":
		return "@reboot"
	case "@yearly", "@annually":
		return "0 0 1 1 *"
	case "@monthly":
		return "0 0 1 * *"
	case "@weekly":
		return "0 0 * * 0"
	case "@daily", "@midnight":
		return "0 0 * * *"
	case "@hourly":
		return "0 * * * *"
	case "@every_minute", "@minutely":
		return "* * * * *"
	}
	return ""
}

// period gives the longest wait between two runs of a cron schedule, and the schedule in words. A schedule that cannot be
// read, or never comes round, has period 0 and words that begin with "never".
func period(fields string) (time.Duration, string) {
	if fields == "@reboot" {
		return 0, "at boot"
	}
	f := strings.Fields(fields)
	if len(f) != 5 {
		return 0, "never: not five fields"
	}
	var sets [5]uint64
	for i, limits := range [5]struct {
		lo, hi int
		names  string
	}{{0, 59, ""}, {0, 23, ""}, {1, 31, ""}, {1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"}, {0, 7, "sun mon tue wed thu fri sat"}} {
		set, ok := cronField(f[i], limits.lo, limits.hi, limits.names)
		if !ok {
			return 0, fmt.Sprintf("never: field %d cannot be read", i+1)
		}
		sets[i] = set
	}
	sets[4] |= sets[4] >> 7 & 1 // 7 is Sunday too
	either := f[2][0] != '*' && f[4][0] != '*'
	return longestWait(sets, either, fields)
}

// longestWait walks eight years from 2024, so that every leap day and every weekday of a date comes round.
func longestWait(sets [5]uint64, either bool, fields string) (time.Duration, string) {
	first, last, least, most := -1, -1, 1<<30, 0
	for m := range 24 * 60 {
		if sets[1]>>(m/60)&1 == 0 || sets[0]>>(m%60)&1 == 0 {
			continue
		}
		if first < 0 {
			first = m
		} else {
			least, most = min(least, m-last), max(most, m-last)
		}
		last = m
	}
	before := -1
	c := date{year: 2024, month: 1, day: 1, weekday: 1}
	for day := range 8*365 + 2 {
		dom, dow := sets[2]>>c.day&1 == 1, sets[4]>>c.weekday&1 == 1
		if sets[3]>>c.month&1 == 1 && (dom && dow || either && (dom || dow)) {
			if before >= 0 {
				wait := (day-before)*24*60 + first - last
				least, most = min(least, wait), max(most, wait)
			}
			before = day
		}
		c.next()
	}
	if most == 0 {
		return 0, "never: the date does not come round"
	}
	d := time.Duration(most) * time.Minute
	if least == most {
		return d, every(d)
	}
	return d, fmt.Sprintf("at %q, at most %s apart", fields, span(d))
}

// date is a day of the calendar, cheap to step: hostile tables hold tens of thousands of schedules.
type date struct{ year, month, day, weekday int }

func (d *date) next() {
	d.weekday = (d.weekday + 1) % 7
	last := 31
	switch d.month {
	case 4, 6, 9, 11:
		last = 30
	case 2:
		last = 28
		if d.year%4 == 0 { // no century lies in the eight years
			last = 29
		}
	}
	if d.day++; d.day > last {
		d.day = 1
		if d.month++; d.month > 12 {
			d.month = 1
			d.year++
		}
	}
}

// cronField reads one field of a schedule: lists of values, names, ranges, steps; "a~b" is one random value of a range.
func cronField(s string, lo, hi int, names string) (set uint64, ok bool) {
	for part := range strings.SplitSeq(strings.ToLower(s), ",") {
		span, step, stepped := strings.Cut(part, "/")
		by := 1
		if stepped {
			n, err := strconv.Atoi(step)
			if err != nil || n < 1 {
				return 0, false
			}
			by = n
		}
		from, to := lo, hi
		a, b, ranged := strings.Cut(span, "-")
		if x, y, random := strings.Cut(span, "~"); random {
			a, b, ranged, by = x, y, true, 64
			if a == "" {
				a = strconv.Itoa(lo)
			}
			if b == "" {
				b = strconv.Itoa(hi)
			}
		}
		if span != "*" {
			if from, ok = cronValue(a, lo, hi, names); !ok {
				return 0, false
			}
			switch {
			case ranged:
				if to, ok = cronValue(b, lo, hi, names); !ok {
					return 0, false
				}
			case !stepped:
				to = from
			}
		} else if hi == 7 {
			to = 6
		}
		if hi == 7 && to < from { // sat-sun
			to += 7
		}
		for v := from; v <= to; v += by {
			set |= 1 << v
			if hi == 7 && v > 7 {
				set |= 1 << (v - 7)
			}
		}
	}
	return set, set != 0
}

func cronValue(s string, lo, hi int, names string) (int, bool) {
	if i := strings.Index(names, s); len(s) == 3 && i >= 0 && i%4 == 0 {
		return lo + i/4, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= lo && n <= hi
}

// every says a period in words: "every 5 minutes".
func every(d time.Duration) string {
	s := span(d)
	if rest, ok := strings.CutPrefix(s, "1 "); ok {
		s = rest
	}
	return "every " + s
}

// span says a duration in words, in its largest whole unit.
func span(d time.Duration) string {
	for _, u := range []struct {
		name string
		d    time.Duration
	}{{"week", 7 * 24 * time.Hour}, {"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		if d >= u.d && d%u.d == 0 {
			if n := int64(d / u.d); n > 300 && u.d < time.Hour {
				return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "m0s")
			} else if n != 1 {
				return fmt.Sprintf("%d %ss", n, u.name)
			}
			return "1 " + u.name
		}
	}
	return d.String()
}
