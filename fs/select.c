/* SPDX-License-Identifier: MIT */
/*
 * select.c: waiting for several files at once: poll, select and their p-forms.
 *
 * All go the same way: ask every file, registering on the way where to wait; if none is
 * ready, park; woken by any of the queues (or a signal, or the deadline), ask again. The
 * first round registers, later rounds only ask. A wait queue entry holds the task that
 * waits; its file is held by the round's reference, so the queue stays.
 *
 * Interrupted by a signal: poll goes on through restart_syscall with its old deadline,
 * select and the p-forms write back the time that is left and return EINTR (only if a
 * handler runs: -ERESTARTNOHAND).
 *
 * Limits: RLIMIT_NOFILE entries for poll. Failure: ENOMEM when queues cannot be noted.
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <fs/wait.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

#define NSEC_PER_SEC  1000000000ll
#define NSEC_PER_MSEC 1000000ll
#define NSEC_PER_USEC 1000ll

/* ---- Tables of queues ------------------------------------------------------------------- */

/* Memory for as long as the running task polls; it counts as the task's. NULL: there is none. */
static void *poll_alloc(size_t bytes)
{
	void *copy = kmalloc(bytes, GFP_KERNEL);

	if (copy)
		WRITE_ONCE(fs_current()->poll_bytes, fs_current()->poll_bytes + ksize(copy));
	return copy;
}

static void poll_free(void *copy)
{
	if (copy)
		WRITE_ONCE(fs_current()->poll_bytes, fs_current()->poll_bytes - ksize(copy));
	kfree(copy);
}

static struct poll_entry *next_entry(struct poll_set *set)
{
	struct poll_chunk *chunk = set->chunks;

	if (set->used < POLL_INLINE)
		return &set->entries[set->used++];
	if (!chunk || chunk->used == ARRAY_SIZE(chunk->entries)) {
		chunk = poll_alloc(sizeof(*chunk));
		if (!chunk) {
			set->table.error = -ENOMEM;
			return NULL;
		}
		chunk->used = 0;
		chunk->next = set->chunks;
		set->chunks = chunk;
	}
	return &chunk->entries[chunk->used++];
}

static void queue_task(struct poll_table *pt, wait_queue_head_t *wq, const void *key)
{
	struct poll_entry *entry = next_entry(container_of(pt, struct poll_set, table));

	if (!entry)
		return;
	entry->wq = wq;
	prepare_to_wait(wq, &entry->wait, key);
}

void poll_init(struct poll_set *set)
{
	set->table = (struct poll_table){queue_task, 0};
	set->used = 0;
	set->chunks = NULL;
}

void poll_end(struct poll_set *set)
{
	struct poll_chunk *chunk;

	for (unsigned int i = 0; i < set->used; i++)
		finish_wait(set->entries[i].wq, &set->entries[i].wait);
	while ((chunk = set->chunks)) {
		for (unsigned int i = 0; i < chunk->used; i++)
			finish_wait(chunk->entries[i].wq, &chunk->entries[i].wait);
		set->chunks = chunk->next;
		poll_free(chunk);
	}
}

unsigned int vfs_poll(struct file *file, unsigned int events, struct poll_table *pt)
{
	unsigned int mask = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;

	if (file->f_op->poll)
		mask = file->f_op->poll(file, pt);
	return mask & (events | POLLERR | POLLHUP);
}

/* ---- One round ------------------------------------------------------------------------------ */

struct pollfd {
	s32 fd;
	u16 events, revents;
};
static_assert(sizeof(struct pollfd) == 8, "struct pollfd of the ABI");

/* The files of a call, held until it ends: their wait queues must stay. */
struct poll_call {
	struct pollfd *fds;
	struct file **files;
	unsigned int nr;
};

/* The i-th of what may be a million: others may run now and then. */
static inline void pause_among_many(unsigned int i)
{
	if (unlikely(i % 64 == 63))
		port_cond_resched();
}

