/* SPDX-License-Identifier: MIT */
/*
 * cred.c: user and group ids, capabilities.
 *
 * Ids follow the rules of credentials(7): real, effective, saved, and the file system's,
 * which follows the effective one. Capability sets follow uid 0: all of them while euid is 0,
 * none after it was given up for good, unless securebits say otherwise. What exec gives is in
 * exec_cred.c.
 *
 * Locking: a task changes only its own; others read words. Failure: -EPERM, -EINVAL, -EFAULT,
 * -EAGAIN (no memory for a user).
 */
#include <pagoda/errno.h>
#include <pagoda/mm_types.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <fs/user.h>
#include <kernel/cred.h>
#include <kernel/syscalls.h>
#include <kernel/task.h>

#define ID_KEEP 0xffffffffu

bool capable(int cap)
{
	return current->caps.effective >> cap & 1;
}

void caps_changed(struct task_struct *t)
{
	t->fs.cred.cap_effective = t->caps.effective;
	t->fs.cred.cap_permitted = t->caps.permitted;
	t->vm.cap_ipc_lock = t->caps.effective >> CAP_IPC_LOCK & 1;
	t->vm.cap_sys_rawio = t->caps.effective >> CAP_SYS_RAWIO & 1;
	t->vm.cap_sys_admin =
		t->caps.effective >> CAP_SYS_ADMIN & 1 || !t->fs.cred.uid || !t->fs.cred.euid;
}

bool may_access_task(const struct task_struct *t, bool fs_ids)
{
	const struct fs_cred *me = &current->fs.cred, *its = &t->fs.cred;
	u32 uid = fs_ids ? me->fsuid : me->uid, gid = fs_ids ? me->fsgid : me->gid;
	u64 caps = fs_ids ? current->caps.effective : current->caps.permitted;

	if (t->signal == current->signal || capable(CAP_SYS_PTRACE))
		return true;
	if (uid != its->uid || uid != its->euid || uid != its->suid)
		return false;
	if (gid != its->gid || gid != its->egid || gid != its->sgid)
		return false;
	return !(t->caps.permitted & ~caps) && (!t->vm.mm || t->vm.mm->dumpable == 1);
}

bool owns_task(const struct task_struct *t)
{
	u32 euid = current->fs.cred.euid;

	return euid == t->fs.cred.euid || euid == t->fs.cred.uid;
}

bool may_lower_nice(const struct task_struct *t, int nice)
{
	return (unsigned long)(20 - nice) <= task_rlimit(t, RLIMIT_NICE) || capable(CAP_SYS_NICE);
}

bool may_reschedule(const struct task_struct *t)
{
	return !(t->caps.permitted & ~current->caps.permitted) || capable(CAP_SYS_NICE);
}

bool may_signal(const struct task_struct *t, int signo)
{
	const struct fs_cred *me = &current->fs.cred, *him = &t->fs.cred;

	if (me->euid == him->suid || me->euid == him->uid || me->uid == him->suid ||
	    me->uid == him->uid)
		return true;
	if (signo == SIGCONT && t->signal->session == current->signal->session)
		return true;
	return capable(CAP_KILL);
}

bool cred_changed(struct task_struct *me, const struct fs_cred *old,
		  const struct task_caps *old_caps)
{
	const struct fs_cred *new = &me->fs.cred;
	bool changed = new->euid != old->euid || new->egid != old->egid ||
		       new->fsuid != old->fsuid || new->fsgid != old->fsgid ||
		       me->caps.permitted & ~old_caps->permitted;

	caps_changed(me);
	if (changed) {
		me->vm.mm->dumpable = 0;
		me->pdeath_signal = 0;
	}
	return changed;
}

static bool any_root(const struct fs_cred *cred)
{
	return !cred->uid || !cred->euid || !cred->suid;
}

/* The uids have changed from old: capabilities come and go with uid 0. */
static void update_caps(struct task_struct *me, const struct fs_cred *old)
{
	const struct fs_cred *new = &me->fs.cred;

	if (me->caps.securebits & SECURE_NO_SETUID_FIXUP)
		return;
	if (any_root(old) && !any_root(new)) {
		if (!(me->caps.securebits & SECURE_KEEP_CAPS))
			me->caps.permitted = me->caps.effective = 0;
		me->caps.ambient = 0;
	}
	if (!old->euid && new->euid)
		me->caps.effective = 0;
	if (old->euid && !new->euid)
		me->caps.effective = me->caps.permitted;
}

