/* SPDX-License-Identifier: MIT */
/*
 * socket.c: the socket system calls, from registers and user structures to unix*.c.
 *
 * The only family is AF_UNIX; all others are EAFNOSUPPORT. read and write of a socket are
 * receive and send without extras. All structures of the caller are copied in once, checked
 * as the kernel's copy, and results are copied out at the end.
 *
 * Locking: none of its own. Failure: what was reserved (descriptors, files, control data) is
 * given back on each way out. Linux tells of a bad address for results only after the
 * transfer; so do we.
 */
#include <fs/syscalls.h>
#include <fs/unix/unix.h>
#include <pagoda/abi/ioctl.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

#define SOCK_TYPE_END 11u
#define SOCKADDR_MAX  128u /* sizeof(struct sockaddr_storage) */
#define MAX_RW_COUNT  0x7ffff000ul

/* ---- Buffers -------------------------------------------------------------------------------- */

/* Where the next bytes are, at most n of them. */
static size_t iter_piece(struct sock_iter *it, struct iov_user *buf, size_t n)
{
	while (it->nr && it->at == it->iov->len) {
		it->iov++;
		it->nr--;
		it->at = 0;
	}
	buf->addr = it->iov->base + it->at;
	buf->kernel = it->kernel;
	return min(n, it->iov->len - it->at);
}

static void iter_advance(struct sock_iter *it, size_t n)
{
	it->at += n;
	it->left -= n;
}

bool iter_get(struct sock_iter *it, void *to, size_t n)
{
	struct iov_user buf;

	for (size_t done = 0, piece; done < n; done += piece) {
		piece = iter_piece(it, &buf, n - done);
		if (iov_get(buf, 0, (char *)to + done, piece))
			return false;
		iter_advance(it, piece);
	}
	return true;
}

bool iter_put(struct sock_iter *it, const void *from, size_t n)
{
	struct iov_user buf;

	for (size_t done = 0, piece; done < n; done += piece) {
		piece = iter_piece(it, &buf, n - done);
		if (iov_put(buf, 0, (const char *)from + done, piece))
			return false;
		iter_advance(it, piece);
	}
	return true;
}

/* ---- Files ----------------------------------------------------------------------------------- */

static struct sock_msg plain_msg(const struct file *file, const struct iovec *iov, unsigned long nr,
				 size_t total)
{
	return (struct sock_msg){.data = {.iov = iov, .nr = nr, .left = total},
				 .nonblock = file->f_flags & O_NONBLOCK};
}

static long finish_recv(struct unix_sock *sk, struct sock_msg *m)
{
	long ret = unix_recv(sk, m);

	scm_drop(&m->scm); /* files nobody can be told of */
	return ret;
}

static long sock_vector(struct file *file, const struct iovec *iov, unsigned long nr, size_t total,
			bool write)
{
	struct sock_msg m = plain_msg(file, iov, nr, total);

	if (write)
		return unix_send(unix_of(file), &m);
	return total ? finish_recv(unix_of(file), &m) : 0;
}

static long sock_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct iovec iov = {buf.addr, count};
	struct sock_msg m = plain_msg(file, &iov, 1, count);

	(void)pos;
	m.data.kernel = buf.kernel;
	return count ? finish_recv(unix_of(file), &m) : 0;
}

static long sock_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct iovec iov = {buf.addr, count};
	struct sock_msg m = plain_msg(file, &iov, 1, count);

	(void)pos;
	m.data.kernel = buf.kernel;
	return unix_send(unix_of(file), &m);
}

static bool may_write(const struct unix_sock *sk)
{
	const struct unix_sock *peer = sk->peer;

	if (sk->state == UNIX_LISTEN || sk->wmem * 4 > sk->sndbuf)
		return false;
	return is_connection_based(sk) || !peer || peer->peer == sk || !unix_queue_full(peer);
}

static unsigned int sock_poll(struct file *file, struct poll_table *pt)
{
	struct unix_sock *sk = unix_of(file);
	unsigned int mask = 0;

	poll_wait(&sk->wait, pt);
	if (!is_connection_based(sk))
		poll_wait(&unix_room, pt);
	spin_lock(&unix_lock);
	if (sk->err)
		mask |= POLLERR;
	if (sk->shutdown == SHUTDOWN_MASK)
		mask |= POLLHUP;
	if (sk->shutdown & RCV_SHUTDOWN)
		mask |= POLLRDHUP | POLLIN | POLLRDNORM;
	if (!list_empty(&sk->queue) || !list_empty(&sk->backlog))
		mask |= POLLIN | POLLRDNORM;
	if (is_connection_based(sk) && sk->state == UNIX_CLOSE)
		mask |= POLLHUP;
	if (may_write(sk))
		mask |= POLLOUT | POLLWRNORM | POLLWRBAND;
	spin_unlock(&unix_lock);
	return mask;
}

