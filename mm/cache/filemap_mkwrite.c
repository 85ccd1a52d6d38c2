/* SPDX-License-Identifier: MIT */
/*
 * filemap_mkwrite.c: a page of a file becomes writable in a shared region (page_mkwrite).
 *
 * From the first store on the page counts as dirty, and each of its blocks that lies in the file
 * has a place on the disk, so that writing it back later cannot fail for lack of one. Finding a
 * place may need the disk (the file system's maps), and nobody waits for a disk with mmap_lock held
 * (fault_retry.c):
 *
 *	the page is missing	the first try reads it and makes it writable, without the lock (filemap.c)
 *	it has no place yet	the first try drops the lock, makes it writable, and asks for another
 *	it has its places	no disk is needed: made writable at once
 *	it is dirty already	the first try has done it, and nobody has written the page back since
 *
 * Between the tries the page is dirty and clean of mappings that write; if it is written back by
 * then, the second try dirties it again. If the task is killed between them, the page still holds
 * what the file held, and its new blocks are written with that.
 *
 * Locking: the page lock, from before this until the entry is set; the file's own. Failure:
 * VM_FAULT_SIGBUS (no place, the disk), VM_FAULT_OOM; the page stays as it is.
 */
#include "buffer_internal.h"
#include <mm/space/fault_internal.h>
#include "filemap_internal.h"
#include <pagoda/bug.h>
#include <pagoda/errno.h>

vm_fault_t make_page_writable(struct vm_file *file, struct page *page)
{
	u64 size = file->f_mapping->size(file->f_mapping), start = (u64)page->index << PAGE_SHIFT;
	unsigned int to;
	int err;

	VM_BUG_ON(!PageLocked(page));
	if (page->mapping != file->f_mapping || start >= size)
		return VM_FAULT_NOPAGE; /* truncated: fault again */
	to = (unsigned int)min_t(u64, size - start, PAGE_SIZE);
	err = prepare_page(file, page, 0, to);
	if (!err)
		err = commit_page(file, page, 0, to);
	if (err)
		return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	if (file->f_vmops->mapped_write)
		file->f_vmops->mapped_write(file);
	return 0;
}

/* How far a page is on its way to become writable. */
enum {
	NEEDS_PLACES,
	HAS_PLACES /* no disk is needed */,
	IS_WRITABLE /* all blocks are dirty already */
};

/*
 * How far the locked page is on its way. size is the file's, in bytes; blocks past it do not
 * count.
 */
static int writable_state(const struct page *page, u64 size)
{
	u64 start = (u64)page->index << PAGE_SHIFT;
	int state = PageDirty(page) ? IS_WRITABLE : HAS_PLACES;
	struct buffer_head *bh;

	VM_BUG_ON(!PageLocked(page));
	if (!page->mapping || !page->mapping->a_ops->prepare_write)
		return HAS_PLACES;
	if (!page_has_buffers(page))
		return NEEDS_PLACES;
	for_each_buffer(bh, page) {
		if (start + bh->offset < size && !buffer_mapped(bh))
			return NEEDS_PLACES;
		if (start + bh->offset < size && !buffer_dirty(bh))
			state = HAS_PLACES;
	}
	return state;
}

/*
 * make_page_writable() without mmap_lock. The page lock goes before the file, as the last user of a
 * deleted file truncates it. The caller still has its reference to the page.
 */
static noinline vm_fault_t make_writable_for_next_try(struct vm_fault *vmf)
{
	struct vm_file *file = get_vm_file(vmf->vma->vm_file);
	struct page *page = vmf->page;
	vm_fault_t fault;

	VM_BUG_ON(!PageLocked(page));
	fault_unlock_mm(vmf);
	fault = make_page_writable(file, page) & VM_FAULT_ERROR;
	if (!fault) { /* A fault that has failed is not tried again, so it keeps no page. */
		get_page(page);
		fault_keep_page(page);
	}
	unlock_page(page);
	put_vm_file(file);
	return VM_FAULT_RETRY | fault;
}

vm_fault_t filemap_page_mkwrite(struct vm_fault *vmf)
{
	struct vm_file *file = vmf->vma->vm_file;
	int state = writable_state(vmf->page, file->f_mapping->size(file->f_mapping));

	VM_BUG_ON(!PageLocked(vmf->page));
	if (state == NEEDS_PLACES && vmf->flags & FAULT_FLAG_ALLOW_RETRY)
		return make_writable_for_next_try(vmf);
	/*
	 * The first try of this fault has made the page writable, and the page lock keeps it so
	 * until the entry is set.
	 */
	if (state == IS_WRITABLE && current_vm->fault_page == vmf->page &&
	    vmf->page->mapping == file->f_mapping)
		return 0;
	return make_page_writable(file, vmf->page);
}
