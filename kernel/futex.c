/* SPDX-License-Identifier: MIT */
/*
 * futex.c: fast user-space locks: sleep while a word has a value, wake who sleeps on it.
 *
 *	bucket[hash(key)] -> waiters, first come first
 *
 * The key of a word is (mm, address), or, where it lies in a shared mapping, (file's
 * mapping, offset), so that processes meet (ABI.md section 7, 7). A waiter queues itself
 * first and then looks at the word, without the lock, as looking may fault:
 *
 *	waiter			waker
 *	queue itself
 *				change the word
 *				take it off the queue, wake
 *	look: changed -> off the queue; was it off already? then it was woken
 *
 * so a change followed by a wake is never missed.
 *
 * Locking: bucket->lock; two buckets in address order. Failure: as futex(2).
 */
#include <pagoda/mm.h>
#include <pagoda/pagemap.h>
#include <pagoda/slab.h>
#include <pagoda/uaccess.h>
#include <kernel/futex.h>
#include <kernel/sched.h>

#define FUTEX_WAIT	  0
#define FUTEX_WAKE	  1
#define FUTEX_REQUEUE	  3
#define FUTEX_CMP_REQUEUE 4
#define FUTEX_WAKE_OP	  5
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAKE_BITSET 10
#define FUTEX_CMD_MASK	  0x7f
#define FUTEX_PRIVATE	  128
#define FUTEX_REALTIME	  256
#define BITSET_ALL	  0xffffffffu

#define FUTEX_WAITERS	 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK	 0x3fffffffu
#define ROBUST_LIST_MAX	 2048 /* entries walked: the list may be a circle */

#define NR_BUCKETS 256

struct futex_key {
	const void *object; /* mm, or the mapping of a shared file */
	unsigned long offset;
};

struct futex_waiter {
	struct list_head link; /* empty: woken */
	struct futex_key key;
	struct task_struct *task;
	u32 bitset;
};

static struct futex_bucket {
	spinlock_t lock;
	struct list_head waiters;
} buckets[NR_BUCKETS];

void futex_init(void)
{
	for (int i = 0; i < NR_BUCKETS; i++) {
		spin_lock_init(&buckets[i].lock, RANK_NONE);
		INIT_LIST_HEAD(&buckets[i].waiters);
	}
}

/* ---- Keys ------------------------------------------------------------------------------------------ */

static int get_key(unsigned long uaddr, bool private, struct futex_key *key)
{
	struct mm_struct *mm = current->vm.mm;
	struct vm_area_struct *vma;

	if (uaddr % sizeof(u32))
		return -EINVAL;
	if (!access_ok(uaddr, sizeof(u32)))
		return -EFAULT;
	*key = (struct futex_key){ mm, uaddr };
	if (private)
		return 0;
	down_read(&mm->mmap_lock);
	vma = find_vma(mm, uaddr);
	if (vma && vma->vm_start <= uaddr && (vma->vm_flags & VM_SHARED) && vma->vm_file) {
		key->object = vma->vm_file->f_mapping;
		key->offset = (vma->vm_pgoff << PAGE_SHIFT) + uaddr - vma->vm_start;
	}
	up_read(&mm->mmap_lock);
	return 0;
}

static struct futex_bucket *bucket_of(const struct futex_key *key)
{
	unsigned long h = (unsigned long)key->object / 64 + key->offset / 4;

	return &buckets[(h * 0x9e3779b97f4a7c15ul >> 40) % NR_BUCKETS];
}

static bool same_key(const struct futex_key *a, const struct futex_key *b)
{
	return a->object == b->object && a->offset == b->offset;
}

/* ---- Waiting ----------------------------------------------------------------------------------------- */

static void queue_waiter(struct futex_waiter *w)
{
	struct futex_bucket *b = bucket_of(&w->key);
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	list_add_tail(&w->link, &b->waiters);
	spin_unlock_irqrestore(&b->lock, flags);
}

/* Take w off; false if a waker had done so. A requeue may move it meanwhile. */
static bool unqueue_waiter(struct futex_waiter *w)
{
	struct futex_bucket *b;
	unsigned long flags;
	bool queued;

	for (;;) {
		b = bucket_of(&w->key);
		spin_lock_irqsave(&b->lock, flags);
		if (b == bucket_of(&w->key))
			break;
		spin_unlock_irqrestore(&b->lock, flags);
	}
	queued = !list_empty(&w->link);
	list_del_init(&w->link);
	spin_unlock_irqrestore(&b->lock, flags);
	return queued;
}

static bool is_woken(struct futex_waiter *w)
{
	return READ_ONCE(w->link.next) == &w->link;
}

