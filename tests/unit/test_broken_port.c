/* SPDX-License-Identifier: MIT */
/*
 * test_broken_port.c: each mistake of a port has a message that names it.
 *
 * The core and the hosted machine are built here with broken/port/inline.h, and linked with
 * broken/port.c: one mistake at a time, chosen by broken_port. A mistake is found
 *
 *	at boot		mm_boot() or mm_start_threads() panics (BOOT_NAMES, START_NAMES, CALL_NAMES)
 *	too early	an allocation before the boot panics (EARLY_NAMES)
 *	by the suite	a test of conformance/ fails with this reason (SUITE_NAMES)
 *
 * Each test expects its own message, so it fails if the check is gone, or if another one speaks
 * first.
 */
#include "harness.h"

#include <pagoda/conformance.h>
#include <pagoda/init.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/vmalloc.h>
#include <asm/control.h>
#include <asm/cpufeature.h>
#include <asm/pgtable.h>
#include <mm/boot/port_check.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* An image in the hosted machine's RAM, as a kernel's would be. */
static const struct mm_boot_info good_info = {
	.kernel_start = SZ_1M, .kernel_end = 2 * SZ_1M, .options = ""};

/* mm_boot() with the mistake, and with what setup changes, panics with the text. */
#define BOOT_NAMES(name_, broken_, text_, ...)                              \
	PAGODA_TEST_CONFIG(name_, "", .no_mm_boot = true)                   \
	{                                                                   \
		struct mm_boot_info info = good_info;                       \
                                                                            \
		__VA_ARGS__;                                                \
		broken_port = broken_;                                      \
		EXPECT_PANIC("port: " text_, { hosted_boot_core(&info); }); \
		broken_port = BROKEN_NOTHING;                               \
	}

/* The block, run on a booted machine with the mistake, panics with the text. */
#define CALL_NAMES(name_, broken_, text_, ...)         \
	PAGODA_TEST_CONFIG(name_, "", .nr_cpus = 2)    \
	{                                              \
		broken_port = broken_;                 \
		EXPECT_PANIC(text_, { __VA_ARGS__; }); \
		broken_port = BROKEN_NOTHING;          \
	}
#define START_NAMES(name_, broken_, text_) \
	CALL_NAMES(name_, broken_, "port: " text_, mm_start_threads())

static bool is_victim(struct vm_task *task, void *nr)
{
	if (strcmp(task->comm, "victim") != 0)
		return false;
	++*(unsigned int *)nr;
	return true;
}

static bool count_victims(struct vm_task *task, void *nr)
{
	(void)is_victim(task, nr);
	return true;
}

/* The thread that a mistake has kept alive ends by the signal that it waits for. */
static void end_victims(void)
{
	unsigned int nr = 0, left = 1;

	port_signal_tasks(is_victim, &nr, SIGKILL);
	while (left) {
		left = 0;
		port_for_each_task(count_victims, &left);
		hosted_let_others_run();
	}
}

/* The test of the conformance suite fails with this reason. */
static void suite_names(enum broken_port broken, const char *test, const char *text)
{
	char line[256];
	unsigned int failed;

	broken_port = broken;
	failed = pagoda_conformance_test(test);
	broken_port = BROKEN_NOTHING;
	port_irq_restore(1);
	end_victims();
	(void)snprintf(line, sizeof(line), "conformance: not ok %s: %s", test, text);
	if (failed != 1 || !strstr(hosted_log(), line))
		FAIL("%u failed, and the log does not say \"%s\"", failed, line);
}
#define SUITE_NAMES(name_, broken_, test_, text_)   \
	PAGODA_TEST_CONFIG(name_, "", .nr_cpus = 2) \
	{                                           \
		suite_names(broken_, test_, text_); \
	}

/* ---- At boot: what mm_boot() is told --------------------------------------------------------- */

/* All is well: what the tests below rely on. */
PAGODA_TEST_CONFIG(a_port_without_mistakes_boots, "", .no_mm_boot = true)
{
	hosted_boot_core(&good_info);
	CHECK(kmalloc(10, GFP_KERNEL));
}

