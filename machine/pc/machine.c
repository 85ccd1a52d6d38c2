/* SPDX-License-Identifier: MIT */
/*
 * machine.c: the second half of the machine's start, once the core can allocate; and idling.
 */
#include "io.h"
#include "pc.h"

void machine_init(struct boot_info *bi)
{
	apic_init();
	clock_init(bi);
	stream_init();
	virtio_blk_init();
	__asm__ __volatile__("sti");
}

/* STI takes effect after the next instruction: an interrupt cannot slip in before HLT. */
void machine_idle(void)
{
	__asm__ __volatile__("sti; hlt" : : : "memory");
}
