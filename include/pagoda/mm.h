/* SPDX-License-Identifier: MIT */
/*
 * mm.h: address spaces: creating, changing, faulting and tearing them down.
 *
 * Calls named do_* serve the system call of that name and return its result, a
 * negative errno on failure, with nothing changed unless said otherwise. They
 * take mmap_lock themselves and may sleep. All work on current_vm->mm.
 */
#pragma once

#include <pagoda/mm_types.h>
#include <pagoda/vm_task.h>

PAGODA_C_BEGIN

/* Linux's mmap constants (x86). */
#define PROT_READ	    0x1
#define PROT_WRITE	    0x2
#define PROT_EXEC	    0x4
#define PROT_SEM	    0x8
#define PROT_NONE	    0x0
#define PROT_GROWSDOWN	    0x01000000
#define PROT_GROWSUP	    0x02000000
#define MAP_SHARED	    0x01
#define MAP_PRIVATE	    0x02
#define MAP_SHARED_VALIDATE 0x03
#define MAP_TYPE	    0x0f
#define MAP_FIXED	    0x10
#define MAP_ANONYMOUS	    0x20
#define MAP_32BIT	    0x40
#define MAP_GROWSDOWN	    0x0100
#define MAP_DENYWRITE	    0x0800
#define MAP_EXECUTABLE	    0x1000
#define MAP_LOCKED	    0x2000
#define MAP_NORESERVE	    0x4000
#define MAP_POPULATE	    0x8000
#define MAP_NONBLOCK	    0x10000
#define MAP_STACK	    0x20000
#define MAP_HUGETLB	    0x40000
#define MAP_SYNC	    0x80000
#define MAP_FIXED_NOREPLACE 0x100000
/*
 * With MAP_HUGETLB (and in shmget's and memfd_create's flags): the logarithm of the page size, 0
 * the default.
 */
#define HUGE_SIZE_SHIFT	      26
#define HUGE_SIZE_MASK	      0x3ful
#define HUGE_SIZE_DEFAULT_LOG 21
#define MREMAP_MAYMOVE	      1
#define MREMAP_FIXED	      2
#define MREMAP_DONTUNMAP      4

/*
 * Size in bytes of the huge pages that flags ask for; 0: the CPU has no pages of that size. There
 * is no pool of any.
 */
static inline unsigned long huge_page_bytes(unsigned long flags)
{
	unsigned long log = flags >> HUGE_SIZE_SHIFT & HUGE_SIZE_MASK;

	if (!log)
		log = HUGE_SIZE_DEFAULT_LOG;
	return log == 21 || (log == 30 && sizeof(long) == 8) ? 1ul << log : 0;
}

/* ---- Lifetime (Table 9.2) --------------------------------------------------------- */
/* Caches of mm_structs and VMAs, the zero page. Boot, after slab. */
void mm_structs_init(void);
/* Address spaces that exist, init_mm not counted. */
unsigned long nr_mms(void);
/* A new empty address space: mm_users 1, mm_count 1. NULL if no memory. */
struct mm_struct *mm_alloc(void) __must_check;
/* fork: a copy of current_vm->mm with copy-on-write. NULL if no memory, nothing changed. (AS-44) */
struct mm_struct *dup_mm(struct mm_struct *oldmm) __must_check;
void mmget(struct mm_struct *mm);
/* Drop a user; the last one unmaps everything (exit_mmap) and drops a count. May sleep. */
void mmput(struct mm_struct *mm);
/* Drop a count; the last one frees the page tables' root and the struct. */
void mmdrop(struct mm_struct *mm);
void exit_mmap(struct mm_struct *mm);

/*
 * Context switch (section CS). Interrupts off. next NULL: a kernel thread, prev's tables are
 * borrowed.
 */
void switch_mm(struct mm_struct *prev, struct mm_struct *next);
/* exec: install mm as the current task's and load it; the old one is put. May sleep. */
void activate_mm(struct mm_struct *mm);
/* exit: give up current_vm->mm; the task runs on as a kernel thread does. May sleep. */
void exit_mm(void);
/*
 * The whole address-space part of a context switch between tasks (CS-02 to CS-05):
 * loads next's tables, or lets next borrow prev's. Returns the mm to mmdrop() after the
 * switch, or NULL. Interrupts off.
 */
struct mm_struct *context_switch_mm(struct vm_task *prev, struct vm_task *next);

/* ---- Regions ------------------------------------------------------------------------ */
/* First VMA with vm_end > addr, or NULL. mmap_lock held. (AS-32, CT-12) */
struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr);
struct vm_area_struct *find_vma_prev(struct mm_struct *mm, unsigned long addr,
				     struct vm_area_struct **pprev);
