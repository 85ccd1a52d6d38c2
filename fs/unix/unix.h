/* SPDX-License-Identifier: MIT */
/*
 * unix.h: AF_UNIX sockets, shared by the files unix*.c and socket.c (the system calls).
 *
 *	file (sockfs) -> unix_sock -> queue of unix_msg, each with bytes, the sender's name,
 *	    and maybe credentials and files		(unix.c: life; unix_msg.c: transfers)
 *	unix_addr: a bound name, in a table		(unix_name.c)
 *	listener -> backlog of sockets whose other end is connected already (unix_connect.c)
 *	files on their way, and the collection of cycles of them	(unix_scm.c)
 *
 * unix_lock, a spinlock, guards everything marked (U); copies to and from user space, and
 * whatever may sleep, happen outside it. recv_mutex lets one reader at a time move the front
 * of a queue. Order: recv_mutex, unix_lock, wait queues.
 *
 * A unix_sock is held by its file, by sockets whose peer it is, by messages that it sent and
 * that nobody has read, and by the backlog it waits in.
 */
#pragma once

#include <fs/iovec.h>
#include <fs/vfs.h>
#include <fs/wait.h>

#define AF_UNSPEC 0
#define AF_UNIX	  1
#define AF_MAX	  46

#define SOCK_STREAM    1u
#define SOCK_DGRAM     2u
#define SOCK_RAW       3u
#define SOCK_SEQPACKET 5u
#define SOCK_TYPE_MASK 0xfu
#define SOCK_CLOEXEC   O_CLOEXEC
#define SOCK_NONBLOCK  O_NONBLOCK

#define MSG_OOB		 0x1u
#define MSG_PEEK	 0x2u
#define MSG_CTRUNC	 0x8u
#define MSG_TRUNC	 0x20u
#define MSG_DONTWAIT	 0x40u
#define MSG_EOR		 0x80u
#define MSG_WAITALL	 0x100u
#define MSG_NOSIGNAL	 0x4000u
#define MSG_WAITFORONE	 0x10000u
#define MSG_CMSG_CLOEXEC 0x40000000u

#define RCV_SHUTDOWN  1u
#define SEND_SHUTDOWN 2u
#define SHUTDOWN_MASK 3u

#define SOCK_BUF_DEFAULT \
	212992u /* bytes; also the most that SO_SNDBUF and SO_RCVBUF ask for (half) */

#define SUN_PATH_MAX 108u
#define SUN_PATH_AT  2u /* offset of sun_path */

struct sockaddr_un {
	u16 family;
	char path[SUN_PATH_MAX];
};
static_assert(sizeof(struct sockaddr_un) == 110, "struct sockaddr_un of the ABI");

/* A bound name. (C) but for count. */
struct unix_addr {
	atomic_t count;
	unsigned int len;	/* bytes of sun that count */
	struct path path;	/* dentry NULL: abstract (sun.path[0] is 0) */
	struct sockaddr_un sun; /* of a path: with a terminator */
	char terminator;	/* for paths of 108 bytes */
};

struct unix_cred {
	s32 pid;
	u32 uid, gid;
};
static_assert(sizeof(struct unix_cred) == 12, "struct ucred of the ABI");

/* Files in a message; a reference each. */
#define SCM_MAX_FD 253u
struct unix_files {
	struct list_head link;	  /* (U) waiting to be closed */
	struct user_struct *user; /* (U) in flight: counted for it, with a reference */
	unsigned int nr;
	struct file *file[SCM_MAX_FD];
};

struct unix_msg {
	struct list_head link;	  /* (U) in the receiver's queue */
	struct unix_sock *owner;  /* who sent it, with a reference; charged for it */
	struct unix_addr *addr;	  /* the sender's name then, or NULL */
	struct unix_cred cred;	  /* pid 0: none was sent */
	struct unix_files *files; /* (U) once it is queued */
	size_t len, read;	  /* bytes; of them read already (streams; recv_mutex) */
	size_t charge;
	unsigned int nr_chunks;
	char *chunk[]; /* PAGE_SIZE bytes each, the last one what is left */
};

enum unix_state { UNIX_CLOSE, UNIX_LISTEN, UNIX_ESTABLISHED };

