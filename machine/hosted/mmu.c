/* SPDX-License-Identifier: MIT */
/*
 * mmu.c: the memory management unit in software.
 *
 * It walks the page tables that the core built, as the processor manuals say and with
 * constants of its own, so that it also checks the core's idea of them:
 *
 *	geometry	index bits, top level first	entry	notes
 *	i386		10 10				4 bytes	4 MiB pages at level 2, no NX
 *	i386-pae	2 9 9				8 bytes	level 3 entries carry no rights, and are in
 *								registers from the loading of the root on
 *	x86_64		9 9 9 9				8 bytes	large pages at levels 2 and 3
 *	x86_64-la57	9 9 9 9 9			8 bytes
 *
 * Levels are numbered from the leaf: level 1 is the table of 4 KiB pages. On a walk rights
 * add up (write and user must be set everywhere, no-execute anywhere counts), reserved
 * bits fault, the accessed bit of each used entry and the dirty bit of a written leaf are
 * set by compare-and-exchange on the entry as it was read; if it changed meanwhile the
 * walk starts again. Supervisor writes honour the write bit (CR0.WP).
 *
 * The TLB of a CPU keeps every leaf and every last-level table (the paging-structure
 * cache) it has walked until it is told to forget: with no limit on its size, a page used
 * once is certain to be stale if a flush is missing. What it forgets, and when, is what the
 * manuals promise and no more:
 *	one page	that page, global or not, and all cached tables
 *	non-global	pages without the global bit and all cached tables
 * A CPU may load what the tables say at any time, and this one does: a last-level table that it
 * forgets in a flush and still finds is cached again at once. So a table that is unhooked after the
 * last flush stays in use, and (M2) is found when it is used after it was freed.
 *	all		everything
 *	a page fault	what is cached for the faulting address
 * A page that is not present is never cached, nor is a page whose rights would be found
 * too narrow: the walk is done again before a fault is raised, so widening rights needs no
 * flush, narrowing them does. A first write through a clean entry walks again to set the
 * dirty bit.
 *
 * The law of asm/tlb.h, "unhook, flush, free", is checked whenever a CPU forgets a user page
 * because of a flush: (M1) the frame it leads to is not free. Two cases are excused, as nobody
 * can use what they remember: an address space that is borrowed (lazy), and one that has ended.
 * Also excused is a frame that had no count of its own when it was mapped (part of a block).
 *
 * One page of a large mapping is cached as a 4 KiB entry; flushing any address drops all
 * entries marked large. A TLB belongs to the thread that holds its CPU; no lock.
 */
#include "hosted_internal.h"

#include <asm/fault.h>
#include <asm/tlb.h>

#include <stdlib.h>
#include <string.h>

#include "raw.h"

#define BIT_P	       0x001ull
#define BIT_RW	       0x002ull
#define BIT_US	       0x004ull
#define BIT_A	       0x020ull
#define BIT_D	       0x040ull
#define BIT_PS	       0x080ull
#define BIT_G	       0x100ull
#define BIT_NX	       (1ull << 63)
#define FRAME	       0x000ffffffffff000ull
#define MAX_LEVELS     5
#define FIRST_TLB_SIZE 64
#define CACHED_TABLES  64 /* of a limited TLB; all go at every flush, so few are better */

/* The manuals' numbers, by PGTABLE_LEVELS. shift[level - 1] is the level's lowest index bit. */
struct paging_mode {
	unsigned int shift[MAX_LEVELS], bits[MAX_LEVELS];
	unsigned int entry_bytes;
	unsigned int linear_bits; /* addresses are sign-extended from here; 32: not at all */
	int largest_page_level;
	u64 reserved_high; /* above the frames a 52-bit machine could have: PAE only */
};

static const struct paging_mode paging_modes[MAX_LEVELS + 1] = {
	[2] = {{12, 22}, {10, 10}, 4, 32, 2, 0},
	[3] = {{12, 21, 30}, {9, 9, 2}, 8, 32, 2, 0x7ff0000000000000ull},
	[4] = {{12, 21, 30, 39}, {9, 9, 9, 9}, 8, 48, 3, 0},
	[5] = {{12, 21, 30, 39, 48}, {9, 9, 9, 9, 9}, 8, 57, 3, 0},
};
static const struct paging_mode *const mode = &paging_modes[PGTABLE_LEVELS];

/* ---- The TLB ------------------------------------------------------------------------- */

static const struct tlb_entry tombstone = {.tag = ~0ul};

