/* SPDX-License-Identifier: MIT */
/*
 * epoll.c: a set of watched files, of which a wait returns those that are ready.
 *
 *	struct eventpoll	items: a tree by (file, descriptor)
 *	(an open file)		ready: items that may have something to tell
 *	struct epitem		one watched file: what to look for; its queues' entries
 *
 *	wake-up on a file's queue -> note_event(): item to `ready`, one waiter woken
 *	epoll_wait -> send_events(): each item of `ready` asks its file again, and what it
 *	says is told; an item stays on the list while it is level-triggered and ready
 *
 * So being on the list is a hint, and the file's poll operation decides. The cost of a wait
 * is that of the ready files, not of the watched ones.
 *
 * An item does not hold its file: the last close of the file removes it (epoll_forget_file).
 * An epoll may watch another, if that makes no circle and at most MAX_NESTING levels.
 *
 * Locking, outermost first:
 *	epoll_mutex	every epoll's tree and every file's f_epitems, to change; sleeps
 *	ep->mutex	the tree to read; asking files and telling the user; sleeps. An outer
 *			epoll's before an inner one's, as asking an epoll takes its mutex
 *	a file's wait queue, ep->lock: `ready`, and an item's events; interrupts off
 *	ep->wait and ep->pollers: queues
 * Invariant: (I1) an item whose file is ready is on `ready`, or its next event puts it there, or
 * it is edge-triggered and was told, or disabled (EPOLLONESHOT).
 * Failure: ENOMEM and ENOSPC (too many watches) leave no trace; an event that cannot be copied out
 * (EFAULT) stays. Observability: anon_inode:[eventpoll] in /proc/PID/fd.
 */
#include <fs/syscalls.h>
#include <fs/user.h>
#include <fs/vfs.h>
#include <fs/wait.h>
#include <lib/rbtree.h>
#include <pagoda/bug.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/uaccess.h>

#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_DEL 2
#define EPOLL_CTL_MOD 3

#define EPOLLEXCLUSIVE (1u << 28)
#define EPOLLWAKEUP    (1u << 29)
#define EPOLLONESHOT   (1u << 30)
#define EPOLLET	       (1u << 31)
#define MODE_BITS      (EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET)
#define EXCLUSIVE_OK   (POLLIN | POLLOUT | POLLERR | POLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

#define MAX_NESTING   4	 /* epolls below an epoll, one below the other */
#define WATCH_SHARE   25 /* of RAM, its 25th part may be items of one user */
#define INLINE_QUEUES 2
#define MAX_EVENTS    (0x7fffffffu / sizeof(struct epoll_event))

/* As programs have it: without padding. */
struct epoll_event {
	u32 events;
	u64 data;
} __attribute__((packed));
static_assert(sizeof(struct epoll_event) == 12, "epoll_event's layout");

struct eventpoll {
	struct mutex mutex;
	spinlock_t lock;
	struct list_head ready;	   /* lock: items' ready_link */
	struct rb_root items;	   /* mutex; epoll_mutex to change */
	wait_queue_head_t wait;	   /* epoll_wait sleeps here */
	wait_queue_head_t pollers; /* who watches this epoll */
	struct file *file;	   /* (C) its own */
	struct user_struct *user;  /* (C) its maker, for whom its items are counted */
	u64 walk;		   /* epoll_mutex: the walk that was here last, */
	int walk_depth;		   /* and what it found */
};

/* A wait queue of a watched file. */
struct watch {
	wait_queue_head_t *wq;
	struct wait_queue_entry entry;
	struct epitem *item;
	struct watch *next; /* allocated ones */
};

struct epitem {
	struct rb_node node;
	struct eventpoll *ep;
	struct file *file;	     /* (C) not counted */
	int fd;			     /* (C) */
	struct epoll_event event;    /* mutex and lock to change, either to read */
	struct list_head ready_link; /* lock; empty: not on the list */
	struct epitem *next_of_file; /* epoll_mutex */
	unsigned int nr_watches;
	struct watch watches[INLINE_QUEUES];
	struct watch *more;
};

static struct mutex epoll_mutex;
static kmem_cache_t *item_cache;
int epoll_max_user_watches;
static u64 walks; /* epoll_mutex */

