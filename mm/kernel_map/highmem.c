/* SPDX-License-Identifier: MIT */
/*
 * highmem.c: windows onto frames that the direct map does not cover.
 *
 * Compiled for every geometry, but called only where frames are high (highmem.h folds
 * the calls away elsewhere).
 *
 * kmap's window has LAST_PKMAP slots of a page at PKMAP_BASE. A slot's life:
 *
 *	FREE --kmap--> in use, n users --last kunmap--> IDLE --kmap of that page--> in use
 *	 ^						  |
 *	 +----- flushed <------ FLUSHING <----------------+  when no slot is free
 *
 * An idle slot keeps its page, in the hope of another kmap; so unmapping costs nothing.
 * Only when the search wraps and finds no free slot are all idle ones given up, with
 * one flush on all CPUs for the lot (HM-06). The flush happens outside the lock, as
 * other CPUs must answer it; meanwhile those slots belong to nobody. If even then there
 * is none, kmap sleeps until a kunmap (HM-05).
 *
 * kmap_atomic has KMAP_ATOMIC_SLOTS slots per CPU at FIXMAP_BASE, used as a stack. Each
 * is flushed from its CPU when it is released; no other CPU ever uses it.
 *
 * Invariants: (I1) page->virtual of a high page is the address of the slot that maps it,
 * in use or idle, else NULL. (I2) A free slot's entry is clear and in no TLB.
 *
 * Locking: kmap_lock (leaf, interrupts off as pages are freed in handlers) for the
 * slots and page->virtual. A CPU's atomic slots: only that CPU.
 * Failure: none; kmap waits. Too many atomic mappings are a BUG.
 */
#include <pagoda/highmem.h>
#include <pagoda/bug.h>
#include <pagoda/mm.h>
#include <asm/pgtable.h>
#include <asm/tlb.h>

/* Values of a slot's count; from SLOT_IDLE + 1 on: users + SLOT_IDLE. */
enum { SLOT_FLUSHING = -1, SLOT_FREE, SLOT_IDLE };

static int pkmap_count[LAST_PKMAP];
static struct page *pkmap_page[LAST_PKMAP]; /* NULL if the page of an idle slot was freed */
static unsigned int last_pkmap_nr;
static bool flushing; /* a task is flushing slots; it wakes the others when done */
static pte_t *pkmap_page_table;
static spinlock_t kmap_lock = SPIN_LOCK_INIT(RANK_LEAF);
static wait_queue_head_t pkmap_wait = WAIT_QUEUE_HEAD_INIT(pkmap_wait);

static struct {
	unsigned int depth;
} __aligned(SMP_CACHE_BYTES) atomic_maps[NR_CPUS];

static unsigned long pkmap_addr(unsigned int nr)
{
	return PKMAP_BASE + (unsigned long)nr * PAGE_SIZE;
}

static unsigned int pkmap_nr(const void *addr)
{
	return (unsigned int)(((unsigned long)addr - PKMAP_BASE) >> PAGE_SHIFT);
}

static void set_virtual(struct page *page, void *addr)
{
	WRITE_ONCE(page->virtual, addr);
}

static pte_t window_pte(struct page *page)
{
	return mk_pte(page, __pgprot(pgprot_val(PAGE_KERNEL) & supported_pte_mask));
}

/* ---- kmap ----------------------------------------------------------------------------- */

/* A free slot, or -1. Locks: kmap_lock held. */
static int find_free_slot(void)
{
	for (unsigned int i = 0; i < LAST_PKMAP; i++) {
		last_pkmap_nr = (last_pkmap_nr + 1) % LAST_PKMAP;
		if (pkmap_count[last_pkmap_nr] == SLOT_FREE)
			return (int)last_pkmap_nr;
	}
	return -1;
}

/* Change slots from one state to another; how many there were. Locks: kmap_lock held. */
static unsigned int change_slots(int from, int to)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < LAST_PKMAP; i++) {
		if (pkmap_count[i] != from)
			continue;
		pkmap_count[i] = to;
		n++;
		if (to != SLOT_FLUSHING)
			continue;
		set_pte(&pkmap_page_table[i], __pte(0));
		if (pkmap_page[i])
			set_virtual(pkmap_page[i], NULL);
		pkmap_page[i] = NULL;
	}
	return n;
}

