/* SPDX-License-Identifier: MIT */
/*
 * latency.c: for how long nobody else could run (boot word latency_debug).
 *
 * Two things are measured in cycles of the time-stamp counter, which counts instructions under
 * --icount:
 *
 *	stretches	between scheduling points: schedule(), port_cond_resched(), the way back to user
 *			mode. Nothing is preempted in the kernel, so everybody else waits for a stretch.
 *	blackouts	with interrupts off
 *
 * The machine's timer interrupts SAMPLES_PER_TICK times as often as the tick. Each sample notes
 * where the kernel is, and so gives a stretch its name; in user mode and in the idle task it ends
 * the stretch. How late a sample comes is how long interrupts were off when it was due, and where
 * it comes is where they were turned on again. A blackout shorter than the time between two samples
 * may be missed; a longer one is seen too short by that time at most, which the limit takes into
 * account.
 *
 *	      | due			| served: late by this much, at the sti
 *	------+-------------------------+------------>
 *	   cli|<------ blackout ------->|sti
 *
 * What exceeds its limit is a warning in the log, each function once until it is exceeded by a
 * quarter more. It is written at the next scheduling point, as writing takes long itself. The
 * longest of each kind are told at power-off.
 *
 * Off, each scheduling point costs one predicted branch. A task that was sampled in the kernel goes
 * back to user mode by way of kernel_return_to_user() (WORK_SAMPLED), so that system calls cost
 * nothing more.
 *
 * Locking: one CPU; interrupts off around what samples use.
 */
#include <pagoda/bug.h>
#include <pagoda/machine.h>
#include <pagoda/mm.h>
#include <pagoda/string.h>
#include <asm/ptrace.h>
#include <kernel/latency.h>
#include <kernel/sched.h>

#define SAMPLES_PER_TICK 200 /* each 50 us */
#define SAMPLE_CYCLES	 50000ull

/* 2 ms and 0.2 ms of a machine that runs 2,000 million instructions a second. */
#define STRETCH_LIMIT  4000000ull
#define BLACKOUT_LIMIT (400000ull - SAMPLE_CYCLES)

#define TRACE_DEPTH  7
#define NR_FUNCTIONS 24 /* that warnings are kept apart for */

/* Something that took long, and where. */
struct excess {
	u64 cycles;
	unsigned int depth; /* entries of trace; 0: no sample fell into it */
	unsigned long trace[TRACE_DEPTH];
	int pid;
	char comm[16];
};

struct watch {
	const char *what;
	u64 limit;
	struct excess longest, pending; /* pending.cycles 0: nothing to write */
	struct {
		const char *function;
		u64 cycles;
	} warned[NR_FUNCTIONS];
	unsigned int nr_warned;
};

bool latency_debug;
static struct watch stretches = {.what = "without a scheduling point", .limit = STRETCH_LIMIT};
static struct watch blackouts = {.what = "with interrupts off", .limit = BLACKOUT_LIMIT};
static u64 stretch_start;
static struct excess sampled; /* of the stretch: where it last was */

/* ---- Noting --------------------------------------------------------------------------------- */

static void note(struct watch *w, const struct excess *e, u64 cycles)
{
	if (cycles > w->longest.cycles) {
		w->longest = *e;
		w->longest.cycles = cycles;
	}
	if (cycles > w->limit && cycles > w->pending.cycles) {
		w->pending = *e;
		w->pending.cycles = cycles;
	}
}

static void look(struct excess *e, const struct pt_regs *regs)
{
	e->depth = machine_back_trace(regs, e->trace, TRACE_DEPTH);
	e->pid = current->vm.pid;
	memcpy(e->comm, current->vm.comm, sizeof(e->comm));
}

/* A stretch ends here, and the next begins. Interrupts off. */
static void end_stretch(void)
{
	u64 now = machine_cycles();

	note(&stretches, &sampled, now - stretch_start);
	sampled.depth = 0;
	stretch_start = now;
}

