/* SPDX-License-Identifier: MIT */
/*
 * n_tty.c: the line discipline: what happens to a byte between keyboard and program, and
 * between program and screen.
 *
 * Input, in this order: translation (ICRNL ...), flow control (^S ^Q), signals (^C ^\ ^Z to
 * the foreground group), line editing in canonical mode (erase, word erase, kill, literal
 * next, reprint), then the byte goes into the ring and is echoed. In canonical mode it
 * becomes readable when its line ends; otherwise at once.
 *
 *	tail		canon_head	head
 *	 | finished lines | line being edited |
 *
 * Output: NL becomes CR NL and so on (OPOST), into a ring that is pushed to the device as
 * far as it takes it. Echo uses the same ring: if that is full, echo is dropped, programs
 * wait.
 *
 * Erasing needs to know how wide each byte was shown: control characters as ^X are two
 * columns, UTF-8 continuation bytes none, tabs what is left to the next stop, found by
 * counting from the column where the line began.
 *
 * Locking: tty->lock (T) for all of it; called from interrupts as well.
 */
#include <fs/tty/tty.h>
#include <fs/wait.h>
#include <pagoda/bug.h>
#include <pagoda/string.h>

#define TAB_COLUMNS 8u

static unsigned int slot(unsigned int position)
{
	return position % TTY_BUF_BYTES;
}

static bool is_delim(const struct tty *tty, unsigned int position)
{
	return tty->delim[slot(position) / 64] & 1ul << slot(position) % 64;
}

static void set_delim(struct tty *tty, unsigned int position, bool on)
{
	unsigned long bit = 1ul << slot(position) % 64;

	if (on)
		tty->delim[slot(position) / 64] |= bit;
	else
		tty->delim[slot(position) / 64] &= ~bit;
}

static bool local(const struct tty *tty, u32 flag)
{
	return tty->termios.c_lflag & flag;
}

static bool is_control_char(const struct tty *tty, u8 c, int which)
{
	return c && tty->termios.c_cc[which] == c;
}

static bool is_continuation(const struct tty *tty, u8 c)
{
	return (tty->termios.c_iflag & IUTF8) && (c & 0xc0) == 0x80;
}

/* ---- Output ---------------------------------------------------------------------------------- */

static unsigned int out_room(const struct tty *tty)
{
	return TTY_BUF_BYTES - (tty->out_head - tty->out_tail);
}

static void out_byte(struct tty *tty, u8 c)
{
	VM_BUG_ON(!out_room(tty));
	tty->out[slot(tty->out_head++)] = c;
}

void n_tty_pump(struct tty *tty)
{
	lockdep_assert_held(&tty->lock);
	while (tty->out_tail != tty->out_head && !tty->stopped) {
		unsigned int at = slot(tty->out_tail);
		size_t n = min(tty->out_head - tty->out_tail, TTY_BUF_BYTES - at);
		size_t taken = tty->put(tty, tty->out + at, n);

		tty->out_tail += (unsigned int)taken;
		if (taken < n)
			break;
	}
}

/* One byte as OPOST has it. The ring has room for TAB_COLUMNS bytes. */
static void out_processed(struct tty *tty, u8 c)
{
	u32 flags = tty->termios.c_oflag;
	unsigned int spaces;

	lockdep_assert_held(&tty->lock);
	switch (c) {
	case '\n':
		if (flags & ONLRET)
			tty->column = 0;
		if (flags & ONLCR) {
			out_byte(tty, '\r');
			tty->column = 0;
		}
		break;
	case '\r':
		if ((flags & ONOCR) && tty->column == 0)
			return;
		if (flags & OCRNL) {
			c = '\n';
			break;
		}
		tty->column = 0;
		break;
	case '\t':
		spaces = TAB_COLUMNS - tty->column % TAB_COLUMNS;
		tty->column += spaces;
		if ((flags & XTABS) == XTABS) {
			while (spaces--)
				out_byte(tty, ' ');
			return;
		}
		break;
	case '\b':
		if (tty->column)
			tty->column--;
		break;
	default:
		if (c >= ' ' && c != 0x7f && !is_continuation(tty, c))
			tty->column++;
		if ((flags & OLCUC) && c >= 'a' && c <= 'z')
			c = (u8)(c - 'a' + 'A');
		break;
	}
	out_byte(tty, c);
}

