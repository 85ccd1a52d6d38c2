// SPDX-License-Identifier: MIT
/*
 * pgalloc.c: page-table pages and the quicklists they wait in (thesis 4.5).
 *
 *	cpu 0: pgd -> page -> page		linked through the first word of
 *	       pmd -> page			each page, newest first
 *	       pte -> page -> page -> page
 *
 * A page table is all clear when its last entry goes, and clearing 4 KiB is most of
 * the cost of a new one, so a few freed tables are kept as they are. Taking one costs
 * a handful of instructions and no lock.
 *
 * Locking: a CPU's lists are touched by that CPU alone, interrupts off (which
 * also keeps the task from moving). drain_pgt_cache() takes all of them and so wants
 * a moment at which no other CPU allocates or frees tables.
 *
 * Invariant: (Q1) a page in a list is zero except for its first word, and for the
 * kernel slots of a PGD, each of which is empty or equals swapper_pg_dir's.
 *
 * Failure: allocation returns NULL and nothing has changed; freeing cannot fail.
 *
 * Seen in: mm->pgtables_bytes (VmPTE), vm events pgtable_alloc and pgtable_free.
 */
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vmstat.h>
#include <asm/pgalloc.h>

struct quicklist {
	unsigned long *head;
	unsigned int count;
};
static struct {
	struct quicklist list[NR_PGT_LISTS];
} __aligned(64) pgt_cache[NR_CPUS];

/*
 * Take the newest table of this CPU's list; NULL: it is empty. The word that linked it is cleared
 * (Q1).
 */
static void *pgt_cache_get(enum pgt_list list)
{
	unsigned long flags = port_irq_save(), *page;
	struct quicklist *q = &pgt_cache[port_cpu_id()].list[list];

	page = q->head;
	if (page) {
		VM_BUG_ON(!q->count || !PageTable(virt_to_page(page)));
		q->head = (unsigned long *)page[0];
		page[0] = 0;
		q->count--;
	}
	port_irq_restore(flags);
	return page;
}

void pgt_cache_put(enum pgt_list list, void *table)
{
	unsigned long flags = port_irq_save(), *page = table;
	struct quicklist *q = &pgt_cache[port_cpu_id()].list[list];

	VM_BUG_ON((unsigned long)table & ~PAGE_MASK);
	VM_BUG_ON(!PageTable(virt_to_page(table)) || page[0]); /* (Q1): it comes back clear */
	page[0] = (unsigned long)q->head;
	q->head = page;
	q->count++;
	port_irq_restore(flags);
}

unsigned int pgt_cache_count(enum pgt_list list)
{
	return pgt_cache[port_cpu_id()].list[list].count;
}

unsigned long nr_cached_tables(void)
{
	unsigned long sum = 0;

	for (int cpu = 0; cpu < NR_CPUS; cpu++)
		for (int i = 0; i < NR_PGT_LISTS; i++)
			sum += pgt_cache[cpu].list[i].count;
	return sum;
}

/* Give a table back to the page allocator. */
static void free_table_page(void *table)
{
	VM_BUG_ON(!PageTable(virt_to_page(table)));
	ClearPageTable(virt_to_page(table));
	free_page((unsigned long)table);
}

/* A zeroed page, marked as a page table. NULL: no memory. May sleep. */
static void *new_table_page(void)
{
	void *table = (void *)get_zeroed_page(GFP_KERNEL);

	if (table)
		SetPageTable(virt_to_page(table));
	return table;
}

/*
 * Free tables until keep are left, the newest first. Interrupts are off, or the machine is quiet.
 */
static void trim(struct quicklist *q, unsigned int keep)
{
	while (q->count > keep) {
		unsigned long *page = q->head;

		q->head = (unsigned long *)page[0];
		q->count--;
		free_table_page(page);
	}
}

void check_pgt_cache(void)
{
	unsigned long flags = port_irq_save();
	struct quicklist *q = pgt_cache[port_cpu_id()].list;

	for (int i = 0; i < NR_PGT_LISTS; i++)
		if (unlikely(q[i].count > PGT_CACHE_HIGH))
			trim(&q[i], PGT_CACHE_LOW);
	port_irq_restore(flags);
}

