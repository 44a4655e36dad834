# SPDX-License-Identifier: ISC
"""Mail by MX, from a name server of our own to servers on port 25 of loopback (SECURITY 2.6): what each kind of answer
leads to, and that one domain's trouble is nobody else's."""

import asyncio
import os
import random
import re
import signal
import time

import dns_server
import postern
import sink
import smtp

import pytest

SMTP_PORT = 25
EVENT = re.compile(r"event=(delivered|deferred|bounced) .*? to=a@(\S+) .*? reply=(\"[^\"]*\"|\S+)")
PROMPT_SECONDS = 3
TRIES_MAX = 20

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="port 25 and an account of its own need root")


class MxSink(sink.Sink):
    """A server on port 25 of an address of loopback that nobody else uses."""

    def run(self, started):
        asyncio.set_event_loop(self.loop)
        for _ in range(TRIES_MAX):
            self.address = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(2, 254)}"
            try:
                self.server = self.loop.run_until_complete(
                    asyncio.start_server(self.serve, self.address, SMTP_PORT, limit=sink.LINE_MAX))
                break
            except OSError:
                continue
        self.port = SMTP_PORT
        started.set()
        self.loop.run_forever()
        self.server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


class Lab:
    """A name server, a good mail server, and a daemon that delivers by MX."""

    def __init__(self, base=postern.BASE_CONFIG):
        self.names = dns_server.DnsServer()
        self.mail = MxSink()
        self.daemon = postern.Daemon(
            f'dns server "127.0.0.1@{self.names.port}"\naction "out" relay\nmatch from any for any action "out"\n',
            base=base)
        self.daemon.start()

    def close(self):
        try:
            self.daemon.close()
        finally:
            if self.daemon.process is not None:
                self.daemon.kill()
            self.names.stop()
            self.mail.stop()

    def good(self, domain):
        """Makes domain one whose mail is taken."""
        self.names.zone[domain] = [f"MX 10 mx.{domain}."]
        self.names.zone["mx." + domain] = ["A " + self.mail.address]

    def send(self, domain):
        smtp.deliver(self.daemon.port, "", [f"a@{domain}"], smtp.message())

    def events(self, domain):
        found = []
        for line in self.daemon.log.text().splitlines():
            match = EVENT.search(line)
            if match and match[2] == domain:
                found.append((match[1], match[3].strip('"')))
        return found

    def outcome(self, domain, seconds=postern.WAIT_SECONDS):
        """The first event of the domain's message."""
        return postern.wait_until(lambda: self.events(domain), seconds, f"an event of {domain}")[0]


def make_lab(base=postern.BASE_CONFIG):
    lab = Lab(base)
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def lab():
    yield from make_lab()


@pytest.fixture
def own_lab():
    yield from make_lab()


@pytest.fixture(scope="module", autouse=True)
def forsaken():
    """A lab whose name server is gone since before the first test, with mail waiting for it: until resolver has asked often
    enough to call it gone takes long (infra-cache-min-rtt), and the tests between need not wait for that."""
    for made in make_lab():
        made.good("d.example")
        made.names.vanish()
        made.send("d.example")
        yield made


def chain(domain, links, end):
    """A zone where domain is an alias of so many links that end in records."""
    names = [domain] + [f"c{n}.{domain}" for n in range(1, links + 1)]
    zone = {name: [f"CNAME {names[n + 1]}."] for n, name in enumerate(names[:-1])}
    zone[names[-1]] = end
    return zone


