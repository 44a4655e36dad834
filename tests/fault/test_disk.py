# SPDX-License-Identifier: ISC
"""A disk that is full, and one that fails: nothing acknowledged is lost, service returns by itself (SECURITY F03, F04, F05)."""

import os
import subprocess

import pytest

import load as load_module
import postern
import scenarios
import smtp
import strace

SMALL = "smtp max-message-size 256K\nqueue size 1G\n"
DISK_BYTES = 64 << 20
FULL_SECONDS = 60
FILL_CYCLES = 3
BODY = "x" * 70 + "\r\n"


@pytest.fixture(name="disk")
def fixture_disk(folder):
    reason = scenarios.can_mount(folder)
    if reason:
        pytest.skip(reason)
    disk = scenarios.Disk(folder, DISK_BYTES)
    yield disk
    disk.close()


@pytest.fixture(name="load")
def fixture_load(folder):
    load = load_module.Load(folder)
    yield load
    load.close()


def try_one(port, name, recipient, size=200000):
    """Sends one message; returns the last reply."""
    with smtp.Client(port) as client:
        client.ehlo()
        for command in (f"MAIL FROM:<{name}@client.example>", f"RCPT TO:<{recipient}>"):
            reply = client.command(command)
            if reply.code != 250:
                return reply
        return client.data(smtp.message(name, body=BODY * (size // len(BODY))), want=None)


def refused_for_room(port, recipient):
    reply = try_one(port, "probe", recipient)
    assert reply.code in (250, 452), f"{reply.code} {reply.text}"
    if reply.code == 452:
        assert reply.enhanced == "4.3.1", reply.text
    return reply.code == 452


@pytest.mark.root
@pytest.mark.deadline(240)
def test_F05_a_disk_that_something_else_fills(disk, load, folder, daemons):
    """Three times: a file takes all the room, mail is refused with 452 4.3.1, the file goes, mail is taken again."""
    statements, values = load.configuration()
    daemon = daemons(SMALL + statements, base=postern.BASE_CONFIG.replace("{folder}/spool", "{spool}"), folder=folder,
                     spool=os.path.join(disk.mounted, "spool"), **values)
    daemon.start()
    filler = os.path.join(disk.mounted, "filler")
    load.start_client(daemon.port, sessions=5)
    for _ in range(FILL_CYCLES):
        load.wait_acknowledged(20)
        with open(filler, "wb") as file:
            # What dd would do: until there is no more.
            try:
                while True:
                    file.write(b"x" * (1 << 20))
                    file.flush()
            except OSError:
                pass
        postern.wait_until(lambda: refused_for_room(daemon.port, load_module.FAR), FULL_SECONDS, "452 4.3.1")
        os.unlink(filler)
        postern.wait_until(lambda: not refused_for_room(daemon.port, load_module.FAR), FULL_SECONDS, "room again")
    load.wait_acknowledged(20)
    daemon.allow("event=no-room")
    balance = scenarios.settle(load, daemon)
    print(balance.summary())


@pytest.mark.root
@pytest.mark.deadline(240)
def test_F05_a_disk_that_the_queue_fills(disk, load, folder, daemons, sinks):
    """Mail for a dead server fills the disk; when the server is back, all of it goes out and there is room again."""
    statements, values = load.configuration()
    daemon = daemons(SMALL + statements, base=postern.BASE_CONFIG.replace("{folder}/spool", "{spool}"), folder=folder,
                     spool=os.path.join(disk.mounted, "spool"), **values)
    daemon.start()
    taken = 0
    while True:
        reply = try_one(daemon.port, f"m{taken}", "a@dead.example")
        if reply.code != 250:
            break
        taken += 1
        assert taken < DISK_BYTES // 200000, "the disk must be full by now"
    assert (reply.code, reply.enhanced) == (452, "4.3.1"), reply.text
    assert taken > 20, f"only {taken} messages fit"
    sink = sinks(port=load.dead_port)
    mails = sink.wait(taken, 120)
    assert sorted(mail.sender.split("@")[0] for mail in mails) == sorted(f"m{number}" for number in range(taken))
    postern.wait_until(lambda: not refused_for_room(daemon.port, "a@dead.example"), FULL_SECONDS, "room again")
    daemon.allow("event=no-room")


FAILURES = [
    # what fails, with what, which one
    ("fdatasync", "EIO", "1"), ("fdatasync", "EIO", "2"), ("fdatasync", "EIO", "7+5"), ("pwrite64", "EIO", "1"),
    ("pwrite64", "EIO", "4"), ("writev", "EIO", "1"), ("writev", "EIO", "3"), ("pwrite64", "ENOSPC", "2"), ("fdatasync", "ENOSPC", "1"),
]


@pytest.mark.root
@pytest.mark.deadline(180)
@pytest.mark.parametrize("call, error, when", FAILURES, ids=["-".join(row).replace("+", "-and-each-") for row in FAILURES])
def test_F03_F04_calls_that_fail(load, folder, daemons, call, error, when):
    """Whoever waits is answered with 4xx, never 250; the queue starts anew where it has to; the ledger agrees."""
    reason = strace.missing()
    if reason:
        pytest.skip(reason)
    statements, values = load.configuration()
    daemon = daemons(statements, folder=folder, **values)
    daemon.start()
    load.start_client(daemon.port, size=30000)
    load.wait_acknowledged(20)
    pid = daemon.pids("queue")[0]
    # In the place of the call a harmless one is made: without that, strace makes number -1, which the filter refuses.
    trace = strace.Strace(pid, "-e", f"inject={call}:error={error}:syscall=getpid:when={when}", trace=(call,))
    postern.wait_until(lambda: any("INJECTED" in line for line in trace.lines) or not postern.alive(pid), 20,
                       f"{call} that fails")
    if call == "fdatasync" and error == "EIO":
        postern.wait_until(lambda: daemon.pids("queue") not in ([pid], []), 10, "a new queue process")
    trace.stop()
    # Only now: a queue that died may be seen before the line that says why is read.
    assert any("INJECTED" in line for line in trace.lines), f"{call} was not made to fail"
    load.wait_acknowledged(50)
    daemon.allow("event=(store-failed|process-died|no-room)", "event=.* level=warning")
    balance = scenarios.settle(load, daemon)
    print(balance.summary())


def test_the_tools_are_there():
    """Without them this file tests little: said in words."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for tool in ("xfs_io", "mkfs.ext4", "strace"):
        if subprocess.run(["sh", "-c", f"command -v {tool}"], stdout=subprocess.DEVNULL, check=False).returncode:
            pytest.skip(f"{tool} is not installed")
