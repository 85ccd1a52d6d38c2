/* SPDX-License-Identifier: MIT */
/*
 * power.c: the end of the machine.
 *
 * Success (status 0) is an orderly ACPI power-off: write \_S5's sleep type and the enable
 * bit to PM1 control. A panic's status goes to QEMU's isa-debug-exit device first, which
 * ends QEMU with (status << 1) | 1; where there is none, and wherever ACPI does not do it,
 * a triple fault resets the machine (QEMU -no-reboot: ends it), as a last resort.
 */
#include "io.h"
#include "pc.h"

#define DEBUG_EXIT_PORT	     0xf4
#define PM1_SCI_ENABLE	     0x0001
#define PM1_SLEEP_TYPE_SHIFT 10
#define PM1_SLEEP_ENABLE     0x2000

static void acpi_power_off(void)
{
	if (!acpi_info.has_s5 || acpi_info.pm1a_control == 0)
		return;
	if (acpi_info.smi_command != 0 && !(inw(acpi_info.pm1a_control) & PM1_SCI_ENABLE))
		outb(acpi_info.smi_command, acpi_info.acpi_enable);
	outw(acpi_info.pm1a_control,
	     (u16)(acpi_info.s5_type_a << PM1_SLEEP_TYPE_SHIFT | PM1_SLEEP_ENABLE));
	if (acpi_info.pm1b_control != 0)
		outw(acpi_info.pm1b_control,
		     (u16)(acpi_info.s5_type_b << PM1_SLEEP_TYPE_SHIFT | PM1_SLEEP_ENABLE));
}

static void triple_fault(void)
{
	const struct {
		u16 limit;
		u64 base;
	} __packed no_idt = {0, 0};

	__asm__ __volatile__("lidt %0; int3" : : "m"(no_idt));
}

__noreturn void machine_power_off(int status)
{
	__asm__ __volatile__("cli");
	if (status != 0)
		outl(DEBUG_EXIT_PORT, (u32)status);
	else
		acpi_power_off();
	for (volatile int i = 0; i < 1000000; i++) /* real hardware takes its time */
		port_cpu_relax();
	triple_fault();
	for (;;)
		__asm__ __volatile__("hlt");
}
