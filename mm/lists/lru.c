/* SPDX-License-Identifier: MIT */
/*
 * lru.c: which list a user page is on: active (hot) or inactive (cold), anonymous or file,
 * of its zone.
 *
 * Only the lists and the flags that mirror them; what to evict is decided in vmscan.c.
 *
 *	PG_lru		on one of its zone's lists
 *	PG_active	on the active one of its kind
 *	PG_swapbacked	of the anonymous kind (shared memory is, too; lazily freed pages are not)
 *	PG_lru_add	in a CPU's batch of new pages, which holds a reference
 *	PG_mlocked	kept off the lists since reclaim found it in a VM_LOCKED region
 *
 *		 fault			 batch full		   last put
 *	new page -----> PG_lru_add batch ---------> inactive list ---------> free
 *						     |  ^    |  ^
 *					second use   v  |    v  | munlock, unmap
 *						    active  PG_mlocked
 *
 * Reclaim works on pages that stay on their list: it turns the coldest page to the hot end
 * and takes a reference, both under the lock. So a page is found by list only while
 * PG_lru is set, and who drops the last reference of such a page must be prepared for a
 * second finder (page_alloc.c, drop_reference()).
 *
 * Invariants: (I1) under the lruvec's lock the flags say exactly which list holds the
 * page (PM-29), and nr[] are the lists' lengths; (I2) at most one of PG_lru, PG_lru_add and
 * PG_mlocked is set; (I3) PG_swapbacked does not change while one of them is, but in
 * lru_set_lazyfree.
 *
 * Locking: lruvec->lock (RANK_LRU), interrupts off: the last reference of a page may be
 * dropped in a handler. Batches: interrupts off on their CPU.
 * Failure: none.
 * Observability: lru_pages() and friends, in /proc/meminfo and zoneinfo.
 */
#include <pagoda/lru.h>
#include <pagoda/bug.h>
#include <pagoda/page_alloc.h>
#include <pagoda/swap.h>
#include <pagoda/vmstat.h>

const struct page_list_ops *page_list_ops;
struct lru_batch lru_batches[NR_CPUS];
unsigned long lru_kind_flag = 1ul << PG_swapbacked;

static struct lruvec *page_lruvec(const struct page *page)
{
	return &page_zone(page)->lruvec;
}

static void count_pages(struct lruvec *lruvec, enum lru_list list, long n)
{
	lockdep_assert_held(&lruvec->lock);
	WRITE_ONCE(lruvec->nr[list], lruvec->nr[list] + (unsigned long)n);
}

static void add_locked(struct lruvec *lruvec, struct page *page)
{
	enum lru_list list = page_lru(page);

	list_add(&page->lru, &lruvec->lists[list]);
	count_pages(lruvec, list, 1);
}

static void del_locked(struct lruvec *lruvec, struct page *page)
{
	list_del(&page->lru);
	count_pages(lruvec, page_lru(page), -1);
}

static void count_mlocked(struct lruvec *lruvec, long n)
{
	WRITE_ONCE(lruvec->nr_mlocked, lruvec->nr_mlocked + (unsigned long)n);
}

/* ---- One page ----------------------------------------------------------------------------- */

void lru_cache_add(struct page *page)
{
	struct lruvec *lruvec = page_lruvec(page);
	unsigned long flags;

	spin_lock_irqsave(&lruvec->lock, flags);
	if (!test_bit(PG_lru_add, &page->flags) && !PageMlocked(page) && !TestSetPageLRU(page))
		add_locked(lruvec, page);
	spin_unlock_irqrestore(&lruvec->lock, flags);
}

void lru_cache_del(struct page *page)
{
	struct lruvec *lruvec = page_lruvec(page);
	unsigned long flags;

	spin_lock_irqsave(&lruvec->lock, flags);
	if (TestClearPageLRU(page)) {
		del_locked(lruvec, page);
		ClearPageActive(page);
	} else if (PageMlocked(page)) {
		ClearPageMlocked(page);
		count_mlocked(lruvec, -1);
	}
	spin_unlock_irqrestore(&lruvec->lock, flags);
}

static void set_page_active(struct page *page, bool active)
{
	struct lruvec *lruvec = page_lruvec(page);
	bool on_list;
	unsigned long flags;

	spin_lock_irqsave(&lruvec->lock, flags);
	on_list = PageLRU(page);
	if ((on_list || test_bit(PG_lru_add, &page->flags)) && PageActive(page) != active) {
		if (on_list)
			del_locked(lruvec, page);
		if (active) {
			SetPageActive(page);
			count_vm_event(pgactivate);
		} else {
			ClearPageActive(page);
		}
		if (on_list)
			add_locked(lruvec, page);
	}
	spin_unlock_irqrestore(&lruvec->lock, flags);
}

void activate_page(struct page *page)
{
	set_page_active(page, true);
}

