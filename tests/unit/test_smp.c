/* SPDX-License-Identifier: MIT */
/*
 * test_smp.c: address spaces used by several CPUs at once.
 *
 * Most tests have a worker on CPU 1 (smp_worker.h). Kernel translations: test_flush.c.
 */
#include "smp_worker.h"

#include <pagoda/abi/signal.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vmstat.h>
#include <asm/pgalloc.h>
#include <asm/tlb.h>

/* ---- A page shared with a worker ------------------------------------------------------------ */

/*
 * A process with a page that main wrote 1 to and the worker, on CPU 1, wrote 2 to. The
 * page after it is in use too, so that their page table stays when the first one goes.
 */
static unsigned long share_a_page(struct worker *w)
{
	unsigned long addr;

	CHECK_EQ(hosted_process_create(), 0);
	addr = map_pages(2, RW_);
	hosted_write32(addr, 1);
	hosted_write32(addr + PAGE_SIZE, 1);
	start_worker(w, 1);
	w->addr = addr;
	w->value = 2;
	order(w, do_write);
	CHECK(w->ok);
	CHECK_EQ(hosted_read32(addr), 2);
	return addr;
}

#define SMP_TEST(name, ids) PAGODA_TEST_CONFIG(name, ids, .nr_cpus = 2)

/* ---- Flushes reach the CPUs they must reach, and no others ----------------------------------- */

SMP_TEST(munmap_stops_the_other_cpu, "XC-03")
{
	struct worker w;
	unsigned long addr = share_a_page(&w);

	CHECK_EQ(do_munmap(current_vm->mm, addr, PAGE_SIZE), 0);
	order(&w, do_read);
	CHECK(!w.ok);
	CHECK_EQ(w.sig.signo, SIGSEGV);
	CHECK_EQ(w.sig.code, SEGV_MAPERR);
	end_worker(&w);
}

SMP_TEST(mprotect_stops_the_other_cpu, "XC-03")
{
	struct worker w;
	unsigned long addr = share_a_page(&w);

	CHECK_EQ(do_mprotect(current_vm->mm, addr, PAGE_SIZE, PROT_READ), 0);
	order(&w, do_write);
	CHECK(!w.ok);
	CHECK_EQ(w.sig.signo, SIGSEGV);
	CHECK_EQ(w.sig.code, SEGV_ACCERR);
	order(&w, do_read);
	CHECK(w.ok);
	end_worker(&w);
}

SMP_TEST(mremap_stops_the_other_cpu, "XC-03")
{
	struct worker w;
	unsigned long addr = share_a_page(&w), target = map_pages(1, PROT_NONE), moved;

	moved = do_mremap(current_vm->mm, addr, PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			  target);
	CHECK_EQ(moved, target);
	order(&w, do_read);
	CHECK(!w.ok);
	CHECK_EQ(w.sig.code, SEGV_MAPERR);
	CHECK_EQ(hosted_read32(moved), 2);
	end_worker(&w);
}

/* ---- A translation that has lost its entry, and the lock that keeps others from the page ---- */

#define LOCK_LOOKS_NS 30000000ull

static bool entry_is_gone(unsigned long addr)
{
	pmd_t *pmd = walk_to_pmd(current_vm->mm, addr);

	return !pmd || pmd_none(pmdp_get(pmd)) || pte_none(ptep_get(pte_offset(pmd, addr)));
}

/*
 * On a CPU that reads addr and then takes no interrupts until its entry is gone, and for a while
 * after that: ok if page_table_lock stays taken as long as the translation is there. Else
 * others (reclaim, writeback) may do with the page as they like while this CPU still reaches it.
 */
static void watch_lock(struct worker *w)
{
	spinlock_t *lock = &current_vm->mm->page_table_lock;
	u64 until;

	w->ok = hosted_user_write(w->addr, &w->value, sizeof(w->value));
	__atomic_store_n(&w->value, 0, __ATOMIC_RELEASE); /* ready */
	while (!entry_is_gone(w->addr))
		;
	until = port_clock_ns() + LOCK_LOOKS_NS;
	while (w->ok && port_clock_ns() < until && hosted_tlb_holds(1, w->addr))
		w->ok = __atomic_load_n(&lock->locked, __ATOMIC_ACQUIRE);
}

