/* SPDX-License-Identifier: MIT */
/*
 * inode.c: objects of file systems: their life, who may do what, and changing attributes.
 *
 * An inode lives as long as somebody holds a reference: dentries do, and so do pipes'
 * ends. There is no table of inodes: a name leads to its dentry, that to its inode. When
 * the last reference goes the file system frees what is its own (evict), then the pages.
 * For a file in memory that is its end: an unlinked file lives until its last close.
 *
 * Inodes of file systems on a disk (s_cached) are found by number in a table, and stay there
 * when nobody uses them any more, with their pages, until the shrinker wants them:
 *
 *	inode_find -> used <--inode_find-- unused (i_lru) --shrinker--> evicted
 *	                |   --last iput-->
 *	                +---last iput, no links--> evicted
 *
 * A file system writes changed attributes when it sees fit (dirty_inode, i_dirty): until then, and
 * while it has pages, which are page reclaim's, an unused inode stays. inode_find
 * and inode_insert are called with s_names held, so no inode is made twice.
 *
 * Permission follows Linux: fsuid against owner, group list, others; root passes, but for
 * execution needs some x bit on a file.
 *
 * Locking: i_rwsem for size and data; single-word attributes are read without a lock.
 * inode_lock guards the table, i_lru and the last reference of those inodes.
 * i_writecount is guarded by writecount_lock: positive counts writers, negative programs.
 * Failure: only new_inode can fail, of memory.
 */
#include <fs/vfs.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/vmscan.h>
#include <pagoda/bug.h>

static kmem_cache_t *inode_cache;
static spinlock_t writecount_lock = SPIN_LOCK_INIT(RANK_NONE);
static atomic_long_t last_dev; /* minor of the newest unnamed device, major 0 */

#define INODE_CHAINS 1024u /* of the table; a power of two */

static struct list_head inode_table[INODE_CHAINS];
static LIST_HEAD(unused_inodes);       /* inode_lock: by i_lru, oldest first */
static unsigned long nr_unused_inodes; /* inode_lock */
static spinlock_t inode_lock = SPIN_LOCK_INIT(RANK_NONE);

static const struct inode_operations no_inode_ops;
static const struct address_space_operations memory_a_ops;

s64 current_time_ns(void)
{
	return (s64)fs_hook_realtime_ns();
}

static u64 inode_data_size(struct address_space *mapping)
{
	return READ_ONCE(((struct inode *)mapping->host)->i_size);
}

struct inode *new_inode(struct super_block *sb, u32 mode)
{
	struct inode *inode = kmem_cache_alloc(inode_cache, GFP_KERNEL | __GFP_ZERO);
	struct fs_task *task = fs_current();

	if (!inode)
		return NULL;
	atomic_set(&inode->i_count, 1);
	inode->i_mode = mode;
	inode->i_uid = task->cred.fsuid;
	inode->i_gid = task->cred.fsgid;
	inode->i_nlink = 1;
	inode->i_ino = (u64)atomic_long_add_return(&sb->s_next_ino, 1);
	inode->i_atime = inode->i_mtime = inode->i_ctime = current_time_ns();
	inode->i_op = &no_inode_ops;
	inode->i_sb = sb;
	INIT_LIST_HEAD(&inode->i_hash);
	INIT_LIST_HEAD(&inode->i_lru);
	init_rwsem(&inode->i_rwsem, RANK_INODE);
	address_space_init(&inode->i_data, inode, &memory_a_ops, inode_data_size);
	return inode;
}

/* ---- Links ---------------------------------------------------------------------------------- */

/* An inode without names keeps its file system from becoming read-only, as its end is a change. */
static void note_nameless(struct inode *inode, bool nameless)
{
	if (inode->i_nameless == nameless)
		return;
	inode->i_nameless = nameless;
	if (nameless)
		atomic_long_inc(&inode->i_sb->s_nameless);
	else
		atomic_long_dec(&inode->i_sb->s_nameless);
}

