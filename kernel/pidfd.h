/* SPDX-License-Identifier: MIT */
/* pidfd.h: processes as files (kernel/pidfd.c). */
#pragma once

#include <fs/task.h>

struct pid;

/*
 * The process of a pidfd, with a reference (put_pid_ref()), or ERR_PTR(-EBADF). nonblock:
 * O_NONBLOCK is set.
 */
struct pid *pidfd_pid(int fd, bool *nonblock) __must_check;
/* The same, also of an open /proc/PID (-ESRCH: that process is gone). */
struct pid *pidfd_or_proc_pid(int fd) __must_check;
/* A file on the process; its reference to pid is its own. A reference or ERR_PTR. May sleep. */
struct file *pidfd_file(struct pid *pid, unsigned int flags) __must_check;
