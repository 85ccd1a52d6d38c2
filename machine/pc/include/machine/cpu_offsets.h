/* SPDX-License-Identifier: MIT */
/* cpu_offsets.h: offsets into struct cpu, for assembly and inline code; cpu.c asserts them. */
#pragma once

#define CPU_SELF      0	 /* the structure's own address */
#define CPU_CURRENT   8	 /* struct vm_task * */
#define CPU_KERNEL_SP 16 /* top of the running thread's kernel stack */
#define CPU_USER_SP   24 /* SYSCALL parks the user's stack pointer here */
#define CPU_ID	      32
