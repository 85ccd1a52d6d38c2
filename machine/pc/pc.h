/* SPDX-License-Identifier: MIT */
/*
 * pc.h: what the files of machine/pc share with each other.
 *
 * One block per file; the theory of each is on top of that file.
 */
#pragma once

#include <asm/segment.h>
#include <pagoda/types.h>
#include <pagoda/port.h>
#include <pagoda/machine.h>
#include <machine/cpu_offsets.h>

#define PAGE_SIZE_PC 4096ul

/* ---- Section bounds (link.ld); addresses, not objects ---------------------------------------- */
extern char _text[], _etext[], _rodata[], _erodata[], _data[], _edata[], _boot_stack_guard[];
extern char __init_begin[], __init_text_end[], __init_end[], _ksyms[], _end[];

/* ---- Defined in assembly -------------------------------------------------------------------- */

/* boot.S: what the boot loader left in registers, and the time. */
extern u64 boot_entry_tsc;
extern u32 boot_magic, boot_info_pa;
/* entry.S, boot.S: code and the end of the boot stack; addresses, not objects. */
extern const char trap_stubs[], syscall_entry[], syscall32_entry[], boot_stack_top[];
/* Instructions to be patched where the CPU has SMAP (cpu.c). */
struct smap_site {
	u8 *insn;
	u64 is_stac;
};
extern const struct smap_site __start_smap_sites[], __stop_smap_sites[];
/* The names of functions (ksyms.c), from a file that the build makes. */
extern const u32 ksyms_count, ksyms_offsets[], ksyms_names[];
extern const char ksyms_strings[];

/* ---- cpu.c: one block per CPU, descriptor tables, features ----------------------------------- */

#define TSS_SELECTOR 0x40
#define LDT_SELECTOR 0x50
#define NR_VECTORS   256

/* Interrupt stacks: an IST slot each, so that these work whatever RSP was. */
enum { IST_NONE, IST_NMI, IST_DOUBLE_FAULT, IST_MACHINE_CHECK, NR_IST };

struct tss {
	u32 reserved0;
	u64 rsp[3]; /* rsp[0]: the stack for traps from user mode */
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, iomap_base;
} __packed;

/* What is in a struct machine_thread (context.c). */
struct pc_selectors {
	u16 ds, es, fs, gs;
};
struct pc_thread {
	unsigned long sp;	 /* saved kernel stack pointer while switched out */
	unsigned long stack_top; /* one past the kernel stack: traps from user start here */
	unsigned long fs_base, gs_base;
	struct pc_selectors sel; /* they matter to who has segments of his own (modify_ldt) */
	struct machine_trap_info trap;
	u8 fpu[MACHINE_FPU_BYTES] __aligned(16); /* FXSAVE image */
} __attribute__((may_alias));
static_assert(sizeof(struct pc_thread) <= sizeof(struct machine_thread), "MACHINE_THREAD_BYTES");
static inline struct pc_thread *pc_thread(struct machine_thread *t)
{
	return (struct pc_thread *)t->opaque;
}
static inline const struct pc_thread *pc_thread_const(const struct machine_thread *t)
{
	return (const struct pc_thread *)t->opaque;
}

/* What a CPU knows of itself, through GS. The first fields at the offsets of cpu_offsets.h. */
struct cpu {
	struct cpu *self;
	struct vm_task *current;
	unsigned long kernel_sp;
	unsigned long user_sp;
	u32 id;
	u32 apic_id;
	struct pc_thread *thread; /* running; NULL on the boot stack */
	struct tss tss;
	const void *ldt; /* what is loaded: descriptors, and how many */
	unsigned int ldt_nr;
	u64 gdt[12];
};

static inline struct cpu *this_cpu(void)
{
	struct cpu *cpu;

	__asm__ __volatile__("movq %%gs:%c1, %0" : "=r"(cpu) : "i"(CPU_SELF));
	return cpu;
}

/* What the CPUs can do beyond x86_features (asm/cpufeature.h); the same on all. */
struct cpu_features {
	bool umip, rdrand;
	u32 hwcap; /* CPUID.1:EDX */
};
extern struct cpu_features cpu_features;

void cpu_init_boot(void);
/* The stack for traps and system calls from user mode, from now on. */
void machine_set_kernel_sp(struct cpu *cpu, unsigned long sp);

