// SPDX-License-Identifier: MIT
/*
 * mm_struct.c: address spaces come and go (Table 9.2).
 *
 *	mm_users	tasks (threads) and other users of the user half; when it becomes 0,
 *			exit_mmap() removes all regions
 *	mm_count	1 for all users together, plus one per lazy borrower of the tables;
 *			at 0 the PGD and the struct go
 *
 * fork copies regions and page-table entries, not pages: dup_mm() walks the VMA list
 * once, and page_tables.c copies what is present. Shared file pages need no copy, the child
 * finds them in the page cache.
 *
 * Locking: mmlist_lock for the list of all mms; no interrupt handler takes it, so interrupts stay
 * on. dup_mm holds the mmap_lock of parent and child for write. No task runs in the child yet, but
 * reclaim finds it on the list, and truncation finds its VMAs in the files' trees, so its
 * page_table_lock is needed, too.
 *
 * Failure: dup_mm unwinds by tearing the half-built child down as an exit would.
 *
 * Seen in: vm event fork_mm; nr_mms().
 */
#include <pagoda/mempolicy.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/vmstat.h>
#include <pagoda/meminfo.h>
#include <asm/ldt.h>
#include <asm/pgalloc.h>
#include "anon_vma.h"

static kmem_cache_t *mm_cachep;
static spinlock_t mmlist_lock = SPIN_LOCK_INIT(RANK_LEAF);

void mm_structs_init(void)
{
	mm_cachep = kmem_cache_create("mm_struct", sizeof(struct mm_struct), 0, SLAB_HWCACHE_ALIGN,
				      NULL, NULL);
	if (!mm_cachep)
		panic("no memory for the mm_struct cache");
	vma_cache_init();
	anon_vma_cache_init();
	empty_zero_page_init();
}

/* ---- Making one -------------------------------------------------------------------------- */

static struct mm_struct *allocate_mm(void)
{
	return kmem_cache_alloc(mm_cachep, GFP_KERNEL | __GFP_ZERO);
}

static void free_mm(struct mm_struct *mm)
{
	kmem_cache_free(mm_cachep, mm);
}

/*
 * Initialise a new mm, PGD included, and put it on the list of all. NULL: no memory, mm was freed.
 */
static struct mm_struct *mm_init(struct mm_struct *mm)
{
	atomic_set(&mm->mm_users, 1);
	atomic_set(&mm->mm_count, 1);
	init_rwsem(&mm->mmap_lock, RANK_MMAP);
	spin_lock_init(&mm->page_table_lock, RANK_PAGE_TABLE);
	mm->pgd = pgd_alloc(mm);
	if (!mm->pgd) {
		free_mm(mm);
		return NULL;
	}
	/* From here on reclaim and the counters below can find the mm. */
	spin_lock(&mmlist_lock);
	list_add_tail(&mm->mmlist, &init_mm.mmlist);
	spin_unlock(&mmlist_lock);
	return mm;
}

struct mm_struct *mm_alloc(void)
{
	struct mm_struct *mm = allocate_mm();

	if (!mm)
		return NULL;
	mm->dumpable = 1;
	return mm_init(mm);
}

static struct mm_struct *swap_mm = &init_mm; /* (mmlist_lock) whose turn it is (RC-35) */

/* The mm after this one on the list; init_mm is the head and follows the last one. */
static struct mm_struct *next_mm(const struct mm_struct *mm) MUST_HOLD(&mmlist_lock)
{
	lockdep_assert_held(&mmlist_lock);
	return list_entry(mm->mmlist.next, struct mm_struct, mmlist);
}

/*
 * An mm whose last user has gone is skipped: atomic_inc_not_zero() fails for it, and exit_mmap() is
 * freeing its pages anyway.
 */
struct mm_struct *swap_mm_get(void)
{
	struct mm_struct *mm;

	spin_lock(&mmlist_lock);
	mm = swap_mm == &init_mm ? next_mm(swap_mm) : swap_mm;
	while (mm != &init_mm && !atomic_inc_not_zero(&mm->mm_users))
		mm = next_mm(mm);
	swap_mm = mm;
	spin_unlock(&mmlist_lock);
	return mm == &init_mm ? NULL : mm;
}

/* Only if no one else has moved the turn on already. */
void swap_mm_advance(struct mm_struct *mm)
{
	spin_lock(&mmlist_lock);
	if (swap_mm == mm)
		swap_mm = next_mm(mm);
	spin_unlock(&mmlist_lock);
}

