// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// Sockets: who connects and listens where, and the first bytes that go over a connection.
//
// The programs hang at the root of the unified control groups, so they see the sockets of every group and network namespace.

enum { TCP = 6, UDP = 17, INET = 2, INET6 = 10, DOMAIN = 53 };
enum { PIECES = 4 }; // of a flow, in each direction

// What is known of a socket. A socket that is accepted gets a copy of the listener's.
struct flow {
	u64 start;
	u32 tgid, uid;
	char comm[16];
	u8 opened;    // this side connected
	u8 pieces[2]; // reported: received, sent
	u8 foreign;   // of a process outside the watcher's container
	u8 more[4];
};

struct {
	NUMBER(type, SK_STORAGE);
	NUMBER(map_flags, 1 | 512); // BPF_F_NO_PREALLOC, BPF_F_CLONE
	TYPE(key, s32);
	TYPE(value, struct flow);
} flows SEC(".maps");

// How much of what may be a talk with a pool a process had told in this second, by its number; 0: whose process is not known.
struct said {
	u64 second;
	u32 pieces, more;
};

struct {
	NUMBER(type, LRU_HASH);
	NUMBER(max_entries, 4096);
	TYPE(key, u32);
	TYPE(value, struct said);
} talkers SEC(".maps");

enum { TALKS = 64 }; // pieces of one process in a second: a miner says a few

// favored reports whether one more piece of a process has room of its own and wakes the reader. Whoever says more than a miner does is
// told like everybody else: else one process could fill the ring, and keep what runs from being told.
INLINE int favored(u32 tgid, u64 now)
{
	struct said first = {now >> 30, 1}, *s = bpf_map_lookup_elem(&talkers, &tgid);
	if (!s || s->second != first.second) {
		bpf_map_update_elem(&talkers, &tgid, &first, 0);
		return 1;
	}
	if (s->pieces >= TALKS)
		return 0;
	s->pieces++;
	return 1;
}

INLINE u16 swap16(u16 n) { return (n >> 8) | (n << 8); }

INLINE void own(struct bpf_sock_addr *ctx, struct task_struct *t, u8 opened)
{
	struct bpf_sock *sk = ctx->sk;
	if (!sk)
		return;
	struct flow *f = bpf_sk_storage_get(&flows, sk, 0, STORAGE_CREATE);
	if (!f)
		return;
	f->tgid = pid_of(t);
	f->foreign = home && !f->tgid;
	f->start = GET(GET(t, group_leader), start_boottime);
	f->uid = GET(GET(t, cred), uid.val);
	bpf_probe_read_kernel(f->comm, sizeof(f->comm), __builtin_preserve_access_index(&t->comm));
	f->opened = opened;
	f->pieces[0] = f->pieces[1] = 0;
}

INLINE int address(struct bpf_sock_addr *ctx, u16 kind, u8 family)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	u32 proto = ctx->protocol;
	if (proto != TCP && proto != UDP)
		return 1;
	own(ctx, t, kind == CONNECT);
	struct record *r = outside(t) ? 0 : begin(kind);
	if (!r)
		return 1;
	whose(r, t);
	r->family = family;
	r->proto = proto;
	u32 to[4] = {};
	if (family == 4) {
		to[0] = ctx->user_ip4;
	} else {
		to[0] = ctx->user_ip6[0];
		to[1] = ctx->user_ip6[1];
		to[2] = ctx->user_ip6[2];
		to[3] = ctx->user_ip6[3];
	}
	u16 port = swap16(ctx->user_port);
	if (kind == CONNECT) {
		__builtin_memcpy(r->remote, to, 16);
		r->remote_port = port;
	} else {
		__builtin_memcpy(r->local, to, 16);
		r->local_port = port;
	}
	soon(r, r->when);
	return 1;
}

SEC("cgroup/connect4")
int on_connect4(struct bpf_sock_addr *ctx) { return address(ctx, CONNECT, 4); }
SEC("cgroup/connect6")
int on_connect6(struct bpf_sock_addr *ctx) { return address(ctx, CONNECT, 6); }
SEC("cgroup/bind4")
int on_bind4(struct bpf_sock_addr *ctx) { return address(ctx, BIND, 4); }
SEC("cgroup/bind6")
int on_bind6(struct bpf_sock_addr *ctx) { return address(ctx, BIND, 6); }

// ask remembers who sends questions from a socket that is connected to nobody.
INLINE int ask(struct bpf_sock_addr *ctx)
{
	if (swap16(ctx->user_port) == DOMAIN)
		own(ctx, (void *)bpf_get_current_task(), 1);
	return 1;
}

SEC("cgroup/sendmsg4")
int on_sendmsg4(struct bpf_sock_addr *ctx) { return ask(ctx); }
SEC("cgroup/sendmsg6")
int on_sendmsg6(struct bpf_sock_addr *ctx) { return ask(ctx); }

