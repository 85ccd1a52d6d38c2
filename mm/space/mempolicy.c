/* SPDX-License-Identifier: MIT */
/*
 * mempolicy.c: NUMA policies: on which node a page is allocated.
 *
 * The region's policy (vma->vm_policy) is used if it has one, else the task's, else none:
 *
 *	default, local	the running CPU's node, then the other nodes (alloc_page)
 *	preferred	one given node, then the other nodes
 *	bind		a set of nodes and no other; without free memory there reclaim works on
 *			them and, if that does not help, the OOM killer is called
 *	preferred many	a set of nodes, then the other nodes
 *
 *	interleave	page n of a region on the n-th of the nodes, around; a task's pages that
 *			belong to no region (page cache) in turn
 *
 * A page of shared memory (tmpfs, shm, shared anonymous) comes from where the mapping says through
 * which it is touched first, or comes back from swap (task->fault_policy); of other files, from
 * where the task's policy says. A swapped private page comes back to where its own region and
 * address say, also when it is read ahead for a neighbour (swap_state.c): a bound region has no
 * page elsewhere, whatever its way.
 *
 * bind and preferred many carry a zonelist of their own, made with the policy, so that an
 * allocation is the ordinary one over another list. Only what lies in user memory or the
 * page cache asks here (GFP_HIGHUSER); tables and kernel objects are the CPU's.
 *
 * With one node, or before the first policy, alloc_page_vma() is one test more than
 * alloc_page().
 *
 * Locking: a region's policy changes under mmap_lock for write, a task's by the task alone;
 * a policy itself never changes. Failure: mpol_new allocates; do_mbind splits
 * regions and may stop in the middle with -ENOMEM, as on Linux.
 * Observability: /proc/PID/numa_maps, get_mempolicy(2).
 */
#include <pagoda/mempolicy.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include "vma_internal.h"

bool mempolicies_in_use;

nodemask_t nodes_with_memory(void)
{
	nodemask_t nodes = 0;
	pg_data_t *pgdat;

	for_each_pgdat(pgdat)
		nodes |= 1u << pgdat->node_id;
	return nodes;
}

/* The lowest node of a set; -1: it is empty. */
static int first_node(nodemask_t nodes)
{
	return nodes ? __builtin_ctz(nodes) : -1;
}

/* The n-th node of a set, counted from 0; the set has more than n. */
static int nth_node(nodemask_t nodes, unsigned int n)
{
	VM_BUG_ON(n >= nr_nodes_in(nodes));
	while (n--)
		nodes &= nodes - 1;
	return first_node(nodes);
}

/* The lowest node of the set above prev; behind the highest one it begins again. */
static int next_node_around(nodemask_t nodes, unsigned int prev)
{
	nodemask_t above = prev >= MAX_NR_NODES ? nodes : nodes & ~((2u << prev) - 1);

	VM_BUG_ON(!nodes);
	return first_node(above ? above : nodes);
}

/* ---- Making policies ------------------------------------------------------------------------ */

/*
 * Append the zones of one node to list, in the order of its own zone list. Returns the new length.
 */
static unsigned int add_zones_of(zonelist_t *list, unsigned int n, int nid)
{
	const pg_data_t *pgdat = NODE_DATA(nid);
	const zonelist_t *all = &pgdat->node_zonelists[__GFP_HIGHMEM];

	for (unsigned int i = 0; all->zones[i]; i++)
		if (all->zones[i]->zone_pgdat == pgdat)
			list->zones[n++] = all->zones[i];
	return n;
}

/* Append the zones of several nodes, those of node first at the beginning. */
static unsigned int add_nodes(zonelist_t *list, unsigned int n, nodemask_t nodes, int first)
{
	if (node_isset(first, nodes)) {
		n = add_zones_of(list, n, first);
		nodes &= ~(1u << first);
	}
	for (; nodes; nodes &= nodes - 1)
		n = add_zones_of(list, n, first_node(nodes));
	return n;
}

/*
 * The zone list of a policy, in which an allocation tries zone after zone. It begins with the home
 * node, or with this CPU's node. For bind it has only the policy's nodes, so that no other is ever
 * used; for preferred many the other nodes follow.
 */
