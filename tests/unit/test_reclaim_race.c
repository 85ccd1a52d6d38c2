/* SPDX-License-Identifier: MIT */
/*
 * test_reclaim_race.c: reclaim at its hardest against everything that maps, moves, copies
 * and drops pages, on 4 CPUs; in deterministic mode each seed is another interleaving.
 *
 * Every task has words of its own in a file that they share, and knows what they must be.
 */
#include "reclaim_file.h"

#define FILE_PAGES  24
#define CUT_PAGES   8
#define NR_WORKERS  3
#define ELSEWHERE   (BASE + PG(4096))
#define LOCKED_AREA (BASE + PG(8192))

static struct disk_file disk, cut;
static atomic_t workers_left, reclaimers_left;

/* ---- Reclaim without end ------------------------------------------------------------------ */

static void reclaim_node(pg_data_t *pgdat, int priority)
{
	struct scan_control sc = { .gfp_mask = GFP_KERNEL, .priority = priority,
				   .nr_pages = SWAP_CLUSTER_MAX, .writes_left = 4,
				   .classzone = &pgdat->node_zones[ZONE_DMA] };

	for (int i = 0; i < MAX_NR_ZONES; i++) {
		refill_inactive(&pgdat->node_zones[i], LRU_KIND_FILE, 4);
		shrink_cache(&sc, &pgdat->node_zones[i], LRU_KIND_FILE, 16);
	}
	if (sc.written)
		put_page(sc.written);
}

static void reclaim_forever(void *arg)
{
	pg_data_t *pgdat;

	(void)arg;
	while (atomic_read(&workers_left)) {
		for (int priority = 2; priority >= 1; priority--)
			for_each_pgdat(pgdat)
				reclaim_node(pgdat, priority);
		port_cond_resched();
		port_interleave();
	}
	atomic_dec(&reclaimers_left);
}

/* ---- Workers -------------------------------------------------------------------------------- */

static unsigned long word_addr(unsigned long base, unsigned int page, unsigned long who)
{
	return base + PG(page) + 64 + 4 * who;
}

