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
/* The nodes that have memory. */
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
/* That policy; MPOL_DEFAULT: NULL. ERR_PTR(-EINVAL, -ENOMEM). May sleep. */
struct mempolicy *mpol_new(const struct mpol_request *want) __must_check;
static inline struct mempolicy *mpol_get(struct mempolicy *pol)
{
	if (pol)
		atomic_inc(&pol->count);
	return pol;
}
void mpol_put(struct mempolicy *pol); /* NULL allowed */
bool mpol_equal(const struct mempolicy *a, const struct mempolicy *b);
/* As /proc/PID/numa_maps names it. */
void mpol_to_str(char *buf, size_t size, const struct mempolicy *pol);

/* ---- The current task's policy ------------------------------------------------------------- */

/* Takes the reference over. */
void do_set_mempolicy(struct mempolicy *pol);
/*
 * get_mempolicy(2): *policy is a mode or a node, *nodes its nodes. -EINVAL, -EFAULT (no such
 * address, or its page cannot be had). Takes mmap_lock. May sleep.
 */
int do_get_mempolicy(int *policy, nodemask_t *nodes, unsigned long addr, unsigned int flags);
/* fork: the child begins with the parent's. / The task ends. */
void mpol_fork(struct vm_task *child, const struct vm_task *parent);
void mpol_exit(struct vm_task *task);

/* ---- Regions --------------------------------------------------------------------------------- */

/*
 * mbind(2) on the current mm. privileged: CAP_SYS_NICE. -EINVAL, -EPERM, -EFAULT (not all
 * mapped), -EIO (MPOL_MF_STRICT: pages that stay elsewhere), -ENOMEM, -EINTR (a fatal signal).
 */
int do_mbind(unsigned long start, unsigned long len, const struct mpol_request *want,
	     unsigned int flags, bool privileged);
/*
 * set_mempolicy_home_node(2), after its arguments were checked. -ENOENT, -EOPNOTSUPP, -ENOMEM,
 * -EINTR.
 */
int do_set_home_node(unsigned long start, unsigned long end, int node);

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
 * The page at addr to node nid. mmap_lock held for write. The node it is on then; -ENOENT: no page;
 * -EFAULT: no region; -EBUSY: in use by others than this address space, or no anonymous page;
 * -ENOMEM: the node is full. all: also what others map (none is moved, but -EBUSY instead of
 * -EACCES). May sleep.
 */
int migrate_user_page(struct mm_struct *mm, unsigned long addr, int nid, bool all);
/* The node of the page at addr: -ENOENT, -EFAULT as above. mmap_lock held. */
int user_page_node(struct mm_struct *mm, unsigned long addr);
/*
 * migrate_pages(2): every page on a node of from to that of to in its place; how many could not, or
 * -EINTR. Takes mmap_lock.
 */
long migrate_mm(struct mm_struct *mm, nodemask_t from, nodemask_t to, bool all);
/*
 * Pages in [start, end) that lie where pol does not allow: with move, they go where it says (all:
 * also those that others map). How many stay. Locks: mmap_lock for write. May sleep.
 */
long migrate_range(struct mm_struct *mm, unsigned long start, unsigned long end,
		   const struct mempolicy *pol, bool move, bool all);
/* The node that pol wants for addr in vma, now. */
int mpol_node(const struct mempolicy *pol, const struct vm_area_struct *vma, unsigned long addr);

PAGODA_C_END
