// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// What the programs are told by user space, and what they tell: record.go reads it, its test holds both layouts together.
#ifndef DEMINER_DENY_RECORD_H
#define DEMINER_DENY_RECORD_H

#include "../../sense/bpf/pid.h"

enum { LPM_TRIE = 11 };
enum { NO_PREALLOC = 1, CLONE = 512 }; // BPF_F_*
enum { TCP = 6, INET = 2, INET6 = 10 };

static u64 (*const bpf_get_socket_cookie)(void *ctx) = (void *)46;
static struct bpf_tcp_sock *(*const bpf_tcp_sock)(void *sk) = (void *)96;

// linux/bpf.h
struct bpf_tcp_sock {
	u32 snd_cwnd, srtt_us, rtt_min, snd_ssthresh, rcv_nxt, snd_nxt, snd_una, mss_cache, ecn_flags, rate_delivered, rate_interval_us,
		packets_out, retrans_out, total_retrans, segs_in, data_segs_in, segs_out, data_segs_out, lost_out, sacked_out;
	u64 bytes_received, bytes_acked;
};

enum kind { LOGIN = 1, POOL, HELD };
enum class { CLASS_LOGIN, CLASS_LIKE, CLASS_POOL, CLASS_PROGRAM, CLASSES };
enum mode { OFF, ALERT, BLOCK };
enum { DENIED = 1, CUT_DATA = 2 }; // record.flags
enum { DATA = 1024, RING = 1 << 20 };

// What user space sets while the programs run.
struct config {
	u64 until; // ns since boot, sleep included: when nothing is refused any more
	u32 modes[CLASSES];
	u32 groups; // how many control groups are cut off
	u32 turn;   // changes when a socket was added to cuts
};

struct record {
	u16 kind, flags;
	u32 tgid, uid, mask; // mask: of the WebSocket frame, first byte for data[0]
	u64 when, start, cgroup, cookie;
	u8 local[16], remote[16];
	u16 local_port, remote_port; // host byte order
	u8 family, class;
	u16 data_len;
	char comm[16];
	u8 data[DATA];
};

struct {
	NUMBER(type, ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct config);
} config SEC(".maps");

struct {
	NUMBER(type, RINGBUF);
	NUMBER(max_entries, RING);
} ring SEC(".maps");

struct {
	NUMBER(type, PERCPU_ARRAY);
	NUMBER(max_entries, CLASSES);
	TYPE(key, u32);
	TYPE(value, u64);
} drops SEC(".maps");

// Nothing is kept here: it brings the layouts into the object, where a test reads them.
struct record *volatile const layout;

INLINE struct config *settings(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&config, &zero);
}

INLINE u16 swap16(u16 n) { return (n >> 8) | (n << 8); }

INLINE struct record *begin(u16 kind, u32 class)
{
	struct record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r) {
		u64 *n = bpf_map_lookup_elem(&drops, &class);
		if (n)
			*n += 1;
		return 0;
	}
	__builtin_memset(r, 0, __builtin_offsetof(struct record, data));
	r->kind = kind;
	r->class = class;
	r->when = bpf_ktime_get_boot_ns();
	return r;
}

#endif
