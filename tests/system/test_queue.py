# SPDX-License-Identifier: ISC
"""What waits is tried again, given up with a word to the sender, kept over restarts; what may not start says why."""

import email
import email.policy
import os
import re
import subprocess
import time

import pytest

import house
import postern
import smtp

RELAY = """\
action "out" relay host "smtp://127.0.0.1:{server}"{ttl}
match from any for domain "far.example" action "out"
"""
SENDER = "joe@d.example"
IDLE_STOP_SECONDS = 5
# A transaction that is open may end first: SMTPD_DRAIN_MS.
OPEN_STOP_SECONDS = 10


class Sender:
    """A house whose mail for far.example goes to a port where nobody listens yet."""

    def __init__(self, daemons, folder, ttl="", extra="", names=("joe",)):
        self.server = postern.free_port()
        self.house = house.House(daemons, folder, names, extra=extra + RELAY, server=self.server, ttl=ttl).start()
        self.daemon = self.house.daemon

    def send(self, recipients=("a@far.example",), sender=SENDER, message=house.MESSAGES["plain"]):
        smtp.deliver(self.daemon.port, sender, recipients, message)

    def notice(self):
        """The notification in the sender's Maildir, parsed."""
        text, = self.house.take()
        reverse_path, recipient, _, rest = house.split_trace(text)
        assert (reverse_path, recipient) == ("", SENDER)
        message = email.message_from_bytes(rest, policy=email.policy.default)
        assert not message.defects
        return message


@pytest.fixture(name="sender")
def fixture_sender(folder, daemons):
    return lambda **options: Sender(daemons, folder, **options)


# --- given up ---

@pytest.mark.parametrize("where", ["queue", "action"])
@pytest.mark.root
def test_what_cannot_be_delivered_in_time_comes_back(sender, where):
    place = sender(**({"extra": "queue ttl 2s\n"} if where == "queue" else {"ttl": " ttl 2s"}))
    begin = time.monotonic()
    place.send(["a@far.example", "b@far.example"])
    for rcpt in "ab":
        place.daemon.wait_for_log(rf"event=expired .*to={rcpt}@far\.example")
    assert time.monotonic() - begin >= 1.9
    notice = place.notice()
    assert notice.get_content_type() == "multipart/report"
    assert notice.get_param("report-type") == "delivery-status"
    assert notice["To"] == SENDER and notice["Auto-Submitted"] == "auto-replied"
    text, status, header = notice.iter_parts()
    assert status.get_content_type() == "message/delivery-status"
    message, *rcpts = status.get_payload()
    assert message["Reporting-MTA"].startswith("dns; ")
    assert [rcpt["Final-Recipient"] for rcpt in rcpts] == ["rfc822; a@far.example", "rfc822; b@far.example"]
    for rcpt in rcpts:
        assert rcpt["Action"] == "failed"
        assert re.fullmatch(r"[45]\.4\.\d+", rcpt["Status"]), rcpt["Status"]
    assert "a@far.example" in text.get_content() and "b@far.example" in text.get_content()
    assert "Subject: test" in header.get_content()
    place.daemon.wait_queue_empty()


@pytest.mark.root
def test_a_notification_that_cannot_be_delivered_makes_no_other(sender):
    place = sender(extra="queue ttl 2s\n")
    place.send(sender="")
    place.daemon.wait_for_log("event=expired .*to=a@far.example")
    place.daemon.wait_queue_empty()
    assert place.house.nothing_for("joe")
    # Nor one for a sender who is not there: the notification is refused, and that is its end.
    place.send(sender="nobody@d.example")
    place.daemon.wait_for_log("event=expired .*from=nobody@d.example")
    place.daemon.wait_queue_empty()
    assert place.house.nothing_for("joe")


def test_each_try_waits_longer(sender):
    place = sender(extra="queue retry 1s 4s\n")
    place.daemon.allow("queue retry")
    place.send()
    place.daemon.wait_for_log(r"event=deferred .*tries=1 ")
    assert place.daemon.wait_for_log(r"event=destination-down .*tries=3 next=([\d.]+)s", 15)
    found = re.findall(r"event=destination-down .*tries=\d+ next=([\d.]+)s", place.daemon.log.text())
    waits = [float(wait) for wait in found]
    assert waits[0] < 1.2 and waits[0] < waits[1] <= waits[2] * 1.2 and max(waits) <= 4.4, waits


