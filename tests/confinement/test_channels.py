# SPDX-License-Identifier: ISC
"""A process that speaks nonsense on its channel is cut off, told of once, and restarted; nothing else suffers (SECURITY 2.9).

The production daemon runs; the test borrows a process' end of a channel and writes on it what that process never would.
"""

import os
import signal
import socket
import sys

import pytest

import channels
import confined
import load as load_module
import postern
import proto_wire
import smtp

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault"))

import strace  # noqa: E402 pylint: disable=wrong-import-position

BACK_SECONDS = 5
HEADER = proto_wire.HEADER
frame = proto_wire.frame


def raw(length, number, flags=0, identity=1, payload=b""):
    return HEADER.pack(length, number, flags, identity) + payload


ABORT = proto_wire.TYPES["ABORT"]
BODY = proto_wire.TYPES["BODY"]

# An id that nobody has come to yet.
NEVER = 0x7FFFFFFFFFFFFFFF
# The number that a queue in its first life gives the first mailbox process (queue/mailboxes.c).
FIRST_MAILBOX = (1 << 20) + 1

# What anybody may do wrong on a channel, whatever the edge: (name, bytes).
FRAMING = [
    ("an unknown type", raw(1, 999, payload=b"\0")),
    ("the largest type", raw(1, 0xFFFF, payload=b"\0")),
    ("a type of the parent's", frame("DRAIN", 0)),
    ("a type that is never sent", frame("TICKET", 1)),
    ("a length over the limit", raw(65537, BODY)),
    ("a length of 2^31", raw(0x80000000, BODY)),
    ("a length of 2^32 - 1", raw(0xFFFFFFFF, BODY)),
    ("an unknown flag", raw(1, ABORT, flags=4, payload=b"\0")),
    ("a descriptor that is not there", raw(1, ABORT, flags=1, payload=b"\0")),
]

