/* SPDX-License-Identifier: MIT */
/*
 * vmalloc.c: memory that is contiguous for the kernel but not in the machine.
 *
 * Large requests fail in the buddy allocator as soon as memory is fragmented. Here they
 * get single frames, mapped side by side in a range of their own (thesis chapter 7):
 *
 *	VMALLOC_START                                                  VMALLOC_END
 *	| area A    |g| area B |g|      gap      | area C        |g| gap         |
 *			g: guard page, never mapped, part of the area's size
 *
 * Areas are nodes of a red-black tree by address. Each knows the gap in front of it, and
 * the largest gap in its subtree, so the lowest gap that is large enough is found in
 * O(log n) (FX-06), as is the area of an address. They also form a list in address
 * order, as the documents have it.
 *
 * Mappings are made in the reference tables (arch/x86/kernel_map.c); a process whose own
 * top-level table misses an entry picks it up in its first fault there.
 *
 * Freeing follows the law of asm/tlb.h: unmap, flush, free. With one CPU that happens at
 * once. With more, flushing means interrupting them all; so freed areas wait, unmapped
 * but with their addresses and frames still taken, until there are enough of them
 * (FX-36), or memory is short, and are then flushed and released together:
 *
 *	in use --vfree--> lazy (unmapped) --vmalloc_purge--> flushed, gone
 *
 * Invariants (validate_vmalloc checks them):
 *	(I1) areas lie in the range, in order, without overlap; gap and max_gap are true
 *	(I2) every page of an area in use but the last is mapped; no page of a lazy one
 *	(I3) neither an address nor a frame of a lazy area is given out before the flush
 *
 * Locking: vmlist_lock (leaf) for tree, list and the lazy ones; no interrupt handler takes it.
 * Nothing is allocated, mapped or flushed under it.
 * Failure: without frames or tables halfway, everything built is undone.
 * Observability: the list; event tlb_flush_all or tlb_flush_range for each purge.
 */
#include <pagoda/vmalloc.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <asm/pgtable.h>
#include <asm/tlb.h>
#include <lib/rbtree.h>

/*
 * Freed areas, and pages in them, that may wait for a common flush. More areas make a flush cheaper
 * for each; the limit on pages bounds the memory that is neither used nor free.
 */
#define MAX_LAZY_AREAS 64
#define MAX_LAZY_PAGES 512

/* Pages that are allocated and then mapped in one call: an array of this length is on the stack. */
#define MAP_BATCH 16

struct vm_struct *vmlist;
static struct rb_root areas;
static spinlock_t vmlist_lock = SPIN_LOCK_INIT(RANK_LEAF);

/* Areas that were freed and unmapped and wait for the flush. Under vmlist_lock. */
static struct {
	struct vm_struct *areas; /* linked through lazy_next */
	struct list_head pages;	 /* the frames of all of them, linked through lru */
	unsigned long nr_areas, nr_pages;
} lazy = {.pages = LIST_HEAD_INIT(lazy.pages)};

/* ---- The tree of areas --------------------------------------------------------------- */

/* The area of a node; NULL for no node, which is what a neighbour at the end of the tree is. */
static struct vm_struct *area_of(struct rb_node *node)
{
	return node ? rb_entry(node, struct vm_struct, node) : NULL;
}

static unsigned long area_start(const struct vm_struct *area)
{
	return (unsigned long)area->addr;
}

/* The end of the area's range of addresses, behind its guard page. */
static unsigned long area_end(const struct vm_struct *area)
{
	return area_start(area) + area->size;
}

/* The largest gap in a subtree; an empty one has none. */
static unsigned long subtree_gap(struct rb_node *node)
{
	return node ? area_of(node)->max_gap : 0;
}

/*
 * Recompute a node's max_gap from its own gap and its children. Return: it has changed, so the
 * parent's must be recomputed, too.
 */
static bool update_max_gap(struct rb_node *node)
{
	struct vm_struct *area = area_of(node);
	unsigned long gap = max(area->gap, max(subtree_gap(node->left), subtree_gap(node->right)));
	bool changed = gap != area->max_gap;

	area->max_gap = gap;
	return changed;
}

