package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// composeNames are the names that compose files have.
var composeNames = []string{"docker-compose.y*ml", "docker-compose.*.y*ml", "compose.y*ml"}

// listCompose lists the services of compose files that ask to be started again, in the places people keep such files.
func listCompose(l *Lister) {
	var patterns []string
	for _, base := range composeNames {
		for _, dir := range []string{"/opt/*", "/srv/*", "/srv", "/opt", "/root/*", "/root", "/data/*", "/etc/docker/compose/*", "/tmp", "/tmp/*", "/var/tmp/*"} {
			patterns = append(patterns, dir+"/"+base)
		}
		for _, h := range l.Homes {
			patterns = append(patterns, escapeGlob(h.Dir)+"/"+base, escapeGlob(h.Dir)+"/*/"+base)
		}
	}
	for _, name := range l.firstAll(l.Glob(patterns...)) {
		if l.IsFile(name) {
			composeFile(l, name)
		}
	}
}

// composeFile finds "restart:" lines by their indentation, and the service and image above them. The same restart line
// stands below many services, so the foothold is the block from the service's name to it.
func composeFile(l *Lister, name string) {
	service, image, indent, from := "", "", 0, 0
	lines := l.Lines(name)
	for i, line := range lines {
		text := strings.TrimSpace(line.Text)
		if text == "" || text[0] == '#' {
			continue
		}
		key, value := keyValue(text)
		n := indentOf(line.Text)
		switch {
		case n == 0:
			service, indent = "", 0
		case value == "" && strings.HasSuffix(text, ":") && (indent == 0 || n <= indent):
			service, image, indent, from = key, "", n, i
		case key == "image":
			image = value
		case key == "restart" && value != "no" && value != "" && service != "":
			block := joinLines(lines, from+1, i+1)
			keep := joinLines(lines, from+1, i)
			l.Add(deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(block), LineNo: from + 1, Name: service + " of " + path.Base(path.Dir(name)),
				User: "root", Trigger: "compose starts it, restart policy " + value, Targets: []string{}, Odd: append(composeOdd(image), oddText(block)...),
				Remove: []deminer.Action{l.Edit(l.Real(name), block, keep, from+1)}})
		}
	}
}

func composeOdd(image string) []string {
	if image == "" {
		return nil
	}
	return []string{"image " + image}
}
