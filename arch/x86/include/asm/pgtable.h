/* SPDX-License-Identifier: MIT */
/*
 * pgtable.h: page tables: entries, the five-level walk, and the kernel's mappings.
 *
 *	pgd -> p4d -> pud -> pmd -> pte -> page
 *
 * Code is always written for five levels. A level the hardware lacks has one entry,
 * which *is* the entry of the level above (PT-01): its offset function returns
 * the same address under another type, and the level above is never "none". With 2
 * levels p4d, pud and pmd fold onto the pgd, with 3 p4d and pud do, with 4 p4d does.
 *
 * Addresses are what the MMU indexes with. A user address is that by itself; a
 * kernel address goes through kva_to_mmu() first. The kernel-mapping calls at the
 * end take kernel addresses and do so themselves.
 *
 * Entries are read whole by *_get (acquire) and written whole (release), because
 * other CPUs' MMUs look at any time: what an entry points to must be complete
 * before the entry is seen. Tables are in the direct map, always (PT-32).
 */
#pragma once

#include <pagoda/bug.h>
#include <pagoda/mm_types.h>
#include <pagoda/mmzone.h>
#include <asm/pgtable_types.h>

PAGODA_C_BEGIN

/* ---- Sizes (PT-03) ------------------------------------------------------------------ */
#define PMD_SIZE   (1ul << PMD_SHIFT)
#define PMD_MASK   (~(PMD_SIZE - 1))
#define PUD_SIZE   (1ul << PUD_SHIFT)
#define PUD_MASK   (~(PUD_SIZE - 1))
#define P4D_SIZE   (1ul << P4D_SHIFT)
#define P4D_MASK   (~(P4D_SIZE - 1))
#define PGDIR_SIZE (1ul << PGDIR_SHIFT)
#define PGDIR_MASK (~(PGDIR_SIZE - 1))

#define P4D_FOLDED (PTRS_PER_P4D == 1)
#define PUD_FOLDED (PTRS_PER_PUD == 1)
#define PMD_FOLDED (PTRS_PER_PMD == 1)

/*
 * Slots of the top table that user space uses; the others are the kernel's, the same in every table
 * (PT-31).
 */
#define USER_PTRS_PER_PGD ((TASK_SIZE + PGDIR_SIZE - 1) / PGDIR_SIZE)

static_assert(PTRS_PER_PTE * sizeof(pteval_t) == PAGE_SIZE, "a table is a page");
static_assert(PTRS_PER_PGD * sizeof(pteval_t) <= PAGE_SIZE, "a PGD fits a page");
/* Each level's span is its number of entries times the span of the level below. */
static_assert(1ul << (PGDIR_SHIFT - P4D_SHIFT) == PTRS_PER_P4D, "a PGD entry covers a P4D table");
static_assert(1ul << (P4D_SHIFT - PUD_SHIFT) == PTRS_PER_PUD, "a P4D entry covers a PUD table");
static_assert(1ul << (PUD_SHIFT - PMD_SHIFT) == PTRS_PER_PMD, "a PUD entry covers a PMD table");
static_assert(TASK_SIZE % PAGE_SIZE == 0, "user space ends at a page");
static_assert(PMD_SHIFT == PAGE_SHIFT + (PTRS_PER_PTE == 1024 ? 10 : 9),
	      "a PMD entry covers a table");

/* ---- Bits of an entry (Table 4.1) ------------------------------------------------------ */
#define _PAGE_PRESENT	     ((pteval_t)0x001)
#define _PAGE_RW	     ((pteval_t)0x002)
#define _PAGE_USER	     ((pteval_t)0x004)
#define _PAGE_PWT	     ((pteval_t)0x008)
#define _PAGE_PCD	     ((pteval_t)0x010)
#define _PAGE_ACCESSED	     ((pteval_t)0x020)
#define _PAGE_DIRTY	     ((pteval_t)0x040)
#define _PAGE_PSE	     ((pteval_t)0x080) /* upper levels: maps a large page */
#define _PAGE_GLOBAL	     ((pteval_t)0x100)
#define _PAGE_PROTNONE	     ((pteval_t)0x100) /* only while not present: a PROT_NONE page */
#define _PAGE_SPECIAL	     ((pteval_t)0x200) /* software: no struct page behind it is counted */
#define _PAGE_SOFT_DIRTY     ((pteval_t)0x400) /* software: written since clear_refs (pte_mkwritten) */
#define _PAGE_SWP_SOFT_DIRTY ((pteval_t)0x080) /* the same of a swapped page */
#define _PAGE_NX	     (HAVE_NX ? (pteval_t)(1ull << (8 * sizeof(pteval_t) - 1)) : (pteval_t)0)

