# SPDX-License-Identifier: ISC
"""Deliveries to mailboxes by the running daemon, as the recipient's user. SECURITY rows L02, L03, L05, L06, L07, L09, F15."""

import collections
import mailbox
import os
import re
import smtplib
import subprocess

import pytest

import postern

UID, GID = 54321, 54321


def configure(daemons, line, action, extra=""):
    return daemons(extra + 'table users {{ {line} }}\naction "local" ' + action + '\n'
                   'match from any for domain "d.example" action "local"\n'
                   'match from any for local action "local"\n', line=line)


@pytest.fixture
def house(folder, daemons):
    """Makes a running daemon with the user joe and this action: the daemon with .home."""
    def make(action="maildir userbase <users>", uid=UID, gid=GID, extra=""):
        line, home = postern.local_user(folder, uid=uid, gid=gid)
        daemon = configure(daemons, line, action.format(folder=folder), extra).start()
        daemon.home = home
        daemon.maildir = os.path.join(home, "Maildir")
        return daemon
    return make


def send(daemon, *recipients, text=b"Subject: x\r\n\r\nx\r\n", sender="a@s.example"):
    with smtplib.SMTP("127.0.0.1", daemon.port, timeout=20) as client:
        client.sendmail(sender, list(recipients), text)


def names(path):
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


def wait_new(path, count=1):
    return postern.wait_until(lambda: len(names(os.path.join(path, "new"))) >= count and names(os.path.join(path, "new")),
                              20, f"{count} messages in {path}")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def test_a_maildir_is_made_as_the_user(house):
    daemon = house()
    send(daemon, "joe@d.example")
    name, = wait_new(daemon.maildir)
    assert re.fullmatch(r"\d+\.M\d{6}P\d+Q\d+R[0-9a-f]{16}\.[^/:]+", name)
    owner = os.geteuid() or UID
    for part in "", "tmp", "new", "cur", "new/" + name:
        status = os.stat(os.path.join(daemon.maildir, part))
        assert status.st_uid == owner and status.st_mode & 0o077 == 0
    text = read(os.path.join(daemon.maildir, "new", name))
    assert text.startswith(b"Return-Path: <a@s.example>\nDelivered-To: joe@d.example\nReceived: ")
    assert b"\r" not in text


def test_a_bounce_has_an_empty_return_path(house):
    daemon = house()
    send(daemon, "joe@d.example", sender="")
    name, = wait_new(daemon.maildir)
    assert read(os.path.join(daemon.maildir, "new", name)).startswith(b"Return-Path: <>\n")


def test_a_large_message_is_pulled_in_pieces(house):
    daemon = house()
    body = b"".join(b"%08d\r\n" % number for number in range(300000))
    send(daemon, "joe@d.example", text=b"Subject: big\r\n\r\n" + body)
    name, = wait_new(daemon.maildir)
    assert read(os.path.join(daemon.maildir, "new", name)).split(b"\n\n", 1)[1] == body.replace(b"\r\n", b"\n")


def test_a_burst_to_one_user_needs_one_process(house):
    daemon = house()
    seen = set()
    with smtplib.SMTP("127.0.0.1", daemon.port, timeout=20) as client:
        for _ in range(200):
            client.sendmail("a@s.example", ["joe@d.example"], b"Subject: x\r\n\r\nx\r\n")
            seen.update(daemon.pids("mailbox"))
    assert len(wait_new(daemon.maildir, 200)) == 200
    assert len(seen) <= 2
    assert names(os.path.join(daemon.maildir, "tmp")) == []


@pytest.mark.root
def test_L02_a_virtual_path_holds_whatever_an_address_says(folder, daemons):
    vmail = os.path.join(folder, "vmail")
    os.mkdir(vmail)
    os.chown(vmail, UID, GID)
    line, _ = postern.local_user(folder, name="joe", uid=UID, gid=GID)
    daemon = configure(daemons, line, 'maildir "' + vmail + '/%{{dest.domain}}/%{{sender}}" userbase <users>').start()
    for sender in "A@s.example", '"../../../x"@s.example', '".."@s.example', "":
        send(daemon, "joe@d.example", sender=sender and f"<{sender}>")
    daemon.wait_queue_empty(20)
    assert names(vmail) == ["d.example"]
    assert names(os.path.join(vmail, "d.example")) == [
        "=", "=2e.=2f..=2f..=2fx@s.example", "=2e.@s.example", "a@s.example"]


@pytest.mark.parametrize("delimiter", ["+", "-"])
def test_a_folder_of_a_sub_address(house, delimiter):
    daemon = house(extra="" if delimiter == "+" else f'smtp sub-addr-delim "{delimiter}"\n')
    send(daemon, "joe@d.example")
    wait_new(daemon.maildir)
    folder = os.path.join(daemon.maildir, ".lists")
    os.mkdir(folder, 0o700)
    if os.geteuid() == 0:
        os.chown(folder, UID, GID)
    send(daemon, f"joe{delimiter}lists@d.example")
    wait_new(folder)


def test_strip_cuts_a_sub_address_where_the_configuration_says(house):
    daemon = house('maildir "~/in/%{{{{rcpt.user:strip}}}}" userbase <users>', extra='smtp sub-addr-delim "-"\n')
    send(daemon, "joe-lists@d.example")
    wait_new(os.path.join(daemon.home, "in", "joe"))


def test_L09_a_loop_bounces(house):
    daemon = house()
    send(daemon, "joe@d.example", text=b"Delivered-To: joe@d.example\r\nSubject: loop\r\n\r\nx\r\n", sender="")
    daemon.wait_for_log(r"event=(bounced|failed|dropped)\S* .*5\.4\.6")
    assert names(os.path.join(daemon.maildir, "new")) == []