static long ask_all(struct poll_call *call, struct poll_table *pt)
{
	long ready = 0;

	for (unsigned int i = 0; i < call->nr; i++) {
		struct pollfd *p = &call->fds[i];

		pause_among_many(i);
		p->revents = 0;
		if (p->fd < 0)
			continue;
		p->revents = call->files[i]
				     ? (u16)vfs_poll(call->files[i], p->events, ready ? NULL : pt)
				     : POLLNVAL;
		ready += p->revents != 0;
	}
	return ready;
}

/* Until something is ready: how many; 0 after the deadline; -ENOMEM, -EINTR on a signal. */
static long poll_until(struct poll_call *call, u64 deadline_ns)
{
	struct poll_set set;
	struct poll_table *pt = &set.table;
	long ready;

	poll_init(&set);
	for (;;) {
		ready = ask_all(call, deadline_ns ? pt : NULL);
		pt = NULL; /* registered */
		if (ready || set.table.error)
			break;
		if (fs_hook_signal_pending()) {
			ready = -EINTR;
			break;
		}
		if (!deadline_ns || (deadline_ns != UINT64_MAX && port_clock_ns() >= deadline_ns))
			break;
		port_park(deadline_ns);
	}
	poll_end(&set);
	return ready ? ready : set.table.error;
}

static void hold_files(struct poll_call *call)
{
	for (unsigned int i = 0; i < call->nr; i++) {
		call->files[i] = call->fds[i].fd >= 0 ? fget((unsigned int)call->fds[i].fd) : NULL;
		pause_among_many(i);
	}
}

static void drop_files(struct poll_call *call)
{
	for (unsigned int i = 0; i < call->nr; i++) {
		if (call->files[i])
			fput(call->files[i]);
		pause_among_many(i);
	}
}

#define POLL_FAST 8u

/* poll on nr entries in kernel memory; deadline 0: ask only. */
static long do_poll(struct pollfd *fds, unsigned int nr, u64 deadline_ns)
{
	struct file *fast[POLL_FAST];
	struct poll_call call = {fds, fast, nr};
	long ret;

	if (nr > POLL_FAST && !(call.files = kcalloc(nr, sizeof(*call.files), GFP_KERNEL)))
		return -ENOMEM;
	hold_files(&call);
	ret = poll_until(&call, deadline_ns);
	drop_files(&call);
	if (call.files != fast)
		kfree(call.files);
	return ret;
}

/* ---- poll ------------------------------------------------------------------------------------ */

static long put_revents(unsigned long user, const struct pollfd *fds, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		pause_among_many(i);
		if (put_user(fds[i].revents,
			     user + i * sizeof(*fds) + offsetof(struct pollfd, revents)))
			return -EFAULT;
	}
	return 0;
}

static long poll_user(unsigned long user, unsigned int nr, u64 deadline_ns)
{
	struct rlimit *rlim = current_vm->rlim;
	struct pollfd fast[POLL_FAST], *fds = fast;
	long ret, err;

	if (rlim && nr > rlim[RLIMIT_NOFILE].rlim_cur)
		return -EINVAL;
	if (nr > POLL_FAST && !(fds = poll_alloc(nr * sizeof(*fds))))
		return -ENOMEM;
	if (copy_from_user(fds, user, nr * sizeof(*fds))) {
		ret = -EFAULT;
	} else {
		ret = do_poll(fds, nr, deadline_ns);
		err = put_revents(user, fds, nr);
		if (err)
			ret = err;
	}
	if (fds != fast)
		poll_free(fds);
	return ret;
}

u64 poll_deadline_after(u64 ns)
{
	u64 now = port_clock_ns();

	if (!ns)
		return 0;
	return now + ns < now ? UINT64_MAX : now + ns;
}

static long poll_restart(struct fs_restart *restart)
{
	long ret = poll_user(restart->arg[0], (unsigned int)restart->arg[1], restart->deadline_ns);

	if (ret != -EINTR)
		return ret;
	restart->fn = poll_restart;
	return -ERESTART_RESTARTBLOCK;
}

