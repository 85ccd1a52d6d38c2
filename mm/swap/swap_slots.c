/* SPDX-License-Identifier: MIT */
/*
 * swap_slots.c: the slots of swap areas: handing out and counting (thesis chapter 12).
 *
 *	map[offset]		0 free; uses by entries, | SWAP_HAS_CACHE, | failed writes; SWAP_MAP_BAD
 *	free_slots		the offsets whose map word is 0
 *	free_groups		the groups of SLOT_GROUP offsets that are free altogether
 *
 * Which area: the one with the highest priority that has a free slot; areas of equal priority take
 * turns, so that their disks share the load. Which slot: the pages of a group of SLOT_GROUP
 * addresses get the slots of one group, so that neighbours come back in one transfer whatever the
 * order in which they went (FX-12). A small table remembers which slots were given to recent groups
 * of addresses. It is only a hint: if an entry of it is lost or wrong, pages are merely stored less
 * close to each other:
 *
 *	(anon_vma, index / 8) -> first slot of a group that was free; page goes to its index % 8
 *
 * If no group is free, any slot will do, from where the last one was. Both searches ask an index
 * set (lib/index_set.h), so that the last free slot of a full area is found as quickly as the first
 * of an empty one; the documents' scan of the map looks at every slot in between.
 *
 * Counts. A map word counts up to SWAP_MAP_MAX uses. What goes beyond is counted by a continuation,
 * in a tree by entry:
 *
 *	uses of a slot		map word	continuation
 *	... MAX			uses		none, or 0
 *	MAX + n			MAX		n
 *
 * Only every SWAP_MAP_MAX-th use needs a new continuation. It is allocated under spinlocks, so
 * without waiting for memory. If there is none, fork drops its locks and allocates one with waiting
 * (swap_add_continuation()), while reclaim leaves the page mapped.
 *
 * A slot is given up if three writes to it have failed, or if a page in it could not be read. Its
 * page stays in memory until it has got another slot (swap_prepare_unmap()), or until every holder
 * of an entry has faulted it in. When the slot loses its last use it becomes SWAP_MAP_BAD, and is
 * not handed out again for as long as the area is in use.
 *
 * Locking: swap_lock guards maps, sets, continuations and hints; it is taken under page_table_lock.
 * Invariants: (A1) inuse is the number of map words that are neither 0 nor BAD; (A2) nr_swap_pages
 * is the sum of pages - inuse over writable areas; (A3) free_slots has the offsets whose word is 0,
 * free_groups the whole groups of them; (A4) a slot with a continuation has SWAP_MAP_MAX in its
 * word.
 * Failure: no slot: entry 0; no memory for a continuation: swap_duplicate() is false and nothing
 * changed.
 * Observability: nr_swap_pages, swap_words_searched, validate_swap().
 */
#include "swap_internal.h"
#include <pagoda/errno.h>
#include <pagoda/slab.h>
#include <pagoda/vmalloc.h>
#include <mm/space/page_tables.h>

#define NR_HINTS 512u /* groups whose slots are remembered */

unsigned long swap_words_searched;
static unsigned int last_area; /* (W) whose turn it was */
static struct slot_hint {
	unsigned long key;
	unsigned int area;
	unsigned long group;
} hints[NR_HINTS]; /* (W) */

/* Uses of a slot beyond those that its map word counts. */
struct swap_continuation {
	struct rb_node node;
	unsigned long entry, uses;
};
static struct rb_root continuations = RB_ROOT; /* (W) */

/* ---- Which slots are free ------------------------------------------------------------------ */

/*
 * Groups that lie in the area as a whole, plus one, as an index set must hold at least one number.
 */
static unsigned long nr_groups(unsigned long max)
{
	return max / SLOT_GROUP + 1;
}

size_t swap_set_bytes(unsigned long max)
{
	return index_set_bytes(max) + index_set_bytes(nr_groups(max));
}

/* Are all slots of the group free? A group that reaches past the end of the area never is. */
static bool group_is_free(const struct swap_area *area, unsigned long group)
{
	return (group + 1) * SLOT_GROUP <= area->max &&
	       index_set_has_all(&area->free_slots, group * SLOT_GROUP, SLOT_GROUP);
}

/*
 * Slots whose bits share a word are looked at together where an area is gone through as a whole:
 * huge areas are nearly empty.
 */
#define SLOT_RUN ((unsigned long)BITS_PER_LONG)
typedef u64 __attribute__((may_alias)) map_words; /* four words of the map at once */

