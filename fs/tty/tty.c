/* SPDX-License-Identifier: MIT */
/*
 * tty.c: terminals as files: reading, writing, waiting, job control and ioctls.
 *
 * Job control. A terminal belongs to a session and has a foreground group. A process of
 * another group of that session is stopped when it reads (SIGTTIN), and when it writes with
 * TOSTOP or changes the terminal (SIGTTOU); one that ignores or blocks the signal goes on
 * (writing) or gets EIO (reading), as does one whose group is orphaned, since nobody could
 * continue it.
 *
 * Reading in canonical mode gives at most one line. Raw, it follows VMIN and VTIME:
 *
 *	MIN > 0, TIME = 0	until MIN bytes
 *	MIN > 0, TIME > 0	until MIN bytes, or TIME passes after one
 *	MIN = 0, TIME > 0	until one byte, or TIME passes
 *	MIN = 0, TIME = 0	what is there
 *
 * Locking: tty->lock with interrupts off, never across copies to user space: bytes travel
 * through a small buffer on the stack. session_lock, outside tasklist_lock, for process->tty and
 * who has a
 * terminal: a hung-up one gets no process any more, and those that had it are told before it may be
 * freed, so that what process->tty points to is there as long as session_lock or tasklist_lock is
 * held.
 */
#include <fs/tty/tty.h>
#include <fs/wait.h>
#include <pagoda/bug.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

#define CHUNK_BYTES	    256ul
#define NSEC_PER_DECISECOND 100000000ull

static spinlock_t session_lock = SPIN_LOCK_INIT(RANK_NONE);

static const struct termios default_termios = {
	.c_iflag = ICRNL | IXON,
	.c_oflag = OPOST | ONLCR,
	.c_cflag = 0000277 | 0000200, /* 38400 baud, 8 bits, receiver on */
	.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
	.c_cc = {[VINTR] = 3,
		 [VQUIT] = 28,
		 [VERASE] = 127,
		 [VKILL] = 21,
		 [VEOF] = 4,
		 [VMIN] = 1,
		 [VSTART] = 17,
		 [VSTOP] = 19,
		 [VSUSP] = 26,
		 [VREPRINT] = 18,
		 [VDISCARD] = 15,
		 [VWERASE] = 23,
		 [VLNEXT] = 22},
};

void tty_setup(struct tty *tty, u64 dev)
{
	memset(tty, 0, sizeof(*tty));
	spin_lock_init(&tty->lock, RANK_NONE);
	init_waitqueue_head(&tty->read_wait);
	init_waitqueue_head(&tty->write_wait);
	INIT_LIST_HEAD(&tty->signals.link);
	tty->termios = default_termios;
	tty->dev = dev;
}

static struct tty *tty_of(const struct file *file)
{
	return file->private_data;
}

static struct fs_process *current_process(void)
{
	return fs_current()->process;
}

/* ---- Job control ----------------------------------------------------------------------------- */

static bool in_background(const struct tty *tty)
{
	const struct fs_process *process = current_process();

	return process->tty == tty && tty->pgrp && process->pgrp != tty->pgrp;
}

/* Before writing or changing settings from the background. 0, -EIO, -ERESTARTSYS. */
static long check_change(const struct tty *tty)
{
	int pgrp = current_process()->pgrp;

	if (!in_background(tty) || fs_hook_signal_ignored(SIGTTOU))
		return 0;
	if (fs_hook_pgrp_orphaned(pgrp))
		return -EIO;
	(void)fs_hook_signal_pgrp(pgrp, SIGTTOU); /* at least we are in it */
	return -ERESTARTSYS;
}

static long check_read(const struct tty *tty)
{
	int pgrp = current_process()->pgrp;

	if (!in_background(tty))
		return 0;
	if (fs_hook_signal_ignored(SIGTTIN) || fs_hook_pgrp_orphaned(pgrp))
		return -EIO;
	(void)fs_hook_signal_pgrp(pgrp, SIGTTIN);
	return -ERESTARTSYS;
}

static bool leads_session(const struct fs_process *process)
{
	return process->pid == process->sid;
}

