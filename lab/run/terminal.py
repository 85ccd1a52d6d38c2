# SPDX-License-Identifier: MIT
"""The host's terminal in raw mode while the guest's terminal is behind it.

Line editing, echo and Ctrl-C are then the guest's business. Whatever way the command ends,
the terminal must be as it was: restore() is safe to call at any time, also from a signal
handler, and is registered with atexit.
"""
import atexit
import os
import termios
import tty

ESCAPE = b"\x1d"  # Ctrl-]: leave, whatever the guest does
INTERRUPT = b"\x03"  # Ctrl-C: the guest's program's business

_saved = None


def is_ours():
    """Both stdin and stdout are a terminal: the guest gets one too."""
    return os.isatty(0) and os.isatty(1)


def size():
    try:
        columns, rows = os.get_terminal_size(1)
    except OSError:
        columns, rows = 80, 24
    return (rows or 24), (columns or 80)


def make_raw():
    global _saved
    _saved = termios.tcgetattr(0)
    atexit.register(restore)
    tty.setraw(0, termios.TCSADRAIN)


def restore():
    global _saved
    saved, _saved = _saved, None
    if saved is not None:
        termios.tcsetattr(0, termios.TCSADRAIN, saved)
