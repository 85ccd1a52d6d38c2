/* SPDX-License-Identifier: MIT */
/* guest: --ram 64M */
/* timeout: 300 */
/*
 * Kernel memory that no count limits is seen by the OOM killer: a process that fills memory by way of pipes,
 * sockets, files without a name, page tables or region descriptors is the one that dies, while others, larger than it
 * looks in its own address space, live on; and all is there again afterwards. Docs: LIMITS.md.
 */
#include "guest.h"
#include <grp.h>
#include <sys/socket.h>

#define BYSTANDERS 4
#define BYSTANDER_PAGES 512
#define FILES 4000

static char page[PAGE];

static int live(void *unused)
{
	MUST(setresuid(6001, 6001, 6001));
	char *p = map_anon(BYSTANDER_PAGES * PAGE, PROT_READ | PROT_WRITE);
	for (int i = 0; i < BYSTANDER_PAGES; i++)
		p[i * PAGE] = 1;
	for (;;) {
		sleep_ms(20);
		p[0]++;
	}
	return unused != NULL;
}

/* Each goes on until the process is killed, or there is nothing left to fill. */
static int by_pipes(void *unused)
{
	int fds[2];
	while (!pipe2(fds, O_NONBLOCK))
		while (write(fds[1], page, sizeof(page)) > 0)
			;
	return unused != NULL;
}

static int by_sockets(void *unused)
{
	int fds[2];
	while (!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds))
		for (int i = 0; i < 2; i++)
			while (send(fds[i], page, sizeof(page), 0) > 0)
				;
	return unused != NULL;
}

/* The senders' ends are closed. */
static int by_left_bytes(void *unused)
{
	int fds[2];
	while (!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds)) {
		while (send(fds[0], page, sizeof(page), 0) > 0)
			;
		close(fds[0]);
	}
	return unused != NULL;
}

static int by_memfd(void *unused)
{
	int fd = MUST((int)syscall(SYS_memfd_create, "hog", 0));
	while (write(fd, page, sizeof(page)) > 0)
		;
	return unused != NULL;
}

static int by_page_tables(void *unused)
{
	char *p = MUST(mmap(NULL, 64ul << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	for (size_t at = 0; at < 64ul << 30; at += 2 << 20)
		(void)*(volatile char *)(p + at);
	return unused != NULL;
}

/* Regions of four processes, as one may have 65530 only. */
static int by_regions(void *unused)
{
	for (int i = 0; i < 3 && fork(); i++)
		;
	while (mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED &&
	       mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		;
	while (wait(NULL) > 0)
		;
	return unused != NULL;
}

struct hog {
	const char *name;
	int (*fill)(void *);
	int many; /* who is killed is a part of it */
};

static const struct hog hogs[] = {
	{ "pipes", by_pipes, 0 }, { "sockets", by_sockets, 0 }, { "sockets whose other end is closed", by_left_bytes, 0 },
	{ "a file without a name", by_memfd, 0 }, { "page tables", by_page_tables, 0 }, { "regions", by_regions, 1 },
};

static int become_user(void *argument)
{
	const struct hog *hog = argument;
	MUST(setgroups(0, NULL));
	MUST(setresgid(6000, 6000, 6000));
	MUST(setresuid(6000, 6000, 6000));
	return hog->fill(NULL);
}

static void try_hog(const struct hog *hog)
{
	pid_t bystanders[BYSTANDERS];
	int alive = 0;
	for (int i = 0; i < BYSTANDERS; i++)
		bystanders[i] = start_child(live, NULL);
	sleep_ms(50);
	int status = run_child(become_user, (void *)hog);
	for (int i = 0; i < BYSTANDERS; i++) {
		alive += waitpid(bystanders[i], NULL, WNOHANG) == 0;
		kill(bystanders[i], SIGKILL);
		waitpid(bystanders[i], NULL, 0);
	}
	printf("%s: %s, %d of %d others live\n", hog->name,
	       hog->many ? "done" : WIFSIGNALED(status) ? signal_name(WTERMSIG(status)) : "lives", alive, BYSTANDERS);
}

int main(int argc, char **argv)
{
	MUST(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ FILES, FILES }));
	for (unsigned i = 0; i < ARRAY_LEN(hogs); i++)
		if (argc < 2 || !strcmp(argv[1], hogs[i].name))
			try_hog(&hogs[i]);
	return 0;
}
