/* SPDX-License-Identifier: MIT */
/*
 * test_validate.c: each check of the validators finds the damage that it is there for, and names it
 * (XC-06).
 *
 * The process that is damaged, in each test anew:
 *
 *	BASE	AAAA....BBBB....ss..NN	A, B: private, written, each with its own anon_vma; s: shared, written;
 *					N: no access; the last page of A is in swap
 *
 * validate_slab(), validate_buddy() and validate_vmalloc() are tested in their files as well; here
 * is what those leave out.
 */
#include "swap_process.h"

#include <asm/pgalloc.h>
#include <mm/slab/slab_internal.h>
#include <mm/swap/swap_internal.h>
#include <mm/space/vma_internal.h>
#include <pagoda/vmalloc.h>

#define B_AT	  (BASE + PG(8))
#define SHARED_AT (BASE + PG(16))
#define NONE_AT	  (BASE + PG(20))
#define FAR_AT	  (BASE + 8 * PMD_SIZE)

static struct mm_struct *mm;
static struct vm_area_struct *a, *b, *none;
static struct vm_file *shared_file;

static void make_process(void)
{
	swap_on(256);
	new_process();
	mm = current_vm->mm;
	map_at(BASE, 4, RW);
	map_at(B_AT, 4, RW);
	map_at(NONE_AT, 2, PROT_NONE);
	shared_file = shmem_zero_setup(PG(2), true);
	CHECK_EQ(do_mmap(current_vm->mm, shared_file, SHARED_AT, PG(2), RW, MAP_SHARED | MAP_FIXED,
			 0),
		 SHARED_AT);
	fill(4);
	hosted_write32(B_AT, 1);
	hosted_write32(SHARED_AT, 2);
	hosted_write32(SHARED_AT + PG(1), 3);
	swap_out_range(4);
	/* back, but for the last; those that read-ahead brought too are in the cache */
	check_filled(3);
	a = find_vma(mm, BASE);
	b = find_vma(mm, B_AT);
	none = find_vma(mm, NONE_AT);
	lru_add_drain_all();
	check_mm();
	validate_swap();
}

static void end_process(void)
{
	hosted_process_exit();
	put_vm_file(shared_file);
	swap_off();
}

/* In a copy of the machine: the damage, then the check. */
#define FINDS(text, ...)     \
	EXPECT_PANIC(text, { \
		__VA_ARGS__; \
		check_mm();  \
	})

static pte_t *place_of(unsigned long addr)
{
	return pte_offset(walk_to_pmd(mm, addr), addr);
}

static struct page *page_at(unsigned long addr)
{
	return pfn_to_page(frame_at(addr));
}

PAGODA_TEST(validate_mm_finds_damaged_regions, "XC-06")
{
	make_process();
	FINDS("vma->vm_prev != prev", b->vm_prev = none);
	FINDS("vma->vm_mm != mm", a->vm_mm = &init_mm);
	FINDS("(vma->vm_start | vma->vm_end)", a->vm_end += 1);
	FINDS("vma->vm_start >= vma->vm_end", b->vm_end = b->vm_start);
	FINDS("prev->vm_end > vma->vm_start", a->vm_end = b->vm_start + PG(1));
	FINDS("node_vma(node) != vma", mm->mmap = b; b->vm_prev = NULL);
	FINDS("vma->rb_gap != gap_below(vma)", b->rb_gap += PAGE_SIZE);
	FINDS("vma->rb_subtree_gap != widest_gap(vma)", b->rb_subtree_gap += PAGE_SIZE);
	FINDS("vma->vm_page_prot", b->vm_page_prot = none->vm_page_prot);
	FINDS("node || cached", static struct vm_area_struct gone; mm->mmap_cache = &gone);
	FINDS("count != mm->map_count", mm->map_count++);
	FINDS("rb_validate(&mm->mm_rb) != count", mm->mm_rb.node->parent_color ^= 1);
	FINDS("total != mm->total_vm", mm->total_vm++);
	FINDS("mm->data_vm != data", mm->data_vm++);
	FINDS("mm->stack_vm != stack", mm->stack_vm++);
	FINDS("mm->locked_vm != locked", mm->locked_vm++);
	end_process();
}

PAGODA_TEST(validate_mm_finds_damaged_tables, "XC-06")
{
	make_process();
	FINDS("addr < vma->vm_start", set_pte(place_of(BASE + PG(6)), *place_of(BASE)));
	FINDS("!(vma->vm_flags & VM_WRITE)", set_pte(place_of(NONE_AT), *place_of(B_AT)));
	FINDS("!vma_is_accessible(vma)",
	      set_pte(place_of(NONE_AT), pte_wrprotect(*place_of(BASE))));
	FINDS("is_zero_pfn(pte_pfn(pte))",
	      set_pte(place_of(B_AT + PG(1)), pte_mkwrite(pfn_pte(zero_pfn, b->vm_page_prot))));
	FINDS("page_count(page) < 1", atomic_set(&page_at(B_AT)->count, 0));
	FINDS("!PageAnon(page) || page_mapcount(page) != 1",
	      set_pte(place_of(B_AT + PG(1)), *place_of(SHARED_AT)));
	FINDS("!anon_vma_covers(page, vma)", page_at(B_AT)->mapping = page_at(BASE)->mapping);
	FINDS("page->index != vma_pgoff(vma, addr)", page_at(B_AT)->index++);
	FINDS("pmd_bad",
	      set_pmd(walk_to_pmd(mm, BASE),
		      __pmd(pmd_val(pmdp_get(walk_to_pmd(mm, BASE))) & ~(pteval_t)_PAGE_RW)));
	FINDS("!vma || vma->vm_start >= end", CHECK(walk_alloc_pte(mm, FAR_AT)));
	FINDS("c.anon != ", atomic_long_inc(&mm->rss_anon));
	FINDS("c.file != ", atomic_long_inc(&mm->rss_file));
	FINDS("c.shmem != ", atomic_long_inc(&mm->rss_shmem));
	FINDS("c.swap != ", atomic_long_inc(&mm->swap_usage));
	FINDS("c.tables * PAGE_SIZE != ", atomic_long_add(&mm->pgtables_bytes, PAGE_SIZE));
	end_process();
}

