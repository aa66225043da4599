package match

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/deminer/deminer/yara"
)

// maxScript is the greatest size in bytes of a text file that is read as a script.
const maxScript = 1 << 20

// File looks at the content of a file: YARA rules over all of it; up to 1 MiB also miner configurations, Stratum messages and, when it is text, everything Text finds.
// r need not end at size: a file that shrank is looked at as far as it goes. An error is returned with the hits found before it.
// A file that reads like a rule file or a blocklist describes mining and does not mine: its hits are lowered to Info and say so.
func (s *Set) File(ctx context.Context, r io.ReaderAt, size int64) ([]Hit, error) {
	if size > maxScript {
		res, err := s.yara.ScanReader(ctx, r, size, yara.ScanOptions{})
		return ofFile(yaraHits(res.Matches)), scanFault(err)
	}
	buf := scripts.Get().(*[maxScript]byte)
	defer scripts.Put(buf)
	n, err := r.ReadAt(buf[:size], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read content: %w", err)
	}
	b := buf[:n]
	res, err := s.yara.Scan(ctx, b, yara.ScanOptions{})
	out := ofFile(yaraHits(res.Matches))
	if err != nil {
		return out, scanFault(err)
	}
	out = append(out, s.content(b)...)
	if len(out) > 0 && describes(b) {
		for i := range out {
			out[i].Strength = Info
			out[i].Meta["cleared"] = "the file reads like detection rules or a blocklist"
		}
	}
	return out, nil
}

// scripts holds room for files of the size up to which all is looked at, so that a tree of small files costs no memory of its own. What
// nobody uses for a while is given back. Nothing in a Hit points into it.
var scripts = sync.Pool{New: func() any { return new([maxScript]byte) }}

func scanFault(err error) error {
	if err != nil {
		return fmt.Errorf("scan content: %w", err)
	}
	return nil
}

// Memory looks at bytes of a process: YARA rules and Stratum messages of both directions.
// Memory of security scanners holds every indicator; the caller knows the owner.
func (s *Set) Memory(ctx context.Context, b []byte) []Hit {
	res, err := s.yara.Scan(ctx, b, yara.ScanOptions{})
	var out []Hit
	if err == nil {
		out = yaraHits(res.Matches)
	}
	if h, ok := stratumHit(b); ok {
		out = append(out, h)
	}
	return out
}

// ofFile lowers the YARA hits of a file that carries the strings of at least four rules of three classes to Weak: no single malware is all of that,
// but security scanners, rule caches and this program are. Other evidence about the file is not touched.
func ofFile(list []Hit) []Hit {
	rules, classes := map[string]bool{}, map[Class]bool{}
	for _, h := range list {
		if h.Strength >= Strong {
			rules[h.Rule], classes[h.Class] = true, true
		}
	}
	if len(rules) < 4 || len(classes) < 3 {
		return list
	}
	for i := range list {
		list[i].Strength = min(list[i].Strength, Weak)
		list[i].Meta["cleared"] = "the file carries the strings of many unrelated families, as scanners and rule sets do"
	}
	return list
}

// content looks at a whole small file.
func (s *Set) content(b []byte) []Hit {
	var out []Hit
	if cfg, ok := s.MinerConfig(b); ok {
		out = append(out, configHit(cfg, b))
	}
	if h, ok := stratumHit(b); ok {
		out = append(out, h)
	}
	if isText(b) {
		out = append(out, s.textOf(b)...)
	}
	return out
}

func stratumHit(b []byte) (Hit, bool) {
	e, ok := Stratum(b)
	if !ok {
		return Hit{}, false
	}
	h := Hit{Rule: "stratum/" + string(e.Dialect), Strength: Weak, Class: Mining, What: "a message of a mining protocol", Offset: -1, Excerpt: e.Excerpt,
		Meta: map[string]string{"login": clip(e.Login), "agent": clip(e.Agent), "pool": clip(e.Pool)}}
	switch {
	case e.Proven():
		h.Strength, h.What = Proof, "both sides of a mining conversation: a login and the work that was given for it"
	case e.Client || e.Submit:
		h.Strength, h.What = Strong, "the client side of a mining conversation"
	}
	return h, true
}

