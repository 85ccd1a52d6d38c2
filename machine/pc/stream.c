/* SPDX-License-Identifier: MIT */
/*
 * stream.c: machine.h's byte streams on what this machine has.
 *
 *	stream		virtio ports				without them
 *	STDIO		pagoda.stdin and pagoda.stdout		the local console, both ways
 *	STDERR		pagoda.stderr				as STDIO
 *	CONTROL		pagoda.control				dropped
 *
 * The local console is the serial port and, where there is one, the screen with its keyboard.
 * Input on them interrupts; without an IO-APIC it is noticed at each tick.
 *
 * Locking: the virtio ports have their own; the peeked byte is touched with interrupts off.
 */
#include <pagoda/errno.h>
#include "pc.h"
#include "virtio_console.h"

struct stream {
	struct vport *in, *out;
};

static struct stream streams[NR_STREAMS];
static bool stdio_on_console;
static int console_peeked = -1; /* a byte taken from the console by console_waiting() */
static void (*notify)(enum machine_stream s);

static void port_changed(const struct vport *port)
{
	for (int s = 0; notify && s < NR_STREAMS; s++)
		if (streams[s].in == port || streams[s].out == port)
			notify((enum machine_stream)s);
}

static int console_getc(void)
{
	int c = serial_getc();

	return c >= 0 ? c : keyboard_getc();
}

static bool console_waiting(void)
{
	if (console_peeked < 0)
		console_peeked = console_getc();
	return console_peeked >= 0;
}

static void console_check(void)
{
	if (notify && console_waiting())
		notify(STREAM_STDIO);
}

static void console_irq(struct pt_regs *regs, unsigned int vector)
{
	(void)regs, (void)vector;
	apic_eoi();
	console_check();
}

static void use_console(void)
{
	stdio_on_console = true;
	keyboard_init();
	ioapic_route_isa(KEYBOARD_IRQ, irq_alloc_vector(console_irq));
	if (ioapic_route_isa(SERIAL_IRQ, irq_alloc_vector(console_irq)))
		serial_want_input();
}

void stream_init(void)
{
	vconsole_init(port_changed);
	streams[STREAM_STDIO] =
		(struct stream){vport_find("pagoda.stdin"), vport_find("pagoda.stdout")};
	streams[STREAM_STDERR] = (struct stream){NULL, vport_find("pagoda.stderr")};
	streams[STREAM_CONTROL] = (struct stream){NULL, vport_find("pagoda.control")};
	if (!streams[STREAM_STDIO].in && !streams[STREAM_STDIO].out)
		use_console();
}

void stream_poll(void)
{
	vconsole_poll();
	if (stdio_on_console)
		console_check();
}

bool machine_stream_present(enum machine_stream s)
{
	return streams[s].in || streams[s].out;
}

/* Where output of s goes: NULL for the local console. */
static struct vport *output_port(enum machine_stream s)
{
	if (s == STREAM_STDERR && !streams[s].out)
		s = STREAM_STDIO;
	return streams[s].out;
}

size_t machine_stream_write(enum machine_stream s, const void *buf, size_t n)
{
	struct vport *port = output_port(s);

	if (port)
		return vport_write(port, buf, n);
	if (s != STREAM_CONTROL && stdio_on_console) {
		serial_write(buf, n);
		screen_write(buf, n);
	}
	return n;
}

static size_t console_read(u8 *buf, size_t n)
{
	unsigned long flags = port_irq_save();
	size_t done = 0;

	while (done < n && console_waiting()) {
		buf[done++] = (u8)console_peeked;
		console_peeked = -1;
	}
	port_irq_restore(flags);
	return done;
}

long machine_stream_read(enum machine_stream s, void *buf, size_t n)
{
	if (streams[s].in)
		return vport_read(streams[s].in, buf, n);
	if (s == STREAM_STDIO && stdio_on_console)
		return (long)console_read(buf, n);
	return -EPIPE;
}

bool machine_stream_readable(enum machine_stream s)
{
	if (streams[s].in)
		return vport_readable(streams[s].in);
	if (s == STREAM_STDIO && stdio_on_console)
		return console_waiting();
	return true; /* at its end */
}

bool machine_stream_writable(enum machine_stream s)
{
	struct vport *port = output_port(s);

	return !port || vport_writable(port);
}

void machine_stream_flush(enum machine_stream s)
{
	struct vport *port = output_port(s);

	while (port && !vport_drained(port))
		port_cpu_relax();
}

u64 machine_stream_wait_cycles(void)
{
	return vconsole_handshake_cycles();
}

void machine_stream_notify(void (*fn)(enum machine_stream s))
{
	notify = fn;
}

int machine_console_getc(void)
{
	return stdio_on_console ? -1 : console_getc(); /* else those bytes are STREAM_STDIO's */
}
