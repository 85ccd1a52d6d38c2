/* SPDX-License-Identifier: MIT */
/*
 * namei.c: from a path to a place in the tree.
 *
 * A walk goes component by component. It keeps what is still to be walked as a stack of
 * strings: the path itself, and above it the rest of each symbolic link being followed.
 *
 *	path "a/link/b", link -> "x/y"		stack: "b"	then "" (done)
 *						       "x/y"
 *
 * The last component is the one after which every string of the stack is empty. Walking
 * stops in front of it (walk_to_last); the caller either resolves it, which may push a
 * link and go on, or works on the name in its parent (create, unlink, rename).
 *
 * Limits: PATH_MAX for a path, NAME_MAX for a component, MAXSYMLINKS followed in one walk
 * (ELOOP). Nothing recurses. That a component is too long is told when it is looked up, as in
 * Linux: after the right to search its directory.
 *
 * References: nd.path and nd.root each hold a mount and a dentry. Errors drop all.
 * Locking: none of its own; dcache_lock inside d_lookup.
 */
#include <fs/namei_internal.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

/* ---- Names from user space ------------------------------------------------------------------ */

/* Most paths are short: what fits here costs a small allocation, others PATH_MAX. */
#define SHORT_NAME 256u

static char *copy_name(unsigned long user, size_t room, long *len)
{
	char *name = kmalloc(room, GFP_KERNEL);

	if (!name)
		return ERR_PTR(-ENOMEM);
	*len = strncpy_from_user(name, user, room);
	if (*len >= 0)
		return name;
	kfree(name);
	return ERR_PTR(*len);
}

char *fs_getname(unsigned long user_path, bool allow_empty)
{
	size_t room = SHORT_NAME;
	long len;
	char *name = copy_name(user_path, room, &len);

	if (!IS_ERR(name) && len >= (long)room) {
		kfree(name);
		room = PATH_MAX;
		name = copy_name(user_path, room, &len);
	}
	if (IS_ERR(name))
		return name;
	if (len < (long)room && (len || allow_empty))
		return name;
	kfree(name);
	return ERR_PTR(len ? -ENAMETOOLONG : -ENOENT);
}

void fs_putname(char *name)
{
	if (!IS_ERR(name))
		kfree(name);
}

/* ---- The state of a walk --------------------------------------------------------------------- */

/* Where an *at() call starts. */
static int start_path(int dfd, struct path *out)
{
	struct fd fd;
	int err = 0;

	if (dfd == AT_FDCWD) {
		get_fs_pwd(out);
		return 0;
	}
	fd = fdget_raw((unsigned int)dfd);
	if (!fd.file)
		return -EBADF;
	if (fd.file->f_path.mnt) {
		*out = fd.file->f_path;
		path_get(out);
	} else {
		err = -ENOTDIR;
	}
	fdput(fd);
	return err;
}

/* A root that no other thread can change need not be counted for the length of a walk. */
static void borrow_root(struct nameidata *nd)
{
	struct fs_struct *fs = fs_current()->fs;

	nd->root_counted = atomic_read(&fs->count) > 1;
	if (nd->root_counted)
		get_fs_root(&nd->root);
	else
		nd->root = fs->root;
}

static void return_root(struct nameidata *nd)
{
	if (nd->root_counted)
		path_put(&nd->root);
}

int nd_start(struct nameidata *nd, int dfd, const char *name)
{
	int err;

	nd->at = name;
	nd->nr_links = nd->depth = 0;
	nd->jumped = false;
	nd->last.trailing = false;
	borrow_root(nd);
	if (*name == '/') {
		nd->path = nd->root;
		path_get(&nd->path);
		return 0;
	}
	/* From a file that is no directory a walk fails at its first step; "" has none. */
	err = start_path(dfd, &nd->path);
	if (err)
		return_root(nd);
	return err;
}

void nd_end_at(struct nameidata *nd, struct path *out)
{
	while (nd->depth)
		kfree(nd->stack[--nd->depth].body);
	*out = nd->path;
	return_root(nd);
}

