# SPDX-License-Identifier: ISC
"""Spools of earlier versions are taken over, and their mail is delivered (SECURITY F17).

spools/schema-1.tar.xz is data.mdb and journal of a daemon of schema 1 that was killed: five messages to joe and ann, one
of them tried, one with both, one of several pieces, one that did not go through the journal, one that came last.
"""

import os
import re
import subprocess

import postern

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = """\
table users {{ "joe" = "{uid}:{uid}:{folder}/home", "ann" = "{uid}:{uid}:{folder}/home" }}
table domains {{ "here.example" }}
action "in" maildir "{folder}/mail" userbase <users>
match from any for domain <domains> action "in"
"""
SUBJECTS = ["large", "last", "pieces", "tried", "two", "two"]


def test_a_spool_of_schema_1_is_taken_over_and_delivered(daemons):
    uid = 65534 if os.geteuid() == 0 else os.geteuid()
    daemon = daemons(CONFIG, uid=uid)
    for name in "home", "mail":
        os.makedirs(os.path.join(daemon.folder, name))
        os.chown(os.path.join(daemon.folder, name), uid, -1)
    daemon.start()
    daemon.stop()  # which makes the spool, for whoever it belongs to
    owner = os.stat(daemon.spool)
    for name in os.listdir(daemon.spool):
        os.unlink(os.path.join(daemon.spool, name))
    subprocess.run(["tar", "-xJf", os.path.join(HERE, "spools", "schema-1.tar.xz"), "-C", daemon.spool], check=True)
    for name in os.listdir(daemon.spool):
        os.chown(os.path.join(daemon.spool, name), owner.st_uid, owner.st_gid)
    daemon.start()
    daemon.ctl("schedule", "all")
    daemon.wait_queue_empty(30)
    folder = os.path.join(daemon.folder, "mail", "new")
    texts = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            texts.append(file.read())
    assert sorted(re.search(rb"^Subject: (\w+)", text, re.MULTILINE).group(1).decode() for text in texts) == SUBJECTS
    assert any(text.endswith(b"line 2499 of a message that does not go through the journal\n") for text in texts)
    daemon.stop()
    daemon.check_spool()
    said = subprocess.run([postern.built("posternctl"), "check-spool", daemon.spool], stdout=subprocess.PIPE, check=True)
    assert said.stdout.endswith(b": 0 findings\n")
