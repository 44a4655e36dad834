# SPDX-License-Identifier: ISC
"""`make bench` works: each workload a second, with Postern alone. It says nothing about speed."""

import os
import subprocess
import sys

import pytest

import postern

UNABLE_HERE = 77


@pytest.mark.root
@pytest.mark.deadline(300)
def test_every_workload_runs():
    done = subprocess.run([sys.executable, os.path.join(postern.TOP, "tests/bench/run"), "--quick", "--only", "postern",
                           "--build", postern.BUILD], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    words = done.stdout.decode("utf-8", "replace")
    if done.returncode == UNABLE_HERE:
        pytest.skip(words.strip().splitlines()[-1])
    assert done.returncode == 0, words
    assert "relay-through" in words and "accept, 100 sessions" in words, words
