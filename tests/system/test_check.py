# SPDX-License-Identifier: ISC
"""queue -C check: looks at a spool as whoever it belongs to, and makes none where there is none."""

import os
import pathlib
import subprocess

BUILD = pathlib.Path(os.environ.get("POSTERN_BUILD", "build"))


def check(spool):
    return subprocess.run([BUILD / "queue", "-C", "check", "-s", spool], capture_output=True, text=True, timeout=60)


def test_a_spool_that_is_not_there_is_not_made(tmp_path):
    spool = tmp_path / "spool"
    done = check(spool)
    assert done.returncode == 2 and "expected the file of a store" in done.stderr
    assert not spool.exists()


def test_an_empty_folder_stays_empty(tmp_path):
    assert check(tmp_path).returncode == 2
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_store_is_refused(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"no store" * 1024)
    done = check(tmp_path)
    assert done.returncode == 2 and done.stderr
