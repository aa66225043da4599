package detect

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
)

// reason is one thing that speaks against a foothold or a script.
type reason struct {
	key  string // stable name, for tests and for joining
	text string
}

// cradle is one way of fetching and running code that honest entries do not use.
type cradle struct {
	key   string
	needs []string // one of these must be in the line: the expressions are dear
	re    *regexp.Regexp
	text  string
}

const fetcher = `(?:curl|wget|lynx|fetch|cd1|wd1|wdt|cdt|TNTwget|TNTcurl|axel|aria2c)`

// cradles judge the text of commands and scripts.
var cradles = []cradle{
	{"fetch-run-ip", []string{"|"}, regexp.MustCompile(`(?i)\b` + fetcher + `\b[^\n|;]{0,300}\b\d{1,3}(?:\.\d{1,3}){3}\b[^\n|]{0,200}\|\s*(?:sudo\s+)?(?:\S*/)?(?:ba|da|z|k)?sh\b`), "fetches code from a bare IP address and pipes it into a shell"},
	{"fetch-run-ip", []string{"$(", "<(", "`"}, regexp.MustCompile(`(?i)(?:(?:ba|da|z)?sh\s+(?:-c\s+)?|\beval\s+|\bsource\s+)["']?<?\(?\$?\(?` + fetcher + `\b[^\n)]{0,300}\b\d{1,3}(?:\.\d{1,3}){3}\b`), "fetches code from a bare IP address and runs it"},
	{"fetch-run-paste", []string{"|"}, regexp.MustCompile(`(?i)\b` + fetcher + `\b[^\n|;]{0,300}(?:pastebin\.com|paste\.ee|hastebin|ghostbin|transfer\.sh|termbin\.com|0x0\.st|ix\.io|\.onion\b|tor2web|onion\.(?:ws|to|pet|ly|sh|cab)|trycloudflare\.com|anondns\.net|duckdns\.org|\.dyndns\.|no-ip\.|ngrok|bashupload|oshi\.at|discordapp|raw\.githack)[^\n]{0,200}\|\s*(?:\S*/)?(?:ba|da|z|k)?sh\b`), "fetches code from a paste or throw-away host and pipes it into a shell"},
	{"double-fetch", []string{"||"}, regexp.MustCompile(`(?i)\(?\s*(?:\S*/)?curl\b[^\n|]{0,300}\|\|\s*(?:\S*/)?wget\b[^\n|]{0,300}\)?\s*\|\s*(?:\S*/)?(?:ba|da|z)?sh\b`), "tries one downloader after the other and pipes what it gets into a shell"},
	{"fetch-exec-temp", []string{"/tmp/", "/dev/shm/"}, regexp.MustCompile(`(?is)\b` + fetcher + `\b[^\n]{0,300}(?:/tmp/|/var/tmp/|/dev/shm/)(\S{1,80})[^\n]{0,200}(?:;|&&)\s*(?:chmod\s+\S+\s+\S+\s*(?:;|&&)\s*)?(?:nohup\s+)?(?:(?:ba|da)?sh\s+)?(?:/tmp/|/var/tmp/|/dev/shm/|\./)`), "fetches a file into a temporary directory and runs it"},
	{"decode-run", []string{"base64"}, regexp.MustCompile(`(?i)base64\s+(?:-d|-D|--decode|-di)\b[^\n]{0,60}\|\s*(?:\S*/)?(?:ba|da|z|k)?sh\b`), "decodes hidden text and pipes it into a shell"},
	{"decode-run", []string{"xxd", "openssl"}, regexp.MustCompile(`(?i)(?:xxd\s+-r|openssl\s+(?:enc|base64)\s[^|\n]{0,80}-d)[^|\n]{0,80}\|\s*(?:gunzip[^|\n]*\|\s*)?(?:\S*/)?(?:ba|da|z)?sh\b`), "decodes hidden text and pipes it into a shell"},
	{"decode-run", []string{"python"}, regexp.MustCompile(`(?i)python[23]?\s+-c\s+.{0,200}(?:exec|eval)\s*\(.{0,120}(?:b64decode|decode\(|urlopen|requests\.get)`), "runs hidden or fetched Python code"},
	{"fetch-run-py", []string{"|"}, regexp.MustCompile(`(?i)\b` + fetcher + `\b[^\n|;]{0,300}\b\d{1,3}(?:\.\d{1,3}){3}\b[^\n|]{0,200}\|\s*(?:\S*/)?(?:python|perl|php|ruby|node)[0-9.]*\b`), "fetches code from a bare IP address and pipes it into an interpreter"},
	{"reverse-shell", []string{"/dev/tcp/", "/dev/udp/"}, regexp.MustCompile(`(?i)/dev/(?:tcp|udp)/[^\s/]{1,120}/\d{1,5}`), "opens a connection from the shell (/dev/tcp)"},
	{"reverse-shell", []string{"nc ", "ncat", "netcat", "socat", "mkfifo"}, regexp.MustCompile(`(?i)\b(?:nc|ncat|netcat)\b[^\n|;]{0,80}\s-[a-z]*[ec]\s+(?:/bin/|/usr/bin/)?(?:ba|da)?sh\b|\bsocat\b[^\n]{0,120}exec:[^\n]{0,40}sh\b|mkfifo\s+\S+[^\n]{0,120}\|\s*(?:nc|ncat|netcat|telnet)\b`), "hands a shell to a network connection"},
	{"reverse-shell", []string{"socket.socket("}, regexp.MustCompile(`(?i)socket\.socket\(.{0,400}(?:dup2|pty\.spawn|subprocess)`), "hands a shell to a network connection"},
}

