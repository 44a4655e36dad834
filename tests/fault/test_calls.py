# SPDX-License-Identifier: ISC
"""System calls that fail for want of something, or are interrupted, in each kind of process while mail flows (SECURITY F04,
F09, F15): nothing is lost, nobody dies or spins, and mail goes on when it is over."""

import os
import re
import signal
import time

import pytest

import conftest
import load as load_module
import postern
import scenarios
import smtp
import strace

ONE_EACH = postern.BASE_CONFIG.replace("smtp workers 2", "smtp workers 1").replace("mta workers 2", "mta workers 1")
FILES = 256
TICKS = os.sysconf("SC_CLK_TCK")

ROWS = [
    # process, call, error, which ones: all of a range, since a call that strace leaves half-way has a result of its own
    ("smtpd", "accept4", "EMFILE", "1..7+2"),
    ("smtpd", "accept4", "ECONNABORTED", "1..7+2"),
    ("smtpd", "recvfrom", "EINTR", "1..28+3"),
    ("smtpd", "sendto", "EINTR", "1..28+3"),
    ("router", "recvmsg", "EINTR", "1..28+3"),
    ("router", "sendmsg", "EINTR", "1..28+3"),
    ("queue", "recvmsg", "EINTR", "1..28+3"),
    ("queue", "sendmsg", "EINTR", "1..28+3"),
    ("queue", "pwrite64", "EINTR", "2..17+5"),
    ("relay", "socket", "EMFILE", "1..2+1"),
    ("relay", "connect", "ENOBUFS", "1..2+1"),
    ("relay", "sendto", "EINTR", "1..28+3"),
    ("relay", "recvfrom", "EINTR", "1..28+3"),
    ("posternd", "clone,clone3,vfork", "EAGAIN", "1"),
    ("mailbox", "write", "EINTR", "1..28+3"),
    ("mailbox", "fsync", "EIO", "1"),
    ("mailbox", "openat,openat2", "EMFILE", "2"),
]


def which_ones(when):
    """The numbers that strace makes of first..last+step."""
    match = re.fullmatch(r"(\d+)(?:\.\.(\d+)\+(\d+))?", when)
    return range(int(match[1]), int(match[2] or match[1]) + 1, int(match[3] or 1))


@pytest.fixture(name="load")
def fixture_load(folder):
    reason = strace.missing()
    if reason:
        pytest.skip(reason)
    load = load_module.Load(folder)
    yield load
    load.close()


def start(load, folder, daemons):
    statements, values = load.configuration()
    return daemons(statements, base=ONE_EACH, folder=folder, **values).start()


@pytest.mark.root
@pytest.mark.parametrize("process, call, error, when", ROWS, ids=["-".join(row[:3]) for row in ROWS])
def test_F04_F09_a_call_that_fails(load, folder, daemons, process, call, error, when):
    daemon = start(load, folder, daemons)
    if process != "relay":
        # Its connections are made once: there, the first ones have to fail.
        load.start_client(daemon.port, per_session=3, sessions=4)
        load.wait_acknowledged(20)
    pid = postern.wait_until(lambda: daemon.pids(process), what=f"a {process}")[0]
    own = ["-e", f"inject={call}:error={error}:syscall=getpid:when={when}"]
    trace = strace.Strace(pid, *own, trace=(call,))
    if process == "relay":
        load.start_client(daemon.port, per_session=3, sessions=4)
    if process == "posternd":
        # So that it has one to start.
        os.kill(postern.wait_until(lambda: daemon.pids("mailbox"), what="a mailbox process")[0], signal.SIGKILL)
    try:
        times = len(which_ones(when))
        postern.wait_until(lambda: sum("INJECTED" in line for line in trace.lines) >= times, 20, f"{call} that fails")
        load.wait_acknowledged(20)
    finally:
        trace.stop()
    load.wait_acknowledged(20)
    daemon.allow("event=(accept|mailbox-failed|process-died .*process=mailbox)")
    balance = scenarios.settle(load, daemon)
    print(balance.summary())
    died = [line for line in daemon.log.lines if "event=process-died" in line and process != "posternd"]
    assert not died, died
    assert daemon.log.count("event=bounced") == 0
    if error == "EINTR":
        # That is nobody's trouble.
        assert daemon.log.count("connection lost|event=(deferred|rejected|peer-broke)") == 0


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@pytest.mark.root
def test_F09_no_descriptor_for_a_client(daemons, sinks):
    """It rests for 100 ms between two tries, does not spin, and serves whoever waited when there is one again."""
    reason = strace.missing()
    if reason:
        pytest.skip(reason)
    sink = sinks()
    daemon = daemons(conftest.RELAY, base=ONE_EACH, sink=sink.port).start()
    pid, = daemon.pids("smtpd")
    trace = strace.Strace(pid, "-e", "inject=accept4:error=EMFILE:syscall=getpid:when=1..15+1", trace=("accept4",))
    daemon.allow("event=accept ")
    try:
        client = smtp.Client(daemon.port, greet=False)
        daemon.wait_for_log("event=accept ")
        mark, before, begin = daemon.log.count("event=accept "), cpu_seconds(pid), time.monotonic()
        postern.wait_until(lambda: daemon.log.count("event=accept ") >= mark + 10, what="ten more tries")
        took = time.monotonic() - begin
        assert took > 0.8, f"ten tries within {took:.2f} s"
        assert cpu_seconds(pid) - before < 0.2, "it spins"
        assert client.reply().code == 220
    finally:
        trace.stop()
    client.quit()
    smtp.deliver(daemon.port, "a@c.example", ["b@far.example"], smtp.message("after"))
    sink.wait(1)
    assert daemon.pids("smtpd") == [pid]


def test_F09_sessions_leave_descriptors_over(daemons, sinks):
    """Of few descriptors 80 percent are for sessions; who comes then hears 421, and the mail of the others goes on."""
    sink = sinks()
    daemon = daemons(conftest.RELAY, base=ONE_EACH, prefix=["prlimit", f"--nofile={FILES}:{FILES}"], sink=sink.port).start()
    clients, last = [], None
    while last is None:
        client = smtp.Client(daemon.port)
        clients.append(client)
        assert len(clients) <= FILES, "no end of sessions"
        if client.greeting.code != 220:
            last = client.greeting
    assert (last.code, last.enhanced) == (421, "4.3.2"), last
    assert len(clients) == FILES * 80 // 100 + 1
    clients[0].ehlo()
    clients[0].envelope("a@c.example", ["b@far.example"])
    clients[0].data(smtp.message("within"))
    sink.wait(1)
    for client in clients:
        client.close()
    smtp.deliver(daemon.port, "a@c.example", ["b@far.example"], smtp.message("after"))
    sink.wait(2)
    assert daemon.log.count("event=accept ") == 0
