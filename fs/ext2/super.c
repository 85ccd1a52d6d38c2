/* SPDX-License-Identifier: MIT */
/*
 * super.c: mounting and ending an ext2 file system, and what is found wrong in between.
 *
 * Mounting reads the super block, checks all that later code relies on (so that no number on
 * the disk can lead out of the device or into a division by zero), then keeps the super
 * block and all group descriptors in held buffers. Features decide: an unknown incompatible
 * one refuses the mount, an unknown read-only one a mount for writing.
 *
 *	s_state		mounted for writing	unmounted, stopped
 *	VALID		cleared			as it was
 *	VALID, ERROR	cleared, kept		ERROR: something was found wrong, e2fsck is due
 *
 * Errors: ext2_error() sets ERROR and goes on, or, if the super block asks for that (or for a
 * panic, which user input does not get), makes the file system read-only.
 *
 * Stopping the machine (shutdown) does what unmounting does but for taking memory down: files
 * without names that are still open are freed, everything is written, the state restored;
 * after that nothing is written any more.
 *
 * Failure of mount: EINVAL (not ext2, or impossible), EIO, ENOMEM, EBUSY (the device is in use).
 */
#include <fs/ext2/ext2.h>
#include <pagoda/page_alloc.h>
#include <pagoda/highmem.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/bug.h>

#define NSEC_PER_SEC 1000000000ll
#define ERRORS_TOLD  20 /* lines in the log for one file system; then one at each power of two */

/* ---- Errors ---------------------------------------------------------------------------------- */

int ext2_error(struct ext2_sb *sbi, const char *fmt, ...)
{
	unsigned int nr = (unsigned int)atomic_add_return(&sbi->nr_errors, 1);
	char text[128];
	va_list args;

	if (nr <= ERRORS_TOLD || (nr & (nr - 1)) == 0) {
		va_start(args, fmt);
		pagoda_vsnprintf(text, sizeof(text), fmt, args);
		va_end(args);
		pr_err("ext2 (%s): error %u: %s", sbi->bdev->name, nr, text);
	}
	if (sbi->sb && !sbi->sb->s_readonly) {
		sbi->es->s_state |= EXT2_ERROR_FS;
		mark_buffer_dirty(sbi->super_bh);
		if (sbi->es->s_errors > EXT2_ERRORS_CONTINUE)
			sbi->sb->s_readonly = true;
	}
	return -EUCLEAN;
}

/* ---- Groups ---------------------------------------------------------------------------------- */

static u32 descs_per_block(const struct ext2_sb *sbi)
{
	return sbi->block_size / (u32)sizeof(struct ext2_group_desc);
}

struct ext2_group_desc *ext2_group(struct ext2_sb *sbi, u32 group)
{
	struct ext2_group_desc *descs = bh_data(sbi->desc_bh[group / descs_per_block(sbi)]);

	return &descs[group % descs_per_block(sbi)];
}

void ext2_group_changed(struct ext2_sb *sbi, u32 group)
{
	mark_buffer_dirty(sbi->desc_bh[group / descs_per_block(sbi)]);
}

void ext2_note_large_file(struct ext2_sb *sbi)
{
	struct ext2_super_block *es = sbi->es;

	if (es->s_rev_level && (es->s_feature_ro_compat & EXT2_RO_COMPAT_LARGE_FILE))
		return;
	mutex_lock(&sbi->alloc_lock);
	if (!es->s_rev_level) { /* features came with revision 1 */
		es->s_rev_level = 1;
		es->s_first_ino = EXT2_OLD_FIRST_INO;
		es->s_inode_size = EXT2_OLD_INODE;
	}
	es->s_feature_ro_compat |= EXT2_RO_COMPAT_LARGE_FILE;
	mark_buffer_dirty(sbi->super_bh);
	mutex_unlock(&sbi->alloc_lock);
}

/* ---- To the disk ----------------------------------------------------------------------------- */

/* Write the device's dirty pages and flush it. 0 or -EIO. */
static int sync_device(struct ext2_sb *sbi)
{
	int err = filemap_write_and_wait(blkdev_mapping(sbi->bdev));
	int flush_err = blkdev_flush(sbi->bdev);

	return err ? err : flush_err;
}

int ext2_open(struct inode *inode, struct file *file)
{
	struct block_device *bdev = ext2_sb(inode->i_sb)->bdev;

	file->vm.f_metadata_seq = mapping_sample_wb_err(blkdev_mapping(bdev));
	return 0;
}