struct vm_area_struct *find_vma_intersection(struct mm_struct *mm, unsigned long start,
					     unsigned long end);
unsigned long get_unmapped_area(struct vm_file *file, unsigned long addr, unsigned long len,
				unsigned long pgoff, unsigned long flags);
/* Grow a stack down to cover addr (page rounded); -ENOMEM if limits or the guard gap forbid. */
int expand_stack(struct vm_area_struct *vma, unsigned long addr) __must_check;

#define MAX_MAP_COUNT sysctl_max_map_count
extern int sysctl_max_map_count;     /* 65530 */
extern int sysctl_overcommit_memory; /* 0 heuristic, 1 always, 2 strict */
extern int sysctl_overcommit_ratio;  /* percent of RAM, for 2 */
/* Pages promised to private writable mappings (Committed_AS), and the limit of mode 2. */
extern atomic_long_t vm_committed_as;
unsigned long vm_commit_limit(void);

#define STACK_GUARD_GAP (256 * SZ_4K)
#define MMAP_MIN_ADDR	SZ_64K

/* ---- System calls -------------------------------------------------------------------- */
/* offset in bytes; file NULL with MAP_ANONYMOUS, else the caller's reference is only borrowed. */
unsigned long do_mmap(struct vm_file *file, unsigned long addr, unsigned long len,
		      unsigned long prot, unsigned long flags, unsigned long offset) __must_check;
int do_munmap(unsigned long addr, size_t len) __must_check;
int do_mprotect(unsigned long start, size_t len, unsigned long prot) __must_check;
unsigned long do_mremap(unsigned long addr, unsigned long old_len, unsigned long new_len,
			unsigned long flags, unsigned long new_addr) __must_check;
/* The new break, or the old one if it could not be moved. 0 asks. */
unsigned long do_brk(unsigned long brk);
int do_madvise(unsigned long start, size_t len, int behavior) __must_check;
/*
 * do_madvise() on mm, of which the caller holds mm_users: MADV_WILLNEED, COLD and PAGEOUT only. 0
 * or -errno. May sleep.
 */
int madvise_mm(struct mm_struct *mm, unsigned long start, size_t len, int behavior) __must_check;
int do_mlock(unsigned long start, size_t len, unsigned int flags) __must_check;
/*
 * Show other pages of the file in [start, start + size) of a shared mapping. flags: MAP_NONBLOCK.
 */
int do_remap_file_pages(unsigned long start, unsigned long size, unsigned long pgoff,
			unsigned long flags) __must_check;
int do_munlock(unsigned long start, size_t len) __must_check;
int do_mlockall(int flags) __must_check;
int do_munlockall(void) __must_check;
int do_msync(unsigned long start, size_t len, int flags) __must_check;
int do_mincore(unsigned long start, size_t len, unsigned long vec) __must_check;

/*
 * For exec, on a new mm that is already current (activate_mm): a stack VMA that
 * ends at top; the heap's start.
 */
int setup_stack_vma(struct mm_struct *mm, unsigned long top, unsigned long size,
		    unsigned long vm_flags) __must_check;
/* An anonymous private region [addr, addr + len) replacing what was there (bss). */
int vm_brk_range(unsigned long addr, unsigned long len, unsigned long vm_flags) __must_check;
void set_brk_start(struct mm_struct *mm, unsigned long start);
/* Choose mmap_base from the stack limit and layout. */
void arch_pick_mmap_layout(struct mm_struct *mm, unsigned long stack_rlimit);

/* ---- Faults ---------------------------------------------------------------------------- */
/*
 * A read fault on a file page also maps those of its neighbours that lie ready in the page
 * cache: of the aligned window of this many bytes around it, a power of two from PAGE_SIZE
 * (none) to FAULT_AROUND_MAX. Boot option fault_around=BYTES.
 */
#define FAULT_AROUND_MAX SZ_64K
extern unsigned long fault_around_bytes;

/*
 * Serve a fault in vma at address (FAULT_FLAG_ bits). mmap_lock held for read. May sleep.
 * With FAULT_FLAG_ALLOW_RETRY the result may have VM_FAULT_RETRY: mmap_lock was dropped, and vma
 * must not be used any more. If it has no VM_FAULT_ERROR bit, and no fatal signal is pending, the
 * caller takes the lock, finds the region again, and calls once more with fault_retry_flags(). Last
 * it calls fault_retry_end().
 */
vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long address, unsigned int flags);
/*
 * The FAULT_FLAG_ bits for the second try; flags and fault are those of the first, which had
 * VM_FAULT_RETRY.
 */
unsigned int fault_retry_flags(unsigned int flags, vm_fault_t fault);
/*
 * After a write fault of user mode, when current_vm->nr_dirtied has reached DIRTIED_BETWEEN_CHECKS:
 * the task waits here while too many pages are dirty. No locks held. May sleep.
 */