void mmu_init(struct mmu *mmu, size_t limit)
{
	struct tlb *both[] = {&mmu->pages, &mmu->tables};

	for (int i = 0; i < 2; i++) {
		both[i]->limit = i ? min(limit, (size_t)CACHED_TABLES) : limit;
		both[i]->size = limit ? both[i]->limit : FIRST_TLB_SIZE;
		both[i]->slot = calloc(both[i]->size, sizeof(struct tlb_entry));
		if (!both[i]->slot)
			hosted_fatal("hosted: out of host memory");
	}
}

static size_t hash_tag(unsigned long tag)
{
	return tag * 0x9E3779B97F4A7C15ul >> 20;
}

/* The slot that holds tag, or NULL. A limited TLB is direct mapped, else probing is linear. */
static struct tlb_entry *tlb_find(struct tlb *tlb, unsigned long number)
{
	unsigned long tag = number + 1;

	if (tlb->limit) {
		struct tlb_entry *e = &tlb->slot[number % tlb->size];

		return e->tag == tag ? e : NULL;
	}
	for (size_t i = hash_tag(tag);; i++) {
		struct tlb_entry *e = &tlb->slot[i % tlb->size];

		if (e->tag == tag)
			return e;
		if (!e->tag)
			return NULL;
	}
}

static void tlb_grow(struct tlb *tlb);

static void tlb_insert(struct tlb *tlb, unsigned long number, struct tlb_entry entry)
{
	struct tlb_entry *e = tlb_find(tlb, number);

	entry.tag = number + 1;
	tlb->has_large |= entry.large;
	if (tlb->limit)
		e = &tlb->slot[number % tlb->size];
	if (!e) {
		if (tlb->used >= tlb->size / 2)
			tlb_grow(tlb);
		for (size_t i = hash_tag(entry.tag);; i++) {
			e = &tlb->slot[i % tlb->size];
			if (!e->tag)
				break;
		}
		tlb->used++;
	}
	*e = entry;
}

/* Into a table twice as large, without the tombstones. */
static void tlb_grow(struct tlb *tlb)
{
	struct tlb old = *tlb;

	tlb->size = 2 * old.size;
	tlb->used = 0;
	tlb->slot = calloc(tlb->size, sizeof(struct tlb_entry));
	if (!tlb->slot)
		hosted_fatal("hosted: out of host memory");
	for (size_t i = 0; i < old.size; i++)
		if (old.slot[i].tag && old.slot[i].tag != tombstone.tag)
			tlb_insert(tlb, old.slot[i].tag - 1, old.slot[i]);
	free(old.slot);
}

static void tlb_drop(struct tlb *tlb, unsigned long number)
{
	struct tlb_entry *e = tlb_find(tlb, number);

	if (e)
		*e = tombstone;
}

bool mmu_frame_in_use(phys_addr_t pa)
{
	unsigned long pfn = PHYS_PFN(pa);

	return pfn_valid(pfn) && page_count(pfn_to_page(pfn)) > 0;
}

/* May this CPU still use the translations of user pages that it holds? */
static bool users_are_live(void)
{
	const struct tlb_state *state = &cpu_tlbstate[port_cpu_id()];

	return state->active_mm && state->state != TLBSTATE_LAZY &&
	       atomic_read(&state->active_mm->mm_users);
}

/* (M1) */
static void check_forgotten(const struct tlb_entry *e)
{
	if (e->counted && e->user && !e->large && users_are_live() && !mmu_frame_in_use(e->pa))
		hosted_fatal("CPU %u held a translation of %#lx to frame %#lx, which is free",
			     port_cpu_id(), (e->tag - 1) << PAGE_SHIFT,
			     (unsigned long)PHYS_PFN(e->pa));
}

/* (M2) */
static void check_table(const struct tlb_entry *table, unsigned long addr)
{
	if (table && table->counted && !mmu_frame_in_use(table->pa))
		hosted_fatal("CPU %u walks %#lx through the table in frame %#lx, which is free",
			     port_cpu_id(), addr, (unsigned long)PHYS_PFN(table->pa));
}

/* Look at a page, or at all (number ~0ul), that a flush is about to drop. */
static void check_before_flush(struct tlb *pages, unsigned long number)
{
	if (number != ~0ul) {
		const struct tlb_entry *e = tlb_find(pages, number);

		if (e)
			check_forgotten(e);
		return;
	}
	for (size_t i = 0; i < pages->size; i++)
		if (pages->slot[i].tag && pages->slot[i].tag != tombstone.tag)
			check_forgotten(&pages->slot[i]);
}

static void tlb_drop_all(struct tlb *tlb)
{
	memset(tlb->slot, 0, tlb->size * sizeof(struct tlb_entry));
	tlb->used = 0;
	tlb->has_large = false;
}