/*
 * prev has a user, so it is on the list and its successor can be found. Its user is dropped after
 * the lock: mmput() may sleep.
 */
struct mm_struct *next_user_mm(struct mm_struct *prev)
{
	struct mm_struct *mm;

	spin_lock(&mmlist_lock);
	mm = next_mm(prev ? prev : &init_mm);
	while (mm != &init_mm && !atomic_inc_not_zero(&mm->mm_users))
		mm = next_mm(mm);
	spin_unlock(&mmlist_lock);
	if (prev)
		mmput(prev);
	return mm == &init_mm ? NULL : mm;
}

unsigned long nr_mms(void)
{
	unsigned long n = 0;
	struct list_head *pos;

	spin_lock(&mmlist_lock);
	list_for_each(pos, &init_mm.mmlist)
		n++;
	spin_unlock(&mmlist_lock);
	return n;
}

/* The counters change while they are read, and may be below 0 for a moment: clamped. */
void sum_mm_rss(unsigned long *anon, unsigned long *file)
{
	struct list_head *pos;

	*anon = *file = 0;
	spin_lock(&mmlist_lock);
	list_for_each(pos, &init_mm.mmlist) {
		struct mm_struct *mm = list_entry(pos, struct mm_struct, mmlist);

		*anon += (unsigned long)max(atomic_long_read(&mm->rss_anon), 0l);
		*file += (unsigned long)max(
			atomic_long_read(&mm->rss_file) + atomic_long_read(&mm->rss_shmem), 0l);
	}
	spin_unlock(&mmlist_lock);
}

/* ---- Ending one ----------------------------------------------------------------------------- */

void mmget(struct mm_struct *mm)
{
	VM_BUG_ON(atomic_read(&mm->mm_users) <= 0); /* only a user makes another one */
	atomic_inc(&mm->mm_users);
}

void mmdrop(struct mm_struct *mm)
{
	VM_BUG_ON(atomic_read(&mm->mm_count) <= 0);
	if (!atomic_dec_and_test(&mm->mm_count))
		return;
	BUG_ON(mm == &init_mm || mm->mmap);
	VM_BUG_ON(atomic_read(&mm->mm_users)); /* all users together hold one count */
	VM_BUG_ON(mm->map_count || atomic_read(&mm->nr_gathers));
	spin_lock(&mmlist_lock);
	/* The turn must not point to an mm that is freed. */
	if (swap_mm == mm)
		swap_mm = next_mm(mm);
	list_del(&mm->mmlist);
	spin_unlock(&mmlist_lock);
	pgd_free(mm, mm->pgd);
	ldt_free(mm);
	WARN_ON_ONCE(atomic_long_read(&mm->pgtables_bytes) != 0);
	free_mm(mm);
}

void mmput(struct mm_struct *mm)
{
	VM_BUG_ON(atomic_read(&mm->mm_users) <= 0);
	if (!atomic_dec_and_test(&mm->mm_users))
		return;
	exit_mmap(mm);
	if (mm->exe_file)
		put_vm_file(mm->exe_file);
	mm->exe_file = NULL;
	mmdrop(mm);
}

/*
 * Unmap region by region, lowest first. When a region is reached, everything below it is unmapped,
 * so the floor is 0; a table that several regions share is freed with the last of them. The gaps
 * between regions, mostly far larger than they, are never looked at.
 */
static void unmap_all(struct mmu_gather *tlb, struct vm_area_struct *vma)
{
	unsigned int turns = 0;

	for (; vma; vma = vma->vm_next) {
		unsigned long ceiling = vma->vm_next ? vma->vm_next->vm_start : TASK_SIZE;

		zap_page_range(tlb, vma->vm_start, vma->vm_end);
		free_pgtables(tlb, vma->vm_start, vma->vm_end, 0, ceiling);
		pause_now_and_then(&turns);
	}
}

