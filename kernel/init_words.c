/* SPDX-License-Identifier: MIT */
/*
 * init_words.c: the words of the kernel command line that are meant for process 1.
 *
 *	loglevel=1 FOO=bar one init=/bin/sh two X= mod.par=1 -- K=v three
 *
 *	the kernel's own (boot_option.h)	not passed on
 *	name=value, unknown			init's environment: FOO=bar, X=
 *	a word without "=", unknown		an argument: two
 *	all words after "--"			arguments: K=v, three
 *	a name with a dot			a module's parameter: ignored, as there are none
 *
 * As in Linux init= forgets the arguments before it (boot loaders put words there), and a name that
 * is given again replaces its value; HOME=/ and TERM=linux are there from the start. Blanks between
 * double quotes belong to the word; the quotes round a value, or round a whole word, do not.
 *
 * Locking: none; once, at boot. Failure: words beyond INIT_WORDS_MAX are dropped with a message.
 */
#include <pagoda/boot_option.h>
#include <pagoda/bug.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <kernel/init_words.h>

/* A word with a dot in its name would be a module's; there are none. */
static bool is_known(const char *name)
{
	return boot_word_is_known(name, strlen(name)) || strchr(name, '.') != NULL;
}

/* ---- Cutting the line into words ------------------------------------------------------------- */

struct init_word {
	char *text;   /* the whole word, without the quotes round it */
	char *equals; /* in text, or NULL */
};

static void drop_last_quote(char *text, size_t *len)
{
	if (*len && text[*len - 1] == '"')
		text[--*len] = 0;
}

/* name="value" -> name=value */
static void unquote_value(struct init_word *word, size_t *len)
{
	if (!word->equals || word->equals[1] != '"')
		return;
	drop_last_quote(word->text, len);
	memmove(word->equals + 1, word->equals + 2, *len - (size_t)(word->equals + 1 - word->text));
}

/* Take the first word of a line that does not begin with a blank. Return: the rest, likewise. */
static char *cut_word(char *line, struct init_word *word)
{
	bool quoted = *line == '"', in_quotes = quoted;
	size_t len = 0;
	char *rest;

	line += quoted;
	*word = (struct init_word){.text = line};
	for (; line[len] && (line[len] != ' ' || in_quotes); len++) {
		if (line[len] == '=' && len && !word->equals)
			word->equals = line + len;
		if (line[len] == '"')
			in_quotes = !in_quotes;
	}
	rest = line + len;
	if (*rest)
		*rest++ = 0;
	unquote_value(word, &len);
	if (quoted)
		drop_last_quote(line, &len);
	while (*rest == ' ')
		rest++;
	return rest;
}

/* ---- Sorting them ---------------------------------------------------------------------------- */

static void add_argument(struct init_words *init, const char *text)
{
	for (int i = 1; i <= INIT_WORDS_MAX; i++)
		if (!init->argv[i]) {
			init->argv[i] = text;
			return;
		}
	pr_warn("too many words for init: \"%s\" is dropped\n", text);
}

/* In the place of a variable of the same name, if there is one. name_len: with its "=". */
static void add_variable(struct init_words *init, const char *text, size_t name_len)
{
	for (int i = 0; i < INIT_WORDS_MAX + 2; i++)
		if (!init->envp[i] || strncmp(init->envp[i], text, name_len) == 0) {
			init->envp[i] = text;
			return;
		}
	pr_warn("too many variables for init: \"%s\" is dropped\n", text);
}

static void set_path(struct init_words *init, const char *path)
{
	memset(init->argv, 0, sizeof(init->argv));
	init->path = init->argv[0] = path;
}

static void sort_word(struct init_words *init, struct init_word *word)
{
	size_t name_len = word->equals ? (size_t)(word->equals - word->text) : strlen(word->text);
	bool known;

	if (word->equals)
		*word->equals = 0;
	known = is_known(word->text);
	if (word->equals && strcmp(word->text, "init") == 0) {
		set_path(init, word->equals + 1);
		return;
	}
	if (word->equals)
		*word->equals = '=';
	if (known)
		return;
	pr_info("\"%s\" is no word of the kernel's: it is passed to init\n", word->text);
	if (word->equals)
		add_variable(init, word->text, name_len + 1);
	else
		add_argument(init, word->text);
}

static void sort_words(struct init_words *init, char *line)
{
	bool after_dashes = false;
	struct init_word word;

	while (*line == ' ')
		line++;
	while (*line) {
		line = cut_word(line, &word);
		if (after_dashes)
			add_argument(init, word.text);
		else if (strcmp(word.text, "--") == 0)
			after_dashes = true;
		else
			sort_word(init, &word);
	}
}

struct init_words *init_words_of(const char *cmdline)
{
	size_t bytes = strlen(cmdline) + 1;
	struct init_words *init = kzalloc(sizeof(*init) + bytes, GFP_KERNEL);
	char *line = (char *)(init + 1);

	if (!init)
		return NULL;
	memcpy(line, cmdline, bytes);
	set_path(init, "/init");
	init->envp[0] = "HOME=/";
	init->envp[1] = "TERM=linux";
	sort_words(init, line);
	return init;
}
