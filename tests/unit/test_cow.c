// SPDX-License-Identifier: MIT
/*
 * test_cow.c: fork and copy-on-write, and translations that must be gone: on one CPU, and
 * on several at once. The TLBs of the hosted machine forget nothing by themselves, so a
 * flush that is missing shows as an access that should have faulted.
 */
#include "address_space.h"

#include <stdlib.h>

#define CPUS 4

static void child_checks_and_writes(void *arg)
{
	unsigned long *frames = arg;

	for (u32 i = 0; i < 8; i++) {
		CHECK_EQ(frame_at(BASE + PG(i)), frames[i]); /* shared until written */
		CHECK_EQ(hosted_read32(BASE + PG(i)), i + 1);
		hosted_write32(BASE + PG(i), 100 + i);
		CHECK_NE(frame_at(BASE + PG(i)), frames[i]);
	}
	CHECK_EQ(hosted_read32(BASE + PG(20)), 7);
	hosted_write32(BASE + PG(20), 8);
	check_mm();
}

PAGODA_TEST(fork_shares_until_written, "CT-28 AS-44 AS-45 FT-36 FT-55 FT-57 FT-63")
{
	unsigned long frames[8], free;
	struct hosted_task *task;

	new_process();
	map_at(BASE, 8, RW);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE + PG(20), PG(1), RW,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, 0),
		 BASE + PG(20));
	hosted_write32(BASE + PG(20), 7);
	for (u32 i = 0; i < 8; i++) {
		hosted_write32(BASE + PG(i), i + 1);
		frames[i] = frame_at(BASE + PG(i));
	}
	free = vm_event(fault_cow_copy);
	task = hosted_fork(HOSTED_ANY_CPU, child_checks_and_writes, frames);
	CHECK(task);
	hosted_wait(task);
	CHECK_EQ(vm_event(fault_cow_copy) - free, 8);
	for (u32 i = 0; i < 8; i++) {
		CHECK_EQ(hosted_read32(BASE + PG(i)), i + 1);
		hosted_write32(BASE + PG(i), i + 50); /* the child is gone: in place */
		CHECK_EQ(frame_at(BASE + PG(i)), frames[i]);
	}
	CHECK_EQ(vm_event(fault_cow_copy) - free, 8);
	CHECK_GE(vm_event(fault_cow_reuse), 8);
	CHECK_EQ(hosted_read32(BASE + PG(20)), 8); /* shared memory is shared */
	check_mm();
}

static void child_sees_its_own(void *arg)
{
	(void)arg;
	CHECK_EQ(hosted_read32(BASE), 5);
}

/*
 * A debugger writes to a read-only page that parent and child share: it gets a copy of the parent's
 * own.
 */
PAGODA_TEST(forced_write_does_not_reach_the_other_process, "FT-55 FT-63 AS-44")
{
	struct hosted_task *child;
	u32 value = 9;

	new_process();
	map_at(BASE, 1, RW);
	hosted_write32(BASE, 5);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), PROT_READ), 0);
	child = hosted_fork(0, child_sees_its_own, NULL); /* does not run before we wait */
	CHECK(child);
	CHECK_EQ(access_process_vm(current_vm->mm, BASE, &value, sizeof(value), true, true),
		 sizeof(value));
	CHECK_EQ(hosted_read32(BASE), 9);
	hosted_wait(child);
	check_mm();
}

PAGODA_TEST(fork_costs_tables_only, "FT-57 AS-44")
{
	struct mm_struct *copy;
	unsigned long pages = SZ_16M / PAGE_SIZE, before;

	new_process();
	map_at(BASE, pages, RW);
	for (unsigned long i = 0; i < pages; i++)
		hosted_write8(BASE + PG(i), 1);
	before = nr_free_pages();
	copy = dup_mm(current_vm->mm);
	CHECK(copy);
	CHECK_LT(before - nr_free_pages(), 100);
	CHECK_EQ(get_mm_rss(copy), pages);
	mmput(copy);
	check_mm();
}

