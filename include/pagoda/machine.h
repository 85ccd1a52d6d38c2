/* SPDX-License-Identifier: MIT */
/*
 * machine.h: what a kernel on the core asks of a machine beyond port.h: booting,
 * switching contexts, entering user mode, byte streams, power. machine/pc
 * provides the machine_* functions; kernel/ provides the kernel_* upcalls.
 *
 * Boot, in order:
 *	machine entry		early console, descriptor tables, memory map
 *	kernel_main(bi)		on CPU 0, the boot stack, interrupts off
 *	  mm_boot()		bootmem -> kernel page tables -> buddy -> slab -> vmalloc
 *	  machine_init()	interrupt controller, clock, PCI, virtio; may allocate
 *	  ...			tasks, file systems, init
 */
#pragma once

#include <pagoda/types.h>
#include <pagoda/port.h>

PAGODA_C_BEGIN

struct pt_regs;
struct vm_task;

struct boot_info {
	const char *cmdline;		      /* never NULL; stays valid */
	phys_addr_t initrd_start, initrd_end; /* equal: none */
	phys_addr_t kernel_start, kernel_end; /* the image in RAM, [start, end) */
	phys_addr_t init_start, init_end;     /* its part that free_initmem() gives back */
	u64 entry_tsc;			      /* time-stamp counter at the first instruction */
	u64 tsc_hz;			      /* after machine_init() */
};

/* ---- Upcalls: the kernel provides ------------------------------------------------ */

/* The kernel's first and last call: boots, then idles. On CPU 0, the boot stack, interrupts off. */
__noreturn void kernel_main(struct boot_info *bi);

/*
 * The task of the boot context, which port_current() answers from the machine's first call of the
 * core on. It later becomes CPU 0's idle task; until sched_init() only its vm_task has values.
 *
 * Context: any, also before everything else is initialised.
 */
struct vm_task *kernel_boot_task(void);

/* A system call. Interrupts on; the number is in regs->orig_ax, result to regs->ax. */
void kernel_syscall(struct pt_regs *regs);

/* The periodic tick, HZ = 100 times a second per CPU, interrupts off. */
void kernel_tick(struct pt_regs *regs);

/*
 * The handler of an interrupt, whichever, has done its work. Interrupts off; they may be turned on
 * meanwhile.
 */
void kernel_interrupt_end(void);
/* Turn interrupts on; for kernel_interrupt_end(). */
void machine_irqs_on(void);

/*
 * Called as often as machine_start_samples() asked for, with interrupts off. regs: of the
 * interrupted code.
 * late_cycles: time-stamp cycles since the interrupt was due; interrupts have been off for at least
 * as long.
 */
void kernel_sample(struct pt_regs *regs, u64 late_cycles);

/*
 * About to go back to user mode with regs (from a system call, fault, trap or
 * interrupt): deliver signals, give way to others. Interrupts on; called again
 * until it has nothing left to do. kernel_work_pending() is the cheap test before.
 */
bool kernel_work_pending(void);
void kernel_return_to_user(struct pt_regs *regs);

/*
 * A CPU exception in user mode other than a page fault; the machine has already
 * turned it into a signal by ABI.md section 4. Interrupts on.
 */
void kernel_user_trap(struct pt_regs *regs, int signo, int si_code, unsigned long addr);

/* Behind port_cond_resched(): give way if the scheduler wants to. May sleep. */
void kernel_cond_resched(void);

/* ---- Contexts ------------------------------------------------------------------------ */

#define KERNEL_STACK_SIZE (4 * SZ_4K)

/*
 * The machine's part of a task: the kernel stack pointer, and registers of user mode that the
 * kernel does not use. Only the machine looks inside; the kernel uses the calls below.
 */
#define MACHINE_THREAD_BYTES 576
struct machine_thread {
	u8 opaque[MACHINE_THREAD_BYTES];
} __aligned(64);

/* Allocate and free a kernel stack with an unmapped guard page below. May sleep. */
void *machine_stack_alloc(void) __must_check; /* lowest usable address, or NULL */
void machine_stack_free(void *stack);

/*
 * Prepare a thread that has never run: it will start in fn(arg) on the given stack,
 * interrupts on. fn must not return.
 */
void machine_thread_init(struct machine_thread *t, void *stack, void (*fn)(void *), void *arg);

/* The pt_regs that lie at the top of a thread's stack: its user mode registers. */
struct pt_regs *machine_user_regs(struct machine_thread *t);

/*
 * Switch from prev to next, saving and loading registers, FPU, FS and GS base and
 * the stack for traps. Address spaces are not touched (the core's switch_mm does
 * that). Interrupts off. Returns when prev runs again. prev->task / current is
 * changed by machine_set_current() before.
 */
void machine_switch(struct machine_thread *prev, struct machine_thread *next);

/* From here on port_current() answers task on this CPU. */
void machine_set_current(struct vm_task *task);

/* Leave the kernel through machine_user_regs(current); also runs kernel_return_to_user first. */
__noreturn void machine_enter_user(struct machine_thread *t);

/*
 * Save the running thread's live FPU state and FS/GS bases into *t / load them (fork, signals,
 * exec).
 */
void machine_save_user_state(struct machine_thread *t);
void machine_load_user_state(const struct machine_thread *t);

