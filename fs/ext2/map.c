/* SPDX-License-Identifier: MIT */
/*
 * map.c: where the blocks of an ext2 file lie on the disk.
 *
 *	inode.block[0..11]  ------------------------------> data
 *	inode.block[12]     -> pointers ------------------> data
 *	inode.block[13]     -> pointers -> pointers ------> data
 *	inode.block[14]     -> pointers -> pointers -> p -> data
 *
 * With p pointers in a block, that is 12 + p + p*p + p*p*p blocks; 0 is a hole. A block is
 * found by the path of indices that leads to it, at most four; the walk stops at a hole.
 * To allocate, all blocks that are missing on the path are taken first, those for pointers
 * are filled, and only then the first of them is hooked in: a failure leaves nothing changed.
 *
 * Truncation walks the same tree from the first block to go, children before parents. The
 * disk may lie: every pointer is checked before it is followed (it must be a block that can
 * hold data), depth is fixed, and the number of pointer blocks visited is bounded by that of
 * the file system's blocks, so that pointers that lead back to themselves end as well.
 *
 * Locking: map_lock of the inode for its map and i_blocks. Callers that read or write pages
 * hold the page lock; truncation has removed the pages first. A file's blocks past its end
 * are not shown to readers: whoever met a page there before the end moved finds a hole.
 */
#include <pagoda/bug.h>
#include <fs/ext2/ext2.h>
#include <pagoda/string.h>

#define MAX_DEPTH   4u
#define SECTORS_MAX 0xffffffffull /* i_blocks has 32 bits */

/* The way to a block: an index into inode.block, then into each block of pointers. */
struct map_path {
	unsigned int depth;
	u32 index[MAX_DEPTH];
};

static int find_path(const struct ext2_sb *sbi, u64 block, struct map_path *path)
{
	u64 per = ext2_pointers(sbi), span = 1;
	unsigned int level = 0;

	if (block < EXT2_NDIR_BLOCKS) {
		path->depth = 1;
		path->index[0] = (u32)block;
		return 0;
	}
	block -= EXT2_NDIR_BLOCKS;
	for (level = 1; level < MAX_DEPTH; level++) {
		span *= per;
		if (block < span)
			break;
		block -= span;
	}
	if (level == MAX_DEPTH)
		return -EFBIG;
	path->depth = level + 1;
	path->index[0] = EXT2_IND_BLOCK + level - 1;
	for (unsigned int i = 1; i <= level; i++) {
		span /= per;
		path->index[i] = (u32)(block / span);
		block %= span;
	}
	return 0;
}

u64 ext2_max_bytes(const struct ext2_sb *sbi)
{
	u64 per = ext2_pointers(sbi), data = EXT2_NDIR_BLOCKS + per + per * per + per * per * per;
	u64 sectors_per_block = sbi->block_size / SECTOR_SIZE;
	/* Pointer blocks count in i_blocks, too: leave them room, one in per and one in per * per.
	 */
	u64 counted = SECTORS_MAX / sectors_per_block;

	counted -= counted / per + counted / (per * per) + 3;
	return min(data, counted) << sbi->block_bits;
}

/* ---- Finding --------------------------------------------------------------------------------- */

/* A walk along a path: the slot where it ended, in the inode (bh NULL) or in bh's block. */
struct map_walk {
	u32 *slot;
	struct buffer_head *bh;
	unsigned int level; /* of the slot: path.depth - 1 is that of data */
};

/* Follow the path as far as there are blocks. */
static int walk(struct inode *inode, const struct map_path *path, struct map_walk *w)
{
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);

	lockdep_assert_held(&ext2_i(inode)->map_lock);
	w->slot = &ext2_i(inode)->block[path->index[0]];
	w->bh = NULL;
	for (w->level = 0;; w->level++) {
		struct buffer_head *bh;
		u32 block = *w->slot;

		if (block && !ext2_data_blocks(sbi, block, 1)) {
			brelse(w->bh);
			return ext2_error(sbi, "inode %llu: block pointer %u leads nowhere",
					  (unsigned long long)inode->i_ino, block);
		}
		if (!block || w->level + 1 == path->depth)
			return 0;
		bh = bread(sbi->bdev, block, sbi->block_size);
		brelse(w->bh);
		if (!bh)
			return -EIO;
		w->bh = bh;
		w->slot = (u32 *)bh_data(bh) + path->index[w->level + 1];
	}
}

