package detect

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// packedCode is a page that unpacks and runs itself.
const packedCode = "PHP that runs code hidden in layers"

// requestRun matches code that runs what a web request brings, in the languages of the usual servers. The request must
// reach the call within one statement; frameworks that only read the request do not match.
var requestRun = []struct {
	re   *regexp.Regexp
	text string
}{
	{regexp.MustCompile(`(?is)\b(?:eval|assert|system|exec|passthru|shell_exec|popen|proc_open|pcntl_exec|create_function)\s*\(\s*@?(?:(?:stripslashes|base64_decode|gzinflate|gzuncompress|str_rot13|trim|urldecode|rawurldecode|hex2bin|strrev)\s*\(\s*@?)*["']?\$_(?:POST|GET|REQUEST|COOKIE|SERVER|FILES)\b`), "PHP that runs what a request brings"},
	{regexp.MustCompile(`(?is)\$_(?:POST|GET|REQUEST|COOKIE)\s*\[[^\]]{1,60}\]\s*\(`), "PHP that calls a function a request names"},
	{regexp.MustCompile("(?is)`\\s*(?:\\{)?\\$_(?:POST|GET|REQUEST|COOKIE)\\b"), "PHP that hands a request to a shell"},
	{regexp.MustCompile(`(?is)\b(?:eval|assert)\s*\(\s*(?:gzinflate|gzuncompress|str_rot13|base64_decode)\s*\(\s*(?:gzinflate|gzuncompress|str_rot13|base64_decode)\s*\(`), packedCode},
	{regexp.MustCompile(`(?is)Runtime\s*\.\s*getRuntime\s*\(\s*\)\s*\.\s*exec\s*\(\s*(?:new\s+String\s*\[\s*\]\s*\{[^}]{0,80})?request\s*\.\s*getParameter`), "JSP that runs what a request brings"},
	{regexp.MustCompile(`(?is)request\s*\.\s*getParameter[^;]{0,120};[^%]{0,300}getRuntime\s*\(\s*\)\s*\.\s*exec\s*\(`), "JSP that runs what a request brings"},
	{regexp.MustCompile(`(?is)defineClass\s*\([^;]{0,200}(?:getReader|getParameter|decodeBuffer|doFinal)`), "JSP that loads a class a request brings"},
	{regexp.MustCompile(`(?is)\beval\s*\(\s*Request\s*[\[.(]|Process\.Start\s*\(\s*Request`), "ASP that runs what a request brings"},
}

// webExt are the endings a web server runs.
var webExt = set(".php", ".phtml", ".php3", ".php4", ".php5", ".php7", ".phar", ".inc", ".jsp", ".jspx", ".asp", ".aspx", ".ashx", ".cfm", ".htaccess")

// uploads are directories of web applications into which visitors write.
var uploads = regexp.MustCompile(`/(?:uploads?|files|images?|img|avatars?|media|cache|tmp|temp|attachments?)/`)

// webShell speaks of pages that let a visitor run code.
func webShell(_ context.Context, p *Pass) error {
	if p.Files == nil {
		return nil
	}
	for _, f := range p.Files.list {
		ext := strings.ToLower(path.Ext(f.Path))
		h, ok := strongest(f.Content.Hits)
		known := ok && h.Class == match.WebShell && h.Strength >= match.Strong
		if !webExt[ext] && !served(f.Path) || !known && !webExt[ext] || packaged(p.owner(f.Path)) || f.Attr.Size > 8<<20 {
			continue
		}
		var g deminer.Finding
		if known {
			g = hitFinding(h, file(f.Path), q(f.Path)+": "+deminer.Safe(h.What))
		} else if why, hit := p.runsRequests(f.Path); why != "" {
			g = deminer.Finding{
				Topic: deminer.TopicWebShell, Tier: deminer.Strong, Class: deminer.ByContent,
				Title: q(f.Path) + " lets a visitor run code", Why: []string{why + ": " + q(hit)}, Subject: file(f.Path),
			}
			if why == packedCode {
				g.Tier = deminer.Weak // owners' tools come packed too
			}
		} else {
			continue
		}
		g.Topic, g.Technique, g.Catalogue, g.Time = deminer.TopicWebShell, "T1505.003", "PL-51", born(f.Attr)
		g.Cleared = []string{"a framework that reads requests: the request's own text is run here"}
		g.Fix = "Find how it came there: an upload form, a plug-in, a stolen panel password; close that too."
		p.Report(g)
		if g.Tier == deminer.Weak {
			continue
		}
		if served(f.Path) && (uploads.MatchString(f.Path) || f.Attr.Size < 4096) {
			w := g
			w.Tier, w.Class = deminer.Strong, deminer.ByProvenance
			w.Title = q(f.Path) + " is a page no package owns in a place for uploads, or a tiny page of its own"
			w.Why = []string{fmt.Sprintf("%d bytes, written %s", f.Attr.Size, born(f.Attr).UTC().Format("2006-01-02 15:04")), why(g)}
			p.Report(w)
		}
	}
	return nil
}

func why(f deminer.Finding) string { return f.Why[0] }

// served reports a path below a document root.
func served(name string) bool {
	return underAny(name, webRoots...) || strings.Contains(name, "/public_html/") || strings.Contains(name, "/htdocs/") || strings.Contains(name, "/webapps/") || strings.Contains(name, "/wwwroot/")
}

func (p *Pass) runsRequests(name string) (why, hit string) {
	body := string(p.read("web-shell", name, 1<<20))
	for _, r := range requestRun {
		if m := r.re.FindString(body); m != "" {
			return r.text, m
		}
	}
	return "", ""
}
