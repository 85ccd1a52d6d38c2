/* SPDX-License-Identifier: MIT */
/*
 * timerfd.c: a timer as a file: readable when it has expired.
 *
 * read gives the number of expirations since the last one (or the last setting), waiting for the
 * first. TFD_TIMER_CANCEL_ON_SET, for a time of day: when the clock is set, read fails once with
 * ECANCELED.
 *
 * Locking: ctx->lock, interrupts off, for ticks and canceled, inside the clock timers' lock.
 * Failure: as timerfd_create(2). Observability: anon_inode:[timerfd] in /proc/PID/fd.
 */
#include <fs/vfs.h>
#include <fs/wait.h>
#include <pagoda/slab.h>
#include <kernel/clock_timer.h>
#include <kernel/cred.h>
#include <kernel/syscalls.h>

#define TFD_TIMER_ABSTIME	1u
#define TFD_TIMER_CANCEL_ON_SET 2u

struct timerfd {
	struct clock_timer timer;
	spinlock_t lock;
	wait_queue_head_t wait;
	u64 ticks;	    /* lock */
	bool cancel_on_set; /* lock */
	bool canceled;	    /* lock */
};

/* The next expirations are counted when somebody reads or polls. */
static bool timerfd_expired(struct clock_timer *ct, u64 times)
{
	struct timerfd *ctx = container_of(ct, struct timerfd, timer);
	unsigned long flags;
	bool first;

	spin_lock_irqsave(&ctx->lock, flags);
	first = !ctx->ticks;
	ctx->ticks += times;
	spin_unlock_irqrestore(&ctx->lock, flags);
	if (first) /* else everybody knows */
		wake_up_events(&ctx->wait, POLLIN);
	return false;
}

static void timerfd_clock_set(struct clock_timer *ct)
{
	struct timerfd *ctx = container_of(ct, struct timerfd, timer);
	unsigned long flags;

	spin_lock_irqsave(&ctx->lock, flags);
	ctx->canceled = ctx->cancel_on_set;
	spin_unlock_irqrestore(&ctx->lock, flags);
	if (ctx->canceled)
		wake_up_events(&ctx->wait, POLLIN);
}

/* ---- The file -------------------------------------------------------------------------------- */

static bool is_readable(struct timerfd *ctx)
{
	clock_timer_catch_up(&ctx->timer);
	return READ_ONCE(ctx->ticks) || READ_ONCE(ctx->canceled);
}

/* What a read gets: a number, 0: nothing yet, or -ECANCELED. */
static long take_ticks(struct timerfd *ctx)
{
	unsigned long flags;
	long ret;

	clock_timer_catch_up(&ctx->timer);
	spin_lock_irqsave(&ctx->lock, flags);
	ret = ctx->canceled ? -ECANCELED : (long)ctx->ticks;
	ctx->canceled = false;
	ctx->ticks = 0;
	spin_unlock_irqrestore(&ctx->lock, flags);
	return ret;
}

static long timerfd_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct timerfd *ctx = file->private_data;
	u64 value;
	long ret;

	(void)pos;
	if (count < sizeof(value))
		return -EINVAL;
	while (!(ret = take_ticks(ctx))) {
		ret = file->f_flags & O_NONBLOCK
			      ? -EAGAIN
			      : wait_event_interruptible(&ctx->wait, is_readable(ctx));
		if (ret)
			return ret;
	}
	if (ret < 0)
		return ret;
	value = (u64)ret;
	return iov_put(buf, 0, &value, sizeof(value)) ? -EFAULT : (long)sizeof(value);
}

static unsigned int timerfd_poll(struct file *file, struct poll_table *pt)
{
	struct timerfd *ctx = file->private_data;

	poll_wait(&ctx->wait, pt);
	return is_readable(ctx) ? POLLIN : 0;
}

static void timerfd_release(struct file *file)
{
	struct timerfd *ctx = file->private_data;

	clock_timer_stop(&ctx->timer);
	kfree(ctx);
}

static const struct file_operations timerfd_fops = {
	.read = timerfd_read,
	.llseek = noop_llseek,
	.poll = timerfd_poll,
	.release = timerfd_release,
};

/* ---- The calls ------------------------------------------------------------------------------- */

static int check_clock(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		return 0;
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		return capable(CAP_WAKE_ALARM) ? 0 : -EPERM;
	default:
		return -EINVAL;
	}
}

long sys_timerfd_create(unsigned long clock, unsigned long flags)
{
	struct timerfd *ctx;
	int ret;

	if ((unsigned int)flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	ret = check_clock((int)clock);
	if (ret)
		return ret;
	ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);
	if (!ctx)
		return -ENOMEM;
	spin_lock_init(&ctx->lock, RANK_NONE);
	init_waitqueue_head(&ctx->wait);
	clock_timer_init(&ctx->timer, (int)clock, timerfd_expired);
	ctx->timer.clock_set = timerfd_clock_set;
	ret = anon_object_fd("anon_inode:[timerfd]", &timerfd_fops, ctx,
			     O_RDWR | (unsigned int)flags);
	if (ret < 0)
		kfree(ctx);
	return ret;
}

static void set_timer(struct timerfd *ctx, unsigned int how, const struct clock_timer_spec *new,
		      struct clock_timer_spec *old)
{
	bool of_day =
		ctx->timer.clock == CLOCK_REALTIME || ctx->timer.clock == CLOCK_REALTIME_ALARM;
	unsigned long flags;

	clock_timer_set(&ctx->timer, &(struct clock_timer_spec){0, 0}, false, old);
	spin_lock_irqsave(&ctx->lock, flags);
	ctx->ticks = 0;
	ctx->canceled = false;
	ctx->cancel_on_set = of_day && (how & TFD_TIMER_ABSTIME) && (how & TFD_TIMER_CANCEL_ON_SET);
	spin_unlock_irqrestore(&ctx->lock, flags);
	clock_timer_set(&ctx->timer, new, how & TFD_TIMER_ABSTIME, NULL);
}

/* The timerfd behind fd with its reference in *f, or ERR_PTR: EBADF, EINVAL. */
static struct timerfd *get_timerfd(unsigned long fd, struct fd *f)
{
	*f = fdget((unsigned int)fd);
	if (!f->file)
		return ERR_PTR(-EBADF);
	if (f->file->f_op == &timerfd_fops)
		return f->file->private_data;
	fdput(*f);
	return ERR_PTR(-EINVAL);
}

long sys_timerfd_settime(unsigned long fd, unsigned long how, unsigned long unew,
			 unsigned long uold)
{
	struct clock_timer_spec new, old;
	struct timerfd *ctx;
	struct fd f;
	long ret = get_itimerspec(unew, &new);

	if (ret)
		return ret;
	if ((unsigned int)how & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	ctx = get_timerfd(fd, &f);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	set_timer(ctx, (unsigned int)how, &new, &old);
	fdput(f);
	return uold ? put_itimerspec(uold, &old) : 0;
}

long sys_timerfd_gettime(unsigned long fd, unsigned long uvalue)
{
	struct clock_timer_spec spec;
	struct timerfd *ctx;
	struct fd f;

	ctx = get_timerfd(fd, &f);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	clock_timer_get(&ctx->timer, &spec);
	fdput(f);
	return put_itimerspec(uvalue, &spec);
}
