package deminer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"
)

// Verb is one of the things deminer can do to a host. The list is closed: what is not here cannot be done, whoever asks.
type Verb string

// The verbs. The comment names the target and the arguments (Action.Args).
const (
	VerbFreeze        Verb = "freeze"           // process: stop it without killing it; args "same-program"="yes", "after", "spare": see internal/remedy/twins.go; undo thaws
	VerbBlock         Verb = "block"            // address: drop egress to "ip" or "ip:port"; args "for" (duration, default 24h), "keep"="yes": written down, so that deminer block reapply blocks again after a reboot, "from"="yes": drop instead what comes from it ("ip", or "ip/64" for IPv6); cgroup: drop all that its processes send, args "for", "members" (those it may hold, "pid@start" words, with their descendants), "if-possible"="yes"
	VerbCutLine       Verb = "cut-line"         // line: remove these whole lines, nothing else; args "drop-empty"="yes": remove the file if nothing but blank lines remains, "if-present"="yes"
	VerbEditLine      Verb = "edit-line"        // line: replace Line by args "new" (whole line or lines)
	VerbDropFile      Verb = "drop-file"        // file: move a foothold's file or link to the vault
	VerbMaskUnit      Verb = "mask-unit"        // unit: link to /dev/null so that nothing can start it
	VerbReload        Verb = "reload"           // host: systemd daemon-reload and reset-failed of args "units" (space separated), "users"="yes": of the managers of users, too; undo reloads again at the end
	VerbClearFlag     Verb = "clear-flag"       // file: clear inode flags args "flags" ("i", "a", "ia")
	VerbChmod         Verb = "chmod"            // file: set mode args "mode" (octal)
	VerbRename        Verb = "rename"           // file: move back to args "to"; refuses to overwrite
	VerbCopyFile      Verb = "copy-file"        // file: replace content by that of args "from" on the same host, keeping owner and mode
	VerbRestore       Verb = "restore-packaged" // file: replace content by the packaged one of args "package", "version"
	VerbLock          Verb = "lock-account"     // account: shadow "!" prefix, expired, nologin shell
	VerbRemoveAccount Verb = "remove-account"   // account: cut its lines from passwd, shadow, group, gshadow, subuid, subgid
	VerbUnmount       Verb = "unmount"          // mount: detach a cover over /proc/PID
	VerbSysctl        Verb = "set-sysctl"       // setting: write args "value" to Name (dotted)
	VerbStopContainer Verb = "stop-container"   // container: clear its restart policy, pause, stop; args "engine"
	VerbKill          Verb = "kill"             // process: SIGKILL by pidfd, with its descendants; args as freeze, "again"="yes": by then it is dead, what runs its program is meant; cannot be undone
	VerbQuarantine    Verb = "quarantine"       // file: move to the vault
	VerbUnload        Verb = "unload-module"    // module: never planned automatically
	VerbWriteFile     Verb = "write-file"       // file: hold args "text", or the content of args "from" (whose SHA-256 must be args "sha256"); owner root, args "mode" (octal, default 0644); what stood there is kept
	VerbMakeDir       Verb = "make-dir"         // file: make a directory, mode 0755, owner root, where nothing is; undo removes it if it is empty
	VerbMakeLink      Verb = "make-link"        // file: make a symbolic link to args "to" where nothing is
	VerbStartUnit     Verb = "start-unit"       // unit: start it and wait until it is up; undo stops it
	VerbRestartUnit   Verb = "restart-unit"     // unit: let systemd read its files again, and restart the unit if it runs; undo does so again, at the end
)

// Phase orders steps: each makes the next one stick.
type Phase string

// The phases, in order.
const (
	PhaseFreeze     Phase = "freeze"
	PhaseBlock      Phase = "block"
	PhaseUproot     Phase = "uproot"
	PhaseKill       Phase = "kill"
	PhaseQuarantine Phase = "quarantine"
	PhaseRepair     Phase = "repair"
	PhaseVerify     Phase = "verify"
)

// Phases lists the phases in order.
func Phases() []Phase {
	return []Phase{PhaseFreeze, PhaseBlock, PhaseUproot, PhaseKill, PhaseQuarantine, PhaseRepair, PhaseVerify}
}

// Action is one verb on one target.
type Action struct {
	Verb   Verb           `json:"verb"`
	Target Artifact       `json:"target"`
	Args   map[string]Raw `json:"args,omitempty"`
	// Phase overrides the verb's usual phase; "" keeps it.
	Phase Phase `json:"phase,omitempty"`
}

