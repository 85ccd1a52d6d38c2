/* SPDX-License-Identifier: MIT */
/*
 * vmscan.h: page reclaim (thesis chapter 11; requirements RC, FX-13 to FX-15).
 *
 * The mechanism (kswapd, direct reclaim, the per-page decisions of shrink_cache) is
 * common; what differs between replacement policies stands behind struct reclaim_policy.
 * One policy is chosen at boot (reclaim=default|classic); a new one is one new file.
 */
#pragma once

#include <pagoda/mmzone.h>
#include <pagoda/page.h>

PAGODA_C_BEGIN

struct address_space;
struct vm_area_struct;

#define SWAP_CLUSTER_MAX 32 /* pages wanted by one round of reclaim */
#define DEF_PRIORITY	 6  /* first round looks at 1/6 of the inactive list */

/*
 * Start kswapd on every node and plug reclaim into the allocator; panics without memory.
 * Context: boot, once tasks run; may sleep.
 */
void kswapd_init(void);

/*
 * Other caches that can be shrunk (dentries, inodes). Called in reclaim, with whatever locks
 * an allocation may be made under: scan must only try locks, and honour the GFP bits (RC-12).
 */
struct shrinker {
	const char *name;
	unsigned long (*count)(void);
	/* free about nr objects; how many were looked at */
	unsigned long (*scan)(unsigned long nr, gfp_t gfp);
	struct list_head list;
};

/*
 * Have reclaim shrink this cache, too.
 * Context: may sleep.
 */
void register_shrinker(struct shrinker *shrinker);

/*
 * End that; a scan under way is waited for.
 * Context: may sleep.
 */
void unregister_shrinker(struct shrinker *shrinker);

/*
 * Shrink all registered caches as far as they go (drop_caches).
 * Context: may sleep. Return: how many objects were looked at.
 */
unsigned long drop_shrinkable(void);

/*
 * Starts all requests that wait (run_disk_queue(), the documents' tq_disk, RC-04). NULL: before
 * kswapd_init().
 */
extern void (*run_reclaim_io)(void);
/*
 * For buffers: let go of those of a locked page that has no a_ops->releasepage; true: they are
 * gone (RC-26). May be NULL.
 */
extern bool (*page_release_buffers)(struct page *page, gfp_t gfp_mask);

/*
 * Reverse-map walks (mm/space/rmap.c). The caller has a reference, and the page locked (for
 * anonymous pages page_referenced() does without). No spinlock held.
 * page_referenced: PTEs that had the accessed bit, which is cleared; info may be NULL.
 * try_to_unmap: every PTE of the page becomes a swap entry (anonymous, in the swap cache)
 * or none (file); the dirty bits go to the page; translations are flushed before it
 * returns. True: no PTE is left. It refuses pages that a VM_LOCKED or VM_RESERVED region maps.
 */
struct rmap_info {
	int referenced;	 /* PTEs that had the accessed bit */
	bool locked;	 /* some VMA that may map the page is VM_LOCKED */
	bool executable; /* a VMA that referenced it executes it */
};
int page_referenced(struct page *page, struct rmap_info *info);
/*
 * Between these two calls page_referenced() does not flush the translations of each accessed bit
 * that it clears, but of YOUNG_BATCH bits together, and of the rest at the end. Pairs may nest:
 * begin returns true for the outermost one, and its result is passed to end. end: interrupts on, no
 * spinlock held.
 */
#define YOUNG_BATCH 32
bool young_batch_begin(void) __must_check;
void young_batch_end(bool outermost);
/*
 * The accessed bit of an entry of mm was cleared: note_young_taken() with page_table_lock held,
 * then, without it, flush_young_taken(), which flushes if the batch is full or there is none.
 */
void note_young_taken(const struct mm_struct *mm);
void flush_young_taken(void);
bool try_to_unmap(struct page *page) __must_check;
/*
 * Write-protect and clean every PTE of a file page (before writeback); true if one was dirty. Page
 * locked.
 */
bool page_mkclean(struct page *page);

extern int vm_swappiness; /* 0 .. 200: how readily anonymous pages go rather than those of files */

/*
 * Pages reclaimed and writes started by reclaim since boot, for the OOM decision (FX-23).
 * Context: any. Return: a count that only grows.
 */
unsigned long reclaim_progress(void);

/*
 * The OOM killer: reclaim has freed nothing for an allocation of 2^order pages.
 * (mm/reclaim/oom_kill.c)
 * Context: may sleep. Locks: none that an exiting process needs.
 * Return: true: try again, as a process was killed, progress was made, or it is too early to tell
 * (it has waited a little); false: no process can be killed.
 */
bool out_of_memory(gfp_t gfp_mask, unsigned int order);

PAGODA_C_END
