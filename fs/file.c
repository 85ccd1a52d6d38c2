/* SPDX-License-Identifier: MIT */
/*
 * file.c: open files and the tables that number them.
 *
 *	files_struct.fd[n] -> struct file		open:	 bit n: n is taken
 *							cloexec: bit n: closed by exec
 *							full:	 bit w: word w of open is full
 *
 * The lowest free descriptor is found in constant time: the first word of `full` that is
 * not all ones names a word of `open`, and that the descriptor. A table of one size serves
 * FDS_INLINE descriptors without allocation and doubles from there up to FS_NR_OPEN.
 *
 * A struct file begins with the vm_file that the core holds: descriptors, mappings and
 * system calls in progress all count in f_count. A task that shares its table with nobody
 * need not count for the length of a system call, as nobody else can close the file
 * meanwhile (fdget's borrowed reference).
 *
 * Locking: files->lock for the table; a file's flags and position as vfs.h says.
 * Failure: growing the table (ENOMEM), the limit (EMFILE); nothing changes then.
 */
#include <fs/vfs.h>
#include <fs/syscalls.h>
#include <pagoda/page_alloc.h>
#include <pagoda/slab.h>
#include <pagoda/vmalloc.h>
#include <pagoda/string.h>
#include <pagoda/bug.h>

#define FDS_INLINE 64u /* one word of bits */
#define WORD_BITS  64u
#define FULL_WORDS (FS_NR_OPEN / WORD_BITS / WORD_BITS)

struct files_struct {
	atomic_t count;
	spinlock_t lock;
	unsigned int size; /* descriptors there is room for: FDS_INLINE << n */
	struct file **fd;
	unsigned long *open, *cloexec;
	unsigned long full[FULL_WORDS];
	struct file *fd_inline[FDS_INLINE];
	unsigned long open_inline, cloexec_inline;
};

static kmem_cache_t *file_cache, *files_cache;
/* A file with its inode and name takes about 1 KiB: all of them a tenth of RAM, as Linux has it. */
#define FILE_SHARE 10
#define FILES_MIN  2048ul
atomic_long_t nr_files;
int file_max;

/* ---- struct file ---------------------------------------------------------------------------- */

/*
 * The file is open for writing: nobody executes it, and its mount stays writable. 0, -ETXTBSY,
 * -EROFS.
 */
static int begin_writing(struct file *file)
{
	int err = get_write_access(file->f_inode);

	VM_BUG_ON(file->f_mode & FMODE_WRITER);
	if (err)
		return err;
	err = mnt_get_writer(file->f_path.mnt);
	if (err)
		put_write_access(file->f_inode);
	else
		file->f_mode |= FMODE_WRITER;
	return err;
}

static void end_writing(struct file *file)
{
	VM_BUG_ON(!(file->f_mode & FMODE_WRITER));
	mnt_put_writer(file->f_path.mnt);
	put_write_access(file->f_inode);
}

static void release_file(struct vm_file *vm)
{
	struct file *file = file_of(vm);
	struct path path = file->f_path;

	VM_BUG_ON(atomic_read(&vm->f_count));
	if (file->f_epitems)
		epoll_forget_file(file);
	locks_remove_file(file);
	if (file->f_op && file->f_op->release)
		file->f_op->release(file);
	if (file->f_mode & FMODE_WRITER)
		end_writing(file);
	if (file->f_mode & FMODE_EXEC)
		allow_write_access(file->f_inode);
	kmem_cache_free(file_cache, file);
	atomic_long_dec(&nr_files);
	path_put(&path);
}

static int mmap_file(struct vm_file *vm, struct vm_area_struct *vma)
{
	struct file *file = file_of(vm);

	if (file->f_inode->i_swapfile &&
	    (vma->vm_flags & (VM_SHARED | VM_WRITE)) == (VM_SHARED | VM_WRITE))
		return -ETXTBSY;
	file_accessed(file);
	return file->f_op->mmap(file, vma);
}

static int fsync_file(struct vm_file *vm, u64 start, u64 end, bool datasync)
{
	return vfs_fsync(file_of(vm), start, end, datasync);
}

