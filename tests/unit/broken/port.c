/* SPDX-License-Identifier: MIT */
/*
 * port.c: the functions of port.h with one mistake at a time, for test_broken_port.c.
 *
 * The linker turns each call of port_x() into one of __wrap_port_x(), and __real_port_x() into one
 * of the hosted machine's function (--wrap). So everything but the chosen mistake is right.
 */
#include <machine/hosted.h>
#include <string.h>

enum broken_port broken_port;
struct vm_task *const broken_current = NULL;
const unsigned int broken_cpu_id = 11;
__thread int broken_preempt_depth;

#define WRAP(type_, name_, ...)            \
	type_ __real_##name_(__VA_ARGS__); \
	type_ __wrap_##name_(__VA_ARGS__); \
	type_ __wrap_##name_(__VA_ARGS__)

/* ---- Tier 1 ---------------------------------------------------------------------------------- */

static const struct port_mem_range empty_range[] = {
	{0, SZ_1M, PORT_MEM_USABLE, 0},
	{2 * SZ_1M, 2 * SZ_1M, PORT_MEM_USABLE, 0},
};
static const struct port_mem_range no_ram[] = {{0, SZ_1M, PORT_MEM_RESERVED, 0}};

WRAP(const struct port_mem_range *, port_memory_map, unsigned int *nr)
{
	const struct port_mem_range *map = __real_port_memory_map(nr);

	if (broken_port == BROKEN_MAP_IS_EMPTY)
		*nr = 0;
	if (broken_port == BROKEN_MAP_HAS_EMPTY_RANGE) {
		*nr = 2;
		return empty_range;
	}
	if (broken_port == BROKEN_MAP_HAS_NO_RAM) {
		*nr = 1;
		return no_ram;
	}
	return map;
}

WRAP(bool, port_ram_is_zeroed, void)
{
	return broken_port == BROKEN_RAM_IS_NOT_ZEROED || __real_port_ram_is_zeroed();
}

WRAP(unsigned int, port_nr_cpus, void)
{
	return broken_port == BROKEN_NR_CPUS ? 0 : __real_port_nr_cpus();
}

WRAP(int, port_cpu_to_node, unsigned int cpu)
{
	return broken_port == BROKEN_CPU_TO_NODE ? -1 : __real_port_cpu_to_node(cpu);
}

struct call {
	void (*fn)(void *arg);
	void *arg;
};

static void call_with_irqs_on(void *arg)
{
	const struct call *call = arg;

	right_port_irq_restore(1);
	call->fn(call->arg);
	(void)right_port_irq_save();
}

WRAP(void, port_on_each_cpu, unsigned long mask, void (*fn)(void *arg), void *arg)
{
	struct call call = {fn, arg};

	if (broken_port == BROKEN_ON_EACH_CPU_SKIPS)
		mask &= 1;
	if (broken_port == BROKEN_ON_EACH_CPU_IRQS_ON)
		__real_port_on_each_cpu(mask, call_with_irqs_on, &call);
	else
		__real_port_on_each_cpu(mask, fn, arg);
}

WRAP(u64, port_clock_ns, void)
{
	static u64 frozen, earlier;

	if (broken_port == BROKEN_CLOCK_STANDS)
		return frozen ? frozen : (frozen = __real_port_clock_ns());
	if (broken_port == BROKEN_CLOCK_GOES_BACK)
		return earlier ? --earlier : (earlier = __real_port_clock_ns());
	return __real_port_clock_ns();
}

/* ---- Tier 2 ---------------------------------------------------------------------------------- */

WRAP(void, port_load_pgd, phys_addr_t pgd_pa)
{
	if (broken_port == BROKEN_LOAD_PGD_DOES_NOTHING)
		return;
	if (broken_port != BROKEN_LOAD_PGD_KEEPS || hosted_cpu_root(right_port_cpu_id()) != pgd_pa)
		__real_port_load_pgd(pgd_pa);
}

WRAP(void, port_flush_tlb_page, unsigned long addr)
{
	if (broken_port == BROKEN_FLUSH_PAGE)
		return;
	if (broken_port == BROKEN_FLUSH_PAGE_KEEPS_GLOBAL &&
	    hosted_lookup_kernel((void *)addr).global)
		return;
	__real_port_flush_tlb_page(addr);
}

WRAP(void, port_flush_tlb, void)
{
	if (broken_port != BROKEN_FLUSH)
		__real_port_flush_tlb();
}