static void build_policy_zonelist(struct mempolicy *pol)
{
	int first = node_isset(pol->home_node, nodes_with_memory()) ? pol->home_node
								    : local_pgdat()->node_id;
	unsigned int n = add_nodes(&pol->zonelist, 0, pol->nodes, first);

	VM_BUG_ON(pol->nodes & ~nodes_with_memory());
	if (pol->mode == MPOL_PREFERRED_MANY)
		n = add_nodes(&pol->zonelist, n, nodes_with_memory() & ~pol->nodes, first);
	pol->zonelist.zones[n] = NULL;
}

/*
 * MPOL_F_RELATIVE_NODES: node n of the request stands for the n-th of the nodes that exist, modulo
 * their number.
 */
static nodemask_t relative_nodes(nodemask_t nodes, nodemask_t present)
{
	nodemask_t result = 0;

	for (; nodes; nodes &= nodes - 1)
		result |= 1u << nth_node(present,
					 (unsigned int)first_node(nodes) % nr_nodes_in(present));
	return result;
}

/*
 * Check that mode, flags and node set fit together. *mode may become MPOL_LOCAL: a preferred node
 * without a node means the local one.
 */
static int check_mode(unsigned int *mode, unsigned int flags, bool empty)
{
	bool numbered = flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES);

	if (*mode >= MPOL_MAX || (flags & MPOL_F_STATIC_NODES && flags & MPOL_F_RELATIVE_NODES))
		return -EINVAL;
	if ((flags & MPOL_F_NUMA_BALANCING) && *mode != MPOL_BIND)
		return -EINVAL;
	switch (*mode) {
	case MPOL_DEFAULT:
		return empty ? 0 : -EINVAL;
	case MPOL_LOCAL:
		return empty && !numbered ? 0 : -EINVAL;
	case MPOL_PREFERRED:
		if (!empty)
			return 0;
		*mode = MPOL_LOCAL;
		return numbered ? -EINVAL : 0;
	default:
		return empty ? -EINVAL : 0;
	}
}

/*
 * A policy with one reference, or ERR_PTR(-ENOMEM). From here on page allocations look at policies.
 */
static struct mempolicy *alloc_policy(unsigned int mode, unsigned int flags, nodemask_t nodes,
				      nodemask_t user)
{
	struct mempolicy *pol = kzalloc(sizeof(*pol), GFP_KERNEL);

	if (!pol)
		return ERR_PTR(-ENOMEM);
	atomic_set(&pol->count, 1);
	pol->mode = mode;
	pol->flags = flags;
	pol->nodes = mode == MPOL_PREFERRED ? 1u << first_node(nodes) : nodes;
	pol->user_nodes = user;
	pol->home_node = -1;
	build_policy_zonelist(pol);
	if (pgdat_list->node_next)
		WRITE_ONCE(mempolicies_in_use, true);
	return pol;
}

struct mempolicy *mpol_new(const struct mpol_request *want)
{
	unsigned int flags = want->mode & MPOL_MODE_FLAGS, mode = want->mode & ~MPOL_MODE_FLAGS;
	nodemask_t nodes = want->nodes, present = nodes_with_memory(), effective;
	int err;

	err = check_mode(&mode, flags, !nodes && !want->beyond);
	if (err || mode == MPOL_DEFAULT)
		return ERR_PTR(err);
	effective =
		flags & MPOL_F_RELATIVE_NODES ? relative_nodes(nodes, present) : nodes & present;
	if (mode != MPOL_LOCAL && !effective)
		return ERR_PTR(-EINVAL);
	return alloc_policy(mode, flags, effective, nodes);
}

void mpol_put(struct mempolicy *pol)
{
	VM_BUG_ON(pol && atomic_read(&pol->count) <= 0);
	if (pol && atomic_dec_and_test(&pol->count))
		kfree(pol);
}

/* Would both give every page the same node, and print alike? Then regions can be merged. */
bool mpol_equal(const struct mempolicy *a, const struct mempolicy *b)
{
	if (a == b)
		return true;
	return a && b && a->mode == b->mode && a->flags == b->flags && a->nodes == b->nodes &&
	       a->home_node == b->home_node &&
	       (!(a->flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES)) ||
		a->user_nodes == b->user_nodes);
}

