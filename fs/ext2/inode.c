/* SPDX-License-Identifier: MIT */
/*
 * inode.c: ext2 inodes: from the disk to memory, back, made, and ended.
 *
 * Whoever changes attributes or the block map calls ext2_dirty_inode(). From then on the inode
 * stays in memory until order.c has brought it to the disk: first what it refers to, then
 * ext2_copy_inode(), then the table's buffer, which anybody may write, is written. Changes are
 * counted, so that fsync of a file whose inode is on the disk, and fdatasync of one that only
 * has new times, write no metadata.
 *
 *	inode ino: group (ino - 1) / inodes_per_group, in its table the
 *		   ((ino - 1) % inodes_per_group)'th
 *
 * Times are whole seconds on the disk; memory keeps what the disk can hold. Numbers of
 * devices and the text of short symbolic links lie in place of the block map.
 *
 * An inode without links lives on until its last user goes, and if the disk has it, until it has
 * no name there any more (order.c); the table has one link of it until then. Then its time of
 * deletion is written, its blocks are freed, and last its number.
 *
 * What the disk says is checked before anyone sees it: number, type, links, size. An inode
 * that cannot be right gives EUCLEAN and a line in the log.
 */
#include <fs/ext2/ext2.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>

#define NSEC_PER_SEC 1000000000ll

static kmem_cache_t *ext2_inode_cache;

/* The buffer of an inode's place in the table, and that place; NULL: -EIO. */
static struct ext2_raw_inode *raw_inode(struct ext2_sb *sbi, u64 ino, struct buffer_head **bh)
{
	u32 index = (u32)((ino - 1) % sbi->inodes_per_group);
	u32 group = (u32)((ino - 1) / sbi->inodes_per_group);
	u32 per_block = sbi->block_size / sbi->inode_size;
	u32 block = ext2_group(sbi, group)->bg_inode_table + index / per_block;

	*bh = bread(sbi->bdev, block, sbi->block_size);
	if (!*bh)
		return NULL;
	return (void *)((char *)bh_data(*bh) + index % per_block * sbi->inode_size);
}

/* ---- To the disk -------------------------------------------------------------------------- */

/* As the disk has it: whole seconds in 32 bits with sign. */
static s64 disk_time(s64 *ns)
{
	s64 sec = *ns / NSEC_PER_SEC;

	if (*ns % NSEC_PER_SEC < 0)
		sec--;
	sec = clamp(sec, (s64)INT32_MIN, (s64)INT32_MAX);
	*ns = sec * NSEC_PER_SEC;
	return sec;
}