/* Where the free space in front of area begins; area NULL: the space behind the last area. */
static unsigned long space_before(struct vm_struct *area) MUST_HOLD(&vmlist_lock)
{
	struct vm_struct *prev = area_of(area ? rb_prev(&area->node) : rb_last(&areas));

	lockdep_assert_held(&vmlist_lock);
	return prev ? area_end(prev) : VMALLOC_START;
}

/* The area's predecessor has changed: recompute its gap, and max_gap of the nodes above it. */
static void update_gap(struct vm_struct *area) MUST_HOLD(&vmlist_lock)
{
	lockdep_assert_held(&vmlist_lock);
	if (!area)
		return;
	area->gap = area_start(area) - space_before(area);
	rb_propagate(&area->node, update_max_gap);
}

/*
 * The lowest address with size free bytes behind it; 0 if there is none. max_gap of a subtree says
 * whether a gap is in it at all, so each step goes down towards the lowest one without coming back:
 * into the left subtree if that has a gap, else the gap in front of this area if that will do, else
 * into the right subtree, which then must have one. The space behind the last area comes last.
 */
static unsigned long find_gap(unsigned long size) MUST_HOLD(&vmlist_lock)
{
	struct rb_node *node = areas.node;
	unsigned long start;

	lockdep_assert_held(&vmlist_lock);
	VM_BUG_ON(!size || size & ~PAGE_MASK);
	if (subtree_gap(node) >= size) {
		for (;;) {
			if (subtree_gap(node->left) >= size)
				node = node->left;
			else if (area_of(node)->gap >= size)
				return area_start(area_of(node)) - area_of(node)->gap;
			else
				node = node->right;
		}
	}
	start = space_before(NULL);
	return VMALLOC_END - start >= size ? start : 0;
}

/* Insert a new area into the tree and the list. Locks: vmlist_lock held. */
static void link_area(struct vm_struct *area) MUST_HOLD(&vmlist_lock)
{
	struct rb_node **link = &areas.node, *parent = NULL;
	struct vm_struct *prev, *next;

	while (*link) {
		parent = *link;
		link = area_start(area) < area_start(area_of(parent)) ? &parent->left
								      : &parent->right;
	}
	lockdep_assert_held(&vmlist_lock);
	area->max_gap = 0;
	area->gap = 0;
	rb_link_node(&area->node, parent, link);
	rb_insert(&area->node, &areas, update_max_gap);
	prev = area_of(rb_prev(&area->node));
	next = area_of(rb_next(&area->node));
	VM_BUG_ON(prev && area_end(prev) > area_start(area)); /* (I1) */
	VM_BUG_ON(area_end(area) > (next ? area_start(next) : VMALLOC_END));
	area->next = next;
	*(prev ? &prev->next : &vmlist) = area;
	update_gap(area);
	update_gap(next);
}

/* Take an area out of the tree and the list: its addresses can be given out again. */
static void unlink_area(struct vm_struct *area) MUST_HOLD(&vmlist_lock)
{
	struct vm_struct *prev = area_of(rb_prev(&area->node)), *next = area->next;

	lockdep_assert_held(&vmlist_lock);
	VM_BUG_ON(!(area->flags & VM_LAZY)); /* (I3) it was freed, unmapped and flushed */
	*(prev ? &prev->next : &vmlist) = next;
	rb_erase(&area->node, &areas, update_max_gap);
	update_gap(next);
}

/* The area that starts at addr, in use or lazy, or NULL. Locks: vmlist_lock held. */
static struct vm_struct *find_area(const void *addr) MUST_HOLD(&vmlist_lock)
{
	struct rb_node *node = areas.node;

	lockdep_assert_held(&vmlist_lock);
	while (node && area_of(node)->addr != addr)
		node = (unsigned long)addr < area_start(area_of(node)) ? node->left : node->right;
	return area_of(node);
}

/*
 * Reserve size bytes (whole pages) and a guard page behind them. The descriptor is allocated before
 * the lock is taken. Return: NULL if there is no memory for it, or no range of addresses is free.
 * Context: may sleep.
 */
static struct vm_struct *get_vm_area(unsigned long size, unsigned long flags)
{
	struct vm_struct *area = kmalloc(sizeof(*area), GFP_KERNEL);
	unsigned long start;

