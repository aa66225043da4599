package deminer

import (
	"path"
	"strings"
)

// programs are the programs that say nothing of what they run: shells, languages, servers that run pages, wrappers, engines.
// That two processes share one ties them in no way, and none is guilty for what one of its processes did. True: it runs a file
// that is named in its arguments, and that file is the program to judge.
var programs = names(true, "sh bash dash ash zsh ksh mksh busybox perl ruby node nodejs php lua luajit python pypy tclsh java",
	false, "irb deno bun javaw php-fpm php-cgi lsphp hhvm frankenphp fish csh tcsh toybox wish expect awk gawk mawk sed dotnet mono Rscript R",
	"beam.smp erl guile ghc julia scala wine wine64 gdb lldb env nohup setsid timeout xargs sudo su screen tmux tini dumb-init",
	"runc crun conmon containerd-shim containerd-shim-runc-v2 dockerd containerd docker-proxy qemu-system-x86_64",
	"gunicorn uwsgi uwsgi-core uvicorn hypercorn daphne puma unicorn passenger httpd apache2 nginx openresty litespeed openlitespeed caddy catalina")

// names makes a table of lists of words, each after the value that it has in it.
func names(list ...any) map[string]bool {
	out := map[string]bool{}
	value := false
	for _, x := range list {
		switch x := x.(type) {
		case bool:
			value = x
		case string:
			for w := range strings.FieldsSeq(x) {
				out[w] = value
			}
		}
	}
	return out
}

// program finds a program in the table by its base name, with or without a version: python3.11, php-fpm7.4, php-fpm74.
func program(name string) (script, ok bool) {
	base := path.Base(name)
	if script, ok = programs[base]; !ok {
		script, ok = programs[strings.TrimRight(base, "0123456789.-")]
	}
	return script, ok
}

// Interprets reports whether a program, by its path or name, says nothing of what it runs: an interpreter, a server that runs
// pages, a wrapper, an engine, a loader.
func Interprets(exe string) bool {
	base := path.Base(exe)
	for _, loader := range []string{"ld-linux", "ld-musl", "ld.so", "ld64.so", "qemu-"} {
		if strings.HasPrefix(base, loader) {
			return true
		}
	}
	_, ok := program(exe)
	return ok
}

// RunsScripts reports whether a program of this path or name runs a file that is named in its arguments.
func RunsScripts(exe string) bool {
	script, _ := program(exe)
	return script
}

// Script gives the absolute path of the file that an interpreter's process runs, or "" where it runs none or the arguments do
// not tell: /dev/fd/63, as in bash <(...), is another pipe or file in every process.
func (p *Process) Script() string {
	if !RunsScripts(p.Name()) {
		return ""
	}
	java := strings.HasPrefix(p.Name(), "java")
	for i, arg := range p.Argv[min(1, len(p.Argv)):] {
		switch {
		case arg == "-c" || arg == "-e" || arg == "-m" || arg == "-":
			return ""
		case java && arg == "-jar" && i+2 < len(p.Argv):
			return p.within(p.Argv[i+2])
		case strings.HasPrefix(arg, "-") || arg == "":
			continue
		case java: // a class, or the value of an option
			return ""
		}
		return p.within(arg)
	}
	return ""
}

// within makes a path of the process absolute, "" where its directory is not known or the path means a descriptor of its own.
func (p *Process) within(name string) string {
	if !path.IsAbs(name) {
		if p.Cwd == "" {
			return ""
		}
		name = path.Join(p.Cwd, name)
	}
	name = path.Clean(name)
	for _, own := range []string{"/dev/stdin", "/dev/fd/*", "/proc/*/fd/*", "/proc/*/task/*/fd/*"} {
		if ok, _ := path.Match(own, name); ok { // fails only for a pattern that is none
			return ""
		}
	}
	return name
}

// Runtime reports a process of a program that may be an owner's and is guilty of nothing that one of its processes does: it
// [Interprets], and lies where owners put programs. What is deleted, in memory only, temporary or hidden is none.
func (p *Process) Runtime() bool {
	return p.Exe != "" && Interprets(p.Exe) && !p.Deleted && !p.Memfd && !Temporary(p.Exe) && !strings.Contains(p.Exe, "/.") && !strings.HasPrefix(p.Exe, "/memfd:")
}

// hosting are programs in which other systems run, besides qemu-system-*: what is bad is in them, and they carry the business
// beside it.
var hosting = names(true, "systemd-nspawn containerd containerd-shim containerd-shim-runc-v2 dockerd podman conmon crun runc lxc-start lxd incusd libvirtd kubelet crio")

// Hosts reports a process of a program in which other systems run: containers, virtual machines. Only the program's name is asked.
func (p *Process) Hosts() bool {
	base := path.Base(p.Exe)
	return hosting[base] || strings.HasPrefix(base, "qemu-system-")
}
