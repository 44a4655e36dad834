# SPDX-License-Identifier: ISC
"""What happened is told: to whom it may concern, by every filter, also when the message is gone, and without a name where
the site wants none."""

import json
import os
import re
import subprocess

import pytest

import house
import postern
import smtp

USER = house.FIRST_UID
RELAY = """\
action "out" relay host "smtp://127.0.0.1:{server}"
match from any for domain "far.example" action "out"
"""
BARE = b"Subject: x\r\n\r\nbare\nline\r\n"




class Place:
    """Mail for joe@d.example is delivered, that for far.example goes to a server that answers as it is told."""

    def __init__(self, daemons, sinks, folder, extra="", answers=None):
        self.server = sinks(answers)
        self.house = house.House(daemons, folder, extra=extra + RELAY, server=self.server.port).start()
        self.daemon = self.house.daemon

    def send(self, recipient, sender="ann@s.example", text=house.MESSAGES["plain"]):
        smtp.deliver(self.daemon.port, sender, [recipient], text)

    def talk(self, *lines):
        with smtp.Client(self.daemon.port) as client:
            client.ehlo()
            for line in lines:
                client.command(line)

    def history(self, *arguments):
        return self.daemon.ctl_json("history", *arguments)

    def wait(self, *arguments, count=1):
        postern.wait_until(lambda: len(self.history(*arguments)) >= count, what=f"history {arguments}")
        events = self.history(*arguments)
        assert len(events) == count, events
        return events


def answer_rcpt(_session, argument):
    if "later" in argument:
        return "451 4.7.1 come again"
    return "550 5.1.1 nobody here" if "nobody" in argument else True


@pytest.fixture(name="place")
def fixture_place(daemons, sinks, folder):
    return lambda **options: Place(daemons, sinks, folder, answers={"RCPT": answer_rcpt}, **options)


def events_of(found):
    return [event["event"] for event in found]


@pytest.mark.root
def test_each_event_is_told_and_found_by_every_filter(place):
    here = place(extra="queue retry 1h 2h\n")
    here.send("joe@d.example")
    here.send("gone@far.example", sender="bob@s.example")
    here.send("nobody@far.example", sender="")
    here.send("later@far.example")
    delivered, = here.wait("--event", "delivered", "--recipient", "gone@far.example")
    assert (delivered["from"], delivered["code"]) == ("bob@s.example", 250)
    bounced, = here.wait("--event", "bounced")
    assert (bounced["code"], bounced["enhanced"], bounced["text"]) == (550, "5.1.1", "nobody here")
    deferred, = here.wait("--event", "deferred")
    assert (deferred["to"], deferred["code"], deferred["tries"]) == ("later@far.example", 451, 1)
    here.wait("--event", "delivered", count=2)
    here.daemon.ctl("remove", deferred["message"])
    removed, = here.wait("--event", "removed")
    assert removed["by"] == "local:0" and removed["message"] == deferred["message"]
    assert sorted(events_of(here.history(deferred["message"]))) == ["accepted", "deferred", "removed"]
    assert events_of(here.history("--sender", "<>")) == ["accepted", "bounced"]
    assert events_of(here.history("--sender", "BOB@s.example")) == ["accepted", "delivered"]
    assert set(events_of(here.history("--domain", "d.example"))) == {"accepted", "delivered"}
    assert {event["to"] for event in here.history("--recipient", "@far.example")} == \
        {"gone@far.example", "nobody@far.example", "later@far.example"}
    assert events_of(here.history("--host", "127.0.0.1", "--event", "accepted")) == 4 * ["accepted"]
    assert here.history("--host", "127.0.0") == []
    assert set(events_of(here.history("--host", deferred["host"]))) >= {"delivered", "bounced", "deferred"}
    assert here.history("--until", "1h") == here.history("--since", "2100-01-01") == []
    here.send("joe@d.example", text=house.MESSAGES["plain"].replace(b"<1@client", b"<own@client"))
    here.wait("--event", "delivered", count=3)
    assert events_of(here.history("--message-id", "<own@client.example>")) == ["accepted", "delivered"]
    everything = here.history("--since", "1h")
    assert here.history("--reverse") == everything[::-1]
    assert here.history("-n", "3") == everything[-3:]
    assert here.history("-n", "3", "--reverse") == everything[::-1][:3]
    assert len(here.daemon.ctl("history").splitlines()) == len(everything)


