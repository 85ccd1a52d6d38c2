/* SPDX-License-Identifier: MIT */
/*
 * unix_scm.c: what travels beside the bytes: credentials and open files (SCM_RIGHTS).
 *
 * A file in an unread message is "in flight": the message holds a reference. If it is a
 * socket, that reference may be what keeps alive the very queue the message lies in:
 *
 *	a.queue: [ msg: file b ]	b.queue: [ msg: file a ]	no descriptors left
 *
 * unix_gc finds those. A socket whose file has no other references than those in flight is a
 * candidate; references that come from candidates' queues are taken off its count; who has
 * some left, is referenced from outside, and so is what its queue holds, and so on. The
 * rest is garbage: its messages with files are taken out, which frees it.
 *
 * The end of a file may free messages with files in turn (a chain of queues). So that the
 * stack does not grow with its length, files to be closed are put on a list, and
 * whoever finds it unattended works it off.
 *
 * Locking: unix_lock for counts, lists and the whole of a collection's search; files are
 * closed without it. A receiver moves files out of a queue under it, and a peek copies
 * references under it, so a collection never misses a reference that appears meanwhile.
 * Cost: a collection looks at all sockets in flight and their queues. It runs when a socket is
 * closed while few are in flight, else once in a while, so that a close costs no more on average.
 * Failure: EBADF, EINVAL (more than SCM_MAX_FD), ETOOMANYREFS (more files of the user in flight
 * than RLIMIT_NOFILE, but for root); nothing is in flight then.
 */
#include <fs/unix/unix.h>
#include <fs/user.h>
#include <pagoda/bug.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

#define SOL_SOCKET	1
#define SCM_RIGHTS	1
#define SCM_CREDENTIALS 2

struct cmsghdr {
	size_t len; /* with this header */
	s32 level, type;
};
static_assert(sizeof(struct cmsghdr) == 16, "struct cmsghdr of the ABI");
#define CMSG_ALIGN(n) ALIGN((size_t)(n), sizeof(long))

/*
 * A collection waits until a 64th as many sockets were closed as it will look at: bounded cost and
 * garbage.
 */
#define GC_SHARE 64u

static LIST_HEAD(inflight_socks);      /* (U) by inflight_link */
static unsigned int nr_inflight_socks; /* (U) */
static LIST_HEAD(dead_files);	       /* (U) unix_files to be closed */
static bool closing;		       /* (U) somebody works dead_files off */

/* ---- In flight ---------------------------------------------------------------------------- */

int unix_files_depart(struct unix_files *files)
{
	struct user_struct *user = current_user();
	struct rlimit *rlim = current_vm->rlim;
	unsigned long limit = rlim && !fs_capable(CAP_SYS_RESOURCE) && !fs_capable(CAP_SYS_ADMIN)
				      ? rlim[RLIMIT_NOFILE].rlim_cur
				      : ~0ul;

	spin_lock(&unix_lock);
	if ((unsigned long)atomic_long_read(&user->files_in_flight) > limit) {
		spin_unlock(&unix_lock);
		return -ETOOMANYREFS;
	}
	atomic_long_add(&user->files_in_flight, files->nr);
	files->user = get_user_struct(user);
	for (unsigned int i = 0; i < files->nr; i++) {
		struct unix_sock *sk = unix_of(files->file[i]);

		if (sk && !sk->inflight++) {
			list_add(&sk->inflight_link, &inflight_socks);
			nr_inflight_socks++;
		}
	}
	spin_unlock(&unix_lock);
	return 0;
}

void unix_files_arrive_locked(struct unix_files *files)
{
	lockdep_assert_held(&unix_lock);
	VM_BUG_ON(!files->user || files->nr > SCM_MAX_FD);
	VM_BUG_ON(atomic_long_read(&files->user->files_in_flight) < (long)files->nr);
	atomic_long_add(&files->user->files_in_flight, -(long)files->nr);
	put_user_struct(files->user);
	files->user = NULL;
	for (unsigned int i = 0; i < files->nr; i++) {
		struct unix_sock *sk = unix_of(files->file[i]);

		if (sk && !--sk->inflight) {
			list_del_init(&sk->inflight_link);
			nr_inflight_socks--;
		}
	}
}

