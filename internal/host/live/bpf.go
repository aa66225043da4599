package live

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/deminer/deminer"
	"github.com/deminer/deminer/internal/host/bpf"
)

// programTypes are the kinds of eBPF programs by enum bpf_prog_type of linux/bpf.h.
var programTypes = [...]string{"unspec", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp",
	"perf_event", "cgroup_skb", "cgroup_sock", "lwt_in", "lwt_out", "lwt_xmit", "sock_ops", "sk_skb", "cgroup_device",
	"sk_msg", "raw_tracepoint", "cgroup_sock_addr", "lwt_seg6local", "lirc_mode2", "sk_reuseport", "flow_dissector",
	"cgroup_sysctl", "raw_tracepoint_writable", "cgroup_sockopt", "tracing", "struct_ops", "ext", "lsm", "sk_lookup",
	"syscall", "netfilter"}

// parseProgInfo reads struct bpf_prog_info; boot is when the system started.
func parseProgInfo(b [bpf.InfoSize]byte, boot time.Time) deminer.BPF {
	kind := binary.NativeEndian.Uint32(b[:])
	p := deminer.BPF{
		ID: binary.NativeEndian.Uint32(b[4:]), Type: "type-" + strconv.FormatUint(uint64(kind), 10),
		Name: bpf.Name(b), Tag: hex.EncodeToString(b[8:16]), UID: binary.NativeEndian.Uint32(b[48:]),
		Loaded: boot.Add(time.Duration(binary.NativeEndian.Uint64(b[40:]) & (1<<62 - 1))),
	}
	if int(kind) < len(programTypes) {
		p.Type = programTypes[kind]
	}
	return p
}
