/* SPDX-License-Identifier: MIT */
/* guest: --ram 64M */
/* compare: none */
/*
 * Threads that wait on epolls, watch, change, close and nest them at random, while pipes, eventfds,
 * timers and the epolls themselves come and go under them: nothing hangs, no frame is lost, and a
 * file that is watched at the end is still told of. The buffer of some waits faults.
 */
#include "guest.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

enum { THREADS = 4, ROUNDS = 6000, SLOTS = 24, EPOLLS = 8 /* the first slots */ };

static int slot[SLOTS];

static unsigned next(unsigned *state)
{
	return *state = *state * 1664525 + 1013904223, *state >> 8;
}

static int new_file(unsigned *state, int is_epoll)
{
	int p[2], fd;
	struct itimerspec soon = { { 0, 3000000 }, { 0, 3000000 } };
	if (is_epoll)
		return epoll_create1(0);
	switch (next(state) % 3) {
	case 0: return eventfd(next(state) % 2, EFD_NONBLOCK);
	case 1:
		fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
		timerfd_settime(fd, 0, &soon, NULL);
		return fd;
	}
	if (pipe2(p, O_NONBLOCK))
		return -1;
	close(p[next(state) % 2 ? 0 : 1]);
	return fcntl(p[0], F_GETFD) == -1 ? p[1] : p[0];
}

static void *storm(void *arg)
{
	unsigned state = (unsigned)(uintptr_t)arg * 7919;
	struct epoll_event events[4], event;
	uint64_t value = 1;
	int fd;
	for (int i = 0; i < ROUNDS; i++) {
		int a = slot[next(&state) % EPOLLS], b = slot[next(&state) % SLOTS], at = next(&state) % SLOTS;
		event = (struct epoll_event){ next(&state) & (EPOLLIN | EPOLLOUT | EPOLLET | EPOLLONESHOT), { .fd = b } };
		switch (next(&state) % 9) {
		case 0: epoll_ctl(a, EPOLL_CTL_ADD, b, &event); break;
		case 1: epoll_ctl(a, EPOLL_CTL_MOD, b, &event); break;
		case 2: epoll_ctl(a, EPOLL_CTL_DEL, b, NULL); break;
		case 3: epoll_wait(a, events, 4, next(&state) % 3); break;
		case 4: epoll_wait(a, BAD_POINTER, 4, 0); break;
		case 5: (void)!write(b, &value, 8); break;
		case 6: (void)!read(b, &value, 8); value = 1; break;
		case 7: /* closes what was there */
			fd = new_file(&state, at < EPOLLS);
			if (fd >= 0) {
				dup2(fd, slot[at]);
				close(fd);
			}
			break;
		case 8: next(&state) % 8 ? 0 : close(slot[at]); break;
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	unsigned state = 1;
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < SLOTS; i++)
		slot[i] = MUST(dup2(MUST(new_file(&state, i < EPOLLS)), 100 + i));
	for (int fd = 3; fd < 100; fd++)
		close(fd);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, storm, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < SLOTS; i++)
		close(slot[i]);
	int ep = MUST(epoll_create1(0)), fd = MUST(eventfd(0, 0));
	struct epoll_event event = { EPOLLIN, { .u32 = 77 } };
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event));
	MUST(eventfd_write(fd, 1));
	event.data.u32 = 0;
	return epoll_wait(ep, &event, 1, 1000) == 1 && event.data.u32 == 77 ? 0 : 1;
}
