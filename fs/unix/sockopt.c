/* SPDX-License-Identifier: MIT */
/*
 * sockopt.c: options of sockets (SOL_SOCKET; AF_UNIX has no others: EOPNOTSUPP).
 *
 * Switches are bits of sk->options, numbered as Linux numbers the options; only SO_PASSCRED
 * does something here. Buffer sizes, time-outs and the low-water mark have effect; priority
 * and linger are kept and told again. Locking: single words; see unix.h.
 * Failure: ENOPROTOOPT for what is unknown or cannot be set; nothing changes then.
 */
#include <fs/syscalls.h>
#include <fs/unix/unix.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

#define SOL_SOCKET 1

#define SO_DEBUG       1
#define SO_REUSEADDR   2
#define SO_TYPE	       3
#define SO_ERROR       4
#define SO_DONTROUTE   5
#define SO_BROADCAST   6
#define SO_SNDBUF      7
#define SO_RCVBUF      8
#define SO_KEEPALIVE   9
#define SO_OOBINLINE   10
#define SO_PRIORITY    12
#define SO_LINGER      13
#define SO_REUSEPORT   15
#define SO_PEERCRED    17
#define SO_RCVLOWAT    18
#define SO_SNDLOWAT    19
#define SO_RCVTIMEO    20
#define SO_SNDTIMEO    21
#define SO_ACCEPTCONN  30
#define SO_SNDBUFFORCE 32
#define SO_RCVBUFFORCE 33
#define SO_PROTOCOL    38
#define SO_DOMAIN      39

#define MIN_RCVBUF   2304u
#define MIN_SNDBUF   4608u
#define NSEC_PER_SEC 1000000000ull

#define BIT(n) (1ull << (n))
static const u64 switches = BIT(SO_DEBUG) | BIT(SO_REUSEADDR) | BIT(SO_DONTROUTE) |
			    BIT(SO_BROADCAST) | BIT(SO_KEEPALIVE) | BIT(SO_OOBINLINE) |
			    BIT(SO_REUSEPORT) | BIT(SO_PASSCRED);

struct timeval {
	s64 sec, usec;
};
static_assert(sizeof(struct timeval) == 16, "struct timeval of the ABI");

static bool is_switch(int name)
{
	return name > 0 && name < 64 && switches >> name & 1;
}

/* ---- Setting ------------------------------------------------------------------------------- */

static long set_switch(struct unix_sock *sk, int name, int value)
{
	if (name == SO_DEBUG && value && !fs_capable(CAP_NET_ADMIN))
		return -EACCES;
	spin_lock(&unix_lock);
	sk->options = value ? sk->options | BIT(name) : sk->options & ~BIT(name);
	spin_unlock(&unix_lock);
	return 0;
}

/* Linux doubles what is asked for, as half is its own overhead. */
static unsigned int buffer_size(int value, unsigned int least, bool force)
{
	unsigned int v = value < 0 && force ? 0 : (unsigned int)value;

	if (!force)
		v = min(v, SOCK_BUF_DEFAULT);
	return max(min(v, (unsigned int)INT32_MAX / 2) * 2, least);
}

static long set_timeout(u64 *timeout_ns, unsigned long user, int len)
{
	struct timeval tv;

	if (len < (int)sizeof(tv))
		return -EINVAL;
	if (copy_from_user(&tv, user, sizeof(tv)))
		return -EFAULT;
	if (tv.usec < 0 || tv.usec >= 1000000)
		return -EDOM;
	if (tv.sec < 0)
		*timeout_ns = 0;
	else if ((!tv.sec && !tv.usec) || (u64)tv.sec > UINT64_MAX / 2 / NSEC_PER_SEC)
		*timeout_ns = UINT64_MAX;
	else
		*timeout_ns = (u64)tv.sec * NSEC_PER_SEC + (u64)tv.usec * 1000;
	return 0;
}

static long set_linger(struct unix_sock *sk, unsigned long user, int len)
{
	int linger[2];

	if (len < (int)sizeof(linger))
		return -EINVAL;
	if (copy_from_user(linger, user, sizeof(linger)))
		return -EFAULT;
	sk->linger[0] = !!linger[0];
	if (linger[0])
		sk->linger[1] = linger[1];
	return 0;
}

