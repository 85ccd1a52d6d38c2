/* SPDX-License-Identifier: MIT */
/*
 * port_check.h: mistakes of a port that the boot of each tier and mm_start_threads() name before
 * they do harm.
 *
 * Every check panics with "port: " and what the port did wrong. They run once, at boot, and cost
 * some microseconds. What can only be seen later is in conformance/. tests/unit/test_broken_port.c
 * makes each mistake and expects its message.
 */
#pragma once

#include <pagoda/bug.h>
#include <pagoda/init.h>
#include <asm/fault.h>

/* An assertion about the port. It is always on, since it runs once, and it says what is wrong. */
#define PORT_BUG_ON(cond, ...)                       \
	do {                                         \
		if (unlikely(cond))                  \
			panic("port: " __VA_ARGS__); \
	} while (0)

/* ---- Tier 1 (check_frames.c) ---- */

/*
 * Look at the CPUs, the interrupt functions, the running task, the memory map and the image's
 * place in it. Context: the first thing of mm_boot_heap(): nothing can be allocated yet. Return:
 * panics at the first mistake.
 */
void check_port_frames(const struct mm_boot_info *info);
/*
 * If the port says that RAM reads as zeroes, does it? The nr_pages frames from start_pfn on are in
 * the direct map, and nothing has been written to them. Return: panics if a word is not 0.
 */
void check_port_zeroed(unsigned long start_pfn, unsigned long nr_pages);

/* ---- Tier 2 (check_map.c) ---- */

/* Compare this CPU's registers with x86_features. Context: before paging_init(). */
void check_port_registers(void);
/*
 * Is the core's root loaded, and do flushes forget? Context: after kmem_cache_sizes_init(), before
 * vmalloc has its first area.
 */
void check_port_flushes(void);
/* Does a CPU walk the core's tables? If not, its flushes cannot be looked at. */
bool port_has_mmu(void);
/*
 * Panic with the complaint unless flush(address) makes this CPU forget the page at address, whose
 * entry has the bit "global" or not. Context: as check_port_flushes().
 */
void check_port_flush(void (*flush)(unsigned long addr), bool global, const char *complaint);

/* ---- Tier 3 (check_tasks.c) ---- */

/* Look at port_flush_tlb() and the exception table. Context: after mm_boot_kernel_map(). */
void check_port_space(void);
/* Panic if the exception table [first, end) is empty, or has an entry that is not filled in. */
void check_exception_table(const struct exception_table_entry *first,
			   const struct exception_table_entry *end);
/*
 * Look at the running task, at interrupts that come on again, and whether all CPUs answer. Context:
 * mm_start_threads(): tasks run, and interrupts should be on.
 */
void check_port_tasks(void);
