/* SPDX-License-Identifier: MIT */
/*
 * vfs.h: what every file system and every file has in common.
 *
 *	fd -> struct file -> struct path { mount, dentry } -> struct inode -> pages
 *
 *	inode		an object: attributes, operations, an address_space for its data
 *	dentry		a name for an inode in a directory; always has an inode
 *	super_block	one instance of a file system; vfsmount: where it is attached
 *	file		an open inode: position, flags; a vm_file first, so mm can hold it
 *
 * The dentry tree is the truth for file systems that live in memory (tmpfs): their
 * dentries are pinned by one reference until the name is removed. File systems on a disk
 * (s_cached) keep dentries and inodes the same way, but both are only copies: a shrinker
 * may drop what nobody uses, and lookup brings it back. Others (proc) make an unhashed
 * dentry at each lookup, which goes with its last reference.
 *
 * Locks, outermost first:
 *	super_block.s_names	names: create, remove, rename; sleeps
 *	inode.i_rwsem		size and data of a file against truncation; sleeps
 *	file.f_pos_lock		position; sleeps (taken before i_rwsem)
 *	inode_lock		the table of cached inodes, their last reference; spins
 *	dcache_lock		hash chains, child lists, d_name and d_parent; spins
 *	files_struct.lock	one table of descriptors; spins
 *
 * Letters below: (N) s_names, (I) i_rwsem, (D) dcache_lock, (C) constant, (A) atomic.
 */
#pragma once

#include <pagoda/abi/stat.h>
#include <pagoda/abi/signal.h>
#include <pagoda/abi/fcntl.h>
#include <pagoda/pagemap.h>
#include <pagoda/errno.h>
#include <fs/task.h>

/* ---- Linux's numbers ----------------------------------------------------------------- */

#define PATH_MAX    4096u /* with the terminator */
#define NAME_MAX    255u
#define MAXSYMLINKS 40u

#define MAY_EXEC  1u
#define MAY_WRITE 2u
#define MAY_READ  4u

/* Device numbers as stat(2) shows them (below 4096 major, 256 minor: one formula does). */
#define MKDEV(major, minor) ((u64)(major) << 8 | (u64)(minor))
#define MAJOR(dev)	    ((unsigned int)((dev) >> 8))
#define MINOR(dev)	    ((unsigned int)((dev)&0xff))

/* ---- Objects ---------------------------------------------------------------------------- */

struct inode;
struct dentry;
struct super_block;
struct vfsmount;
struct file;
struct poll_table;
struct pipe;
struct file_lock;
struct epitem;
struct block_device;
struct iovec;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct inode_operations;
struct file_operations;

struct inode {
	atomic_t i_count;
	u32 i_mode; /* (I) type bits (C) */
	u32 i_uid, i_gid;
	u32 i_nlink;		       /* (N) changed by inc_nlink() and its like */
	bool i_linkable;	       /* (N) of O_TMPFILE: may get a name, though it has none */
	bool i_nameless;	       /* (N) counted in s_nameless */
	u64 i_ino;		       /* (C) */
	u64 i_rdev;		       /* (C) */
	u64 i_size;		       /* (I) */
	u64 i_blocks;		       /* s_cached: units of 512 bytes on the disk */
	s64 i_atime, i_mtime, i_ctime; /* ns since 1970 */
	int i_writecount;	       /* (D) > 0: open for writing, < 0: being executed */
	const struct inode_operations *i_op;
	const struct file_operations *i_fop;
	struct super_block *i_sb;
	struct rw_semaphore i_rwsem;
	struct address_space i_data;
	struct file_lock *i_locks; /* file_locks_lock */
	struct pipe *i_pipe;	   /* fifos: (D) */
	union {
		char *i_link; /* symlinks of tmpfs: the target (C) */
		unsigned long i_private;
		void *i_object;
	};
	unsigned int i_seals;
	bool i_swapfile; /* (I) is swapped to: stays as it is (fs/swap.c) */
	/* Of s_cached file systems: */
	struct list_head i_hash; /* inode_lock: in the table, by super block and number */
	struct list_head i_lru;	 /* inode_lock: those that nobody uses */
	bool i_dirty;		 /* the file system has still to write it: it stays in memory */
};

#define DNAME_INLINE 40

#define DENTRY_HASHED	1u /* reachable by name */
#define DENTRY_DELETED	2u /* was removed: shows as " (deleted)" */
#define DENTRY_MOUNTED	4u /* something is mounted here */
#define DENTRY_NOPARENT 8u /* of an object without a directory (pipe:[1], memfd) */