static void start_watching(struct worker *w, unsigned long addr)
{
	start_worker(w, 1);
	w->addr = addr;
	w->value = 2;
	start_order(w, watch_lock);
	while (__atomic_load_n(&w->value, __ATOMIC_ACQUIRE))
		port_cpu_relax();
}

SMP_TEST(moved_page_is_flushed_before_reclaim_can_find_it, "SM-07 AS-53")
{
	unsigned long addr, target;
	struct worker w;

	CHECK_EQ(hosted_process_create(), 0);
	addr = map_pages(1, RW_);
	target = map_pages(1, RW_);
	start_watching(&w, addr);
	CHECK_EQ(do_mremap(current_vm->mm, addr, PAGE_SIZE, PAGE_SIZE,
			   MREMAP_MAYMOVE | MREMAP_FIXED, target),
		 target);
	end_order(&w);
	CHECK(w.ok);
	end_worker(&w);
}

SMP_TEST(dirty_shared_page_is_flushed_before_it_can_be_cleaned, "AS-51")
{
	unsigned long addr;
	struct worker w;

	CHECK_EQ(hosted_process_create(), 0);
	addr = do_mmap(current_vm->mm, NULL, 0, 2 * PAGE_SIZE, RW_, MAP_SHARED | MAP_ANONYMOUS, 0);
	CHECK(!IS_ERR_VALUE(addr));
	hosted_write32(addr + PAGE_SIZE, 1); /* keeps the table */
	start_watching(&w, addr);
	CHECK_EQ(do_munmap(current_vm->mm, addr, PAGE_SIZE), 0);
	end_order(&w);
	CHECK(w.ok);
	end_worker(&w);
}

static void note_child_value(void *arg)
{
	struct worker *w = arg;

	w->value = hosted_read32(w->addr);
}

/*
 * On a CPU that can read addr and takes no interrupts: ok if the entry leads to no other frame
 * as long as the old translation is there. Else one CPU reads what another has overwritten already.
 */
static void watch_frame(struct worker *w)
{
	u64 until;
	pte_t *ptep;
	pte_t old;

	w->ok = hosted_user_read(w->addr, &w->value, sizeof(w->value));
	ptep = pte_offset(walk_to_pmd(current_vm->mm, w->addr), w->addr);
	old = ptep_get(ptep);
	__atomic_store_n(&w->value, 0, __ATOMIC_RELEASE); /* ready */
	while (pte_val(ptep_get(ptep)) == pte_val(old))
		;
	until = port_clock_ns() + LOCK_LOOKS_NS;
	while (w->ok && port_clock_ns() < until && hosted_tlb_holds(1, w->addr))
		w->ok = !pte_present(ptep_get(ptep)) || pte_pfn(ptep_get(ptep)) == pte_pfn(old);
}

SMP_TEST(copied_page_is_flushed_before_its_copy_is_there, "FT-55")
{
	struct hosted_task *child;
	struct worker w, seen = {0};

	CHECK_EQ(hosted_process_create(), 0);
	seen.addr = map_pages(1, RW_);
	hosted_write32(seen.addr, 2);
	child = hosted_fork(0, note_child_value, &seen); /* does not run before main waits */
	CHECK(child);
	start_worker(&w, 1);
	w.addr = seen.addr;
	w.value = 2;
	start_order(&w, watch_frame);
	while (__atomic_load_n(&w.value, __ATOMIC_ACQUIRE))
		port_cpu_relax();
	hosted_write32(w.addr, 8); /* main gets a copy */
	end_order(&w);
	CHECK(w.ok);
	order(&w, do_read);
	CHECK_EQ(w.value, 8);
	hosted_wait(child);
	CHECK_EQ(seen.value, 2);
	end_worker(&w);
}

