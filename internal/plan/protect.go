package plan

import (
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// guard knows what must never be touched on this host.
type guard struct {
	// others are the key fingerprints of everybody logged in; used and named are addresses, see addresses.
	others []string
	used   map[string]string
	named  map[string]bool
	host   deminer.HostInfo
	procs  map[deminer.ProcID]*deminer.Process
	// session are the key fingerprints that let the operator in.
	session  []string
	users    []string // accounts the operator logged in to
	peers    []string // addresses the operator's session comes from
	homes    []string
	keys     map[string]string   // ref of a login-key line -> fingerprint
	doors    map[string][]string // file -> fingerprints of the login keys in it
	trusted  map[string]deminer.Provenance
	accounts []deminer.Account
	// accused are the convicted processes, out the convicted accounts.
	accused map[deminer.ProcID]bool
	out     map[string]bool
	// programs are the files that run or are started by something: no directories.
	programs map[string]bool
	engine   int             // PID of Docker's daemon; 0: it does not run
	empties  map[string]bool // directories that go only if they are empty
}

func newGuard(rep *deminer.Report) *guard {
	s := &rep.Snapshot
	g := &guard{host: s.Host, procs: map[deminer.ProcID]*deminer.Process{}, keys: map[string]string{}, used: map[string]string{}, named: map[string]bool{}, doors: map[string][]string{}, trusted: map[string]deminer.Provenance{},
		programs: map[string]bool{}, empties: map[string]bool{}, accounts: s.Accounts, accused: map[deminer.ProcID]bool{}, out: map[string]bool{}}
	for i := range s.Processes {
		p := &s.Processes[i]
		g.procs[p.ID] = p
		if path.Base(p.Exe) == "dockerd" {
			g.engine = p.ID.PID
		}
		if p.Exe != "" && !p.Deleted && p.Container == "" {
			g.trusted[p.Exe], g.programs[p.Exe] = p.Own, true
		}
	}
	for _, f := range s.Footholds {
		if f.Key != "" {
			g.keys[f.Artifact().Ref()] = f.Key
			g.doors[string(f.Path)] = append(g.doors[string(f.Path)], f.Key)
		}
		for i, t := range f.Targets {
			g.programs[t] = true
			if i < len(f.TargetOwn) {
				g.trusted[t] = f.TargetOwn[i]
			}
		}
		if f.Line == "" && f.Own.State != "" {
			g.trusted[string(f.Path)] = f.Own
		}
	}
	for _, a := range s.Accounts {
		g.homes = append(g.homes, a.Home)
	}
	for _, inc := range rep.Incidents {
		for _, m := range inc.Members {
			if m.Grade == deminer.Convicted && m.Artifact.Kind == deminer.KindProcess && !byProgram(m) {
				g.accused[m.Artifact.Proc] = true
			}
			if m.Grade == deminer.Convicted && m.Artifact.Kind == deminer.KindAccount {
				g.out[m.Artifact.Name] = true
			}
			for _, a := range m.Remove {
				if a.Verb == deminer.VerbQuarantine && a.Args["only"] == "empty" {
					g.empties[string(a.Target.Path)] = true
				}
			}
		}
	}
	g.operator(s)
	g.sessions(s)
	g.addresses(rep)
	return g
}

// sessions finds the keys of everybody who is logged in by SSH now: an operator inside tmux or screen has no sshd above him,
// and a host may have other admins.
func (g *guard) sessions(s *deminer.Snapshot) {
	for _, p := range g.procs {
		parent := s.Parent(p)
		if !strings.HasPrefix(path.Base(p.Exe), "sshd") || !p.Own.Trusted() || parent == nil || !strings.HasPrefix(path.Base(parent.Exe), "sshd") {
			continue
		}
		for _, l := range s.Logins {
			if l.Kind == "login" && l.Key != "" && l.Time.Sub(p.Started).Abs() < 10*time.Second {
				g.others = append(g.others, l.Key)
			}
		}
	}
}

// addresses learns which addresses the system's own programs talk to, and which a finding names as the intruder's.
func (g *guard) addresses(rep *deminer.Report) {
	for _, sock := range rep.Snapshot.Sockets {
		ip, _ := split(sock.Remote)
		for _, id := range sock.Owners {
			if p := g.procs[id]; p != nil && p.Own.Trusted() && !g.accused[id] && ip != "" {
				g.used[ip] = deminer.Cut(p.Name(), 32)
			}
		}
	}
	for _, f := range rep.Findings {
		for _, i := range f.Indicators {
			if (f.Tier == deminer.Proof || f.Tier == deminer.Strong) && (i.Kind == "ip" || i.Kind == "pool") {
				ip, _ := split(i.Value)
				g.named[ip] = true
			}
		}
	}
}

// system are accounts that every distribution has; programs run as them or own files by them.
var system = []string{"daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data", "backup", "list", "irc", "gnats", "nobody", "_apt",
	"systemd-network", "systemd-resolve", "systemd-timesync", "messagebus", "sshd", "adm", "shutdown", "halt", "operator", "ftp", "dbus", "polkitd", "postgres", "mysql",
	"redis", "nginx", "apache", "http", "tomcat", "jenkins", "git", "mongodb", "elasticsearch", "syslog", "chrony", "rpc", "ntp", "named", "bind", "postfix", "dovecot"}

// proven reports whether a proof speaks of the member itself.
func proven(m deminer.Member) bool {
	return slices.ContainsFunc(m.Why, func(w string) bool { return strings.HasPrefix(w, "proof:") })
}

// isTable knows files of databases by name, wherever they lie.
func isTable(name string) bool {
	base := path.Base(name)
	return slices.Contains([]string{".ibd", ".frm", ".myd", ".myi", ".wt", ".sst", ".mdf", ".ldf"}, strings.ToLower(path.Ext(base))) ||
		strings.HasPrefix(base, "ibdata") || strings.HasPrefix(base, "ib_logfile") || base == "dump.rdb" || base == "appendonly.aof"
}

// operator finds the keys, accounts and addresses of the session that deminer runs in: the logins at the time when one of its
// ancestors started.
func (g *guard) operator(s *deminer.Snapshot) {
	for _, id := range s.Host.Self {
		p := g.procs[id]
		if p == nil || !strings.HasPrefix(path.Base(p.Exe), "sshd") {
			continue
		}
		for _, l := range s.Logins {
			if l.Kind == "login" && l.Time.Sub(p.Started).Abs() < 10*time.Second {
				g.session = append(g.session, l.Key)
				g.users = append(g.users, l.User)
				g.peers = append(g.peers, l.From)
			}
		}
		for _, sock := range s.Sockets {
			if slices.Contains(sock.Owners, id) {
				ip, _ := split(sock.Remote)
				g.peers = append(g.peers, ip)
			}
		}
	}
}

// refuses says why an action must not be in a plan, and what to do instead; "" if it may.
func (g *guard) refuses(a deminer.Action, m deminer.Member) (why, advice string) {
	switch a.Verb {
	case deminer.VerbFreeze, deminer.VerbKill:
		return g.process(a.Target.Proc, m)
	case deminer.VerbQuarantine, deminer.VerbDropFile:
		if g.letsIn(path.Clean(string(a.Target.Path))) {
			return "it holds the key that let you in: without it you may be locked out", "log in with another key and plan again"
		}
		return g.away(string(a.Target.Path))
	case deminer.VerbCutLine:
		if key := g.keys[a.Target.Ref()]; key != "" && slices.Contains(g.others, key) && !proven(m) {
			return "somebody is logged in with this key now, and nothing proves that it is the intruder's", "ask who it is; --also acts on it when the session has ended"
		}
		if key := g.keys[a.Target.Ref()]; key != "" && slices.Contains(g.session, key) {
			return "this key let you in: without it you may be locked out", "log in with another key and plan again"
		}
	case deminer.VerbRemoveAccount, deminer.VerbLock:
		if slices.Contains(system, a.Target.Name) {
			return "it is an account of the system, programs need it", "give it back its shell /usr/sbin/nologin, cut its keys and lock its password"
		}
		if a.Target.Name == "root" {
			return "root cannot be removed or locked", "change its password and keys"
		}
		if slices.Contains(g.users, a.Target.Name) {
			return "you are logged in to this account: without it you may be locked out", "log in to another account and plan again"
		}
	case deminer.VerbBlock:
		if a.Target.Kind == deminer.KindCgroup {
			return g.group(a.Target.Name)
		}
		return g.block(a.Target.Addr)
	case deminer.VerbStopContainer:
		if engine := string(a.Args["engine"]); engine != "" && !slices.Contains(engines, engine) {
			return "deminer does not know the engine " + deminer.Safe(engine) + "; its processes are frozen and killed as processes",
				"take the container away where it is scheduled, or it is started again"
		}
	case deminer.VerbUnload:
		return "unloading a hostile module can take the kernel down", "rebuild, or boot a clean kernel"
	}
	return "", ""
}

// engines are those that deminer can ask to stop a container.
var engines = []string{"docker", "podman", "containerd"}

// letsIn reports whether a login key in a file let the operator in.
func (g *guard) letsIn(name string) bool {
	return slices.ContainsFunc(g.doors[name], func(key string) bool { return slices.Contains(g.session, key) })
}

// databases are programs whose death loses business data.
var databases = []string{"postgres", "mysqld", "mariadbd", "mongod", "redis-server", "oracle", "clickhouse-server", "cassandra", "influxd", "etcd", "sqlservr", "memcached"}

func (g *guard) process(id deminer.ProcID, m deminer.Member) (string, string) {
	p := g.procs[id]
	switch {
	case id.PID <= 1:
		return "PID 1 must never be touched", "reboot after the clean-up if it is infected"
	case slices.Contains(g.host.Self, id):
		return "it is deminer itself or the session you work in", "run deminer from another session"
	case p == nil:
		return "it is not in the snapshot", "scan again"
	case p.Kernel:
		return "it is a true kernel thread", ""
	case p.Runtime() && byProgram(m):
		return "it runs an interpreter that others run, too, and nothing speaks against it itself", "look at what it runs; --also acts on it"
	case slices.Contains(databases, path.Base(p.Exe)) && !deminer.Temporary(p.Exe) && !strings.Contains(p.Exe, "/.") && !proven(m):
		return "it is a database by its name and place", "stop it by its own means after a backup"
	case p.Own.State != deminer.Intact && p.Own.State != deminer.Owned:
		return "", ""
	case strings.HasPrefix(path.Base(p.Exe), "sshd") && p.PPID == 1:
		return "it is the packaged SSH server", ""
	case p.Hosts():
		return "other systems run in it", "look into them one by one: what mines is one of their processes"
	case slices.Contains(databases, path.Base(p.Exe)):
		return "it is a packaged database", "stop it by its own means after a backup"
	case strings.HasPrefix(p.Exe, "/usr/lib/systemd/") || strings.HasPrefix(p.Exe, "/lib/systemd/") || path.Base(p.Exe) == "dbus-daemon":
		return "it is a part of systemd", ""
	}
	return "", ""
}

// keep are files and directories without which a host does not boot or let anybody in.
var keep = []string{"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/sudoers", "/etc/fstab", "/etc/hosts", "/etc/resolv.conf", "/etc/ssh/sshd_config",
	"/etc/crontab", "/etc/profile", "/etc/bash.bashrc", "/etc/nsswitch.conf", "/etc/pam.conf", "/etc/ld.so.conf", "/etc/ld.so.cache", "/etc/sysctl.conf", "/etc/environment",
	"/root/.ssh/authorized_keys", "/bin/sh", "/bin/bash", "/sbin/init", "/usr/sbin/sshd"}

// data are the directories of databases: nothing in them is moved unless it is the program of a convicted process.
var data = []string{"/var/lib/postgresql", "/var/lib/mysql", "/var/lib/mongodb", "/var/lib/mongo", "/var/lib/redis", "/var/lib/clickhouse", "/var/lib/cassandra", "/var/lib/etcd", "/var/lib/docker", "/var/lib/containerd"}

func (g *guard) away(name string) (string, string) {
	clean := path.Clean(name)
	switch {
	case !strings.HasPrefix(name, "/") || clean == "/" || strings.Count(clean, "/") < 2 && !g.programs[clean]:
		return "a directory at the top of the tree is never moved away", ""
	case slices.ContainsFunc(names(clean), func(n string) bool { return slices.Contains(keep, n) }) && clean != "/root/.ssh/authorized_keys":
		return "a host does not work without this file", "its bad lines are cut instead; if none is named, repair it by hand"
	case slices.Contains(g.homes, clean) && (clean == "/root" || !strings.HasPrefix(clean, "/home/")):
		return "it is the home of an account", ""
	case slices.ContainsFunc(names(clean), func(n string) bool { return g.trusted[n].Trusted() }):
		return "a package owns it unchanged", ""
	case g.interpreter(clean):
		return "it is an interpreter that processes run against which nothing speaks", "look at what they run"
	case g.holds(clean) != "" && !g.empties[clean]:
		return g.holds(clean), "name the bad files in it"
	case isTable(clean):
		return "it is a file of a database by its name", "look at it with the database's own tools"
	case slices.ContainsFunc(data, func(d string) bool { return strings.HasPrefix(clean, d+"/") }) && !g.runs(clean) && !g.idle(clean):
		return "it lies among the data of a database or of containers", "look at it yourself; deminer moves only running programs out of here"
	}
	return "", ""
}

// interpreter reports whether a file is an interpreter that runs somewhere without being accused.
func (g *guard) interpreter(name string) bool {
	for _, p := range g.procs {
		if p.Exe == name && p.Runtime() && !g.accused[p.ID] {
			return true
		}
	}
	return false
}

func (g *guard) runs(name string) bool {
	for _, p := range g.procs {
		if p.Exe == name {
			return true
		}
	}
	return false
}

func (g *guard) block(addr string) (string, string) {
	ip, port := split(addr)
	a, err := netip.ParseAddr(ip)
	switch {
	case err != nil:
		return "it is not an address", ""
	case a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast():
		return "loopback, link-local and multicast addresses are never blocked", ""
	case slices.Contains(g.peers, ip):
		return "your own session comes from this address", ""
	case port == "53":
		return "it is a name server", "look whether it is yours"
	case g.used[ip] != "" && !g.named[ip]:
		return "a program of the system talks to this address, too (" + g.used[ip] + ")", "block it on the firewall outside if it is the intruder's"
	case a.IsPrivate() && !g.named[ip]:
		return "it lies in your own network and no finding names it", "look what runs there: it may be the next victim"
	}
	return "", ""
}

// split cuts "ip:port" or "[ip6]:port" or a bare ip; port is "" for a bare one.
func split(addr string) (ip, port string) {
	if ap, err := netip.ParseAddrPort(addr); err == nil {
		return ap.Addr().Unmap().String(), strings.TrimPrefix(addr[strings.LastIndexByte(addr, ':'):], ":")
	}
	return addr, ""
}
