/* SPDX-License-Identifier: MIT */
/*
 * vma_internal.h: what the files that change address spaces share.
 *
 * All calls want mmap_lock held for write unless they say otherwise; none of them
 * touches page tables. Those that return int or ERR_PTR have changed nothing on failure.
 */
#pragma once

#include "space_ops.h"
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/lru.h>
#include <pagoda/mm.h>
#include <pagoda/pagemap.h>
#include <asm/pgtable.h>
#include <asm/tlb.h>

#define VM_ACCESS_FLAGS (VM_READ | VM_WRITE | VM_EXEC)
#define VM_MAY_ALL	(VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)
#define VM_DATA_FLAGS	(VM_READ | VM_WRITE | VM_MAY_ALL | VM_ACCOUNT)

/* Addresses that programs get unasked end here, even where more levels reach further. */
#define DEFAULT_MAP_WINDOW (TASK_SIZE < 0x7ffffffff000ul ? TASK_SIZE : 0x7ffffffff000ul)
#define TASK_UNMAPPED_BASE PAGE_ALIGN(DEFAULT_MAP_WINDOW / 3)

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
static inline unsigned long rlimit(unsigned int limit)
{
	const struct rlimit *r = current_vm->rlim;

	return r ? READ_ONCE(r[limit].rlim_cur) : RLIM_INFINITY;
}

/* ---- The set of VMAs (vma.c) ---------------------------------------------------------- */
struct vm_area_struct *vm_area_alloc(struct mm_struct *mm) __must_check;
/* A copy that is linked nowhere, without the references; fork and split add those. */
struct vm_area_struct *vm_area_dup(const struct vm_area_struct *vma) __must_check;
void vm_area_free(struct vm_area_struct *vma);

/* Where a VMA at addr belongs (AS-35). */
struct vma_place {
	struct vm_area_struct *prev, *next;
	struct rb_node *parent, **link;
};
/* -ENOMEM if something overlaps [addr, end). */
int find_vma_prepare(struct mm_struct *mm, unsigned long addr, unsigned long end,
		     struct vma_place *place);
/* List, tree and gaps / also the file's tree, map_count and totals (AS-38). */
void __vma_link(struct mm_struct *mm, struct vm_area_struct *vma, const struct vma_place *place);
void __vma_link_file(struct vm_area_struct *vma);
void vma_link(struct mm_struct *mm, struct vm_area_struct *vma, const struct vma_place *place);
/* Take out of everything but the references; remove_vma() ends it. */
void vma_unlink(struct vm_area_struct *vma);
/* The same, but it stays in its file's tree. */
void __vma_unlink(struct vm_area_struct *vma);
/* After vma_unlink: close it, drop its references, free it. May sleep. */
void remove_vma(struct vm_area_struct *vma);
/* Only out of / into the file's tree; into it right behind the parent's VMA (fork). */
void vma_unlink_file(struct vm_area_struct *vma);
void vma_link_file_after(struct vm_area_struct *vma, struct vm_area_struct *parent);
/* Append in address order while building a copy: no search. */
void vma_append(struct mm_struct *mm, struct vm_area_struct *vma, struct vm_area_struct *last);
/*
 * The trees of a file's VMAs (vma_interval.c). i_mmap_rwsem for write; to look, for read.
 * insert_after: right behind origin, which begins with the same page.
 */
void vma_interval_insert(struct vm_area_struct *vma, struct rb_root *root);
void vma_interval_insert_after(struct vm_area_struct *vma, struct vm_area_struct *origin,
			       struct rb_root *root);
void vma_interval_remove(struct vm_area_struct *vma, struct rb_root *root);
/* The VMAs that show a page of [first, last], in order; NULL: none (more). */
struct vm_area_struct *vma_interval_first(const struct rb_root *root, unsigned long first,
					  unsigned long last);
struct vm_area_struct *vma_interval_next(struct vm_area_struct *vma, unsigned long first,
					 unsigned long last);
#define for_each_vma_of(vma, root, first, last)                    \
	for ((vma) = vma_interval_first(root, first, last); (vma); \
	     (vma) = vma_interval_next(vma, first, last))
/* How many there are; panics if the tree is broken. */
unsigned long vma_interval_validate(const struct rb_root *root);
/* Move the bounds; vm_pgoff follows vm_start. Never fails. */
void vma_set_bounds(struct vm_area_struct *vma, unsigned long start, unsigned long end);

/* Cut at addr, spare becoming the upper part; cannot fail. Callers check the map count first. */
void split_vma_with(struct vm_area_struct *vma, unsigned long addr, struct vm_area_struct *spare);

/* Let a neighbour of the free range grow over it; the VMA that covers it now, or NULL (AS-40). */
struct vm_area_struct *vma_merge_new(struct mm_struct *mm, const struct vma_place *place,
				     const struct vm_area_struct *model);
/*
 * Flags, and the rights that follow from them, of a whole VMA; its entries are the caller's.
 * mmap_lock for write.
 */
void vma_set_flags(struct vm_area_struct *vma, unsigned long flags);
/*
 * Give [start, end) of vma other flags, splitting and merging as needed. Returns the VMA
 * that now covers it, or ERR_PTR(-ENOMEM).
 */
