/* SPDX-License-Identifier: MIT */
/*
 * locks.c: advisory locks on files: POSIX record locks (fcntl), open file description
 * locks (F_OFD_*), and flock(2).
 *
 * Each inode has a list of locks. Locks of one owner stand together, by offset; owners stand in the
 * order of their first lock. So the first conflict in the list, which F_GETLK tells, is the one
 * that Linux finds. The three kinds differ in who owns a lock:
 *
 *	POSIX	the table of descriptors (a process); gone at any close of the file by it
 *	OFD	the open file, by byte range like POSIX
 *	flock	the open file, always whole; separate from the other two
 *
 * A request splits and merges the owner's own locks: the new lock is put in its place first (so the
 * owner keeps its place in the list even if all older locks go), its range is cut out of the
 * others, and those of the same type that touch it are joined with it. All that needs memory is
 * allocated before the list is touched (a cut needs at most one lock more). Locks are counted for
 * their user (fs/user.h): ENOLCK when the user has too many.
 *
 * Waiting: one queue for all, with the inode as the key; a waiter looks again at each change of its
 * inode's locks, and no change of another file runs its task. POSIX waits are checked for a cycle
 * of processes (EDEADLK), following at most MAX_WAIT_CHAIN owners.
 *
 * Locking: file_locks_lock, for all lists.
 */
#include <fs/user.h>
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <fs/wait.h>
#include <pagoda/abi/fcntl.h>
#include <pagoda/bug.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

#define LOCK_SH	  1ul
#define LOCK_EX	  2ul
#define LOCK_NB	  4ul
#define LOCK_UN	  8ul
#define LOCK_MAND 32ul /* of old: accepted, means nothing */

#define LOCK_END_MAX   ((u64)INT64_MAX)
#define MAX_WAIT_CHAIN 32
#define REMOVE_BATCH   512u /* locks that a close gives up between two scheduling points */

enum lock_kind { LOCK_POSIX, LOCK_OFD, LOCK_FLOCK };

struct file_lock {
	struct file_lock *next;
	enum lock_kind kind;
	int type; /* F_RDLCK, F_WRLCK */
	const void *owner;
	int pid;		  /* for F_GETLK: -1 for OFD */
	struct user_struct *user; /* counted for it, with a reference */
	u64 start, end; /* bytes [start, end], end included: it may be the largest offset */
};

/* A POSIX wait in progress: owner waits for blocker. */
struct lock_wait {
	const void *owner, *blocker;
	struct list_head link;
};

struct user_flock {
	s16 type, whence;
	s64 start, len;
	s32 pid;
};
static_assert(sizeof(struct user_flock) == 32, "struct flock of the ABI");

static spinlock_t file_locks_lock = SPIN_LOCK_INIT(RANK_NONE);
static wait_queue_head_t lock_changed = WAIT_QUEUE_HEAD_INIT(lock_changed);
static LIST_HEAD(lock_waits);

static bool same_space(const struct file_lock *a, const struct file_lock *b)
{
	return (a->kind == LOCK_FLOCK) == (b->kind == LOCK_FLOCK);
}

static bool overlaps(const struct file_lock *a, const struct file_lock *b)
{
	return a->start <= b->end && b->start <= a->end;
}

/* The first lock of another owner that the request cannot live with, or NULL. */
static struct file_lock *find_conflict(struct inode *inode, const struct file_lock *want)
{
	struct file_lock *lock;

	lockdep_assert_held(&file_locks_lock);
	VM_BUG_ON(want->start > want->end);
	for (lock = inode->i_locks; lock; lock = lock->next)
		if (same_space(lock, want) && lock->owner != want->owner && overlaps(lock, want) &&
		    (lock->type == F_WRLCK || want->type == F_WRLCK))
			return lock;
	return NULL;
}

static bool same_owner(const struct file_lock *a, const struct file_lock *b)
{
	return same_space(a, b) && a->owner == b->owner;
}

/* In its place: behind its owner's locks of lower offsets; of a new owner behind all others'. */
static void add_lock(struct inode *inode, struct file_lock *lock) MUST_HOLD(&file_locks_lock)
{
	struct file_lock **link = &inode->i_locks;

	lockdep_assert_held(&file_locks_lock);
	while (*link && !same_owner(*link, lock))
		link = &(*link)->next;
	while (*link && same_owner(*link, lock) && (*link)->start < lock->start)
		link = &(*link)->next;
	lock->next = *link;
	*link = lock;
}

/*
 * A lock to be filled in, counted for the caller's user; NULL: no memory, or the user has too many.
 */
