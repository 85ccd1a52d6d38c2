/* SPDX-License-Identifier: MIT */
/*
 * page_alloc.c: which request gets which pages: zones, watermarks, reserves, per-CPU lists.
 *
 * The blocks themselves are cut and joined in buddy.c. This file decides which zone
 * a request is served from and when it has to wait (thesis chapter 6).
 *
 * Single pages pass through a stack per zone and CPU (FX-03). Taking one from there,
 * or putting one back, needs no lock, only interrupts off; the lists are refilled
 * from and drained to the buddy lists a batch at a time. That also delays merging, so
 * that a page freed and allocated again is not joined and split in between (FX-02).
 *
 *	alloc_pages -> zonelist of (this CPU's node, gfp & GFP_ZONEMASK)
 *	  1  this CPU's list of the first zone			a dozen instructions
 *	  2  first zone that stays above pages_low
 *	  3  wake kswapd; first zone that stays above pages_min, or the part of it
 *	     that the caller may use:
 *		__GFP_WAIT			all of pages_min is kept
 *		neither WAIT nor HIGH		the same
 *		HIGH without WAIT (atomic)	a quarter is kept
 *	  4  PF_MEMALLOC, PF_MEMDIE: any page there is; they free more than they take
 *	  5  without __GFP_WAIT: NULL
 *	  6  direct reclaim, then 3 again; while it makes progress, or the out-of-memory
 *	     hook did something
 *	  7  HIGH: as atomic requests in 3, half of pages_min kept
 *	  8  NULL
 *
 * Limits add up along the zonelist: a request for HIGHMEM that falls back to DMA must
 * leave the sum of all three zones' limits there, so that the scarce zone is kept for
 * requests that can use no other.
 *
 * Per-CPU lists are refilled by 2 and 3 only, never below the limit in force, so that
 * step 1 needs no test of its own.
 *
 * Reference counts: a block's first page is allocated with count 1; the others have
 * 0. The order is noted in the first page's flags (FX-29): a free with another order is
 * reported, and the block freed as what it is.
 *
 * Invariants:
 *	(I1) a page on a per-CPU list is in neither zone->free_pages nor any free_area
 *	(I2) a frame with PG_reserved is never freed
 *	(I3) a page on no free list or on a per-CPU one has count 0, mapcount -1, no flags
 *	     but zone and PG_highmem, and no mapping, private or virtual
 *
 * Locking: per-CPU lists by interrupts off; other CPUs read only the counts.
 * Failure: NULL after the steps above. Frees never fail.
 * Observability: events pgalloc, pgfree, kswapd_wake, allocstall.
 */
#include "page_alloc_internal.h"
#include <pagoda/oom.h>
#include <pagoda/bug.h>
#include <pagoda/highmem.h>
#include <pagoda/vm_task.h>
#include <pagoda/vmstat.h>

/* Rounds of direct reclaim with progress but without a fitting block. */
#define MAX_RECLAIM_ROUNDS 16
/* Callers that ask for blocks above this order can do without them. */
#define COSTLY_ORDER 3

#define FLAG(name) (1ul << PG_##name)
/* Flags that say what a page is, not what it is used for. */
#define PERMANENT_FLAGS ((PAGE_PLACE_IN_FLAGS ? ~0ul << ZONE_SHIFT : 0) | FLAG(highmem))
/* A page with one of these flags is in use: it must not be freed (PM-41). */
#define IN_USE_FLAGS                                                                           \
	(FLAG(locked) | FLAG(active) | FLAG(lru) | FLAG(slab) | FLAG(reserved) | FLAG(buddy) | \
	 FLAG(writeback) | FLAG(swapcache) | FLAG(table))

/* ---- Reclaim's place --------------------------------------------------------------- */

static void no_kswapd(zone_t *zone)
{
	(void)zone;
}

struct frame_keepers frame_keepers;

static unsigned long shrink_kernel_caches(zone_t *zone, gfp_t gfp_mask, unsigned int order)
{
	(void)zone, (void)order;
	return frame_keepers.shrink_caches ? frame_keepers.shrink_caches(gfp_mask) : 0;
}