static const struct file_operations epoll_fops;

static bool is_epoll(const struct file *file)
{
	return file->f_op == &epoll_fops;
}

/* ---- The ready list ------------------------------------------------------------------------ */

static bool has_ready(struct eventpoll *ep)
{
	return READ_ONCE(ep->ready.next) != &ep->ready;
}

/* True if a waiter was there to wake. */
static bool tell_waiters(struct eventpoll *ep)
{
	bool waiting = atomic_read(&ep->wait.nr_waiting) != 0;

	VM_BUG_ON(!ep->file);
	wake_up_one(&ep->wait);
	wake_up_events(&ep->pollers, POLLIN | POLLRDNORM);
	return waiting;
}

static void make_ready_locked(struct epitem *item)
{
	lockdep_assert_held(&item->ep->lock);
	if (list_empty(&item->ready_link))
		list_add_tail(&item->ready_link, &item->ep->ready);
}

static void make_ready(struct epitem *item)
{
	struct eventpoll *ep = item->ep;
	unsigned long flags;

	spin_lock_irqsave(&ep->lock, flags);
	make_ready_locked(item);
	spin_unlock_irqrestore(&ep->lock, flags);
	(void)tell_waiters(ep); /* nobody there: the next wait finds it */
}

/* A queue of a watched file was woken. Its lock is held, interrupts are off. */
static bool note_event(struct wait_queue_entry *entry, unsigned int events)
{
	struct epitem *item = container_of(entry, struct watch, entry)->item;
	bool wanted;

	lockdep_assert_irqs_disabled();
	VM_BUG_ON(!item->nr_watches);
	spin_lock(&item->ep->lock);
	wanted = (item->event.events & ~MODE_BITS) && (events & item->event.events);
	if (wanted)
		make_ready_locked(item);
	spin_unlock(&item->ep->lock);
	return wanted && tell_waiters(item->ep);
}

/* ---- Watching a file's queues --------------------------------------------------------------- */

struct watch_table {
	struct poll_table table;
	struct epitem *item;
};

static struct watch *new_watch(struct epitem *item)
{
	struct watch *watch;

	if (item->nr_watches < INLINE_QUEUES)
		return &item->watches[item->nr_watches++];
	watch = kmalloc(sizeof(*watch), GFP_KERNEL);
	if (!watch)
		return NULL;
	watch->next = item->more;
	item->more = watch;
	return watch;
}

static void watch_queue(struct poll_table *pt, wait_queue_head_t *wq, const void *key)
{
	struct epitem *item = container_of(pt, struct watch_table, table)->item;
	struct watch *watch = new_watch(item);

	if (!watch) {
		pt->error = -ENOMEM;
		return;
	}
	watch->wq = wq;
	watch->item = item;
	watch->entry.key = key;
	watch->entry.func = note_event;
	watch->entry.exclusive = item->event.events & EPOLLEXCLUSIVE;
	add_wait_func(wq, &watch->entry);
}

static void unwatch(struct epitem *item)
{
	struct watch *watch;

	for (unsigned int i = 0; i < item->nr_watches; i++)
		finish_wait(item->watches[i].wq, &item->watches[i].entry);
	while ((watch = item->more)) {
		finish_wait(watch->wq, &watch->entry);
		item->more = watch->next;
		kfree(watch);
	}
}

/* What the item has to tell now. ep->mutex held. */
static unsigned int ask_item(struct epitem *item, struct poll_table *pt)
{
	unsigned int wanted = item->event.events;

	lockdep_assert_held(&item->ep->mutex);
	return wanted & ~MODE_BITS ? vfs_poll(item->file, wanted, pt) & wanted : 0;
}

/* ---- Items ----------------------------------------------------------------------------------- */

static int compare(const struct file *file, int fd, const struct epitem *item)
{
	if (file != item->file)
		return file < item->file ? -1 : 1;
	return fd < item->fd ? -1 : fd > item->fd;
}

static struct epitem *find_item(struct eventpoll *ep, const struct file *file, int fd)
{
	struct rb_node *node = ep->items.node;

	lockdep_assert_held(&ep->mutex);
	while (node) {
		struct epitem *item = rb_entry(node, struct epitem, node);
		int order = compare(file, fd, item);

		if (!order)
			return item;
		node = order < 0 ? node->left : node->right;
	}
	return NULL;
}

