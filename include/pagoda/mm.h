/* SPDX-License-Identifier: MIT */
/*
 * mm.h: address spaces: creating, changing, faulting and tearing them down.
 *
 * Calls named do_* serve the system call of that name on an address space and return its result, a
 * negative errno on failure, with nothing changed unless said otherwise. mm need not be the current
 * task's; the caller holds a user of it (mm_users). Limits (RLIMIT_), capabilities and addresses of
 * results (do_mincore) are always the current task's. They take mmap_lock themselves and may sleep.
 */
#pragma once

#include <pagoda/abi/mman.h>
#include <pagoda/mm_types.h>
#include <pagoda/vm_task.h>

PAGODA_C_BEGIN

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
/*
 * Create the caches of mm_structs and VMAs, and allocate the zero page.
 * Context: once, at boot, after the slab allocator. Return: nothing; panics without memory.
 */
void mm_structs_init(void);
/*
 * Count the address spaces that exist, without init_mm.
 * Context: any but interrupt handlers. Return: their number.
 */
unsigned long nr_mms(void);
/*
 * Make an empty address space.
 * Context: may sleep. Refs: the caller owns the one user (mm_users 1, mm_count 1).
 * Return: the mm, or NULL without memory.
 */
struct mm_struct *mm_alloc(void) __must_check;
/*
 * fork: copy an address space, with copy-on-write. (AS-44)
 * Context: may sleep. Locks: takes oldmm's mmap_lock for write; oldmm must have a user.
 * Refs: the caller owns the one user of the copy.
 * Return: the copy, or NULL without memory or if a fatal signal is pending.
 */
struct mm_struct *dup_mm(struct mm_struct *oldmm) __must_check;
/*
 * Add a user, which keeps the regions and pages.
 * Context: any. Refs: the caller has a user already. Return: nothing.
 */
void mmget(struct mm_struct *mm);
/*
 * Drop a user; the last one unmaps everything (exit_mmap) and drops a count.
 * Context: may sleep; no spinlocks, no mmap_lock. Return: nothing.
 */
void mmput(struct mm_struct *mm);
/*
 * Drop a count; the last one frees the top page table and the mm_struct.
 * Context: process context, does not sleep. Return: nothing.
 */
void mmdrop(struct mm_struct *mm);
/*
 * Remove all regions with their pages and tables.
 * Context: may sleep. Locks: takes mmap_lock for write. Assumes: the last user has gone.
 * Return: nothing.
 */
void exit_mmap(struct mm_struct *mm);

/*
 * Load the page tables of next on this CPU (section CS).
 * Context: interrupts off. Refs: next has a count or a user for as long as it is loaded.
 * Return: nothing.
 */
void switch_mm(struct mm_struct *prev, struct mm_struct *next);
/*
 * exec: make mm the current task's address space and load it; the old one is put.
 * Context: may sleep. Refs: takes over the caller's user of mm. Return: nothing.
 */
void activate_mm(struct mm_struct *mm);
/*
 * exit: give up the current task's address space; the task goes on as a kernel thread.
 * Context: may sleep; interrupts on. Refs: drops the task's user. Return: nothing.
 */
void exit_mm(void);
/*
 * The address-space part of a context switch between tasks (CS-02 to CS-05): load next's tables, or
 * let next borrow prev's.
 * Context: interrupts off. Refs: a borrower holds a count.
 * Return: the mm to mmdrop() after the switch, or NULL.
 */
struct mm_struct *context_switch_mm(struct vm_task *prev, struct vm_task *next);

/* ---- Regions ------------------------------------------------------------------------ */
/*
 * Find the first region that ends above addr; it need not contain addr. (AS-32, CT-12)
 * Context: any but interrupt handlers. Locks: mmap_lock held.
 * Return: the region, which stays as long as the lock is held; NULL: there is none.
 */
struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr);
/*
 * The same, and the region before it in *pprev (NULL: none). Context, Locks, Return: as find_vma().
 */
struct vm_area_struct *find_vma_prev(struct mm_struct *mm, unsigned long addr,
				     struct vm_area_struct **pprev);
/*
 * Find the first region that overlaps [start, end), start below end.
 * Context: any but interrupt handlers. Locks: mmap_lock held. Return: the region, or NULL.
 */
struct vm_area_struct *find_vma_intersection(struct mm_struct *mm, unsigned long start,
					     unsigned long end);