/* The frame number's bits. */
#define PTE_PFN_MASK ((pteval_t)(HAVE_NX ? 0x000ffffffffff000ull : 0xfffff000ull))

#define _PAGE_TABLE	(_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY)
#define _KERNPG_TABLE	(_PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY)
#define _PAGE_KERNEL_RX (_PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_GLOBAL)
#define _PAGE_KERNEL \
	(_PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_GLOBAL | _PAGE_NX)
#define _PAGE_CHG_MASK                                                                    \
	(PTE_PFN_MASK | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_SPECIAL | _PAGE_SOFT_DIRTY | \
	 _PAGE_PCD | _PAGE_PWT)

#define PAGE_KERNEL	    __pgprot(_PAGE_KERNEL)
#define PAGE_KERNEL_RO	    __pgprot(_PAGE_KERNEL & ~(_PAGE_RW | _PAGE_DIRTY))
#define PAGE_KERNEL_EXEC    __pgprot(_PAGE_KERNEL_RX) /* executable, hence not writable */
#define PAGE_KERNEL_NOCACHE __pgprot(_PAGE_KERNEL | _PAGE_PCD | _PAGE_PWT)

/* User protections. Writable private pages start read-only: the first write copies. */
#define PAGE_NONE	   __pgprot(_PAGE_PROTNONE | _PAGE_ACCESSED)
#define PAGE_READONLY	   __pgprot(_PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED | _PAGE_NX)
#define PAGE_READONLY_EXEC __pgprot(_PAGE_PRESENT | _PAGE_USER | _PAGE_ACCESSED)
#define PAGE_COPY	   PAGE_READONLY
#define PAGE_COPY_EXEC	   PAGE_READONLY_EXEC
#define PAGE_SHARED	   __pgprot(_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_NX)
#define PAGE_SHARED_EXEC   __pgprot(_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED)

/* Bits this CPU knows: no NX or GLOBAL where it has none. Set by paging_init(). */
extern pteval_t supported_pte_mask;
/* vm_page_prot by VM_READ | VM_WRITE | VM_EXEC | VM_SHARED (AS-28). */
extern pgprot_t protection_map[16];

static inline pgprot_t vm_get_page_prot(unsigned long vm_flags)
{
	return protection_map[vm_flags & (VM_READ | VM_WRITE | VM_EXEC | VM_SHARED)];
}

/* ---- Reading and writing entries --------------------------------------------------------- */
static inline pteval_t entry_read(const pteval_t *entry)
{
	return smp_load_acquire(entry);
}
static inline void entry_write(pteval_t *entry, pteval_t val)
{
	smp_store_release(entry, val);
}
static inline pte_t ptep_get(const pte_t *p)
{
	return __pte(entry_read(&p->pte));
}
static inline pmd_t pmdp_get(const pmd_t *p)
{
	return __pmd(entry_read(&p->pmd));
}
static inline pud_t pudp_get(const pud_t *p)
{
	return __pud(entry_read(&p->pud));
}
static inline p4d_t p4dp_get(const p4d_t *p)
{
	return __p4d(entry_read(&p->p4d));
}
static inline pgd_t pgdp_get(const pgd_t *p)
{
	return __pgd(entry_read(&p->pgd));
}
static inline void set_pte(pte_t *p, pte_t v)
{
	/* lets a simulated MMU change the entry between the caller's read and this write */
	port_interleave();
	entry_write(&p->pte, pte_val(v));
}
static inline void set_pmd(pmd_t *p, pmd_t v)
{
	entry_write(&p->pmd, pmd_val(v));
}
static inline void set_pud(pud_t *p, pud_t v)
{
	entry_write(&p->pud, pud_val(v));
}
static inline void set_p4d(p4d_t *p, p4d_t v)
{
	entry_write(&p->p4d, p4d_val(v));
}
static inline void set_pgd(pgd_t *p, pgd_t v)
{
	entry_write(&p->pgd, pgd_val(v));
}
#define pmd_clear(p) set_pmd(p, __pmd(0))
#define pud_clear(p) set_pud(p, __pud(0))
#define p4d_clear(p) set_p4d(p, __p4d(0))
#define pgd_clear(p) set_pgd(p, __pgd(0))

