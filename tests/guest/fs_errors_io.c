/* SPDX-License-Identifier: MIT */
/*
 * fs_errors_io.c: the order of checks in calls on descriptors, of every kind: what a call says of a file that cannot
 * do what is asked, of a bad address, of nothing to be done (zero bytes), and of them together.
 * An argument names another directory to work in than /tmp/io.
 */
/* libc: glibc */
/* timeout: 120 */
#include "call_table.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static int rw, ro, wo, append, dir, opath, pipe_r, pipe_w, sock, dgram, null, zero, full, event, timer, sigfd, epollfd, mem, ptm, pts, fifo;
static char bytes[8192];
static struct iovec one = { bytes, 4 }, none = { bytes, 0 }, unmapped = { (void *)8, 4 }, negative = { bytes, (size_t)-1 },
		    in_kernel = { (void *)KERNEL_ADDRESS, 4 };
/* Shared with the parent, which puts them back: 0, -1, the last one. */
static long *pos;

static void build(void)
{
	char drained[4096];
	struct itimerspec off = { { 0, 0 }, { 0, 0 } };

	/* The files stay; their positions, sizes and what is in the pipes are as at the beginning. */
	MUST(ftruncate(rw, 0));
	MUST(pwrite(rw, "0123456789", 10, 0));
	MUST(ftruncate(mem, 4096));
	for (int i = 0; i < 5; i++)
		lseek((const int[]){ rw, ro, wo, dir, mem }[i], 0, SEEK_SET);
	while (read(pipe_r, drained, sizeof(drained)) > 0)
		;
	MUST(write(pipe_w, "pipe", 4));
	timerfd_settime(timer, 0, &off, NULL);
	pos[0] = 0, pos[1] = -1, pos[2] = 0x7fffffffffffffffl;
}

static void open_files(void)
{
	int pair[2];
	sigset_t none_blocked;

	put_file("io", 0666, 0);
	rw = MUST(open("io", O_RDWR));
	ro = MUST(open("io", O_RDONLY));
	wo = MUST(open("io", O_WRONLY));
	append = MUST(open("io", O_WRONLY | O_APPEND));
	dir = MUST(open(".", O_RDONLY));
	opath = MUST(open("io", O_PATH));
	MUST(pipe2(pair, O_NONBLOCK));
	pipe_r = pair[0], pipe_w = pair[1];
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	sock = pair[0];
	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair));
	dgram = pair[0];
	null = MUST(open("/dev/null", O_RDWR));
	zero = MUST(open("/dev/zero", O_RDWR));
	full = MUST(open("/dev/full", O_RDWR));
	event = MUST(eventfd(0, EFD_NONBLOCK));
	timer = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	sigemptyset(&none_blocked);
	sigfd = MUST(signalfd(-1, &none_blocked, SFD_NONBLOCK));
	epollfd = MUST(epoll_create1(0));
	mem = MUST((int)syscall(SYS_memfd_create, "m", 2));
	if (access("/dev/pts/ptmx", F_OK) && access("/dev/pts/0", F_OK)) {
		mkdir("/dev/pts", 0755); /* Linux without anything that mounts it */
		mount("devpts", "/dev/pts", "devpts", 0, "ptmxmode=666");
	}
	ptm = MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK));
	MUST(ioctl(ptm, TIOCSPTLCK, &(int){ 0 }));
	pts = MUST(open(ptsname(ptm), O_RDWR | O_NOCTTY | O_NONBLOCK));
	MUST(mkfifo("iofifo", 0666));
	fifo = MUST(open("iofifo", O_RDWR | O_NONBLOCK));
}

#define FILES                                                                                      \
	N("rw", rw), N("ro", ro), N("wo", wo), N("append", append), N("dir", dir), N("path", opath), N("pipe_r", pipe_r), \
		N("pipe_w", pipe_w), N("sock", sock), N("dgram", dgram), N("null", null), N("zero", zero), N("full", full), \
		N("event", event), N("timer", timer), N("signal", sigfd), N("epoll", epollfd), N("mem", mem), N("ptm", ptm), \
		N("pts", pts), N("fifo", fifo), N("nofd", 999), N("-1", -1)
