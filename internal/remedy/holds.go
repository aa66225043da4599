package remedy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// Return is a change that does not stand: what a step took away is there again, or was never gone.
type Return struct {
	Step     string
	Artifact deminer.Artifact // what is there
	What     string           // safe text
	Since    time.Time        // when it was written, where that is known
}

// standing says whether the change of a step still stands; it changes nothing. undo is empty where the step was never ready:
// then only what the target itself tells is looked at.
type standing func(t *Tools, s deminer.Step, undo json.RawMessage) ([]Return, error)

// Holding looks at everything that a plan changed and tells what stands no longer. Steps that were taken back are left out,
// and names at which the plan itself put something else. The error joins what could not be looked at.
func (r *Runner) Holding(plan string) ([]Return, error) { return r.Stands(plan, nil) }

// Stands is Holding of some steps of a plan; nil: all.
func (r *Runner) Stands(plan string, steps []string) ([]Return, error) {
	st, err := r.Status(plan)
	if err != nil {
		return nil, err
	}
	tools := r.Tools
	tools.Now, tools.plan = r.now, plan
	states := fold(st.Records)
	var out []Return
	var failed []error
	for _, s := range st.Plan.Steps {
		if steps != nil && !slices.Contains(steps, s.ID) || states[s.ID].undone || refilled(st.Plan, states, s) {
			continue
		}
		v, err := Find(s.Action.Verb)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		list, err := v.Holds(&tools, s, states[s.ID].undo)
		if err != nil {
			failed = append(failed, fmt.Errorf("look at step %s (%s %s) again: %w", s.ID, s.Action.Verb, s.Action.Target, err))
		}
		for _, one := range list {
			one.Step = s.ID
			if !states[s.ID].done {
				one.What += " (its step did not end well)"
			}
			out = append(out, one)
		}
	}
	return out, errors.Join(failed...)
}

// refilled reports whether another step puts something at the name that this one cleared; that one is looked at itself.
func refilled(p deminer.Plan, states map[string]stepState, s deminer.Step) bool {
	if s.Action.Verb != deminer.VerbDropFile && s.Action.Verb != deminer.VerbQuarantine {
		return false
	}
	for _, o := range p.Steps {
		a := o.Action
		puts := a.Verb == deminer.VerbRename && a.Args["to"] == s.Action.Target.Path ||
			(a.Verb == deminer.VerbRestore || a.Verb == deminer.VerbCopyFile) && a.Target.Path == s.Action.Target.Path
		if puts && states[o.ID].done {
			return true
		}
	}
	return false
}

// back is one return of the step's own target.
func back(s deminer.Step, since time.Time, format string, args ...any) []Return {
	return []Return{{Artifact: s.Action.Target, Since: since, What: fmt.Sprintf(format, args...)}}
}

// awayHolds: the name must be free, or hold what a package owns unchanged. A directory starts nothing by itself, and may
// be an owner's by now; only what lay in it counts.
func awayHolds(t *Tools, s deminer.Step, undo json.RawMessage) ([]Return, error) {
	name := string(s.Action.Target.Path)
	n, err := t.Hands.Files.Look(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case n.Attr.Type == deminer.Directory:
		return t.membersBack(name, undo)
	}
	same := ""
	if n.Attr.Type == deminer.Regular {
		if t.packaged(name) {
			return nil, nil
		}
		same = t.sameContent(name, undo)
	}
	return back(s, n.Attr.Mtime, "%s is there again%s", deminer.Safe(name), same), nil
}

// membersBack names the files and links of a directory in the vault that are in the directory of that name again.
func (t *Tools) membersBack(name string, undo json.RawMessage) (out []Return, err error) {
	d, err := take[away](undo)
	if err != nil || d.Entry == "" {
		return nil, nil
	}
	e, err := t.Vault.Show(d.Entry)
	if err == nil {
		err = checkMembers(e)
	}
	if err != nil {
		return nil, err
	}
	for _, m := range e.Members {
		if m.Attr.Type == deminer.Directory || len(out) == maxReturned {
			continue
		}
		sub := name + "/" + string(m.Path)
		n, err := t.Hands.Files.Look(sub)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return out, err
		}
		a := deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(sub)}
		out = append(out, Return{Artifact: a, Since: n.Attr.Mtime, What: deminer.Safe(sub) + " is there again"})
	}
	return out, nil
}

