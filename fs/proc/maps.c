/* SPDX-License-Identifier: MIT */
/*
 * maps.c: an address space as files: maps, smaps, pagemap, mem, clear_refs.
 *
 * The VMAs are walked under mmap_lock and printed into memory (proc.c), so a file is of one
 * moment. Page counts of smaps and the bits of pagemap come from the page tables: only
 * tables that exist are looked at, so the cost goes with what is mapped, not with the span.
 *
 * Locking: mmap_lock for reading; page_table_lock is not needed to look at an entry, which
 * is read once; a page behind a PTE cannot be freed while the lock is held, as unmapping
 * takes it for writing or flushes first (truncation: only its flags are looked at).
 */
#include <fs/proc/maps.h>
#include <pagoda/bug.h>
#include <pagoda/lru.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <asm/pgtable.h>

#define NAME_COLUMN 73u /* columns before a mapping's name */

/* ---- maps ------------------------------------------------------------------------------------- */

struct file_identity {
	u64 dev, ino;
	bool anonymous_object; /* of mm/shmem.c: no name */
};

static struct file_identity identify(const struct vm_area_struct *vma)
{
	struct file_identity id = { 0, 0, false };

	if (!vma->vm_file)
		return id;
	if (is_shmem_zero_file(vma->vm_file, &id.ino)) {
		id.dev = MKDEV(0, 1);
		id.anonymous_object = true;
		return id;
	}
	id.dev = file_of(vma->vm_file)->f_inode->i_sb->s_dev;
	id.ino = file_of(vma->vm_file)->f_inode->i_ino;
	return id;
}

const char *vma_special_name(const struct vm_area_struct *vma)
{
	const struct mm_struct *mm = vma->vm_mm;

	if (vma->vm_ops && vma->vm_ops->name)
		return vma->vm_ops->name((struct vm_area_struct *)vma);
	if (vma->vm_start < mm->brk && vma->vm_end > mm->start_brk)
		return "[heap]";
	if (vma->vm_start <= mm->start_stack && vma->vm_end >= mm->start_stack)
		return "[stack]";
	return NULL;
}

/* A path may hold a newline; maps shows it as \012. */
static void print_name(struct proc_text *t, const char *name)
{
	for (; *name; name++)
		if (*name == '\n')
			proc_printf(t, "\\012");
		else
			proc_write_bytes(t, name, 1);
}

void print_vma_file_name(struct proc_text *t, const struct vm_area_struct *vma, char *buf,
			    const struct path *root)
{
	bool reachable;
	char *name = d_path(&file_of(vma->vm_file)->f_path, root, buf, PATH_MAX, &reachable);

	if (!IS_ERR(name))
		print_name(t, name);
}

static void print_vma(struct proc_text *t, const struct vm_area_struct *vma, char *buf,
		      const struct path *root)
{
	struct file_identity id = identify(vma);
	unsigned long flags = vma->vm_flags;
	const char *name = vma->vm_file ? NULL : vma_special_name(vma);
	size_t start = t->len;

	proc_printf(t, "%08lx-%08lx %c%c%c%c %08llx %02x:%02x %llu ", vma->vm_start, vma->vm_end,
		    flags & VM_READ ? 'r' : '-', flags & VM_WRITE ? 'w' : '-',
		    flags & VM_EXEC ? 'x' : '-', flags & VM_MAYSHARE ? 's' : 'p',
		    vma->vm_file ? (unsigned long long)vma->vm_pgoff << PAGE_SHIFT : 0ull,
		    MAJOR(id.dev), MINOR(id.dev), (unsigned long long)id.ino);
	if (vma->vm_file || name)
		proc_pad(t, start, NAME_COLUMN);
	if (id.anonymous_object)
		proc_printf(t, "/dev/zero (deleted)");
	else if (vma->vm_file)
		print_vma_file_name(t, vma, buf, root);
	else if (name)
		proc_printf(t, "%s", name);
	proc_printf(t, "\n");
}

int walk_vmas(const struct proc_node *node, struct vma_walk *walk)
{
	struct mm_struct *mm = fs_hook_task_mm(node->pid);
	struct vm_area_struct *vma;

	if (!mm)
		return 0;
	walk->buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!walk->buf) {
		mmput(mm);
		return -ENOMEM;
	}
	get_fs_root(&walk->root);
	down_read(&mm->mmap_lock);
	for (vma = mm->mmap; vma; vma = vma->vm_next) {
		walk->print(walk, vma);
		port_cond_resched();
	}
	up_read(&mm->mmap_lock);
	path_put(&walk->root);
	kfree(walk->buf);
	mmput(mm);
	return 0;
}