// cradlesIn judges a text, what is encoded in it, four layers deep, and each layer once more as a shell reads it, and names
// each kind once. The text is looked at up to 256 KiB.
func cradlesIn(text string) []reason {
	var out []reason
	seen := map[string]bool{}
	todo := []string{text[:min(len(text), 256<<10)]}
	for depth := 0; depth < 4 && len(todo) > 0; depth++ {
		var next []string
		for _, t := range todo {
			how := ""
			if depth > 0 {
				how = "in decoded text, "
			}
			out = append(out, cradlesOf(t, how, seen)...)
			next = append(next, encoded(t)...)
			if plain, _ := plainly(t); plain != t {
				out = append(out, cradlesOf(plain, how+"written as the shell reads it, ", seen)...)
				next = append(next, encoded(plain)...)
			}
		}
		todo = next
	}
	return out
}

// hasAny reports whether one of the words is in the line.
func hasAny(l string, words []string) bool {
	for _, w := range words {
		if strings.Contains(l, w) {
			return true
		}
	}
	return false
}

// cradlesOf judges each line of a text.
func cradlesOf(text, how string, seen map[string]bool) (out []reason) {
	for l := range strings.Lines(text) {
		out = append(out, cradlesOfLine(l[:min(len(l), 8192)], how, seen)...)
	}
	return out
}

func cradlesOfLine(l, how string, seen map[string]bool) []reason {
	var out []reason
	for _, c := range cradles {
		if seen[c.key] || !hasAny(l, c.needs) {
			continue
		}
		if hit := c.re.FindString(l); hit != "" && !honest(hit) {
			seen[c.key] = true
			out = append(out, reason{c.key, how + c.text + ": " + q(hit)})
		}
	}
	return out
}

// honest keeps the loopback interface, and fetches whose output is thrown away, from counting.
func honest(hit string) bool {
	return strings.Contains(hit, "127.0.0.1") || strings.Contains(hit, "169.254.169.254") || strings.Contains(hit, "localhost")
}

var (
	base64Run = regexp.MustCompile(`[A-Za-z0-9+/]{40,}={0,2}`)
	hexRun    = regexp.MustCompile(`(?:[0-9a-fA-F]{2}){32,}`)
)

// encoded decodes long runs of base64 and hex that turn out to be text, at most eight.
func encoded(t string) []string {
	var out []string
	for _, run := range base64Run.FindAllString(t, 8) {
		raw, err := base64.StdEncoding.DecodeString(run)
		if err != nil {
			raw, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(run, "="))
		}
		if err == nil && textual(raw) {
			out = append(out, string(raw))
		}
	}
	for _, run := range hexRun.FindAllString(t, 8) {
		if raw, err := hex.DecodeString(run); err == nil && textual(raw) {
			out = append(out, string(raw))
		}
	}
	return out
}

func textual(b []byte) bool {
	for _, c := range b[:min(len(b), 512)] {
		if c < 9 || c > 13 && c < 32 {
			return false
		}
	}
	return len(b) > 0
}
