/* SPDX-License-Identifier: MIT */
/*
 * futex.c: fast user-space locks: sleep while a word has a value, wake who sleeps on it.
 *
 *	bucket[hash(key)] -> waiters, first come first
 *
 * The key of a word is (mm, address), or, where it lies in a page of a file, (file's
 * mapping, offset), so that processes meet (ABI.md section 7, 7). Without FUTEX_PRIVATE_FLAG the
 * page of the word is faulted in to make the key, as in Linux: no page there is EFAULT even for a
 * call that only wakes. With it the address alone is the key, and meets no other. A waiter queues
 * itself first and then looks at the word, without the lock, as looking may fault:
 *
 *	waiter			waker
 *	queue itself
 *				change the word
 *				take it off the queue, wake
 *	look: changed -> off the queue; was it off already? then it was woken
 *
 * so a change followed by a wake is never missed. CMP_REQUEUE compares with both buckets locked,
 * where a page that is not there cannot be brought in: it lets go, touches the word and starts
 * over.
 *
 * Robust lists are in robust.c. Locking: bucket->lock; two buckets in address order. No interrupt
 * handler takes it, so interrupts stay on while thousands of waiters are woken.
 * Failure: as futex(2); operations with priority inheritance are ENOSYS.
 */
#include <pagoda/bug.h>
#include <pagoda/mm.h>
#include <pagoda/pagemap.h>
#include <pagoda/slab.h>
#include <pagoda/uaccess.h>
#include <kernel/futex.h>
#include <kernel/sched.h>
#include <kernel/syscalls.h>

#define FUTEX_WAIT	  0
#define FUTEX_WAKE	  1
#define FUTEX_REQUEUE	  3
#define FUTEX_CMP_REQUEUE 4
#define FUTEX_WAKE_OP	  5
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAKE_BITSET 10
#define FUTEX_PRIVATE	  128u
#define FUTEX_REALTIME	  256u
#define FUTEX_CMD_MASK	  (~(FUTEX_PRIVATE | FUTEX_REALTIME))

#define NR_BUCKETS 256

struct futex_key {
	const void *object; /* mm, or the mapping of a shared file */
	unsigned long offset;
};
/* In the offset of an mm's key: without FUTEX_PRIVATE_FLAG; as in Linux the two do not meet. */
#define KEY_LOOKED_UP 1ul

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

/* ---- Keys ------------------------------------------------------------------------------------ */

/*
 * Bring in the page of a word of a shared futex. written: the call will write the word, so that a
 * page that can only be read is no good. Else such a page must be a file's: nobody can ever change
 * an anonymous one. 0 or -EFAULT.
 */
static int touch_word(unsigned long uaddr, bool written)
{
	struct mm_struct *mm = current->vm.mm;
	struct page *page = get_user_page(mm, uaddr, true, false);
	int error = 0;

	if (!page && !written) {
		page = get_user_page(mm, uaddr, false, false);
		if (page && (PageAnon(page) || !READ_ONCE(page->mapping)))
			error = -EFAULT;
	}
	if (!page)
		return -EFAULT;
	put_page(page);
	return error;
}

/*
 * The key of a word in a file's page is its place in the file: in a shared mapping, and in a
 * private one that cannot be written (touch_word() refused it if its page is a copy). mmap_lock
 * held for read.
 */
static void set_shared_key(struct mm_struct *mm, unsigned long uaddr, struct futex_key *key)
	MUST_HOLD_SHARED(&mm->mmap_lock)
{
	struct vm_area_struct *vma = find_vma(mm, uaddr);

	lockdep_assert_held(&mm->mmap_lock);
	if (!vma || vma->vm_start > uaddr || !vma->vm_file)
		return;
	if (!(vma->vm_flags & VM_MAYSHARE) && vma->vm_flags & VM_WRITE)
		return; /* touched for writing, so the page is this process's own */
	key->object = vma->vm_file->f_mapping;
	key->offset = (vma->vm_pgoff << PAGE_SHIFT) + uaddr - vma->vm_start;
}

