/* SPDX-License-Identifier: MIT */
/*
 * test_growth.c: how the cost of what has no test file of its own grows (docs/COSTS.md), by
 * counting what is looked at with few and with many.
 */
#include "reclaim_file.h"

#include <mm/cache/filemap_internal.h>

/* ---- The flusher's search ------------------------------------------------------------------- */

static unsigned int mappings_asked;

static bool is_wanted(struct address_space *mapping, u64 when)
{
	mappings_asked++;
	return mapping->dirtied_when <= when;
}

/*
 * Young mappings stand before old ones, as after a sync: how many are looked at until no old one is
 * left?
 */
static unsigned int asked_for_all_old(unsigned int nr)
{
	static struct disk_file file[400];
	struct address_space *mapping;
	unsigned int found = 0;

	CHECK_LE(nr, ARRAY_SIZE(file));
	for (unsigned int i = 0; i < nr; i++) {
		struct disk_file *f = &file[i];

		disk_open(f, 1);
		disk_cache(f, 0, 1);
		CHECK(set_page_dirty(disk_page(f, 0)));
		restart_dirty_age(&f->mapping, i < nr / 2 ? 2000 : 1000);
	}
	mappings_asked = 0;
	for (; (mapping = hold_mapping(is_wanted, 1000)); found++) {
		restart_dirty_age(mapping, 2000);
		release_mapping(mapping);
	}
	CHECK_EQ(found, nr / 2);
	for (unsigned int i = 0; i < nr; i++)
		disk_close(&file[i]);
	return mappings_asked;
}

PAGODA_TEST(old_mappings_behind_young_ones_are_found_in_two_rounds, "")
{
	for (unsigned int nr = 40; nr <= 400; nr *= 10)
		CHECK_LE(asked_for_all_old(nr), 2 * nr);
}
