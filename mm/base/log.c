/* SPDX-License-Identifier: MIT */
/*
 * log.c: the core's output: messages, reports of contained errors, panics.
 *
 * Each call formats one line into a buffer on its stack and hands it to the port, so there is
 * nothing to lock or allocate, and the functions may be called from any context. Lines beyond
 * LINE_BYTES are cut.
 *
 *	printk		a message
 *	report_bug	a caller's error, contained: counted in nr_warnings, kept in
 *			last_report so that tests can ask what was said
 *	panic		an error that would do more damage if execution went on; does not return
 *
 * Locking: report_lock (RANK_LEAF, interrupts off) for last_report; nr_warnings is atomic.
 * Failure: none; a message that does not fit is cut.
 * Observability: nr_warnings (0 on a healthy run), last_report, the port's log.
 */
#include <pagoda/bug.h>
#include <pagoda/spinlock.h>
#include <pagoda/string.h>

#define LINE_BYTES 512

unsigned int nr_warnings;
char last_report[192];
static spinlock_t report_lock = SPIN_LOCK_INIT(RANK_LEAF); /* protects last_report */

/*
 * Hand one whole line to the port; a missing newline is added. len is the length that the text
 * would have without the cut, so it may be larger than the buffer; two bytes are kept for the
 * newline and the terminating 0.
 */
static void log_line(enum port_log_level level, char *line, int len)
{
	size_t n = min((size_t)len, (size_t)LINE_BYTES - 2);

	VM_BUG_ON(len < 0);
	if (n == 0 || line[n - 1] != '\n')
		line[n++] = '\n';
	VM_BUG_ON(n >= LINE_BYTES); /* the terminating 0 lies in the buffer, too */
	line[n] = 0;
	port_log(level, line, n);
}

void printk(enum port_log_level level, const char *fmt, ...)
{
	char line[LINE_BYTES];
	va_list args;
	int len;

	VM_BUG_ON(level > PORT_LOG_DEBUG);
	va_start(args, fmt);
	len = pagoda_vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	log_line(level, line, len);
}

void panic(const char *fmt, ...)
{
	char line[LINE_BYTES];
	va_list args;

	va_start(args, fmt);
	(void)pagoda_vsnprintf(line, sizeof(line), fmt, args); /* a cut message still says enough */
	va_end(args);
	port_panic(line);
}

/* Count a report and keep its text for tests. Reports may come from several CPUs at once. */
static void remember_report(const char *text)
{
	unsigned long flags;

	rmw_add_relaxed(&nr_warnings, 1);
	spin_lock_irqsave(&report_lock, flags);
	pagoda_strlcpy(last_report, text, sizeof(last_report));
	spin_unlock_irqrestore(&report_lock, flags);
}

void report_bug(const char *fmt, ...)
{
	char line[LINE_BYTES];
	va_list args;
	int len;

	va_start(args, fmt);
	len = pagoda_vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	remember_report(line);
	log_line(PORT_LOG_ERR, line, len);
}

void report_warning(const char *file, int line, const char *what)
{
	report_bug("WARNING at %s:%d: %s", file, line, what);
}
