# SPDX-License-Identifier: MIT
"""Looks at a program's first bytes: can the guest run it, and what does it need beside it?

Only what `run` has to know: class, machine and type from the ELF header, PT_INTERP from the
program headers, or the interpreter named by a `#!` line.
"""
import os
import struct
import subprocess

from lab.common import EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, Refusal

ELFCLASS64, ELFDATA2LSB = 2, 1
ET_EXEC, ET_DYN = 2, 3
PT_INTERP = 3
MACHINES = {"x86_64": (ELFCLASS64, 62)}
EI_NIDENT = 16
PATH_MAX, OFFSET_MAX = 4096, 1 << 40  # beyond them the file lies


class Program:
    """path: where it is; interpreter: ld.so or the script's, or None; is_script."""

    def __init__(self, path, interpreter, is_script):
        self.path = path
        self.interpreter = interpreter
        self.is_script = is_script


def not_executable(path, why):
    return Refusal(EXIT_NOT_EXECUTABLE, f"{path}: {why}")


def pt_interp(file, head):
    offset, = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    for i in range(count):
        file.seek(min(offset + i * size, OFFSET_MAX))
        entry = file.read(56)
        if len(entry) == 56 and struct.unpack_from("<I", entry)[0] == PT_INTERP:
            at, length = struct.unpack_from("<Q", entry, 8)[0], struct.unpack_from("<Q", entry, 32)[0]
            file.seek(min(at, OFFSET_MAX))
            return os.fsdecode(file.read(min(length, PATH_MAX)).split(b"\0")[0])
    return None


def inspect(path, arch):
    """What kind of program is at path? Refuses (126, 127) what cannot run on arch."""
    if not os.path.exists(path):
        raise Refusal(EXIT_NOT_FOUND, f"{path}: no such program")
    if not os.path.isfile(path):
        raise not_executable(path, "not a program file")
    if not os.access(path, os.X_OK):
        raise not_executable(path, "not executable (no x permission)")
    with open(path, "rb") as file:
        head = file.read(4096)
        if head.startswith(b"#!"):
            words = head[2:].split(b"\n", 1)[0].split()
            if not words:
                raise not_executable(path, "a script that names no interpreter")
            return Program(path, os.fsdecode(words[0].split(b"\0")[0]), True)
        if not head.startswith(b"\x7fELF") or len(head) < 64:
            raise not_executable(path, "neither an ELF program nor a script")
        kind, machine = struct.unpack_from("<HH", head, EI_NIDENT)
        if head[5] != ELFDATA2LSB or (head[4], machine) != MACHINES[arch]:
            raise not_executable(path, f"not a program for {arch}")
        if kind not in (ET_EXEC, ET_DYN):
            raise not_executable(path, "an ELF file, but no program")
        return Program(path, pt_interp(file, head), False)


def shared_libraries(path):
    """Absolute paths of the shared libraries that the host's loader finds for path."""
    listing = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    found = []
    for line in listing.splitlines():
        words = line.split()
        target = words[2] if "=>" in words and len(words) > 2 else words[0] if words else ""
        if target.startswith("/"):
            found.append(target)
    return found