/* Write and check one's words through a mapping, which moves between two places. */
static void write_and_move(unsigned long who, unsigned int rounds)
{
	unsigned long at = BASE + PG(64 * who), to = ELSEWHERE + PG(64 * who);

	CHECK_EQ(do_mmap(&disk.file, at, PG(FILE_PAGES), RW, MAP_SHARED | MAP_FIXED, 0), at);
	for (u32 round = 1; round <= rounds; round++) {
		unsigned long swap = at;

		for (unsigned int i = who; i < FILE_PAGES; i += 3)
			hosted_write32(word_addr(at, i, who), round * 100 + i);
		CHECK_EQ(do_mremap(at, PG(FILE_PAGES), PG(FILE_PAGES), MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
		at = to;
		to = swap;
		for (unsigned int i = who; i < FILE_PAGES; i += 3)
			CHECK_EQ(hosted_read32(word_addr(at, i, who)), round * 100 + i);
	}
	CHECK_EQ(do_munmap(at, PG(FILE_PAGES)), 0);
}

static void child(void *arg)
{
	unsigned long base = (unsigned long)arg;

	for (unsigned int i = 0; i < FILE_PAGES; i++) {
		CHECK_EQ(hosted_read32(base + PG(i)), disk_word(i));
		hosted_write32(base + PG(i), i); /* private: nobody else sees it */
	}
	for (unsigned int i = 0; i < FILE_PAGES; i++)
		CHECK_EQ(hosted_read32(base + PG(i)), i);
}

/* Children that copy private pages of the file, and end. */
static void fork_and_wait(unsigned int rounds)
{
	unsigned long base = BASE + PG(512);

	CHECK_EQ(do_mmap(&disk.file, base, PG(FILE_PAGES), RW, MAP_PRIVATE | MAP_FIXED, 0), base);
	for (unsigned int round = 0; round < rounds; round++) {
		struct hosted_task *task;

		(void)hosted_read32(base + PG(round % FILE_PAGES));
		task = hosted_fork(HOSTED_ANY_CPU, child, (void *)base);
		CHECK(task);
		hosted_wait(task);
	}
	CHECK_EQ(do_munmap(base, PG(FILE_PAGES)), 0);
}

/* Lock, cut off the end of another file, unlock: what is locked stays where it is. */
static void lock_and_truncate(unsigned int rounds)
{
	unsigned long base = BASE + PG(768);

	for (unsigned int round = 0; round < rounds; round++) {
		CHECK_EQ(do_mmap(&disk.file, LOCKED_AREA, PG(4), RW, MAP_SHARED | MAP_FIXED, 0), LOCKED_AREA);
		CHECK_EQ(do_mmap(&cut.file, base, PG(CUT_PAGES), RW, MAP_SHARED | MAP_FIXED, 0), base);
		CHECK_EQ(do_mlock(LOCKED_AREA, PG(4), 0), 0);
		for (unsigned int i = 0; i < CUT_PAGES; i++)
			hosted_write32(base + PG(i), round);
		truncate_inode_pages(&cut.mapping, PG(CUT_PAGES / 2));
		for (unsigned int i = 0; i < 4; i++)
			CHECK(frame_at(LOCKED_AREA + PG(i)));
		for (unsigned int i = 0; i < CUT_PAGES / 2; i++)
			CHECK_EQ(hosted_read32(base + PG(i)), round);
		CHECK_EQ(do_munlock(LOCKED_AREA, PG(2)), 0);
		CHECK_EQ(do_munmap(LOCKED_AREA, PG(4)), 0);
		CHECK_EQ(do_munmap(base, PG(CUT_PAGES)), 0);
	}
}

static void work(void *arg)
{
	unsigned long who = (unsigned long)arg;
	unsigned int rounds = 8 + test_scale(16);

	if (who == 0)
		write_and_move(who, rounds);
	else if (who == 1)
		fork_and_wait(rounds / 2);
	else
		lock_and_truncate(rounds);
	atomic_dec(&workers_left);
}

static void reclaim_against_all(void)
{
	struct hosted_task *workers[NR_WORKERS];

	new_process();
	disk_open(&disk, FILE_PAGES);
	disk_open(&cut, CUT_PAGES);
	if (reclaim_policy->init && reclaim_policy == &classic_policy)
		reclaim_policy->init();
	atomic_set(&workers_left, NR_WORKERS);
	atomic_set(&reclaimers_left, 2);
	for (unsigned long i = 0; i < NR_WORKERS; i++)
		CHECK((workers[i] = hosted_fork(HOSTED_ANY_CPU, work, (void *)i)));
	CHECK(port_thread_create("reclaim1", reclaim_forever, NULL));
	reclaim_forever(NULL);
	for (unsigned long i = 0; i < NR_WORKERS; i++)
		hosted_wait(workers[i]);
	while (atomic_read(&reclaimers_left))
		port_yield();
	CHECK_GT(vm_event(pgscan), 0);
	CHECK_EQ(nr_mlocked_pages(), 0);
	validate_lru();
	disk_close(&disk);
	disk_close(&cut);
}

PAGODA_TEST_CONFIG(reclaim_races, "RC-43 RC-44 FX-01", .nr_cpus = 4)
{
	reclaim_against_all();
}

PAGODA_TEST_CONFIG(reclaim_races_classic, "RC-43 RC-44", .nr_cpus = 4,
		   .options = "reclaim=classic")
{
	reclaim_against_all();
}

PAGODA_TEST_CONFIG(reclaim_races_deterministically, "RC-43 RC-44 FX-01", .nr_cpus = 4,
		   .deterministic = true)
{
	reclaim_against_all();
}

PAGODA_TEST_CONFIG(reclaim_races_classic_deterministically, "RC-43 RC-44", .nr_cpus = 4,
		   .deterministic = true, .options = "reclaim=classic")
{
	reclaim_against_all();
}
