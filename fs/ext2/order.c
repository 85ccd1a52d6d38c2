/* SPDX-License-Identifier: MIT */
/*
 * order.c: what of ext2's metadata goes to the disk when, so that a machine that is stopped at
 * any moment leaves nothing that leads to garbage.
 *
 * Three rules (of the soft updates of Ganger and Patt, 1994): nothing on the disk refers to what is
 * not initialised there; nothing is used anew while the disk has a reference to it; what is
 * moved is not without any name. Here:
 *
 *	blocks of pointers, innermost first	  |  before  the inode (or block) that points to them
 *	a new inode				  |  before  the first name that leads to it
 *	a directory's new block			  |  before  the directory's size
 *	the last name's removal			  |  before  the inode's end
 *	an inode that was cut, or ended		  |  before  its blocks are free to others
 *
 * For that, memory is ahead of the disk, and of the buffers that anybody may write at any time:
 *
 *	inode in memory --copy_inode--> inode table's buffer --anybody--> disk
 *	names, pointers: waiting buffers (mm/cache/buffer_order.c) -----us-----> disk
 *	blocks cut off: ext2_held_run, still taken in the bitmap ---us---> free
 *	inode without names or users: on the orphans list ----------us---> free
 *
 * Bitmaps, counts and data are in no order: e2fsck computes the former anew, data shows
 * what the disk had there. One pass over names, ext2_write_names():
 *
 *	1. new files and their pointers    3. new directories	   5. directories that grew, files cut
 *	2. names in new directories	   4. all other names	   6. ends of orphans; what is held gets free
 *
 * A new directory is in no other new one, or its ".." would lead to what is not there: before
 * one gets a subdirectory it is written (ext2_settle_dir()). So there are no cycles. Only a
 * directory that moves to another parent can be caught with two names, or the old "..".
 *
 * Who writes: fsync the file and, if it is new, the names; sync, and the flusher once the oldest
 * change is dirty_expire old or much waits, everything, as does who makes or removes names when
 * too much waits; whoever finds no space, to get back what is held. A file whose life is short is
 * never written.
 *
 * Locking: s_names for names, hence for passes over them; write_mutex for one writer at a time; an
 * inode's map_lock while its pointers go to the disk and it is copied; lists_lock spins. Who has
 * pages locked only tries for the first two.
 * Invariants: (I1) an inode with i_dirty is not evicted while it has links; (I2) on_disk: the
 * table on the disk has it; (I3) only inodes on_disk hold runs or become orphans.
 * Failure: the disk's errors are told, and order ends there: what comes after is written as well.
 * No memory to remember blocks cut off: they are free at once.
 * Observability: nr_waiting_buffers(); statfs counts what is held as free.
 */
#include <fs/ext2/ext2.h>
#include <pagoda/bug.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>

#define RANKS	     4u	  /* 0: text of links; 1 to 3: blocks of pointers by height */
#define WAITING_SOON 256u /* so many waiting buffers are written without waiting for their age */
#define PAGES_PER_INODE \
	16u /* of the machine: how many of them one inode that waits needs at least */
#define NS_PER_CENTISEC 10000000ull
#define RUNS_PER_CHUNK	30u

/* Blocks that were cut off an inode. */
struct ext2_held_run {
	struct ext2_held_run *next;
	unsigned int nr;
	struct {
		u32 block, count;
	} runs[RUNS_PER_CHUNK];
};

/* ---- Lists ----------------------------------------------------------------------------------- */

static void join(struct ext2_sb *sbi, struct ext2_inode *ei, struct list_head *list)
{
	spin_lock(&sbi->lists_lock);
	if (list_empty(&ei->link))
		list_add_tail(&ei->link, list);
	spin_unlock(&sbi->lists_lock);
}

static void leave(struct ext2_sb *sbi, struct ext2_inode *ei)
{
	spin_lock(&sbi->lists_lock);
	list_del_init(&ei->link);
	spin_unlock(&sbi->lists_lock);
}

static void take_all(struct ext2_sb *sbi, struct list_head *from, struct list_head *to)
{
	spin_lock(&sbi->lists_lock);
	list_splice_init(from, to);
	spin_unlock(&sbi->lists_lock);
}

/*
 * The first inode of a list, off it, with a reference; those that are being evicted see to
 * themselves.
 */
