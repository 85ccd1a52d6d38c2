/* SPDX-License-Identifier: MIT */
/*
 * filemap.c: the page cache, and mapping files through it. Reading and writing: filemap_rw.c.
 *
 * A file's pages are found by (mapping, index) in the mapping's radix tree:
 *
 *	address_space.i_pages -> struct page { mapping, index } -> frame
 *
 * A lookup costs one step per six bits of the index: a file of one page is a pointer
 * fetch, one of 256 KiB a single node. read(2), write(2) and faults all use the same
 * pages, so shared mappings and system calls agree at every moment.
 *
 * A page in the cache is in one of these states:
 *
 *	absent --grab--> locked, not Uptodate --filled--> Uptodate
 *	   ^                                                 |
 *	   +------- remove (locked, unmapped) <--------------+
 *
 * A task that finds a page not Uptodate locks it and looks again; the contents of such a page are
 * never shown to a program. A mapping without readpage is its own backing store (tmpfs): its
 * missing pages are zeroes, made only when somebody writes or maps them; what was swapped is an
 * entry in place of the page (shmem_swap.c), which look-ups pass by and adding replaces.
 *
 * Locking. pages_lock guards the tree, nrpages and the cache's identity of a page
 * (page->mapping, page->index): changing them also needs the page lock, so either lock is
 * enough to rely on them. References: the cache holds one, each finder one of its own. A
 * cached page is on the inactive list until it is used (lru.h); its last put takes it off.
 * Tree nodes are allocated outside pages_lock (lib/radix_tree.h, pools).
 *
 * Truncation against faults: truncation shrinks the size first, then for each page takes
 * its lock, unmaps it and removes it. A fault locks the page, then checks that it still
 * belongs to the mapping and lies inside the size, and returns it locked, so its PTE is
 * set before truncation can pass by:
 *
 *	fault					truncate
 *	lock page				size = new
 *	page->mapping, size right?		lock page: waits
 *	set PTE, unlock page		->	unmap, remove
 *
 * Invariants: (I1) a page in a tree at index i has page->mapping and page->index saying
 * so; (I2) an Uptodate page was zeroed or filled entirely before the bit was set; (I3)
 * nrpages is the number of items in the tree.
 *
 * Failure: only allocations and readpage fail; nothing stays behind then.
 * Observability: nr_pagecache_pages, nr_shmem_pages; events pgpgin.
 */
#include "filemap_internal.h"
#include <pagoda/buffer_head.h>
#include <pagoda/mempolicy.h>
#include <pagoda/page_alloc.h>
#include <pagoda/highmem.h>
#include <pagoda/lru.h>
#include <pagoda/slab.h>
#include <pagoda/mm.h>
#include <pagoda/vmscan.h>
#include <pagoda/vmstat.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <mm/space/fault_internal.h>

atomic_long_t nr_pagecache_pages, nr_shmem_pages;

static kmem_cache_t *node_cache; /* struct radix_tree_node */

void page_cache_init(void)
{
	node_cache = kmem_cache_create("radix_tree_node", sizeof(struct radix_tree_node), 0,
				       SLAB_HWCACHE_ALIGN, NULL, NULL);
	if (!node_cache)
		panic("no memory for the page cache");
	buffer_init();
}

