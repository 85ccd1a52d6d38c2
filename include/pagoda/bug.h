/* SPDX-License-Identifier: MIT */
/*
 * bug.h: messages, assertions and panics of the core.
 *
 *	BUG_ON		going on would corrupt memory. Always checked.
 *	WARN_ON_ONCE	wrong, but contained: reported once, counted, execution goes on.
 *	VM_BUG_ON	debug builds only (CONFIG_DEBUG_VM); still compiled when off.
 *
 * What a user passes in never reaches a BUG_ON.
 */
#pragma once

#include <pagoda/port.h>

PAGODA_C_BEGIN

/*
 * Formatted output to the port's log; supports %d %i %u %x %X %p %s %c %o %% with l, ll, z,
 * width, 0, -, precision.
 */
void printk(enum port_log_level level, const char *fmt, ...) __printf(2, 3);
#define pr_err(...)   printk(PORT_LOG_ERR, __VA_ARGS__)
#define pr_warn(...)  printk(PORT_LOG_WARN, __VA_ARGS__)
#define pr_info(...)  printk(PORT_LOG_INFO, __VA_ARGS__)
#define pr_debug(...) printk(PORT_LOG_DEBUG, __VA_ARGS__)

/* The end of the machine, with a message to the log. Any context. */
__noreturn void panic(const char *fmt, ...) __printf(1, 2);

/* Number of WARN_ON reports since boot: tests expect 0. */
extern unsigned int nr_warnings;
void report_warning(const char *file, int line, const char *what);

/*
 * A caller's error that was noticed and contained (a double free, an overrun object): the
 * text goes to the log and to last_report, and counts in nr_warnings. From any context.
 */
void report_bug(const char *fmt, ...) __printf(1, 2) __cold;
extern char last_report[192]; /* newest text of report_bug() or report_warning(), for tests */

#define BUG() panic("BUG at %s:%d %s()", __FILE__, __LINE__, __func__)
#define BUG_ON(cond)                                                                         \
	do {                                                                                 \
		if (unlikely(cond))                                                          \
			panic("BUG at %s:%d %s(): %s", __FILE__, __LINE__, __func__, #cond); \
	} while (0)
#define WARN_ON_ONCE(cond)                                         \
	({                                                         \
		static bool warned_;                               \
		bool bad_ = !!(cond);                              \
		if (unlikely(bad_) && !warned_) {                  \
			warned_ = true;                            \
			report_warning(__FILE__, __LINE__, #cond); \
		}                                                  \
		unlikely(bad_);                                    \
	})

/*
 * VM_BUG_ON_PAGE() prints the page's descriptor as well; its users include <pagoda/mmzone.h>, which
 * declares what it prints.
 */
#ifdef CONFIG_DEBUG_VM
#define VM_BUG_ON(cond) BUG_ON(cond)
#define VM_BUG_ON_PAGE(cond, page)                                                                \
	do {                                                                                      \
		if (unlikely(cond))                                                               \
			panic("BUG at %s:%d %s(): %s; page %#lx: flags %lx count %d mapcount %d " \
			      "mapping %p index %#lx",                                            \
			      __FILE__, __LINE__, __func__, #cond, page_to_pfn(page),             \
			      (page)->flags, page_count(page), page_mapcount(page),               \
			      (void *)(page)->mapping, (page)->index);                            \
	} while (0)
#else
#define VM_BUG_ON(cond)		   ((void)sizeof(!(cond)))
#define VM_BUG_ON_PAGE(cond, page) ((void)sizeof(!(cond)), (void)sizeof((page)->flags))
#endif

PAGODA_C_END