static struct file_lock *new_lock(void)
{
	struct user_struct *user = current_user();
	struct file_lock *lock = kmalloc(sizeof(*lock), GFP_KERNEL);

	if (lock && !user_charge(user, sizeof(*lock))) {
		kfree(lock);
		return NULL;
	}
	if (lock)
		lock->user = get_user_struct(user);
	return lock;
}

/*
 * Copy all fields but user: the memory of *to stays counted for the user for whom it was allocated.
 */
static void copy_lock(struct file_lock *to, const struct file_lock *from)
{
	struct user_struct *user = to->user;

	*to = *from;
	to->user = user;
}

static void free_lock(struct file_lock *lock)
{
	if (!lock)
		return;
	user_uncharge(lock->user, sizeof(*lock));
	put_user_struct(lock->user);
	kfree(lock);
}

/*
 * Cut the request's range out of the owner's other locks; those of the same type that touch it
 * are swallowed into want. spare is used for the second half of a lock cut in two. Freed
 * ones go to *dead.
 */
static void cut_own(struct inode *inode, struct file_lock *want, struct file_lock **spare,
		    struct file_lock **dead) MUST_HOLD(&file_locks_lock)
{
	struct file_lock **link = &inode->i_locks, *lock;

	lockdep_assert_held(&file_locks_lock);
	VM_BUG_ON(want->start > want->end);
	while ((lock = *link)) {
		bool touches =
			lock->start <= (want->end == LOCK_END_MAX ? want->end : want->end + 1) &&
			want->start <= (lock->end == LOCK_END_MAX ? lock->end : lock->end + 1);

		if (lock == want || !same_owner(lock, want) || !touches ||
		    (lock->type != want->type && !overlaps(lock, want))) {
			link = &lock->next;
			continue;
		}
		if (lock->type == want->type) {
			want->start = min(want->start, lock->start);
			want->end = max(want->end, lock->end);
		} else if (lock->start < want->start && lock->end > want->end) {
			struct file_lock *tail = *spare;

			*spare = NULL;
			copy_lock(tail, lock);
			tail->start = want->end + 1;
			lock->end = want->start - 1;
			add_lock(inode, tail);
			link = &lock->next;
			continue;
		} else if (lock->start < want->start) {
			lock->end = want->start - 1;
			link = &lock->next;
			continue;
		} else if (lock->end > want->end) {
			lock->start = want->end + 1;
			link = &lock->next;
			continue;
		}
		*link = lock->next;
		lock->next = *dead;
		*dead = lock;
	}
}

/* Does the request leave both ends of one of the owner's locks? */
static bool cuts_in_two(struct inode *inode, const struct file_lock *want)
{
	lockdep_assert_held(&file_locks_lock);
	for (const struct file_lock *lock = inode->i_locks; lock; lock = lock->next)
		if (same_space(lock, want) && lock->owner == want->owner &&
		    lock->type != want->type && lock->start < want->start && lock->end > want->end)
			return true;
	return false;
}

static void free_all(struct file_lock *dead)
{
	while (dead) {
		struct file_lock *next = dead->next;

		free_lock(dead);
		dead = next;
	}
}

/* Would owner's waiting for blocker close a circle? */
static bool is_deadlock(const void *owner, const void *blocker)
{
	lockdep_assert_held(&file_locks_lock);
	for (int i = 0; i < MAX_WAIT_CHAIN; i++) {
		struct lock_wait *wait;
		const void *next = NULL;

		list_for_each_entry(wait, &lock_waits, link)
			if (wait->owner == blocker)
				next = wait->blocker;
		if (!next)
			return false;
		if (next == owner)
			return true;
		blocker = next;
	}
	return false;
}

/*
 * Try once. 0: done; -EAGAIN; -EDEADLK (would wait). ready: fresh locks, used up as needed; the
 * second may be NULL, which is -ENOLCK if a lock must be cut in two.
 */
static long try_lock(struct inode *inode, const struct file_lock *want, struct file_lock *ready[2],
		     bool wait, struct lock_wait *waiting)
{
	struct file_lock *conflict, *dead = NULL;
	long ret = 0;

	spin_lock(&file_locks_lock);
	conflict = want->type == F_UNLCK ? NULL : find_conflict(inode, want);
	if (conflict) {
		ret = -EAGAIN;
		if (wait && want->kind == LOCK_POSIX && conflict->kind == LOCK_POSIX) {
			waiting->blocker = conflict->owner;
			if (is_deadlock(want->owner, conflict->owner))
				ret = -EDEADLK;
		}
	} else if (!ready[1] && cuts_in_two(inode, want)) {
		ret = -ENOLCK;
	} else {
		struct file_lock *lock = ready[0];

		copy_lock(lock, want);
		if (want->type != F_UNLCK) {
			add_lock(inode, lock);
			ready[0] = NULL;
		}
		cut_own(inode, lock, &ready[1], &dead);
	}
	spin_unlock(&file_locks_lock);
	free_all(dead);
	if (!ret)
		wake_up_key(&lock_changed, inode);
	return ret;
}

