/* SPDX-License-Identifier: MIT */
/*
 * tier4.c: files: the clock, threads, sleeping with a deadline, CPUs that are busy, requests to a
 * disk.
 *
 * A thread says "ended" as its last step, so that a test returns only when nobody uses its data any
 * more, or after it has waited for some seconds.
 */
#include "suite.h"
#include "threads.h"
#include <pagoda/abi/signal.h>
#include <pagoda/mm.h>
#include <pagoda/mmzone.h>
#include <pagoda/string.h>

/* ---- The clock ------------------------------------------------------------------------------- */

#define CLOCK_READS 100000
#define CLOCK_SPINS 4000000ul /* longer than a tick of 100 Hz, whatever the CPU */

static void clock_advances(void)
{
	u64 first = port_clock_ns(), last = first, now = first;

	for (int i = 0; i < CLOCK_READS; i++, last = now) {
		now = port_clock_ns();
		EXPECT(now >= last, "port_clock_ns() goes back, by %llu ns",
		       (unsigned long long)(last - now));
	}
	for (unsigned long i = 0; now == first && i < CLOCK_SPINS; i++) {
		port_cpu_relax();
		now = port_clock_ns();
	}
	EXPECT(now != first, "port_clock_ns() stands still");
}

/* ---- Waiting for threads --------------------------------------------------------------------- */

/* A clock that stands still must not make a test wait for ever. */
#define MOST_YIELDS 20000000ul

bool conformance_wait_for(int *counter, int value)
{
	u64 start = port_clock_ns();

	for (unsigned long i = 0; i < MOST_YIELDS; i++) {
		if (smp_load_acquire(counter) == value)
			return true;
		if (port_clock_ns() - start > TIMEOUT_NS)
			return false;
		port_yield();
	}
	return false;
}

/* ---- Threads --------------------------------------------------------------------------------- */

struct thread_report {
	struct vm_task *current;
	const char *complaint;
	bool irqs_on, has_mm, named;
	int ended;
};

static void report_thread(void *arg)
{
	struct thread_report *report = arg;

	report->current = port_current();
	report->irqs_on = port_irqs_enabled();
	report->has_mm = report->current->mm;
	report->complaint = vm_task_complaint(report->current);
	report->named = strcmp(report->current->comm, "conformance") == 0;
	smp_store_release(&report->ended, 1);
}

static void thread_starts_as_a_kernel_thread(void)
{
	static struct thread_report report;
	struct vm_task *task;

	report = (struct thread_report){NULL};
	task = port_thread_create("conformance", report_thread, &report);
	EXPECT(task, "port_thread_create() is NULL");
	EXPECT(conformance_wait_for(&report.ended, 1),
	       "a thread of port_thread_create() does not run");
	EXPECT(report.current == task,
	       "port_current() of a new thread is not what port_thread_create() returned");
	EXPECT(report.irqs_on, "a new thread starts with interrupts off");
	EXPECT(!report.has_mm, "a new kernel thread has an mm");
	EXPECT(report.named, "the comm of a new thread is not its name");
	EXPECT(!report.complaint, "the struct vm_task of a new thread: %s", report.complaint);
}

/* ---- Sleeping ------------------------------------------------------------------------------- */

static void park_ends_at_its_deadline(void)
{
	u64 start = port_clock_ns(), until = start + 5 * NS_PER_MS;
	unsigned int parks = 0;

	port_unpark(port_current());
	port_park(start); /* takes a token that an earlier test may have left */
	while (port_clock_ns() < until && port_clock_ns() - start < TIMEOUT_NS) {
		port_park(until);
		parks++;
	}
	EXPECT(port_clock_ns() - start < TIMEOUT_NS, "port_park() sleeps on after its deadline");
	EXPECT(parks <= 1000,
	       "port_park() does not sleep: it returned %u times in 5 ms without a token", parks);
	port_park(0); /* a deadline that has passed */
	EXPECT(port_irqs_enabled(), "port_park() leaves interrupts off");
}

static void unpark_before_park_is_not_lost(void)
{
	u64 start = port_clock_ns(), second;

	port_unpark(port_current());
	port_unpark(port_current());
	port_park(start + 1000 * NS_PER_MS);
	EXPECT(port_clock_ns() - start < 900 * NS_PER_MS,
	       "port_park() sleeps though port_unpark() came before it");
	second = port_clock_ns();
	port_park(second + 2 * NS_PER_MS);
	EXPECT(port_clock_ns() - second >= NS_PER_MS,
	       "two calls of port_unpark() gave the task two tokens");
}

struct ping_pong {
	struct vm_task *main;
	int turn, rounds, ended;
};