struct dentry {
	atomic_t d_count;
	unsigned int d_flags;	  /* (D) */
	u32 d_hash;		  /* (D) */
	u32 d_len;		  /* (D) */
	bool d_used;		  /* (D) was looked up since the shrinker came by */
	const char *d_name;	  /* (D) d_iname or kmalloc'ed */
	struct inode *d_inode;	  /* (C) holds a reference */
	struct dentry *d_parent;  /* (D) holds a reference; a root's is itself */
	struct super_block *d_sb; /* (C) */
	struct dentry *d_hash_next, **d_hash_pprev; /* (D) */
	struct list_head d_child;		    /* (D) in d_parent->d_children, by d_cookie */
	struct list_head d_children;		    /* (D) */
	struct list_head d_lru; /* (D) s_cached: all that are hashed, oldest first */
	u64 d_cookie;		/* (D) position in the directory, for getdents */
	u64 d_next_cookie;	/* (D) directories: the next child's */
	char d_iname[DNAME_INLINE];
};

struct statfs64 {
	s64 f_type, f_bsize;
	u64 f_blocks, f_bfree, f_bavail, f_files, f_ffree;
	s32 f_fsid[2];
	s64 f_namelen, f_frsize, f_flags, f_spare[4];
};

struct super_operations {
	/* The last reference to inode went: free what it has of its own. NULL: nothing. */
	void (*evict)(struct inode *inode);
	/*
	 * s_cached: the same, without links. True: it is the file system's from now on, which ends
	 * it by inode_end(). NULL: it ends at once.
	 */
	bool (*defer_end)(struct inode *inode);
	int (*statfs)(struct super_block *sb, struct statfs64 *st);
	/*
	 * Attributes changed: to the disk with them, some time. Does not fail visibly. May sleep.
	 * NULL: nothing.
	 */
	void (*dirty_inode)(struct inode *inode);
	/* All that the file system keeps to itself goes to its disk; then flush that. 0 or -EIO. */
	int (*sync)(struct super_block *sb);
	/*
	 * New options of a mount that is there already; 0 or -EINVAL with nothing changed. NULL:
	 * none matter.
	 */
	int (*set_options)(struct super_block *sb, const char *options);
	/* rw to ro and back, s_readonly included; 0 or -errno. NULL: only s_readonly changes. */
	int (*remount)(struct super_block *sb, bool read_only);
	/*
	 * The machine stops: free unlinked files, write all, mark the disk as clean, write no more.
	 */
	void (*shutdown)(struct super_block *sb);
	/* No names and inodes are left: end. */
	void (*put_super)(struct super_block *sb);
	/* Text of mount options after "rw", starting with a comma; NULL: none. */
	void (*show_options)(struct super_block *sb, char *buf, size_t size);
};

struct super_block {
	const char *s_type; /* as /proc/mounts shows it */
	u64 s_dev;
	u64 s_magic;
	u64 s_max_bytes;
	bool s_pinned;		     /* names live in the dentry tree only */
	unsigned long s_nr_names;    /* (D) of s_pinned: names there are */
	bool s_cached;		     /* names and inodes are copies of what is on a disk */
	struct block_device *s_bdev; /* the disk, for swap files; NULL: none */
	unsigned int s_blocksize;
	bool s_write_soon;	  /* s_cached: inodes that wait for being written are in the way */
	bool s_stops_writing;	  /* mount_lock: becomes read-only, no file is opened for writing */
	bool s_readonly;	  /* s_names to change; no writing, whatever the mount says */
	atomic_long_t s_nameless; /* inodes in use that have no name */
	/* names that a file may have, subdirectories of a directory; 0: any number */
	u32 s_max_links;
	const struct super_operations *s_op;
	struct dentry *s_root;
	struct mutex s_names;
	atomic_t s_mounts; /* the last mount's end frees it */
	atomic_long_t s_next_ino;
	void *s_info; /* kmalloc'ed */
};

#define MS_RDONLY      1ul
#define MS_NOSUID      2ul
#define MS_NODEV       4ul
#define MS_NOEXEC      8ul
#define MS_REMOUNT     32ul
#define MS_NOATIME     1024ul
#define MS_NODIRATIME  2048ul
#define MS_BIND	       4096ul
#define MS_NOSYMFOLLOW 256ul
#define MS_MOVE	       8192ul
#define MS_REC	       16384ul
#define MS_SILENT      32768ul
#define MS_UNBINDABLE  (1ul << 17)
#define MS_PRIVATE     (1ul << 18)
#define MS_SLAVE       (1ul << 19)
#define MS_SHARED      (1ul << 20)
#define MS_RELATIME    (1ul << 21)
#define MS_STRICTATIME (1ul << 24)