void kernel_sample(struct pt_regs *regs, u64 late_cycles)
{
	struct excess here;

	if (late_cycles > blackouts.longest.cycles || late_cycles > blackouts.limit) {
		look(&here, regs);
		note(&blackouts, &here, late_cycles);
	}
	if (user_mode(regs) || current == idle_task()) {
		end_stretch();
		return;
	}
	set_work(current, WORK_SAMPLED);
	if (machine_cycles() - stretch_start > stretches.limit / 8)
		look(&sampled, regs);
}

/* ---- Telling --------------------------------------------------------------------------------- */

static const char *function_of(const struct excess *e)
{
	unsigned long offset;
	const char *name = e->depth ? machine_symbol(e->trace[0], &offset) : NULL;

	return name ? name : "?";
}

/* Has a warning named this function, for about as long a time? */
static bool is_known(struct watch *w, const struct excess *e)
{
	const char *function = function_of(e);
	unsigned int i = 0;

	while (i < w->nr_warned && w->warned[i].function != function)
		i++;
	if (i < w->nr_warned && e->cycles < w->warned[i].cycles + w->warned[i].cycles / 4)
		return true;
	if (i == NR_FUNCTIONS)
		return true;
	w->nr_warned = max(w->nr_warned, i + 1);
	w->warned[i].function = function;
	w->warned[i].cycles = e->cycles;
	return false;
}

static void print_excess(const char *level, const char *what, const struct excess *e)
{
	char text[300] = "";
	size_t n = 0;

	for (unsigned int i = 0; i < e->depth && n < sizeof(text) - 1; i++) {
		unsigned long offset;
		const char *name = machine_symbol(e->trace[i] - !!i, &offset);

		n += (size_t)pagoda_snprintf(text + n, sizeof(text) - n, "%s%s", i ? " < " : " in ",
					     name ? name : "?");
	}
	pr_info("latency: %s: %llu cycles %s%s (task %d, %s)\n", level,
		(unsigned long long)e->cycles, what, text, e->pid, e->comm);
}

static void write_pending(struct watch *w)
{
	struct excess e;
	unsigned long flags = port_irq_save();

	e = w->pending;
	w->pending.cycles = 0;
	port_irq_restore(flags);
	if (e.cycles && !is_known(w, &e))
		print_excess("warning", w->what, &e);
}

void latency_end_stretch(void)
{
	unsigned long flags = port_irq_save();

	end_stretch();
	port_irq_restore(flags);
	if (likely(!stretches.pending.cycles && !blackouts.pending.cycles))
		return;
	write_pending(&stretches);
	write_pending(&blackouts);
	stretch_start = machine_cycles(); /* writing is ours */
}

void latency_report(void)
{
	if (!latency_debug)
		return;
	latency_point();
	print_excess("longest", stretches.what, &stretches.longest);
	print_excess("longest", blackouts.what, &blackouts.longest);
}

/* ---- A kernel that is too slow, for the test (boot word latency_test) ------------------------ */

/*
 * Most of the time passes in the caller, into which this is inlined, so that a sample finds the
 * caller's name.
 */
static __always_inline void spin_until(u64 until)
{
	while (machine_cycles() < until)
		for (unsigned int i = 0; i < 1000; i++)
			port_cpu_relax();
}

static noinline void spin_without_pause(void)
{
	spin_until(machine_cycles() + STRETCH_LIMIT + STRETCH_LIMIT / 4);
}

static noinline void spin_with_interrupts_off(void)
{
	unsigned long flags = port_irq_save();

	spin_until(machine_cycles() + BLACKOUT_LIMIT + BLACKOUT_LIMIT / 2);
	port_irq_restore(flags);
}

void latency_test(void)
{
	port_yield();
	spin_without_pause();
	port_yield();
	spin_with_interrupts_off();
	port_yield();
}

void latency_init(void)
{
	latency_debug = true;
	stretch_start = machine_cycles();
	machine_start_samples(SAMPLES_PER_TICK);
}
