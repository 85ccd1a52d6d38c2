/* SPDX-License-Identifier: MIT */
/*
 * open.c: opening files and programs, their size, and where a task stands.
 *
 * open(2) walks to the last component (namei.c). Without O_CREAT the rest is a plain
 * lookup. With it, s_names of the parent is held while the name is looked up or made, so
 * O_EXCL is exact; a symbolic link found there is followed and the walk goes on.
 *
 * Order of checks as in Linux: kind (EISDIR, ENOTDIR, ELOOP), permission, then truncation
 * after write access was got (ETXTBSY).
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <fs/namei_internal.h>
#include <pagoda/bug.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <pagoda/slab.h>

/* ---- open ---------------------------------------------------------------------------------- */

#define OPEN_KNOWN_FLAGS                                                                       \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC |  \
	 O_ASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | \
	 O_PATH | __O_TMPFILE)

static unsigned int access_mask(unsigned int flags)
{
	static const u8 masks[] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE};
	unsigned int mask = masks[flags & O_ACCMODE];

	if (flags & O_TRUNC)
		mask |= MAY_WRITE;
	return mask;
}

/* May the caller open what stands at path, for mask? */
static int may_open(const struct path *path, unsigned int mask, unsigned int flags)
{
	struct inode *inode = path->dentry->d_inode;
	int err;

	if (S_ISLNK(inode->i_mode))
		return -ELOOP;
	if (S_ISDIR(inode->i_mode) && (mask & MAY_WRITE))
		return -EISDIR;
	if ((S_ISCHR(inode->i_mode) || S_ISBLK(inode->i_mode)) && (path->mnt->mnt_flags & MS_NODEV))
		return -EACCES;
	err = inode_permission(inode, mask);
	if (err)
		return err;
	return (flags & O_NOATIME) && !inode_owner_or_capable(inode) ? -EPERM : 0;
}

/*
 * In a directory where everybody makes names, O_CREAT does not open a device or socket that
 * somebody else put there.
 */
static bool is_trap(const struct inode *dir, const struct inode *found)
{
	const u32 shared = S_ISVTX | 0002;

	return (dir->i_mode & shared) == shared && !S_ISREG(found->i_mode) &&
	       !S_ISFIFO(found->i_mode) && found->i_uid != dir->i_uid &&
	       found->i_uid != fs_current()->cred.fsuid;
}

/* O_CREAT finds something that is there already. */
static int check_found(const struct path *path, unsigned int flags)
{
	const struct inode *found = path->dentry->d_inode;
	struct dentry *dir;
	bool trap;

	if (!(flags & O_CREAT))
		return 0;
	if (flags & O_EXCL)
		return -EEXIST;
	if (S_ISDIR(found->i_mode))
		return -EISDIR;
	dir = d_parent_get(path->dentry);
	trap = is_trap(dir->d_inode, found);
	dput(dir);
	return trap ? -EACCES : 0;
}

/* Open what was there before this call. */
static struct file *open_found(const struct path *path, unsigned int flags)
{
	struct inode *inode = path->dentry->d_inode;
	bool cut = (flags & O_TRUNC) && S_ISREG(inode->i_mode);
	int err = check_found(path, flags);
	struct file *file;

	if (!err && cut)
		err = mnt_want_write(path->mnt);
	if (!err)
		err = may_open(path, access_mask(flags), flags);
	if (err)
		return ERR_PTR(err);
	file = dentry_open(path, flags);
	if (IS_ERR(file) || !cut)
		return file;
	err = do_truncate(inode, 0);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	return file;
}

/* created: just now, by this call, so that only this open decides what the caller may do. */
static struct file *open_place(const struct path *path, unsigned int flags, bool created)
{
	int err;

	if (flags & O_PATH)
		return dentry_open(path, flags);
	if (!created)
		return open_found(path, flags);
	err = may_open(path, 0, flags);
	return err ? ERR_PTR(err) : dentry_open(path, flags);
}

/* s_names held: the last component, found or made. */
static struct dentry *lookup_or_create(struct nameidata *nd, unsigned int flags, u32 mode,
				       bool *created)
{
	struct dentry *dentry = nd_child(nd->path.dentry, nd->last.name, nd->last.len);
	int err;

	lockdep_assert_held(&nd->path.dentry->d_inode->i_sb->s_names);
	*created = false;
	if (!IS_ERR(dentry)) {
		if (!(flags & O_EXCL))
			return dentry;
		dput(dentry);
		return ERR_PTR(-EEXIST);
	}
	if (PTR_ERR(dentry) != -ENOENT)
		return dentry;
	err = nd->path.dentry->d_flags & DENTRY_DELETED ? -ENOENT : mnt_want_write(nd->path.mnt);
	if (!err)
		err = vfs_create_locked(&nd->path, &nd->last, S_IFREG | mode, 0, NULL, &dentry);
	if (err)
		return ERR_PTR(err);
	*created = true;
	return dentry;
}