/* ---- Allocating ------------------------------------------------------------------------------ */

static u32 goal_for(struct inode *inode, u64 block, const struct map_walk *w)
{
	const struct ext2_inode *ei = ext2_i(inode);
	const struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	u32 group = (u32)((inode->i_ino - 1) / sbi->inodes_per_group);

	lockdep_assert_held(&ext2_i(inode)->map_lock);
	if (ei->last_phys && block == (u64)ei->last_block + 1)
		return ei->last_phys + 1;
	if (w->bh)
		return (u32)w->bh->block + 1;
	return sbi->first_data_block + group * sbi->blocks_per_group;
}

/* Fill a new block of pointers with one pointer. */
static int fill_pointers(struct inode *inode, u32 block, unsigned int height, u32 index, u32 to)
{
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	struct buffer_head *bh = getblk(sbi->bdev, block, sbi->block_size);

	if (!bh)
		return -ENOMEM;
	memset(bh_data(bh), 0, sbi->block_size);
	((u32 *)bh_data(bh))[index] = to;
	ext2_pointers_changed(inode, bh, height);
	brelse(bh);
	return 0;
}

static void give_back(struct ext2_sb *sbi, const u32 *blocks, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		bforget(sbi->bdev, blocks[i], sbi->block_size);
		ext2_free_blocks(sbi, blocks[i], 1);
	}
}

/* Take and hook in what is missing of the path; *phys is the block of data. */
static int extend(struct inode *inode, u64 block, const struct map_path *path, struct map_walk *w,
		  u32 *phys)
{
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	unsigned int missing = path->depth - w->level, nr = 0;
	u32 blocks[MAX_DEPTH], goal = goal_for(inode, block, w);
	int err = 0;

	while (!err && nr < missing) {
		err = ext2_new_block(sbi, goal, &blocks[nr]);
		if (!err)
			goal = blocks[nr++] + 1;
	}
	for (unsigned int i = 0; !err && i + 1 < missing; i++)
		err = fill_pointers(inode, blocks[i], missing - i - 1,
				    path->index[w->level + i + 1], blocks[i + 1]);
	if (err) {
		give_back(sbi, blocks, nr);
		return err;
	}
	*w->slot = blocks[0];
	if (w->bh)
		ext2_pointers_changed(inode, w->bh, missing);
	*phys = blocks[nr - 1];
	ext2_i(inode)->last_block = (u32)block;
	ext2_i(inode)->last_phys = *phys;
	inode->i_blocks += nr * (sbi->block_size / SECTOR_SIZE);
	ext2_dirty_inode(inode);
	return 0;
}

static int find_or_extend(struct inode *inode, u64 block, bool create, u32 *phys, bool *new)
{
	struct ext2_inode *ei = ext2_i(inode);
	struct map_path path;
	struct map_walk w;
	int err = find_path(ext2_sb(inode->i_sb), block, &path);

	*phys = 0;
	*new = false;
	if (err)
		return err;
	mutex_lock(&ei->map_lock);
	err = walk(inode, &path, &w);
	if (!err) {
		*phys = *w.slot;
		if (!*phys && create) {
			err = inode->i_sb->s_readonly ? -EROFS
						      : extend(inode, block, &path, &w, phys);
			*new = !err;
		}
		brelse(w.bh);
	}
	mutex_unlock(&ei->map_lock);
	return err;
}

int ext2_map_block(struct inode *inode, u64 block, bool create, u32 *phys, bool *new)
{
	int err = find_or_extend(inode, block, create, phys, new);

	if (err == -ENOSPC && ext2_find_space(ext2_sb(inode->i_sb), EXT2_PAGE_LOCKED))
		err = find_or_extend(inode, block, create, phys, new);
	return err;
}

