package match

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/deminer/deminer"
)

// MaxSought is how many indicators may be looked for beside the rules.
const MaxSought = 200

// Seeking gives a Set that answers as this one does, and also knows indicators of an incident on other hosts: the SHA-256 of a file, and
// the blob of an SSH key. A content that at least two hosts told of is a proof; the word of one alone, which may be the intruder's, is a
// strong sign and convicts nothing by itself, and neither does a key: two hosts of an intruder could name the operator's. Other kinds, values that are none, and those beyond MaxSought are left out. This Set is not changed.
func (s *Set) Seeking(list []deminer.Sought) *Set {
	own := *s
	own.ioc.exact = maps.Clone(s.ioc.exact)
	hashes := maps.Clone(s.ioc.exact[KindHash])
	if hashes == nil {
		hashes = map[string]*indicator{}
	}
	own.ioc.exact[KindHash] = hashes
	own.ioc.keys = slices.Clip(s.ioc.keys)
	for i, one := range list[:min(len(list), MaxSought)] {
		in := &indicator{value: one.Value, strength: Strong, class: Mining, file: "what other hosts told", line: i + 1}
		hosts := "another host"
		if one.Hosts > 1 {
			in.strength, hosts = Proof, fmt.Sprintf("%d other hosts", one.Hosts)
		}
		switch {
		case one.Kind == "sha256" && isSum(one.Value):
			own.seeks = true
			in.kind, in.what = KindHash, "content that was convicted on "+hosts
			if _, known := hashes[one.Value]; !known {
				hashes[one.Value] = in
			}
		case one.Kind == "key" && len(one.Value) >= 68 && strings.HasPrefix(one.Value, "AAAA"): // the shortest blob: that of ed25519
			in.kind, in.class, in.strength, in.what = KindKey, Backdoor, Strong, "a key that was convicted on "+hosts
			in.whole = true
			own.ioc.keys = append(own.ioc.keys, in)
		}
	}
	return &own
}

// Seeks tells whether contents are looked for by their SHA-256, of which nothing else need be known: then every file that is read is asked
// for its digest.
func (s *Set) Seeks() bool { return s.seeks }

// isSum tells whether a text is a SHA-256 in lower case.
func isSum(text string) bool {
	return len(text) == 64 && strings.Trim(text, "0123456789abcdef") == ""
}
