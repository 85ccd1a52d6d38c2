/* SPDX-License-Identifier: MIT */
/*
 * report.h: /dev/pagoda: what the guest's init says to the kernel, and the report that
 * leaves through STREAM_CONTROL at the end of a run.
 */
#pragma once

#include <pagoda/machine.h>

struct mm_struct;

/*
 * One command, without its newline:
 *	start		frames are counted, before anything else runs
 *	mark		the writer's next execve starts the measured program
 *	execfail N	that execve failed with errno N
 *	exit N		the program ended with raw wait status N: report, flush, power off
 * Returns len, or -EINVAL for anything else. May sleep; "exit" does not return.
 * (Declared in fs/task.h too, for the device node.)
 */
long kernel_report_command(const char *command, size_t len);

/* exec is about to enter the new image; takes the baseline if this task was marked. */
void report_exec(void);
/* An address space is about to go: note its peaks. */
void report_mm_exit(struct mm_struct *mm);
void report_unknown_syscall(unsigned long nr);
void report_init(u64 entry_tsc);
/* Write all of buf, waiting for the device as often as it is full. Does not sleep. */
void stream_write_all(enum machine_stream stream, const char *buf, size_t len);