/* A node set as text, such as "0-1,3". Returns its length. */
static size_t print_nodes(char *buf, size_t size, nodemask_t nodes)
{
	size_t len = 0;

	for (int nid = 0; nid < MAX_NR_NODES; nid++) {
		int last = nid;

		if (!node_isset(nid, nodes))
			continue;
		while (node_isset(last + 1, nodes))
			last++;
		len += (size_t)pagoda_snprintf(buf + len, size - len,
					       last > nid ? "%s%d-%d" : "%s%d", len ? "," : "", nid,
					       last);
		nid = last;
	}
	return len;
}

void mpol_to_str(char *buf, size_t size, const struct mempolicy *pol)
{
	static const char *const names[MPOL_MAX] = {"default",	  "prefer", "bind",
						    "interleave", "local",  "prefer (many)"};
	unsigned int mode = pol ? pol->mode : MPOL_DEFAULT;
	const char *how = "";
	size_t len;

	if (pol && pol->flags & MPOL_F_STATIC_NODES)
		how = "=static";
	else if (pol && pol->flags & MPOL_F_RELATIVE_NODES)
		how = "=relative";
	len = (size_t)pagoda_snprintf(buf, size, "%s%s", names[mode], how);
	if (pol && pol->nodes) {
		buf[len++] = ':';
		print_nodes(buf + len, size - len, pol->nodes);
	}
}

/* ---- Allocating ------------------------------------------------------------------------------ */

/* The node for the next of a task's interleaved pages: the one after that of its last page. */
static int interleave_next(const struct mempolicy *pol)
{
	struct vm_task *task = current_vm;
	int nid = next_node_around(pol->nodes, task->il_prev);

	task->il_prev = (unsigned int)nid;
	return nid;
}

/*
 * Interleaved pages of a region are placed by their offset in the object, so that it does not
 * matter in which order they are touched; pages of shared memory likewise, by their index.
 */
int mpol_node(const struct mempolicy *pol, const struct vm_area_struct *vma, unsigned long addr)
{
	switch (pol ? pol->mode : MPOL_DEFAULT) {
	case MPOL_INTERLEAVE:
		if (vma)
			return nth_node(pol->nodes, (unsigned int)(vma_pgoff(vma, addr) %
								   nr_nodes_in(pol->nodes)));
		if (pol == current_vm->fault_policy)
			return nth_node(pol->nodes, (unsigned int)(addr % nr_nodes_in(pol->nodes)));
		return interleave_next(pol);
	case MPOL_PREFERRED:
		return first_node(pol->nodes);
	case MPOL_BIND:
	case MPOL_PREFERRED_MANY:
		return pol->zonelist.zones[0]->zone_pgdat->node_id;
	default:
		return local_pgdat()->node_id;
	}
}

/*
 * The policy for a page: the region's; in a fault on shared memory the mapping's; else the task's.
 */
static const struct mempolicy *policy_for(const struct vm_area_struct *vma)
{
	const struct vm_task *task = current_vm;

	if (vma && vma->vm_policy)
		return vma->vm_policy;
	return !vma && task->fault_policy ? task->fault_policy : task->mempolicy;
}

/* Only pages that may lie in high memory, user pages and page cache, follow policies. */
struct page *alloc_page_policy(gfp_t gfp, const struct vm_area_struct *vma, unsigned long addr)
{
	const struct mempolicy *pol = policy_for(vma);

	if (!pol || pol->mode == MPOL_LOCAL || !(gfp & __GFP_HIGHMEM))
		return alloc_page(gfp);
	if (pol->mode == MPOL_BIND || pol->mode == MPOL_PREFERRED_MANY)
		return alloc_pages_zonelist(&pol->zonelist, gfp, 0);
	return alloc_pages_node(mpol_node(pol, vma, addr), gfp, 0);
}

/* ---- Tasks ----------------------------------------------------------------------------------- */

/* A new interleaving starts with the first node. */
void do_set_mempolicy(struct mempolicy *pol)
{
	struct vm_task *task = current_vm;
	struct mempolicy *old = task->mempolicy;

	task->mempolicy = pol;
	if (pol && pol->mode == MPOL_INTERLEAVE)
		task->il_prev = MAX_NR_NODES;
	mpol_put(old);
}

void mpol_fork(struct vm_task *child, const struct vm_task *parent)
{
	child->mempolicy = mpol_get(parent->mempolicy);
	child->il_prev = parent->il_prev;
}

void mpol_exit(struct vm_task *task)
{
	struct mempolicy *pol = task->mempolicy;

	task->mempolicy = NULL;
	mpol_put(pol);
}

