/* SPDX-License-Identifier: MIT */
/*
 * robust.c: what a thread's end does to the locks it holds (futex.c has the rest of futexes).
 *
 *	robust_list -> next, offset, pending	three longs of user memory (set_robust_list)
 *	next -> next -> ... -> robust_list	each entry + offset is a lock word
 *
 * When the thread ends, each lock word that has its number gets FUTEX_OWNER_DIED, and one waiter is
 * woken. The list belongs to the user: it may be a circle, broken, or nonsense, so that the
 * walk ends after ROBUST_LIST_MAX entries and at the first fault.
 *
 * Locking: none; the thread itself walks, in its own address space. Failure: the rest is left.
 */
#include <pagoda/mm.h>
#include <pagoda/uaccess.h>
#include <kernel/futex.h>
#include <kernel/sched.h>
#include <kernel/syscalls.h>

#define FUTEX_WAITERS	 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK	 0x3fffffffu
#define ROBUST_LIST_MAX	 2048 /* entries walked: the list may be a circle */

/* ---- The end of a thread --------------------------------------------------------------------- */

/* Why a lock word is looked at: it is on the list, or the thread was about to take or leave it. */
enum robust_kind { ROBUST_LISTED, ROBUST_PENDING };

/*
 * A lock word of the dying thread: if it holds the lock, mark it, and wake one who waits for it.
 * A pending one that nobody holds may have been left without the wake-up that belongs to it. Bit 0
 * of an entry marks a lock with priority inheritance, whose waiters do not sleep here.
 */
static bool release_robust(unsigned long uaddr, u32 tid, bool inherits, enum robust_kind kind)
{
	u32 old, seen;

	if (uaddr % sizeof(u32) || get_user(seen, uaddr))
		return false;
	if (kind == ROBUST_PENDING && !inherits && !(seen & FUTEX_TID_MASK)) {
		(void)futex_wake(uaddr, false, 1, FUTEX_BITSET_ALL); /* 0 if no task waits there */
		return true;
	}
	do {
		if ((seen & FUTEX_TID_MASK) != tid)
			return true;
		old = seen;
		if (port_cmpxchg_user(uaddr, &seen, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
			return false;
	} while (seen != old);
	if (!inherits && (old & FUTEX_WAITERS))
		(void)futex_wake(uaddr, false, 1, FUTEX_BITSET_ALL); /* 0 if no task waits there */
	return true;
}

static void walk_robust_list(struct task_struct *t)
{
	struct {
		unsigned long next, offset, pending;
	} head;
	unsigned long entry, next;
	u32 tid = (u32)t->vm.pid;

	if (copy_from_user(&head, t->robust_list, sizeof(head)))
		return;
	entry = head.next;
	for (int i = 0; i < ROBUST_LIST_MAX && (entry & ~1ul) != t->robust_list; i++) {
		bool bad = get_user(next, entry & ~1ul);

		if ((entry & ~1ul) != (head.pending & ~1ul) &&
		    !release_robust((entry & ~1ul) + head.offset, tid, entry & 1, ROBUST_LISTED))
			return;
		if (bad)
			return;
		entry = next;
	}
	if (head.pending & ~1ul)
		(void)release_robust((head.pending & ~1ul) + head.offset, tid, head.pending & 1,
				     ROBUST_PENDING); /* the last one: nothing is left to stop */
}

void futex_exit(struct task_struct *t)
{
	int zero = 0;

	if (t->robust_list)
		walk_robust_list(t);
	if (t->clear_child_tid && atomic_read(&t->vm.mm->mm_users) > 1 &&
	    !put_user(zero, t->clear_child_tid))
		/* maybe nobody joins */
		(void)futex_wake(t->clear_child_tid, false, 1, FUTEX_BITSET_ALL);
	t->robust_list = t->clear_child_tid = 0;
}

/* ---- The calls ------------------------------------------------------------------------------- */

long sys_set_robust_list(unsigned long head, unsigned long len)
{
	if (len != 3 * sizeof(long))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

long sys_get_robust_list(unsigned long pid, unsigned long uhead, unsigned long ulen)
{
	unsigned long head = 0, len = 3 * sizeof(long);
	struct task_struct *t = current;
	int error = 0;

	spin_lock_deferring(&tasklist_lock);
	if ((int)pid)
		t = find_task_locked((int)pid);
	if (!t)
		error = -ESRCH;
	else if (!may_access_task(t, false))
		error = -EPERM;
	else
		head = t->robust_list;
	spin_unlock_deferring(&tasklist_lock);
	if (error)
		return error;
	return put_user(len, ulen) || put_user(head, uhead) ? -EFAULT : 0;
}
