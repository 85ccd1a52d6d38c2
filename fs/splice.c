/* SPDX-License-Identifier: MIT */
/*
 * splice.c: data through pipes without a copy in user memory: splice, tee, vmsplice.
 *
 *	file -> pipe	the file's cached pages become slots of the pipe, shared; what is not
 *			in pages (sockets, terminals) is read into new ones
 *	pipe -> file	written from the slots' pages
 *	pipe -> pipe	slots move; a part of one is shared
 *	tee		slots are shared
 *	vmsplice	user pages become shared slots; from a pipe it is a read
 *
 * A shared page may still change under the reader: that is the documented price.
 *
 * Each call waits at most once for data and once for room, then does what it can and tells
 * how much. Locking: a pipe's mutex; two by address. A file is read and written without
 * it when that may wait for another task (input that is no regular file).
 * Failure: what was moved is reported; else the error, with nothing changed.
 */
#include <fs/iovec.h>
#include <fs/pipe.h>
#include <fs/syscalls.h>
#include <pagoda/bug.h>
#include <pagoda/highmem.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/uaccess.h>

#define SPLICE_F_NONBLOCK 2ul
#define SPLICE_F_ALL	  0xful
#define MAX_RW_COUNT	  0x7ffff000ul

static struct pipe *pipe_of_file(const struct file *file)
{
	return is_pipe(file) ? file->private_data : NULL;
}

/* ---- Waiting ------------------------------------------------------------------------------- */

/*
 * Until there may be data. Called and returns with the mutex. 0: there is; 1: no more comes;
 * -errno.
 */
