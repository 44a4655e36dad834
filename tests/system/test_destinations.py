# SPDX-License-Identifier: ISC
"""Destinations as the administrator sees them: listed, counted by age, suspended and resumed."""

import pytest

import house
import postern
import smtp

CONFIG = """\
action "a" relay host "smtp://127.0.0.1:{a}"
action "b" relay host "smtp://127.0.0.1:{b}"
match from any for domain "a.example" action "a"
match from any for domain "b.example" action "b"
"""


@pytest.fixture(name="place")
def fixture_place(daemons, sinks):
    class Place:
        def __init__(self):
            self.a, self.b = sinks(), sinks()
            self.daemon = daemons(CONFIG.format(a=self.a.port, b=self.b.port)).start()
            self.name = f"a/smtp://127.0.0.1:{self.a.port}"

        def send(self, *recipients):
            smtp.deliver(self.daemon.port, "joe@near.example", recipients, house.MESSAGES["plain"])

        def list(self, *options):
            return {row["name"]: row for row in self.daemon.ctl_json("show", "destinations", *options)}

    return Place()


def test_a_suspended_destination_waits_and_others_do_not(place):
    assert "1 destination suspended" in place.daemon.ctl("suspend", "destination", place.name)
    place.send("x@a.example", "y@a.example", "x@b.example")
    place.b.wait(1)
    row = place.list("--waiting", "1")[place.name]
    assert (row["waiting"], row["state"], row["cause"]) == (2, "suspended", "pause")
    assert list(place.list("--down")) == [place.name]
    entry = place.daemon.queue_list()[0]
    assert entry["state"] == "paused"
    assert "suspended" in place.daemon.ctl("show", "envelope", entry["message"])
    place.daemon.restart()
    assert place.list()[place.name]["state"] == "suspended"
    place.daemon.ctl("resume", "destination", place.name)
    place.a.wait(1)
    place.daemon.wait_queue_empty()


def test_a_suspension_ends_when_its_time_has_come(place):
    place.daemon.ctl("suspend", "destination", place.name, "for", "2s")
    place.send("x@a.example")
    assert place.list()[place.name]["state"] == "suspended"
    assert "that ends in" in place.daemon.ctl("show", "envelope", place.daemon.queue_list()[0]["message"])
    place.a.wait(1)


def test_orders_that_make_no_sense(place):
    for words in (["a.example"], ["nothing/a.example"]):
        assert "no such destination" in place.daemon.ctl("suspend", "destination", *words, check=False)
    for words in ([place.name, "for"], [place.name, "for", "2x"], [place.name, "until", "2h"], [place.name, "for", "0"]):
        place.daemon.ctl("suspend", "destination", *words, check=False)
    assert not place.list()


def test_the_queue_by_destination_and_by_age(place):
    place.daemon.ctl("pause", "mta")
    place.send("x@a.example", "y@a.example")
    place.send("x@b.example")
    ages = place.daemon.ctl_json("show", "queue", "--by", "age")
    assert [(row["waiting"], row["below_minutes"]["5"]) for row in ages] == [(2, 2), (1, 1)]
    assert [row["waiting"] for row in place.daemon.ctl_json("show", "queue", "--by", "destination")] == [2, 1]
    assert place.daemon.ctl("show", "queue", "--by", "age").splitlines()[1].split()[:3] == ["all", "3", "3"]


# --- mta limit ---

@pytest.fixture(name="limited")
def fixture_limited(daemons, sinks):
    def make(limits, *recipients):
        sink = sinks()
        daemon = daemons(limits + "\n" + CONFIG.format(a=sink.port, b=sink.port)).start()
        for recipient in recipients:
            smtp.deliver(daemon.port, "joe@near.example", [recipient], house.MESSAGES["plain"])
        return daemon, sink

    return make


def test_a_rate_of_messages(limited):
    daemon, sink = limited("mta limit messages-per-hour 1", "x@a.example", "y@a.example")
    sink.wait(1)
    postern.wait_until(lambda: len(daemon.queue_list()) == 1, what="the result of the first")
    row, = daemon.ctl_json("show", "queue", "--by", "destination")
    assert (row["waiting"], row["state"], row["cause"], row["rate"]) == (1, "limited", "our-limit", "1 message an hour")
    assert "limited to a rate" in daemon.ctl("show", "envelope", daemon.queue_list()[0]["message"])


def test_messages_over_one_connection(limited):
    daemon, sink = limited("mta limit for domain 127.0.0.1 session-mail-max 1 max-conn-per-host 1",
                           "x@a.example", "y@a.example", "z@a.example")
    mails = sink.wait(3)
    assert len({mail.session for mail in mails}) == 3
    daemon.wait_queue_empty()


def test_only_addresses_of_one_family(limited):
    daemon, _ = limited("mta limit inet6", "x@a.example")
    daemon.wait_for_log("event=destination-down .*mta limit inet6")


def test_soft_bounce_tries_again_what_was_refused(daemons, sinks):
    sink = sinks(answers={"RCPT": "550 5.1.1 no such user"})
    daemon = daemons("soft-bounce\n" + CONFIG.format(a=sink.port, b=sink.port)).start()
    daemon.wait_for_log("event=soft-bounce")
    smtp.deliver(daemon.port, "joe@near.example", ["x@a.example"], house.MESSAGES["plain"])
    daemon.wait_for_log('event=deferred .*reply="550 5.1.1')
    entry, = daemon.queue_list()
    assert (entry["to"], entry["tries"]) == ("x@a.example", 1)
    assert "soft-bounce" in daemon.ctl("show", "status")
    assert daemon.ctl_json("show", "status")["soft_bounce"]
