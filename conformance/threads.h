/* SPDX-License-Identifier: MIT */
/*
 * threads.h: waiting for threads, a thread to be killed (tier4.c), and the test of a disk (disk.c).
 */
#pragma once

#include <pagoda/types.h>

/* Let others run until *counter is value. False: it was not after some seconds. Interrupts on. */
bool conformance_wait_for(int *counter, int value);

/* What a thread that runs conformance_victim() reports. Zeroed by the test that starts it. */
struct conformance_victim {
	int running, ended; /* set with release order as each comes true */
	bool pending_before, killed;
	u64 waited_ns;
};
/* A thread: become a task with an mm, and stay parked until SIGKILL. arg: a conformance_victim. */
void conformance_victim(void *arg);

/* A test: transfers to a disk whose requests end in another task. */
void conformance_disk(void);
