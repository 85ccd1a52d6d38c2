// SPDX-License-Identifier: MIT
/*
 * fault_trace.c: page faults as lines of the log, one each, on request (boot option fault_trace).
 *
 *	fault 0x7f12345678 write: user address, region 0x7f12340000-0x7f12360000, anonymous memory
 *
 * The line names the answers to three questions (fault_trace.h): may user code use the address, is
 * there a region, and which mechanism supplies the data. It is printed before the fault is served,
 * so the last line of a log that ends in a crash names the fault that caused it.
 *
 * Locking: none; fault_trace is set at boot, and by tests while no task faults.
 * Failure: none; a line is cut at LINE_BYTES, which no combination of answers reaches.
 * Observability: this file is a means of observation; the counters of faults are in vmstat.h.
 */
#include <pagoda/init.h>
#include <pagoda/boot_option.h>
#include <pagoda/fault_trace.h>
#include <pagoda/bug.h>
#include <pagoda/string.h>

#define LINE_BYTES 160

void (*fault_trace)(const struct fault_answers *answers);

int format_fault_answers(char *buf, size_t size, const struct fault_answers *a)
{
	static const char *const names[NR_FAULT_MECHANISMS] = {
		[FAULT_BY_NOBODY] = "refused",
		[FAULT_BY_ANONYMOUS] = "anonymous memory",
		[FAULT_BY_OBJECT] = "the object",
		[FAULT_BY_SWAP] = "swap",
		[FAULT_BY_COPY] = "copy-on-write",
		[FAULT_BY_ENTRY] = "there already",
		[FAULT_BY_KERNEL_TABLE] = "the kernel's table",
	};
	char region[48] = "no region";

	VM_BUG_ON(a->by >= NR_FAULT_MECHANISMS || !names[a->by]);
	VM_BUG_ON(a->end && a->start >= a->end);
	if (a->end)
		pagoda_snprintf(region, sizeof(region), "region 0x%lx-0x%lx", a->start, a->end);
	return pagoda_snprintf(
		buf, size, "fault 0x%lx %s: %s, %s, %s", a->address, a->write ? "write" : "read",
		a->kernel_area ? "kernel area" : "user address", region, names[a->by]);
}

static void print_answers(const struct fault_answers *answers)
{
	char line[LINE_BYTES];

	format_fault_answers(line, sizeof(line), answers);
	pr_info("%s\n", line);
}

void __init fault_trace_init(void)
{
	if (boot_option("fault_trace", NULL))
		fault_trace = print_answers;
}
