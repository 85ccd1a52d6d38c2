// SPDX-License-Identifier: MIT
/*
 * host.c: the process under the null port.
 *
 * RAM is a memory file, since tier 2 shows one page of it at two addresses: in the direct map,
 * which maps the file as a whole, and at a vmalloc address, which is mapped when the core touches
 * it first.
 *
 * Locking: none, there is one thread.
 * Failure: the process ends with a message.
 */
#define _GNU_SOURCE
#include "host.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE_BYTES 4096ul

static int ram_fd;
static bool (*map_at_touch)(unsigned long address);

_Noreturn void host_exit(int status)
{
	_exit(status);
}

void host_write(const char *text, size_t length)
{
	if (write(STDERR_FILENO, text, length) < 0)
		_exit(3);
}

static _Noreturn void end_with(const char *message)
{
	host_write(message, strlen(message));
	_exit(3);
}

static void map_ram_file(unsigned long address, size_t size, unsigned long offset)
{
	void *want = (void *)address;

	if (mmap(want, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram_fd,
		 (off_t)offset) != want)
		end_with("null port: the host does not map RAM\n");
}

void host_map_ram(unsigned long address, size_t size)
{
	ram_fd = memfd_create("ram", 0);
	if (ram_fd < 0 || ftruncate(ram_fd, (off_t)size))
		end_with("null port: the host has no memory file\n");
	map_ram_file(address, size, 0);
}

void host_map_page(unsigned long address, unsigned long offset)
{
	map_ram_file(address, PAGE_BYTES, offset);
}

void host_unmap(unsigned long address, size_t size)
{
	if (munmap((void *)address, size))
		end_with("null port: the host does not unmap\n");
}

void *host_memory(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		end_with("null port: the host has no memory\n");
	return memory;
}

static void touched(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	if (!map_at_touch((unsigned long)info->si_addr))
		end_with("null port: an address was touched that nothing is mapped at\n");
}

void host_on_touch(bool (*map)(unsigned long address))
{
	struct sigaction action = {.sa_sigaction = touched, .sa_flags = SA_SIGINFO | SA_NODEFER};

	map_at_touch = map;
	if (sigaction(SIGSEGV, &action, NULL))
		end_with("null port: the host gives no signals\n");
}

/* ---- Contexts: a stack each, switched by hand ----------------------------------------- */

#define STACK_BYTES (256ul * 1024)

struct context {
	ucontext_t host;
	void (*fn)(void *arg);
	void *arg;
};

static void context_main(unsigned int high, unsigned int low)
{
	struct context *context = (void *)((unsigned long)high << 32 | low);

	context->fn(context->arg);
	end_with("null port: a task returned\n");
}

void *host_context(void (*fn)(void *arg), void *arg)
{
	struct context *context = host_memory(sizeof(struct context));
	unsigned long at = (unsigned long)context;

	getcontext(&context->host);
	context->host.uc_stack.ss_sp = host_memory(STACK_BYTES);
	context->host.uc_stack.ss_size = STACK_BYTES;
	context->fn = fn;
	context->arg = arg;
	/* makecontext() passes arguments of the size of int. */
	makecontext(&context->host, (void (*)(void))context_main, 2, (unsigned int)(at >> 32),
		    (unsigned int)at);
	return context;
}

void host_switch(void **from, void *to)
{
	struct context *leaving, *coming;

	if (!*from)
		*from = host_memory(sizeof(struct context));
	leaving = *from;
	coming = to;
	if (swapcontext(&leaving->host, &coming->host))
		end_with("null port: the host does not switch\n");
}
