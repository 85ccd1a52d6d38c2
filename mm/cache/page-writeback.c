/* SPDX-License-Identifier: MIT */
/*
 * page-writeback.c: dirty pages: who they are, and how they are written. When, and who waits for
 * it: flusher.c.
 *
 * A page's way to the disk, and its tags in the mapping's index:
 *
 *	clean --set_page_dirty--> dirty --clear_page_dirty_for_io--> (locked)
 *	  ^			  ^  |					|
 *	  |		changed again|			set_page_writeback, unlock
 *	  |			  |  v					v
 *	  +----end_page_writeback------------------------- writeback
 *
 * A page may be dirty and under writeback: what was changed meanwhile is written next.
 * A shared mapping's entries are write-protected when a page goes to the disk
 * (page_mkclean), so that the next store faults and dirties it again.
 *
 * Mappings with dirty or written pages are on one list. A mapping taken from it is
 * held by wb_users; truncation to nothing, by which every file ends, waits for that:
 *
 *	flusher				end of a file
 *	dirty_lock: on the list,	drop the pages: nr_dirty, nr_writeback 0,
 *	wb_users++			off the list
 *	write, wb_users--, wake		wait for wb_users == 0, free
 *
 * Errors. A write usually fails when no caller waits for it, so the error is noted in the mapping,
 * with a number that counts the errors. Each open file remembers the number that it was last told
 * of, so fsync reports every error once to each open file. The page stays in memory, clean, as
 * read: it is not written again until somebody changes it.
 *
 * Locking: pages_lock for tags and counts; dirty_lock (leaf) for the list, inside it. The page
 * lock keeps clear_page_dirty_for_io() and set_page_writeback() together.
 *
 * Invariants: (I1) nr_dirty, nr_writeback are the numbers of pages so tagged; (I2) a mapping is on
 * the list exactly if one is not 0; (I3) a page tagged dirty has PG_dirty, or is locked by who
 * cleared it; (I4) a page under writeback is in its mapping and has a reference of the writer's.
 *
 * Failure: writing may fail to start for lack of memory; the page stays dirty.
 * Observability: nr_dirty_pages, nr_writeback_pages; event pgpgout.
 */
#include "buffer_internal.h"
#include "filemap_internal.h"
#include <pagoda/rmap.h>
#include <pagoda/blkdev.h>
#include <pagoda/page_alloc.h>
#include <pagoda/lru.h>
#include <pagoda/vmscan.h>
#include <pagoda/vmstat.h>
#include <pagoda/vm_task.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/task_io.h>

atomic_long_t nr_dirty_pages, nr_writeback_pages;

/* Pages looked up at once. */
#define WRITE_BATCH_PAGES 16
/* Pages tagged, or mappings looked at, with interrupts off. */
#define SEARCH_BATCH 64
static spinlock_t dirty_lock = SPIN_LOCK_INIT(RANK_LEAF);
static LIST_HEAD(dirty_mappings);
static unsigned long nr_listed;		/* dirty_lock */
static unsigned int current_sync_round; /* dirty_lock */
/* one search at a time turns the list */
static struct mutex search_mutex = MUTEX_INIT(search_mutex, RANK_NONE);

static wait_queue_head_t written_wait = WAIT_QUEUE_HEAD_INIT(written_wait); /* pages came back */
static wait_queue_head_t users_wait = WAIT_QUEUE_HEAD_INIT(users_wait); /* a wb_users became 0 */

/* ---- Tags and counts ------------------------------------------------------------------------ */

/* Change a counter that is guarded by pages_lock, but read by the flusher without it. */
static void add_pages(unsigned long *counter, long n)
{
	rmw_add_relaxed(counter, (unsigned long)n);
}

/*
 * The mapping is about to get its first dirty or written page: put it on the list (I2).
 * unlist_mapping() is called after the last one has gone. Locks: pages_lock held.
 */
