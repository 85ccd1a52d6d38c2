// SPDX-License-Identifier: MIT
/*
 * kernel_map.c: the kernel half of the page tables.
 *
 * One set of tables, swapper_pg_dir (init_mm.pgd), is the reference. Every other
 * PGD starts with a copy of its kernel slots, so tables below the top level are shared
 * and a change there is seen by all. A top-level slot that is filled
 * later is copied on demand by the fault handler (sync_kernel_mapping). A slot is never changed or
 * emptied after it was filled. So a copy is either right or still empty, never wrong (PT-31).
 *
 *	direct map	[PAGE_OFFSET, + low memory)	large pages where the CPU has PSE
 *	vmalloc		pages mapped one by one, by vmalloc.c through the calls below
 *	kmap slots	tables made at boot, entries set by highmem.c
 *	image		the machine's own (port_map_kernel_image)
 *
 * Kernel tables are never freed: a table without entries is used again by the next mapping in its
 * range.
 *
 * Locking: init_mm.page_table_lock while a table is hooked in; entries of a range
 * belong to the owner of the range (an area of vmalloc, a slot of kmap).
 *
 * Failure: a call that cannot get a table undoes the entries it has set.
 */
#include <pagoda/bootmem.h>
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <asm/control.h>
#include <asm/cpufeature.h>
#include <asm/pgtable.h>

struct x86_features x86_features;
pteval_t supported_pte_mask;
pgd_t *swapper_pg_dir;

unsigned long nr_kernel_tables;

/* At boot: tables come from bootmem, and large pages may be used. */
static bool booting_tables;

/* ---- Walking --------------------------------------------------------------------- */

/* An empty table; NULL without memory, but at boot bootmem panics itself. */
static void *new_kernel_table(void)
{
	void *table;

	if (!booting_tables)
		return (void *)get_zeroed_page(GFP_KERNEL);
	table = alloc_bootmem_low_pages(PAGE_SIZE);
	memset(table, 0, PAGE_SIZE);
	return table;
}

/*
 * The table that *entry points to, allocated if there is none. NULL: no memory, or the entry maps a
 * large page. Two CPUs may allocate at a time; the entry is written under the lock if it is still
 * empty, and the loser frees its table.
 */
static void *kernel_table(pteval_t *entry, pteval_t bits)
{
	pteval_t val = entry_read(entry);
	void *table;

	if (val)
		return val & _PAGE_PSE ? NULL : entry_table(val);
	table = new_kernel_table();
	if (!table)
		return NULL;
	spin_lock(&init_mm.page_table_lock);
	val = entry_read(entry);
	if (!val) {
		entry_write(entry, (pteval_t)__pa(table) | bits);
		nr_kernel_tables += !booting_tables;
	}
	spin_unlock(&init_mm.page_table_lock);
	if (!val)
		return table;
	free_page((unsigned long)table);
	return entry_table(val);
}

/*
 * The PMD entry of a kernel address in the reference table, with the tables above it. A folded
 * level has no table of its own: the pointer stays, and is used as an entry of the next level.
 */
static pmd_t *pmd_alloc_kernel(unsigned long addr)
{
	void *table = init_mm.pgd + pgd_index(addr);

	VM_BUG_ON(pgd_index(addr) < USER_PTRS_PER_PGD); /* the user half has tables of its own */
	if (!P4D_FOLDED) {
		table = kernel_table(table, _KERNPG_TABLE);
		if (!table)
			return NULL;
		table = (p4d_t *)table + p4d_index(addr);
	}
	if (!PUD_FOLDED) {
		table = kernel_table(table, _KERNPG_TABLE);
		if (!table)
			return NULL;
		table = (pud_t *)table + pud_index(addr);
	}
	if (!PMD_FOLDED) {
		table = kernel_table(table, PUD_TABLE_BITS(_KERNPG_TABLE));
		if (!table)
			return NULL;
		table = (pmd_t *)table + pmd_index(addr);
	}
	return table;
}

/* The entry of a kernel address, with all tables above it. */
pte_t *pte_alloc_kernel(unsigned long va)
{
	unsigned long addr = kva_to_mmu(va);
	pmd_t *pmd = pmd_alloc_kernel(addr);
	pte_t *table = pmd ? kernel_table(&pmd->pmd, _KERNPG_TABLE) : NULL;

	return table ? table + pte_index(addr) : NULL;
}

pte_t *lookup_kernel_pte(unsigned long va)
{
	unsigned long addr = kva_to_mmu(va);
	pmd_t *pmd = walk_to_pmd(&init_mm, addr);

	VM_BUG_ON(addr < TASK_SIZE);
	if (!pmd || pmd_none(pmdp_get(pmd)) || pmd_large(pmdp_get(pmd)))
		return NULL;
	return pte_offset(pmd, addr);
}