BOOT_NAMES(kernel_end_is_0, BROKEN_NOTHING,
	   "mm_boot_info.kernel_end is 0, kernel_start 0: the kernel image would be given away as "
	   "free memory",
	   info.kernel_start = info.kernel_end = 0)
BOOT_NAMES(kernel_end_is_virtual, BROKEN_NOTHING,
	   "mm_boot_info.kernel_end is 0xffffffff80200000, beyond all memory (0x4000000): physical "
	   "addresses are meant",
	   info.kernel_end = 0xffffffff80200000ull)
BOOT_NAMES(init_sections_are_outside, BROKEN_NOTHING,
	   "mm_boot_info.init_start and init_end lie outside of the kernel image",
	   info.init_start = SZ_1M, info.init_end = 3 * SZ_1M)
BOOT_NAMES(boot_with_interrupts_on, BROKEN_NOTHING, "the core is booted with interrupts on",
	   EXPECT_PANIC("port: the core is booted with interrupts on", { mm_boot(&info); });
	   return )
CALL_NAMES(boot_twice, BROKEN_NOTHING, "port: the core is booted a second time",
	   hosted_boot_core(&good_info))
BOOT_NAMES(map_without_ranges, BROKEN_MAP_IS_EMPTY, "port_memory_map() has no range")
BOOT_NAMES(map_with_an_empty_range, BROKEN_MAP_HAS_EMPTY_RANGE,
	   "port_memory_map(): range 1, [0x200000, 0x200000), is empty")

PAGODA_TEST_CONFIG(map_without_ram, "", .no_mm_boot = true)
{
	struct mm_boot_info info = {.image_outside_ram = true, .options = ""};

	broken_port = BROKEN_MAP_HAS_NO_RAM;
	EXPECT_PANIC("memory map: no usable memory", { hosted_boot_core(&info); });
}

BOOT_NAMES(ram_is_not_zeroed, BROKEN_RAM_IS_NOT_ZEROED,
	   "port_ram_is_zeroed() is true, but the word at 0x200000 is 0x1",
	   *(unsigned long *)hosted_phys(2 * SZ_1M) = 1)

/* ---- At boot: CPUs, interrupts, the running task --------------------------------------------- */

BOOT_NAMES(cpu_number_is_out_of_range, BROKEN_CPU_ID, "port_cpu_id() is 11, but 1 CPUs are up")
BOOT_NAMES(number_of_cpus_is_0, BROKEN_NR_CPUS, "port_nr_cpus() is 0, not 1 to 8")
BOOT_NAMES(node_is_out_of_range, BROKEN_CPU_TO_NODE, "port_cpu_to_node(0) is -1, not 0 to ")
BOOT_NAMES(current_is_null, BROKEN_CURRENT,
	   "port_current() is NULL; before the first task it is a static struct vm_task")
BOOT_NAMES(irq_restore_always_enables, BROKEN_IRQ_RESTORE_TURNS_ON,
	   "port_irq_save() and port_irq_restore() turn interrupts on though they were off before")
BOOT_NAMES(irq_save_does_not_save, BROKEN_IRQ_SAVE_FORGETS,
	   "port_irq_save() and port_irq_restore() turn interrupts on though they were off before")
BOOT_NAMES(irq_restore_short_always_enables, BROKEN_IRQ_SHORT_TURNS_ON,
	   "port_irq_restore_short() turns interrupts on though they were off before")

/* ---- Too early ------------------------------------------------------------------------------- */

#define EARLY_NAMES(name_, text_, ...)                    \
	PAGODA_TEST_CONFIG(name_, "", .no_mm_boot = true) \
	{                                                 \
		EXPECT_PANIC(text_, { __VA_ARGS__; });    \
	}

EARLY_NAMES(kmalloc_before_boot, "kmalloc() is called before the core is booted, by ",
	    (void)!kmalloc(10, GFP_KERNEL))
EARLY_NAMES(alloc_pages_before_boot,
	    "alloc_pages(), kmalloc() or vmalloc() is called before the core is booted",
	    (void)!alloc_page(GFP_KERNEL))
