/* SPDX-License-Identifier: MIT */
#include "io.h"
#include "pc.h"

#define CPU_ASSERT(field, offset) static_assert(offsetof(struct cpu, field) == (offset), "cpu_offsets.h")
CPU_ASSERT(self, CPU_SELF);
CPU_ASSERT(current, CPU_CURRENT);
CPU_ASSERT(kernel_sp, CPU_KERNEL_SP);
CPU_ASSERT(user_sp, CPU_USER_SP);
CPU_ASSERT(id, CPU_ID);

static struct cpu boot_cpu;

void cpu_init_boot(void)
{
	boot_cpu.self = &boot_cpu;
	wrmsr(MSR_GS_BASE, (u64)&boot_cpu);
}
