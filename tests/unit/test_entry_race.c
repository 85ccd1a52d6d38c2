/* SPDX-License-Identifier: MIT */
/*
 * test_entry_race.c: changes of a page-table entry beside the MMU of another CPU that sets bits in
 * it.
 *
 *	CPU 0					CPU 1, without end
 *	take the dirty bit away			one kind of change, of the same entry
 *	store i: the MMU sets the bit again
 *	is the store known, and still there?
 *
 * A change that reads an entry and then writes it back plainly undoes what CPU 0's MMU does in
 * between: the store is in the page, and nothing says so. Reclaim, writeback and a lazily freed
 * page's end would throw it away. Each kind of change that mm/ makes to a live entry has a test
 * here; pgtable.h lists them.
 *
 * The CPUs take turns, drawn from the seed, at each lock and before each plain store to an entry,
 * so that the gap between reading and writing is met however few processors the host has. The tests
 * "in parallel" are the same with threads that really run at once.
 */
#include "reclaim_file.h"
#include "swap_process.h"

#include <pagoda/rmap.h>
#include <pagoda/mempolicy.h>

#define ELSEWHERE     (BASE + PG(4096))
#define LEAST_CHANGES 200 /* else the two were hardly ever at it together */

static int stop;
static unsigned long changes;

/* ---- The kinds of change, made on CPU 1 ------------------------------------------------------ */

static struct page *page_there(void)
{
	return get_user_page(current_vm->mm, BASE, false, false);
}

/* As do_page_fault() for a thread that saw the entry before it was there. */
static void fault_in_vain(void)
{
	struct mm_struct *mm = current_vm->mm;

	down_read(&mm->mmap_lock);
	(void)handle_mm_fault(find_vma(mm, BASE), BASE, 0); /* nothing to do */
	up_read(&mm->mmap_lock);
}
static void change_rights(void)
{
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PAGE_SIZE, changes % 2 ? RW : RW | PROT_EXEC),
		 0);
}
static void forget_stores(void)
{
	CHECK_EQ(clear_refs(current_vm->mm, CLEAR_REFS_SOFT_DIRTY), 0);
}
static void forget_use(void)
{
	CHECK_EQ(clear_refs(current_vm->mm, CLEAR_REFS_ALL), 0);
}
static void look_for_use(void)
{
	struct page *page = page_there();

	if (page) {
		(void)page_referenced(page, NULL); /* only what it does to the entry matters */
		put_page(page);
	}
}
static void copy_tables(void)
{
	struct mm_struct *child = dup_mm(current_vm->mm);

	if (child)
		mmput(child);
}
static void move_away_and_back(void)
{
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PAGE_SIZE, PAGE_SIZE,
			   MREMAP_MAYMOVE | MREMAP_FIXED, ELSEWHERE),
		 ELSEWHERE);
	CHECK_EQ(do_mremap(current_vm->mm, ELSEWHERE, PAGE_SIZE, PAGE_SIZE,
			   MREMAP_MAYMOVE | MREMAP_FIXED, BASE),
		 BASE);
}
static void change_node(void)
{
	struct mm_struct *mm = current_vm->mm;

	down_write(&mm->mmap_lock);
	(void)migrate_user_page(mm, BASE, (int)(changes % 2), false); /* it may be busy */
	up_write(&mm->mmap_lock);
}
static void evict(void)
{
	(void)swap_out_page(BASE); /* it may be busy */
}

static struct disk_file file;

static void write_file_back(void)
{
	CHECK_EQ(filemap_write_and_wait(&file.mapping), 0);
}

static void go_on(void *change)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		((void (*)(void))change)();
		__atomic_store_n(&changes, changes + 1, __ATOMIC_RELAXED);
		port_cpu_relax(); /* takes the interrupts that flushes send */
	}
}

/* ---- Stores, made on CPU 0 ------------------------------------------------------------------ */