static long wait_for_data(struct pipe *pipe, bool nonblock) MUST_HOLD(&pipe->mutex)
{
	lockdep_assert_held(&pipe->mutex);
	while (pipe_empty(pipe)) {
		long err;

		if (!pipe->writers)
			return 1;
		if (nonblock)
			return -EAGAIN;
		mutex_unlock(&pipe->mutex);
		err = wait_event_interruptible(&pipe->readable,
					       !pipe_empty(pipe) || !READ_ONCE(pipe->writers));
		mutex_lock(&pipe->mutex);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Until a slot is free. Likewise; SIGPIPE and -EPIPE without readers. has_data: the caller has
 * already taken what is to go there from its source, so that only its end ends the wait.
 */
static long wait_for_slot(struct pipe *pipe, bool nonblock, bool has_data) MUST_HOLD(&pipe->mutex)
{
	lockdep_assert_held(&pipe->mutex);
	for (;;) {
		long err;

		if (!pipe->readers) {
			fs_hook_signal_self(SIGPIPE);
			return -EPIPE;
		}
		if (!pipe_full(pipe))
			return 0;
		if (nonblock)
			return -EAGAIN;
		mutex_unlock(&pipe->mutex);
		err = has_data ? wait_event_killable(&pipe->writable,
						     !pipe_full(pipe) || !READ_ONCE(pipe->readers))
			       : wait_event_interruptible(&pipe->writable,
							  !pipe_full(pipe) ||
								  !READ_ONCE(pipe->readers));
		mutex_lock(&pipe->mutex);
		if (err)
			return err;
	}
}

/* mutex held, a slot is free; the page's reference is taken over. */
static void add_slot(struct pipe *pipe, struct page *page, unsigned int offset, size_t len,
		     bool shared)
{
	lockdep_assert_held(&pipe->mutex);
	VM_BUG_ON(pipe_full(pipe) || !len || offset + len > PAGE_SIZE);
	*pipe_slot_at(pipe, pipe->head) =
		(struct pipe_slot){page, offset, (unsigned int)len, false, shared};
	pipe->head++;
}

static void consume(struct pipe *pipe, size_t n)
{
	struct pipe_slot *slot = pipe_slot_at(pipe, pipe->tail);

	lockdep_assert_held(&pipe->mutex);
	VM_BUG_ON(pipe_empty(pipe) || n > slot->len);
	slot->offset += (unsigned int)n;
	slot->len -= (unsigned int)n;
	if (!slot->len)
		pipe_drop_slot(pipe);
}

/* ---- File to pipe ---------------------------------------------------------------------------- */

/* Bytes of a cached page from pos on, as a shared slot; 0: not cached, or the end. */
static long share_cached(struct file *in, u64 pos, struct pipe *pipe, size_t len)
{
	u64 size = READ_ONCE(in->f_inode->i_size);
	unsigned int offset = (unsigned int)(pos & (PAGE_SIZE - 1));
	struct page *page;

	lockdep_assert_held(&pipe->mutex);
	if (!in->vm.f_mapping || pos >= size)
		return 0;
	page = find_get_page(in->vm.f_mapping, (pgoff_t)(pos >> PAGE_SHIFT));
	if (!page)
		return 0;
	if (!PageUptodate(page)) {
		put_page(page);
		return 0;
	}
	len = min(len, (size_t)min((u64)(PAGE_SIZE - offset), size - pos));
	add_slot(pipe, page, offset, len, true);
	return (long)len;
}

/* The same by reading into a page of the pipe's own. Bytes, 0 at the end, -errno. */
static long read_to_slot(struct file *in, u64 *pos, struct pipe *pipe, size_t len)
{
	struct page *page = alloc_page(GFP_HIGHUSER);
	long n;

	if (!page)
		return -ENOMEM;
	n = in->f_op->read(in, iov_kernel_buf(kmap(page)), min(len, PAGE_SIZE), pos);
	kunmap(page);
	if (n > 0)
		add_slot(pipe, page, 0, (size_t)n, false);
	else
		put_page(page);
	return n;
}

static long fill_from_file(struct file *in, u64 *pos, struct pipe *pipe, size_t len)
	MUST_HOLD(&pipe->mutex)
{
	long done = 0, n = 0;

	while ((size_t)done < len && !pipe_full(pipe)) {
		n = share_cached(in, *pos, pipe, len - (size_t)done);
		if (n)
			*pos += (u64)n;
		else
			n = read_to_slot(in, pos, pipe, len - (size_t)done);
		if (n <= 0)
			break;
		done += n;
	}
	return done ? done : n;
}

/* Input that may wait for another task, without the mutex: one page of it. */
static long fill_from_stream(struct file *in, u64 *pos, struct pipe *pipe, size_t len)
	MUST_HOLD(&pipe->mutex)
{
	struct page *page = alloc_page(GFP_HIGHUSER);
	long n, err = 0;

	if (!page)
		return -ENOMEM;
	mutex_unlock(&pipe->mutex);
	n = in->f_op->read(in, iov_kernel_buf(kmap(page)), min(len, PAGE_SIZE), pos);
	kunmap(page);
	mutex_lock(&pipe->mutex);
	if (n > 0)
		err = wait_for_slot(pipe, false, true);
	if (n > 0 && !err) {
		add_slot(pipe, page, 0, (size_t)n, false);
		return n;
	}
	put_page(page);
	return n > 0 ? err : n;
}

static long file_to_pipe(struct file *in, u64 *pos, struct pipe *pipe, size_t len, bool nonblock)
{
	long ret;

	if (!in->f_op->splice_in)
		return -EINVAL;
	mutex_lock(&pipe->mutex);
	ret = wait_for_slot(pipe, nonblock, false);
	if (!ret)
		ret = S_ISREG(in->f_inode->i_mode) ? fill_from_file(in, pos, pipe, len)
						   : fill_from_stream(in, pos, pipe, len);
	if (!pipe_empty(pipe))
		wake_up(&pipe->readable);
	mutex_unlock(&pipe->mutex);
	return ret;
}

/* ---- Pipe to file ---------------------------------------------------------------------------- */

static long write_slots(struct pipe *pipe, struct file *out, u64 *pos, size_t len)
{
	long done = 0, n = 0;

	while ((size_t)done < len && !pipe_empty(pipe)) {
		struct pipe_slot *slot = pipe_slot_at(pipe, pipe->tail);
		size_t wanted = min((size_t)slot->len, len - (size_t)done);
		char *from = kmap(slot->page);

		n = out->f_op->write(out, iov_kernel_buf(from + slot->offset), wanted, pos);
		kunmap(slot->page);
		if (n <= 0)
			break;
		consume(pipe, (size_t)n);
		done += n;
		if ((size_t)n < wanted)
			break;
	}
	return done ? done : n;
}

static long pipe_to_file(struct pipe *pipe, struct file *out, u64 *pos, size_t len, bool nonblock)
{
	long ret, done = 0;

	if (!out->f_op->splice_out)
		return -EINVAL;
	mutex_lock(&pipe->mutex);
	do {
		ret = done ? (pipe_empty(pipe) ? 1 : 0) : wait_for_data(pipe, nonblock);
		if (ret)
			break;
		ret = write_slots(pipe, out, pos, len - (size_t)done);
		done += max(ret, 0l);
	} while (ret > 0 && (size_t)done < len);
	if (!pipe_full(pipe))
		wake_up(&pipe->writable);
	mutex_unlock(&pipe->mutex);
	return done ? done : min(ret, 0l);
}

/* ---- Pipe to pipe ---------------------------------------------------------------------------- */

static void lock_both(struct pipe *a, struct pipe *b) ACQUIRES(&a->mutex, &b->mutex)
	NO_LOCK_ANALYSIS("in the order of addresses")
{
	mutex_lock(&(a < b ? a : b)->mutex);
	mutex_lock(&(a < b ? b : a)->mutex);
}

static void unlock_both(struct pipe *a, struct pipe *b) RELEASES(&a->mutex, &b->mutex)
{
	mutex_unlock(&a->mutex);
	mutex_unlock(&b->mutex);
}

/* Wait for data in one and room in the other, one after the other. 0, 1: the end, or -errno. */
static long wait_for_both(struct pipe *in, struct pipe *out, bool nonblock)
{
	long ret;

	mutex_lock(&in->mutex);
	ret = wait_for_data(in, nonblock);
	mutex_unlock(&in->mutex);
	if (ret < 0)
		return ret;
	mutex_lock(&out->mutex);
	ret = wait_for_slot(out, nonblock, false);
	mutex_unlock(&out->mutex);
	return ret;
}

/* Share n bytes of the slot with out, which has room. Both locked. */
static void share_slot(struct pipe_slot *slot, struct pipe *out, size_t n)
{
	get_page(slot->page);
	slot->shared = true;
	add_slot(out, slot->page, slot->offset, n, true);
	pipe_slot_at(out, out->head - 1)->packet = slot->packet && n == slot->len;
}

static size_t move_slots(struct pipe *in, struct pipe *out, size_t len)
{
	size_t done = 0;

	while (done < len && !pipe_empty(in) && !pipe_full(out)) {
		struct pipe_slot *slot = pipe_slot_at(in, in->tail);
		size_t n = min((size_t)slot->len, len - done);

		if (n == slot->len) {
			add_slot(out, slot->page, slot->offset, n, slot->shared);
			pipe_slot_at(out, out->head - 1)->packet = slot->packet;
			slot->page = NULL;
			in->tail++;
		} else {
			share_slot(slot, out, n);
			consume(in, n);
		}
		done += n;
	}
	return done;
}

static size_t share_slots(struct pipe *in, struct pipe *out, size_t len)
{
	size_t done = 0;

	for (unsigned int i = in->tail; done < len && i != in->head && !pipe_full(out); i++) {
		struct pipe_slot *slot = pipe_slot_at(in, i);
		size_t n = min((size_t)slot->len, len - done);

		share_slot(slot, out, n);
		done += n;
	}
	return done;
}

/* Until something was moved, the input's end, or an error. */
static long pipe_to_pipe(struct pipe *in, struct pipe *out, size_t len, bool nonblock,
			 size_t (*move)(struct pipe *in, struct pipe *out, size_t len))
{
	size_t done;
	bool ended;

	do {
		long err = wait_for_both(in, out, nonblock);

		if (err)
			return err;
		lock_both(in, out);
		done = out->readers ? move(in, out, len) : 0;
		ended = !done && pipe_empty(in) && !in->writers;
		unlock_both(in, out);
	} while (!done && !ended);
	wake_up(&out->readable);
	wake_up(&in->writable);
	return (long)done;
}

/* ---- splice and tee -------------------------------------------------------------------------- */

static bool nonblocking(const struct file *file, unsigned long flags)
{
	return (flags & SPLICE_F_NONBLOCK) || (file->f_flags & O_NONBLOCK);
}

/* One end of a splice: a file, and an offset in user memory or 0. */
struct splice_end {
	struct fd f;
	struct pipe *pipe;
	unsigned long user;
	u64 pos;
};

static u64 *position(struct splice_end *end)
{
	return end->user ? &end->pos : &end->f.file->f_pos;
}

static long check_offsets(struct splice_end *in, struct splice_end *out)
{
	if ((in->pipe && in->user) || (out->pipe && out->user))
		return -ESPIPE;
	if ((out->user && get_user(out->pos, out->user)) ||
	    (in->user && get_user(in->pos, in->user)))
		return -EFAULT;
	return 0;
}

/* May this end, no pipe, be used at its position for len bytes? */
static long check_file(struct splice_end *end, size_t len)
{
	bool stream = end->f.file->f_mode & FMODE_STREAM;
	u64 pos;

	if (end->user && stream)
		return -EINVAL;
	pos = stream ? 0 : *position(end);
	return (s64)len < 0 || (s64)pos < 0 || (s64)(pos + len) < 0 ? -EINVAL : 0;
}

long splice_to_pipe(struct file *in, u64 *pos, struct file *out, size_t len)
{
	return file_to_pipe(in, pos, pipe_of_file(out), len, nonblocking(out, 0));
}

static long splice_ends(struct splice_end *in, struct splice_end *out, size_t len,
			unsigned long flags)
{
	struct file *from = in->f.file, *to = out->f.file;
	long err;

	if (!(from->f_mode & FMODE_READ) || !(to->f_mode & FMODE_WRITE))
		return -EBADF;
	if (in->pipe && out->pipe) {
		if (in->pipe == out->pipe)
			return -EINVAL;
		return pipe_to_pipe(in->pipe, out->pipe, min(len, MAX_RW_COUNT),
				    nonblocking(from, flags) || nonblocking(to, 0), move_slots);
	}
	if (in->pipe) {
		err = to->f_flags & O_APPEND ? -EINVAL : check_file(out, len);
		return err ? err
			   : pipe_to_file(in->pipe, to, position(out), min(len, MAX_RW_COUNT),
					  nonblocking(from, flags));
	}
	if (!out->pipe)
		return -EINVAL;
	err = check_file(in, len);
	return err ? err
		   : file_to_pipe(from, position(in), out->pipe, min(len, MAX_RW_COUNT),
				  nonblocking(to, flags));
}

static long do_splice(struct splice_end *in, struct splice_end *out, size_t len,
		      unsigned long flags)
{
	long ret;

	in->pipe = pipe_of_file(in->f.file);
	out->pipe = pipe_of_file(out->f.file);
	ret = check_offsets(in, out);
	if (!ret)
		ret = splice_ends(in, out, len, flags);
	if (ret >= 0 && ((out->user && put_user(out->pos, out->user)) ||
			 (in->user && put_user(in->pos, in->user))))
		ret = -EFAULT;
	return ret;
}

long sys_splice(unsigned long in_fd, unsigned long in_off, unsigned long out_fd,
		unsigned long out_off, unsigned long len, unsigned long flags)
{
	struct splice_end in = {.user = in_off}, out = {.user = out_off};
	long ret = -EBADF;

	if (!len)
		return 0;
	if ((unsigned int)flags & ~SPLICE_F_ALL)
		return -EINVAL;
	in.f = fdget((unsigned int)in_fd);
	if (!in.f.file)
		return -EBADF;
	out.f = fdget((unsigned int)out_fd);
	if (out.f.file) {
		ret = do_splice(&in, &out, len, flags);
		fdput(out.f);
	}
	fdput(in.f);
	return ret;
}

static long do_tee(struct file *in, struct file *out, size_t len, unsigned long flags)
{
	struct pipe *from = pipe_of_file(in), *to = pipe_of_file(out);

	if (!(in->f_mode & FMODE_READ) || !(out->f_mode & FMODE_WRITE))
		return -EBADF;
	if (!from || !to || from == to)
		return -EINVAL;
	return pipe_to_pipe(from, to, min(len, MAX_RW_COUNT),
			    nonblocking(in, flags) || nonblocking(out, 0), share_slots);
}

long sys_tee(unsigned long in_fd, unsigned long out_fd, unsigned long len, unsigned long flags)
{
	struct fd in, out;
	long ret = -EBADF;

	if ((unsigned int)flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if (!len)
		return 0;
	in = fdget((unsigned int)in_fd);
	if (!in.file)
		return -EBADF;
	out = fdget((unsigned int)out_fd);
	if (out.file) {
		ret = do_tee(in.file, out.file, len, flags);
		fdput(out);
	}
	fdput(in);
	return ret;
}

/* ---- vmsplice -------------------------------------------------------------------------------- */

/* Share user memory [addr, addr + len) as far as there are slots. Bytes, or -EFAULT for none. */
static long share_user(struct pipe *pipe, unsigned long addr, size_t len)
{
	size_t done = 0;

	while (done < len && !pipe_full(pipe)) {
		unsigned long at = addr + done;
		size_t offset = at & (PAGE_SIZE - 1), n = min(PAGE_SIZE - offset, len - done);
		struct page *page = get_user_page(current_vm->mm, at, false, false);

		if (!page)
			return done ? (long)done : -EFAULT;
		add_slot(pipe, page, (unsigned int)offset, n, true);
		done += n;
	}
	return (long)done;
}

static long user_to_pipe(struct pipe *pipe, const struct iovec *iov, unsigned long nr,
			 bool nonblock)
{
	long ret, done = 0;

	mutex_lock(&pipe->mutex);
	ret = wait_for_slot(pipe, nonblock, false);
	for (unsigned long i = 0; !ret && i < nr; i++) {
		long n = share_user(pipe, iov[i].base, iov[i].len);

		if (n < 0) {
			ret = n;
			break;
		}
		done += n;
		if ((size_t)n < iov[i].len)
			break;
	}
	if (done)
		wake_up(&pipe->readable);
	mutex_unlock(&pipe->mutex);
	return done ? done : ret;
}

static long pipe_to_user(struct file *file, const struct iovec *iov, unsigned long nr,
			 bool nonblock)
{
	struct pipe *pipe = pipe_of_file(file);
	long ret, done = 0;
	u64 pos = 0;

	mutex_lock(&pipe->mutex);
	ret = wait_for_data(pipe, nonblock);
	mutex_unlock(&pipe->mutex);
	if (ret)
		return min(ret, 0l);
	for (unsigned long i = 0; i < nr; i++) {
		if (!iov[i].len)
			continue;
		if (done && pipe_empty(pipe))
			break;
		ret = file->f_op->read(file, iov_user_buf(iov[i].base), iov[i].len, &pos);
		if (ret <= 0)
			break;
		done += ret;
		if ((size_t)ret < iov[i].len)
			break;
	}
	return done ? done : ret;
}

static long vmsplice_file(struct file *file, unsigned long user, unsigned long nr,
			  unsigned long flags)
{
	bool to_pipe = file->f_mode & FMODE_WRITE;
	struct iovec fast[IOV_FAST], *iov;
	size_t total = 0;
	long ret;

	if (!(file->f_mode & (FMODE_READ | FMODE_WRITE)))
		return -EBADF;
	iov = get_iovec(user, nr, fast, false);
	if (IS_ERR(iov))
		return PTR_ERR(iov);
	for (unsigned long i = 0; i < nr; i++)
		total += iov[i].len;
	if (!total)
		ret = 0;
	else if (!pipe_of_file(file))
		ret = -EBADF;
	else if (to_pipe)
		ret = user_to_pipe(pipe_of_file(file), iov, nr, flags & SPLICE_F_NONBLOCK);
	else
		/* O_NONBLOCK does not count */
		ret = pipe_to_user(file, iov, nr, flags & SPLICE_F_NONBLOCK);
	put_iovec(iov, fast);
	return ret;
}

long sys_vmsplice(unsigned long fd, unsigned long user, unsigned long nr, unsigned long flags)
{
	struct fd f;
	long ret;

	if ((unsigned int)flags & ~SPLICE_F_ALL)
		return -EINVAL;
	f = fdget((unsigned int)fd);
	if (!f.file)
		return -EBADF;
	ret = vmsplice_file(f.file, user, nr, flags);
	fdput(f);
	return ret;
}
