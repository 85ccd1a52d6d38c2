/* SPDX-License-Identifier: MIT */
/*
 * proc.h: how the files of /proc are described to each other.
 *
 * A directory's fixed entries are a table of struct proc_entry; its changing ones (pids,
 * descriptors) come from two callbacks. A text file is a function that prints, or, where its
 * text has no bound, a series of records (seq_file.c).
 *
 * A node is bound to its task by the struct pid, never by the number: when the task is gone the
 * node stands for nobody, whoever has the number next.
 */
#pragma once

#include <fs/vfs.h>

struct proc_entry;
struct pid;

/* What a node of /proc is about; in inode->i_object. */
struct proc_node {
	const struct proc_entry *entry;
	struct pid *pid; /* the process or thread it shows, with a reference; NULL: the system */
	int nr;		 /* its number when the node was made, for inode numbers */
	bool thread;	 /* below /proc/PID/task/TID: it shows that thread alone */
	int number;	 /* of a descriptor */
};

/* ---- Text (text.c) ------------------------------------------------------------------------- */

/*
 * Room that is printed into. What does not fit sets overflow, and the printer need not care: the
 * record is printed again, into an empty or a larger room.
 */
struct proc_text {
	char *buf;
	size_t len, room;
	bool overflow;
};
void proc_printf(struct proc_text *text, const char *fmt, ...) __printf(2, 3);
void proc_write_bytes(struct proc_text *text, const void *bytes, size_t n);
void proc_puts(struct proc_text *text, const char *string);
void proc_putc(struct proc_text *text, char c);
/* A number in decimal, with spaces before it up to width; in hexadecimal, with zeros. */
void proc_put_decimal(struct proc_text *text, u64 value, unsigned int width);
void proc_put_hex(struct proc_text *text, u64 value, unsigned int width);
/* A line: the label, which has 16 characters; the bytes in kB in eight columns; " kB". */
#define PROC_KB_LABEL 16
void proc_put_kb(struct proc_text *text, const char label[static PROC_KB_LABEL + 1],
		 unsigned long bytes);
/*
 * The path as seen from root, the characters of escape as \ and three octal digits. Does it lie
 * below root?
 */
bool proc_put_path(struct proc_text *text, const struct path *path, const struct path *root,
		   const char *escape);
/* Spaces up to this column of the line that began at start. */
void proc_pad(struct proc_text *text, size_t start, size_t column);

/* ---- Open files (seq_file.c) ----------------------------------------------------------------- */

/* An open file of /proc; in file->private_data. */
struct proc_open {
	const struct proc_node *node; /* (C) of the inode, which the file holds */
	/* (C) entry->binds_mm: what it shows, held by mm_count; NULL: a task without memory */
	struct mm_struct *mm;
	struct path root;    /* (C) entry->binds_root: from where it sees mounts */
	bool may_see_frames; /* (C) opened by root */
	struct mutex lock;   /* readers, one at a time; for the fields below */
	/* printed and not yet read: text.buf + from up to len; no room if all was read */
	struct proc_text text;
	size_t from;
	u64 index;	    /* the record to print next */
	u64 read_pos;	    /* the offset in the file of text.buf + from */
	void *cursor;	    /* of the records, from begin to end */
	struct path viewer; /* the same: the reader's root directory */
};

/*
 * The records of a file. index is theirs: 0 is the first, else what print left there, which may
 * be any time ago: what it stands for may have gone.
 */
struct proc_records {
	/*
	 * Some records will be printed: take what that needs. 0 or -errno, then nothing is held.
	 * NULL: 0.
	 */
	int (*begin)(struct proc_open *open);
	/*
	 * Print the record at *index, or the first behind it, and move *index on. 1, 0: there is
	 * none, -errno.
	 */
	int (*print)(struct proc_text *text, struct proc_open *open, u64 *index);
	void (*end)(struct proc_open *open);
};

/* As read(2) of a file of records. May sleep. */
long proc_read_records(struct proc_open *open, const struct proc_records *records,
		       struct iov_user buf, size_t count, u64 *pos);
void proc_free_text(struct proc_open *open);

/* ---- Entries --------------------------------------------------------------------------------- */