static int punch_file(struct vm_file *vm, u64 start, u64 end)
{
	struct file *file = file_of(vm);

	if (!file->f_op->fallocate)
		return -EOPNOTSUPP;
	return (int)file->f_op->fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start,
					  end - start);
}

static void file_mapped_write(struct vm_file *vm)
{
	inode_touch(file_of(vm)->f_inode);
}

static bool may_evict_file(struct vm_file *vm)
{
	struct inode *inode = file_of(vm)->f_inode;

	return inode_owner_or_capable(inode) || !inode_permission(inode, MAY_WRITE);
}

static const struct vm_file_operations file_vm_ops = {
	.mmap = mmap_file,
	.fsync = fsync_file,
	.punch_hole = punch_file,
	.mapped_write = file_mapped_write,
	.may_evict = may_evict_file,
	.release = release_file,
};
/* Of files without memory; that they have none is found out before any limit. */
static const struct vm_file_operations file_without_mmap_vm_ops = {.release = release_file};

/*
 * Open files of the whole system are limited, but for root: memory of the kernel that no process is
 * charged for.
 */
static bool may_have_file(void)
{
	return atomic_long_read(&nr_files) < READ_ONCE(file_max) || fs_capable(CAP_SYS_ADMIN);
}

/* Or ERR_PTR: ENFILE, ENOMEM. */
static struct file *new_file(const struct path *path, unsigned int flags)
{
	static const u8 modes[] = {FMODE_READ, FMODE_WRITE, FMODE_READ | FMODE_WRITE, 0};
	struct file *file = may_have_file() ? kmem_cache_alloc(file_cache, GFP_KERNEL | __GFP_ZERO)
					    : ERR_PTR(-ENFILE);

	if (IS_ERR(file))
		return file;
	if (!file)
		return ERR_PTR(-ENOMEM);
	atomic_long_inc(&nr_files);
	atomic_set(&file->vm.f_count, 1);
	file->vm.f_vmops = &file_vm_ops;
	file->f_path = *path;
	file->f_inode = path->dentry->d_inode;
	file->f_flags = flags & ~(O_CREAT | O_TRUNC | O_CLOEXEC);
	file->f_mode = flags & O_PATH ? FMODE_PATH : modes[flags & O_ACCMODE];
	file->f_op = file->f_inode->i_fop;
	mutex_init(&file->f_pos_lock, RANK_NONE);
	return file;
}

static void set_vm_access(struct file *file)
{
	if (S_ISREG(file->f_inode->i_mode))
		/* others set it in open, or have none */
		file->vm.f_mapping = &file->f_inode->i_data;
	file->vm.f_vmops = file->f_op->mmap ? &file_vm_ops : &file_without_mmap_vm_ops;
	file->vm.f_may_read = file->f_mode & FMODE_READ;
	file->vm.f_may_write = file->f_mode & FMODE_WRITE;
	file->vm.f_noexec = file->f_path.mnt->mnt_flags & MS_NOEXEC;
	file_sample_wb_err(&file->vm);
}

struct file *dentry_open(const struct path *path, unsigned int flags)
{
	struct inode *inode = path->dentry->d_inode;
	struct file *file = new_file(path, flags);
	int err = 0;

	if (IS_ERR(file))
		return file;
	path_get(path);
	if (file->f_mode & FMODE_PATH)
		return file;
	if ((file->f_mode & FMODE_WRITE) && S_ISREG(inode->i_mode))
		err = begin_writing(file);
	if (!err && !file->f_op)
		err = -ENXIO;
	if (!err && file->f_op->open)
		err = file->f_op->open(inode, file);
	if (err) {
		file->f_op = NULL; /* was never open: no release */
		fput(file);
		return ERR_PTR(err);
	}
	file->f_flags &= ~(O_NOCTTY | O_EXCL); /* open has seen them */
	set_vm_access(file);
	if ((flags & O_DIRECT) && !file_can_direct(file)) {
		fput(file);
		return ERR_PTR(-EINVAL);
	}
	return file;
}