/* Of two pages the second is read-only already: the first one's flush is wanted all the same. */
SMP_TEST(mprotect_flushes_though_the_last_page_loses_nothing, "")
{
	struct worker w;
	unsigned long addr;
	u32 value;

	CHECK_EQ(hosted_process_create(), 0);
	addr = map_pages(2, RW_);
	start_worker(&w, 1);
	w.addr = addr;
	w.value = 2;
	order(&w, do_write);
	CHECK(hosted_user_read(addr + PAGE_SIZE, &value, sizeof(value)));
	CHECK_EQ(do_mprotect(current_vm->mm, addr, 2 * PAGE_SIZE, PROT_READ), 0);
	order(&w, do_write);
	CHECK(!w.ok);
	CHECK_EQ(w.sig.code, SEGV_ACCERR);
	end_worker(&w);
}

/* ---- Tables that are used again -------------------------------------------------------------- */

struct other_user {
	unsigned long addr;
	int begin, ready, end;
};

static void wait_for(int *flag)
{
	while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE))
		port_yield();
}

static void use_tables(void *arg)
{
	struct other_user *u = arg;
	unsigned long flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	CHECK_EQ(do_munmap(current_vm->mm, u->addr, 2 * PAGE_SIZE), 0);
	drain_pgt_cache();
	__atomic_store_n(&u->ready, 1, __ATOMIC_RELEASE);
	wait_for(&u->begin);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, u->addr, PAGE_SIZE, RW_, flags, 0), u->addr);
	hosted_write32(u->addr, 7);
	__atomic_store_n(&u->ready, 2, __ATOMIC_RELEASE);
	wait_for(&u->end);
}

SMP_TEST(tables_of_an_ended_region_serve_no_cpu, "SM-07")
{
	struct hosted_task *child;
	struct worker w;
	struct other_user user = {.addr = share_a_page(&w)};

	child = hosted_fork(0, use_tables, &user);
	CHECK(child);
	wait_for(&user.ready);
	order(&w, do_read); /* after the fork's flush it remembers everything again */
	CHECK(w.ok);
	CHECK_EQ(do_munmap(current_vm->mm, user.addr, 2 * PAGE_SIZE), 0);
	__atomic_store_n(&user.begin, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&user.ready, __ATOMIC_ACQUIRE) != 2)
		port_yield(); /* the child's tables are ours, from the quicklist */
	order(&w, do_read);
	CHECK(!w.ok);
	CHECK_EQ(w.sig.code, SEGV_MAPERR);
	__atomic_store_n(&user.end, 1, __ATOMIC_RELEASE);
	hosted_wait(child);
	end_worker(&w);
}

/*
 * A batch of pages is flushed before their table goes: the table is unhooked after that, and wants
 * a flush of its own before it is freed.
 */
SMP_TEST(table_that_goes_after_the_flush_of_its_pages_serves_no_cpu, "SM-07")
{
	struct worker w;

	CHECK_EQ(hosted_process_create(), 0);
	start_worker(&w, 1);
	for (unsigned int pages = TLB_BATCH_PAGES - 1; pages <= TLB_BATCH_PAGES + 1; pages++) {
		unsigned long addr = 0x40000000;

		CHECK_EQ(do_mmap(current_vm->mm, NULL, addr, pages * PAGE_SIZE, RW_,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0),
			 addr);
		for (unsigned int i = 0; i < pages; i++)
			hosted_write8(addr + i * PAGE_SIZE, 1);
		w.addr = addr;
		order(&w, do_read); /* CPU 1 knows the table */
		CHECK(w.ok);
		CHECK_EQ(do_munmap(current_vm->mm, addr, pages * PAGE_SIZE), 0);
		drain_pgt_cache();
		order(&w, do_read);
		CHECK(!w.ok);
		CHECK_EQ(w.sig.code, SEGV_MAPERR);
	}
	end_worker(&w);
}

/* ---- Two at once ----------------------------------------------------------------------------- */

#define SPREAD_TABLES 100 /* a page in each */

static void drop_when_dropped(struct worker *w)
{
	w->ok = hosted_user_write(w->addr, &w->value, sizeof(w->value));
	__atomic_store_n(&w->value, 0, __ATOMIC_RELEASE); /* ready */
	while (!entry_is_gone(w->addr))
		;
	/* the other is at it, or has not told us */
	w->ok &= !do_madvise(current_vm->mm, w->addr, PAGE_SIZE, MADV_DONTNEED);
	w->ok &= hosted_user_read(w->addr, &w->value, sizeof(w->value));
}

