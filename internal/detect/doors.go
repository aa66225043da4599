package detect

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/deminer/deminer"
)

// door is a service that lets whoever reaches its port run code, unless its configuration says otherwise.
type door struct {
	name, port string
	programs   []string // base names of the programs that serve it; a listener of another program is not it
	argv       string   // a word its command line must hold, where the program alone (java) says little
	id         string   // catalogue id
	guarded    func(p *Pass, pr *deminer.Process) (cleared, open string)
	fix        string
}

// doors by port. A door with guarded nil has no check of its own: being reachable is worth a note.
var doors = []door{
	{"Redis", "6379", []string{"redis-server", "valkey-server", "keydb-server", "redis-check-rdb"}, "", "IA-01", redisGuard, "Set bind 127.0.0.1, protected-mode yes and requirepass in redis.conf; run it as its own user; let only the servers that need it reach port 6379."},
	{"the Docker API", "2375", []string{"dockerd", "docker-proxy"}, "", "IA-02", dockerGuard, "Take the tcp:// host out of daemon.json or dockerd's options; use the local socket or ssh, or TLS with client certificates on 2376."},
	{"the Docker API", "4243", []string{"dockerd"}, "", "IA-02", dockerGuard, "Take the tcp:// host out of daemon.json or dockerd's options."},
	{"PHP-FPM", "9000", []string{"php-fpm", "php-fpm7.4", "php-fpm8.0", "php-fpm8.1", "php-fpm8.2", "php-fpm8.3", "php-fpm8.4"}, "", "IA-10", nil, "Listen on a local socket or 127.0.0.1:9000 and set listen.allowed_clients in the pool's file."},
	{"Jenkins", "8080", []string{"java"}, "jenkins", "IA-09", jenkinsGuard, "Turn security on (Manage Jenkins, Security), allow no anonymous rights, patch it, and put it behind the firewall."},
	{"Nacos", "8848", []string{"java"}, "nacos", "IA-08", nacosGuard, "Set nacos.core.auth.enabled=true with a secret of your own, change the default password, and let only your servers reach 8848 and 9848."},
	{"an XXL-JOB executor", "9999", []string{"java"}, "xxl", "IA-08", nil, "Set xxl.job.accessToken to a secret of your own and let only the scheduler reach port 9999."},
	{"the kubelet", "10250", []string{"kubelet", "k3s", "hyperkube"}, "", "IA-03", kubeletGuard, "Set authentication.anonymous.enabled: false and authorization.mode: Webhook in the kubelet's configuration."},
	{"the kubelet's read-only port", "10255", []string{"kubelet", "k3s", "hyperkube"}, "", "IA-03", nil, "Set readOnlyPort: 0 in the kubelet's configuration."},
	{"etcd", "2379", []string{"etcd"}, "", "IA-03", nil, "Listen on 127.0.0.1 or require client certificates."},
	{"PostgreSQL", "5432", []string{"postgres", "postmaster"}, "", "IA-06", postgresGuard, "In pg_hba.conf replace trust by scram-sha-256 for every address that is not local, and let only your servers reach port 5432."},
	{"MySQL", "3306", []string{"mysqld", "mariadbd"}, "", "IA-07", mysqlGuard, "Set bind-address to an inner address and take skip-grant-tables out."},
	{"MongoDB", "27017", []string{"mongod"}, "", "IA-07", mongoGuard, "Set security.authorization: enabled and bindIp: 127.0.0.1 in mongod.conf."},
	{"memcached", "11211", []string{"memcached"}, "", "IA-07", nil, "Start it with -l 127.0.0.1 and -U 0."},
	{"Elasticsearch", "9200", []string{"java"}, "elasticsearch", "IA-07", elasticGuard, "Set xpack.security.enabled: true, or network.host: 127.0.0.1."},
	{"Hadoop YARN", "8088", []string{"java"}, "resourcemanager", "IA-08", nil, "Turn Kerberos or simple authorization on and let only your servers reach port 8088."},
	{"Jupyter", "8888", []string{"jupyter-notebook", "jupyter-lab", "jupyter-server", "python3", "python"}, "jupyter", "IA-08", jupyterGuard, "Set a password, and listen on 127.0.0.1."},
	{"the Ray dashboard", "8265", []string{"python3", "python", "raylet"}, "ray", "IA-08", nil, "Listen on 127.0.0.1; it has no login."},
	{"the Portainer agent", "9001", []string{"agent"}, "agent", "IA-02", nil, "Set AGENT_SECRET and let only the Portainer server reach port 9001."},
	{"Selenium Grid", "4444", []string{"java"}, "selenium", "IA-08", nil, "Let only your test servers reach port 4444."},
}

// openDoors speaks of services through which miners come in: reachable from everywhere and not guarded.
func openDoors(_ context.Context, p *Pass) error {
	told := map[string]bool{}
	for i := range p.Snapshot.Sockets {
		s := &p.Snapshot.Sockets[i]
		if !s.Listening() || s.Proto != "tcp" || s.Reach == "loopback" || s.Reach == "" {
			continue
		}
		for _, d := range doors {
			if port(s.Local) != d.port {
				continue
			}
			for _, o := range s.Owners {
				pr := p.memo.procs[o.PID]
				if pr != nil && d.served(pr) && !told[d.name+d.port] {
					told[d.name+d.port] = true
					p.door(d, s, pr)
				}
			}
		}
	}
	return nil
}

