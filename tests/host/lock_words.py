# SPDX-License-Identifier: MIT
"""Locks along each path: clang's thread-safety analysis over the kernel, by the words of include/pagoda/thread_safety.h.

Each source of the kernel's library is compiled for its warnings alone, with the include path and the definitions that
its own command has. A path that leaves a lock held, releases one that is not held, or calls a MUST_HOLD() function
without its lock is a finding.
Where the analysis is switched off, by NO_LOCK_ANALYSIS(), the reason is the argument.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

from lab.common import ROOT
from lab.test.sources import expect_none
from lab.test.testing import Skip, test

BUILD = os.path.join(ROOT, "build")
CLANG = ["clang", "-std=gnu11", "-fsyntax-only", "-ffreestanding", "-mno-red-zone", "-Wthread-safety"]

SOUND = """
#include <pagoda/spinlock.h>
struct box { spinlock_t lock; int value; };
static void change(struct box *box) MUST_HOLD(&box->lock)
{
	box->value++;
}
int try_it(struct box *box, struct mutex *m);
int try_it(struct box *box, struct mutex *m)
{
	if (!mutex_trylock(m))
		return -1;
	spin_lock(&box->lock);
	change(box);
	spin_unlock(&box->lock);
	mutex_unlock(m);
	return 0;
}
"""
# What is done wrong: (text of SOUND, what stands there instead, what clang says)
WRONG = {
    "a return with the lock held": ("\tspin_unlock(&box->lock);\n", "", "not held on every path"),
    "a release without the lock": ("\tspin_lock(&box->lock);\n\tchange(box);\n", "", "that was not held"),
    "a MUST_HOLD() function without its lock": ("\tspin_lock(&box->lock);\n\tchange(box);\n\tspin_unlock(&box->lock);\n",
                                                "\tchange(box);\n", "requires holding"),
    "the lock twice": ("\tchange(box);\n\tspin_unlock", "\tspin_lock(&box->lock);\n\tspin_unlock", "already held"),
    "a try that failed": ("if (!mutex_trylock(m))", "if (mutex_trylock(m))", "not held on every path"),
}


def kernel_commands():
    """{source: options that name what it includes and defines}"""
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    return {entry["file"]: [word for word in shlex.split(entry["command"]) if word.startswith(("-I", "-D"))]
            for entry in entries if "libkernel.a.p" in entry["output"] and entry["file"].endswith(".c")}


def findings(source, options, text=None):
    """The warnings and errors of one source, or of a text."""
    if not shutil.which("clang"):
        raise Skip("needs clang")
    done = subprocess.run([*CLANG, *options, *(["-xc", "-"] if text else [source])], cwd=BUILD, input=text,
                          capture_output=True, text=True)
    return re.findall(r"^.*(?:warning|error): .*$", done.stderr, re.MULTILINE)


@test("style/the_analysis_of_locks_sees_faults")
def faults_are_seen(bench):
    options = next(iter(kernel_commands().values()))
    bench.equal(findings("", options, SOUND), [], "what clang says of sound code")
    for fault, (right, wrong, message) in WRONG.items():
        bench.check(SOUND.count(right) == 1, f"{fault}: not one place for it")
        said = findings("", options, SOUND.replace(right, wrong))
        bench.check(any(message in line for line in said), f"{fault}: clang says {said or 'nothing'}")


@test("style/locks_are_held_and_released_on_each_path", quick=False)
def each_path(bench):
    commands = kernel_commands()
    bench.check(len(commands) > 200, f"only {len(commands)} sources of the kernel found")
    with ThreadPoolExecutor(2) as pool:
        found = {line for lines in pool.map(lambda item: findings(*item), commands.items()) for line in lines}
    expect_none(bench, sorted(found))
