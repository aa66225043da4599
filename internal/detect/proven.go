package detect

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// proven names the finding that settles that this host was intruded, or "": a proof, or two strong signs of different
// classes on one thing, by a detector that ran earlier. What weakens a host (a blocked vendor, a flushed firewall) is the
// owner's doing as often as not; next to a proven intrusion it is the intruder's.
func (p *Pass) proven() string {
	if m := p.memo; m.provenAt != len(m.found)+1 {
		m.provenBy, m.provenAt = p.findProven(), len(m.found)+1
	}
	return p.memo.provenBy
}

func (p *Pass) findProven() string {
	strong := map[string]deminer.Class{}
	for _, f := range p.memo.found {
		if f.Topic == deminer.TopicDoor || f.Topic == deminer.TopicHygiene {
			continue
		}
		switch f.Tier {
		case deminer.Proof:
			return f.Title
		case deminer.Strong:
			ref := f.Subject.Ref()
			if c, ok := strong[ref]; ok && c != f.Class {
				return f.Title
			}
			strong[ref] = f.Class
		}
	}
	return ""
}

// minutes is how close two changes must lie to count as one visit. Hours or a day say nothing: owners work every day.
const minutes = 10 * time.Minute

// anchors are the files and entries of a proven intrusion: their times tell when the intruder was at work. The start of a
// process is none (it may have been started again), nor a setting or key among others (anybody's edit of the file sets its
// time), nor what was itself convicted for its time.
func (p *Pass) anchors() []deminer.Finding {
	// Asked for every account and key; lines can be a mebibyte long, so what was found is gone through once as it grows.
	if m, now := p.memo, [2]int{len(p.memo.found) + 1, len(p.memo.raised)}; m.anchorsAt != now {
		m.anchorsBy, m.anchorsAt = p.findAnchors(), now
	}
	return p.memo.anchorsBy
}

func (p *Pass) findAnchors() []deminer.Finding {
	classes := map[string]map[deminer.Class]bool{}
	for _, f := range p.memo.found {
		if f.Subject.Kind != deminer.KindFile && (f.Subject.Kind != deminer.KindLine || f.Topic != deminer.TopicReturns) || f.Topic == deminer.TopicDoor || f.Topic == deminer.TopicHygiene || f.Tier != deminer.Strong && f.Tier != deminer.Proof {
			continue
		}
		ref := f.Subject.Ref()
		if classes[ref] == nil {
			classes[ref] = map[deminer.Class]bool{}
		}
		classes[ref][f.Class] = true
		if f.Tier == deminer.Proof {
			classes[ref]["proof"], classes[ref][""] = true, true
		}
	}
	var out []deminer.Finding
	for _, f := range p.memo.found {
		if len(classes[f.Subject.Ref()]) >= 2 && !f.Time.IsZero() && !p.memo.raised[f.Subject.Ref()] {
			out = append(out, f)
		}
	}
	return out
}

// written reports whether deminer itself wrote one of the files at that time: a clean-up, and the owner's lines that it left
// in them, did not come with an intrusion. The file system's clock lags behind by a tick, 10 ms at most.
func (p *Pass) written(t time.Time, files []deminer.Raw) bool {
	const tick = 10 * time.Millisecond
	return slices.ContainsFunc(p.Snapshot.Written, func(w deminer.Written) bool {
		return slices.Contains(files, w.Path) && !t.Before(w.From.Add(-tick)) && !t.After(w.To)
	})
}

// near gives an anchor within d of t. What was found in the file "not" does not count: a file is always as old as itself.
// Nor does a time at which deminer wrote that file.
func (p *Pass) near(t time.Time, d time.Duration, not ...deminer.Raw) (deminer.Finding, bool) {
	if t.IsZero() || p.written(t, not) {
		return deminer.Finding{}, false
	}
	for _, f := range p.anchors() {
		if !slices.Contains(not, f.Subject.Path) && f.Time.Sub(t).Abs() < d {
			return f, true
		}
	}
	return deminer.Finding{}, false
}

// settle raises a strong sign to proof where something ties it to a proven intrusion: an address of the intruder's, what
// his own files name, their directory, their user, or that nobody else can have made it in their minutes. That there is
// an intrusion on the host is no tie, and closeness in time alone is none.
func (p *Pass) settle(f deminer.Finding) deminer.Finding { return p.settleBy(f, p.nobodyElse) }

