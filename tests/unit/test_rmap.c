/* SPDX-License-Identifier: MIT */
/*
 * test_rmap.c: the LRU lists and the walks from a page to its entries.
 */
#include <pagoda/rmap.h>
#include "swap_process.h"

static struct page *page_at(unsigned long addr)
{
	return pfn_to_page(frame_at(addr));
}

static unsigned long map_shared(unsigned long pages)
{
	return do_mmap(current_vm->mm, NULL, BASE, PG(pages), RW,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, 0);
}

PAGODA_TEST(anonymous_page_is_on_the_inactive_list, "FT-41 PM-29")
{
	new_process();
	map_at(BASE, 40, RW);
	for (int i = 0; i < 40; i++)
		hosted_write8(BASE + PG(i), 1);
	CHECK_GE(lru_pages(LRU_INACTIVE_ANON), LRU_BATCH_PAGES);
	lru_add_drain_all();
	CHECK_EQ(lru_pages(LRU_INACTIVE_ANON), 40);
	CHECK_EQ(page_count(page_at(BASE)), 1);
	validate_lru();
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(40)), 0);
	CHECK_EQ(lru_pages(LRU_INACTIVE_ANON), 0);
}

PAGODA_TEST(page_in_a_batch_is_written_in_place, "FT-55")
{
	struct page *page;

	new_process();
	map_at(BASE, 1, RW);
	hosted_write8(BASE, 1);
	page = page_at(BASE);
	CHECK_EQ(page_count(page), 2);
	CHECK_EQ(page_count_no_batch(page), 1);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), PROT_READ), 0);
	CHECK_EQ(do_mprotect(current_vm->mm, BASE, PG(1), RW), 0);
	hosted_write8(BASE, 2);
	CHECK_EQ(page_at(BASE), page);
}

PAGODA_TEST(coldest_page_is_taken_first, "RC-13")
{
	struct page *first, *second;

	new_process();
	map_at(BASE, 2, RW);
	hosted_write8(BASE, 1);
	hosted_write8(BASE + PG(1), 1);
	lru_add_drain_all();
	first = lru_take_coldest(page_zone(page_at(BASE)), LRU_INACTIVE_ANON);
	second = lru_take_coldest(page_zone(page_at(BASE)), LRU_INACTIVE_ANON);
	CHECK_EQ(first, page_at(BASE));
	CHECK_EQ(second, page_at(BASE + PG(1)));
	put_page(first);
	put_page(second);
}

static atomic_t children_ready, children_go;

static void touch_and_wait(void *arg)
{
	(void)arg;
	(void)hosted_read8(BASE);
	atomic_inc(&children_ready);
	while (!atomic_read(&children_go))
		port_yield();
}

PAGODA_TEST_CONFIG(page_referenced_counts_every_process, "FX-01", .nr_cpus = 4)
{
	struct hosted_task *child[3];
	struct page *page;

	new_process();
	map_at(BASE, 1, RW);
	hosted_write8(BASE, 1);
	for (int i = 0; i < 3; i++)
		CHECK((child[i] = hosted_fork(HOSTED_ANY_CPU, touch_and_wait, NULL)));
	while (atomic_read(&children_ready) < 3)
		port_yield();
	(void)hosted_read8(BASE);
	page = page_at(BASE);
	CHECK_EQ(page_mapcount(page), 4);
	CHECK_EQ(page_referenced(page, NULL), 4);
	CHECK(!hosted_lookup_user(current_vm->mm, BASE).accessed);
	CHECK_EQ(page_referenced(page, NULL), 0);
	(void)hosted_read8(BASE); /* the CPU does not remember: it sets the bit again */
	CHECK_EQ(page_referenced(page, NULL), 1);
	atomic_set(&children_go, 1);
	for (int i = 0; i < 3; i++)
		hosted_wait(child[i]);
	CHECK_EQ(page_mapcount(page), 1);
}

/* ---- Families -------------------------------------------------------------------------------- */

static void write_in(struct mm_struct *mm, unsigned long addr, u32 value)
{
	CHECK_EQ(access_process_vm(mm, addr, &value, sizeof(value), true, false), sizeof(value));
}