struct vm_area_struct *vma_modify(struct vm_area_struct *vma, unsigned long start,
				  unsigned long end, unsigned long new_flags) __must_check;
/* Another policy for [start, end) of vma (NULL: none); likewise. pol stays the caller's. */
struct vm_area_struct *vma_set_policy(struct vm_area_struct *vma, unsigned long start,
				      unsigned long end, struct mempolicy *pol) __must_check;
/* Merge vma, just placed or changed, with equal neighbours; the VMA that covers it now. */
struct vm_area_struct *vma_merge_around(struct vm_area_struct *vma);

/* A free range, or -ENOMEM: the highest below high / the lowest above low. */
struct gap_search {
	unsigned long low, high, length; /* result in [low, high) */
	unsigned long align_mask;
};
unsigned long find_gap_topdown(struct mm_struct *mm, const struct gap_search *s);
unsigned long find_gap_bottomup(struct mm_struct *mm, const struct gap_search *s);

/* ---- Limits and counts (mmap.c) ---------------------------------------------------------- */
/* pages may be negative (as unsigned). */
void vm_stat_account(struct mm_struct *mm, unsigned long flags, long pages);
bool may_expand_vm(const struct mm_struct *mm, unsigned long flags, unsigned long pages);
/* 0, or -EAGAIN if len more locked bytes exceed RLIMIT_MEMLOCK. */
int mlock_future_check(const struct mm_struct *mm, unsigned long flags, unsigned long len);
bool can_do_mlock(void);
/* Reserve pages against memory and swap; -ENOMEM. Undone by vm_unacct_memory(). */
int vm_enough_memory(unsigned long pages) __must_check;
void vm_unacct_memory(unsigned long pages);
bool accountable_mapping(const struct vm_file *file, unsigned long flags);

/*
 * Anonymous private memory at [addr, addr + len), which is free, or (replace) takes the place of
 * what is there. 0, -EAGAIN (locked memory), -ENOMEM.
 */
int map_anonymous(struct mm_struct *mm, unsigned long addr, unsigned long len,
		  unsigned long vm_flags, bool replace) __must_check;
/* Unmap [start, start + len), page aligned and below TASK_SIZE; -ENOMEM: nothing changed. */
int unmap_range(struct mm_struct *mm, unsigned long start, unsigned long len) __must_check;
/*
 * The same in two steps: what may fail, and what cannot. The range must be the same, and
 * mapped; in between other ranges may be unmapped. keep_tables: they are needed again.
 */
int unmap_prepare(struct mm_struct *mm, unsigned long start, unsigned long len,
		  struct vm_area_struct **spare) __must_check;
void unmap_commit(struct mm_struct *mm, unsigned long start, unsigned long len,
		  struct vm_area_struct *spare, bool keep_tables);
/* Pages of [start, end) that are mapped by VMAs. */
unsigned long count_vma_pages_range(struct mm_struct *mm, unsigned long start, unsigned long end);

/* ---- Reverse mapping records (rmap.c) ------------------------------------------------------ */
int __anon_vma_prepare(struct vm_area_struct *vma) __must_check;
/* Before the first anonymous page of a VMA. mmap_lock for read. (FT-44) */
static inline int __must_check anon_vma_prepare(struct vm_area_struct *vma)
{
	if (likely(smp_load_acquire(&vma->anon_vma)))
		return 0;
	return __anon_vma_prepare(vma);
}
void anon_vma_link(struct vm_area_struct *vma);	  /* vma->anon_vma was copied: join its list */
void anon_vma_unlink(struct vm_area_struct *vma); /* leave it; the last one frees it */
/*
 * Would a walk from the anonymous page come to vma? For checks; nobody may be changing the family.
 */
bool anon_vma_covers(const struct page *page, const struct vm_area_struct *vma);
void anon_vma_cache_init(void);
void anon_vma_lock(struct vm_area_struct *vma); /* while bounds change; no-op without one */
void anon_vma_unlock(struct vm_area_struct *vma);

/*
 * Reclaim: a locked page, in the swap cache if anonymous, out of the entry at addr. mmap_lock
 * held. True: it was there.
 */
bool unmap_page_from(struct page *page, struct vm_area_struct *vma, unsigned long addr);

/* While locked, no task's mm changes or goes (mm_struct.c). Interrupts are off. */
unsigned long lock_task_mm(void);
void unlock_task_mm(unsigned long flags);
/* For assertions: true if this CPU holds the lock; always true without CONFIG_DEBUG_LOCKS. */
bool task_mm_is_locked(void);

/*
 * The user mm after prev (NULL: the first) that is not ending, with a user; drops prev's. May
 * sleep.
 */
struct mm_struct *next_user_mm(struct mm_struct *prev);

/* ---- Turns of swap_out() (mm_struct.c) ------------------------------------------------------- */
/* The mm whose turn it is, with a user (mmput); NULL: there is none. */
struct mm_struct *swap_mm_get(void);
/* Its turn is over. */
void swap_mm_advance(struct mm_struct *mm);

/* ---- Page tables (tables.c) ------------------------------------------------------------------ */
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
static inline void page_table_pause(struct mm_struct *mm)
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
