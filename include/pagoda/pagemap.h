/* SPDX-License-Identifier: MIT */
/*
 * pagemap.h: objects that have pages (files), as the core meets them, and the page
 * cache that holds them by (mapping, index).
 */
#pragma once

#include <pagoda/mm_types.h>
#include <pagoda/page.h>
#include <pagoda/spinlock.h>
#include <lib/radix_tree.h>

PAGODA_C_BEGIN

struct address_space;
struct vm_file;

/* A buffer of a caller's, or of the kernel's. */
struct iov_user {
	/* user address (checked by access_ok), or kernel address if kernel is set */
	unsigned long addr;
	bool kernel;
};

/*
 * What a file system does for its pages; any may be NULL where noted. (AS-71) Reading and
 * writing may go on after the call: readpage unlocks the page, end_page_writeback() ends
 * a write, from any context.
 */
struct address_space_operations {
	/*
	 * Start writing a locked page that clear_page_dirty_for_io() was true for:
	 * set_page_writeback(), unlock_page(), and when it is on the disk, or nothing is to be
	 * done, end_page_writeback(). Errors of the disk go to mapping_set_error(), others are
	 * returned. No memory now: set_page_dirty(), unlock_page(), -ENOMEM. NULL: pages never
	 * leave memory.
	 */
	int (*writepage)(struct page *page);
	/* Fill a locked page; sets Uptodate or Error and unlocks. NULL: new pages are zero. */
	int (*readpage)(struct vm_file *file, struct page *page);
	/* Start the I/O of this page that waits in a queue. NULL: all disk queues are run. */
	void (*sync_page)(struct page *page);
	/* Bytes [from, to) of the locked page will be written: read what is missing, allocate. */
	int (*prepare_write)(struct vm_file *file, struct page *page, unsigned from, unsigned to);
	/*
	 * Bytes [from, to) were copied into the page: mark it dirty. Called once after each
	 * successful prepare_write. (AS-72)
	 */
	int (*commit_write)(struct vm_file *file, struct page *page, unsigned from, unsigned to);
	/* The device's block for a block of the file, 0: none. (FIBMAP) */
	u64 (*bmap)(struct address_space *mapping, u64 block);
	/*
	 * The locked page, not under writeback, is cut off from byte offset on; with offset 0 it
	 * leaves the mapping. NULL: the page has buffers, or nothing attached to it. (AS-73)
	 */
	void (*flushpage)(struct page *page, unsigned int offset);
	/*
	 * Free what is attached to a locked, clean page, so that the page can be freed. Returns 0
	 * if nothing is left. NULL: buffers are freed.
	 */
	int (*releasepage)(struct page *page, gfp_t gfp);
	/*
	 * Transfer between the file's blocks at pos and the caller's own pages, past the cache,
	 * which has nothing of the range that is not on the disk: blockdev_direct_IO(). Bytes done;
	 * fewer than count: the rest goes by the cache, or a read is at the file's end. -EINVAL:
	 * not of whole sectors. The file system's lock on the file is held, for write if it is
	 * written to. May sleep. NULL: no O_DIRECT.
	 */
	long (*direct_IO)(struct vm_file *file, bool write, struct iov_user buf, size_t count,
			  u64 pos);
};

/* Tags of pages in the index. */
enum page_cache_tag { PAGECACHE_TAG_DIRTY, PAGECACHE_TAG_WRITEBACK, PAGECACHE_TAG_TOWRITE };

struct address_space {
	void *host;			/* the inode */
	struct radix_tree_root i_pages; /* index -> struct page */
	spinlock_t pages_lock;		/* RANK_I_PAGES */
	unsigned long nrpages;
	const struct address_space_operations *a_ops;
	struct rb_root i_mmap, i_mmap_shared; /* VMAs by page: private, shared (vma_interval.c) */
	struct rw_semaphore i_mmap_rwsem;
	struct rw_semaphore invalidate_lock;
	gfp_t gfp_mask;
	/* tmpfs and shared memory: counts as shmem, swap-backed */
	bool shmem;
	bool swap_locked; /* shmem: its pages stay in memory (SHM_LOCK) */
	bool was_swapped; /* pages_lock: there has been a slot */
	/* pages_lock: places that are in swap alone (shmem_swap.c) */
	unsigned long nrswapped;
	unsigned long nr_slots;		      /* list_lock there: slots of pages and places */
	struct list_head swap_link;	      /* list_lock there: mappings with slots */
	unsigned long nr_dirty, nr_writeback; /* pages_lock: pages with these tags */
	struct list_head dirty_link;	      /* dirty_lock: mappings with such pages */
	/* dirty_lock: ns, the oldest change that is not written */
	u64 dirtied_when;
	unsigned int sync_round; /* dirty_lock: the last sync() that came by */
	/* writeback is at work here; truncation to nothing waits */
	atomic_t wb_users;
	u32 wb_seq;   /* pages_lock: write errors so far */
	int wb_err;   /* pages_lock: the last one, -errno */
	bool wb_seen; /* pages_lock: somebody was told */
	/* Size of the object in bytes now; faults past it are SIGBUS. */
	u64 (*size)(struct address_space *mapping);
};