// excludes says why nobody but the intruder can have made a change, or who else can have.
type excludes func(change) (why, doubt string)

func (p *Pass) settleBy(f deminer.Finding, alone excludes) deminer.Finding {
	why := p.proven()
	if f.Tier != deminer.Strong || why == "" {
		return f
	}
	tie, doubt := p.tie(f, alone)
	switch {
	case tie != "":
		f.Tier = deminer.Proof
		f.Why = append(f.Why, tie, "on this host an intrusion is proven: "+why)
	case doubt != "":
		f.Cleared = append(slices.Clone(f.Cleared), doubt)
	}
	return f
}

// tie says what ties a finding to the proven intrusion, or, where only the time of it does, why that is not held against
// it.
func (p *Pass) tie(f deminer.Finding, alone excludes) (tie, doubt string) {
	if tie = cmp.Or(p.sharedAddress(f), p.sharedEvidence(f), p.namedBy(f), p.startedByProven(f)); tie != "" {
		return tie, ""
	}
	g, ok := p.near(f.Time, minutes, f.Subject.Path)
	if !ok {
		return "", ""
	}
	if tie = p.sameSite(f); tie != "" {
		return tie, ""
	}
	if p.memo.weighed++; p.memo.weighed > maxWeighed {
		return "", tooMuch
	}
	at := "it was made or last written at " + f.Time.UTC().Format(time.RFC3339) + ", within " + minutes.String() + " of: " + g.Title
	if !p.writtenThen(f) {
		return "", at + "; not held against it: the file was, this line of it may be older"
	}
	why, doubt := p.sameUser(f, g), ""
	if why == "" {
		why, doubt = alone(p.changeOf(f))
	}
	if why == "" {
		return "", at + "; not held against it: " + doubt
	}
	p.memo.raised[f.Subject.Ref()] = true
	return at + ", and " + why, ""
}

// maxWeighed bounds how many findings are weighed by their time: a host can be filled with such as cost much to weigh.
const maxWeighed = 500

const tooMuch = "too much came in the same minutes to weigh each by its time"

// sameSite says which page of the same web site, proven to be the intruder's, was written in the same minutes as a page or
// a line of one that lets a visitor run code, or "". Sites are told apart by the first three elements of their paths.
func (p *Pass) sameSite(f deminer.Finding) string {
	if f.Topic != deminer.TopicWebShell {
		return ""
	}
	for _, g := range p.anchors() {
		if site := siteOf(f.Subject.Path); g.Topic == deminer.TopicWebShell && g.Subject.Path != f.Subject.Path && site != "" && site == siteOf(g.Subject.Path) && g.Time.Sub(f.Time).Abs() < minutes {
			return "it was written within " + minutes.String() + " of another page of the intruder's in the same site: " + g.Title
		}
	}
	return ""
}

// siteOf gives the first three elements of a path, "" where there are no more.
func siteOf(name deminer.Raw) string {
	w := strings.SplitN(string(name), "/", 5)
	if len(w) < 5 {
		return ""
	}
	return strings.Join(w[:4], "/")
}

// personal are the uids of persons; service users are shared by many programs, root by all.
func personal(uid uint32) bool { return uid >= 1000 && uid < 65534 }

// sameUser says that a file belongs to the ordinary user to whom the intruder's file of the same minutes belongs, or "".
func (p *Pass) sameUser(f, g deminer.Finding) string {
	a, err := p.FS.Stat(string(f.Subject.Path))
	b, err2 := p.FS.Stat(string(g.Subject.Path))
	if err != nil || err2 != nil || a.UID != b.UID || !personal(a.UID) {
		return ""
	}
	return fmt.Sprintf("both belong to uid %d", a.UID)
}

// writtenThen reports whether the time of a finding is that of its subject: a line has only the time of its file, and is
// taken for new where nothing but accused lines follow it, or where it names a file that came in the same minutes.
func (p *Pass) writtenThen(f deminer.Finding) bool {
	if f.Subject.Kind != deminer.KindLine {
		return true
	}
	for _, w := range pathText.FindAllString(string(f.Subject.Line), 8) {
		if a, err := p.FS.Stat(w); err == nil && newborn(a, f.Time) && !packaged(p.owner(w)) {
			return true
		}
	}
	accused := map[string]bool{}
	for _, e := range p.memo.found {
		if a := e.Subject; (e.Tier == deminer.Proof || e.Tier == deminer.Strong) && a.Path == f.Subject.Path {
			accused[string(a.Line)] = true
		}
	}
	last := true
	lines(p.read("proven", string(f.Subject.Path), 4<<20), func(_ int, l string) {
		switch {
		case l == string(f.Subject.Line):
			last = true
		case strings.TrimSpace(l) != "" && !accused[l]:
			last = false
		}
	})
	return last
}