static const struct reclaim_ops kernel_caches_only = {
	.wakeup_kswapd = no_kswapd,
	.try_to_free_pages = shrink_kernel_caches,
};
const struct reclaim_ops *reclaim_ops = &kernel_caches_only;

/* ---- Per-CPU lists ----------------------------------------------------------------- */

static struct per_cpu_pages *this_cpu_pages(zone_t *zone)
{
	lockdep_assert_irqs_disabled(); /* else we might go on as another CPU */
	return &zone->pcp[port_cpu_id()];
}

/* Other CPUs read the count for statistics, so it is written in one piece. */
static void pcp_set_count(struct per_cpu_pages *pcp, unsigned int count)
{
	VM_BUG_ON(count > PCP_MAX);
	WRITE_ONCE(pcp->count, count);
}

/* nr pages came from the free lists, or went back (negative); other CPUs may be reading. */
static void pcp_note_refill(struct per_cpu_pages *pcp, long nr)
{
	WRITE_ONCE(pcp->nr_refilled, pcp->nr_refilled + nr);
}

/* Take the top page of a stack of count + 1 pages. Context: interrupts off. */
static __always_inline struct page *pcp_take_at(struct per_cpu_pages *pcp, unsigned long count)
{
	VM_BUG_ON(pcp->count != count + 1);
	VM_BUG_ON_PAGE(PageBuddy(pcp->pages[count]), pcp->pages[count]); /* (I1) */
	pcp_set_count(pcp, (unsigned int)count);
	WRITE_ONCE(pcp->nr_taken, pcp->nr_taken + 1);
	return pcp->pages[count];
}

/* Take the top page; NULL if the stack is empty. Context: interrupts off. */
static __always_inline struct page *pcp_take(struct per_cpu_pages *pcp)
{
	return likely(pcp->count) ? pcp_take_at(pcp, pcp->count - 1) : NULL;
}

static __always_inline struct page *pcp_take_from(zone_t *zone)
{
	unsigned long flags = port_irq_save();
	struct page *page = pcp_take(this_cpu_pages(zone));

	port_irq_restore(flags);
	return page;
}

/*
 * Refill an empty stack from the free lists, leaving at least limit pages there, and take one page.
 * A handler may have filled the stack between our caller's look at it and this one; then nothing is
 * moved. Return: NULL if the free lists have no page to spare.
 */
static struct page *pcp_refill_and_take(zone_t *zone, unsigned long limit)
{
	unsigned long flags = port_irq_save(), spare = zone_free_pages(zone);
	struct per_cpu_pages *pcp = this_cpu_pages(zone);
	struct page *page;

	spare = spare > limit ? spare - limit : 0;
	if (!pcp->count && spare) {
		pcp_set_count(pcp, rmqueue_bulk(zone, min_t(unsigned int, pcp->batch, spare),
						pcp->pages));
		pcp_note_refill(pcp, pcp->count);
	}
	page = pcp_take(pcp);
	port_irq_restore(flags);
	return page;
}

/*
 * Give the nr pages at the bottom back to the free lists. They have been there longest, so their
 * contents are the least likely to be in this CPU's caches. Context: interrupts off.
 */
static noinline void pcp_drain(zone_t *zone, struct per_cpu_pages *pcp, unsigned int nr)
{
	lockdep_assert_irqs_disabled();
	VM_BUG_ON(!nr || nr > pcp->count);
	free_bulk(zone, nr, pcp->pages);
	for (unsigned int i = nr; i < pcp->count; i++)
		pcp->pages[i - nr] = pcp->pages[i];
	pcp_set_count(pcp, pcp->count - nr);
	pcp_note_refill(pcp, -(long)nr);
}

/*
 * Put a free page on top of this CPU's stack. A stack that is full gives a batch back first, so the
 * next frees find room again.
 */
