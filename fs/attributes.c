/* SPDX-License-Identifier: MIT */
/*
 * attributes.c: access(2), chmod, chown and the times of files, in all their forms.
 *
 * Each finds a place or an open file and asks notify_change (inode.c), which checks and
 * applies. access(2) asks for the real user, not the effective one, by changing the file
 * system's ids of the task for the length of the walk.
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

/* ---- access --------------------------------------------------------------------------------- */

static long access_path(const struct path *path, unsigned int mode)
{
	struct inode *inode = path->dentry->d_inode;
	bool stored = S_ISREG(inode->i_mode) || S_ISDIR(inode->i_mode) || S_ISLNK(inode->i_mode);
	int err;

	if ((mode & MAY_EXEC) && S_ISREG(inode->i_mode) && (path->mnt->mnt_flags & MS_NOEXEC))
		return -EACCES;
	err = mode ? inode_permission(inode, mode) : 0;
	return err || !(mode & MAY_WRITE) || !stored ? err : mnt_want_write(path->mnt);
}

long sys_faccessat2(unsigned long dfd, unsigned long name, unsigned long mode, unsigned long flags)
{
	struct fs_cred *cred = &fs_current()->cred;
	u32 fsuid = cred->fsuid, fsgid = cred->fsgid;
	u64 caps = 0;
	unsigned int lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path path;
	long ret;

	if ((u32)mode & ~7u)
		return -EINVAL;
	if (flags & ~(unsigned long)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	if (!(flags & AT_EACCESS)) { /* asks for the real user */
		cred->fsuid = cred->uid;
		cred->fsgid = cred->gid;
		caps = fs_hook_take_real_caps();
	}
	ret = user_path((int)dfd, name, lookup, &path);
	if (!ret) {
		ret = access_path(&path, (unsigned int)mode);
		path_put(&path);
	}
	if (!(flags & AT_EACCESS))
		fs_hook_restore_caps(caps);
	cred->fsuid = fsuid;
	cred->fsgid = fsgid;
	return ret;
}

long sys_faccessat(unsigned long dfd, unsigned long name, unsigned long mode)
{
	return sys_faccessat2(dfd, name, mode, 0);
}

long sys_access(unsigned long name, unsigned long mode)
{
	return sys_faccessat2((unsigned long)AT_FDCWD, name, mode, 0);
}

/* ---- chmod, chown, times --------------------------------------------------------------------- */

static long change_user_path(int dfd, unsigned long name, unsigned int lookup, struct iattr *attr)
{
	struct path path;
	long ret = user_path(dfd, name, lookup, &path);

	if (ret)
		return ret;
	if ((attr->valid & ATTR_MODE) && S_ISLNK(path.dentry->d_inode->i_mode))
		ret = -EOPNOTSUPP;
	else
		ret = notify_change(&path, attr);
	path_put(&path);
	return ret;
}

static long change_fd(unsigned long fd, struct iattr *attr)
{
	struct fd f = fdget((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = notify_change(&f.file->f_path, attr);
	fdput(f);
	return ret;
}

long sys_fchmodat(unsigned long dfd, unsigned long name, unsigned long mode)
{
	struct iattr attr = {.valid = ATTR_MODE, .mode = (u32)mode};

	return change_user_path((int)dfd, name, LOOKUP_FOLLOW, &attr);
}

long sys_chmod(unsigned long name, unsigned long mode)
{
	return sys_fchmodat((unsigned long)AT_FDCWD, name, mode);
}

long sys_fchmod(unsigned long fd, unsigned long mode)
{
	struct iattr attr = {.valid = ATTR_MODE, .mode = (u32)mode};

	return change_fd(fd, &attr);
}

static struct iattr owner_change(unsigned long uid, unsigned long gid)
{
	struct iattr attr = {.valid = ATTR_KILL_SUID, .uid = (u32)uid, .gid = (u32)gid};

	if ((u32)uid != ~0u)
		attr.valid |= ATTR_UID;
	if ((u32)gid != ~0u)
		attr.valid |= ATTR_GID;
	return attr;
}

long sys_fchownat(unsigned long dfd, unsigned long name, unsigned long uid, unsigned long gid,
		  unsigned long flags)
{
	struct iattr attr = owner_change(uid, gid);
	unsigned int lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;

	if (flags & ~(unsigned long)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	return change_user_path((int)dfd, name, lookup, &attr);
}

long sys_chown(unsigned long name, unsigned long uid, unsigned long gid)
{
	return sys_fchownat((unsigned long)AT_FDCWD, name, uid, gid, 0);
}

long sys_lchown(unsigned long name, unsigned long uid, unsigned long gid)
{
	return sys_fchownat((unsigned long)AT_FDCWD, name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

long sys_fchown(unsigned long fd, unsigned long uid, unsigned long gid)
{
	struct iattr attr = owner_change(uid, gid);

	return change_fd(fd, &attr);
}

#define UTIME_NOW    0x3fffffffl
#define UTIME_OMIT   0x3ffffffel
#define NSEC_PER_SEC 1000000000ll

struct timespec64 {
	s64 sec, nsec;
};

/* One of the two times into attr; -EINVAL. */
static int set_time(struct iattr *attr, const struct timespec64 *ts, unsigned int which, s64 *where)
{
	if (ts->nsec == UTIME_OMIT)
		return 0;
	attr->valid |= which;
	if (ts->nsec == UTIME_NOW) {
		*where = current_time_ns();
		return 0;
	}
	if (ts->nsec < 0 || ts->nsec >= NSEC_PER_SEC)
		return -EINVAL;
	/* What ns since 1970 do not reach becomes the first or the last second that they do. */
	*where = min_t(s64, max_t(s64, ts->sec, -INT64_MAX / NSEC_PER_SEC),
		       INT64_MAX / NSEC_PER_SEC - 1) *
			 NSEC_PER_SEC +
		 ts->nsec;
	attr->valid |= ATTR_TIMES_SET;
	return 0;
}

/* times NULL: both now. */
static int time_change(const struct timespec64 *times, struct iattr *attr)
{
	int err;

	memset(attr, 0, sizeof(*attr));
	if (!times) {
		attr->valid = ATTR_ATIME | ATTR_MTIME;
		return 0;
	}
	err = set_time(attr, &times[0], ATTR_ATIME, &attr->atime);
	if (!err)
		err = set_time(attr, &times[1], ATTR_MTIME, &attr->mtime);
	if (err)
		return err;
	if (times[0].nsec == UTIME_NOW && times[1].nsec == UTIME_NOW)
		attr->valid = ATTR_ATIME | ATTR_MTIME;
	return 0;
}

/* A file and how its times change: by name, by descriptor (name 0), or both at once. */
static long change_times(int dfd, unsigned long name, struct iattr *attr, long bad_times,
			 unsigned long flags)
{
	unsigned int lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path path;
	long err;

	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	err = user_path(dfd, name, lookup, &path);
	if (err)
		return err;
	err = bad_times ? bad_times : notify_change(&path, attr);
	path_put(&path);
	return err;
}

static long change_fd_times(unsigned long fd, struct iattr *attr, long bad_times)
{
	struct fd f = fdget((unsigned int)fd);
	long err;

	if (!f.file)
		return -EBADF;
	err = bad_times ? bad_times : notify_change(&f.file->f_path, attr);
	fdput(f);
	return err;
}

/* Impossible times are told of when the file is found. */
static long do_utimes(int dfd, unsigned long name, const struct timespec64 *times,
		      unsigned long flags)
{
	struct iattr attr;
	long bad_times = time_change(times, &attr);

	if (!name && dfd != AT_FDCWD)
		return flags ? -EINVAL : change_fd_times((unsigned long)dfd, &attr, bad_times);
	if (flags & ~(unsigned long)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return change_times(dfd, name, &attr, bad_times, flags);
}

long sys_utimensat(unsigned long dfd, unsigned long name, unsigned long times, unsigned long flags)
{
	struct timespec64 ts[2];

	if (times && copy_from_user(ts, times, sizeof(ts)))
		return -EFAULT;
	if (times && ts[0].nsec == UTIME_OMIT && ts[1].nsec == UTIME_OMIT)
		return 0;
	return do_utimes((int)dfd, name, times ? ts : NULL, flags);
}

long sys_futimesat(unsigned long dfd, unsigned long name, unsigned long times)
{
	struct timespec64 ts[2];

	if (!times)
		return do_utimes((int)dfd, name, NULL, 0);
	if (copy_from_user(ts, times, sizeof(ts)))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		if (ts[i].nsec < 0 || ts[i].nsec >= 1000000)
			return -EINVAL;
		ts[i].nsec *= 1000; /* they came as microseconds */
	}
	return do_utimes((int)dfd, name, ts, 0);
}

long sys_utimes(unsigned long name, unsigned long times)
{
	return sys_futimesat((unsigned long)AT_FDCWD, name, times);
}

long sys_utime(unsigned long name, unsigned long times)
{
	struct timespec64 ts[2] = {{0, 0}, {0, 0}};
	s64 seconds[2];

	if (!times)
		return do_utimes(AT_FDCWD, name, NULL, 0);
	if (copy_from_user(seconds, times, sizeof(seconds)))
		return -EFAULT;
	ts[0].sec = seconds[0];
	ts[1].sec = seconds[1];
	return do_utimes(AT_FDCWD, name, ts, 0);
}
