package persist

import (
	"encoding/json"
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// listSupervisors lists programs that a supervisor starts again whenever they end: supervisord, monit, pm2.
func listSupervisors(l *Lister) {
	for _, name := range append([]string{"/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"}, l.Files("/etc/supervisor/conf.d", "/etc/supervisor.d", "/etc/supervisord.d", "/etc/supervisord/conf.d")...) {
		blocks(l, name, func(line string) bool { return strings.HasPrefix(line, "[") }, supervisord)
	}
	for _, name := range append([]string{"/etc/monitrc", "/etc/monit/monitrc"}, l.Files("/etc/monit.d", "/etc/monit/conf.d", "/etc/monit/conf-enabled", "/etc/monit/monitrc.d")...) {
		blocks(l, name, func(line string) bool {
			word, _, _ := strings.Cut(line, " ")
			return strings.EqualFold(word, "check") || strings.EqualFold(word, "set") || strings.EqualFold(word, "include")
		}, monit)
	}
	for _, h := range l.Homes {
		for _, n := range []string{"/.pm2/dump.pm2", "/.pm2/dump.pm2.bak"} {
			pm2(l, h.Dir+n, h.User)
		}
	}
}

// blocks cuts a file into pieces that begin with a head line and gives each to see, which fills in what runs; a piece
// that runs nothing is passed over. The recipe cuts the whole piece.
func blocks(l *Lister, name string, head func(string) bool, see func(f *deminer.Foothold, lines []Line)) {
	if !l.IsFile(name) {
		return
	}
	lines := l.Lines(name)
	main := path.Base(name) == "supervisord.conf" || path.Base(name) == "monitrc"
	for i := 0; i < len(lines); {
		end := i + 1
		for end < len(lines) && !head(strings.TrimSpace(lines[end].Text)) {
			end++
		}
		piece := lines[i:end]
		for len(piece) > 1 && blank(piece[len(piece)-1].Text) {
			piece = piece[:len(piece)-1]
		}
		f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(joined(piece)), LineNo: piece[0].No, User: "root", Trigger: "always: started again whenever it ends"}
		see(&f, piece)
		if f.Command != "" {
			f.Odd = oddLine(string(f.Line))
			f.Remove = []deminer.Action{l.Cut(name, joined(piece), piece[0].No, !main)}
			l.Add(f)
		}
		i = end
	}
}

// supervisord reads one section of supervisord's configuration.
func supervisord(f *deminer.Foothold, lines []Line) {
	head := strings.Trim(strings.TrimSpace(lines[0].Text), "[]")
	kind, name, _ := strings.Cut(head, ":")
	if kind != "program" && kind != "eventlistener" && kind != "fcgi-program" {
		return
	}
	f.Name = name
	list := parseUnit("", lines)
	text := value(list, "command")
	if dir := value(list, "directory"); strings.HasPrefix(dir, "/") {
		text = "cd " + dir + "; " + text
	}
	for e := range strings.SplitSeq(value(list, "environment"), ",") {
		if k, v, ok := assignment(strings.TrimSpace(e)); ok && loads(k) {
			text = k + "=" + v + " true; " + text
		}
	}
	f.Command = deminer.Raw(text)
	if user := value(list, "user"); user != "" {
		f.User = user
	}
	f.Disabled = strings.EqualFold(value(list, "autostart"), "false")
}

// monit reads one check of monit: the commands that start a thing or are run when a test fails.
func monit(f *deminer.Foothold, lines []Line) {
	words := strings.Fields(lines[0].Text)
	if len(words) < 3 || !strings.EqualFold(words[0], "check") {
		return
	}
	f.Name = words[2]
	var run []string
	for _, line := range lines {
		low := strings.ToLower(line.Text)
		at := strings.Index(low, "exec ")
		if i := strings.Index(low, "program"); at < 0 && i >= 0 {
			at = i
		}
		if at < 0 || blank(line.Text) {
			continue
		}
		if parts := strings.SplitN(line.Text[at:], `"`, 3); len(parts) == 3 {
			run = append(run, parts[1])
		}
	}
	if i := strings.Index(strings.ToLower(lines[0].Text), " path "); i >= 0 && strings.EqualFold(words[1], "program") {
		run = append(run, strings.Trim(strings.TrimSpace(lines[0].Text[i+6:]), `"`))
	}
	f.Command = deminer.Raw(strings.Join(run, "; "))
}

