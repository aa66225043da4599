// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// System calls that say much and happen seldom. What is asked for is reported, whether or not the kernel then does it.

#if defined(__TARGET_ARCH_x86)
enum {
	N_open = 2, N_openat = 257, N_mmap = 9, N_mprotect = 10, N_ioctl = 16, N_ptrace = 101, N_setuid = 105, N_setreuid = 113, N_setresuid = 117, N_mount = 165,
	N_process_vm_writev = 311, N_bpf = 321,
};
#define ARG1(r) ((r)->di)
#define ARG2(r) ((r)->si)
#define ARG3(r) ((r)->dx)
#define ARG4(r) ((r)->r10)
#define GET1(r) GET(r, di)
#define GET2(r) GET(r, si)
#define GET3(r) GET(r, dx)
#define GET4(r) GET(r, r10)
#elif defined(__TARGET_ARCH_arm64)
enum {
	N_open = -1, N_openat = 56, N_mmap = 222, N_mprotect = 226, N_ioctl = 29, N_ptrace = 117, N_setuid = 146, N_setreuid = 145, N_setresuid = 147, N_mount = 40,
	N_process_vm_writev = 271, N_bpf = 280,
};
#define ARG1(r) ((r)->regs[0])
#define ARG2(r) ((r)->regs[1])
#define ARG3(r) ((r)->regs[2])
#define ARG4(r) ((r)->regs[3])
#define GET1(r) GET(r, regs[0])
#define GET2(r) GET(r, regs[1])
#define GET3(r) GET(r, regs[2])
#define GET4(r) GET(r, regs[3])
#endif
enum { N_move_mount = 429 };

enum { PROT_EXEC = 4, MAP_ANONYMOUS = 0x20, O_ACCMODE = 3 };
enum { SETFLAGS = 0x40086602, FSSETXATTR = 0x401c5820 };
enum { POKETEXT = 4, POKEDATA = 5, SETREGS = 13, ATTACH = 16, SETREGSET = 0x4205, SEIZE = 0x4206 };
enum { PROG_LOAD = 5, PROG_NAME_AT = 48 };
enum { TEXT = 128 }; // bytes read of a path that a program names

// Which memory has been made executable, so that it is told once of each program and not of each page a compiler makes.
struct {
	NUMBER(type, LRU_HASH);
	NUMBER(max_entries, 8192);
	TYPE(key, u64);   // address of the process's memory in the kernel
	TYPE(value, u64); // when the process started: addresses are used again
} jits SEC(".maps");

INLINE struct task_struct *self(void) { return (void *)bpf_get_current_task(); }

// silent: what this process asks for is not reported.
INLINE int silent(struct task_struct *t)
{
	u32 pid = pid_of(t);
	return pid == agent || (home && !pid);
}

INLINE int small(u16 kind, u32 target, u64 a, u64 b, u64 c)
{
	struct task_struct *t = self();
	if (silent(t))
		return 0;
	struct record *r = begin(kind);
	if (!r)
		return 0;
	whose(r, t);
	r->target = target;
	r->a = a;
	r->b = b;
	r->c = c;
	soon(r, r->when);
	return 0;
}

// named reports a call with a text of the caller's memory.
INLINE int named(u16 kind, const char *text, u32 size, u64 a)
{
	struct task_struct *t = self();
	if (silent(t))
		return 0;
	struct long_record *r = begin_long(kind);
	if (!r)
		return 0;
	whose(&r->head, t);
	r->head.a = a;
	long n = bpf_probe_read_user_str(r->data, size, text);
	r->head.data_len = n > 0 ? n - 1 : 0;
	soon(r, r->head.when);
	return 0;
}

