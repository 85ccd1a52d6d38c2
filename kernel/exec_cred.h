/* SPDX-License-Identifier: MIT */
/* exec_cred.h: between exec.c and exec_cred.c: the rights of a program that is about to run. */
#pragma once

#include <fs/task.h>
#include <kernel/cred.h>

struct exec_cred {
	struct fs_cred cred;
	struct task_caps caps;
	/*
	 * AT_SECURE: the program has rights its caller had not, and shall not trust the environment
	 */
	bool secure;
};

/*
 * What the current task becomes by executing a file with these attributes; nothing changes yet.
 * unsafe: others share what the program relies upon. Context: any.
 */
void prepare_exec_cred(struct exec_cred *new, const struct fs_exec_attr *attr, bool unsafe);
/*
 * A program that gains rights does not run with a stack limit of its caller's choice, which would
 * move all its
 * mappings: lower it to the usual one. Before the layout is chosen.
 */
void limit_secure_stack(const struct exec_cred *new);
/*
 * Past the point of no return, in the new address space: take the rights over, and decide who may
 * look into it.
 * unreadable: the caller could execute the program or its interpreter, but not read it.
 */
void commit_exec_cred(const struct exec_cred *new, bool unreadable);