/*
 * Are the SLOT_RUN slots from offset on, a multiple of SLOT_RUN, inside the area and free by the
 * map? The map is looked at in words of four slots: huge areas are nearly empty, and are gone
 * through often.
 */
static bool run_is_unused(const struct swap_area *area, unsigned long offset)
{
	const map_words *words = (const map_words *)&area->map[offset];
	u64 any = 0;

	VM_BUG_ON(offset % SLOT_RUN);
	if (offset + SLOT_RUN > area->max)
		return false;
	for (unsigned int i = 0; i < SLOT_RUN * sizeof(*area->map) / sizeof(*words); i++)
		any |= words[i];
	return !any;
}

unsigned long swap_next_used(const struct swap_area *area, unsigned long offset)
{
	unsigned long end = min(area->max, offset + SLOT_SCAN_MAX);

	VM_BUG_ON(!area->map);
	while (offset < end && !area->map[offset])
		offset += offset % SLOT_RUN == 0 && run_is_unused(area, offset) ? SLOT_RUN : 1;
	return min(offset, area->max);
}

/*
 * Enter the free slots of one run into the set of slots, and the free groups in it into the other.
 */
static void build_run(struct swap_area *area, unsigned long start)
{
	unsigned long end = min(start + SLOT_RUN, area->max);

	VM_BUG_ON(start % SLOT_RUN || start >= area->max);
	if (run_is_unused(area, start))
		index_set_add_word(&area->free_slots, start);
	else
		for (unsigned long offset = start; offset < end; offset++)
			if (!area->map[offset])
				index_set_add(&area->free_slots, offset);
	for (unsigned long group = start / SLOT_GROUP; group * SLOT_GROUP < end; group++)
		if (group_is_free(area, group))
			index_set_add(&area->free_groups, group);
}

int swap_build_sets(struct swap_area *area)
{
	char *memory = vmalloc(swap_set_bytes(area->max));

	VM_BUG_ON(!area->map || area->max < 2); /* the header and a slot */
	if (!memory)
		return -ENOMEM;
	area->sets = memory;
	index_set_init(&area->free_slots, area->max, memory);
	index_set_init(&area->free_groups, nr_groups(area->max),
		       memory + index_set_bytes(area->max));
	for (unsigned long offset = 0; offset < area->max; offset += SLOT_RUN) {
		build_run(area, offset);
		port_cond_resched();
	}
	return 0;
}

/*
 * A slot has become free: enter it into the set, and its group if that is free altogether now.
 * Locks: swap_lock held.
 */
static void mark_free(struct swap_area *area, unsigned long offset)
{
	lockdep_assert_held(&swap_lock);
	VM_BUG_ON(!offset || offset >= area->max);
	VM_BUG_ON(area->map[offset] || index_set_has(&area->free_slots, offset));
	index_set_add(&area->free_slots, offset);
	if (group_is_free(area, offset / SLOT_GROUP))
		index_set_add(&area->free_groups, offset / SLOT_GROUP);
}

/*
 * Remove a free slot from the set of slots, and its group from the set of free groups. The group
 * is looked at before the slot is removed, as afterwards it is not free in any case. Locks:
 * swap_lock held.
 */
static void mark_taken(struct swap_area *area, unsigned long offset) MUST_HOLD(&swap_lock)
{
	lockdep_assert_held(&swap_lock);
	VM_BUG_ON(!offset || offset >= area->max);
	BUG_ON(area->map[offset] || !index_set_has(&area->free_slots, offset));
	if (group_is_free(area, offset / SLOT_GROUP))
		index_set_remove(&area->free_groups, offset / SLOT_GROUP);
	index_set_remove(&area->free_slots, offset);
}

/*
 * The first member from *next on, or else from 0 on; *next becomes the number behind it, so that
 * the next search does not meet the slots just handed out. Returns set->size if the set is empty.
 */
static unsigned long next_free(const struct index_set *set, unsigned long *next)
{
	unsigned long words = 0, n = index_set_next(set, *next, &words);

	VM_BUG_ON(*next > set->size);
	if (n == set->size)
		n = index_set_next(set, 0, &words);
	swap_words_searched += words;
	if (n < set->size)
		*next = n + 1;
	return n;
}

/* The first slot of a free group, or 0: the group of slot 0 has the header and is never free. */
static unsigned long find_free_group(struct swap_area *area) MUST_HOLD(&swap_lock)
{
	unsigned long group = next_free(&area->free_groups, &area->next_group);

	lockdep_assert_held(&swap_lock);
	return group == area->free_groups.size ? 0 : group * SLOT_GROUP;
}