// ends fills in addresses and owner.
INLINE void ends(struct record *r, struct __sk_buff *skb, struct flow *f, u8 family, u8 sent)
{
	u8 ip[32];
	r->family = family;
	if (family == 4) {
		bpf_skb_load_bytes(skb, 12, ip, 8);
		__builtin_memcpy(sent ? r->local : r->remote, ip, 4);
		__builtin_memcpy(sent ? r->remote : r->local, ip + 4, 4);
	} else {
		bpf_skb_load_bytes(skb, 8, ip, 32);
		__builtin_memcpy(sent ? r->local : r->remote, ip, 16);
		__builtin_memcpy(sent ? r->remote : r->local, ip + 16, 16);
	}
	if (f) {
		r->tgid = f->tgid;
		r->start = f->start;
		r->uid = r->euid = f->uid;
		__builtin_memcpy(r->comm, f->comm, 16);
	}
}

// copy reports what follows a header of at bytes.
INLINE void copy(struct __sk_buff *skb, struct flow *f, u8 family, u8 proto, u16 kind, u32 at, u16 from, u16 to, u8 sent)
{
	u64 size = skb->len - at;
	if (skb->len <= at)
		return;
	// What may be said to a pool, or by one, and what a name server answers is told at once and has room of its own.
	u8 first = 0;
	bpf_skb_load_bytes(skb, at, &first, 1);
	int talk = (kind == DNS || first == '{' || first == '[' || (first & 0xf0) == 0x80) && favored(f ? f->tgid : 0, bpf_ktime_get_boot_ns());
	struct data_record *r = begin_data(kind, talk);
	if (!r)
		return;
	if (size > DATA) {
		size = DATA;
		r->head.flags |= CUT_DATA;
	}
	// What has no data was let pass before: this bounds nothing, it is what older kernels' checks can follow.
	size -= 1;
	asm volatile("%0 &= 1023" : "+r"(size));
	size += 1;
	if (bpf_skb_load_bytes(skb, at, r->data, size) < 0) {
		bpf_ringbuf_discard(r, NO_WAKEUP);
		return;
	}
	r->head.data_len = size;
	r->head.cgroup = bpf_skb_cgroup_id(skb);
	r->head.proto = proto;
	if (sent)
		r->head.flags |= OUT;
	if (f && !f->opened)
		r->head.flags |= INBOUND;
	r->head.local_port = sent ? from : to;
	r->head.remote_port = sent ? to : from;
	ends(&r->head, skb, f, family, sent);
	if (f)
		r->head.a = f->pieces[sent];
	if (talk)
		tell(r);
	else
		soon(r, r->head.when);
}

INLINE int packet(struct __sk_buff *skb, u8 sent)
{
	struct bpf_sock *sk = skb->sk;
	if (!sk)
		return 1;
	struct flow *f = 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	f = bpf_sk_storage_get(&flows, sk, 0, 0);
	sent &= 1;
	if (f && (f->pieces[sent] >= PIECES || f->foreign))
		return 1;
	u8 head[40], proto, family;
	u32 at;
	if (bpf_skb_load_bytes(skb, 0, head, 20) < 0)
		return 1;
	if (head[0] >> 4 == 4) {
		family = 4;
		proto = head[9];
		at = (head[0] & 15) * 4;
	} else {
		family = 6;
		proto = head[6]; // what comes after other headers is not followed
		at = 40;
	}
	u8 tcp[20];
	if (proto == UDP) {
		if (sent || bpf_skb_load_bytes(skb, at, tcp, 8) < 0)
			return 1;
		u16 from = tcp[0] << 8 | tcp[1];
		if (from == DOMAIN)
			copy(skb, f, family, proto, DNS, at + 8, from, tcp[2] << 8 | tcp[3], 0);
		return 1;
	}
	if (proto != TCP || bpf_skb_load_bytes(skb, at, tcp, 20) < 0)
		return 1;
	at += (tcp[12] >> 4) * 4;
	if (skb->len <= at)
		return 1; // no data
	u8 first;
	if (bpf_skb_load_bytes(skb, at, &first, 1) < 0)
		return 1;
	if (!f) {
		f = bpf_sk_storage_get(&flows, sk, 0, STORAGE_CREATE);
		if (!f)
			return 1;
	}
	// Of what others opened, only what speaks JSON: a server's own traffic is not what is looked for.
	if (!f->opened && !all_inbound && first != '{' && f->pieces[0] == 0) {
		f->pieces[0] = f->pieces[1] = PIECES;
		return 1;
	}
	copy(skb, f, family, proto, FLOW, at, tcp[0] << 8 | tcp[1], tcp[2] << 8 | tcp[3], sent);
	f->pieces[sent]++;
	return 1;
}

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb) { return packet(skb, 0); }
SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb) { return packet(skb, 1); }