void deactivate_page(struct page *page)
{
	set_page_active(page, false);
}

void mark_page_accessed(struct page *page)
{
	if (!PageReferenced(page)) {
		SetPageReferenced(page);
	} else if (!PageActive(page)) {
		activate_page(page);
		ClearPageReferenced(page);
	}
}

bool lru_set_lazyfree(struct page *page, bool lazyfree)
{
	struct lruvec *lruvec = page_lruvec(page);
	bool on_list, change;
	unsigned long flags;

	spin_lock_irqsave(&lruvec->lock, flags);
	on_list = PageLRU(page);
	change = (on_list || test_bit(PG_lru_add, &page->flags)) && PageLazyFree(page) != lazyfree;
	if (change) {
		if (on_list)
			del_locked(lruvec, page);
		ClearPageReferenced(page);
		ClearPageActive(page);
		if (lazyfree) {
			ClearPageSwapBacked(page);
		} else {
			SetPageSwapBacked(page);
			SetPageActive(page);
		}
		if (on_list)
			add_locked(lruvec, page);
	}
	spin_unlock_irqrestore(&lruvec->lock, flags);
	return change;
}

struct page *lru_take_coldest(zone_t *zone, enum lru_list list)
{
	struct lruvec *lruvec = &zone->lruvec;
	struct list_head *head = &lruvec->lists[list];
	struct page *page = NULL;
	unsigned long flags;

	spin_lock_irqsave(&lruvec->lock, flags);
	for (unsigned long left = lruvec->nr[list]; left && !page; left--) {
		page = list_entry(head->prev, struct page, lru);
		list_move(&page->lru, head);
		if (!get_page_unless_zero(page))
			page = NULL;
	}
	spin_unlock_irqrestore(&lruvec->lock, flags);
	return page;
}

void lru_rotate_written(struct page *page)
{
	struct lruvec *lruvec = page_lruvec(page);
	unsigned long flags;

	spin_lock_irqsave(&lruvec->lock, flags);
	if (PageLRU(page) && !PageActive(page))
		list_move_tail(&page->lru, &lruvec->lists[page_lru(page)]);
	spin_unlock_irqrestore(&lruvec->lock, flags);
}

void lru_cull_mlocked(struct page *page)
{
	struct lruvec *lruvec = page_lruvec(page);
	unsigned long flags;

	spin_lock_irqsave(&lruvec->lock, flags);
	if (TestClearPageLRU(page)) {
		del_locked(lruvec, page);
		ClearPageActive(page);
		SetPageMlocked(page);
		count_mlocked(lruvec, 1);
	}
	spin_unlock_irqrestore(&lruvec->lock, flags);
}

void lru_rescue_mlocked(struct page *page)
{
	struct lruvec *lruvec = page_lruvec(page);
	unsigned long flags;

	spin_lock_irqsave(&lruvec->lock, flags);
	if (PageMlocked(page)) {
		ClearPageMlocked(page);
		count_mlocked(lruvec, -1);
		(void)TestSetPageLRU(page); /* (I2): it was clear */
		add_locked(lruvec, page);
	}
	spin_unlock_irqrestore(&lruvec->lock, flags);
}

/* ---- Many pages ---------------------------------------------------------------------------- */

/* The lruvec whose lock is held while going over pages that mostly lie in one zone. */
static struct lruvec *relock(struct lruvec *held, const struct page *page)
{
	struct lruvec *lruvec = page_lruvec(page);

	if (likely(held == lruvec))
		return held;
	if (held)
		spin_unlock(&held->lock);
	spin_lock(&lruvec->lock);
	return lruvec;
}

/*
 * A page from a batch to its list. Both flags change in one step, as others may write others:
 * one is set and the other clear (I2), so that one addition does it.
 */
static inline void add_from_batch(struct lruvec *lruvec, struct page *page)
{
	unsigned long flags = rmw_add(&page->flags, (1ul << PG_lru) - (1ul << PG_lru_add));
	enum lru_list list = flags_lru(flags);

	list_add(&page->lru, &lruvec->lists[list]);
	count_pages(lruvec, list, 1);
}

/* Interrupts off. Pages that nobody else holds any more are freed in the end. */
void lru_batch_drain(struct lru_batch *batch)
{
	struct lruvec *held = NULL;
	unsigned int nr_dead = 0;

	for (unsigned int i = 0; i < batch->nr; i++) {
		struct page *page = batch->pages[i];

		held = relock(held, page);
		add_from_batch(held, page);
		if (unlikely(atomic_dec_and_test(&page->count)))
			batch->pages[nr_dead++] = page;
	}
	if (held)
		spin_unlock(&held->lock);
	batch->nr = 0;
	for (unsigned int i = 0; i < nr_dead; i++) {
		atomic_set(&batch->pages[i]->count, 1); /* 0 kept others away */
		put_page(batch->pages[i]);
	}
}

