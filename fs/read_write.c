/* SPDX-License-Identifier: MIT */
/*
 * read_write.c: read, write and their relatives: the same two operations of a file, with
 * the position from the file or from the caller, from one buffer or several.
 *
 * The position of a file shared by several descriptors or tasks is guarded by f_pos_lock,
 * so two writers never write to the same place; a file that only one refers to skips it.
 * Vectors of buffers are done one after the other, stopping at the first short transfer.
 *
 * One text serves both directions, but is expanded for each (__always_inline), so that the
 * direction is a constant and the operation a direct call: a write and a read of one byte take 107
 * instructions less than with one function that is told the direction (./pagoda bench mm,
 * pipe_write_read).
 */
#include <fs/vfs.h>
#include <fs/iovec.h>
#include <fs/syscalls.h>
#include <pagoda/blkdev.h>
#include <pagoda/uaccess.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/page_alloc.h>
#include <pagoda/highmem.h>

#define MAX_RW_COUNT 0x7ffff000ul /* Linux transfers no more at once */

/* ---- One transfer ------------------------------------------------------------------------- */

static bool pos_needs_lock(const struct file *file)
{
	return !(file->f_mode & FMODE_STREAM) && atomic_read(&file->vm.f_count) > 1;
}

/* Directories pass this check: reading them is EISDIR, but only when all arguments are right. */
static long check_read(const struct file *file)
{
	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	return file->f_op->read || S_ISDIR(file->f_inode->i_mode) ? 0 : -EINVAL;
}

static long check_write(const struct file *file)
{
	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	return file->f_op->write ? 0 : -EINVAL;
}

/* Does the transfer end before the last position that there can be? 0, -EINVAL, -EOVERFLOW. */
static long check_end(const struct file *file, u64 pos, size_t count)
{
	if (file->f_mode & FMODE_STREAM)
		return 0;
	if (file->f_mode & FMODE_UNSIGNED_OFFSET)
		return (s64)pos < 0 && pos + count < pos ? -EOVERFLOW : 0;
	return (s64)(pos + count) < 0 ? -EINVAL : 0;
}

static __always_inline long transfer_piece(struct file *file, unsigned long buf, size_t count,
					   u64 *pos, bool write)
{
	if (write)
		return file->f_op->write(file, iov_user_buf(buf), count, pos);
	if (unlikely(!file->f_op->read))
		/* only directories can be opened for reading and have nothing to read */
		return -EISDIR;
	return file->f_op->read(file, iov_user_buf(buf), count, pos);
}

static __always_inline long transfer(struct file *file, unsigned long buf, size_t count, u64 *pos,
				     bool write)
{
	long ret = write ? check_write(file) : check_read(file);

	if (ret)
		return ret;
	if (!access_ok(buf, count))
		return -EFAULT;
	ret = check_end(file, *pos, count);
	if (ret)
		return ret;
	ret = transfer_piece(file, buf, min(count, MAX_RW_COUNT), pos, write);
	count_task_call(&fs_current()->io, ret, write);
	return ret;
}

/* transfer(), or do_vector() for n pieces. */
typedef long transfer_fn(struct file *file, unsigned long user, size_t n, u64 *pos, bool write);

/* At the file's own position, which moves. */
static __always_inline long transfer_at_pos(transfer_fn *fn, unsigned long fd, unsigned long user,
					    size_t n, bool write)
	NO_LOCK_ANALYSIS("not each position has a lock")
{
	struct fd f = fdget((unsigned int)fd);
	bool lock;
	long ret;

	if (!f.file)
		return -EBADF;
	lock = pos_needs_lock(f.file);
	if (lock)
		mutex_lock(&f.file->f_pos_lock);
	ret = fn(f.file, user, n, &f.file->f_pos, write);
	if (lock)
		mutex_unlock(&f.file->f_pos_lock);
	fdput(f);
	return ret;
}

static __always_inline long transfer_at(transfer_fn *fn, unsigned long fd, unsigned long user,
					size_t n, u64 pos, bool write)
{
	struct fd f;
	long ret;

	if ((s64)pos < 0)
		return -EINVAL;
	f = fdget((unsigned int)fd);
	if (!f.file)
		return -EBADF;
	ret = f.file->f_mode & FMODE_STREAM ? -ESPIPE : fn(f.file, user, n, &pos, write);
	fdput(f);
	return ret;
}

