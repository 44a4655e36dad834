# SPDX-License-Identifier: ISC
"""The ledger: what was acknowledged, what arrived, and whether the two agree (SECURITY 3, F-A to F-D).

A message is named by its reverse-path, <ID@ledger.example>, which shows in the queue's listing, in a Maildir and in a
bounce; its header holds the id and a checksum of its body. The client notes

    + ID RCPT...     250 to the final dot
    ? ID RCPT...     the connection broke between the dot and its answer
    - ID CODE        refused after the dot

and the sink

    = ID RCPT ok|corrupt     given a copy for RCPT
    ! ID RCPT                given a bounce for RCPT
    ~ SENDER RCPT            given a message that is none of ours

each in one write, before anything else happens. A line cut short by the end of its writer is no line.
"""

import collections
import glob
import hashlib
import os
import re

DOMAIN = "ledger.example"
HEADER = "X-Ledger"


def compose(name, recipients, size):
    """A message of about size bytes, CRLF lines; no line begins with a dot."""
    line = (name + " ").encode("ascii") * 8
    line = line[:70] + b"\r\n"
    body = line * max(1, (size - 250) // len(line))
    digest = hashlib.sha256(body).hexdigest()[:32]
    head = (f"From: <{name}@{DOMAIN}>\r\nTo: <{recipients[0]}>\r\nSubject: {name}\r\nMessage-ID: <{name}@{DOMAIN}>\r\n"
            f"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n{HEADER}: {name} {digest}\r\n\r\n")
    return head.encode("ascii") + body


def inspect(data):
    """Of a message as it arrived, CRLF or LF: (id, whether the body is what was sent), or (None, False)."""
    data = data.replace(b"\r\n", b"\n")
    head, _, body = data.partition(b"\n\n")
    match = re.search(rb"(?m)^" + HEADER.encode() + rb": (\S+) (\S+)$", head)
    if not match:
        return None, False
    digest = hashlib.sha256(body.replace(b"\n", b"\r\n")).hexdigest()[:32]
    return match[1].decode("ascii"), digest == match[2].decode("ascii")


def bounced_recipients(data):
    """Addresses that a delivery status notification tells of."""
    text = data.decode("latin-1")
    found = re.findall(r"(?mi)^Final-Recipient: *rfc822; *<?([^>\s]+)>?", text)
    return found or re.findall(r"<([^<>\s@]+@[^<>\s@]+)>", text.partition("\r\n\r\n")[2])[:1]


def id_of(sender):
    """The id in a reverse-path of ours, None for others."""
    local, _, domain = sender.strip("<>").partition("@")
    return local if domain.lower() == DOMAIN else None


class Notes:
    """A file of lines, each written at once."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, *words):
        os.write(self.fd, (" ".join(words) + "\n").encode("ascii"))

    def close(self):
        os.close(self.fd)


def read_notes(path):
    """Whole lines, as lists of words."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii") as file:
        return [line.split() for line in file if line.endswith("\n")]


class Balance:
    """The comparison. Sets and counters hold (id, recipient)."""

    def __init__(self):
        self.acknowledged = set()
        self.unknown = set()
        self.refused = set()
        self.delivered = collections.Counter()
        self.bounced = collections.Counter()
        self.queued = collections.Counter()
        self.corrupt = []

    def add_client(self, path):
        for mark, name, *rest in read_notes(path):
            if mark == "+":
                self.acknowledged |= {(name, recipient) for recipient in rest}
            elif mark == "?":
                self.unknown |= {(name, recipient) for recipient in rest}
            else:
                self.refused.add(name)

    def add_sink(self, path):
        for mark, name, recipient, *state in read_notes(path):
            if mark == "~":
                continue
            if mark == "!":
                self.bounced[name, recipient] += 1
            else:
                self.delivered[name, recipient] += 1
                if state != ["ok"]:
                    self.corrupt.append(f"{name} for {recipient}")

    def add_maildir(self, path, recipient):
        """What stands in new/ and cur/ counts as delivered to recipient."""
        for file in glob.glob(os.path.join(path, "new", "*")) + glob.glob(os.path.join(path, "cur", "*")):
            with open(file, "rb") as opened:
                name, intact = inspect(opened.read())
            if name is None:
                continue
            self.delivered[name, recipient] += 1
            if not intact:
                self.corrupt.append(file)

    def add_queue(self, entries):
        """Of `posternctl show queue --json`: what of ours waits. Bounces that wait count as bounced."""
        for entry in entries:
            sender = entry.get("from", entry.get("sender", "")) or ""
            recipient = entry.get("to", entry.get("rcpt", "")) or ""
            if id_of(sender):
                self.queued[id_of(sender), recipient.strip("<>")] += 1
            elif id_of(recipient):
                self.bounced[id_of(recipient), None] += 1

    # --- results ---

    def missing(self):
        """F-A: acknowledged, and nowhere."""
        bounced_any = {name for name, recipient in self.bounced if recipient is None}
        return sorted(key for key in self.acknowledged
                      if key not in self.delivered and key not in self.queued and key not in self.bounced
                      and key[0] not in bounced_any)

    def twofold(self):
        """F-A: in two of the three places at once."""
        return sorted(key for key in self.acknowledged
                      if (key in self.delivered) + (key in self.queued) + (key in self.bounced) > 1)

    def duplicates(self):
        """F-B: copies beyond the first."""
        return sum(count - 1 for count in self.delivered.values())

    def from_nowhere(self):
        """F-C: delivered or queued, and neither acknowledged nor in doubt."""
        known = self.acknowledged | self.unknown
        return sorted(key for key in set(self.delivered) | set(self.queued)
                      if key not in known and key[0] not in self.refused)

    def refused_yet_there(self):
        """Refused with a 4xx, and kept all the same: allowed only where a sync failed."""
        return sorted(key for key in set(self.delivered) | set(self.queued) if key[0] in self.refused)

    def summary(self):
        return (f"acknowledged {len(self.acknowledged)}, in doubt {len(self.unknown)}, refused {len(self.refused)}; "
                f"delivered {len(self.delivered)}, queued {len(self.queued)}, bounced {len(self.bounced)}; "
                f"missing {len(self.missing())}, twofold {len(self.twofold())}, duplicates {self.duplicates()}, "
                f"from nowhere {len(self.from_nowhere())}, refused yet there {len(self.refused_yet_there())}, "
                f"corrupt {len(self.corrupt)}")

    def problems(self):
        """Violations of F-A and F-C in words; duplicates are for the caller to judge."""
        found = []
        for name, keys in (("missing", self.missing()), ("from nowhere", self.from_nowhere()),
                           ("corrupt", self.corrupt)):
            if keys:
                found.append(f"{len(keys)} {name}: {keys[:5]}")
        return found