size_t n_tty_output(struct tty *tty, const u8 *bytes, size_t n)
{
	size_t done;

	for (done = 0; done < n; done++) {
		if (out_room(tty) < TAB_COLUMNS) {
			n_tty_pump(tty);
			if (out_room(tty) < TAB_COLUMNS)
				break;
		}
		if (tty->termios.c_oflag & OPOST)
			out_processed(tty, bytes[done]);
		else
			out_byte(tty, bytes[done]);
	}
	n_tty_pump(tty);
	return done;
}

/* ---- Echo ------------------------------------------------------------------------------------ */

static void echo_bytes(struct tty *tty, const char *bytes, size_t n)
{
	(void)n_tty_output(tty, (const u8 *)bytes, n); /* a full ring drops echo */
}

static bool shown_as_caret(const struct tty *tty, u8 c)
{
	return local(tty, ECHOCTL) && (c < ' ' || c == 0x7f) && c != '\t' && c != '\n';
}

static void echo(struct tty *tty, u8 c)
{
	char caret[2] = {'^', (char)(c ^ 0x40)};

	lockdep_assert_held(&tty->lock);
	if (shown_as_caret(tty, c))
		echo_bytes(tty, caret, 2);
	else
		echo_bytes(tty, (const char *)&c, 1);
}

static void echo_if_on(struct tty *tty, u8 c)
{
	lockdep_assert_held(&tty->lock);
	if (local(tty, ECHO))
		echo(tty, c);
	else if (c == '\n' && local(tty, ECHONL))
		echo_bytes(tty, "\n", 1);
}

/* ---- Editing --------------------------------------------------------------------------------- */

/* Columns that the byte at position takes, given the column it begins at. */
static unsigned int width_of(const struct tty *tty, u8 c, unsigned int column)
{
	if (c == '\t')
		return TAB_COLUMNS - column % TAB_COLUMNS;
	if (shown_as_caret(tty, c))
		return 2;
	if (c < ' ' || c == 0x7f || is_continuation(tty, c))
		return 0;
	return 1;
}

/* The column at which the line being edited ends if it has bytes up to end. */
static unsigned int column_at(const struct tty *tty, unsigned int end)
{
	unsigned int column = tty->canon_column;

	lockdep_assert_held(&tty->lock);
	for (unsigned int i = tty->canon_head; i != end; i++)
		column += width_of(tty, tty->buf[slot(i)], column);
	return column;
}

/* A tab is only gone back over: what it skipped was blank already. */
static void rub_out(struct tty *tty, unsigned int columns, bool tab)
{
	while (columns--)
		echo_bytes(tty, tab ? "\b" : "\b \b", tab ? 1 : 3);
}

/* Take the last character (all bytes of a UTF-8 one) off the line and the screen. */
static void take_off_char(struct tty *tty)
{
	unsigned int before = column_at(tty, tty->head);

	lockdep_assert_held(&tty->lock);
	do
		tty->head--;
	while (tty->head != tty->canon_head && is_continuation(tty, tty->buf[slot(tty->head)]));
	rub_out(tty, before - column_at(tty, tty->head), tty->buf[slot(tty->head)] == '\t');
}

static void erase_char(struct tty *tty)
{
	lockdep_assert_held(&tty->lock);
	if (local(tty, ECHO) && local(tty, ECHOE)) {
		take_off_char(tty);
		return;
	}
	do
		tty->head--;
	while (tty->head != tty->canon_head && is_continuation(tty, tty->buf[slot(tty->head)]));
	if (local(tty, ECHO))
		echo(tty, tty->termios.c_cc[VERASE]);
}

static bool is_word_byte(u8 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c >= 0x80;
}

static u8 last_byte(const struct tty *tty)
{
	VM_BUG_ON(tty->head == tty->canon_head);
	return tty->buf[slot(tty->head - 1)];
}

static void erase_word(struct tty *tty)
{
	lockdep_assert_held(&tty->lock);
	while (tty->head != tty->canon_head && !is_word_byte(last_byte(tty)))
		erase_char(tty);
	while (tty->head != tty->canon_head && is_word_byte(last_byte(tty)))
		erase_char(tty);
}