long sys_poll(unsigned long user, unsigned long nr, unsigned long timeout_ms)
{
	struct fs_restart *restart = &fs_current()->restart;
	int ms = (int)timeout_ms;
	u64 deadline = ms < 0 ? UINT64_MAX : poll_deadline_after((u64)ms * NSEC_PER_MSEC);
	long ret = poll_user(user, (unsigned int)nr, deadline);

	if (ret != -EINTR)
		return ret;
	restart->fn = poll_restart;
	restart->arg[0] = user;
	restart->arg[1] = (unsigned int)nr;
	restart->deadline_ns = deadline;
	return -ERESTART_RESTARTBLOCK;
}

struct timespec64 {
	s64 sec, nsec;
};

long poll_get_deadline(unsigned long user, u64 *deadline_ns)
{
	struct timespec64 ts;

	*deadline_ns = UINT64_MAX;
	if (!user)
		return 0;
	if (copy_from_user(&ts, user, sizeof(ts)))
		return -EFAULT;
	if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= NSEC_PER_SEC)
		return -EINVAL;
	if (ts.sec < INT64_MAX / NSEC_PER_SEC - 1)
		*deadline_ns = poll_deadline_after((u64)(ts.sec * NSEC_PER_SEC + ts.nsec));
	return 0;
}

/* What is left of the time goes back to the user; a read-only timeout is not an error. */
static void put_rest(unsigned long user, u64 deadline_ns, s64 unit_ns)
{
	u64 now = port_clock_ns(), rest = deadline_ns > now ? deadline_ns - now : 0;
	struct timespec64 ts = {(s64)(rest / NSEC_PER_SEC), (s64)(rest % NSEC_PER_SEC) / unit_ns};

	if (user && deadline_ns != UINT64_MAX)
		(void)!copy_to_user(user, &ts, sizeof(ts));
}

long sys_ppoll(unsigned long user, unsigned long nr, unsigned long timeout, unsigned long sigmask,
	       unsigned long size)
{
	u64 deadline;
	long ret = poll_get_deadline(timeout, &deadline);

	if (ret)
		return ret;
	if (sigmask) {
		ret = fs_hook_sigmask_set(sigmask, size);
		if (ret)
			return ret;
	}
	ret = poll_user(user, (unsigned int)nr, deadline);
	if (sigmask)
		fs_hook_sigmask_restore(ret == -EINTR);
	put_rest(timeout, deadline, 1);
	return ret == -EINTR ? -ERESTARTNOHAND : ret;
}

/* ---- select ---------------------------------------------------------------------------------- */

#define BITS_PER_WORD 64u
#define SELECT_IN     (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define SELECT_OUT    (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define SELECT_EX     POLLPRI

/* Three bitmaps in, and the same three out, of nr bits each. */
struct select_call {
	unsigned int nr, words;
	unsigned long user[3];
	unsigned long *bits; /* 3 * words */
};

static const unsigned int select_events[3] = {SELECT_IN, SELECT_OUT, SELECT_EX};

static bool bit_set(const struct select_call *s, unsigned int set, unsigned int fd)
{
	return s->bits[set * s->words + fd / BITS_PER_WORD] & 1ul << fd % BITS_PER_WORD;
}

static long get_sets(struct select_call *s)
{
	for (unsigned int set = 0; set < 3; set++) {
		unsigned long *to = s->bits + set * s->words;

		if (s->user[set] && copy_from_user(to, s->user[set], s->words * sizeof(long)))
			return -EFAULT;
	}
	return 0;
}

static long put_sets(const struct select_call *s)
{
	for (unsigned int set = 0; set < 3; set++) {
		const unsigned long *from = s->bits + set * s->words;

		if (s->user[set] && copy_to_user(s->user[set], from, s->words * sizeof(long)))
			return -EFAULT;
	}
	return 0;
}

/* The descriptors asked for as poll entries; how many. */
static unsigned int list_fds(const struct select_call *s, struct pollfd *fds)
{
	unsigned int nr = 0;

	for (unsigned int fd = 0; fd < s->nr; fd++) {
		unsigned int events = 0;

		for (unsigned int set = 0; set < 3; set++)
			if (bit_set(s, set, fd))
				events |= select_events[set];
		if (events)
			fds[nr++] = (struct pollfd){(s32)fd, (u16)events, 0};
	}
	return nr;
}