struct vfsmount {
	atomic_t mnt_count;
	struct super_block *mnt_sb;
	struct dentry *mnt_root;       /* (C) */
	struct vfsmount *mnt_parent;   /* (C) NULL: the root mount */
	struct dentry *mnt_mountpoint; /* (C) */
	unsigned long mnt_flags;       /* mount_lock to change: MS_ of the mount */
	int mnt_id;
	bool mnt_detached;	   /* mount_lock */
	bool mnt_expiring;	   /* (A) was not used since umount2(MNT_EXPIRE) */
	unsigned long mnt_writers; /* mount_lock: files open for writing */
	char mnt_devname[32];
	struct list_head mnt_list; /* mount_lock */
};

/* A directory being read: emit is called for each entry, false: the buffer is full. */
struct dir_context {
	bool (*emit)(struct dir_context *ctx, const char *name, size_t len, u64 pos, u64 ino,
		     unsigned int type);
	u64 pos;
};

/* What changes in an inode's attributes (setattr). */
#define ATTR_MODE      1u
#define ATTR_UID       2u
#define ATTR_GID       4u
#define ATTR_SIZE      8u
#define ATTR_ATIME     16u
#define ATTR_MTIME     32u
#define ATTR_CTIME     64u
#define ATTR_TIMES_SET 128u /* to given times, not to now: owners only */
#define ATTR_KILL_SUID 256u
struct iattr {
	unsigned int valid; /* ATTR_ */
	u32 mode, uid, gid;
	u64 size;
	s64 atime, mtime;
};

struct inode_operations {
	/*
	 * Not in the dentry tree: a dentry by d_make, NULL (ENOENT) or ERR_PTR. s_cached: (N), and
	 * the dentry is hashed by d_add.
	 */
	struct dentry *(*lookup)(struct dentry *dir, const char *name, size_t len);
	/* A new inode for a new name in dir (mode with type bits), or ERR_PTR. NULL: EPERM. (N) */
	struct inode *(*create)(struct inode *dir, u32 mode, u64 rdev, const char *target);
	/* May these names change? Space and such; NULL: yes. (N) */
	int (*unlink)(struct inode *dir, struct dentry *dentry);
	/*
	 * The name of a dentry that is about to be added; the caller counts links. NULL: nothing to
	 * do. (N)
	 */
	int (*add_name)(struct inode *dir, struct dentry *dentry);
	/*
	 * On the disk, old takes the name to (len bytes) in new_dir, in place of victim if that is
	 * not NULL; exchange: victim takes old's. Names in memory change after it. (N)
	 */
	int (*rename)(struct inode *old_dir, struct dentry *old, struct inode *new_dir,
		      struct dentry *victim, const char *to, size_t len, bool exchange);
	/*
	 * Has this directory no entries but . and ..? NULL: the dentry tree knows. 0, -ENOTEMPTY,
	 * -EIO.
	 */
	int (*empty)(struct inode *dir);
	/* The target of a symbolic link into buf (size bytes), its length. */
	long (*readlink)(struct dentry *dentry, char *buf, size_t size);
	/* Links that are no text (/proc/self/fd/3): the place itself, with references. */
	int (*jump)(struct dentry *dentry, struct path *out);
	int (*setsize)(struct inode *inode, u64 size);
	/* Attributes change: check or refuse. NULL: fine. */
	int (*setattr)(struct inode *inode, struct iattr *attr);
	/* Instead of the mode bits. */
	int (*permission)(struct inode *inode, unsigned int mask);
};

