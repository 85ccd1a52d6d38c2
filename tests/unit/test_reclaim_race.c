/* SPDX-License-Identifier: MIT */
/*
 * test_reclaim_race.c: reclaim at its hardest against everything that maps, moves, copies
 * and drops pages, on 4 CPUs; in deterministic mode each seed is another interleaving.
 *
 * Every task has words of its own in a file that they share, or pages that go to swap, and
 * knows what they must be.
 */
#include "reclaim_file.h"
#include "swap_process.h"

#define FILE_PAGES  24
#define CUT_PAGES   8
#define NR_WORKERS  3
#define ELSEWHERE   (BASE + PG(4096))
#define LOCKED_AREA (BASE + PG(8192))

static struct disk_file shared, cut;
static atomic_t workers_left, reclaimers_left;

/* ---- Reclaim without end ------------------------------------------------------------------ */

static void reclaim_node(pg_data_t *pgdat, int priority)
{
	struct scan_control sc = {.gfp_mask = GFP_KERNEL,
				  .priority = priority,
				  .nr_pages = SWAP_CLUSTER_MAX,
				  .writes_left = 4,
				  .classzone = &pgdat->node_zones[MAX_NR_ZONES - 1]};

	int kind;

	for (int i = 0; i < MAX_NR_ZONES; i++)
		for_each_lru_kind(kind) {
			refill_inactive(&pgdat->node_zones[i], (enum lru_kind)kind, 4);
			shrink_cache(&sc, &pgdat->node_zones[i], (enum lru_kind)kind, 16);
		}
	if (sc.written)
		put_page(sc.written);
}

static void reclaim_forever(void *arg)
{
	pg_data_t *pgdat;

	(void)arg;
	do { /* once at least: the workers may have gone before this CPU had a turn */
		lru_add_drain_all();
		for (int priority = 2; priority >= 1; priority--)
			for_each_pgdat(pgdat)
				reclaim_node(pgdat, priority);
		port_cond_resched();
		port_interleave();
	} while (atomic_read(&workers_left));
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

	CHECK_EQ(do_mmap(current_vm->mm, &shared.file, at, PG(FILE_PAGES), RW,
			 MAP_SHARED | MAP_FIXED, 0),
		 at);
	for (u32 round = 1; round <= rounds; round++) {
		unsigned long swap = at;

		for (unsigned int i = who; i < FILE_PAGES; i += 3)
			hosted_write32(word_addr(at, i, who), round * 100 + i);
		CHECK_EQ(do_mremap(current_vm->mm, at, PG(FILE_PAGES), PG(FILE_PAGES),
				   MREMAP_MAYMOVE | MREMAP_FIXED, to),
			 to);
		at = to;
		to = swap;
		for (unsigned int i = who; i < FILE_PAGES; i += 3)
			CHECK_EQ(hosted_read32(word_addr(at, i, who)), round * 100 + i);
	}
	CHECK_EQ(do_munmap(current_vm->mm, at, PG(FILE_PAGES)), 0);
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

	CHECK_EQ(do_mmap(current_vm->mm, &shared.file, base, PG(FILE_PAGES), RW,
			 MAP_PRIVATE | MAP_FIXED, 0),
		 base);
	for (unsigned int round = 0; round < rounds; round++) {
		struct hosted_task *task;

		(void)hosted_read32(base + PG(round % FILE_PAGES));
		task = hosted_fork(HOSTED_ANY_CPU, child, (void *)base);
		CHECK(task);
		hosted_wait(task);
	}
	CHECK_EQ(do_munmap(current_vm->mm, base, PG(FILE_PAGES)), 0);
}

