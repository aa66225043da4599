package detect

import "github.com/deminer/deminer/internal/host"

// All is every detector deminer knows, in the order they are to run, one after the other: later ones judge what weakens a
// host by what earlier ones proved. To add one: its file, its fixture, its line here.
func All() []Detector {
	list := []Detector{
		// What runs.
		{"randomx-memory", "memory laid out as RandomX mining needs it", host.NeedLive, randomxMemory},
		{"flat-compute", "CPU burnt at a flat rate without moving data", host.NeedLive, flatCompute},
		{"deleted-exe", "programs that run without a file", host.NeedLive, deletedExe},
		{"odd-place", "unpackaged programs that run from temporary or hidden places", host.NeedLive, oddPlace},
		{"fake-kthread", "user programs that pretend to be kernel threads", host.NeedLive, fakeKthread},
		{"disguise", "programs that show another program's name", host.NeedLive, disguise},
		{"vendor-forgery", "imitations of cloud and security agents", host.NeedFS, vendorForgery},
		// What hides.
		{"hidden-process", "processes that some views of the kernel do not show", host.NeedLive, hiddenProcess},
		{"proc-cover", "mounts over /proc/PID", host.NeedLive, procCover},
		{"kernel-module", "hidden and foreign kernel modules", host.NeedLive, kernelModules},
		{"unaccounted-cpu", "busy cores that belong to no process", host.NeedLive, unaccountedCPU},
		{"foreign-bpf", "eBPF tracing programs", host.NeedLive, foreignBPF},
		// How it returns.
		{"foothold-cradle", "entries that fetch and run foreign code", host.NeedFS, footholdCradle},
		{"foothold-target", "entries that start unpackaged programs in odd places", host.NeedFS, footholdTarget},
		{"foothold-odd", "entries written to be overlooked", host.NeedFS, footholdOdd},
		{"lookalike", "names that imitate system names", host.NeedFS, lookalike},
		{"foothold-immutable", "unchangeable entries that start unpackaged programs", host.NeedFS, footholdImmutable},
		{"ghost-unit", "units that run although their file is gone", host.NeedLive, ghostUnit},
		// Who comes in.
		{"rogue-account", "accounts that let a stranger in", host.NeedFS, rogueAccount},
		{"rogue-key", "login keys that let a stranger in", host.NeedFS, rogueKey},
	}
	for i := range list {
		list[i] = named(list[i])
	}
	return list
}
