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
 * An idle slot keeps its page, in case that page is kmapped again; so unmapping costs nothing.
 * Only when the search wraps and finds no free slot are all idle ones given up, with
 * one flush on all CPUs for the lot (HM-06). The flush happens outside the lock, as
 * other CPUs must answer it; meanwhile those slots are neither idle nor free. If even then there
 * is none, kmap sleeps until a kunmap (HM-05).
 *
 * kmap_atomic has KMAP_ATOMIC_SLOTS slots per CPU at FIXMAP_BASE, used as a stack. Each
 * is flushed from its CPU when it is released; no other CPU ever uses it:
 *
 *	CPU 0: | file copy: src | file copy: dst | handler: buffer |    depth 3
 *	       released in reverse order: the handler's before the copy goes on
 *
 * Invariants: (I1) page->virtual of a high page is the address of the slot that maps it,
 * in use or idle, else NULL. (I2) A free slot's entry is clear and in no TLB.
 *
 * Locking: kmap_lock (leaf, interrupts off as pages are freed in handlers) for the
 * slots and page->virtual. A CPU's atomic slots: only that CPU.
 * Failure: none; kmap waits. Too many atomic mappings are a BUG: the next slot is another CPU's.
 * Observability: none of its own; a flush counts as tlb_flush_range or tlb_flush_all.
 */
#include <pagoda/highmem.h>
#include <pagoda/bug.h>
#include <pagoda/mm.h>
#include <asm/pgtable.h>
#include <asm/tlb.h>

/* Values of a slot's count. A slot with n users has the count SLOT_IDLE + n. */
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
	VM_BUG_ON((unsigned long)addr - PKMAP_BASE >= LAST_PKMAP * PAGE_SIZE);
	return (unsigned int)(((unsigned long)addr - PKMAP_BASE) >> PAGE_SHIFT);
}

/* page_address() reads the address without the lock, so it is written in one piece. */
static void set_virtual(struct page *page, void *addr) MUST_HOLD(&kmap_lock)
{
	lockdep_assert_held(&kmap_lock);
	WRITE_ONCE(page->virtual, addr);
}

/* An entry for a high page. Low pages are in the direct map and never come here. */
static pte_t window_pte(struct page *page)
{
	VM_BUG_ON_PAGE(!PageHighMem(page), page);
	return mk_pte(page, __pgprot(pgprot_val(PAGE_KERNEL) & supported_pte_mask));
}

/* ---- kmap ----------------------------------------------------------------------------- */

/*
 * A free slot, or -1. The search goes round, so that a page just unmapped stays in its slot as long
 * as possible, and may be kmapped again for nothing. Locks: kmap_lock held.
 */
static int find_free_slot(void) MUST_HOLD(&kmap_lock)
{
	lockdep_assert_held(&kmap_lock);
	for (unsigned int i = 0; i < LAST_PKMAP; i++) {
		last_pkmap_nr = (last_pkmap_nr + 1) % LAST_PKMAP;
		if (pkmap_count[last_pkmap_nr] == SLOT_FREE)
			return (int)last_pkmap_nr;
	}
	return -1;
}

/*
 * Change all slots in one state to another. A slot that is to be flushed loses its entry and its
 * page at once, so that page_address() and kmap() no longer lead there, though TLBs still may.
 * Return: how many slots there were. Locks: kmap_lock held.
 */
static unsigned int change_slots(int from, int to) MUST_HOLD(&kmap_lock)
{
	unsigned int n = 0;

	lockdep_assert_held(&kmap_lock);
	for (unsigned int i = 0; i < LAST_PKMAP; i++) {
		if (pkmap_count[i] != from)
			continue;
		pkmap_count[i] = to;
		n++;
		if (to != SLOT_FLUSHING)
			continue;
		set_pte(&pkmap_page_table[i], __pte(0));
		VM_BUG_ON(pkmap_page[i] &&
			  pkmap_page[i]->virtual != (void *)pkmap_addr(i)); /* (I1) */
		if (pkmap_page[i])
			set_virtual(pkmap_page[i], NULL);
		pkmap_page[i] = NULL;
	}
	return n;
}

