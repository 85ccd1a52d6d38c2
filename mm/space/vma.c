// SPDX-License-Identifier: MIT
/*
 * vma.c: the set of regions of an address space.
 *
 * A region (VMA) describes a range [vm_start, vm_end): the rights, and where the data come from.
 * This file keeps the set of regions and never looks at page tables. The callers that change
 * regions (mmap.c, mprotect.c, mremap.c ...) also change the page-table entries accordingly.
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
 * Locking: mmap_lock, held for read to look regions up, for write to change them. Bounds are also
 * read by walkers of the file's i_mmap trees and of the anon_vma's list, so they change under those
 * locks too. mmap_cache is a hint, which several readers may set at a time: it is one word, read
 * and written in one piece, and a look-up checks that the hint covers its address.
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
 * Copy all fields but the links of the reverse maps. The links of vma are protected by other locks
 * than mmap_lock and change when VMAs of other processes come and go; those of the copy are in no
 * list yet.
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

/* The VMA that contains a node of mm_rb; NULL stays NULL. */
static inline struct vm_area_struct *node_vma(const struct rb_node *node)
{
	return node ? rb_entry(node, struct vm_area_struct, vm_rb) : NULL;
}

/*
 * Free bytes directly below vma, as far as they may be used: a stack's guard gap counts as taken.
 * It is 0 where two stacks' guard gaps overlap.
 */
static inline unsigned long gap_below(const struct vm_area_struct *vma)
{
	unsigned long low = vma->vm_prev ? vma->vm_prev->vm_end : 0, high = vm_start_gap(vma);

	return high > low ? high - low : 0;
}

/* The widest gap in the subtree of vma, from its own gap and the sums of its two children. */
static inline unsigned long widest_gap(const struct vm_area_struct *vma)
{
	unsigned long widest = vma->rb_gap;

	if (vma->vm_rb.left)
		widest = max(widest, node_vma(vma->vm_rb.left)->rb_subtree_gap);
	if (vma->vm_rb.right)
		widest = max(widest, node_vma(vma->vm_rb.right)->rb_subtree_gap);
	return widest;
}

/*
 * Recompute a node's sum; called by the tree for nodes whose subtree changed, bottom up. False: it
 * is unchanged, so the sums of its ancestors are right already.
 */
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
 * The free range below vma became wider or narrower: correct rb_gap and the sums of the ancestors.
 * rb_gap is changed in this function only, together with the walk up. If it changed earlier, a
 * rotation of the tree in between would compute sums from it that the ancestors do not know of, and
 * the walk up could stop early at a node that seems right.
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

/* Is there a gap of at least length bytes in the subtree? */
static inline bool subtree_fits(const struct rb_node *node, unsigned long length)
{
	return node && node_vma(node)->rb_subtree_gap >= length;
}

/*
 * The highest aligned address in the free range [low, high) at which s->length bytes fit between
 * s->low and s->high; 0: they do not fit. (0 is never a result: s->low is above it.)
 */
static unsigned long fit_high(const struct gap_search *s, unsigned long low, unsigned long high)
{
	unsigned long addr;

	VM_BUG_ON(!s->length || s->align_mask & (s->align_mask + 1));
	low = max(low, s->low);
	high = min(high, s->high);
	if (high < low || high - low < s->length)
		return 0;
	addr = (high - s->length) & ~s->align_mask;
	return addr >= low ? addr : 0;
}

/* The lowest such address. */
static unsigned long fit_low(const struct gap_search *s, unsigned long low, unsigned long high)
{
	unsigned long addr;

	VM_BUG_ON(!s->length || s->align_mask & (s->align_mask + 1));
	low = max(low, s->low);
	high = min(high, s->high);
	addr = (low + s->align_mask) & ~s->align_mask;
	return addr >= low && high >= addr && high - addr >= s->length ? addr : 0;
}

/* Where the free range above all VMAs begins; no node stands for that one. */
static unsigned long end_of_last_vma(const struct mm_struct *mm)
{
	struct vm_area_struct *last = node_vma(rb_last(&mm->mm_rb));

	return last ? last->vm_end : 0;
}

