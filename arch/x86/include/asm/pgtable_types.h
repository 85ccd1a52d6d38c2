/* SPDX-License-Identifier: MIT */
/*
 * pgtable_types.h: page-table entries, one struct type a level, so that mixing
 * levels does not compile (PT-06). On x86-64 they compile to plain integers.
 */
#pragma once

#include <asm/page.h>

typedef struct {
	pteval_t pte;
} pte_t;
typedef struct {
	pteval_t pmd;
} pmd_t;
typedef struct {
	pteval_t pud;
} pud_t;
typedef struct {
	pteval_t p4d;
} p4d_t;
typedef struct {
	pteval_t pgd;
} pgd_t;
typedef struct {
	pteval_t pgprot;
} pgprot_t;
typedef struct {
	unsigned long val;
} swp_entry_t;

#define pte_val(x)    ((x).pte)
#define pmd_val(x)    ((x).pmd)
#define pud_val(x)    ((x).pud)
#define p4d_val(x)    ((x).p4d)
#define pgd_val(x)    ((x).pgd)
#define pgprot_val(x) ((x).pgprot)
#define __pte(x)      ((pte_t){(pteval_t)(x)})
#define __pmd(x)      ((pmd_t){(pteval_t)(x)})
#define __pud(x)      ((pud_t){(pteval_t)(x)})
#define __p4d(x)      ((p4d_t){(pteval_t)(x)})
#define __pgd(x)      ((pgd_t){(pteval_t)(x)})
#define __pgprot(x)   ((pgprot_t){(pteval_t)(x)})
