# SPDX-License-Identifier: ISC
"""What is measured: one row a workload, one function a kind.

A measurement starts a peer on an empty queue, lets a first batch pass that is not counted, measures, and stops it.
It returns a dictionary of metrics, or raises a Failure.
"""

import time
from dataclasses import dataclass

from load import IdleSessions, Sink, Source
from peers import Setting
from process import Failure, memory

FIRST_MESSAGE_SECONDS = 30
RELAY_SECONDS = 180
RELAY_STALL_SECONDS = 20
RELAY_SESSIONS = 20
# What a server does after the last message has left (removing it, logging it) belongs to its CPU time.
SETTLE_SECONDS = 0.5
IDLE_SESSIONS = 1000
IDLE_SECONDS = 90
STEADY_TRIES = 10
STEADY_KIB = 64


@dataclass(frozen=True)
class Effort:
    """How long a run measures."""

    repeat: int
    warm_seconds: float
    seconds: float
    relay_messages: int
    relay_warm_messages: int


NORMAL = Effort(repeat=3, warm_seconds=2.0, seconds=3.0, relay_messages=5000, relay_warm_messages=500)
QUICK = Effort(repeat=1, warm_seconds=0.5, seconds=1.0, relay_messages=500, relay_warm_messages=50)


@dataclass(frozen=True)
class Workload:
    """A row: what it is called, and what the function of its kind is told."""

    name: str
    title: str
    kind: str
    sessions: int = 0
    reuse: bool = False

    def measure(self, peer, tools, effort):
        return KINDS[self.kind](self, peer, tools, effort)

    def repeat(self, effort):
        """Memory hardly varies from run to run, and takes long to fill."""
        return 1 if self.kind == "memory" else effort.repeat

    def applies(self, peer):
        """The limit stores nothing: it can only accept."""
        return peer.is_server or self.kind == "accept"


def accept(workload, peer, tools, effort):
    """Messages a second that get a 250, over a fixed time."""
    with peer.running(Setting(hold=True, sessions=workload.sessions)) as server:
        with Source(tools, server.port, workload.sessions, workload.reuse) as source:
            if not source.watch(lambda: source.count > 0 or not source.process.alive(), FIRST_MESSAGE_SECONDS):
                raise Failure(f"no message was taken in {FIRST_MESSAGE_SECONDS} s")
            source.run_for(effort.warm_seconds if peer.is_server else effort.warm_seconds / 4)
            before = mark(source.poll(), server)
            source.run_for(effort.seconds)
            return rates(before, mark(source.poll(), server))


def relay(_, peer, tools, effort):
    """Messages a second from the first one sent until the sink has all, with the client running beside."""
    with Sink(tools) as sink, peer.running(Setting(sink=sink.port, sessions=RELAY_SESSIONS)) as server:
        if peer.warm_relay:
            pass_through(tools, server, sink, effort.relay_warm_messages)
        time.sleep(SETTLE_SECONDS)
        before = mark(sink.poll(), server)
        pass_through(tools, server, sink, effort.relay_messages)
        after = mark(sink.poll(), server)
        time.sleep(SETTLE_SECONDS)
        wanted = before["count"] + effort.relay_messages
        if sink.poll() != wanted:
            raise Failure(f"the sink has {sink.count} messages, {wanted} were sent")
        after["cpu_ms"] = server.group.cpu_ms()
        return rates(before, after)


def pass_through(tools, server, sink, messages):
    wanted = sink.poll() + messages
    with Source(tools, server.port, RELAY_SESSIONS, True, messages) as source:
        source.finish(RELAY_SECONDS, sink)
    sink.wait_count(wanted, RELAY_SECONDS, RELAY_STALL_SECONDS)


def mark(count, server):
    return {"count": count, "time": time.monotonic(), "cpu_ms": server.group.cpu_ms() if server.group else None}


def rates(before, after):
    messages = after["count"] - before["count"]
    if messages <= 0:
        raise Failure("no message was taken while it was measured")
    result = {"rate": messages / (after["time"] - before["time"]), "messages": messages}
    if before["cpu_ms"] is not None:
        result["cpu_ms"] = (after["cpu_ms"] - before["cpu_ms"]) / messages
    return result


def idle(_, peer, tools, effort):
    """Memory of all processes of a server: after its start, and what each idle session adds."""
    del tools, effort
    with peer.running(Setting(hold=True, sessions=IDLE_SESSIONS)) as server:
        rest = steady_memory(server)
        with IdleSessions(server.port, IDLE_SESSIONS, IDLE_SECONDS) as sessions:
            busy = steady_memory(server)
            if sessions.open_count() != IDLE_SESSIONS:
                raise Failure(f"only {sessions.open_count()} of {IDLE_SESSIONS} idle sessions stayed open")
        return {
            "rest_anon_mib": rest["rss_anon_kib"] / 1024,
            "rest_pss_mib": rest["pss_kib"] / 1024,
            "processes": rest["processes"],
            "session_anon_kib": (busy["rss_anon_kib"] - rest["rss_anon_kib"]) / IDLE_SESSIONS,
            "session_pss_kib": (busy["pss_kib"] - rest["pss_kib"]) / IDLE_SESSIONS,
        }


def steady_memory(server):
    """Memory once it has stopped changing, or after some tries."""
    last = memory(server.group.pids())
    for _ in range(STEADY_TRIES):
        time.sleep(SETTLE_SECONDS)
        now = memory(server.group.pids())
        if abs(now["rss_anon_kib"] - last["rss_anon_kib"]) <= STEADY_KIB and now["processes"] == last["processes"]:
            return now
        last = now
    return last


KINDS = {"accept": accept, "relay": relay, "memory": idle}

WORKLOADS = (
    Workload("accept-reuse-1", "accept, 1 session, reused", "accept", 1, True),
    Workload("accept-reuse-20", "accept, 20 sessions, reused", "accept", 20, True),
    Workload("accept-reuse-100", "accept, 100 sessions, reused", "accept", 100, True),
    Workload("accept-each-20", "accept, 20 sessions, a connection each", "accept", 20, False),
    Workload("accept-each-100", "accept, 100 sessions, a connection each", "accept", 100, False),
    Workload("relay", "relay-through, until the sink has all", "relay"),
    Workload("memory", "memory", "memory"),
)
