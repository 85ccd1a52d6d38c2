// SPDX-License-Identifier: MIT
/*
 * test_ext2.c: ext2 on a disk of the hosted machine, beside a model, judged by e2fsck.
 *
 * Images are made by mke2fs and copied to the disk; after each test the disk is copied back
 * and must pass e2fsck -fn (or, where it was damaged on purpose, must not have harmed us).
 */
#include "harness.h"

#include <fs/proc/proc.h>
#include <fs/user.h>
#include <fs/vfs.h>
#include <fs/ext2/ext2.h>
#include <machine/hosted_disk.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/vmscan.h>
#include <pagoda/string.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- What fs/ asks of a kernel, and files of fs/ that are not here --------------------------- */

static struct fs_process process;
static struct fs_struct fs;
static struct fs_task task = {.fs = &fs, .process = &process, .user = &root_user};
static s64 now = 1700000000ll * 1000000000ll;

struct fs_task *fs_hook_current(void)
{
	return &task;
}
u64 fs_hook_realtime_ns(void)
{
	return (u64)(now += 1000000000);
}
bool fs_hook_signal_pending(void)
{
	return false;
}
void fs_hook_signal_self(int signo)
{
	FAIL("signal %d", signo);
}
void epoll_forget_file(struct file *file)
{
	FAIL("file %p is watched", (void *)file);
}
const struct file_operations fifo_fops, blkdev_fops;
void pipe_free_inode(struct inode *inode)
{
	FAIL("inode %p has a pipe", (void *)inode);
}
struct super_block *proc_mount(void)
{
	return ERR_PTR(-ENODEV);
}
struct super_block *devtmpfs_mount(void)
{
	return ERR_PTR(-ENODEV);
}
bool fs_hook_capable(int cap)
{
	(void)cap;
	return true;
}
void proc_printf(struct proc_text *text, const char *fmt, ...)
{
	FAIL("text %p, %s: nobody reads /proc here", (void *)text, fmt);
}
bool proc_put_path(struct proc_text *text, const struct path *path, const struct path *root,
		   const char *escapes)
{
	(void)path, (void)root;
	FAIL("text %p, escapes %s: nobody reads /proc here", (void *)text, escapes);
}
struct super_block *devpts_mount(void)
{
	return ERR_PTR(-ENODEV);
}

/* ---- Images and mounts ----------------------------------------------------------------------- */

static struct block_device *disk;
static struct vfsmount *mnt;
static u64 disk_bytes;

static const char *image_path(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/pagoda-ext2-%d", (int)getpid());
	return path;
}

static int run(const char *format, const char *more)
{
	char command[256];
	int status;

	snprintf(command, sizeof(command), format, more, image_path());
	status = system(command);
	return status < 0 ? -1 : status >> 8 | (status & 127);
}

static void init_once(void)
{
	inode_init();
	dcache_init();
	file_init();
	CHECK_EQ(ext2_inode_init(), 0);
	CHECK(blkdev_mapping(disk));
}

static bool immediate; /* the disk answers at once: for tests that ask it much */

/* A disk with a new file system; words for mke2fs. */
static void make_disk(u64 bytes, const char *words)
{
	FILE *file = fopen(image_path(), "w");

	if (access("/sbin/mke2fs", X_OK) && access("/usr/sbin/mke2fs", X_OK))
		SKIP("no mke2fs here");
	CHECK(file);
	CHECK_EQ(ftruncate(fileno(file), (off_t)bytes), 0);
	fclose(file);
	CHECK_EQ(run("PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext2 %s %s", words), 0);
	disk_bytes = bytes;
	disk = hosted_disk_create(&(struct hosted_disk_config){
		.name = "vda", .bytes = bytes, .immediate = immediate});
	CHECK(disk);
	file = fopen(image_path(), "r");
	CHECK_EQ(fread(hosted_disk_bytes(disk), 1, bytes, file), bytes);
	fclose(file);
	unlink(image_path());
	test_lasting(init_once);
}

static int mount_disk(void)
{
	struct super_block *sb = ext2_mount(disk, "", false);

	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	mnt = kern_mount(sb);
	CHECK(mnt);
	fs.root = fs.pwd = (struct path){mnt, sb->s_root};
	atomic_set(&fs.count, 1);
	path_get(&fs.root);
	path_get(&fs.pwd);
	return 0;
}

static void unmount_disk(void)
{
	path_put(&fs.root);
	path_put(&fs.pwd);
	mntput(mnt);
}

