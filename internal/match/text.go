package match

import (
	"sort"
	"strconv"
	"strings"
)

const (
	maxText     = 1 << 20 // bytes of a text that are looked at
	maxTextHits = 256     // hits of one text
	maxSpots    = 4096    // places of literals in one text
	maxFetches  = 4096    // places of words that download in one text
)

// Text looks at a script, a cron line, a unit line, a configuration line or a command line: miner options by their combination, pools as URL or option value, stratum URLs,
// payout addresses with a valid checksum, download cradles, phrases of campaigns, and all of that inside up to four layers of base64, hexadecimal or gzip.
//
// What is only named is not reported: arguments of text tools, of kill, rm and firewall commands, comments, and hosts lines that null a pool.
// Offsets are those in s; for a decoded layer, of the encoded run. The first 1 MiB is looked at.
func (s *Set) Text(text string) []Hit { return s.textOf([]byte(text)) }

// textOf is Text of bytes, which it does not keep.
func (s *Set) textOf(b []byte) []Hit {
	b = b[:min(len(b), maxText)]
	g := s.signs(b)
	if g.none() && !g.decode {
		return nil
	}
	var out []Hit
	list := []layer{{offset: -1}}
	if !g.none() {
		list[0].text = string(b)
	}
	for n := 0; n < len(list) && n < maxLayers; n++ {
		l := list[n]
		if n > 0 {
			b = []byte(l.text)
			g = s.signs(b)
		}
		for _, h := range s.oneText(l.text, g) {
			if l.offset >= 0 {
				h.Offset = int64(l.offset)
				h.Meta["layer"] = l.how
				if h.Strength == Weak && h.Class == Cradle {
					h.Strength = Strong // nobody needs to hide an installer
				}
			}
			out = append(out, h)
		}
		if l.depth < maxDepth && (g.decode || l.depth > 0) {
			list = append(list, decodeLayers(b, l)...)
		}
	}
	return out[:min(len(out), maxTextHits)]
}

// Argv asks the same of a command line, which no shell has to take apart again: arguments with blanks or shell characters are quoted.
func (s *Set) Argv(args []string) []Hit {
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		if i > 0 && strings.ContainsAny(a, " |;&`$()\n") && !(args[i-1] == "-c" || strings.HasSuffix(args[i-1], "c") && strings.HasPrefix(args[i-1], "-")) {
			b.WriteString("'" + strings.ReplaceAll(a, "'", `\'`) + "'")
		} else {
			b.WriteString(a)
		}
		if b.Len() > maxText {
			break
		}
	}
	return s.Text(b.String())
}

// spot is a literal found in the text.
type spot struct {
	lit   *literal
	start int
	end   int
}

// scanText is the state of looking at one layer.
type scanText struct {
	set      *Set
	text     string
	spots    []spot
	commands []command
	wallets  []Wallet
	fetches  []int // ends of words that download
	hits     []Hit
	seen     map[string]bool
}

// oneText looks at one layer in which signs were found.
func (s *Set) oneText(text string, g signs) []Hit {
	if g.none() {
		return nil
	}
	t := scanText{set: s, text: text, spots: g.spots, wallets: g.wallets, fetches: g.fetches, seen: map[string]bool{}}
	t.commands = splitCommands(text)
	t.options()
	if len(t.fetches) > 0 {
		t.cradles()
	}
	if g.starts {
		t.started()
	}
	return t.hits
}

func (t *scanText) add(h Hit) {
	key := h.Rule + "\x00" + h.What + "\x00" + h.Excerpt
	if t.seen[key] || len(t.hits) >= maxTextHits {
		return
	}
	t.seen[key] = true
	t.hits = append(t.hits, h)
}

// group is what one command holds.
type group struct {
	a, b       []spot
	mining     bool // one of b is an option only miners use
	pools      []spot
	wallets    []Wallet
	poolHits   []Hit
	start, end int
	asked      map[*indicator]bool
}

// fits asks an expression once about a command, however often the literal it needs stands there.
func (g *group) fits(in *indicator, text string) bool {
	if fit, ok := g.asked[in]; ok {
		return fit
	}
	if g.asked == nil {
		g.asked = map[*indicator]bool{}
	}
	g.asked[in] = in.re.MatchString(text)
	return g.asked[in]
}

