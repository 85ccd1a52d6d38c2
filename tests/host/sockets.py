# SPDX-License-Identifier: MIT
"""AF_UNIX sockets under an unmodified program: Python's servers, passed descriptors, process pools."""
import subprocess

from lab.test.testing import test

SCRIPT = r"""
import array, asyncio, multiprocessing, os, socket, tempfile
path = tempfile.mkdtemp() + "/socket"
async def handle(reader, writer):
    writer.write((await reader.readline()).upper())
    await writer.drain()
    writer.close()
async def client(n):
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"hello %d\n" % n)
    return (await reader.readline()).decode().strip()
async def main():
    server = await asyncio.start_unix_server(handle, path)
    print(await asyncio.gather(*(client(n) for n in range(20))))
    server.close()
asyncio.run(main())
a, b = socket.socketpair()
r, w = os.pipe()
socket.send_fds(a, [b"fds"], [r, w])
data, fds, flags, _ = socket.recv_fds(b, 10, 4)
os.write(fds[1], b"through")
print(data, len(fds), flags, os.read(r, 10))
def child(end):
    end.send(sum(range(1000)))
    end.close()
here, there = multiprocessing.Pipe()
process = multiprocessing.Process(target=child, args=(there,))
process.start()
print(here.recv(), process.join(), process.exitcode)
with multiprocessing.Pool(2) as pool:
    print(pool.map(len, ["a", "bb", "ccc"]))
"""


@test("sockets/python_servers_passed_descriptors_process_pools_as_on_linux")
def python(bench):
    words = ["/usr/bin/python3", "-c", SCRIPT]
    here = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL)
    bench.check(here.returncode == 0, f"here: {here.stderr!r}")
    done = bench.pagoda("run", "--quiet", "--ram", "256M", "--", *words, timeout=150)
    bench.ran(done, 0, here.stdout)
