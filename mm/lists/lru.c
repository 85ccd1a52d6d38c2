/* SPDX-License-Identifier: MIT */
/*
 * lru.c: which list a user page is on: active (hot) or inactive (cold), anonymous or file,
 * of its zone.
 *
 * This file keeps the lists and the flags that say on which list a page is; vmscan.c decides what
 * to evict.
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
 * Reclaim works on pages that stay on their list: it turns the coldest page to the hot end and
 * takes a reference, both under the lock. So a page can be found by its list only while PG_lru is
 * set. Reclaim may take a reference from the list at the moment when the last one is dropped;
 * drop_reference() in page_alloc.c handles that.
 *
 * Invariants: (I1) under the lruvec's lock the flags say exactly which list holds the
 * page (PM-29), and nr[] are the lists' lengths; (I2) at most one of PG_lru, PG_lru_add and
 * PG_mlocked is set; (I3) while one of them is set, PG_swapbacked is changed by lru_set_lazyfree()
 * only.
 *
 * Locking: lruvec->lock (RANK_LRU), interrupts off: the last reference of a page may be
 * dropped in a handler. Batches: interrupts off on their CPU.
 * Failure: none.
 * Observability: lru_pages() and the other counts, in /proc/meminfo and zoneinfo.
 */
#include <pagoda/lru.h>
#include <pagoda/bug.h>
#include <pagoda/page_alloc.h>
#include <pagoda/swap.h>
#include <pagoda/vmstat.h>

const struct page_list_ops *page_list_ops;
struct lru_batch lru_batches[NR_CPUS];
unsigned long lru_kind_flag = 1ul << PG_swapbacked;

/* The lists and the lock of the page's zone. */
static struct lruvec *page_lruvec(const struct page *page)
{
	return &page_zone(page)->lruvec;
}

/* Change the length of a list. It is read without the lock, so it is stored in one piece. */
static void count_pages(struct lruvec *lruvec, enum lru_list list, long n) MUST_HOLD(&lruvec->lock)
{
	lockdep_assert_held(&lruvec->lock);
	WRITE_ONCE(lruvec->nr[list], lruvec->nr[list] + (unsigned long)n);
}

/* Put a page at the hot end of the list that its flags name (I1). PG_lru is set already. */
static void add_locked(struct lruvec *lruvec, struct page *page) MUST_HOLD(&lruvec->lock)
{
	enum lru_list list = page_lru(page);

	lockdep_assert_held(&lruvec->lock);
	VM_BUG_ON(!PageLRU(page) || PageMlocked(page) || PageReserved(page)); /* (I1), (I2) */
	VM_BUG_ON(test_bit(PG_lru_add, &page->flags));			      /* (I2) */
	list_add(&page->lru, &lruvec->lists[list]);
	count_pages(lruvec, list, 1);
}

/* Take a page off the list that its flags name (I1): called before the flags change. */
static void del_locked(struct lruvec *lruvec, struct page *page) MUST_HOLD(&lruvec->lock)
{
	lockdep_assert_held(&lruvec->lock);
	VM_BUG_ON(!lruvec->nr[page_lru(page)]); /* (I1) */
	list_del(&page->lru);
	count_pages(lruvec, page_lru(page), -1);
}

/* Count a page that mlock keeps off the lists. */
static void count_mlocked(struct lruvec *lruvec, long n) MUST_HOLD(&lruvec->lock)
{
	lockdep_assert_held(&lruvec->lock);
	VM_BUG_ON(n < 0 && !lruvec->nr_mlocked);
	WRITE_ONCE(lruvec->nr_mlocked, lruvec->nr_mlocked + (unsigned long)n);
}

/* ---- One page ----------------------------------------------------------------------------- */

/*
 * A page in a batch will be put on its list by the batch; a page that mlock keeps off stays off
 * (I2).
 */
void lru_cache_add(struct page *page)
{
	struct lruvec *lruvec = page_lruvec(page);
	unsigned long flags;

	VM_BUG_ON(PageReserved(page) || PageSlab(page) || PageTable(page));
	spin_lock_irqsave(&lruvec->lock, flags);
	if (!test_bit(PG_lru_add, &page->flags) && !PageMlocked(page) && !TestSetPageLRU(page))
		add_locked(lruvec, page);
	spin_unlock_irqrestore(&lruvec->lock, flags);
}

/*
 * The page leaves its mapping or is freed. It is on its list, or kept off it by mlock, or on
 * neither: a page in a batch has a reference, and is put on a list later.
 */
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

