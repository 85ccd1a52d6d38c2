# SPDX-License-Identifier: MIT
"""The command line: reads it, refuses what it cannot do, hands the rest on.

What options there are and what their values may be: options.py. A command's package is imported when
it is called for, so that `./pagoda run` reads nothing of the tests.
"""
import difflib
import os
import re
import shutil
import subprocess

from lab.common import EXIT_HOST, ROOT, Refusal, say, usage_error
from lab.options import EMBED_OPTIONS, RUN_OPTIONS, SIM_OPTIONS, TEST_OPTIONS, HelpAsked, check_run_options, parse

USAGE = """\
usage: ./pagoda run [options] [--] PROGRAM [ARG...]    run a Linux program on a machine of its own
       ./pagoda shell [options]                        an interactive shell on such a machine
       ./pagoda test [--quick|--long] [NAME...]        the tests
       ./pagoda bench [NAME...]                        measurements, beside Linux and other allocators
       ./pagoda sim [options] TRACE                    page replacement: the real mm/ beside textbook policies
       ./pagoda embed --tier N --out DIR [options]     a tier of mm/ as an object and a header for another program
       ./pagoda --version

./pagoda COMMAND --help tells the options of a command.

exit status: the program's; 128+N if signal N ended it; 2 wrong use, 70 guest panic or failed boot, 71 host trouble,
124 time-out, 126 not an executable for that machine, 127 no such program"""

MACHINE_OPTIONS = """\
options (defaults in brackets); a FILE to be written that is - is standard output:
  --ram SIZE            memory of the machine, such as 16M or 1G [128M]
  --cpus N              processors; only 1 yet [1]
  --nodes N             NUMA nodes, 1 to 8, with equal parts of the RAM [1]
  --swap SIZE           swap space, or nbd://HOST/EXPORT that mkswap has formatted [0]
  --arch NAME           x86_64; others later [x86_64]
  --accel NAME          auto, kvm or tcg [auto]
  --icount              deterministic: the time-stamp counter counts guest instructions
  --root DIR|IMAGE      the guest's root is a copy of DIR, or an ext2 image (instead of busybox)
  --keep                the guest's changes stay in IMAGE (otherwise it is used copy-on-write)
  --copy FILE[:PATH]    put a host file or directory into the guest (at its own path or at PATH)
  --with PROGRAM        bring a further program, with all that it needs, as for PROGRAM itself
  --reclaim NAME        page replacement policy: default, classic [default]
  --append 'WORDS'      more boot options for the kernel; words that it does not know go to init
  --stats FILE          write the memory report as JSON
  --compare FILE        say what costs more than in the run whose --stats were written to FILE
  --pages FILE          draw which of the program's pages were in memory, over time
  --log FILE            write the kernel's messages
  --timeout SECONDS     end the machine after that time, with status 124
  --quiet               no memory report on stderr (what --compare finds is still told)"""

HELP = {
    "run": f"""\
usage: ./pagoda run [options] [--] PROGRAM [ARG...]

Runs a Linux program, a path or a name on the host, on a machine of its own and tells what its memory did.
On a terminal Ctrl-C goes to the program and Ctrl-] kills the machine.

{MACHINE_OPTIONS}

exit status: the program's; 128+N if signal N ended it; 2 wrong use, 70 guest panic or failed boot, 71 host trouble,
124 time-out, 126 not an executable for that machine, 127 no such program""",
    "shell": f"""\
usage: ./pagoda shell [options]

An interactive shell on a machine of its own. exit or Ctrl-D ends it, Ctrl-] kills the machine.

{MACHINE_OPTIONS}""",
    "test": """\
usage: ./pagoda test [--quick|--long] [NAME...]
       ./pagoda test --requirements

Builds everything and runs the tests, or those whose name contains a NAME. The last line is
"N passed, N failed, N skipped"; the status is 0 if none failed.

  --quick               only the fast ones
  --long                also soaks, whole matrices and comparisons that take hours
  --requirements        the table of the requirements that passing tests of the last run name""",
    "bench": """\
usage: ./pagoda bench [NAME...]

Measures, all or those named:
  alloc                 kmalloc beside mimalloc, jemalloc, tcmalloc and glibc; pages; booting 64 GiB
  mm                    memory calls, faults and processes beside Linux 6.1, in guest instructions
  file                  files on a disk beside Linux 6.1
  pressure              reclaim and swap beside Linux 6.1""",
    "sim": """\
usage: ./pagoda sim [options] TRACE

Page replacement: the real mm/ beside textbook policies and the optimum.
TRACE is a trace of valgrind's lackey (a file, perhaps .gz, or - for stdin), or one of
sequential, loop, random, zipf, shift, scan, with :NAME=VALUE,... behind it (pages, refs, writes, skew, set,
phase, local; see docs/SIM.md), or refs:PAGE,PAGE,... (a w behind a page writes).

options (defaults in brackets):
  --frames LIST         sizes of memory: 1000, 25%, A..B+STEP, A..B*FACTOR [10%,25%,50%,75%]
  --page-size SIZE      of a recorded trace's pages [4K]
  --reclaim LIST        the real mm/: default, classic, both, all or none [default]
  --policies LIST       beside it: fifo, lru, clock, 2q, arc, opt, all or none [all]
  --read-ahead N        the real mm/ reads 2^N pages of swap at a time [0]
  --seed N              of a generator [1]
  --json, --csv         in place of tables""",
    "embed": """\
usage: ./pagoda embed --tier N --out DIR [options]
       ./pagoda embed --lists

Writes a tier of mm/ to DIR for a program that has names of its own: pagoda.o, in which only the names of the interface
are global, and pagoda.h, in which every name, macros too, has a prefix. DIR/Makefile makes pagoda.o again from DIR/src
with another compiler or other flags. Tiers: 1 frames and heap, 2 kernel mappings, 3 address spaces, 4 files,
5 reclaim and swap; each has the lower ones in it. What the program must define is printed; see docs/PORTING.md.

options (defaults in brackets):
  --tier N              1 to 5
  --out DIR             a new or empty folder
  --prefix P_           what all names begin with; '' leaves them as they are in mm/ [pagoda_]
  --geometry NAME       page tables: x86_64, x86_64-la57; i386, i386-pae (32-bit) [x86_64]
  --lists               no folder: write mm/sources.mk and mm/sources.cmake anew""",
}


