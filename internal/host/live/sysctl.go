package live

// settings are the kernel's settings that miners, their loaders and their rootkits change, or that say how well the host
// is guarded against them; by dotted name.
var settings = [...]string{
	"vm.nr_hugepages", "vm.nr_overcommit_hugepages", "vm.hugetlb_shm_group", "vm.overcommit_memory",
	"vm.swappiness", "vm.mmap_min_addr",
	"kernel.nmi_watchdog", "kernel.watchdog", "kernel.soft_watchdog", "kernel.core_pattern", "kernel.core_uses_pid",
	"kernel.core_pipe_limit", "kernel.modprobe", "kernel.hotplug", "kernel.poweroff_cmd", "kernel.modules_disabled",
	"kernel.kexec_load_disabled", "kernel.randomize_va_space", "kernel.dmesg_restrict", "kernel.kptr_restrict",
	"kernel.perf_event_paranoid", "kernel.unprivileged_bpf_disabled", "kernel.unprivileged_userns_clone",
	"kernel.yama.ptrace_scope", "kernel.sched_autogroup_enabled", "kernel.ftrace_enabled", "kernel.printk", "kernel.sysrq",
	"kernel.panic", "kernel.threads-max", "kernel.pid_max", "kernel.hung_task_timeout_secs",
	"kernel.usermodehelper.bset", "kernel.numa_balancing",
	"fs.suid_dumpable", "fs.file-max", "fs.protected_symlinks", "fs.protected_hardlinks", "fs.protected_fifos",
	"fs.protected_regular",
	"net.core.bpf_jit_enable", "net.core.bpf_jit_harden",
	"net.ipv4.ip_forward", "net.ipv4.conf.all.route_localnet", "net.ipv4.icmp_echo_ignore_all", "net.ipv4.tcp_syncookies",
	"net.ipv4.conf.all.rp_filter", "net.ipv4.conf.all.accept_redirects", "net.ipv6.conf.all.forwarding",
	"net.ipv6.conf.all.disable_ipv6",
}

// prefetchers are the registers that miners set to switch the processor's prefetching off or on: Intel's
// MSR_MISC_FEATURE_CONTROL, and those of AMD's family 17h and 19h that XMRig's msr presets name.
var prefetchers = [...]uint32{0x1a4, 0xc0011020, 0xc0011021, 0xc0011022, 0xc001102b}
