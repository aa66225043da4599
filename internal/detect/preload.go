package detect

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// preloadFile is the list of libraries the dynamic loader puts into every program; a path of glibc.
const preloadFile = "/etc/ld.so.preload"

// preloadRootkit speaks of libraries forced into every program. An unpackaged one that redefines the functions with which
// programs list files is a user-space rootkit.
func preloadRootkit(_ context.Context, p *Pass) error {
	text := p.read("preload-rootkit", preloadFile, 64<<10)
	seen, there, absent := map[string]bool{}, 0, 0
	lines(text, func(no int, l string) {
		clear(seen)
		body, _, _ := strings.Cut(l, "#")
		for _, lib := range strings.FieldsFunc(body, func(r rune) bool { return r == ' ' || r == '\t' || r == ':' }) {
			if seen[lib] {
				continue
			}
			seen[lib] = true
			count, most := &there, maxPreloaded
			if _, err := p.FS.Lstat(lib); missing(err) {
				count, most = &absent, maxAbsent
			}
			if *count++; *count <= most {
				p.preloaded(lib, l, no)
			}
		}
	})
	if there > maxPreloaded || absent > maxAbsent {
		p.Gap(deminer.Gap{Part: "detect/preload-rootkit", State: deminer.Partial, What: preloadFile,
			Why: fmt.Sprintf("it names %d libraries and %d files that are not there; the first %d and %d were looked at", there, absent, maxPreloaded, maxAbsent)})
	}
	p.mappedEverywhere()
	return nil
}

// maxPreloaded and maxAbsent are how many libraries are spoken of, and how many names of no file: honest lists have one or
// two, and a finding holds the line it is about.
const (
	maxPreloaded = 200
	maxAbsent    = 20
)

func (p *Pass) preloaded(lib, l string, no int) {
	own := p.owner(lib)
	if packaged(own) {
		return
	}
	entry := line(preloadFile, l, no)
	f := deminer.Finding{
		Topic: deminer.TopicRootkit, Tier: deminer.Strong, Class: deminer.ByHiding, Technique: "T1574.006", Catalogue: "PL-25",
		Title:   q(lib) + " is forced into every program",
		Why:     []string{fmt.Sprintf("%s line %d names %s; %s", preloadFile, no, q(lib), own)},
		Subject: entry, Also: []deminer.Artifact{file(lib)},
	}
	if a, err := p.FS.Lstat(lib); err == nil {
		f.Time = a.Mtime
	}
	have, err := exports(p.FS, lib)
	hides := hidesWith(have)
	switch {
	case err != nil:
		f.Tier = deminer.Weak
		f.Why = append(f.Why, deminer.Safe(err.Error()))
		if !missing(err) {
			f.Tier = deminer.Strong
		}
	case len(hides) > 0:
		f.Tier = deminer.Proof
		f.Why = append(f.Why, "it redefines "+strings.Join(hides, ", ")+": what programs see of files, processes and logins passes through it")
		f.Cleared = []string{"allocators, proxies and command loggers: those redefine other functions"}
		lf := f
		lf.Subject, lf.Also = file(lib), []deminer.Artifact{entry}
		lf.Title = q(lib) + " is a library that hides things"
		p.Report(lf)
	case placeOf(lib).odd():
		f.Why = append(f.Why, "it lies "+placeOf(lib).words())
	default:
		f.Tier = deminer.Weak
		f.Cleared = []string{"it redefines none of the functions that list files, processes or logins"}
	}
	p.Report(f)
}

// mappedEverywhere speaks of an unpackaged library found inside several packaged programs: a preload whose list is hidden
// or already gone.
func (p *Pass) mappedEverywhere() {
	inside := map[string]map[string]bool{}
	for _, pr := range p.subjects() {
		if pr.Memory == nil || !packaged(pr.Own) || pr.Container != "" {
			continue
		}
		for _, lib := range pr.Memory.Libs {
			if inside[lib] == nil {
				inside[lib] = map[string]bool{}
			}
			inside[lib][pr.Exe] = true
		}
	}
	for _, lib := range sortedKeys(inside) {
		clean := strings.TrimSuffix(lib, " (deleted)")
		if len(inside[lib]) < 3 || !strings.HasPrefix(clean, "/") || packaged(p.owner(clean)) || path.Ext(clean) == ".cache" {
			continue
		}
		have, err := exports(p.FS, clean)
		hides := hidesWith(have)
		if err != nil && (missing(err) && !placeOf(clean).odd()) || err == nil && len(hides) == 0 {
			continue
		}
		f := deminer.Finding{
			Topic: deminer.TopicRootkit, Tier: deminer.Strong, Class: deminer.ByHiding, Technique: "T1574.006", Catalogue: "PL-25",
			Title:   q(clean) + " sits in packaged programs and no package owns it",
			Why:     []string{fmt.Sprintf("%d packaged programs have it mapped: %s", len(inside[lib]), deminer.Cut(strings.Join(sortedKeys(inside[lib]), ", "), 120))},
			Subject: file(clean),
		}
		if len(hides) > 0 {
			f.Tier = deminer.Proof
			f.Why = append(f.Why, "it redefines "+strings.Join(hides, ", "))
		}
		p.Report(f)
	}
}