/* Metadata is written when nobody waits: 0, or the error since the cursor. */
static int check_metadata(struct ext2_sb *sbi, u32 *cursor)
{
	int err = mapping_check_wb_err(blkdev_mapping(sbi->bdev), cursor);

	if (err)
		(void)ext2_error(sbi, "metadata could not be written");
	return err;
}

/* Whoever has the file open will be told by fsync; syncfs tells as well. */
static void sync_inode(struct inode *inode)
{
	struct address_space *mapping = &inode->i_data;
	u32 errors = READ_ONCE(mapping->wb_seq);

	if (!mapping->nrpages)
		return;
	if (!filemap_write_and_wait(mapping) && READ_ONCE(mapping->wb_seq) == errors)
		return;
	WRITE_ONCE(ext2_sb(inode->i_sb)->data_lost, true);
	pr_warn("ext2: inode %llu could not be written", (unsigned long long)inode->i_ino);
}

/* Everything. (N) */
static int sync_all(struct super_block *sb)
{
	struct ext2_sb *sbi = ext2_sb(sb);
	int err, device_err, late;

	if (sb->s_readonly)
		return 0;
	WRITE_ONCE(sbi->data_lost, false);
	inodes_for_each(sb, sync_inode);
	sbi->es->s_wtime = (u32)(current_time_ns() / NSEC_PER_SEC);
	mark_buffer_dirty(sbi->super_bh);
	err = ext2_write_metadata(sbi);
	device_err = sync_device(sbi);
	late = check_metadata(sbi, &sbi->metadata_seq);
	if (!late && READ_ONCE(sbi->data_lost))
		late = -EIO;
	return err ? err : device_err ? device_err : late;
}

static int ext2_sync(struct super_block *sb)
{
	int err;

	mutex_lock(&sb->s_names);
	err = sync_all(sb);
	mutex_unlock(&sb->s_names);
	return err;
}

/*
 * The inode, with its pointers; if it is new, or a directory, what makes it reachable. Then what
 * the disk has in its cache.
 */
static int sync_metadata(struct inode *inode, bool datasync)
{
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	int err = 0, late = 0, flush_err;

	if (!S_ISREG(inode->i_mode) || !READ_ONCE(ext2_i(inode)->on_disk)) {
		mutex_lock(&inode->i_sb->s_names);
		err = ext2_write_names(sbi);
		mutex_unlock(&inode->i_sb->s_names);
	}
	if (ext2_has_changes(inode, datasync))
		late = ext2_write_inode(inode);
	flush_err = blkdev_flush(sbi->bdev);
	return err ? err : late ? late : flush_err;
}

int ext2_fsync(struct file *file, u64 start, u64 end, bool datasync)
{
	struct inode *inode = file->f_inode;
	int err = 0, metadata_err, late;

	if (S_ISREG(inode->i_mode))
		err = generic_file_fsync(&file->vm, start, end);
	if (inode->i_sb->s_readonly)
		return err;
	metadata_err = sync_metadata(inode, datasync);
	late = check_metadata(ext2_sb(inode->i_sb), &file->vm.f_metadata_seq);
	return err ? err : metadata_err ? metadata_err : late;
}

/* ---- Reading and checking the super block ---------------------------------------------------- */

/*
 * Straight from the device: its pages have no block size yet. What was written to its file is
 * there.
 */
static int read_super(struct block_device *bdev, struct ext2_super_block *es)
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct bio *bio;
	int err = -ENOMEM;

	if (!page)
		return -ENOMEM;
	set_blocksize(bdev, EXT2_MIN_BLOCK);
	bio = bio_alloc(bdev, BIO_READ, EXT2_SUPER_OFFSET / SECTOR_SIZE, 1, GFP_KERNEL);
	if (bio) {
		err = bio_add_page(bio, page, 0, EXT2_SUPER_BYTES) ? submit_bio_wait(bio) : -EIO;
		bio_put(bio);
	}
	if (!err)
		memcpy(es, page_address(page), sizeof(*es));
	put_page(page);
	return err;
}

/* NULL: fine. */
static const char *check_geometry(const struct ext2_super_block *es,
				  const struct block_device *bdev)
{
	u32 block_size, first, groups;

	if (es->s_log_block_size > EXT2_MAX_LOG_BLOCK)
		return "block size not supported";
	block_size = EXT2_MIN_BLOCK << es->s_log_block_size;
	first = block_size == EXT2_MIN_BLOCK ? 1 : 0;
	if (es->s_first_data_block != first || es->s_blocks_count <= first + 3)
		return "impossible number of blocks";
	if ((u64)es->s_blocks_count * block_size > bdev->nr_sectors * SECTOR_SIZE)
		return "larger than its device";
	if (es->s_blocks_per_group < 256 || es->s_blocks_per_group > 8 * block_size ||
	    !es->s_inodes_per_group || es->s_inodes_per_group > 8 * block_size)
		return "impossible size of groups";
	groups = DIV_ROUND_UP(es->s_blocks_count - first, es->s_blocks_per_group);
	if ((u64)groups * es->s_inodes_per_group != es->s_inodes_count)
		return "impossible number of inodes";
	return NULL;
}

