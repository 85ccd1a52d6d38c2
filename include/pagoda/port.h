/* SPDX-License-Identifier: MIT */
/*
 * port.h: the whole contract between the core (mm/) and the machine under it.
 *
 * A kernel that embeds the core implements these functions; machine/hosted does it in
 * a Linux process, machine/pc together with kernel/ on a PC. The suite of conformance/
 * checks an implementation against this text by one call (conformance.h), and mistakes that would
 * end the machine before are named while the core boots. What is asked beyond functions, of the
 * compiler, the linker script, the trap handlers and the scheduler, is in docs/PORT_CONTRACT.md.
 * The functions are grouped by the tier of the core that first needs them (PORT_FUNCTIONS below is
 * the list), so that an embedder who wants frames and a heap only writes the first group:
 *
 *	tier 1	frames and heap		bootmem, buddy, slab
 *	tier 2	kernel mappings		page tables, vmalloc, kmap; tasks that sleep
 *	tier 3	address spaces		VMAs, faults, copy-on-write
 *	tier 4	files			page cache, mapped files, block devices, writeback
 *	tier 5	pressure		reclaim, swap, out of memory
 *
 * Every function may be called from any context unless its comment says
 * otherwise; "may sleep" means: process context, interrupts on, no spinlock held.
 * None may call back into the core unless its comment says so.
 *
 * Functions that sit on the fastest paths (marked [inline]) are static inlines. They are
 * as much a part of this contract as the others: a machine implements them in a header of the
 * name <port/inline.h> (and <port/layout.h>, asm/page.h), which the build finds by include path.
 * What is marked [optional] has a default at the end of this header.
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

struct mm_struct;
struct vm_task;
struct pt_regs;

/* ---- Tier 1: frames and heap ------------------------------------------------ */

/* What the firmware says of a range of physical memory. */
enum port_mem_type {
	PORT_MEM_USABLE,   /* RAM the core may use */
	PORT_MEM_RESERVED, /* anything else that must not be touched */
	PORT_MEM_RECLAIM,  /* RAM in use until the boot is over (ACPI tables, initrd) */
};

struct port_mem_range {
	phys_addr_t start, end; /* bytes, [start, end); need not be page aligned */
	enum port_mem_type type;
	int nid; /* the node this memory is near; 0 where there are no nodes */
};

/*
 * The physical memory map. Ranges may come in any order and may overlap (the
 * stricter type wins); memory not named is a hole. *nr receives their number.
 * The array stays valid until free_initmem().
 */
const struct port_mem_range *port_memory_map(unsigned int *nr);

/*
 * [optional] Does usable RAM read as zeroes when the core first gets it? Boot memory that nobody
 * had before is then not cleared again. False if in doubt.
 */
bool port_ram_is_zeroed(void);

/*
 * [inline] The CPU this runs on, 0 .. port_nr_cpus()-1. The answer may be stale at
 * once unless the caller cannot be moved (interrupts off, or a spinlock held).
 */
static inline unsigned int port_cpu_id(void);

/* CPUs that are up. Grows while the machine starts its CPUs, never shrinks. At most NR_CPUS. */
unsigned int port_nr_cpus(void);

/* [optional] The node of a CPU; 0 on a machine of one node. */
int port_cpu_to_node(unsigned int cpu);

/* [inline] Turn interrupts off on this CPU and return the earlier state for restore. */
static inline unsigned long port_irq_save(void);
static inline void port_irq_restore(unsigned long flags);
/*
 * [inline, optional] The same around a few instructions that take no lock, call nothing. A machine
 * whose interrupts come only at calls has nothing to do.
 */
static inline unsigned long port_irq_save_short(void);
static inline void port_irq_restore_short(unsigned long flags);
/* [inline] True if interrupts are on here. */
static inline bool port_irqs_enabled(void);

/*
 * [inline, optional] Until enable was called as often as disable, no other task runs on this CPU
 * and the calling task stays on it; interrupts still come. They are around every spinlock and
 * kmap_atomic(). A kernel that never preempts a task in kernel mode leaves both to their defaults,
 * which do nothing. Context: any. The calls nest, and count for the CPU or for the task.
 */
