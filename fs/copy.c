/* SPDX-License-Identifier: MIT */
/*
 * copy.c: from file to file within the kernel: sendfile and copy_file_range.
 *
 * sendfile reads a file that has a position into a page and writes that; to a pipe it is what
 * splice does, so that anything which can be spliced from will do. copy_file_range takes two
 * regular files of one file system.
 *
 * The order of checks is Linux's: first what is read, then what is written.
 */
#include <fs/pipe.h>
#include <fs/syscalls.h>
#include <pagoda/page_alloc.h>
#include <pagoda/uaccess.h>

#define MAX_RW_COUNT 0x7ffff000ul

/* Can count bytes lie at pos? (rw_verify_area) */
static long check_area(u64 pos, size_t count)
{
	return (s64)count < 0 || (s64)pos < 0 || (s64)(pos + count) < 0 ? -EINVAL : 0;
}

/*
 * Up to count bytes from in to out through a page. Done, or -errno if nothing was. *in_pos ends
 * behind what was written.
 */
static long copy_bytes(struct file *in, u64 *in_pos, struct file *out, u64 *out_pos, size_t count)
{
	void *page = (void *)__get_free_page(GFP_KERNEL);
	long done = 0, ret = 0;

	if (!page)
		return -ENOMEM;
	while (count) {
		u64 start = *in_pos;
		long n = in->f_op->splice_in ? in->f_op->read(in, iov_kernel_buf(page),
							      min(count, PAGE_SIZE), in_pos)
					     : -EINVAL;

		ret = n;
		if (n <= 0)
			break;
		ret = out->f_op->splice_out
			      ? out->f_op->write(out, iov_kernel_buf(page), (size_t)n, out_pos)
			      : -EINVAL;
		if (ret < n)
			*in_pos = start + (u64)max(ret, 0l);
		if (ret <= 0)
			break;
		done += ret;
		count -= (size_t)ret;
		if (ret < n || (fs_hook_signal_pending() && done))
			break;
	}
	free_page((unsigned long)page);
	ret = done ? done : ret;
	count_task_call(&fs_current()->io, ret, false);
	count_task_call(&fs_current()->io, ret, true);
	return ret;
}

/* ---- sendfile -------------------------------------------------------------------------------- */

static long check_source(const struct file *in, bool has_offset, u64 pos, size_t count)
{
	if (!(in->f_mode & FMODE_READ))
		return -EBADF;
	if (has_offset && (in->f_mode & FMODE_STREAM))
		return -ESPIPE;
	return check_area(pos, count);
}

static long send_to_file(struct file *in, u64 *pos, struct file *out, size_t count)
{
	long err = check_area(out->f_mode & FMODE_STREAM ? 0 : out->f_pos, count);

	if (err)
		return err;
	/* what is read and cannot be written would be lost */
	if ((out->f_flags & O_APPEND) || !in->f_op->llseek)
		return -EINVAL;
	return copy_bytes(in, pos, out, &out->f_pos, count);
}

static long do_sendfile(struct file *in, u64 *pos, bool has_offset, unsigned long out_fd,
			size_t count)
{
	long ret = check_source(in, has_offset, *pos, count);
	struct fd out;

	if (ret)
		return ret;
	out = fdget((unsigned int)out_fd);
	if (!out.file)
		return -EBADF;
	count = min(count, MAX_RW_COUNT);
	if (!(out.file->f_mode & FMODE_WRITE))
		ret = -EBADF;
	else if (is_pipe(out.file))
		ret = splice_to_pipe(in, pos, out.file, count);
	else
		ret = send_to_file(in, pos, out.file, count);
	fdput(out);
	return ret;
}

