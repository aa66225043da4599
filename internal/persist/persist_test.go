package persist

import (
	"flag"
	"fmt"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
	"github.com/deminer/deminer/internal/host/hosttest"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is listed into the @want sections of the fixtures")

// TestAll lists every mechanism's own fixture and compares with its @want section, one foothold a line. A mechanism
// without a fixture fails. After a deliberate change: go test -update, then read the difference.
func TestAll(t *testing.T) {
	names := map[string]bool{}
	for _, m := range All() {
		t.Run(m.Name, func(t *testing.T) {
			if names[m.Name] || m.Doc == "" || m.List == nil || m.Needs == "" || !regexp.MustCompile(`^(PL|PC|CT|WD)-\d\d$`).MatchString(m.ID) ||
				!regexp.MustCompile(`^T1\d{3}(\.\d{3})?$`).MatchString(m.Technique) || !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(m.Name) {
				t.Errorf("mechanism %+v is not complete or its name is taken", m)
			}
			names[m.Name] = true
			file := "testdata/" + m.Name + ".txtar"
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("every mechanism has a fixture: %v", err)
			}
			h, err := hosttest.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			found, gaps := Run(t.Context(), Env{Host: &h.Host, Accounts: passwd(h)}, []Mechanism{m})
			got := show(found, gaps)
			if *update {
				head, _, _ := strings.Cut(string(text), "-- @want --\n")
				if err := os.WriteFile(file, []byte(head+"-- @want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if d := cmp.Diff(h.Extra["@want"], got); d != "" {
				t.Errorf("listed (-want +got):\n%s", d)
			}
			if len(found) == 0 {
				t.Errorf("the fixture lists nothing")
			}
			recipes(t, h, found)
		})
	}
}

// passwd reads the fixture's accounts.
func passwd(h *hosttest.Host) []deminer.Account {
	b, err := host.ReadFile(h.FS, "/etc/passwd", 1<<20)
	if err != nil {
		return nil
	}
	var out []deminer.Account
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		uid, _ := strconv.ParseUint(f[2], 10, 32)
		out = append(out, deminer.Account{Name: f[0], UID: uint32(uid), Home: f[5], Shell: f[6]})
	}
	return out
}

// show writes footholds as lines: path:line, then the fields that are set, then the recipe after "=>".
func show(found []deminer.Foothold, gaps []deminer.Gap) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%s", deminer.Safe(f.Path))
		if f.LineNo > 0 {
			fmt.Fprintf(&b, ":%d", f.LineNo)
		}
		field := func(name, value string) {
			if value == "" {
				return
			}
			value = deminer.Cut(value, 200)
			if strings.Contains(value, " ") {
				value = "[" + value + "]"
			}
			fmt.Fprintf(&b, " %s=%s", name, value)
		}
		field("name", f.Name)
		field("user", f.User)
		field("when", f.Trigger)
		if f.Every > 0 {
			field("every", f.Every.String())
		}
		field("runs", string(f.Command))
		field("targets", strings.Join(f.Targets, " "))
		field("key", f.Key)
		if f.Disabled {
			b.WriteString(" DISABLED")
		}
		field("odd", strings.Join(f.Odd, "; "))
		b.WriteString(" =>")
		for _, a := range f.Remove {
			b.WriteString(" " + action(f, a))
		}
		b.WriteString("\n")
	}
	for _, g := range gaps {
		fmt.Fprintf(&b, "gap %s %s: %s\n", g.State, deminer.Safe(g.What), deminer.Safe(g.Why))
	}
	return b.String()
}

func action(f deminer.Foothold, a deminer.Action) string {
	s := string(a.Verb)
	if a.Target.Path != "" && a.Target.Path != f.Path {
		s += ":" + deminer.Safe(a.Target.Path)
	}
	if a.Target.Kind == deminer.KindLine && a.Target.Line != f.Line {
		s += "(" + deminer.Cut(a.Target.Line, 200) + ")"
	}
	if a.Target.Path == "" && a.Target.Name != "" {
		s += ":" + deminer.Safe(a.Target.Name)
	}
	for _, k := range []string{"units", "users", "new", "mode", "flags", "value", "to", "from", "engine", "if-present", "drop-empty"} {
		if v, ok := a.Args[k]; ok {
			s += "{" + k + " " + deminer.Cut(v, 200) + "}"
		}
	}
	return s
}

// recipes checks what every recipe promises: it is there, its lines are whole lines of their file, its files exist, and
// no link that led somewhere before leads nowhere after.
func recipes(t *testing.T, h *hosttest.Host, found []deminer.Foothold) {
	links := resolvable(h)
	for _, f := range found {
		if f.Remove == nil { // an empty one says that no verb can take it away
			t.Errorf("%s: no recipe", f.Artifact())
		}
		gone := map[string]bool{}
		for _, a := range f.Remove {
			name := string(a.Target.Path)
			switch a.Verb {
			case deminer.VerbCutLine, deminer.VerbEditLine:
				b, err := host.ReadFile(h.FS, name, 64<<20)
				if err != nil || a.Target.Line == "" || !strings.Contains("\n"+strings.TrimSuffix(string(b), "\n")+"\n", "\n"+string(a.Target.Line)+"\n") {
					t.Errorf("%s: %s of what are not whole lines of %q (%v)", f.Artifact(), a.Verb, name, err)
				}
				if h.FS != nil && isLink(h, name) {
					t.Errorf("%s: %s through the link %s", f.Artifact(), a.Verb, name)
				}
			case deminer.VerbDropFile:
				if !host.Exists(h.FS, name) {
					t.Errorf("%s: drop-file of %q, which does not exist", f.Artifact(), name)
				}
				gone[name] = true
			}
		}
		for link, real := range links {
			if gone[real] && !gone[link] {
				t.Errorf("%s: link %s would dangle", f.Artifact(), link)
			}
		}
	}
}

func isLink(h *hosttest.Host, name string) bool {
	a, err := h.FS.Lstat(name)
	return err == nil && a.Type == deminer.Symlink
}

// resolvable gives the links of the fixture that lead to something, and where to.
func resolvable(h *hosttest.Host) map[string]string {
	out := map[string]string{}
	host.Walk(h.FS, "/", 64, 1<<20, func(name string, e host.Entry) bool {
		if e.Type == deminer.Symlink {
			if real, err := host.Resolve(h.FS, name); err == nil && path.Dir(name) != real {
				out[name] = real
			}
		}
		return true
	}, func(string, error) {})
	return out
}
