package match

import (
	"bytes"
	"strings"
)

// signs are what one pass over a text finds that is worth taking the text apart for. Most texts have none.
type signs struct {
	spots   []spot
	wallets []Wallet
	fetches []int // ends of words that download
	starts  bool  // a program of a known name or path may be started
	command bool  // a program that downloads may be called, and something done with what it gives
	decode  bool  // something asks for decoding
}

// none tells that no hit can come of the text itself.
func (g *signs) none() bool {
	return len(g.spots) == 0 && len(g.wallets) == 0 && len(g.fetches) == 0 && !g.starts
}

// signs looks for them. It is the part of Text that every text file of a host pays for.
func (s *Set) signs(text []byte) signs {
	g := signs{}
	telling := false
	var lines fitting
	var remarks remark
	s.text.lits.Find(text, func(id, end int) bool {
		l := &s.text.what[id]
		start := end - len(l.text)
		switch {
		case l.role == roleFetch:
			if g.elsewhere(text, end) && !remarks.holds(text, start) {
				g.fetches = append(g.fetches, end)
			}
		case l.role == roleDecode:
			g.decode = true
		case len(g.spots) >= maxSpots, l.exact && string(text[start:end]) != l.text:
		case remarks.holds(text, start):
		case l.role == rolePattern && !lines.may(l.in, text, start):
		default:
			telling = telling || l.tells()
			g.spots = append(g.spots, spot{l, start, end})
		}
		return true
	})
	g.decode = g.decode || longRun(text)
	g.wallets = FindWallets(text)
	if !telling && len(g.wallets) == 0 {
		g.spots = nil // options such as -o that mean something only beside a pool or an address
	}
	s.words(text, &g)
	if len(g.fetches) > 0 && len(g.spots) == 0 && len(g.wallets) == 0 && !g.starts && !g.command && !mayFetch(text, g.fetches) {
		g.fetches = nil
	}
	return g
}

// elsewhere tells whether a word that downloads does not just follow another one in its line.
func (g *signs) elsewhere(text []byte, end int) bool {
	n := len(g.fetches)
	return n == 0 || n < maxFetches && (end-g.fetches[n-1] > 16 || bytes.IndexByte(text[g.fetches[n-1]:end], '\n') >= 0)
}

// mayFetch tells whether words that download stand where cradles finds more than commands.
func mayFetch(text []byte, fetches []int) bool {
	if bytes.Contains(text, []byte("/dev/tcp/")) {
		return true
	}
	for _, end := range fetches {
		from, to := inlinePart(text, end)
		if inlineIndex(string(text[from:to])) != nil {
			return true
		}
	}
	return false
}

// tells reports literals that can make a hit without a wallet beside them.
func (l *literal) tells() bool {
	return l.role != roleFlag || l.in.attrs["group"] != "b" || l.in.attrs["mining"] == "yes"
}

// longRun tells whether the text holds a run long enough to hide a command without a word that announces it.
func longRun(s []byte) bool {
	_, _, ok := run(s, 0, minHidden, &packed)
	return ok
}

// minHidden is the shortest run without a word that announces it that is tried to be decoded.
const minHidden = 60

// run finds the first run of at least n bytes of a class from offset i on, which is 0 or the end of a run. It looks at the
// last byte of a window first, so that most bytes of ordinary text are never looked at.
func run(s []byte, i, n int, class *[256]bool) (start, end int, ok bool) {
	for i+n <= len(s) {
		last := i + n - 1
		for last >= i && class[s[last]] {
			last--
		}
		if last < i {
			for end = i + n; end < len(s) && class[s[end]]; end++ {
			}
			return i, end, true
		}
		i = last + 1
	}
	return 0, 0, false
}

// packed are the bytes of base64 text, and wordByte those of the plain beginning of a command's word.
var packed, wordByte = func() (p, w [256]bool) {
	p = alnum
	for _, c := range "+/=" {
		p[c] = true
	}
	for c := range w {
		w[c] = alnum[c] || strings.IndexByte("._-~/", byte(c)) >= 0
	}
	return p, w
}()

// names is a filter of the names of known programs by their length and outer letters, which lie in different bits for
// each of them but not for upper and lower case.
type names [32 * 32]uint32

func (f *names) at(word []byte) (slot int, bit uint32) {
	return int(word[0]&31)<<5 | int(word[len(word)-1]&31), 1 << min(len(word), 31)
}