static void list_mapping(struct address_space *mapping) MUST_HOLD(&mapping->pages_lock)
{
	lockdep_assert_held(&mapping->pages_lock);
	if (mapping->nr_dirty + mapping->nr_writeback)
		return;
	spin_lock(&dirty_lock);
	VM_BUG_ON(!list_empty(&mapping->dirty_link)); /* (I2) */
	mapping->dirtied_when = port_clock_ns();
	list_add_tail(&mapping->dirty_link, &dirty_mappings);
	nr_listed++;
	spin_unlock(&dirty_lock);
}
static void unlist_mapping(struct address_space *mapping)
{
	lockdep_assert_held(&mapping->pages_lock);
	if (mapping->nr_dirty + mapping->nr_writeback)
		return;
	spin_lock(&dirty_lock);
	VM_BUG_ON(list_empty(&mapping->dirty_link) || !nr_listed); /* (I2) */
	list_del_init(&mapping->dirty_link);
	nr_listed--;
	spin_unlock(&dirty_lock);
}

static bool has_tag(const struct address_space *mapping, pgoff_t index, enum page_cache_tag tag)
{
	lockdep_assert_held(&mapping->pages_lock);
	return radix_tree_tag_get(&mapping->i_pages, index, tag);
}

/*
 * Tag the page at index as dirty and count it (I1). The item is in the tree, so tagging cannot
 * fail.
 */
static void tag_dirty(struct address_space *mapping, pgoff_t index) MUST_HOLD(&mapping->pages_lock)
{
	lockdep_assert_held(&mapping->pages_lock);
	if (has_tag(mapping, index, PAGECACHE_TAG_DIRTY))
		return;
	(void)radix_tree_tag_set(&mapping->i_pages, index, PAGECACHE_TAG_DIRTY); /* it is there */
	list_mapping(mapping);
	add_pages(&mapping->nr_dirty, 1);
	atomic_long_inc(&nr_dirty_pages);
}

/* The page at index is clean, is being written, or leaves the mapping. */
static void untag_dirty(struct address_space *mapping, pgoff_t index)
{
	lockdep_assert_held(&mapping->pages_lock);
	if (!has_tag(mapping, index, PAGECACHE_TAG_DIRTY))
		return;
	VM_BUG_ON(!mapping->nr_dirty); /* (I1) */
	(void)radix_tree_tag_clear(&mapping->i_pages, index, PAGECACHE_TAG_DIRTY);
	add_pages(&mapping->nr_dirty, -1);
	atomic_long_dec(&nr_dirty_pages);
	unlist_mapping(mapping);
}

bool set_page_dirty(struct page *page)
{
	struct address_space *mapping = READ_ONCE(page->mapping);
	unsigned long flags;

	if (!PageAnon(page) && (!mapping || !mapping->a_ops->writepage))
		return false;
	/*
	 * The atomic operation is a full barrier, also if the bit is set already: the task that
	 * cleans the page next must see the bytes that were stored before this call.
	 */
	if (TestSetPageDirty(page))
		return false;
	if (PageAnon(page) || mapping->shmem)
		/* Swap-backed pages have no dirty tag: reclaim finds them by PG_dirty. */
		return true;
	spin_lock_irqsave(&mapping->pages_lock, flags);
	/* A page that was truncated meanwhile has no place in the tree to tag. */
	if (page->mapping == mapping)
		tag_dirty(mapping, page->index);
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	current_vm->nr_dirtied++;
	count_task_write(PAGE_SIZE);
	return true;
}

/*
 * First write-protect the entries, then clear PG_dirty. The order matters:
 *
 *	this task			a program's store through a mapping
 *	page_mkclean()			before: the bytes are in what we write
 *	clear PG_dirty			after: faults, waits for the page lock,
 *	start the write			  and dirties the page again
 *
 * In the reverse order, a store between the two steps would set no bit that anybody looks at.
 */
bool clear_page_dirty_for_io(struct page *page)
{
	VM_BUG_ON(PageWriteback(page));
	VM_BUG_ON(!PageLocked(page));
	if (page_mkclean(page))
		/* PG_dirty is cleared below; the buffers' bits are cleared when they are sent. */
		block_dirty_page(page);
	return TestClearPageDirty(page);
}

