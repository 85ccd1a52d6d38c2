/* SPDX-License-Identifier: MIT */
/*
 * tmpfs.c: a file system whose names live in the dentry tree and whose data lives in the
 * page cache, and in swap.
 *
 * A regular file is its inode's address_space: a page exists where something was written
 * or mapped, the rest reads as zero. Pages hold the data; under pressure they go to swap, and
 * come back when they are read, written or mapped (mm/swap/shmem_swap.c). A directory is a
 * dentry with children; a symbolic link a string.
 *
 * Limits: a file system may have at most max_pages of data, by default half of the RAM
 * (size= of mount(2)); ENOSPC above. The count is taken before a page is made, from the
 * number of missing pages in the range written. Mapped files grow by faults, which count,
 * too: SIGBUS above. Each regular file's i_private says how many of its pages the file system
 * has counted; faults and calls that are under way at once may exceed the limit by a page each.
 *
 * Names are limited as well (nr_inodes= of mount(2)), by default to half as many as RAM has pages:
 * each takes about 1 KiB of the kernel's memory, which cannot be swapped. A symbolic link of
 * LONG_LINK bytes and more counts as a page.
 *
 * Locking: i_rwsem (writers, truncation); reading needs none, as the page cache has its
 * own. Failure: ENOMEM, ENOSPC, EFBIG; a write that fails half-way has written its part, a
 * fallocate() that fails takes back what it has allocated.
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/swap.h>
#include <pagoda/uaccess.h>
#include <pagoda/bug.h>

#define TMPFS_MAGIC   0x01021994u
#define DEFAULT_SHARE 2	   /* of the RAM that one file system may fill: 1 / this */
#define LONG_LINK     128u /* bytes of a symbolic link's target */

struct tmpfs {
	unsigned long max_pages, max_names;
	bool explicit_size, explicit_names;
	bool counts_swap;    /* half of the swap may be filled, too */
	atomic_long_t pages; /* the sum of all files' i_private, and one for each long link */
};

static struct tmpfs *tmpfs_of(const struct super_block *sb)
{
	return sb->s_info;
}

static const struct inode_operations tmpfs_dir_iops, tmpfs_file_iops, tmpfs_link_iops,
	tmpfs_special_iops;
static const struct file_operations tmpfs_dir_ops;

static unsigned long page_limit(const struct tmpfs *tmpfs)
{
	unsigned long swap =
		tmpfs->counts_swap ? (unsigned long)READ_ONCE(total_swap_pages) / DEFAULT_SHARE : 0;

	return tmpfs->max_pages + swap;
}

void tmpfs_count_swap(struct super_block *sb)
{
	tmpfs_of(sb)->counts_swap = true;
}

/* ---- Inodes --------------------------------------------------------------------------------- */

static int set_link_target(struct inode *inode, const char *target)
{
	struct tmpfs *tmpfs = tmpfs_of(inode->i_sb);
	bool is_long = strlen(target) >= LONG_LINK;

	if (is_long && atomic_long_read(&tmpfs->pages) >= (long)page_limit(tmpfs))
		return -ENOSPC;
	inode->i_link = kstrdup(target, GFP_KERNEL);
	if (!inode->i_link)
		return -ENOMEM;
	if (is_long)
		atomic_long_inc(&tmpfs->pages);
	inode->i_size = strlen(target);
	inode->i_op = &tmpfs_link_iops;
	return 0;
}

struct inode *tmpfs_new_inode(struct super_block *sb, u32 mode, u64 rdev, const char *target)
{
	struct inode *inode = new_inode(sb, mode);
	int err;

