/* SPDX-License-Identifier: MIT */
/*
 * tier1.c: frames and heap: what the port says of memory, CPUs and interrupts.
 *
 * Nothing here needs a scheduler: a kernel with a console and a memory map runs it right after
 * mm_boot(), interrupts on or off. Tests of port_on_each_cpu() here use the calling CPU only as the
 * waiting one; CPUs that are busy are in tier3.c, which has threads.
 */
#include "suite.h"
#include <pagoda/mmzone.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>

/* ---- Memory ---------------------------------------------------------------------------------- */

static void memory_map_is_sane(void)
{
	unsigned int nr = 0;
	const struct port_mem_range *map = port_memory_map(&nr);
	phys_addr_t usable = 0;

	EXPECT(map && nr, "port_memory_map() has no range");
	for (unsigned int i = 0; i < nr; i++) {
		EXPECT(map[i].start < map[i].end,
		       "port_memory_map(): range %u is empty or ends before its start", i);
		EXPECT(map[i].nid >= 0 && map[i].nid < MAX_NR_NODES,
		       "port_memory_map(): range %u is near node %d, of nodes 0 to %d", i,
		       map[i].nid, MAX_NR_NODES - 1);
		if (map[i].type == PORT_MEM_USABLE)
			usable += map[i].end - map[i].start;
	}
	EXPECT(usable > SZ_1M, "port_memory_map() has only %llu usable bytes",
	       (unsigned long long)usable);
}

static void ram_is_zeroed_does_not_change(void)
{
	bool zeroed = port_ram_is_zeroed();

	EXPECT(port_ram_is_zeroed() == zeroed, "port_ram_is_zeroed() changes its mind");
}

static void frames_and_objects(void)
{
	struct page *page = alloc_pages(GFP_KERNEL, 1);
	unsigned char *object = kmalloc(100, GFP_KERNEL), *bytes = page ? page_address(page) : NULL;
	bool kept = true;

	for (unsigned int i = 0; bytes && object && i < 2 * PAGE_SIZE; i++)
		bytes[i] = (unsigned char)(i % 251);
	for (unsigned int i = 0; bytes && object && i < 2 * PAGE_SIZE; i++)
		kept &= bytes[i] == (unsigned char)(i % 251);
	kfree(object);
	if (page)
		__free_pages(page, 1);
	EXPECT(page && object, "there is no memory for two pages and an object");
	EXPECT(kept, "usable memory at %p does not keep what is written to it", (void *)bytes);
}

/* ---- Interrupts ------------------------------------------------------------------------------ */

static void irq_save_nests(void)
{
	unsigned long outer = port_irq_save(), inner;

	EXPECT(!port_irqs_enabled(), "port_irq_save() leaves interrupts on");
	inner = port_irq_save();
	EXPECT(!port_irqs_enabled(), "port_irq_save() turns interrupts on if they were off");
	port_irq_restore(inner);
	EXPECT(!port_irqs_enabled(),
	       "port_irq_restore() turns interrupts on though they were off before");
	port_irq_restore(outer);
	EXPECT(port_irqs_enabled(),
	       "port_irq_restore() leaves interrupts off though they were on before");
}

static void irqs_off_stay_off(void)
{
	unsigned long outer = port_irq_save(), inner = port_irq_save();
	bool off_inside = !port_irqs_enabled(), off_after;

	port_irq_restore(inner);
	off_after = !port_irqs_enabled();
	port_irq_restore(outer);
	EXPECT(off_inside, "port_irq_save() leaves interrupts on");
	EXPECT(off_after, "port_irq_restore() turns interrupts on though they were off before");
}

static void irq_save_short_restores(void)
{
	unsigned long flags = port_irq_save_short(), outer, inner;
	bool still_off;

	port_irq_restore_short(flags);
	EXPECT(port_irqs_enabled(),
	       "port_irq_restore_short() leaves interrupts off though they were on before");
	outer = port_irq_save();
	inner = port_irq_save_short();
	port_irq_restore_short(inner);
	still_off = !port_irqs_enabled();
	port_irq_restore(outer);
	EXPECT(still_off,
	       "port_irq_restore_short() turns interrupts on though they were off before");
}

/* A spinning CPU must not have its interrupts turned on behind its back. */
static void poll_points_keep_interrupts_off(void)
{
	unsigned long flags = port_irq_save();
	bool off;

	port_cpu_relax();
	port_interleave();
	off = !port_irqs_enabled();
	port_irq_restore(flags);
	EXPECT(off, "port_cpu_relax() or port_interleave() turns interrupts on");
}

static void preempt_disable_nests(void)
{
	bool on = port_irqs_enabled();

	port_preempt_disable();
	port_preempt_disable();
	port_preempt_enable();
	port_preempt_enable();
	EXPECT(port_irqs_enabled() == on,
	       "port_preempt_disable() and port_preempt_enable() change the interrupt flag");
}

/* ---- CPUs ------------------------------------------------------------------------------------ */

static void current_is_there(void)
{
	EXPECT(port_current(), "port_current() is NULL");
	EXPECT(port_current() == port_current(), "port_current() changes while a task runs");
}

