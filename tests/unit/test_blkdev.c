/* SPDX-License-Identifier: MIT */
/*
 * test_blkdev.c: the block layer on the hosted machine's disk: transfers, merging and plugs,
 * errors, stalls, bounce copies, and progress without memory.
 */
#include "harness.h"

#include <machine/hosted_disk.h>
#include <pagoda/blkdev.h>
#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DISK_BYTES   SZ_1M
#define PAGE_SECTORS (PAGE_SIZE / SECTOR_SIZE)

static struct block_device *make_disk(struct hosted_disk_config config)
{
	config.name = "hda";
	config.bytes = DISK_BYTES;
	return hosted_disk_create(&config);
}

static u8 *bytes_of(struct page *page)
{
	return hosted_phys(PFN_PHYS(page_to_pfn(page)));
}

static int transfer(struct block_device *bdev, enum bio_op op, u64 sector, struct page *page)
{
	struct bio *bio = bio_alloc(bdev, op, sector, 1, GFP_NOIO);
	int err;

	CHECK(bio);
	if (page)
		CHECK(bio_add_page(bio, page, 0, PAGE_SIZE));
	err = submit_bio_wait(bio);
	bio_put(bio);
	return err;
}

PAGODA_TEST(what_is_written_is_read_back, "XC-03")
{
	struct block_device *bdev = make_disk((struct hosted_disk_config){0});
	struct page *out = alloc_page(GFP_KERNEL), *in = alloc_page(GFP_KERNEL);

	CHECK_EQ(find_block_device("hda"), bdev);
	CHECK(!find_block_device("hdb"));
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		bytes_of(out)[i] = (u8)(i * 7);
	CHECK_EQ(transfer(bdev, BIO_WRITE, 24, out), 0);
	CHECK_EQ(memcmp((u8 *)hosted_disk_bytes(bdev) + 24 * SECTOR_SIZE, bytes_of(out), PAGE_SIZE),
		 0);
	CHECK_EQ(transfer(bdev, BIO_READ, 24, in), 0);
	CHECK_EQ(memcmp(bytes_of(in), bytes_of(out), PAGE_SIZE), 0);
	CHECK_EQ(transfer(bdev, BIO_FLUSH, 0, NULL), 0);
	CHECK_EQ(bdev->sectors_done[BIO_WRITE], PAGE_SECTORS);
	__free_page(out);
	__free_page(in);
}

PAGODA_TEST(bios_that_do_not_fit_the_device_end_with_an_error, "")
{
	struct block_device *bdev = make_disk((struct hosted_disk_config){0});
	u64 end = bdev->nr_sectors;
	struct page *page = alloc_page(GFP_KERNEL);

	CHECK_EQ(transfer(bdev, BIO_READ, end - PAGE_SECTORS, page), 0);
	CHECK_EQ(transfer(bdev, BIO_READ, end - PAGE_SECTORS + 1, page), -EIO);
	CHECK_EQ(transfer(bdev, BIO_WRITE, end, page), -EIO);
	CHECK_EQ(transfer(bdev, BIO_READ, ~0ull, page), -EIO);
	CHECK_EQ(transfer(bdev, BIO_READ, 0, NULL), -EIO); /* nothing to read into */
	bdev->read_only = true;
	CHECK_EQ(transfer(bdev, BIO_WRITE, 0, page), -EIO);
	CHECK_EQ(transfer(bdev, BIO_READ, 0, page), 0);
	__free_page(page);
}

PAGODA_TEST(one_holder_at_a_time, "")
{
	struct block_device *bdev = make_disk((struct hosted_disk_config){0});
	int a, b;

	CHECK_EQ(claim_block_device(bdev, &a), 0);
	CHECK_EQ(claim_block_device(bdev, &b), -EBUSY);
	CHECK_EQ(claim_block_device(bdev, &a), 0);
	release_block_device(bdev, &a);
	CHECK_EQ(claim_block_device(bdev, &b), 0);
}

/* ---- Many at once ---------------------------------------------------------------------------- */

#define MANY 64u

static unsigned int nr_ended, nr_failed;

static void count_end(struct bio *bio)
{
	__atomic_fetch_add(&nr_failed, bio->error != 0, __ATOMIC_SEQ_CST);
	bio_put(bio);
	__atomic_fetch_add(&nr_ended, 1, __ATOMIC_SEQ_CST);
}

static void submit_page(struct block_device *bdev, enum bio_op op, u64 sector, struct page *page)
{
	struct bio *bio = bio_alloc(bdev, op, sector, 1, GFP_NOIO);

	CHECK(bio && bio_add_page(bio, page, 0, PAGE_SIZE));
	bio->end_io = count_end;
	submit_bio(bio);
}

