/* SPDX-License-Identifier: MIT */
/*
 * mm_types.h: address spaces and their regions (thesis chapter 9).
 *
 *	mm_struct  -> mmap: VMAs in address order (vm_next, vm_prev)
 *		   -> mm_rb: the same VMAs in a tree augmented with free gaps
 *		   -> pgd: the page tables, what has been done so far
 *
 * Letters: (M) mmap_lock, read to look, write to change; (P) page_table_lock;
 * (A) atomic; (C) constant.
 */
#pragma once

#include <pagoda/atomic.h>
#include <pagoda/spinlock.h>
#include <lib/list.h>
#include <lib/rbtree.h>
#include <asm/pgtable_types.h>

PAGODA_C_BEGIN

struct vm_file;
struct vm_area_struct;
struct anon_vma;
struct mempolicy;
struct vm_fault;
struct page;
struct vm_area_struct;

typedef unsigned int vm_fault_t; /* VM_FAULT_ bits, never an errno */

#define VM_FAULT_OOM	 0x0001u
#define VM_FAULT_SIGBUS	 0x0002u
#define VM_FAULT_MAJOR	 0x0004u
#define VM_FAULT_SIGSEGV 0x0040u
#define VM_FAULT_NOPAGE	 0x0100u /* the PTE was installed by the handler */
#define VM_FAULT_LOCKED	 0x0200u /* the page in vmf->page is locked */
#define VM_FAULT_RETRY \
	0x0400u /* mmap_lock was dropped: try again, if there is no error beside it */
#define VM_FAULT_ERROR (VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV)

/* The four results of 2.4 (CT-20): 1 minor, 2 major, 0 SIGBUS, -1 out of memory. */
static inline int vm_fault_result_24(vm_fault_t fault)
{
	if (fault & VM_FAULT_OOM)
		return -1;
	if (fault & VM_FAULT_ERROR)
		return 0;
	return fault & VM_FAULT_MAJOR ? 2 : 1;
}

#define FAULT_FLAG_WRITE       0x01u
#define FAULT_FLAG_ALLOW_RETRY 0x04u
#define FAULT_FLAG_TRIED       0x20u /* the second try: it must not ask for another one */
#define FAULT_FLAG_USER	       0x40u
#define FAULT_FLAG_REMOTE      0x80u
#define FAULT_FLAG_INSTRUCTION 0x100u
#define FAULT_FLAG_MAJOR       0x200u /* the first try read from a disk: the fault is a major one */

/* vm_area_struct.vm_flags */
#define VM_READ	       0x00000001ul
#define VM_WRITE       0x00000002ul
#define VM_EXEC	       0x00000004ul
#define VM_SHARED      0x00000008ul
#define VM_MAYREAD     0x00000010ul
#define VM_MAYWRITE    0x00000020ul
#define VM_MAYEXEC     0x00000040ul
#define VM_MAYSHARE    0x00000080ul
#define VM_GROWSDOWN   0x00000100ul
#define VM_GROWSUP     0x00000200ul
#define VM_SHM	       0x00000400ul
#define VM_DENYWRITE   0x00000800ul
#define VM_EXECUTABLE  0x00001000ul
#define VM_LOCKED      0x00002000ul
#define VM_IO	       0x00004000ul
#define VM_SEQ_READ    0x00008000ul
#define VM_RAND_READ   0x00010000ul
#define VM_DONTCOPY    0x00020000ul
#define VM_DONTEXPAND  0x00040000ul
#define VM_RESERVED    0x00080000ul
#define VM_LOCKONFAULT 0x00100000ul
#define VM_ACCOUNT     0x00200000ul
#define VM_NORESERVE   0x00400000ul
#define VM_WIPEONFORK  0x00800000ul
#define VM_DONTDUMP    0x01000000ul
#define VM_SOFTDIRTY \
	0x02000000ul /* new since clear_refs 4: every page counts as written; no bar to merging */
#define VM_STACK VM_GROWSDOWN

struct vm_operations_struct {
	void (*open)(struct vm_area_struct *vma);
	void (*close)(struct vm_area_struct *vma);
	/*
	 * Put the page for vmf->pgoff, with a reference, into vmf->page; VM_FAULT_ bits. May sleep.
	 */
	vm_fault_t (*nopage)(struct vm_fault *vmf);
	/*
	 * Pages of [first, first + nr) that need no work to be mapped, each locked and with a
	 * reference, by ascending index; returns how many. Does not sleep. NULL: no fault-around.
	 */
	unsigned int (*ready_pages)(struct vm_area_struct *vma, unsigned long first,
				    unsigned int nr, struct page **pages);
	/*
	 * vmf->page, locked, will be writable in a shared region: 0, VM_FAULT_NOPAGE (try again),
	 * VM_FAULT_RETRY (mmap_lock and the page lock were dropped to wait, with an error bit: in
	 * vain), or an error; else the page stays locked. NULL: nobody wants to know. May sleep.
	 */
	vm_fault_t (*page_mkwrite)(struct vm_fault *vmf);
	/* Name for /proc/PID/maps where there is no file, or NULL. */
	const char *(*name)(struct vm_area_struct *vma);
};