/*
 * Changing leaf entries of user space. While an entry is present, the MMU of any CPU may set its
 * accessed bit, and its dirty bit if the entry allows writing. A plain store that follows a read
 * would undo that, and a lost dirty bit is a lost page. So each change names why it loses nothing,
 * and debug builds check it:
 *
 *	set_pte_at, pte_clear		the entry was none, a swap entry or PROT_NONE: no MMU writes to it
 *	ptep_get_and_clear		an exchange: the caller gets all bits that were ever set in the entry
 *	ptep_set_used			adds bits, in one step
 *	ptep_set_wrprotect,		take bits away, in one step
 *	ptep_test_and_clear_*
 *	ptep_replace_readonly		the entry did not allow writing: an accessed bit may get lost, a hint
 *	ptep_get_and_clear_unused	no CPU runs in the address space any more
 *
 * Writers of entries hold page_table_lock, so only MMUs interfere. set_pte() is for the kernel's
 * own entries, which have both bits from the beginning, and no MMU ever changes them. Upper-level
 * entries likewise (_PAGE_TABLE). Entries of two words (PAE) are read, written and exchanged whole.
 */
static inline void set_pte_at(struct mm_struct *mm, unsigned long addr, pte_t *p, pte_t v)
{
	(void)mm, (void)addr;
	VM_BUG_ON(pte_val(ptep_get(p)) & _PAGE_PRESENT);
	set_pte(p, v);
}
#define pte_clear(mm, addr, ptep) set_pte_at(mm, addr, ptep, __pte(0))

/* Remove an entry in one step, so that no dirty bit set by a CPU meanwhile is lost. */
static inline pte_t ptep_get_and_clear(struct mm_struct *mm, unsigned long addr, pte_t *p)
{
	(void)mm, (void)addr;
	return __pte(rmw_xchg(&p->pte, 0));
}
/* The same for tables that no CPU can be walking: the address space has lost its last user. */
static inline pte_t ptep_get_and_clear_unused(const struct mm_struct *mm, pte_t *p)
{
	pte_t pte = ptep_get(p);

	VM_BUG_ON(atomic_read(&mm->mm_users));
	(void)mm;
	set_pte(p, __pte(0));
	return pte;
}
/* Another entry, or none, in place of one that does not allow writing. */
static inline void ptep_replace_readonly(pte_t *p, pte_t v)
{
	VM_BUG_ON((pte_val(ptep_get(p)) & (_PAGE_PRESENT | _PAGE_RW)) ==
		  (_PAGE_PRESENT | _PAGE_RW));
	set_pte(p, v);
}
/* Set the accessed bit (and, written: what pte_mkwritten() sets) of an entry that is there. */
static inline void ptep_set_used(pte_t *p, bool written)
{
	pteval_t bits = _PAGE_ACCESSED | (written ? _PAGE_DIRTY | _PAGE_SOFT_DIRTY : 0);

	VM_BUG_ON(!(entry_read(&p->pte) & (_PAGE_PRESENT | _PAGE_PROTNONE)));
	VM_BUG_ON(written && !(entry_read(&p->pte) & _PAGE_RW));
	(void)rmw_or(&p->pte, bits); /* the old value is not needed */
}
static inline void ptep_set_wrprotect(pte_t *p)
{
	VM_BUG_ON(!(entry_read(&p->pte) & (_PAGE_PRESENT | _PAGE_PROTNONE)));
	rmw_and(&p->pte, (pteval_t)~_PAGE_RW);
}
static inline bool ptep_test_and_clear_young(pte_t *p)
{
	VM_BUG_ON(!(entry_read(&p->pte) & (_PAGE_PRESENT | _PAGE_PROTNONE)));
	return rmw_and(&p->pte, (pteval_t)~_PAGE_ACCESSED) & _PAGE_ACCESSED;
}
static inline bool ptep_test_and_clear_dirty(pte_t *p)
{
	return rmw_and(&p->pte, (pteval_t)~_PAGE_DIRTY) & _PAGE_DIRTY;
}