EARLY_NAMES(alloc_block_before_boot,
	    "alloc_pages(), kmalloc() or vmalloc() is called before the core is booted",
	    (void)!alloc_pages(GFP_KERNEL, 2))

/* ---- At boot: page tables -------------------------------------------------------------------- */

BOOT_NAMES(
	nx_without_nxe, BROKEN_NOTHING,
	"x86_features.nx is set, but EFER.NXE is clear: each page that may not be executed would "
	"fault",
	hosted_control.efer = 0)
BOOT_NAMES(write_protect_is_off, BROKEN_NOTHING,
	   "CR0.WP is clear: writes of the kernel would ignore read-only and copy-on-write pages",
	   hosted_control.cr0 = 0)
BOOT_NAMES(global_pages_are_off, BROKEN_NOTHING, "x86_features.pge is set, but CR4.PGE is clear",
	   hosted_control.cr4 &= ~X86_CR4_PGE)
BOOT_NAMES(smep_is_off, BROKEN_NOTHING, "x86_features.smep is set, but CR4.SMEP is clear",
	   hosted_control.cr4 &= ~X86_CR4_SMEP)
BOOT_NAMES(smap_is_on_unsaid, BROKEN_NOTHING, "x86_features.smap does not agree with CR4.SMAP",
	   x86_features.smap = false)
BOOT_NAMES(other_number_of_levels, BROKEN_NOTHING,
	   "CR4.LA57 does not agree with the number of levels that the core was built for",
	   hosted_control.cr4 ^= X86_CR4_LA57)
BOOT_NAMES(image_is_not_mapped, BROKEN_NOTHING,
	   "port_map_kernel_image() leaves the core's code at ",
	   hosted_control.code = VMALLOC_END - PAGE_SIZE)
BOOT_NAMES(image_may_not_be_executed, BROKEN_NOTHING,
	   "port_map_kernel_image() maps the core's code at ",
	   hosted_control.code = PAGE_OFFSET + SZ_1M)
BOOT_NAMES(stack_is_not_mapped, BROKEN_NOTHING, "port_map_kernel_image() leaves the stack at ",
	   hosted_control.stack = VMALLOC_END - PAGE_SIZE)
BOOT_NAMES(load_pgd_does_nothing, BROKEN_LOAD_PGD_DOES_NOTHING,
	   "port_load_pgd() does not load the root ")
BOOT_NAMES(load_pgd_keeps_translations, BROKEN_LOAD_PGD_KEEPS,
	   "port_load_pgd() does not forget a page that is not global")
BOOT_NAMES(flush_page_does_nothing, BROKEN_FLUSH_PAGE,
	   "port_flush_tlb_page() does not forget the page")
BOOT_NAMES(flush_page_keeps_global, BROKEN_FLUSH_PAGE_KEEPS_GLOBAL,
	   "port_flush_tlb_page() does not forget a global page")
BOOT_NAMES(flush_does_nothing, BROKEN_FLUSH,
	   "port_flush_tlb() does not forget a page that is not global")
BOOT_NAMES(flush_all_keeps_global, BROKEN_FLUSH_ALL_KEEPS_GLOBAL,
	   "port_flush_tlb_all() does not forget a global page")

/* ---- At boot: tasks -------------------------------------------------------------------------- */

static const struct exception_table_entry no_fixup = {1, 0};

CALL_NAMES(exception_table_is_empty, BROKEN_NOTHING,
	   "port: the exception table is empty: the linker script keeps no section __ex_table",
	   check_exception_table(&no_fixup, &no_fixup))
CALL_NAMES(exception_table_has_no_fixup, BROKEN_NOTHING,
	   "port: entry 0 of the exception table is 0",
	   check_exception_table(&no_fixup, &no_fixup + 1))
START_NAMES(irq_save_leaves_on, BROKEN_IRQ_SAVE_LEAVES_ON, "port_irq_save() leaves interrupts on")
START_NAMES(irq_restore_never_enables, BROKEN_IRQ_RESTORE_LEAVES_OFF,
	    "port_irq_restore() leaves interrupts off though they were on before")
CALL_NAMES(threads_with_interrupts_off, BROKEN_NOTHING,
	   "port: mm_start_threads() is called with interrupts off", (void)port_irq_save();
	   mm_start_threads())
