/* SPDX-License-Identifier: MIT */
/*
 * readahead.c: reading pages of a file before they are asked for (FX-11).
 *
 * A reader that goes through a file in order should find its pages there. What it read
 * tells what comes next; the page cache itself tells when to act:
 *
 *	|<--------- size ---------->|
 *	read now . . . . . M . . . .		M: PG_readahead, async_size pages from the end
 *
 * A miss starts a window; reaching the marked page starts the following one, twice as large
 * up to RA_MAX_PAGES, while there is still something to read meanwhile. So a sequential
 * reader waits once, and then the disk is ahead of it.
 *
 * What a miss at index means:
 *	index is 0, the page before was read last, or is cached: sequential, a small window
 *	it is as far from the last miss as that was from the one before, twice: strided; the
 *	next places of that distance are read, more each time it proves right
 *	else random: just what was asked for, nothing ahead
 *
 * Faults cannot say how much is wanted. One in a private region that seems random reads the
 * aligned FAULT_WINDOW_PAGES around it, as that is how programs and libraries are mapped, and they
 * jump about in them; if misses go on all the same (mmap_miss), or in shared regions, which hold
 * data, only the page itself is read.
 *
 * posix_fadvise and madvise set the mode: RA_RANDOM reads nothing ahead, RA_SEQUENTIAL doubles
 * the largest window.
 *
 * Locking: f_ra.lock for the window, never held over an allocation or a read; prev, mmap_miss, mode
 * are single words. Threads that share a file only disturb each other's guesses.
 * Failure: reading ahead never reports an error. Without memory it ends early; pages that are
 * cached already are skipped. A page whose read fails is not Uptodate, and a reader that needs it
 * reads it again.
 * Observability: events pgreadahead (pages read ahead), pgreadahead_sync (windows begun by a miss),
 * pgreadahead_async (by a marked page).
 */
#include "filemap_internal.h"
#include <pagoda/blkdev.h>
#include <pagoda/gfp.h>
#include <pagoda/mm.h>
#include <pagoda/vmstat.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>

#define RA_MAX_PAGES	   128ul /* 512 KiB: some ms of a disk */
#define RA_FIRST_PAGES	   4ul	 /* least first window */
#define FAULT_WINDOW_PAGES 16ul	 /* 64 KiB, as fault-around maps (memory.c) */
/* Faults in vain after which nothing is read around any more. */
#define MMAP_MISS_MAX 32u

/* Strides that are worth it: more pages apart than this, the guess is too bold. */
#define STRIDE_MAX_PAGES 256
/* The same distance that often in a row makes a stride; places read ahead then, and at most. */
#define STRIDE_HITS	 2u
#define STRIDE_AHEAD	 4u
#define STRIDE_AHEAD_MAX 16u

/* ---- Reading pages --------------------------------------------------------------------------- */

/*
 * Read-ahead may fail for lack of memory without a message in the log: it is only an optimisation.
 */
static gfp_t readahead_gfp(const struct address_space *mapping)
{
	return mapping->gfp_mask | __GFP_NOWARN;
}

/*
 * Start reading the page at index if it is not cached. With mark, the page gets PG_readahead
 * before it can be found unlocked. Returns 1: the read was started; 0: the page is there; -ENOMEM.
 */
static int start_read(struct vm_file *file, pgoff_t index, bool mark)
{
	struct address_space *mapping = file->f_mapping;
	struct page *page = find_get_page(mapping, index);

	if (page) {
		put_page(page);
		return 0;
	}
	page = add_new_page(mapping, index, readahead_gfp(mapping));
	if (IS_ERR(page))
		return -ENOMEM;
	if (!page)
		return 0;
	VM_BUG_ON(!PageLocked(page) || !mapping->a_ops->readpage);
	if (mark)
		SetPageReadahead(page);
	/* the reader that needs the page sees whether it worked */
	(void)mapping->a_ops->readpage(file, page);
	put_page(page);
	return 1;
}

