package match

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// Source is one set of rules before it is compiled: a directory, a file, a bundle, or what is inside the program.
type Source struct {
	deminer.RuleSource // Rules, and Digest where it is empty, are filled by Compile
	FS                 fs.FS
}

// The kinds of sources that are told apart here, see deminer.RuleSource.
const (
	BuiltIn   = "built-in"
	Installed = "installed"
)

// Sources are the rules of several sources as one Set.
type Sources struct {
	*Set
	Of   []Source      // those in force, in the order of Rule.From
	Gaps []deminer.Gap // what is not in force, and what is but is out of date
}

// Compile makes one Set of all sources. An installed bundle that was checked by another version of this program and does not
// compile with this one is left out, with a gap; all others were named by who calls and must compile: the answer is Problems
// otherwise, with the names of their sources.
func Compile(list []Source) (*Sources, error) {
	s := &Sources{Of: slices.Clone(list)}
	var err error
	for {
		s.Set, err = Load(s.Trees()...)
		var probs Problems
		if !errors.As(err, &probs) {
			break
		}
		if !s.leave(probs) {
			return nil, s.placed(probs)
		}
	}
	if err != nil {
		return nil, err
	}
	for i, from := range s.From() {
		o := &s.Of[i]
		if o.Rules = from.Rules; o.Digest == "" {
			o.Digest = from.Digest
		}
		if o.Expired {
			s.Gaps = append(s.Gaps, deminer.Gap{Part: "rules", State: deminer.Partial, What: o.Name + " " + o.Version,
				Why: "the bundle expired on " + o.Expires.Format(time.DateOnly) + "; it is used all the same, but knows nothing newer"})
		}
	}
	return s, nil
}

// leave takes the installed sources with faults out, and tells whether there was one.
func (s *Sources) leave(probs Problems) bool {
	kept := s.Of[:0:0]
	for n, o := range s.Of {
		i := slices.IndexFunc(probs, func(p Problem) bool { from, _ := Origin(p.File); return from == n })
		if i < 0 || o.Kind != Installed {
			kept = append(kept, o)
			continue
		}
		s.Gaps = append(s.Gaps, deminer.Gap{Part: "rules", State: deminer.Failed, What: o.Name, Why: "not used: its rules do not compile any more: " + probs[i].Text})
	}
	left := len(kept) < len(s.Of)
	s.Of = kept
	return left
}

// placed puts the names of the sources before those of the files.
func (s *Sources) placed(probs Problems) Problems {
	for i := range probs {
		if n, name := Origin(probs[i].File); n < len(s.Of) {
			probs[i].File = s.Of[n].Name + ": " + name
		}
	}
	return probs
}

// Trees gives the files of the sources, for Load and Measure.
func (s *Sources) Trees() (all []fs.FS) {
	for _, o := range s.Of {
		all = append(all, o.FS)
	}
	return all
}

// Told lists what is known of the sources.
func (s *Sources) Told() (out []deminer.RuleSource) {
	for _, o := range s.Of {
		out = append(out, o.RuleSource)
	}
	return out
}

// Names are the names of the sources.
func (s *Sources) Names() (out []string) {
	for _, o := range s.Of {
		out = append(out, o.Name)
	}
	return out
}

// List is Set.List with the name of the source and, for files, their names in it.
func (s *Sources) List() []Rule {
	list := s.Set.List()
	for i := range list {
		list[i].Source = s.Of[list[i].From].Name
		_, list[i].File = Origin(list[i].File)
	}
	return list
}

// Measure is [Measure] of the rules of all sources, files with the names of their sources.
func (s *Sources) Measure(ctx context.Context, data [][]byte, events []Event, about time.Duration, clock func() time.Duration) (Profile, error) {
	p, err := Measure(ctx, s.Trees(), data, events, about, clock)
	for i := range p.Rules {
		c := &p.Rules[i]
		n, name := Origin(c.File)
		if name != "" && n < len(s.Of) && s.Of[n].Kind != BuiltIn {
			name = strings.TrimSuffix(s.Of[n].Name, "/") + "/" + name
		}
		if c.Rule == c.File {
			c.Rule = name
		}
		c.File = name
	}
	return p, err
}
