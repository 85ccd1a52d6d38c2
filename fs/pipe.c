/* SPDX-License-Identifier: MIT */
/*
 * pipe.c: pipes and fifos.
 *
 * A pipe is a ring of up to nr_slots buffers of a page each (16 at first: 64 KiB):
 *
 *	tail			  head
 *	 v			   v
 *	[####][####][##  ][    ]...	each slot: page, offset, len
 *
 * A reader empties slots at the tail, a writer fills the page of the newest slot while all
 * of its piece fits, and then new slots. A writer of up to PIPE_BUF bytes waits until a
 * slot is free (or the newest has room), so its bytes stay together.
 *
 * With O_DIRECT each piece of up to a page is a packet: it has slots of its own, and a read takes
 * one packet, losing what it has no room for.
 *
 * Pages come when needed. An emptied page is kept as spare, so that a pipe in steady use
 * allocates nothing. Pages that splice.c has put in belong to others as well: they are not
 * appended to and not kept.
 *
 * Locking: pipe->mutex for everything; copies to and from user space happen under it (a
 * fault takes mmap_lock, which is never held around a pipe operation). Two wait queues,
 * one for readers and one for writers, are woken when the state they wait for may be there.
 * Ends are counted; the one who closes the last frees the pipe (users_lock: who opens a fifo
 * meanwhile makes a new one).
 *
 * Slots are counted for the user that made the pipe, filled or not. Above pipe-user-pages-soft the
 * user's new pipes have two slots, and none can be enlarged; above pipe-user-pages-hard the user
 * gets no more pipes.
 *
 * Errors: no reader: SIGPIPE and EPIPE; no writer: end of file; O_NONBLOCK: EAGAIN.
 */
#include <fs/pipe.h>
#include <fs/syscalls.h>
#include <fs/user.h>
#include <pagoda/abi/ioctl.h>
#include <pagoda/abi/fcntl.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/page_alloc.h>
#include <pagoda/highmem.h>
#include <pagoda/uaccess.h>
#include <pagoda/bug.h>

#define PIPE_DEFAULT_SLOTS 16u
#define PIPE_MIN_SLOTS	   2u /* of a user with too many pipes */
#define PIPEFS_MAGIC	   0x50495045u

int pipe_max_size = SZ_1M, pipe_user_pages_soft = PIPE_DEFAULT_SLOTS * 1024, pipe_user_pages_hard;

static struct vfsmount *pipe_mount;
static spinlock_t users_lock = SPIN_LOCK_INIT(RANK_NONE);

static unsigned int used_slots(const struct pipe *pipe)
{
	return pipe->head - pipe->tail;
}

/* ---- Life ------------------------------------------------------------------------------------ */

/* Count new slots for the user in place of old ones. How many its pipes have then. */
static unsigned long account_slots(struct user_struct *user, unsigned int old, unsigned int new)
{
	return (unsigned long)atomic_long_add_return(&user->pipe_pages, (long)new - (long)old);
}

static bool above(int limit, unsigned long slots)
{
	return limit && slots > (unsigned int)limit;
}

static bool may_exceed(void)
{
	return fs_capable(CAP_SYS_RESOURCE) || fs_capable(CAP_SYS_ADMIN);
}

/*
 * How many slots a new pipe of the caller gets, and are counted: those of a user with many pipes
 * are small (pipe-user-pages-soft). 0: the user has too many (pipe-user-pages-hard).
 */
static unsigned int take_slots(struct user_struct *user)
{
	unsigned int slots = PIPE_DEFAULT_SLOTS;
	unsigned long all;

	if (slots * PAGE_SIZE > (unsigned int)pipe_max_size && !fs_capable(CAP_SYS_RESOURCE))
		slots = (unsigned int)pipe_max_size / PAGE_SIZE;
	all = account_slots(user, 0, slots);
	if (above(pipe_user_pages_soft, all) && !may_exceed()) {
		all = account_slots(user, slots, PIPE_MIN_SLOTS);
		slots = PIPE_MIN_SLOTS;
	}
	if (above(pipe_user_pages_hard, all) && !may_exceed()) {
		(void)account_slots(user, slots, 0);
		return 0;
	}
	return slots;
}