/* ---- Page-table entries: state and permissions (PT-12 to PT-17) --------------------------- */
#define PTE_TEST(name, bits)                  \
	static inline bool name(pte_t pte)    \
	{                                     \
		return pte_val(pte) & (bits); \
	}
#define PTE_SET(name, bits)                          \
	static inline pte_t name(pte_t pte)          \
	{                                            \
		return __pte(pte_val(pte) | (bits)); \
	}
#define PTE_CLEAR(name, bits)                                    \
	static inline pte_t name(pte_t pte)                      \
	{                                                        \
		return __pte(pte_val(pte) & (pteval_t) ~(bits)); \
	}
PTE_TEST(pte_present, _PAGE_PRESENT | _PAGE_PROTNONE)
PTE_TEST(pte_accessible, _PAGE_PRESENT) /* the hardware may hold a translation */
PTE_TEST(pte_read, _PAGE_USER)
PTE_SET(pte_mkread, _PAGE_USER)
PTE_CLEAR(pte_rdprotect, _PAGE_USER)
PTE_TEST(pte_write, _PAGE_RW)
PTE_SET(pte_mkwrite, _PAGE_RW)
PTE_CLEAR(pte_wrprotect, _PAGE_RW)
PTE_TEST(pte_dirty, _PAGE_DIRTY)
PTE_TEST(pte_soft_dirty, _PAGE_SOFT_DIRTY)
PTE_SET(pte_mksoft_dirty, _PAGE_SOFT_DIRTY)
PTE_CLEAR(pte_clear_soft_dirty, _PAGE_SOFT_DIRTY)
PTE_TEST(pte_swp_soft_dirty, _PAGE_SWP_SOFT_DIRTY)
PTE_SET(pte_swp_mksoft_dirty, _PAGE_SWP_SOFT_DIRTY)
PTE_CLEAR(pte_swp_clear_soft_dirty, _PAGE_SWP_SOFT_DIRTY)
PTE_SET(pte_mkdirty, _PAGE_DIRTY)
PTE_CLEAR(pte_mkclean, _PAGE_DIRTY)
PTE_TEST(pte_young, _PAGE_ACCESSED)
PTE_SET(pte_mkyoung, _PAGE_ACCESSED)
PTE_CLEAR(pte_old, _PAGE_ACCESSED)
PTE_TEST(pte_special, _PAGE_SPECIAL)
PTE_SET(pte_mkspecial, _PAGE_SPECIAL)

/* A store: for writing back, and for who watches since clear_refs. */
static inline pte_t pte_mkwritten(pte_t pte)
{
	return __pte(pte_val(pte) | _PAGE_DIRTY | _PAGE_SOFT_DIRTY);
}
static inline bool pte_none(pte_t pte)
{
	return !pte_val(pte);
}
/* Where the hardware has no execute bit, executable means readable. */
static inline bool pte_exec(pte_t pte)
{
	return HAVE_NX ? !(pte_val(pte) & _PAGE_NX) : pte_read(pte);
}
static inline pte_t pte_mkexec(pte_t pte)
{
	return HAVE_NX ? __pte(pte_val(pte) & (pteval_t)~_PAGE_NX) : pte_mkread(pte);
}
static inline pte_t pte_exprotect(pte_t pte)
{
	return HAVE_NX ? __pte(pte_val(pte) | _PAGE_NX) : pte_rdprotect(pte);
}
/* x86 sets the accessed bit in hardware. */
static inline pte_t pte_sw_mkyoung(pte_t pte)
{
	return pte;
}
/* Other protection, same frame, accessed and dirty bits. */
static inline pte_t pte_modify(pte_t pte, pgprot_t prot)
{
	return __pte((pte_val(pte) & _PAGE_CHG_MASK) |
		     (pgprot_val(prot) & (pteval_t)~_PAGE_CHG_MASK));
}
static inline unsigned long pte_pfn(pte_t pte)
{
	return (unsigned long)((pte_val(pte) & PTE_PFN_MASK) >> PAGE_SHIFT);
}
static inline pte_t pfn_pte(unsigned long pfn, pgprot_t prot)
{
	VM_BUG_ON((pteval_t)((pteval_t)pfn << PAGE_SHIFT) & (pteval_t)~PTE_PFN_MASK);
	return __pte((pteval_t)((pteval_t)pfn << PAGE_SHIFT) | pgprot_val(prot));
}
static inline pte_t mk_pte_phys(phys_addr_t pa, pgprot_t prot)
{
	return pfn_pte(PHYS_PFN(pa), prot);
}
static inline pte_t mk_pte(struct page *page, pgprot_t prot)
{
	return pfn_pte(page_to_pfn(page), prot);
}
/* Only for entries with a struct page behind them (PT-38). */
static inline struct page *pte_page(pte_t pte)
{
	return pfn_to_page(pte_pfn(pte));
}