/* e2fsck's verdict on the disk as it is now. */
static int fsck(const char *words)
{
	FILE *file = fopen(image_path(), "w");
	int status;

	CHECK(file);
	CHECK_EQ(fwrite(hosted_disk_bytes(disk), 1, disk_bytes, file), disk_bytes);
	fclose(file);
	status = run("PATH=$PATH:/sbin:/usr/sbin e2fsck -f %s %s >/tmp/pagoda-ext2-fsck.log 2>&1",
		     words);
	if (status)
		(void)!system("cat /tmp/pagoda-ext2-fsck.log >&2");
	unlink(image_path());
	return status;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static long write_at(const char *name, const void *bytes, size_t count, u64 pos, unsigned int flags)
{
	struct file *file = do_filp_open(AT_FDCWD, name, O_RDWR | flags, 0644);
	long ret;

	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = !file->f_op->write ? -EINVAL
				 : file->f_op->write(file, iov_kernel_buf(bytes), count, &pos);
	fput(file);
	return ret;
}

static long read_at(const char *name, void *bytes, size_t count, u64 pos)
{
	struct file *file = do_filp_open(AT_FDCWD, name, O_RDONLY, 0);
	long ret;

	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = !file->f_op->read ? -EINVAL
				: file->f_op->read(file, iov_kernel_buf(bytes), count, &pos);
	fput(file);
	return ret;
}

static int truncate_to(const char *name, u64 size)
{
	struct path path;
	int err = path_lookup(AT_FDCWD, name, LOOKUP_FOLLOW, &path);

	if (err)
		return err;
	err = do_truncate(path.dentry->d_inode, size);
	path_put(&path);
	return err;
}

static u64 size_of(const char *name)
{
	struct path path;
	u64 size;

	CHECK_EQ(path_lookup(AT_FDCWD, name, LOOKUP_FOLLOW, &path), 0);
	size = path.dentry->d_inode->i_size;
	path_put(&path);
	return size;
}

static int make_dir(const char *name)
{
	return vfs_mknod(AT_FDCWD, name, S_IFDIR | 0755, 0, NULL);
}

static int make_file(const char *name)
{
	return vfs_mknod(AT_FDCWD, name, S_IFREG | 0644, 0, NULL);
}

static unsigned int state = 1;
static unsigned int random_below(unsigned int n)
{
	state = state * 1103515245u + 12345u;
	return (state >> 8) % n;
}

static u64 free_blocks(void)
{
	struct statfs64 st;

	CHECK_EQ(mnt->mnt_sb->s_op->statfs(mnt->mnt_sb, &st), 0);
	return st.f_bfree;
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void names_of_all_kinds(const char *words)
{
	char target[300], text[400];
	struct path path;

	make_disk(8 * SZ_1M, words);
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(make_dir("/a"), 0);
	CHECK_EQ(make_dir("/a"), -EEXIST);
	CHECK_EQ(make_dir("/a/b"), 0);
	CHECK_EQ(vfs_unlink(AT_FDCWD, "/a", true), -ENOTEMPTY);
	CHECK_EQ(write_at("/a/f", "hello", 5, 0, O_CREAT), 5);
	CHECK_EQ(vfs_link(AT_FDCWD, "/a/f", AT_FDCWD, "/g", 0), 0);
	memset(target, 'x', sizeof(target));
	target[299] = 0;
	CHECK_EQ(vfs_mknod(AT_FDCWD, "/slow", S_IFLNK | 0777, 0, target), 0);
	CHECK_EQ(vfs_mknod(AT_FDCWD, "/fast", S_IFLNK | 0777, 0, "a/f"), 0);
	CHECK_EQ(vfs_mknod(AT_FDCWD, "/dev1", S_IFCHR | 0600, MKDEV(4, 65), NULL), 0);
	CHECK_EQ(vfs_mknod(AT_FDCWD, "/dev2", S_IFBLK | 0600, MKDEV(259, 7), NULL), 0);
	CHECK_EQ(vfs_mknod(AT_FDCWD, "/fifo", S_IFIFO | 0600, 0, NULL), 0);
	CHECK_EQ(vfs_rename(AT_FDCWD, "/a/b", AT_FDCWD, "/b", 0), 0);
	CHECK_EQ(vfs_rename(AT_FDCWD, "/b", AT_FDCWD, "/b/c", 0), -EINVAL);
	CHECK_EQ(vfs_rename(AT_FDCWD, "/g", AT_FDCWD, "/fast", 1), -EEXIST);
	CHECK_EQ(make_dir("/b/sub"), 0);
	CHECK_EQ(vfs_rename(AT_FDCWD, "/g", AT_FDCWD, "/b/sub", 2), 0); /* exchange */
	CHECK_EQ(write_at("/h", "other", 5, 0, O_CREAT), 5);
	CHECK_EQ(vfs_rename(AT_FDCWD, "/h", AT_FDCWD, "/b/sub", 0), 0); /* over a link of a/f */
	unmount_disk();
	CHECK_EQ(fsck("-n"), 0);

	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(read_at("/fast", text, sizeof(text), 0), 5);
	CHECK_MEM(text, "hello", 5);
	CHECK_EQ(read_at("/b/sub", text, sizeof(text), 0), 5);
	CHECK_MEM(text, "other", 5);
	CHECK_EQ(path_lookup(AT_FDCWD, "/slow", 0, &path), 0);
	CHECK_EQ(vfs_readlink(path.dentry, text, sizeof(text)), 299);
	CHECK_MEM(text, target, 299);
	path_put(&path);
	CHECK_EQ(path_lookup(AT_FDCWD, "/dev1", 0, &path), 0);
	CHECK_EQ(path.dentry->d_inode->i_rdev, MKDEV(4, 65));
	path_put(&path);
	CHECK_EQ(path_lookup(AT_FDCWD, "/dev2", 0, &path), 0);
	CHECK_EQ(path.dentry->d_inode->i_rdev, MKDEV(259, 7));
	path_put(&path);
	CHECK_EQ(path_lookup(AT_FDCWD, "/a/f", 0, &path), 0);
	CHECK_EQ(path.dentry->d_inode->i_nlink, 1);
	path_put(&path);
	CHECK_EQ(path_lookup(AT_FDCWD, "/g", LOOKUP_DIRECTORY, &path), 0);
	path_put(&path);
	unmount_disk();
	CHECK_EQ(fsck("-n"), 0);
}

PAGODA_TEST(ext2_names_1k_blocks, "")
{
	names_of_all_kinds("-b 1024");
}
PAGODA_TEST(ext2_names_2k_blocks_no_features, "")
{
	names_of_all_kinds("-b 2048 -O none");
}
PAGODA_TEST(ext2_names_4k_blocks_revision_0, "")
{
	names_of_all_kinds("-b 4096 -r 0");
}

PAGODA_TEST(ext2_large_and_sparse_files, "")
{
	static const u64 places[] = {0,
				     11 * 1024,
				     12 * 1024,
				     267 * 1024,
				     268 * 1024,
				     65803 * 1024ull,
				     65804 * 1024ull,
				     3 * (u64)SZ_1G,
				     15 * (u64)SZ_1G};
	char text[64], expect[64];
	u64 before;

	make_disk(8 * SZ_1M, "-b 1024");
	CHECK_EQ(mount_disk(), 0);
	before = free_blocks();
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(text, sizeof(text), "at %llu", (unsigned long long)places[i]);
		CHECK_EQ(write_at("/big", text, sizeof(text), places[i] - (i ? 32 : 0), O_CREAT),
			 sizeof(text));
	}
	CHECK_EQ(size_of("/big"), 15 * (u64)SZ_1G + 32);
	CHECK_EQ(write_at("/big", "x", 1, ext2_max_bytes(ext2_sb(mnt->mnt_sb)), 0), -EFBIG);
	unmount_disk();
	CHECK_EQ(fsck("-n"), 0);
	CHECK_EQ(mount_disk(), 0);
	for (size_t i = 1; i < ARRAY_SIZE(places); i++) {
		snprintf(expect, sizeof(expect), "at %llu", (unsigned long long)places[i]);
		CHECK_EQ(read_at("/big", text, sizeof(text), places[i] - 32), sizeof(text));
		if (i != 1 && i != 3 && i != 5) /* those were written over in part */
			CHECK_STR(text, expect);
	}
	memset(expect, 0, sizeof(expect));
	CHECK_EQ(read_at("/big", text, sizeof(text), SZ_1G), sizeof(text));
	CHECK_MEM(text, expect, sizeof(text));
	for (size_t i = ARRAY_SIZE(places) - 1; i > 0; i--) {
		CHECK_EQ(truncate_to("/big", places[i] - 3), 0);
		CHECK_EQ(truncate_to("/big", places[i] + 3), 0);
		CHECK_EQ(read_at("/big", text, 6, places[i] - 3), 6);
		CHECK_MEM(text + 3, expect, 3);
	}
	CHECK_EQ(vfs_unlink(AT_FDCWD, "/big", false), 0);
	CHECK_EQ(free_blocks(), before);
	unmount_disk();
	CHECK_EQ(fsck("-n"), 0);
}

static void fill_and_free(const char *words)
{
	static char bytes[8192];
	u64 before, pos = 0;
	char name[32];
	int files = 0;
	long ret;

	memset(bytes, 'f', sizeof(bytes));
	make_disk(2 * SZ_1M, words);
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(make_dir("/d"), 0);
	before = free_blocks();
	while ((ret = write_at("/full", bytes, sizeof(bytes), pos, O_CREAT)) > 0)
		pos += (u64)ret;
	CHECK_EQ(ret, -ENOSPC);
	CHECK_EQ(size_of("/full"), pos);
	CHECK_LE(free_blocks(), 3); /* those that would only have been pointers */
	while ((ret = make_file((snprintf(name, sizeof(name), "/d/file-%d", files), name))) == 0)
		files++;
	CHECK_EQ(ret, -ENOSPC);
	unmount_disk();
	CHECK_EQ(fsck("-n"), 0);
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(read_at("/full", name, 1, pos - 1), 1);
	CHECK_EQ(name[0], 'f');
	CHECK_EQ(truncate_to("/full", 0), 0);
	while ((ret = make_file((snprintf(name, sizeof(name), "/d/file-%d", files), name))) == 0)
		files++;
	CHECK_EQ(ret, -ENOSPC); /* inodes this time */
	for (int i = 0; i < files; i++)
		CHECK_EQ(vfs_unlink(AT_FDCWD, (snprintf(name, sizeof(name), "/d/file-%d", i), name),
				    false),
			 0);
	CHECK_EQ(vfs_unlink(AT_FDCWD, "/d", true), 0);
	CHECK_EQ(vfs_unlink(AT_FDCWD, "/full", false), 0);
	CHECK_GE(free_blocks(), before);
	unmount_disk();
	CHECK_EQ(fsck("-n"), 0);
}

PAGODA_TEST(ext2_full_to_the_last_block_and_inode, "")
{
	fill_and_free("-b 1024 -N 200");
}
PAGODA_TEST(ext2_full_with_4k_blocks, "")
{
	fill_and_free("-b 4096 -N 64");
}

PAGODA_TEST(ext2_unlinked_file_lives_until_its_last_close, "")
{
	struct file *file;
	u64 before, pos = 0;
	char text[8];

	make_disk(2 * SZ_1M, "-b 1024");
	CHECK_EQ(mount_disk(), 0);
	before = free_blocks();
	CHECK_EQ(write_at("/f", "living", 6, 0, O_CREAT), 6);
	file = do_filp_open(AT_FDCWD, "/f", O_RDWR, 0);
	CHECK(!IS_ERR(file));
	CHECK_EQ(vfs_unlink(AT_FDCWD, "/f", false), 0);
	CHECK_EQ(file->f_op->read(file, iov_kernel_buf(text), 6, &pos), 6);
	CHECK_MEM(text, "living", 6);
	CHECK_LT(free_blocks(), before);
	fput(file);
	CHECK_EQ(free_blocks(), before);
	/* The machine stops while one is open. */
	CHECK_EQ(write_at("/g", "living", 6, 0, O_CREAT), 6);
	file = do_filp_open(AT_FDCWD, "/g", O_RDWR, 0);
	CHECK_EQ(vfs_unlink(AT_FDCWD, "/g", false), 0);
	mnt->mnt_sb->s_op->shutdown(mnt->mnt_sb);
	CHECK_EQ(fsck("-n"), 0);
	fput(file);
	unmount_disk();
	CHECK_EQ(fsck("-n"), 0);
}

/* ---- Beside a model -------------------------------------------------------------------------- */

#define STOPS	    200
#define MODEL_FILES 12
#define MODEL_BYTES 40000
#define MODEL_STEPS 1500

static struct {
	bool there;
	unsigned int size, dir;
	u8 bytes[MODEL_BYTES];
} model[MODEL_FILES];

static const char *model_name(unsigned int i, unsigned int dir)
{
	static char names[2][96];
	static int turn;
	char *name = names[turn ^= 1];

	snprintf(name, 96, "/dir%u/%s-file-%u", dir,
		 i % 3 ? "f" : "a-name-too-long-to-be-inline-in-a-dentry", i);
	return name;
}

static void model_write(unsigned int i)
{
	unsigned int pos = random_below(MODEL_BYTES - 6000), n = 1 + random_below(6000);
	static u8 bytes[6000];

	memset(bytes, (int)('A' + random_below(26)), n);
	bytes[n / 2] = '!';
	CHECK_EQ(write_at(model_name(i, model[i].dir), bytes, n, pos, O_CREAT), n);
	if (!model[i].there)
		memset(model[i].bytes, 0, MODEL_BYTES);
	memcpy(model[i].bytes + pos, bytes, n);
	model[i].size = max(model[i].there ? model[i].size : 0, pos + n);
	model[i].there = true;
}

static void model_truncate(unsigned int i)
{
	unsigned int size = random_below(MODEL_BYTES);

	CHECK_EQ(truncate_to(model_name(i, model[i].dir), size), 0);
	if (size < model[i].size)
		memset(model[i].bytes + size, 0, MODEL_BYTES - size);
	model[i].size = size;
}

static void model_read(unsigned int i)
{
	static u8 bytes[MODEL_BYTES];

	CHECK_EQ(read_at(model_name(i, model[i].dir), bytes, MODEL_BYTES, 0), model[i].size);
	CHECK_MEM(bytes, model[i].bytes, model[i].size);
}

static void model_rename(unsigned int i)
{
	unsigned int to = random_below(4);

	if (to == model[i].dir)
		return;
	CHECK_EQ(vfs_rename(AT_FDCWD, model_name(i, model[i].dir), AT_FDCWD, model_name(i, to), 0),
		 0);
	model[i].dir = to;
}

static void forget_pages(struct inode *inode)
{
	(void)invalidate_mapping_pages(&inode->i_data, 0, ~0ul);
}

/* Names and inodes that nobody uses go, all at once. */
static void shrink_all_caches(void)
{
	inodes_for_each(mnt->mnt_sb, forget_pages);
	for (int i = 0; i < 100; i++)
		(void)dentry_shrinker.scan(100, GFP_KERNEL);
	(void)inode_shrinker.scan(10000, GFP_KERNEL);
}

static void model_step(void)
{
	unsigned int i = random_below(MODEL_FILES), what = random_below(100);

	if (!model[i].there || what < 35)
		model_write(i);
	else if (what < 55)
		model_truncate(i);
	else if (what < 75)
		model_read(i);
	else if (what < 85)
		model_rename(i);
	else if (what < 92)
		model[i].there = vfs_unlink(AT_FDCWD, model_name(i, model[i].dir), false) != 0;
	else if (what < 96)
		CHECK_EQ(mnt->mnt_sb->s_op->sync(mnt->mnt_sb), 0);
	else
		shrink_all_caches();
}

static void beside_model(const char *words, unsigned int seed)
{
	char name[16];

	state = seed;
	make_disk(4 * SZ_1M, words);
	CHECK_EQ(mount_disk(), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(make_dir((snprintf(name, sizeof(name), "/dir%d", i), name)), 0);
	for (int step = 0; step < MODEL_STEPS; step++)
		model_step();
	unmount_disk();
	CHECK_EQ(fsck("-n"), 0);
	CHECK_EQ(mount_disk(), 0);
	for (unsigned int i = 0; i < MODEL_FILES; i++)
		if (model[i].there)
			model_read(i);
	unmount_disk();
	CHECK_EQ(fsck("-n"), 0);
}

PAGODA_TEST(ext2_beside_a_model_1k, "")
{
	beside_model("-b 1024", 1);
}
PAGODA_TEST(ext2_beside_a_model_2k, "")
{
	beside_model("-b 2048", 2);
}
PAGODA_TEST(ext2_beside_a_model_4k, "")
{
	beside_model("-b 4096", 3);
}

/* ---- Stopped at any write -------------------------------------------------------------------- */

/*
 * What e2fsck may say of a disk that was stopped: bitmaps and counts, lost names, and its own talk.
 */
static const char *const harmless[] = {
	"Pass ",
	"e2fsck ",
	"bitmap differences",
	"Fix? no",
	"blocks count wrong",
	"inodes count wrong",
	"Directories count wrong",
	", i_blocks is ",
	", i_size is ",
	"ref count is",
	"nattached inode",
	"lost+found? no",
	"Unattached zero-length",
	"Unconnected directory",
	"'..' in ... (",
	"WARNING",
	" files (",
	"not cleanly unmounted",
	"[0x",
	"contains a file system with errors",
};

static bool is_harmless(const char *line)
{
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (strstr(line, harmless[i]))
			return true;
	return line[0] == '\n';
}

/* A directory that goes to another parent has two names for a while, and an old "..". */
static bool is_of_a_move(const char *line)
{
	return strstr(line, "is a link to directory /dir") || strstr(line, "Clear? no\n") == line ||
	       (strncmp(line, "'..' in /dir", 12) == 0 && strstr(line, ", should be /dir"));
}

static struct {
	unsigned int writes, every, checks, bad;
} stops;

/* The machine stops before this write: what is on the disk? */
static void stop_here(void *arg, enum bio_op op, u64 sector, struct page *page)
{
	char line[256];
	FILE *file;

	(void)arg, (void)sector, (void)page;
	if (op != BIO_WRITE || ++stops.writes % stops.every)
		return;
	stops.checks++;
	file = fopen(image_path(), "w");
	CHECK(file);
	CHECK_EQ(fwrite(hosted_disk_bytes(disk), 1, disk_bytes, file), disk_bytes);
	fclose(file);
	snprintf(line, sizeof(line), "PATH=$PATH:/sbin:/usr/sbin e2fsck -fn %s 2>&1", image_path());
	file = popen(line, "r");
	CHECK(file);
	while (fgets(line, sizeof(line), file))
		if (!is_harmless(line) && !is_of_a_move(line)) {
			fprintf(stderr, "stopped before write %u: %s", stops.writes, line);
			stops.bad++;
		}
	pclose(file);
	unlink(image_path());
}

static void sync_file(const char *name)
{
	struct file *file = do_filp_open(AT_FDCWD, name, O_RDWR, 0);

	CHECK(!IS_ERR(file));
	CHECK_EQ(file->f_op->fsync(file, 0, ~0ull, random_below(2)), 0);
	fput(file);
}

/* A tree that comes and goes, and directories that change their parent. */
static void change_tree(void)
{
	static const char *const tails[] = {"/below/leaf", "/below", ""};
	unsigned int sub = random_below(3), from = random_below(4), to = random_below(4);
	char name[32], other[32], below[64];

	snprintf(name, sizeof(name), "/dir%u/sub%u", from, sub);
	snprintf(other, sizeof(other), "/dir%u/sub%u", to, sub);
	if (!make_dir(name)) {
		snprintf(below, sizeof(below), "%s/below", name);
		CHECK_EQ(make_dir(below), 0);
		snprintf(below, sizeof(below), "%s/below/leaf", name);
		CHECK_EQ(write_at(below, name, sizeof(name), 0, O_CREAT), sizeof(name));
		return;
	}
	if (from != to && !vfs_rename(AT_FDCWD, name, AT_FDCWD, other, 1))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(tails); i++) {
		snprintf(below, sizeof(below), "%s%s", name, tails[i]);
		CHECK_EQ(vfs_unlink(AT_FDCWD, below, i > 0), 0);
	}
}

static void stopped_anywhere(const char *words, unsigned int seed)
{
	unsigned int before;
	char name[64];

	state = seed;
	immediate = true;
	make_disk(2 * SZ_1M, words);
	CHECK_EQ(mount_disk(), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(make_dir((snprintf(name, sizeof(name), "/dir%d", i), name)), 0);
	stops.every = 1;
	hosted_disk_watch(disk, stop_here, NULL);
	while (stops.checks < STOPS) {
		unsigned int i = random_below(MODEL_FILES);

		before = stops.writes;
		if (model[i].there && random_below(3) == 0)
			sync_file(model_name(i, model[i].dir));
		else if (random_below(4) == 0)
			change_tree();
		else
			model_step();
		/* Each write of a short burst, some of a long one. */
		stops.every = 1 + (stops.writes - before) / 16;
	}
	CHECK_EQ(stops.bad, 0);
	hosted_disk_watch(disk, NULL, NULL);
	unmount_disk();
	CHECK_EQ(fsck("-n"), 0);
}

PAGODA_TEST(ext2_stopped_at_any_write_leaves_no_garbage_1k, "")
{
	stopped_anywhere("-b 1024 -N 128", 4);
}
PAGODA_TEST(ext2_stopped_at_any_write_leaves_no_garbage_4k, "")
{
	stopped_anywhere("-b 4096 -N 128", 5);
}

/* ---- fsync ----------------------------------------------------------------------------------- */

static void count_write(void *arg, enum bio_op op, u64 sector, struct page *page)
{
	(void)sector, (void)page;
	*(unsigned int *)arg += op == BIO_WRITE;
}

/* Write requests of an fsync of this open file. */
static unsigned int writes_of_fsync(struct file *file, bool datasync)
{
	unsigned int writes = 0;

	hosted_disk_watch(disk, count_write, &writes);
	CHECK_EQ(file->f_op->fsync(file, 0, ~0ull, datasync), 0);
	hosted_disk_watch(disk, NULL, NULL);
	return writes;
}

PAGODA_TEST(ext2_fsync_writes_what_is_the_files_own, "")
{
	static char bytes[40 * 1024];
	char name[32];
	struct file *file;
	u64 pos = 0;

	make_disk(4 * SZ_1M, "-b 1024");
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(write_at("/mine", bytes, 1, 0, O_CREAT), 1);
	CHECK_EQ(mnt->mnt_sb->s_op->sync(mnt->mnt_sb), 0);
	for (int i = 0; i < 60; i++) { /* others have much to write */
		snprintf(name, sizeof(name), "/other%d", i);
		CHECK_EQ(write_at(name, bytes, 20000, 0, O_CREAT), 20000);
	}
	file = do_filp_open(AT_FDCWD, "/mine", O_RDWR, 0);
	CHECK(!IS_ERR(file));
	CHECK_EQ(file->f_op->write(file, iov_kernel_buf(bytes), 1, &pos), 1);
	CHECK_LE(writes_of_fsync(file, false), 2); /* its page, its inode's page */
	CHECK_EQ(writes_of_fsync(file, false), 0);
	pos = 0;
	CHECK_EQ(file->f_op->write(file, iov_kernel_buf(bytes), 1, &pos), 1);
	CHECK_EQ(writes_of_fsync(file, true), 1); /* new times are nothing to fdatasync */
	CHECK_EQ(file->f_op->write(file, iov_kernel_buf(bytes), sizeof(bytes), &pos),
		 sizeof(bytes));
	/* in pieces, pointers, the inode */
	CHECK_LE(writes_of_fsync(file, true), sizeof(bytes) / 4096 + 4);
	CHECK_EQ(write_at("/new", bytes, 1, 0, O_CREAT), 1);
	fput(file);
	file = do_filp_open(AT_FDCWD, "/new", O_RDWR, 0);
	CHECK(!IS_ERR(file));
	CHECK_GE(writes_of_fsync(file, false), 3); /* with its name */
	fput(file);
	unmount_disk();
	CHECK_EQ(fsck("-n"), 0);
}

#define DISK_PAGES (2 * SZ_1M / PAGE_SIZE)

static void note_place(void *arg, enum bio_op op, u64 sector, struct page *page)
{
	(void)page;
	if (op == BIO_WRITE)
		((bool *)arg)[sector / (PAGE_SIZE / SECTOR_SIZE)] = true;
}

/* A new file with pointers, not yet on the disk, at the same places each time. */
static struct file *new_file_again(void)
{
	static char bytes[20 * 1024];
	struct file *file;
	u64 pos = 0;
	int err = vfs_unlink(AT_FDCWD, "/f", false);

	CHECK(!err || err == -ENOENT);
	(void)mnt->mnt_sb->s_op->sync(mnt->mnt_sb); /* -EIO the first time after one */
	file = do_filp_open(AT_FDCWD, "/f", O_RDWR | O_CREAT, 0644);
	CHECK(!IS_ERR(file));
	CHECK_EQ(file->f_op->write(file, iov_kernel_buf(bytes), sizeof(bytes), &pos),
		 sizeof(bytes));
	return file;
}

/* Whichever write fails: of data, pointers, the inode, or names. */
PAGODA_TEST(ext2_fsync_tells_of_each_write_that_fails, "")
{
	static bool written[DISK_PAGES];
	u64 sectors = PAGE_SIZE / SECTOR_SIZE;
	unsigned int places = 0;
	struct file *file;

	make_disk(2 * SZ_1M, "-b 1024 -N 64");
	CHECK_EQ(mount_disk(), 0);
	file = new_file_again();
	hosted_disk_watch(disk, note_place, written);
	CHECK_EQ(file->f_op->fsync(file, 0, ~0ull, false), 0);
	hosted_disk_watch(disk, NULL, NULL);
	fput(file);
	for (u64 i = 0; i < DISK_PAGES; i++) {
		if (!written[i])
			continue;
		places++;
		file = new_file_again();
		hosted_disk_fail_sectors(disk, BIO_WRITE, i * sectors, (i + 1) * sectors);
		CHECK_EQ(file->f_op->fsync(file, 0, ~0ull, false), -EIO);
		CHECK_EQ(file->f_op->fsync(file, 0, ~0ull, false), 0); /* once */
		hosted_disk_fail_sectors(disk, BIO_WRITE, 0, 0);
		fput(file);
	}
	CHECK_GE(places, 7); /* 5 of data, and the rest */
	unmount_disk();
	(void)fsck("-y"); /* there were errors, says its super block */
	CHECK_EQ(fsck("-n"), 0);
}

/* A file and directories that come, change and go. True: all of it succeeded. */
static bool short_life(void)
{
	static char bytes[20 * 1024];
	bool done = write_at("/f", bytes, sizeof(bytes), 0, O_CREAT) == sizeof(bytes);

	done &= mnt->mnt_sb->s_op->sync(mnt->mnt_sb) == 0;
	done &= truncate_to("/f", 15000) == 0;
	done &= make_dir("/d") == 0 && make_dir("/d/below") == 0;
	done &= mnt->mnt_sb->s_op->sync(mnt->mnt_sb) == 0;
	done &= vfs_unlink(AT_FDCWD, "/d/below", true) == 0;
	done &= vfs_unlink(AT_FDCWD, "/d", true) == 0;
	done &= vfs_unlink(AT_FDCWD, "/f", false) == 0;
	return done;
}

/* Whichever allocation fails, the disk is whole, and all is free once the names are gone. */
PAGODA_TEST(ext2_without_memory_the_disk_stays_whole, "")
{
	static const char *const names[] = {"/d/below", "/d", "/f"};
	unsigned long n = 0;
	bool done = false;
	u64 before;

	immediate = true;
	make_disk(2 * SZ_1M, "-b 1024 -N 64");
	CHECK_EQ(mount_disk(), 0);
	CHECK(short_life()); /* caches, the directory's blocks */
	unmount_disk();
	while (!done) {
		CHECK_EQ(mount_disk(), 0);
		before = free_blocks();
		hosted_fail_nth(++n);
		(void)short_life();
		done = hosted_fail_count() < n;
		hosted_fail_nth(0);
		for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
			CHECK_LE(vfs_unlink(AT_FDCWD, names[i], i < 2), 0);
		CHECK_EQ(free_blocks(), before);
		unmount_disk();
		CHECK_EQ(fsck("-n"), 0);
	}
	CHECK_GT(n, 10);
}

PAGODA_TEST(ext2_many_names_in_one_directory, "")
{
	struct dentry *root;
	char name[64];

	make_disk(8 * SZ_1M, "-b 1024 -N 4000");
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(make_dir("/many"), 0);
	for (int i = 0; i < 1500; i++)
		CHECK_EQ(make_file(
				 (snprintf(name, sizeof(name), "/many/%0*d", 1 + i % 50, i), name)),
			 0);
	for (int i = 0; i < 1500; i += 2)
		CHECK_EQ(vfs_unlink(
				 AT_FDCWD,
				 (snprintf(name, sizeof(name), "/many/%0*d", 1 + i % 50, i), name),
				 false),
			 0);
	shrink_all_caches();
	root = mnt->mnt_sb->s_root;
	CHECK_EQ(atomic_read(&root->d_count),
		 4); /* of the super block, the mount, and the task's two */
	for (int i = 0; i < 1500; i++) {
		struct path path;
		int err;

		snprintf(name, sizeof(name), "/many/%0*d", 1 + i % 50, i);
		err = path_lookup(AT_FDCWD, name, 0, &path);
		CHECK_EQ(err, i % 2 ? 0 : -ENOENT);
		if (!err)
			path_put(&path);
	}
	unmount_disk();
	CHECK_EQ(fsck("-n"), 0);
}

/* ---- Damage ---------------------------------------------------------------------------------- */

struct listing {
	struct dir_context ctx;
	char names[64][64];
	unsigned int nr;
};

static bool note_name(struct dir_context *ctx, const char *name, size_t len, u64 pos, u64 ino,
		      unsigned int type)
{
	struct listing *list = container_of(ctx, struct listing, ctx);

	(void)pos, (void)ino, (void)type;
	if (list->nr == ARRAY_SIZE(list->names))
		return false;
	if (len < 64 && !(len == 1 && name[0] == '.') &&
	    !(len == 2 && name[0] == '.' && name[1] == '.')) {
		memcpy(list->names[list->nr], name, len);
		list->names[list->nr++][len] = '\0';
	}
	return true;
}

static void list_dir(const char *name, struct listing *list)
{
	struct file *file = do_filp_open(AT_FDCWD, name, O_RDONLY | O_DIRECTORY, 0);

	list->nr = 0;
	list->ctx = (struct dir_context){.emit = note_name};
	if (IS_ERR(file))
		return;
	mutex_lock(&file->f_inode->i_sb->s_names);
	if (file->f_op->iterate)
		(void)file->f_op->iterate(file, &list->ctx);
	mutex_unlock(&file->f_inode->i_sb->s_names);
	fput(file);
}

/* Whatever the disk says, do something to each thing in it. Results do not matter: it returns. */
static void play_with(const char *dir, int depth)
{
	struct listing *list = malloc(sizeof(*list));
	static char bytes[3000];
	char name[512];

	list_dir(dir, list);
	for (unsigned int i = 0; i < list->nr; i++) {
		snprintf(name, sizeof(name), "%s/%s", depth ? dir : "", list->names[i]);
		(void)read_at(name, bytes, sizeof(bytes), random_below(20000));
		(void)write_at(name, bytes, 1 + random_below(2999), random_below(300000), 0);
		(void)truncate_to(name, random_below(100000));
		if (depth < 3)
			play_with(name, depth + 1);
		if (random_below(2))
			(void)!vfs_unlink(AT_FDCWD, name, random_below(2));
		else
			(void)!vfs_rename(AT_FDCWD, name, AT_FDCWD, "/moved", random_below(3));
	}
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "%s/new-%d-%u", depth ? dir : "", i,
			 random_below(1000));
		(void)write_at(name, bytes, sizeof(bytes), random_below(100000), O_CREAT);
		(void)make_dir(
			(snprintf(name, sizeof(name), "%s/newdir-%d", depth ? dir : "", i), name));
	}
	free(list);
}