/* The entry of the page, wherever it is at the moment, with page_table_lock held; NULL: nowhere. */
static pte_t *lock_entry(struct mm_struct *mm)
{
	static const unsigned long places[] = {BASE, ELSEWHERE};

	spin_lock(&mm->page_table_lock);
	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		pmd_t *pmd = walk_to_pmd(mm, places[i]);
		pte_t *ptep = pmd && !pmd_none(pmdp_get(pmd)) ? pte_offset(pmd, places[i]) : NULL;

		if (ptep && pte_present(ptep_get(ptep)))
			return ptep;
	}
	spin_unlock(&mm->page_table_lock);
	return NULL;
}

/* CPU 1 uses no translation of the page for storing, so only ours is flushed. */
static void make_clean(void)
{
	struct mm_struct *mm = current_vm->mm;
	pte_t *ptep = lock_entry(mm), pte;

	if (!ptep)
		return;
	pte = ptep_get_and_clear(mm, BASE, ptep);
	set_pte_at(mm, BASE, ptep, pte_old(pte_mkclean(pte)));
	spin_unlock(&mm->page_table_lock);
	port_flush_tlb_page(BASE);
}

static void free_lazily(void)
{
	CHECK_EQ(do_madvise(current_vm->mm, BASE, PAGE_SIZE, MADV_FREE), 0);
}

static void store(u64 value)
{
	while (!hosted_user_write(BASE, &value, sizeof(value))) /* moved away for a moment */
		(void)hosted_signal();
}

static u64 load(void)
{
	u64 value;

	while (!hosted_user_read(BASE, &value, sizeof(value)))
		(void)hosted_signal();
	return value;
}

/* Does the entry say that the page was stored to? With or_page, the page may say it as well. */
static bool look_for_store(bool or_page)
{
	struct mm_struct *mm = current_vm->mm;
	bool known = true; /* a page that has gone to swap was written there */
	pte_t *ptep;

	down_read(&mm->mmap_lock);
	ptep = lock_entry(mm);
	if (ptep) {
		known = pte_dirty(ptep_get(ptep)) ||
			(or_page && PageDirty(pte_page(ptep_get(ptep))));
		spin_unlock(&mm->page_table_lock);
	}
	up_read(&mm->mmap_lock);
	return known;
}

static bool entry_knows_store(u64 value)
{
	(void)value;
	return look_for_store(false);
}

static bool page_knows_store(u64 value)
{
	(void)value;
	return look_for_store(true);
}

/* Is the store on the disk by now, or will it be? The page lock keeps writing back out. */
static bool store_will_be_on_disk(u64 value)
{
	struct page *page = page_there();
	u64 on_disk;
	bool known;

	lock_page(page);
	memcpy(&on_disk, file.data, sizeof(on_disk));
	known = on_disk == value || PageWriteback(page) || look_for_store(true);
	unlock_page(page);
	put_page(page);
	return known;
}

