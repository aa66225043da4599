package remedy

import (
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/deminer/deminer"
)

// guarded are the verbs whose work must not be done again by somebody else.
var guarded = []deminer.Verb{deminer.VerbDropFile, deminer.VerbQuarantine, deminer.VerbCutLine, deminer.VerbEditLine, deminer.VerbRemoveAccount,
	deminer.VerbLock, deminer.VerbMaskUnit, deminer.VerbBlock}

// Removals lists what clean-ups since a time took away, and what was not taken back, the latest plan first. The error joins the
// journals and vault entries that could not be read; the rest is listed all the same.
func (r *Runner) Removals(since time.Time) (out []deminer.Removed, err error) {
	plans, err := r.Journal.Plans()
	if err != nil {
		return nil, err
	}
	t := r.Tools
	sizes := map[string]int64{} // of contents
	var failed []error
	for _, id := range slices.Backward(plans) {
		records, _, err := r.Journal.Read(id)
		if err == nil && len(records) > 0 && records[len(records)-1].Time.Before(since) {
			continue
		}
		st, err2 := status(id, records)
		if err = errors.Join(err, err2); err != nil {
			if !errors.Is(err, errNothing) {
				failed = append(failed, err)
			}
			continue
		}
		if st.Plan.Purpose != deminer.ForCleanup {
			continue // what the guard takes away is guarded by the clean-up that it stands for
		}
		some, err := t.removals(&st, since, sizes)
		out, failed = append(out, some...), append(failed, err)
	}
	t.spare(out, sizes)
	return out, errors.Join(failed...)
}

// removals lists what one plan took away.
func (t *Tools) removals(st *Status, since time.Time, sizes map[string]int64) (out []deminer.Removed, err error) {
	states := fold(st.Records)
	at := map[string]time.Time{}
	for _, rec := range st.Records {
		if rec.State == deminer.StateDone {
			at[rec.Step] = rec.Time
		}
	}
	var failed []error
	for _, s := range st.Plan.Steps {
		is := states[s.ID]
		if !is.done || is.undone || is.undoing || at[s.ID].Before(since) || !slices.Contains(guarded, s.Action.Verb) || refilled(st.Plan, states, s) {
			continue
		}
		one := deminer.Removed{Plan: st.Plan.ID, Step: s.ID, At: at[s.ID], Action: s.Action}
		if s.Action.Verb == deminer.VerbDropFile || s.Action.Verb == deminer.VerbQuarantine {
			failed = append(failed, t.contents(&one, is.undo, sizes))
		}
		out = append(out, one)
	}
	return out, errors.Join(failed...)
}

// maxContents bounds what is guarded of one directory.
const maxContents = 10_000

// contents takes from the vault what went there.
func (t *Tools) contents(one *deminer.Removed, undo json.RawMessage, sizes map[string]int64) error {
	d, err := take[away](undo)
	if err != nil || d.Entry == "" {
		return err
	}
	e, err := t.Vault.Show(d.Entry)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted for good since
	}
	if err != nil {
		return err
	}
	if e.SHA256 != "" && e.Size > 0 {
		one.Contents, sizes[e.SHA256] = append(one.Contents, e.SHA256), e.Size
	}
	for _, m := range e.Members[:min(len(e.Members), maxContents)] {
		if m.SHA256 != "" && m.Attr.Size > 0 {
			one.Contents, sizes[m.SHA256] = append(one.Contents, m.SHA256), m.Attr.Size
			one.Files = append(one.Files, e.Path+"/"+m.Path)
		}
	}
	return nil
}

// programs are where the system's own programs lie.
var programs = []string{"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/usr/libexec"}

// spare takes from the list the contents that a program of this system has: intruders leave copies of shells and of curl, and to
// guard against those by content would lock the owner out. Only programs as large as one of the contents are read.
func (t *Tools) spare(list []deminer.Removed, sizes map[string]int64) {
	if t.Hands.Files == nil {
		return
	}
	wanted, sized := map[string]bool{}, map[int64]bool{}
	for i := range list {
		for _, c := range list[i].Contents {
			wanted[c], sized[sizes[c]] = true, true
		}
	}
	if len(wanted) == 0 {
		return
	}
	for _, dir := range programs {
		names, err := t.Hands.Files.List(dir, maxContents)
		if err != nil {
			continue // not there
		}
		for _, name := range names {
			at, err := t.Hands.Files.Look(dir + "/" + name)
			if err != nil || !at.Attr.IsRegular() || !sized[at.Attr.Size] {
				continue
			}
			if sum, err := t.sum(dir + "/" + name); err == nil && wanted[sum] {
				delete(wanted, sum)
			}
		}
	}
	for i := range list {
		list[i].Contents = slices.DeleteFunc(list[i].Contents, func(c string) bool { return !wanted[c] })
	}
}