static void free_pipe(struct pipe *pipe)
{
	VM_BUG_ON(pipe->users || pipe->head != pipe->tail || pipe->spare);
	(void)account_slots(pipe->user, pipe->nr_slots, 0);
	put_user_struct(pipe->user);
	kfree(pipe->slots);
	kfree(pipe);
}

/* NULL: no memory, or too many pipes of this user. */
static struct pipe *new_pipe(void)
{
	struct pipe *pipe = kzalloc(sizeof(*pipe), GFP_KERNEL);

	if (!pipe)
		return NULL;
	pipe->user = get_user_struct(current_user());
	pipe->nr_slots = take_slots(pipe->user);
	if (pipe->nr_slots)
		pipe->slots = kcalloc(pipe->nr_slots, sizeof(*pipe->slots), GFP_KERNEL);
	if (!pipe->slots) {
		free_pipe(pipe);
		return NULL;
	}
	mutex_init(&pipe->mutex, RANK_NONE);
	init_waitqueue_head(&pipe->readable);
	init_waitqueue_head(&pipe->writable);
	init_waitqueue_head(&pipe->openers);
	return pipe;
}

static void drop_data(struct pipe *pipe)
{
	VM_BUG_ON(pipe->readers || pipe->writers);
	VM_BUG_ON(pipe->head - pipe->tail > pipe->nr_slots);
	for (; pipe->tail != pipe->head; pipe->tail++)
		put_page(pipe_slot_at(pipe, pipe->tail)->page);
	if (pipe->spare)
		put_page(pipe->spare);
	pipe->spare = NULL;
}

void pipe_free_inode(struct inode *inode)
{
	struct pipe *pipe = inode->i_pipe;

	drop_data(pipe);
	free_pipe(pipe);
	inode->i_pipe = NULL;
}

static struct pipe *pipe_of(const struct file *file)
{
	return file->private_data;
}

/* ---- Reading --------------------------------------------------------------------------------- */

void pipe_drop_slot(struct pipe *pipe)
{
	struct pipe_slot *slot = pipe_slot_at(pipe, pipe->tail);

	lockdep_assert_held(&pipe->mutex);
	VM_BUG_ON(pipe_empty(pipe) || !slot->page);
	if (!pipe->spare && !slot->shared)
		pipe->spare = slot->page;
	else
		put_page(slot->page);
	slot->page = NULL;
	pipe->tail++;
}

/*
 * Move what there is, up to count. Bytes, or -EFAULT if not even one piece. A piece that
 * could not be copied whole stays, as on Linux: none of its bytes counts as read.
 */
static long take_bytes(struct pipe *pipe, struct iov_user buf, size_t count)
{
	size_t done = 0;

	lockdep_assert_held(&pipe->mutex);
	while (done < count && !pipe_empty(pipe)) {
		struct pipe_slot *slot = pipe_slot_at(pipe, pipe->tail);
		size_t n = min_t(size_t, slot->len, count - done), left;
		char *from = kmap(slot->page);

		left = iov_put(buf, done, from + slot->offset, n);
		kunmap(slot->page);
		if (left)
			return done ? (long)done : -EFAULT;
		done += n;
		slot->offset += (unsigned int)n;
		slot->len -= (unsigned int)n;
		if (slot->packet) {
			pipe_drop_slot(pipe);
			break;
		}
		if (!slot->len)
			pipe_drop_slot(pipe);
	}
	return (long)done;
}

static long pipe_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct pipe *pipe = pipe_of(file);
	long ret;

	(void)pos;
	if (!count)
		return 0;
	mutex_lock(&pipe->mutex);
	while (pipe_empty(pipe)) {
		ret = 0;
		if (!pipe->writers)
			goto out;
		ret = -EAGAIN;
		if (file->f_flags & O_NONBLOCK)
			goto out;
		mutex_unlock(&pipe->mutex);
		ret = wait_event_interruptible(&pipe->readable,
					       !pipe_empty(pipe) || !READ_ONCE(pipe->writers));
		if (ret)
			return ret;
		mutex_lock(&pipe->mutex);
	}
	bool was_full = pipe_full(pipe);

	ret = take_bytes(pipe, buf, count);
	if (was_full && !pipe_full(pipe))
		wake_up(&pipe->writable);
	if (!pipe_empty(pipe))
		wake_up_events(&pipe->readable, WAKE_TASKS); /* another reader may have some */
