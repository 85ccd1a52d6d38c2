# SPDX-License-Identifier: MIT
"""Entry of `python3 lab`: makes `lab` importable as a package from any directory."""
import os
import signal
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from lab.cli import main  # noqa: E402  (the path must be set first)

try:
    status = main(sys.argv[1:])
    sys.stdout.flush()
except BrokenPipeError:  # who read our output has seen enough: end as SIGPIPE ends other tools
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    status = 128 + signal.SIGPIPE
sys.exit(status)
