/* SPDX-License-Identifier: MIT */
/*
 * Terminals, on a pseudo-terminal whose keyboard and screen the program holds: line editing
 * and echo, end of file, signals, raw reads by MIN and TIME, output processing, settings,
 * window size, sessions, job control in the background, hanging up.
 */
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;
static char name[64];

/* Bytes as text: control characters as ^X. */
static const char *shown(const char *bytes, long n)
{
	static char text[1024];
	char *at = text;
	for (long i = 0; i < n && at < text + sizeof(text) - 4; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c < 32 || c == 127)
			at += sprintf(at, "^%c", c ^ 64);
		else
			*at++ = (char)c;
	}
	*at = 0;
	return text;
}

static void type(const char *keys)
{
	MUST(write(master, keys, strlen(keys)));
}

/* What came on the screen since. */
static void show_screen(void)
{
	struct pollfd p = { .fd = master, .events = POLLIN };
	char bytes[512];
	long n = 0, part;
	while (poll(&p, 1, 20) == 1 && (p.revents & POLLIN) &&
	       (part = read(master, bytes + n, sizeof(bytes) - (size_t)n)) > 0)
		n += part;
	printf("  screen [%s]\n", shown(bytes, n));
}

static void show_read(size_t count)
{
	char bytes[512];
	long n = read(slave, bytes, count);
	printf("  read %ld [%s]\n", n, n > 0 ? shown(bytes, n) : n < 0 ? errno_name(errno) : "");
}

static void open_pair(void)
{
	master = MUST(posix_openpt(O_RDWR | O_NOCTTY));
	SHOW(open(ptsname(master), O_RDWR | O_NOCTTY)); /* locked yet */
	MUST(grantpt(master));
	MUST(unlockpt(master));
	strcpy(name, ptsname(master));
	slave = MUST(open(name, O_RDWR | O_NOCTTY));
}

static void close_pair(void)
{
	close(slave);
	close(master);
}

static void settings(void)
{
	struct termios t;
	struct winsize w = { 50, 132, 0, 0 };
	struct stat st;
	SHOW(isatty(slave));
	MUST(tcgetattr(slave, &t));
	printf("  iflag %o oflag %o cflag %o lflag %o\n", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
	for (int i = 0; i < 17; i++)
		printf(" %d", t.c_cc[i]);
	printf("\n");
	SHOW(ioctl(slave, TIOCSWINSZ, &w));
	memset(&w, 0, sizeof(w));
	SHOW(ioctl(master, TIOCGWINSZ, &w));
	printf("  %d rows, %d columns\n", w.ws_row, w.ws_col);
	SHOW(tcgetpgrp(slave));
	SHOW(tcsetpgrp(slave, getpgrp()));
	SHOW(ioctl(slave, 0x5499, 0));
	SHOW(ioctl(slave, TIOCGETD, BAD_POINTER));
	SHOW(lseek(slave, 0, SEEK_SET));
	MUST(fstat(slave, &st));
	printf("  a character device of major %d, mode %o\n", (int)(st.st_rdev >> 8), st.st_mode & 0600);
}

static void editing(void)
{
	int waiting = -1;
	type("hello\n");
	show_screen();
	MUST(ioctl(slave, FIONREAD, &waiting));
	printf("  %d waiting\n", waiting);
	show_read(100);
	type("abc\x7f\x7fX\n");
	show_screen();
	show_read(100);
	type("one two  \x17three\n");
	show_screen();
	show_read(100);
	type("forget me\x15now\n");
	show_screen();
	show_read(100);
	type("a\tb\x7f\x7f\x01\x7f!\n");
	show_screen();
	show_read(100);
	type("quote \x16\x03 it\n");
	show_screen();
	show_read(100);
	type("long line\n");
	show_read(4);
	show_read(100);
	type("two\nlines\n");
	show_read(100);
	show_read(100);
	type("\x04");
	show_read(100);
	type("part\x04");
	show_read(100);
	type("\r");
	show_read(100);
	show_screen();
	type("re\x12print\n");
	show_screen();
	show_read(100);
}

static void raw(void)
{
	struct termios old, t;
	MUST(tcgetattr(slave, &old));
	t = old;
	cfmakeraw(&t);
	MUST(tcsetattr(slave, TCSANOW, &t));
	show_screen();
	type("\x03\r\x7f");
	show_read(100);
	show_screen();
	t.c_cc[VMIN] = 3;
	MUST(tcsetattr(slave, TCSANOW, &t));
	type("abcde");
	show_read(100);
	type("xyz");
	show_read(2);
	type("w");
	show_read(2);
	t.c_cc[VMIN] = 0;
	MUST(tcsetattr(slave, TCSANOW, &t));
	show_read(10);
	t.c_cc[VTIME] = 1;
	MUST(tcsetattr(slave, TCSANOW, &t));
	show_read(10);
	type("q");
	show_read(10);
	t.c_cc[VMIN] = 5;
	MUST(tcsetattr(slave, TCSANOW, &t));
	type("rs");
	show_read(10);
	MUST(fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK));
	show_read(10);
	MUST(fcntl(slave, F_SETFL, O_RDWR));
	type("lost");
	MUST(tcflush(slave, TCIFLUSH));
	MUST(tcsetattr(slave, TCSAFLUSH, &old));
	type("kept\n");
	show_read(100);
	show_screen();
}