def command_run(words):
    from lab.run import run
    options = parse(words, RUN_OPTIONS, "run")
    check_run_options(options)
    if not options.args:
        raise usage_error("run: which program? ./pagoda run [options] [--] PROGRAM [ARG...]")
    return run.run(options)


def command_shell(words):
    from lab.run import run
    options = parse(words, RUN_OPTIONS, "shell")
    check_run_options(options)
    if options.args:
        raise usage_error(f"shell: takes no program ({options.args[0]}); use ./pagoda run")
    return run.shell(options)


def command_test(words):
    from lab.test import suite
    options = parse(words, TEST_OPTIONS, "test")
    if options.quick and options.long:
        raise usage_error("test: --quick or --long, not both")
    # Options may also follow the names.
    rest = parse([w for w in options.args if w.startswith("-")], TEST_OPTIONS, "test")
    options.args = [w for w in options.args if not w.startswith("-")]
    for name in rest.given:
        setattr(options, name[2:], True)
    return suite.main(options)


def command_bench(words):
    from lab.bench import benchmarks
    return benchmarks.main(parse(words, {}, "bench").args)


def command_sim(words):
    from lab.sim import sim
    return sim.main(parse(words, SIM_OPTIONS, "sim"))


def command_embed(words):
    from lab.embed import embed
    return embed.main(parse(words, EMBED_OPTIONS, "embed"))


COMMANDS = {
    "run": command_run,
    "shell": command_shell,
    "test": command_test,
    "bench": command_bench,
    "sim": command_sim,
    "embed": command_embed,
}


def version():
    """The release, and in a clone the commit it was built from."""
    with open(os.path.join(ROOT, "meson.build")) as file:
        release = re.search(r"version: '([^']+)'", file.read())[1]
    described = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True) \
        if shutil.which("git") else None
    commit = described.stdout.strip() if described and described.returncode == 0 else ""
    return f"pagoda {release}" + (f" ({commit})" if commit else "")


def help_for(words):
    """Of `help run` and `run --help` that command's alone."""
    named = [word for word in words[:2] if word in HELP]
    return HELP[named[0]] if named else USAGE


def main(words):
    try:
        if not words:
            raise usage_error("what shall I do? run, test, bench, sim, embed or shell (./pagoda --help)")
        if words[0] in ("--help", "-h", "help"):
            raise HelpAsked()
        if words[0] in ("--version", "-V"):
            print(version())
            return 0
        if words[0] not in COMMANDS:
            near = difflib.get_close_matches(words[0], COMMANDS, 1)
            raise usage_error(f"unknown command {words[0]}; " + (f"did you mean {near[0]}?" if near else
                              "there is run, test, bench, sim, embed and shell"))
        return COMMANDS[words[0]](words[1:])
    except HelpAsked:
        print(help_for(words))
        return 0
    except Refusal as refusal:
        if str(refusal):
            say(str(refusal))
        return refusal.status
    except BrokenPipeError:
        raise
    except OSError as error:  # whatever file it was that vanished or may not be read
        say(f"{error.filename or 'failed'}: {error.strerror}")
        return EXIT_HOST
    except KeyboardInterrupt:
        return 130
