/* SPDX-License-Identifier: MIT */
/*
 * boot_option.h: words of the kernel's command line.
 *
 * The line is words separated by blanks, "name" or "name=value". Code that reads a word lists it
 * in a table, so that unknown words, such as misspelt ones, can be reported.
 * boot_option() may be called at any time, from any context; the line does not change.
 */
#pragma once

#include <pagoda/types.h>

PAGODA_C_BEGIN

struct boot_word {
	const char *name;    /* NULL ends a table */
	const char *meaning; /* one line for people */
};

/* The words that the core listens to. */
extern const struct boot_word core_boot_words[];

/*
 * Remember the command line; NULL stands for an empty one. The text is not copied and must stay.
 * mm_boot() calls this with boot_info.options; a kernel that reads words before mm_boot() calls it
 * itself, with the same text. Context: boot, one CPU.
 */
void boot_options_init(const char *options);
/*
 * Add a table of known words, which is not copied and must stay, before its words are asked for.
 * Context: boot, one CPU. Return: nothing; panics if there are more than four tables.
 */
void boot_words_add(const struct boot_word *words);

/*
 * Ask whether a known word was given, as "name" or "name=value". *value (value may be NULL) gets
 * the start of the value, which ends at a blank or at the end of the text, or "". If a word is
 * given twice the first one counts.
 * Context: any. Return: it was given. Panics if the word is in no table.
 */
bool boot_option(const char *name, const char **value);
/*
 * The same, with the value copied to buf, which has size bytes and gets at most size - 1 of it and
 * a 0. Context: any. Return: the word was given; if not, buf stays as it is.
 */
bool boot_option_copy(const char *name, char *buf, size_t size);
/*
 * Read the decimal number that is the word's value.
 * Context: any. Return: the number; otherwise, if the word was not given or has no number.
 */
unsigned long boot_option_number(const char *name, unsigned long otherwise);

/* Is the word, of length bytes, perhaps with a value, in a table? Context: any. */
bool boot_word_is_known(const char *word, size_t length);
/* Call fn(arg, word, length) for each word of the command line, in order. Context: any. */
void for_each_boot_word(void (*fn)(void *arg, const char *word, size_t length), void *arg);
/* Call fn(arg, word) for each word of each table. Context: any. */
void for_each_known_word(void (*fn)(void *arg, const struct boot_word *word), void *arg);

PAGODA_C_END