static long wait_on(unsigned long uaddr, bool private, u32 val, u32 bitset, u64 deadline_ns)
{
	struct futex_waiter w = { .task = current, .bitset = bitset };
	long ret = 0;
	u32 now;

	if (!bitset)
		return -EINVAL;
	ret = get_key(uaddr, private, &w.key);
	if (ret)
		return ret;
	queue_waiter(&w);
	if (get_user(now, uaddr))
		ret = -EFAULT;
	else if (now != val)
		ret = -EAGAIN;
	while (!ret && !is_woken(&w)) {
		if (port_clock_ns() >= deadline_ns)
			ret = -ETIMEDOUT;
		else if (signal_pending())
			ret = -EINTR;
		else
			port_park(deadline_ns);
	}
	if (!unqueue_waiter(&w))
		return 0;
	return ret;
}

static long continue_wait(struct fs_restart *restart)
{
	long ret = wait_on(restart->arg[0], restart->arg[1], (u32)restart->arg[2],
			   (u32)restart->arg[3], restart->deadline_ns);

	return ret == -EINTR ? -ERESTART_RESTARTBLOCK : ret;
}

/* timeout_ns: UINT64_MAX, or a deadline. */
static long futex_wait(unsigned long uaddr, bool private, u32 val, u32 bitset, u64 deadline_ns)
{
	struct fs_restart *restart = &current->fs.restart;
	long ret = wait_on(uaddr, private, val, bitset, deadline_ns);

	if (ret != -EINTR)
		return ret;
	if (deadline_ns == UINT64_MAX)
		return -ERESTARTSYS;
	restart->fn = continue_wait;
	restart->deadline_ns = deadline_ns;
	restart->arg[0] = uaddr;
	restart->arg[1] = private;
	restart->arg[2] = val;
	restart->arg[3] = bitset;
	return -ERESTART_RESTARTBLOCK;
}

/* The deadline that a WAIT's timeout means: relative for WAIT, on a clock for WAIT_BITSET. */
static int get_deadline(unsigned long op, unsigned long utime, u64 *deadline_ns)
{
	u64 ns, offset;
	int error;

	*deadline_ns = UINT64_MAX;
	if (!utime)
		return 0;
	error = get_timespec_ns(utime, &ns);
	if (error)
		return error;
	if ((op & FUTEX_CMD_MASK) == FUTEX_WAIT) {
		*deadline_ns = deadline_after(ns);
		return 0;
	}
	offset = op & FUTEX_REALTIME ? ktime_get_real_ns() - port_clock_ns() : 0;
	*deadline_ns = ns > offset ? ns - offset : 0;
	return 0;
}

/* ---- Waiting on several words ------------------------------------------------------------------------- */

#define FUTEX_WAITV_MAX 128
#define FUTEX_32	2u

struct futex_waitv {
	u64 val, uaddr;
	u32 flags, reserved;
};

static int get_waitv(unsigned long uwaiters, unsigned int nr, struct futex_waitv *v)
{
	if (copy_from_user(v, uwaiters, nr * sizeof(*v)))
		return -EFAULT;
	for (unsigned int i = 0; i < nr; i++)
		if ((v[i].flags & ~(FUTEX_32 | FUTEX_PRIVATE)) || v[i].reserved || !(v[i].flags & FUTEX_32))
			return -EINVAL;
	return 0;
}

/* Queue on every word and look at it: 0, or why there is nothing to wait for; *queued are on queues. */
static int queue_all(const struct futex_waitv *v, struct futex_waiter *w, unsigned int nr,
		     unsigned int *queued)
{
	int error = 0;
	u32 now;

	for (*queued = 0; *queued < nr && !error; ++*queued) {
		unsigned int i = *queued;

		w[i].task = current;
		w[i].bitset = BITSET_ALL;
		error = get_key(v[i].uaddr, v[i].flags & FUTEX_PRIVATE, &w[i].key);
		if (error)
			return error;
		queue_waiter(&w[i]);
		if (get_user(now, (unsigned long)v[i].uaddr))
			error = -EFAULT;
		else if (now != (u32)v[i].val)
			error = -EAGAIN;
	}
	return error;
}

/* The first waiter that was woken, or -1. */
static int first_woken(struct futex_waiter *w, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		if (is_woken(&w[i]))
			return (int)i;
	return -1;
}

static long wait_on_any(const struct futex_waitv *v, struct futex_waiter *w, unsigned int nr, u64 deadline_ns)
{
	unsigned int queued;
	long ret = queue_all(v, w, nr, &queued), woken = -1;

	while (!ret && first_woken(w, nr) < 0) {
		if (port_clock_ns() >= deadline_ns)
			ret = -ETIMEDOUT;
		else if (signal_pending())
			ret = -ERESTARTSYS;
		else
			port_park(deadline_ns);
	}
	for (unsigned int i = 0; i < queued; i++)
		if (!unqueue_waiter(&w[i]))
			woken = i;
	return woken >= 0 ? woken : ret;
}

