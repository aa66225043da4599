package detect

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

var urlText = regexp.MustCompile(`\bhttps?://[^\s"'|;)>]{4,200}`)

// urls gives the addresses a text fetches from as indicators.
func urls(text string) []deminer.Indicator {
	var out []deminer.Indicator
	for _, u := range urlText.FindAllString(text, 8) {
		out = append(out, deminer.Indicator{Kind: "url", Value: u})
		if p, err := url.Parse(u); err == nil {
			if _, err := netip.ParseAddr(p.Hostname()); err == nil {
				out = append(out, deminer.Indicator{Kind: "ip", Value: p.Hostname()})
			} else {
				out = append(out, deminer.Indicator{Kind: "domain", Value: strings.ToLower(p.Hostname())})
			}
		}
	}
	return out
}

// lines calls see with each line of a text without its newline, and its number from 1.
func lines(text []byte, see func(no int, line string)) {
	no := 0
	for l := range strings.Lines(string(text)) {
		no++
		see(no, strings.TrimSuffix(l, "\n"))
	}
}

// plainHost is the host part of "host", "host:port" or a URL, lower case.
func plainHost(s string) string {
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		s = u.Host
	}
	if h, _, ok := strings.Cut(s, ":"); ok && !strings.Contains(h, "]") {
		s = h
	}
	return strings.ToLower(strings.Trim(s, "[]"))
}

// fmtLine shows one line of a file with its number.
func fmtLine(name string, no int, l string) string {
	return fmt.Sprintf("%s line %d: %s", deminer.Safe(name), no, q(l))
}

// head gives the first line of a file, at most 120 bytes.
func (p *Pass) head(name string) string {
	f, err := p.FS.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 120)
	n, _ := f.ReadAt(b, 0)
	s, _, _ := strings.Cut(string(b[:n]), "\n")
	return s
}