static struct inode *take_first(struct ext2_sb *sbi, struct list_head *list)
{
	for (;;) {
		struct ext2_inode *ei = NULL;
		struct inode *inode;
		u64 ino = 0;

		spin_lock(&sbi->lists_lock);
		if (!list_empty(list)) {
			ei = list_first_entry(list, struct ext2_inode, link);
			list_del_init(&ei->link);
			ino = ei->inode->i_ino;
		}
		spin_unlock(&sbi->lists_lock);
		inode = ei ? inode_find(sbi->sb, ino) : NULL;
		if (!ei || (inode && ext2_i(inode) == ei))
			return inode;
		if (inode)
			iput(inode);
	}
}

void ext2_order_init(struct ext2_sb *sbi)
{
	spin_lock_init(&sbi->lists_lock, RANK_NONE);
	mutex_init(&sbi->write_mutex, RANK_NONE);
	INIT_LIST_HEAD(&sbi->new_files);
	INIT_LIST_HEAD(&sbi->new_dirs);
	INIT_LIST_HEAD(&sbi->resized);
	INIT_LIST_HEAD(&sbi->orphans);
	INIT_LIST_HEAD(&sbi->new_names);
	INIT_LIST_HEAD(&sbi->names);
}

/* ---- Changes --------------------------------------------------------------------------------- */

static void write_soon(struct ext2_sb *sbi)
{
	WRITE_ONCE(sbi->sb->s_write_soon, true);
	writeback_wake();
}

void ext2_inode_is_new(struct inode *inode)
{
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);

	ext2_i(inode)->on_disk = false;
	join(sbi, ext2_i(inode), S_ISDIR(inode->i_mode) ? &sbi->new_dirs : &sbi->new_files);
}

void ext2_pointers_changed(struct inode *inode, struct buffer_head *bh, unsigned int height)
{
	mark_buffer_waiting(bh, &ext2_i(inode)->waiting, height);
	if (nr_waiting_buffers() > WAITING_SOON && !READ_ONCE(inode->i_sb->s_write_soon))
		write_soon(ext2_sb(inode->i_sb));
}

void ext2_names_changed(struct inode *dir, struct buffer_head *bh)
{
	struct ext2_sb *sbi = ext2_sb(dir->i_sb);

	mark_buffer_waiting(bh, ext2_i(dir)->on_disk ? &sbi->names : &sbi->new_names, 0);
}

void ext2_inode_resized(struct inode *inode)
{
	if (ext2_i(inode)->on_disk)
		join(ext2_sb(inode->i_sb), ext2_i(inode), &ext2_sb(inode->i_sb)->resized);
}

/* ---- Blocks cut off -------------------------------------------------------------------------- */

void ext2_hold_blocks(struct inode *inode, u32 block, u32 count)
{
	struct ext2_inode *ei = ext2_i(inode);
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	struct ext2_held_run *held = ei->held;

	if (ei->on_disk && (!held || held->nr == RUNS_PER_CHUNK)) {
		held = kmalloc(sizeof(*held), GFP_NOFS | __GFP_NOWARN);
		if (held) {
			held->next = ei->held;
			held->nr = 0;
			ei->held = held;
		}
	}
	if (!ei->on_disk || !held) {
		ext2_free_blocks(sbi, block, count);
		return;
	}
	held->runs[held->nr].block = block;
	held->runs[held->nr++].count = count;
	atomic_long_add(&sbi->held_blocks, (long)count);
}

/*
 * The disk has them no more as the inode's. free: nor is anything wrong with letting others have
 * them.
 */
static void release_runs(struct ext2_sb *sbi, struct ext2_held_run **runs, bool free)
{
	struct ext2_held_run *held;

	while ((held = *runs)) {
		*runs = held->next;
		for (unsigned int i = 0; i < held->nr; i++) {
			atomic_long_sub(&sbi->held_blocks, (long)held->runs[i].count);
			if (free)
				ext2_free_blocks(sbi, held->runs[i].block, held->runs[i].count);
		}
		kfree(held);
	}
}

/* What the copy of the inode does not have any more. map_lock held. */
static void runs_copied(struct ext2_inode *ei)
{
	struct ext2_held_run **end = &ei->copied_held;

	lockdep_assert_held(&ei->map_lock);
	while (*end)
		end = &(*end)->next;
	*end = ei->held;
	ei->held = NULL;
}