SMP_TEST(a_page_dropped_by_two_is_gone_for_both, "")
{
	unsigned long len = (unsigned long)SPREAD_TABLES * PMD_SIZE, addr;
	struct worker w;

	CHECK_EQ(hosted_process_create(), 0);
	addr = do_mmap(current_vm->mm, NULL, 0, len, RW_,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0);
	CHECK(!IS_ERR_VALUE(addr));
	addr = ALIGN(addr, PMD_SIZE);
	len -= PMD_SIZE;
	start_worker(&w, 1);
	w.addr = addr;
	for (int round = 0; round < 20; round++) {
		for (unsigned long at = addr + PMD_SIZE; at < addr + len; at += PMD_SIZE)
			hosted_write32(at, 1);
		w.value = 2;
		start_order(&w, drop_when_dropped);
		while (__atomic_load_n(&w.value, __ATOMIC_ACQUIRE))
			port_cpu_relax();
		CHECK_EQ(do_madvise(current_vm->mm, addr, len, MADV_DONTNEED), 0);
		end_order(&w);
		CHECK(w.ok);
		CHECK_EQ(w.value, 0);
	}
	end_worker(&w);
}

SMP_TEST(widening_rights_needs_no_ipi, "SM-08")
{
	struct worker w;
	unsigned long addr = share_a_page(&w), ipis;

	CHECK_EQ(do_mprotect(current_vm->mm, addr, PAGE_SIZE, PROT_READ), 0);
	order(&w, do_read);
	ipis = vm_event(tlb_ipi);
	CHECK_EQ(do_mprotect(current_vm->mm, addr, PAGE_SIZE, RW_), 0);
	hosted_write32(addr, 5);
	CHECK_EQ(vm_event(tlb_ipi), ipis);
	w.value = 6;
	order(&w, do_write);
	CHECK(w.ok);
	CHECK_EQ(hosted_read32(addr), 6);
	end_worker(&w);
}

SMP_TEST(fork_takes_write_access_from_all_cpus, "XC-03")
{
	struct worker w, seen = {0};
	unsigned long addr = share_a_page(&w);
	struct hosted_task *child;

	seen.addr = addr;
	child = hosted_fork(0, note_child_value, &seen); /* does not run before main waits */
	CHECK(child);
	w.value = 77;
	order(&w, do_write);
	CHECK(w.ok);
	hosted_wait(child);
	CHECK_EQ(seen.value, 2); /* as it was at the fork */
	CHECK_EQ(hosted_read32(addr), 77);
	end_worker(&w);
}

SMP_TEST(copy_on_write_shows_on_all_cpus, "XC-03")
{
	struct worker w, seen = {0};
	unsigned long addr = share_a_page(&w);
	struct hosted_task *child;

	seen.addr = addr;
	child = hosted_fork(0, note_child_value, &seen);
	CHECK(child);
	order(&w, do_read); /* CPU 1 now has the shared frame, read-only */
	CHECK_EQ(w.value, 2);
	hosted_write32(addr, 8); /* main gets a copy */
	order(&w, do_read);
	CHECK_EQ(w.value, 8);
	hosted_wait(child);
	CHECK_EQ(seen.value, 2);
	end_worker(&w);
}

PAGODA_TEST_CONFIG(flush_goes_to_cpus_in_the_mask, "SM-05", .nr_cpus = 4)
{
	struct worker w;
	unsigned long addr = share_a_page(&w), ipis = vm_event(tlb_ipi);

	CHECK_EQ(do_munmap(current_vm->mm, addr, PAGE_SIZE), 0);
	CHECK_EQ(vm_event(tlb_ipi), ipis + 1);
	end_worker(&w);
}

static void do_nothing(void *arg)
{
	(void)arg;
}

