/* SPDX-License-Identifier: MIT */
/*
 * vm_task.h: a task as the core sees it.
 *
 * The kernel embeds one in its task structure and answers port_current() with
 * it. Letters: (S) only the task itself, (A) atomic or single word, anybody reads,
 * (C) constant after creation.
 */
#pragma once

#include <pagoda/types.h>
#include <pagoda/atomic.h>
#include <lib/list.h>

struct mm_struct;
struct mempolicy;

/* Numbers of the limits the core consults; values as in Linux's RLIMIT_*. */
enum {
	RLIMIT_CPU,
	RLIMIT_FSIZE,
	RLIMIT_DATA,
	RLIMIT_STACK,
	RLIMIT_CORE,
	RLIMIT_RSS,
	RLIMIT_NPROC,
	RLIMIT_NOFILE,
	RLIMIT_MEMLOCK,
	RLIMIT_AS,
	RLIMIT_LOCKS,
	RLIMIT_SIGPENDING,
	RLIMIT_MSGQUEUE,
	RLIMIT_NICE,
	RLIMIT_RTPRIO,
	RLIMIT_RTTIME,
	RLIM_NLIMITS
};
#define RLIMIT_MLOCK  RLIMIT_MEMLOCK /* the thesis's name (CT-16) */
#define RLIM_INFINITY (~0ul)

struct rlimit {
	unsigned long rlim_cur, rlim_max;
};

/* vm_task.flags (thesis section 6.5). */
#define PF_MEMALLOC   0x1u /* may use the reserves to zero: it frees memory */
#define PF_MEMDIE     0x2u /* killed for memory: may use the reserves */
#define PF_FREE_PAGES 0x4u /* keeps the blocks it frees in local_pages */
#define PF_EXITING    0x8u
#define PF_KTHREAD    0x10u
#define PF_OOM_ORIGIN 0x20u /* is refused memory before anybody is killed for it */

/* A task may dirty so many pages of files before it is looked at whether too many are dirty. */
#define DIRTIED_BETWEEN_CHECKS 32u

struct vm_task {
	struct mm_struct *mm;		/* (S), task_mm_lock to write; NULL for kernel threads */
	struct mm_struct *active_mm;	/* (S) the tables this task runs on */
	unsigned int flags;		/* (A) PF_; others set PF_MEMALLOC, PF_MEMDIE in a victim */
	int pagefault_disabled;		/* (S) > 0: faults are not served */
	unsigned int plugged;		/* (S) blk_start_plug() calls not yet finished */
	unsigned long min_flt, maj_flt; /* (A) */
	unsigned int nr_dirtied;	/* (S) pages of files, since balance_dirty_pages looked */
	unsigned long stack_pointer_hint; /* unused by the core unless set */
	struct rlimit *rlim;		  /* (A) RLIM_NLIMITS entries, shared by a process */
	bool cap_ipc_lock;		  /* may lock memory without limit */
	bool cap_sys_rawio; /* may map below mmap_min_addr; spared by the OOM killer */
	bool cap_sys_admin; /* or root: spared by the OOM killer (OM-10) */
	int oom_score_adj;  /* (A) -1000 .. 1000 */
	int pid;	    /* (C) */
	char comm[16];
	struct list_head local_pages; /* (S) PF_FREE_PAGES: blocks kept for this task */
	unsigned int nr_local_pages;
	/* (S) Sleeping locks held, for the rank check of debug builds. */
	struct {
		const void *lock;
		int rank;
	} held_locks[8];
	unsigned int nr_held_locks;
	u64 start_time_ns; /* (C) */
	u64 cpu_time_ns;   /* (A) */
	/* (S) where its pages come from; NULL: from near (mempolicy.h) */
	struct mempolicy *mempolicy;
	unsigned int il_prev;		/* (S) node of its last interleaved page */
	struct mempolicy *fault_policy; /* (S) in a fault on shared memory: the mapping's */
	/* (S) with a reference, over the tries of a fault (fault_retry.c) */
	struct page *fault_page;
	/* (S) may hold translations whose accessed bits it has taken (rmap.c) */
	unsigned long young_cpus;
	unsigned int young_entries; /* (S) how many bits since these CPUs were flushed */
	/* (S) it goes on looking at pages: flush for many of them at once */
	bool young_batch;
};

PAGODA_C_BEGIN

/*
 * What the port has set wrongly in the struct of a task that runs, as text; NULL: nothing that can
 * be seen from here. For checks at boot and in tests (tier 3). Context: any.
 */
const char *vm_task_complaint(const struct vm_task *task);

PAGODA_C_END

#define current_vm port_current()
