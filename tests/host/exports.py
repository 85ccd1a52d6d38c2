# SPDX-License-Identifier: MIT
"""Every function that the core exports has a comment; newcomers have a way to read the code in."""
import glob
import os
import re

from lab.common import ROOT
from lab.test.testing import test

# The folders whose headers are the core's to its users, and the hosted machine's to tests.
PUBLIC = ["include/pagoda/*.h", "lib/*.h", "arch/x86/include/asm/*.h", "machine/hosted/include/machine/hosted*.h"]
STARTS = re.compile(r"[A-Za-z_][\w *]*[ *](\w+)\(")
NOT_ONE = ("static", "#", "typedef", "return", "\t", " ", "}")
GUIDE = ["mm/reclaim/oom_kill.c", "mm/kernel_map/vmalloc.c", "mm/physical/page_alloc.c", "mm/space/mmap.c"]


def undocumented(text):
    """Names of functions declared without a comment: none above them or their group, none behind them."""
    lines = iter(text.split("\n"))
    documented = False
    for line in lines:
        stripped = line.strip()
        if not stripped:
            documented = False
        elif stripped.startswith("/*"):
            while "*/" not in line:
                line = next(lines)
            documented = True
        elif (found := STARTS.match(line)) and not line.startswith(NOT_ONE):
            while ";" not in line and "{" not in line:
                line += next(lines)
            if not documented and "/*" not in line:
                yield found[1]


@test("exports/checker_sees_what_is_missing", needs=[])
def checker(bench):
    text = ("/* Group. */\nint a(void);\nstruct x *b(int c,\n\tint d);\n\nint e(void);\nint f(void); /* why */\n"
            "static inline int g(void)\n{\n\treturn h();\n}\n\n/*\n * Long.\n */\n__must_check int i(void);\n\nvoid **j(void);\n")
    bench.equal(list(undocumented(text)), ["e", "j"], "undocumented functions")


@test("exports/every_function_is_documented", ids="TL-14", needs=[])
def documented(bench):
    paths = [p for pattern in PUBLIC for p in sorted(glob.glob(pattern, root_dir=ROOT))]
    bench.check(len(paths) > 40, "too few headers found")
    missing = []
    for path in paths:
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            missing += [f"{path}: {name}" for name in undocumented(file.read())]
    for line in missing:
        bench.log.write(line + "\n")
    bench.check(not missing, f"{len(missing)} functions without a comment: {', '.join(missing[:5])}")


@test("exports/reading_guide_begins_where_the_thesis_does", ids="TL-14", needs=[])
def guide(bench):
    with open(os.path.join(ROOT, "docs", "ARCHITECTURE.md"), encoding="utf-8") as file:
        section = file.read().partition("## For newcomers")[2].partition("\n## ")[0]
    at = [section.find(path) for path in GUIDE]
    bench.check(-1 not in at and at == sorted(at), f"docs/ARCHITECTURE.md, For newcomers: {GUIDE} at {at}")
    for path in re.findall(r"`(\w+/[\w./-]+\.[ch])`", section):
        bench.check(os.path.exists(os.path.join(ROOT, path)), f"there is no {path}")