/* A CPU that only borrows the tables is told once and then left alone (CS-07). */
SMP_TEST(lazy_cpu_is_told_once, "CS-06 CS-07 SM-05")
{
	unsigned long addr, ipis;

	CHECK_EQ(hosted_process_create(), 0);
	addr = map_pages(2, RW_);
	hosted_write8(addr, 1);
	hosted_write8(addr + PAGE_SIZE, 1);
	hosted_wait(hosted_clone(1, do_nothing, NULL));
	ipis = vm_event(tlb_ipi);
	CHECK_EQ(do_munmap(current_vm->mm, addr, PAGE_SIZE), 0);
	CHECK_LE(vm_event(tlb_ipi), ipis + 1);
	ipis = vm_event(tlb_ipi);
	CHECK_EQ(do_munmap(current_vm->mm, addr + PAGE_SIZE, PAGE_SIZE), 0);
	CHECK_EQ(vm_event(tlb_ipi), ipis);
}

static void park_until_told(void *arg)
{
	struct worker *w = arg;

	w->ok = hosted_user_read(w->addr, &w->value, sizeof(w->value));
	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&w->orders, __ATOMIC_ACQUIRE) == 0)
		port_park(UINT64_MAX);
	w->ok &= hosted_user_read(w->addr, &w->value, sizeof(w->value));
}

/* A task sleeps, its idle CPU is told to flush and leaves the mm, the task wakes there. */
SMP_TEST(lazy_cpu_that_left_comes_back, "CS-07")
{
	struct worker w = {0};
	struct hosted_task *task;

	CHECK_EQ(hosted_process_create(), 0);
	w.addr = map_pages(2, RW_);
	hosted_write32(w.addr, 3);
	hosted_write32(w.addr + PAGE_SIZE, 4);
	task = hosted_clone(1, park_until_told, &w);
	while (!__atomic_load_n(&w.done, __ATOMIC_ACQUIRE) || !hosted_cpu_is_idle(1))
		port_yield();
	CHECK_EQ(do_munmap(current_vm->mm, w.addr + PAGE_SIZE, PAGE_SIZE), 0);
	__atomic_store_n(&w.orders, 1, __ATOMIC_RELEASE);
	port_unpark(hosted_vm_task(task));
	hosted_wait(task);
	CHECK(w.ok);
	CHECK_EQ(w.value, 3);
}

/*
 * A CPU whose only task sleeps borrows the tables (lazy). The first flush makes it leave them;
 * after that no flush disturbs it, however many there are.
 */
SMP_TEST(sleeping_threads_cpu_gets_one_ipi, "CS-06 CS-07")
{
	struct worker w = {0};
	struct hosted_task *task;
	unsigned long ipis;

	CHECK_EQ(hosted_process_create(), 0);
	w.addr = map_pages(1, RW_);
	hosted_write32(w.addr, 3);
	task = hosted_clone(1, park_until_told, &w);
	while (!__atomic_load_n(&w.done, __ATOMIC_ACQUIRE) || !hosted_cpu_is_idle(1))
		port_yield();
	ipis = vm_event(tlb_ipi);
	for (int i = 0; i < 1000; i++) {
		unsigned long addr = map_pages(1, RW_);

		hosted_write32(addr, 3);
		CHECK_EQ(do_munmap(current_vm->mm, addr, PAGE_SIZE), 0);
	}
	CHECK_LE(vm_event(tlb_ipi), ipis + 1);
	__atomic_store_n(&w.orders, 1, __ATOMIC_RELEASE);
	port_unpark(hosted_vm_task(task));
	hosted_wait(task);
	CHECK(w.ok);
}

/* ---- Frames are not reused while a CPU can still write to them ------------------------------- */

#define POISON 0x5a

static void keep_writing(struct worker *w)
{
	u32 value = 0xffffffff;

	do
		w->ok = hosted_user_write(w->addr, &value, sizeof(value));
	while (w->ok);
	w->sig = hosted_signal();
}

static bool is_poisoned(const unsigned char *p)
{
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		if (p[i] != POISON)
			return false;
	return true;
}