struct unix_files *unix_files_dup_locked(const struct unix_files *files, struct unix_files *room)
{
	lockdep_assert_held(&unix_lock);
	VM_BUG_ON(!files->user);
	room->nr = files->nr;
	for (unsigned int i = 0; i < files->nr; i++)
		room->file[i] = get_file(files->file[i]);
	return room;
}

/* ---- Closing without recursion --------------------------------------------------------------- */

static struct unix_files *next_dead(void)
{
	struct unix_files *files = NULL;

	spin_lock(&unix_lock);
	if (list_empty(&dead_files)) {
		closing = false;
	} else {
		files = list_first_entry(&dead_files, struct unix_files, link);
		list_del(&files->link);
	}
	spin_unlock(&unix_lock);
	return files;
}

void unix_files_free(struct unix_files *files)
{
	bool attended;

	if (!files)
		return;
	spin_lock(&unix_lock);
	list_add_tail(&files->link, &dead_files);
	attended = closing;
	closing = true;
	spin_unlock(&unix_lock);
	while (!attended && (files = next_dead())) {
		for (unsigned int i = 0; i < files->nr; i++)
			fput(files->file[i]);
		kfree(files);
	}
}

/* ---- Collection of cycles -------------------------------------------------------------------- */

/* All of the following: unix_lock held. Call fn for each candidate that lies in sk's queue. */
static void for_each_queued(struct unix_sock *sk, void (*fn)(struct unix_sock *child))
{
	struct unix_msg *msg;

	lockdep_assert_held(&unix_lock);
	list_for_each_entry(msg, &sk->queue, link)
		for (unsigned int i = 0; msg->files && i < msg->files->nr; i++) {
			struct unix_sock *child = unix_of(msg->files->file[i]);

			if (child && child->gc_candidate)
				fn(child);
		}
}

/* ... or in the queue of a connection that waits for its accept(). */
static void for_each_child(struct unix_sock *sk, void (*fn)(struct unix_sock *child))
{
	struct unix_sock *embryo;

	lockdep_assert_held(&unix_lock);
	for_each_queued(sk, fn)
		;
	list_for_each_entry(embryo, &sk->backlog, backlog_link)
		for_each_queued(embryo, fn)
			;
}

static void drop_ref(struct unix_sock *child)
{
	lockdep_assert_held(&unix_lock);
	VM_BUG_ON(!child->gc_candidate || !child->gc_refs);
	child->gc_refs--;
}

static LIST_HEAD(gc_live); /* reached from outside, their children not looked at yet */

static void mark_live(struct unix_sock *sk)
{
	lockdep_assert_held(&unix_lock);
	VM_BUG_ON(!sk->gc_candidate || !sk->inflight);
	sk->gc_candidate = false;
	list_move_tail(&sk->inflight_link, &gc_live);
}

/* References to sk's file that are not from messages. closing: has one that is about to go. */
static unsigned int outer_refs(const struct unix_sock *sk, const struct file *closing)
{
	lockdep_assert_held(&unix_lock);
	return (unsigned int)atomic_read(&sk->file->vm.f_count) - sk->inflight -
	       (sk->file == closing);
}

static void find_candidates(struct list_head *candidates, const struct file *closing)
{
	struct unix_sock *sk, *next;

	lockdep_assert_held(&unix_lock);
	list_for_each_entry_safe(sk, next, &inflight_socks, inflight_link) {
		if (!sk->file || outer_refs(sk, closing))
			continue;
		sk->gc_candidate = true;
		sk->gc_refs = sk->inflight;
		list_move(&sk->inflight_link, candidates);
	}
}

