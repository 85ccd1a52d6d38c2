/* SPDX-License-Identifier: MIT */
/*
 * pty.c: pseudo-terminals: a terminal whose other end is a program.
 *
 *	/dev/ptmx			/dev/pts/N
 *	master file  -- write -->  line discipline  -- read -->   slave files
 *		     <-- read --   ring to_master   <-- write --
 *
 * The slave is a whole struct tty; the master is only the hand at its keyboard and the eye
 * on its screen: bytes written to it are typed, what the slave shows goes into a ring.
 * Opening ptmx makes a pair and its node in /dev/pts, locked until TIOCSPTLCK 0.
 *
 * The master's last close hangs the slave up and removes the node. The slave's last close
 * makes the master read EIO (after what is in the ring), until it is opened again. The pair
 * goes when neither end is open; no process has it as its terminal then, as the hang-up
 * took it from the session.
 *
 * Locking: slave.lock (T) for the ring too; pairs_lock for the table and counts of opens.
 */
#include <fs/tty/tty.h>
#include <fs/wait.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <pagoda/vmalloc.h>
#include <pagoda/bug.h>

#define NR_PTYS	     64
#define DEVPTS_MAGIC 0x1cd1u
#define CHUNK_BYTES  256ul

struct pty {
	struct tty slave;
	int index;
	bool locked;
	bool master_open, slave_was_open;
	unsigned int slave_opens;
	struct dentry *node;	 /* /dev/pts/N, with a reference */
	unsigned int head, tail; /* of the ring */
	bool typing;		 /* bytes are being typed, with (T) held ... */
	unsigned int typed_from; /* ... and head was here when that began */
	wait_queue_head_t master_wait;
	u8 ring[TTY_BUF_BYTES];
};

static struct pty *pairs[NR_PTYS];
static spinlock_t pairs_lock = SPIN_LOCK_INIT(RANK_NONE);
static struct super_block *devpts;

static struct pty *pty_of(const struct file *file)
{
	return file->private_data;
}

/* ---- The slave's screen is the ring ---------------------------------------------------------- */

static size_t show(struct tty *tty, const u8 *bytes, size_t n)
{
	struct pty *pty = container_of(tty, struct pty, slave);
	size_t done = 0;

	lockdep_assert_held(&tty->lock);
	while (done < n && pty->head - pty->tail < TTY_BUF_BYTES)
		pty->ring[pty->head++ % TTY_BUF_BYTES] = bytes[done++];
	if (done)
		wake_up(&pty->master_wait);
	return done;
}

/*
 * A signal key takes back what its own stroke of typing has echoed so far; what the master
 * could see before stays, as on Linux.
 */
static void forget(struct tty *tty)
{
	struct pty *pty = container_of(tty, struct pty, slave);

	lockdep_assert_held(&tty->lock);
	if (pty->typing)
		pty->head = pty->typed_from;
}

