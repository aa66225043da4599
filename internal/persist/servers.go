package persist

import "strings"

// listServerModules lists the modules and commands that web, database and cache servers load or run by their configuration.
func listServerModules(l *Lister) {
	listLines(l, []lineRule{
		{files: []string{"/etc/apache2/*.conf", "/etc/apache2/*enabled/*", "/etc/httpd/conf/*.conf", "/etc/httpd/conf.d/*.conf", "/etc/httpd/conf.modules.d/*.conf",
			"/usr/local/apache*/conf/*.conf", "/etc/apache2/conf.d/*.conf"},
			match: apacheLine, user: "root", trigger: "start of Apache", keep: true},
		{files: []string{"/etc/nginx/*.conf", "/etc/nginx/*/*", "/usr/share/nginx/modules/*.conf", "/usr/local/nginx/conf/*.conf", "/www/server/nginx/conf/*.conf"},
			match: settings("load_module", "perl_modules", "perl_require", "init_by_lua_file", "access_by_lua_file", "content_by_lua_file", "js_import"),
			user:  "root", trigger: "start of nginx", keep: true},
		{files: []string{"/etc/postgresql/*/*/*.conf", "/etc/postgresql/*/*/conf.d/*.conf", "/var/lib/postgresql/*/*/postgresql*.conf", "/var/lib/pgsql/data/postgresql*.conf",
			"/var/lib/pgsql/*/data/postgresql*.conf", "/var/lib/postgresql/data/postgresql*.conf"},
			match: notEmpty(settings("shared_preload_libraries", "session_preload_libraries", "local_preload_libraries", "archive_command", "archive_library", "restore_command",
				"archive_cleanup_command", "recovery_end_command", "ssl_passphrase_command", "dynamic_library_path")), user: "postgres", trigger: "start of PostgreSQL", keep: true},
		{files: []string{"/etc/my.cnf", "/etc/my.cnf.d/*.cnf", "/etc/mysql/*.cnf", "/etc/mysql/*/*.cnf", "/usr/local/mysql/my.cnf", "~/.my.cnf"},
			match: notEmpty(settings("plugin_load", "plugin-load", "plugin_load_add", "plugin-load-add", "early-plugin-load", "init_file", "init-file", "init_connect", "init-connect",
				"malloc-lib", "malloc_lib", "pager", "plugin_dir", "plugin-dir")), user: "mysql", trigger: "start of MySQL", keep: true},
		{files: redisConf(), match: settings("loadmodule", "loadmodule-ex", "notification-script", "client-reconfig-script"), user: "redis", trigger: "start of Redis", keep: true},
		{files: []string{"/etc/memcached.conf", "/etc/haproxy/haproxy.cfg"}, match: settings("external-check", "lua-load", "lua-load-per-thread"), user: "root", trigger: "start of the server", keep: true},
	})
}

func redisConf() []string {
	return []string{"/etc/redis.conf", "/etc/redis/*.conf", "/etc/redis-*.conf", "/etc/valkey/*.conf", "/usr/local/etc/redis.conf", "/usr/local/redis/*.conf", "/usr/local/redis/etc/*.conf", "/opt/redis*/*.conf"}
}

// apacheLine matches LoadModule and the logs that are piped into a program.
func apacheLine(text string) (name, command string) {
	w := splitArgs(text)
	if len(w) < 2 {
		return "", ""
	}
	switch strings.ToLower(w[0]) {
	case "loadmodule":
		if len(w) < 3 {
			return "", ""
		}
		return w[1], w[2]
	case "loadfile":
		return w[0], w[1]
	case "customlog", "errorlog", "transferlog", "globallog":
		if p := strings.TrimLeft(strings.TrimPrefix(w[1], "|"), "|$ "); p != w[1] {
			return w[0], p
		}
	}
	return "", ""
}

// notEmpty drops values that say "nothing", and comments after the value.
func notEmpty(match func(string) (string, string)) func(string) (string, string) {
	return func(text string) (string, string) {
		name, value := match(text)
		value, _, _ = strings.Cut(value, " #")
		value, _, _ = strings.Cut(value, "\t#")
		value = unquote(value)
		if value == "" {
			return "", ""
		}
		return name, value
	}
}