static void kill_line(struct tty *tty)
{
	lockdep_assert_held(&tty->lock);
	if (local(tty, ECHO) && local(tty, ECHOK) && local(tty, ECHOKE) && local(tty, ECHOE)) {
		while (tty->head != tty->canon_head)
			take_off_char(tty);
	} else if (local(tty, ECHO)) {
		echo(tty, tty->termios.c_cc[VKILL]);
		if (local(tty, ECHOK))
			echo_bytes(tty, "\n", 1);
	}
	tty->head = tty->canon_head;
}

static void reprint_line(struct tty *tty)
{
	lockdep_assert_held(&tty->lock);
	echo(tty, tty->termios.c_cc[VREPRINT]);
	echo_bytes(tty, "\n", 1);
	tty->canon_column = tty->column;
	for (unsigned int i = tty->canon_head; i != tty->head; i++)
		echo(tty, tty->buf[slot(i)]);
}

/* ---- Input ----------------------------------------------------------------------------------- */

bool n_tty_room(const struct tty *tty)
{
	return tty->head - tty->tail < TTY_BUF_BYTES - 1;
}

static void put_input(struct tty *tty, u8 c, bool delim)
{
	lockdep_assert_held(&tty->lock);
	if (tty->head - tty->tail >= TTY_BUF_BYTES)
		return;
	set_delim(tty, tty->head, delim);
	tty->buf[slot(tty->head++)] = c;
}

void n_tty_flush_input(struct tty *tty)
{
	tty->tail = tty->canon_head = tty->head;
}

void n_tty_flush_output(struct tty *tty)
{
	tty->out_tail = tty->out_head;
	if (tty->forget)
		tty->forget(tty);
}

static void finish_line(struct tty *tty, u8 c)
{
	lockdep_assert_held(&tty->lock);
	put_input(tty, c, true);
	tty->canon_head = tty->head;
	wake_up(&tty->read_wait);
}

/* A signal to the foreground; unless NOFLSH, what was typed before is forgotten. */
static void send_signal(struct tty *tty, u8 c, int signo)
{
	lockdep_assert_held(&tty->lock);
	if (!local(tty, NOFLSH)) {
		n_tty_flush_input(tty);
		n_tty_flush_output(tty);
	}
	if (local(tty, ECHO))
		echo(tty, c);
	if (tty->pgrp)
		fs_hook_signal_pgrp_later(&tty->signals, tty->pgrp, signo);
}

/* Returns true if the byte was a signal or flow control. */
static bool receive_special(struct tty *tty, u8 c)
{
	lockdep_assert_held(&tty->lock);
	if (tty->termios.c_iflag & IXON) {
		if (is_control_char(tty, c, VSTOP)) {
			tty->stopped = true;
			return true;
		}
		if (is_control_char(tty, c, VSTART) ||
		    (tty->stopped && (tty->termios.c_iflag & IXANY))) {
			tty->stopped = false;
			n_tty_pump(tty);
			wake_up(&tty->write_wait);
			if (is_control_char(tty, c, VSTART))
				return true;
		}
	}
	if (!local(tty, ISIG))
		return false;
	if (is_control_char(tty, c, VINTR))
		send_signal(tty, c, SIGINT);
	else if (is_control_char(tty, c, VQUIT))
		send_signal(tty, c, SIGQUIT);
	else if (is_control_char(tty, c, VSUSP))
		send_signal(tty, c, SIGTSTP);
	else
		return false;
	return true;
}