/* Leave in the sets what is ready; how many bits, or -EBADF. */
static long mark_ready(struct select_call *s, const struct pollfd *fds, unsigned int nr)
{
	long ready = 0;

	for (unsigned int i = 0; i < nr; i++) {
		unsigned int fd = (unsigned int)fds[i].fd;

		if (fds[i].revents & POLLNVAL)
			return -EBADF;
		for (unsigned int set = 0; set < 3; set++) {
			if (!bit_set(s, set, fd))
				continue;
			if (fds[i].revents & select_events[set])
				ready++;
			else
				s->bits[set * s->words + fd / BITS_PER_WORD] &=
					~(1ul << fd % BITS_PER_WORD);
		}
	}
	return ready;
}

static long select_with(struct select_call *s, struct pollfd *fds, u64 deadline_ns)
{
	unsigned int nr;
	long ret = get_sets(s);

	if (ret)
		return ret;
	nr = list_fds(s, fds);
	ret = do_poll(fds, nr, deadline_ns);
	if (ret < 0)
		return ret;
	ret = mark_ready(s, fds, nr);
	if (ret >= 0 && put_sets(s))
		ret = -EFAULT;
	return ret;
}

static long do_select(unsigned long n, const unsigned long user[3], u64 deadline_ns)
{
	struct select_call s = {.nr = (unsigned int)n, .user = {user[0], user[1], user[2]}};
	struct pollfd *fds;
	long ret = -ENOMEM;

	if ((int)n < 0)
		return -EINVAL;
	s.nr = min(s.nr, files_capacity(fs_current()->files));
	s.words = DIV_ROUND_UP(s.nr, BITS_PER_WORD);
	s.bits = poll_alloc((3 * s.words + 1) * sizeof(long));
	fds = poll_alloc((s.nr + 1) * sizeof(*fds));
	if (s.bits && fds) {
		memset(s.bits, 0, (3 * s.words + 1) * sizeof(long));
		ret = select_with(&s, fds, deadline_ns);
	}
	poll_free(fds);
	poll_free(s.bits);
	return ret == -EINTR ? -ERESTARTNOHAND : ret;
}

long sys_select(unsigned long n, unsigned long in, unsigned long out, unsigned long ex,
		unsigned long timeout)
{
	unsigned long user[3] = {in, out, ex};
	struct timespec64 tv; /* a timeval: microseconds */
	u64 deadline = UINT64_MAX;
	long ret;

	if (timeout) {
		if (copy_from_user(&tv, timeout, sizeof(tv)))
			return -EFAULT;
		if (tv.sec < 0 || tv.nsec < 0)
			return -EINVAL;
		tv.sec = min(tv.sec, (s64)(INT64_MAX / NSEC_PER_SEC / 4));
		tv.nsec = min(tv.nsec, (s64)(INT64_MAX / NSEC_PER_USEC / 4));
		deadline =
			poll_deadline_after((u64)(tv.sec * NSEC_PER_SEC + tv.nsec * NSEC_PER_USEC));
	}
	ret = do_select(n, user, deadline);
	put_rest(timeout, deadline, NSEC_PER_USEC);
	return ret;
}

long sys_pselect6(unsigned long n, unsigned long in, unsigned long out, unsigned long ex,
		  unsigned long timeout, unsigned long sig)
{
	unsigned long user[3] = {in, out, ex};
	struct {
		unsigned long mask, size;
	} sigarg = {0, 0};
	u64 deadline;
	long ret;

	if (sig && copy_from_user(&sigarg, sig, sizeof(sigarg)))
		return -EFAULT;
	ret = poll_get_deadline(timeout, &deadline);
	if (ret)
		return ret;
	if (sigarg.mask) {
		ret = fs_hook_sigmask_set(sigarg.mask, sigarg.size);
		if (ret)
			return ret;
	}
	ret = do_select(n, user, deadline);
	if (sigarg.mask)
		fs_hook_sigmask_restore(ret == -ERESTARTNOHAND);
	put_rest(timeout, deadline, 1);
	return ret;
}