static inline void port_preempt_disable(void);
static inline void port_preempt_enable(void);

/*
 * [inline, optional] Once per turn of a loop that waits for another CPU. The hosted machine
 * gives up the host's processor here; deterministic mode switches CPUs here.
 */
static inline void port_cpu_relax(void);

/*
 * [inline, optional] A point at which another CPU may run next (before a lock, an atomic
 * operation others depend on, a fault). Empty except in deterministic mode.
 */
static inline void port_interleave(void);

/*
 * Run fn(arg) on every CPU in mask (bit n = CPU n) and return when all have
 * finished; the calling CPU's bit, if set, runs it here. fn runs with interrupts
 * off and must not sleep. Call with interrupts on, or with a mask of this CPU only.
 */
void port_on_each_cpu(unsigned long mask, void (*fn)(void *arg), void *arg);

/*
 * [inline] What the core knows of the running task; embedded in the kernel's own
 * task structure. Never NULL: before the first task it is the boot task's.
 */
static inline struct vm_task *port_current(void);

enum port_log_level { PORT_LOG_ERR, PORT_LOG_WARN, PORT_LOG_INFO, PORT_LOG_DEBUG };

/* Write len bytes of text (whole lines, no level prefix) to the log. */
void port_log(enum port_log_level level, const char *text, size_t len);

/*
 * Stop the machine: the message, registers and a back trace go to the log. The
 * hosted machine ends the process, or jumps back to a test that expects it.
 */
__noreturn void port_panic(const char *message);

/*
 * Should the next fallible allocation fail? Tests inject failures here; a real
 * machine answers false, which is the default. site names the allocator. [inline, optional]
 */
static inline bool port_should_fail(const char *site);

/*
 * False: port_should_fail() would say no, and nothing else waits for this CPU. The fastest
 * paths ask this one question and leave all that is rare to a call. [inline, optional]
 */
static inline bool port_watched(void);

/* [inline, optional] Give way if the scheduler wants to; for long loops. May sleep. */
static inline void port_cond_resched(void);

/* ---- Tier 2: kernel mappings -------------------------------------------------- */

/*
 * Load a page-table root: pgd_pa is the physical address of the top-level table.
 * On return the CPU holds no non-global translation of the old tables.
 */
void port_load_pgd(phys_addr_t pgd_pa);

/* Forget this CPU's translation of the page at addr, global or not. */
void port_flush_tlb_page(unsigned long addr);

/* Forget every translation of this CPU, global ones included (SM-14). */
void port_flush_tlb_all(void);

/*
 * Map the kernel's image, and all else that the port must reach outside of the direct map, into the
 * kernel's page tables with map_kernel_range(). Called once by paging_init(), while boot
 * memory is all there is; the tables are loaded when it returns. Calls back into the core.
 */
void port_map_kernel_image(void);

/*
 * Also of this tier: x86_features (asm/cpufeature.h), which the port sets before it boots the core
 * to what it has switched on in CR0, CR4 and EFER.
 */

/*
 * park() takes the current task's token, sleeping until there is one or
 * deadline_ns (port_clock_ns() scale; U64_MAX: never) has passed; unpark(t) gives
 * task t its token, from any context. A task has at most one token, so an unpark
 * that comes before the park is not lost, and park may return early: callers
 * re-check their condition. Wait queues, mutexes and semaphores stand on these
 * two alone. port_park may sleep. A fatal signal ends it, as any unpark does.
 */
void port_park(u64 deadline_ns);
void port_unpark(struct vm_task *task);

/*
 * Is a fatal signal pending for the running task? Waits for memory and those of the _killable calls
 * end early then: when such a signal comes, the port unparks the task (port_unpark()). Any context.
 */
bool port_fatal_signal_pending(void);

/* ---- Tier 3: address spaces --------------------------------------------------- */

/*
 * Also of this tier: a page-fault handler that calls do_page_fault() (asm/fault.h says how), the
 * symbols __start___ex_table and __stop___ex_table (the same header), and the initial values of
 * struct vm_task (docs/PORT_CONTRACT.md; vm_task_complaint() looks at them).
 */