void forget_page_tags(struct address_space *mapping, struct page *page)
{
	lockdep_assert_held(&mapping->pages_lock);
	BUG_ON(PageWriteback(page));
	if (has_tag(mapping, page->index, PAGECACHE_TAG_DIRTY))
		count_task_cancelled_write(PAGE_SIZE);
	untag_dirty(mapping, page->index);
}

/*
 * The mapping stays on the list throughout: nr_writeback grows before nr_dirty shrinks. A page
 * that became dirty again since clear_page_dirty_for_io() keeps its dirty tag (I3).
 */
void set_page_writeback(struct page *page)
{
	struct address_space *mapping = page->mapping;
	unsigned long flags;

	VM_BUG_ON(!PageLocked(page) || PageWriteback(page));
	get_page(page); /* (I4) */
	spin_lock_irqsave(&mapping->pages_lock, flags);
	VM_BUG_ON(page->mapping != mapping); /* (I4) */
	SetPageWriteback(page);
	(void)radix_tree_tag_set(&mapping->i_pages, page->index, PAGECACHE_TAG_WRITEBACK);
	list_mapping(mapping);
	add_pages(&mapping->nr_writeback, 1);
	(void)radix_tree_tag_clear(&mapping->i_pages, page->index, PAGECACHE_TAG_TOWRITE);
	if (!PageDirty(page))
		untag_dirty(mapping, page->index);
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	atomic_long_inc(&nr_writeback_pages);
	count_vm_event(pgpgout);
}

void end_page_writeback(struct page *page)
{
	/* The mapping stays: removal and truncation wait for the end of the writeback. */
	struct address_space *mapping = page->mapping;
	unsigned long flags;

	VM_BUG_ON(!PageWriteback(page) || !mapping || page_count(page) < 1); /* (I4) */
	spin_lock_irqsave(&mapping->pages_lock, flags);
	(void)radix_tree_tag_clear(&mapping->i_pages, page->index, PAGECACHE_TAG_WRITEBACK);
	VM_BUG_ON(!mapping->nr_writeback); /* (I1) */
	add_pages(&mapping->nr_writeback, -1);
	unlist_mapping(mapping);
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	atomic_long_dec(&nr_writeback_pages);
	/* Reclaim has started this write: move the page to where it looks next. */
	if (unlikely(PageLaunder(page))) {
		ClearPageLaunder(page);
		lru_rotate_to_tail(page);
	}
	/*
	 * Clearing PG_writeback lets truncation proceed, so the mapping may be freed from here on.
	 */
	BUG_ON(!TestClearPageWriteback(page));
	wake_page_written(page);
	wake_up(&written_wait);
	put_page(page);
}

/* ---- Errors ---------------------------------------------------------------------------------- */

void mapping_set_error(struct address_space *mapping, int err)
{
	unsigned long flags;

	VM_BUG_ON(err > 0);
	if (!err)
		return;
	spin_lock_irqsave(&mapping->pages_lock, flags);
	mapping->wb_err = err;
	mapping->wb_seen = false;
	WRITE_ONCE(mapping->wb_seq, mapping->wb_seq + 1);
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
}

/*
 * If the newest error was reported to nobody yet, the cursor starts before it: the file that is
 * opened now shall hear of it at its first fsync, so that no error is lost.
 */
u32 mapping_sample_wb_err(struct address_space *mapping)
{
	unsigned long flags;
	u32 seq;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	seq = mapping->wb_seq;
	if (seq && !mapping->wb_seen)
		seq--;
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return seq;
}

/* The first look, without the lock, is enough in the usual case that there was no error. */
int mapping_check_wb_err(struct address_space *mapping, u32 *cursor)
{
	unsigned long flags;
	int err = 0;

	if (READ_ONCE(mapping->wb_seq) == READ_ONCE(*cursor))
		return 0;
	spin_lock_irqsave(&mapping->pages_lock, flags);
	if (*cursor != mapping->wb_seq) {
		err = mapping->wb_err;
		mapping->wb_seen = true;
		WRITE_ONCE(*cursor, mapping->wb_seq);
	}
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return err;
}

