# SPDX-License-Identifier: MIT
"""ext2 on a disk, seen from both sides: images by mke2fs, used in the guest, judged by e2fsck."""
import hashlib
import os
import random
import re
import signal
import subprocess
import time

from lab.run import image, linux
from lab.test import guest_programs
from lab.run.ext2 import busybox, complaints, environment, is_clean, make_image, tool, words
from lab.test.testing import Skip, test

MOUNT = "mkdir -p /mnt && mount -t ext2 /dev/vda /mnt"
AGAIN = "umount /mnt && mount -t ext2 /dev/vda /mnt"
DAMAGE_BYTES = 100 * 1024  # of an image's start: its metadata
START_SECONDS = 30
LINUX_START_SECONDS = 90


def exerciser(bench):
    program = guest_programs.compile_program(os.path.join(guest_programs.SOURCES, "fs_exercise.c"), "glibc", bench.log)
    return ["--copy", f"{program}:/x"]


def host_tree(bench):
    """Files and links to be brought to the guest by mke2fs -d; name: contents."""
    files = {"empty": b"", "small": b"hello\n", "large": random.Random(1).randbytes(700_001)}
    folder = bench.file("tree")
    os.makedirs(os.path.join(folder, "dir", "below"))
    for name, content in files.items():
        bench.file(os.path.join("tree", "dir", name), content)
    os.symlink("dir/small", os.path.join(folder, "link"))
    os.symlink("x" * 200, os.path.join(folder, "long-link"))
    return folder, files


@test("ext2/image_from_the_host_is_read_and_what_the_guest_writes_is_read_by_the_host")
def both_ways(bench):
    folder, files = host_tree(bench)
    for block in ("1024", "2048", "4096"):
        disk = make_image(bench, "-b", block, "-d", folder)
        script = (f"{MOUNT} && cd /mnt && sha1sum dir/large && cat link && readlink long-link | wc -c && "
                  "cp dir/large copy && mv copy dir/below/moved && ln dir/small hard && mknod null c 1 3 && "
                  "chmod 4711 dir/small && rm dir/empty && mkdir new && rmdir new && "
                  "dd if=/dev/zero of=sparse bs=1k count=1 seek=3000000 2>/dev/null && ls -s sparse | cut -d' ' -f1")
        done = bench.ran(busybox(bench, disk, script))
        lines = done.out.decode().split("\n")
        bench.equal(lines[0].split()[0], hashlib.sha1(files["large"]).hexdigest(), "checksum in the guest")
        bench.equal(lines[1:3], ["hello", "201"], "links")
        is_clean(bench, disk)
        found = bench.command([tool("debugfs"), "-R", "cat /dir/below/moved", disk]).out
        bench.check(found == files["large"], "the guest's copy differs on the host")
        listing = bench.command([tool("debugfs"), "-R", "stat /hard", disk]).out.decode()
        bench.check(re.search(r"Mode:\s+04711", listing) and "Links: 2" in listing, "mode and links of a hard link")
        size = bench.command([tool("debugfs"), "-R", "stat /sparse", disk]).out.decode()
        bench.check(f"Size: {3000001 * 1024}" in size, "size of a sparse file past 2 GiB")


def exercise(bench, seeds):
    for number, block in enumerate(("1024", "2048", "4096")):
        disk = make_image(bench, "-b", block)
        first = 1 + number * seeds
        done = busybox(bench, disk, f"{MOUNT} && /x /mnt {first} {seeds} 120 '{AGAIN}'", *exerciser(bench))
        bench.ran(done)
        bench.equal(done.out.count(b"as the model"), seeds, "seeds that went well")
        is_clean(bench, disk)


@test("ext2/several_processes_on_several_files_agree_with_a_model")
def exercise_short(bench):
    exercise(bench, 2)


@test("ext2/twenty_seeds_agree_with_a_model", long=True)
def exercise_long(bench):
    exercise(bench, 20)