/*
 * The mode number that get_mempolicy() gives to its caller: the mode together with the mode flags
 * that set_mempolicy() was called with.
 */
static int policy_as_number(const struct mempolicy *pol)
{
	return pol ? (int)(pol->mode | pol->flags) : MPOL_DEFAULT;
}

/*
 * The node set that get_mempolicy() gives to its caller. With MPOL_F_STATIC_NODES or
 * MPOL_F_RELATIVE_NODES that is the set as the program passed it, else the nodes it stands for.
 */
static nodemask_t policy_nodes(const struct mempolicy *pol)
{
	if (!pol)
		return 0;
	return pol->flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES) ? pol->user_nodes
									  : pol->nodes;
}

/* The node of the page at addr, which is faulted in if needed. Or -EFAULT. */
static int node_at(struct mm_struct *mm, unsigned long addr)
{
	struct page *page = get_user_page(mm, addr & PAGE_MASK, false, false);
	int nid;

	if (!page)
		return -EFAULT;
	nid = page_zone(page)->zone_pgdat->node_id;
	put_page(page);
	return nid;
}

/*
 * The policy of the region at addr, with a reference; NULL: it has none; ERR_PTR(-EFAULT): there is
 * no region; ERR_PTR(-EINTR).
 */
static struct mempolicy *region_policy(struct mm_struct *mm, unsigned long addr)
{
	struct mempolicy *pol = ERR_PTR(-EFAULT);
	struct vm_area_struct *vma;

	if (down_read_killable(&mm->mmap_lock))
		return ERR_PTR(-EINTR);
	vma = find_vma(mm, addr);
	if (vma && vma->vm_start <= addr)
		pol = mpol_get(vma->vm_policy);
	up_read(&mm->mmap_lock);
	return pol;
}

/*
 * MPOL_F_NODE: the node of the page at addr, or without an address the node from which the task's
 * next interleaved page will come. A node or -errno.
 */
static int node_answer(struct mm_struct *mm, const struct mempolicy *pol, unsigned long addr,
		       unsigned int flags)
{
	if (flags & MPOL_F_ADDR)
		return node_at(mm, addr);
	if (!pol || pol->mode != MPOL_INTERLEAVE)
		return -EINVAL;
	return next_node_around(pol->nodes, current_vm->il_prev);
}

int do_get_mempolicy(struct mm_struct *mm, int *policy, nodemask_t *nodes, unsigned long addr,
		     unsigned int flags)
{
	struct mempolicy *pol;
	int answer;

	*policy = 0;
	if (flags & ~(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED))
		return -EINVAL;
	if (flags & MPOL_F_MEMS_ALLOWED) {
		*nodes = nodes_with_memory();
		return flags & ~MPOL_F_MEMS_ALLOWED ? -EINVAL : 0;
	}
	if (addr && !(flags & MPOL_F_ADDR))
		return -EINVAL;
	pol = flags & MPOL_F_ADDR ? region_policy(mm, addr) : mpol_get(current_vm->mempolicy);
	if (IS_ERR(pol))
		return (int)PTR_ERR(pol);
	answer = flags & MPOL_F_NODE ? node_answer(mm, pol, addr, flags) : policy_as_number(pol);
	*nodes = policy_nodes(pol);
	*policy = answer;
	mpol_put(pol);
	return min(answer, 0);
}

/* ---- Regions --------------------------------------------------------------------------------- */

/* Is every page of [start, end) mapped? */
static bool is_covered(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma = find_vma(mm, start);

	mmap_assert_write_locked(mm);
	for (; vma && vma->vm_start <= start; vma = vma->vm_next) {
		start = vma->vm_end;
		if (start >= end)
			return true;
	}
	return false;
}

/* Give all VMAs of [start, end), which has no holes, the policy. 0, or -ENOMEM in the middle. */
static int apply_policy(struct mm_struct *mm, unsigned long start, unsigned long end,
			struct mempolicy *pol)
{
	struct vm_area_struct *vma = find_vma(mm, start);

	mmap_assert_write_locked(mm);
	while (start < end) {
		unsigned long stop = min(end, vma->vm_end);

		vma = vma_set_policy(vma, start, stop, pol);
		if (IS_ERR(vma))
			return (int)PTR_ERR(vma);
		start = stop;
		if (vma->vm_end <= start)
			vma = vma->vm_next;
	}
	return 0;
}