/* session_lock held. */
static void take_session_locked(struct tty *tty, struct fs_process *process)
{
	lockdep_assert_held(&session_lock);
	tty->session = process->sid;
	tty->pgrp = process->pgrp;
	process->tty = tty;
}

void tty_open_controlling(struct tty *tty, struct file *file)
{
	struct fs_process *process = current_process();

	if ((file->f_flags & O_NOCTTY) || !leads_session(process) || process->tty)
		return;
	spin_lock(&session_lock);
	if (!tty->session && !tty->hung_up)
		take_session_locked(tty, process);
	spin_unlock(&session_lock);
}

static bool forget_tty(struct fs_process *process, void *session)
{
	if (process->sid == *(int *)session)
		process->tty = NULL;
	return true;
}

void fs_tty_numbers(const struct tty *tty, u64 *dev, int *pgrp)
{
	*dev = tty ? tty->dev : 0;
	*pgrp = tty ? READ_ONCE(tty->pgrp) : -1;
}

/* Take the terminal from its session. */
static void release_session(struct tty *tty)
{
	int session;

	spin_lock(&session_lock);
	session = tty->session;
	tty->session = 0;
	tty->pgrp = 0;
	if (session)
		fs_hook_for_each_process(forget_tty, &session);
	spin_unlock(&session_lock);
}

static void signal_foreground(const struct tty *tty, int signo)
{
	if (tty->pgrp)
		(void)fs_hook_signal_pgrp(tty->pgrp, signo); /* an empty group is fine */
}

void tty_hangup(struct tty *tty)
{
	tty->input_ended = tty->hung_up = true;
	if (tty->session)
		(void)fs_hook_signal_pid(tty->session, SIGHUP);
	signal_foreground(tty, SIGHUP);
	signal_foreground(tty, SIGCONT);
	release_session(tty);
	wake_up(&tty->read_wait);
	wake_up(&tty->write_wait);
}

void fs_process_fork(struct fs_process *child, struct fs_process *parent)
{
	/* child can be found: whoever takes the tty away takes it from both */
	spin_lock(&session_lock);
	child->tty = parent->tty;
	spin_unlock(&session_lock);
}

void fs_process_setsid(struct fs_process *process)
{
	process->tty = NULL;
}

void fs_process_exit(struct fs_process *process)
{
	struct tty *tty = process->tty;

	if (!tty || !leads_session(process) || tty->session != process->sid)
		return;
	signal_foreground(tty, SIGHUP);
	signal_foreground(tty, SIGCONT);
	release_session(tty);
}

static long set_controlling(struct tty *tty, unsigned long steal)
{
	struct fs_process *process = current_process();
	long ret = -EPERM;

	if (leads_session(process) && tty->session == process->sid)
		return 0;
	if (!leads_session(process) || process->tty)
		return -EPERM;
	if (tty->session) {
		if (steal != 1 || !fs_capable(CAP_SYS_ADMIN))
			return -EPERM;
		release_session(tty);
	}
	spin_lock(&session_lock);
	if (tty->hung_up) {
		ret = -EIO;
	} else if (!tty->session) { /* else another one was faster */
		take_session_locked(tty, process);
		ret = 0;
	}
	spin_unlock(&session_lock);
	return ret;
}

static long give_up_controlling(struct tty *tty)
{
	struct fs_process *process = current_process();

	if (process->tty != tty)
		return -ENOTTY;
	if (!leads_session(process)) {
		process->tty = NULL;
		return 0;
	}
	signal_foreground(tty, SIGHUP);
	signal_foreground(tty, SIGCONT);
	release_session(tty);
	return 0;
}