	if (!area)
		return NULL;
	*area = (struct vm_struct){.flags = flags, .size = size + PAGE_SIZE};
	spin_lock(&vmlist_lock);
	start = find_gap(area->size);
	if (start) {
		area->addr = (void *)start;
		link_area(area);
	}
	spin_unlock(&vmlist_lock);
	if (start)
		return area;
	kfree(area);
	return NULL;
}

/*
 * The same, but addresses of freed areas that still wait for their flush are not a reason to fail:
 * they are released, and the request is tried once more.
 */
static struct vm_struct *get_vm_area_or_purge(unsigned long size, unsigned long flags)
{
	struct vm_struct *area = get_vm_area(size, flags);

	if (!area && READ_ONCE(lazy.nr_areas)) {
		vmalloc_purge();
		area = get_vm_area(size, flags);
	}
	return area;
}

/* ---- Freeing --------------------------------------------------------------------------- */

/*
 * Unmap an area's pages and collect their frames in the list. The frames must not be freed before
 * the flush: until then a TLB may lead a stray access into the frame's next use.
 * Return: how many frames there were.
 */
static unsigned long vmfree_area_pages(const struct vm_struct *area, struct list_head *pages)
{
	unsigned long nr = 0;

	VM_BUG_ON(!(area->flags & VM_LAZY)); /* no other task can free it, too */
	for (unsigned long va = area_start(area); va < area_end(area) - PAGE_SIZE;
	     va += PAGE_SIZE) {
		pte_t *ptep = lookup_kernel_pte(va);
		pte_t pte = ptep ? ptep_get(ptep) : __pte(0);

		if (!pte_present(pte))
			continue; /* __vmalloc() ran out of memory here, frees what it built */
		VM_BUG_ON_PAGE(page_count(pte_page(pte)) < 1, pte_page(pte));
		list_add(&pte_page(pte)->lru, pages);
		nr++;
	}
	unmap_kernel_range(area_start(area), area->size - PAGE_SIZE);
	return nr;
}