static void wait_for(unsigned int n)
{
	while (__atomic_load_n(&nr_ended, __ATOMIC_SEQ_CST) < n)
		port_yield();
}

static void get_pages(struct page **pages, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		pages[i] = alloc_page(GFP_HIGHUSER_MOVABLE);
		CHECK(pages[i]);
		memset(bytes_of(pages[i]), (int)i + 1, PAGE_SIZE);
	}
}

static void put_pages(struct page **pages, unsigned int n)
{
	while (n--)
		__free_page(pages[n]);
}

static void check_disk(struct block_device *bdev, unsigned int n)
{
	const u8 *disk = hosted_disk_bytes(bdev);

	for (unsigned int i = 0; i < n; i++)
		for (unsigned int at = 0; at < PAGE_SIZE; at += 511)
			CHECK_EQ(disk[i * PAGE_SIZE + at], i + 1);
}

PAGODA_TEST(plugged_neighbours_become_one_request, "RC-04")
{
	struct block_device *bdev =
		make_disk((struct hosted_disk_config){.max_vecs = 16, .high_memory = true});
	struct page *pages[MANY];

	get_pages(pages, MANY);
	blk_start_plug();
	blk_start_plug();		      /* plugs nest */
	for (unsigned int i = 0; i < 32; i++) /* upwards ... */
		submit_page(bdev, BIO_WRITE, i * PAGE_SECTORS, pages[i]);
	for (unsigned int i = 63; i >= 32; i--) /* ... and downwards */
		submit_page(bdev, BIO_WRITE, i * PAGE_SECTORS, pages[i]);
	blk_finish_plug();
	CHECK_EQ(bdev->nr_requests[BIO_WRITE], 0); /* nothing starts before the plug is out */
	blk_finish_plug();
	wait_for(MANY);
	CHECK_EQ(nr_failed, 0);
	CHECK_EQ(bdev->nr_bios[BIO_WRITE], MANY);
	CHECK_EQ(bdev->nr_requests[BIO_WRITE], MANY / 16);
	check_disk(bdev, MANY);
	put_pages(pages, MANY);
}

PAGODA_TEST(nothing_passes_a_flush_or_what_it_overlaps_with, "")
{
	struct block_device *bdev = make_disk((struct hosted_disk_config){.high_memory = true});
	struct bio *flush = bio_alloc(bdev, BIO_FLUSH, 0, 1, GFP_NOIO);
	struct page *pages[4];

	get_pages(pages, 4);
	blk_start_plug();
	submit_page(bdev, BIO_WRITE, 0, pages[0]);
	flush->end_io = count_end;
	submit_bio(flush);
	/* continues the first, but after the flush */
	submit_page(bdev, BIO_WRITE, PAGE_SECTORS, pages[1]);
	submit_page(bdev, BIO_WRITE, PAGE_SECTORS, pages[2]); /* the later one wins */
	/* would fit before the second, across the third */
	submit_page(bdev, BIO_WRITE, 0, pages[3]);
	blk_finish_plug();
	wait_for(5);
	CHECK_EQ(bdev->nr_requests[BIO_FLUSH], 1);
	CHECK_EQ(bdev->nr_requests[BIO_WRITE], 3); /* the last joins the third */
	CHECK_EQ(((u8 *)hosted_disk_bytes(bdev))[0], 4);
	CHECK_EQ(((u8 *)hosted_disk_bytes(bdev))[PAGE_SIZE], 3);
	put_pages(pages, 4);
}

PAGODA_TEST(an_error_is_its_requests_alone, "")
{
	struct block_device *bdev =
		make_disk((struct hosted_disk_config){.max_vecs = 1, .high_memory = true});
	struct page *pages[MANY];

	get_pages(pages, MANY);
	hosted_disk_fail_sectors(bdev, BIO_WRITE, 10 * PAGE_SECTORS, 12 * PAGE_SECTORS);
	for (unsigned int i = 0; i < MANY; i++)
		submit_page(bdev, BIO_WRITE, i * PAGE_SECTORS, pages[i]);
	wait_for(MANY);
	CHECK_EQ(nr_failed, 2);
	CHECK_EQ(((u8 *)hosted_disk_bytes(bdev))[9 * PAGE_SIZE], 10);
	CHECK_EQ(((u8 *)hosted_disk_bytes(bdev))[10 * PAGE_SIZE], 0);
	hosted_disk_fail_sectors(bdev, BIO_WRITE, 0, 0);
	hosted_disk_fail_nth(bdev, 2);
	CHECK_EQ(transfer(bdev, BIO_READ, 0, pages[0]), 0);
	CHECK_EQ(transfer(bdev, BIO_READ, 0, pages[0]), -EIO);
	CHECK_EQ(transfer(bdev, BIO_READ, 0, pages[0]), 0);
	put_pages(pages, MANY);
}

