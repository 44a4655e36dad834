# SPDX-License-Identifier: ISC
"""Between a message's bytes and its 250 there is a sync, in the real queue process (SECURITY F-D).

LMDB writes pages with pwrite or pwritev and syncs them with fdatasync; its meta page, which makes the transaction be,
goes through a descriptor of its own that was opened with O_DSYNC: a write there is a sync by itself.
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
    """{number: whether each write is a sync} of the files of the spool."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        if "data.mdb" in os.readlink(f"/proc/{pid}/fd/{name}"):
            with open(f"/proc/{pid}/fdinfo/{name}", encoding="ascii") as file:
                flags = next(int(line.split()[1], 8) for line in file if line.startswith("flags:"))
            found[int(name)] = bool(flags & os.O_DSYNC)
    return found


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


def judge(calls, files):
    """The calls between the last of the message's bytes and its DONE, sorted."""
    mark = MARK.encode("ascii")
    took = [call for call in calls if call.name == "recvmsg" and mark in call.data()]
    assert took, "the message's bytes were not seen to come in"
    bytes_in = took[-1].ended
    done = [call for call in calls if call.name == "sendmsg" and call.begun > bytes_in and
            proto_wire.TYPES["DONE"] in [frame.type for frame in proto_wire.frames(call.data())]]
    assert done, "no DONE was seen"
    answer = done[0].begun
    between = [call for call in calls if call.begun > bytes_in and call.ended is not None and call.ended < answer]
    writes = [call for call in between if call.name in WRITES and call.fd() in files]
    syncs = [call for call in between if call.name in SYNCS and call.result == 0 and
             (call.name == "msync" or call.fd() in files)]
    return writes, syncs, answer


@pytest.mark.root
@pytest.mark.parametrize("size", [10, 30000, 200000])
def test_FD_a_sync_lies_between_the_bytes_and_the_250(traced, size):
    line = MARK + "\r\n"
    calls, files = trace_one(traced, line * max(1, size // len(line)))
    assert files, "the spool's files were not found"
    writes, syncs, _ = judge(calls, files)
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
