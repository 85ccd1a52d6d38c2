# SPDX-License-Identifier: MIT
"""The conformance suite (conformance/) inside our own kernel, and whether it tries all of port.h."""
import glob
import os
import re

from lab.run import image
from lab.common import ROOT
from lab.test.sources import expect_none, read
from lab.test.testing import test

SUMMARY = re.compile(r"conformance: tiers 1 to (\d): (\d+) passed, (\d+) failed, (\d+) skipped")
FEWEST_TESTS = 38


def kernel_log(bench, words):
    path = bench.file("kernel.log")
    bench.pagoda("run", "--quiet", "--log", path, "--append", words, "--timeout", "60", "--", image.BUSYBOX, "true")
    with open(path, errors="replace") as file:
        return file.read()


@test("conformance/our_kernel_keeps_the_contract_of_port_h")
def in_kernel(bench):
    text = kernel_log(bench, "conformance")
    summary = SUMMARY.search(text)
    bench.check(summary, "the kernel's log has no summary of the suite")
    bench.equal(re.findall("conformance: not ok .*", text), [], "tests that failed")
    skipped = re.findall("conformance: skipped .*", text)
    bench.equal([line for line in skipped if "needs 2 CPUs" not in line], [], "tests that were skipped")
    bench.check(summary[1] == "5" and summary[3] == "0", summary[0])
    bench.check(int(summary[2]) + int(summary[4]) >= FEWEST_TESTS, f"too few tests: {summary[0]}")


@test("conformance/a_tier_is_chosen_by_its_number")
def one_tier(bench):
    text = kernel_log(bench, "conformance=1")
    bench.check("conformance: ok irq_save_nests" in text and "flush_tlb_page_forgets" not in text,
                "conformance=1 runs something else than tier 1")


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


# A function that the core calls once at boot, and that can be tried by no test later.
AT_BOOT = {"port_map_kernel_image"}


def port_functions():
    """What port.h asks for, by its own list."""
    return [name for name in re.findall(r"X\((port_\w+),", read("include/pagoda/port.h")) if name not in AT_BOOT]


@test("conformance/every_function_of_port_h_is_tried", needs=[])
def coverage(bench):
    functions = port_functions()
    bench.check(len(functions) >= 40, f"only {len(functions)} functions found in port.h")
    suite = "".join(without_comments(read(os.path.relpath(path, ROOT)))
                    for path in glob.glob(os.path.join(ROOT, "conformance/*.c")))
    expect_none(bench, (f"{name}() is not called" for name in functions if not re.search(rf"\b{name}\(", suite)))
