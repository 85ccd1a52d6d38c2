/* SPDX-License-Identifier: MIT */
/* null.h: what the files of the null port, and the programs that run on it, know of each other. */
#pragma once

#include <pagoda/port.h>
#include <pagoda/string.h>
#include <pagoda/vm_task.h>
#include <asm/page.h>

/* The task that port_current() answers with, and the one that booted (heap.c). */
extern struct vm_task *null_task, null_boot_task;

/* RAM at PAGE_OFFSET: before the boot (heap.c). */
void null_ram_init(void);
/* Memory of the host, not RAM, that reads as zeroes (heap.c). Ends the process if there is none. */
void *null_host_memory(size_t size);
/* Pages at vmalloc addresses when they are touched: before the boot (maps.c). */
void null_maps_init(void);

/*
 * An access of user mode to one byte: its place in the direct map, or NULL and a signal of the
 * running task (spaces.c). Faults are served on the way. The place is good until the task sleeps.
 */
char *null_touch(unsigned long addr, bool write);

/* ---- tasks.c ------------------------------------------------------------------------------ */

/*
 * The signal that a task has: the last one that it was sent, or 0. SIGKILL stays; the others go
 * when it is taken. null_signal() and null_take_signal() are about the running task.
 */
int null_signal(void);
int null_take_signal(void);
void null_set_signal(struct vm_task *task, int signo);

/* Nanoseconds since boot. They pass while all tasks sleep, and a little at each null_yield(). */
u64 null_now_ns(void);
/* Let each other task run that can. */
void null_yield(void);
/* Let the others run until this time has passed. */
void null_sleep(u64 ns);
/* A kernel thread that runs fn(arg) when its turn comes. Panics if there are too many tasks. */
struct vm_task *null_task_create(const char *name, void (*fn)(void *arg), void *arg);
/* Call fn for every task that has not ended until it returns false. */
void null_for_each_task(bool (*fn)(struct vm_task *task, void *arg), void *arg);
