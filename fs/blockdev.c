/* SPDX-License-Identifier: MIT */
/*
 * blockdev.c: block devices as files: /dev/vda and the like, /proc/partitions, /proc/diskstats.
 *
 * A node's major:minor finds the device. Reading and writing go through pages of
 * the call's own, CHUNK_PAGES at a time, one bio a page under a plug, so that the block layer
 * makes few requests of them:
 *
 *	read	device -> pages -> user
 *	write	user -> pages -> device; if it begins or ends inside a sector, those pages are
 *		filled from the device first
 *
 * Nothing is cached: a write has reached the device, though perhaps only its write cache, when
 * the call returns, and fsync flushes that. Errors are therefore the call's own. What a
 * mounted file system caches of the same device is not seen here, nor told.
 *
 * Locking: the node's i_rwsem for writing, so that two writes inside one sector both count.
 * Failure: -ENXIO no such device, -EACCES writing to a read-only one, -ENOSPC at its end, -EIO,
 * -ENOMEM if not even one page is there. Bytes done before come first.
 * Observability: /proc/diskstats, Linux's columns; the time that a device was busy at all shows as 0.
 */
#include <fs/proc/proc.h>
#include <fs/vfs.h>
#include <pagoda/blkdev.h>
#include <pagoda/bug.h>
#include <pagoda/highmem.h>
#include <pagoda/page_alloc.h>
#include <pagoda/uaccess.h>

#define CHUNK_PAGES   32u
#define NSEC_PER_MSEC 1000000ull

#define BLKROGET     0x125eu
#define BLKGETSIZE   0x1260u
#define BLKFLSBUF    0x1261u
#define BLKSSZGET    0x1268u
#define BLKBSZGET    0x80081270u
#define BLKGETSIZE64 0x80081272u
#define BLKPBSZGET   0x127bu

static struct block_device *bdev_of(const struct file *file)
{
	return file->private_data;
}

static u64 bdev_bytes(const struct block_device *bdev)
{
	return bdev->nr_sectors << SECTOR_SHIFT;
}

/* ---- Many bios at once ---------------------------------------------------------------------- */

struct batch {
	atomic_t pending;
	int error;
};

static wait_queue_head_t batch_wait = WAIT_QUEUE_HEAD_INIT(batch_wait);

/* The batch may be gone once the count is 0: only its address is used then. */
static void end_one(struct batch *batch)
{
	if (atomic_dec_and_test(&batch->pending))
		wake_up_key(&batch_wait, batch);
}

static void end_batch_bio(struct bio *bio)
{
	struct batch *batch = bio->private;

	if (bio->error)
		WRITE_ONCE(batch->error, bio->error);
	bio_put(bio);
	end_one(batch);
}

static void wait_for_batch(struct batch *batch)
{
	struct wait_queue_entry entry;

	end_one(batch);
	prepare_to_wait(&batch_wait, &entry, batch);
	while (atomic_read(&batch->pending))
		port_park(UINT64_MAX);
	finish_wait(&batch_wait, &entry);
}

/* Bytes [pos, pos + n) of the device, whole sectors, between it and the pages. May sleep. */
static int transfer(struct block_device *bdev, enum bio_op op, u64 pos, struct page **pages, size_t n)
{
	struct batch batch = { ATOMIC_INIT(1), 0 }; /* ours */

	blk_start_plug();
	for (size_t at = 0; at < n; at += PAGE_SIZE) {
		struct bio *bio = bio_alloc(bdev, op, (pos + at) >> SECTOR_SHIFT, 1, GFP_NOIO);

		bio->private = &batch;
		bio->end_io = end_batch_bio;
		BUG_ON(!bio_add_page(bio, pages[at >> PAGE_SHIFT], 0,
				     (unsigned int)min(n - at, PAGE_SIZE)));
		atomic_inc(&batch.pending);
		submit_bio(bio);
	}
	blk_finish_plug();
	wait_for_batch(&batch);
	return batch.error;
}

/* ---- Reading and writing ----------------------------------------------------------------------- */

/* A piece of one call: bytes [pos, pos + len) lie in the pages from `skip` on. */
struct chunk {
	struct block_device *bdev;
	struct page *pages[CHUNK_PAGES];
	unsigned int nr_pages;
	u64 pos;
	size_t len, skip;
};