/*
 * mbind() with the lock held. MPOL_MF_STRICT without a request to move checks first, and then
 * changes nothing if a page lies on a wrong node; with it, pages that could not be moved are
 * reported at the end.
 */
static int mbind_locked(struct mm_struct *mm, unsigned long start, unsigned long end,
			struct mempolicy *pol, unsigned int flags)
{
	bool move = flags & (MPOL_MF_MOVE | MPOL_MF_MOVE_ALL),
	     strict = pol && flags & MPOL_MF_STRICT;
	long stay;
	int err;

	mmap_assert_write_locked(mm);
	VM_BUG_ON((start | end) & ~PAGE_MASK || start >= end);
	if (!is_covered(mm, start, end))
		return -EFAULT;
	if (strict && !move && migrate_range(mm, start, end, pol, false, false))
		return -EIO;
	err = apply_policy(mm, start, end, pol);
	if (err || !move)
		return err;
	stay = migrate_range(mm, start, end, pol, true, flags & MPOL_MF_MOVE_ALL);
	return stay && strict ? -EIO : 0;
}

/* mbind_locked() under mmap_lock. */
static int bind_range(struct mm_struct *mm, unsigned long start, unsigned long end,
		      struct mempolicy *pol, unsigned int flags)
{
	int err;

	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	err = mbind_locked(mm, start, end, pol, flags);
	up_write(&mm->mmap_lock);
	return err;
}

int do_mbind(struct mm_struct *mm, unsigned long start, unsigned long len,
	     const struct mpol_request *want, unsigned int flags, bool privileged)
{
	unsigned long end = start + PAGE_ALIGN(len);
	struct mempolicy *pol;
	int err;

	if (flags & ~(MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
		return -EINVAL;
	if ((flags & MPOL_MF_MOVE_ALL) && !privileged)
		return -EPERM;
	if (start & ~PAGE_MASK || end < start)
		return -EINVAL;
	if (start == end)
		return 0;
	pol = mpol_new(want);
	if (IS_ERR(pol))
		return (int)PTR_ERR(pol);
	err = bind_range(mm, start, end, pol, flags);
	mpol_put(pol);
	return err;
}

/* A copy of a policy, which never changes itself, with another home node. Or ERR_PTR(-ENOMEM). */
static struct mempolicy *with_home(const struct mempolicy *pol, int node)
{
	struct mempolicy *copy = kzalloc(sizeof(*copy), GFP_KERNEL);

	if (!copy)
		return ERR_PTR(-ENOMEM);
	*copy = *pol;
	atomic_set(&copy->count, 1);
	copy->home_node = node;
	build_policy_zonelist(copy);
	return copy;
}

/*
 * Set the home node for one VMA's part. *vma is set to the VMA that covers it afterwards. 0 or
 * -errno.
 */
static int set_home_of(struct vm_area_struct **vma, unsigned long start, unsigned long end,
		       int node)
{
	struct mempolicy *pol = (*vma)->vm_policy;

	mmap_assert_write_locked((*vma)->vm_mm);
	VM_BUG_ON(start < (*vma)->vm_start || end > (*vma)->vm_end);
	if (!pol)
		return 0;
	if (pol->mode != MPOL_BIND && pol->mode != MPOL_PREFERRED_MANY)
		return -EOPNOTSUPP;
	pol = with_home(pol, node);
	if (IS_ERR(pol))
		return (int)PTR_ERR(pol);
	*vma = vma_set_policy(*vma, start, end, pol);
	mpol_put(pol);
	return IS_ERR(*vma) ? (int)PTR_ERR(*vma) : 0;
}

int do_set_home_node(struct mm_struct *mm, unsigned long start, unsigned long end, int node)
{
	struct vm_area_struct *vma;
	int err = -ENOENT;

	if (down_write_killable(&mm->mmap_lock))
		return -EINTR;
	vma = find_vma(mm, start);
	while (vma && vma->vm_start < end) {
		unsigned long stop = min(end, vma->vm_end);

		err = set_home_of(&vma, max(start, vma->vm_start), stop, node);
		if (err)
			break;
		vma = vma->vm_end <= stop ? vma->vm_next : vma;
		if (stop == end)
			break;
	}
	up_write(&mm->mmap_lock);
	return err;
}