@pytest.mark.root
def test_the_queue_says_why_and_can_be_told(sender, sinks):
    place = sender(extra="queue retry 1h 2h\n")
    place.send()
    place.daemon.wait_for_log("event=deferred")
    entry, = place.daemon.queue_list()
    assert entry["to"] == "a@far.example" and entry["from"] == SENDER and "refused" in entry["last_reply"].lower()
    sink = sinks(port=place.server)
    assert not sink.mails
    place.daemon.ctl("schedule", "all")
    sink.wait(1)
    place.daemon.wait_queue_empty()


# --- restarts ---

@pytest.mark.root
def test_a_restart_keeps_the_queue(sender, sinks):
    place = sender()
    for number in range(20):
        place.send([f"a{number}@far.example", "b@far.example"], message=smtp.message(f"n{number}"))
    place.daemon.wait_for_log("event=deferred")
    before = place.daemon.queue_list()
    assert len(before) == 40
    place.daemon.stop()
    place.daemon.check_spool()
    sink = sinks(port=place.server)
    place.daemon.start()
    mails = sink.wait(20)
    place.daemon.wait_queue_empty()
    assert sorted(rcpt for mail in mails for rcpt in mail.recipients) == sorted(entry["to"] for entry in before)
    for mail in mails:
        subject, = re.findall(rb"Subject: (n\d+)\r\n", mail.data)
        assert mail.data.endswith(b"\r\n" + smtp.message(subject.decode()).encode())


@pytest.mark.root
def test_a_kill_keeps_the_queue(sender, sinks):
    place = sender(extra="queue retry 1h 2h\n")
    place.send()
    place.daemon.kill()
    place.daemon.check_spool()
    sink = sinks(port=place.server)
    place.daemon.start()
    place.daemon.ctl("schedule", "all")
    assert sink.wait(1)[0].data.endswith(house.MESSAGES["plain"])
    place.daemon.wait_queue_empty()


MARK = b"a line that the disk will lose"


def damage(spool, mark):
    """Changes a byte of what is stored there as a worn disk does; returns how often mark was there."""
    path = os.path.join(spool, "data.mdb")
    with open(path, "rb") as file:
        places = [match.start() for match in re.finditer(re.escape(mark), file.read())]
    with open(path, "r+b") as file:
        for place in places:
            file.seek(place)
            file.write(b"A")
    return len(places)


@pytest.mark.root
def test_a_text_that_the_disk_lost_ends_its_deliveries_at_once(sender, sinks):
    """In the middle of the text, so that a server, and a mailbox, have the first half already."""
    place = sender(extra="queue retry 1h 2h\n")
    daemon = place.daemon
    lines = b"x" * 76 + b"\r\n"
    daemon.ctl("pause", "mda")
    daemon.ctl("pause", "mta")
    place.send(["a@far.example", "joe@d.example"], message=house.HEADER + lines * 5000 + MARK + b"\r\n" + lines * 5000)
    daemon.stop()
    assert damage(daemon.spool, MARK) > 0  # more than once where a page was written anew
    daemon.allow("event=store-damaged")
    sink = sinks(port=place.server)
    daemon.start()
    for rcpt in ("a@far.example", "joe@d.example"):
        daemon.wait_for_log(f'event=deferred .*to={rcpt} .*reply="451 4.3.0 .*cannot be read from the spool')
    assert len(sink.sessions) == 1 and not sink.mails
    postern.wait_until(lambda: sink.open == 0, what="the end of the connection")
    assert place.house.nothing_for("joe") and not os.listdir(os.path.join(place.house.maildir("joe"), "tmp"))
    place.send(["a@far.example", "joe@d.example"])
    sink.wait(1)
    place.house.take()


# --- two at once ---

