# SPDX-License-Identifier: MIT
"""The host side of Pagoda: the `./pagoda` command (see docs/ARCHITECTURE.md, "The lab")."""
