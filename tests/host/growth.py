# SPDX-License-Identifier: MIT
"""What one operation costs beside few and beside four times as many of what a user can have: the rows of
docs/COSTS.md about kernel/ and fs/.

tests/host/growth.c measures under --icount, so the figures are instructions and the same on every host. An
operation that is logarithmic may cost half as much again beside four times as many; one that is linear four times
as much (a little more for caches of tables that grow); what grows faster than its row says fails.
"""
import os

from lab.common import BUILD, ROOT
from lab.test.testing import test

SOURCE = os.path.join(ROOT, "tests", "host", "growth.c")
FEW, MANY = 500, 2000
LOGARITHMIC, LINEAR, N_LOG_N = 1.5, 4.4, 5.5
GROWTH = {
    "timer_by_number": LOGARITHMIC,
    "timers_due": N_LOG_N,  # as many are due as are not
    "lock_of_many": LINEAR,
    "lock_asked_for": LINEAR,
    "lock_beside_waiters": 3.0,  # each is passed over, and none is run
    "wait_for_last_child": LOGARITHMIC,
    "process_by_number": LOGARITHMIC,
    "priority_of_a_user": LINEAR,
    "signal_behind_many": LINEAR,
    "segment_by_key": LOGARITHMIC,
    "new_segment": LOGARITHMIC,
    "name_below_a_mount": LINEAR,
    "name_of_many": LOGARITHMIC,
    "seek_in_directory": LINEAR,
}


def program(bench):
    path = os.path.join(BUILD, "tests-guest", "growth")
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(SOURCE):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        bench.ran(bench.command(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", bench.file("growth"), SOURCE]))
        os.rename(bench.file("growth"), path)
    return path


def costs(bench, n):
    done = bench.ran(bench.pagoda("run", "--quiet", "--icount", "--ram", "256M", "--timeout", "200", "--",
                                  program(bench), str(n)))
    return {name: int(value) for name, value in (line.split() for line in done.out.decode().splitlines())}


@test("growth/calls_beside_many_objects_cost_what_their_rows_say")
def growth(bench):
    few, many = costs(bench, FEW), costs(bench, MANY)
    bench.equal(sorted(few), sorted(GROWTH), "what was measured")
    complaints = []
    for name, limit in GROWTH.items():
        line = f"{name}: {few[name]} instructions, {many[name]} beside four times as many"
        bench.log.write(line + "\n")
        if many[name] > limit * few[name]:
            complaints.append(f"{line}: more than {limit} times")
    bench.check(not complaints, "; ".join(complaints))
