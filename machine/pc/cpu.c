/* SPDX-License-Identifier: MIT */
/*
 * cpu.c: a CPU's own block, its descriptor tables, and the features switched on.
 *
 * Segments (the order SYSCALL and SYSRET demand; user selectors as Linux's):
 *
 *	0x10  kernel code	0x18  kernel data
 *	0x23  (user code, 32 bit: SYSRET's base, not otherwise used)
 *	0x2b  user data		0x33  user code, 64 bit		0x40  TSS
 *	0x50  the loaded process's LDT, where it has one
 *
 * Protection that is switched on where the CPU has it: NX, write-protect in supervisor
 * mode, SMEP and SMAP (supervisor neither executes nor accidentally touches user pages),
 * UMIP (user mode cannot read descriptor table addresses). Global pages too. FSGSBASE
 * and XSAVE stay off: see (E2) in entry.S, and ABI.md section 7.
 *
 * Interrupt stacks: NMI, double fault and machine check run on stacks of their own (IST).
 * So a kernel stack that ran into its guard page, where the page fault cannot push
 * its frame, still ends in a readable double fault.
 */
#include <pagoda/bug.h>
#include <pagoda/string.h>
#include <asm/cpufeature.h>
#include "io.h"
#include "pc.h"

#define CPU_ASSERT(field, offset) \
	static_assert(offsetof(struct cpu, field) == (offset), "cpu_offsets.h")
CPU_ASSERT(self, CPU_SELF);
CPU_ASSERT(current, CPU_CURRENT);
CPU_ASSERT(kernel_sp, CPU_KERNEL_SP);
CPU_ASSERT(user_sp, CPU_USER_SP);
CPU_ASSERT(id, CPU_ID);
static_assert(sizeof(struct tss) == 104, "the CPU's layout");

#define IST_STACK_SIZE 4096
#define TRAP_STUB_SIZE 16

#define GATE_INTERRUPT	     0x8e /* present, ring 0, interrupts off inside */
#define GATE_USER	     0xee /* the same, callable by INT n from ring 3 */
#define VECTOR_NMI	     2
#define VECTOR_BREAKPOINT    3
#define VECTOR_OVERFLOW	     4
#define VECTOR_DOUBLE_FAULT  8
#define VECTOR_MACHINE_CHECK 18

/* SYSCALL clears: TF, IF, DF, IOPL, NT, RF, AC. */
#define SYSCALL_FLAGS_MASK 0x57700ul

struct idt_gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_mid;
	u32 offset_high, reserved;
};

struct table_ptr {
	u16 limit;
	u64 base;
} __packed;

struct cpu_features cpu_features;
static struct cpu boot_cpu;
static u8 ist_stacks[NR_IST][IST_STACK_SIZE] __aligned(16);
static struct idt_gate idt[NR_VECTORS] __aligned(16);

static void __init set_gate(unsigned int vector, u8 type, u8 ist)
{
	u64 stub = (u64)trap_stubs + vector * TRAP_STUB_SIZE;

	idt[vector] = (struct idt_gate){
		.offset_low = (u16)stub,
		.offset_mid = (u16)(stub >> 16),
		.offset_high = (u32)(stub >> 32),
		.selector = KERNEL_CS,
		.type = type,
		.ist = ist,
	};
}

static void __init init_idt(void)
{
	const struct table_ptr ptr = {sizeof(idt) - 1, (u64)idt};

	for (unsigned int i = 0; i < NR_VECTORS; i++)
		set_gate(i, GATE_INTERRUPT, IST_NONE);
	set_gate(VECTOR_NMI, GATE_INTERRUPT, IST_NMI);
	set_gate(VECTOR_BREAKPOINT, GATE_USER, IST_NONE);
	set_gate(VECTOR_OVERFLOW, GATE_USER, IST_NONE);
	set_gate(VECTOR_DOUBLE_FAULT, GATE_INTERRUPT, IST_DOUBLE_FAULT);
	set_gate(VECTOR_MACHINE_CHECK, GATE_INTERRUPT, IST_MACHINE_CHECK);
	__asm__ __volatile__("lidt %0" : : "m"(ptr));
}

static void __init init_tss(struct cpu *cpu)
{
	for (unsigned int i = 1; i < NR_IST; i++)
		cpu->tss.ist[i - 1] = (u64)ist_stacks[i] + IST_STACK_SIZE;
	cpu->tss.iomap_base = sizeof(cpu->tss); /* beyond the limit: no ports for user mode */
	machine_set_kernel_sp(cpu, (unsigned long)boot_stack_top);
}