// options judges flags, pools and wallets by their combination within one command.
func (t *scanText) options() {
	groups := map[*command]*group{}
	var order []*command
	get := func(c *command) *group {
		if groups[c] == nil {
			groups[c] = &group{start: c.start, end: c.end}
			order = append(order, c)
		}
		return groups[c]
	}
	for _, sp := range t.spots {
		c := at(t.commands, sp.start)
		if c == nil || c.inert() {
			continue
		}
		t.spot(sp, c, get)
	}
	for _, w := range t.wallets {
		if c := at(t.commands, w.Offset); c != nil && !c.inert() {
			g := get(c)
			g.wallets = append(g.wallets, w)
		}
	}
	sort.Slice(order, func(i, k int) bool { return order[i].start < order[k].start })
	for _, c := range order {
		t.judge(groups[c])
	}
}

func (t *scanText) spot(sp spot, c *command, get func(*command) *group) {
	in := sp.lit.in
	switch sp.lit.role {
	case roleText:
		t.add(in.hit(int64(sp.start), t.around(sp)))
	case roleEncoded:
		t.add(in.hit(int64(sp.start), t.around(sp)))
	case rolePool:
		if h, ok := t.pool(sp); ok {
			g := get(c)
			g.pools = append(g.pools, sp)
			g.poolHits = append(g.poolHits, h)
		}
	case rolePattern:
		g := get(c)
		if g.fits(in, t.text[c.start:min(c.end, c.start+8192)]) {
			if in.attrs["group"] == "a" {
				g.a = append(g.a, sp)
			} else {
				g.b = append(g.b, sp)
			}
		}
	case roleFlag:
		if !t.flagBounds(sp) {
			return
		}
		g := get(c)
		if in.attrs["group"] == "a" {
			g.a = append(g.a, sp)
		} else if in.attrs["group"] == "b" {
			g.b = append(g.b, sp)
			g.mining = g.mining || in.attrs["mining"] == "yes"
		}
	}
}

// flagBounds wants an option to stand alone and a scheme to be followed by a host.
func (t *scanText) flagBounds(sp spot) bool {
	before, after := byte(' '), byte(' ')
	if sp.start > 0 {
		before = t.text[sp.start-1]
	}
	if sp.end < len(t.text) {
		after = t.text[sp.end]
	}
	if strings.HasSuffix(sp.lit.text, "://") {
		return !alnum[before] && before != '+' && (alnum[after] || after == '[' || after == '$')
	}
	if alnum[before] || before == '-' || before == '_' || before == '\\' {
		return false
	}
	return strings.HasSuffix(sp.lit.text, "=") || !alnum[after] && after != '-' && after != '_'
}

// distinct counts different indicators.
func distinct(list []spot) int {
	seen := map[string]bool{}
	for _, s := range list {
		seen[s.lit.in.value] = true
	}
	return len(seen)
}

// judge turns the signs of one command into hits.
func (t *scanText) judge(g *group) {
	strongPool := false
	for _, h := range g.poolHits {
		strongPool = strongPool || h.Strength >= Strong
		t.add(h)
	}
	var valid []Wallet
	for _, w := range g.wallets {
		if in := t.set.ioc.get(KindWallet, w.Address); in != nil {
			t.add(in.hit(int64(w.Offset), w.Address))
		}
		if w.Checked {
			valid = append(valid, w)
		}
	}
	excerpt := clip(strings.TrimSpace(t.text[g.start:g.end]))
	marked := len(g.a) > 0 || strongPool
	if len(g.a) > 0 {
		t.add(t.flags(g.a, Strong, "option that only mining programs have", excerpt))
	} else if len(g.b) > 0 && (strongPool || len(valid) > 0) {
		marked = true
		t.add(t.flags(g.b, Strong, "mining option together with a pool or a payout address", excerpt))
	} else if g.mining && distinct(g.b) >= 2 {
		t.add(t.flags(g.b, Weak, "several options that mining programs use", excerpt))
	}
	for _, w := range g.wallets {
		h := Hit{Rule: "text/wallet", Strength: Info, Class: Mining, What: "payout address with a valid checksum (" + w.Coin + ")", Offset: int64(w.Offset), Excerpt: w.Address,
			Meta: map[string]string{"coin": w.Coin, "kind": w.Kind, "wallet": w.Address}}
		if !w.Checked {
			h.What = "text of the form of a payout address (" + w.Coin + ")"
		}
		if marked && w.Checked {
			h.Rule, h.Strength, h.What = "text/wallet-with-pool", Proof, "payout address with a valid checksum ("+w.Coin+") beside a pool or a mining option"
		} else if !w.Checked && !marked {
			continue
		}
		t.add(h)
	}
}

