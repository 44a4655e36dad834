# SPDX-License-Identifier: ISC
"""Memory runs out around the queue: the kernel ends it, mail goes on, nothing acknowledged is lost (SECURITY F10)."""

import os
import subprocess
import sys
import time

import pytest

import conftest
import load as load_module
import postern
import scenarios

ROOM_BYTES = 64 << 20
KILL_SECONDS = 30
# All memory of the group but the queue's, taken little by little, as a file in memory: which is charged to the group and not to
# the size of the process, or that would be the one to be ended.
HOG = """\
import os, sys, time
with open(sys.argv[1] + "/cgroup.procs", "w") as file:
    file.write("0")
held = os.memfd_create("hog")
while True:
    os.write(held, b"x" * (1 << 19))
    time.sleep(0.02)
"""


class MemoryGroup:
    """A cgroup with a limit of memory, of version 2 or 1."""

    def __init__(self, room):
        self.path = None
        for parent, limit in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
            path = os.path.join(parent, f"postern-test-{os.getpid()}-{time.monotonic_ns()}")
            try:
                os.mkdir(path)
            except OSError:
                continue
            try:
                # Opened without creating: on a plain tmpfs the file is not there.
                fd = os.open(os.path.join(path, limit), os.O_WRONLY)
                os.write(fd, str(room).encode("ascii"))
                os.close(fd)
            except OSError:
                os.rmdir(path)
                continue
            self.path = path
            return

    def add(self, pid):
        with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(pid))

    def remove(self):
        def gone():
            try:
                os.rmdir(self.path)
                return True
            except OSError:
                return False
        if self.path:
            postern.wait_until(gone, what="an empty cgroup")


def rank(pid):
    with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as file:
        return int(file.read())


def set_rank(pid, number):
    with open(f"/proc/{pid}/oom_score_adj", "w", encoding="ascii") as file:
        file.write(str(number))


def may_lower():
    """Whether this machine lets root take a lower rank, which a container need not."""
    try:
        set_rank("self", -1)
    except PermissionError:
        return False
    set_rank("self", 0)
    return True


@pytest.mark.root
def test_F10_a_worker_is_ended_before_the_queue_and_the_parent_last(daemons, sinks):
    daemon = daemons(conftest.RELAY, sink=sinks().port).start()
    ranks = {kind: {rank(pid) for pid in daemon.pids(kind)} for kind in ("posternd", "queue", "router", "smtpd", "relay",
                                                                         "resolver", "control", "userdb")}
    assert ranks.pop("posternd") == {-1000 if may_lower() else rank("self")}
    assert ranks.pop("queue") == ranks.pop("router") == {0}
    assert ranks == dict.fromkeys(ranks, {500})


@pytest.mark.root
def test_F10_the_queue_is_ended_for_want_of_memory(folder):
    group = MemoryGroup(ROOM_BYTES)
    if group.path is None:
        pytest.skip("no cgroup with a limit of memory here")
    load = load_module.Load(folder)
    daemon = scenarios.make_daemon(load, folder)
    hog = None
    try:
        daemon.start()
        scenarios.start_load(load, daemon)
        load.wait_acknowledged(50)
        before, = daemon.pids("queue")
        group.add(before)
        # With that much for itself it lives.
        load.wait_acknowledged(50)
        assert daemon.pids("queue") == [before]
        set_rank(before, 1000)
        hog = subprocess.Popen([sys.executable, "-c", HOG, group.path])
        # Once the queue is gone the other one may be next.
        daemon.wait_for_log("event=process-died .*process=queue.*signal=9", KILL_SECONDS)
        load.wait_acknowledged(50)
        print(scenarios.settle(load, daemon).summary())
        assert all("process=queue" in line for line in daemon.log.lines if "event=process-died" in line)
    finally:
        if hog is not None:
            hog.kill()
            hog.wait()
        load.close()
        if daemon.process is not None:
            daemon.kill()
        group.remove()