static u32 read_in(struct mm_struct *mm, unsigned long addr)
{
	u32 value = 0;

	CHECK_EQ(access_process_vm(mm, addr, &value, sizeof(value), false, false), sizeof(value));
	return value;
}

static struct page *page_in(struct mm_struct *mm, unsigned long addr)
{
	struct page *page;

	down_read(&mm->mmap_lock);
	page = follow_page(mm, addr, false);
	up_read(&mm->mmap_lock);
	return page;
}

/* VMAs that a walk over page looks at. */
static unsigned long visits(struct page *page)
{
	unsigned long before = vm_event(rmap_visit);

	(void)page_referenced(page, NULL);
	return vm_event(rmap_visit) - before;
}

#define FAMILY 1000

/* A file of which a thousand regions show a page each: none is looked at for another's page. */
PAGODA_TEST(one_of_many_mappings_of_a_file_is_found_alone, "FX-01 AS-74")
{
	unsigned int nr = min(test_scale(FAMILY), (unsigned int)FAMILY);
	struct vm_file *file = shmem_zero_setup(PG(FAMILY), true);
	unsigned long before;
	struct page *page;

	new_process();
	/* in no order; with a hole behind each they do not merge */
	for (unsigned int i = 0; i < nr; i++) {
		unsigned int place = i * 7 % nr;

		CHECK_EQ(do_mmap(current_vm->mm, file, BASE + PG(2 * place), PG(1), RW,
				 MAP_SHARED | MAP_FIXED, PG(place)),
			 BASE + PG(2 * place));
		hosted_write32(BASE + PG(2 * place), place);
	}
	page = page_at(BASE + PG(2 * (nr / 3)));
	get_page(page);
	lock_page(page);
	CHECK_EQ(visits(page), 1);
	before = vm_event(rmap_visit);
	CHECK(try_to_unmap(page));
	CHECK_EQ(vm_event(rmap_visit) - before, 1);
	unlock_page(page);
	put_page(page);
	unmap_mapping_range(file->f_mapping, nr / 2, nr / 2 + 1, true);
	for (unsigned int i = 0; i < nr; i++)
		CHECK(hosted_lookup_user(current_vm->mm, BASE + PG(2 * i)).present ==
		      (i != nr / 3 && i != nr / 2));
	hosted_process_exit();
	put_vm_file(file);
}

PAGODA_TEST_CONFIG(a_servers_child_is_found_without_its_siblings, "FX-01", .ram = 128 * SZ_1M)
{
	static struct mm_struct *child[FAMILY];
	unsigned int nr = min(test_scale(FAMILY), (unsigned int)FAMILY);
	unsigned long before;

	new_process();
	map_at(BASE, 2, RW);
	hosted_write32(BASE, 1);
	hosted_write32(BASE + PG(1), 2);
	before = vm_event(rmap_visit);
	for (unsigned int i = 0; i < nr; i++) {
		child[i] = dup_mm(current_vm->mm);
		CHECK(child[i]);
		write_in(child[i], BASE, 1000 + i);
	}
	CHECK_EQ(vm_event(rmap_visit), before); /* fork and copy-on-write walk nothing */
	for (unsigned int i = 0; i < nr; i++)
		CHECK_EQ(visits(page_in(child[i], BASE)), 1);
	/* What is shared is found in all of them, and nobody's tables are searched for it. */
	CHECK_EQ(page_mapcount(page_at(BASE + PG(1))), nr + 1);
	CHECK_EQ(visits(page_at(BASE + PG(1))), nr + 1);
	before = vm_event(rmap_visit);
	for (unsigned int i = 0; i < nr; i++) {
		CHECK_EQ(read_in(child[i], BASE), 1000 + i);
		mmput(child[i]);
	}
	CHECK_EQ(vm_event(rmap_visit), before);
	CHECK_EQ(visits(page_at(BASE + PG(1))), 1);
	check_mm();
}

