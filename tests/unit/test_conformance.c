/* SPDX-License-Identifier: MIT */
/* test_conformance.c: what port.h promises, checked on the machine at hand. */
#include "harness.h"

PAGODA_TEST(irq_save_nests, "XC-01")
{
	unsigned long outer, inner;

	CHECK(port_irqs_enabled());
	outer = port_irq_save();
	inner = port_irq_save();
	CHECK(!port_irqs_enabled());
	port_irq_restore(inner);
	CHECK(!port_irqs_enabled());
	port_irq_restore(outer);
	CHECK(port_irqs_enabled());
}
