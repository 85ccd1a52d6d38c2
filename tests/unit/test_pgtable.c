// SPDX-License-Identifier: MIT
/*
 * test_pgtable.c: page-table entries, folding, table pages and the kernel's mappings, in
 * whatever geometry this is built for.
 */
#include "address_space.h"

#include <pagoda/bootmem.h>
#include <pagoda/vmalloc.h>
#include <string.h>

static_assert(PAGE_SIZE == 4096 && PAGE_MASK == ~4095ul, "PT-03");
static_assert(PMD_SIZE == 1ul << PMD_SHIFT && PMD_MASK == ~(PMD_SIZE - 1), "PT-03");
static_assert(PGDIR_SIZE == 1ul << PGDIR_SHIFT && PGDIR_MASK == ~(PGDIR_SIZE - 1), "PT-03");
static_assert(PGTABLE_LEVELS != 2 || (PGDIR_SHIFT == 22 && PTRS_PER_PGD == 1024 &&
				      PTRS_PER_PMD == 1 && PTRS_PER_PTE == 1024),
	      "PT-04");
static_assert(PGTABLE_LEVELS == 2 || (PTRS_PER_PTE == 512 && sizeof(pte_t) == 8), "PT-04");
static_assert(PGTABLE_LEVELS != 2 || sizeof(pte_t) == 4, "PT-07");
static_assert(!__builtin_types_compatible_p(pte_t, pmd_t), "PT-06");
static_assert(!__builtin_types_compatible_p(pmd_t, pud_t), "PT-06");
static_assert(!__builtin_types_compatible_p(pgd_t, p4d_t), "PT-06");

PAGODA_TEST(page_align_rounds_up, "PT-03 PT-04 PT-06 PT-05")
{
	CHECK_EQ(PAGE_ALIGN(0ul), 0);
	CHECK_EQ(PAGE_ALIGN(1ul), 4096);
	CHECK_EQ(PAGE_ALIGN(4096ul), 4096);
	CHECK_EQ(PAGE_ALIGN(4097ul), 8192);
}

static pte_t random_pte(void)
{
	pteval_t bits =
		_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_NX;

	return __pte((test_random() & (PTE_PFN_MASK | bits)) | _PAGE_PRESENT);
}

PAGODA_TEST(pte_macros_change_their_bit_alone, "PT-14 PT-15")
{
	for (int i = 0; i < 1000; i++) {
		pte_t p = random_pte();

		CHECK(pte_write(pte_mkwrite(p)) && !pte_write(pte_wrprotect(p)));
		CHECK_EQ(pte_val(pte_mkwrite(p)) ^ pte_val(pte_wrprotect(p)), _PAGE_RW);
		CHECK(pte_read(pte_mkread(p)) && !pte_read(pte_rdprotect(p)));
		CHECK_EQ(pte_val(pte_mkread(p)) ^ pte_val(pte_rdprotect(p)), _PAGE_USER);
		CHECK(pte_exec(pte_mkexec(p)) && !pte_exec(pte_exprotect(p)));
		CHECK_EQ(pte_val(pte_mkexec(p)) ^ pte_val(pte_exprotect(p)),
			 HAVE_NX ? _PAGE_NX : _PAGE_USER);
		CHECK(pte_dirty(pte_mkdirty(p)) && !pte_dirty(pte_mkclean(p)));
		CHECK_EQ(pte_val(pte_mkdirty(p)) ^ pte_val(pte_mkclean(p)), _PAGE_DIRTY);
		CHECK(pte_young(pte_mkyoung(p)) && !pte_young(pte_old(p)));
		CHECK_EQ(pte_val(pte_mkyoung(p)) ^ pte_val(pte_old(p)), _PAGE_ACCESSED);
		CHECK_EQ(pte_val(pte_sw_mkyoung(p)), pte_val(p));
	}
}

PAGODA_TEST(pte_modify_keeps_frame_accessed_dirty, "PT-14")
{
	for (int i = 0; i < 1000; i++) {
		pte_t p = random_pte();
		pgprot_t prot = vm_get_page_prot(test_random_below(16));
		pte_t q = pte_modify(p, prot);
		pteval_t kept = PTE_PFN_MASK | _PAGE_ACCESSED | _PAGE_DIRTY;

		CHECK_EQ(pte_val(q) & kept, pte_val(p) & kept);
		CHECK_EQ(pte_write(q), !!(pgprot_val(prot) & _PAGE_RW));
		CHECK(pte_present(q));
	}
}