static void reuse_frames_of_a_running_writer(unsigned int rounds)
{
	unsigned long kernel_page[4];
	struct worker w;

	CHECK_EQ(hosted_process_create(), 0);
	start_worker(&w, 1);
	for (unsigned int round = 0; round < rounds; round++) {
		w.addr = map_pages(1, RW_);
		hosted_write8(w.addr, 1);
		start_order(&w, keep_writing);
		port_yield();
		CHECK_EQ(do_munmap(current_vm->mm, w.addr, PAGE_SIZE), 0);
		for (unsigned int i = 0; i < ARRAY_SIZE(kernel_page); i++) {
			kernel_page[i] = __get_free_page(GFP_KERNEL);
			CHECK(kernel_page[i]);
			__builtin_memset((void *)kernel_page[i], POISON, PAGE_SIZE);
		}
		end_order(&w);
		CHECK_EQ(w.sig.signo, SIGSEGV);
		for (unsigned int i = 0; i < ARRAY_SIZE(kernel_page); i++) {
			CHECK(is_poisoned((unsigned char *)kernel_page[i]));
			free_page(kernel_page[i]);
		}
	}
	end_worker(&w);
}

SMP_TEST(frames_are_freed_after_the_flush, "SM-07")
{
	reuse_frames_of_a_running_writer(test_scale(400));
}

PAGODA_TEST_CONFIG(frames_are_freed_after_the_flush_step_by_step, "SM-07", .nr_cpus = 2,
		   .deterministic = true)
{
	reuse_frames_of_a_running_writer(test_scale(80));
}

#define THIRD_CPU_PAGES 256
#define TAKEN_AT_ONCE	96

static int taker_stops;
static unsigned long strange_bytes; /* pages that changed while the taker had them */

static void take_poison_and_free(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&taker_stops, __ATOMIC_ACQUIRE)) {
		unsigned long page[TAKEN_AT_ONCE];
		unsigned int n = 0;

		for (; n < TAKEN_AT_ONCE && (page[n] = __get_free_page(GFP_ATOMIC)); n++)
			__builtin_memset((void *)page[n], POISON, PAGE_SIZE);
		port_cpu_relax();
		for (unsigned int i = 0; i < n; i++) {
			strange_bytes += !is_poisoned((unsigned char *)page[i]);
			free_page(page[i]);
		}
	}
}

static void write_all_until_refused(struct worker *w)
{
	u32 value = 0xffffffff;
	unsigned int i = 0;

	do {
		w->ok = hosted_user_write(w->addr + i * PAGE_SIZE, &value, sizeof(value));
		i = (i + 1) % THIRD_CPU_PAGES;
	} while (w->ok);
	w->sig = hosted_signal();
}

/* CPU 0 unmaps, CPU 1 writes all the time, CPU 2 takes whatever frames are free. */
PAGODA_TEST_CONFIG(a_third_cpu_gets_no_frame_that_is_written_to, "SM-07", .nr_cpus = 3,
		   .ram = 8 * SZ_1M)
{
	struct hosted_task *taker;
	struct worker w;

	CHECK_EQ(hosted_process_create(), 0);
	start_worker(&w, 1);
	taker = hosted_spawn("taker", 2, take_poison_and_free, NULL);
	for (unsigned int round = 0; round < test_scale(60); round++) {
		w.addr = map_pages(THIRD_CPU_PAGES, RW_);
		for (unsigned int i = 0; i < THIRD_CPU_PAGES; i++)
			hosted_write8(w.addr + i * PAGE_SIZE, 1);
		start_order(&w, write_all_until_refused);
		port_yield();
		CHECK_EQ(do_munmap(current_vm->mm, w.addr, THIRD_CPU_PAGES * PAGE_SIZE), 0);
		end_order(&w);
	}
	__atomic_store_n(&taker_stops, 1, __ATOMIC_RELEASE);
	hosted_wait(taker);
	end_worker(&w);
	CHECK_EQ(strange_bytes, 0);
}

/* ---- Racing faults --------------------------------------------------------------------------- */

#define RACE_PAGES 64

static void touch_all(struct worker *w)
{
	for (unsigned int i = 0; i < RACE_PAGES; i++)
		(void)hosted_fetch_add32(w->addr + i * PAGE_SIZE, 1);
}

