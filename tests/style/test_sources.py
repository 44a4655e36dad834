# SPDX-License-Identifier: ISC
"""Rules of the house that a program can check."""

import glob
import os
import re
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOMS = ("common", "parent", "smtpd", "router", "queue", "relay", "resolver", "mailbox", "ctl")
LINES_MAX = 1000
FUNCTION_LINES_MAX = 120
BANNED = ("strcpy", "strcat", "sprintf", "vsprintf", "strtok", "strtok_r", "atoi", "atol", "atoll", "gets", "system", "popen",
          "tmpnam", "tempnam", "mktemp", "sscanf", "alloca")
NO_IDEAS = re.compile(r"(util|utils|misc|helper|helpers|common2)\.[ch]$")


def files(*patterns):
    return sorted(path for pattern in patterns for path in glob.glob(pattern, root_dir=TOP, recursive=True)
                  if not path.startswith("build"))


def rooms_files(*endings):
    return files(*(f"{room}/*.{ending}" for room in ROOMS for ending in endings))


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


C_FILES = rooms_files("c", "h") + files("tests/unit/**/*.c", "tests/unit/**/*.h", "tests/tools/*.c", "tests/fuzz/*.c")
ALL_FILES = C_FILES + rooms_files("y") + files("tests/**/*.py", "tests/run", "tests/bench/run", "tests/ledger/*")


def code_of(text):
    """Without comments and strings."""
    text = re.sub(r"/\*.*?\*/", lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.DOTALL)
    return re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', text)


def text_files():
    return [path for path in ALL_FILES if os.path.isfile(os.path.join(TOP, path))]


def test_no_file_holds_two_ideas():
    long = {path: count for path in text_files() if (count := read(path).count("\n")) > LINES_MAX}
    assert not long


def test_no_name_is_an_idea_not_yet_found():
    assert not [path for path in C_FILES if NO_IDEAS.search(path)]


def test_every_file_names_its_licence():
    without = [path for path in text_files() + rooms_files("5", "8")
               if not any("SPDX-License-Identifier: ISC" in line for line in read(path).splitlines()[:3])]
    assert not without


@pytest.mark.parametrize("name", BANNED)
def test_banned_functions_are_not_called(name):
    called = [path for path in C_FILES if re.search(rf"(?<![\w.>]){name}\s*\(", code_of(read(path)))]
    assert not called


def test_functions_are_short():
    long = []
    for path in rooms_files("c"):
        start = None
        for number, line in enumerate(read(path).splitlines(), 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                if number - start > FUNCTION_LINES_MAX:
                    long.append(f"{path}:{start}: {number - start} lines")
                start = None
    assert not long


def test_a_folder_includes_from_itself_and_common_only():
    wrong = []
    for room in ROOMS:
        for path in files(f"{room}/*.c", f"{room}/*.h"):
            for included in re.findall(r'^#include "([^"/]+)/', read(path), re.MULTILINE):
                if included not in (room, "common"):
                    wrong.append(f"{path} includes {included}/")
    assert not wrong


def test_headers_are_guarded_by_their_name():
    wrong = [path for path in rooms_files("h")
             if f"#ifndef {re.sub('[/.]', '_', path).upper()}\n" not in read(path)]
    assert not wrong


def test_headers_open_with_their_idea():
    """Two comments at the top: the licence, and what this is."""
    assert not [path for path in rooms_files("h") if len(re.findall(r"/\*.*?\*/", read(path)[:1500], re.DOTALL)) < 2]


def test_includes_of_a_file_begin_with_its_own_header():
    wrong = []
    for path in rooms_files("c"):
        header = path[:-2] + ".h"
        if os.path.exists(os.path.join(TOP, header)):
            first = re.search(r"^#include (.*)$", read(path), re.MULTILINE)
            if first and first[1] != f'"{header}"':
                wrong.append(path)
    assert not wrong


def test_nothing_is_commented_out():
    wrong = [path for path in rooms_files("c", "h") if re.search(r"^\s*//", read(path), re.MULTILINE)]
    assert not wrong


def test_python_has_no_mistakes():
    try:
        done = subprocess.run(["pyflakes3", *[path for path in text_files() if path.endswith(".py")]], cwd=TOP,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except OSError:
        pytest.skip("pyflakes3 is not installed")
    assert done.returncode == 0, done.stdout.decode("utf-8")
