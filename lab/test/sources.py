# SPDX-License-Identifier: MIT
"""The files of the project, as tests of its text want them: sources, not what was built."""
import os

from lab.common import ROOT

SOURCE_SUFFIXES = (".c", ".h", ".S", ".py", ".sh", ".ld", "meson.build")
SKIPPED_FOLDERS = {".git", "__pycache__"}


def source_files():
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS and not f.startswith("build")]
        for name in files:
            path = os.path.relpath(os.path.join(folder, name), ROOT)
            if path.endswith(SOURCE_SUFFIXES):
                yield path


def read(path):
    with open(os.path.join(ROOT, path), errors="replace") as file:
        return file.read()


def expect_none(bench, complaints):
    """The test fails if there is a complaint; all go to its log."""
    complaints = list(complaints)
    for line in complaints:
        bench.log.write(line + "\n")
    bench.check(not complaints, f"{len(complaints)} times, as: {'; '.join(complaints[:5])}")