func (f *names) add(name string) {
	slot, bit := f.at([]byte(name))
	f[slot] |= bit
}

func (f *names) may(word []byte) bool {
	slot, bit := f.at(word)
	return f[slot]&bit != 0
}

// words looks at each word: started can find something if one is a known path or ends in the name of a known program, and
// cradles if one is the name of a program that downloads and its line goes on to a pipe, a file or an address.
func (s *Set) words(text []byte, g *signs) {
	from, to, hands := 0, 0, false // of the line that handsOn was last asked about
	eachWord(text, func(start, base, end int) bool {
		if base < end && s.known.may(text[base:end]) {
			word := string(text[base:end])
			g.starts = g.starts || s.knownProgram(word)
			if !g.command && isFetcher(strings.ToLower(word)) && !spoken(text, start) {
				if start >= to {
					from, to = wholeLine(text, start)
					hands = to-from > maxHanded || handsOn(text[from:to])
				}
				g.command = hands
			}
		}
		if !g.starts && (base > start || end < len(text) && text[end] == ':') {
			g.starts = s.knownPath(text, start)
		}
		return !g.starts || !g.command
	})
}

// maxHanded is the longest line in bytes that handsOn is asked about.
const maxHanded = 8192

// handsOn tells whether a line can hold a call of a program that downloads whose output is piped or saved: it has a pipe, an
// address, or what saved finds.
func handsOn(line []byte) bool {
	for i, c := range line {
		rest := line[i+1:]
		switch c {
		case '|':
			return true
		case ':':
			if bytes.HasPrefix(rest, []byte("//")) {
				return true
			}
		case '.':
			if i > 0 && len(rest) > 0 && digit(line[i-1]) && digit(rest[0]) {
				return true
			}
		case '-':
			if len(rest) > 1 && (rest[0]|0x20 == 'o' && named(rest[1:]) || rest[0] == '-' && rest[1] == 'o') {
				return true
			}
		case '>':
			if named(rest) {
				return true
			}
		}
	}
	return false
}

// named tells whether a file name, maybe in quotes, can stand behind blanks.
func named(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n\f")
	if len(b) > 0 && (b[0] == '"' || b[0] == '\'') {
		b = b[1:]
	}
	return len(b) > 0 && (wordByte[b[0]] || b[0] == '$')
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// maxSpoken is how far spoken looks back, in bytes.
const maxSpoken = 512

// spoken tells that the word at an offset names no command, because a plain word stands right before it that would: "get" is
// mostly found in prose. It leaves undecided what looks like the time fields of cron, behind which a plain word is a user.
func spoken(text []byte, at int) bool {
	end := at
	for end > 0 && text[end-1] == ' ' {
		end--
	}
	from := end
	for from > 0 && end-from < 32 && letter(text[from-1]) {
		from--
	}
	if end == at || from == end || from > 0 && text[from-1] != ' ' && text[from-1] != '\n' {
		return false
	}
	word := strings.ToLower(string(text[from:end]))
	if wrappers[word] || strings.Trim(word, "smhd") == "" {
		return false
	}
	for i := from - 1; ; i-- {
		switch {
		case i < 0 || text[i] == '\n' && (i == 0 || text[i-1] != '\\'):
			return true
		case from-i > maxSpoken || text[i] == '*' || text[i] == '@' || digit(text[i]):
			return false
		}
	}
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func (s *Set) knownProgram(word string) bool {
	for _, h := range s.ProcessName(word) {
		if h.Strength >= Strong {
			return true
		}
	}
	return false
}

// knownPath asks about the word at an offset as started would see it.
func (s *Set) knownPath(text []byte, start int) bool {
	for start < len(text) && text[start] == '-' {
		start++
	}
	if start > 0 && text[start-1] == '$' {
		start--
	}
	if start >= len(text) {
		return false
	}
	word := text[start:min(len(text), start+4096)]
	if c := word[0]; c != '/' && c != '~' && c != '$' && !isWindows(string(word[:min(3, len(word))])) || !s.ioc.paths.may(word) {
		return false
	}
	if end := bytes.IndexAny(word, " \t\n;&|`"); end >= 0 {
		word = word[:end]
	}
	for _, h := range s.Path(strings.Trim(string(word), "\"';)\t\r"), textHomes) {
		if h.Strength >= Strong {
			return true
		}
	}
	return false
}

// textHomes are how a text names a home directory.
var textHomes = []string{"~", "/root", "$HOME"}