static void pong(void *arg)
{
	struct ping_pong *p = arg;
	u64 start = port_clock_ns();

	for (int i = 0; i < p->rounds; i++) {
		while (smp_load_acquire(&p->turn) != 1 && port_clock_ns() - start < TIMEOUT_NS)
			port_park(start + TIMEOUT_NS);
		smp_store_release(&p->turn, 0);
		port_unpark(p->main);
	}
	smp_store_release(&p->ended, 1);
}

static void unpark_wakes_a_parked_task(void)
{
	static struct ping_pong p;
	u64 start = port_clock_ns();
	struct vm_task *other;

	p = (struct ping_pong){.main = port_current(), .rounds = 200};
	other = port_thread_create("pong", pong, &p);
	EXPECT(other, "port_thread_create() is NULL");
	for (int i = 0; i < p.rounds; i++) {
		smp_store_release(&p.turn, 1);
		port_unpark(other);
		while (smp_load_acquire(&p.turn) != 0 && port_clock_ns() - start < TIMEOUT_NS)
			port_park(start + TIMEOUT_NS);
	}
	EXPECT(conformance_wait_for(&p.ended, 1) && port_clock_ns() - start < TIMEOUT_NS,
	       "port_unpark() does not wake a parked task");
}

/* ---- CPUs that are busy --------------------------------------------------------------------- */

struct spinner {
	int stop, running, ended;
};

/* Busy with interrupts on; polls as every spinning kernel does. */
static void spin(void *arg)
{
	struct spinner *s = arg;

	rmw_add(&s->running, 1);
	while (!smp_load_acquire(&s->stop))
		port_cpu_relax();
	rmw_add(&s->ended, 1);
}

struct seen {
	unsigned long cpus;
	unsigned int calls;
	u64 earliest, latest; /* port_clock_ns() on the CPUs */
};

static void note_cpu(void *arg)
{
	struct seen *seen = arg;

	rmw_or(&seen->cpus, 1ul << port_cpu_id());
	rmw_add(&seen->calls, 1);
}

/* One thread for each other CPU keeps it busy. */
static void on_each_cpu_reaches_busy_cpus(void)
{
	static struct spinner s;
	static struct seen seen;
	int nr = (int)port_nr_cpus(), started = 0;
	unsigned long all = (2ul << (nr - 1)) - 1;
	bool running;

	s = (struct spinner){0, 0, 0};
	seen = (struct seen){0};
	for (int i = 1; i < nr; i++)
		started += !!port_thread_create("spin", spin, &s);
	running = conformance_wait_for(&s.running, started);
	for (int i = 0; running && i < 100; i++)
		port_on_each_cpu(all, note_cpu, &seen);
	smp_store_release(&s.stop, 1);
	EXPECT(running && conformance_wait_for(&s.ended, started),
	       "threads that spin do not all run");
	EXPECT(seen.calls == 100 * (unsigned int)nr && seen.cpus == all,
	       "port_on_each_cpu() called the function %u times on busy CPUs, not %d", seen.calls,
	       100 * nr);
}

#define CALLERS	     6
#define CALLER_CALLS 50

static void call_everybody(void *arg)
{
	struct spinner *s = arg;
	struct seen seen = {0};
	unsigned long all = (2ul << (port_nr_cpus() - 1)) - 1;

	for (int i = 0; i < CALLER_CALLS; i++)
		port_on_each_cpu(all, note_cpu, &seen);
	rmw_add(&s->running, (int)seen.calls);
	rmw_add(&s->ended, 1);
}

static void on_each_cpu_from_all_at_once(void)
{
	static struct spinner s;
	int started = 0, wanted;

	s = (struct spinner){0, 0, 0};
	for (int i = 0; i < CALLERS; i++)
		started += !!port_thread_create("caller", call_everybody, &s);
	wanted = started * CALLER_CALLS * (int)port_nr_cpus();
	EXPECT(conformance_wait_for(&s.ended, started),
	       "threads that call port_on_each_cpu() at once do not end");
	EXPECT(smp_load_acquire(&s.running) == wanted,
	       "port_on_each_cpu(), called by %d threads at once, called the function %d times, "
	       "not %d",
	       started, s.running, wanted);
}

static void note_time(void *arg)
{
	*(u64 *)arg = port_clock_ns();
}

static void clocks_agree_between_cpus(void)
{
	static u64 there;
	unsigned int nr = port_nr_cpus();

	for (unsigned int round = 0; round < 100; round++) {
		unsigned int cpu = round % nr;
		u64 before = port_clock_ns(), after;

		port_on_each_cpu(1ul << cpu, note_time, &there);
		after = port_clock_ns();
		EXPECT(before <= there && there <= after,
		       "port_clock_ns() of CPU %u differs from this CPU's", cpu);
	}
}

/* ---- Preemption ------------------------------------------------------------------------------ */

