// SPDX-License-Identifier: MIT
/*
 * anon_vma.c: which regions may map an anonymous page (FX-01).
 *
 * A VMA gets its anon_vma with its first anonymous page; its parts after a split share it, and no
 * VMA of another address space does. fork gives the child's copy an anon_vma of its own, below the
 * parent's:
 *
 *	parent A [vma] --- child B [vma] --- grandchild D [vma]
 *		       `-- child C [vma]
 *
 * A page names the anon_vma of the process that touched it first, so it is mapped by VMAs of that
 * one or of those below it, where fork copied it: (page->index - vm_pgoff) says where. What the
 * child of a server with a thousand children wrote is looked for in its one VMA, not in a thousand.
 * Linking and unlinking are constant.
 *
 * An anon_vma is freed when no VMA is on its list and no other anon_vma is below it. If its process
 * has ended but there are others below, it stays, because pages of theirs may still name it. Empty
 * anon_vmas with two or more children are fewer than the processes. But a chain of forks, in which
 * each parent ends after it has forked, leaves one behind each time:
 *
 *	A [] --- B [] --- C [] --- D [vma]	all pages of A, B and C that are left are D's alone
 *	A [vma]					shorten_chain(): A takes over D's pages and VMA
 *
 * So when a process with more than CHAIN_MAX anon_vmas above it forks, and at least
 * CHAIN_WORTHWHILE of them directly above it have no other process below, its VMAs move to the
 * highest of these and the others are freed. The price is one walk over its pages in so many
 * generations, while fork itself walks over them every time.
 *
 * Locking: the lists of a family, and the bounds of the VMAs on them against walkers, are
 * guarded by its root's lock (R, RANK_ANON_VMA). vma->anon_vma is set under it and page_table_lock:
 * once as threads fault in parallel, and again by shorten_chain() with mmap_lock for write.
 *
 * Lifetime: a page holds no reference to its anon_vma, and the anon_vma may be freed after the
 * page's last unmapping, while a walker is on its way to it. So a walker first takes a pin lock,
 * found by the anon_vma's address without looking into it, and an anon_vma is freed only after that
 * lock has been taken and released:
 *
 *	walker					last unmap
 *	read page->mapping
 *						mapcount -> none, VMA off the list, pin lock, freed
 *	pin lock: mapped no more, leave
 *
 *	pin lock: still mapped			mapcount -> none, VMA off the list
 *	root's lock, walk			pin lock: waits
 *
 * A parent is freed after its children only, so the root exists while any member is pinned. If a
 * page gets another anon_vma (set_anon_identity(), shorten_chain()) after a walker has read
 * page->mapping, the walker treats it like an unmapped page.
 *
 * Invariants: (V1) all VMAs of an anon_vma belong to one mm; (V2) an anon_vma without VMAs has
 * children. Failure: anon_vmas are allocated before anything changes (first fault, fork); the rest
 * cannot fail, so splits need no unwinding here.
 *
 * Seen in: the slab cache "anon_vma".
 */
#include <pagoda/lru.h>
#include <pagoda/slab.h>
#include "anon_vma.h"

/*
 * More ancestors than this are a reason to look; so many empty ones at the end are worth a walk
 * over all pages.
 */
#define CHAIN_MAX	 32
#define CHAIN_WORTHWHILE 16

static kmem_cache_t *anon_vma_cachep;

#define PIN_LOCKS 32
static struct {
	spinlock_t lock;
} __aligned(SMP_CACHE_BYTES) pin_locks[PIN_LOCKS] = {
	[0 ... PIN_LOCKS - 1] = {SPIN_LOCK_INIT(RANK_ANON_VMA)},
};

/*
 * The pin lock of an anon_vma, found by its address alone: the anon_vma may have been freed, so it
 * must not be read. Several share one lock; 64 bytes is about their size, so neighbours use
 * different ones.
 */
static spinlock_t *pin_lock(const struct anon_vma *anon)
{
	return &pin_locks[(unsigned long)anon / 64 % PIN_LOCKS].lock;
}

void anon_vma_cache_init(void)
{
	anon_vma_cachep = kmem_cache_create("anon_vma", sizeof(struct anon_vma), 0, 0, NULL, NULL);
	if (!anon_vma_cachep)
		panic("no memory for the anon_vma cache");
}

/* page->mapping in one piece: shorten_chain() and write faults change it while others read. */
static struct address_space *read_mapping(const struct page *page)
{
	return READ_ONCE(page->mapping);
}

