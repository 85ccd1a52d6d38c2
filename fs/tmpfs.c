/* SPDX-License-Identifier: MIT */
/*
 * tmpfs.c: a file system whose names live in the dentry tree and whose data lives in the
 * page cache, and in swap.
 *
 * A regular file is its inode's address_space: a page exists where something was written
 * or mapped, the rest reads as zero. Pages hold the data; under pressure they go to swap, and
 * come back when they are read, written or mapped (mm/shmem_swap.c). A directory is a
 * dentry with children; a symbolic link a string.
 *
 * Limits: a file system may have at most max_pages of data, by default half of the RAM
 * (size= of mount(2)); ENOSPC above. The count is taken before a page is made, from the
 * number of missing pages in the range written. Mapped files grow by faults, which count,
 * too: SIGBUS above. Each regular file's i_private says how many of its pages the file system
 * has counted; faults and calls that are under way at once may exceed the limit by a page each.
 *
 * Locking: i_rwsem (writers, truncation); reading needs none, as the page cache has its
 * own. Failure: ENOMEM, ENOSPC, EFBIG; a write that fails half-way has written its part.
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/uaccess.h>
#include <pagoda/bug.h>

#define TMPFS_MAGIC	  0x01021994u
#define DEFAULT_SHARE	  2 /* of the RAM that one file system may fill: 1 / this */

struct tmpfs {
	unsigned long max_pages;
	bool explicit_size;
	atomic_long_t pages; /* the sum of all files' i_private */
	atomic_long_t inodes;
};

static struct tmpfs *tmpfs_of(const struct super_block *sb)
{
	return sb->s_info;
}

static const struct inode_operations tmpfs_dir_iops, tmpfs_file_iops, tmpfs_link_iops,
	tmpfs_special_iops;
static const struct file_operations tmpfs_dir_ops;

/* ---- Inodes --------------------------------------------------------------------------------- */

static int set_link_target(struct inode *inode, const char *target)
{
	inode->i_link = kstrdup(target, GFP_KERNEL);
	if (!inode->i_link)
		return -ENOMEM;
	inode->i_size = strlen(target);
	inode->i_op = &tmpfs_link_iops;
	return 0;
}

struct inode *tmpfs_new_inode(struct super_block *sb, u32 mode, u64 rdev, const char *target)
{
	struct inode *inode = new_inode(sb, mode);

	if (!inode)
		return ERR_PTR(-ENOMEM);
	atomic_long_inc(&tmpfs_of(sb)->inodes);
	switch (mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &tmpfs_file_iops;
		inode->i_fop = &tmpfs_file_ops;
		inode->i_data.a_ops = &shmem_aops;
		inode->i_data.shmem = true;
		break;
	case S_IFDIR:
		inode->i_op = &tmpfs_dir_iops;
		inode->i_fop = &tmpfs_dir_ops;
		inode->i_nlink = 2;
		break;
	case S_IFLNK:
		if (set_link_target(inode, target)) {
			iput(inode);
			return ERR_PTR(-ENOMEM);
		}
		break;
	default:
		inode->i_op = &tmpfs_special_iops;
		init_special_inode(inode, mode, rdev);
	}
	return inode;
}

static struct inode *tmpfs_create(struct inode *dir, u32 mode, u64 rdev, const char *target)
{
	struct inode *inode = tmpfs_new_inode(dir->i_sb, mode, rdev, target);

	if (!IS_ERR(inode))
		inode_inherit_group(inode, dir);
	return inode;
}

static void tmpfs_evict(struct inode *inode)
{
	struct tmpfs *tmpfs = tmpfs_of(inode->i_sb);

	atomic_long_dec(&tmpfs->inodes);
	if (S_ISLNK(inode->i_mode))
		kfree(inode->i_link);
	if (S_ISREG(inode->i_mode)) {
		truncate_inode_pages(&inode->i_data, 0);
		atomic_long_sub(&tmpfs->pages, (long)inode->i_private);
	}
}

static long tmpfs_readlink(struct dentry *dentry, char *buf, size_t size)
{
	size_t len = min(strlen(dentry->d_inode->i_link), size);

	memcpy(buf, dentry->d_inode->i_link, len);
	return (long)len;
}

/* ---- Size ------------------------------------------------------------------------------------ */

