/* SPDX-License-Identifier: MIT */
/*
 * devices.c: the devices of memory (null, zero, full, random), the machine's byte streams
 * and the control device, and the tree /dev with all its nodes.
 *
 * Streams: /dev/stdio.in, .out and .err are the two ends that the host gives a program.
 * They carry bytes as they are and look like pipes (S_IFIFO), so that programs buffer and
 * page as they would in a pipeline. A reader or writer that finds the machine not ready
 * sleeps until the machine's notification; that comes with interrupts off and only wakes.
 *
 * Mapping /dev/zero privately is anonymous memory, shared a zero object of its own.
 * Writing a line to /dev/pagoda is a command to the kernel (report marks, exit status).
 *
 * Locking: none; the machine's streams have their own.
 */
#include <fs/vfs.h>
#include <fs/tty/tty.h>
#include <fs/wait.h>
#include <pagoda/machine.h>
#include <pagoda/mm.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <pagoda/bug.h>

#define MEM_MAJOR    1u
#define PAGODA_MAJOR 240u /* for local use, as Linux's list has it */

/* Bytes of random or zero data, or of a stream, moved through the stack at a time. */
#define CHUNK_BYTES 256ul

/* ---- null, zero, full, random ---------------------------------------------------------------- */

static long null_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	(void)file, (void)buf, (void)count, (void)pos;
	return 0;
}

static long null_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	(void)file, (void)buf, (void)pos;
	return (long)count;
}

static long full_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	(void)file, (void)buf, (void)count, (void)pos;
	return -ENOSPC;
}

/*
 * Fill a buffer piece by piece; put returns what it could not copy of n bytes at offset. A signal
 * ends it.
 */
static long produce(struct iov_user buf, size_t count, size_t piece,
		    size_t (*put)(struct iov_user buf, size_t offset, size_t n))
{
	size_t done = 0;

	while (done < count) {
		size_t n = min(count - done, piece), left = put(buf, done, n);

		done += n - left;
		if (left)
			return done ? (long)done : -EFAULT;
		if (fs_hook_signal_pending())
			break;
		port_cond_resched();
	}
	return (long)done;
}

static long zero_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	(void)file, (void)pos;
	return produce(buf, count, PAGE_SIZE, iov_clear);
}

static size_t put_random(struct iov_user buf, size_t offset, size_t n)
{
	u8 chunk[CHUNK_BYTES];

	machine_random(chunk, n);
	return iov_put(buf, offset, chunk, n);
}

static long random_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	(void)file, (void)pos;
	return produce(buf, count, CHUNK_BYTES, put_random);
}

static int zero_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vm_file *object;

	(void)file;
	if (!(vma->vm_flags & VM_SHARED)) {
		/* Private zeroes are plain anonymous memory. */
		put_vm_file(vma->vm_file);
		vma->vm_file = NULL;
		vma->vm_ops = NULL;
		vma->vm_pgoff = vma->vm_start >> PAGE_SHIFT;
		return 0;
	}
	/*
	 * As large as the mapping, from an offset of 0: what an offset leaves over is SIGBUS, as on
	 * Linux.
	 */
	object = shmem_zero_setup((u64)(vma->vm_end - vma->vm_start),
				  !(vma->vm_flags & VM_NORESERVE));
	if (!object)
		return -ENOMEM;
	put_vm_file(vma->vm_file);
	vma->vm_file = object;
	return object->f_vmops->mmap(object, vma);
}

static long kmsg_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	char line[CHUNK_BYTES + 1];
	size_t n = min(count, CHUNK_BYTES);

	(void)file, (void)pos;
	if (iov_get(buf, 0, line, n))
		return -EFAULT;
	line[n] = '\0';
	pr_info("%s%s", line, n && line[n - 1] == '\n' ? "" : "\n");
	return (long)count;
}

static const struct file_operations null_fops = {
	.read = null_read, .splice_out = true, .write = null_write, .llseek = noop_llseek};
static const struct file_operations zero_fops = {
	.read = zero_read, .write = null_write, .llseek = noop_llseek, .mmap = zero_mmap};
static const struct file_operations full_fops = {
	.read = zero_read, .write = full_write, .llseek = noop_llseek};
