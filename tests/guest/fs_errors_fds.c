/* SPDX-License-Identifier: MIT */
/*
 * fs_errors_fds.c: the order of checks in calls that make descriptors, copy, watch and control them, and in calls on
 * AF_UNIX sockets. Debian's Linux 6.1 printed the expected output.
 */
/* libc: glibc */
/* timeout: 120 */
#include "call_table.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/uio.h>

static int file, ro, opath, dir, pipe_r, pipe_w, sock, listener, dgram, unbound, event, epollfd, other_epoll, mem;
static char bytes[4096];
static struct epoll_event watch = { EPOLLIN, { 0 } }, exclusive = { EPOLLIN | EPOLLEXCLUSIVE, { 0 } },
			  exclusive_shot = { EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, { 0 } };
static struct pollfd one_fd = { -1, POLLIN, 0 };
static struct timespec no_time = { 0, 0 }, bad_time = { 0, 1000000000 };
static struct sockaddr_un here = { AF_UNIX, "socket" }, missing = { AF_UNIX, "missing" }, no_dir = { AF_UNIX, "missing/x" },
			  not_socket = { AF_UNIX, "file" }, no_name = { AF_UNIX, "" }, closed = { AF_UNIX, "closed/x" },
			  locked = { AF_UNIX, "locked/f" }, other_family = { AF_INET, "socket" }, read_only = { AF_UNIX, "ro/x" };
static struct iovec vector = { bytes, 4 };
static struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 }, long_vector = { .msg_iov = &vector, .msg_iovlen = 1025 },
		     bad_vector = { .msg_iov = (void *)8, .msg_iovlen = 1 };
static int *length; /* shared: 110, -1 and 0, put back by build() */

static void build(void)
{
	build_files();
	if (length)
		length[0] = sizeof(struct sockaddr_un), length[1] = -1, length[2] = 0, length[3] = 4;
}

static void open_all(void)
{
	int pair[2];

	put_file("io", 0666, 0);
	file = MUST(open("io", O_RDWR));
	ro = MUST(open("io", O_RDONLY));
	opath = MUST(open("io", O_PATH));
	dir = MUST(open(".", O_RDONLY));
	MUST(pipe2(pair, O_NONBLOCK));
	pipe_r = pair[0], pipe_w = pair[1];
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	sock = pair[0];
	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair));
	dgram = pair[0];
	listener = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	MUST(bind(listener, (struct sockaddr *)&(struct sockaddr_un){ AF_UNIX, "\0fs_errors" }, 12));
	MUST(listen(listener, 5));
	unbound = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	event = MUST(eventfd(0, EFD_NONBLOCK));
	epollfd = MUST(epoll_create1(0));
	other_epoll = MUST(epoll_create1(0));
	mem = MUST((int)syscall(SYS_memfd_create, "m", 2));
}

#define FILES                                                                                      \
	N("file", file), N("ro", ro), N("path", opath), N("dir", dir), N("pipe_r", pipe_r), N("sock", sock), N("listener", listener), \
		N("event", event), N("epoll", epollfd), N("mem", mem), N("nofd", 999), N("-1", -1)
#define ADDRESSES                                                                                  \
	N("missing", &missing), N("not-socket", &not_socket), N("no-dir", &no_dir), N("no-name", &no_name), N("closed", &closed), \
		N("locked", &locked), N("inet", &other_family), N("read-only", &read_only), N("bad", BAD_ADDRESS), N("null", 0)
#define LENGTHS N("110", 110), N("0", 0), N("1", 1), N("2", 2), N("3", 3), N("111", 111), N("129", 129), N("-1", -1)

