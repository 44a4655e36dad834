# SPDX-License-Identifier: ISC
"""100,000 messages for a dead server cost one record of memory and nobody's time (SECURITY X06, F-E)."""

import math
import subprocess
import time

import pytest

import load as load_module
import postern
import smtp

MESSAGES = 100000
GROWTH_KIB_MAX = 8 * 1024
START_SECONDS_MAX = 1.0
AT_ONCE_SECONDS = 1.0
SOME = 2000
# A session takes 1,000 messages at most: 50 sessions of each chunk stay well below.
CHUNK = 20000


def memory_kib(pid):
    """RssAnon + RssShmem: pages of the mapped store do not count."""
    total = 0
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1])
    return total


def send(port, count):
    for done in range(0, count, CHUNK):
        subprocess.run([postern.built("tests/tools/smtp_load"), str(port), str(min(CHUNK, count - done)), "50", "500",
                        "a@c.example", "a@dead.example"], check=True, stdout=subprocess.DEVNULL, timeout=300)


def seconds_until_delivered(daemon, sink, number):
    begin = time.monotonic()
    smtp.deliver(daemon.port, "a@c.example", ["b@far.example"], smtp.message(f"healthy-{number}"))
    sink.wait(number)
    return time.monotonic() - begin


@pytest.mark.deadline(600)
def test_X06_a_dead_destination_with_many_messages(daemons, sinks, folder):
    # A sanitizer keeps what was freed: then the rest is tested, and memory in builds without one.
    growth_max = math.inf if postern.is_sanitized("queue") else GROWTH_KIB_MAX
    load = load_module.Load(folder)
    sink = sinks()
    statements, values = load.configuration()
    values["sink"] = sink.port
    # A second is the shortest delay there is: the worst case for a destination that is tried and tried again.
    daemon = daemons(statements, folder=folder, **values).start()
    try:
        # Once warm: threads, caches and the mail that was under way count as "empty".
        send(daemon.port, SOME)
        queue = daemon.pids("queue")[0]
        empty = memory_kib(queue)
        send(daemon.port, MESSAGES)
        full = memory_kib(queue)
        took = seconds_until_delivered(daemon, sink, 1)
        print(f"queue: {empty} KiB with {SOME} messages, {full} KiB with {MESSAGES + SOME}; a healthy one took {took:.3f} s")
        assert daemon.pids("queue") == [queue]
        assert full - empty < growth_max
        assert took < AT_ONCE_SECONDS
        daemon.stop()
        begin = time.monotonic()
        daemon.start()
        started = time.monotonic() - begin
        again = memory_kib(daemon.pids("queue")[0])
        took = seconds_until_delivered(daemon, sink, 2)
        print(f"a start with them greets after {started:.3f} s with {again} KiB; a healthy one took {took:.3f} s")
        assert started < START_SECONDS_MAX
        assert took < AT_ONCE_SECONDS
        assert again - empty < growth_max
        postern.wait_until(lambda: daemon.log.count("event=destination-down") > 0, 20, "a try of the dead one")
    finally:
        load.close()