// packaged reports whether a package owns the file at a name, unchanged: an owner reinstalled it.
func (t *Tools) packaged(name string) bool {
	if t.Packages == nil {
		return false
	}
	f, err := t.Hands.Files.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	return t.Packages.CheckContent(name, f).State == deminer.Intact
}

// sameContent says whether a file is the one that lies in the vault; "" where that cannot be told.
func (t *Tools) sameContent(name string, undo json.RawMessage) string {
	d, err := take[away](undo)
	if err != nil || d.Entry == "" {
		return ""
	}
	e, err := t.Vault.Show(d.Entry)
	if err != nil || e.SHA256 == "" {
		return ""
	}
	switch sum, err := t.sum(name); {
	case err != nil:
		return ""
	case sum == e.SHA256:
		return ", the very content that is in the vault"
	}
	return ", with another content"
}

// linesHold: none of the lines may stand in the file again. A login key and a preload library count by themselves, too,
// whatever else is on their line by now.
func linesHold(t *Tools, s deminer.Step, _ json.RawMessage) ([]Return, error) {
	target := s.Action.Target
	name, n, err := t.real(string(target.Path))
	if errors.Is(err, fs.ErrNotExist) || err == nil && n.Attr.Type != deminer.Regular {
		return nil, nil
	}
	if err != nil || target.Line == "" {
		return nil, err
	}
	text, err := t.read(name, maxEdit)
	if err != nil {
		return nil, err
	}
	all := lines(text)
	if holds(all, lines([]byte(target.Line))) {
		return back(s, n.Attr.Mtime, "the text is in %s again: %s", deminer.Safe(target.Path), deminer.Cut(target.Line, 100)), nil
	}
	fresh := string(s.Action.Args["new"])
	for _, word := range telling(target) {
		if strings.Contains(fresh, word) {
			continue // the plan left it there: another part of the line was bad
		}
		for _, l := range all {
			if hasWord(string(l), word) {
				return back(s, n.Attr.Mtime, "%s names it again, on a line with other words: %s", deminer.Safe(target.Path), deminer.Cut(string(l), 100)), nil
			}
		}
	}
	return nil, nil
}

// telling are the words of a line that are enough to know it by: the key of a login key, the library of a preload line.
func telling(target deminer.Artifact) (out []string) {
	for word := range strings.FieldsSeq(string(target.Line)) {
		switch {
		case target.Mechanism == "ssh-keys" && strings.HasPrefix(word, "AAAA"),
			strings.HasSuffix(string(target.Path), "/ld.so.preload") && strings.HasPrefix(word, "/"):
			out = append(out, word)
		}
	}
	return out
}

// hasWord looks for a word between blanks and colons, outside comments.
func hasWord(line, word string) bool {
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return false
	}
	for w := range strings.FieldsFuncSeq(line, func(c rune) bool { return c == ' ' || c == '\t' || c == ':' || c == '\n' || c == '\r' }) {
		if w == word {
			return true
		}
	}
	return false
}

// accountHolds: the change, prepared once more, must find nothing to do.
func accountHolds(how rewrite, what string) standing {
	return func(t *Tools, s deminer.Step, _ json.RawMessage) (out []Return, err error) {
		var failed []error
		for _, file := range accountFiles() {
			name, n, err := t.real(file)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				failed = append(failed, err)
				continue
			}
			text, err := t.read(name, maxEdit)
			if err != nil {
				failed = append(failed, err)
				continue
			}
			_, hunks := rewriteLines(text, func(line []byte) []byte { return how(file, s.Action.Target.Name, line) })
			if len(hunks) > 0 {
				out = append(out, back(s, n.Attr.Mtime, "account %s is %s: see %s", deminer.Safe(s.Action.Target.Name), what, file)...)
			}
		}
		return out, errors.Join(failed...)
	}
}
