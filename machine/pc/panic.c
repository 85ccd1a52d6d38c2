/* SPDX-License-Identifier: MIT */
#include "pc.h"
__noreturn void port_panic(const char *message)
{
	log_printf("PANIC: %s\n", message);
	machine_power_off(70);
}