static void maps_line(struct vma_walk *walk, struct vm_area_struct *vma)
{
	print_vma(walk->text, vma, walk->buf, &walk->root);
}

int proc_show_maps(struct proc_text *t, const struct proc_node *node)
{
	struct vma_walk walk = { .text = t, .print = maps_line };

	return walk_vmas(node, &walk);
}

/* ---- Looking at page tables ------------------------------------------------------------------------ */

pte_t look_up_pte(struct mm_struct *mm, unsigned long addr, unsigned long *skip)
{
	pmd_t *pmd = walk_to_pmd(mm, addr);

	VM_BUG_ON(addr >= TASK_SIZE);
	*skip = addr + PAGE_SIZE;
	if (!pmd || !pmd_present(pmdp_get(pmd)) || pmd_large(pmdp_get(pmd))) {
		*skip = (addr & PMD_MASK) + PMD_SIZE;
		return __pte(0);
	}
	return ptep_get(pte_offset(pmd, addr));
}

/* Proportional sizes are kept with this many fraction bits, so that thirds of pages add up. */
#define PSS_SHIFT 12

/* What smaps counts, in bytes; those from pss on << PSS_SHIFT. */
struct page_sums {
	unsigned long size, rss, shared_clean, shared_dirty, private_clean, private_dirty,
		referenced, anonymous, lazyfree, swap;
	u64 pss, pss_dirty, pss_anon, pss_file, pss_shmem, locked;
};

static void count_proportional(struct page_sums *sums, const struct vm_area_struct *vma,
			       struct page *page, bool dirty, u64 pss)
{
	sums->pss += pss;
	if (dirty)
		sums->pss_dirty += pss;
	if (vma->vm_flags & VM_LOCKED)
		sums->locked += pss;
	if (PageAnon(page)) {
		sums->anonymous += PAGE_SIZE;
		sums->pss_anon += pss;
		if (PageLazyFree(page) && !dirty)
			sums->lazyfree += PAGE_SIZE;
	} else if (PageSwapBacked(page)) {
		sums->pss_shmem += pss;
	} else {
		sums->pss_file += pss;
	}
}

static void count_page(struct page_sums *sums, const struct vm_area_struct *vma, pte_t pte)
{
	struct page *page;
	unsigned long share;
	bool dirty;
	u64 pss;

	if (!pte_present(pte)) {
		if (!pte_none(pte))
			sums->swap += PAGE_SIZE;
		return;
	}
	page = pte_page(pte);
	if (test_bit(PG_zeropage, &page->flags) || PageReserved(page))
		return;
	dirty = pte_dirty(pte) || PageDirty(page);
	share = (unsigned long)max(page_mapcount(page), 1);
	pss = ((u64)PAGE_SIZE << PSS_SHIFT) / share;
	sums->rss += PAGE_SIZE;
	if (pte_young(pte) || PageReferenced(page))
		sums->referenced += PAGE_SIZE;
	if (share > 1)
		*(dirty ? &sums->shared_dirty : &sums->shared_clean) += PAGE_SIZE;
	else
		*(dirty ? &sums->private_dirty : &sums->private_clean) += PAGE_SIZE;
	count_proportional(sums, vma, page, dirty, pss);
}

static void count_vma(struct page_sums *sums, struct vm_area_struct *vma)
{
	unsigned long addr = vma->vm_start, next;

	sums->size += vma->vm_end - vma->vm_start;
	for (; addr < vma->vm_end; addr = next) {
		pte_t pte = look_up_pte(vma->vm_mm, addr, &next);

		if (!pte_none(pte))
			count_page(sums, vma, pte);
	}
}

static void line_kb(struct proc_text *t, const char *name, unsigned long bytes)
{
	size_t start = t->len;

	proc_printf(t, "%s:", name);
	proc_pad(t, start, 16);
	proc_printf(t, "%8lu kB\n", bytes / SZ_1K);
}