long sys_read(unsigned long fd, unsigned long buf, unsigned long count)
{
	return transfer_at_pos(transfer, fd, buf, count, false);
}

long sys_write(unsigned long fd, unsigned long buf, unsigned long count)
{
	return transfer_at_pos(transfer, fd, buf, count, true);
}

long sys_pread64(unsigned long fd, unsigned long buf, unsigned long count, unsigned long pos)
{
	return transfer_at(transfer, fd, buf, count, pos, false);
}

long sys_pwrite64(unsigned long fd, unsigned long buf, unsigned long count, unsigned long pos)
{
	return transfer_at(transfer, fd, buf, count, pos, true);
}

/* ---- Vectors -------------------------------------------------------------------------------- */

void put_iovec(struct iovec *iov, struct iovec *fast)
{
	if (iov != fast)
		kfree(iov);
}

struct iovec *get_iovec(unsigned long user, unsigned long nr, struct iovec *fast, bool foreign)
{
	struct iovec *iov = fast;
	size_t total = 0;
	long err = 0;

	if (nr > IOV_MAX)
		return ERR_PTR(-EINVAL);
	if (nr > IOV_FAST && !(iov = kmalloc(nr * sizeof(*iov), GFP_KERNEL)))
		return ERR_PTR(-ENOMEM);
	if (copy_from_user(iov, user, nr * sizeof(*iov)))
		err = -EFAULT;
	for (unsigned long i = 0; !err && i < nr; i++) {
		if ((long)iov[i].len < 0)
			err = -EINVAL;
		else if (!foreign && !access_ok(iov[i].base, iov[i].len))
			err = -EFAULT;
		iov[i].len = min(iov[i].len, MAX_RW_COUNT - total);
		total += iov[i].len;
	}
	if (!err)
		return iov;
	put_iovec(iov, fast);
	return ERR_PTR(err);
}

/*
 * Past the cache all pieces are of whole sectors, or none is transferred; reading past the end
 * needs none.
 */
static bool is_direct_vector(const struct file *file, const struct iovec *iov, unsigned long nr,
			     u64 pos, bool write)
{
	const struct address_space *mapping = file->vm.f_mapping;
	unsigned long bits = 0;

	if (!(file->f_flags & O_DIRECT) || !file_can_direct(file) ||
	    (!write && pos >= mapping->size(file->vm.f_mapping)))
		return true;
	for (unsigned long i = 0; i < nr; i++)
		bits |= iov[i].base | iov[i].len;
	return !(bits & (SECTOR_SIZE - 1));
}

static long transfer_vector(struct file *file, const struct iovec *iov, unsigned long nr, u64 *pos,
			    bool write)
{
	long done = 0;

	if (!is_direct_vector(file, iov, nr, *pos, write))
		return -EINVAL;
	for (unsigned long i = 0; i < nr; i++) {
		long ret;

		if (!iov[i].len)
			continue;
		ret = transfer_piece(file, iov[i].base, iov[i].len, pos, write);
		if (ret < 0)
			return done ? done : ret;
		done += ret;
		if ((size_t)ret < iov[i].len)
			break;
	}
	return done;
}

/* All small buffers of a vector to one write, so that writev to a pipe or terminal is one piece. */
#define GATHER_MAX 4096ul

static size_t vector_bytes(const struct iovec *iov, unsigned long nr)
{
	size_t total = 0;

	for (unsigned long i = 0; i < nr; i++)
		total += iov[i].len;
	return total;
}

static long gather_write(struct file *file, const struct iovec *iov, unsigned long nr, size_t total,
			 u64 *pos)
{
	char *copy = kmalloc(total, GFP_KERNEL);
	size_t at = 0;
	long ret = -EFAULT;

	if (!copy)
		return -ENOMEM;
	for (unsigned long i = 0; i < nr; at += iov[i++].len)
		if (iov[i].len && copy_from_user(copy + at, iov[i].base, iov[i].len))
			goto out;
	ret = file->f_op->write(file, iov_kernel_buf(copy), total, pos);
out:
	kfree(copy);
	return ret;
}