void address_space_init(struct address_space *mapping, void *host,
			const struct address_space_operations *a_ops,
			u64 (*size)(struct address_space *mapping))
{
	mapping->host = host;
	radix_tree_init(&mapping->i_pages);
	spin_lock_init(&mapping->pages_lock, RANK_I_PAGES);
	mapping->nrpages = 0;
	mapping->a_ops = a_ops;
	mapping->i_mmap = mapping->i_mmap_shared = (struct rb_root)RB_ROOT;
	init_rwsem(&mapping->i_mmap_rwsem, RANK_I_MMAP);
	init_rwsem(&mapping->invalidate_lock, RANK_INVALIDATE);
	mapping->gfp_mask = GFP_HIGHUSER_MOVABLE;
	mapping->shmem = mapping->swap_locked = mapping->was_swapped = false;
	mapping->nrswapped = mapping->nr_slots = 0;
	INIT_LIST_HEAD(&mapping->swap_link);
	mapping->nr_dirty = mapping->nr_writeback = 0;
	INIT_LIST_HEAD(&mapping->dirty_link);
	mapping->dirtied_when = 0;
	mapping->sync_round = 0;
	atomic_set(&mapping->wb_users, 0);
	mapping->wb_seq = 0;
	mapping->wb_err = 0;
	mapping->wb_seen = false;
	mapping->size = size;
}

/* ---- The index --------------------------------------------------------------------------- */

/* Free the nodes that an insertion did not use, or that a deletion has given back. */
void page_tree_free_pool(struct radix_tree_pool *pool)
{
	struct radix_tree_node *node;

	while ((node = radix_tree_pool_get(pool)))
		kmem_cache_free(node_cache, node);
}

/*
 * Put nr tree nodes into the pool. -ENOMEM: some may be in it already; the caller frees the pool.
 * May sleep, therefore the tree's lock must not be held.
 */
int page_tree_fill_pool(struct radix_tree_pool *pool, int nr)
{
	VM_BUG_ON(nr <= 0);
	while (nr-- > 0) {
		struct radix_tree_node *node = kmem_cache_alloc(node_cache, GFP_KERNEL);

		if (!node)
			return -ENOMEM;
		radix_tree_pool_put(pool, node);
	}
	return 0;
}

/*
 * The reference is taken under pages_lock, where removal checks the count: so a page that is found
 * cannot be freed in between, and one that is being removed is not found.
 */
struct page *find_get_page(struct address_space *mapping, pgoff_t index)
{
	unsigned long flags;
	struct page *page;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	page = radix_tree_lookup(&mapping->i_pages, index);
	/* The place is in swap: no page is in memory. */
	if (is_swap_item(page))
		page = NULL;
	if (page)
		get_page(page);
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return page;
}

/*
 * While we wait for the lock, the page may leave the mapping, and another page may take its place.
 * So look at page->mapping under the lock, and start over if it has changed.
 */
struct page *find_lock_page(struct address_space *mapping, pgoff_t index)
{
	struct page *page;

	while ((page = find_get_page(mapping, index))) {
		lock_page(page);
		if (page->mapping == mapping)
			break;
		/* The page was truncated while we waited for its lock: look again. */
		unlock_page(page);
		put_page(page);
	}
	VM_BUG_ON(page && !PageLocked(page));
	return page;
}

/* The reference that is taken here is the cache's own. */
void link_page(struct page *page, struct address_space *mapping, pgoff_t index)
{
	lockdep_assert_held(&mapping->pages_lock);
	VM_BUG_ON(!PageLocked(page) || page->mapping); /* (I1): it was in no mapping */
	get_page(page);
	page->mapping = mapping;
	page->index = index;
	page->private = NULL;
	if (mapping->shmem) {
		SetPageSwapBacked(page);
		atomic_long_inc(&nr_shmem_pages);
	}
	mapping->nrpages++;
	atomic_long_inc(&nr_pagecache_pages);
}

/*
 * Outside of pages_lock, since the LRU locks must not be taken under it for long: put the page on
 * its list, and tell reclaim, which may remember that the page was evicted a short while ago.
 */
void page_was_added(struct page *page)
{
	VM_BUG_ON(!PageLocked(page) || !page->mapping);
	lru_cache_add(page);
	page_refaulted(page);
}

/*
 * Enter a page into the tree, in place of a swap entry if there is one. 0; -EEXIST: a page is
 * there already; or the number of tree nodes that the pool must get first. Locks: pages_lock held.
 */