#define BUFFERS N("ok", bytes), N("bad", BAD_ADDRESS), N("kernel", KERNEL_ADDRESS), N("null", 0), N("-1", -1)
#define SIZES N("8", 8), N("0", 0), N("max", 0x7fffffffffffffffl), N("-1", -1)
#define VECTORS N("one", &one), N("none", &none), N("unmapped", &unmapped), N("negative", &negative), N("kernel", &in_kernel), N("bad", BAD_ADDRESS)
#define VECTOR_COUNTS N("1", 1), N("0", 0), N("1025", 1025), N("-1", -1)
#define POSITIONS N("0", 0), N("-1", -1), N("-5", -5), N("max", 0x7fffffffffffffffl)

static void transfers(void)
{
	TABLE("read", SYS_read, ARG("fd", FILES), ARG("buf", BUFFERS), ARG("count", N("0", 0), SIZES));
	TABLE("write", SYS_write, ARG("fd", FILES), ARG("buf", BUFFERS), ARG("count", SIZES));
	TABLE("pread64", SYS_pread64, ARG("fd", FILES), ARG("buf", BUFFERS), ARG("count", SIZES), ARG("pos", POSITIONS));
	TABLE("pwrite64", SYS_pwrite64, ARG("fd", FILES), ARG("buf", BUFFERS), ARG("count", SIZES), ARG("pos", POSITIONS));
	TABLE("readv", SYS_readv, ARG("fd", FILES), ARG("iov", VECTORS), ARG("nr", VECTOR_COUNTS));
	TABLE("writev", SYS_writev, ARG("fd", FILES), ARG("iov", VECTORS), ARG("nr", VECTOR_COUNTS));
	TABLE("preadv", SYS_preadv, ARG("fd", FILES), ARG("iov", VECTORS), ARG("nr", VECTOR_COUNTS), ARG("pos", POSITIONS), ARG("high", N("0", 0)));
	TABLE("pwritev2", SYS_pwritev2, ARG("fd", FILES), ARG("iov", VECTORS), ARG("nr", VECTOR_COUNTS), ARG("pos", POSITIONS), ARG("high", N("0", 0)),
	      ARG("flags", N("0", 0), N("bad", 0x100)));
}