PAGODA_TEST(generations_that_die_leave_no_chain, "FX-01")
{
	struct mm_struct *mm, *next;

	new_process();
	map_at(BASE, 2, RW);
	hosted_write32(BASE, 7);
	hosted_write32(BASE + PG(1), 8);
	mm = dup_mm(current_vm->mm);
	CHECK(mm);
	for (unsigned int i = 0; i < 100; i++) {
		write_in(mm, BASE, i);
		CHECK_LE(visits(page_in(mm, BASE)), 2);
		next = dup_mm(mm);
		CHECK(next);
		CHECK_EQ(read_in(next, BASE), i);
		CHECK_EQ(visits(page_in(next, BASE)), 2);
		mmput(mm);
		mm = next;
		down_read(&mm->mmap_lock);
		validate_mm(mm);
		up_read(&mm->mmap_lock);
		CHECK_EQ(visits(page_in(mm, BASE + PG(1))), 2); /* the first one's and this one's */
		CHECK_EQ(page_mapcount(page_in(mm, BASE + PG(1))), 2);
	}
	mmput(mm);
	CHECK_EQ(hosted_read32(BASE), 7);
}

/* From mm through generations of which each ends when it has a child. */
static struct mm_struct *generations(struct mm_struct *mm, unsigned int nr)
{
	while (nr--) {
		struct mm_struct *next = dup_mm(mm);

		CHECK(next);
		mmput(mm);
		mm = next;
	}
	return mm;
}

/*
 * A page that a family shares in swap, and one of them has read: all regions are looked at once, as
 * for any shared page.
 */
static void check_visits_of_swapped_page(unsigned int nr)
{
	static struct mm_struct *child[200];
	struct page *page;

	CHECK_LE(nr, ARRAY_SIZE(child));
	process_with(1);
	for (unsigned int i = 0; i < nr; i++)
		CHECK((child[i] = dup_mm(current_vm->mm)));
	CHECK(swap_out_page(BASE));
	CHECK_EQ(read_in(child[nr / 2], BASE), 0x1234567);
	page = page_in(child[nr / 2], BASE);
	CHECK_EQ(page_mapcount(page), 1);
	CHECK_EQ(visits(page), nr + 1);
	for (unsigned int i = 0; i < nr; i++)
		mmput(child[i]);
	hosted_process_exit();
}

PAGODA_TEST(a_swapped_page_costs_one_look_at_each_region_of_the_family, "")
{
	swap_on(64);
	check_visits_of_swapped_page(50);
	check_visits_of_swapped_page(200);
	swap_off();
}

/*
 * However many generations came before: a child's page is looked for in one region, its parent's in
 * all.
 */
PAGODA_TEST_CONFIG(a_late_generations_child_is_found_without_its_siblings, "FX-01",
		   .ram = 128 * SZ_1M)
{
	static struct mm_struct *child[500];
	struct mm_struct *mm;

	new_process();
	map_at(BASE, 2, RW);
	hosted_write32(BASE, 7);
	hosted_write32(BASE + PG(1), 8);
	mm = dup_mm(current_vm->mm);
	for (unsigned int round = 0; round < 5; round++) {
		mm = generations(mm, 37);
		for (unsigned int i = 0; i < ARRAY_SIZE(child); i++) {
			CHECK((child[i] = dup_mm(mm)));
			write_in(child[i], BASE, i);
		}
		for (unsigned int i = 0; i < ARRAY_SIZE(child); i += 50)
			CHECK_EQ(visits(page_in(child[i], BASE)), 1);
		/* all share it, and the first */
		CHECK_EQ(visits(page_in(mm, BASE + PG(1))), ARRAY_SIZE(child) + 2);
		for (unsigned int i = 0; i < ARRAY_SIZE(child); i++) {
			CHECK_EQ(read_in(child[i], BASE), i);
			mmput(child[i]);
		}
	}
	mmput(mm);
}

/*
 * A chain of which each generation leaves a page to the next: the pages get the names of those who
 * live.
 */
PAGODA_TEST(pages_of_ended_generations_are_found_in_their_heirs, "FX-01")
{
	struct mm_struct *mm;
	struct page *page;

	new_process();
	map_at(BASE, 200, RW);
	hosted_write32(BASE, 1000);
	mm = dup_mm(current_vm->mm);
	for (unsigned int i = 0; i < 200; i++) {
		write_in(mm, BASE + PG(i), 1000 + i);
		mm = generations(mm, 1);
	}
	for (unsigned int i = 0; i < 200; i++) {
		page = page_in(mm, BASE + PG(i));
		CHECK_EQ(page_mapcount(page), 1);
		CHECK_EQ(visits(page), 1);
		CHECK_EQ(read_in(mm, BASE + PG(i)), 1000 + i);
	}
	down_read(&mm->mmap_lock);
	validate_mm(mm); /* (P5) */
	up_read(&mm->mmap_lock);
	mmput(mm);
}