static void __init init_gdt(struct cpu *cpu)
{
	const u64 tss = (u64)&cpu->tss;
	const u64 gdt[ARRAY_SIZE(cpu->gdt)] = {
		[KERNEL_CS >> 3] = 0x00af9b000000ffff,
		[KERNEL_DS >> 3] = 0x00cf93000000ffff,
		[USER_CS32 >> 3] = 0x00cffb000000ffff,
		[USER_DS >> 3] = 0x00cff3000000ffff,
		[USER_CS >> 3] = 0x00affb000000ffff,
		[TSS_SELECTOR >> 3] = (sizeof(cpu->tss) - 1) | (tss & 0xffffff) << 16 |
				      0x89ull << 40 | (tss >> 24 & 0xff) << 56,
		[(TSS_SELECTOR >> 3) + 1] = tss >> 32,
	};
	const struct table_ptr ptr = {sizeof(cpu->gdt) - 1, (u64)cpu->gdt};

	memcpy(cpu->gdt, gdt, sizeof(gdt));
	__asm__ __volatile__("lgdt %0; ltr %w1" : : "m"(ptr), "r"(TSS_SELECTOR) : "memory");
	__asm__ __volatile__("movl %0, %%ss" : : "r"(KERNEL_DS));
	__asm__ __volatile__("lldt %w0" : : "r"(0)); /* none: the loader may have set one */
}

void port_load_ldt(const void *entries, unsigned int nr)
{
	struct cpu *cpu = this_cpu();
	u64 base = (u64)entries, *entry = &cpu->gdt[LDT_SELECTOR >> 3];

	BUG_ON(port_irqs_enabled());
	cpu->ldt = entries;
	cpu->ldt_nr = nr;
	if (!nr) {
		__asm__ __volatile__("lldt %w0" : : "r"(0) : "memory");
		return;
	}
	entry[0] = (nr * sizeof(u64) - 1) | (base & 0xffffff) << 16 | 0x82ull << 40 |
		   (base >> 24 & 0xff) << 56;
	entry[1] = base >> 32;
	__asm__ __volatile__("lldt %w0" : : "r"(LDT_SELECTOR) : "memory");
}

static void __init detect_features(void)
{
	struct cpuid_regs basic = cpuid(1, 0), extended = cpuid(0x80000001, 0), more = {0};

	if (cpuid(0, 0).eax >= 7)
		more = cpuid(7, 0);
	cpu_features = (struct cpu_features){
		.hwcap = basic.edx,
		.rdrand = basic.ecx & 1u << 30,
		.umip = more.ecx & 1u << 2,
	};
	x86_features = (struct x86_features){
		.pse = basic.edx & 1u << 3,
		.pge = basic.edx & 1u << 13,
		.nx = extended.edx & 1u << 20,
		.smep = more.ebx & 1u << 7,
		.smap = more.ebx & 1u << 20,
	};
}

/* Put the real instructions in place. The boot-time tables still let us write to text. */
static void __init patch_smap_sites(void)
{
	for (const struct smap_site *s = __start_smap_sites; s < __stop_smap_sites; s++) {
		s->insn[0] = 0x0f;
		s->insn[1] = 0x01;
		s->insn[2] = s->is_stac ? 0xcb : 0xca;
	}
}

static void __init enable_features(void)
{
	unsigned long cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT;

	cr4 |= x86_features.pge ? CR4_PGE : 0;
	cr4 |= x86_features.smep ? CR4_SMEP : 0;
	cr4 |= x86_features.smap ? CR4_SMAP : 0;
	cr4 |= cpu_features.umip ? CR4_UMIP : 0;
	if (x86_features.smap)
		patch_smap_sites();
	write_cr4(cr4);
	write_cr0((read_cr0() & ~CR0_EM) | CR0_MP);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | (x86_features.nx ? EFER_NXE : 0));
}

static void __init init_syscall(void)
{
	wrmsr(MSR_STAR, (u64)USER_CS32 << 48 | (u64)KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_CSTAR, (u64)syscall32_entry);
	wrmsr(MSR_FMASK, SYSCALL_FLAGS_MASK);
	wrmsr(MSR_SYSENTER_CS, 0); /* whatever the firmware left: none (E7) */
	write_dr7(0);		   /* (E6) */
}

void __init cpu_init_boot(void)
{
	struct cpu *cpu = &boot_cpu;

	cpu->self = cpu;
	cpu->current = kernel_boot_task(); /* port_current() is never NULL */
	wrmsr(MSR_GS_BASE, (u64)cpu);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	init_tss(cpu);
	init_gdt(cpu);
	init_idt();
	detect_features();
	enable_features();
	init_syscall();
	fpu_init();
}

void machine_set_kernel_sp(struct cpu *cpu, unsigned long sp)
{
	cpu->kernel_sp = sp;
	cpu->tss.rsp[0] = sp;
}

u32 machine_hwcap(void)
{
	return cpu_features.hwcap;
}

/* One CPU for now. The calls keep their meaning when more are started. */
unsigned int port_nr_cpus(void)
{
	return 1;
}

int port_cpu_to_node(unsigned int cpu)
{
	(void)cpu;
	return 0;
}

void port_on_each_cpu(unsigned long mask, void (*fn)(void *arg), void *arg)
{
	unsigned long flags = port_irq_save();

	if (mask & 1ul << port_cpu_id())
		fn(arg);
	port_irq_restore(flags);
}