#define SWAP_FINDS(text, ...)    \
	EXPECT_PANIC(text, {     \
		__VA_ARGS__;     \
		validate_swap(); \
	})

PAGODA_TEST(validate_swap_finds_damage, "XC-06")
{
	struct swap_area *area = &swap_areas[0];
	unsigned long slot, free_beside;
	struct page *page;

	make_process();
	slot = swp_offset(pte_to_swp_entry(*place_of(BASE + PG(3))));
	free_beside = slot - slot % SLOT_GROUP; /* another of its group */
	while (area->map[free_beside])
		free_beside++;
	CHECK_EQ(free_beside / SLOT_GROUP, slot / SLOT_GROUP);
	SWAP_FINDS("swap_count(entry) != count_entries(entry)", area->map[slot]++);
	SWAP_FINDS("!page != !(word & SWAP_HAS_CACHE)", area->map[slot] ^= SWAP_HAS_CACHE);
	SWAP_FINDS("inuse != area->inuse", area->inuse++);
	SWAP_FINDS("nr_free != atomic_long_read(&nr_swap_pages)", atomic_long_inc(&nr_swap_pages));
	SWAP_FINDS("cached != area->space.nrpages", area->space.nrpages++);
	SWAP_FINDS("index_set_has(&area->free_slots",
		   index_set_remove(&area->free_slots, free_beside));
	SWAP_FINDS("index_set_has(&area->free_groups",
		   index_set_remove(&area->free_groups, area->max / SLOT_GROUP - 1));
	CHECK(swap_out_page(B_AT));
	CHECK_EQ(hosted_read32(B_AT), 1);
	page = page_at(B_AT);
	if (PageSwapCache(page))
		SWAP_FINDS("!PageSwapCache(page)", ClearPageSwapCache(page));
	end_process();
}

#define LRU_FINDS(text, ...)    \
	EXPECT_PANIC(text, {    \
		__VA_ARGS__;    \
		validate_lru(); \
	})

PAGODA_TEST(validate_lru_finds_damage, "XC-06")
{
	struct page *page;
	zone_t *zone;

	make_process();
	page = page_at(B_AT);
	zone = page_zone(page);
	CHECK(PageLRU(page));
	LRU_FINDS("!PageLRU(page)", TestClearPageLRU(page));
	LRU_FINDS("page_lru(page) != list", SetPageActive(page));
	LRU_FINDS("PageMlocked(page)", SetPageMlocked(page));
	LRU_FINDS("PageReserved(page)", SetPageReserved(page));
	LRU_FINDS("nr != lruvec->nr[list]", zone->lruvec.nr[page_lru(page)]++);
	end_process();
}

PAGODA_TEST(the_validator_of_a_files_regions_finds_damage, "XC-06")
{
	struct rb_root *root;
	struct vm_area_struct *first, *second;

	make_process();
	CHECK_EQ(do_mmap(current_vm->mm, shared_file, SHARED_AT + PG(8), PG(1), RW,
			 MAP_SHARED | MAP_FIXED, PG(1)),
		 SHARED_AT + PG(8));
	root = &shared_file->f_mapping->i_mmap_shared;
	first = find_vma(mm, SHARED_AT);
	second = find_vma(mm, SHARED_AT + PG(8));
	CHECK_EQ(vma_interval_validate(root), 2);
	EXPECT_PANIC("prev->vm_pgoff > vma->vm_pgoff", {
		first->vm_pgoff = 7;
		first->shared_last = second->shared_last = 8;
		vma_interval_validate(root);
	});
	EXPECT_PANIC("vma->shared_last != ", {
		first->shared_last++;
		vma_interval_validate(root);
	});
	EXPECT_PANIC("rb_validate(root) != count", {
		root->node->parent_color ^= 1;
		vma_interval_validate(root);
	});
	end_process();
}

PAGODA_TEST(validate_vmalloc_finds_damage, "XC-06")
{
	void *first = vmalloc(PAGE_SIZE), *second = vmalloc(2 * PAGE_SIZE);

	CHECK(first && second && vmlist && vmlist->next);
	EXPECT_PANIC("list and tree disagree", {
		vmlist = vmlist->next;
		validate_vmalloc();
	});
	EXPECT_PANIC("is in no tree", {
		static struct vm_struct stray;
		struct vm_struct *last = vmlist;

		while (last->next)
			last = last->next;
		last->next = &stray;
		validate_vmalloc();
	});
	EXPECT_PANIC("tree is broken", {
		vmlist->node.parent_color ^= 1;
		validate_vmalloc();
	});
	vfree(first);
	vfree(second);
}

PAGODA_TEST(validate_slab_finds_damaged_arrays, "XC-06")
{
	kmem_cache_t *cachep = kmem_cache_create("test", 64, 0, 0, NULL, NULL);
	void *obj = kmem_cache_alloc(cachep, GFP_KERNEL);
	cpucache_t *cc;

	CHECK(obj);
	kmem_cache_free(cachep, obj);
	cc = cachep->cpudata[port_cpu_id()];
	CHECK(cc->avail);
	validate_slab();
	EXPECT_PANIC("overflows", {
		cc->avail = cc->limit + 1;
		validate_slab();
	});
	EXPECT_PANIC("holds", {
		cc_entry(cc)[0] = cachep;
		validate_slab();
	});
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}
