package accounts

import (
	"bytes"
	"fmt"
	"iter"
	"path"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
)

// lines gives the numbered lines of a file that are not blank, not comments and not NIS entries (+name, -name).
func lines(text []byte) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		n := 0
		for raw := range bytes.Lines(text) {
			if n++; n > maxLines {
				return
			}
			line := strings.TrimSuffix(string(raw), "\n")
			if s := strings.TrimSpace(line); s == "" || s[0] == '#' || s[0] == '+' || s[0] == '-' {
				continue
			}
			if !yield(n, line) {
				return
			}
		}
	}
}

func brokenLines(name string, bad []int) deminer.Gap {
	return deminer.Gap{Part: part, State: deminer.Partial, What: name, Count: len(bad),
		Why: fmt.Sprintf("broken lines, the first is line %d", bad[0])}
}

// parsePasswd reads passwd(5): name:password:uid:gid:gecos:home:shell.
func parsePasswd(text []byte) (list []deminer.Account, bad []int) {
	for n, line := range lines(text) {
		f := strings.Split(line, ":")
		if len(f) != 7 || f[0] == "" {
			bad = append(bad, n)
			continue
		}
		uid, err1 := strconv.ParseUint(f[2], 10, 32)
		gid, err2 := strconv.ParseUint(f[3], 10, 32)
		if err1 != nil || err2 != nil {
			bad = append(bad, n)
			continue
		}
		a := deminer.Account{Name: f[0], UID: uint32(uid), GID: uint32(gid), Gecos: f[4], Home: f[5], Shell: f[6],
			Line: deminer.Raw(line), Login: loginShell(f[6])}
		if f[1] != "x" {
			a.Secret = secretState(f[1])
		}
		list = append(list, a)
	}
	return list, bad
}

// loginShell reports whether a shell lets a person in. An empty field means /bin/sh (passwd(5)). Anything that is not
// known to turn people away counts as letting them in.
func loginShell(shell string) bool {
	switch path.Base(shell) {
	case "nologin", "false", "true", "sync", "shutdown", "halt", "git-shell":
		return false
	}
	return true
}

type secret struct {
	state   string
	changed int
}

// parseShadow reads shadow(5): name:password:day of last change:... and keeps no hash.
func parseShadow(text []byte) (all map[string]secret, bad []int) {
	all = map[string]secret{}
	for n, line := range lines(text) {
		f := strings.Split(line, ":")
		if len(f) < 3 || len(f) > 9 || f[0] == "" {
			bad = append(bad, n)
			continue
		}
		day, err := strconv.Atoi(f[2])
		if err != nil && f[2] != "" {
			bad = append(bad, n)
		}
		if _, twice := all[f[0]]; !twice { // the first line counts, as for the C library
			all[f[0]] = secret{secretState(f[1]), max(day, 0)}
		}
	}
	return all, bad
}

// secretState tells the state of a password field: a hash that begins with ! or is no hash lets nobody in.
func secretState(field string) string {
	switch {
	case field == "":
		return "empty"
	case field[0] == '!' || field[0] == '*' || field == "x":
		return "locked"
	case field[0] == '$' || field[0] == '_' || len(field) == 13: // crypt(5): modular, BSDi and traditional DES
		return "set"
	}
	return "locked"
}