/* Capabilities that override checks on files: they come and go with fsuid 0. */
#define CAP_FS_SET                                                                                \
	(1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_DAC_READ_SEARCH |             \
	 1ull << CAP_FOWNER | 1ull << CAP_FSETID | 1ull << CAP_MKNOD | 1ull << CAP_MAC_OVERRIDE | \
	 1ull << CAP_LINUX_IMMUTABLE)

/*
 * Count the task for the user that uid names. Too many tasks of that user do not stop the change,
 * which few programs check: the next execve() fails instead. 0 or -EAGAIN.
 */
static int become_user(struct task_struct *me, u32 uid)
{
	struct user_struct *old = me->fs.user, *new;

	if (uid == old->uid)
		return 0;
	new = find_user(uid);
	if (!new)
		return -EAGAIN;
	me->nproc_exceeded =
		uid && (unsigned long)atomic_long_read(&new->nr_tasks) > rlimit(RLIMIT_NPROC);
	atomic_long_inc(&new->nr_tasks);
	atomic_long_dec(&old->nr_tasks);
	spin_lock_deferring(&me->sighand->siglock); /* senders of signals read it under siglock */
	me->fs.user = new;
	spin_unlock_deferring(&me->sighand->siglock);
	put_user_struct(old);
	return 0;
}

static int commit_uids(u32 uid, u32 euid, u32 suid)
{
	struct task_struct *me = current;
	struct fs_cred old = me->fs.cred;
	struct task_caps old_caps = me->caps;
	int error = become_user(me, uid);

	if (error)
		return error;
	me->fs.cred.uid = uid;
	me->fs.cred.euid = me->fs.cred.fsuid = euid;
	me->fs.cred.suid = suid;
	update_caps(me, &old);
	(void)cred_changed(me, &old, &old_caps);
	return 0;
}

static void commit_gids(u32 gid, u32 egid, u32 sgid)
{
	struct task_struct *me = current;
	struct fs_cred *cred = &me->fs.cred, old = *cred;

	cred->gid = gid;
	cred->egid = cred->fsgid = egid;
	cred->sgid = sgid;
	(void)cred_changed(me, &old, &me->caps);
}

/* ---- Reading --------------------------------------------------------------------------------- */

long sys_getuid(void)
{
	return current->fs.cred.uid;
}

long sys_geteuid(void)
{
	return current->fs.cred.euid;
}

long sys_getgid(void)
{
	return current->fs.cred.gid;
}

long sys_getegid(void)
{
	return current->fs.cred.egid;
}

static long put_three(unsigned long r, unsigned long e, unsigned long s, u32 vr, u32 ve, u32 vs)
{
	return put_user(vr, r) || put_user(ve, e) || put_user(vs, s) ? -EFAULT : 0;
}

long sys_getresuid(unsigned long r, unsigned long e, unsigned long s)
{
	const struct fs_cred *c = &current->fs.cred;

	return put_three(r, e, s, c->uid, c->euid, c->suid);
}

long sys_getresgid(unsigned long r, unsigned long e, unsigned long s)
{
	const struct fs_cred *c = &current->fs.cred;

	return put_three(r, e, s, c->gid, c->egid, c->sgid);
}

/* ---- Setting --------------------------------------------------------------------------------- */

static bool is_one_of(u32 id, u32 a, u32 b, u32 c)
{
	return id == a || id == b || id == c;
}

long sys_setuid(unsigned long uuid)
{
	const struct fs_cred *c = &current->fs.cred;
	u32 uid = (u32)uuid;

	if (uid == ID_KEEP)
		return -EINVAL;
	if (capable(CAP_SETUID))
		return commit_uids(uid, uid, uid);
	if (uid == c->uid || uid == c->suid)
		return commit_uids(c->uid, uid, c->suid);
	return -EPERM;
}

long sys_setgid(unsigned long ugid)
{
	const struct fs_cred *c = &current->fs.cred;
	u32 gid = (u32)ugid;

	if (gid == ID_KEEP)
		return -EINVAL;
	if (capable(CAP_SETGID))
		commit_gids(gid, gid, gid);
	else if (gid == c->gid || gid == c->sgid)
		commit_gids(c->gid, gid, c->sgid);
	else
		return -EPERM;
	return 0;
}

