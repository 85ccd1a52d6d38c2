// SPDX-License-Identifier: MIT
/*
 * vma.c: the set of regions of an address space.
 *
 * A region (VMA) promises something for [vm_start, vm_end): rights, and where the data
 * come from. This file keeps the set; it never looks at page tables, and whoever
 * changes promises (mmap.c, mprotect.c, mremap.c ...) also changes what is mapped.
 *
 *	mmap -> [a] <-> [b] <-> [c]		by address (vm_next, vm_prev)
 *	mm_rb:	  b				the same VMAs in a red-black tree
 *		 / \
 *		a   c
 *
 * Every node knows the free range directly below it (rb_gap) and sums up its subtree in
 * rb_subtree_gap, the widest of them. Below v that range is [v->vm_prev->vm_end,
 * v->vm_start), less the guard gap where v is a stack. The search for a free range descends
 * only where the sum is large enough. find_vma, insertion, removal, gap search: O(log n).
 *
 * Equal neighbours are merged wherever they arise (vma_merge.c); a VMA is split when part of it
 * is to change. Merging never allocates, splitting takes its second VMA as an argument, so
 * that callers allocate before they change anything.
 *
 * Locking: mmap_lock, for read to look, for write to change. Bounds are also read by
 * walkers of the file's i_mmap trees and of the anon_vma's list, so they change under
 * those locks too. mmap_cache is a hint that readers race on: one word, read and
 * written whole.
 *
 * Invariants (validate_vmas checks): (V1) list and tree hold the same VMAs, by address;
 * (V2) they are page aligned, not empty, and do not overlap; (V3) rb_gap and rb_subtree_gap
 * are right everywhere; (V4) map_count and the page totals agree; (V5) mmap_cache is NULL or
 * in the set.
 *
 * Failure: only allocation, before any change.
 *
 * Seen in: vm event vma_split; /proc/PID/maps.
 */
#include <pagoda/mempolicy.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/vmstat.h>
#include "vma_internal.h"

static kmem_cache_t *vm_area_cachep;

void vma_cache_init(void);
void vma_cache_init(void)
{
	vm_area_cachep = kmem_cache_create("vm_area_struct", sizeof(struct vm_area_struct), 0, 0,
					   NULL, NULL);
	if (!vm_area_cachep)
		panic("no memory for the VMA cache");
}

struct vm_area_struct *vm_area_alloc(struct mm_struct *mm)
{
	struct vm_area_struct *vma = kmem_cache_alloc(vm_area_cachep, GFP_KERNEL | __GFP_ZERO);

	if (vma)
		vma->vm_mm = mm;
	return vma;
}

/*
 * All but the links of the reverse maps: those of vma change under locks of their own, at
 * the hand of other processes' VMAs, and those of the copy are not in any list yet.
 */
static void copy_fields(struct vm_area_struct *copy, const struct vm_area_struct *vma)
{
	memcpy(copy, vma, offsetof(struct vm_area_struct, shared));
	copy->anon_vma = vma->anon_vma;
	INIT_LIST_HEAD(&copy->anon_vma_chain);
	copy->anon_vma_inherited = vma->anon_vma_inherited;
}

struct vm_area_struct *vm_area_dup(const struct vm_area_struct *vma)
{
	struct vm_area_struct *copy = kmem_cache_alloc(vm_area_cachep, GFP_KERNEL);

	if (copy)
		copy_fields(copy, vma);
	return copy;
}

void vm_area_free(struct vm_area_struct *vma)
{
	kmem_cache_free(vm_area_cachep, vma);
}

/* ---- Gaps ------------------------------------------------------------------------------ */

static inline struct vm_area_struct *node_vma(const struct rb_node *node)
{
	return node ? rb_entry(node, struct vm_area_struct, vm_rb) : NULL;
}

static inline unsigned long gap_below(const struct vm_area_struct *vma)
{
	unsigned long low = vma->vm_prev ? vma->vm_prev->vm_end : 0, high = vm_start_gap(vma);

	return high > low ? high - low : 0;
}