static unsigned int tried_alone;

static void watch_retries(void *arg, enum bio_op op, u64 sector, struct page *page)
{
	const struct block_device *bdev = arg;

	(void)op, (void)sector, (void)page;
	if (READ_ONCE(bdev->retrying)) {
		CHECK_EQ(READ_ONCE(bdev->nr_in_flight), 1);
		tried_alone++;
	}
}

PAGODA_TEST(a_bad_sector_costs_no_neighbour_of_a_merged_request, "")
{
	struct block_device *bdev =
		make_disk((struct hosted_disk_config){.max_vecs = 32, .high_memory = true});
	struct page *pages[MANY];

	get_pages(pages, MANY);
	hosted_disk_fail_sectors(bdev, BIO_WRITE, 10 * PAGE_SECTORS, 10 * PAGE_SECTORS + 1);
	hosted_disk_watch(bdev, watch_retries, bdev);
	blk_start_plug();
	for (unsigned int i = 0; i < MANY; i++)
		submit_page(bdev, BIO_WRITE, i * PAGE_SECTORS, pages[i]);
	blk_finish_plug();
	wait_for(MANY);
	CHECK_EQ(nr_failed, 1);
	CHECK_EQ(((u8 *)hosted_disk_bytes(bdev))[10 * PAGE_SIZE], 0);
	CHECK_EQ(((u8 *)hosted_disk_bytes(bdev))[9 * PAGE_SIZE], 10);
	CHECK_EQ(((u8 *)hosted_disk_bytes(bdev))[11 * PAGE_SIZE], 12);
	CHECK_EQ(bdev->nr_requests[BIO_WRITE], 2 + 32); /* one was taken apart */
	CHECK_EQ(tried_alone, 31);
	put_pages(pages, MANY);
}

PAGODA_TEST_CONFIG(stalled_disk_holds_up_nobody_else, "", .nr_cpus = 2)
{
	struct block_device *bdev = make_disk(
		(struct hosted_disk_config){.max_vecs = 1, .depth = 2, .high_memory = true});
	struct page *pages[MANY];

	get_pages(pages, MANY);
	hosted_disk_stall(bdev, true);
	for (unsigned int i = 0; i < MANY; i++)
		submit_page(bdev, BIO_WRITE, i * PAGE_SECTORS, pages[i]);
	for (int i = 0; i < 100; i++)
		port_yield();
	CHECK_EQ(nr_ended, 0);
	CHECK_EQ(bdev->nr_in_flight, 2);
	hosted_disk_stall(bdev, false);
	wait_for(MANY);
	CHECK_EQ(nr_failed, 0);
	check_disk(bdev, MANY);
	put_pages(pages, MANY);
}

PAGODA_TEST_CONFIG(a_disk_takes_its_time, "", .deterministic = true, .nr_cpus = 2)
{
	struct block_device *bdev =
		make_disk((struct hosted_disk_config){.delay_ns = 5000000, .high_memory = true});
	struct page *page = alloc_page(GFP_KERNEL);
	u64 began = port_clock_ns();

	CHECK_EQ(transfer(bdev, BIO_READ, 0, page), 0);
	CHECK_EQ(transfer(bdev, BIO_READ, 8, page), 0);
	CHECK_GE(port_clock_ns() - began, 10000000);
	CHECK_GE(bdev->ns_spent[BIO_READ], 10000000);
	__free_page(page);
}

PAGODA_TEST(a_disk_in_a_file_keeps_what_is_written, "")
{
	char path[] = "/tmp/pagoda-disk-XXXXXX";
	struct page *page = alloc_page(GFP_KERNEL);
	struct block_device *bdev;
	int fd = mkstemp(path);

	CHECK(fd >= 0 && ftruncate(fd, DISK_BYTES) == 0);
	bdev = make_disk((struct hosted_disk_config){.path = path});
	memset(bytes_of(page), 0x5a, PAGE_SIZE);
	CHECK_EQ(transfer(bdev, BIO_WRITE, 16, page), 0);
	hosted_disks_end();
	bdev = make_disk((struct hosted_disk_config){.path = path});
	memset(bytes_of(page), 0, PAGE_SIZE);
	CHECK_EQ(transfer(bdev, BIO_READ, 16, page), 0);
	CHECK_EQ(bytes_of(page)[4000], 0x5a);
	hosted_disks_end();
	CHECK(close(fd) == 0 && unlink(path) == 0);
	__free_page(page);
}