void exit_mmap(struct mm_struct *mm)
{
	struct vm_area_struct *vma, *next;
	unsigned long committed = 0;
	unsigned int turns = 0;
	struct mmu_gather tlb;

	VM_BUG_ON(mm == &init_mm);
	/*
	 * No user is left, but truncation and reclaim may still reach the mm through its VMAs,
	 * until they have left the files' trees.
	 */
	down_write(&mm->mmap_lock);
	vma = mm->mmap;
	for (next = vma; next; next = next->vm_next) {
		if (next->vm_flags & VM_ACCOUNT)
			committed += vma_pages(next);
		vma_unlink_file(next);
		pause_now_and_then(&turns);
	}
	update_hiwater_rss(mm);
	/* The set of VMAs is empty now; the VMAs themselves are on the local list. */
	mm->mmap = mm->mmap_cache = NULL;
	mm->mm_rb = (struct rb_root)RB_ROOT;
	mm->map_count = 0;
	/*
	 * If no CPU has these tables loaded, no translations exist and nothing needs to be flushed.
	 * Lazy CPUs may still have them loaded; then each batch is flushed as usual.
	 */
	tlb_gather_mmu(&tlb, mm, !smp_load_mb(&mm->cpu_vm_mask));
	unmap_all(&tlb, vma);
	tlb_finish_mmu(&tlb);
	mm->total_vm = mm->locked_vm = mm->data_vm = mm->exec_vm = mm->stack_vm = 0;
	up_write(&mm->mmap_lock);
	for (; vma; vma = next) {
		next = vma->vm_next;
		remove_vma(vma);
		pause_now_and_then(&turns);
	}
	vm_unacct_memory(committed);
	WARN_ON_ONCE(get_mm_rss(mm) != 0);
}

/* ---- fork ------------------------------------------------------------------------------------ */

/* fork: copy what is neither counted nor linked. The child gets a reference to exe_file. */
static void copy_mm_fields(struct mm_struct *mm, const struct mm_struct *old)
{
	mm->start_code = old->start_code;
	mm->end_code = old->end_code;
	mm->start_data = old->start_data;
	mm->end_data = old->end_data;
	mm->start_brk = old->start_brk;
	mm->brk = old->brk;
	mm->start_stack = old->start_stack;
	mm->arg_start = old->arg_start;
	mm->arg_end = old->arg_end;
	mm->env_start = old->env_start;
	mm->env_end = old->env_end;
	mm->mmap_base = old->mmap_base;
	mm->mmap_bottomup = old->mmap_bottomup;
	mm->membarrier = old->membarrier;
	mm->dumpable = old->dumpable;
	memcpy(mm->saved_auxv, old->saved_auxv, sizeof(mm->saved_auxv));
	if (old->exe_file)
		mm->exe_file = get_vm_file(old->exe_file);
}

/*
 * The child's copy of one region, linked behind last. Memory locks are not inherited (AS-45). With
 * MADV_WIPEONFORK the child's region starts without pages, hence without an anon_vma. NULL: no
 * memory.
 *
 * The copy is linked into its file's tree directly behind the original, so that truncation meets it
 * after the original (vma_interval.c), and before its pages are copied.
 */
static struct vm_area_struct *dup_vma(struct mm_struct *mm, struct vm_area_struct *old,
				      struct vm_area_struct *last)
{
	struct vm_area_struct *vma = vm_area_dup(old);

	if (!vma)
		return NULL;
	VM_BUG_ON(last && last->vm_end > old->vm_start);
	vma->vm_mm = mm;
	vma->vm_flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
	if (vma->vm_flags & VM_WIPEONFORK)
		vma->anon_vma = NULL;
	vma->anon_vma_inherited = vma->anon_vma;
	if (anon_vma_fork_below(vma, old)) {
		vm_area_free(vma);
		return NULL;
	}
	if (vma->vm_file)
		get_vm_file(vma->vm_file);
	mpol_get(vma->vm_policy);
	vma_append(mm, vma, last);
	vma_link_file_after(vma, old);
	if (vma->vm_ops && vma->vm_ops->open)
		vma->vm_ops->open(vma);
	vm_stat_account(mm, vma->vm_flags, (long)vma_pages(vma));
	return vma;
}

/* Charge, copy and fill one region. *last is the child's last region. 0 or -ENOMEM. */
static int dup_one_vma(struct mm_struct *mm, struct vm_area_struct *old,
		       struct vm_area_struct **last)
{
	unsigned long pages = vma_pages(old);
	struct vm_area_struct *vma;

	mmap_assert_write_locked(mm);
	mmap_assert_write_locked(old->vm_mm);
	if (old->vm_flags & VM_DONTCOPY)
		return 0;
	if (old->vm_flags & VM_ACCOUNT && vm_enough_memory(pages))
		return -ENOMEM;
	vma = dup_vma(mm, old, *last);
	if (!vma) {
		if (old->vm_flags & VM_ACCOUNT)
			vm_unacct_memory(pages);
		return -ENOMEM;
	}
	/* Linked and charged: from here on a failure is undone by exit_mmap() of the child. */
	*last = vma;
	if (old->vm_flags & VM_WIPEONFORK)
		return 0;
	return copy_page_range(mm, old->vm_mm, vma, old);
}

