/* SPDX-License-Identifier: MIT */
/* filemap_internal.h: what the files of the page cache tell each other. */
#pragma once

#include "shmem_swap_ops.h"
#include <pagoda/pagemap.h>
#include <pagoda/swap.h>

/* ---- page-writeback.c -------------------------------------------------------------------- */

/* A page leaves the index: it counts no more as dirty. pages_lock held; it is not being written. */
void forget_page_tags(struct address_space *mapping, struct page *page);

/* ---- filemap.c --------------------------------------------------------------------------- */

/*
 * Make a locked page of the mapping up to date; it is locked on return, too. 0, -EIO, or
 * -EAGAIN if it left the mapping meanwhile. May sleep.
 */
int fill_locked_page(struct address_space *mapping, struct vm_file *file,
		     struct page *page) __must_check;
/*
 * filemap_mkwrite.c: the locked page is about to become writable in a shared region of the file: it
 * is dirty and has its places on the disk. 0, VM_FAULT_NOPAGE (truncated), VM_FAULT_SIGBUS,
 * VM_FAULT_OOM. May wait for the disk.
 */
vm_fault_t make_page_writable(struct vm_file *file, struct page *page);
/* Zeroes: a locked page of a mapping that is its own backing store, which holds no data yet. */
void fill_own_page(struct page *page);
/* A page has just become an item of the tree: its identity and counters. pages_lock held. */
void link_page(struct page *page, struct address_space *mapping, pgoff_t index);
/* It has: its place on the lists. */
void page_was_added(struct page *page);

/* readahead.c: start reading a page that a fault wants, if reading ahead has not. */
void start_read_for_fault(struct vm_file *file, pgoff_t index);
/* Lock the page, starting what its reader may still wait for. May sleep. */
void wait_for_read(struct page *page);
/*
 * A new page in the cache at index, locked, with a reference; NULL: there is one by now;
 * ERR_PTR(-ENOMEM).
 */
struct page *add_new_page(struct address_space *mapping, pgoff_t index, gfp_t gfp);
/* Up to nr pages of [first, end] with references, in order. */
unsigned int find_get_pages(struct address_space *mapping, struct page **pages, unsigned int nr,
			    pgoff_t first, pgoff_t end);
/* Indices of a file's pages are below this. */
static inline pgoff_t pages_in_file(struct address_space *mapping)
{
	u64 size = mapping->size(mapping);

	return (pgoff_t)((size >> PAGE_SHIFT) + !!(size & (PAGE_SIZE - 1)));
}
/*
 * Does the page have to be taken off what hangs on it before it may leave? True: it is free of it.
 * Locked.
 */
bool release_page_private(struct page *page, gfp_t gfp);

/* ---- filemap_rw.c -------------------------------------------------------------------------- */

/* The page last read, so that the next read can tell whether it goes on from there. */
static inline void note_read(struct vm_file *file, pgoff_t index)
{
	WRITE_ONCE(file->f_ra.prev, index);
}
/* The mapping gets ready for bytes [from, to) of a locked page. By default: all of it is known. */
int prepare_page(struct vm_file *file, struct page *page, unsigned int from,
		 unsigned int to) __must_check;
/* They were written. By default: the page is up to date, and dirty. 0 or -errno. */
int commit_page(struct vm_file *file, struct page *page, unsigned int from,
		unsigned int to) __must_check;

/* ---- truncate.c --------------------------------------------------------------------------- */

/* Drop a page from its mapping, whoever still maps it; the caller has a reference. May sleep. */
void truncate_page(struct address_space *mapping, struct page *page);

/* shmem.c: shmem_zero_setup (pagemap.h). */
struct vm_file *shmem_create(u64 size, bool reserve);

/* ---- page-writeback.c: mappings that are held ------------------------------------------------ */

static inline bool has_dirty_pages(const struct address_space *mapping)
{
	return READ_ONCE(mapping->nr_dirty);
}
/*
 * The first mapping on the list of those with dirty or written pages that is wanted, held by
 * wb_users; NULL: none. The next call goes on behind it, so that all that are wanted are found in
 * two rounds at most, however many are not.
 */
struct address_space *hold_mapping(bool (*wanted)(struct address_space *mapping, u64 arg), u64 arg);
/* What is dirty in the mapping counts as changed at this time. */
void restart_dirty_age(struct address_space *mapping, u64 when);
/* Until pages came back from a disk, or until then. May sleep. */
void wait_for_written_pages(u64 until);
/*
 * The end of a hold by wb_users, taken while the mapping was on a list that its end takes it off.
 */
void release_mapping(struct address_space *mapping);