static void print_sums(struct proc_text *t, const struct page_sums *sums, bool rollup)
{
	line_kb(t, "Rss", sums->rss);
	line_kb(t, "Pss", (unsigned long)(sums->pss >> PSS_SHIFT));
	line_kb(t, "Pss_Dirty", (unsigned long)(sums->pss_dirty >> PSS_SHIFT));
	if (rollup) {
		line_kb(t, "Pss_Anon", (unsigned long)(sums->pss_anon >> PSS_SHIFT));
		line_kb(t, "Pss_File", (unsigned long)(sums->pss_file >> PSS_SHIFT));
		line_kb(t, "Pss_Shmem", (unsigned long)(sums->pss_shmem >> PSS_SHIFT));
	}
	line_kb(t, "Shared_Clean", sums->shared_clean);
	line_kb(t, "Shared_Dirty", sums->shared_dirty);
	line_kb(t, "Private_Clean", sums->private_clean);
	line_kb(t, "Private_Dirty", sums->private_dirty);
	line_kb(t, "Referenced", sums->referenced);
	line_kb(t, "Anonymous", sums->anonymous);
	line_kb(t, "LazyFree", sums->lazyfree);
	line_kb(t, "AnonHugePages", 0);
	line_kb(t, "ShmemPmdMapped", 0);
	line_kb(t, "FilePmdMapped", 0);
	line_kb(t, "Shared_Hugetlb", 0);
	line_kb(t, "Private_Hugetlb", 0);
	line_kb(t, "Swap", sums->swap);
	line_kb(t, "SwapPss", sums->swap);
	line_kb(t, "Locked", (unsigned long)(sums->locked >> PSS_SHIFT));
}

static void print_flags(struct proc_text *t, unsigned long flags)
{
	static const struct {
		unsigned long bit;
		const char *name;
	} names[] = {
		{ VM_READ, "rd" },	 { VM_WRITE, "wr" },	 { VM_EXEC, "ex" },
		{ VM_SHARED, "sh" },	 { VM_MAYREAD, "mr" },	 { VM_MAYWRITE, "mw" },
		{ VM_MAYEXEC, "me" },	 { VM_MAYSHARE, "ms" },	 { VM_GROWSDOWN, "gd" },
		{ VM_LOCKED, "lo" },	 { VM_IO, "io" },	 { VM_SEQ_READ, "sr" },
		{ VM_RAND_READ, "rr" },	 { VM_DONTCOPY, "dc" },	 { VM_DONTEXPAND, "de" },
		{ VM_LOCKONFAULT, "??" }, { VM_ACCOUNT, "ac" },	 { VM_NORESERVE, "nr" },
		{ VM_WIPEONFORK, "wf" }, { VM_DONTDUMP, "dd" },	 { VM_SOFTDIRTY, "sd" },
	};

	proc_printf(t, "VmFlags: ");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].bit)
			proc_printf(t, "%s ", names[i].name);
	proc_printf(t, "\n");
}

static void smaps_block(struct vma_walk *walk, struct vm_area_struct *vma)
{
	struct page_sums sums;

	memset(&sums, 0, sizeof(sums));
	count_vma(&sums, vma);
	print_vma(walk->text, vma, walk->buf, &walk->root);
	line_kb(walk->text, "Size", sums.size);
	line_kb(walk->text, "KernelPageSize", PAGE_SIZE);
	line_kb(walk->text, "MMUPageSize", PAGE_SIZE);
	print_sums(walk->text, &sums, false);
	proc_printf(walk->text, "THPeligible:    0\n");
	print_flags(walk->text, vma->vm_flags);
}

int proc_show_smaps(struct proc_text *t, const struct proc_node *node)
{
	struct vma_walk walk = { .text = t, .print = smaps_block };

	return walk_vmas(node, &walk);
}

struct rollup {
	struct page_sums sums;
	unsigned long start, end;
};

static void rollup_add(struct vma_walk *walk, struct vm_area_struct *vma)
{
	struct rollup *rollup = walk->private;

	count_vma(&rollup->sums, vma);
	if (!rollup->end)
		rollup->start = vma->vm_start;
	rollup->end = vma->vm_end;
}

int proc_show_smaps_rollup(struct proc_text *t, const struct proc_node *node)
{
	struct rollup rollup;
	struct vma_walk walk = { .text = t, .print = rollup_add, .private = &rollup };
	size_t start = t->len;
	int err;

	memset(&rollup, 0, sizeof(rollup));
	err = walk_vmas(node, &walk);
	if (err)
		return err;
	proc_printf(t, "%08lx-%08lx ---p 00000000 00:00 0 ", rollup.start, rollup.end);
	proc_pad(t, start, NAME_COLUMN);
	proc_printf(t, "[rollup]\n");
	print_sums(t, &rollup.sums, true);
	return 0;
}

/* ---- pagemap ---------------------------------------------------------------------------------------- */