/* ---- High memory and no memory --------------------------------------------------------------- */

PAGODA_TEST_CONFIG(high_pages_reach_a_low_device_by_copies, "HM-10", .exact = true,
		   .ram = 1200 * SZ_1M)
{
	/* hosted_fatal() if it meets a high page */
	struct block_device *bdev = make_disk((struct hosted_disk_config){0});
	struct page *pages[MANY], *in;

	if (!HAVE_HIGHMEM)
		SKIP("no high memory in this geometry");
	get_pages(pages, MANY);
	CHECK(PageHighMem(pages[0]));
	for (unsigned int i = 0; i < MANY; i++)
		submit_page(bdev, BIO_WRITE, i * PAGE_SECTORS, pages[i]);
	wait_for(MANY);
	CHECK_EQ(nr_failed, 0);
	check_disk(bdev, MANY);
	in = alloc_page(GFP_HIGHUSER_MOVABLE);
	CHECK_EQ(transfer(bdev, BIO_READ, 5 * PAGE_SECTORS, in), 0);
	CHECK_EQ(bytes_of(in)[100], 6);
	hosted_disk_fail_nth(bdev, 1);
	CHECK_EQ(transfer(bdev, BIO_READ, 6 * PAGE_SECTORS, in), -EIO);
	CHECK_EQ(bytes_of(in)[100], 6); /* nothing of a failed read arrives */
	__free_page(in);
	put_pages(pages, MANY);
}

PAGODA_TEST_CONFIG(transfers_go_on_without_any_memory, "FX-24", .nr_cpus = 2, .ram = 1200 * SZ_1M)
{
	struct block_device *bdev = make_disk((struct hosted_disk_config){0});
	struct page *pages[MANY];

	get_pages(pages, MANY);
	hosted_fail_one_in(1); /* every allocation from here on */
	for (unsigned int i = 0; i < MANY; i++)
		submit_page(bdev, BIO_WRITE, i * PAGE_SECTORS, pages[i]);
	wait_for(MANY);
	hosted_fail_one_in(0);
	CHECK_EQ(nr_failed, 0);
	check_disk(bdev, MANY);
	put_pages(pages, MANY);
}

/* ---- Against a model ------------------------------------------------------------------------- */

/*
 * Rounds of random bios on ranges that do not overlap, pieces of random sizes in pages of any
 * zone, plugged or not, on a disk with a bad range: exactly the bios that touch it fail, and
 * memory and disk are afterwards what copying byte by byte makes of them.
 */
#define MODEL_SECTORS (DISK_BYTES / SECTOR_SIZE)
#define BIO_PIECES    6u

static u8 model[DISK_BYTES];

struct expected {
	struct page *pages[BIO_PIECES];
	unsigned int offset[BIO_PIECES], len[BIO_PIECES], nr;
	u64 start, end; /* sectors */
	enum bio_op op;
	int error;
	bool ended;
};

static void note_end(struct bio *bio)
{
	struct expected *e = bio->private;

	e->error = bio->error;
	bio_put(bio);
	__atomic_store_n(&e->ended, true, __ATOMIC_RELEASE);
}

/* A bio from sector start on. */
static void submit_random(struct block_device *bdev, struct expected *e, u64 start)
{
	struct bio *bio;

	*e = (struct expected){
		.op = test_random_below(2) ? BIO_WRITE : BIO_READ, .start = start, .end = start};
	bio = bio_alloc(bdev, e->op, start, BIO_PIECES, GFP_NOIO);
	CHECK(bio);
	for (u64 want = 1 + test_random_below(BIO_PIECES);
	     e->nr < want && e->end < MODEL_SECTORS - 8; e->nr++) {
		u64 first = test_random_below(PAGE_SECTORS),
		    n = 1 + test_random_below(PAGE_SECTORS - first);
		struct page *page = alloc_page(GFP_HIGHUSER_MOVABLE);

		CHECK(page);
		memset(bytes_of(page), (int)test_random_below(256), PAGE_SIZE);
		e->pages[e->nr] = page;
		e->offset[e->nr] = (unsigned int)first * SECTOR_SIZE;
		e->len[e->nr] = (unsigned int)n * SECTOR_SIZE;
		CHECK(bio_add_page(bio, page, e->offset[e->nr], e->len[e->nr]));
		e->end += n;
	}
	bio->private = e;
	bio->end_io = note_end;
	submit_bio(bio);
}