static void tlb_drop_large(struct tlb *tlb)
{
	if (!tlb->has_large)
		return;
	for (size_t i = 0; i < tlb->size; i++)
		if (tlb->slot[i].tag && tlb->slot[i].large)
			tlb->slot[i] = tombstone;
	tlb->has_large = false;
}

static void tlb_drop_nonglobal(struct tlb *tlb)
{
	for (size_t i = 0; i < tlb->size; i++)
		if (tlb->slot[i].tag && !tlb->slot[i].global)
			tlb->slot[i] = tombstone;
}

static unsigned long page_number(unsigned long addr)
{
	return addr >> PAGE_SHIFT;
}

static unsigned long table_number(unsigned long addr)
{
	return addr >> mode->shift[1];
}

/* ---- The walk --------------------------------------------------------------------------- */

struct walk {
	/* in */
	phys_addr_t root;
	unsigned long addr;
	enum mmu_access access;
	bool user;
	bool probe;	  /* look only: no bits set, no rights asked for */
	const u64 *pdpte; /* PAE: the CPU's copy of the top entries; NULL: read the table */
	/* working */
	int level;
	void *entry_at;
	u64 entry;
	/* out */
	struct tlb_entry table; /* the last-level table, if pa is not 0 */
	struct tlb_entry page;
	unsigned long error_code;
};

enum step { STEP_DOWN, STEP_DONE, STEP_FAULT, STEP_AGAIN };

static bool is_canonical(unsigned long addr)
{
	unsigned int unused = 64 - mode->linear_bits;

	if (mode->linear_bits == 32)
		return addr <= 0xfffffffful;
	return (unsigned long)((long)(addr << unused) >> unused) == addr;
}

static u64 load_entry(const void *at)
{
	return mode->entry_bytes == 4 ? raw_load32(at) : raw_load64(at);
}

/* Set bits in the entry under walk if it is still what was read. */
static bool set_bits(struct walk *w, u64 bits)
{
	u32 old = (u32)w->entry;

	if (w->probe || (w->entry & bits) == bits)
		return true;
	if (mode->entry_bytes == 4)
		return raw_cmpxchg32(w->entry_at, &old, (u32)(w->entry | bits));
	return raw_cmpxchg64(w->entry_at, w->entry, w->entry | bits);
}

static bool is_leaf(const struct walk *w)
{
	return w->level == 1 || (w->level <= mode->largest_page_level && (w->entry & BIT_PS));
}

static bool is_pdpte(const struct walk *w)
{
	return PGTABLE_LEVELS == 3 && w->level == 3;
}

static u64 reserved_bits(const struct walk *w)
{
	u64 beyond = FRAME & ~((1ull << min(MAX_PHYSMEM_BITS, 52)) - 1);

	if (mode->entry_bytes == 4)
		return is_leaf(w) && w->level == 2 ? 0x003fe000ull : 0;
	beyond |= mode->reserved_high;
	if (is_pdpte(w))
		return beyond | BIT_NX | 0x1e6ull;
	if (w->level > mode->largest_page_level)
		return beyond | BIT_PS;
	if (w->level > 1 && is_leaf(w)) /* frame bits below the page's size, but for PAT */
		return beyond | (((1ull << mode->shift[w->level - 1]) - 1) & ~0x1fffull);
	return beyond;
}

static enum step walk_fault(struct walk *w, unsigned long bits)
{
	w->error_code = bits | (w->access == MMU_WRITE ? PF_WRITE : 0) | (w->user ? PF_USER : 0) |
			(w->access == MMU_EXEC && HAVE_NX ? PF_INSTR : 0);
	return STEP_FAULT;
}

static bool access_allowed(const struct walk *w, const struct tlb_entry *e)
{
	if (w->user && !e->user)
		return false;
	if (w->access == MMU_WRITE)
		return e->write;
	if (w->access == MMU_EXEC)
		return e->exec && (w->user || !e->user);
	return true;
}

static enum step walk_leaf(struct walk *w, struct tlb_entry rights)
{
	u64 offset_mask = (1ull << mode->shift[w->level - 1]) - 1;

	rights.large = w->level > 1;
	rights.pa = ((w->entry & FRAME & ~offset_mask) | (w->addr & offset_mask)) & PAGE_MASK;
	rights.global = w->entry & BIT_G;
	if (!w->probe && !access_allowed(w, &rights))
		return walk_fault(w, PF_PROT);
	if (!set_bits(w, BIT_A | (w->access == MMU_WRITE ? BIT_D : 0)))
		return STEP_AGAIN;
	rights.dirty = (w->entry & BIT_D) || w->access == MMU_WRITE;
	rights.counted = rights.user && !w->probe && mmu_frame_in_use(rights.pa);
	w->page = rights;
	return STEP_DONE;
}

