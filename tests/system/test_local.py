# SPDX-License-Identifier: ISC
"""Mail for users of this machine: who a name stands for, what is refused, and that trouble with a home loses nothing."""

import os
import re
import socket

import pytest

import house
import smtp

ALIASES = """\
# names of jobs
root:       joe
abuse:      root
# lists in lists
staff:      cooks, bob
cooks:      ann, joe
everybody:  staff, cooks, bob
# themselves, with company
bob:        bob, ann
# loops
tick:       tock
tock:       tick
# those who have left
zoe:        error:550 5.1.6 Zoe has moved to zoe@example.net
later:      error:451 4.2.1 Come back tomorrow
# half of it is nobody
half:       joe, nosuchuser
# elsewhere, and back
remote:     joe, zoe@far.example
circle:     ann@d.example
# with a tag of its own
joe+work:   ann
# not yet
command:    "|/bin/true"
""" + "".join(f"deep{n}: deep{n + 1}\n" for n in range(12)) + "deep12: joe\n"
CONFIG = """\
table users {{ {users} }}
table aliases file:{folder}/aliases
action "local" maildir userbase <users> alias <aliases>
action "out" relay host "smtp://127.0.0.1:{sink}"
match from any for domain "d.example" action "local"
match from any for domain <"<localnames>"> action "local"
match from local for domain "far.example" action "out"
"""
NAMES = ("joe", "ann", "bob")
# An ordinary user sees their own mail in the queue only, which is not what these tests ask for.
pytestmark = pytest.mark.root


@pytest.fixture(name="town")
def fixture_town(folder, sinks, daemons):
    """A running house with aliases, and a sink for far.example: .house, .daemon, .sink."""
    rooms = house.House(daemons, folder, NAMES, config=CONFIG, sink=sinks().port)
    with open(os.path.join(rooms.daemon.folder, "aliases"), "w", encoding="utf-8") as file:
        file.write(ALIASES)
    return rooms.start()


EXPANSIONS = {
    # recipient: who gets it, with which Delivered-To
    "joe@d.example": {"joe"},
    "JOE@D.EXAMPLE": {"joe"},
    "joe+tag@d.example": {"joe"},
    "joe+work@d.example": {"ann"},
    "root@d.example": {"joe"},
    "abuse@d.example": {"joe"},
    "cooks@d.example": {"ann", "joe"},
    "staff@d.example": {"ann", "joe", "bob"},
    "everybody@d.example": {"ann", "joe", "bob"},
    "bob@d.example": {"bob", "ann"},
    "circle@d.example": {"ann"},
    "deep4@d.example": {"joe"},
    "postmaster": {"joe"},
    "Postmaster@d.example": {"joe"},
    f"joe@{socket.gethostname()}": {"joe"},
    "joe@localhost": {"joe"},
    "joe@[127.0.0.1]": {"joe"},
}
REFUSALS = {
    "nosuchuser@d.example": (550, "5.1.1"),
    "joe.x@d.example": (550, "5.1.1"),
    "tick@d.example": (550, "5.4.6"),
    "deep0@d.example": (550, "5.4.6"),
    "zoe@d.example": (550, "5.1.6"),
    "later@d.example": (451, "4.2.1"),
    "half@d.example": (550, "5.1.1"),
    "command@d.example": (451, "4.3.5"),
    "joe@elsewhere.example": (550, "5.7.1"),
    "joe@[192.0.2.1]": (550, "5.7.1"),
}


def test_a_name_becomes_those_it_stands_for(town):
    for number, (recipient, names) in enumerate(EXPANSIONS.items()):
        subject = f"to{number}"
        smtp.deliver(town.port, "a@s.example", [recipient], smtp.message(subject))
        for name in names:
            text, = town.take(name)
            _, _, received, rest = house.split_trace(text)
            assert f"Subject: {subject}\n".encode() in rest, recipient
            assert f"for <{recipient}>".encode().lower() in received.lower()
        town.daemon.wait_queue_empty()
        assert all(town.nothing_for(name) for name in NAMES), f"{recipient}: somebody else got it too"


def test_what_cannot_be_delivered_is_refused_at_rcpt(town):
    with smtp.Client(town.port) as client:
        client.ehlo()
        client.command("MAIL FROM:<a@s.example>", 250)
        for recipient, (code, enhanced) in REFUSALS.items():
            reply = client.command(f"RCPT TO:<{recipient}>")
            assert (reply.code, reply.enhanced) == (code, enhanced), f"{recipient}: {reply.code} {reply.text}"
            assert recipient not in reply.text
        client.command("RCPT TO:<joe@d.example>", 250)
        client.data(smtp.message("ok"))
        client.quit()
    town.take("joe")


def test_an_alias_that_leaves_the_machine(town):
    smtp.deliver(town.port, "a@s.example", ["remote@d.example"], smtp.message("both"))
    town.take("joe")
    town.daemon.wait_for_log(r"event=delivered .*to=remote@d\.example .*destination=out/")


def test_one_name_twice_is_one_delivery(town):
    """Within one recipient; each RCPT is a promise of its own."""
    smtp.deliver(town.port, "a@s.example", ["everybody@d.example", "joe@d.example", "cooks@d.example"],
                 smtp.message("once"))
    town.daemon.wait_queue_empty()
    assert {name: len(town.waiting(name)) for name in NAMES} == {"joe": 3, "ann": 2, "bob": 1}