void file_sample_wb_err(struct vm_file *file)
{
	if (file->f_mapping)
		WRITE_ONCE(file->f_wb_seq, mapping_sample_wb_err(file->f_mapping));
}

int file_check_and_advance_wb_err(struct vm_file *file)
{
	return file->f_mapping ? mapping_check_wb_err(file->f_mapping, &file->f_wb_seq) : 0;
}

/* ---- Writing a mapping ----------------------------------------------------------------------- */

/* One pass over the pages of a mapping. */
struct writeback_pass {
	struct address_space *mapping;
	pgoff_t next, end; /* [next, end] */
	/* TOWRITE: wait for pages that are being written, and write them again */
	enum page_cache_tag tag;
	unsigned long left; /* pages still to be started */
	unsigned long started;
	int err;
};

/*
 * Collect the next pages with the pass's tag, with references. Returns how many; pass->next moves
 * behind the last one, so that a page which becomes dirty again behind it is not met in this pass.
 */
static unsigned int next_batch(struct writeback_pass *pass, struct page **pages)
{
	struct address_space *mapping = pass->mapping;
	unsigned int nr = 0;
	unsigned long flags;
	struct page *page;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	while (nr < WRITE_BATCH_PAGES && pass->next <= pass->end &&
	       (page = radix_tree_next_tagged(&mapping->i_pages, &pass->next, pass->tag)) &&
	       pass->next <= pass->end) {
		get_page(page);
		pages[nr++] = page;
		if (pass->next++ == ~0ul) {
			pass->end = 0; /* the very last index */
			break;
		}
	}
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return nr;
}

static void put_batch(struct page **pages, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		put_page(pages[i]);
}

/*
 * Lock the page if this pass is to write it, and clear PG_dirty. An integrity pass (fsync) waits
 * for the lock and for a write under way: that write may have begun before the last change, which
 * must reach the disk, too. A pass for memory or age passes busy pages by.
 */
static bool lock_for_write(struct writeback_pass *pass, struct page *page)
{
	bool integrity = pass->tag == PAGECACHE_TAG_TOWRITE;

	if (!integrity && (PageWriteback(page) || TryLockPage(page)))
		return false;
	if (integrity)
		lock_page(page);
	VM_BUG_ON(!PageLocked(page));
	if (page->mapping == pass->mapping) {
		if (integrity)
			wait_on_page_writeback(page);
		if (!PageWriteback(page) && clear_page_dirty_for_io(page))
			return true;
	}
	unlock_page(page);
	return false;
}

/*
 * An error of the file system is noted like one of the disk. -ENOMEM is not: the page is still
 * dirty and will be tried again.
 */
static void write_one(struct writeback_pass *pass, struct page *page)
{
	int err;

	if (!lock_for_write(pass, page))
		return;
	err = pass->mapping->a_ops->writepage(page);
	if (err && !pass->err)
		pass->err = err;
	if (err && err != -ENOMEM)
		mapping_set_error(pass->mapping, err);
	pass->started++;
	pass->left--;
}

static void write_cache_pages(struct writeback_pass *pass)
{
	struct page *pages[WRITE_BATCH_PAGES];
	unsigned int nr;

	if (!pass->mapping->a_ops->writepage)
		return;
	blk_start_plug();
	while (pass->left && (nr = next_batch(pass, pages))) {
		for (unsigned int i = 0; i < nr && pass->left; i++)
			write_one(pass, pages[i]);
		put_batch(pages, nr);
		port_cond_resched();
	}
	blk_finish_plug();
}

