# SPDX-License-Identifier: ISC
"""OpenSMTPD in a root of its own. It was seen not to sync at all: raced all the same, and the report says so."""

import os
import shutil

from peers import HOSTNAME, Peer
from process import run_command
from roots import ensure_root

# Numbers of accounts exist in the root only; they must not be those of accounts outside.
SMTPD = 64811
SMTPQ = 64812
ACCOUNTS = {"users": [("opensmtpd", SMTPD, SMTPD), ("opensmtpq", SMTPQ, SMTPQ), ("nobody", 65534, 65534)],
            "groups": [("opensmtpd", SMTPD), ("opensmtpq", SMTPQ), ("nogroup", 65534)],
            "setgid": [("usr/sbin/smtpctl", SMTPQ)]}
PAUSE_SECONDS = 10

QUEUE = "var/spool/smtpd"
CONFIGURATION = "etc/smtpd.conf"
SOCKET = "run/smtpd.sock"


class OpenSMTPD(Peer):
    name = "opensmtpd"
    title = "OpenSMTPD"
    # It keeps idle sessions to the smarthost for 10 s, and while they last opens no others for the messages that wait:
    # a first batch would be followed by 10 s at the pace of one session.
    warm_relay = False
    remark = "OpenSMTPD: seen not to sync at all, its 250 does not outlive a power cut; tuned; relay cold; logs nowhere"

    def prepare(self):
        self.root, self.version = ensure_root(self.place.cache, "opensmtpd", ACCOUNTS, self.place.getting,
                                              self.place.say)

    def configure(self, setting, port):
        self.empty()
        os.makedirs(self.path("var/spool"), exist_ok=True)
        values = {"HOSTNAME": HOSTNAME, "PORT": port, "SINK": setting.sink or port}
        self.place.write_filled("opensmtpd.conf", self.path(CONFIGURATION), values)
        # -F is -d with the log sent to a syslog that is not there.
        return ["/usr/sbin/smtpd", "-d" if self.place.peer_logs else "-F", "-f", "/" + CONFIGURATION]

    def started(self, setting):
        if setting.hold:
            run_command(["/usr/sbin/smtpctl", "pause", "mta"], PAUSE_SECONDS, root=self.root)

    def empty(self):
        shutil.rmtree(self.path(QUEUE), ignore_errors=True)
        if os.path.lexists(self.path(SOCKET)):
            os.unlink(self.path(SOCKET))

    def path(self, *names):
        return os.path.join(self.root, *names)
