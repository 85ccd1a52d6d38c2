/* SPDX-License-Identifier: MIT */
/*
 * pid.c: numbers for tasks, process groups and sessions.
 *
 *	pid_map		one bit a number, 1 = in use		4 KiB, static
 *	pid_hash	number -> struct pid			chains, nr % 256
 *
 * Numbers are given out cyclically: the search starts after the last one given, so a
 * freed number comes back only after all others had their turn (ABI.md section 7, 9).
 * After the first round it starts at RESERVED_PIDS, which leaves the low numbers to the
 * tasks of the boot.
 *
 * A struct pid counts its users: the task whose id it is, and every process that is a
 * member of the group or session of that number. The last one frees the number. The struct itself
 * may stay for a pidfd, which then stands for nobody.
 *
 * Locking: everything here is under tasklist_lock.
 * Cost: lookup O(chain), allocation O(PID_MAX / 64) in the worst case, one word mostly.
 * Failure: only alloc_pid() can fail, with nothing changed.
 */
#include <pagoda/bug.h>
#include <pagoda/slab.h>
#include <kernel/task.h>

#define PID_HASH_SIZE 256

static unsigned long pid_map[PID_MAX / 64];	 /* (T) */
static struct list_head pid_hash[PID_HASH_SIZE]; /* (T) */
static int last_pid;				 /* (T) */
static kmem_cache_t *pid_cache;

void pid_init(void)
{
	for (int i = 0; i < PID_HASH_SIZE; i++)
		INIT_LIST_HEAD(&pid_hash[i]);
	set_bit(0, pid_map); /* the idle task's */
	pid_cache = kmem_cache_create("pid", sizeof(struct pid), 0, 0, NULL, NULL);
	BUG_ON(!pid_cache);
}

int last_pid_given(void)
{
	return READ_ONCE(last_pid);
}

/* The first number of [from, to) not in use, or -1. */
static int find_free_number(int from, int to)
{
	for (int nr = from; nr < to;) {
		unsigned long used = pid_map[nr / 64] | ((1ul << nr % 64) - 1);

		if (~used == 0) {
			nr = (nr / 64 + 1) * 64;
			continue;
		}
		nr = nr / 64 * 64 + __builtin_ctzl(~used);
		return nr < to ? nr : -1;
	}
	return -1;
}

static int take_number(void)
{
	int nr = find_free_number(last_pid + 1, PID_MAX);

	lockdep_assert_held(&tasklist_lock);
	if (nr < 0)
		nr = find_free_number(RESERVED_PIDS, last_pid + 1);
	if (nr < 0)
		return -EAGAIN;
	set_bit((unsigned int)nr, pid_map);
	last_pid = nr;
	return nr;
}

static int take_this_number(int nr)
{
	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(nr <= 0 || nr >= PID_MAX);
	if (pid_map[nr / 64] & 1ul << nr % 64)
		return -EEXIST;
	set_bit((unsigned int)nr, pid_map);
	return nr;
}

struct pid *alloc_pid(int wanted)
{
	struct pid *pid = kmem_cache_alloc(pid_cache, GFP_KERNEL | __GFP_ZERO);
	int nr;

	if (!pid)
		return ERR_PTR(-ENOMEM);
	for (int i = 0; i < NR_PID_LISTS; i++)
		INIT_LIST_HEAD(&pid->members[i]);
	pid->users = 1;
	pid->refs = 1;
	INIT_LIST_HEAD(&pid->left_link);
	init_waitqueue_head(&pid->ended);
	spin_lock_deferring(&tasklist_lock);
	nr = wanted ? take_this_number(wanted) : take_number();
	pid->nr = nr;
	if (nr > 0)
		list_add(&pid->hash, &pid_hash[nr % PID_HASH_SIZE]);
	spin_unlock_deferring(&tasklist_lock);
	if (nr < 0) {
		kmem_cache_free(pid_cache, pid);
		return ERR_PTR(nr);
	}
	return pid;
}

static void put_ref_locked(struct pid *pid)
{
	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(pid->refs <= 0);
	if (--pid->refs == 0)
		kmem_cache_free(pid_cache, pid);
}

void get_pid_ref(struct pid *pid)
{
	spin_lock_deferring(&tasklist_lock);
	pid->refs++;
	spin_unlock_deferring(&tasklist_lock);
}

void put_pid_ref(struct pid *pid)
{
	spin_lock_deferring(&tasklist_lock);
	put_ref_locked(pid);
	spin_unlock_deferring(&tasklist_lock);
}

void get_pid_locked(struct pid *pid)
{
	VM_BUG_ON(pid->users <= 0);
	lockdep_assert_held(&tasklist_lock);
	pid->users++;
}

void put_pid_locked(struct pid *pid)
{
	VM_BUG_ON(pid->users <= 0 || pid->refs <= 0);
	lockdep_assert_held(&tasklist_lock);
	if (--pid->users > 0)
		return;
	list_del(&pid->hash);
	clear_bit((unsigned int)pid->nr, pid_map);
	put_ref_locked(pid);
}

void put_pid(struct pid *pid)
{
	spin_lock_deferring(&tasklist_lock);
	put_pid_locked(pid);
	spin_unlock_deferring(&tasklist_lock);
}

struct pid *find_pid_locked(int nr)
{
	struct pid *pid;

	lockdep_assert_held(&tasklist_lock);
	if (nr <= 0 || nr >= PID_MAX)
		return NULL;
	list_for_each_entry(pid, &pid_hash[nr % PID_HASH_SIZE], hash)
		if (pid->nr == nr)
			return pid;
	return NULL;
}

int next_pid_locked(int after, struct task_struct **task)
{
	lockdep_assert_held(&tasklist_lock);
	for (int nr = after + 1; nr < PID_MAX; nr++) {
		unsigned long rest = pid_map[nr / 64] >> nr % 64;
		struct pid *pid;

		if (!rest) {
			nr |= 63;
			continue;
		}
		nr += __builtin_ctzl(rest);
		pid = find_pid_locked(nr);
		if (pid && pid->task) {
			*task = pid->task;
			return nr;
		}
	}
	return 0;
}

void attach_pid_locked(struct task_struct *leader, enum pid_type type, struct pid *pid)
{
	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(!thread_group_leader(leader) || !list_empty(&leader->pid_link[type]));
	get_pid_locked(pid);
	list_add_tail(&leader->pid_link[type], &pid->members[type]);
	if (type == PIDTYPE_PGRP) {
		leader->signal->pgrp = pid;
		WRITE_ONCE(leader->signal->fs_process.pgrp, pid->nr);
	} else {
		leader->signal->session = pid;
		WRITE_ONCE(leader->signal->fs_process.sid, pid->nr);
	}
}

void detach_pid_locked(struct task_struct *leader, enum pid_type type)
{
	struct pid *pid = type == PIDTYPE_PGRP ? leader->signal->pgrp : leader->signal->session;

	lockdep_assert_held(&tasklist_lock);
	VM_BUG_ON(!pid || list_empty(&leader->pid_link[type]));
	list_del_init(&leader->pid_link[type]);
	put_pid_locked(pid);
}