# (from, to, name, bytes or a function of the scene returning them)
SAYINGS = [("smtpd", "queue", name, data) for name, data in FRAMING] + [
    ("smtpd", "router", name, data) for name, data in FRAMING[:4]] + [
    ("relay", "queue", name, data) for name, data in FRAMING[:5]] + [
    ("router", "smtpd", name, data) for name, data in FRAMING[:3]] + [
    ("resolver", "relay", name, data) for name, data in FRAMING[:3]] + [
    ("userdb", "router", name, data) for name, data in FRAMING[:3]] + [
    ("queue", "relay", name, data) for name, data in FRAMING[:3]] + [
    ("smtpd", "posternd", name, data) for name, data in FRAMING[:1] + FRAMING[3:6]] + [
    # lengths
    ("smtpd", "queue", "no payload", raw(0, ABORT)),
    ("smtpd", "queue", "a byte too many", raw(2, ABORT, payload=b"\0\0")),
    ("smtpd", "queue", "a text cut short", raw(10, BODY, payload=b"\x20\0\0\0abcdef")),
    ("smtpd", "queue", "a text with NUL", frame("BEGIN", 1, session=1, reverse_path=b"a\0b")),
    ("smtpd", "queue", "a choice that is none", raw(20, proto_wire.TYPES["BEGIN"], payload=bytes(16) + b"\x09\0\0\0")),
    ("smtpd", "queue", "a boolean of 2", raw(1, ABORT, payload=b"\x02")),
    # types of the wrong direction or edge
    ("smtpd", "queue", "an answer of the queue's", frame("DONE", 1)),
    ("smtpd", "queue", "a question to the router", frame("RCPT_CHECK", 1)),
    ("smtpd", "queue", "a delivery's result", frame("JOB_RESULT", 1)),
    ("smtpd", "posternd", "a stop", frame("STOP", 1)),
    ("smtpd", "posternd", "a mailbox", frame("MAILBOX_START", 1, statement=b"x" * 40)),
    ("relay", "posternd", "a pause", frame("SET_PAUSE", 1)),
    ("relay", "queue", "a transaction", frame("BEGIN", 1)),
    # ids that it does not own
    ("smtpd", "queue", "a transaction that was never granted", frame("BEGIN", 0x7FFFFFFFFFFFFFFF, session=1)),
    ("smtpd", "queue", "transaction 0", frame("BEGIN", 0, session=1)),
    ("smtpd", "queue", "a body of nobody's", frame("BODY", 12345, bytes=b"x")),
    ("smtpd", "queue", "a commit of nobody's", frame("COMMIT", 12345, size=0)),
    ("relay", "queue", "a result of nobody's", frame("JOB_RESULT", 12345, number=0, result=0, code=250)),
    ("relay", "queue", "an end of nobody's", frame("JOB_END", 12345)),
    ("relay", "queue", "a pull of nobody's", frame("JOB_PULL", 12345)),
    ("smtpd", "router", "a recipient of no session", frame("RCPT_CHECK", 0x123456789, transaction=1, number=1,
                                                           forward_path="a@far.example")),
    ("smtpd", "router", "the end of no session", frame("SESSION_CLOSE", 0x123456789)),
    ("smtpd", "router", "a session without its socket", frame("SESSION_OPEN", 1, listener=0)),
    ("userdb", "router", "a user nobody asked for", frame("USER_ANSWER", 12345)),
    ("resolver", "relay", "a route nobody asked for", frame("ROUTE_END", 12345)),
    ("queue", "relay", "a piece of no job", frame("JOB_BODY", 12345, offset=0, bytes=b"x")),
    ("queue", "relay", "an end of no job", frame("JOB_CANCEL", 12345)),
    # answers to what was never asked
    ("router", "smtpd", "a verdict nobody asked for", frame("RCPT_VERDICT", NEVER, transaction=NEVER, number=0, code=250)),
    ("router", "smtpd", "a ticket nobody asked for", frame("RCPT_TICKET", NEVER, transaction=NEVER, ticket=b"x" * 40)),
    ("router", "queue", "a route nobody asked for", frame("RCPT_VERDICT", 0, transaction=NEVER, number=0, code=250)),
    ("router", "queue", "a ticket nobody asked for", frame("RCPT_TICKET", 0, transaction=NEVER, ticket=b"x" * 40)),
    ("router", "queue", "a statement nobody asked for", frame("STATEMENT_ANSWER", NEVER, statement=b"x" * 40)),
    ("router", "queue", "a statement given before", frame("STATEMENT_ANSWER", FIRST_MAILBOX, statement=b"x" * 40)),
    ("queue", "smtpd", "credit for nothing", frame("CREDIT", NEVER, bytes=1)),
    ("queue", "smtpd", "done what was never begun", frame("DONE", NEVER)),
    ("queue", "smtpd", "a refusal of nothing", frame("REFUSED", NEVER, reason=0)),
    ("queue", "control", "an entry nobody asked for", frame("QUEUE_ENTRY", NEVER, message=1)),
    ("queue", "control", "an end of nothing", frame("ANSWER_END", NEVER)),
    ("relay", "control", "a value nobody asked for", frame("STATUS_VALUE", NEVER, value=1)),
]

# Who is nearer to the network is restarted, whoever spoke; the parent's children are restarted by the parent.
NEARNESS = ("mailbox", "smtpd", "relay", "resolver", "control", "userdb", "router", "queue", "posternd")


def restarted_of(speaker, hearer):
    return min(speaker, hearer, key=NEARNESS.index)


def others(daemon, but):
    return sorted((pid, name) for pid, name in daemon.family() if name != "mailbox" and pid != but)


def speak(scene, speaker, hearer, data):
    """Says it, and judges what follows."""
    daemon = scene.daemon
    daemon.allow("event=(peer-broke|process-died|process-cut-off)", "event=parent-broke")
    said_by, heard_by = scene.pid(speaker), scene.pid(hearer)
    victim = restarted_of(speaker, hearer)
    victim_pid = said_by if victim == speaker else heard_by
    before, mark = others(daemon, victim_pid), daemon.log.mark()
    with channels.channel(said_by, heard_by) as end:
        end.sendall(data)
        told = rf"event=(peer-broke|process-cut-off) .*{speaker}" if hearer != "posternd" else \
            rf"event=(peer-broke|process-cut-off|process-died) .*{speaker}"
        daemon.wait_for_log(told, start=mark)
        postern.wait_until(lambda: not postern.alive(victim_pid), BACK_SECONDS, f"the end of {victim}")
    postern.wait_until(lambda: len(daemon.pids(victim)) == len([1 for _, name in before if name == victim]) + 1,
                       BACK_SECONDS, f"a new {victim}")
    told_lines = [line for line in daemon.log.lines[mark:] if "event=peer-broke" in line and speaker in line]
    assert len(told_lines) <= 1, "told more than once:\n" + "\n".join(told_lines)
    assert set(before) <= set(others(daemon, None)), "another process suffered"