static void cond_resched_returns(void)
{
	port_cond_resched();
	EXPECT(port_irqs_enabled(), "port_cond_resched() leaves interrupts off");
}

static void cpus_are_numbered_from_zero(void)
{
	unsigned int nr = port_nr_cpus(), here = port_cpu_id();

	EXPECT(nr >= 1 && nr <= NR_CPUS, "port_nr_cpus() is %u, not 1 to %u", nr,
	       (unsigned int)NR_CPUS);
	EXPECT(here < nr, "port_cpu_id() is %u, with %u CPUs up", here, nr);
	for (unsigned int cpu = 0; cpu < nr; cpu++) {
		int nid = port_cpu_to_node(cpu);

		EXPECT(nid >= 0 && nid < MAX_NR_NODES,
		       "port_cpu_to_node(%u) is %d, of nodes 0 to %d", cpu, nid, MAX_NR_NODES - 1);
	}
}

struct seen {
	unsigned long cpus;
	unsigned int calls, irqs_on;
};

static void note_cpu(void *arg)
{
	struct seen *seen = arg;

	rmw_or(&seen->cpus, 1ul << port_cpu_id());
	rmw_add(&seen->irqs_on, port_irqs_enabled());
	rmw_add(&seen->calls, 1);
}

static void on_each_cpu_runs_here_with_interrupts_off(void)
{
	static struct seen seen;
	unsigned long flags = port_irq_save(), here = 1ul << port_cpu_id();
	bool off;

	seen = (struct seen){0, 0, 0};
	port_on_each_cpu(here, note_cpu, &seen);
	off = !port_irqs_enabled();
	port_irq_restore(flags);
	EXPECT(seen.calls == 1 && seen.cpus == here,
	       "port_on_each_cpu() with the mask of this CPU called the function %u times, on CPUs "
	       "%#lx",
	       seen.calls, seen.cpus);
	EXPECT(!seen.irqs_on, "port_on_each_cpu() calls the function with interrupts on");
	EXPECT(off, "port_on_each_cpu() turns interrupts on");
}

static unsigned int count_bits(unsigned long mask)
{
	unsigned int n = 0;

	for (; mask; mask &= mask - 1)
		n++;
	return n;
}

static void on_each_cpu_runs_on_each(void)
{
	static struct seen seen;
	unsigned int nr = port_nr_cpus();
	unsigned long all = (2ul << (nr - 1)) - 1;

	for (unsigned long mask = 0; mask <= all; mask++) {
		seen = (struct seen){0, 0, 0};
		port_on_each_cpu(mask, note_cpu, &seen);
		EXPECT(seen.cpus == mask && seen.calls == count_bits(mask),
		       "port_on_each_cpu(%#lx) called the function %u times, on CPUs %#lx", mask,
		       seen.calls, seen.cpus);
		EXPECT(!seen.irqs_on, "port_on_each_cpu() calls the function with interrupts on");
	}
	EXPECT(port_irqs_enabled(), "port_on_each_cpu() leaves interrupts off");
}

/* ---- Log and failures ------------------------------------------------------------------------ */

static void log_takes_text(void)
{
	static const char text[] = "conformance: port_log() ends this line here, and not here\n";
	const size_t end = strlen("conformance: port_log() ends this line here");

	/* The text need not end where the line does, and a length of 0 is allowed. */
	port_log(PORT_LOG_DEBUG, text, end);
	port_log(PORT_LOG_DEBUG, "\n", 1);
	port_log(PORT_LOG_DEBUG, text, 0);
}

/* port_watched() may be true for a moment on a CPU that another one waits for. */
static void no_allocation_is_made_to_fail(void)
{
	EXPECT(port_watched() || !port_should_fail("conformance"),
	       "port_should_fail() says yes though port_watched() is false");
}

static const struct conformance_test tests[] = {
	{"memory_map_is_sane", memory_map_is_sane, 0, false},
	{"ram_is_zeroed_does_not_change", ram_is_zeroed_does_not_change, 0, false},
	{"frames_and_objects", frames_and_objects, 0, false},
	{"irqs_off_stay_off", irqs_off_stay_off, 0, false},
	{"irq_save_nests", irq_save_nests, 0, true},
	{"irq_save_short_restores", irq_save_short_restores, 0, true},
	{"poll_points_keep_interrupts_off", poll_points_keep_interrupts_off, 0, false},
	{"preempt_disable_nests", preempt_disable_nests, 0, false},
	{"current_is_there", current_is_there, 0, false},
	{"cond_resched_returns", cond_resched_returns, 0, true},
	{"cpus_are_numbered_from_zero", cpus_are_numbered_from_zero, 0, false},
	{"on_each_cpu_runs_here_with_interrupts_off", on_each_cpu_runs_here_with_interrupts_off, 0,
	 false},
	{"on_each_cpu_runs_on_each", on_each_cpu_runs_on_each, 0, true},
	{"log_takes_text", log_takes_text, 0, false},
	{"no_allocation_is_made_to_fail", no_allocation_is_made_to_fail, 0, false},
};
CONFORMANCE_SUITE(1, tests);
