// Package accounts reads who may use a host: passwd, shadow, group and gshadow, and where people's homes are. Password
// hashes are looked at only to tell their state and are never kept.
package accounts

import (
	"errors"
	"io/fs"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// part is the name of this part in gaps.
const part = "accounts"

// Limits of the account files. A site with 100,000 accounts has a passwd of about 7 MiB.
const (
	maxFile  = 16 << 20
	maxLines = 200_000
)

// Read gives the accounts of /etc/passwd in the order of the file, with their groups and the state of their passwords.
// A broken line is left out and reported, with its number, as part of one gap for each file. At most 16 MiB and
// 200,000 lines of each file are read.
func Read(fsys host.FS) ([]deminer.Account, []deminer.Gap) {
	var gaps []deminer.Gap
	read := func(name string, parse func(text []byte) []int) (read bool) {
		text, err := host.ReadFile(fsys, name, maxFile)
		switch {
		case errors.Is(err, host.ErrTooLarge):
			gaps = append(gaps, deminer.Gap{Part: part, State: deminer.Partial, What: name, Why: "larger than 16 MiB, the rest was not read"})
		case err != nil:
			if !errors.Is(err, fs.ErrNotExist) || name == "/etc/passwd" {
				gaps = append(gaps, deminer.Gap{Part: part, State: deminer.Failed, What: name, Why: err.Error()})
			}
			return false
		}
		if bad := parse(text); len(bad) > 0 {
			gaps = append(gaps, brokenLines(name, bad))
		}
		return true
	}
	var list []deminer.Account
	read("/etc/passwd", func(text []byte) (bad []int) { list, bad = parsePasswd(text); return bad })
	var secrets map[string]secret
	shadow := read("/etc/shadow", func(text []byte) (bad []int) { secrets, bad = parseShadow(text); return bad })
	groups := newGroups()
	read("/etc/group", groups.parse)
	read("/etc/gshadow", groups.parseShadow)
	for i := range list {
		a := &list[i]
		a.Groups = groups.of(a.Name, a.GID)
		if a.Secret != "" { // passwd itself holds the password
			continue
		}
		s, ok := secrets[a.Name]
		switch {
		case !shadow:
			a.Secret = "unknown"
		case !ok:
			a.Secret = "none"
		default:
			a.Secret, a.Changed = s.state, s.changed
		}
	}
	return list, gaps
}
