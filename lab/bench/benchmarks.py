# SPDX-License-Identifier: MIT
"""`./pagoda bench`: measurements, never tests. A benchmark is a function here.

Times on a shared machine mean nothing by themselves, so everything is either a count of
instructions or a ratio: each contender runs the same workload several times, turn by turn,
and what ran a moment apart is set beside each other.
"""
import glob
import os
import re
import statistics
import subprocess
import sys

from lab import build, packages
from lab.bench import bench_file, bench_mm, bench_pressure
from lab.common import EXIT_HOST, Refusal, say, usage_error

FOR_ALLOC = {
    "libmimalloc2.0": ["/usr/lib/*/libmimalloc.so.2*"],
    "libjemalloc2": ["/usr/lib/*/libjemalloc.so.2"],
    "libtcmalloc-minimal4": ["/usr/lib/*/libtcmalloc_minimal.so.4"],
    "valgrind": ["valgrind"],
}
PRELOADS = {"glibc": None, "mimalloc": "libmimalloc.so.2", "jemalloc": "libjemalloc.so.2",
            "tcmalloc": "libtcmalloc_minimal.so.4"}
ROUNDS = 15
WORKLOADS = [(f"pair{size}", threads) for size in (16, 64, 256, 1024) for threads in (1, 2)]
WORKLOADS += [("mixed", 1), ("mixed", 2), ("remote", 2)]
PAGE_PAIRS = 100000
BIG_MACHINE_MIB = 65536


def output_of(command, env=None):
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise Refusal(EXIT_HOST, f"bench: {' '.join(command)} failed")
    return done


def rows_of(text):
    """Lines "NAME THREADS VALUE" as {(name, threads): value}."""
    rows = {}
    for line in text.splitlines():
        name, threads, value = line.split()
        rows[name, int(threads)] = float(value)
    return rows


def medians(samples):
    return {key: statistics.median(s[key] for s in samples) for key in samples[0]}


def alloc_contenders():
    pagoda, host = build.path("lab/bench/alloc-pagoda"), build.path("lab/bench/alloc-host")
    contenders = {"Pagoda": ([pagoda], None)}
    for name, library in PRELOADS.items():
        env = dict(os.environ)
        if library:
            env["LD_PRELOAD"] = glob.glob(f"/usr/lib/*/{library}")[0]
        contenders[name] = ([host], env)
    return contenders


def ratio_to_best(samples, key):
    """Pagoda's value by the best other's: of each other the median of the rounds' ratios, as a
    round takes moments and the machine may be another one in the next."""
    return max(statistics.median(own[key] / other[key] for own, other in zip(samples["Pagoda"], samples[name]))
               for name in samples if name != "Pagoda")


def print_alloc_table(samples):
    results = {name: medians(s) for name, s in samples.items()}
    names = list(results)
    print(f"{'nanoseconds an operation':<26}" + "".join(f"{n:>10}" for n in names) + f"{'ratio':>10}")
    for key in WORKLOADS:
        label = f"{key[0]}, {key[1]} thread{'s' if key[1] > 1 else ''}"
        print(f"{label:<26}" + "".join(f"{results[n][key]:>10.1f}" for n in names)
              + f"{ratio_to_best(samples, key):>10.2f}")
    print("ratio: Pagoda's time by that of the best other; below 1 Pagoda is faster\n")
    print(f"{'memory held by asked for':<26}" + "".join(f"{results[n]['footprint', 1]:>10.2f}" for n in names))


def alloc_round(contenders, turn):
    """Each workload on all contenders in a row, another one first in each round."""
    rows = {name: {} for name in contenders}
    names = list(contenders)
    names = names[turn % len(names):] + names[:turn % len(names)]
    for workload, threads in WORKLOADS:
        for name in names:
            command, env = contenders[name]
            rows[name].update(rows_of(output_of(command + [workload, str(threads)], env).stdout))
    return rows


def instructions_per_page_pair(pagoda):
    done = output_of(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                      "--toggle-collect=page_pairs", pagoda, "pages", str(PAGE_PAIRS)])
    counted = int(re.search(r"Collected : (\d+)", done.stderr)[1])
    return counted / PAGE_PAIRS, dict(line.split() for line in done.stdout.splitlines())


def bench_alloc():
    """kmalloc beside malloc, pages, descriptors, booting a large machine (issue 3)."""
    packages.ensure({**packages.FOR_BUILD, **FOR_ALLOC})
    build.build(["lab/bench/alloc-pagoda", "lab/bench/alloc-host"])
    contenders = alloc_contenders()
    rounds = []
    for turn in range(ROUNDS):
        say(f"bench alloc: round {turn + 1} of {ROUNDS}")
        rounds.append(alloc_round(contenders, turn))
    print_alloc_table({name: [rows[name] for rows in rounds] for name in contenders})

    pagoda = contenders["Pagoda"][0][0]
    pair, locks = instructions_per_page_pair(pagoda)
    print(f"\norder-0 page, alloc and free     {pair:.0f} instructions (callgrind)")
    print(f"zone locks per operation         {locks['pairs_zone_locks']} in pairs, "
          f"{locks['bursts_zone_locks']} in bursts of 512")
    boot = dict(l.split() for l in output_of([pagoda, "boot", str(BIG_MACHINE_MIB)]).stdout.splitlines())
    print(f"64 GiB hosted machine            boots in {boot['boot_ms']} ms, "
          f"{boot['mem_map_bytes']} bytes of mem_map a frame")
    return 0


BENCHMARKS = {"alloc": bench_alloc, "mm": bench_mm.bench_mm, "file": bench_file.bench_file,
              "pressure": bench_pressure.bench_pressure}


def main(names):
    for name in names:
        if name not in BENCHMARKS:
            raise usage_error(f"bench: no benchmark {name}; there is {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        BENCHMARKS[name]()
    return 0