static noinline void pcp_put(struct page *page)
{
	zone_t *zone = page_zone(page);
	unsigned long flags = port_irq_save();
	struct per_cpu_pages *pcp = this_cpu_pages(zone);

	VM_BUG_ON_PAGE(PageReserved(page) || PageBuddy(page), page); /* (I1), (I2) */
	VM_BUG_ON_PAGE(page_count(page), page);			     /* (I3) */
	if (pcp->count >= pcp->high)
		pcp_drain(zone, pcp, pcp->batch);
	pcp->pages[pcp->count] = page;
	pcp_set_count(pcp, pcp->count + 1);
	port_irq_restore(flags);
}

static void drain_zone(zone_t *zone)
{
	unsigned long flags = port_irq_save();
	struct per_cpu_pages *pcp = this_cpu_pages(zone);

	if (pcp->count)
		pcp_drain(zone, pcp, pcp->count);
	port_irq_restore(flags);
}

/*
 * Batches of the LRU lists go first: they hold references to pages, some of them the last one, and
 * such pages then land on the stacks that are emptied here.
 */
void drain_local_pages(void)
{
	pg_data_t *pgdat;
	zone_t *zone;

	if (frame_keepers.drain_batches)
		frame_keepers.drain_batches();
	for_each_pgdat(pgdat)
		for_each_zone(zone, pgdat)
			if (zone->size)
				drain_zone(zone);
}

static void drain_this_cpu(void *unused)
{
	(void)unused;
	drain_local_pages();
}

void drain_all_pages(void)
{
	unsigned int nr = port_nr_cpus();

	/* Asking other CPUs with interrupts off could wait for one that waits for us. */
	if (nr == 1 || !port_irqs_enabled())
		drain_local_pages();
	else
		port_on_each_cpu((1ul << nr) - 1, drain_this_cpu, NULL);
}

/* ---- Preparing and checking pages ---------------------------------------------------- */

/* Report a page that was freed wrongly. The caller does not free it: a leak is the lesser harm. */
static noinline __cold void bad_page(const struct page *page, const char *what)
{
	report_bug("bad page %#lx %s: flags %lx count %d mapcount %d mapping %p", page_to_pfn(page),
		   what, page->flags, page_count(page), page_mapcount(page), (void *)page->mapping);
}

static void zero_block(struct page *page, unsigned int order)
{
	for (unsigned long i = 0; i < 1ul << order; i++)
		clear_highpage(page + i);
}

/*
 * A free page is as clean as one that is handed out (I3), so a single page only needs its
 * reference, and a block its order. A page that is not clean was written to after it was freed.
 */
static void check_new_page(const struct page *page)
{
	VM_BUG_ON_PAGE(READ_ONCE(page->flags) & ~PERMANENT_FLAGS, page);
	VM_BUG_ON_PAGE(page_count(page) || page_mapcount(page), page);
	VM_BUG_ON_PAGE(page->mapping || page->private || page->virtual, page);
}

/* Note a block's order in its first page, whose order bits are 0 (FX-29). */
static void set_page_order(struct page *page, unsigned int order)
{
	VM_BUG_ON_PAGE(order >= MAX_ORDER || page_order(page), page);
	WRITE_ONCE(page->PAGE_PLACE, page->PAGE_PLACE | (unsigned long)order << PAGE_ORDER_SHIFT);
}

/*
 * Forget the order, and every flag but the permanent ones; flags: those of the page as they were
 * read. On 64 bits the order is one of the flags, so one store does both.
 */
static __always_inline void clear_page_flags(struct page *page, unsigned long flags)
{
	WRITE_ONCE(page->flags, flags & PERMANENT_FLAGS);
	if (!PAGE_PLACE_IN_FLAGS)
		page->PAGE_PLACE &= ~0ul << ZONE_SHIFT;
}

/* Make a block that came off the lists ready for its owner: order, reference, contents. */
static struct page *prep_block(struct page *page, gfp_t gfp_mask, unsigned int order)
{
	for (unsigned long i = 0; i < 1ul << order; i++)
		check_new_page(page + i);
	if (order) {
		set_page_order(page, order);
		count_vm_events(VM_EVENT_pgalloc, 1ul << order);
	}
	atomic_set(&page->count, 1);
	if (gfp_mask & __GFP_ZERO)
		zero_block(page, order);
	return page;
}

