/* SPDX-License-Identifier: MIT */
/*
 * lackey.c: recorded reference strings, as Valgrind's lackey writes them.
 *
 *	I  04001090,3		an instruction of three bytes was fetched
 *	 L 1ffefffd78,8		eight bytes were loaded
 *	 S 1ffefffd70,8		stored
 *	 M 0421c7cc,4		loaded, then stored: one reference that writes
 *	==4711== ...		Valgrind's own messages: passed over
 *
 * An access that crosses into another page refers to both. Anything else in the file is an
 * error that names the line, rather than a string with holes: the traced program's own output,
 * most often, if it went to the same place.
 */
#include "sim.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ACCESS 65536ul /* bytes; the largest instruction, xsave, moves some thousand */

static bool is_message(const char *line)
{
	return !*line || !strncmp(line, "==", 2) || !strncmp(line, "--", 2) ||
	       !strncmp(line, "**", 2);
}

/* The digits of a number, up to the character `end`. */
static bool read_number(const char **at, int base, char end, uint64_t *value)
{
	char *stop;

	if (!isxdigit((unsigned char)**at))
		return false;
	errno = 0;
	*value = strtoull(*at, &stop, base);
	if (errno || *stop != end)
		return false;
	*at = stop + 1;
	return true;
}

static bool add_line(struct trace *trace, const char *line, uint64_t page_size)
{
	bool code = !strncmp(line, "I  ", 3);
	bool data = line[0] == ' ' && strchr("LSM", line[1]) && line[1] && line[2] == ' ';
	bool write = data && line[1] != 'L';
	uint64_t addr, size;

	if (!code && !data)
		return false;
	line += 3;
	if (!read_number(&line, 16, ',', &addr) || !read_number(&line, 10, 0, &size))
		return false;
	if (!size || size > MAX_ACCESS || addr + size - 1 < addr)
		return false;
	for (uint64_t page = addr / page_size; page <= (addr + size - 1) / page_size; page++)
		trace_add(trace, page, write);
	return true;
}

/* Printable, and not too long. */
static void make_showable(char *line)
{
	for (int i = 0; line[i]; i++) {
		if (i == 40)
			memcpy(line + i - 3, "...", 4);
		else if (!isprint((unsigned char)line[i]))
			line[i] = '?';
	}
}

void read_lackey(struct trace *trace, const char *name, uint64_t page_size)
{
	unsigned long nr = 0;
	size_t room = 0;
	char *line = NULL;
	ssize_t len;

	while ((len = getline(&line, &room, stdin)) >= 0) {
		nr++;
		while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			line[--len] = 0;
		if (is_message(line) || add_line(trace, line, page_size))
			continue;
		make_showable(line);
		refuse("%s, line %lu: not a line of lackey's trace: \"%s\"", name, nr, line);
	}
	if (ferror(stdin))
		trouble("%s: %s", name, strerror(errno));
	free(line);
	if (!trace->nr)
		refuse("%s: no references in it; record with valgrind --tool=lackey "
		       "--trace-mem=yes",
		       name);
}