void nd_end(struct nameidata *nd)
{
	struct path path;

	nd_end_at(nd, &path);
	path_put(&path);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static const char *skip_slashes(const char *s)
{
	while (*s == '/')
		s++;
	return s;
}

/* Take finished strings off the stack. Afterwards at is a component or the end of all. */
static void next_string(struct nameidata *nd)
{
	nd->at = skip_slashes(nd->at);
	while (!*nd->at && nd->depth) {
		struct nd_link *link = &nd->stack[--nd->depth];

		kfree(link->body);
		nd->at = skip_slashes(link->rest);
	}
}

/* Is there nothing after rest in any string? Slashes at an end ask for a directory. */
static bool is_last(struct nameidata *nd, const char *rest)
{
	bool slashes = *rest == '/';

	if (*skip_slashes(rest))
		return false;
	for (unsigned int i = nd->depth; i-- > 0;) {
		slashes |= *nd->stack[i].rest == '/';
		if (*skip_slashes(nd->stack[i].rest))
			return false;
	}
	nd->last.trailing = slashes;
	return true;
}

static enum last_type type_of(const char *name, size_t len)
{
	if (len == 1 && name[0] == '.')
		return LAST_DOT;
	if (len == 2 && name[0] == '.' && name[1] == '.')
		return LAST_DOTDOT;
	return LAST_NORM;
}

static void step_up(struct nameidata *nd)
{
	struct path *path = &nd->path;

	for (;;) {
		if (path->dentry == nd->root.dentry && path->mnt == nd->root.mnt)
			break;
		if (path->dentry != path->mnt->mnt_root) {
			struct dentry *parent = d_parent_get(path->dentry);

			dput(path->dentry);
			path->dentry = parent;
			break;
		}
		if (!follow_up(path))
			break;
	}
	follow_mounts(path);
}

struct dentry *nd_child(struct dentry *dir, const char *name, size_t len)
{
	struct dentry *dentry = d_lookup(dir, name, len);

	if (!dentry && (dir->d_flags & DENTRY_DELETED))
		return ERR_PTR(-ENOENT);
	if (!dentry && len > NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	if (!dentry && dir->d_inode->i_op->lookup)
		dentry = dir->d_inode->i_op->lookup(dir, name, len);
	return dentry ? dentry : ERR_PTR(-ENOENT);
}

/* The same without s_names held: taken where the name may come from a disk. */
static struct dentry *walk_child(struct dentry *dir, const char *name, size_t len)
{
	struct dentry *dentry;

	if (!dir->d_sb->s_cached)
		return nd_child(dir, name, len);
	dentry = d_lookup(dir, name, len);
	if (dentry)
		return dentry;
	mutex_lock(&dir->d_sb->s_names);
	dentry = nd_child(dir, name, len);
	mutex_unlock(&dir->d_sb->s_names);
	return dentry;
}

/* Start over at another place, references taken over. */
static void jump_to(struct nameidata *nd, const struct path *place)
{
	path_put(&nd->path);
	nd->path = *place;
}

long vfs_readlink(struct dentry *dentry, char *buf, size_t size)
{
	struct inode *inode = dentry->d_inode;

	if (!inode->i_op->readlink)
		return -EINVAL;
	return inode->i_op->readlink(dentry, buf, size);
}

static int push_link_text(struct nameidata *nd, struct dentry *link, const char *rest)
{
	char *body = kmalloc(PATH_MAX, GFP_KERNEL);
	long len;

	if (!body)
		return -ENOMEM;
	len = vfs_readlink(link, body, PATH_MAX - 1);
	if (len <= 0) {
		kfree(body);
		return len ? (int)len : -ENOENT;
	}
	body[len] = '\0';
	nd->stack[nd->depth++] = (struct nd_link){rest, body};
	nd->at = body;
	if (*body == '/') {
		path_get(&nd->root);
		jump_to(nd, &nd->root);
	}
	return 0;
}

/*
 * Debian's protected_symlinks: in a directory where everybody makes names, and only owners remove
 * them, a link at the end of a path is followed if it is the caller's own or the directory's
 * owner's.
 */
static bool may_follow_last(const struct nameidata *nd, const struct inode *link)
{
	const struct inode *dir = nd->path.dentry->d_inode;
	const u32 shared = S_ISVTX | 0002;

	return (dir->i_mode & shared) != shared || link->i_uid == fs_current()->cred.fsuid ||
	       link->i_uid == dir->i_uid;
}

int nd_follow_last(struct nameidata *nd, struct dentry *link)
{
	if (!may_follow_last(nd, link->d_inode))
		return -EACCES;
	return nd_follow(nd, link, nd_rest(nd));
}

int nd_follow(struct nameidata *nd, struct dentry *link, const char *rest)
{
	struct inode *inode = link->d_inode;
	struct path place;
	int err;

	if (nd->nr_links++ >= MAXSYMLINKS || (nd->path.mnt->mnt_flags & MS_NOSYMFOLLOW))
		return -ELOOP;
	if (!inode->i_op->jump)
		return push_link_text(nd, link, rest);
	err = inode->i_op->jump(link, &place);
	if (err)
		return err;
	jump_to(nd, &place);
	nd->at = rest;
	nd->jumped = true;
	return 0;
}

/* Go to a child of the current directory; its reference is taken over. */
static void step_down(struct nameidata *nd, struct dentry *child)
{
	dput(nd->path.dentry);
	nd->path.dentry = child;
	if (child->d_flags & DENTRY_MOUNTED)
		follow_mounts(&nd->path);
}

/* One component in the middle of a path. */
static int walk_component(struct nameidata *nd, const char *name, size_t len, const char *rest)
{
	struct dentry *child;
	int err;

	nd->at = rest;
	nd->jumped = false;
	switch (type_of(name, len)) {
	case LAST_DOT:
		return 0;
	case LAST_DOTDOT:
		step_up(nd);
		return 0;
	default:
		break;
	}
	child = walk_child(nd->path.dentry, name, len);
	if (IS_ERR(child))
		return (int)PTR_ERR(child);
	if (!S_ISLNK(child->d_inode->i_mode)) {
		step_down(nd, child);
		return 0;
	}
	err = nd_follow(nd, child, rest);
	dput(child);
	return err;
}

static int may_search(struct inode *dir)
{
	return S_ISDIR(dir->i_mode) ? inode_permission(dir, MAY_EXEC) : -ENOTDIR;
}

int nd_walk_to_last(struct nameidata *nd)
{
	for (;;) {
		const char *name;
		size_t len = 0;
		int err;

		next_string(nd);
		name = nd->at;
		if (!*name) {
			nd->last.name = name;
			nd->last.len = 0;
			nd->last.type = LAST_ROOT;
			return 0;
		}
		err = may_search(nd->path.dentry->d_inode);
		if (err)
			return err;
		while (name[len] && name[len] != '/')
			len++;
		if (is_last(nd, name + len)) {
			nd->last.name = name;
			nd->last.len = len;
			nd->last.type = type_of(name, len);
			return 0;
		}
		err = walk_component(nd, name, len, name + len);
		if (err)
			return err;
	}
}

/* Where the last component's string ends: what nd_follow goes on with. */
const char *nd_rest(struct nameidata *nd)
{
	return nd->last.name + nd->last.len;
}

/* Resolve the last component. 0: nd.path is the place; 1: a link was pushed, walk on. */
static int resolve_last(struct nameidata *nd, unsigned int flags)
{
	struct dentry *child;
	int ret;

	if (nd->last.type == LAST_ROOT || nd->last.type == LAST_DOT)
		return 0;
	if (nd->last.type == LAST_DOTDOT) {
		step_up(nd);
		return 0;
	}
	child = walk_child(nd->path.dentry, nd->last.name, nd->last.len);
	if (IS_ERR(child))
		return (int)PTR_ERR(child);
	if (S_ISLNK(child->d_inode->i_mode) && ((flags & LOOKUP_FOLLOW) || nd->last.trailing)) {
		ret = nd_follow_last(nd, child);
		dput(child);
		return ret ? ret : 1;
	}
	step_down(nd, child);
	return 0;
}

int nd_walk(struct nameidata *nd, unsigned int flags)
{
	int ret;

	do {
		ret = nd_walk_to_last(nd);
		if (ret)
			return ret;
		if (nd->last.trailing)
			flags |= LOOKUP_DIRECTORY;
		ret = resolve_last(nd, flags);
	} while (ret == 1);
	if (!ret && (flags & LOOKUP_DIRECTORY) && !S_ISDIR(nd->path.dentry->d_inode->i_mode))
		ret = -ENOTDIR;
	return ret;
}

/* ---- Whole walks ----------------------------------------------------------------------------- */

int path_lookup(int dfd, const char *name, unsigned int flags, struct path *out)
{
	struct nameidata nd;
	int err;

	if (IS_ERR(name))
		return (int)PTR_ERR(name);
	if (!*name && !(flags & LOOKUP_EMPTY))
		return -ENOENT;
	err = nd_start(&nd, dfd, name);
	if (err)
		return err;
	err = nd_walk(&nd, flags);
	if (err)
		nd_end(&nd);
	else
		nd_end_at(&nd, out);
	return err;
}

int user_path(int dfd, unsigned long user, unsigned int flags, struct path *out)
{
	char *name = fs_getname(user, flags & LOOKUP_EMPTY);
	int err = path_lookup(dfd, name, flags, out);

	fs_putname(name);
	return err;
}

int path_parent(int dfd, const char *name, struct path *parent, struct last_name *last)
{
	struct nameidata nd;
	int err;

	if (IS_ERR(name))
		return (int)PTR_ERR(name);
	if (!*name)
		return -ENOENT;
	err = nd_start(&nd, dfd, name);
	if (err)
		return err;
	err = nd_walk_to_last(&nd);
	if (!err && nd.last.type != LAST_ROOT && !S_ISDIR(nd.path.dentry->d_inode->i_mode))
		err = -ENOTDIR;
	if (!err) {
		/*
		 * Links in the middle are done with, so the last name lies in the caller's string.
		 */
		*last = nd.last;
		nd_end_at(&nd, parent);
		return 0;
	}
	nd_end(&nd);
	return err;
}
