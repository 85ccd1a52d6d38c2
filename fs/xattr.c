/* SPDX-License-Identifier: MIT */
/*
 * xattr.c: extended attributes, of which there are none: no file system here keeps any for
 * programs.
 *
 * Each call checks what Linux checks before it asks the file system, in that order: the file,
 * whether it may be written, flags, name, size and value, rights. What is left is EOPNOTSUPP, and
 * lists are empty.
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <pagoda/uaccess.h>

#define XATTR_NAME_MAX 255
#define XATTR_SIZE_MAX 65536
#define XATTR_CREATE   1u
#define XATTR_REPLACE  2u

/* Find the file that a call is about: *path gets references. 0 or -errno. */
typedef long find_fn(unsigned long where, struct path *path);

static long find_followed(unsigned long name, struct path *path)
{
	return user_path(AT_FDCWD, name, LOOKUP_FOLLOW, path);
}

static long find_link(unsigned long name, struct path *path)
{
	return user_path(AT_FDCWD, name, 0, path);
}

static long find_open(unsigned long fd, struct path *path)
{
	struct fd f = fdget((unsigned int)fd);

	if (!f.file)
		return -EBADF;
	*path = f.file->f_path;
	path_get(path);
	fdput(f);
	return 0;
}

static bool is_readable(unsigned long addr, size_t size)
{
	char byte;

	for (size_t i = 0; i < size; i += PAGE_SIZE)
		if (copy_from_user(&byte, addr + i, 1))
			return false;
	return !size || !copy_from_user(&byte, addr + size - 1, 1);
}

static long check_name(unsigned long name)
{
	long length = strnlen_user(name, XATTR_NAME_MAX + 1); /* with the end, 0: cannot be read */

	if (!length)
		return -EFAULT;
	return length == 1 || length > XATTR_NAME_MAX + 1 ? -ERANGE : 0;
}

static long check_value(unsigned long name, unsigned long value, size_t size, unsigned int flags)
{
	long err = flags & ~(XATTR_CREATE | XATTR_REPLACE) ? -EINVAL : check_name(name);

	if (err)
		return err;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	return is_readable(value, size) ? 0 : -EFAULT;
}

static long set_none(find_fn *find, unsigned long where, unsigned long name, unsigned long value,
		     size_t size, unsigned long flags)
{
	struct path path;
	long err = find(where, &path);

	if (err)
		return err;
	err = mnt_want_write(path.mnt);
	if (!err)
		err = check_value(name, value, size, (unsigned int)flags);
	if (!err)
		err = inode_permission(path.dentry->d_inode, MAY_WRITE);
	path_put(&path);
	return err ? err : -EOPNOTSUPP;
}

static long get_none(find_fn *find, unsigned long where, unsigned long name)
{
	struct path path;
	long err = find(where, &path);

	if (err)
		return err;
	err = check_name(name);
	if (!err)
		err = inode_permission(path.dentry->d_inode, MAY_READ);
	path_put(&path);
	return err ? err : -EOPNOTSUPP;
}

static long list_none(find_fn *find, unsigned long where)
{
	struct path path;
	long err = find(where, &path);

	if (!err)
		path_put(&path);
	return err;
}

long sys_setxattr(unsigned long path, unsigned long name, unsigned long value, unsigned long size,
		  unsigned long flags)
{
	return set_none(find_followed, path, name, value, size, flags);
}

long sys_lsetxattr(unsigned long path, unsigned long name, unsigned long value, unsigned long size,
		   unsigned long flags)
{
	return set_none(find_link, path, name, value, size, flags);
}

long sys_fsetxattr(unsigned long fd, unsigned long name, unsigned long value, unsigned long size,
		   unsigned long flags)
{
	return set_none(find_open, fd, name, value, size, flags);
}

long sys_getxattr(unsigned long path, unsigned long name, unsigned long value, unsigned long size)
{
	(void)value, (void)size;
	return get_none(find_followed, path, name);
}

long sys_lgetxattr(unsigned long path, unsigned long name, unsigned long value, unsigned long size)
{
	(void)value, (void)size;
	return get_none(find_link, path, name);
}

long sys_fgetxattr(unsigned long fd, unsigned long name, unsigned long value, unsigned long size)
{
	(void)value, (void)size;
	return get_none(find_open, fd, name);
}

long sys_listxattr(unsigned long path, unsigned long list, unsigned long size)
{
	(void)list, (void)size;
	return list_none(find_followed, path);
}

long sys_llistxattr(unsigned long path, unsigned long list, unsigned long size)
{
	(void)list, (void)size;
	return list_none(find_link, path);
}

long sys_flistxattr(unsigned long fd, unsigned long list, unsigned long size)
{
	(void)list, (void)size;
	return list_none(find_open, fd);
}