@pytest.mark.root
def test_L03_a_link_in_the_place_of_new(house):
    daemon = house()
    daemon.allow("event=mailbox-failed")
    send(daemon, "joe@d.example")
    wait_new(daemon.maildir)
    elsewhere = os.path.join(daemon.home, "elsewhere")
    os.mkdir(elsewhere)
    os.rename(os.path.join(daemon.maildir, "new"), os.path.join(daemon.maildir, "aside"))
    os.symlink(elsewhere, os.path.join(daemon.maildir, "new"))
    send(daemon, "joe@d.example")
    daemon.wait_for_log("event=mailbox-failed .*symbolic link")
    assert names(elsewhere) == []
    os.unlink(os.path.join(daemon.maildir, "new"))
    os.rename(os.path.join(daemon.maildir, "aside"), os.path.join(daemon.maildir, "new"))
    assert len(wait_new(daemon.maildir, 2)) == 2


@pytest.mark.root
def test_a_home_that_is_not_mounted_puts_off(house):
    daemon = house()
    daemon.allow("event=mailbox-failed")
    os.rename(daemon.home, daemon.home + "-gone")
    send(daemon, "joe@d.example")
    send(daemon, "joe@d.example")
    daemon.wait_for_log("event=destination-down .*destination=local/joe .*home directory of joe")
    daemon.wait_for_log("event=deferred .*to=joe@d.example")
    assert not os.path.exists(daemon.home)
    os.rename(daemon.home + "-gone", daemon.home)
    wait_new(daemon.maildir, 2)
    daemon.wait_for_log("event=destination-up .*destination=local/joe")


@pytest.mark.root
def test_L05_no_mail_as_root(house):
    daemon = house(uid=0, gid=0)
    daemon.allow("root")
    try:
        send(daemon, "joe@d.example")
    except smtplib.SMTPException:
        return
    postern.wait_until(lambda: daemon.log.count("event=(deferred|bounced|failed)") > 0, 20, "a refusal in the log")
    assert not os.path.exists(daemon.maildir)


@pytest.mark.root
def test_kill_9_of_mailbox_loses_nothing(house):
    daemon = house()
    daemon.allow("event=process-died", "mailbox")
    killed = 0
    with smtplib.SMTP("127.0.0.1", daemon.port, timeout=20) as client:
        for number in range(150):
            mark = daemon.log.mark()
            client.sendmail("a@s.example", ["joe@d.example"], b"Subject: %d\r\n\r\nx\r\n" % number)
            if number % 30 == 0:
                # Behind the delivery of another message: one that is there at three deaths would be held (X07).
                daemon.wait_for_log("event=delivered", start=mark)
                for pid in daemon.pids("mailbox"):
                    os.kill(pid, 9)
                    killed += 1
    daemon.wait_queue_empty(40)
    counts = collections.Counter()
    for name in names(os.path.join(daemon.maildir, "new")):
        text = read(os.path.join(daemon.maildir, "new", name))
        assert text.endswith(b"\n\nx\n")
        counts[re.search(rb"Subject: (\d+)", text).group(1)] += 1
    assert len(counts) == 150
    assert killed > 0


# --- mbox: the real directory of the machine, since that is where it goes ---

@pytest.fixture
def mbox_user():
    """A name that nobody has, without a mailbox before and behind."""
    name = f"postern-test-{os.getpid()}"
    path = os.path.join("/var/mail", name)
    yield name, path
    for leftover in path, path + ".lock":
        if os.path.exists(leftover):
            os.unlink(leftover)


@pytest.mark.root
def test_L06_an_mbox_grows_message_by_message(folder, mbox_user, daemons):
    name, path = mbox_user
    line, _ = postern.local_user(folder, name=name, uid=UID, gid=GID)
    daemon = configure(daemons, line, "mbox userbase <users>").start()
    for number in range(20):
        send(daemon, f"{name}@d.example", text=b"Subject: %d\r\n\r\nFrom here\r\n>From there\r\n" % number)
    daemon.wait_queue_empty(20)
    assert os.stat(path).st_uid == UID and os.stat(path).st_mode & 0o777 == 0o600
    box = mailbox.mbox(path)
    assert sorted(int(message["Subject"]) for message in box) == list(range(20))
    for message in box:
        assert message.get_payload() == ">From here\n>>From there\n"
    assert not os.path.exists(path + ".lock")


@pytest.mark.root
def test_L03_an_mbox_that_is_a_link(folder, mbox_user, daemons):
    name, path = mbox_user
    line, home = postern.local_user(folder, name=name, uid=UID, gid=GID)
    daemon = configure(daemons, line, "mbox userbase <users>").start()
    daemon.allow("event=mailbox-failed")
    target = os.path.join(home, "target")
    with open(target, "wb"):
        os.chown(target, UID, GID)
    os.symlink(target, path)
    send(daemon, f"{name}@d.example")
    daemon.wait_for_log("event=mailbox-failed .*symbolic link")
    daemon.wait_for_log("event=deferred")
    assert os.path.getsize(target) == 0


@pytest.mark.root
def test_a_program_that_holds_the_lock_is_waited_for(folder, mbox_user, daemons):
    name, path = mbox_user
    line, _ = postern.local_user(folder, name=name, uid=UID, gid=GID)
    daemon = configure(daemons, line, "mbox userbase <users>").start()
    with open(path + ".lock", "wb"):
        pass
    send(daemon, f"{name}@d.example")
    postern.wait_until(lambda: daemon.pids("mailbox"), what="a mailbox process")
    assert [entry["state"] for entry in daemon.queue_list()] == ["running"]
    os.unlink(path + ".lock")
    daemon.wait_queue_empty(20)
    assert subprocess.run(["grep", "-c", "^From ", path], stdout=subprocess.PIPE, check=True).stdout == b"1\n"