void inc_nlink(struct inode *inode)
{
	inode->i_nlink++;
	note_nameless(inode, false);
}

void drop_nlink(struct inode *inode)
{
	if (inode->i_nlink) /* a disk may have counted too few */
		inode->i_nlink--;
	note_nameless(inode, !inode->i_nlink);
}

void clear_nlink(struct inode *inode)
{
	inode->i_nlink = 0;
	note_nameless(inode, true);
}

/* ---- The end -------------------------------------------------------------------------------- */

/* Nobody can find it any more. */
void inode_end(struct inode *inode)
{
	VM_BUG_ON(atomic_read(&inode->i_count));
	VM_BUG_ON(!list_empty(&inode->i_hash) || !list_empty(&inode->i_lru));
	if (inode->i_sb->s_op && inode->i_sb->s_op->evict)
		inode->i_sb->s_op->evict(inode);
	if (inode->i_data.nrpages || inode->i_data.was_swapped)
		truncate_inode_pages(&inode->i_data, 0);
	writeback_let_go(&inode->i_data);
	if (inode->i_pipe)
		pipe_free_inode(inode);
	kmem_cache_free(inode_cache, inode);
}

/* ---- The table ------------------------------------------------------------------------------ */

static struct list_head *inode_chain(const struct super_block *sb, u64 ino)
{
	unsigned long hash = ((unsigned long)sb >> 6) + (unsigned long)ino * 2654435761ul;

	return &inode_table[(hash ^ hash >> 12) & (INODE_CHAINS - 1)];
}

/* inode_lock held. */
static void leave_unused_list(struct inode *inode)
{
	lockdep_assert_held(&inode_lock);
	if (list_empty(&inode->i_lru))
		return;
	list_del_init(&inode->i_lru);
	nr_unused_inodes--;
}

struct inode *inode_find(struct super_block *sb, u64 ino)
{
	struct inode *inode, *found = NULL;

	spin_lock(&inode_lock);
	list_for_each_entry(inode, inode_chain(sb, ino), i_hash) {
		if (inode->i_ino != ino || inode->i_sb != sb)
			continue;
		leave_unused_list(inode);
		found = igrab(inode);
		break;
	}
	spin_unlock(&inode_lock);
	return found;
}

void inode_insert(struct inode *inode)
{
	VM_BUG_ON(!list_empty(&inode->i_hash));
	VM_BUG_ON(atomic_read(&inode->i_count) <= 0);
	spin_lock(&inode_lock);
	list_add(&inode->i_hash, inode_chain(inode->i_sb, inode->i_ino));
	spin_unlock(&inode_lock);
}

void inode_forget(struct inode *inode)
{
	spin_lock(&inode_lock);
	list_del_init(&inode->i_hash);
	spin_unlock(&inode_lock);
}

/* The last reference went, maybe. True: it is to be destroyed. */
static bool put_cached(struct inode *inode)
{
	bool gone = false;

	spin_lock(&inode_lock);
	if (atomic_dec_and_test(&inode->i_count)) {
		gone = !inode->i_nlink || list_empty(&inode->i_hash);
		if (gone) {
			list_del_init(&inode->i_hash);
		} else {
			list_add_tail(&inode->i_lru, &unused_inodes);
			nr_unused_inodes++;
		}
	}
	spin_unlock(&inode_lock);
	return gone;
}

void iput(struct inode *inode)
{
	const struct super_block *sb = inode->i_sb;

	VM_BUG_ON(atomic_read(&inode->i_count) <= 0);
	if (!(sb->s_cached ? put_cached(inode) : atomic_dec_and_test(&inode->i_count)))
		return;
	/* what is left to do is up to the file system: a remount waits for it */
	note_nameless(inode, false);
	if (!inode->i_nlink && sb->s_op && sb->s_op->defer_end && sb->s_op->defer_end(inode))
		return;
	inode_end(inode);
}

