package match

import (
	"bytes"
	"sort"
	"strings"
)

// MinerConfig is what the recognizer of miner configurations found.
type MinerConfig struct {
	Keys  []string // distinct miner-specific keys, sorted
	Pools []string // values of url, raw
	Users []string // values of user, raw: wallets or accounts
}

const (
	maxConfig     = 1 << 20
	minConfigKeys = 4
	minPaidKeys   = 2 // beside a pool and a payout address
)

// MinerConfig reads JSON (with comments, as XMRig allows) and tells whether one object, with what it holds, has at least four keys that only miners use,
// or two beside a pool and a payout address.
// Keys that other programs share count nothing. Data longer than 1 MiB is not looked at.
func (s *Set) MinerConfig(b []byte) (MinerConfig, bool) {
	if len(b) > maxConfig || !looksJSON(b) {
		return MinerConfig{}, false
	}
	r := &jsonReader{b: b, specific: s.ioc.specific, found: map[string]bool{}}
	return r.run()
}

// looksJSON tells whether the first byte behind blanks and comments can begin a configuration.
func looksJSON(b []byte) bool {
	r := jsonReader{b: bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF"))}
	for r.i < len(r.b) {
		switch c := r.b[r.i]; c {
		case ' ', '\t', '\r', '\n':
			r.i++
		case '/':
			at := r.i
			if r.comment(); r.i == at+1 {
				return false
			}
		default:
			return c == '{' || c == '[' || c == '"'
		}
	}
	return false
}

// jsonReader walks tokens without building a tree; depth is a counter, so nesting costs nothing.
type jsonReader struct {
	b        []byte
	i        int
	specific map[string]bool
	found    map[string]bool
	cfg      MinerConfig
}

func (r *jsonReader) run() (MinerConfig, bool) {
	depth, last, lastEnd := 0, "", false
	key := ""
	for r.i < len(r.b) {
		switch c := r.b[r.i]; c {
		case '"':
			last, lastEnd = r.text(), true
			if key != "" {
				r.value(key, last)
				key = ""
			}
			continue
		case ':':
			if lastEnd {
				key = last
				r.key(key)
			}
		case '{', '[':
			depth++
			key = ""
		case '}', ']':
			depth--
			if depth <= 0 && r.done() {
				return r.result()
			}
			if depth <= 0 {
				clear(r.found)
				r.cfg, depth = MinerConfig{}, 0
			}
			key = ""
		case ',':
			key = ""
		case '/':
			r.comment()
			continue
		case ' ', '\t', '\r', '\n':
			r.i++
			continue
		}
		lastEnd = false
		r.i++
	}
	if r.done() { // a file cut short, or pools.txt without outer braces
		return r.result()
	}
	return MinerConfig{}, false
}

// done: enough keys that only miners use, or fewer of them with a pool and a payout address of valid checksum as its user.
func (r *jsonReader) done() bool {
	if len(r.found) >= minConfigKeys {
		return true
	}
	if len(r.found) < minPaidKeys || len(r.cfg.Pools) == 0 {
		return false
	}
	for _, u := range r.cfg.Users {
		login, _, _ := strings.Cut(u, ".")
		login, _, _ = strings.Cut(login, "+")
		if w, ok := ParseWallet(login); ok && w.Checked {
			return true
		}
	}
	return false
}

func (r *jsonReader) result() (MinerConfig, bool) {
	for k := range r.found {
		r.cfg.Keys = append(r.cfg.Keys, k)
	}
	sort.Strings(r.cfg.Keys)
	return r.cfg, true
}

func (r *jsonReader) key(k string) {
	if r.specific[k] {
		r.found[k] = true
	}
}

func (r *jsonReader) value(key, v string) {
	switch {
	case v == "" || len(r.cfg.Pools)+len(r.cfg.Users) >= 64:
	case key == "url" || key == "pool_address":
		r.cfg.Pools = append(r.cfg.Pools, clip(v))
	case key == "user" || key == "wallet_address":
		r.cfg.Users = append(r.cfg.Users, clip(v))
	}
}

// text reads a quoted string; escapes stay as they are, since no key of interest has any.
func (r *jsonReader) text() string {
	start := r.i + 1
	for r.i = start; r.i < len(r.b); r.i++ {
		switch r.b[r.i] {
		case '\\':
			r.i++
		case '"':
			s := string(r.b[start:min(r.i, start+4096)])
			r.i++
			return s
		}
	}
	r.i = len(r.b)
	return ""
}

func (r *jsonReader) comment() {
	r.i++
	if r.i >= len(r.b) {
		return
	}
	end := ""
	switch r.b[r.i] {
	case '/':
		end = "\n"
	case '*':
		end = "*/"
	default:
		return
	}
	if k := bytes.Index(r.b[r.i:min(len(r.b), r.i+4096)], []byte(end)); k >= 0 {
		r.i += k + len(end)
		return
	}
	r.i = min(len(r.b), r.i+4096)
}
