/* SPDX-License-Identifier: MIT */
/*
 * unix_msg.c: sending and receiving on AF_UNIX sockets.
 *
 * A message is filled from the sender's memory before anybody sees it, then put at the end of
 * the receiver's queue:
 *
 *	sk --> peer.queue: [msg] [msg] [msg]	msg: len bytes in chunks of a page
 *			     ^ read
 *
 * A stream takes bytes from the front, across messages, but stops at one with files, and
 * does not mix senders if credentials are asked for. A datagram is taken whole; what does
 * not fit is lost. A sender has at most sndbuf bytes (charge) unread; datagrams also wait for
 * a receiver that has max_queued of them.
 *
 * Locking: unix_lock for queues; recv_mutex, held while bytes of the front message are copied,
 * so that it stays at the front. Only the owner of recv_mutex takes messages out, but for the
 * end of a socket (nobody uses it then) and a datagram socket's change of peer: so the front
 * message is looked at only under recv_mutex and, for datagrams, taken out first.
 * Invariant: a message is charged to its owner from its making until it is freed.
 * Failure: EFAULT or ENOMEM before anything is queued; a stream that had sent something tells
 * how much.
 */
#include <fs/unix/unix.h>
#include <pagoda/bug.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>

#define STREAM_PIECE_MAX 32768u
#define MSG_OVERHEAD	 768u /* charged beside the bytes, as Linux's sk_buff for short ones */
#define OVERFLOW_ID	 65534u

/* ---- Messages ------------------------------------------------------------------------------ */

static size_t chunk_bytes(const struct unix_msg *msg, unsigned int i)
{
	return min(msg->len - i * PAGE_SIZE, PAGE_SIZE);
}

static void uncharge(struct unix_msg *msg)
{
	struct unix_sock *owner = msg->owner;

	VM_BUG_ON(owner->wmem < msg->charge);
	spin_lock(&unix_lock);
	owner->wmem -= msg->charge;
	if (msg->files)
		unix_files_arrive_locked(msg->files);
	spin_unlock(&unix_lock);
	wake_up(&owner->wait);
	unix_put(owner);
}

void unix_msg_free(struct unix_msg *msg)
{
	struct unix_files *files = msg->files;

	uncharge(msg);
	unix_files_free(files);
	unix_addr_put(msg->addr);
	for (unsigned int i = 0; i < msg->nr_chunks; i++)
		kfree(msg->chunk[i]);
	kfree(msg);
}

void unix_take_queue(struct unix_sock *sk, struct list_head *list)
{
	lockdep_assert_held(&unix_lock);
	list_splice_init(&sk->queue, list);
	sk->nr_queued = 0;
}

void unix_free_queue(struct list_head *list)
{
	struct unix_msg *msg, *next;

	list_for_each_entry_safe(msg, next, list, link)
		unix_msg_free(msg);
}

/* A message of len bytes from sk, charged to it, still empty. NULL: no memory. */
static struct unix_msg *new_msg(struct unix_sock *sk, size_t len)
{
	unsigned int nr = (unsigned int)DIV_ROUND_UP(len, PAGE_SIZE);
	struct unix_msg *msg = kzalloc(sizeof(*msg) + nr * sizeof(msg->chunk[0]), GFP_KERNEL);

	if (!msg)
		return NULL;
	msg->len = len;
	msg->charge = ALIGN(len + MSG_OVERHEAD, 256);
	msg->owner = sk;
	unix_hold(sk);
	spin_lock(&unix_lock);
	sk->wmem += msg->charge;
	spin_unlock(&unix_lock);
	for (; msg->nr_chunks < nr; msg->nr_chunks++) {
		msg->chunk[msg->nr_chunks] = kmalloc(chunk_bytes(msg, msg->nr_chunks), GFP_KERNEL);
		if (!msg->chunk[msg->nr_chunks]) {
			unix_msg_free(msg);
			return NULL;
		}
	}
	return msg;
}