INLINE int call_exec_memory(u64 at, u64 size, u64 prot)
{
	struct task_struct *t = self();
	u64 mm = (u64)GET(t, mm), start = GET(GET(t, group_leader), start_boottime);
	u64 *known = bpf_map_lookup_elem(&jits, &mm);
	if (known && *known == start)
		return 0;
	bpf_map_update_elem(&jits, &mm, &start, 0);
	return small(ANON_EXEC, 0, at, size, prot);
}

INLINE int call_ptrace(u64 request, u64 pid)
{
	switch (request) {
	case POKETEXT:
	case POKEDATA:
		return small(MEM_WRITE, pid, request, 0, 0);
	case ATTACH:
	case SEIZE:
	case SETREGS:
	case SETREGSET:
		return small(PTRACE, pid, request, 0, 0);
	}
	return 0;
}

// call_uid tells of a change of the real or the effective user; one that stays who it is says nothing.
INLINE int call_uid(u32 real, u32 effective)
{
	struct cred *cred = GET(self(), cred);
	u32 r = GET(cred, uid.val), e = GET(cred, euid.val);
	if (real == -1)
		real = r;
	if (effective == -1)
		effective = e;
	return real == r && effective == e ? 0 : small(UID, 0, real, effective, 0);
}

INLINE int call_bpf(u64 command, const char *attr)
{
	u32 type = 0;
	if (command != PROG_LOAD)
		return 0;
	bpf_probe_read_user(&type, sizeof(type), attr);
	return named(BPF, attr + PROG_NAME_AT, 16, type);
}

// call_mount tells of what goes over /proc, or may: a relative path is for the reader to resolve.
INLINE int call_mount(const char *target)
{
	char head[8] = {};
	bpf_probe_read_user_str(head, sizeof(head), target);
	if (head[0] == '/' && !(head[1] == 'p' && head[2] == 'r' && head[3] == 'o' && head[4] == 'c') && head[1] != '/' && head[1] != '.')
		return 0;
	return head[0] ? named(MOUNT, target, TEXT, 0) : 0;
}

// call_open tells of a process's memory opened for writing through /proc/PID/mem.
INLINE int call_open(const char *name, u64 flags)
{
	char text[64] = {};
	if (!(flags & O_ACCMODE))
		return 0;
	long n = bpf_probe_read_user_str(text, sizeof(text), name);
	if (n < 4 || n > 60)
		return 0;
	u32 end = (u32)n - 4; // the last three letters
	asm volatile("" : "+r"(end));
	end &= 63;
	if (end > 60 || text[end] != 'm' || text[end + 1] != 'e' || text[end + 2] != 'm')
		return 0;
	if (end > 0 && text[(end - 1) & 63] != '/')
		return 0;
	return named(MEM_WRITE, name, TEXT, 0);
}

// call_flags tells of new inode flags, like "immutable", with the path of the open file.
INLINE int call_flags(u32 fd, u64 command, const void *value)
{
	if ((u32)command != SETFLAGS && (u32)command != FSSETXATTR)
		return 0;
	struct task_struct *t = self();
	if (silent(t))
		return 0;
	struct fdtable *table = GET(GET(t, files), fdt);
	struct file *file = 0;
	if (fd < GET(table, max_fds))
		bpf_probe_read_kernel(&file, sizeof(file), GET(table, fd) + fd);
	if (!file)
		return 0;
	struct long_record *r = begin_long(FLAGS);
	if (!r)
		return 0;
	u32 flags = 0;
	bpf_probe_read_user(&flags, sizeof(flags), value);
	whose(&r->head, t);
	r->head.a = flags;
	r->head.b = (u32)command;
	path_of(r, __builtin_preserve_access_index(&file->f_path), t);
	soon(r, r->head.when);
	return 0;
}

// compat reports a call of a 32-bit program, whose numbers mean other calls.
INLINE int compat(void)
{
#if defined(__TARGET_ARCH_x86)
	return GET(self(), thread_info.status) & 2; // TS_COMPAT
#else
	return GET(self(), thread_info.flags) >> 22 & 1; // TIF_32BIT
#endif
}

