/* SPDX-License-Identifier: MIT */
/*
 * console.c: the terminal on the machine's standard stream.
 *
 * Unless "stdin=stream" is on the command line the stream's input belongs to the terminal:
 * each notification takes in what has come, so ^C works while nobody reads. Otherwise the
 * bytes are left to /dev/stdio.in and the terminal only shows. When the ring is full, input stays
 * in the machine until a reader makes room (tty->more).
 *
 * The end of the host's input is a terminal hung up softly: reads return 0, no signal.
 *
 * Words on the command line: tty.rows=N, tty.cols=N.
 */
#include <fs/tty/tty.h>
#include <pagoda/boot_option.h>
#include <pagoda/machine.h>
#include <pagoda/string.h>

#define INPUT_CHUNK 64u

#define DEFAULT_ROWS 24u
#define DEFAULT_COLS 80u

struct tty console_tty;
static bool takes_input; /* (C) after boot */

static size_t console_put(struct tty *tty, const u8 *bytes, size_t n)
{
	(void)tty;
	return machine_stream_write(STREAM_STDIO, bytes, n);
}

/* Move what the machine has into the line discipline, as far as there is room. */
static void take_input(struct tty *tty)
{
	u8 chunk[INPUT_CHUNK];
	unsigned long flags;

	if (!takes_input)
		return;
	spin_lock_irqsave(&tty->lock, flags);
	while (TTY_BUF_BYTES - (tty->head - tty->tail) > INPUT_CHUNK) {
		long n = machine_stream_read(STREAM_STDIO, chunk, INPUT_CHUNK);

		if (n < 0 && !tty->input_ended) {
			tty->input_ended = true;
			wake_up(&tty->read_wait);
		}
		if (n <= 0)
			break;
		for (long i = 0; i < n; i++)
			n_tty_receive(tty, chunk[i]);
	}
	spin_unlock_irqrestore(&tty->lock, flags);
}

void console_notify(void)
{
	struct tty *tty = &console_tty;
	unsigned long flags;

	take_input(tty);
	spin_lock_irqsave(&tty->lock, flags);
	n_tty_pump(tty);
	spin_unlock_irqrestore(&tty->lock, flags);
	wake_up(&tty->write_wait);
}

static bool stdin_is_stream(void)
{
	char kind[8] = "";

	return boot_option_copy("stdin", kind, sizeof(kind)) && strcmp(kind, "stream") == 0;
}

void console_init(void)
{
	struct tty *tty = &console_tty;

	tty_setup(tty, MKDEV(TTYAUX_MAJOR, 1));
	tty->termios.c_iflag |= IUTF8;
	tty->put = console_put;
	tty->more = take_input;
	tty->winsize.ws_row = (u16)boot_option_number("tty.rows", DEFAULT_ROWS);
	tty->winsize.ws_col = (u16)boot_option_number("tty.cols", DEFAULT_COLS);
	takes_input = !stdin_is_stream();
	take_input(tty);
}
