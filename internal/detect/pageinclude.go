package detect

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/deminer/deminer"
)

// include matches an include of PHP whose file is one fixed text, perhaps after __DIR__.
var include = regexp.MustCompile(`(?is)\b(?:include|require)(?:_once)?\b\s*\(?\s*(?:(?:__DIR__|dirname\s*\(\s*__FILE__\s*\))\s*\.\s*)?(?:"((?:[^"\\$]|\\.){1,1000})"|'((?:[^'\\]|\\.){1,1000})')\s*\)?\s*;`)

// notCode are endings of files that no page includes as code.
var notCode = set(".ico", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".svg", ".ttf", ".woff", ".woff2", ".css", ".zip", ".gz", ".log", ".pdf", ".mp3", ".mp4")

// disguised reports PHP under a name that says it is a picture or the like: what such a file holds runs for nobody but whoever
// hid it there.
func (p *Pass) disguised(name string) bool {
	if !notCode[strings.ToLower(path.Ext(name))] || packaged(p.owner(name)) {
		return false
	}
	a, err := p.FS.Stat(name)
	return err == nil && a.IsRegular() && strings.Contains(strings.ToLower(string(p.read("web-shell", name, 64<<10))), "<?php")
}

// pageIncludes speaks of lines of a page that run code hidden in a file of another kind.
func (p *Pass) pageIncludes(f *Found, body []byte) {
	for _, m := range include.FindAllSubmatchIndex(body, 200) {
		text := ""
		if m[2] >= 0 {
			text = unescaped(string(body[m[2]:m[3]]))
		} else {
			text = string(body[m[4]:m[5]])
		}
		name := path.Clean(text)
		if prefix := string(body[m[0]:max(m[2], m[4])]); !path.IsAbs(text) || strings.Contains(prefix, "__") {
			name = path.Join(path.Dir(f.Path), text)
		}
		if !p.disguised(name) {
			continue
		}
		g := webFinding(f, deminer.Finding{Tier: deminer.Strong, Class: deminer.ByHiding, Also: []deminer.Artifact{file(name)},
			Title: q(f.Path) + " runs code that is hidden in " + q(name), Why: []string{"it includes " + q(name) + ", which holds PHP under the name of another kind of file"}})
		g.Cleared = nil
		p.reportDisguise(name, "a page includes it: "+q(f.Path))
		pg := dissect(body, strings.ToLower(path.Ext(f.Path)), []span{{m[0], m[1]}})
		cuts, ok := pg.cuts(f.Path)
		if pg.unsure != "" || !ok || f.Attr.Size > pageLimit {
			g.Subject = file(f.Path)
			g.Why = append(g.Why, "deminer cannot tell what of the page is the owner's: "+pg.unsure)
			p.Report(g)
			continue
		}
		for _, c := range cuts {
			g := g
			g.Tier, g.Subject, g.Remove, g.Time = deminer.Proof, c.Target, []deminer.Action{c}, f.Attr.Mtime
			p.Report(g)
		}
	}
}

// reportDisguise speaks of the hidden file itself, once.
func (p *Pass) reportDisguise(name, how string) {
	if p.accused(name) {
		return
	}
	g := deminer.Finding{Topic: deminer.TopicWebShell, Tier: deminer.Proof, Class: deminer.ByHiding, Technique: "T1505.003", Catalogue: "PL-51",
		Title: q(name) + " is code of a page under the name of another kind of file", Why: []string{how}, Subject: file(name)}
	if a, err := p.FS.Stat(name); err == nil {
		g.Time = born(a)
	}
	if h := requestHits(p.read("web-shell", name, pageLimit)); len(h) > 0 {
		g.Why = append(g.Why, h[0].text)
	}
	p.Report(g)
}

// prepended speaks of hidden code that a setting of PHP runs before or after every page.
func (p *Pass) prepended() {
	for _, f := range p.footholds() {
		if !strings.Contains(f.Name, "auto_prepend_file") && !strings.Contains(f.Name, "auto_append_file") {
			continue
		}
		for _, t := range p.foreignTargets(f) {
			if p.disguised(t) {
				p.reportDisguise(t, "every page runs it: "+where(f))
				p.Report(about(f, deminer.Proof, deminer.ByHiding, "an entry in "+where(f)+" makes every page run hidden code", "it names "+q(t)+", which holds PHP under the name of another kind of file"))
			}
		}
	}
}

// unescaped reads the escapes of a string of PHP in double quotes: octal, hex, and the sign itself.
func unescaped(s string) string {
	return escapes.ReplaceAllStringFunc(s, func(e string) string {
		base, digits := 8, e[1:]
		if digits[0] == 'x' || digits[0] == 'X' {
			base, digits = 16, digits[1:]
		}
		n, err := strconv.ParseUint(digits, base, 16)
		if err != nil {
			return e[1:]
		}
		return string([]byte{byte(n)})
	})
}

var escapes = regexp.MustCompile(`(?s)\\(?:[0-7]{1,3}|x[0-9A-Fa-f]{1,2}|.)`)