CALL_NAMES(task_without_list, BROKEN_NOTHING,
	   "port: the struct vm_task of the running task: local_pages is not "
	   "an empty list: INIT_LIST_HEAD()",
	   port_current()->local_pages.next = NULL;
	   mm_start_threads())
CALL_NAMES(task_without_tables, BROKEN_NOTHING,
	   "port: the struct vm_task of the running task: active_mm is NULL in a task that runs",
	   port_current()->active_mm = NULL;
	   mm_start_threads())
CALL_NAMES(exit_mm_with_interrupts_off, BROKEN_NOTHING,
	   "exit_mm() is called with interrupts off: unmapping waits for other CPUs",
	   (void)!hosted_process_create();
	   (void)port_irq_save(); exit_mm())

/* The panic comes in a copy of the process in which only the thread of one CPU lives. */
PAGODA_TEST_CONFIG(on_each_cpu_skips_at_start, "", .nr_cpus = 2)
{
	broken_port = BROKEN_ON_EACH_CPU_SKIPS;
	EXPECT_PANIC("port: port_on_each_cpu(0x3) has run on CPUs 0x1 when it returns",
		     { mm_start_threads(); });
	broken_port = BROKEN_NOTHING;
}

/* ---- By the suite ---------------------------------------------------------------------------- */

SUITE_NAMES(suite_irq_save, BROKEN_IRQ_SAVE_LEAVES_ON, "irq_save_nests",
	    "port_irq_save() leaves interrupts on")
SUITE_NAMES(suite_irq_restore_on, BROKEN_IRQ_RESTORE_TURNS_ON, "irq_save_nests",
	    "port_irq_restore() turns interrupts on though they were off before")
SUITE_NAMES(suite_irq_restore_off, BROKEN_IRQ_RESTORE_LEAVES_OFF, "irq_save_nests",
	    "port_irq_restore() leaves interrupts off though they were on before")
SUITE_NAMES(suite_irq_short, BROKEN_IRQ_SHORT_TURNS_ON, "irq_save_short_restores",
	    "port_irq_restore_short() turns interrupts on though they were off before")
SUITE_NAMES(suite_relax, BROKEN_RELAX_TURNS_ON, "poll_points_keep_interrupts_off",
	    "port_cpu_relax() or port_interleave() turns interrupts on")
SUITE_NAMES(suite_clock_stands, BROKEN_CLOCK_STANDS, "clock_advances",
	    "port_clock_ns() stands still")
SUITE_NAMES(suite_clock_goes_back, BROKEN_CLOCK_GOES_BACK, "clock_advances",
	    "port_clock_ns() goes back, by 1 ns")
SUITE_NAMES(suite_on_each_cpu_skips, BROKEN_ON_EACH_CPU_SKIPS, "on_each_cpu_runs_on_each",
	    "port_on_each_cpu(0x2) called the function 0 times, on CPUs 0")
SUITE_NAMES(suite_on_each_cpu_irqs, BROKEN_ON_EACH_CPU_IRQS_ON, "on_each_cpu_runs_on_each",
	    "port_on_each_cpu() calls the function with interrupts on")
SUITE_NAMES(suite_flush_page, BROKEN_FLUSH_PAGE, "flush_tlb_page_forgets",
	    "port_flush_tlb_page() does not forget the page")
SUITE_NAMES(suite_flush, BROKEN_FLUSH, "flush_tlb_forgets_nonglobal",
	    "port_flush_tlb() does not forget a page that is not global")
SUITE_NAMES(suite_flush_all, BROKEN_FLUSH_ALL_KEEPS_GLOBAL, "flush_tlb_all_forgets_global",
	    "port_flush_tlb_all() does not forget a global page")
SUITE_NAMES(suite_load_pgd, BROKEN_LOAD_PGD_KEEPS, "load_pgd_forgets_nonglobal",
	    "port_load_pgd() does not forget a page that is not global")
SUITE_NAMES(suite_park_loses_token, BROKEN_PARK_LOSES_TOKEN, "unpark_before_park_is_not_lost",
	    "port_park() sleeps though port_unpark() came before it")
