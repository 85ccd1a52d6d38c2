// SPDX-License-Identifier: MIT
/*
 * rmap.c: from a page to the entries that map it (FX-01), and what reclaim does to them.
 *
 *	page->mapping | 1 -> anon_vma -> list of VMAs (anon_vma_chain)	anonymous
 *	page->mapping     -> i_mmap, i_mmap_shared				file
 *	page->index	     the page's place in those VMAs: like vm_pgoff
 *
 * A VMA gets its anon_vma with its first anonymous page; its parts after a split share it.
 * fork gives the child's copy an anon_vma of its own, below the parent's:
 *
 *	parent A [vma] --- child B [vma] --- grandchild D [vma]
 *		       `-- child C [vma]
 *
 * A page knows the anon_vma of who touched it first, so it is mapped by VMAs of that one or of
 * those below it, where fork copied it: (page->index - vm_pgoff) says where. What the child of
 * a server with a thousand children wrote is looked for in its one VMA, not in a thousand.
 * Linking and unlinking are constant. Not every VMA named maps the page: the entry tells.
 *
 *	page_referenced		accessed bits, cleared
 *	try_to_unmap		entries -> swap entries or none
 *	page_mkclean		entries -> clean and write-protected
 *
 * A walk may miss an entry that is moved meanwhile (mremap) or copied (fork): nobody relies
 * on having met all of them, but looks at mapcount afterwards.
 *
 * Locking: the lists of a family, and the bounds of the VMAs on them against walkers, are
 * guarded by its root's lock (RANK_ANON_VMA). A file's by
 * i_mmap_rwsem, which walkers only try: reclaim may run in a task that has some other one.
 * Entries by page_table_lock, held from the descent on: tables are unhooked under it, so
 * that one that is found stays. vma->anon_vma is set once, under page_table_lock, as
 * threads fault in parallel; mmap_lock for write also covers it.
 *
 * Lifetime: an anon_vma goes when no VMA is on its list and no other is below it; one that
 * is empty cannot get new ones. Pages hold none, and a page may be unmapped for the last time while
 * a walker comes. So a walker first takes a pin lock, found by the anon_vma's address without
 * looking into it, and who frees an anon_vma passes through that lock before:
 *
 *	walker					last unmap
 *	read page->mapping
 *						mapcount -> none, VMA off the list, pin lock, freed
 *	pin lock: mapped no more, leave
 *
 *	pin lock: still mapped			mapcount -> none, VMA off the list
 *	root's lock, walk			pin lock: waits
 *
 * The parent stays until its child is freed, hence the root while any member is pinned. An mm
 * whose VMA is on a list is there: exit_mmap() takes its VMAs off before the mm is dropped.
 *
 * VM_LOCKED is read under page_table_lock, where it is also set (vma.c): after mlock() has
 * set it, no page of the region is taken away, and those taken before are faulted in again.
 *
 * Failure: anon_vmas are allocated before anything changes (first fault, fork); the rest cannot
 * fail, so splits need no unwinding here. A file whose lock is busy counts as referenced
 * and stays mapped.
 *
 * Seen in: vm event rmap_visit, VMAs looked at by walks; the slab cache "anon_vma".
 */
#include <pagoda/lru.h>
#include <pagoda/swap.h>
#include <pagoda/slab.h>
#include <pagoda/vmscan.h>
#include <pagoda/vmstat.h>
#include "vma_internal.h"

/*
 * Generations that get an anon_vma of their own. Deeper ones share their ancestor's list: a
 * chain of forks whose older members are gone must not leave a chain of empty anon_vmas.
 */
#define ANON_DEPTH_MAX 32

struct anon_vma {
	struct anon_vma *root, *parent; /* (C) itself, NULL: the first of its family */
	struct list_head vmas, children, sibling;
	spinlock_t lock; /* of the root: the lists of the whole family */
	unsigned int depth; /* (C) */
};

static kmem_cache_t *anon_vma_cachep;