/* A large page is translated, too: the address within it is added to its frame. */
bool kernel_translate(unsigned long va, phys_addr_t *pa, pgprot_t *prot)
{
	unsigned long addr = kva_to_mmu(va), size = PAGE_SIZE;
	pmd_t *pmd = walk_to_pmd(&init_mm, addr);
	pteval_t val;

	if (!pmd)
		return false;
	val = pmd_val(pmdp_get(pmd));
	if (pmd_large(__pmd(val)))
		size = PMD_SIZE;
	else if (val)
		val = pte_val(ptep_get(pte_offset(pmd, addr)));
	if (!(val & _PAGE_PRESENT))
		return false;
	*pa = ((phys_addr_t)(val & PTE_PFN_MASK) & ~(phys_addr_t)(size - 1)) | (addr & (size - 1));
	*prot = __pgprot(val & (pteval_t)~PTE_PFN_MASK);
	return true;
}

/* ---- Mapping ------------------------------------------------------------------------ */

/* An entry without the bits that this CPU does not support (NX, GLOBAL). */
static pte_t kernel_pte(unsigned long pfn, pgprot_t prot)
{
	return pfn_pte(pfn, __pgprot(pgprot_val(prot) & supported_pte_mask));
}

int map_kernel_range(unsigned long va, phys_addr_t pa, unsigned long size, pgprot_t prot)
{
	pte_t *pte = NULL;

	VM_BUG_ON((va | pa | size) & ~PAGE_MASK);
	VM_BUG_ON(kva_to_mmu(va) < TASK_SIZE);
	for (unsigned long done = 0; done < size; done += PAGE_SIZE, pte++) {
		/* The next entry is the next one of the table, until the table ends. */
		if (!pte || !pte_index(kva_to_mmu(va + done)))
			pte = pte_alloc_kernel(va + done);
		if (!pte) {
			unmap_kernel_range(va, done);
			return -ENOMEM;
		}
		set_pte(pte, kernel_pte(PHYS_PFN(pa + done), prot));
	}
	return 0;
}

int map_kernel_pages(unsigned long va, struct page **pages, unsigned long nr, pgprot_t prot)
{
	pte_t *pte = NULL;

	VM_BUG_ON(va & ~PAGE_MASK || kva_to_mmu(va) < TASK_SIZE);
	for (unsigned long i = 0; i < nr; i++, pte++) {
		unsigned long addr = va + i * PAGE_SIZE;

		if (!pte || !pte_index(kva_to_mmu(addr)))
			pte = pte_alloc_kernel(addr);
		if (!pte) {
			unmap_kernel_range(va, i * PAGE_SIZE);
			return -ENOMEM;
		}
		set_pte(pte, kernel_pte(page_to_pfn(pages[i]), prot));
	}
	return 0;
}

void unmap_kernel_range(unsigned long va, unsigned long size)
{
	pte_t *pte = NULL;

	VM_BUG_ON((va | size) & ~PAGE_MASK);
	for (unsigned long done = 0; done < size; done += PAGE_SIZE, pte++) {
		if (!pte || !pte_index(kva_to_mmu(va + done)))
			pte = lookup_kernel_pte(va + done);
		if (!pte)
			/*
			 * No table: the range was mapped only up to here (undo of a failed
			 * mapping).
			 */
			return;
		set_pte(pte, __pte(0));
	}
}

/*
 * A fault on a kernel address: is it mapped in the reference table, and only mm's copy of the
 * top-level entry missing? Then copy it. If the entries are equal, the fault has another cause.
 */
bool sync_kernel_mapping(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *ref = init_mm.pgd + pgd_index(addr), *pgd = pgd_offset(mm, addr);
	pmd_t *pmd = walk_to_pmd(&init_mm, addr);
	pteval_t val;

	VM_BUG_ON(mm == &init_mm);
	if (!pmd || !pmd_present(pmdp_get(pmd)))
		return false;
	/*
	 * The guard page at TASK_SIZE has a slot of the user half, too, but the reference table
	 * maps nothing there.
	 */
	VM_BUG_ON(pgd_index(addr) < USER_PTRS_PER_PGD);
	if (!pmd_large(pmdp_get(pmd)) && !pte_accessible(ptep_get(pte_offset(pmd, addr))))
		return false;
	val = pgd_val(pgdp_get(pgd));
	if (val == pgd_val(pgdp_get(ref)))
		return false; /* the copy is there already */
	/* A copy that differs would break (PT-31): some table was freed or replaced. */
	BUG_ON(val & _PAGE_PRESENT && (val ^ pgd_val(pgdp_get(ref))) & PTE_PFN_MASK);
	set_pgd(pgd, pgdp_get(ref));
	return true;
}

/* ---- Boot -------------------------------------------------------------------------------- */