#define PM_PRESENT (1ull << 63)
#define PM_SWAP	   (1ull << 62)
#define PM_FILE	   (1ull << 61)
#define PM_SOFT_DIRTY (1ull << 55)
#define PM_EXCLUSIVE  (1ull << 56)
#define PM_ENTRY_BYTES 8u
#define PM_SWAP_OFFSET_SHIFT 5 /* the area below it */
#define PM_CHUNK       32u /* entries looked up under one hold of mmap_lock */

static u64 pagemap_entry(struct mm_struct *mm, unsigned long addr, bool show_pfn)
{
	unsigned long skip;
	pte_t pte = look_up_pte(mm, addr, &skip);
	struct vm_area_struct *vma = find_vma_intersection(mm, addr, addr + PAGE_SIZE);
	u64 entry = vma && vma->vm_flags & VM_SOFTDIRTY ? PM_SOFT_DIRTY : 0;
	struct page *page;

	if (pte_none(pte))
		return entry;
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
	if (show_pfn)
		entry |= pte_pfn(pte);
	return entry;
}

static void pagemap_chunk(struct mm_struct *mm, unsigned long vpn, u64 *entries, unsigned int nr)
{
	down_read(&mm->mmap_lock);
	for (unsigned int i = 0; i < nr; i++)
		entries[i] = pagemap_entry(mm, (vpn + i) << PAGE_SHIFT, fs_capable(CAP_SYS_ADMIN));
	up_read(&mm->mmap_lock);
}

long proc_read_pagemap(const struct proc_node *node, struct iov_user buf, size_t count, u64 *pos)
{
	struct mm_struct *mm;
	u64 entries[PM_CHUNK];
	size_t done = 0;

	if (*pos % PM_ENTRY_BYTES || count % PM_ENTRY_BYTES)
		return -EINVAL;
	mm = fs_hook_task_mm(node->pid);
	if (!mm)
		return 0;
	while (done < count && *pos / PM_ENTRY_BYTES < TASK_SIZE >> PAGE_SHIFT) {
		u64 left = (TASK_SIZE >> PAGE_SHIFT) - *pos / PM_ENTRY_BYTES;
		unsigned int nr = (unsigned int)min_t(u64, min((count - done) / PM_ENTRY_BYTES,
							       (size_t)PM_CHUNK), left);

		pagemap_chunk(mm, *pos / PM_ENTRY_BYTES, entries, nr);
		if (iov_put(buf, done, entries, nr * PM_ENTRY_BYTES)) {
			done = done ? done : (size_t)-EFAULT;
			break;
		}
		done += nr * PM_ENTRY_BYTES;
		*pos += nr * PM_ENTRY_BYTES;
		port_cond_resched();
	}
	mmput(mm);
	return (long)done;
}

/* ---- mem ------------------------------------------------------------------------------------------------ */

static long access_mem(const struct proc_node *node, struct iov_user buf, size_t count, u64 *pos,
		       bool write)
{
	struct mm_struct *mm = fs_hook_task_mm(node->pid);
	char *page = kmalloc(PAGE_SIZE, GFP_KERNEL);
	size_t done = 0;
	long err = page ? 0 : -ENOMEM;

	while (mm && !err && done < count) {
		size_t n = min(count - done, PAGE_SIZE - (*pos & (PAGE_SIZE - 1))), got;

		if (write && iov_get(buf, done, page, n)) {
			err = -EFAULT;
			break;
		}
		got = access_process_vm(mm, *pos, page, n, write, true);
		if (got && !write && iov_put(buf, done, page, got)) {
			err = -EFAULT;
			break;
		}
		done += got;
		*pos += got;
		if (got < n)
			err = -EIO;
	}
	kfree(page);
	if (mm)
		mmput(mm);
	return done ? (long)done : err;
}

long proc_read_mem(const struct proc_node *node, struct iov_user buf, size_t count, u64 *pos)
{
	return access_mem(node, buf, count, pos, false);
}

long proc_write_mem(const struct proc_node *node, struct iov_user buf, size_t count, u64 *pos)
{
	return access_mem(node, buf, count, pos, true);
}

/* ---- clear_refs ----------------------------------------------------------------------------------------- */

long proc_write_clear_refs(const struct proc_node *node, const char *text, size_t len)
{
	struct mm_struct *mm;
	long kind;
	int err = proc_parse_long(text, &kind);

	if (err)
		return err;
	if (kind < CLEAR_REFS_ALL || kind > CLEAR_REFS_HIWATER)
		return -EINVAL;
	mm = fs_hook_task_mm(node->pid);
	if (!mm)
		return (long)len;
	clear_refs(mm, (enum clear_refs_kind)kind);
	mmput(mm);
	return (long)len;
}