/* One round of O_CREAT at the last component. 0: nd->path is the place; 1: a link, walk on. */
static int create_last(struct nameidata *nd, unsigned int flags, u32 mode, bool *created)
{
	struct mutex *names;
	struct dentry *dentry;
	int ret;

	if (nd->last.type != LAST_NORM)
		return flags & O_EXCL ? -EEXIST : -EISDIR; /* all such names are directories */
	if (nd->last.trailing)
		return -EISDIR;
	if (!S_ISDIR(nd->path.dentry->d_inode->i_mode))
		return -ENOTDIR;
	names = &nd->path.dentry->d_sb->s_names;
	mutex_lock(names);
	dentry = lookup_or_create(nd, flags, mode, created);
	mutex_unlock(names);
	if (IS_ERR(dentry))
		return (int)PTR_ERR(dentry);
	if (S_ISLNK(dentry->d_inode->i_mode) && !(flags & O_NOFOLLOW)) {
		ret = nd_follow_last(nd, dentry);
		dput(dentry);
		return ret ? ret : 1;
	}
	dput(nd->path.dentry);
	nd->path.dentry = dentry;
	follow_mounts(&nd->path);
	return 0;
}

static struct file *open_create(struct nameidata *nd, unsigned int flags, u32 mode)
{
	bool created;
	int ret;

	do {
		ret = nd_walk_to_last(nd);
		if (ret)
			return ERR_PTR(ret);
		if (nd->jumped && nd->last.type == LAST_ROOT) {
			created = false; /* through /proc/self/fd/n: exists already */
			break;
		}
		ret = create_last(nd, flags, mode, &created);
	} while (ret == 1);
	return ret < 0 ? ERR_PTR(ret) : open_place(&nd->path, flags, created);
}

/* May the caller make a file without a name on the file system of that directory? */
static int may_make_tmpfile(const struct path *dir)
{
	int err = mnt_want_write(dir->mnt);

	if (!err)
		err = inode_permission(dir->dentry->d_inode, MAY_WRITE | MAY_EXEC);
	return err || dir->dentry->d_inode->i_op->create ? err : -EOPNOTSUPP;
}

/*
 * A new file that no name leads to, as an entry of the directory that is removed already; or
 * ERR_PTR.
 */
static struct dentry *make_tmpfile(struct dentry *dir, unsigned int flags, u32 mode)
{
	struct inode *inode;
	struct dentry *dentry;
	char name[24];

	mutex_lock(&dir->d_sb->s_names);
	inode = dir->d_inode->i_op->create(dir->d_inode,
					   inode_new_mode(dir->d_inode, S_IFREG | mode), 0, NULL);
	if (!IS_ERR(inode)) {
		clear_nlink(inode);
		inode->i_linkable = !(flags & O_EXCL);
		mark_inode_dirty(inode);
	}
	mutex_unlock(&dir->d_sb->s_names);
	if (IS_ERR(inode))
		return ERR_PTR(PTR_ERR(inode));
	pagoda_snprintf(name, sizeof(name), "#%llu", (unsigned long long)inode->i_ino);
	dentry = d_make(dir, name, strlen(name), inode);
	if (!dentry)
		return ERR_PTR(-ENOMEM);
	dentry->d_flags |= DENTRY_DELETED;
	return dentry;
}

/*
 * O_TMPFILE: a file without a name in the directory path. linkat(2) may give it one, but for
 * O_EXCL.
 */
static struct file *open_tmpfile(struct nameidata *nd, unsigned int flags, u32 mode)
{
	struct path path;
	struct file *file;
	int err = nd_walk(nd, LOOKUP_FOLLOW | LOOKUP_DIRECTORY);

	if (!err)
		err = may_make_tmpfile(&nd->path);
	if (err)
		return ERR_PTR(err);
	path.mnt = nd->path.mnt;
	path.dentry = make_tmpfile(nd->path.dentry, flags, mode);
	if (IS_ERR(path.dentry))
		return ERR_PTR(PTR_ERR(path.dentry));
	err = may_open(&path, 0, flags);
	file = err ? ERR_PTR(err) : dentry_open(&path, flags & ~__O_TMPFILE);
	dput(path.dentry);
	return file;
}

