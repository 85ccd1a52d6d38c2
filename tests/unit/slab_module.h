/* SPDX-License-Identifier: MIT */
/* slab_module.h: what a loadable module of test_slab_module.c gets and offers. */
#pragma once

#include <stddef.h>

struct kmem_cache;

/* The kernel's functions; a module of a real kernel is linked against them. */
struct slab_module_api {
	struct kmem_cache *(*create)(
		const char *name, size_t size, size_t offset, unsigned long flags,
		void (*ctor)(void *obj, struct kmem_cache *cache, unsigned long flags),
		void (*dtor)(void *obj, struct kmem_cache *cache, unsigned long flags));
	int (*destroy)(struct kmem_cache *cache);
	void *(*alloc)(struct kmem_cache *cache, unsigned int flags);
	void (*free)(struct kmem_cache *cache, void *obj);
};

/* 0, or the number of the step that failed. */
typedef int slab_module_init_t(const struct slab_module_api *api, unsigned int gfp);
/* Gives everything back; 0, or what destroy said. *constructed less *destructed is what is left. */
typedef int slab_module_exit_t(long *constructed, long *destructed);