/* What a failed write leaves on the disk is not promised. */
static void check_random(const u8 *disk, struct expected *e, u64 bad_start, u64 bad_end)
{
	bool bad = e->op == BIO_WRITE && bad_start < bad_end && e->start < bad_end &&
		   e->end > bad_start;
	u8 *at = model + e->start * SECTOR_SIZE;

	while (!__atomic_load_n(&e->ended, __ATOMIC_ACQUIRE))
		port_yield();
	CHECK_EQ(e->error, bad ? -EIO : 0);
	for (unsigned int i = 0; i < e->nr; at += e->len[i++]) {
		if (e->op == BIO_READ)
			CHECK_MEM(bytes_of(e->pages[i]) + e->offset[i], at, e->len[i]);
		else
			memcpy(at, bad ? disk + (at - model) : bytes_of(e->pages[i]) + e->offset[i],
			       e->len[i]);
		__free_page(e->pages[i]);
	}
}

static void one_round(struct block_device *bdev)
{
	static struct expected expected[64];
	u64 sector = test_random_below(200), bad = test_random_below(MODEL_SECTORS);
	u64 bad_end = bad + test_random_below(20);
	bool plug = test_random_below(2);
	unsigned int n = 0;

	hosted_disk_fail_sectors(bdev, BIO_WRITE, bad, bad_end);
	if (plug)
		blk_start_plug();
	while (n < ARRAY_SIZE(expected) && sector < MODEL_SECTORS - 16) {
		submit_random(bdev, &expected[n], sector);
		sector = expected[n++].end + (test_random_below(4) ? 0 : test_random_below(50));
	}
	if (plug)
		blk_finish_plug();
	for (unsigned int i = 0; i < n; i++)
		check_random(hosted_disk_bytes(bdev), &expected[i], bad, bad_end);
	CHECK_MEM((u8 *)hosted_disk_bytes(bdev), model, DISK_BYTES);
}

static void against_model(struct hosted_disk_config config)
{
	struct block_device *bdev = make_disk(config);

	for (unsigned int i = 0; i < test_scale(60); i++)
		one_round(bdev);
	CHECK_LT(bdev->nr_requests[BIO_READ], bdev->nr_bios[BIO_READ]);
}

PAGODA_TEST_CONFIG(random_bios_do_what_copying_does, "", .nr_cpus = 2)
{
	against_model((struct hosted_disk_config){.high_memory = true});
}
PAGODA_TEST_CONFIG(random_bios_bounce_or_not, "HM-10", .ram = 1200 * SZ_1M, .nr_cpus = 2)
{
	if (!HAVE_HIGHMEM)
		SKIP("no high memory in this geometry");
	against_model((struct hosted_disk_config){.depth = 2});
}
PAGODA_TEST_CONFIG(random_bios_step_by_step, "", .nr_cpus = 3, .deterministic = true)
{
	against_model((struct hosted_disk_config){.max_vecs = 8, .depth = 3, .high_memory = true});
}

/* ---- Several CPUs ---------------------------------------------------------------------------- */

static struct block_device *raced;

static void write_and_read(void *arg)
{
	unsigned int me = (unsigned int)(unsigned long)arg;
	struct page *page = alloc_page(GFP_KERNEL);

	for (unsigned int i = 0; i < test_scale(100); i++) {
		u64 sector = (me * 8 + i % 8) * PAGE_SECTORS;

		memset(bytes_of(page), (int)(me + i), PAGE_SIZE);
		CHECK_EQ(transfer(raced, BIO_WRITE, sector, page), 0);
		memset(bytes_of(page), 0, PAGE_SIZE);
		CHECK_EQ(transfer(raced, BIO_READ, sector, page), 0);
		CHECK_EQ(bytes_of(page)[PAGE_SIZE - 1], (u8)(me + i));
	}
	__free_page(page);
}

static void race(void)
{
	struct hosted_task *tasks[4];

	raced = make_disk((struct hosted_disk_config){.depth = 2, .high_memory = true});
	for (unsigned long i = 0; i < ARRAY_SIZE(tasks); i++)
		tasks[i] = hosted_spawn("io", HOSTED_ANY_CPU, write_and_read, (void *)i);
	for (unsigned long i = 0; i < ARRAY_SIZE(tasks); i++)
		hosted_wait(tasks[i]);
	CHECK_EQ(raced->nr_in_flight, 0);
	CHECK(list_empty(&raced->queued));
}

PAGODA_TEST_CONFIG(cpus_share_a_disk, "", .nr_cpus = 4)
{
	race();
}

PAGODA_TEST_CONFIG(cpus_share_a_disk_step_by_step, "", .nr_cpus = 4, .deterministic = true)
{
	race();
}
