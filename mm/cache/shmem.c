/* SPDX-License-Identifier: MIT */
/*
 * shmem.c: objects of memory with no name: what MAP_SHARED | MAP_ANONYMOUS maps.
 *
 * Each such mapping gets an object of its own (its neighbours never merge with it, as
 * /proc/PID/maps shows): a size, a page cache with nothing but swap behind it, and the vm_file by
 * which VMAs hold it. fork and mremap share it through that reference; the last VMA's end
 * releases the pages. Pages come with the first touch, but all of the object counts as committed
 * memory from the start, unless MAP_NORESERVE says otherwise.
 *
 *	VMA -> vm_file (f_count) -> address_space -> pages
 *
 * Locking: none of its own; f_count and the page cache's locks suffice, as size never
 * changes. Failure: creation fails with NULL and nothing left behind.
 * Observability: nr_shmem_pages; the object's number shows as the inode in maps.
 */
#include "filemap_internal.h"
#include <pagoda/bug.h>
#include <pagoda/pagemap.h>
#include <pagoda/slab.h>
#include <mm/space/account.h>

struct shmem_object {
	struct vm_file file; /* first */
	struct address_space mapping;
	u64 size;		 /* bytes (C) */
	unsigned long committed; /* pages that count in vm_committed_as (C) */
	u64 id;			 /* (C) */
};

static atomic_long_t last_id;

static u64 shmem_size(struct address_space *mapping)
{
	return container_of(mapping, struct shmem_object, mapping)->size;
}

/*
 * The last reference is gone: no region maps the object, so its pages and swap slots are freed,
 * and then the object. Truncation waits until writeback and swapoff have let go of the mapping.
 */
static void shmem_release(struct vm_file *file)
{
	struct shmem_object *object = container_of(file, struct shmem_object, file);

	VM_BUG_ON(atomic_read(&file->f_count));
	truncate_inode_pages(&object->mapping, 0);
	VM_BUG_ON(object->mapping.nrpages || object->mapping.nrswapped);
	VM_BUG_ON(!list_empty(&object->mapping.dirty_link));
	vm_unacct_memory(object->committed);
	kfree(object);
}

/* MADV_REMOVE: bytes [start, end) become zero, and their pages are freed. */
static int shmem_punch_hole(struct vm_file *file, u64 start, u64 end)
{
	truncate_inode_pages_range(file->f_mapping, start, end);
	return 0;
}

static const struct vm_file_operations shmem_file_ops = {
	.punch_hole = shmem_punch_hole,
	.mmap = generic_file_mmap,
	.release = shmem_release,
};

/* Count all pages of the object as committed memory. False: the limit does not allow so many. */
static bool commit_pages(struct shmem_object *object, u64 size)
{
	unsigned long pages = (unsigned long)((size + PAGE_SIZE - 1) >> PAGE_SHIFT);

	VM_BUG_ON(object->committed);
	if (vm_enough_memory(pages))
		return false;
	object->committed = pages;
	return true;
}

const struct shmem_swap_ops *shmem_swap_ops;

/*
 * Called by reclaim, which writes such pages only if there is a slot, so only after swap is set
 * up.
 */
static int shmem_writepage(struct page *page)
{
	VM_BUG_ON(!shmem_swap_ops || !PageLocked(page));
	return shmem_swap_ops->writepage(page);
}

const struct address_space_operations shmem_aops = {.writepage = shmem_writepage};

/*
 * All is set up before anybody else can see the object; the counts then are its only shared state.
 */
struct vm_file *shmem_create(u64 size, bool reserve)
{
	struct shmem_object *object = kzalloc(sizeof(*object), GFP_KERNEL);

	if (!object || (reserve && !commit_pages(object, size))) {
		kfree(object);
		return NULL;
	}
	address_space_init(&object->mapping, object, &shmem_aops, shmem_size);
	object->mapping.shmem = true;
	object->size = size;
	object->id = (u64)atomic_long_add_return(&last_id, 1);
	atomic_set(&object->file.f_count, 1);
	object->file.f_mapping = &object->mapping;
	object->file.f_vmops = &shmem_file_ops;
	object->file.f_may_read = object->file.f_may_write = true;
	return &object->file;
}

bool is_shmem_zero_file(const struct vm_file *file, u64 *id)
{
	if (file->f_vmops != &shmem_file_ops)
		return false;
	*id = container_of(file, struct shmem_object, file)->id;
	return true;
}