/* Read what is missing of [start, start + nr) within the file, marking the page at mark. */
static void read_pages(struct vm_file *file, pgoff_t start, unsigned long nr, pgoff_t mark)
{
	pgoff_t end = pages_in_file(file->f_mapping);
	unsigned long started = 0;
	int ret = 0;

	if (start >= end)
		return;
	nr = min(nr, end - start);
	/* The plug joins the pages to large requests, and starts them when all are queued. */
	blk_start_plug();
	for (unsigned long i = 0; i < nr && ret >= 0; i++) {
		ret = start_read(file, start + i, start + i == mark);
		started += ret > 0;
	}
	blk_finish_plug();
	count_vm_events(VM_EVENT_pgreadahead, started);
	count_vm_events(VM_EVENT_pgpgin, started);
}

void start_read_for_fault(struct vm_file *file, pgoff_t index)
{
	if (index < pages_in_file(file->f_mapping) && start_read(file, index, false) > 0)
		count_vm_event(pgpgin);
}

#define NO_MARK (~0ul)

void force_page_cache_readahead(struct vm_file *file, pgoff_t start, unsigned long nr)
{
	struct address_space *mapping = file->f_mapping;

	if (!mapping || !mapping->a_ops->readpage)
		return;
	for (; nr && start < pages_in_file(mapping); start += RA_MAX_PAGES) {
		read_pages(file, start, min(nr, RA_MAX_PAGES), NO_MARK);
		nr -= min(nr, RA_MAX_PAGES);
		port_cond_resched();
	}
}

/* ---- Sequential ------------------------------------------------------------------------------ */

static u8 mode_of(const struct vm_file *file)
{
	return READ_ONCE(file->f_ra.mode);
}

/* The largest window in pages: twice as large if the program has announced sequential reading. */
static unsigned long max_window(const struct vm_file *file)
{
	return mode_of(file) == RA_SEQUENTIAL ? 2 * RA_MAX_PAGES : RA_MAX_PAGES;
}

/* The first window for a request of nr pages. */
static unsigned long first_window(const struct vm_file *file, unsigned long nr)
{
	unsigned long size = RA_FIRST_PAGES;

	while (size < 4 * nr && size < max_window(file))
		size *= 2;
	return size;
}

/* Is the page at index in memory? Only a guess is needed, so the page is let go of at once. */
static bool is_cached(struct address_space *mapping, pgoff_t index)
{
	struct page *page = find_get_page(mapping, index);

	if (page)
		put_page(page);
	return page;
}

/*
 * Does a miss at index look like sequential reading? Two cached pages in front of it count as
 * well: another reader, or an earlier run, has passed here.
 */
static bool is_sequential(struct vm_file *file, pgoff_t index)
{
	pgoff_t prev = READ_ONCE(file->f_ra.prev);

	if (!index || index == prev + 1 || index == prev || mode_of(file) == RA_SEQUENTIAL)
		return true;
	return is_cached(file->f_mapping, index - 1) && is_cached(file->f_mapping, index - 2);
}

/*
 * Set the window that begins at index. If it continues the last one it is twice as large, and all
 * of it is ahead of the reader; a first window contains the nr pages wanted now. Locks: f_ra.lock
 * held.
 */
static void set_window(struct vm_file *file, pgoff_t index, unsigned long nr)
{
	struct file_ra_state *ra = &file->f_ra;
	bool follows = ra->size && index == ra->start + ra->size;
	unsigned long size =
		follows ? min(2ul * ra->size, max_window(file)) : first_window(file, nr);

	lockdep_assert_held(&ra->lock);
	ra->start = index;
	ra->size = (unsigned int)size;
	ra->async_size = (unsigned int)(follows ? size : size - min(nr, size - 1));
	VM_BUG_ON(!ra->size || ra->async_size > ra->size);
}

