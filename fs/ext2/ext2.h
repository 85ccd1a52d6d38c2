/* SPDX-License-Identifier: MIT */
/*
 * ext2.h: the second extended file system: its form on the disk, what is kept of it in memory,
 * and the calls between the files of this folder.
 *
 *	| boot | group 0                                            | group 1 ...
 *	| 1 KiB| super | descriptors | bitmap b | bitmap i | inodes | data ...
 *
 * The disk is little endian; so is every machine that Pagoda runs on, so fields are used as
 * they are. Names of fields follow the literature (Card, Ts'o, Tweedie 1994; e2fsprogs' manual).
 *
 * Locks, outermost first, below those of vfs.h:
 *	ext2_sb.write_mutex	one pass of writing at a time (order.c); sleeps, for the disk
 *	ext2_inode.map_lock	block map of one inode; sleeps. Held in get_block: page locks are outside it
 *	ext2_sb.alloc_lock	bitmaps, group and super block counts; sleeps
 *	ext2_inode.raw_lock	counting changes, copying an inode to its buffer; sleeps
 * Under map_lock and alloc_lock nothing is allocated that may enter a file system.
 */
#pragma once

#include <fs/vfs.h>
#include <pagoda/buffer_head.h>

/* ---- On the disk ------------------------------------------------------------------------- */

#define EXT2_MAGIC	   0xef53u
#define EXT2_LINK_MAX	   32000u
#define EXT2_SUPER_OFFSET  1024u /* bytes from the start of the device */
#define EXT2_SUPER_BYTES   1024u
#define EXT2_MIN_BLOCK	   1024u
#define EXT2_MAX_LOG_BLOCK 2u /* 1 KiB << 2 = PAGE_SIZE */
#define EXT2_ROOT_INO	   2u
#define EXT2_OLD_FIRST_INO 11u
#define EXT2_OLD_INODE	   128u /* bytes of an inode in revision 0 */
#define EXT2_NAME_LEN	   255u

#define EXT2_NDIR_BLOCKS 12u
#define EXT2_IND_BLOCK	 12u
#define EXT2_N_BLOCKS	 15u

#define EXT2_VALID_FS 1u /* s_state: was unmounted cleanly */
#define EXT2_ERROR_FS 2u /* something was found wrong */

#define EXT2_ERRORS_CONTINUE 1u /* s_errors: what then; all others stop writing */

#define EXT2_INCOMPAT_FILETYPE	    2u
#define EXT2_RO_COMPAT_SPARSE_SUPER 1u
#define EXT2_RO_COMPAT_LARGE_FILE   2u
#define EXT2_INCOMPAT_SUPPORTED	    EXT2_INCOMPAT_FILETYPE
#define EXT2_RO_COMPAT_SUPPORTED    (EXT2_RO_COMPAT_SPARSE_SUPER | EXT2_RO_COMPAT_LARGE_FILE)

#define EXT2_INDEX_FL 0x1000u /* i_flags: a directory with a hash tree, which we do not keep up */

struct ext2_super_block {
	u32 s_inodes_count, s_blocks_count, s_r_blocks_count, s_free_blocks_count;
	u32 s_free_inodes_count, s_first_data_block, s_log_block_size, s_log_frag_size;
	u32 s_blocks_per_group, s_frags_per_group, s_inodes_per_group;
	u32 s_mtime, s_wtime;
	u16 s_mnt_count, s_max_mnt_count, s_magic, s_state, s_errors, s_minor_rev_level;
	u32 s_lastcheck, s_checkinterval, s_creator_os, s_rev_level;
	u16 s_def_resuid, s_def_resgid;
	u32 s_first_ino;
	u16 s_inode_size, s_block_group_nr;
	u32 s_feature_compat, s_feature_incompat, s_feature_ro_compat;
	u8 s_rest[1024 - 104];
};
static_assert(sizeof(struct ext2_super_block) == EXT2_SUPER_BYTES, "ext2 super block");

