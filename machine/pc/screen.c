/* SPDX-License-Identifier: MIT */
/*
 * screen.c: the text screen of a PC, where the boot loader found one in text mode (GRUB says so
 * in its framebuffer tag; QEMU's -kernel has none).
 *
 * One cell is two bytes: the character, and its colours. Of the control sequences of
 * ECMA-48 those are understood that a shell's line editor needs: cursor moves (A B C D H),
 * erasing (J K); others are swallowed. Bytes above 0x7e, such as UTF-8's, show as a dot.
 *
 * Locking: interrupts off around a write; a panic may write into the middle of another.
 */
#include <pagoda/string.h>
#include <asm/page.h>
#include "io.h"
#include "pc.h"

#define ATTRIBUTE	 0x07 /* light grey on black */
#define CRTC_INDEX	 0x3d4
#define CRTC_DATA	 0x3d5
#define CRTC_CURSOR_HIGH 14
#define CRTC_CURSOR_LOW	 15
#define ESCAPE		 0x1b
#define TAB_COLUMNS	 8
#define MAX_PARAMETERS	 4

static struct {
	volatile u16 *cells; /* NULL: no screen */
	u32 columns, rows;
	u32 column, row;
	enum { TEXT, AFTER_ESCAPE, IN_SEQUENCE } state;
	u32 parameters[MAX_PARAMETERS], nr_parameters;
} screen;

static void clear_cells(u32 from, u32 to)
{
	for (u32 i = from; i < to; i++)
		screen.cells[i] = ATTRIBUTE << 8 | ' ';
}

static u32 cursor(void)
{
	return screen.row * screen.columns + screen.column;
}

static void show_cursor(void)
{
	outb(CRTC_INDEX, CRTC_CURSOR_HIGH);
	outb(CRTC_DATA, (u8)(cursor() >> 8));
	outb(CRTC_INDEX, CRTC_CURSOR_LOW);
	outb(CRTC_DATA, (u8)cursor());
}

static void next_row(void)
{
	u32 last = (screen.rows - 1) * screen.columns;

	if (++screen.row < screen.rows)
		return;
	screen.row = screen.rows - 1;
	for (u32 i = 0; i < last; i++)
		screen.cells[i] = screen.cells[i + screen.columns];
	clear_cells(last, last + screen.columns);
}

/* The kernel's messages end in a bare newline, so that one goes to the first column too. */
static void new_line(void)
{
	screen.column = 0;
	next_row();
}

static void put_printable(u8 c)
{
	screen.cells[cursor()] = (u16)(ATTRIBUTE << 8 | (c > 0x7e ? '.' : c));
	if (++screen.column == screen.columns)
		new_line();
}

static void put_text(u8 c)
{
	if (c == ESCAPE)
		screen.state = AFTER_ESCAPE;
	else if (c == '\n')
		new_line();
	else if (c == '\r')
		screen.column = 0;
	else if (c == '\b')
		screen.column -= screen.column > 0;
	else if (c == '\t')
		screen.column = min(ALIGN(screen.column + 1, TAB_COLUMNS), screen.columns - 1);
	else if (c >= ' ')
		put_printable(c);
}

static u32 parameter(u32 i, u32 otherwise)
{
	return i < screen.nr_parameters && screen.parameters[i] ? screen.parameters[i] : otherwise;
}

static void erase(u8 c)
{
	u32 end = c == 'J' ? screen.rows * screen.columns : (screen.row + 1) * screen.columns;
	u32 start = cursor();

	if (parameter(0, 0) == 2)
		start = c == 'J' ? 0 : screen.row * screen.columns;
	clear_cells(start, end);
}

static void end_sequence(u8 c)
{
	u32 n = parameter(0, 1);

	switch (c) {
	case 'A':
		screen.row -= min(n, screen.row);
		break;
	case 'B':
		screen.row = min(screen.row + n, screen.rows - 1);
		break;
	case 'C':
		screen.column = min(screen.column + n, screen.columns - 1);
		break;
	case 'D':
		screen.column -= min(n, screen.column);
		break;
	case 'H':
		screen.row = min(n, screen.rows) - 1;
		screen.column = min(parameter(1, 1), screen.columns) - 1;
		break;
	case 'J':
	case 'K':
		erase(c);
		break;
	}
	screen.state = TEXT;
}

static void put_sequence(u8 c)
{
	u32 *last = &screen.parameters[screen.nr_parameters - 1];

	if (c >= '0' && c <= '9')
		*last = *last * 10 + (u32)(c - '0');
	else if (c == ';' && screen.nr_parameters < MAX_PARAMETERS)
		screen.parameters[screen.nr_parameters++] = 0;
	else if (c >= '@')
		end_sequence(c);
}

static void put_byte(u8 c)
{
	if (screen.state == TEXT) {
		put_text(c);
	} else if (screen.state == IN_SEQUENCE) {
		put_sequence(c);
	} else {
		screen.state = c == '[' ? IN_SEQUENCE : TEXT;
		screen.nr_parameters = 1;
		screen.parameters[0] = 0;
	}
}

void screen_write(const char *text, size_t n)
{
	unsigned long flags;

	if (!screen.cells)
		return;
	flags = port_irq_save();
	for (size_t i = 0; i < n; i++)
		put_byte((u8)text[i]);
	show_cursor();
	port_irq_restore(flags);
}

/* Device memory below 1 MiB: it lies in the direct map of every machine, now and later. */
void __init screen_init(phys_addr_t pa, u32 columns, u32 rows)
{
	if (pa + columns * rows * sizeof(u16) > SZ_1M || columns == 0 || rows == 0)
		return;
	screen.cells = __va(pa);
	screen.columns = columns;
	screen.rows = rows;
	clear_cells(0, columns * rows);
}