static const char *check_revision(const struct ext2_super_block *es)
{
	u32 size = es->s_inode_size, block_size = EXT2_MIN_BLOCK << es->s_log_block_size;

	if (!es->s_rev_level)
		return NULL;
	if (es->s_rev_level > 1)
		return "unknown revision";
	if (es->s_feature_incompat & ~EXT2_INCOMPAT_SUPPORTED)
		return "incompatible features";
	if (size < EXT2_OLD_INODE || size > block_size || (size & (size - 1)))
		return "impossible size of inodes";
	if (es->s_first_ino < EXT2_OLD_FIRST_INO || es->s_first_ino > es->s_inodes_per_group)
		return "impossible first inode";
	return NULL;
}

static const char *check_super(const struct ext2_super_block *es, const struct block_device *bdev)
{
	const char *wrong = check_geometry(es, bdev);

	return wrong ? wrong : check_revision(es);
}

static void take_super(struct ext2_sb *sbi, const struct ext2_super_block *es)
{
	u32 features = es->s_rev_level ? es->s_feature_ro_compat : 0;

	sbi->block_size = EXT2_MIN_BLOCK << es->s_log_block_size;
	sbi->block_bits = 10 + es->s_log_block_size;
	sbi->inode_size = es->s_rev_level ? es->s_inode_size : EXT2_OLD_INODE;
	sbi->first_ino = es->s_rev_level ? es->s_first_ino : EXT2_OLD_FIRST_INO;
	sbi->blocks_per_group = es->s_blocks_per_group;
	sbi->inodes_per_group = es->s_inodes_per_group;
	sbi->first_data_block = es->s_first_data_block;
	sbi->blocks_count = es->s_blocks_count;
	sbi->inodes_count = es->s_inodes_count;
	sbi->reserved_blocks = min(es->s_r_blocks_count, es->s_blocks_count);
	sbi->nr_groups =
		DIV_ROUND_UP(sbi->blocks_count - sbi->first_data_block, sbi->blocks_per_group);
	sbi->nr_desc_blocks = DIV_ROUND_UP(sbi->nr_groups, descs_per_block(sbi));
	sbi->sparse_super = features & EXT2_RO_COMPAT_SPARSE_SUPER;
	sbi->file_types = es->s_rev_level && (es->s_feature_incompat & EXT2_INCOMPAT_FILETYPE);
	sbi->must_be_readonly = sbi->bdev->read_only || (features & ~EXT2_RO_COMPAT_SUPPORTED);
}

/* A group's metadata lies inside it, and there is room for it. */
static bool group_is_sane(struct ext2_sb *sbi, u32 group)
{
	const struct ext2_group_desc *desc = ext2_group(sbi, group);
	u32 first = sbi->first_data_block + group * sbi->blocks_per_group;
	u32 nr = min(sbi->blocks_per_group, sbi->blocks_count - first);
	u32 table = DIV_ROUND_UP(sbi->inodes_per_group, sbi->block_size / sbi->inode_size);

	return desc->bg_block_bitmap - first < nr && desc->bg_inode_bitmap - first < nr &&
	       desc->bg_inode_table - first < nr && table <= nr - (desc->bg_inode_table - first);
}

/* ---- Mounting -------------------------------------------------------------------------------- */

static void drop_buffers(struct ext2_sb *sbi)
{
	for (unsigned int i = 0; sbi->desc_bh && i < sbi->nr_desc_blocks; i++)
		brelse(sbi->desc_bh[i]);
	kfree(sbi->desc_bh);
	brelse(sbi->super_bh);
}

/* Hold the super block's and the descriptors' buffers. What was got is dropped by drop_buffers().
 */