static struct file *open_nd(struct nameidata *nd, unsigned int flags, u32 mode)
{
	int err;

	if ((flags & __O_TMPFILE) == __O_TMPFILE)
		return open_tmpfile(nd, flags & ~O_DIRECTORY, mode);
	if (flags & O_CREAT)
		return open_create(nd, flags, mode);
	err = nd_walk(nd, (flags & O_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
				  (flags & O_DIRECTORY ? LOOKUP_DIRECTORY : 0));
	return err ? ERR_PTR(err) : open_place(&nd->path, flags, false);
}

/* Combinations that open(2) refuses, and what O_PATH leaves of the flags. */
static int check_open_flags(unsigned int *flags)
{
	*flags &= OPEN_KNOWN_FLAGS;
	if (*flags & O_PATH)
		*flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if (*flags & __O_TMPFILE) {
		if (!(*flags & O_DIRECTORY) || (*flags & O_ACCMODE) == O_RDONLY || *flags & O_CREAT)
			return -EINVAL;
	} else if ((*flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY)) {
		return -EINVAL;
	}
	if ((*flags & O_CREAT) && (*flags & O_EXCL))
		*flags |= O_NOFOLLOW;
	return 0;
}

struct file *do_filp_open(int dfd, const char *name, unsigned int flags, u32 mode)
{
	struct nameidata nd;
	struct file *file;
	int err = IS_ERR(name) ? (int)PTR_ERR(name) : check_open_flags(&flags);

