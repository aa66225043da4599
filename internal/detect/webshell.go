package detect

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// packedCode is a page that unpacks and runs itself.
const packedCode = "PHP that runs code hidden in layers"

var packedPage = regexp.MustCompile(`(?is)\b(?:eval|assert)\s*\(\s*(?:gzinflate|gzuncompress|str_rot13|base64_decode)\s*\(\s*(?:gzinflate|gzuncompress|str_rot13|base64_decode)\s*\(`)

// requestRun matches code that runs what a web request brings, in the languages of the usual servers. The request must
// reach the call within one statement; frameworks that only read the request do not match.
var requestRun = []struct {
	re   *regexp.Regexp
	text string
}{
	{regexp.MustCompile(`(?is)\b(?:eval|assert|system|exec|passthru|shell_exec|popen|proc_open|pcntl_exec|create_function)\s*\(\s*@?(?:(?:stripslashes|base64_decode|gzinflate|gzuncompress|str_rot13|trim|urldecode|rawurldecode|hex2bin|strrev)\s*\(\s*@?)*["']?\$_(?:POST|GET|REQUEST|COOKIE|SERVER|FILES)\b`), "PHP that runs what a request brings"},
	{regexp.MustCompile(`(?is)\$_(?:POST|GET|REQUEST|COOKIE)\s*\[[^\]]{1,60}\]\s*\(`), "PHP that calls a function a request names"},
	{regexp.MustCompile("(?is)`\\s*(?:\\{)?\\$_(?:POST|GET|REQUEST|COOKIE)\\b"), "PHP that hands a request to a shell"},
	{regexp.MustCompile(`(?is)Runtime\s*\.\s*getRuntime\s*\(\s*\)\s*\.\s*exec\s*\(\s*(?:new\s+String\s*\[\s*\]\s*\{[^}]{0,80})?request\s*\.\s*getParameter`), "JSP that runs what a request brings"},
	{regexp.MustCompile(`(?is)request\s*\.\s*getParameter[^;]{0,120};[^%]{0,300}getRuntime\s*\(\s*\)\s*\.\s*exec\s*\(`), "JSP that runs what a request brings"},
	{regexp.MustCompile(`(?is)defineClass\s*\([^;]{0,200}(?:getReader|getParameter|decodeBuffer|doFinal)`), "JSP that loads a class a request brings"},
	{regexp.MustCompile(`(?is)\b(?:eval|execute|executeglobal)\b\s*\(?\s*request\s*[\[.(]|Process\.Start\s*\(\s*Request`), "ASP that runs what a request brings"},
}

// webExt are the endings a web server runs.
var webExt = set(".php", ".phtml", ".php3", ".php4", ".php5", ".php7", ".phar", ".inc", ".jsp", ".jspx", ".asp", ".aspx", ".ashx", ".cfm", ".htaccess")

// uploads are directories of web applications into which visitors write.
var uploads = regexp.MustCompile(`/(?:uploads?|files|images?|img|avatars?|media|cache|tmp|temp|attachments?)/`)

// webShell speaks of pages that let a visitor run code. Where the rest of a page is not the intruder's, it speaks of exactly the
// lines that are, so that the page stays.
func webShell(_ context.Context, p *Pass) error {
	if p.Files == nil {
		return nil
	}
	p.prepended()
	for _, f := range p.Files.list {
		ext := strings.ToLower(path.Ext(f.Path))
		h, ok := strongest(f.Content.Hits)
		known := ok && h.Class == match.WebShell && h.Strength >= match.Strong
		if !webExt[ext] && !(known && served(f.Path)) || packaged(p.owner(f.Path)) {
			continue
		}
		body := p.read("web-shell", f.Path, pageLimit)
		p.pageIncludes(f, body)
		hits := requestHits(body)
		switch {
		case known:
			for _, k := range f.Content.Hits {
				if k.Class == match.WebShell && k.Offset >= 0 && k.Offset < int64(len(body)) && len(hits) == 0 {
					hits = append(hits, pageHit{span: span{int(k.Offset), int(k.Offset) + 1}})
				}
			}
			p.reportPage(f, body, hits, hitFinding(h, file(f.Path), q(f.Path)+": "+deminer.Safe(h.What)))
		case len(hits) > 0:
			p.reportPage(f, body, hits, deminer.Finding{
				Topic: deminer.TopicWebShell, Tier: deminer.Strong, Class: deminer.ByContent,
				Title: q(f.Path) + " lets a visitor run code", Why: []string{hits[0].text + ": " + q(hits[0].of(body))}, Subject: file(f.Path),
			})
		case packedPage.Match(body): // owners' tools come packed too
			p.Report(webFinding(f, deminer.Finding{Tier: deminer.Weak, Class: deminer.ByContent, Title: q(f.Path) + " lets a visitor run code",
				Why: []string{packedCode + ": " + q(string(packedPage.Find(body)))}, Subject: file(f.Path)}))
		}
	}
	return nil
}

// webFinding fills in what all findings about pages have in common.
func webFinding(f *Found, g deminer.Finding) deminer.Finding {
	g.Topic, g.Technique, g.Catalogue, g.Time = deminer.TopicWebShell, "T1505.003", "PL-51", born(f.Attr)
	g.Cleared = append(g.Cleared, "a framework that reads requests: the request's own text is run here")
	g.Fix = "Find how it came there: an upload form, a plug-in, a stolen panel password; close that too."
	return g
}