/*
 * Choose an address for a new region of len bytes (page aligned) in mm.
 * file, pgoff (pages) and flags (MAP_) are those of the request; addr is a hint, or with MAP_FIXED
 * the address.
 * Context: may sleep. Locks: mmap_lock held for write.
 * Return: the address, or -ENOMEM, -EINVAL, -EPERM (below MMAP_MIN_ADDR), or the file's error.
 */
unsigned long get_unmapped_area(struct mm_struct *mm, struct vm_file *file, unsigned long addr,
				unsigned long len, unsigned long pgoff, unsigned long flags);
/*
 * Grow a stack down so that it covers addr (rounded down to a page).
 * Context: may sleep. Locks: mmap_lock held for write.
 * Return: 0, or -ENOMEM if the limits, the guard gap or another region forbid it; nothing changed.
 */
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
/*
 * mmap(2): addr, len and offset are in bytes; prot and flags are PROT_ and MAP_ bits.
 * Context: may sleep. Locks: takes mmap_lock for write.
 * Refs: the region takes a reference to file; the caller keeps its own. NULL with MAP_ANONYMOUS.
 * Return: the address, or a negative errno with nothing changed.
 */
unsigned long do_mmap(struct mm_struct *mm, struct vm_file *file, unsigned long addr,
		      unsigned long len, unsigned long prot, unsigned long flags,
		      unsigned long offset) __must_check;
/*
 * munmap(2): unmap [addr, addr + len), in bytes; holes are allowed.
 * Context: may sleep. Locks: takes mmap_lock for write.
 * Return: 0, -EINVAL, -ENOMEM (a split needs a VMA) or -EINTR, with nothing changed.
 */
long do_munmap(struct mm_struct *mm, unsigned long addr, size_t len) __must_check;
/*
 * mprotect(2): give [start, start + len), in bytes, the rights prot (PROT_).
 * Context: may sleep. Locks: takes mmap_lock for write.
 * Return: 0, or -EINVAL, -EACCES, -ENOMEM, -EINTR; the part before the error stays changed.
 */
long do_mprotect(struct mm_struct *mm, unsigned long start, size_t len,
		 unsigned long prot) __must_check;
/*
 * mremap(2): resize or move a region; addresses and lengths in bytes, flags MREMAP_.
 * Context: may sleep. Locks: takes mmap_lock for write.
 * Return: the new address, or a negative errno with nothing changed.
 */
unsigned long do_mremap(struct mm_struct *mm, unsigned long addr, unsigned long old_len,
			unsigned long new_len, unsigned long flags,
			unsigned long new_addr) __must_check;
/*
 * brk(2): move the end of the heap to the address brk; 0 asks for it.
 * Context: may sleep. Locks: takes mmap_lock for write.
 * Return: the new break, or the old one if it could not be moved; -EINTR.
 */
unsigned long do_brk(struct mm_struct *mm, unsigned long brk);
/*
 * madvise(2): [start, start + len) in bytes, behavior MADV_.
 * Context: may sleep. Locks: takes mmap_lock, released between regions or batches.
 * Return: 0 or a negative errno; the part before the error stays changed. -ENOMEM also for holes.
 */
long do_madvise(struct mm_struct *mm, unsigned long start, size_t len, int behavior) __must_check;
/*
 * mlock2(2): lock [start, start + len), in bytes; flags: MLOCK_ONFAULT.
 * Context: may sleep. Locks: takes mmap_lock for write, then for read to fault the pages in.
 * Return: 0, -EINVAL, -EPERM, -ENOMEM, -EAGAIN, -EINTR; what was flagged or faulted in before
 * stays.
 */
long do_mlock(struct mm_struct *mm, unsigned long start, size_t len,
	      unsigned int flags) __must_check;
/*
 * remap_file_pages(2): map size bytes of the file from page pgoff on at start, in a shared mapping
 * of it. flags: MAP_NONBLOCK.
 * Context: may sleep. Locks: takes mmap_lock. Return: 0 or a negative errno.
 */
long do_remap_file_pages(struct mm_struct *mm, unsigned long start, unsigned long size,
			 unsigned long pgoff, unsigned long flags) __must_check;
/*
 * munlock(2): unlock [start, start + len), in bytes.
 * Context: may sleep. Locks: takes mmap_lock for write. Return: 0, -EINVAL, -ENOMEM, -EINTR.
 */