static void output(void)
{
	struct termios old, t;
	MUST(tcgetattr(slave, &old));
	t = old;
	SHOW(write(slave, "a\nb\tc\r\n", 7));
	show_screen();
	t.c_oflag |= XTABS | OCRNL;
	MUST(tcsetattr(slave, TCSADRAIN, &t));
	SHOW(write(slave, "a\nb\tc\r", 6));
	show_screen();
	t.c_oflag = 0;
	MUST(tcsetattr(slave, TCSADRAIN, &t));
	SHOW(write(slave, "a\nb\tc\r\n", 7));
	show_screen();
	MUST(tcsetattr(slave, TCSANOW, &old));
	type("\x13");
	usleep(20000);
	MUST(fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK));
	SHOW(write(slave, "held", 4));
	show_screen();
	type("\x11");
	usleep(20000);
	MUST(fcntl(slave, F_SETFL, O_RDWR));
	SHOW(write(slave, "on", 2));
	show_screen();
}

static volatile int last_signal;

static void note(int sig)
{
	last_signal = sig;
}

static void in_session(void (*body)(void))
{
	int status;
	fflush(stdout);
	open_pair();
	pid_t child = MUST(fork());
	if (!child) {
		close(slave);
		MUST(setsid());
		slave = MUST(open(name, O_RDWR));
		body();
		fflush(stdout);
		_exit(7);
	}
	close(slave);
	MUST(waitpid(child, &status, 0));
	show_status("session", status);
	close(master);
}

static void signals_body(void)
{
	struct winsize w = { 10, 20, 0, 0 };
	int fd;
	SHOW_TRUE(tcgetpgrp(slave) == getpid());
	SHOW_TRUE(tcgetsid(slave) == getpid());
	fd = MUST(open("/dev/tty", O_RDWR));
	SHOW(isatty(fd));
	close(fd);
	signal(SIGINT, note);
	signal(SIGQUIT, note);
	signal(SIGTSTP, note);
	signal(SIGWINCH, note);
	type("gone\x03");
	show_screen(); /* now, as the next key discards what is still on its way */
	printf("  %s\n", signal_name(last_signal));
	type("\x1c");
	show_screen();
	printf("  %s\n", signal_name(last_signal));
	type("\x1a");
	show_screen();
	printf("  %s\n", signal_name(last_signal));
	type("rest\n");
	show_read(100);
	show_screen();
	MUST(ioctl(master, TIOCSWINSZ, &w));
	printf("  %s\n", signal_name(last_signal));
	signal(SIGHUP, note);
	SHOW(ioctl(slave, TIOCNOTTY));
	printf("  %s\n", signal_name(last_signal));
	SHOW(open("/dev/tty", O_RDWR));
	SHOW(tcgetpgrp(slave));
	SHOW(ioctl(slave, TIOCSCTTY, 0));
	SHOW_TRUE(tcgetpgrp(slave) == getpid());
}

static void background_body(void)
{
	struct termios t;
	int status;
	pid_t child = MUST(fork());
	if (!child) {
		char c;
		setpgid(0, 0);
		usleep(20000);
		MUST(write(slave, "output\n", 7));
		printf("read in the background: %s\n", read(slave, &c, 1) < 0 ? errno_name(errno) : "something");
		MUST(tcgetattr(slave, &t));
		printf("settings: %d\n", tcsetattr(slave, TCSANOW, &t));
		signal(SIGTTIN, SIG_IGN);
		printf("ignoring SIGTTIN: %s\n", read(slave, &c, 1) < 0 ? errno_name(errno) : "something");
		fflush(stdout);
		_exit(0);
	}
	MUST(setpgid(child, child) == -1 && errno != EACCES ? -1 : 0);
	MUST(waitpid(child, &status, WUNTRACED));
	show_status("child", status);
	MUST(tcsetpgrp(slave, child));
	type("x\n");
	MUST(kill(child, SIGCONT));
	usleep(50000);
	signal(SIGTTOU, SIG_IGN);
	MUST(tcsetpgrp(slave, getpgrp()));
	SHOW(tcsetpgrp(slave, 99999));
	MUST(waitpid(child, &status, WUNTRACED));
	show_status("child", status);
}

static void hangup(void)
{
	int status;
	pid_t child;
	fflush(stdout);
	open_pair();
	child = MUST(fork());
	if (!child) {
		close(slave);
		MUST(setsid());
		slave = MUST(open(name, O_RDWR));
		close(master);
		signal(SIGHUP, note);
		char c;
		long n = read(slave, &c, 1);
		printf("read: %s, %s\n", n < 0 ? errno_name(errno) : n ? "a byte" : "end", signal_name(last_signal));
		n = read(slave, &c, 1);
		printf("read again: %s\n", n < 0 ? errno_name(errno) : n ? "a byte" : "end");
		n = write(slave, "x", 1);
		printf("write: %s\n", n < 0 ? errno_name(errno) : "done");
		SHOW(open(name, O_RDWR));
		SHOW(open("/dev/tty", O_RDWR));
		/* Nobody's terminal any more, and it can be nobody's again. */
		SHOW(ioctl(slave, TIOCSCTTY, 0));
		SHOW(ioctl(slave, TCGETS, &c));
		SHOW(tcsetpgrp(slave, getpgrp()));
		close(slave);
		SHOW(open("/dev/tty", O_RDWR));
		fflush(stdout);
		_exit(0);
	}
	close(slave);
	usleep(100000);
	close(master);
	MUST(waitpid(child, &status, 0));
	show_status("after the master closed", status);

	open_pair();
	type("unread\n");
	usleep(20000);
	MUST(write(slave, "last words", 10));
	close(slave);
	show_screen();
	char c;
	SHOW(read(master, &c, 1));
	slave = MUST(open(name, O_RDWR | O_NOCTTY));
	MUST(fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK));
	SHOW(read(master, &c, 1));
	close_pair();
}

int main(void)
{
	open_pair();
	settings();
	editing();
	raw();
	output();
	close_pair();
	in_session(signals_body);
	in_session(background_body);
	hangup();
	return 0;
}
