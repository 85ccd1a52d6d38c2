# SPDX-License-Identifier: MIT
"""Process 1 gets the words of the kernel command line that the kernel does not know, as Linux's does."""
import os

from lab.common import ROOT
from lab.test.testing import test

SOURCE = os.path.join(ROOT, "tests", "host", "init_words.c")


def words_seen(bench, append):
    bench.ran(bench.command(["gcc", "-std=gnu11", "-O1", "-Wall", "-static", "-o", bench.file("probe"), SOURCE]))
    done = bench.pagoda("run", "--quiet", "--log", "kernel.log", "--append", append, "--copy", "probe:/probe", "--",
                        "/bin/busybox", "cat", "/words")
    bench.equal((done.status, done.err), (0, b""), "status and stderr")
    return done.out.decode().splitlines()


@test("init_words/unknown_words_become_inits_arguments_and_environment")
def unknown_words(bench):
    seen = words_seen(bench, 'early slab_debug FOO=bar init=/probe two X= TERM=vt100 FOO=again mod.par=1 "Q=a b" R="c d" '
                             '=odd loglevel=1 -- K=v reclaim=x -- three')
    # The words for init end where --append's do: "pagoda run" adds its own before them.
    bench.equal(seen, ["/probe", "two", "=odd", "K=v", "reclaim=x", "--", "three", "env HOME=/", "env TERM=vt100",
                       "env FOO=again", "env X=", "env Q=a b", "env R=c d"], "arguments and environment")


@test("init_words/more_than_32_are_dropped_with_a_message")
def too_many(bench):
    seen = words_seen(bench, "init=/probe " + " ".join(f"w{n} v{n}={n}" for n in range(40)))
    bench.equal([word for word in seen if word.startswith("w")], [f"w{n}" for n in range(32)], "arguments")
    bench.equal([word for word in seen if word.startswith("env v")], [f"env v{n}={n}" for n in range(32)], "environment")
    with open(bench.file("kernel.log")) as file:
        log = file.read()
    bench.check('too many words for init: "w32" is dropped' in log and '"v39=39" is dropped' in log, "no message")