static void descriptors(void)
{
	TABLE("dup", SYS_dup, ARG("fd", FILES));
	TABLE("dup2", SYS_dup2, ARG("fd", FILES), ARG("to", N("100", 100), N("-1", -1), N("far", 1 << 30)));
	TABLE("dup2-same", SYS_dup2, ARG("fd", N("file", file), N("nofd", 999)), ARG("to", N("file", file)));
	TABLE("dup3-same", SYS_dup3, ARG("fd", N("file", file)), ARG("to", N("file", file)), ARG("flags", N("0", 0), N("bad", 1)));
	TABLE("dup3", SYS_dup3, ARG("fd", FILES), ARG("to", N("100", 100), N("-1", -1), N("far", 1 << 30)),
	      ARG("flags", N("0", 0), N("cloexec", O_CLOEXEC), N("nonblock", O_NONBLOCK), N("bad", 1)));
	TABLE("close", SYS_close, ARG("fd", N("nofd", 999), N("-1", -1)));
	TABLE("close_range", SYS_close_range, ARG("from", N("500", 500), N("-1", -1)), ARG("to", N("600", 600), N("400", 400)), ARG("flags", N("0", 0), N("cloexec", 4), N("bad", 8)));
	TABLE("pipe2", SYS_pipe2, ARG("fds", N("bad", BAD_ADDRESS), N("null", 0)), ARG("flags", N("0", 0), N("bad", 1), N("append", O_APPEND)));
	TABLE("eventfd2", SYS_eventfd2, ARG("count", N("0", 0), N("-1", -1)), ARG("flags", N("0", 0), N("bad", 16)));
	TABLE("memfd_create", SYS_memfd_create, ARG("name", S("name"), S(""), N("bad", BAD_ADDRESS), N("long", long_name)), ARG("flags", N("0", 0), N("cloexec", 1), N("bad", 0x100)));
	TABLE("fcntl", SYS_fcntl, ARG("fd", FILES),
	      ARG("cmd", N("getfd", F_GETFD), N("setfd", F_SETFD), N("getfl", F_GETFL), N("getlk", F_GETLK), N("setlk", F_SETLK), N("getown", F_GETOWN),
		  N("getsig", F_GETSIG), N("setsig", F_SETSIG), N("ofd_getlk", F_OFD_GETLK), N("getpipe", F_GETPIPE_SZ), N("addseals", 1033), N("getseals", 1034), N("bad", 9999), N("-1", -1)),
	      ARG("arg", N("0", 0), N("bad", BAD_ADDRESS), N("-1", -1)));
	TABLE("fcntl-dup", SYS_fcntl, ARG("fd", N("file", file), N("path", opath), N("nofd", 999)), ARG("cmd", N("dupfd", F_DUPFD)), ARG("arg", N("-1", -1), N("far", 1 << 30)));
	TABLE("fcntl-setown", SYS_fcntl, ARG("fd", FILES), ARG("cmd", N("setown", F_SETOWN)), ARG("arg", N("0", 0), N("none", 999999), N("-none", -999999), N("min", 0x80000000l)));
	TABLE("fcntl-setfl", SYS_fcntl, ARG("fd", FILES), ARG("cmd", N("setfl", F_SETFL)), ARG("arg", N("nonblock", O_NONBLOCK), N("noatime", O_NOATIME | O_NONBLOCK)));
	TABLE("flock", SYS_flock, ARG("fd", FILES), ARG("op", N("sh", LOCK_SH | LOCK_NB), N("un", LOCK_UN), N("0", 0), N("both", LOCK_SH | LOCK_EX), N("nb", LOCK_NB), N("bad", 64), N("mand", 32)));
	TABLE("ioctl", SYS_ioctl, ARG("fd", FILES), ARG("cmd", N("fionbio", 0x5421), N("fionread", 0x541b), N("fioclex", 0x5451), N("tcgets", 0x5401), N("bad", 0x9999)), ARG("arg", N("bad", BAD_ADDRESS), N("null", 0)));
}