static void insert_item(struct epitem *item)
{
	struct rb_node **link = &item->ep->items.node, *parent = NULL;

	lockdep_assert_held(&epoll_mutex);
	lockdep_assert_held(&item->ep->mutex);
	VM_BUG_ON(!list_empty(&item->ready_link));
	while (*link) {
		parent = *link;
		link = compare(item->file, item->fd, rb_entry(parent, struct epitem, node)) < 0
			       ? &parent->left
			       : &parent->right;
	}
	rb_link_node(&item->node, parent, link);
	rb_insert(&item->node, &item->ep->items, NULL);
	item->next_of_file = item->file->f_epitems;
	item->file->f_epitems = item;
}

/* An item, counted for user, or ERR_PTR: ENOSPC (the user has too many), ENOMEM. */
static struct epitem *new_item(struct user_struct *user)
{
	struct epitem *item;

	if (atomic_long_read(&user->epoll_watches) >= READ_ONCE(epoll_max_user_watches))
		return ERR_PTR(-ENOSPC);
	item = kmem_cache_alloc(item_cache, GFP_KERNEL | __GFP_ZERO);
	if (!item)
		return ERR_PTR(-ENOMEM);
	atomic_long_inc(&user->epoll_watches);
	return item;
}

static void free_item(struct epitem *item)
{
	VM_BUG_ON(!list_empty(&item->ready_link));
	VM_BUG_ON(atomic_long_read(&item->ep->user->epoll_watches) <= 0);
	atomic_long_dec(&item->ep->user->epoll_watches);
	kmem_cache_free(item_cache, item);
}

/* epoll_mutex and ep->mutex held. */
static void remove_item(struct epitem *item)
{
	struct epitem **link = &item->file->f_epitems;
	struct eventpoll *ep = item->ep;
	unsigned long flags;

	lockdep_assert_held(&epoll_mutex);
	lockdep_assert_held(&ep->mutex);
	unwatch(item); /* no more note_event() */
	while (*link != item)
		link = &(*link)->next_of_file;
	*link = item->next_of_file;
	rb_erase(&item->node, &ep->items, NULL);
	spin_lock_irqsave(&ep->lock, flags);
	list_del_init(&item->ready_link);
	spin_unlock_irqrestore(&ep->lock, flags);
	free_item(item);
}

static long add_item(struct eventpoll *ep, struct file *file, int fd,
		     const struct epoll_event *event)
{
	struct watch_table wt = {{watch_queue, 0}, NULL};
	struct epitem *item;
	unsigned int now;

	item = new_item(ep->user);
	if (IS_ERR(item))
		return PTR_ERR(item);
	item->ep = ep;
	item->file = file;
	item->fd = fd;
	item->event = *event;
	INIT_LIST_HEAD(&item->ready_link);
	insert_item(item);
	wt.item = item;
	now = vfs_poll(file, event->events, &wt.table);
	if (wt.table.error) {
		remove_item(item);
		return wt.table.error;
	}
	if (now & event->events & ~MODE_BITS)
		make_ready(item);
	return 0;
}

static long modify_item(struct epitem *item, const struct epoll_event *event)
{
	unsigned long flags;

	if (item->event.events & EPOLLEXCLUSIVE)
		return -EINVAL;
	spin_lock_irqsave(&item->ep->lock, flags);
	item->event = *event;
	spin_unlock_irqrestore(&item->ep->lock, flags);
	if (ask_item(item, NULL))
		make_ready(item);
	return 0;
}

/* ---- Epolls within epolls -------------------------------------------------------------------- */

/* Levels of epolls below ep (0: none), or -ELOOP if goal is among them or there are too many. */
static int depth_below(struct eventpoll *ep, const struct eventpoll *goal, int level)
{
	int depth = 0;

	if (ep == goal || level > MAX_NESTING)
		return -ELOOP;
	if (ep->walk == walks)
		return ep->walk_depth;
	for (struct rb_node *node = rb_first(&ep->items); node; node = rb_next(node)) {
		struct file *file = rb_entry(node, struct epitem, node)->file;
		int below = is_epoll(file) ? depth_below(file->private_data, goal, level + 1) : -1;

		if (below == -ELOOP)
			return -ELOOP;
		depth = max(depth, below + 1);
		port_cond_resched();
	}
	ep->walk = walks;
	ep->walk_depth = depth;
	return depth;
}