/*
 * Swapped pages (PT-10): not present, not zero. Bits 1-5 the swap area, from bit 9
 * the slot; bit 7 says soft-dirty and is no part of the entry's name; bit 8 stays clear,
 * it would mean PROT_NONE.
 */
static inline swp_entry_t swp_entry(unsigned long type, unsigned long offset)
{
	VM_BUG_ON(type > 0x1f || offset << 9 >> 9 != offset);
	return (swp_entry_t){(type << 1) | (offset << 9)};
}
static inline unsigned long swp_type(swp_entry_t e)
{
	return (e.val >> 1) & 0x1f;
}
static inline unsigned long swp_offset(swp_entry_t e)
{
	return e.val >> 9;
}
static inline pte_t swp_entry_to_pte(swp_entry_t e)
{
	VM_BUG_ON(e.val & (_PAGE_PRESENT | _PAGE_PROTNONE | _PAGE_SWP_SOFT_DIRTY));
	return __pte(e.val);
}
static inline swp_entry_t pte_to_swp_entry(pte_t pte)
{
	VM_BUG_ON(pte_none(pte) || pte_present(pte));
	return (swp_entry_t){(unsigned long)pte_val(pte_swp_clear_soft_dirty(pte))};
}

/* ---- Upper levels --------------------------------------------------------------------------- */
static inline void *entry_table(pteval_t entry)
{
	return __va((phys_addr_t)(entry & PTE_PFN_MASK));
}
/*
 * PAE: a CPU copies the four top entries into registers when it loads the table, and looks at the
 * table no more: a change reaches it by flush_tlb_mm(), not by a page's flush.
 */
#define PUD_IN_REGISTERS (PGTABLE_LEVELS == 3)
/* PAE's top entries carry no rights: the bits are reserved there. */
#define PUD_TABLE_BITS(bits) (PGTABLE_LEVELS == 3 ? _PAGE_PRESENT : (bits))