/* Its pages go first, and what the disk does not have yet: the flusher is asked to write that. */
static bool has_to_stay(const struct inode *inode)
{
	if (inode->i_dirty && !inode->i_sb->s_write_soon) {
		WRITE_ONCE(inode->i_sb->s_write_soon, true);
		writeback_wake();
	}
	return inode->i_dirty || inode->i_data.nrpages;
}

/*
 * An unused inode (of sb; NULL: one that need not stay, of any), out of the table, or NULL. Looks
 * at *budget at most.
 */
static struct inode *take_unused(struct super_block *sb, unsigned long *budget)
{
	struct inode *inode, *next, *found = NULL;

	spin_lock(&inode_lock);
	list_for_each_entry_safe(inode, next, &unused_inodes, i_lru) {
		if (!*budget)
			break;
		--*budget;
		if (sb ? inode->i_sb != sb : has_to_stay(inode))
			continue;
		leave_unused_list(inode);
		list_del_init(&inode->i_hash);
		found = inode;
		break;
	}
	spin_unlock(&inode_lock);
	return found;
}

static unsigned long count_unused(void)
{
	return READ_ONCE(nr_unused_inodes);
}

static bool drop_inode(unsigned long *budget)
{
	struct inode *inode = take_unused(NULL, budget);

	if (inode)
		inode_end(inode);
	return inode;
}

static unsigned long shrink_inodes(unsigned long nr, gfp_t gfp)
{
	return shrink_vfs_cache(nr, 4 * nr, gfp, drop_inode);
}

void inodes_free(struct super_block *sb)
{
	unsigned long all = ~0ul;
	struct inode *inode;

	while ((inode = take_unused(sb, &all)))
		inode_end(inode);
}

/* The first inode of sb in the chain or a later one, after prev in its chain, with a reference. */
static struct inode *next_inode(struct super_block *sb, unsigned int *chain, struct inode *prev)
{
	struct inode *inode, *found = NULL;

	spin_lock(&inode_lock);
	for (; !found && *chain < INODE_CHAINS; ++*chain, prev = NULL) {
		bool passed = !prev;

		list_for_each_entry(inode, &inode_table[*chain], i_hash) {
			if (passed && inode->i_sb == sb) {
				leave_unused_list(inode);
				found = igrab(inode);
				break;
			}
			passed |= inode == prev;
		}
		if (found)
			break;
	}
	spin_unlock(&inode_lock);
	return found;
}

void inodes_for_each(struct super_block *sb, void (*fn)(struct inode *inode))
{
	struct inode *inode = NULL, *next;
	unsigned int chain = 0;

	while ((next = next_inode(sb, &chain, inode))) {
		if (inode)
			iput(inode);
		inode = next;
		fn(inode);
		port_cond_resched();
	}
	if (inode)
		iput(inode);
}

struct shrinker inode_shrinker = {
	.name = "inode",
	.count = count_unused,
	.scan = shrink_inodes,
};

struct super_block *new_super(const char *type, u64 magic, const struct super_operations *op)
{
	struct super_block *sb = kzalloc(sizeof(*sb), GFP_KERNEL);

	if (!sb)
		return NULL;
	sb->s_type = type;
	sb->s_magic = magic;
	sb->s_dev = MKDEV(0, (u64)atomic_long_add_return(&last_dev, 1));
	sb->s_max_bytes = INT64_MAX;
	sb->s_op = op;
	mutex_init(&sb->s_names, RANK_NONE);
	return sb;
}

/* ---- Permission --------------------------------------------------------------------------- */

bool fs_capable(int cap)
{
	return fs_hook_capable(cap);
}

bool in_group(u32 gid)
{
	const struct fs_cred *cred = &fs_current()->cred;

	if (cred->fsgid == gid)
		return true;
	for (unsigned int i = 0; i < cred->ngroups; i++)
		if (cred->groups[i] == gid)
			return true;
	return false;
}

