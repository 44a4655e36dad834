# SPDX-License-Identifier: ISC
"""Every limit of a room (ROOM/limits.h) is in a manual of that room, with the same value and meaning, and the reverse.

A row of a header is L(NAME, value, "meaning"); in a manual it is `.It Dv NAME No VALUE` and the meaning as text.
"""

import glob
import os
import re

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOMS = sorted(os.path.basename(os.path.dirname(path)) for path in glob.glob(os.path.join(TOP, "*/limits.h")))

HEADER_TABLE = re.compile(r"^#define \w+_LIMITS\(L\) \\\n((?:.*\\\n)*.*)$", re.MULTILINE)
HEADER_ROW = re.compile(r'\bL\((\w+),\s*([^,"]+?)\s*,\s*"((?:[^"\\]|\\.)*)"\)')
HEADER_ROW_START = re.compile(r"\bL\(")
PRODUCT = re.compile(r"\d+(?:\s*\*\s*\d+)*")
MANUAL_ROW = re.compile(r"^\.It Dv ([A-Z][A-Z0-9_]*) No (\S+)\n((?:(?!\.(?:It|El)\b).*\n)*)", re.MULTILINE)
ESCAPES = {r"\&": "", r"\e": "\\", r"\-": "-", r"\(dq": '"', r"\(aq": "'"}


def product(text):
    """The value of "5 * 60", which is how a header may write 300."""
    assert PRODUCT.fullmatch(text), f"{text}: expected a number or a product of numbers"
    value = 1
    for factor in text.split("*"):
        value *= int(factor)
    return value


def rows_of_header(text):
    """[(name, value, meaning)]; a row of another form is a mistake, not left out."""
    rows = []
    for table in HEADER_TABLE.findall(text):
        found = HEADER_ROW.findall(table)
        assert len(found) == len(HEADER_ROW_START.findall(table)), "a row is not L(NAME, value, \"meaning\")"
        rows += [(name, product(value), re.sub(r"\\(.)", r"\1", meaning)) for name, value, meaning in found]
    return rows


def rows_of_manual(text):
    """[(name, value, meaning)], the value as it is written."""
    def plain(meaning):
        return " ".join(re.sub(r"\\(?:\(..|.)", lambda m: ESCAPES.get(m[0], m[0]), meaning).split())
    return [(name, value, plain(meaning)) for name, value, meaning in MANUAL_ROW.findall(text)]


def differences(header, manuals):
    """What is wrong, a sentence each. manuals: {name: text} of one room."""
    wrong = []
    limits = {}
    for name, value, meaning in rows_of_header(header):
        if name in limits:
            wrong.append(f"{name} is twice in the header")
        limits[name] = (str(value), meaning)
    told = set()
    for manual, text in manuals.items():
        here = set()
        for name, value, meaning in rows_of_manual(text):
            if name in here:
                wrong.append(f"{manual}: {name} is there twice")
            here.add(name)
            if name not in limits:
                wrong.append(f"{manual}: {name} is no limit of the room")
            elif limits[name] != (value, meaning):
                wrong.append(f"{manual}: {name}: expected {limits[name]}, got {(value, meaning)}")
        told |= here
    return wrong + [f"{name} is in no manual" for name in limits if name not in told]


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_rooms_have_limits():
    assert len(ROOMS) >= 8, ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_limits_are_those_of_the_manuals(room):
    header = read(os.path.join(TOP, room, "limits.h"))
    manuals = {os.path.relpath(path, TOP): read(path) for path in sorted(glob.glob(os.path.join(TOP, room, "*.[58]")))}
    assert rows_of_header(header), f"{room}/limits.h has no row"
    assert manuals, f"{room} has no manual"
    assert not (wrong := differences(header, manuals)), "\n".join(wrong)


HEADER = """\
/* Rows are L(name, value, meaning). */
#define X_LIMITS(L) \\
	/* a comment */ \\
	L(X_ONE, 5 * 60, "seconds \\"here\\"") \\
	L(X_TWO, 7, "things (really)")
"""
MANUAL = """\
.It Dv X_ONE No 300
seconds
"here"
.It Dv X_TWO No 7
things (really)
.El
.Sh MORE
"""

CASES = [
    ("the same rows are right", HEADER, MANUAL, None),
    ("another value", HEADER, MANUAL.replace("300", "301"), "X_ONE: expected"),
    ("another meaning", HEADER, MANUAL.replace("things", "bytes"), "X_TWO: expected"),
    ("a row that the manual lacks", HEADER, MANUAL.split(".It Dv X_TWO")[0], "X_TWO is in no manual"),
    ("a row that the header lacks", HEADER, MANUAL + ".It Dv X_OLD No 1\nold\n.El\n", "X_OLD is no limit"),
    ("a row twice in the manual", HEADER, MANUAL + MANUAL, "X_ONE is there twice"),
    ("a row twice in the header", HEADER + HEADER, MANUAL, "X_ONE is twice in the header"),
]


@pytest.mark.parametrize("header, manual, expected", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_differs_is_found(header, manual, expected):
    wrong = differences(header, {"x.8": manual})
    assert wrong == [] if expected is None else any(expected in sentence for sentence in wrong), wrong