out:
	mutex_unlock(&pipe->mutex);
	return ret;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/*
 * Append count bytes to the newest slot's page if all fit there. Bytes, 0: do not fit, or -EFAULT.
 */
static long append_bytes(struct pipe *pipe, struct iov_user buf, size_t done, size_t count)
{
	struct pipe_slot *slot;
	size_t end;
	char *to;

	lockdep_assert_held(&pipe->mutex);
	VM_BUG_ON(!count || count >= PAGE_SIZE);
	if (pipe_empty(pipe))
		return 0;
	slot = pipe_slot_at(pipe, pipe->head - 1);
	end = slot->offset + slot->len;
	if (slot->shared || slot->packet || end + count > PAGE_SIZE)
		return 0;
	to = kmap(slot->page);
	bool bad = iov_get(buf, done, to + end, count);

	kunmap(slot->page);
	if (bad)
		return -EFAULT;
	slot->len += (unsigned int)count;
	return (long)count;
}

static struct page *page_for_slot(struct pipe *pipe)
{
	struct page *page = pipe->spare;

	lockdep_assert_held(&pipe->mutex);
	pipe->spare = NULL;
	return page ? page : alloc_page(GFP_HIGHUSER);
}

/* Fill one new slot (there is a free one) with up to a page. Bytes or -errno. */
static long fill_slot(struct pipe *pipe, struct iov_user buf, size_t done, size_t count,
		      bool packet)
{
	struct page *page = page_for_slot(pipe);
	size_t n = min(count, PAGE_SIZE), left;
	char *to;

	lockdep_assert_held(&pipe->mutex);
	VM_BUG_ON(pipe_full(pipe) || !count);
	if (!page)
		return -ENOMEM;
	to = kmap(page);
	left = iov_get(buf, done, to, n);
	kunmap(page);
	if (left) {
		pipe->spare = page;
		return -EFAULT;
	}
	*pipe_slot_at(pipe, pipe->head) =
		(struct pipe_slot){page, 0, (unsigned int)n, packet, false};
	pipe->head++;
	return (long)n;
}

/* Wait, without the mutex, until there may be room. 0, -EAGAIN, -ERESTARTSYS. */
static long wait_for_room(struct pipe *pipe, const struct file *file) MUST_HOLD(&pipe->mutex)
{
	long ret;

	lockdep_assert_held(&pipe->mutex);
	if (file->f_flags & O_NONBLOCK)
		return -EAGAIN;
	wake_up(&pipe->readable);
	mutex_unlock(&pipe->mutex);
	ret = wait_event_interruptible(&pipe->writable,
				       !pipe_full(pipe) || !READ_ONCE(pipe->readers));
	mutex_lock(&pipe->mutex);
	return ret;
}

/* Bytes of the tail end that do not fill a page go behind the last piece, if they fit. */
static long put_bytes(struct pipe *pipe, const struct file *file, struct iov_user buf, size_t count)
	MUST_HOLD(&pipe->mutex)
{
	bool packet = file->f_flags & O_DIRECT;
	size_t done = 0, odd = count & (PAGE_SIZE - 1);
	long ret = odd && !packet ? append_bytes(pipe, buf, 0, odd) : 0;

	lockdep_assert_held(&pipe->mutex);
	if (ret < 0)
		return ret;
	done += (size_t)ret;
	while (done < count) {
		if (!pipe->readers) {
			fs_hook_signal_self(SIGPIPE);
			ret = -EPIPE;
		} else if (pipe_full(pipe)) {
			ret = wait_for_room(pipe, file);
		} else {
			ret = fill_slot(pipe, buf, done, count - done, packet);
		}
		if (ret < 0)
			return done ? (long)done : ret;
		done += (size_t)ret;
	}
	return (long)done;
}

