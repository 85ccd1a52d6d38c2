/* SPDX-License-Identifier: MIT */
/*
 * file.c: regular files of ext2: reading, writing, mapping, and their size.
 *
 * The data goes through the page cache; mm/cache/buffer.c moves it between pages and blocks, and
 * asks ext2_get_block() where those are. Space is allocated when a page is about to be
 * written to by a call (so ENOSPC is told there and then), and for pages changed through
 * mappings when they go to the disk.
 *
 * The size grows in commit_write, under the page's lock: a page past the end is never
 * written back, so it must not be dirty there. A write that ends early gives back what was
 * allocated past the end.
 *
 * Shrinking: zero the rest of the last block, set the size, drop the pages (the last one
 * forgets where its blocks that are cut off were), free the blocks. Growing: what a mapping
 * left behind the old end is zeroed first; when the size has grown, the page of the old end is
 * write-protected in mappings, as with blocks smaller than pages it has blocks of the file
 * then that no store has asked a place for (block_size_grown()).
 *
 * Locking: i_rwsem for write while the size changes; reading needs none. Then page locks,
 * then map_lock in ext2_map_block().
 */
#include <fs/ext2/ext2.h>
#include <pagoda/bug.h>
#include <pagoda/mm.h>

static int ext2_get_block(struct address_space *mapping, u64 block, struct buffer_head *bh,
			  bool create)
{
	struct inode *inode = mapping->host;
	struct ext2_sb *sbi = ext2_sb(inode->i_sb);
	u64 end = DIV_ROUND_UP(READ_ONCE(inode->i_size), (u64)sbi->block_size);
	bool new;
	u32 phys;
	int err;

	if (!create && block >= end)
		return 0;
	err = ext2_map_block(inode, block, create, &phys, &new);
	if (err || !phys)
		return err;
	bh->bdev = sbi->bdev;
	bh->block = phys;
	set_buffer_mapped(bh);
	if (new)
		set_buffer_new(bh);
	return 0;
}

static unsigned int block_size_of(const struct page *page)
{
	return ext2_sb(((struct inode *)page->mapping->host)->i_sb)->block_size;
}

static int ext2_readpage(struct vm_file *file, struct page *page)
{
	(void)file;
	return block_read_full_page(page, block_size_of(page), ext2_get_block);
}

static int ext2_writepage(struct page *page)
{
	return block_write_full_page(page, block_size_of(page), ext2_get_block);
}

static int ext2_prepare_write(struct vm_file *file, struct page *page, unsigned from, unsigned to)
{
	(void)file;
	return block_prepare_write(page, from, to, block_size_of(page), ext2_get_block);
}

static int ext2_commit_write(struct vm_file *file, struct page *page, unsigned from, unsigned to)
{
	struct inode *inode = page->mapping->host;
	u64 end = ((u64)page->index << PAGE_SHIFT) + to;

	(void)file;
	if (end > inode->i_size)
		WRITE_ONCE(inode->i_size, end);
	block_commit_write(page, from, to, block_size_of(page));
	return 0;
}

/* An error shows as no block, as the call has it. */
static u64 ext2_bmap(struct address_space *mapping, u64 block)
{
	u32 phys = 0;
	bool new;

	if (filemap_write_and_wait(mapping) ||
	    ext2_map_block(mapping->host, block, false, &phys, &new))
		return 0;
	return phys;
}

/* What was written past the end is the file's only now. */
static long ext2_direct_IO(struct vm_file *file, bool write, struct iov_user buf, size_t count,
			   u64 pos)
{
	struct inode *inode = file->f_mapping->host;
	long ret = blockdev_direct_IO(file, write, buf, count, pos,
				      ext2_sb(inode->i_sb)->block_size, ext2_get_block);

	if (write && ret > 0 && pos + (u64)ret > inode->i_size)
		WRITE_ONCE(inode->i_size, pos + (u64)ret);
	return ret;
}

const struct address_space_operations ext2_a_ops = {
	.direct_IO = ext2_direct_IO,
	.bmap = ext2_bmap,
	.readpage = ext2_readpage,
	.writepage = ext2_writepage,
	.prepare_write = ext2_prepare_write,
	.commit_write = ext2_commit_write,
};

/* ---- Size ------------------------------------------------------------------------------------ */

/* Nothing of the file lies past its end. i_rwsem held for write. */
static void cut_at_end(struct inode *inode)
{
	u64 size = inode->i_size;

	lockdep_assert_held(&inode->i_rwsem);
	truncate_inode_pages(&inode->i_data, size);
	ext2_free_from(inode, DIV_ROUND_UP(size, (u64)ext2_sb(inode->i_sb)->block_size));
}

