# SPDX-License-Identifier: MIT
"""Builds with Meson and Ninja in build/, quietly unless it fails.

Only what is asked for is built: a run needs the kernel image and /init, not the twelve
variants of the hosted machine. A file lock lets calls in parallel take turns; when nothing
changed, a turn is one `ninja` that finds nothing to do.
"""
import contextlib
import fcntl
import os
import subprocess
import sys

from lab.common import BUILD, EXIT_HOST, ROOT, Refusal, say

KERNEL = "machine/pc/pagoda.elf"
INIT = "guest/init"


def path(target):
    return os.path.join(BUILD, target)


@contextlib.contextmanager
def lock(name="build"):
    """One holder at a time in this tree; the others wait, and say so if it is not the build."""
    os.makedirs(BUILD, exist_ok=True)
    with open(os.path.join(BUILD, f".{name}.lock"), "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if name != "build":
                say(f"waiting for another ./pagoda {name} in this tree")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def checked(command, what):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise Refusal(EXIT_HOST, f"{what} failed (above): {' '.join(command)}")
    return done.stdout


def configure():
    """Make build/ if it is not there yet; which tests there are is known after that."""
    with lock():
        if not os.path.exists(path("build.ninja")):
            say("first build: configuring with meson")
            checked(["meson", "setup", BUILD, ROOT], "configuring")


def build(targets):
    """Bring targets (paths in build/) up to date; all of them if the list is empty."""
    configure()
    with lock():
        checked(["ninja", "-C", BUILD] + list(targets), "the build")


def build_for_run():
    """The kernel image and /init. Returns their paths."""
    if not os.environ.get("PAGODA_BUILT"):  # set by the tests, which have built already
        build([KERNEL, INIT])
    return path(KERNEL), path(INIT)
