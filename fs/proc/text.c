// SPDX-License-Identifier: MIT
/*
 * text.c: printing the text of /proc files.
 *
 * All output goes into a struct proc_text: a room of fixed size that the reader of the file
 * provides (seq_file.c). Nothing here allocates or fails: what does not fit is dropped and sets
 * overflow. Numbers have their own functions, as smaps prints thirty of them for each region.
 */
#include <fs/proc/proc.h>
#include <pagoda/string.h>

#define MAX_DIGITS 20u /* of a 64-bit number in decimal */
#define KB_WIDTH   8u  /* columns of a number of kilobytes, and the first that needs more */
#define KB_LIMIT   100000000ul

/* Room for n bytes more, which the caller fills; NULL: there is none. */
static char *take_room(struct proc_text *text, size_t n)
{
	char *p = text->buf + text->len;

	if (unlikely(text->room - text->len < n)) {
		text->overflow = true;
		return NULL;
	}
	text->len += n;
	return p;
}

void proc_write_bytes(struct proc_text *text, const void *bytes, size_t n)
{
	char *p = take_room(text, n);

	if (p)
		memcpy(p, bytes, n);
}

void proc_puts(struct proc_text *text, const char *string)
{
	proc_write_bytes(text, string, strlen(string));
}

void proc_putc(struct proc_text *text, char c)
{
	char *p = take_room(text, 1);

	if (p)
		*p = c;
}

void proc_printf(struct proc_text *text, const char *fmt, ...)
{
	size_t left = text->room - text->len;
	va_list args;
	int n;

	va_start(args, fmt);
	n = pagoda_vsnprintf(text->buf + text->len, left, fmt, args);
	va_end(args);
	if ((size_t)n >= left) /* the terminating 0 must fit as well */
		text->overflow = true;
	else
		text->len += (size_t)n;
}

void proc_put_decimal(struct proc_text *text, u64 value, unsigned int width)
{
	char digits[MAX_DIGITS], *first = digits + MAX_DIGITS;
	unsigned int n;
	char *p;

	do
		*--first = (char)('0' + value % 10);
	while (value /= 10);
	n = (unsigned int)(digits + MAX_DIGITS - first);
	p = take_room(text, max(n, width));
	if (!p)
		return;
	for (; width > n; width--)
		*p++ = ' ';
	memcpy(p, first, n);
}

void proc_put_hex(struct proc_text *text, u64 value, unsigned int width)
{
	unsigned int n = value ? (67u - (unsigned int)__builtin_clzll(value)) / 4 : 1;
	char *p;

	n = max(n, width);
	p = take_room(text, n);
	if (!p)
		return;
	for (; n; value >>= 4)
		p[--n] = "0123456789abcdef"[value & 15];
}

/* In one piece where the number fits its columns, as it is most of what smaps is made of. */
void proc_put_kb(struct proc_text *text, const char label[static PROC_KB_LABEL + 1],
		 unsigned long bytes)
{
	unsigned long kb = bytes / SZ_1K;
	char *p, *digit;

	if (unlikely(kb >= KB_LIMIT)) {
		proc_write_bytes(text, label, PROC_KB_LABEL);
		proc_put_decimal(text, kb, 0);
		proc_write_bytes(text, " kB\n", 4);
		return;
	}
	p = take_room(text, PROC_KB_LABEL + KB_WIDTH + 4);
	if (!p)
		return;
	__builtin_memcpy(p, label, PROC_KB_LABEL);
	__builtin_memcpy(p + PROC_KB_LABEL, "         kB\n", KB_WIDTH + 4);
	digit = p + PROC_KB_LABEL + KB_WIDTH;
	do
		*--digit = (char)('0' + kb % 10);
	while (kb /= 10);
}

void proc_pad(struct proc_text *text, size_t start, size_t column)
{
	size_t width = text->len - start;
	char *p = width < column ? take_room(text, column - width) : NULL;

	if (p)
		memset(p, ' ', column - width);
}

/*
 * d_path() builds the name at the end of the room, and it is moved to where it belongs. An escape
 * takes four bytes for one, so the copy may catch up with what is still to be read.
 */
bool proc_put_path(struct proc_text *text, const struct path *path, const struct path *root,
		   const char *escape)
{
	size_t left = min(text->room - text->len, (size_t)PATH_MAX);
	char *to = text->buf + text->len, *from;
	bool reachable = true;

	from = left ? d_path(path, root, to, left, &reachable) : ERR_PTR(-ENAMETOOLONG);
	if (IS_ERR(from)) {
		text->overflow |= left < PATH_MAX; /* else the path is too long for anybody */
		return reachable;
	}
	for (; *from; from++) {
		u8 c = (u8)*from;

		if (!strchr(escape, c)) {
			*to++ = (char)c;
			continue;
		}
		if (from - to < 3) {
			text->overflow = true;
			return reachable;
		}
		*to++ = '\\';
		*to++ = (char)('0' + (c >> 6));
		*to++ = (char)('0' + (c >> 3 & 7));
		*to++ = (char)('0' + (c & 7));
	}
	text->len = (size_t)(to - text->buf);
	return reachable;
}

int proc_parse_number(const char *name, size_t len)
{
	int n = 0;

	if (!len || len > 9 || (name[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		n = n * 10 + (name[i] - '0');
	}
	return n;
}

/* The base that a number's beginning tells; *text moves behind that. */
static long base_of(const char **text)
{
	const char *p = *text;

	if (p[0] == '0' && (p[1] | 0x20) == 'x') {
		*text += 2;
		return 16;
	}
	return p[0] == '0' ? 8 : 10;
}

static long digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

int proc_parse_long(const char *text, long *value)
{
	bool negative, digits = false;
	long n = 0, base;

	while (is_space(*text))
		text++;
	negative = *text == '-';
	text += negative || *text == '+';
	base = base_of(&text);
	for (; digit_of(*text) < base; text++, digits = true)
		if (__builtin_mul_overflow(n, base, &n) ||
		    __builtin_add_overflow(n, digit_of(*text), &n))
			return -EINVAL;
	while (is_space(*text))
		text++;
	if (!digits || *text)
		return -EINVAL;
	*value = negative ? -n : n;
	return 0;
}