/* What reading through an open file looked like lately (readahead.c). */
struct file_ra_state {
	spinlock_t lock;
	pgoff_t start; /* (L) the window last read ahead */
	/* (L) its pages; when these are left, the next one is read */
	unsigned int size, async_size;
	pgoff_t prev;		  /* (A) the last page read */
	pgoff_t last_miss;	  /* (L) */
	long stride;		  /* (L) pages between the last misses */
	unsigned int stride_hits; /* (L) that often in a row */
	unsigned int mmap_miss;	  /* (A) faults that had to read, less those that had not */
	u8 mode;		  /* (A) RA_ */
};
enum ra_mode { RA_NORMAL, RA_RANDOM, RA_SEQUENTIAL };

/* An open file as the core sees it; file systems embed it first in their struct file, zeroed. */
struct vm_file {
	atomic_t f_count;
	u32 f_wb_seq; /* (A) write errors that this file was told of */
	/* (A) the same of its file system's metadata, if that has a mapping of its own */
	u32 f_metadata_seq;
	struct file_ra_state f_ra;
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
					   unsigned long len, unsigned long pgoff,
					   unsigned long flags);
	void (*release)(struct vm_file *file); /* f_count reached 0 */
	/*
	 * Write what was changed in bytes [start, end] and wait; 0 or the error. NULL: nothing to
	 * do. May sleep.
	 */
	int (*fsync)(struct vm_file *file, u64 start, u64 end, bool datasync);
	/*
	 * Bytes [start, end), whole pages, become a hole; 0 or -errno. NULL: -EOPNOTSUPP. No
	 * locks held. May sleep.
	 */
	int (*punch_hole)(struct vm_file *file, u64 start, u64 end);
	/*
	 * A page of the file is about to be written through a shared mapping, for the first time
	 * since it was clean: the file has changed. Called with the page's lock and mmap_lock held.
	 * May sleep. Optional; may be NULL.
	 */
	void (*mapped_write)(struct vm_file *file);
	/* May the caller have pages of the file evicted, which others can notice? NULL: yes. */
	bool (*may_evict)(struct vm_file *file);
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

/*
 * Set up the empty mapping of host. size: returns the bytes that the object has now.
 * Context: any; nobody else knows the mapping yet.
 */
void address_space_init(struct address_space *mapping, void *host,
			const struct address_space_operations *a_ops,
			u64 (*size)(struct address_space *mapping));

/*
 * Find the cached page at a page index.
 * Context: any. Refs: the page returned has one. Return: the page, or NULL: none in memory.
 */
struct page *find_get_page(struct address_space *mapping, pgoff_t index);

/*
 * find_get_page(), with the page locked and still in the mapping.
 * Context: may sleep. Refs: one. Return: the locked page, or NULL.
 */
struct page *find_lock_page(struct address_space *mapping, pgoff_t index);

/*
 * The page at a page index; a missing one is allocated, and is not Uptodate.
 * Context: may sleep. Refs: one. Return: the locked page, or NULL without memory.
 */
struct page *grab_cache_page(struct address_space *mapping, pgoff_t index) __must_check;

/*
 * Is there a page at a page index, in memory or in swap?
 * Context: any. Return: the answer, which may be out of date at once.
 */
bool page_cache_has(struct address_space *mapping, pgoff_t index);

/*
 * Is there data at a page index, in memory or in swap? Pages of allocate_own_page() hold none.
 * Context: any. Return: the answer, which may be out of date at once.
 */
bool page_cache_has_data(struct address_space *mapping, pgoff_t index);

/*
 * Find the first page index at or after *index with data; *index becomes that index.
 * Context: may sleep. Return: false if there is none.
 */
bool page_cache_next_data(struct address_space *mapping, pgoff_t *index);

/*
 * For mappings that are their own backing store: have a page at a page index, as fallocate(2)
 * wants it. A new one holds no data (not Uptodate): it reads as zeroes, and is zeroed when it is
 * first used.
 * Context: may sleep. Return: 0, -ENOMEM, -EIO.
 */
