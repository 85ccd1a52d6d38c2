# SPDX-License-Identifier: MIT
"""One machine from power-on to power-off, and the streams between it and us.

Each stream is a socket pair with QEMU at the other end and a thread at ours that copies
with blocking calls: reading stops while writing is stuck, so back-pressure needs no code,
and the end of one side becomes the end of the other. The thread that reads our stdin may
block for ever in read(2); it is a daemon and dies with the process. The main thread waits
for QEMU to exit, with the time-out.

Ends of a machine, in the order in which they are told apart:
	killed by us: time-out, signal, Ctrl-], or nobody reads our stdout any more
	the report arrived on the control stream: the program's wait status counts
	the kernel log says PANIC
	neither: the machine died without a word (a triple fault, or QEMU failed)
"""
import ctypes
import errno
import json
import os
import signal
import socket
import subprocess
import threading
import time

from lab.run import qemu, terminal
from lab.common import EXIT_SIGNAL_BASE, EXIT_TIMEOUT, open_output

CHUNK = 1 << 16
LOG_POLL_SECONDS = 0.05
HINT_SECONDS = 3
NO_SPACE = os.strerror(errno.ENOSPC)
PR_SET_PDEATHSIG = 1


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Guest:
    """Boot with start(), then wait(). Afterwards: report, log_text, killed_status."""

    def __init__(self, options, accel, kernel, initrd, words, folder, interactive, drives=()):
        self.ours = {}
        self.messages = []         # lines of JSON from the control stream
        self.killed_status = None  # our exit status, if we ended the machine
        self.seconds = 0.0
        self.initrd_bytes = os.path.getsize(initrd)
        self.interactive = interactive
        self.log_path = os.path.join(folder, "kernel.log")
        self._log_out = open_output(options.log) if options.log else None
        self.qemu_errors = ""
        self.full_disks = set()    # swap, root: those that could not be written because the host's file system is full
        self.log_error = None      # why --log is not complete
        self._interrupts = []      # when Ctrl-C was typed the last two times
        theirs = {}
        for name in (*qemu.STREAMS, qemu.EVENTS):
            self.ours[name], theirs[name] = socket.socketpair()
        self._theirs = theirs
        self._command = qemu.command(options, accel, kernel, initrd, words, self.log_path,
                                     {name: end.fileno() for name, end in theirs.items()}, drives)
        self._folder = folder

    # ---- starting -----------------------------------------------------------------------

    def start(self):
        self._began = time.monotonic()
        self._errors = open(os.path.join(self._folder, "qemu.err"), "w+")
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=self._errors, stderr=self._errors,
            pass_fds=[end.fileno() for end in self._theirs.values()], start_new_session=True,
            preexec_fn=die_with_parent)
        for end in self._theirs.values():
            end.close()
        self._outputs = [self._thread(self._pump_out, "stdout", 1), self._thread(self._pump_out, "stderr", 2),
                         self._thread(self._read_control), self._thread(self._read_events)]
        self._thread(self._pump_in)
        self._log_done = threading.Event()
        self._log_thread = self._thread(self._follow_log) if self._log_out else None

    def _thread(self, function, *args):
        thread = threading.Thread(target=function, args=args, daemon=True)
        thread.start()
        return thread

    def kill(self, status):
        """End the machine now; the first reason counts."""
        if self.killed_status is None:
            self.killed_status = status
        self.process.kill()

    # ---- streams -------------------------------------------------------------------------

    def _pump_in(self):
        end = self.ours["stdin"]
        try:
            while data := os.read(0, CHUNK):
                if self.interactive and terminal.ESCAPE in data:
                    self.kill(EXIT_SIGNAL_BASE + signal.SIGTERM)
                    return
                if self.interactive:
                    self._hint_at_escape(data.count(terminal.INTERRUPT))
                end.sendall(data)
            end.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the machine is gone; the main thread sees it too

    def _hint_at_escape(self, typed):
        """Ctrl-C goes to the program. If it was typed twice within a while, say what ends the machine."""
        if not typed:
            return
        self._interrupts = (self._interrupts + [time.monotonic()] * typed)[-2:]
        if len(self._interrupts) == 2 and self._interrupts[1] - self._interrupts[0] < HINT_SECONDS:
            write_all(2, b"\r\npagoda: Ctrl-C goes to the program; Ctrl-] kills the machine\r\n")

    def _pump_out(self, name, fd):
        end = self.ours[name]
        try:
            while data := end.recv(CHUNK):
                write_all(fd, data)
        except BrokenPipeError:
            # Nobody reads on: what the program would die of on Linux.
            self.kill(EXIT_SIGNAL_BASE + signal.SIGPIPE)
        except OSError:
            pass

    def _read_control(self):
        with self.ours["control"].makefile("rb") as lines:
            for line in lines:
                try:
                    self.messages.append(json.loads(line))
                except ValueError:
                    self.messages.append({"type": "garbled", "text": repr(line[:200])})

    def _read_events(self):
        """QEMU's own words: a disk that could not be written for want of room on the host's."""
        end = self.ours[qemu.EVENTS]
        try:
            end.sendall(b'{"execute": "qmp_capabilities"}')
            with end.makefile("rb") as lines:
                for line in lines:
                    event = json.loads(line)
                    if event.get("event") == "BLOCK_IO_ERROR" and event["data"].get("reason") == NO_SPACE:
                        self.full_disks.add(event["data"]["device"])
        except (OSError, ValueError):
            pass  # QEMU has ended, perhaps in the middle of a line or before it read ours

    def _follow_log(self):
        """Copy the kernel's log to --log as it grows; that may be a pipe or /dev/stderr."""
        try:
            with open(self.log_path, "ab"), open(self.log_path, "rb") as log, self._log_out as copy:
                finished = False
                while not finished:
                    finished = self._log_done.wait(LOG_POLL_SECONDS)
                    while data := log.read(CHUNK):
                        write_all(copy.fileno(), data)
        except OSError as error:
            self.log_error = error.strerror

    # ---- ending --------------------------------------------------------------------------

    def wait(self, timeout):
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill(EXIT_TIMEOUT)
            self.process.wait()
        for thread in self._outputs:
            thread.join()
        self.seconds = time.monotonic() - self._began
        self._log_done.set()
        if self._log_thread:
            self._log_thread.join()
        self._errors.seek(0)
        self.qemu_errors = self._errors.read()
        self._errors.close()

    @property
    def report(self):
        return next((m for m in self.messages if isinstance(m, dict) and m.get("type") == "report"), None)

    @property
    def looks(self):
        """What --pages asked for: the program's pages, look after look."""
        return [m for m in self.messages if isinstance(m, dict) and m.get("type") == "pages"]

    @property
    def log_text(self):
        try:
            with open(self.log_path, errors="replace") as file:
                return file.read()
        except OSError:
            return ""