static void child_without_some(void *arg)
{
	u32 value;

	(void)arg;
	CHECK(!user_read32(BASE, &value));
	CHECK_SIGNAL(SIGSEGV, SEGV_MAPERR, BASE);
	CHECK_EQ(hosted_read32(BASE + PG(2)), 0); /* wiped */
	CHECK_EQ(current_vm->mm->locked_vm, 0);
	CHECK_EQ(hosted_read32(BASE + PG(4)), 3);
	check_mm();
}

PAGODA_TEST(fork_leaves_out_what_was_asked, "AS-22 AS-45 AS-66")
{
	new_process();
	map_at(BASE, 6, RW);
	hosted_write32(BASE, 1);
	hosted_write32(BASE + PG(2), 2);
	hosted_write32(BASE + PG(4), 3);
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PG(1), 10), 0);
	CHECK_EQ(do_madvise(current_vm->mm, BASE + PG(2), PG(1), 18), 0);
	CHECK_EQ(do_mlock(current_vm->mm, BASE + PG(4), PG(1), 0), 0);
	hosted_wait(hosted_fork(HOSTED_ANY_CPU, child_without_some, NULL));
	CHECK_EQ(hosted_read32(BASE + PG(2)), 2);
}

static void child_of_protected(void *arg)
{
	(void)arg;
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), PROT_READ), 0);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), RW), 0);
	hosted_write32(BASE, 2);
	CHECK_EQ(hosted_read32(BASE), 2);
}

PAGODA_TEST(mprotect_never_opens_a_shared_page, "AS-65 FT-56")
{
	new_process();
	map_at(BASE, 1, RW);
	hosted_write32(BASE, 1);
	hosted_wait(hosted_fork(HOSTED_ANY_CPU, child_of_protected, NULL));
	CHECK_EQ(hosted_read32(BASE), 1);
	/* A page of one's own comes back without a fault. */
	hosted_write32(BASE, 3);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), PROT_READ), 0);
	CHECK(!user_write32(BASE, 4));
	CHECK_SIGNAL(SIGSEGV, SEGV_ACCERR, BASE);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), RW), 0);
	hosted_write32(BASE, 5);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), PROT_NONE), 0);
	CHECK(!user_write32(BASE, 4));
	CHECK_SIGNAL(SIGSEGV, SEGV_ACCERR, BASE);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), PROT_READ), 0);
	CHECK_EQ(hosted_read32(BASE), 5); /* contents survive PROT_NONE */
}

/* ---- Stale translations, other CPUs ---------------------------------------------------------- */

/* A thread on another CPU that touches a page when told to. */
struct remote {
	struct hosted_task *task;
	int turn; /* odd: the thread's, even: ours */
	bool quit, write, done;
	unsigned long addr;
	u32 value;
	struct hosted_signal signal;
};

static int turn_of(struct remote *r)
{
	return __atomic_load_n(&r->turn, __ATOMIC_ACQUIRE);
}

static void remote_thread(void *arg)
{
	struct remote *r = arg;

	for (;;) {
		while (!(turn_of(r) & 1))
			port_cpu_relax();
		if (r->quit)
			break;
		r->done = r->write ? user_write32(r->addr, r->value)
				   : user_read32(r->addr, &r->value);
		r->signal = hosted_signal();
		__atomic_store_n(&r->turn, r->turn + 1, __ATOMIC_RELEASE);
	}
}

static bool remote_access(struct remote *r, bool write, unsigned long addr, u32 value)
{
	r->write = write;
	r->addr = addr;
	r->value = value;
	__atomic_store_n(&r->turn, r->turn + 1, __ATOMIC_RELEASE);
	while (turn_of(r) & 1)
		port_cpu_relax();
	return r->done;
}

static void start_remote(struct remote *r)
{
	r->task = hosted_clone(1, remote_thread, r);
	CHECK(r->task);
}
static void stop_remote(struct remote *r)
{
	r->quit = true;
	__atomic_store_n(&r->turn, r->turn + 1, __ATOMIC_RELEASE);
	hosted_wait(r->task);
}

static void noop(void *arg)
{
	(void)arg;
}

