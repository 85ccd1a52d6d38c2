# SPDX-License-Identifier: MIT
"""Whom the OOM killer's score spares: root, and who may administer, but not twice (oom_users.c)."""
import os
import re

from lab.test import guest_programs
from lab.common import ROOT
from lab.test.testing import test

HOLDERS = "both", "root", "admin", "user"
CANDIDATE = re.compile(r"oom: +\d+ (\S+) +score (\d+): (\d+) pages")


def first_scores(log):
    """{name: (score, pages)} of the first time that each was looked at."""
    found = {}
    for name, score, pages in CANDIDATE.findall(log):
        found.setdefault(name, (int(score), int(pages)))
    return found


@test("oom_users/root_or_administrator_counts_a_quarter", "OM-10", quick=False)
def root_or_administrator(bench):
    source = os.path.join(ROOT, "tests", "host", "oom_users.c")
    program = guest_programs.compile_program(source, "glibc", bench.log)
    done = bench.pagoda("run", "--quiet", "--ram", "48M", "--log", "kernel.log", "--timeout", "100", "--", program,
                        timeout=130)
    with open(bench.file("kernel.log"), errors="replace") as file:
        log = file.read()
    bench.log.write("--- kernel log\n" + log)
    bench.ran(done, 0, b"done\n")
    scores = first_scores(log)
    bench.check(set(HOLDERS) <= set(scores), f"looked at {sorted(scores)}")
    for name in HOLDERS:
        score, pages = scores[name]
        bench.check(pages >= 1024, f"{name} has {pages} pages")
        bench.equal(score, pages if name == "user" else pages // 4, f"score of {name}, who has {pages} pages")