def try_second(folder, spool, runtime):
    """Starts another with these places: (its exit code, what it said)."""
    config = os.path.join(folder, "second.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(f'spool "{spool}"\nruntime "{runtime}"\nlisten on 127.0.0.1 port {postern.free_port()}\n'
                   'match for any reject\n')
    return house.run([postern.built("posternd"), "-d", "-f", config], stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("same", ["spool", "runtime", "both"])
@pytest.mark.root
def test_a_second_on_the_same_place_says_so(sender, same):
    place = sender()
    daemon = place.daemon
    own = daemon.folder
    spool = daemon.spool if same != "runtime" else os.path.join(own, "spool2")
    runtime = os.path.join(own, "run" if same != "spool" else "run2")
    code, said = try_second(own, spool, runtime)
    assert code != 0, said
    assert ("in use" in said or "already" in said) and (spool in said or runtime in said), said
    # The first has not noticed.
    place.send(["joe@d.example"], sender="")
    place.house.take()
    assert daemon.ctl_json("show", "status")


# --- mistakes of the configuration ---

ACTION = 'action "x" relay\n'
RULE = 'match for any action "x"\n'
PKI = 'pki "a.example" cert "/nonexistent" key "/nonexistent"\n'
MISTAKES = {
    "an unknown word": ("listen on lo\n  bogus thing\n", 2, 9, "syntax error"),
    "a port too high": ("listen on lo port 99999\n", 1, 19, "invalid port"),
    "an action nobody declared": (ACTION + 'match for any action "y"\n', 2, 22, "no such action: y"),
    "a table nobody declared": ('action "x" maildir alias <nope>\n' + RULE, 1, 27, "no such table: nope"),
    "a table without end": ('table t { "a"\n', 2, 1, "syntax error"),
    "a string without end": ('action "x relay\n', 1, 8, "end of file"),
    "a delay without unit": ("queue ttl 4x\n", 1, 11, "invalid delay"),
    "a negative size": ("smtp max-message-size -5\n", 1, 23, "invalid size"),
    "an include that is not there": ('include "/nonexistent"\n', 1, 9, "/nonexistent"),
    "a name declared twice": (ACTION + ACTION + RULE, 2, 8, "already declared"),
    "TLS without a certificate": (f"listen on lo tls\n{ACTION}{RULE}", 1, 1, "pki required"),
    "TLS of a listener": (f'{PKI}listen on lo tls pki "a.example"\n{ACTION}{RULE}', 2, 1,
                          "not supported yet: listen on ... tls"),
    "TLS from the first byte": (f'{PKI}listen on lo smtps pki "a.example"\n{ACTION}{RULE}', 2, 1,
                                "not supported yet: listen on ... smtps"),
    "TLS of a relay": ('action "x" relay tls\n' + RULE, 1, 8, "not supported yet: action NAME relay tls"),
    "TLS of a smarthost": ('action "x" relay host "smtps://a.example"\n' + RULE, 1, 23,
                            "not supported yet: relay host"),
    "passwords": (f"listen on lo auth\n{ACTION}{RULE}", 1, 1, "auth requires tls"),
}


def check(folder, text, *options):
    path = os.path.join(folder, "postern.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    code, said = house.run([postern.built("posternd"), "-n", "-f", path, *options])
    return code, said, path


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_told_with_its_place(folder, what):
    text, line, column, words = MISTAKES[what]
    code, said, path = check(folder, text)
    assert code == 78, said
    assert f"{path}:{line}:{column}: " in said and words in said, said


def test_all_mistakes_are_told_at_once_and_in_included_files_too(folder):
    included = os.path.join(folder, "more.conf")
    with open(included, "w", encoding="ascii") as file:
        file.write("\nqueue ttl 4x\n")
    code, said, path = check(folder, f'include "{included}"\nsmtp max-message-size -5\n{ACTION}{RULE}')
    assert code == 78
    assert f"{included}:2:11: invalid delay" in said and f"{path}:2:23: invalid size" in said, said


def test_a_good_configuration_is_good_and_changes_nothing(folder):
    code, said, _ = check(folder, f'spool "{folder}/spool"\nruntime "{folder}/run"\n'
                          f'name = "lo"\nlisten on $name\n{ACTION}{RULE}')
    assert (code, said) == (0, "configuration OK\n")
    assert sorted(os.listdir(folder)) == ["postern.conf"]


# --- the end ---

def test_idle_it_ends_at_once(sender):
    place = sender()
    place.send(["joe@d.example"], sender="")
    place.house.take()
    assert place.daemon.pids("mailbox"), "its process waits for another message"
    begin = time.monotonic()
    assert place.daemon.stop() == 0
    assert time.monotonic() - begin < IDLE_STOP_SECONDS


def test_with_clients_that_say_nothing_it_ends_too(sender):
    place = sender()
    with smtp.Client(place.daemon.port) as silent, smtp.Client(place.daemon.port) as other:
        other.ehlo()
        other.envelope("a@s.example", ["joe@d.example"])
        begin = time.monotonic()
        assert place.daemon.stop() == 0
        assert time.monotonic() - begin < OPEN_STOP_SECONDS
        for client in (silent, other):
            assert client.reply().code == 421
            assert client.closed()
