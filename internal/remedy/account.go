package remedy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// accountFiles are the files that name an account, in the order in which they are changed: what lets somebody in goes first.
func accountFiles() []string {
	return []string{"/etc/shadow", "/etc/passwd", "/etc/gshadow", "/etc/group", "/etc/subuid", "/etc/subgid"}
}

func lockAccount() Verb {
	return Verb{Name: deminer.VerbLock, Doc: "lock an account: no password, expired, no shell", Phase: deminer.PhaseUproot,
		Ready: func(t *Tools, s deminer.Step) (any, error) { return readyAccount(t, s, lockFields) },
		Do:    locked(doChanges), Undo: locked(undoChanges), Holds: accountHolds(lockFields, "not locked any more")}
}

func removeAccount() Verb {
	return Verb{Name: deminer.VerbRemoveAccount, Doc: "cut an account's lines from the account files", Phase: deminer.PhaseUproot,
		Ready: func(t *Tools, s deminer.Step) (any, error) { return readyAccount(t, s, dropFields) },
		Do:    locked(doChanges), Undo: locked(undoChanges), Holds: accountHolds(dropFields, "there again")}
}

// locked runs a deed under the lock of the password files, so that useradd and passwd wait.
func locked(do func(*Tools, deminer.Step, json.RawMessage) (string, error)) func(*Tools, deminer.Step, json.RawMessage) (string, error) {
	return func(t *Tools, s deminer.Step, raw json.RawMessage) (string, error) {
		if t.LockAccounts == nil {
			return do(t, s, raw)
		}
		release, err := t.LockAccounts()
		if err != nil {
			return "", err
		}
		defer release()
		return do(t, s, raw)
	}
}

// rewrite says what becomes of one line of an account file: nil drops it.
type rewrite func(file, name string, line []byte) []byte

func readyAccount(t *Tools, s deminer.Step, how rewrite) (any, error) {
	name := s.Action.Target.Name
	if name == "" || name == "root" || strings.ContainsAny(name, ":\n\x00,/") {
		return nil, fmt.Errorf("account %q: %w", deminer.Safe(name), deminer.ErrProtected)
	}
	var out changes
	for _, file := range accountFiles() {
		c, err := t.draw(file, func(old []byte, n *host.Node) (draft, error) {
			if n == nil {
				return draft{}, errDone
			}
			text, hunks := rewriteLines(old, func(line []byte) []byte { return how(file, name, line) })
			if len(hunks) == 0 {
				return draft{}, errDone
			}
			return draft{content: text, hunks: hunks}, nil
		})
		if errors.Is(err, errDone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("account %q: %w", deminer.Safe(name), err)
		}
		out.Files = append(out.Files, c)
	}
	if len(out.Files) == 0 {
		out.Note = "nothing to do: no file names it, or it is locked"
	}
	return out, nil
}

// rewriteLines changes lines one by one and tells where.
func rewriteLines(text []byte, how func([]byte) []byte) ([]byte, []hunk) {
	var now [][]byte
	var hunks []hunk
	for _, line := range lines(text) {
		bare, nl := bytes.CutSuffix(line, []byte{'\n'})
		repl := how(bare)
		if bytes.Equal(repl, bare) && repl != nil {
			now = append(now, line)
			continue
		}
		h := hunk{At: len(now), Old: [][]byte{line}}
		if repl != nil {
			if nl {
				repl = append(slices.Clone(repl), '\n')
			}
			h.New = [][]byte{repl}
		} else if n := len(hunks); n > 0 && hunks[n-1].At == h.At && len(hunks[n-1].New) == 0 {
			hunks[n-1].Old = append(hunks[n-1].Old, line)
			continue
		}
		now = append(now, h.New...)
		hunks = append(hunks, h)
	}
	for i := range hunks {
		hunks[i].context(now)
	}
	return bytes.Join(now, nil), hunks
}

// expired is the day an account of the locked kind ran out: 1970-01-02, as usermod --expiredate 1 sets it.
const expired = "1"

// lockFields locks in shadow (password and expiry, shadow(5) fields 2 and 8) and takes the shell in passwd.
func lockFields(file, name string, line []byte) []byte {
	f := strings.Split(string(line), ":")
	if f[0] != name {
		return line
	}
	switch {
	case file == "/etc/shadow" && len(f) == 9:
		if !strings.HasPrefix(f[1], "!") {
			f[1] = "!" + f[1]
		}
		f[7] = expired
	case file == "/etc/passwd" && len(f) == 7:
		// An empty password field lets anybody in; "x" sends them to shadow, which says no.
		f[1], f[6] = "x", "/usr/sbin/nologin"
	}
	return []byte(strings.Join(f, ":"))
}

// dropFields cuts the account's own line, its group of the same name, and its name from the members of other groups.
func dropFields(file, name string, line []byte) []byte {
	f := strings.Split(string(line), ":")
	groups := (file == "/etc/group" || file == "/etc/gshadow") && len(f) == 4
	// Its own group goes too, unless others are in it.
	if f[0] == name && (!groups || strings.Trim(f[3], ",") == "" || f[3] == name) {
		return nil
	}
	if !groups {
		return line
	}
	drop := func(list string) string {
		return strings.Join(slices.DeleteFunc(strings.Split(list, ","), func(m string) bool { return m == name }), ",")
	}
	f[3] = drop(f[3])
	if file == "/etc/gshadow" {
		f[2] = drop(f[2])
	}
	return []byte(strings.Join(f, ":"))
}
