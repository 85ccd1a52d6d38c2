// SPDX-License-Identifier: MIT
/*
 * mmap.c: making regions: mmap. munmap.c takes them away; brk.c has the heap and the stack.
 *
 * mmap only creates a region; pages are allocated at the first access (memory.c). The order
 * of do_mmap's checks decides which errno a call with several faults gets, and
 * follows ABI.md section 3:
 *
 *	offset, fd, length, overflow, map count	the request itself
 *	address					get_unmapped_area, MAP_FIXED*, mmap_min_addr
 *	locked memory				may it be locked, how much
 *	type and rights				SHARED/PRIVATE, how the file was opened
 *	limits					RLIMIT_AS, RLIMIT_DATA, overcommit
 *
 * Then comes what can fail for want of memory (a VMA, the file's mmap, splitting what
 * MAP_FIXED replaces), and then the commit, which cannot:
 *
 *	map_region	prepare -> unmap what is there -> merge with a neighbour, or link
 *
 * Locking: mmap_lock for write. Populating (MAP_LOCKED, MAP_POPULATE) afterwards takes
 * it for read.
 *
 * Accounting: total_vm and its parts by vm_stat_account(); private writable memory also
 * counts in vm_committed_as (VM_ACCOUNT on the VMA remembers it), as does shared anonymous
 * memory, for which the object keeps the count (shmem.c).
 *
 * Failure: the address space is unchanged; see each function.
 */
#include <pagoda/swap.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vmstat.h>
#include "vma_internal.h"

int sysctl_max_map_count = 65530;
int sysctl_overcommit_memory;
int sysctl_overcommit_ratio = 50;
atomic_long_t vm_committed_as;

/* ---- Limits and counts --------------------------------------------------------------------- */

/*
 * The three kinds of memory that are counted apart. A region is of one kind at most: shared and
 * read-only data regions are of none.
 */
static bool is_stack_mapping(unsigned long flags)
{
	return flags & VM_STACK;
}
static bool is_data_mapping(unsigned long flags)
{
	return (flags & (VM_WRITE | VM_SHARED | VM_STACK)) == VM_WRITE;
}
static bool is_exec_mapping(unsigned long flags)
{
	return (flags & (VM_EXEC | VM_WRITE | VM_STACK)) == VM_EXEC;
}

/*
 * Add pages (negative: subtract) to total_vm and to the total of the region's kind. hiwater_vm only
 * grows, so it is raised here, where total_vm changes.
 */
void vm_stat_account(struct mm_struct *mm, unsigned long flags, long pages)
{
	VM_BUG_ON(pages < 0 && mm->total_vm < (unsigned long)-pages); /* (V4) of vma.c */
	mm->total_vm += (unsigned long)pages;
	if (mm->hiwater_vm < mm->total_vm)
		mm->hiwater_vm = mm->total_vm;
	if (is_exec_mapping(flags))
		mm->exec_vm += (unsigned long)pages;
	else if (is_stack_mapping(flags))
		mm->stack_vm += (unsigned long)pages;
	else if (is_data_mapping(flags))
		mm->data_vm += (unsigned long)pages;
}

/*
 * May the address space grow by pages? RLIMIT_AS limits all regions, RLIMIT_DATA private writable
 * ones.
 */
bool may_expand_vm(const struct mm_struct *mm, unsigned long flags, unsigned long pages)
{
	mmap_assert_write_locked(mm);
	if (mm->total_vm + pages > rlimit(RLIMIT_AS) >> PAGE_SHIFT)
		return false;
	return !is_data_mapping(flags) || mm->data_vm + pages <= rlimit(RLIMIT_DATA) >> PAGE_SHIFT;
}

/* May the task lock memory at all? How much is mlock_future_check()'s question. */
bool can_do_mlock(void)
{
	return rlimit(RLIMIT_MEMLOCK) || current_vm->cap_ipc_lock;
}

int mlock_future_check(const struct mm_struct *mm, unsigned long flags, unsigned long len)
{
	unsigned long locked = mm->locked_vm + (len >> PAGE_SHIFT);

	if (!(flags & VM_LOCKED) || current_vm->cap_ipc_lock)
		return 0;
	return locked > rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT ? -EAGAIN : 0;
}

/* Slots of all swap areas; 0 where the build has no swap. */
static unsigned long swap_pages(void)
{
	return swap_entry_ops ? swap_entry_ops->nr_slots() : 0;
}

