/* SPDX-License-Identifier: MIT */
/*
 * mempolicy.h: from which nodes the pages of a region or of a task come (set_mempolicy(2),
 * mbind(2)).
 *
 * A policy never changes once it is made; who holds it counts. A region's own goes before
 * the faulting task's, and without either pages come from the running CPU's node.
 */
#pragma once

#include <pagoda/atomic.h>
#include <pagoda/mmzone.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vm_task.h>

PAGODA_C_BEGIN

struct vm_area_struct;
struct mm_struct;

/* A bit for each node. */
typedef unsigned int nodemask_t;
static_assert(MAX_NR_NODES <= 32, "nodemask_t is too small");

enum {
	MPOL_DEFAULT,
	MPOL_PREFERRED,
	MPOL_BIND,
	MPOL_INTERLEAVE,
	MPOL_LOCAL,
	MPOL_PREFERRED_MANY,
	MPOL_MAX
};

#define MPOL_F_STATIC_NODES   (1u << 15) /* nodes are meant as they are numbered */
#define MPOL_F_RELATIVE_NODES (1u << 14) /* ... as ordinals among those allowed */
#define MPOL_F_NUMA_BALANCING (1u << 13) /* accepted with MPOL_BIND; nothing is balanced */
#define MPOL_MODE_FLAGS	      (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | MPOL_F_NUMA_BALANCING)

/* get_mempolicy() */
#define MPOL_F_NODE	    1u
#define MPOL_F_ADDR	    2u
#define MPOL_F_MEMS_ALLOWED 4u

/* mbind() */
#define MPOL_MF_STRICT	 1u
#define MPOL_MF_MOVE	 2u
#define MPOL_MF_MOVE_ALL 4u

struct mempolicy {
	atomic_t count;
	unsigned int mode;     /* (C) MPOL_ */
	unsigned int flags;    /* (C) MPOL_F_ of the mode */
	nodemask_t nodes;      /* (C) those that exist; empty for MPOL_LOCAL */
	nodemask_t user_nodes; /* (C) as asked for */
	int home_node;	       /* (C) where MPOL_BIND and MPOL_PREFERRED_MANY begin; -1: nowhere */
	zonelist_t zonelist;   /* (C) of those two: where to look, in order */
};

static inline unsigned int nr_nodes_in(nodemask_t nodes)
{
	unsigned int nr = 0;

	for (; nodes; nodes &= nodes - 1)
		nr++;
	return nr;
}
/* Find the nodes that have memory. Context: any. Return: a bit for each. */
nodemask_t nodes_with_memory(void);
static inline bool node_isset(int nid, nodemask_t nodes)
{
	return nid >= 0 && nid < MAX_NR_NODES && nodes >> nid & 1;
}

/* What a program asks for. */
struct mpol_request {
	unsigned int mode; /* with MPOL_MODE_FLAGS */
	nodemask_t nodes;
	bool beyond; /* it also named nodes that cannot be */
};
/*
 * Make the policy that a program asks for. Context: may sleep. Refs: the caller owns one reference.
 * Return: the policy; NULL for MPOL_DEFAULT; ERR_PTR(-EINVAL or -ENOMEM).
 */
struct mempolicy *mpol_new(const struct mpol_request *want) __must_check;
static inline struct mempolicy *mpol_get(struct mempolicy *pol)
{
	if (pol)
		atomic_inc(&pol->count);
	return pol;
}
void mpol_put(struct mempolicy *pol); /* NULL allowed */
/* Do two policies (NULL: none) place every page alike? Context: any. Return: true if they do. */
bool mpol_equal(const struct mempolicy *a, const struct mempolicy *b);
/*
 * Print a policy (NULL: the default) into size bytes at buf, as /proc/PID/numa_maps names it.
 * Context: any. Return: nothing.
 */
void mpol_to_str(char *buf, size_t size, const struct mempolicy *pol);

/* ---- The current task's policy ------------------------------------------------------------- */

/*
 * Set the current task's policy (NULL: none). Context: process context. Refs: takes over the
 * caller's reference, drops that of the old one. Return: nothing.
 */