@test("ext2/little_memory_makes_reclaim_take_the_cache_and_nothing_is_lost", quick=False)
def little_memory(bench):
    disk = make_image(bench, mib=32)
    script = (f"{MOUNT} && cd /mnt && i=0; while [ $i -lt 200 ]; do mkdir d$i && echo $i > d$i/f; i=$((i+1)); done; "
              "dd if=/dev/zero of=big bs=64k count=320 2>/dev/null; rm big; "
              f"cat d*/f | sort -n | tail -1; cd /; /x /mnt 1 2 100 '{AGAIN}'")
    done = bench.ran(busybox(bench, disk, script, "--ram", "16M", *exerciser(bench)))
    bench.equal(done.out.split(b"\n")[0], b"199", "the last directory's file")
    is_clean(bench, disk)


@test("ext2/disk_is_filled_to_the_last_block_and_stays_whole")
def full(bench):
    for block in ("1024", "4096"):
        disk = make_image(bench, "-b", block, "-N", "64", mib=4)
        script = (f"{MOUNT} && cd /mnt; dd if=/dev/zero of=a bs=64k 2>&1 | grep -c 'No space'; "
                  "i=0; while echo > f$i; do i=$((i+1)); done 2>/dev/null; sync; "
                  "[ $(df . | tail -1 | awk '{print $4}') = 0 ] && echo full; "
                  "rm a; echo x > b && cat b")
        done = bench.ran(busybox(bench, disk, script))
        bench.equal(done.out, b"1\nfull\nx\n", "what happened on a full disk")
        is_clean(bench, disk)


def kill_qemu(process, after):
    """Kill the machine some time after it said it was ready."""
    line = process.stdout.readline()
    time.sleep(after)
    found = subprocess.run(["pgrep", "-P", str(process.pid)], stdout=subprocess.PIPE, text=True)
    for pid in found.stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    process.wait(START_SECONDS)
    return line


LOAD = "echo ready; i=1; while /x /mnt $i 3 100; do [ $((i % 2)) = 0 ] || sync; i=$((i + 3)); done"
KILL_SECONDS = 0.05, 3.0  # after the load began
# Harmless kinds of complaints, all of which a killed Linux 6.1 leaves, beside worse ones.
LEFT_BY_LINUX = {
    "Block bitmap differences:", "Inode bitmap differences:", "Free blocks count wrong (N, counted=N).",
    "Free blocks count wrong for group #N (N, counted=N).", "Free inodes count wrong (N, counted=N).",
    "Free inodes count wrong for group #N (N, counted=N).", "Directories count wrong for group #N (N, counted=N).",
    "Inode N, i_blocks is N, should be N.", "Inode N, i_size is N, should be N.",
    "Inode N ref count is N, should be N.", "Deleted inode N has zero dtime.", "Unattached inode N",
    "Unattached zero-length inode N."}


