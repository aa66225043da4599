package detect

import (
	"cmp"
	"path"
	"regexp"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// wrapper is what a script does that stands for a command. Panels, safe-rm and owners wrap commands, too: only what hides
// or runs something of the intruder's tells him from them.
type wrapper struct {
	filters string // takes lines out of what the command shows: the words
	hides   string // what of the intruder's these words hide
	runs    string // what of the intruder's it runs
	odd     string // what it runs that only intruders' wrappers do: a hidden program, foreign code
}

// filter finds what a script takes out of the output of another: grep -v, sed /x/d, awk '!/x/'.
var filter = regexp.MustCompile(`\b[ef]?grep\s+(?:-[a-zA-Z]+\s+)*-[a-uw-zA-Z]*v[a-zA-Z]*\s+(?:-[a-zA-Z]+\s+)*([^|;\n]{1,400})|\bsed\s+[^|;\n]{0,80}/([^/\n]{1,400})/d|\bawk\s+'!\s*/([^/\n]{1,400})/`)

var filterWord = regexp.MustCompile(`[A-Za-z0-9._-]{2,}`)

// wrapper judges the text of a script.
func (p *Pass) wrapper(body string) wrapper {
	var w wrapper
	if body == "" {
		return w
	}
	for _, m := range filter.FindAllStringSubmatch(body, 32) {
		for _, word := range filterWord.FindAllString(strings.TrimPrefix(cmp.Or(m[1], m[2], m[3]), "-e "), 64) {
			if word == "grep" || strings.HasPrefix(word, "--") {
				continue // a search leaves itself out of a list of processes
			}
			w.filters = cmp.Or(w.filters, m[0])
			if title := cmp.Or(p.namesProven(word), p.familyName(word)); w.hides == "" && title != "" {
				w.hides = q(word) + ": " + title
			}
		}
	}
	mine := p.provenFiles()
	for _, t := range pathText.FindAllString(body, 256) {
		switch _, err := p.FS.Stat(t); {
		case mine[t] != "":
			w.runs = q(t) + ": " + mine[t]
		case err == nil && placeOf(t).hidden != "" && !packaged(p.owner(t)):
			w.odd = cmp.Or(w.odd, q(t)+", which lies "+placeOf(t).words()+" and no package owns")
		}
	}
	if r := cradlesIn(body); len(r) > 0 {
		w.odd = cmp.Or(w.odd, "foreign code: it "+r[0].text)
	}
	return w
}

// namesProven gives the title of what is proven about a file or process whose name begins with the word, or "".
func (p *Pass) namesProven(word string) string {
	mine := p.guilty()
	for _, f := range p.memo.found {
		name := path.Base(string(f.Subject.Path))
		if f.Subject.Kind != deminer.KindFile && f.Subject.Kind != deminer.KindProcess || f.Topic == deminer.TopicTamper || !mine[f.Subject.Ref()] {
			continue
		}
		if len(word) > 3 && strings.HasPrefix(name, word) || name == word || f.Subject.Name == word {
			return f.Title
		}
	}
	return ""
}

// familyName says that a word is the name of a process of a known family, or "".
func (p *Pass) familyName(word string) string {
	if p.Rules == nil {
		return ""
	}
	h, ok := strongest(p.Rules.ProcessName(word))
	if !ok || h.Strength < match.Strong || h.Rule == "ioc/masquerade" {
		return ""
	}
	return deminer.Safe(h.What)
}

// words says what a wrapper does.
func (w wrapper) words() []string {
	var out []string
	if w.filters != "" {
		out = append(out, "it runs the real command and takes lines out of what it shows: "+q(w.filters))
	}
	if w.hides != "" {
		out = append(out, "among them is "+w.hides)
	}
	if run := cmp.Or(w.runs, w.odd); run != "" {
		out = append(out, "it runs "+run)
	}
	return out
}

// judgeWrapper weighs a script that stands in the place of a packaged command.
func (p *Pass) judgeWrapper(f *deminer.Finding, body string) {
	first, _, _ := strings.Cut(body, "\n")
	f.Why = append(f.Why, "a script stands in its place: "+q(first))
	w := p.wrapper(body)
	f.Why = append(f.Why, w.words()...)
	if w.filters != "" || w.runs != "" || w.odd != "" {
		f.Tier = deminer.Proof
		return
	}
	if f.Cleared = []string{"a wrapper of a panel or of the owner: it hides nothing and runs nothing of an intruder's that is known; ask the owner"}; p.keeperHere() != "" {
		f.Cleared = append(f.Cleared, p.keeperHere()+" is on this host: such programs wrap commands")
	}
	if p.proven() == "" {
		f.Tier = deminer.Weak
	}
}

// standIn speaks of a file that no package owns under the name of a command: the packaged one was diverted, or none is
// installed. It says something only if it is a wrapper that hides or runs something.
func (p *Pass) standIn(name string, a deminer.Attr) {
	w := p.wrapper(p.script(name))
	to := p.divertedTo(name)
	if to == "" && len(w.words()) == 0 {
		return
	}
	f := deminer.Finding{
		Topic: deminer.TopicTamper, Tier: deminer.Weak, Class: deminer.ByTamper, Technique: "T1554", Catalogue: "PL-30",
		Title: "the system command " + q(name) + " is one that no package brought", Why: w.words(), Subject: file(name), Time: a.Mtime,
	}
	if to != "" {
		f.Why = append(f.Why, "the packaged command lies at "+q(to))
		f.Cleared = []string{"dpkg-divert moved the packaged command to " + q(to) + ", which its owner does on purpose"}
	}
	switch {
	case w.hides != "" || w.runs != "":
		f.Tier, f.Cleared = deminer.Proof, nil
	case w.filters != "" || w.odd != "":
		f.Tier = deminer.Strong
	}
	p.Report(p.settle(f))
}

// diversions is where dpkg-divert(1) keeps, in groups of three lines, what was moved, where to and for which package.
const diversions = "/var/lib/dpkg/diversions"

// divertedTo says where dpkg-divert moved the packaged file of a name, or "".
func (p *Pass) divertedTo(name string) string {
	return divertedIn(string(p.read("replaced-command", diversions, 8<<20)), name)
}

// divertedIn looks a name up in the text of the diversions; /bin and /usr/bin are one where links merged them.
func divertedIn(text, name string) string {
	alike := strings.TrimPrefix(name, "/usr")
	for w := strings.Split(text, "\n"); len(w) >= 3; w = w[3:] {
		if strings.HasPrefix(w[1], "/") && (w[0] == name || strings.TrimPrefix(w[0], "/usr") == alike) {
			return w[1]
		}
	}
	return ""
}
