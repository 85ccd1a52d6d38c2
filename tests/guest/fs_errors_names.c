/* SPDX-License-Identifier: MIT */
/*
 * fs_errors_names.c: the order of checks in calls that make, remove and look up names.
 * An argument names another directory to work in than /tmp/names.
 */
/* libc: glibc */
/* timeout: 120 */
#include "call_table.h"

static void build(void)
{
	build_files();
}

/* Names that are no good for anything, or only for some calls. */
#define BAD_NAMES                                                                                  \
	N("bad", BAD_ADDRESS), S(""), S("missing/x"), S("file/x"), S("loop"), N("longname", long_name), \
		N("longpath", long_path), S("locked/f"), S("locked/x")
#define OLD_NAMES                                                                                  \
	S("missing"), S("file/"), S("dir"), S("dir/"), S("empty"), S("empty/"), S("."), S(".."), S("/"), S("dir/."), \
		S("dir/.."), S("link"), S("link/"), S("dirlink"), S("dirlink/"), S("dangling"), S("dangling/"), \
		S("closed/f"), S("closed/d"), S("sticky/f"), S("ro/f"), S("ro/d"), S("ro/x"), S("ro"), S("fifo"), S("null")
#define NEW_NAMES                                                                                  \
	S("file"), S("file/"), S("dir"), S("empty"), S("."), S(".."), S("/"), S("empty/."), S("empty/.."), S("link"), \
		S("dangling"), S("dangling/"), S("new/"), S("closed/x"), S("closed/f"), S("sticky/f"), S("ro/f"), \
		S("ro/x"), S("ro/x/"), S("ro/x/y"), S("ro")
#define FOLDERS N("cwd", AT_FDCWD), N("nofd", 999), N("filefd", file_fd), N("dirfd", dir_fd), N("pathfd", path_fd)
#define FEW_FOLDERS N("cwd", AT_FDCWD), N("nofd", 999), N("filefd", file_fd)

static int file_fd, dir_fd, path_fd;

static void open_folders(void)
{
	file_fd = MUST(open("/proc/self/stat", O_RDONLY));
	dir_fd = MUST(open(".", O_RDONLY | O_DIRECTORY));
	path_fd = MUST(open(".", O_PATH));
}

static void removing(void)
{
	TABLE("unlink", SYS_unlink, ARG("path", S("file"), OLD_NAMES, BAD_NAMES));
	TABLE("rmdir", SYS_rmdir, ARG("path", S("empty"), S("file"), OLD_NAMES, BAD_NAMES));
	TABLE("unlinkat", SYS_unlinkat, ARG("fd", FOLDERS), ARG("path", S("file"), OLD_NAMES, BAD_NAMES),
	      ARG("flags", N("0", 0), N("rmdir", AT_REMOVEDIR), N("bad", 1)));
}

static void making(void)
{
	TABLE("mkdirat", SYS_mkdirat, ARG("fd", FOLDERS), ARG("path", S("new"), NEW_NAMES, BAD_NAMES),
	      ARG("mode", N("777", 0777), N("all", ~0)));
	TABLE("mknodat", SYS_mknodat, ARG("fd", FEW_FOLDERS), ARG("path", S("new"), NEW_NAMES, BAD_NAMES),
	      ARG("mode", N("file", S_IFREG | 0666), N("0", 0666), N("fifo", S_IFIFO), N("sock", S_IFSOCK), N("chr", S_IFCHR),
		  N("blk", S_IFBLK), N("dir", S_IFDIR), N("lnk", S_IFLNK), N("bad", 0170000)),
	      ARG("dev", N("0", 0), N("5", 5)));
	TABLE("mknod0:0", SYS_mknodat, ARG("fd", N("cwd", AT_FDCWD)), ARG("path", S("new"), S("file"), S("closed/x"), S("missing/x")),
	      ARG("mode", N("chr", S_IFCHR)), ARG("dev", N("0", 0)));
	TABLE("symlinkat", SYS_symlinkat, ARG("to", S("target"), S(""), N("bad", BAD_ADDRESS), N("longname", long_name),
	      N("longpath", long_path)), ARG("fd", FEW_FOLDERS), ARG("path", S("new"), NEW_NAMES, BAD_NAMES));
}

static void linking(void)
{
	TABLE("linkat", SYS_linkat, ARG("fd", FEW_FOLDERS), ARG("old", S("file"), S("own"), S("secret"), OLD_NAMES, BAD_NAMES),
	      ARG("fd2", FEW_FOLDERS), ARG("new", S("new"), NEW_NAMES, BAD_NAMES),
	      ARG("flags", N("0", 0), N("follow", AT_SYMLINK_FOLLOW), N("empty", AT_EMPTY_PATH), N("nofollow", AT_SYMLINK_NOFOLLOW)));
	TABLE("renameat2", SYS_renameat2, ARG("fd", FEW_FOLDERS), ARG("old", S("file"), OLD_NAMES, BAD_NAMES),
	      ARG("fd2", FEW_FOLDERS), ARG("new", S("new"), NEW_NAMES, S("dir/in"), S("dir/sub"), BAD_NAMES),
	      ARG("flags", N("0", 0), N("noreplace", 1), N("exchange", 2), N("both", 3), N("bad", 8)));
	TABLE("renamedir", SYS_renameat2, ARG("fd", FEW_FOLDERS), ARG("old", S("empty"), S("dir"), S("ro"), S("closed/d"), S("empty/")),
	      ARG("fd2", FEW_FOLDERS), ARG("new", S("new"), NEW_NAMES, S("dir/in"), S("dir/sub"), S("empty/x"), S("empty/x/y"), S("dir/")),
	      ARG("flags", N("0", 0), N("noreplace", 1), N("exchange", 2)));
}

static void looking(void)
{
	static char out[4096];

	TABLE("readlinkat", SYS_readlinkat, ARG("fd", FOLDERS), ARG("path", S("link"), S("file"), OLD_NAMES, BAD_NAMES),
	      ARG("buf", N("ok", out), N("bad", BAD_ADDRESS), N("kernel", KERNEL_ADDRESS)), ARG("size", N("100", 100), N("2", 2), N("0", 0), N("-1", -1)));
	TABLE("chdir", SYS_chdir, ARG("path", S("."), S("file"), S("missing"), S("file/"), S("ro/f"), S("dangling"), BAD_NAMES));
	TABLE("chroot", SYS_chroot, ARG("path", S("missing"), S("file"), S("file/"), S("ro/f"), S("dangling"), BAD_NAMES));
	if (geteuid()) {
		TABLE("chdir", SYS_chdir, ARG("path", S("."), S("locked")));
		TABLE("chroot", SYS_chroot, ARG("path", S("."), S("dir"), S("locked"), S("dirlink")));
	}
	TABLE("getcwd", SYS_getcwd, ARG("buf", N("ok", out), N("bad", BAD_ADDRESS)), ARG("size", N("4096", 4096), N("0", 0), N("2", 2)));
	TABLE("fchdir", SYS_fchdir, ARG("fd", N("dirfd", dir_fd), N("filefd", file_fd), N("nofd", 999), N("-1", -1)));
}

static void tables(void)
{
	removing();
	making();
	linking();
	looking();
}

int main(int argc, char **argv)
{
	enter_work(argc, argv, "/tmp/names");
	open_folders();
	build();
	tables_as(0, tables);
	tables_as(NOBODY, tables);
	leave_work(argc, "/tmp/names");
	return 0;
}
