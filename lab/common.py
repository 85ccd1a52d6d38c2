# SPDX-License-Identifier: MIT
"""What every part of the lab shares: where things are, exit statuses, how to refuse."""
import hashlib
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGODA = os.path.join(ROOT, "pagoda")


def build_folder():
    """build/ in the tree; in a tree that belongs to another user, a folder of our own for that tree.

    PAGODA_BUILD names another one, such as the checked kernel's (tests/host/checked.py)."""
    if os.environ.get("PAGODA_BUILD"):
        return os.path.abspath(os.environ["PAGODA_BUILD"])
    own = os.path.join(ROOT, "build")
    if os.access(own if os.path.exists(own) else ROOT, os.W_OK):
        return own
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(caches, "pagoda", hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:16])


BUILD = build_folder()

# Exit statuses that are ours and not the program's (DESIGN.md, "The command line").
EXIT_USAGE = 2          # wrong use: one clear line says what
EXIT_PANIC = 70         # the guest kernel panicked, or ended without a word
EXIT_HOST = 71          # the host side failed: no build, no QEMU
EXIT_TIMEOUT = 124
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127
EXIT_SIGNAL_BASE = 128  # plus the signal's number


class Refusal(Exception):
    """Ends the command with a status and one line on stderr (none if it is empty)."""

    def __init__(self, status, line):
        super().__init__(line)
        self.status = status


def usage_error(line):
    return Refusal(EXIT_USAGE, line)


def open_output(path):
    """Open a file for writing; - is stdout. /dev/stderr and the like are the descriptor itself:
    opening them by name would truncate the file that they may be."""
    names = {"-": 1, "/dev/stdout": 1, "/dev/stderr": 2, "/dev/fd/1": 1, "/dev/fd/2": 2}
    return os.fdopen(os.dup(names[path]), "wb", 0) if path in names else open(path, "wb", 0)


def say(line):
    """A line from Pagoda itself, apart from what the program prints."""
    sys.stderr.flush()
    sys.stderr.buffer.write(os.fsencode(f"pagoda: {line}\n"))  # names of files may be no text
    sys.stderr.buffer.flush()
