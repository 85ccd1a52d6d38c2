/* SPDX-License-Identifier: MIT */
/*
 * page_tables.h: what is done with ranges of page-table entries (page_tables.c), and what an entry
 * stands for. For the files of space/, and for walks of higher rooms.
 *
 * Entries are read and changed with the page_table_lock of their mm.
 */
#pragma once

#include "space_ops.h"
#include <pagoda/lru.h>
#include <pagoda/mm.h>
#include <pagoda/pagemap.h>
#include <asm/pgtable.h>
#include <asm/tlb.h>

/* ---- An area ------------------------------------------------------------------------------- */

#define VM_ACCESS_FLAGS (VM_READ | VM_WRITE | VM_EXEC)

static inline unsigned long vma_pages(const struct vm_area_struct *vma)
{
	return (vma->vm_end - vma->vm_start) >> PAGE_SHIFT;
}
static inline bool vma_is_accessible(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_ACCESS_FLAGS;
}
/* Where placing below vma must stop: a stack keeps its guard gap free. */
static inline unsigned long vm_start_gap(const struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_GROWSDOWN))
		return vma->vm_start;
	return vma->vm_start > STACK_GUARD_GAP ? vma->vm_start - STACK_GUARD_GAP : 0;
}
/* The object offset, in pages, that addr shows. */
static inline unsigned long vma_pgoff(const struct vm_area_struct *vma, unsigned long addr)
{
	return vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
}

/* ---- Entries and tables -------------------------------------------------------------------- */

extern unsigned long zero_pfn; /* of empty_zero_page */

static inline bool is_zero_pfn(unsigned long pfn)
{
	return pfn == zero_pfn;
}
/* The page behind a present PTE that counts as memory, or NULL (zero page, device). */
static inline struct page *normal_page(pte_t pte)
{
	unsigned long pfn = pte_pfn(pte);

	if (unlikely(is_zero_pfn(pfn) || pte_special(pte)))
		return NULL;
	return pfn_to_page(pfn);
}
/* Somebody stored to the page. A full barrier: who cleans it next must see what was stored. */
static inline void page_dirtied(struct page *page)
{
	if (PageAnon(page))
		SetPageDirty(page); /* swap's business */
	else
		(void)file_page_ops->dirtied(page);
}
/* An entry of page goes: a store through it must reach the file, or the swap slot (AS-51). */
static inline void keep_dirty(struct page *page, pte_t pte)
{
	if (pte_dirty(pte) && !PageDirty(page))
		page_dirtied(page);
}
/*
 * Rights of a VMA's entries. Stores to a file that is written back must be noticed: its
 * pages are mapped write-protected until one faults (page_mkwrite). So are a region's whose
 * pages are told apart by whether they were written since clear_refs.
 */
static inline pgprot_t vma_page_prot(const struct vm_area_struct *vma, unsigned long vm_flags)
{
	const struct address_space *mapping = vma->vm_file ? vma->vm_file->f_mapping : NULL;

	if (!(vm_flags & VM_SOFTDIRTY) || (mapping && mapping->a_ops->writepage && !mapping->shmem))
		vm_flags &= ~VM_SHARED;
	return vm_get_page_prot(vm_flags);
}
/* The same for a page that VMAs of vma's whole family may map. (rmap.c) */
void set_shared_anon_identity(struct page *page, const struct vm_area_struct *vma);
/* Unhook every page of [start, end). */
void zap_page_range(struct mmu_gather *tlb, unsigned long start, unsigned long end);
static inline void set_anon_identity(struct page *page, const struct vm_area_struct *vma)
{
	WRITE_ONCE(page->mapping,
		   (struct address_space *)((unsigned long)vma->anon_vma | PAGE_MAPPING_ANON));
}
/*
 * New anonymous page in a PTE of vma: its identity and its place on the LRU (FT-41), before it can
 * be seen.
 */
static inline void set_anon_page(struct page *page, const struct vm_area_struct *vma,
				 unsigned long addr)
{
	set_anon_identity(page, vma);
	page->index = vma_pgoff(vma, addr);
	atomic_set(&page->mapcount, 0);
	lru_cache_add_anon(page);
}
/* Unhook the tables that only served [start, end): no VMA uses [floor, ceiling) any more. */
void free_pgtables(struct mmu_gather *tlb, unsigned long start, unsigned long end,
		   unsigned long floor, unsigned long ceiling);
/* The PMD entry for *addr, or for the first address below end that has a table; NULL: none. */
pmd_t *next_pmd(struct mm_struct *mm, unsigned long *addr, unsigned long end);
/*
 * Called between two tables of a range, so that other tasks do not wait long for the CPU or for the
 * lock. The caller holds page_table_lock, which is let go of, and finds its place anew (next_pmd)
 * afterwards: the tables stay, as it holds mmap_lock or the file's i_mmap_rwsem. May sleep.
 */
static inline void page_table_pause(struct mm_struct *mm) MUST_HOLD(&mm->page_table_lock)
{
	spin_unlock(&mm->page_table_lock);
	port_cond_resched();
	spin_lock(&mm->page_table_lock);
}
/* In loops over many regions: give way now and then. *turns begins at 0. May sleep. */
static inline void pause_now_and_then(unsigned int *turns)
{
	if (unlikely(++*turns % 64 == 0))
		port_cond_resched();
}
int copy_page_range(struct mm_struct *dst, struct mm_struct *src, struct vm_area_struct *dst_vma,
		    struct vm_area_struct *src_vma) __must_check;
/* Private and writable, now or after an mprotect: fork write-protects its pages. */
static inline bool is_cow_mapping(unsigned long flags)
{
	return (flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

/* Counters of resident pages, under page_table_lock (AS-14). */
static inline void add_rss(atomic_long_t *counter, long pages)
{
	atomic_long_set(counter, atomic_long_read(counter) + pages);
}
static inline atomic_long_t *rss_counter(struct mm_struct *mm, const struct page *page)
{
	if (PageAnon(page))
		return &mm->rss_anon;
	return PageSwapBacked(page) ? &mm->rss_shmem : &mm->rss_file;
}
void update_hiwater_rss(struct mm_struct *mm);