/* Make idle slots free again; false if there are none, or another task is at it. */
static bool flush_idle_slots(void)
{
	unsigned long flags;
	unsigned int n;

	spin_lock_irqsave(&kmap_lock, flags);
	n = flushing ? 0 : change_slots(SLOT_IDLE, SLOT_FLUSHING);
	flushing |= n != 0;
	spin_unlock_irqrestore(&kmap_lock, flags);
	if (!n)
		return false;
	flush_tlb_kernel_range(PKMAP_BASE, pkmap_addr(LAST_PKMAP));
	spin_lock_irqsave(&kmap_lock, flags);
	change_slots(SLOT_FLUSHING, SLOT_FREE);
	flushing = false;
	spin_unlock_irqrestore(&kmap_lock, flags);
	wake_up(&pkmap_wait);
	return true;
}

/* Map the page if it is mapped already or a slot is free. NULL: neither. */
static void *try_kmap(struct page *page)
{
	unsigned long flags;
	void *addr;

	spin_lock_irqsave(&kmap_lock, flags);
	addr = page->virtual;
	if (!addr) {
		int nr = find_free_slot();

		if (nr >= 0) {
			addr = (void *)pkmap_addr((unsigned int)nr);
			set_pte(&pkmap_page_table[nr], window_pte(page));
			pkmap_page[nr] = page;
			pkmap_count[nr] = SLOT_IDLE;
			set_virtual(page, addr);
		}
	}
	if (addr)
		pkmap_count[pkmap_nr(addr)]++;
	spin_unlock_irqrestore(&kmap_lock, flags);
	return addr;
}

/* Is there a slot that is free, or could be? */
static bool have_usable_slot(void)
{
	unsigned long flags;
	bool found = false;

	spin_lock_irqsave(&kmap_lock, flags);
	for (unsigned int i = 0; i < LAST_PKMAP && !found; i++)
		found = pkmap_count[i] == SLOT_FREE || (pkmap_count[i] == SLOT_IDLE && !flushing);
	spin_unlock_irqrestore(&kmap_lock, flags);
	return found;
}

void *kmap_high(struct page *page)
{
	void *addr;

	might_sleep();
	while (!(addr = try_kmap(page)))
		if (!flush_idle_slots())
			wait_event(&pkmap_wait, have_usable_slot());
	return addr;
}

void kunmap_high(struct page *page)
{
	unsigned long flags;
	unsigned int nr;
	int count;

	spin_lock_irqsave(&kmap_lock, flags);
	BUG_ON(!page->virtual);
	nr = pkmap_nr(page->virtual);
	BUG_ON(pkmap_count[nr] <= SLOT_IDLE);
	count = --pkmap_count[nr];
	spin_unlock_irqrestore(&kmap_lock, flags);
	if (count == SLOT_IDLE)
		wake_up(&pkmap_wait);
}

void kmap_forget_page_high(struct page *page)
{
	unsigned long flags;
	unsigned int nr;

	spin_lock_irqsave(&kmap_lock, flags);
	if (page->virtual) {
		nr = pkmap_nr(page->virtual);
		if (pkmap_count[nr] > SLOT_IDLE)
			panic("highmem: frame %#lx freed while kmapped", page_to_pfn(page));
		/* The slot stays idle, for nobody, until the next flush. */
		pkmap_page[nr] = NULL;
		set_pte(&pkmap_page_table[nr], __pte(0));
		set_virtual(page, NULL);
	}
	spin_unlock_irqrestore(&kmap_lock, flags);
}

/* ---- kmap_atomic ----------------------------------------------------------------------- */

static unsigned long atomic_addr(unsigned int cpu, unsigned int slot)
{
	return FIXMAP_BASE + ((unsigned long)cpu * KMAP_ATOMIC_SLOTS + slot) * PAGE_SIZE;
}

void *kmap_atomic_high(struct page *page)
{
	unsigned long flags = port_irq_save(), addr;
	unsigned int cpu = port_cpu_id(), slot = atomic_maps[cpu].depth++;

	BUG_ON(slot >= KMAP_ATOMIC_SLOTS);
	addr = atomic_addr(cpu, slot);
	set_pte(lookup_kernel_pte(addr), window_pte(page));
	port_irq_restore(flags);
	return (void *)addr;
}

void kunmap_atomic_high(void *addr)
{
	unsigned long flags = port_irq_save(), va = (unsigned long)addr & PAGE_MASK;
	unsigned int cpu = port_cpu_id();

	BUG_ON(!atomic_maps[cpu].depth || va != atomic_addr(cpu, atomic_maps[cpu].depth - 1));
	set_pte(lookup_kernel_pte(va), __pte(0));
	port_flush_tlb_page(va);
	atomic_maps[cpu].depth--;
	port_irq_restore(flags);
}

void kmap_init_high(void)
{
	pkmap_page_table = lookup_kernel_pte(PKMAP_BASE);
	BUG_ON(!pkmap_page_table);
}
