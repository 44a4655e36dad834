# SPDX-License-Identifier: ISC
"""Production binaries with another calendar, or with an allocation that fails: preload.c is loaded into all processes of a
daemon by /etc/ld.so.preload, in a mount namespace of its own (the environment would not do: the parent clears it)."""

import mmap
import os
import struct
import subprocess

import pytest

import postern

HERE = os.path.dirname(os.path.abspath(__file__))
ORDERS = struct.Struct("=qQQ16s")
# An overlay over /etc that holds one more file. Its own room is in memory.
START = """\
mount -t tmpfs tmpfs "$1" && mkdir "$1/upper" "$1/work" &&
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" /etc &&
echo "$2" > /etc/ld.so.preload && shift 2 && exec "$@"
"""


class Preload:
    """What a daemon is started with: Daemon(prefix=preload.prefix)."""

    def __init__(self, folder):
        path = os.path.join(folder, "orders")
        with open(path, "wb") as file:
            file.write(bytes(ORDERS.size))
        os.chmod(path, 0o666)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), ORDERS.size)
        library = os.path.join(folder, "preload.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-D_GNU_SOURCE", f'-DORDERS="{path}"', "-o", library,
                        os.path.join(HERE, "preload.c")], check=True)
        os.chmod(library, 0o755)
        room = os.path.join(folder, "etc")
        os.mkdir(room)
        self.prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", START, "sh", room, library]

    def missing(self):
        """Why it cannot be done here, None when it can."""
        done = subprocess.run([*self.prefix, "true"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return None if done.returncode == 0 else "no overlay in a mount namespace here: " + done.stdout.decode().strip()

    def read(self):
        return ORDERS.unpack(self.map[:])

    def set_calendar(self, seconds):
        """The calendar of the daemon is so many seconds ahead of the machine's, from now on."""
        struct.pack_into("=q", self.map, 0, seconds)

    def fail_allocation(self, process, number):
        """The number-th allocation from now on in processes of that name fails."""
        struct.pack_into("=16s", self.map, 24, process.encode())
        struct.pack_into("=Q", self.map, 8, number)

    def failed(self):
        """How many allocations were made to fail."""
        return self.read()[2]


def make(folder):
    """A Preload, or the test is skipped."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a mount namespace")
    if postern.is_sanitized():
        pytest.skip("needs a build without sanitizers, which want to be loaded first")
    preload = Preload(folder)
    reason = preload.missing()
    if reason:
        pytest.skip(reason)
    return preload