/* The limit of strict overcommit (mode 2): a percentage of memory, and all of swap. */
unsigned long vm_commit_limit(void)
{
	return totalram_pages() * (unsigned long)sysctl_overcommit_ratio / 100 + swap_pages();
}

/*
 * Reserve pages, then check, and take the reservation back if it was too much. In this order two
 * tasks cannot both pass the check and together exceed the limit. The heuristic mode only refuses
 * single requests that could not be met by all of memory and swap.
 */
int vm_enough_memory(unsigned long pages)
{
	long committed = atomic_long_add_return(&vm_committed_as, (long)pages);

	if (sysctl_overcommit_memory == 1)
		return 0;
	if (sysctl_overcommit_memory == 0 ? pages <= totalram_pages() + swap_pages()
					  : (unsigned long)committed <= vm_commit_limit())
		return 0;
	vm_unacct_memory(pages);
	return -ENOMEM;
}

void vm_unacct_memory(unsigned long pages)
{
	VM_BUG_ON((long)pages < 0);
	if (pages)
		atomic_long_sub(&vm_committed_as, (long)pages);
}

/* Does the region count in vm_committed_as? Only memory that may need frames of its own does. */
bool accountable_mapping(const struct vm_file *file, unsigned long flags)
{
	(void)file;
	return (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) == VM_WRITE;
}

/* ---- Choosing an address --------------------------------------------------------------------- */

#define MAP_32BIT_LOW  0x40000000ul
#define MAP_32BIT_HIGH 0x80000000ul
#define MMAP_GAP_MIN   (128 * SZ_1M) /* room below the stack at least */
#define MMAP_GAP_MAX   (DEFAULT_MAP_WINDOW / 6 * 5)

/*
 * Place the mapping area below the stack, with room for the stack to grow to its limit. With an
 * unlimited stack there is no such place, and areas are placed upwards from TASK_UNMAPPED_BASE
 * instead.
 */
void arch_pick_mmap_layout(struct mm_struct *mm, unsigned long stack_rlimit)
{
	unsigned long gap;

	mm->mmap_bottomup = stack_rlimit == RLIM_INFINITY;
	gap = clamp(stack_rlimit, MMAP_GAP_MIN, MMAP_GAP_MAX);
	mm->mmap_base = PAGE_ALIGN(DEFAULT_MAP_WINDOW - gap - STACK_GUARD_GAP);
}

/* Is [addr, addr + len) in user space and free, including the guard gap of a stack above it? */
static bool range_is_free(struct mm_struct *mm, unsigned long addr, unsigned long len)
{
	struct vm_area_struct *vma;

	if (addr < MMAP_MIN_ADDR || len > TASK_SIZE - addr)
		return false;
	vma = find_vma(mm, addr);
	return !vma || addr + len <= vm_start_gap(vma);
}

/*
 * Find a free range. Top down from mmap_base first; if that fails, for instance because a large
 * stack limit leaves little room there, bottom up through the whole window.
 */
static unsigned long search_unmapped_area(struct mm_struct *mm, unsigned long len,
					  unsigned long flags)
{
	struct gap_search s = {.low = MMAP_MIN_ADDR, .high = mm->mmap_base, .length = len};
	unsigned long addr = (unsigned long)-ENOMEM;

	VM_BUG_ON(!len || len & ~PAGE_MASK);
	if (flags & MAP_32BIT && TASK_SIZE > MAP_32BIT_HIGH) {
		s.low = MAP_32BIT_LOW;
		s.high = MAP_32BIT_HIGH;
		return find_gap_bottomup(mm, &s);
	}
	if (!mm->mmap_bottomup && mm->mmap_base)
		addr = find_gap_topdown(mm, &s);
	if (!IS_ERR_VALUE(addr))
		return addr;
	s.low = TASK_UNMAPPED_BASE;
	s.high = DEFAULT_MAP_WINDOW;
	return find_gap_bottomup(mm, &s);
}

/*
 * An address for the range: the caller's with MAP_FIXED, else the file's choice (AS-37), else the
 * caller's hint if it is free, else the result of a search. Not checked yet. An error or an
 * address.
 */
static unsigned long propose_area(struct mm_struct *mm, struct vm_file *file, unsigned long addr,
				  unsigned long len, unsigned long pgoff, unsigned long flags)
{
	unsigned long top = flags & MAP_32BIT ? min(TASK_SIZE, MAP_32BIT_HIGH) : TASK_SIZE;

	if (flags & MAP_FIXED)
		return addr;
	if (file && file->f_vmops->get_unmapped_area)
		return file->f_vmops->get_unmapped_area(file, addr, len, pgoff, flags);
	if (addr && len <= top && addr <= top - len && range_is_free(mm, addr, len))
		return addr; /* a hint that does not fit is ignored */
	return search_unmapped_area(mm, len, flags);
}

