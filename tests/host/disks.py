# SPDX-License-Identifier: MIT
"""Disks of the PC: virtio-blk as the guest sees it, their errors, and the options that attach them."""
import hashlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from lab.run import disks, image
from lab.test import guest_programs
from lab.common import ROOT
from lab.test.testing import PAGODA, test

DISK_BYTES = 4 << 20
SECTOR = 512


def guest(bench, script, drives, env=(), options=(), timeout=90):
    """Run a shell script in a guest with these drives (lists of QEMU's words) as vda, vdb ..."""
    words = " ".join(word for drive in drives for word in drive)
    env = dict(os.environ, PAGODA_BUILT="1", PAGODA_QEMU=words, **dict(env))
    return bench.command([PAGODA, "run", "--accel", "tcg", "--quiet", "--log", bench.file("kernel.log"), "--timeout",
                          "60", *options, "--", image.BUSYBOX, "sh", "-c", script], timeout=timeout, env=env)


def disk(bench, name, content, flags="", device=""):
    """A raw file and the words that attach it."""
    path = bench.file(name, content)
    words = disks.drive_words(name, path, name, flags)
    words[-1] += device
    return path, words


def tool(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def helper(bench):
    """block_device.c, as /x in the guest."""
    source = os.path.join(ROOT, "tests", "host", "block_device.c")
    return ["--copy", f"{guest_programs.compile_program(source, 'glibc', bench.log)}:/x"]


def statistics(text, name):
    """The numbers after the name in /proc/diskstats."""
    return [int(n) for n in re.search(rf" {name} (.*)", text)[1].split()]


def contents(path):
    with open(path, "rb") as file:
        return file.read()


@test("disks/what_dd_reads_and_writes_is_identical")
def identical(bench):
    data = random.Random(5).randbytes(DISK_BYTES)
    source, first = disk(bench, "source", data)
    target, second = disk(bench, "target", bytes(DISK_BYTES))
    done = bench.ran(guest(bench, """
        dd if=/dev/vda of=/dev/vdb bs=256k conv=fsync 2>/dev/null || exit 1
        dd if=/dev/vdb bs=7777 2>/dev/null | md5sum
        md5sum /dev/vda
        cat /proc/diskstats""", [first, second]))
    sums = re.findall(rb"\b[0-9a-f]{32}\b", done.out)
    bench.check(len(sums) == 2 and sums[0] == sums[1], "what was read differs")
    bench.check(contents(target) == data, "what was written differs")
    bench.check(contents(source) == data, "the source was changed")
    requests, merged, sectors = statistics(done.out.decode(), "vdb")[4:7]
    bench.equal(sectors, DISK_BYTES // SECTOR, "sectors written")
    bench.equal(requests + merged, DISK_BYTES // 4096, "bios written")
    bench.check(requests <= DISK_BYTES // 4096 // 16, f"{requests} requests: neighbours are not merged")


@test("disks/parts_of_sectors_ends_and_sizes")
def odd(bench):
    size = 100 * SECTOR + 77  # QEMU rounds it up to whole sectors
    data = random.Random(6).randbytes(size)
    path, words = disk(bench, "odd", data)
    done = bench.ran(guest(bench, """
        blockdev --getsize64 /dev/vda; blockdev --getsz /dev/vda; blockdev --getss /dev/vda; blockdev --getro /dev/vda
        echo -n hello | dd of=/dev/vda bs=1 seek=1022 conv=notrunc 2>/dev/null
        dd if=/dev/vda bs=1 skip=1022 count=5 2>/dev/null; echo
        dd if=/dev/zero of=/dev/vda bs=1k seek=50 count=9 2>&1 | grep -o 'No space.*'
        dd if=/dev/vda bs=1M 2>/dev/null | wc -c
        grep vda /proc/partitions""", [words]))
    lines = done.out.decode().split("\n")
    sectors = -(-size // SECTOR)
    bench.equal(lines[:4], [str(sectors * SECTOR), str(sectors), "512", "0"], "sizes")
    bench.equal(lines[4:7], ["hello", "No space left on device", str(sectors * SECTOR)], "output")
    bench.equal(lines[7].split(), ["254", "0", str(sectors // 2), "vda"], "/proc/partitions")
    bench.check(contents(path)[:1022] == data[:1022] and contents(path)[1022:1027] == b"hello" and
                contents(path)[1027:2048] == data[1027:2048], "neighbouring bytes were changed")


@test("disks/file_mapping_and_mounted_file_system_see_the_same_disk")
def shared(bench):
    path, plain = disk(bench, "plain", bytes(DISK_BYTES))
    image_path, mounted = disk(bench, "ext2", b"")
    os.truncate(image_path, DISK_BYTES)
    bench.ran(bench.command([tool("mke2fs"), "-q", "-F", "-b", "1024", image_path]))
    done = bench.ran(guest(bench, """
        mkdir /mnt; /x share /dev/vda; /x flush /dev/vda
        dd if=/dev/vda bs=1 skip=8192 count=6 2>/dev/null; echo
        dd if=/dev/vdb bs=1 skip=1082 count=1 2>/dev/null | od -An -tx1
        mount -t ext2 /dev/vdb /mnt && /x excl /dev/vdb
        dd if=/dev/vdb bs=1 skip=1082 count=1 2>/dev/null | od -An -tx1
        echo volume | dd of=/dev/vdb bs=1 seek=1144 conv=notrunc 2>/dev/null
        echo text > /mnt/file
        mount -t ext2 /dev/vdb /tmp && cat /tmp/file && umount /tmp; swapon /dev/vdb 2>&1 | grep -o 'busy'
        umount /mnt && /x excl /dev/vdb "/x excl /dev/vdb; mount -t ext2 /dev/vdb /mnt 2>&1 | grep -o busy"
        mount -t ext2 /dev/vdb /mnt && cat /mnt/file && umount /mnt
        grep Buffers /proc/meminfo | tr -s ' '""", [plain, mounted], options=helper(bench)))
    expected = """mapping shows call
call reads STORE
pread(direct, text, 5, 0): EINVAL
pwrite(direct, aligned, 512, 1): EINVAL
pread(direct, p, 512, 2 * PAGE): 512
direct reads STORE
pwrite(direct, p, 512, 2 * PAGE): 512
mapping shows direct
msync(aligned, 4 * PAGE, MS_SYNC): 0
fsync(fd): 0
ioctl(open(argv[2], O_RDONLY), BLKFLSBUF_CMD): 0
direct
 01
O_EXCL: EBUSY
 00
text
busy
O_EXCL: ok
O_EXCL: EBUSY
busy
text
Buffers: 0 kB
"""
    bench.equal(done.out.decode(), expected, "output")
    bench.equal(contents(path)[8192:8198], b"direct", "what reached the disk")
    bench.equal(contents(image_path)[1144:1150], b"volume", "the label written behind the file system's back")
    bench.equal(bench.command([tool("e2fsck"), "-fn", image_path]).status, 0, "e2fsck")


@test("disks/a_read_only_disk_refuses_writers_and_a_terabyte_has_its_size", quick=False)
def read_only_and_huge(bench):
    path, words = disk(bench, "ro", bytes(SECTOR), ",readonly=on")
    huge, more = disk(bench, "huge", b"")
    os.truncate(huge, 1 << 40)
    direct, plain = disk(bench, "direct", bytes(DISK_BYTES), device=",indirect_desc=off,queue-size=16")
    done = bench.ran(guest(bench, """
        blockdev --getro /dev/vda; (echo x > /dev/vda) 2>&1 | grep -o 'Permission denied'
        echo end | dd of=/dev/vdb bs=512 seek=2147483647 2>/dev/null
        dd if=/dev/vdb bs=512 skip=2147483647 2>/dev/null | head -c 4
        dd if=/dev/urandom of=/tmp/r bs=1M count=1 2>/dev/null
        dd if=/tmp/r of=/dev/vdc bs=1M 2>/dev/null
        dd if=/dev/vdc bs=1M count=1 2>/dev/null | cmp - /tmp/r && echo same""", [words, more, plain]))
    bench.equal(done.out, b"1\nPermission denied\nend\nsame\n", "output")
    bench.equal(contents(path), bytes(SECTOR), "the read-only disk")


@test("disks/errors_of_the_disk_are_eio_and_the_kernel_goes_on")
def errors(bench):
    """QEMU's blkdebug fails reads of one sector, writes of another, and flushes."""
    path = bench.file("bad", bytes(DISK_BYTES))
    rules = bench.file("rules", disks.fail_rule("read", 64) + disks.fail_rule("write", 800) +
                       disks.fail_rule("flush", once=True))
    done = bench.ran(guest(bench, """
        dd if=/dev/zero of=/dev/vda bs=4k count=1 conv=fsync 2>&1 | grep -o 'Input/output error'
        dd if=/dev/zero of=/dev/vda bs=4k count=1 conv=fsync 2>/dev/null && echo fine
        dd if=/dev/vda of=/dev/null bs=4k skip=8 count=1 2>&1 | grep -o 'Input/output error'
        dd if=/dev/vda of=/dev/null bs=4k skip=9 count=9 2>/dev/null && echo fine
        dd if=/dev/vda of=/dev/null bs=4k 2>&1 | grep -o 'Input/output error'
        dd if=/dev/zero of=/dev/vda bs=4k seek=100 count=1 conv=fsync 2>&1 | grep -o 'Input/output error'
        dd if=/dev/zero of=/dev/vda bs=4k seek=101 count=50 conv=fsync 2>/dev/null && echo fine""",
        [disks.drive_words("bad", f"blkdebug:{rules}:{path}", "bad")]))
    eio = b"Input/output error\n"
    bench.equal(done.out, eio + b"fine\n" + eio + b"fine\n" + eio + eio + b"fine\n", "output")


@test("disks/a_stalled_disk_holds_up_nobody_else", quick=False)
def stalled(bench):
    path = bench.file("slow", bytes(DISK_BYTES))
    words = disks.drive_words("slow", path, "slow", ",throttling.iops-total=1")
    done = bench.ran(guest(bench, """
        for i in 1 2 3 4 5 6; do dd if=/dev/vda of=/dev/null bs=512 skip=$((i * 99)) count=1 2>/dev/null & done
        i=0; while [ $i -lt 200 ]; do i=$((i + 1)); done; echo $i
        kill $! ; echo killed; wait; echo all""", [words]))
    bench.equal(done.out, b"200\nkilled\nall\n", "output")


# ---- Errors under ext2 -------------------------------------------------------------------------------


def bad_image(bench, files, rules, name="bad", mib=8):
    """An ext2 image with these files (name: contents); rules(block) are blkdebug's, block(name, page) a sector."""
    path = bench.file(name + ".img", b"")
    os.truncate(path, mib << 20)
    folder = bench.file("tree")
    os.makedirs(folder)
    for file, content in files.items():
        bench.file(os.path.join("tree", file), content)
    bench.ran(bench.command([tool("mke2fs"), "-q", "-F", "-b", "1024", "-d", folder, path]))

    def block(file, page):
        done = bench.ran(bench.command([tool("debugfs"), "-R", f"bmap /{file} {page * 4}", path]))
        return int(done.out) * 2
    return path, disks.drive_words(name, f"blkdebug:{bench.file(name, rules(block))}:{path}", name)


def dumped(bench, path, name):
    return bench.ran(bench.command([tool("debugfs"), "-R", f"cat /{name}", path])).out


def letters(nr_pages):
    return b"".join(bytes([ord("A") + page % 26]) * 4096 for page in range(nr_pages))


@test("disks/an_unreadable_block_of_a_file_is_eio_or_sigbus_until_it_can_be_read", "PM-33")
def ext2_read_error(bench):
    files = {"f": letters(40), "g": letters(40)}
    path, words = bad_image(bench, files, lambda block:
                            disks.fail_rule("read", block("f", 5)) + disks.fail_rule("read", block("f", 22) + 3) +
                            5 * disks.fail_rule("read", block("f", 31), once=True))
    done = bench.ran(guest(bench, """
        mkdir /mnt; mount -t ext2 /dev/vda /mnt
        /x touch /mnt/f 4 5 6 5 22 23
        cat /mnt/f 2>&1 >/dev/null | grep -o 'Input/output error'
        dd if=/mnt/f bs=4k skip=6 count=16 2>/dev/null | md5sum; md5sum < /mnt/g
        i=0; while [ $i -lt 12 ]; do /x touch /mnt/f 31; i=$((i + 1)); done | uniq
        umount /mnt && echo unmounted""", [words], options=helper(bench)))
    bench.equal(done.out.decode().split("\n"), [
        "page 4: E", "page 5: SIGBUS", "page 6: G", "page 5: SIGBUS", "page 22: SIGBUS", "page 23: X", "Input/output error",
        hashlib.md5(files["f"][6 * 4096:22 * 4096]).hexdigest() + "  -", hashlib.md5(files["g"]).hexdigest() + "  -",
        "page 31: SIGBUS", "page 31: F", "unmounted", ""], "output")


@test("disks/a_block_that_cannot_be_written_is_told_once_to_each_open_file")
def ext2_write_error(bench):
    files = {"f": letters(8), "g": letters(8), "h": letters(8), "i": letters(8)}
    path, words = bad_image(bench, files, lambda block:
                            disks.fail_rule("write", block("f", 0)) + disks.fail_rule("write", block("g", 3) + 1))
    done = bench.ran(guest(bench, """
        mkdir /mnt; mount -t ext2 /dev/vda /mnt
        /x tell /mnt/f 3; echo stores; /x store /mnt/g; echo good; /x tell /mnt/h 2; /x store /mnt/h
        /x sync /mnt/f; /x sync /mnt/h
        echo flusher; echo 10 > /proc/sys/vm/dirty_expire_centisecs; echo 10 > /proc/sys/vm/dirty_writeback_centisecs
        /x late /mnt/f; umount /mnt && echo unmounted""", [words], options=helper(bench)))
    told = "fsync(fd[i]): EIO\nfsync(fd[i]): 0\n"
    stored = "msync(p, st.st_size, MS_SYNC): {}\nmsync(p, st.st_size, MS_SYNC): 0\nfsync(fd): 0\n"
    bench.equal(done.out.decode(), told * 3 + "stores\n" + stored.format("EIO") + "good\n" +
                "fsync(fd[i]): 0\n" * 4 + stored.format(0) +
                "".join("".join(f'pwrite(MUST(open(file, O_WRONLY | {flag})), "x", 1, 0): {result}\n'
                                for flag in ("O_SYNC", "O_DSYNC")) + f"syncfs(fd): {whole}\nsyncfs(fd): 0\n"
                        for result, whole in (("EIO", "EIO"), ("1", "0"))) + "flusher\nread back y\nfsync(fd): EIO\nfsync(fd): 0\nunmounted\n", "output")
    stored_g, stored_h = dumped(bench, path, "g"), dumped(bench, path, "h")
    bench.equal([stored_h[i * 4096:i * 4096 + 2] for i in range(8)], [b"x" + b"A", *(b"s" + bytes([65 + i]) for i in range(1, 8))], "what was stored")
    bench.check(stored_g[:1] == b"s" and stored_g[4 * 4096:4 * 4096 + 1] == b"s", "neighbours of the bad block are lost")
    bench.equal(dumped(bench, path, "i"), files["i"], "a file that nobody touched")
    bench.equal(bench.command([tool("e2fsck"), "-fn", path]).status, 0, "e2fsck")


@test("disks/metadata_that_cannot_be_written_and_a_flush_that_fails_are_told_by_fsync")
def ext2_metadata_error(bench):
    def inode_fails(_):
        done = bench.ran(bench.command([tool("debugfs"), "-R", "imap /f", bench.file("bad.img")]))
        return disks.fail_rule("write", int(re.search(rb"block (\d+),", done.out)[1]) * 2)
    files = {"f": letters(2), "g": letters(2)}
    _, words = bad_image(bench, files, inode_fails)
    shutil.rmtree(bench.file("tree"))
    _, flush = bad_image(bench, files, lambda _: disks.fail_rule("flush", once=True), name="flush")
    done = bench.ran(guest(bench, """
        mkdir /mnt /flush; mount -t ext2 /dev/vda /mnt; mount -t ext2 /dev/vdb /flush
        /x tell /mnt/f 2; echo flush; /x tell /flush/f 2; cat /mnt/g | md5sum
        umount /mnt; umount /flush; echo alive""", [words, flush], options=helper(bench)))
    bench.equal(done.out.decode().split("\n"), [
        *["fsync(fd[i]): EIO", "fsync(fd[i]): 0"] * 2, "flush", "fsync(fd[i]): EIO", *["fsync(fd[i]): 0"] * 3,
        hashlib.md5(files["g"]).hexdigest() + "  -", "alive", ""], "output")


# ---- The options --------------------------------------------------------------------------------------


def attached(bench, options, script, env=()):
    return guest(bench, script, [], env, options)


@test("disks/swap_option_attaches_what_mkswap_made")
def swap_option(bench):
    done = bench.ran(attached(bench, ["--swap", "8M", *helper(bench)], """
        grep -o 'swap=vda' /proc/cmdline; blockdev --getsize64 /dev/vda
        /x excl /dev/vda; (echo x > /dev/vda) 2>&1 | grep -o 'Text file busy'; mount -t ext2 /dev/vda /tmp 2>&1 | grep -o busy
        dd if=/dev/vda bs=1 skip=4086 count=10 2>/dev/null
        swapoff /dev/vda && /x excl /dev/vda && echo x > /dev/vda && swapon /dev/vda && /x excl /dev/vda"""))
    bench.equal(done.out, b"swap=vda\n8388608\nO_EXCL: EBUSY\nText file busy\nbusy\nSWAPSPACE2"
                b"O_EXCL: ok\nO_EXCL: EBUSY\n", "output")


class NbdServer:
    """qemu-nbd with an image, as on another host, while the context lasts; its url is what QEMU is given."""

    def __init__(self, bench, path):
        self.path = path
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"nbd://127.0.0.1:{self.port}/swap"

    def __enter__(self):
        self.process = subprocess.Popen(["qemu-nbd", "-t", "-e", "4", "-f", "raw", "-x", "swap", "-b", "127.0.0.1",
                                         "-p", str(self.port), self.path], stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.port)):
                    break
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def trouble(server, seconds):
    """The server stops answering while the guest runs, and goes on after a while."""
    time.sleep(seconds)
    os.kill(server.process.pid, signal.SIGSTOP)
    time.sleep(2)
    os.kill(server.process.pid, signal.SIGCONT)


@test("disks/a_stalled_disk_under_ext2_loses_nothing", quick=False)
def ext2_stall(bench):
    """The disk stops answering as soon as something is written; others go on, and in the end all is there."""
    path, _ = bad_image(bench, {"f": letters(4)}, lambda _: "")
    before = contents(path)
    with NbdServer(bench, path) as server:
        def stall():
            while contents(path) == before:
                time.sleep(0.05)
            trouble(server, 0)
        stalling = threading.Thread(target=stall)
        stalling.start()
        done = bench.ran(guest(bench, """
            mkdir /mnt; mount -t ext2 /dev/vda /mnt
            (dd if=/dev/zero bs=64k count=48 2>/dev/null | tr '\\0' x > /mnt/big; sync; echo synced) &
            (while :; do echo x > /mnt/other; done) & other=$!
            sleep 0.5; i=0; while [ $i -lt 300 ]; do i=$((i + 1)); done; echo going on
            kill -9 $other; sleep 4; wait; md5sum < /mnt/big; umount /mnt && echo unmounted""",
            [disks.drive_words("stall", server.url, "stall")], options=[], timeout=120))
        stalling.join()
    bench.equal(done.out.decode(), "going on\nsynced\n" + hashlib.md5(b"x" * (48 << 16)).hexdigest() + "  -\nunmounted\n", "output")
    bench.equal(dumped(bench, path, "big"), b"x" * (48 << 16), "what is on the disk")
    bench.equal(bench.command([tool("e2fsck"), "-fn", path]).status, 0, "e2fsck")


@test("disks/swap_over_nbd_is_as_good_as_a_disk_here_and_survives_a_stall", quick=False)
def swap_nbd(bench):
    with NbdServer(bench, disks.make_swap(bench.folder, 64 << 20)) as server:
        stall = threading.Thread(target=trouble, args=(server, 2))
        stall.start()
        done = bench.ran(guest(bench, "head -c 10 /dev/vda >/dev/null; /x hog 36", [],
                               options=["--ram", "24M", "--swap", server.url, *helper(bench)], timeout=120))
        stall.join()
    bench.equal(done.out, b"wrong 0, SIGBUS 0\nchild: exited with 0\nwrong 0, SIGBUS 0\n", "output")
    bench.check(len(contents(server.path).strip(b"\0")) > 8 << 20, "nothing came to the server")


@test("disks/a_swap_server_that_goes_away_costs_the_pages_it_had_and_no_more", quick=False)
def swap_nbd_dies(bench):
    """The server ends while a working set lies there: its owner ends, or lives with SIGBUS; others go on."""
    with NbdServer(bench, disks.make_swap(bench.folder, 64 << 20)) as server:
        threading.Timer(4, server.process.kill).start()
        done = bench.ran(guest(bench, """exec /x run "+/x hog 40 >/dev/null 2>&1" \\
            "echo ended; head -c 100000 /dev/zero | md5sum >/dev/null; /x hog 3" """, [],
            options=["--ram", "24M", "--swap", server.url, *helper(bench)], timeout=120))
    bench.equal(done.out, b"ended\nwrong 0, SIGBUS 0\nchild: exited with 0\nwrong 0, SIGBUS 0\n", "output")


def conserved(bench, lost):
    """No frame and no slot stayed behind but as many as can be lost, and the kernel complained of nothing."""
    with open(bench.file("stats.json")) as file:
        report = json.load(file)["report"]
    slots, frames = report["swap_slots_used"], report["frames_free_end"] - report["frames_free_start"]
    bench.check(not report.get("warnings") and slots <= lost and 0 <= frames <= lost,
                f"slots in use {slots}, frames {frames:+}, warnings {report.get('warnings')}")


def swap_with_errors(bench, rules, script, swap="48M", lost=0, drives=()):
    """The script in 24 MiB with a swap area whose disk follows blkdebug's rules; what it prints and the kernel logs."""
    path = bench.file("rules", rules)
    done = bench.ran(guest(bench, script, drives, [("PAGODA_BLKDEBUG", f"swap={path}")],
                           ["--ram", "24M", "--swap", swap, "--stats", bench.file("stats.json"), *helper(bench)], timeout=120))
    conserved(bench, lost)
    with open(bench.file("kernel.log")) as log:
        return done.out.decode(), log.read()


def slot(number):
    return number * 8  # its first sector


@test("disks/a_page_that_cannot_be_swapped_in_kills_who_needs_it_alone", "FT-54")
def swap_read_error(bench):
    out, _ = swap_with_errors(bench, disks.fail_rule("read", slot(100)) + disks.fail_rule("read", slot(205) + 5),
                              'exec /x run "/x hog 32" "echo alive" "/x hog 32" "/x hog 32"', lost=2)
    lost = [int(n) for n in re.findall("wrong 0, SIGBUS (\\d+)\n", out)]
    killed = out.count("child: killed by SIGBUS\n") + 3 - out.count("child: ") # the parent may have been the one
    bench.check(killed and "alive\n" in out and "lost" not in out and "wrong 1" not in out, f"output {out!r}")
    bench.check(sum(lost) <= 2, f"a slot that lost a page is used again: {lost}")


@test("disks/a_slot_that_cannot_be_written_is_given_up_and_no_byte_is_lost", "SW-03")
def swap_write_error(bench):
    out, log = swap_with_errors(bench, disks.fail_rule("write", slot(100)) + disks.fail_rule("write", slot(205) + 5),
                                "exec /x run '/x hog 32' '/x hog 32' 'tail -1 /proc/swaps | tr -s \"\\t \" \" \"'",
                                # Or QEMU joins neighbouring requests, and fails them together.
                                drives=[["-global", "virtio-blk-pci.request-merging=off"]])
    given_up = set(re.findall(r"slot (\d+) of /dev/vda cannot be written", log))
    bench.check(given_up and given_up <= {"100", "205"}, f"slots given up: {given_up}")
    size, found = 48 * 1024 - 4 - 4 * len(given_up), re.search(r"partition (\d+) ", out)
    bench.equal(int(found[1]), size, "what is left of the area, KiB")
    bench.equal(out[:found.start()], "wrong 0, SIGBUS 0\nchild: exited with 0\nwrong 0, SIGBUS 0\n" * 2 + "/dev/vda ", "output")


@test("disks/a_swap_disk_that_takes_nothing_is_out_of_memory_and_not_the_end")
def swap_dead(bench):
    out, _ = swap_with_errors(bench, disks.fail_rule("write"), "/x hog 40; echo $?; /x hog 4", swap="4M")
    bench.equal(out.replace("143", "137"), "137\nwrong 0, SIGBUS 0\nchild: exited with 0\nwrong 0, SIGBUS 0\n", "output")


@test("disks/wrong_use_of_swap_and_root_is_refused")
def refused(bench):
    text = bench.file("text", b"no file system\n" * 200)
    fake = bench.file("fake", bytes(disks.EXT2_MAGIC_AT) + disks.EXT2_MAGIC + bytes(5000))
    for options, says in ((["--swap", "lots"], b"not a size"), (["--swap", "1K"], b"from 40K"),
                          (["--swap", "41000"], b"4K pages"), (["--swap", "2T"], b"from 40K"),
                          (["--swap", "nbd://"], b"nbd://HOST/EXPORT"), (["--swap", "nbd:host:1"], b"nbd://HOST/EXPORT"),
                          (["--root", "/no/such"], b"no such file"), (["--root", text], b"not an image"),
                          (["--root", "/dev/null"], b"neither a directory"), (["--keep"], b"needs --root IMAGE"),
                          (["--keep", "--root", "/"], b"needs --root IMAGE"),
                          (["--root", fake, "--copy", text], b"root that is a directory"),
                          (["--root", fake, "--with", "/bin/ls"], b"root that is a directory")):
        done = bench.pagoda("run", *options, "--", "/bin/x")
        bench.equal(done.status, 2, f"exit status of {options}")
        bench.check(says in done.err and done.err.count(b"\n") == 1, f"{options} says {done.err!r}")
    done = bench.pagoda("run", "--root", fake, "--", "x")
    bench.check(done.status == 2 and b"whole path" in done.err, f"a bare name says {done.err!r}")
    done = bench.pagoda("run", "--quiet", "--swap", f"nbd://127.0.0.1:1/x", "--", image.BUSYBOX, "true")
    bench.check(done.status == 71 and b"QEMU failed" in done.err and b"Traceback" not in done.err,
                f"a server that is not there: {done.err!r}")