long sys_setresuid(unsigned long r, unsigned long e, unsigned long s)
{
	const struct fs_cred *c = &current->fs.cred;
	u32 uid = (u32)r == ID_KEEP ? c->uid : (u32)r, euid = (u32)e == ID_KEEP ? c->euid : (u32)e;
	u32 suid = (u32)s == ID_KEEP ? c->suid : (u32)s;

	if (!capable(CAP_SETUID) && !(is_one_of(uid, c->uid, c->euid, c->suid) &&
				      is_one_of(euid, c->uid, c->euid, c->suid) &&
				      is_one_of(suid, c->uid, c->euid, c->suid)))
		return -EPERM;
	return commit_uids(uid, euid, suid);
}

long sys_setresgid(unsigned long r, unsigned long e, unsigned long s)
{
	const struct fs_cred *c = &current->fs.cred;
	u32 gid = (u32)r == ID_KEEP ? c->gid : (u32)r, egid = (u32)e == ID_KEEP ? c->egid : (u32)e;
	u32 sgid = (u32)s == ID_KEEP ? c->sgid : (u32)s;

	if (!capable(CAP_SETGID) && !(is_one_of(gid, c->gid, c->egid, c->sgid) &&
				      is_one_of(egid, c->gid, c->egid, c->sgid) &&
				      is_one_of(sgid, c->gid, c->egid, c->sgid)))
		return -EPERM;
	commit_gids(gid, egid, sgid);
	return 0;
}

long sys_setreuid(unsigned long r, unsigned long e)
{
	const struct fs_cred *c = &current->fs.cred;
	u32 uid = (u32)r == ID_KEEP ? c->uid : (u32)r, euid = (u32)e == ID_KEEP ? c->euid : (u32)e;
	bool save = (u32)r != ID_KEEP || ((u32)e != ID_KEEP && euid != c->uid);

	if (!capable(CAP_SETUID) &&
	    !(is_one_of(uid, c->uid, c->euid, c->uid) && is_one_of(euid, c->uid, c->euid, c->suid)))
		return -EPERM;
	return commit_uids(uid, euid, save ? euid : c->suid);
}

long sys_setregid(unsigned long r, unsigned long e)
{
	const struct fs_cred *c = &current->fs.cred;
	u32 gid = (u32)r == ID_KEEP ? c->gid : (u32)r, egid = (u32)e == ID_KEEP ? c->egid : (u32)e;
	bool save = (u32)r != ID_KEEP || ((u32)e != ID_KEEP && egid != c->gid);

	if (!capable(CAP_SETGID) &&
	    !(is_one_of(gid, c->gid, c->egid, c->gid) && is_one_of(egid, c->gid, c->egid, c->sgid)))
		return -EPERM;
	commit_gids(gid, egid, save ? egid : c->sgid);
	return 0;
}

/* Capabilities about files follow fsuid 0, as the whole set follows euid 0. */
static void update_fs_caps(struct task_struct *me, u32 old_fsuid)
{
	if (me->caps.securebits & SECURE_NO_SETUID_FIXUP)
		return;
	if (!old_fsuid && me->fs.cred.fsuid)
		me->caps.effective &= ~CAP_FS_SET;
	if (old_fsuid && !me->fs.cred.fsuid)
		me->caps.effective |= me->caps.permitted & CAP_FS_SET;
}

long sys_setfsuid(unsigned long uid)
{
	struct task_struct *me = current;
	struct fs_cred *c = &me->fs.cred, old = *c;

	if ((u32)uid == ID_KEEP ||
	    !(capable(CAP_SETUID) || is_one_of((u32)uid, c->uid, c->euid, c->suid) ||
	      (u32)uid == c->fsuid))
		return old.fsuid;
	c->fsuid = (u32)uid;
	update_fs_caps(me, old.fsuid);
	(void)cred_changed(me, &old, &me->caps);
	return old.fsuid;
}

long sys_setfsgid(unsigned long gid)
{
	struct task_struct *me = current;
	struct fs_cred *c = &me->fs.cred, old = *c;

	if ((u32)gid == ID_KEEP ||
	    !(capable(CAP_SETGID) || is_one_of((u32)gid, c->gid, c->egid, c->sgid) ||
	      (u32)gid == c->fsgid))
		return old.fsgid;
	c->fsgid = (u32)gid;
	(void)cred_changed(me, &old, &me->caps);
	return old.fsgid;
}

long sys_getgroups(unsigned long size, unsigned long ulist)
{
	const struct fs_cred *c = &current->fs.cred;

	if ((int)size < 0)
		return -EINVAL;
	if ((int)size) {
		if (c->ngroups > (unsigned int)size)
			return -EINVAL;
		if (copy_to_user(ulist, c->groups, c->ngroups * sizeof(u32)))
			return -EFAULT;
	}
	return (long)c->ngroups;
}

