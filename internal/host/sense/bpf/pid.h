// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// Processes by the numbers that whoever watches knows them by. In a container those are not the kernel's own, and most processes of
// the machine have none there.
#ifndef DEMINER_PID_H
#define DEMINER_PID_H

#include "kernel.h"

volatile const u32 home; // PID namespace of the watcher; 0: the first one. Set before the programs are loaded.

enum { LEVELS = 33 }; // MAX_PID_NS_LEVEL, and the first

// inner_pid looks for the number of a task's process in the watcher's namespace. It is a function of its own, as it is called often.
static __attribute__((noinline)) u32 inner_pid(struct task_struct *t)
{
	struct pid *p = GET(GET(t, group_leader), thread_pid);
	u32 level = GET(p, level); // 0 for a process that is being taken away, and for those of the first namespace
#pragma clang loop unroll(disable)
	for (u32 i = 1; i < LEVELS && i <= level; i++) {
		struct upid *one = (void *)__builtin_preserve_access_index(&p->numbers) + i * __builtin_preserve_type_info(*(struct upid *)0, 1);
		if (GET(GET(one, ns), ns.inum) == home)
			return GET(one, nr);
	}
	return 0;
}

// pid_of is the PID of a task's process where the watcher is; 0: it has none there, it is outside.
INLINE u32 pid_of(struct task_struct *t) { return home ? inner_pid(t) : (u32)GET(t, tgid); }

// outside reports a process that the watcher cannot name: it is none of this container's.
INLINE int outside(struct task_struct *t) { return home && !pid_of(t); }

#endif
