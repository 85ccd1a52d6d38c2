/* SPDX-License-Identifier: MIT */
/*
 * filemap_rw.c: read(2) and write(2) through the page cache.
 *
 *	read	page found, or brought in by read-ahead -> copied to the buffer
 *	write	page locked -> prepare_write -> copied from the buffer -> commit_write
 *
 * The caller's buffer may be a mapping of the same page. A fault on it would need the page lock, so
 * a copy under that lock takes no faults: the buffer is faulted in before, and again after a copy
 * that ended early. A mapping that is its own backing store (tmpfs) needs no lock for a page that
 * is there.
 *
 * A hole of such a mapping reads as zeroes without a page. The position moves as bytes are copied;
 * size and limits are the caller's business.
 *
 * Locking: none on entry (the file system holds the inode's lock for a write); page locks.
 * Failure: the bytes done before, or if there are none -EFAULT, -EIO, -ENOMEM, and what
 * prepare_write says.
 * Observability: as filemap.c and readahead.c.
 */
#include "filemap_internal.h"
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/lru.h>
#include <pagoda/mm.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

/* ---- User and kernel buffers ----------------------------------------------------------- */

/* Returns bytes that were not copied; a kernel buffer always takes all of them. */
size_t iov_put(struct iov_user buf, size_t offset, const void *src, size_t n)
{
	if (!buf.kernel)
		return port_copy_to_user(buf.addr + offset, src, n);
	memcpy((void *)(buf.addr + offset), src, n);
	return 0;
}

size_t iov_get(struct iov_user buf, size_t offset, void *dst, size_t n)
{
	if (!buf.kernel)
		return port_copy_from_user(dst, buf.addr + offset, n);
	memcpy(dst, (void *)(buf.addr + offset), n);
	return 0;
}

size_t iov_clear(struct iov_user buf, size_t offset, size_t n)
{
	if (!buf.kernel)
		return port_clear_user(buf.addr + offset, n);
	memset((void *)(buf.addr + offset), 0, n);
	return 0;
}

/* iov_get() without faults: bytes of pages that are not mapped now are not copied. Never sleeps. */
static size_t iov_get_atomic(struct iov_user buf, size_t offset, void *dst, size_t n)
{
	size_t left;

	current_vm->pagefault_disabled++;
	left = iov_get(buf, offset, dst, n);
	VM_BUG_ON(!current_vm->pagefault_disabled || left > n);
	current_vm->pagefault_disabled--;
	return left;
}

/*
 * Fault in the page of the buffer at offset, so that a copy without faults can go on. False: bad
 * address.
 */
