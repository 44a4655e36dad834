# SPDX-License-Identifier: ISC
"""Starting twice, ending, being stopped, losing the parent or the reader of the log (SECURITY F17, F18, F19, F20, F21)."""

import os
import signal
import time

import pytest

import conftest
import postern
import smtp

GONE_SECONDS = 2
STOP_SECONDS_MAX = 5
PUMP_FAULT_SECONDS = 2
# PROCESS_SILENT_MS
SILENT_SECONDS = 30
SENDER = "a@c.example"
RECIPIENT = "b@far.example"


def test_F18_a_second_daemon_with_the_same_runtime_is_refused(relaying):
    first, sink = relaying
    second = postern.Daemon(conftest.RELAY, folder=first.folder + "-second", sink=sink.port,
                            base=postern.BASE_CONFIG.replace("{folder}", first.folder))
    os.makedirs(second.folder)
    try:
        with pytest.raises(postern.StartFailed) as failure:
            second.start()
        assert str(first.pid) in str(failure.value), f"the first one's pid is not named: {failure.value}"
    finally:
        os.unlink(second.config)
        os.rmdir(second.folder)
    smtp.deliver(first.port, SENDER, [RECIPIENT], smtp.message("still"))
    sink.wait(1)


def test_F18_a_second_daemon_on_the_same_spool_is_refused(relaying):
    first, sink = relaying
    second = postern.Daemon(conftest.RELAY, sink=sink.port,
                            base=postern.BASE_CONFIG.replace("{folder}/spool", first.spool))
    try:
        with pytest.raises(postern.StartFailed):
            second.start()
        postern.wait_until(lambda: not second.family(), 5, "the end of the second daemon's processes")
    finally:
        second.allow("level=error", "event=process-died .*process=queue")
        second.close()
    smtp.deliver(first.port, SENDER, [RECIPIENT], smtp.message("still"))
    sink.wait(1)


@pytest.mark.deadline(120)
def test_F18_a_race_has_one_winner(daemons, sinks, folder):
    """Ten times, three at once on one spool and runtime: never two that serve."""
    sink = sinks()
    for turn in range(10):
        rivals = []
        for number in range(3):
            place = os.path.join(folder, f"rival-{turn}-{number}")
            os.makedirs(place)
            rival = postern.Daemon(conftest.RELAY, folder=place, sink=sink.port,
                                   base=postern.BASE_CONFIG.replace("{folder}", folder))
            rival.port = postern.free_port()
            rival.write_config()
            rivals.append(rival)
        for rival in rivals:
            rival.launch()
        postern.wait_until(lambda: sum(rival.process.poll() is not None for rival in rivals) >= 2, 20,
                           "the end of two of three")
        winners = [rival for rival in rivals if rival.process.poll() is None]
        assert len(winners) == 1, f"{len(winners)} won"
        winners[0].wait_greeting()
        for rival in rivals:
            rival.stop()


def test_F21_without_their_parent_all_others_end(relaying):
    daemon, _ = relaying
    family = [pid for pid, _ in daemon.family()]
    assert len(family) >= 8
    begin = time.monotonic()
    postern.RUNNING.discard(daemon.pid)
    os.kill(daemon.pid, signal.SIGKILL)
    daemon.process.wait()
    left = daemon.left_behind(family, GONE_SECONDS)
    assert not left, f"after {GONE_SECONDS} s there were still {left}"
    print(f"all gone after {time.monotonic() - begin:.2f} s")
    daemon.process = None
    daemon.start()


def test_F17_an_idle_daemon_stops_at_once(relaying):
    daemon, _ = relaying
    begin = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - begin < STOP_SECONDS_MAX


def test_F17_a_transaction_that_runs_may_end(relaying):
    """SIGTERM in the middle of a message: it is taken, and is there after the next start."""
    daemon, sink = relaying
    with smtp.Client(daemon.port) as client, smtp.Client(daemon.port) as idle:
        client.ehlo()
        idle.ehlo()
        client.envelope(SENDER, [RECIPIENT])
        client.command("DATA", 354)
        client.send(b"Subject: last\r\n\r\n")
        daemon.process.terminate()
        assert idle.reply().code == 421
        client.send(b"x\r\n.\r\n")
        assert client.reply().code == 250
        assert client.reply().code == 421
    assert daemon.process.wait(STOP_SECONDS_MAX + 10) == 0
    daemon.stop()
    daemon.start()
    sink.wait(1)


def test_F17_a_session_that_does_nothing_does_not_hold_the_stop(relaying):
    daemon, _ = relaying
    with smtp.Client(daemon.port) as client:
        client.ehlo()
        client.envelope(SENDER, [RECIPIENT])
        begin = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - begin < STOP_SECONDS_MAX
        assert b"421" in client.drain()


@pytest.mark.parametrize("kind", ["smtpd", "router", "userdb", "queue", "relay", "resolver", "control", "log"])
@pytest.mark.deadline(90)
def test_F19_a_process_that_stands_still_for_a_second(daemons, sinks, kind):
    sink = sinks()
    daemon = daemons(conftest.RELAY, sink=sink.port).start()
    pids = daemon.pids(kind)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        client = smtp.Client(daemon.port, greet=False, seconds=30)
        time.sleep(1)  # the fault itself
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    client.reply()
    client.ehlo()
    client.envelope(SENDER, [RECIPIENT])
    client.data(smtp.message("late"))
    client.quit()
    sink.wait(1, 20)
    assert daemon.pids(kind) == pids, "it was taken for dead after a second"


