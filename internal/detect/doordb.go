package detect

import (
	"net/netip"
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// postgresGuard reads the host lines of every pg_hba.conf of the host.
func postgresGuard(p *Pass, pr *deminer.Process) (cleared, open string) {
	var files []string
	if pr.Cwd != "" {
		files = append(files, path.Join(pr.Cwd, "pg_hba.conf"))
	}
	for _, base := range []string{"/etc/postgresql", "/var/lib/pgsql", "/var/lib/postgresql"} {
		files = append(files, path.Join(base, "data/pg_hba.conf"))
		for _, v := range p.names(base) {
			files = append(files, path.Join(base, v, "main/pg_hba.conf"), path.Join(base, v, "data/pg_hba.conf"))
		}
	}
	for _, name := range files {
		b := p.read("open-doors", name, 1<<20)
		lines(b, func(no int, l string) {
			w := strings.Fields(l)
			if len(w) < 5 || strings.HasPrefix(w[0], "#") || !strings.HasPrefix(w[0], "host") || w[len(w)-1] != "trust" {
				return
			}
			if a := w[3]; a == "all" || a == "samenet" || outer(a) {
				open = "whoever connects from " + q(a) + " needs no password: " + fmtLine(name, no, l)
			}
		})
	}
	if open == "" {
		cleared = "its access file asks for passwords"
	}
	return cleared, open
}

// outer reports a prefix that reaches beyond the host itself.
func outer(s string) bool {
	n, err := netip.ParsePrefix(s)
	return err == nil && !n.Addr().IsLoopback()
}

// names lists a directory, at most 100 names.
func (p *Pass) names(dir string) []string {
	list, err := p.FS.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range list[:min(len(list), 100)] {
		out = append(out, e.Name)
	}
	return out
}

func mysqlGuard(p *Pass, pr *deminer.Process) (cleared, open string) {
	text := strings.Join(pr.Argv, "\n")
	files := []string{"/etc/my.cnf", "/etc/mysql/my.cnf", "/etc/mysql/mariadb.cnf"}
	for _, dir := range []string{"/etc/my.cnf.d", "/etc/mysql/conf.d", "/etc/mysql/mysql.conf.d", "/etc/mysql/mariadb.conf.d"} {
		for _, n := range p.names(dir) {
			files = append(files, path.Join(dir, n))
		}
	}
	for _, f := range files {
		lines(p.read("open-doors", f, 256<<10), func(_ int, l string) {
			if l = strings.ReplaceAll(strings.TrimSpace(l), "_", "-"); strings.HasPrefix(l, "skip-grant-tables") {
				text += "\n--" + l
			}
		})
	}
	if strings.Contains(text, "--skip-grant-tables") && !strings.Contains(text, "--skip-grant-tables=0") {
		return "", "it runs with skip-grant-tables: whoever connects needs no password"
	}
	return "its grant tables are on; whether the passwords are good was not tried", ""
}

func mongoGuard(p *Pass, pr *deminer.Process) (cleared, open string) {
	args := strings.Join(pr.Argv, " ")
	name, b := p.firstFile("/etc/mongod.conf", "/etc/mongodb.conf", "/usr/local/etc/mongod.conf")
	switch {
	case strings.Contains(args, "--auth") || setting(b, "authorization") == "enabled" || setting(b, "auth") == "true" || setting(b, "keyFile") != "":
		return "it asks for a login", ""
	}
	return "", "authorization is not enabled (" + q(name) + ")"
}

func elasticGuard(p *Pass, _ *deminer.Process) (cleared, open string) {
	name, b := p.firstFile("/etc/elasticsearch/elasticsearch.yml", "/usr/share/elasticsearch/config/elasticsearch.yml")
	if setting(b, "xpack.security.enabled") == "false" {
		return "", "security is switched off (" + q(name) + ")"
	}
	return "security is not switched off", ""
}

func nacosGuard(p *Pass, pr *deminer.Process) (cleared, open string) {
	home := pr.Cwd
	for _, a := range pr.Argv {
		if v, ok := strings.CutPrefix(a, "-Dnacos.home="); ok {
			home = v
		}
	}
	name, b := p.firstFile(path.Join("/", home, "conf/application.properties"), "/opt/nacos/conf/application.properties", "/usr/local/nacos/conf/application.properties")
	if name != "" && setting(b, "nacos.core.auth.enabled") != "true" {
		return "", "logins are not required (" + q(name) + ")"
	}
	if strings.Contains(setting(b, "nacos.core.auth.plugin.nacos.token.secret.key"), "SecretKey012345678901234567890123456789") {
		return "", "the token's secret is the published default (" + q(name) + ")"
	}
	return "logins are required", ""
}

func jenkinsGuard(p *Pass, _ *deminer.Process) (cleared, open string) {
	name, b := p.firstFile("/var/lib/jenkins/config.xml", "/root/.jenkins/config.xml", "/var/jenkins_home/config.xml")
	if strings.Contains(string(b), "<useSecurity>false</useSecurity>") || strings.Contains(string(b), "AuthorizationStrategy$Unsecured") {
		return "", "security is switched off (" + q(name) + ")"
	}
	return "security is not switched off", ""
}

func jupyterGuard(_ *Pass, pr *deminer.Process) (cleared, open string) {
	args := strings.Join(pr.Argv, " ")
	for _, w := range []string{"token=''", "token= ", "token=\"\"", "NotebookApp.token=", "ServerApp.token=", "IdentityProvider.token="} {
		if i := strings.Index(args+" ", w); i >= 0 && strings.Trim(strings.SplitN((args + " ")[i+len(w):], " ", 2)[0], `'"`) == "" {
			return "", "it runs without a token"
		}
	}
	return "it asks for a token by default", ""
}
