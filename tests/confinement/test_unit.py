# SPDX-License-Identifier: ISC
"""The daemon works where its starter has already installed filters of system calls: as the shipped unit of systemd does, and
the runtimes of containers."""

import os

import pytest

import confined
import postern
import smtp

AS_UNIT = ["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "as_unit.py")]
MESSAGES = 5
RELAY = """\
action "out" relay host "smtp://127.0.0.1:{sink}"
match from any for any action "out"
"""


def filters_of(pid):
    return int(confined.status(pid).get("Seccomp_filters", "0"))


def test_log_lines_arrive_below_filters_that_are_there_already(daemons, sinks):
    if postern.is_sanitized():
        pytest.skip("a sanitizer's run-time makes calls that the filters do not expect")
    sink = sinks()
    daemon = daemons(RELAY, sink=sink.port, prefix=[*AS_UNIT, "--filters-only"]).start()
    assert filters_of(daemon.pid) > 1, "the filters are not there, and nothing is tested"
    daemon.wait_for_log("event=started")
    pump = daemon.pids("log")
    assert len(pump) == 1
    for number in range(MESSAGES):
        mark = daemon.log.mark()
        smtp.deliver(daemon.port, "a@c.example", ["b@far.example"], smtp.message(f"m{number}"))
        daemon.wait_for_log("event=delivered", start=mark)
    sink.wait(MESSAGES)
    assert daemon.pids("log") == pump, "the log's process was started again"
    assert daemon.log.count("event=log-lines-lost") == 0


def test_mail_passes_all_processes_under_the_options_of_the_unit(scene):
    if postern.is_sanitized():
        pytest.skip("a sanitizer's run-time makes calls that the filters do not expect")
    scene.daemon.prefix = AS_UNIT
    scene.start()
    outside = filters_of(scene.daemon.pid)
    assert outside > 1, "the filters are not there, and nothing is tested"
    assert not os.access(f"/proc/{scene.daemon.pid}/root/usr", os.W_OK), "/usr can be written to"
    first = {kind: scene.daemon.pids(kind) for kind in (*confined.KINDS, "log") if kind != "mailbox"}
    for kind in (*confined.KINDS, "log"):
        status = confined.status(scene.pid(kind))
        assert status["NoNewPrivs"] == "1", kind
        assert filters_of(scene.pid(kind)) == outside + 1, kind
        assert int(status["CapEff"], 16) == 0, kind
    scene.send()
    assert {kind: scene.daemon.pids(kind) for kind in first} == first, "a process was started again"
