# SPDX-License-Identifier: ISC
"""Results, and how they are told: tables of medians with their spread, and JSON with every single value."""

import json
import os
import platform
import statistics

from floors import SELF

RATE = "rate"
CPU = "cpu_ms"
MEMORY_ROWS = (
    ("after start, RssAnon MiB", "rest_anon_mib", "{:.1f}"),
    ("after start, PSS MiB", "rest_pss_mib", "{:.1f}"),
    ("after start, processes", "processes", "{:.0f}"),
    ("an idle session, RssAnon KiB", "session_anon_kib", "{:.1f}"),
    ("an idle session, PSS KiB", "session_pss_kib", "{:.1f}"),
)
NOTHING = "-"
FAILED = "failed"


class Results:
    """Every measurement of a run, by workload and peer."""

    def __init__(self):
        self.values = {}
        self.failures = []

    def add(self, workload, peer, metrics):
        self.values.setdefault((workload, peer), []).append(metrics)

    def fail(self, workload, peer, text):
        self.failures.append((workload, peer, text))

    def series(self, workload, peer, metric):
        return [metrics[metric] for metrics in self.values.get((workload, peer), []) if metric in metrics]

    def median(self, workload, peer, metric):
        series = self.series(workload, peer, metric)
        return statistics.median(series) if series else None

    def failed(self, workload, peer):
        return any(failure[:2] == (workload, peer) for failure in self.failures)


def print_report(results, peers, workloads, notes, out):
    """Writes all tables."""
    for line in notes:
        out.write(line + "\n")
    timed = [workload for workload in workloads if workload.kind != "memory"]
    if timed:
        print_rates(results, peers, timed, out)
        print_cpu(results, peers, timed, out)
    if any(workload.kind == "memory" for workload in workloads):
        print_memory(results, peers, out)
    print_failures(results, out)


def print_rates(results, peers, workloads, out):
    rivals = [peer for peer in peers if peer.name != SELF]
    compare = any(peer.name == SELF for peer in peers)
    head = ["messages a second, median (min-max)"] + [peer.title for peer in peers]
    if compare:
        head += [f"/ {peer.title}" for peer in rivals]
    rows = [head]
    for workload in workloads:
        row = [workload.title] + [cell(results, workload.name, peer, RATE, "{:,.0f}") for peer in peers]
        if compare:
            row += [ratio(results, workload.name, peer) for peer in rivals]
        rows.append(row)
    print_table(rows, out)


def print_cpu(results, peers, workloads, out):
    servers = [peer for peer in peers if peer.is_server]
    rows = [["CPU ms a message, whole server"] + [peer.title for peer in servers]]
    for workload in workloads:
        rows.append([workload.title] + [cell(results, workload.name, peer, CPU, "{:.2f}") for peer in servers])
    print_table(rows, out)


def print_memory(results, peers, out):
    servers = [peer for peer in peers if peer.is_server]
    rows = [["memory of all processes"] + [peer.title for peer in servers]]
    for title, metric, form in MEMORY_ROWS:
        rows.append([title] + [cell(results, "memory", peer, metric, form) for peer in servers])
    print_table(rows, out)


def cell(results, workload, peer, metric, form):
    series = results.series(workload, peer.name, metric)
    if not series:
        return FAILED if results.failed(workload, peer.name) else NOTHING
    text = form.format(statistics.median(series))
    if len(series) > 1 and form.format(min(series)) != form.format(max(series)):
        text += f" ({form.format(min(series))}-{form.format(max(series))})"
    return text


def ratio(results, workload, peer):
    ours = results.median(workload, SELF, RATE)
    theirs = results.median(workload, peer.name, RATE)
    return f"{ours / theirs:.2f}" if ours and theirs else NOTHING


def print_table(rows, out):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    out.write("\n")
    for number, row in enumerate(rows):
        first, *others = (text.ljust(width) if column == 0 else text.rjust(width)
                          for column, (text, width) in enumerate(zip(row, widths)))
        out.write("  ".join([first, *others]).rstrip() + "\n")
        if number == 0:
            out.write("  ".join("-" * width for width in widths) + "\n")


def print_failures(results, out):
    if results.failures:
        out.write("\nfailures\n")
    for workload, peer, text in results.failures:
        out.write(f"  {workload}: {peer}: {text}\n")


def print_floors(judged, out):
    """Writes the floors and returns true when none was missed."""
    if judged:
        rows = [[floor.text, got, wanted, "ok" if reached else "MISSED"] for floor, reached, got, wanted in judged]
        print_table([["floor", "got", "wanted", ""]] + rows, out)
    return all(reached for _, reached, _, _ in judged)


def machine():
    """Where the figures come from."""
    return {"cores": len(os.sched_getaffinity(0)), "kernel": platform.release(), "machine": platform.machine()}


def write_json(path, results, peers, judged, effort, facts):
    """Every single value, for whoever wants to reckon differently."""
    document = {
        "machine": machine() | facts,
        "effort": vars(effort),
        "peers": {peer.name: peer.version for peer in peers},
        "results": [{"workload": workload, "peer": peer, "runs": runs}
                    for (workload, peer), runs in results.values.items()],
        "failures": [{"workload": workload, "peer": peer, "text": text} for workload, peer, text in results.failures],
        "floors": [{"floor": floor.text, "reached": reached, "got": floor.got(results), "wanted": floor.wanted}
                   for floor, reached, _, _ in judged],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
