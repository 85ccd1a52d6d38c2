// SPDX-License-Identifier: MIT
/*
 * fault_retry.c: a fault that must wait drops mmap_lock first.
 *
 * A fault holds mmap_lock for read. If it waited for a disk with the lock held, every writer of the
 * process (mmap, munmap, fork) would wait for that disk, too, and every later reader behind the
 * writer. So a handler that must wait, for a read, for a page lock, or for space on the disk
 * (page_mkwrite), drops the lock, waits, and returns VM_FAULT_RETRY. Its caller takes the lock
 * again, looks the region up again, and calls the handler a second time:
 *
 *	caller			handler
 *	down_read
 *	handle_mm_fault		the page is not in memory
 *				up_read, start the read, wait (killable)
 *				fault_keep_page(), return VM_FAULT_RETRY
 *	fatal signal: give up
 *	down_read, find_vma
 *	handle_mm_fault		the page is in memory: map it
 *	fault_retry_end		drop the reference to the page
 *
 * The page that was waited for is kept by a reference until the fault ends, so that reclaim cannot
 * evict it before it is mapped. The first try does everything for which the fault may need a disk:
 * a write to a missing page of a shared region reads the page and allocates its disk block. There
 * are two tries at most (FT-29). The second one waits only if the page was truncated, lost its
 * buffers, or is locked by someone else, and it waits with mmap_lock held. So no fault is retried
 * for ever.
 *
 * Locking: the kept page belongs to the running task. Failure: VM_FAULT_RETRY together with an
 * error bit says that mmap_lock was dropped and the fault has failed.
 */
#include <pagoda/bug.h>
#include "fault_internal.h"

/* The second try has no FAULT_FLAG_ALLOW_RETRY, so that it cannot ask for a third. */
unsigned int fault_retry_flags(unsigned int flags, vm_fault_t fault)
{
	VM_BUG_ON(!(flags & FAULT_FLAG_ALLOW_RETRY));
	VM_BUG_ON(flags & FAULT_FLAG_TRIED || !(fault & VM_FAULT_RETRY));
	/*
	 * The first try read from a disk. The second will find the page in memory and would count
	 * as a minor fault; the flag makes it count as a major one.
	 */
	if (fault & VM_FAULT_MAJOR)
		flags |= FAULT_FLAG_MAJOR;
	return (flags & ~FAULT_FLAG_ALLOW_RETRY) | FAULT_FLAG_TRIED;
}

/* The field is cleared first, so that it never names a page without a reference. */
void fault_retry_end(void)
{
	struct page *page = current_vm->fault_page;

	current_vm->fault_page = NULL;
	if (page)
		put_page(page);
}

void fault_unlock_mm(struct vm_fault *vmf) NO_LOCK_ANALYSIS("our caller holds it")
{
	VM_BUG_ON(!(vmf->flags & FAULT_FLAG_ALLOW_RETRY));
	mmap_assert_locked(vmf->vma->vm_mm);
	up_read(&vmf->vma->vm_mm->mmap_lock);
}

/* One fault keeps one page: a page that is still kept from before is put first. */
void fault_keep_page(struct page *page)
{
	VM_BUG_ON(page_count(page) < 1);
	fault_retry_end();
	current_vm->fault_page = page;
}

bool lock_page_or_retry(struct vm_fault *vmf, struct page *page)
{
	mmap_assert_locked(vmf->vma->vm_mm);
	VM_BUG_ON(page_count(page) < 1);
	if (likely(!TryLockPage(page)))
		return true;
	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY)) {
		/* The second try waits with mmap_lock held: it must not ask for a third one. */
		lock_page(page);
		return true;
	}
	fault_unlock_mm(vmf);
	fault_keep_page(page);
	/* After -EINTR a fatal signal is pending, and the caller does not try again. */
	(void)wait_on_page_killable(page);
	return false;
}

void fault_throttle_writer(void)
{
	might_sleep();
	/* NULL: it is not known which files the task wrote to */
	file_page_ops->throttle(NULL);
}
