/* SPDX-License-Identifier: MIT */
/*
 * signalfd.c: signals read from a file.
 *
 * A read takes pending signals of the file's mask, of the calling thread first, then of its
 * process, as struct signalfd_siginfo; the program blocks them, so that no handler does. The
 * file is not bound to a process: who reads gets his own.
 *
 * All signalfds wait on one queue, as a queue of a process would have to outlive it (an epoll may
 * watch the file from elsewhere); the process is the key, so a signal wakes only its own.
 *
 * Locking: the mask is one word; siglock for what is pending. Failure: as signalfd(2); a signal
 * that cannot be copied out (EFAULT) is lost, as on Linux. Observability: anon_inode:[signalfd].
 */
#include <fs/vfs.h>
#include <fs/wait.h>
#include <pagoda/slab.h>
#include <pagoda/uaccess.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>
#include <kernel/syscalls.h>

struct signalfd {
	sigset_t mask;
};

/* What a read gives for each signal. */
struct signalfd_siginfo {
	u32 signo;
	s32 error, code;
	u32 pid, uid;
	s32 fd;
	u32 tid, band, overrun, trapno;
	s32 status, value_int;
	u64 value, utime, stime, addr;
	u8 pad[48];
};
static_assert(sizeof(struct signalfd_siginfo) == 128, "signalfd_siginfo's layout");

static wait_queue_head_t arrivals = WAIT_QUEUE_HEAD_INIT(arrivals);

void signalfd_notify(struct task_struct *t)
{
	wake_up_key(&arrivals, t->signal);
}

/* ---- Translation ----------------------------------------------------------------------------- */

static void describe_child(struct signalfd_siginfo *out, const struct siginfo *info)
{
	out->pid = (u32)info->chld.pid;
	out->uid = info->chld.uid;
	out->status = info->chld.status;
	out->utime = (u64)info->chld.utime;
	out->stime = (u64)info->chld.stime;
}

static void describe_timer(struct signalfd_siginfo *out, const struct siginfo *info)
{
	out->tid = (u32)info->timer.tid;
	out->overrun = (u32)info->timer.overrun;
	out->value = info->timer.value;
	out->value_int = (s32)info->timer.value;
}

static void describe_sender(struct signalfd_siginfo *out, const struct siginfo *info)
{
	out->pid = (u32)info->rt.pid;
	out->uid = info->rt.uid;
	if (info->si_code >= 0)
		return;
	out->value = info->rt.value;
	out->value_int = (s32)info->rt.value;
}

static bool is_fault(int signo)
{
	return signo == SIGSEGV || signo == SIGBUS || signo == SIGILL || signo == SIGFPE ||
	       signo == SIGTRAP;
}

static void describe(struct signalfd_siginfo *out, const struct siginfo *info)
{
	bool from_kernel = info->si_code > SI_USER && info->si_code < SI_KERNEL;

	*out = (struct signalfd_siginfo){
		.signo = (u32)info->si_signo,
		.error = info->si_errno,
		.code = info->si_code,
	};
	if (info->si_code == SI_TIMER)
		describe_timer(out, info);
	else if (from_kernel && info->si_signo == SIGCHLD)
		describe_child(out, info);
	else if (from_kernel && is_fault(info->si_signo))
		out->addr = info->fault.addr;
	else
		describe_sender(out, info);
}

/* ---- The file -------------------------------------------------------------------------------- */

static bool is_pending(sigset_t mask)
{
	struct task_struct *me = current;

	return (READ_ONCE(me->pending.set) | READ_ONCE(me->signal->shared_pending.set)) & mask;
}

/* Wait for the first signal. 0, -EAGAIN, -ERESTARTSYS. */
static long wait_for_first(struct signalfd *ctx, const struct file *file, struct siginfo *info)
{
	while (!take_signal(READ_ONCE(ctx->mask), info)) {
		long ret = file->f_flags & O_NONBLOCK
				   ? -EAGAIN
				   : wait_event_interruptible(&arrivals,
							      is_pending(READ_ONCE(ctx->mask)));

		if (ret)
			return ret;
	}
	return 0;
}

static long signalfd_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct signalfd *ctx = file->private_data;
	struct signalfd_siginfo out;
	struct siginfo info;
	size_t done = 0;
	long ret;

	(void)pos;
	if (count < sizeof(out))
		return -EINVAL;
	ret = wait_for_first(ctx, file, &info);
	if (ret)
		return ret;
	do {
		describe(&out, &info);
		if (iov_put(buf, done, &out, sizeof(out)))
			return done ? (long)done : -EFAULT;
		done += sizeof(out);
	} while (count - done >= sizeof(out) && take_signal(READ_ONCE(ctx->mask), &info));
	return (long)done;
}

static unsigned int signalfd_poll(struct file *file, struct poll_table *pt)
{
	struct signalfd *ctx = file->private_data;

	poll_wait_key(&arrivals, pt, current->signal);
	return is_pending(READ_ONCE(ctx->mask)) ? POLLIN : 0;
}

static void signalfd_release(struct file *file)
{
	kfree(file->private_data);
}

static const struct file_operations signalfd_fops = {
	.read = signalfd_read,
	.llseek = noop_llseek,
	.poll = signalfd_poll,
	.release = signalfd_release,
};

/* ---- The calls ------------------------------------------------------------------------------- */

static long new_signalfd(sigset_t mask, unsigned int flags)
{
	struct signalfd *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);
	int fd;

	if (!ctx)
		return -ENOMEM;
	ctx->mask = mask;
	fd = anon_object_fd("anon_inode:[signalfd]", &signalfd_fops, ctx, O_RDWR | flags);
	if (fd < 0)
		kfree(ctx);
	return fd;
}

static long change_signalfd(int fd, sigset_t mask)
{
	struct fd f = fdget((unsigned int)fd);
	struct signalfd *ctx;
	long ret = fd;

	if (!f.file)
		return -EBADF;
	if (f.file->f_op == &signalfd_fops) {
		ctx = f.file->private_data;
		WRITE_ONCE(ctx->mask, mask);
		wake_up(&arrivals);
	} else {
		ret = -EINVAL;
	}
	fdput(f);
	return ret;
}

long sys_signalfd4(unsigned long fd, unsigned long umask, unsigned long size, unsigned long flags)
{
	sigset_t mask;

	if (size != sizeof(mask))
		return -EINVAL;
	if (copy_from_user(&mask, umask, sizeof(mask)))
		return -EFAULT;
	if ((unsigned int)flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	mask &= ~(sigmask(SIGKILL) | sigmask(SIGSTOP));
	return (int)fd == -1 ? new_signalfd(mask, (unsigned int)flags)
			     : change_signalfd((int)fd, mask);
}

long sys_signalfd(unsigned long fd, unsigned long umask, unsigned long size)
{
	return sys_signalfd4(fd, umask, size, 0);
}
