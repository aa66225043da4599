// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// The login of a miner is recognised as its bytes leave, and the connection is cut: the packet that completes it does not go out, and
// nothing goes or comes over that socket any more.
//
// What is recognised is in tables that user space makes (machine.go): a machine of one step for each byte, without a branch, so that
// the kernel's check of the program stays short however the tables look.

enum { LOOK = 8192 };  // bytes of a connection that are looked at
enum { RUN = 256 };    // bytes taken at once
enum { STEPS = 32 };   // runs and frame headers in one packet
enum { STATE_OUT, STATE_HTTP, STATE_STOP }; // as in machine.go
enum { LIKE = 1, PROOF = 2 };               // as in machine.go

volatile const u8 table_next[65536]; // state << 8 | byte
volatile const u8 table_flags[256];  // state -> what was just seen
volatile const u8 table_depth[256];  // state -> added to the depth of brackets
volatile const u8 table_stay[256];   // state -> 0: a new line begins
volatile const u8 table_where[256];  // depth -> flags that count there
volatile const u8 table_keep[256];   // depth -> 0: nothing is remembered there
volatile const u8 table_hit[256];    // flags -> LIKE, PROOF
volatile const u16 table_go[256];    // state -> 0: the run ends here

// BOUND keeps an index within a mask where the kernel's check sees it: what the compiler makes of a plain & is not always followed.
#define BOUND(index, mask)                                                                                             \
	({                                                                                                             \
		u64 i_ = (index);                                                                                      \
		asm volatile("%0 &= " #mask : "+r"(i_));                                                               \
		i_;                                                                                                    \
	})

enum { NEW, OTHER, LINE, HEAD, FRAME };

struct flow {
	u64 start;
	u32 tgid, uid;
	char comm[16];
	u64 left;  // payload of the frame
	u32 next;  // sequence number of the next byte
	u32 seen;  // bytes looked at
	u32 turn;  // of config, when cuts was last asked
	u32 mask;  // of the frame, first byte for the next of the payload
	u32 from;  // where in the packet the last frame begins
	u32 first; // its mask there
	u8 mode, state, depth, flags, hit, cut, have, need, skip, pad[7];
	u8 head[32]; // of a frame, as far as it has come
};

struct {
	NUMBER(type, SK_STORAGE);
	NUMBER(map_flags, NO_PREALLOC | CLONE);
	TYPE(key, s32);
	TYPE(value, struct flow);
} flows SEC(".maps");

// Sockets that are cut, by cookie. It outlives the programs, so that their successors know.
struct {
	NUMBER(type, LRU_HASH);
	NUMBER(max_entries, 8192);
	TYPE(key, u64);
	TYPE(value, u64);
} cuts SEC(".maps");

// Control groups that send nothing, by number -> until when (ns since boot).
struct {
	NUMBER(type, HASH);
	NUMBER(max_entries, 1024);
	TYPE(key, u64);
	TYPE(value, u64);
} groups SEC(".maps");

// frame takes what there is of the header of a WebSocket frame (RFC 6455): how many bytes, or 0 where it is none that is followed.
INLINE u32 frame(struct __sk_buff *skb, struct flow *f, u32 at, u32 avail)
{
	u64 have = BOUND(f->have, 15), n = f->need - have;
	if (n > avail)
		n = avail;
	n = BOUND(n - 1, 15) + 1;
	if (bpf_skb_load_bytes(skb, at, f->head + have, n) < 0)
		return 0;
	have += n;
	f->have = have;
	if (have < f->need)
		return n;
	u8 first = f->head[0], size = f->head[1] & 127, more = size == 127 ? 8 : size == 126 ? 2 : 0;
	if (!(f->head[1] & 128) || first & 0x70)
		return 0; // not masked, or compressed
	if (have < 6) {
		f->need = 6 + more;
		return n;
	}
	f->left = size;
	if (more == 2)
		f->left = f->head[2] << 8 | f->head[3];
	if (more == 8)
		f->left = (u64)f->head[6] << 24 | f->head[7] << 16 | f->head[8] << 8 | f->head[9]; // longer ones are beyond LOOK anyway
	u64 key = BOUND(2 + more, 15);
	f->mask = f->head[key] | f->head[key + 1] << 8 | f->head[key + 2] << 16 | (u32)f->head[key + 3] << 24;
	f->skip = (first & 15) > 2;
	if ((first & 15) == 1 || (first & 15) == 2) { // a message begins
		f->state = STATE_OUT;
		f->depth = f->flags = 0;
	}
	f->have = 0;
	f->need = 2;
	return n;
}

INLINE struct flow *flow_of(struct __sk_buff *skb, u64 flags)
{
	struct bpf_sock *sk = skb->sk;
	if (!sk)
		return 0;
	sk = bpf_sk_fullsock(sk);
	if (!sk || sk->protocol != TCP)
		return 0;
	return bpf_sk_storage_get(&flows, sk, 0, flags);
}

// feed moves the machine over at most n bytes of a packet and says how many it took; 0: they cannot be had. It is a function of its
// own so that the kernel checks it once and not for each run that a packet may have.
__attribute__((noinline)) int feed(struct __sk_buff *skb, u32 at, u32 n)
{
	u8 b[RUN];
	struct flow *f = flow_of(skb, 0);
	u64 size = n - 1;
	if (!f)
		return 0;
	asm volatile("%0 &= 255" : "+r"(size));
	size += 1;
	if (bpf_skb_load_bytes(skb, at, b, size) < 0)
		return 0;
	u64 s = f->state, depth = f->depth, flags = f->flags, hit = f->hit;
	u32 mask = f->mask, i;
#pragma clang loop unroll(disable)
	for (i = 0; i < RUN; i++) {
		if (i >= (size & table_go[BOUND(s, 255)]))
			break;
		u32 c = (b[i] ^ mask) & 255;
		mask = mask >> 8 | mask << 24;
		s = table_next[BOUND(s << 8 | c, 65535)];
		flags |= table_flags[BOUND(s, 255)] & table_where[BOUND(depth, 255)];
		hit |= table_hit[BOUND(flags, 255)];
		depth = (depth + table_depth[BOUND(s, 255)]) & table_stay[BOUND(s, 255)];
		flags &= table_keep[BOUND(depth, 255)];
	}
	f->state = s;
	f->depth = depth;
	f->flags = flags;
	f->hit = hit;
	f->mask = mask;
	return i;
}

// step takes one run or the header of one frame and says where the next begins; 0: there is nothing more to look at.
__attribute__((noinline)) int step(struct __sk_buff *skb, u32 at)
{
	struct flow *f = flow_of(skb, 0);
	u32 end = skb->len;
	if (!f || at >= end)
		return 0;
	u64 n = end - at;
	if (f->mode == FRAME && f->left == 0) {
		u32 took = frame(skb, f, at, n);
		if (!took) {
			f->mode = OTHER;
			return 0;
		}
		f->from = at + took;
		f->first = f->mask;
		return at + took;
	}
	if (n > RUN)
		n = RUN;
	if (f->mode == FRAME && n > f->left)
		n = f->left;
	u32 took = f->skip ? n : feed(skb, at, n);
	if (!took || took > RUN || f->seen > LOOK) {
		f->mode = OTHER; // it says too much
		return 0;
	}
	f->seen += took;
	if (f->mode == FRAME)
		f->left -= took;
	if (f->hit & PROOF)
		return 0;
	if (f->state == STATE_STOP) {
		f->mode = FRAME;
		f->state = STATE_OUT;
		f->left = f->have = 0;
		f->need = 2;
	}
	return at + took;
}

// look goes over the bytes from at to the end of the packet. It leaves where the frame begins that it ends in, and its mask there.
INLINE void look(struct __sk_buff *skb, struct flow *f, u32 at)
{
	f->from = at;
	f->first = f->mask;
#pragma clang loop unroll(disable)
	for (int i = 0; i < STEPS; i++) {
		at = step(skb, at);
		if (!at)
			return;
	}
	if (at < skb->len)
		f->mode = OTHER;
}

INLINE int in_force(struct config *c) { return bpf_ktime_get_boot_ns() < c->until; }

// addresses fills in both ends from the header.
INLINE void addresses(struct record *r, struct __sk_buff *skb, u8 family)
{
	u8 ip[32];
	r->family = family;
	if (family == 4) {
		bpf_skb_load_bytes(skb, 12, ip, 8);
		__builtin_memcpy(r->local, ip, 4);
		__builtin_memcpy(r->remote, ip + 4, 4);
	} else {
		bpf_skb_load_bytes(skb, 8, ip, 32);
		__builtin_memcpy(r->local, ip, 16);
		__builtin_memcpy(r->remote, ip + 16, 16);
	}
}

// report tells of a login, with the bytes of its last piece.
INLINE void report(struct __sk_buff *skb, struct flow *f, u32 class, u16 flags, u8 family, const u8 *tcp)
{
	struct record *r = begin(LOGIN, class);
	if (!r)
		return;
	r->flags = flags;
	r->tgid = f->tgid;
	r->uid = f->uid;
	r->start = f->start;
	__builtin_memcpy(r->comm, f->comm, 16);
	r->mask = f->first;
	r->cgroup = bpf_skb_cgroup_id(skb);
	r->cookie = bpf_get_socket_cookie(skb);
	r->local_port = tcp[0] << 8 | tcp[1];
	r->remote_port = tcp[2] << 8 | tcp[3];
	addresses(r, skb, family);
	u64 size = skb->len - f->from;
	if (skb->len <= f->from)
		size = 1;
	if (size > DATA) {
		size = DATA;
		r->flags |= CUT_DATA;
	}
	size -= 1;
	asm volatile("%0 &= 1023" : "+r"(size));
	size += 1;
	if (bpf_skb_load_bytes(skb, f->from, r->data, size) == 0)
		r->data_len = size;
	bpf_ringbuf_submit(r, FORCE_WAKEUP);
}

// asked looks up whether user space has cut a socket, once for each time that it cut any.
INLINE void asked(struct __sk_buff *skb, struct flow *f, struct config *c)
{
	if (f->turn == c->turn)
		return;
	f->turn = c->turn;
	u64 cookie = bpf_get_socket_cookie(skb);
	if (bpf_map_lookup_elem(&cuts, &cookie))
		f->cut = 1;
}

// first tells whether a packet carries the first bytes of its connection, and what kind of talk they begin.
INLINE u8 first(struct __sk_buff *skb, u32 seq, u32 at)
{
	struct bpf_sock *sk = skb->sk;
	u8 b;
	sk = sk ? bpf_sk_fullsock(sk) : 0;
	struct bpf_tcp_sock *tp = sk ? bpf_tcp_sock(sk) : 0;
	if (!tp || bpf_skb_load_bytes(skb, at, &b, 1) < 0)
		return OTHER;
	if (tp->bytes_acked + (u32)(seq - tp->snd_una) > 1) // the side that connected counts its SYN as well
		return OTHER;
	return b == 'G' ? HEAD : b == '{' || b == ' ' || b == '\t' || b == '\r' || b == '\n' ? LINE : OTHER;
}

SEC("cgroup_skb/ingress")
int on_ingress(struct __sk_buff *skb)
{
	struct flow *f = flow_of(skb, 0);
	struct config *c = settings();
	if (!f || !c)
		return 1;
	asked(skb, f, c);
	return !(f->cut && in_force(c));
}

// judge says what becomes of a packet in which a login was found.
INLINE int judge(struct __sk_buff *skb, struct flow *f, struct config *c, u8 family, const u8 *tcp)
{
	u32 class = f->hit & PROOF ? CLASS_LOGIN : CLASS_LIKE;
	f->hit = 0;
	f->mode = OTHER;
	u32 mode = c->modes[class];
	if (mode == OFF)
		return 1;
	if (mode == ALERT || !in_force(c)) {
		report(skb, f, class, 0, family, tcp);
		return 1;
	}
	f->cut = 1;
	u64 cookie = bpf_get_socket_cookie(skb), now = bpf_ktime_get_boot_ns();
	bpf_map_update_elem(&cuts, &cookie, &now, 0);
	report(skb, f, class, DENIED, family, tcp);
	return 0;
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	struct config *c = settings();
	if (!c)
		return 1;
	if (c->groups) {
		u64 id = bpf_skb_cgroup_id(skb);
		u64 *until = bpf_map_lookup_elem(&groups, &id);
		if (until && bpf_ktime_get_boot_ns() < *until)
			return 0;
	}
	struct flow *f = flow_of(skb, STORAGE_CREATE);
	if (!f)
		return 1;
	asked(skb, f, c);
	if (f->cut)
		return !in_force(c);
	if (f->mode == OTHER)
		return 1;
	u8 head[20], tcp[20], family = 4;
	u32 at;
	if (bpf_skb_load_bytes(skb, 0, head, 20) < 0)
		return 1;
	u8 proto = head[9];
	at = (head[0] & 15) * 4;
	if (head[0] >> 4 != 4) {
		family = 6;
		proto = head[6]; // what comes after other headers is not followed
		at = 40;
	}
	if (proto != TCP || bpf_skb_load_bytes(skb, at, tcp, 20) < 0)
		return 1;
	at += (tcp[12] >> 4) * 4;
	if (skb->len <= at)
		return 1; // no data
	u32 seq = (u32)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7], size = skb->len - at;
	if (tcp[13] & 2)
		seq += 1; // data beside a SYN
	if (f->mode == NEW) {
		f->next = seq;
		f->mode = first(skb, seq - (tcp[13] >> 1 & 1), at);
		f->state = f->mode == HEAD ? STATE_HTTP : STATE_OUT;
		if (f->mode == OTHER)
			return 1;
	}
	u32 old = f->next - seq; // bytes that went by before: it is sent again
	if (old >= size) {
		if (old > 0x7fffffff)
			f->mode = OTHER; // bytes went by unseen
		return 1;
	}
	f->next = seq + size;
	look(skb, f, at + old);
	if (f->hit & PROOF || f->hit & LIKE && f->depth == 0)
		return judge(skb, f, c, family, tcp);
	return 1;
}