static void watching(void)
{
	TABLE("poll", SYS_poll, ARG("fds", N("one", &one_fd), N("bad", BAD_ADDRESS)), ARG("nr", N("1", 1), N("0", 0), N("many", 1 << 30), N("-1", -1)), ARG("timeout", N("0", 0)));
	TABLE("ppoll", SYS_ppoll, ARG("fds", N("one", &one_fd), N("bad", BAD_ADDRESS)), ARG("nr", N("1", 1), N("many", 1 << 30)),
	      ARG("timeout", N("0", &no_time), N("badns", &bad_time), N("bad", BAD_ADDRESS)), ARG("mask", N("null", 0), N("ok", bytes), N("bad", BAD_ADDRESS)), ARG("size", N("8", 8), N("7", 7)));
	TABLE("select", SYS_select, ARG("nr", N("1", 1), N("0", 0), N("-1", -1)), ARG("read", N("null", 0), N("none", bytes), N("bad", BAD_ADDRESS)), ARG("write", N("null", 0), N("bad", BAD_ADDRESS)),
	      ARG("except", N("null", 0)), ARG("timeout", N("0", &no_time), N("bad", BAD_ADDRESS)));
	TABLE("pselect6", SYS_pselect6, ARG("nr", N("1", 1), N("-1", -1)), ARG("read", N("null", 0), N("bad", BAD_ADDRESS)), ARG("write", N("null", 0)),
	      ARG("except", N("null", 0)), ARG("timeout", N("0", &no_time), N("badns", &bad_time), N("bad", BAD_ADDRESS)), ARG("mask", N("null", 0), N("bad", BAD_ADDRESS)));
	TABLE("epoll_create", SYS_epoll_create, ARG("size", N("1", 1), N("0", 0), N("-1", -1)));
	TABLE("epoll_create1", SYS_epoll_create1, ARG("flags", N("0", 0), N("bad", 1)));
	TABLE("epoll_ctl", SYS_epoll_ctl, ARG("epoll", N("other", other_epoll), N("file", file), N("path", opath), N("nofd", 999), N("-1", -1)),
	      ARG("op", N("mod", 3), N("del", 2), N("bad", 7)), ARG("fd", N("unwatched", pipe_w), FILES), ARG("event", N("ok", &watch), N("bad", BAD_ADDRESS), N("exclusive", &exclusive)));
	TABLE("epoll_ctl-add", SYS_epoll_ctl, ARG("epoll", N("epoll", epollfd), N("file", file), N("nofd", 999)), ARG("op", N("add", 1)),
	      ARG("fd", N("file", file), N("dir", dir), N("path", opath), N("epoll", epollfd), N("mem", mem), N("nofd", 999)), ARG("event", N("ok", &watch), N("bad", BAD_ADDRESS), N("exclusive-oneshot", &exclusive_shot)));
	TABLE("epoll_pwait", SYS_epoll_pwait, ARG("epoll", N("epoll", epollfd), N("file", file), N("path", opath), N("nofd", 999)), ARG("events", N("ok", bytes), N("kernel", KERNEL_ADDRESS)),
	      ARG("nr", N("1", 1), N("0", 0), N("-1", -1), N("many", 1 << 30)), ARG("timeout", N("0", 0)), ARG("mask", N("null", 0), N("bad", BAD_ADDRESS)), ARG("size", N("8", 8), N("7", 7)));
}

