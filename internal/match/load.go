package match

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"

	"github.com/deminer/deminer/sigma"
	"github.com/deminer/deminer/yara"
)

// Problems is every fault found while loading.
type Problems []Problem

// Error joins the faults, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

const (
	maxRuleFile = 64 << 20
	maxFiles    = 100000
)

type loader struct {
	iocs  []*indicator
	yara  []yara.Source
	sigma []sigma.Source
	probs Problems
	files int
	sum   hash.Hash
	part  hash.Hash // of the file system that is walked
	from  []From
}

// prefix goes before the file names of the nth file system, so that names are unique; the first has none.
func prefix(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("rules-%d/", n)
}

// Origin tells which file system of the call of Load a file name of a Rule, a Hit or a Problem belongs to, and its name there.
func Origin(file string) (n int, name string) {
	if rest, ok := strings.CutPrefix(file, "rules-"); ok {
		if digits, name, ok := strings.Cut(rest, "/"); ok {
			if n, err := strconv.Atoi(digits); err == nil && n > 0 {
				return n, name
			}
		}
	}
	return 0, file
}

// window is how many bytes of a large file are looked at together: so many that they stay in the processor's cache between
// being read and being looked at.
const window = 256 << 10

// externals are the variables that YARA rules may use; scans leave them empty.
func externals() map[string]any {
	return map[string]any{"filename": "", "filepath": "", "extension": "", "filetype": "", "owner": ""}
}

// Load compiles all rules of the file systems into one Set: *.txt as indicator lists, *.yar and *.yara as YARA, *.yml and *.yaml as Sigma.
// Other files, and directories whose names begin with a dot or are called samples or policy, are passed over. A directory of a user is one more file system (os.DirFS).
// If anything is broken nothing is loaded, and the error, of type Problems, names every broken rule by file and line.
func Load(fsys ...fs.FS) (*Set, error) {
	ld := &loader{sum: sha256.New()}
	for i, f := range fsys {
		ld.walk(f, prefix(i))
	}
	return ld.compile()
}

// Check gives the faults of one file system; none means Load would take it.
func Check(fsys fs.FS) []Problem {
	ld := &loader{sum: sha256.New()}
	ld.walk(fsys, "")
	_, err := ld.compile()
	var probs Problems
	if errors.As(err, &probs) {
		return probs
	}
	if err != nil {
		return []Problem{{File: ".", Line: 1, Text: err.Error()}}
	}
	return nil
}

func (ld *loader) fail(file string, err error) {
	ld.probs = append(ld.probs, Problem{File: file, Line: 1, Text: err.Error()})
}

func (ld *loader) walk(fsys fs.FS, prefix string) {
	ld.part = sha256.New()
	defer func() { ld.from = append(ld.from, From{Digest: hex.EncodeToString(ld.part.Sum(nil))}) }()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			ld.fail(prefix+name, err)
			return nil
		}
		base := path.Base(name)
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(base, ".") || base == "samples" || base == "testdata" || base == "policy") {
				return fs.SkipDir
			}
			return nil
		}
		ext := path.Ext(name)
		switch ext {
		case ".txt", ".yar", ".yara", ".yml", ".yaml":
		default:
			return nil
		}
		if ld.files++; ld.files > maxFiles {
			return fmt.Errorf("more than %d rule files", maxFiles)
		}
		ld.file(fsys, name, prefix+name, ext)
		return nil
	})
	if err != nil {
		ld.fail(prefix+".", err)
	}
}

func (ld *loader) file(fsys fs.FS, name, shown, ext string) {
	text, err := readRegular(fsys, name)
	if err != nil {
		ld.fail(shown, err)
		return
	}
	for sum, name := range map[hash.Hash]string{ld.sum: shown, ld.part: name} {
		fmt.Fprintf(sum, "%d %s %d ", len(name), name, len(text))
		_, _ = io.WriteString(sum, text) // a hash takes everything
	}
	switch ext {
	case ".txt":
		list, probs := parseList(shown, text)
		ld.iocs = append(ld.iocs, list...)
		ld.probs = append(ld.probs, probs...)
	case ".yar", ".yara":
		ns, _, _ := strings.Cut(shown, "/")
		if !strings.HasPrefix(ns, "rules-") {
			ns = ""
		}
		ld.yara = append(ld.yara, yara.Source{Name: shown, Namespace: ns, Text: text})
	default:
		ld.sigma = append(ld.sigma, sigma.Source{Name: shown, Text: text})
	}
}

func readRegular(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return "", errors.Join(errors.New("not a regular file"), err)
	}
	var b strings.Builder
	b.Grow(int(min(st.Size(), maxRuleFile)))
	if _, err = io.Copy(&b, io.LimitReader(f, maxRuleFile+1)); err == nil && b.Len() > maxRuleFile {
		err = fmt.Errorf("larger than %d bytes", maxRuleFile)
	}
	return b.String(), err
}

