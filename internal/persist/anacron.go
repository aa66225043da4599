package persist

import (
	"strconv"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// listAnacron reads /etc/anacrontab: "period delay id command", period in days or @daily, @weekly, @monthly (anacrontab(5)).
func listAnacron(l *Lister) {
	const name = "/etc/anacrontab"
	for _, line := range l.Lines(name) {
		text := strings.TrimSpace(line.Text)
		if text == "" || text[0] == '#' || isAssignment(text) {
			continue
		}
		fields, command := fieldsThen(text, 3)
		if command == "" {
			continue
		}
		f := deminer.Foothold{Path: name, Line: deminer.Raw(line.Text), LineNo: line.No, Name: fields[2], User: "root",
			Command: deminer.Raw(command), Odd: oddLine(line.Text)}
		days, err := strconv.Atoi(strings.TrimPrefix(fields[0], "@"))
		switch {
		case err == nil && days > 0 && days < 100_000:
			f.Every = time.Duration(days) * 24 * time.Hour
			f.Trigger = every(f.Every)
		case nickname(fields[0]) != "":
			f.Every, f.Trigger = period(nickname(fields[0]))
		default:
			f.Trigger, f.Disabled = "never: the period cannot be read", true
		}
		l.Add(f)
	}
}
