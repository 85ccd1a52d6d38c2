# SPDX-License-Identifier: MIT
"""Writes a tier of the core as an object and a header."""
