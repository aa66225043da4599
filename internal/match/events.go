package match

import "github.com/deminer/deminer/sigma"

// Words are an event in deminer's own words, which are the first column of Mappings. A word that is not known is left out; "" is a value.
type Words map[string]string

// EventKind is a kind of event that Sigma rules can be asked about.
type EventKind int

// The kinds, in the order of Mappings.
const (
	LinuxProcess    EventKind = iota // a program was started
	LinuxFile                        // a file was made or written
	LinuxConnection                  // a connection was made or taken
	LinuxAudit                       // a record of the Linux audit system
	LinuxLog                         // a line of a service's log
	WindowsProcess                   // a program was started on Windows
)

// Mapping says which log source an event of a kind has, and which of its words is which field of Sigma.
type Mapping struct {
	Kind   string
	Source sigma.LogSource
	Words  []Word
}

// Word is one of deminer's words, the field of the Sigma taxonomy it becomes, and what it holds.
type Word struct{ Word, Field, Holds string }

// Mappings are all kinds of events, by EventKind. The fields are those of the Sigma taxonomy 2.1 (the names of Sysmon; for audit records those of auditd). docs/sigma.md holds the same table; a test compares them.
var Mappings = [...]Mapping{
	LinuxProcess: {"start of a process, Linux", sigma.LogSource{Category: "process_creation", Product: "linux"}, []Word{
		{"exe", "Image", "program, from its root"},
		{"argv", "CommandLine", "arguments, joined by spaces"},
		{"name", "ProcessName", "base name of the program"},
		{"cwd", "CurrentDirectory", "working directory"},
		{"user", "User", "account"},
		{"pid", "ProcessId", "number of the process"},
		{"session", "LogonId", "number of the login session"},
		{"parent.exe", "ParentImage", "program of the parent"},
		{"parent.argv", "ParentCommandLine", "arguments of the parent"},
		{"parent.pid", "ParentProcessId", "number of the parent"},
		{"parent.user", "ParentUser", "account of the parent"},
	}},
	LinuxFile: {"file made or written, Linux", sigma.LogSource{Category: "file_event", Product: "linux"}, []Word{
		{"path", "TargetFilename", "file"},
		{"exe", "Image", "program that writes"},
		{"argv", "CommandLine", "its arguments"},
		{"user", "User", "its account"},
		{"pid", "ProcessId", "its number"},
	}},
	LinuxConnection: {"connection, Linux", sigma.LogSource{Category: "network_connection", Product: "linux"}, []Word{
		{"exe", "Image", "program"},
		{"argv", "CommandLine", "its arguments"},
		{"user", "User", "its account"},
		{"pid", "ProcessId", "its number"},
		{"outgoing", "Initiated", "true if this host began it, false otherwise"},
		{"protocol", "Protocol", "tcp or udp"},
		{"local.addr", "SourceIp", "own address"},
		{"local.port", "SourcePort", "own port"},
		{"remote.addr", "DestinationIp", "address of the other end"},
		{"remote.port", "DestinationPort", "port of the other end"},
		{"remote.name", "DestinationHostname", "name of the other end, if it was asked for"},
	}},
	LinuxAudit: {"audit record, Linux", sigma.LogSource{Product: "linux", Service: "auditd"}, []Word{
		{"type", "type", "kind of record: EXECVE, SYSCALL, PATH, SERVICE_STOP"},
		{"syscall", "SYSCALL", "name of the system call"},
		{"success", "success", "yes or no"},
		{"exit", "exit", "result of the call"},
		{"a0", "a0", "argument of an EXECVE or SYSCALL record; the others follow"},
		{"a1", "a1", ""}, {"a2", "a2", ""}, {"a3", "a3", ""}, {"a4", "a4", ""}, {"a5", "a5", ""}, {"a6", "a6", ""}, {"a7", "a7", ""},
		{"exe", "exe", "program"},
		{"comm", "comm", "name of the thread"},
		{"argv", "proctitle", "arguments, joined by spaces"},
		{"cwd", "cwd", "working directory"},
		{"path", "name", "file of a PATH record"},
		{"nametype", "nametype", "what became of the file: CREATE, DELETE, NORMAL, PARENT"},
		{"key", "key", "key of the audit rule"},
		{"unit", "unit", "unit of a SERVICE record"},
		{"uid", "uid", "user number"},
		{"euid", "euid", "effective user number"},
		{"auid", "auid", "user number at login"},
		{"pid", "pid", "number of the process"},
		{"ppid", "ppid", "number of the parent"},
	}},
	LinuxLog: {"line of a log, Linux", sigma.LogSource{Product: "linux"}, []Word{
		{"message", "message", "the line; keywords look into it"},
		{"program", "ProcessName", "program that wrote it"},
		{"host", "Computer", "host that wrote it"},
	}},
	WindowsProcess: {"start of a process, Windows", sigma.LogSource{Category: "process_creation", Product: "windows"}, []Word{
		{"exe", "Image", "program"},
		{"argv", "CommandLine", "command line"},
		{"cwd", "CurrentDirectory", "working directory"},
		{"user", "User", "account with its domain"},
		{"pid", "ProcessId", "number of the process"},
		{"session", "LogonId", "number of the login session"},
		{"integrity", "IntegrityLevel", "Low, Medium, High, System, or its SID"},
		{"hashes", "Hashes", "digests, as SHA256=...,MD5=..."},
		{"original", "OriginalFileName", "name within the program's version data"},
		{"description", "Description", "description within the version data"},
		{"product", "Product", "product within the version data"},
		{"company", "Company", "company within the version data"},
		{"version", "FileVersion", "version within the version data"},
		{"parent.exe", "ParentImage", "program of the parent"},
		{"parent.argv", "ParentCommandLine", "command line of the parent"},
		{"parent.pid", "ParentProcessId", "number of the parent"},
		{"parent.user", "ParentUser", "account of the parent"},
	}},
}

// Event asks the Sigma rules about one event. The word "service" of a LinuxLog names its log source: sshd, cron, auth, syslog and so on.
// Correlations are not followed: they need a stream of events.
func (s *Set) Event(kind EventKind, words Words) []Hit {
	m := &Mappings[kind]
	ev := sigma.Event{Source: m.Source, Fields: make([]sigma.Field, 0, len(words))}
	if kind == LinuxLog {
		ev.Source.Service = words["service"]
	}
	for _, w := range m.Words {
		if v, ok := words[w.Word]; ok {
			ev.Fields = append(ev.Fields, sigma.Field{Name: w.Field, Value: v})
		}
	}
	var out []Hit
	for _, r := range s.sigma.Match(&ev) {
		out = s.sigmaHits(out, r, words["argv"]+words["message"])
	}
	return out
}

// sigmaHits appends the hit of a rule.
func (s *Set) sigmaHits(out []Hit, r *sigma.Rule, excerpt string) []Hit {
	h, err := sigmaHit(r)
	if err != nil {
		return out // refused by Load
	}
	h.Excerpt = clip(excerpt)
	return append(out, h)
}