struct file *anon_file(struct vfsmount *mnt, const char *name, struct inode *inode,
		       const struct file_operations *fops, unsigned int flags)
{
	struct dentry *dentry = d_make(NULL, name, strlen(name), inode);
	struct path path = {mnt, dentry};
	struct file *file;

	if (!dentry)
		return ERR_PTR(-ENOMEM);
	dentry->d_flags |= DENTRY_NOPARENT;
	file = new_file(&path, flags);
	if (IS_ERR(file)) {
		dput(dentry);
		return file;
	}
	atomic_inc(&mnt->mnt_count);
	file->f_op = fops;
	set_vm_access(file);
	return file;
}

void fs_put_file(struct file *file)
{
	fput(file);
}

struct vm_file *file_vm(struct file *file)
{
	return &file->vm;
}

/* ---- Bits ------------------------------------------------------------------------------------ */

static unsigned int words_of(const struct files_struct *files)
{
	return files->size / WORD_BITS;
}

static bool is_open(const struct files_struct *files, unsigned int fd)
{
	return fd < files->size && files->open[fd / WORD_BITS] & 1ul << fd % WORD_BITS;
}

static void mark_open(struct files_struct *files, unsigned int fd)
{
	unsigned int word = fd / WORD_BITS;

	files->open[word] |= 1ul << fd % WORD_BITS;
	if (files->open[word] == ~0ul)
		files->full[word / WORD_BITS] |= 1ul << word % WORD_BITS;
}

static void mark_free(struct files_struct *files, unsigned int fd)
{
	unsigned int word = fd / WORD_BITS;

	files->open[word] &= ~(1ul << fd % WORD_BITS);
	files->cloexec[word] &= ~(1ul << fd % WORD_BITS);
	files->full[word / WORD_BITS] &= ~(1ul << word % WORD_BITS);
}

static void mark_cloexec(struct files_struct *files, unsigned int fd, bool on)
{
	unsigned long bit = 1ul << fd % WORD_BITS;

	if (on)
		files->cloexec[fd / WORD_BITS] |= bit;
	else
		files->cloexec[fd / WORD_BITS] &= ~bit;
}

