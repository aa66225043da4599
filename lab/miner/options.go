//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/deminer/deminer/lab/wallet"
)

// options is an XMRig-like configuration, plus what only the lab has.
type options struct {
	Background bool     `json:"background"`
	Donate     int      `json:"donate-level"`
	CPU        cpu      `json:"cpu"`
	RandomX    randomX  `json:"randomx"`
	Pools      []pool   `json:"pools"`
	Lab        labExtra `json:"lab"`

	// Roles lets one program file be several programs: the entry under the base
	// name of the file is read over the rest. A watchdog pair is one file twice.
	Roles map[string]json.RawMessage `json:"roles"`
}

type cpu struct {
	Threads   int  `json:"threads"` // 0 = one a core
	Priority  *int `json:"priority"`
	HugePages bool `json:"huge-pages"`
}

type randomX struct {
	Mode string `json:"mode"` // "fast" (default), "light", or "none"
}

type pool struct {
	URL   string `json:"url"`
	User  string `json:"user"`
	Pass  string `json:"pass"`
	RigID string `json:"rig-id"`
	TLS   bool   `json:"tls"`
}

// labExtra are the tricks. Every one is off unless asked for.
type labExtra struct {
	Comm          string   `json:"comm"`           // new /proc/PID/comm
	Argv0         string   `json:"argv0"`          // new /proc/PID/cmdline
	Delete        bool     `json:"delete"`         // delete the own file after the start
	Memfd         string   `json:"memfd"`          // run again from a memfd of this name
	Twins         []twin   `json:"twins"`          // programs to keep running and on disk
	Immutable     []string `json:"immutable"`      // files that get the inode flag +i
	Sched         string   `json:"sched"`          // "idle" = SCHED_IDLE
	Nice          int      `json:"nice"`           // 0..19
	Listen        string   `json:"listen"`         // address of a port that is held open
	Idle          bool     `json:"idle"`           // no memory, no burning, no pool
	Throttle      int      `json:"throttle"`       // percent of a core for each thread
	TouchMiB      int      `json:"touch-mib"`      // resident part of the dataset
	SubmitSeconds int      `json:"submit-seconds"` // period of made-up shares
}

// twin is another program that is started again within a second when it is gone.
type twin struct {
	Comm string   `json:"comm"` // how it calls itself in /proc/PID/comm
	Path string   `json:"path"` // its file; written again when missing
	Args []string `json:"args"` // argv after argv[0]
	Copy bool     `json:"copy"` // a missing file becomes a copy of this very program
}

func (o options) threads() int {
	if o.CPU.Threads > 0 {
		return o.CPU.Threads
	}
	return runtime.NumCPU()
}

// trailerMark ends a program file that carries its configuration:
// file, JSON, length of the JSON as 4 bytes little endian, trailerMark.
const trailerMark = "DEMINER-LAB-CONF"

// selfTrailer returns the configuration appended to the running program, or nil.
func selfTrailer() []byte {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil
	}
	return trailer(f, st.Size())
}

func trailer(r io.ReaderAt, size int64) []byte {
	end := make([]byte, 4+len(trailerMark))
	if _, err := r.ReadAt(end, size-int64(len(end))); err != nil || string(end[4:]) != trailerMark {
		return nil
	}
	n := int64(binary.LittleEndian.Uint32(end))
	if n <= 0 || n > 1<<20 || n > size-int64(len(end)) {
		return nil
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, size-int64(len(end))-n); err != nil {
		return nil
	}
	return b
}

// readOptions merges, weakest first: defaults, the program's trailer, the role in it, -c FILE, flags.
func readOptions(role string, args []string, own []byte) (options, error) {
	o := options{Donate: 1, Lab: labExtra{Throttle: 100, TouchMiB: 48, SubmitSeconds: 10}}
	if len(own) > 0 {
		if err := json.Unmarshal(own, &o); err != nil {
			return o, fmt.Errorf("read own trailer: %w", err)
		}
		if r, ok := o.Roles[role]; ok {
			if err := json.Unmarshal(r, &o); err != nil {
				return o, fmt.Errorf("read role %q: %w", role, err)
			}
		}
	}
	var f flags
	fs := f.set(&o)
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if f.config != "" {
		b, err := os.ReadFile(f.config)
		if err != nil {
			return o, fmt.Errorf("read config: %w", err)
		}
		if err := json.NewDecoder(bytes.NewReader(b)).Decode(&o); err != nil {
			return o, fmt.Errorf("read config %q: %w", f.config, err)
		}
		if err := fs.Parse(args); err != nil { // flags win over the file
			return o, err
		}
	}
	f.finish(&o)
	return o, o.check()
}