/* Lock, cut off the end of another file, unlock: what is locked stays where it is. */
static void lock_and_truncate(unsigned int rounds)
{
	unsigned long base = BASE + PG(768);

	for (unsigned int round = 0; round < rounds; round++) {
		CHECK_EQ(do_mmap(current_vm->mm, &shared.file, LOCKED_AREA, PG(4), RW,
				 MAP_SHARED | MAP_FIXED, 0),
			 LOCKED_AREA);
		CHECK_EQ(do_mmap(current_vm->mm, &cut.file, base, PG(CUT_PAGES), RW,
				 MAP_SHARED | MAP_FIXED, 0),
			 base);
		CHECK_EQ(do_mlock(current_vm->mm, LOCKED_AREA, PG(4), 0), 0);
		for (unsigned int i = 0; i < CUT_PAGES; i++)
			hosted_write32(base + PG(i), round);
		truncate_inode_pages(&cut.mapping, PG(CUT_PAGES / 2));
		for (unsigned int i = 0; i < 4; i++)
			CHECK(frame_at(LOCKED_AREA + PG(i)));
		for (unsigned int i = 0; i < CUT_PAGES / 2; i++)
			CHECK_EQ(hosted_read32(base + PG(i)), round);
		CHECK_EQ(do_munlock(current_vm->mm, LOCKED_AREA, PG(2)), 0);
		CHECK_EQ(do_munmap(current_vm->mm, LOCKED_AREA, PG(4)), 0);
		CHECK_EQ(do_munmap(current_vm->mm, base, PG(CUT_PAGES)), 0);
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
	disk_open(&shared, FILE_PAGES);
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
	disk_close(&shared);
	disk_close(&cut);
}

PAGODA_TEST_CONFIG(reclaim_races, "RC-43 RC-44 FX-01", .nr_cpus = 4)
{
	reclaim_against_all();
}

PAGODA_TEST_CONFIG(reclaim_races_classic, "RC-43 RC-44", .nr_cpus = 4, .options = "reclaim=classic")
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

/* ---- The same of pages that go to swap, while the area comes and goes ------------------------ */

#define ANON_PAGES 24

static void fill_with(unsigned long at, u64 value)
{
	for (unsigned long i = 0; i < ANON_PAGES; i++)
		hosted_write64(at + PG(i), value + i);
}

/* The pages lie unused for a while, and may go; the first time until some have. */
static void rest(void)
{
	for (int i = 0; i < 60 || (i < 5000 && !vm_event(pswpout)); i++)
		port_yield();
}

static void check_filled_with(unsigned long at, u64 value)
{
	rest();
	for (unsigned long i = 0; i < ANON_PAGES; i++)
		CHECK_EQ(hosted_read64(at + PG(i)), value + i);
}

static void read_then_write(void *arg)
{
	unsigned long at = (unsigned long)arg;

	check_filled_with(at, 1000);
	fill_with(at, 2000);
	check_filled_with(at, 2000);
}

/* Children that share swapped pages with their parent, and copy them. */
static void anon_forks(unsigned long at)
{
	struct hosted_task *task;

	fill_with(at, 1000);
	task = hosted_fork(HOSTED_ANY_CPU, read_then_write, (void *)at);
	CHECK(task);
	check_filled_with(at, 1000);
	hosted_wait(task);
	check_filled_with(at, 1000);
}

static void anon_moves(unsigned long at)
{
	unsigned long to = at + PG(4 * ANON_PAGES);

	fill_with(at, 3000);
	CHECK_EQ(do_mremap(current_vm->mm, at, PG(ANON_PAGES), PG(ANON_PAGES),
			   MREMAP_MAYMOVE | MREMAP_FIXED, to),
		 to);
	check_filled_with(to, 3000);
	CHECK_EQ(do_mremap(current_vm->mm, to, PG(ANON_PAGES), PG(ANON_PAGES),
			   MREMAP_MAYMOVE | MREMAP_FIXED, at),
		 at);
	check_filled_with(at, 3000);
}

static void anon_locks(unsigned long at)
{
	fill_with(at, 4000);
	CHECK_EQ(do_mlock(current_vm->mm, at, PG(ANON_PAGES), 0), 0);
	for (unsigned long i = 0; i < ANON_PAGES; i++)
		CHECK(frame_at(at + PG(i)));
	check_filled_with(at, 4000);
	CHECK_EQ(do_munlock(current_vm->mm, at, PG(ANON_PAGES)), 0);
	CHECK_EQ(do_munmap(current_vm->mm, at, PG(ANON_PAGES / 2)), 0);
	(void)map_at(at, ANON_PAGES / 2, RW);
}

static void anon_work(void *arg)
{
	unsigned long who = (unsigned long)arg, at = BASE + PG(512 * who);

	(void)map_at(at, ANON_PAGES, RW);
	for (unsigned int round = 0; round < 3 + test_scale(5); round++) {
		static void (*const acts[])(unsigned long at) = {anon_forks, anon_moves,
								 anon_locks};

		acts[(who + round) % ARRAY_SIZE(acts)](at);
	}
	atomic_dec(&workers_left);
}

/*
 * certainly: pages must have been swapped, or the test was none; where that depends on luck: false.
 */
static void swapoff_against_all(bool certainly)
{
	struct hosted_task *workers[NR_WORKERS];

	new_process();
	disk_open(&shared, 1);
	if (reclaim_policy->init && reclaim_policy == &classic_policy)
		reclaim_policy->init();
	swap_on(512);
	atomic_set(&workers_left, NR_WORKERS);
	atomic_set(&reclaimers_left, 1);
	for (unsigned long i = 0; i < NR_WORKERS; i++)
		CHECK((workers[i] = hosted_fork(HOSTED_ANY_CPU, anon_work, (void *)i)));
	CHECK(port_thread_create("reclaim1", reclaim_forever, NULL));
	while (atomic_read(&workers_left)) {
		for (u64 turns = 50 + test_random_below(400); turns && atomic_read(&workers_left);
		     turns--)
			port_yield(); /* time for pages to go out */
		CHECK_EQ(sys_swapoff_bdev(disk), 0);
		CHECK_EQ(sys_swapon_bdev(disk, "/dev/hda", 0), 0);
	}
	for (unsigned long i = 0; i < NR_WORKERS; i++)
		hosted_wait(workers[i]);
	while (atomic_read(&reclaimers_left))
		port_yield();
	if (certainly)
		CHECK_GT(vm_event(pswpout), 0);
	CHECK_EQ(nr_mlocked_pages(), 0);
	validate_lru();
	swap_off();
	disk_close(&shared);
}

PAGODA_TEST_CONFIG(swapoff_races, "SW-15 RC-43 FX-01", .nr_cpus = 4)
{
	swapoff_against_all(false);
}

PAGODA_TEST_CONFIG(swapoff_races_deterministically, "SW-15 RC-43 FX-01", .nr_cpus = 4,
		   .deterministic = true)
{
	swapoff_against_all(true);
}

PAGODA_TEST_CONFIG(swapoff_races_classic_deterministically, "SW-15 RC-43", .nr_cpus = 4,
		   .deterministic = true, .options = "reclaim=classic")
{
	swapoff_against_all(false);
}