/* Nothing in the page is set that would have to be cleared, or reported, when it is freed. */
static __always_inline bool page_is_clean(const struct page *page, unsigned long flags)
{
	return !((flags & ~PERMANENT_FLAGS) | (PAGE_PLACE_IN_FLAGS ? 0 : page_order(page)) |
		 (unsigned long)page->mapping | (unsigned long)page->private |
		 (unsigned long)page->virtual);
}

/*
 * Clear what the last user is allowed to leave behind, and check what it is not. Left behind are
 * the page's place on the LRU lists, an anonymous page's mapping, status bits and the owner's word.
 * False: the page is still in use; it was reported, and the caller must leak it.
 */
static noinline bool clean_page(struct page *page)
{
	unsigned long flags;

	if (PageLRU(page) || PageMlocked(page))
		frame_keepers.forget_page(page);
	flags = READ_ONCE(page->flags);
	if (PageAnon(page))
		page->mapping = NULL;
	if (flags & IN_USE_FLAGS || page->mapping || page_mapcount(page) || page_count(page)) {
		bad_page(page, "freed while in use");
		return false;
	}
	if (flags & FLAG(highmem) && page->virtual)
		kmap_forget_page(page); /* the slot must not show this page to kmap() any more */
	page->private = NULL;
	page->virtual = NULL;
	clear_page_flags(page, flags);
	return true;
}

/*
 * May this page of a block be freed? The tail pages of a block have no references of their own, and
 * the first one's are dropped, so each page of the block must have count 0.
 */
static __always_inline bool free_page_ok(struct page *page)
{
	unsigned long flags = READ_ONCE(page->flags);

	return likely(page_is_clean(page, flags) && !page_mapcount(page) && !page_count(page)) ||
	       clean_page(page);
}

/* ---- Choosing a zone ------------------------------------------------------------------ */

enum watermark { WMARK_LOW, WMARK_MIN, WMARK_HALF, WMARK_QUARTER, WMARK_NONE };

/* Free pages that a request may not go below in this zone. */
static unsigned long zone_limit(const zone_t *zone, enum watermark mark)
{
	switch (mark) {
	case WMARK_LOW:
		return zone->pages_low;
	case WMARK_MIN:
		return zone->pages_min;
	case WMARK_HALF:
		return zone->pages_min / 2;
	case WMARK_QUARTER:
		return zone->pages_min / 4;
	case WMARK_NONE:
		break;
	}
	return 0;
}

/* Take a block from the first zone of the list that still has its limit free afterwards. */
static struct page *get_page_from_zonelist(const zonelist_t *zonelist, unsigned int order,
					   enum watermark mark)
{
	unsigned long limit = 0;
	zone_t *zone;

	for (unsigned int i = 0; (zone = zonelist->zones[i]) != NULL; i++) {
		struct page *page;

		limit += zone_limit(zone, mark);
		if (zone_free_pages(zone) < limit + (1ul << order)) {
			/* What lies on this CPU's list was taken under a limit already. */
			page = order ? NULL : pcp_take_from(zone);
		} else {
			page = order ? rmqueue(zone, order) : pcp_refill_and_take(zone, limit);
		}
		if (page)
			return page;
	}
	return NULL;
}

/*
 * Wake kswapd for each zone of the list, once per shortage: need_balance stays set until the zone
 * is back at pages_high, so the allocations in between do not wake it again.
 */
static void wake_kswapds(const zonelist_t *zonelist)
{
	zone_t *zone;

	for (unsigned int i = 0; (zone = zonelist->zones[i]) != NULL; i++) {
		if (rmw_xchg_relaxed(&zone->need_balance, 1))
			continue;
		count_vm_event(kswapd_wake);
		reclaim_ops->wakeup_kswapd(zone);
	}
}

/* A block that this task freed during its own reclaim and kept (PA-40). */
static struct page *take_local_block(struct vm_task *task, const zonelist_t *zonelist,
				     unsigned int order)
{
	struct page *page;

	VM_BUG_ON(list_empty(&task->local_pages) != !task->nr_local_pages);
	list_for_each_entry(page, &task->local_pages, list) {
		if (page->index != order)
			continue;
		for (unsigned int i = 0; zonelist->zones[i]; i++) {
			if (page_zone(page) != zonelist->zones[i])
				continue;
			list_del(&page->list);
			task->nr_local_pages--;
			return page;
		}
	}
	return NULL;
}