static long lock_waiting(struct inode *inode, const struct file_lock *want,
			 struct file_lock *ready[2])
{
	struct lock_wait waiting = {.owner = want->owner};
	struct wait_queue_entry entry;
	long ret;

	spin_lock(&file_locks_lock);
	list_add(&waiting.link, &lock_waits);
	spin_unlock(&file_locks_lock);
	prepare_to_wait(&lock_changed, &entry, inode);
	while ((ret = try_lock(inode, want, ready, true, &waiting)) == -EAGAIN) {
		if (fs_hook_signal_pending()) {
			ret = -ERESTARTSYS;
			break;
		}
		port_park(UINT64_MAX);
	}
	finish_wait(&lock_changed, &entry);
	spin_lock(&file_locks_lock);
	list_del(&waiting.link);
	spin_unlock(&file_locks_lock);
	return ret;
}

static long set_lock(struct inode *inode, const struct file_lock *want, bool wait)
{
	/* Giving up locks must not fail for want of memory, unless one is cut in two. */
	struct file_lock cutter = {.user = NULL};
	struct file_lock *ready[2] = {want->type == F_UNLCK ? &cutter : new_lock(), new_lock()};
	long ret = -ENOLCK;

	if (ready[0])
		ret = wait ? lock_waiting(inode, want, ready)
			   : try_lock(inode, want, ready, false, NULL);
	if (ready[0] != &cutter)
		free_lock(ready[0]);
	free_lock(ready[1]);
	return ret;
}

/* ---- fcntl ---------------------------------------------------------------------------------- */