/*
 * Levels of epolls above ep: at most MAX_NESTING, as every watch was checked. Each epoll is looked
 * at once in a walk, by however many ways it is reached.
 */
static int depth_above(struct eventpoll *ep, int level)
{
	int depth = 0;

	if (WARN_ON_ONCE(level > MAX_NESTING))
		return level;
	if (ep->walk == walks)
		return ep->walk_depth;
	for (struct epitem *item = ep->file->f_epitems; item; item = item->next_of_file) {
		depth = max(depth, depth_above(item->ep, level + 1) + 1);
		port_cond_resched();
	}
	ep->walk = walks;
	ep->walk_depth = depth;
	return depth;
}

/* May ep watch inner? epoll_mutex held. */
static long check_nesting(struct eventpoll *ep, struct eventpoll *inner)
{
	int below;

	lockdep_assert_held(&epoll_mutex);
	walks++;
	below = depth_below(inner, ep, 0);
	if (below < 0)
		return -ELOOP;
	walks++;
	return depth_above(ep, 0) + 1 + below > MAX_NESTING ? -ELOOP : 0;
}

/* ---- epoll_ctl ------------------------------------------------------------------------------- */

static long control_item(struct eventpoll *ep, int op, struct file *file, int fd,
			 const struct epoll_event *event)
{
	struct epitem *item = find_item(ep, file, fd);

	switch (op) {
	case EPOLL_CTL_ADD:
		return item ? -EEXIST : add_item(ep, file, fd, event);
	case EPOLL_CTL_MOD:
		return item ? modify_item(item, event) : -ENOENT;
	case EPOLL_CTL_DEL:
		if (!item)
			return -ENOENT;
		remove_item(item);
		return 0;
	default:
		return -EINVAL;
	}
}

static long control(struct file *epfile, int op, struct file *file, int fd,
		    struct epoll_event *event)
{
	struct eventpoll *ep = epfile->private_data;
	long ret = 0;

	if (!file->f_op->poll)
		return -EPERM;
	if (file == epfile || !is_epoll(epfile))
		return -EINVAL;
	if (op != EPOLL_CTL_DEL && (event->events & EPOLLEXCLUSIVE) &&
	    (op == EPOLL_CTL_MOD || is_epoll(file) || (event->events & ~EXCLUSIVE_OK)))
		return -EINVAL;
	event->events |= POLLERR | POLLHUP;
	mutex_lock(&epoll_mutex);
	if (op == EPOLL_CTL_ADD && is_epoll(file))
		ret = check_nesting(ep, file->private_data);
	if (!ret) {
		mutex_lock(&ep->mutex);
		ret = control_item(ep, op, file, fd, event);
		mutex_unlock(&ep->mutex);
	}
	mutex_unlock(&epoll_mutex);
	return ret;
}

long sys_epoll_ctl(unsigned long epfd, unsigned long op, unsigned long fd, unsigned long uevent)
{
	struct epoll_event event = {0, 0};
	struct fd ep, target;
	long ret = -EBADF;

	if ((int)op != EPOLL_CTL_DEL && copy_from_user(&event, uevent, sizeof(event)))
		return -EFAULT;
	ep = fdget((unsigned int)epfd);
	target = fdget((unsigned int)fd);
	if (ep.file && target.file)
		ret = control(ep.file, (int)op, target.file, (int)fd, &event);
	fdput(target);
	fdput(ep);
	return ret;
}

/* ---- epoll_wait ------------------------------------------------------------------------------ */

/* The first of list, taken off; an event after this puts it on ep->ready again. NULL: empty. */
static struct epitem *take_item(struct eventpoll *ep, struct list_head *list)
{
	struct epitem *item = NULL;
	unsigned long flags;

	spin_lock_irqsave(&ep->lock, flags);
	if (!list_empty(list)) {
		item = list_first_entry(list, struct epitem, ready_link);
		list_del_init(&item->ready_link);
	}
	spin_unlock_irqrestore(&ep->lock, flags);
	return item;
}

