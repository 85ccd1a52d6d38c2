/* SPDX-License-Identifier: MIT */
/*
 * balloc.c: which blocks and inodes of an ext2 file system are free.
 *
 * Each group has a bitmap of its blocks and one of its inodes, one block each, and counts of
 * free ones in its descriptor; the super block has the sums.
 *
 *	group g: blocks [first_data_block + g * blocks_per_group, ...), bit 0 the first
 *		 inodes [1 + g * inodes_per_group, ...)
 *
 * A block is looked for from its goal on (the block after the file's last one), first in the
 * goal's group, then in all others: neighbours in a file become neighbours on the disk. An
 * inode goes where its directory is; a new directory of its own goes to the group with the
 * most room, from the last such choice on, so that trees spread.
 *
 * The disk is not trusted. A bit that says that a metadata block is free is set, reported, and
 * passed over; freeing what is free is reported and changes nothing; a count that promises
 * what the bitmap does not have is reported by e2fsck, and here only means looking further.
 *
 * Locking: alloc_lock for all of it; it sleeps over the reading of a bitmap.
 * Failure: -ENOSPC; -EIO if a bitmap could not be read and no other group had any.
 */
#include <pagoda/bug.h>
#include <fs/ext2/ext2.h>
#include <pagoda/string.h>

#define BITS_PER_BYTE 8u

static bool bitmap_test(const u8 *map, u32 bit)
{
	return map[bit / BITS_PER_BYTE] >> (bit % BITS_PER_BYTE) & 1;
}

static void bitmap_set(u8 *map, u32 bit)
{
	map[bit / BITS_PER_BYTE] |= (u8)(1u << (bit % BITS_PER_BYTE));
}

static void bitmap_clear(u8 *map, u32 bit)
{
	map[bit / BITS_PER_BYTE] &= (u8) ~(1u << (bit % BITS_PER_BYTE));
}

/* The first clear bit of [from, end), or end. */
static u32 bitmap_find_clear(const u8 *map, u32 from, u32 end)
{
	while (from < end) {
		if (from % BITS_PER_BYTE == 0 && map[from / BITS_PER_BYTE] == 0xff)
			from += BITS_PER_BYTE;
		else if (bitmap_test(map, from))
			from++;
		else
			return from;
	}
	return end;
}

/* ---- Where metadata lies --------------------------------------------------------------------- */

static u32 group_first_block(const struct ext2_sb *sbi, u32 group)
{
	return sbi->first_data_block + group * sbi->blocks_per_group;
}

static u32 group_nr_blocks(const struct ext2_sb *sbi, u32 group)
{
	return min(sbi->blocks_per_group, sbi->blocks_count - group_first_block(sbi, group));
}

static bool is_power_of(u32 n, u32 base)
{
	while (n % base == 0)
		n /= base;
	return n == 1;
}

/* Does the group begin with a copy of the super block and the descriptors? */
static bool group_has_super(const struct ext2_sb *sbi, u32 group)
{
	if (!sbi->sparse_super || group <= 1)
		return true;
	return is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7);
}

static u32 inode_table_blocks(const struct ext2_sb *sbi)
{
	u32 per_block = sbi->block_size / sbi->inode_size;

	return DIV_ROUND_UP(sbi->inodes_per_group, per_block);
}

/* Does [block, block + count), inside one group, meet [first, first + n)? */
static bool meets(u32 block, u32 count, u32 first, u32 n)
{
	return block < first + n && first < block + count;
}

static bool is_metadata(struct ext2_sb *sbi, u32 group, u32 block, u32 count)
{
	const struct ext2_group_desc *desc = ext2_group(sbi, group);

	if (group_has_super(sbi, group) &&
	    meets(block, count, group_first_block(sbi, group), 1 + sbi->nr_desc_blocks))
		return true;
	return meets(block, count, desc->bg_block_bitmap, 1) ||
	       meets(block, count, desc->bg_inode_bitmap, 1) ||
	       meets(block, count, desc->bg_inode_table, inode_table_blocks(sbi));
}

u32 ext2_group_overhead(struct ext2_sb *sbi, u32 group)
{
	u32 copies = group_has_super(sbi, group) ? 1 + sbi->nr_desc_blocks : 0;

	return copies + 2 + inode_table_blocks(sbi);
}

static u32 group_of(const struct ext2_sb *sbi, u32 block)
{
	return (block - sbi->first_data_block) / sbi->blocks_per_group;
}