SUITE_NAMES(suite_park_returns, BROKEN_PARK_RETURNS, "park_ends_at_its_deadline",
	    "port_park() does not sleep: it returned ")
SUITE_NAMES(suite_unpark, BROKEN_UNPARK_DOES_NOTHING, "unpark_wakes_a_parked_task",
	    "port_unpark() does not wake a parked task")
SUITE_NAMES(suite_thread_irqs_off, BROKEN_THREAD_IRQS_OFF, "thread_starts_as_a_kernel_thread",
	    "a new thread starts with interrupts off")
SUITE_NAMES(suite_thread_list, BROKEN_THREAD_HAS_NO_LIST, "thread_starts_as_a_kernel_thread",
	    "the struct vm_task of a new thread: local_pages is not an empty list")
SUITE_NAMES(
	suite_preemption, BROKEN_PREEMPTION, "no_preemption_where_it_is_disabled",
	"a thread was preempted or moved between port_preempt_disable() and port_preempt_enable()")
SUITE_NAMES(suite_copy_counts_done, BROKEN_COPY_COUNTS_DONE, "user_copies_return_zero",
	    "port_copy_to_user() of what can be written does not return 0")
SUITE_NAMES(suite_clear_is_not_exact, BROKEN_CLEAR_ALL_OR_NOTHING, "user_copies_count_to_the_byte",
	    "port_clear_user() that stops after 10 of 11 bytes returns 11, not 1")
SUITE_NAMES(suite_strncpy, BROKEN_STRNCPY_LEAVES_OUT_END, "strncpy_from_user_counts",
	    "port_strncpy_from_user() of \"hello\" returns 5, not 6: the terminator counts")
SUITE_NAMES(suite_cmpxchg, BROKEN_CMPXCHG_FORGETS_OLD, "cmpxchg_user_tells_the_old_value",
	    "port_cmpxchg_user() of a word that is 5 reports 3")
SUITE_NAMES(suite_kill_does_not_wake, BROKEN_KILL_DOES_NOT_WAKE, "sigkill_wakes_a_parked_task",
	    "SIGKILL by port_send_signal() does not wake a parked task")
SUITE_NAMES(suite_fatal_is_false, BROKEN_FATAL_IS_FALSE, "sigkill_wakes_a_parked_task",
	    "SIGKILL by port_send_signal() does not wake a parked task")
SUITE_NAMES(suite_tasks_left_out, BROKEN_TASKS_LEFT_OUT, "every_task_is_visited",
	    "port_for_each_task() leaves out a task")
SUITE_NAMES(suite_tasks_do_not_stop, BROKEN_TASKS_DO_NOT_STOP, "every_task_is_visited",
	    "port_for_each_task() goes on after the function has returned false")
SUITE_NAMES(suite_signals_all, BROKEN_SIGNALS_ALL, "only_wanted_tasks_are_signalled",
	    "port_signal_tasks() signals a task that is not wanted")

/* ---- What the core asks of the hooks of preemption ------------------------------------------- */

PAGODA_TEST(a_spinlock_disables_preemption, "")
{
	spinlock_t lock = SPIN_LOCK_INIT(RANK_LEAF), other = SPIN_LOCK_INIT(RANK_NONE);
	unsigned long flags;

	CHECK_EQ(broken_preempt_depth, 0);
	spin_lock_irqsave(&lock, flags);
	CHECK_EQ(broken_preempt_depth, 1);
	CHECK(!spin_trylock(&lock)); /* a failed try leaves nothing behind */
	CHECK_EQ(broken_preempt_depth, 1);
	spin_lock(&other);
	CHECK_EQ(broken_preempt_depth, 2);
	spin_unlock(&other);
	spin_unlock_irqrestore(&lock, flags);
	CHECK_EQ(broken_preempt_depth, 0);
}

/* Nothing of the above comes from this build of the core itself. */
PAGODA_TEST_CONFIG(a_port_without_mistakes_conforms, "", .nr_cpus = 2, .start_threads = true)
{
	CHECK_EQ(pagoda_conformance(5), 0);
	CHECK_EQ(broken_preempt_depth, 0);
}
