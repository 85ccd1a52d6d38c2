/* SPDX-License-Identifier: MIT */
/*
 * eventfd.c: a counter as a file, by which threads and processes tell each other of events.
 *
 * write adds a number, read takes all of it (or one, EFD_SEMAPHORE). A reader of 0 and a
 * writer who would reach the highest value wait, or get EAGAIN (O_NONBLOCK).
 *
 * Locking: ctx->lock for the counter; copies to and from user space are outside it. One
 * wait queue serves both sides, as either changes what the other waits for; all are woken.
 * Invariant: count <= EVENTFD_MAX.
 * Failure: EINVAL for less than 8 bytes or a written ~0; a result that cannot be copied out
 * (EFAULT) is lost, as on Linux. Observability: the file shows as anon_inode:[eventfd].
 */
#include <fs/syscalls.h>
#include <fs/vfs.h>
#include <fs/wait.h>
#include <pagoda/bug.h>
#include <pagoda/slab.h>

#define EVENTFD_MAX   (~0ull - 1)
#define EFD_SEMAPHORE 1u

struct eventfd {
	spinlock_t lock;
	wait_queue_head_t wait;
	u64 count;
	bool semaphore; /* (C) */
};

/* Take what a read gets; false: there is nothing. */
static bool take_count(struct eventfd *ctx, u64 *value)
{
	spin_lock(&ctx->lock);
	*value = ctx->semaphore && ctx->count ? 1 : ctx->count;
	ctx->count -= *value;
	spin_unlock(&ctx->lock);
	return *value != 0;
}

static bool add_count(struct eventfd *ctx, u64 value)
{
	bool fits;

	VM_BUG_ON(value > EVENTFD_MAX);
	spin_lock(&ctx->lock);
	fits = value <= EVENTFD_MAX - ctx->count;
	if (fits)
		ctx->count += value;
	spin_unlock(&ctx->lock);
	return fits;
}

static bool has_count(const struct eventfd *ctx, u64 unused)
{
	(void)unused;
	return READ_ONCE(ctx->count) != 0;
}

static bool has_room(const struct eventfd *ctx, u64 value)
{
	return value <= EVENTFD_MAX - READ_ONCE(ctx->count);
}

/* Wait, if the file may. 0: look again, -EAGAIN, -ERESTARTSYS. */
static long wait_until(struct eventfd *ctx, const struct file *file,
		       bool (*ready)(const struct eventfd *ctx, u64 value), u64 value)
{
	return file->f_flags & O_NONBLOCK ? -EAGAIN
					  : wait_event_interruptible(&ctx->wait, ready(ctx, value));
}

static long eventfd_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct eventfd *ctx = file->private_data;
	u64 value;

	(void)pos;
	if (count < sizeof(value))
		return -EINVAL;
	while (!take_count(ctx, &value)) {
		long err = wait_until(ctx, file, has_count, 0);

		if (err)
			return err;
	}
	wake_up_events(&ctx->wait, POLLOUT | POLLWRNORM);
	return iov_put(buf, 0, &value, sizeof(value)) ? -EFAULT : (long)sizeof(value);
}

static long eventfd_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct eventfd *ctx = file->private_data;
	u64 value;

	(void)pos;
	if (count < sizeof(value))
		return -EINVAL;
	if (iov_get(buf, 0, &value, sizeof(value)))
		return -EFAULT;
	if (value > EVENTFD_MAX)
		return -EINVAL;
	while (!add_count(ctx, value)) {
		long err = wait_until(ctx, file, has_room, value);

		if (err)
			return err;
	}
	wake_up_events(&ctx->wait, POLLIN | POLLRDNORM);
	return sizeof(value);
}

static unsigned int eventfd_poll(struct file *file, struct poll_table *pt)
{
	struct eventfd *ctx = file->private_data;
	u64 count;

	poll_wait(&ctx->wait, pt);
	count = READ_ONCE(ctx->count);
	return (count ? POLLIN | POLLRDNORM : 0) | (count < EVENTFD_MAX ? POLLOUT | POLLWRNORM : 0);
}

static void eventfd_release(struct file *file)
{
	kfree(file->private_data);
}

static const struct file_operations eventfd_fops = {
	.read = eventfd_read,
	.write = eventfd_write,
	.llseek = noop_llseek,
	.poll = eventfd_poll,
	.release = eventfd_release,
};

long sys_eventfd2(unsigned long count, unsigned long uflags)
{
	unsigned int flags = (unsigned int)uflags;
	struct eventfd *ctx;
	int fd;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE))
		return -EINVAL;
	ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);
	if (!ctx)
		return -ENOMEM;
	spin_lock_init(&ctx->lock, RANK_NONE);
	init_waitqueue_head(&ctx->wait);
	ctx->count = (unsigned int)count;
	ctx->semaphore = flags & EFD_SEMAPHORE;
	fd = anon_object_fd("anon_inode:[eventfd]", &eventfd_fops, ctx,
			    O_RDWR | (flags & ~EFD_SEMAPHORE));
	if (fd < 0)
		kfree(ctx);
	return fd;
}

long sys_eventfd(unsigned long count)
{
	return sys_eventfd2(count, 0);
}
