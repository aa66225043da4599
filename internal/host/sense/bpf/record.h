// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// What goes to user space: records in one ring. record.go reads them; its test holds both layouts together.
#ifndef DEMINER_RECORD_H
#define DEMINER_RECORD_H

#include "pid.h"

enum kind {
	EXEC = 1, FORK, EXIT, CONNECT, BIND, FLOW, DNS, FLAGS, ANON_EXEC, MODULE, BPF, MOUNT, PTRACE, MEM_WRITE, UID, SIGNAL,
	KINDS = 32,
};

// Bits of record.flags.
enum {
	OUT = 1,       // flow: sent by this host's program
	DELETED = 2,   // exec: the program's file has no name left
	CUT_PATH = 4,  // the path is longer than there was room
	CUT_DATA = 8,  // data is longer than there was room
	ODD_PATH = 16, // the path ends at something other than the root of the process
	INBOUND = 32,  // flow: the other side opened it
};

enum { RING = 4 << 20 }; // bytes; user space has it mapped twice
enum { NAME = 256, PATH = 1024, DATA = 1024, DEPTH = 48 };

struct record {
	u16 kind, flags;
	u32 tgid, tid, ppid, uid, euid, mnt_ns, target;
	u64 when;   // ns since boot, sleep included
	u64 start;  // of the process, ns since boot
	u64 cgroup; // see group()
	u64 a, b, c; // exec: see file_of()
	u8 local[16], remote[16];
	u16 local_port, remote_port; // host byte order
	u8 family, proto;            // 4 or 6; IPPROTO_*
	u16 path_len, data_len, more;  // bytes used of path and data; more: what is left to four
	char comm[16];
};

struct long_record {
	struct record head;
	char path[PATH]; // names ended by NUL, the last one first
	char data[DATA];
};

// What goes over a socket has no path.
struct data_record {
	struct record head;
	char data[DATA];
};

struct {
	NUMBER(type, RINGBUF);
	NUMBER(max_entries, RING);
} ring SEC(".maps");

// What there was no room for, by kind.
struct {
	NUMBER(type, PERCPU_ARRAY);
	NUMBER(max_entries, KINDS);
	TYPE(key, u32);
	TYPE(value, u64);
} drops SEC(".maps");

// Set before the programs are loaded.
volatile const u32 agent;       // who watches: its own doings are not reported
volatile const u32 wanted;      // bit by kind: the rest is not reported
volatile const u8 all_inbound;  // report the first bytes of connections from outside whatever they are

// Nothing is kept here: it brings the layout of records into the object, where a test reads it.
struct long_record *volatile const layout;

INLINE void dropped(u32 kind)
{
	u64 *n = bpf_map_lookup_elem(&drops, &kind);
	if (n)
		*n += 1;
}

// group is the number of the task's control group: in the unified hierarchy, or where the task is at its root, as it is where
// systemd keeps to the old hierarchies, in that of the pids controller, with the highest bit set.
INLINE u64 group(struct task_struct *t)
{
	struct css_set *set = GET(t, cgroups);
	struct cgroup *g = GET(set, dfl_cgrp);
	u64 old = 0;
	if (GET(g, level) == 0 && __builtin_preserve_enum_value(*(enum cgroup_subsys_id *)pids_cgrp_id, 0)) {
		struct cgroup_subsys_state *css;
		u64 nr = __builtin_preserve_enum_value(*(enum cgroup_subsys_id *)pids_cgrp_id, 1);
		bpf_probe_read_kernel(&css, sizeof(css), (void *)__builtin_preserve_access_index(&set->subsys) + nr * sizeof(css));
		struct cgroup *of_pids = css ? GET(css, cgroup) : 0;
		if (of_pids && GET(of_pids, level) > 0) {
			g = of_pids;
			old = 1ULL << 63;
		}
	}
	return GET(GET(g, kn), id) | old;
}

// whose fills in the process; cred and names are those of now.
INLINE void whose(struct record *r, struct task_struct *t)
{
	struct task_struct *leader = GET(t, group_leader);
	struct task_struct *parent = GET(leader, real_parent);
	struct cred *cred = GET(t, cred);
	r->cgroup = group(t);
	r->tgid = pid_of(t);
	r->tid = GET(t, pid);
	r->ppid = pid_of(parent);
	r->start = GET(leader, start_boottime);
	r->uid = GET(cred, uid.val);
	r->euid = GET(cred, euid.val);
	struct nsproxy *ns = GET(t, nsproxy);
	r->mnt_ns = ns ? GET(ns, mnt_ns)  ? GET(GET(ns, mnt_ns), ns.inum) : 0 : 0;
	bpf_probe_read_kernel(r->comm, sizeof(r->comm), __builtin_preserve_access_index(&t->comm));
}

