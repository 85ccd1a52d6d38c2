/* SPDX-License-Identifier: MIT */
/*
 * pagemap.h: objects that have pages (files), as the core meets them, and the page
 * cache that holds them by (mapping, index).
 */
#pragma once

#include <pagoda/mm_types.h>
#include <pagoda/page.h>
#include <lib/radix_tree.h>

struct address_space;
struct vm_file;

/* What a file system does for its pages; any may be NULL where noted. (AS-71) */
struct address_space_operations {
	/* Start writing a locked dirty page; unlocks it when done. NULL: pages never leave memory. */
	int (*writepage)(struct page *page);
	/* Fill a locked page; sets Uptodate or Error and unlocks. NULL: new pages are zero. */
	int (*readpage)(struct vm_file *file, struct page *page);
	int (*prepare_write)(struct vm_file *file, struct page *page, unsigned from, unsigned to);
	int (*commit_write)(struct vm_file *file, struct page *page, unsigned from, unsigned to);
	int (*releasepage)(struct page *page, gfp_t gfp);
};

struct address_space {
	void *host;			  /* the inode */
	struct radix_tree_root i_pages;	  /* index -> struct page */
	spinlock_t pages_lock;		  /* RANK_I_PAGES */
	unsigned long nrpages;
	const struct address_space_operations *a_ops;
	struct list_head i_mmap, i_mmap_shared; /* VMAs: private, shared */
	struct rw_semaphore i_mmap_rwsem;
	struct rw_semaphore invalidate_lock;
	gfp_t gfp_mask;
	bool shmem;			  /* tmpfs and shared memory: counts as shmem, swap-backed */
	/* Size of the object in bytes now; faults past it are SIGBUS. */
	u64 (*size)(struct address_space *mapping);
};

/* An open file as the core sees it; file systems embed it first in their struct file. */
struct vm_file {
	atomic_t f_count;
	struct address_space *f_mapping; /* NULL: cannot be mapped by pages */
	const struct vm_file_operations *f_vmops;
	bool f_may_read, f_may_write, f_noexec; /* how it was opened; noexec mount */
};
struct vm_file_operations {
	/*
	 * Set up vma for this file. vm_ops, and on success vm_file with its reference, may be
	 * replaced (NULL: anonymous memory). No such operation: -ENODEV. Checks
	 * are done, the VMA is not yet linked. (CT-35)
	 */
	int (*mmap)(struct vm_file *file, struct vm_area_struct *vma);
	unsigned long (*get_unmapped_area)(struct vm_file *file, unsigned long addr,
					   unsigned long len, unsigned long pgoff, unsigned long flags);
	void (*release)(struct vm_file *file); /* f_count reached 0 */
};
static inline struct vm_file *get_vm_file(struct vm_file *file)
{
	atomic_inc(&file->f_count);
	return file;
}
static inline void put_vm_file(struct vm_file *file)
{
	if (atomic_dec_and_test(&file->f_count))
		file->f_vmops->release(file);
}

void address_space_init(struct address_space *mapping, void *host,
			const struct address_space_operations *a_ops,
			u64 (*size)(struct address_space *mapping));

/* The page at index with a reference, or NULL. From any context. */
struct page *find_get_page(struct address_space *mapping, pgoff_t index);
struct page *find_lock_page(struct address_space *mapping, pgoff_t index);
/* The page at index, made if missing, locked, with a reference. NULL: no memory. May sleep. */
struct page *grab_cache_page(struct address_space *mapping, pgoff_t index) __must_check;
/* Put a new locked page into the cache; -EEXIST, -ENOMEM. */
int add_to_page_cache(struct page *page, struct address_space *mapping, pgoff_t index) __must_check;
void remove_from_page_cache(struct page *page); /* locked page */
/* Reclaim: the same if the locked page is clean, has count references and no more. (RC-28) */
bool remove_unused_from_page_cache(struct page *page, int count) __must_check;
/* The page at index, read and up to date, with a reference, or ERR_PTR. May sleep. */
struct page *read_cache_page(struct address_space *mapping, struct vm_file *file, pgoff_t index);

/*
 * Generic read and write at *pos through the cache (kernel or user buffer); bytes done or
 * -errno. write extends nothing: the file system sets sizes. May sleep.
 */
struct iov_user {
	unsigned long addr; /* user address (checked by access_ok), or kernel address if kernel is set */
	bool kernel;
};
static inline struct iov_user iov_user_buf(unsigned long addr)
{
	return (struct iov_user){ addr, false };
}
static inline struct iov_user iov_kernel_buf(const void *addr)
{
	return (struct iov_user){ (unsigned long)addr, true };
}
/* Copy n bytes to / from the buffer at offset; bytes NOT copied. May sleep. */
size_t iov_put(struct iov_user buf, size_t offset, const void *src, size_t n) __must_check;
size_t iov_get(struct iov_user buf, size_t offset, void *dst, size_t n) __must_check;
size_t iov_clear(struct iov_user buf, size_t offset, size_t n) __must_check;
long generic_file_read(struct vm_file *file, struct iov_user buf, size_t count, u64 *pos);
long generic_file_write(struct vm_file *file, struct iov_user buf, size_t count, u64 *pos);

/* mmap for files whose pages are in the cache; nopage = filemap_nopage. */
int generic_file_mmap(struct vm_file *file, struct vm_area_struct *vma);
vm_fault_t filemap_nopage(struct vm_fault *vmf);
unsigned int filemap_ready_pages(struct vm_area_struct *vma, unsigned long first, unsigned int nr,
				 struct page **pages);

/* Drop all pages from byte offset size on, zeroing the tail of a part page; unmaps them first. May sleep. */
void truncate_inode_pages(struct address_space *mapping, u64 size);
/* The same for the bytes [start, end): part pages at the edges are zeroed (hole punching). May sleep. */
void truncate_inode_pages_range(struct address_space *mapping, u64 start, u64 end);

/* Pages in all page caches / of those, in mappings with shmem set. For /proc/meminfo. */
extern atomic_long_t nr_pagecache_pages, nr_shmem_pages;

/* Boot: the slab cache of tree nodes. Panics without memory. */
void page_cache_init(void);

/*
 * A file of zero pages with no name, for MAP_SHARED|MAP_ANONYMOUS; NULL: no memory. The core
 * has its own (mm/shmem.c); whoever has a better one may put it here at boot.
 */
extern struct vm_file *(*shmem_zero_setup)(u64 size);
/* Is this one of mm/shmem.c's? They have no inode; *id becomes a number of their own. */
bool is_shmem_zero_file(const struct vm_file *file, u64 *id);