static int insert_page(struct page *page, struct address_space *mapping, pgoff_t index,
		       struct radix_tree_pool *pool) MUST_HOLD(&mapping->pages_lock)
{
	int ret;

	lockdep_assert_held(&mapping->pages_lock);
	if (mapping->nrswapped && shmem_swap_ops->entry_to_page(mapping, index, page))
		return 0;
	ret = radix_tree_insert(&mapping->i_pages, index, page, pool);
	if (!ret)
		link_page(page, mapping, index);
	return ret;
}

/*
 * The pool is filled without the lock and the insertion tried again: another task may have changed
 * the tree meanwhile, so a round may find that it needs still more nodes.
 */
int add_to_page_cache(struct page *page, struct address_space *mapping, pgoff_t index)
{
	struct radix_tree_pool pool = {NULL, 0};
	unsigned long flags;
	int ret;

	VM_BUG_ON(!PageLocked(page));
	do {
		spin_lock_irqsave(&mapping->pages_lock, flags);
		ret = insert_page(page, mapping, index, &pool);
		spin_unlock_irqrestore(&mapping->pages_lock, flags);
		if (ret > 0 && page_tree_fill_pool(&pool, ret))
			ret = -ENOMEM;
	} while (ret > 0);
	page_tree_free_pool(&pool);
	if (!ret)
		page_was_added(page);
	return ret;
}

/* Has the page of shared memory a swap slot? page->private is the slot then. */
static bool has_slot(const struct address_space *mapping, const struct page *page)
{
	return mapping->shmem && page->private;
}

/*
 * Take a page out of the tree. With swapped set, its slot, if it has one, takes its place there.
 * Until this function has cleared page->mapping, look-ups find the page. Locks: pages_lock and the
 * page lock held.
 */
static void unlink_page(struct page *page, struct address_space *mapping,
			struct radix_tree_pool *pool, bool swapped) MUST_HOLD(&mapping->pages_lock)
{
	struct page *found;

	lockdep_assert_held(&mapping->pages_lock);
	VM_BUG_ON(!PageLocked(page) || page->mapping != mapping); /* (I1) */
	VM_BUG_ON(!mapping->nrpages);				  /* (I3) */
	forget_page_tags(mapping, page);
	if (swapped && has_slot(mapping, page)) {
		shmem_swap_ops->page_to_entry(mapping, page);
	} else {
		found = radix_tree_delete(&mapping->i_pages, page->index, pool);
		BUG_ON(found != page);
	}
	mapping->nrpages--;
	WRITE_ONCE(page->mapping, NULL);
}

static void count_removed(const struct address_space *mapping)
{
	if (mapping->shmem)
		atomic_long_dec(&nr_shmem_pages);
	atomic_long_dec(&nr_pagecache_pages);
}

/*
 * Whatever the page holds goes with it, so PG_dirty is cleared, too. The cache's reference is
 * dropped last; the caller still has one.
 */
void remove_from_page_cache(struct page *page)
{
	struct address_space *mapping = page->mapping;
	struct radix_tree_pool pool = {NULL, 0};
	unsigned long flags;

	VM_BUG_ON(page_count(page) < 2); /* the reference of the cache, and the caller's */
	BUG_ON(!PageLocked(page) || !mapping || PageAnon(page));
	spin_lock_irqsave(&mapping->pages_lock, flags);
	unlink_page(page, mapping, &pool, false);
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	count_removed(mapping);
	if (has_slot(mapping, page))
		shmem_swap_ops->page_removed(mapping, page);
	ClearPageDirty(page);
	page_tree_free_pool(&pool);
	put_page(page);
}

/*
 * The checks and the removal are one step under pages_lock, where find_get_page() takes
 * references. A page that was dirtied through a mapping is caught by PG_dirty: unmapping has moved
 * the dirty bits to it.
 */
