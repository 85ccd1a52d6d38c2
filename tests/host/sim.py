# SPDX-License-Identifier: MIT
"""`./pagoda sim`: textbook numbers, models of every policy, the real mm/ against them, traces, refusals."""
import gzip
import json
import os
import random

from lab import build
from lab.test.testing import PAGODA, test

SIM = ["lab/sim/sim-plain"]
SILBERSCHATZ = "refs:7,0,1,2,0,3,0,4,2,3,0,3,2,1,2,0,1,7,0,1"
BELADY = "refs:1,2,3,4,1,2,5,1,2,3,4,5"


def sim(bench, *words, stdin=b"", status=0):
    done = bench.command([PAGODA, "sim"] + list(words), stdin=stdin, timeout=300, env=dict(os.environ, PAGODA_BUILT="1"))
    bench.equal(done.status, status, "sim " + " ".join(words)[:200])
    return done


def runs(bench, *words, stdin=b""):
    """{(policy, frames): run}"""
    result = json.loads(sim(bench, "--json", *words, stdin=stdin).out)
    return {(r["policy"], r["frames"]): r for r in result["runs"]}


@test("sim/textbook_strings_give_textbook_numbers", ids="TL-03", needs=SIM)
def textbook(bench):
    for string, frames, policy, faults in [
            (SILBERSCHATZ, 3, "fifo", 15), (SILBERSCHATZ, 3, "lru", 12), (SILBERSCHATZ, 3, "opt", 9),
            (BELADY, 3, "fifo", 9), (BELADY, 4, "fifo", 10), (BELADY, 3, "lru", 10), (BELADY, 4, "lru", 8),
            (BELADY, 3, "opt", 7), (BELADY, 4, "opt", 6),
            ("refs:2,3,2,1,5,2,4,5,3,2,5,2", 3, "clock", 8)]:  # Stallings, Operating Systems, chapter 8
        run = runs(bench, "--reclaim", "none", "--policies", policy, "--frames", str(frames), string)[policy, frames]
        bench.equal(run["faults"], faults, f"{policy}, {frames} frames, {string}")


# ---- The policies once more, as plainly as can be ---------------------------------------------

def model_fifo(string, frames):
    memory, faults = [], 0
    for page in string:
        if page not in memory:
            faults += 1
            memory = (memory + [page])[-frames:]
    return faults


def model_lru(string, frames):
    memory, faults = [], 0
    for page in string:
        faults += page not in memory
        memory = ([p for p in memory if p != page] + [page])[-frames:]
    return faults


def model_clock(string, frames):
    memory, faults = [], 0  # [page, used], the hand before the first
    for page in string:
        entry = next((e for e in memory if e[0] == page), None)
        if entry:
            entry[1] = True
            continue
        faults += 1
        while len(memory) == frames:
            candidate, used = memory.pop(0)
            if used:
                memory.append([candidate, False])
        memory.append([page, True])
    return faults


def model_opt(string, frames):
    memory, faults = set(), 0
    for now, page in enumerate(string):
        if page in memory:
            continue
        faults += 1
        if len(memory) == frames:
            future = string[now:]
            memory.remove(max(memory, key=lambda p: future.index(p) if p in future else len(future)))
        memory.add(page)
    return faults


