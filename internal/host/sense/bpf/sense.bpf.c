// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// The eyes of the agent in the kernel. Each program is loaded by itself: one that a kernel refuses costs what it sees and
// nothing else. They only look.
#include "record.h"
#include "process.h"
#include "net.h"
#include "calls.h"

char license_of_all[] SEC("license") = "Dual BSD/GPL";