struct file_operations {
	/* Bytes or -errno; *pos moves. NULL: EINVAL. */
	long (*read)(struct file *file, struct iov_user buf, size_t count, u64 *pos);
	long (*write)(struct file *file, struct iov_user buf, size_t count, u64 *pos);
	/*
	 * readv and writev where the pieces (total bytes, of user memory) make one message. NULL:
	 * one by one.
	 */
	long (*vector)(struct file *file, const struct iovec *iov, unsigned long nr, size_t total,
		       bool write);
	s64 (*llseek)(struct file *file, s64 offset, int whence);   /* NULL: ESPIPE */
	int (*iterate)(struct file *file, struct dir_context *ctx); /* NULL: ENOTDIR */
	/*
	 * POLL bits that hold now; registers with pt (may be NULL) where to wait. NULL: always
	 * ready.
	 */
	unsigned int (*poll)(struct file *file, struct poll_table *pt);
	/* -ENOTTY: not mine */
	long (*ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	int (*mmap)(struct file *file, struct vm_area_struct *vma);
	int (*open)(struct inode *inode, struct file *file); /* may replace f_op */
	void (*flush)(struct file *file);		     /* each close(2) */
	void (*release)(struct file *file);
	/*
	 * Pages of kernel memory that the open file keeps, for the OOM killer (kernel_pages.c):
	 * interrupts off, locks may only be tried. NULL: next to none.
	 */
	unsigned long (*kernel_pages)(struct file *file);
	/*
	 * May splice(2) and sendfile(2) read the file, write to it? (Pipes need neither: the calls
	 * know them.)
	 */
	bool splice_in, splice_out;
	/* As vfs_fsync(). NULL: -EINVAL. */
	int (*fsync)(struct file *file, u64 start, u64 end, bool datasync);
	/* mode: FALLOC_FL_ bits. NULL: EOPNOTSUPP. */
	long (*fallocate)(struct file *file, int mode, u64 offset, u64 len);
};

#define FALLOC_FL_KEEP_SIZE  1
#define FALLOC_FL_PUNCH_HOLE 2

#define FMODE_READ	      1u
#define FMODE_WRITE	      2u
#define FMODE_EXEC	      4u  /* holds off writers (fs_open_exec) */
#define FMODE_PATH	      8u  /* O_PATH: only names it */
#define FMODE_STREAM	      16u /* no position: lseek and pread fail with ESPIPE */
#define FMODE_WRITER	      32u /* counted in i_writecount */
#define FMODE_UNSIGNED_OFFSET 64u /* all 64 bits of a position count (/proc/PID/mem) */

/* F_SETOWN_EX names them so. */
enum file_owner_type { F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP };

struct file {
	struct vm_file vm; /* first; vm.f_count */
	const struct file_operations *f_op;
	struct path f_path;    /* (C) */
	struct inode *f_inode; /* (C) = f_path.dentry->d_inode */
	unsigned int f_flags;  /* O_ as given, changed by F_SETFL */
	unsigned int f_mode;   /* FMODE_ */
	u64 f_pos;
	struct mutex f_pos_lock;
	void *private_data;
	int f_owner, f_signo; /* who gets signals about it: a number and what it is */
	enum file_owner_type f_owner_type;
	struct epitem *f_epitems;      /* epoll_mutex; the epolls that watch it */
	struct dentry *f_readdir_last; /* the last entry handed out, with a reference */
};

/*
 * What was changed in bytes [start, end] is on the disk when it returns, and the inode; datasync:
 * of that only what finds the data. 0 or the error. May sleep.
 */
int vfs_fsync(struct file *file, u64 start, u64 end, bool datasync);
/* Open files there are, and may be (/proc/sys/fs/file-max; root may have more): ENFILE. */
extern atomic_long_t nr_files;
extern int file_max;
/* Files that a user may watch by epolls (/proc/sys/fs/epoll/max_user_watches): ENOSPC. */
extern int epoll_max_user_watches;
static inline struct file *file_of(struct vm_file *vm)
{
	return container_of(vm, struct file, vm);
}

/* ---- Inodes (inode.c) --------------------------------------------------------------------- */

/* A new inode with one reference, times now, owner the caller's; NULL: no memory. */
struct inode *new_inode(struct super_block *sb, u32 mode) __must_check;
static inline struct inode *igrab(struct inode *inode)
{
	atomic_inc(&inode->i_count);
	return inode;
}
/* May sleep. */
void iput(struct inode *inode);
/*
 * s_cached: the inode of that number with a reference, or NULL: then one is to be made by
 * new_inode(), given i_ino, filled, and put in the table. (N)
 */
struct inode *inode_find(struct super_block *sb, u64 ino);
void inode_insert(struct inode *inode);
/* It cannot be had by number any more (could not be read, or made). */
void inode_forget(struct inode *inode);
/* The end of an inode that s_op->defer_end kept. May sleep. */
void inode_end(struct inode *inode);
/* Free all inodes of a file system that nobody uses any more. May sleep. */
void inodes_free(struct super_block *sb);
/* Call fn for each cached inode of sb, with a reference. May sleep. */
void inodes_for_each(struct super_block *sb, void (*fn)(struct inode *inode));
/* Attributes changed. May sleep. */
static inline void mark_inode_dirty(struct inode *inode)
{
	if (inode->i_sb->s_op && inode->i_sb->s_op->dirty_inode)
		inode->i_sb->s_op->dirty_inode(inode);
}
/*
 * Link counts: one more name, one less, none left (of a directory, or not named yet). s_names held,
 * or the inode is new.
 */
void inc_nlink(struct inode *inode);
void drop_nlink(struct inode *inode);
void clear_nlink(struct inode *inode);
/* Permission by the mode bits, the caller's fsuid and capabilities alone; 0, -EACCES. */
int generic_permission(const struct inode *inode, unsigned int mask) __must_check;
/*
 * The same, or what the file system has instead of it; -EROFS (the whole file system is read-only).
 */
int inode_permission(struct inode *inode, unsigned int mask) __must_check;
/* Has the caller the capability (CAP_ of fs/task.h)? */
bool fs_capable(int cap);
bool in_group(u32 gid);
/* Is the file the caller's, or the caller above owners (CAP_FOWNER)? */
bool inode_owner_or_capable(const struct inode *inode);
s64 current_time_ns(void);
/* Check and apply; locks i_rwsem for sizes. May sleep. */
int notify_change(struct path *path, struct iattr *attr) __must_check;
/*
 * RLIMIT_FSIZE and the file system's largest size: *count becomes how much of it may be written at
 * pos; 0, or -EFBIG and maybe SIGXFSZ.
 */
int inode_limit_write(struct inode *inode, u64 pos, size_t *count) __must_check;
/*
 * The same for a new size: 0, or -EFBIG and maybe SIGXFSZ. A file that does not grow may be larger.
 */
int inode_may_grow(struct inode *inode, u64 size) __must_check;
/*
 * The mode of a new inode in dir: without the bits of the umask, and without a set-group-id bit
 * that the caller may not give.
 */
u32 inode_new_mode(const struct inode *dir, u32 mode);
/* A new inode in a set-group-id directory gets its group, and as a directory its bit. */
void inode_inherit_group(struct inode *inode, const struct inode *dir);
/* Set operations of a device node, fifo or socket. */
void init_special_inode(struct inode *inode, u32 mode, u64 rdev);
void inode_init(void);
/* A super block without names yet; NULL: no memory. */
struct super_block *new_super(const char *type, u64 magic, const struct super_operations *op);
/* Writers against execution: 0 or -ETXTBSY. */
int get_write_access(struct inode *inode) __must_check;
void put_write_access(struct inode *inode);
int deny_write_access(struct inode *inode) __must_check;
void allow_write_access(struct inode *inode);

/* Character devices: who serves major:minor. */
struct chrdev {
	unsigned int major, minor_first, minor_count;
	const struct file_operations *fops;
	struct chrdev *next;
};
void register_chrdev(struct chrdev *dev);

/* Block devices (disk_files.c): opening a node, and boot's nodes in /dev. 0 or -errno. */
extern const struct file_operations blkdev_fops;
int make_block_nodes(void) __must_check;

/* ---- Names (dcache.c) ----------------------------------------------------------------------- */

void dcache_init(void);
static inline struct dentry *dget(struct dentry *dentry)
{
	atomic_inc(&dentry->d_count);
	return dentry;
}
/* Its parent now, with a reference: a rename may be taking it away. */
struct dentry *d_parent_get(struct dentry *dentry);
/* May sleep (the inode may go). NULL is allowed. */
void dput(struct dentry *dentry);
/*
 * A dentry with one reference, unhashed, holding parent and inode (its reference is taken over);
 * NULL: no memory, inode put.
 */
struct dentry *d_make(struct dentry *parent, const char *name, size_t len,
		      struct inode *inode) __must_check;
struct dentry *d_make_root(struct super_block *sb, struct inode *inode) __must_check;
/* The hashed child of that name with a reference, or NULL. */
struct dentry *d_lookup(struct dentry *parent, const char *name, size_t len);
/* Make it reachable by name (and pin it). (N) */
void d_add(struct dentry *dentry);
/* The name is gone; drops the pin. (N) */
void d_delete(struct dentry *dentry);
bool d_has_children(struct dentry *dentry);
/* May it be removed? 0, -ENOTEMPTY, -EIO. (N) */
int dir_empty(struct dentry *dir);
/*
 * Room for a name of that length, to be given to d_move(): NULL if it is short, ERR_PTR(-ENOMEM).
 */
char *d_name_room(size_t len) __must_check;
void d_name_room_free(char *room); /* NULL and ERR_PTR allowed */
/* Move under a new parent and name. Cannot fail; takes room over. (N) */
void d_move(struct dentry *dentry, struct dentry *new_parent, const char *name, size_t len,
	    char *room);
/* Swap two names (RENAME_EXCHANGE); both stay hashed. room_a: for b's name. */
void d_exchange(struct dentry *a, struct dentry *b, char *room_a, char *room_b);
bool d_is_ancestor(struct dentry *ancestor, struct dentry *dentry);
/*
 * The shrinkers of names and inodes are at work only while they have this, and only try for it.
 * A file system that ends takes it, so that none of them holds something of it.
 */
extern struct mutex cache_shrink_mutex;
extern struct shrinker dentry_shrinker, inode_shrinker;
/*
 * Their common work: drop nr, each by drop_one, which looks at *budget at most and counts that
 * down; false: there is none. How many were looked at, 0 if they cannot be at work.
 */
unsigned long shrink_vfs_cache(unsigned long nr, unsigned long budget, gfp_t gfp,
			       bool (*drop_one)(unsigned long *budget));
/* Remove all names below root, which nobody uses any more. */
void d_prune(struct dentry *root);
/*
 * Path of a place as seen from root, built at the end of buf; ERR_PTR(-ENAMETOOLONG). *reachable:
 * does it lie below root?
 */
char *d_path(const struct path *path, const struct path *root, char *buf, size_t size,
	     bool *reachable);
/* Generic directory of a pinned file system. */
int dcache_readdir(struct file *file, struct dir_context *ctx);
s64 dcache_dir_llseek(struct file *file, s64 offset, int whence);
void dcache_dir_release(struct file *file);

/* ---- Mounts (mount.c) ------------------------------------------------------------------------ */

static inline void path_get(const struct path *path)
{
	atomic_inc(&path->mnt->mnt_count);
	dget(path->dentry);
}
void mntput(struct vfsmount *mnt);
static inline void path_put(const struct path *path)
{
	dput(path->dentry);
	mntput(path->mnt);
}
/* Attach sb at path (NULL: as the root). 0 or -errno. */
int do_add_mount(struct super_block *sb, const struct path *where, const char *devname,
		 unsigned long flags);
/* If something is mounted on path, go there (any depth). */
void follow_mounts(struct path *path);
/* One step up from the root of a mount; false at the root of all. */
bool follow_up(struct path *path);
extern struct vfsmount *root_mount;
/* Is this mount read-only (or its device)? */
int mnt_want_write(struct vfsmount *mnt) __must_check;
/*
 * A file of it is open for writing until mnt_put_writer(): it does not become read-only. 0 or
 * -EROFS.
 */
int mnt_get_writer(struct vfsmount *mnt) __must_check;
void mnt_put_writer(struct vfsmount *mnt);
/* Write everything that is not yet on its disk, and wait. May sleep. */
void sync_filesystems(void);
/* A mount that has no place in the tree (pipes, memfds); NULL: no memory. */
struct vfsmount *kern_mount(struct super_block *sb);

/* ---- Walking (namei.c) ----------------------------------------------------------------------- */

#define LOOKUP_FOLLOW	 1u /* follow a symbolic link in the last place */
#define LOOKUP_DIRECTORY 2u /* must be a directory */
#define LOOKUP_EMPTY	 4u /* "" is the start itself */

enum last_type { LAST_NORM, LAST_DOT, LAST_DOTDOT, LAST_ROOT };

/*
 * name is in kernel memory, or the error of fs_getname(), which is returned when its turn comes;
 * dfd AT_FDCWD or an fd. *out holds references.
 */
int path_lookup(int dfd, const char *name, unsigned int flags, struct path *out) __must_check;
/* The same for a user address. */
int user_path(int dfd, unsigned long name, unsigned int flags, struct path *out) __must_check;

/* The parent of the last component. last points into name. trailing: slashes follow it. */
struct last_name {
	const char *name;
	size_t len;
	enum last_type type;
	bool trailing;
};
int path_parent(int dfd, const char *name, struct path *parent,
		struct last_name *last) __must_check;

/*
 * Names: kernel strings or fs_getname()'s error, as for path_lookup(); mode without umask applied.
 * All take s_names and may sleep.
 */
int vfs_mknod(int dfd, const char *name, u32 mode, u64 rdev, const char *target) __must_check;
/* A name for a socket; *out is its place, with references. */
int vfs_mksocket(const char *name, u32 mode, struct path *out) __must_check;
int vfs_unlink(int dfd, const char *name, bool dir) __must_check;
int vfs_link(int olddfd, const char *old, int newdfd, const char *new,
	     unsigned int flags) __must_check;
int vfs_rename(int olddfd, const char *old, int newdfd, const char *new,
	       unsigned int flags) __must_check;
/* A new entry in a directory whose s_names is held and that has none of that name. */
int vfs_create_locked(struct path *parent, const struct last_name *last, u32 mode, u64 rdev,
		      const char *target, struct dentry **out) __must_check;
long vfs_readlink(struct dentry *dentry, char *buf, size_t size);

/* ---- Open files (file.c, open.c) ------------------------------------------------------------- */

/* open(2) without a descriptor. A reference or ERR_PTR. */
struct file *do_filp_open(int dfd, const char *name, unsigned int flags, u32 mode) __must_check;
/* Open an inode by its path (references are taken). */
struct file *dentry_open(const struct path *path, unsigned int flags) __must_check;
/* An open file on an object without a name in the tree: inode's reference is taken over. */
struct file *anon_file(struct vfsmount *mnt, const char *name, struct inode *inode,
		       const struct file_operations *fops, unsigned int flags) __must_check;
static inline struct file *get_file(struct file *file)
{
	get_vm_file(&file->vm);
	return file;
}
static inline void fput(struct file *file)
{
	put_vm_file(&file->vm);
}
void file_init(void);

/*
 * An fd's file for the length of a system call. A table that only this task has cannot
 * change under it, so no reference is taken then (borrowed).
 */
struct fd {
	struct file *file; /* NULL: EBADF */
	bool counted;
};
struct fd fdget(unsigned int fd);     /* not for O_PATH files */
struct fd fdget_raw(unsigned int fd); /* these, too */
static inline void fdput(struct fd fd)
{
	if (fd.counted)
		fput(fd.file);
}
/* A counted reference, or NULL. */
struct file *fget(unsigned int fd);
struct file *files_get(struct files_struct *files, unsigned int fd);
/* The lowest open fd >= from, or -1. */
int files_next_fd(struct files_struct *files, int from);
/*
 * The sum of fn(file) over all descriptors, 0 if the table is being changed. Interrupts off; fn
 * only reads.
 */
unsigned long files_sum(struct files_struct *files, unsigned long (*fn)(struct file *file));
/* One file's part of what f_op->kernel_pages() says. */
unsigned long file_kernel_pages(struct file *file);
void files_hold(struct files_struct *files);
void files_drop(struct files_struct *files);
unsigned int files_capacity(struct files_struct *files);
bool fd_is_cloexec(struct files_struct *files, unsigned int fd);

/* Reserve the lowest free fd >= from; -EMFILE, -ENOMEM, -EINVAL (from over the limit). */
int get_unused_fd(unsigned int from, unsigned int flags) __must_check;
void put_unused_fd(int fd);
/* Fill a reserved fd; takes the reference over. */
void fd_install(int fd, struct file *file);
int close_fd(unsigned int fd);
void fd_set_cloexec(unsigned int fd, bool on);
/* F_DUPFD: file at the lowest free fd >= from. */
long fd_dup_from(struct file *file, unsigned int from, unsigned int flags) __must_check;

struct fs_struct {
	atomic_t count;
	spinlock_t lock;
	u32 umask;
	struct path root, pwd;
};
/* fs_struct.c: a copy with one reference; the first one, at the root of all. NULL: no memory. */
struct fs_struct *fs_struct_copy(struct fs_struct *old) __must_check;
struct fs_struct *fs_struct_first(void) __must_check;
void fs_struct_drop(struct fs_struct *fs);
/* root and pwd of the caller with references. */
void get_fs_root(struct path *root);
/* Boot: swapon(2) of files can be asked for. (swap.c) */
void swap_files_init(void);
void get_fs_pwd(struct path *pwd);
/* Change fs->root or fs->pwd of the caller. */
void set_fs_path(struct path *which, const struct path *path);
/* Boot: files and directories of the first task, at the root of all. */
int fs_task_first(struct fs_task *task) __must_check;
static inline struct fs_task *fs_current(void)
{
	return fs_hook_current();
}

/* truncate, with all checks but permission. */
int do_truncate(struct inode *inode, u64 size) __must_check;
s64 generic_llseek(struct file *file, s64 offset, int whence);
/* From the start or from where it is; no end is known. */
s64 forward_llseek(struct file *file, s64 offset, int whence);
s64 noop_llseek(struct file *file, s64 offset, int whence);
void file_accessed(struct file *file);
/* Can it be O_DIRECT? */
static inline bool file_can_direct(const struct file *file)
{
	const struct address_space *mapping =
		file->vm.f_mapping ? file->vm.f_mapping : &file->f_inode->i_data;

	return mapping->a_ops && mapping->a_ops->direct_IO;
}
/* Read, write by the cache, or past it (O_DIRECT). The inode's lock as direct_IO wants it. */
static inline long file_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	return file->f_flags & O_DIRECT ? generic_direct_read(&file->vm, buf, count, pos)
					: generic_file_read(&file->vm, buf, count, pos);
}
static inline long file_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	return file->f_flags & O_DIRECT ? generic_direct_write(&file->vm, buf, count, pos)
					: generic_file_write(&file->vm, buf, count, pos);
}
/* A file's data changed through a mapping: its times. May sleep. */
void inode_touch(struct inode *inode);
/* A file was written to, or cut: times, set-id bits. */
void inode_written(struct inode *inode);
void file_update_time(struct file *file);

