/* SPDX-License-Identifier: MIT */
/*
 * swap_slots.c: the slots of swap areas: handing out and counting (thesis chapter 12).
 *
 *	map[offset]		0 free; uses by entries, | SWAP_HAS_CACHE, | failed writes; SWAP_MAP_BAD
 *	free_slots		the offsets whose map word is 0
 *	free_groups		the groups of SLOT_GROUP offsets that are free altogether
 *
 * Which area: the highest priority that has a free slot, in turn among equals. Which slot: the
 * pages of a group of SLOT_GROUP addresses get the slots of one group, so that neighbours come
 * back in one transfer whatever the order in which they went (FX-12). A small table
 * remembers the slots of recent groups; it is a hint, a lost one costs locality only:
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
 * A continuation is needed once in SWAP_MAP_MAX uses. It is allocated under locks with what is
 * there at once; if nothing is, fork gets one with its locks dropped (swap_add_continuation()), and
 * reclaim leaves the page mapped.
 *
 * A slot that could not be written three times, or whose page was lost as it could not be read,
 * is given up: its page stays in memory until it has another (swap_prepare_unmap()), or those who
 * have its entry have come for it; with its last use the slot is SWAP_MAP_BAD, for as long as the
 * area is in use.
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
#include <mm/space/vma_internal.h>

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

/* Groups that lie in the area as a whole, and one more: a set has at least one number. */
static unsigned long nr_groups(unsigned long max)
{
	return max / SLOT_GROUP + 1;
}

size_t swap_set_bytes(unsigned long max)
{
	return index_set_bytes(max) + index_set_bytes(nr_groups(max));
}

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
 * Are the SLOT_RUN slots from offset on, a multiple of SLOT_RUN, in the area and free by the map?
 */
static bool run_is_unused(const struct swap_area *area, unsigned long offset)
{
	const map_words *words = (const map_words *)&area->map[offset];
	u64 any = 0;

	if (offset + SLOT_RUN > area->max)
		return false;
	for (unsigned int i = 0; i < SLOT_RUN * sizeof(*area->map) / sizeof(*words); i++)
		any |= words[i];
	return !any;
}

unsigned long swap_next_used(const struct swap_area *area, unsigned long offset)
{
	unsigned long end = min(area->max, offset + SLOT_SCAN_MAX);

	while (offset < end && !area->map[offset])
		offset += offset % SLOT_RUN == 0 && run_is_unused(area, offset) ? SLOT_RUN : 1;
	return min(offset, area->max);
}

/* Make the free slots of a run members, with the groups in it. */
static void build_run(struct swap_area *area, unsigned long start)
{
	unsigned long end = min(start + SLOT_RUN, area->max);

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

static void mark_free(struct swap_area *area, unsigned long offset)
{
	VM_BUG_ON(area->map[offset] || index_set_has(&area->free_slots, offset));
	index_set_add(&area->free_slots, offset);
	if (group_is_free(area, offset / SLOT_GROUP))
		index_set_add(&area->free_groups, offset / SLOT_GROUP);
}

static void mark_taken(struct swap_area *area, unsigned long offset)
{
	BUG_ON(area->map[offset] || !index_set_has(&area->free_slots, offset));
	if (group_is_free(area, offset / SLOT_GROUP))
		index_set_remove(&area->free_groups, offset / SLOT_GROUP);
	index_set_remove(&area->free_slots, offset);
}

/*
 * The first member from *next on, or else from 0 on; *next moves behind it. set->size: the set is
 * empty.
 */
static unsigned long next_free(const struct index_set *set, unsigned long *next)
{
	unsigned long words = 0, n = index_set_next(set, *next, &words);

	if (n == set->size)
		n = index_set_next(set, 0, &words);
	swap_words_searched += words;
	if (n < set->size)
		*next = n + 1;
	return n;
}

/* The first slot of a free group, or 0: the group of slot 0 has the header and is never free. */
static unsigned long find_free_group(struct swap_area *area)
{
	unsigned long group = next_free(&area->free_groups, &area->next_group);

	return group == area->free_groups.size ? 0 : group * SLOT_GROUP;
}

/* Any free slot of an area that has one, going on from the last. */
static unsigned long find_free_slot(struct swap_area *area)
{
	unsigned long offset = next_free(&area->free_slots, &area->next);

	BUG_ON(offset == area->max); /* (A1) */
	return offset;
}

/* A run of free slots that both sets know as such. */
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

static struct swap_continuation *find_continuation(swp_entry_t entry)
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
static void insert_continuation(struct swap_continuation *new)
{
	struct rb_node **link = &continuations.node, *parent = NULL;

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

static struct swap_continuation *new_continuation(swp_entry_t entry, gfp_t gfp)
{
	struct swap_continuation *c = kmalloc(sizeof(*c), gfp);

	if (c)
		*c = (struct swap_continuation){.entry = entry.val};
	return c;
}

static bool counts_max(const struct swap_area *area, swp_entry_t entry)
{
	return swap_uses(area->map[swp_offset(entry)]) == SWAP_MAP_MAX;
}

/* Count one more use of a slot whose word is at SWAP_MAP_MAX; false: no memory. */
static bool count_beyond(swp_entry_t entry)
{
	struct swap_continuation *c = find_continuation(entry);

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
 * Count one use less of such a slot; false: the continuation was at 0 or missing, so the map word
 * must go down.
 */
static bool uncount_beyond(swp_entry_t entry)
{
	struct swap_continuation *c = find_continuation(entry);

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

/* Nobody uses the slot: it is free, or bad if it was given up. */
void swap_slot_unused(struct swap_area *area, unsigned long offset)
{
	unsigned short failures = area->map[offset];

	lockdep_assert_held(&swap_lock);
	BUG_ON(failures & ~SWAP_FAILURES);
	area->inuse--;
	if (failures == SWAP_FAILURES) {
		area->map[offset] = SWAP_MAP_BAD;
		area->pages--;
		WRITE_ONCE(total_swap_pages, total_swap_pages - area->writable);
		pr_warn("swap: slot %lu of %s cannot be written\n", offset, area->name);
		return;
	}
	area->map[offset] = 0;
	mark_free(area, offset);
	if (area->writable)
		atomic_long_inc(&nr_swap_pages);
}

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

static bool has_free_slot(const struct swap_area *area)
{
	return area->writable && area->inuse < area->pages;
}

/* Whose turn it is; NULL: all are full. */
static struct swap_area *choose_area(void)
{
	struct swap_area *best = NULL;

	for (unsigned int i = 1; i <= MAX_SWAPFILES; i++) {
		struct swap_area *area = &swap_areas[(last_area + i) % MAX_SWAPFILES];

		if (has_free_slot(area) && (!best || area->priority > best->priority))
			best = area;
	}
	if (best)
		last_area = (unsigned int)(best - swap_areas);
	return best;
}

static swp_entry_t take_slot(struct swap_area *area, unsigned long offset)
{
	lockdep_assert_held(&swap_lock);
	mark_taken(area, offset);
	area->map[offset] = 1;
	area->inuse++;
	atomic_long_dec(&nr_swap_pages);
	return swp_entry((unsigned long)(area - swap_areas), offset);
}

static bool hinted_slot_is_free(const struct slot_hint *hint, unsigned long key, unsigned long slot)
{
	const struct swap_area *area = &swap_areas[hint->area];

	return hint->key == key && area->writable && hint->group + slot < area->max &&
	       !area->map[hint->group + slot];
}

/* Neighbouring groups of one object have neighbouring hints: they never push each other out. */
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