PAGODA_TEST(pte_round_trips_frames_and_pages, "PT-17 PT-10")
{
	struct page *page = alloc_page(GFP_KERNEL);

	CHECK(page);
	CHECK(pte_page(mk_pte(page, PAGE_SHARED)) == page);
	CHECK_EQ(pte_pfn(pfn_pte(0x12345, PAGE_READONLY)), 0x12345);
	CHECK_EQ(pte_pfn(mk_pte_phys(0x5000, PAGE_READONLY)), 5);
	CHECK(pte_none(__pte(0)) && !pte_present(__pte(0)));
	for (unsigned long type = 0; type < 32; type += 7)
		for (unsigned long off = 1; off < 1ul << 22; off = off * 3 + 1) {
			pte_t p = swp_entry_to_pte(swp_entry(type, off));

			CHECK(!pte_none(p) && !pte_present(p));
			CHECK_EQ(swp_type(pte_to_swp_entry(p)), type);
			CHECK_EQ(swp_offset(pte_to_swp_entry(p)), off);
		}
	put_page(page);
}

PAGODA_TEST(protection_map_follows_the_table, "AS-28")
{
	for (unsigned long f = 0; f < 16; f++) {
		pte_t p = pfn_pte(1, vm_get_page_prot(f));
		bool any = f & 7;

		CHECK_EQ(pte_accessible(p), any);
		CHECK(pte_present(p));
		CHECK_EQ(pte_write(p), (f & (VM_WRITE | VM_SHARED)) == (VM_WRITE | VM_SHARED));
		if (HAVE_NX && any)
			CHECK_EQ(pte_exec(p), !!(f & VM_EXEC));
	}
}

PAGODA_TEST(offsets_agree_with_index_arithmetic, "CT-02 PT-01 PT-02 PT-11 PT-36")
{
	struct mm_struct *mm;

	new_process();
	mm = current_vm->mm;
	for (int i = 0; i < 200; i++) {
		unsigned long addr = test_random() % (TASK_SIZE - PAGE_SIZE) & PAGE_MASK;
		pmd_t *pmd = walk_alloc_pmd(mm, addr);
		pte_t *pte = pte_alloc(mm, pmd, addr);
		pgd_t *pgd = pgd_offset(mm, addr);

		CHECK(pgd == mm->pgd + (addr >> PGDIR_SHIFT) % PTRS_PER_PGD);
		CHECK_EQ(((unsigned long)pmd & ~PAGE_MASK) / sizeof(*pmd),
			 PMD_FOLDED ? (addr >> PGDIR_SHIFT) % PTRS_PER_PGD
				    : (addr >> PMD_SHIFT) % PTRS_PER_PMD);
		CHECK_EQ(((unsigned long)pte & ~PAGE_MASK) / sizeof(*pte),
			 (addr >> PAGE_SHIFT) % PTRS_PER_PTE);
		CHECK(walk_to_pmd(mm, addr) == pmd);
		CHECK(pte_none(ptep_get(pte)));
		CHECK(!pmd_bad(pmdp_get(pmd)) && pmd_present(pmdp_get(pmd)));
		CHECK_EQ(pmd_val(pmdp_get(pmd)) & 7, _PAGE_PRESENT | _PAGE_RW | _PAGE_USER);
	}
	CHECK_GT(atomic_long_read(&mm->pgtables_bytes), PAGE_SIZE);
	/* They belong to no VMA: take them out by hand. */
	{
		struct mmu_gather tlb;
		void free_pgtables(struct mmu_gather *, unsigned long, unsigned long, unsigned long,
				   unsigned long);

		tlb_gather_mmu(&tlb, mm, false);
		free_pgtables(&tlb, 0, TASK_SIZE, 0, TASK_SIZE);
		tlb_finish_mmu(&tlb);
	}
	CHECK_EQ(atomic_long_read(&mm->pgtables_bytes), PAGE_SIZE);
}

PAGODA_TEST(bad_entries_are_told, "PT-12")
{
	CHECK(pmd_bad(__pmd(0x1000 | _PAGE_PRESENT)));
	CHECK(pmd_bad(__pmd(0x1000 | _KERNPG_TABLE | _PAGE_PSE)));
	CHECK(!pmd_bad(__pmd(0x1000 | _PAGE_TABLE)));
	CHECK(pmd_none(__pmd(0)) && !pmd_present(__pmd(0)));
}

