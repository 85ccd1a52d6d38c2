/* SPDX-License-Identifier: MIT */
/*
 * unix_name.c: names of AF_UNIX sockets: paths, and abstract names that are only in here.
 *
 *	sun_path "dir/name\0"	a socket file; found by its inode
 *	sun_path "\0bytes"	abstract; found by its bytes, all len of them
 *
 * Bound sockets are in a table of chains, hashed by the inode or by the bytes. A socket file
 * stays when its socket goes: connecting to it is ECONNREFUSED then. A name is made once
 * and never changes, so who has a reference to it may read it without a lock.
 *
 * Locking: unix_lock for the table and sk->addr. bind_mutex: one bind at a time, from the
 * look whether the socket has a name to giving it one, as making a file sleeps.
 * Failure: EINVAL for a bad length or a second bind, EADDRINUSE, and what making a file says;
 * nothing has changed then.
 */
#include <fs/unix/unix.h>
#include <pagoda/bug.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>

#define NR_CHAINS      64u
#define AUTOBIND_NAMES 0x100000u /* 5 hexadecimal digits */

static struct list_head chains[NR_CHAINS]; /* (U) zero: not used yet */
static struct mutex bind_mutex = MUTEX_INIT(bind_mutex, RANK_NONE);

/* ---- The table ------------------------------------------------------------------------------ */

static unsigned int hash_name(const struct sockaddr_un *name, unsigned int len)
{
	unsigned int hash = 0;

	for (unsigned int i = 0; i < len - SUN_PATH_AT; i++)
		hash = hash * 31 + (u8)name->path[i];
	return (hash ^ hash >> 6) % NR_CHAINS;
}

static unsigned int hash_inode(const struct inode *inode)
{
	return (unsigned int)((unsigned long)inode >> 7) % NR_CHAINS;
}

static struct list_head *chain_at(unsigned int hash)
{
	if (!chains[hash].next)
		INIT_LIST_HEAD(&chains[hash]);
	return &chains[hash];
}

static unsigned int hash_addr(const struct unix_addr *addr)
{
	return addr->path.dentry ? hash_inode(addr->path.dentry->d_inode)
				 : hash_name(&addr->sun, addr->len);
}

void unix_unhash(struct unix_sock *sk)
{
	lockdep_assert_held(&unix_lock);
	list_del_init(&sk->name_link);
}

/* unix_lock held. */
static struct unix_sock *find_inode(const struct inode *inode)
{
	struct unix_sock *sk;

	lockdep_assert_held(&unix_lock);
	list_for_each_entry(sk, chain_at(hash_inode(inode)), name_link)
		if (sk->addr->path.dentry && sk->addr->path.dentry->d_inode == inode)
			return sk;
	return NULL;
}

/* unix_lock held. Abstract names of different types do not meet. */
static struct unix_sock *find_abstract(const struct sockaddr_un *name, unsigned int len,
				       unsigned int type)
{
	struct unix_sock *sk;

	lockdep_assert_held(&unix_lock);
	VM_BUG_ON(len > sizeof(*name));
	list_for_each_entry(sk, chain_at(hash_name(name, len)), name_link)
		if (!sk->addr->path.dentry && sk->type == type && sk->addr->len == len &&
		    !memcmp(&sk->addr->sun, name, len))
			return sk;
	return NULL;
}

/* ---- Names ----------------------------------------------------------------------------------- */

int unix_check_name(struct sockaddr_un *name, unsigned int len)
{
	return len <= SUN_PATH_AT || len > sizeof(*name) || name->family != AF_UNIX ? -EINVAL : 0;
}

static struct unix_addr *new_addr(const struct sockaddr_un *name, unsigned int len)
{
	struct unix_addr *addr = kzalloc(sizeof(*addr), GFP_KERNEL);

	if (!addr)
		return NULL;
	atomic_set(&addr->count, 1);
	memcpy(&addr->sun, name, len);
	addr->len = name->path[0] ? SUN_PATH_AT + (unsigned int)strlen(addr->sun.path) + 1 : len;
	return addr;
}

void unix_addr_put(struct unix_addr *addr)
{
	if (!addr || !atomic_dec_and_test(&addr->count))
		return;
	if (addr->path.dentry)
		path_put(&addr->path);
	kfree(addr);
}

unsigned int unix_addr_get(const struct unix_addr *addr, struct sockaddr_un *name)
{
	if (!addr) {
		name->family = AF_UNIX;
		return SUN_PATH_AT;
	}
	memcpy(name, &addr->sun, min_t(size_t, addr->len, sizeof(*name)));
	return addr->len;
}

/* ---- Binding --------------------------------------------------------------------------------- */

