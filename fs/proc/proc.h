/* SPDX-License-Identifier: MIT */
/*
 * proc.h: how the files of /proc are described to each other.
 *
 * A directory's fixed entries are a table of struct proc_entry; its changing ones (pids,
 * descriptors) come from two callbacks. A text file is a function that prints.
 */
#pragma once

#include <fs/vfs.h>

struct proc_entry;

/* What a node of /proc is about; in inode->i_object. */
struct proc_node {
	const struct proc_entry *entry;
	int pid; /* the process (tgid) or thread it shows; 0: the system */
	int tgid;
	int number; /* of a descriptor */
	u64 born;   /* /proc/PID itself: when the process started */
};

/* Text being made: grows as needed; after an error prints are dropped. */
struct proc_text {
	char *buf;
	size_t len, room;
	int error;
	bool vmalloced;
};
void proc_printf(struct proc_text *text, const char *fmt, ...) __printf(2, 3);
void proc_write_bytes(struct proc_text *text, const void *bytes, size_t n);
/* As the emit callback of slabinfo and mounts_show: arg is the text. */
void proc_emit(void *arg, const char *string);
/* Spaces up to this column of the line that began at start. */
void proc_pad(struct proc_text *text, size_t start, size_t column);

struct proc_entry {
	const char *name;
	u32 mode; /* with type bits */
	bool guarded; /* opened only by who may look into the process's memory */
	/* Regular files: print all; 0 or -errno (-ESRCH: the task is gone). */
	int (*show)(struct proc_text *text, const struct proc_node *node);
	/* Text written, 0 behind it; bytes taken or -errno. NULL: EIO. */
	long (*write)(const struct proc_node *node, const char *text, size_t len);
	/* Files that are no text. */
	long (*read)(const struct proc_node *node, struct iov_user buf, size_t count, u64 *pos);
	long (*write_at)(const struct proc_node *node, struct iov_user buf, size_t count, u64 *pos);
	/* Directories. */
	const struct proc_entry *children;
	unsigned int nr_children;
	/* The node of a name that is not in the table: true and *out, or false. */
	bool (*lookup)(const struct proc_node *dir, const char *name, size_t len,
		       struct proc_node *out);
	/* The changing entries from position on: emits until false. */
	void (*iterate)(const struct proc_node *dir, struct dir_context *ctx);
	/* Links. */
	long (*readlink)(const struct proc_node *node, char *buf, size_t size);
	int (*jump)(const struct proc_node *node, struct path *out);
	/* sysctl: a number behind the file. */
	int *value;
	void (*changed)(void); /* the value was written. NULL: whoever uses it looks */
	int min, max;
};

#define PROC_FILE(n, m, f)	{ .name = n, .mode = S_IFREG | (m), .show = f }
#define PROC_GUARDED(n, m, f)	{ .name = n, .mode = S_IFREG | (m), .show = f, .guarded = true }
#define PROC_WRITE(n, m, f, w)	{ .name = n, .mode = S_IFREG | (m), .show = f, .write = w }
#define PROC_LINK(n, r, j)	{ .name = n, .mode = S_IFLNK | 0777, .readlink = r, .jump = j }
#define PROC_DIR(n, table)                                                                         \
	{ .name = n, .mode = S_IFDIR | 0555, .children = table, .nr_children = ARRAY_SIZE(table) }

/* Positions in a directory: 0 ".", 1 "..", 2 + i the table, and from here on the changing ones. */
#define PROC_POS_DYNAMIC 512u

/* A decimal number that is the whole name; -1: it is none. */
int proc_parse_number(const char *name, size_t len);
/* The number in text written to a file, with or without newline: 0 or -EINVAL. */
int proc_parse_long(const char *text, long *value);
u64 proc_ino(const struct proc_node *node);

/* The pieces of the root. */
extern const struct proc_entry proc_system_entries[]; /* system.c */
extern const unsigned int proc_nr_system_entries;
#define PROC_NR_SYS_ENTRIES 4
extern const struct proc_entry proc_sys_entries[PROC_NR_SYS_ENTRIES]; /* sysctl.c */
extern const struct proc_entry proc_pid_entry; /* task.c */
long proc_link_self(const struct proc_node *node, char *buf, size_t size);
long proc_link_thread_self(const struct proc_node *node, char *buf, size_t size);

/* maps.c */
int proc_show_maps(struct proc_text *text, const struct proc_node *node);
int proc_show_numa_maps(struct proc_text *t, const struct proc_node *node);
int proc_show_smaps(struct proc_text *text, const struct proc_node *node);
int proc_show_smaps_rollup(struct proc_text *text, const struct proc_node *node);
long proc_write_clear_refs(const struct proc_node *node, const char *text, size_t len);
long proc_read_pagemap(const struct proc_node *node, struct iov_user buf, size_t count, u64 *pos);
long proc_read_mem(const struct proc_node *node, struct iov_user buf, size_t count, u64 *pos);
long proc_write_mem(const struct proc_node *node, struct iov_user buf, size_t count, u64 *pos);

/* ../blockdev.c */
int proc_show_partitions(struct proc_text *text, const struct proc_node *node);
int proc_show_diskstats(struct proc_text *text, const struct proc_node *node);

/* fd.c */
bool proc_lookup_fd(const struct proc_node *dir, const char *name, size_t len,
		    struct proc_node *out);
bool proc_lookup_fdinfo(const struct proc_node *dir, const char *name, size_t len,
			struct proc_node *out);
void proc_iterate_fds(const struct proc_node *dir, struct dir_context *ctx);
void proc_iterate_fdinfos(const struct proc_node *dir, struct dir_context *ctx);