struct unix_sock {
	atomic_t count;
	unsigned int type;	       /* (C) SOCK_ */
	enum unix_state state;	       /* (U) */
	unsigned int shutdown;	       /* (U) *_SHUTDOWN */
	bool dead;		       /* (U) its file is closed */
	int err;		       /* (U) SO_ERROR, positive; told once */
	struct file *file;	       /* (U) NULL: not accepted yet, or closed; no reference */
	struct unix_sock *peer;	       /* (U) with a reference; stays when the other end closes */
	struct unix_addr *addr;	       /* (U) with a reference; never changes once set */
	struct list_head name_link;    /* (U) in the table of names */
	struct list_head queue;	       /* (U) unread unix_msgs */
	unsigned int nr_queued;	       /* (U) */
	struct list_head backlog;      /* (U) listener: sockets to accept */
	struct list_head backlog_link; /* (U) */
	unsigned int nr_backlog;       /* (U) */
	unsigned int max_queued;       /* (U) of backlog; datagrams: of queue */
	size_t wmem;		       /* (U) charge of what it sent and nobody read */
	/* (U) of who connected or listened: what the other end is told */
	struct unix_cred cred;
	struct unix_cred peer_cred; /* (U) */
	struct mutex recv_mutex;
	wait_queue_head_t wait; /* readers, pollers, senders out of wmem */
	/* Options: single words. */
	u64 options; /* bit n: SO_ number n is on */
	unsigned int sndbuf, rcvbuf;
	int rcvlowat, priority;
	int linger[2];
	u64 rcv_timeout_ns, snd_timeout_ns; /* UINT64_MAX: none */
	/* Files on their way (unix_scm.c), all (U). */
	unsigned int inflight; /* references to file from unread messages */
	unsigned int gc_refs;
	bool gc_candidate;
	struct list_head inflight_link;
};

#define SO_PASSCRED 16u

extern spinlock_t unix_lock;
/* Datagram senders wait here for a full receiver, connect() for a full backlog. */
extern wait_queue_head_t unix_room;

static inline bool is_connection_based(const struct unix_sock *sk)
{
	return sk->type != SOCK_DGRAM;
}
static inline bool passes_cred(const struct unix_sock *sk)
{
	return READ_ONCE(sk->options) >> SO_PASSCRED & 1;
}
static inline void unix_hold(struct unix_sock *sk)
{
	atomic_inc(&sk->count);
}

/* ---- Data on its way in or out ------------------------------------------------------------ */

/* Where a transfer is in its user (or kernel) buffers. */
struct sock_iter {
	const struct iovec *iov;
	unsigned long nr;
	size_t at;   /* in the first */
	size_t left; /* bytes in all */
	bool kernel;
};
/* Move n <= left bytes; false: a bad address. May sleep. */
bool iter_get(struct sock_iter *it, void *to, size_t n) __must_check;
bool iter_put(struct sock_iter *it, const void *from, size_t n) __must_check;

/* Credentials and files that come with a message. */
struct unix_scm {
	struct unix_cred cred; /* pid 0: none */
	struct unix_files *files;
};

/* One sendmsg or recvmsg in kernel terms. */
struct sock_msg {
	struct sock_iter data;
	unsigned int flags;	 /* MSG_ as asked */
	bool nonblock;		 /* O_NONBLOCK of the file */
	struct unix_scm scm;	 /* send: what to pass; receive: what came */
	unsigned int out_flags;	 /* receive: MSG_ to report */
	struct sockaddr_un name; /* send: to whom, if namelen; receive: from whom */
	unsigned int namelen;
};

/* ---- unix.c --------------------------------------------------------------------------------- */

/* A socket without a file; one reference. NULL: no memory. */
struct unix_sock *unix_new(unsigned int type) __must_check;
void unix_put(struct unix_sock *sk);
/* Its file; sk's reference is taken over, on failure too. flags: O_NONBLOCK. */
struct file *unix_file(struct unix_sock *sk, unsigned int flags) __must_check;
/* The socket of a file, or NULL if it is none. */
struct unix_sock *unix_of(const struct file *file);
/* The socket of a descriptor; *f is to be put unless it is an error (EBADF, ENOTSOCK). */
struct unix_sock *sockfd_get(unsigned long fd, struct fd *f);
void unix_release(struct unix_sock *sk);
int unix_shutdown(struct unix_sock *sk, int how);
/* The error that waits to be told, negative or 0; it is told now. */
int unix_take_error(struct unix_sock *sk);
struct unix_cred unix_my_cred(void);
/* Until when a call with that flag and time-out waits; 0: not at all. */
u64 unix_deadline(bool nonblock, u64 timeout_ns);
/* What a wait ended with, as the program is told: with a time-out no call is restarted. */
long unix_wait_error(long err, u64 deadline_ns);