static bool iov_fault_in(struct iov_user buf, size_t offset)
{
	char byte;

	return iov_get(buf, offset, &byte, 1) == 0;
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* Wait for a page whose read was just started. True: the read has failed. */
static bool read_failed(struct page *page)
{
	if (PageUptodate(page))
		return false;
	wait_for_read(page);
	unlock_page(page);
	return !PageUptodate(page) && PageError(page);
}

/*
 * The page to read from at index, with a reference; nr pages from it on are wanted. NULL:
 * a hole of a mapping that is its own backing store, zeroes without a page.
 */
static struct page *page_for_read(struct vm_file *file, pgoff_t index, unsigned long nr)
{
	struct address_space *mapping = file->f_mapping;
	struct page *page = find_get_page(mapping, index);

	/* The page was allocated by fallocate() and never used. */
	if (page && !mapping->a_ops->readpage && !PageUptodate(page) && !page->private) {
		put_page(page);
		return NULL;
	}
	if (!page && !mapping->a_ops->readpage)
		return page_cache_has(mapping, index) ? read_cache_page(mapping, file, index)
						      : NULL;
	if (!page) {
		page_cache_sync_readahead(file, index, nr);
		page = find_get_page(mapping, index);
		if (page && read_failed(page)) {
			put_page(page);
			return ERR_PTR(-EIO); /* the next read of this page tries the disk again */
		}
	} else if (PageReadahead(page)) {
		page_cache_async_readahead(file, page, nr);
	}
	if (page && PageUptodate(page)) {
		mark_page_accessed(page);
		return page;
	}
	if (page)
		put_page(page);
	return read_cache_page(mapping, file, index);
}

/* Copy n bytes of the page, or zeroes for NULL, to the buffer. Returns bytes not copied. */
static size_t put_page_bytes(struct iov_user buf, size_t done, struct page *page, size_t offset,
			     size_t n)
{
	char *from;
	size_t left;

	VM_BUG_ON(offset + n > PAGE_SIZE);
	if (!page)
		return iov_clear(buf, done, n);
	from = kmap(page);
	left = iov_put(buf, done, from + offset, n);
	kunmap(page);
	return left;
}

/*
 * The size is looked at for each page, as the file may be truncated or grow meanwhile. An error
 * after some bytes is not reported: the caller gets the bytes, and meets the error at its next
 * call.
 */
long generic_file_read(struct vm_file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct address_space *mapping = file->f_mapping;
	size_t done = 0;

	while (done < count) {
		u64 size = mapping->size(mapping);
		size_t offset = *pos & (PAGE_SIZE - 1);
		struct page *page;
		size_t n, left;

		if (*pos >= size)
			break;
		n = min_t(u64, min(count - done, PAGE_SIZE - offset), size - *pos);
		page = page_for_read(file, (pgoff_t)(*pos >> PAGE_SHIFT),
				     (offset + count - done + PAGE_SIZE - 1) >> PAGE_SHIFT);
		note_read(file, (pgoff_t)(*pos >> PAGE_SHIFT));
		if (IS_ERR(page))
			return done ? (long)done : PTR_ERR(page);
		left = put_page_bytes(buf, done, page, offset, n);
		if (page)
			put_page(page);
		done += n - left;
		*pos += n - left;
		if (left)
			return done ? (long)done : -EFAULT;
		port_cond_resched();
	}
	return (long)done;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/*
 * Copy into a page of a mapping that is its own backing store. Such a page is never read from a
 * file system, and our reference keeps reclaim from evicting it. So an Uptodate page needs no lock
 * here, and the copy may take faults, even on this very page. The page is marked dirty after the
 * copy: if it was written to swap meanwhile, that write may have missed some bytes. Returns bytes
 * not copied.
 */
static size_t write_unlocked(struct iov_user buf, size_t done, struct page *page, size_t offset,
			     size_t n)
{
	char *to = kmap(page);
	size_t left = iov_get(buf, done, to + offset, n);

	VM_BUG_ON(!PageUptodate(page) || offset + n > PAGE_SIZE);
	kunmap(page);
	(void)set_page_dirty(page);
	return left;
}

/*
 * Copy into a locked page without faults: a fault could need the lock of this page. Returns bytes
 * not copied.
 */
static size_t copy_locked(struct iov_user buf, size_t done, struct page *page, size_t offset,
			  size_t n)
{
	char *addr = kmap_atomic(page);
	size_t left = iov_get_atomic(buf, done, addr + offset, n);

	VM_BUG_ON(!PageLocked(page) || offset + n > PAGE_SIZE);
	kunmap_atomic(addr);
	return left;
}

/*
 * Without prepare_write, a page that is written in part must be filled first, or the rest of it
 * would stay undefined; one that is overwritten as a whole need not.
 */
int prepare_page(struct vm_file *file, struct page *page, unsigned int from, unsigned int to)
{
	struct address_space *mapping = file->f_mapping;

	VM_BUG_ON(!PageLocked(page) || from > to || to > PAGE_SIZE);
	if (mapping->a_ops->prepare_write)
		return mapping->a_ops->prepare_write(file, page, from, to);
	return to - from < PAGE_SIZE ? fill_locked_page(mapping, file, page) : 0;
}

int commit_page(struct vm_file *file, struct page *page, unsigned int from, unsigned int to)
{
	struct address_space *mapping = file->f_mapping;

	VM_BUG_ON(!PageLocked(page) || from > to || to > PAGE_SIZE);
	if (mapping->a_ops->commit_write)
		return mapping->a_ops->commit_write(file, page, from, to);
	SetPageUptodate(page);
	(void)set_page_dirty(page);
	return 0;
}

/*
 * Write into a locked page. If the copy ended early and the page is not Uptodate, the bytes not
 * copied are undefined; so the page is filled from its store, and the copy is made again.
 * commit_write is called in any case, as it must follow each successful prepare_write (AS-72).
 */
static int write_locked(struct vm_file *file, struct iov_user buf, size_t done, struct page *page,
			size_t offset, size_t n, size_t *left)
{
	unsigned int from = (unsigned int)offset, to = (unsigned int)(offset + n);
	int err = prepare_page(file, page, from, to), ret;

	if (err)
		return err;
	*left = copy_locked(buf, done, page, offset, n);
	if (*left && !PageUptodate(page)) {
		err = fill_locked_page(file->f_mapping, file, page);
		if (!err)
			*left = copy_locked(buf, done, page, offset, n);
	}
	ret = commit_page(file, page, from, err ? from : to); /* (AS-72) */
	return err ? err : ret;
}

/* Write n bytes, inside one page, at index and offset. *left: bytes the buffer did not yield. */
static int write_one_page(struct vm_file *file, struct iov_user buf, size_t done, pgoff_t index,
			  size_t offset, size_t n, size_t *left)
{
	struct address_space *mapping = file->f_mapping;
	bool own_store =
		!mapping->a_ops->readpage && (mapping->shmem || !mapping->a_ops->writepage);
	struct page *page = own_store ? find_get_page(mapping, index) : NULL;
	int err = 0;

	VM_BUG_ON(!n || offset + n > PAGE_SIZE);
	if (page && PageUptodate(page)) {
		*left = write_unlocked(buf, done, page, offset, n);
		put_page(page);
		return 0;
	}
	if (page)
		put_page(page);
	/* If the buffer is invalid, fail before a page is allocated for it. */
	if (!buf.kernel && !iov_fault_in(buf, done)) {
		*left = n;
		return 0;
	}
	page = grab_cache_page(mapping, index);
	if (!page)
		return -ENOMEM;
	err = write_locked(file, buf, done, page, offset, n, left);
	unlock_page(page);
	put_page(page);
	return err;
}

long generic_file_write(struct vm_file *file, struct iov_user buf, size_t count, u64 *pos)
{
	size_t done = 0;
	int err = 0;

	while (done < count) {
		size_t offset = *pos & (PAGE_SIZE - 1);
		size_t n = min(count - done, PAGE_SIZE - offset), left = 0;

		err = write_one_page(file, buf, done, *pos >> PAGE_SHIFT, offset, n, &left);
		if (err == -EAGAIN)
			continue; /* the page has left the mapping while it was filled: try again */
		if (err)
			break;
		done += n - left;
		*pos += n - left;
		/*
		 * The copy stopped at a page of the buffer that was not mapped. Fault it in and go
		 * on there; if that fails, the address is bad.
		 */
		if (left && !iov_fault_in(buf, done)) {
			err = -EFAULT;
			break;
		}
		balance_dirty_pages_ratelimited(file->f_mapping);
		port_cond_resched();
	}
	return done ? (long)done : err;
}