/* Returns true if the byte edited the line instead of joining it. */
static bool receive_editing(struct tty *tty, u8 c)
{
	bool empty = tty->head == tty->canon_head;

	if (is_control_char(tty, c, VERASE)) {
		if (!empty)
			erase_char(tty);
	} else if (is_control_char(tty, c, VKILL)) {
		if (!empty)
			kill_line(tty);
	} else if (local(tty, IEXTEN) && is_control_char(tty, c, VWERASE)) {
		if (!empty)
			erase_word(tty);
	} else if (local(tty, IEXTEN) && is_control_char(tty, c, VLNEXT)) {
		tty->literal_next = true;
		if (local(tty, ECHO) && local(tty, ECHOCTL))
			echo_bytes(tty, "^\b", 2);
	} else if (local(tty, IEXTEN) && local(tty, ECHO) && is_control_char(tty, c, VREPRINT)) {
		reprint_line(tty);
	} else if (is_control_char(tty, c, VEOF)) {
		finish_line(tty, '\0');
	} else if (c == '\n' || is_control_char(tty, c, VEOL) || is_control_char(tty, c, VEOL2)) {
		echo_if_on(tty, c);
		finish_line(tty, c);
	} else {
		return false;
	}
	return true;
}

static void receive_plain(struct tty *tty, u8 c)
{
	if (!n_tty_room(tty)) {
		if (tty->termios.c_iflag & IMAXBEL)
			echo_bytes(tty, "\a", 1);
		return;
	}
	if (tty->head == tty->canon_head)
		tty->canon_column = tty->column;
	echo_if_on(tty, c);
	put_input(tty, c, false);
	if (!local(tty, ICANON)) {
		tty->canon_head = tty->head;
		wake_up(&tty->read_wait);
	}
}

/* CR and NL as c_iflag has them; false: the byte is ignored. */
static bool translate(const struct tty *tty, u8 *c)
{
	u32 flags = tty->termios.c_iflag;

	if (flags & ISTRIP)
		*c &= 0x7f;
	if (*c == '\r') {
		if (flags & IGNCR)
			return false;
		if (flags & ICRNL)
			*c = '\n';
	} else if (*c == '\n' && (flags & INLCR)) {
		*c = '\r';
	}
	if ((flags & IUCLC) && local(tty, IEXTEN) && *c >= 'A' && *c <= 'Z')
		*c = (u8)(*c - 'A' + 'a');
	return true;
}

void n_tty_receive(struct tty *tty, u8 c)
{
	lockdep_assert_held(&tty->lock);
	if (tty->literal_next) {
		tty->literal_next = false;
		receive_plain(tty, c);
		return;
	}
	if (!translate(tty, &c) || receive_special(tty, c))
		return;
	if (local(tty, ICANON) && receive_editing(tty, c))
		return;
	receive_plain(tty, c);
}

/* ---- Reading --------------------------------------------------------------------------------- */

bool n_tty_readable(const struct tty *tty)
{
	return READ_ONCE(tty->canon_head) != READ_ONCE(tty->tail);
}

unsigned int n_tty_chars(const struct tty *tty)
{
	unsigned int n = tty->canon_head - tty->tail;

	if (local(tty, ICANON))
		for (unsigned int i = tty->tail; i != tty->canon_head; i++)
			n -= is_delim(tty, i) && tty->buf[slot(i)] == '\0';
	return n;
}

size_t n_tty_fetch(struct tty *tty, u8 *bytes, size_t n, bool *line_end)
{
	bool canon = local(tty, ICANON);
	size_t done = 0;

	*line_end = false;
	while (done < n && tty->tail != tty->canon_head) {
		bool delim = is_delim(tty, tty->tail);
		u8 c = tty->buf[slot(tty->tail++)];

		if (!(delim && c == '\0'))
			bytes[done++] = c;
		if (canon && delim) {
			*line_end = true;
			break;
		}
	}
	/* An end of file right behind what filled the buffer belongs to this read. */
	if (canon && !*line_end && done == n && tty->tail != tty->canon_head &&
	    is_delim(tty, tty->tail) && tty->buf[slot(tty->tail)] == '\0') {
		tty->tail++;
		*line_end = true;
	}
	return done;
}

/* Changing to raw makes everything typed readable; to canonical, what is there is one line. */
void n_tty_set_termios(struct tty *tty, const struct termios *new)
{
	bool was_canon = local(tty, ICANON);

	lockdep_assert_held(&tty->lock);
	tty->termios = *new;
	if (was_canon == local(tty, ICANON))
		return;
	if (tty->head != tty->tail && !was_canon)
		set_delim(tty, tty->head - 1, true);
	tty->canon_head = tty->head;
	if (n_tty_readable(tty))
		wake_up(&tty->read_wait);
}
