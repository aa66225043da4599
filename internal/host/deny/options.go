package deny

import (
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/deminer/deminer"
)

// Options say what is refused. The zero value refuses nothing.
type Options struct {
	// Judge is asked about each program that is to be run; nil: nobody is asked. It is called from several goroutines and should
	// answer in milliseconds: somebody waits.
	Judge func(*Exec) Verdict
	// Mounts are paths whose file systems are asked about; a file system as a whole, through whatever mount it is reached.
	Mounts []string
	// Everywhere asks about all local file systems that are mounted here, now and later.
	Everywhere bool
	// Answer is how long a program may wait for Judge; 0: two seconds, at most ten.
	Answer time.Duration
	// Lenient lets a program run whose file is changed again and again while it is judged; else it is refused, whatever Judge says.
	Lenient bool
	// Hold has Judge asked about files in memory (memfd), too, which the kernel asks nobody about: whoever becomes such a program is
	// stopped before its first instruction, and goes on, or is killed, when Judge has answered. Group limits this, too.
	Hold bool
	// Group is the directory of the control group whose sockets are watched, with all groups below it, in the unified hierarchy;
	// "/": the root of that, wherever it is mounted, but not in a container that shares it with its host; "": no sockets are watched.
	Group string
	// Modes say what is done about each class; what is not named is off. SetMode changes them.
	Modes map[Class]Mode
	// Pin is a directory of a bpf file system, made where it is not there, that keeps the programs for sockets in force when this
	// process has ended without Close, and the names of those whom Hold had stopped then: the next guard there, or Lift, lets them
	// go. "": the programs end with this process, and whoever it had stopped stays stopped. In a PID namespace of its own, as in a
	// container, it is the directory beside it that is named PIN-NUMBER by that namespace: the file system may be the host's, where an
	// agent has pins of its own.
	Pin string
	// Grace is for how long nobody need be there until nothing is refused any more; 0: five minutes.
	Grace time.Duration
	// See is told what was refused, and in mode Alert what would have been. It is called from several goroutines and must not block
	// for long; nil: nobody.
	See func(Refusal)
}

// Class is a reason to refuse what goes over a socket.
type Class string

// The classes. Programs that are to be run are of none: Judge says what becomes of them.
const (
	Login     Class = "stratum-login" // what only a miner says: proof
	LoginLike Class = "stratum-like"  // what somebody else's program could say as well
	Pool      Class = "pool"          // a connection to an address that AddPool was given
)

// classes by their number in bpf/record.h.
var classes = [...]Class{Login, LoginLike, Pool, ""}

// Mode is what is done about a class.
type Mode uint32

// The modes.
const (
	Off   Mode = iota
	Alert      // tell, and let pass
	Block      // refuse, and tell
)

// Refusal is what was refused, or would have been: see Event.Denied.
//
// Of a login the event is a flow: Data is the piece that made it one, unmasked where it came in a WebSocket frame; the
// connection is cut in both directions before that piece leaves. Of a pool it is a connect, of a program an exec, with Path; of a
// memfd the process has been killed before its first instruction.
type Refusal struct {
	Event  deminer.Event
	Class  Class            // "" of a program
	Cookie uint64           // of the socket, as sock_diag has it; 0: none
	Cgroup uint64           // number of the control group
	After  bool             // the program had begun already (Guard.Began): Denied means that nothing of it is left, and some of it has run
	Ended  []deminer.ProcID // of After: who was killed, the one that began first
	Left   int              // of After: how many run it still, at least
	held   bool
}

// Verdict is an answer of Judge.
type Verdict uint8

// The verdicts.
const (
	Allow Verdict = iota // let it run this time
	Known                // let it run, and do not ask again until the file is changed
	Deny                 // refuse: execve fails with EPERM
)

// Exec is a program, or the script or loader it needs, that is to be run. It holds until Judge returns.
type Exec struct {
	// PID is the process that asks, which still is what it was before. Who is not in this PID namespace is not asked about.
	PID int
	// File is the content, open for reading. Reading it asks no question.
	File *os.File
	// Attr is what the file was before it was judged.
	Attr deminer.Attr
	// Until is when the program runs without an answer.
	Until time.Time
}

// Why a file system is not asked about.
var (
	// ErrPlace: it is not a local file system: it may hang, or need a program to be run before it answers.
	ErrPlace = errors.New("not a local file system")
	// ErrOff: programs are not asked about here; Facets says why.
	ErrOff = errors.New("not in force")
)

// Counts is what happened since Open.
type Counts struct {
	Asked   uint64 // questions of the kernel
	Denied  uint64
	Late    uint64 // let through because Judge took too long
	Crowded uint64 // let through because too many questions waited
	Changed uint64 // refused because the file was changed again and again while it was judged
	Failed  uint64 // answers that the kernel did not take
	Untold  uint64 // refusals of sockets that there was no room to tell of
}

// counters are Counts as they grow.
type counters struct {
	asked, denied, late, crowded, changed, failed atomic.Uint64
}

func (c *counters) read() Counts {
	return Counts{c.asked.Load(), c.denied.Load(), c.late.Load(), c.crowded.Load(), c.changed.Load(), c.failed.Load(), 0}
}
