package persist

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host"
)

// maxDump is how much of a Redis dump is looked through; bytes.
const maxDump = 16 << 20

// listDatabase lists what can be read of the databases without asking them: who gets in without a password, a Redis that
// writes its dump where cron or sshd read, and the libraries in plugin directories that no package brought.
func listDatabase(l *Lister) {
	listLines(l, []lineRule{
		{files: []string{"/etc/postgresql/*/*/pg_hba.conf", "/var/lib/pgsql/data/pg_hba.conf", "/var/lib/pgsql/*/data/pg_hba.conf", "/var/lib/postgresql/data/pg_hba.conf"},
			match: hbaTrust, user: "postgres", trigger: "login to PostgreSQL without a password", keep: true},
		{files: redisConf(), match: redisWrites, user: "redis", trigger: "Redis saves its data", keep: true},
		{files: []string{"/etc/my.cnf", "/etc/my.cnf.d/*.cnf", "/etc/mysql/*.cnf", "/etc/mysql/*/*.cnf"}, match: bare("skip-grant-tables", "skip_grant_tables"), user: "mysql", trigger: "login to MySQL without a password", keep: true},
	})
	listFiles(l, []fileRule{
		{files: []string{"/usr/lib/mysql/plugin/*.so", "/usr/lib64/mysql/plugin/*.so", "/usr/lib/*/mariadb*/plugin/*.so", "/usr/lib64/mariadb/plugin/*.so", "/usr/local/mysql/lib/plugin/*.so"}, user: "mysql", trigger: "MySQL loads the plugin or function", unowned: true},
		{files: []string{"/usr/lib/postgresql/*/lib/*.so", "/usr/pgsql-*/lib/*.so", "/usr/lib64/pgsql/*.so"}, user: "postgres", trigger: "PostgreSQL loads the library", unowned: true},
		{files: []string{"/var/lib/redis/*.so", "/etc/redis/*.so"}, user: "redis", trigger: "Redis loads the module"},
	})
	for _, name := range l.Glob("/var/lib/redis/*.rdb", "/var/lib/valkey/*.rdb", "/var/spool/cron/*.rdb", "/data/redis/*.rdb") {
		redisDump(l, name)
	}
}

// hbaTrust matches rules of pg_hba.conf whose method asks for nothing; local sockets aside, where it is often a choice.
func hbaTrust(text string) (name, command string) {
	w := splitArgs(text)
	if len(w) >= 5 && strings.HasPrefix(w[0], "host") && (w[4] == "trust" || len(w) >= 6 && w[5] == "trust") {
		return "trust for " + w[3], ""
	}
	return "", ""
}

// redisWrites matches settings that let the dump become a cron table, a key file or a script.
func redisWrites(text string) (name, command string) {
	key, value := keyValue(text)
	switch strings.ToLower(key) {
	case "dir":
		if below(value, []string{"/var/spool/cron", "/etc", "/root", "/var/www", "/usr"}) && value != "/etc/redis" || strings.HasSuffix(value, "/.ssh") {
			return "dir", ""
		}
	case "dbfilename":
		if slices.Contains([]string{"root", "authorized_keys", "crontab"}, value) || strings.HasSuffix(value, ".php") || strings.HasSuffix(value, ".so") {
			return "dbfilename", ""
		}
	}
	return "", ""
}

// bare matches a line that is one of these words, with a value or without.
func bare(words ...string) func(string) (string, string) {
	return func(text string) (string, string) {
		key, value := keyValue(text)
		if slices.Contains(words, key) && !slices.Contains([]string{"0", "OFF", "off", "false"}, value) {
			return key, ""
		}
		return "", ""
	}
}

// redisDump lists a dump that holds cron lines or keys: the next "save" into the right directory plants them again.
func redisDump(l *Lister, name string) {
	b, err := host.ReadFile(l.Host.FS, name, maxDump)
	if err != nil {
		l.Fail(name, err)
	}
	var odd []string
	for _, mark := range []struct{ text, say string }{{"\n*/", "cron lines stand in the data"}, {"\n* * * * *", "cron lines stand in the data"}, {"\n@reboot", "cron lines stand in the data"},
		{"ssh-rsa AAAA", "login keys stand in the data"}, {"ssh-ed25519 AAAA", "login keys stand in the data"}} {
		if bytes.Contains(b, []byte(mark.text)) && !slices.Contains(odd, mark.say) {
			odd = append(odd, mark.say)
		}
	}
	if len(odd) > 0 {
		l.Add(deminer.Foothold{Path: deminer.Raw(name), Name: path.Base(name), User: "redis", Trigger: "Redis saves its data into another directory", Targets: []string{}, Odd: odd})
	}
}