static long set_foreground(struct tty *tty, unsigned long arg)
{
	struct fs_process *process = current_process();
	int pgrp, session;
	long ret = check_change(tty);

	if (ret)
		return ret;
	if (get_user(pgrp, arg))
		return -EFAULT;
	if (process->tty != tty || tty->session != process->sid)
		return -ENOTTY;
	if (pgrp < 0)
		return -EINVAL;
	session = fs_hook_pgrp_session(pgrp);
	if (session < 0)
		return -ESRCH;
	if (session != process->sid)
		return -EPERM;
	tty->pgrp = pgrp;
	return 0;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static size_t fetch(struct tty *tty, u8 *bytes, size_t n, bool *line_end)
{
	unsigned long flags;
	size_t got;

	spin_lock_irqsave(&tty->lock, flags);
	got = n_tty_fetch(tty, bytes, n, line_end);
	spin_unlock_irqrestore(&tty->lock, flags);
	if (got && tty->more)
		tty->more(tty);
	return got;
}

static bool input_or_end(const struct tty *tty)
{
	return n_tty_readable(tty) || READ_ONCE(tty->input_ended) || READ_ONCE(tty->hung_up);
}

/* How a read waits: for how many bytes, and until when. */
struct read_plan {
	bool canon;
	size_t min;
	u64 interval_ns; /* between bytes (MIN > 0), or in all (MIN = 0); 0: none */
	u64 deadline_ns;
};

static struct read_plan plan_read(const struct tty *tty)
{
	struct read_plan plan = {
		.canon = tty->termios.c_lflag & ICANON, .min = 1, .deadline_ns = UINT64_MAX};

	if (plan.canon)
		return plan;
	plan.min = tty->termios.c_cc[VMIN];
	plan.interval_ns = tty->termios.c_cc[VTIME] * NSEC_PER_DECISECOND;
	if (!plan.min)
		plan.deadline_ns = port_clock_ns() + plan.interval_ns;
	return plan;
}

/* Wait for input. 0: look again (or the end, if there is none); -EAGAIN: time is up. */
static long wait_for_input(struct tty *tty, struct file *file, const struct read_plan *plan)
{
	if (file->f_flags & O_NONBLOCK)
		return -EAGAIN;
	return wait_event_until(&tty->read_wait, input_or_end(tty), plan->deadline_ns);
}

/* The end of one read: is it enough? */
static bool satisfied(const struct read_plan *plan, size_t done, size_t count, bool line_end)
{
	if (done == count || line_end)
		return true;
	return !plan->canon && done && done >= plan->min;
}

long tty_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct tty *tty = tty_of(file);
	struct read_plan plan = plan_read(tty);
	u8 chunk[CHUNK_BYTES];
	size_t done = 0;
	long ret = check_read(tty);

	(void)pos;
	if (tty->hung_up)
		return 0;
	while (!ret && done < count) {
		bool line_end;
		size_t got = fetch(tty, chunk, min(count - done, CHUNK_BYTES), &line_end);

		if (got && iov_put(buf, done, chunk, got))
			return done ? (long)done : -EFAULT;
		done += got;
		if (satisfied(&plan, done, count, line_end))
			break;
		if (got && n_tty_readable(tty))
			continue;
		if (got && plan.interval_ns && plan.min)
			plan.deadline_ns = port_clock_ns() + plan.interval_ns;
		if (!n_tty_readable(tty) && (tty->input_ended || tty->hung_up))
			return done || !tty->hung_up ? (long)done : -EIO;
		ret = wait_for_input(tty, file, &plan);
		if (ret == -EAGAIN && !(file->f_flags & O_NONBLOCK))
			return (long)done; /* VTIME has passed */
		if (!ret)
			ret = check_read(tty); /* the foreground may have changed */
	}
	return done ? (long)done : ret;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* Stopped by ^S, a terminal takes nothing. */
static bool has_room(const struct tty *tty)
{
	unsigned int used = READ_ONCE(tty->out_head) - READ_ONCE(tty->out_tail);

	return (used < TTY_BUF_BYTES / 2 && !READ_ONCE(tty->stopped)) || READ_ONCE(tty->hung_up);
}

static size_t output(struct tty *tty, const u8 *bytes, size_t n)
{
	unsigned long flags;
	size_t taken;

	spin_lock_irqsave(&tty->lock, flags);
	taken = tty->stopped ? 0 : n_tty_output(tty, bytes, n);
	spin_unlock_irqrestore(&tty->lock, flags);
	return taken;
}

static long write_chunk(struct tty *tty, const struct file *file, const u8 *bytes, size_t n)
{
	size_t done = 0;

	while (done < n) {
		long ret;

		if (tty->hung_up)
			return -EIO;
		done += output(tty, bytes + done, n - done);
		if (done == n)
			break;
		ret = file->f_flags & O_NONBLOCK
			      ? -EAGAIN
			      : wait_event_interruptible(&tty->write_wait, has_room(tty));
		if (ret)
			return done ? (long)done : ret;
	}
	return (long)done;
}

long tty_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct tty *tty = tty_of(file);
	u8 chunk[CHUNK_BYTES];
	size_t done = 0;
	long ret = tty->termios.c_lflag & TOSTOP ? check_change(tty) : 0;

	(void)pos;
	if (ret)
		return ret;
	while (done < count) {
		size_t n = min(count - done, CHUNK_BYTES);

		if (iov_get(buf, done, chunk, n))
			ret = -EFAULT;
		else
			ret = write_chunk(tty, file, chunk, n);
		if (ret < 0)
			break;
		done += (size_t)ret;
		if ((size_t)ret < n)
			break;
	}
	return done ? (long)done : ret;
}

