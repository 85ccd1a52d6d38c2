/* SPDX-License-Identifier: MIT */
/*
 * test_mmu.c: the simulated MMU does what the processor manuals say, on tables made by
 * hand, without the core. What the other tests conclude rests on this.
 *
 * Two pages are used, A and its neighbour B, in the same last-level table, and a third,
 * FAR, under another one.
 */
#include "harness.h"

#include <machine/hosted/hosted_internal.h>
#include <asm/fault.h>

#define A   0x10000000ul
#define B   (A + 0x1000)
#define FAR (A + 0x800000)

#define P   0x01ull
#define RW  0x02ull
#define US  0x04ull
#define ACC 0x20ull
#define D   0x40ull
#define PS  0x80ull
#define G   0x100ull
#define NX  (1ull << 63)
#define ALL (P | RW | US)

/* Physical frames of the test: tables and data from here on. */
#define FIRST_FRAME 0x200000ull
#define FRAME_1	    0x300000ull
#define FRAME_2	    0x301000ull

static const int shifts[] = {12, PMD_SHIFT, PUD_SHIFT, P4D_SHIFT, PGDIR_SHIFT};
static phys_addr_t next_frame = FIRST_FRAME, root;

/* Shifts of the levels that exist, from the leaf up. */
static int level_shift(int level)
{
	int seen = 0;

	for (int i = 0; i < 5; i++) {
		if (i && shifts[i] == shifts[i - 1])
			continue;
		if (++seen == level)
			return shifts[i];
	}
	return -1;
}

static pteval_t *entry_at(phys_addr_t table, int level, unsigned long addr)
{
	unsigned long entries = level == PGTABLE_LEVELS ? PTRS_PER_PGD : PTRS_PER_PTE;

	return (pteval_t *)hosted_phys(table) + (addr >> level_shift(level)) % entries;
}

/* The entry for addr at a level, tables above it made as needed with all rights. */
static pteval_t *entry(unsigned long addr, int level)
{
	phys_addr_t table = root;

	for (int l = PGTABLE_LEVELS; l > level; l--) {
		pteval_t *e = entry_at(table, l, addr);

		if (!*e) {
			*e = (pteval_t)(next_frame | (PGTABLE_LEVELS == 3 && l == 3 ? P : ALL));
			next_frame += 0x1000;
			if (PGTABLE_LEVELS == 3 && l == 3)
				port_flush_tlb(); /* the registers are read again */
		}
		table = *e & ~0xfffull & ~NX;
	}
	return entry_at(table, level, addr);
}

static void map(unsigned long addr, phys_addr_t pa, u64 bits)
{
	*entry(addr, 1) = (pteval_t)(pa | bits);
}

static void start(void)
{
	static struct mm_struct mm;

	root = next_frame;
	next_frame += 0x1000;
	port_current()->mm = &mm;
	port_load_pgd(root);
}

static unsigned long error;

/* Where an access by user code goes, or 0 with error set. */
static phys_addr_t go(unsigned long addr, enum mmu_access access)
{
	phys_addr_t pa;

	return mmu_translate(addr, access, true, &pa, &error) ? 0 : pa;
}

static phys_addr_t go_kernel(unsigned long addr, enum mmu_access access)
{
	phys_addr_t pa;

	return mmu_translate(addr, access, false, &pa, &error) ? 0 : pa;
}

#define MMU_TEST(name, ids, ...) PAGODA_TEST_CONFIG(name, ids, .no_mm_boot = true, ##__VA_ARGS__)

MMU_TEST(mmu_translates_and_marks, "XC-03")
{
	start();
	map(A, FRAME_1, ALL);
	CHECK_EQ(go(A + 0x123, MMU_READ), FRAME_1 + 0x123);
	CHECK_EQ(*entry(A, 1) & (ACC | D), ACC);
	CHECK_EQ(*entry(A, 2) & ACC, ACC);
	CHECK_EQ(go(A, MMU_WRITE), FRAME_1);
	CHECK_EQ(*entry(A, 1) & (ACC | D), ACC | D);
	CHECK_EQ(*entry(A, 2) & D, 0);
}

MMU_TEST(mmu_missing_page_faults, "XC-03 FT-03")
{
	start();
	CHECK_EQ(go(A, MMU_READ), 0);
	CHECK_EQ(error, PF_USER);
	map(B, FRAME_1, ALL);
	CHECK_EQ(go(A, MMU_WRITE), 0);
	CHECK_EQ(error, PF_USER | PF_WRITE);
	CHECK_EQ(go_kernel(A, MMU_WRITE), 0);
	CHECK_EQ(error, PF_WRITE);
	map(A, FRAME_2, ALL); /* "not present" is never cached */
	CHECK_EQ(go(A, MMU_READ), FRAME_2);
}

