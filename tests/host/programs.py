# SPDX-License-Identifier: MIT
"""Debian's own dynamic programs, unmodified: what they print in Pagoda is what they print here."""
import os
import shutil
import subprocess

from lab.test.testing import Skip, test

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

LOOPS = r"""
import asyncio, os, selectors, signal, subprocess, tempfile, threading, time
async def child(n):
    p = await asyncio.create_subprocess_exec("/bin/sh", "-c", f"read x; echo got $x {n}; exit {n}", stdin=-1, stdout=-1)
    out, _ = await p.communicate(b"line\n")
    return out.decode().strip(), p.returncode
async def main():
    print(type(asyncio.get_running_loop()._selector).__name__)
    print(await asyncio.gather(*(child(n) for n in range(3))))
    r, w = os.pipe()
    loop = asyncio.get_running_loop()
    got = loop.create_future()
    loop.add_reader(r, lambda: got.done() or got.set_result(os.read(r, 10)))
    loop.call_later(0.05, os.write, w, b"pipe")
    print(await asyncio.wait_for(got, 5))
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.05)
    except asyncio.TimeoutError:
        print("timed out")
    hup = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, hup.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await hup.wait()
    print("signal", await loop.run_in_executor(None, lambda: threading.current_thread() is not threading.main_thread()))
    q = asyncio.Queue()
    async def produce():
        for i in range(100): await q.put(i); await asyncio.sleep(0)
        await q.put(None)
    async def consume():
        s = 0
        while (i := await q.get()) is not None: s += i
        return s
    print((await asyncio.gather(produce(), consume()))[1])
    path = tempfile.mkdtemp() + "/sock"
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper()); await writer.drain()
        writer.close()
    server = await asyncio.start_unix_server(serve, path)
    async def client(n):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"hello %d\n" % n); await writer.drain()
        line = await reader.readline(); writer.close(); return line
    print(await asyncio.gather(*(client(n) for n in range(5))))
    server.close()
asyncio.run(main())
policy = asyncio.DefaultEventLoopPolicy(); policy.set_child_watcher(asyncio.PidfdChildWatcher()); asyncio.set_event_loop_policy(policy)
print(asyncio.run(child(4)))
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 3"], os.environ, setsigmask=[], setsigdef=[signal.SIGINT])
fd = os.pidfd_open(pid); s = selectors.DefaultSelector(); s.register(fd, selectors.EVENT_READ)
print(len(s.select(5)), os.waitid(os.P_PIDFD, fd, os.WEXITED).si_status)
p = subprocess.Popen(["sleep", "100"]); fd = os.pidfd_open(p.pid); signal.pidfd_send_signal(fd, signal.SIGTERM); print(p.wait())
print(subprocess.run("echo $0 | tr a-z A-Z; exit 2", shell=True, capture_output=True, text=True, timeout=20))
try:
    subprocess.run(["sleep", "50"], timeout=0.1)
except subprocess.TimeoutExpired as e: print(type(e).__name__)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]); signal.setitimer(signal.ITIMER_REAL, 0.02); print(signal.sigwait([signal.SIGALRM]))
"""

TOOLS = r"""
rm -rf /tmp/pagoda-tools; mkdir /tmp/pagoda-tools; cd /tmp/pagoda-tools
for i in $(seq 200); do echo "line $i $((i * i % 97))" > f$i; done; find . -type f -name 'f1*' | sort | head -5
cat f* | awk '{ s[$3 % 7] += $2 } END { for (k in s) print k, s[k] }' | sort -n
tar cf - --sort=name --owner=0 --group=0 --mtime=@0 . | sha256sum; tar czf x.tgz f1 f2 && tar tzf x.tgz
find . -name 'f*' -print0 | xargs -0 grep -l ' 9$' | sort | head -4; ln -s f1 l; ln f1 h; stat -c '%h %s %F' h l
seq 100000 > n; for z in gzip bzip2 xz zstd; do $z -kq n; $z -dcq n.*[2z] n.zst 2>/dev/null | sha256sum; rm -f n.*; done
seq 100000 | xz -T2 -c | xz -dc -T2 | sha256sum; dd if=/dev/zero bs=1k count=300 2>/dev/null | sha256sum
seq 100 | sed 's/^5/x/' > b; seq 100 > a; diff -u --label a --label b a b > p; patch -s a p && cmp a b && echo same
factor 123456789012345678901234567; seq 30 | csplit -s - 10 20; wc -l xx*; join <(seq 5) <(seq 3 8); echo abc | od -c
timeout 0.2 sleep 5; echo $?; flock l2 echo locked; stdbuf -oL echo unbuffered; seq 10 | split -l 3 - p; cat p?? | tac
dash -c 'trap "echo term; exit 4" TERM; kill -TERM $$; echo no'; echo $?
printf 'all: a b c d\n%%: ; @sleep 0.05; echo $@ > $@.out\n' > Makefile; make -s -j4; cat *.out; cd /; rm -rf /tmp/pagoda-tools
"""