bool ext2_data_blocks(struct ext2_sb *sbi, u32 block, u32 count)
{
	if (block < sbi->first_data_block || block >= sbi->blocks_count ||
	    count > sbi->blocks_count - block)
		return false;
	while (count) {
		u32 group = group_of(sbi, block);
		u32 n = min(count,
			    group_first_block(sbi, group) + group_nr_blocks(sbi, group) - block);

		if (is_metadata(sbi, group, block, n))
			return false;
		block += n;
		count -= n;
	}
	return true;
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

static void count_blocks(struct ext2_sb *sbi, u32 group, int change)
{
	lockdep_assert_held(&sbi->alloc_lock);
	VM_BUG_ON(group >= sbi->nr_groups);
	ext2_group(sbi, group)->bg_free_blocks_count += (u16)change;
	sbi->es->s_free_blocks_count += (u32)change;
	ext2_group_changed(sbi, group);
	mark_buffer_dirty(sbi->super_bh);
}

/* Take a free block of the group at or after bit from: 1 if there was one, 0, -EIO. */
static int take_block(struct ext2_sb *sbi, u32 group, u32 from, u32 *block)
{
	struct buffer_head *bh =
		bread(sbi->bdev, ext2_group(sbi, group)->bg_block_bitmap, sbi->block_size);
	u32 end = group_nr_blocks(sbi, group), first = group_first_block(sbi, group);
	int found = 0;

	lockdep_assert_held(&sbi->alloc_lock);
	if (!bh)
		return -EIO;
	for (;;) {
		from = bitmap_find_clear(bh_data(bh), from, end);
		if (from >= end)
			break;
		bitmap_set(bh_data(bh), from);
		mark_buffer_dirty(bh);
		if (!is_metadata(sbi, group, first + from, 1)) {
			found = 1;
			*block = first + from;
			count_blocks(sbi, group, -1);
			break;
		}
		(void)ext2_error(sbi, "bitmap of group %u says that metadata block %u is free",
				 group, first + from);
	}
	brelse(bh);
	return found;
}

/* The last blocks are the administrator's. */
static bool may_take_block(const struct ext2_sb *sbi)
{
	u32 free = sbi->es->s_free_blocks_count;

	lockdep_assert_held(&sbi->alloc_lock);
	return free > sbi->reserved_blocks ||
	       (free && (fs_capable(CAP_SYS_RESOURCE) ||
			 fs_current()->cred.fsuid == sbi->es->s_def_resuid));
}

static int find_block(struct ext2_sb *sbi, u32 goal, u32 *block)
{
	u32 group = group_of(sbi, goal);
	u32 from = (goal - sbi->first_data_block) % sbi->blocks_per_group;
	int err = 0, ret;

	lockdep_assert_held(&sbi->alloc_lock);
	/* One round more than there are groups: the first may have room below the goal. */
	for (u32 i = 0; i <= sbi->nr_groups; i++, from = 0) {
		if (ext2_group(sbi, group)->bg_free_blocks_count) {
			ret = take_block(sbi, group, from, block);
			if (ret > 0)
				return 0;
			err = ret ? ret : err;
		}
		group = group + 1 == sbi->nr_groups ? 0 : group + 1;
	}
	return err ? err : -ENOSPC;
}

int ext2_new_block(struct ext2_sb *sbi, u32 goal, u32 *block)
{
	int err = -ENOSPC;

	if (goal < sbi->first_data_block || goal >= sbi->blocks_count)
		goal = sbi->first_data_block;
	mutex_lock(&sbi->alloc_lock);
	if (may_take_block(sbi))
		err = find_block(sbi, goal, block);
	mutex_unlock(&sbi->alloc_lock);
	return err;
}

/* Blocks of one group. */
static void free_in_group(struct ext2_sb *sbi, u32 group, u32 block, u32 count)
{
	struct buffer_head *bh =
		bread(sbi->bdev, ext2_group(sbi, group)->bg_block_bitmap, sbi->block_size);
	u32 bit = block - group_first_block(sbi, group);
	int freed = 0;

	lockdep_assert_held(&sbi->alloc_lock);
	if (!bh) {
		(void)ext2_error(sbi, "cannot read the block bitmap of group %u", group);
		return;
	}
	for (u32 i = 0; i < count; i++) {
		if (bitmap_test(bh_data(bh), bit + i)) {
			bitmap_clear(bh_data(bh), bit + i);
			freed++;
		} else {
			(void)ext2_error(sbi, "block %u is free already", block + i);
		}
	}
	mark_buffer_dirty(bh);
	brelse(bh);
	count_blocks(sbi, group, freed);
}

void ext2_free_blocks(struct ext2_sb *sbi, u32 block, u32 count)
{
	if (!ext2_data_blocks(sbi, block, count)) {
		(void)ext2_error(sbi, "blocks %u + %u cannot be freed: not data", block, count);
		return;
	}
	mutex_lock(&sbi->alloc_lock);
	while (count) {
		u32 group = group_of(sbi, block);
		u32 n = min(count,
			    group_first_block(sbi, group) + group_nr_blocks(sbi, group) - block);

		free_in_group(sbi, group, block, n);
		block += n;
		count -= n;
	}
	mutex_unlock(&sbi->alloc_lock);
}

/* ---- Inodes ---------------------------------------------------------------------------------- */

static void count_inodes(struct ext2_sb *sbi, u32 group, int change, bool dir)
{
	struct ext2_group_desc *desc = ext2_group(sbi, group);

	lockdep_assert_held(&sbi->alloc_lock);
	VM_BUG_ON(change != 1 && change != -1);
	desc->bg_free_inodes_count += (u16)change;
	if (dir)
		desc->bg_used_dirs_count -= (u16)change;
	sbi->es->s_free_inodes_count += (u32)change;
	ext2_group_changed(sbi, group);
	mark_buffer_dirty(sbi->super_bh);
}

static int take_ino(struct ext2_sb *sbi, u32 group, bool dir, u32 *ino)
{
	struct buffer_head *bh =
		bread(sbi->bdev, ext2_group(sbi, group)->bg_inode_bitmap, sbi->block_size);
	u32 bit = group == 0 ? sbi->first_ino - 1 : 0;
	int found = 0;

	lockdep_assert_held(&sbi->alloc_lock);
	if (!bh)
		return -EIO;
	bit = bitmap_find_clear(bh_data(bh), bit, sbi->inodes_per_group);
	if (bit < sbi->inodes_per_group) {
		bitmap_set(bh_data(bh), bit);
		mark_buffer_dirty(bh);
		*ino = 1 + group * sbi->inodes_per_group + bit;
		count_inodes(sbi, group, -1, dir);
		found = 1;
	}
	brelse(bh);
	return found;
}

/* A group for a directory: the one with the most free blocks of those with inodes, from the last
 * one on. */
static u32 group_for_dir(struct ext2_sb *sbi)
{
	u32 best = sbi->last_dir_group, most = 0;

	lockdep_assert_held(&sbi->alloc_lock);
	for (u32 i = 1; i <= sbi->nr_groups; i++) {
		u32 group = (u32)(((u64)sbi->last_dir_group + i) % sbi->nr_groups);
		const struct ext2_group_desc *desc = ext2_group(sbi, group);

		if (desc->bg_free_inodes_count && desc->bg_free_blocks_count > most) {
			most = desc->bg_free_blocks_count;
			best = group;
		}
	}
	sbi->last_dir_group = best;
	return best;
}

int ext2_new_ino(struct ext2_sb *sbi, u32 parent, bool dir, u32 *ino)
{
	u32 group = (parent - 1) / sbi->inodes_per_group;
	int err = 0, ret;

	mutex_lock(&sbi->alloc_lock);
	if (dir && parent == EXT2_ROOT_INO)
		group = group_for_dir(sbi);
	for (u32 i = 0; i < sbi->nr_groups; i++) {
		if (ext2_group(sbi, group)->bg_free_inodes_count) {
			ret = take_ino(sbi, group, dir, ino);
			if (ret > 0) {
				mutex_unlock(&sbi->alloc_lock);
				return 0;
			}
			err = ret ? ret : err;
		}
		group = group + 1 == sbi->nr_groups ? 0 : group + 1;
	}
	mutex_unlock(&sbi->alloc_lock);
	return err ? err : -ENOSPC;
}

void ext2_free_ino(struct ext2_sb *sbi, u32 ino, bool dir)
{
	u32 group = (ino - 1) / sbi->inodes_per_group, bit = (ino - 1) % sbi->inodes_per_group;
	struct buffer_head *bh;

	mutex_lock(&sbi->alloc_lock);
	bh = bread(sbi->bdev, ext2_group(sbi, group)->bg_inode_bitmap, sbi->block_size);
	if (!bh) {
		(void)ext2_error(sbi, "cannot read the inode bitmap of group %u", group);
	} else if (!bitmap_test(bh_data(bh), bit)) {
		(void)ext2_error(sbi, "inode %u is free already", ino);
	} else {
		bitmap_clear(bh_data(bh), bit);
		mark_buffer_dirty(bh);
		count_inodes(sbi, group, 1, dir);
	}
	brelse(bh);
	mutex_unlock(&sbi->alloc_lock);
}