static void populate(void)
{
	static char bytes[5000];
	char name[64];

	for (int i = 0; i < 3; i++) {
		CHECK_EQ(make_dir((snprintf(name, sizeof(name), "/d%d", i), name)), 0);
		for (int j = 0; j < 4; j++) {
			snprintf(name, sizeof(name), "/d%d/f%d", i, j);
			CHECK_GE(write_at(name, bytes, sizeof(bytes), (u64)j * 60000, O_CREAT), 0);
		}
		CHECK_EQ(vfs_mknod(AT_FDCWD, (snprintf(name, sizeof(name), "/d%d/link", i), name),
				   S_IFLNK | 0777, 0, "../d0/f1"),
			 0);
	}
}

/* Where damage hurts: super block, descriptors, bitmaps, used inodes, and the first blocks of data.
 */
#define DAMAGE_FROM  1024
#define DAMAGE_BYTES (120 * 1024)

static void damage(u8 *bytes)
{
	unsigned int n = 1 + random_below(30);

	while (n--) {
		u32 at = DAMAGE_FROM + random_below(random_below(3) ? DAMAGE_BYTES : 40 * 1024);
		u32 value = random_below(4) ? random_below(3000) : random_below(~0u);

		if (random_below(2))
			memcpy(bytes + (at & ~3u), &value, 4);
		else
			bytes[at] ^= (u8)(1u << random_below(8));
	}
}