/*
 * More threads than CPUs, each of which keeps its CPU for a while with a spinlock's guarantee: no
 * other thread may run on that CPU meanwhile, and the thread may not move.
 */
#define KEEPERS	     3
#define KEEP_NS	     (10 * NS_PER_MS)
#define KEEP_ROUNDS  3
#define MOST_RELAXES 20000000ul

static struct vm_task *keeper_of_cpu[NR_CPUS];

struct keepers {
	int ended, disturbed;
};

static void keep_cpu(struct keepers *k)
{
	u64 start = port_clock_ns();
	unsigned int cpu;
	bool undisturbed;

	port_preempt_disable();
	cpu = port_cpu_id();
	smp_store_release(&keeper_of_cpu[cpu], port_current());
	for (unsigned long i = 0; port_clock_ns() - start < KEEP_NS && i < MOST_RELAXES; i++)
		port_cpu_relax();
	undisturbed =
		port_cpu_id() == cpu && smp_load_acquire(&keeper_of_cpu[cpu]) == port_current();
	port_preempt_enable();
	rmw_add(&k->disturbed, !undisturbed);
}

static void keep_cpu_in_rounds(void *arg)
{
	struct keepers *k = arg;

	for (int round = 0; round < KEEP_ROUNDS; round++) {
		keep_cpu(k);
		port_yield();
	}
	rmw_add(&k->ended, 1);
}

static void no_preemption_where_it_is_disabled(void)
{
	static struct keepers k;
	int started = 0;

	k = (struct keepers){0, 0};
	for (int i = 0; i < KEEPERS; i++)
		started += !!port_thread_create("keeper", keep_cpu_in_rounds, &k);
	EXPECT(conformance_wait_for(&k.ended, started),
	       "threads that keep their CPU for a while do not end");
	EXPECT(!k.disturbed, "a thread was preempted or moved between port_preempt_disable() and "
			     "port_preempt_enable()");
}

/* ---- Signals --------------------------------------------------------------------------------- */

void conformance_victim(void *arg)
{
	struct conformance_victim *victim = arg;
	struct mm_struct *mm = mm_alloc();
	u64 start = port_clock_ns();

	rmw_and_relaxed(&port_current()->flags,
			~PF_KTHREAD); /* signals of kernel threads are dropped */
	if (mm)
		activate_mm(mm);
	victim->pending_before = port_fatal_signal_pending();
	smp_store_release(&victim->running, 1);
	while (!port_fatal_signal_pending() && port_clock_ns() - start < TIMEOUT_NS)
		port_park(start + TIMEOUT_NS);
	victim->killed = port_fatal_signal_pending();
	victim->waited_ns = port_clock_ns() - start;
	exit_mm();
	smp_store_release(&victim->ended, 1);
}

static void sigkill_wakes_a_parked_task(void)
{
	static struct conformance_victim victim;
	struct vm_task *task;

	victim = (struct conformance_victim){0};
	task = port_thread_create("victim", conformance_victim, &victim);
	EXPECT(task, "port_thread_create() is NULL");
	EXPECT(conformance_wait_for(&victim.running, 1),
	       "a thread of port_thread_create() does not run");
	port_send_signal(task, SIGKILL);
	EXPECT(conformance_wait_for(&victim.ended, 1) && victim.waited_ns < TIMEOUT_NS,
	       "SIGKILL by port_send_signal() does not wake a parked task");
	EXPECT(!victim.pending_before,
	       "port_fatal_signal_pending() is true though no signal was sent");
	EXPECT(victim.killed, "port_fatal_signal_pending() is false after SIGKILL");
}

static const struct conformance_test tests[] = {
	{"clock_advances", clock_advances, 0, false},
	{"thread_starts_as_a_kernel_thread", thread_starts_as_a_kernel_thread, 0, true},
	{"park_ends_at_its_deadline", park_ends_at_its_deadline, 0, true},
	{"unpark_before_park_is_not_lost", unpark_before_park_is_not_lost, 0, true},
	{"unpark_wakes_a_parked_task", unpark_wakes_a_parked_task, 0, true},
	{"clocks_agree_between_cpus", clocks_agree_between_cpus, 2, true},
	{"on_each_cpu_reaches_busy_cpus", on_each_cpu_reaches_busy_cpus, 2, true},
	{"on_each_cpu_from_all_at_once", on_each_cpu_from_all_at_once, 0, true},
	{"no_preemption_where_it_is_disabled", no_preemption_where_it_is_disabled, 0, true},
	{"sigkill_wakes_a_parked_task", sigkill_wakes_a_parked_task, 0, true},
	{"transfers_end_in_another_task", conformance_disk, 0, true},
};
CONFORMANCE_SUITE(4, tests);