static inline unsigned long widest_gap(const struct vm_area_struct *vma)
{
	unsigned long widest = vma->rb_gap;

	if (vma->vm_rb.left)
		widest = max(widest, node_vma(vma->vm_rb.left)->rb_subtree_gap);
	if (vma->vm_rb.right)
		widest = max(widest, node_vma(vma->vm_rb.right)->rb_subtree_gap);
	return widest;
}

static bool update_gap(struct rb_node *node)
{
	struct vm_area_struct *vma = node_vma(node);
	unsigned long widest = widest_gap(vma);

	if (vma->rb_subtree_gap == widest)
		return false;
	vma->rb_subtree_gap = widest;
	return true;
}

/*
 * The range below vma became wider or narrower. rb_gap changes here alone, with the walk
 * that tells the ancestors: a rotation in between must not see a gap they do not know of.
 */
static void gap_changed(struct vm_area_struct *vma)
{
	unsigned long gap;
	struct rb_node *node;

	if (!vma)
		return;
	gap = gap_below(vma);
	if (vma->rb_gap == gap)
		return;
	vma->rb_gap = gap;
	for (node = &vma->vm_rb; node && update_gap(node);)
		node = rb_parent(node);
}

static inline bool subtree_fits(const struct rb_node *node, unsigned long length)
{
	return node && node_vma(node)->rb_subtree_gap >= length;
}

/* The highest place for s in [low, high), or 0. */
static unsigned long fit_high(const struct gap_search *s, unsigned long low, unsigned long high)
{
	unsigned long addr;

	low = max(low, s->low);
	high = min(high, s->high);
	if (high < low || high - low < s->length)
		return 0;
	addr = (high - s->length) & ~s->align_mask;
	return addr >= low ? addr : 0;
}

static unsigned long fit_low(const struct gap_search *s, unsigned long low, unsigned long high)
{
	unsigned long addr;

	low = max(low, s->low);
	high = min(high, s->high);
	addr = (low + s->align_mask) & ~s->align_mask;
	return addr >= low && high >= addr && high - addr >= s->length ? addr : 0;
}

static unsigned long end_of_last_vma(const struct mm_struct *mm)
{
	struct vm_area_struct *last = node_vma(rb_last(&mm->mm_rb));

	return last ? last->vm_end : 0;
}

/*
 * Right to left over the nodes whose gap may do. A subtree is entered only if its widest
 * gap is long enough and lies at least partly below high.
 */
unsigned long find_gap_topdown(struct mm_struct *mm, const struct gap_search *s)
{
	struct rb_node *node = mm->mm_rb.node;
	unsigned long addr = fit_high(s, end_of_last_vma(mm), ~0ul);
	bool descend = true;

	if (addr)
		return addr;
	if (!subtree_fits(node, s->length))
		return (unsigned long)-ENOMEM;
	for (;;) {
		struct vm_area_struct *vma;

		while (descend && subtree_fits(node->right, s->length) &&
		       node_vma(node)->vm_end + s->length <= s->high)
			node = node->right;
		vma = node_vma(node);
		if (vma->rb_gap >= s->length) {
			addr = fit_high(s, vma->vm_prev ? vma->vm_prev->vm_end : 0,
					vm_start_gap(vma));
			if (addr)
				return addr;
		}
		if (vma->vm_start < s->low)
			break; /* everything left of here is lower still */
		descend = subtree_fits(node->left, s->length);
		if (descend) {
			node = node->left;
			continue;
		}
		while (rb_parent(node) && node == rb_parent(node)->left)
			node = rb_parent(node);
		node = rb_parent(node);
		if (!node)
			break;
	}
	return (unsigned long)-ENOMEM;
}