static const struct file_operations random_fops = {.read = random_read,
						   .splice_in = true,
						   .splice_out = true,
						   .write = null_write,
						   .llseek = noop_llseek};
static const struct file_operations kmsg_fops = {.write = kmsg_write, .llseek = noop_llseek};

static int memory_open(struct inode *inode, struct file *file)
{
	static const struct file_operations *const by_minor[] = {
		[3] = &null_fops,   [5] = &zero_fops,	[7] = &full_fops,
		[8] = &random_fops, [9] = &random_fops, [11] = &kmsg_fops,
	};
	unsigned int minor = MINOR(inode->i_rdev);

	if (minor >= ARRAY_SIZE(by_minor) || !by_minor[minor])
		return -ENXIO;
	file->f_op = by_minor[minor];
	return 0;
}

static const struct file_operations memory_fops = {.open = memory_open};
static struct chrdev memory_dev = {MEM_MAJOR, 0, 12, &memory_fops, NULL};

/* ---- Streams --------------------------------------------------------------------------------- */

static wait_queue_head_t stream_wait[NR_STREAMS];

static enum machine_stream stream_of(const struct file *file)
{
	return file->f_inode->i_private == 2 ? STREAM_STDERR : STREAM_STDIO;
}

static long stream_wait_until(struct file *file, bool (*ready)(enum machine_stream))
{
	enum machine_stream s = stream_of(file);

	if (file->f_flags & O_NONBLOCK)
		return -EAGAIN;
	return wait_event_interruptible(&stream_wait[s], ready(s));
}

static long stream_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	u8 chunk[CHUNK_BYTES];
	size_t done = 0;
	long n;

	(void)pos;
	while (done < count) {
		n = machine_stream_read(stream_of(file), chunk, min(count - done, CHUNK_BYTES));
		if (n > 0) {
			if (iov_put(buf, done, chunk, (size_t)n))
				return done ? (long)done : -EFAULT;
			done += (size_t)n;
			continue;
		}
		if (done || n < 0) /* the end of input is -EPIPE to the machine, 0 to us */
			break;
		n = stream_wait_until(file, machine_stream_readable);
		if (n)
			return n;
	}
	return (long)done;
}

/* All n bytes, sleeping as needed. Bytes or -errno. */
static long stream_put(struct file *file, const u8 *bytes, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t taken = machine_stream_write(stream_of(file), bytes + done, n - done);
		long ret;

		done += taken;
		if (taken)
			continue;
		ret = stream_wait_until(file, machine_stream_writable);
		if (ret)
			return done ? (long)done : ret;
	}
	return (long)done;
}

static long stream_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	size_t done = 0;
	long ret = 0;
	u8 *page;

	(void)pos;
	if (!count)
		return 0;
	page = kmalloc(min(count, PAGE_SIZE), GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	while (done < count && ret >= 0) {
		size_t n = min(count - done, PAGE_SIZE);

		if (iov_get(buf, done, page, n)) {
			ret = -EFAULT;
			break;
		}
		ret = stream_put(file, page, n);
		if (ret > 0)
			done += (size_t)ret;
		if (ret >= 0 && (size_t)ret < n)
			break;
	}
	kfree(page);
	return done ? (long)done : ret;
}

static unsigned int stream_poll(struct file *file, struct poll_table *pt)
{
	enum machine_stream s = stream_of(file);
	unsigned int mask = 0;

	poll_wait(&stream_wait[s], pt);
	if ((file->f_mode & FMODE_READ) && machine_stream_readable(s))
		mask |= POLLIN | POLLRDNORM;
	if ((file->f_mode & FMODE_WRITE) && machine_stream_writable(s))
		mask |= POLLOUT | POLLWRNORM;
	return mask;
}

static int stream_open(struct inode *inode, struct file *file)
{
	(void)inode;
	file->f_mode |= FMODE_STREAM;
	return 0;
}

static const struct file_operations stream_fops = {
	.splice_in = true,
	.splice_out = true,
	.open = stream_open,
	.read = stream_read,
	.write = stream_write,
	.poll = stream_poll,
};