int allocate_own_page(struct address_space *mapping, pgoff_t index) __must_check;

/*
 * How many places of a mapping have a page, in memory or in swap.
 * Context: any. Return: pages.
 */
unsigned long mapping_data_pages(struct address_space *mapping);

/*
 * Put a new page into the cache at a page index, in place of a swap entry if there is one.
 * Context: may sleep. Locks: the page is locked. Refs: the cache takes one.
 * Return: 0, -EEXIST (another page is there), -ENOMEM.
 */
int add_to_page_cache(struct page *page, struct address_space *mapping, pgoff_t index) __must_check;

/*
 * Take a page out of its mapping, whatever it holds.
 * Context: any. Locks: the page is locked, unmapped, not under writeback. Refs: drops the cache's;
 * the caller has one.
 */
void remove_from_page_cache(struct page *page); /* locked page */

/*
 * Reclaim: the same if the page is clean and has exactly count references (2: the cache's and the
 * caller's); checked under the lock that look-ups take. (RC-28)
 * Context: any. Locks: the page is locked. Return: true if it was removed.
 */
bool remove_unused_from_page_cache(struct page *page, int count) __must_check;

/*
 * The page at a page index, read if need be. file: passed to readpage, may be NULL.
 * Context: may sleep. Refs: one. Return: an Uptodate page, unlocked; or ERR_PTR(-ENOMEM, -EIO).
 */
struct page *read_cache_page(struct address_space *mapping, struct vm_file *file, pgoff_t index);

static inline struct iov_user iov_user_buf(unsigned long addr)
{
	return (struct iov_user){addr, false};
}
static inline struct iov_user iov_kernel_buf(const void *addr)
{
	return (struct iov_user){(unsigned long)addr, true};
}
/* Copy n bytes to / from the buffer at offset; bytes NOT copied. May sleep. */
size_t iov_put(struct iov_user buf, size_t offset, const void *src, size_t n) __must_check;
size_t iov_get(struct iov_user buf, size_t offset, void *dst, size_t n) __must_check;
size_t iov_clear(struct iov_user buf, size_t offset, size_t n) __must_check;

/*
 * Read count bytes at *pos through the page cache; *pos moves on.
 * Context: may sleep. Return: bytes done, 0 at the end of the file, or -errno if none.
 */
long generic_file_read(struct vm_file *file, struct iov_user buf, size_t count, u64 *pos);

/*
 * Write count bytes at *pos through the page cache; *pos moves on. The file system sets the size.
 * Context: may sleep. Locks: the file system's lock on the file. Return: bytes done, or -errno if
 * none.
 */
long generic_file_write(struct vm_file *file, struct iov_user buf, size_t count, u64 *pos);

/*
 * O_DIRECT: read by a_ops->direct_IO as far as that goes, the rest through the cache. *pos moves
 * on.
 * Context: may sleep. Locks: the file system's lock, as direct_IO wants it. Return: bytes or
 * -errno.
 */
long generic_direct_read(struct vm_file *file, struct iov_user buf, size_t count, u64 *pos);

/*
 * O_DIRECT: the same for writing; what went through the cache is on the disk on return.
 * Context: may sleep. Locks: the file system's lock, for write. Return: bytes or -errno.
 */
long generic_direct_write(struct vm_file *file, struct iov_user buf, size_t count, u64 *pos);

/*
 * vm_file_operations.mmap for files whose pages are in the page cache.
 * Context: may sleep. Locks: mmap_lock for write. Return: 0, or -ENODEV without a mapping.
 */
int generic_file_mmap(struct vm_file *file, struct vm_area_struct *vma);

/*
 * vm_operations_struct.nopage of such files: the page at vmf->pgoff, in vmf->page.
 * Context: may sleep. Locks: mmap_lock for read; dropped with VM_FAULT_RETRY. Refs: the page has
 * one.
 * Return: VM_FAULT_LOCKED, perhaps with VM_FAULT_MAJOR; VM_FAULT_RETRY; or an error bit.
 */
vm_fault_t filemap_nopage(struct vm_fault *vmf);

/*
 * Collect pages of [first, first + nr) (page indices) that can be mapped without waiting.
 * Context: does not sleep. Locks: mmap_lock. Refs: each page returned is locked and has one.
 * Return: how many pages are in the array.
 */
unsigned int filemap_ready_pages(struct vm_area_struct *vma, unsigned long first, unsigned int nr,
				 struct page **pages);