func (t *scanText) flags(list []spot, s Strength, what, excerpt string) Hit {
	var words []string
	for _, sp := range list {
		words = append(words, sp.lit.text)
	}
	return Hit{Rule: "text/miner-options", Strength: s, Class: Mining, What: what, Offset: int64(list[0].start), Excerpt: excerpt,
		Meta: map[string]string{"options": clip(strings.Join(words, " "))}}
}

// around gives the line of a spot.
func (t *scanText) around(sp spot) string {
	from := max(0, sp.start-60)
	start := from + strings.LastIndexByte(t.text[from:sp.start], '\n') + 1
	end := min(len(t.text), start+maxExcerpt)
	if nl := strings.IndexByte(t.text[sp.end:max(end, sp.end)], '\n'); nl >= 0 {
		end = sp.end + nl
	}
	return t.text[start:end]
}

// pool decides whether a host name of a list stands as a URL, with a port, or as the value of an option.
func (t *scanText) pool(sp spot) (Hit, bool) {
	start, end := sp.start, sp.end
	for start > 0 && (alnum[t.text[start-1]] || t.text[start-1] == '.' || t.text[start-1] == '-' || t.text[start-1] == '_') && sp.start-start < 253 {
		start--
	}
	if start < sp.start && t.text[sp.start-1] != '.' || end < len(t.text) && (alnum[t.text[end]] || t.text[end] == '-' || t.text[end] == '_' || t.text[end] == '.' && end+1 < len(t.text) && alnum[t.text[end+1]]) {
		return Hit{}, false
	}
	host := strings.TrimLeft(t.text[start:end], "-.")
	in := t.set.domain(host)
	if in == nil {
		return Hit{}, false
	}
	h := in.hit(int64(start), t.around(sp))
	h.Meta["host"] = strings.ToLower(host)
	if p := portAfter(t.text[end:]); p != "" {
		h.Meta["port"] = p
	}
	scheme, ok := t.context(start, h.Meta["port"] != "")
	if !ok {
		return Hit{}, false
	}
	if web := scheme == "http" || scheme == "https"; web && h.Strength > Weak && h.Meta["port"] == "" {
		h.Strength, h.What = Weak, "web address of a mining pool" // prices, statistics and interfaces
	}
	return h, true
}

func portAfter(s string) string {
	if !strings.HasPrefix(s, ":") {
		return ""
	}
	n := 1
	for n < len(s) && n < 7 && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	if p, err := strconv.ParseUint(s[1:n], 10, 16); err != nil || p == 0 {
		return ""
	}
	return s[1:n]
}

// poolOptions are options whose value is a pool.
var poolOptions = map[string]bool{"-o": true, "--url": true, "--pool": true, "-epool": true, "-zpool": true, "--server": true, "-s": true, "-pool": true, "--host": true, "-h": true, "-l": true, "url": true, "pool": true, "--algo": false, "host": true, "server": true, "pool_address": true, "-P": true, "--proxy": true}

// context reads what stands before a host name.
func (t *scanText) context(start int, port bool) (scheme string, ok bool) {
	before := t.text[max(0, start-200):start]
	if i := strings.LastIndex(before, "://"); i >= 0 && !strings.ContainsAny(before[i+3:], " \t\n/'\"") {
		k := i
		for k > 0 && (alnum[before[k-1]] || before[k-1] == '+' || before[k-1] == '-') {
			k--
		}
		return strings.ToLower(before[k:i]), true
	}
	if port {
		return "", true
	}
	f := strings.FieldsFunc(before, func(r rune) bool { return strings.ContainsRune(" \t=:\"'\n,{", r) })
	return "", len(f) > 0 && poolOptions[f[len(f)-1]] && !strings.HasSuffix(before, "\n")
}

// started reports programs of known families that a text starts: the word of a command is a known path or name.
func (t *scanText) started() {
	for i := range t.commands {
		c := &t.commands[i]
		if c.inert() || c.word == "" {
			continue
		}
		words := []string{c.word}
		if f := strings.Fields(t.text[c.start:min(c.end, c.start+400)]); shells[c.name] && len(f) > 1 {
			words = append(words, strings.Trim(f[len(f)-1], `"'`))
		}
		for _, w := range words {
			for _, h := range append(t.set.Path(w, textHomes), t.set.ProcessName(w)...) {
				if h.Strength < Strong {
					continue
				}
				if !strings.Contains(w, "/") && len(t.commands) > 1 && c.before == '\n' && c.after == '\n' {
					h.Strength = Weak // a word at the beginning of a line may be prose
				}
				h.Offset, h.Excerpt = int64(c.start), clip(strings.TrimSpace(t.text[c.start:c.end]))
				h.What = "starts a program: " + h.What
				t.add(h)
			}
		}
	}
}