/* One table: *rights holds the table's address and what the levels above allow. */
static enum step walk_level(struct walk *w, struct tlb_entry *rights)
{
	unsigned long index =
		w->addr >> mode->shift[w->level - 1] & ((1ul << mode->bits[w->level - 1]) - 1);
	void *table = hosted_phys(rights->pa);

	if (!table)
		hosted_fatal("MMU: the level %d table for %#lx lies outside of RAM, at %#llx",
			     w->level, w->addr, (unsigned long long)rights->pa);
	w->entry_at = (char *)table + index * mode->entry_bytes;
	w->entry = is_pdpte(w) && w->pdpte ? w->pdpte[index] : load_entry(w->entry_at);
	if (!(w->entry & BIT_P))
		return walk_fault(w, 0);
	if (w->entry & reserved_bits(w))
		return walk_fault(w, PF_PROT | PF_RSVD);
	if (!is_pdpte(w)) {
		rights->write &= !!(w->entry & BIT_RW);
		rights->user &= !!(w->entry & BIT_US);
		rights->exec &= !(HAVE_NX && (w->entry & BIT_NX));
	}
	if (is_leaf(w))
		return walk_leaf(w, *rights);
	if (!is_pdpte(w) && !set_bits(w, BIT_A))
		return STEP_AGAIN;
	rights->pa = w->entry & FRAME;
	if (w->level == 2) {
		w->table = *rights;
		w->table.counted = mmu_frame_in_use(rights->pa);
	}
	return STEP_DOWN;
}

/* From the table in *rights at w->level down. */
static enum step walk_down(struct walk *w, struct tlb_entry rights)
{
	enum step step;

	while ((step = walk_level(w, &rights)) == STEP_DOWN)
		w->level--;
	return step;
}

/* cached: the last-level table to start from, or NULL: from the root. */
static enum step walk(struct walk *w, const struct tlb_entry *cached)
{
	enum step step;

	do {
		w->level = cached ? 1 : PGTABLE_LEVELS;
		step = walk_down(w, cached ? *cached
					   : (struct tlb_entry){.pa = w->root & ~0x1full,
								.write = true,
								.user = true,
								.exec = true});
	} while (step == STEP_AGAIN);
	return step;
}

/* ---- One access ---------------------------------------------------------------------------- */

static int translate_by_walk(struct mmu *mmu, struct walk *w)
{
	unsigned long page = page_number(w->addr), table = table_number(w->addr);
	const struct tlb_entry *cached = tlb_find(&mmu->tables, table);
	enum step step;

	check_table(cached, w->addr);
	step = walk(w, cached);
	if (step == STEP_FAULT) {
		tlb_drop(&mmu->pages, page);
		tlb_drop(&mmu->tables, table);
		return -1;
	}
	if (w->table.pa)
		tlb_insert(&mmu->tables, table, w->table);
	tlb_insert(&mmu->pages, page, w->page);
	return 0;
}

int mmu_translate(unsigned long addr, enum mmu_access access, bool user, phys_addr_t *pa,
		  unsigned long *error_code)
{
	struct mmu *mmu = &this_cpu()->mmu;
	struct walk w = {.root = mmu->root,
			 .addr = addr,
			 .access = access,
			 .user = user,
			 .pdpte = mmu->pdpte};
	struct tlb_entry *hit = tlb_find(&mmu->pages, page_number(addr));

	if (!is_canonical(addr))
		hosted_fatal("MMU: %#lx is not canonical", addr);
	if (hit && access_allowed(&w, hit) && (access != MMU_WRITE || hit->dirty)) {
		*pa = hit->pa | (addr & ~PAGE_MASK);
		return 0;
	}
	if (translate_by_walk(mmu, &w)) {
		*error_code = w.error_code;
		return -1;
	}
	*pa = w.page.pa | (addr & ~PAGE_MASK);
	return 0;
}

bool mmu_walk_kernel(phys_addr_t root, unsigned long mmu_addr, bool write, struct tlb_entry *found)
{
	struct walk w = {.root = root, .addr = mmu_addr, .access = write ? MMU_WRITE : MMU_READ};

	if (walk(&w, NULL) == STEP_FAULT)
		return false;
	*found = w.page;
	return true;
}

/* ---- port.h ---------------------------------------------------------------------------------- */