MMU_TEST(mmu_rights_add_up_over_levels, "XC-03 FT-03")
{
	start();
	map(A, FRAME_1, P | US);
	CHECK_EQ(go(A, MMU_WRITE), 0);
	CHECK_EQ(error, PF_PROT | PF_WRITE | PF_USER);
	CHECK_EQ(go_kernel(A, MMU_WRITE), 0); /* CR0.WP */
	CHECK_EQ(error, PF_PROT | PF_WRITE);
	map(A, FRAME_1, P | RW);
	CHECK_EQ(go(A, MMU_READ), 0);
	CHECK_EQ(error, PF_PROT | PF_USER);
	CHECK_EQ(go_kernel(A, MMU_READ), FRAME_1);
	map(FAR, FRAME_2, ALL);
	*entry(FAR, 2) &= (pteval_t)~RW;
	CHECK_EQ(go(FAR, MMU_READ), FRAME_2);
	CHECK_EQ(go(FAR, MMU_WRITE), 0);
	CHECK_EQ(error, PF_PROT | PF_WRITE | PF_USER);
}

MMU_TEST(mmu_no_execute, "XC-03 FT-03")
{
	start();
	map(A, FRAME_1, ALL);
	CHECK_EQ(go(A, MMU_EXEC), FRAME_1);
	CHECK_EQ(go_kernel(A, MMU_EXEC), 0); /* SMEP */
	if (!HAVE_NX)
		return;
	map(B, FRAME_2, ALL | NX);
	CHECK_EQ(go(B, MMU_EXEC), 0);
	CHECK_EQ(error, PF_PROT | PF_INSTR | PF_USER);
	CHECK_EQ(go(B, MMU_READ), FRAME_2);
}

MMU_TEST(mmu_reserved_bits_fault, "XC-03 FT-03")
{
	if (PGTABLE_LEVELS == 2)
		SKIP("no reserved bits in 4 KiB entries");
	if (MAX_PHYSMEM_BITS == 52)
		SKIP("every frame bit is in use");
	start();
	map(A, FRAME_1, ALL | 1ull << 51);
	CHECK_EQ(go(A, MMU_READ), 0);
	CHECK_EQ(error, PF_PROT | PF_RSVD | PF_USER);
}

MMU_TEST(mmu_large_page, "XC-03")
{
	unsigned long size = 1ul << level_shift(2);

	start();
	*entry(A & ~(size - 1), 2) = (pteval_t)(0x400000 | ALL | PS);
	CHECK_EQ(go((A & ~(size - 1)) + 0x5123, MMU_WRITE), 0x405123);
	*entry(A & ~(size - 1), 2) = 0;
	port_flush_tlb_page(A & ~(size - 1)); /* any address of the large page */
	CHECK_EQ(go((A & ~(size - 1)) + 0x5123, MMU_WRITE), 0);
}

MMU_TEST(tlb_is_stale_until_the_page_is_flushed, "XC-03")
{
	start();
	map(A, FRAME_1, ALL);
	map(B, FRAME_1, ALL);
	CHECK_EQ(go(A, MMU_READ), FRAME_1);
	CHECK_EQ(go(B, MMU_READ), FRAME_1);
	map(A, FRAME_2, ALL);
	map(B, 0, 0);
	CHECK_EQ(go(A, MMU_READ), FRAME_1);
	port_flush_tlb_page(A);
	CHECK_EQ(go(A, MMU_READ), FRAME_2);
	CHECK_EQ(go(B, MMU_READ), FRAME_1);
	port_flush_tlb();
	CHECK_EQ(go(B, MMU_READ), 0);
}

MMU_TEST(tlb_keeps_rights_that_were_narrowed, "XC-03")
{
	start();
	map(A, FRAME_1, ALL);
	CHECK_EQ(go(A, MMU_WRITE), FRAME_1);
	map(A, FRAME_1, P | US);
	CHECK_EQ(go(A, MMU_WRITE), FRAME_1);
	port_flush_tlb_page(A);
	CHECK_EQ(go(A, MMU_WRITE), 0);
}

MMU_TEST(tlb_sees_rights_that_were_widened, "XC-03")
{
	start();
	map(A, FRAME_1, P | US);
	CHECK_EQ(go(A, MMU_READ), FRAME_1);
	map(A, FRAME_2, ALL);
	CHECK_EQ(go(A, MMU_READ), FRAME_1);
	CHECK_EQ(go(A, MMU_WRITE), FRAME_2);
}

MMU_TEST(tlb_global_entries_survive_a_reload, "XC-03")
{
	start();
	map(A, FRAME_1, ALL | G);
	map(B, FRAME_1, ALL);
	go(A, MMU_READ);
	go(B, MMU_READ);
	map(A, 0, 0);
	map(B, 0, 0);
	port_load_pgd(root);
	CHECK_EQ(go(B, MMU_READ), 0);
	CHECK_EQ(go(A, MMU_READ), FRAME_1);
	port_flush_tlb_all();
	CHECK_EQ(go(A, MMU_READ), 0);
}