/*
 * Each generation has a child that lives on while the next are made, and ends when all are there.
 */
static void make_chain_with_side_children(struct mm_struct **mm, unsigned int nr)
{
	static struct mm_struct *side[300];

	CHECK_LE(nr, ARRAY_SIZE(side));
	for (unsigned int i = 0; i < nr; i++) {
		CHECK((side[i] = dup_mm(*mm)));
		*mm = generations(*mm, 1);
	}
	for (unsigned int i = 0; i < nr; i++) {
		CHECK_EQ(read_in(side[i], BASE), 7);
		mmput(side[i]);
	}
}

/* Chains of ended generations take no memory, whoever was beside them. */
PAGODA_TEST(ended_generations_take_no_memory, "FX-01")
{
	struct mm_struct *mm;
	unsigned long before;

	new_process();
	map_at(BASE, 1, RW);
	hosted_write32(BASE, 7);
	mm = generations(dup_mm(current_vm->mm), 100);
	make_chain_with_side_children(&mm, 300);
	mm = generations(mm, 1);
	before = test_free_frames();
	mm = generations(mm, 5000);
	CHECK_LE(before - min(before, test_free_frames()), 8);
	for (int i = 0; i < 20; i++) {
		make_chain_with_side_children(&mm, 300);
		mm = generations(mm, 1);
	}
	CHECK_LE(before - min(before, test_free_frames()), 8);
	CHECK_EQ(read_in(mm, BASE), 7);
	mmput(mm);
}

PAGODA_TEST(page_left_to_one_process_becomes_its_own, "FX-01 FT-55")
{
	struct mm_struct *mm[8];
	struct page *page;

	new_process();
	map_at(BASE, 1, RW);
	hosted_write32(BASE, 7);
	page = page_at(BASE);
	for (int i = 0; i < 8; i++)
		CHECK((mm[i] = dup_mm(current_vm->mm)));
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(1)), 0);
	for (int i = 1; i < 8; i++)
		write_in(mm[i], BASE, 0); /* copies */
	CHECK_EQ(page_mapcount(page), 1);
	lru_add_drain_all();
	write_in(mm[0], BASE, 9); /* reuse */
	CHECK_EQ(page_in(mm[0], BASE), page);
	CHECK_EQ(visits(page), 1);
	for (int i = 0; i < 8; i++)
		mmput(mm[i]);
}

/* Random forks, deaths, writes, splits and moves: a walk finds exactly the entries there are. */
#define CLAN	   12
#define CLAN_PAGES 8

static void check_clan(struct mm_struct **mm)
{
	for (int i = 0; i < CLAN; i++) {
		if (!mm[i])
			continue;
		down_read(&mm[i]->mmap_lock);
		validate_mm(mm[i]);
		up_read(&mm[i]->mmap_lock);
		for (int p = 0; p < CLAN_PAGES; p++) {
			struct page *page = page_in(mm[i], BASE + PG(p));

			if (page)
				CHECK_GE(visits(page), page_mapcount(page));
		}
	}
}