struct proc_entry {
	const char *name;
	u32 mode;	 /* with type bits */
	bool binds_mm;	 /* open asks for the right to look into the task's memory, and holds it */
	bool binds_root; /* open holds the task's root directory */
	/* a write of no bytes, or at an offset other than 0, succeeds and changes nothing */
	bool sysctl;
	/*
	 * May the caller open it (look it up in it, for a directory)? 0 or -errno. NULL: the mode
	 * says all.
	 */
	int (*may_open)(const struct proc_node *node);
	/* Regular files of bounded text: print all; 0 or -errno (-ESRCH: the task is gone). */
	int (*show)(struct proc_text *text, const struct proc_node *node);
	/* Regular files of any length. */
	const struct proc_records *records;
	/* Text written, 0 behind it; bytes taken or -errno. NULL: EIO. */
	long (*write)(const struct proc_node *node, const char *text, size_t len);
	/*
	 * Files that are no text. any_offset: their offsets are addresses, else they end somewhere.
	 */
	long (*read)(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos);
	long (*write_at)(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos);
	bool any_offset;
	/* Directories. */
	const struct proc_entry *children;
	unsigned int nr_children;
	/*
	 * The node of a name that is not in the table, with a reference to its pid: true and *out,
	 * or false.
	 */
	bool (*lookup)(const struct proc_node *dir, const char *name, size_t len,
		       struct proc_node *out);
	/* The changing entries from position on: emits until false. */
	void (*iterate)(const struct proc_node *dir, struct dir_context *ctx);
	/* Instead of the mode bits of a directory. */
	int (*permission)(struct inode *inode, const struct proc_node *node, unsigned int mask);
	/* Links. */
	long (*readlink)(const struct proc_node *node, char *buf, size_t size);
	int (*jump)(const struct proc_node *node, struct path *out);
	/* sysctl: a number behind the file. */
	int *value;
	void (*changed)(void); /* the value was written. NULL: its users look at it each time */
	int min, max;
};

#define PROC_FILE(n, m, f)                                  \
	{                                                   \
		.name = n, .mode = S_IFREG | (m), .show = f \
	}
#define PROC_RECORDS(n, m, r)                                  \
	{                                                      \
		.name = n, .mode = S_IFREG | (m), .records = r \
	}
#define PROC_WRITE(n, m, f, w)                                          \
	{                                                               \
		.name = n, .mode = S_IFREG | (m), .show = f, .write = w \
	}
#define PROC_LINK(n, r, j)                                                  \
	{                                                                   \
		.name = n, .mode = S_IFLNK | 0777, .readlink = r, .jump = j \
	}
#define PROC_DIR(n, table)                                            \
	{                                                             \
		.name = n, .mode = S_IFDIR | 0555, .children = table, \
		.nr_children = ARRAY_SIZE(table)                      \
	}

/* Positions in a directory: 0 ".", 1 "..", 2 + i the table, and from here on the changing ones. */
#define PROC_POS_DYNAMIC 512u

/* A decimal number that is the whole name; -1: it is none. */
int proc_parse_number(const char *name, size_t len);
/*
 * The number in text written to a file, with or without spaces and newline, decimal, 0x or 0 octal:
 * 0 or -EINVAL.
 */
int proc_parse_long(const char *text, long *value);
u64 proc_ino(const struct proc_node *node);

/* The pieces of the root. */
extern const struct proc_entry proc_system_entries[]; /* system.c */
extern const unsigned int proc_nr_system_entries;
#define PROC_NR_SYS_ENTRIES 4
extern const struct proc_entry proc_sys_entries[PROC_NR_SYS_ENTRIES]; /* sysctl.c */
extern const struct proc_entry proc_pid_entry;			      /* task.c */
long proc_link_self(const struct proc_node *node, char *buf, size_t size);
long proc_link_thread_self(const struct proc_node *node, char *buf, size_t size);

/* Its picture, to be freed by kfree(), or ERR_PTR: ESRCH, ENOMEM. (task.c) */
struct fs_task_info *proc_task_info(const struct proc_node *node) __must_check;

/* The task's root directory, with references: 0, -EINVAL (gone), -ENOENT (ending). (task.c) */
int proc_task_root(const struct proc_node *node, struct path *out) __must_check;

/* status.c */
int proc_show_status(struct proc_text *text, const struct proc_node *node);

/* maps.c, smaps.c, numa_maps.c, pagemap.c */
extern const struct proc_records proc_maps_records, proc_smaps_records, proc_numa_maps_records,
	proc_smaps_rollup_records;
long proc_write_clear_refs(const struct proc_node *node, const char *text, size_t len);
long proc_read_pagemap(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos);

/* mem.c */
long proc_read_mem(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos);
long proc_write_mem(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos);
long proc_read_environ(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos);
long proc_read_auxv(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos);
long proc_read_cmdline(struct proc_open *open, struct iov_user buf, size_t count, u64 *pos);

/* meminfo.c */
int proc_show_meminfo(struct proc_text *text, const struct proc_node *node);
extern const struct proc_records proc_vmstat_records, proc_buddyinfo_records, proc_zoneinfo_records,
	proc_slabinfo_records, proc_swaps_records;

/* ../mount.c: mounts that lie below open->root */
extern const struct proc_records proc_mounts_records, proc_mountinfo_records;

/* ../disk_files.c */
extern const struct proc_records proc_partitions_records, proc_diskstats_records;

/* fd.c */
bool proc_lookup_fd(const struct proc_node *dir, const char *name, size_t len,
		    struct proc_node *out);
bool proc_lookup_fdinfo(const struct proc_node *dir, const char *name, size_t len,
			struct proc_node *out);
void proc_iterate_fds(const struct proc_node *dir, struct dir_context *ctx);
void proc_iterate_fdinfos(const struct proc_node *dir, struct dir_context *ctx);
/* proc_entry.permission of /proc/PID/fd: by its mode, but the process's own threads may always. */
int proc_fd_permission(struct inode *inode, const struct proc_node *node, unsigned int mask);