unsigned long get_unmapped_area(struct mm_struct *mm, struct vm_file *file, unsigned long addr,
				unsigned long len, unsigned long pgoff, unsigned long flags)
{
	mmap_assert_write_locked(mm);
	VM_BUG_ON(len & ~PAGE_MASK);
	if (len > TASK_SIZE)
		return (unsigned long)-ENOMEM;
	addr = propose_area(mm, file, addr, len, pgoff, flags);
	if (IS_ERR_VALUE(addr))
		return addr;
	/*
	 * MAP_FIXED's address is the program's, and a driver's choice is not trusted either: check
	 * both.
	 */
	if (addr > TASK_SIZE - len)
		return (unsigned long)-ENOMEM;
	if (addr & ~PAGE_MASK)
		return (unsigned long)-EINVAL;
	if (addr < MMAP_MIN_ADDR && !current_vm->cap_sys_rawio)
		return (unsigned long)-EPERM;
	return addr;
}

/* ---- Mapping --------------------------------------------------------------------------------- */

/* One mmap() request; do_mmap's checks fill it in, map_region() carries it out. */
struct mmap_request {
	struct mm_struct *mm;
	struct vm_file *file; /* NULL: anonymous; shared anonymous memory gets one */
	unsigned long addr, len, pgoff;
	unsigned long prot, flags; /* the caller's */
	unsigned long vm_flags;
	unsigned long huge_bytes; /* MAP_HUGETLB: size of a page; else 0 */
};

/* Make vma describe the request. It is linked nowhere and holds no references yet. */
static void fill_vma(struct vm_area_struct *vma, const struct mmap_request *r)
{
	vma->vm_mm = r->mm;
	vma->vm_start = r->addr;
	vma->vm_end = r->addr + r->len;
	vma->vm_flags = r->vm_flags | VM_SOFTDIRTY;
	vma->vm_page_prot = vm_get_page_prot(r->vm_flags);
	vma->vm_pgoff = r->pgoff;
}

/*
 * The driver's mmap operation has made this a device mapping. Device frames are always present and
 * are no memory of ours, so the region is not locked, and does not count as locked memory.
 */
static void unlock_device(struct mmap_request *r, struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & (VM_IO | VM_RESERVED)))
		return;
	vma->vm_flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
	r->vm_flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
}

/*
 * Allocate a VMA for a mapping of a file, and let the file's mmap operation set it up: it sets
 * vm_ops, and may change vm_flags and vm_file. The VMA holds a reference to the file. Returns the
 * VMA, or ERR_PTR with nothing changed.
 */
static struct vm_area_struct *file_vma(struct mmap_request *r)
{
	struct vm_area_struct *vma = vm_area_alloc(r->mm);
	int err;

	if (!vma)
		return ERR_PTR(-ENOMEM);
	fill_vma(vma, r);
	vma->vm_file = get_vm_file(r->file);
	err = r->file->f_vmops->mmap(r->file, vma);
	if (err) {
		put_vm_file(r->file);
		vm_area_free(vma);
		return ERR_PTR(err);
	}
	unlock_device(r, vma);
	vma->vm_page_prot = vma_page_prot(vma, vma->vm_flags);

	/* A private mapping of /dev/zero: its mmap operation made it anonymous memory. */
	if (!vma->vm_file && !(vma->vm_flags & VM_SHARED))
		vma->vm_pgoff = vma->vm_start >> PAGE_SHIFT;
	return vma;
}

/* Undo file_vma(): the VMA is not linked yet, or a neighbour covers its range after a merge. */
static void drop_unlinked_vma(struct vm_area_struct *vma)
{
	VM_BUG_ON(vma && vma->anon_vma);
	if (vma)
		remove_vma(vma);
}

/*
 * Insert the new region: grow a neighbour over it if possible, else link vma. If vma is NULL, one
 * is allocated when it is needed, and only that can fail: false is returned then, with nothing
 * changed.
 */