unsigned long find_gap_bottomup(struct mm_struct *mm, const struct gap_search *s)
{
	struct rb_node *node = subtree_fits(mm->mm_rb.node, s->length) ? mm->mm_rb.node : NULL;
	bool descend = true;
	unsigned long addr;

	while (node) {
		struct vm_area_struct *vma;

		while (descend && subtree_fits(node->left, s->length) &&
		       vm_start_gap(node_vma(node)) >= s->low + s->length)
			node = node->left;
		vma = node_vma(node);
		if (vma->rb_gap >= s->length) {
			addr = fit_low(s, vma->vm_prev ? vma->vm_prev->vm_end : 0,
				       vm_start_gap(vma));
			if (addr)
				return addr;
		}
		if (vma->vm_end >= s->high)
			return (unsigned long)-ENOMEM;
		descend = subtree_fits(node->right, s->length);
		if (descend) {
			node = node->right;
			continue;
		}
		while (rb_parent(node) && node == rb_parent(node)->right)
			node = rb_parent(node);
		node = rb_parent(node);
	}
	addr = fit_low(s, end_of_last_vma(mm), ~0ul);
	return addr ? addr : (unsigned long)-ENOMEM;
}

/* ---- Looking up --------------------------------------------------------------------------- */

static inline struct vm_area_struct *read_mmap_cache(struct mm_struct *mm)
{
	return READ_ONCE(mm->mmap_cache);
}
static inline void write_mmap_cache(struct mm_struct *mm, struct vm_area_struct *vma)
{
	WRITE_ONCE(mm->mmap_cache, vma);
}

static struct vm_area_struct *search_tree(const struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *found = NULL;
	struct rb_node *node = mm->mm_rb.node;

	while (node) {
		struct vm_area_struct *vma = node_vma(node);

		if (vma->vm_end <= addr) {
			node = node->right;
			continue;
		}
		found = vma;
		if (vma->vm_start <= addr)
			break;
		node = node->left;
	}
	return found;
}

struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma = read_mmap_cache(mm);

	if (likely(vma && vma->vm_start <= addr && addr < vma->vm_end))
		return vma;
	vma = search_tree(mm, addr);
	if (vma)
		write_mmap_cache(mm, vma);
	return vma;
}

struct vm_area_struct *find_vma_prev(struct mm_struct *mm, unsigned long addr,
				     struct vm_area_struct **pprev)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	*pprev = vma ? vma->vm_prev : node_vma(rb_last(&mm->mm_rb));
	return vma;
}

struct vm_area_struct *find_vma_intersection(struct mm_struct *mm, unsigned long start,
					     unsigned long end)
{
	struct vm_area_struct *vma = find_vma(mm, start);

	return vma && vma->vm_start < end ? vma : NULL;
}

int find_vma_prepare(struct mm_struct *mm, unsigned long addr, unsigned long end,
		     struct vma_place *place)
{
	struct rb_node **link = &mm->mm_rb.node, *parent = NULL;
	struct vm_area_struct *next = NULL, *prev = NULL;

	while (*link) {
		struct vm_area_struct *vma = node_vma(*link);

		parent = *link;
		if (vma->vm_end > addr) {
			if (vma->vm_start < end)
				return -ENOMEM;
			next = vma;
			link = &parent->left;
		} else {
			prev = vma;
			link = &parent->right;
		}
	}
	*place = (struct vma_place){prev, next, parent, link};
	return 0;
}

/* ---- Linking --------------------------------------------------------------------------------- */

static struct address_space *vma_mapping(const struct vm_area_struct *vma)
{
	return vma->vm_file ? vma->vm_file->f_mapping : NULL;
}

/* The tree of its file that a VMA is in. */
static struct rb_root *file_tree(const struct vm_area_struct *vma, struct address_space *mapping)
{
	return vma->vm_flags & VM_SHARED ? &mapping->i_mmap_shared : &mapping->i_mmap;
}

static void lock_vma_mappings(struct vm_area_struct *vma)
{
	struct address_space *mapping = vma_mapping(vma);

	if (mapping)
		down_write(&mapping->i_mmap_rwsem);
	anon_vma_lock(vma);
}

static void unlock_vma_mappings(struct vm_area_struct *vma)
{
	struct address_space *mapping = vma_mapping(vma);

	anon_vma_unlock(vma);
	if (mapping)
		up_write(&mapping->i_mmap_rwsem);
}

