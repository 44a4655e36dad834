# SPDX-License-Identifier: ISC
"""Backup of the running queue, restore here and elsewhere, check and export of a spool: what comes back is what was there,
once (SECURITY F06-F08, F17, F18)."""

import os
import re
import smtplib
import subprocess

import pytest

import postern

LOCAL = """\
table users {{ "joe" = "{uid}:{uid}:{folder}/home-joe" }}
table domains {{ "here.example" }}
action "in" maildir "{folder}/mail" userbase <users>
match from any for domain <domains> action "in"
"""
UID = 65534
SENDER = "a@s.example"
# Through the journal; of several pieces; not through the journal.
TEXTS = {
    "small": b"Subject: small\r\n\r\nx\r\n",
    "pieces": b"Subject: pieces\r\n\r\n" + b"a line of text\r\n" * 1500,
    "large": b"Subject: large\r\n\r\n" + b"".join(b"line %d\r\n" % number for number in range(20000)),
}


def offline(*arguments, expect=0):
    """posternctl without a daemon: what it says."""
    done = subprocess.run([postern.built("posternctl"), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, check=False)
    text = done.stdout.decode("utf-8", "replace")
    assert done.returncode == expect, f"posternctl {arguments}: {done.returncode}: {text}"
    return text


def send(daemon, texts, count=1):
    with smtplib.SMTP("127.0.0.1", daemon.port, timeout=30) as client:
        for number in range(count):
            for text in texts:
                client.sendmail(SENDER, ["joe@here.example"], text)


def make(daemons):
    uid = UID if os.geteuid() == 0 else os.geteuid()
    daemon = daemons(LOCAL, uid=uid)
    for name in "home-joe", "mail":
        os.makedirs(os.path.join(daemon.folder, name), exist_ok=True)
        os.chown(os.path.join(daemon.folder, name), uid, -1)
    return daemon


def held(daemons):
    """A daemon with one message of each kind, that it keeps."""
    daemon = make(daemons).start()
    daemon.ctl("pause", "mda")
    send(daemon, TEXTS.values())
    return daemon


def mailbox(daemon):
    """Subjects of what was delivered, sorted; the texts have to be those that were sent."""
    subjects = []
    folder = os.path.join(daemon.folder, "mail", "new")
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), "rb") as file:
            text = file.read()
        subject = re.search(rb"^Subject: (\w+)", text, re.MULTILINE).group(1).decode()
        assert text.endswith(TEXTS[subject].replace(b"\r\n", b"\n")), f"{subject} is another text"
        subjects.append(subject)
    return sorted(subjects)


def delivers(daemon, expected):
    daemon.ctl("resume", "mda")
    daemon.ctl("schedule", "all")
    daemon.wait_queue_empty(30)
    assert mailbox(daemon) == sorted(expected)


def test_a_backup_is_restored_on_another_machine(daemons, tmp_path):
    first, second, backup = held(daemons), make(daemons), str(tmp_path / "backup")
    queued = first.queue_list()
    assert re.fullmatch(r"3 messages, \d+ bytes\n", first.ctl("backup", backup))
    assert os.stat(backup).st_mode & 0o777 == 0o600
    first.wait_for_log(r"queue.*event=backup count=3 bytes=\d+")
    said = offline("--spool", second.spool, "restore", backup)
    assert "restored: 3 messages, 3 recipients, and the history\n" in said
    assert re.search(r"^the backup is \d+ seconds? old; what was delivered since", said)
    second.check_spool()
    second.start()
    assert {entry["message"] for entry in second.queue_list()} <= {entry["message"] for entry in queued}
    delivers(second, TEXTS)
    send(second, [TEXTS["small"]])  # with an id that no message of the backup has
    postern.wait_until(lambda: len(mailbox(second)) == 4)
    second.stop()
    second.check_spool()


