/* SPDX-License-Identifier: MIT */
/*
 * test_slab.c: caches and slabs: making, growing, allocating, shrinking, reaping.
 *
 * Tests look at a cache's own figures through mm/slab/slab_internal.h. Per-CPU arrays are in
 * test_slab_cpu.c, red zones and poison in test_slab_debug.c. Where an exact number of
 * slabs matters, "slab_percpu=off" takes the arrays out of the way.
 */
#include "report.h"

#include <mm/slab/slab_internal.h>

#include <pagoda/errno.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>

#include <stdio.h>
#include <string.h>

static kmem_cache_t *make_cache(const char *name, size_t size, unsigned long flags)
{
	kmem_cache_t *cachep = kmem_cache_create(name, size, 0, flags, NULL, NULL);

	CHECK(cachep);
	return cachep;
}

static slab_t *slab_of(const void *obj)
{
	return GET_PAGE_SLAB(virt_to_page(obj));
}

static void free_all(kmem_cache_t *cachep, void **objs, unsigned int n)
{
	while (n--)
		kmem_cache_free(cachep, objs[n]);
}

/* The line of /proc/slabinfo that starts with name; "" if there is none. */
static char info_line[160];
static const char *wanted_name;
static unsigned int info_lines;

static void find_line(void *arg, const char *text)
{
	size_t n = strlen(wanted_name);

	(void)arg;
	info_lines++;
	if (strncmp(text, wanted_name, n) == 0 && (text[n] == ' ' || text[n] == '\n'))
		snprintf(info_line, sizeof(info_line), "%s", text);
}

static const char *slabinfo_line(const char *name)
{
	wanted_name = name;
	info_line[0] = 0;
	info_lines = 0;
	slabinfo(find_line, NULL);
	return info_line;
}

/* ---- Layout ------------------------------------------------------------------------- */

PAGODA_TEST_EXACT(objects_per_page_are_the_documented_ones, "SL-21 SL-17 CT-08")
{
	static const struct {
		size_t size;
		unsigned int num;
	} rows[] = {{32, 113}, {64, 59}, {96, 40}, {128, 30}, {160, 24}, {248, 16}, {512, 7}};
	size_t left;
	unsigned int num;

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		char name[CACHE_NAMELEN];
		kmem_cache_t *cachep;

		kmem_cache_estimate(0, rows[i].size, 8, 0, &left, &num);
		CHECK_EQ(num, rows[i].num);
		snprintf(name, sizeof(name), "test-%zu", rows[i].size);
		cachep = make_cache(name, rows[i].size, 0);
		CHECK_EQ(cachep->num, rows[i].num);
		CHECK_EQ(cachep->gfporder, 0);
		CHECK(!(cachep->flags & CFLGS_OFF_SLAB));
		CHECK_EQ(kmem_cache_destroy(cachep), 0);
	}
	kmem_cache_estimate(0, 1024, 8, CFLGS_OFF_SLAB, &left, &num);
	CHECK_EQ(num, 4);
	CHECK_EQ(left, 0);
}

PAGODA_TEST_EXACT(descriptor_is_off_slab_above_512_bytes, "SL-17 SL-31 SL-15 SL-16 SL-18")
{
	static const size_t sizes[] = {500, 512, 520, 1024, 3000, 5000};

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		kmem_cache_t *cachep = make_cache("test", sizes[i], 0);
		char *obj = kmem_cache_alloc(cachep, GFP_KERNEL);
		slab_t *slabp = slab_of(obj);
		char *start = page_address(slabp->page);
		bool inside = (char *)slabp >= start &&
			      (char *)slabp < start + (PAGE_SIZE << cachep->gfporder);

		CHECK_EQ(inside, sizes[i] <= 512);
		CHECK_EQ(!(cachep->flags & CFLGS_OFF_SLAB), inside);
		if (!inside)
			CHECK_EQ(cachep->slabp_cache, GET_PAGE_CACHE(virt_to_page(slabp)));
		for (unsigned long p = 0; p < 1ul << cachep->gfporder; p++) {
			CHECK(PageSlab(slabp->page + p));
			CHECK_EQ(GET_PAGE_CACHE(slabp->page + p), cachep);
			CHECK_EQ(GET_PAGE_SLAB(slabp->page + p), slabp);
		}
		for (unsigned int n = 0; n < cachep->num; n++)
			CHECK_EQ(object_index(cachep, slabp, index_object(cachep, slabp, n)), n);
		kmem_cache_free(cachep, obj);
		CHECK_EQ(kmem_cache_destroy(cachep), 0);
	}
}

PAGODA_TEST(waste_is_bounded, "SL-22 SL-14 SL-18")
{
	for (size_t size = 8; size <= 131072; size += size < 4096 ? 8 : 1000) {
		kmem_cache_t *cachep = make_cache("test", size, 0);
		size_t space = PAGE_SIZE << cachep->gfporder;

		CHECK_GE(cachep->num, 1);
		CHECK_LE(cachep->num * cachep->objsize, space);
		CHECK_LE(cachep->gfporder, MAX_SLAB_ORDER);
		if (cachep->gfporder < BREAK_SLAB_ORDER && size <= 512)
			CHECK_LE(cachep->colour * cachep->colour_off * MAX_SLAB_ORDER, space);
		if (cachep->slabp_cache)
			CHECK_LE(cachep->num * 4 + 24, cachep->slabp_cache->objsize);
		CHECK_EQ(kmem_cache_destroy(cachep), 0);
	}
}