/* Free the frames of areas that were unmapped and flushed. */
static void free_page_list(struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

/*
 * Release areas that are unmapped, chained by lazy_next: flush one range that covers all of them,
 * then free the frames, then give the addresses back. That order is the law of asm/tlb.h (I3).
 */
static void release_areas(struct vm_struct *area, struct list_head *pages)
{
	unsigned long start = ~0ul, end = 0;

	for (struct vm_struct *a = area; a; a = a->lazy_next) {
		VM_BUG_ON(!(a->flags & VM_LAZY));
		start = min(start, area_start(a));
		end = max(end, area_end(a));
	}
	flush_tlb_kernel_range(start, end);
	free_page_list(pages);
	while (area) {
		struct vm_struct *next = area->lazy_next;

		spin_lock(&vmlist_lock);
		unlink_area(area);
		spin_unlock(&vmlist_lock);
		kfree(area);
		area = next;
	}
}

unsigned long vmalloc_purge(void)
{
	struct vm_struct *purged;
	unsigned long nr_pages;
	LIST_HEAD(pages);

	/* Reclaim calls this often, mostly for nothing, so a look without the lock comes first. */
	if (!READ_ONCE(lazy.nr_areas))
		return 0;
	spin_lock(&vmlist_lock);
	purged = lazy.areas;
	nr_pages = lazy.nr_pages;
	list_splice_init(&lazy.pages, &pages);
	lazy.areas = NULL;
	lazy.nr_pages = 0;
	WRITE_ONCE(lazy.nr_areas, 0);
	spin_unlock(&vmlist_lock);
	VM_BUG_ON(!purged && nr_pages);
	/* The flush interrupts other CPUs, whose handlers may take locks: not under vmlist_lock. */
	if (purged)
		release_areas(purged, &pages);
	return nr_pages;
}

/* Leave an unmapped area and its frames for a later flush. Return: so many wait that it is due. */
static bool add_lazy(struct vm_struct *area, struct list_head *pages, unsigned long nr)
{
	bool full;

	VM_BUG_ON(!(area->flags & VM_LAZY) || area->lazy_next);
	spin_lock(&vmlist_lock);
	area->lazy_next = lazy.areas;
	lazy.areas = area;
	WRITE_ONCE(lazy.nr_areas, lazy.nr_areas + 1);
	lazy.nr_pages += nr;
	list_splice_init(pages, &lazy.pages);
	full = lazy.nr_areas >= MAX_LAZY_AREAS || lazy.nr_pages >= MAX_LAZY_PAGES;
	spin_unlock(&vmlist_lock);
	return full;
}

/*
 * Free an area that the caller has claimed (VM_LAZY). With one CPU the flush is cheap and done at
 * once; with more it would interrupt them all, so the area waits for others.
 */
static void free_area(struct vm_struct *area)
{
	LIST_HEAD(pages);
	unsigned long nr = 0;

	if (area->flags & VM_ALLOC)
		nr = vmfree_area_pages(area, &pages);
	else
		unmap_kernel_range(area_start(area), area->size - PAGE_SIZE);
	if (port_nr_cpus() == 1)
		release_areas(area, &pages);
	else if (add_lazy(area, &pages, nr))
		vmalloc_purge();
}

/*
 * Find the area in use at addr, of this kind, and mark it as being freed. Marking under the lock
 * lets one of two tasks that free the same area win:
 *
 *	task A				task B
 *	lock, finds it in use,
 *	VM_LAZY, unlock			lock, finds VM_LAZY: no area in use, unlock
 *	unmaps and frees it		reports the double free
 *
 * Return: NULL if there is no such area; that is reported.
 */
static struct vm_struct *claim_area(const void *addr, unsigned long kind, void *caller)
{
	struct vm_struct *area;

	spin_lock(&vmlist_lock);
	area = find_area(addr);
	if (area && (area->flags & (kind | VM_LAZY)) == kind)
		area->flags |= VM_LAZY;
	else
		area = NULL;
	spin_unlock(&vmlist_lock);
	if (!area)
		report_bug("%s: %p is no area in use, by %p",
			   kind == VM_ALLOC ? "vfree" : "iounmap", addr, caller);
	return area;
}

/* vfree(NULL) is allowed, as kfree(NULL) is, so that error paths need no test. */
void vfree(void *addr)
{
	struct vm_struct *area;

	might_sleep();
	if (!addr)
		return;
	area = claim_area(addr, VM_ALLOC, __builtin_return_address(0));
	if (area)
		free_area(area);
}

void iounmap(void *addr)
{
	void *page = (void *)((unsigned long)addr & PAGE_MASK);
	struct vm_struct *area;

	might_sleep();
	if (!addr)
		return;
	area = claim_area(page, VM_IOREMAP, __builtin_return_address(0));
	if (area)
		free_area(area);
}

/* ---- Allocating ---------------------------------------------------------------------------- */

/* Allocate nr frames, at most MAP_BATCH, and map them at va. -ENOMEM: nothing is left of them. */
static int alloc_area_batch(unsigned long va, unsigned long nr, gfp_t gfp_mask, pgprot_t prot)
{
	struct page *pages[MAP_BATCH];
	unsigned long got;
	int error = -ENOMEM;

	VM_BUG_ON(!nr || nr > MAP_BATCH || va & ~PAGE_MASK);
	for (got = 0; got < nr; got++) {
		pages[got] = alloc_page(gfp_mask);
		if (!pages[got])
			goto undo;
	}
	error = map_kernel_pages(va, pages, nr, prot);
	if (!error)
		return 0;
undo:
	while (got--)
		__free_page(pages[got]);
	return error;
}

/*
 * Frames and entries for all of an area but its guard page. On an error the batches before the
 * failing one stay; the caller frees the whole area.
 */
static int vmalloc_area_pages(const struct vm_struct *area, gfp_t gfp_mask, pgprot_t prot)
{
	unsigned long end = area_end(area) - PAGE_SIZE;

	for (unsigned long va = area_start(area); va < end; va += MAP_BATCH * PAGE_SIZE) {
		unsigned long nr = min((end - va) >> PAGE_SHIFT, (unsigned long)MAP_BATCH);
		int error = alloc_area_batch(va, nr, gfp_mask, prot);

		if (error)
			return error;
		port_cond_resched();
	}
	return 0;
}

void *__vmalloc(unsigned long size, gfp_t gfp_mask, pgprot_t prot)
{
	struct vm_struct *area;

	might_sleep();
	/* More than all memory cannot succeed; trying would reclaim everything first. */
	if (!size || size > ~0ul - 2 * PAGE_SIZE ||
	    PAGE_ALIGN(size) >> PAGE_SHIFT > totalram_pages())
		return NULL;
	area = get_vm_area_or_purge(PAGE_ALIGN(size), VM_ALLOC);
	if (!area)
		return NULL;
	if (vmalloc_area_pages(area, gfp_mask, prot) == 0)
		return area->addr;
	/* Some pages may be mapped already. Free the area as vfree() would, claim included. */
	spin_lock(&vmlist_lock);
	area->flags |= VM_LAZY;
	spin_unlock(&vmlist_lock);
	free_area(area);
	return NULL;
}

void *vmalloc(unsigned long size)
{
	return __vmalloc(size, GFP_KERNEL | __GFP_HIGHMEM, PAGE_KERNEL);
}

/* For a device that reaches only the first 16 MiB; the area is still not contiguous for it. */
void *vmalloc_dma(unsigned long size)
{
	return __vmalloc(size, GFP_KERNEL | GFP_DMA, PAGE_KERNEL);
}

/* Without __GFP_HIGHMEM: every frame also has an address in the direct map. */
void *vmalloc_32(unsigned long size)
{
	return __vmalloc(size, GFP_KERNEL, PAGE_KERNEL);
}

/*
 * The mapping covers whole pages, and the address returned has phys's offset in its page. Entries
 * are uncached: a device does not see what stays in a cache.
 */
void *ioremap(phys_addr_t phys, unsigned long size)
{
	unsigned long offset = (unsigned long)phys & ~PAGE_MASK;
	struct vm_struct *area;

	might_sleep();
	if (!size || phys + size < phys || offset + size > ~0ul - 2 * PAGE_SIZE)
		return NULL;
	/* A page-table entry cannot hold such an address; cut off, it would name other memory. */
	if (phys + size - 1 > ((phys_addr_t)PTE_PFN_MASK | ~PAGE_MASK))
		return NULL;
	size = PAGE_ALIGN(offset + size);
	area = get_vm_area_or_purge(size, VM_IOREMAP);
	if (!area)
		return NULL;
	area->phys_addr = phys - offset;
	if (map_kernel_range(area_start(area), area->phys_addr, size, PAGE_KERNEL_NOCACHE) == 0)
		return (char *)area->addr + offset;
	spin_lock(&vmlist_lock);
	area->flags |= VM_LAZY;
	spin_unlock(&vmlist_lock);
	free_area(area);
	return NULL;
}

void vmalloc_init(void)
{
	pr_info("vmalloc: %#lx to %#lx\n", VMALLOC_START, VMALLOC_END);
}

/* ---- Validation ------------------------------------------------------------------------------ */

/* Is there a present entry for this kernel address in the reference tables? */
static bool is_mapped(unsigned long va)
{
	pte_t *ptep = lookup_kernel_pte(va);

	return ptep && pte_present(ptep_get(ptep));
}

/* (I2): all pages of an area in use are mapped, none of a lazy one is, and never the guard page. */
static void validate_area_pages(const struct vm_struct *area)
{
	unsigned long guard = area_end(area) - PAGE_SIZE;

	for (unsigned long va = area_start(area); va < guard; va += PAGE_SIZE)
		if (is_mapped(va) != !(area->flags & VM_LAZY))
			panic("vmalloc: area %p, flags %lx: page %#lx is%s mapped", area->addr,
			      area->flags, va, is_mapped(va) ? "" : " not");
	if (is_mapped(guard))
		panic("vmalloc: area %p: guard page is mapped", area->addr);
}

/* For a quiet point, at which no task is building or freeing an area: no lock is taken. */
void validate_vmalloc(void)
{
	unsigned long end = VMALLOC_START;
	struct vm_struct *area = vmlist;

	if (rb_validate(&areas) < 0)
		panic("vmalloc: tree is broken");
	for (struct rb_node *node = rb_first(&areas); node; node = rb_next(node)) {
		struct vm_struct *a = area_of(node);

		if (a != area)
			panic("vmalloc: list and tree disagree at %p", a->addr);
		if (area_start(a) < end || area_end(a) > VMALLOC_END ||
		    a->gap != area_start(a) - end || update_max_gap(node))
			panic("vmalloc: area %p, %lu bytes: wrong place or gap", a->addr, a->size);
		validate_area_pages(a);
		end = area_end(a);
		area = a->next;
	}
	if (area)
		panic("vmalloc: area %p is in no tree", area->addr);
}
