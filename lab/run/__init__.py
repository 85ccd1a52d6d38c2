# SPDX-License-Identifier: MIT
"""Runs a program on a machine of its own: image, disks, QEMU, streams, the report."""
