/* SPDX-License-Identifier: MIT */
/*
 * vmstat.h: event counters of the core. Per CPU, added up on reading; cheap
 * enough to be always on. Names as in /proc/vmstat where Linux has them.
 */
#pragma once

#include <pagoda/atomic.h>
#include <pagoda/port.h>

PAGODA_C_BEGIN

/* clang-format off */
#define VM_EVENTS(X)                                                                               \
	X(pgalloc) X(pgfree) X(pgfault) X(pgmajfault) X(fault_anon) X(fault_zero_map)              \
	X(fault_file) X(fault_around) X(fault_cow_copy) X(fault_cow_reuse) X(fault_cow_early)      \
	X(fork_pinned_copy) X(fault_swap)                                                          \
	X(fault_stack_grow) X(fault_spurious) X(fault_vmalloc) X(fault_segv) X(fault_sigbus)       \
	X(fault_kernel_fixup) X(fault_mkwrite) X(pgtable_alloc) X(pgtable_free) X(tlb_flush_page)  \
	X(tlb_flush_range) X(tlb_flush_mm) X(tlb_flush_all) X(tlb_ipi) X(pgpgin) X(pgpgout)        \
	X(pswpin)                                                                                  \
	X(pswpout) X(kswapd_wake) X(allocstall) X(oom_kill) X(slab_grow) X(slab_reap)              \
	X(pgscan) X(pgsteal) X(pgrefill) X(pgactivate) X(pgdeactivate) X(pglaunder) X(pglazyfree)  \
	X(pglazyfreed)                                                                             \
	X(slabs_scanned) X(swap_out_scan) X(workingset_evict) X(workingset_refault)                \
	X(workingset_activate) X(pgreadahead) X(pgreadahead_sync) X(pgreadahead_async)             \
	X(vma_merge) X(vma_split) X(fork_mm) X(rmap_visit) X(syscall_unknown)                      \
	X(pgmigrate_success) X(pgmigrate_fail)                                                     \
	X(ldt_load) X(direct_io_read) X(direct_io_write)
/* clang-format on */
enum vm_event {
#define X(name) VM_EVENT_##name,
	VM_EVENTS(X)
#undef X
		NR_VM_EVENTS
};
extern const char *const vm_event_names[NR_VM_EVENTS];

#define VMSTAT_MAX_CPUS 8
struct vm_event_state {
	unsigned long event[NR_VM_EVENTS];
} __aligned(64);
extern struct vm_event_state vm_event_states[VMSTAT_MAX_CPUS];

/* Count n occurrences of an event on this CPU. Context: any. */
static inline void count_vm_events(enum vm_event e, unsigned long n)
{
	rmw_add_relaxed(&vm_event_states[port_cpu_id()].event[e], n);
}
/* The same without a locked instruction: interrupts are off, or a race does not matter. */
static inline void __count_vm_events(enum vm_event e, unsigned long n)
{
	unsigned long *counter = &vm_event_states[port_cpu_id()].event[e];

	WRITE_ONCE(*counter, READ_ONCE(*counter) + n);
}
#define count_vm_event(name) count_vm_events(VM_EVENT_##name, 1)
/*
 * Occurrences of an event that its owner counts itself, where that is cheaper: added to the sum.
 * NULL: none. Set at boot, before the event first occurs. The function may be called from any
 * context.
 */
extern unsigned long (*vm_event_elsewhere[NR_VM_EVENTS])(void);

/* The occurrences of an event since boot, on all CPUs. Context: any. */
unsigned long vm_event_sum(enum vm_event e);
#define vm_event(name) vm_event_sum(VM_EVENT_##name)

PAGODA_C_END