void mmu_load_root(struct mmu *mmu, phys_addr_t root)
{
	mmu->root = root;
	if (PGTABLE_LEVELS == 3)
		for (int i = 0; i < 4; i++)
			mmu->pdpte[i] = load_entry((char *)hosted_phys(root & ~0x1full) + i * 8);
}

#define RELOADED_TABLES 16 /* more than that are forgotten at a flush: looking each up takes time */

/* Forget the last-level tables, and find again those that are still there. */
static void reload_tables(struct mmu *mmu)
{
	unsigned long number[RELOADED_TABLES];
	unsigned int n = 0;

	for (size_t i = 0; i < mmu->tables.size && mmu->tables.used <= RELOADED_TABLES; i++)
		if (mmu->tables.slot[i].tag && mmu->tables.slot[i].tag != tombstone.tag &&
		    n < RELOADED_TABLES)
			number[n++] = mmu->tables.slot[i].tag - 1;
	tlb_drop_all(&mmu->tables);
	while (n--) {
		struct walk w = {.root = mmu->root,
				 .addr = number[n] << mode->shift[1],
				 .probe = true,
				 .pdpte = mmu->pdpte};

		(void)walk(&w, NULL);
		if (w.table.pa)
			tlb_insert(&mmu->tables, number[n], w.table);
	}
}

static void forget_nonglobal(void)
{
	struct mmu *mmu = &this_cpu()->mmu;

	mmu_load_root(mmu, mmu->root);
	tlb_drop_nonglobal(&mmu->pages);
	tlb_drop_all(&mmu->tables);
	window_flush(false);
}

void port_load_pgd(phys_addr_t pgd_pa)
{
	this_cpu()->mmu.root = pgd_pa;
	forget_nonglobal();
}

/* The simulated CPUs have no segments. */
void port_load_ldt(const void *entries, unsigned int nr)
{
	(void)entries, (void)nr;
}

/* addr: a user address or a kernel one, the latter as a host address or as the MMU's. */
void port_flush_tlb_page(unsigned long addr)
{
	struct mmu *mmu = &this_cpu()->mmu;
	bool in_window = addr >= HOSTED_WINDOW && addr < HOSTED_WINDOW_END;

	check_before_flush(&mmu->pages, page_number(addr));
	tlb_drop(&mmu->pages, page_number(addr));
	if (in_window)
		tlb_drop(&mmu->pages, page_number(kva_to_mmu(addr)));
	tlb_drop_large(&mmu->pages);
	reload_tables(mmu);
	if (in_window)
		window_flush_page(addr);
	else if (addr >= TASK_SIZE)
		window_flush_page(mmu_to_kva(addr));
}

void port_flush_tlb(void)
{
	struct mmu *mmu = &this_cpu()->mmu;

	check_before_flush(&mmu->pages, ~0ul);
	mmu_load_root(mmu, mmu->root);
	tlb_drop_nonglobal(&mmu->pages);
	reload_tables(mmu);
	window_flush(false);
}

void port_flush_tlb_all(void)
{
	struct mmu *mmu = &this_cpu()->mmu;

	check_before_flush(&mmu->pages, ~0ul);
	mmu_load_root(mmu, mmu->root);
	tlb_drop_all(&mmu->pages);
	reload_tables(mmu);
	window_flush(true);
}

/* ---- hosted.h -------------------------------------------------------------------------------- */

struct hosted_pte_info hosted_lookup(phys_addr_t root, unsigned long mmu_addr)
{
	struct walk w = {.root = root, .addr = mmu_addr, .probe = true};
	enum step step = walk(&w, NULL);
	struct hosted_pte_info info = {.level = w.level, .entry = w.entry};

	if (step != STEP_DONE)
		return info;
	info.present = true;
	info.write = w.page.write;
	info.user = w.page.user;
	info.exec = w.page.exec;
	info.accessed = w.entry & BIT_A;
	info.dirty = w.entry & BIT_D;
	info.global = w.page.global;
	info.large = w.page.large;
	info.pa = w.page.pa;
	return info;
}

struct hosted_pte_info hosted_lookup_user(struct mm_struct *mm, unsigned long addr)
{
	return hosted_lookup(__pa(mm->pgd), addr);
}

struct hosted_pte_info hosted_lookup_kernel(const void *addr)
{
	return hosted_lookup(this_cpu()->mmu.root, kva_to_mmu((unsigned long)addr));
}

bool hosted_tlb_holds(unsigned int cpu, unsigned long addr)
{
	return tlb_find(&hosted_cpus[cpu].mmu.pages, page_number(addr));
}

phys_addr_t hosted_cpu_root(unsigned int cpu)
{
	return hosted_cpus[cpu].mmu.root;
}
