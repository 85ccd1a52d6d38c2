/* SPDX-License-Identifier: MIT */
/*
 * numa.c: the NUMA system calls, from user bitmaps and vectors to mm/space/mempolicy.c and
 * migrate.c.
 *
 * A set of nodes is a bitmap of longs in user memory, maxnode - 1 bits of it. Programs may
 * name more nodes than there are; up to LINUX_MAX_NODES that is no error in itself.
 *
 * Locking: mmap_lock, taken below or, page by page, here; never over a copy to or from user
 * space. Failure: arguments are checked before anything changes; move_pages tells of
 * each page in its status.
 */
#include <kernel/cred.h>
#include <kernel/syscalls.h>
#include <kernel/task.h>
#include <pagoda/errno.h>
#include <pagoda/mempolicy.h>
#include <pagoda/mm.h>
#include <pagoda/uaccess.h>

#define LINUX_MAX_NODES 1024u /* CONFIG_NODES_SHIFT 10 */

/* ---- Bitmaps --------------------------------------------------------------------------------- */

/* One long of the bitmap, of which bits count. */
static int take_long(struct mpol_request *want, unsigned long first, u64 value, unsigned long bits)
{
	if (bits < 64)
		value &= (1ull << bits) - 1;
	if (!first) {
		want->nodes = (nodemask_t)(value & ((1ull << MAX_NR_NODES) - 1));
		want->beyond = value >> MAX_NR_NODES;
	} else if (value && first >= LINUX_MAX_NODES) {
		return -EINVAL;
	} else if (value) {
		want->beyond = true;
	}
	return 0;
}

static int nodes_from_user(struct mpol_request *want, unsigned long user, unsigned long maxnode)
{
	int err = 0;
	u64 value;

	maxnode--;
	want->nodes = 0;
	want->beyond = false;
	if (!maxnode || !user)
		return 0;
	if (maxnode > PAGE_SIZE * 8)
		return -EINVAL;
	for (unsigned long first = 0; !err && first < maxnode; first += 64)
		err = get_user(value, user + first / 8)
			      ? -EFAULT
			      : take_long(want, first, value, maxnode - first);
	return err;
}

static int nodes_to_user(nodemask_t nodes, unsigned long user, unsigned long maxnode)
{
	unsigned long bytes = ALIGN(maxnode - 1, 64ul) / 8;
	u64 value = nodes;

	if (bytes > sizeof(value)) {
		if (bytes > PAGE_SIZE)
			return -EINVAL;
		if (clear_user(user + sizeof(value), bytes - sizeof(value)))
			return -EFAULT;
		bytes = sizeof(value);
	}
	return copy_to_user(user, &value, bytes) ? -EFAULT : 0;
}

static unsigned int nr_node_ids(void)
{
	return 32 - (unsigned int)__builtin_clz(nodes_with_memory());
}

/* ---- Policies -------------------------------------------------------------------------------- */

static int request_from_user(struct mpol_request *want, unsigned long mode, unsigned long user,
			     unsigned long maxnode)
{
	want->mode = (unsigned int)mode;
	if ((want->mode & ~MPOL_MODE_FLAGS) >= MPOL_MAX)
		return -EINVAL;
	if (want->mode & MPOL_F_STATIC_NODES && want->mode & MPOL_F_RELATIVE_NODES)
		return -EINVAL;
	return nodes_from_user(want, user, maxnode);
}

long sys_set_mempolicy(unsigned long mode, unsigned long user, unsigned long maxnode)
{
	struct mpol_request want;
	struct mempolicy *pol;
	int err = request_from_user(&want, mode, user, maxnode);

	if (err)
		return err;
	pol = mpol_new(&want);
	if (IS_ERR(pol))
		return PTR_ERR(pol);
	do_set_mempolicy(pol);
	return 0;
}

long sys_get_mempolicy(unsigned long policy, unsigned long user, unsigned long maxnode,
		       unsigned long addr, unsigned long flags)
{
	nodemask_t nodes = 0;
	int value, err;

	if (user && maxnode < nr_node_ids())
		return -EINVAL;
	if (flags >> 32)
		return -EINVAL;
	err = do_get_mempolicy(current_vm->mm, &value, &nodes, addr, (unsigned int)flags);
	if (err)
		return err;
	if (policy && put_user(value, policy))
		return -EFAULT;
	return user ? nodes_to_user(nodes, user, maxnode) : 0;
}

long sys_mbind(unsigned long start, unsigned long len, unsigned long mode, unsigned long user,
	       unsigned long maxnode, unsigned long flags)
{
	struct mpol_request want;
	int err = request_from_user(&want, mode, user, maxnode);

	return err ? err
		   : do_mbind(current_vm->mm, start, len, &want, (unsigned int)flags,
			      capable(CAP_SYS_NICE));
}

