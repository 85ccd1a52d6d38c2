/* SPDX-License-Identifier: MIT */
/*
 * pagemap.c: /proc/PID/pagemap and clear_refs: what each page is, and which were used.
 *
 * pagemap has eight bytes for each page of the address space, at its number times eight. A read
 * is served a chunk of entries at a time: regions and tables are each looked up once a chunk and
 * not once a page. Frame numbers are shown only if root opened the file.
 *
 * Locking: mmap_lock for reading while one chunk is looked up; nothing while it is copied out.
 */
#include <fs/proc/maps.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>

#define PM_PRESENT	     (1ull << 63)
#define PM_SWAP		     (1ull << 62)
#define PM_FILE		     (1ull << 61)
#define PM_SOFT_DIRTY	     (1ull << 55)
#define PM_EXCLUSIVE	     (1ull << 56)
#define PM_ENTRY_BYTES	     8u
#define PM_SWAP_OFFSET_SHIFT 5	  /* the area below it */
#define PM_CHUNK	     512u /* entries under one hold of mmap_lock: a page of them */

static u64 entry_of(pte_t pte, bool show_frame)
{
	struct page *page;
	u64 entry = 0;

	if (pte_none(pte))
		return 0;
	if (pte_present(pte) ? pte_soft_dirty(pte) : pte_swp_soft_dirty(pte))
		entry |= PM_SOFT_DIRTY;
	if (!pte_present(pte))
		return entry | PM_SWAP | swp_type(pte_to_swp_entry(pte)) |
		       (u64)swp_offset(pte_to_swp_entry(pte)) << PM_SWAP_OFFSET_SHIFT;
	page = pte_page(pte);
	entry |= PM_PRESENT;
	if (!PageAnon(page) && page->mapping)
		entry |= PM_FILE;
	if (page_mapcount(page) == 1)
		entry |= PM_EXCLUSIVE;
	if (show_frame)
		entry |= pte_pfn(pte);
	return entry;
}

/* A range of pages being looked up: entries[] is of [start, end), zeroed. */
struct pagemap_chunk {
	unsigned long start, end;
	u64 *entries;
	bool show_frames;
};

static u64 *entry_at(const struct pagemap_chunk *chunk, unsigned long addr)
{
	return &chunk->entries[(addr - chunk->start) >> PAGE_SHIFT];
}

static void add_tables(struct mm_struct *mm, const struct pagemap_chunk *chunk)
{
	unsigned long addr = chunk->start, nr;
	const pte_t *ptep;

	while ((ptep = next_table(mm, &addr, chunk->end, &nr)))
		for (; nr; nr--, addr += PAGE_SIZE, ptep++)
			*entry_at(chunk, addr) = entry_of(ptep_get(ptep), chunk->show_frames);
}

/* Regions made since clear_refs count as written in all their pages. */
static void add_regions(struct mm_struct *mm, const struct pagemap_chunk *chunk)
{
	struct vm_area_struct *vma = find_vma(mm, chunk->start);

	for (; vma && vma->vm_start < chunk->end; vma = vma->vm_next)
		if (vma->vm_flags & VM_SOFTDIRTY)
			for (unsigned long addr = max(vma->vm_start, chunk->start);
			     addr < min(vma->vm_end, chunk->end); addr += PAGE_SIZE)
				*entry_at(chunk, addr) |= PM_SOFT_DIRTY;
}

static int look_up_chunk(struct mm_struct *mm, const struct pagemap_chunk *chunk)
{
	memset(chunk->entries, 0, ((chunk->end - chunk->start) >> PAGE_SHIFT) * PM_ENTRY_BYTES);
	if (down_read_killable(&mm->mmap_lock))
		return -EINTR;
	add_tables(mm, chunk);
	add_regions(mm, chunk);
	up_read(&mm->mmap_lock);
	return 0;
}

static long read_chunks(struct mm_struct *mm, struct pagemap_chunk *chunk, struct iov_user buf,
			size_t count, u64 *pos)
{
	size_t done = 0;

	while (done<count && * pos / PM_ENTRY_BYTES<TASK_SIZE>> PAGE_SHIFT) {
		size_t n = min(count - done, (size_t)PM_CHUNK * PM_ENTRY_BYTES);

		chunk->start = (unsigned long)(*pos / PM_ENTRY_BYTES) << PAGE_SHIFT;
		chunk->end = chunk->start +
			     min(n / PM_ENTRY_BYTES << PAGE_SHIFT, TASK_SIZE - chunk->start);
		n = ((chunk->end - chunk->start) >> PAGE_SHIFT) * PM_ENTRY_BYTES;
		if (look_up_chunk(mm, chunk))
			return -EINTR;
		if (iov_put(buf, done, chunk->entries, n))
			return -EFAULT;
		done += n;
		*pos += n;
		port_cond_resched();
	}
	return (long)done;
}

long proc_read_pagemap(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos)
{
	struct pagemap_chunk chunk = {.show_frames = open->may_see_frames};
	struct mm_struct *mm = open->mm;
	long ret;

	if (!mm || !atomic_inc_not_zero(&mm->mm_users))
		return 0;
	chunk.entries = kmalloc(PM_CHUNK * PM_ENTRY_BYTES, GFP_KERNEL);
	if (*pos % PM_ENTRY_BYTES || count % PM_ENTRY_BYTES)
		ret = -EINVAL;
	else if (!chunk.entries)
		ret = -ENOMEM;
	else
		ret = read_chunks(mm, &chunk, buf, count, pos);
	kfree(chunk.entries);
	mmput(mm);
	return ret;
}

/* ---- clear_refs: the task is looked for when it is written, as in Linux ---------------------- */

long proc_write_clear_refs(const struct proc_node *node, const char *text, size_t len)
{
	struct mm_struct *mm;
	long kind;
	int err = proc_parse_long(text, &kind);

	if (err)
		return err;
	if (kind < CLEAR_REFS_ALL || kind > CLEAR_REFS_HIWATER)
		return -EINVAL;
	if (!fs_hook_pid_alive(node->pid))
		return -ESRCH;
	mm = fs_hook_task_mm(node->pid);
	if (!mm)
		return (long)len;
	err = clear_refs(mm, (enum clear_refs_kind)kind);
	mmput(mm);
	return err ? err : (long)len;
}
