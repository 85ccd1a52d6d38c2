/* SPDX-License-Identifier: MIT */
/*
 * unix.c: the life of an AF_UNIX socket, its file, its end, shutdown.
 *
 *	socket(2)   CLOSE --listen--> LISTEN
 *		    CLOSE --connect, socketpair--> ESTABLISHED --release--> freed with the last reference
 *	accept(2)   backlog --> ESTABLISHED
 *
 * A datagram socket is CLOSE or (with a peer) ESTABLISHED. When one end of a connection
 * closes, the other keeps pointing to it, so its name can still be asked for, and is shut
 * down in both directions; ECONNRESET waits there if data was thrown away unread.
 *
 * Locking: unix_lock (unix.h). Nothing is freed under it: queues are taken out first.
 * Failure: only unix_new and unix_file, of memory.
 * Observability: the file shows as socket:[inode] in /proc/PID/fd.
 */
#include <fs/unix/unix.h>
#include <pagoda/bug.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>

#define SOCKFS_MAGIC	0x534f434bu
#define MAX_DGRAM_QUEUE 10u /* /proc/sys/net/unix/max_dgram_qlen */

spinlock_t unix_lock = SPIN_LOCK_INIT(RANK_NONE);
wait_queue_head_t unix_room = WAIT_QUEUE_HEAD_INIT(unix_room);

static struct vfsmount *sock_mount;

struct unix_sock *unix_new(unsigned int type)
{
	struct unix_sock *sk = kzalloc(sizeof(*sk), GFP_KERNEL);

	if (!sk)
		return NULL;
	atomic_set(&sk->count, 1);
	sk->type = type;
	sk->max_queued = MAX_DGRAM_QUEUE;
	sk->sndbuf = sk->rcvbuf = SOCK_BUF_DEFAULT;
	sk->rcvlowat = 1;
	sk->rcv_timeout_ns = sk->snd_timeout_ns = UINT64_MAX;
	sk->peer_cred = (struct unix_cred){0, (u32)-1, (u32)-1};
	INIT_LIST_HEAD(&sk->name_link);
	INIT_LIST_HEAD(&sk->queue);
	INIT_LIST_HEAD(&sk->backlog);
	INIT_LIST_HEAD(&sk->backlog_link);
	INIT_LIST_HEAD(&sk->inflight_link);
	mutex_init(&sk->recv_mutex, RANK_NONE);
	init_waitqueue_head(&sk->wait);
	return sk;
}

void unix_put(struct unix_sock *sk)
{
	VM_BUG_ON(atomic_read(&sk->count) <= 0);
	if (!atomic_dec_and_test(&sk->count))
		return;
	unix_addr_put(sk->addr);
	kfree(sk);
}

struct unix_cred unix_my_cred(void)
{
	const struct fs_task *task = fs_current();

	return (struct unix_cred){task->process->pid, task->cred.euid, task->cred.egid};
}

int unix_take_error(struct unix_sock *sk)
{
	int err;

	spin_lock(&unix_lock);
	err = -sk->err;
	sk->err = 0;
	spin_unlock(&unix_lock);
	return err;
}

u64 unix_deadline(bool nonblock, u64 timeout_ns)
{
	if (nonblock)
		return 0;
	return timeout_ns == UINT64_MAX ? UINT64_MAX : port_clock_ns() + timeout_ns;
}

long unix_wait_error(long err, u64 deadline_ns)
{
	return err == -ERESTARTSYS && deadline_ns != UINT64_MAX ? -EINTR : err;
}

/* ---- The end ------------------------------------------------------------------------------ */

/* unix_lock held. The other end of a connection learns that sk is gone. */
static void tell_peer(struct unix_sock *sk, bool unread)
{
	struct unix_sock *peer = sk->peer;

	lockdep_assert_held(&unix_lock);
	if (!peer || !is_connection_based(sk))
		return;
	peer->shutdown = SHUTDOWN_MASK;
	if (unread)
		peer->err = ECONNRESET;
	wake_up(&peer->wait);
}

