# SPDX-License-Identifier: MIT
"""Entry of `python3 lab`: makes `lab` importable as a package from any directory."""
import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from lab.cli import main  # noqa: E402  (the path must be set first)

sys.exit(main(sys.argv[1:]))