func (o *options) check() error {
	if o.Lab.Throttle < 1 || o.Lab.Throttle > 100 {
		return fmt.Errorf("throttle %d is not 1..100", o.Lab.Throttle)
	}
	if o.Lab.TouchMiB < 0 || o.Lab.TouchMiB > 512 {
		return fmt.Errorf("touch-mib %d is not 0..512", o.Lab.TouchMiB)
	}
	if o.Lab.SubmitSeconds < 1 {
		return fmt.Errorf("submit-seconds %d is less than 1", o.Lab.SubmitSeconds)
	}
	for i := range o.Pools {
		if o.Pools[i].User == "" {
			o.Pools[i].User = wallet.Make(wallet.Mainnet, 0)
		}
	}
	return nil
}

// flags are the values that do not go straight into options.
type flags struct {
	config, url, user, pass, rig, algo string
	tls                                bool
	ignored                            string
}

func (f *flags) set(o *options) *flag.FlagSet {
	fs := flag.NewFlagSet("miner", flag.ContinueOnError)
	both := func(p *string, short, long, usage string) {
		fs.StringVar(p, short, "", usage)
		fs.StringVar(p, long, "", usage)
	}
	both(&f.config, "c", "config", "JSON configuration `file`")
	both(&f.url, "o", "url", "pool `address`")
	both(&f.user, "u", "user", "`wallet`")
	both(&f.pass, "p", "pass", "pool `password`")
	both(&f.algo, "a", "algo", "taken and ignored")
	fs.StringVar(&f.rig, "rig-id", "", "rig `name`")
	fs.BoolVar(&f.tls, "tls", false, "TLS to the pool")
	for _, name := range []string{"coin", "max-cpu-usage", "cpu-max-threads-hint", "log-file", "http-port", "nicehash-mode"} {
		fs.StringVar(&f.ignored, name, "", "taken and ignored")
	}
	for _, name := range []string{"k", "keepalive", "huge-pages", "no-color", "nicehash"} {
		fs.Bool(name, false, "taken and ignored")
	}
	fs.BoolVar(&o.Background, "B", o.Background, "detach")
	fs.BoolVar(&o.Background, "background", o.Background, "detach")
	fs.IntVar(&o.Donate, "donate-level", o.Donate, "taken and ignored")
	fs.IntVar(&o.CPU.Threads, "t", o.CPU.Threads, "`threads`")
	fs.IntVar(&o.CPU.Threads, "threads", o.CPU.Threads, "`threads`")
	fs.Int("cpu-priority", 0, "taken and ignored")
	fs.StringVar(&o.RandomX.Mode, "randomx-mode", o.RandomX.Mode, "fast, light or none")
	fs.IntVar(&o.Lab.Throttle, "throttle", o.Lab.Throttle, "`percent` of a core for each thread")
	fs.IntVar(&o.Lab.TouchMiB, "touch-mib", o.Lab.TouchMiB, "resident `MiB` of the dataset")
	fs.StringVar(&o.Lab.Comm, "comm", o.Lab.Comm, "new process `name`")
	fs.StringVar(&o.Lab.Argv0, "argv0", o.Lab.Argv0, "new command `line`")
	fs.BoolVar(&o.Lab.Delete, "delete", o.Lab.Delete, "delete the own file")
	fs.StringVar(&o.Lab.Memfd, "memfd", o.Lab.Memfd, "run from a memfd of this `name`")
	fs.StringVar(&o.Lab.Listen, "listen", o.Lab.Listen, "hold a port open at this `address`")
	fs.BoolVar(&o.Lab.Idle, "idle", o.Lab.Idle, "do not burn, map or talk")
	return fs
}

// finish turns the flags of one pool into a pool.
func (f *flags) finish(o *options) {
	if f.url == "" {
		return
	}
	user, _, _ := strings.Cut(f.user, "\n")
	o.Pools = []pool{{URL: f.url, User: user, Pass: f.pass, RigID: f.rig, TLS: f.tls}}
}