/* ---- unix_name.c ----------------------------------------------------------------------------- */

/* Is name (len bytes) one that could be bound? 0 or -EINVAL. Terminates a path. */
int unix_check_name(struct sockaddr_un *name, unsigned int len) __must_check;
int unix_bind(struct unix_sock *sk, struct sockaddr_un *name, unsigned int len);
int unix_autobind(struct unix_sock *sk);
/* The socket bound to a name, with a reference, or ERR_PTR(-ECONNREFUSED, -EPROTOTYPE, ...). */
struct unix_sock *unix_find(struct sockaddr_un *name, unsigned int len,
			    unsigned int type) __must_check;
void unix_addr_put(struct unix_addr *addr); /* NULL allowed. May sleep. */
/* The name into *name, its length. addr NULL: only the family. */
unsigned int unix_addr_get(const struct unix_addr *addr, struct sockaddr_un *name);
/* unix_lock held: nobody finds it by name any more. */
void unix_unhash(struct unix_sock *sk);

/* ---- unix_connect.c -------------------------------------------------------------------------- */

void unix_pair(struct unix_sock *a, struct unix_sock *b);
int unix_listen(struct unix_sock *sk, int backlog);
int unix_connect(struct unix_sock *sk, struct sockaddr_un *name, unsigned int len, bool nonblock);
/* The next connection; the caller's reference. ERR_PTR. */
struct unix_sock *unix_accept(struct unix_sock *sk, bool nonblock) __must_check;
/* unix_lock held: may sk send to other? */
bool unix_may_send(const struct unix_sock *sk, const struct unix_sock *other);

/* ---- unix_msg.c ------------------------------------------------------------------------------ */

/* Bytes or -errno. m->scm is used up where it succeeds. May sleep. */
long unix_send(struct unix_sock *sk, struct sock_msg *m);
long unix_recv(struct unix_sock *sk, struct sock_msg *m);
/* Free a message that is in no queue, and what it carries. May sleep. */
void unix_msg_free(struct unix_msg *msg);
/* unix_lock held: move all messages to list. */
void unix_take_queue(struct unix_sock *sk, struct list_head *list);
void unix_free_queue(struct list_head *list);
/* unix_lock held: would a datagram to sk have to wait? */
bool unix_queue_full(const struct unix_sock *sk);

/*
 * f_op->kernel_pages of sockets: unread bytes that the socket sent, unread bytes in its queue whose
 * sender is gone, and what the files in its queue keep. 0 if unix_lock is held.
 */
unsigned long sock_kernel_pages(struct file *file);

/* ---- unix_scm.c ------------------------------------------------------------------------------ */

/* Read control messages of len bytes at user address control. 0 or -errno. */
int scm_from_user(struct unix_scm *scm, unsigned long control, size_t len) __must_check;
/* Write what came to user address control; bytes written. Sets MSG_CTRUNC in m->out_flags. */
size_t scm_to_user(struct sock_msg *m, bool cred, unsigned long control, size_t len);
void scm_drop(struct unix_scm *scm);
/* Files start their way in a message / arrive (or are thrown away). 0, -ETOOMANYREFS. */
int unix_files_depart(struct unix_files *files) __must_check;
void unix_files_arrive_locked(struct unix_files *files);
struct unix_files *unix_files_dup_locked(const struct unix_files *files, struct unix_files *room);
/* Close them, now or soon. NULL allowed. May sleep. */
void unix_files_free(struct unix_files *files);
/*
 * Find sockets that only unread messages of each other hold, and free those messages. closing
 * (or NULL): a socket's file whose caller is about to drop a reference. May sleep.
 */
void unix_gc(const struct file *closing);

/* ---- socket.c -------------------------------------------------------------------------------- */

extern const struct file_operations socket_fops;
