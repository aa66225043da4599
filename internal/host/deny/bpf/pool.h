// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// Pools: addresses that nobody may connect to. The same programs say whose a socket is.

struct address {
	u32 bits;
	u8 ip[16]; // IPv4 as ::ffff:a.b.c.d
};

struct pool {
	u64 until; // ns since boot; 0: for good
	u32 port;  // 0: every port
	u32 pad;
};

struct {
	NUMBER(type, LPM_TRIE);
	NUMBER(map_flags, NO_PREALLOC);
	NUMBER(max_entries, 65536);
	TYPE(key, struct address);
	TYPE(value, struct pool);
} pools SEC(".maps");

INLINE int connects(struct bpf_sock_addr *ctx, u8 family)
{
	struct config *c = settings();
	struct task_struct *t = (void *)bpf_get_current_task();
	u64 start = GET(GET(t, group_leader), start_boottime);
	u32 tgid = pid_of(t), uid = GET(GET(t, cred), uid.val), mode = c ? c->modes[CLASS_POOL] : OFF;
	if (ctx->sk && ctx->protocol == TCP) {
		struct flow *f = bpf_sk_storage_get(&flows, ctx->sk, 0, STORAGE_CREATE);
		if (f) {
			f->tgid = tgid;
			f->start = start;
			f->uid = uid;
			bpf_probe_read_kernel(f->comm, sizeof(f->comm), __builtin_preserve_access_index(&t->comm));
		}
	}
	if (mode == OFF)
		return 1;
	struct address a = {.bits = 128};
	u32 *ip = (u32 *)a.ip;
	if (family == 4) {
		a.ip[10] = a.ip[11] = 255;
		ip[3] = ctx->user_ip4;
	} else {
		ip[0] = ctx->user_ip6[0];
		ip[1] = ctx->user_ip6[1];
		ip[2] = ctx->user_ip6[2];
		ip[3] = ctx->user_ip6[3];
	}
	struct pool *p = bpf_map_lookup_elem(&pools, &a);
	u16 port = swap16(ctx->user_port);
	if (!p || p->until && bpf_ktime_get_boot_ns() >= p->until || p->port && p->port != port)
		return 1;
	int refuse = mode == BLOCK && in_force(c);
	struct record *r = begin(POOL, CLASS_POOL);
	if (r) {
		r->flags = refuse ? DENIED : 0;
		r->tgid = tgid;
		r->start = start;
		r->uid = uid;
		bpf_probe_read_kernel(r->comm, sizeof(r->comm), __builtin_preserve_access_index(&t->comm));
		r->family = 6;
		__builtin_memcpy(r->remote, a.ip, 16);
		r->remote_port = port;
		bpf_ringbuf_submit(r, FORCE_WAKEUP);
	}
	return !refuse;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *ctx) { return connects(ctx, 4); }
SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *ctx) { return connects(ctx, 6); }