long do_munlock(struct mm_struct *mm, unsigned long start, size_t len) __must_check;
/*
 * mlockall(2): flags MCL_.
 * Context: may sleep. Locks: takes mmap_lock for write, then for read to fault the pages in.
 * Return: 0, -EINVAL, -EPERM, -ENOMEM, -EINTR; pages that could not be faulted in are not reported.
 */
long do_mlockall(struct mm_struct *mm, int flags) __must_check;
/* munlockall(2). Context: may sleep. Locks: takes mmap_lock for write. Return: 0 or -EINTR. */
long do_munlockall(struct mm_struct *mm) __must_check;
/*
 * msync(2): [start, start + len) in bytes, flags MS_. MS_SYNC writes the files' pages and waits.
 * Context: may sleep. Locks: takes mmap_lock, but not while it writes.
 * Return: 0, -EINVAL, -ENOMEM (holes, after the rest), -EBUSY, -EINTR, or an I/O error.
 */
long do_msync(struct mm_struct *mm, unsigned long start, size_t len, int flags) __must_check;
/*
 * mincore(2): write one byte per page of [start, start + len) to user memory at vec.
 * Context: may sleep; touches user memory. Locks: takes mmap_lock for read, in pieces.
 * Return: 0, -EINVAL, -ENOMEM, -EFAULT, -EINTR.
 */
long do_mincore(struct mm_struct *mm, unsigned long start, size_t len,
		unsigned long vec) __must_check;

/*
 * exec: make a stack region of size bytes that ends at the address top (both are rounded up to
 * pages) in a new mm, which is the current one already. vm_flags: VM_EXEC or 0.
 * Context: may sleep. Locks: takes mmap_lock for write.
 * Return: 0, -EINVAL, -ENOMEM, -EAGAIN, -EINTR.
 */
int setup_stack_vma(struct mm_struct *mm, unsigned long top, unsigned long size,
		    unsigned long vm_flags) __must_check;
/*
 * exec: map anonymous private memory at [addr, addr + len), in bytes, in place of what was there
 * (bss). vm_flags: VM_EXEC or 0. addr is page aligned, len is rounded up.
 * Context: may sleep. Locks: takes mmap_lock for write.
 * Return: 0, -EINVAL, -ENOMEM, -EAGAIN, -EINTR, with nothing changed.
 */
int vm_brk_range(struct mm_struct *mm, unsigned long addr, unsigned long len,
		 unsigned long vm_flags) __must_check;
/*
 * exec: the address at which the heap starts, empty, in a new mm.
 * Context: any; the mm has no other user. Return: nothing.
 */
void set_brk_start(struct mm_struct *mm, unsigned long start);
/*
 * exec: choose mmap_base and the direction of placement from the stack limit, in bytes.
 * Context: any; the mm has no other user. Return: nothing.
 */
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
 * Serve a fault in vma at address, which vma contains; flags are FAULT_FLAG_ bits. The rights were
 * checked.
 *
 * With FAULT_FLAG_ALLOW_RETRY the result may have VM_FAULT_RETRY: mmap_lock was released, and vma
 * must not be used any more. If the result has no VM_FAULT_ERROR bit, and no fatal signal is
 * pending, the caller takes the lock, finds the region again, and calls once more with
 * fault_retry_flags(). At the end it calls fault_retry_end().
 * Context: may sleep. Locks: mmap_lock held for read, on return too unless VM_FAULT_RETRY is set.
 * Return: VM_FAULT_ bits.
 */
vm_fault_t handle_mm_fault(struct vm_area_struct *vma, unsigned long address, unsigned int flags);
/*
 * Flags for the second try of a fault, from flags and result of the first, which had
 * VM_FAULT_RETRY.
 * Context: any. Return: FAULT_FLAG_ bits.
 */
unsigned int fault_retry_flags(unsigned int flags, vm_fault_t fault);
/*
 * After a write fault of user mode, when current_vm->nr_dirtied has reached DIRTIED_BETWEEN_CHECKS:
 * let the task wait while too many pages are dirty.
 * Context: may sleep. Locks: none held. Return: nothing.
 */
void fault_throttle_writer(void);
/*
 * Drop the reference to the page that was kept between the tries of a fault, if there is one.
 * Context: may sleep. Return: nothing.
 */