/* The pieces were read from the program: transfer them. */
static long do_pieces(struct file *file, const struct iovec *iov, unsigned long nr, size_t total,
		      u64 *pos, bool write)
{
	long ret;

	if (file->f_op->vector)
		return file->f_op->vector(file, iov, nr, total, write);
	if (write && (file->f_mode & FMODE_STREAM) && nr > 1 && total && total <= GATHER_MAX)
		return gather_write(file, iov, nr, total, pos);
	if (!total)
		return 0;
	ret = check_end(file, *pos, total);
	return ret ? ret : transfer_vector(file, iov, nr, pos, write);
}

/*
 * unknown_flags: preadv2 or pwritev2 was given flags that are not known: -EOPNOTSUPP, but only if
 * nothing else is wrong.
 */
static long vector_with_flags(struct file *file, unsigned long user, size_t nr, u64 *pos,
			      bool write, bool unknown_flags)
{
	struct iovec fast[IOV_FAST], *iov = get_iovec(user, nr, fast, false);
	size_t total;
	long ret;

	if (IS_ERR(iov))
		return PTR_ERR(iov);
	total = vector_bytes(iov, nr);
	ret = write ? check_write(file) : check_read(file);
	if (!ret && unknown_flags) {
		ret = total ? check_end(file, *pos, total) : 0;
		ret = ret || !total ? ret : -EOPNOTSUPP;
	} else if (!ret) {
		ret = do_pieces(file, iov, nr, total, pos, write);
	}
	put_iovec(iov, fast);
	return ret;
}

static long do_vector(struct file *file, unsigned long user, size_t nr, u64 *pos, bool write)
{
	long ret = vector_with_flags(file, user, nr, pos, write, false);

	count_task_call(&fs_current()->io, ret, write);
	return ret;
}

static long do_vector_with_unknown_flags(struct file *file, unsigned long user, size_t nr, u64 *pos,
					 bool write)
{
	return vector_with_flags(file, user, nr, pos, write, true);
}

long sys_readv(unsigned long fd, unsigned long iov, unsigned long nr)
{
	return transfer_at_pos(do_vector, fd, iov, nr, false);
}

long sys_writev(unsigned long fd, unsigned long iov, unsigned long nr)
{
	return transfer_at_pos(do_vector, fd, iov, nr, true);
}

/* The position comes whole in pos_low on 64-bit. */
long sys_preadv(unsigned long fd, unsigned long iov, unsigned long nr, unsigned long pos,
		unsigned long pos_high)
{
	(void)pos_high;
	return transfer_at(do_vector, fd, iov, nr, pos, false);
}

long sys_pwritev(unsigned long fd, unsigned long iov, unsigned long nr, unsigned long pos,
		 unsigned long pos_high)
{
	(void)pos_high;
	return transfer_at(do_vector, fd, iov, nr, pos, true);
}

#define RWF_HIPRI 1ul
#define RWF_DSYNC 2ul
#define RWF_SYNC  4ul

/*
 * The n bytes written before end, or before where the file is now, go to the disk, as O_DSYNC or
 * O_SYNC would have it.
 */
static long sync_written(unsigned long fd, long n, s64 end, bool datasync)
{
	struct fd f = fdget((unsigned int)fd);
	long err = 0;

	if (!f.file)
		return -EBADF; /* closed meanwhile by another thread */
	if (end < 0)
		end = (s64)READ_ONCE(f.file->f_pos);
	if (!(f.file->f_mode & FMODE_STREAM))
		err = vfs_fsync(f.file, (u64)(end - n), (u64)end - 1, datasync);
	fdput(f);
	return err == -EINVAL ? 0 : err; /* no file that can be synced */
}