long sys_sendfile(unsigned long out_fd, unsigned long in_fd, unsigned long offset,
		  unsigned long count)
{
	struct fd in;
	u64 pos = 0;
	long ret;

	if (offset && get_user(pos, offset))
		return -EFAULT;
	in = fdget((unsigned int)in_fd);
	if (!in.file)
		return -EBADF;
	if (!offset && !(in.file->f_mode & FMODE_STREAM))
		pos = in.file->f_pos;
	ret = do_sendfile(in.file, &pos, offset, out_fd, count);
	if (!offset && ret > 0 && !(in.file->f_mode & FMODE_STREAM))
		in.file->f_pos = pos;
	fdput(in);
	return offset && ret >= 0 && put_user(pos, offset) ? -EFAULT : ret;
}

/* ---- copy_file_range ------------------------------------------------------------------------- */

static long check_copy_files(const struct file *in, const struct file *out)
{
	if (S_ISDIR(in->f_inode->i_mode) || S_ISDIR(out->f_inode->i_mode))
		return -EISDIR;
	if (!S_ISREG(in->f_inode->i_mode) || !S_ISREG(out->f_inode->i_mode))
		return -EINVAL;
	if (!(in->f_mode & FMODE_READ) || !(out->f_mode & FMODE_WRITE) || (out->f_flags & O_APPEND))
		return -EBADF;
	if (in->f_inode->i_sb != out->f_inode->i_sb)
		return -EXDEV;
	return in->f_inode->i_swapfile || out->f_inode->i_swapfile ? -ETXTBSY : 0;
}

/* Of count bytes those that the source has, and that the other file may have. */
static long limit_copy(const struct file *in, u64 in_pos, const struct file *out, u64 out_pos,
		       size_t *count)
{
	u64 size = READ_ONCE(in->f_inode->i_size);

	if (in_pos + *count < in_pos || out_pos + *count < out_pos)
		return -EOVERFLOW;
	*count = in_pos >= size ? 0 : min_t(u64, *count, size - in_pos);
	return inode_limit_write(out->f_inode, out_pos, count);
}

static bool overlap(const struct file *in, u64 in_pos, const struct file *out, u64 out_pos,
		    size_t count)
{
	return in->f_inode == out->f_inode && in_pos < out_pos + count && out_pos < in_pos + count;
}

static long copy_range(struct file *in, u64 *in_pos, struct file *out, u64 *out_pos, size_t count)
{
	long err = check_copy_files(in, out);

	if (!err)
		err = limit_copy(in, *in_pos, out, *out_pos, &count);
	if (!err && overlap(in, *in_pos, out, *out_pos, count))
		err = -EINVAL;
	if (!err)
		err = check_area(*in_pos, count);
	if (!err)
		err = check_area(*out_pos, count);
	if (err || !count)
		return err;
	return copy_bytes(in, in_pos, out, out_pos, min(count, MAX_RW_COUNT));
}

static long copy_between(struct file *in, unsigned long in_off, struct file *out,
			 unsigned long out_off, size_t count, unsigned long flags)
{
	u64 in_pos = in->f_pos, out_pos = out->f_pos;
	long ret;

	if ((in_off && get_user(in_pos, in_off)) || (out_off && get_user(out_pos, out_off)))
		return -EFAULT;
	if ((u32)flags)
		return -EINVAL;
	ret = copy_range(in, &in_pos, out, &out_pos, count);
	if (ret <= 0)
		return ret;
	if (!in_off)
		in->f_pos = in_pos;
	if (!out_off)
		out->f_pos = out_pos;
	return (in_off && put_user(in_pos, in_off)) || (out_off && put_user(out_pos, out_off))
		       ? -EFAULT
		       : ret;
}

long sys_copy_file_range(unsigned long in_fd, unsigned long in_off, unsigned long out_fd,
			 unsigned long out_off, unsigned long count, unsigned long flags)
{
	struct fd in = fdget((unsigned int)in_fd), out;
	long ret = -EBADF;

	if (!in.file)
		return -EBADF;
	out = fdget((unsigned int)out_fd);
	if (out.file) {
		ret = copy_between(in.file, in_off, out.file, out_off, count, flags);
		fdput(out);
	}
	fdput(in);
	return ret;
}