/* Move everything of one list to the head of another. */
static void splice(struct eventpoll *ep, struct list_head *from, struct list_head *to)
{
	unsigned long flags;

	spin_lock_irqsave(&ep->lock, flags);
	while (!list_empty(from))
		list_move(from->prev, to);
	spin_unlock_irqrestore(&ep->lock, flags);
}

static void return_item(struct epitem *item, bool first)
{
	struct eventpoll *ep = item->ep;
	unsigned long flags;

	spin_lock_irqsave(&ep->lock, flags);
	if (first && list_empty(&item->ready_link))
		list_add(&item->ready_link, &ep->ready);
	make_ready_locked(item);
	spin_unlock_irqrestore(&ep->lock, flags);
}

/* Tell the user of one item at uevent; 1, 0 if it has nothing to tell, -EFAULT. ep->mutex held. */
static long send_event(struct epitem *item, unsigned long uevent)
{
	struct epoll_event event = {ask_item(item, NULL), item->event.data};

	lockdep_assert_held(&item->ep->mutex);
	if (!event.events)
		return 0;
	if (copy_to_user(uevent, &event, sizeof(event))) {
		return_item(item, true);
		return -EFAULT;
	}
	if (item->event.events & EPOLLONESHOT)
		item->event.events &= MODE_BITS;
	else if (!(item->event.events & EPOLLET))
		return_item(item, false);
	return 1;
}

/* Up to max events to the user; how many, or -EFAULT. */
static long send_events(struct eventpoll *ep, unsigned long uevents, int max)
{
	LIST_HEAD(list);
	struct epitem *item;
	long sent = 0, ret = 0;

	mutex_lock(&ep->mutex);
	splice(ep, &ep->ready, &list);
	while (ret >= 0 && sent < max && (item = take_item(ep, &list))) {
		ret = send_event(item, uevents + (unsigned long)sent * sizeof(struct epoll_event));
		sent += ret > 0;
	}
	splice(ep, &list, &ep->ready);
	mutex_unlock(&ep->mutex);
	if (has_ready(ep))
		wake_up_one(&ep->wait); /* another waiter may have the rest */
	return sent || ret >= 0 ? sent : ret;
}

static long wait_events(struct eventpoll *ep, unsigned long uevents, int max, u64 deadline_ns)
{
	long slept = 0;

	for (;;) {
		long sent = has_ready(ep) ? send_events(ep, uevents, max) : 0;

		if (sent || slept == -EAGAIN || !deadline_ns)
			return sent;
		if (slept || fs_hook_signal_pending())
			return -EINTR;
		slept = wait_event_until(&ep->wait, has_ready(ep), deadline_ns);
	}
}

static long do_epoll_wait(unsigned long epfd, unsigned long uevents, unsigned long max,
			  u64 deadline_ns)
{
	struct fd f;
	long ret = -EBADF;

	if ((int)max <= 0 || max > MAX_EVENTS)
		return -EINVAL;
	if (!access_ok(uevents, max * sizeof(struct epoll_event)))
		return -EFAULT;
	f = fdget((unsigned int)epfd);
	if (f.file)
		ret = is_epoll(f.file)
			      ? wait_events(f.file->private_data, uevents, (int)max, deadline_ns)
			      : -EINVAL;
	fdput(f);
	return ret;
}

static long epoll_wait_masked(unsigned long epfd, unsigned long uevents, unsigned long max,
			      u64 deadline_ns, unsigned long sigmask, size_t size)
{
	long ret = sigmask ? fs_hook_sigmask_set(sigmask, size) : 0;

	if (ret)
		return ret;
	ret = do_epoll_wait(epfd, uevents, max, deadline_ns);
	if (sigmask)
		fs_hook_sigmask_restore(ret == -EINTR);
	return ret;
}

static u64 milliseconds(unsigned long timeout)
{
	int ms = (int)timeout;

	return ms < 0 ? UINT64_MAX : poll_deadline_after((u64)ms * 1000000ull);
}

long sys_epoll_wait(unsigned long epfd, unsigned long uevents, unsigned long max,
		    unsigned long timeout)
{
	return do_epoll_wait(epfd, uevents, (unsigned int)max, milliseconds(timeout));
}

