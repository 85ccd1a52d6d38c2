/* SPDX-License-Identifier: MIT */
/* tier4.c: files: a clock and threads, which this host has none of; a page of a file without a name, shared by its mapping. */
#include "host.h"

pagoda_u64 pagoda_port_clock_ns(void)
{
	struct timespec now;

	timespec_get(&now, TIME_UTC);
	return (pagoda_u64)now.tv_sec * 1000000000u + (pagoda_u64)now.tv_nsec;
}

struct pagoda_vm_task *pagoda_port_thread_create(const char *name, void (*fn)(void *arg), void *arg)
{
	(void)name, (void)fn, (void)arg;
	return NULL;
}

void use_tier4(void)
{
	unsigned long addr;

	host_enter_process();
	addr = pagoda_do_mmap(pagoda_current_vm->mm, NULL, 0, pagoda_SZ_1M,
			      pagoda_PROT_READ | pagoda_PROT_WRITE, pagoda_MAP_SHARED | pagoda_MAP_ANONYMOUS, 0);
	host_expect(!pagoda_IS_ERR_VALUE(addr), "a shared region");
	host_write_fault(addr);
	host_expect(pagoda_atomic_long_read(&pagoda_nr_pagecache_pages) == 1, "one page in a page cache");
	pagoda_mm_validate_all();
	host_leave_process();
	host_expect(pagoda_atomic_long_read(&pagoda_nr_pagecache_pages) == 0, "no page in a page cache");
}
