# SPDX-License-Identifier: MIT
"""How the text of the sources looks: laid out by clang-format, within 100 columns, atomic accesses by name.

Programs that the guest and Linux run (tests/guest, tests/linux, tests/host) are laid out by hand:
many of them are tables of cases. asm.h is written in the assembler's language.
"""
import os
import re
import shutil

from lab.common import ROOT
from lab.test.sources import expect_none, read, source_files
from lab.test.testing import Skip, test

BY_HAND = ("tests/guest/", "tests/linux/", "tests/host/", "machine/pc/include/machine/asm.h")
COLUMNS = 100
TABLE_COLUMNS = 112  # rows of a table in a comment, and macros of one line
CLANG_FORMAT = 14    # other versions break some lines elsewhere
ATOMICS_BY_NAME = ("mm/", "include/", "arch/", "kernel/", "fs/", "machine/pc/")
ATOMIC_HEADERS = {"include/pagoda/atomic.h", "include/pagoda/types.h"}


def laid_out_sources():
    return sorted(p for p in source_files() if p.endswith((".c", ".h")) and not p.startswith(BY_HAND))


@test("style/sources_are_laid_out_by_clang_format")
def layout(bench):
    version = re.search(rb"version (\d+)", bench.command(["clang-format", "--version"]).out)
    if not shutil.which("clang-format") or int(version[1]) != CLANG_FORMAT:
        raise Skip(f"needs clang-format {CLANG_FORMAT}")
    sources = laid_out_sources()
    bench.check(len(sources) > 300, "too few sources found")
    done = bench.command(["clang-format", "--dry-run", "-Werror", *(os.path.join(ROOT, p) for p in sources)],
                         timeout=300)
    wrong = sorted({line.split(b":")[0].decode() for line in done.err.splitlines() if b"error:" in line})
    bench.check(done.status == 0 and not wrong, f"run clang-format -i on: {' '.join(wrong[:10])}")


def limit_of(line):
    is_table_row = re.match(r"\s*\*.*(\t|\S  +\S)", line)
    is_macro = line.startswith("#define") and not line.endswith("\\")
    return TABLE_COLUMNS if is_table_row or is_macro else COLUMNS


def long_lines(path):
    for number, line in enumerate(read(path).splitlines(), 1):
        if len(line.expandtabs(8)) > limit_of(line):
            yield f"{path}:{number}"


@test("style/lines_end_within_100_columns")
def columns(bench):
    expect_none(bench, (place for path in laid_out_sources() for place in long_lines(path)))


@test("style/atomic_accesses_go_through_their_header")
def atomics(bench):
    expect_none(bench, (p for p in laid_out_sources() if p.startswith(ATOMICS_BY_NAME)
                        and p not in ATOMIC_HEADERS and re.search(r"\b__atomic_\w+\(", read(p))))


# ---- How much of the core explains and checks itself ---------------------------------------------

COMMENTS_MIN = 25    # percent of the lines that are not blank hold a comment
ASSERTIONS_MIN = 30  # for each 1,000 of these lines
AROUND_THE_CORE = ("kernel", "fs")
AROUND_ASSERTIONS_MIN = 10
ASSERTION = re.compile(r"\b(?:(?:VM_|PORT_)?BUG_ON|WARN_ON)\w*\(|\b(?:lockdep|mmap)_assert_\w+\(|\bstatic_assert\(")
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def lines_with_comments(text):
    return sum(comment.count("\n") + 1 for comment in COMMENT.findall(text))


def measure(texts):
    """Lines, percent of them with comments, assertions in 1,000 lines."""
    lines = sum(1 for text in texts for line in text.splitlines() if line.strip())
    comments = sum(map(lines_with_comments, texts))
    assertions = sum(len(ASSERTION.findall(COMMENT.sub("", text))) for text in texts)
    return lines, 100 * comments / lines, 1000 * assertions / lines


def c_sources_below(folder):
    """{folder of sources: their texts}"""
    rooms = {}
    for path in source_files():
        if path.startswith(folder + "/") and path.endswith((".c", ".h")):
            rooms.setdefault(os.path.dirname(path), []).append(read(path))
    return rooms


@test("style/the_core_explains_and_checks_itself", needs=[])
def explained(bench):
    rooms = c_sources_below("mm")
    bench.check(len(rooms) > 8, "too few rooms found")
    rooms["mm"] = [text for texts in rooms.values() for text in texts]
    for room, texts in sorted(rooms.items()):
        lines, comments, assertions = measure(texts)
        bench.log.write(f"{room}: {lines} lines, {comments:.1f} % with comments, {assertions:.1f} assertions in 1,000 lines\n")
        bench.check(comments >= COMMENTS_MIN, f"{comments:.1f} % of the lines of {room} have comments")
        bench.check(assertions >= ASSERTIONS_MIN, f"{assertions:.1f} assertions in 1,000 lines of {room}")


@test("style/the_kernel_around_the_core_checks_itself", needs=[])
def around_the_core(bench):
    for folder in AROUND_THE_CORE:
        texts = [text for texts in c_sources_below(folder).values() for text in texts]
        lines, comments, assertions = measure(texts)
        bench.log.write(f"{folder}: {lines} lines, {comments:.1f} % with comments, {assertions:.1f} assertions in 1,000 lines\n")
        bench.check(assertions >= AROUND_ASSERTIONS_MIN, f"{assertions:.1f} assertions in 1,000 lines of {folder}/")