#define PIN_LOCKS 32
static struct {
	spinlock_t lock;
} __aligned(SMP_CACHE_BYTES) pin_locks[PIN_LOCKS] = {
	[0 ... PIN_LOCKS - 1] = { SPIN_LOCK_INIT(RANK_ANON_VMA) },
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

/* The root's lock held. */
static bool is_empty(const struct anon_vma *anon)
{
	return list_empty(&anon->vmas) && list_empty(&anon->children);
}

/* Free anon, which became empty, and those above it that become so with it. */
static void free_anon_vma(struct anon_vma *anon)
{
	while (anon) {
		struct anon_vma *parent = anon->parent;

		spin_lock(pin_lock(anon)); /* whoever came through a page has left */
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

int anon_vma_fork(struct vm_area_struct *vma)
{
	struct anon_vma *parent = vma->anon_vma, *anon;

	if (!parent)
		return 0;
	if (parent->depth == ANON_DEPTH_MAX) {
		anon_vma_link(vma);
		return 0;
	}
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

	/* Another process may give the page to its own family meanwhile: mapping is one of the two. */
	const struct address_space *mapping = __atomic_load_n(&page->mapping, __ATOMIC_RELAXED);

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
	const struct vm_area_struct *near[2] = { vma->vm_prev, vma->vm_next };

	for (int i = 0; i < 2; i++) {
		const struct vm_area_struct *n = near[i];
		struct anon_vma *anon;

		if (!n || n->vm_file != vma->vm_file || n->anon_vma_inherited ||
		    (n->vm_end != vma->vm_start && n->vm_start != vma->vm_end) ||
		    n->vm_pgoff - (n->vm_start >> PAGE_SHIFT) !=
			    vma->vm_pgoff - (vma->vm_start >> PAGE_SHIFT))
			continue;
		anon = __atomic_load_n(&n->anon_vma, __ATOMIC_ACQUIRE);
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
		__atomic_store_n(&vma->anon_vma, anon, __ATOMIC_RELEASE);
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
	__atomic_store_n(&page->mapping,
			 (struct address_space *)((unsigned long)vma->anon_vma->root | PAGE_MAPPING_ANON),
			 __ATOMIC_RELAXED);
}

/* ---- Walking ------------------------------------------------------------------------------ */

struct rmap_walk {
	struct page *page;
	/* One VMA that shows the page at addr; false ends the walk. */
	bool (*visit)(struct rmap_walk *walk, struct vm_area_struct *vma, unsigned long addr);
	struct rmap_info info;
	bool was_dirty; /* page_mkclean */
	unsigned int unmapped; /* try_to_unmap: entries */
};

static bool walk_vma(struct rmap_walk *walk, struct vm_area_struct *vma)
{
	pgoff_t index = walk->page->index;

	count_vm_event(rmap_visit);
	if (index < vma->vm_pgoff || index - vma->vm_pgoff >= vma_pages(vma))
		return true;
	return walk->visit(walk, vma, vma->vm_start + ((index - vma->vm_pgoff) << PAGE_SHIFT));
}

static struct address_space *read_mapping(const struct page *page)
{
	return __atomic_load_n(&page->mapping, __ATOMIC_RELAXED);
}

/* The page's anon_vma, pinned and its family locked; NULL: the page is mapped no more. */
static struct anon_vma *lock_page_anon_vma(const struct page *page)
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

/* The next one at or below top, each before those below it; NULL: that was all. */
static struct anon_vma *next_anon_vma(struct anon_vma *anon, const struct anon_vma *top)
{
	if (!list_empty(&anon->children))
		return list_first_entry(&anon->children, struct anon_vma, sibling);
	for (; anon != top; anon = anon->parent)
		if (anon->sibling.next != &anon->parent->children)
			return list_entry(anon->sibling.next, struct anon_vma, sibling);
	return NULL;
}

static bool walk_anon_list(struct rmap_walk *walk, struct anon_vma *anon)
{
	struct vm_area_struct *vma;

	list_for_each_entry(vma, &anon->vmas, anon_vma_chain)
		if (!walk_vma(walk, vma))
			return false;
	return true;
}

static void walk_anon(struct rmap_walk *walk)
{
	struct anon_vma *top = lock_page_anon_vma(walk->page), *anon = top;

	if (!top)
		return;
	while (anon && walk_anon_list(walk, anon))
		anon = next_anon_vma(anon, top);
	spin_unlock(&top->root->lock);
	spin_unlock(pin_lock(top));
}

static bool walk_tree(struct rmap_walk *walk, const struct rb_root *vmas)
{
	pgoff_t index = walk->page->index;
	struct vm_area_struct *vma;

	for_each_vma_of(vma, vmas, index, index)
		if (!walk_vma(walk, vma))
			return false;
	return true;
}

/* False: the file's lock is busy. */
static bool walk_file(struct rmap_walk *walk)
{
	struct address_space *mapping = read_mapping(walk->page);

	VM_BUG_ON(!PageLocked(walk->page));
	if (!mapping)
		return true;
	if (!down_read_trylock(&mapping->i_mmap_rwsem))
		return false;
	if (walk_tree(walk, &mapping->i_mmap_shared))
		(void)walk_tree(walk, &mapping->i_mmap); /* all there is was seen either way */
	up_read(&mapping->i_mmap_rwsem);
	return true;
}

static bool rmap_walk(struct rmap_walk *walk)
{
	if (!PageAnon(walk->page))
		return walk_file(walk);
	walk_anon(walk);
	return true;
}

/* The entry of mm that maps page at addr, with page_table_lock held; NULL: it does not. */
static pte_t *lock_entry_of(struct page *page, struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd;

	VM_BUG_ON(addr >= TASK_SIZE);
	spin_lock(&mm->page_table_lock);
	pmd = walk_to_pmd(mm, addr);
	if (pmd && !pmd_none(pmdp_get(pmd))) {
		pte_t *ptep = pte_offset(pmd, addr);
		pte_t pte = ptep_get(ptep);

		if (pte_present(pte) && normal_page(pte) == page)
			return ptep;
	}
	spin_unlock(&mm->page_table_lock);
	return NULL;
}

static unsigned long read_vm_flags(const struct vm_area_struct *vma)
{
	return __atomic_load_n(&vma->vm_flags, __ATOMIC_RELAXED);
}

/* ---- Accessed bits -------------------------------------------------------------------------- */

static bool referenced_one(struct rmap_walk *walk, struct vm_area_struct *vma, unsigned long addr)
{
	pte_t *ptep = lock_entry_of(walk->page, vma->vm_mm, addr);
	unsigned long vm_flags;

	if (!ptep)
		return true;
	vm_flags = read_vm_flags(vma);
	if (vm_flags & VM_LOCKED)
		walk->info.locked = true;
	if (ptep_test_and_clear_young(ptep)) {
		/* Else a CPU that remembers the page would not set the bit again. */
		flush_tlb_page(vma->vm_mm, addr);
		/* What is read once, in order, is no sign of more to come. */
		walk->info.referenced += !(vm_flags & VM_SEQ_READ);
		walk->info.executable |= !!(vm_flags & VM_EXEC);
	}
	spin_unlock(&vma->vm_mm->page_table_lock);
	return !walk->info.locked;
}

int page_referenced(struct page *page, struct rmap_info *info)
{
	struct rmap_walk walk = { .page = page, .visit = referenced_one };

	if (page_mapcount(page) && !rmap_walk(&walk))
		walk.info.referenced = 1;
	if (info)
		*info = walk.info;
	return walk.info.referenced;
}

/* ---- Unmapping -------------------------------------------------------------------------------- */

/* page_table_lock held. What the entry becomes; *ok: the page may go. */
static pte_t replacement(const struct rmap_walk *walk, bool *ok)
{
	swp_entry_t entry = { 0 };

	*ok = true;
	if (!PageAnon(walk->page) || PageLazyFree(walk->page))
		return __pte(0);
	BUG_ON(!PageSwapCache(walk->page));
	entry = page_swap_entry(walk->page);
	*ok = swap_duplicate(entry);
	return swp_entry_to_pte(entry);
}

/*
 * A lazily freed page, its entry just taken out: was it not stored to since, and does nobody hold
 * it who may? The other references are our caller's, and the entries'.
 */
static bool may_discard(struct page *page, pte_t pte)
{
	return !pte_dirty(pte) && !PageDirty(page) && page_count_no_batch(page) == page_mapcount(page) + 1;
}

static void count_unmapped(struct mm_struct *mm, struct page *page, bool swapped)
{
	update_hiwater_rss(mm);
	add_rss(rss_counter(mm, page), -1);
	if (swapped)
		add_rss(&mm->swap_usage, 1);
	else if (PageAnon(page))
		count_vm_event(pglazyfreed);
	atomic_dec(&page->mapcount);
	put_page(page); /* the entry's; the caller has another */
}

static bool unmap_one(struct rmap_walk *walk, struct vm_area_struct *vma, unsigned long addr)
{
	struct mm_struct *mm = vma->vm_mm;
	pte_t *ptep = lock_entry_of(walk->page, mm, addr);
	pte_t pte, new;
	bool ok;

	if (!ptep)
		return true;
	if (read_vm_flags(vma) & (VM_LOCKED | VM_RESERVED) || (PageAnon(walk->page) && page_pinned(walk->page))) {
		spin_unlock(&mm->page_table_lock);
		return false;
	}
	new = replacement(walk, &ok);
	if (ok) {
		pte = ptep_get_and_clear(mm, addr, ptep);
		flush_tlb_page(mm, addr);
		if (PageLazyFree(walk->page) && !may_discard(walk->page, pte)) {
			set_pte_at(mm, addr, ptep, pte);
			(void)lru_set_lazyfree(walk->page, false);
			spin_unlock(&mm->page_table_lock);
			return false;
		}
		keep_dirty(walk->page, pte); /* locked, hence still its mapping's */
		if (!pte_none(new))
			set_pte_at(mm, addr, ptep, pte_soft_dirty(pte) ? pte_swp_mksoft_dirty(new) : new);
		count_unmapped(mm, walk->page, !pte_none(new));
		walk->unmapped++;
	}
	spin_unlock(&mm->page_table_lock);
	return ok && page_mapcount(walk->page);
}

bool unmap_page_from(struct page *page, struct vm_area_struct *vma, unsigned long addr)
{
	struct rmap_walk walk = { .page = page };

	VM_BUG_ON(!PageLocked(page));
	(void)unmap_one(&walk, vma, addr); /* whether others map it does not matter */
	return walk.unmapped;
}

bool try_to_unmap(struct page *page)
{
	struct rmap_walk walk = { .page = page, .visit = unmap_one };

	VM_BUG_ON(!PageLocked(page));
	return rmap_walk(&walk) && !page_mapcount(page);
}

/* ---- Cleaning ---------------------------------------------------------------------------------- */

static bool mkclean_one(struct rmap_walk *walk, struct vm_area_struct *vma, unsigned long addr)
{
	pte_t *ptep = lock_entry_of(walk->page, vma->vm_mm, addr);
	pte_t pte;

	if (!ptep)
		return true;
	pte = ptep_get(ptep);
	if (pte_dirty(pte) || pte_write(pte)) {
		pte = ptep_get_and_clear(vma->vm_mm, addr, ptep);
		flush_tlb_page(vma->vm_mm, addr);
		walk->was_dirty |= pte_dirty(pte);
		set_pte_at(vma->vm_mm, addr, ptep, pte_mkclean(pte_wrprotect(pte)));
	}
	spin_unlock(&vma->vm_mm->page_table_lock);
	return true;
}

/* Waits for the file's lock: writeback runs in no one's allocation. */
bool page_mkclean(struct page *page)
{
	struct rmap_walk walk = { .page = page, .visit = mkclean_one };
	struct address_space *mapping = page->mapping;

	VM_BUG_ON(!PageLocked(page) || PageAnon(page));
	if (!page_mapcount(page) || !mapping)
		return false;
	down_read(&mapping->i_mmap_rwsem);
	(void)walk_tree(&walk, &mapping->i_mmap_shared); /* private entries are never dirty */
	up_read(&mapping->i_mmap_rwsem);
	return walk.was_dirty;
}