/* Set the window under the lock, then read it without: reading allocates memory and may sleep. */
static void read_window(struct vm_file *file, pgoff_t index, unsigned long nr)
{
	struct file_ra_state *ra = &file->f_ra;
	struct file_ra_state now;

	spin_lock(&ra->lock);
	set_window(file, index, nr);
	now.start = ra->start;
	now.size = ra->size;
	now.async_size = ra->async_size;
	spin_unlock(&ra->lock);
	read_pages(file, now.start, now.size, now.start + now.size - now.async_size);
}

/* ---- Strided --------------------------------------------------------------------------------- */

/*
 * Note a miss and compare its distance to the last one. Returns how many places ahead to read at
 * *stride pages distance; 0: there is no pattern. After a prediction, last_miss moves to its end,
 * so that the next miss, one stride behind it, still counts as part of the same pattern.
 */
static unsigned int note_miss(struct vm_file *file, pgoff_t index, long *stride)
{
	struct file_ra_state *ra = &file->f_ra;
	unsigned int places = 0;
	long distance;

	spin_lock(&ra->lock);
	distance = (long)(index - ra->last_miss);
	if (distance && distance == ra->stride)
		ra->stride_hits++;
	else
		ra->stride_hits = 0;
	ra->stride = distance;
	ra->last_miss = index;
	*stride = distance;
	if (ra->stride_hits >= STRIDE_HITS && distance < STRIDE_MAX_PAGES &&
	    distance > -STRIDE_MAX_PAGES) {
		places = min(STRIDE_AHEAD << (ra->stride_hits - STRIDE_HITS), STRIDE_AHEAD_MAX);
		ra->last_miss =
			index + (unsigned long)distance * places; /* where the next miss goes on */
		if (places == STRIDE_AHEAD_MAX)
			ra->stride_hits--; /* large enough */
	}
	VM_BUG_ON(places > STRIDE_AHEAD_MAX);
	spin_unlock(&ra->lock);
	return places;
}

/*
 * Read nr pages at index and at each of the places that follow at the stride's distance, within
 * the file.
 */
static void read_strided(struct vm_file *file, pgoff_t index, unsigned long nr, long stride,
			 unsigned int places)
{
	VM_BUG_ON(places > STRIDE_AHEAD_MAX);
	blk_start_plug();
	for (unsigned int i = 0; i <= places; i++) {
		pgoff_t at = index + (unsigned long)stride * i;

		if (at < pages_in_file(file->f_mapping))
			read_pages(file, at, nr, NO_MARK);
	}
	blk_finish_plug();
}

/* ---- A miss, a marked page ------------------------------------------------------------------- */

/* The stages: no read-ahead at all (RA_RANDOM), a window (sequential), or a stride; see above. */
void page_cache_sync_readahead(struct vm_file *file, pgoff_t index, unsigned long nr)
{
	unsigned int places;
	long stride;

	count_vm_event(pgreadahead_sync);
	nr = clamp(nr, 1ul, max_window(file));
	if (mode_of(file) == RA_RANDOM) {
		read_pages(file, index, nr, NO_MARK);
		return;
	}
	if (is_sequential(file, index)) {
		read_window(file, index, nr);
		return;
	}
	places = note_miss(file, index, &stride);
	read_strided(file, index, nr, stride, places);
}

/* The first page from index on that is not cached; within a window's reach. */
static pgoff_t next_hole(struct vm_file *file, pgoff_t index)
{
	pgoff_t last = index + max_window(file);

	while (index < last && is_cached(file->f_mapping, index))
		index++;
	return index;
}

/*
 * The mark is cleared, so that only one reader starts the next window. A page under writeback was
 * marked before it was changed; reading is not sequential here. The mark may belong to the window
 * of another reader, which the file's state no longer describes: then read behind what is cached.
 */
