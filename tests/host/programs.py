# SPDX-License-Identifier: MIT
"""Debian's own dynamic programs, unmodified: what they print in Pagoda is what they print here."""
import os
import shutil
import subprocess

from lab.testing import Skip, test

HELLO = """\
#include <math.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	printf("hello %d %.3f\\n", argc, sqrt(2.0 * argc));
	return argc == 3 ? 5 : 1;
}
"""

PERL = r"""
use strict; use warnings; use List::Util qw(sum first); use Data::Dumper; use POSIX qw(floor);
my %h = map { $_ => $_ ** 2 } 1 .. 50;
print sum(values %h), " ", floor(7.9), " ", first { $_ > 3 } 1 .. 9; print "\n";
$Data::Dumper::Sortkeys = 1; print Dumper({ a => [1, 2], b => { c => "d" } });
open(my $p, "-|", "echo piped") or die; print <$p>; close $p;
my $t = "the quick brown fox"; (my $u = $t) =~ s/(\w+)/\u$1/g; print "$u\n";
"""

PYTHON = r"""
import collections, hashlib, json, os, re, sqlite3, subprocess, tempfile, threading, mmap, zlib
print(json.dumps({"x": [1, 2.5, None]}, sort_keys=True), hashlib.sha256(b"pagoda").hexdigest())
out = []
workers = [threading.Thread(target=lambda n=n: out.append(n * n)) for n in range(5)]
[w.start() for w in workers]; [w.join() for w in workers]
print(sorted(out), subprocess.run(["echo", "child"], capture_output=True).stdout)
with tempfile.TemporaryFile() as f:
    f.write(b"z" * 10000); f.flush()
    with mmap.mmap(f.fileno(), 0) as m:
        m[5000] = 65
        print(zlib.crc32(m[:]), m.find(b"A"))
db = sqlite3.connect(":memory:")
db.execute("create table t(a)"); db.executemany("insert into t values(?)", [(n,) for n in range(100)])
print(db.execute("select sum(a), count(*) from t").fetchone(), collections.Counter("abracadabra").most_common(2))
"""

GIT = """\
set -e
rm -rf /tmp/pagoda-git && mkdir /tmp/pagoda-git && cd /tmp/pagoda-git
export GIT_AUTHOR_DATE='2026-01-01 00:00:00 +0000' GIT_COMMITTER_DATE='2026-01-01 00:00:00 +0000'
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
git init -q -b main . && git config user.name n && git config user.email e@x
seq 1000 > a && git add a && git commit -q -m one && sed -i s/5/five/ a && git diff --stat
git commit -q -a -m two && git log --format='%H %s' && git fsck && cd / && rm -rf /tmp/pagoda-git
"""

SQL = """\
create table t(a integer primary key, b text); create index i on t(b);
with recursive n(x) as (select 1 union all select x + 1 from n where x < 3000)
insert into t select x, printf('%05d', (x * 7919) % 3000) from n;
select count(*), min(b), max(b) from t; select a from t where b = '00042'; pragma integrity_check;
"""

MAKEFILE = "all: one two\n\t@echo all of $^\none two:\n\t@echo making $@ | tr a-z A-Z\n.PHONY: all one two\n"


def same_as_here(bench, words, options=(), stdin=b"", status=0, timeout=150):
    """Run words here and in Pagoda; outputs and statuses must be equal."""
    path = shutil.which(words[0], path="/usr/bin:/bin")
    if not path:
        raise Skip(f"{words[0]} is not installed here: nothing to compare with")
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    here = subprocess.run([path, *words[1:]], input=stdin, capture_output=True, env=environment, cwd="/")
    bench.check(here.returncode == status, f"{words[0]} here: status {here.returncode}: {here.stderr!r}")
    done = bench.pagoda("run", "--quiet", *options, "--", path, *words[1:], stdin=stdin, timeout=timeout)
    return bench.ran(done, status, here.stdout)


@test("programs/bash_as_on_linux")
def bash(bench):
    same_as_here(bench, ["bash", "-c", """
        declare -A m=([a]=1 [b]=2); for k in a b; do echo $k ${m[$k]}; done; f() { local x=$1; echo $((x * 2)); }
        f 21; cat <(echo from a process) <<< unused; echo "${PATH//:/ }" | wc -w; (exit 3) || echo $?; x=abc
        [[ $x =~ a(.)c ]] && echo ${BASH_REMATCH[1]}; printf '%05d|%-4s|\\n' 42 ab; exit 9"""], status=9)


@test("programs/perl_with_modules_as_on_linux")
def perl(bench):
    same_as_here(bench, ["perl", "-e", PERL])


@test("programs/python_with_threads_sqlite_mmap_as_on_linux")
def python(bench):
    same_as_here(bench, ["python3", "-c", PYTHON])


@test("programs/sqlite_as_on_linux")
def sqlite(bench):
    same_as_here(bench, ["sqlite3", ":memory:"], stdin=SQL.encode())


@test("programs/sort_and_gzip_as_on_linux")
def sort_gzip(bench):
    lines = b"".join(b"%d\n" % (n * 7919 % 50021) for n in range(50000))
    same_as_here(bench, ["sort", "-n", "-S", "1M"], stdin=lines)
    same_as_here(bench, ["gzip", "-9n"], stdin=lines)


@test("programs/make_and_git_as_on_linux")
def make_git(bench):
    same_as_here(bench, ["make", "-s", "-f", "-"], stdin=MAKEFILE.encode())
    if shutil.which("git"):
        same_as_here(bench, ["bash", "-c", GIT], options=["--with", "/usr/bin/git"])


@test("programs/gcc_compiles_and_its_program_runs")
def gcc(bench):
    if not os.path.exists("/usr/bin/gcc"):
        raise Skip("no gcc here")
    source = bench.file("hello.c")
    with open(source, "w") as file:
        file.write(HELLO)
    # The guest has its own gcc, headers and libraries: nothing was compiled here.
    done = bench.pagoda("run", "--quiet", "--ram", "320M", "--with", "/usr/bin/gcc", "--copy", source + ":/tmp/hello.c",
                        "--", "/bin/busybox", "sh", "-c",
                        "cd /tmp && gcc -O2 -Wall -o hello hello.c -lm && ./hello a b", timeout=150)
    bench.ran(done, 5, b"hello 3 2.449\n")


@test("programs/a_missing_library_ends_as_on_linux")
def missing_library(bench):
    program = bench.file("bash")
    shutil.copy(os.path.realpath("/bin/bash"), program)
    done = bench.pagoda("run", "--quiet", "--copy", f"{program}:/tmp/bash", "--", "/bin/busybox", "sh", "-c",
                        "/tmp/bash -c true; echo $?")
    # No loader in that guest: execve says ENOENT, the shell 127.
    bench.ran(done, 0, b"127\n")
