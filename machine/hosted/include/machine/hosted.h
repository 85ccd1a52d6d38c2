/* SPDX-License-Identifier: MIT */
/*
 * hosted.h: what tests (and later fuzzers and simulations) ask of the hosted machine
 * beyond port.h: building one, being its user programs, and looking inside.
 *
 * Words: a CPU is simulated; a task is a host thread that holds a CPU while it runs.
 * The thread that calls hosted_boot() becomes the boot task, on CPU 0 for good.
 * User programs are ordinary C functions run by a task that has an mm; they touch user
 * memory through hosted_user_*() alone, which is where the simulated MMU sits.
 */
#pragma once

#include <pagoda/mm.h>
#include <pagoda/mmzone.h>
#include <pagoda/port.h>

PAGODA_C_BEGIN

/* ---- Building a machine ------------------------------------------------------- */

/* All zero is a good machine: one CPU, 64 MiB, one node, TLBs that never forget by themselves. */
struct hosted_config {
	unsigned int nr_cpus;  /* 1 .. NR_CPUS; 0: 1 */
	phys_addr_t ram;       /* bytes, laid out as a PC's with a hole below 1 MiB; 0: 64 MiB */
	unsigned int nr_nodes; /* ram is dealt out evenly among them; 0: 1 */
	const struct port_mem_range *map; /* or the memory map itself, in place of the above */
	unsigned int nr_map;
	/* with map: the node of each CPU; without: CPU n is on node n % nr_nodes */
	int cpu_nid[NR_CPUS];
	unsigned int tlb_entries; /* per CPU; 0: no limit, so what is not flushed stays */
	const char *options;	  /* the kernel command line; NULL: "" */
	bool no_mm_boot;	  /* stop before mm_boot(): for tests of boot-time code */
	bool start_threads;	  /* call mm_start_threads() */
	bool deterministic;	  /* one CPU's step at a time, drawn from seed */
	/* harness.h: the test is about this very machine, do not vary it */
	bool exact;
	u64 seed;
};

/* Build the machine and boot the core on it. Once per process; on failure the test ends. */
void hosted_boot(const struct hosted_config *config);

struct mm_boot_info;
struct x86_control;
/* mm_boot() as hosted_boot() calls it, for a machine that was built with no_mm_boot. */
void hosted_boot_core(const struct mm_boot_info *info);
/*
 * What the control registers of the simulated CPUs read as; the root is filled in when they are
 * read. For tests, which change it before the core boots.
 */
extern struct x86_control hosted_control;

/*
 * Deterministic mode: go on as if the machine had been built with this seed; other tasks at rest.
 */
void hosted_reseed(u64 seed);

/*
 * Host address of a physical byte (any RAM, high memory too), by a mapping of its own; NULL in
 * holes.
 */
void *hosted_phys(phys_addr_t pa);

/* Everything the core wrote to the log since boot, a C string. */
const char *hosted_log(void);
void hosted_clear_log(void);

/* Called with the text of a panic, and for faults and misuse that end a test. Must not return. */
extern void (*hosted_panic_hook)(const char *message);

/* Report misuse of the machine or a broken promise of the core, and end the test. */
__noreturn void hosted_fatal(const char *fmt, ...) __printf(1, 2);

/*
 * After a host fork(), in the child: it gets its own copy of RAM, so that what it does does
 * not reach the parent, and all other tasks are dead, as their threads are not here.
 */
void hosted_after_fork(void);

/*
 * Let go of every lazily borrowed mm on every CPU, so that dead ones are freed. Other tasks at
 * rest.
 */
void hosted_drop_lazy_mms(void);

/* ---- Tasks --------------------------------------------------------------------- */

struct hosted_task;
#define HOSTED_ANY_CPU (-1)

/* A kernel thread, on one CPU or any. */
struct hosted_task *hosted_spawn(const char *name, int cpu, void (*fn)(void *arg), void *arg);
/*
 * A child process with a copy of the caller's mm (dup_mm), running fn; NULL if there is no memory.
 */
struct hosted_task *hosted_fork(int cpu, void (*fn)(void *arg), void *arg) __must_check;
/* A thread that shares the caller's mm. */
struct hosted_task *hosted_clone(int cpu, void (*fn)(void *arg), void *arg);
/* Wait for a task's end (its fn returned, its mm let go). */
void hosted_wait(struct hosted_task *task);
/* Tasks alive apart from kernel threads and the boot task. */
unsigned int hosted_nr_tasks(void);