MORE = r"""
rm -rf /tmp/pagoda-more; mkdir /tmp/pagoda-more; cd /tmp/pagoda-more
echo secret | openssl enc -aes-256-cbc -pbkdf2 -pass pass:x -out e && openssl enc -d -aes-256-cbc -pbkdf2 -pass pass:x -in e
openssl genrsa -out k.pem 2048 2>/dev/null; openssl req -new -x509 -key k.pem -subj /CN=x -days 3 -out c.pem
openssl verify -CAfile c.pem c.pem; openssl speed -multi 2 -seconds 1 -bytes 64 md5 2>&1 | grep -c '^md5'
printf 'a\nb\nc\n' > v; vim -u NONE -es -c '%s/b/BEE/' -c wq v; cat v; echo '{"a":[1,2,{"b":"x"}]}' | jq -c '.a[2].b, (.a[:2]|add)'
echo 'puts [expr 2**100]; puts [exec echo hi]; after 20 {set x 1}; vwait x; puts $x' | tclsh; echo 'scale=50; 4*a(1)' | bc -l
export TERM=xterm; tmux -L x -f /dev/null new-session -d 'tty > o; echo inside >> o; sleep 1'
for i in 1 2 3 4 5 6 7 8; do [ $(wc -l < o) = 2 ] && break; sleep 0.2; done 2>/dev/null; tail -1 o; tmux -L x kill-server
cd /; rm -rf /tmp/pagoda-more
"""

NODE = r"""
const { Worker } = require("worker_threads"), out = [], done = x => { out.push(String(x)); if (out.length == 6) console.log(out.sort()); };
new Worker('require("worker_threads").parentPort.postMessage(42)', { eval: true }).on("message", done);
setTimeout(() => done("timer"), 20);
require("child_process").exec("echo child; exit 3", (e, o) => done(o.trim() + e.code));
Promise.all([1, 2].map(async x => x + 1)).then(done);
require("crypto").pbkdf2("a", "b", 1000, 16, "sha256", (e, k) => done(k.toString("hex")));
const server = require("net").createServer(c => c.end("served")).listen("/tmp/pagoda-node.sock", () => {
	require("net").connect("/tmp/pagoda-node.sock").on("data", d => { server.close(); done(d); }); });
"""

GIT_MORE = """\
set -e; rm -rf /tmp/pagoda-git /tmp/pagoda-git2; mkdir /tmp/pagoda-git; cd /tmp/pagoda-git
export GIT_AUTHOR_DATE='2026-01-01 00:00:00 +0000' GIT_COMMITTER_DATE='2026-01-01 00:00:00 +0000'
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
git init -q -b main .; git config user.name n; git config user.email e@x; for i in $(seq 300); do seq $i > f$i; done
git add .; git commit -qm one; git checkout -q -b side; sed -i s/2/two/ f1*; git commit -qam side; git checkout -q main
seq 5 > f3; git commit -qam three; git merge -q -m merge side; git log --oneline --graph; git gc -q; git fsck
git clone -q . /tmp/pagoda-git2; cd /tmp/pagoda-git2; git rev-parse HEAD; git diff --stat HEAD~1 | tail -1
git archive HEAD | sha256sum; git grep -c two | wc -l; cd /; rm -rf /tmp/pagoda-git /tmp/pagoda-git2
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


def brought(*names):
    """Options that bring these programs."""
    paths = [(name, shutil.which(name, path="/usr/bin:/bin")) for name in names]
    missing = [name for name, path in paths if not path]
    if missing:
        raise Skip(f"{missing[0]} is not installed here: nothing to compare with")
    return [word for _, path in paths for word in ("--with", path)]


@test("programs/event_loops_subprocesses_pidfds_as_on_linux")
def event_loops(bench):
    same_as_here(bench, ["python3", "-c", LOOPS])


@test("programs/tools_of_every_day_as_on_linux", quick=False)
def tools(bench):
    options = brought("seq", "mkdir", "rm", "find", "sort", "head", "cat", "awk", "tar", "sha256sum", "xargs", "grep", "ln",
                      "stat", "gzip", "bzip2", "xz", "zstd", "dd", "sed", "diff", "patch", "cmp", "factor", "csplit", "wc",
                      "join", "od", "timeout", "sleep", "flock", "stdbuf", "split", "tac", "dash", "make")
    same_as_here(bench, ["bash", "-c", TOOLS], options)


@test("programs/openssl_vim_jq_tcl_bc_tmux_as_on_linux", quick=False)
def more_programs(bench):
    options = brought("mkdir", "rm", "openssl", "grep", "vim", "cat", "jq", "tclsh", "bc", "tmux", "wc", "sleep", "tail", "tty")
    same_as_here(bench, ["bash", "-c", MORE], options)


@test("programs/node_with_workers_and_sockets_as_on_linux", quick=False)
def node(bench):
    same_as_here(bench, ["node", "-e", NODE], ["--ram", "512M"])


@test("programs/git_branches_merges_packs_and_clones_as_on_linux", quick=False)
def git_more(bench):
    options = brought("git", "seq", "sed", "tail", "sha256sum", "wc", "mkdir", "rm")
    same_as_here(bench, ["bash", "-c", GIT_MORE], ["--ram", "256M", *options])


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