/* Bring the file system's count up to what the file has. */
static void note_pages(struct inode *inode)
{
	unsigned long pages = mapping_data_pages(&inode->i_data); /* faults may add to it */
	unsigned long counted = __atomic_exchange_n(&inode->i_private, pages, __ATOMIC_RELAXED);

	if (pages != counted)
		atomic_long_add(&tmpfs_of(inode->i_sb)->pages, (long)(pages - counted));
}

/*
 * A cut inside a page zeroes a part of it, for which a swapped one is read first. It is held then, so
 * that it stays. NULL: there is nothing to be zeroed; ERR_PTR(-ENOMEM, -EIO).
 */
static struct page *hold_edge(struct inode *inode, u64 pos)
{
	pgoff_t index = (pgoff_t)(pos >> PAGE_SHIFT);

	if (!(pos & (PAGE_SIZE - 1)) || !page_cache_has(&inode->i_data, index))
		return NULL;
	return read_cache_page(&inode->i_data, NULL, index);
}

static void drop_edge(struct page *edge)
{
	if (!IS_ERR(edge) && edge)
		put_page(edge);
}

/* Bytes [start, end) become zero, and their pages go. 0, -ENOMEM, -EIO: nothing was done. */
static int cut_range(struct inode *inode, u64 start, u64 end)
{
	struct page *head = hold_edge(inode, start), *tail = hold_edge(inode, end);
	int err = IS_ERR(head) ? (int)PTR_ERR(head) : IS_ERR(tail) ? (int)PTR_ERR(tail) : 0;

	if (!err)
		truncate_inode_pages_range(&inode->i_data, start, end);
	drop_edge(head);
	drop_edge(tail);
	return err;
}

/*
 * Extending a file must show zeroes. Bytes past the end of its last page can be other than
 * zero only if somebody mapped it shared and wrote there.
 */
static int clear_old_tail(struct inode *inode)
{
	u64 size = inode->i_size, end = ALIGN(size, (u64)PAGE_SIZE);

	if (size == end || !inode->i_data.i_mmap_shared.node)
		return 0;
	return cut_range(inode, size, end);
}

#define F_SEAL_SEAL   1u
#define F_SEAL_SHRINK 2u
#define F_SEAL_GROW   4u
#define F_SEAL_WRITE  8u
#define F_SEAL_FUTURE_WRITE 16u

static int tmpfs_setsize(struct inode *inode, u64 size)
{
	u64 old = inode->i_size;
	struct page *edge;
	int err;

	if ((size < old && (inode->i_seals & F_SEAL_SHRINK)) ||
	    (size > old && (inode->i_seals & F_SEAL_GROW)))
		return -EPERM;
	if (size > old) {
		err = clear_old_tail(inode);
		if (!err)
			WRITE_ONCE(inode->i_size, size);
		return err;
	}
	edge = hold_edge(inode, size);
	if (IS_ERR(edge))
		return (int)PTR_ERR(edge);
	WRITE_ONCE(inode->i_size, size);
	truncate_inode_pages(&inode->i_data, size);
	drop_edge(edge);
	note_pages(inode);
	return 0;
}

/* Is there room for the pages of [pos, pos + count)? All are counted as new: a bound. */
static bool has_room(struct inode *inode, u64 pos, size_t count)
{
	struct tmpfs *tmpfs = tmpfs_of(inode->i_sb);
	unsigned long used = (unsigned long)atomic_long_read(&tmpfs->pages);
	unsigned long want = (unsigned long)(((pos + count - 1) >> PAGE_SHIFT) - (pos >> PAGE_SHIFT) + 1);

	return used + want <= tmpfs->max_pages || used + want < used;
}

/* Near the limit, page by page: is the page at pos there, or room for one? */
static size_t writable_bytes(struct inode *inode, u64 pos, size_t count)
{
	size_t n = min(count, PAGE_SIZE - (pos & (PAGE_SIZE - 1)));

	if (has_room(inode, pos, count))
		return count;
	if (!page_cache_has(&inode->i_data, pos >> PAGE_SHIFT) && !has_room(inode, pos, n))
		return 0;
	return n;
}

/* ---- Reading and writing ------------------------------------------------------------------------ */

static long tmpfs_read(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	long ret = generic_file_read(&file->vm, buf, count, pos);

	file_accessed(file);
	return ret;
}

