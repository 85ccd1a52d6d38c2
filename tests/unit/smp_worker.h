/* SPDX-License-Identifier: MIT */
/*
 * smp_worker.h: a worker, a thread of the process that sits on another CPU and does what it is
 * told while the main task sits on CPU 0:
 *
 *	main (CPU 0)		worker (CPU 1)
 *	order(w, fn)		spins, interrupts on, its mm loaded (not lazy)
 *	  waits			fn(w)
 *
 * so the worker's TLB keeps what it saw until a flush reaches its CPU: what it is asked to
 * touch next shows whether one did.
 */
#pragma once

#include "harness.h"

#define RW_ (PROT_READ | PROT_WRITE)

struct worker {
	struct hosted_task *task;
	void (*fn)(struct worker *w); /* NULL: end */
	int orders, done;
	unsigned long addr; /* what fn works on */
	u32 value;
	bool ok;
	struct hosted_signal sig;
};

static inline void work(void *arg)
{
	struct worker *w = arg;

	for (int seen = 0;; seen++) {
		while (__atomic_load_n(&w->orders, __ATOMIC_ACQUIRE) == seen)
			port_cpu_relax();
		if (!w->fn)
			return;
		w->fn(w);
		__atomic_store_n(&w->done, seen + 1, __ATOMIC_RELEASE);
	}
}

static inline void start_order(struct worker *w, void (*fn)(struct worker *w))
{
	w->fn = fn;
	__atomic_fetch_add(&w->orders, 1, __ATOMIC_RELEASE);
}

static inline void end_order(struct worker *w)
{
	while (__atomic_load_n(&w->done, __ATOMIC_ACQUIRE) != w->orders)
		port_cpu_relax();
}

static inline void order(struct worker *w, void (*fn)(struct worker *w))
{
	start_order(w, fn);
	end_order(w);
}

static inline void start_worker(struct worker *w, int cpu)
{
	*w = (struct worker){0};
	w->task = hosted_clone(cpu, work, w);
}

static inline void end_worker(struct worker *w)
{
	start_order(w, NULL);
	hosted_wait(w->task);
}

static inline void do_read(struct worker *w)
{
	w->ok = hosted_user_read(w->addr, &w->value, sizeof(w->value));
	w->sig = hosted_signal();
}

static inline void do_write(struct worker *w)
{
	w->ok = hosted_user_write(w->addr, &w->value, sizeof(w->value));
	w->sig = hosted_signal();
}

static inline unsigned long map_pages(unsigned int n, unsigned long prot)
{
	unsigned long addr = do_mmap(current_vm->mm, NULL, 0, n * PAGE_SIZE, prot,
				     MAP_PRIVATE | MAP_ANONYMOUS, 0);

	CHECK(!IS_ERR_VALUE(addr));
	return addr;
}
