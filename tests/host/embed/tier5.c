/* SPDX-License-Identifier: MIT */
/* tier5.c: pressure: tasks that may be killed for memory; a page that its owner does not want is taken. */
#include "host.h"

void pagoda_port_for_each_task(bool (*fn)(struct pagoda_vm_task *task, void *arg), void *arg)
{
	fn(pagoda_port_current(), arg);
}

void pagoda_port_signal_tasks(bool (*wanted)(struct pagoda_vm_task *task, void *arg), void *arg, int signo)
{
	(void)wanted, (void)arg, (void)signo;
}

void use_tier5(void)
{
	unsigned long addr;

	host_enter_process();
	addr = pagoda_do_mmap(pagoda_current_vm->mm, NULL, 0, pagoda_SZ_1M,
			      pagoda_PROT_READ | pagoda_PROT_WRITE, pagoda_MAP_PRIVATE | pagoda_MAP_ANONYMOUS, 0);
	host_expect(!pagoda_IS_ERR_VALUE(addr), "a region");
	host_write_fault(addr);
	pagoda_lru_add_drain_all();
	host_expect(pagoda_lru_pages(pagoda_LRU_INACTIVE_ANON) + pagoda_lru_pages(pagoda_LRU_ACTIVE_ANON) == 1,
		    "one anonymous page on the lists");
	host_expect(pagoda_do_madvise(pagoda_current_vm->mm, addr, pagoda_PAGE_SIZE, 4) == 0, "MADV_DONTNEED");
	host_expect(pagoda_lru_pages(pagoda_LRU_INACTIVE_ANON) + pagoda_lru_pages(pagoda_LRU_ACTIVE_ANON) == 0,
		    "no anonymous page on the lists");
	pagoda_mm_validate_all();
	host_leave_process();
}
