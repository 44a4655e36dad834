# SPDX-License-Identifier: ISC
"""Mail in the queue is held, released, routed again, given up and removed by id or by query; while other mail goes on."""

import re
import subprocess
import time

import pytest

import postern
import smtp

QUEUED = """\
action "out" relay host "smtp://127.0.0.1:{sink}"
match from any for any action "out"
"""
MANY, BESIDE = 20000, 2000
# Loose: a check shares its machine. The goal is 20,000 a second.
FLOOR_PER_SECOND = 4000


@pytest.fixture(name="queued")
def fixture_queued(daemons, sinks):
    """A daemon whose deliveries are paused, and where they would go."""
    sink = sinks()
    daemon = daemons(QUEUED, sink=sink.port).start()
    daemon.ctl("pause", "mta")
    return daemon, sink


def send(daemon, recipient, sender="a@s.example", body="Hello.\r\n"):
    smtp.deliver(daemon.port, sender, [recipient], smtp.message("x", body))


def recipients(daemon, *filters):
    return sorted(entry["to"] for entry in daemon.ctl_json("show", "queue", *filters))


def test_every_filter_takes_what_it_says(queued):
    daemon, _ = queued
    send(daemon, "one@r.example")
    send(daemon, "two@r2.example", sender="b@t.example", body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 200)
    destination = daemon.queue_list()[0]["destination"]
    both, one, two = ["one@r.example", "two@r2.example"], ["one@r.example"], ["two@r2.example"]
    for filters, want in [
            (["--sender", "<A@S.example>"], one), (["--sender", "@t.example"], two), (["--sender", "<>"], []),
            (["--recipient", "TWO@r2.EXAMPLE"], two), (["--recipient", "@r.example"], one),
            (["--domain", "r2.example"], two), (["--destination", destination], both), (["--destination", "x"], []),
            (["--older", "1h"], []), (["--newer", "1h"], both), (["--larger", "10K"], two), (["--smaller", "10k"], one),
            (["--cause", "none"], both), (["--cause", "dns"], []), (["--state", "paused"], both),
            (["--state", "held"], []), (["--domain", "r.example", "--sender", "b@t.example"], [])]:
        assert recipients(daemon, *filters) == want, filters
        told = daemon.ctl_json("remove", *filters, "--dry-run")
        assert (told["count"], told["messages"]) == (len(want), len(want)), filters
        assert sorted(entry["to"] for entry in told["envelopes"]) == want, filters
    assert recipients(daemon) == both


@pytest.mark.parametrize("words, told", [
    (["remove"], "remove what?"), (["hold", "--dry-run"], "hold what?"), (["show", "status", "--sender", "a"], "usage:"),
    (["show", "queue", "--dry-run"], "usage:"), (["remove", "--older", "4x"], "--older: expected a time"),
    (["remove", "--cause", "x"], "--cause: expected one of none answer"), (["remove", "--sender", ""], "--sender: exp"),
    (["remove", "--state", "held", "--state", "held"], "--state is given twice"), (["remove", "x"], "expected a message")])
def test_what_is_not_understood_changes_nothing(queued, words, told):
    daemon, _ = queued
    send(daemon, "one@r.example")
    assert told in daemon.ctl(*words, check=False)
    assert recipients(daemon) == ["one@r.example"]


def test_what_is_held_stays_held_over_kill_and_restart(queued):
    daemon, sink = queued
    send(daemon, "one@r.example")
    send(daemon, "two@r2.example")
    assert daemon.ctl("hold", "--domain", "r.example") == "1 envelope held\n"
    assert daemon.ctl("hold", "--domain", "r.example") == "0 envelope held\n"
    daemon.kill()
    daemon.allow("event=journal-taken-over")
    daemon.launch()
    daemon.wait_greeting()
    sink.wait(1)
    postern.wait_until(lambda: recipients(daemon) == ["one@r.example"], what="the other to leave")
    daemon.ctl("schedule", "all")
    entry, = daemon.queue_list()
    assert entry["state"] == "held" and "held by" in entry["why"]
    daemon.restart()
    assert daemon.queue_list()[0]["state"] == "held"
    assert daemon.ctl("release", entry["message"]) == "1 envelope released\n"
    sink.wait(2)
    daemon.wait_queue_empty()
    daemon.stop()
    daemon.check_spool()