static bool place_region(const struct mmap_request *r, struct vm_area_struct *vma)
{
	struct vm_area_struct model, *merged;
	struct vma_place place;

	/* The range is free: it was chosen so, or unmapped, under the same hold of mmap_lock. */
	if (find_vma_prepare(r->mm, r->addr, r->addr + r->len, &place))
		BUG();
	if (!vma) {
		model = (struct vm_area_struct){0};
		fill_vma(&model, r);
	}
	merged = vma_merge_new(r->mm, &place, vma ? vma : &model);
	if (merged) {
		drop_unlinked_vma(vma);
		return true;
	}
	if (!vma) {
		vma = vm_area_alloc(r->mm);
		if (!vma)
			return false;
		fill_vma(vma, r);
	}
	vma_link(r->mm, vma, &place);
	return true;
}

/*
 * All checks have passed. Do everything that may fail first, and then change the address space:
 * allocate the VMA, let the file set it up, split what the range replaces, and place the region.
 */
static int commit_region(struct mmap_request *r, bool replaces)
{
	struct vm_area_struct *vma = NULL;
	int err;

	mmap_assert_write_locked(r->mm);
	VM_BUG_ON((r->addr | r->len) & ~PAGE_MASK || !r->len);
	VM_BUG_ON(r->len > TASK_SIZE || r->addr > TASK_SIZE - r->len);
	if (r->file) {
		vma = file_vma(r);
		if (IS_ERR(vma))
			return (int)PTR_ERR(vma);
	} else if (replaces) {
		/*
		 * Allocate before the old regions are unmapped: afterwards a failure could not be
		 * undone.
		 */
		vma = vm_area_alloc(r->mm);
		if (!vma)
			return -ENOMEM;
		fill_vma(vma, r);
	}
	if (replaces) {
		err = unmap_range(r->mm, r->addr, r->len);
		if (err) {
			drop_unlinked_vma(vma);
			return err;
		}
	}
	return place_region(r, vma) ? 0 : -ENOMEM;
}

/*
 * Check the limits, reserve memory, map the region and count it. With MAP_FIXED the regions that
 * are replaced will be gone, so that only the difference counts against the limits; that is
 * computed only if the simple check fails.
 */
static int map_region(struct mmap_request *r)
{
	struct mm_struct *mm = r->mm;
	unsigned long pages = r->len >> PAGE_SHIFT;
	bool replaces =
		r->flags & MAP_FIXED && find_vma_intersection(mm, r->addr, r->addr + r->len);
	int err;

	if (!may_expand_vm(mm, r->vm_flags, pages) &&
	    !(replaces &&
	      may_expand_vm(mm, r->vm_flags,
			    pages - count_vma_pages_range(mm, r->addr, r->addr + r->len))))
		return -ENOMEM;
	if (accountable_mapping(r->file, r->vm_flags)) {
		if (vm_enough_memory(pages))
			return -ENOMEM;
		r->vm_flags |= VM_ACCOUNT;
	}
	err = commit_region(r, replaces);
	if (err) {
		if (r->vm_flags & VM_ACCOUNT)
			vm_unacct_memory(pages);
		return err;
	}
	vm_stat_account(mm, r->vm_flags, (long)pages);
	if (r->vm_flags & VM_LOCKED)
		mm->locked_vm += pages;
	return 0;
}

/* ---- do_mmap's checks ------------------------------------------------------------------------ */

/* MAP_UNINITIALIZED and the bits by which sizes of huge pages are named. */
#define MAP_HUGE_SIZES 0x7c000000ul
#define LEGACY_MAP_MASK                                                                          \
	(MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | \
	 MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |  \
	 MAP_HUGETLB | MAP_32BIT | MAP_HUGE_SIZES)

/* The vm_flags that follow from prot and flags alone, without file and mm. */
static unsigned long calc_vm_flags(unsigned long prot, unsigned long flags)
{
	unsigned long vm_flags = 0;

	vm_flags |= prot & PROT_READ ? VM_READ : 0;
	vm_flags |= prot & PROT_WRITE ? VM_WRITE : 0;
	vm_flags |= prot & PROT_EXEC ? VM_EXEC : 0;
	vm_flags |= flags & MAP_GROWSDOWN ? VM_GROWSDOWN : 0;
	vm_flags |= flags & MAP_LOCKED ? VM_LOCKED : 0;
	return vm_flags;
}

/*
 * MAP_HUGETLB: round the length up to whole huge pages, of a size that the CPU has. Only anonymous
 * memory can ask for them, as no file system here has huge pages. As in Linux such a request is
 * treated like one for a file from here on, and gets the errors of a file; only when all checks
 * have passed does it fail with ENOMEM, because there is no pool of huge pages.
 */
