/* SPDX-License-Identifier: MIT */
/*
 * vsprintf.c: formatted printing into a buffer, and the bounded string copy.
 *
 * One conversion is described by a struct spec, parsed from the format and then
 * printed by one of three emitters (text, integer, character). Output beyond the
 * buffer is counted and dropped, as in C: the result is what a large enough buffer
 * would have received. No floating point, no allocation, no locks; any context.
 */
#include <pagoda/string.h>

/* Digits of a 64-bit number in octal, the longest base, rounded up. */
#define MAX_DIGITS 24

struct out {
	char *buf;
	size_t size, len; /* len counts dropped characters too */
};

struct spec {
	bool left, plus, space, alt, zero, upper, is_signed;
	int width, precision; /* precision < 0: none given */
	int length;	      /* of the argument: 0 int, 1 long, 2 64 bits, -1 short, -2 char */
	unsigned int base;
};

static void put(struct out *out, char c)
{
	if (out->len + 1 < out->size)
		out->buf[out->len] = c;
	out->len++;
}

static void pad(struct out *out, char c, int n)
{
	while (n-- > 0)
		put(out, c);
}

/* text of n characters within the field width. */
static void put_text(struct out *out, const struct spec *spec, const char *text, int n)
{
	if (!spec->left)
		pad(out, ' ', spec->width - n);
	for (int i = 0; i < n; i++)
		put(out, text[i]);
	if (spec->left)
		pad(out, ' ', spec->width - n);
}

static void put_string(struct out *out, const struct spec *spec, const char *s)
{
	size_t limit = spec->precision < 0 ? (size_t)INT32_MAX : (size_t)spec->precision;

	if (!s)
		s = "(null)";
	put_text(out, spec, s, (int)strnlen(s, limit));
}

/* Digits of value, last first; returns their number (none for 0 with precision 0). */
static int make_digits(char *digits, u64 value, const struct spec *spec)
{
	const char *set = spec->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	int n = 0;

	if (value == 0 && spec->precision != 0)
		digits[n++] = '0';
	for (; value; value /= spec->base)
		digits[n++] = set[value % spec->base];
	return n;
}

static void put_integer(struct out *out, const struct spec *spec, u64 value)
{
	char digits[MAX_DIGITS], prefix[2];
	bool negative = spec->is_signed && (s64)value < 0;
	int n = make_digits(digits, negative ? -value : value, spec);
	int nprefix = 0, zeros = max(spec->precision - n, 0), spaces;

	if (negative)
		prefix[nprefix++] = '-';
	else if (spec->is_signed && (spec->plus || spec->space))
		prefix[nprefix++] = spec->plus ? '+' : ' ';
	if (spec->alt && spec->base == 16 && value) {
		prefix[nprefix++] = '0';
		prefix[nprefix++] = spec->upper ? 'X' : 'x';
	}
	if (spec->alt && spec->base == 8 && zeros == 0)
		zeros = 1;
	if (spec->zero && !spec->left && spec->precision < 0)
		zeros = max(zeros, spec->width - nprefix - n);
	spaces = spec->width - nprefix - zeros - n;
	if (!spec->left)
		pad(out, ' ', spaces);
	for (int i = 0; i < nprefix; i++)
		put(out, prefix[i]);
	pad(out, '0', zeros);
	while (n > 0)
		put(out, digits[--n]);
	if (spec->left)
		pad(out, ' ', spaces);
}

static const char *parse_flags(const char *fmt, struct spec *spec)
{
	for (;; fmt++) {
		switch (*fmt) {
		case '-':
			spec->left = true;
			break;
		case '+':
			spec->plus = true;
			break;
		case ' ':
			spec->space = true;
			break;
		case '#':
			spec->alt = true;
			break;
		case '0':
			spec->zero = true;
			break;
		default:
			return fmt;
		}
	}
}

static const char *parse_number(const char *fmt, int *number)
{
	for (*number = 0; *fmt >= '0' && *fmt <= '9'; fmt++)
		*number = *number * 10 + (*fmt - '0');
	return fmt;
}