static long pipe_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct pipe *pipe = pipe_of(file);
	long ret = -EPIPE;

	(void)pos;
	if (!count)
		return 0;
	mutex_lock(&pipe->mutex);
	if (!pipe->readers)
		fs_hook_signal_self(SIGPIPE);
	else
		ret = put_bytes(pipe, file, buf, count);
	if (!pipe_empty(pipe))
		wake_up(&pipe->readable);
	if (!pipe_full(pipe))
		wake_up_events(&pipe->writable, WAKE_TASKS);
	mutex_unlock(&pipe->mutex);
	return ret;
}

/* ---- Polling, control ------------------------------------------------------------------------ */

static unsigned int pipe_poll(struct file *file, struct poll_table *pt)
{
	struct pipe *pipe = pipe_of(file);
	unsigned int mask = 0;

	if (file->f_mode & FMODE_READ)
		poll_wait(&pipe->readable, pt);
	if (file->f_mode & FMODE_WRITE)
		poll_wait(&pipe->writable, pt);
	if (file->f_mode & FMODE_READ) {
		if (!pipe_empty(pipe))
			mask |= POLLIN | POLLRDNORM;
		/* A fifo hangs up only after it has had a writer since this open. */
		if (!READ_ONCE(pipe->writers) && pipe->writer_opens != file->f_pos)
			mask |= POLLHUP;
	}
	if (file->f_mode & FMODE_WRITE) {
		if (!pipe_full(pipe))
			mask |= POLLOUT | POLLWRNORM;
		if (!READ_ONCE(pipe->readers))
			mask |= POLLERR;
	}
	return mask;
}

static long pipe_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct pipe *pipe = pipe_of(file);
	int bytes = 0;

	if (cmd != FIONREAD)
		return -ENOTTY;
	mutex_lock(&pipe->mutex);
	for (unsigned int n = pipe->tail; n != pipe->head; n++)
		bytes += (int)pipe_slot_at(pipe, n)->len;
	mutex_unlock(&pipe->mutex);
	return put_user(bytes, arg);
}

static unsigned int round_up_pow2(unsigned int n)
{
	unsigned int p = 1;

	while (p < n)
		p *= 2;
	return p;
}

/* Bytes of a pipe that is to hold size: a power of two of pages; 0: too large. */
static unsigned int round_size(unsigned long size)
{
	if (size > 0x80000000ul)
		return 0;
	return round_up_pow2(max((unsigned int)size, (unsigned int)PAGE_SIZE));
}

void pipe_max_size_changed(void)
{
	pipe_max_size = (int)min(round_size((unsigned long)pipe_max_size), 1u << 30);
}

/*
 * May the caller give the pipe so many slots? all: slots of the user's pipes, the new ones counted.
 * 0 or -EPERM.
 */