/* Any free slot of an area that has one; the search goes on behind the last slot found. */
static unsigned long find_free_slot(struct swap_area *area) MUST_HOLD(&swap_lock)
{
	unsigned long offset = next_free(&area->free_slots, &area->next);

	lockdep_assert_held(&swap_lock);
	BUG_ON(offset == area->max); /* (A1) */
	return offset;
}

/* Are all slots of a run free by the map, and do both sets agree? */
static bool run_is_free(const struct swap_area *area, unsigned long offset)
{
	return run_is_unused(area, offset) &&
	       index_set_has_all(&area->free_slots, offset, SLOT_RUN) &&
	       index_set_has_all(&area->free_groups, offset / SLOT_GROUP, SLOT_RUN / SLOT_GROUP);
}

void swap_validate_sets(const struct swap_area *area)
{
	lockdep_assert_held(&swap_lock);
	for (unsigned long offset = 0; offset < area->max; offset++) {
		while (offset % SLOT_RUN == 0 && run_is_free(area, offset))
			offset += SLOT_RUN;
		if (offset >= area->max)
			break;
		BUG_ON(index_set_has(&area->free_slots, offset) != !area->map[offset]);
		BUG_ON(index_set_has(&area->free_groups, offset / SLOT_GROUP) !=
		       group_is_free(area, offset / SLOT_GROUP));
	}
}

/* ---- Counts beyond a map word --------------------------------------------------------------- */

static struct swap_continuation *find_continuation(swp_entry_t entry) MUST_HOLD(&swap_lock)
{
	struct rb_node *n = continuations.node;

	lockdep_assert_held(&swap_lock);
	while (n) {
		struct swap_continuation *c = rb_entry(n, struct swap_continuation, node);

		if (c->entry == entry.val)
			return c;
		n = entry.val < c->entry ? n->left : n->right;
	}
	return NULL;
}

/* The tree has no continuation for the entry of new yet. */
static void insert_continuation(struct swap_continuation *new) MUST_HOLD(&swap_lock)
{
	struct rb_node **link = &continuations.node, *parent = NULL;

	VM_BUG_ON(new->uses);
	lockdep_assert_held(&swap_lock);
	while (*link) {
		parent = *link;
		link = new->entry < rb_entry(parent, struct swap_continuation, node)->entry
			       ? &parent->left
			       : &parent->right;
	}
	rb_link_node(&new->node, parent, link);
	rb_insert(&new->node, &continuations, NULL);
}

/* Allocate a continuation that counts no use yet. NULL: no memory. */
static struct swap_continuation *new_continuation(swp_entry_t entry, gfp_t gfp)
{
	struct swap_continuation *c = kmalloc(sizeof(*c), gfp);

	if (c)
		*c = (struct swap_continuation){.entry = entry.val};
	return c;
}

/* Is the map word of the slot full, so that further uses are counted by a continuation? */
static bool counts_max(const struct swap_area *area, swp_entry_t entry) MUST_HOLD(&swap_lock)
{
	lockdep_assert_held(&swap_lock);
	VM_BUG_ON(!area->map);
	return swap_uses(area->map[swp_offset(entry)]) == SWAP_MAP_MAX;
}

/*
 * Count one more use of a slot whose word is at SWAP_MAP_MAX. False: there is no memory for its
 * continuation, and nothing has changed. Locks: swap_lock held, so the allocation must not wait.
 */
static bool count_beyond(swp_entry_t entry) MUST_HOLD(&swap_lock)
{
	struct swap_continuation *c = find_continuation(entry);

	lockdep_assert_held(&swap_lock);
	if (!c) {
		c = new_continuation(entry, GFP_ATOMIC | __GFP_NOWARN);
		if (!c)
			return false;
		insert_continuation(c);
	}
	c->uses++;
	return true;
}

/*
 * Count one use less of a slot whose word is at SWAP_MAP_MAX. True: the continuation has counted
 * it. False: it was at 0, and is freed, or there was none; the caller must decrement the map word.
 * So a continuation exists only while the word is at SWAP_MAP_MAX (A4). Locks: swap_lock held.
 */
static bool uncount_beyond(swp_entry_t entry) MUST_HOLD(&swap_lock)
{
	struct swap_continuation *c = find_continuation(entry);

	lockdep_assert_held(&swap_lock);
	if (!c)
		return false;
	if (c->uses) {
		c->uses--;
		return true;
	}
	rb_erase(&c->node, &continuations, NULL);
	kfree(c);
	return false;
}

