// Package sense watches what happens on the machine deminer runs on: processes, connections, changes of files that matter,
// and what attackers ask of the kernel.
//
// For each kind of event the best sensor that this kernel offers is put in force, kind by kind: programs in the kernel
// (eBPF) first, then the kernel's own notifications (fanotify, proc connector), then looking again and again (sock_diag,
// /proc). A kernel that refuses one program loses what that program sees and nothing else; Facets says what is in force,
// why nothing better is, and what is lost. Events say where to look and prove nothing: a process can end, and a name be
// changed, before anybody looks.
//
// Everything is bounded: the ring of the kernel, the socket buffers, the tables here. What has no room is counted by kind.
// The programs only look; they refuse and change nothing. Their source is in bpf/, the compiled objects lie beside it in
// the tree and are made anew by go generate (clang-14, llvm-14).
package sense

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64,arm64 -go-package sense -tags linux -cflags "-O2 -g -Wall -Werror -fdebug-compilation-dir=." kernel bpf/sense.bpf.c