/*
 * vm_operations_struct.page_mkwrite of such files: the locked vmf->page is about to become
 * writable.
 * Context: may sleep. Locks: mmap_lock for read; dropped with VM_FAULT_RETRY.
 * Return: 0, VM_FAULT_NOPAGE (truncated), VM_FAULT_RETRY, or an error bit.
 */
vm_fault_t filemap_page_mkwrite(struct vm_fault *vmf);

/*
 * Drop all pages from byte size on, unmapping them, and zero the rest of a page that is cut.
 * Context: may sleep. Locks: the inode's lock for write; the size is already smaller.
 */
void truncate_inode_pages(struct address_space *mapping, u64 size);

/*
 * Punch a hole: drop the pages of bytes [start, end), and zero the parts of the pages at its
 * edges.
 * Context: may sleep. Locks: the inode's lock for write.
 */
void truncate_inode_pages_range(struct address_space *mapping, u64 start, u64 end);

/* ---- Dirty pages and writeback (page-writeback.c) ---------------------------------------- */

/*
 * The contents of a page have changed: it is to be written.
 * Context: any. Locks: the page is locked, or mapped by the caller, so that its mapping stays.
 * Return: true if it was clean.
 */
bool set_page_dirty(struct page *page);

/*
 * A page is about to be written: write-protect its entries, and clear PG_dirty.
 * Context: may sleep. Locks: the page is locked, not under writeback. Return: false if it is
 * clean.
 */
bool clear_page_dirty_for_io(struct page *page);

/*
 * The page is being written from now on.
 * Context: any. Locks: the page is locked. Refs: one for the time of the writeback.
 */
void set_page_writeback(struct page *page);

/*
 * The write of a page has ended; waiters are woken. Its mapping may be freed afterwards.
 * Context: any. Refs: drops the writeback's, perhaps the last one.
 */
void end_page_writeback(struct page *page);

/*
 * Note that a write has failed with err (0 is ignored), for all who have the file open.
 * Context: any.
 */
void mapping_set_error(struct address_space *mapping, int err);

/*
 * A new cursor for mapping_check_wb_err(): behind all errors that were reported to somebody.
 * Context: any. Return: the cursor.
 */
u32 mapping_sample_wb_err(struct address_space *mapping);

/*
 * Report the last write error behind a cursor once, and move the cursor.
 * Context: any. Return: 0 or that error.
 */
int mapping_check_wb_err(struct address_space *mapping, u32 *cursor) __must_check;

/*
 * At open: only later errors, and such as nobody was told of, concern this open file.
 * Context: any.
 */
void file_sample_wb_err(struct vm_file *file);

/*
 * Report the write error that this open file was not told of yet.
 * Context: any. Return: 0 or the error.
 */
int file_check_and_advance_wb_err(struct vm_file *file);

/*
 * Start writing the dirty pages of [start, end] (page indices, end included).
 * Context: may sleep. Locks: no page lock held. Return: 0, or the first error in starting.
 */
int filemap_fdatawrite_range(struct address_space *mapping, pgoff_t start, pgoff_t end);

/*
 * Wait for the pages of [start, end] (page indices) that are under writeback.
 * Context: may sleep. Locks: no page lock held.
 */
void filemap_fdatawait_range(struct address_space *mapping, pgoff_t start, pgoff_t end);

/*
 * Both, for bytes [start, end], end included; ~0: to the end.
 * Context: may sleep. Return: 0, or the first error in starting.
 */
int filemap_write_and_wait_range(struct address_space *mapping, u64 start, u64 end) __must_check;
static inline int __must_check filemap_write_and_wait(struct address_space *mapping)
{
	return filemap_write_and_wait_range(mapping, 0, ~0ull);
}

/*
 * fsync of a file that is nothing but its pages: write bytes [start, end], wait, and report
 * errors.
 * Context: may sleep. Return: 0 or the error.
 */
int generic_file_fsync(struct vm_file *file, u64 start, u64 end);

/*
 * Write up to nr dirty pages of a mapping, passing by those that are busy.
 * Context: may sleep. Return: how many writes were started.
 */
unsigned long writeback_some(struct address_space *mapping, unsigned long nr);

/*
 * Start writing the dirty pages of all files; with wait, of disks, too, and wait until all are
 * written.
 * Context: may sleep.
 */
void sync_mappings(bool wait);

/*
 * After dirtying a page: wait here while too much memory is dirty. mapping: some of it is written
 * first; NULL, as after a fault: of any file.
 * Context: may sleep. Locks: none that writing pages needs.
 */
void balance_dirty_pages_ratelimited(struct address_space *mapping);

/*
 * Wait until writeback has let go of a mapping that has no dirty pages and is about to end.
 * Context: may sleep.
 */
void writeback_let_go(struct address_space *mapping);