void fault_throttle_writer(void);
/* Drop the reference to the page that was kept between the tries of a fault, if there is one. */
void fault_retry_end(void);
/* The entry from the trap (arch/x86). error_code as the CPU gives it. */
void do_page_fault(struct pt_regs *regs, unsigned long error_code, unsigned long address);
/*
 * The page mapped at addr, without a reference; NULL if none, or write and not both writable and
 * dirty (PT-13). mmap_lock held.
 */
struct page *follow_page(struct mm_struct *mm, unsigned long addr, bool write);
enum populate_mode {
	POPULATE_RANGE, /* mlock, MAP_POPULATE: private writable pages are had for writing */
	/* the same for locked regions only; no region's error stops the others */
	POPULATE_LOCKED,
	POPULATE_FOR_READ,  /* MADV_POPULATE_READ */
	POPULATE_FOR_WRITE, /* MADV_POPULATE_WRITE */
};
/*
 * Fault in every page of [start, end). 0, or what ended it: -EFAULT (no rights, SIGBUS), -EINVAL
 * (advice for a region that it does not suit), -ENOMEM (no memory; advice for a range with holes,
 * after the rest was done), -EINTR (a fatal signal); what came before stays. Locks: takes
 * mmap_lock, and lets go of it between batches. May sleep.
 */
long mm_populate(struct mm_struct *mm, unsigned long start, unsigned long end,
		 enum populate_mode mode);
/*
 * The page behind addr in any mm, with a reference, faulted in as needed (force: even
 * where protection forbids, breaking COW). For /proc/PID/mem and process_vm_*.
 * NULL if there is none. mmap_lock taken here. May sleep.
 */
struct page *get_user_page(struct mm_struct *mm, unsigned long addr, bool write, bool force);
/*
 * Up to nr pages from addr on, for a device to read, or with write to fill: these stay what the
 * address space has there, unless it unmaps them (gup.c). How many there are: a page that has too
 * many pins ends it, as a bad address and a fatal signal do. Takes mmap_lock, not held on return.
 * May sleep.
 */
unsigned int pin_user_pages(struct mm_struct *mm, unsigned long addr, unsigned int nr, bool write,
			    struct page **pages);
/* Let go of one of them; write as it was then: it is dirty, with all its buffers. May sleep. */
void unpin_user_page(struct page *page, bool write);
/* Copy to or from another address space; returns bytes done. May sleep. */
size_t access_process_vm(struct mm_struct *mm, unsigned long addr, void *buf, size_t len,
			 bool write, bool force);

/*
 * From a nopage operation: the faulting page shows frame pfn, which is no memory of ours and is
 * never counted, swapped, dumped (AS-26). The file's mmap operation has set VM_PFNMAP_FLAGS.
 */
#define VM_PFNMAP_FLAGS (VM_IO | VM_RESERVED | VM_DONTEXPAND | VM_DONTDUMP)
vm_fault_t vmf_insert_pfn(struct vm_fault *vmf, unsigned long pfn);

/* ---- Unmapping, for truncation -------------------------------------------------------- */
struct address_space;
/*
 * Remove every PTE of the mapping's pages in [start, end) pages, COW copies too (end 0: to the
 * end).
 */
void unmap_mapping_range(struct address_space *mapping, pgoff_t start, pgoff_t end, bool even_cows);

/*
 * What to forget: use of all pages, of those without or with a file; stores; the largest rss.
 * (clear_refs)
 */
enum clear_refs_kind {
	CLEAR_REFS_ALL = 1,
	CLEAR_REFS_ANON,
	CLEAR_REFS_MAPPED,
	CLEAR_REFS_SOFT_DIRTY,
	CLEAR_REFS_HIWATER
};
/* 0, or -EINTR (a fatal signal): nothing changed. Takes mmap_lock. May sleep. */
int clear_refs(struct mm_struct *mm, enum clear_refs_kind kind) __must_check;

/* ---- Counting for /proc ------------------------------------------------------------------ */
static inline unsigned long get_mm_rss(struct mm_struct *mm)
{
	return (unsigned long)(atomic_long_read(&mm->rss_anon) + atomic_long_read(&mm->rss_file) +
			       atomic_long_read(&mm->rss_shmem));
}
static inline unsigned long get_mm_hiwater_rss(struct mm_struct *mm)
{
	return max(READ_ONCE(mm->hiwater_rss), get_mm_rss(mm));
}
/*
 * List, tree, gaps, counts, totals and page tables of mm agree. mmap_lock held, nobody faulting.
 * Panics if not.
 */
void validate_mm(struct mm_struct *mm);

PAGODA_C_END
