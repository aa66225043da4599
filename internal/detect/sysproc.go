package detect

import (
	"path"
	"strings"
	"time"

	"github.com/deminer/deminer"
)

// builders start short-lived programs from temporary places as their normal work.
var builders = set("make", "gmake", "ninja", "go", "cargo", "rustc", "gcc", "g++", "cc", "clang", "cmake", "ctest", "meson", "bazel",
	"npm", "yarn", "pnpm", "pip", "pip3", "gradle", "mvn", "dpkg", "apt", "apt-get", "rpm", "yum", "dnf", "dnf5", "zypper", "apk", "emerge",
	"mkinitramfs", "update-initramfs", "dracut", "terraform", "gitlab-runner", "Runner.Worker", "Runner.Listener", "buildkitd",
	"ansible-playbook", "tox", "pytest", "dkms", "makepkg", "air", "snapd", "unattended-upgr", "docker-buildx")

// youngBuild is the age below which a program started by a build tool is taken for its work.
const youngBuild = 10 * time.Minute

// building names the build tool above a young process, or "".
func (p *Pass) building(pr *deminer.Process) string {
	if p.life(pr) >= youngBuild {
		return ""
	}
	for _, up := range p.ancestors(pr) {
		if builders[up.Name()] && packagedOrToolchain(up) {
			return up.Name()
		}
	}
	return ""
}

// packagedOrToolchain keeps a malicious parent from clearing its child by its name: the tool must be packaged, or lie
// where tool chains are put by hand.
func packagedOrToolchain(pr *deminer.Process) bool {
	if packaged(pr.Own) {
		return true
	}
	return !pr.Deleted && !pr.Memfd && !placeOf(pr.Exe).odd() && underAny(pr.Exe, "/usr", "/opt", "/home", "/root", "/snap", "/nix")
}

// runtimes execute themselves from a memfd as a protection against their containers.
var runtimes = set("runc", "crun", "runsc", "youki", "systemd-executor", "snap-confine", "lxc-attach", "lxc-start", "nvidia-container-runtime")

// knownMemfd names the packaged program that runs from a memfd by design, or "".
func (p *Pass) knownMemfd(pr *deminer.Process) string {
	name := strings.TrimPrefix(pr.Exe, "/memfd:")
	for r := range runtimes {
		if !strings.HasPrefix(name, r) && !strings.HasPrefix(name, "executor-state") {
			continue
		}
		for _, up := range append(p.ancestors(pr), nil) {
			if up == nil {
				break
			}
			if up.ID.PID == 1 || packaged(up.Own) && (strings.HasPrefix(up.Name(), "containerd") || runtimes[up.Name()] ||
				up.Name() == "conmon" || up.Name() == "dockerd" || up.Name() == "podman" || up.Name() == "crio") {
				if p.life(pr) < youngBuild && p.cores(pr) < 0.2 {
					return r
				}
			}
		}
	}
	return ""
}

// upgraded says why a deleted program file is an upgrade without a restart, or "".
func (p *Pass) upgraded(pr *deminer.Process) string {
	if pr.Exe == "" || placeOf(pr.Exe).temp {
		return ""
	}
	if underAny(pr.Exe, "/usr", "/bin", "/sbin", "/lib", "/snap", "/nix", "/opt") || toolPath(pr.Exe) {
		if a, err := p.FS.Stat(pr.Exe); err == nil && a.IsRegular() && a.Executable() {
			return "a new program lies at the same path: an upgrade without a restart"
		}
		if o := p.owner(pr.Exe); packaged(o) {
			return "the path belongs to " + o.String()
		}
		if under(pr.Exe, "/snap") {
			return "a refreshed snap"
		}
	}
	return ""
}

// toolPath reports a path below a hidden directory that language tools use.
func toolPath(name string) bool {
	for elem := range strings.SplitSeq(strings.Trim(path.Dir(name), "/"), "/") {
		if toolDirs[elem] && placeOf(name).hidden == "" {
			return true
		}
	}
	return false
}

// doubtful says why nobody would install the running program like this, or "": deleted, in memory only, or without a
// package in a temporary or hidden place. It is what turns an unexplained load into a strong sign.
func (p *Pass) doubtful(pr *deminer.Process) string {
	if packaged(pr.Own) && !deminer.RunsScripts(pr.Name()) {
		return ""
	}
	switch {
	case pr.Memfd:
		if p.knownMemfd(pr) == "" {
			return "its program exists in memory only"
		}
		return ""
	case pr.Deleted:
		if p.upgraded(pr) == "" {
			return "its program file was deleted"
		}
		return ""
	}
	name := pr.Exe
	if s := pr.Script(); s != "" {
		name = s
	}
	if pl := placeOf(name); name != "" && pl.odd() && !packaged(p.owner(name)) && !p.unpacked(pr) {
		return "its program lies " + pl.words()
	}
	return ""
}

// unpacked reports self-extracting programs that mount or unpack themselves below /tmp by design, and build work.
func (p *Pass) unpacked(pr *deminer.Process) bool {
	return strings.HasPrefix(pr.Exe, "/tmp/.mount_") && p.mounted(pr.Exe) || p.building(pr) != ""
}

// mounted reports whether a FUSE file system is mounted above the path, as AppImages do.
func (p *Pass) mounted(name string) bool {
	for _, m := range p.Snapshot.Kernel.Mounts {
		if under(name, m.Point) && strings.HasPrefix(m.Type, "fuse") {
			return true
		}
	}
	return false
}
