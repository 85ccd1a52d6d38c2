/* SPDX-License-Identifier: MIT */
/*
 * maps.c: an address space as a list of regions: /proc/PID/maps, and the walk that its kin share.
 *
 * One record a region (seq_file.c). A record's index is the address where the last one ended, so a
 * reader that comes back finds its place in O(log n) whatever was mapped and unmapped meanwhile:
 *
 *	read 1 shows	|--A--|   |--B--|
 *	index				^
 *	meanwhile	|--A--|   |-----B+C-----|	B was joined with C
 *	read 2 shows			|---C---|	the part that was not shown yet
 *
 * So addresses never go backwards, and what is mapped for as long as the reading takes is shown
 * once.
 *
 * Cost: O(log n) for a read, then O(1) a region and the tables that exist, never the span.
 *
 * Locking: mmap_lock for reading while one page of text is printed; the walk of tables lets it go
 * when a writer waits. page_table_lock is not needed to look at an entry, which is read once; a
 * page behind an entry cannot be freed while mmap_lock is held, as unmapping takes it for writing
 * or flushes first (truncation, reclaim: only its flags and counts are looked at).
 */
#include <fs/proc/maps.h>
#include <pagoda/bug.h>

/* ---- The walk -------------------------------------------------------------------------------- */

int proc_maps_begin(struct proc_open *open) NO_LOCK_ANALYSIS("a dead process has nothing to lock")
{
	struct mm_struct *mm = open->mm;

	if (!fs_hook_pid_alive(open->node->pid))
		return -ESRCH;
	open->cursor = NULL;
	open->viewer.mnt = NULL;
	if (!mm || !atomic_inc_not_zero(&mm->mm_users))
		return 0;
	if (down_read_killable(&mm->mmap_lock)) {
		mmput(mm);
		return -EINTR;
	}
	get_fs_root(&open->viewer);
	return 0;
}

void proc_maps_end(struct proc_open *open) NO_LOCK_ANALYSIS("proc_maps_begin() took it")
{
	if (!open->viewer.mnt)
		return; /* there was no memory to look at */
	up_read(&open->mm->mmap_lock);
	path_put(&open->viewer);
	mmput(open->mm);
}

bool proc_next_region(struct proc_open *open, u64 *index, struct maps_region *region)
{
	struct vm_area_struct *vma = open->cursor;

	if (!open->viewer.mnt || *index >= TASK_SIZE)
		return false;
	lockdep_assert_held(&open->mm->mmap_lock);
	if (!vma)
		vma = find_vma(open->mm, (unsigned long)*index);
	open->cursor = NULL;
	if (!vma) {
		*index = TASK_SIZE;
		return false;
	}
	region->vma = vma;
	region->start = max(vma->vm_start, (unsigned long)*index);
	region->end = vma->vm_end;
	*index = vma->vm_end;
	return true;
}

void proc_region_done(struct proc_open *open, const struct maps_region *region)
{
	open->cursor = region->vma ? region->vma->vm_next : NULL;
}

/* Does anybody wait for mmap_lock, which we hold for reading? */
static bool mmap_lock_is_contended(const struct mm_struct *mm)
{
	return READ_ONCE(mm->mmap_lock.count) & RWSEM_WAITERS;
}

/*
 * Let writers in. What is at addr may be another region by then: the walk goes on to its end at
 * most.
 */
static unsigned long let_others_in(struct mm_struct *mm, struct maps_region *region,
				   unsigned long addr, unsigned long end)
	MUST_HOLD_SHARED(&mm->mmap_lock)
{
	struct vm_area_struct *vma;

	region->vma = NULL;
	up_read(&mm->mmap_lock);
	down_read(&mm->mmap_lock);
	vma = find_vma(mm, addr);
	if (!vma || vma->vm_start > addr)
		return addr;
	return min(end, vma->vm_end);
}

void proc_walk_tables(struct mm_struct *mm, struct maps_region *region,
		      void (*fn)(const pte_t *ptep, unsigned long nr, void *arg), void *arg)
	MUST_HOLD_SHARED(&mm->mmap_lock)
{
	unsigned long addr = region->start, end = region->end, nr;
	const pte_t *ptep;

	VM_BUG_ON(end > TASK_SIZE);
	while ((ptep = next_table(mm, &addr, end, &nr))) {
		fn(ptep, nr, arg);
		addr += nr << PAGE_SHIFT;
		if (mmap_lock_is_contended(mm))
			end = let_others_in(mm, region, addr, end);
		port_cond_resched();
	}
}

/* ---- maps ------------------------------------------------------------------------------------ */

struct file_identity {
	u64 dev, ino;
	bool anonymous_object; /* of mm/cache/shmem.c: no name */
};

static struct file_identity identify(const struct vm_area_struct *vma)
{
	struct file_identity id = {0, 0, false};

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

static void print_rights(struct proc_text *t, unsigned long flags)
{
	char rights[6] = {' ',
			  flags & VM_READ ? 'r' : '-',
			  flags & VM_WRITE ? 'w' : '-',
			  flags & VM_EXEC ? 'x' : '-',
			  flags & VM_MAYSHARE ? 's' : 'p',
			  ' '};

	proc_write_bytes(t, rights, sizeof(rights));
}

/* The fixed columns: "start-end rights offset major:minor inode ". */
static void print_columns(struct proc_text *t, const struct maps_region *region,
			  const struct file_identity *id)
{
	const struct vm_area_struct *vma = region->vma;
	u64 pgoff = vma->vm_pgoff + ((region->start - vma->vm_start) >> PAGE_SHIFT);

	proc_put_hex(t, region->start, 8);
	proc_putc(t, '-');
	proc_put_hex(t, region->end, 8);
	print_rights(t, vma->vm_flags);
	proc_put_hex(t, vma->vm_file ? pgoff << PAGE_SHIFT : 0, 8);
	proc_putc(t, ' ');
	proc_put_hex(t, MAJOR(id->dev), 2);
	proc_putc(t, ':');
	proc_put_hex(t, MINOR(id->dev), 2);
	proc_putc(t, ' ');
	proc_put_decimal(t, id->ino, 0);
	proc_putc(t, ' ');
}

void proc_print_region(struct proc_text *t, struct proc_open *open,
		       const struct maps_region *region)
{
	const struct vm_area_struct *vma = region->vma;
	const char *name = vma->vm_file ? NULL : vma_special_name(vma);
	struct file_identity id = identify(vma);
	size_t start = t->len;

	print_columns(t, region, &id);
	if (vma->vm_file || name)
		proc_pad(t, start, MAPS_NAME_COLUMN);
	if (id.anonymous_object)
		proc_puts(t, "/dev/zero (deleted)");
	else if (vma->vm_file)
		(void)proc_put_path(t, &file_of(vma->vm_file)->f_path, &open->viewer, "\n");
	else if (name)
		proc_puts(t, name);
	proc_putc(t, '\n');
}

static int print_maps(struct proc_text *t, struct proc_open *open, u64 *index)
{
	struct maps_region region;

	if (!proc_next_region(open, index, &region))
		return 0;
	proc_print_region(t, open, &region);
	proc_region_done(open, &region);
	return 1;
}

const struct proc_records proc_maps_records = {proc_maps_begin, print_maps, proc_maps_end};
