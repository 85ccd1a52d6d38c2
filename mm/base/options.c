/* SPDX-License-Identifier: MIT */
/*
 * options.c: words of the kernel's command line.
 *
 * The line is not copied or split: it is scanned for each question, and a value runs to the next
 * blank. Questions are few and the line is short (2 KiB on a PC).
 *
 *	tables -> { core_boot_words, the kernel's words }	what each word is for
 *
 * A question for a word that is in no table is an error of our own and panics (I1), so the tables
 * are complete. A word of the line that is in no table is a mistake of the user, or is meant for
 * another program; for_each_boot_word() and boot_word_is_known() let the kernel list such words.
 *
 * Locking: none. Written during boot on one CPU, read-only afterwards.
 * Failure: none, except that a fifth table panics.
 * Observability: the kernel prints unknown words at boot.
 */
#include <pagoda/boot_option.h>
#include <pagoda/bug.h>
#include <pagoda/string.h>

#define MAX_TABLES 4

const struct boot_word core_boot_words[] = {
	{"nohighmem", "frames above the direct map are not used"},
	{"slab_debug", "red zones, poison and checks in all caches, or =NAME in one"},
	{"slab_percpu", "=off: no arrays of free objects in front of the slabs"},
	{"slab_reap", "=any: a shortage of DMA memory reaps any slab"},
	{"reclaim", "=default or =classic: the page replacement policy"},
	{"fault_around", "=BYTES that a fault on a file maps at once"},
	{"fault_trace", "each page fault goes to the log"},
	{NULL, NULL},
};

static const char *boot_options = ""; /* (C) after boot; the caller's text, not a copy */
static const struct boot_word *tables[MAX_TABLES] = {core_boot_words};

void boot_options_init(const char *options)
{
	boot_options = options ? options : "";
}

void boot_words_add(const struct boot_word *words)
{
	VM_BUG_ON(!words || !words->name);
	for (unsigned int i = 0; i < MAX_TABLES; i++) {
		if (tables[i] == words)
			return; /* a test boots the core several times, with the same tables */
		if (!tables[i]) {
			tables[i] = words;
			return;
		}
	}
	panic("boot_words_add: more than %d tables", MAX_TABLES);
}

/* Is the word, of length bytes, "name" or "name=value" for this name? "nameX" is another word. */
static bool has_name(const char *word, size_t length, const char *name)
{
	size_t n = strlen(name);

	return length >= n && strncmp(word, name, n) == 0 && (length == n || word[n] == '=');
}

bool boot_word_is_known(const char *word, size_t length)
{
	for (unsigned int i = 0; i < MAX_TABLES && tables[i]; i++)
		for (const struct boot_word *known = tables[i]; known->name; known++)
			if (has_name(word, length, known->name))
				return true;
	return false;
}

/*
 * The next word at or after p, with its length in *length, or NULL if there is none. A blank
 * between double quotes belongs to its word. The words after "--" are arguments of the first
 * program and are not ours to read.
 */
static const char *next_word(const char *p, size_t *length)
{
	bool in_quotes = false;
	size_t n;

	while (*p == ' ')
		p++;
	for (n = 0; p[n] && (p[n] != ' ' || in_quotes); n++)
		if (p[n] == '"')
			in_quotes = !in_quotes;
	*length = n;
	VM_BUG_ON(p[n] && p[n] != ' '); /* the next search begins between two words */
	return n && !(n == 2 && p[0] == '-' && p[1] == '-') ? p : NULL;
}

bool boot_option(const char *name, const char **value)
{
	size_t length, n = strlen(name);

	BUG_ON(!boot_word_is_known(name, n)); /* (I1) */
	for (const char *word = boot_options; (word = next_word(word, &length)); word += length) {
		if (!has_name(word, length, name))
			continue;
		if (value)
			*value = word[n] == '=' ? word + n + 1 : "";
		return true;
	}
	return false;
}

bool boot_option_copy(const char *name, char *buf, size_t size)
{
	const char *value;
	size_t n = 0;

	VM_BUG_ON(!buf || !size);
	if (!boot_option(name, &value))
		return false;
	for (; value[n] && value[n] != ' ' && n + 1 < size; n++)
		buf[n] = value[n];
	buf[n] = '\0';
	return true;
}

unsigned long boot_option_number(const char *name, unsigned long otherwise)
{
	const char *value;
	unsigned long n = 0;

	if (!boot_option(name, &value) || *value < '0' || *value > '9')
		return otherwise;
	for (; *value >= '0' && *value <= '9'; value++)
		n = n * 10 + (unsigned long)(*value - '0');
	return n;
}

void for_each_boot_word(void (*fn)(void *arg, const char *word, size_t length), void *arg)
{
	size_t length;

	VM_BUG_ON(!fn);
	for (const char *word = boot_options; (word = next_word(word, &length)); word += length)
		fn(arg, word, length);
}

void for_each_known_word(void (*fn)(void *arg, const struct boot_word *word), void *arg)
{
	for (unsigned int i = 0; i < MAX_TABLES && tables[i]; i++)
		for (const struct boot_word *known = tables[i]; known->name; known++)
			fn(arg, known);
}