/* ---- One inode ------------------------------------------------------------------------------- */

/*
 * Pointers to the disk, then the inode to its table's buffer. Nobody sees what is missing in
 * between.
 */
static int put_inode(struct inode *inode)
{
	struct ext2_inode *ei = ext2_i(inode);
	int err, late;

	mutex_lock(&ei->map_lock);
	err = write_waiting_buffers(&ei->waiting, RANKS);
	late = ext2_copy_inode(inode);
	if (!late)
		runs_copied(ei);
	mutex_unlock(&ei->map_lock);
	return err ? err : late;
}

/* What was copied is on the disk. */
static void settle(struct inode *inode)
{
	struct ext2_inode *ei = ext2_i(inode);
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	bool cut_again;

	VM_BUG_ON(!list_empty(&ei->link));
	mutex_lock(&ei->map_lock);
	ei->on_disk = true;
	cut_again = ei->held;
	mutex_unlock(&ei->map_lock);
	release_runs(sbi, &ei->copied_held, true);
	ext2_inode_synced(inode);
	if (cut_again)
		join(sbi, ei, &sbi->resized);
}

/* Each inode's place in the table, on its way or there. */
static int for_each_place(struct list_head *inodes, int (*fn)(struct buffer_head *bh))
{
	struct ext2_inode *ei;
	int err = 0;

	list_for_each_entry(ei, inodes, link) {
		struct buffer_head *bh = ext2_inode_buffer(ei->inode);
		int late = bh ? fn(bh) : -EIO;

		brelse(bh);
		err = err ? err : late;
		port_cond_resched();
	}
	return err;
}

static int write_places(struct list_head *inodes)
{
	int err, late;

	blk_start_plug();
	err = for_each_place(inodes, start_buffer_page);
	blk_finish_plug();
	late = for_each_place(inodes, await_buffer_page);
	return err ? err : late;
}

/* A new file without a name is nobody's concern. */
static bool needs_no_disk(const struct inode *inode)
{
	return !inode->i_nlink && !ext2_i(inode)->on_disk;
}

/* Write all inodes of a list, and wait. write_mutex held. */
static int write_list(struct ext2_sb *sbi, struct list_head *list)
{
	LIST_HEAD(todo);
	LIST_HEAD(done);
	struct inode *inode;
	int err = 0, late;

	lockdep_assert_held(&sbi->write_mutex);
	take_all(sbi, list, &todo);
	while ((inode = take_first(sbi, &todo))) {
		port_cond_resched();
		if (needs_no_disk(inode)) {
			iput(inode);
			continue;
		}
		late = put_inode(inode);
		err = err ? err : late;
		spin_lock(&sbi->lists_lock);
		list_move_tail(&ext2_i(inode)->link, &done);
		spin_unlock(&sbi->lists_lock);
	}
	late = write_places(&done);
	err = err ? err : late;
	while (!list_empty(&done)) {
		struct ext2_inode *ei = list_first_entry(&done, struct ext2_inode, link);

		leave(sbi, ei);
		settle(ei->inode);
		iput(ei->inode);
		port_cond_resched();
	}
	return err;
}

int ext2_write_inode(struct inode *inode)
{
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	struct buffer_head *bh;
	int err, late = -EIO;

	mutex_lock(&sbi->write_mutex);
	leave(sbi, ext2_i(inode));
	err = put_inode(inode);
	bh = ext2_inode_buffer(inode);
	if (bh) {
		late = start_buffer_page(bh);
		if (!late)
			late = await_buffer_page(bh);
	}
	brelse(bh);
	settle(inode);
	mutex_unlock(&sbi->write_mutex);
	return err ? err : late;
}

/* ---- Orphans --------------------------------------------------------------------------------- */

bool ext2_defer_end(struct inode *inode)
{
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	struct ext2_inode *ei = ext2_i(inode);

	if (ei->gone || !ei->on_disk || inode->i_sb->s_readonly)
		return false;
	truncate_inode_pages(&inode->i_data, 0);
	atomic_long_add(&sbi->held_blocks, (long)ext2_blocks_of(inode));
	atomic_long_inc(&sbi->nr_orphans);
	spin_lock(&sbi->lists_lock);
	list_del_init(&ei->link);
	list_add_tail(&ei->link, &sbi->orphans);
	spin_unlock(&sbi->lists_lock);
	return true;
}

