package persist

import (
	"path"
	"strings"
)

// wrapper says how a program that runs another one is called: its one-letter options that take a value, how many plain
// words stand before the command, which option's value is a shell command, which long options take the next word.
type wrapper struct {
	with  string
	skip  int
	shell string
	long  string
}

// wrappers are programs and shell words that run the command in their arguments. From their manual pages.
func wrappers(name string) (wrapper, bool) {
	switch name {
	case "nohup", "setsid", "command", "builtin", "busybox", "toybox", "setpriv", "systemd-inhibit", "dbus-run-session",
		"daemon", "dumb-init", "tini", "prlimit", "torsocks", "chronic", "unbuffer", "catchsegv", "pkexec",
		"if", "then", "elif", "else", "while", "until", "do", "!", "{", "}":
		return wrapper{}, true
	case "chroot", "setuidgid", "s6-setuidgid", "gosu", "su-exec", "taskset", "function":
		return wrapper{skip: 1}, true
	case "env":
		return wrapper{with: "uCS", long: "--unset --chdir"}, true
	case "exec":
		return wrapper{with: "a"}, true
	case "time", "strace", "ltrace":
		return wrapper{with: "foeps"}, true
	case "nice":
		return wrapper{with: "n", long: "--adjustment"}, true
	case "ionice":
		return wrapper{with: "cnpPu"}, true
	case "chrt":
		return wrapper{skip: 1, with: "TPD"}, true
	case "timeout":
		return wrapper{skip: 1, with: "ks", long: "--signal --kill-after"}, true
	case "sudo":
		return wrapper{with: "ugpChTDRrt", long: "--user --group"}, true
	case "doas":
		return wrapper{with: "uC"}, true
	case "su":
		return wrapper{skip: 1, with: "sgGw", shell: "c", long: "--shell --group"}, true
	case "runuser":
		return wrapper{with: "usgG", shell: "c"}, true
	case "flock":
		return wrapper{skip: 1, with: "wE", shell: "c"}, true
	case "stdbuf":
		return wrapper{with: "ioe"}, true
	case "xargs":
		return wrapper{with: "adEILnPs"}, true
	case "unshare":
		return wrapper{with: "RwSG"}, true
	case "nsenter":
		return wrapper{with: "tSG", long: "--target"}, true
	case "watch":
		return wrapper{with: "n"}, true
	case "script":
		return wrapper{shell: "c"}, true
	case "systemd-run":
		return wrapper{with: "pEuM", long: "--unit --on-calendar --on-active --on-boot --property"}, true
	case "systemd-cat":
		return wrapper{with: "tp"}, true
	case "daemonize":
		return wrapper{with: "aceoplu"}, true
	case "screen":
		return wrapper{with: "SThcs"}, true
	case "tmux":
		return wrapper{skip: 1, with: "sncfLS"}, true
	case "chpst":
		return wrapper{with: "ueUmdfcrt/"}, true
	case "cpulimit":
		return wrapper{with: "lpe"}, true
	case "numactl":
		return wrapper{with: "NmCpi"}, true
	case "cgexec":
		return wrapper{with: "g"}, true
	case "proxychains", "proxychains4":
		return wrapper{with: "f"}, true
	}
	if strings.HasPrefix(name, "ld-linux") || strings.HasPrefix(name, "ld-musl") || name == "ld.so" {
		return wrapper{long: "--library-path --preload --audit --argv0"}, true
	}
	return wrapper{}, false
}

// interpreter says how a program that runs or loads a file is called: its options that take a value, and those after
// which it takes code instead of a file.
type interpreter struct{ with, code string }

// interpreters run or load the first plain word of their arguments. From their manual pages.
func interpreters(name string) (interpreter, bool) {
	if isShell(name) {
		return interpreter{with: "oO"}, true
	}
	if versioned := strings.TrimRight(name, "0123456789.-"); versioned != "" {
		name = versioned
	}
	switch name {
	case ".", "source", "fish", "tclsh", "expect", "java", "mono", "dotnet", "deno", "bun", "insmod", "run-parts", "wine", "psql":
		return interpreter{with: "p"}, true
	case "python", "pypy":
		return interpreter{with: "WX", code: "cm"}, true
	case "perl":
		return interpreter{with: "IMm", code: "eE"}, true
	case "ruby":
		return interpreter{with: "IrEC", code: "e"}, true
	case "php":
		return interpreter{with: "dczS", code: "r"}, true
	case "node", "nodejs":
		return interpreter{with: "r", code: "ep"}, true
	case "lua":
		return interpreter{with: "l", code: "e"}, true
	case "crontab":
		return interpreter{with: "u"}, true
	}
	return interpreter{}, false
}

// isShell reports whether the program takes a command after -c.
func isShell(name string) bool {
	switch name {
	case "sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "rbash", "csh", "tcsh", "fish":
		return true
	}
	return false
}

// systemDirs are where a system keeps its programs, in the order they are looked for.
func systemDirs() []string {
	return []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
}

// isPlain reports whether a path is a program of every system that a command uses, not what the command is there for: a
// shell, an interpreter, a wrapper, a tool for files or downloads, in a directory of the system. Whether it still is the
// packaged one is asked elsewhere.
func isPlain(name string) bool {
	switch path.Dir(name) {
	case "/bin", "/sbin", "/usr/bin", "/usr/sbin":
	default:
		return false
	}
	base := path.Base(name)
	if _, ok := wrappers(base); ok {
		return true
	}
	if _, ok := interpreters(base); ok {
		return true
	}
	return strings.Contains(plainNames, " "+base+" ")
}

const plainNames = " [ awk base64 basename cat chattr chgrp chmod chown cksum clear cmp comm cp curl cut date dd df diff dig dirname du " +
	"echo egrep expr false fgrep file find fuser gawk getent gpg grep gunzip gzip head host hostname id install ip iptables " +
	"kill killall less ln logger logname ls lsof mail make mawk md5sum mkdir mkfifo mknod mktemp modprobe more mount mv nc " +
	"netstat nslookup openssl passwd pgrep pidof ping pkill printf ps pwd readlink realpath rev rm rmdir rsync scp sed " +
	"sendmail seq service sha1sum sha256sum shred shuf sleep sort ssh ssh-keygen start-stop-daemon stat stty sync sysctl " +
	"systemctl tail tar tee test top touch tput tr true truncate tty umount uname uniq unzip uptime useradd usermod wc wget " +
	"which who whoami xxd xz yes zcat "