static int check_growth(const struct pipe *pipe, unsigned int slots, unsigned long all)
{
	if (slots <= pipe->nr_slots)
		return 0;
	if (slots > (unsigned int)pipe_max_size / PAGE_SIZE && !fs_capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if ((above(pipe_user_pages_hard, all) || above(pipe_user_pages_soft, all)) && !may_exceed())
		return -EPERM;
	return 0;
}

static int replace_slots(struct pipe *pipe, unsigned int slots)
{
	struct pipe_slot *new;

	lockdep_assert_held(&pipe->mutex);
	VM_BUG_ON(!slots || slots & (slots - 1));
	if (slots < used_slots(pipe))
		return -EBUSY;
	new = kcalloc(slots, sizeof(*new), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	for (unsigned int n = pipe->tail; n != pipe->head; n++)
		new[n & (slots - 1)] = *pipe_slot_at(pipe, n);
	kfree(pipe->slots);
	pipe->slots = new;
	pipe->nr_slots = slots;
	wake_up(&pipe->writable);
	return 0;
}

static long resize(struct pipe *pipe, unsigned long bytes)
{
	unsigned int slots = round_size(bytes) / PAGE_SIZE, old = pipe->nr_slots;
	unsigned long all;
	int err;

	lockdep_assert_held(&pipe->mutex);
	if (!slots)
		return -EINVAL;
	all = account_slots(pipe->user, old, slots);
	err = check_growth(pipe, slots, all);
	if (!err)
		err = replace_slots(pipe, slots);
	if (err) {
		(void)account_slots(pipe->user, slots, old);
		return err;
	}
	return (long)(slots * PAGE_SIZE);
}

bool is_pipe(const struct file *file)
{
	return S_ISFIFO(file->f_inode->i_mode) && !(file->f_mode & FMODE_PATH) &&
	       file->f_inode->i_pipe && file->private_data == file->f_inode->i_pipe;
}

long pipe_fcntl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct pipe *pipe;
	long ret;

	if (!is_pipe(file))
		return -EBADF;
	pipe = pipe_of(file);
	mutex_lock(&pipe->mutex);
	ret = cmd == F_SETPIPE_SZ ? resize(pipe, (unsigned int)arg)
				  : (long)(pipe->nr_slots * PAGE_SIZE);
	mutex_unlock(&pipe->mutex);
	return ret;
}

/* ---- Opening and closing ---- */

/* One open file less; with the last one the pipe goes, and a fifo is only a name again. */
static void put_pipe(struct inode *inode, struct pipe *pipe)
{
	bool last;

	spin_lock(&users_lock);
	BUG_ON(!pipe->users || inode->i_pipe != pipe);
	last = !--pipe->users;
	if (last)
		inode->i_pipe = NULL;
	spin_unlock(&users_lock);
	if (!last)
		return;
	drop_data(pipe);
	free_pipe(pipe);
}

static void pipe_release(struct file *file)
{
	struct pipe *pipe = pipe_of(file);

	mutex_lock(&pipe->mutex);
	if (file->f_mode & FMODE_READ)
		pipe->readers--;
	if (file->f_mode & FMODE_WRITE)
		pipe->writers--;
	wake_up(&pipe->readable);
	wake_up(&pipe->writable);
	mutex_unlock(&pipe->mutex);
	put_pipe(file->f_inode, pipe);
}

static void count_ends(struct pipe *pipe, const struct file *file)
{
	if (file->f_mode & FMODE_READ) {
		pipe->readers++;
		pipe->reader_opens++;
	}
	if (file->f_mode & FMODE_WRITE) {
		pipe->writers++;
		pipe->writer_opens++;
	}
	wake_up(&pipe->openers);
}

/*
 * The pipe of a fifo, made if it is not open; counted as used. NULL: no memory, or too many pipes.
 */
static struct pipe *fifo_pipe(struct inode *inode)
{
	struct pipe *new = READ_ONCE(inode->i_pipe) ? NULL : new_pipe(), *pipe;

	spin_lock(&users_lock);
	if (!inode->i_pipe) {
		inode->i_pipe = new;
		new = NULL;
	}
	pipe = inode->i_pipe;
	if (pipe)
		pipe->users++;
	spin_unlock(&users_lock);
	if (new)
		free_pipe(new);
	return pipe;
}

/*
 * A fifo's open waits for the other end by its count of opens (seen before), as the other
 * may be gone again when we look.
 */
static int wait_for_other_end(struct pipe *pipe, const struct file *file, unsigned int reader_opens,
			      unsigned int writer_opens)
{
	switch (file->f_mode & (FMODE_READ | FMODE_WRITE)) {
	case FMODE_READ:
		if (pipe->writers || (file->f_flags & O_NONBLOCK))
			return 0;
		return (int)wait_event_interruptible(&pipe->openers,
						     READ_ONCE(pipe->writer_opens) != writer_opens);
	case FMODE_WRITE:
		if (pipe->readers)
			return 0;
		return (int)wait_event_interruptible(&pipe->openers,
						     READ_ONCE(pipe->reader_opens) != reader_opens);
	default:
		return 0;
	}
}

static const struct file_operations pipe_fops;

static int fifo_open(struct inode *inode, struct file *file)
{
	struct pipe *pipe = fifo_pipe(inode);
	bool waits = inode->i_sb != pipe_mount->mnt_sb; /* a pipe's other end was or is there */
	unsigned int reader_opens, writer_opens;
	int err;

	if (!pipe)
		return -ENOMEM;
	file->f_op = &pipe_fops;
	file->f_mode |= FMODE_STREAM;
	file->private_data = pipe;
	/* A writer that nobody will read must not be counted, even for a moment. */
	if ((file->f_mode & (FMODE_READ | FMODE_WRITE)) == FMODE_WRITE && !pipe->readers &&
	    (file->f_flags & O_NONBLOCK) && waits) {
		put_pipe(inode, pipe);
		return -ENXIO;
	}
	mutex_lock(&pipe->mutex);
	count_ends(pipe, file);
	reader_opens = pipe->reader_opens;
	writer_opens = pipe->writer_opens;
	file->f_pos = pipe->writers ? (u64)-1 : writer_opens;
	mutex_unlock(&pipe->mutex);
	if (!waits)
		return 0;
	err = wait_for_other_end(pipe, file, reader_opens, writer_opens);
	if (err)
		pipe_release(file);
	return err;
}

/* Each end counts for half of the pipe, so a process with both ends has all of it. */
static unsigned long pipe_kernel_pages(struct file *file)
{
	const struct pipe *pipe = pipe_of(file);

	return (used_slots(pipe) + (pipe->spare != NULL) + 1) / 2;
}

static const struct file_operations pipe_fops = {
	.kernel_pages = pipe_kernel_pages,
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.release = pipe_release,
};

const struct file_operations fifo_fops = {.open = fifo_open};

/* ---- pipe(2) ---- */

static struct inode *pipe_inode(void)
{
	struct inode *inode = new_inode(pipe_mount->mnt_sb, S_IFIFO | 0600);

	if (!inode)
		return NULL;
	inode->i_fop = &fifo_fops; /* opened again through /proc/PID/fd it is a fifo */
	inode->i_pipe = new_pipe();
	if (!inode->i_pipe) {
		iput(inode);
		return NULL;
	}
	return inode;
}

static struct file *pipe_end(struct inode *inode, unsigned int flags)
{
	char name[32];
	struct file *file;

	pagoda_snprintf(name, sizeof(name), "pipe:[%lu]", (unsigned long)inode->i_ino);
	file = anon_file(pipe_mount, name, igrab(inode), &pipe_fops, flags);
	if (IS_ERR(file))
		return file;
	file->f_mode |= FMODE_STREAM;
	file->private_data = inode->i_pipe;
	spin_lock(&users_lock);
	inode->i_pipe->users++;
	spin_unlock(&users_lock);
	count_ends(inode->i_pipe, file);
	return file;
}

static int make_pipe(struct file *ends[2], unsigned int flags)
{
	struct inode *inode = pipe_inode();
	int err = 0;

	if (!inode)
		return -ENFILE;
	ends[0] = pipe_end(inode, O_RDONLY | (flags & O_NONBLOCK));
	ends[1] = IS_ERR(ends[0]) ? ends[0]
				  : pipe_end(inode, O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)));
	if (IS_ERR(ends[1])) {
		err = (int)PTR_ERR(ends[1]);
		if (!IS_ERR(ends[0]))
			fput(ends[0]);
	}
	iput(inode);
	return err;
}