def model_2q(string, frames):
    a1in, a1out, am, faults = [], [], [], 0  # oldest first
    for page in string:
        if page in am:
            am.remove(page)
            am.append(page)
            continue
        if page in a1in:
            continue
        faults += 1
        again = page in a1out
        if again:
            a1out.remove(page)
        if len(a1in) + len(am) == frames:
            if len(a1in) > max(frames // 4, 1) or not am:
                a1out.append(a1in.pop(0))
                if len(a1out) > max(frames // 2, 1):
                    a1out.pop(0)
            else:
                am.pop(0)
        (am if again else a1in).append(page)
    return faults


def model_arc(string, c):
    t1, t2, b1, b2, p, faults = [], [], [], [], 0, 0  # least recently used first

    def replace(in_b2):
        if t1 and (len(t1) > p or (in_b2 and len(t1) == p)):
            b1.append(t1.pop(0))
        else:
            b2.append(t2.pop(0))

    for x in string:
        if x in t1 or x in t2:
            (t1 if x in t1 else t2).remove(x)
            t2.append(x)
            continue
        faults += 1
        if x in b1:
            p = min(c, p + max(len(b2) / len(b1), 1))
            replace(False)
            b1.remove(x)
            t2.append(x)
            continue
        if x in b2:
            p = max(0, p - max(len(b1) / len(b2), 1))
            replace(True)
            b2.remove(x)
            t2.append(x)
            continue
        if len(t1) + len(b1) == c:
            if len(t1) < c:
                b1.pop(0)
                replace(False)
            else:
                t1.pop(0)
        elif len(t1) + len(t2) + len(b1) + len(b2) >= c:
            if len(t1) + len(t2) + len(b1) + len(b2) == 2 * c:
                b2.pop(0)
            replace(False)
        t1.append(x)
    return faults


MODELS = {"fifo": model_fifo, "lru": model_lru, "clock": model_clock, "opt": model_opt, "2q": model_2q,
          "arc": model_arc}


def random_string(dice):
    """Loops, a hot set and strangers."""
    string, pages = [], dice.randint(4, 40)
    while len(string) < 600:
        kind = dice.randint(0, 2)
        if kind == 0:
            string += list(range(dice.randint(2, pages))) * dice.randint(1, 3)
        else:
            string += [dice.randint(0, pages if kind == 1 else 4) for _ in range(dice.randint(1, 60))]
    return string


@test("sim/policies_agree_with_models", ids="TL-03", needs=SIM)
def models(bench):
    seed = random.randrange(1 << 32)
    bench.log.write(f"seed {seed}\n")
    dice = random.Random(seed)
    for _ in range(8):
        string = random_string(dice)
        found = runs(bench, "--reclaim", "none", "--frames", "1,2,3,5,8,13,21",
                     "refs:" + ",".join(map(str, string)))
        for (policy, frames), run in found.items():
            bench.equal(run["faults"], MODELS[policy](string, frames), f"seed {seed}: {policy}, {frames} frames")
            bench.equal(run["misses"], run["pages_in"] + run["first"], f"seed {seed}: {policy}: pages read")


# ---- The real mm/ ----------------------------------------------------------------------------------

STRINGS = ["zipf:pages=2000,refs=60k", "loop:pages=1000,refs=20k", "random:pages=1000,refs=20k",
           "sequential:pages=2000,refs=20k", "shift:pages=2000,set=300,phase=10k,refs=60k",
           "scan:pages=2000,set=200,phase=5k,refs=60k"]


@test("sim/real_mm_is_bounded_by_opt_and_repeats_itself", ids="TL-03", needs=SIM)
def real(bench):
    for string in STRINGS:
        words = ["--reclaim", "default,classic", "--policies", "fifo,opt", "--frames", "64,400,2500", string]
        found = runs(bench, *words)
        for (policy, frames), run in found.items():
            what = f"{string}, {policy}, {frames} frames: "
            bench.check(run["misses"] >= found["opt", frames]["misses"], what + "fewer misses than OPT")
            bench.check(run["peak_frames"] <= frames, what + f"had {run['peak_frames']} pages in memory")
            if frames == 2500:
                bench.equal(run["misses"], run["first"], what + "misses with room for all pages")
            elif policy in ("default", "classic"):
                bench.check(run["pages_in"] == run["major"] and run["pages_out"] > 0, what + "swap I/O")
                bench.check(run["misses"] < 1.5 * found["fifo", frames]["misses"], what + "far worse than FIFO")
        again = runs(bench, *words)
        for key, run in found.items():
            bench.equal({k: v for k, v in again[key].items() if k != "cpu_ns"},
                        {k: v for k, v in run.items() if k != "cpu_ns"}, f"{string}, {key}: second run")


@test("sim/hits_take_50_ns_and_opt_takes_millions", ids="TL-03", needs=SIM)
def speed(bench):
    run = runs(bench, "--policies", "none", "--frames", "1024", "loop:pages=1000,refs=5M")["default", 1024]
    rate = 5000 / (run["cpu_ns"] / 1e6)
    bench.log.write(f"{rate:.0f} million hits a second\n")
    bench.check(rate > 20, f"{rate:.1f} million hits a second")
    run = runs(bench, "--reclaim", "none", "--policies", "opt", "--frames", "1000", "zipf:refs=3M")["opt", 1000]
    bench.check(run["cpu_ns"] < 20e9, f"OPT took {run['cpu_ns'] / 1e9:.1f} s for 3 million references")


@test("sim/clean_under_address_sanitizer", ids="TL-03", needs=["lab/sim/sim-asan"])
def asan(bench):
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")  # jobs end by _exit()
    words = ["4096", "7", "3", "100,1000", "default,classic,fifo,lru,clock,2q,arc,opt", "shift:refs=20k,phase=5k"]
    done = bench.command([build.path("lab/sim/sim-asan")] + words, env=env, timeout=120)
    bench.equal((done.status, done.err), (0, b""), "status and stderr")
    bench.equal(done.out.count(b"row "), 16, "rows")


# ---- Where strings come from, and what is shown -------------------------------------------------------

LACKEY = b"""==12== Lackey, an example Valgrind tool
I  04001090,3
I  04001ffe,5
 L 1ffefffd78,8
 S 1ffeffeffc,8
 M 0421c7cc,4
--12-- a message
"""


@test("sim/lackey_traces_plain_packed_and_piped", ids="TL-03", needs=SIM)
def lackey(bench):
    plain, packed = bench.file("t", LACKEY), bench.file("t.gz", gzip.compress(LACKEY))
    outputs = {sim(bench, "--csv", "--reclaim", "none", "--frames", "2,3", *words, stdin=stdin).out.split(b"cpu_ns")[1]
               .count(b"\n") for words, stdin in (([plain], b""), ([packed], b""), (["-"], LACKEY),
                                                  (["-"], gzip.compress(LACKEY)))}
    bench.equal(outputs, {13}, "lines of CSV")
    for path in (plain, packed):
        result = json.loads(sim(bench, "--json", "--frames", "9", "--policies", "lru", "--reclaim", "none", path).out)
        # 4001, 4001, 4002, 1ffefff, 1ffeffe, 1ffefff, 421c: the store and the last one write
        bench.equal([result["trace"][k] for k in ("refs", "writes", "pages")], [7, 3, 5], "references, writes, pages")
    result = json.loads(sim(bench, "--json", "--page-size", "1M", "--policies", "lru", "--frames", "9", plain).out)
    bench.equal([result["trace"][k] for k in ("refs", "writes", "pages")], [5, 2, 3], "the same by megabytes")
    bench.equal(result["skipped"], [{"frames": 9, "policy": "default", "least": 64}], "too small for the real mm/")


@test("sim/seeds_replay", ids="TL-03", needs=SIM)
def seeds(bench):
    for kind in ("random", "zipf", "shift:set=30,phase=300"):
        string = f"{kind}{',' if ':' in kind else ':'}pages=300,refs=3k"
        words = ["--csv", "--reclaim", "none", "--policies", "lru", "--frames", "50", string]
        faults = [sim(bench, "--seed", s, *words).out.split(b"\n")[1].split(b",")[2] for s in ("1", "1", "2")]
        bench.check(faults[0] == faults[1] != faults[2], f"{string}: {faults}")
        shown = sim(bench, "--seed", "77", *words[1:]).out
        bench.check(b"seed 77" in shown, "the seed is printed")


@test("sim/tables_name_every_policy", ids="TL-03", needs=SIM)
def tables(bench):
    done = sim(bench, "--frames", "10%,100..200*2", "--reclaim", "default,classic", "--policies", "all", "zipf:pages=1000,refs=20k")
    bench.equal(done.err, b"", "stderr, no terminal")
    for word in (b"Pagoda ", b"Pagoda classic", b"FIFO", b"LRU", b"CLOCK", b"2Q", b"ARC", b"OPT", b"scan/recl"):
        bench.check(word in done.out, f"{word} is not in the tables")


@test("sim/wrong_use_exits_2_with_one_line", needs=SIM)
def wrong_use(bench):
    damaged = bench.file("damaged.gz", gzip.compress(LACKEY * 100)[:-20])
    for words, says in [
            ([], b"which reference string"), (["zipf", "loop"], b"which"), (["/no/such"], b"No such file"),
            (["/"], b"directory"), ([bench.file("empty", b"")], b"no references"), ([damaged], b"damaged"),
            ([bench.file("cut", LACKEY + b" L 1ffe")], b"line 8"), ([bench.file("noise", b"hello\n" + LACKEY)], b"line 1"),
            ([bench.file("zero", b" L 1ffe,0\n")], b"line 1"), ([bench.file("wrap", b" L ffffffffffffffff,8\n")], b"line 1"),
            (["zipf:pages=0"], b"pages=0"), (["zipf:hue=1"], b"hue"), (["loop:skew=1"], b"skew"), (["zipf:pages"], b"NAME=VALUE"),
            (["refs:"], b"names no page"), (["refs:1,-2"], b"-2"), (["shift:set=9,pages=5"], b"set=9"),
            (["--frames", "0", "zipf"], b"--frames"), (["--frames", "5..3+1", "zipf"], b"--frames"),
            (["--frames", "1..9*1", "zipf"], b"--frames"), (["--frames", "", "zipf"], b"--frames"),
            (["--policies", "mru", "zipf"], b"mru"), (["--reclaim", "none", "--policies", "none", "zipf"], b"nothing"),
            (["--page-size", "3000", "zipf"], b"power of two"), (["--seed", "x", "zipf"], b"--seed"),
            (["--json", "--csv", "zipf"], b"not both"), (["--read-ahead", "9", "zipf"], b"--read-ahead")]:
        done = sim(bench, *words, status=2)
        bench.equal((done.err.count(b"\n"), done.out), (1, b""), f"{words}: lines on stderr, stdout")
        bench.check(done.err.startswith(b"pagoda: ") and says in done.err, f"{words} says {done.err!r}")