/* The anon_vma that an anonymous page names. The caller keeps it from being freed. */
static struct anon_vma *name_of(const struct page *page)
{
	VM_BUG_ON(!PageAnon(page));
	return (struct anon_vma *)((unsigned long)read_mapping(page) - PAGE_MAPPING_ANON);
}

/*
 * An anon_vma below parent (NULL: the root of a new family), on no list yet. NULL: no memory. May
 * sleep.
 */
static struct anon_vma *new_anon_vma(struct anon_vma *parent)
{
	struct anon_vma *anon = kmem_cache_alloc(anon_vma_cachep, GFP_KERNEL);

	if (!anon)
		return NULL;
	anon->parent = parent;
	anon->root = parent ? parent->root : anon;
	anon->depth = parent ? parent->depth + 1 : 0;
	INIT_LIST_HEAD(&anon->vmas);
	INIT_LIST_HEAD(&anon->children);
	INIT_LIST_HEAD(&anon->sibling);
	spin_lock_init(&anon->lock, RANK_ANON_VMA);
	return anon;
}

/* May it be freed? No VMA and no other anon_vma refers to it (V2). The family is locked. */
static bool is_empty(const struct anon_vma *anon)
{
	lockdep_assert_held(&anon->root->lock);
	return list_empty(&anon->vmas) && list_empty(&anon->children);
}

/*
 * Free anon, which became empty, and every ancestor that becomes empty by that. Taking and
 * releasing the pin lock waits for walkers that found anon by a page before its last unmapping;
 * later ones see that the page is unmapped and stay away.
 */
static void free_anon_vma(struct anon_vma *anon)
{
	VM_BUG_ON(anon && !list_empty(&anon->vmas)); /* (V2) */
	while (anon) {
		struct anon_vma *parent = anon->parent;

		spin_lock(pin_lock(anon));
		spin_unlock(pin_lock(anon));
		if (parent) {
			spinlock_t *lock = &anon->root->lock;

			spin_lock(lock);
			list_del(&anon->sibling);
			if (!is_empty(parent))
				parent = NULL;
			spin_unlock(lock);
		}
		kmem_cache_free(anon_vma_cachep, anon);
		anon = parent;
	}
}

/* Is the VMA on an anon_vma's list? Its chain is zero before the first and after list_del(). */
static bool is_on_list(const struct vm_area_struct *vma)
{
	return vma->anon_vma_chain.next && !list_empty(&vma->anon_vma_chain);
}

/*
 * A copy of a VMA (split, mremap), or one that takes over a neighbour's pages (merge), joins the
 * list of its anon_vma.
 */
void anon_vma_link(struct vm_area_struct *vma)
{
	struct anon_vma *anon = vma->anon_vma;

	VM_BUG_ON(is_on_list(vma)); /* a VMA is on one list only */
	if (!anon)
		return;
	spin_lock(&anon->root->lock);
	list_add_tail(&vma->anon_vma_chain, &anon->vmas);
	spin_unlock(&anon->root->lock);
}

/* ---- Chains of ended processes --------------------------------------------------------------- */

/*
 * The highest ancestor of anon (or anon itself) below which no VMA exists but anon's own: each one
 * on the way up is without VMAs and has a single child.
 */
static struct anon_vma *sole_user_of(struct anon_vma *anon) MUST_HOLD(&anon->root->lock)
{
	struct anon_vma *top = anon;

	lockdep_assert_held(&anon->root->lock);
	if (!list_empty(&anon->children))
		return anon;
	while (top->parent && list_empty(&top->parent->vmas) &&
	       top->parent->children.next == &top->sibling &&
	       top->parent->children.prev == &top->sibling)
		top = top->parent;
	return top;
}

/*
 * Give the anonymous pages of one table that name an anon_vma below top the name of top. Pages that
 * name top or one above it are shared with other processes and keep their name.
 */
static void rename_pages(pte_t *ptep, unsigned long nr, const struct anon_vma *top)
{
	for (; nr; nr--, ptep++) {
		pte_t pte = ptep_get(ptep);
		struct page *page = pte_present(pte) ? normal_page(pte) : NULL;

		if (page && PageAnon(page) && name_of(page)->depth > top->depth)
			WRITE_ONCE(page->mapping, (struct address_space *)((unsigned long)top |
									   PAGE_MAPPING_ANON));
	}
}

/* The same for all pages of one VMA, a table at a time. */
static void rename_pages_of(const struct vm_area_struct *vma, const struct anon_vma *top)
{
	unsigned long addr = vma->vm_start, end = vma->vm_end, next;
	struct mm_struct *mm = vma->vm_mm;
	pmd_t *pmd;

	mmap_assert_write_locked(mm);
	for (; (pmd = next_pmd(mm, &addr, end)); addr = next) {
		next = pmd_addr_end(addr, end);
		spin_lock(&mm->page_table_lock);
		rename_pages(pte_offset(pmd, addr), (next - addr) >> PAGE_SHIFT, top);
		spin_unlock(&mm->page_table_lock);
		port_cond_resched();
	}
}