	if (!inode)
		return ERR_PTR(-ENOMEM);
	switch (mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &tmpfs_file_iops;
		inode->i_fop = &tmpfs_file_ops;
		inode->i_data.a_ops = &shmem_aops;
		inode->i_data.shmem = true;
		inode->i_seals = F_SEAL_SEAL; /* only memfds that ask for it are sealed */
		break;
	case S_IFDIR:
		inode->i_op = &tmpfs_dir_iops;
		inode->i_fop = &tmpfs_dir_ops;
		inode->i_nlink = 2;
		break;
	case S_IFLNK:
		err = set_link_target(inode, target);
		if (err) {
			iput(inode);
			return ERR_PTR(err);
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

/* A name more: the root counts as one. */
static int tmpfs_add_name(struct inode *dir, struct dentry *dentry)
{
	(void)dentry;
	return READ_ONCE(dir->i_sb->s_nr_names) + 1 < tmpfs_of(dir->i_sb)->max_names ? 0 : -ENOSPC;
}

static void tmpfs_evict(struct inode *inode)
{
	struct tmpfs *tmpfs = tmpfs_of(inode->i_sb);

	if (S_ISLNK(inode->i_mode)) {
		if (inode->i_link && strlen(inode->i_link) >= LONG_LINK)
			atomic_long_dec(&tmpfs->pages);
		kfree(inode->i_link);
	}
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
	unsigned long counted = rmw_xchg_relaxed(&inode->i_private, pages);

	if (pages != counted)
		atomic_long_add(&tmpfs_of(inode->i_sb)->pages, (long)(pages - counted));
}

/*
 * A cut inside a page zeroes a part of it, for which a swapped one is read first. It is held then,
 * so that it stays. NULL: there is nothing to be zeroed; ERR_PTR(-ENOMEM, -EIO).
 */
static struct page *hold_edge(struct inode *inode, u64 pos)
{
	pgoff_t index = (pgoff_t)(pos >> PAGE_SHIFT);

	if (!(pos & (PAGE_SIZE - 1)) || !page_cache_has_data(&inode->i_data, index))
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
	unsigned long want =
		(unsigned long)(((pos + count - 1) >> PAGE_SHIFT) - (pos >> PAGE_SHIFT) + 1);

	return used + want <= page_limit(tmpfs) || used + want < used;
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

/* ---- Reading and writing --------------------------------------------------------------------- */

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
	return pos + count <= inode->i_size
		       ? count
		       : min_t(u64, count, PAGE_SIZE - (pos & (PAGE_SIZE - 1)));
}

static long write_pages(struct file *file, struct iov_user buf, size_t count, u64 *pos)
{
	struct inode *inode = file->f_inode;
	long done = 0;

	while ((size_t)done < count) {
		size_t n = writable_bytes(inode, *pos,
					  piece_to_write(inode, *pos, count - (size_t)done));
		struct iov_user rest = {buf.addr + (size_t)done, buf.kernel};
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

/* ---- fallocate ------------------------------------------------------------------------------- */

/* Make the pages [first, end) present. *reached: the first one that was not reached. */
static long allocate_pages(struct inode *inode, pgoff_t first, pgoff_t end, pgoff_t *reached)
{
	for (*reached = first; *reached < end; ++*reached) {
		int err;

		if (fs_hook_signal_pending())
			return -EINTR;
		if (!writable_bytes(inode, (u64)*reached << PAGE_SHIFT, 1))
			return -ENOSPC;
		err = allocate_own_page(&inode->i_data, *reached);
		if (err)
			return err;
		note_pages(inode);
		port_cond_resched();
	}
	return 0;
}

/*
 * The page at index goes if nobody has used it since it was allocated: it holds no data, and nobody
 * maps it.
 */
static void drop_unused_page(struct address_space *mapping, pgoff_t index)
{
	struct page *page = find_lock_page(mapping, index);

	if (!page)
		return; /* a swapped one holds data */
	if (!PageUptodate(page) && !page->private) {
		VM_BUG_ON(page_mapcount(page));
		remove_from_page_cache(page);
	}
	unlock_page(page);
	put_page(page);
}

/*
 * Take back what allocate_pages() has made of [first, end). It has turned the pages that earlier
 * calls had allocated there into data (allocate_own_page()), so the pages without data are its own.
 */
static void drop_unused_pages(struct inode *inode, pgoff_t first, pgoff_t end)
{
	lockdep_assert_held(&inode->i_rwsem);
	for (pgoff_t index = first; index < end; index++) {
		drop_unused_page(&inode->i_data, index);
		port_cond_resched();
	}
	note_pages(inode);
}

/*
 * All pages of [offset, end), or none: then -ENOSPC, -EINTR, -ENOMEM, -EIO, and the file is as
 * before.
 */
static long allocate_range(struct inode *inode, u64 offset, u64 end)
{
	u64 first = offset >> PAGE_SHIFT, last = (end - 1) >> PAGE_SHIFT;
	pgoff_t reached;
	long ret;

	if (last - first >= page_limit(tmpfs_of(inode->i_sb)))
		return -ENOSPC;
	ret = allocate_pages(inode, (pgoff_t)first, (pgoff_t)last + 1, &reached);
	if (ret)
		drop_unused_pages(inode, (pgoff_t)first, reached);
	return ret;
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

	ret = mode & FALLOC_FL_KEEP_SIZE ? 0 : inode_may_grow(inode, end);
	if (ret)
		return ret;
	if (end > inode->i_size && (inode->i_seals & F_SEAL_GROW))
		return -EPERM;
	ret = allocate_range(inode, offset, end);
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
	ret = mode & FALLOC_FL_PUNCH_HOLE ? punch_hole(inode, offset, end)
					  : allocate(inode, mode, offset, end);
	if (!ret)
		inode_written(inode);
	up_write(&inode->i_rwsem);
	return ret;
}

/* A page more, if the file system has room for it or has it. */
vm_fault_t tmpfs_nopage(struct vm_fault *vmf)
{
	struct inode *inode = file_of(vmf->vma->vm_file)->f_inode;
	vm_fault_t fault;

	if (!writable_bytes(inode, (u64)vmf->pgoff << PAGE_SHIFT, PAGE_SIZE))
		return VM_FAULT_SIGBUS;
	fault = filemap_nopage(vmf);
	/* else the mapping, and with it the file, may be gone; the next try counts */
	if (!(fault & VM_FAULT_RETRY))
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

/* ---- The file system ------------------------------------------------------------------------- */

static int tmpfs_statfs(struct super_block *sb, struct statfs64 *st)
{
	struct tmpfs *tmpfs = tmpfs_of(sb);
	unsigned long used = (unsigned long)max(atomic_long_read(&tmpfs->pages), 0l);

	st->f_blocks = tmpfs->max_pages;
	st->f_bfree = st->f_bavail = tmpfs->max_pages - min(used, tmpfs->max_pages);
	st->f_files = tmpfs->max_names;
	/* and the root */
	st->f_ffree = tmpfs->max_names - min(tmpfs->max_names, READ_ONCE(sb->s_nr_names) + 1);
	return 0;
}

static void tmpfs_show_options(struct super_block *sb, char *buf, size_t size)
{
	struct tmpfs *tmpfs = tmpfs_of(sb);

	if (tmpfs->explicit_size)
		pagoda_snprintf(buf, size, ",size=%luk", tmpfs->max_pages * (PAGE_SIZE / SZ_1K));
	if (tmpfs->explicit_names) {
		size_t len = strlen(buf);

		pagoda_snprintf(buf + len, size - len, ",nr_inodes=%lu", tmpfs->max_names);
	}
}

/* ---- Options of mount(2) --------------------------------------------------------------------- */

/* What mount(2) asks for: all that it does not say is as in tmpfs_defaults(). */
struct tmpfs_options {
	unsigned long max_pages, max_names;
	bool explicit_size, explicit_names;
	u32 mode, uid, gid;
};

static struct tmpfs_options tmpfs_defaults(void)
{
	const struct fs_cred *cred = &fs_current()->cred;

	return (struct tmpfs_options){.max_pages = totalram_pages() / DEFAULT_SHARE,
				      .max_names = totalram_pages() / DEFAULT_SHARE,
				      .mode = 01777,
				      .uid = cred->fsuid,
				      .gid = cred->fsgid};
}

/* The number that text begins with, to base 8 or 10, and what follows it; false: there is none. */
static bool parse_number(const char *text, unsigned int base, unsigned long *value,
			 const char **rest)
{
	*value = 0;
	for (*rest = text; **rest >= '0' && **rest < (char)('0' + base); ++*rest)
		*value = *value * base + (unsigned long)(**rest - '0');
	return *rest != text;
}

/*
 * The power of 1024 that a letter behind a number stands for, 0 if there is none; *text moves
 * behind it.
 */
static unsigned int unit_of(const char **text)
{
	static const char units[] = "kKmMgGtT";

	for (unsigned int i = 0; **text && units[i]; i++)
		if (**text == units[i]) {
			++*text;
			return i / 2 + 1;
		}
	return 0;
}

/* "123", "4k", "16m", "1g", "50%" (of RAM) to pages; false: not a size. 0 is no limit. */
static bool parse_size(const char *text, struct tmpfs_options *options)
{
	unsigned long n;

	if (!parse_number(text, 10, &n, &text))
		return false;
	if (*text == '%') {
		n = totalram_pages() * n / 100;
		text++;
	} else {
		n <<= 10 * unit_of(&text);
		n = DIV_ROUND_UP(n, PAGE_SIZE);
	}
	options->max_pages = n ? n : ~0ul >> 1;
	options->explicit_size = n;
	return !*text;
}

/* A number of names, with k, m, g or t; 0 is no limit. */
static bool parse_names(const char *text, struct tmpfs_options *options)
{
	unsigned long n;

	if (!parse_number(text, 10, &n, &text))
		return false;
	n <<= 10 * unit_of(&text);
	options->max_names = n ? n : ~0ul >> 1;
	options->explicit_names = true;
	return !*text;
}

static bool parse_u32(const char *text, unsigned int base, u32 *value)
{
	unsigned long n;

	if (!parse_number(text, base, &n, &text) || *text)
		return false;
	*value = (u32)n;
	return true;
}

/* One option with its value, NULL: it has none. false: no such option, or not a value of it. */
static bool take_option(const char *name, const char *value, struct tmpfs_options *options)
{
	static const char *const without_value[] = {"ro",      "rw",	   "sync",	 "async",
						    "dirsync", "lazytime", "nolazytime", "mand",
						    "nomand",  "inode32",  "inode64"};
	/* Huge pages and where pages come from are not chosen here. */
	static const char *const ignored[] = {"huge", "mpol"};
	u32 blocks;

	for (size_t i = 0; i < ARRAY_SIZE(without_value); i++)
		if (!value && strcmp(name, without_value[i]) == 0)
			return true;
	for (size_t i = 0; value && i < ARRAY_SIZE(ignored); i++)
		if (strcmp(name, ignored[i]) == 0)
			return *value;
	if (!value)
		return false;
	if (strcmp(name, "size") == 0)
		return parse_size(value, options);
	if (strcmp(name, "nr_inodes") == 0)
		return parse_names(value, options);
	if (strcmp(name, "mode") == 0)
		return parse_u32(value, 8, &options->mode);
	if (strcmp(name, "uid") == 0)
		return parse_u32(value, 10, &options->uid);
	if (strcmp(name, "gid") == 0)
		return parse_u32(value, 10, &options->gid);
	if (strcmp(name, "nr_blocks") != 0 || !parse_u32(value, 10, &blocks))
		return false;
	options->max_pages = blocks ? blocks : ~0ul >> 1;
	options->explicit_size = blocks;
	return true;
}

/* "name=value,name" in text, which is changed. 0 or -EINVAL. */
static int take_options(char *text, struct tmpfs_options *options)
{
	while (*text) {
		char *end = text, *value = NULL;

		for (; *end && *end != ','; end++)
			if (*end == '=' && !value) {
				*end = '\0';
				value = end + 1;
			}
		if (*end)
			*end++ = '\0';
		if (*text && !take_option(text, value, options))
			return -EINVAL;
		text = end;
	}
	options->mode &= 07777;
	return 0;
}

static int parse_options(const char *text, struct tmpfs_options *options)
{
	char *copy = kstrdup(text, GFP_KERNEL);
	int err;

	if (!copy)
		return -ENOMEM;
	err = take_options(copy, options);
	kfree(copy);
	return err;
}

/* A remount changes the limits only, and not to less than there is. */
static int tmpfs_set_options(struct super_block *sb, const char *text)
{
	struct tmpfs *tmpfs = tmpfs_of(sb);
	struct tmpfs_options options = tmpfs_defaults();
	int err;

	options.max_pages = tmpfs->max_pages;
	options.explicit_size = tmpfs->explicit_size;
	options.max_names = tmpfs->max_names;
	options.explicit_names = tmpfs->explicit_names;
	err = parse_options(text, &options);
	if (err)
		return err;
	if (options.max_pages < (unsigned long)max(atomic_long_read(&tmpfs->pages), 0l))
		return -EINVAL;
	tmpfs->max_pages = options.max_pages;
	tmpfs->explicit_size = options.explicit_size;
	tmpfs->max_names = options.max_names;
	tmpfs->explicit_names = options.explicit_names;
	return 0;
}

static const struct super_operations tmpfs_super_ops = {
	.evict = tmpfs_evict,
	.statfs = tmpfs_statfs,
	.show_options = tmpfs_show_options,
	.set_options = tmpfs_set_options,
};

static struct super_block *tmpfs_super(const char *type, const struct tmpfs_options *options)
{
	struct super_block *sb = new_super(type, TMPFS_MAGIC, &tmpfs_super_ops);
	struct tmpfs *tmpfs = kzalloc(sizeof(*tmpfs), GFP_KERNEL);

	if (!sb || !tmpfs) {
		kfree(sb);
		kfree(tmpfs);
		return NULL;
	}
	tmpfs->max_pages = options->max_pages;
	tmpfs->explicit_size = options->explicit_size;
	tmpfs->max_names = options->max_names;
	tmpfs->explicit_names = options->explicit_names;
	sb->s_info = tmpfs;
	sb->s_pinned = true;
	return sb;
}

struct super_block *tmpfs_mount(const char *type, const char *text)
{
	struct tmpfs_options options = tmpfs_defaults();
	int err = parse_options(text, &options);
	struct super_block *sb;
	struct inode *root;

	if (err)
		return ERR_PTR(err);
	sb = tmpfs_super(type, &options);
	if (!sb)
		return ERR_PTR(-ENOMEM);
	root = tmpfs_new_inode(sb, S_IFDIR | options.mode, 0, NULL);
	if (IS_ERR(root) || !d_make_root(sb, root)) {
		kfree(sb->s_info);
		kfree(sb);
		return ERR_PTR(-ENOMEM);
	}
	root->i_uid = options.uid;
	root->i_gid = options.gid;
	return sb;
}

struct vfsmount *tmpfs_kern_mount(void)
{
	static struct vfsmount *mnt; /* set once; a race makes a spare one, which is harmless */
	const struct tmpfs_options no_limit = {.max_pages = ~0ul >> 1, .max_names = ~0ul >> 1};
	struct super_block *sb;

	if (mnt)
		return mnt;
	sb = tmpfs_super("tmpfs", &no_limit);
	return sb ? mnt = kern_mount(sb) : NULL;
}

/* ---- Operations ------------------------------------------------------------------------------ */

static const struct inode_operations tmpfs_dir_iops = {.create = tmpfs_create,
						       .add_name = tmpfs_add_name};
static const struct inode_operations tmpfs_file_iops = {.setsize = tmpfs_setsize};
static const struct inode_operations tmpfs_link_iops = {.readlink = tmpfs_readlink};
static const struct inode_operations tmpfs_special_iops;

static const struct file_operations tmpfs_dir_ops = {
	.iterate = dcache_readdir,
	.llseek = dcache_dir_llseek,
	.release = dcache_dir_release,
	.fsync = tmpfs_fsync,
};

const struct file_operations tmpfs_file_ops = {
	.splice_in = true,
	.splice_out = true,
	.read = tmpfs_read,
	.write = tmpfs_write,
	.llseek = generic_llseek,
	.mmap = tmpfs_mmap,
	.fsync = tmpfs_fsync,
	.fallocate = tmpfs_fallocate,
};
