/* SPDX-License-Identifier: MIT */
/*
 * flusher.c: when dirty pages are written, and who waits for that.
 *
 * Four kinds of callers write dirty pages:
 *	fsync and such	tag what is dirty now (TOWRITE) and write just that: pages that become dirty later do
 *			not prolong the call
 *	the flusher	a thread: mappings whose oldest change is dirty_expire old; any, while
 *			more than dirty_background_ratio percent of the memory is dirty
 *	writers		above dirty_ratio they write some of their own file, then wait for
 *			pages to come back, so that they go at the disk's pace; who stores
 *			through mappings does so at the end of a fault, with any file
 *	reclaim		single pages (shrink.c)
 *
 * What a file system has to write beside pages (ext2: metadata in order) it does as a source, at
 * each of the flusher's turns.
 *
 * Limits are parts of the memory that could be dirty: free pages and those of files. A writer
 * checks them once in DIRTIED_BETWEEN_CHECKS pages. If no write completes, it goes on after a
 * second, so that a dead disk slows writers down but never stops them.
 *
 * Locking: sources_mutex for the list of sources, over their calls; a mapping is held by wb_users
 * (page-writeback.c). None on entry: a writer holds his file's lock, and is throttled with it.
 * Failure: pages that could not be written stay dirty; without memory for the thread boot ends.
 * Observability: nr_dirty_pages, nr_writeback_pages, /proc/sys/vm/dirty_*.
 */
#include "filemap_internal.h"
#include <pagoda/blkdev.h>
#include <pagoda/bug.h>
#include <pagoda/lru.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vm_task.h>

int dirty_background_ratio = 10, dirty_ratio = 20;
int dirty_expire_centisecs = 3000, dirty_writeback_centisecs = 500;

#define NS_PER_CENTISEC 10000000ull

/*
 * Pages that the flusher writes of one file before the next file; pages that a throttled writer
 * writes itself.
 */
#define FLUSH_CHUNK_PAGES    1024
#define THROTTLE_CHUNK_PAGES 128
/* A throttled writer goes on after that many rounds in vain; a pause of one is that long (ns). */
#define THROTTLE_PAUSE_NS 10000000ull
#define THROTTLE_PAUSES	  100

static struct mutex sources_mutex = MUTEX_INIT(sources_mutex, RANK_NONE);
static LIST_HEAD(sources); /* sources_mutex: file systems with changes of their own */

static struct vm_task *flusher_task; /* (C) once set; NULL: there is none */

/* ---- Limits ---------------------------------------------------------------------------------- */

/* Pages that make up this share of the memory that can be dirty: free pages and pages of files. */
static unsigned long percent_of_dirtyable(int percent)
{
	unsigned long pages =
		nr_free_pages() + lru_pages(LRU_ACTIVE_FILE) + lru_pages(LRU_INACTIVE_FILE);

	return pages * (unsigned long)percent / 100;
}

static unsigned long pages_to_write(void)
{
	return (unsigned long)atomic_long_read(&nr_dirty_pages);
}
/* Pages that are dirty or being written: both have to reach the disk before they can be freed. */
static unsigned long pages_in_the_way(void)
{
	return pages_to_write() + (unsigned long)atomic_long_read(&nr_writeback_pages);
}

static bool over_background_limit(void)
{
	return pages_to_write() > percent_of_dirtyable(min(dirty_background_ratio, dirty_ratio));
}

void writeback_wake(void)
{
	struct vm_task *task = smp_load_acquire(&flusher_task);

	if (task)
		port_unpark(task);
}

static bool is_dirty(struct address_space *mapping, u64 arg)
{
	(void)arg;
	return has_dirty_pages(mapping);
}

/*
 * Start writing some pages of a mapping, or with NULL of the next dirty one. Returns how many were
 * started.
 */
static unsigned long write_chunk(struct address_space *mapping)
{
	struct address_space *held = mapping ? NULL : hold_mapping(is_dirty, 0);
	unsigned long started = 0;

	VM_BUG_ON(held && atomic_read(&held->wb_users) < 1);
	if (mapping || held)
		started = writeback_some(mapping ? mapping : held, THROTTLE_CHUNK_PAGES);
	if (held)
		release_mapping(held);
	return started;
}

/*
 * Make a writer go at the disk's pace: it writes some pages itself, and when there is nothing to
 * start it waits until pages were written. The rounds after which no fewer pages are in the way are
 * limited, as a disk may be dead or others as fast as we; a fatal signal ends the wait.
 */
