/* SPDX-License-Identifier: MIT */
/*
 * user.c: users as the kernel counts for them (user.h).
 *
 *	uid -> hash chain -> user_struct { references, counts }
 *
 * A user_struct exists as long as a task or an object is counted for it. Even tasks that may become
 * any user can make one for each task at most, so the table needs no limit of its own.
 *
 * The small objects for which Linux has no limit of its own (file locks, ...) share one allowance:
 * a USER_SHARE-th of RAM for each unprivileged user. docs/LIMITS.md lists them.
 *
 * Locking: users_lock (RANK_LEAF, interrupts off) for the table and the references; counts are
 * atomic.
 * Failure: NULL without memory. Observability: SigQ in /proc/PID/status;
 * tests/guest/kernel_memory_limits.
 */
#include <fs/user.h>
#include <fs/vfs.h>
#include <pagoda/bug.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>

#define USER_HASH  64u
#define USER_SHARE 16 /* of RAM, this part may be small objects of one user */

struct user_struct root_user = {.count = ATOMIC_INIT(1)}; /* a reference that is never dropped */

static struct user_struct *users[USER_HASH] = {&root_user};
static spinlock_t users_lock = SPIN_LOCK_INIT(RANK_LEAF);

static struct user_struct **chain_of(u32 uid)
{
	return &users[(uid ^ uid >> 6 ^ uid >> 12) % USER_HASH];
}

/* The user with that number, with a reference, or NULL. */
static struct user_struct *find_locked(u32 uid) MUST_HOLD(&users_lock)
{
	struct user_struct *user = *chain_of(uid);

	lockdep_assert_held(&users_lock);
	while (user && user->uid != uid)
		user = user->next;
	if (user)
		atomic_inc(&user->count);
	return user;
}

struct user_struct *find_user(u32 uid)
{
	struct user_struct *user, *new = NULL;
	unsigned long flags;

	for (;;) {
		spin_lock_irqsave(&users_lock, flags);
		user = find_locked(uid);
		if (!user && new) {
			*new = (struct user_struct){
				.uid = uid, .count = ATOMIC_INIT(1), .next = *chain_of(uid)};
			*chain_of(uid) = user = new;
			new = NULL;
		}
		spin_unlock_irqrestore(&users_lock, flags);
		if (user)
			break;
		new = kmalloc(sizeof(*new), GFP_KERNEL);
		if (!new)
			return NULL;
	}
	kfree(new);
	return user;
}

/* Nothing may be counted for a user without references. */
static void check_unused(const struct user_struct *user)
{
	WARN_ON_ONCE(
		atomic_long_read(&user->nr_tasks) || atomic_long_read(&user->nr_sigpending) ||
		atomic_long_read(&user->pipe_pages) || atomic_long_read(&user->epoll_watches) ||
		atomic_long_read(&user->files_in_flight) || atomic_long_read(&user->kernel_bytes));
}

void put_user_struct(struct user_struct *user)
{
	struct user_struct **link;
	unsigned long flags;
	bool last;

	VM_BUG_ON(atomic_read(&user->count) <= 0);
	spin_lock_irqsave(&users_lock, flags);
	last = atomic_dec_and_test(&user->count);
	if (last) {
		for (link = chain_of(user->uid); *link != user; link = &(*link)->next)
			;
		*link = user->next;
	}
	spin_unlock_irqrestore(&users_lock, flags);
	if (last) {
		check_unused(user);
		kfree(user);
	}
}

struct user_struct *current_user(void)
{
	return fs_current()->user;
}

/* ---- Small objects ------------------------------------------------------------------------ */

bool user_charge(struct user_struct *user, size_t bytes)
{
	long limit = (long)(totalram_pages() / USER_SHARE * PAGE_SIZE);
	long now = atomic_long_add_return(&user->kernel_bytes, (long)bytes);

	if (now <= limit || fs_capable(CAP_SYS_RESOURCE))
		return true;
	user_uncharge(user, bytes);
	return false;
}

void user_uncharge(struct user_struct *user, size_t bytes)
{
	long now = atomic_long_add_return(&user->kernel_bytes, -(long)bytes);

	WARN_ON_ONCE(now < 0);
}
