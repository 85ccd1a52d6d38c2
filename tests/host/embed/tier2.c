/* SPDX-License-Identifier: MIT */
/* tier2.c: kernel mappings: a machine without an MMU has nothing to load or to flush; three pages at kernel addresses. */
#include "host.h"

void pagoda_port_map_kernel_image(void)
{
}

void pagoda_port_load_pgd(pagoda_phys_addr_t pgd_pa)
{
	(void)pgd_pa;
}

void pagoda_port_flush_tlb_page(unsigned long addr)
{
	(void)addr;
}

void pagoda_port_flush_tlb_all(void)
{
}

/* One task never waits for another: each call finds a token. */
void pagoda_port_park(pagoda_u64 deadline_ns)
{
	(void)deadline_ns;
}

void pagoda_port_unpark(struct pagoda_vm_task *task)
{
	(void)task;
}

bool pagoda_port_fatal_signal_pending(void)
{
	return false;
}

void use_tier2(void)
{
	char *area = pagoda_vmalloc(3 * pagoda_PAGE_SIZE);
	pagoda_pte_t *pte = pagoda_lookup_kernel_pte((unsigned long)area);

	host_expect(area >= (char *)HOST_MAPS && area < (char *)(HOST_MAPS + HOST_MAPS_SIZE),
		    "an area among the kernel addresses");
	host_expect(pte && pagoda_pte_present(pagoda_ptep_get(pte)), "an entry that maps its first page");
	pagoda_vfree(area);
	pagoda_validate_vmalloc();
}
