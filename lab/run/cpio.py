# SPDX-License-Identifier: MIT
"""Writes a newc cpio archive, the format of an initramfs.

Each member is a header of 110 ASCII characters ("070701" and thirteen 8-digit hex fields),
the name with its NUL, and the data; name and data are padded to four bytes. A member named
TRAILER!!! ends the archive. (Linux: Documentation/driver-api/early-userspace/buffer-format.rst)
"""
import os
import stat

MAGIC = b"070701"
TRAILER = "TRAILER!!!"


def padding(length):
    return b"\0" * (-length % 4)


def header(ino, mode, nlink, mtime, size, name_size):
    fields = (ino, mode, 0, 0, nlink, mtime, size, 0, 0, 0, 0, name_size, 0)
    return MAGIC + b"".join(b"%08X" % field for field in fields)


def member(ino, name, mode, data, mtime=0):
    raw = os.fsencode(name) + b"\0"
    nlink = 2 if stat.S_ISDIR(mode) else 1
    head = header(ino, mode, nlink, mtime & 0xffffffff, len(data), len(raw)) + raw
    return head + padding(len(head)) + data + padding(len(data))


def archive(entries):
    """entries: (path without leading slash, mode, data, mtime), parents before children."""
    parts = [member(ino, name, mode, data, mtime)
             for ino, (name, mode, data, mtime) in enumerate(entries, start=1)]
    parts.append(member(0, TRAILER, 0, b""))
    return b"".join(parts)
