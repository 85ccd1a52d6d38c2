/* SPDX-License-Identifier: MIT */
/*
 * process_vm.c: process_vm_readv, process_vm_writev, process_madvise: another process's memory, by
 * address.
 *
 * The remote pieces are walked in order, page by page; each piece of a page goes through one
 * bounce page of ours, as a copy may fault on either side and both address spaces cannot be
 * current at once:
 *
 *	remote vector -> access_process_vm() -> bounce page -> copy_to_user() -> local vector
 *
 * What was copied before something is missing counts: only if nothing was, there is an error.
 *
 * Locking: none held over a copy; the other's mm is pinned by a reference (mm_users).
 * Failure: EINVAL EFAULT ENOMEM of the vectors, ESRCH, EPERM.
 */
#include <fs/iovec.h>
#include <kernel/process.h>
#include <kernel/syscalls.h>
#include <kernel/task.h>
#include <kernel/pidfd.h>
#include <pagoda/errno.h>
#include <pagoda/mm.h>
#include <pagoda/slab.h>
#include <pagoda/uaccess.h>

/* Where a vector has got to. */
struct iov_walk {
	const struct iovec *iov;
	unsigned long nr;
	size_t offset; /* in iov[0] */
};

/* Bytes in one go from here: of one piece, at most a page; 0 at the end. */
static size_t iov_walk_here(struct iov_walk *w, unsigned long *addr)
{
	while (w->nr && w->offset == w->iov->len) {
		w->iov++;
		w->nr--;
		w->offset = 0;
	}
	if (!w->nr)
		return 0;
	*addr = w->iov->base + w->offset;
	return min_t(size_t, w->iov->len - w->offset, PAGE_SIZE - (*addr & ~PAGE_MASK));
}

/* Bytes copied between one piece of remote memory and the local vector; fewer than n: stop. */
static size_t copy_piece(struct mm_struct *mm, unsigned long remote, unsigned long local, size_t n,
			 char *bounce, bool write)
{
	if (write) {
		n -= copy_from_user(bounce, local, n);
		return access_process_vm(mm, remote, bounce, n, true, false);
	}
	n = access_process_vm(mm, remote, bounce, n, false, false);
	return n - copy_to_user(local, bounce, n);
}

static long copy_vectors(struct mm_struct *mm, struct iov_walk *local, struct iov_walk *remote,
			 bool write)
{
	char *bounce = kmalloc(PAGE_SIZE, GFP_KERNEL);
	unsigned long here, there;
	long done = 0;

	if (!bounce)
		return -ENOMEM;
	for (;;) {
		size_t n = min(iov_walk_here(local, &here), iov_walk_here(remote, &there)), copied;

		if (!n)
			break;
		copied = copy_piece(mm, there, here, n, bounce, write);
		local->offset += copied;
		remote->offset += copied;
		done += (long)copied;
		if (copied < n) {
			done = done ? done : -EFAULT;
			break;
		}
		port_cond_resched();
	}
	kfree(bounce);
	return done;
}

struct mm_struct *mm_access(int pid)
{
	struct mm_struct *mm = ERR_PTR(-ESRCH);
	struct task_struct *t;

	spin_lock_deferring(&tasklist_lock);
	t = find_task_locked(pid);
	if (t && t->vm.mm && !may_access_task(t, false))
		mm = ERR_PTR(-EPERM);
	else if (t && t->vm.mm && atomic_inc_not_zero(&t->vm.mm->mm_users))
		mm = t->vm.mm;
	spin_unlock_deferring(&tasklist_lock);
	return mm;
}

static size_t vector_length(const struct iovec *iov, unsigned long nr)
{
	size_t total = 0;

	while (nr--)
		total += iov[nr].len;
	return total;
}

static long with_remote(int pid, const struct iovec *local, unsigned long nr_local,
			unsigned long user, unsigned long nr, bool write)
{
	struct iovec fast[IOV_FAST], *remote = get_iovec(user, nr, fast, true);
	struct mm_struct *mm;
	long ret = 0;

	if (IS_ERR(remote))
		return PTR_ERR(remote);
	if (vector_length(remote, nr)) {
		mm = mm_access(pid);
		if (IS_ERR(mm)) {
			ret = PTR_ERR(mm);
		} else {
			ret = copy_vectors(mm, &(struct iov_walk){local, nr_local, 0},
					   &(struct iov_walk){remote, nr, 0}, write);
			mmput(mm);
		}
	}
	put_iovec(remote, fast);
	return ret;
}