static long set_number(struct unix_sock *sk, int name, int value)
{
	if (is_switch(name))
		return set_switch(sk, name, value);
	switch (name) {
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		if (name == SO_SNDBUFFORCE && !fs_capable(CAP_NET_ADMIN))
			return -EPERM;
		sk->sndbuf = buffer_size(value, MIN_SNDBUF, name == SO_SNDBUFFORCE);
		wake_up(&sk->wait);
		return 0;
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		if (name == SO_RCVBUFFORCE && !fs_capable(CAP_NET_ADMIN))
			return -EPERM;
		sk->rcvbuf = buffer_size(value, MIN_RCVBUF, name == SO_RCVBUFFORCE);
		return 0;
	case SO_PRIORITY:
		if ((value < 0 || value > 6) && !fs_capable(CAP_NET_ADMIN))
			return -EPERM;
		sk->priority = value;
		return 0;
	case SO_RCVLOWAT:
		sk->rcvlowat = value < 0 ? INT32_MAX : max(value, 1);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static long set_option(struct unix_sock *sk, int name, unsigned long user, int len)
{
	int value;

	if (len < (int)sizeof(value))
		return -EINVAL;
	if (get_user(value, user))
		return -EFAULT;
	switch (name) {
	case SO_RCVTIMEO:
		return set_timeout(&sk->rcv_timeout_ns, user, len);
	case SO_SNDTIMEO:
		return set_timeout(&sk->snd_timeout_ns, user, len);
	case SO_LINGER:
		return set_linger(sk, user, len);
	default:
		return set_number(sk, name, value);
	}
}

/* ---- Getting --------------------------------------------------------------------------------- */

/* The value of an option and its size. */
struct option_value {
	union {
		int number;
		int linger[2];
		struct timeval tv;
		struct unix_cred cred;
	};
	size_t size;
};

static struct timeval timeout_value(u64 ns)
{
	if (ns == UINT64_MAX)
		return (struct timeval){0, 0};
	return (struct timeval){(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC / 1000)};
}

static long get_number(struct unix_sock *sk, int name, int *value)
{
	if (is_switch(name)) {
		*value = (int)(sk->options >> name & 1);
		return 0;
	}
	switch (name) {
	case SO_TYPE:
		*value = (int)sk->type;
		return 0;
	case SO_ERROR:
		*value = -unix_take_error(sk);
		return 0;
	case SO_SNDBUF:
		*value = (int)sk->sndbuf;
		return 0;
	case SO_RCVBUF:
		*value = (int)sk->rcvbuf;
		return 0;
	case SO_PRIORITY:
		*value = sk->priority;
		return 0;
	case SO_RCVLOWAT:
		*value = sk->rcvlowat;
		return 0;
	case SO_SNDLOWAT:
		*value = 1;
		return 0;
	case SO_ACCEPTCONN:
		*value = READ_ONCE(sk->state) == UNIX_LISTEN;
		return 0;
	case SO_PROTOCOL:
		*value = 0;
		return 0;
	case SO_DOMAIN:
		*value = AF_UNIX;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static long get_option(struct unix_sock *sk, int name, struct option_value *v)
{
	switch (name) {
	case SO_PEERCRED:
		spin_lock(&unix_lock);
		v->cred = sk->peer_cred;
		spin_unlock(&unix_lock);
		v->size = sizeof(v->cred);
		return 0;
	case SO_RCVTIMEO:
	case SO_SNDTIMEO:
		v->tv = timeout_value(name == SO_RCVTIMEO ? sk->rcv_timeout_ns
							  : sk->snd_timeout_ns);
		v->size = sizeof(v->tv);
		return 0;
	case SO_LINGER:
		memcpy(v->linger, sk->linger, sizeof(v->linger));
		v->size = sizeof(v->linger);
		return 0;
	default:
		v->size = sizeof(v->number);
		return get_number(sk, name, &v->number);
	}
}

static long get_option_user(struct unix_sock *sk, int name, unsigned long user, unsigned long ulen)
{
	struct option_value v = {.size = 0};
	int len;
	long err;

	if (get_user(len, ulen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	err = get_option(sk, name, &v);
	if (err)
		return err;
	len = (int)min((size_t)len, v.size);
	return copy_to_user(user, &v, (size_t)len) ? -EFAULT : put_user(len, ulen);
}

/* ---- The system calls ------------------------------------------------------------------------ */

long sys_setsockopt(unsigned long fd, unsigned long level, unsigned long name, unsigned long user,
		    unsigned long len)
{
	struct unix_sock *sk;
	struct fd f;
	long ret;

	if ((int)len < 0)
		return -EINVAL;
	sk = sockfd_get(fd, &f);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	ret = (int)level == SOL_SOCKET ? set_option(sk, (int)name, user, (int)len) : -EOPNOTSUPP;
	fdput(f);
	return ret;
}

long sys_getsockopt(unsigned long fd, unsigned long level, unsigned long name, unsigned long user,
		    unsigned long ulen)
{
	struct fd f;
	struct unix_sock *sk = sockfd_get(fd, &f);
	long ret;

	if (IS_ERR(sk))
		return PTR_ERR(sk);
	ret = (int)level == SOL_SOCKET ? get_option_user(sk, (int)name, user, ulen) : -EOPNOTSUPP;
	fdput(f);
	return ret;
}
