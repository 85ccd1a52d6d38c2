/* SPDX-License-Identifier: MIT */
/*
 * test_conformance.c: what port.h promises, checked on the machine at hand.
 *
 * Only calls of port.h are used (and, for tier 3, the core's mmap on top), so that a port
 * other than the hosted machine can run the file with a harness of its own.
 */
#include "harness.h"

#include <pagoda/errno.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

#define NS_PER_MS 1000000ull

/* ---- Tier 1 ------------------------------------------------------------------------------ */

PAGODA_TEST(memory_map_is_sane, "")
{
	unsigned int nr;
	const struct port_mem_range *map = port_memory_map(&nr);
	phys_addr_t usable = 0;

	CHECK_GT(nr, 0);
	for (unsigned int i = 0; i < nr; i++) {
		CHECK_LT(map[i].start, map[i].end);
		CHECK(map[i].nid >= 0 && map[i].nid < MAX_NR_NODES);
		if (map[i].type == PORT_MEM_USABLE)
			usable += map[i].end - map[i].start;
	}
	CHECK_GT(usable, SZ_1M);
}

PAGODA_TEST(irq_save_nests, "")
{
	unsigned long outer, inner;

	CHECK(port_irqs_enabled());
	outer = port_irq_save();
	CHECK(!port_irqs_enabled());
	inner = port_irq_save();
	CHECK(!port_irqs_enabled());
	port_irq_restore(inner);
	CHECK(!port_irqs_enabled());
	port_irq_restore(outer);
	CHECK(port_irqs_enabled());
}

PAGODA_TEST_CONFIG(cpus_are_numbered_from_zero, "", .nr_cpus = 4, .nr_nodes = 2)
{
	CHECK_EQ(port_nr_cpus(), 4);
	CHECK_LT(port_cpu_id(), 4);
	for (unsigned int cpu = 0; cpu < 4; cpu++)
		CHECK(port_cpu_to_node(cpu) >= 0 && port_cpu_to_node(cpu) < 2);
}

PAGODA_TEST(clock_never_goes_back, "")
{
	u64 last = port_clock_ns();

	for (int i = 0; i < 100000; i++) {
		u64 now = port_clock_ns();

		CHECK_GE(now, last);
		last = now;
	}
}

struct seen {
	unsigned long cpus;
	unsigned int calls, irqs_on;
};

static void note_cpu(void *arg)
{
	struct seen *seen = arg;

	__atomic_fetch_or(&seen->cpus, 1ul << port_cpu_id(), __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&seen->calls, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&seen->irqs_on, port_irqs_enabled(), __ATOMIC_SEQ_CST);
}

PAGODA_TEST_CONFIG(on_each_cpu_runs_on_each, "SM-04", .nr_cpus = 4)
{
	struct seen seen = {0};
	unsigned long flags;

	port_on_each_cpu(0xf, note_cpu, &seen);
	CHECK_EQ(seen.cpus, 0xf);
	CHECK_EQ(seen.calls, 4);
	CHECK_EQ(seen.irqs_on, 0);
	CHECK(port_irqs_enabled());
	seen = (struct seen){0};
	port_on_each_cpu(0xa, note_cpu, &seen);
	CHECK_EQ(seen.cpus, 0xa);
	flags = port_irq_save();
	/* itself: also with interrupts off */
	port_on_each_cpu(1ul << port_cpu_id(), note_cpu, &seen);
	port_irq_restore(flags);
	CHECK_EQ(seen.calls, 3);
}

struct spinner {
	int stop, running, calls;
};

/* Busy with interrupts on; polls as every spinning kernel does. */
static void spin(void *arg)
{
	struct spinner *s = arg;

	__atomic_fetch_add(&s->running, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE))
		port_cpu_relax();
	__atomic_fetch_sub(&s->running, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&s->calls, 1, __ATOMIC_SEQ_CST);
}

static void wait_for(int *counter, int value)
{
	while (__atomic_load_n(counter, __ATOMIC_SEQ_CST) != value)
		port_yield();
}