@pytest.mark.parametrize("speaker, hearer, name, data", SAYINGS,
                         ids=[f"{row[0]}-to-{row[1]}-{row[2].replace(' ', '-')}" for row in SAYINGS])
def test_I01_I02_I03_I04_nonsense(scene, speaker, hearer, name, data):
    scene.start()
    speak(scene, speaker, hearer, data)
    scene.send()


# --- tickets ---

def see_ticket(scene):
    """What a smtpd said to the queue about one message: (pid of that smtpd, BEGIN, the ticket of one recipient)."""
    daemon = scene.daemon
    traces = [(pid, strace.Strace(pid, "-xx", "-s", "100000", trace=("sendmsg",))) for pid in daemon.pids("smtpd")]
    smtp.deliver(daemon.port, "a@c.example", [load_module.FAR], smtp.message("seen"))
    found = None
    for pid, trace in traces:
        begin = None
        for call in trace.stop():
            for seen in proto_wire.frames(call.data()):
                if seen.name == "BEGIN":
                    begin = seen
                if seen.name == "RCPT" and begin is not None:
                    found = found or (pid, begin, proto_wire.decode("RCPT", seen.payload)["ticket"])
    scene.sent += 1
    assert found, "no ticket was seen"
    return found


def flipped(ticket, bit):
    changed = bytearray(ticket)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


# Answers about a transaction that is over: dropped, nobody is blamed. (speaker, type, is the id the session's, fields)
LATE = [
    ("router", "RCPT_VERDICT", True, {"number": 0, "code": 250}),
    ("router", "RCPT_TICKET", True, {"number": 0, "ticket": b"x" * 40}),
    ("queue", "CREDIT", False, {"bytes": 1}),
    ("queue", "DONE", False, {}),
    ("queue", "REFUSED", False, {"reason": 0}),
]


def hear_late(scene, speaker, hearer_pid, data):
    """Says it, and looks that nothing comes of it."""
    before = others(scene.daemon, None)
    with channels.channel(scene.pid(speaker), hearer_pid) as end:
        end.sendall(data)
    scene.send()
    scene.daemon.ctl("show", "status")  # all were asked, so all have read what came before
    assert others(scene.daemon, None) == before


@pytest.mark.parametrize("speaker, name, of_session, fields", LATE, ids=[f"{row[0]}-{row[1]}" for row in LATE])
def test_I01_an_answer_that_comes_too_late_does_nothing(scene, speaker, name, of_session, fields):
    if strace.missing():
        pytest.skip(strace.missing())
    scene.start()
    pid, begin, _ = see_ticket(scene)
    scene.daemon.wait_queue_empty()
    if of_session:
        session = proto_wire.decode("BEGIN", begin.payload)["session"]
        data = frame(name, session, transaction=begin.id, **fields)
    else:
        data = frame(name, begin.id, **fields)
    hear_late(scene, speaker, pid, data)


def test_I01_a_statement_that_comes_too_late_does_nothing(scene):
    """The first process that delivered to a user is gone."""
    scene.start()
    daemon = scene.daemon
    daemon.allow("event=(process-died|peer-broke).*mailbox")
    first, = daemon.pids("mailbox")
    os.kill(first, signal.SIGKILL)
    postern.wait_until(lambda: not postern.alive(first), BACK_SECONDS, "the end of mailbox")
    scene.send()
    hear_late(scene, "router", scene.pid("queue"), frame("STATEMENT_ANSWER", FIRST_MAILBOX, statement=b"x" * 40))


