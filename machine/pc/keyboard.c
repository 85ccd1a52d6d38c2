/* SPDX-License-Identifier: MIT */
/*
 * keyboard.c: a PC keyboard (8042 controller, scan code set 1, US layout), for machines whose
 * terminal is the screen.
 *
 * Scan codes become bytes as a terminal sends them: Control makes control characters,
 * arrows become ESC [ A to D. Bytes wait in a small ring until they are asked for; what does
 * not fit is dropped.
 *
 * Locking: interrupts off.
 */
#include "io.h"
#include "pc.h"

#define PORT_DATA     0x60
#define PORT_STATUS   0x64
#define STATUS_OUTPUT 0x01
#define NO_CONTROLLER 0xff
#define RELEASED      0x80
#define EXTENDED      0xe0
#define RING_BYTES    64

enum {
	SCAN_CONTROL = 0x1d,
	SCAN_LEFT_SHIFT = 0x2a,
	SCAN_RIGHT_SHIFT = 0x36,
	SCAN_CAPS_LOCK = 0x3a,
	SCAN_UP = 0x48,
	SCAN_LEFT = 0x4b,
	SCAN_RIGHT = 0x4d,
	SCAN_DOWN = 0x50,
	SCAN_DELETE = 0x53
};

static const char plain[] = "\0\033"
			    "1234567890-=\177\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\033"
			      "!@#$%^&*()_+\177\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
static_assert(sizeof(plain) == sizeof(shifted), "the same keys");

static bool present, shift, control, caps_lock, extended;
static u8 ring[RING_BYTES];
static unsigned int head, tail; /* bytes ever put in, taken out */

static void put(u8 c)
{
	if (head - tail < RING_BYTES)
		ring[head++ % RING_BYTES] = c;
}

static void put_arrow(u8 letter)
{
	put('\033');
	put('[');
	put(letter);
}

static void extended_key(u8 code)
{
	if (code == SCAN_UP)
		put_arrow('A');
	else if (code == SCAN_DOWN)
		put_arrow('B');
	else if (code == SCAN_RIGHT)
		put_arrow('C');
	else if (code == SCAN_LEFT)
		put_arrow('D');
	else if (code == SCAN_DELETE)
		put('\177');
}

static void character_key(u8 code)
{
	bool letter, upper = shift;
	char c;

	if (code >= sizeof(plain))
		return;
	letter = plain[code] >= 'a' && plain[code] <= 'z';
	if (letter && caps_lock)
		upper = !upper;
	c = upper ? shifted[code] : plain[code];
	if (control && c >= '@')
		c &= 0x1f;
	if (c)
		put((u8)c);
}

static void scan_code(u8 byte)
{
	u8 code = byte & (u8)~RELEASED;
	bool pressed = !(byte & RELEASED), was_extended = extended;

	extended = byte == EXTENDED;
	if (extended)
		return;
	if (code == SCAN_LEFT_SHIFT || code == SCAN_RIGHT_SHIFT)
		shift = pressed && !was_extended;
	else if (code == SCAN_CONTROL)
		control = pressed;
	else if (code == SCAN_CAPS_LOCK)
		caps_lock ^= pressed;
	else if (pressed && was_extended)
		extended_key(code);
	else if (pressed)
		character_key(code);
}

static void drain(void)
{
	while (present && (inb(PORT_STATUS) & STATUS_OUTPUT))
		scan_code(inb(PORT_DATA));
}

int keyboard_getc(void)
{
	unsigned long flags = port_irq_save();
	int c = -1;

	drain();
	if (head != tail)
		c = ring[tail++ % RING_BYTES];
	port_irq_restore(flags);
	return c;
}

void keyboard_init(void)
{
	present = inb(PORT_STATUS) != NO_CONTROLLER;
	drain();
	head = tail = 0;
}
