/* SPDX-License-Identifier: MIT */
/*
 * test_slab_cpu.c: the arrays of free objects that each CPU has in front of a cache.
 */
#include "report.h"

#include <mm/slab/slab_internal.h>

#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>

static kmem_cache_t *make_cache(size_t size)
{
	kmem_cache_t *cachep = kmem_cache_create("test", size, 0, 0, NULL, NULL);

	CHECK(cachep);
	return cachep;
}

static cpucache_t *array_of(kmem_cache_t *cachep, unsigned int cpu)
{
	return cachep->cpudata[cpu];
}

PAGODA_TEST(first_allocation_fills_a_batch, "SL-53 SL-55 SL-56 SL-57 SL-62")
{
	kmem_cache_t *cachep = make_cache(100);
	cpucache_t *cc = array_of(cachep, 0);
	void *objs[253];

	CHECK_EQ(cc->limit, 252);
	CHECK_EQ(cachep->batchcount, 126);
	objs[0] = kmem_cache_alloc(cachep, GFP_KERNEL);
	/* What the new slab has, at most a batch. */
	CHECK_EQ(cc->avail, min(cachep->num, 126u) - 1);
	CHECK_EQ(cc->allocmiss, 1);
	for (unsigned int i = 1; i < 253; i++)
		objs[i] = kmem_cache_alloc(cachep, GFP_KERNEL);
	CHECK_EQ(cachep->high_mark, cachep->active_objs);
	drain_cpu_caches(cachep);
	CHECK_EQ(cc->avail, 0);
	for (unsigned int i = 0; i < 252; i++)
		kmem_cache_free(cachep, objs[i]);
	CHECK_EQ(cc->avail, 252);
	CHECK_EQ(cc->freemiss, 0);
	kmem_cache_free(cachep, objs[252]);
	CHECK_EQ(cc->avail, 252 - 126 + 1);
	CHECK_EQ(cc->freemiss, 1);
	for (unsigned int i = 0; i < cc->avail; i++)
		CHECK_EQ(GET_PAGE_CACHE(virt_to_page(cc_entry(cc)[i])), cachep);
	validate_slab();
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

/* Of a full array the older half goes back to the slabs: what was used last is used next. */
PAGODA_TEST(full_array_gives_its_oldest_objects_back, "SL-55 SL-05")
{
	kmem_cache_t *cachep = make_cache(100);
	void *objs[253];

	for (unsigned int i = 0; i < ARRAY_SIZE(objs); i++)
		objs[i] = kmem_cache_alloc(cachep, GFP_KERNEL);
	drain_cpu_caches(cachep);
	for (unsigned int i = 0; i < ARRAY_SIZE(objs); i++)
		kmem_cache_free(cachep, objs[i]);
	CHECK_EQ(array_of(cachep, 0)->avail, 252 - 126 + 1);
	for (unsigned int i = 253; i-- > 126;)
		CHECK_EQ(kmem_cache_alloc(cachep, GFP_KERNEL), objs[i]);
	for (unsigned int i = 126; i < 253; i++)
		kmem_cache_free(cachep, objs[i]);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

PAGODA_TEST(pairs_hit_the_array_last_in_first_out, "SL-54 SL-62 SM-03")
{
	kmem_cache_t *cachep = make_cache(64);
	cpucache_t *cc = array_of(cachep, 0);
	void *a, *b;

	for (unsigned int i = 0; i < 1000; i++)
		kmem_cache_free(cachep, kmem_cache_alloc(cachep, GFP_KERNEL));
	CHECK_EQ(cc->allocmiss, 1);
	CHECK_EQ(cpucache_allochit(cc), 999);
	CHECK_EQ(cpucache_freehit(cc), 1000);
	CHECK_EQ(cc->freemiss, 0);
	a = kmem_cache_alloc(cachep, GFP_KERNEL);
	b = kmem_cache_alloc(cachep, GFP_KERNEL);
	kmem_cache_free(cachep, a);
	kmem_cache_free(cachep, b);
	CHECK_EQ(kmem_cache_alloc(cachep, GFP_KERNEL), b);
	CHECK_EQ(kmem_cache_alloc(cachep, GFP_KERNEL), a);
	kmem_cache_free(cachep, a);
	kmem_cache_free(cachep, b);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

/* The lock is held by us: a hit must not want it. */
PAGODA_TEST(hits_do_not_take_the_lock, "SL-54 SM-03")
{
	kmem_cache_t *cachep = make_cache(64);
	unsigned long flags;

	kmem_cache_free(cachep, kmem_cache_alloc(cachep, GFP_KERNEL));
	spin_lock_irqsave(&cachep->spinlock, flags);
	for (unsigned int i = 0; i < 100; i++)
		kmem_cache_free(cachep, kmem_cache_alloc(cachep, GFP_ATOMIC));
	spin_unlock_irqrestore(&cachep->spinlock, flags);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

PAGODA_TEST(objects_above_a_page_have_no_arrays, "SL-57")
{
	kmem_cache_t *big = make_cache(4097), *small;

	CHECK_EQ(big->limit, 0);
	CHECK_EQ(array_of(big, 0), &no_cpucache);
	kmem_cache_free(big, kmem_cache_alloc(big, GFP_KERNEL));
	CHECK_EQ(big->direct_allocs, 1);
	CHECK_EQ(kmem_cache_destroy(big), 0);
	small = make_cache(500);
	CHECK_EQ(array_of(small, 0)->limit, 124);
	CHECK_EQ(kmem_cache_destroy(small), 0);
	small = make_cache(2000);
	CHECK_EQ(array_of(small, 0)->limit, 60);
	CHECK_EQ(kmem_cache_destroy(small), 0);
}

PAGODA_TEST(size_caches_got_arrays_after_boot, "SL-58")
{
	kmem_cache_t *cachep;

	mutex_lock(&cache_chain_sem);
	for_each_cache(cachep)
		CHECK_EQ(array_of(cachep, 0)->limit, cachep->limit);
	mutex_unlock(&cache_chain_sem);
	CHECK_EQ(array_of(&cache_cache, 0)->limit, cache_cache.limit);
	CHECK_EQ(array_of(kmem_find_general_cachep(32, 0), 0)->limit, 252);
}

PAGODA_TEST_CONFIG(late_cpus_get_arrays_when_threads_start, "SL-58", .nr_cpus = 4,
		   .start_threads = true)
{
	for (unsigned int cpu = 0; cpu < 4; cpu++)
		CHECK_EQ(array_of(kmem_find_general_cachep(32, 0), cpu)->limit, 252);
}

PAGODA_TEST(resizing_keeps_every_object, "SL-59")
{
	kmem_cache_t *cachep = make_cache(64);
	void *objs[300];

	for (unsigned int i = 0; i < 300; i++)
		objs[i] = kmem_cache_alloc(cachep, GFP_KERNEL);
	for (unsigned int i = 0; i < 200; i++)
		kmem_cache_free(cachep, objs[i]);
	CHECK_EQ(kmem_tune_cpucache(cachep, 10, 5), 0);
	CHECK_EQ(array_of(cachep, 0)->limit, 10);
	validate_slab();
	CHECK_EQ(cachep->active_objs, 100);
	CHECK_EQ(kmem_tune_cpucache(cachep, 0, 0), 0);
	CHECK_EQ(array_of(cachep, 0), &no_cpucache);
	CHECK_EQ(kmem_tune_cpucache(cachep, 5, 10), -EINVAL);
	hosted_fail_nth(1);
	CHECK_EQ(kmem_tune_cpucache(cachep, 100, 50), -ENOMEM);
	hosted_fail_nth(0);
	CHECK_EQ(array_of(cachep, 0), &no_cpucache);
	for (unsigned int i = 200; i < 300; i++)
		kmem_cache_free(cachep, objs[i]);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

/* ---- Several CPUs --------------------------------------------------------------------- */

static kmem_cache_t *shared;
static void *parked;
static int stop;

static void park_one(void *unused)
{
	(void)unused;
	parked = kmem_cache_alloc(shared, GFP_KERNEL);
	kmem_cache_free(shared, parked);
}

PAGODA_TEST_CONFIG(objects_parked_on_another_cpu_do_not_hold_a_slab, "SL-60 SL-05 SL-51",
		   .nr_cpus = 2, .start_threads = true)
{
	shared = make_cache(64);
	hosted_wait(hosted_spawn("park", 1, park_one, NULL));
	CHECK_GT(array_of(shared, 1)->avail, 0);
	CHECK_EQ(shared->nr_free_slabs, 0);
	CHECK_EQ(kmem_cache_shrink(shared), 1);
	CHECK_EQ(array_of(shared, 1)->avail, 0);
	CHECK_EQ(kmem_cache_destroy(shared), 0);
}

static void *twice;

static void free_and_take(void *unused)
{
	(void)unused;
	kmem_cache_free(shared, twice);
	CHECK_EQ(kmem_cache_alloc(shared, GFP_KERNEL), twice);
}

/* The other CPU takes what it has just freed unseen; here it is no longer the latest. */
PAGODA_TEST_CONFIG(object_freed_on_two_cpus_is_handed_out_once, "SL-36 SL-11", .exact = true,
		   .nr_cpus = 2, .start_threads = true)
{
	void *y, *z;

	shared = make_cache(64);
	twice = kmem_cache_alloc(shared, GFP_KERNEL);
	y = kmem_cache_alloc(shared, GFP_KERNEL);
	kmem_cache_free(shared, twice);
	kmem_cache_free(shared, y);
	hosted_wait(hosted_spawn("again", 1, free_and_take, NULL));
	CHECK_EQ(kmem_cache_alloc(shared, GFP_KERNEL), y);
	EXPECT_REPORT("freed twice", { z = kmem_cache_alloc(shared, GFP_KERNEL); });
	CHECK(z && z != twice && z != y);
	kmem_cache_free(shared, twice);
	kmem_cache_free(shared, y);
	kmem_cache_free(shared, z);
	CHECK_EQ(kmem_cache_destroy(shared), 0);
}

/* ---- A CPU keeps to its own slabs ------------------------------------------------------- */

#define OWN_OBJS 600

static void *own_objs[2][OWN_OBJS];

static void take_own(void *cpu)
{
	for (unsigned int i = 0; i < OWN_OBJS; i++)
		own_objs[(unsigned long)cpu][i] = kmem_cache_alloc(shared, GFP_KERNEL);
}

static void give_own(void *cpu)
{
	for (unsigned int i = 0; i < OWN_OBJS; i++)
		if (own_objs[(unsigned long)cpu][i])
			kmem_cache_free(shared, own_objs[(unsigned long)cpu][i]);
}

static void each_cpu(void (*fn)(void *cpu))
{
	fn((void *)0ul);
	hosted_wait(hosted_spawn("other", 1, fn, (void *)1ul));
}

static bool on_a_slab_of(const void *obj, unsigned int cpu)
{
	for (unsigned int i = 0; i < OWN_OBJS; i++)
		if (own_objs[cpu][i] && virt_to_page(own_objs[cpu][i]) == virt_to_page(obj))
			return true;
	return false;
}

/* Again and again, as it is the second time that objects of both come from the same lists. */
PAGODA_TEST_CONFIG(no_slab_serves_two_cpus, "SL-29 SM-03", .nr_cpus = 2, .start_threads = true)
{
	shared = make_cache(100);
	for (int round = 0; round < 4; round++) {
		each_cpu(take_own);
		for (unsigned int i = 0; i < OWN_OBJS; i++)
			CHECK(!on_a_slab_of(own_objs[0][i], 1));
		validate_slab();
		each_cpu(give_own);
	}
	CHECK_EQ(kmem_cache_destroy(shared), 0);
}

static void *last_resort;

static void take_without_memory(void *unused)
{
	(void)unused;
	hosted_fail_nth(2); /* the first question is the cache's own, the second that for a page */
	last_resort = kmem_cache_alloc(shared, GFP_KERNEL | __GFP_NOWARN);
	hosted_fail_nth(0);
}

/* A page cannot be had, or most objects are free: then another CPU's slab is as good. */
PAGODA_TEST_CONFIG(slabs_of_another_cpu_are_the_last_resort, "SL-29 SL-23", .exact = true,
		   .nr_cpus = 2, .start_threads = true)
{
	unsigned long grown;

	shared = make_cache(100);
	CHECK_EQ(kmem_tune_cpucache(shared, 0, 0), 0);
	take_own((void *)0ul);
	grown = shared->grown;
	CHECK_LT(shared->active_objs, shared->nr_slabs * shared->num);
	hosted_wait(hosted_spawn("poor", 1, take_without_memory, NULL));
	CHECK_EQ(shared->grown, grown);
	CHECK(last_resort);
	kmem_cache_free(shared, last_resort);
	for (unsigned int i = 0; i < OWN_OBJS; i++)
		if (i % 4) {
			kmem_cache_free(shared, own_objs[0][i]);
			own_objs[0][i] = NULL;
		}
	hosted_wait(hosted_spawn("other", 1, take_own, (void *)1ul));
	CHECK_LT(shared->grown, grown + OWN_OBJS / shared->num);
	each_cpu(give_own);
	CHECK_EQ(kmem_cache_destroy(shared), 0);
}

static void churn(void *seed)
{
	u64 x = (unsigned long)seed * 0x9e3779b97f4a7c15ull + test_seed();
	struct {
		u64 *obj;
	} held[200] = {{NULL}};

	for (unsigned int i = 0;
	     i < test_scale(100000) && !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		unsigned int slot = (unsigned int)((x >> 33) % ARRAY_SIZE(held));

		x = x * 6364136223846793005ull + 1442695040888963407ull;
		if (held[slot].obj) {
			CHECK_EQ(*held[slot].obj, (u64)(unsigned long)&held[slot]);
			*held[slot].obj = 0;
			kmem_cache_free(shared, held[slot].obj);
			held[slot].obj = NULL;
		} else {
			held[slot].obj = kmem_cache_alloc(shared, GFP_KERNEL);
			CHECK(held[slot].obj);
			*held[slot].obj = (u64)(unsigned long)&held[slot];
		}
	}
	for (unsigned int slot = 0; slot < ARRAY_SIZE(held); slot++)
		if (held[slot].obj)
			kmem_cache_free(shared, held[slot].obj);
}

static void churn_on(unsigned int cpus, void (*meanwhile)(void))
{
	struct hosted_task *tasks[NR_CPUS];

	for (unsigned int cpu = 1; cpu < cpus; cpu++)
		tasks[cpu] = hosted_spawn("churn", (int)cpu, churn, (void *)(unsigned long)cpu);
	meanwhile();
	for (unsigned int cpu = 1; cpu < cpus; cpu++)
		hosted_wait(tasks[cpu]);
	validate_slab();
}

static void churn_here(void)
{
	churn((void *)100ul);
}

PAGODA_TEST_CONFIG(four_cpus_share_a_cache, "SL-54 SM-01 SM-03", .nr_cpus = 4,
		   .start_threads = true)
{
	shared = make_cache(40);
	churn_on(4, churn_here);
	CHECK_EQ(kmem_cache_destroy(shared), 0);
}

static void resize_often(void)
{
	for (unsigned int i = 0; i < test_scale(400); i++) {
		/* Often none at all: CPUs that have not swapped yet still hold full arrays. */
		unsigned int limit = i % 2 ? (unsigned int)test_random_below(60) : 0;

		CHECK_EQ(kmem_tune_cpucache(shared, limit, (limit + 1) / 2), 0);
	}
}

PAGODA_TEST_CONFIG(resizing_under_load_loses_nothing, "SL-59 SM-04", .nr_cpus = 4,
		   .start_threads = true)
{
	shared = make_cache(40);
	churn_on(4, resize_often);
	CHECK_EQ(kmem_cache_destroy(shared), 0);
}

static void shrink_often(void)
{
	for (unsigned int i = 0; i < test_scale(1000); i++) {
		kmem_cache_shrink(shared);
		kmem_cache_reap(GFP_KERNEL);
	}
}

PAGODA_TEST_CONFIG(shrinking_under_load_destroys_no_slab_in_use, "SL-52 SL-60 SL-51", .nr_cpus = 4,
		   .start_threads = true)
{
	shared = make_cache(1000);
	churn_on(4, shrink_often);
	CHECK_EQ(kmem_cache_destroy(shared), 0);
}

PAGODA_TEST_CONFIG(shared_cache_with_interleaving, "SL-54 SM-13", .nr_cpus = 2,
		   .start_threads = true, .deterministic = true)
{
	shared = make_cache(600);
	churn_on(2, churn_here);
	CHECK_EQ(kmem_cache_destroy(shared), 0);
}

PAGODA_TEST_CONFIG(four_cpus_interleaved_under_resizing, "SL-59 SM-13", .nr_cpus = 4,
		   .start_threads = true, .deterministic = true)
{
	shared = make_cache(40);
	churn_on(4, resize_often);
	CHECK_EQ(kmem_cache_destroy(shared), 0);
}

PAGODA_TEST_CONFIG(four_cpus_interleaved_under_shrinking, "SL-52 SM-13", .nr_cpus = 4,
		   .start_threads = true, .deterministic = true)
{
	shared = make_cache(1000);
	churn_on(4, shrink_often);
	CHECK_EQ(kmem_cache_destroy(shared), 0);
}

static void alloc_in_interrupt(void *unused)
{
	(void)unused;
	for (unsigned int i = 0; i < 10; i++) {
		void *obj = kmem_cache_alloc(shared, SLAB_ATOMIC);

		if (obj)
			kmem_cache_free(shared, obj);
	}
}

/* Interrupts of this CPU between its own allocations; lock debugging watches for sleeping. */
PAGODA_TEST_CONFIG(interrupts_allocate_too, "SL-38 SL-54 PA-28", .nr_cpus = 2,
		   .start_threads = true)
{
	struct hosted_task *task;

	shared = make_cache(300);
	task = hosted_spawn("churn", 1, churn, (void *)1ul);
	for (unsigned int i = 0; i < test_scale(2000); i++)
		port_on_each_cpu(2, alloc_in_interrupt, NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	hosted_wait(task);
	CHECK_EQ(kmem_cache_destroy(shared), 0);
}

/*
 * CPU 0 remembers the object that it took last. Then another CPU frees it, the slab goes, and its
 * frame is used for objects of another size, one of them at the same address, which CPU 0 frees.
 */
#define REUSE_TRIES 4096

#define FRESH_SLABS \
	200 /* after that many objects, new ones come from slabs that nobody else uses */

struct reuse {
	/* of 100 bytes; the last one, at nr - 1, is the remembered one */
	void *objs[2 * FRESH_SLABS];
	unsigned int nr;
	void *kept[REUSE_TRIES]; /* of 1000 bytes, none at the remembered address but the last */
	unsigned int nr_kept;
};

static void free_and_reuse_frame(void *arg)
{
	struct reuse *reuse = arg;
	void *remembered = reuse->objs[reuse->nr - 1];

	for (unsigned int i = 0; i < reuse->nr; i++)
		kfree(reuse->objs[i]);
	(void)kmem_cache_shrink(kmem_find_general_cachep(100, 0));
	while (reuse->nr_kept < REUSE_TRIES) {
		reuse->kept[reuse->nr_kept++] = kmalloc(1000, GFP_KERNEL);
		if (reuse->kept[reuse->nr_kept - 1] == remembered)
			return;
	}
}

PAGODA_TEST_CONFIG(remembered_object_is_forgotten_with_its_slab, "SL-51 SL-54", .exact = true,
		   .nr_cpus = 2, .start_threads = true)
{
	static struct reuse reuse;
	cpucache_t *small = array_of(kmem_find_general_cachep(100, 0), 0);
	cpucache_t *large = array_of(kmem_find_general_cachep(1000, 0), 0);
	unsigned int small_avail, large_avail;
	void *obj;

	do
		reuse.objs[reuse.nr++] = kmalloc(100, GFP_KERNEL);
	while (reuse.nr < FRESH_SLABS || (unsigned long)reuse.objs[reuse.nr - 1] % 1024);
	obj = reuse.objs[reuse.nr - 1];
	hosted_wait(hosted_spawn("reuse", 1, free_and_reuse_frame, &reuse));
	CHECK_EQ(reuse.kept[reuse.nr_kept - 1], obj);
	small_avail = small->avail;
	large_avail = large->avail;
	kfree(obj);
	CHECK_EQ(small->avail, small_avail);
	CHECK_EQ(large->avail, large_avail + 1);
	for (unsigned int i = 0; i + 1 < reuse.nr_kept; i++)
		kfree(reuse.kept[i]);
	validate_slab();
}

/* Resizing replaces the arrays: what a CPU remembers must not lead to its old one. */
static void *remembered;

static void take_and_remember(void *unused)
{
	(void)unused;
	kfree(kmalloc(100, GFP_KERNEL)); /* fills the array */
	remembered = kmalloc(100, GFP_KERNEL);
}

static void give_back_and_ignore_null(void *unused)
{
	(void)unused;
	kfree(remembered);
	kfree(NULL);
}

PAGODA_TEST_CONFIG(remembered_array_is_forgotten_when_it_is_replaced, "SL-59", .exact = true,
		   .nr_cpus = 2, .start_threads = true)
{
	kmem_cache_t *cachep = kmem_find_general_cachep(100, 0);
	unsigned int before;

	hosted_wait(hosted_spawn("take", 1, take_and_remember, NULL));
	CHECK_EQ(last_taken[1].obj, remembered);
	CHECK_EQ(kmem_tune_cpucache(cachep, 30, 10), 0);
	before = array_of(cachep, 1)->avail;
	hosted_wait(hosted_spawn("give", 1, give_back_and_ignore_null, NULL));
	CHECK_EQ(array_of(cachep, 1)->avail, before + 1);
	CHECK_EQ(kmem_tune_cpucache(cachep, 252, 126), 0);
	validate_slab();
}