unsigned int tty_poll(struct file *file, struct poll_table *pt)
{
	struct tty *tty = tty_of(file);
	unsigned int mask = 0;

	poll_wait(&tty->read_wait, pt);
	poll_wait(&tty->write_wait, pt);
	if (input_or_end(tty))
		mask |= POLLIN | POLLRDNORM;
	if (tty->input_ended || tty->hung_up)
		mask |= POLLHUP;
	if (has_room(tty))
		mask |= POLLOUT | POLLWRNORM;
	return mask;
}

/* ---- ioctl ----------------------------------------------------------------------------------- */

static bool is_drained(const struct tty *tty)
{
	return READ_ONCE(tty->out_head) == READ_ONCE(tty->out_tail) || READ_ONCE(tty->hung_up);
}

static long drain(struct tty *tty)
{
	return wait_event_interruptible(&tty->write_wait, is_drained(tty));
}

long tty_get_termios(struct tty *tty, unsigned long arg)
{
	struct termios copy;
	unsigned long flags;

	spin_lock_irqsave(&tty->lock, flags);
	copy = tty->termios;
	spin_unlock_irqrestore(&tty->lock, flags);
	return copy_to_user(arg, &copy, sizeof(copy)) ? -EFAULT : 0;
}

long tty_set_termios(struct tty *tty, unsigned int cmd, unsigned long arg)
{
	struct termios new;
	unsigned long flags;
	long ret = check_change(tty);

	if (ret)
		return ret;
	if (copy_from_user(&new, arg, sizeof(new)))
		return -EFAULT;
	if (cmd != TCSETS && (ret = drain(tty)))
		return ret;
	spin_lock_irqsave(&tty->lock, flags);
	if (cmd == TCSETSF)
		n_tty_flush_input(tty);
	n_tty_set_termios(tty, &new);
	spin_unlock_irqrestore(&tty->lock, flags);
	return 0;
}

long tty_set_winsize(struct tty *tty, unsigned long arg)
{
	struct winsize new;
	bool changed;

	if (copy_from_user(&new, arg, sizeof(new)))
		return -EFAULT;
	changed = memcmp(&new, &tty->winsize, sizeof(new)) != 0;
	tty->winsize = new;
	if (changed)
		signal_foreground(tty, SIGWINCH);
	return 0;
}

static long flush_queues(struct tty *tty, unsigned long which)
{
	unsigned long flags;
	long ret = check_change(tty);

	if (ret)
		return ret;
	if (which > 2)
		return -EINVAL;
	spin_lock_irqsave(&tty->lock, flags);
	if (which != 1)
		n_tty_flush_input(tty);
	if (which != 0)
		n_tty_flush_output(tty);
	spin_unlock_irqrestore(&tty->lock, flags);
	if (tty->more)
		tty->more(tty);
	wake_up(&tty->write_wait);
	return 0;
}

/* TCXONC: suspend or go on with output. */
static long flow(struct tty *tty, unsigned long what)
{
	unsigned long flags;

	if (what > 3)
		return -EINVAL;
	if (what > 1)
		return 0; /* asking the other side to stop means nothing here */
	spin_lock_irqsave(&tty->lock, flags);
	tty->stopped = what == 0;
	n_tty_pump(tty);
	spin_unlock_irqrestore(&tty->lock, flags);
	wake_up(&tty->write_wait);
	return 0;
}