static long preadv2_or_pwritev2(unsigned long fd, unsigned long iov, unsigned long nr,
				unsigned long pos, unsigned long flags, bool write)
{
	bool at_pos = (long)pos == -1,
	     unknown = (u32)flags & ~(u32)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC);
	transfer_fn *fn = unknown ? do_vector_with_unknown_flags : do_vector;
	long ret, err = 0;

	ret = at_pos ? transfer_at_pos(fn, fd, iov, nr, write)
		     : transfer_at(fn, fd, iov, nr, pos, write);
	if (write && ret > 0 && (flags & (RWF_DSYNC | RWF_SYNC)))
		err = sync_written(fd, ret, at_pos ? -1 : (s64)pos + ret, !(flags & RWF_SYNC));
	return err ? err : ret;
}

long sys_preadv2(unsigned long fd, unsigned long iov, unsigned long nr, unsigned long pos,
		 unsigned long pos_high, unsigned long flags)
{
	(void)pos_high;
	return preadv2_or_pwritev2(fd, iov, nr, pos, flags, false);
}

long sys_pwritev2(unsigned long fd, unsigned long iov, unsigned long nr, unsigned long pos,
		  unsigned long pos_high, unsigned long flags)
{
	(void)pos_high;
	return preadv2_or_pwritev2(fd, iov, nr, pos, flags, true);
}

/* ---- lseek ----------------------------------------------------------------------------------- */

static u64 index_bytes(pgoff_t index)
{
	return (u64)index << PAGE_SHIFT;
}

/* The next place at or after pos with or without data; files end with a hole. */
static s64 seek_page(struct inode *inode, u64 pos, bool data)
{
	u64 size = inode->i_size;
	pgoff_t index = (pgoff_t)(pos >> PAGE_SHIFT);

	if (pos >= size)
		return -ENXIO;
	/* what is not cached may be on the disk: all of it counts as data */
	if (inode->i_data.a_ops->readpage)
		return data ? (s64)pos : (s64)size;
	if (data)
		return page_cache_next_data(&inode->i_data, &index) && index_bytes(index) < size
			       ? (s64)max(pos, index_bytes(index))
			       : -ENXIO;
	while (index_bytes(index) < size && page_cache_has_data(&inode->i_data, index))
		index++;
	return (s64)min(max(pos, index_bytes(index)), size);
}

/* A new position, from base on: it is not before the start, nor past max. */
static s64 set_position(struct file *file, s64 offset, u64 base, u64 max)
{
	if (__builtin_add_overflow(offset, (s64)base, &offset) || offset < 0 || (u64)offset > max)
		return -EINVAL;
	file->f_pos = (u64)offset;
	return offset;
}

s64 generic_llseek(struct file *file, s64 offset, int whence)
{
	struct inode *inode = file->f_inode;
	u64 base = 0;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		if (!offset)
			return (s64)file->f_pos;
		base = file->f_pos;
		break;
	case SEEK_END:
		base = READ_ONCE(inode->i_size);
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (offset < 0)
			return -ENXIO;
		offset = seek_page(inode, (u64)offset, whence == SEEK_DATA);
		if (offset < 0)
			return offset;
		break;
	default:
		return -EINVAL;
	}
	return set_position(file, offset, base, inode->i_sb->s_max_bytes);
}

s64 forward_llseek(struct file *file, s64 offset, int whence)
{
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	return set_position(file, offset, whence == SEEK_CUR ? file->f_pos : 0, INT64_MAX);
}

s64 noop_llseek(struct file *file, s64 offset, int whence)
{
	(void)offset, (void)whence;
	return (s64)file->f_pos;
}