PAGODA_TEST(quicklists_are_lifo_and_clear, "PT-19 PT-20 PT-21")
{
	unsigned long *page, free_before;
	void *fast;

	drain_pgt_cache();
	CHECK(!pte_alloc_one_fast());
	CHECK(!pmd_alloc_one_fast());
	CHECK(!get_pgd_fast());
	page = pte_alloc_one();
	CHECK(page);
	pgt_cache_put(PGT_PTE, page);
	CHECK_EQ(pgt_cache_count(PGT_PTE), 1);
	free_before = nr_free_pages();
	fast = pte_alloc_one_fast();
	CHECK(fast == page);
	CHECK_EQ(nr_free_pages(), free_before);
	CHECK_EQ(pgt_cache_count(PGT_PTE), 0);
	for (unsigned int i = 0; i < PAGE_SIZE / sizeof(long); i++)
		CHECK_EQ(page[i], 0);
	pgt_cache_put(PGT_PTE, page);
	drain_pgt_cache();
}

/* The first word of a waiting table leads to the next; it is cleared when the table is taken. */
PAGODA_TEST(tables_from_a_quicklist_are_clear_from_the_first_word_on, "PT-20 PT-21")
{
	void *tables[3];

	drain_pgt_cache();
	for (int i = 0; i < 3; i++)
		CHECK((tables[i] = pte_alloc_one()));
	for (int i = 0; i < 3; i++)
		pgt_cache_put(PGT_PTE, tables[i]);
	for (int i = 3; i-- > 0;) {
		const unsigned long *words = pte_alloc_one_fast();

		CHECK_EQ(words, tables[i]);
		for (unsigned int w = 0; w < PAGE_SIZE / sizeof(long); w++)
			CHECK_EQ(words[w], 0);
	}
	for (int i = 0; i < 3; i++)
		pgt_cache_put(PGT_PTE, tables[i]);
}

PAGODA_TEST(quicklists_are_trimmed_from_high_to_low, "PT-22")
{
	for (unsigned int i = 0; i < PGT_CACHE_HIGH + 1; i++) {
		void *table = pte_alloc_one();

		CHECK(table);
		pgt_cache_put(PGT_PTE, table);
		if (i + 1 <= PGT_CACHE_HIGH)
			check_pgt_cache(); /* not yet */
	}
	CHECK_EQ(pgt_cache_count(PGT_PTE), PGT_CACHE_HIGH + 1);
	check_pgt_cache();
	CHECK_EQ(pgt_cache_count(PGT_PTE), PGT_CACHE_LOW);
}

/* Regions whose tables go leave few of them behind in the quicklists, however many went. */
PAGODA_TEST(tables_that_go_do_not_pile_up, "PT-22 AS-50")
{
	unsigned long len = 3 * PGT_CACHE_HIGH * PMD_SIZE, addr;

	CHECK_EQ(hosted_process_create(), 0);
	addr = do_mmap(current_vm->mm, NULL, 0, len + PMD_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, 0);
	CHECK(!IS_ERR_VALUE(addr));
	drain_pgt_cache();
	for (unsigned long at = ALIGN(addr, PMD_SIZE); at < addr + len; at += PMD_SIZE)
		hosted_write8(at, 1);
	CHECK_EQ(do_munmap(current_vm->mm, addr, len + PMD_SIZE), 0);
	CHECK_LE(pgt_cache_count(PGT_PTE), PGT_CACHE_HIGH);
	CHECK_GE(pgt_cache_count(PGT_PTE), PGT_CACHE_LOW);
	CHECK_LE(nr_cached_tables(), 2 * PGT_CACHE_HIGH);
}

PAGODA_TEST(kernel_slots_are_the_reference_tables, "PT-31 AS-01 AS-11")
{
	struct mm_struct *mm;

	CHECK(init_mm.pgd == swapper_pg_dir);
	CHECK_EQ(atomic_read(&init_mm.mm_users), 2);
	CHECK_EQ(atomic_read(&init_mm.mm_count), 1);
	CHECK(!init_mm.mmap);
	new_process();
	mm = current_vm->mm;
	for (unsigned long i = USER_PTRS_PER_PGD; i < PTRS_PER_PGD; i++)
		CHECK_EQ(pgd_val(mm->pgd[i]), pgd_val(swapper_pg_dir[i]));
	for (unsigned long i = 0; i < USER_PTRS_PER_PGD; i++)
		CHECK_EQ(pgd_val(mm->pgd[i]), 0);
}