/*
 * Make idle slots free again. The lock is dropped around the flush:
 *
 *	this task			other CPUs
 *	IDLE -> FLUSHING, unlock	kmap passes over FLUSHING slots
 *	flush: interrupts them		answer, with interrupts on
 *	lock, FLUSHING -> FREE		.
 *	unlock, wake waiters		kmap finds a slot whose old translation no TLB has
 *
 * With the lock held, a CPU that spins for it with interrupts off would never answer.
 * Return: false if no slot is idle, or if another task is flushing already.
 */
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
	VM_BUG_ON(!flushing);
	change_slots(SLOT_FLUSHING, SLOT_FREE);
	flushing = false;
	spin_unlock_irqrestore(&kmap_lock, flags);
	wake_up(&pkmap_wait);
	return true;
}

/*
 * Count a user of the page's slot, after giving it a free slot if it has none. Return: the page's
 * address, or NULL if it has no slot and none is free.
 */
static void *try_kmap(struct page *page)
{
	unsigned long flags;
	void *addr;

	spin_lock_irqsave(&kmap_lock, flags);
	addr = page->virtual;
	if (!addr) {
		int nr = find_free_slot();

		if (nr >= 0) {
			VM_BUG_ON(!pte_none(ptep_get(&pkmap_page_table[nr]))); /* (I2) */
			VM_BUG_ON(pkmap_page[nr]);
			addr = (void *)pkmap_addr((unsigned int)nr);
			set_pte(&pkmap_page_table[nr], window_pte(page));
			pkmap_page[nr] = page;
			pkmap_count[nr] = SLOT_IDLE;
			set_virtual(page, addr);
		}
	}
	VM_BUG_ON(addr && pkmap_page[pkmap_nr(addr)] != page); /* (I1) */
	VM_BUG_ON(addr && pkmap_count[pkmap_nr(addr)] < SLOT_IDLE);
	if (addr)
		pkmap_count[pkmap_nr(addr)]++;
	spin_unlock_irqrestore(&kmap_lock, flags);
	return addr;
}

/*
 * Is there a slot that is free, or one that a flush can make free? Idle slots do not count while
 * another task flushes: it has taken those that were idle, and wakes us when it is done.
 */
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
	/* An unmap too many would let the slot be flushed under its last user. */
	BUG_ON(!page->virtual);
	nr = pkmap_nr(page->virtual);
	VM_BUG_ON(pkmap_page[nr] != page); /* (I1) */
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
		VM_BUG_ON(pkmap_page[nr] != page); /* (I1) */
		/*
		 * TLBs may still hold the slot's translation, so the slot is not free yet: it stays
		 * idle without a page until the next flush.
		 */
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

/*
 * Interrupts are off while the slot is taken only; a handler that comes later takes the next one
 * and releases it before this CPU goes on here. The task may not sleep, as it could wake up on
 * another CPU, whose page tables name the same slot but whose TLB this CPU does not flush.
 */
void *kmap_atomic_high(struct page *page)
{
	unsigned long flags = port_irq_save(), addr;
	unsigned int cpu = port_cpu_id(), slot = atomic_maps[cpu].depth++;

	port_preempt_disable(); /* the slot is this CPU's until it is given back */
	BUG_ON(slot >= KMAP_ATOMIC_SLOTS);
	addr = atomic_addr(cpu, slot);
	VM_BUG_ON(!pte_none(ptep_get(lookup_kernel_pte(addr)))); /* cleared by its last user */
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
	port_preempt_enable();
}

void kmap_init_high(void)
{
	pkmap_page_table = lookup_kernel_pte(PKMAP_BASE);
	BUG_ON(!pkmap_page_table);
}