/* Locks on files (locks.c). */
void locks_remove_posix(struct file *file, struct files_struct *owner);
void locks_remove_file(struct file *file);
long fcntl_getlk(struct file *file, unsigned int cmd, unsigned long arg);
/* fd: by which file was found. */
long fcntl_setlk(struct file *file, unsigned int fd, unsigned int cmd, unsigned long arg);

/* ---- Pipes (pipe.c) -------------------------------------------------------------------------- */

extern const struct file_operations fifo_fops;
void pipe_free_inode(struct inode *inode);
void pipe_init(void);
long pipe_fcntl(struct file *file, unsigned int cmd, unsigned long arg);
bool is_pipe(const struct file *file);
/*
 * What splice(2) does from in at *pos (moved) to the pipe out, for sendfile. Bytes or -errno. May
 * sleep.
 */
long splice_to_pipe(struct file *in, u64 *pos, struct file *out, size_t len);

/*
 * Files that are no more than an object in the kernel (anon_inodes.c): eventfd, epoll and others.
 * name shows in /proc/PID/fd. flags: the access mode, O_NONBLOCK and O_CLOEXEC. The first returns a
 * reference or ERR_PTR, the second a new descriptor or -errno; private is the caller's on failure.
 */
struct file *anon_object_file(const char *name, const struct file_operations *fops, void *private,
			      unsigned int flags) __must_check;