// Step is an action in a plan.
type Step struct {
	ID     string   `json:"id"`            // "s01" ... in running order
	For    []string `json:"for,omitempty"` // refs of the members of an incident that it takes away: what --skip names
	Phase  Phase    `json:"phase"`
	Action Action   `json:"action"`
	After  []string `json:"after,omitempty"` // steps that must have ended well
	Why    []string `json:"why"`
	Risk   string   `json:"risk,omitempty"`
	Undo   bool     `json:"undo"`
	NoUndo string   `json:"no_undo,omitempty"` // why it cannot be undone
	// Expect re-identifies the target at the moment of action; a difference means ErrChanged.
	Expect Expect `json:"expect,omitzero"`
}

// Expect is what a target must still be when its step runs. Empty fields are not checked.
type Expect struct {
	SHA256 string `json:"sha256,omitempty"`
	Exe    string `json:"exe,omitempty"`
	Dev    uint64 `json:"dev,omitempty"`
	Ino    uint64 `json:"ino,omitempty"`
	Size   int64  `json:"size,omitempty"`   // bytes of a program that is looked for by its content
	MntNS  uint64 `json:"mnt_ns,omitempty"` // mount namespace in which a program that is looked for has its name
	Link   Raw    `json:"link,omitempty"`   // target of a symbolic link
}

// Refusal is something a plan would have needed but must not touch, or cannot.
type Refusal struct {
	Artifact Artifact `json:"artifact"`
	For      string   `json:"for,omitempty"` // ref of the member of an incident that it belongs to
	Why      string   `json:"why"`
	Advice   string   `json:"advice,omitempty"`
}

// Plan is the graph of steps that would end the incidents of a report on one host.
type Plan struct {
	ID        string        `json:"id"`
	Version   string        `json:"version"` // of this schema: "1"
	Host      HostInfo      `json:"host"`
	Made      time.Time     `json:"made"`
	Incidents []string      `json:"incidents"`
	Steps     []Step        `json:"steps"`
	Refused   []Refusal     `json:"refused,omitempty"`
	Advice    []string      `json:"advice,omitempty"` // what only a person can do, most important first
	Watch     time.Duration `json:"watch"`            // longest trigger period found; verify watches at least this long
	// Purpose says what a plan is for that ends no incident: "" is a clean-up, and what undo and verify take without a name.
	Purpose Purpose `json:"purpose,omitempty"`
}

// Purpose is what a plan is for.
type Purpose string

// The purposes.
const (
	ForCleanup Purpose = ""        // it ends incidents
	ForService Purpose = "service" // it installs or renews the agent
	ForBan     Purpose = "ban"     // it blocks those who guess passwords, for a time
	ForBlock   Purpose = "block"   // it blocks what a person named
	ForGuard   Purpose = "guard"   // it takes away again what came back after a clean-up
)

// Digest names the plan's content: what an approval approves. ID and Made count too, so every plan has its own. It is the
// same before and after a way through a file.
func (p Plan) Digest() string {
	// Written and read once: text that is not UTF-8 is replaced on the way, and must count as what it becomes.
	b, err := json.Marshal(p)
	if err == nil {
		var again Plan
		if err = json.Unmarshal(b, &again); err == nil {
			b, err = json.Marshal(again)
		}
	}
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// RecordState is where a step stands in the journal.
type RecordState string

// The states. "ready" is on disk before the change is made.
const (
	StateBegin   RecordState = "begin" // a run begins; carries the plan
	StateReady   RecordState = "ready"
	StateDone    RecordState = "done"
	StateFailed  RecordState = "failed"
	StateSkipped RecordState = "skipped"
	StateUndoing RecordState = "undoing" // an undo of this step begins
	StateUndone  RecordState = "undone"
	StateEnd     RecordState = "end"
)

// Record is one line of the journal.
type Record struct {
	Seq   int             `json:"seq"`
	Time  time.Time       `json:"time"`
	Plan  string          `json:"plan"`
	Step  string          `json:"step,omitempty"`
	State RecordState     `json:"state"`
	Undo  json.RawMessage `json:"undo,omitempty"` // what the verb needs to take it back
	Note  string          `json:"note,omitempty"` // error or remark, safe text
	Body  *Plan           `json:"body,omitempty"` // with StateBegin
}

// The errors a caller acts on.
var (
	// ErrChanged: the target is not what was planned for; plan again.
	ErrChanged = errors.New("target changed since it was planned")
	// ErrIrreversible: there is no way back from this step.
	ErrIrreversible = errors.New("cannot be undone")
	// ErrNotApproved: the plan was not approved, or another one was.
	ErrNotApproved = errors.New("plan is not approved")
	// ErrProtected: the target must never be touched.
	ErrProtected = errors.New("target is protected")
	// ErrBusy: another deminer is changing this host.
	ErrBusy = errors.New("another deminer is changing this host")
)
