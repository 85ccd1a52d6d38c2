# SPDX-License-Identifier: MIT
"""What a comment names exists: functions, files, structures and their fields.

A comment that speaks of try_to_free_buffers() or swap_state.c misleads its reader once that has another name. So in
the comments of the core, the kernel and the machines, each word in one of these forms must stand in the code of the
project (outside comments), or be the name of a file in it:

	name()		a function or a macro
	name.c, name.h	a file, with or without its folder
	struct name	a structure
	->name		a field

Names of other programs' functions stand in ELSEWHERE: system calls that a comment explains, the C
library's and Linux's.
"""
import re

from lab.test.sources import expect_none, read, source_files
from lab.test.testing import test

FOLDERS = ("mm/", "include/", "arch/", "kernel/", "fs/", "machine/", "lib/")
TOKENS = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|/\*.*?\*/|//[^\n]*|\w+', re.S)
FORMS = {
    "function": re.compile(r"\b([A-Za-z_]\w+)\(\)"),
    "file": re.compile(r"(?<![\w*.-])((?:[\w-]+/)*[\w-]+\.[ch])\b"),
    "structure": re.compile(r"\bstruct ([a-z_]\w+)"),
    "field": re.compile(r"\b\w+->([a-z_]\w*)"),
}
ELSEWHERE = {
    "sockaddr_storage", "sys/mman.h",                        # the C library's
    "pagoda.h",                                              # what ./pagoda embed makes
    "posixtimer_rearm",                                      # Linux's
    "hvm_start_info", "virtio_pci_cap", "virtio_pci_common_cfg",  # of the PVH and virtio specifications
}


def split(text):
    """The words of the code, and the comments, of one source."""
    words, comments = set(), []
    for piece in TOKENS.findall(text):
        if piece.startswith(("/*", "//")):
            comments.append(piece)
        else:
            words.update(re.findall(r"\w+", piece))
    return words, comments


def names_of_the_project():
    words, files = set(), set()
    for path in source_files():
        words |= split(read(path))[0]
        parts = path.split("/")
        files |= {"/".join(parts[i:]) for i in range(len(parts))}
    return words, files


def unknown_names(comments, words, files):
    for comment in comments:
        for kind, form in FORMS.items():
            for name in form.findall(comment):
                if name not in (files if kind == "file" else words) and name not in ELSEWHERE:
                    yield f"{kind} {name}"


@test("style/checker_sees_names_that_do_not_exist", needs=[])
def checker(bench):
    words, comments = split("/* old_name() of gone.c: struct lost, page->missing; known() */ int known; char *s = \"/*\";")
    bench.equal(sorted(unknown_names(comments, words, set())),
                ["field missing", "file gone.c", "function old_name", "structure lost"], "what is unknown")


@test("style/names_in_comments_exist", needs=[])
def names_exist(bench):
    words, files = names_of_the_project()
    sources = [p for p in source_files() if p.startswith(FOLDERS) and p.endswith((".c", ".h", ".S"))]
    bench.check(len(sources) > 300, "too few sources found")
    expect_none(bench, (f"{path}: {unknown}" for path in sources
                        for unknown in sorted(set(unknown_names(split(read(path))[1], words, files)))))
