# SPDX-License-Identifier: MIT
"""`./pagoda sim`: page-replacement policies and the real mm/ on one reference string.

The work is done by lab/sim/*.c, one program that prints lines (main.c says which). Here: the
words of the command line, where the string comes from, a progress bar, and tables, JSON or CSV
made of those lines. docs/SIM.md is the manual.
"""
import gzip
import json
import os
import subprocess
import sys
import tempfile
import threading
import zlib

from lab import build
from lab.common import EXIT_HOST, EXIT_USAGE, Refusal, usage_error
from lab.options import POLICIES, RECLAIMS

PROGRAM = "lab/sim/sim-plain"
TITLES = {"default": "Pagoda", "classic": "Pagoda classic", "fifo": "FIFO", "lru": "LRU", "clock": "CLOCK",
          "2q": "2Q", "arc": "ARC", "opt": "OPT"}
KINDS = ["refs", "sequential", "loop", "random", "zipf", "shift", "scan"]
GZIP_MAGIC = b"\x1f\x8b"
BAR_WIDTH = 40


# ---- Reading options ----------------------------------------------------------------------


# ---- Where the string comes from -------------------------------------------------------------

class Source:
    """What the program reads: a generator's description, or a trace as an open file."""

    def __init__(self, word):
        self.word, self.file, self.feeder = word, None, None
        self.generated = word != "-" and not os.path.exists(word) and word.split(":")[0] in KINDS
        self.trouble = None
        if self.generated:
            return
        try:
            self.file = sys.stdin.buffer if word == "-" else open(word, "rb")
            start = self.file.peek(2)[:2]
        except OSError as error:
            known = ", ".join(KINDS)
            hint = f"; nor is it one of {known}" if isinstance(error, FileNotFoundError) else ""
            raise usage_error(f"sim: {word}: {error.strerror}{hint}") from None
        if start == GZIP_MAGIC:
            self.file = gzip.GzipFile(fileobj=self.file)

    @property
    def name(self):
        return "stdin" if self.word == "-" else self.word

    def argument(self):
        return self.word if self.generated else f"lackey:{self.name}"

    def feed(self, pipe):
        """Copy the trace into the program, as a thread of its own."""
        try:
            with pipe:
                while chunk := self.file.read(1 << 20):
                    pipe.write(chunk)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            self.trouble = f"sim: {self.name}: damaged: {error}"
        except OSError as error:
            if not isinstance(error, BrokenPipeError):  # the program has given up, and says why
                self.trouble = f"sim: {self.name}: {error.strerror}"


# ---- Running ------------------------------------------------------------------------------------

class Progress:
    """A bar on stderr while it is a terminal."""

    def __init__(self):
        self.shown = sys.stderr.isatty()
        self.parts = {}
        self.jobs = 0

    def update(self, job, parts):
        self.parts[job] = parts
        self.draw()

    def draw(self):
        if not self.shown or not self.jobs:
            return
        done = sum(self.parts.values()) / (1000 * self.jobs)
        bar = "#" * int(done * BAR_WIDTH)
        sys.stderr.write(f"\r[{bar:<{BAR_WIDTH}}] {done:4.0%} of {self.jobs} runs")
        sys.stderr.flush()

    def clear(self):
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


FIELDS = ["first", "soft", "major", "pages_in", "pages_out", "scanned", "reclaimed", "mean_frames",
          "peak_frames", "cpu_ns"]


def run_of(words, refs):
    """One row of the program as a dictionary, with what follows from it."""
    run = {"frames": int(words[0]), "policy": words[1]}
    run.update((f, float(w) if f == "mean_frames" else int(w)) for f, w in zip(FIELDS, words[2:]))
    run["minor"] = run["first"] + run["soft"]
    run["faults"] = run["minor"] + run["major"]
    run["misses"] = run["first"] + run["major"]
    run["hit_ratio"] = 1 - run["misses"] / refs
    run["scanned_per_reclaimed"] = run["scanned"] / run["reclaimed"] if run["reclaimed"] else None
    return run


class Outcome:
    """What the program printed."""

    def __init__(self):
        self.trace, self.runs, self.skipped = {}, [], []
        self.progress = Progress()

    def take(self, line):
        word, *rest = line.split()
        if word == "trace":
            self.trace = dict(zip(("refs", "writes", "pages"), map(int, rest)))
        elif word == "jobs":
            self.progress.jobs = int(rest[0])
        elif word == "at":
            self.progress.update(int(rest[0]), int(rest[1]))
        elif word == "row":
            self.runs.append(run_of(rest, self.trace["refs"]))
        elif word == "skip":
            self.skipped.append({"frames": int(rest[0]), "policy": rest[1], "least": int(rest[2])})

    def sort(self):
        order = RECLAIMS + POLICIES
        for rows in (self.runs, self.skipped):
            rows.sort(key=lambda r: (r["frames"], order.index(r["policy"])))