struct ext2_group_desc {
	u32 bg_block_bitmap, bg_inode_bitmap, bg_inode_table;
	u16 bg_free_blocks_count, bg_free_inodes_count, bg_used_dirs_count, bg_pad;
	u32 bg_reserved[3];
};
static_assert(sizeof(struct ext2_group_desc) == 32, "ext2 group descriptor");

struct ext2_raw_inode {
	u16 i_mode, i_uid;
	u32 i_size, i_atime, i_ctime, i_mtime, i_dtime;
	u16 i_gid, i_links_count;
	u32 i_blocks, i_flags, i_osd1;
	u32 i_block[EXT2_N_BLOCKS];
	u32 i_generation, i_file_acl, i_size_high, i_faddr;
	u16 i_frag, i_pad, i_uid_high, i_gid_high;
	u32 i_reserved;
};
static_assert(sizeof(struct ext2_raw_inode) == EXT2_OLD_INODE, "ext2 inode");

struct ext2_dir_entry {
	u32 inode; /* 0: free space */
	u16 rec_len;
	u8 name_len;
	u8 file_type; /* high byte of name_len without EXT2_INCOMPAT_FILETYPE */
	char name[];
};
#define EXT2_DIRENT_BYTES(name_len) ALIGN(8u + (unsigned int)(name_len), 4u)

/* ---- In memory --------------------------------------------------------------------------- */

struct ext2_held_run;

struct ext2_sb {
	struct super_block *sb;
	struct block_device *bdev;
	struct buffer_head *super_bh; /* held */
	struct ext2_super_block *es;  /* (alloc_lock) inside super_bh */
	struct buffer_head **desc_bh; /* held: blocks of group descriptors, kmalloc'ed */
	unsigned int nr_desc_blocks;
	unsigned int block_size, block_bits, inode_size;		     /* (C) */
	u32 nr_groups, blocks_per_group, inodes_per_group, first_data_block; /* (C) */
	u32 blocks_count, inodes_count, first_ino, reserved_blocks;	     /* (C) */
	bool sparse_super, file_types;					     /* (C) */
	bool must_be_readonly; /* (C) the device or a feature says so */
	u16 old_state;	       /* s_state as it was before we wrote */
	struct mutex alloc_lock;
	u32 last_dir_group; /* alloc_lock */
	/*
	 * What waits to be written in order (order.c). Inodes by their link, buffers: see
	 * mark_buffer_waiting().
	 */
	struct mutex write_mutex;
	spinlock_t lists_lock;
	struct list_head new_files, new_dirs, resized, orphans; /* lists_lock */
	struct list_head new_names, names;			/* s_names: blocks of directories */
	atomic_long_t held_blocks; /* that will be free: cut off, and of orphans */
	atomic_long_t nr_orphans, nr_dirty;
	/* (A) centisecs() of the oldest change, 0: there is none */
	unsigned long dirty_since;
	struct writeback_source writeback;
	bool data_lost;	  /* in the last sync, of some file */
	u32 metadata_seq; /* write errors of metadata that sync was told of */
	atomic_t nr_errors;
};

struct ext2_inode {
	u32 flags, generation, file_acl;
	u32 block[EXT2_N_BLOCKS];  /* map_lock; symlinks: the text (C) */
	u32 last_block, last_phys; /* map_lock: what was allocated last, a goal for the next */
	struct mutex map_lock, raw_lock;
	bool gone; /* its blocks and number were freed */
	/* map_lock: the table on the disk has it, and may have what it had */
	bool on_disk;
	struct inode *inode;   /* (C) its other half */
	struct list_head link; /* lists_lock: a list of ext2_sb's */
	/* map_lock: blocks of pointers, a link's text (buffer_order.c) */
	struct list_head waiting;
	/* map_lock; write_mutex: cut off since, before it was copied */
	struct ext2_held_run *held, *copied_held;
	/*
	 * raw_lock: changes so far, the last one that mattered for finding the data, and how many
	 * are in the table's buffer, and on the disk.
	 */
	u32 changes, data_changes, copied, synced;
	u64 seen_size, seen_blocks; /* raw_lock: at the last change */
};