WRAP(void, port_flush_tlb_all, void)
{
	if (broken_port == BROKEN_FLUSH_ALL_KEEPS_GLOBAL)
		__real_port_flush_tlb();
	else
		__real_port_flush_tlb_all();
}

/* ---- Tier 3 ---------------------------------------------------------------------------------- */

static size_t report_copy(size_t n, size_t left)
{
	return broken_port == BROKEN_COPY_COUNTS_DONE ? n - left : left;
}

WRAP(size_t, port_copy_from_user, void *dst, unsigned long src, size_t n)
{
	return report_copy(n, __real_port_copy_from_user(dst, src, n));
}

WRAP(size_t, port_copy_to_user, unsigned long dst, const void *src, size_t n)
{
	return report_copy(n, __real_port_copy_to_user(dst, src, n));
}

WRAP(size_t, port_clear_user, unsigned long dst, size_t n)
{
	size_t left = __real_port_clear_user(dst, n);

	return left && broken_port == BROKEN_CLEAR_ALL_OR_NOTHING ? n : left;
}

WRAP(size_t, port_strncpy_from_user, char *dst, unsigned long src, size_t n)
{
	size_t len = __real_port_strncpy_from_user(dst, src, n);

	return len && broken_port == BROKEN_STRNCPY_LEAVES_OUT_END ? len - 1 : len;
}

WRAP(int, port_cmpxchg_user, unsigned long addr, u32 *old, u32 new)
{
	u32 expected = *old;
	int err = __real_port_cmpxchg_user(addr, old, new);

	if (broken_port == BROKEN_CMPXCHG_FORGETS_OLD)
		*old = expected;
	return err;
}

WRAP(void, port_send_signal, struct vm_task *task, int signo)
{
	if (broken_port != BROKEN_KILL_DOES_NOT_WAKE)
		__real_port_send_signal(task, signo);
}

WRAP(bool, port_fatal_signal_pending, void)
{
	return broken_port != BROKEN_FATAL_IS_FALSE && __real_port_fatal_signal_pending();
}

/* ---- Sleeping and tasks ---------------------------------------------------------------------- */

WRAP(void, port_park, u64 deadline_ns)
{
	if (broken_port == BROKEN_PARK_RETURNS)
		return;
	if (broken_port == BROKEN_PARK_LOSES_TOKEN)
		__real_port_park(0);
	__real_port_park(deadline_ns);
}

WRAP(void, port_unpark, struct vm_task *task)
{
	if (broken_port != BROKEN_UNPARK_DOES_NOTHING)
		__real_port_unpark(task);
}

struct thread_start {
	void (*fn)(void *arg);
	void *arg;
};

static void start_badly(void *arg)
{
	struct thread_start start = *(struct thread_start *)arg;
	struct vm_task *task = right_port_current();

	if (broken_port == BROKEN_THREAD_HAS_NO_LIST)
		task->local_pages.next = NULL;
	if (broken_port == BROKEN_THREAD_IRQS_OFF)
		(void)right_port_irq_save();
	start.fn(start.arg);
	INIT_LIST_HEAD(&task->local_pages);
	right_port_irq_restore(1);
}

WRAP(struct vm_task *, port_thread_create, const char *name, void (*fn)(void *arg), void *arg)
{
	static struct thread_start start;

	if (broken_port != BROKEN_THREAD_IRQS_OFF && broken_port != BROKEN_THREAD_HAS_NO_LIST)
		return __real_port_thread_create(name, fn, arg);
	start = (struct thread_start){fn, arg};
	return __real_port_thread_create(name, start_badly, &start);
}

struct visit {
	bool (*fn)(struct vm_task *task, void *arg);
	void *arg;
};

static bool visit_badly(struct vm_task *task, void *arg)
{
	const struct visit *visit = arg;

	if (broken_port == BROKEN_TASKS_LEFT_OUT && strcmp(task->comm, "victim") == 0)
		return true;
	return visit->fn(task, visit->arg) || broken_port == BROKEN_TASKS_DO_NOT_STOP;
}

WRAP(void, port_for_each_task, bool (*fn)(struct vm_task *task, void *arg), void *arg)
{
	struct visit visit = {fn, arg};

	__real_port_for_each_task(visit_badly, &visit);
}

static bool is_victim(struct vm_task *task, void *arg)
{
	(void)arg;
	return strcmp(task->comm, "victim") == 0;
}

WRAP(void, port_signal_tasks, bool (*wanted)(struct vm_task *task, void *arg), void *arg, int signo)
{
	__real_port_signal_tasks(broken_port == BROKEN_SIGNALS_ALL ? is_victim : wanted, arg,
				 signo);
}
