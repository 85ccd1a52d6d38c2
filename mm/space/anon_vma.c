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
 * An anon_vma goes when no VMA is on its list and no other is below it. One whose process has
 * ended, but not those below it, stays, as their pages may still have its name. Of these, ones with
 * several below are no more than processes. But a chain of forks whose older members have ended
 * leaves one each time:
 *
 *	A [] --- B [] --- C [] --- D [vma]	all pages of A, B and C that are left are D's alone
 *	A [vma]					shorten_chain(): they get the name of A, and D moves there
 *
 * So when a process forks that has more than CHAIN_MAX anon_vmas above it, and at least
 * CHAIN_WORTHWHILE of these at the end of the chain have no other process below, it takes the place
 * of the highest of them and the others go. That costs a look at its pages, once in so many
 * generations, where fork looks at each as well.
 *
 * Locking: the lists of a family, and the bounds of the VMAs on them against walkers, are
 * guarded by its root's lock (R, RANK_ANON_VMA). vma->anon_vma is set under it and page_table_lock:
 * once as threads fault in parallel, and again by shorten_chain() with mmap_lock for write.
 *
 * Lifetime: pages hold no anon_vma, and a page may be unmapped for the last time while
 * a walker comes. So a walker first takes a pin lock, found by the anon_vma's address without
 * looking into it, and an anon_vma is freed only after that lock has been taken and released:
 *
 *	walker					last unmap
 *	read page->mapping
 *						mapcount -> none, VMA off the list, pin lock, freed
 *	pin lock: mapped no more, leave
 *
 *	pin lock: still mapped			mapcount -> none, VMA off the list
 *	root's lock, walk			pin lock: waits
 *
 * The parent stays until its child is freed, hence the root while any member is pinned. A page that
 * gets another name (set_anon_identity(), shorten_chain()) is like an unmapped one for a walker
 * that has read the old.
 *
 * Invariants: (V1) the VMAs of an anon_vma are of one mm; (V2) one without VMAs has children.
 * Failure: anon_vmas are allocated before anything changes (first fault, fork); the rest cannot
 * fail, so splits need no unwinding here.
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

static struct address_space *read_mapping(const struct page *page)
{
	return READ_ONCE(page->mapping);
}

static struct anon_vma *name_of(const struct page *page)
{
	return (struct anon_vma *)((unsigned long)read_mapping(page) - PAGE_MAPPING_ANON);
}

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

static bool is_empty(const struct anon_vma *anon)
{
	lockdep_assert_held(&anon->root->lock);
	return list_empty(&anon->vmas) && list_empty(&anon->children);
}

/* Free anon, which became empty, and those above it that become so with it. */
static void free_anon_vma(struct anon_vma *anon)
{
	while (anon) {
		struct anon_vma *parent = anon->parent;

		/* no walker that found anon by a page is in it any more */
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

void anon_vma_link(struct vm_area_struct *vma)
{
	struct anon_vma *anon = vma->anon_vma;

	if (!anon)
		return;
	spin_lock(&anon->root->lock);
	list_add_tail(&vma->anon_vma_chain, &anon->vmas);
	spin_unlock(&anon->root->lock);
}

/* ---- Chains of ended processes --------------------------------------------------------------- */

/* The highest anon_vma of those above anon, and anon itself, that have no VMAs below but anon's. */
static struct anon_vma *sole_user_of(struct anon_vma *anon)
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

/* The anonymous pages of one table that have the name of an anon_vma below top get top's. */
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

static void rename_pages_of(const struct vm_area_struct *vma, const struct anon_vma *top)
{
	unsigned long addr = vma->vm_start, end = vma->vm_end, next;
	struct mm_struct *mm = vma->vm_mm;
	pmd_t *pmd;

	for (; (pmd = next_pmd(mm, &addr, end)); addr = next) {
		next = pmd_addr_end(addr, end);
		spin_lock(&mm->page_table_lock);
		rename_pages(pte_offset(pmd, addr), (next - addr) >> PAGE_SHIFT, top);
		spin_unlock(&mm->page_table_lock);
		port_cond_resched();
	}
}

/* All VMAs of an anon_vma go over to one that has none. */
static void move_vmas(struct mm_struct *mm, struct anon_vma *from, struct anon_vma *to)
{
	struct vm_area_struct *vma;

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
 * anon_vmas. mmap_lock is held for write: so no fault names a page of these VMAs meanwhile, be it
 * present or swapped, and their lists and their chain stay, as only this process changes them.
 */
static void shorten_chain(struct mm_struct *mm, struct anon_vma *anon)
{
	struct vm_area_struct *vma;
	struct anon_vma *top;

	lockdep_assert_held(&mm->mmap_lock);
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

	if (!vma->anon_vma)
		return 0;
	if (unlikely(old->anon_vma->depth > CHAIN_MAX))
		shorten_chain(old->vm_mm, old->anon_vma);
	parent = old->anon_vma;
	anon = new_anon_vma(parent);
	if (!anon)
		return -ENOMEM;
	list_add_tail(&vma->anon_vma_chain, &anon->vmas);
	vma->anon_vma = anon;
	spin_lock(&anon->root->lock);
	list_add_tail(&anon->sibling, &parent->children);
	spin_unlock(&anon->root->lock);
	return 0;
}

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

void anon_vma_lock(struct vm_area_struct *vma)
{
	if (vma->anon_vma)
		spin_lock(&vma->anon_vma->root->lock);
}

void anon_vma_unlock(struct vm_area_struct *vma)
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
 * A neighbour that would be one VMA with this one but for its rights: sharing its
 * anon_vma now lets the two merge after an mprotect.
 */
static struct anon_vma *neighbours_anon_vma(const struct vm_area_struct *vma)
{
	const struct vm_area_struct *near[2] = {vma->vm_prev, vma->vm_next};

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

int __anon_vma_prepare(struct vm_area_struct *vma)
{
	struct anon_vma *near = neighbours_anon_vma(vma), *anon = near ? near : new_anon_vma(NULL);

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
	if (near != anon)
		kmem_cache_free(anon_vma_cachep, anon);
	return 0;
}

void set_shared_anon_identity(struct page *page, const struct vm_area_struct *vma)
{
	WRITE_ONCE(page->mapping, (struct address_space *)((unsigned long)vma->anon_vma->root |
							   PAGE_MAPPING_ANON));
}

/* ---- For walks ------------------------------------------------------------------------------- */

struct anon_vma *lock_page_anon_vma(const struct page *page)
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

void unlock_page_anon_vma(struct anon_vma *anon)
{
	spin_unlock(&anon->root->lock);
	spin_unlock(pin_lock(anon));
}

struct anon_vma *next_anon_vma(struct anon_vma *anon, const struct anon_vma *top)
{
	if (!list_empty(&anon->children))
		return list_first_entry(&anon->children, struct anon_vma, sibling);
	for (; anon != top; anon = anon->parent)
		if (anon->sibling.next != &anon->parent->children)
			return list_entry(anon->sibling.next, struct anon_vma, sibling);
	return NULL;
}