/* The range a struct flock means, as [start, end]. 0, -EINVAL, -EOVERFLOW. */
static long get_range(struct file *file, const struct user_flock *fl, struct file_lock *lock)
{
	s64 base = fl->whence == 0   ? 0
		   : fl->whence == 1 ? (s64)file->f_pos
		   : fl->whence == 2 ? (s64)file->f_inode->i_size
				     : -1;
	s64 start, end;

	if (base < 0)
		return -EINVAL;
	if (__builtin_add_overflow(base, fl->start, &start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	end = INT64_MAX;
	if (fl->len > 0 && __builtin_add_overflow(start, fl->len - 1, &end))
		return -EOVERFLOW;
	if (fl->len < 0) {
		end = start - 1;
		start += fl->len;
		if (start < 0)
			return -EINVAL;
	}
	lock->start = (u64)start;
	lock->end = (u64)end;
	return 0;
}

static bool is_ofd_cmd(unsigned int cmd)
{
	return cmd >= F_OFD_GETLK && cmd <= F_OFD_SETLKW;
}

/* What lock is asked for: its owner, its range, then its type. 0 or -errno. */
static long get_request(struct file *file, const struct user_flock *fl, bool ofd,
			struct file_lock *lock)
{
	long err;

	memset(lock, 0, sizeof(*lock));
	lock->kind = ofd ? LOCK_OFD : LOCK_POSIX;
	lock->type = fl->type;
	lock->owner = ofd ? (const void *)file : (const void *)fs_current()->files;
	lock->pid = ofd ? -1 : fs_current()->process->pid;
	err = get_range(file, fl, lock);
	if (!err && fl->type != F_RDLCK && fl->type != F_WRLCK && fl->type != F_UNLCK)
		err = -EINVAL;
	return err;
}

/*
 * The answer of F_GETLK: the first conflict, or that there is none, in which case only the type
 * changes.
 */
static void tell_conflict(struct inode *inode, const struct file_lock *want, struct user_flock *fl)
{
	struct file_lock *conflict;

	spin_lock(&file_locks_lock);
	conflict = find_conflict(inode, want);
	fl->type = F_UNLCK;
	if (conflict) {
		fl->type = (s16)conflict->type;
		fl->whence = 0;
		fl->start = (s64)conflict->start;
		fl->len = conflict->end == LOCK_END_MAX
				  ? 0
				  : (s64)(conflict->end - conflict->start + 1);
		fl->pid = conflict->pid;
	}
	spin_unlock(&file_locks_lock);
}

long fcntl_getlk(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct user_flock fl;
	struct file_lock want;
	long ret;

	if (copy_from_user(&fl, arg, sizeof(fl)))
		return -EFAULT;
	if (fl.type != F_RDLCK && fl.type != F_WRLCK)
		return -EINVAL;
	ret = get_request(file, &fl, is_ofd_cmd(cmd), &want);
	if (!ret && is_ofd_cmd(cmd) && fl.pid)
		ret = -EINVAL;
	if (ret)
		return ret;
	tell_conflict(file->f_inode, &want, &fl);
	return copy_to_user(arg, &fl, sizeof(fl)) ? -EFAULT : 0;
}

/*
 * Another thread may have closed fd while we waited, and found no lock to remove: then nobody would
 * remove the one just taken, as the process's descriptors are what it ends with.
 */
static long keep_if_open(struct file *file, unsigned int fd)
{
	struct files_struct *files = fs_current()->files;
	struct file *now = files_get(files, fd);
	long ret = now == file ? 0 : -EBADF;

	if (ret)
		locks_remove_posix(file, files);
	if (now)
		fput(now);
	return ret;
}

/* Read locks take a file that is open for reading, write locks one open for writing. */
static bool may_lock(const struct file *file, int type)
{
	return type == F_UNLCK || file->f_mode & (type == F_RDLCK ? FMODE_READ : FMODE_WRITE);
}

long fcntl_setlk(struct file *file, unsigned int fd, unsigned int cmd, unsigned long arg)
{
	struct user_flock fl;
	struct file_lock want;
	long ret;

	if (copy_from_user(&fl, arg, sizeof(fl)))
		return -EFAULT;
	ret = get_request(file, &fl, is_ofd_cmd(cmd), &want);
	if (!ret && !may_lock(file, want.type))
		ret = -EBADF;
	if (!ret && is_ofd_cmd(cmd) && fl.pid)
		ret = -EINVAL;
	if (ret)
		return ret;
	ret = set_lock(file->f_inode, &want, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
	return ret || want.kind != LOCK_POSIX || want.type == F_UNLCK ? ret
								      : keep_if_open(file, fd);
}

/* ---- flock, closing -------------------------------------------------------------------------- */

long sys_flock(unsigned long fd, unsigned long op)
{
	struct file_lock want = {.kind = LOCK_FLOCK, .start = 0, .end = LOCK_END_MAX};
	struct fd f;
	long ret;

	if (op & LOCK_MAND)
		return 0;
	switch (op & ~LOCK_NB) {
	case LOCK_SH:
		want.type = F_RDLCK;
		break;
	case LOCK_EX:
		want.type = F_WRLCK;
		break;
	case LOCK_UN:
		want.type = F_UNLCK;
		break;
	default:
		return -EINVAL;
	}
	f = fdget((unsigned int)fd);
	if (!f.file)
		return -EBADF;
	want.owner = f.file;
	want.pid = fs_current()->process->pid;
	ret = set_lock(f.file->f_inode, &want, !(op & LOCK_NB));
	fdput(f);
	return ret;
}

/* Up to REMOVE_BATCH locks of owner leave the list, for *dead; true: there may be more. */
static bool take_owned(struct inode *inode, const void *owner, struct file_lock **dead)
{
	struct file_lock **link, *lock;
	unsigned int taken = 0;

	spin_lock(&file_locks_lock);
	for (link = &inode->i_locks; (lock = *link) && taken < REMOVE_BATCH;) {
		if (lock->owner != owner) {
			link = &lock->next;
			continue;
		}
		*link = lock->next;
		lock->next = *dead;
		*dead = lock;
		taken++;
	}
	spin_unlock(&file_locks_lock);
	return taken == REMOVE_BATCH;
}

/* Tasks that wait for one of these locks are woken when all of them have been removed. */
static void remove_owned(struct inode *inode, const void *owner)
{
	bool more, any = false;

	if (!READ_ONCE(inode->i_locks))
		return;
	do {
		struct file_lock *dead = NULL;

		more = take_owned(inode, owner, &dead);
		any = any || dead;
		free_all(dead);
		port_cond_resched();
	} while (more);
	if (any)
		wake_up_key(&lock_changed, inode);
}

void locks_remove_posix(struct file *file, struct files_struct *owner)
{
	remove_owned(file->f_inode, owner);
}

void locks_remove_file(struct file *file)
{
	remove_owned(file->f_inode, file);
}