static void survive_damage(const char *words, unsigned int seeds)
{
	u8 *good, *bytes;
	unsigned int mounted = 0;

	if (getenv("PAGODA_TEST_LEVEL") && strcmp(getenv("PAGODA_TEST_LEVEL"), "long") == 0)
		seeds *= 30;
	make_disk(2 * SZ_1M, words);
	CHECK_EQ(mount_disk(), 0);
	populate();
	unmount_disk();
	bytes = hosted_disk_bytes(disk);
	good = malloc(disk_bytes);
	for (state = 1; seeds--;) {
		memcpy(good, bytes, disk_bytes);
		damage(bytes);
		if (mount_disk() == 0) {
			play_with("/", 0);
			unmount_disk();
			mounted++;
		}
		memcpy(bytes, good, disk_bytes);
	}
	free(good);
	CHECK_GT(mounted, 0);
}

PAGODA_TEST(ext2_survives_damaged_disks_1k, "")
{
	survive_damage("-b 1024 -N 64", 60);
}
PAGODA_TEST(ext2_survives_damaged_disks_4k, "")
{
	survive_damage("-b 4096 -N 64", 60);
}

PAGODA_TEST(ext2_disk_errors_reach_the_caller, "")
{
	static char bytes[3000];
	int errors = 0;

	make_disk(2 * SZ_1M, "-b 1024 -N 64");
	for (unsigned long n = 1; n < 120; n += 3) {
		hosted_disk_fail_nth(disk, n);
		if (mount_disk()) {
			errors++;
			continue;
		}
		errors += write_at("/f", bytes, sizeof(bytes), 300000, O_CREAT) < 0;
		errors += make_dir("/dir") < 0;
		errors += write_at("/dir/g", bytes, sizeof(bytes), 0, O_CREAT) < 0;
		shrink_all_caches();
		errors += read_at("/f", bytes, sizeof(bytes), 300000) < 0;
		errors += vfs_unlink(AT_FDCWD, "/dir/g", false) < 0;
		errors += mnt->mnt_sb->s_op->sync(mnt->mnt_sb) < 0;
		unmount_disk();
	}
	hosted_disk_fail_nth(disk, 0);
	CHECK_GT(errors, 5);
	(void)fsck("-y"); /* what was lost is found */
	CHECK_EQ(mount_disk(), 0);
	unmount_disk();
}

