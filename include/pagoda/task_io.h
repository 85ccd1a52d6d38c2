/* SPDX-License-Identifier: MIT */
/* task_io.h: what a task read and wrote, as /proc/PID/io tells it. */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

struct task_io {
	u64 rchar, wchar; /* bytes by read(2), write(2) and their kin, wherever they come from */
	u64 syscr, syscw; /* these calls */
	u64 read_bytes;	  /* asked of disks */
	u64 write_bytes;  /* of pages that it made dirty and that a disk will get */
	u64 cancelled_write_bytes; /* of dirty pages that it threw away before that */
};

/*
 * Returns the running task's counters, which only that task writes. Set once, at boot; NULL:
 * nothing is counted. Any context.
 */
extern struct task_io *(*current_task_io)(void);

/* Count a read or write call that reached the file, and its result: bytes or -errno. */
static inline void count_task_call(struct task_io *io, long ret, bool write)
{
	u64 bytes = ret > 0 ? (u64)ret : 0;

	*(write ? &io->syscw : &io->syscr) += 1;
	*(write ? &io->wchar : &io->rchar) += bytes;
}

/*
 * For the running task: bytes asked of a disk, bytes made dirty, dirty bytes thrown away. Any
 * context.
 */
static inline void count_task_read(u64 bytes)
{
	if (current_task_io)
		current_task_io()->read_bytes += bytes;
}
static inline void count_task_write(u64 bytes)
{
	if (current_task_io)
		current_task_io()->write_bytes += bytes;
}
static inline void count_task_cancelled_write(u64 bytes)
{
	if (current_task_io)
		current_task_io()->cancelled_write_bytes += bytes;
}

PAGODA_C_END