# Sentence, zone around "d.example" ({mx}: the good server's address), event, pattern of the reply.
ROWS = [
    ("one MX", {"d.example": ["MX 10 mx.d.example."], "mx.d.example": ["A {mx}"]}, "delivered", "250 "),
    ("no MX: the domain's address", {"d.example": ["A {mx}"]}, "delivered", "250 "),
    ("the first MX is dead", {"d.example": ["MX 10 a.d.example.", "MX 20 b.d.example."],
                              "a.d.example": ["A 127.0.0.99"], "b.d.example": ["A {mx}"]}, "delivered", "250 "),
    ("the first MX has no address", {"d.example": ["MX 10 a.d.example.", "MX 20 b.d.example."],
                                     "b.d.example": ["A {mx}"]}, "delivered", "250 "),
    ("no such domain", {}, "bounced", "550 5.1.2 d.example does not exist"),
    ("neither MX nor address", {"d.example": ["TXT x"]}, "bounced",
     "550 5.4.4 no mail host of d.example has an address"),
    ("D03 null MX", {"d.example": ["MX 0 .", "A {mx}"]}, "bounced", "556 5.1.10 d.example does not accept mail"),
    ("D03 null MX among others", {"d.example": ["MX 0 .", "MX 10 mx.d.example."], "mx.d.example": ["A {mx}"]},
     "delivered", "250 "),
    ("D03 an MX with a space", {"d.example": ["MX 10 a\\032b.example."]}, "bounced",
     "554 5.4.4 no MX of d.example is the name of a host"),
    ("D03 an MX with a NUL", {"d.example": ["MX 10 a\\000b.example."]}, "bounced", "554 5.4.4 "),
    ("D03 an MX that is an address", {"d.example": ["MX 10 127.0.0.1."]}, "bounced", "55[04] 5.4.4 "),
    ("D01 the MX is an alias", {"d.example": ["MX 10 a.d.example."], "a.d.example": ["CNAME b.d.example."],
                                "b.d.example": ["A {mx}"]}, "delivered", "250 "),
    ("D01 eight aliases", chain("d.example", 8, ["A {mx}"]), "delivered", "250 "),
    ("D01 nine aliases", chain("d.example", 9, ["A {mx}"]), "deferred", "451 4.4.3 "),
    ("D01 a loop of aliases", {"d.example": ["CNAME e.d.example."], "e.d.example": ["CNAME d.example."]},
     "deferred", "451 4.4.3 "),
    ("D04 SERVFAIL", {"d.example": dns_server.SERVFAIL}, "deferred", "451 4.4.3 d.example: "),
    ("D04 REFUSED", {"d.example": dns_server.REFUSED}, "deferred", "451 4.4.3 d.example: "),
    ("D04 SERVFAIL for the only host", {"d.example": ["MX 10 a.d.example."], "a.d.example": dns_server.SERVFAIL},
     "deferred", "451 4.4.3 a.d.example: "),
    ("D04 SERVFAIL for the first host", {"d.example": ["MX 10 a.d.example.", "MX 20 b.d.example."],
                                         "a.d.example": dns_server.SERVFAIL, "b.d.example": ["A {mx}"]},
     "delivered", "250 "),
    ("D05 rubbish", {"d.example": b"\x81\x80\x00\x01\x00\xff\x00\x00\x00\x00"}, "deferred", "451 4.4.3 "),
    ("D05 an answer by TCP", {"d.example": (dns_server.TRUNCATE, ["MX 10 mx.d.example."]), "mx.d.example": ["A {mx}"]},
     "delivered", "250 "),
    ("D02 1,000 MX", {"d.example": (dns_server.TRUNCATE, [f"MX {2000 - n} h{n}.d.example." for n in range(1000)]),
                      "h999.d.example": ["A {mx}"]}, "delivered", "250 "),
]


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: ROWS[number][0])
def test_zones(lab, number):
    _, zone, event, reply = ROWS[number]
    domain = f"d{number}.example"

    def own(text):
        if isinstance(text, str):
            return text.replace("d.example", domain).replace("{mx}", lab.mail.address)
        if isinstance(text, (list, tuple)):
            return type(text)(own(part) for part in text)
        return text

    lab.names.zone.update({own(name): own(entry) for name, entry in zone.items()})
    lab.send(domain)
    got_event, got_reply = lab.outcome(domain, 40)
    assert got_event == event and re.match(own(reply), got_reply), f"{got_event} {got_reply!r}"