bool remove_unused_from_page_cache(struct page *page, int count)
{
	struct address_space *mapping = page->mapping;
	struct radix_tree_pool pool = {NULL, 0};
	unsigned long flags;
	bool unused;

	VM_BUG_ON(count < 2);
	BUG_ON(!PageLocked(page) || !mapping || PageAnon(page));
	spin_lock_irqsave(&mapping->pages_lock, flags);
	unused = page_count(page) == count && !PageDirty(page) && !PageWriteback(page);
	if (unused)
		unlink_page(page, mapping, &pool, true);
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	if (!unused)
		return false;
	count_removed(mapping);
	page_tree_free_pool(&pool);
	put_page(page);
	return true;
}

unsigned int find_get_pages(struct address_space *mapping, struct page **pages, unsigned int nr,
			    pgoff_t first, pgoff_t end)
{
	unsigned int found = 0;
	unsigned long flags;
	struct page *page;

	VM_BUG_ON(!nr);
	spin_lock_irqsave(&mapping->pages_lock, flags);
	while (found < nr && first <= end && (page = radix_tree_next(&mapping->i_pages, &first)) &&
	       first <= end) {
		if (!is_swap_item(page)) {
			get_page(page);
			pages[found++] = page;
		}
		/* The very last index was looked at: incrementing it has wrapped to 0. */
		if (first++ == ~0ul)
			break;
	}
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	return found;
}

/*
 * LockPage() sets the bit without waiting: nobody else can know the page before it is in the tree,
 * and there it must be locked from the first moment, as it is not Uptodate.
 */
struct page *add_new_page(struct address_space *mapping, pgoff_t index, gfp_t gfp)
{
	struct page *page = alloc_page_vma(gfp, NULL, index);
	int err;

	if (!page)
		return ERR_PTR(-ENOMEM);
	LockPage(page);
	err = add_to_page_cache(page, mapping, index);
	if (!err)
		return page;
	unlock_page(page);
	put_page(page);
	return err == -EEXIST ? NULL : ERR_PTR(err);
}

/* Loops only if another task adds or removes the page between the look-up and the insertion. */
struct page *grab_cache_page(struct address_space *mapping, pgoff_t index)
{
	struct page *page;

	do {
		page = find_lock_page(mapping, index);
		if (!page)
			page = add_new_page(mapping, index, mapping->gfp_mask);
	} while (!page);
	return IS_ERR(page) ? NULL : page;
}

/*
 * The page lock is held while the page is read. The read may still wait in a plugged queue,
 * perhaps our own, so start it before sleeping. The mapping is read without the lock: if the page
 * is just leaving it, all queues are run instead.
 */
void wait_for_read(struct page *page)
{
	struct address_space *mapping = READ_ONCE(page->mapping);

	if (!TryLockPage(page))
		return;
	if (mapping && mapping->a_ops->sync_page)
		mapping->a_ops->sync_page(page);
	else
		run_disk_queue();
	lock_page(page);
}

/* The only place of its contents is memory, and swap. */
void fill_own_page(struct page *page)
{
	VM_BUG_ON(!PageLocked(page) || PageUptodate(page));
	clear_highpage(page);
	SetPageUptodate(page);
	/* There is no backing store to read the zeroes from again, so the page counts as dirty. */
	(void)set_page_dirty(page);
}

int allocate_own_page(struct address_space *mapping, pgoff_t index)
{
	struct page *page = NULL;

	VM_BUG_ON(mapping->a_ops->readpage);
	if (!page_cache_has(mapping, index)) {
		page = add_new_page(mapping, index, mapping->gfp_mask);
		if (page && !IS_ERR(page)) {
			(void)set_page_dirty(page); /* no backing store has its contents */
			unlock_page(page);
		}
	}
	if (!page) /* The place has a page or an entry already: bring it to memory. */
		page = read_cache_page(mapping, NULL, index);
	if (IS_ERR(page))
		return (int)PTR_ERR(page);
	put_page(page);
	return 0;
}