struct vm_area_struct {
	struct mm_struct *vm_mm;		  /* (C) */
	unsigned long vm_start, vm_end;		  /* (M) [start, end), page aligned */
	struct vm_area_struct *vm_next, *vm_prev; /* (M) address order */
	struct rb_node vm_rb;			  /* (M) */
	unsigned long rb_gap;	      /* (M) free bytes below this VMA, as the tree knows it */
	unsigned long rb_subtree_gap; /* (M) largest rb_gap of this subtree */
	pgprot_t vm_page_prot;
	unsigned long vm_flags;
	const struct vm_operations_struct *vm_ops;
	/* page offset in vm_file; anonymous: vm_start >> PAGE_SHIFT at creation */
	unsigned long vm_pgoff;
	struct vm_file *vm_file; /* holds a reference; NULL: anonymous */
	/* (A) swap read-ahead: the last miss and what came of it (swap_state.c) */
	unsigned long vm_raend;
	void *vm_private_data;
	/* (M) where its pages come from, with a reference; NULL: as the task's */
	struct mempolicy *vm_policy;
	struct rb_node shared;		 /* mapping->i_mmap or i_mmap_shared */
	unsigned long shared_last;	 /* last page of the file in this subtree */
	struct anon_vma *anon_vma;	 /* (M) or (P) to set; never reset while linked */
	struct list_head anon_vma_chain; /* anon_vma's list of VMAs */
	/* (M) from the parent by fork: new neighbours must not join (ABI.md 3) */
	bool anon_vma_inherited;
};

struct mm_struct {
	struct vm_area_struct *mmap;	   /* (M) first VMA */
	struct rb_root mm_rb;		   /* (M) */
	struct vm_area_struct *mmap_cache; /* last find_vma() result */
	pgd_t *pgd;
	atomic_t mm_users, mm_count;
	int map_count;
	struct rw_semaphore mmap_lock; /* the documents' mmap_sem */
	spinlock_t page_table_lock;
	struct list_head mmlist;
	unsigned long start_code, end_code, start_data, end_data;
	unsigned long start_brk, brk, start_stack;
	unsigned long arg_start, arg_end, env_start, env_end;
	unsigned long mmap_base; /* top of the mapping area */
	bool mmap_bottomup;	 /* legacy layout (RLIMIT_STACK unlimited) */
	atomic_long_t rss_anon, rss_file, rss_shmem, swap_usage;       /* pages */
	unsigned long hiwater_rss;				       /* (A) pages */
	unsigned long hiwater_vm;				       /* (M) pages */
	unsigned long total_vm, locked_vm, data_vm, exec_vm, stack_vm; /* (M) pages */
	atomic_long_t pgtables_bytes;
	unsigned long hiwater_pgtables_bytes; /* (A) */
	unsigned long def_flags;
	unsigned long cpu_vm_mask; /* (A) CPUs that may hold translations */
	/* under way: entries may be gone that some CPU still remembers (tlb.h) */
	atomic_t nr_gathers;
	unsigned long swap_address;
	int dumpable;
	unsigned int membarrier; /* (A) the kernel's: commands the process has registered for */
	struct vm_file *exe_file;
	void *context; /* the architecture's */
	/* (M) what context takes; read without lock by the OOM killer */
	unsigned long context_bytes;
	unsigned long saved_auxv[48];
};

/* A fault being served: what came in, what was found. */
struct vm_fault {
	/* in */
	struct vm_area_struct *vma;
	unsigned long address; /* page aligned */
	unsigned long pgoff;
	unsigned int flags; /* FAULT_FLAG_ */
	/* working */
	pmd_t *pmd;
	pte_t *pte;
	pte_t orig_pte;
	/* out */
	struct page *page;
};

/* Debug builds: the caller holds mmap_lock at all / for write. */
#define mmap_assert_locked(mm) lockdep_assert_held(&(mm)->mmap_lock)
#define mmap_assert_write_locked(mm)                 \
	VM_BUG_ON(!lock_is_held(&(mm)->mmap_lock) || \
		  !(READ_ONCE((mm)->mmap_lock.count) & RWSEM_WRITER))

extern struct mm_struct init_mm;

PAGODA_C_END