static const char *parse_length(const char *fmt, struct spec *spec)
{
	switch (*fmt) {
	case 'h':
		spec->length = fmt[1] == 'h' ? -2 : -1;
		return fmt + (fmt[1] == 'h' ? 2 : 1);
	case 'l':
		spec->length = fmt[1] == 'l' ? 2 : 1;
		return fmt + (fmt[1] == 'l' ? 2 : 1);
	case 'z':
	case 't':
		spec->length = 1;
		return fmt + 1;
	case 'j':
		spec->length = 2;
		return fmt + 1;
	default:
		return fmt;
	}
}

/* Widen an argument of type int to what the length says of it. */
static u64 narrow(int value, const struct spec *spec)
{
	if (spec->length == -2)
		return spec->is_signed ? (u64)(s64)(s8)value : (u8)value;
	if (spec->length == -1)
		return spec->is_signed ? (u64)(s64)(s16)value : (u16)value;
	return spec->is_signed ? (u64)(s64)value : (u32)value;
}

/*
 * One past a conversion that starts after its '%'. A macro takes the argument: va_list copies
 * differ by ABI.
 */
#define INTEGER_ARG(spec, args)                                                         \
	((spec)->length == 2   ? va_arg(args, u64)                                      \
	 : (spec)->length == 1 ? ((spec)->is_signed ? (u64)va_arg(args, long)           \
						    : (u64)va_arg(args, unsigned long)) \
			       : narrow(va_arg(args, int), (spec)))

/* Set base and sign for an integer conversion; false: c is not one. */
static bool integer_conversion(char c, struct spec *spec)
{
	spec->upper = c == 'X';
	spec->is_signed = c == 'd' || c == 'i';
	spec->base = c == 'o' ? 8 : c == 'x' || c == 'X' ? 16 : 10;
	return c == 'd' || c == 'i' || c == 'u' || c == 'x' || c == 'X' || c == 'o';
}

static void put_pointer(struct out *out, struct spec *spec, const void *p)
{
	spec->alt = p != NULL;
	spec->base = 16;
	put_integer(out, spec, (unsigned long)p);
}

int pagoda_vsnprintf(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out out = {.buf = buf, .size = size};

	for (; *fmt; fmt++) {
		struct spec spec = {.precision = -1};

		if (*fmt != '%') {
			put(&out, *fmt);
			continue;
		}
		fmt = parse_flags(fmt + 1, &spec);
		if (*fmt == '*') {
			spec.width = va_arg(args, int);
			spec.left |= spec.width < 0;
			spec.width = spec.width < 0 ? -spec.width : spec.width;
			fmt++;
		} else {
			fmt = parse_number(fmt, &spec.width);
		}
		if (*fmt == '.' && *++fmt == '*') {
			spec.precision = va_arg(args, int);
			fmt++;
		} else if (fmt[-1] == '.') {
			fmt = parse_number(fmt, &spec.precision);
		}
		fmt = parse_length(fmt, &spec);
		if (integer_conversion(*fmt, &spec)) {
			put_integer(&out, &spec, INTEGER_ARG(&spec, args));
		} else if (*fmt == 's') {
			put_string(&out, &spec, va_arg(args, const char *));
		} else if (*fmt == 'p') {
			put_pointer(&out, &spec, va_arg(args, const void *));
		} else if (*fmt == 'c') {
			char c = (char)va_arg(args, int);

			put_text(&out, &spec, &c, 1);
		} else if (*fmt == '%') {
			put(&out, '%');
		} else {
			break; /* unknown conversion, or the format ends inside one */
		}
	}
	if (size)
		buf[min(out.len, size - 1)] = 0;
	return (int)out.len;
}

int pagoda_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = pagoda_vsnprintf(buf, size, fmt, args);
	va_end(args);
	return len;
}

size_t pagoda_strlcpy(char *dst, const char *src, size_t size)
{
	size_t len = strlen(src);

	if (size) {
		size_t n = min(len, size - 1);

		memcpy(dst, src, n);
		dst[n] = 0;
	}
	return len;
}
