// Package deny refuses in the kernel what a mining intrusion needs: that a program begins, that a miner logs in, that a pool is
// reached. It decides nothing about content: for a program it asks Judge, and pools are what it is told.
//
//	g := deny.Open(deny.Options{
//		Everywhere: true,                    // programs of all local file systems, or Mounts: []string{"/"}
//		Judge: func(x *deny.Exec) deny.Verdict {
//			switch {
//			case bad(x.File):
//				return deny.Deny     // execve fails with EPERM, no instruction ran
//			case packaged(x.Attr):
//				return deny.Known    // and nobody asks again until the file is changed
//			}
//			return deny.Allow            // this time
//		},
//		Group: "/",                          // sockets: all control groups
//		Modes: map[deny.Class]deny.Mode{deny.Login: deny.Block, deny.LoginLike: deny.Alert, deny.Pool: deny.Block},
//		Pin:   "/sys/fs/bpf/deminer",        // outlives a crash, for Grace
//		See:   func(r deny.Refusal) { ... }, // what was refused (r.Event.Denied), or would have been
//	})
//	defer g.Close()
//	for _, f := range g.Facets() { ... }         // what is in force, why nothing better is, what is lost
//
// # Programs
//
// The kernel asks before it opens a program to run it (fanotify, FAN_OPEN_EXEC_PERM) and waits for the answer, but never for
// longer than Options.Answer, after which the program runs; if this process ends, the kernel lets everything run. While this
// process is stopped it answers nothing: whoever runs it sees to that it is continued or killed (a watchdog of its unit).
// Judge may read files: reading asks no question. This process must not start programs itself while a guard is in force: whoever
// starts one waits with more than the thread that asked.
//
// # Sockets
//
// The login of a miner is recognised by a program in the kernel as its bytes leave (machine.go says what a login is), and the
// connection is cut in both directions before the packet that completes it goes out. Connections to pools (AddPool) are refused
// with EPERM. Programs at a control group do both, for the groups below it, too.
//
// What is refused over sockets lasts as long as this process says every quarter of Options.Grace that it is there. With Options.Pin
// it outlives a crash for that time, then the programs let everything pass; the next process takes over without a moment in
// between. Close takes everything away, Leave hands over, Lift cleans up after a process that is gone.
//
// # Limits
//
// At most 512 questions wait; what comes beyond is let through and counted. At most 65,536 files are known at once.
package deny

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64,arm64 -go-package deny -tags linux -cflags "-O2 -g -Wall -Werror -Wno-parentheses -fdebug-compilation-dir=." kernel bpf/deny.bpf.c