void fault_retry_end(void);
/*
 * Handle a page fault; called by the trap handler (arch/x86). error_code is the CPU's (PF_ bits of
 * asm/fault.h), address the faulting one as the MMU saw it.
 * Context: may sleep, unless the fault happened with interrupts off. Locks: takes mmap_lock for
 * read.
 * Return: nothing; the fault was served, or a signal sent, or a fixup chosen, or the task died.
 */
void do_page_fault(struct pt_regs *regs, unsigned long error_code, unsigned long address);
/*
 * Find the page that is mapped at addr, without a fault. write: only if the entry is writable and
 * dirty. (PT-13)
 * Context: any but interrupt handlers. Locks: mmap_lock held. Refs: none is taken.
 * Return: the page, or NULL.
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
 * Fault in every page of [start, end), page aligned addresses.
 * Context: may sleep. Locks: takes mmap_lock for read, and releases it between batches.
 * Refs: the caller has a user of mm.
 * Return: 0, or what ended it: -EFAULT (no rights, or SIGBUS), -EINVAL (advice for a region that it
 * does not suit), -ENOMEM (no memory; or advice for a range with holes, after the rest was done),
 * -EINTR (a fatal signal). Pages that were faulted in stay.
 */
long mm_populate(struct mm_struct *mm, unsigned long start, unsigned long end,
		 enum populate_mode mode);
/*
 * Get the page behind addr in any mm, faulted in as needed, for /proc/PID/mem and process_vm_*.
 * write: for writing. force: even where the rights of the region forbid it, with copy-on-write
 * done.
 * Context: may sleep. Locks: takes mmap_lock for read. Refs: the caller gets a reference to the
 * page.
 * Return: the page, or NULL.
 */
struct page *get_user_page(struct mm_struct *mm, unsigned long addr, bool write, bool force);
/*
 * Pin up to nr pages from addr on, for a device that reads them, or with write fills them. They
 * stay what the address space has there until it unmaps them (gup.c).
 * Context: may sleep. Locks: takes mmap_lock for read. Refs: each page must be given to
 * unpin_user_page().
 * Return: how many were pinned; a page with too many pins, a bad address or a fatal signal ends it.
 */
unsigned int pin_user_pages(struct mm_struct *mm, unsigned long addr, unsigned int nr, bool write,
			    struct page **pages);
/*
 * Unpin one page; write as it was then, which marks the page dirty with all its buffers.
 * Context: may sleep. Refs: drops those of the pin. Return: nothing.
 */
void unpin_user_page(struct page *page, bool write);
/*
 * Copy len bytes between buf, in kernel memory, and addr in another address space.
 * Context: may sleep. Locks: takes mmap_lock for read. Refs: the caller has a user of mm.
 * Return: how many bytes were copied.
 */
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
 * Remove every entry that maps pages [start, end) of the mapping (page numbers; end 0: to the end
 * of the file); even_cows: those of private copies, too.
 * Context: may sleep. Locks: takes i_mmap_rwsem for read. Return: nothing.
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
/*
 * Clear the marks of use that kind names in all of mm.
 * Context: may sleep. Locks: takes mmap_lock, for write where regions change. Refs: a user of mm.
 * Return: 0, or -EINTR (a fatal signal) with nothing changed.
 */
int clear_refs(struct mm_struct *mm, enum clear_refs_kind kind) __must_check;

/* ---- Counting for /proc ------------------------------------------------------------------ */
/*
 * The resident pages of mm. Context: any; the counters may change while they are added. Return:
 * pages.
 */
static inline unsigned long get_mm_rss(struct mm_struct *mm)
{
	return (unsigned long)(atomic_long_read(&mm->rss_anon) + atomic_long_read(&mm->rss_file) +
			       atomic_long_read(&mm->rss_shmem));
}
/* The largest number of resident pages so far. Context: any. Return: pages. */
static inline unsigned long get_mm_hiwater_rss(struct mm_struct *mm)
{
	return max(READ_ONCE(mm->hiwater_rss), get_mm_rss(mm));
}
/*
 * Check that list, tree, gaps, counts, totals and page tables of mm agree, for tests.
 * Context: may sleep. Locks: mmap_lock held, no faults at the same time. Return: nothing; panics if
 * not.
 */
void validate_mm(struct mm_struct *mm);

PAGODA_C_END
