# SPDX-License-Identifier: ISC
"""A message that kills the relay process that delivers it is held after three deaths; what went with it goes out (SECURITY X07)."""

import os
import signal

import pytest

import conftest
import postern
import smtp

RECIPIENT = "b@far.example"
INNOCENT = 8
DEATHS = 3  # QUEUE_RETURNS_MAX


@pytest.mark.deadline(90)
def test_X07_the_message_that_kills_is_held_and_no_other(daemons, sinks):
    armed = [True]
    deaths = []

    def kill_relay(_session, argument):
        if armed[0] and "poison" in argument:
            deaths.append(daemon.pids("relay")[0])
            os.kill(deaths[-1], signal.SIGKILL)
        return True

    sink = sinks(answers={"MAIL": kill_relay})
    daemon = daemons("mta workers 1\n" + conftest.RELAY, sink=sink.port)
    daemon.start()
    daemon.allow("event=process-died .*process=relay", "event=held", "event=peer-.* level=warning")
    daemon.ctl("pause", "mta")
    for number in range(INNOCENT):
        smtp.deliver(daemon.port, f"a{number}@c.example", [RECIPIENT], smtp.message(f"a{number}"))
        if number == 2:
            smtp.deliver(daemon.port, "poison@c.example", [RECIPIENT], smtp.message("poison"))
    daemon.ctl("resume", "mta")
    daemon.wait_for_log("event=held")
    assert len(deaths) == DEATHS
    postern.wait_until(lambda: len({mail.sender for mail in sink.mails}) == INNOCENT, 30, "the mail of the others")
    postern.wait_until(lambda: len(daemon.queue_list()) == 1, 10, "a queue with one entry")
    entry = daemon.queue_list()[0]
    assert entry["state"] == "held" and f"died {DEATHS} times" in entry["why"], entry
    armed[0] = False
    daemon.ctl("schedule", entry["message"])
    daemon.wait_queue_empty()
    assert len(deaths) == DEATHS
