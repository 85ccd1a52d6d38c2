/* SPDX-License-Identifier: MIT */
/*
 * unix_connect.c: how two AF_UNIX sockets come together.
 *
 *	client --connect--> listener
 *	   \				backlog: [embryo] [embryo] ...
 *	    `--- peer ---> embryo		\--accept--> gets a file
 *
 * connect makes the server's end (the embryo) itself and is done: it may send at once, into
 * the embryo's queue. A full backlog makes it wait, or say EAGAIN. Datagram sockets only note
 * a peer: where send goes, and the only one they take datagrams from.
 *
 * Locking: unix_lock; waiting is outside it, and all is looked up again afterwards.
 * Failure: memory is allocated before the lock is taken; after that nothing fails halfway.
 */
#include <pagoda/bug.h>
#include <fs/unix/unix.h>

#define SOMAXCONN 4096u

static void set_peer(struct unix_sock *sk, struct unix_sock *peer)
{
	lockdep_assert_held(&unix_lock);
	VM_BUG_ON(sk->peer || sk->dead);
	unix_hold(peer);
	sk->peer = peer;
	sk->state = UNIX_ESTABLISHED;
}

void unix_pair(struct unix_sock *a, struct unix_sock *b)
{
	struct unix_cred cred = unix_my_cred();

	spin_lock(&unix_lock);
	set_peer(a, b);
	set_peer(b, a);
	a->peer_cred = b->peer_cred = cred;
	spin_unlock(&unix_lock);
}

/* ---- Listening ---------------------------------------------------------------------------- */

int unix_listen(struct unix_sock *sk, int backlog)
{
	struct unix_cred cred = unix_my_cred();
	int err = -EINVAL;

	if (!is_connection_based(sk))
		return -EOPNOTSUPP;
	spin_lock(&unix_lock);
	if (sk->addr && sk->state != UNIX_ESTABLISHED) {
		sk->max_queued = min((unsigned int)backlog, SOMAXCONN);
		sk->state = UNIX_LISTEN;
		sk->cred = sk->peer_cred = cred;
		err = 0;
	}
	spin_unlock(&unix_lock);
	wake_up(&unix_room);
	return err;
}

/* ---- Connecting ------------------------------------------------------------------------------ */

static bool backlog_full(const struct unix_sock *listener)
{
	return READ_ONCE(listener->nr_backlog) > READ_ONCE(listener->max_queued);
}

static bool may_join(const struct unix_sock *listener)
{
	return !backlog_full(listener) || READ_ONCE(listener->dead) ||
	       (READ_ONCE(listener->shutdown) & RCV_SHUTDOWN);
}

/* unix_lock held. Can sk be connected to listener? 0, -EAGAIN: no room. */
static int check_connect(const struct unix_sock *sk, const struct unix_sock *listener)
{
	lockdep_assert_held(&unix_lock);
	if (listener->dead || listener->state != UNIX_LISTEN || (listener->shutdown & RCV_SHUTDOWN))
		return -ECONNREFUSED;
	if (backlog_full(listener))
		return -EAGAIN;
	if (sk->state == UNIX_ESTABLISHED)
		return -EISCONN;
	return sk->state == UNIX_LISTEN ? -EINVAL : 0;
}

/* unix_lock held. embryo's reference is the backlog's now. */
static void join(struct unix_sock *sk, struct unix_sock *embryo, struct unix_sock *listener)
{
	lockdep_assert_held(&unix_lock);
	VM_BUG_ON(listener->state != UNIX_LISTEN || listener->dead);
	VM_BUG_ON(embryo->peer || sk->state == UNIX_ESTABLISHED);
	set_peer(embryo, sk);
	set_peer(sk, embryo);
	embryo->peer_cred = unix_my_cred();
	sk->peer_cred = listener->cred;
	atomic_inc(&listener->addr->count);
	embryo->addr = listener->addr; /* not in the table: it is the listener that is found */
	embryo->options = listener->options & 1ull << SO_PASSCRED;
	list_add_tail(&embryo->backlog_link, &listener->backlog);
	listener->nr_backlog++;
	wake_up(&listener->wait);
}

/* One try. */
static int try_connect(struct unix_sock *sk, struct unix_sock *embryo, struct unix_sock *listener)
{
	int err;

	spin_lock(&unix_lock);
	err = check_connect(sk, listener);
	if (!err)
		join(sk, embryo, listener);
	spin_unlock(&unix_lock);
	return err;
}

