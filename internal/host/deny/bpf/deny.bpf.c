// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
// The hands of the agent in the kernel. They refuse what user space has set, for as long as it said, and let all pass after that.
#include "record.h"
#include "flow.h"
#include "pool.h"
#include "hold.h"

char license_of_all[] SEC("license") = "Dual BSD/GPL";
