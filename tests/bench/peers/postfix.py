# SPDX-License-Identifier: ISC
"""Postfix in a root of its own: the durable peer."""

import os
import shutil

from peers import HOSTNAME, Peer, fresh_folder
from process import file_tail
from roots import ensure_root

# Numbers of accounts exist in the root only; they must not be those of accounts outside.
POSTFIX = 64801
POSTDROP = 64802
ACCOUNTS = {"users": [("postfix", POSTFIX, POSTFIX), ("nobody", 65534, 65534)],
            "groups": [("postfix", POSTFIX), ("postdrop", POSTDROP), ("nogroup", 65534)]}
SPARE_PROCESSES = 100

QUEUE = "var/spool/postfix"
LOG = "var/log/postfix.log"
FOLDERS = (
    # name, owner, group, mode
    ("active", POSTFIX, 0, 0o700),
    ("bounce", POSTFIX, 0, 0o700),
    ("corrupt", POSTFIX, 0, 0o700),
    ("defer", POSTFIX, 0, 0o700),
    ("deferred", POSTFIX, 0, 0o700),
    ("flush", POSTFIX, 0, 0o700),
    ("hold", POSTFIX, 0, 0o700),
    ("incoming", POSTFIX, 0, 0o700),
    ("maildrop", POSTFIX, POSTDROP, 0o730),
    ("pid", 0, 0, 0o755),
    ("private", POSTFIX, 0, 0o700),
    ("public", POSTFIX, POSTDROP, 0o710),
    ("saved", POSTFIX, 0, 0o700),
    ("trace", POSTFIX, 0, 0o700),
)

HOLD = "smtpd_recipient_restrictions = check_recipient_access static:HOLD, permit_mynetworks"


class Postfix(Peer):
    name = "postfix"
    title = "Postfix"
    # Its log goes to a syslog that is not there, which costs it next to nothing.
    remark = "Postfix: 1 fsync a message; tuned; logs nowhere"

    def prepare(self):
        self.root, self.version = ensure_root(self.place.cache, "postfix", ACCOUNTS, self.place.getting, self.place.say)

    def configure(self, setting, port):
        self.empty()
        fresh_folder(self.path(QUEUE), 0, 0, 0o755)
        for name, uid, gid, mode in FOLDERS:
            fresh_folder(self.path(QUEUE, name), uid, gid, mode)
        fresh_folder(self.path("var/lib/postfix"), POSTFIX, POSTFIX, 0o700)
        values = {
            "HOSTNAME": HOSTNAME,
            "PORT": port,
            "SINK": setting.sink or port,
            "PROCESSES": setting.sessions + SPARE_PROCESSES,
            "HOLD": HOLD if setting.hold else "",
            "LOG": f"maillog_file = /{LOG}" if self.place.peer_logs else "",
        }
        self.place.write_filled("postfix-main.cf", self.path("etc/postfix/main.cf"), values)
        self.place.write_filled("postfix-master.cf", self.path("etc/postfix/master.cf"), values)
        return ["/usr/lib/postfix/sbin/master", "-d", "-c", "/etc/postfix"]

    def complaints(self):
        return super().complaints() or file_tail(self.path(LOG))

    def empty(self):
        for name in (QUEUE, "var/lib/postfix"):
            shutil.rmtree(self.path(name), ignore_errors=True)
        if os.path.exists(self.path(LOG)) and not self.place.peer_logs:
            os.unlink(self.path(LOG))

    def path(self, *names):
        return os.path.join(self.root, *names)