PAGODA_TEST_CONFIG(on_each_cpu_reaches_busy_cpus, "SM-04", .nr_cpus = 3)
{
	struct spinner s = {0};
	struct seen seen = {0};

	CHECK(port_thread_create("spin", spin, &s));
	CHECK(port_thread_create("spin", spin, &s));
	wait_for(&s.running, 2);
	for (int i = 0; i < 100; i++)
		port_on_each_cpu(7, note_cpu, &seen);
	CHECK_EQ(seen.calls, 300);
	CHECK_EQ(seen.cpus, 7);
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELEASE);
	wait_for(&s.running, 0);
}

static void call_everybody(void *arg)
{
	struct spinner *s = arg;
	struct seen seen = {0};

	for (int i = 0; i < 100; i++)
		port_on_each_cpu(0xf, note_cpu, &seen);
	__atomic_fetch_add(&s->calls, (int)seen.calls, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&s->running, 1, __ATOMIC_SEQ_CST);
}

PAGODA_TEST_CONFIG(on_each_cpu_from_all_at_once, "SM-04", .nr_cpus = 4)
{
	struct spinner s = {0};

	for (int i = 0; i < 6; i++)
		CHECK(port_thread_create("caller", call_everybody, &s));
	wait_for(&s.running, 6);
	CHECK_EQ(s.calls, 6 * 100 * 4);
}

/* ---- Sleeping ------------------------------------------------------------------------------- */

PAGODA_TEST(unpark_before_park_is_not_lost, "")
{
	u64 start = port_clock_ns();

	port_unpark(port_current());
	port_unpark(port_current()); /* at most one token */
	port_park(UINT64_MAX);
	port_park(start + 2 * NS_PER_MS);
	CHECK_GE(port_clock_ns(), start + 2 * NS_PER_MS);
}

PAGODA_TEST(park_ends_at_its_deadline, "")
{
	u64 until = port_clock_ns() + 5 * NS_PER_MS;

	while (port_clock_ns() < until)
		port_park(until);
	port_park(0); /* long past */
}

struct ping_pong {
	struct vm_task *main;
	int turn, rounds, ended;
};

static void pong(void *arg)
{
	struct ping_pong *p = arg;

	for (int i = 0; i < p->rounds; i++) {
		while (__atomic_load_n(&p->turn, __ATOMIC_ACQUIRE) != 1)
			port_park(UINT64_MAX);
		__atomic_store_n(&p->turn, 0, __ATOMIC_RELEASE);
		port_unpark(p->main);
	}
	__atomic_store_n(&p->ended, 1, __ATOMIC_RELEASE);
}

static void play_ping_pong(void)
{
	static struct ping_pong p;
	struct vm_task *other;

	p = (struct ping_pong){.main = port_current(), .rounds = 200};
	other = port_thread_create("pong", pong, &p);
	CHECK(other);
	for (int i = 0; i < p.rounds; i++) {
		__atomic_store_n(&p.turn, 1, __ATOMIC_RELEASE);
		port_unpark(other);
		while (__atomic_load_n(&p.turn, __ATOMIC_ACQUIRE) != 0)
			port_park(UINT64_MAX);
	}
	wait_for(&p.ended, 1);
}

PAGODA_TEST(ping_pong_on_one_cpu, "")
{
	play_ping_pong();
}

PAGODA_TEST_CONFIG(ping_pong_on_two_cpus, "", .nr_cpus = 2)
{
	play_ping_pong();
}

static void note_current(void *arg)
{
	struct vm_task **task = arg;

	CHECK(port_irqs_enabled());
	CHECK(!port_current()->mm);
	__atomic_store_n(task, port_current(), __ATOMIC_RELEASE);
}

PAGODA_TEST(thread_runs_without_mm, "")
{
	struct vm_task *seen = NULL, *task = port_thread_create("thread", note_current, &seen);

	CHECK(task);
	while (!__atomic_load_n(&seen, __ATOMIC_ACQUIRE))
		port_yield();
	CHECK_EQ(seen, task);
	CHECK_STR(task->comm, "thread");
}

static bool count_task(struct vm_task *task, void *arg)
{
	unsigned int *n = arg;

	CHECK(task);
	return ++*n < 2;
}

