/* SPDX-License-Identifier: MIT */
/*
 * disk_files.c: block devices as files: /dev/vda and the like, /proc/partitions, /proc/diskstats.
 *
 * A node's major:minor finds the device. Its file is the device's page cache
 * (mm/cache/device_cache.c):
 *
 *	read, write, mmap -> bd_mapping's pages <- ext2's metadata buffers
 *
 * Writing dirties pages, which go to the disk like a file's: some time, with fsync, or at the last
 * close. O_DIRECT goes past these pages (mm/cache/direct_io.c), and the disk's error is the call's
 * own.
 *
 * Each open file is a user of the device; with O_EXCL it claims it, as mounts and swap areas do:
 * EBUSY if somebody has it so already. A disk that is swapped to is not written: ETXTBSY.
 *
 * Locking: none of its own; page locks order writes to the same page.
 * Failure: -ENXIO no such device, -EACCES writing to a read-only one, -EBUSY, -ENOSPC at its end,
 * -EIO (reading; writing is told by fsync, once to each open file), -ENOMEM. Bytes done before come
 * first.
 * Observability: /proc/diskstats, Linux's columns; the time that a device was busy at all shows as
 * 0.
 */
#include <fs/proc/proc.h>
#include <fs/vfs.h>
#include <pagoda/buffer_head.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>

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

/* ---- Reading and writing --------------------------------------------------------------------- */

static long block_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	return file_read(file, buf, count, pos);
}

/* Written bytes [pos, pos + n): on the disk, if the file was opened for that. */
static int finish_write(struct file *file, u64 pos, size_t n)
{
	int err;

	if (!(file->f_flags & O_DSYNC))
		return 0;
	err = generic_file_fsync(&file->vm, pos, pos + n - 1);
	return err ? err : blkdev_flush(bdev_of(file));
}

static long block_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	u64 size = bdev_bytes(bdev_of(file));
	int err = 0;
	long ret;

	if (file->f_flags & O_APPEND)
		*pos = size;
	if (!count)
		return 0;
	if (READ_ONCE(bdev_of(file)->bd_swap))
		return -ETXTBSY;
	if (*pos >= size)
		return -ENOSPC;
	count = (size_t)min_t(u64, count, size - *pos);
	ret = file_write(file, buf, count, pos);
	if (ret > 0)
		err = finish_write(file, *pos - (u64)ret, (size_t)ret);
	return err ? err : ret;
}

static int block_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long stores = VM_SHARED | VM_WRITE;

	if ((vma->vm_flags & stores) == stores && READ_ONCE(bdev_of(file)->bd_swap))
		return -ETXTBSY;
	return generic_file_mmap(&file->vm, vma);
}

static int block_fsync(struct file *file, u64 start, u64 end, bool datasync)
{
	int err = generic_file_fsync(&file->vm, start, end);
	int flush_err = blkdev_flush(bdev_of(file));

	(void)datasync; /* there is no inode to write */
	return err ? err : flush_err;
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

/* BLKFLSBUF: nothing is cached that the disk has not, nor, unless it is in use, what it has. */
static long flush_buffers(struct address_space *mapping)
{
	int err = fs_capable(CAP_SYS_ADMIN) ? filemap_write_and_wait(mapping) : -EACCES;

	if (!err)
		(void)invalidate_mapping_pages(mapping, 0, ~0ul);
	return err;
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
		return put_user((int)blkdev_block_size(bdev), arg);
	case BLKFLSBUF:
		return flush_buffers(file->vm.f_mapping);
	default:
		return -ENOTTY;
	}
}

static void block_release(struct file *file)
{
	struct block_device *bdev = bdev_of(file);

	blkdev_put(bdev, READ_ONCE(bdev->holder) == file ? file : NULL);
}

static const struct file_operations block_fops = {
	.splice_in = true,
	.splice_out = true,
	.read = block_read,
	.write = block_write,
	.mmap = block_mmap,
	.llseek = block_llseek,
	.ioctl = block_ioctl,
	.fsync = block_fsync,
	.release = block_release,
};

static int block_open(struct inode *inode, struct file *file)
{
	struct block_device *bdev = NULL;
	bool exclusive = file->f_flags & O_EXCL;
	int err;

	while ((bdev = next_block_device(bdev)) && bdev->dev != inode->i_rdev)
		;
	if (!bdev)
		return -ENXIO;
	if (bdev->read_only && (file->f_mode & FMODE_WRITE))
		return -EACCES;
	err = blkdev_get(bdev, exclusive ? file : NULL);
	if (err)
		return err;
	file->vm.f_mapping = blkdev_mapping(bdev);
	if (!file->vm.f_mapping) {
		blkdev_put(bdev, exclusive ? file : NULL);
		return -ENOMEM;
	}
	file->private_data = bdev;
	file->f_op = &block_fops;
	return 0;
}

const struct file_operations blkdev_fops = {.open = block_open};

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

/* ---- /proc ----------------------------------------------------------------------------------- */

/* Disks are few, and there are no more of them after boot. NULL: there is no n-th. */
static struct block_device *nth_block_device(u64 n)
{
	struct block_device *bdev = next_block_device(NULL);

	for (; bdev && n; n--)
		bdev = next_block_device(bdev);
	return bdev;
}

static int print_partition(struct proc_text *t, struct proc_open *open, u64 *index)
{
	const struct block_device *bdev = nth_block_device(*index);

	(void)open;
	if (*index == 0)
		proc_printf(t, "major minor  #blocks  name\n\n");
	if (!bdev)
		return 0;
	proc_printf(t, "%4u %7u %10llu %s\n", MAJOR(bdev->dev), MINOR(bdev->dev),
		    (unsigned long long)(bdev->nr_sectors / 2), bdev->name);
	++*index;
	return 1;
}
const struct proc_records proc_partitions_records = {.print = print_partition};

static unsigned long long ms_spent(const struct block_device *bdev, enum bio_op op)
{
	return READ_ONCE(bdev->ns_spent[op]) / NSEC_PER_MSEC;
}

/* Transfers done, of them joined to another, sectors, ms. */
static void show_direction(struct proc_text *t, const struct block_device *bdev, enum bio_op op)
{
	unsigned long bios = READ_ONCE(bdev->nr_bios[op]),
		      requests = READ_ONCE(bdev->nr_requests[op]);

	proc_printf(t, " %lu %lu %llu %llu", requests, bios > requests ? bios - requests : 0,
		    (unsigned long long)READ_ONCE(bdev->sectors_done[op]), ms_spent(bdev, op));
}

static int print_diskstats(struct proc_text *t, struct proc_open *open, u64 *index)
{
	const struct block_device *bdev = nth_block_device((*index)++);

	(void)open;
	if (!bdev)
		return 0;
	proc_printf(t, "%4u %7u %s", MAJOR(bdev->dev), MINOR(bdev->dev), bdev->name);
	show_direction(t, bdev, BIO_READ);
	show_direction(t, bdev, BIO_WRITE);
	proc_printf(t, " %u 0 %llu 0 0 0 0 %lu %llu\n", READ_ONCE(bdev->nr_in_flight),
		    ms_spent(bdev, BIO_READ) + ms_spent(bdev, BIO_WRITE) +
			    ms_spent(bdev, BIO_FLUSH),
		    READ_ONCE(bdev->nr_requests[BIO_FLUSH]), ms_spent(bdev, BIO_FLUSH));
	return 1;
}
const struct proc_records proc_diskstats_records = {.print = print_diskstats};
