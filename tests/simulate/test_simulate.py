# SPDX-License-Identifier: ISC
"""The simulation of the queue (SECURITY F01, F02, F05, F11): a while of it, and that it finds what is made wrong."""

import os
import re
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(TOP, os.environ.get("POSTERN_BUILD", "build"), "tests/simulate/simulate")
SECONDS = 45
CRASHES_LEAST = 1000
MUTANTS = {
    "store-unsynced": r"is missing|is not there|cannot be|store_check",
    "journal-unsynced": r"was acknowledged, and is not there|is missing",
    "writes-swapped": r"store_check|cannot be|signal|is missing",
    "report-apart": r"waits, and has 1 DSNs|has 2 DSNs",
}


def simulate(*options):
    """Exit status, and what it said."""
    done = subprocess.run([PROGRAM, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    words = done.stdout.decode("utf-8", "replace")
    print(words)
    return done.returncode, words


def failures(words):
    """The lines of it that say what failed."""
    return re.findall(r"^FAILED.*\n.*\n(.*)", words, re.MULTILINE)


@pytest.mark.deadline(SECONDS + 120)
def test_F02_nothing_acknowledged_is_lost_wherever_it_is_broken_off():
    status, words = simulate("--seconds", str(SECONDS), "--jobs", "1", "--seed", str(int.from_bytes(os.urandom(4), "big")))
    assert status == 0
    assert int(re.search(r"^(\d+) crashes", words, re.MULTILINE)[1]) >= CRASHES_LEAST


@pytest.mark.deadline(180)
@pytest.mark.parametrize("mutant", MUTANTS)
def test_what_is_made_wrong_is_found_and_found_again(mutant):
    status, words = simulate("--mutant", mutant, "--seconds", "60", "--jobs", "1")
    assert status == 1
    assert re.search(MUTANTS[mutant], words)
    again = re.search(r"^again: (.*)$", words, re.MULTILINE)[1].split()
    status, repeated = simulate(*again[1:])
    assert status == 1 and failures(repeated) == failures(words)


def test_a_seed_does_the_same_each_time():
    options = ("--seed", "7", "--count", "1", "--runs", "1", "--verbose")
    assert [line for line in simulate(*options)[1].splitlines() if line.startswith("seed")] == \
        [line for line in simulate(*options)[1].splitlines() if line.startswith("seed")]