static void race(void (*change)(void), void (*clean)(void), bool (*known)(u64 value))
{
	unsigned long rounds = test_scale(1000), unknown = 0, lost = 0;
	struct hosted_task *t = hosted_clone(1, go_on, change);

	for (u64 i = 1; i <= rounds || __atomic_load_n(&changes, __ATOMIC_RELAXED) < LEAST_CHANGES;
	     i++) {
		clean();
		store(i);
		unknown += !known(i);
		lost += load() != i;
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	hosted_wait(t);
	CHECK_EQ(unknown, 0);
	CHECK_EQ(lost, 0);
	check_mm();
}

static void race_for_anonymous_page(void (*change)(void), void (*clean)(void))
{
	new_process();
	map_at(BASE, 1, RW);
	hosted_write64(BASE, 1);
	race(change, clean, entry_knows_store);
}

#define RACE(name, change, clean, ...)                                                 \
	PAGODA_TEST_CONFIG(name##_in_parallel, "", .nr_cpus = 2, __VA_ARGS__)          \
	{                                                                              \
		race_for_anonymous_page(change, clean);                                \
	}                                                                              \
	PAGODA_TEST_CONFIG(name, "", .nr_cpus = 2, .deterministic = true, __VA_ARGS__) \
	{                                                                              \
		race_for_anonymous_page(change, clean);                                \
	}

RACE(a_store_beside_a_spurious_fault_is_seen, fault_in_vain, make_clean)
RACE(a_store_beside_mprotect_is_seen, change_rights, make_clean)
RACE(a_store_beside_clear_refs_of_soft_dirty_is_seen, forget_stores, make_clean)
RACE(a_store_beside_clear_refs_of_use_is_seen, forget_use, make_clean)
RACE(a_store_beside_page_referenced_is_seen, look_for_use, make_clean)
RACE(a_store_beside_fork_is_seen, copy_tables, make_clean)
RACE(a_store_beside_mremap_is_seen, move_away_and_back, make_clean)
RACE(a_store_beside_migration_is_seen, change_node, make_clean, .nr_nodes = 2)
RACE(a_store_to_a_lazily_freed_page_beside_a_spurious_fault_is_seen, fault_in_vain, free_lazily)
RACE(a_store_to_a_lazily_freed_page_beside_mprotect_is_seen, change_rights, free_lazily)
RACE(a_store_to_a_lazily_freed_page_beside_fork_is_seen, copy_tables, free_lazily)

static void nothing(void)
{
}

/* What is lost here is the store itself: the page comes back without it, or as zeros. */
static void race_with_swap(void (*clean)(void))
{
	new_process();
	swap_on(64);
	map_at(BASE, 1, RW);
	hosted_write64(BASE, 1);
	race(evict, clean, page_knows_store);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PAGE_SIZE), 0);
	swap_off();
}
PAGODA_TEST_CONFIG(a_store_beside_swapping_out_is_not_lost, "", .nr_cpus = 2, .deterministic = true)
{
	race_with_swap(nothing);
}
PAGODA_TEST_CONFIG(a_store_beside_the_end_of_a_lazily_freed_page_is_not_lost, "", .nr_cpus = 2,
		   .deterministic = true)
{
	race_with_swap(free_lazily);
}

PAGODA_TEST_CONFIG(a_store_beside_writing_back_reaches_the_disk, "", .nr_cpus = 2,
		   .deterministic = true)
{
	new_process();
	disk_open(&file, 1);
	disk_map(&file, BASE, MAP_SHARED);
	hosted_write64(BASE, 1);
	race(write_file_back, nothing, store_will_be_on_disk);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PAGE_SIZE), 0);
	disk_close(&file);
}

/* Who reads an entry of two words while it changes sees one of its values, never half of each. */
static pte_t shared_entry;
#define ONE_ENTRY   __pte((pteval_t)0x1111111111111111ull)
#define OTHER_ENTRY __pte((pteval_t)0x2222222222222222ull)

static void alternate(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		set_pte(&shared_entry, changes % 2 ? ONE_ENTRY : OTHER_ENTRY);
		__atomic_store_n(&changes, changes + 1, __ATOMIC_RELAXED);
	}
}

PAGODA_TEST_CONFIG(an_entry_is_read_and_written_whole, "", .nr_cpus = 2)
{
	unsigned long torn = 0, rounds = test_scale(100000);
	struct hosted_task *t;

	shared_entry = ONE_ENTRY;
	t = hosted_spawn("writer", 1, alternate, NULL);
	for (unsigned long i = 0;
	     i < rounds || __atomic_load_n(&changes, __ATOMIC_RELAXED) < LEAST_CHANGES; i++) {
		pteval_t seen = pte_val(ptep_get(&shared_entry));

		torn += seen != pte_val(ONE_ENTRY) && seen != pte_val(OTHER_ENTRY);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	hosted_wait(t);
	CHECK_EQ(torn, 0);
}