long sys_lseek(unsigned long fd, unsigned long offset, unsigned long whence)
{
	struct fd f = fdget((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	if ((u32)whence > SEEK_HOLE) {
		ret = -EINVAL;
	} else if (!f.file->f_op->llseek) {
		ret = -ESPIPE;
	} else {
		mutex_lock(&f.file->f_pos_lock);
		ret = f.file->f_op->llseek(f.file, (s64)offset, (int)whence);
		mutex_unlock(&f.file->f_pos_lock);
	}
	fdput(f);
	return ret;
}

/* ---- To the disk ----------------------------------------------------------------------------- */

int vfs_fsync(struct file *file, u64 start, u64 end, bool datasync)
{
	return file->f_op->fsync ? file->f_op->fsync(file, start, end, datasync) : -EINVAL;
}

static long fsync_fd(unsigned long fd, bool datasync)
{
	struct fd f = fdget((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = vfs_fsync(f.file, 0, ~0ull, datasync);
	fdput(f);
	return ret;
}

long sys_fsync(unsigned long fd)
{
	return fsync_fd(fd, false);
}

long sys_fdatasync(unsigned long fd)
{
	return fsync_fd(fd, true);
}

long sys_sync(void)
{
	sync_mappings(false);
	sync_filesystems();
	sync_mappings(true);
	return 0;
}

long sys_syncfs(unsigned long fd)
{
	struct fd f = fdget((unsigned int)fd);
	struct super_block *sb;
	long ret = 0;

	if (!f.file)
		return -EBADF;
	sb = f.file->f_inode->i_sb;
	if (sb->s_op && sb->s_op->sync)
		ret = sb->s_op->sync(sb);
	fdput(f);
	return ret;
}

#define SYNC_FILE_RANGE_WAIT_BEFORE 1ul
#define SYNC_FILE_RANGE_WRITE	    2ul
#define SYNC_FILE_RANGE_WAIT_AFTER  4ul

/* The pages [first, last] of a file; no metadata, and no flush of the disk's cache. */
static long sync_range(struct file *file, pgoff_t first, pgoff_t last, unsigned long flags)
{
	struct address_space *mapping = file->vm.f_mapping;
	int err = 0;

	if (!mapping)
		return 0;
	if (flags & SYNC_FILE_RANGE_WAIT_BEFORE)
		filemap_fdatawait_range(mapping, first, last);
	if (flags & SYNC_FILE_RANGE_WRITE)
		err = filemap_fdatawrite_range(mapping, first, last);
	if (flags & SYNC_FILE_RANGE_WAIT_AFTER)
		filemap_fdatawait_range(mapping, first, last);
	if (!err && flags & (SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER))
		err = file_check_and_advance_wb_err(&file->vm);
	return err;
}

static bool has_pages(const struct inode *inode)
{
	return S_ISREG(inode->i_mode) || S_ISBLK(inode->i_mode) || S_ISDIR(inode->i_mode) ||
	       S_ISLNK(inode->i_mode);
}

static long do_sync_file_range(struct file *file, u64 offset, u64 len, unsigned int flags)
{
	u64 end = offset + len;

	if (flags & ~7u || (s64)offset < 0 || (s64)end < 0 || end < offset)
		return -EINVAL;
	if (!has_pages(file->f_inode))
		return -ESPIPE;
	return sync_range(file, offset >> PAGE_SHIFT, len ? (end - 1) >> PAGE_SHIFT : ~0ul, flags);
}

long sys_sync_file_range(unsigned long fd, unsigned long offset, unsigned long len,
			 unsigned long flags)
{
	struct fd f = fdget((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = do_sync_file_range(f.file, offset, len, (unsigned int)flags);
	fdput(f);
	return ret;
}

long sys_fadvise64(unsigned long fd, unsigned long offset, unsigned long len, unsigned long advice)
{
	struct fd f = fdget((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	if (S_ISFIFO(f.file->f_inode->i_mode))
		ret = -ESPIPE;
	else if ((long)len < 0 || (u32)advice > FADV_NOREUSE)
		ret = -EINVAL;
	else
		ret = generic_fadvise(&f.file->vm, offset, len, (int)advice);
	fdput(f);
	return ret;
}

static long do_readahead(struct file *file, u64 offset, u64 count)
{
	if (!S_ISREG(file->f_inode->i_mode) && !S_ISBLK(file->f_inode->i_mode))
		return -EINVAL;
	if ((s64)count < 0)
		return -EINVAL;
	if (count)
		force_page_cache_readahead(&file->vm, offset >> PAGE_SHIFT,
					   ((offset + count - 1) >> PAGE_SHIFT) -
						   (offset >> PAGE_SHIFT) + 1);
	return 0;
}

long sys_readahead(unsigned long fd, unsigned long offset, unsigned long count)
{
	struct fd f = fdget((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = f.file->f_mode & FMODE_READ ? do_readahead(f.file, offset, count) : -EBADF;
	fdput(f);
	return ret;
}