static int set_huge_pages(struct mmap_request *r)
{
	r->huge_bytes = huge_page_bytes(r->flags);
	if (r->file || !r->huge_bytes)
		return -EINVAL;
	r->len = ALIGN(r->len, r->huge_bytes); /* 0 if this overflows */
	return 0;
}

/* Check what can be checked without looking at the address space. The order fixes the errno. */
static int check_request(struct mmap_request *r, unsigned long offset)
{
	if (offset & ~PAGE_MASK)
		return -EINVAL;
	if (!r->file && !(r->flags & MAP_ANONYMOUS))
		return -EBADF;
	if (r->flags & MAP_ANONYMOUS)
		r->file = NULL;
	if (r->flags & MAP_HUGETLB && set_huge_pages(r))
		return -EINVAL;
	if (!r->len)
		return -EINVAL;
	r->len = PAGE_ALIGN(r->len);
	if (!r->len || r->len > TASK_SIZE)
		return -ENOMEM;
	r->pgoff = offset >> PAGE_SHIFT;
	if ((r->file || r->huge_bytes) && (offset + r->len < offset || offset + r->len > ~0ul >> 1))
		return -EOVERFLOW; /* file positions are signed; anonymous memory has none */
	if (r->mm->map_count > MAX_MAP_COUNT)
		return -ENOMEM;
	return 0;
}

/*
 * Find the address of the region, and with MAP_FIXED_NOREPLACE check that it is free. 0 or -errno.
 */
static int choose_address(struct mmap_request *r)
{
	unsigned long addr = r->addr;

	if (r->flags & MAP_FIXED_NOREPLACE)
		r->flags |= MAP_FIXED;
	/* A hint is rounded down, and raised to the lowest address that may be mapped. */
	if (!(r->flags & MAP_FIXED)) {
		addr &= PAGE_MASK;
		if (addr && addr < MMAP_MIN_ADDR)
			addr = MMAP_MIN_ADDR;
	}
	if (r->flags & MAP_FIXED && r->huge_bytes && addr & (r->huge_bytes - 1))
		return r->len > TASK_SIZE ? -ENOMEM : -EINVAL;
	addr = get_unmapped_area(r->mm, r->file, addr, r->len, r->pgoff, r->flags);
	if (IS_ERR_VALUE(addr))
		return (int)addr;
	if (r->flags & MAP_FIXED_NOREPLACE && find_vma_intersection(r->mm, addr, addr + r->len))
		return -EEXIST;
	r->addr = addr;
	return 0;
}

/*
 * A shared mapping of a file. Without the right to write to the file the region becomes a
 * private-like, read-only one: it can never be made writable, but still counts as shared for its
 * users (VM_MAYSHARE).
 */
static int check_shared_file(struct mmap_request *r)
{
	if (r->prot & PROT_WRITE && !r->file->f_may_write)
		return -EACCES;
	r->vm_flags |= VM_SHARED | VM_MAYSHARE;
	if (!r->file->f_may_write)
		r->vm_flags &= ~(VM_MAYWRITE | VM_SHARED);
	return 0;
}

/* Type of mapping, and what the file was opened for, in the order that fixes the errno. */
static int check_file_rights(struct mmap_request *r)
{
	int err;

	switch (r->flags & MAP_TYPE) {
	case MAP_SHARED_VALIDATE:
		if (r->flags & ~(unsigned long)LEGACY_MAP_MASK)
			return -EOPNOTSUPP;
		/* fallthrough */
	case MAP_SHARED:
		err = check_shared_file(r);
		if (err)
			return err;
		break;
	case MAP_PRIVATE:
		break;
	default:
		return -EINVAL;
	}
	if (!r->file->f_may_read)
		return -EACCES;
	if (r->file->f_noexec) {
		if (r->vm_flags & VM_EXEC)
			return -EPERM;
		r->vm_flags &= ~VM_MAYEXEC;
	}
	if (!r->file->f_vmops || !r->file->f_vmops->mmap)
		return -ENODEV;
	return r->vm_flags & (VM_GROWSDOWN | VM_GROWSUP) ? -EINVAL : 0;
}

/* The same errors as for a file, and at last -ENOMEM: no huge page is free. */
static int check_huge_pages(struct mmap_request *r)
{
	unsigned long type = r->flags & MAP_TYPE;

	if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && r->flags & ~(unsigned long)LEGACY_MAP_MASK)
		return -EOPNOTSUPP;
	return r->vm_flags & (VM_GROWSDOWN | VM_GROWSUP) ? -EINVAL : -ENOMEM;
}