static bool fill_msg(struct unix_msg *msg, struct sock_iter *data)
{
	for (unsigned int i = 0; i < msg->nr_chunks; i++)
		if (!iter_get(data, msg->chunk[i], chunk_bytes(msg, i)))
			return false;
	return true;
}

/* Copy n bytes from offset on; false: a bad address. */
static bool copy_msg(const struct unix_msg *msg, size_t offset, struct sock_iter *to, size_t n)
{
	while (n) {
		size_t within = offset % PAGE_SIZE, piece = min(n, PAGE_SIZE - within);

		if (!iter_put(to, msg->chunk[offset / PAGE_SIZE] + within, piece))
			return false;
		offset += piece;
		n -= piece;
	}
	return true;
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* Wait until sk may have more unread. 0, -EAGAIN, -EPIPE, -ERESTARTSYS ... */
static long wait_wmem(struct unix_sock *sk, u64 deadline)
{
	for (;;) {
		long err = unix_take_error(sk);

		if (err)
			return err;
		if (READ_ONCE(sk->shutdown) & SEND_SHUTDOWN)
			return -EPIPE;
		if (READ_ONCE(sk->wmem) < READ_ONCE(sk->sndbuf))
			return 0;
		if (!deadline)
			return -EAGAIN;
		err = wait_event_until(&sk->wait,
				       READ_ONCE(sk->wmem) < READ_ONCE(sk->sndbuf) ||
					       READ_ONCE(sk->err) ||
					       (READ_ONCE(sk->shutdown) & SEND_SHUTDOWN),
				       deadline);
		if (err)
			return unix_wait_error(err, deadline);
	}
}

/* A filled message of len bytes, with m's control data. ERR_PTR. */
static struct unix_msg *make_msg(struct unix_sock *sk, struct sock_msg *m, size_t len, u64 deadline)
{
	long err = wait_wmem(sk, deadline);
	struct unix_msg *msg;

	if (err)
		return ERR_PTR(err);
	msg = new_msg(sk, len);
	if (!msg)
		return ERR_PTR(-ENOMEM);
	err = fill_msg(msg, &m->data) ? 0 : -EFAULT;
	if (!err && m->scm.files)
		err = unix_files_depart(m->scm.files);
	if (err) {
		unix_msg_free(msg);
		return ERR_PTR(err);
	}
	msg->files = m->scm.files;
	m->scm.files = NULL;
	msg->cred = m->scm.cred;
	return msg;
}

/* unix_lock held. */
static void enqueue(struct unix_sock *sk, struct unix_sock *other, struct unix_msg *msg)
{
	lockdep_assert_held(&unix_lock);
	VM_BUG_ON(other->dead || !msg->len != !msg->nr_chunks);
	if (!msg->cred.pid && (passes_cred(sk) || passes_cred(other) || !other->file))
		msg->cred = unix_my_cred();
	if (sk->addr && !msg->addr) {
		atomic_inc(&sk->addr->count);
		msg->addr = sk->addr;
	}
	list_add_tail(&msg->link, &other->queue);
	other->nr_queued++;
	wake_up(&other->wait);
}

static bool takes_no_more(const struct unix_sock *other)
{
	lockdep_assert_held(&unix_lock);
	return other->dead || (other->shutdown & RCV_SHUTDOWN);
}

/* The other end of a stream, with a reference, if it can be sent to. ERR_PTR. */
static struct unix_sock *stream_peer(struct unix_sock *sk, const struct sock_msg *m)
{
	struct unix_sock *other;

	spin_lock(&unix_lock);
	if (m->namelen)
		other = ERR_PTR(sk->state == UNIX_ESTABLISHED ? -EISCONN : -EOPNOTSUPP);
	else
		other = sk->peer ? sk->peer : ERR_PTR(-ENOTCONN);
	if (!IS_ERR(other)) {
		if (sk->shutdown & SEND_SHUTDOWN)
			other = ERR_PTR(-EPIPE);
		else
			unix_hold(other);
	}
	spin_unlock(&unix_lock);
	return other;
}

static long send_piece(struct unix_sock *sk, struct unix_sock *other, struct sock_msg *m,
		       u64 deadline)
{
	size_t n = min(m->data.left, min((size_t)STREAM_PIECE_MAX, (size_t)sk->sndbuf / 2));
	struct unix_msg *msg = make_msg(sk, m, n, deadline);
	bool refused;

	if (IS_ERR(msg))
		return PTR_ERR(msg);
	spin_lock(&unix_lock);
	refused = takes_no_more(other);
	if (!refused)
		enqueue(sk, other, msg);
	spin_unlock(&unix_lock);
	if (!refused)
		return (long)n;
	unix_msg_free(msg);
	return -EPIPE;
}

static long send_stream(struct unix_sock *sk, struct sock_msg *m)
{
	u64 deadline = unix_deadline(m->nonblock || (m->flags & MSG_DONTWAIT), sk->snd_timeout_ns);
	struct unix_sock *other = stream_peer(sk, m);
	long sent = 0, ret = 0;

	if (!IS_ERR(other)) {
		while (m->data.left) {
			ret = send_piece(sk, other, m, deadline);
			if (ret < 0)
				break;
			sent += ret;
		}
		unix_put(other);
	} else {
		ret = PTR_ERR(other);
	}
	if (sent)
		return sent;
	if (ret == -EPIPE && !(m->flags & MSG_NOSIGNAL))
		fs_hook_signal_self(SIGPIPE);
	return min(ret, 0l);
}

/* ---- Sending datagrams ----------------------------------------------------------------------- */

bool unix_queue_full(const struct unix_sock *sk)
{
	return READ_ONCE(sk->nr_queued) > READ_ONCE(sk->max_queued);
}

/* To whom a datagram goes, with a reference. ERR_PTR. */
static struct unix_sock *datagram_target(struct unix_sock *sk, struct sock_msg *m)
{
	struct unix_sock *other;

	if (m->namelen)
		return unix_find(&m->name, m->namelen, sk->type);
	spin_lock(&unix_lock);
	other = sk->peer;
	if (other)
		unix_hold(other);
	spin_unlock(&unix_lock);
	return other ? other : ERR_PTR(-ENOTCONN);
}

/* unix_lock held: the receiver is closed. The sender's peer, if it was that, to be put. */
static struct unix_sock *forget_dead_peer(struct unix_sock *sk, struct unix_sock *other)
{
	lockdep_assert_held(&unix_lock);
	VM_BUG_ON(!other->dead);
	if (sk->type == SOCK_SEQPACKET || sk->peer != other)
		return NULL;
	sk->peer = NULL;
	sk->state = UNIX_CLOSE;
	return other;
}

/* unix_lock held. 0, -EAGAIN: no room, or why msg cannot go there. */
static long check_datagram(struct unix_sock *sk, struct unix_sock *other)
{
	lockdep_assert_held(&unix_lock);
	if (!unix_may_send(sk, other))
		return -EPERM;
	if (other->dead)
		return sk->type == SOCK_SEQPACKET ? -EPIPE : -ECONNREFUSED;
	if (other->shutdown & RCV_SHUTDOWN)
		return -EPIPE;
	return other != sk && other->peer != sk && unix_queue_full(other) ? -EAGAIN : 0;
}

static long deliver(struct unix_sock *sk, struct unix_sock *other, struct unix_msg *msg)
{
	struct unix_sock *gone = NULL;
	long err;

	spin_lock(&unix_lock);
	err = check_datagram(sk, other);
	if (!err)
		enqueue(sk, other, msg);
	else if (other->dead)
		gone = forget_dead_peer(sk, other);
	spin_unlock(&unix_lock);
	if (gone)
		unix_put(gone);
	return err;
}

/* Deliver msg, waiting for room. It is queued, or still the caller's. */
static long deliver_waiting(struct unix_sock *sk, struct unix_sock *other, struct unix_msg *msg,
			    u64 deadline)
{
	long err;

	while ((err = deliver(sk, other, msg)) == -EAGAIN && deadline) {
		err = wait_event_until(&unix_room,
				       !unix_queue_full(other) || READ_ONCE(other->dead) ||
					       (READ_ONCE(other->shutdown) & RCV_SHUTDOWN),
				       deadline);
		if (err)
			return unix_wait_error(err, deadline);
	}
	return err;
}

static long check_datagram_args(struct unix_sock *sk, struct sock_msg *m)
{
	int err = m->namelen ? unix_check_name(&m->name, m->namelen) : 0;

	if (err)
		return err;
	if (!m->namelen && !READ_ONCE(sk->peer))
		return -ENOTCONN;
	if (passes_cred(sk) && !sk->addr)
		err = unix_autobind(sk);
	if (!err && m->data.left > sk->sndbuf - 32)
		err = -EMSGSIZE;
	return err;
}

static long send_datagram(struct unix_sock *sk, struct sock_msg *m)
{
	u64 deadline = unix_deadline(m->nonblock || (m->flags & MSG_DONTWAIT), sk->snd_timeout_ns);
	size_t len = m->data.left;
	struct unix_sock *other;
	struct unix_msg *msg;
	long err = check_datagram_args(sk, m);

	if (err)
		return err;
	msg = make_msg(sk, m, len, deadline);
	if (IS_ERR(msg))
		return PTR_ERR(msg);
	other = datagram_target(sk, m);
	if (IS_ERR(other)) {
		err = PTR_ERR(other);
	} else {
		err = deliver_waiting(sk, other, msg, deadline);
		unix_put(other);
	}
	if (!err)
		return (long)len;
	unix_msg_free(msg);
	return err;
}

long unix_send(struct unix_sock *sk, struct sock_msg *m)
{
	long err;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (sk->type == SOCK_STREAM)
		return send_stream(sk, m);
	if (sk->type == SOCK_SEQPACKET) {
		err = unix_take_error(sk);
		if (err)
			return err;
		if (READ_ONCE(sk->state) != UNIX_ESTABLISHED)
			return -ENOTCONN;
		m->namelen = 0;
	}
	return send_datagram(sk, m);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static struct unix_msg *front(struct unix_sock *sk)
{
	struct unix_msg *msg = NULL;

	spin_lock(&unix_lock);
	if (!list_empty(&sk->queue))
		msg = list_first_entry(&sk->queue, struct unix_msg, link);
	spin_unlock(&unix_lock);
	return msg;
}

/* The message after msg, or NULL. recv_mutex held. */
static struct unix_msg *after(struct unix_sock *sk, struct unix_msg *msg)
{
	struct unix_msg *next = NULL;

	lockdep_assert_held(&sk->recv_mutex);
	spin_lock(&unix_lock);
	if (msg->link.next != &sk->queue)
		next = list_entry(msg->link.next, struct unix_msg, link);
	spin_unlock(&unix_lock);
	return next;
}

static void dequeue(struct unix_sock *sk, struct unix_msg *msg)
{
	VM_BUG_ON(!sk->nr_queued);
	spin_lock(&unix_lock);
	list_del_init(&msg->link);
	sk->nr_queued--;
	spin_unlock(&unix_lock);
}

static void note_sender(struct sock_msg *m, const struct unix_msg *msg)
{
	m->namelen = msg->addr ? unix_addr_get(msg->addr, &m->name) : 0;
}

static void note_cred(struct sock_msg *m, const struct unix_msg *msg)
{
	m->scm.cred = msg->cred;
	if (!msg->cred.pid)
		m->scm.cred = (struct unix_cred){0, OVERFLOW_ID, OVERFLOW_ID};
}

/* The files of msg are the receiver's now, or copies of them (peek). Without memory: none come. */
static void note_files(struct sock_msg *m, struct unix_msg *msg, bool peek)
{
	struct unix_files *room = peek && msg->files ? kmalloc(sizeof(*room), GFP_KERNEL) : NULL;

	if (!msg->files)
		return;
	spin_lock(&unix_lock);
	if (!peek) {
		unix_files_arrive_locked(msg->files);
		m->scm.files = msg->files;
		msg->files = NULL;
	} else if (room) {
		m->scm.files = unix_files_dup_locked(msg->files, room);
	}
	spin_unlock(&unix_lock);
}

static bool is_readable(const struct unix_sock *sk)
{
	return !list_empty(&sk->queue) || READ_ONCE(sk->err) ||
	       (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN);
}

static bool same_cred(const struct unix_cred *a, const struct unix_cred *b)
{
	return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

/* What a stream's receive has done so far. */
struct stream_read {
	size_t copied, target;
	bool peek, creds_seen;
	struct unix_cred cred;
};

/* Take what is wanted of one message. True: go on with the next one. recv_mutex held. */
static bool take_piece(struct unix_sock *sk, struct sock_msg *m, struct unix_msg *msg,
		       struct stream_read *r, long *err)
{
	size_t n = min(msg->len - msg->read, m->data.left);
	bool files = msg->files != NULL;

	lockdep_assert_held(&sk->recv_mutex);
	VM_BUG_ON(msg->read > msg->len);
	if (r->creds_seen && !same_cred(&r->cred, &msg->cred))
		return false;
	if (!copy_msg(msg, msg->read, &m->data, n)) {
		*err = -EFAULT;
		return false;
	}
	if (!r->copied)
		note_sender(m, msg);
	note_cred(m, msg);
	r->cred = msg->cred;
	r->creds_seen = passes_cred(sk);
	r->copied += n;
	note_files(m, msg, r->peek);
	if (!r->peek) {
		msg->read += n;
		if (msg->read < msg->len)
			return false;
		dequeue(sk, msg);
		unix_msg_free(msg);
	}
	return !files && m->data.left;
}

/* Take what is in the queue. True: not enough was there. recv_mutex held. */
static bool take_queue(struct unix_sock *sk, struct sock_msg *m, struct stream_read *r, long *err)
{
	struct unix_msg *msg = front(sk), *next;

	lockdep_assert_held(&sk->recv_mutex);
	while (msg) {
		next = r->peek ? after(sk, msg) : NULL;
		if (!take_piece(sk, m, msg, r, err))
			return false;
		msg = r->peek ? next : front(sk);
	}
	return !r->peek || !r->copied;
}

/* Nothing is there. 0: look again; 1: the end of it; -errno. Called without recv_mutex. */
static long wait_for_bytes(struct unix_sock *sk, const struct stream_read *r, u64 deadline)
{
	long err;

	if (r->copied >= r->target)
		return 1;
	err = unix_take_error(sk);
	if (err)
		return err;
	if (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN)
		return !list_empty(&sk->queue) ? 0 : 1;
	if (!deadline)
		return -EAGAIN;
	return unix_wait_error(wait_event_until(&sk->wait, is_readable(sk), deadline), deadline);
}

static long recv_stream(struct unix_sock *sk, struct sock_msg *m)
{
	u64 deadline = unix_deadline(m->nonblock || (m->flags & MSG_DONTWAIT), sk->rcv_timeout_ns);
	struct stream_read r = {.peek = m->flags & MSG_PEEK};
	size_t lowat =
		m->flags & MSG_WAITALL ? m->data.left : min((size_t)sk->rcvlowat, m->data.left);
	long ret = 0;
	bool more;

	if (READ_ONCE(sk->state) != UNIX_ESTABLISHED)
		return -EINVAL;
	r.target = max(lowat, (size_t)1);
	do {
		mutex_lock(&sk->recv_mutex);
		more = take_queue(sk, m, &r, &ret);
		mutex_unlock(&sk->recv_mutex);
		if (more)
			ret = wait_for_bytes(sk, &r, deadline);
	} while (more && !ret);
	return r.copied ? (long)r.copied : min(ret, 0l);
}

/* ---- Receiving datagrams --------------------------------------------------------------------- */

/* recv_mutex held. The next datagram, out of the queue unless it is only looked at. */
static struct unix_msg *take_datagram(struct unix_sock *sk, bool peek)
{
	struct unix_msg *msg = front(sk);

	lockdep_assert_held(&sk->recv_mutex);
	if (msg && !peek)
		dequeue(sk, msg);
	return msg;
}

static long copy_datagram(struct sock_msg *m, struct unix_msg *msg, bool peek)
{
	size_t n = min(msg->len, m->data.left);

	if (n < msg->len)
		m->out_flags |= MSG_TRUNC;
	note_sender(m, msg);
	if (!copy_msg(msg, 0, &m->data, n))
		return -EFAULT;
	note_cred(m, msg);
	note_files(m, msg, peek);
	return (long)(m->flags & MSG_TRUNC ? msg->len : n);
}

/* The queue is empty: 1: so is the answer, 0: look again, or -errno. */
static long wait_for_datagram(struct unix_sock *sk, u64 deadline)
{
	long err = unix_take_error(sk);

	if (err)
		return err;
	if (!deadline)
		return sk->type == SOCK_SEQPACKET && (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN)
			       ? 1
			       : -EAGAIN;
	if (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN)
		return list_empty(&sk->queue);
	return unix_wait_error(wait_event_until(&sk->wait, is_readable(sk), deadline), deadline);
}

static long recv_datagram(struct unix_sock *sk, struct sock_msg *m)
{
	u64 deadline = unix_deadline(m->nonblock || (m->flags & MSG_DONTWAIT), sk->rcv_timeout_ns);
	bool peek = m->flags & MSG_PEEK;
	struct unix_msg *msg;
	long ret;

	for (;;) {
		mutex_lock(&sk->recv_mutex);
		msg = take_datagram(sk, peek);
		if (msg)
			break;
		mutex_unlock(&sk->recv_mutex);
		ret = wait_for_datagram(sk, deadline);
		if (ret)
			return min(ret, 0l);
	}
	ret = copy_datagram(m, msg, peek);
	mutex_unlock(&sk->recv_mutex);
	if (!peek) {
		wake_up(&unix_room);
		unix_msg_free(msg);
	}
	return ret;
}

long unix_recv(struct unix_sock *sk, struct sock_msg *m)
{
	if (m->flags & MSG_OOB)
		return sk->type == SOCK_STREAM ? -EINVAL : -EOPNOTSUPP;
	if (sk->type == SOCK_STREAM)
		return recv_stream(sk, m);
	if (sk->type == SOCK_SEQPACKET && READ_ONCE(sk->state) != UNIX_ESTABLISHED)
		return -ENOTCONN;
	return recv_datagram(sk, m);
}

/* ---- For the OOM killer ---------------------------------------------------------------------- */

/* unix_lock held. */
static size_t queued_bytes(const struct unix_sock *sk)
{
	const struct unix_msg *msg;
	size_t bytes = 0;

	lockdep_assert_held(&unix_lock);
	list_for_each_entry(msg, &sk->queue, link) {
		if (msg->owner != sk && !msg->owner->file)
			bytes += msg->charge;
		for (unsigned int i = 0; msg->files && i < msg->files->nr; i++)
			if (!unix_of(msg->files->file[i]))
				bytes += file_kernel_pages(msg->files->file[i]) * PAGE_SIZE;
	}
	return bytes;
}

unsigned long sock_kernel_pages(struct file *file)
{
	struct unix_sock *sk = unix_of(file);
	size_t bytes;

	if (!sk || !spin_trylock(&unix_lock))
		return 0;
	bytes = sk->wmem + queued_bytes(sk);
	spin_unlock(&unix_lock);
	return bytes / PAGE_SIZE;
}