/* Map [0, end) of physical memory at PAGE_OFFSET, with the largest pages that fit. */
static void __init map_low_memory(phys_addr_t end)
{
	for (phys_addr_t pa = 0; pa < end;) {
		unsigned long va = PAGE_OFFSET + (unsigned long)pa;
		pmd_t *pmd = pmd_alloc_kernel(kva_to_mmu(va));

		if (x86_features.pse && end - pa >= PMD_SIZE) {
			set_pmd(pmd,
				__pmd(pte_val(kernel_pte(PHYS_PFN(pa), PAGE_KERNEL)) | _PAGE_PSE));
			pa += PMD_SIZE;
			continue;
		}
		if (map_kernel_range(va, pa, PAGE_SIZE, PAGE_KERNEL))
			panic("paging_init: no memory for the direct map");
		pa += PAGE_SIZE;
	}
}

/* Empty tables for [start, start + size), so that kmap never allocates (PT-28). */
static void __init fixrange_init(unsigned long start, unsigned long size)
{
	for (unsigned long va = start; va < start + size; va += PMD_SIZE)
		if (!pte_alloc_kernel(va))
			panic("paging_init: no memory for kmap's tables");
}

/*
 * The 16 rows of the thesis's protection table. Rows of private and of shared regions are equal,
 * except that only pages of shared regions are writable from the start.
 */
pgprot_t protection_map[16];

static void __init init_protection_map(void)
{
	static const pgprot_t rows[16] __initdata = {
		/* private: -, r, w, rw, x, rx, wx, rwx */
		PAGE_NONE,
		PAGE_READONLY,
		PAGE_COPY,
		PAGE_COPY,
		PAGE_READONLY_EXEC,
		PAGE_READONLY_EXEC,
		PAGE_COPY_EXEC,
		PAGE_COPY_EXEC,
		/* shared */
		PAGE_NONE,
		PAGE_READONLY,
		PAGE_SHARED,
		PAGE_SHARED,
		PAGE_READONLY_EXEC,
		PAGE_READONLY_EXEC,
		PAGE_SHARED_EXEC,
		PAGE_SHARED_EXEC,
	};

	for (int i = 0; i < 16; i++) {
		/* PROT_NONE: not present, and bit 8 is not GLOBAL but its mark, which must stay. */
		pteval_t keep =
			pgprot_val(rows[i]) & _PAGE_PRESENT ? supported_pte_mask : ~(pteval_t)0;

		protection_map[i] = __pgprot(pgprot_val(rows[i]) & keep);
	}
}

/* The bits that this CPU supports. User pages never have GLOBAL, which only kernel pages use. */
static pteval_t __init usable_pte_bits(void)
{
	pteval_t mask = ~(pteval_t)0;

	if (!x86_features.nx)
		mask &= (pteval_t)~_PAGE_NX;
	if (!x86_features.pge)
		mask &= (pteval_t)~_PAGE_GLOBAL;
	return mask;
}

/* The instruction after port_load_pgd() needs its code, its stack and its data. */
static void __init check_part(const char *what, unsigned long addr, pteval_t set, pteval_t clear)
{
	phys_addr_t pa;
	pgprot_t prot;

	if (!addr)
		return;
	if (!kernel_translate(addr, &pa, &prot))
		panic("port: port_map_kernel_image() leaves %s at %#lx unmapped", what, addr);
	if ((pgprot_val(prot) & set) != set || pgprot_val(prot) & clear)
		panic("port: port_map_kernel_image() maps %s at %#lx with the wrong rights", what,
		      addr);
}

static void __init check_image_is_mapped(void)
{
	struct x86_control control;

	x86_read_control(&control);
	check_part("the core's code", control.code, 0, _PAGE_NX & supported_pte_mask);
	check_part("the core's data", control.data, _PAGE_RW, 0);
	check_part("the stack", control.stack, _PAGE_RW, 0);
}

void __init paging_init(void)
{
	supported_pte_mask = usable_pte_bits();
	init_protection_map();
	booting_tables = true;
	swapper_pg_dir = new_kernel_table();
	init_mm.pgd = swapper_pg_dir;
	map_low_memory(PFN_PHYS(max_low_pfn));
	if (PTRS_PER_PTE == 1024 || PGTABLE_LEVELS == 3) {
		fixrange_init(PKMAP_BASE, FIXMAP_BASE - PKMAP_BASE);
		fixrange_init(FIXMAP_BASE, PMD_SIZE);
	}
	/*
	 * The slot of vmalloc is filled before the first PGD is copied. Most kernels never need
	 * another slot there, so that no copy is ever missing.
	 */
	if (!pte_alloc_kernel(VMALLOC_START))
		panic("paging_init: no memory for vmalloc's tables");
	port_map_kernel_image();
	check_image_is_mapped();
	booting_tables = false;
	port_load_pgd(__pa(swapper_pg_dir));
	port_flush_tlb_all();
}