/*
 * Move all VMAs from one anon_vma to another that has none. Under both locks, since vma->anon_vma
 * is read under either.
 */
static void move_vmas(struct mm_struct *mm, struct anon_vma *from, struct anon_vma *to)
{
	struct vm_area_struct *vma;

	mmap_assert_write_locked(mm);
	VM_BUG_ON(from->root != to->root || from->depth <= to->depth);
	spin_lock(&to->root->lock);
	spin_lock(&mm->page_table_lock);
	VM_BUG_ON(!list_empty(&to->vmas));
	list_for_each_entry(vma, &from->vmas, anon_vma_chain) {
		VM_BUG_ON(vma->vm_mm != mm); /* (V1) */
		smp_store_release(&vma->anon_vma, to);
	}
	list_splice_init(&from->vmas, &to->vmas);
	spin_unlock(&mm->page_table_lock);
	spin_unlock(&to->root->lock);
}

/*
 * Let anon's VMAs take the place of its highest ancestor without other users, if that frees enough
 * anon_vmas. mmap_lock is held for write, so no fault gives a page of these VMAs the old name
 * meanwhile. Their lists and their chain of ancestors stay as they are, because only this process
 * changes them.
 */
static void shorten_chain(struct mm_struct *mm, struct anon_vma *anon)
{
	struct vm_area_struct *vma;
	struct anon_vma *top;

	mmap_assert_write_locked(mm);
	spin_lock(&anon->root->lock);
	top = sole_user_of(anon);
	spin_unlock(&anon->root->lock);
	if (anon->depth - top->depth < CHAIN_WORTHWHILE)
		return;
	list_for_each_entry(vma, &anon->vmas, anon_vma_chain)
		rename_pages_of(vma, top);
	move_vmas(mm, anon, top);
	free_anon_vma(anon);
}

int anon_vma_fork_below(struct vm_area_struct *vma, struct vm_area_struct *old)
{
	struct anon_vma *parent, *anon;

	mmap_assert_write_locked(old->vm_mm);
	VM_BUG_ON(vma->vm_mm == old->vm_mm);
	VM_BUG_ON(is_on_list(vma));
	if (!vma->anon_vma)
		return 0;
	if (unlikely(old->anon_vma->depth > CHAIN_MAX))
		shorten_chain(old->vm_mm, old->anon_vma);
	/* Read after shorten_chain(), which may have changed it. */
	parent = old->anon_vma;
	anon = new_anon_vma(parent);
	if (!anon)
		return -ENOMEM;
	/*
	 * No one else knows the new anon_vma before it is on its parent's list: no lock is needed.
	 */
	list_add_tail(&vma->anon_vma_chain, &anon->vmas);
	vma->anon_vma = anon;
	spin_lock(&anon->root->lock);
	list_add_tail(&anon->sibling, &parent->children);
	spin_unlock(&anon->root->lock);
	return 0;
}

/*
 * Take a VMA off its anon_vma's list; the last one frees the anon_vma. No page of the VMA is mapped
 * any more, or the VMA's pages are covered by another VMA of the list (merge).
 */
void anon_vma_unlink(struct vm_area_struct *vma)
{
	struct anon_vma *anon = vma->anon_vma;
	bool empty;

	if (!anon)
		return;
	spin_lock(&anon->root->lock);
	list_del(&vma->anon_vma_chain);
	empty = is_empty(anon);
	spin_unlock(&anon->root->lock);
	vma->anon_vma = NULL;
	if (empty)
		free_anon_vma(anon);
}

void anon_vma_lock(struct vm_area_struct *vma) NO_LOCK_ANALYSIS("may have nothing to lock")
{
	if (vma->anon_vma)
		spin_lock(&vma->anon_vma->root->lock);
}

void anon_vma_unlock(struct vm_area_struct *vma) NO_LOCK_ANALYSIS("may have nothing to unlock")
{
	if (vma->anon_vma)
		spin_unlock(&vma->anon_vma->root->lock);
}

bool anon_vma_covers(const struct page *page, const struct vm_area_struct *vma)
{
	const struct anon_vma *anon = vma->anon_vma;

	/*
	 * Another process may give the page to its own family meanwhile: mapping is one of the two.
	 */
	const struct address_space *mapping = READ_ONCE(page->mapping);

	while (anon && ((unsigned long)anon | PAGE_MAPPING_ANON) != (unsigned long)mapping)
		anon = anon->parent;
	return anon;
}