PAGODA_TEST(for_each_task_stops_when_told, "")
{
	struct spinner s = {0};
	unsigned int n = 0;

	CHECK(port_thread_create("spin", spin, &s));
	CHECK(port_thread_create("spin", spin, &s));
	port_for_each_task(count_task, &n);
	CHECK_EQ(n, 2);
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELEASE);
	wait_for(&s.calls, 2);
}

/* ---- Tier 3: user copies --------------------------------------------------------------------- */

/* Two pages followed by nothing; the address of the first. */
static unsigned long two_pages(void)
{
	unsigned long addr;

	if (hosted_process_create())
		SKIP("no mm_alloc() yet");
	addr = do_mmap(NULL, 0, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       0);
	CHECK(!IS_ERR_VALUE(addr));
	CHECK_EQ(do_munmap(addr + 2 * PAGE_SIZE, PAGE_SIZE), 0);
	return addr;
}

PAGODA_TEST(user_copies_count_to_the_byte, "FT-61")
{
	unsigned long addr = two_pages(), end = addr + 2 * PAGE_SIZE;
	char out[100], in[100];

	memset(out, 'x', sizeof(out));
	CHECK_EQ(port_copy_to_user(addr, out, sizeof(out)), 0);
	CHECK_EQ(port_copy_from_user(in, addr, sizeof(in)), 0);
	CHECK_MEM(in, out, sizeof(in));
	CHECK_EQ(port_copy_to_user(end - 60, out, sizeof(out)), 40);
	CHECK_EQ(port_copy_from_user(in, end - 7, sizeof(in)), sizeof(in) - 7);
	CHECK_EQ(port_clear_user(end - 10, 11), 1);
	CHECK_EQ(port_copy_from_user(in, end - 11, 11), 0);
	CHECK_EQ(in[0], 'x');
	for (int i = 1; i < 11; i++)
		CHECK_EQ(in[i], 0);
	CHECK_EQ(port_copy_to_user(end, out, 1), 1);
	CHECK_EQ(hosted_signal().signo, 0); /* a fault in a copy is no signal */
}

PAGODA_TEST(strncpy_from_user_counts, "")
{
	unsigned long addr = two_pages(), end = addr + 2 * PAGE_SIZE;
	char buf[64];

	CHECK_EQ(port_copy_to_user(addr + PAGE_SIZE - 3, "hello", 6), 0);
	CHECK_EQ(port_strncpy_from_user(buf, addr + PAGE_SIZE - 3, sizeof(buf)), 6);
	CHECK_STR(buf, "hello");
	CHECK_EQ(port_strncpy_from_user(NULL, addr + PAGE_SIZE - 3, sizeof(buf)), 6);
	CHECK_GT(port_strncpy_from_user(buf, addr + PAGE_SIZE - 3, 5), 5);
	CHECK_EQ(port_copy_to_user(end - 4, "abcd", 4), 0);
	CHECK_EQ(port_strncpy_from_user(buf, end - 4, sizeof(buf)), 0);
	CHECK_EQ(port_strncpy_from_user(buf, end, 1), 0);
}

PAGODA_TEST(cmpxchg_user_tells_the_old_value, "")
{
	unsigned long addr = two_pages();
	u32 old = 0;

	CHECK_EQ(port_cmpxchg_user(addr, &old, 5), 0);
	CHECK_EQ(old, 0);
	old = 3;
	CHECK_EQ(port_cmpxchg_user(addr, &old, 9), 0);
	CHECK_EQ(old, 5);
	CHECK_EQ(hosted_read32(addr), 5);
	CHECK_EQ(port_cmpxchg_user(addr + 2 * PAGE_SIZE, &old, 1), -EFAULT);
}

PAGODA_TEST(user_copies_fail_with_faults_disabled, "FT-13")
{
	unsigned long addr = two_pages();
	char c = 1;

	port_current()->pagefault_disabled++;
	CHECK_EQ(port_copy_to_user(addr, &c, 1), 1);
	port_current()->pagefault_disabled--;
	CHECK_EQ(port_copy_to_user(addr, &c, 1), 0);
	port_current()->pagefault_disabled++;
	CHECK_EQ(port_copy_to_user(addr, &c, 1), 0); /* it is there now */
	port_current()->pagefault_disabled--;
}