/* A mapping may have written behind the end; growing shows zeroes there. */
static void clear_old_tail(struct inode *inode)
{
	u64 size = inode->i_size;

	if (size & (PAGE_SIZE - 1))
		truncate_inode_pages_range(&inode->i_data, size, ALIGN(size, (u64)PAGE_SIZE));
}

/*
 * The file has grown: stores through mappings behind the old end are noticed from now on. i_rwsem
 * held for write.
 */
static void note_growth(struct inode *inode, u64 old_size)
{
	lockdep_assert_held(&inode->i_rwsem);
	if (inode->i_size > old_size)
		block_size_grown(&inode->i_data, old_size, ext2_sb(inode->i_sb)->block_size);
}

static void grow(struct inode *inode, u64 size)
{
	u64 old_size = inode->i_size;

	clear_old_tail(inode);
	WRITE_ONCE(inode->i_size, size);
	note_growth(inode, old_size);
}

static int ext2_setsize(struct inode *inode, u64 size)
{
	int err;

	if (size >= inode->i_size) {
		if (size > inode->i_size)
			grow(inode, size);
		return 0;
	}
	err = block_truncate_page(&inode->i_data, size, ext2_sb(inode->i_sb)->block_size,
				  ext2_get_block);
	if (err)
		return err;
	WRITE_ONCE(inode->i_size, size);
	cut_at_end(inode);
	return 0;
}

/* ---- Reading and writing --------------------------------------------------------------------- */

static long ext2_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
	NO_LOCK_ANALYSIS("direct reads alone need the lock")
{
	struct inode *inode = file->f_inode;
	bool direct = file->f_flags & O_DIRECT;
	long ret;

	if (direct)
		down_read(&inode->i_rwsem);
	ret = direct ? generic_direct_read(&file->vm, buf, count, pos)
		     : generic_file_read(&file->vm, buf, count, pos);
	if (direct)
		up_read(&inode->i_rwsem);
	file_accessed(file);
	return ret;
}

static long write_locked(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct inode *inode = file->f_inode;
	u64 old_size = inode->i_size;
	long ret;

	lockdep_assert_held(&inode->i_rwsem);
	if (*pos > old_size)
		clear_old_tail(inode);
	ret = file_write(file, buf, count, pos);
	if (ret < (long)count && (ret < 0 || inode->i_size != old_size)) {
		/* The page it stopped in may have grown the file, or have got blocks, past what was
		 * written. */
		WRITE_ONCE(inode->i_size, min(inode->i_size, max(old_size, *pos)));
		cut_at_end(inode);
	}
	note_growth(inode, old_size);
	if (ret > 0)
		file_update_time(file);
	return ret;
}

static long lock_and_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct inode *inode = file->f_inode;
	long ret;

	down_write(&inode->i_rwsem);
	if (file->f_flags & O_APPEND)
		*pos = inode->i_size;
	ret = inode->i_swapfile ? -ETXTBSY : inode_limit_write(inode, *pos, &count);
	if (!ret)
		ret = write_locked(file, buf, count, pos);
	up_write(&inode->i_rwsem);
	return ret;
}

/*
 * O_SYNC and O_DSYNC: what was written, the n bytes before end, is on the disk before the call
 * returns.
 */
static int sync_written(struct file *file, u64 end, long n)
{
	bool datasync = (file->f_flags & O_SYNC) != O_SYNC;

	return file->f_flags & O_DSYNC ? ext2_fsync(file, end - (u64)n, end - 1, datasync) : 0;
}

static long ext2_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct inode *inode = file->f_inode;
	int err = 0;
	long ret;

	if (!count)
		return 0;
	if (inode->i_sb->s_readonly)
		return -EROFS;
	ret = lock_and_write(file, buf, count, pos);
	if (ret == -ENOSPC && ext2_find_space(ext2_sb(inode->i_sb), EXT2_NAMES_FREE))
		ret = lock_and_write(file, buf, count, pos);
	if (ret > 0)
		err = sync_written(file, *pos, ret);
	return err ? err : ret;
}

static int ext2_mmap(struct file *file, struct vm_area_struct *vma)
{
	return generic_file_mmap(&file->vm, vma);
}

const struct inode_operations ext2_file_iops = {.setsize = ext2_setsize};

const struct file_operations ext2_file_ops = {
	.splice_in = true,
	.splice_out = true,
	.open = ext2_open,
	.read = ext2_read,
	.write = ext2_write,
	.llseek = generic_llseek,
	.mmap = ext2_mmap,
	.fsync = ext2_fsync,
};