/* Has it to be read, as it is not Uptodate? */
static bool must_be_read(const struct address_space *mapping, const struct page *page)
{
	VM_BUG_ON(!PageLocked(page));
	return !PageUptodate(page) && (mapping->a_ops->readpage || page->private);
}

/*
 * Reading unlocks the page, so the lock is taken again afterwards. By then the page may have been
 * truncated (-EAGAIN: the caller looks the index up again), or the read may have failed (-EIO).
 */
int fill_locked_page(struct address_space *mapping, struct vm_file *file, struct page *page)
{
	VM_BUG_ON(!PageLocked(page));
	if (PageUptodate(page))
		return 0;
	if (mapping->a_ops->readpage) {
		count_vm_event(pgpgin);
		/* the state of the page tells whether it worked */
		(void)mapping->a_ops->readpage(file, page);
	} else if (page->private) {
		shmem_swap_ops->swap_in(mapping, page);
	} else {
		fill_own_page(page);
		return 0;
	}
	wait_for_read(page);
	if (page->mapping != mapping)
		return -EAGAIN;
	if (!PageUptodate(page))
		return -EIO;
	if (has_slot(mapping, page))
		shmem_swap_ops->page_read(page);
	return 0;
}

/* The page at index locked, up to date, with a reference, or ERR_PTR(-ENOMEM, -EIO). */
static struct page *get_filled_locked_page(struct address_space *mapping, struct vm_file *file,
					   pgoff_t index, bool *read)
{
	for (;;) {
		struct page *page = grab_cache_page(mapping, index);
		int err;

		if (!page)
			return ERR_PTR(-ENOMEM);
		*read |= must_be_read(mapping, page);
		err = fill_locked_page(mapping, file, page);
		if (!err)
			return page;
		unlock_page(page);
		put_page(page);
		if (err != -EAGAIN)
			return ERR_PTR(err);
	}
}

struct page *read_cache_page(struct address_space *mapping, struct vm_file *file, pgoff_t index)
{
	struct page *page = find_get_page(mapping, index);
	bool read = false;

	if (page && PageUptodate(page))
		return page;
	if (page)
		put_page(page);
	page = get_filled_locked_page(mapping, file, index, &read);
	if (!IS_ERR(page))
		unlock_page(page);
	return page;
}

/* ---- Mapping --------------------------------------------------------------------------------- */

/*
 * A fault has found or made a page past the end of the file: drop its lock and reference, and
 * remove it if truncation has passed already, as nobody else would. A page that is mapped or under
 * writeback is left to truncation, which is still on its way.
 */
static vm_fault_t past_the_end(struct address_space *mapping, struct page *page)
{
	VM_BUG_ON(!PageLocked(page));
	/* Truncation will remove these pages itself when it comes to them. */
	if (page->mapping == mapping && !page_mapcount(page) && !PageWriteback(page) &&
	    release_page_private(page, GFP_KERNEL))
		remove_from_page_cache(page);
	unlock_page(page);
	put_page(page);
	return VM_FAULT_SIGBUS;
}

/*
 * Start read-ahead, before the page is locked, if it is missing (then return true) or marked
 * PG_readahead.
 */
static bool readahead_for_fault(struct vm_file *file, pgoff_t pgoff, unsigned long vm_flags)
{
	struct page *page;

	if (!file->f_mapping->a_ops->readpage)
		return false;
	page = find_get_page(file->f_mapping, pgoff);
	if (!page)
		page_cache_fault_readahead(file, pgoff, vm_flags);
	else if (PageReadahead(page) && !(vm_flags & VM_RAND_READ))
		page_cache_async_readahead(file, page, 1);
	note_read(file, pgoff);
	if (page)
		put_page(page);
	return !page;
}

/*
 * Find or read the page at pgoff: *ppage is locked, with a reference; *read is set if it was read.
 * 0 or VM_FAULT_ERROR bits.
 */
