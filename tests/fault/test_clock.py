# SPDX-License-Identifier: ISC
"""A calendar that jumps while the daemon runs, or was wrong when it started (SECURITY F11): no mail expires untried, none is
tried in a storm, none waits for years."""

import time

import pytest

import postern
import preload as preload_module
import smtp

HOUR = 3600
YEAR = 365 * 24 * HOUR
# Retries that no test lives to see, and retries that it does.
SLOW = postern.BASE_CONFIG.replace("queue retry 1s 2s", "queue retry 30m 1h")
EXTRA = """\
action "out" relay host "smtp://127.0.0.1:{sink}"
action "down" relay host "smtp://127.0.0.1:{down}"
match from any for domain "down.example" action "down"
match from any for any action "out"
"""
TRIED = "event=deferred .*to=a@down.example"


@pytest.fixture(name="preload")
def fixture_preload(folder):
    return preload_module.make(folder)


@pytest.fixture(name="start")
def fixture_start(preload, folder, daemons, sinks):
    def start(base=postern.BASE_CONFIG):
        sink = sinks()
        daemon = daemons(EXTRA, base=base, folder=folder, prefix=preload.prefix, sink=sink.port, down=postern.free_port())
        return daemon.start(), sink
    return start


def now():
    return int(time.time())


def send(daemon, recipient, name):
    return smtp.deliver(daemon.port, "", [recipient], smtp.message(name))


def ended(daemon):
    """Messages that came to an end other than delivery."""
    return daemon.log.count("event=(bounced|expired|removed) ")


JUMPS = [("an hour ahead", HOUR), ("an hour back", -HOUR), ("ten years ahead", 10 * YEAR), ("ten years back", -10 * YEAR),
         ("to 1970", None)]


@pytest.mark.parametrize("seconds", [jump[1] for jump in JUMPS], ids=[jump[0] for jump in JUMPS])
def test_F11_a_jump_in_service(start, preload, sinks, seconds):
    daemon, sink = start(SLOW)
    send(daemon, "a@down.example", "waits")
    daemon.wait_for_log(TRIED)
    send(daemon, "a@far.example", "before")
    sink.wait(1)
    tries = daemon.log.count(TRIED)
    preload.set_calendar(-now() if seconds is None else seconds)
    for number in range(5):
        send(daemon, "a@far.example", f"after{number}")
    sink.wait(6)
    # Has the destination looked at.
    send(daemon, "a@down.example", "waits too")
    send(daemon, "a@far.example", "behind")
    sink.wait(7)
    assert daemon.log.count(TRIED) == tries, "the jump made it due"
    # It can still be asked for, does not expire by that, and goes when it can.
    daemon.ctl("schedule", "all")
    postern.wait_until(lambda: daemon.log.count(TRIED) > tries, what="another try")
    assert ended(daemon) == 0
    sinks(port=daemon.values["down"])
    daemon.ctl("schedule", "all")
    daemon.wait_queue_empty()
    assert ended(daemon) == 0


STARTS = [
    # what, the calendar of the first run, of the second
    ("at 1970, then right", lambda: -now(), lambda: 0),
    ("ten years ahead, then right", lambda: 10 * YEAR, lambda: 0),
    ("right, then ten years ahead", lambda: 0, lambda: 10 * YEAR),
    ("right, then 1970", lambda: 0, lambda: -now()),
    ("right, then after 2038", lambda: 0, lambda: 0x80000000 - now() + YEAR),
]


@pytest.mark.parametrize("first, second", [row[1:] for row in STARTS], ids=[row[0] for row in STARTS])
def test_F11_a_start_with_a_wrong_calendar(start, preload, sinks, first, second):
    """What waits from another time is tried before anything else becomes of it, and soon."""
    preload.set_calendar(first())
    daemon, sink = start()
    send(daemon, "a@down.example", "waits")
    daemon.wait_for_log(TRIED)
    daemon.stop()
    back = sinks(port=daemon.values["down"])
    preload.set_calendar(second())
    daemon.start()
    back.wait(1, 5)
    daemon.wait_queue_empty()
    assert ended(daemon) == 0
    send(daemon, "a@far.example", "new")
    text = sink.wait(1)[0].data.decode()
    assert time.strftime("%Y", time.gmtime(now() + second())) in text.partition("Subject:")[0]