static int hold_buffers(struct ext2_sb *sbi)
{
	u32 super_block = EXT2_SUPER_OFFSET / sbi->block_size;

	if (1 + sbi->nr_desc_blocks >= sbi->blocks_per_group)
		return -EINVAL;
	sbi->super_bh = bread(sbi->bdev, super_block, sbi->block_size);
	if (!sbi->super_bh)
		return -EIO;
	sbi->es = (void *)((char *)bh_data(sbi->super_bh) + EXT2_SUPER_OFFSET % sbi->block_size);
	sbi->desc_bh = kcalloc(sbi->nr_desc_blocks, sizeof(*sbi->desc_bh), GFP_KERNEL);
	if (!sbi->desc_bh)
		return -ENOMEM;
	for (unsigned int i = 0; i < sbi->nr_desc_blocks; i++) {
		sbi->desc_bh[i] = bread(sbi->bdev, super_block + 1 + i, sbi->block_size);
		if (!sbi->desc_bh[i])
			return -EIO;
	}
	for (u32 group = 0; group < sbi->nr_groups; group++)
		if (!group_is_sane(sbi, group)) {
			pr_err("ext2 (%s): descriptor of group %u is impossible", sbi->bdev->name,
			       group);
			return -EINVAL;
		}
	return 0;
}

/* Everything that must hold before the first inode can be read. */
static int fill_sbi(struct ext2_sb *sbi)
{
	struct ext2_super_block *es = kmalloc(sizeof(*es), GFP_KERNEL);
	const char *wrong = NULL;
	int err = es ? read_super(sbi->bdev, es) : -ENOMEM;

	if (!err && es->s_magic != EXT2_MAGIC)
		wrong = "no ext2 file system";
	else if (!err)
		wrong = check_super(es, sbi->bdev);
	if (wrong) {
		pr_warn("ext2 (%s): %s", sbi->bdev->name, wrong);
		err = -EINVAL;
	}
	if (!err) {
		take_super(sbi, es);
		set_blocksize(sbi->bdev, sbi->block_size);
		err = hold_buffers(sbi);
	}
	kfree(es);
	return err;
}

/* From here on the disk differs from what unmounting will leave. */
static void begin_writing(struct ext2_sb *sbi)
{
	struct ext2_super_block *es = sbi->es;

	sbi->old_state = es->s_state;
	sbi->metadata_seq = mapping_sample_wb_err(blkdev_mapping(sbi->bdev));
	if (!(es->s_state & EXT2_VALID_FS))
		pr_warn("ext2 (%s): was not unmounted cleanly, e2fsck is recommended",
			sbi->bdev->name);
	else if (es->s_state & EXT2_ERROR_FS)
		pr_warn("ext2 (%s): has errors, e2fsck is recommended", sbi->bdev->name);
	es->s_state &= (u16)~EXT2_VALID_FS;
	es->s_mnt_count++;
	es->s_mtime = (u32)(current_time_ns() / NSEC_PER_SEC);
	mark_buffer_dirty(sbi->super_bh);
	if (sync_dirty_buffer(sbi->super_bh))
		pr_err("ext2 (%s): cannot write the super block", sbi->bdev->name);
}

/* Write all, then say that the disk is as it should be. Nothing is written after it. (N) */
static void end_writing(struct ext2_sb *sbi)
{
	(void)sync_all(sbi->sb); /* errors were logged, and are in s_state */
	sbi->es->s_state |= sbi->old_state & EXT2_VALID_FS;
	sbi->sb->s_readonly = true;
	mark_buffer_dirty(sbi->super_bh);
	if (sync_device(sbi))
		pr_err("ext2 (%s): could not be written", sbi->bdev->name);
}

static int ext2_remount(struct super_block *sb, bool read_only)
{
	struct ext2_sb *sbi = ext2_sb(sb);

	if (!read_only && sbi->must_be_readonly)
		return -EROFS;
	mutex_lock(&sb->s_names);
	if (read_only && !sb->s_readonly) {
		end_writing(sbi);
	} else if (!read_only && sb->s_readonly) {
		sb->s_readonly = false;
		begin_writing(sbi);
	}
	mutex_unlock(&sb->s_names);
	return 0;
}

static void free_unlinked(struct inode *inode)
{
	if (inode->i_nlink)
		return;
	truncate_inode_pages(&inode->i_data, 0);
	if (ext2_i(inode)->on_disk)
		(void)ext2_end_on_disk(inode); /* it was logged */
	ext2_i(inode)->on_disk = false;	       /* no name leads there, and nobody comes after it */
	ext2_delete_inode(inode);
}

static void ext2_shutdown(struct super_block *sb)
{
	if (sb->s_readonly)
		return;
	mutex_lock(&sb->s_names);
	(void)ext2_write_names(ext2_sb(sb)); /* told by the log */
	inodes_for_each(sb, free_unlinked);
	end_writing(ext2_sb(sb));
	mutex_unlock(&sb->s_names);
}