PAGODA_TEST(walks_stay_right_across_fork_split_merge_mremap_exit, "FX-01 AS-31")
{
	struct mm_struct *mm[CLAN] = {NULL};

	new_process();
	map_at(BASE, CLAN_PAGES, RW);
	hosted_user_fill(BASE, 1, PG(CLAN_PAGES));
	mm[0] = current_vm->mm;
	for (unsigned int round = 0; round < test_scale(600); round++) {
		unsigned int i = (unsigned int)test_random_below(CLAN - 1) + 1,
			     from = (unsigned int)test_random_below(CLAN);
		unsigned long addr = BASE + PG(test_random_below(CLAN_PAGES));

		switch (test_random_below(4)) {
		case 0:
			if (mm[i])
				mmput(mm[i]);
			mm[i] = NULL;
			if (mm[from])
				CHECK((mm[i] = dup_mm(mm[from])));
			break;
		case 1:
			CHECK_EQ(do_mprotect(current_vm->mm, addr, PG(1),
					     test_random_below(2) ? RW : PROT_READ),
				 0);
			break;
		case 2: /* away and back again */
			CHECK_EQ(do_mremap(current_vm->mm, addr, PG(1), PG(1),
					   MREMAP_MAYMOVE | MREMAP_FIXED, BASE + PG(64)),
				 BASE + PG(64));
			CHECK_EQ(do_mremap(current_vm->mm, BASE + PG(64), PG(1), PG(1),
					   MREMAP_MAYMOVE | MREMAP_FIXED, addr),
				 addr);
			break;
		default:
			if (mm[from] && find_vma(mm[from], addr)->vm_flags & VM_WRITE)
				write_in(mm[from], addr, round);
		}
		if (round % 8 == 0)
			check_clan(mm);
	}
	check_clan(mm);
	for (int i = 1; i < CLAN; i++)
		if (mm[i])
			mmput(mm[i]);
}

PAGODA_TEST(file_page_is_unmapped_everywhere, "RC-43 RC-44 RC-45")
{
	struct page *page;
	long rss;

	new_process();
	CHECK_EQ(map_shared(4), BASE);
	CHECK_EQ(do_mremap(current_vm->mm, BASE, 0, PG(4), MREMAP_MAYMOVE | MREMAP_FIXED,
			   BASE + PG(8)),
		 BASE + PG(8));
	hosted_write32(BASE, 77);
	CHECK_EQ(hosted_read32(BASE + PG(8)), 77);
	page = page_at(BASE);
	rss = atomic_long_read(&current_vm->mm->rss_shmem);
	get_page(page);
	lock_page(page);
	CHECK_EQ(page_mapcount(page), 2);
	CHECK(try_to_unmap(page));
	CHECK_EQ(page_mapcount(page), 0);
	CHECK_EQ(page_count(page), 2); /* the cache's and ours */
	unlock_page(page);
	CHECK_EQ(hosted_lookup_user(current_vm->mm, BASE).entry, 0);
	CHECK(!hosted_tlb_holds(0, BASE) && !hosted_tlb_holds(0, BASE + PG(8)));
	CHECK_EQ(atomic_long_read(&current_vm->mm->rss_shmem), rss - 2);
	CHECK_EQ(hosted_read32(BASE + PG(8)), 77);
	put_page(page);
	check_mm();
}

/* What reclaim took from a process still counts in the highest it ever had. */
PAGODA_TEST(reclaimed_pages_count_in_the_highest_rss, "AS-10")
{
	struct page *page;

	new_process();
	CHECK_EQ(map_shared(4), BASE);
	for (int i = 0; i < 4; i++)
		hosted_write8(BASE + PG(i), 1);
	CHECK_EQ(get_mm_rss(current_vm->mm), 4);
	page = page_at(BASE);
	lock_page(page);
	CHECK(try_to_unmap(page));
	unlock_page(page);
	CHECK_EQ(get_mm_rss(current_vm->mm), 3);
	CHECK_EQ(get_mm_hiwater_rss(current_vm->mm), 4);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(4)), 0);
	CHECK_EQ(get_mm_hiwater_rss(current_vm->mm), 4);
}

PAGODA_TEST(locked_region_keeps_its_pages, "AS-59")
{
	struct rmap_info info;
	struct page *page;

	new_process();
	CHECK_EQ(map_shared(1), BASE);
	hosted_write32(BASE, 1);
	CHECK_EQ(do_mlock(current_vm->mm, BASE, PG(1), 0), 0);
	page = page_at(BASE);
	lock_page(page);
	page_referenced(page, &info);
	CHECK(info.locked);
	CHECK(!try_to_unmap(page));
	CHECK_EQ(page_mapcount(page), 1);
	lru_cull_mlocked(page);
	CHECK(PageMlocked(page) && !PageLRU(page));
	CHECK_EQ(nr_mlocked_pages(), 1);
	lru_rescue_mlocked(page);
	CHECK(!PageMlocked(page) && PageLRU(page));
	lru_cull_mlocked(page);
	unlock_page(page);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(1)), 0);
	CHECK_EQ(nr_mlocked_pages(), 0); /* no matter how it ends */
}

