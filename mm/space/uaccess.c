// SPDX-License-Identifier: MIT
/*
 * uaccess.c: copies between kernel and user memory (thesis 9.6).
 *
 * The only check before a copy is that the range lies in the user half (AS-04, FT-67);
 * everything else is the MMU's business: a missing page is faulted in by the copy
 * itself, a bad one ends it through the exception table, in the machine's
 * port_copy_*_user. Here is only what every machine has in common.
 *
 * Nothing fails but by its return value; a kernel buffer never keeps stale bytes where
 * user bytes should be: what could not be read is zero.
 */
#include <pagoda/errno.h>
#include <pagoda/port.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <asm/page.h>

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

/* n cut so that [addr, addr + n) ends with user space at the latest. */
static size_t clip_to_user(unsigned long addr, size_t n)
{
	if (addr >= TASK_SIZE)
		return 0;
	return min_t(size_t, n, TASK_SIZE - addr);
}

long strncpy_from_user(char *dst, unsigned long src, size_t n)
{
	size_t room = clip_to_user(src, n), len;

	if (!n)
		return 0;
	if (!room)
		return -EFAULT;
	len = port_strncpy_from_user(dst, src, room);
	if (!len || (len > room && room < n)) /* ran into the end of user space */
		return -EFAULT;
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
