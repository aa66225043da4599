// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// Processes begin, change and end.

// Where the record of an exec is made. It goes into the ring with as many bytes as it has: few have more than a hundred, so the ring
// holds many. A processor runs this program once at a time, so nobody else writes there.
struct {
	NUMBER(type, PERCPU_ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct long_record);
} draft SEC(".maps");

enum { EXT = 0xef53, XFS = 0x58465342, TMPFS = 0x01021994 };

// file_of names the content of a file on a file system where number, length and time of change are those of the content itself, and
// where the number is of one file: not one that lies over others, comes over a network, or has volumes. Else it says nothing.
INLINE void file_of(struct record *r, struct inode *of)
{
	struct super_block *sb = GET(of, i_sb);
	unsigned long magic = GET(sb, s_magic);
	if (magic != EXT && magic != XFS && magic != TMPFS)
		return;
	struct timespec64 at = {};
	if (HAS(struct inode, i_ctime_sec)) {
		at.tv_sec = GET(of, i_ctime_sec);
		at.tv_nsec = GET(of, i_ctime_nsec) & 0x7fffffff; // the highest bit says that somebody asked
	} else if (HAS(struct inode___6_6, __i_ctime)) {
		at = GET((struct inode___6_6 *)of, __i_ctime);
		at.tv_nsec &= 0x7fffffff;
	} else if (HAS(struct inode___5_8, i_ctime)) {
		at = GET((struct inode___5_8 *)of, i_ctime);
	} else {
		return;
	}
	r->target = GET(sb, s_dev);
	r->a = GET(of, i_ino);
	r->b = at.tv_sec * 1000000000 + at.tv_nsec;
	r->c = GET(of, i_size);
}

SEC("tp_btf/sched_process_exec")
int on_exec(u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];
	struct linux_binprm *bprm = (void *)ctx[2];
	u32 zero = 0;
	struct long_record *r = outside(t) ? 0 : bpf_map_lookup_elem(&draft, &zero);
	if (!r || !room(EXEC, 0))
		return 0;
	blank(&r->head, EXEC);
	whose(&r->head, t);
	struct file *file = GET(bprm, file);
	struct inode *inode = GET(file, f_inode);
	if (GET(inode, i_nlink) == 0)
		r->head.flags |= DELETED;
	file_of(&r->head, inode);
	path_of(r, __builtin_preserve_access_index(&file->f_path), t);
	struct mm_struct *mm = GET(t, mm);
	unsigned long from = GET(mm, arg_start), to = GET(mm, arg_end);
	u64 size = to - from;
	if (size > DATA) {
		size = DATA;
		r->head.flags |= CUT_DATA;
	}
	// The command line stands right behind the path.
	u64 at = r->head.path_len & (PATH - 1);
	if (bpf_probe_read_user(r->path + at, size, (void *)from) == 0) {
		r->head.data_len = size;
		at += size;
	} else {
		r->head.flags |= CUT_DATA;
	}
	if (bpf_ringbuf_output(&ring, r, sizeof(r->head) + at, waking(r->head.when)) != 0)
		dropped(EXEC);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int on_fork(u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	if (GET(child, pid) != GET(child, tgid))
		return 0; // a thread
	struct record *r = outside(child) ? 0 : begin(FORK);
	if (!r)
		return 0;
	whose(r, child);
	r->ppid = pid_of(parent);
	quietly(r);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int on_exit(u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];
	if (GET(GET(t, signal), live.counter) != 0)
		return 0; // other threads live on
	struct record *r = outside(t) ? 0 : begin(EXIT);
	if (!r)
		return 0;
	whose(r, t);
	r->a = GET(t, exit_code);
	quietly(r);
	return 0;
}

// A signal to the agent, from anyone but itself and the kernel's own timers.
SEC("tp_btf/signal_generate")
int on_signal(u64 *ctx)
{
	struct task_struct *to = (void *)ctx[2], *from = (void *)bpf_get_current_task();
	if (pid_of(to) != agent || pid_of(from) == agent)
		return 0;
	struct record *r = begin(SIGNAL);
	if (!r)
		return 0;
	whose(r, from);
	r->target = agent;
	r->a = (u32)ctx[0];
	tell(r);
	return 0;
}

SEC("tp_btf/module_load")
int on_module(u64 *ctx)
{
	struct module *m = (void *)ctx[0];
	struct task_struct *t = (void *)bpf_get_current_task();
	struct long_record *r = begin_long(MODULE);
	if (!r)
		return 0;
	whose(&r->head, t);
	long n = bpf_probe_read_kernel_str(r->data, 56, __builtin_preserve_access_index(&m->name));
	r->head.data_len = n > 0 ? n - 1 : 0;
	tell(r);
	return 0;
}
