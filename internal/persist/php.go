package persist

import (
	"path"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// phpIni are the places of php.ini and its parts, as packages and panels lay them out.
func phpIni() []string {
	return []string{"/etc/php.ini", "/etc/php.d/*.ini", "/etc/php/*/*/php.ini", "/etc/php/*/*/conf.d/*.ini", "/etc/php*/php.ini", "/etc/php*/conf.d/*.ini",
		"/usr/local/etc/php/php.ini", "/usr/local/etc/php/conf.d/*.ini", "/usr/local/lib/php.ini", "/usr/local/php*/etc/php.ini", "/usr/local/php*/etc/php.d/*.ini",
		"/www/server/php/*/etc/php.ini", "/opt/*/php*/etc/php.ini", "/opt/cpanel/ea-php*/root/etc/php.ini", "/opt/cpanel/ea-php*/root/etc/php.d/*.ini",
		"/etc/opt/remi/*/php.ini", "/etc/opt/remi/*/php.d/*.ini"}
}

// listPHP lists what PHP runs before or after every page, and the extensions it loads.
func listPHP(l *Lister) {
	prepend := settings("auto_prepend_file", "auto_append_file")
	rule := lineRule{user: "the web server", trigger: "every request of a PHP page", comment: ";#", keep: true}
	rule.files, rule.match = phpIni(), func(text string) (string, string) {
		if name, value := prepend(text); name != "" {
			return name, value
		}
		name, value := settings("extension", "zend_extension", "opcache.preload", "ffi.preload")(text)
		return name, value
	}
	pools := rule
	pools.files = []string{"/etc/php/*/fpm/pool.d/*.conf", "/etc/php-fpm.d/*.conf", "/usr/local/etc/php-fpm.d/*.conf", "/usr/local/php*/etc/php-fpm.d/*.conf"}
	pools.match = func(text string) (string, string) {
		if !strings.HasPrefix(text, "php_") {
			return "", ""
		}
		return prepend(strings.NewReplacer("php_admin_value[", "", "php_value[", "", "]", " ").Replace(text))
	}
	for _, r := range []lineRule{rule, pools} {
		l.places(r.files, r.user, func(name, user string) {
			for _, line := range l.Lines(name) {
				phpLine(l, r, name, line)
			}
		})
	}
	listWebRoots(l, prepend)
}

// phpLine lists one line of a php.ini; an extension's file is looked for where PHP keeps them.
func phpLine(l *Lister, r lineRule, name string, line Line) {
	text := strings.TrimSpace(line.Text)
	if text == "" || strings.ContainsRune(r.comment, rune(text[0])) {
		return
	}
	key, value := r.match(text)
	value, _, _ = strings.Cut(value, " ;")
	value = unquote(value)
	if key == "" || value == "" || value == "none" {
		return
	}
	f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: key, User: r.user, Trigger: r.trigger,
		Command: deminer.Raw(value), Targets: []string{}, Odd: oddLine(line.Text)}
	switch {
	case strings.HasPrefix(value, "/"):
		f.Targets = []string{path.Clean(value)}
	case strings.HasSuffix(strings.ToLower(key), "extension"):
		so := strings.TrimSuffix(value, ".so") + ".so"
		f.Targets = l.firstReal(l.Glob("/usr/lib/php/*/"+escapeGlob(so), "/usr/lib64/php/modules/"+escapeGlob(so), "/usr/lib/php*/modules/"+escapeGlob(so),
			"/usr/local/lib/php/extensions/*/"+escapeGlob(so)))
	}
	l.Add(f)
}

// listWebRoots looks for .user.ini and .htaccess files that make PHP run a file before every page, or serve other files as PHP.
func listWebRoots(l *Lister, prepend func(string) (string, string)) {
	var places []place
	for _, d := range []string{"/var/www", "/srv/www", "/usr/share/nginx/html", "/www/wwwroot", "/data/www"} {
		places = append(places, place{d, 6, 20_000})
	}
	for _, h := range l.Homes {
		places = append(places, place{h.Dir + "/public_html", 5, 10_000}, place{h.Dir + "/www", 5, 10_000})
	}
	l.walk(places, func(name string, e host.Entry, _ func() (deminer.Attr, error)) {
		base := path.Base(name)
		if e.Type != deminer.Regular || base != ".user.ini" && base != ".htaccess" {
			return
		}
		for _, line := range l.Lines(name) {
			text := strings.TrimSpace(line.Text)
			w := strings.Fields(text)
			key, value := prepend(text)
			if base == ".htaccess" && len(w) >= 3 && (strings.EqualFold(w[0], "php_value") || strings.EqualFold(w[0], "php_admin_value")) {
				key, value = prepend(strings.Join(w[1:], " "))
			}
			if base == ".htaccess" && key == "" && len(w) >= 2 && strings.Contains(strings.ToLower(w[0]), "handler") && strings.Contains(strings.ToLower(w[1]), "php") {
				key, value = w[0], text
			}
			if key == "" {
				continue
			}
			f := deminer.Foothold{Path: deminer.Raw(name), Line: deminer.Raw(line.Text), LineNo: line.No, Name: key, User: "the web server",
				Trigger: "every request below " + path.Dir(name), Command: deminer.Raw(value), Targets: []string{}, Odd: oddLine(line.Text),
				Remove: []deminer.Action{l.Cut(name, line.Text, line.No, true)}}
			if key != w[0] || base == ".user.ini" {
				if !strings.HasPrefix(value, "/") {
					value = path.Join(path.Dir(name), value)
				}
				f.Targets = []string{path.Clean(value)}
			}
			l.Add(f)
		}
	})
}