/*
 * Anonymous memory. vm_pgoff of private memory is its page number at creation, so that neighbours
 * can be merged; shared memory is an object of its own, which begins at 0.
 */
static int check_anonymous(struct mmap_request *r)
{
	switch (r->flags & MAP_TYPE) {
	case MAP_SHARED:
		if (r->vm_flags & (VM_GROWSDOWN | VM_GROWSUP))
			return -EINVAL;
		r->pgoff = 0;
		r->vm_flags |= VM_SHARED | VM_MAYSHARE;
		return 0;
	case MAP_PRIVATE:
		r->pgoff = r->addr >> PAGE_SHIFT;
		return 0;
	}
	return -EINVAL;
}

/* Locked memory, type and rights. Fills in vm_flags. 0 or -errno. */
static int check_rights(struct mmap_request *r)
{
	int err;

	r->vm_flags = calc_vm_flags(r->prot, r->flags) | r->mm->def_flags | VM_MAY_ALL;
	if (r->flags & MAP_LOCKED && !can_do_mlock())
		return -EPERM;
	err = mlock_future_check(r->mm, r->vm_flags, r->len);
	if (err)
		return err;
	if (r->huge_bytes)
		return check_huge_pages(r);
	err = r->file ? check_file_rights(r) : check_anonymous(r);
	if (err)
		return err;
	if (r->flags & MAP_NORESERVE && sysctl_overcommit_memory != 2)
		r->vm_flags |= VM_NORESERVE;
	return 0;
}

/* Made by the page cache (shmem.c); NULL: there is none. Set once, at boot. */
struct vm_file *(*shmem_zero_setup)(u64 size, bool reserve);

/*
 * Shared anonymous memory gets an object of its own, a file without a name (shmem.c); the region
 * holds a reference to it, and the one of its creation is dropped here.
 */
static int map_with_object(struct mmap_request *r)
{
	int err;

	if (r->file || !(r->vm_flags & VM_SHARED))
		return map_region(r);
	if (!shmem_zero_setup)
		return -ENODEV;
	r->file = shmem_zero_setup(r->len, !(r->vm_flags & VM_NORESERVE));
	if (!r->file)
		return -ENOMEM;
	err = map_region(r);
	put_vm_file(r->file); /* the VMA has its own */
	return err;
}

/* Are the pages of the new region to be faulted in now (MAP_LOCKED, MAP_POPULATE)? */
static bool wants_pages(const struct mmap_request *r)
{
	if (r->vm_flags & VM_LOCKONFAULT)
		return false;
	return r->vm_flags & VM_LOCKED ||
	       (r->flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
}

unsigned long do_mmap(struct mm_struct *mm, struct vm_file *file, unsigned long addr,
		      unsigned long len, unsigned long prot, unsigned long flags,
		      unsigned long offset)
{
	struct mmap_request r = {
		.mm = mm, .file = file, .addr = addr, .len = len, .prot = prot, .flags = flags};
	int err;

	if (down_write_killable(&mm->mmap_lock))
		return (unsigned long)-EINTR;
	err = check_request(&r, offset);
	if (!err)
		err = choose_address(&r);
	if (!err)
		err = check_rights(&r);
	if (!err)
		err = map_with_object(&r);
	up_write(&mm->mmap_lock);
	if (err)
		return (unsigned long)err;
	/*
	 * Faulting takes mmap_lock for read, batch by batch. Another thread may unmap the region
	 * meanwhile; then the rest is not populated.
	 */
	if (wants_pages(&r))
		/* errors are not reported */
		(void)mm_populate(mm, r.addr, r.addr + r.len, POPULATE_RANGE);
	return r.addr;
}

/* ---- For the kernel itself ------------------------------------------------------------------- */

int map_anonymous(struct mm_struct *mm, unsigned long addr, unsigned long len,
		  unsigned long vm_flags, bool replace)
{
	struct mmap_request r = {.mm = mm,
				 .addr = addr,
				 .len = len,
				 .pgoff = addr >> PAGE_SHIFT,
				 .flags = replace ? MAP_FIXED : 0};
	int err;

	mmap_assert_write_locked(mm);
	VM_BUG_ON((addr | len) & ~PAGE_MASK || !len);
	r.vm_flags = vm_flags | mm->def_flags;
	err = mlock_future_check(mm, r.vm_flags, len);
	if (err)
		return err;
	if (mm->map_count > MAX_MAP_COUNT)
		return -ENOMEM;
	return map_region(&r);
}