static inline struct ext2_sb *ext2_sb(const struct super_block *sb)
{
	return sb->s_info;
}
static inline struct ext2_inode *ext2_i(const struct inode *inode)
{
	return inode->i_object;
}
static inline unsigned int ext2_pointers(const struct ext2_sb *sbi)
{
	return sbi->block_size / sizeof(u32);
}

/* ---- super.c ----------------------------------------------------------------------------- */

/* Something on the disk is wrong: say so, note it in s_state, stop writing if s_errors says so.
 * Returns -EUCLEAN. */
int ext2_error(struct ext2_sb *sbi, const char *fmt, ...) __printf(2, 3) __cold;
struct ext2_group_desc *ext2_group(struct ext2_sb *sbi, u32 group);
void ext2_group_changed(struct ext2_sb *sbi, u32 group);
/* A file grew past 2 GiB: older drivers must know. May sleep. */
void ext2_note_large_file(struct ext2_sb *sbi);

/* ---- balloc.c ------------------------------------------------------------------------------ */

/* Do blocks [block, block + count) exist, and hold no metadata of the file system itself? */
bool ext2_data_blocks(struct ext2_sb *sbi, u32 block, u32 count);
/* Blocks of a group that can never be a file's. */
u32 ext2_group_overhead(struct ext2_sb *sbi, u32 group);
/* Allocate one block near goal (0: anywhere): 0, -ENOSPC, -EIO. May sleep. */
int ext2_new_block(struct ext2_sb *sbi, u32 goal, u32 *block) __must_check;
/* Free blocks; those already free or impossible are reported and left. May sleep. */
void ext2_free_blocks(struct ext2_sb *sbi, u32 block, u32 count);
/* Allocate an inode number: 0, -ENOSPC, -EIO. May sleep. */
int ext2_new_ino(struct ext2_sb *sbi, u32 parent, bool dir, u32 *ino) __must_check;
void ext2_free_ino(struct ext2_sb *sbi, u32 ino, bool dir);

/* ---- map.c ----------------------------------------------------------------------------------- */

/*
 * The device's block of a file's block in *phys, 0 for a hole. create: allocated if need be,
 * *new says so. 0, -EIO, -ENOSPC, -EUCLEAN, -EFBIG. May sleep.
 */
int ext2_map_block(struct inode *inode, u64 block, bool create, u32 *phys, bool *new) __must_check;
/* Free all blocks of the file from number keep on. The page cache has let them go. May sleep. */
void ext2_free_from(struct inode *inode, u64 keep);
u64 ext2_max_bytes(const struct ext2_sb *sbi);

/* ---- inode.c --------------------------------------------------------------------------------- */

/* (N) The inode with a reference, or ERR_PTR(-EIO, -EUCLEAN, -ENOMEM). May sleep. */
struct inode *ext2_iget(struct super_block *sb, u64 ino) __must_check;
/* (N) A new one on disk and in memory, with mode, one link and the rights that dir hands down;
 * ERR_PTR. */
struct inode *ext2_new_inode(struct inode *dir, u32 mode, u64 rdev) __must_check;
/* It has changed; the disk has it some time (order.c). */
void ext2_dirty_inode(struct inode *inode);
/* Bring it to its table's buffer, as it is now: 0, -EIO, -EROFS. map_lock held. May sleep. */
int ext2_copy_inode(struct inode *inode) __must_check;
/* The buffer has it without links, blocks and size. 0 or -EIO. May sleep. */
int ext2_end_on_disk(struct inode *inode);
/* The buffer of its place in the table, with a use; NULL: -EIO. May sleep. */
struct buffer_head *ext2_inode_buffer(struct inode *inode) __must_check;
/* Blocks of the disk that it has, those of pointers included. */
u64 ext2_blocks_of(const struct inode *inode);
void ext2_evict(struct inode *inode);
/* Its last link went and nobody will use it again: give its blocks and number back. */
void ext2_delete_inode(struct inode *inode);
extern const struct inode_operations ext2_link_iops;
/* Has an fsync anything to bring to the disk? */
bool ext2_has_changes(struct inode *inode, bool datasync);
/*
 * Has the buffer what the disk was not known to have? It has it now: ext2_inode_synced().
 * write_mutex held.
 */