def test_a_backup_on_standard_output_and_what_is_in_its_way(daemons, tmp_path):
    daemon, there = held(daemons), tmp_path / "there"
    done = subprocess.run([postern.built("posternctl"), "-s", daemon.socket, "backup", "-"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=True, timeout=30)
    assert done.stdout.startswith(b"PSTNMAIL") and b"3 messages" in done.stderr
    there.write_bytes(b"mine")
    assert "cannot be made: File exists" in daemon.ctl("backup", str(there), check=False)
    assert there.read_bytes() == b"mine"
    with open("/dev/full", "wb") as full:
        done = subprocess.run([postern.built("posternctl"), "-s", daemon.socket, "backup", "-"], stdout=full,
                              stderr=subprocess.PIPE, check=False, timeout=30)
    assert done.returncode == 1 and b"cannot be written" in done.stderr
    daemon.allow("event=backup-not-whole")
    daemon.wait_for_log("event=backup-not-whole .*who asked for it is gone")


def test_merge_puts_each_message_once(daemons, tmp_path):
    first, second, backup = held(daemons), held(daemons), str(tmp_path / "backup")
    first.ctl("backup", backup)
    second.stop()
    assert "there is mail in the spool" in offline("--spool", second.spool, "restore", backup, expect=2)
    assert "restored: 3 messages, 3 recipients\n" in offline("--spool", second.spool, "restore", "--merge", backup)
    again = offline("--spool", second.spool, "restore", "--merge", backup)
    assert "restored: 0 messages" in again and "3 messages were restored before" in again
    second.check_spool()
    second.start()
    delivers(second, [*TEXTS, *TEXTS])
    second.stop()
    assert "restored: 0 messages" in offline("--spool", second.spool, "restore", backup)
    second.check_spool()


def test_into_the_same_spool_comes_back_what_was_removed(daemons, tmp_path):
    daemon, backup = held(daemons), str(tmp_path / "backup")
    daemon.ctl("backup", backup)
    ids = {entry["message"]: entry for entry in daemon.queue_list()}
    first, second, third = sorted(ids)
    daemon.ctl("remove", first)
    daemon.ctl("resume", "mda")
    daemon.ctl("schedule", second)
    daemon.ctl("pause", "mda")
    daemon.stop()
    said = offline("--spool", daemon.spool, "restore", "--merge", backup)
    assert "restored: 1 messages" in said, said
    daemon.check_spool()
    daemon.start()
    delivers(daemon, TEXTS)


@pytest.mark.parametrize("spoil,word", [
    (lambda text: text[:-1], "was cut off"),
    (lambda text: text[:len(text) // 2], "was cut off"),
    (lambda text: text[:3000] + bytes([text[3000] ^ 4]) + text[3001:], "is damaged"),
    (lambda text: text + b"x", "has bytes behind its end"),
    (lambda text: b"From joe\n" + text, "expected a backup"),
    (lambda text: b"", "expected a backup"),
])
def test_of_a_damaged_backup_nothing_is_restored(daemons, tmp_path, spoil, word):
    backup = tmp_path / "backup"
    text = whole_backup(daemons, tmp_path)
    backup.write_bytes(spoil(text))
    spool = tmp_path / "spool"
    os.chmod(tmp_path, 0o755)
    assert word in offline("--spool", str(spool), "restore", str(backup), expect=2)
    assert "0 findings" in offline("check-spool", str(spool))


def whole_backup(daemons, tmp_path):
    daemon = held(daemons)
    daemon.ctl("backup", str(tmp_path / "whole"))
    return (tmp_path / "whole").read_bytes()


@pytest.mark.root
def test_who_is_not_an_administrator_gets_no_backup(daemons):
    daemon = held(daemons)
    assert daemon.ctl("backup", "-", check=False, user=54321).startswith("posternctl: permission denied")


def test_a_backup_while_mail_comes_and_goes(daemons, tmp_path):
    """What is in it is what was acknowledged before; deliveries go on; the next begins when one has ended."""
    daemon = held(daemons)
    send(daemon, TEXTS.values(), 20)
    daemon.ctl("resume", "mda")
    with subprocess.Popen([postern.built("posternctl"), "-s", daemon.socket, "backup", "-"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as slow:
        assert slow.stdout.read(8) == b"PSTNMAIL"  # then it waits for us
        assert "another backup" in daemon.ctl("backup", str(tmp_path / "b"), check=False)
        delivers(daemon, [*TEXTS] * 21)
        slow.kill()
    daemon.allow("event=backup-not-whole")
    daemon.wait_for_log("event=backup-not-whole .*gone")
    assert daemon.ctl("backup", str(tmp_path / "b")).startswith("0 messages")


# --- export ---

@pytest.mark.parametrize("salvage", [[], ["--salvage"]])
def test_export_into_files(daemons, tmp_path, salvage):
    daemon, folder = held(daemons), tmp_path / "mail"
    daemon.stop()
    said = offline("--spool", daemon.spool, "export", *salvage, f"{folder}/")
    assert "3 messages exported, 0 findings" in said
    names = sorted(name.name for name in folder.iterdir())
    assert [name.partition(".")[2] for name in names] == ["eml", "envelope"] * 3
    texts = [path.read_bytes() for path in sorted(folder.glob("*.eml"))]
    for text, sent in zip(texts, TEXTS.values()):
        assert text.startswith(b"Received:") and text.endswith(sent)
    envelope = next(folder.glob("*.envelope")).read_text()
    for line in f"Reverse-Path: {SENDER}", "Forward-Path: joe@here.example", "Destination: in/joe", "Tries: 0":
        assert line + "\n" in envelope, envelope
    assert "File exists" in offline("--spool", daemon.spool, "export", *salvage, str(folder), expect=1)


@pytest.mark.parametrize("salvage", [[], ["--salvage"]])
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_is_exported_into_a_file_can_be_restored(daemons, tmp_path, salvage, end):
    first, second, backup = held(daemons), make(daemons), str(tmp_path / "backup")
    getattr(first, end)()
    assert "3 messages exported, 0 findings" in offline("--spool", first.spool, "export", *salvage, backup)
    assert "restored: 3 messages" in offline("--spool", second.spool, "restore", backup)
    second.check_spool()
    delivers(second.start(), TEXTS)


def test_a_spool_in_use_is_named_with_its_process(daemons, tmp_path):
    daemon = held(daemons)
    (tmp_path / "b").write_bytes(whole_backup(daemons, tmp_path))
    pid = daemon.pids("queue")[0]
    assert f"is in use by process {pid}\n" in offline("check-spool", daemon.spool, expect=2)
    for command in ["restore", "--merge", str(tmp_path / "b")], ["export", str(tmp_path / "x")]:
        assert f"is in use by process {pid}\n" in offline("--spool", daemon.spool, *command, expect=2)
    assert "is in use" in offline("--spool", daemon.spool, "export", "--salvage", str(tmp_path / "y"), expect=2)
    assert not (tmp_path / "x").exists() and not (tmp_path / "y").exists()
