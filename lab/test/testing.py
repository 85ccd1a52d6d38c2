# SPDX-License-Identifier: MIT
"""What a test is: results, jobs, and the tools that tests on the host are written with.

A *job* is what the runner schedules: a name, a time limit, and a function that returns
*results*. A unit-test binary is one job with many results; a host test is one job with one.
A result names the requirement IDs that it proves when it is ok.

A host test is a function in tests/host/*.py, decorated with @test, that gets a Bench: a
folder of its own, ways to run ./pagoda and other commands, and checks. It fails by raising.
"""
import os
import shutil
import subprocess
import time

from lab import build
from lab.common import BUILD, PAGODA

RESULTS = os.path.join(BUILD, "test-results")
GUEST = [build.KERNEL, build.INIT]
OK, FAILED, SKIPPED = "ok", "failed", "skipped"


class Result:
    def __init__(self, name, outcome, ids=(), reason=""):
        self.name, self.outcome, self.ids, self.reason = name, outcome, list(ids), reason


class Job:
    """run(log) -> list of Results; log is a text file kept under build/test-results.

    needs: the build targets that it uses; None is all of them."""

    def __init__(self, name, run, in_quick=True, only_long=False, needs=None):
        self.name, self.run, self.in_quick, self.only_long = name, run, in_quick, only_long
        self.needs = needs


class Failure(Exception):
    pass


class Skip(Exception):
    pass


REGISTRY = []


def test(name, ids="", quick=True, long=False, needs=GUEST):
    """Register a host test. ids: requirement IDs, separated by spaces. needs: see Job."""
    def register(function):
        def run(log):
            bench = Bench(name, log)
            try:
                function(bench)
                return [Result(name, OK, ids.split())]
            except Skip as skip:
                return [Result(name, SKIPPED, ids.split(), str(skip))]
            except Failure as failure:
                return [Result(name, FAILED, ids.split(), str(failure))]
            finally:
                bench.clean_up()
        REGISTRY.append(Job(name, run, in_quick=quick, only_long=long, needs=needs))
        return function
    return register


class Done:
    """A finished command."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


class Bench:
    def __init__(self, name, log):
        self.log = log
        self.folder = os.path.join(RESULTS, "work", name.replace("/", "-"))
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)

    def clean_up(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def file(self, name, content=None, mode=None):
        """Path of a file in the test's folder, written if content is given."""
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content if isinstance(content, bytes) else content.encode())
        if mode is not None:
            os.chmod(path, mode)
        return path

    def command(self, words, stdin=b"", timeout=60, env=None):
        """Run to the end; text output goes to the log. Status 124 if it took too long."""
        began = time.monotonic()
        self.log.write("$ " + " ".join(words) + "\n")
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   cwd=self.folder, env=env)
        try:
            out, err = process.communicate(stdin, timeout)
            status = process.returncode
        except subprocess.TimeoutExpired:
            process.terminate()
            out, err = process.communicate()
            status = 124
        done = Done(status, out, err)
        self.log.write(f"status {done.status}, {time.monotonic() - began:.1f} s\n")
        for label, data in (("stdout", out), ("stderr", err)):
            if data:
                self.log.write(f"--- {label}, {len(data)} bytes\n{readable(data[:20000])}\n")
        return done

    def pagoda(self, *words, stdin=b"", timeout=60):
        """./pagoda as a user calls it; tests use TCG, and what is built already."""
        env = dict(os.environ, PAGODA_BUILT="1")
        words = list(words)
        if words[:1] in (["run"], ["shell"]) and "--accel" not in words:
            words[1:1] = ["--accel", "tcg"]
        return self.command([PAGODA] + words, stdin, timeout, env)

    # ---- checks ---------------------------------------------------------------------------

    def check(self, condition, what):
        if not condition:
            raise Failure(what)

    def equal(self, found, expected, what):
        if found != expected:
            raise Failure(f"{what}: found {shorten(found)}, expected {shorten(expected)}")

    def ran(self, done, status=0, out=None):
        """The command ended with status, and printed out (bytes) if that is given."""
        if done.status != status:
            raise Failure(f"exit status {done.status}, expected {status}; stderr: {tail(done.err)}")
        if out is not None:
            self.equal(done.out, out, "stdout")
        return done


def readable(data):
    """For a log: text as it is, anything else only in part."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return repr(data[:200])


def shorten(value, limit=200):
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + f"... ({len(text)} characters)"


def tail(data, limit=300):
    return data[-limit:].decode(errors="replace").strip().replace("\n", " | ")


def report_problems(report):
    """What must hold in the report of every run, whatever ran: a list of complaints."""
    if report is None:
        return ["no report"]
    problems = []
    if report.get("warnings"):
        problems.append(f"{report['warnings']} kernel warnings")
    if report.get("swap_slots_used"):
        problems.append(f"{report['swap_slots_used']} swap slots still in use")
    start, end = report.get("frames_free_start"), report.get("frames_free_end")
    if start != end:
        problems.append(f"frames not conserved: {start} free before, {end} after")
    return problems