static void sockets(void)
{
	TABLE("socket", SYS_socket, ARG("family", N("unix", AF_UNIX), N("none", 0), N("99", 99), N("-1", -1)), ARG("type", N("stream", SOCK_STREAM), N("raw", SOCK_RAW), N("rdm", SOCK_RDM), N("99", 99), N("flag", SOCK_STREAM | 0x1000), N("-1", -1)),
	      ARG("protocol", N("0", 0), N("unix", 1), N("99", 99), N("-1", -1)));
	TABLE("socketpair", SYS_socketpair, ARG("family", N("unix", AF_UNIX), N("99", 99)), ARG("type", N("stream", SOCK_STREAM), N("99", 99), N("flag", SOCK_STREAM | 0x1000)), ARG("protocol", N("0", 0), N("99", 99)), ARG("fds", N("bad", BAD_ADDRESS), N("null", 0)));
	TABLE("bind", SYS_bind, ARG("fd", N("listener", listener), FILES), ARG("addr", N("here", &here), ADDRESSES), ARG("len", LENGTHS));
	TABLE("bind-unbound", SYS_bind, ARG("fd", N("unbound", unbound)), ARG("addr", N("not-socket", &not_socket), N("no-dir", &no_dir), N("locked", &locked), N("inet", &other_family), N("read-only", &read_only), N("bad", BAD_ADDRESS), N("null", 0)), ARG("len", N("110", 110), N("0", 0), N("1", 1), N("129", 129), N("-1", -1)));
	TABLE("connect", SYS_connect, ARG("fd", N("unbound", unbound), FILES), ARG("addr", N("missing", &missing), ADDRESSES), ARG("len", LENGTHS));
	TABLE("listen", SYS_listen, ARG("fd", N("listener", listener), N("unbound", unbound), N("dgram", dgram), N("sock", sock), N("file", file), N("path", opath), N("nofd", 999)), ARG("n", N("5", 5), N("-1", -1)));
	TABLE("accept4", SYS_accept4, ARG("fd", N("listener", listener), N("unbound", unbound), N("dgram", dgram), N("sock", sock), N("file", file), N("path", opath), N("nofd", 999)),
	      ARG("addr", N("null", 0), N("ok", bytes), N("bad", BAD_ADDRESS)), ARG("len", N("null", 0), N("ok", length), N("-1", length + 1), N("bad", BAD_ADDRESS)), ARG("flags", N("0", 0), N("bad", 1)));
	TABLE("getsockname", SYS_getsockname, ARG("fd", N("listener", listener), N("sock", sock), N("file", file), N("path", opath), N("nofd", 999)), ARG("addr", N("ok", bytes), N("bad", BAD_ADDRESS)), ARG("len", N("ok", length), N("-1", length + 1), N("0", length + 2), N("bad", BAD_ADDRESS)));
	TABLE("getpeername", SYS_getpeername, ARG("fd", N("sock", sock), N("listener", listener), N("unbound", unbound), N("file", file), N("nofd", 999)), ARG("addr", N("ok", bytes), N("bad", BAD_ADDRESS)), ARG("len", N("ok", length), N("-1", length + 1), N("bad", BAD_ADDRESS)));
	TABLE("shutdown", SYS_shutdown, ARG("fd", N("listener", listener), N("unbound", unbound), N("file", file), N("nofd", 999)), ARG("how", N("5", 5), N("-1", -1)));
	TABLE("sendto", SYS_sendto, ARG("fd", N("unbound", unbound), FILES), ARG("buf", N("ok", bytes), N("bad", BAD_ADDRESS)), ARG("len", N("4", 4), N("0", 0)), ARG("flags", N("nosignal", MSG_NOSIGNAL)),
	      ARG("addr", N("null", 0), N("missing", &missing), N("bad", BAD_ADDRESS)), ARG("addrlen", N("0", 0), N("110", 110), N("129", 129), N("-1", -1)));
	TABLE("sendto-dgram", SYS_sendto, ARG("fd", N("dgram", dgram)), ARG("buf", N("bad", BAD_ADDRESS)), ARG("len", N("4", 4), N("-1", -1), N("huge", 1 << 28)), ARG("flags", N("0", 0)),
	      ARG("addr", N("null", 0), ADDRESSES), ARG("addrlen", N("0", 0), LENGTHS));
	TABLE("recvfrom", SYS_recvfrom, ARG("fd", FILES, N("unbound", unbound), N("dgram", dgram)), ARG("buf", N("ok", bytes), N("bad", BAD_ADDRESS)), ARG("len", N("4", 4), N("0", 0), N("-1", -1)), ARG("flags", N("dontwait", MSG_DONTWAIT), N("oob", MSG_OOB)),
	      ARG("addr", N("null", 0), N("ok", bytes)), ARG("addrlen", N("null", 0), N("ok", length), N("-1", length + 1), N("bad", BAD_ADDRESS)));
	TABLE("sendmsg", SYS_sendmsg, ARG("fd", N("unbound", unbound), FILES), ARG("msg", N("ok", &message), N("long", &long_vector), N("badvec", &bad_vector), N("bad", BAD_ADDRESS)), ARG("flags", N("nosignal", MSG_NOSIGNAL)));
	TABLE("recvmsg", SYS_recvmsg, ARG("fd", FILES, N("unbound", unbound), N("dgram", dgram)), ARG("msg", N("ok", &message), N("long", &long_vector), N("badvec", &bad_vector), N("bad", BAD_ADDRESS)), ARG("flags", N("dontwait", MSG_DONTWAIT), N("oob", MSG_OOB)));
	TABLE("setsockopt", SYS_setsockopt, ARG("fd", N("sock", sock), N("file", file), N("nofd", 999)), ARG("level", N("socket", SOL_SOCKET), N("tcp", 6), N("-1", -1)), ARG("name", N("reuse", SO_REUSEADDR), N("type", SO_TYPE), N("rcvtimeo", SO_RCVTIMEO), N("linger", SO_LINGER), N("9999", 9999)),
	      ARG("value", N("ok", bytes), N("bad", BAD_ADDRESS), N("null", 0)), ARG("len", N("4", 4), N("0", 0), N("3", 3), N("16", 16), N("-1", -1)));
	TABLE("getsockopt", SYS_getsockopt, ARG("fd", N("sock", sock), N("file", file), N("nofd", 999)), ARG("level", N("socket", SOL_SOCKET), N("tcp", 6), N("-1", -1)), ARG("name", N("type", SO_TYPE), N("error", SO_ERROR), N("9999", 9999)),
	      ARG("value", N("ok", bytes), N("bad", BAD_ADDRESS)), ARG("len", N("4", length + 3), N("0", length + 2), N("-1", length + 1), N("bad", BAD_ADDRESS)));
}

static void tables(void)
{
	descriptors();
	watching();
	sockets();
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	close_inherited();
	enter_work(argc, argv, "/tmp/fds");
	length = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	build();
	open_all();
	tables_as(0, tables);
	close_inherited();
	leave_work(argc, "/tmp/fds");
	return 0;
}
