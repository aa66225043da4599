package persist

import (
	"fmt"
	"strings"

	"github.com/deminer/deminer"
)

// fieldsThen splits n fields off a line, at blanks and tabs; rest is what follows them, without blanks in front.
func fieldsThen(s string, n int) (fields []string, rest string) {
	rest = strings.TrimLeft(s, " \t")
	for range n {
		i := strings.IndexAny(rest, " \t")
		if i < 0 {
			return append(fields, rest), ""
		}
		fields = append(fields, rest[:i])
		rest = strings.TrimLeft(rest[i:], " \t")
	}
	return fields, rest
}

// isAssignment reports whether a line of a table sets a variable: NAME=value, blanks around the sign allowed.
func isAssignment(s string) bool {
	name, _, ok := strings.Cut(s, "=")
	name = strings.Trim(strings.TrimSpace(name), `"'`)
	_, _, good := assignment(name + "=")
	return ok && good
}

// controls are taken away before the rest of a line is looked at: what may stand in any line.
var controls = strings.NewReplacer("\r", "", "\x1b", "", "\x00", "", "\t", "", "\n", "")

// oddLine says what is formally odd about a line: what a person who lists the file on a terminal would not see.
func oddLine(s string) []string {
	var odd []string
	body := strings.TrimRight(s, "\r")
	if strings.Contains(body, "\r") {
		odd = append(odd, "a carriage return hides part of the line on a terminal")
	}
	if strings.Contains(body, "\x1b") {
		odd = append(odd, "a terminal escape code hides part of the line")
	}
	if strings.Contains(body, "\x00") {
		odd = append(odd, "zero bytes in the line")
	}
	if strings.Contains(body, strings.Repeat(" ", 80)) || strings.Contains(body, strings.Repeat("\t", 12)) {
		odd = append(odd, "a long run of blanks pushes part of the line off the screen")
	}
	if len(s) > 4096 {
		odd = append(odd, fmt.Sprintf("the line is %d bytes long", len(s)))
	}
	if visible := controls.Replace(body); len(odd) == 0 && deminer.Safe(visible) != visible {
		odd = append(odd, "characters in the line do not show on a terminal")
	}
	return odd
}

// oddName says what is odd about a file's name.
func oddName(base string) []string {
	var odd []string
	if strings.HasPrefix(base, ".") {
		odd = append(odd, "hidden name")
	}
	if deminer.Safe(base) != base {
		odd = append(odd, "characters in the name do not show on a terminal")
	}
	return odd
}

// loads reports whether a variable of this name makes programs load or run what its value names.
func loads(name string) bool {
	switch name {
	case "LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "BASH_ENV", "ENV", "PROMPT_COMMAND", "PYTHONSTARTUP", "PYTHONPATH", "PYTHONHOME",
		"PERL5OPT", "PERL5LIB", "RUBYOPT", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "LESSOPEN", "GIT_SSH_COMMAND", "GIT_PAGER", "ZDOTDIR":
		return true
	}
	return false
}