/* The state a new program starts with: FCW 0x37f, MXCSR 0x1f80, bases 0. */
void machine_reset_user_state(struct machine_thread *t);

/*
 * The following work on saved state: of a thread that does not run, or between
 * machine_save_user_state() and machine_load_user_state().
 */

/* fork: child's user state becomes parent's. */
void machine_copy_user_state(struct machine_thread *child, const struct machine_thread *parent);

/* The bases of FS and GS. Setting one, an address of user space, puts 0 into its selector. */
enum machine_base { MACHINE_FS_BASE, MACHINE_GS_BASE };
unsigned long machine_user_base(const struct machine_thread *t, enum machine_base which);
void machine_set_user_base(struct machine_thread *t, enum machine_base which, unsigned long base);

/* The FPU's and SSE's registers, as FXSAVE lays them out / as a new program has them. */
#define MACHINE_FPU_BYTES 512
u8 *machine_fpu_state(struct machine_thread *t);
void machine_reset_fpu_state(struct machine_thread *t);

/* The last exception of the thread in user mode, as the CPU told of it: for signal frames. */
struct machine_trap_info {
	unsigned long nr, error_code, address;
};
struct machine_trap_info *machine_last_trap(struct machine_thread *t);

/* ---- The machine itself -------------------------------------------------------------- */

/* Interrupts, clock, PCI, virtio. After mm_boot(); may allocate; interrupts go on inside. */
void machine_init(struct boot_info *bi);

/*
 * Take the init sections out of the image's mapping; right before free_initmem() gives them away.
 */
void machine_unmap_init(void);

/* Wait for an interrupt: atomically turns interrupts on and halts; on return they are on. */
void machine_idle(void);

/* Fill buf with random bytes, as good as the machine has (RDRAND, else the counter's jitter). */
void machine_random(void *buf, size_t n);

/* Wall clock at boot, nanoseconds since 1970 (from the RTC). */
u64 machine_boot_wallclock_ns(void);

/* CPUID.1:EDX for AT_HWCAP. */
u32 machine_hwcap(void);

/* Break a protection on purpose, for tests (kinds: machine/pc/crash.c). Returns if kind is none. */
void machine_crash(const char *kind);

/* Turn the power off. status is for a debugger or QEMU's isa-debug-exit, if any. */
__noreturn void machine_power_off(int status);

/*
 * Read kept log text from *position on (0: the oldest kept) and advance it past what was
 * read or lost. Return: bytes copied, 0 at the end.
 */
size_t machine_log_read(unsigned long *position, char *buf, size_t n);

/* Messages up to this level also go to the console (loglevel=). The kept log has all. */
void machine_log_level(enum port_log_level level);

/* Raw time-stamp counter: guest instructions under --icount. */
u64 machine_cycles(void);

/* Call kernel_sample() per_tick times in each tick from now on. */
void machine_start_samples(unsigned int per_tick);
/*
 * Fill addrs with the interrupted instruction's address and its callers' return addresses. How
 * many, at most max.
 */
unsigned int machine_back_trace(const struct pt_regs *regs, unsigned long *addrs, unsigned int max);
/* The kernel's function that addr lies in, or NULL; *offset: how far into it. */
const char *machine_symbol(unsigned long addr, unsigned long *offset);

/* ---- Byte streams: how a program's input and output leave the machine ----------------- */

/*
 * On a PC a stream is a port of one virtio-serial-pci device, found by its name. STREAM_STDIO
 * is a pair of ports, because QEMU throws a port's output away once its input has ended:
 *	pagoda.stdin	STREAM_STDIO, reading; closed by the host at the end of input
 *	pagoda.stdout	STREAM_STDIO, writing
 *	pagoda.stderr	STREAM_STDERR
 *	pagoda.control	STREAM_CONTROL
 * The close arrives as a control message (PORT_OPEN 0); all data sent before it already lies
 * in the receive queue by then and must be read before the end of input is reported.
 */
enum machine_stream {
	STREAM_STDIO,	/* both ways: the program's stdin and stdout */
	STREAM_STDERR,	/* out */
	STREAM_CONTROL, /* out: exit status and statistics for the host, lines of JSON */
	NR_STREAMS
};

/* Is there a device behind this stream? (On a real PC there may be only the console.) */
bool machine_stream_present(enum machine_stream s);

/*
 * Take up to n bytes for output; returns how many were taken, 0 if none can be now. Never sleeps.
 */
size_t machine_stream_write(enum machine_stream s, const void *buf, size_t n);

/* Bytes read (up to n), 0 if there are none now, -EPIPE after the end of input. Never sleeps. */
long machine_stream_read(enum machine_stream s, void *buf, size_t n);

/* Input waiting (or at its end) / room for output. */
bool machine_stream_readable(enum machine_stream s);
bool machine_stream_writable(enum machine_stream s);

/* Block (polling the device, not sleeping) until all output has left the machine. */
void machine_stream_flush(enum machine_stream s);

/* Cycles of the boot that went by in waiting for the host's ends of the streams. */
u64 machine_stream_wait_cycles(void);
/* fn is called (interrupts off) whenever a stream may have become readable or writable. */
void machine_stream_notify(void (*fn)(enum machine_stream s));

/* Bytes typed on the machine's own console (serial, keyboard); -1 if none. */
int machine_console_getc(void);

PAGODA_C_END