static inline bool pmd_none(pmd_t pmd)
{
	return !pmd_val(pmd);
}
static inline bool pmd_present(pmd_t pmd)
{
	return pmd_val(pmd) & _PAGE_PRESENT;
}
static inline bool pmd_large(pmd_t pmd)
{
	return (pmd_val(pmd) & (_PAGE_PRESENT | _PAGE_PSE)) == (_PAGE_PRESENT | _PAGE_PSE);
}
static inline bool entry_bad(pteval_t val, pteval_t proper)
{
	return (val & (pteval_t) ~(PTE_PFN_MASK | _PAGE_USER | _PAGE_NX)) != proper;
}
static inline bool pmd_bad(pmd_t pmd)
{
	return entry_bad(pmd_val(pmd), _KERNPG_TABLE);
}
/* With a folded level below, the entry is that level's: never none, never bad here. */
static inline bool pud_none(pud_t pud)
{
	return !PMD_FOLDED && !pud_val(pud);
}
static inline bool pud_present(pud_t pud)
{
	return PMD_FOLDED || (pud_val(pud) & _PAGE_PRESENT);
}
static inline bool pud_large(pud_t pud)
{
	return !PMD_FOLDED && PGTABLE_LEVELS > 3 &&
	       (pud_val(pud) & (_PAGE_PRESENT | _PAGE_PSE)) == (_PAGE_PRESENT | _PAGE_PSE);
}
static inline bool pud_bad(pud_t pud)
{
	return !PMD_FOLDED && (PGTABLE_LEVELS == 3 ? !(pud_val(pud) & _PAGE_PRESENT)
						   : entry_bad(pud_val(pud), _KERNPG_TABLE));
}
static inline bool p4d_none(p4d_t p4d)
{
	return !PUD_FOLDED && !p4d_val(p4d);
}
static inline bool p4d_present(p4d_t p4d)
{
	return PUD_FOLDED || (p4d_val(p4d) & _PAGE_PRESENT);
}
static inline bool p4d_bad(p4d_t p4d)
{
	return !PUD_FOLDED && entry_bad(p4d_val(p4d), _KERNPG_TABLE);
}
static inline bool pgd_none(pgd_t pgd)
{
	return !P4D_FOLDED && !pgd_val(pgd);
}
static inline bool pgd_present(pgd_t pgd)
{
	return P4D_FOLDED || (pgd_val(pgd) & _PAGE_PRESENT);
}
static inline bool pgd_bad(pgd_t pgd)
{
	return !P4D_FOLDED && entry_bad(pgd_val(pgd), _KERNPG_TABLE);
}
static inline struct page *pmd_page(pmd_t pmd)
{
	return pfn_to_page((unsigned long)((pmd_val(pmd) & PTE_PFN_MASK) >> PAGE_SHIFT));
}

static inline unsigned long pgd_index(unsigned long addr)
{
	return (addr >> PGDIR_SHIFT) & (PTRS_PER_PGD - 1);
}
static inline unsigned long p4d_index(unsigned long addr)
{
	return (addr >> P4D_SHIFT) & (PTRS_PER_P4D - 1);
}
static inline unsigned long pud_index(unsigned long addr)
{
	return (addr >> PUD_SHIFT) & (PTRS_PER_PUD - 1);
}
static inline unsigned long pmd_index(unsigned long addr)
{
	return (addr >> PMD_SHIFT) & (PTRS_PER_PMD - 1);
}
static inline unsigned long pte_index(unsigned long addr)
{
	return (addr >> PAGE_SHIFT) & (PTRS_PER_PTE - 1);
}

/* The entry that covers addr (PT-11). The entry above must be present. */
static inline pgd_t *pgd_offset(const struct mm_struct *mm, unsigned long addr)
{
	VM_BUG_ON(!mm->pgd);
	return mm->pgd + pgd_index(addr);
}
static inline p4d_t *p4d_offset(pgd_t *pgd, unsigned long addr)
{
	if (P4D_FOLDED)
		return (p4d_t *)pgd;
	VM_BUG_ON(!pgd_present(pgdp_get(pgd)));
	return (p4d_t *)entry_table(pgd_val(pgdp_get(pgd))) + p4d_index(addr);
}
static inline pud_t *pud_offset(p4d_t *p4d, unsigned long addr)
{
	if (PUD_FOLDED)
		return (pud_t *)p4d;
	VM_BUG_ON(!p4d_present(p4dp_get(p4d)));
	return (pud_t *)entry_table(p4d_val(p4dp_get(p4d))) + pud_index(addr);
}
static inline pmd_t *pmd_offset(pud_t *pud, unsigned long addr)
{
	if (PMD_FOLDED)
		return (pmd_t *)pud;
	VM_BUG_ON(!pud_present(pudp_get(pud)));
	return (pmd_t *)entry_table(pud_val(pudp_get(pud))) + pmd_index(addr);
}
static inline pte_t *pte_offset(pmd_t *pmd, unsigned long addr)
{
	VM_BUG_ON(!pmd_present(pmdp_get(pmd)) || pmd_large(pmdp_get(pmd)));
	return (pte_t *)entry_table(pmd_val(pmdp_get(pmd))) + pte_index(addr);
}

