# SPDX-License-Identifier: MIT
"""`run --compare FILE`: equal runs are alike, a path made slower is flagged, another errand is refused."""
import copy
import json

from lab.run import compare
from lab.test.testing import test

SCRIPT = ["--", "/bin/busybox", "sh", "-c", "seq 3000 | tail -1"]


def run(bench, stats, *options, words=SCRIPT, status=0):
    done = bench.ran(bench.pagoda("run", "--timeout", "60", "--stats", stats, *options, *words), status)
    with open(bench.file(stats)) as file:
        return json.load(file), done.err.decode()


def worse(stats):
    return {row["what"] for row in stats["compared"] if row["verdict"] == "worse"}


@test("compare/a_path_made_slower_is_flagged", ids="TL-02")
def slower(bench):
    baseline, _ = run(bench, "old.json", "--icount")
    again, err = run(bench, "again.json", "--icount", "--compare", "old.json")
    bench.equal((again["compared"], "old.json: alike" in err), ([], True), "an equal run")
    slow, err = run(bench, "slow.json", "--icount", "--compare", "old.json", "--append", "slab_debug")
    bench.check("instructions" in worse(slow), f"every object checked: {slow['compared']}")
    bench.check("old.json: WORSE" in err, "the report flags it")
    back, err = run(bench, "back.json", "--icount", "--compare", "slow.json")
    bench.check(not worse(back) and any(r["verdict"] == "better" for r in back["compared"]), "the other way round")
    bench.check("slow.json: better" in err, "the report says so")


@test("compare/counts_without_icount", ids="TL-02")
def counts(bench):
    run(bench, "old.json")
    again, _ = run(bench, "again.json", "--compare", "old.json")
    bench.equal(again["compared"], [], "an equal run")
    with open(bench.file("old.json")) as file:
        old = json.load(file)
    cheaper = copy.deepcopy(old)  # as if a revision before had half of the faults
    cheaper["report"]["events"]["pgfault"] //= 2
    bench.file("cheaper.json", json.dumps(cheaper))
    now, err = run(bench, "now.json", "--compare", "cheaper.json")
    bench.equal(worse(now), {"page faults"}, "what became worse")
    bench.check("page faults" in err and "cheaper.json: WORSE" in err, "the report")


@test("compare/another_errand_is_refused")
def other(bench):
    stats, _ = run(bench, "old.json", "--ram", "64M")
    for options, words in ((["--ram", "128M"], SCRIPT), (["--ram", "64M"], ["--", "/bin/busybox", "true"])):
        done = bench.pagoda("run", "--compare", "old.json", *options, *words)
        bench.equal((done.status, done.err.count(b"\n"), b"there" in done.err), (2, 1, True), f"{options} {words}")
    stats["report"] = None
    done = bench.pagoda("run", "--compare", bench.file("none.json", json.dumps(stats)), *SCRIPT)
    bench.equal((done.status, b"not what --stats writes" in done.err), (2, True), "a run without a report")


@test("compare/verdicts", ids="TL-02", needs=[])
def verdicts(bench):
    for old, new, icount, expected in [(0, 8, True, None), (0, 9, True, "worse"), (1000, 1018, True, None), (1000, 1019, True, "worse"),
                                       (1000, 982, True, None), (1000, 981, True, "better"), (1000, 1058, False, None),
                                       (1000, 1059, False, "worse")]:
        bench.equal(compare.verdict(old, new, compare.SPREAD[icount]), expected, f"{old} -> {new}")