static long get_session(struct tty *tty, unsigned long arg, int value)
{
	if (current_process()->tty != tty)
		return -ENOTTY;
	return put_user(value, arg);
}

static long insert_input(struct tty *tty, unsigned long arg)
{
	unsigned long flags;
	u8 c;

	if (current_process()->tty != tty && !fs_capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (get_user(c, arg))
		return -EFAULT;
	spin_lock_irqsave(&tty->lock, flags);
	n_tty_receive(tty, c);
	spin_unlock_irqrestore(&tty->lock, flags);
	fs_hook_run_deferred();
	return 0;
}

long tty_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct tty *tty = tty_of(file);
	struct winsize winsize = tty->winsize;
	int n = 0;

	if (READ_ONCE(tty->hung_up))
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	switch (cmd) {
	case TCGETS:
		return tty_get_termios(tty, arg);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return tty_set_termios(tty, cmd, arg);
	case TCSBRK:
	case TCSBRKP:
		return drain(tty);
	case TCXONC:
		return flow(tty, arg);
	case TCFLSH:
		return flush_queues(tty, arg);
	case TIOCEXCL:
	case TIOCNXCL:
		return 0;
	case TIOCSCTTY:
		return set_controlling(tty, arg);
	case TIOCNOTTY:
		return give_up_controlling(tty);
	case TIOCGPGRP:
		return get_session(tty, arg, tty->pgrp);
	case TIOCSPGRP:
		return set_foreground(tty, arg);
	case TIOCGSID:
		return tty->session ? get_session(tty, arg, tty->session) : -ENOTTY;
	case TIOCOUTQ:
		n = (int)(tty->out_head - tty->out_tail);
		return put_user(n, arg);
	case FIONREAD:
		n = (int)n_tty_chars(tty);
		return put_user(n, arg);
	case TIOCSTI:
		return insert_input(tty, arg);
	case TIOCGWINSZ:
		return copy_to_user(arg, &winsize, sizeof(winsize)) ? -EFAULT : 0;
	case TIOCSWINSZ:
		return tty_set_winsize(tty, arg);
	case TIOCGETD:
		return put_user(n, arg); /* N_TTY */
	case TIOCSETD:
		if (get_user(n, arg))
			return -EFAULT;
		return n == 0 ? 0 : -EINVAL;
	default:
		return -ENOTTY;
	}
}

/* ---- /dev/tty, /dev/console, /dev/ptmx ------------------------------------------------------- */

static void tty_release(struct file *file)
{
	struct tty *tty = tty_of(file);

	if (tty->closed)
		tty->closed(tty);
}

const struct file_operations tty_fops = {
	.splice_in = true,
	.splice_out = true,
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
	.release = tty_release,
};

void tty_attach(struct tty *tty, struct file *file)
{
	file->f_mode |= FMODE_STREAM;
	file->private_data = tty;
	file->f_op = &tty_fops;
	if (tty->opened)
		tty->opened(tty);
}

/* The caller's terminal; that it is opened is counted before it can go. */
static int open_own_tty(struct file *file)
{
	struct tty *tty;

	spin_lock(&session_lock);
	tty = current_process()->tty;
	if (tty)
		tty_attach(tty, file);
	spin_unlock(&session_lock);
	return tty ? 0 : -ENXIO;
}

static int ttyaux_open(struct inode *inode, struct file *file)
{
	switch (MINOR(inode->i_rdev)) {
	case 0:
		return open_own_tty(file);
	case 1:
		tty_attach(&console_tty, file);
		return 0; /* opening the console never makes it the controlling terminal */
	case 2:
		file->f_op = &ptmx_fops;
		return ptmx_fops.open(inode, file);
	default:
		return -ENXIO;
	}
}

static const struct file_operations ttyaux_fops = {.open = ttyaux_open};
static struct chrdev ttyaux_dev = {TTYAUX_MAJOR, 0, 3, &ttyaux_fops, NULL};

int tty_init(void)
{
	console_init();
	register_chrdev(&ttyaux_dev);
	return pty_init();
}