/* unix_lock held. Out of all structures; its unread messages go to list, the peer is returned. */
static struct unix_sock *disconnect(struct unix_sock *sk, struct list_head *list, bool embryo)
{
	struct unix_sock *peer = sk->peer;

	lockdep_assert_held(&unix_lock);
	VM_BUG_ON(sk->dead);
	unix_unhash(sk);
	tell_peer(sk, embryo || !list_empty(&sk->queue));
	sk->dead = true;
	sk->file = NULL;
	sk->state = UNIX_CLOSE;
	sk->shutdown = SHUTDOWN_MASK;
	sk->peer = NULL;
	unix_take_queue(sk, list);
	wake_up(&sk->wait);
	return peer;
}

static void release_one(struct unix_sock *sk, bool embryo)
{
	struct unix_sock *peer;
	LIST_HEAD(unread);

	spin_lock(&unix_lock);
	peer = disconnect(sk, &unread, embryo);
	spin_unlock(&unix_lock);
	wake_up(&unix_room);
	unix_free_queue(&unread);
	if (peer)
		unix_put(peer);
}

static struct unix_sock *next_embryo(struct unix_sock *listener)
{
	struct unix_sock *sk = NULL;

	spin_lock(&unix_lock);
	if (!list_empty(&listener->backlog)) {
		sk = list_first_entry(&listener->backlog, struct unix_sock, backlog_link);
		list_del_init(&sk->backlog_link);
		listener->nr_backlog--;
	}
	spin_unlock(&unix_lock);
	return sk;
}

/* The file is closed; its reference goes. */
void unix_release(struct unix_sock *sk)
{
	struct unix_sock *embryo;

	release_one(sk, false);
	while ((embryo = next_embryo(sk))) {
		release_one(embryo, true);
		unix_put(embryo);
	}
	unix_put(sk);
	unix_gc(NULL);
}

/* ---- Shutdown -------------------------------------------------------------------------------- */

int unix_shutdown(struct unix_sock *sk, int how)
{
	unsigned int mode = (unsigned int)how + 1, peer_mode = 0;

	if (how < 0 || how > 2)
		return -EINVAL;
	if (mode & RCV_SHUTDOWN)
		peer_mode |= SEND_SHUTDOWN;
	if (mode & SEND_SHUTDOWN)
		peer_mode |= RCV_SHUTDOWN;
	spin_lock(&unix_lock);
	sk->shutdown |= mode;
	if (sk->peer && is_connection_based(sk)) {
		sk->peer->shutdown |= peer_mode;
		wake_up(&sk->peer->wait);
	}
	wake_up(&sk->wait);
	spin_unlock(&unix_lock);
	wake_up(&unix_room);
	return 0;
}

/* ---- Files ----------------------------------------------------------------------------------- */

struct file *unix_file(struct unix_sock *sk, unsigned int flags)
{
	struct inode *inode = new_inode(sock_mount->mnt_sb, S_IFSOCK | 0777);
	struct file *file = ERR_PTR(-ENOMEM);
	char name[32];

	if (inode) {
		pagoda_snprintf(name, sizeof(name), "socket:[%lu]", (unsigned long)inode->i_ino);
		file = anon_file(sock_mount, name, inode, &socket_fops,
				 O_RDWR | (flags & O_NONBLOCK));
	}
	if (IS_ERR(file)) {
		unix_release(sk);
		return file;
	}
	file->f_mode |= FMODE_STREAM;
	file->private_data = sk;
	WRITE_ONCE(sk->file, file);
	return file;
}

struct unix_sock *unix_of(const struct file *file)
{
	return file->f_op == &socket_fops ? file->private_data : NULL;
}

void unix_init(void)
{
	struct super_block *sb = new_super("sockfs", SOCKFS_MAGIC, NULL);

	sock_mount = sb ? kern_mount(sb) : NULL;
	if (!sock_mount)
		panic("no memory for sockets");
}