/*
 * Visit the nodes from right to left, that is, gaps from high to low addresses, and skip subtrees
 * that have no wide gap:
 *
 *	1. down to the right, while a gap there is wide enough and lies partly below s->high
 *	2. try the gap below this node
 *	3. down to the left once, if a gap there is wide enough, and on with 1
 *	4. else up, until a node is reached from its right child, and on with 2
 *
 * The walk ends as soon as gaps lie below s->low. An aligned search may visit gaps in which the
 * length fits but the aligned range does not; else each level costs one step down and one up.
 */
unsigned long find_gap_topdown(struct mm_struct *mm, const struct gap_search *s)
{
	struct rb_node *node = mm->mm_rb.node;
	unsigned long addr = fit_high(s, end_of_last_vma(mm), ~0ul);
	bool descend = true;

	mmap_assert_locked(mm);
	VM_BUG_ON((s->low | s->length) & ~PAGE_MASK || s->high > TASK_SIZE);
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
			break; /* all gaps further left are lower still */
		descend = subtree_fits(node->left, s->length);
		if (descend) {
			node = node->left;
			continue;
		}
		/*
		 * This subtree is done. A node that is reached from its left child was tried
		 * before, on the way down; the first one reached from its right child is next.
		 */
		while (rb_parent(node) && node == rb_parent(node)->left)
			node = rb_parent(node);
		node = rb_parent(node);
		if (!node)
			break;
	}
	return (unsigned long)-ENOMEM;
}

/* The mirror image: gaps from low to high addresses, the range above all VMAs last. */
unsigned long find_gap_bottomup(struct mm_struct *mm, const struct gap_search *s)
{
	struct rb_node *node = subtree_fits(mm->mm_rb.node, s->length) ? mm->mm_rb.node : NULL;
	bool descend = true;
	unsigned long addr;

	mmap_assert_locked(mm);
	VM_BUG_ON((s->low | s->length) & ~PAGE_MASK || s->high > TASK_SIZE);
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

/*
 * The first VMA that ends above addr. On the way down each VMA that ends above addr is a candidate,
 * and only a VMA to its left can be a better one; a candidate that contains addr cannot be beaten.
 */
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

/*
 * Accesses cluster, so that the VMA of the last look-up is tried first. Several readers may store
 * different VMAs in mmap_cache at the same time; any of them is a good hint. A VMA that leaves the
 * set clears the hint (V5).
 */
struct vm_area_struct *find_vma(struct mm_struct *mm, unsigned long addr)
{
	struct vm_area_struct *vma = read_mmap_cache(mm);

	if (likely(vma && vma->vm_start <= addr && addr < vma->vm_end))
		return vma;
	vma = search_tree(mm, addr);
	VM_BUG_ON(vma && (vma->vm_end <= addr || vma->vm_mm != mm));
	if (vma)
		write_mmap_cache(mm, vma);
	return vma;
}

struct vm_area_struct *find_vma_prev(struct mm_struct *mm, unsigned long addr,
				     struct vm_area_struct **pprev)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	/* If no VMA ends above addr, the one before it is the last of all. */
	*pprev = vma ? vma->vm_prev : node_vma(rb_last(&mm->mm_rb));
	return vma;
}

/*
 * The first VMA that ends above start is the first that can overlap; it does if it starts below
 * end.
 */
struct vm_area_struct *find_vma_intersection(struct mm_struct *mm, unsigned long start,
					     unsigned long end)
{
	struct vm_area_struct *vma = find_vma(mm, start);

	return vma && vma->vm_start < end ? vma : NULL;
}

/*
 * Descend to the empty place of the tree where a VMA for [addr, end) belongs. The last node passed
 * on the right is the next VMA, the last one passed on the left the previous one.
 */
int find_vma_prepare(struct mm_struct *mm, unsigned long addr, unsigned long end,
		     struct vma_place *place)
{
	struct rb_node **link = &mm->mm_rb.node, *parent = NULL;
	struct vm_area_struct *next = NULL, *prev = NULL;

