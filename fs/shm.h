/* SPDX-License-Identifier: MIT */
/* shm.h: System V shared memory (fs/shm.c) as /proc shows and tunes it. */
#pragma once

#include <pagoda/types.h>

/* /proc/sys/kernel/shm*: largest segment (bytes), pages of all, number of segments, the next id or -1. */
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
/* Call show for each segment, by index. show must not sleep on user memory. May sleep. */
void shm_for_each(void (*show)(void *arg, const struct shm_line *line), void *arg);
/* Boot: panics without memory. */
void shm_init(void);