/* Put a block on the lists without asking whether the current task would keep it. */
static void release_block(struct page *page, unsigned int order)
{
	VM_BUG_ON_PAGE(PageReserved(page), page); /* (I2) */
	VM_BUG_ON_PAGE(page_count(page), page);
	if (order == 0)
		pcp_put(page);
	else
		free_block_to_zone(page_zone(page), page, order);
}

/* Blocks that the task kept and has no use for go to the lists, where others find them. */
static void release_local_blocks(struct vm_task *task)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &task->local_pages, list) {
		list_del(&page->list);
		task->nr_local_pages--;
		release_block(page, (unsigned int)page->index);
	}
}

/*
 * Reclaim in the context of this task. While PF_FREE_PAGES is set, the task keeps one block that it
 * frees itself (keep_local_block()): otherwise other tasks would take what it reclaimed, and it
 * would have to reclaim again and again. If the kept block is of the wanted kind it goes to *page.
 * PF_MEMALLOC lets reclaim itself allocate, and keeps it from reclaiming recursively.
 * Return: pages freed.
 */
static unsigned long balance_classzone(const zonelist_t *zonelist, gfp_t gfp_mask,
				       unsigned int order, struct page **page)
{
	struct vm_task *task = current_vm;
	unsigned int mine = (PF_MEMALLOC | PF_FREE_PAGES) & ~READ_ONCE(task->flags);
	unsigned long freed;

	VM_BUG_ON(!(gfp_mask & __GFP_WAIT));
	VM_BUG_ON(READ_ONCE(task->flags) & PF_FREE_PAGES); /* reclaim does not nest */
	count_vm_event(allocstall);
	might_sleep();
	if (!task->local_pages.next)
		INIT_LIST_HEAD(&task->local_pages);
	rmw_or_relaxed(&task->flags, mine);
	freed = reclaim_ops->try_to_free_pages(zonelist->zones[0], gfp_mask, order);
	rmw_and_relaxed(&task->flags, ~mine); /* PF_MEMDIE may have come */
	*page = take_local_block(task, zonelist, order);
	release_local_blocks(task);
	return freed;
}

/*
 * The current task is about to die. It gets any page there is: its exit frees far more than that,
 * and while it waits here it frees nothing.
 */
static bool is_dying(void)
{
	return READ_ONCE(current_vm->flags) & PF_MEMDIE ||
	       (reclaim_ops->is_killed && reclaim_ops->is_killed());
}

/*
 * Ask the out-of-memory killer. True: it killed a task, or it is too early to tell; try again. No
 * task is killed for a large block or for DMA memory, as the memory that its death frees is seldom
 * contiguous, or low enough.
 */
static bool may_oom(gfp_t gfp_mask, unsigned int order)
{
	if (!reclaim_ops->out_of_memory || order > COSTLY_ORDER || gfp_mask & __GFP_DMA)
		return false;
	return reclaim_ops->out_of_memory(gfp_mask, order);
}

/*
 * Step 6: reclaim until there is a block or nothing helps any more. Large blocks may never
 * come together, so for those the rounds are limited.
 */
static struct page *alloc_after_reclaim(const zonelist_t *zonelist, gfp_t gfp_mask,
					unsigned int order)
{
	for (int round = 0; !order || round < MAX_RECLAIM_ROUNDS; round++) {
		struct page *page;
		unsigned long freed = balance_classzone(zonelist, gfp_mask, order, &page);

		if (page)
			return page;
		/*
		 * Pages on the CPUs' stacks are not merged into blocks, and stacks of other CPUs
		 * cannot be taken from. For a single page that is worth an interrupt to each CPU
		 * only if reclaim found nothing else.
		 */
		if (order || !freed)
			drain_all_pages();
		page = get_page_from_zonelist(zonelist, order, WMARK_MIN);
		if (page)
			return page;
		if (is_dying())
			return get_page_from_zonelist(zonelist, order, WMARK_NONE);
		if (!freed && !may_oom(gfp_mask, order))
			return NULL;
		port_cond_resched();
	}
	return NULL;
}

