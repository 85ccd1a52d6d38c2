/* SPDX-License-Identifier: MIT */
/*
 * oom.h: when memory is truly gone (thesis chapter 13; requirements OM, FX-23).
 *
 * The decisions are plain functions of what is passed in, so that they can be tested with a
 * clock of one's own; out_of_memory() feeds them.
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

struct vm_task;

#define OOM_FAILURES	  10		/* within OOM_WINDOW_NS, or it is not OOM */
#define OOM_WINDOW_NS	  5000000000ull /* also: longest pause within a run, and between kills */
#define OOM_MIN_RUN_NS	  1000000000ull /* I/O gets that long to finish */
#define OOM_SCORE_ADJ_MIN (-1000)	/* never killed */
#define OOM_SCORE_ADJ_MAX 1000

/* Failures of the present run, and the last kill. All zero: none yet. */
struct oom_history {
	u64 failed_at[OOM_FAILURES]; /* a ring: the newest at (nr - 1) % OOM_FAILURES */
	unsigned long nr;	     /* failures of this run */
	u64 run_start, last_kill;
	bool killed;
};

/*
 * Reclaim has failed at time now_ns, with so many swap slots free: kill? (OM-02 to OM-06,
 * CT-26) True: the history notes the kill and begins a new run.
 */
bool oom_should_kill(struct oom_history *history, u64 now_ns, long free_swap_pages);

/* floor(sqrt(n)), but at least 1. (OM-09) */
unsigned long int_sqrt(unsigned long n);

/* What badness() looks at. */
struct oom_candidate {
	unsigned long pages; /* resident and swapped ones and tables; reclaim=classic: total_vm */
	u64 cpu_time_s;
	u64 cpu_time_min; /* the documents' second time; see CT-27 */
	bool sys_admin, sys_rawio;
	int oom_score_adj;
};
/*
 * The worse, the likelier killed; 0: never. total_pages: RAM and swap, for oom_score_adj. (OM-08 to
 * OM-11)
 */
unsigned long badness(const struct oom_candidate *candidate, unsigned long total_pages);
/*
 * Optional; may be NULL. Pages of the kernel's memory that belong to no address space, and that the
 * end of this task's process would give back: what it has in pipes, sockets and the like.
 * Interrupts off, the task and its mm stay; must not sleep or take a lock that an allocation may be
 * made under. The kernel sets it at boot.
 */
extern unsigned long (*oom_kernel_pages)(struct vm_task *task);
/*
 * The pages that the end of the task's process would give back, as oom_task_score() counts them; 0:
 * it is not to be killed. *total: all pages of RAM and swap. Locks: what oom_kernel_pages() wants.
 */
unsigned long oom_task_pages(struct vm_task *task, unsigned long *total);
/*
 * The same of a task now; 0 also for those that must not be killed (OM-07). The task stays there
 * meanwhile.
 */
unsigned long oom_task_score(struct vm_task *task);

/* ---- The killer (mm/reclaim/oom_kill.c) ---------------------------------------------------- */

/* Boot, once options are known. */
void oom_init(void);
/*
 * The OOM killer: reclaim has freed nothing for an allocation of 2^order pages.
 * (mm/reclaim/oom_kill.c)
 * Context: may sleep. Locks: none that an exiting process needs.
 * Return: true: try again, as a process was killed, progress was made, or it is too early to tell
 * (it has waited a little); false: no process can be killed.
 */
bool out_of_memory(gfp_t gfp_mask, unsigned int order);

PAGODA_C_END