static void ext2_put_super(struct super_block *sb)
{
	struct ext2_sb *sbi = ext2_sb(sb);

	writeback_remove_source(&sbi->writeback);
	mutex_lock(&sb->s_names);
	if (!sb->s_readonly)
		end_writing(sbi);
	mutex_unlock(&sb->s_names);
	ext2_order_end(sbi);
	drop_buffers(sbi);
	set_blocksize(sbi->bdev, 0);
	blkdev_put(sbi->bdev, sbi);
}

static int ext2_statfs(struct super_block *sb, struct statfs64 *st)
{
	struct ext2_sb *sbi = ext2_sb(sb);
	u32 overhead = sbi->first_data_block, free = sbi->es->s_free_blocks_count;
	long held = max(atomic_long_read(&sbi->held_blocks), 0l);

	for (u32 group = 0; group < sbi->nr_groups; group++)
		overhead += ext2_group_overhead(sbi, group);
	free += (u32)held;
	st->f_bsize = st->f_frsize = sbi->block_size;
	st->f_blocks = sbi->blocks_count - min(overhead, sbi->blocks_count);
	st->f_bfree = free;
	st->f_bavail = free - min(sbi->reserved_blocks, free);
	st->f_files = sbi->inodes_count;
	st->f_ffree =
		sbi->es->s_free_inodes_count + (u64)max(atomic_long_read(&sbi->nr_orphans), 0l);
	return 0;
}

static const struct super_operations ext2_super_ops = {
	.evict = ext2_evict,
	.defer_end = ext2_defer_end,
	.dirty_inode = ext2_dirty_inode,
	.sync = ext2_sync,
	.remount = ext2_remount,
	.shutdown = ext2_shutdown,
	.put_super = ext2_put_super,
	.statfs = ext2_statfs,
};

static int read_root(struct super_block *sb)
{
	struct inode *root = ext2_iget(sb, EXT2_ROOT_INO);

	if (IS_ERR(root))
		return (int)PTR_ERR(root);
	if (!S_ISDIR(root->i_mode)) {
		iput(root);
		return ext2_error(ext2_sb(sb), "the root is no directory");
	}
	return d_make_root(sb, root) ? 0 : -ENOMEM;
}

static int fill_super(struct super_block *sb, struct ext2_sb *sbi, bool read_only)
{
	int err = ext2_inode_init();

	if (!err)
		err = fill_sbi(sbi);
	if (err)
		return err;
	if (!read_only && sbi->must_be_readonly) {
		pr_warn("ext2 (%s): only for reading", sbi->bdev->name);
		read_only = true;
	}
	sbi->sb = sb;
	sb->s_info = sbi;
	sb->s_bdev = sbi->bdev;
	sb->s_blocksize = sbi->block_size;
	sb->s_dev = sbi->bdev->dev;
	sb->s_cached = true;
	sb->s_readonly = true;
	sb->s_max_bytes = ext2_max_bytes(sbi);
	sb->s_max_links = EXT2_LINK_MAX;
	err = read_root(sb);
	if (!err && !read_only) {
		sb->s_readonly = false;
		begin_writing(sbi);
	}
	if (err)
		inodes_free(sb);
	return err;
}

static struct super_block *try_mount(struct block_device *bdev, struct ext2_sb *sbi, bool read_only)
{
	struct super_block *sb = new_super("ext2", EXT2_MAGIC, &ext2_super_ops);
	int err = -ENOMEM;

	if (sb)
		err = fill_super(sb, sbi, read_only);
	if (!err) {
		writeback_add_source(&sbi->writeback);
		return sb;
	}
	drop_buffers(sbi);
	set_blocksize(bdev, 0);
	kfree(sb);
	return ERR_PTR(err);
}

struct super_block *ext2_mount(struct block_device *bdev, const char *options, bool read_only)
{
	struct ext2_sb *sbi = kzalloc(sizeof(*sbi), GFP_KERNEL);
	struct super_block *sb;
	int err;

	(void)options; /* none change anything yet: errors=, acl and the like are taken and ignored
			*/
	if (!sbi)
		return ERR_PTR(-ENOMEM);
	sbi->bdev = bdev;
	sbi->writeback.write = ext2_write_aged;
	ext2_order_init(sbi);
	mutex_init(&sbi->alloc_lock, RANK_NONE);
	err = blkdev_get(bdev, sbi);
	if (err) {
		kfree(sbi);
		return ERR_PTR(err);
	}
	sb = try_mount(bdev, sbi, read_only);
	if (IS_ERR(sb)) {
		blkdev_put(bdev, sbi);
		kfree(sbi);
	}
	return sb;
}
