# SPDX-License-Identifier: MIT
"""Runs the unit-test binaries that Meson knows of (test() in a meson.build).

Each prints one line per case and exits non-zero if one failed:

	ok NAME [ID ID ...]
	not ok NAME [ID ID ...]: reason
	skip NAME: reason

A binary that dies, hangs, or says nothing is a failure of its own.
"""
import json
import os
import re
import subprocess

from lab.common import BUILD
from lab.testing import FAILED, OK, SKIPPED, Job, Result

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


def jobs(level):
    """One job for each test() of the build. TSan slows down by ten; --long may take longer."""
    with open(os.path.join(BUILD, "meson-info", "intro-tests.json")) as file:
        known = json.load(file)
    for entry in known:
        name = "unit/" + entry["name"]
        timeout = entry["timeout"] * (10 if level == "long" else 1)
        env = {**entry["env"], "PAGODA_TEST_LEVEL": level}

        def run(log, name=name, entry=entry, env=env, timeout=timeout):
            return run_binary(name, entry["cmd"], env, entry["workdir"] or BUILD, timeout, log)
        yield Job(name, run, in_quick=not SANITIZED.search(name),
                  needs=[os.path.relpath(entry["cmd"][0], BUILD), *MODULES])