static void throttle_writer(struct address_space *mapping)
{
	int vain = 0;

	while (vain < THROTTLE_PAUSES && !port_fatal_signal_pending()) {
		unsigned long before = pages_in_the_way();

		if (before <= percent_of_dirtyable(dirty_ratio))
			return;
		if (!write_chunk(mapping)) {
			run_disk_queue();
			wait_for_written_pages(port_clock_ns() + THROTTLE_PAUSE_NS);
		}
		vain += pages_in_the_way() >= before;
	}
}

/*
 * The limits are sums over all CPUs and zones, so they are not computed for every page. Above the
 * background limit the flusher is woken; only above dirty_ratio does the writer itself wait. Pages
 * that the flusher has sent to a slow disk are no longer dirty but count for dirty_ratio, so the
 * writer may have to wait below the background limit, too.
 */
void balance_dirty_pages_ratelimited(struct address_space *mapping)
{
	struct vm_task *task = current_vm;

	if (likely(task->nr_dirtied < DIRTIED_BETWEEN_CHECKS))
		return;
	task->nr_dirtied = 0;
	if (over_background_limit())
		writeback_wake();
	else if (!atomic_long_read(&nr_writeback_pages))
		return;
	throttle_writer(mapping);
}

/* ---- The flusher ----------------------------------------------------------------------------- */

/* Called under dirty_lock: has the mapping dirty pages, and is its oldest change that old? */
static bool older_than(struct address_space *mapping, u64 when)
{
	return has_dirty_pages(mapping) && mapping->dirtied_when <= when;
}

/*
 * Write all mappings whose oldest change is dirty_expire_centisecs old. The age starts anew before
 * the write, so a page that becomes dirty during it is due one period later.
 */
static void write_aged(u64 now)
{
	u64 age = (u64)dirty_expire_centisecs * NS_PER_CENTISEC;
	struct address_space *mapping;

	while (now >= age && (mapping = hold_mapping(older_than, now - age))) {
		VM_BUG_ON(atomic_read(&mapping->wb_users) < 1); /* the mapping cannot end */
		/* so that this round does not find it again */
		restart_dirty_age(mapping, now + 1);
		/* an error is noted in the mapping */
		(void)filemap_fdatawrite_range(mapping, 0, ~0ul);
		release_mapping(mapping);
	}
}

/* Mappings in turn, until enough is clean or nothing more can be started. */
static void write_excess(void)
{
	struct address_space *mapping;
	unsigned long started = 1;

	while (started && over_background_limit() && (mapping = hold_mapping(is_dirty, 0))) {
		VM_BUG_ON(atomic_read(&mapping->wb_users) < 1);
		started = writeback_some(mapping, FLUSH_CHUNK_PAGES);
		release_mapping(mapping);
	}
}

void writeback_add_source(struct writeback_source *source)
{
	VM_BUG_ON(!source->write);
	mutex_lock(&sources_mutex);
	list_add_tail(&source->link, &sources);
	mutex_unlock(&sources_mutex);
}

/* A call of the source that is under way is waited for, as it holds the mutex. */
void writeback_remove_source(struct writeback_source *source)
{
	VM_BUG_ON(list_empty(&source->link));
	mutex_lock(&sources_mutex);
	list_del_init(&source->link);
	mutex_unlock(&sources_mutex);
}

/* Let the file systems write what they have to write beside dirty pages. */
static void write_sources(u64 now)
{
	struct writeback_source *source;

	mutex_lock(&sources_mutex);
	list_for_each_entry(source, &sources, link)
		source->write(source, now);
	mutex_unlock(&sources_mutex);
}

/*
 * The thread. The pause is read in each round, as /proc/sys/vm may change it; 0 means that only
 * writeback_wake() starts a round.
 */
static void flusher(void *unused)
{
	(void)unused;
	smp_store_release(&flusher_task, port_current());
	for (;;) {
		u64 pause = (u64)dirty_writeback_centisecs * NS_PER_CENTISEC;

		port_park(pause ? port_clock_ns() + pause : UINT64_MAX);
		write_aged(port_clock_ns());
		write_excess();
		write_sources(port_clock_ns());
	}
}

void writeback_init(void)
{
	if (!port_thread_create("flusher", flusher, NULL))
		panic("no memory for the flusher");
}