/* What is dirty now is to be written; what becomes dirty later is not our concern. */
static void tag_pages_for_writeback(struct address_space *mapping, pgoff_t start, pgoff_t end)
{
	unsigned int n = 0;
	unsigned long flags;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	while (start <= end &&
	       radix_tree_next_tagged(&mapping->i_pages, &start, PAGECACHE_TAG_DIRTY) &&
	       start <= end) {
		(void)radix_tree_tag_set(&mapping->i_pages, start, PAGECACHE_TAG_TOWRITE);
		if (start++ == ~0ul)
			break;
		if (++n % SEARCH_BATCH == 0) { /* let interrupts, and other users of the lock, in */
			spin_unlock_irqrestore(&mapping->pages_lock, flags);
			port_cond_resched();
			spin_lock_irqsave(&mapping->pages_lock, flags);
		}
	}
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
}

static bool anything_tagged(struct address_space *mapping, enum page_cache_tag tag)
{
	unsigned long flags;
	bool tagged;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	tagged = radix_tree_tagged(&mapping->i_pages, tag);
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return tagged;
}

int filemap_fdatawrite_range(struct address_space *mapping, pgoff_t start, pgoff_t end)
{
	struct writeback_pass pass = {.mapping = mapping,
				      .next = start,
				      .end = end,
				      .tag = PAGECACHE_TAG_TOWRITE,
				      .left = ~0ul};

	if (!anything_tagged(mapping, PAGECACHE_TAG_DIRTY))
		return 0;
	tag_pages_for_writeback(mapping, start, end);
	write_cache_pages(&pass);
	return pass.err;
}

/* Pages under writeback may wait in plugged queues: start those first, then wait for each page. */
void filemap_fdatawait_range(struct address_space *mapping, pgoff_t start, pgoff_t end)
{
	struct writeback_pass pass = {
		.mapping = mapping, .next = start, .end = end, .tag = PAGECACHE_TAG_WRITEBACK};
	struct page *pages[WRITE_BATCH_PAGES];
	unsigned int nr;

	if (!anything_tagged(mapping, PAGECACHE_TAG_WRITEBACK))
		return;
	run_disk_queue();
	while ((nr = next_batch(&pass, pages))) {
		for (unsigned int i = 0; i < nr; i++)
			wait_on_page_writeback(pages[i]);
		put_batch(pages, nr);
	}
}

int filemap_write_and_wait_range(struct address_space *mapping, u64 start, u64 end)
{
	pgoff_t first = (pgoff_t)(start >> PAGE_SHIFT), last = (pgoff_t)(end >> PAGE_SHIFT);
	int err = filemap_fdatawrite_range(mapping, first, last);

	filemap_fdatawait_range(mapping, first, last);
	return err;
}

/*
 * An error in starting the writes is returned first; one that the disk reported later is kept for
 * the file, and moving its cursor here reports it once.
 */
int generic_file_fsync(struct vm_file *file, u64 start, u64 end)
{
	int err = file->f_mapping ? filemap_write_and_wait_range(file->f_mapping, start, end) : 0;
	int late = file_check_and_advance_wb_err(file);

	return err ? err : late;
}

unsigned long writeback_some(struct address_space *mapping, unsigned long nr)
{
	struct writeback_pass pass = {
		.mapping = mapping, .end = ~0ul, .tag = PAGECACHE_TAG_DIRTY, .left = nr};

	write_cache_pages(&pass);
	return pass.started;
}

/* ---- All mappings ---------------------------------------------------------------------------- */

/* A walk over the list of dirty mappings, in steps of SEARCH_BATCH. */
struct search {
	bool (*wanted)(struct address_space *mapping, u64 arg);
	u64 arg;
	unsigned long left; /* mappings to look at */
};

/*
 * Look at the next mappings. The list is turned behind those looked at, so that the next batch, and
 * the next search, go on there and come to these last. The wanted one, held, or NULL.
 */
static struct address_space *search_some(struct search *s) MUST_HOLD(&search_mutex)
{
	struct address_space *mapping, *last = NULL, *found = NULL;
	unsigned int n = 0;
	unsigned long flags;