def test_D02_queries_are_bounded(lab):
    """Of 1,000 MX twenty are asked about."""
    domain = "many.example"
    lab.names.zone[domain] = (dns_server.TRUNCATE, [f"MX {n} h{n}.{domain}." for n in range(1000)])
    lab.send(domain)
    assert lab.outcome(domain)[0] == "bounced"
    assert len({name for name, _ in lab.names.asked if name.endswith("." + domain)}) == 20


def test_D08_a_silent_domain_holds_up_nobody(lab):
    for number in range(30):
        lab.names.zone[f"silent{number}.example"] = dns_server.SILENT
        lab.send(f"silent{number}.example")
    for number in range(10):
        lab.good(f"prompt{number}.example")
        begun = time.monotonic()
        lab.send(f"prompt{number}.example")
        assert lab.outcome(f"prompt{number}.example")[0] == "delivered"
        assert time.monotonic() - begun < PROMPT_SECONDS
    event, reply = lab.outcome("silent0.example", 60)
    assert event == "deferred" and reply.startswith("451 4.4.3 silent0.example: "), reply


def test_D06_private_addresses_are_refused():
    """Without an exception in the configuration the very server that took the mail above is out of reach."""
    base = "".join(line + "\n" for line in postern.BASE_CONFIG.splitlines() if "private" not in line)
    lab = Lab(base)
    try:
        for number, address in enumerate([lab.mail.address, "127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0"]):
            lab.names.zone[f"p{number}.example"] = ["A " + address]
            lab.send(f"p{number}.example")
            event, reply = lab.outcome(f"p{number}.example")
            assert event == "bounced" and reply.startswith("550 5.4.4 "), reply
        for number, address in enumerate(["::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fd00::1"]):
            lab.names.zone[f"q{number}.example"] = ["AAAA " + address]
            lab.send(f"q{number}.example")
            event, reply = lab.outcome(f"q{number}.example")
            assert event == "bounced" and reply.startswith("550 5.4.4 "), reply
        smtp.deliver(lab.daemon.port, "", ["a@[127.0.0.1]"], smtp.message())
        lab.daemon.wait_for_log(r"event=(bounced|deferred) .*to=a@\[127.0.0.1\] .*|event=rejected")
        assert lab.mail.sessions == []
    finally:
        lab.close()


def test_resolver_killed_while_it_is_asked(own_lab):
    lab = own_lab
    lab.names.zone["d.example"] = dns_server.SILENT
    lab.send("d.example")
    postern.wait_until(lambda: lab.names.count("d.example"), what="a question")
    lab.good("d.example")
    lab.daemon.allow("event=process-died .*resolver", "event=.*resolver")
    os.kill(lab.daemon.pids("resolver")[0], signal.SIGKILL)
    assert lab.outcome("d.example", 15)[0] == "delivered"


def test_a_slow_name_server_is_waited_for(own_lab):
    """The answers to the first questions come too late for an impatient resolver."""
    lab = own_lab
    lab.good("d.example")
    lab.names.slow["d.example"] = 3.0
    lab.send("d.example")
    assert lab.outcome("d.example", 20)[0] == "delivered"


def test_domains_share_a_server_and_its_connection(lab):
    before = len(lab.mail.sessions)
    for number in range(5):
        domain = f"share{number}.example"
        lab.names.zone[domain] = ["MX 10 mx.share.example."]
        lab.names.zone["mx.share.example"] = ["A " + lab.mail.address]
        lab.send(domain)
        assert lab.outcome(domain)[0] == "delivered"
    assert len(lab.mail.sessions) - before <= 2  # one for each worker at most


@pytest.mark.deadline(120)
def test_names_come_back(forsaken):
    """The name server is gone for a while: mail waits, and goes when it is back. Stands last, see the fixture."""
    event, reply = forsaken.outcome("d.example", 60)
    assert event == "deferred" and reply.startswith("451 4.4.3 "), reply
    assert not forsaken.mail.mails
    forsaken.names = forsaken.names.come_back()
    forsaken.mail.wait(1, 60)
