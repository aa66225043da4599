package persist

import (
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// Cut removes exactly this line, or these whole lines, from a file. With dropEmpty the file goes too when only blank lines
// remain. In a link the lines are cut from the file it leads to, and that file stays, so that no link dangles.
func (l *Lister) Cut(name, line string, no int, dropEmpty bool) deminer.Action {
	if l.IsLink(name) {
		dropEmpty = false
		if real, err := host.Resolve(l.Host.FS, name); err == nil {
			name = real
		}
	}
	a := deminer.Action{Verb: deminer.VerbCutLine, Target: deminer.Artifact{Kind: deminer.KindLine,
		Path: deminer.Raw(name), Line: deminer.Raw(strings.Clone(line)), LineNo: no}}
	if dropEmpty {
		a.Args = map[string]deminer.Raw{"drop-empty": "yes"}
	}
	return a
}

// Edit replaces this line, or these whole lines, by others; where nothing is left of them they are cut.
func (l *Lister) Edit(name, line, by string, no int) deminer.Action {
	if strings.TrimSpace(by) == "" {
		return l.Cut(name, line, no, false)
	}
	a := l.Cut(name, line, no, false)
	a.Verb, a.Args = deminer.VerbEditLine, map[string]deminer.Raw{"new": deminer.Raw(strings.Clone(by))}
	return a
}

// drop moves a file or a link to the vault.
func drop(name string) deminer.Action {
	return deminer.Action{Verb: deminer.VerbDropFile, Target: deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(name)}}
}

// drops is drop of each.
func drops(names ...string) []deminer.Action {
	var out []deminer.Action
	for _, n := range names {
		out = append(out, drop(n))
	}
	return out
}

// reload makes systemd forget these units after their files are gone.
func reload(units ...string) deminer.Action {
	return deminer.Action{Verb: deminer.VerbReload, Target: deminer.Artifact{Kind: deminer.KindHost},
		Args: map[string]deminer.Raw{"units": deminer.Raw(strings.Join(units, " "))}}
}

// chmod sets the permission bits of a file, in octal.
func chmod(name, mode string) deminer.Action {
	return deminer.Action{Verb: deminer.VerbChmod, Target: deminer.Artifact{Kind: deminer.KindFile, Path: deminer.Raw(name)},
		Args: map[string]deminer.Raw{"mode": deminer.Raw(mode)}}
}

// setting writes a kernel setting, by its dotted name.
func setting(name, value string) deminer.Action {
	return deminer.Action{Verb: deminer.VerbSysctl, Target: deminer.Artifact{Kind: deminer.KindSetting, Name: name},
		Args: map[string]deminer.Raw{"value": deminer.Raw(value)}}
}
