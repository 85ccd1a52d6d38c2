/* SPDX-License-Identifier: MIT */
/*
 * test_swap_file.c: all of test_swap.c with swap areas that are files, whose blocks lie scattered
 * on their disks, and what is refused as a file.
 */
#define SWAP_TO_FILES true
#include "test_swap.c"

/* a block that is missing; the first of a page whose others lie elsewhere */
static u64 hole, apart;

static u64 odd_bmap(struct address_space *mapping, u64 block)
{
	if (block == hole)
		return 0;
	return area_bmap(mapping, block) + (block == apart ? 100 : 0);
}

static const struct address_space_operations odd_aops = {.bmap = odd_bmap};

/* The header's page, and each page twice: to count the extents, and to store them. */
PAGODA_TEST(swapon_asks_for_each_block_twice, "")
{
	for (unsigned long pages = 64; pages <= 4096; pages *= 8) {
		blocks_asked_for = 0;
		swap_on((u32)pages);
		CHECK_EQ(blocks_asked_for, (2 * pages + 1) * FILE_BLOCKS);
		swap_off();
	}
}

static unsigned int steps_to(const struct swap_area *area, unsigned long i)
{
	unsigned int steps = 0;

	CHECK_EQ(swap_extent_of(area, area->extents[i].first, &steps), &area->extents[i]);
	CHECK_EQ(swap_extent_of(area, area->extents[i].first + 2, &steps), &area->extents[i]);
	return steps;
}

PAGODA_TEST(an_extent_is_found_in_logarithmic_steps, "SW-16")
{
	static struct swap_extent extents[1 << 14];
	struct swap_area area = {.extents = extents};
	unsigned int most = 0, levels = 4;

	for (unsigned long i = 0; i < ARRAY_SIZE(extents); i++)
		extents[i] = (struct swap_extent){3 * i, 3, 1000 * i};
	for (area.nr_extents = 16; area.nr_extents <= ARRAY_SIZE(extents);
	     area.nr_extents *= 32, levels += 5) {
		for (unsigned long i = 0; i < area.nr_extents; i++)
			most = max(most, steps_to(&area, i));
		CHECK_LE(most, 2 * levels);
	}
}

PAGODA_TEST(holes_are_refused_and_scattered_pages_are_bad_slots, "SW-16")
{
	disk = new_disk("hda", 64);
	file_on(disk)->mapping.a_ops = &odd_aops;
	for (hole = 1; hole < 64 * FILE_BLOCKS; hole += 17)
		CHECK_EQ(area_on(disk, "x", 0), -EINVAL);
	hole = ~0ull;
	CHECK_EQ(disk->holder, NULL);
	apart = 1; /* the header itself */
	CHECK_EQ(area_on(disk, "x", 0), -EINVAL);
	apart = 40 * FILE_BLOCKS;
	CHECK_EQ(area_on(disk, "x", 0), 0);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 62);
	for (int i = 0; i < 62; i++) {
		swp_entry_t entry = get_swap_page();

		CHECK(entry.val && swp_offset(entry) != 40);
	}
	CHECK_EQ(get_swap_page().val, 0);
	for (unsigned long i = 1; i < 64; i++)
		if (i != 40)
			swap_free(swp_entry(0, i));
	swap_off();
}

static unsigned long honest_answers;

/* The blocks of the file at first; later each page lies by itself. */
static u64 changing_bmap(struct address_space *mapping, u64 block)
{
	u64 page = block / FILE_BLOCKS;

	if (!honest_answers)
		return area_bmap(mapping, block) + page * FILE_BLOCKS;
	honest_answers--;
	return area_bmap(mapping, block);
}

/* The extents of the second pass would reach far past the array that the first one asked for. */
PAGODA_TEST(a_file_whose_blocks_move_meanwhile_is_refused, "SW-16")
{
	static const struct address_space_operations changing_aops = {.bmap = changing_bmap};

	disk = new_disk("hda", 4096);
	file_on(disk)->mapping.a_ops = &changing_aops;
	honest_answers = (4096 + 1) * FILE_BLOCKS; /* the header's page, and the first pass */
	CHECK_EQ(area_on(disk, "x", 0), -EINVAL);
	CHECK_EQ(honest_answers, 0);
	CHECK_EQ(disk->holder, NULL);
	CHECK_EQ(atomic_long_read(&nr_swap_pages), 0);
}