/*
 * A write that extends the file goes page by page, the size following: the buffer may be
 * mapped from what the file has just got.
 */
static size_t piece_to_write(const struct inode *inode, u64 pos, size_t count)
{
	return pos + count <= inode->i_size ? count : min_t(u64, count, PAGE_SIZE - (pos & (PAGE_SIZE - 1)));
}

static long write_pages(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct inode *inode = file->f_inode;
	long done = 0;

	while ((size_t)done < count) {
		size_t n = writable_bytes(inode, *pos, piece_to_write(inode, *pos, count - (size_t)done));
		struct iov_user rest = { buf.addr + (size_t)done, buf.kernel };
		long ret = n ? generic_file_write(&file->vm, rest, n, pos) : -ENOSPC;

		note_pages(inode);
		if (ret < 0)
			return done ? done : ret;
		done += ret;
		if (*pos > inode->i_size)
			WRITE_ONCE(inode->i_size, *pos);
		else if ((size_t)ret < n)
			break;
	}
	return done;
}

static long tmpfs_write(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct inode *inode = file->f_inode;
	long ret;

	if (!count)
		return 0;
	down_write(&inode->i_rwsem);
	if (file->f_flags & O_APPEND)
		*pos = inode->i_size;
	ret = inode_limit_write(inode, *pos, &count);
	if (!ret && (inode->i_seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		ret = -EPERM;
	if (!ret && *pos + count > inode->i_size && (inode->i_seals & F_SEAL_GROW))
		ret = -EPERM;
	if (!ret && *pos > inode->i_size)
		ret = clear_old_tail(inode);
	if (!ret) {
		ret = write_pages(file, buf, count, pos);
		if (ret > 0)
			file_update_time(file);
	}
	up_write(&inode->i_rwsem);
	return ret;
}

/* Make every page of [offset, end) present. */
static long allocate_pages(struct inode *inode, u64 offset, u64 end)
{
	for (unsigned long index = offset >> PAGE_SHIFT; PFN_PHYS(index) < end; index++) {
		struct page *page;

		if (!writable_bytes(inode, PFN_PHYS(index), 1))
			return -ENOSPC;
		page = read_cache_page(&inode->i_data, NULL, index);
		if (IS_ERR(page))
			return PTR_ERR(page);
		put_page(page);
		note_pages(inode);
		if (fs_hook_signal_pending())
			return -EINTR;
		port_cond_resched();
	}
	return 0;
}

static long punch_hole(struct inode *inode, u64 offset, u64 end)
{
	int err;

	if (inode->i_seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	err = cut_range(inode, offset, end);
	note_pages(inode);
	return err;
}

static long allocate(struct inode *inode, int mode, u64 offset, u64 end)
{
	long ret;

	if (end > inode->i_size && (inode->i_seals & F_SEAL_GROW))
		return -EPERM;
	ret = allocate_pages(inode, offset, end);
	if (!ret && !(mode & FALLOC_FL_KEEP_SIZE) && end > inode->i_size)
		WRITE_ONCE(inode->i_size, end);
	return ret;
}

static long tmpfs_fallocate(struct file *file, int mode, u64 offset, u64 len)
{
	struct inode *inode = file->f_inode;
	u64 end = offset + len;
	long ret;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	down_write(&inode->i_rwsem);
	ret = mode & FALLOC_FL_PUNCH_HOLE ? punch_hole(inode, offset, end) : allocate(inode, mode, offset, end);
	if (!ret)
		inode->i_ctime = inode->i_mtime = current_time_ns();
	up_write(&inode->i_rwsem);
	return ret;
}

/* A page more, if the file system has room for it or has it. */
static vm_fault_t tmpfs_nopage(struct vm_fault *vmf)
{
	struct inode *inode = file_of(vmf->vma->vm_file)->f_inode;
	vm_fault_t fault;

	if (!writable_bytes(inode, (u64)vmf->pgoff << PAGE_SHIFT, PAGE_SIZE))
		return VM_FAULT_SIGBUS;
	fault = filemap_nopage(vmf);
	if (!(fault & VM_FAULT_RETRY)) /* else the mapping, and with it the file, may be gone; the next try counts */
		note_pages(inode);
	return fault;
}

static const struct vm_operations_struct tmpfs_vm_ops = {
	.nopage = tmpfs_nopage,
	.ready_pages = filemap_ready_pages,
	.page_mkwrite = filemap_page_mkwrite,
};

static int tmpfs_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned int seals = file->f_inode->i_seals;

	if ((seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) && (vma->vm_flags & VM_SHARED)) {
		if (vma->vm_flags & VM_WRITE)
			return -EPERM;
		vma->vm_flags &= ~VM_MAYWRITE;
	}
	vma->vm_ops = &tmpfs_vm_ops;
	return 0;
}

static int tmpfs_fsync(struct file *file, u64 start, u64 end, bool datasync)
{
	(void)file;
	(void)start;
	(void)end;
	(void)datasync;
	return 0;
}

/* ---- The file system ------------------------------------------------------------------------------ */

static int tmpfs_statfs(struct super_block *sb, struct statfs64 *st)
{
	struct tmpfs *tmpfs = tmpfs_of(sb);
	unsigned long used = (unsigned long)max(atomic_long_read(&tmpfs->pages), 0l);

	st->f_blocks = tmpfs->max_pages;
	st->f_bfree = st->f_bavail = tmpfs->max_pages - min(used, tmpfs->max_pages);
	st->f_files = totalram_pages();
	st->f_ffree = st->f_files - min_t(u64, st->f_files, (u64)atomic_long_read(&tmpfs->inodes));
	return 0;
}

static void tmpfs_show_options(struct super_block *sb, char *buf, size_t size)
{
	struct tmpfs *tmpfs = tmpfs_of(sb);

	if (tmpfs->explicit_size)
		pagoda_snprintf(buf, size, ",size=%luk", tmpfs->max_pages * (PAGE_SIZE / SZ_1K));
}

static const struct super_operations tmpfs_super_ops = {
	.evict = tmpfs_evict,
	.statfs = tmpfs_statfs,
	.show_options = tmpfs_show_options,
};

/* "123", "4k", "16m", "1g", "50%" (of RAM) to pages; 0: not a size. */
static unsigned long parse_size(const char *text)
{
	unsigned long n = 0;

	while (*text >= '0' && *text <= '9')
		n = n * 10 + (unsigned long)(*text++ - '0');
	switch (*text) {
	case '%':
		return totalram_pages() * n / 100;
	case 'k':
	case 'K':
		n *= SZ_1K;
		break;
	case 'm':
	case 'M':
		n *= SZ_1M;
		break;
	case 'g':
	case 'G':
		n *= SZ_1G;
		break;
	default:
		break;
	}
	return DIV_ROUND_UP(n, PAGE_SIZE);
}

static u32 parse_mode(const char *text)
{
	u32 mode = 0;

	while (*text >= '0' && *text <= '7')
		mode = mode * 8 + (u32)(*text++ - '0');
	return mode & 07777;
}

static const char *find_option(const char *options, const char *name)
{
	const char *at = options;

	while ((at = strstr(at, name)) && at != options && at[-1] != ',')
		at++;
	return at ? at + strlen(name) : NULL;
}

static struct super_block *tmpfs_super(const char *type, const char *options)
{
	struct super_block *sb = new_super(type, TMPFS_MAGIC, &tmpfs_super_ops);
	const char *size = find_option(options, "size=");
	struct tmpfs *tmpfs = kzalloc(sizeof(*tmpfs), GFP_KERNEL);

	if (!sb || !tmpfs) {
		kfree(sb);
		kfree(tmpfs);
		return NULL;
	}
	tmpfs->max_pages = size ? parse_size(size) : 0;
	tmpfs->explicit_size = tmpfs->max_pages;
	if (!tmpfs->max_pages)
		tmpfs->max_pages = size ? ~0ul >> 1 : totalram_pages() / DEFAULT_SHARE;
	sb->s_info = tmpfs;
	sb->s_pinned = true;
	return sb;
}

struct super_block *tmpfs_mount(const char *type, const char *options)
{
	const char *mode = find_option(options, "mode=");
	struct super_block *sb = tmpfs_super(type, options);
	struct inode *root;

	if (!sb)
		return ERR_PTR(-ENOMEM);
	root = tmpfs_new_inode(sb, S_IFDIR | (mode ? parse_mode(mode) : 01777), 0, NULL);
	if (IS_ERR(root) || !d_make_root(sb, root)) {
		kfree(sb->s_info);
		kfree(sb);
		return ERR_PTR(-ENOMEM);
	}
	return sb;
}

/* ---- memfd_create --------------------------------------------------------------------------------------- */

#define MFD_CLOEXEC	  1ul
#define MFD_ALLOW_SEALING 2ul
#define MFD_NAME_MAX	  249

static struct vfsmount *memfd_mount(void)
{
	static struct vfsmount *mnt; /* set once; a race makes a spare one, which is harmless */
	struct super_block *sb;

	if (mnt)
		return mnt;
	sb = tmpfs_super("tmpfs", "size=0");
	return sb ? mnt = kern_mount(sb) : NULL;
}

static struct file *memfd_file(const char *name, bool sealing)
{
	struct vfsmount *mnt = memfd_mount();
	struct inode *inode;
	struct file *file;

	if (!mnt)
		return ERR_PTR(-ENOMEM);
	inode = tmpfs_new_inode(mnt->mnt_sb, S_IFREG | 0777, 0, NULL);
	if (IS_ERR(inode))
		return ERR_PTR(PTR_ERR(inode));
	inode->i_nlink = 0;
	inode->i_seals = sealing ? 0 : F_SEAL_SEAL;
	file = anon_file(mnt, name, inode, &tmpfs_file_ops, O_RDWR | O_LARGEFILE);
	if (!IS_ERR(file)) {
		file->f_path.dentry->d_flags |= DENTRY_DELETED; /* shows as "/memfd:x (deleted)" */
		if (!get_write_access(inode))
			file->f_mode |= FMODE_WRITER;
	}
	return file;
}

long sys_memfd_create(unsigned long name, unsigned long flags)
{
	char text[MFD_NAME_MAX + 9] = "/memfd:";
	struct file *file;
	long len, fd;

	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	len = strncpy_from_user(text + 7, name, MFD_NAME_MAX + 1);
	if (len < 0)
		return len;
	if (len > MFD_NAME_MAX)
		return -EINVAL;
	fd = get_unused_fd(0, flags & MFD_CLOEXEC ? O_CLOEXEC : 0);
	if (fd < 0)
		return fd;
	file = memfd_file(text, flags & MFD_ALLOW_SEALING);
	if (IS_ERR(file)) {
		put_unused_fd((int)fd);
		return PTR_ERR(file);
	}
	fd_install((int)fd, file);
	return fd;
}

/* F_ADD_SEALS, F_GET_SEALS. */
long tmpfs_add_seals(struct file *file, unsigned int seals)
{
	struct inode *inode = file->f_inode;
	long ret = 0;

	if (file->f_op != &tmpfs_file_ops)
		return -EINVAL;
	if (!(file->f_mode & FMODE_WRITE))
		return -EPERM;
	if (seals & ~31u)
		return -EINVAL;
	down_write(&inode->i_rwsem);
	if (inode->i_seals & F_SEAL_SEAL)
		ret = -EPERM;
	else if ((seals & F_SEAL_WRITE) && inode->i_data.i_mmap_shared.node)
		ret = -EBUSY;
	else
		inode->i_seals |= seals;
	up_write(&inode->i_rwsem);
	return ret;
}

long tmpfs_get_seals(struct file *file)
{
	return file->f_op == &tmpfs_file_ops ? (long)file->f_inode->i_seals : -EINVAL;
}

/* ---- Operations ---------------------------------------------------------------------------------------------- */

static const struct inode_operations tmpfs_dir_iops = { .create = tmpfs_create };
static const struct inode_operations tmpfs_file_iops = { .setsize = tmpfs_setsize };
static const struct inode_operations tmpfs_link_iops = { .readlink = tmpfs_readlink };
static const struct inode_operations tmpfs_special_iops;

static const struct file_operations tmpfs_dir_ops = {
	.iterate = dcache_readdir,
	.llseek = dcache_dir_llseek,
	.release = dcache_dir_release,
	.fsync = tmpfs_fsync,
};

const struct file_operations tmpfs_file_ops = {
	.read = tmpfs_read,
	.write = tmpfs_write,
	.llseek = generic_llseek,
	.mmap = tmpfs_mmap,
	.fsync = tmpfs_fsync,
	.fallocate = tmpfs_fallocate,
};