/*
 * Change PG_active, and the list with it. A page that waits in a batch only changes the flag: the
 * batch puts it on the list that the flag then names. A page on no list is left alone, as PG_active
 * without PG_lru or PG_lru_add would be found when it is freed.
 */
static void set_page_active(struct page *page, bool active)
{
	struct lruvec *lruvec = page_lruvec(page);
	bool on_list;
	unsigned long flags;

	VM_BUG_ON(page_count(page) < 1);
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

/*
 * Two uses make a page active: the first sets PG_referenced, the second activates it. So a page
 * that is read once, as in a large copy, stays inactive and does not displace pages in use.
 */
void mark_page_accessed(struct page *page)
{
	if (!PageReferenced(page)) {
		SetPageReferenced(page);
	} else if (!PageActive(page)) {
		activate_page(page);
		ClearPageReferenced(page);
	}
}

/*
 * PG_swapbacked decides which kind of list the page is on, so the page is taken off before the flag
 * changes and put on the other list after it (I1). A lazily freed page goes to the inactive file
 * list, where reclaim looks first; one that is used again becomes active.
 */
bool lru_set_lazyfree(struct page *page, bool lazyfree)
{
	struct lruvec *lruvec = page_lruvec(page);
	bool on_list, change;
	unsigned long flags;

	VM_BUG_ON(!PageAnon(page) || page_count(page) < 1);
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

/*
 * At most one turn of the list: a page whose reference count is 0 is being freed by another CPU,
 * which waits for the lock to take it off the list, so it is skipped.
 */
struct page *lru_take_coldest(zone_t *zone, enum lru_list list)
{
	struct lruvec *lruvec = &zone->lruvec;
	struct list_head *head = &lruvec->lists[list];
	struct page *page = NULL;
	unsigned long flags;

	VM_BUG_ON((unsigned int)list >= NR_LRU_LISTS);
	spin_lock_irqsave(&lruvec->lock, flags);
	for (unsigned long left = lruvec->nr[list]; left && !page; left--) {
		page = list_entry(head->prev, struct page, lru);
		VM_BUG_ON(!PageLRU(page) || page_lru(page) != list); /* (I1) */
		list_move(&page->lru, head);
		if (!get_page_unless_zero(page))
			page = NULL;
	}
	spin_unlock_irqrestore(&lruvec->lock, flags);
	return page;
}

/*
 * Reclaim has written the page and can free it as soon as it comes to it: so move it to the cold
 * end. It may have been activated meanwhile, or left its list; then it stays where it is.
 */
void lru_rotate_to_tail(struct page *page)
{
	struct lruvec *lruvec = page_lruvec(page);
	unsigned long flags;

	spin_lock_irqsave(&lruvec->lock, flags);
	if (PageLRU(page) && !PageActive(page))
		list_move_tail(&page->lru, &lruvec->lists[page_lru(page)]);
	spin_unlock_irqrestore(&lruvec->lock, flags);
}

/*
 * Reclaim found the page in a locked region: take it off the list, so that it is not looked at
 * again and again. If munlock() or another CPU has taken it off before, nothing is done.
 */
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

/* The page is not locked any more, perhaps: put it back on its list. */
void lru_rescue_mlocked(struct page *page)
{
	struct lruvec *lruvec = page_lruvec(page);
	unsigned long flags;

	VM_BUG_ON(page_count(page) < 1);
	spin_lock_irqsave(&lruvec->lock, flags);
	if (PageMlocked(page)) {
		ClearPageMlocked(page);
		count_mlocked(lruvec, -1);
		VM_BUG_ON(PageLRU(page));   /* (I2) */
		(void)TestSetPageLRU(page); /* the old value is known */
		add_locked(lruvec, page);
	}
	spin_unlock_irqrestore(&lruvec->lock, flags);
}

/* ---- Many pages ---------------------------------------------------------------------------- */

/*
 * For loops over pages that mostly lie in one zone: return with the lock of page's lruvec held.
 * held is the lruvec whose lock is held so far (NULL: none), and it is released if it is another
 * one.
 */
static struct lruvec *relock(struct lruvec *held, const struct page *page)
	NO_LOCK_ANALYSIS("exchanges one lock for another")
{
	struct lruvec *lruvec = page_lruvec(page);

	VM_BUG_ON(port_irqs_enabled());
	if (likely(held == lruvec))
		return held;
	if (held)
		spin_unlock(&held->lock);
	spin_lock(&lruvec->lock);
	return lruvec;
}

/*
 * Move a page from a batch to its list. PG_lru_add is cleared and PG_lru set in one step, so that
 * (I2) holds at each moment, while other CPUs may change other flags. As one flag is known to be
 * set and the other to be clear (I2), one atomic addition of the difference does it.
 */
static inline void add_from_batch(struct lruvec *lruvec, struct page *page) MUST_HOLD(&lruvec->lock)
{
	unsigned long flags = rmw_add(&page->flags, (1ul << PG_lru) - (1ul << PG_lru_add));
	enum lru_list list = flags_lru(flags);

	list_add(&page->lru, &lruvec->lists[list]);
	count_pages(lruvec, list, 1);
}

/*
 * Put all pages of the batch on their lists, and drop the batch's references. A page whose last
 * reference that was is freed afterwards, without the lock, since freeing takes it: it is on its
 * list with a count of 0 meanwhile, which keeps lru_take_coldest() from using it.
 */
void lru_batch_drain(struct lru_batch *batch) NO_LOCK_ANALYSIS("relock() changes the lock")
{
	struct lruvec *held = NULL;
	unsigned int nr_dead = 0;

	VM_BUG_ON(port_irqs_enabled() || batch->nr > LRU_BATCH_PAGES);
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
		atomic_set(&batch->pages[i]->count, 1); /* see above */
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

/* port_on_each_cpu() calls it with interrupts off. */
static void drain_this_cpu(void *unused)
{
	(void)unused;
	lru_add_drain();
}

/*
 * With interrupts off other CPUs cannot be asked: two CPUs that asked each other would wait for
 * ever. Only this CPU's batch is emptied then.
 */
void lru_add_drain_all(void)
{
	unsigned int nr = port_nr_cpus();

	if (nr == 1 || !port_irqs_enabled())
		lru_add_drain();
	else
		port_on_each_cpu((1ul << nr) - 1, drain_this_cpu, NULL);
}

/*
 * The flags that an anonymous page may have when it is freed without anything else to be done for
 * it. A page with another flag takes the slow way through put_page().
 */
#define ANON_END_FLAGS                                                                    \
	(1ul << PG_lru | 1ul << PG_active | 1ul << PG_swapbacked | 1ul << PG_referenced | \
	 1ul << PG_uptodate | 1ul << PG_dirty | 1ul << PG_workingset)

/*
 * The caller has the only reference: take the page off its list and clear its flags and identity,
 * so that put_page() finds nothing to do and frees it quickly. The lock is held, so that no one can
 * find the page by its list; nor can anyone by an entry, as it is unmapped.
 */
static void retire_anon_page(struct lruvec *lruvec, struct page *page) MUST_HOLD(&lruvec->lock)
{
	VM_BUG_ON(page_count(page) != 1 || page_mapcount(page));
	VM_BUG_ON(PageLocked(page) || PageWriteback(page));
	del_locked(lruvec, page);
	WRITE_ONCE(page->flags, page->flags & ~ANON_END_FLAGS);
	WRITE_ONCE(page->mapping, NULL);
}

/*
 * Two passes. The first takes the anonymous pages of which the caller has the only reference off
 * their lists, with one turn of the lock for many pages. Both tests of the count are needed: the
 * first saves the lock for others, the second is made under the lock, where reclaim cannot take a
 * reference from the list any more. The second pass drops all references.
 */
void release_pages(struct page **pages, unsigned int nr)
	NO_LOCK_ANALYSIS("relock() changes the lock")
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
		/*
		 * Unmapped here, but still in use by others. The region that was unmapped may have
		 * been the one that locked the page; if another one does, reclaim will take it off
		 * again.
		 */
		if (unlikely(PageMlocked(pages[i])) && page_count(pages[i]) > 1)
			lru_rescue_mlocked(pages[i]);
		/* One user less: perhaps no one needs the swap slot any more. */
		if (unlikely(PageSwapCache(pages[i])))
			page_list_ops->unmapped_swap_page(pages[i]);
		put_page(pages[i]);
	}
}

/* ---- Counting ------------------------------------------------------------------------------- */

/*
 * The counts are read without the locks: each is right at some moment, their sum perhaps at none.
 * That is enough for statistics and for reclaim's decisions.
 */
static unsigned long nr_mlocked_of(const struct lruvec *lruvec, enum lru_list list)
{
	(void)list;
	return READ_ONCE(lruvec->nr_mlocked);
}

static unsigned long nr_of(const struct lruvec *lruvec, enum lru_list list)
{
	return READ_ONCE(lruvec->nr[list]);
}

/* Sum one figure over the lruvecs of all zones. */
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

/*
 * Every page of the list belongs to the zone and has the flags of the list (I1), (I2); nr is right.
 */
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