long sys_setgroups(unsigned long size, unsigned long ulist)
{
	struct fs_cred *c = &current->fs.cred;
	u32 groups[FS_NGROUPS_MAX];
	unsigned int n = (unsigned int)size;

	if (!capable(CAP_SETGID))
		return -EPERM;
	if (n > FS_NGROUPS_MAX)
		return -EINVAL;
	if (copy_from_user(groups, ulist, n * sizeof(u32)))
		return -EFAULT;
	memcpy(c->groups, groups, n * sizeof(u32));
	c->ngroups = n;
	return 0;
}

/* ---- Capabilities ---------------------------------------------------------------------------- */

#define CAP_VERSION_1 0x19980330u
#define CAP_VERSION_2 0x20071026u
#define CAP_VERSION_3 0x20080522u

struct cap_header {
	u32 version;
	int pid;
};
static_assert(sizeof(struct cap_header) == 8, "struct __user_cap_header_struct of the ABI");
struct cap_data {
	u32 effective, permitted, inheritable;
};
static_assert(sizeof(struct cap_data) == 12, "struct __user_cap_data_struct of the ABI");

/* Words of 32 capabilities a version has; 0: unknown, and the preferred one was written back. */
static int cap_words(unsigned long uheader, struct cap_header *header, int *words)
{
	if (copy_from_user(&header->version, uheader, sizeof(header->version)))
		return -EFAULT;
	*words = header->version == CAP_VERSION_1 ? 1 : 2;
	if (header->version == CAP_VERSION_1 || header->version == CAP_VERSION_2 ||
	    header->version == CAP_VERSION_3)
		return copy_from_user(&header->pid, uheader + sizeof(header->version),
				      sizeof(header->pid))
			       ? -EFAULT
			       : 0;
	return put_user(CAP_VERSION_3, uheader) ? -EFAULT : -EINVAL;
}

long sys_capget(unsigned long uheader, unsigned long udata)
{
	struct cap_header header;
	struct cap_data data[2];
	struct task_struct *t = current;
	struct task_caps caps;
	int words, error = cap_words(uheader, &header, &words);

	if (!udata) /* the caller only asks whether its version is known, and which one is */
		return error == -EINVAL ? 0 : error;
	if (error)
		return error;
	if (header.pid < 0)
		return -EINVAL;
	if (header.pid)
		t = get_task_by_pid(header.pid);
	if (!t)
		return -ESRCH;
	caps = t->caps;
	if (header.pid)
		put_task(t);
	for (int i = 0; i < 2; i++)
		data[i] = (struct cap_data){(u32)(caps.effective >> 32 * i),
					    (u32)(caps.permitted >> 32 * i),
					    (u32)(caps.inheritable >> 32 * i)};
	return copy_to_user(udata, data, (size_t)words * sizeof(data[0])) ? -EFAULT : 0;
}

/*
 * May the caller's inheritable set become this? New ones must be in bounding, without CAP_SETPCAP
 * also in permitted.
 */
static bool may_inherit(const struct task_caps *caps, u64 inheritable)
{
	if (!capable(CAP_SETPCAP) && inheritable & ~(caps->inheritable | caps->permitted))
		return false;
	return !(inheritable & ~(caps->inheritable | caps->bounding));
}

long sys_capset(unsigned long uheader, unsigned long udata)
{
	struct cap_header header;
	struct cap_data data[2] = {{0, 0, 0}, {0, 0, 0}};
	struct task_caps *caps = &current->caps;
	u64 effective, permitted, inheritable;
	int words, error = cap_words(uheader, &header, &words);

	if (error)
		return error;
	if (header.pid && header.pid != current->vm.pid)
		return -EPERM;
	if (copy_from_user(data, udata, (size_t)words * sizeof(data[0])))
		return -EFAULT;
	effective = (data[0].effective | (u64)data[1].effective << 32) & CAP_FULL;
	permitted = (data[0].permitted | (u64)data[1].permitted << 32) & CAP_FULL;
	inheritable = (data[0].inheritable | (u64)data[1].inheritable << 32) & CAP_FULL;
	if ((permitted & ~caps->permitted) || (effective & ~permitted) ||
	    !may_inherit(caps, inheritable))
		return -EPERM;
	caps->effective = effective;
	caps->permitted = permitted;
	caps->inheritable = inheritable;
	caps->ambient &= permitted & inheritable;
	caps_changed(current);
	return 0;
}