void __vma_link_file(struct vm_area_struct *vma)
{
	struct address_space *mapping = vma_mapping(vma);

	if (!mapping)
		return;
	down_write(&mapping->i_mmap_rwsem);
	vma_interval_insert(vma, file_tree(vma, mapping));
	up_write(&mapping->i_mmap_rwsem);
}

void vma_unlink_file(struct vm_area_struct *vma)
{
	struct address_space *mapping = vma_mapping(vma);

	if (!mapping)
		return;
	down_write(&mapping->i_mmap_rwsem);
	vma_interval_remove(vma, file_tree(vma, mapping));
	up_write(&mapping->i_mmap_rwsem);
}

void vma_link_file_after(struct vm_area_struct *vma, struct vm_area_struct *parent)
{
	struct address_space *mapping = vma_mapping(vma);

	if (!mapping)
		return;
	down_write(&mapping->i_mmap_rwsem);
	vma_interval_insert_after(vma, parent, file_tree(vma, mapping));
	up_write(&mapping->i_mmap_rwsem);
}

static void __vma_link_list(struct mm_struct *mm, struct vm_area_struct *vma,
			    struct vm_area_struct *prev, struct vm_area_struct *next)
{
	vma->vm_prev = prev;
	vma->vm_next = next;
	if (prev)
		prev->vm_next = vma;
	else
		mm->mmap = vma;
	if (next)
		next->vm_prev = vma;
}

static void __vma_link_rb(struct mm_struct *mm, struct vm_area_struct *vma, struct rb_node *parent,
			  struct rb_node **link)
{
	vma->rb_gap = gap_below(vma);
	vma->rb_subtree_gap = 0;
	rb_link_node(&vma->vm_rb, parent, link);
	rb_insert(&vma->vm_rb, &mm->mm_rb, update_gap);
}

void __vma_link(struct mm_struct *mm, struct vm_area_struct *vma, const struct vma_place *place)
{
	__vma_link_list(mm, vma, place->prev, place->next);
	__vma_link_rb(mm, vma, place->parent, place->link);
	/* after: where one gap was, its two parts are, and sums change once */
	gap_changed(place->next);
	mm->map_count++;
}

void vma_link(struct mm_struct *mm, struct vm_area_struct *vma, const struct vma_place *place)
{
	__vma_link(mm, vma, place);
	__vma_link_file(vma);
}

void vma_append(struct mm_struct *mm, struct vm_area_struct *vma, struct vm_area_struct *last)
{
	__vma_link_list(mm, vma, last, NULL);
	__vma_link_rb(mm, vma, last ? &last->vm_rb : NULL,
		      last ? &last->vm_rb.right : &mm->mm_rb.node);
	mm->map_count++;
}

void __vma_unlink(struct vm_area_struct *vma)
{
	struct mm_struct *mm = vma->vm_mm;
	struct vm_area_struct *prev = vma->vm_prev, *next = vma->vm_next;

	if (prev)
		prev->vm_next = next;
	else
		mm->mmap = next;
	if (next)
		next->vm_prev = prev;
	gap_changed(next);
	rb_erase(&vma->vm_rb, &mm->mm_rb, update_gap);
	if (read_mmap_cache(mm) == vma)
		write_mmap_cache(mm, NULL);
	mm->map_count--;
}

void vma_unlink(struct vm_area_struct *vma)
{
	__vma_unlink(vma);
	vma_unlink_file(vma);
}

void remove_vma(struct vm_area_struct *vma)
{
	if (vma->vm_ops && vma->vm_ops->close)
		vma->vm_ops->close(vma);
	if (vma->vm_file)
		put_vm_file(vma->vm_file);
	mpol_put(vma->vm_policy);
	anon_vma_unlink(vma);
	vm_area_free(vma);
}

