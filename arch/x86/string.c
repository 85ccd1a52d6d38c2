/* SPDX-License-Identifier: MIT */
/*
 * string.c: copying and filling blocks of memory on x86, for freestanding builds.
 *
 * The string instructions in their 8-byte form move a page in 512 steps without
 * touching the vector registers, which belong to user space. Filling needs only one such
 * register and 256 steps with it: it is borrowed, and put back before anything can switch
 * tasks (an interrupt that fills memory borrows and returns it in its turn). Short blocks
 * and the odd bytes at the end go byte by byte; alignment is left to the hardware.
 */
#include <pagoda/string.h>

/* Below this many bytes the start-up cost of a string instruction does not pay. */
#define SHORT_BLOCK_BYTES 32

/* From this many bytes on a borrowed vector register pays. */
#define LONG_FILL_BYTES 512
#define FILL_STRIDE	256 /* bytes a turn of fill_strides() */

/* Fill n bytes, a multiple of FILL_STRIDE and not 0, with a repeated word. */
static void fill_strides(u8 *p, u64 word, size_t n)
{
	unsigned long i = 0 - n; /* counts up to 0 */
	u8 saved[16];

	__asm__ volatile("movups %%xmm0, %[saved]\n\t"
			 "movq %[word], %%xmm0\n\t"
			 "punpcklqdq %%xmm0, %%xmm0\n"
			 "1:\n\t"
			 ".irp at, 0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, "
			 "224, 240\n\t"
			 "movups %%xmm0, \\at(%[p], %[i])\n\t"
			 ".endr\n\t"
			 "add %[stride], %[i]\n\t"
			 "jnz 1b\n\t"
			 "movups %[saved], %%xmm0"
			 : [saved] "=m"(saved), [i] "+r"(i)
			 : [word] "r"(word), [p] "r"(p + n), [stride] "i"(FILL_STRIDE)
			 : "memory", "cc");
}

void *memset(void *dst, int c, size_t n)
{
	u8 *p = dst;
	size_t words;

	if (n < SHORT_BLOCK_BYTES) {
		while (n--) {
			*p++ = (u8)c;
			barrier(); /* or the compiler calls memset here */
		}
		return dst;
	}
	if (n >= LONG_FILL_BYTES) {
		size_t strides = n & ~(size_t)(FILL_STRIDE - 1);

		fill_strides(p, (u8)c * 0x0101010101010101ul, strides);
		p += strides;
		n -= strides;
	}
	words = n / 8;
	n %= 8;
	__asm__ volatile("rep stosq\n\tmov %[tail], %%rcx\n\trep stosb"
			 : "+D"(p), "+c"(words)
			 : "a"((u8)c * 0x0101010101010101ul), [tail] "r"(n)
			 : "memory");
	return dst;
}

static void copy_forward(u8 *d, const u8 *s, size_t n)
{
	size_t words = n / 8;

	__asm__ volatile("rep movsq\n\tmov %[tail], %%rcx\n\trep movsb"
			 : "+D"(d), "+S"(s), "+c"(words)
			 : [tail] "r"(n % 8)
			 : "memory");
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;

	if (n >= SHORT_BLOCK_BYTES) {
		copy_forward(d, s, n);
		return dst;
	}
	for (; n >= 8; n -= 8, d += 8, s += 8) {
		u64 word;

		__builtin_memcpy(&word, s, 8);
		__builtin_memcpy(d, &word, 8);
	}
	while (n--) {
		*d++ = *s++;
		barrier(); /* or the compiler calls memcpy here */
	}
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;

	/* Forward copying is right unless dst lies inside [src, src + n). */
	if ((unsigned long)d - (unsigned long)s >= n) {
		copy_forward(d, s, n);
		return dst;
	}
	while (n--) {
		d[n] = s[n];
		barrier();
	}
	return dst;
}