PAGODA_TEST(direct_map_reaches_all_low_memory, "PT-28 PT-37 PT-16")
{
	for (unsigned long pfn = 0; pfn < max_low_pfn; pfn++) {
		phys_addr_t pa;
		pgprot_t prot;
		struct hosted_pte_info info = hosted_lookup_kernel(__va(PFN_PHYS(pfn)));

		CHECK(kernel_translate((unsigned long)__va(PFN_PHYS(pfn) + 12), &pa, &prot));
		CHECK_EQ(pa, PFN_PHYS(pfn) + 12);
		CHECK(info.present && info.write && !info.user && info.global);
		CHECK_EQ(info.pa, PFN_PHYS(pfn));
		if (pfn < 2 * PTRS_PER_PTE)
			CHECK(info.large);
		if (HAVE_NX)
			CHECK(!info.exec);
	}
	CHECK(!lookup_kernel_pte(PAGE_OFFSET));
}

PAGODA_TEST(tables_are_in_low_memory, "PT-32")
{
	struct page *page;

	new_process();
	map_at(BASE, 1, RW);
	hosted_write32(BASE, 1);
	page = pmd_page(pmdp_get(walk_to_pmd(current_vm->mm, BASE)));
	CHECK(!PageHighMem(page));
	CHECK(PageTable(page));
	CHECK_LT(page_to_pfn(page), max_low_pfn);
}

PAGODA_TEST(follow_page_honours_write_and_dirty, "PT-13")
{
	struct mm_struct *mm;
	pte_t *ptep;

	new_process();
	mm = current_vm->mm;
	map_at(BASE, 1, RW);
	CHECK(!follow_page(mm, BASE, false));
	hosted_write32(BASE, 7);
	CHECK(follow_page(mm, BASE, true));
	CHECK_EQ(page_to_pfn(follow_page(mm, BASE, false)), frame_at(BASE));
	ptep = pte_offset(walk_to_pmd(mm, BASE), BASE);
	set_pte(ptep, pte_mkclean(ptep_get(ptep)));
	CHECK(!follow_page(mm, BASE, true));
	CHECK(follow_page(mm, BASE, false));
	set_pte(ptep, pte_wrprotect(pte_mkdirty(ptep_get(ptep))));
	CHECK(!follow_page(mm, BASE, true));
	CHECK(follow_page(mm, BASE, false));
}

PAGODA_TEST(accessed_and_dirty_are_set_by_the_cpu, "PT-08 PT-09 PT-33")
{
	struct hosted_pte_info info;
	u32 value;

	new_process();
	map_at(BASE, 2, RW);
	hosted_write32(BASE, 1);
	{
		pte_t *ptep = pte_offset(walk_to_pmd(current_vm->mm, BASE), BASE);

		CHECK(ptep_test_and_clear_young(ptep));
		CHECK(ptep_test_and_clear_dirty(ptep));
		CHECK(!ptep_test_and_clear_dirty(ptep));
	}
	flush_tlb_page(current_vm->mm, BASE);
	CHECK(user_read32(BASE, &value));
	info = hosted_lookup_user(current_vm->mm, BASE);
	CHECK(info.accessed && !info.dirty);
	hosted_write32(BASE, 2);
	info = hosted_lookup_user(current_vm->mm, BASE);
	CHECK(info.accessed && info.dirty);
	CHECK_EQ(info.entry & 0x67, 0x67); /* P RW US A D */
}

PAGODA_TEST(user_memory_uses_small_pages, "PT-30")
{
	new_process();
	map_at(BASE, SZ_16M >> PAGE_SHIFT, RW);
	for (unsigned long off = 0; off < SZ_16M; off += SZ_1M) {
		hosted_write32(BASE + off, 1);
		CHECK(!hosted_lookup_user(current_vm->mm, BASE + off).large);
	}
}

PAGODA_TEST(map_kernel_range_maps_and_unmaps, "PT-37 PT-17")
{
	/* In the one table that boot has made there: kernel tables are never freed. */
	unsigned long va = ALIGN(VMALLOC_START + 1, PMD_SIZE) - PG(2);
	phys_addr_t pa;
	pgprot_t prot;
	struct page *page = alloc_page(GFP_KERNEL);

	CHECK(page);
	CHECK(!kernel_translate(va, &pa, &prot));
	CHECK_EQ(map_kernel_range(va, PFN_PHYS(page_to_pfn(page)), PAGE_SIZE, PAGE_KERNEL), 0);
	CHECK(kernel_translate(va + 5, &pa, &prot));
	CHECK_EQ(pa, PFN_PHYS(page_to_pfn(page)) + 5);
	unmap_kernel_range(va, PAGE_SIZE);
	flush_tlb_kernel_range(va, va + PAGE_SIZE);
	CHECK(!kernel_translate(va, &pa, &prot));
	put_page(page);
}