@pytest.mark.deadline(120)
@pytest.mark.parametrize("whole_family", [False, True], ids=["the parent", "all of them"])
def test_F19_a_parent_that_stood_still_does_not_blame_the_others(relaying, whole_family):
    """For longer than a process may be silent: SIGSTOP, a frozen cgroup, a paused machine."""
    daemon, sink = relaying
    before = daemon.family()
    stopped = [daemon.pid] + [pid for pid, _ in before if whole_family]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(SILENT_SECONDS + 1)  # the fault itself
    mark = daemon.log.mark()
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    daemon.ctl("log", "verbose")
    daemon.ctl("log", "brief")
    smtp.deliver(daemon.port, SENDER, [RECIPIENT], smtp.message("after"))
    sink.wait(1)
    daemon.wait_for_log("event=delivered", start=mark)
    assert sorted(daemon.family()) == sorted(before), "processes were ended for the parent's own absence"


@pytest.mark.deadline(90)
def test_F19_a_process_that_stands_still_for_long_is_replaced(relaying):
    daemon, sink = relaying
    daemon.allow("event=process-died .*process=router .*signal=9")
    router = daemon.pids("router")[0]
    os.kill(router, signal.SIGSTOP)
    daemon.wait_for_log(f"event=process-silent .*process=router .*pid={router}", SILENT_SECONDS + 25)
    postern.wait_until(lambda: daemon.pids("router") not in ([router], []), 5, "another router")
    postern.wait_until(lambda: takes_mail(daemon), 5, "mail being taken")
    sink.wait(1)


def takes_mail(daemon):
    with smtp.Client(daemon.port) as client:
        client.ehlo()
        client.command(f"MAIL FROM:<{SENDER}>", 250)
        if client.command(f"RCPT TO:<{RECIPIENT}>").code != 250:
            return False
        return client.data(smtp.message("x"), want=None).code == 250


def test_F19_while_the_queue_stands_still_nobody_hears_250(relaying):
    daemon, sink = relaying
    queue = daemon.pids("queue")[0]
    with smtp.Client(daemon.port) as client:
        client.ehlo()
        client.envelope(SENDER, [RECIPIENT])
        client.command("DATA", 354)
        os.kill(queue, signal.SIGSTOP)
        try:
            client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
            assert client.silent(1.0)
            with smtp.Client(daemon.port) as other:
                other.ehlo()
                other.command("NOOP", 250)
        finally:
            os.kill(queue, signal.SIGCONT)
        assert client.reply().code == 250
    sink.wait(1)


@pytest.mark.deadline(90)
def test_F20_nobody_reads_the_log(relaying):
    """Its reader is slow, then gone: mail goes on."""
    daemon, sink = relaying
    pump = daemon.pids("log")[0]
    os.kill(pump, signal.SIGSTOP)
    try:
        with smtp.Client(daemon.port) as client:
            client.ehlo()
            for number in range(300):
                client.envelope(SENDER, [RECIPIENT])
                client.data(smtp.message(f"m{number}"))
        sink.wait(300, 30)
    finally:
        os.kill(pump, signal.SIGCONT)
    daemon.wait_for_log("event=delivered")
    os.kill(pump, signal.SIGKILL)
    postern.wait_until(lambda: daemon.pids("log") not in ([pump], []), 5, "another pump")
    mark = daemon.log.mark()
    smtp.deliver(daemon.port, SENDER, [RECIPIENT], smtp.message("after"))
    sink.wait(301)
    daemon.wait_for_log("event=delivered", start=mark)


def test_F20_a_log_process_that_keeps_dying_is_started_ever_more_rarely(relaying):
    """Killed whenever it is there, for so many seconds: at once three times, then after 0.1, 0.2, 0.4 ... seconds."""
    daemon, sink = relaying
    killed, end = set(), time.monotonic() + PUMP_FAULT_SECONDS
    while time.monotonic() < end:
        for pid in daemon.pids("log"):
            if pid not in killed and postern.alive(pid):
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        time.sleep(postern.POLL_SECONDS)
    assert 3 <= len(killed) <= 8, f"{len(killed)} were started"
    postern.wait_until(lambda: [pid for pid in daemon.pids("log") if pid not in killed], 5, "another pump")

    def is_told():
        """The pump may be there before everybody has the new descriptor."""
        smtp.deliver(daemon.port, SENDER, [RECIPIENT], smtp.message("after"))
        return daemon.log.count("event=delivered")

    postern.wait_until(is_told, 10, "a line of the log")
    sink.wait(1)


def test_F20_stderr_is_closed(relaying):
    daemon, sink = relaying
    daemon.log.give_up()
    for number in range(20):
        smtp.deliver(daemon.port, SENDER, [RECIPIENT], smtp.message(f"m{number}"))
    sink.wait(20)
