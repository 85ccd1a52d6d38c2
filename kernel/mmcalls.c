/* SPDX-License-Identifier: MIT */
/*
 * mmcalls.c: the memory system calls. The work is the core's (pagoda/mm.h, do_*); here a
 * descriptor becomes a file, and arguments are checked that the core does not see.
 */
#include <pagoda/errno.h>
#include <pagoda/mm.h>
#include <pagoda/pagemap.h>
#include <fs/task.h>
#include <kernel/syscalls.h>

long sys_mmap(unsigned long addr, unsigned long len, unsigned long prot, unsigned long flags,
	      unsigned long fd, unsigned long offset)
{
	struct vm_file *file;
	unsigned long ret;

	if (flags & MAP_ANONYMOUS)
		return (long)do_mmap(current_vm->mm, NULL, addr, len, prot, flags, offset);
	/* Before the descriptor is looked at: a bad offset is told first, as on Linux. */
	if (offset & (PAGE_SIZE - 1))
		return -EINVAL;
	file = fs_fget_vm((int)fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = do_mmap(current_vm->mm, file, addr, len, prot, flags, offset);
	put_vm_file(file);
	return (long)ret;
}

long sys_munmap(unsigned long addr, unsigned long len)
{
	return do_munmap(current_vm->mm, addr, len);
}

long sys_mprotect(unsigned long addr, unsigned long len, unsigned long prot)
{
	return do_mprotect(current_vm->mm, addr, len, prot);
}

long sys_mremap(unsigned long addr, unsigned long old_len, unsigned long new_len,
		unsigned long flags, unsigned long new_addr)
{
	return (long)do_mremap(current_vm->mm, addr, old_len, new_len, flags, new_addr);
}

long sys_brk(unsigned long brk)
{
	return (long)do_brk(current_vm->mm, brk);
}

long sys_madvise(unsigned long addr, unsigned long len, unsigned long advice)
{
	return do_madvise(current_vm->mm, addr, len, (int)advice);
}

long sys_mincore(unsigned long addr, unsigned long len, unsigned long vec)
{
	return do_mincore(current_vm->mm, addr, len, vec);
}

long sys_msync(unsigned long addr, unsigned long len, unsigned long flags)
{
	return do_msync(current_vm->mm, addr, len, (int)flags);
}

long sys_mlock(unsigned long addr, unsigned long len)
{
	return do_mlock(current_vm->mm, addr, len, 0);
}

long sys_mlock2(unsigned long addr, unsigned long len, unsigned long flags)
{
	if ((int)flags & ~(int)MLOCK_ONFAULT)
		return -EINVAL;
	return do_mlock(current_vm->mm, addr, len, (unsigned int)flags);
}

long sys_munlock(unsigned long addr, unsigned long len)
{
	return do_munlock(current_vm->mm, addr, len);
}

long sys_mlockall(unsigned long flags)
{
	return do_mlockall(current_vm->mm, (int)flags);
}

long sys_munlockall(void)
{
	return do_munlockall(current_vm->mm);
}

long sys_remap_file_pages(unsigned long start, unsigned long size, unsigned long prot,
			  unsigned long pgoff, unsigned long flags)
{
	return prot ? -EINVAL : do_remap_file_pages(current_vm->mm, start, size, pgoff, flags);
}

/* ---- membarrier ---------------------------------------------------------------------------- */

#define MEMBARRIER_QUERY				0u
#define MEMBARRIER_GLOBAL				0x01u
#define MEMBARRIER_GLOBAL_EXPEDITED			0x02u
#define MEMBARRIER_REGISTER_GLOBAL_EXPEDITED		0x04u
#define MEMBARRIER_PRIVATE_EXPEDITED			0x08u
#define MEMBARRIER_REGISTER_PRIVATE_EXPEDITED		0x10u
#define MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE		0x20u
#define MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE 0x40u
#define MEMBARRIER_ALL					0x7fu /* restartable sequences: none here */

static void cpu_barrier(void *unused)
{
	(void)unused;
	smp_mb(); /* the interrupt itself and the return from it serialise the core */
}

static long barrier_everywhere(void)
{
	port_on_each_cpu((1ul << port_nr_cpus()) - 1, cpu_barrier, NULL);
	return 0;
}

/* An expedited barrier is for processes that have announced it (EPERM). */
long sys_membarrier(unsigned long cmd, unsigned long flags, unsigned long cpu)
{
	unsigned int *registered = &current_vm->mm->membarrier;

	(void)cpu; /* means something with rseq only */
	if ((unsigned int)flags)
		return -EINVAL;
	switch ((unsigned int)cmd) {
	case MEMBARRIER_QUERY:
		return MEMBARRIER_ALL;
	case MEMBARRIER_REGISTER_GLOBAL_EXPEDITED:
	case MEMBARRIER_REGISTER_PRIVATE_EXPEDITED:
	case MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
		rmw_or_relaxed(registered, (unsigned int)cmd);
		return 0;
	case MEMBARRIER_PRIVATE_EXPEDITED:
	case MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE:
		if (!(READ_ONCE(*registered) & (unsigned int)cmd << 1))
			return -EPERM;
		return barrier_everywhere();
	case MEMBARRIER_GLOBAL:
	case MEMBARRIER_GLOBAL_EXPEDITED:
		return barrier_everywhere();
	}
	return -EINVAL;
}
