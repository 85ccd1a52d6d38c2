// SPDX-License-Identifier: MIT
/*
 * test_slab_module.c: caches of code that comes and goes (thesis 8.1.9).
 *
 * The module is a shared object, loaded and unloaded for real: a constructor or destructor
 * called after its unloading would run into unmapped memory.
 */
#include "harness.h"
#include "slab_module.h"

#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <dlfcn.h>

static const struct slab_module_api kernel_api = {
	.create = kmem_cache_create,
	.destroy = kmem_cache_destroy,
	.alloc = kmem_cache_alloc,
	.free = kmem_cache_free,
};

PAGODA_TEST(module_with_a_cache_is_loaded_and_unloaded_a_thousand_times, "SL-66")
{
	unsigned long free_before = 0;

	for (int i = 0; i < 1000; i++) {
		void *module = dlopen(SLAB_MODULE, RTLD_NOW | RTLD_LOCAL);
		slab_module_init_t *init;
		slab_module_exit_t *exit;
		long constructed, destructed;

		CHECK(module);
		init = (slab_module_init_t *)dlsym(module, "module_init");
		exit = (slab_module_exit_t *)dlsym(module, "module_exit");
		CHECK_EQ(init(&kernel_api, GFP_KERNEL), 0);
		CHECK_EQ(exit(&constructed, &destructed), 0);
		CHECK_GE(constructed, 40);
		CHECK_EQ(constructed, destructed); /* before the code disappears */
		CHECK_EQ(dlclose(module), 0);
		CHECK(!dlopen(SLAB_MODULE, RTLD_NOW | RTLD_NOLOAD)); /* it is really gone */
		validate_slab();
		if (i == 10)
			free_before = nr_free_pages();
	}
	CHECK_EQ(nr_free_pages(), free_before);
}