void drain_pgt_cache(void)
{
	for (int cpu = 0; cpu < NR_CPUS; cpu++)
		for (int i = 0; i < NR_PGT_LISTS; i++)
			trim(&pgt_cache[cpu].list[i], 0);
}

/* ---- One table ----------------------------------------------------------------------- */

pgd_t *get_pgd_fast(void)
{
	return pgt_cache_get(PGT_PGD);
}
/*
 * A new PGD starts with the kernel slots that are filled by now; later ones come by faults (PT-31).
 */
pgd_t *get_pgd_slow(void)
{
	pgd_t *pgd = new_table_page();

	if (pgd)
		memcpy(pgd + USER_PTRS_PER_PGD, swapper_pg_dir + USER_PTRS_PER_PGD,
		       (PTRS_PER_PGD - USER_PTRS_PER_PGD) * sizeof(pgd_t));
	return pgd;
}
void *pmd_alloc_one_fast(void)
{
	return pgt_cache_get(PGT_PMD);
}
void *pmd_alloc_one(void)
{
	return new_table_page();
}
void *pte_alloc_one_fast(void)
{
	return pgt_cache_get(PGT_PTE);
}
void *pte_alloc_one(void)
{
	return new_table_page();
}

/*
 * Raise the mark of the most memory that mm's page tables took. Threads may do so at the same time:
 * the larger value stays.
 */
static void update_hiwater_pgtables(struct mm_struct *mm, unsigned long bytes)
{
	unsigned long mark = READ_ONCE(mm->hiwater_pgtables_bytes);

	while (bytes > mark && !rmw_cmpxchg_relaxed(&mm->hiwater_pgtables_bytes, &mark, bytes))
		;
}

/* Count tables (negative: freed ones) of mm, in bytes, and as events. */
void pgtable_account(struct mm_struct *mm, long tables)
{
	long bytes = atomic_long_add_return(&mm->pgtables_bytes, tables * (long)PAGE_SIZE);

	VM_BUG_ON(!tables || bytes < 0);
	if (tables > 0) {
		update_hiwater_pgtables(mm, (unsigned long)bytes);
		count_vm_events(VM_EVENT_pgtable_alloc, (unsigned long)tables);
	} else {
		count_vm_events(VM_EVENT_pgtable_free, (unsigned long)-tables);
	}
}

/* From the quicklist if it has one: its kernel slots are right or empty (Q1), never wrong. */
pgd_t *pgd_alloc(struct mm_struct *mm)
{
	pgd_t *pgd = get_pgd_fast();

	if (!pgd)
		pgd = get_pgd_slow();
	if (pgd)
		pgtable_account(mm, 1);
	return pgd;
}

/* The user half is clear: exit_mmap() has freed all tables below it. */
void pgd_free(struct mm_struct *mm, pgd_t *pgd)
{
	VM_BUG_ON(mm == &init_mm || pgd == swapper_pg_dir);
	pgtable_account(mm, -1);
	pgt_cache_put(PGT_PGD, pgd);
	check_pgt_cache();
}

/*
 * Allocate a table and hook it into *entry, unless another thread was first: then the new table
 * goes to the quicklist, still clear, and the other one is used (PT-18).
 */
int __table_alloc(struct mm_struct *mm, pteval_t *entry, enum pgt_list list, pteval_t bits)
{
	void *table = pgt_cache_get(list);
	bool lost;

	VM_BUG_ON(list != PGT_PMD && list != PGT_PTE);
	might_sleep();
	if (!table)
		table = new_table_page();
	if (!table)
		return -ENOMEM;
	spin_lock(&mm->page_table_lock);
	lost = entry_read(entry) != 0;
	if (!lost)
		entry_write(entry, (pteval_t)__pa(table) | bits);
	spin_unlock(&mm->page_table_lock);
	if (lost)
		pgt_cache_put(list, table);
	else
		pgtable_account(mm, 1);
	return 0;
}