def command_line(options, source):
    policies = options.reclaim + options.policies
    if not policies:
        raise usage_error("sim: --reclaim none and --policies none leave nothing to do")
    return [build.path(PROGRAM), str(getattr(options, "page-size")), str(options.seed),
            str(getattr(options, "read-ahead")), ",".join(options.frames), ",".join(policies), source.argument()]


def simulate(options, source):
    outcome = Outcome()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command_line(options, source), stdout=subprocess.PIPE, stderr=errors,
                                   stdin=subprocess.DEVNULL if source.generated else subprocess.PIPE)
        if not source.generated:
            source.feeder = threading.Thread(target=source.feed, args=[process.stdin], daemon=True)
            source.feeder.start()
        try:
            for line in process.stdout:
                outcome.take(line.decode())
            status = process.wait()
        finally:
            outcome.progress.clear()
            if process.poll() is None:
                process.terminate()
        if source.feeder and status == 0:
            source.feeder.join()
        errors.seek(0)
        check_end(status, errors.read(), source)
    outcome.sort()
    return outcome


def check_end(status, errors, source):
    if source.trouble:
        raise usage_error(source.trouble)
    if status:
        line = errors.strip().splitlines()[-1] if errors.strip() else f"the program ended with status {status}"
        raise Refusal(EXIT_USAGE if status == EXIT_USAGE else EXIT_HOST, f"sim: {line}")


# ---- Showing ---------------------------------------------------------------------------------------

def size_text(size):
    for unit, factor in (("M", 1 << 20), ("K", 1 << 10)):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


HEADINGS = ["", "faults", "minor", "major", "hit ratio", "x OPT", "pages in", "pages out", "scan/recl"]
WIDTHS = [15, 10, 10, 10, 10, 7, 10, 10, 10]


def row_text(cells):
    return f"{cells[0]:<{WIDTHS[0]}}" + "".join(f"{c:>{w}}" for c, w in zip(cells[1:], WIDTHS[1:]))


def cells_of(run, best):
    ratio = run["scanned_per_reclaimed"]
    return [TITLES[run["policy"]], run["faults"], run["minor"], run["major"], f"{run['hit_ratio']:.2%}",
            f"{run['misses'] / best:.2f}" if best else "-", run["pages_in"], run["pages_out"],
            "-" if ratio is None else f"{ratio:.1f}"]


def print_size(size, pages, runs, skipped):
    best = next((r["misses"] for r in runs if r["policy"] == "opt"), None)
    print(f"\n{size} frames ({size / pages:.0%} of the pages)")
    print(row_text(HEADINGS))
    for run in runs:
        print(row_text(cells_of(run, best)))
    for run in runs:
        if run["policy"] in RECLAIMS:
            print(f"  {TITLES[run['policy']]} had {run['mean_frames']:.0f} pages in memory on average, "
                  f"{run['peak_frames']} at most; {run['soft']} faults found theirs there")
    for skip in skipped:
        print(f"  {TITLES[skip['policy']]} needs at least {skip['least']} frames")


def describe(options, source, trace):
    seed = f", seed {options.seed}" if source.generated and not source.word.startswith("refs") else ""
    pages = f"{trace['pages']} pages"
    if not source.generated:
        pages += f" of {size_text(getattr(options, 'page-size'))}"
    return f"{source.name}{seed}: {trace['refs']} references ({trace['writes']} write) to {pages}"


def print_tables(options, source, outcome):
    print(describe(options, source, outcome.trace))
    for size in sorted({r["frames"] for r in outcome.runs + outcome.skipped}):
        print_size(size, outcome.trace["pages"], [r for r in outcome.runs if r["frames"] == size],
                   [s for s in outcome.skipped if s["frames"] == size])


def print_json(options, source, outcome):
    trace = {"source": source.name, "seed": options.seed if source.generated else None,
             "page_size": getattr(options, "page-size"), **outcome.trace}
    print(json.dumps({"trace": trace, "read_ahead": getattr(options, "read-ahead"), "runs": outcome.runs,
                      "skipped": outcome.skipped}, indent=1))


CSV_FIELDS = ["frames", "policy", "faults", "minor", "major", "misses", "hit_ratio", "pages_in", "pages_out",
              "scanned", "reclaimed", "mean_frames", "peak_frames", "cpu_ns"]


def print_csv(_options, _source, outcome):
    print(",".join(CSV_FIELDS))
    for run in outcome.runs:
        print(",".join(f"{run[f]:.6f}" if f == "hit_ratio" else str(run[f]) for f in CSV_FIELDS))


def main(options):
    if options.json and options.csv:
        raise usage_error("sim: --json or --csv, not both")
    if len(options.args) != 1:
        raise usage_error("sim: which reference string? ./pagoda sim [options] TRACE (a file, - or a generator)")
    source = Source(options.args[0])
    if not os.environ.get("PAGODA_BUILT"):
        build.build([PROGRAM])
    outcome = simulate(options, source)
    show = print_json if options.json else print_csv if options.csv else print_tables
    try:
        show(options, source, outcome)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has closed the pipe
    return 0