bool ext2_is_copied(struct inode *inode);
void ext2_inode_synced(struct inode *inode);
/* Later errors of metadata are this file's, too. */
int ext2_open(struct inode *inode, struct file *file);
int ext2_fsync(struct file *file, u64 start, u64 end, bool datasync);
int ext2_inode_init(void);

/* ---- order.c ------------------------------------------------------------------------------- */

void ext2_order_init(struct ext2_sb *sbi);
/* Nothing is written any more: orphans end in memory. */
void ext2_order_end(struct ext2_sb *sbi);
/* (N) A new inode, in the table of inodes. */
void ext2_inode_is_new(struct inode *inode);
/* A block of pointers (of data: height 1) was changed, or a link's text (0). map_lock held. */
void ext2_pointers_changed(struct inode *inode, struct buffer_head *bh, unsigned int height);
/* (N) A block of a directory was changed. */
void ext2_names_changed(struct inode *dir, struct buffer_head *bh);
/* A directory has a new block, or what is held of the inode is waited for. */
void ext2_inode_resized(struct inode *inode);
/*
 * These blocks are not the inode's any more; free once the disk knows. map_lock held, or nobody
 * else has the inode.
 */
void ext2_hold_blocks(struct inode *inode, u32 block, u32 count);
/* The inode, to the disk; it is not new. 0 or an error. May sleep. */
int ext2_write_inode(struct inode *inode);
/* (N) All changed names, and what they lead to; orphans end. 0 or an error. May sleep. */
int ext2_write_names(struct ext2_sb *sbi);
/* (N) All of it. 0 or an error. May sleep. */
int ext2_write_metadata(struct ext2_sb *sbi);
/* (N) Before it gets a directory: it is itself on the disk. 0 or an error. May sleep. */
int ext2_settle_dir(struct inode *dir) __must_check;
/* (N) Before one more inode may wait to be written, or for its end. May sleep. */
void ext2_limit_waiting(struct ext2_sb *sbi);
/* There is no space: get back what is held. True: it is worth another try. May sleep. */
/* what the caller holds: s_names, nothing, a page */
enum ext2_names { EXT2_NAMES_HELD, EXT2_NAMES_FREE, EXT2_PAGE_LOCKED };
bool ext2_find_space(struct ext2_sb *sbi, enum ext2_names names);
/* s_op->defer_end: what the disk has a name of ends later. */
bool ext2_defer_end(struct inode *inode);
/* Its memory goes. */
void ext2_leave_order(struct inode *inode);
/* There is something to write, from now on; an inode more, that was clean. */
void ext2_note_dirty(struct ext2_sb *sbi, bool was_clean);
/* The flusher's call. */
void ext2_write_aged(struct writeback_source *source, u64 now);

/* ---- file.c ---------------------------------------------------------------------------------- */

extern const struct address_space_operations ext2_a_ops;
extern const struct inode_operations ext2_file_iops;
extern const struct file_operations ext2_file_ops;

/* ---- dir.c and namei.c ----------------------------------------------------------------------- */

/* (N) for all. The inode number behind a name, *ino 0: no such name. 0 or -errno. */
int ext2_find_name(struct inode *dir, const char *name, size_t len, u32 *ino) __must_check;
int ext2_add_entry(struct inode *dir, const char *name, size_t len,
		   const struct inode *inode) __must_check;
int ext2_remove_entry(struct inode *dir, const char *name, size_t len) __must_check;
/* The entry of that name leads to another inode. */
int ext2_set_entry(struct inode *dir, const char *name, size_t len,
		   const struct inode *inode) __must_check;
/* A removed directory's ".." leads to the root, unless its parent is alive: that may end first. */
void ext2_leave_parent(struct inode *dir);
/* The first block of a new directory. */
int ext2_make_empty(struct inode *dir, const struct inode *parent) __must_check;
int ext2_dir_empty(struct inode *dir) __must_check;
int ext2_readdir(struct file *file, struct dir_context *ctx);
extern const struct inode_operations ext2_dir_iops;
extern const struct file_operations ext2_dir_ops;