int anon_object_fd(const char *name, const struct file_operations *fops, void *private,
		   unsigned int flags) __must_check;
/* Boot. Panics without memory. */
void anon_inodes_init(void);

/* A file goes away: no epoll watches it any more (epoll.c). May sleep. */
void epoll_forget_file(struct file *file);
/* Boot: the largest number of watches. */
void epoll_init(void);
/* Boot: the mount of sockets. Panics without memory. */
void unix_init(void);

/* ---- File systems ---------------------------------------------------------------------------- */

struct super_block *tmpfs_mount(const char *type, const char *options);
/* An unnamed tmpfs file (memfd_create). */
/* A page of a file of tmpfs, within the file system's limit (SIGBUS): for vm_operations_struct. */
vm_fault_t tmpfs_nopage(struct vm_fault *vmf);
/*
 * Files of sb outlive the processes that made them: let them fill half of the swap besides their
 * part of RAM.
 */
void tmpfs_count_swap(struct super_block *sb);
struct inode *tmpfs_new_inode(struct super_block *sb, u32 mode, u64 rdev, const char *target);
extern const struct file_operations tmpfs_file_ops;
/* The tree of /dev, the same for every mount. */
struct super_block *devtmpfs_mount(void);
/* The tmpfs that no path leads to, for memfds; NULL: no memory. May sleep. */
struct vfsmount *tmpfs_kern_mount(void);
/* F_ADD_SEALS, F_GET_SEALS. */
#define F_SEAL_SEAL	    1u
#define F_SEAL_SHRINK	    2u
#define F_SEAL_GROW	    4u
#define F_SEAL_WRITE	    8u
#define F_SEAL_FUTURE_WRITE 16u
#define F_ALL_SEALS	    31u
long tmpfs_add_seals(struct file *file, unsigned int seals);
long tmpfs_get_seals(struct file *file);
struct super_block *ext2_mount(struct block_device *bdev, const char *options, bool read_only);
struct super_block *proc_mount(void);
void proc_set_cmdline(const char *cmdline);
/* The process of an open /proc/PID, which the file holds; NULL: file is something else. */
struct pid *proc_dir_process(const struct file *file);
struct super_block *devpts_mount(void);

int devices_init(void);
int tty_init(void);
int pty_init(void);
/* Unpack a cpio archive. consumed (or NULL) hears how much of it is behind. 0 or -errno. */
int initramfs_unpack(const void *archive, size_t size, void (*consumed)(size_t bytes)) __must_check;
