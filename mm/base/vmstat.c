/* SPDX-License-Identifier: MIT */
/*
 * vmstat.c: the event counters' storage and their sums (see vmstat.h).
 *
 * Each CPU counts into its own cache lines, so counting costs no traffic between CPUs. A sum that
 * is read while others count is some value between those before and after; when no CPU counts, it
 * is exact. Allocations of single pages are not counted here: the page allocator keeps the figures
 * in its per-CPU stacks anyway, and vm_event_elsewhere adds them to the sum.
 *
 * Locking: none; the counters are atomic. Failure: none.
 */
#include <pagoda/vmstat.h>
#include <pagoda/bug.h>
#include <pagoda/task_io.h>

struct task_io *(*current_task_io)(void); /* set once, at boot; NULL: I/O of tasks is not counted */

unsigned long (*vm_event_elsewhere[NR_VM_EVENTS])(void);
struct vm_event_state vm_event_states[VMSTAT_MAX_CPUS];

const char *const vm_event_names[NR_VM_EVENTS] = {
#define X(name) #name,
	VM_EVENTS(X)
#undef X
};

unsigned long vm_event_sum(enum vm_event e)
{
	unsigned long sum = 0;

	VM_BUG_ON(e >= NR_VM_EVENTS);
	for (unsigned int cpu = 0; cpu < VMSTAT_MAX_CPUS; cpu++)
		sum += READ_ONCE(vm_event_states[cpu].event[e]);
	return vm_event_elsewhere[e] ? sum + vm_event_elsewhere[e]() : sum;
}