func configHit(cfg MinerConfig, b []byte) Hit {
	h := Hit{Rule: "config/miner", Strength: Strong, Class: Mining, What: "configuration of a mining program (" + strings.Join(cfg.Keys[:min(4, len(cfg.Keys))], ", ") + ")", Offset: 0,
		Excerpt: clip(string(b)), Meta: map[string]string{"keys": clip(strings.Join(cfg.Keys, " "))}}
	if len(cfg.Pools) > 0 {
		h.Meta["pool"] = cfg.Pools[0]
	}
	for _, u := range cfg.Users {
		login, _, _ := strings.Cut(u, ".")
		login, _, _ = strings.Cut(login, "+")
		if w, ok := ParseWallet(login); ok {
			h.Meta["wallet"], h.Meta["coin"] = w.Address, w.Coin
			if w.Checked {
				h.Strength = Proof
				break
			}
		}
	}
	return h
}

func isText(b []byte) bool {
	head := b[:min(len(b), 1024)]
	if len(head) == 0 || bytes.IndexByte(head, 0) >= 0 || bytes.HasPrefix(head, []byte("\x7fELF")) {
		return false
	}
	bad := 0
	for _, c := range head {
		if c < 0x20 && c != '\n' && c != '\t' && c != '\r' && c != 0x1B && c != '\f' {
			bad++
		}
	}
	return bad*20 <= len(head)
}

// describes tells rule files (YARA, Sigma, Suricata) and blocklists by their form. It lowers hits, never hides them.
func describes(b []byte) bool {
	if !isText(b) || bytes.HasPrefix(b, []byte("#!")) || bytes.HasPrefix(b, []byte("<?")) {
		return false
	}
	has := func(words ...string) bool {
		for _, w := range words {
			if !bytes.Contains(b, []byte(w)) {
				return false
			}
		}
		return true
	}
	if has("rule ", "condition:", "strings:") || has("logsource:", "detection:", "condition:") || has("alert ", "msg:\"", "sid:") {
		return true
	}
	nulled, lines := 0, 0
	for _, l := range bytes.SplitN(b, []byte("\n"), 2000) {
		if f := bytes.Fields(l); len(f) > 0 && f[0][0] != '#' {
			lines++
			if first := string(f[0]); first == "0.0.0.0" || first == "127.0.0.1" || first == "::" || first == "::1" || strings.HasPrefix(first, "||") || strings.HasPrefix(first, "address=/") {
				nulled++
			}
		}
	}
	return lines >= 5 && nulled*10 >= lines*9
}

func yaraHits(list []yara.Match) []Hit {
	var out []Hit
	for _, m := range list {
		h, err := yaraHit(m.Rule, m.Meta)
		if err != nil {
			continue // refused by Load
		}
		if len(m.Tags) > 0 {
			h.Meta["tags"] = strings.Join(m.Tags, " ")
		}
		h.From, _ = Origin(m.File)
		h.More = len(m.Strings) > maxPlaces
		var ids []string
		for i, sm := range m.Strings {
			if i < maxPlaces {
				h.Places = append(h.Places, Place{sm.ID, sm.Offset, sm.Length, string(sm.Excerpt[:min(len(sm.Excerpt), maxPlace)])})
			}
			if i == 0 {
				h.Offset, h.Excerpt = sm.Offset, clip(string(sm.Excerpt))
			}
			if len(ids) < 16 && (len(ids) == 0 || ids[len(ids)-1] != sm.ID) {
				ids = append(ids, sm.ID)
			}
		}
		h.Meta["strings"] = strings.Join(ids, " ")
		out = append(out, h)
	}
	return out
}
