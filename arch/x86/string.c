/* SPDX-License-Identifier: MIT */
/*
 * string.c: copying and filling blocks of memory on x86, for freestanding builds.
 *
 * The string instructions copy a page a word at a time (8 bytes, on a 32-bit machine 4; 512 or 1024
 * steps) without touching the vector
 * registers, which belong to user space. Filling a page with one vector register takes 256 steps.
 * So where the port allows it (PORT_LENDS_VECTOR_REGISTER) a fill of a long block saves such a
 * register, uses it, and restores it before anything can switch tasks (an interrupt handler that
 * fills memory in between saves and restores it, too). Short blocks and the bytes at the end are
 * handled byte by byte; the hardware handles unaligned addresses.
 */
#include <pagoda/port.h>
#include <pagoda/string.h>
#include <asm/words.h>

/* Below this many bytes the start-up cost of a string instruction does not pay. */
#define SHORT_BLOCK_BYTES 32

/* From this many bytes on a borrowed vector register pays. */
#define LONG_FILL_BYTES 512
#define FILL_STRIDE	256 /* bytes a turn of fill_strides() */
static_assert(LONG_FILL_BYTES >= FILL_STRIDE, "fill_strides() fills at least one stride");

/*
 * Fill n bytes, a multiple of FILL_STRIDE and not 0, with a repeated word. The index counts from -n
 * up to 0, so that the addition sets the condition for the loop.
 */
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
			 : [word] ASM_U64(word), [p] "r"(p + n), [stride] "i"(FILL_STRIDE)
			 : "memory", "cc");
}

/*
 * Three sizes: short blocks byte by byte, long ones by vector register for whole strides, the rest
 * by string instructions. The C loops have a barrier, because the compiler would turn a plain one
 * into a call of memset(), that is, into an endless recursion.
 */
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
	if (PORT_LENDS_VECTOR_REGISTER && n >= LONG_FILL_BYTES) {
		size_t strides = n & ~(size_t)(FILL_STRIDE - 1);

		fill_strides(p, (u8)c * (~0ull / 255), strides);
		p += strides;
		n -= strides;
	}
	words = n / sizeof(long);
	n %= sizeof(long);
	__asm__ volatile("rep " ASM_STOS_WORD "\n\tmov %[tail], " ASM_CX "\n\trep stosb"
			 : "+D"(p), "+c"(words)
			 : "a"((u8)c * (~0ul / 255)), [tail] "r"(n)
			 : "memory");
	return dst;
}

/* Copy upwards: whole words, then the bytes that are left. */
static void copy_forward(u8 *d, const u8 *s, size_t n)
{
	size_t words = n / sizeof(long);

	__asm__ volatile("rep " ASM_MOVS_WORD "\n\tmov %[tail], " ASM_CX "\n\trep movsb"
			 : "+D"(d), "+S"(s), "+c"(words)
			 : [tail] "r"(n % sizeof(long))
			 : "memory");
}

/*
 * The 8-byte steps go through __builtin_memcpy, which compiles to one load or store and permits any
 * alignment.
 */
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

/* Overlapping blocks with dst above src are copied from the end, byte by byte. */
void *memmove(void *dst, const void *src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;

	/* Copying upwards is right unless dst lies inside [src, src + n). */
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
