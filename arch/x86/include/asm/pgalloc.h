/* SPDX-License-Identifier: MIT */
/*
 * pgalloc.h: getting and giving back the pages that hold page tables (thesis 4.5).
 *
 * Freed tables wait in per-CPU quicklists. A table comes back all clear (a PGD: its
 * user half), so one from a quicklist needs no clearing but for the word that linked
 * it (PT-21). The *_fast calls look there only, the slow ones ask the page allocator.
 */
#pragma once

#include <asm/pgtable.h>
#include <asm/tlb.h>

PAGODA_C_BEGIN

/* Above HIGH tables a list is trimmed to LOW by check_pgt_cache() (PT-22). */
#define PGT_CACHE_HIGH 50
#define PGT_CACHE_LOW  25

static_assert(PGT_CACHE_LOW < PGT_CACHE_HIGH, "trimming makes a list shorter");

enum pgt_list { PGT_PGD, PGT_PMD, PGT_PTE, NR_PGT_LISTS }; /* p4d and pud tables share PMD's */

/*
 * A table, clear, of this CPU's list or from the page allocator (may sleep); NULL: there is none.
 */
pgd_t *get_pgd_fast(void);
pgd_t *get_pgd_slow(void) __must_check;
void *pmd_alloc_one_fast(void);
void *pmd_alloc_one(void) __must_check;
void *pte_alloc_one_fast(void);
void *pte_alloc_one(void) __must_check;
/* A clear table onto this CPU's list. Any context. */
void pgt_cache_put(enum pgt_list list, void *table);
/* Trim this CPU's lists; from the idle task and after tearing down. */
void check_pgt_cache(void);
/* Empty every CPU's lists, at a quiet point (tests; memory pressure). */
void drain_pgt_cache(void);
/* Tables waiting, all CPUs. */
unsigned long nr_cached_tables(void);
unsigned int pgt_cache_count(enum pgt_list list); /* this CPU */

/* The top table of a new mm, kernel slots as in swapper_pg_dir. NULL: no memory. May sleep. */
pgd_t *pgd_alloc(struct mm_struct *mm) __must_check;
void pgd_free(struct mm_struct *mm, pgd_t *pgd);

/* Account a table of mm hooked in or taken out. */
void pgtable_account(struct mm_struct *mm, long tables);

/*
 * The entry for addr one level down, the table made and hooked if missing; an
 * existing table wins a race (PT-18). NULL: no memory. May sleep; no spinlocks.
 */
int __table_alloc(struct mm_struct *mm, pteval_t *entry, enum pgt_list list,
		  pteval_t bits) __must_check;

static inline p4d_t *p4d_alloc(struct mm_struct *mm, pgd_t *pgd, unsigned long addr)
{
	if (unlikely(pgd_none(pgdp_get(pgd))) && __table_alloc(mm, &pgd->pgd, PGT_PMD, _PAGE_TABLE))
		return NULL;
	return p4d_offset(pgd, addr);
}
static inline pud_t *pud_alloc(struct mm_struct *mm, p4d_t *p4d, unsigned long addr)
{
	if (unlikely(p4d_none(p4dp_get(p4d))) && __table_alloc(mm, &p4d->p4d, PGT_PMD, _PAGE_TABLE))
		return NULL;
	return pud_offset(p4d, addr);
}
static inline pmd_t *pmd_alloc(struct mm_struct *mm, pud_t *pud, unsigned long addr)
{
	if (unlikely(pud_none(pudp_get(pud)))) {
		if (__table_alloc(mm, &pud->pud, PGT_PMD, PUD_TABLE_BITS(_PAGE_TABLE)))
			return NULL;
		if (PUD_IN_REGISTERS)
			flush_tlb_mm(mm);
	}
	return pmd_offset(pud, addr);
}
static inline pte_t *pte_alloc(struct mm_struct *mm, pmd_t *pmd, unsigned long addr)
{
	if (unlikely(pmd_none(pmdp_get(pmd))) && __table_alloc(mm, &pmd->pmd, PGT_PTE, _PAGE_TABLE))
		return NULL;
	return pte_offset(pmd, addr);
}
/* All levels down to the PMD entry. */
static inline pmd_t *walk_alloc_pmd(struct mm_struct *mm, unsigned long addr)
{
	p4d_t *p4d = p4d_alloc(mm, pgd_offset(mm, addr), addr);
	pud_t *pud = p4d ? pud_alloc(mm, p4d, addr) : NULL;

	VM_BUG_ON(addr >= TASK_SIZE); /* pte_alloc_kernel() is for the kernel half */
	return pud ? pmd_alloc(mm, pud, addr) : NULL;
}
static inline pte_t *walk_alloc_pte(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd = walk_alloc_pmd(mm, addr);

	return pmd ? pte_alloc(mm, pmd, addr) : NULL;
}

PAGODA_C_END