void do_set_mempolicy(struct mempolicy *pol);
/*
 * get_mempolicy(2): *policy is set to a mode or a node, *nodes to its nodes.
 * Context: may sleep. Locks: takes mmap_lock.
 * Return: 0, -EINVAL, -EFAULT (no such address, or its page cannot be had), -EINTR.
 */
int do_get_mempolicy(struct mm_struct *mm, int *policy, nodemask_t *nodes, unsigned long addr,
		     unsigned int flags);
/*
 * fork: the child starts with the parent's policy. Context: any. Refs: takes one for the child.
 * Return: nothing.
 */
void mpol_fork(struct vm_task *child, const struct vm_task *parent);
/* The task ends: drop its policy. Context: process context. Return: nothing. */
void mpol_exit(struct vm_task *task);

/* ---- Regions --------------------------------------------------------------------------------- */

/*
 * mbind(2) on mm: [start, start + len) in bytes; flags MPOL_MF_; privileged:
 * CAP_SYS_NICE.
 * Context: may sleep. Locks: takes mmap_lock for write. Refs: the caller has a user of mm.
 * Return: 0, -EINVAL, -EPERM, -EFAULT (not all mapped), -EIO (MPOL_MF_STRICT: pages that stay
 * elsewhere), -ENOMEM, -EINTR.
 */
int do_mbind(struct mm_struct *mm, unsigned long start, unsigned long len,
	     const struct mpol_request *want, unsigned int flags, bool privileged);
/*
 * set_mempolicy_home_node(2) for [start, end), after its arguments were checked.
 * Context: may sleep. Locks: takes mmap_lock for write.
 * Return: 0, -ENOENT, -EOPNOTSUPP, -ENOMEM, -EINTR.
 */
int do_set_home_node(struct mm_struct *mm, unsigned long start, unsigned long end, int node);

/* Some task or region has, or had, a policy, and there is more than one node. */
extern bool mempolicies_in_use;
struct page *alloc_page_policy(gfp_t gfp, const struct vm_area_struct *vma, unsigned long addr);
/*
 * A page for addr in vma, as policies have it. NULL: for a cache, and addr is the page's index in
 * its mapping.
 */
static inline struct page *alloc_page_vma(gfp_t gfp, const struct vm_area_struct *vma,
					  unsigned long addr)
{
	return likely(!mempolicies_in_use) ? alloc_page(gfp) : alloc_page_policy(gfp, vma, addr);
}

/* ---- Moving pages (migrate.c) ---------------------------------------------------------------- */

/*
 * Move the page at addr to node nid. all: the caller may move pages that others map, too; none is
 * moved, but the error is -EBUSY instead of -EACCES.
 * Context: may sleep. Locks: mmap_lock held for write.
 * Return: the node on which the page is afterwards; -ENOENT (no page), -EFAULT (no region), -EBUSY
 * (used by others, or not anonymous), -EACCES, -ENOMEM (the node is full).
 */
int migrate_user_page(struct mm_struct *mm, unsigned long addr, int nid, bool all);
/*
 * Find the node of the page at addr. Context: does not sleep. Locks: mmap_lock held.
 * Return: the node; -ENOENT (no page), -EFAULT (no region).
 */
int user_page_node(struct mm_struct *mm, unsigned long addr);
/*
 * migrate_pages(2): move every page on the n-th node of from to the n-th node of to.
 * Context: may sleep. Locks: takes mmap_lock for write. Return: how many could not be moved, or
 * -EINTR.
 */
long migrate_mm(struct mm_struct *mm, nodemask_t from, nodemask_t to, bool all);
/*
 * Find the pages in [start, end) that lie where pol does not allow it and, with move, move them.
 * all: as migrate_user_page().
 * Context: may sleep. Locks: mmap_lock held for write. Return: how many stay.
 */
long migrate_range(struct mm_struct *mm, unsigned long start, unsigned long end,
		   const struct mempolicy *pol, bool move, bool all);
/* Choose the node for the page at addr in vma, now, by pol. Context: any. Return: the node. */
int mpol_node(const struct mempolicy *pol, const struct vm_area_struct *vma, unsigned long addr);

PAGODA_C_END
