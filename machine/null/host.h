/* SPDX-License-Identifier: MIT */
/*
 * host.h: what the null port asks of the process that it runs in. No header of the core: libc's
 * names are free here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * RAM: size bytes that read as zeroes, seen at address; once. Ends the process if the host refuses.
 */
void host_map_ram(unsigned long address, size_t size);
/*
 * Map the page of RAM at offset to one more address; unmap all of [address, address + size).
 */
void host_map_page(unsigned long address, unsigned long offset);
void host_unmap(unsigned long address, size_t size);
/*
 * Call map(address) when the process touches an address that is not mapped; false: end the process.
 */
void host_on_touch(bool (*map)(unsigned long address));
/* size bytes that read as zeroes; never NULL. */
void *host_memory(size_t size);
/* A context that runs fn(arg), which must not return, on a stack of its own. */
void *host_context(void (*fn)(void *arg), void *arg);
/* Go on in context to; *from is where the caller goes on (made if NULL). */
void host_switch(void **from, void *to);
/* Text to standard error. */
void host_write(const char *text, size_t length);
/* End the process with this status. */
_Noreturn void host_exit(int status);