// reportPage speaks of a page whole where it is nothing but a shell, else of the lines that are, else leaves it to the owner.
func (p *Pass) reportPage(f *Found, body []byte, hits []pageHit, g deminer.Finding) {
	g = webFinding(f, g)
	var spans []span
	raw := false
	for _, h := range hits {
		spans = append(spans, h.span)
		raw = raw || h.raw
	}
	pg := dissect(body, strings.ToLower(path.Ext(f.Path)), spans)
	switch {
	case f.Attr.Size > pageLimit:
		pg.unsure = "it is larger than what is read of a page"
	case len(spans) == 0:
		pg.unsure = "the rule does not say where in it"
	}
	cuts, ok := pg.cuts(f.Path)
	if !ok {
		pg.unsure = "its lines are too long to be written into a plan"
	}
	if pg.whole && pg.unsure == "" {
		p.Report(g)
		if raw && served(f.Path) || uploads.MatchString(f.Path) {
			w := g
			w.Class, w.Title = deminer.ByProvenance, q(f.Path)+" is a page no package owns that does nothing else"
			w.Why = []string{fmt.Sprintf("%d bytes, written %s, all of them for this", f.Attr.Size, born(f.Attr).UTC().Format("2006-01-02 15:04")), g.Why[0]}
			p.Report(w)
		}
		return
	}
	if pg.unsure != "" {
		g.Why = append(g.Why, "deminer cannot tell what of the page is the owner's: "+pg.unsure)
		g.Fix = "Look at the page: take the shell out of it by hand, or --also takes the whole page away. " + g.Fix
		p.Report(g)
		return
	}
	for _, c := range cuts {
		p.reportCut(f, g, c, raw)
	}
}

// reportCut speaks of one run of lines in a page whose rest is the owner's.
func (p *Pass) reportCut(f *Found, g deminer.Finding, c deminer.Action, raw bool) {
	g.Subject, g.Remove, g.Time = c.Target, []deminer.Action{c}, f.Attr.Mtime
	g.Title = fmt.Sprintf("line %d of %s lets a visitor run code", c.Target.LineNo, q(f.Path))
	g.Why = append(slices.Clone(g.Why), "the rest of the page does something else: it stays, byte for byte")
	p.Report(p.settle(g))
	if raw {
		w := g
		w.Class, w.Title = deminer.ByTamper, fmt.Sprintf("line %d of %s was put into another's page", c.Target.LineNo, q(f.Path))
		w.Why = []string{"it hands the request's text to the language itself, in a page that otherwise does its own work", g.Why[0]}
		p.Report(w)
	}
}

// served reports a path below a document root.
func served(name string) bool {
	return underAny(name, webRoots...) || strings.Contains(name, "/public_html/") || strings.Contains(name, "/htdocs/") || strings.Contains(name, "/webapps/") || strings.Contains(name, "/wwwroot/")
}

// pageHit is a place in a page that runs what a request brings. raw: it hands the request's text to the language itself, which
// no page of an owner does.
type pageHit struct {
	span
	text string
	raw  bool
}

// rawRun are the calls that run a text as code of the page's own language.
var rawRun = regexp.MustCompile(`(?i)^(?:eval|assert|create_function|execute|executeglobal|defineClass)\b`)

// requestHits finds all such places, at most 1000 of a kind.
func requestHits(body []byte) (out []pageHit) {
	for _, r := range requestRun {
		for _, m := range r.re.FindAllIndex(body, 1000) {
			out = append(out, pageHit{span{m[0], m[1]}, r.text, rawRun.Match(body[m[0]:m[1]])})
		}
	}
	return append(out, twoSteps(body)...)
}

// phpUnpack are the functions of PHP that unpack what a request brought packed.
const phpUnpack = `@?(?:(?:stripslashes|base64_decode|gzinflate|gzuncompress|str_rot13|trim|urldecode|rawurldecode|hex2bin|strrev)\s*\(\s*@?)*`

var (
	requestKept = regexp.MustCompile(`(?i)\$([a-z_]\w{0,40})\s*=\s*` + phpUnpack + `\$_(?:POST|GET|REQUEST|COOKIE)\s*\[[^\]]{1,60}\][\s)]*;`)
	nameRun     = regexp.MustCompile(`(?i)\b(?:eval|assert|create_function)\s*\(\s*` + phpUnpack + `["']?\$([a-z_]\w{0,40})\b`)
)

// twoSteps finds PHP that keeps what a request brings in a name and hands that to the language itself: both statements, at most
// 1000 of each. Commands that are run so are not counted: what an owner does with a name in between is not followed.
func twoSteps(body []byte) (out []pageHit) {
	kept := map[string][]int{}
	for _, m := range requestKept.FindAllSubmatchIndex(body, 1000) {
		kept[string(body[m[2]:m[3]])] = m
	}
	for _, m := range nameRun.FindAllSubmatchIndex(body, 1000) {
		from, ok := kept[string(body[m[2]:m[3]])]
		if !ok || from[0] > m[0] {
			continue
		}
		const text = "PHP that runs what a request brings, by way of a name"
		out = append(out, pageHit{span{from[0], from[1]}, text, false}, pageHit{span{m[0], m[1]}, text, true})
	}
	return out
}