void vma_set_bounds(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	bool start_moved = vma->vm_start != start, end_moved = vma->vm_end != end;
	struct address_space *mapping = vma_mapping(vma);

	lock_vma_mappings(vma);
	if (mapping)
		vma_interval_remove(vma, file_tree(vma, mapping));
	vma->vm_pgoff += (unsigned long)((long)(start - vma->vm_start) >> PAGE_SHIFT);
	vma->vm_start = start;
	vma->vm_end = end;
	if (mapping)
		vma_interval_insert(vma, file_tree(vma, mapping));
	unlock_vma_mappings(vma);
	if (start_moved)
		gap_changed(vma);
	if (end_moved)
		gap_changed(vma->vm_next);
}

void vma_set_flags(struct vm_area_struct *vma, unsigned long flags)
{
	bool gap_moves = (vma->vm_flags ^ flags) & VM_GROWSDOWN;

	/* Reclaim looks at VM_LOCKED under this lock before it takes a page away (rmap.c). */
	spin_lock(&vma->vm_mm->page_table_lock);
	WRITE_ONCE(vma->vm_flags, flags);
	spin_unlock(&vma->vm_mm->page_table_lock);
	vma->vm_page_prot = vma_page_prot(vma, flags);
	if (gap_moves)
		gap_changed(vma);
}

/* ---- Splitting ------------------------------------------------------------------------------- */

/* The place right behind vma: as its right child, or as the next one's left. */
static struct vma_place place_after(struct vm_area_struct *vma)
{
	struct rb_node *node = &vma->vm_rb;

	if (!node->right)
		return (struct vma_place){vma, vma->vm_next, node, &node->right};
	node = &vma->vm_next->vm_rb;
	return (struct vma_place){vma, vma->vm_next, node, &node->left};
}

/*
 *	vma [AAAAAAAAAA]	->	vma [AAAA] spare [AAAAAA]
 *		^addr
 *
 * The new part is in the file's tree before the old one shrinks, so that a walker of
 * that tree never misses a page.
 */
void split_vma_with(struct vm_area_struct *vma, unsigned long addr, struct vm_area_struct *spare)
{
	struct vma_place place;

	copy_fields(spare, vma);
	spare->vm_pgoff = vma_pgoff(vma, addr);
	spare->vm_start = addr;
	if (spare->vm_file)
		get_vm_file(spare->vm_file);
	mpol_get(spare->vm_policy);
	if (spare->vm_ops && spare->vm_ops->open)
		spare->vm_ops->open(spare);
	anon_vma_link(spare);
	__vma_link_file(spare);
	vma_set_bounds(vma, vma->vm_start, addr);
	place = place_after(vma);
	__vma_link(vma->vm_mm, spare, &place);
	count_vm_event(vma_split);
}

/* ---- Checking -------------------------------------------------------------------------------- */

void validate_vmas(struct mm_struct *mm);
void validate_vmas(struct mm_struct *mm)
{
	struct vm_area_struct *prev = NULL, *cached = read_mmap_cache(mm);
	struct rb_node *node = rb_first(&mm->mm_rb);
	unsigned long total = 0;
	int count = 0;

	for (struct vm_area_struct *vma = mm->mmap; vma; prev = vma, vma = vma->vm_next) {
		BUG_ON(vma->vm_mm != mm || vma->vm_prev != prev);
		BUG_ON((vma->vm_start | vma->vm_end) & ~PAGE_MASK);
		BUG_ON(vma->vm_start >= vma->vm_end || vma->vm_end > TASK_SIZE);
		BUG_ON(prev && prev->vm_end > vma->vm_start);
		BUG_ON(node_vma(node) != vma);
		BUG_ON(vma->rb_gap != gap_below(vma));
		BUG_ON(vma->rb_subtree_gap != widest_gap(vma));
		BUG_ON(pgprot_val(vma->vm_page_prot) !=
		       pgprot_val(vma_page_prot(vma, vma->vm_flags)));
		if (vma == cached)
			cached = NULL;
		node = rb_next(node);
		total += vma_pages(vma);
		count++;
	}
	BUG_ON(node || cached);
	BUG_ON(count != mm->map_count || rb_validate(&mm->mm_rb) != count);
	BUG_ON(total != mm->total_vm);
}