void page_cache_async_readahead(struct vm_file *file, struct page *page, unsigned long nr)
{
	struct file_ra_state *ra = &file->f_ra;
	pgoff_t index = page->index, next;
	bool ours;

	VM_BUG_ON(page_count(page) < 1);
	ClearPageReadahead(page);
	if (PageWriteback(page) || mode_of(file) == RA_RANDOM)
		return;
	count_vm_event(pgreadahead_async);
	spin_lock(&ra->lock);
	ours = index >= ra->start && index < ra->start + ra->size;
	next = ra->start + ra->size;
	spin_unlock(&ra->lock);
	if (!ours)
		next = next_hole(file, index + 1); /* another reader's window */
	read_window(file, next, clamp(nr, 1ul, max_window(file)));
}

/*
 * Does reading around a random fault still pay? Each such fault counts as a miss; after
 * MMAP_MISS_MAX of them the program seems to jump through the file at random. The count is a hint
 * and may lose updates.
 */
static bool reads_around(struct vm_file *file)
{
	unsigned int miss = READ_ONCE(file->f_ra.mmap_miss);

	if (miss < 2 * MMAP_MISS_MAX)
		WRITE_ONCE(file->f_ra.mmap_miss, miss + 1);
	return miss < MMAP_MISS_MAX;
}

void page_cache_fault_readahead(struct vm_file *file, pgoff_t index, unsigned long vm_flags)
{
	unsigned int places = 0;
	long stride = 0;

	if (vm_flags & VM_RAND_READ || mode_of(file) == RA_RANDOM)
		return;
	if (vm_flags & VM_SEQ_READ ||
	    ((index || vm_flags & VM_SHARED) && is_sequential(file, index))) {
		page_cache_sync_readahead(file, index, 1);
		return;
	}
	count_vm_event(pgreadahead_sync);
	places = note_miss(file, index, &stride);
	if (places)
		read_strided(file, index, 1, stride, places);
	else if (!(vm_flags & VM_SHARED) && reads_around(file))
		read_pages(file, index & ~(FAULT_WINDOW_PAGES - 1), FAULT_WINDOW_PAGES, NO_MARK);
}

/* ---- Advice ---------------------------------------------------------------------------------- */

/*
 * POSIX_FADV_DONTNEED: drop clean pages that lie in the range as a whole. A page that is only
 * partly in the range may be needed for its other part.
 */
static void drop_range(struct address_space *mapping, u64 offset, u64 end)
{
	pgoff_t first = (pgoff_t)((offset + PAGE_SIZE - 1) >> PAGE_SHIFT), last;

	/* Dirty pages cannot be dropped; start to write them, so that a later call can. */
	(void)filemap_fdatawrite_range(mapping, (pgoff_t)(offset >> PAGE_SHIFT),
				       (pgoff_t)(end >> PAGE_SHIFT));
	last = end >= mapping->size(mapping) ? ~0ul : (pgoff_t)((end + 1) >> PAGE_SHIFT) - 1;
	if (first <= last)
		(void)invalidate_mapping_pages(mapping, first, last);
}

/* A range whose end overflows reaches to the end of the file. Files in memory ignore the advice. */
int generic_fadvise(struct vm_file *file, u64 offset, u64 len, int advice)
{
	static const u8 modes[] = {[FADV_NORMAL] = RA_NORMAL,
				   [FADV_RANDOM] = RA_RANDOM,
				   [FADV_SEQUENTIAL] = RA_SEQUENTIAL};
	u64 end = len && offset + len > offset ? offset + len - 1 : ~0ull >> 1; /* the last byte */
	struct address_space *mapping = file->f_mapping;
	pgoff_t first = (pgoff_t)(offset >> PAGE_SHIFT);

	if (advice < FADV_NORMAL || advice > FADV_NOREUSE)
		return -EINVAL;
	if (!mapping || !mapping->a_ops->readpage)
		return 0;
	if (advice <= FADV_SEQUENTIAL)
		WRITE_ONCE(file->f_ra.mode, modes[advice]);
	else if (advice == FADV_WILLNEED)
		force_page_cache_readahead(file, first, (pgoff_t)(end >> PAGE_SHIFT) - first + 1);
	else if (advice == FADV_DONTNEED)
		drop_range(mapping, offset, end);
	return 0;
}