static size_t chunk_bytes(const struct chunk *c)
{
	return ALIGN(c->skip + c->len, (size_t)SECTOR_SIZE);
}

static void free_chunk(struct chunk *c)
{
	while (c->nr_pages)
		__free_page(c->pages[--c->nr_pages]);
}

/* Pages for at most count bytes at pos; fewer if memory is short. */
static int get_chunk(struct chunk *c, u64 pos, size_t count)
{
	size_t room;

	c->nr_pages = 0;
	c->pos = pos;
	c->skip = pos & (SECTOR_SIZE - 1);
	while (c->nr_pages < CHUNK_PAGES && c->nr_pages * PAGE_SIZE < c->skip + count) {
		struct page *page = alloc_page(c->nr_pages ? GFP_USER | __GFP_NOWARN : GFP_USER);

		if (!page)
			break;
		c->pages[c->nr_pages++] = page;
	}
	room = c->nr_pages * PAGE_SIZE;
	if (!room)
		return -ENOMEM;
	c->len = min(count, room - c->skip);
	return 0;
}

/* Copy between the chunk and the buffer from done on; false: a fault. */
static bool copy_chunk(struct chunk *c, enum bio_op op, struct iov_user buf, size_t done)
{
	for (size_t at = 0; at < c->len;) {
		size_t where = c->skip + at, offset = where & ~PAGE_MASK;
		size_t n = min(c->len - at, PAGE_SIZE - offset), left;
		char *bytes = page_address(c->pages[where >> PAGE_SHIFT]);

		left = op == BIO_READ ? iov_put(buf, done + at, bytes + offset, n) :
					iov_get(buf, done + at, bytes + offset, n);
		if (left)
			return false;
		at += n;
	}
	return true;
}

static int read_chunk(struct chunk *c, struct iov_user buf, size_t done)
{
	int err = transfer(c->bdev, BIO_READ, c->pos - c->skip, c->pages, chunk_bytes(c));

	return err ? err : copy_chunk(c, BIO_READ, buf, done) ? 0 : -EFAULT;
}

static int write_chunk(struct chunk *c, struct iov_user buf, size_t done)
{
	size_t bytes = chunk_bytes(c);
	int err = 0;

	if (c->len != bytes)
		err = transfer(c->bdev, BIO_READ, c->pos - c->skip, c->pages, bytes);
	if (!err && !copy_chunk(c, BIO_WRITE, buf, done))
		err = -EFAULT;
	return err ? err : transfer(c->bdev, BIO_WRITE, c->pos - c->skip, c->pages, bytes);
}

/* Chunk by chunk until count, an error or a signal. Bytes done, or -errno if none. */
static long read_or_write(struct file *file, enum bio_op op, struct iov_user buf, size_t count, u64 *pos)
{
	struct chunk chunk = { .bdev = bdev_of(file) };
	size_t done = 0;
	int err = 0;

	count = (size_t)min_t(u64, count, bdev_bytes(chunk.bdev) - *pos);
	while (done < count && !err) {
		err = get_chunk(&chunk, *pos, count - done);
		if (!err)
			err = op == BIO_READ ? read_chunk(&chunk, buf, done) : write_chunk(&chunk, buf, done);
		free_chunk(&chunk);
		if (err)
			break;
		done += chunk.len;
		*pos += chunk.len;
		if (fs_hook_signal_pending())
			err = -EINTR;
	}
	return done ? (long)done : err;
}

static long block_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	if (*pos >= bdev_bytes(bdev_of(file)))
		return 0;
	return read_or_write(file, BIO_READ, buf, count, pos);
}

static int flush(struct block_device *bdev)
{
	struct bio *bio = bio_alloc(bdev, BIO_FLUSH, 0, 1, GFP_NOIO);
	int err = submit_bio_wait(bio);

	bio_put(bio);
	return err;
}

static long block_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct block_device *bdev = bdev_of(file);
	long ret;
	int err = 0;

	if (!count)
		return 0;
	if (*pos >= bdev_bytes(bdev))
		return -ENOSPC;
	down_write(&file->f_inode->i_rwsem);
	ret = read_or_write(file, BIO_WRITE, buf, count, pos);
	up_write(&file->f_inode->i_rwsem);
	if (ret > 0 && (file->f_flags & O_DSYNC))
		err = flush(bdev);
	return err ? err : ret;
}