static bool is_device(u32 mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

/* The old form of a device number if it fits, else the new one in the next word. */
static void put_device(u32 *block, u64 rdev)
{
	u32 major = MAJOR(rdev), minor = MINOR(rdev);

	block[0] = block[1] = 0;
	if (major < 256 && minor < 256)
		block[0] = major << 8 | minor;
	else
		block[1] = (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static u64 get_device(const u32 *block)
{
	u32 new = block[1];

	if (block[0])
		return MKDEV(block[0] >> 8 & 0xff, block[0] & 0xff);
	return MKDEV(new >> 8 & 0xfff, (new & 0xff) | (new >> 12 & 0xfff00));
}

static void fill_raw(struct inode *inode, struct ext2_raw_inode *raw)
{
	const struct ext2_inode *ei = ext2_i(inode);

	raw->i_mode = (u16)inode->i_mode;
	raw->i_uid = (u16)inode->i_uid;
	raw->i_uid_high = (u16)(inode->i_uid >> 16);
	raw->i_gid = (u16)inode->i_gid;
	raw->i_gid_high = (u16)(inode->i_gid >> 16);
	raw->i_size = (u32)inode->i_size;
	if (S_ISREG(inode->i_mode))
		raw->i_size_high = (u32)(inode->i_size >> 32);
	raw->i_atime = (u32)disk_time(&inode->i_atime);
	raw->i_ctime = (u32)disk_time(&inode->i_ctime);
	raw->i_mtime = (u32)disk_time(&inode->i_mtime);
	/* a name may still lead here */
	raw->i_links_count = (u16)(inode->i_nlink ? inode->i_nlink : 1);
	raw->i_blocks = (u32)inode->i_blocks;
	raw->i_flags = ei->flags;
	raw->i_generation = ei->generation;
	raw->i_file_acl = ei->file_acl;
	memcpy(raw->i_block, ei->block, sizeof(raw->i_block));
	if (is_device(inode->i_mode))
		put_device(raw->i_block, inode->i_rdev);
}

/* Does fdatasync care? Whatever changes the block map changes i_blocks. */
static bool data_moved(struct inode *inode)
{
	struct ext2_inode *ei = ext2_i(inode);
	bool moved = ei->seen_size != inode->i_size || ei->seen_blocks != inode->i_blocks;

	ei->seen_size = inode->i_size;
	ei->seen_blocks = inode->i_blocks;
	return moved;
}

void ext2_dirty_inode(struct inode *inode)
{
	struct ext2_inode *ei = ext2_i(inode);
	bool was_clean;

	if (inode->i_sb->s_readonly || ei->gone)
		return;
	if (S_ISREG(inode->i_mode) && inode->i_size > INT32_MAX)
		ext2_note_large_file(ext2_sb(inode->i_sb));
	mutex_lock(&ei->raw_lock);
	(void)disk_time(&inode->i_atime);
	(void)disk_time(&inode->i_ctime);
	(void)disk_time(&inode->i_mtime);
	ei->changes++;
	if (data_moved(inode))
		ei->data_changes = ei->changes;
	was_clean = !inode->i_dirty;
	WRITE_ONCE(inode->i_dirty, true);
	mutex_unlock(&ei->raw_lock);
	ext2_note_dirty(ext2_sb(inode->i_sb), was_clean);
}

bool ext2_has_changes(struct inode *inode, bool datasync)
{
	struct ext2_inode *ei = ext2_i(inode);
	u32 changes;

	mutex_lock(&ei->raw_lock);
	changes = (datasync ? ei->data_changes : ei->changes) - ei->synced;
	mutex_unlock(&ei->raw_lock);
	return (s32)changes > 0;
}

bool ext2_is_copied(struct inode *inode)
{
	struct ext2_inode *ei = ext2_i(inode);
	bool copied;

	mutex_lock(&ei->raw_lock);
	copied = ei->copied != ei->synced;
	mutex_unlock(&ei->raw_lock);
	return copied;
}

void ext2_inode_synced(struct inode *inode)
{
	struct ext2_inode *ei = ext2_i(inode);

	mutex_lock(&ei->raw_lock);
	ei->synced = ei->copied;
	if (inode->i_dirty && ei->synced == ei->changes) {
		WRITE_ONCE(inode->i_dirty, false);
		atomic_long_dec(&ext2_sb(inode->i_sb)->nr_dirty);
	}
	mutex_unlock(&ei->raw_lock);
}

/* Its place in the table, to be changed; NULL: it was told that there is an error. */
static struct ext2_raw_inode *raw_to_change(struct inode *inode, struct buffer_head **bh)
{
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	struct ext2_raw_inode *raw = raw_inode(sbi, inode->i_ino, bh);

	if (!raw)
		(void)ext2_error(sbi, "inode %llu could not be updated",
				 (unsigned long long)inode->i_ino);
	return raw;
}

int ext2_copy_inode(struct inode *inode)
{
	struct ext2_inode *ei = ext2_i(inode);
	struct buffer_head *bh;
	struct ext2_raw_inode *raw;

	if (inode->i_sb->s_readonly || ei->gone)
		return -EROFS;
	mutex_lock(&ei->raw_lock);
	raw = raw_to_change(inode, &bh);
	if (raw) {
		if (!ei->on_disk) /* what was there before may have been more than we know of */
			memset(raw, 0, ext2_sb(inode->i_sb)->inode_size);
		fill_raw(inode, raw);
		raw->i_dtime = 0;
		ei->copied = ei->changes;
		mark_buffer_dirty(bh);
		brelse(bh);
	}
	mutex_unlock(&ei->raw_lock);
	return raw ? 0 : -EIO;
}

int ext2_end_on_disk(struct inode *inode)
{
	s64 now = current_time_ns();
	struct buffer_head *bh;
	struct ext2_raw_inode *raw = raw_to_change(inode, &bh);

	if (!raw)
		return -EIO;
	raw->i_links_count = 0;
	raw->i_dtime = (u32)disk_time(&now);
	raw->i_size = raw->i_size_high = raw->i_blocks = raw->i_file_acl = 0;
	memset(raw->i_block, 0, sizeof(raw->i_block));
	mark_buffer_dirty(bh);
	brelse(bh);
	return 0;
}

struct buffer_head *ext2_inode_buffer(struct inode *inode)
{
	struct buffer_head *bh;

	return raw_inode(ext2_sb(inode->i_sb), inode->i_ino, &bh) ? bh : NULL;
}

u64 ext2_blocks_of(const struct inode *inode)
{
	return inode->i_blocks / (ext2_sb(inode->i_sb)->block_size / SECTOR_SIZE);
}

/* ---- From the disk -------------------------------------------------------------------------- */

static bool is_fast_link(const struct inode *inode)
{
	u64 acl = ext2_i(inode)->file_acl ? ext2_sb(inode->i_sb)->block_size / SECTOR_SIZE : 0;

	return S_ISLNK(inode->i_mode) && inode->i_blocks <= acl;
}

static void set_operations(struct inode *inode)
{
	switch (inode->i_mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &ext2_file_iops;
		inode->i_fop = &ext2_file_ops;
		inode->i_data.a_ops = &ext2_a_ops;
		break;
	case S_IFDIR:
		inode->i_op = &ext2_dir_iops;
		inode->i_fop = &ext2_dir_ops;
		break;
	case S_IFLNK:
		inode->i_op = &ext2_link_iops;
		break;
	default:
		init_special_inode(inode, inode->i_mode, inode->i_rdev);
	}
}

/* What an inode on the disk cannot be. NULL: nothing is wrong with it. */
static const char *what_is_wrong(const struct ext2_sb *sbi, const struct inode *inode)
{
	u32 type = inode->i_mode & S_IFMT;

	if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK && type != S_IFCHR &&
	    type != S_IFBLK && type != S_IFIFO && type != S_IFSOCK)
		return "no type";
	if (!inode->i_nlink)
		return "no links";
	if (inode->i_size > inode->i_sb->s_max_bytes)
		return "an impossible size";
	if (type == S_IFDIR && (!inode->i_size || inode->i_size % sbi->block_size))
		return "an impossible size of a directory";
	if (is_fast_link(inode) && inode->i_size >= sizeof(ext2_i(inode)->block))
		return "an impossible length of a link";
	if (type == S_IFLNK && inode->i_size >= PATH_MAX)
		return "an impossible length of a link";
	return NULL;
}

static void take_raw(struct inode *inode, const struct ext2_raw_inode *raw)
{
	struct ext2_inode *ei = ext2_i(inode);

	inode->i_mode = raw->i_mode;
	inode->i_uid = raw->i_uid | (u32)raw->i_uid_high << 16;
	inode->i_gid = raw->i_gid | (u32)raw->i_gid_high << 16;
	inode->i_size = raw->i_size;
	if (S_ISREG(inode->i_mode))
		inode->i_size |= (u64)raw->i_size_high << 32;
	inode->i_atime = (s32)raw->i_atime * NSEC_PER_SEC;
	inode->i_ctime = (s32)raw->i_ctime * NSEC_PER_SEC;
	inode->i_mtime = (s32)raw->i_mtime * NSEC_PER_SEC;
	inode->i_nlink = raw->i_links_count;
	inode->i_blocks = raw->i_blocks;
	ei->flags = raw->i_flags;
	ei->generation = raw->i_generation;
	ei->file_acl = raw->i_file_acl;
	memcpy(ei->block, raw->i_block, sizeof(ei->block));
	if (is_device(inode->i_mode))
		inode->i_rdev = get_device(raw->i_block);
}

/* An inode with ext2's part, not in the table; NULL: no memory. */
static struct inode *alloc_inode(struct super_block *sb, u64 ino, u32 mode)
{
	struct ext2_inode *ei = kmem_cache_alloc(ext2_inode_cache, GFP_KERNEL | __GFP_ZERO);
	struct inode *inode = ei ? new_inode(sb, mode) : NULL;

	if (!inode) {
		if (ei)
			kmem_cache_free(ext2_inode_cache, ei);
		return NULL;
	}
	mutex_init(&ei->map_lock, RANK_NONE);
	mutex_init(&ei->raw_lock, RANK_NONE);
	INIT_LIST_HEAD(&ei->link);
	INIT_LIST_HEAD(&ei->waiting);
	ei->inode = inode;
	inode->i_ino = ino;
	inode->i_object = ei;
	return inode;
}

static int read_inode(struct inode *inode)
{
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	struct buffer_head *bh;
	struct ext2_raw_inode *raw = raw_inode(sbi, inode->i_ino, &bh);
	const char *wrong;

	if (!raw)
		return -EIO;
	take_raw(inode, raw);
	brelse(bh);
	(void)data_moved(inode); /* from what is there now */
	ext2_i(inode)->on_disk = true;
	wrong = what_is_wrong(sbi, inode);
	if (wrong)
		return ext2_error(sbi, "inode %llu has %s", (unsigned long long)inode->i_ino,
				  wrong);
	set_operations(inode);
	return 0;
}

struct inode *ext2_iget(struct super_block *sb, u64 ino)
{
	struct ext2_sb *sbi = ext2_sb(sb);
	struct inode *inode;
	int err;

	if (ino > sbi->inodes_count || (ino < sbi->first_ino && ino != EXT2_ROOT_INO))
		return ERR_PTR(
			ext2_error(sbi, "inode number %llu cannot be", (unsigned long long)ino));
	inode = inode_find(sb, ino);
	if (inode && inode->i_nlink)
		return inode;
	if (inode) { /* an open file whose last name is gone has another one after all? */
		iput(inode);
		return ERR_PTR(ext2_error(sbi, "a name leads to unlinked inode %llu",
					  (unsigned long long)ino));
	}
	inode = alloc_inode(sb, ino, 0);
	if (!inode)
		return ERR_PTR(-ENOMEM);
	err = read_inode(inode);
	if (err) {
		ext2_i(inode)->gone = true; /* and must not be freed on the disk */
		iput(inode);
		return ERR_PTR(err);
	}
	inode_insert(inode);
	return inode;
}

/* ---- Made and ended -------------------------------------------------------------------------- */

/* Another one than the inode that was there before. */
static int next_generation(struct inode *inode)
{
	struct buffer_head *bh;
	struct ext2_raw_inode *raw = raw_inode(ext2_sb(inode->i_sb), inode->i_ino, &bh);

	if (!raw)
		return -EIO;
	ext2_i(inode)->generation = raw->i_generation + 1;
	brelse(bh);
	return 0;
}

/* An inode number that is really free; those in use that the bitmap gives away are kept out of it.
 */
static int take_ino(struct inode *dir, bool is_dir, u32 *ino)
{
	struct inode *user;
	int err;

	do {
		err = ext2_new_ino(ext2_sb(dir->i_sb), (u32)dir->i_ino, is_dir, ino);
		user = err ? NULL : inode_find(dir->i_sb, *ino);
		if (user) {
			iput(user);
			(void)ext2_error(ext2_sb(dir->i_sb),
					 "inode %u is in use, but not in the bitmap", *ino);
		}
	} while (user);
	return err;
}

struct inode *ext2_new_inode(struct inode *dir, u32 mode, u64 rdev)
{
	struct super_block *sb = dir->i_sb;
	struct inode *inode = alloc_inode(sb, 0, mode);
	u32 ino;
	int err;

	if (!inode)
		return ERR_PTR(-ENOMEM);
	err = take_ino(dir, S_ISDIR(mode), &ino);
	if (err) {
		ext2_i(inode)->gone = true;
		iput(inode);
		return ERR_PTR(err);
	}
	inode->i_ino = ino;
	inode->i_rdev = rdev;
	inode_inherit_group(inode, dir);
	err = next_generation(inode);
	if (err) {
		clear_nlink(inode);
		iput(inode);
		return ERR_PTR(err);
	}
	set_operations(inode);
	inode_insert(inode);
	ext2_inode_is_new(inode);
	ext2_dirty_inode(inode);
	return inode;
}

/* Extended attributes lie in a block that inodes may share; it counts them. */
struct xattr_header {
	u32 h_magic, h_refcount;
};
#define XATTR_MAGIC 0xea020000u

static void drop_attributes(struct inode *inode)
{
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	u32 block = ext2_i(inode)->file_acl;
	struct buffer_head *bh;
	struct xattr_header *header;

	if (!block || !ext2_data_blocks(sbi, block, 1))
		return;
	bh = bread(sbi->bdev, block, sbi->block_size);
	if (!bh)
		return;
	header = bh_data(bh);
	if (header->h_magic == XATTR_MAGIC && header->h_refcount > 1) {
		header->h_refcount--;
		mark_buffer_dirty(bh);
		brelse(bh);
	} else {
		brelse(bh);
		bforget(sbi->bdev, block, sbi->block_size);
		ext2_free_blocks(sbi, block, 1);
	}
	ext2_i(inode)->file_acl = 0;
}

void ext2_delete_inode(struct inode *inode)
{
	struct ext2_inode *ei = ext2_i(inode);

	if (ei->gone || inode->i_sb->s_readonly)
		return;
	inode->i_size = 0;
	if (!is_device(inode->i_mode) && !is_fast_link(inode))
		ext2_free_from(inode, 0);
	drop_attributes(inode);
	inode->i_blocks = 0;
	ei->gone = true;
	ext2_free_ino(ext2_sb(inode->i_sb), (u32)inode->i_ino, S_ISDIR(inode->i_mode));
}

void ext2_evict(struct inode *inode)
{
	truncate_inode_pages(&inode->i_data, 0);
	if (!inode->i_nlink)
		ext2_delete_inode(inode);
	else if (inode->i_dirty && !ext2_i(inode)->gone && !inode->i_sb->s_readonly)
		/* the disk's end; sync came before, and told of errors */
		(void)ext2_write_inode(inode);
	ext2_leave_order(inode);
	kmem_cache_free(ext2_inode_cache, inode->i_object);
	inode->i_object = NULL;
}

/* ---- Symbolic links -------------------------------------------------------------------------- */

static long ext2_readlink(struct dentry *dentry, char *buf, size_t size)
{
	struct inode *inode = dentry->d_inode;
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	size_t len = min_t(u64, inode->i_size, size);
	struct buffer_head *bh;
	u32 block;
	bool new;
	int err;

	if (is_fast_link(inode)) {
		memcpy(buf, ext2_i(inode)->block, len);
		return (long)len;
	}
	err = ext2_map_block(inode, 0, false, &block, &new);
	if (err)
		return err;
	if (!block || inode->i_size > sbi->block_size)
		return ext2_error(sbi, "link %llu has no text", (unsigned long long)inode->i_ino);
	bh = bread(sbi->bdev, block, sbi->block_size);
	if (!bh)
		return -EIO;
	memcpy(buf, bh_data(bh), len);
	brelse(bh);
	return (long)len;
}

const struct inode_operations ext2_link_iops = {.readlink = ext2_readlink};

int ext2_inode_init(void)
{
	if (!ext2_inode_cache)
		ext2_inode_cache = kmem_cache_create("ext2_inode", sizeof(struct ext2_inode), 0,
						     SLAB_HWCACHE_ALIGN, NULL, NULL);
	return ext2_inode_cache ? 0 : -ENOMEM;
}