func (ld *loader) compile() (*Set, error) {
	s := &Set{digest: hex.EncodeToString(ld.sum.Sum(nil)), from: ld.from}
	var err error
	if s.yara, err = yara.Compile(yara.Options{Externals: externals(), Limits: yara.Limits{Window: window}}, ld.yara...); err != nil {
		var es yara.Errors
		if !errors.As(err, &es) {
			ld.fail("yara", err)
		}
		for _, e := range es {
			ld.probs = append(ld.probs, Problem{e.File, e.Line, e.Column, e.Rule, e.Text})
		}
	}
	if s.sigma, err = sigma.Compile(sigma.Options{}, ld.sigma...); err != nil {
		var es sigma.Errors
		if !errors.As(err, &es) {
			ld.fail("sigma", err)
		}
		for _, e := range es {
			ld.probs = append(ld.probs, Problem{e.File, e.Line, e.Column, e.Rule, e.Text})
		}
	}
	if len(ld.probs) == 0 {
		s.ioc = newIndex(ld.iocs)
		s.known = s.ioc.programs()
		if s.text, err = newTextRules(ld.iocs); err != nil {
			ld.fail("ioc", err)
		}
	}
	if len(ld.probs) == 0 {
		ld.describe(s)
	}
	if len(ld.probs) > 0 {
		sort.SliceStable(ld.probs, func(i, k int) bool {
			a, b := ld.probs[i], ld.probs[k]
			return a.File < b.File || a.File == b.File && a.Line < b.Line
		})
		return nil, ld.probs
	}
	return s, nil
}

// describe fills the listing and refuses metadata that no hit could carry.
func (ld *loader) describe(s *Set) {
	for _, in := range ld.iocs {
		n := len(s.list)
		if n > 0 && s.list[n-1].File == in.file && s.list[n-1].ID == "ioc/"+string(in.kind) && s.list[n-1].Family == in.family && s.list[n-1].Strength == in.strength {
			s.list[n-1].Count++
			continue
		}
		s.add(Rule{ID: "ioc/" + string(in.kind), Format: "ioc", File: in.file, Line: in.line, Family: in.family, Strength: in.strength, Class: in.class, What: in.what})
	}
	for _, info := range s.yara.List() {
		h, err := yaraHit(info.Rule, info.Meta)
		if err != nil {
			ld.probs = append(ld.probs, Problem{File: info.File, Line: info.Line, Rule: info.Rule, Text: err.Error()})
		}
		s.add(Rule{ID: h.Rule, Format: "yara", File: info.File, Line: info.Line, Family: h.Family, Strength: h.Strength, Class: h.Class, What: h.What, Tags: info.Tags})
	}
	for _, r := range s.sigma.List() {
		h, err := sigmaHit(r)
		if err != nil {
			ld.probs = append(ld.probs, Problem{File: r.File, Line: r.Line, Rule: r.Title, Text: err.Error()})
		}
		s.add(Rule{ID: h.Rule, Format: "sigma", File: r.File, Line: r.Line, Family: h.Family, Strength: h.Strength, Class: h.Class, What: h.What, Tags: r.Tags})
	}
}

// add puts a rule into the listing.
func (s *Set) add(r Rule) {
	r.Count = 1
	if r.From, _ = Origin(r.File); r.From >= len(s.from) { // a directory of the first one with such a name
		r.From = 0
	}
	s.from[r.From].Rules++
	s.list = append(s.list, r)
}

// yaraHit makes the hit of a rule from its meta: strength, class, family, what (or description).
func yaraHit(name string, meta []yara.Meta) (Hit, error) {
	h := Hit{Rule: "yara/" + name, Class: Mining, Strength: Weak, What: "matches the YARA rule " + name, Offset: -1, Meta: map[string]string{}}
	var err error
	for _, m := range meta {
		v := fmt.Sprint(m.Value)
		switch m.Key {
		case "strength":
			h.Strength, err = parseStrength(v, Weak)
		case "class":
			h.Class = Class(v)
		case "family":
			h.Family = v
		case "what":
			h.What = v
		case "description":
			if strings.HasPrefix(h.What, "matches the YARA rule") {
				h.What = v
			}
		default:
			if len(h.Meta) < 16 {
				h.Meta[m.Key] = clip(v)
			}
		}
	}
	return h, err
}

// sigmaHit makes the hit of a rule: custom keys strength, class, family; otherwise the level decides, and never above strong.
func sigmaHit(r *sigma.Rule) (Hit, error) {
	id := r.ID
	if id == "" {
		id = r.Title
	}
	h := Hit{Rule: "sigma/" + id, Class: Class(r.Custom["class"]), Family: r.Custom["family"], What: r.Title, Offset: -1, Meta: map[string]string{"title": r.Title, "level": r.Level}}
	if h.Class == "" {
		h.Class = Evasion
	}
	def := Info
	switch r.Level {
	case "medium":
		def = Weak
	case "high", "critical":
		def = Strong
	}
	var err error
	h.Strength, err = parseStrength(r.Custom["strength"], def)
	return h, err
}