static long install_pipe(struct file *ends[2], unsigned long user, unsigned int flags)
{
	int fds[2];

	fds[0] = get_unused_fd(0, flags);
	if (fds[0] < 0)
		return fds[0];
	fds[1] = get_unused_fd(0, flags);
	if (fds[1] < 0) {
		put_unused_fd(fds[0]);
		return fds[1];
	}
	if (copy_to_user(user, fds, sizeof(fds))) {
		put_unused_fd(fds[1]);
		put_unused_fd(fds[0]);
		return -EFAULT;
	}
	fd_install(fds[0], ends[0]);
	fd_install(fds[1], ends[1]);
	return 0;
}

long sys_pipe2(unsigned long user, unsigned long flags)
{
	struct file *ends[2];
	long ret;

	if (flags & ~(unsigned long)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	ret = make_pipe(ends, (unsigned int)flags);
	if (ret)
		return ret;
	ret = install_pipe(ends, user, (unsigned int)flags);
	if (ret) {
		fput(ends[0]);
		fput(ends[1]);
	}
	return ret;
}

long sys_pipe(unsigned long user)
{
	return sys_pipe2(user, 0);
}

void pipe_init(void)
{
	struct super_block *sb = new_super("pipefs", PIPEFS_MAGIC, NULL);

	pipe_mount = sb ? kern_mount(sb) : NULL;
	if (!pipe_mount)
		panic("no memory for pipes");
}