/* From the machine, interrupts off. */
static void stream_notify(enum machine_stream s)
{
	if (s == STREAM_STDIO)
		console_notify();
	wake_up(&stream_wait[s]);
}

/* ---- The control device ---------------------------------------------------------------------- */

static long control_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	char line[CHUNK_BYTES + 1];
	size_t n = min(count, CHUNK_BYTES);
	long ret;

	(void)file, (void)pos;
	if (iov_get(buf, 0, line, n))
		return -EFAULT;
	while (n && line[n - 1] == '\n')
		n--;
	line[n] = '\0';
	ret = kernel_report_command(line, n);
	return ret < 0 ? ret : (long)count;
}

static const struct file_operations control_fops = {.write = control_write};
static struct chrdev control_dev = {PAGODA_MAJOR, 0, 1, &control_fops, NULL};

/* ---- /dev ------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	u32 mode;
	u64 dev;
} nodes[] = {
	{"null", S_IFCHR | 0666, MKDEV(MEM_MAJOR, 3)},
	{"zero", S_IFCHR | 0666, MKDEV(MEM_MAJOR, 5)},
	{"full", S_IFCHR | 0666, MKDEV(MEM_MAJOR, 7)},
	{"random", S_IFCHR | 0666, MKDEV(MEM_MAJOR, 8)},
	{"urandom", S_IFCHR | 0666, MKDEV(MEM_MAJOR, 9)},
	{"kmsg", S_IFCHR | 0644, MKDEV(MEM_MAJOR, 11)},
	{"tty", S_IFCHR | 0666, MKDEV(TTYAUX_MAJOR, 0)},
	{"console", S_IFCHR | 0600, MKDEV(TTYAUX_MAJOR, 1)},
	{"ptmx", S_IFCHR | 0666, MKDEV(TTYAUX_MAJOR, 2)},
	{"pagoda", S_IFCHR | 0600, MKDEV(PAGODA_MAJOR, 0)},
	{"pts", S_IFDIR | 0755, 0},
	{"shm", S_IFDIR | 01777, 0},
	{"stdio.in", S_IFIFO | 0666, 0},
	{"stdio.out", S_IFIFO | 0666, 1},
	{"stdio.err", S_IFIFO | 0666, 2},
};

static const struct {
	const char *name, *target;
} links[] = {
	{"fd", "/proc/self/fd"},
	{"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"},
};

/* A fifo made as a node becomes the stream of that number. */
static int make_stream(const char *name, unsigned long number)
{
	struct path path;
	int err = path_lookup(AT_FDCWD, name, 0, &path);

	if (err)
		return err;
	path.dentry->d_inode->i_private = number;
	path.dentry->d_inode->i_fop = &stream_fops;
	path_put(&path);
	return 0;
}

static int make_node(size_t i)
{
	char name[32];
	int err;

	pagoda_snprintf(name, sizeof(name), "/dev/%s", nodes[i].name);
	err = vfs_mknod(AT_FDCWD, name, nodes[i].mode, nodes[i].dev, NULL);
	if (!err && S_ISFIFO(nodes[i].mode))
		err = make_stream(name, nodes[i].dev);
	return err;
}

struct super_block *devtmpfs_mount(void)
{
	static struct super_block *sb; /* made at boot */

	if (sb)
		return sb;
	sb = tmpfs_mount("devtmpfs", "mode=755");
	if (!IS_ERR(sb))
		atomic_inc(&sb->s_mounts); /* ours: it stays when unmounted */
	return sb;
}

int devices_init(void)
{
	char name[32];
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(stream_wait); i++)
		init_waitqueue_head(&stream_wait[i]);
	register_chrdev(&memory_dev);
	register_chrdev(&control_dev);
	for (size_t i = 0; !err && i < ARRAY_SIZE(nodes); i++)
		err = make_node(i);
	if (!err)
		err = make_block_nodes();
	for (size_t i = 0; !err && i < ARRAY_SIZE(links); i++) {
		pagoda_snprintf(name, sizeof(name), "/dev/%s", links[i].name);
		err = vfs_mknod(AT_FDCWD, name, S_IFLNK | 0777, 0, links[i].target);
	}
	machine_stream_notify(stream_notify);
	return err;
}
