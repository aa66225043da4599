package match

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Expressions of the cradle detector, all RE2. A download is any program that prints or stores what a URL gives.
var (
	urlForm    = regexp.MustCompile(`(?i)\b((?:https?|ftp)://[^\s'"<>|;)\x60\\]{3,400})|(?:^|[\s'"])((?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]{1,5})?/[^\s'"<>|;)\x60]{1,200})`)
	devTCP     = regexp.MustCompile(`/dev/tcp/([A-Za-z0-9.$_{}-]{1,253})/([0-9$]\w{0,20})`)
	substitute = regexp.MustCompile(`(?i)(?:\beval\b|\bsource\b|(?:^|[\s;&|])\.|\b(?:ba|da|z|k|a)?sh\b(?:\s+-\w+)*|python[0-9.]*\s+-c|perl\s+-e)\s*(?:<<<\s*)?["']?\s*(?:\$\(|<\(|\x60)\s*(?:sudo\s+|timeout\s+\S+\s+)?(?:/\S*/)?(?:curl|wget|fetch|lwp-download|cd1|wd1|python[0-9.]*|perl)\b`)
	inCode     = regexp.MustCompile(`(?i)(?:exec|eval|os\.system|subprocess|popen|iex|invoke-expression)\b.{0,80}(?:urlopen|requests\.get|urllib|downloadstring|LWP::|file_get_contents\s*\(\s*["']http|net/http)`)
	discarded  = regexp.MustCompile(`(?:-O|-o|--output|--output-document=?|>)\s*/dev/null|--spider\b|(?:^|\s)-I(?:\s|$)`)
	saved      = regexp.MustCompile(`(?:-O|-o|--output|--output-document=?|>)\s*["']?([/~$.\w-][^\s'";|&]{0,200})`)
)

// interpreters run what they are given on standard input.
var interpreters = regexp.MustCompile(`^(?:sh|bash|dash|ash|zsh|ksh|python[0-9.]*|perl|php[0-9.]*|ruby|node|lua|tclsh)$`)

// fetchers are programs that download.
var fetchers = [...]string{"curl", "wget", "fetch", "lwp-download", "lwp-request", "aria2c", "cd1", "wd1", "tntwget", "wgettnt", "axel", "lynx", "ftpget", "tftp", "kurl", "get"}

func isFetcher(name string) bool { return slices.Contains(fetchers[:], name) }

// cradles looks for downloads whose output is run.
func (t *scanText) cradles() {
	for i := range t.commands {
		c := &t.commands[i]
		if c.inert() {
			continue
		}
		body := t.text[c.start:min(c.end, c.start+8192)]
		switch {
		case isFetcher(c.name) && t.piped(i):
			t.cradle(c, "downloads a script and runs it", t.line(c))
		case isFetcher(c.name) && !discarded.MatchString(body) && t.runsSaved(i, body):
			t.cradle(c, "downloads a program, makes it executable and runs it", t.line(c))
		case devTCP.MatchString(body):
			t.reverse(c, body)
		}
	}
	for _, end := range t.fetches {
		t.inline(end)
	}
}

// inline looks around a word that downloads for substitutions and for code that runs what it fetched.
func (t *scanText) inline(end int) {
	from, to := inlinePart(t.text, end)
	part := t.text[from:to]
	m := inlineIndex(part)
	if m == nil {
		return
	}
	c := at(t.commands, from+m[0])
	if c != nil && c.inert() {
		return
	}
	t.cradle(&command{start: from + m[0], end: to}, "downloads a script and runs it", part[m[0]:])
}

// inlinePart gives what stands around a word that downloads, in its line.
func inlinePart[T string | []byte](text T, end int) (from, to int) {
	from, to = max(0, end-200), min(len(text), end+300)
	for i := end - 1; i >= from; i-- {
		if text[i] == '\n' {
			from = i + 1
		}
	}
	for i := end; i < to; i++ {
		if text[i] == '\n' {
			to = i
		}
	}
	return from, to
}

