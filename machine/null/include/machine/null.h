/* SPDX-License-Identifier: MIT */
/* null.h: what the files of the null port, and the programs that run on it, know of each other. */
#pragma once

#include <pagoda/port.h>
#include <pagoda/string.h>
#include <asm/page.h>

/* The task that port_current() answers with (heap.c). */
extern struct vm_task *null_task;

/* RAM at PAGE_OFFSET: before the boot (heap.c). */
void null_ram_init(void);
/* Pages at vmalloc addresses when they are touched: before the boot (maps.c). */
void null_maps_init(void);

/*
 * An access of user mode to one byte: its place in the direct map, or NULL and a signal in
 * null_signal (spaces.c). Faults are served on the way.
 */
char *null_touch(unsigned long addr, bool write);
extern int null_signal;