/* The lowest free descriptor >= from; files->size or more if all there is room for are taken. */
static unsigned int lowest_free(const struct files_struct *files, unsigned int from)
{
	unsigned int word = from / WORD_BITS;

	if (from >= files->size)
		return from;
	if (~files->open[word] & (~0ul << from % WORD_BITS))
		return word * WORD_BITS + (unsigned int)__builtin_ctzl(~files->open[word] &
								       (~0ul << from % WORD_BITS));
	word++;
	for (unsigned int i = word / WORD_BITS; i < FULL_WORDS; i++, word = i * WORD_BITS) {
		unsigned long candidates = ~files->full[i] & (~0ul << word % WORD_BITS);

		if (!candidates)
			continue;
		word = i * WORD_BITS + (unsigned int)__builtin_ctzl(candidates);
		if (word >= words_of(files))
			return files->size;
		return word * WORD_BITS + (unsigned int)__builtin_ctzl(~files->open[word]);
	}
	return FS_NR_OPEN;
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static size_t table_bytes(unsigned int size)
{
	return size * sizeof(struct file *) + 2 * size / 8;
}

/* Point the table at block, which has room for size descriptors. */
static void use_block(struct files_struct *files, void *block, unsigned int size)
{
	VM_BUG_ON(size <= FDS_INLINE || size % WORD_BITS);
	files->fd = block;
	files->open = (unsigned long *)(files->fd + size);
	files->cloexec = files->open + size / WORD_BITS;
	files->size = size;
}

static void use_inline(struct files_struct *files)
{
	files->fd = files->fd_inline;
	files->open = &files->open_inline;
	files->cloexec = &files->cloexec_inline;
	files->size = FDS_INLINE;
}

static void *alloc_block(unsigned int size)
{
	void *block = table_bytes(size) > SZ_64K ? vmalloc(table_bytes(size))
						 : kmalloc(table_bytes(size), GFP_KERNEL);

	if (block)
		memset(block, 0, table_bytes(size));
	return block;
}

static void free_block(void *block, unsigned int size)
{
	if (size == FDS_INLINE)
		return;
	if (table_bytes(size) > SZ_64K)
		vfree(block);
	else
		kfree(block);
}

static struct files_struct *new_files(unsigned int size)
{
	struct files_struct *files = kmem_cache_alloc(files_cache, GFP_KERNEL | __GFP_ZERO);
	void *block;

	if (!files)
		return NULL;
	atomic_set(&files->count, 1);
	spin_lock_init(&files->lock, RANK_NONE);
	if (size <= FDS_INLINE) {
		use_inline(files);
		return files;
	}
	block = alloc_block(size);
	if (!block) {
		kmem_cache_free(files_cache, files);
		return NULL;
	}
	use_block(files, block, size);
	return files;
}

/* Move the table into block, which has room for size descriptors. Returns the old table. */
static void *move_table(struct files_struct *files, void *block, unsigned int size)
	MUST_HOLD(&files->lock)
{
	unsigned int old_size = files->size;
	void *old = files->fd;

	lockdep_assert_held(&files->lock);
	VM_BUG_ON(size <= old_size);
	memcpy(block, files->fd, old_size * sizeof(struct file *));
	memcpy((struct file **)block + size, files->open, old_size / 8);
	memcpy((char *)((struct file **)block + size) + size / 8, files->cloexec, old_size / 8);
	use_block(files, block, size);
	return old;
}

/*
 * Make room for descriptor fd. files->lock is held; it is dropped while memory is allocated, and
 * again while the table that nobody uses any more is freed: vfree() may sleep. So the caller looks
 * at the table anew.
 */
static int grow(struct files_struct *files, unsigned int fd) MUST_HOLD(&files->lock)
{
	unsigned int size = files->size, unused_size;
	void *block, *unused;

	lockdep_assert_held(&files->lock);
	while (size <= fd)
		size *= 2;
	spin_unlock(&files->lock);
	block = alloc_block(size);
	spin_lock(&files->lock);
	if (!block)
		return -ENOMEM;
	unused = block;
	unused_size = size;
	if (files->size < size) { /* else a thread was faster */
		unused_size = files->size;
		unused = move_table(files, block, size);
	}
	spin_unlock(&files->lock);
	free_block(unused, unused_size);
	spin_lock(&files->lock);
	return 0;
}

void files_hold(struct files_struct *files)
{
	VM_BUG_ON(atomic_read(&files->count) <= 0);
	atomic_inc(&files->count);
}

static void close_all(struct files_struct *files)
{
	VM_BUG_ON(atomic_read(&files->count));
	for (unsigned int word = 0; word < words_of(files); word++)
		while (files->open[word]) {
			unsigned int fd =
				word * WORD_BITS + (unsigned int)__builtin_ctzl(files->open[word]);
			struct file *file = files->fd[fd];

			mark_free(files, fd);
			if (!file)
				continue;
			files->fd[fd] = NULL;
			locks_remove_posix(file, files);
			if (file->f_op && file->f_op->flush)
				file->f_op->flush(file);
			fput(file);
			if (fd % 16 == 15)
				port_cond_resched();
		}
}

void files_drop(struct files_struct *files)
{
	VM_BUG_ON(atomic_read(&files->count) <= 0);
	if (!atomic_dec_and_test(&files->count))
		return;
	close_all(files);
	free_block(files->fd, files->size);
	kmem_cache_free(files_cache, files);
}

/* Room that a copy needs: up to the last open word, at least the inline table. */
static unsigned int size_in_use(const struct files_struct *files)
{
	unsigned int size = files->size;

	while (size > FDS_INLINE) {
		for (unsigned int word = size / 2 / WORD_BITS; word < size / WORD_BITS; word++)
			if (files->open[word])
				return size;
		size /= 2;
	}
	return size;
}

static struct files_struct *copy_files(struct files_struct *old)
	NO_LOCK_ANALYSIS("the loop ends with the lock held, if there is memory")
{
	struct files_struct *new;
	unsigned int size;

	spin_lock(&old->lock);
	while (size = size_in_use(old), spin_unlock(&old->lock), new = new_files(size)) {
		spin_lock(&old->lock);
		if (size_in_use(old) <= size)
			break;
		files_drop(new); /* grew meanwhile */
	}
	if (!new)
		return NULL;
	for (unsigned int word = 0; word < size / WORD_BITS; word++) {
		unsigned long open = old->open[word];

		for (; open; open &= open - 1) {
			unsigned int fd = word * WORD_BITS + (unsigned int)__builtin_ctzl(open);

			if (!old->fd[fd])
				continue; /* being opened by another thread: not ours */
			new->fd[fd] = get_file(old->fd[fd]);
			mark_open(new, fd);
		}
		new->cloexec[word] = old->cloexec[word] & new->open[word];
	}
	spin_unlock(&old->lock);
	return new;
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

static unsigned int fd_limit(void)
{
	struct rlimit *rlim = current_vm->rlim;
	unsigned long limit = rlim ? rlim[RLIMIT_NOFILE].rlim_cur : FS_NR_OPEN;

	return (unsigned int)min(limit, (unsigned long)FS_NR_OPEN);
}

int get_unused_fd(unsigned int from, unsigned int flags)
{
	struct files_struct *files = fs_current()->files;
	unsigned int fd, limit = fd_limit();
	int ret = -EMFILE;

	spin_lock(&files->lock);
	while ((fd = lowest_free(files, from)) < limit) {
		ret = fd < files->size ? 0 : grow(files, fd);
		if (ret)
			break;
		if (is_open(files, fd))
			continue; /* the lock was dropped */
		mark_open(files, fd);
		mark_cloexec(files, fd, flags & O_CLOEXEC);
		files->fd[fd] = NULL;
		ret = (int)fd;
		break;
	}
	if (fd >= limit)
		ret = -EMFILE;
	spin_unlock(&files->lock);
	return ret;
}

void put_unused_fd(int fd)
{
	struct files_struct *files = fs_current()->files;

	spin_lock(&files->lock);
	mark_free(files, (unsigned int)fd);
	spin_unlock(&files->lock);
}

void fd_install(int fd, struct file *file)
{
	struct files_struct *files = fs_current()->files;

	spin_lock(&files->lock);
	files->fd[fd] = file;
	spin_unlock(&files->lock);
}

static struct file *file_at(const struct files_struct *files, unsigned int fd)
{
	return fd < files->size ? files->fd[fd] : NULL;
}

struct file *files_get(struct files_struct *files, unsigned int fd)
{
	struct file *file;

	spin_lock(&files->lock);
	file = file_at(files, fd);
	if (file)
		get_file(file);
	spin_unlock(&files->lock);
	return file;
}

struct file *fget(unsigned int fd)
{
	struct file *file = files_get(fs_current()->files, fd);

	if (file && (file->f_mode & FMODE_PATH)) {
		fput(file);
		return NULL;
	}
	return file;
}

struct fd fdget_raw(unsigned int fd)
{
	struct files_struct *files = fs_current()->files;

	if (likely(atomic_read(&files->count) == 1))
		return (struct fd){file_at(files, fd), false};
	struct file *file = files_get(files, fd);

	return (struct fd){file, file != NULL};
}

struct fd fdget(unsigned int fd)
{
	struct fd f = fdget_raw(fd);

	if (f.file && (f.file->f_mode & FMODE_PATH)) {
		fdput(f);
		f = (struct fd){NULL, false};
	}
	return f;
}

int files_next_fd(struct files_struct *files, int from)
{
	int found = -1;

	spin_lock(&files->lock);
	for (unsigned int fd = (unsigned int)from; fd < files->size; fd++)
		if (files->fd[fd]) {
			found = (int)fd;
			break;
		}
	spin_unlock(&files->lock);
	return found;
}

unsigned long files_sum(struct files_struct *files, unsigned long (*fn)(struct file *file))
{
	unsigned long sum = 0;

	if (!spin_trylock(&files->lock))
		return 0;
	for (unsigned int fd = 0; fd < files->size; fd++)
		if (files->fd[fd])
			sum += fn(files->fd[fd]);
	spin_unlock(&files->lock);
	return sum;
}

unsigned int files_capacity(struct files_struct *files)
{
	return files->size;
}

bool fd_is_cloexec(struct files_struct *files, unsigned int fd)
{
	bool on;

	spin_lock(&files->lock); /* another thread may be replacing the table */
	on = fd < files->size && files->cloexec[fd / WORD_BITS] & 1ul << fd % WORD_BITS;
	spin_unlock(&files->lock);
	return on;
}

bool fs_fd_closes_on_exec(unsigned int fd)
{
	return fd_is_cloexec(fs_current()->files, fd);
}

void fd_set_cloexec(unsigned int fd, bool on)
{
	struct files_struct *files = fs_current()->files;

	spin_lock(&files->lock);
	if (is_open(files, fd))
		mark_cloexec(files, fd, on);
	spin_unlock(&files->lock);
}

/* Take fd out of the table; its reference is the caller's now. NULL: it was not open. */
static struct file *take_fd(struct files_struct *files, unsigned int fd)
{
	struct file *file;

	spin_lock(&files->lock);
	file = file_at(files, fd);
	if (file) {
		files->fd[fd] = NULL;
		mark_free(files, fd);
	}
	spin_unlock(&files->lock);
	return file;
}

static void finish_close(struct files_struct *files, struct file *file)
{
	locks_remove_posix(file, files);
	if (file->f_op && file->f_op->flush)
		file->f_op->flush(file);
	fput(file);
}

int close_fd(unsigned int fd)
{
	struct files_struct *files = fs_current()->files;
	struct file *file = take_fd(files, fd);

	if (!file)
		return -EBADF;
	finish_close(files, file);
	return 0;
}

long sys_close(unsigned long fd)
{
	return close_fd((unsigned int)fd);
}

#define CLOSE_RANGE_UNSHARE 2ul
#define CLOSE_RANGE_CLOEXEC 4ul

long sys_close_range(unsigned long first, unsigned long last, unsigned long flags)
{
	struct fs_task *task = fs_current();
	unsigned int from = (unsigned int)first, to = (unsigned int)last;
	int err, fd;

	if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) || from > to)
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE) {
		err = fs_task_unshare_files(task);
		if (err)
			return err;
	}
	if (from >= FS_NR_OPEN)
		return 0;
	for (fd = (int)from; (fd = files_next_fd(task->files, fd)) >= 0 && (unsigned int)fd <= to;
	     fd++) {
		if (flags & CLOSE_RANGE_CLOEXEC)
			fd_set_cloexec((unsigned int)fd, true);
		else
			(void)close_fd((unsigned int)fd); /* a thread may have closed it: fine */
		port_cond_resched();
	}
	return 0;
}