void lru_add_drain(void)
{
	unsigned long flags = port_irq_save();
	struct lru_batch *batch = &lru_batches[port_cpu_id()];

	if (batch->nr)
		lru_batch_drain(batch);
	port_irq_restore(flags);
}

static void drain_this_cpu(void *unused)
{
	(void)unused;
	lru_add_drain();
}

void lru_add_drain_all(void)
{
	unsigned int nr = port_nr_cpus();

	if (nr == 1 || !port_irqs_enabled())
		lru_add_drain();
	else
		port_on_each_cpu((1ul << nr) - 1, drain_this_cpu, NULL);
}

/* Flags that an anonymous page may carry to its end without anything to be undone. */
#define ANON_END_FLAGS                                                                    \
	(1ul << PG_lru | 1ul << PG_active | 1ul << PG_swapbacked | 1ul << PG_referenced | \
	 1ul << PG_uptodate | 1ul << PG_dirty | 1ul << PG_workingset)

/*
 * Take a page that the caller alone holds off its list and wipe it, so that it is freed the
 * quick way. Lock held: nobody gets at the page by its list, and by nothing else.
 */
static void retire_anon_page(struct lruvec *lruvec, struct page *page)
{
	del_locked(lruvec, page);
	WRITE_ONCE(page->flags, page->flags & ~ANON_END_FLAGS);
	WRITE_ONCE(page->mapping, NULL);
}

void release_pages(struct page **pages, unsigned int nr)
{
	unsigned long flags = port_irq_save();
	struct lruvec *held = NULL;

	for (unsigned int i = 0; i < nr; i++) {
		struct page *page = pages[i];

		if (page_count(page) != 1 || !PageAnon(page) || !PageLRU(page))
			continue;
		held = relock(held, page);
		if (page_count(page) == 1 && PageLRU(page))
			retire_anon_page(held, page);
	}
	if (held)
		spin_unlock(&held->lock);
	port_irq_restore(flags);
	for (unsigned int i = 0; i < nr; i++) {
		/* Unmapped here, but perhaps still in use: another region may lock it no more. */
		if (unlikely(PageMlocked(pages[i])) && page_count(pages[i]) > 1)
			lru_rescue_mlocked(pages[i]);
		if (unlikely(PageSwapCache(pages[i])))
			page_list_ops->unmapped_swap_page(pages[i]);
		put_page(pages[i]);
	}
}

/* ---- Counting ------------------------------------------------------------------------------- */

static unsigned long nr_mlocked_of(const struct lruvec *lruvec, enum lru_list list)
{
	(void)list;
	return READ_ONCE(lruvec->nr_mlocked);
}

static unsigned long nr_of(const struct lruvec *lruvec, enum lru_list list)
{
	return READ_ONCE(lruvec->nr[list]);
}

static unsigned long sum_lruvecs(unsigned long (*figure)(const struct lruvec *, enum lru_list),
				 enum lru_list list)
{
	unsigned long sum = 0;
	pg_data_t *pgdat;
	zone_t *zone;

	for_each_pgdat(pgdat)
		for_each_zone(zone, pgdat)
			sum += figure(&zone->lruvec, list);
	return sum;
}

unsigned long lru_pages(enum lru_list list)
{
	return sum_lruvecs(nr_of, list);
}

unsigned long nr_active_pages(void)
{
	return lru_pages(LRU_ACTIVE_ANON) + lru_pages(LRU_ACTIVE_FILE);
}

unsigned long nr_inactive_pages(void)
{
	return lru_pages(LRU_INACTIVE_ANON) + lru_pages(LRU_INACTIVE_FILE);
}

unsigned long nr_mlocked_pages(void)
{
	return sum_lruvecs(nr_mlocked_of, NR_LRU_LISTS);
}

/* ---- Checking -------------------------------------------------------------------------------- */

static void validate_list(zone_t *zone, enum lru_list list)
{
	struct lruvec *lruvec = &zone->lruvec;
	unsigned long nr = 0, flags;
	struct page *page;

	spin_lock_irqsave(&lruvec->lock, flags);
	list_for_each_entry(page, &lruvec->lists[list], lru) {
		BUG_ON(page_zone(page) != zone || !PageLRU(page) || page_lru(page) != list);
		BUG_ON(PageMlocked(page) || test_bit(PG_lru_add, &page->flags));
		BUG_ON(PageReserved(page) || PageBuddy(page));
		nr++;
	}
	BUG_ON(nr != lruvec->nr[list]);
	spin_unlock_irqrestore(&lruvec->lock, flags);
}

void validate_lru(void)
{
	pg_data_t *pgdat;
	zone_t *zone;

	for_each_pgdat(pgdat)
		for_each_zone(zone, pgdat)
			for (int i = 0; i < NR_LRU_LISTS; i++)
				if (zone->size)
					validate_list(zone, (enum lru_list)i);
}