static void race_on_faults(unsigned int rounds, unsigned int nr_workers)
{
	struct worker w[3];

	CHECK_EQ(hosted_process_create(), 0);
	for (unsigned int i = 0; i < nr_workers; i++)
		start_worker(&w[i], (int)i + 1);
	for (unsigned int round = 0; round < rounds; round++) {
		struct worker self = {.addr = map_pages(RACE_PAGES, RW_)};
		unsigned long rss = get_mm_rss(port_current()->mm);

		for (unsigned int i = 0; i < nr_workers; i++) {
			w[i].addr = self.addr;
			start_order(&w[i], touch_all);
		}
		touch_all(&self);
		for (unsigned int i = 0; i < nr_workers; i++)
			end_order(&w[i]);
		for (unsigned int i = 0; i < RACE_PAGES; i++)
			CHECK_EQ(hosted_read32(self.addr + i * PAGE_SIZE), nr_workers + 1);
		CHECK_EQ(get_mm_rss(port_current()->mm), rss + RACE_PAGES);
		CHECK_EQ(do_munmap(current_vm->mm, self.addr, RACE_PAGES * PAGE_SIZE), 0);
	}
	for (unsigned int i = 0; i < nr_workers; i++)
		end_worker(&w[i]);
}

PAGODA_TEST_CONFIG(racing_faults_keep_one_frame, "SM-09", .nr_cpus = 4)
{
	race_on_faults(test_scale(100), 3);
}

PAGODA_TEST_CONFIG(racing_faults_keep_one_frame_step_by_step, "SM-09", .nr_cpus = 3,
		   .deterministic = true)
{
	race_on_faults(test_scale(8), 2);
}

/* ---- Everything at once ---------------------------------------------------------------------- */

#define STRESS_PAGES 32

struct stress {
	u64 seed;
	unsigned int steps;
	unsigned long addr;
};

static u64 draw(struct stress *s)
{
	s->seed = s->seed * 6364136223846793005ull + 1442695040888963407ull;
	return s->seed >> 33;
}

static void stress_step(struct stress *s);

static void stress_child(void *arg)
{
	struct stress s = *(struct stress *)arg;

	for (s.steps = 20; s.steps; s.steps--)
		stress_step(&s);
}

/* One random change or access; only its effect on the machine's sanity counts. */
static void stress_step(struct stress *s)
{
	unsigned long page = draw(s) % STRESS_PAGES, nr = 1 + draw(s) % (STRESS_PAGES - page);
	unsigned long at = s->addr + page * PAGE_SIZE;
	u32 value = (u32)draw(s);

	switch (draw(s) % 12) {
	case 8:
		(void)!do_madvise(current_vm->mm, at, nr * PAGE_SIZE, MADV_DONTNEED);
		break;
	case 9:
		(void)!do_mremap(current_vm->mm, at, nr * PAGE_SIZE, (1 + draw(s) % nr) * PAGE_SIZE,
				 MREMAP_MAYMOVE, 0);
		break;
	case 10:
		(void)!(draw(s) & 1 ? do_mlock(current_vm->mm, at, nr * PAGE_SIZE, 0)
				    : do_munlock(current_vm->mm, at, nr * PAGE_SIZE));
		break;
	case 0:
		(void)!do_munmap(current_vm->mm, at, nr * PAGE_SIZE);
		break;
	case 1:
		(void)!do_mprotect(current_vm->mm, at, nr * PAGE_SIZE,
				   draw(s) & 1 ? PROT_READ : RW_);
		break;
	case 2:
	case 3:
		(void)!do_mmap(current_vm->mm, NULL, at, nr * PAGE_SIZE, RW_,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0);
		break;
	case 4:
		(void)hosted_user_read(at, &value, sizeof(value));
		break;
	default:
		(void)hosted_user_write(at, &value, sizeof(value));
	}
	while (hosted_signal().signo)
		;
}

static void stress_thread(void *arg)
{
	struct stress *s = arg;
	struct hosted_task *child = NULL;

	for (unsigned int i = 0; i < s->steps; i++) {
		stress_step(s);
		if (draw(s) % 64 || child)
			continue;
		child = hosted_fork(HOSTED_ANY_CPU, stress_child, s);
		if (child)
			hosted_wait(child);
		child = NULL;
	}
}