static vm_fault_t read_for_fault(struct vm_file *file, pgoff_t pgoff, struct page **ppage,
				 bool *read)
{
	struct address_space *mapping = file->f_mapping;
	struct page *page = get_filled_locked_page(mapping, file, pgoff, read);

	if (IS_ERR(page))
		return PTR_ERR(page) == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	/* The file was truncated before we had the page lock. */
	if (pgoff >= pages_in_file(mapping))
		return past_the_end(mapping, page);
	*ppage = page;
	return 0;
}

/*
 * If the page is being read, wait until that has ended. 0, or -EINTR if a fatal signal is pending.
 */
static int wait_for_started_read(struct address_space *mapping, pgoff_t pgoff)
{
	struct page *page = find_get_page(mapping, pgoff);
	int err;

	if (!page)
		return 0;
	err = wait_on_page_killable(page);
	put_page(page);
	return err;
}

/*
 * Drop mmap_lock, then read the page and keep it for the next try of the fault (fault_retry.c). If
 * the fault is a write to a shared region, the page becomes writable here, too, as the next try
 * must not wait for that.
 */
static noinline vm_fault_t read_for_next_try(struct vm_fault *vmf)
{
	struct vm_file *file = get_vm_file(vmf->vma->vm_file);
	unsigned long vm_flags = vmf->vma->vm_flags;
	bool shared_write = vm_flags & VM_SHARED && vmf->flags & FAULT_FLAG_WRITE;
	vm_fault_t fault = 0;
	struct page *page;
	bool read;

	/* Without mmap_lock the region may be unmapped. The reference keeps the file. */
	fault_unlock_mm(vmf);
	read = readahead_for_fault(file, vmf->pgoff, vm_flags);
	if (read)
		start_read_for_fault(file, vmf->pgoff);
	if (!wait_for_started_read(file->f_mapping, vmf->pgoff)) {
		fault = read_for_fault(file, vmf->pgoff, &page, &read);
		if (!fault) {
			if (shared_write)
				fault = make_page_writable(file, page) & VM_FAULT_ERROR;
			unlock_page(page);
			if (fault)
				put_page(page);
			else
				fault_keep_page(page);
		}
	}
	put_vm_file(file);
	return VM_FAULT_RETRY | fault | (read ? VM_FAULT_MAJOR : 0);
}

/*
 * The page at an index if a fault can map it without waiting: it is Uptodate, not locked by
 * another task, and no marked page of read-ahead, which asks for the next window. Returned locked
 * and with a reference; NULL: take the slow path. Size and mapping are checked under the lock,
 * which truncation needs.
 */
static struct page *lock_ready_page(struct address_space *mapping, pgoff_t pgoff,
				    unsigned long vm_flags)
{
	struct page *page = find_get_page(mapping, pgoff);

	if (!page)
		return NULL;
	if (likely((!PageReadahead(page) || vm_flags & VM_RAND_READ) && !TryLockPage(page))) {
		if (likely(page->mapping == mapping && PageUptodate(page) &&
			   pgoff < pages_in_file(mapping)))
			return page;
		unlock_page(page);
	}
	put_page(page);
	return NULL;
}

/*
 * Is each page that the mapping lacks a page of zeroes, made without a disk? True for shared
 * memory and tmpfs of which nothing is swapped.
 */
static bool makes_its_own(const struct address_space *mapping)
{
	return !mapping->a_ops->readpage && !READ_ONCE(mapping->nrswapped);
}

/*
 * Add a page of zeroes; it is locked and has a reference. NULL: another task has added one, there
 * is no memory, or the file was truncated. The slow path then finds out which.
 */
static struct page *make_own_page(struct address_space *mapping, pgoff_t pgoff)
{
	struct page *page = add_new_page(mapping, pgoff, mapping->gfp_mask);