PAGODA_TEST(page_mkclean_protects_and_tells, "AS-51")
{
	struct hosted_pte_info pte;
	struct page *page;

	new_process();
	CHECK_EQ(map_shared(1), BASE);
	hosted_write32(BASE, 1);
	page = page_at(BASE);
	lock_page(page);
	CHECK(page_mkclean(page));
	CHECK(!page_mkclean(page));
	unlock_page(page);
	pte = hosted_lookup_user(current_vm->mm, BASE);
	CHECK(pte.present && !pte.write && !pte.dirty);
	hosted_write32(BASE, 2);
	pte = hosted_lookup_user(current_vm->mm, BASE);
	CHECK(pte.write && pte.dirty);
	CHECK_EQ(page_at(BASE), page);
}

/* ---- Walkers against everything that moves entries ------------------------------------------ */

static int walkers_done;

/* Whatever lies on the lists, while it is mapped, moved, copied and freed. */
static void walk_lists(void *arg)
{
	unsigned int rounds = test_scale(300);

	(void)arg;
	for (unsigned int i = 0; i < rounds; i++) {
		zone_t *zone = &pgdat_list->node_zones[i / NR_LRU_LISTS % MAX_NR_ZONES];
		struct page *page = lru_take_coldest(zone, (enum lru_list)(i % NR_LRU_LISTS));

		if (page && !TryLockPage(page)) {
			struct rmap_info info;

			page_referenced(page, &info);
			if (!PageAnon(page) && try_to_unmap(page))
				CHECK_EQ(page_mapcount(page), 0);
			if (info.locked)
				lru_cull_mlocked(page);
			unlock_page(page);
		}
		if (page)
			put_page(page);
		lru_add_drain();
		port_cond_resched();
	}
	__atomic_fetch_add(&walkers_done, 1, __ATOMIC_SEQ_CST);
}

static void child_writes(void *arg)
{
	for (unsigned long i = 0; i < 8; i++)
		hosted_write32(BASE + PG(i), (u32)(unsigned long)arg);
}

static void one_round(unsigned int round)
{
	unsigned long to = BASE + PG(1024);
	struct hosted_task *child;

	map_at(BASE, 8, RW);
	CHECK_EQ(do_mmap(current_vm->mm, NULL, BASE + PG(4), PG(4), RW,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, 0),
		 BASE + PG(4));
	for (u32 i = 0; i < 8; i++)
		hosted_write32(BASE + PG(i), round + i);
	child = hosted_fork(HOSTED_ANY_CPU, child_writes, (void *)(unsigned long)round);
	CHECK(child);
	CHECK_EQ(do_mremap(current_vm->mm, BASE, PG(4), PG(4), MREMAP_MAYMOVE | MREMAP_FIXED, to),
		 to);
	CHECK_EQ(do_mlock(current_vm->mm, to, PG(2), 0), 0);
	for (u32 i = 0; i < 4; i++)
		CHECK_EQ(hosted_read32(to + PG(i)), round + i);
	CHECK_EQ(do_munlock(current_vm->mm, to, PG(1)), 0);
	CHECK_EQ(do_munmap(current_vm->mm, to, PG(4)), 0);
	hosted_wait(child);
	for (u32 i = 4; i < 8; i++)
		CHECK_EQ(hosted_read32(BASE + PG(i)), round);
	CHECK_EQ(do_munmap(current_vm->mm, BASE, PG(8)), 0);
}

static void walk_against_everything(void)
{
	unsigned int round = 0;

	new_process();
	CHECK(port_thread_create("walker1", walk_lists, NULL));
	CHECK(port_thread_create("walker2", walk_lists, NULL));
	while (__atomic_load_n(&walkers_done, __ATOMIC_SEQ_CST) < 2)
		one_round(++round);
	lru_add_drain_all();
	validate_lru();
}

PAGODA_TEST_CONFIG(walkers_race_with_fork_exit_mremap_mlock, "FX-01 RC-44", .nr_cpus = 4)
{
	walk_against_everything();
}

PAGODA_TEST_CONFIG(walkers_race_deterministically, "FX-01 RC-44", .nr_cpus = 4,
		   .deterministic = true)
{
	walk_against_everything();
}