var pathText = regexp.MustCompile(`/[\w.+@-]+(?:/[\w.+@-]+)+`)

// distinct is how long a line must be to be recognized in another file.
const distinct = 16

// namedBy says that a text of the intruder's names the file, or holds the line, that a finding speaks of, or "".
func (p *Pass) namedBy(f deminer.Finding) string {
	want := string(f.Subject.Path)
	if f.Subject.Kind == deminer.KindLine {
		want = strings.TrimSpace(string(f.Subject.Line))
	}
	if len(want) < distinct || f.Subject.Kind != deminer.KindLine && f.Subject.Kind != deminer.KindFile {
		return ""
	}
	names := sortedKeys(p.provenFiles())
	for _, name := range names[:min(len(names), maxReread)] {
		if name != string(f.Subject.Path) && strings.Contains(p.text(name), want) {
			return "the intruder's " + q(name) + " names it"
		}
	}
	return ""
}

// text is the script of one of the intruder's files, read once.
func (p *Pass) text(name string) string {
	s, ok := p.memo.texts[name]
	if !ok {
		s = p.script(name)
		if len(p.memo.texts) < 2*maxReread {
			p.memo.texts[name] = s
		}
	}
	return s
}

// startedByProven says which entry that is proven to be the intruder's starts a file, or "".
func (p *Pass) startedByProven(f deminer.Finding) string {
	if f.Subject.Kind != deminer.KindFile {
		return ""
	}
	mine := p.guilty()
	for _, e := range p.memo.starts[string(f.Subject.Path)] {
		if mine[e.Artifact().Ref()] {
			return "it is started from " + where(e) + ", which is proven to be the intruder's"
		}
	}
	return ""
}

// maxReread bounds how many of the intruder's files are read again for what they name.
const maxReread = 64

// provenFiles are the files that no package brought and that are proven to be the intruder's, with what proves it.
func (p *Pass) provenFiles() map[string]string {
	if m := p.memo; m.filesAt != len(m.found)+1 {
		m.filesBy, m.filesAt = p.findProvenFiles(), len(m.found)+1
	}
	return p.memo.filesBy
}

func (p *Pass) findProvenFiles() map[string]string {
	out := map[string]string{}
	mine := p.guilty()
	for _, f := range p.memo.found {
		if f.Subject.Kind == deminer.KindFile && f.Topic != deminer.TopicTamper && mine[f.Subject.Ref()] && !packaged(p.owner(string(f.Subject.Path))) {
			out[string(f.Subject.Path)] = f.Title
		}
	}
	return out
}

// sharedEvidence says which proven process the same evidence names, or "".
func (p *Pass) sharedEvidence(f deminer.Finding) string {
	for _, a := range f.Also {
		if pr := p.memo.procs[a.Proc.PID]; a.Kind == deminer.KindProcess && pr != nil && p.provenProcess(pr) {
			return "it serves a process that is proven to be the intruder's: " + pr.ID.String()
		}
	}
	return ""
}

// sharedAddress says which address of a finding is the intruder's, or "".
func (p *Pass) sharedAddress(f deminer.Finding) string {
	bad := p.badAddresses()
	for _, i := range f.Indicators {
		if title, ok := bad[plainHost(i.Value)]; ok && (i.Kind == "ip" || i.Kind == "domain" || i.Kind == "pool" || i.Kind == "url") {
			return deminer.Safe(i.Value) + " is the address of: " + title
		}
	}
	return ""
}

// flagged gives the inode flags of a path.
func (p *Pass) flagged(name string) deminer.Flags {
	a, err := p.FS.Deep(name)
	if err != nil {
		return 0
	}
	return a.Flags
}

// clearFlags gives the actions that clear the flags of those paths that have any.
func (p *Pass) clearFlags(names ...string) []deminer.Action {
	var out []deminer.Action
	for _, n := range names {
		if fl := p.flagged(n); fl != 0 {
			out = append(out, deminer.Action{Verb: deminer.VerbClearFlag, Target: file(n), Args: map[string]deminer.Raw{"flags": deminer.Raw(fl.String())}})
		}
	}
	return out
}
