package agent

import (
	"net/netip"
	"path"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/match"
)

// trigger says which event is worth a look, and where.
type trigger struct {
	kind   deminer.EventKind
	why    string // in words, for the alert
	when   func(*Agent, *deminer.Event) bool
	urgent bool          // it is nearly proof: looked at before all else, and in debt if need be
	delay  time.Duration // until there is something to see
	window time.Duration // of processor time, 0: short
	kernel bool          // modules, eBPF programs and mounts are looked at
	file   bool          // the file is looked at, not the process
}

// triggers is the table. Each says only where to look.
var triggers = []trigger{
	{kind: deminer.EventExec, why: "a program that is only in memory started", when: func(_ *Agent, e *deminer.Event) bool { return e.Memfd }},
	{kind: deminer.EventExec, why: "a program without a name on disk started", when: func(_ *Agent, e *deminer.Event) bool { return e.Deleted && !e.Memfd }},
	{kind: deminer.EventExec, why: "a program with the name of a known one started", when: knownName},
	{kind: deminer.EventExec, why: "a web server or a database started a shell or a downloader", when: served, delay: 300 * time.Millisecond},
	{kind: deminer.EventFlow, why: "a login to a mining pool was seen on the wire", when: stratum, urgent: true},
	{kind: deminer.EventConnect, why: "a connection to an address of a pool", when: toPool, urgent: true},
	{kind: deminer.EventAnonExec, why: "a program made memory executable", delay: 4 * time.Second, window: longWindow},
	{kind: deminer.EventFile, why: "a place where code comes back was changed", delay: 500 * time.Millisecond, file: true},
	{kind: deminer.EventFlags, why: "a file was made unchangeable", when: fixed},
	{kind: deminer.EventModule, why: "a kernel module was loaded", kernel: true},
	{kind: deminer.EventBPF, why: "an eBPF program was loaded", kernel: true, delay: 200 * time.Millisecond},
	{kind: deminer.EventMount, why: "something was mounted over /proc", kernel: true},
	{kind: deminer.EventPtrace, why: "a process is traced", when: attaches},
	{kind: deminer.EventMemWrite, why: "the memory of a process was written by another one"},
}

// servers are programs that an intruder comes in through, and carriers what he starts from them.
var (
	servers = set("nginx", "apache2", "httpd", "php-fpm", "java", "node", "redis-server", "postgres", "mysqld", "mariadbd", "mongod", "uwsgi", "gunicorn", "tomcat", "lighttpd", "caddy",
		"php-fpm7.4", "php-fpm8.2", "php-fpm8.3", "php-fpm8.4", "php-cgi", "solr", "confluence", "jenkins", "postmaster", "memcached", "grafana", "weblogic")
	carriers = set("sh", "bash", "dash", "ash", "busybox", "curl", "wget", "nc", "ncat", "socat", "python", "python3", "perl", "chmod", "nohup", "base64", "crontab")
)

func set(words ...string) map[string]bool {
	out := make(map[string]bool, len(words))
	for _, w := range words {
		out[w] = true
	}
	return out
}

// knownName: the base name is one of a miner or of a family.
func knownName(a *Agent, e *deminer.Event) bool {
	for _, h := range a.opt.Rules.ProcessName(path.Base(string(e.Exe))) {
		if h.Strength >= match.Weak && h.Rule == "ioc/"+string(match.KindProcess) {
			return true
		}
	}
	return false
}

// served: the parent is known to be a server, and what it starts is a way to bring more.
func served(a *Agent, e *deminer.Event) bool {
	return carriers[path.Base(string(e.Exe))] && servers[a.heard.program(e.Parent)]
}

// stratum: a message of a mining protocol, by either side.
func stratum(_ *Agent, e *deminer.Event) bool {
	if !mayTalk(e.Data) {
		return false
	}
	talk, ok := match.Wire([]byte(e.Data))
	return ok && (talk.Client || talk.Submit || talk.Server)
}

// mayTalk tells quickly whether the bytes can begin with JSON or with a frame of a WebSocket.
func mayTalk(b deminer.Raw) bool {
	return len(b) > 16 && (b[0] == '{' || b[0] == '[' || b[0]&0xf0 == 0x80 || b[0] == 'G' || b[0] == 'H')
}

// toPool: the address is of a list, or was the answer to the name of a pool.
func toPool(a *Agent, e *deminer.Event) bool {
	to, err := netip.ParseAddrPort(e.Remote)
	if err != nil || e.Proto != "tcp" {
		return false
	}
	if a.heard.pool(to.Addr().Unmap()) {
		return true
	}
	for _, h := range a.opt.Rules.Addr(to.Addr().Unmap(), to.Port()) {
		if h.Strength >= match.Weak {
			return true
		}
	}
	return false
}

// fixed: the flags i or a are set (FS_IMMUTABLE_FL, FS_APPEND_FL of linux/fs.h).
func fixed(_ *Agent, e *deminer.Event) bool { return e.Code&0x30 != 0 }

// attaches: PTRACE_POKETEXT, POKEDATA, SETREGS, ATTACH, SETREGSET or SEIZE of linux/ptrace.h.
func attaches(_ *Agent, e *deminer.Event) bool {
	switch e.Code {
	case 4, 5, 13, 16, 0x4205, 0x4206:
		return true
	}
	return false
}

// job makes of a trigger what is to be looked at.
func (a *Agent) job(t *trigger, e *deminer.Event) *job {
	j := &job{why: t.why, urgent: t.urgent, due: time.Now().Add(t.delay), window: t.window, kernel: t.kernel}
	if t.file {
		j.key, j.files = "file "+string(e.Path), []string{string(e.Path)}
		return j
	}
	return j.of(e)
}

// of makes the job one about the process of an event.
func (j *job) of(e *deminer.Event) *job {
	j.key = "process " + e.Proc.String()
	j.seen = []deminer.Event{*e}
	if e.Proc.PID > 0 {
		j.pids, j.procs = []int{e.Proc.PID}, []deminer.ProcID{e.Proc}
	}
	if e.Target > 0 && e.Container == "" {
		j.pids = append(j.pids, e.Target)
	}
	return j
}
