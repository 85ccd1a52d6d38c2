# SPDX-License-Identifier: MIT
"""The table of requirement IDs: which ones a passing test names, and what such a test is known to notice.

An ID is listed when at least one result that names it is ok and none that names it failed. How
much that says depends on the test; so beside the IDs stand the breaks of the code (mutants,
tests/host/mutation.py) that a test which names them is known to fail under.
tests/requirements.txt says which IDs there are: a section's prefix, how many, its
name. The table of the last full run is kept in build/requirements.txt.
"""
import os

from lab.common import BUILD, ROOT, Refusal
from lab.test.testing import FAILED, OK

LIST = os.path.join(ROOT, "tests", "requirements.txt")
SAVED = os.path.join(BUILD, "requirements.txt")


def sections():
    """(prefix, count, name) in the order of the list."""
    with open(LIST) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                prefix, count, name = line.split(None, 2)
                yield prefix, int(count), name.strip()


def known_ids():
    return {f"{prefix}-{n:02}" for prefix, count, _ in sections() for n in range(1, count + 1)}


def named_ids(results):
    good = {i for r in results if r.outcome == OK for i in r.ids}
    bad = {i for r in results if r.outcome == FAILED for i in r.ids}
    return good - bad


def ranges(numbers):
    """1 2 3 7 -> '01-03 07'."""
    text, run = [], []
    for n in sorted(numbers) + [None]:
        if run and (n is None or n != run[-1] + 1):
            text.append(f"{run[0]:02}" if len(run) == 1 else f"{run[0]:02}-{run[-1]:02}")
            run = []
        run.append(n)
    return " ".join(text) or "none"


def break_lines(results, breaks, named):
    """Beside each ID the breaks that its tests are known to fail under. breaks: (what, name of the test)."""
    tests = {}
    for result in results:
        tests.setdefault(result.name.split("/")[-1], set()).update(result.ids)
    by_id = {}
    for what, killer in breaks:
        for i in tests.get(killer, ()):
            by_id.setdefault(i, []).append(what)
    known = sorted(i for i in by_id if i in named)
    if not known:
        return []
    return (["Breaks that a test which names the ID is known to notice (./pagoda test mutation/ tries them):"]
            + [f"  {i}  {'; '.join(by_id[i])}" for i in known])


def table(results, breaks=()):
    named = named_ids(results)
    lines = ["Requirements named by a passing test of this run (tests/requirements.txt lists the sections):"]
    total = 0
    for prefix, count, name in sections():
        numbers = {n for n in range(1, count + 1) if f"{prefix}-{n:02}" in named}
        total += len(numbers)
        lines.append(f"  {prefix} {len(numbers):>3}/{count:<3} {name}")
        if numbers:
            lines.append(f"     named    {ranges(numbers)}")
        if numbers and len(numbers) < count:
            lines.append(f"     not yet  {ranges(set(range(1, count + 1)) - numbers)}")
    strangers = sorted(named - known_ids())
    if strangers:
        lines.append(f"  named by tests, but not in the list: {' '.join(strangers)}")
    lines.append(f"  in all {total} of {sum(count for _, count, _ in sections())}; "
                 "of a section with 0 named, none is yet")
    lines += break_lines(results, breaks, named)
    return "\n".join(lines) + "\n"


def save(text):
    with open(SAVED, "w") as file:
        file.write(text)


def saved():
    if not os.path.exists(SAVED):
        raise Refusal(1, "no full run of the tests yet; ./pagoda test makes the table")
    with open(SAVED) as file:
        return file.read()