	if (unlikely(!page || IS_ERR(page)))
		return NULL;
	fill_own_page(page);
	if (likely(pgoff < pages_in_file(mapping)))
		return page;
	(void)past_the_end(mapping, page);
	return NULL;
}

/*
 * First without waiting (lock_ready_page), then without a disk (make_own_page). If the fault may
 * be retried, the page is read without mmap_lock; else, on the second try, with it.
 */
vm_fault_t filemap_nopage(struct vm_fault *vmf)
{
	struct vm_file *file = vmf->vma->vm_file;
	struct address_space *mapping = file->f_mapping;
	bool read = vmf->flags & FAULT_FLAG_MAJOR;
	vm_fault_t fault;

	lockdep_assert_held(&vmf->vma->vm_mm->mmap_lock);
	if (vmf->pgoff >= pages_in_file(mapping))
		return VM_FAULT_SIGBUS;
	vmf->page = lock_ready_page(mapping, vmf->pgoff, vmf->vma->vm_flags);
	if (likely(vmf->page)) {
		if (mapping->a_ops->readpage)
			note_read(file, vmf->pgoff);
		return VM_FAULT_LOCKED | (read ? VM_FAULT_MAJOR : 0);
	}
	if (makes_its_own(mapping)) {
		vmf->page = make_own_page(mapping, vmf->pgoff);
		if (likely(vmf->page))
			return VM_FAULT_LOCKED;
	} else if (vmf->flags & FAULT_FLAG_ALLOW_RETRY) {
		return read_for_next_try(vmf);
	}
	read |= readahead_for_fault(file, vmf->pgoff, vmf->vma->vm_flags);
	fault = read_for_fault(file, vmf->pgoff, &vmf->page, &read);
	return fault ? fault : VM_FAULT_LOCKED | (read ? VM_FAULT_MAJOR : 0);
}

/*
 * May the locked page be mapped? Truncation shrinks the size before it takes the lock of a page,
 * so while we hold it, a page inside the size stays in the mapping.
 */
static bool page_is_ready(struct address_space *mapping, struct page *page)
{
	VM_BUG_ON(!PageLocked(page));
	return page->mapping == mapping && PageUptodate(page) && !PageReadahead(page) &&
	       page->index < pages_in_file(mapping);
}

/*
 * Page locks are only tried, as pages_lock is held. Pages in swap, or locked by another task, are
 * passed over: fault-around maps what is ready, and the rest gets a fault of its own.
 */
unsigned int filemap_ready_pages(struct vm_area_struct *vma, unsigned long first, unsigned int nr,
				 struct page **pages)
{
	struct address_space *mapping = vma->vm_file->f_mapping;
	unsigned int found = 0, ready = 0;
	pgoff_t index = first;
	unsigned long flags;
	struct page *page;

	spin_lock_irqsave(&mapping->pages_lock, flags);
	while ((page = radix_tree_next(&mapping->i_pages, &index)) && index < first + nr) {
		if (!is_swap_item(page) && !TryLockPage(page)) {
			get_page(page);
			pages[found++] = page;
		}
		index++;
	}
	spin_unlock_irqrestore(&mapping->pages_lock, flags);
	VM_BUG_ON(found > nr);
	for (unsigned int i = 0; i < found; i++) {
		if (page_is_ready(mapping, pages[i])) {
			pages[ready++] = pages[i];
			continue;
		}
		unlock_page(pages[i]);
		put_page(pages[i]);
	}
	return ready;
}

static const struct vm_operations_struct generic_file_vm_ops = {
	.nopage = filemap_nopage,
	.ready_pages = filemap_ready_pages,
	.page_mkwrite = filemap_page_mkwrite,
};

int generic_file_mmap(struct vm_file *file, struct vm_area_struct *vma)
{
	if (!file->f_mapping)
		return -ENODEV;
	vma->vm_ops = &generic_file_vm_ops;
	return 0;
}
