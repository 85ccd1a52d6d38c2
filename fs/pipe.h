/* SPDX-License-Identifier: MIT */
/*
 * pipe.h: the inside of a pipe, for pipe.c (reading, writing, opening) and splice.c (moving
 * pages). pipe.c's opening comment has the picture.
 */
#pragma once

#include <fs/vfs.h>
#include <fs/wait.h>

struct pipe_slot {
	struct page *page; /* with a reference */
	unsigned int offset, len;
	/* of one write (O_DIRECT): nothing is appended, and one read is for it alone */
	bool packet;
	bool shared; /* others have the page, too: it is only read, and not used again */
};

struct pipe {
	struct mutex mutex;
	wait_queue_head_t readable, writable, openers;
	unsigned int head, tail; /* slots ever filled / emptied: used = head - tail */
	unsigned int nr_slots;	 /* a power of two */
	unsigned int readers, writers;
	unsigned int reader_opens, writer_opens; /* counts of opens, for those who wait for one */
	unsigned int users;			 /* users_lock (pipe.c): open files */
	struct page *spare;
	struct pipe_slot *slots;
	struct user_struct *user; /* (C) its maker, for whom nr_slots are counted */
};

/*
 * /proc/sys/fs: the largest size that F_SETPIPE_SZ gives, bytes; slots of a user's pipes (0: no
 * limit).
 */
extern int pipe_max_size, pipe_user_pages_soft, pipe_user_pages_hard;
/* pipe-max-size was written: round it up to a size that a pipe can have. */
void pipe_max_size_changed(void);

static inline bool pipe_empty(const struct pipe *pipe)
{
	return READ_ONCE(pipe->head) == READ_ONCE(pipe->tail);
}
static inline bool pipe_full(const struct pipe *pipe)
{
	return READ_ONCE(pipe->head) - READ_ONCE(pipe->tail) >= pipe->nr_slots;
}
static inline struct pipe_slot *pipe_slot_at(const struct pipe *pipe, unsigned int n)
{
	return &pipe->slots[n & (pipe->nr_slots - 1)];
}
/* The first slot is empty: its page goes. mutex held. */
void pipe_drop_slot(struct pipe *pipe);
