// SPDX-License-Identifier: MIT
/*
 * map_checks.c: vmalloc areas, and locks that sleep, on tier 2 and above.
 *
 * An area's pages are written through the area and read through the direct map, and the other way
 * round.
 */
#include "map_checks.h"

#include <pagoda/page_alloc.h>
#include <pagoda/spinlock.h>
#include <pagoda/vmalloc.h>
#include <asm/pgtable.h>

#include "check.h"

#define AREA_PAGES 300ul

static unsigned char *direct_view(const void *va)
{
	pgprot_t prot;
	phys_addr_t pa;

	CHECK(kernel_translate((unsigned long)va, &pa, &prot));
	return __va(pa);
}

static void check_area(void)
{
	unsigned char *area = vmalloc(AREA_PAGES * PAGE_SIZE);
	pgprot_t prot;
	phys_addr_t pa;

	CHECK(area && (unsigned long)area >= VMALLOC_START && (unsigned long)area < VMALLOC_END);
	for (unsigned long i = 0; i < AREA_PAGES; i++)
		area[i * PAGE_SIZE] = (unsigned char)i;
	for (unsigned long i = 0; i < AREA_PAGES; i++) {
		unsigned char *direct = direct_view(area + i * PAGE_SIZE);

		CHECK(*direct == (unsigned char)i);
		*direct = (unsigned char)~i;
		CHECK(area[i * PAGE_SIZE] == (unsigned char)~i);
	}
	vfree(area);
	(void)vmalloc_purge();
	CHECK(!kernel_translate((unsigned long)area, &pa, &prot));
}

/*
 * Frames of the second area may be those of the first in another order: a missing flush shows old
 * bytes.
 */
static void check_areas_are_flushed(void)
{
	for (int round = 0; round < 20; round++) {
		unsigned long *area = vmalloc(8 * PAGE_SIZE);

		CHECK(area);
		for (unsigned long i = 0; i < 8 * PAGE_SIZE / sizeof(*area); i++)
			area[i] = i ^ (unsigned long)round;
		for (unsigned long i = 0; i < 8; i++)
			CHECK(*(unsigned long *)direct_view((char *)area + i * PAGE_SIZE) ==
			      (i * PAGE_SIZE / sizeof(*area) ^ (unsigned long)round));
		vfree(area);
		(void)vmalloc_purge();
	}
}

static void check_sleeping_locks(void)
{
	static struct mutex mutex = MUTEX_INIT(mutex, RANK_NONE);
	static struct rw_semaphore sem = RWSEM_INIT(sem, RANK_NONE);

	mutex_lock(&mutex);
	CHECK(!mutex_trylock(&mutex));
	mutex_unlock(&mutex);
	CHECK(mutex_lock_killable(&mutex) == 0);
	mutex_unlock(&mutex);
	down_read(&sem);
	CHECK(!down_write_trylock(&sem));
	up_read(&sem);
}

void check_kernel_mappings(void)
{
	check_area();
	check_areas_are_flushed();
	check_sleeping_locks();
	validate_vmalloc();
}