/*
 * The anon_vma of a neighbour that differs from this VMA only in its rights, or NULL. If both use
 * one anon_vma, they can be merged once mprotect() has given them the same rights.
 */
static struct anon_vma *neighbours_anon_vma(const struct vm_area_struct *vma)
{
	const struct vm_area_struct *near[2] = {vma->vm_prev, vma->vm_next};

	mmap_assert_locked(vma->vm_mm);
	for (int i = 0; i < 2; i++) {
		const struct vm_area_struct *n = near[i];
		struct anon_vma *anon;

		if (!n || n->vm_file != vma->vm_file || n->anon_vma_inherited ||
		    (n->vm_end != vma->vm_start && n->vm_start != vma->vm_end) ||
		    n->vm_pgoff - (n->vm_start >> PAGE_SHIFT) !=
			    vma->vm_pgoff - (vma->vm_start >> PAGE_SHIFT))
			continue;
		anon = smp_load_acquire(&n->anon_vma);
		if (anon)
			return anon;
	}
	return NULL;
}

/*
 * Two threads may do this for the same VMA at a time, as mmap_lock is held for read only. The first
 * one to take the locks sets vma->anon_vma; the other frees what it has allocated:
 *
 *	thread 1			thread 2
 *	anon_vma NULL, allocate		anon_vma NULL, allocate
 *	lock, still NULL: set
 *					lock, set already: free its own
 *
 * A neighbour's anon_vma cannot be freed meanwhile, as the neighbour stays: mmap_lock is held.
 */
int __anon_vma_prepare(struct vm_area_struct *vma)
{
	struct anon_vma *near = neighbours_anon_vma(vma), *anon = near ? near : new_anon_vma(NULL);

	mmap_assert_locked(vma->vm_mm);
	if (!anon)
		return -ENOMEM;
	spin_lock(&anon->root->lock);
	spin_lock(&vma->vm_mm->page_table_lock);
	if (!vma->anon_vma) {
		list_add_tail(&vma->anon_vma_chain, &anon->vmas);
		smp_store_release(&vma->anon_vma, anon);
		near = anon;
	}
	spin_unlock(&vma->vm_mm->page_table_lock);
	spin_unlock(&anon->root->lock);
	/* The anon_vma was allocated here, and not used. */
	if (near != anon)
		kmem_cache_free(anon_vma_cachep, anon);
	return 0;
}

void set_shared_anon_identity(struct page *page, const struct vm_area_struct *vma)
{
	VM_BUG_ON(!vma->anon_vma);
	WRITE_ONCE(page->mapping, (struct address_space *)((unsigned long)vma->anon_vma->root |
							   PAGE_MAPPING_ANON));
}

/* ---- For walks ------------------------------------------------------------------------------- */

/*
 * After the pin lock is taken, a page that is still mapped and names the same anon_vma proves that
 * the anon_vma was not freed: its owner takes the pin lock to free it after the last unmapping. See
 * "Lifetime".
 */
struct anon_vma *lock_page_anon_vma(const struct page *page)
	NO_LOCK_ANALYSIS("locked only if a family is found")
{
	unsigned long mapping = (unsigned long)read_mapping(page);
	struct anon_vma *anon = (struct anon_vma *)(mapping - PAGE_MAPPING_ANON);

	if (!(mapping & PAGE_MAPPING_ANON))
		return NULL;
	spin_lock(pin_lock(anon));
	if (page_mapcount(page) && (unsigned long)read_mapping(page) == mapping) {
		spin_lock(&anon->root->lock);
		return anon;
	}
	spin_unlock(pin_lock(anon));
	return NULL;
}

void unlock_page_anon_vma(struct anon_vma *anon) NO_LOCK_ANALYSIS("lock_page_anon_vma() took both")
{
	spin_unlock(&anon->root->lock);
	spin_unlock(pin_lock(anon));
}

/*
 * Depth first: down to the first child, else to the next sibling of the nearest ancestor below top.
 */
struct anon_vma *next_anon_vma(struct anon_vma *anon, const struct anon_vma *top)
{
	lockdep_assert_held(&top->root->lock);
	if (!list_empty(&anon->children))
		return list_first_entry(&anon->children, struct anon_vma, sibling);
	for (; anon != top; anon = anon->parent)
		if (anon->sibling.next != &anon->parent->children)
			return list_entry(anon->sibling.next, struct anon_vma, sibling);
	return NULL;
}
