package match

import (
	"strings"

	"github.com/deminer/deminer/yara"
)

// textRules is what Text needs: one automaton over every literal that can mean something in a line.
type textRules struct {
	lits *yara.Literals
	what []literal
}

// literal is the meaning of one string of the automaton.
type literal struct {
	role  role
	in    *indicator
	exact bool // letter case counts
	text  string
}

type role uint8

const (
	rolePool    role = iota // host name of a list
	roleFlag                // option of a command line
	rolePattern             // literal an expression needs
	roleText                // phrase
	roleEncoded             // base64 of a flag
	roleFetch               // a word that downloads: look for cradles
	roleDecode              // a word that decodes: look for hidden layers
)

var fetchWords = [...]string{"curl", "wget", "fetch ", "/dev/tcp/", "lwp-", "aria2c", "urlopen", "urllib", "requests.get", "file_get_contents(", "LWP::", "invoke-webrequest", "downloadstring", "cd1 -", "wd1 -", "tntwget", "net/http", "socat ", "ftpget", "tftp "}

var decodeWords = [...]string{"base64", "b64decode", "frombase64", "xxd -", "\\x", "gunzip", "zcat", "gzip -", "zlib", "openssl enc", "fromhex", "unhexlify", "pack(", "base32", "rot13"}

func newTextRules(list []*indicator) (*textRules, error) {
	t := &textRules{}
	var lits []string
	add := func(s string, l literal) {
		l.text = s
		lits = append(lits, s)
		t.what = append(t.what, l)
	}
	for _, in := range list {
		switch in.kind {
		case KindDomain, KindHost:
			add(strings.ToLower(in.value), literal{role: rolePool, in: in})
		case KindFlag:
			if in.re != nil {
				add(in.attrs["needs"], literal{role: rolePattern, in: in, exact: true})
			} else {
				add(in.value, literal{role: roleFlag, in: in, exact: true})
			}
		case KindText:
			add(in.value, literal{role: roleText, in: in, exact: true})
		case KindEncoded:
			add(in.value, literal{role: roleEncoded, in: in, exact: true})
		}
	}
	for _, w := range fetchWords {
		add(w, literal{role: roleFetch})
	}
	for _, w := range decodeWords {
		add(w, literal{role: roleDecode})
	}
	var err error
	t.lits, err = yara.NewLiterals(lits, true)
	return t, err
}