PAGODA_TEST(ext2_refuses_what_it_does_not_know, "")
{
	struct ext2_super_block *es;

	make_disk(2 * SZ_1M, "-b 1024");
	es = (void *)((char *)hosted_disk_bytes(disk) + EXT2_SUPER_OFFSET);
	es->s_feature_incompat |= 0x40; /* extents */
	CHECK_EQ(mount_disk(), -EINVAL);
	es->s_feature_incompat &= ~0x40u;
	es->s_feature_ro_compat |= 0x400; /* checksums */
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(make_dir("/d"), -EROFS);
	unmount_disk();
	CHECK_EQ(es->s_state, EXT2_VALID_FS);
	es->s_feature_ro_compat &= ~0x400u;
	CHECK_EQ(mount_disk(), 0);
	CHECK_EQ(es->s_state, 0);
	unmount_disk();
	CHECK_EQ(es->s_state, EXT2_VALID_FS);
	es->s_state = EXT2_VALID_FS | EXT2_ERROR_FS;
	CHECK_EQ(mount_disk(), 0);
	unmount_disk();
	CHECK_EQ(es->s_state, EXT2_VALID_FS | EXT2_ERROR_FS);
	es->s_magic = 0;
	CHECK_EQ(mount_disk(), -EINVAL);
}