func (d door) served(pr *deminer.Process) bool {
	if !inList(d.programs, pr.Name()) && !inList(d.programs, pr.Comm) {
		return false
	}
	return d.argv == "" || strings.Contains(strings.ToLower(strings.Join(pr.Argv, " ")), d.argv)
}

func (p *Pass) door(d door, s *deminer.Socket, pr *deminer.Process) {
	f := deminer.Finding{
		Topic: deminer.TopicDoor, Tier: deminer.Note, Class: deminer.ByAccess, Technique: "T1190", Catalogue: d.id,
		Title:   d.name + " can be reached from outside",
		Why:     []string{fmt.Sprintf("process %d (%s) listens on %s, which the %s can reach", pr.ID.PID, q(pr.Name()), deminer.Safe(s.Local), s.Reach)},
		Subject: deminer.Artifact{Kind: deminer.KindListener, Addr: s.Local}, Also: []deminer.Artifact{process(pr)}, Fix: d.fix,
	}
	if d.guarded != nil {
		cleared, open := d.guarded(p, pr)
		switch {
		case open != "" && s.Reach == "world":
			f.Tier = deminer.Strong
			f.Title = d.name + " lets whoever reaches it in"
			f.Why = append(f.Why, open)
		case open != "":
			f.Tier = deminer.Weak
			f.Why = append(f.Why, open)
		case cleared != "":
			f.Cleared = []string{cleared}
		}
	}
	p.Report(f)
}

// setting reads "key value", "key = value" or "key: value" lines; the last one counts, as it does for the services.
func setting(text []byte, key string) string {
	out := ""
	lines(text, func(_ int, l string) {
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "#") || strings.HasPrefix(l, ";") || len(l) <= len(key) || !strings.EqualFold(l[:len(key)], key) || !strings.ContainsRune(" \t=:", rune(l[len(key)])) {
			return
		}
		out = strings.Trim(strings.TrimLeft(l[len(key):], " \t=:"), `"' `)
	})
	return out
}

// firstFile reads the first of the files that exists.
func (p *Pass) firstFile(names ...string) (string, []byte) {
	for _, n := range names {
		if path.IsAbs(n) {
			if b := p.read("open-doors", n, 1<<20); b != nil {
				return n, b
			}
		}
	}
	return "", nil
}

func redisGuard(p *Pass, pr *deminer.Process) (cleared, open string) {
	args := strings.Join(pr.Argv, " ")
	var given []string
	for _, a := range pr.Argv[min(1, len(pr.Argv)):] {
		if strings.HasSuffix(a, ".conf") {
			given = append(given, a, path.Join("/", pr.Cwd, a))
		}
	}
	name, b := p.firstFile(append(given, "/etc/redis/redis.conf", "/etc/redis.conf", "/usr/local/etc/redis.conf", "/usr/local/redis/etc/redis.conf", "/etc/valkey/valkey.conf")...)
	switch {
	case strings.Contains(args, "--requirepass") || setting(b, "requirepass") != "":
		return "it asks for a password", ""
	case strings.Contains(string(b), "\nuser default off") || setting(b, "aclfile") != "":
		return "access lists are set", ""
	case strings.Contains(args, "--protected-mode no") || setting(b, "protected-mode") == "no":
		return "", "no password is set and protected mode is off (" + q(name) + ")"
	case name == "" && !strings.Contains(args, "--"):
		return "protected mode is on by default, which answers strangers nothing", ""
	case setting(b, "bind") != "" && setting(b, "protected-mode") != "yes":
		return "", "no password is set and it is bound to an outer address (" + q(name) + ")"
	}
	return "protected mode is on, which answers strangers nothing", ""
}

func dockerGuard(p *Pass, pr *deminer.Process) (cleared, open string) {
	args := strings.Join(pr.Argv, " ")
	b := p.read("open-doors", "/etc/docker/daemon.json", 1<<20)
	if strings.Contains(args, "--tlsverify") || strings.Contains(string(b), `"tlsverify": true`) || strings.Contains(string(b), `"tlsverify":true`) {
		return "clients must show a certificate", ""
	}
	if pr.Name() == "docker-proxy" {
		return "the port belongs to a container", ""
	}
	return "", "it takes orders over plain TCP from whoever connects: whoever reaches it is root here"
}

func kubeletGuard(p *Pass, pr *deminer.Process) (cleared, open string) {
	args := strings.Join(pr.Argv, " ")
	name, b := p.firstFile("/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet.conf", "/var/lib/kubelet/config.json")
	text := string(b)
	_, after, found := strings.Cut(text, "anonymous:")
	anonymous := found && strings.HasPrefix(strings.TrimSpace(strings.ReplaceAll(after[:min(len(after), 60)], "\n", " ")), "enabled: true")
	switch {
	case strings.Contains(args, "--anonymous-auth=true") || anonymous:
		if strings.Contains(text, "AlwaysAllow") || strings.Contains(args, "AlwaysAllow") || !strings.Contains(text+args, "Webhook") {
			return "", "anonymous requests are allowed (" + q(name) + ")"
		}
	case strings.Contains(text, "mode: AlwaysAllow") || strings.Contains(args, "--authorization-mode=AlwaysAllow"):
		return "", "every request that names itself is allowed (" + q(name) + ")"
	}
	return "anonymous requests are not allowed", ""
}
