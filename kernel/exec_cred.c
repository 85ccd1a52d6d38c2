/* SPDX-License-Identifier: MIT */
/*
 * exec_cred.c: whose rights a program runs with, and who may look into it.
 *
 * exec is where a process becomes more than its caller: by set-id bits, or because root has all
 * capabilities. prepare_exec_cred() works out the new ids and capabilities from the old ones and
 * from the file, without changing anything; commit_exec_cred() puts them in place past the point of
 * no return. The rules are those of capabilities(7), "Transformation of capabilities during
 * execve()", without file capabilities (F is empty unless root is meant):
 *
 *	P'(ambient)	= set-id ? 0 : P(ambient)
 *	P'(permitted)	= root ? P(inheritable) | bounding : P'(ambient)	root: real or effective uid 0
 *	P'(effective)	= euid 0 ? P'(permitted) : P'(ambient)
 *
 * An exec is unsafe if another process can still influence the program from outside, or if the task
 * has promised never to gain anything (no_new_privs):
 *
 *	another process shares our fs_struct: it moves the program's directories and umask
 *	-> set-id bits count only if the caller has CAP_SETUID; permitted stays within the old set
 *
 * Descriptors and handlers are never shared past exec; other threads have ended by then (exec.c).
 *
 * Only root looks (ptrace's rule, /proc) into a process whose program its user may not read, or
 * which gained
 * something: its memory is undumpable. A process that gained something does not get the signal that
 * was chosen for its parent's end, and its stack limit is lowered, as its caller could choose one
 * that moves all mappings.
 *
 * Locking: the task's own. Failure: none.
 */
#include <pagoda/abi/stat.h>
#include <pagoda/bug.h>
#include <pagoda/mm_types.h>
#include <kernel/exec_cred.h>
#include <kernel/process.h>

#define STACK_LIMIT (8 * SZ_1M) /* of a program that gains something, at most */

static bool has_root(const struct fs_cred *cred)
{
	return cred->uid == 0 || cred->euid == 0;
}

/*
 * The set-id bits of the file; those of a mount with nosuid, or for a task that gave up gaining, do
 * not count.
 */
static void take_set_id(struct exec_cred *new, const struct fs_exec_attr *attr)
{
	if (attr->nosuid || new->caps.no_new_privs)
		return;
	if (attr->mode & S_ISUID)
		new->cred.euid = attr->uid;
	if ((attr->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		new->cred.egid = attr->gid;
}

/* Take back what an unsafe exec would gain. */
static void stay_within(struct exec_cred *new, const struct task_caps *old)
{
	if (!(old->effective >> CAP_SETUID & 1) || new->caps.no_new_privs) {
		new->cred.euid = new->cred.uid;
		new->cred.egid = new->cred.gid;
	}
	new->caps.permitted &= old->permitted;
}

static bool is_set_id(const struct exec_cred *new, const struct fs_cred *old)
{
	return new->cred.euid != old->uid || new->cred.egid != old->gid;
}

void prepare_exec_cred(struct exec_cred *new, const struct fs_exec_attr *attr, bool unsafe)
{
	const struct fs_cred *old = &current->fs.cred;
	const struct task_caps *caps = &current->caps;
	bool root, effective, set_id;

	new->cred = *old;
	new->caps = *caps;
	take_set_id(new, attr);
	root = has_root(&new->cred) && !(caps->securebits & SECURE_NOROOT);
	effective = root && new->cred.euid == 0;
	new->caps.permitted = root ? caps->bounding | caps->inheritable : 0;
	set_id = is_set_id(new, old);
	if ((set_id || new->caps.permitted & ~caps->permitted) && (unsafe || caps->no_new_privs))
		stay_within(new, caps);
	new->cred.suid = new->cred.fsuid = new->cred.euid;
	new->cred.sgid = new->cred.fsgid = new->cred.egid;
	if (set_id)
		new->caps.ambient = 0;
	new->caps.permitted |= new->caps.ambient;
	new->caps.effective = effective ? new->caps.permitted : new->caps.ambient;
	new->caps.securebits &= ~SECURE_KEEP_CAPS;
	new->secure = set_id || (new->cred.uid != 0 &&
				 (effective || new->caps.permitted & ~new->caps.ambient));
}

void limit_secure_stack(const struct exec_cred *new)
{
	struct rlimit *limit = &current->signal->rlim[RLIMIT_STACK];

	if (!new->secure)
		return;
	spin_lock_deferring(&tasklist_lock);
	limit->rlim_cur = min(limit->rlim_cur, STACK_LIMIT);
	spin_unlock_deferring(&tasklist_lock);
}

void commit_exec_cred(const struct exec_cred *new, bool unreadable)
{
	struct task_struct *me = current;
	struct fs_cred old = me->fs.cred;
	struct task_caps old_caps = me->caps;
	bool itself = new->cred.uid == new->cred.euid &&new->cred.gid == new->cred.egid;

	WARN_ON_ONCE(me->vm.mm->dumpable); /* nobody has looked into it (exec.c) */
	if (new->secure)
		me->pdeath_signal = 0;
	me->fs.cred = new->cred;
	me->caps = new->caps;
	if (!cred_changed(me, &old, &old_caps) && itself && !unreadable)
		me->vm.mm->dumpable = 1;
}
