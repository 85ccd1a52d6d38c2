/* SPDX-License-Identifier: MIT */
/*
 * buffer_order.c: changed metadata that waits for its turn to go to the disk.
 *
 * mark_buffer_dirty() leaves to chance when a block goes to the disk: by age, for want of
 * memory, with its neighbours in the page. A file system that must not have a block on the
 * disk before those that it refers to puts it on a list instead, with a rank:
 *
 *	owner's list -> bh, rank 0 -> bh, rank 1 -> bh, rank 0
 *
 *	write_waiting_buffers():  sort them by rank; all of rank 0, wait; all of rank 1, wait; ...
 *
 * Each buffer is looked at twice, however many there are. A search of the list for each rank would
 * cost more, and a program decides by its writes how many pointer blocks change.
 *
 * While a buffer waits, no other path writes it: it is uptodate but not dirty, nor does it make its
 * page dirty, and of a device's page only dirty buffers are written. The list's use of the buffer
 * keeps it in memory.
 *
 * Locking: waiting_lock (leaf) for all lists. The owner of a list keeps the blocks from being
 * changed while they are written; a change would be noticed, but might be on the disk too early.
 * Invariants: (I1) BH_waiting exactly while on a list; (I2) that holds one use.
 * Failure: writing tells -EIO, and, as any writing of metadata, the device's mapping; the block
 * waits no more.
 * Observability: nr_waiting_buffers(), waiting_buffers_seen.
 */
#include "buffer_internal.h"
#include <pagoda/bug.h>
#include <pagoda/errno.h>

#define BATCH	   16 /* written at once, and waited for */
#define SORT_BATCH 64 /* sorted at once with interrupts off */

static spinlock_t waiting_lock = SPIN_LOCK_INIT(RANK_LEAF);
static unsigned long nr_waiting;    /* waiting_lock */
unsigned long waiting_buffers_seen; /* waiting_lock */

unsigned long nr_waiting_buffers(void)
{
	return READ_ONCE(nr_waiting);
}

/*
 * A buffer that is on a list stays there, with its rank: every block has one owner, unless the
 * disk is damaged and two files refer to the same block.
 */
void mark_buffer_waiting(struct buffer_head *bh, struct list_head *list, unsigned int rank)
{
	unsigned long flags;

	VM_BUG_ON(rank >= MAX_WAIT_RANKS || atomic_read(&bh->count) < 1);
	set_buffer_uptodate(bh);
	spin_lock_irqsave(&waiting_lock, flags);
	/* else it stays where it is */
	if (!buffer_waiting(bh)) {
		set_buffer_waiting(bh);
		atomic_inc(&bh->count);
		bh->wait_rank = rank;
		list_add_tail(&bh->wait_link, list);
		nr_waiting++;
	}
	spin_unlock_irqrestore(&waiting_lock, flags);
}

/*
 * Take a buffer off its list; the caller gets the list's use of it (I2). Locks: waiting_lock held.
 */
static void take_off(struct buffer_head *bh) MUST_HOLD(&waiting_lock)
{
	lockdep_assert_held(&waiting_lock);
	VM_BUG_ON(!buffer_waiting(bh) || !nr_waiting); /* (I1) */
	VM_BUG_ON(atomic_read(&bh->count) < 1);	       /* (I2) */
	list_del_init(&bh->wait_link);
	clear_buffer_waiting(bh);
	nr_waiting--;
}

bool stop_waiting(struct buffer_head *bh)
{
	unsigned long flags;
	bool waited;

	spin_lock_irqsave(&waiting_lock, flags);
	waited = buffer_waiting(bh);
	if (waited)
		take_off(bh);
	spin_unlock_irqrestore(&waiting_lock, flags);
	return waited;
}

/* Take up to BATCH buffers off the list, with the list's uses of them. Returns how many. */
static unsigned int take_batch(struct list_head *list, struct buffer_head **bhs)
{
	unsigned int nr = 0;
	unsigned long flags;

	spin_lock_irqsave(&waiting_lock, flags);
	for (; nr < BATCH && !list_empty(list); nr++) {
		bhs[nr] = list_first_entry(list, struct buffer_head, wait_link);
		waiting_buffers_seen++;
		take_off(bhs[nr]);
	}
	spin_unlock_irqrestore(&waiting_lock, flags);
	return nr;
}

/*
 * Move the first buffers of the list to the lists of their ranks, each to its end; false: there are
 * none.
 */
static bool sort_batch(struct list_head *list, struct list_head *by_rank, unsigned int ranks)
{
	unsigned long flags;
	unsigned int nr = 0;

	spin_lock_irqsave(&waiting_lock, flags);
	for (; nr < SORT_BATCH && !list_empty(list); nr++) {
		struct buffer_head *bh = list_first_entry(list, struct buffer_head, wait_link);

		VM_BUG_ON(!buffer_waiting(bh)); /* (I1) */
		BUG_ON(bh->wait_rank >= ranks);
		waiting_buffers_seen++;
		list_move_tail(&bh->wait_link, &by_rank[bh->wait_rank]);
	}
	spin_unlock_irqrestore(&waiting_lock, flags);
	return nr;
}

int start_buffer_page(struct buffer_head *bh)
{
	return filemap_fdatawrite_range(bh->page->mapping, bh->page->index, bh->page->index);
}

int await_buffer_page(struct buffer_head *bh)
{
	filemap_fdatawait_range(bh->page->mapping, bh->page->index, bh->page->index);
	return buffer_error(bh) ? -EIO : 0;
}

/*
 * Write some buffers and wait. All are marked dirty before the first write starts, since several
 * may lie in one page, which is then written once. Returns 0 or the first error; drops the uses.
 */
static int write_batch(struct buffer_head **bhs, unsigned int nr)
{
	int err = 0, late;

	VM_BUG_ON(nr > BATCH);
	for (unsigned int i = 0; i < nr; i++)
		mark_buffer_dirty(bhs[i]); /* all of them before the first write */
	blk_start_plug();
	for (unsigned int i = 0; i < nr; i++) {
		late = start_buffer_page(bhs[i]);
		err = err ? err : late;
	}
	blk_finish_plug();
	for (unsigned int i = 0; i < nr; i++) {
		late = await_buffer_page(bhs[i]);
		err = err ? err : late;
		brelse(bhs[i]);
	}
	return err;
}

/*
 * Each batch is waited for before the next one, so a rank is on the disk before the next rank
 * starts. After an error the rest is written all the same: the blocks must not stay in memory for
 * ever.
 */
int write_waiting_buffers(struct list_head *list, unsigned int ranks)
{
	struct list_head by_rank[MAX_WAIT_RANKS];
	struct buffer_head *bhs[BATCH];
	unsigned int nr;
	int err = 0, late;

	BUG_ON(ranks > MAX_WAIT_RANKS);
	for (unsigned int rank = 0; rank < ranks; rank++)
		INIT_LIST_HEAD(&by_rank[rank]);
	while (sort_batch(list, by_rank, ranks))
		port_cond_resched();
	for (unsigned int rank = 0; rank < ranks; rank++)
		while ((nr = take_batch(&by_rank[rank], bhs))) {
			late = write_batch(bhs, nr);
			err = err ? err : late;
		}
	return err;
}

void drop_waiting_buffers(struct list_head *list)
{
	struct buffer_head *bhs[BATCH];
	unsigned int nr;

	while ((nr = take_batch(list, bhs)))
		for (unsigned int i = 0; i < nr; i++)
			brelse(bhs[i]);
}