PAGODA_TEST_CONFIG(no_cpu_uses_a_translation_after_it_is_gone, "SM-07 AS-53 PT-24 XC-03",
		   .nr_cpus = 2)
{
	static struct remote r;
	unsigned long to;

	new_process();
	start_remote(&r);
	for (unsigned int i = 0; i < test_scale(50); i++) {
		map_at(BASE, 4, RW);
		CHECK(remote_access(&r, true, BASE, 1));
		CHECK(remote_access(&r, true, BASE + PG(1), 1));
		/* mprotect */
		CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), PROT_READ), 0);
		CHECK(!remote_access(&r, true, BASE, 2));
		CHECK_EQ(r.signal.code, SEGV_ACCERR);
		CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), PROT_NONE), 0);
		CHECK(!remote_access(&r, false, BASE, 0));
		/* munmap */
		CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(1), PG(1)), 0);
		CHECK(!remote_access(&r, false, BASE + PG(1), 0));
		CHECK_EQ(r.signal.code, SEGV_MAPERR);
		/* dropped pages, replaced regions */
		CHECK(remote_access(&r, true, BASE + PG(2), 9));
		CHECK_EQ(do_madvise(current_vm->mm, BASE + PG(2), PG(1), 4), 0);
		CHECK(remote_access(&r, false, BASE + PG(2), 1));
		CHECK_EQ(r.value, 0);
		CHECK(remote_access(&r, true, BASE + PG(2), 9));
		map_at(BASE + PG(2), 1, RW);
		CHECK(remote_access(&r, false, BASE + PG(2), 1));
		CHECK_EQ(r.value, 0);
		/* mremap */
		CHECK(remote_access(&r, true, BASE + PG(3), 12));
		to = do_mremap(current_vm->mm, BASE + PG(3), PG(1), PG(1),
			       MREMAP_MAYMOVE | MREMAP_FIXED, BASE + PG(40));
		CHECK_EQ(to, BASE + PG(40));
		CHECK(!remote_access(&r, false, BASE + PG(3), 0));
		CHECK(remote_access(&r, false, BASE + PG(40), 0));
		CHECK_EQ(r.value, 12);
		CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(41)), 0);
	}
	stop_remote(&r);
	check_mm();
}

PAGODA_TEST_CONFIG(fork_and_cow_reach_other_cpus, "AS-44 FT-59 FT-55", .nr_cpus = 2)
{
	static struct remote r;
	struct mm_struct *copy;
	u32 value = 0;

	new_process();
	start_remote(&r);
	map_at(BASE, 1, RW);
	CHECK(remote_access(&r, true, BASE, 5)); /* the other CPU may write */
	copy = dup_mm(current_vm->mm);
	CHECK(copy);
	CHECK(remote_access(&r, true, BASE, 6)); /* must copy first */
	CHECK_EQ(access_process_vm(copy, BASE, &value, 4, false, false), 4);
	CHECK_EQ(value, 5);
	CHECK_EQ(hosted_read32(BASE), 6);
	mmput(copy);
	/* Both CPUs see the new page after one of them has copied. */
	copy = dup_mm(current_vm->mm);
	CHECK(copy);
	CHECK(remote_access(&r, false, BASE, 0));
	hosted_write32(BASE, 7);
	CHECK(remote_access(&r, false, BASE, 0));
	CHECK_EQ(r.value, 7);
	mmput(copy);
	stop_remote(&r);
}

PAGODA_TEST_CONFIG(widening_needs_no_flush, "SM-08 FT-08 FT-27", .nr_cpus = 2)
{
	static struct remote r;
	unsigned long ipis;

	new_process();
	start_remote(&r);
	map_at(BASE, 1, RW);
	hosted_write32(BASE, 1);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), PROT_READ), 0);
	CHECK(remote_access(&r, false, BASE, 0)); /* holds the narrow translation */
	ipis = vm_event(tlb_ipi);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), RW), 0);
	CHECK_EQ(vm_event(tlb_ipi), ipis);
	CHECK(remote_access(&r, true, BASE, 2));
	CHECK_EQ(hosted_read32(BASE), 2);
	stop_remote(&r);
}