/* What capabilities allow where the mode bits do not. */
static bool overrides_mode(const struct inode *inode, unsigned int mask)
{
	bool reads = S_ISDIR(inode->i_mode) ? !(mask & MAY_WRITE) : mask == MAY_READ;

	if (reads && fs_capable(CAP_DAC_READ_SEARCH))
		return true;
	/* A file that nobody may execute is not executed by root either. */
	if ((mask & MAY_EXEC) && !S_ISDIR(inode->i_mode) && !(inode->i_mode & 0111))
		return false;
	return fs_capable(CAP_DAC_OVERRIDE);
}

int generic_permission(const struct inode *inode, unsigned int mask)
{
	u32 mode = inode->i_mode;

	if (fs_current()->cred.fsuid == inode->i_uid)
		mode >>= 6;
	else if (in_group(inode->i_gid))
		mode >>= 3;
	if ((mode & mask) == mask)
		return 0;
	return overrides_mode(inode, mask) ? 0 : -EACCES;
}

/* Devices, fifos and sockets are written to without changing their file system. */
static bool is_stored(const struct inode *inode)
{
	return S_ISREG(inode->i_mode) || S_ISDIR(inode->i_mode) || S_ISLNK(inode->i_mode);
}

int inode_permission(struct inode *inode, unsigned int mask)
{
	if ((mask & MAY_WRITE) && inode->i_sb->s_readonly && is_stored(inode))
		return -EROFS;
	if (inode->i_op->permission)
		return inode->i_op->permission(inode, mask);
	return generic_permission(inode, mask);
}

bool inode_owner_or_capable(const struct inode *inode)
{
	return fs_current()->cred.fsuid == inode->i_uid || fs_capable(CAP_FOWNER);
}

/* May the caller keep the set-group-id bit of a file of that group? */
static bool in_group_or_capable(u32 gid)
{
	return in_group(gid) || fs_capable(CAP_FSETID);
}

/* May the caller give the file that owner and group? */
static bool may_chown(const struct inode *inode, const struct iattr *attr)
{
	bool owner = fs_current()->cred.fsuid == inode->i_uid;

	if ((attr->valid & ATTR_UID) && !(owner && attr->uid == inode->i_uid) &&
	    !fs_capable(CAP_CHOWN))
		return false;
	return !(attr->valid & ATTR_GID) ||
	       (owner && (attr->gid == inode->i_gid || in_group(attr->gid))) ||
	       fs_capable(CAP_CHOWN);
}

/* May the caller make this change? 0, -EPERM, -EACCES. (Linux's setattr_prepare.) */
static int may_change(struct inode *inode, const struct iattr *attr)
{
	unsigned int valid = attr->valid;

	if (!may_chown(inode, attr))
		return -EPERM;
	if ((valid & (ATTR_MODE | ATTR_TIMES_SET)) && !inode_owner_or_capable(inode))
		return -EPERM;
	return 0;
}

/*
 * Everybody who may write to the file may set its times to now; checked before anything else. 0 or
 * -errno.
 */
static int may_touch(struct inode *inode, const struct iattr *attr)
{
	if (!(attr->valid & (ATTR_ATIME | ATTR_MTIME)) || (attr->valid & ATTR_TIMES_SET) ||
	    inode_owner_or_capable(inode))
		return 0;
	return inode_permission(inode, MAY_WRITE);
}

/*
 * The set-id bits that chown(2) takes from a file: set-group-id only where it means execution or is
 * not the caller's to keep.
 */
static u32 set_id_to_drop(const struct inode *inode)
{
	u32 drop = inode->i_mode & S_ISUID;

	if ((inode->i_mode & S_ISGID) &&
	    ((inode->i_mode & S_IXGRP) || !in_group_or_capable(inode->i_gid)))
		drop |= S_ISGID;
	return drop;
}