/* The machine has no memory of this kind; before the boot it has none of any kind. */
static struct page *no_such_zone(void)
{
	if (!totalram_pages())
		panic("alloc_pages(), kmalloc() or vmalloc() is called before the core is booted");
	return NULL;
}

/* Steps 2 to 8 of the list at the top of this file. */
static noinline struct page *alloc_pages_slow(const zonelist_t *zonelist, gfp_t gfp_mask,
					      unsigned int order)
{
	enum watermark mark = WMARK_MIN;
	struct page *page;

	VM_BUG_ON(order >= MAX_ORDER);
	if (!zonelist->zones[0])
		return no_such_zone();
	page = get_page_from_zonelist(zonelist, order, WMARK_LOW);
	if (page)
		return page;
	wake_kswapds(zonelist);
	if ((gfp_mask & (__GFP_HIGH | __GFP_WAIT)) == __GFP_HIGH)
		mark = WMARK_QUARTER;
	page = get_page_from_zonelist(zonelist, order, mark);
	if (page)
		return page;
	if (READ_ONCE(current_vm->flags) & (PF_MEMALLOC | PF_MEMDIE))
		return get_page_from_zonelist(zonelist, order, WMARK_NONE);
	/* The caller must not sleep. What this CPU's stacks hold back is all that is left to try.
	 */
	if (!(gfp_mask & __GFP_WAIT)) {
		drain_local_pages();
		return get_page_from_zonelist(zonelist, order, mark);
	}
	page = alloc_after_reclaim(zonelist, gfp_mask, order);
	if (!page && gfp_mask & __GFP_HIGH)
		page = get_page_from_zonelist(zonelist, order, WMARK_HALF);
	return page;
}

static noinline struct page *alloc_block(const zonelist_t *zonelist, gfp_t gfp_mask,
					 unsigned int order)
{
	struct page *page;

	if (order >= MAX_ORDER)
		return NULL;
	page = alloc_pages_slow(zonelist, gfp_mask, order);
	return page ? prep_block(page, gfp_mask, order) : NULL;
}

/* Every allocation ends here (PA-08). */
static __always_inline struct page *__alloc_pages(const zonelist_t *zonelist, gfp_t gfp_mask,
						  unsigned int order)
{
	zone_t *zone = zonelist->zones[0];
	struct page *page = NULL;

	if (unlikely(port_should_fail("alloc_pages")))
		return NULL;
	if (!order && zone)
		page = pcp_take_from(zone);
	return page ? prep_block(page, gfp_mask, 0) : alloc_block(zonelist, gfp_mask, order);
}

/* Allocate from this CPU's node with all checks, which alloc_single_page() leaves out. */
static noinline struct page *alloc_pages_nearby(gfp_t gfp_mask, unsigned int order)
{
	return __alloc_pages(&local_pgdat()->node_zonelists[gfp_mask & GFP_ZONEMASK], gfp_mask,
			     order);
}

static noinline struct page *zeroed_page(struct page *page)
{
	clear_highpage(page);
	return page;
}

/*
 * Step 1: the top page of this CPU's stack. An empty stack, and a machine that is being watched by
 * a test, are left to alloc_pages_nearby(), so that this path has no call in it.
 */
static __always_inline struct page *alloc_single_page(gfp_t gfp_mask)
{
	struct per_cpu_pages *pcp;
	unsigned long count; /* as wide as an array index, so that no conversion is needed */
	unsigned long irq;
	struct page *page;

	if (port_watched())
		return alloc_pages_nearby(gfp_mask, 0);
	irq = port_irq_save_short();
	pcp = first_pcp[port_cpu_id()][gfp_mask & GFP_ZONEMASK];
	if (unlikely(__builtin_sub_overflow((unsigned long)pcp->count, 1ul, &count))) {
		port_irq_restore_short(irq);
		return alloc_pages_nearby(gfp_mask, 0);
	}
	page = pcp_take_at(pcp, count);
	port_irq_restore_short(irq);
	check_new_page(page);
	atomic_set(&page->count, 1);
	return unlikely(gfp_mask & __GFP_ZERO) ? zeroed_page(page) : page;
}