static void end_orphan(struct ext2_sb *sbi, struct inode *inode)
{
	struct ext2_inode *ei = ext2_i(inode);

	atomic_long_sub(&sbi->held_blocks, (long)ext2_blocks_of(inode));
	atomic_long_dec(&sbi->nr_orphans);
	ei->on_disk = false;
	release_runs(sbi, &ei->held, true);
	release_runs(sbi, &ei->copied_held, true);
	ext2_delete_inode(inode);
	inode_end(inode);
}

/* Their names are gone from the disk: first they end there, then what they had is free. */
static int end_orphans(struct ext2_sb *sbi)
{
	LIST_HEAD(orphans);
	struct ext2_inode *ei;
	int err, late;

	take_all(sbi, &sbi->orphans, &orphans);
	list_for_each_entry(ei, &orphans, link)
		if (S_ISDIR(ei->inode->i_mode))
			ext2_leave_parent(ei->inode);
	err = write_waiting_buffers(&sbi->names, 1);
	list_for_each_entry(ei, &orphans, link) {
		late = ext2_end_on_disk(ei->inode);
		err = err ? err : late;
		port_cond_resched();
	}
	late = write_places(&orphans);
	while (!list_empty(&orphans)) {
		ei = list_first_entry(&orphans, struct ext2_inode, link);
		leave(sbi, ei);
		end_orphan(sbi, ei->inode);
		port_cond_resched();
	}
	return err ? err : late;
}

void ext2_order_end(struct ext2_sb *sbi)
{
	while (!list_empty(&sbi->orphans)) {
		struct ext2_inode *ei = list_first_entry(&sbi->orphans, struct ext2_inode, link);

		ei->gone = true;
		inode_end(ei->inode);
		port_cond_resched();
	}
	drop_waiting_buffers(&sbi->new_names);
	drop_waiting_buffers(&sbi->names);
}

void ext2_leave_order(struct inode *inode)
{
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	struct ext2_inode *ei = ext2_i(inode);

	leave(sbi, ei);
	if (inode->i_dirty)
		atomic_long_dec(&sbi->nr_dirty);
	drop_waiting_buffers(&ei->waiting);
	/* e2fsck's, if there are any: the inode could not be written */
	release_runs(sbi, &ei->held, false);
	release_runs(sbi, &ei->copied_held, false);
}

/* ---- Names, and everything ------------------------------------------------------------------- */

static int first_error(const int *errs, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		if (errs[i])
			return errs[i];
	return 0;
}

/*
 * New inodes, those of directories with their names; they have no names yet. (N) write_mutex held.
 */
static int write_new_inodes(struct ext2_sb *sbi)
{
	int errs[3];

	lockdep_assert_held(&sbi->write_mutex);
	errs[0] = write_list(sbi, &sbi->new_files);
	errs[1] = write_waiting_buffers(&sbi->new_names, 1);
	errs[2] = write_list(sbi, &sbi->new_dirs);
	return first_error(errs, ARRAY_SIZE(errs));
}

/* write_mutex held, too. */
static int write_names_locked(struct ext2_sb *sbi)
{
	int errs[4];

	lockdep_assert_held(&sbi->sb->s_names);
	lockdep_assert_held(&sbi->write_mutex);
	if (sbi->sb->s_readonly)
		return 0; /* something is wrong with it: all stays as it is */
	errs[0] = write_new_inodes(sbi);
	errs[1] = write_waiting_buffers(&sbi->names, 1);
	errs[2] = write_list(sbi, &sbi->resized);
	errs[3] = end_orphans(sbi);
	return first_error(errs, ARRAY_SIZE(errs));
}

int ext2_write_names(struct ext2_sb *sbi)
{
	int err;

	mutex_lock(&sbi->write_mutex);
	err = write_names_locked(sbi);
	mutex_unlock(&sbi->write_mutex);
	return err;
}

