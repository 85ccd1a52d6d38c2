/* SPDX-License-Identifier: MIT */
/* timeout: 120 */
/*
 * Several processes work on several files at random, and every byte is compared with a model
 * in shared memory: writes, appends, truncations both ways, stores through shared mappings
 * with and without msync, reads by call and through mappings, renames between directories,
 * removal, fsync.
 *
 * Arguments: directory (default: a new one), first seed, number of seeds, steps of each
 * process, a command to run before all is compared once more (to unmount and mount). A file is
 * locked while one process works on it; the order of steps does not change what is printed.
 * tests/host/ext2.py runs this on a disk.
 */
#include "guest.h"
#include <pthread.h>

#define FILES	   6
#define FILE_BYTES (192 * 1024)
#define WRITE_MAX  20000
#define PROCESSES  3
#define DIRS	   3

struct model {
	pthread_mutex_t lock;
	int there, dir;
	size_t size;
	unsigned char bytes[FILE_BYTES];
};

static struct model *models;
static unsigned int state;
static const char *where = ".", *between;

static unsigned int below(unsigned int n)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) % n;
}

static void fail(const char *what, int file, size_t at)
{
	printf("%s: file %d, byte %zu, %s\n", what, file, at, strerror(errno));
	_exit(1);
}

static const char *name_of(int file, int dir)
{
	static char names[2][128];
	static int turn;

	turn ^= 1;
	snprintf(names[turn], sizeof(names[turn]), "%s/exercise-%d/file-%d%s", where, dir, file,
		 file % 2 ? "-with-a-name-that-is-longer-than-forty-bytes" : "");
	return names[turn];
}

static int open_file(int file, int flags)
{
	int fd = open(name_of(file, models[file].dir), flags, 0644);

	if (fd < 0)
		fail("open", file, 0);
	return fd;
}

static void compare(int file, const unsigned char *found, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (found[i] != models[file].bytes[from + i])
			fail("wrong byte", file, from + i);
}

static void write_some(int file, int fd, struct model *m)
{
	static unsigned char bytes[WRITE_MAX];
	size_t n = 1 + below(WRITE_MAX), at = below(4) ? below(FILE_BYTES - WRITE_MAX) : m->size;

	if (at + n > FILE_BYTES)
		at = FILE_BYTES - n;
	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)below(256);
	if (pwrite(fd, bytes, n, (off_t)at) != (ssize_t)n)
		fail("write", file, at);
	memcpy(m->bytes + at, bytes, n);
	if (at + n > m->size)
		m->size = at + n;
}

static void cut(int file, int fd, struct model *m)
{
	size_t size = below(FILE_BYTES);

	if (ftruncate(fd, (off_t)size))
		fail("truncate", file, size);
	if (size < m->size)
		memset(m->bytes + size, 0, m->size - size);
	m->size = size;
}

static void read_some(int file, int fd, struct model *m)
{
	static unsigned char bytes[FILE_BYTES];
	size_t from = m->size ? below((unsigned int)m->size) : 0, n = below(FILE_BYTES);
	size_t expect = n < m->size - from ? n : m->size - from;

	if (pread(fd, bytes, n, (off_t)from) != (ssize_t)expect)
		fail("read", file, from);
	compare(file, bytes, from, expect);
}

static void map_some(int file, int fd, struct model *m)
{
	unsigned char *p;
	size_t at, n;

	if (!m->size)
		return;
	p = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		fail("mmap", file, m->size);
	at = below((unsigned int)m->size);
	n = 1 + below(9000);
	if (n > m->size - at)
		n = m->size - at;
	for (size_t i = at; i < at + n; i++)
		p[i] = m->bytes[i] = (unsigned char)below(256);
	if (below(2) && msync(p, m->size, MS_SYNC))
		fail("msync", file, at);
	if (below(2))
		compare(file, p, 0, m->size);
	munmap(p, m->size);
}

static void move(int file, struct model *m)
{
	int dir = (int)below(DIRS);

	if (rename(name_of(file, m->dir), name_of(file, dir)))
		fail("rename", file, 0);
	m->dir = dir;
}

