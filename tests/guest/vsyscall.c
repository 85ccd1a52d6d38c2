/* SPDX-License-Identifier: MIT */
/* proves: FT-15 */
/*
 * There is no vsyscall page: calling, reading or writing one of its addresses is a bad access like
 * any other, as on Linux booted with vsyscall=none.
 */
#include "guest.h"

int main(void)
{
	catch_faults(0);
	for (unsigned long address = 0xffffffffff600000; address <= 0xffffffffff600800; address += 0x400) {
		char *p = opaque((void *)address), label[40];

		snprintf(label, sizeof(label), "call %lx", address);
		TRY(touch_call(p));
		show_fault(label, p);
		snprintf(label, sizeof(label), "read %lx", address);
		TRY(touch_read(p));
		show_fault(label, p);
		snprintf(label, sizeof(label), "write %lx", address);
		TRY(touch_write(p, 1));
		show_fault(label, p);
	}
	/* The time is to be had otherwise. */
	printf("time: %s\n", time(NULL) > 0 ? "yes" : "no");
	return 0;
}
