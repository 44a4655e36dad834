# SPDX-License-Identifier: ISC
"""Every event and field of the log is in postern-log(5), with its level and its fields, and the reverse."""

import glob
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOMS = ("common", "parent", "smtpd", "router", "queue", "relay", "resolver", "mailbox", "ctl")
LEVELS = ("error", "warning", "notice", "info", "trace")
CALL = re.compile(r"\blog_(error|warning|notice|info|trace)\(|\bLOG_EVENT\(|\blog_event\(")
FIELD = re.compile(r"\bLOG_FIELD_(\w+)")
# Written by other means than a call with its name: the handler for a refused call writes bytes, and what becomes of a
# recipient is a table with one list of fields.
OUTCOMES = re.compile(r'\{ "([a-z-]+)", &core\.counters\.\w+ \}')
BY_HAND = re.compile(r'event=([a-z-]+) level=([a-z]+)')


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def sources():
    return sorted(path for room in ROOMS for path in glob.glob(f"{room}/*.c", root_dir=TOP) if path != "common/log.c")


def arguments_of(text, start):
    """The text up to the closing parenthesis."""
    depth, at = 1, start
    while depth:
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return text[start:at]


def events_of_code():
    """{event: (levels, fields)}."""
    found = {}

    def add(event, levels, fields):
        old = found.setdefault(event, (set(), set()))
        old[0].update(levels)
        old[1].update(fields)

    for path in sources():
        text = read(path)
        for call in CALL.finditer(text):
            arguments = arguments_of(text, call.end())
            head = arguments.split("log_")[0]
            levels = {call[1]} if call[1] else {name.lower() for name in re.findall(r"\bLOG_([A-Z]+)\b", head)}
            for event in re.findall(r'"([a-z][a-z-]+)"', head):
                add(event, levels & set(LEVELS), FIELD.findall(arguments))
        if OUTCOMES.search(text):
            fields = FIELD.findall(text)
            for event in OUTCOMES.findall(text):
                add(event, {"info"}, fields)
        for event, level in BY_HAND.findall(text):
            add(event, {level}, [])
    add("log-lines-lost", {"warning"}, ["count"])
    add("fatal", {"error"}, ["error"])
    return found


def events_of_manual():
    """{event: (level, fields)}."""
    text = read("common/postern-log.5").split(".Sh EVENTS")[1].split(".Sh FIELDS")[0]
    return {match[1]: (match[2], set(match[3].split(", "))) for match in
            re.finditer(r"^\.It Sy ([a-z-]+) No \( (\w+) , .* \)\n(?:(?!\.It ).*\n)*?Fields: (.*)\.$", text, re.MULTILINE)}


def test_every_event_is_in_the_manual_and_the_reverse():
    code, manual = events_of_code(), events_of_manual()
    assert len(code) > 30
    assert not set(code) - set(manual), f"not in postern-log.5: {sorted(set(code) - set(manual))}"
    assert not set(manual) - set(code), f"only in postern-log.5: {sorted(set(manual) - set(code))}"


def test_levels_are_those_of_the_code():
    manual = events_of_manual()
    wrong = {event: (sorted(levels), manual[event][0]) for event, (levels, _) in events_of_code().items()
             if event in manual and manual[event][0] not in levels}
    assert not wrong, wrong


def test_fields_of_an_event_are_those_of_the_code():
    """The manual may not leave one out; what is written by hand has no fields here."""
    manual = events_of_manual()
    wrong = {event: sorted(fields - manual[event][1]) for event, (_, fields) in events_of_code().items()
             if event in manual and fields - manual[event][1] and event not in OUTCOME_NAMES}
    assert not wrong, wrong


OUTCOME_NAMES = {"delivered", "deferred", "bounced", "expired", "removed", "rescheduled"}


def test_fields_have_their_meaning():
    code = dict(re.findall(r'F\((\w+),\s*"([^"]*)"\)', read("common/log_fields.h")))
    manual = dict(re.findall(r"^\.It Cm (\w+)\n(.*)$", read("common/postern-log.5").split(".Sh FIELDS")[1], re.MULTILINE))
    assert len(code) > 30
    assert manual == code


def test_fields_are_sorted():
    names = re.findall(r"F\((\w+),\s*\"", read("common/log_fields.h"))
    assert names == sorted(names)
