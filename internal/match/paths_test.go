package match

import (
	"path"
	"strings"
	"testing"
)

// dirOf gives the directory of a name as PathsIn takes it.
func dirOf(name string) string { return name[:strings.LastIndexByte(name, '/')+1] }

// TestPathsIn asks PathsIn for the directory of a name made of each shipped pattern, and for directories that no rule speaks of.
func TestPathsIn(t *testing.T) {
	s := shipped(t)
	homes := []string{"/root", "/home/anna"}
	var all []string
	for name := range s.ioc.paths.plain {
		all = append(all, name)
	}
	globs := s.ioc.paths.other
	for _, list := range s.ioc.paths.below {
		globs = append(globs[:len(globs):len(globs)], list...)
	}
	for _, g := range globs {
		name := strings.NewReplacer("[0-9]", "7", "[1-5]", "1", "[!p]", "x", "**", "a/b", "*", "x", "?", "x").Replace(strings.Join(g.elem, "/"))
		if g.home {
			name = "/home/anna/" + name
		}
		if g.dir {
			name += "/below/that"
		}
		all = append(all, name)
	}
	tried := 0
	for _, name := range all {
		for _, one := range []string{name, "/var/lib/docker/overlay2/0a1b/diff" + name} {
			if len(s.Path(one, homes)) == 0 {
				continue
			}
			tried++
			if !s.PathsIn(dirOf(one), homes) {
				t.Errorf("a rule speaks of %q, but PathsIn(%q) is false", one, dirOf(one))
			}
		}
	}
	if tried < 300 {
		t.Errorf("only %d names were tried", tried)
	}
	for _, dir := range []string{"/usr/share/zoneinfo/", "/root/go/pkg/mod/golang.org/x/sys/unix/", "/home/anna/work/", "/var/lib/dpkg/info/", "/srv/www/"} {
		if s.PathsIn(dir, homes) {
			t.Errorf("PathsIn(%q), but no rule speaks of names there", dir)
		}
	}
}

// TestRootGlobs: a pattern whose first element is a wildcard speaks of every directory.
func TestRootGlobs(t *testing.T) {
	for pattern, names := range map[string][2]string{
		"/**/minerd-x":  {"/opt/a/minerd-x", "/opt/a/minerd-y"},
		"/*/minerd-x":   {"/opt/minerd-x", "/opt/a/minerd-x"},
		"/minerd-*":     {"/minerd-x", "/opt/minerd-x"},
		"/op*/minerd-x": {"/opt/minerd-x", "/usr/minerd-x"},
	} {
		list, errs := parseList("f", "#! type=path\tstrength=strong\tclass=mining\twhat=x\n"+pattern+"\n")
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		s := &Set{ioc: newIndex(list)}
		if len(s.Path(names[0], nil)) == 0 || !s.PathsIn(dirOf(names[0]), nil) {
			t.Errorf("%s does not speak of %s", pattern, names[0])
		}
		if len(s.Path(names[1], nil)) > 0 {
			t.Errorf("%s speaks of %s", pattern, names[1])
		}
	}
}

func FuzzPathsIn(f *testing.F) {
	f.Add("/tmp/.X*-unix/.rsync/", "/tmp/.X1-unix/.rsync/a/b")
	f.Add("~/**/xmrig", "/home/anna/a/b/xmrig")
	f.Add("/**/x", "/var/lib/docker/overlay2/0/diff/x")
	f.Add("C:\\a\\*", "c:/a/b")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		list, _ := parseList("f", "#! type=path\n"+pattern+"\n")
		s := &Set{ioc: newIndex(list)}
		homes := []string{"/root", "/home/anna"}
		if name = path.Clean("/" + name); name != "/" && len(s.Path(name, homes)) > 0 && !s.PathsIn(dirOf(name), homes) {
			t.Errorf("%q speaks of %q, but PathsIn is false", pattern, name)
		}
	})
}
