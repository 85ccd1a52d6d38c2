/* SPDX-License-Identifier: MIT */
/* guest: --ram 64M */
/* epoll: levels, edges, one-shot, exclusive, nesting, closing, errors, hostile arguments, waits across processes. */
#include "guest.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>

static int watch(int ep, int op, int fd, unsigned events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };
	return epoll_ctl(ep, op, fd, &event);
}

static void show_wait(const char *what, int ep, int max, int timeout)
{
	struct epoll_event events[8];
	int n = epoll_wait(ep, events, max, timeout);
	printf("%s: %d", what, n);
	if (n < 0)
		printf(" %s", errno_name(errno));
	for (int i = 0; i < n; i++)
		printf(" %llu:%x", (unsigned long long)events[i].data.u64, events[i].events);
	printf("\n");
}

static void modes(void)
{
	int ep = MUST(epoll_create1(EPOLL_CLOEXEC)), p[2];
	char text[16];
	MUST(pipe(p));
	printf("cloexec %d\n", fcntl(ep, F_GETFD));
	SHOW(watch(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	SHOW(watch(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLET, 2));
	show_wait("edge of a writable end", ep, 8, 0);
	show_wait("once", ep, 8, 0);
	MUST(write(p[1], "abcd", 4));
	show_wait("level", ep, 8, 0);
	show_wait("again", ep, 8, -1);
	SHOW(watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 3));
	show_wait("changed to edge", ep, 8, 0);
	show_wait("told", ep, 8, 0);
	MUST(read(p[0], text, 2));
	show_wait("part read", ep, 8, 0);
	MUST(write(p[1], "e", 1));
	show_wait("more written", ep, 8, 0);
	SHOW(watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 4));
	show_wait("one shot", ep, 8, 0);
	MUST(write(p[1], "f", 1));
	show_wait("disabled", ep, 8, 0);
	SHOW(watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 5));
	show_wait("armed again", ep, 8, 0);
	SHOW(watch(ep, EPOLL_CTL_MOD, p[0], 0, 6));
	close(p[1]);
	show_wait("hung up, nothing asked for", ep, 8, 0);
	SHOW(watch(ep, EPOLL_CTL_DEL, p[0], 0, 0));
	show_wait("removed", ep, 8, 0);
	close(p[0]);
	close(ep);
}

/* An eventfd's readers and writers share a queue; an edge is only what concerns the watcher. */
static void edges_of_eventfd(void)
{
	int ep = MUST(epoll_create(1)), fd = MUST(eventfd(3, EFD_SEMAPHORE));
	uint64_t value;
	MUST(watch(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 1));
	show_wait("semaphore", ep, 8, 0);
	MUST(read(fd, &value, 8));
	show_wait("taken from", ep, 8, 0);
	MUST(eventfd_write(fd, 1));
	MUST(eventfd_write(fd, 1));
	show_wait("two edges, told once", ep, 8, 0);
	show_wait("then none", ep, 8, 0);
	close(fd);
	close(ep);
}

static void several(void)
{
	int ep = MUST(epoll_create1(0)), fd[5];
	for (int i = 0; i < 5; i++) {
		fd[i] = MUST(eventfd(i != 3, 0));
		MUST(watch(ep, EPOLL_CTL_ADD, fd[i], EPOLLIN, i));
	}
	show_wait("two at a time", ep, 2, 0);
	show_wait("the next", ep, 2, 0);
	show_wait("round", ep, 8, 0);
	int copy = MUST(dup(fd[0]));
	SHOW(watch(ep, EPOLL_CTL_ADD, copy, EPOLLIN, 10));
	SHOW(watch(ep, EPOLL_CTL_ADD, copy, EPOLLIN, 10));
	close(fd[0]);
	show_wait("closed, but a copy is open", ep, 8, 0);
	SHOW(watch(ep, EPOLL_CTL_DEL, fd[0], 0, 0));
	close(copy);
	show_wait("both closed", ep, 8, 0);
	for (int i = 1; i < 5; i++)
		close(fd[i]);
	show_wait("all closed", ep, 8, 0);
	close(ep);
}

static void nested(void)
{
	int outer = MUST(epoll_create1(0)), inner = MUST(epoll_create1(0)), fd = MUST(eventfd(0, 0)), chain[12], n;
	uint64_t value;
	MUST(watch(outer, EPOLL_CTL_ADD, inner, EPOLLIN, 1));
	MUST(watch(inner, EPOLL_CTL_ADD, fd, EPOLLIN, 2));
	show_wait("nothing yet", outer, 8, 0);
	MUST(eventfd_write(fd, 1));
	show_wait("outer", outer, 8, -1);
	show_wait("inner", inner, 8, -1);
	MUST(read(fd, &value, 8));
	show_wait("outer", outer, 8, 0);
	SHOW(watch(inner, EPOLL_CTL_ADD, outer, EPOLLIN, 3));
	SHOW(watch(inner, EPOLL_CTL_ADD, inner, EPOLLIN, 3));
	SHOW(watch(outer, EPOLL_CTL_MOD, inner, EPOLLIN | EPOLLET, 4));
	MUST(eventfd_write(fd, 1));
	show_wait("edge", outer, 8, 0);
	show_wait("edge", outer, 8, 0);
	close(inner);
	show_wait("inner closed", outer, 8, 0);
	close(outer);
	chain[0] = MUST(epoll_create1(0));
	for (n = 1; n < 12; n++) {
		chain[n] = MUST(epoll_create1(0));
		if (watch(chain[n], EPOLL_CTL_ADD, chain[n - 1], EPOLLIN, 0))
			break;
	}
	printf("a chain is too long: %s\n", errno_name(errno));
	MUST(watch(chain[0], EPOLL_CTL_ADD, fd, EPOLLIN, 0));
	show_wait("through a chain", chain[n - 1], 8, 0);
	while (n >= 0)
		close(chain[n--]);
	close(fd);
}