/* ---- Truncating ------------------------------------------------------------------------------ */

struct truncation {
	struct inode *inode;
	struct ext2_sb *sbi;
	u32 run, nr_run; /* blocks found next to each other, not yet freed */
	u32 budget;	 /* pointer blocks that may still be visited */
	u64 freed;
};

static void free_run(struct truncation *t)
{
	if (t->nr_run)
		ext2_hold_blocks(t->inode, t->run, t->nr_run);
	t->freed += t->nr_run;
	t->nr_run = 0;
}

static void free_one(struct truncation *t, u32 block)
{
	if (t->nr_run && block == t->run + t->nr_run) {
		t->nr_run++;
		return;
	}
	if (t->nr_run && block + 1 == t->run) { /* pointers before what they lead to */
		t->run--;
		t->nr_run++;
		return;
	}
	free_run(t);
	t->run = block;
	t->nr_run = 1;
}

static void free_below(struct truncation *t, u32 *slot, unsigned int depth, u64 keep);

/* The pointers of a block from the keep'th block of data below it on. */
static void free_pointers(struct truncation *t, u32 block, unsigned int depth, u64 keep)
{
	u64 per = ext2_pointers(t->sbi), span = 1;
	struct buffer_head *bh;

	if (!t->budget)
		return;
	t->budget--;
	bh = bread(t->sbi->bdev, block, t->sbi->block_size);
	if (!bh) {
		(void)ext2_error(t->sbi, "inode %llu: cannot read pointers in block %u",
				 (unsigned long long)t->inode->i_ino, block);
		return;
	}
	for (unsigned int i = 1; i < depth; i++)
		span *= per;
	for (u64 i = keep / span; i < per; i++) {
		free_below(t, (u32 *)bh_data(bh) + i, depth - 1,
			   i == keep / span ? keep % span : 0);
		port_cond_resched();
	}
	if (keep)
		ext2_pointers_changed(t->inode, bh, depth);
	brelse(bh);
}

/* Free what hangs on a slot, but the first keep blocks of data. depth: 0 for a slot of data. Goes 3
 * deep. */
static void free_below(struct truncation *t, u32 *slot, unsigned int depth, u64 keep)
{
	u32 block = *slot;

	if (!block)
		return;
	if (!ext2_data_blocks(t->sbi, block, 1)) {
		(void)ext2_error(t->sbi, "inode %llu: block pointer %u leads nowhere",
				 (unsigned long long)t->inode->i_ino, block);
		*slot = 0;
		return;
	}
	if (depth)
		free_pointers(t, block, depth, keep);
	if (keep)
		return;
	if (depth || !S_ISREG(t->inode->i_mode))
		bforget(t->sbi->bdev, block, t->sbi->block_size);
	*slot = 0;
	free_one(t, block);
}

void ext2_free_from(struct inode *inode, u64 keep)
{
	struct ext2_inode *ei = ext2_i(inode);
	struct truncation t = {.inode = inode, .sbi = ext2_sb(inode->i_sb)};
	u64 per = ext2_pointers(t.sbi), span = 1, sectors;

	t.budget = t.sbi->blocks_count;
	mutex_lock(&ei->map_lock);
	for (u32 i = 0; i < EXT2_NDIR_BLOCKS; i++)
		free_below(&t, &ei->block[i], 0, keep > i);
	keep = keep > EXT2_NDIR_BLOCKS ? keep - EXT2_NDIR_BLOCKS : 0;
	for (unsigned int depth = 1; depth < MAX_DEPTH; depth++) {
		span *= per;
		if (keep < span)
			free_below(&t, &ei->block[EXT2_IND_BLOCK + depth - 1], depth, keep);
		keep = keep > span ? keep - span : 0;
	}
	free_run(&t);
	sectors = t.freed * (t.sbi->block_size / SECTOR_SIZE);
	inode->i_blocks -= min(sectors, inode->i_blocks);
	ei->last_phys = 0;
	if (ei->held)
		ext2_inode_resized(inode);
	ext2_dirty_inode(inode);
	mutex_unlock(&ei->map_lock);
}