// inlineIndex finds a substitution, or code, that runs what it fetches.
func inlineIndex(part string) []int {
	if strings.Contains(part, "$(") || strings.Contains(part, "<(") || strings.Contains(part, "`") {
		if m := substitute.FindStringIndex(part); m != nil {
			return m
		}
	}
	if !mayRun(part) {
		return nil
	}
	if m := inCode.FindStringIndex(part); m != nil && urlForm.MatchString(part[m[0]:]) {
		return m
	}
	return nil
}

// runners and sources are what inCode asks for: a word that runs code, and one that downloads it.
var (
	runners = [...]string{"exec", "eval", "os.system", "subprocess", "popen", "iex", "invoke-expression"}
	sources = [...]string{"urlopen", "requests.get", "urllib", "downloadstring", "lwp::", "file_get_contents", "net/http"}
)

// mayRun tells quickly whether inCode can match. Letters outside of ASCII that fold to a letter of it are left to inCode.
func mayRun(part string) bool {
	for i := range len(part) {
		if part[i] >= 0x80 {
			return true
		}
	}
	part = strings.ToLower(part)
	in := func(word string) bool { return strings.Contains(part, word) }
	return slices.ContainsFunc(runners[:], in) && slices.ContainsFunc(sources[:], in)
}

// line gives the line of a command from its beginning.
func (t *scanText) line(c *command) string {
	end := min(len(t.text), c.end+200)
	if nl := strings.IndexByte(t.text[c.end:end], '\n'); nl >= 0 {
		end = c.end + nl
	}
	return t.text[c.start:end]
}

// piped tells whether the output of command i reaches an interpreter through a pipe.
func (t *scanText) piped(i int) bool {
	for k := i; k < len(t.commands)-1 && k < i+4; k++ {
		if t.commands[k].after != '|' {
			// (curl ... || wget ...) | sh: the pipe stands behind the group
			if next := &t.commands[k+1]; !isFetcher(next.name) || t.commands[k].after != ';' {
				return false
			}
			continue
		}
		next := &t.commands[k+1]
		name := next.name
		if w, _ := cutBlank(strings.TrimSpace(t.text[next.start:next.end])); shells[w] {
			name = w
		}
		if interpreters.MatchString(name) && !inlineCode(t.text[next.start:next.end]) {
			return true
		}
	}
	return false
}

// inlineCode tells an interpreter that was given its program as an argument and only reads data from the pipe, such as python -c or perl -ne.
func inlineCode(s string) bool {
	f := strings.Fields(s)
	for i, w := range f {
		if i == 0 {
			continue
		}
		if w == "-" || w == "-s" || w == "-x" {
			return false
		}
		if strings.HasPrefix(w, "-") && strings.ContainsAny(w, "ceEm") && !strings.HasPrefix(w, "--") {
			return !shells[f[0]] || strings.Contains(w, "c")
		}
		if !strings.HasPrefix(w, "-") && !shells[w] && !strings.ContainsAny(w, ">&") {
			return i > 0 && !shells[f[0]] && f[0] != "sudo"
		}
	}
	return false
}

// runsSaved tells whether a later command runs or marks the file the download was saved as.
func (t *scanText) runsSaved(i int, body string) bool {
	name := ""
	if m := saved.FindStringSubmatch(body); m != nil && m[1] != "-" {
		name = m[1]
	} else if t.commands[i].name != "curl" || strings.Contains(body, " -O") {
		if u := urlForm.FindString(body); u != "" {
			u = strings.TrimRight(u, "/")
			name = u[strings.LastIndexByte(u, '/')+1:]
		}
	}
	if len(name) < 2 {
		return false
	}
	base := name[strings.LastIndexByte(name, '/')+1:]
	marked, run := false, false
	for k := i + 1; k < len(t.commands) && k < i+24; k++ {
		c := &t.commands[k]
		text := t.text[c.start:min(c.end, c.start+512)]
		if !strings.Contains(text, base) || c.inert() {
			continue
		}
		marked = marked || c.name == "chmod" && (strings.Contains(text, "+x") || strings.Contains(text, "7") || strings.Contains(text, "u+x"))
		run = run || strings.HasSuffix(strings.Trim(c.word, `"'`), base) && base != "" || shells[c.name] && c.name != "ssh"
	}
	return run || marked
}