PAGODA_TEST_EXACT(hwcache_objects_start_on_lines, "SL-30 SL-03 SL-40")
{
	kmem_cache_t *cachep = make_cache("test", 100, SLAB_HWCACHE_ALIGN);
	void *objs[200];

	CHECK_EQ(cachep->objsize, 128);
	CHECK_EQ(cachep->colour_off, SMP_CACHE_BYTES);
	for (unsigned int i = 0; i < 200; i++) {
		objs[i] = kmem_cache_alloc(cachep, GFP_KERNEL);
		CHECK_EQ((unsigned long)objs[i] % SMP_CACHE_BYTES, 0);
	}
	free_all(cachep, objs, 200);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
	cachep = make_cache("test", 100, 0);
	CHECK_EQ(cachep->objsize, 104);
	CHECK_EQ(cachep->colour_off, BYTES_PER_WORD);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

PAGODA_TEST_CONFIG(successive_slabs_have_successive_colours, "SL-40 SL-41 CT-06 CT-11 SL-15",
		   .exact = true, .nr_cpus = 1, .options = "slab_percpu=off")
{
	/* 120-byte objects leave 4096 - 24 - 32 * 4 - 32 * 120 = 104 bytes: 3 steps of 32. */
	kmem_cache_t *cachep = kmem_cache_create("test", 120, 32, 0, NULL, NULL);
	void *objs[32 * 9];
	unsigned int n = 0;
	slab_t *slabp;

	CHECK_EQ(cachep->num, 32);
	CHECK_EQ(cachep->colour, 3);
	CHECK_EQ(cachep->colour_off, 32);
	for (unsigned int slab = 0; slab < 9; slab++) {
		for (unsigned int i = 0; i < 32; i++)
			objs[n++] = kmem_cache_alloc(cachep, GFP_KERNEL);
		slabp = slab_of(objs[n - 1]);
		CHECK_EQ(slabp->colouroff, slab % 4 * 32);
		/*
		 * Off the colour lie the descriptor and its array; s_mem is past both, and is the
		 * first object.
		 */
		CHECK_EQ((char *)slabp->s_mem - (char *)page_address(slabp->page),
			 slab % 4 * 32 + 24 + 32 * 4);
		CHECK_EQ(slabp->s_mem, index_object(cachep, slabp, 0));
	}
	validate_slab();
	free_all(cachep, objs, n);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

/* ---- Creating ------------------------------------------------------------------------------ */

PAGODA_TEST_EXACT(bad_creations_are_refused, "SL-02 SL-31 SL-32")
{
	kmem_cache_t *cachep = make_cache("test", 64, 0);

#define REFUSED(text, ...) EXPECT_REPORT(text, { CHECK(!kmem_cache_create(__VA_ARGS__)); })
	REFUSED("bad name", NULL, 64, 0, 0, NULL, NULL);
	REFUSED("bad name", "", 64, 0, 0, NULL, NULL);
	REFUSED("bad name", "a name that is far too long", 64, 0, 0, NULL, NULL);
	REFUSED("bad size", "x", 0, 0, 0, NULL, NULL);
	REFUSED("bad size", "x", 7, 0, 0, NULL, NULL);
	REFUSED("bad size", "x", 131073, 0, 0, NULL, NULL);
	REFUSED("unknown flags", "x", 64, 0, CFLGS_OFF_SLAB, NULL, NULL);
	REFUSED("unknown flags", "x", 64, 0, CFLGS_OPTIMIZE, NULL, NULL);
	REFUSED("unknown flags", "x", 64, 0, SLAB_RED_ZONE, NULL, NULL);
	REFUSED("unknown flags", "x", 64, 0, SLAB_POISON, NULL, NULL);
	REFUSED("unknown flags", "x", 64, 0, SLAB_DEBUG_FREE, NULL, NULL);
	REFUSED("unknown flags", "x", 64, 0, SLAB_DEBUG_INITIAL, NULL, NULL);
	REFUSED("name in use", "test", 64, 0, 0, NULL, NULL);
	CHECK_STR(slabinfo_line("x"), "");
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

PAGODA_TEST_EXACT(new_cache_is_listed_and_empty, "SL-01 SL-08 SL-44 SL-61")
{
	kmem_cache_t *cachep = make_cache("test", 96, 0);
	unsigned int active, total, size, active_slabs, slabs, pages, limit, batch;
	void *obj;

	CHECK_EQ(sscanf(slabinfo_line("test"), "test %u %u %u %u %u %u : %u %u", &active, &total,
			&size, &active_slabs, &slabs, &pages, &limit, &batch),
		 8);
	CHECK(!active && !total && size == 96 && !active_slabs && !slabs && pages == 1);
	CHECK_EQ(limit, 252);
	CHECK_EQ(batch, 126);
	obj = kmem_cache_alloc(cachep, GFP_KERNEL);
	sscanf(slabinfo_line("test"), "test %u %u %*u %u %u", &active, &total, &active_slabs,
	       &slabs);
	CHECK_EQ(total, slabs * cachep->num);
	CHECK_LE(active, total);
	EXPECT_REPORT("objects in use", { CHECK_EQ(kmem_cache_destroy(cachep), -EBUSY); });
	CHECK(*slabinfo_line("test"));
	kmem_cache_free(cachep, obj);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
	CHECK_STR(slabinfo_line("test"), "");
	CHECK_STR(slabinfo_line("slabinfo"), "slabinfo - version: 1.1 (SMP)\n");
	cachep = make_cache("test", 200, 0); /* the name is free again */
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

PAGODA_TEST_EXACT(size_caches_are_complete, "SL-42 SL-43 SL-10 SL-57 SL-37 SL-44 CT-10")
{
	unsigned int limit, batch;
	char name[32];

	CHECK_STR(cache_cache.name, "kmem_cache");
	CHECK(cache_cache.flags & SLAB_NO_REAP);
	for (unsigned int size = 32; size <= 131072; size *= 2) {
		snprintf(name, sizeof(name), "size-%u", size);
		CHECK_EQ(sscanf(slabinfo_line(name), "%*s %*u %*u %*u %*u %*u %*u : %u %u", &limit,
				&batch),
			 2);
		CHECK_EQ(limit, size <= 256 ? 252 : size <= 1024 ? 124 : size <= 4096 ? 60 : 0);
		CHECK_EQ(batch, limit / 2);
		snprintf(name, sizeof(name), "size-%u(DMA)", size);
		CHECK(*slabinfo_line(name));
	}
	CHECK_STR(slabinfo_line("size-16"), "");
	CHECK_STR(slabinfo_line("size-262144"), "");
	CHECK(SLAB_ATOMIC == GFP_ATOMIC && SLAB_USER == GFP_USER && SLAB_KERNEL == GFP_KERNEL);
	CHECK(SLAB_NFS == GFP_NFS && SLAB_NOFS == GFP_NOFS && SLAB_NOIO == GFP_NOIO);
	CHECK(SLAB_NOHIGHIO == GFP_NOHIGHIO && SLAB_DMA == GFP_DMA);
}

/* ---- Objects --------------------------------------------------------------------------------- */

static unsigned int nr_ctor, nr_dtor;

static void count_ctor(void *obj, kmem_cache_t *cache, unsigned long flags)
{
	CHECK(flags & SLAB_CTOR_CONSTRUCTOR);
	CHECK(cache->growing);
	*(u64 *)obj = 0xc0ffee;
	nr_ctor++;
}

static void count_dtor(void *obj, kmem_cache_t *cache, unsigned long flags)
{
	(void)cache, (void)flags;
	CHECK_EQ(*(u64 *)obj, 0xc0ffee);
	nr_dtor++;
}

PAGODA_TEST(objects_stay_constructed, "SL-04 SL-25 SL-26 SL-27 CT-07 SL-24")
{
	kmem_cache_t *cachep = kmem_cache_create("test", 64, 0, 0, count_ctor, count_dtor);

	for (unsigned int i = 0; i < 1000; i++) {
		u64 *obj = kmem_cache_alloc(cachep, GFP_KERNEL);

		CHECK_EQ(*obj, 0xc0ffee);
		obj[1] = i;
		kmem_cache_free(cachep, obj);
	}
	CHECK_EQ(nr_ctor, cachep->nr_slabs * cachep->num);
	CHECK_EQ(nr_dtor, 0);
	CHECK(cachep->dflags & DFLGS_GROWN);
	CHECK_EQ(cachep->growing, 0);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
	CHECK_EQ(nr_dtor, nr_ctor);
}

PAGODA_TEST_CONFIG(free_objects_form_a_stack, "SL-19 SL-20 SL-05 SL-13 SL-29 SM-11", .exact = true,
		   .nr_cpus = 1, .options = "slab_percpu=off")
{
	kmem_cache_t *cachep = make_cache("test", 800, 0);
	void *a, *b, *c, *objs[10];
	slab_t *slabp;

	CHECK_EQ(cachep->num, 5);
	a = kmem_cache_alloc(cachep, GFP_KERNEL);
	slabp = slab_of(a);
	for (unsigned int i = 0; i < 4; i++)
		CHECK_EQ(slab_bufctl(slabp)[i] & ~BUFCTL_OUT, i + 1);
	CHECK_EQ(slab_bufctl(slabp)[4], BUFCTL_END);
	CHECK_EQ(slabp->free, 1);
	b = kmem_cache_alloc(cachep, GFP_KERNEL);
	c = kmem_cache_alloc(cachep, GFP_KERNEL);
	CHECK_EQ(slabp->inuse, 3);
	kmem_cache_free(cachep, b);
	CHECK_EQ(slabp->inuse, 2);
	kmem_cache_free(cachep, a);
	CHECK_EQ(kmem_cache_alloc(cachep, GFP_KERNEL), a);
	CHECK_EQ(kmem_cache_alloc(cachep, GFP_KERNEL), b);
	/* Full, then another slab; a partial one is used before a free one. */
	objs[0] = kmem_cache_alloc(cachep, GFP_KERNEL);
	objs[1] = kmem_cache_alloc(cachep, GFP_KERNEL);
	CHECK_EQ(list_slab(cachep->slabs_full.next), slabp);
	objs[2] = kmem_cache_alloc(cachep, GFP_KERNEL);
	CHECK_NE(slab_of(objs[2]), slabp);
	kmem_cache_free(cachep, objs[2]);
	CHECK_EQ(cachep->nr_free_slabs, 1);
	kmem_cache_free(cachep, objs[1]);
	CHECK_EQ(kmem_cache_alloc(cachep, GFP_KERNEL), objs[1]);
	validate_slab();
	CHECK_STR(slabinfo_line("slabinfo"), "slabinfo - version: 1.1\n");
	CHECK(!strchr(slabinfo_line("test"), ':'));
	kmem_cache_free(cachep, a);
	kmem_cache_free(cachep, b);
	kmem_cache_free(cachep, c);
	free_all(cachep, objs, 2);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

PAGODA_TEST_EXACT(kmalloc_serves_from_the_smallest_size, "SL-10 SL-11 SL-42")
{
	static const struct {
		size_t size, got;
	} rows[] = {{1, 32},	  {32, 32},	{33, 64},	 {96, 128},
		    {4096, 4096}, {4097, 8192}, {131072, 131072}};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		void *obj = kmalloc(rows[i].size, GFP_KERNEL);

		CHECK_EQ(ksize(obj), rows[i].got);
		CHECK_EQ((unsigned long)obj % min(rows[i].got, (size_t)PAGE_SIZE), 0);
		memset(obj, 0xff, rows[i].size);
		kfree(obj);
	}
	CHECK(!kmalloc(131073, GFP_KERNEL));
	CHECK(!kmalloc(~0ul, GFP_KERNEL));
	EXPECT_REPORT("no cache for 0 bytes", { CHECK(!kmalloc(0, GFP_KERNEL)); });
	kfree(NULL);
	CHECK(!kcalloc(~0ul / 4, 8, GFP_KERNEL));
}

PAGODA_TEST(zeroed_and_copied_objects, "SL-10")
{
	u8 *obj = kmalloc(300, GFP_KERNEL);
	char *s;

	memset(obj, 0xff, 300);
	kfree(obj);
	obj = kzalloc(300, GFP_KERNEL);
	for (int i = 0; i < 300; i++)
		CHECK_EQ(obj[i], 0);
	kfree(obj);
	s = kstrdup("pagoda", GFP_KERNEL);
	CHECK_STR(s, "pagoda");
	kfree(s);
	obj = kcalloc(7, 9, GFP_KERNEL);
	for (int i = 0; i < 63; i++)
		CHECK_EQ(obj[i], 0);
	kfree(obj);
}

PAGODA_TEST_CONFIG(dma_caches_use_dma_memory, "SL-28 SL-30 SL-42 HM-11", .ram = SZ_1G)
{
	kmem_cache_t *cachep = make_cache("test", 700, SLAB_CACHE_DMA);
	void *objs[64];

	for (unsigned int i = 0; i < 64; i++) {
		objs[i] = kmem_cache_alloc(cachep, GFP_KERNEL | SLAB_DMA);
		CHECK_LT(page_to_pfn(virt_to_page(objs[i])), 4096);
	}
	free_all(cachep, objs, 64);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
	objs[0] = kmalloc(5000, GFP_KERNEL | GFP_DMA);
	CHECK_LT(page_to_pfn(virt_to_page(objs[0])), 4096);
	kfree(objs[0]);
	for (unsigned long pfn = highstart_pfn; pfn < highend_pfn; pfn++)
		CHECK(!PageSlab(pfn_to_page(pfn)));
}

PAGODA_TEST(random_objects_keep_their_contents, "SL-11 SL-13 SL-14 SL-19 SL-64 PM-36")
{
	static struct {
		u8 *obj;
		size_t size;
		u8 value;
	} held[1000];
	unsigned long slab_pages = 0, cache_pages = 0;
	kmem_cache_t *cachep;

	for (unsigned int round = 0; round < test_scale(100000); round++) {
		unsigned int slot = (unsigned int)test_random_below(ARRAY_SIZE(held));

		if (held[slot].obj) {
			for (size_t i = 0; i < held[slot].size; i += 1 + held[slot].size / 16)
				CHECK_EQ(held[slot].obj[i], held[slot].value);
			CHECK_EQ(held[slot].obj[held[slot].size - 1], held[slot].value);
			kfree(held[slot].obj);
			held[slot].obj = NULL;
			continue;
		}
		held[slot].size = 1 + test_random_below(1ul << test_random_below(13));
		held[slot].value = (u8)test_random();
		held[slot].obj = kmalloc(held[slot].size, GFP_KERNEL);
		CHECK(held[slot].obj);
		memset(held[slot].obj, held[slot].value, held[slot].size);
		if (round % 8192 == 0)
			validate_slab();
	}
	for (unsigned long pfn = 0; pfn < max_low_pfn; pfn++) {
		struct page *page = pfn_to_page(pfn);

		slab_pages += PageSlab(page);
		CHECK(!(PageSlab(page) && PageLRU(page)));
	}
	mutex_lock(&cache_chain_sem);
	for_each_cache(cachep)
		cache_pages += cachep->nr_slabs << cachep->gfporder;
	mutex_unlock(&cache_chain_sem);
	CHECK_EQ(slab_pages, cache_pages);
	for (unsigned int slot = 0; slot < ARRAY_SIZE(held); slot++)
		kfree(held[slot].obj);
}

/* ---- Shrinking and reaping ------------------------------------------------------------------- */

/* A cache with n free slabs and nothing in its arrays. */
static kmem_cache_t *cache_with_free_slabs(const char *name, size_t size, unsigned int n,
					   unsigned long flags,
					   void (*ctor)(void *, kmem_cache_t *, unsigned long))
{
	kmem_cache_t *cachep = kmem_cache_create(name, size, 0, flags, ctor, NULL);

	CHECK(cachep);
	for (unsigned int i = 0; i < n; i++)
		CHECK(kmem_cache_grow(cachep, GFP_KERNEL | cachep->gfpflags));
	cachep->dflags &= ~DFLGS_GROWN;
	return cachep;
}

PAGODA_TEST(shrink_frees_all_free_slabs, "SL-06 SL-07 SL-09 SL-23")
{
	kmem_cache_t *cachep = cache_with_free_slabs("test", 5000, 6, 0, NULL);
	unsigned long before, pages, grown = cachep->grown;
	void *obj = kmem_cache_alloc(cachep, GFP_KERNEL);

	CHECK_EQ(cachep->grown, grown);
	CHECK(!__kmem_cache_shrink(cachep, &pages));
	CHECK_EQ(pages, 5ul << cachep->gfporder);
	kmem_cache_free(cachep, obj);
	before = nr_free_pages();
	CHECK_EQ(kmem_cache_shrink(cachep), 1 << cachep->gfporder);
	/* Off-slab descriptors may stay cached elsewhere. */
	CHECK_EQ(nr_free_pages(), before + (1ul << cachep->gfporder));
	CHECK(__kmem_cache_shrink(cachep, &pages));
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

static void ctor_nothing(void *obj, kmem_cache_t *cache, unsigned long flags)
{
	(void)obj, (void)cache, (void)flags;
}

/* Ask for reaping until each cache had its turn; how many slabs this one lost. */
static unsigned long reap_all_caches_once(kmem_cache_t *cachep)
{
	unsigned long before = cachep->nr_slabs;
	unsigned int n = 0;
	kmem_cache_t *c;

	mutex_lock(&cache_chain_sem);
	for_each_cache(c)
		n++;
	mutex_unlock(&cache_chain_sem);
	for (unsigned int i = 0; i <= n / 10 && cachep->nr_slabs == before; i++)
		kmem_cache_reap(GFP_KERNEL);
	return before - cachep->nr_slabs;
}

PAGODA_TEST_CONFIG(reap_takes_half_of_the_free_slabs, "SL-51 SL-09 CT-09 SL-60", .nr_cpus = 2)
{
	kmem_cache_t *cachep;
	void *obj;

	kmem_cache_shrink_all();
	cachep = cache_with_free_slabs("test", 4096, 9, 0, NULL);
	/* One object passes through this CPU's array: reaping empties it. */
	obj = kmem_cache_alloc(cachep, GFP_KERNEL);
	kmem_cache_free(cachep, obj);
	drain_cpu_caches(cachep);
	CHECK_EQ(cachep->nr_free_slabs, 9);
	cachep->dflags &= ~DFLGS_GROWN;
	CHECK_EQ(reap_all_caches_once(cachep), 5);
	CHECK_EQ(cachep->nr_free_slabs, 4);
	CHECK_EQ(cachep->cpudata[0]->avail, 0);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

PAGODA_TEST_EXACT(reap_passes_over_protected_growing_and_grown_caches,
		  "SL-30 SL-47 SL-48 SL-52 CT-42")
{
	kmem_cache_t *keep, *growing, *third;

	kmem_cache_shrink_all();
	keep = cache_with_free_slabs("keep", 4096, 40, SLAB_NO_REAP, NULL);
	growing = cache_with_free_slabs("growing", 4096, 30, 0, NULL);
	third = cache_with_free_slabs("third", 4096, 8, 0, NULL);
	growing->growing = 1;
	CHECK_EQ(reap_all_caches_once(third), 4);
	CHECK_EQ(keep->nr_free_slabs, 40);
	CHECK_EQ(growing->nr_free_slabs, 30);
	CHECK_EQ(destroy_free_slabs(growing, 5, NULL, 0), 0);
	growing->growing = 0;
	/* Grown: skipped once, then eligible. */
	growing->dflags |= DFLGS_GROWN;
	third->dflags |= DFLGS_GROWN;
	CHECK_EQ(kmem_cache_shrink(third), 4);
	while (growing->dflags & DFLGS_GROWN)
		kmem_cache_reap(GFP_KERNEL);
	CHECK_EQ(growing->nr_free_slabs, 30);
	CHECK_EQ(reap_all_caches_once(growing), 15);
	CHECK_EQ(kmem_cache_destroy(keep), 0);
	CHECK_EQ(kmem_cache_destroy(growing), 0);
	CHECK_EQ(kmem_cache_destroy(third), 0);
}

/* The caches that follow each other in the chain are looked at together. */
PAGODA_TEST_EXACT(reap_prefers_cheap_slabs_and_stops_at_a_perfect_one, "SL-49 SL-50 SL-45")
{
	kmem_cache_t *a, *b, *c;

	kmem_cache_shrink_all();
	a = cache_with_free_slabs("with-ctor", 4096, 9, 0, ctor_nothing);
	b = cache_with_free_slabs("without", 4096, 9, 0, NULL);
	CHECK_EQ(reap_all_caches_once(b), 5);
	CHECK_EQ(a->nr_free_slabs, 9);
	CHECK_EQ(kmem_cache_destroy(a), 0);
	CHECK_EQ(kmem_cache_destroy(b), 0);
	/*
	 * As many pages in slabs of two: contiguous pages are dearer, in whichever order the caches
	 * come.
	 */
	for (int first = 0; first < 2; first++) {
		kmem_cache_shrink_all();
		b = first ? cache_with_free_slabs("single", 4096, 8, 0, NULL) : NULL;
		a = cache_with_free_slabs("double", 8192, 4, 0, NULL);
		b = b ? b : cache_with_free_slabs("single", 4096, 8, 0, NULL);
		CHECK_EQ(a->gfporder, 1);
		CHECK_EQ(b->gfporder, 0);
		CHECK_EQ(reap_all_caches_once(b), 4);
		CHECK_EQ(a->nr_free_slabs, 4);
		CHECK_EQ(kmem_cache_destroy(a), 0);
		CHECK_EQ(kmem_cache_destroy(b), 0);
	}
	kmem_cache_shrink_all();
	a = cache_with_free_slabs("three", 4096, 3, 0, NULL);
	b = cache_with_free_slabs("twelve", 4096, 12, 0, NULL);
	c = cache_with_free_slabs("forty", 4096, 40, 0, NULL);
	CHECK_EQ(reap_all_caches_once(b), 6);
	CHECK_EQ(a->nr_free_slabs, 3);
	CHECK_EQ(c->nr_free_slabs, 40);
	CHECK_EQ(kmem_cache_destroy(a), 0);
	CHECK_EQ(kmem_cache_destroy(b), 0);
	CHECK_EQ(kmem_cache_destroy(c), 0);
}

PAGODA_TEST(reap_scans_ten_caches_a_call, "SL-45 SL-46")
{
	kmem_cache_t *caches[50], *c;
	unsigned int n = 0, calls = 0, left = 50;
	char name[16];

	kmem_cache_shrink_all();
	for (unsigned int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "test-%u", i);
		caches[i] = make_cache(name, 64, 0);
		caches[i]->dflags |= DFLGS_GROWN; /* a look clears it */
	}
	mutex_lock(&cache_chain_sem);
	for_each_cache(c) {
		c->dflags |= DFLGS_GROWN;
		n++;
	}
	mutex_unlock(&cache_chain_sem);
	while (left) {
		unsigned int seen = 0;

		kmem_cache_reap(GFP_KERNEL);
		calls++;
		left = 0;
		for (unsigned int i = 0; i < 50; i++)
			left += !!(caches[i]->dflags & DFLGS_GROWN);
		mutex_lock(&cache_chain_sem);
		for_each_cache(c)
			seen += !(c->dflags & DFLGS_GROWN) && !(c->flags & SLAB_NO_REAP);
		mutex_unlock(&cache_chain_sem);
		CHECK_LE(seen, 10 * calls);
		CHECK_GE(seen + 2, min(10 * calls, n - 2)); /* NO_REAP ones take a look too */
	}
	CHECK_LE(calls, n / 10 + 1);
	for (unsigned int i = 0; i < 50; i++)
		CHECK_EQ(kmem_cache_destroy(caches[i]), 0);
}

PAGODA_TEST(dma_pressure_costs_no_other_slabs, "FX-07 CT-05")
{
	kmem_cache_t *normal, *dma;

	kmem_cache_shrink_all();
	normal = cache_with_free_slabs("normal", 4096, 40, 0, NULL);
	dma = cache_with_free_slabs("dma", 4096, 4, SLAB_CACHE_DMA, NULL);
	for (unsigned int i = 0; i < 30; i++)
		kmem_cache_reap(GFP_KERNEL | GFP_DMA);
	CHECK_EQ(normal->nr_free_slabs, 40);
	CHECK_EQ(dma->nr_free_slabs, 0);
	CHECK_EQ(kmem_cache_destroy(normal), 0);
	CHECK_EQ(kmem_cache_destroy(dma), 0);
}

static unsigned int slabs_asked_about;

static bool in_dma_zone(const struct page *page, gfp_t gfp)
{
	(void)gfp;
	slabs_asked_about++;
	return page_in_dma_zone(page);
}

/* Of n free slabs each third lies in DMA memory, and is taken. */
static void check_slabs_asked_about(unsigned int n)
{
	kmem_cache_t *cachep = kmem_cache_create("mixed", PAGE_SIZE / 2, 0, 0, NULL, NULL);

	CHECK(cachep);
	for (unsigned int i = 0; i < n; i++)
		CHECK(kmem_cache_grow(cachep, i % 3 ? GFP_KERNEL : GFP_KERNEL | GFP_DMA));
	validate_slab(); /* (I5) */
	slabs_asked_about = 0;
	CHECK_EQ(destroy_free_slabs(cachep, n, in_dma_zone, GFP_DMA), DIV_ROUND_UP(n, 3)
									      << cachep->gfporder);
	CHECK_EQ(slabs_asked_about, DIV_ROUND_UP(n, 3) + 1); /* and one that ends the search */
	CHECK_EQ(cachep->nr_free_slabs, n - DIV_ROUND_UP(n, 3));
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

PAGODA_TEST(slabs_of_other_zones_are_not_looked_at_for_dma_memory, "FX-07")
{
	check_slabs_asked_about(30);
	check_slabs_asked_about(300);
}

/* ---- What is kept of a cache ----------------------------------------------------------------- */

#define HAS(member) CHECK_GE(offsetof(kmem_cache_t, member), 0)

PAGODA_TEST_EXACT(cache_has_the_documented_members, "SL-12 SL-53 SL-62")
{
	kmem_cache_t *cachep = make_cache("test", 100, 0);

	HAS(slabs_full);
	HAS(slabs_partial);
	HAS(slabs_free);
	HAS(growing);
	HAS(slabp_cache);
	HAS(failures);
	HAS(high_mark);
	HAS(reaped);
	HAS(errors);
	CHECK_EQ(cachep->objsize, 104);
	CHECK_EQ(cachep->num, 37);
	CHECK_EQ(cachep->gfporder, 0);
	CHECK_EQ(cachep->gfpflags, 0);
	CHECK_EQ(cachep->colour, (4096 - 24 - 37 * 4 - 37 * 104 - 4) / 8);
	CHECK_EQ(cachep->colour_off, 8);
	CHECK_EQ(cachep->colour_next, 0);
	CHECK_EQ(cachep->dflags, 0);
	CHECK(!cachep->ctor && !cachep->dtor);
	CHECK_STR(cachep->name, "test");
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}

static unsigned long active(const char *name)
{
	kmem_cache_t *cachep;

	mutex_lock(&cache_chain_sem);
	for_each_cache(cachep)
		if (strcmp(cachep->name, name) == 0)
			break;
	mutex_unlock(&cache_chain_sem);
	if (!cachep)
		FAIL("no cache %s", name);
	drain_cpu_caches(cachep);
	return cachep->active_objs;
}

PAGODA_TEST(address_spaces_come_from_their_caches, "SL-63")
{
	unsigned long before = active("mm_struct");
	struct mm_struct *mms[100];

	for (int i = 0; i < 100; i++) {
		mms[i] = mm_alloc();
		CHECK(mms[i]);
	}
	CHECK_EQ(active("mm_struct"), before + 100);
	for (int i = 0; i < 100; i++)
		mmput(mms[i]);
	CHECK_EQ(active("mm_struct"), before);
	(void)active("vm_area_struct");
}

/* Bytes that a mixed load asks for, takes from kmalloc, and would take as blocks of pages. */
PAGODA_TEST(small_requests_waste_less_than_pages, "PA-41 SL-22")
{
	static void *objs[4000];
	unsigned long asked = 0, paged = 0, before = test_free_frames(), taken;

	for (unsigned int i = 0; i < 4000; i++) {
		size_t size = 1 + test_random_below(1ul << (4 + test_random_below(9)));

		objs[i] = kmalloc(size, GFP_KERNEL);
		asked += size;
		paged += PAGE_ALIGN(size);
	}
	taken = (before - test_free_frames()) * PAGE_SIZE;
	CHECK_LT(taken, asked * 2);
	CHECK_LT(taken * 2, paged);
	for (unsigned int i = 0; i < 4000; i++)
		kfree(objs[i]);
}

/* ---- Failure --------------------------------------------------------------------------------- */

static bool use_caches(void *arg)
{
	kmem_cache_t *cachep = kmem_cache_create("test", 1000, 0, 0, ctor_nothing, NULL);
	bool done = false;
	void *a, *b;

	(void)arg;
	if (!cachep)
		return false;
	a = kmem_cache_alloc(cachep, GFP_KERNEL);
	b = kmalloc(3000, GFP_KERNEL);
	if (a && b)
		done = true;
	if (a)
		kmem_cache_free(cachep, a);
	kfree(b);
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
	return done;
}

PAGODA_TEST(every_allocation_may_fail, "SL-67 SL-18 SL-23")
{
	test_fail_every_allocation(use_caches, NULL);
}

PAGODA_TEST(cache_creation_at_exhaustion_unwinds, "SL-67")
{
	struct page *page, *next;
	LIST_HEAD(pages);

	while ((page = alloc_page(GFP_ATOMIC)))
		list_add(&page->lru, &pages);
	for (unsigned int i = 0; i < 20; i++) {
		kmem_cache_t *cachep = kmem_cache_create("test", 2000, 0, 0, NULL, NULL);
		void *obj = cachep ? kmem_cache_alloc(cachep, GFP_ATOMIC) : NULL;

		if (obj)
			kmem_cache_free(cachep, obj);
		if (cachep)
			CHECK_EQ(kmem_cache_destroy(cachep), 0);
	}
	validate_slab();
	list_for_each_entry_safe(page, next, &pages, lru)
		__free_page(page);
}

PAGODA_TEST(wrong_frees_are_reported_and_contained, "SL-36 SL-11")
{
	kmem_cache_t *a = make_cache("a", 64, 0), *b = make_cache("b", 64, 0);
	struct page *page = alloc_page(GFP_KERNEL);
	void *obj = kmem_cache_alloc(a, GFP_KERNEL);

	EXPECT_REPORT("is of a", { kmem_cache_free(b, obj); });
	EXPECT_REPORT("was not allocated", { kfree(page_address(page)); });
	EXPECT_REPORT("was not allocated", { kfree((void *)0x1000); });
	kmem_cache_free(a, obj);
	{
		void *y = kmalloc(100, GFP_KERNEL);

		EXPECT_REPORT("not the start", { kfree((char *)y + 8); });
		EXPECT_REPORT("not the start", { kfree((char *)y + 64); });
		kfree(y);
	}
	validate_slab();
	__free_page(page);
	CHECK_EQ(kmem_cache_destroy(a), 0);
	CHECK_EQ(kmem_cache_destroy(b), 0);
}

/* Without debugging it shows when the object would be handed out again: nobody ever shares one. */
PAGODA_TEST_EXACT(object_freed_twice_is_handed_out_once, "SL-36 SL-11")
{
	void *x = kmalloc(100, GFP_KERNEL), *y = kmalloc(100, GFP_KERNEL), *z;

	kfree(x);
	kfree(y);
	kfree(x);
	CHECK_EQ(kmalloc(100, GFP_KERNEL), x);
	CHECK_EQ(kmalloc(100, GFP_KERNEL), y);
	EXPECT_REPORT("cache size-128: object", { z = kmalloc(100, GFP_KERNEL); });
	CHECK(z && z != x && z != y);
	kfree(z);
	/* An object that nobody wrote to is freed like any other. */
	kfree(x);
	kfree(y);
	validate_slab();
}

/* Objects of one word have their mark elsewhere, and go the slow ways. */
PAGODA_TEST_EXACT(small_object_freed_twice_is_handed_out_once, "SL-36")
{
	kmem_cache_t *a = make_cache("a", sizeof(long), 0);
	long *x = kmem_cache_alloc(a, GFP_KERNEL), *y = kmem_cache_alloc(a, GFP_KERNEL), *z;

	*x = 1;
	*y = 2;
	kmem_cache_free(a, x);
	CHECK_EQ(*y, 2);
	kmem_cache_free(a, x);
	CHECK_EQ(kmem_cache_alloc(a, GFP_KERNEL), x);
	EXPECT_REPORT("cache a: object", { z = kmem_cache_alloc(a, GFP_KERNEL); });
	CHECK(z && z != x && z != y && *y == 2);
	kmem_cache_free(a, x);
	kmem_cache_free(a, y);
	kmem_cache_free(a, z);
	CHECK_EQ(kmem_cache_destroy(a), 0);
}

PAGODA_TEST_EXACT(object_freed_twice_into_its_slab_is_handed_out_once, "SL-36 SL-11")
{
	kmem_cache_t *a = make_cache("a", 64, 0);
	void *x = kmem_cache_alloc(a, GFP_KERNEL), *y = kmem_cache_alloc(a, GFP_KERNEL), *z;

	kmem_cache_free(a, x); /* into the slab, and once more into the array */
	drain_cpu_caches(a);
	kmem_cache_free(a, x);
	kmem_cache_free(a, y);
	EXPECT_REPORT("freed twice", { drain_cpu_caches(a); });
	validate_slab();
	x = kmem_cache_alloc(a, GFP_KERNEL);
	y = kmem_cache_alloc(a, GFP_KERNEL);
	z = kmem_cache_alloc(a, GFP_KERNEL);
	CHECK(x && y && z && x != y && y != z && x != z);
	kmem_cache_free(a, x);
	kmem_cache_free(a, y);
	kmem_cache_free(a, z);
	CHECK_EQ(kmem_cache_destroy(a), 0);
}

PAGODA_TEST(validate_slab_finds_damage, "SL-13")
{
	kmem_cache_t *cachep = cache_with_free_slabs("test", 64, 2, 0, NULL);
	slab_t *slabp = list_slab(cachep->slabs_free.next);

	EXPECT_PANIC("wrong list", {
		slabp->inuse = 1;
		slabp->free = 1;
		validate_slab();
	});
	EXPECT_PANIC("circular", {
		slab_bufctl(slabp)[5] = 0;
		validate_slab();
	});
	EXPECT_PANIC("inuse disagree", {
		slabp->free = 3;
		validate_slab();
	});
	EXPECT_PANIC("points to another cache or slab", {
		PageClearSlab(slabp->page);
		validate_slab();
	});
	EXPECT_PANIC("counted", {
		cachep->nr_slabs++;
		validate_slab();
	});
	CHECK_EQ(kmem_cache_destroy(cachep), 0);
}