/* The socket has a name from now on. False: an abstract one that is taken. */
static bool give_name(struct unix_sock *sk, struct unix_addr *addr)
{
	bool taken;

	spin_lock(&unix_lock);
	taken = !addr->path.dentry && find_abstract(&addr->sun, addr->len, sk->type);
	if (!taken) {
		list_add(&sk->name_link, chain_at(hash_addr(addr)));
		sk->addr = addr;
	}
	spin_unlock(&unix_lock);
	return !taken;
}

static int make_socket_file(struct unix_addr *addr)
{
	u32 mode = 0777 & ~fs_current()->fs->umask;
	int err = vfs_mksocket(addr->sun.path, mode, &addr->path);

	return err == -EEXIST ? -EADDRINUSE : err;
}

/*
 * A socket that has a name is told first of all what is wrong with the new one: the file is made,
 * and removed again.
 */
static int second_name(const struct sockaddr_un *name)
{
	struct unix_addr addr = {.sun = *name};
	int err;

	if (!name->path[0])
		return -EINVAL;
	err = make_socket_file(&addr);
	if (err)
		return err;
	err = vfs_unlink(AT_FDCWD, addr.sun.path, false);
	path_put(&addr.path);
	return err && err != -ENOENT ? err : -EINVAL; /* somebody else may have removed it */
}

static int bind_locked(struct unix_sock *sk, const struct sockaddr_un *name, unsigned int len)
{
	struct unix_addr *addr;
	int err = 0;

	lockdep_assert_held(&bind_mutex);
	VM_BUG_ON(len > sizeof(*name));
	if (sk->addr)
		return second_name(name);
	addr = new_addr(name, len);
	if (!addr)
		return -ENOMEM;
	if (name->path[0])
		err = make_socket_file(addr);
	if (!err && !give_name(sk, addr))
		err = -EADDRINUSE;
	if (err)
		unix_addr_put(addr);
	return err;
}

int unix_bind(struct unix_sock *sk, struct sockaddr_un *name, unsigned int len)
{
	int err;

	if (len == SUN_PATH_AT && name->family == AF_UNIX)
		return unix_autobind(sk);
	err = unix_check_name(name, len);
	if (err)
		return err;
	mutex_lock(&bind_mutex);
	err = bind_locked(sk, name, len);
	mutex_unlock(&bind_mutex);
	return err;
}

/* An abstract name of five digits that nobody has. A socket with a name keeps it. */
int unix_autobind(struct unix_sock *sk)
{
	static unsigned int last; /* bind_mutex */
	struct sockaddr_un name = {.family = AF_UNIX};
	int err = 0;

	mutex_lock(&bind_mutex);
	for (unsigned int tries = 0; !sk->addr && tries < AUTOBIND_NAMES; tries++) {
		last = (last + 1) % AUTOBIND_NAMES;
		pagoda_snprintf(name.path + 1, sizeof(name.path) - 1, "%05x", last);
		err = bind_locked(sk, &name, SUN_PATH_AT + 6);
		if (err != -EADDRINUSE)
			break;
	}
	mutex_unlock(&bind_mutex);
	return err == -EADDRINUSE ? -ENOSPC : err;
}

/* ---- Finding --------------------------------------------------------------------------------- */

static struct unix_sock *find_path(const char *path, unsigned int type)
{
	struct unix_sock *sk;
	struct path place;
	int err = path_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &place);

	if (err)
		return ERR_PTR(err);
	err = inode_permission(place.dentry->d_inode, MAY_WRITE);
	if (err) {
		path_put(&place);
		return ERR_PTR(err);
	}
	spin_lock(&unix_lock);
	sk = S_ISSOCK(place.dentry->d_inode->i_mode) ? find_inode(place.dentry->d_inode) : NULL;
	if (sk)
		unix_hold(sk);
	spin_unlock(&unix_lock);
	path_put(&place);
	if (!sk)
		return ERR_PTR(-ECONNREFUSED);
	if (sk->type == type)
		return sk;
	unix_put(sk);
	return ERR_PTR(-EPROTOTYPE);
}

struct unix_sock *unix_find(struct sockaddr_un *name, unsigned int len, unsigned int type)
{
	struct unix_sock *sk;
	char path[SUN_PATH_MAX + 1] = "";

	if (name->path[0]) {
		memcpy(path, name->path, len - SUN_PATH_AT);
		return find_path(path, type);
	}
	spin_lock(&unix_lock);
	sk = find_abstract(name, len, type);
	if (sk)
		unix_hold(sk);
	spin_unlock(&unix_lock);
	return sk ? sk : ERR_PTR(-ECONNREFUSED);
}