/* What is reachable leaves the candidates. */
static void rescue_live(struct list_head *candidates)
{
	struct unix_sock *sk, *next;

	lockdep_assert_held(&unix_lock);
	list_for_each_entry(sk, candidates, inflight_link)
		for_each_child(sk, drop_ref)
			;
	list_for_each_entry_safe(sk, next, candidates, inflight_link)
		if (sk->gc_refs)
			mark_live(sk);
	while (!list_empty(&gc_live)) {
		sk = list_first_entry(&gc_live, struct unix_sock, inflight_link);
		list_move(&sk->inflight_link, &inflight_socks);
		for_each_child(sk, mark_live)
			;
	}
}

static void take_messages(struct unix_sock *sk, struct list_head *garbage)
{
	struct unix_msg *msg, *next;

	lockdep_assert_held(&unix_lock);
	list_for_each_entry_safe(msg, next, &sk->queue, link)
		if (msg->files) {
			list_move(&msg->link, garbage);
			sk->nr_queued--;
		}
}

static void collect(struct list_head *garbage, const struct file *closing)
{
	struct unix_sock *sk, *embryo;
	LIST_HEAD(candidates);

	lockdep_assert_held(&unix_lock);
	find_candidates(&candidates, closing);
	rescue_live(&candidates);
	while (!list_empty(&candidates)) {
		sk = list_first_entry(&candidates, struct unix_sock, inflight_link);
		sk->gc_candidate = false;
		list_move(&sk->inflight_link, &inflight_socks);
		take_messages(sk, garbage);
		list_for_each_entry(embryo, &sk->backlog, backlog_link)
			take_messages(embryo, garbage);
	}
}

void unix_gc(const struct file *closing)
{
	static unsigned int closed; /* (U) since the last collection */
	LIST_HEAD(garbage);

	spin_lock(&unix_lock);
	if (nr_inflight_socks && ++closed >= nr_inflight_socks / GC_SHARE) {
		closed = 0;
		collect(&garbage, closing);
	}
	spin_unlock(&unix_lock);
	unix_free_queue(&garbage);
}

/* ---- Control messages in --------------------------------------------------------------------- */

static int take_fds(struct unix_scm *scm, const s32 *fds, size_t nr)
{
	struct unix_files *files = scm->files;

	if (!nr)
		return 0;
	if (nr > SCM_MAX_FD)
		return -EINVAL;
	if (!files) {
		files = scm->files = kzalloc(sizeof(*files), GFP_KERNEL);
		if (!files)
			return -ENOMEM;
	}
	if (files->nr + nr > SCM_MAX_FD)
		return -EINVAL;
	for (size_t i = 0; i < nr; i++) {
		struct file *file =
			fds[i] < 0 ? NULL : files_get(fs_current()->files, (unsigned int)fds[i]);

		if (!file)
			return -EBADF;
		files->file[files->nr++] = file;
	}
	return 0;
}

static bool may_say_uid(const struct fs_cred *mine, u32 uid)
{
	return uid == mine->uid || uid == mine->euid || uid == mine->suid || fs_capable(CAP_SETUID);
}

static bool may_say_gid(const struct fs_cred *mine, u32 gid)
{
	return gid == mine->gid || gid == mine->egid || gid == mine->sgid || fs_capable(CAP_SETGID);
}

/* May the caller say that it is that? Its own ids, or root. */
static int take_cred(struct unix_scm *scm, const struct unix_cred *cred)
{
	const struct fs_task *task = fs_current();
	const struct fs_cred *mine = &task->cred;
	bool known = cred->pid == task->process->pid;

	if (cred->uid == (u32)-1 || cred->gid == (u32)-1)
		return -EINVAL;
	if ((!known && !fs_capable(CAP_SYS_ADMIN)) || !may_say_uid(mine, cred->uid) ||
	    !may_say_gid(mine, cred->gid))
		return -EPERM;
	if (!known && !fs_hook_task_exists(cred->pid))
		return -ESRCH;
	scm->cred = *cred;
	return 0;
}

static int take_control(struct unix_scm *scm, const struct cmsghdr *c)
{
	const void *data = c + 1;
	size_t len = c->len - sizeof(*c);

	if (c->level != SOL_SOCKET)
		return 0;
	switch (c->type) {
	case SCM_RIGHTS:
		return take_fds(scm, data, len / sizeof(s32));
	case SCM_CREDENTIALS:
		return len == sizeof(struct unix_cred) ? take_cred(scm, data) : -EINVAL;
	default:
		return -EINVAL;
	}
}

