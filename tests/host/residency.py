# SPDX-License-Identifier: MIT
"""`run --pages FILE`: the drawing of a program's pages over time shows what its page tables hold."""
import json
import os

from lab.run import residency
from lab.common import BUILD, ROOT
from lab.test.testing import report_problems, test

SOURCE = os.path.join(ROOT, "tests", "host", "residency.c")
BASE, PAGES = 0x200000000, 64


def program(bench):
    path = os.path.join(BUILD, "tests-guest", "residency")
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(SOURCE):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        bench.ran(bench.command(["gcc", "-O1", "-Wall", "-Werror", "-static", "-o", bench.file("residency"), SOURCE]))
        os.rename(bench.file("residency"), path)
    return path


def run(bench, *words):
    """Standard output, the looks and the drawing."""
    done = bench.ran(bench.pagoda("run", "--quiet", "--stats", "stats.json", "--pages", "pages", "--timeout", "60", *words))
    with open(bench.file("stats.json")) as file:
        stats = json.load(file)
    problems = report_problems(stats["report"])
    bench.check(not problems, "; ".join(problems))
    with open(bench.file("pages")) as file:
        return done.out.decode(), stats["pages"], file.read()


def states_of(look):
    """The region's pages in a look, None if it is not mapped."""
    return next((residency.pages_of(a) for a in look["areas"] if a["start"] == BASE), None)


@test("residency/drawing_is_the_page_tables_at_five_moments", ids="TL-05")
def five_moments(bench):
    out, looks, drawing = run(bench, "--swap", "16M", "--", program(bench))
    moments, at = out.split(), 0
    bench.equal(len(set(moments)), 5, "different moments")
    bench.check("s" in moments[4], "nothing was swapped out")
    for moment in moments:
        while at < len(looks) and (states_of(looks[at]) or "").replace("z", "r") != moment:
            at += 1
        bench.check(at < len(looks), f"no look, in order, shows {moment}")
        shown = states_of(looks[at]).replace("r", "#")
        bench.check(f"|{shown}| {shown.count('#')}\n" in drawing, f"not drawn: {shown}")
    bench.check("[stack]" in drawing and "[heap]" in drawing and program(bench) in drawing, "names of regions")


@test("residency/looking_changes_nothing", ids="TL-05")
def unseen(bench):
    words = ["--", "/bin/busybox", "sh", "-c", "x=$(seq 2000); sleep 0.2; exit 0"]
    run(bench, *words)
    with open(bench.file("stats.json")) as file:
        watched = json.load(file)["report"]["events"]
    bench.ran(bench.pagoda("run", "--quiet", "--stats", "stats.json", *words))
    with open(bench.file("stats.json")) as file:
        alone = json.load(file)["report"]["events"]
    for event in ("pgfault", "fault_anon", "fault_file", "fault_zero_map", "fault_cow_copy"):
        bench.equal(watched[event], alone[event], event)


def a_look(ms, *areas):
    return {"ms": ms, "left_out": 0,
            "areas": [{"start": s, "rights": "rw-p", "name": n, "pages": p} for s, n, p in areas]}


@test("residency/drawing_follows_regions_that_grow_and_go", ids="TL-05", needs=[])
def regions(bench):
    looks = [a_look(0, (0x1000, "[heap]", "1r1.")), a_look(10, (0x1000, "[heap]", "1r1.")),
             a_look(20, (0x1000, "[heap]", "2r2s"), (0x100000, "", "128r")),
             a_look(1030, (0x1000, "[heap]", "1z3."), (0x110000, "", "100.12r"))]
    bench.equal(residency.draw("p", looks).split("\n")[3:-1],
                ["1000-5000 rw-p [heap]: 4 pages", "     0.000 s |#.  | 1", "     0.020 s |##ss| 2",
                 "     1.030 s |z...| 0", "", "100000-180000 rw-p (anonymous): 128 pages, 2 a column",
                 "     0.020 s |" + "#" * 64 + "| 128",
                 "     1.030 s |" + " " * 8 + "." * 50 + "######| 12"], "the drawing")
    bench.check("1 regions did not fit" in residency.draw("p", [dict(a_look(0), left_out=1)]), "what is left out")