/* ---- log.c, serial.c, screen.c, keyboard.c --------------------------------------------------- */
void serial_init(void);
void serial_write(const char *text, size_t n);
int serial_getc(void); /* -1: none */
/* Interrupt when bytes arrive. */
void serial_want_input(void);
/* A text screen of the given size at pa; without, screen_write() does nothing. */
void screen_init(phys_addr_t pa, u32 columns, u32 rows);
void screen_write(const char *text, size_t n);
void keyboard_init(void);
int keyboard_getc(void); /* -1: none */
#define KEYBOARD_IRQ 1	 /* ISA lines */
#define SERIAL_IRQ   4
/* Formatted text straight to the log; works from the first instruction on, in panics too. */
void log_printf(const char *fmt, ...) __printf(1, 2);

/* ---- boot.c ---------------------------------------------------------------------------------- */
struct boot_source {
	phys_addr_t rsdp; /* 0: not told */
};
extern struct boot_source boot_source;

/* ---- trap.c ---------------------------------------------------------------------------------- */
/* Called by entry.S. */
void trap_dispatch(struct pt_regs *regs, unsigned int vector);
void trap_dispatch_ist(struct pt_regs *regs, unsigned int vector);
void trap_page_fault(struct pt_regs *regs);
struct pt_regs *trap_bad_iret(struct pt_regs *regs);

/* fn runs with interrupts off, and acknowledges the interrupt itself. */
void irq_set_handler(unsigned int vector, void (*fn)(struct pt_regs *regs, unsigned int vector));
extern unsigned long nr_spurious_interrupts;

/* arch/x86: see asm/fault.h */
void do_page_fault(struct pt_regs *regs, unsigned long error_code, unsigned long address);

/* ---- context.c, entry.S, usercopy.S ---------------------------------------------------------- */
extern u8 fpu_default_image[512];
void fpu_init(void);
void fpu_load(const void *image);
bool wrmsr_safe(u32 msr, u64 value);

/* What machine_switch_stacks() leaves on a stack. */
struct switch_frame {
	unsigned long r15, r14, r13, r12, rbx, rbp, ip;
};
void machine_switch_stacks(unsigned long *save_sp, unsigned long load_sp);
void thread_start(void);
__noreturn void enter_user_at(struct pt_regs *regs);

/* ---- panic.c, ksyms.c ------------------------------------------------------------------------ */
#define PANIC_EXIT_STATUS 70
__noreturn void pc_panic(const char *message, const struct pt_regs *regs);

/* ---- acpi.c ---------------------------------------------------------------------------------- */
#define NR_ISA_IRQS 16

struct acpi_info {
	u16 pm1a_control, pm1b_control, pm_timer, smi_command; /* I/O ports; 0: none */
	u8 acpi_enable;					       /* written to smi_command */
	u8 s5_type_a, s5_type_b;
	bool has_s5;
	u32 nr_cpus;
	u32 lapic_pa, ioapic_pa, ioapic_gsi_base;
	u32 isa_gsi[NR_ISA_IRQS]; /* global interrupt of an ISA one */
	u16 isa_flags[NR_ISA_IRQS];
};
extern struct acpi_info acpi_info;
/* After the memory map was read: nodes get their parts of it. */
void acpi_init_early(void);

/* boot.c: RAM in [start, start + size) is node nid's. */
void boot_memory_of_node(u64 start, u64 size, int nid);

/* ---- apic.c ---------------------------------------------------------------------------------- */
#define VECTOR_TICK 0x30

struct msi_message {
	u32 address, data;
};
void apic_init(void);
void apic_eoi(void);
void apic_timer_count_start(void);
u32 apic_timer_count(void);
void apic_timer_start(u32 period);
/* A vector of its own for a device, handled by fn. Boot only. */
unsigned int irq_alloc_vector(void (*fn)(struct pt_regs *regs, unsigned int vector));
/* Send an ISA interrupt line to vector; false without an IO-APIC. */
bool ioapic_route_isa(unsigned int irq, unsigned int vector);
struct msi_message apic_msi_message(unsigned int vector);

/* ---- clock.c --------------------------------------------------------------------------------- */
void clock_init(struct boot_info *bi);

/* ---- virtio_blk.c ---------------------------------------------------------------------------- */
/* Find and register all disks. */
void virtio_blk_init(void);

/* ---- stream.c -------------------------------------------------------------------------------- */
void stream_init(void);
/* From the tick, interrupts off: what has no interrupt of its own. */
void stream_poll(void);
