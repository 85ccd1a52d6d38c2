# SPDX-License-Identifier: MIT
"""Marks in code, tests and docs, such as (RC-15) or "ABI.md, section 3", lead to a text of docs/."""
import os
import re

from lab.common import ROOT
from lab.test.requirements import known_ids, sections
from lab.test.sources import read, source_files
from lab.test.testing import test

REQUIREMENT = re.compile(r"^- \*\*([A-Z]{2}-\d\d)\b", re.MULTILINE)
# The contradictions between the documents are paragraphs that begin with their number.
CONTRADICTION = re.compile(r"^\*\*(CT-\d\d)\*\*", re.MULTILINE)
ABI_SECTION = re.compile(r"^## (\d+)\.", re.MULTILINE)
ABI_MARK = re.compile(r"ABI\.md[`)\]]*,?[\s*#]+(?:section[\s*#]+)?(\d+)\b")


def marked_texts():
    """(path, text) of everything that may hold marks, but the two lists themselves."""
    docs = [f"docs/{name}" for name in os.listdir(os.path.join(ROOT, "docs")) if name.endswith(".md")]
    for path in [*source_files(), *docs, "README.md"]:
        if path not in ("docs/REQUIREMENTS.md", "docs/ABI.md"):
            yield path, read(path)


def listed_ids():
    text = read("docs/REQUIREMENTS.md")
    return set(REQUIREMENT.findall(text)) | set(CONTRADICTION.findall(text))


def complaints(texts):
    ids, abi = listed_ids(), set(ABI_SECTION.findall(read("docs/ABI.md")))
    mark = re.compile(r"\b(?:" + "|".join(prefix for prefix, _, _ in sections()) + r")-\d\d\b")
    for path, text in texts:
        for found in sorted(set(mark.findall(text)) - ids):
            yield f"{path}: {found} is not in docs/REQUIREMENTS.md"
        for found in sorted(set(ABI_MARK.findall(text)) - abi):
            yield f"{path}: docs/ABI.md has no section {found}"


@test("marks/checker_sees_marks_that_lead_nowhere", needs=[])
def checker(bench):
    bench.equal(list(complaints([("a.c", "(RC-15) as PM-99 says; ABI.md, section 3; ABI.md section 88")])),
                ["a.c: PM-99 is not in docs/REQUIREMENTS.md", "a.c: docs/ABI.md has no section 88"], "complaints")


@test("marks/every_mark_leads_to_a_text", needs=[])
def marks(bench):
    texts = [(path, text) for path, text in marked_texts() if path != "tests/host/marks.py"]
    bench.check(len(texts) > 500, f"only {len(texts)} files looked at")
    wrong = list(complaints(texts))
    for line in wrong:
        bench.log.write(line + "\n")
    bench.check(not wrong, f"{len(wrong)} marks: {'; '.join(wrong[:5])}")


@test("marks/the_list_of_ids_is_that_of_the_requirements", needs=[])
def lists(bench):
    bench.equal(sorted(known_ids() ^ listed_ids()), [], "IDs of tests/requirements.txt and docs/REQUIREMENTS.md differ")
