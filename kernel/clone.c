/* SPDX-License-Identifier: MIT */
/*
 * clone.c: the calls that make a process or a thread: fork, vfork, clone, clone3.
 *
 * Each checks what it was given and makes a clone_request of it; fork.c does the rest. A vfork
 * parent waits here until the child has given up its address space. unshare(2), which gives the
 * caller for himself what clone() had shared, is here too, as it speaks the same flags.
 *
 * Failure: -EINVAL for flags that contradict each other or ask for namespaces (this is a Linux
 * configured without), and what copy_process() says.
 */
#include <pagoda/errno.h>
#include <pagoda/mm.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <kernel/process.h>
#include <kernel/sched.h>
#include <kernel/syscalls.h>

static bool vfork_over(struct task_struct *child)
{
	return !READ_ONCE(child->vfork_pending) || fatal_signal_pending();
}

/* The parent of a vfork child waits; only its own death lets it go earlier. */
static void wait_for_vfork(struct task_struct *child)
{
	wait_event(&child->vfork_wait, vfork_over(child));
	put_task(child);
}

void vfork_done(struct task_struct *t)
{
	if (!t->vfork_pending)
		return;
	WRITE_ONCE(t->vfork_pending, false);
	wake_up(&t->vfork_wait);
}

static long do_clone(const struct clone_request *req)
{
	struct task_struct *child;
	int pid;

	child = copy_process(req);
	if (IS_ERR(child))
		return PTR_ERR(child);
	pid = child->vm.pid;
	if (req->flags & CLONE_PARENT_SETTID)
		(void)put_user(pid, req->ptid); /* checked by the program, not by Linux */
	if (req->flags & CLONE_VFORK)
		get_task(child);
	wake_up_new_task(child);
	if (req->flags & CLONE_VFORK)
		wait_for_vfork(child);
	return pid;
}

long sys_fork(void)
{
	struct clone_request req = {.exit_signal = SIGCHLD};

	return do_clone(&req);
}

long sys_vfork(void)
{
	struct clone_request req = {.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD};

	return do_clone(&req);
}

/* The rules that clone and clone3 share. */
static long check_and_clone(const struct clone_request *req)
{
	unsigned long flags = req->flags;

	if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM))
		return -EINVAL;
	if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND))
		return -EINVAL;
	if ((flags & CLONE_PIDFD) && (flags & CLONE_THREAD))
		return -EINVAL;
	if ((flags & CLONE_PARENT) && current->signal->unkillable)
		return -EINVAL;
	if (flags & CLONE_NAMESPACES)
		return -EINVAL; /* a Linux without namespaces configured */
	if (req->exit_signal > NSIG)
		return -EINVAL;
	if ((flags & CLONE_SETTLS) && req->tls >= TASK_SIZE)
		return -EPERM;
	return do_clone(req);
}

long sys_clone(unsigned long flags, unsigned long newsp, unsigned long ptid, unsigned long ctid,
	       unsigned long tls)
{
	struct clone_request req = {
		.flags = flags & 0xffffff00ul,
		.newsp = newsp,
		.ptid = ptid,
		.ctid = ctid,
		.tls = tls,
		.exit_signal = (int)(flags & CSIGNAL),
	};

	req.pidfd = ptid; /* clone has no other place for it */
	if ((flags & CLONE_PIDFD) && (flags & (CLONE_PARENT_SETTID | CLONE_DETACHED)))
		return -EINVAL;
	return check_and_clone(&req);
}

/* ---- clone3 ---------------------------------------------------------------------------- */

struct clone_args {
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	u64 set_tid, set_tid_size, cgroup;
};
#define CLONE_ARGS_SIZE_0 64 /* up to tls */
#define MAX_NESTED_PIDS	  32
#define CLONE_KNOWN	  (0xffffffffull | CLONE_CLEAR_SIGHAND)

/* Copy what there is; a caller with a longer struct must have zeroes in what we do not know. */
static int get_clone_args(struct clone_args *args, unsigned long uargs, size_t size)
{
	u8 byte;

	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_0)
		return -EINVAL;
	memset(args, 0, sizeof(*args));
	for (size_t at = sizeof(*args); at < size; at++) {
		if (get_user(byte, uargs + at))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	return copy_from_user(args, uargs, min(size, sizeof(*args))) ? -EFAULT : 0;
}

static bool is_valid(const struct clone_args *args)
{
	if (args->flags & ~CLONE_KNOWN || args->flags & (CLONE_DETACHED | CSIGNAL))
		return false;
	if ((args->flags & CLONE_SIGHAND) && (args->flags & CLONE_CLEAR_SIGHAND))
		return false;
	if ((args->flags & (CLONE_THREAD | CLONE_PARENT)) && args->exit_signal)
		return false;
	if (args->exit_signal > NSIG)
		return false;
	if (args->set_tid_size > MAX_NESTED_PIDS || !args->set_tid != !args->set_tid_size)
		return false;
	return args->stack ? args->stack_size && access_ok(args->stack, args->stack_size)
			   : !args->stack_size;
}

/* The number that the new task shall have. There is one level of numbers. */
static int get_wanted_tid(const struct clone_args *args, int *wanted)
{
	if (!args->set_tid)
		return 0;
	if (args->set_tid_size > 1)
		return -EINVAL;
	if (get_user(*wanted, (unsigned long)args->set_tid))
		return -EFAULT;
	if (*wanted < 1 || *wanted >= PID_MAX)
		return -EINVAL;
	return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

long sys_clone3(unsigned long uargs, unsigned long size)
{
	struct clone_request req = {.flags = 0};
	struct clone_args args;
	int error = get_clone_args(&args, uargs, size);

	if (error)
		return error;
	if (!is_valid(&args))
		return -EINVAL;
	error = get_wanted_tid(&args, &req.wanted_tid);
	if (error)
		return error;
	req.flags = args.flags;
	req.newsp = args.stack ? args.stack + args.stack_size : 0;
	req.ptid = args.parent_tid;
	req.ctid = args.child_tid;
	req.pidfd = args.pidfd;
	req.tls = args.tls;
	req.exit_signal = (int)args.exit_signal;
	return check_and_clone(&req);
}

/* ---- unshare --------------------------------------------------------------------------- */

#define UNSHARE_KNOWN                                                                       \
	(CLONE_THREAD | CLONE_FS | CLONE_SIGHAND | CLONE_VM | CLONE_FILES | CLONE_SYSVSEM | \
	 CLONE_NAMESPACES | CLONE_NEWTIME)

/* What other threads have too cannot be unshared, only found not to be shared. */
static bool is_shared(unsigned long flags)
{
	struct task_struct *me = current;

	if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) &&
	    READ_ONCE(me->signal->nr_threads) > 1)
		return true;
	if ((flags & (CLONE_SIGHAND | CLONE_VM)) && atomic_read(&me->sighand->count) > 1)
		return true;
	return (flags & CLONE_VM) && atomic_read(&me->vm.mm->mm_users) > 1;
}

long sys_unshare(unsigned long uflags)
{
	unsigned long flags = uflags;
	int error = 0;

	if ((flags & ~UNSHARE_KNOWN) || is_shared(flags))
		return -EINVAL;
	if (flags & (CLONE_NAMESPACES | CLONE_NEWTIME))
		return capable(CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
	if (flags & CLONE_FS)
		error = fs_task_unshare_fs(&current->fs);
	if (!error && (flags & CLONE_FILES))
		error = fs_task_unshare_files(&current->fs);
	return error;
}

long sys_set_tid_address(unsigned long uaddr)
{
	current->clear_child_tid = uaddr;
	return current->vm.pid;
}
