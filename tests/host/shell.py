# SPDX-License-Identifier: MIT
"""./pagoda shell on a pseudo-terminal, as a person at the keyboard meets it."""
import os
import pty
import select
import signal
import subprocess
import termios
import time

from lab.test.testing import PAGODA, Failure, test

PROMPT = b"# "
PATIENCE_SECONDS = 20


class Keyboard:
    """A pagoda shell with a terminal of its own: type(), and expect() what the screen shows."""

    def __init__(self, bench, *words):
        self.bench = bench
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        env = dict(os.environ, PAGODA_BUILT="1", TERM="vt100")
        self.process = subprocess.Popen([PAGODA, *words], stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                        env=env, start_new_session=True, cwd=bench.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)
        os.close(self.master)
        os.close(self.slave)

    def type(self, text):
        os.write(self.master, text)

    def more(self, seconds):
        ready, _, _ = select.select([self.master], [], [], seconds)
        data = os.read(self.master, 65536) if ready else b""
        self.bench.log.write(data.decode(errors="replace"))
        return data

    def expect(self, text):
        """Wait until the screen has shown text; forget everything up to it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while text not in self.seen:
            if time.monotonic() > end:
                raise Failure(f"{text!r} did not appear; the screen shows {self.seen[-200:]!r}")
            self.seen += self.more(0.5)
        before, _, self.seen = self.seen.partition(text)
        return before

    def end(self):
        """Wait for the end of the command; its status."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            self.seen += self.more(0.2)
        if self.process.poll() is None:
            raise Failure("the command did not end")
        return self.process.returncode


def shell(bench):
    keyboard = Keyboard(bench, "shell", "--accel", "tcg", "--quiet")
    keyboard.expect(PROMPT)
    return keyboard


@test("shell/line_editing_and_exit_status")
def editing(bench):
    with shell(bench) as keyboard:
        keyboard.type(b"echo hellx\x7fo there\r")
        keyboard.expect(b"\nhello there\r\n")
        keyboard.type(b"echo one two\x17\x17three\r")  # Ctrl-W takes back a word
        keyboard.expect(b"three\r\n")
        keyboard.type(b"echo ready; cat\r")
        keyboard.expect(b"\nready\r\n")
        keyboard.type(b"cooked linx\x7fe\r\x04")  # the terminal's own editing, and Ctrl-D
        keyboard.expect(b"\r\ncooked line\r\n")
        keyboard.expect(PROMPT)
        keyboard.type(b"exit 5\r")
        bench.equal(keyboard.end(), 5, "exit status")
        bench.equal(termios.tcgetattr(keyboard.slave), keyboard.before, "the terminal's settings afterwards")


@test("shell/ctrl_c_kills_the_foreground_only")
def ctrl_c(bench):
    with shell(bench) as keyboard:
        keyboard.type(b"sleep 100\r")
        time.sleep(1)
        keyboard.type(b"\x03")
        keyboard.expect(PROMPT)
        keyboard.type(b"echo status=$?\r")
        keyboard.expect(b"status=130\r\n")
        keyboard.type(b"exit\r")
        bench.equal(keyboard.end(), 0, "exit status")


@test("shell/job_control")
def jobs(bench):
    with shell(bench) as keyboard:
        keyboard.type(b"sleep 100\r")
        time.sleep(1)
        keyboard.type(b"\x1a")  # Ctrl-Z
        keyboard.expect(b"Stopped")
        keyboard.expect(PROMPT)
        keyboard.type(b"bg; jobs\r")
        keyboard.expect(b"Running")
        keyboard.type(b"kill %1; wait; echo over\r")
        keyboard.expect(b"over\r\n")
        keyboard.type(b"sleep 1 & wait; echo waited\r")
        keyboard.expect(b"\nwaited\r\n")
        keyboard.expect(PROMPT)
        keyboard.type(b"\x04")  # Ctrl-D on an empty line
        bench.equal(keyboard.end(), 0, "exit status")


@test("shell/terminal_has_the_hosts_size")
def size(bench):
    with Keyboard(bench, "run", "--accel", "tcg", "--quiet", "--", "/bin/busybox", "stty", "size") as keyboard:
        # A fresh pseudo-terminal says 0 by 0; the lab then takes 24 by 80.
        keyboard.expect(b"24 80\r\n")
        bench.equal(keyboard.end(), 0, "exit status")


@test("shell/ctrl_c_again_hints_at_the_escape")
def hint(bench):
    words = ("/bin/busybox", "sh", "-c", "trap '' INT; echo ready; while :; do :; done")
    with Keyboard(bench, "run", "--accel", "tcg", "--quiet", "--", *words) as keyboard:
        keyboard.expect(b"ready\r\n")
        keyboard.type(b"\x03")
        keyboard.type(b"\x03")
        keyboard.expect(b"pagoda: Ctrl-C goes to the program; Ctrl-] kills the machine\r\n")
        keyboard.type(b"\x1d")
        bench.equal(keyboard.end(), 128 + signal.SIGTERM, "exit status")


@test("shell/escape_kills_the_machine")
def escape(bench):
    with shell(bench) as keyboard:
        keyboard.type(b"\x1d")
        bench.equal(keyboard.end(), 128 + signal.SIGTERM, "exit status")
        bench.equal(termios.tcgetattr(keyboard.slave), keyboard.before, "the terminal's settings afterwards")


@test("shell/commands_from_a_pipe")
def piped(bench):
    done = bench.pagoda("shell", "--quiet", stdin=b"echo from a pipe\nexit 4\n")
    bench.ran(done, 4, b"from a pipe\n")
