/* SPDX-License-Identifier: MIT */
/*
 * options.c: words of the kernel command line that the core listens to.
 *
 * The line is words separated by blanks, "name" or "name=value". It is not copied or
 * split: a value runs to the next blank. Unknown words are process 1's (kernel/init_words.c, which
 * lists the known ones: a new word goes there, too). Read-only after
 * boot_options_init().
 */
#include "boot_internal.h"
#include <pagoda/string.h>

static const char *boot_options = "";

void boot_options_init(const char *options)
{
	boot_options = options ? options : "";
}

/* What follows "--" is process 1's alone. */
static bool ends_options(const char *word)
{
	return word[0] == '-' && word[1] == '-' && (word[2] == ' ' || !word[2]);
}

bool boot_option(const char *name, const char **value)
{
	size_t n = strlen(name);

	for (const char *word = boot_options; *word;) {
		if (ends_options(word))
			return false;
		if (strncmp(word, name, n) == 0 &&
		    (word[n] == 0 || word[n] == ' ' || word[n] == '=')) {
			if (value)
				*value = word[n] == '=' ? word + n + 1 : "";
			return true;
		}
		while (*word && *word != ' ')
			word++;
		while (*word == ' ')
			word++;
	}
	return false;
}