def test_a_burst_to_one_user_has_one_process(town):
    """The process that wrote it stands in a message's file name."""
    with smtp.Client(town.port) as client:
        client.ehlo()
        for number in range(60):
            client.envelope("a@s.example", ["joe@d.example"])
            client.data(smtp.message(f"n{number}"))
        client.quit()
    town.daemon.wait_queue_empty()
    assert len(town.waiting("joe")) == 60
    writers = {re.search(r"P(\d+)Q", path)[1] for path in town.waiting("joe")}
    assert len(writers) == 1


def test_mail_that_was_here_before_goes_back(town):
    """Delivered-To with the same recipient: 5.4.6, and the sender hears of it."""
    smtp.deliver(town.port, "ann@d.example", ["joe@d.example"],
                 smtp.message("loop", extra="Delivered-To: joe@d.example\r\n"))
    text, = town.take("ann")
    assert b"5.4.6" in text and text.startswith(b"Return-Path: <>\n")
    assert town.nothing_for("joe")
    # Of another recipient it does not speak.
    smtp.deliver(town.port, "ann@d.example", ["joe@d.example"],
                 smtp.message("no-loop", extra="Delivered-To: bob@d.example\r\n"))
    town.take("joe")


def spoil_missing(town):
    os.rename(town.homes["joe"], town.homes["joe"] + ".away")
    return lambda: os.rename(town.homes["joe"] + ".away", town.homes["joe"])


def spoil_closed(town):
    os.chmod(town.homes["joe"], 0o600)
    return lambda: os.chmod(town.homes["joe"], 0o700)


def spoil_unwritable(town):
    smtp.deliver(town.port, "", ["joe@d.example"], smtp.message("first"))
    town.take("joe")
    tmp = os.path.join(town.maildir("joe"), "tmp")
    os.chmod(tmp, 0o500)
    return lambda: os.chmod(tmp, 0o700)


def spoil_file(town):
    path = town.maildir("joe")
    with open(path, "wb"):
        os.chown(path, os.stat(town.homes["joe"]).st_uid, -1)
    return lambda: os.unlink(path)


TROUBLES = {
    # How it is told; the path itself stands in the log only.
    spoil_missing: "451 4.3.0 mailbox not reachable: home directory of joe: No such file or directory",
    spoil_closed: "451 4.3.0 mailbox not reachable: home directory of joe: Permission denied",
    spoil_unwritable: "451 4.3.0 mailbox failed: cannot make a file in tmp: Permission denied",
    spoil_file: "451 4.3.0 mailbox refused: Maildir: no directory; a symbolic link is none",
}


@pytest.mark.parametrize("spoil", TROUBLES)
def test_trouble_with_a_home_puts_off_and_is_told(town, spoil):
    daemon = town.daemon
    daemon.allow("event=mailbox-failed")
    repair = spoil(town)
    smtp.deliver(town.port, "ann@d.example", ["joe@d.example", "bob@d.example"], house.MESSAGES["plain"])
    # bob's mail does not wait for joe's.
    town.take("bob")
    daemon.wait_for_log(r"event=deferred .*to=joe@d\.example .*reply=\"4")
    entry, = [entry for entry in daemon.queue_list() if entry["recipient"].startswith("joe")]
    assert entry["kind"] == "local" and entry["last_reply"] == TROUBLES[spoil], entry
    assert TROUBLES[spoil] in daemon.ctl("show", "envelope", entry["message"])
    assert re.search(r"event=mailbox-failed .*file=" + re.escape(town.homes["joe"]), daemon.log.text())
    repair()
    text, = town.take("joe")
    assert house.split_trace(text)[3] == house.as_file(house.MESSAGES["plain"])
    daemon.wait_queue_empty()


@pytest.mark.root
def test_an_mbox(folder, daemons):
    """Two messages, in the format of mboxrd, in the machine's own directory of mailboxes."""
    name = f"postern-local-{os.getpid()}"
    path = "/var/mail/" + name
    rooms = house.House(daemons, folder, (name,), action="mbox userbase <users>").start()
    try:
        for number in (1, 2):
            smtp.deliver(rooms.port, "a@s.example", [f"{name}@d.example"],
                         house.MESSAGES["a line like that of an mbox"])
            rooms.daemon.wait_queue_empty()
            with open(path, "rb") as file:
                text = file.read()
            assert len(re.findall(rb"^From a@s\.example ", text, re.MULTILINE)) == number
            assert text.count(b"\n>From here on\n>>From there\n") == number and text.endswith(b"\n\n")
    finally:
        if os.path.exists(path):
            os.unlink(path)


def test_system_users_have_mail_without_a_table(folder, daemons):
    """Without userbase the machine's accounts are asked: somebody unknown to them is refused, root has no mail."""
    daemon = daemons('action "local" maildir "{folder}/none"\nmatch from any for local action "local"\n').start()
    with smtp.Client(daemon.port) as client:
        client.ehlo()
        client.command("MAIL FROM:<a@s.example>", 250)
        assert client.command("RCPT TO:<no-such-account-here@localhost>").enhanced == "5.1.1"
        assert client.command("RCPT TO:<root@localhost>").enhanced == "5.2.1"
        client.command("RCPT TO:<nobody@localhost>", 250)
        client.quit()