/* Unread bytes: all of a stream, the first datagram. */
static long bytes_to_read(struct unix_sock *sk, int *bytes)
{
	struct unix_msg *msg;

	*bytes = 0;
	if (READ_ONCE(sk->state) == UNIX_LISTEN)
		return -EINVAL;
	spin_lock(&unix_lock);
	list_for_each_entry(msg, &sk->queue, link) {
		*bytes += (int)(msg->len - msg->read);
		if (!is_connection_based(sk))
			break;
	}
	spin_unlock(&unix_lock);
	return 0;
}

static long sock_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct unix_sock *sk = unix_of(file);
	int bytes;
	long err;

	switch (cmd) {
	case FIONREAD:
		err = bytes_to_read(sk, &bytes);
		return err ? err : put_user(bytes, arg);
	case TIOCOUTQ:
		bytes = (int)READ_ONCE(sk->wmem);
		return put_user(bytes, arg);
	default:
		return -ENOTTY;
	}
}

/* Each close: perhaps only messages hold it from now on. */
static void sock_flush(struct file *file)
{
	if (READ_ONCE(unix_of(file)->inflight))
		unix_gc(file);
}

static void sock_release(struct file *file)
{
	unix_release(unix_of(file));
}

const struct file_operations socket_fops = {
	.kernel_pages = sock_kernel_pages,
	.splice_in = true,
	.splice_out = true,
	.read = sock_read,
	.write = sock_write,
	.vector = sock_vector,
	.poll = sock_poll,
	.ioctl = sock_ioctl,
	.flush = sock_flush,
	.release = sock_release,
};

/* ---- Descriptors ----------------------------------------------------------------------------- */

struct unix_sock *sockfd_get(unsigned long fd, struct fd *f)
{
	struct unix_sock *sk;

	*f = fdget((unsigned int)fd);
	if (!f->file)
		return ERR_PTR(-EBADF);
	sk = unix_of(f->file);
	if (sk)
		return sk;
	fdput(*f);
	return ERR_PTR(-ENOTSOCK);
}

static struct unix_sock *create_socket(int family, unsigned int type, int protocol)
{
	struct unix_sock *sk;

	if (family < 0 || family >= AF_MAX)
		return ERR_PTR(-EAFNOSUPPORT);
	if (type >= SOCK_TYPE_END)
		return ERR_PTR(-EINVAL);
	if (family != AF_UNIX)
		return ERR_PTR(-EAFNOSUPPORT);
	if (protocol && protocol != AF_UNIX)
		return ERR_PTR(-EPROTONOSUPPORT);
	if (type == SOCK_RAW)
		type = SOCK_DGRAM;
	if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
		return ERR_PTR(-ESOCKTNOSUPPORT);
	sk = unix_new(type);
	return sk ? sk : ERR_PTR(-ENOMEM);
}

static bool bad_flags(unsigned long type)
{
	return (unsigned int)type & ~(SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK);
}

