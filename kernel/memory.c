/* SPDX-License-Identifier: MIT */
/*
 * memory.c: the memory system calls. The work is the core's (pagoda/mm.h, do_*); here a
 * descriptor becomes a file, and arguments are checked that the core does not see.
 */
#include <pagoda/errno.h>
#include <pagoda/mm.h>
#include <pagoda/pagemap.h>
#include <fs/task.h>
#include <kernel/memory.h>

#define MLOCK_ONFAULT 1ul

long sys_mmap(unsigned long addr, unsigned long len, unsigned long prot, unsigned long flags,
	      unsigned long fd, unsigned long offset)
{
	struct vm_file *file = NULL;
	unsigned long ret;

	if (offset & (PAGE_SIZE - 1))
		return -EINVAL;
	if (!(flags & MAP_ANONYMOUS)) {
		file = fs_fget_vm((int)fd);
		if (IS_ERR(file))
			return PTR_ERR(file);
	}
	ret = do_mmap(file, addr, len, prot, flags, offset);
	if (file)
		put_vm_file(file);
	return (long)ret;
}

long sys_munmap(unsigned long addr, unsigned long len)
{
	return do_munmap(addr, len);
}

long sys_mprotect(unsigned long addr, unsigned long len, unsigned long prot)
{
	return do_mprotect(addr, len, prot);
}

long sys_mremap(unsigned long addr, unsigned long old_len, unsigned long new_len, unsigned long flags,
		unsigned long new_addr)
{
	return (long)do_mremap(addr, old_len, new_len, flags, new_addr);
}

long sys_brk(unsigned long brk)
{
	return (long)do_brk(brk);
}

long sys_madvise(unsigned long addr, unsigned long len, unsigned long advice)
{
	return do_madvise(addr, len, (int)advice);
}

long sys_mincore(unsigned long addr, unsigned long len, unsigned long vec)
{
	return do_mincore(addr, len, vec);
}

long sys_msync(unsigned long addr, unsigned long len, unsigned long flags)
{
	return do_msync(addr, len, (int)flags);
}

long sys_mlock(unsigned long addr, unsigned long len)
{
	return do_mlock(addr, len, 0);
}

long sys_mlock2(unsigned long addr, unsigned long len, unsigned long flags)
{
	if ((int)flags & ~(int)MLOCK_ONFAULT)
		return -EINVAL;
	return do_mlock(addr, len, (unsigned int)flags);
}

long sys_munlock(unsigned long addr, unsigned long len)
{
	return do_munlock(addr, len);
}

long sys_mlockall(unsigned long flags)
{
	return do_mlockall((int)flags);
}

long sys_munlockall(void)
{
	return do_munlockall();
}
