# SPDX-License-Identifier: MIT
"""Runs the unit-test binaries that Meson knows of (test() in a meson.build).

Each prints one line per case and exits non-zero if one failed:

	ok NAME [ID ID ...]
	not ok NAME [ID ID ...]: reason
	skip NAME: reason

A binary that dies, hangs, or says nothing is a failure of its own.

Each binary is one geometry with one sanitizer or none. XC-05 wants them all with slab
debugging off and on, on one node and on two: the binaries take both from the environment
(tests/unit/harness.h), and a job's name says which with a suffix. That is four times the
work, so a normal run takes a sample of it and a long run all; matrix() shows what ran.
"""
import json
import os
import re
import subprocess

from lab.common import BUILD
from lab.test.testing import FAILED, OK, SKIPPED, Job, Result

LINE = re.compile(r"^(ok|not ok|skip) ([^\s:\[]+)(?: *\[([^\]]*)\])?(?:: *(.*))?$")
OUTCOMES = {"ok": OK, "not ok": FAILED, "skip": SKIPPED}
MODULES = ["tests/unit/slab_module.so"]  # loaded at run time by one of them, so no dependency of it
SANITIZED = re.compile(r"asan|tsan|mutation")


def read_lines(text, prefix):
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            yield Result(f"{prefix}/{match[2]}", OUTCOMES[match[1]], (match[3] or "").split(), match[4] or "")


def how_it_ended(status):
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


def run_binary(name, command, env, folder, timeout, log):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, env={**os.environ, **env}, cwd=folder)
        output, ended, status = done.stdout, None, done.returncode
    except subprocess.TimeoutExpired as late:
        output, ended, status = late.stdout or b"", f"took longer than {timeout} s", 1
    text = output.decode(errors="replace")
    log.write(text)
    results = list(read_lines(text, name))
    if ended is None and status and not any(r.outcome == FAILED for r in results):
        ended = how_it_ended(status)
    if ended is None and not results:
        ended = "ran no test"
    if ended:
        last = " | ".join(text.strip().splitlines()[-3:])[-400:]
        results.append(Result(name, FAILED, (), f"{ended}: {last}"))
    return results


SLAB_DEBUG = {"PAGODA_TEST_BOOT_WORDS": "slab_debug"}
TWO_NODES = {"PAGODA_TEST_NODES": "2"}
# suffix of the name: what is added to the environment
SETTINGS = {"": {}, "@slab_debug": SLAB_DEBUG, "@2nodes": TWO_NODES, "@2nodes+slab_debug": {**TWO_NODES, **SLAB_DEBUG}}
SAMPLE = {"@slab_debug": "i386-pae-plain", "@2nodes": "i386-plain", "@2nodes+slab_debug": "x86_64-plain"}


def known_tests():
    """(name, geometry, sanitizer, entry) of each test() of the build."""
    with open(os.path.join(BUILD, "meson-info", "intro-tests.json")) as file:
        known = json.load(file)
    for entry in known:
        _, _, variant = entry["name"].partition("-")
        geometry, _, sanitizer = variant.rpartition("-")
        yield entry["name"], geometry, sanitizer, entry


def jobs(level):
    """One job for each test and setting. TSan slows down by ten; --long may take longer."""
    for name, geometry, sanitizer, entry in known_tests():
        timeout = entry["timeout"] * (10 if level == "long" else 1)
        for suffix, setting in SETTINGS.items():
            whole = f"unit/{name}{suffix}"
            env = {**entry["env"], **setting, "PAGODA_TEST_LEVEL": level}

            def run(log, name=whole, entry=entry, env=env, timeout=timeout):
                return run_binary(name, entry["cmd"], env, entry["workdir"] or BUILD, timeout, log)
            yield Job(whole, run, in_quick=not suffix and not SANITIZED.search(name),
                      only_long=bool(suffix) and SAMPLE[suffix] != f"{geometry}-{sanitizer}",
                      needs=[os.path.relpath(entry["cmd"][0], BUILD), *MODULES])


# ---- What ran of XC-05's matrix -----------------------------------------------------------

def cell(results, names):
    """One word on the tests of a cell, given all results by the name of their job."""
    ran = [name for name in names if name in results]
    failed = [name for name in ran if any(r.outcome == FAILED for r in results[name])]
    if failed:
        return f"{len(failed)} failed"
    return "passed" if len(ran) == len(names) else f"{len(ran)} of {len(names)}" if ran else "not run"


def matrix(results):
    """The table as lines, and the Result that it amounts to. results: job name -> its results."""
    cells = {}
    for name, geometry, sanitizer, _ in known_tests():
        for suffix in SETTINGS:
            cells.setdefault((f"{geometry}-{sanitizer}", suffix), []).append(f"unit/{name}{suffix}")
    words = {key: cell(results, names) for key, names in cells.items()}
    heads = ["one node", "slab_debug", "two nodes", "both"]
    lines = ["Unit tests in each configuration (XC-05):", " " * 22 + "".join(f"{h:<14}" for h in heads)]
    for variant in sorted({variant for variant, _ in words}):
        lines.append(f"  {variant:<20}" + "".join(f"{words[variant, suffix]:<14}" for suffix in SETTINGS).rstrip())
    missing = [key for key, word in words.items() if word != "passed"]
    if not missing:
        return lines, Result("matrix/every_configuration", OK, ["XC-05"])
    return lines, Result("matrix/every_configuration", SKIPPED, ["XC-05"],
                         f"{len(missing)} of {len(words)} cells did not run in full; ./pagoda test --long runs all")