static int take_all_control(struct unix_scm *scm, const char *buf, size_t len)
{
	size_t at = 0;

	while (len - at >= sizeof(struct cmsghdr)) {
		const struct cmsghdr *c = (const void *)(buf + at);
		int err;

		if (c->len < sizeof(*c) || c->len > len - at)
			return -EINVAL;
		err = take_control(scm, c);
		if (err)
			return err;
		if (CMSG_ALIGN(c->len) >= len - at)
			break;
		at += CMSG_ALIGN(c->len);
	}
	return 0;
}

#define CONTROL_MAX 20480u /* /proc/sys/net/core/optmem_max */

int scm_from_user(struct unix_scm *scm, unsigned long control, size_t len)
{
	char *buf;
	int err;

	if (!len)
		return 0;
	if (len > CONTROL_MAX)
		return -ENOBUFS;
	buf = kmalloc(len, GFP_KERNEL);
	if (!buf)
		return -ENOBUFS;
	err = copy_from_user(buf, control, len) ? -EFAULT : take_all_control(scm, buf, len);
	kfree(buf);
	if (err)
		scm_drop(scm);
	return err;
}

void scm_drop(struct unix_scm *scm)
{
	unix_files_free(scm->files);
	scm->files = NULL;
}

/* ---- Control messages out -------------------------------------------------------------------- */

/* One control message into what is left of the buffer; bytes taken of it. */
static size_t put_control(struct sock_msg *m, int type, const void *data, size_t len,
			  unsigned long to, size_t room)
{
	struct cmsghdr c = {sizeof(c) + len, SOL_SOCKET, type};

	if (room < sizeof(c)) {
		m->out_flags |= MSG_CTRUNC;
		return 0;
	}
	if (room < c.len) {
		m->out_flags |= MSG_CTRUNC;
		c.len = room;
	}
	if (copy_to_user(to, &c, sizeof(c)) ||
	    copy_to_user(to + sizeof(c), data, c.len - sizeof(c)))
		return 0;
	return min(CMSG_ALIGN(c.len), room);
}

/* A descriptor for file at user address to; false: no more can be had. */
static bool install_one(struct file *file, unsigned int flags, unsigned long to)
{
	int fd = get_unused_fd(0, flags);

	if (fd < 0)
		return false;
	if (put_user(fd, to)) {
		put_unused_fd(fd);
		return false;
	}
	fd_install(fd, get_file(file));
	return true;
}

static size_t put_files(struct sock_msg *m, unsigned long to, size_t room)
{
	struct unix_files *files = m->scm.files;
	unsigned int flags = m->flags & MSG_CMSG_CLOEXEC ? O_CLOEXEC : 0, done = 0;
	size_t fits =
		room < sizeof(struct cmsghdr) ? 0 : (room - sizeof(struct cmsghdr)) / sizeof(s32);
	struct cmsghdr c = {0, SOL_SOCKET, SCM_RIGHTS};

	while (done < min((size_t)files->nr, fits) &&
	       install_one(files->file[done], flags, to + sizeof(c) + done * sizeof(s32)))
		done++;
	if (done < files->nr)
		m->out_flags |= MSG_CTRUNC;
	c.len = sizeof(c) + done * sizeof(s32);
	if (!done || copy_to_user(to, &c, sizeof(c)))
		return 0;
	return min(CMSG_ALIGN(c.len), room);
}

size_t scm_to_user(struct sock_msg *m, bool cred, unsigned long control, size_t len)
{
	size_t at = 0;

	if (!control && (cred || m->scm.files))
		m->out_flags |= MSG_CTRUNC;
	if (control && cred)
		at = put_control(m, SCM_CREDENTIALS, &m->scm.cred, sizeof(m->scm.cred), control,
				 len);
	if (control && m->scm.files)
		at += put_files(m, control + at, len - at);
	scm_drop(&m->scm);
	return at;
}
