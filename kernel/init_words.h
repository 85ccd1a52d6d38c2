/* SPDX-License-Identifier: MIT */
/* init_words.h: what process 1 gets from the kernel command line (kernel/init_words.c). */
#pragma once

/* Arguments, and variables, besides the kernel's own (Linux's CONFIG_INIT_ENV_ARG_LIMIT). */
#define INIT_WORDS_MAX 32

struct init_words {
	const char *path;		      /* of the program: init=, or /init */
	const char *argv[INIT_WORDS_MAX + 2]; /* path first, NULL last */
	const char *envp[INIT_WORDS_MAX + 3]; /* HOME and TERM first, NULL last */
};

/*
 * The words of cmdline for process 1, in memory of their own; NULL: no memory. Once, at boot; may
 * sleep.
 */
struct init_words *init_words_of(const char *cmdline);
