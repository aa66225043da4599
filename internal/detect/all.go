package detect

import "github.com/deminer/deminer/internal/host"

// All is every detector deminer knows, in the order they are to run, one after the other: later ones judge what weakens a
// host by what earlier ones proved. To add one: its file, its fixture, its line here.
func All() []Detector {
	return named([]Detector{
		// How it returns.
		{"foothold-cradle", "entries that fetch and run foreign code", host.NeedFS, footholdCradle},
		{"foothold-target", "entries that start unpackaged programs in odd places", host.NeedFS, footholdTarget},
		{"foothold-odd", "entries written to be overlooked", host.NeedFS, footholdOdd},
		{"foothold-text", "entries that hold a miner's words", host.NeedFS, footholdText},
		{"lookalike", "names that imitate system names", host.NeedFS, lookalike},
		{"foothold-immutable", "unchangeable entries that start unpackaged programs", host.NeedFS, footholdImmutable},
		{"ghost-unit", "units that run although their file is gone", host.NeedLive, ghostUnit},
		// What runs.
		{"deleted-exe", "programs that run without a file", host.NeedLive, deletedExe},
		{"odd-place", "unpackaged programs that run from temporary or hidden places", host.NeedLive, oddPlace},
		{"fake-kthread", "user programs that pretend to be kernel threads", host.NeedLive, fakeKthread},
		{"disguise", "programs that show another program's name", host.NeedLive, disguise},
		{"vendor-forgery", "imitations of cloud and security agents", host.NeedFS, vendorForgery},
		{"known-name", "processes, units and modules with a known name", host.NeedFS, knownName},
		{"miner-cmdline", "command lines that give a miner its orders", host.NeedLive, minerCmdline},
		{"process-rule", "how running processes were started, by the Sigma rules", host.NeedLive, processRule},
		{"randomx-memory", "memory laid out as RandomX mining needs it", host.NeedLive, randomxMemory},
		{"flat-compute", "CPU burnt at a flat rate without moving data", host.NeedLive, flatCompute},
		{"pool-connection", "connections to known pools", host.NeedLive, poolConnection},
		{"stratum-exchange", "both sides of a mining conversation in memory", host.NeedLive, stratumExchange},
		{"stratum-flow", "logins to mining pools that were seen on the wire", host.NeedLive, stratumFlow},
		{"wallet-in-process", "payout addresses of miners in memory", host.NeedLive, walletInProcess},
		{"memory-rules", "what the rules say of a suspect's memory", host.NeedLive, memoryRules},
		{"running-content", "programs without a file whose content the rules know", host.NeedLive, runningContent},
		{"rogue-container", "containers made to break out, to mine or to return", host.NeedFS, rogueContainer},
		// What lies there.
		{"miner-content", "programs and scripts whose content the rules know", host.NeedFS, minerContent},
		{"miner-config", "configurations of mining programs", host.NeedFS, minerConfig},
		{"family-path", "files where malware families put them", host.NeedFS, familyPath},
		{"same-program", "program files of proven processes, and copies of proven programs", host.NeedFS, sameProgram},
		{"company", "files that came with a proven program", host.NeedFS, company},
		{"linked-foothold", "doubtful entries that fetch from the intruder's address, or came with him", host.NeedFS, linkedFoothold},
		{"nest", "programs and entries that came together with an accused entry", host.NeedFS, nest},
		{"shared-entry", "commands of an intruder among the owner's in one line, unit or script", host.NeedFS, sharedEntry},
		{"web-shell", "pages that let a visitor run code", host.NeedFS, webShell},
		{"linked-page", "pages that let a visitor run code, beside proven ones of the same site", host.NeedFS, linkedPage},
		// What hides.
		{"hidden-process", "processes that some views of the kernel do not show", host.NeedLive, hiddenProcess},
		{"proc-cover", "mounts over /proc/PID", host.NeedLive, procCover},
		{"kernel-module", "hidden and foreign kernel modules", host.NeedLive, kernelModules},
		{"unaccounted-cpu", "busy cores that belong to no process", host.NeedLive, unaccountedCPU},
		{"foreign-bpf", "eBPF tracing programs", host.NeedLive, foreignBPF},
		{"preload-rootkit", "libraries forced into every program", host.NeedFS, preloadRootkit},
		{"replaced-command", "system commands that are not the packaged ones", host.NeedPackages, replacedCommand},
		{"shadowed-command", "commands put before the system's", host.NeedFS, shadowed},
		{"modified-package", "packaged files whose content was changed", host.NeedPackages, modifiedPackage},
		// Who comes in.
		{"guessed-password", "logins after many failures", host.NeedFS, guessed},
		{"rogue-key", "login keys that let a stranger in", host.NeedFS, rogueKey},
		{"rogue-account", "accounts that let a stranger in", host.NeedFS, rogueAccount},
		{"sudoers", "sudo rules that make a stranger root", host.NeedFS, sudoers},
		{"suid-copy", "set-uid files no package brought", host.NeedFS, suidCopy},
		{"binfmt", "file formats that hand on root's rights", host.NeedFS, binfmt},
		{"login-config", "settings of sshd and PAM that let a stranger in", host.NeedFS, loginConfig},
		// What was changed.
		{"hosts-file", "names of protectors sent nowhere", host.NeedFS, hostsFile},
		{"unchangeable", "system files made unchangeable", host.NeedFS, unchangeable},
		{"firewall", "rules that let the intruder's traffic through", host.NeedFS, firewall},
		{"tuning", "kernel settings changed for mining", host.NeedFS, tuning},
		{"defences", "protection that was switched off", host.NeedFS, defences},
		{"kit-directory", "directories made with the intrusion", host.NeedFS, kitDirectory},
		{"wiped-logs", "logs and histories that were emptied", host.NeedFS, wiped},
		// How it came in.
		{"logged-command", "commands in logs that hold a miner's words", host.NeedFS, loggedCommand},
		{"open-doors", "services that let whoever reaches them in", host.NeedLive, openDoors},
	})
}

// wide are the detectors that look through the whole host whatever the snapshot holds: no look around an event asks them, and
// the next look at the whole host does.
var wide = set("replaced-command", "shadowed-command", "modified-package", "unchangeable", "wiped-logs", "open-doors", "hidden-process", "unaccounted-cpu", "defences", "kit-directory")

// Wide reports whether the detector looks through the whole host whatever the snapshot holds.
func (d Detector) Wide() bool { return wide[d.Name] }
