/* SPDX-License-Identifier: MIT */
/*
 * wait.h: sleeping in system calls: until a condition, a signal or a deadline, and on
 * several wait queues at once (poll, select).
 */
#pragma once

#include <pagoda/spinlock.h>
#include <pagoda/errno.h>
#include <fs/task.h>

/*
 * Sleep until cond; 0, -ERESTARTSYS when interrupted holds (a signal is there), -EAGAIN after
 * deadline_ns. Both must not sleep. May sleep.
 */
#define wait_event_unless(wq, cond, interrupted, deadline_ns)                                  \
	({                                                                                     \
		struct wait_queue_entry wait_;                                                 \
		u64 deadline_ = (deadline_ns);                                                 \
		long ret_ = 0;                                                                 \
		if (!(cond)) {                                                                 \
			prepare_to_wait((wq), &wait_, NULL);                                   \
			while (!(cond)) {                                                      \
				if (interrupted) {                                             \
					ret_ = -ERESTARTSYS;                                   \
					break;                                                 \
				}                                                              \
				if (deadline_ != UINT64_MAX && port_clock_ns() >= deadline_) { \
					ret_ = -EAGAIN;                                        \
					break;                                                 \
				}                                                              \
				port_park(deadline_);                                          \
			}                                                                      \
			finish_wait((wq), &wait_);                                             \
		}                                                                              \
		ret_;                                                                          \
	})
#define wait_event_until(wq, cond, deadline_ns) \
	wait_event_unless(wq, cond, fs_hook_signal_pending(), deadline_ns)
/* Only a signal that ends the caller counts: for who holds what would be lost. */
#define wait_event_killable(wq, cond) \
	wait_event_unless(wq, cond, port_fatal_signal_pending(), UINT64_MAX)
#define wait_event_interruptible(wq, cond) wait_event_until(wq, cond, UINT64_MAX)

#define POLLIN	   0x001u
#define POLLPRI	   0x002u
#define POLLOUT	   0x004u
#define POLLERR	   0x008u
#define POLLHUP	   0x010u
#define POLLNVAL   0x020u
#define POLLRDNORM 0x040u
#define POLLRDBAND 0x080u
#define POLLWRNORM 0x100u
#define POLLWRBAND 0x200u
#define POLLRDHUP  0x2000u

/*
 * Where a poller waits: poll operations call poll_wait() for each queue that could change
 * their answer, and what stands behind the table notes it: a poll_set, or an epoll item.
 */
struct poll_table {
	void (*queue)(struct poll_table *pt, wait_queue_head_t *wq, const void *key);
	int error; /* -ENOMEM: some queue could not be registered */
};
/* Only wake-ups with that key (NULL: all) matter. pt NULL: only asking. */
static inline void poll_wait_key(wait_queue_head_t *wq, struct poll_table *pt, const void *key)
{
	if (pt)
		pt->queue(pt, wq, key);
}
static inline void poll_wait(wait_queue_head_t *wq, struct poll_table *pt)
{
	poll_wait_key(wq, pt, NULL);
}

/* The queues on which the current task waits: POLL_INLINE of them on the stack, more allocated. */
#define POLL_INLINE 8
struct poll_entry {
	wait_queue_head_t *wq;
	struct wait_queue_entry wait;
};
struct poll_chunk {
	struct poll_chunk *next;
	unsigned int used;
	struct poll_entry entries[31];
};
struct poll_set {
	struct poll_table table; /* first */
	unsigned int used;
	struct poll_chunk *chunks;
	struct poll_entry entries[POLL_INLINE];
};
void poll_init(struct poll_set *set);
/* Off all queues. */
void poll_end(struct poll_set *set);

struct file;
/*
 * What of events (poll bits), POLLERR and POLLHUP holds for file now; without a poll operation a
 * file is always ready.
 */
unsigned int vfs_poll(struct file *file, unsigned int events, struct poll_table *pt);

/* A time span from now as a deadline on port_clock_ns()'s scale; 0 stays 0 (ask only). */
u64 poll_deadline_after(u64 ns);
/* A user's timespec as such a deadline; no address: UINT64_MAX (never). 0, -EFAULT, -EINVAL. */
long poll_get_deadline(unsigned long user, u64 *deadline_ns) __must_check;