static void errors(void)
{
	int ep = MUST(epoll_create1(0)), p[2], file = MUST(open("/proc/self/exe", O_RDONLY)), other = MUST(epoll_create1(0));
	struct epoll_event event;
	MUST(pipe(p));
	SHOW(epoll_create(0));
	SHOW(epoll_create(-1));
	SHOW(epoll_create1(1));
	SHOW(watch(ep, EPOLL_CTL_ADD, file, EPOLLIN, 0));
	SHOW(watch(ep, EPOLL_CTL_ADD, -1, EPOLLIN, 0));
	SHOW(watch(-1, EPOLL_CTL_ADD, p[0], EPOLLIN, 0));
	SHOW(watch(p[0], EPOLL_CTL_ADD, p[1], EPOLLIN, 0));
	SHOW(watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN, 0));
	SHOW(watch(ep, 77, p[0], EPOLLIN, 0));
	SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], BAD_POINTER));
	SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	SHOW(watch(ep, EPOLL_CTL_ADD, other, EPOLLIN | EPOLLEXCLUSIVE, 0));
	SHOW(watch(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLEXCLUSIVE | EPOLLONESHOT, 0));
	SHOW(watch(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLEXCLUSIVE | EPOLLET, 9));
	SHOW(watch(ep, EPOLL_CTL_MOD, p[1], EPOLLOUT, 0));
	show_wait("no room", ep, 0, 0);
	show_wait("less than no room", ep, -1, 0);
	SHOW(syscall(SYS_epoll_wait, ep, &event, INT_MAX / (int)sizeof(event) + 1, 0));
	SHOW(syscall(SYS_epoll_wait, ep, ~0ul - 4096, 4, 0));
	SHOW(syscall(SYS_epoll_wait, ep, BAD_POINTER, 4, 0));
	show_wait("not lost", ep, 8, 0);
	show_wait("not an epoll", p[0], 8, 0);
	show_wait("not open", 1000, 8, 0);
	SHOW(syscall(SYS_epoll_pwait, ep, &event, 1, 0, BAD_POINTER, 8));
	SHOW(syscall(SYS_epoll_pwait, ep, &event, 1, 0, &event, 4));
	SHOW(syscall(SYS_epoll_pwait2, ep, &event, 1, BAD_POINTER, NULL, 8));
	SHOW(syscall(SYS_epoll_pwait2, ep, &event, 1, &(struct timespec){ 0, -1 }, NULL, 8));
	SHOW(syscall(SYS_epoll_pwait2, ep, &event, 1, &(struct timespec){ 0, 1000 }, NULL, 8));
	SHOW(read(ep, &event, sizeof(event)));
	SHOW(write(ep, &event, sizeof(event)));
	close(file);
	close(other);
	close(p[0]);
	close(p[1]);
	close(ep);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void woken(void)
{
	int ep = MUST(epoll_create1(0)), p[2];
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct itimerval soon = { .it_value = { .tv_usec = 30000 } };
	struct epoll_event event;
	sigset_t none, alarm_only;
	MUST(pipe(p));
	MUST(watch(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	pid_t child = MUST(fork());
	if (!child) {
		usleep(50000);
		_exit(write(p[1], "late", 4) != 4);
	}
	show_wait("woken by another process", ep, 8, -1);
	MUST(waitpid(child, NULL, 0));
	MUST(watch(ep, EPOLL_CTL_DEL, p[0], 0, 0));
	MUST(sigaction(SIGALRM, &action, NULL));
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	show_wait("interrupted", ep, 8, 5000);
	sigemptyset(&none);
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	MUST(sigprocmask(SIG_BLOCK, &alarm_only, NULL));
	MUST(setitimer(ITIMER_REAL, &soon, NULL));
	show_wait("blocked", ep, 8, 100);
	SHOW(epoll_pwait(ep, &event, 1, 5000, &none));
	MUST(sigprocmask(SIG_UNBLOCK, &alarm_only, NULL));
	close(p[0]);
	close(p[1]);
	close(ep);
}

static int shared_ep, taken[3];

static void *waiter(void *arg)
{
	struct epoll_event event;
	uint64_t value;
	int me = *(int *)arg;
	while (epoll_wait(shared_ep, &event, 1, -1) == 1) {
		if (event.data.u32 == 99)
			return NULL;
		if (read(event.data.u32, &value, 8) == 8)
			__atomic_fetch_add(&taken[me], (int)value, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* Three threads wait on one epoll; what is written is read exactly once, and all end. */
static void threads(void)
{
	pthread_t id[3];
	int numbers[3] = { 0, 1, 2 }, fd = MUST(eventfd(0, EFD_NONBLOCK)), stop = MUST(eventfd(0, 0));
	shared_ep = MUST(epoll_create1(0));
	MUST(watch(shared_ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, fd));
	for (int i = 0; i < 3; i++)
		pthread_create(&id[i], NULL, waiter, &numbers[i]);
	for (int i = 0; i < 200; i++) {
		MUST(eventfd_write(fd, 1));
		if (i % 16 == 0)
			usleep(1000);
	}
	usleep(50000);
	MUST(watch(shared_ep, EPOLL_CTL_ADD, stop, EPOLLIN, 99));
	MUST(eventfd_write(stop, 1));
	for (int i = 0; i < 3; i++)
		pthread_join(id[i], NULL);
	printf("threads took %d\n", taken[0] + taken[1] + taken[2]);
	close(fd);
	close(stop);
	close(shared_ep);
}

int main(void)
{
	modes();
	edges_of_eventfd();
	several();
	nested();
	errors();
	woken();
	threads();
	return 0;
}
