/* SPDX-License-Identifier: MIT */
/* shm.h: System V shared memory (fs/shm.c) as /proc shows and tunes it. */
#pragma once

#include <pagoda/types.h>

/*
 * /proc/sys/kernel/shm*: largest segment (bytes), pages of all, number of segments, the next id or
 * -1.
 */
extern u64 shm_ctlmax, shm_ctlall;
extern int shm_ctlmni, shm_next_id;

/* One segment as /proc/sysvipc/shm shows it. */
struct shm_line {
	s32 key;
	int id;
	u32 mode, uid, gid, cuid, cgid;
	int cpid, lpid;
	u64 size;
	unsigned long nattch;
	u64 resident, swapped; /* bytes */
	s64 atime, dtime, ctime;
};
/*
 * The segment at *index or the first behind it, whose index *index passes; false: there is none.
 * May sleep.
 */
bool shm_next_line(u64 *index, struct shm_line *line);
/* Boot: panics without memory. */
void shm_init(void);