long sys_futex_waitv(unsigned long uwaiters, unsigned long nr, unsigned long flags, unsigned long utime,
		     unsigned long clock)
{
	struct futex_waiter *waiters;
	struct futex_waitv *v;
	u64 deadline_ns;
	long ret;

	if ((u32)flags || !(u32)nr || (u32)nr > FUTEX_WAITV_MAX || !uwaiters)
		return -EINVAL;
	if (utime && (int)clock != CLOCK_REALTIME && (int)clock != CLOCK_MONOTONIC)
		return -EINVAL;
	ret = get_deadline(FUTEX_WAIT_BITSET | ((int)clock == CLOCK_REALTIME ? FUTEX_REALTIME : 0), utime,
			   &deadline_ns);
	if (ret)
		return ret;
	waiters = kmalloc((u32)nr * sizeof(*waiters), GFP_KERNEL);
	v = kmalloc((u32)nr * sizeof(*v), GFP_KERNEL);
	ret = waiters && v ? get_waitv(uwaiters, (u32)nr, v) : -ENOMEM;
	if (!ret)
		ret = wait_on_any(v, waiters, (u32)nr, deadline_ns);
	kfree(v);
	kfree(waiters);
	return ret;
}

/* ---- Waking -------------------------------------------------------------------------------------------- */

/* From here on the waiter's stack frame may go away at any time. Bucket locked. */
static void wake_waiter(struct futex_waiter *w)
{
	struct task_struct *t = w->task;

	get_task(t);
	list_del_init(&w->link);
	port_unpark(&t->vm);
	put_task(t);
}

/* Wake up to nr waiters, but one at least, as Linux has it. How many. */
static int wake_key(const struct futex_key *key, int nr, u32 bitset)
{
	struct futex_bucket *b = bucket_of(key);
	struct futex_waiter *w, *tmp;
	unsigned long flags;
	int woken = 0;

	spin_lock_irqsave(&b->lock, flags);
	list_for_each_entry_safe(w, tmp, &b->waiters, link) {
		if (woken && woken >= nr)
			break;
		if (!same_key(&w->key, key) || !(w->bitset & bitset))
			continue;
		wake_waiter(w);
		woken++;
	}
	spin_unlock_irqrestore(&b->lock, flags);
	return woken;
}

static long futex_wake(unsigned long uaddr, bool private, int nr, u32 bitset)
{
	struct futex_key key;
	int error;

	if (!bitset)
		return -EINVAL;
	error = get_key(uaddr, private, &key);
	return error ? error : wake_key(&key, nr, bitset);
}

static void lock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	if (a > b) {
		lock_two(b, a);
		return;
	}
	spin_lock(&a->lock);
	if (a != b)
		spin_lock(&b->lock);
}

/* Wake nr waiters of the first word and move up to nr_requeue of the rest to the second. */
static long futex_requeue(unsigned long uaddr, unsigned long uaddr2, bool private, int nr,
			  int nr_requeue, const u32 *expected)
{
	struct futex_key from, to;
	struct futex_bucket *b, *b2;
	struct futex_waiter *w, *tmp;
	unsigned long flags;
	long done = 0;
	u32 now;
	int error = get_key(uaddr, private, &from);

	if (!error)
		error = get_key(uaddr2, private, &to);
	if (error)
		return error;
	if (nr < 0 || nr_requeue < 0)
		return -EINVAL;
	if (expected) {
		if (get_user(now, uaddr))
			return -EFAULT;
		if (now != *expected)
			return -EAGAIN;
	}
	b = bucket_of(&from);
	b2 = bucket_of(&to);
	flags = port_irq_save();
	lock_two(b, b2);
	list_for_each_entry_safe(w, tmp, &b->waiters, link) {
		if (!same_key(&w->key, &from))
			continue;
		if (done < nr) {
			wake_waiter(w);
		} else if (done - nr < nr_requeue) {
			w->key = to;
			if (b != b2) /* else it would come round again, and again */
				list_move_tail(&w->link, &b2->waiters);
		} else {
			break;
		}
		done++;
	}
	if (b != b2)
		spin_unlock(&b2->lock);
	spin_unlock(&b->lock);
	port_irq_restore(flags);
	return done;
}

/* FUTEX_WAKE_OP: change the second word, wake on the first, and on the second if its old value says so. */
static int modify_word(unsigned long uaddr, u32 code, u32 *old_out)
{
	int op = code >> 28 & 7;
	u32 arg = (u32)((int)(code << 8) >> 20), old, seen, new;

	if (code >> 31)
		arg = 1u << (arg & 31);
	if (get_user(seen, uaddr))
		return -EFAULT;
	do {
		old = seen;
		switch (op) {
		case 0: new = arg; break;
		case 1: new = old + arg; break;
		case 2: new = old | arg; break;
		case 3: new = old & ~arg; break;
		case 4: new = old ^ arg; break;
		default: return -ENOSYS;
		}
		if (port_cmpxchg_user(uaddr, &seen, new))
			return -EFAULT;
	} while (seen != old);
	*old_out = old;
	return 0;
}