	VM_BUG_ON((addr | end) & ~PAGE_MASK || addr >= end);
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

/*
 * Private and shared VMAs of a file are in separate trees: page_mkclean only looks at shared ones.
 */
static struct rb_root *file_tree(const struct vm_area_struct *vma, struct address_space *mapping)
{
	return vma->vm_flags & VM_SHARED ? &mapping->i_mmap_shared : &mapping->i_mmap;
}

/*
 * Take the locks under which walkers of both reverse maps read the bounds of vma. In this order:
 * RANK_I_MMAP before RANK_ANON_VMA.
 */
static void lock_vma_mappings(struct vm_area_struct *vma)
	NO_LOCK_ANALYSIS("there may be nothing to lock")
{
	struct address_space *mapping = vma_mapping(vma);

	if (mapping)
		down_write(&mapping->i_mmap_rwsem);
	anon_vma_lock(vma);
}

/* Release them in the opposite order. */
static void unlock_vma_mappings(struct vm_area_struct *vma)
	NO_LOCK_ANALYSIS("there may be nothing to unlock")
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

/* Insert vma into the address-ordered list, between prev and next. */
static void __vma_link_list(struct mm_struct *mm, struct vm_area_struct *vma,
			    struct vm_area_struct *prev, struct vm_area_struct *next)
{
	VM_BUG_ON(prev && prev->vm_end > vma->vm_start); /* (V2) */
	VM_BUG_ON(next && next->vm_start < vma->vm_end);
	VM_BUG_ON(prev ? prev->vm_next != next : mm->mmap != next); /* (V1) */
	vma->vm_prev = prev;
	vma->vm_next = next;
	if (prev)
		prev->vm_next = vma;
	else
		mm->mmap = vma;
	if (next)
		next->vm_prev = vma;
}

/*
 * Insert vma into the tree at the empty place *link. Its sum starts at 0, so that rebalancing sees
 * it change and updates all ancestors.
 */
static void __vma_link_rb(struct mm_struct *mm, struct vm_area_struct *vma, struct rb_node *parent,
			  struct rb_node **link)
{
	VM_BUG_ON(*link);
	vma->rb_gap = gap_below(vma);
	vma->rb_subtree_gap = 0;
	rb_link_node(&vma->vm_rb, parent, link);
	rb_insert(&vma->vm_rb, &mm->mm_rb, update_gap);
}

/*
 * The gap that vma splits belonged to the next VMA. That one's gap is corrected after vma is in the
 * tree: then the sums change once, and never get too small in between.
 */
void __vma_link(struct mm_struct *mm, struct vm_area_struct *vma, const struct vma_place *place)
{
	mmap_assert_write_locked(mm);
	VM_BUG_ON(vma->vm_mm != mm || (vma->vm_start | vma->vm_end) & ~PAGE_MASK); /* (V2) */
	VM_BUG_ON(vma->vm_start >= vma->vm_end || vma->vm_end > TASK_SIZE);
	__vma_link_list(mm, vma, place->prev, place->next);
	__vma_link_rb(mm, vma, place->parent, place->link);

	gap_changed(place->next);
	mm->map_count++;
}

void vma_link(struct mm_struct *mm, struct vm_area_struct *vma, const struct vma_place *place)
{
	__vma_link(mm, vma, place);
	__vma_link_file(vma);
}

/*
 * While fork copies a list in address order, the new VMA is the rightmost node: below the last one,
 * on the right. No search is needed.
 */
void vma_append(struct mm_struct *mm, struct vm_area_struct *vma, struct vm_area_struct *last)
{
	mmap_assert_write_locked(mm);
	VM_BUG_ON(vma->vm_mm != mm || (last && last->vm_next));
	__vma_link_list(mm, vma, last, NULL);
	__vma_link_rb(mm, vma, last ? &last->vm_rb : NULL,
		      last ? &last->vm_rb.right : &mm->mm_rb.node);
	mm->map_count++;
}

/*
 * Take vma out of the list, the tree and mmap_cache. The next VMA's gap grows by vma and the gap
 * below it, before the node is erased: so the sums of the nodes that move up are computed from
 * right gaps.
 */
void __vma_unlink(struct vm_area_struct *vma)
{
	struct mm_struct *mm = vma->vm_mm;
	struct vm_area_struct *prev = vma->vm_prev, *next = vma->vm_next;

	mmap_assert_write_locked(mm);
	VM_BUG_ON(prev ? prev->vm_next != vma : mm->mmap != vma); /* (V1) */
	VM_BUG_ON(next && next->vm_prev != vma);
	VM_BUG_ON(mm->map_count <= 0); /* (V4) */
	if (prev)
		prev->vm_next = next;
	else
		mm->mmap = next;
	if (next)
		next->vm_prev = prev;
	gap_changed(next);
	rb_erase(&vma->vm_rb, &mm->mm_rb, update_gap);
	/* No reader can set the hint to vma again: mmap_lock is held for write (V5). */
	if (read_mmap_cache(mm) == vma)
		write_mmap_cache(mm, NULL);
	mm->map_count--;
}

void vma_unlink(struct vm_area_struct *vma)
{
	__vma_unlink(vma);
	vma_unlink_file(vma);
}

/*
 * close() first, while the file is still referenced. The pages are unmapped already, so that no
 * walk needs to find them by the anon_vma.
 */
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

/*
 * Walkers of the reverse maps compute an address from vm_start and vm_pgoff, so both change under
 * the locks of both maps. The file's tree is ordered by vm_pgoff: the VMA leaves it for the change.
 * The shift is signed: vm_start may move up or down.
 */
void vma_set_bounds(struct vm_area_struct *vma, unsigned long start, unsigned long end)
{
	bool start_moved = vma->vm_start != start, end_moved = vma->vm_end != end;
	struct address_space *mapping = vma_mapping(vma);

	mmap_assert_write_locked(vma->vm_mm);
	VM_BUG_ON((start | end) & ~PAGE_MASK || start >= end || end > TASK_SIZE); /* (V2) */
	lock_vma_mappings(vma);
	if (mapping)
		vma_interval_remove(vma, file_tree(vma, mapping));
	vma->vm_pgoff += (unsigned long)((long)(start - vma->vm_start) >> PAGE_SHIFT);
	vma->vm_start = start;
	vma->vm_end = end;
	if (mapping)
		vma_interval_insert(vma, file_tree(vma, mapping));
	unlock_vma_mappings(vma);
	/* The gap below vma depends on its start, the gap below the next VMA on its end (V3). */
	if (start_moved)
		gap_changed(vma);
	if (end_moved)
		gap_changed(vma->vm_next);
}

void vma_set_flags(struct vm_area_struct *vma, unsigned long flags)
{
	bool gap_moves = (vma->vm_flags ^ flags) & VM_GROWSDOWN;

	mmap_assert_write_locked(vma->vm_mm);
	/*
	 * Reclaim does not hold mmap_lock when it looks at VM_LOCKED, but page_table_lock (rmap.c).
	 */
	spin_lock(&vma->vm_mm->page_table_lock);
	WRITE_ONCE(vma->vm_flags, flags);
	spin_unlock(&vma->vm_mm->page_table_lock);
	vma->vm_page_prot = vma_page_prot(vma, flags);
	/* A stack keeps its guard gap free, other regions have none: the gap below changes. */
	if (gap_moves)
		gap_changed(vma);
}

/* ---- Splitting ------------------------------------------------------------------------------- */

/*
 * The place in the tree directly behind vma: its right child, if it has none yet, else the left
 * child of the next VMA, which is then the leftmost node of vma's right subtree.
 */
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
 * The new part is on the anon_vma's list and in the file's tree before the old one shrinks. So a
 * walker may meet a page in both parts, but never in neither, which would make a mapped page look
 * unmapped.
 */
void split_vma_with(struct vm_area_struct *vma, unsigned long addr, struct vm_area_struct *spare)
{
	struct vma_place place;

	mmap_assert_write_locked(vma->vm_mm);
	VM_BUG_ON(addr & ~PAGE_MASK || addr <= vma->vm_start || addr >= vma->vm_end);
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