TICKETS = [
    ("replayed in another transaction", lambda ticket: ticket),
    ("cut by a byte", lambda ticket: ticket[:-1]),
    ("cut to its MAC", lambda ticket: ticket[-32:]),
    ("empty", lambda ticket: b""),
    ("longer by a byte", lambda ticket: ticket + b"\0"),
    ("with its first bit changed", lambda ticket: flipped(ticket, 0)),
    ("with a bit of its recipient changed", lambda ticket: flipped(ticket, ticket.find(b"far.example") * 8 + 1)),
    ("with its last bit changed", lambda ticket: flipped(ticket, len(ticket) * 8 - 1)),
    ("forged whole", lambda ticket: proto_wire.encode("TICKET", transaction=1, recipient="root@here.example") + bytes(32)),
]


@pytest.mark.parametrize("name, change", TICKETS, ids=[row[0].replace(" ", "-") for row in TICKETS])
def test_I05_a_ticket_that_is_not_the_routers(scene, name, change):
    """The recipient is not delivered to, the worker that brought it is cut off."""
    if strace.missing():
        pytest.skip(strace.missing())
    scene.start()
    daemon = scene.daemon
    daemon.allow("event=(peer-broke|process-died|process-cut-off)")
    pid, begin, ticket = see_ticket(scene)
    before, mark = others(daemon, pid), daemon.log.mark()
    # The next id that this worker would use.
    identity = begin.id + 1
    with channels.channel(pid, scene.pid("queue")) as end:
        end.sendall(frame("BEGIN", identity, begin.payload) + frame("RCPT", identity, ticket=change(ticket)) +
                    frame("COMMIT", identity, size=0, preamble=b"X-Forged: yes\r\n"))
        daemon.wait_for_log("event=(peer-broke|process-cut-off) .*smtpd", start=mark)
        postern.wait_until(lambda: not postern.alive(pid), BACK_SECONDS, "the end of smtpd")
    postern.wait_until(lambda: len(daemon.pids("smtpd")) == 2, BACK_SECONDS, "a new smtpd")
    assert set(before) <= set(others(daemon, None))
    scene.send()
    daemon.wait_queue_empty()
    assert not any(b"X-Forged" in mail.data for mail in scene.sink.mails)
    assert len(scene.sink.mails) == scene.sent


def test_I07_more_than_the_window(scene):
    """Bodies without waiting for credit: the worker is cut off, nothing is kept."""
    if strace.missing():
        pytest.skip(strace.missing())
    scene.start()
    daemon = scene.daemon
    daemon.allow("event=(peer-broke|process-died|process-cut-off)")
    pid, begin, _ = see_ticket(scene)
    mark = daemon.log.mark()
    with channels.channel(pid, scene.pid("queue")) as end:
        try:
            end.sendall(frame("BEGIN", begin.id + 1, begin.payload) +
                        frame("BODY", begin.id + 1, bytes=b"x" * 60000) * 4)
        except OSError:
            pass  # closed while we spoke
        daemon.wait_for_log("event=(peer-broke|process-cut-off) .*smtpd", start=mark)
    postern.wait_until(lambda: not postern.alive(pid), BACK_SECONDS, "the end of smtpd")
    scene.send()


# --- the control socket, where anybody may speak ---

CLIENTS = [
    *[(name, data) for name, data in FRAMING],
    ("a type of control's own", frame("QUEUE_ENTRY", 1)),
    ("a transaction", frame("BEGIN", 1)),
    ("half a header", raw(1, ABORT)[:7]),
]


@pytest.mark.parametrize("name, data", CLIENTS, ids=[row[0].replace(" ", "-") for row in CLIENTS])
def test_U01_a_local_user_speaks_nonsense(scene, name, data):
    """It is cut off; control itself stays, and serves others."""
    scene.start()
    scene.daemon.allow("event=(peer-broke|control-refused)")
    control = scene.pid("control")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(15)
        client.connect(scene.daemon.socket)
        client.sendall(data)
        scene.daemon.ctl("show", "status")
        if name != "half a header":
            assert client.recv(1) == b"", "it was answered"
    assert scene.daemon.pids("control") == [control]


def test_the_scene_knows_all_kinds():
    """A kind of process that is added needs its rows here."""
    edges = proto_wire.KIND_NUMBERS
    assert set(confined.KINDS) | {"posternd", "client"} == set(edges)
