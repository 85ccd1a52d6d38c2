/* SPDX-License-Identifier: MIT */
/*
 * cred.h: what a task may do. Its ids and groups are fs_task.cred (fs/ checks permissions
 * by them); capabilities are here. Changed only by the task itself.
 */
#pragma once

#include <fs/task.h>

struct task_struct;

/* Capabilities that fs/ does not ask for; the others are in fs/task.h. */
#define CAP_KILL	    5
#define CAP_SETPCAP	    8
#define CAP_LINUX_IMMUTABLE 9
#define CAP_SYS_PTRACE	    19
#define CAP_SYS_BOOT	    22
#define CAP_SYS_NICE	    23
#define CAP_SYS_TIME	    25
#define CAP_MAC_OVERRIDE    32
#define CAP_SYSLOG	    34
#define CAP_WAKE_ALARM	    35
#define CAP_LAST	    40
#define CAP_FULL	    ((1ull << (CAP_LAST + 1)) - 1)

/* task_caps.securebits. The bit above each locks it. */
#define SECURE_NOROOT		    0x01u /* uid 0 and set-uid root mean nothing to exec */
#define SECURE_NO_SETUID_FIXUP	    0x04u /* capabilities do not follow uid 0 */
#define SECURE_KEEP_CAPS	    0x10u /* giving up uid 0 keeps the permitted ones; until exec */
#define SECURE_NO_CAP_AMBIENT_RAISE 0x40u
#define SECUREBITS_LOCKS	    0xaau
#define SECUREBITS_ALL		    0xffu

struct task_caps {
	u64 inheritable, permitted, effective, bounding, ambient;
	u32 securebits;
	bool no_new_privs;
};

/* Has the current task the capability? */
bool capable(int cap);
/* After a user ID or a capability set changed: what the core asks of vm_task. */
void caps_changed(struct task_struct *t);
/*
 * May the current task look into t's memory (ptrace's rule)? Same process; or the same user in
 * every respect, no more capabilities, and not hidden by PR_SET_DUMPABLE; or CAP_SYS_PTRACE.
 * fs_ids: go by the caller's file-system ids, as /proc does, else by its real ones. tasklist_lock
 * held.
 */
bool may_access_task(const struct task_struct *t, bool fs_ids);
/* Is the current task's effective user t's real or effective one? */
bool owns_task(const struct task_struct *t);
/* May t's nice value become nice, which is lower than now: RLIMIT_NICE of t, or CAP_SYS_NICE? */
bool may_lower_nice(const struct task_struct *t, int nice);
/*
 * May the current task change how t is scheduled? Not if t has capabilities that it lacks, unless
 * CAP_SYS_NICE.
 */
bool may_reschedule(const struct task_struct *t);
/*
 * The current task t has changed its ids or capabilities from old and old_caps. True if it has
 * other effective ids now, or more capabilities: then its memory is no longer dumpable, and
 * PR_SET_PDEATHSIG's signal is forgotten.
 */
bool cred_changed(struct task_struct *t, const struct fs_cred *old,
		  const struct task_caps *old_caps);
/*
 * May the current task send signo to t? (kill(2)'s rule: same user, CAP_KILL, or SIGCONT within the
 * session.) tasklist_lock held.
 */
bool may_signal(const struct task_struct *t, int signo);
