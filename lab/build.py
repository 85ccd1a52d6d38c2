# SPDX-License-Identifier: MIT
"""Builds with Meson and Ninja in build/, quietly unless it fails.

Only what is asked for is built: a run needs the kernel image and /init, not the twelve
variants of the hosted machine. A file lock lets calls in parallel take turns; when nothing
changed, a turn is one `ninja` that finds nothing to do.
"""
import contextlib
import fcntl
import os
import re
import subprocess
import sys
import time

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
            if not name.startswith("build"):
                say(f"waiting for another ./pagoda {name} in this tree")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


PROGRESS = re.compile(r"\[(\d+)/(\d+)\] ")
PROGRESS_SECONDS = 5  # between lines, where no terminal shows a running count


class Progress:
    """How far a build is, on stderr: a running count on a terminal, else a line now and then."""

    def __init__(self):
        self.on_terminal = sys.stderr.isatty()
        self.told = time.monotonic()

    def saw(self, line):
        match = PROGRESS.match(line)
        if not match:
            return
        text = f"building: {match[1]} of {match[2]} steps"
        if self.on_terminal:
            sys.stderr.write(f"\r\x1b[Kpagoda: {text}")
            sys.stderr.flush()
        elif time.monotonic() - self.told >= PROGRESS_SECONDS:
            self.told = time.monotonic()
            say(text)

    def end(self):
        if self.on_terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def run_ninja(targets):
    """Ninja, with its progress shown, and what it printed if it fails."""
    command = ["ninja", "-C", BUILD] + list(targets)
    progress, lines = Progress(), []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               stdin=subprocess.DEVNULL, env=dict(os.environ, NINJA_STATUS="[%f/%t] "))
    try:
        for line in process.stdout:
            lines.append(line)
            progress.saw(line)
    finally:
        progress.end()
    if process.wait():
        sys.stderr.write("".join(line for line in lines if not PROGRESS.match(line)))
        raise Refusal(EXIT_HOST, f"the build failed (above): {' '.join(command)}")


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
            say("first build: configuring with meson" if BUILD == os.path.join(ROOT, "build") else
                f"this tree belongs to another user: building in {BUILD}; configuring with meson")
            checked(["meson", "setup", BUILD, ROOT], "configuring")


def build(targets):
    """Bring targets (paths in build/) up to date; all of them if the list is empty."""
    configure()
    with lock():
        run_ninja(targets)


def build_for_run():
    """The kernel image and /init. Returns their paths."""
    if not os.environ.get("PAGODA_BUILT"):  # set by the tests, which have built already
        build([KERNEL, INIT])
    return path(KERNEL), path(INIT)
