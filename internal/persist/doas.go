package persist

import (
	"strings"

	"github.com/deminer/deminer"
)

// listDoas lists the permit rules of doas.conf(5).
func listDoas(l *Lister) {
	for _, name := range l.Glob("/etc/doas.conf", "/etc/doas.d/*.conf", "/usr/local/etc/doas.conf") {
		for _, st := range statements(l.Lines(name), `\`) {
			w := splitArgs(st.joined)
			if len(w) < 2 || w[0] != "permit" {
				continue
			}
			f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(st.text), LineNo: st.no, Targets: []string{}, Odd: oddText(st.text)}
			for i := 1; i < len(w); i++ {
				switch {
				case w[i] == "nopass":
					f.Odd = append(f.Odd, "without a password")
				case w[i] == "keepenv" || strings.HasPrefix(w[i], "{"):
					f.Odd = append(f.Odd, "keeps the caller's environment")
				case w[i] == "as" && i+1 < len(w):
					i++
				case w[i] == "cmd" && i+1 < len(w):
					f.Command, f.Targets = deminer.Raw(w[i+1]), nil
					i++
				case w[i] == "persist" || w[i] == "nolog" || f.User != "":
				default:
					f.User = w[i]
				}
			}
			f.Name, f.Trigger = f.User, f.User+" calls doas"
			l.Add(f)
		}
	}
}
