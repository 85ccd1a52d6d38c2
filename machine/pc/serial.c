/* SPDX-License-Identifier: MIT */
/*
 * serial.c: the first serial port (COM1), the kernel's own console.
 *
 * A 16550 with its 16-byte FIFO: the line status is asked once per FIFO load, not
 * once per byte, and the bytes go out with one string instruction. Output waits for
 * room; arriving bytes interrupt only after serial_want_input() (stream.c).
 *
 * Failure: with no port there (status reads all ones) everything is dropped.
 */
#include "io.h"
#include "pc.h"

#define COM1	       0x3f8
#define REG_DATA       (COM1 + 0)
#define REG_INTERRUPTS (COM1 + 1)
#define REG_FIFO       (COM1 + 2)
#define REG_LINE       (COM1 + 3)
#define REG_MODEM      (COM1 + 4)
#define REG_STATUS     (COM1 + 5)
#define REG_SCRATCH    (COM1 + 7)

#define LINE_8N1	0x03
#define LINE_DIVISOR	0x80 /* REG_DATA and REG_INTERRUPTS are the divisor */
#define DIVISOR_115200	1
#define FIFO_ENABLE	0x07 /* on, and both directions cleared */
#define FIFO_BYTES	16
#define MODEM_READY	0x0b /* DTR, RTS, and OUT2, which lets the interrupt out */
#define INTERRUPT_INPUT 0x01
#define STATUS_RECEIVED 0x01
#define STATUS_EMPTY	0x20 /* transmit FIFO empty */

#define SPIN_LIMIT 100000 /* then the port is taken for stuck, and text is dropped */

static bool present;

void serial_init(void)
{
	outb(REG_SCRATCH, 0x5a);
	present = inb(REG_SCRATCH) == 0x5a;
	if (!present)
		return;
	outb(REG_INTERRUPTS, 0);
	outb(REG_LINE, LINE_DIVISOR);
	outb(REG_DATA, DIVISOR_115200);
	outb(REG_INTERRUPTS, 0);
	outb(REG_LINE, LINE_8N1);
	outb(REG_FIFO, FIFO_ENABLE);
	outb(REG_MODEM, MODEM_READY);
}

static bool wait_for_room(void)
{
	for (int i = 0; i < SPIN_LIMIT; i++) {
		if (inb(REG_STATUS) & STATUS_EMPTY)
			return true;
		port_cpu_relax();
	}
	return false;
}

void serial_write(const char *text, size_t n)
{
	while (present && n > 0) {
		size_t part = min_t(size_t, n, FIFO_BYTES);

		if (!wait_for_room())
			return;
		outsb(REG_DATA, text, part);
		text += part;
		n -= part;
	}
}

void serial_want_input(void)
{
	if (present)
		outb(REG_INTERRUPTS, INTERRUPT_INPUT);
}

int serial_getc(void)
{
	if (!present || !(inb(REG_STATUS) & STATUS_RECEIVED))
		return -1;
	return inb(REG_DATA);
}