// One program for all calls, where each cannot be watched by itself: it runs at every call of the system.
SEC("tp_btf/sys_enter")
int on_call(u64 *ctx)
{
	struct pt_regs *r = (void *)ctx[0];
	s32 nr = ctx[1];
		// First what costs nothing: nearly every call ends here.
	switch (nr) {
	case N_open:
		if (!(ARG2(r) & O_ACCMODE))
			return 0;
		break;
	case N_openat:
		if (!(ARG3(r) & O_ACCMODE))
			return 0;
		break;
	case N_mmap:
		if (!(ARG3(r) & PROT_EXEC) || !(ARG4(r) & MAP_ANONYMOUS))
			return 0;
		break;
	case N_mprotect:
		if (!(ARG3(r) & PROT_EXEC))
			return 0;
		break;
	case N_ioctl:
		if ((u32)ARG2(r) != SETFLAGS && (u32)ARG2(r) != FSSETXATTR)
			return 0;
		break;
	case N_ptrace:
	case N_setuid:
	case N_setreuid:
	case N_setresuid:
	case N_mount:
	case N_move_mount:
	case N_process_vm_writev:
	case N_bpf:
		break;
	default:
		return 0;
	}
	if (compat())
		return 0;
	u64 a1 = ARG1(r), a2 = ARG2(r), a3 = ARG3(r), a4 = ARG4(r);
	switch (nr) {
	case N_open:
		return call_open((void *)a1, a2);
	case N_openat:
		return call_open((void *)a2, a3);
	case N_mmap:
	case N_mprotect:
		return call_exec_memory(a1, a2, a3);
	case N_ioctl:
		return call_flags(a1, a2, (void *)a3);
	case N_ptrace:
		return call_ptrace(a1, a2);
	case N_setuid:
		return call_uid(a1, a1);
	case N_setreuid:
	case N_setresuid:
		return call_uid(a1, a2);
	case N_mount:
		return call_mount((void *)a2);
	case N_move_mount:
		return call_mount((void *)a4);
	case N_process_vm_writev:
		return small(MEM_WRITE, a1, 0, 0, 0);
	case N_bpf:
		return call_bpf(a1, (void *)a2);
	}
	return 0;
}

// One probe for each call's function, where the kernel has probes: other calls then cost nothing. The function is given the
// registers of the caller.
#define PROBE(call, does)                                                                                              \
	SEC("kprobe")                                                                                                  \
	int probe_##call(struct pt_regs *ctx)                                                                          \
	{                                                                                                              \
		struct pt_regs *r = (void *)GET1(ctx);                                                                 \
		return does;                                                                                           \
	}

PROBE(openat, call_open((void *)GET2(r), GET3(r)))
PROBE(mmap, GET3(r) & PROT_EXEC && GET4(r) & MAP_ANONYMOUS ? call_exec_memory(GET1(r), GET2(r), GET3(r)) : 0)
PROBE(mprotect, GET3(r) & PROT_EXEC ? call_exec_memory(GET1(r), GET2(r), GET3(r)) : 0)
PROBE(ioctl, call_flags(GET1(r), GET2(r), (void *)GET3(r)))
PROBE(ptrace, call_ptrace(GET1(r), GET2(r)))
PROBE(setuid, call_uid(GET1(r), GET1(r)))
PROBE(setreuid, call_uid(GET1(r), GET2(r)))
PROBE(setresuid, call_uid(GET1(r), GET2(r)))
PROBE(mount, call_mount((void *)GET2(r)))
PROBE(move_mount, call_mount((void *)GET4(r)))
PROBE(process_vm_writev, small(MEM_WRITE, GET1(r), 0, 0, 0))
PROBE(bpf, call_bpf(GET1(r), (void *)GET2(r)))
#if defined(__TARGET_ARCH_x86)
PROBE(open, call_open((void *)GET1(r), GET2(r)))
#endif
