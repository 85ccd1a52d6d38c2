// SPDX-License-Identifier: MIT
/*
 * fault_retry.c: faults that must wait let go of mmap_lock first.
 *
 * A fault takes mmap_lock for read. If it waited for a disk with the lock held, every writer (mmap,
 * munmap, fork) of the process would wait for that disk, too, and every later reader behind the
 * writer. So a handler that must wait, for a read, for a page's lock, or for a place on the disk
 * (page_mkwrite), drops the lock, waits, and returns VM_FAULT_RETRY; its caller takes the lock
 * again, finds the region anew and calls the handler again:
 *
 *	fault			handler				caller
 *	down_read
 *	handle_mm_fault		page is not there
 *				up_read, read, wait (killable)
 *				keep the page: RETRY
 *							fatal signal? end
 *							down_read, find_vma
 *	handle_mm_fault		page is there: map it
 *							fault_retry_end: page let go
 *
 * The page that was waited for is kept (a reference) until the fault ends, so that reclaim cannot
 * take it before it is mapped. The first try does all that the fault may need a disk for: a write
 * to a missing page of a shared region reads the page and finds its place in one go. There are two
 * tries at most (FT-29): the second waits only if the page was truncated, lost its buffers, or
 * others hold or held its lock, and it waits with mmap_lock, so that no fault is retried for ever.
 *
 * Locking: the kept page belongs to the running task. Failure: VM_FAULT_RETRY with an error bit
 * says that mmap_lock was dropped and the fault has failed.
 */
#include <pagoda/bug.h>
#include "fault_internal.h"

unsigned int fault_retry_flags(unsigned int flags, vm_fault_t fault)
{
	VM_BUG_ON(!(flags & FAULT_FLAG_ALLOW_RETRY));
	if (fault & VM_FAULT_MAJOR)
		flags |= FAULT_FLAG_MAJOR;
	return (flags & ~FAULT_FLAG_ALLOW_RETRY) | FAULT_FLAG_TRIED;
}

void fault_retry_end(void)
{
	struct page *page = current_vm->fault_page;

	current_vm->fault_page = NULL;
	if (page)
		put_page(page);
}

void fault_unlock_mm(struct vm_fault *vmf)
{
	VM_BUG_ON(!(vmf->flags & FAULT_FLAG_ALLOW_RETRY));
	up_read(&vmf->vma->vm_mm->mmap_lock);
}

void fault_keep_page(struct page *page)
{
	fault_retry_end();
	current_vm->fault_page = page;
}

bool lock_page_or_retry(struct vm_fault *vmf, struct page *page)
{
	if (likely(!TryLockPage(page)))
		return true;
	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY)) {
		lock_page(page);
		return true;
	}
	fault_unlock_mm(vmf);
	fault_keep_page(page);
	/* after -EINTR the caller does not try again: a fatal signal is pending */
	(void)wait_on_page_killable(page);
	return false;
}

void fault_throttle_writer(void)
{
	might_sleep();
	/* of whatever file: which ones the task stored to is not known */
	file_page_ops->throttle(NULL);
}