/* ---- The caches ------------------------------------------------------------------------------ */

#define CACHED_FILES 10000

PAGODA_TEST_CONFIG(ext2_names_and_inodes_go_under_pressure, "RC-12", .ram = 64 * SZ_1M,
		   .start_threads = true)
{
	struct page *pages = NULL, *page;
	unsigned long names, inodes;
	char name[32];

	make_disk(16 * SZ_1M, "-b 1024 -N 10100");
	CHECK_EQ(mount_disk(), 0);
	for (int i = 0; i < CACHED_FILES; i++) {
		if (i % 200 == 0)
			CHECK_EQ(make_dir((snprintf(name, sizeof(name), "/d%d", i / 200), name)),
				 0);
		snprintf(name, sizeof(name), "/d%d/f%d", i / 200, i);
		CHECK_EQ(make_file(name), 0);
	}
	names = dentry_shrinker.count();
	CHECK_GE(names, CACHED_FILES);
	CHECK_EQ(dentry_shrinker.scan(100, GFP_NOFS), 0);
	CHECK_EQ(inode_shrinker.scan(100, GFP_NOFS), 0);
	CHECK_EQ(dentry_shrinker.count(), names);

	/* Use memory up until the allocator takes names and inodes back. */
	while (dentry_shrinker.count() + inode_shrinker.count() > CACHED_FILES / 2) {
		page = alloc_pages(GFP_USER | __GFP_NOWARN, 0);
		if (!page)
			break;
		page->private = pages;
		pages = page;
	}
	inodes = inode_shrinker.count();
	while ((page = pages)) {
		pages = page->private;
		page->private = NULL;
		__free_page(page);
	}
	CHECK_LT(dentry_shrinker.count(), names / 2);
	CHECK_LT(inodes, names / 2);
	CHECK_EQ(write_at("/d7/f1400", "still there", 11, 0, 0), 11);
	unmount_disk();
	CHECK_EQ(fsck("-n"), 0);
}