	lockdep_assert_held(&search_mutex);
	spin_lock_irqsave(&dirty_lock, flags);
	s->left = min(s->left, nr_listed);
	list_for_each_entry(mapping, &dirty_mappings, dirty_link) {
		if (!s->left || n++ == SEARCH_BATCH)
			break;
		s->left--;
		last = mapping;
		if (s->wanted(mapping, s->arg)) {
			found = mapping;
			atomic_inc(&found->wb_users);
			break;
		}
	}
	if (last) {
		list_del(&dirty_mappings);
		list_add(&dirty_mappings, &last->dirty_link);
	}
	spin_unlock_irqrestore(&dirty_lock, flags);
	return found;
}

/*
 * Nobody else turns the list meanwhile, and mappings that become dirty are put behind those looked
 * at: so each mapping that is on the list from the beginning to the end of the search is looked at.
 */
struct address_space *hold_mapping(bool (*wanted)(struct address_space *mapping, u64 arg), u64 arg)
{
	struct search s = {.wanted = wanted, .arg = arg, .left = ~0ul};
	struct address_space *found;

	mutex_lock(&search_mutex);
	while (!(found = search_some(&s)) && s.left)
		port_cond_resched();
	mutex_unlock(&search_mutex);
	return found;
}

void restart_dirty_age(struct address_space *mapping, u64 when)
{
	unsigned long flags;

	spin_lock_irqsave(&dirty_lock, flags);
	mapping->dirtied_when = when;
	spin_unlock_irqrestore(&dirty_lock, flags);
}

void wait_for_written_pages(u64 until)
{
	struct wait_queue_entry wait;

	prepare_to_wait(&written_wait, &wait, NULL);
	port_park(until);
	finish_wait(&written_wait, &wait);
}

void release_mapping(struct address_space *mapping)
{
	VM_BUG_ON(atomic_read(&mapping->wb_users) < 1);
	if (atomic_dec_and_test(&mapping->wb_users))
		wake_up(&users_wait);
}

/*
 * The mapping is on no list any more, so no new task can take hold of it; those that have it now
 * let go of it after the pages they are at.
 */
void writeback_let_go(struct address_space *mapping)
{
	wait_event(&users_wait, atomic_read(&mapping->wb_users) == 0);
}

/*
 * Was the mapping not yet visited in this round of sync? It is marked at once, so each round
 * visits it once even if it is dirtied all the time. Locks: dirty_lock held.
 */
static bool not_in_round(struct address_space *mapping, u64 round) MUST_HOLD(&dirty_lock)
{
	bool wanted = mapping->sync_round != (unsigned int)round;

	lockdep_assert_held(&dirty_lock);
	mapping->sync_round = (unsigned int)round;
	return wanted;
}

/*
 * A new number for each call of sync, so that calls at the same time do not skip each other's
 * mappings.
 */
static unsigned int next_sync_round(void)
{
	unsigned long flags;
	unsigned int round;

	spin_lock_irqsave(&dirty_lock, flags);
	round = ++current_sync_round;
	spin_unlock_irqrestore(&dirty_lock, flags);
	return round;
}

static void for_each_dirty_mapping(void (*fn)(struct address_space *mapping))
{
	unsigned int round = next_sync_round();
	struct address_space *mapping;

	while ((mapping = hold_mapping(not_in_round, round))) {
		fn(mapping);
		release_mapping(mapping);
	}
}

/* An error is noted in the mapping, and reported to those who have the file open. */
static void start_mapping(struct address_space *mapping)
{
	(void)filemap_fdatawrite_range(mapping, 0, ~0ul);
}
static void await_mapping(struct address_space *mapping)
{
	filemap_fdatawait_range(mapping, 0, ~0ul);
}

/* A disk's own pages are its file system's to write first, in order. */
static void start_file_mapping(struct address_space *mapping)
{
	if (!is_blkdev_mapping(mapping))
		start_mapping(mapping);
}

/*
 * All writes are started before any is waited for, so that all disks work at the same time.
 * Without wait, a disk's own pages are left to its file system, which writes them in order.
 */
void sync_mappings(bool wait)
{
	for_each_dirty_mapping(wait ? start_mapping : start_file_mapping)
		;
	if (wait)
		for_each_dirty_mapping(await_mapping)
			;
}
