/* SPDX-License-Identifier: MIT */
/* tier4.c: files: nothing more is asked of a port; a page of a file without a name, shared by its mapping. */
#include "host.h"

void use_tier4(void)
{
	unsigned long addr;

	host_enter_process();
	addr = pagoda_do_mmap(NULL, 0, pagoda_SZ_1M, pagoda_PROT_READ | pagoda_PROT_WRITE,
			  pagoda_MAP_SHARED | pagoda_MAP_ANONYMOUS, 0);
	host_expect(!pagoda_IS_ERR_VALUE(addr), "a shared region");
	host_write_fault(addr);
	host_expect(pagoda_atomic_long_read(&pagoda_nr_pagecache_pages) == 1, "one page in a page cache");
	pagoda_mm_validate_all();
	host_leave_process();
	host_expect(pagoda_atomic_long_read(&pagoda_nr_pagecache_pages) == 0, "no page in a page cache");
}