/*
 * Copy all regions and their entries. 0, -ENOMEM, or -EINTR with nothing copied. Both locks have
 * the same rank; no one else can hold the child's and want the parent's, as the child has no task.
 */
static int dup_mmap(struct mm_struct *mm, struct mm_struct *oldmm)
{
	struct vm_area_struct *last = NULL;
	unsigned int turns = 0;
	int err = 0;

	if (down_write_killable(&oldmm->mmap_lock))
		return -EINTR;
	down_write(&mm->mmap_lock); /* reclaim can find mm already (swap_out.c) */
	for (struct vm_area_struct *vma = oldmm->mmap; vma && !err; vma = vma->vm_next) {
		err = dup_one_vma(mm, vma, &last);
		pause_now_and_then(&turns);
	}
	/*
	 * The parent's private writable entries are read-only now. Until they are flushed, the
	 * parent's threads could go on writing to pages that the child shares. Also after an error:
	 * the entries stay read-only.
	 */
	flush_tlb_mm(oldmm);
	up_write(&mm->mmap_lock);
	up_write(&oldmm->mmap_lock);
	return err;
}

struct mm_struct *dup_mm(struct mm_struct *oldmm)
{
	struct mm_struct *mm = allocate_mm();

	if (!mm)
		return NULL;
	copy_mm_fields(mm, oldmm);
	if (!mm_init(mm)) {
		if (oldmm->exe_file)
			put_vm_file(oldmm->exe_file);
		return NULL;
	}
	if (ldt_dup(mm, oldmm) || dup_mmap(mm, oldmm)) {
		/* The half-built child is torn down as by an exit. */
		mmput(mm);
		return NULL;
	}
	WRITE_ONCE(mm->hiwater_rss, get_mm_rss(mm)); /* reclaim may be raising it, too */
	mm->hiwater_vm = mm->total_vm;
	count_vm_event(fork_mm);
	return mm;
}

/* ---- The current task's ---------------------------------------------------------------------- */

/*
 * Protects task->mm against other tasks that read it (oom_kill.c): while the lock is held, a task's
 * mm is not put.
 */
static spinlock_t task_mm_lock = SPIN_LOCK_INIT(RANK_LEAF);

/*
 * Take the lock that keeps task->mm of every task; returns the interrupt state for
 * unlock_task_mm().
 */
unsigned long lock_task_mm(void) ACQUIRES(&task_mm_lock)
{
	unsigned long flags;

	spin_lock_irqsave(&task_mm_lock, flags);
	return flags;
}

bool task_mm_is_locked(void)
{
	return lock_is_held(&task_mm_lock);
}

void unlock_task_mm(unsigned long flags) RELEASES(&task_mm_lock)
{
	spin_unlock_irqrestore(&task_mm_lock, flags);
}

/* Interrupts are off in the caller. */
static void set_task_mm(struct vm_task *task, struct mm_struct *mm)
{
	VM_BUG_ON(port_irqs_enabled());
	spin_lock(&task_mm_lock);
	WRITE_ONCE(task->mm, mm);
	spin_unlock(&task_mm_lock);
}

/*
 * The old mm is put after the new one is loaded and interrupts are on: putting may free all its
 * memory. A kernel thread that becomes a process gives back the mm that it had borrowed.
 */
void activate_mm(struct mm_struct *mm)
{
	struct vm_task *task = current_vm;
	struct mm_struct *old = task->mm, *borrowed = old ? NULL : task->active_mm;
	unsigned long flags = port_irq_save();

	set_task_mm(task, mm);
	task->active_mm = mm;
	switch_mm(old ? old : borrowed, mm);
	port_irq_restore(flags);
	if (borrowed && borrowed != &init_mm)
		mmdrop(borrowed);
	if (old)
		mmput(old);
}

/*
 * The reference tables (init_mm's) are loaded before the mm is put. So the tables that are about to
 * be freed are loaded on no CPU (CS-09), and freeing them needs no flush.
 */
void exit_mm(void)
{
	struct vm_task *task = current_vm;
	struct mm_struct *mm = task->mm;
	unsigned long flags;

	if (!mm)
		return;
	if (unlikely(!port_irqs_enabled()))
		panic("exit_mm() is called with interrupts off: unmapping waits for other CPUs");
	flags = port_irq_save();
	set_task_mm(task, NULL);
	task->active_mm = &init_mm;
	switch_mm(mm, &init_mm);
	port_irq_restore(flags);
	mmput(mm);
}
