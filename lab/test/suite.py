# SPDX-License-Identifier: MIT
"""`./pagoda test`: builds everything, runs the jobs, and says which requirements passing tests name.

Three kinds of jobs, the fast ones first: checks and whole runs written in Python
(tests/host), unit-test binaries on the hosted machine (tests/unit), programs in the guest
(tests/guest). They run two at a time; each writes a log under build/test-results, and
results.json there has them all. A NAME on the command line keeps the jobs whose name
contains it; those in another configuration (NAME@2nodes) only if it says so.
"""
import concurrent.futures
import importlib.util
import glob
import json
import os
import shutil
import sys
import time
import traceback

from lab import build, packages
from lab.test import guest_programs, requirements, unit_tests
from lab.common import ROOT, say, usage_error
from lab.test.testing import FAILED, OK, REGISTRY, RESULTS, SKIPPED, Result

PARALLEL = 2
LOGS_SHOWN, LOG_LINES, LOG_COLUMNS = 3, 60, 160  # of failed jobs, at the end of a run
BREAKS = []  # (what is broken, name of the test that fails then), of tests/host/mutation.py
HOST_TESTS = os.path.join(ROOT, "tests", "host")


def level_of(options):
    return "quick" if options.quick else "long" if options.long else "normal"


def load_host_tests():
    for path in sorted(glob.glob(os.path.join(HOST_TESTS, "*.py"))):
        name = "tests_host_" + os.path.splitext(os.path.basename(path))[0]
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        BREAKS.extend((mutant.what, mutant.killer) for mutant in getattr(module, "MUTANTS", ()))
    names = [job.name for job in REGISTRY]
    twice = {name for name in names if names.count(name) > 1}  # a module imported by another: they share a folder
    assert not twice, f"registered twice: {sorted(twice)}"
    return REGISTRY


def all_jobs(level):
    return load_host_tests() + list(unit_tests.jobs(level)) + list(guest_programs.jobs())


def wanted(job, level, names):
    if names and not any(name in job.name and ("@" in name or "@" not in job.name) for name in names):
        return False
    if level == "quick":
        return job.in_quick and not job.only_long
    return level == "long" or bool(names) or not job.only_long


def build_for(jobs, everything):
    """A named test waits for what it needs; a whole run finds out that everything builds."""
    if everything or any(job.needs is None for job in jobs):
        say("building everything; the first time takes minutes")
        targets = {"all"}  # which leaves out what is built on request only
    else:
        targets = set()
    targets.update(target for job in jobs for target in job.needs or [])
    if targets:  # none would mean all
        build.build(sorted(targets))


def log_path(job):
    return os.path.join(RESULTS, job.name.replace("/", "-") + ".log")


def run_job(job):
    began = time.monotonic()
    path = log_path(job)
    with open(path, "w") as log:
        try:
            results = job.run(log)
        except Exception as error:  # a broken test is a failed test, not the end of the run
            traceback.print_exc(file=log)
            results = [Result(job.name, FAILED, (), f"{type(error).__name__}: {error}")]
    return job, results, time.monotonic() - began


def show(job, results, seconds):
    failed = [r for r in results if r.outcome == FAILED]
    skipped = [r for r in results if r.outcome == SKIPPED]
    word = "FAIL" if failed else "skip" if len(skipped) == len(results) else "ok"
    cases = f", {len(results)} cases" if len(results) != 1 else ""
    print(f"{word:<4} {job.name} ({seconds:.1f} s{cases})")
    for result in failed:
        print(f"     {result.name}: {result.reason}")
    for result in skipped:
        print(f"     {result.name} skipped: {result.reason}")
    sys.stdout.flush()


def run_jobs(jobs):
    shutil.rmtree(RESULTS, ignore_errors=True)
    os.makedirs(RESULTS)
    results, logs = [], []
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        running = [pool.submit(run_job, job) for job in jobs]
        try:
            for future in concurrent.futures.as_completed(running):
                job, its_results, seconds = future.result()
                show(job, its_results, seconds)
                results += its_results
                if count(its_results, FAILED):
                    logs.append(log_path(job))
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results, logs


def write_results(results, level, seconds):
    with open(os.path.join(RESULTS, "results.json"), "w") as file:
        json.dump({"level": level, "seconds": round(seconds, 1),
                   "results": [vars(r) for r in sorted(results, key=lambda r: r.name)]}, file, indent=1)


def show_matrix(results):
    """Say in which configurations the unit tests ran; one more result."""
    by_job = {}
    for result in results:
        by_job.setdefault("/".join(result.name.split("/")[:2]), []).append(result)
    lines, result = unit_tests.matrix(by_job)
    print("\n" + "\n".join(lines))
    return [result]


def count(results, outcome):
    return sum(1 for r in results if r.outcome == outcome)


def main(options):
    if options.requirements:
        if options.args:
            raise usage_error("test: --requirements shows the last full run; it takes no NAME")
        sys.stdout.write(requirements.saved())
        return 0
    packages.ensure(packages.FOR_TEST)
    level = level_of(options)
    build.configure()
    jobs = [job for job in all_jobs(level) if wanted(job, level, options.args)]
    if not jobs:
        raise usage_error(f"test: no test's name contains {' or '.join(options.args)}")
    build_for(jobs, everything=not options.args)
    with build.lock("test"):
        began = time.monotonic()
        results, failed_logs = run_jobs(jobs)
        write_results(results, level, time.monotonic() - began)
    if not options.args and level != "quick":
        results += show_matrix(results)
    table = requirements.table(results, BREAKS)
    if level != "quick" and not options.args:
        requirements.save(table)
    print(f"\n{table}")
    print_failures(results, failed_logs)
    print(f"{count(results, OK)} passed, {count(results, FAILED)} failed, {count(results, SKIPPED)} skipped")
    return 1 if count(results, FAILED) else 0


def print_log_of_failure(path):
    """A unit test's verdict ends what the test printed; other logs end with what went wrong."""
    with open(path, errors="replace") as log:
        lines = log.read().splitlines()
    verdicts = [i for i, line in enumerate(lines) if line.startswith("not ok")]
    end = min(len(lines), verdicts[0] + 8) if verdicts else len(lines)
    print(f"\nFrom {os.path.relpath(path)}:")
    for line in lines[max(end - LOG_LINES, 0):end]:
        print(f"  {line[:LOG_COLUMNS]}")


def print_failures(results, logs):
    """The logs of a few failures are shown, as a CI machine keeps the output alone."""
    failed = [r for r in results if r.outcome == FAILED]
    if failed:
        for path in logs[:LOGS_SHOWN]:
            print_log_of_failure(path)
        print()
        print(f"Failed (logs in {os.path.relpath(RESULTS)}):")
        for result in sorted(failed, key=lambda r: r.name):
            print(f"  {result.name}: {result.reason}")
