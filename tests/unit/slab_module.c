// SPDX-License-Identifier: MIT
/*
 * slab_module.c: code that is loaded with a cache whose constructor is in it, and unloaded again.
 */
#include "slab_module.h"

#define NR_OBJECTS 40

static struct slab_module_api api;
static struct kmem_cache *cache;
static void *objects[NR_OBJECTS];
static long nr_constructed, nr_destructed;

static void construct(void *obj, struct kmem_cache *c, unsigned long flags)
{
	(void)c, (void)flags;
	*(void **)obj = obj;
	nr_constructed++;
}

static void destruct(void *obj, struct kmem_cache *c, unsigned long flags)
{
	(void)c, (void)flags;
	nr_destructed += *(void **)obj == obj;
}

__attribute__((visibility("default"))) slab_module_init_t module_init;
int module_init(const struct slab_module_api *kernel, unsigned int gfp)
{
	api = *kernel;
	cache = api.create("module", 200, 0, 0, construct, destruct);
	if (!cache)
		return 1;
	for (int i = 0; i < NR_OBJECTS; i++) {
		objects[i] = api.alloc(cache, gfp);
		if (!objects[i] || *(void **)objects[i] != objects[i])
			return 2;
	}
	return 0;
}

__attribute__((visibility("default"))) slab_module_exit_t module_exit;
int module_exit(long *constructed, long *destructed)
{
	int err;

	for (int i = 0; i < NR_OBJECTS; i++)
		api.free(cache, objects[i]);
	err = api.destroy(cache);
	*constructed = nr_constructed;
	*destructed = nr_destructed;
	return err;
}