@pytest.mark.root
def test_what_was_refused_is_told_with_the_answer(place):
    here = place()
    here.talk("MAIL FROM:<ann@s.example>", "RCPT TO:<joe@elsewhere.example>")
    with smtp.Client(here.daemon.port) as client:
        client.ehlo("bare.example")
        client.envelope("ann@s.example", ["joe@d.example"])
        client.command("DATA", 354)
        client.send(BARE + b".\r\n")
        assert client.reply()[0] == 550
    here.talk("MAIL FROM:<big@s.example> SIZE=99999999999")
    here.talk("MAIL FROM:<no>at>", "NOOP", "WHAT")
    refused = here.wait("--event", "rejected", count=4)
    by_code = {event["code"]: event for event in refused}
    assert set(by_code) == {550, 552, 501}
    assert {event["helo"] for event in refused} == {"client.example", "bare.example"}
    rcpt, = here.history("--event", "rejected", "--recipient", "joe@elsewhere.example")
    assert rcpt["from"] == "ann@s.example" and "message" not in rcpt and rcpt["client"].startswith("127.0.0.1:")
    data, = here.history("--event", "rejected", "--host", "bare.example")
    assert (data["to"], data["enhanced"]) == ("joe@d.example", "5.6.11")
    assert by_code[552]["from"] == "big@s.example"


@pytest.mark.root
def test_a_flood_of_refusals_is_counted_and_not_kept(place):
    here = place()
    lines = "".join(f"RCPT TO:<u{number}@elsewhere.example>\r\n" for number in range(9))
    kept = counted = 0
    for _ in range(20):
        with smtp.Client(here.daemon.port) as client:
            client.ehlo()
            client.command("MAIL FROM:<ann@s.example>", 250)
            client.send(lines.encode())
            for _ in range(9):
                client.reply()

    def all_told():
        nonlocal kept, counted
        events = here.history("--event", "rejected")
        kept = sum("more" not in event for event in events)
        counted = sum(event.get("more", 0) for event in events)
        return kept + counted >= 180
    postern.wait_until(all_told, what="all refusals in history")
    assert kept + counted == 180 and counted > 0


@pytest.mark.root
def test_why_before_and_after(place):
    here = place(extra="queue retry 1h 2h\n")
    here.send("later@far.example")
    deferred, = here.wait("--event", "deferred")
    name = deferred["message"]
    said = here.daemon.ctl("why", name)
    assert re.search(r'<later@far\.example> put off, at attempt 1, .* answered "451 4\.7\.1 come again"; ', said), said
    assert "now: <later@far.example> is waiting: next attempt in " in said
    assert here.daemon.ctl("why", name, "later@far.example") == said or "now: <later" in said
    assert here.daemon.ctl_json("why", name + ":0")["waiting"][0]["state"] == "waiting"
    here.daemon.ctl("remove", name)
    said = here.daemon.ctl("why", name)
    assert "removed from the queue, and nobody was told, by local:0" in said
    assert said.endswith("now: it is not in the queue any more\n")
    assert here.daemon.ctl_json("why", name)["waiting"] == []
    assert "nothing is known" in here.daemon.ctl("why", "1234", check=False)


@pytest.mark.root
def test_a_user_sees_what_concerns_own_mail_only(place):
    here = place()
    here.send("gone@far.example")
    runtime = {**os.environ, "POSTERN_RUNTIME": os.path.join(here.daemon.folder, "run")}
    subprocess.run([postern.built("sendmail"), "-i", "later@far.example"], input=b"Subject: x\n\nx\n", check=True,
                   timeout=30, user=USER, env=runtime)
    own, = here.wait("--event", "deferred")
    here.wait("--event", "delivered")
    seen = json.loads(here.daemon.ctl("history", "--json", user=USER))
    assert {event["message"] for event in seen} == {own["message"]} and len(seen) >= 2
    assert "put off" in here.daemon.ctl("why", own["message"], user=USER)
    other = here.history("--recipient", "gone@far.example")[0]["message"]
    assert "nothing is known" in here.daemon.ctl("why", other, user=USER, check=False)
    assert here.daemon.ctl("history", user=USER + 1) == ""


@pytest.mark.root
def test_history_without_names(place):
    here = place(extra="history anonymise\n")
    here.send("nobody@far.example")
    here.wait("--event", "bounced", "--recipient", "@far.example")
    here.talk("MAIL FROM:<ann@s.example>", "RCPT TO:<joe@elsewhere.example>")
    here.wait("--event", "rejected")
    text = here.daemon.ctl("history", "--json")
    for name in "ann", "joe", "nobody", "client.example", "Message-ID":
        assert name not in text, f"{name} is told: {text}"
    clients = {event["client"] for event in here.history() if "client" in event}
    assert clients == {"127.0.0.0", "dsn"}, clients
    bounced, = here.history("--event", "bounced", "--domain", "far.example")
    assert (bounced["from"], bounced["to"], bounced["code"]) == ("*@s.example", "*@far.example", 550)
    assert here.history("--host", "127.0.0.0", "--event", "rejected")


@pytest.mark.root
def test_history_is_kept_over_a_restart_and_pruned(place):
    here = place(extra="history keep 1s\n")
    here.send("joe@d.example")
    here.wait("--event", "delivered")
    here.daemon.restart()
    postern.wait_until(lambda: here.history() == [], 30, "an empty history")
    here.daemon.stop()
    here.daemon.check_spool()