// pm2 lists the processes that pm2 brings back ("pm2 resurrect"). One process alone goes with its file.
func pm2(l *Lister, name, user string) {
	if !l.IsFile(name) {
		return
	}
	text, ok := l.Read(name)
	var list []struct {
		Name string `json:"name"`
		Exec string `json:"pm_exec_path"`
		Cwd  string `json:"pm_cwd"`
	}
	if !ok {
		return
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		l.Fail(name, err)
		return
	}
	for _, p := range list {
		f := deminer.Foothold{Path: deminer.Raw(name), Name: p.Name, User: user, Trigger: "when pm2 starts; started again whenever it ends", Command: deminer.Raw(p.Exec), Remove: noRecipe()}
		if strings.HasPrefix(p.Exec, "/") {
			f.Targets = []string{path.Clean(p.Exec)}
		}
		if len(list) == 1 {
			f.Remove = []deminer.Action{drop(name)}
		}
		l.Add(f)
	}
}

// listCI lists what build servers run by themselves: Jenkins jobs with a timer and its start scripts, scripts around
// GitLab runner's jobs, Airflow's DAGs.
func listCI(l *Lister) {
	for _, home := range []string{"/var/lib/jenkins", "/var/jenkins_home", "/var/cache/jenkins"} {
		for _, name := range l.Files(home + "/init.groovy.d") {
			l.Add(deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: "jenkins", Trigger: "when Jenkins starts", Targets: []string{name}, Odd: oddName(path.Base(name))})
		}
		for _, name := range l.Glob(home + "/jobs/*/config.xml") {
			jenkins(l, name)
		}
	}
	const runner = "/etc/gitlab-runner/config.toml"
	for _, line := range l.Lines(runner) {
		key, command, ok := strings.Cut(strings.TrimSpace(line.Text), "=")
		switch key = strings.TrimSpace(key); key {
		case "pre_clone_script", "pre_get_sources_script", "post_get_sources_script", "pre_build_script", "post_build_script":
		default:
			continue
		}
		if command = strings.Trim(strings.TrimSpace(command), `"'`); ok && command != "" {
			l.Add(deminer.Foothold{Path: runner, Line: deminer.Raw(line.Text), LineNo: line.No, Name: key, User: "gitlab-runner", Trigger: "with every job", Command: deminer.Raw(command), Odd: oddLine(line.Text)})
		}
	}
	dirs := []string{"/opt/airflow/dags", "/usr/local/airflow/dags"}
	for _, h := range l.Homes {
		dirs = append(dirs, h.Dir+"/airflow/dags")
	}
	for _, name := range l.Files(dirs...) {
		if strings.HasSuffix(name, ".py") {
			l.Add(deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: "airflow", Trigger: "on the schedule of Airflow, and whenever it is loaded", Targets: []string{name}, Odd: oddName(path.Base(name))})
		}
	}
}

// jenkins lists one job. The whole job belongs to whoever made it, so there is no recipe for a part of it.
func jenkins(l *Lister, name string) {
	text, ok := l.Read(name)
	if !ok {
		return
	}
	var run []string
	for rest := text; len(run) < 20; {
		_, after, found := strings.Cut(rest, "<command>")
		if !found {
			break
		}
		var command string
		command, rest, _ = strings.Cut(after, "</command>")
		run = append(run, strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&#xd;", "", "&amp;", "&").Replace(command))
	}
	if len(run) == 0 {
		return
	}
	f := deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(path.Dir(name)), User: "jenkins", Trigger: "when the job is built", Command: deminer.Raw(strings.Join(run, "\n")), Remove: noRecipe()}
	if _, spec, ok := strings.Cut(text, "<spec>"); ok {
		spec, _, _ = strings.Cut(spec, "</spec>")
		f.Trigger = "on the schedule " + deminer.Cut(spec, 60)
		f.Every, _ = period(strings.ReplaceAll(strings.TrimSpace(spec), "H", "0"))
	}
	l.Add(f)
}