static int compare_word(u32 code, u32 old)
{
	int arg = (int)(code << 20) >> 20, value = (int)old;

	switch (code >> 24 & 15) {
	case 0: return value == arg;
	case 1: return value != arg;
	case 2: return value < arg;
	case 3: return value <= arg;
	case 4: return value > arg;
	case 5: return value >= arg;
	default: return -ENOSYS;
	}
}

static long futex_wake_op(unsigned long uaddr, unsigned long uaddr2, bool private, int nr, int nr2,
			  u32 code)
{
	struct futex_key key, key2;
	long woken;
	u32 old;
	int error = get_key(uaddr, private, &key), also;

	if (!error)
		error = get_key(uaddr2, private, &key2);
	if (!error)
		error = modify_word(uaddr2, code, &old);
	if (error)
		return error;
	also = compare_word(code, old);
	if (also < 0)
		return also;
	woken = wake_key(&key, nr, BITSET_ALL);
	if (also)
		woken += wake_key(&key2, nr2, BITSET_ALL);
	return woken;
}

/* ---- The end of a thread ----------------------------------------------------------------------------------- */

/* A lock word that the dying thread holds: mark it, and wake who waits for it. */
static bool release_robust(unsigned long uaddr, u32 tid)
{
	u32 old, seen;

	if (uaddr % sizeof(u32) || get_user(seen, uaddr))
		return false;
	do {
		if ((seen & FUTEX_TID_MASK) != tid)
			return true;
		old = seen;
		if (port_cmpxchg_user(uaddr, &seen, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
			return false;
	} while (seen != old);
	if (old & FUTEX_WAITERS)
		(void)futex_wake(uaddr, false, 1, BITSET_ALL); /* nobody there: nothing to do */
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

		if (entry != head.pending && !release_robust((entry & ~1ul) + head.offset, tid))
			return;
		if (bad)
			return;
		entry = next;
	}
	if (head.pending)
		(void)release_robust((head.pending & ~1ul) + head.offset, tid);
}

void futex_exit(struct task_struct *t)
{
	int zero = 0;

	if (t->robust_list)
		walk_robust_list(t);
	if (t->clear_child_tid && atomic_read(&t->vm.mm->mm_users) > 1 &&
	    !put_user(zero, t->clear_child_tid))
		(void)futex_wake(t->clear_child_tid, false, 1, BITSET_ALL); /* maybe nobody joins */
	t->robust_list = t->clear_child_tid = 0;
}

/* ---- The calls ------------------------------------------------------------------------------------------------ */

long sys_futex(unsigned long uaddr, unsigned long op, unsigned long val, unsigned long utime,
	       unsigned long uaddr2, unsigned long val3)
{
	bool private = op & FUTEX_PRIVATE;
	u32 expected = (u32)val3;
	u64 deadline_ns;
	int error;

	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		error = get_deadline(op, utime, &deadline_ns);
		if (error)
			return error;
		return futex_wait(uaddr, private, (u32)val,
				  (op & FUTEX_CMD_MASK) == FUTEX_WAIT ? BITSET_ALL : expected, deadline_ns);
	case FUTEX_WAKE:
		return futex_wake(uaddr, private, (int)val, BITSET_ALL);
	case FUTEX_WAKE_BITSET:
		return futex_wake(uaddr, private, (int)val, expected);
	case FUTEX_REQUEUE:
		return futex_requeue(uaddr, uaddr2, private, (int)val, (int)utime, NULL);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(uaddr, uaddr2, private, (int)val, (int)utime, &expected);
	case FUTEX_WAKE_OP:
		return futex_wake_op(uaddr, uaddr2, private, (int)val, (int)utime, expected);
	default:
		return -ENOSYS;
	}
}

long sys_set_robust_list(unsigned long head, unsigned long len)
{
	if (len != 3 * sizeof(long))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

long sys_get_robust_list(unsigned long pid, unsigned long uhead, unsigned long ulen)
{
	unsigned long head = 0, len = 3 * sizeof(long), flags;
	struct task_struct *t = current;
	int error = 0;

	spin_lock_irqsave(&tasklist_lock, flags);
	if ((int)pid)
		t = find_task_locked((int)pid);
	if (!t)
		error = -ESRCH;
	else if (!may_access_task(t, false))
		error = -EPERM;
	else
		head = t->robust_list;
	spin_unlock_irqrestore(&tasklist_lock, flags);
	if (error)
		return error;
	return put_user(len, ulen) || put_user(head, uhead) ? -EFAULT : 0;
}
