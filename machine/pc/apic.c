/* SPDX-License-Identifier: MIT */
/*
 * apic.c: interrupt controllers.
 *
 *	device -- MSI-X --------------------+
 *	ISA device -- IO-APIC (per-pin) ----+--> local APIC --> CPU, by vector
 *	local APIC's own timer -------------+
 *
 * The old pair of 8259 PICs is moved out of the exceptions' way and masked for
 * good. Vectors are given out once, at boot:
 *
 *	0x30		tick (the local APIC's timer)
 *	0x31..0xef	irq_alloc_vector(), for devices
 *	0xff		spurious
 *
 * Every handler acknowledges with apic_eoi(). Registers are memory-mapped (x2APIC is not
 * needed for one CPU). Intel SDM volume 3 chapter 11; 82093AA data sheet.
 */
#include <pagoda/bug.h>
#include <pagoda/vmalloc.h>
#include "io.h"
#include "pc.h"

#define LAPIC_DEFAULT_PA 0xfee00000
#define LAPIC_ID	 0x20
#define LAPIC_EOI	 0xb0
#define LAPIC_SPURIOUS	 0xf0
#define LAPIC_LVT_TIMER	 0x320
#define LAPIC_LVT_LINT0	 0x350
#define LAPIC_TIMER_INIT 0x380
#define LAPIC_TIMER_NOW	 0x390
#define LAPIC_TIMER_DIV	 0x3e0

#define SPURIOUS_ENABLE	   0x100
#define LVT_MASKED	   0x10000
#define LVT_PERIODIC	   0x20000
#define TIMER_DIVIDE_BY_16 0x3
#define APIC_BASE_ENABLE   0x800

#define VECTOR_SPURIOUS	    0xff
#define VECTOR_DEVICE_FIRST 0x31
#define VECTOR_DEVICE_LAST  0xef

#define IOAPIC_SELECT	  0x00
#define IOAPIC_WINDOW	  0x10
#define IOAPIC_VERSION	  1
#define IOAPIC_REDIR(pin) (0x10 + 2 * (pin))
#define REDIR_ACTIVE_LOW  0x2000
#define REDIR_LEVEL	  0x8000
#define REDIR_MASKED	  0x10000

/* Bits of an interrupt source override. */
#define OVERRIDE_POLARITY_LOW  0x3
#define OVERRIDE_TRIGGER_LEVEL 0xc

#define PIC1_COMMAND 0x20
#define PIC1_DATA    0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA    0xa1

static volatile u8 *lapic, *ioapic;
static u32 ioapic_pins;
static unsigned int next_vector = VECTOR_DEVICE_FIRST;

/* Both PICs to vectors 0x20..0x2f (a stray one must not look like an exception), all masked. */
static void pic_disable(void)
{
	outb(PIC1_COMMAND, 0x11);
	outb(PIC2_COMMAND, 0x11);
	outb(PIC1_DATA, 0x20);
	outb(PIC2_DATA, 0x28);
	outb(PIC1_DATA, 4);
	outb(PIC2_DATA, 2);
	outb(PIC1_DATA, 1);
	outb(PIC2_DATA, 1);
	outb(PIC1_DATA, 0xff);
	outb(PIC2_DATA, 0xff);
}

static u32 ioapic_read(u32 reg)
{
	mmio_write32(ioapic + IOAPIC_SELECT, reg);
	return mmio_read32(ioapic + IOAPIC_WINDOW);
}

static void ioapic_write(u32 reg, u32 value)
{
	mmio_write32(ioapic + IOAPIC_SELECT, reg);
	mmio_write32(ioapic + IOAPIC_WINDOW, value);
}

static void ioapic_init(void)
{
	if (acpi_info.ioapic_pa == 0)
		return;
	ioapic = ioremap(acpi_info.ioapic_pa, PAGE_SIZE_PC);
	if (!ioapic)
		panic("apic: no memory to map the IO-APIC");
	ioapic_pins = (ioapic_read(IOAPIC_VERSION) >> 16 & 0xff) + 1;
	for (u32 pin = 0; pin < ioapic_pins; pin++)
		ioapic_write(IOAPIC_REDIR(pin), REDIR_MASKED);
}

void apic_init(void)
{
	phys_addr_t pa = acpi_info.lapic_pa ? acpi_info.lapic_pa : LAPIC_DEFAULT_PA;

	pic_disable();
	lapic = ioremap(pa, PAGE_SIZE_PC);
	if (!lapic)
		panic("apic: no memory to map the local APIC");
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE);
	mmio_write32(lapic + LAPIC_LVT_LINT0, LVT_MASKED); /* the PIC's line */
	mmio_write32(lapic + LAPIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	this_cpu()->apic_id = mmio_read32(lapic + LAPIC_ID) >> 24;
	ioapic_init();
}

void apic_eoi(void)
{
	mmio_write32(lapic + LAPIC_EOI, 0);
}

/* A one-shot count from the top with no interrupt, to be compared with a known clock. */
void apic_timer_count_start(void)
{
	mmio_write32(lapic + LAPIC_TIMER_DIV, TIMER_DIVIDE_BY_16);
	mmio_write32(lapic + LAPIC_LVT_TIMER, LVT_MASKED);
	mmio_write32(lapic + LAPIC_TIMER_INIT, ~0u);
}

u32 apic_timer_count(void)
{
	return ~0u - mmio_read32(lapic + LAPIC_TIMER_NOW);
}

void apic_timer_start(u32 period)
{
	mmio_write32(lapic + LAPIC_LVT_TIMER, LVT_PERIODIC | VECTOR_TICK);
	mmio_write32(lapic + LAPIC_TIMER_INIT, period);
}

unsigned int irq_alloc_vector(void (*fn)(struct pt_regs *regs, unsigned int vector))
{
	unsigned int vector = next_vector++;

	BUG_ON(vector > VECTOR_DEVICE_LAST);
	irq_set_handler(vector, fn);
	return vector;
}

bool ioapic_route_isa(unsigned int irq, unsigned int vector)
{
	u32 pin = acpi_info.isa_gsi[irq] - acpi_info.ioapic_gsi_base;
	u16 flags = acpi_info.isa_flags[irq];
	u32 redir = vector;

	if (!ioapic || pin >= ioapic_pins)
		return false;
	if ((flags & OVERRIDE_POLARITY_LOW) == OVERRIDE_POLARITY_LOW)
		redir |= REDIR_ACTIVE_LOW;
	if ((flags & OVERRIDE_TRIGGER_LEVEL) == OVERRIDE_TRIGGER_LEVEL)
		redir |= REDIR_LEVEL;
	ioapic_write(IOAPIC_REDIR(pin) + 1, this_cpu()->apic_id << 24);
	ioapic_write(IOAPIC_REDIR(pin), redir);
	return true;
}

/* What a device must write where to raise vector here (Intel SDM volume 3, 11.11). */
struct msi_message apic_msi_message(unsigned int vector)
{
	return (struct msi_message){LAPIC_DEFAULT_PA | this_cpu()->apic_id << 12, vector};
}