/* ---- Public: allocation -------------------------------------------------------------- */

struct page *alloc_pages_node(int nid, gfp_t gfp_mask, unsigned int order)
{
	pg_data_t *pgdat = NODE_DATA(nid);

	if (gfp_mask & __GFP_WAIT)
		might_sleep();
	if (!pgdat)
		return NULL;
	return __alloc_pages(&pgdat->node_zonelists[gfp_mask & GFP_ZONEMASK], gfp_mask, order);
}

struct page *alloc_pages_zonelist(const zonelist_t *zonelist, gfp_t gfp_mask, unsigned int order)
{
	if (gfp_mask & __GFP_WAIT)
		might_sleep();
	return __alloc_pages(zonelist, gfp_mask, order);
}

struct page *alloc_page(gfp_t gfp_mask)
{
	if (gfp_mask & __GFP_WAIT)
		might_sleep();
	return alloc_single_page(gfp_mask);
}

struct page *alloc_pages(gfp_t gfp_mask, unsigned int order)
{
	if (gfp_mask & __GFP_WAIT)
		might_sleep();
	return order ? alloc_pages_nearby(gfp_mask, order) : alloc_single_page(gfp_mask);
}

unsigned long __get_free_pages(gfp_t gfp_mask, unsigned int order)
{
	struct page *page;

	if (unlikely(gfp_mask & __GFP_HIGHMEM)) {
		report_bug("__get_free_pages: high memory has no address, by %p",
			   __builtin_return_address(0));
		return 0;
	}
	page = alloc_pages(gfp_mask, order);
	return page ? (unsigned long)page_address(page) : 0;
}

unsigned long get_zeroed_page(gfp_t gfp_mask)
{
	return __get_free_pages(gfp_mask | __GFP_ZERO, 0);
}

/* Turn one block into as many single pages, each with its own reference. */
static void split_block(struct page *page, unsigned int order)
{
	VM_BUG_ON_PAGE(page_order(page) != order || page_count(page) != 1, page);
	clear_page_flags(page, page->flags);
	for (unsigned long i = 1; i < 1ul << order; i++)
		atomic_set(&page[i].count, 1);
}

void *alloc_pages_exact(size_t size, gfp_t gfp_mask)
{
	unsigned long nr = PAGE_ALIGN(size) >> PAGE_SHIFT;
	unsigned int order = 0;
	struct page *page;

	while (order < MAX_ORDER && 1ul << order < nr)
		order++;
	if (!nr || gfp_mask & __GFP_HIGHMEM)
		return NULL;
	page = alloc_pages(gfp_mask, order);
	if (!page)
		return NULL;
	/* As single pages the unused tail can be freed now and the rest one by one later. */
	split_block(page, order);
	for (unsigned long i = nr; i < 1ul << order; i++)
		__free_page(page + i);
	return page_address(page);
}

/* ---- Public: freeing ----------------------------------------------------------------- */

/*
 * Keep a block for the task that freed it while it reclaims (PA-40): one block, and not from an
 * interrupt handler, which only borrows the task. Return: it was kept.
 */
static bool keep_local_block(struct page *page, unsigned int order)
{
	struct vm_task *task = current_vm;

	if (likely(!(READ_ONCE(task->flags) & PF_FREE_PAGES)) || task->nr_local_pages ||
	    !port_irqs_enabled())
		return false;
	VM_BUG_ON_PAGE(page_count(page) || PageReserved(page), page);
	page->index = order;
	list_add(&page->list, &task->local_pages);
	task->nr_local_pages++;
	return true;
}

/*
 * Every free but the quick one ends here: the count of the block's first page is 0. If one page of
 * the block is still in use the whole block is leaked, as a part of it cannot be put on a list.
 */
