/* SPDX-License-Identifier: MIT */
/*
 * hosted_internal.h: what the files of machine/hosted share.
 *
 * Letters: (H) only the thread that holds the CPU or is the task; (L) sched_lock, see
 * sched.c; (C) constant after boot.
 */
#pragma once

#include <machine/hosted.h>

#include <pthread.h>

/* ---- mmu.c: translations and the software TLB ------------------------------------ */

enum mmu_access { MMU_READ, MMU_WRITE, MMU_EXEC };

/*
 * A cached translation of one 4 KiB page, or of one last-level table (the paging-structure cache).
 */
struct tlb_entry {
	unsigned long tag; /* page or table number + 1; 0: empty */
	phys_addr_t pa;
	bool write, user, exec, dirty, global, large;
	bool counted; /* the frame had a count when this was cached */
};

/* A hash of entries. (H) */
struct tlb {
	struct tlb_entry *slot;
	size_t size, used;
	bool has_large; /* there may be entries of large pages */
	size_t limit;	/* 0: grows */
};

struct mmu {
	phys_addr_t root;
	u64 pdpte[4]; /* PAE: the top table's entries, as they were when the root was loaded */
	struct tlb pages, tables;
};

/* Walk from another root, and read what a CPU keeps of it in registers; the TLB stays as it is. */
void mmu_load_root(struct mmu *mmu, phys_addr_t root);

/*
 * Translate addr for one access by the current CPU. 0 and *pa, or -1 and *error_code,
 * in which case the CPU has also dropped what it knew of the page. user: from user mode.
 */
int mmu_translate(unsigned long addr, enum mmu_access access, bool user, phys_addr_t *pa,
		  unsigned long *error_code);
/* Walk for a kernel address on behalf of the kernel window, setting accessed and dirty bits. */
bool mmu_walk_kernel(phys_addr_t root, unsigned long mmu_addr, bool write, struct tlb_entry *found);
/* Is the frame RAM, with a page count above 0? */
bool mmu_frame_in_use(phys_addr_t pa);
void mmu_init(struct mmu *mmu, size_t limit);

/* ---- sched.c: CPUs and tasks ---------------------------------------------------------- */

struct ipi_call {
	void (*fn)(void *arg);
	void *arg;
	unsigned int left; /* CPUs that have not finished */
};

struct hosted_cpu {
	struct hosted_cpu_front front;
	struct hosted_task *owner;     /* (L) NULL: idle */
	bool borrowed;		       /* (L) another CPU's holder runs an IPI here */
	struct vm_task idle;	       /* (H) the kernel thread of this CPU's idle time */
	struct ipi_call *ipi[NR_CPUS]; /* by sender; set under (L) before its bit in ipi_pending */
	struct mmu mmu;		       /* (H) */
	int nid;		       /* (C) */
};

enum task_state { TASK_RUNNING, TASK_READY, TASK_PARKED, TASK_OUTSIDE, TASK_DEAD };

#define TASK_MAX_SIGNALS 16

struct hosted_task {
	struct vm_task vm;
	enum task_state state;	    /* (L) */
	bool token;		    /* (L) see port_park() */
	bool patient;		    /* (L) see hosted_let_others_run() */
	bool from_idle;		    /* (L) this CPU was idle: the task switches tables itself */
	u64 deadline;		    /* (L) when parked */
	struct hosted_cpu *cpu;	    /* (L) while running */
	unsigned long allowed;	    /* (C) CPUs */
	struct hosted_task *awaits; /* (L) the task whose end it waits for */
	pthread_cond_t wake;
	struct list_head all;	 /* (L) */
	struct list_head ready;	 /* (L) */
	void (*fn)(void *arg);	 /* (C) */
	void *arg;		 /* (C) */
	bool is_user;		 /* (C) not a kernel thread, nor the boot task */
	unsigned long user_sp;	 /* (H) */
	unsigned long traps;	 /* (H) page faults in user mode */
	unsigned int user_ticks; /* (H) user accesses since it got its CPU */
	struct hosted_signal signals[TASK_MAX_SIGNALS]; /* (L) oldest first */
	unsigned int nr_signals;			/* (L) */
	unsigned long signals_posted; /* (L) sent to it, even if the queue was full */
	bool killed;		      /* (L) SIGKILL is among them */
	struct rlimit rlim[RLIM_NLIMITS];
};

extern struct hosted_cpu hosted_cpus[NR_CPUS];
extern pthread_mutex_t sched_lock;
extern struct list_head hosted_tasks; /* (L) */

static inline struct hosted_cpu *this_cpu(void)
{
	return container_of(hosted_this_cpu, struct hosted_cpu, front);
}

/* A task that has not started; cpu as in hosted_spawn(). */
struct hosted_task *task_create(const char *name, int cpu, void (*fn)(void *arg), void *arg);

void sched_init(const struct hosted_config *config);
void sched_start_cpus(const struct hosted_config *config, phys_addr_t root);
void sched_add(struct hosted_task *task); /* becomes READY */
void sched_run(struct hosted_task *task); /* a new thread becomes task; returns when it has a CPU */
void sched_end(void);			  /* the calling task's end: it has no CPU after this */
/* In a forked copy of the process: the calling task is the only one left. */
void sched_after_fork(void);
/* A task in user mode comes by here at each access. */
void user_tick(void);
/* Run fn(arg) as if on an idle CPU, interrupts off there. */
void run_on_idle_cpu(struct hosted_cpu *cpu, void (*fn)(void *arg), void *arg);

/* ---- ram.c -------------------------------------------------------------------------------- */

void ram_init(const struct hosted_config *config);
/* Map RAM at [pa, pa + n) to a fixed host address; prot as mmap's. Async-signal-safe. */
void ram_map(unsigned long at, phys_addr_t pa, size_t n, int prot);
/* Make [at, at + n) inaccessible. Async-signal-safe. */
void ram_unmap(unsigned long at, size_t n);
bool ram_is_valid(phys_addr_t pa);

/* ---- window.c ----------------------------------------------------------------------------- */

void window_init(void);
void window_flush_page(unsigned long host_addr);
void window_flush(bool global_too);
void window_remap(void); /* after RAM was replaced: show the same frames, stale ones too */

/* ---- port.c --------------------------------------------------------------------------------- */

void port_init(const struct hosted_config *config);
void log_after_fork(void);
extern u64 hosted_virtual_ns; /* (L) deterministic mode's clock */
u64 host_clock_ns(void);      /* the host's monotonic clock since boot */
