/* SPDX-License-Identifier: MIT */
/*
 * tty.h: terminals: the line discipline between a program and what is typed and shown.
 *
 *	tty.c		files, job control, ioctls
 *	n_tty.c		the line discipline: input editing, echo, output processing
 *	console.c	the terminal on the machine's standard stream
 *	pty.c		pairs of terminals in software
 */
#pragma once

#include <fs/vfs.h>
#include <pagoda/abi/ioctl.h>
#include <pagoda/spinlock.h>

#define TTY_MAJOR    4u
#define TTYAUX_MAJOR 5u
#define PTS_MAJOR    136u

#define NCCS 19
struct termios {
	u32 c_iflag, c_oflag, c_cflag, c_lflag;
	u8 c_line;
	u8 c_cc[NCCS];
};
static_assert(sizeof(struct termios) == 36, "struct termios of the kernel");

enum {
	VINTR,
	VQUIT,
	VERASE,
	VKILL,
	VEOF,
	VTIME,
	VMIN,
	VSWTC,
	VSTART,
	VSTOP,
	VSUSP,
	VEOL,
	VREPRINT,
	VDISCARD,
	VWERASE,
	VLNEXT,
	VEOL2
};

#define ISTRIP	0000040u
#define INLCR	0000100u
#define IGNCR	0000200u
#define ICRNL	0000400u
#define IUCLC	0001000u
#define IXON	0002000u
#define IXANY	0004000u
#define IMAXBEL 0020000u
#define IUTF8	0040000u
#define OPOST	0000001u
#define OLCUC	0000002u
#define ONLCR	0000004u
#define OCRNL	0000010u
#define ONOCR	0000020u
#define ONLRET	0000040u
#define XTABS	0014000u
#define ISIG	0000001u
#define ICANON	0000002u
#define ECHO	0000010u
#define ECHOE	0000020u
#define ECHOK	0000040u
#define ECHONL	0000100u
#define NOFLSH	0000200u
#define TOSTOP	0000400u
#define ECHOCTL 0001000u
#define ECHOKE	0004000u
#define IEXTEN	0100000u

struct winsize {
	u16 ws_row, ws_col, ws_xpixel, ws_ypixel;
};
static_assert(sizeof(struct winsize) == 8, "struct winsize of the ABI");

#define TTY_BUF_BYTES 4096u /* a power of two; a line may be one less */

/*
 * Input ring: bytes [tail, head) typed, of them [tail, canon_head) in finished lines.
 * Positions only grow; the ring's slot is position % TTY_BUF_BYTES. A bit in delim marks the
 * end of a line; a '\0' so marked is an end of file that reads as nothing.
 */
struct tty {
	spinlock_t lock; /* (T) everything below; interrupts off */
	struct termios termios;
	struct winsize winsize;
	struct fs_group_signals signals; /* that were typed and are not sent yet */
	int pgrp, session;		 /* foreground group; session this is the terminal of */
	unsigned int head, tail, canon_head;
	unsigned int column, canon_column; /* of output; where the line being edited began */
	bool stopped;			   /* by ^S */
	bool literal_next;		   /* by ^V */
	bool input_ended;		   /* nobody will type any more: reads give 0 */
	bool hung_up;			   /* the device is gone: writes give EIO as well */
	unsigned int out_head, out_tail;   /* output ring */
	wait_queue_head_t read_wait, write_wait;
	/* Show n bytes; how many were taken. Called with (T). */
	size_t (*put)(struct tty *tty, const u8 *bytes, size_t n);
	/* Forget what was put and is not seen yet; (T). NULL: it cannot. */
	void (*forget)(struct tty *tty);
	/* Is there input to fetch? Called without (T) when room was made. NULL: no. */
	void (*more)(struct tty *tty);
	/* An open file refers to it / does no longer; NULL: no matter. */
	void (*opened)(struct tty *tty);
	void (*closed)(struct tty *tty);
	u64 dev; /* (C) */
	u8 buf[TTY_BUF_BYTES];
	unsigned long delim[TTY_BUF_BYTES / 64];
	u8 out[TTY_BUF_BYTES];
};

void tty_setup(struct tty *tty, u64 dev);

/* ---- The line discipline (n_tty.c) --------------------------------------------------------- */

/* One byte typed; (T) held. */
void n_tty_receive(struct tty *tty, u8 c);
/* Is there room to receive another byte? */
bool n_tty_room(const struct tty *tty);
/* Is there something for read: a line, or (raw) at least one byte? */
bool n_tty_readable(const struct tty *tty);
/* Up to n bytes for one read, as the mode has it. (T). *line_end: stop reading. */
size_t n_tty_fetch(struct tty *tty, u8 *bytes, size_t n, bool *line_end);
unsigned int n_tty_chars(const struct tty *tty); /* FIONREAD */
/* Process n bytes of output into the ring; how many were taken. (T) */
size_t n_tty_output(struct tty *tty, const u8 *bytes, size_t n);
/* Push the ring to the device. (T) */
void n_tty_pump(struct tty *tty);
void n_tty_flush_input(struct tty *tty);
void n_tty_flush_output(struct tty *tty);
void n_tty_set_termios(struct tty *tty, const struct termios *new);

/* ---- Files (tty.c) --------------------------------------------------------------------------- */

extern const struct file_operations tty_fops;
/* Let file be an open one of this terminal. */
void tty_attach(struct tty *tty, struct file *file);
/* TIOCSWINSZ's work, with the signal. */
long tty_set_winsize(struct tty *tty, unsigned long arg);
long tty_get_termios(struct tty *tty, unsigned long arg);
/* cmd: TCSETS, TCSETSW or TCSETSF. */
long tty_set_termios(struct tty *tty, unsigned int cmd, unsigned long arg);

#define TCGETS	    0x5401u
#define TCSETS	    0x5402u
#define TCSETSW	    0x5403u
#define TCSETSF	    0x5404u
#define TCSBRK	    0x5409u
#define TCXONC	    0x540au
#define TCFLSH	    0x540bu
#define TIOCEXCL    0x540cu
#define TIOCNXCL    0x540du
#define TIOCSCTTY   0x540eu
#define TIOCGPGRP   0x540fu
#define TIOCSPGRP   0x5410u
#define TIOCSTI	    0x5412u
#define TIOCGWINSZ  0x5413u
#define TIOCSWINSZ  0x5414u
#define TIOCPKT	    0x5420u
#define TIOCNOTTY   0x5422u
#define TIOCSETD    0x5423u
#define TIOCGETD    0x5424u
#define TCSBRKP	    0x5425u
#define TIOCGSID    0x5429u
#define TIOCGPTN    0x80045430u
#define TIOCSPTLCK  0x40045431u
#define TIOCGPTLCK  0x80045439u
#define TIOCGPTPEER 0x5441u
long tty_read(struct file *file, struct iov_user buf, size_t count, u64 *pos);
long tty_write(struct file *file, struct iov_user buf, size_t count, u64 *pos);
unsigned int tty_poll(struct file *file, struct poll_table *pt);
long tty_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
/* Make it the caller's controlling terminal if it leads a session without one. */
void tty_open_controlling(struct tty *tty, struct file *file);
/* Nobody will type any more: readers see the end, the session SIGHUP. */
void tty_hangup(struct tty *tty);

/* The terminal on the standard stream (console.c). */
extern struct tty console_tty;
void console_init(void);
void console_notify(void);

/* Pseudo-terminals (pty.c). */
extern const struct file_operations ptmx_fops;