/* A descriptor for sk, whose reference is taken over. */
static long socket_fd(struct unix_sock *sk, unsigned int flags)
{
	struct file *file;
	int fd = get_unused_fd(0, flags & O_CLOEXEC);

	if (fd < 0) {
		unix_release(sk);
		return fd;
	}
	file = unix_file(sk, flags);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

long sys_socket(unsigned long family, unsigned long type, unsigned long protocol)
{
	struct unix_sock *sk;

	if (bad_flags(type))
		return -EINVAL;
	sk = create_socket((int)family, (unsigned int)type & SOCK_TYPE_MASK, (int)protocol);
	return IS_ERR(sk) ? PTR_ERR(sk) : socket_fd(sk, (unsigned int)type);
}

static int make_pair(struct file *ends[2], int family, unsigned int type, int protocol)
{
	struct unix_sock *a, *b;

	a = create_socket(family, type & SOCK_TYPE_MASK, protocol);
	if (IS_ERR(a))
		return (int)PTR_ERR(a);
	b = unix_new(a->type);
	if (!b) {
		unix_put(a);
		return -ENOMEM;
	}
	unix_pair(a, b);
	ends[0] = unix_file(a, type);
	if (IS_ERR(ends[0])) {
		unix_release(b);
		return (int)PTR_ERR(ends[0]);
	}
	ends[1] = unix_file(b, type);
	if (!IS_ERR(ends[1]))
		return 0;
	fput(ends[0]);
	return (int)PTR_ERR(ends[1]);
}

/* Linux writes the numbers before it looks at family and type. */
static long pair_into(const int fds[2], unsigned long user, int family, unsigned int type,
		      int protocol)
{
	struct file *ends[2] = {NULL, NULL};
	long err = copy_to_user(user, fds, 2 * sizeof(fds[0]))
			   ? -EFAULT
			   : make_pair(ends, family, type, protocol);

	if (err)
		return err;
	fd_install(fds[0], ends[0]);
	fd_install(fds[1], ends[1]);
	return 0;
}

long sys_socketpair(unsigned long family, unsigned long type, unsigned long protocol,
		    unsigned long user)
{
	unsigned int cloexec = (unsigned int)type & O_CLOEXEC;
	int fds[2];
	long err;

	if (bad_flags(type))
		return -EINVAL;
	fds[0] = get_unused_fd(0, cloexec);
	if (fds[0] < 0)
		return fds[0];
	fds[1] = get_unused_fd(0, cloexec);
	if (fds[1] < 0) {
		put_unused_fd(fds[0]);
		return fds[1];
	}
	err = pair_into(fds, user, (int)family, (unsigned int)type, (int)protocol);
	if (err) {
		put_unused_fd(fds[1]);
		put_unused_fd(fds[0]);
	}
	return err;
}

/* ---- Names ----------------------------------------------------------------------------------- */

/* A name from user memory. Its length, or -EINVAL, -EFAULT. What does not fit is refused later. */
static long name_from_user(struct sockaddr_un *name, unsigned long user, unsigned long ulen)
{
	char buf[SOCKADDR_MAX];
	int len = (int)ulen;

	memset(name, 0, sizeof(*name));
	if (len < 0 || len > (int)sizeof(buf))
		return -EINVAL;
	if (copy_from_user(buf, user, (size_t)len))
		return -EFAULT;
	memcpy(name, buf, min((size_t)len, sizeof(*name)));
	return len;
}

/* A name and its whole length to the caller, cut to the room it says it has. */
static long name_to_user(const struct sockaddr_un *name, unsigned int len, unsigned long user,
			 unsigned long ulen)
{
	char buf[sizeof(*name) + 1] = "";
	int room;

	memcpy(buf, name, min((size_t)len, sizeof(*name)));
	if (get_user(room, ulen))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (copy_to_user(user, buf, min(len, (unsigned int)room)))
		return -EFAULT;
	return put_user(len, ulen);
}

long sys_bind(unsigned long fd, unsigned long user, unsigned long ulen)
{
	struct sockaddr_un name;
	struct fd f;
	struct unix_sock *sk = sockfd_get(fd, &f);
	long ret;

	if (IS_ERR(sk))
		return PTR_ERR(sk);
	ret = name_from_user(&name, user, ulen);
	if (ret >= 0)
		ret = unix_bind(sk, &name, (unsigned int)ret);
	fdput(f);
	return ret;
}

/*
 * Unlike bind(2), connect(2) looks at the name before it asks whether the descriptor is a socket.
 */
static long connect_file(struct file *file, unsigned long user, unsigned long ulen)
{
	struct sockaddr_un name;
	long len = name_from_user(&name, user, ulen);

	if (len < 0)
		return len;
	if (!unix_of(file))
		return -ENOTSOCK;
	return unix_connect(unix_of(file), &name, (unsigned int)len, file->f_flags & O_NONBLOCK);
}

long sys_connect(unsigned long fd, unsigned long user, unsigned long ulen)
{
	struct fd f = fdget((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = connect_file(f.file, user, ulen);
	fdput(f);
	return ret;
}

static long with_number(unsigned long fd, unsigned long n, int (*act)(struct unix_sock *sk, int n))
{
	struct fd f;
	struct unix_sock *sk = sockfd_get(fd, &f);
	long ret;

	if (IS_ERR(sk))
		return PTR_ERR(sk);
	ret = act(sk, (int)n);
	fdput(f);
	return ret;
}

long sys_listen(unsigned long fd, unsigned long backlog)
{
	return with_number(fd, backlog, unix_listen);
}

/* The name of sk or of its peer into *name; its length, or -ENOTCONN. */
static long name_of(struct unix_sock *sk, bool peer, struct sockaddr_un *name)
{
	const struct unix_sock *whose;
	long ret = -ENOTCONN;

	spin_lock(&unix_lock);
	whose = peer ? sk->peer : sk;
	if (whose)
		ret = (long)unix_addr_get(whose->addr, name);
	spin_unlock(&unix_lock);
	return ret;
}

static long get_name(unsigned long fd, unsigned long user, unsigned long ulen, bool peer)
{
	struct sockaddr_un name = {0};
	struct fd f;
	struct unix_sock *sk = sockfd_get(fd, &f);
	long ret;

	if (IS_ERR(sk))
		return PTR_ERR(sk);
	ret = name_of(sk, peer, &name);
	if (ret >= 0)
		ret = name_to_user(&name, (unsigned int)ret, user, ulen);
	fdput(f);
	return ret;
}

long sys_getsockname(unsigned long fd, unsigned long user, unsigned long ulen)
{
	return get_name(fd, user, ulen, false);
}

long sys_getpeername(unsigned long fd, unsigned long user, unsigned long ulen)
{
	return get_name(fd, user, ulen, true);
}

/* ---- Accepting ------------------------------------------------------------------------------- */

/* The connection as a file; tells the caller who it is. */
static struct file *accept_file(struct unix_sock *sk, bool nonblock, unsigned int flags,
				unsigned long user, unsigned long ulen)
{
	struct unix_sock *new = unix_accept(sk, nonblock);
	struct sockaddr_un name = {0};
	struct file *file;
	long ret;

	if (IS_ERR(new))
		return (struct file *)new;
	file = unix_file(new, flags);
	if (IS_ERR(file) || !user)
		return file;
	ret = name_of(new, true, &name);
	ret = ret < 0 ? -ECONNABORTED : name_to_user(&name, (unsigned int)ret, user, ulen);
	if (!ret)
		return file;
	fput(file);
	return ERR_PTR(ret);
}

/* A descriptor of a connection that listening file has, or -errno. */
static long accept_fd(struct file *listening, unsigned int flags, unsigned long user,
		      unsigned long ulen)
{
	struct unix_sock *sk = unix_of(listening);
	struct file *file;
	int new;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (!sk)
		return -ENOTSOCK;
	new = get_unused_fd(0, flags & O_CLOEXEC);
	if (new < 0)
		return new;
	file = accept_file(sk, listening->f_flags & O_NONBLOCK, flags, user, ulen);
	if (IS_ERR(file)) {
		put_unused_fd(new);
		return PTR_ERR(file);
	}
	fd_install(new, file);
	return new;
}

long sys_accept4(unsigned long fd, unsigned long user, unsigned long ulen, unsigned long flags)
{
	struct fd f = fdget((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = accept_fd(f.file, (unsigned int)flags, user, ulen);
	fdput(f);
	return ret;
}

long sys_accept(unsigned long fd, unsigned long user, unsigned long ulen)
{
	return sys_accept4(fd, user, ulen, 0);
}

long sys_shutdown(unsigned long fd, unsigned long how)
{
	return with_number(fd, how, unix_shutdown);
}

/* ---- One buffer ------------------------------------------------------------------------------ */

static long check_buffer(unsigned long buf, size_t *len)
{
	*len = min(*len, MAX_RW_COUNT);
	return access_ok(buf, *len) ? 0 : -EFAULT;
}

long sys_sendto(unsigned long fd, unsigned long buf, unsigned long len, unsigned long flags,
		unsigned long user, unsigned long ulen)
{
	struct iovec iov;
	struct sock_msg m;
	struct fd f;
	struct unix_sock *sk;
	long ret = check_buffer(buf, &len);

	if (ret)
		return ret;
	sk = sockfd_get(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	iov = (struct iovec){buf, len};
	m = plain_msg(f.file, &iov, 1, len);
	m.flags = (unsigned int)flags;
	if (user)
		ret = name_from_user(&m.name, user, ulen);
	m.namelen = ret > 0 ? (unsigned int)ret : 0;
	if (ret >= 0)
		ret = unix_send(sk, &m);
	fdput(f);
	return ret;
}

long sys_recvfrom(unsigned long fd, unsigned long buf, unsigned long len, unsigned long flags,
		  unsigned long user, unsigned long ulen)
{
	struct iovec iov;
	struct sock_msg m;
	struct fd f;
	struct unix_sock *sk;
	long ret = check_buffer(buf, &len), err;

	if (ret)
		return ret;
	sk = sockfd_get(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	iov = (struct iovec){buf, len};
	m = plain_msg(f.file, &iov, 1, len);
	m.flags = (unsigned int)flags;
	ret = finish_recv(sk, &m);
	fdput(f);
	if (ret < 0 || !user)
		return ret;
	err = name_to_user(&m.name, m.namelen, user, ulen);
	return err ? err : ret;
}

/* ---- Messages -------------------------------------------------------------------------------- */

struct user_msghdr {
	unsigned long name;
	s32 namelen;
	unsigned long iov, iovlen, control, controllen;
	u32 flags;
};
static_assert(sizeof(struct user_msghdr) == 56, "struct msghdr of the ABI");
struct user_mmsghdr {
	struct user_msghdr hdr;
	u32 len;
};
static_assert(sizeof(struct user_mmsghdr) == 64, "struct mmsghdr of the ABI");

/* A message being sent or received. */
struct msg_call {
	struct user_msghdr hdr;
	struct iovec fast[IOV_FAST], *iov;
	struct sock_msg m;
};

/* Copy in the header and the vector; iov is to be put unless it is an error. */
static long begin_msg(struct msg_call *c, const struct file *file, unsigned long user,
		      unsigned int flags)
{
	size_t total = 0;

	if (copy_from_user(&c->hdr, user, sizeof(c->hdr)))
		return -EFAULT;
	if (!c->hdr.name)
		c->hdr.namelen = 0;
	if (c->hdr.namelen < 0)
		return -EINVAL;
	c->hdr.namelen = min(c->hdr.namelen, (s32)SOCKADDR_MAX);
	if (c->hdr.iovlen > IOV_MAX)
		return -EMSGSIZE;
	c->iov = get_iovec(c->hdr.iov, c->hdr.iovlen, c->fast, false);
	if (IS_ERR(c->iov))
		return PTR_ERR(c->iov);
	for (unsigned long i = 0; i < c->hdr.iovlen; i++)
		total += c->iov[i].len;
	c->m = plain_msg(file, c->iov, c->hdr.iovlen, total);
	c->m.flags = flags;
	return 0;
}

static long send_begun(struct unix_sock *sk, struct msg_call *c)
{
	long ret;

	if (c->hdr.namelen) {
		ret = name_from_user(&c->m.name, c->hdr.name, (unsigned long)c->hdr.namelen);
		if (ret < 0)
			return ret;
		c->m.namelen = (unsigned int)ret;
	}
	if (c->hdr.controllen > INT32_MAX)
		return -ENOBUFS;
	ret = scm_from_user(&c->m.scm, c->hdr.control, c->hdr.controllen);
	if (ret)
		return ret;
	ret = unix_send(sk, &c->m);
	scm_drop(&c->m.scm);
	return ret;
}

static long send_one(struct unix_sock *sk, const struct file *file, unsigned long user,
		     unsigned int flags)
{
	struct msg_call c;
	long ret = begin_msg(&c, file, user, flags);

	if (ret)
		return ret;
	ret = send_begun(sk, &c);
	put_iovec(c.iov, c.fast);
	return ret;
}

/* Name, control data, flags and lengths to the caller. */
static long report_msg(struct unix_sock *sk, struct msg_call *c, unsigned long user)
{
	size_t control;
	long err = 0;

	if (c->hdr.name)
		err = name_to_user(&c->m.name, c->m.namelen, c->hdr.name,
				   user + offsetof(struct user_msghdr, namelen));
	control = scm_to_user(&c->m, passes_cred(sk), c->hdr.controllen ? c->hdr.control : 0,
			      c->hdr.controllen);
	if (err)
		return err;
	if (put_user(c->m.out_flags, user + offsetof(struct user_msghdr, flags)) ||
	    put_user(control, user + offsetof(struct user_msghdr, controllen)))
		return -EFAULT;
	return 0;
}

static long recv_one(struct unix_sock *sk, const struct file *file, unsigned long user,
		     unsigned int flags)
{
	struct msg_call c;
	long ret = begin_msg(&c, file, user, flags), err;

	if (ret)
		return ret;
	c.m.out_flags = flags & MSG_CMSG_CLOEXEC;
	ret = unix_recv(sk, &c.m);
	put_iovec(c.iov, c.fast);
	if (ret < 0) {
		scm_drop(&c.m.scm);
		return ret;
	}
	err = report_msg(sk, &c, user);
	return err ? err : ret;
}

/* Send or receive (call) one message on the socket of a descriptor. */
static long call_on_socket(unsigned long fd, unsigned long user, unsigned long flags,
			   long (*call)(struct unix_sock *sk, const struct file *file,
					unsigned long user, unsigned int flags))
{
	struct fd f;
	struct unix_sock *sk = sockfd_get(fd, &f);
	long ret;

	if (IS_ERR(sk))
		return PTR_ERR(sk);
	ret = call(sk, f.file, user, (unsigned int)flags);
	fdput(f);
	return ret;
}

long sys_sendmsg(unsigned long fd, unsigned long user, unsigned long flags)
{
	return call_on_socket(fd, user, flags, send_one);
}

long sys_recvmsg(unsigned long fd, unsigned long user, unsigned long flags)
{
	return call_on_socket(fd, user, flags, recv_one);
}

/* ---- Several messages ------------------------------------------------------------------------ */

static long one_of_many(struct unix_sock *sk, const struct file *file, unsigned long user,
			unsigned int flags, bool send)
{
	u32 len;
	long ret = send ? send_one(sk, file, user, flags) : recv_one(sk, file, user, flags);

	if (ret < 0)
		return ret;
	len = (u32)ret;
	return put_user(len, user + offsetof(struct user_mmsghdr, len));
}

long sys_sendmmsg(unsigned long fd, unsigned long user, unsigned long nr, unsigned long flags)
{
	unsigned long done = 0, wanted = min((unsigned int)nr, IOV_MAX);
	struct fd f;
	struct unix_sock *sk = sockfd_get(fd, &f);
	long ret = 0;

	if (IS_ERR(sk))
		return PTR_ERR(sk);
	for (; done < wanted && !ret; done += !ret)
		ret = one_of_many(sk, f.file, user + done * sizeof(struct user_mmsghdr),
				  (unsigned int)flags, true);
	fdput(f);
	return done ? (long)done : ret;
}

struct user_timespec {
	s64 sec, nsec;
};
static_assert(sizeof(struct user_timespec) == 16, "struct timespec of the ABI");

/* The deadline of a time-out at user address; 0: a bad one (*err says why). */
static u64 many_deadline(unsigned long timeout, long *err)
{
	struct user_timespec t;

	if (!timeout)
		return UINT64_MAX;
	*err = copy_from_user(&t, timeout, sizeof(t)) ? -EFAULT : 0;
	if (!*err && (t.sec < 0 || t.nsec < 0 || t.nsec > 999999999))
		*err = -EINVAL;
	return *err ? 0
		    : port_clock_ns() + (u64)min(t.sec, (s64)INT32_MAX) * 1000000000u + (u64)t.nsec;
}

static long leave_time(unsigned long timeout, u64 deadline)
{
	u64 now = port_clock_ns(), left = deadline > now ? deadline - now : 0;
	struct user_timespec t = {(s64)(left / 1000000000u), (s64)(left % 1000000000u)};

	return copy_to_user(timeout, &t, sizeof(t)) ? -EFAULT : 0;
}

/* As on Linux the time-out is looked at only between messages. */
long sys_recvmmsg(unsigned long fd, unsigned long user, unsigned long nr, unsigned long flags,
		  unsigned long timeout)
{
	unsigned long done = 0, wanted = min((unsigned int)nr, IOV_MAX);
	unsigned int how = (unsigned int)flags & ~MSG_WAITFORONE;
	long ret = 0;
	u64 deadline = many_deadline(timeout, &ret);
	struct unix_sock *sk;
	struct fd f;

	if (ret)
		return ret;
	sk = sockfd_get(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	while (done < wanted) {
		ret = one_of_many(sk, f.file, user + done * sizeof(struct user_mmsghdr), how,
				  false);
		if (ret)
			break;
		done++;
		if (flags & MSG_WAITFORONE)
			how |= MSG_DONTWAIT;
		if (port_clock_ns() >= deadline)
			break;
	}
	fdput(f);
	if (done && timeout && leave_time(timeout, deadline))
		return -EFAULT;
	return done ? (long)done : ret;
}