// blank empties what not every kind fills in: memory of the ring holds what was there before.
INLINE void blank(struct record *r, u16 kind)
{
	__builtin_memset(r, 0, sizeof(*r));
	r->kind = kind;
	r->when = bpf_ktime_get_boot_ns();
}

// room reports whether a record may be written. The last quarter of the ring is for processes that begin and end: whatever storm
// there is of the rest, what runs is told. The last sixteenth is for what may be said to a pool, or by one: no storm hides that. It is
// little that one process may say so (favored in net.h), so that neither hides what runs.
INLINE int room(u16 kind, int talk)
{
	if (!(wanted >> kind & 1))
		return 0;
	if (!talk && bpf_ringbuf_query(&ring, RING_AVAILABLE) > (kind > EXIT ? RING / 4 * 3 : RING / 16 * 15)) {
		dropped(kind);
		return 0;
	}
	return 1;
}

INLINE struct record *begin(u16 kind)
{
	if (!room(kind, 0))
		return 0;
	struct record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r)
		dropped(kind);
	else
		blank(r, kind);
	return r;
}

INLINE struct data_record *begin_data(u16 kind, int talk)
{
	if (!room(kind, talk))
		return 0;
	struct data_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r)
		dropped(kind);
	else
		blank(&r->head, kind);
	return r;
}

INLINE struct long_record *begin_long(u16 kind)
{
	if (!room(kind, 0))
		return 0;
	struct long_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
	if (!r)
		dropped(kind);
	else
		blank(&r->head, kind);
	return r;
}

// tell submits a record and wakes the reader. It must be told to: by itself the ring wakes nobody while an earlier record, which
// woke nobody either, waits in it.
INLINE void tell(void *r) { bpf_ringbuf_submit(r, FORCE_WAKEUP); }

// When the reader was last woken for something that can wait a little, or said that it looks again soon.
struct {
	NUMBER(type, ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, u64);
} woken SEC(".maps");

enum { PAUSE = 20000000 }; // ns; the reader looks again this long after it read something

// waking says how what can wait for a few milliseconds is submitted: of many in a row the first wakes the reader, who then comes for
// the rest by itself for as long as there is some. To be woken costs more than all that is done with a record.
INLINE u64 waking(u64 now)
{
	u32 zero = 0;
	u64 *last = bpf_map_lookup_elem(&woken, &zero);
	if (last && now - *last <= PAUSE / 4)
		return NO_WAKEUP; // even of a full ring it is enough to be told a few hundred times a second
	if (last && now - *last <= 2 * PAUSE && bpf_ringbuf_query(&ring, RING_AVAILABLE) <= RING / 8)
		return NO_WAKEUP;
	if (last)
		*last = now;
	return FORCE_WAKEUP;
}

// soon submits what can wait for a few milliseconds.
INLINE void soon(void *rec, u64 now) { bpf_ringbuf_submit(rec, waking(now)); }

// quietly submits without waking the reader, who looks several times a second anyway, unless the ring fills up.
INLINE void quietly(void *r)
{
	bpf_ringbuf_submit(r, bpf_ringbuf_query(&ring, RING_AVAILABLE) > RING / 8 ? waking(((struct record *)r)->when) : NO_WAKEUP);
}

// path_of writes the names from a file up to the root of the process that looks, through mounts.
INLINE void path_of(struct long_record *r, struct path *of, struct task_struct *t)
{
	struct fs_struct *fs = GET(t, fs);
	struct dentry *root = GET(fs, root.dentry), *d = GET(of, dentry);
	struct vfsmount *root_mnt = GET(fs, root.mnt), *mnt = GET(of, mnt);
	u32 used = 0, flags = CUT_PATH;
	for (int i = 0; i < DEPTH; i++) {
		// However a turn ended, the next begins with the same knowledge: so the kernel's check stays short.
		asm volatile("%0 &= 1023" : "+r"(used));
		if (d == root && mnt == root_mnt) {
			flags = 0;
			break;
		}
		struct dentry *up = GET(d, d_parent);
		if (d == GET(mnt, mnt_root)) {
			struct mount *m = (void *)mnt - __builtin_preserve_field_info(((struct mount *)0)->mnt, 0);
			struct mount *above = GET(m, mnt_parent);
			if (above == m) {
				flags = ODD_PATH; // in a mount that is attached nowhere, or out of a chroot
				break;
			}
			d = GET(m, mnt_mountpoint);
			mnt = __builtin_preserve_access_index(&above->mnt);
			continue;
		}
		if (used >= PATH - NAME)
			break;
		long n = bpf_probe_read_kernel_str(r->path + used, NAME, GET(d, d_name.name));
		if (n <= 0)
			break;
		used += n; // less than PATH in all: NAME was free
		if (d == up) {
			flags = ODD_PATH; // a file of no directory, like a memfd
			break;
		}
		d = up;
	}
	r->head.flags |= flags;
	r->head.path_len = used;
}

#endif
