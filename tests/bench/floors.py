# SPDX-License-Identifier: ISC
"""The floors: what Postern has to reach beside its peers, one row each.

A floor compares a metric of Postern with a fixed number, with a peer's metric, or with Postern's own in another
workload, always of the same run.
"""

from dataclasses import dataclass

SELF = "postern"
# Two equal medians differ by about so much on a busy machine.
NOISE = 0.05


@dataclass(frozen=True)
class Floor:
    """Postern's metric in a workload, divided by that of `than` in `other` (the same workload unless told)."""

    text: str
    workload: str
    metric: str
    wanted: float
    than: str = None
    other: str = None
    at_most: bool = False
    unit: str = ""

    def asked(self, workloads, peers):
        """Whether a run of these workloads and peers is to reach it."""
        return {self.workload, self.other or self.workload} <= set(workloads) and {SELF, self.than or SELF} <= set(peers)

    def got(self, results):
        """The figure to be compared, or None where it was not measured."""
        value = results.median(self.workload, SELF, self.metric)
        if self.than is None or value is None:
            return value
        base = results.median(self.other or self.workload, self.than, self.metric)
        return value / base if base else None

    def verdict(self, results):
        """(reached, text of got and wanted)."""
        got = self.got(results)
        sign = "<=" if self.at_most else ">="
        unit = self.unit or ("x" if self.than else "")
        wanted = f"{sign} {self.wanted:.4g} {unit}"
        if got is None:
            return False, "not measured", wanted
        reached = got <= self.wanted if self.at_most else got >= self.wanted
        return reached, f"{got:.2f} {unit}", wanted


FLOORS = (
    Floor("accept, 20 sessions, against Postfix", "accept-reuse-20", "rate", 6, than="postfix"),
    Floor("accept, 20 sessions, against OpenSMTPD", "accept-reuse-20", "rate", 4, than="opensmtpd"),
    Floor("accept, 100 sessions: no less than at 20, but for noise", "accept-reuse-100", "rate", 1 - NOISE,
          than=SELF, other="accept-reuse-20"),
    Floor("accept, 1 session: not below Postfix", "accept-reuse-1", "rate", 1, than="postfix"),
    Floor("accept, a connection each, 20 sessions, against Postfix", "accept-each-20", "rate", 4, than="postfix"),
    Floor("accept, a connection each, 100 sessions, against Postfix", "accept-each-100", "rate", 4, than="postfix"),
    Floor("accept, a connection each: no collapse from 20 to 100", "accept-each-100", "rate", 0.5,
          than=SELF, other="accept-each-20"),
    Floor("relay-through against Postfix tuned", "relay", "rate", 10, than="postfix"),
    Floor("relay-through against OpenSMTPD tuned", "relay", "rate", 5, than="opensmtpd"),
    Floor("RssAnon of all processes after start", "memory", "rest_anon_mib", 25, at_most=True, unit="MiB"),
    Floor("RssAnon for each of 1,000 idle sessions", "memory", "session_anon_kib", 30, at_most=True, unit="KiB"),
)


def judge(results, workloads, peers):
    """(floor, reached, got, wanted) of every floor that the run was to reach, by the names it was asked for."""
    return [(floor, *floor.verdict(results)) for floor in FLOORS if floor.asked(workloads, peers)]
