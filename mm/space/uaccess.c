// SPDX-License-Identifier: MIT
/*
 * uaccess.c: copies between kernel and user memory (thesis 9.6).
 *
 * The only check before a copy is that the range lies in the user half (AS-04, FT-67); the MMU
 * checks the rest. A page that is not present is faulted in by the copy itself; an address that
 * cannot be accessed ends the copy through the exception table, in the machine's port_copy_*_user.
 * This file has only what all machines have in common.
 *
 * Failure is reported by return values only. The part of a kernel buffer that could not be read is
 * filled with zeros: otherwise old kernel data in it could be taken for the user's, and leak.
 */
#include <pagoda/bug.h>
#include <pagoda/errno.h>
#include <pagoda/port.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <asm/page.h>

/* Written so that addr + n cannot overflow. */
bool access_ok(unsigned long addr, size_t n)
{
	return n <= TASK_SIZE && addr <= TASK_SIZE - n;
}

size_t copy_from_user(void *to, unsigned long from, size_t n)
{
	size_t left = n;

	if (likely(access_ok(from, n)))
		left = port_copy_from_user(to, from, n);
	if (unlikely(left))
		memset((char *)to + (n - left), 0, left);
	return left;
}

size_t copy_to_user(unsigned long to, const void *from, size_t n)
{
	return likely(access_ok(to, n)) ? port_copy_to_user(to, from, n) : n;
}

size_t clear_user(unsigned long to, size_t n)
{
	return likely(access_ok(to, n)) ? port_clear_user(to, n) : n;
}

/* n, cut so that [addr, addr + n) ends at the end of user space; 0: addr is beyond it. */
static size_t clip_to_user(unsigned long addr, size_t n)
{
	if (addr >= TASK_SIZE)
		return 0;
	return min_t(size_t, n, TASK_SIZE - addr);
}

/*
 * The machine's copy returns the length with the terminator, more than room if there is none within
 * room, 0 for a fault. A string without terminator that was cut by the end of user space is a
 * fault, as the next byte would be; one that was cut by n is not.
 */
long strncpy_from_user(char *dst, unsigned long src, size_t n)
{
	size_t room = clip_to_user(src, n), len;

	if (!n)
		return 0;
	if (!room)
		return -EFAULT;
	len = port_strncpy_from_user(dst, src, room);
	if (!len || (len > room && room < n)) /* cut by the end of user space */
		return -EFAULT;
	VM_BUG_ON(len > room && room != n);
	return len > room ? (long)n : (long)len - 1;
}

long strnlen_user(unsigned long src, size_t n)
{
	size_t room = clip_to_user(src, n), len;

	if (!room)
		return 0;
	len = port_strncpy_from_user(NULL, src, room);
	if (len > room)
		return room < n ? 0 : (long)n + 1;
	return (long)len;
}