/*
 * Raw copies between kernel memory and the user half of the current address
 * space. Ranges were checked to lie below TASK_SIZE; nothing was checked of
 * what is mapped there. Faults are served through do_page_fault; where that
 * fails the copy stops. Return: bytes NOT copied (0 is success), exact to the
 * byte. May sleep, unless page faults are disabled in the task.
 */
size_t port_copy_from_user(void *dst, unsigned long src, size_t n);
size_t port_copy_to_user(unsigned long dst, const void *src, size_t n);
size_t port_clear_user(unsigned long dst, size_t n);

/*
 * Length of the string at src including its terminating 0, at most n; a return
 * above n means no terminator within n bytes, 0 means a fault. If dst is not NULL
 * the bytes looked at are copied there too.
 */
size_t port_strncpy_from_user(char *dst, unsigned long src, size_t n);

/*
 * Atomic compare-and-exchange on an aligned 32-bit user word: 0 and the old value
 * in *old, or -EFAULT. (Futexes need it.)
 */
int port_cmpxchg_user(unsigned long addr, u32 *old, u32 new_value);

/* Forget this CPU's non-global translations (a CR3 reload on x86). */
void port_flush_tlb(void);

/*
 * [optional] A process's own segments on this CPU: nr descriptors in the direct map that stay while
 * loaded; nr 0: none. Interrupts off. A machine without segments has nothing to do.
 */
void port_load_ldt(const void *entries, unsigned int nr);

/* Let other tasks run. May sleep. */
void port_yield(void);

/*
 * A fault of the running task that cannot be served: make it a signal (signo,
 * si_code and address as in ABI.md section 4). Called in the task's context with
 * no locks held; the signal is taken on the way back to user mode.
 */
void port_fault_signal(struct pt_regs *regs, int signo, int si_code, unsigned long addr,
		       unsigned long error_code);

/*
 * A fault in kernel code that nothing expected: report it and end the current
 * task, or the machine if there is none to end. Does not return to the fault.
 */
__noreturn void port_die(struct pt_regs *regs, const char *what, unsigned long addr,
			 unsigned long error_code);

/* Send a signal to a task from any context (OOM kill, SIGBUS for lost pages). */
void port_send_signal(struct vm_task *task, int signo);

/* ---- Tier 4: files --------------------------------------------------------------- */

/* Nanoseconds since boot. Never goes back, agrees between CPUs. */
u64 port_clock_ns(void);

/*
 * Start a kernel thread (kswapd, writeback). It has no mm. fn may sleep; if it
 * returns the thread ends. NULL if there is no memory. May sleep.
 */
struct vm_task *port_thread_create(const char *name, void (*fn)(void *arg), void *arg) __must_check;

/* ---- Tier 5: pressure ----------------------------------------------------------- */

/*
 * Call fn for every task until it returns false. The task cannot go while fn runs, so fn must not
 * sleep, and should be short: interrupts may be off. Between calls others may run: tasks that begin
 * or end meanwhile may be missed. May sleep.
 */
void port_for_each_task(bool (*fn)(struct vm_task *task, void *arg), void *arg);

/* Send a signal to every task for which wanted is true, under the same conditions. */
void port_signal_tasks(bool (*wanted)(struct vm_task *task, void *arg), void *arg, int signo);

/* ---- Which tier needs which function ---------------------------------------------------- */

/*
 * X(function, tier, need). A port for tiers 1 to N implements the functions of these tiers that are
 * REQUIRED. What is OPTIONAL has a default below; a port that implements it says so by a macro of
 * the same name (#define port_cpu_relax port_cpu_relax) in its <port/inline.h>. KERNEL: no tier of
 * the core calls it, but kernel/ does. tests/host/tiers.py holds this list against the archives.
 */
