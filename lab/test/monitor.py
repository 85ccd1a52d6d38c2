# SPDX-License-Identifier: MIT
"""QEMU's monitor, for tests that look at a machine from outside: one command, one answer."""
import os
import socket
import time

from lab.test.testing import Failure

PROMPT = b"(qemu) "
START_SECONDS = 10


class Monitor:
    """The human monitor at a socket that QEMU makes (-monitor unix:PATH,server)."""

    def __init__(self, path):
        deadline = time.monotonic() + START_SECONDS
        while not os.path.exists(path) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.answer()

    def answer(self):
        text = b""
        while not text.endswith(PROMPT):
            piece = self.socket.recv(1 << 20)
            if not piece:
                raise Failure("QEMU's monitor went away")
            text += piece
        return text.decode()

    def ask(self, command):
        self.socket.sendall(command.encode() + b"\n")
        return self.answer()