static long process_vm_rw(int pid, unsigned long user, unsigned long nr, unsigned long remote,
			  unsigned long nr_remote, unsigned long flags, bool write)
{
	struct iovec fast[IOV_FAST], *local;
	long ret = 0;

	if (flags)
		return -EINVAL;
	local = get_iovec(user, nr, fast, false);
	if (IS_ERR(local))
		return PTR_ERR(local);
	if (vector_length(local, nr))
		ret = with_remote(pid, local, nr, remote, nr_remote, write);
	put_iovec(local, fast);
	return ret;
}

long sys_process_vm_readv(unsigned long pid, unsigned long local, unsigned long nr_local,
			  unsigned long remote, unsigned long nr_remote, unsigned long flags)
{
	return process_vm_rw((int)pid, local, nr_local, remote, nr_remote, flags, false);
}

long sys_process_vm_writev(unsigned long pid, unsigned long local, unsigned long nr_local,
			   unsigned long remote, unsigned long nr_remote, unsigned long flags)
{
	return process_vm_rw((int)pid, local, nr_local, remote, nr_remote, flags, true);
}

/* ---- Advice ---------------------------------------------------------------------------------- */

/* What one may say of another's memory: nothing that changes what is in it. */
static bool is_for_others(int advice)
{
	return advice == MADV_WILLNEED || advice == MADV_COLD || advice == MADV_PAGEOUT;
}

/*
 * The address space of a pidfd's process, for advice: ERR_PTR(-ESRCH): it is gone, or a zombie;
 * -EINVAL: advice of another kind; -EACCES, -EPERM: no rights. Found in Linux's order.
 */
static struct mm_struct *mm_for_advice(const struct pid *pid, int advice)
{
	struct mm_struct *mm = NULL;
	struct task_struct *t;
	int error = 0;

	spin_lock_deferring(&tasklist_lock);
	t = pid->task;
	if (!t)
		error = -ESRCH;
	else if (!is_for_others(advice))
		error = -EINVAL;
	else if (!t->vm.mm)
		error = -ESRCH;
	else if (t->vm.mm != current->vm.mm && !may_access_task(t, true))
		error = -EACCES;
	else if (!capable(CAP_SYS_NICE))
		error = -EPERM;
	else if (atomic_inc_not_zero(&t->vm.mm->mm_users))
		mm = t->vm.mm;
	else
		error = -ESRCH;
	spin_unlock_deferring(&tasklist_lock);
	return error ? ERR_PTR(error) : mm;
}

/* Bytes advised about; an error only if the first piece fails. */
static long advise_pieces(struct mm_struct *mm, const struct iovec *iov, unsigned long nr,
			  int advice)
{
	long done = 0;
	int error = 0;

	for (unsigned long i = 0; i < nr && !error; i++) {
		error = do_madvise(mm, iov[i].base, iov[i].len, advice);
		if (!error)
			done += (long)iov[i].len;
	}
	return done ? done : error;
}

static long advise_process(int pidfd, const struct iovec *iov, unsigned long nr, int advice)
{
	bool nonblock;
	struct pid *pid = pidfd_pid(pidfd, &nonblock);
	struct mm_struct *mm;
	long ret;

	if (IS_ERR(pid))
		return PTR_ERR(pid);
	mm = mm_for_advice(pid, advice);
	put_pid_ref(pid);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	ret = advise_pieces(mm, iov, nr, advice);
	mmput(mm);
	return ret;
}

long sys_process_madvise(unsigned long pidfd, unsigned long vec, unsigned long nr,
			 unsigned long advice, unsigned long flags)
{
	struct iovec fast[IOV_FAST], *iov;
	long ret;

	if ((unsigned int)flags)
		return -EINVAL;
	iov = get_iovec(vec, nr, fast, false);
	if (IS_ERR(iov))
		return PTR_ERR(iov);
	ret = advise_process((int)pidfd, iov, nr, (int)advice);
	put_iovec(iov, fast);
	return ret;
}
