// SPDX-License-Identifier: MIT
/*
 * seq_file.c: reading a text file of /proc piece by piece.
 *
 * The text is a series of records: one a region for maps, one a line for vmstat, the whole for
 * status. An open file keeps one page of text at most, and only while some of it is unread:
 *
 *	records:   0 .. index-1            | index ...
 *	text:      read already | unread   | not yet printed
 *	                        ^ read_pos
 *
 * A read takes what is left in the page, then prints records into it until the read is satisfied
 * or the next record does not fit. That record is dropped and printed again by the next read, when
 * it shows what is true then. A record longer than the page gets twice the room until it fits
 * (the path of a mapped file; RECORD_MAX bounds it); the next page is an ordinary one again.
 *
 * A read at 0 begins anew. One at an offset where the last did not end (pread, lseek) prints the
 * text from the start and throws away what lies before, as the records' lengths are not known.
 *
 * Locking: open->lock around all of it: two threads may read one file. What the records need is
 * taken by begin() and dropped by end() before anything is copied to user memory.
 *
 * Failure: ENOMEM without a page; what begin() or print() say, if nothing was read before.
 */
#include <fs/proc/proc.h>
#include <pagoda/bug.h>
#include <pagoda/slab.h>

#define RECORD_MAX SZ_64K

void proc_free_text(struct proc_open *open)
{
	kfree(open->text.buf);
	open->text = (struct proc_text){NULL, 0, 0, false};
	open->from = 0;
}

/* An empty room of that size. 0 or -ENOMEM. */
static int make_room(struct proc_open *open, size_t room)
{
	proc_free_text(open);
	if (WARN_ON_ONCE(room > RECORD_MAX))
		return -ENOMEM;
	open->text.buf = kmalloc(room, GFP_KERNEL);
	if (!open->text.buf)
		return -ENOMEM;
	open->text.room = room;
	return 0;
}

/*
 * Print one record behind those that are there. 1, 0: there is none, -EOVERFLOW: it does not fit,
 * -errno.
 */
static int print_record(struct proc_open *open, const struct proc_records *records)
{
	struct proc_text *text = &open->text;
	size_t start = text->len;
	u64 index = open->index;
	int ret = records->print(text, open, &index);

	if (ret > 0 && !text->overflow) {
		open->index = index;
		return 1;
	}
	if (ret > 0)
		ret = -EOVERFLOW;
	text->len = start;
	text->overflow = false;
	return ret;
}

/*
 * Print records, up to wanted bytes, into the empty room. As print_record(): 1 if there is text,
 * and -EOVERFLOW if the first record does not fit.
 */
static int print_records(struct proc_open *open, const struct proc_records *records, size_t wanted)
{
	int ret = records->begin ? records->begin(open) : 0;

	if (ret)
		return ret;
	do
		ret = print_record(open, records);
	while (ret > 0 && open->text.len < wanted);
	if (records->end)
		records->end(open);
	return open->text.len ? 1 : ret;
}

/* The next piece of the text, all of it unread. 1, 0: the end, -errno. */
static int fill(struct proc_open *open, const struct proc_records *records, size_t wanted)
	MUST_HOLD(&open->lock)
{
	size_t room = PAGE_SIZE;
	int ret;

	lockdep_assert_held(&open->lock);
	VM_BUG_ON(open->from != open->text.len);
	do {
		ret = make_room(open, room);
		if (!ret)
			ret = print_records(open, records, wanted);
		room *= 2;
	} while (ret == -EOVERFLOW);
	return ret;
}

static void rewind_to_start(struct proc_open *open)
{
	proc_free_text(open);
	open->index = open->read_pos = 0;
}

/* Make pos the next byte to be read, or the end if that comes before. 0 or -errno. */
static int seek_to(struct proc_open *open, const struct proc_records *records, u64 pos)
	MUST_HOLD(&open->lock)
{
	u64 at = 0;
	int ret = 1;

	rewind_to_start(open);
	while (at < pos) {
		ret = fill(open, records, PAGE_SIZE);
		if (ret <= 0)
			break;
		open->from = (size_t)min_t(u64, open->text.len, pos - at);
		at += open->from;
		port_cond_resched();
	}
	if (ret < 0)
		rewind_to_start(open);
	else
		open->read_pos = pos;
	return min(ret, 0);
}

/* Copy unread text out, count bytes at most, to buf + offset; how many. */
static size_t take(struct proc_open *open, struct iov_user buf, size_t offset, size_t count)
{
	size_t n = min(count, open->text.len - open->from);

	if (!n)
		return 0;
	n -= iov_put(buf, offset, open->text.buf + open->from, n);
	open->from += n;
	return n;
}

/* Read where the last read ended: at most what is left and one more piece, as Linux does. */
static long read_on(struct proc_open *open, const struct proc_records *records, struct iov_user buf,
		    size_t count) MUST_HOLD(&open->lock)
{
	size_t done = take(open, buf, 0, count);
	int ret = 0;

	if (done < count && open->from == open->text.len) {
		ret = fill(open, records, count - done);
		if (ret > 0)
			done += take(open, buf, done, count - done);
	}
	open->read_pos += done;
	if (done)
		return (long)done;
	return open->from < open->text.len ? -EFAULT : ret;
}

long proc_read_records(struct proc_open *open, const struct proc_records *records,
		       struct iov_user buf, size_t count, u64 *pos)
{
	long ret = 0;

	if (!count)
		return 0;
	mutex_lock(&open->lock);
	if (*pos == 0)
		rewind_to_start(open);
	else if (*pos != open->read_pos)
		ret = seek_to(open, records, *pos);
	if (!ret)
		ret = read_on(open, records, buf, count);
	if (open->from == open->text.len)
		proc_free_text(open);
	if (ret > 0)
		*pos = open->read_pos;
	mutex_unlock(&open->lock);
	return ret;
}