/* Give the current task a new, empty address space (mm_alloc, activate_mm). 0 or -ENOMEM. */
int hosted_process_create(void) __must_check;
/* The current task lets go of its address space. */
void hosted_process_exit(void);

/* A task as the core sees it / the running task, NULL outside of the simulation. */
struct vm_task *hosted_vm_task(struct hosted_task *task);
struct hosted_task *hosted_current(void);

/*
 * Let every task that is ready for this CPU run until all of them sleep. A task that was woken runs
 * before the caller goes on.
 */
void hosted_let_others_run(void);

/* Around something that blocks on the host: the CPU is given up and taken again. */
void hosted_leave(void);
void hosted_enter(void);

/* ---- Being a user program -------------------------------------------------------- */
/*
 * As instructions of the current task in user mode. True if done; false if the access
 * ended in a signal, which hosted_signal() then tells. Accesses may cross pages; what came
 * before the bad byte is done.
 */
bool hosted_user_read(unsigned long addr, void *buf, size_t n);
bool hosted_user_write(unsigned long addr, const void *buf, size_t n);
bool hosted_user_exec(unsigned long addr); /* fetch an instruction from there */
bool hosted_user_fill(unsigned long addr, int byte, size_t n);

/*
 * The host address of a user byte, reached as an instruction would that reads or writes it; good
 * until the task enters the kernel again, or waits. NULL: a signal. For programs in a hurry.
 */
void *hosted_user_reach(unsigned long addr, bool write);
/* Page faults that the MMU has raised for the current task in user mode. */
unsigned long hosted_nr_traps(void);

/* One naturally aligned value; a signal ends the test. */
u8 hosted_read8(unsigned long addr);
u32 hosted_read32(unsigned long addr);
u64 hosted_read64(unsigned long addr);
void hosted_write8(unsigned long addr, u8 value);
void hosted_write32(unsigned long addr, u32 value);
void hosted_write64(unsigned long addr, u64 value);
/* lock xadd: the old value. */
u32 hosted_fetch_add32(unsigned long addr, u32 value);

/* The user stack pointer that faults report; 0 at first. */
void hosted_set_user_sp(unsigned long sp);

/* Signals that faults or port_send_signal() left with a task. */
struct hosted_signal {
	int signo, code; /* signo 0: none; code 0: from port_send_signal() */
	unsigned long addr, error_code;
};
/* Take the oldest signal of the current task / of a task. */
struct hosted_signal hosted_signal(void);
struct hosted_signal hosted_task_signal(struct hosted_task *task);

/* ---- Looking inside ---------------------------------------------------------------- */

/* What the page tables say of an MMU address, now, whatever any TLB holds. No side effects. */
struct hosted_pte_info {
	bool present, write, user, exec, accessed, dirty, global, large;
	phys_addr_t pa; /* of the page */
	int level;	/* where the walk ended: 1 is the last table */
	u64 entry;	/* the entry as it stands there */
};
struct hosted_pte_info hosted_lookup(phys_addr_t root, unsigned long mmu_addr);
/* The same of a user address of an mm, and of a kernel address in its window. */
struct hosted_pte_info hosted_lookup_user(struct mm_struct *mm, unsigned long addr);
struct hosted_pte_info hosted_lookup_kernel(const void *addr);

/* Does this CPU's TLB hold a translation of the user address? */
bool hosted_tlb_holds(unsigned int cpu, unsigned long addr);
/* Does no task hold this CPU? */
bool hosted_cpu_is_idle(unsigned int cpu);
/* The root this CPU's MMU walks. */
phys_addr_t hosted_cpu_root(unsigned int cpu);

/* ---- Making allocations fail --------------------------------------------------------- */
/* The n-th allocation from now (1 is the next) fails, once. 0: none does; counting goes on. */
void hosted_fail_nth(unsigned long n);
/* From now on about one allocation in n fails, spread evenly but not regularly. 0: none. */
void hosted_fail_one_in(unsigned long n);
/* Allocations asked for since hosted_fail_nth(). */
unsigned long hosted_fail_count(void);

PAGODA_C_END
