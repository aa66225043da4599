// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// Programs that nobody can be asked about before they begin: files in memory (memfd), which lie on a file system inside the kernel.
// Whoever becomes one is stopped before its first instruction, until user space has looked at it.

static long (*const bpf_send_signal)(u32 signal) = (void *)109;

enum { STOP = 19, INTERNAL = 1 << 22 }; // SIGSTOP; SB_KERNMOUNT
enum { HELD_BIT = 4 };                  // record.flags: it is stopped

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block___flags {
	unsigned long s_flags;
};

struct inode___placed {
	struct super_block___flags *i_sb;
};

struct cgroup_subsys_state___up {
	struct cgroup_subsys_state___up *parent;
	struct cgroup *cgroup;
};

struct cgroup___up {
	struct cgroup_subsys_state___up self;
};

#pragma clang attribute pop

// Who is stopped, pid -> start: it outlives the program, so that a next process lets go of them.
struct {
	NUMBER(type, HASH);
	NUMBER(max_entries, 1024);
	TYPE(key, u32);
	TYPE(value, u64);
} held SEC(".maps");

volatile const u64 hold_group; // only in this control group and below it; 0: everywhere

INLINE int concerned(struct task_struct *t)
{
	if (!hold_group)
		return 1;
	struct css_set *set = GET(t, cgroups);
	struct cgroup___up *g = (void *)GET(set, dfl_cgrp);
	struct cgroup_subsys_state___up *css = __builtin_preserve_access_index(&g->self);
	for (int i = 0; i < 32 && css; i++) {
		if (GET(GET(GET(css, cgroup), kn), id) == hold_group)
			return 1;
		css = GET(css, parent);
	}
	return 0;
}

SEC("tp_btf/sched_process_exec")
int on_exec(u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];
	struct linux_binprm *bprm = (void *)ctx[2];
	struct config *c = settings();
	struct inode___placed *inode = (void *)GET(GET(bprm, file), f_inode);
	// Whoever has no number here could not be let go again.
	if (!c || !in_force(c) || !(GET(GET(inode, i_sb), s_flags) & INTERNAL) || !concerned(t) || outside(t))
		return 0;
	struct record *r = begin(HELD, CLASS_PROGRAM); // who cannot be told of is not stopped
	if (!r)
		return 0;
	u32 tgid = r->tgid = pid_of(t);
	u64 start = r->start = GET(GET(t, group_leader), start_boottime);
	r->uid = GET(GET(t, cred), uid.val);
	bpf_probe_read_kernel(r->comm, sizeof(r->comm), __builtin_preserve_access_index(&t->comm));
	if (bpf_map_update_elem(&held, &tgid, &start, 0) == 0 && bpf_send_signal(STOP) == 0)
		r->flags = HELD_BIT;
	bpf_ringbuf_submit(r, FORCE_WAKEUP);
	return 0;
}