int swap_add_continuation(swp_entry_t entry)
{
	struct swap_continuation *new = new_continuation(entry, GFP_KERNEL);
	struct swap_area *area;
	int err = 0;

	if (!new)
		return -ENOMEM;
	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	if (!area || !area->map[swp_offset(entry)]) {
		err = -EINVAL;
	} else if (counts_max(area, entry) && !find_continuation(entry)) {
		VM_BUG_ON(swap_uses(area->map[swp_offset(entry)]) != SWAP_MAP_MAX); /* (A4) */
		insert_continuation(new);
		new = NULL;
	}
	spin_unlock(&swap_lock);
	kfree(new);
	return err;
}

/* ---- Slots -------------------------------------------------------------------------------- */

struct swap_area *swap_entry_area(swp_entry_t entry)
{
	struct swap_area *area = &swap_areas[swp_type(entry)];
	unsigned long offset = swp_offset(entry);

	lockdep_assert_held(&swap_lock);
	if (!area->map || !offset || offset >= area->max || area->map[offset] == SWAP_MAP_BAD)
		return NULL;
	return area;
}

/*
 * The slot has lost its last use, that of the swap cache included; only its failed writes are left
 * in * the word. It becomes free, or bad if it was given up. Locks: swap_lock held.
 */
void swap_slot_unused(struct swap_area *area, unsigned long offset)
{
	unsigned short failures = area->map[offset];

	lockdep_assert_held(&swap_lock);
	BUG_ON(failures & ~SWAP_FAILURES);
	VM_BUG_ON(!area->inuse || !offset || offset >= area->max); /* (A1) */
	area->inuse--;
	/*
	 * A page written there would be lost. The area shrinks by this slot; nr_swap_pages does
	 * not change, as the slot was in use and did not count as free (A2).
	 */
	if (failures == SWAP_FAILURES) {
		area->map[offset] = SWAP_MAP_BAD;
		area->pages--;
		WRITE_ONCE(total_swap_pages, total_swap_pages - area->writable);
		pr_warn("swap: slot %lu of %s cannot be written\n", offset, area->name);
		return;
	}
	area->map[offset] = 0;
	mark_free(area, offset);
	/*
	 * While swapoff empties the area, its free slots are not handed out and do not count (A2).
	 */
	if (area->writable)
		atomic_long_inc(&nr_swap_pages);
}

/*
 * The count of failures saturates at SWAP_FAILURES: one more would carry into SWAP_HAS_CACHE. An
 * entry without an area counts as given up, so that nobody tries to write there.
 */
bool swap_slot_failed(swp_entry_t entry)
{
	struct swap_area *area;
	bool given_up = true;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	if (area) {
		unsigned short *word = &area->map[swp_offset(entry)];

		if ((*word & SWAP_FAILURES) != SWAP_FAILURES)
			*word += SWAP_FAILURE;
		given_up = (*word & SWAP_FAILURES) == SWAP_FAILURES;
	}
	spin_unlock(&swap_lock);
	return given_up;
}

/* Count failures until the slot is given up. */
void swap_give_up_slot(swp_entry_t entry)
{
	while (!swap_slot_failed(entry))
		;
}

bool swap_slot_given_up(swp_entry_t entry)
{
	struct swap_area *area;
	bool given_up;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	given_up = area && (area->map[swp_offset(entry)] & SWAP_FAILURES) == SWAP_FAILURES;
	spin_unlock(&swap_lock);
	return given_up;
}

bool swap_slot_takes_entries(swp_entry_t entry)
{
	struct swap_area *area;
	bool takes;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	takes = area && area->writable &&
		(area->map[swp_offset(entry)] & SWAP_FAILURES) != SWAP_FAILURES;
	spin_unlock(&swap_lock);
	return takes;
}

/* Does the area hand out slots, and has it a free one? Locks: swap_lock held. */
static bool has_free_slot(const struct swap_area *area) MUST_HOLD(&swap_lock)
{
	lockdep_assert_held(&swap_lock);
	VM_BUG_ON(area->inuse > area->pages); /* (A1) */
	return area->writable && area->inuse < area->pages;
}

/*
 * The area with the highest priority that has a free slot. The search begins behind the area that
 * was chosen last, and only a higher priority replaces the first one found; so equals take turns.
 * NULL: all areas are full. Locks: swap_lock held.
 */
static struct swap_area *choose_area(void) MUST_HOLD(&swap_lock)
{
	struct swap_area *best = NULL;

	lockdep_assert_held(&swap_lock);
	for (unsigned int i = 1; i <= MAX_SWAPFILES; i++) {
		struct swap_area *area = &swap_areas[(last_area + i) % MAX_SWAPFILES];

		if (has_free_slot(area) && (!best || area->priority > best->priority))
			best = area;
	}
	if (best)
		last_area = (unsigned int)(best - swap_areas);
	return best;
}