def killed_pagoda(bench, disk, after):
    process = subprocess.Popen(words(f"{MOUNT} && {LOAD}", exerciser(bench)), env=environment(disk), cwd=bench.folder,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    bench.equal(kill_qemu(process, after), b"ready\n", "the guest's first words")


def has_begun(output):
    try:
        with open(output, "rb") as file:
            return b"\nready" in file.read()
    except OSError:
        return False


def killed_linux(bench, disk, after):
    files = {"/x": exerciser(bench)[1].split(":")[0]}
    process, output = linux.start_on_disk(bench.folder, disk, files, f"{MOUNT} && {LOAD}", 128 << 20)
    deadline = time.monotonic() + LINUX_START_SECONDS
    while not has_begun(output) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(after)
    process.kill()
    process.wait()
    bench.check(has_begun(output), "Linux did not come to the load")


def kinds_left(bench, kill, rounds):
    """What e2fsck -fy says about the disks of machines killed at any moment; they work after it."""
    chance = random.Random(7)
    kinds = set()
    for _ in range(rounds):
        disk = make_image(bench, "-b", chance.choice(("1024", "4096")))
        kill(bench, disk, chance.uniform(*KILL_SECONDS))
        mended = bench.command([tool("e2fsck"), "-fy", disk])
        bench.check(mended.status <= 1, f"e2fsck -fy ended with {mended.status}")
        kinds |= complaints(mended.out.decode())
        is_clean(bench, disk)
        bench.ran(busybox(bench, disk, f"{MOUNT} && echo fine > /mnt/f && cat /mnt/f"), 0, b"fine\n")
    return kinds


@test("ext2/what_a_killed_machine_leaves_can_be_mended", quick=False)
def killed(bench):
    bench.equal(kinds_left(bench, killed_pagoda, 4) - LEFT_BY_LINUX, set(), "complaints that Linux does not leave")


@test("ext2/what_fifty_killed_machines_leave_can_be_mended", long=True)
def killed_long(bench):
    bench.equal(kinds_left(bench, killed_pagoda, 50) - LEFT_BY_LINUX, set(), "complaints that Linux does not leave")


@test("ext2/twenty_killed_machines_leave_no_more_than_twenty_killed_Linuxes", long=True)
def killed_beside_linux(bench):
    if not linux.is_available():
        raise Skip("no Linux 6.1 to compare with")
    ours, theirs = kinds_left(bench, killed_pagoda, 20), kinds_left(bench, killed_linux, 20)
    bench.log.write(f"Pagoda: {sorted(ours)}\nLinux: {sorted(theirs)}\n")
    bench.equal(ours - theirs - LEFT_BY_LINUX, set(), "complaints that no Linux left")


@test("ext2/damaged_images_give_errors_and_no_panic", quick=False)
def damaged(bench):
    chance = random.Random(3)
    folder, _ = host_tree(bench)
    for _ in range(6):
        disk = make_image(bench, "-b", "1024", "-N", "64", "-d", folder, mib=2)
        with open(disk, "r+b") as file:
            for _ in range(40):
                file.seek(1024 + chance.randrange(DAMAGE_BYTES))
                file.write(chance.randbytes(chance.choice((1, 4))))
        script = (f"{MOUNT} || exit 0; cd /mnt; ls -laR; cat dir/*; cp dir/large x; rm -rf dir; mkdir y; sync; cd /; "
                  "umount /mnt; true")
        bench.ran(busybox(bench, disk, f"({script}) > /dev/null 2>&1; echo alive"), 0, b"alive\n")


@test("ext2/disk_can_be_the_root")
def as_root(bench):
    folder = bench.file("tree")
    os.makedirs(os.path.join(folder, "bin"))
    with open(image.BUSYBOX, "rb") as file:
        bench.file("tree/bin/busybox", file.read(), 0o755)
    bench.file("tree/here", "on the disk\n")
    disk = make_image(bench, "-d", folder)
    done = busybox(bench, disk, "/bin/busybox cat /here; echo more > /there; /bin/busybox head -1 /proc/mounts",
                   "--append", "root=vda")
    bench.ran(done, 0, b"on the disk\n/dev/vda / ext2 rw,relatime 0 0\n")
    is_clean(bench, disk)
    bench.equal(bench.command([tool("debugfs"), "-R", "cat /there", disk]).out, b"more\n", "what the guest wrote")


@test("ext2/mounts_that_cannot_be_are_refused")
def refused(bench):
    disk = make_image(bench, mib=4)
    script = ("mkdir -p /mnt; try() { \"$@\" 2>/dev/null && echo yes || echo no; }; "
              "try mount -t ext2 /dev/null /mnt; try mount -t ext2 /dev/vdq /mnt; "
              "try mount -t ext2 /dev/vda /mnt; try mount -o ro -t ext2 /dev/vda /tmp; "
              "try mount -t ext2 /dev/vda /tmp; touch /mnt/g; try test -f /tmp/g; "
              "try mount -o remount,ro /mnt; try touch /tmp/f; try umount /mnt; try umount /tmp; "
              "dd if=/dev/zero of=/dev/vda bs=4k count=1 2>/dev/null; try mount -t ext2 /dev/vda /mnt")
    done = bench.ran(busybox(bench, disk, script))
    bench.equal(done.out.decode().split(), "no no yes no yes yes yes no yes yes no".split(), "answers of mount")
