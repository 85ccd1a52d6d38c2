/* SPDX-License-Identifier: MIT */
/*
 * mmcalls.h: the memory system calls (kernel/mmcalls.c), thin over pagoda/mm.h. Arguments as in
 * registers.
 */
#pragma once

long sys_mmap(unsigned long addr, unsigned long len, unsigned long prot, unsigned long flags,
	      unsigned long fd, unsigned long offset);
long sys_munmap(unsigned long addr, unsigned long len);
long sys_mprotect(unsigned long addr, unsigned long len, unsigned long prot);
long sys_mremap(unsigned long addr, unsigned long old_len, unsigned long new_len,
		unsigned long flags, unsigned long new_addr);
long sys_brk(unsigned long brk);
long sys_madvise(unsigned long addr, unsigned long len, unsigned long advice);
long sys_mincore(unsigned long addr, unsigned long len, unsigned long vec);
long sys_msync(unsigned long addr, unsigned long len, unsigned long flags);
long sys_mlock(unsigned long addr, unsigned long len);
long sys_mlock2(unsigned long addr, unsigned long len, unsigned long flags);
long sys_munlock(unsigned long addr, unsigned long len);
long sys_mlockall(unsigned long flags);
long sys_munlockall(void);
long sys_remap_file_pages(unsigned long start, unsigned long size, unsigned long prot,
			  unsigned long pgoff, unsigned long flags);
long sys_membarrier(unsigned long cmd, unsigned long flags, unsigned long cpu);
/* kernel/numa.c */
long sys_mbind(unsigned long start, unsigned long len, unsigned long mode, unsigned long nodes,
	       unsigned long maxnode, unsigned long flags);
long sys_set_mempolicy(unsigned long mode, unsigned long nodes, unsigned long maxnode);
long sys_get_mempolicy(unsigned long policy, unsigned long nodes, unsigned long maxnode,
		       unsigned long addr, unsigned long flags);
long sys_migrate_pages(unsigned long pid, unsigned long maxnode, unsigned long from,
		       unsigned long to);
long sys_move_pages(unsigned long pid, unsigned long nr, unsigned long pages, unsigned long nodes,
		    unsigned long status, unsigned long flags);
long sys_set_mempolicy_home_node(unsigned long start, unsigned long len, unsigned long node,
				 unsigned long flags);
/* kernel/process_vm.c */
struct mm_struct;
/*
 * The address space of a process that the caller may look into, with a user; ERR_PTR(-ESRCH,
 * -EPERM).
 */
struct mm_struct *mm_access(int pid);
long sys_process_vm_readv(unsigned long pid, unsigned long local, unsigned long nr_local,
			  unsigned long remote, unsigned long nr_remote, unsigned long flags);
long sys_process_madvise(unsigned long pidfd, unsigned long vec, unsigned long nr,
			 unsigned long advice, unsigned long flags);
long sys_process_vm_writev(unsigned long pid, unsigned long local, unsigned long nr_local,
			   unsigned long remote, unsigned long nr_remote, unsigned long flags);