/* A reader made room: a master that waits may type on. */
static void made_room(struct tty *tty)
{
	wake_up(&container_of(tty, struct pty, slave)->master_wait);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void slave_opened(struct tty *tty)
{
	struct pty *pty = container_of(tty, struct pty, slave);

	spin_lock(&pairs_lock);
	pty->slave_opens++;
	pty->slave_was_open = true;
	spin_unlock(&pairs_lock);
}

/* Free the pair if neither end is open. pairs_lock is held, and dropped. */
static void put_pair_unlock(struct pty *pty) RELEASES(&pairs_lock)
{
	bool last = !pty->master_open && !pty->slave_opens;

	lockdep_assert_held(&pairs_lock);
	VM_BUG_ON(pairs[pty->index] != pty);
	if (last)
		pairs[pty->index] = NULL;
	spin_unlock(&pairs_lock);
	if (!last)
		return;
	fs_hook_forget_signals(&pty->slave.signals);
	vfree(pty);
}

static void slave_closed(struct tty *tty)
{
	struct pty *pty = container_of(tty, struct pty, slave);

	VM_BUG_ON(!pty->slave_opens);
	spin_lock(&pairs_lock);
	if (--pty->slave_opens == 0)
		wake_up(&pty->master_wait);
	put_pair_unlock(pty);
}

static struct pty *new_pair(void)
{
	struct pty *pty = vmalloc(sizeof(*pty));
	int i;

	if (!pty)
		return ERR_PTR(-ENOMEM);
	memset(pty, 0, sizeof(*pty));
	init_waitqueue_head(&pty->master_wait);
	spin_lock(&pairs_lock);
	for (i = 0; i < NR_PTYS && pairs[i]; i++)
		;
	if (i < NR_PTYS)
		pairs[i] = pty;
	spin_unlock(&pairs_lock);
	if (i == NR_PTYS) {
		vfree(pty);
		return ERR_PTR(-ENOSPC);
	}
	tty_setup(&pty->slave, MKDEV(PTS_MAJOR, (u64)i));
	pty->slave.put = show;
	pty->slave.forget = forget;
	pty->slave.more = made_room;
	pty->slave.opened = slave_opened;
	pty->slave.closed = slave_closed;
	pty->index = i;
	pty->locked = true;
	pty->master_open = true;
	return pty;
}

static int make_node(struct pty *pty)
{
	struct inode *inode = tmpfs_new_inode(devpts, S_IFCHR | 0620, pty->slave.dev, NULL);
	char name[12];
	int len = pagoda_snprintf(name, sizeof(name), "%d", pty->index);

	if (IS_ERR(inode))
		return (int)PTR_ERR(inode);
	pty->node = d_make(devpts->s_root, name, (size_t)len, inode);
	if (!pty->node)
		return -ENOMEM;
	mutex_lock(&devpts->s_names);
	d_add(pty->node);
	mutex_unlock(&devpts->s_names);
	return 0;
}

static void remove_node(struct pty *pty)
{
	if (!pty->node)
		return;
	mutex_lock(&devpts->s_names);
	if (pty->node->d_flags & DENTRY_HASHED) {
		pty->node->d_inode->i_nlink = 0;
		d_delete(pty->node);
	}
	mutex_unlock(&devpts->s_names);
	dput(pty->node);
	pty->node = NULL;
}

static void close_master(struct pty *pty)
{
	remove_node(pty);
	tty_hangup(&pty->slave);
	spin_lock(&pairs_lock);
	pty->master_open = false;
	put_pair_unlock(pty);
}

/* ---- The master ------------------------------------------------------------------------------ */

static int ptmx_open(struct inode *inode, struct file *file)
{
	struct pty *pty;
	int err;

	(void)inode;
	if (!devpts)
		return -ENODEV;
	pty = new_pair();
	if (IS_ERR(pty))
		return (int)PTR_ERR(pty);
	err = make_node(pty);
	if (err) {
		close_master(pty);
		return err;
	}
	file->f_mode |= FMODE_STREAM;
	file->private_data = pty;
	return 0;
}

static void ptmx_release(struct file *file)
{
	close_master(pty_of(file));
}

static bool slave_gone(const struct pty *pty)
{
	return READ_ONCE(pty->slave_was_open) && !READ_ONCE(pty->slave_opens);
}

static bool ring_empty(const struct pty *pty)
{
	return READ_ONCE(pty->head) == READ_ONCE(pty->tail);
}

static size_t take_shown(struct pty *pty, u8 *bytes, size_t n)
{
	unsigned long flags;
	size_t done = 0;

	spin_lock_irqsave(&pty->slave.lock, flags);
	while (done < n && pty->tail != pty->head)
		bytes[done++] = pty->ring[pty->tail++ % TTY_BUF_BYTES];
	n_tty_pump(&pty->slave);
	spin_unlock_irqrestore(&pty->slave.lock, flags);
	if (done)
		wake_up(&pty->slave.write_wait);
	return done;
}

static long ptmx_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct pty *pty = pty_of(file);
	u8 chunk[CHUNK_BYTES];
	size_t done = 0, n;
	long ret;

	(void)pos;
	if (!count)
		return 0;
	while (ring_empty(pty)) {
		if (slave_gone(pty))
			return -EIO;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(&pty->master_wait,
					       !ring_empty(pty) || slave_gone(pty));
		if (ret)
			return ret;
	}
	while (done < count && (n = take_shown(pty, chunk, min(count - done, CHUNK_BYTES)))) {
		if (iov_put(buf, done, chunk, n))
			return done ? (long)done : -EFAULT;
		done += n;
	}
	return (long)done;
}

static size_t type_bytes(struct pty *pty, const u8 *bytes, size_t n)
{
	unsigned long flags;
	size_t done = 0;

	spin_lock_irqsave(&pty->slave.lock, flags);
	pty->typing = true;
	pty->typed_from = pty->head;
	/* A line without end is cut, not waited for: canonical mode drops what does not fit. */
	while (done < n && (n_tty_room(&pty->slave) || !n_tty_readable(&pty->slave)))
		n_tty_receive(&pty->slave, bytes[done++]);
	pty->typing = false;
	spin_unlock_irqrestore(&pty->slave.lock, flags);
	fs_hook_run_deferred();
	return done;
}