PAGODA_TEST_CONFIG(flushes_reach_only_cpus_in_the_mask, "SM-05 CS-06 CS-07", .nr_cpus = CPUS)
{
	static struct remote r;
	unsigned long ipis;

	new_process();
	map_at(BASE, 4, RW);
	hosted_user_fill(BASE, 1, PG(4));
	ipis = vm_event(tlb_ipi);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(1)), 0);
	CHECK_EQ(vm_event(tlb_ipi), ipis); /* nobody else has it */
	start_remote(&r);
	CHECK(remote_access(&r, true, BASE + PG(1), 1));
	CHECK_EQ(__builtin_popcountl(current_vm->mm->cpu_vm_mask), 2);
	CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(1), PG(1)), 0);
	CHECK_EQ(vm_event(tlb_ipi), ipis + 1);
	stop_remote(&r);
	/* The CPU is lazy now: at most one more. */
	ipis = vm_event(tlb_ipi);
	for (unsigned int i = 0; i < 50; i++) {
		map_at(BASE + PG(1), 1, RW);
		hosted_write32(BASE + PG(1), 1);
		CHECK_EQ(do_munmap(current_vm->mm, BASE + PG(1), PG(1)), 0);
	}
	CHECK_LE(vm_event(tlb_ipi), ipis + 1);
}

/* ---- Races ----------------------------------------------------------------------------------- */

#define RACE_PAGES 32

static int go;

static void wait_for_go(void)
{
	while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE))
		port_cpu_relax();
}

static void fault_all(void *arg)
{
	(void)arg;
	wait_for_go();
	for (int i = 0; i < RACE_PAGES; i++)
		(void)hosted_fetch_add32(BASE + PG(i), 1);
}

PAGODA_TEST_CONFIG(threads_racing_for_a_page_share_one_frame, "FT-47 SM-09 AS-13 AS-14 PT-18",
		   .nr_cpus = CPUS)
{
	new_process();
	for (unsigned int round = 0; round < test_scale(30); round++) {
		struct hosted_task *task[CPUS - 1];

		map_at(BASE, RACE_PAGES, RW);
		__atomic_store_n(&go, 0, __ATOMIC_RELEASE);
		for (int i = 0; i < CPUS - 1; i++)
			task[i] = hosted_clone(i + 1, fault_all, NULL);
		__atomic_store_n(&go, 1, __ATOMIC_RELEASE);
		fault_all(NULL);
		for (int i = 0; i < CPUS - 1; i++)
			hosted_wait(task[i]);
		for (int i = 0; i < RACE_PAGES; i++)
			CHECK_EQ(hosted_read32(BASE + PG(i)), CPUS);
		CHECK_EQ(get_mm_rss(current_vm->mm), RACE_PAGES);
		check_mm();
		CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(RACE_PAGES)), 0);
	}
}

static void cow_child(void *arg)
{
	u32 base = *(u32 *)arg;

	for (u32 round = 0; round < 3; round++)
		for (u32 i = 0; i < RACE_PAGES; i++) {
			CHECK_EQ(hosted_read32(BASE + PG(i)), round ? base + round : i);
			hosted_write32(BASE + PG(i), base + round + 1);
		}
}

PAGODA_TEST_CONFIG(cow_races_lose_no_write_and_no_frame, "FT-59 FT-55", .nr_cpus = CPUS)
{
	static u32 bases[CPUS];

	new_process();
	map_at(BASE, RACE_PAGES, RW);
	for (unsigned int round = 0; round < test_scale(20); round++) {
		struct hosted_task *task[CPUS];

		for (u32 i = 0; i < RACE_PAGES; i++)
			hosted_write32(BASE + PG(i), i);
		for (int k = 0; k < CPUS; k++) {
			bases[k] = 1000u * (u32)(k + 1);
			task[k] = hosted_fork(k % CPUS, cow_child, &bases[k]);
			CHECK(task[k]);
		}
		for (u32 i = 0; i < RACE_PAGES; i++)
			hosted_write32(BASE + PG(i), i + 7); /* races with the children's copies */
		for (int k = 0; k < CPUS; k++)
			hosted_wait(task[k]);
		for (u32 i = 0; i < RACE_PAGES; i++)
			CHECK_EQ(hosted_read32(BASE + PG(i)), i + 7);
		check_mm();
	}
}

