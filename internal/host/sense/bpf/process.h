// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// Processes begin, change and end.

SEC("tp_btf/sched_process_exec")
int on_exec(u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];
	struct linux_binprm *bprm = (void *)ctx[2];
	struct long_record *r = begin_long(EXEC);
	if (!r)
		return 0;
	whose(&r->head, t);
	struct file *file = GET(bprm, file);
	if (GET(GET(file, f_inode), i_nlink) == 0)
		r->head.flags |= DELETED;
	path_of(r, __builtin_preserve_access_index(&file->f_path), t);
	struct mm_struct *mm = GET(t, mm);
	unsigned long from = GET(mm, arg_start), to = GET(mm, arg_end);
	u64 size = to - from;
	if (size > DATA) {
		size = DATA;
		r->head.flags |= CUT_DATA;
	}
	if (bpf_probe_read_user(r->data, size, (void *)from) == 0)
		r->head.data_len = size;
	else
		r->head.flags |= CUT_DATA;
	soon(r, r->head.when);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int on_fork(u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	if (GET(child, pid) != GET(child, tgid))
		return 0; // a thread
	struct record *r = begin(FORK);
	if (!r)
		return 0;
	whose(r, child);
	r->ppid = GET(parent, tgid);
	quietly(r);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int on_exit(u64 *ctx)
{
	struct task_struct *t = (void *)ctx[0];
	if (GET(GET(t, signal), live.counter) != 0)
		return 0; // other threads live on
	struct record *r = begin(EXIT);
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
	if (GET(to, tgid) != agent || GET(from, tgid) == agent)
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