/* ---- Duplicating ----------------------------------------------------------------------------- */

long fd_dup_from(struct file *file, unsigned int from, unsigned int flags)
{
	int fd;

	if (from >= fd_limit())
		return -EINVAL;
	fd = get_unused_fd(from, flags);
	if (fd >= 0)
		fd_install(fd, get_file(file));
	return fd;
}

long sys_dup(unsigned long oldfd)
{
	struct fd f = fdget_raw((unsigned int)oldfd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = get_unused_fd(0, 0);
	if (ret >= 0)
		fd_install((int)ret, get_file(f.file));
	fdput(f);
	return ret;
}

/* Put file (a reference taken over) in the place newfd; what was there is closed. */
static long replace_fd(unsigned int newfd, struct file *file, unsigned int flags)
{
	struct files_struct *files = fs_current()->files;
	struct file *old;
	int err = 0;

	spin_lock(&files->lock);
	if (newfd >= files->size)
		err = grow(files, newfd);
	if (!err && !file_at(files, newfd) && is_open(files, newfd))
		err = -EBUSY; /* another thread is opening it */
	if (err) {
		spin_unlock(&files->lock);
		fput(file);
		return err;
	}
	old = files->fd[newfd];
	files->fd[newfd] = file;
	mark_open(files, newfd);
	mark_cloexec(files, newfd, flags & O_CLOEXEC);
	spin_unlock(&files->lock);
	if (old)
		finish_close(files, old);
	return newfd;
}

long sys_dup3(unsigned long oldfd, unsigned long newfd, unsigned long flags)
{
	struct file *file;

	if (flags & ~(unsigned long)O_CLOEXEC)
		return -EINVAL;
	if ((unsigned int)oldfd == (unsigned int)newfd)
		return -EINVAL;
	if ((unsigned int)newfd >= fd_limit())
		return -EBADF;
	file = files_get(fs_current()->files, (unsigned int)oldfd);
	if (!file)
		return -EBADF;
	return replace_fd((unsigned int)newfd, file, (unsigned int)flags);
}

long sys_dup2(unsigned long oldfd, unsigned long newfd)
{
	if ((unsigned int)oldfd == (unsigned int)newfd) {
		struct fd f = fdget_raw((unsigned int)oldfd);

		if (!f.file)
			return -EBADF;
		fdput(f);
		return (long)(unsigned int)newfd;
	}
	return sys_dup3(oldfd, newfd, 0);
}

/* ---- fork, exec, exit ------------------------------------------------------------------------ */

int fs_task_fork(struct fs_task *child, struct fs_task *parent, bool share_files, bool share_fs)
{
	struct files_struct *files = parent->files;
	struct fs_struct *fs = parent->fs;

	if (share_files && files)
		files_hold(files);
	else if (files && !(files = copy_files(files)))
		return -ENOMEM;
	if (share_fs && fs)
		atomic_inc(&fs->count);
	else if (fs && !(fs = fs_struct_copy(fs))) {
		if (files)
			files_drop(files);
		return -ENOMEM;
	}
	child->files = files;
	child->fs = fs;
	child->restart.fn = NULL;
	return 0;
}

void fs_task_exit(struct fs_task *task)
{
	struct files_struct *files = task->files;
	struct fs_struct *fs = task->fs;

	/*
	 * Nobody may hold a table that is being closed. What files need of the process is still
	 * there.
	 */
	task->files = NULL;
	task->fs = NULL;
	if (files)
		files_drop(files);
	if (fs)
		fs_struct_drop(fs);
}

int fs_task_unshare_files(struct fs_task *task)
{
	struct files_struct *old = task->files, *new;

	if (atomic_read(&old->count) == 1)
		return 0;
	new = copy_files(old);
	if (!new)
		return -ENOMEM;
	task->files = new;
	files_drop(old);
	return 0;
}

void fs_task_close_on_exec(struct fs_task *task)
{
	struct files_struct *files = task->files;

	for (unsigned int word = 0; word < words_of(files); word++)
		while (files->cloexec[word]) {
			unsigned int fd = word * WORD_BITS +
					  (unsigned int)__builtin_ctzl(files->cloexec[word]);
			struct file *file = take_fd(files, fd);

			mark_cloexec(files, fd, false);
			if (file)
				finish_close(files, file);
		}
}

/* The first task's: no files, at the root. */
int fs_task_first(struct fs_task *task)
{
	task->fs = fs_struct_first();
	task->files = new_files(FDS_INLINE);
	return task->fs && task->files ? 0 : -ENOMEM;
}

void file_init(void)
{
	file_max = (int)max(totalram_pages() * (PAGE_SIZE / SZ_1K) / FILE_SHARE, FILES_MIN);
	file_cache =
		kmem_cache_create("filp", sizeof(struct file), 0, SLAB_HWCACHE_ALIGN, NULL, NULL);
	files_cache = kmem_cache_create("files_cache", sizeof(struct files_struct), 0,
					SLAB_HWCACHE_ALIGN, NULL, NULL);
	if (!file_cache || !files_cache)
		panic("no memory for open files");
}