static int block_fsync(struct file *file)
{
	return flush(bdev_of(file));
}

static s64 block_llseek(struct file *file, s64 offset, int whence)
{
	s64 size = (s64)bdev_bytes(bdev_of(file));

	if (whence == SEEK_END)
		offset += size;
	else if (whence == SEEK_CUR)
		offset += (s64)file->f_pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (offset < 0 || offset > size)
		return -EINVAL;
	file->f_pos = (u64)offset;
	return offset;
}

static long block_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct block_device *bdev = bdev_of(file);

	switch (cmd) {
	case BLKROGET:
		return put_user((int)bdev->read_only, arg);
	case BLKGETSIZE:
		return put_user((unsigned long)bdev->nr_sectors, arg);
	case BLKGETSIZE64:
		return put_user(bdev_bytes(bdev), arg);
	case BLKSSZGET:
	case BLKPBSZGET:
		return put_user((int)SECTOR_SIZE, arg);
	case BLKBSZGET:
		return put_user((int)PAGE_SIZE, arg);
	case BLKFLSBUF:
		return fs_capable() ? flush(bdev) : -EACCES;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations block_fops = {
	.read = block_read,
	.write = block_write,
	.llseek = block_llseek,
	.ioctl = block_ioctl,
	.fsync = block_fsync,
};

static int block_open(struct inode *inode, struct file *file)
{
	struct block_device *bdev = NULL;

	while ((bdev = next_block_device(bdev)) && bdev->dev != inode->i_rdev)
		;
	if (!bdev)
		return -ENXIO;
	if (bdev->read_only && (file->f_mode & FMODE_WRITE))
		return -EACCES;
	file->private_data = bdev;
	file->f_op = &block_fops;
	return 0;
}

const struct file_operations blkdev_fops = { .open = block_open };

int make_block_nodes(void)
{
	struct block_device *bdev = NULL;
	int err = 0;

	while (!err && (bdev = next_block_device(bdev))) {
		char name[32];

		pagoda_snprintf(name, sizeof(name), "/dev/%s", bdev->name);
		err = vfs_mknod(AT_FDCWD, name, S_IFBLK | 0660, bdev->dev, NULL);
	}
	return err;
}

/* ---- /proc ---------------------------------------------------------------------------------------- */

int proc_show_partitions(struct proc_text *t, const struct proc_node *node)
{
	struct block_device *bdev = NULL;

	(void)node;
	proc_printf(t, "major minor  #blocks  name\n\n");
	while ((bdev = next_block_device(bdev)))
		proc_printf(t, "%4u %7u %10llu %s\n", MAJOR(bdev->dev), MINOR(bdev->dev),
			    (unsigned long long)(bdev->nr_sectors / 2), bdev->name);
	return 0;
}

static unsigned long long ms_spent(const struct block_device *bdev, enum bio_op op)
{
	return READ_ONCE(bdev->ns_spent[op]) / NSEC_PER_MSEC;
}

/* Transfers done, of them joined to another, sectors, ms. */
static void show_direction(struct proc_text *t, const struct block_device *bdev, enum bio_op op)
{
	unsigned long bios = READ_ONCE(bdev->nr_bios[op]), requests = READ_ONCE(bdev->nr_requests[op]);

	proc_printf(t, " %lu %lu %llu %llu", requests, bios > requests ? bios - requests : 0,
		    (unsigned long long)READ_ONCE(bdev->sectors_done[op]), ms_spent(bdev, op));
}

int proc_show_diskstats(struct proc_text *t, const struct proc_node *node)
{
	struct block_device *bdev = NULL;

	(void)node;
	while ((bdev = next_block_device(bdev))) {
		proc_printf(t, "%4u %7u %s", MAJOR(bdev->dev), MINOR(bdev->dev), bdev->name);
		show_direction(t, bdev, BIO_READ);
		show_direction(t, bdev, BIO_WRITE);
		proc_printf(t, " %u 0 %llu 0 0 0 0 %lu %llu\n", READ_ONCE(bdev->nr_in_flight),
			    ms_spent(bdev, BIO_READ) + ms_spent(bdev, BIO_WRITE) + ms_spent(bdev, BIO_FLUSH),
			    READ_ONCE(bdev->nr_requests[BIO_FLUSH]), ms_spent(bdev, BIO_FLUSH));
	}
	return 0;
}
