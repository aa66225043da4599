package persist

import (
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// listGit lists the hooks of repositories that lie where people and services keep them, and the settings of git that run
// something (githooks(5), git-config(1)).
func listGit(l *Lister) {
	for _, name := range l.Glob("/etc/gitconfig", "/usr/local/etc/gitconfig") {
		gitConfig(l, name, "every user")
	}
	l.InHomes(func(h Home, name string) { gitConfig(l, name, h.User) }, ".gitconfig", ".config/git/config")
	for _, dir := range []string{"/usr/share/git-core/templates/hooks", "/usr/local/share/git-core/templates/hooks"} {
		gitHooks(l, dir, "every user", "hooks copied into every new repository")
	}
	if !l.searches() {
		return
	}
	for _, repo := range repositories(l) {
		user := ownerOf(l, repo)
		gitConfig(l, repo+"/config", user)
		gitHooks(l, repo+"/hooks", user, "somebody uses git in "+strings.TrimSuffix(repo, "/.git"))
	}
}

func gitHooks(l *Lister, dir, user, trigger string) {
	if !l.IsDir(dir) {
		return
	}
	listFiles(l, []fileRule{{files: []string{escapeGlob(dir) + "/*"}, user: user, trigger: trigger, exec: true, script: true,
		except: func(base string) bool {
			return strings.HasSuffix(base, ".sample") || base == "README" || strings.HasSuffix(base, ".md")
		}}})
}

// repositories are the git directories in the usual places, at most four levels down.
func repositories(l *Lister) []string {
	var out, cut []string
	places := []string{"/etc", "/srv", "/opt", "/var/www", "/var/lib/git", "/usr/local/src"}
	for _, h := range l.Homes {
		places = append(places, h.Dir)
	}
	for _, dir := range places {
		root, err := l.resolve(dir)
		if err != nil || !l.IsDir(root) || root == "/" {
			continue
		}
		full := host.Walk(l.Host.FS, root, 4, 5000, func(name string, e host.Entry) bool {
			if e.Type != deminer.Directory || l.ctx.Err() != nil {
				return false
			}
			if (e.Name == ".git" || strings.HasSuffix(e.Name, ".git")) && l.IsFile(name+"/HEAD") {
				if !slices.Contains(out, name) {
					out = append(out, name)
				}
				return false
			}
			return e.Name != "node_modules" && e.Name != ".cache"
		}, l.Fail)
		if !full {
			cut = append(cut, dir)
		}
	}
	if len(cut) > 0 {
		l.gap(deminer.Partial, strings.Join(cut[:min(len(cut), 20)], ", "), "looked for repositories at most 4 levels and 5000 names deep")
	}
	return out
}

// gitConfig lists the settings of one configuration file that run a command.
func gitConfig(l *Lister, name, user string) {
	if !l.IsFile(name) {
		return
	}
	section := ""
	for _, st := range statements(l.Lines(name), `\`) {
		text := strings.TrimSpace(st.joined)
		if text == "" || text[0] == '#' || text[0] == ';' {
			continue
		}
		if text[0] == '[' {
			head, rest, _ := strings.Cut(text[1:], "]")
			section = strings.ToLower(strings.Fields(head + " x")[0])
			if text = strings.TrimSpace(rest); text == "" {
				continue
			}
		}
		key, value, _ := strings.Cut(text, "=")
		key, value = strings.ToLower(strings.TrimSpace(key)), unquote(value)
		if !gitRuns(section, key, value) {
			continue
		}
		command := strings.TrimPrefix(value, "!")
		f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(st.text), LineNo: st.no, Name: section + "." + key, User: user,
			Trigger: "somebody uses git", Command: deminer.Raw(command), Odd: oddText(st.text)}
		if key == "hookspath" || key == "path" || key == "attributesfile" || key == "templatedir" {
			f.Targets = []string{}
			if strings.HasPrefix(value, "/") {
				f.Targets = []string{path.Clean(value)}
			}
		}
		l.Add(f)
	}
}

// gitRuns reports whether a setting makes git run or read something of the value's choice.
func gitRuns(section, key, value string) bool {
	if value == "" || value == "false" || value == "true" {
		return false
	}
	switch section + "." + key {
	case "core.pager", "core.editor", "core.fsmonitor", "core.hookspath", "core.sshcommand", "core.askpass", "core.gitproxy", "core.alternaterefscommand",
		"sequence.editor", "diff.external", "gpg.program", "init.templatedir", "credential.helper", "uploadpack.packobjectshook", "include.path",
		"interactive.difffilter", "web.browser", "receive.procreceiverefs":
		return !slices.Contains([]string{"less", "vim", "vi", "nano", "cat", "delta", "store", "cache"}, value)
	}
	switch section {
	case "alias":
		return strings.HasPrefix(value, "!")
	case "pager":
		return true
	case "filter":
		return key == "clean" || key == "smudge" || key == "process"
	case "difftool", "mergetool", "merge", "diff":
		return key == "cmd" || key == "driver" || key == "textconv" || key == "command"
	case "includeif":
		return key == "path"
	case "gpg":
		return key == "program"
	}
	return false
}
