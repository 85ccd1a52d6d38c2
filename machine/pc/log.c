/* SPDX-License-Identifier: MIT */
/*
 * log.c: where the core's and the kernel's messages go.
 *
 * Every message goes into a ring in memory (the last LOG_RING_BYTES, read by dmesg);
 * those at or above the console's level also go to the serial port and the screen. A panic writes
 * through the same path, so the ring holds it too.
 *
 * Locking: none that could be held by the code that crashed. Interrupts are off
 * around one message, which is enough on one CPU; a second CPU's text may mix in.
 */
#include <pagoda/string.h>
#include "pc.h"

#define LOG_RING_BYTES (16 * SZ_1K)
#define LINE_BYTES     256

static char ring[LOG_RING_BYTES];
static unsigned long ring_head; /* bytes ever written */
static enum port_log_level console_level = PORT_LOG_INFO;

static void ring_add(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ring[ring_head++ % LOG_RING_BYTES] = text[i];
}

void port_log(enum port_log_level level, const char *text, size_t len)
{
	unsigned long flags = port_irq_save();

	ring_add(text, len);
	if (level <= console_level) {
		serial_write(text, len);
		screen_write(text, len);
	}
	port_irq_restore(flags);
}

size_t machine_log_read(unsigned long *position, char *buf, size_t n)
{
	unsigned long oldest = ring_head > LOG_RING_BYTES ? ring_head - LOG_RING_BYTES : 0;
	size_t done = 0;

	*position = max(*position, oldest);
	while (done < n && *position < ring_head)
		buf[done++] = ring[(*position)++ % LOG_RING_BYTES];
	return done;
}

void machine_log_level(enum port_log_level level)
{
	console_level = level;
}

void log_printf(const char *fmt, ...)
{
	char line[LINE_BYTES];
	va_list args;
	int n;

	va_start(args, fmt);
	n = pagoda_vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	port_log(PORT_LOG_INFO, line, min_t(size_t, (size_t)n, sizeof(line) - 1));
}