int ext2_settle_dir(struct inode *dir)
{
	struct ext2_sb *sbi = ext2_sb(dir->i_sb);
	int err = 0;

	if (ext2_i(dir)->on_disk)
		return 0;
	mutex_lock(&sbi->write_mutex);
	if (!dir->i_sb->s_readonly)
		err = write_new_inodes(sbi);
	mutex_unlock(&sbi->write_mutex);
	return err;
}

static bool too_many(const struct ext2_sb *sbi)
{
	long waiting = atomic_long_read(&sbi->nr_orphans) + atomic_long_read(&sbi->nr_dirty);

	return waiting > (long)(totalram_pages() / PAGES_PER_INODE);
}

void ext2_limit_waiting(struct ext2_sb *sbi)
{
	if (too_many(sbi))
		(void)ext2_write_metadata(sbi); /* its errors are told to who syncs */
}

/* Is there anything to be got, and may it be waited for? The locks are held then. */
static bool may_find_space(struct ext2_sb *sbi, enum ext2_names names)
	NO_LOCK_ANALYSIS("names says which locks to take")
{
	if (atomic_long_read(&sbi->held_blocks) <= 0 && atomic_long_read(&sbi->nr_orphans) <= 0)
		return false;
	if (names == EXT2_PAGE_LOCKED && !mutex_trylock(&sbi->sb->s_names))
		return false;
	if (names == EXT2_NAMES_FREE)
		mutex_lock(&sbi->sb->s_names);
	if (names != EXT2_PAGE_LOCKED)
		mutex_lock(&sbi->write_mutex);
	else if (!mutex_trylock(&sbi->write_mutex)) {
		mutex_unlock(&sbi->sb->s_names);
		return false;
	}
	return true;
}

bool ext2_find_space(struct ext2_sb *sbi, enum ext2_names names)
	NO_LOCK_ANALYSIS("names says which locks to take")
{
	if (!may_find_space(sbi, names))
		return false;
	(void)write_names_locked(sbi); /* its errors are told to who syncs */
	mutex_unlock(&sbi->write_mutex);
	if (names != EXT2_NAMES_HELD)
		mutex_unlock(&sbi->sb->s_names);
	return true;
}

static void put_changed(struct inode *inode)
{
	if (inode->i_dirty && !needs_no_disk(inode))
		(void)put_inode(inode); /* the device's mapping has its errors */
}

static void settle_changed(struct inode *inode)
{
	if (ext2_is_copied(inode))
		settle(inode);
}

int ext2_write_metadata(struct ext2_sb *sbi)
{
	int err, late;

	mutex_lock(&sbi->write_mutex);
	WRITE_ONCE(sbi->dirty_since, 0);
	WRITE_ONCE(sbi->sb->s_write_soon, false);
	err = write_names_locked(sbi);
	inodes_for_each(sbi->sb, put_changed);
	late = filemap_write_and_wait(blkdev_mapping(sbi->bdev));
	inodes_for_each(sbi->sb, settle_changed);
	mutex_unlock(&sbi->write_mutex);
	return err ? err : late;
}

/* ---- The flusher ----------------------------------------------------------------------------- */

static unsigned long centisecs(u64 ns)
{
	return (unsigned long)(ns / NS_PER_CENTISEC) | 1;
}

void ext2_note_dirty(struct ext2_sb *sbi, bool was_clean)
{
	if (was_clean)
		atomic_long_inc(&sbi->nr_dirty);
	if (was_clean && too_many(sbi) && !READ_ONCE(sbi->sb->s_write_soon))
		write_soon(sbi);
	if (!READ_ONCE(sbi->dirty_since))
		WRITE_ONCE(sbi->dirty_since, centisecs(port_clock_ns()));
}

void ext2_write_aged(struct writeback_source *source, u64 now)
{
	struct ext2_sb *sbi = container_of(source, struct ext2_sb, writeback);
	unsigned long since = READ_ONCE(sbi->dirty_since);
	bool due = since && centisecs(now) - since >= (unsigned long)dirty_expire_centisecs;

	if (sbi->sb->s_readonly || (!due && !READ_ONCE(sbi->sb->s_write_soon)))
		return;
	if (!mutex_trylock(&sbi->sb->s_names))
		return;			/* next time */
	(void)ext2_write_metadata(sbi); /* noted in the mapping of the device */
	mutex_unlock(&sbi->sb->s_names);
}