static int get_key(unsigned long uaddr, bool private, bool written, struct futex_key *key)
{
	struct mm_struct *mm = current->vm.mm;
	int error;

	if (uaddr % sizeof(u32))
		return -EINVAL;
	if (!access_ok(uaddr, sizeof(u32)))
		return -EFAULT;
	*key = (struct futex_key){mm, private ? uaddr : uaddr | KEY_LOOKED_UP};
	if (private)
		return 0;
	error = touch_word(uaddr, written);
	if (error)
		return error;
	if (down_read_killable(&mm->mmap_lock))
		return -EINTR;
	set_shared_key(mm, uaddr, key);
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

/* ---- Waiting --------------------------------------------------------------------------------- */

static void queue_waiter(struct futex_waiter *w)
{
	struct futex_bucket *b = bucket_of(&w->key);

	VM_BUG_ON(w->task != current || !w->bitset);
	spin_lock(&b->lock);
	list_add_tail(&w->link, &b->waiters);
	spin_unlock(&b->lock);
}

/* Take w off; false if a waker had done so. A requeue may move it meanwhile. */
static bool unqueue_waiter(struct futex_waiter *w)
{
	struct futex_bucket *b;
	bool queued;

	for (;;) {
		b = bucket_of(&w->key);
		spin_lock(&b->lock);
		if (b == bucket_of(&w->key))
			break;
		spin_unlock(&b->lock);
	}
	queued = !list_empty(&w->link);
	list_del_init(&w->link);
	spin_unlock(&b->lock);
	return queued;
}

static bool is_woken(struct futex_waiter *w)
{
	return READ_ONCE(w->link.next) == &w->link;
}

static long wait_on(unsigned long uaddr, bool private, u32 val, u32 bitset, u64 deadline_ns)
{
	struct futex_waiter w = {.task = current, .bitset = bitset};
	long ret = 0;
	u32 now;

	if (!bitset)
		return -EINVAL;
	ret = get_key(uaddr, private, false, &w.key);
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

/* ---- Waiting on several words ---------------------------------------------------------------- */

#define FUTEX_WAITV_MAX 128
#define FUTEX_32	2u

struct futex_waitv {
	u64 val, uaddr;
	u32 flags, reserved;
};
static_assert(sizeof(struct futex_waitv) == 24, "struct futex_waitv of the ABI");

static int get_waitv(unsigned long uwaiters, unsigned int nr, struct futex_waitv *v)
{
	VM_BUG_ON(!nr || nr > FUTEX_WAITV_MAX);
	if (copy_from_user(v, uwaiters, nr * sizeof(*v)))
		return -EFAULT;
	for (unsigned int i = 0; i < nr; i++)
		if ((v[i].flags & ~(FUTEX_32 | FUTEX_PRIVATE)) || v[i].reserved ||
		    !(v[i].flags & FUTEX_32))
			return -EINVAL;
	return 0;
}

/*
 * Queue on every word and look at it: 0, or why there is nothing to wait for; *queued are on
 * queues.
 */
static int queue_all(const struct futex_waitv *v, struct futex_waiter *w, unsigned int nr,
		     unsigned int *queued)
{
	int error = 0;
	u32 now;

	for (*queued = 0; *queued < nr && !error; ++*queued) {
		unsigned int i = *queued;

		w[i].task = current;
		w[i].bitset = FUTEX_BITSET_ALL;
		error = get_key(v[i].uaddr, v[i].flags & FUTEX_PRIVATE, false, &w[i].key);
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

static long wait_on_any(const struct futex_waitv *v, struct futex_waiter *w, unsigned int nr,
			u64 deadline_ns)
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

long sys_futex_waitv(unsigned long uwaiters, unsigned long nr, unsigned long flags,
		     unsigned long utime, unsigned long clock)
{
	struct futex_waiter *waiters;
	struct futex_waitv *v;
	u64 deadline_ns;
	long ret;

	if ((u32)flags || !(u32)nr || (u32)nr > FUTEX_WAITV_MAX || !uwaiters)
		return -EINVAL;
	if (utime && (int)clock != CLOCK_REALTIME && (int)clock != CLOCK_MONOTONIC)
		return -EINVAL;
	ret = get_deadline(FUTEX_WAIT_BITSET | ((int)clock == CLOCK_REALTIME ? FUTEX_REALTIME : 0),
			   utime, &deadline_ns);
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

/* ---- Waking ---------------------------------------------------------------------------------- */

/* From here on the waiter's stack frame may go away at any time. Bucket locked. */
static void wake_waiter(struct futex_waiter *w)
{
	struct task_struct *t = w->task;

	lockdep_assert_held(&bucket_of(&w->key)->lock);
	VM_BUG_ON(list_empty(&w->link) || t->gone);
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
	int woken = 0;

	spin_lock(&b->lock);
	list_for_each_entry_safe(w, tmp, &b->waiters, link) {
		if (woken && woken >= nr)
			break;
		if (!same_key(&w->key, key) || !(w->bitset & bitset))
			continue;
		wake_waiter(w);
		woken++;
	}
	spin_unlock(&b->lock);
	return woken;
}

long futex_wake(unsigned long uaddr, bool private, int nr, u32 bitset)
{
	struct futex_key key;
	int error;

	if (!bitset)
		return -EINVAL;
	error = get_key(uaddr, private, false, &key);
	return error ? error : wake_key(&key, nr, bitset);
}

static void lock_two(struct futex_bucket *a, struct futex_bucket *b) ACQUIRES(&a->lock, &b->lock)
	NO_LOCK_ANALYSIS("they may be one")
{
	if (a > b) {
		lock_two(b, a);
		return;
	}
	spin_lock(&a->lock);
	if (a != b)
		spin_lock(&b->lock);
}

static void unlock_two(struct futex_bucket *a, struct futex_bucket *b) RELEASES(&a->lock, &b->lock)
	NO_LOCK_ANALYSIS("they may be one")
{
	if (a != b)
		spin_unlock(&b->lock);
	spin_unlock(&a->lock);
}

/* A requeue on its way. */
struct requeue {
	struct futex_key from, to;
	int nr_wake, nr_requeue;
	unsigned long uaddr; /* of the first word, to be compared */
	const u32 *expected; /* NULL: no comparison */
};

/* Wake the first waiters and move the next ones. How many in all. Both buckets locked. */
static long requeue_locked(const struct requeue *r, struct futex_bucket *b, struct futex_bucket *b2)
{
	struct futex_waiter *w, *tmp;
	long done = 0;

	lockdep_assert_held(&b->lock);
	lockdep_assert_held(&b2->lock);
	VM_BUG_ON(b != bucket_of(&r->from) || b2 != bucket_of(&r->to));
	list_for_each_entry_safe(w, tmp, &b->waiters, link) {
		if (!same_key(&w->key, &r->from))
			continue;
		if (done < r->nr_wake) {
			wake_waiter(w);
		} else if (done - r->nr_wake < r->nr_requeue) {
			w->key = r->to;
			if (b != b2) /* else it would come round again, and again */
				list_move_tail(&w->link, &b2->waiters);
		} else {
			break;
		}
		done++;
	}
	return done;
}

/*
 * Is the word as expected? 0, -EAGAIN: no, -EFAULT: its page is not there. Spinlocks may be held.
 */
static int compare_without_fault(const struct requeue *r)
{
	u32 now;
	int error;

	VM_BUG_ON(r->uaddr % sizeof(u32));
	if (!r->expected)
		return 0;
	current->vm.pagefault_disabled++;
	error = get_user(now, r->uaddr);
	current->vm.pagefault_disabled--;
	if (error)
		return error;
	return now == *r->expected ? 0 : -EAGAIN;
}

/* One attempt; -EFAULT: the word must be touched first. */
static long try_requeue(const struct requeue *r)
{
	struct futex_bucket *b = bucket_of(&r->from), *b2 = bucket_of(&r->to);
	long ret;

	lock_two(b, b2);
	ret = compare_without_fault(r);
	if (!ret)
		ret = requeue_locked(r, b, b2);
	unlock_two(b, b2);
	return ret;
}

/* Wake nr waiters of the first word and move up to nr_requeue of the rest to the second. */
static long futex_requeue(unsigned long uaddr, unsigned long uaddr2, bool private, int nr,
			  int nr_requeue, const u32 *expected)
{
	struct requeue r = {
		.nr_wake = nr, .nr_requeue = nr_requeue, .uaddr = uaddr, .expected = expected};
	long ret;
	u32 now;

	if (nr < 0 || nr_requeue < 0)
		return -EINVAL;
	ret = get_key(uaddr, private, false, &r.from);
	if (!ret)
		ret = get_key(uaddr2, private, false, &r.to);
	if (ret)
		return ret;
	while ((ret = try_requeue(&r)) == -EFAULT)
		if (get_user(now, uaddr))
			return -EFAULT;
	return ret;
}

#define WAKE_OP_LAST 4

/*
 * FUTEX_WAKE_OP: change the second word, wake on the first, and on the second if its old value says
 * so.
 */
static int modify_word(unsigned long uaddr, u32 code, u32 *old_out)
{
	int op = code >> 28 & 7;
	u32 arg = (u32)((int)(code << 8) >> 20), old, seen, new;

	if (op > WAKE_OP_LAST)
		return -ENOSYS;
	if (code >> 31)
		arg = 1u << (arg & 31);
	if (get_user(seen, uaddr))
		return -EFAULT;
	do {
		old = seen;
		switch (op) {
		case 0:
			new = arg;
			break;
		case 1:
			new = old + arg;
			break;
		case 2:
			new = old | arg;
			break;
		case 3:
			new = old & ~arg;
			break;
		default:
			new = old ^ arg;
			break;
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
	case 0:
		return value == arg;
	case 1:
		return value != arg;
	case 2:
		return value < arg;
	case 3:
		return value <= arg;
	case 4:
		return value > arg;
	case 5:
		return value >= arg;
	default:
		return -ENOSYS;
	}
}

static long futex_wake_op(unsigned long uaddr, unsigned long uaddr2, bool private, int nr, int nr2,
			  u32 code)
{
	struct futex_key key, key2;
	long woken;
	u32 old;
	int error = get_key(uaddr, private, false, &key), also;

	if (!error)
		error = get_key(uaddr2, private, true, &key2);
	if (!error)
		error = modify_word(uaddr2, code, &old);
	if (error)
		return error;
	also = compare_word(code, old);
	if (also < 0)
		return also;
	woken = wake_key(&key, nr, FUTEX_BITSET_ALL);
	if (also)
		woken += wake_key(&key2, nr2, FUTEX_BITSET_ALL);
	return woken;
}

/* ---- The calls ------------------------------------------------------------------------------- */

/* FUTEX_CLOCK_REALTIME means something to a wait until a time only. */
static bool knows_realtime(unsigned int command)
{
	return command == FUTEX_WAIT_BITSET;
}

long sys_futex(unsigned long uaddr, unsigned long op, unsigned long val, unsigned long utime,
	       unsigned long uaddr2, unsigned long val3)
{
	unsigned int command = (unsigned int)op & FUTEX_CMD_MASK;
	bool private = op & FUTEX_PRIVATE,
	     waits = command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET;
	u32 expected = (u32)val3;
	u64 deadline_ns = UINT64_MAX;
	int error = waits ? get_deadline(op, utime, &deadline_ns) : 0;

	if (error)
		return error;
	if ((op & FUTEX_REALTIME) && !knows_realtime(command))
		return -ENOSYS;
	switch (command) {
	case FUTEX_WAIT:
		return futex_wait(uaddr, private, (u32)val, FUTEX_BITSET_ALL, deadline_ns);
	case FUTEX_WAIT_BITSET:
		return futex_wait(uaddr, private, (u32)val, expected, deadline_ns);
	case FUTEX_WAKE:
		return futex_wake(uaddr, private, (int)val, FUTEX_BITSET_ALL);
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
