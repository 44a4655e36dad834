# SPDX-License-Identifier: ISC
"""A network of the test's own: the thread that enters it, and all that it starts from then on, see nothing of the machine's.

Loopback is up there, and has the addresses that are asked for: with a network of /24 each address of it can be bound, so
that clients are strangers to the daemon, which knows 127.0.0.0/8 and its own interfaces only.
"""

import contextlib
import ctypes
import os
import subprocess

import pytest

CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


@contextlib.contextmanager
def entered(*addresses):
    """Skips where the machine forbids it. Processes and threads of the test that were started before stay outside."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a network of its own")
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            check(libc.unshare(CLONE_NEWNET), "unshare")
        except OSError as error:
            pytest.skip(f"no network namespaces here: {error}")
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            for address in addresses:
                # nodad: an IPv6 address is there at once.
                flags = ["nodad"] if ":" in address else []
                subprocess.run(["ip", "address", "add", address, "dev", "lo", *flags], check=True)
            yield
        finally:
            check(libc.setns(before, CLONE_NEWNET), "setns")
    finally:
        os.close(before)
