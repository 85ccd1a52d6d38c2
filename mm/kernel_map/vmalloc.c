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
 * Locking: vmlist_lock (leaf) for tree, list and the lazy ones. Nothing is allocated,
 * mapped or flushed under it.
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

/* Freed areas and pages that may wait for a common flush. */
#define MAX_LAZY_AREAS 64
#define MAX_LAZY_PAGES 512

/* Pages mapped in one go. */
#define MAP_BATCH 16

struct vm_struct *vmlist;
static struct rb_root areas;
static spinlock_t vmlist_lock = SPIN_LOCK_INIT(RANK_LEAF);

static struct {
	struct vm_struct *areas; /* linked through lazy_next */
	struct list_head pages;	 /* their frames, through lru */
	unsigned long nr_areas, nr_pages;
} lazy = {.pages = LIST_HEAD_INIT(lazy.pages)};

/* ---- The tree of areas --------------------------------------------------------------- */

static struct vm_struct *area_of(struct rb_node *node)
{
	return node ? rb_entry(node, struct vm_struct, node) : NULL;
}

static unsigned long area_start(const struct vm_struct *area)
{
	return (unsigned long)area->addr;
}

static unsigned long area_end(const struct vm_struct *area)
{
	return area_start(area) + area->size;
}

static unsigned long subtree_gap(struct rb_node *node)
{
	return node ? area_of(node)->max_gap : 0;
}

static bool update_max_gap(struct rb_node *node)
{
	struct vm_struct *area = area_of(node);
	unsigned long gap = max(area->gap, max(subtree_gap(node->left), subtree_gap(node->right)));
	bool changed = gap != area->max_gap;

	area->max_gap = gap;
	return changed;
}

/* Where the free space in front of area (NULL: behind the last) begins. */
static unsigned long space_before(struct vm_struct *area)
{
	struct vm_struct *prev = area_of(area ? rb_prev(&area->node) : rb_last(&areas));

	return prev ? area_end(prev) : VMALLOC_START;
}

static void update_gap(struct vm_struct *area)
{
	if (!area)
		return;
	area->gap = area_start(area) - space_before(area);
	rb_propagate(&area->node, update_max_gap);
}

/* Lowest address with size free bytes behind it; 0: none. */
static unsigned long find_gap(unsigned long size)
{
	struct rb_node *node = areas.node;
	unsigned long start;

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

static void link_area(struct vm_struct *area)
{
	struct rb_node **link = &areas.node, *parent = NULL;
	struct vm_struct *prev, *next;

	while (*link) {
		parent = *link;
		link = area_start(area) < area_start(area_of(parent)) ? &parent->left
								      : &parent->right;
	}
	area->max_gap = 0;
	area->gap = 0;
	rb_link_node(&area->node, parent, link);
	rb_insert(&area->node, &areas, update_max_gap);
	prev = area_of(rb_prev(&area->node));
	next = area_of(rb_next(&area->node));
	area->next = next;
	*(prev ? &prev->next : &vmlist) = area;
	update_gap(area);
	update_gap(next);
}

static void unlink_area(struct vm_struct *area)
{
	struct vm_struct *prev = area_of(rb_prev(&area->node)), *next = area->next;

	*(prev ? &prev->next : &vmlist) = next;
	rb_erase(&area->node, &areas, update_max_gap);
	update_gap(next);
}

/* The area that starts at addr, or NULL. */
static struct vm_struct *find_area(const void *addr)
{
	struct rb_node *node = areas.node;

	while (node && area_of(node)->addr != addr)
		node = (unsigned long)addr < area_start(area_of(node)) ? node->left : node->right;
	return area_of(node);
}

/* Reserve size bytes (whole pages) and a guard page. May sleep. */
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

/* As above; if the range is full, freed areas are released and it is tried once more. */
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

/* Unmap an area's pages; their frames go to the list. */
static unsigned long vmfree_area_pages(const struct vm_struct *area, struct list_head *pages)
{
	unsigned long nr = 0;

	for (unsigned long va = area_start(area); va < area_end(area) - PAGE_SIZE;
	     va += PAGE_SIZE) {
		pte_t *ptep = lookup_kernel_pte(va);
		pte_t pte = ptep ? ptep_get(ptep) : __pte(0);

		if (!pte_present(pte))
			continue; /* building it failed here */
		list_add(&pte_page(pte)->lru, pages);
		nr++;
	}
	unmap_kernel_range(area_start(area), area->size - PAGE_SIZE);
	return nr;
}

static void free_page_list(struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

/* Unmapped areas, chained by lazy_next: flush once, then give back addresses and frames. */
static void release_areas(struct vm_struct *area, struct list_head *pages)
{
	unsigned long start = ~0ul, end = 0;

	for (struct vm_struct *a = area; a; a = a->lazy_next) {
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
	unsigned long nr_pages, flags;
	LIST_HEAD(pages);

	/* Reclaim asks often; and its IPIs take locks, which must not happen inside this one. */
	if (!READ_ONCE(lazy.nr_areas))
		return 0;
	spin_lock_irqsave(&vmlist_lock, flags);
	purged = lazy.areas;
	nr_pages = lazy.nr_pages;
	list_splice_init(&lazy.pages, &pages);
	lazy.areas = NULL;
	lazy.nr_pages = 0;
	WRITE_ONCE(lazy.nr_areas, 0);
	spin_unlock_irqrestore(&vmlist_lock, flags);
	if (purged)
		release_areas(purged, &pages);
	return nr_pages;
}

/* Leave an unmapped area for a later flush; true: it is time for that. */
static bool add_lazy(struct vm_struct *area, struct list_head *pages, unsigned long nr)
{
	bool full;

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
 * The area in use at addr, of this kind, marked as being freed; NULL (reported) if there is none.
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

/* Up to MAP_BATCH frames mapped at va; -ENOMEM: nothing is left of them. */
static int alloc_area_batch(unsigned long va, unsigned long nr, gfp_t gfp_mask, pgprot_t prot)
{
	struct page *pages[MAP_BATCH];
	unsigned long got;
	int error = -ENOMEM;

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

/* Frames and entries for all of an area but its guard page. */
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
	if (!size || size > ~0ul - 2 * PAGE_SIZE ||
	    PAGE_ALIGN(size) >> PAGE_SHIFT > totalram_pages())
		return NULL;
	area = get_vm_area_or_purge(PAGE_ALIGN(size), VM_ALLOC);
	if (!area)
		return NULL;
	if (vmalloc_area_pages(area, gfp_mask, prot) == 0)
		return area->addr;
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

void *vmalloc_dma(unsigned long size)
{
	return __vmalloc(size, GFP_KERNEL | GFP_DMA, PAGE_KERNEL);
}

void *vmalloc_32(unsigned long size)
{
	return __vmalloc(size, GFP_KERNEL, PAGE_KERNEL);
}

void *ioremap(phys_addr_t phys, unsigned long size)
{
	unsigned long offset = (unsigned long)phys & ~PAGE_MASK;
	struct vm_struct *area;

	might_sleep();
	if (!size || phys + size < phys || offset + size > ~0ul - 2 * PAGE_SIZE)
		return NULL;
	if (phys + size - 1 > ((phys_addr_t)PTE_PFN_MASK | ~PAGE_MASK))
		return NULL; /* no entry can name it */
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

static bool is_mapped(unsigned long va)
{
	pte_t *ptep = lookup_kernel_pte(va);

	return ptep && pte_present(ptep_get(ptep));
}

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

/* At a quiet point: nobody is building or freeing an area. */
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