long sys_epoll_pwait(unsigned long epfd, unsigned long uevents, unsigned long max,
		     unsigned long timeout, unsigned long sigmask, unsigned long size)
{
	return epoll_wait_masked(epfd, uevents, (unsigned int)max, milliseconds(timeout), sigmask,
				 size);
}

long sys_epoll_pwait2(unsigned long epfd, unsigned long uevents, unsigned long max,
		      unsigned long timeout, unsigned long sigmask, unsigned long size)
{
	u64 deadline_ns;
	long ret = poll_get_deadline(timeout, &deadline_ns);

	return ret ? ret
		   : epoll_wait_masked(epfd, uevents, (unsigned int)max, deadline_ns, sigmask,
				       size);
}

/* ---- The file -------------------------------------------------------------------------------- */

/* Ready if an item is. Those that are not leave the list: their next event brings them back. */
static unsigned int epoll_poll(struct file *file, struct poll_table *pt)
{
	struct eventpoll *ep = file->private_data;
	LIST_HEAD(list);
	struct epitem *item;
	unsigned int mask = 0;

	poll_wait(&ep->pollers, pt);
	mutex_lock(&ep->mutex);
	splice(ep, &ep->ready, &list);
	while (!mask && (item = take_item(ep, &list)))
		if (ask_item(item, NULL)) {
			return_item(item, true);
			mask = POLLIN | POLLRDNORM;
		}
	splice(ep, &list, &ep->ready);
	mutex_unlock(&ep->mutex);
	return mask;
}

static void epoll_release(struct file *file)
{
	struct eventpoll *ep = file->private_data;
	struct rb_node *node;

	mutex_lock(&epoll_mutex);
	mutex_lock(&ep->mutex);
	while ((node = rb_first(&ep->items))) {
		remove_item(rb_entry(node, struct epitem, node));
		port_cond_resched();
	}
	mutex_unlock(&ep->mutex);
	mutex_unlock(&epoll_mutex);
	put_user_struct(ep->user);
	kfree(ep);
}

static const struct file_operations epoll_fops = {
	.poll = epoll_poll, .llseek = noop_llseek, .release = epoll_release};

void epoll_forget_file(struct file *file)
{
	struct epitem *item;

	mutex_lock(&epoll_mutex);
	while ((item = file->f_epitems)) {
		struct eventpoll *ep = item->ep;

		mutex_lock(&ep->mutex);
		remove_item(item);
		mutex_unlock(&ep->mutex);
		port_cond_resched();
	}
	mutex_unlock(&epoll_mutex);
}

static struct file *epoll_file(unsigned int flags)
{
	struct eventpoll *ep = kzalloc(sizeof(*ep), GFP_KERNEL);
	struct file *file =
		ep ? anon_object_file("anon_inode:[eventpoll]", &epoll_fops, ep, O_RDWR | flags)
		   : ERR_PTR(-ENOMEM);

	if (IS_ERR(file)) {
		kfree(ep);
		return file;
	}
	mutex_init(&ep->mutex, RANK_NONE);
	spin_lock_init(&ep->lock, RANK_NONE);
	INIT_LIST_HEAD(&ep->ready);
	init_waitqueue_head(&ep->wait);
	init_waitqueue_head(&ep->pollers);
	ep->file = file;
	ep->user = get_user_struct(current_user());
	return file;
}

long sys_epoll_create1(unsigned long flags)
{
	struct file *file;
	int fd;

	if ((unsigned int)flags & ~O_CLOEXEC)
		return -EINVAL;
	fd = get_unused_fd(0, (unsigned int)flags);
	if (fd < 0)
		return fd;
	file = epoll_file((unsigned int)flags);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

long sys_epoll_create(unsigned long size)
{
	return (int)size <= 0 ? -EINVAL : sys_epoll_create1(0);
}

void epoll_init(void)
{
	mutex_init(&epoll_mutex, RANK_NONE);
	item_cache = kmem_cache_create("eventpoll_epi", sizeof(struct epitem), 0, 0, NULL, NULL);
	if (!item_cache)
		panic("no memory for epoll");
	epoll_max_user_watches =
		(int)(totalram_pages() / WATCH_SHARE * PAGE_SIZE / sizeof(struct epitem));
}