static void __free_pages_ok(struct page *page, unsigned int order)
{
	VM_BUG_ON(order >= MAX_ORDER);
	for (unsigned long i = 0; i < 1ul << order; i++)
		if (unlikely(!free_page_ok(page + i)))
			return;
	if (order)
		count_vm_events(VM_EVENT_pgfree, 1ul << order);
	if (!keep_local_block(page, order))
		release_block(page, order);
}

/* Drop one reference. False: others still hold the page, or it had none (reported). */
static bool drop_reference(struct page *page)
{
	/*
	 * The last holder needs no atomic operation, as no other task can find the page to take a
	 * reference. Only a page on an LRU list can be found there by reclaim:
	 *
	 *	holder			reclaim
	 *	count is 1
	 *				get_page_unless_zero: 2
	 *	atomic_dec_and_test: 1	.
	 *				put_page: 0, frees it
	 */
	if (likely(smp_load_acquire(&page->count.counter) == 1) && !PageLRU(page)) {
		atomic_set(&page->count, 0);
		return true;
	}
	if (unlikely(page_count(page) <= 0)) {
		bad_page(page, "freed twice");
		return false;
	}
	return atomic_dec_and_test(&page->count);
}

static noinline __cold void wrong_order(const struct page *page, unsigned int order, void *caller)
{
	report_bug("__free_pages: frame %#lx of order %u freed with order %u, by %p",
		   page_to_pfn(page), page_order(page), order, caller);
}

/*
 * Drop a reference to a block, and free it with the order that it was allocated with, whatever the
 * caller says: with another order the neighbours would be freed, too, or frames would be lost.
 * order ~0 means that the caller does not know. Reserved pages have no count that means anything.
 */
static noinline void put_block_reference(struct page *page, unsigned int order, void *caller)
{
	unsigned int real = page_order(page);

	if (PageReserved(page) || !drop_reference(page))
		return;
	if (order != real && order != ~0u)
		wrong_order(page, order, caller);
	__free_pages_ok(page, real);
}

/*
 * Most pages are freed here: single pages (a clean page has order 0) that the caller alone holds,
 * and that the task does not keep because it reclaims. As the page has one reference and is on no
 * list, no other task can find it, and plain stores do. False: nothing was done, take the long way.
 */
static __always_inline bool free_sole_page(struct page *page)
{
	unsigned long flags = READ_ONCE(page->flags), irq;
	struct per_cpu_pages *pcp;
	unsigned int count;
	bool fits;

	if (unlikely(smp_load_acquire(&page->refs) != PAGE_REFS_SOLE ||
		     !page_is_clean(page, flags) || READ_ONCE(current_vm->flags) & PF_FREE_PAGES))
		return false;
	irq = port_irq_save_short();
	pcp = zone_pcp[(PAGE_PLACE_IN_FLAGS ? flags : page->PAGE_PLACE) >> ZONE_SHIFT]
		      [port_cpu_id()];
	count = pcp->count;
	VM_BUG_ON_PAGE(page_order(page) || PageReserved(page), page); /* (I2) */
	fits = count < pcp->high;
	if (likely(fits)) {
		atomic_set(&page->count, 0);
		pcp->pages[count] = page;
		pcp_set_count(pcp, count + 1);
	}
	port_irq_restore_short(irq);
	return fits;
}

void __free_pages(struct page *page, unsigned int order)
{
	if (unlikely(order || !free_sole_page(page)))
		put_block_reference(page, order, __builtin_return_address(0));
}

void __free_page(struct page *page)
{
	if (unlikely(!free_sole_page(page)))
		put_block_reference(page, 0, __builtin_return_address(0));
}

void put_page(struct page *page)
{
	if (unlikely(!free_sole_page(page)))
		put_block_reference(page, ~0u, NULL);
}

void free_pages(unsigned long addr, unsigned int order)
{
	if (addr)
		__free_pages(virt_to_page((void *)addr), order);
}

void free_pages_exact(void *addr, size_t size)
{
	struct page *page = virt_to_page(addr);

	VM_BUG_ON((unsigned long)addr & ~PAGE_MASK);
	for (unsigned long i = 0; i < PAGE_ALIGN(size) >> PAGE_SHIFT; i++)
		__free_page(page + i);
}
