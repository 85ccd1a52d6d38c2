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
 *	write_waiting_buffers():  all of rank 0, wait; all of rank 1, wait; ...
 *
 * Meanwhile nobody else writes it: it is changed and uptodate, but neither it nor, for its sake,
 * its page is dirty (a page of a device is never written but for its dirty buffers). The list's
 * use of the buffer keeps it in memory.
 *
 * Locking: waiting_lock (leaf) for all lists. Whoever owns the list keeps the blocks from being
 * changed while they are written; a change would be noticed, but might be on the disk too early.
 * Invariants: (I1) BH_waiting exactly while on a list; (I2) that holds one use.
 * Failure: writing tells -EIO, and, as any writing of metadata, the device's mapping; the block
 * waits no more.
 * Observability: nr_waiting_buffers().
 */
#include "buffer_internal.h"
#include <pagoda/errno.h>

#define BATCH 16 /* written at once, and waited for */

static spinlock_t waiting_lock = SPIN_LOCK_INIT(RANK_LEAF);
static unsigned long nr_waiting; /* waiting_lock */

unsigned long nr_waiting_buffers(void)
{
	return READ_ONCE(nr_waiting);
}

void mark_buffer_waiting(struct buffer_head *bh, struct list_head *list, unsigned int rank)
{
	unsigned long flags;

	set_buffer_uptodate(bh);
	spin_lock_irqsave(&waiting_lock, flags);
	if (!buffer_waiting(bh)) { /* else it stays where it is: one owner, unless the disk is damaged */
		set_buffer_waiting(bh);
		atomic_inc(&bh->count);
		bh->wait_rank = rank;
		list_add_tail(&bh->wait_link, list);
		nr_waiting++;
	}
	spin_unlock_irqrestore(&waiting_lock, flags);
}

/* waiting_lock held; the list's use is the caller's from here on. */
static void take_off(struct buffer_head *bh)
{
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

/* Buffers of this rank (all ranks: ~0u), off the list, with the list's uses. */
static unsigned int take_batch(struct list_head *list, unsigned int rank, struct buffer_head **bhs)
{
	struct buffer_head *bh, *next;
	unsigned int nr = 0;
	unsigned long flags;

	spin_lock_irqsave(&waiting_lock, flags);
	list_for_each_entry_safe(bh, next, list, wait_link) {
		if (nr == BATCH)
			break;
		if (rank != ~0u && bh->wait_rank != rank)
			continue;
		take_off(bh);
		bhs[nr++] = bh;
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

static int write_batch(struct buffer_head **bhs, unsigned int nr)
{
	int err = 0, late;

	for (unsigned int i = 0; i < nr; i++)
		mark_buffer_dirty(bhs[i]); /* all first: some are in one page */
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

int write_waiting_buffers(struct list_head *list, unsigned int ranks)
{
	struct buffer_head *bhs[BATCH];
	unsigned int nr;
	int err = 0, late;

	if (list_empty(list))
		return 0;
	for (unsigned int rank = 0; rank < ranks; rank++)
		while ((nr = take_batch(list, rank, bhs))) {
			late = write_batch(bhs, nr);
			err = err ? err : late;
		}
	return err;
}

void drop_waiting_buffers(struct list_head *list)
{
	struct buffer_head *bhs[BATCH];
	unsigned int nr;

	while ((nr = take_batch(list, ~0u, bhs)))
		for (unsigned int i = 0; i < nr; i++)
			brelse(bhs[i]);
}