/* Maps and unmaps next to others who do the same, all in one mm. */
static void map_and_unmap(void *arg)
{
	unsigned long mine = BASE + PG(100) * (unsigned long)arg;

	for (unsigned int i = 0; i < test_scale(60); i++) {
		unsigned long addr = do_mmap(current_vm->mm, NULL, mine, PG(4), RW, FIXED, 0);

		CHECK_EQ(addr, mine);
		hosted_write32(addr + PG(1), i);
		CHECK_EQ(do_mprotect(current_vm->mm, addr, PG(2), PROT_READ), 0);
		CHECK_EQ(hosted_read32(addr + PG(1)), i);
		CHECK(!user_write32(addr + PG(1), 1));
		(void)hosted_signal();
		CHECK_EQ(do_munmap(current_vm->mm, addr, PG(4)), 0);
		addr = do_mmap(current_vm->mm, NULL, 0, PG(2), RW, ANON, 0);
		CHECK(!IS_ERR_VALUE(addr));
		hosted_write32(addr, i);
		CHECK_EQ(hosted_read32(addr), i);
		CHECK_EQ(do_munmap(current_vm->mm, addr, PG(2)), 0);
	}
}

PAGODA_TEST_CONFIG(threads_change_one_address_space, "AS-06 AS-13 AS-14 AS-15 AS-46",
		   .nr_cpus = CPUS)
{
	struct hosted_task *task[CPUS - 1];

	new_process();
	for (unsigned long i = 0; i < CPUS - 1; i++)
		task[i] = hosted_clone((int)i + 1, map_and_unmap, (void *)(i + 1));
	map_and_unmap(NULL);
	for (int i = 0; i < CPUS - 1; i++)
		hosted_wait(task[i]);
	check_mm();
	CHECK_EQ(current_vm->mm->map_count, 0);
	CHECK_EQ(get_mm_rss(current_vm->mm), 0);
}

/* ---- Switching (section CS) ------------------------------------------------------------------ */

static void kthread(void *arg)
{
	struct mm_struct **seen = arg;

	CHECK(!current_vm->mm);
	seen[0] = current_vm->active_mm;
}

PAGODA_TEST(kernel_threads_borrow_and_return_an_mm, "AS-07 CS-03 CS-04 CS-05 CS-15")
{
	struct mm_struct *seen[1] = {NULL}, *mm;

	CHECK(!current_vm->mm && current_vm->active_mm == &init_mm);
	new_process();
	mm = current_vm->mm;
	CHECK_EQ(atomic_read(&mm->mm_count), 1);
	hosted_wait(hosted_spawn("kthread", 0, kthread, seen));
	CHECK(seen[0] == mm || seen[0] == &init_mm);
	CHECK_EQ(atomic_read(&mm->mm_count), 1);
	CHECK_EQ(hosted_cpu_root(0), __pa(mm->pgd));
}

PAGODA_TEST(exit_leaves_reference_tables_loaded, "CS-09 AS-08")
{
	new_process();
	map_at(BASE, 1, RW);
	hosted_write32(BASE, 1);
	CHECK_EQ(hosted_cpu_root(0), __pa(current_vm->mm->pgd));
	hosted_process_exit();
	CHECK_EQ(hosted_cpu_root(0), __pa(swapper_pg_dir));
	CHECK(current_vm->active_mm == &init_mm);
	hosted_wait(hosted_spawn("noop", 0, noop, NULL));
}

static void private_value(void *arg)
{
	u32 mine = (u32)(unsigned long)arg;

	hosted_write32(BASE, mine);
	for (int i = 0; i < 50; i++) {
		port_yield();
		CHECK_EQ(hosted_read32(BASE), mine);
	}
}

PAGODA_TEST(switching_keeps_address_spaces_apart, "CS-01 PT-02")
{
	struct hosted_task *task[4];

	new_process();
	map_at(BASE, 1, RW);
	for (unsigned long i = 0; i < 4; i++) {
		task[i] = hosted_fork(0, private_value, (void *)(i + 1));
		CHECK(task[i]);
	}
	private_value((void *)9ul);
	for (int i = 0; i < 4; i++)
		hosted_wait(task[i]);
}