/* chown(2) of a set-id file changes its mode as well, which takes an owner. */
static void add_set_id_drop(const struct inode *inode, struct iattr *attr)
{
	u32 drop;

	if (!(attr->valid & ATTR_KILL_SUID) || S_ISDIR(inode->i_mode))
		return;
	drop = set_id_to_drop(inode);
	if (!drop)
		return;
	attr->valid |= ATTR_MODE;
	attr->mode = inode->i_mode & ~drop;
}

static void apply_mode(struct inode *inode, const struct iattr *attr)
{
	u32 mode = attr->mode & 07777;

	if (!in_group_or_capable(attr->valid & ATTR_GID ? attr->gid : inode->i_gid))
		mode &= ~S_ISGID;
	inode->i_mode = (inode->i_mode & S_IFMT) | mode;
}

static void apply_change(struct inode *inode, const struct iattr *attr)
{
	s64 now = current_time_ns();

	if (attr->valid & ATTR_UID)
		inode->i_uid = attr->uid;
	if (attr->valid & ATTR_GID)
		inode->i_gid = attr->gid;
	if (attr->valid & ATTR_ATIME)
		inode->i_atime = attr->valid & ATTR_TIMES_SET ? attr->atime : now;
	if (attr->valid & ATTR_MTIME)
		inode->i_mtime = attr->valid & ATTR_TIMES_SET ? attr->mtime : now;
	if (attr->valid & ATTR_MODE)
		apply_mode(inode, attr);
	inode->i_ctime = now;
}

int notify_change(struct path *path, struct iattr *attr)
{
	struct inode *inode = path->dentry->d_inode;
	int err = mnt_want_write(path->mnt);

	if (err)
		return err;
	down_write(&inode->i_rwsem);
	add_set_id_drop(inode, attr);
	err = may_touch(inode, attr);
	if (!err)
		err = may_change(inode, attr);
	if (!err && inode->i_op->setattr)
		err = inode->i_op->setattr(inode, attr);
	if (!err) {
		apply_change(inode, attr);
		mark_inode_dirty(inode);
	}
	up_write(&inode->i_rwsem);
	return err;
}

void file_accessed(struct file *file)
{
	struct inode *inode = file->f_inode;
	const struct vfsmount *mnt = file->f_path.mnt;

	/* relatime: only if older than the last change (or a day, which no run lasts). */
	if (inode->i_atime > inode->i_mtime && inode->i_atime > inode->i_ctime && mnt &&
	    (mnt->mnt_flags & MS_RELATIME))
		return;
	if ((file->f_flags & O_NOATIME) || !mnt || (mnt->mnt_flags & (MS_NOATIME | MS_RDONLY)) ||
	    inode->i_sb->s_readonly || (S_ISDIR(inode->i_mode) && (mnt->mnt_flags & MS_NODIRATIME)))
		return;
	inode->i_atime = current_time_ns();
	mark_inode_dirty(inode);
}

void inode_touch(struct inode *inode)
{
	inode->i_mtime = inode->i_ctime = current_time_ns();
	mark_inode_dirty(inode);
}

void inode_written(struct inode *inode)
{
	u32 drop = inode->i_mode & (S_ISUID | S_ISGID);

	if (unlikely(drop) && S_ISREG(inode->i_mode) && !fs_capable(CAP_FSETID))
		inode->i_mode &= ~set_id_to_drop(inode);
	inode_touch(inode);
}

int inode_limit_write(struct inode *inode, u64 pos, size_t *count)
{
	u64 limit = inode->i_sb->s_max_bytes;
	struct rlimit *rlim = current_vm->rlim;

	if (rlim && rlim[RLIMIT_FSIZE].rlim_cur < limit) {
		limit = rlim[RLIMIT_FSIZE].rlim_cur;
		if (pos >= limit)
			fs_hook_signal_self(SIGXFSZ);
	}
	if (pos >= limit)
		return -EFBIG;
	*count = min_t(u64, *count, limit - pos);
	return 0;
}

