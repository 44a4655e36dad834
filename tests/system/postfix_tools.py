# SPDX-License-Identifier: ISC
"""smtp-source, smtp-sink and Postfix itself, out of a root that is unpacked from Debian's packages, as for tests/bench.

Everything a test writes there lies in a folder of its own, so that several runs do not meet.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import pytest

import postern

BENCH = os.path.join(postern.TOP, "tests/bench")
CACHE = os.environ.get("POSTERN_BENCH", "/var/tmp/postern-bench")
if BENCH not in sys.path:
    sys.path.append(BENCH)

# pylint: disable=wrong-import-position
from peers.postfix import ACCOUNTS, FOLDERS, POSTFIX  # noqa: E402
from process import Failure  # noqa: E402
from roots import Getting, ensure_root  # noqa: E402

START_SECONDS = 30
STOP_SECONDS = 10
MAIN_CF = """\
compatibility_level = 3.6
myhostname = far.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
queue_directory = {place}/queue
data_directory = {place}/data
maillog_file = {place}/log
maillog_file_prefixes = {place}
mydestination =
alias_maps =
alias_database =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_tls_security_level = none
smtpd_peername_lookup = no
local_header_rewrite_clients =
smtp_dns_support_level = disabled
virtual_mailbox_domains = far.example
virtual_mailbox_base = {place}/mail
virtual_mailbox_maps = static:joe/
virtual_mailbox_limit = 0
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
"""
MASTER_CF = """\
127.0.0.1:{port}	inet	n	-	n	-	-	smtpd
cleanup	unix	n	-	n	-	0	cleanup
qmgr	unix	n	-	n	300	1	qmgr
tlsmgr	unix	-	-	n	1000?	1	tlsmgr
rewrite	unix	-	-	n	-	-	trivial-rewrite
bounce	unix	-	-	n	-	0	bounce
defer	unix	-	-	n	-	0	bounce
trace	unix	-	-	n	-	0	bounce
proxymap	unix	-	-	n	-	-	proxymap
virtual	unix	-	n	n	-	-	virtual
error	unix	-	-	n	-	-	error
retry	unix	-	-	n	-	-	error
anvil	unix	-	-	n	-	1	anvil
postlog	unix-dgram	n	-	n	-	1	postlogd
"""


def find():
    """A Tools, or the test is skipped with the reason."""
    if os.geteuid() != 0:
        pytest.skip("needs root: Postfix's programs run in a root of their own")
    try:
        root, _ = ensure_root(CACHE, "postfix", ACCOUNTS, Getting.MISSING, lambda _: None)
    except Failure as failure:
        pytest.skip(f"Postfix's programs cannot be had: {failure}")
    return Tools(root)


class Tools:
    """What runs in the root, with a folder there: `place` seen from inside, `outside` from here."""

    def __init__(self, root):
        self.root = root
        self.outside = tempfile.mkdtemp(prefix="postern-test-", dir=os.path.join(root, "tmp"))
        os.chmod(self.outside, 0o755)
        self.place = self.outside[len(root):]
        self.running = []
        self.sinks = 0

    def close(self):
        for process in self.running:
            self.stop(process)
        shutil.rmtree(self.outside, ignore_errors=True)

    def stop(self, process):
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        postern.wait_until(lambda: self.is_gone(process.pid), STOP_SECONDS, "the end of all its processes")

    @staticmethod
    def is_gone(group):
        """Ends what is left of a process group: Postfix's master may have been starting another process just then."""
        try:
            os.killpg(group, signal.SIGKILL)
            os.waitpid(-group, os.WNOHANG)
        except ProcessLookupError:
            return True
        except ChildProcessError:
            pass
        return False

    def chroot(self, user=POSTFIX):
        return ["chroot", f"--userspec={user}:{user}", self.root]

    def folder(self, name, uid=POSTFIX, gid=POSTFIX, mode=0o755):
        path = os.path.join(self.outside, name)
        os.makedirs(path)
        os.chown(path, uid, gid)
        os.chmod(path, mode)
        return path

    def write(self, name, data):
        """The path inside of a fresh file."""
        with open(os.path.join(self.outside, name), "wb") as file:
            file.write(data)
        return f"{self.place}/{name}"

    def start(self, argv, port, user=POSTFIX):
        """Runs a server until close; it listens when this returns."""
        process = subprocess.Popen([*self.chroot(user), *argv], stdin=subprocess.DEVNULL, start_new_session=True)
        self.running.append(process)
        postern.wait_until(lambda: listens(port) or process.poll() is not None, START_SECONDS, f"{argv[0]} on {port}")
        assert process.poll() is None, f"{argv[0]} ended with {process.returncode}"
        return process

    # --- the programs ---

    def source(self, port, *options):
        return [*self.chroot(), "/usr/sbin/smtp-source", *options, f"inet:127.0.0.1:{port}"]

    def sink(self, port, *options):
        """smtp-sink on that port, with a fresh folder for what it takes."""
        self.sinks += 1
        self.folder(f"dump{self.sinks}")
        return self.start(["/usr/sbin/smtp-sink", "-d", f"{self.place}/dump{self.sinks}/%s.", *options,
                           f"inet:127.0.0.1:{port}", "100"], port)

    def dumped(self):
        """[(recipients, message)] of what the last sink took: LF lines, behind its own Received; in no order."""
        found = []
        folder = os.path.join(self.outside, f"dump{self.sinks}")
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as file:
                text = file.read()
            head, _, rest = text.partition(b"Received: ")
            own, _, message = rest.partition(b"\nReceived: ")
            assert b"smtp-sink" in own, text
            recipients = [line[len(b"X-Rcpt-Args: <"):].partition(b">")[0].decode() for line in head.splitlines()
                          if line.startswith(b"X-Rcpt-Args")]
            # It ends each dump with an empty line.
            found.append((recipients, b"Received: " + message[:-1]))
        return found

    def postfix(self, port):
        """Postfix on that port, with a Maildir for everybody of far.example: its path."""
        self.folder("queue", 0, 0)
        for name, uid, gid, mode in FOLDERS:
            self.folder("queue/" + name, uid, gid, mode)
        self.folder("data", mode=0o700)
        self.folder("mail", mode=0o700)
        self.folder("etc", 0, 0)
        self.write("etc/main.cf", MAIN_CF.format(place=self.place, uid=POSTFIX).encode("ascii"))
        self.write("etc/master.cf", MASTER_CF.format(port=port).encode("ascii"))
        self.start(["/usr/lib/postfix/sbin/master", "-d", "-c", self.place + "/etc"], port, user=0)
        return os.path.join(self.outside, "mail/joe")


def listens(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
