/* SPDX-License-Identifier: MIT */
/*
 * embed.c: the core in a program of one's own, on the hosted machine. README.md shows it.
 *
 * It takes a C compiler and its library, nothing else. In the root of the tree:
 *
 *	cc -std=gnu11 -O1 -D_GNU_SOURCE -pthread -I. -Iinclude -Imachine/hosted/include \
 *	  -Iarch/x86/include -Iarch/x86/geometry/x86_64 -o /tmp/embed docs/embed.c \
 *	  $(find machine/hosted lib mm arch/x86 -name '*.c' ! -path arch/x86/string.c \
 *	    ! -name lock_debug.c)
 *	/tmp/embed
 */
#include <machine/hosted.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/vmstat.h>
#include <stdio.h>

int main(void)
{
	struct hosted_config machine = {.ram = 64 * SZ_1M, .nr_cpus = 2};
	int rw = PROT_READ | PROT_WRITE, anonymous = MAP_PRIVATE | MAP_ANONYMOUS;

	hosted_boot(&machine); /* a kernel calls mm_boot() here */

	struct page *block = alloc_pages(GFP_KERNEL, 3); /* eight contiguous frames */
	char *object = kmalloc(100, GFP_KERNEL);	 /* from the cache "size-128" */
	if (!block || !object || hosted_process_create())
		return 1;

	unsigned long addr = do_mmap(current_vm->mm, NULL, 0, SZ_1M, rw, anonymous, 0);
	hosted_write64(addr, 42); /* the simulated MMU faults, do_page_fault() serves it */
	printf("read back %llu, %lu anonymous fault, %zu usable bytes\n",
	       (unsigned long long)hosted_read64(addr), vm_event(fault_anon), ksize(object));

	hosted_process_exit(); /* the page and its tables go back */
	kfree(object);
	__free_pages(block, 3);
	return 0;
}