long sys_set_mempolicy_home_node(unsigned long start, unsigned long len, unsigned long node,
				 unsigned long flags)
{
	unsigned long end = start + PAGE_ALIGN(len);

	if (start & ~PAGE_MASK || flags || node >= MAX_NR_NODES ||
	    !node_isset((int)node, nodes_with_memory()) || end < start)
		return -EINVAL;
	return end == start ? 0 : do_set_home_node(current_vm->mm, start, end, (int)node);
}

/* ---- Moving ---------------------------------------------------------------------------------- */

/*
 * The address space of task pid (0: the caller), with mm_users raised; NULL: the task has none (any
 * more), which is checked after the rights. ERR_PTR(-ESRCH, -EPERM).
 */
static struct mm_struct *mm_of(int pid)
{
	struct mm_struct *mm = NULL;
	struct task_struct *t = current;

	spin_lock_deferring(&tasklist_lock);
	if (pid)
		t = find_task_locked(pid);
	if (!t)
		mm = ERR_PTR(-ESRCH);
	else if (!may_access_task(t, false))
		mm = ERR_PTR(-EPERM);
	else if (t->vm.mm && atomic_inc_not_zero(&t->vm.mm->mm_users))
		mm = t->vm.mm;
	spin_unlock_deferring(&tasklist_lock);
	return mm;
}

long sys_migrate_pages(unsigned long pid, unsigned long maxnode, unsigned long user_from,
		       unsigned long user_to)
{
	struct mpol_request from, to;
	int err = nodes_from_user(&from, user_from, maxnode);
	struct mm_struct *mm;
	long ret;

	if (!err)
		err = nodes_from_user(&to, user_to, maxnode);
	if (err)
		return err;
	mm = mm_of((int)pid);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	to.beyond |= (to.nodes & ~nodes_with_memory()) != 0;
	to.nodes &= nodes_with_memory();
	if (to.beyond && !capable(CAP_SYS_NICE))
		ret = -EPERM;
	else if (!to.nodes || !mm)
		ret = -EINVAL;
	else
		ret = migrate_mm(mm, from.nodes, to.nodes, capable(CAP_SYS_NICE));
	if (mm)
		mmput(mm);
	return ret;
}

/* The vectors of a move_pages call. */
struct move_call {
	struct mm_struct *mm;
	unsigned long pages, nodes, status; /* user addresses; nodes 0: only ask */
	bool all;
};

static int query_page(struct mm_struct *mm, unsigned long addr)
{
	int nid;

	if (down_read_killable(&mm->mmap_lock))
		return -EINTR;
	nid = user_page_node(mm, addr);
	up_read(&mm->mmap_lock);
	return nid;
}

static int move_one(const struct move_call *c, unsigned long addr, int nid)
{
	int ret;

	if (down_write_killable(&c->mm->mmap_lock))
		return -EINTR;
	ret = migrate_user_page(c->mm, addr, nid, c->all);
	up_write(&c->mm->mmap_lock);
	return ret;
}

/* Page i: 0, 1: it could not be moved as others hold it, or an error that ends the call. */
static long do_one_page(const struct move_call *c, unsigned long i)
{
	u64 addr;
	s32 node = 0, status;

	if (get_user(addr, c->pages + i * sizeof(addr)) ||
	    (c->nodes && get_user(node, c->nodes + i * sizeof(node))))
		return -EFAULT;
	if (c->nodes && (node < 0 || !node_isset(node, nodes_with_memory())))
		return -ENODEV;
	status = c->nodes ? move_one(c, (unsigned long)addr, node)
			  : query_page(c->mm, (unsigned long)addr);
	if (put_user(status, c->status + i * sizeof(status)))
		return -EFAULT;
	return c->nodes && (status == -EBUSY || status == -ENOMEM);
}

long sys_move_pages(unsigned long pid, unsigned long nr, unsigned long pages, unsigned long nodes,
		    unsigned long status, unsigned long flags)
{
	struct move_call c = {NULL, pages, nodes, status, flags & MPOL_MF_MOVE_ALL};
	long failed = 0;

	if ((unsigned int)flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
		return -EINVAL;
	if (c.all && !capable(CAP_SYS_NICE))
		return -EPERM;
	c.mm = mm_of((int)pid);
	if (IS_ERR(c.mm))
		return PTR_ERR(c.mm);
	if (!c.mm)
		return -EINVAL;
	for (unsigned long i = 0; i < nr; i++) {
		long ret = do_one_page(&c, i);

		if (ret < 0) {
			failed = ret;
			break;
		}
		failed += ret;
		port_cond_resched();
		if (port_fatal_signal_pending())
			break;
	}
	mmput(c.mm);
	return failed;
}