/* Nothing may be lost, leak or race, whatever the threads do to each other. */
static void stress_threads(unsigned int threads, unsigned int steps)
{
	struct hosted_task *task[8];
	struct stress s[8];
	unsigned long addr = 0x10000000; /* mapped or not: steps will */

	for (unsigned int i = 0; i < threads; i++) {
		s[i] = (struct stress){.seed = test_random(), .steps = steps, .addr = addr};
		task[i] = hosted_clone(HOSTED_ANY_CPU, stress_thread, &s[i]);
	}
	for (unsigned int i = 0; i < threads; i++)
		hosted_wait(task[i]);
}

static void stress(unsigned int threads, unsigned int steps)
{
	CHECK_EQ(hosted_process_create(), 0);
	stress_threads(threads, steps);
}

/* ---- Counts and flags ------------------------------------------------------------------------ */

static struct page *shared_page;
static int nr_started;

/* Each task has a flag of its own; all share the count, and the number of entries. */
static void get_put_and_toggle(void *arg)
{
	static const enum page_flag flag[4] = {PG_referenced, PG_dirty, PG_uptodate, PG_workingset};
	unsigned long task = (unsigned long)arg;

	__atomic_fetch_add(&nr_started, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&nr_started, __ATOMIC_SEQ_CST) < 4)
		port_cpu_relax();
	for (unsigned int i = 0; i < test_scale(100000); i++) {
		get_page(shared_page);
		CHECK(!test_and_set_bit(flag[task], &shared_page->flags));
		atomic_inc(&shared_page->mapcount);
		CHECK(test_and_clear_bit(flag[task], &shared_page->flags));
		atomic_dec(&shared_page->mapcount);
		put_page(shared_page);
		if (i % 4 == task) /* each keeps a quarter of its rounds' references */
			get_page(shared_page);
	}
	set_bit(flag[task], &shared_page->flags);
}

PAGODA_TEST_CONFIG(counts_and_flags_of_a_page_are_exact_on_four_cpus, "SM-10", .nr_cpus = 4)
{
	unsigned long flags, kept = 4 * (unsigned long)(test_scale(100000) / 4);
	struct hosted_task *task[4];

	CHECK_EQ(test_scale(100000) % 4, 0);
	shared_page = alloc_page(GFP_KERNEL);
	flags = shared_page->flags;
	for (unsigned long i = 0; i < 4; i++)
		task[i] = hosted_spawn("toggle", (int)i, get_put_and_toggle, (void *)i);
	for (int i = 0; i < 4; i++)
		hosted_wait(task[i]);
	CHECK_EQ(page_count(shared_page), (int)(1 + kept));
	CHECK_EQ(page_mapcount(shared_page), 0);
	CHECK_EQ(shared_page->flags, flags | 1ul << PG_referenced | 1ul << PG_dirty |
					     1ul << PG_uptodate | 1ul << PG_workingset);
	shared_page->flags = flags;
	atomic_set(&shared_page->count, 1);
	__free_page(shared_page);
}

PAGODA_TEST_CONFIG(four_cpus_under_stress, "SM-13", .nr_cpus = 4)
{
	stress(6, test_scale(2000));
}

PAGODA_TEST_CONFIG(four_cpus_under_stress_step_by_step, "SM-13", .nr_cpus = 4,
		   .deterministic = true)
{
	stress(6, test_scale(200));
}

PAGODA_TEST_CONFIG(four_cpus_short_of_memory, "SM-13", .nr_cpus = 4)
{
	CHECK_EQ(hosted_process_create(), 0);
	hosted_fail_one_in(10);
	stress_threads(6, test_scale(1000));
	hosted_fail_one_in(0);
}

PAGODA_TEST_CONFIG(four_cpus_short_of_memory_step_by_step, "SM-13", .nr_cpus = 4,
		   .deterministic = true)
{
	CHECK_EQ(hosted_process_create(), 0);
	hosted_fail_one_in(10);
	stress_threads(6, test_scale(200));
	hosted_fail_one_in(0);
}

PAGODA_TEST_CONFIG(small_tlbs_under_stress, "SM-13", .nr_cpus = 4, .tlb_entries = 8)
{
	stress(4, test_scale(1000));
}