static void take_away(int file, struct model *m)
{
	if (unlink(name_of(file, m->dir)))
		fail("unlink", file, 0);
	m->there = 0;
	m->size = 0;
	memset(m->bytes, 0, FILE_BYTES);
}

static void check_size(int file, int fd, const struct model *m)
{
	struct stat st;

	if (fstat(fd, &st) || (size_t)st.st_size != m->size)
		fail("size", file, (size_t)st.st_size);
}

static void step(int file)
{
	struct model *m = &models[file];
	int fd = open_file(file, m->there ? O_RDWR : O_RDWR | O_CREAT | O_EXCL);
	unsigned int what = below(100);

	m->there = 1;
	check_size(file, fd, m);
	if (what < 35)
		write_some(file, fd, m);
	else if (what < 50)
		cut(file, fd, m);
	else if (what < 70)
		read_some(file, fd, m);
	else if (what < 85)
		map_some(file, fd, m);
	else if (what < 92)
		move(file, m);
	else if (what < 96)
		take_away(file, m);
	else if (fsync(fd))
		fail("fsync", file, 0);
	close(fd);
}

static void process(unsigned int seed, int steps)
{
	state = seed;
	while (steps--) {
		int file = (int)below(FILES);

		pthread_mutex_lock(&models[file].lock);
		step(file);
		pthread_mutex_unlock(&models[file].lock);
	}
	_exit(0);
}

static void prepare(void)
{
	pthread_mutexattr_t attr;
	char name[128];

	models = MUST(mmap(NULL, FILES * sizeof(*models), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	for (int i = 0; i < FILES; i++)
		pthread_mutex_init(&models[i].lock, &attr);
	for (int i = 0; i < DIRS; i++) {
		snprintf(name, sizeof(name), "%s/exercise-%d", where, i);
		MUST(mkdir(name, 0755));
	}
}

/* Everything once more, and away with it. */
static void finish(void)
{
	char name[128];

	for (int i = 0; i < FILES; i++) {
		if (!models[i].there)
			continue;
		int fd = open_file(i, O_RDWR);
		unsigned char *p;

		check_size(i, fd, &models[i]);
		if (models[i].size) {
			p = MUST(mmap(NULL, models[i].size, PROT_READ, MAP_PRIVATE, fd, 0));
			compare(i, p, 0, models[i].size);
			munmap(p, models[i].size);
		}
		close(fd);
		take_away(i, &models[i]);
	}
	for (int i = 0; i < DIRS; i++) {
		snprintf(name, sizeof(name), "%s/exercise-%d", where, i);
		MUST(rmdir(name));
	}
	munmap(models, FILES * sizeof(*models));
}

static void exercise(unsigned int seed, int steps)
{
	int status, bad = 0;

	prepare();
	for (unsigned int i = 0; i < PROCESSES; i++)
		if (MUST(fork()) == 0)
			process(seed * 1000 + i, steps);
	for (int i = 0; i < PROCESSES; i++) {
		MUST(wait(&status));
		bad |= status;
	}
	if (bad)
		exit(1);
	if (between && system(between))
		fail(between, 0, 0);
	finish();
	printf("seed %u: %d processes, %d steps each: as the model\n", seed, PROCESSES, steps);
}

int main(int argc, char **argv)
{
	unsigned int first = argc > 2 ? (unsigned int)atoi(argv[2]) : 1;
	unsigned int seeds = argc > 3 ? (unsigned int)atoi(argv[3]) : 2;
	int steps = argc > 4 ? atoi(argv[4]) : 150;
	char dir[] = "/tmp/fs_exercise.XXXXXX";

	between = argc > 5 ? argv[5] : NULL;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1)
		where = argv[1];
	else
		where = MUST(mkdtemp(dir));
	for (unsigned int seed = first; seed < first + seeds; seed++)
		exercise(seed, steps);
	if (argc <= 1)
		MUST(rmdir(dir));
	return 0;
}