/*
 * Have the flusher look now, e.g. since limits were changed.
 * Context: any.
 */
void writeback_wake(void);
/*
 * Who has more to write than dirty pages. The flusher calls it in each of its rounds, one at a
 * time; it may sleep, and decides itself what is due at time now (ns).
 */
struct writeback_source {
	struct list_head link;
	void (*write)(struct writeback_source *source, u64 now);
};

/*
 * Have the flusher call source->write in each of its rounds.
 * Context: may sleep.
 */
void writeback_add_source(struct writeback_source *source);

/*
 * End that; a call under way is waited for.
 * Context: may sleep.
 */
void writeback_remove_source(struct writeback_source *source);

/*
 * Start the flusher; panics without memory.
 * Context: boot, once tasks run.
 */
void writeback_init(void);

/* Shares of the memory that can be dirty, percent: background writing starts, writers wait. */
extern int dirty_background_ratio, dirty_ratio;
/* 1/100 s: age at which a page is written; between two looks (0: none). */
extern int dirty_expire_centisecs, dirty_writeback_centisecs;
extern atomic_long_t nr_dirty_pages, nr_writeback_pages;

/* ---- Reading ahead (readahead.c) ----------------------------------------------------------- */

/*
 * The page at a page index is missing, and nr pages from there on are wanted: read them, and those
 * that are likely to be wanted next.
 * Context: may sleep. Locks: no page lock held.
 */
void page_cache_sync_readahead(struct vm_file *file, pgoff_t index, unsigned long nr);

/*
 * A reader of nr pages has met a page with PG_readahead: read the next window.
 * Context: may sleep. Refs: the caller has one of the page.
 */
void page_cache_async_readahead(struct vm_file *file, struct page *page, unsigned long nr);

/*
 * A fault at a page index misses: read it and pages around it. vm_flags: those of the region.
 * Context: may sleep.
 */
void page_cache_fault_readahead(struct vm_file *file, pgoff_t index, unsigned long vm_flags);

/*
 * Start reading the missing pages of [start, start + nr) (page indices) that lie in the file.
 * Context: may sleep.
 */
void force_page_cache_readahead(struct vm_file *file, pgoff_t start, unsigned long nr);

/*
 * posix_fadvise(2) for bytes [offset, offset + len), len 0: to the end. advice: FADV_.
 * Context: may sleep. Return: 0, or -EINVAL for an unknown advice.
 */
int generic_fadvise(struct vm_file *file, u64 offset, u64 len, int advice) __must_check;
enum { FADV_NORMAL, FADV_RANDOM, FADV_SEQUENTIAL, FADV_WILLNEED, FADV_DONTNEED, FADV_NOREUSE };

/*
 * Drop the clean, unmapped and unused pages of [start, end] (page indices).
 * Context: may sleep. Return: how many pages were dropped.
 */
unsigned long invalidate_mapping_pages(struct address_space *mapping, pgoff_t start, pgoff_t end);

/*
 * Drop all clean pages of [start, end] (page indices), unmapping them.
 * Context: may sleep. Return: 0, or -EBUSY if some stay, dirty or with buffers in use.
 */
int invalidate_inode_pages2_range(struct address_space *mapping, pgoff_t start,
				  pgoff_t end) __must_check;

/*
 * Drop the clean, unmapped and unused pages of all files (drop_caches).
 * Context: may sleep. Return: how many pages were dropped.
 */
unsigned long drop_pagecache(void);

/* Pages in all page caches / of those, in mappings with shmem set. For /proc/meminfo. */
extern atomic_long_t nr_pagecache_pages, nr_shmem_pages;

/*
 * Create the slab cache of tree nodes; panics without memory.
 * Context: boot.
 */
void page_cache_init(void);

/* Operations of a mapping with shmem set whose pages can be swapped. (shmem_swap.c) */
extern const struct address_space_operations shmem_aops;

/*
 * A file of size bytes of zeroes with no name, for MAP_SHARED|MAP_ANONYMOUS, with one reference;
 * NULL: no memory. reserve: all of it counts as committed (vm_enough_memory) until the file's end,
 * and NULL also means that there is not so much. May sleep. The core has its own
 * (mm/cache/shmem.c); whoever has a better one may put it here at boot.
 */
extern struct vm_file *(*shmem_zero_setup)(u64 size, bool reserve);

/*
 * Is this a file of mm/cache/shmem.c? They have no inode; *id becomes a number of their own.
 * Context: any. Return: the answer.
 */
bool is_shmem_zero_file(const struct vm_file *file, u64 *id);

PAGODA_C_END