/* The end of the span of one entry, or end if that comes first. */
#define ENTRY_END(name, SIZE)                                                   \
	static inline unsigned long name(unsigned long addr, unsigned long end) \
	{                                                                       \
		unsigned long next = (addr + SIZE) & ~(SIZE - 1);               \
		return next - 1 < end - 1 ? next : end;                         \
	}
ENTRY_END(pgd_addr_end, PGDIR_SIZE)
ENTRY_END(p4d_addr_end, P4D_SIZE)
ENTRY_END(pud_addr_end, PUD_SIZE)
ENTRY_END(pmd_addr_end, PMD_SIZE)

/* The PMD entry for addr, or NULL if a table above is missing. */
static inline pmd_t *walk_to_pmd(const struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;

	if (pgd_none(pgdp_get(pgd)))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(p4dp_get(p4d)))
		return NULL;
	pud = pud_offset(p4d, addr);
	if (pud_none(pudp_get(pud)) || pud_large(pudp_get(pud)))
		return NULL;
	return pmd_offset(pud, addr);
}

/* Hooks of the documents that x86 has no use for (PT-24). */
static inline void flush_page_to_ram(struct page *page)
{
	(void)page;
}
static inline void update_mmu_cache(struct vm_area_struct *vma, unsigned long addr, pte_t *pte)
{
	(void)vma, (void)addr, (void)pte;
}

/* ---- The kernel's own mappings (arch/x86/kernel_map.c) ------------------------------------- */

/*
 * The reference tables: init_mm.pgd. On a geometry where user tables hold copies
 * of kernel PGD entries, a missing copy is filled in by the fault handler.
 */
extern pgd_t *swapper_pg_dir;

/*
 * Build the final kernel page tables and load them: the direct map of all low memory (large pages
 * where the CPU has them), empty tables for kmap slots, the machine's own image.
 * Context: once, at boot, with bootmem, interrupts off. Return: nothing; panics without memory.
 */
void paging_init(void);

/* Tables made for kernel addresses since boot; they are kept for ever. (init_mm.page_table_lock) */
extern unsigned long nr_kernel_tables;

/*
 * Find the entry of a kernel address. Context: any. Locks: the caller owns the range.
 * Return: the entry, or NULL: there is no table, or a large page maps the address.
 */
pte_t *lookup_kernel_pte(unsigned long va);
/*
 * Find the entry of a kernel address, and allocate missing tables. Context: may sleep.
 * Locks: takes init_mm's page_table_lock. Return: the entry, or NULL without memory.
 */
pte_t *pte_alloc_kernel(unsigned long va) __must_check;
/*
 * Map size bytes of physical memory from pa on at va, in 4 KiB pages; all three are page aligned.
 * Context: may sleep. Locks: the caller owns the range. Return: 0, or -ENOMEM with nothing mapped.
 */
int map_kernel_range(unsigned long va, phys_addr_t pa, unsigned long size,
		     pgprot_t prot) __must_check;
/*
 * Map nr pages side by side from va on. Context: may sleep. Locks: the caller owns the range.
 * Refs: the caller keeps the pages. Return: 0, or -ENOMEM with nothing mapped.
 */
int map_kernel_pages(unsigned long va, struct page **pages, unsigned long nr,
		     pgprot_t prot) __must_check;
/*
 * Clear the entries of [va, va + size), in bytes, page aligned. The caller calls
 * flush_tlb_kernel_range() before it frees the frames. Context: any. Locks: the caller owns the
 * range. Return: nothing.
 */
void unmap_kernel_range(unsigned long va, unsigned long size);
/*
 * Translate va by the reference tables, through large pages, too (PT-37). Context: any.
 * Return: true with *pa and *prot set; false: it is not mapped.
 */
bool kernel_translate(unsigned long va, phys_addr_t *pa, pgprot_t *prot);
/*
 * Copy the top-level entry for a kernel address (as the MMU saw it) into mm's tables if it is
 * missing there (FT-33). Context: any, in the fault handler. Return: true if the address is mapped
 * now.
 */
bool sync_kernel_mapping(struct mm_struct *mm, unsigned long mmu_addr);

PAGODA_C_END