static long ptmx_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct pty *pty = pty_of(file);
	u8 chunk[CHUNK_BYTES];
	size_t done = 0;
	long ret = 0;

	(void)pos;
	while (done < count && !ret) {
		size_t n = min(count - done, CHUNK_BYTES), typed;

		if (iov_get(buf, done, chunk, n)) {
			ret = -EFAULT;
			break;
		}
		typed = type_bytes(pty, chunk, n);
		done += typed;
		if (typed == n)
			continue;
		ret = file->f_flags & O_NONBLOCK
			      ? -EAGAIN
			      : wait_event_interruptible(&pty->master_wait,
							 n_tty_room(&pty->slave));
	}
	return done ? (long)done : ret;
}

static unsigned int ptmx_poll(struct file *file, struct poll_table *pt)
{
	struct pty *pty = pty_of(file);
	unsigned int mask = 0;

	poll_wait(&pty->master_wait, pt);
	if (!ring_empty(pty))
		mask |= POLLIN | POLLRDNORM;
	if (n_tty_room(&pty->slave))
		mask |= POLLOUT | POLLWRNORM;
	if (slave_gone(pty))
		mask |= POLLHUP;
	return mask;
}

static long set_lock(struct pty *pty, unsigned long arg)
{
	int on;

	if (get_user(on, arg))
		return -EFAULT;
	pty->locked = on;
	return 0;
}

/* An open slave without a name looked up (openpty in a container). */
static long open_peer(struct pty *pty, struct file *master, unsigned int flags)
{
	struct path path = {master->f_path.mnt, pty->node};
	struct file *file;
	int fd = get_unused_fd(0, flags);

	if (fd < 0)
		return fd;
	file = dentry_open(&path, flags & (O_ACCMODE | O_NOCTTY | O_NONBLOCK));
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

static long ptmx_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct pty *pty = pty_of(file);
	struct tty *slave = &pty->slave;
	struct winsize winsize = slave->winsize;
	int n;

	switch (cmd) {
	case TIOCGPTN:
		n = pty->index;
		return put_user(n, arg);
	case TIOCSPTLCK:
		return set_lock(pty, arg);
	case TIOCGPTLCK:
		n = pty->locked;
		return put_user(n, arg);
	case TIOCGPTPEER:
		return open_peer(pty, file, (unsigned int)arg);
	case FIONREAD:
		n = (int)(pty->head - pty->tail);
		return put_user(n, arg);
	case TIOCGWINSZ:
		return copy_to_user(arg, &winsize, sizeof(winsize)) ? -EFAULT : 0;
	case TIOCSWINSZ:
		return tty_set_winsize(slave, arg);
	case TCGETS:
		return tty_get_termios(slave, arg);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return tty_set_termios(slave, TCSETS, arg);
	case TIOCGPGRP:
		n = slave->pgrp;
		return put_user(n, arg);
	case TIOCGSID:
		n = slave->session;
		return n ? put_user(n, arg) : -ENOTTY;
	case TCFLSH:
	case TIOCPKT:
	case TIOCEXCL:
	case TIOCNXCL:
		return 0;
	default:
		return -ENOTTY;
	}
}

const struct file_operations ptmx_fops = {
	.splice_in = true,
	.splice_out = true,
	.open = ptmx_open,
	.read = ptmx_read,
	.write = ptmx_write,
	.poll = ptmx_poll,
	.ioctl = ptmx_ioctl,
	.release = ptmx_release,
};

/* ---- The slave ------------------------------------------------------------------------------- */

static int pts_open(struct inode *inode, struct file *file)
{
	unsigned int index = MINOR(inode->i_rdev);
	struct pty *pty;
	int err = 0;

	spin_lock(&pairs_lock);
	pty = index < NR_PTYS ? pairs[index] : NULL;
	if (!pty || !pty->master_open || pty->locked)
		err = -EIO;
	else
		pty->slave_opens++; /* from here on it stays, whatever the master does */
	spin_unlock(&pairs_lock);
	if (err)
		return err;
	tty_attach(&pty->slave, file);
	spin_lock(&pairs_lock);
	pty->slave_opens--; /* tty_attach() has counted it */
	spin_unlock(&pairs_lock);
	tty_open_controlling(&pty->slave, file);
	return 0;
}

static const struct file_operations pts_fops = {.open = pts_open};
static struct chrdev pts_dev = {PTS_MAJOR, 0, NR_PTYS, &pts_fops, NULL};

int pty_init(void)
{
	register_chrdev(&pts_dev);
	return 0;
}

/* There is one instance, however often it is mounted. */
struct super_block *devpts_mount(void)
{
	struct super_block *sb = devpts ? devpts : tmpfs_mount("devpts", "mode=755");

	if (IS_ERR(sb) || sb == devpts)
		return sb;
	sb->s_magic = DEVPTS_MAGIC;
	atomic_inc(&sb->s_mounts); /* ours: it stays when unmounted */
	return devpts = sb;
}
