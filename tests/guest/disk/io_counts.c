/* SPDX-License-Identifier: MIT */
/*
 * What /proc/self/io says of work on a file of a disk (argv[1]) and of tmpfs (/tmp): bytes by read
 * and write, calls, bytes asked of the disk, of pages made dirty, and of those thrown away.
 */
#include "../guest.h"
#include <pthread.h>

enum { SIZE = 1 << 20 };
static const char *const names[] = { "rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes",
				     "cancelled_write_bytes" };
enum { N = ARRAY_LEN(names) };
static char buffer[SIZE] __attribute__((aligned(4096)));

static void counts(const char *path, long *values)
{
	static char text[1024];
	char *line = text;
	MUST(read_file(path, text, sizeof(text)));
	for (int i = 0; i < N; i++, line = strchr(line, '\n') + 1)
		values[i] = atol(strchr(line, ':') + 1);
}

static const char *roughly(long got, long wanted)
{
	static char far[32];
	if (wanted < 0)
		return "any";
	if (!wanted)
		return got ? "some" : "none";
	snprintf(far, sizeof(far), "%ld", got);
	return got >= wanted && got < wanted + wanted / 4 ? "as much" : far;
}

/* Exact: characters and calls without those of counts() itself; roughly: what the disk had to do. */
static void show(const char *what, const long *before, const long *after, long read, long written, long cancelled)
{
	printf("%s: rchar %ld wchar %ld syscr %ld syscw %ld, the disk read %s, written %s, cancelled %s\n", what,
	       after[0] - before[0] - (after[0] - before[0]) % 4096, after[1] - before[1] - (after[1] - before[1]) % 4096,
	       after[2] - before[2] - 2, after[3] - before[3], roughly(after[4] - before[4], read),
	       roughly(after[5] - before[5], written), roughly(after[6] - before[6], cancelled));
}

static void work(const char *name, int is_disk)
{
	long a[N], b[N], all = is_disk ? SIZE : 0;
	int fd = MUST(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600)), drop;
	printf("%s\n", is_disk ? "a file of a disk" : "a file of tmpfs");
	sync();
	counts("/proc/self/io", a);
	MUST(write(fd, buffer, SIZE));
	counts("/proc/self/io", b);
	fflush(stdout);
	long w[2][N];
	memcpy(w[0], a, sizeof(a)), memcpy(w[1], b, sizeof(b));
	fsync(fd);
	drop = open("/proc/sys/vm/drop_caches", O_WRONLY);
	MUST(write(drop, "1", 1));
	close(drop);
	counts("/proc/self/io", a);
	for (int i = 0; i < 16; i++)
		MUST(pread(fd, buffer, SIZE / 16, i * (SIZE / 16)));
	counts("/proc/self/io", b);
	show("write", w[0], w[1], -1, all, 0); /* bitmaps may be read for it */
	show("read", a, b, all, 0, 0);
	counts("/proc/self/io", a);
	MUST(pread(fd, buffer, SIZE, 0));
	counts("/proc/self/io", b);
	show("read again", a, b, 0, 0, 0);
	MUST(pwrite(fd, buffer, SIZE, 0));
	counts("/proc/self/io", a);
	MUST(ftruncate(fd, 0));
	counts("/proc/self/io", b);
	show("cut", a, b, 0, 0, all);
	close(fd);
	MUST(unlink(name));
}

static void *read_zeros(void *unused)
{
	int fd = MUST(open("/dev/zero", O_RDONLY));
	MUST(read(fd, buffer, SIZE));
	close(fd);
	return unused;
}

static int read_zeros_child(void *unused)
{
	read_zeros(unused);
	return 0;
}

/* A process has what its threads and the children that it waited for have read. */
static void sums(void)
{
	long a[N], b[N];
	pthread_t thread;
	counts("/proc/self/io", a);
	pthread_create(&thread, NULL, read_zeros, NULL);
	pthread_join(thread, NULL);
	run_child(read_zeros_child, NULL);
	counts("/proc/self/io", b);
	printf("of a thread and a child: %ld\n", (b[0] - a[0]) / SIZE);
	counts("/proc/thread-self/io", a);
	read_zeros(NULL);
	counts("/proc/thread-self/io", b);
	printf("of this thread: %ld\n", (b[0] - a[0]) / SIZE);
}

int main(int argc, char **argv)
{
	work(argc > 1 ? argv[1] : "/tmp/io_counts", argc > 1);
	work("/tmp/io_counts.tmpfs", 0);
	sums();
	return 0;
}