MMU_TEST(paging_structure_cache_is_stale_until_flushed, "XC-03")
{
	start();
	map(A, FRAME_1, ALL);
	map(B, FRAME_2, ALL);
	CHECK_EQ(go(A, MMU_READ), FRAME_1);
	*entry(A, 2) = 0; /* the table is gone, but this CPU remembers where it was */
	CHECK_EQ(go(B, MMU_READ), FRAME_2);
	port_flush_tlb_page(FAR);
	CHECK_EQ(go(B + 0x1000, MMU_READ), 0);
	CHECK_EQ(error, PF_USER);
}

MMU_TEST(limited_tlb_evicts, "XC-03", .tlb_entries = 1)
{
	start();
	map(A, FRAME_1, ALL);
	map(B, FRAME_1, ALL);
	CHECK_EQ(go(A, MMU_READ), FRAME_1);
	CHECK(hosted_tlb_holds(0, A));
	CHECK_EQ(go(B, MMU_READ), FRAME_1);
	CHECK(!hosted_tlb_holds(0, A));
}

MMU_TEST(user_access_crosses_pages, "XC-03")
{
	char buf[16] = "0123456789abcde", back[16];

	start();
	map(A, FRAME_2, ALL);
	map(B, FRAME_1, ALL);
	CHECK(hosted_user_write(B - 5, buf, sizeof(buf)));
	CHECK_MEM((char *)hosted_phys(FRAME_2) + 0xffb, buf, 5);
	CHECK_MEM(hosted_phys(FRAME_1), buf + 5, 11);
	CHECK(hosted_user_read(B - 5, back, sizeof(back)));
	CHECK_MEM(back, buf, sizeof(buf));
	hosted_write32(A, 7);
	CHECK_EQ(hosted_fetch_add32(A, 3), 7);
	CHECK_EQ(hosted_read32(A), 10);
}

/* ---- The kernel window: the host's MMU as ours ------------------------------------------- */

static volatile u32 *kernel_page(unsigned int n)
{
	return (volatile u32 *)(VMALLOC_START + n * PAGE_SIZE);
}

static unsigned long mmu_of(unsigned int n)
{
	return kva_to_mmu((unsigned long)kernel_page(n));
}

MMU_TEST(kernel_address_reaches_what_the_tables_say, "XC-03")
{
	u32 *one = hosted_phys(FRAME_1), *two = hosted_phys(FRAME_2);

	start();
	map(mmu_of(0), FRAME_1, P | RW);
	map(mmu_of(1), FRAME_2, P | RW);
	*one = 11;
	CHECK_EQ(*kernel_page(0), 11);
	CHECK_EQ(*entry(mmu_of(0), 1) & (ACC | D), ACC);
	*kernel_page(0) = 12;
	*kernel_page(1) = 22;
	CHECK_EQ(*entry(mmu_of(0), 1) & (ACC | D), ACC | D);
	CHECK_EQ(*one, 12);
	CHECK_EQ(*two, 22);
}

MMU_TEST(kernel_translation_is_stale_until_flushed, "XC-03")
{
	start();
	*(u32 *)hosted_phys(FRAME_1) = 1;
	*(u32 *)hosted_phys(FRAME_2) = 2;
	map(mmu_of(0), FRAME_1, P | RW | G);
	map(mmu_of(1), FRAME_1, P | RW);
	CHECK_EQ(*kernel_page(0) + *kernel_page(1), 2);
	map(mmu_of(0), FRAME_2, P | RW | G);
	map(mmu_of(1), FRAME_2, P | RW);
	CHECK_EQ(*kernel_page(1), 1);
	port_flush_tlb();
	CHECK_EQ(*kernel_page(0), 1); /* global */
	CHECK_EQ(*kernel_page(1), 2);
	port_flush_tlb_page((unsigned long)kernel_page(0));
	CHECK_EQ(*kernel_page(0), 2);
	map(mmu_of(0), FRAME_1, P | RW | G);
	port_flush_tlb_page(mmu_of(0)); /* the same by the MMU's name */
	CHECK_EQ(*kernel_page(0), 1);
	map(mmu_of(0), FRAME_2, P | RW | G);
	port_flush_tlb_all();
	CHECK_EQ(*kernel_page(0), 2);
}

MMU_TEST(unshared_ram_leaves_the_parent_alone, "XC-03")
{
	u32 *one = hosted_phys(FRAME_1);

	start();
	map(mmu_of(0), FRAME_1, P | RW);
	*kernel_page(0) = 1;
	EXPECT_PANIC("2 2", {
		*kernel_page(0) = 2;
		hosted_fatal("%u %u", *kernel_page(0), *one);
	});
	CHECK_EQ(*one, 1);
	CHECK_EQ(*kernel_page(0), 1);
}