static int connect_stream(struct unix_sock *sk, struct sockaddr_un *name, unsigned int len,
			  bool nonblock)
{
	u64 deadline = unix_deadline(nonblock, sk->snd_timeout_ns);
	struct unix_sock *embryo = unix_new(sk->type), *listener;
	int err;

	if (!embryo)
		return -ENOMEM;
	do {
		listener = unix_find(name, len, sk->type);
		if (IS_ERR(listener)) {
			err = (int)PTR_ERR(listener);
			break;
		}
		err = try_connect(sk, embryo, listener);
		if (err == -EAGAIN && deadline) {
			err = (int)unix_wait_error(
				wait_event_until(&unix_room, may_join(listener), deadline),
				deadline);
			if (!err)
				err = -EBUSY; /* again */
		}
		unix_put(listener);
	} while (err == -EBUSY);
	if (err)
		unix_put(embryo);
	return err;
}

/* ---- Datagrams ------------------------------------------------------------------------------- */

bool unix_may_send(const struct unix_sock *sk, const struct unix_sock *other)
{
	return !other->peer || other->peer == sk;
}

/*
 * A new peer, or none: what the old one sent goes, and it learns of it. other's reference is taken
 * over.
 */
static int change_peer(struct unix_sock *sk, struct unix_sock *other)
{
	struct unix_sock *old;
	LIST_HEAD(stale);

	mutex_lock(&sk->recv_mutex);
	spin_lock(&unix_lock);
	if (other && !unix_may_send(sk, other)) {
		spin_unlock(&unix_lock);
		mutex_unlock(&sk->recv_mutex);
		unix_put(other);
		return -EPERM;
	}
	old = sk->peer;
	sk->peer = other;
	sk->state = other ? UNIX_ESTABLISHED : UNIX_CLOSE;
	if (old && old != other && !list_empty(&sk->queue)) {
		unix_take_queue(sk, &stale);
		if (!old->dead && old->peer == sk)
			old->err = ECONNRESET;
		wake_up(&old->wait);
	}
	spin_unlock(&unix_lock);
	mutex_unlock(&sk->recv_mutex);
	wake_up(&unix_room);
	unix_free_queue(&stale);
	if (old)
		unix_put(old);
	return 0;
}

static int connect_datagram(struct unix_sock *sk, struct sockaddr_un *name, unsigned int len)
{
	struct unix_sock *other = NULL;

	if (name->family != AF_UNSPEC) {
		int err = unix_check_name(name, len);

		if (!err && passes_cred(sk))
			err = unix_autobind(sk);
		if (err)
			return err;
		other = unix_find(name, len, sk->type);
		if (IS_ERR(other))
			return (int)PTR_ERR(other);
	}
	return change_peer(sk, other);
}

int unix_connect(struct unix_sock *sk, struct sockaddr_un *name, unsigned int len, bool nonblock)
{
	int err;

	if (len < sizeof(name->family))
		return -EINVAL;
	if (!is_connection_based(sk))
		return connect_datagram(sk, name, len);
	err = unix_check_name(name, len);
	if (!err && passes_cred(sk))
		err = unix_autobind(sk);
	return err ? err : connect_stream(sk, name, len, nonblock);
}

/* ---- Accepting ------------------------------------------------------------------------------- */

static struct unix_sock *take_embryo(struct unix_sock *sk)
{
	struct unix_sock *embryo = NULL;

	spin_lock(&unix_lock);
	if (!list_empty(&sk->backlog)) {
		embryo = list_first_entry(&sk->backlog, struct unix_sock, backlog_link);
		list_del_init(&embryo->backlog_link);
		sk->nr_backlog--;
	}
	spin_unlock(&unix_lock);
	if (embryo)
		wake_up(&unix_room);
	return embryo;
}

struct unix_sock *unix_accept(struct unix_sock *sk, bool nonblock)
{
	u64 deadline = unix_deadline(nonblock, sk->rcv_timeout_ns);
	struct unix_sock *embryo;

	if (!is_connection_based(sk))
		return ERR_PTR(-EOPNOTSUPP);
	if (READ_ONCE(sk->state) != UNIX_LISTEN)
		return ERR_PTR(-EINVAL);
	while (!(embryo = take_embryo(sk))) {
		long err;

		if (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN)
			return ERR_PTR(-EINVAL);
		if (!deadline)
			return ERR_PTR(-EAGAIN);
		err = wait_event_until(&sk->wait,
				       !list_empty(&sk->backlog) ||
					       (READ_ONCE(sk->shutdown) & RCV_SHUTDOWN),
				       deadline);
		if (err)
			return ERR_PTR(unix_wait_error(err, deadline));
	}
	return embryo;
}