/* Give the slot its first use and return its entry. Locks: swap_lock held. */
static swp_entry_t take_slot(struct swap_area *area, unsigned long offset) MUST_HOLD(&swap_lock)
{
	lockdep_assert_held(&swap_lock);
	VM_BUG_ON(!area->writable || area->inuse >= area->pages);
	lockdep_assert_held(&swap_lock);
	mark_taken(area, offset);
	area->map[offset] = 1;
	area->inuse++;
	atomic_long_dec(&nr_swap_pages);
	return swp_entry((unsigned long)(area - swap_areas), offset);
}

/*
 * Does the hint belong to this group of addresses, and is the slot for this page still free there?
 * The area may have ended since the hint was noted, or be another one by now. Locks: swap_lock
 * held.
 */
static bool hinted_slot_is_free(const struct slot_hint *hint, unsigned long key, unsigned long slot)
	MUST_HOLD(&swap_lock)
{
	const struct swap_area *area = &swap_areas[hint->area];

	lockdep_assert_held(&swap_lock);
	return hint->key == key && area->writable && hint->group + slot < area->max &&
	       !area->map[hint->group + slot];
}

/*
 * Where the hint for a page's group is kept. Neighbouring groups of one object have neighbouring
 * places, so a sequential run over a large object does not overwrite its own hints.
 */
static struct slot_hint *hint_of(const struct page *page)
{
	unsigned long object = (u32)((unsigned long)page->mapping >> 4) * 0x9e3779b1u >> 16;

	return &hints[(object + page->index / SLOT_GROUP) % NR_HINTS];
}

swp_entry_t get_swap_page_near(const struct page *page)
{
	unsigned long slot = page->index % SLOT_GROUP;
	unsigned long key = (unsigned long)page->mapping + page->index / SLOT_GROUP * 0x9e3779b1ul;
	struct slot_hint *hint = hint_of(page);
	swp_entry_t entry = {0};
	struct swap_area *area;

	spin_lock(&swap_lock);
	if (hinted_slot_is_free(hint, key, slot)) {
		entry = take_slot(&swap_areas[hint->area], hint->group + slot);
	} else if ((area = choose_area())) {
		/*
		 * Remember the free group for the neighbours of this page. Without a free group,
		 * any free slot will do, and no hint is noted.
		 */
		unsigned long group = find_free_group(area);

		if (group)
			*hint = (struct slot_hint){key, (unsigned int)(area - swap_areas), group};
		entry = take_slot(area, group ? group + slot : find_free_slot(area));
	}
	spin_unlock(&swap_lock);
	return entry;
}

swp_entry_t get_swap_page(void)
{
	swp_entry_t entry = {0};
	struct swap_area *area;

	spin_lock(&swap_lock);
	area = choose_area();
	if (area)
		entry = take_slot(area, find_free_slot(area));
	spin_unlock(&swap_lock);
	return entry;
}

/*
 * One more entry of the slot. It is refused if the slot has no use: an entry that is being copied
 * keeps a use itself, so then the entry is a stale copy of the caller's.
 */
bool swap_duplicate(swp_entry_t entry)
{
	struct swap_area *area;
	bool ok;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	ok = area && area->map[swp_offset(entry)];
	if (ok && !counts_max(area, entry))
		area->map[swp_offset(entry)]++;
	else if (ok)
		ok = count_beyond(entry);
	spin_unlock(&swap_lock);
	return ok;
}

void swap_free(swp_entry_t entry)
{
	unsigned long offset = swp_offset(entry);
	struct swap_area *area;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	/*
	 * A free of an unused slot is contained, not counted: the count must not wrap. A use that
	 * the continuation has counted leaves the map word alone.
	 */
	if (!WARN_ON_ONCE(!area || !swap_uses(area->map[offset])) &&
	    !(counts_max(area, entry) && uncount_beyond(entry)) &&
	    !(--area->map[offset] & ~SWAP_FAILURES))
		swap_slot_unused(area, offset);
	spin_unlock(&swap_lock);
}

int swap_count(swp_entry_t entry)
{
	const struct swap_continuation *more = NULL;
	struct swap_area *area;
	int count;

	spin_lock(&swap_lock);
	area = swap_entry_area(entry);
	count = area ? (int)swap_uses(area->map[swp_offset(entry)]) : 0;
	if (count == SWAP_MAP_MAX)
		more = find_continuation(entry);
	if (more)
		count += (int)more->uses;
	spin_unlock(&swap_lock);
	return count;
}
