# SPDX-License-Identifier: MIT
"""`run --compare FILE`: this run beside an earlier one, of another revision, say (TL-02).

FILE is what `--stats` wrote then: the stored baseline. Both must be the same errand on the
same machine. Everything measured is a cost, so more is worse; what changed by more than the
spread of equal runs is told, and a run that became worse in anything is flagged as a whole.

With --icount the time-stamp counter counts instructions and runs repeat themselves, so that the
program's instructions, the kernel's for it included, are compared as well.
"""
import json

from lab.common import usage_error

SPREAD = {True: 0.01, False: 0.05}  # of equal runs, by icount: without, time has its say in what is reclaimed
SLACK = 8  # and so many more are nothing yet
SAME = ["argv", "machine"]

# what: where it is in the report
EVENTS = {
    "page faults": "pgfault", "major faults": "pgmajfault", "pages copied": "fault_cow_copy",
    "frames allocated": "pgalloc", "page tables allocated": "pgtable_alloc", "pages read": "pgpgin",
    "pages written": "pgpgout", "swapped in": "pswpin", "swapped out": "pswpout", "pages scanned": "pgscan",
    "direct reclaims": "allocstall", "OOM kills": "oom_kill",
}
PEAKS = {"peak resident KiB": "peak_rss_kb", "page tables KiB": "pgtables_peak_kb"}


def read(path):
    """A baseline, or one clear line."""
    try:
        with open(path, encoding="utf-8") as file:
            stats = json.load(file)
    except OSError as error:
        raise usage_error(f"--compare {path}: {error.strerror}") from None
    except ValueError:
        raise usage_error(f"--compare {path}: not what --stats writes") from None
    if not isinstance(stats, dict) or not isinstance(stats.get("report"), dict) or any(k not in stats for k in SAME):
        raise usage_error(f"--compare {path}: not what --stats writes of a run that ended")
    return stats


def check_same(baseline, stats, path):
    """Another program or machine is no baseline."""
    for key in SAME:
        if baseline[key] != stats[key]:
            raise usage_error(f"--compare {path}: other {key}: {baseline[key]} there, {stats[key]} here")


def measures(stats):
    """{what: cost} of one run."""
    report = stats["report"]
    costs = {what: report["events"].get(name, 0) for what, name in EVENTS.items()}
    costs.update((what, report.get(name, 0)) for what, name in PEAKS.items())
    boot = report.get("boot", {})
    if stats["machine"].get("icount") and "exit_tsc" in boot:
        costs["instructions"] = boot["exit_tsc"] - boot["first_user_tsc"]
    return costs


def verdict(old, new, spread):
    """worse, better, or None: within the spread."""
    if new > old * (1 + spread) + SLACK:
        return "worse"
    return "better" if new < old * (1 - spread) - SLACK else None


def compare(baseline, stats):
    """Rows {what, before, now, verdict} of what changed."""
    before, now = measures(baseline), measures(stats)
    spread = SPREAD[bool(stats["machine"].get("icount"))]
    rows = [{"what": w, "before": before[w], "now": now[w], "verdict": verdict(before[w], now[w], spread)}
            for w in now if w in before]
    return [row for row in rows if row["verdict"]]


def change(row):
    return f"{row['now'] / row['before'] - 1:+.1%}" if row["before"] else "new"


def render(rows, path):
    """Lines for the memory report."""
    if not rows:
        return f"  compared with {path}: alike\n"
    worse = any(row["verdict"] == "worse" for row in rows)
    lines = [f"  compared with {path}: {'WORSE' if worse else 'better'}"]
    lines += [f"    {r['what']:<24}{r['before']:>14,} -> {r['now']:>14,}  {change(r):>8}  {r['verdict']}" for r in rows]
    return "\n".join(lines) + "\n"
