# SPDX-License-Identifier: MIT
"""The files of the project, as tests of its text want them: sources, not what was built."""
import os

from lab.common import ROOT

SOURCE_SUFFIXES = (".c", ".h", ".S", ".py", ".sh", ".ld", "meson.build")
# Other folders beside these are the user's, such as what ./pagoda embed has made.
TOP_FOLDERS = {"arch", "conformance", "docs", "examples", "fs", "guest", "include", "kernel", "lab", "lib", "machine",
               "mm", "tests"}


def source_files():
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [f for f in folders if f != "__pycache__" and not f.startswith("build")
                      and (folder != ROOT or f in TOP_FOLDERS)]
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