	if (!err && !*name)
		err = -ENOENT;
	if (!err)
		err = nd_start(&nd, dfd, name);
	if (err)
		return ERR_PTR(err);
	file = open_nd(&nd, flags, mode & 07777);
	nd_end(&nd);
	return file;
}

long sys_openat(unsigned long dfd, unsigned long path, unsigned long flags, unsigned long mode)
{
	unsigned int checked;
	long fd;
	struct file *file;
	char *name;

	flags |= O_LARGEFILE; /* as every file of a 64-bit program is */
	checked = (unsigned int)flags;
	fd = check_open_flags(&checked);
	if (fd)
		return fd;
	name = fs_getname(path, false);
	if (IS_ERR(name))
		return PTR_ERR(name);
	fd = get_unused_fd(0, (unsigned int)flags);
	if (fd >= 0) {
		file = do_filp_open((int)dfd, name, (unsigned int)flags, (u32)mode);
		if (IS_ERR(file)) {
			put_unused_fd((int)fd);
			fd = PTR_ERR(file);
		} else {
			fd_install((int)fd, file);
		}
	}
	fs_putname(name);
	return fd;
}

long sys_open(unsigned long path, unsigned long flags, unsigned long mode)
{
	return sys_openat((unsigned long)AT_FDCWD, path, flags, mode);
}

long sys_creat(unsigned long path, unsigned long mode)
{
	return sys_open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* ---- Programs -------------------------------------------------------------------------------- */

static struct file *open_program(const struct path *path)
{
	struct inode *inode = path->dentry->d_inode;
	struct file *file;
	int err;

	if (S_ISLNK(inode->i_mode))
		return ERR_PTR(-ELOOP);
	if (!S_ISREG(inode->i_mode) || (path->mnt->mnt_flags & MS_NOEXEC))
		return ERR_PTR(-EACCES);
	err = inode_permission(inode, MAY_EXEC);
	if (!err)
		err = deny_write_access(inode);
	if (err)
		return ERR_PTR(err);
	file = dentry_open(path, O_RDONLY);
	if (IS_ERR(file))
		allow_write_access(inode);
	else
		file->f_mode |= FMODE_EXEC;
	return file;
}

struct file *fs_open_exec(int dirfd, const char *name, int flags)
{
	unsigned int lookup = (unsigned int)flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path path;
	struct file *file;
	int err;

	if ((unsigned int)flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	err = path_lookup(dirfd, name, lookup, &path);
	if (err)
		return ERR_PTR(err);
	file = open_program(&path);
	path_put(&path);
	return file;
}

void fs_exec_allow_write(struct file *file)
{
	if (file->f_mode & FMODE_EXEC) {
		file->f_mode &= ~FMODE_EXEC;
		allow_write_access(file->f_inode);
	}
}

long fs_read_kernel(struct file *file, void *buf, size_t count, u64 pos)
{
	if (!file->f_op->read)
		return -EINVAL;
	return file->f_op->read(file, iov_kernel_buf(buf), count, &pos);
}

bool fs_exec_unreadable(struct file *file)
{
	return inode_permission(file->f_inode, MAY_READ) != 0;
}

/*
 * Owner and mode are of one moment: chown() to root takes the set-id bits away under the same lock.
 */
void fs_exec_attributes(struct file *file, struct fs_exec_attr *attr)
{
	struct inode *inode = file->f_inode;

	down_read(&inode->i_rwsem);
	attr->mode = inode->i_mode;
	attr->uid = inode->i_uid;
	attr->gid = inode->i_gid;
	attr->size = inode->i_size;
	up_read(&inode->i_rwsem);
	attr->nosuid = file->f_path.mnt->mnt_flags & MS_NOSUID;
}

char *fs_file_path(struct file *file, char *buf, size_t size)
{
	struct path root;
	bool reachable;
	char *name;

	get_fs_root(&root);
	name = d_path(&file->f_path, &root, buf, size, &reachable);
	path_put(&root);
	return name;
}

struct vm_file *fs_fget_vm(int fd)
{
	struct file *file = fget((unsigned int)fd);

	if (!file)
		return ERR_PTR(-EBADF);
	/* a remount may have changed it */
	file->vm.f_noexec = file->f_path.mnt->mnt_flags & MS_NOEXEC;
	return &file->vm;
}

u64 fs_mapping_id(struct vm_file *vm)
{
	u64 id;

	if (is_shmem_zero_file(vm, &id))
		return id;
	return vm->f_mapping ? container_of(vm, struct file, vm)->f_inode->i_ino : 0;
}

/* ---- Size ------------------------------------------------------------------------------------ */

int do_truncate(struct inode *inode, u64 size)
{
	int err;

	if (size > inode->i_sb->s_max_bytes)
		return -EFBIG;
	if (!inode->i_op->setsize)
		return S_ISREG(inode->i_mode) ? 0 : -EINVAL; /* proc files take O_TRUNC silently */
	down_write(&inode->i_rwsem);
	err = inode->i_swapfile ? -ETXTBSY : inode->i_op->setsize(inode, size);
	if (!err) {
		inode_written(inode);
	}
	up_write(&inode->i_rwsem);
	return err;
}

int inode_may_grow(struct inode *inode, u64 size)
{
	struct rlimit *rlim = current_vm->rlim;

	if (size <= READ_ONCE(inode->i_size))
		return 0;
	if (rlim && size > rlim[RLIMIT_FSIZE].rlim_cur) {
		fs_hook_signal_self(SIGXFSZ);
		return -EFBIG;
	}
	return size > inode->i_sb->s_max_bytes ? -EFBIG : 0;
}

static int truncate_path(const struct path *path, u64 size)
{
	struct inode *inode = path->dentry->d_inode;
	int err;

	if (S_ISDIR(inode->i_mode))
		return -EISDIR;
	if (!S_ISREG(inode->i_mode))
		return -EINVAL;
	err = mnt_want_write(path->mnt);
	if (!err)
		err = inode_permission(inode, MAY_WRITE);
	if (!err)
		err = get_write_access(inode);
	if (err)
		return err;
	err = inode_may_grow(inode, size);
	if (!err)
		err = do_truncate(inode, size);
	put_write_access(inode);
	return err;
}

long sys_truncate(unsigned long name, unsigned long length)
{
	struct path path;
	long ret;

	if ((long)length < 0)
		return -EINVAL;
	ret = user_path(AT_FDCWD, name, LOOKUP_FOLLOW, &path);
	if (ret)
		return ret;
	ret = truncate_path(&path, length);
	path_put(&path);
	return ret;
}

long sys_ftruncate(unsigned long fd, unsigned long length)
{
	struct fd f;
	long ret;

	if ((long)length < 0)
		return -EINVAL;
	f = fdget((unsigned int)fd);
	if (!f.file)
		return -EBADF;
	if (!(f.file->f_mode & FMODE_WRITE) || !S_ISREG(f.file->f_inode->i_mode))
		ret = -EINVAL;
	else if (!(ret = inode_may_grow(f.file->f_inode, length)))
		ret = do_truncate(f.file->f_inode, length);
	fdput(f);
	return ret;
}

#define FALLOC_FL_COLLAPSE_RANGE 8u
#define FALLOC_FL_ZERO_RANGE	 16u
#define FALLOC_FL_INSERT_RANGE	 32u
#define FALLOC_FL_UNSHARE_RANGE	 64u
#define FALLOC_FL_KNOWN                                                          \
	(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE | \
	 FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE)

/* Modes that no file system takes, and combinations that make no sense. */
static int check_fallocate_mode(unsigned int mode)
{
	if (mode & ~FALLOC_FL_KNOWN)
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) &&
	    ((mode & FALLOC_FL_ZERO_RANGE) || !(mode & FALLOC_FL_KEEP_SIZE)))
		return -EOPNOTSUPP;
	for (unsigned int alone = FALLOC_FL_COLLAPSE_RANGE; alone <= FALLOC_FL_INSERT_RANGE;
	     alone <<= 2)
		if ((mode & alone) && (mode & ~alone))
			return -EINVAL;
	return (mode & FALLOC_FL_UNSHARE_RANGE) &&
			       (mode & ~(FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE))
		       ? -EINVAL
		       : 0;
}

/* What kind of file can have space allocated? */
static int check_fallocate_file(const struct file *file)
{
	const struct inode *inode = file->f_inode;

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (inode->i_swapfile)
		return -ETXTBSY;
	if (S_ISFIFO(inode->i_mode))
		return -ESPIPE;
	if (S_ISDIR(inode->i_mode))
		return -EISDIR;
	return S_ISREG(inode->i_mode) || S_ISBLK(inode->i_mode) ? 0 : -ENODEV;
}

static long do_fallocate(struct file *file, unsigned int mode, u64 offset, u64 len)
{
	long ret;

	if ((s64)offset < 0 || (s64)len <= 0)
		return -EINVAL;
	ret = check_fallocate_mode(mode);
	if (!ret)
		ret = check_fallocate_file(file);
	if (ret)
		return ret;
	if ((s64)(offset + len) < 0 || offset + len > file->f_inode->i_sb->s_max_bytes)
		return -EFBIG;
	return file->f_op->fallocate ? file->f_op->fallocate(file, (int)mode, offset, len)
				     : -EOPNOTSUPP;
}

long sys_fallocate(unsigned long fd, unsigned long mode, unsigned long offset, unsigned long len)
{
	struct fd f = fdget((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = do_fallocate(f.file, (unsigned int)mode, offset, len);
	fdput(f);
	return ret;
}

/* ---- Where a task stands --------------------------------------------------------------------- */

static long change_dir(const struct path *path, struct path *which)
{
	int err;

	if (!S_ISDIR(path->dentry->d_inode->i_mode))
		return -ENOTDIR;
	err = inode_permission(path->dentry->d_inode, MAY_EXEC);
	if (!err)
		set_fs_path(which, path);
	return err;
}

long sys_chdir(unsigned long name)
{
	struct path path;
	long ret = user_path(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &path);

	if (ret)
		return ret;
	ret = change_dir(&path, &fs_current()->fs->pwd);
	path_put(&path);
	return ret;
}

long sys_fchdir(unsigned long fd)
{
	struct fd f = fdget_raw((unsigned int)fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = change_dir(&f.file->f_path, &fs_current()->fs->pwd);
	fdput(f);
	return ret;
}

long sys_chroot(unsigned long name)
{
	struct path path;
	long ret = user_path(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &path);

	if (ret)
		return ret;
	ret = inode_permission(path.dentry->d_inode, MAY_EXEC);
	if (!ret && !fs_capable(CAP_SYS_CHROOT))
		ret = -EPERM;
	if (!ret)
		set_fs_path(&fs_current()->fs->root, &path);
	path_put(&path);
	return ret;
}

long sys_getcwd(unsigned long buf, unsigned long size)
{
	char *text = kmalloc(PATH_MAX, GFP_KERNEL), *name;
	struct path pwd, root;
	bool reachable;
	long ret;

	if (!text)
		return -ENOMEM;
	get_fs_pwd(&pwd);
	get_fs_root(&root);
	name = d_path(&pwd, &root, text + 13, PATH_MAX - 13, &reachable);
	if (IS_ERR(name)) {
		ret = PTR_ERR(name);
	} else if (pwd.dentry->d_flags & DENTRY_DELETED) {
		ret = -ENOENT;
	} else {
		if (!reachable)
			name = memcpy(name - 13, "(unreachable)", 13);
		ret = (long)strlen(name) + 1;
		if ((unsigned long)ret > size)
			ret = -ERANGE;
		else if (copy_to_user(buf, name, (size_t)ret))
			ret = -EFAULT;
	}
	path_put(&root);
	path_put(&pwd);
	kfree(text);
	return ret;
}

long sys_umask(unsigned long mask)
{
	struct fs_struct *fs = fs_current()->fs;
	u32 old = fs->umask;

	fs->umask = mask & 0777;
	return old;
}