static void sizes_and_positions(void)
{
	TABLE("lseek", SYS_lseek, ARG("fd", FILES), ARG("offset", POSITIONS),
	      ARG("whence", N("set", 0), N("cur", 1), N("end", 2), N("data", 3), N("hole", 4), N("5", 5), N("-1", -1)));
	TABLE("ftruncate", SYS_ftruncate, ARG("fd", FILES), ARG("length", N("5", 5), N("-1", -1)));
	TABLE("fallocate", SYS_fallocate, ARG("fd", N("rw", rw), N("ro", ro), N("dir", dir), N("pipe_w", pipe_w), N("pipe_r", pipe_r), N("sock", sock), N("null", null), N("event", event), N("nofd", 999)),
	      ARG("mode", N("0", 0), N("keep", 1), N("punch", 3), N("punch-only", 2), N("collapse-keep", 9), N("insert-keep", 0x21), N("unshare-punch", 0x42), N("punch-zero", 0x13), N("unknown", 0x100)),
	      ARG("offset", N("0", 0), N("-1", -1), N("max", 0x7fffffffffffffffl)), ARG("len", N("4", 4), N("0", 0), N("-1", -1), N("max", 0x7fffffffffffffffl)));
	TABLE("sync_file_range", SYS_sync_file_range, ARG("fd", FILES), ARG("offset", POSITIONS), ARG("count", N("0", 0), N("-1", -1), N("max", 0x7fffffffffffffffl)),
	      ARG("flags", N("0", 0), N("7", 7), N("8", 8)));
	TABLE("fadvise64", SYS_fadvise64, ARG("fd", FILES), ARG("offset", N("0", 0), N("-1", -1)), ARG("len", N("0", 0), N("-1", -1)),
	      ARG("advice", N("0", 0), N("dontneed", 4), N("6", 6), N("-1", -1)));
	TABLE("readahead", SYS_readahead, ARG("fd", FILES), ARG("offset", N("0", 0), N("-1", -1)), ARG("count", N("10", 10), N("0", 0), N("-1", -1)));
	TABLE("fsync", SYS_fsync, ARG("fd", FILES));
	TABLE("syncfs", SYS_syncfs, ARG("fd", N("rw", rw), N("path", opath), N("nofd", 999)));
	TABLE("fchmod", SYS_fchmod, ARG("fd", N("rw", rw), N("ro", ro), N("path", opath), N("nofd", 999)), ARG("mode", N("666", 0666)));
	TABLE("fchown", SYS_fchown, ARG("fd", N("rw", rw), N("ro", ro), N("path", opath), N("nofd", 999)), ARG("uid", N("keep", -1), N("1", 1)), ARG("gid", N("keep", -1), N("0", 0)));
	TABLE("fstat", SYS_fstat, ARG("fd", FILES), ARG("buf", BUFFERS));
	TABLE("fstatfs", SYS_fstatfs, ARG("fd", N("rw", rw), N("path", opath), N("nofd", 999)), ARG("buf", BUFFERS));
	TABLE("getdents64", SYS_getdents64, ARG("fd", FILES), ARG("buf", BUFFERS), ARG("size", N("0", 0), N("10", 10), N("-1", -1)));
}

static void between_files(void)
{
	TABLE("sendfile", SYS_sendfile, ARG("out", N("mem", mem), FILES), ARG("in", FILES),
	      ARG("offset", N("null", 0), N("0", pos), N("-1", pos + 1), N("bad", BAD_ADDRESS)), ARG("count", N("4", 4), N("0", 0), N("-1", -1)));
	TABLE("copy_file_range", SYS_copy_file_range, ARG("in", FILES), ARG("inpos", N("null", 0), N("0", pos), N("-1", pos + 1), N("max", pos + 2), N("bad", BAD_ADDRESS)),
	      ARG("out", N("mem", mem), FILES), ARG("outpos", N("null", 0), N("-1", pos + 1), N("bad", BAD_ADDRESS)), ARG("count", N("4", 4), N("0", 0), N("-1", -1)),
	      ARG("flags", N("0", 0), N("1", 1)));
	TABLE("splice", SYS_splice, ARG("in", N("pipe_r", pipe_r), FILES), ARG("inpos", N("null", 0), N("0", pos), N("-1", pos + 1), N("bad", BAD_ADDRESS)),
	      ARG("out", N("mem", mem), FILES), ARG("outpos", N("null", 0), N("0", pos), N("-1", pos + 1), N("bad", BAD_ADDRESS)),
	      ARG("len", N("4", 4), N("0", 0), N("-1", -1)), ARG("flags", N("nonblock", 2), N("bad", 0x100)));
	TABLE("tee", SYS_tee, ARG("in", N("pipe_r", pipe_r), FILES), ARG("out", N("fifo", fifo), FILES), ARG("len", N("4", 4), N("0", 0)), ARG("flags", N("nonblock", 2), N("bad", 0x100)));
	TABLE("vmsplice", SYS_vmsplice, ARG("fd", N("pipe_w", pipe_w), FILES), ARG("iov", VECTORS), ARG("nr", VECTOR_COUNTS), ARG("flags", N("nonblock", 2), N("bad", 0x100)));
}

static void tables(void)
{
	transfers();
	sizes_and_positions();
	between_files();
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	enter_work(argc, argv, "/tmp/io");
	open_files();
	pos = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	tables_as(0, tables);
	close_inherited();
	leave_work(argc, "/tmp/io");
	return 0;
}
