/* SPDX-License-Identifier: MIT */
/*
 * stat.c: telling what an inode is: stat, statx, statfs, readlink, and reading directories.
 *
 * The structures are Linux's for x86-64, byte for byte. Times are kept as nanoseconds.
 * i_blocks counts 512-byte units of pages present, so sparse files show as such.
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <pagoda/uaccess.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>

#define NSEC_PER_SEC 1000000000ll

struct timespec64 {
	s64 sec, nsec;
};

/* Seconds round down, so that nsec is never negative (times before 1970). */
static struct timespec64 timespec(s64 ns)
{
	s64 sec = ns / NSEC_PER_SEC, nsec = ns % NSEC_PER_SEC;

	if (nsec < 0)
		return (struct timespec64){sec - 1, nsec + NSEC_PER_SEC};
	return (struct timespec64){sec, nsec};
}

struct user_stat {
	u64 st_dev, st_ino, st_nlink;
	u32 st_mode, st_uid, st_gid, pad;
	u64 st_rdev;
	s64 st_size, st_blksize, st_blocks;
	struct timespec64 st_atime, st_mtime, st_ctime;
	s64 unused[3];
};
static_assert(sizeof(struct user_stat) == 144, "struct stat of x86-64");

static u64 inode_blocks(struct inode *inode)
{
	if (inode->i_sb->s_cached)
		return inode->i_blocks;
	return S_ISREG(inode->i_mode) ? mapping_data_pages(&inode->i_data) * (PAGE_SIZE / 512) : 0;
}

static void fill_stat(struct inode *inode, struct user_stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_dev = inode->i_sb->s_dev;
	st->st_ino = inode->i_ino;
	st->st_nlink = inode->i_nlink;
	st->st_mode = inode->i_mode;
	st->st_uid = inode->i_uid;
	st->st_gid = inode->i_gid;
	st->st_rdev = inode->i_rdev;
	st->st_size = (s64)inode->i_size;
	st->st_blksize = PAGE_SIZE;
	st->st_blocks = (s64)inode_blocks(inode);
	st->st_atime = timespec(inode->i_atime);
	st->st_mtime = timespec(inode->i_mtime);
	st->st_ctime = timespec(inode->i_ctime);
}

static long put_stat(struct inode *inode, unsigned long user)
{
	struct user_stat st;

	fill_stat(inode, &st);
	return copy_to_user(user, &st, sizeof(st)) ? -EFAULT : 0;
}

/* The place that an *at() call with AT_EMPTY_PATH or AT_SYMLINK_NOFOLLOW means. */
static long stat_path(int dfd, unsigned long name, unsigned long flags, struct path *path)
{
	unsigned int lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;

	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	return user_path(dfd, name, lookup, path);
}