func (t *scanText) cradle(c *command, what, excerpt string) {
	h := Hit{Rule: "text/cradle", Strength: Weak, Class: Cradle, What: what, Offset: int64(c.start), Excerpt: clip(strings.TrimSpace(excerpt)), Meta: map[string]string{}}
	for _, m := range urlForm.FindAllStringSubmatch(excerpt, 8) {
		u := m[1]
		if u == "" {
			u = "http://" + m[2]
		}
		if s, why := judgeURL(t.set, u); s != Weak || h.Meta["url"] == "" {
			h.Meta["url"] = clip(u)
			if why != "" {
				h.Strength, h.What = s, what+" "+why
			}
			if s == Strong {
				break
			}
		}
	}
	t.add(h)
}

func (t *scanText) reverse(c *command, body string) {
	m := devTCP.FindStringSubmatch(body)
	h := Hit{Rule: "text/dev-tcp", Strength: Weak, Class: Backdoor, What: "opens a network connection from the shell itself", Offset: int64(c.start), Excerpt: clip(strings.TrimSpace(body)), Meta: map[string]string{"host": m[1]}}
	if strings.Contains(body, "0>&1") || strings.Contains(body, "<&") && strings.Contains(body, "-i") {
		h.Strength, h.What = Strong, "hands a shell to a remote host"
	}
	t.add(h)
}

// places from which installers of known makers come, and places where anybody can leave a script for a short time.
var (
	vendors = []string{"get.docker.com", "sh.rustup.rs", "get.k3s.io", "get.helm.sh", "get.rke2.io", "install.python-poetry.org", "astral.sh", "deb.nodesource.com", "rpm.nodesource.com", "get.acme.sh", "packages.gitlab.com", "packagecloud.io",
		"raw.githubusercontent.com/nvm-sh/", "raw.githubusercontent.com/Homebrew/", "raw.githubusercontent.com/ohmyzsh/", "raw.githubusercontent.com/helm/", "pkgs.tailscale.com", "tailscale.com", "download.newrelic.com", "s3.amazonaws.com/dd-agent", "install.datadoghq.com",
		"dl.google.com", "packages.microsoft.com", "aka.ms", "sdk.cloud.google.com", "get.sdkman.io", "bun.sh", "deno.land", "fnm.vercel.app", "starship.rs", "ollama.com", "repo.mysql.com", "my-netdata.io", "get.netdata.cloud", "download.opensuse.org", "aegis.alicdn.com", "update.aegis.aliyun.com", "update2.aegis.aliyun.com"}
	dropSites = []string{"pastebin.com", "paste.ee", "hastebin.com", "ghostbin.", "transfer.sh", "termbin.com", "ix.io", "0x0.st", "sprunge.us", "dpaste.", "rentry.co", "anonfiles.", "file.io", "bashupload.com", "temp.sh", "controlc.com", "cdn.discordapp.com", "anondns.net",
		".onion", "duckdns.org", "no-ip.", "ddns.net", "hopto.org", "zapto.org", "dynu.", "trycloudflare.com", "ngrok", "serveo.net", "oast.", "interact.sh", "tor2web.", "d2web.", "onion.", "gofile.io", "catbox.moe", "notepad.pw", "iplogger.", "bit.ly", "tinyurl.com"}
)

// judgeURL weighs the place a script comes from.
func judgeURL(s *Set, raw string) (Strength, string) {
	u, err := url.Parse(raw)
	if err != nil {
		return Weak, ""
	}
	host := strings.ToLower(u.Hostname())
	if in := s.domain(host); in != nil {
		return Strong, "from a listed host (" + in.what + ")"
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() {
			return Weak, "from a private address"
		}
		return Strong, "from a bare IP address"
	}
	for _, d := range dropSites {
		if strings.Contains("."+host+".", "."+strings.Trim(d, ".")+".") || strings.HasSuffix(d, ".") && strings.Contains(host, d) || d == "ngrok" && strings.Contains(host, d) {
			return Strong, "from a paste, tunnel or dynamic-name site"
		}
	}
	for _, v := range vendors {
		if vh, vp, hasPath := strings.Cut(v, "/"); u.Scheme == "https" && (host == vh || strings.HasSuffix(host, "."+vh)) && (!hasPath || strings.HasPrefix(u.Path, "/"+vp)) {
			return Info, "from a known maker"
		}
	}
	return Weak, ""
}