#define PORT_FUNCTIONS(X)                         \
	X(port_memory_map, 1, REQUIRED)           \
	X(port_cpu_id, 1, REQUIRED)               \
	X(port_nr_cpus, 1, REQUIRED)              \
	X(port_irq_save, 1, REQUIRED)             \
	X(port_irq_restore, 1, REQUIRED)          \
	X(port_irqs_enabled, 1, REQUIRED)         \
	X(port_on_each_cpu, 1, REQUIRED)          \
	X(port_current, 1, REQUIRED)              \
	X(port_log, 1, REQUIRED)                  \
	X(port_panic, 1, REQUIRED)                \
	X(port_ram_is_zeroed, 1, OPTIONAL)        \
	X(port_cpu_to_node, 1, OPTIONAL)          \
	X(port_irq_save_short, 1, OPTIONAL)       \
	X(port_irq_restore_short, 1, OPTIONAL)    \
	X(port_preempt_disable, 1, OPTIONAL)      \
	X(port_preempt_enable, 1, OPTIONAL)       \
	X(port_cpu_relax, 1, OPTIONAL)            \
	X(port_interleave, 1, OPTIONAL)           \
	X(port_should_fail, 1, OPTIONAL)          \
	X(port_watched, 1, OPTIONAL)              \
	X(port_cond_resched, 1, OPTIONAL)         \
	X(port_load_pgd, 2, REQUIRED)             \
	X(port_map_kernel_image, 2, REQUIRED)     \
	X(port_flush_tlb_page, 2, REQUIRED)       \
	X(port_flush_tlb_all, 2, REQUIRED)        \
	X(port_park, 2, REQUIRED)                 \
	X(port_unpark, 2, REQUIRED)               \
	X(port_fatal_signal_pending, 2, REQUIRED) \
	X(port_flush_tlb, 3, REQUIRED)            \
	X(port_load_ldt, 3, OPTIONAL)             \
	X(port_copy_from_user, 3, REQUIRED)       \
	X(port_copy_to_user, 3, REQUIRED)         \
	X(port_clear_user, 3, REQUIRED)           \
	X(port_strncpy_from_user, 3, REQUIRED)    \
	X(port_cmpxchg_user, 3, KERNEL)           \
	X(port_fault_signal, 3, REQUIRED)         \
	X(port_send_signal, 3, REQUIRED)          \
	X(port_die, 3, REQUIRED)                  \
	X(port_yield, 3, REQUIRED)                \
	X(port_clock_ns, 4, REQUIRED)             \
	X(port_thread_create, 4, REQUIRED)        \
	X(port_for_each_task, 5, REQUIRED)        \
	X(port_signal_tasks, 5, REQUIRED)

PAGODA_C_END

#include <port/inline.h>

/* ---- Defaults of what is optional ------------------------------------------------------- */

/*
 * Defined as 1 in <port/inline.h>: memset() may borrow XMM0, which it puts back, since the kernel
 * has switched SSE on (CR4.OSFXSR). Else the core uses no vector register.
 */
#ifndef PORT_LENDS_VECTOR_REGISTER
#define PORT_LENDS_VECTOR_REGISTER 0
#endif

PAGODA_C_BEGIN

#ifndef port_irq_save_short
static inline unsigned long port_irq_save_short(void)
{
	return port_irq_save();
}
static inline void port_irq_restore_short(unsigned long flags)
{
	port_irq_restore(flags);
}
#endif
#ifndef port_preempt_disable
static inline void port_preempt_disable(void)
{
}
static inline void port_preempt_enable(void)
{
}
#endif
#ifndef port_cpu_relax
static inline void port_cpu_relax(void)
{
	barrier();
}
#endif
#ifndef port_interleave
static inline void port_interleave(void)
{
}
#endif
#ifndef port_should_fail
static inline bool port_should_fail(const char *site)
{
	(void)site;
	return false;
}
#endif
#ifndef port_watched
static inline bool port_watched(void)
{
	return false;
}
#endif
#ifndef port_cond_resched
static inline void port_cond_resched(void)
{
}
#endif
/* Functions of a port's .c files: where there are none, the calls go to one of these. */
#ifndef port_ram_is_zeroed
static inline bool port_ram_may_be_dirty(void)
{
	return false;
}
#define port_ram_is_zeroed port_ram_may_be_dirty
#endif
#ifndef port_cpu_to_node
static inline int port_only_node(unsigned int cpu)
{
	(void)cpu;
	return 0;
}
#define port_cpu_to_node port_only_node
#endif
#ifndef port_load_ldt
static inline void port_without_ldt(const void *entries, unsigned int nr)
{
	(void)entries, (void)nr;
}
#define port_load_ldt port_without_ldt
#endif

PAGODA_C_END
