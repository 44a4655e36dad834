# SPDX-License-Identifier: ISC
"""Between a message's bytes and its 250 there is a sync, in the real queue process (SECURITY F-D).

The journal is written with pwritev and synced with fdatasync. LMDB writes pages with pwrite or writev and syncs them
with fdatasync; its meta page, which makes the transaction be, goes through a descriptor of its own that was opened with
O_DSYNC: a write there is a sync by itself.
"""

import os

import pytest

import proto_wire
import smtp
import strace

CALLS = ("recvmsg", "sendmsg", "fdatasync", "fsync", "pwrite64", "pwritev", "pwritev2", "write", "writev", "msync")
WRITES = ("pwrite64", "pwritev", "pwritev2", "write", "writev")
SYNCS = ("fdatasync", "fsync", "msync")
MARK = "a-word-that-stands-in-this-message-only"


def spool_descriptors(pid):
    """{number: whether each write is a sync} of the file of the store, and the number of the journal's."""
    found, journal = {}, None
    for name in os.listdir(f"/proc/{pid}/fd"):
        file = os.path.basename(os.readlink(f"/proc/{pid}/fd/{name}"))
        if file == "journal":
            journal = int(name)
        if file == "data.mdb":
            with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as file:
                flags = next(int(line.split()[1], 8) for line in file if line.startswith("flags:"))
            found[int(name)] = bool(flags & os.O_DSYNC)
    return found, journal


@pytest.fixture(name="traced")
def fixture_traced(relaying):
    reason = strace.missing()
    if reason:
        pytest.skip(reason)
    daemon, _ = relaying
    smtp.deliver(daemon.port, "a@c.example", ["b@far.example"], smtp.message("warm"))
    return daemon


def trace_one(daemon, body):
    """The calls of queue while one message comes in, and the descriptors of its spool."""
    pid = daemon.pids("queue")[0]
    files = spool_descriptors(pid)
    trace = strace.Strace(pid, "-xx", "-s", "300000", trace=CALLS)
    smtp.deliver(daemon.port, "a@c.example", ["b@far.example"], smtp.message("traced", body=body))
    return trace.stop(), files


def between_bytes_and_done(calls):
    mark = MARK.encode("ascii")
    took = [call for call in calls if call.name == "recvmsg" and mark in call.data()]
    assert took, "the message's bytes were not seen to come in"
    bytes_in = took[-1].ended
    done = [call for call in calls if call.name == "sendmsg" and call.begun > bytes_in and
            proto_wire.TYPES["DONE"] in [frame.type for frame in proto_wire.frames(call.data())]]
    assert done, "no DONE was seen"
    answer = done[0].begun
    return [call for call in calls if call.begun > bytes_in and call.ended is not None and call.ended < answer]


def judge(between, files):
    """Writes and syncs of the store among them."""
    writes = [call for call in between if call.name in WRITES and call.fd() in files]
    syncs = [call for call in between if call.name in SYNCS and call.result == 0 and
             (call.name == "msync" or call.fd() in files)]
    return writes, syncs


@pytest.mark.root
def test_FD_the_journal_is_synced_between_the_bytes_and_the_250(traced):
    calls, (_, journal) = trace_one(traced, MARK + "\r\n")
    assert journal is not None, "queue has no journal"
    between = between_bytes_and_done(calls)
    writes = [call for call in between if call.name == "pwritev" and call.fd() == journal]
    assert writes and MARK.encode("ascii") in writes[-1].data(), "the message was not written to the journal"
    assert writes[-1].result and writes[-1].result > 0, "the write failed"
    assert any(call.name == "fdatasync" and call.fd() == journal and call.result == 0 and call.begun > writes[-1].ended
               for call in between), "no sync behind what was written"


def count_syncs(daemon, refused):
    """Syncs of queue while three messages come in, each behind so many refused recipients."""
    pid = daemon.pids("queue")[0]
    trace = strace.Strace(pid, "-xx", "-s", "300000", trace=CALLS)
    for number in range(3):
        with smtp.Client(daemon.port) as client:
            client.ehlo()
            client.command("MAIL FROM:<a@c.example>", 250)
            for other in range(refused):
                client.command(f"RCPT TO:<u{other}@-.example>", 501)
            client.command("RCPT TO:<b@far.example>", 250)
            client.data(smtp.message(f"{refused}.{number}"))
        # Its delivery is recorded before the next comes in, so that no two rounds share a commit.
        daemon.wait_queue_empty()
    calls = trace.stop()
    return len([call for call in calls if call.name in SYNCS and call.result == 0])


@pytest.mark.root
def test_what_was_refused_costs_no_sync(traced):
    # How many commits share a message's way is a matter of time: the best of each counts.
    assert min(count_syncs(traced, 3) for _ in range(3)) <= min(count_syncs(traced, 0) for _ in range(3))
    assert len(traced.ctl_json("history", "--event", "rejected")) == 27


@pytest.mark.root
@pytest.mark.parametrize("size", [70000, 200000])
def test_FD_a_large_one_is_synced_between_the_bytes_and_the_250(traced, size):
    line = MARK + "\r\n"
    calls, (files, _) = trace_one(traced, line * (size // len(line)))
    assert files, "the spool's files were not found"
    writes, syncs = judge(between_bytes_and_done(calls), files)
    data = [call for call in writes if not files[call.fd()]]
    meta = [call for call in writes if files[call.fd()]]
    assert data, "nothing was written"
    assert all(call.result and call.result > 0 for call in writes), "a write failed"
    last = max(call.ended for call in data)
    assert any(sync.begun > last for sync in syncs), "no sync behind the last page that was written"
    first_sync = min(sync.ended for sync in syncs if sync.begun > last)
    if meta:
        assert any(call.begun > first_sync for call in meta), "the meta page was written before the pages were synced"
    else:
        assert len([sync for sync in syncs if sync.begun > last]) >= 2, "the meta page was not synced"