long sys_fstat(unsigned long fd, unsigned long user)
{
	struct fd f = fdget_raw((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = put_stat(f.file->f_inode, user);
	fdput(f);
	return ret;
}

/* Is the user's string empty? fstat by another name is common enough to be quick. */
static bool is_empty_string(unsigned long name)
{
	char c;

	return get_user(c, name) == 0 && c == '\0';
}

long sys_newfstatat(unsigned long dfd, unsigned long name, unsigned long user, unsigned long flags)
{
	struct path path;
	long ret;

	if (flags & ~(unsigned long)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
		return -EINVAL;
	if ((flags & AT_EMPTY_PATH) && (int)dfd >= 0 && is_empty_string(name))
		return sys_fstat(dfd, user);
	ret = stat_path((int)dfd, name, flags, &path);
	if (ret)
		return ret;
	ret = put_stat(path.dentry->d_inode, user);
	path_put(&path);
	return ret;
}

long sys_stat(unsigned long name, unsigned long user)
{
	return sys_newfstatat((unsigned long)AT_FDCWD, name, user, 0);
}

long sys_lstat(unsigned long name, unsigned long user)
{
	return sys_newfstatat((unsigned long)AT_FDCWD, name, user, AT_SYMLINK_NOFOLLOW);
}

/* ---- statx ----------------------------------------------------------------------------------- */

struct statx_time {
	s64 sec;
	u32 nsec;
	s32 pad;
};
static_assert(sizeof(struct statx_time) == 16, "struct statx_timestamp of the ABI");
struct user_statx {
	u32 stx_mask, stx_blksize;
	u64 stx_attributes;
	u32 stx_nlink, stx_uid, stx_gid;
	u16 stx_mode, pad1;
	u64 stx_ino, stx_size, stx_blocks, stx_attributes_mask;
	struct statx_time stx_atime, stx_btime, stx_ctime, stx_mtime;
	u32 stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
	u64 stx_mnt_id;
	u64 spare[13];
};
static_assert(sizeof(struct user_statx) == 256, "struct statx");

#define STATX_BASIC_STATS 0x7ffu
#define STATX_MNT_ID	  0x1000u
#define STATX__RESERVED	  0x80000000u

static struct statx_time statx_time(s64 ns)
{
	struct timespec64 ts = timespec(ns);

	return (struct statx_time){ts.sec, (u32)ts.nsec, 0};
}

static void fill_statx(const struct path *path, struct user_statx *st)
{
	struct inode *inode = path->dentry->d_inode;

	memset(st, 0, sizeof(*st));
	st->stx_mask = STATX_BASIC_STATS | STATX_MNT_ID;
	st->stx_blksize = PAGE_SIZE;
	st->stx_nlink = inode->i_nlink;
	st->stx_uid = inode->i_uid;
	st->stx_gid = inode->i_gid;
	st->stx_mode = (u16)inode->i_mode;
	st->stx_ino = inode->i_ino;
	st->stx_size = inode->i_size;
	st->stx_blocks = inode_blocks(inode);
	st->stx_atime = statx_time(inode->i_atime);
	st->stx_ctime = statx_time(inode->i_ctime);
	st->stx_mtime = statx_time(inode->i_mtime);
	st->stx_rdev_major = MAJOR(inode->i_rdev);
	st->stx_rdev_minor = MINOR(inode->i_rdev);
	st->stx_dev_major = MAJOR(inode->i_sb->s_dev);
	st->stx_dev_minor = MINOR(inode->i_sb->s_dev);
	st->stx_mnt_id = (u64)path->mnt->mnt_id;
}

long sys_statx(unsigned long dfd, unsigned long name, unsigned long flags, unsigned long mask,
	       unsigned long user)
{
	struct user_statx st;
	struct path path;
	long ret;

	if ((mask & STATX__RESERVED) || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	if (flags & ~(unsigned long)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH |
				     AT_STATX_SYNC_TYPE))
		return -EINVAL;
	ret = stat_path((int)dfd, name, flags, &path);
	if (ret)
		return ret;
	fill_statx(&path, &st);
	path_put(&path);
	return copy_to_user(user, &st, sizeof(st)) ? -EFAULT : 0;
}

/* ---- statfs ---------------------------------------------------------------------------------- */

#define ST_VALID       0x20
#define ST_RELATIME    0x1000
#define ST_NOSYMFOLLOW 0x2000

/* ST_RDONLY, NOSUID, NODEV, NOEXEC, NOATIME and NODIRATIME have the values of MS_. */
static s64 statfs_flags(const struct vfsmount *mnt)
{
	const unsigned long same =
		MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME;
	s64 flags = ST_VALID | (s64)(mnt->mnt_flags & same);

	if (mnt->mnt_flags & MS_RELATIME)
		flags |= ST_RELATIME;
	if (mnt->mnt_flags & MS_NOSYMFOLLOW)
		flags |= ST_NOSYMFOLLOW;
	return mnt->mnt_sb->s_readonly ? flags | (s64)MS_RDONLY : flags;
}

static long put_statfs(const struct path *path, unsigned long user)
{
	struct super_block *sb = path->dentry->d_sb;
	struct statfs64 st;
	int err = 0;

	memset(&st, 0, sizeof(st));
	st.f_type = (s64)sb->s_magic;
	st.f_bsize = st.f_frsize = PAGE_SIZE;
	st.f_namelen = NAME_MAX;
	st.f_fsid[0] = (s32)sb->s_dev;
	if (sb->s_op && sb->s_op->statfs)
		err = sb->s_op->statfs(sb, &st);
	if (err)
		return err;
	st.f_flags = statfs_flags(path->mnt);
	return copy_to_user(user, &st, sizeof(st)) ? -EFAULT : 0;
}

long sys_statfs(unsigned long name, unsigned long user)
{
	struct path path;
	long ret = user_path(AT_FDCWD, name, LOOKUP_FOLLOW, &path);

	if (ret)
		return ret;
	ret = put_statfs(&path, user);
	path_put(&path);
	return ret;
}

long sys_fstatfs(unsigned long fd, unsigned long user)
{
	struct fd f = fdget_raw((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = put_statfs(&f.file->f_path, user);
	fdput(f);
	return ret;
}

/* ---- readlink -------------------------------------------------------------------------------- */

static long put_link(struct dentry *dentry, unsigned long user, size_t size)
{
	char *text = kmalloc(PATH_MAX, GFP_KERNEL);
	long len;

	if (!text)
		return -ENOMEM;
	len = vfs_readlink(dentry, text, PATH_MAX);
	if (len > 0) {
		len = min(len, (long)size);
		if (copy_to_user(user, text, (size_t)len))
			len = -EFAULT;
	}
	kfree(text);
	return len;
}

long sys_readlinkat(unsigned long dfd, unsigned long name, unsigned long user, unsigned long size)
{
	struct path path;
	long ret;

	if ((int)size <= 0)
		return -EINVAL;
	ret = user_path((int)dfd, name, LOOKUP_EMPTY, &path);
	if (ret)
		return ret;
	ret = put_link(path.dentry, user, (unsigned int)size);
	if (ret == -EINVAL && is_empty_string(name))
		ret = -ENOENT;
	path_put(&path);
	return ret;
}

long sys_readlink(unsigned long name, unsigned long user, unsigned long size)
{
	return sys_readlinkat((unsigned long)AT_FDCWD, name, user, size);
}

/* ---- getdents -------------------------------------------------------------------------------- */

/* One record: d_ino, d_off, d_reclen, (64: d_type,) name, (old: d_type in the last byte). */
#define DIRENT_NAME_OFFSET   18u /* old */
#define DIRENT64_NAME_OFFSET 19u

struct getdents {
	struct dir_context ctx; /* first */
	unsigned long user;
	size_t room;
	unsigned long last; /* address of the last record's d_off, 0: none yet */
	bool old;
	long error;
};

static size_t build_record(const struct getdents *g, char *record, const char *name, size_t len,
			   u64 ino, unsigned int type)
{
	size_t name_at = g->old ? DIRENT_NAME_OFFSET : DIRENT64_NAME_OFFSET;
	size_t size = ALIGN(name_at + len + 1 + (g->old ? 1 : 0), 8);
	u16 reclen = (u16)size;

	memset(record, 0, size);
	memcpy(record, &ino, 8);
	memcpy(record + 16, &reclen, 2);
	memcpy(record + name_at, name, len);
	if (g->old)
		record[size - 1] = (char)type;
	else
		record[18] = (char)type;
	return size;
}

/* d_off of a record is where reading goes on after it: known when the next one comes. */
static int patch_last(struct getdents *g, u64 pos)
{
	return g->last && put_user(pos, g->last) ? -EFAULT : 0;
}

static bool emit_record(struct dir_context *ctx, const char *name, size_t len, u64 pos, u64 ino,
			unsigned int type)
{
	struct getdents *g = container_of(ctx, struct getdents, ctx);
	char record[ALIGN(DIRENT64_NAME_OFFSET + NAME_MAX + 2, 8)];
	size_t size = build_record(g, record, name, len, ino, type);

	if (size > g->room) {
		if (!g->last)
			g->error = -EINVAL; /* not even one fits */
		return false;
	}
	if (patch_last(g, pos) || copy_to_user(g->user, record, size)) {
		g->error = -EFAULT;
		return false;
	}
	g->last = g->user + 8;
	g->user += size;
	g->room -= size;
	return true;
}

static long read_directory(struct file *file, struct getdents *g)
{
	struct super_block *sb = file->f_inode->i_sb;
	long err;

	if (!file->f_op || !file->f_op->iterate)
		return -ENOTDIR;
	if (file->f_path.dentry->d_flags & DENTRY_DELETED)
		return -ENOENT;
	mutex_lock(&file->f_pos_lock);
	mutex_lock(&sb->s_names);
	g->ctx.pos = file->f_pos;
	err = file->f_op->iterate(file, &g->ctx);
	if (!err && patch_last(g, g->ctx.pos))
		err = -EFAULT;
	file->f_pos = g->ctx.pos;
	mutex_unlock(&sb->s_names);
	mutex_unlock(&file->f_pos_lock);
	file_accessed(file);
	return err;
}

static long getdents(unsigned long fd, unsigned long user, unsigned long size, bool old)
{
	struct getdents g = {.ctx.emit = emit_record,
			     .user = user,
			     .room = (size_t)max((s32)size, 0),
			     .old = old};
	struct fd f = fdget((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = read_directory(f.file, &g);
	fdput(f);
	if (ret)
		return ret;
	return g.last ? (long)(g.user - user) : g.error;
}

long sys_getdents64(unsigned long fd, unsigned long user, unsigned long size)
{
	return getdents(fd, user, size, false);
}

long sys_getdents(unsigned long fd, unsigned long user, unsigned long size)
{
	return getdents(fd, user, size, true);
}
