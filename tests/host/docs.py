# SPDX-License-Identifier: MIT
"""The documents against the tree: examples shown are examples that run, links lead somewhere."""
import glob
import os
import re

from lab import build
from lab.common import ROOT
from lab.test.testing import test


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def body(c_source):
    """The code without its opening comments."""
    return re.sub(r"^(/\*.*?\*/\n)+", "", c_source, flags=re.DOTALL)


@test("docs/embedding_example_is_what_runs", needs=["docs/embed"])
def embedding(bench):
    shown = re.search(r"```c\n(.*?)```", text_of("README.md"), re.DOTALL)
    bench.check(shown, "README.md shows no C example")
    bench.equal(shown[1], body(text_of("docs/embed.c")), "README's example")
    bench.ran(bench.command([build.path("docs/embed")]), 0, b"read back 42, 1 anonymous fault, 128 usable bytes\n")


@test("docs/links_lead_somewhere")
def links(bench):
    for path in ["README.md"] + glob.glob("docs/*.md", root_dir=ROOT):
        for target in re.findall(r"\]\(([^)#:]+)\)", text_of(path)):
            there = os.path.join(ROOT, os.path.dirname(path), target)
            bench.check(os.path.exists(there), f"{path}: no {target}")