u32 inode_new_mode(const struct inode *dir, u32 mode)
{
	bool runs_as_group = (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);

	/* Who is not of the directory's group makes no program that runs as that group. */
	if (runs_as_group && !S_ISDIR(mode) && (dir->i_mode & S_ISGID) &&
	    !in_group_or_capable(dir->i_gid))
		mode &= ~S_ISGID;
	return S_ISLNK(mode) ? mode : mode & ~fs_current()->fs->umask;
}

void inode_inherit_group(struct inode *inode, const struct inode *dir)
{
	if (!(dir->i_mode & S_ISGID))
		return;
	inode->i_gid = dir->i_gid;
	if (S_ISDIR(inode->i_mode))
		inode->i_mode |= S_ISGID;
}

void file_update_time(struct file *file)
{
	inode_written(file->f_inode);
}

/* ---- Writers against execution --------------------------------------------------------------- */

static int change_writecount(struct inode *inode, int by)
{
	int err = 0;

	spin_lock(&writecount_lock);
	/* Both kinds exclude each other: the count never moves across zero but from zero. */
	if (by > 0 ? inode->i_writecount < 0 : inode->i_writecount > 0)
		err = -ETXTBSY;
	else
		inode->i_writecount += by;
	spin_unlock(&writecount_lock);
	return err;
}

static void restore_writecount(struct inode *inode, int by)
{
	spin_lock(&writecount_lock);
	inode->i_writecount += by;
	spin_unlock(&writecount_lock);
}

int get_write_access(struct inode *inode)
{
	return change_writecount(inode, 1);
}

void put_write_access(struct inode *inode)
{
	restore_writecount(inode, -1);
}

int deny_write_access(struct inode *inode)
{
	return change_writecount(inode, -1);
}

void allow_write_access(struct inode *inode)
{
	restore_writecount(inode, 1);
}

/* ---- Device nodes ---------------------------------------------------------------------------- */

static struct chrdev *chrdevs; /* written at boot only */

void register_chrdev(struct chrdev *dev)
{
	dev->next = chrdevs;
	chrdevs = dev;
}

static int chrdev_open(struct inode *inode, struct file *file)
{
	unsigned int major = MAJOR(inode->i_rdev), minor = MINOR(inode->i_rdev);

	for (struct chrdev *dev = chrdevs; dev; dev = dev->next) {
		if (dev->major != major || minor < dev->minor_first ||
		    minor - dev->minor_first >= dev->minor_count)
			continue;
		file->f_op = dev->fops;
		return file->f_op->open ? file->f_op->open(inode, file) : 0;
	}
	return -ENXIO;
}

static int nothing_open(struct inode *inode, struct file *file)
{
	(void)inode, (void)file;
	return -ENXIO;
}

static const struct file_operations chrdev_fops = {.open = chrdev_open};
static const struct file_operations nothing_fops = {.open = nothing_open};

void init_special_inode(struct inode *inode, u32 mode, u64 rdev)
{
	inode->i_rdev = rdev;
	if (S_ISCHR(mode))
		inode->i_fop = &chrdev_fops;
	else if (S_ISBLK(mode))
		inode->i_fop = &blkdev_fops;
	else if (S_ISFIFO(mode))
		inode->i_fop = &fifo_fops;
	else
		inode->i_fop = &nothing_fops; /* sockets: no such thing */
}

void inode_init(void)
{
	inode_cache = kmem_cache_create("inode_cache", sizeof(struct inode), 0, SLAB_HWCACHE_ALIGN,
					NULL, NULL);
	if (!inode_cache)
		panic("no memory for inodes");
	for (unsigned int i = 0; i < INODE_CHAINS; i++)
		INIT_LIST_HEAD(&inode_table[i]);
	register_shrinker(&inode_shrinker);
}