def test_requeued_mail_goes_where_the_rules_of_today_say(queued, sinks):
    daemon, sink = queued
    send(daemon, "one@r.example")
    send(daemon, "two@r2.example")
    daemon.ctl("hold", "all")
    daemon.stop()
    other = sinks()
    daemon.template = daemon.template.replace(QUEUED, """\
action "out" relay host "smtp://127.0.0.1:{sink}"
action "new" relay host "smtp://127.0.0.1:{other}"
match from src "127.0.0.0/8" for domain "r.example" action "new"
match from any for domain "r2.example" reject
match from any for any action "out"
""")
    daemon.values["other"] = other.port
    daemon.start()
    daemon.ctl("pause", "mta")
    assert daemon.ctl("requeue", "all") == "2 envelopes requeued\n"
    daemon.wait_for_log("event=bounced .*to=two@r2.example")
    postern.wait_until(lambda: any(entry["action"] == "new" for entry in daemon.queue_list()), what="the new route")
    daemon.ctl("resume", "mta")
    other.wait(1)
    assert other.mails[0].recipients == ["one@r.example"]
    daemon.wait_queue_empty()
    # The notification of the other one went the usual way.
    assert [mail.recipients for mail in sink.mails] == [["a@s.example"]]
    daemon.stop()
    daemon.check_spool()


def test_what_is_bounced_by_hand_is_told_its_sender(queued):
    daemon, sink = queued
    send(daemon, "one@r.example")
    send(daemon, "two@r.example", sender="b@s.example")
    assert daemon.ctl("bounce", "--recipient", "one@r.example") == "1 envelope bounced\n"
    daemon.wait_for_log("event=bounced .*to=one@r.example .*reply=\"550 5.7.0 .*reason=local:0")
    daemon.wait_for_log("event=control .*command=bounce query=recipient=<one@r.example>")
    daemon.ctl("remove", "--recipient", "two@r.example")
    daemon.ctl("resume", "mta")
    sink.wait(1)
    daemon.wait_queue_empty()
    mail, = sink.mails
    assert mail.recipients == ["a@s.example"]
    assert b"cancelled by the administrator" in mail.data
    daemon.stop()
    daemon.check_spool()


@pytest.mark.deadline(180)
def test_removing_many_while_mail_comes_in(queued, capsys):
    daemon, sink = queued
    load = [postern.built("tests/tools/smtp_load"), str(daemon.port)]
    subprocess.run([*load, str(MANY), "50", "500", "s@old.example", "r@old.example"], check=True, timeout=120)
    told = daemon.ctl_json("remove", "--sender", "@old.example", "--dry-run")
    assert (told["count"], len(told["envelopes"])) == (MANY, 256)
    with subprocess.Popen([*load, str(BESIDE), "5", "500", "s@new.example", "r@new.example"]) as beside:
        begin = time.monotonic()
        answer = daemon.ctl_json("remove", "--sender", "@old.example")
        seconds = time.monotonic() - begin
        assert beside.wait(60) == 0
    rate = MANY / seconds
    with capsys.disabled():
        print(f"\n{MANY} messages removed by query in {seconds:.2f} s: {rate:.0f} a second")
    assert (answer["count"], answer["messages"], answer["text"]) == (MANY, MANY, "")
    assert rate > FLOOR_PER_SECOND
    assert len(daemon.queue_list()) == BESIDE
    daemon.ctl("resume", "mta")
    daemon.wait_queue_empty(60)
    assert sink.mails and not [mail for mail in sink.mails if mail.recipients == ["r@old.example"]]
    assert not re.search("level=error", daemon.log.text())
    daemon.stop()
    daemon.check_spool()
