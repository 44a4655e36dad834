# SPDX-License-Identifier: ISC
"""Fixtures of all suites: daemons, sinks, a deadline for every test, and no process left behind."""

import os
import shutil
import signal
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "system"))
sys.path.insert(0, os.path.join(HERE, "ledger"))
sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import postern  # noqa: E402
import sink as sink_module  # noqa: E402

DEADLINE_SECONDS = 60


def pytest_configure(config):
    config.addinivalue_line("markers", "deadline(seconds): a test may take longer than the usual minute")
    config.addinivalue_line("markers", "root: needs root")
    postern.become_subreaper()


class TooLong(Exception):
    """The test did not end in time."""


def with_deadline(item):
    """A test that hangs fails, with the place where it hung."""
    marker = item.get_closest_marker("deadline")
    seconds = marker.args[0] if marker else DEADLINE_SECONDS

    def expire(_number, _frame):
        raise TooLong(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    yield from with_deadline(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield from with_deadline(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    yield from with_deadline(item)


@pytest.fixture(autouse=True)
def root_where_needed(request):
    item = request.node
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture
def folder():
    """A directory that every user can reach, removed at the end."""
    path = postern.make_folder()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def daemons():
    """Makes daemons, not started; at the end each is stopped and its log judged."""
    made = []

    def make(*args, **kwargs):
        daemon = postern.Daemon(*args, **kwargs)
        made.append(daemon)
        return daemon

    yield make
    problems = []
    for daemon in made:
        try:
            daemon.close()
        except AssertionError as error:
            problems.append(str(error))
        print("\n".join(f"--- log of posternd ---\n{log.text()}" for log in daemon.logs))
    assert not problems, "\n".join(problems)


@pytest.fixture(autouse=True)
def nothing_left_behind(root_where_needed):
    """Set up first, and so torn down last: no process of the test is there any more."""
    yield
    shared = {member for pid in postern.RUNNING for member in (pid, *(child for child, _ in postern.children_of(pid)))}
    left = [(pid, name) for pid, name in postern.children_of(os.getpid())
            if pid not in shared and postern.Daemon.reap(pid)]
    for pid, _ in left:
        os.kill(pid, signal.SIGKILL)
        postern.Daemon.reap(pid)
    assert not left, f"processes were left behind: {left}"


@pytest.fixture
def sinks():
    """Makes servers that take mail."""
    made = []

    def make(*args, **kwargs):
        sink = sink_module.Sink(*args, **kwargs)
        made.append(sink)
        return sink

    yield make
    for sink in made:
        sink.stop()


RELAY = """\
action "out" relay host "smtp://127.0.0.1:{sink}"
match from any for any action "out"
"""


@pytest.fixture
def relaying(daemons, sinks):
    """A running daemon that relays everything to a sink: (daemon, sink)."""
    sink = sinks()
    daemon = daemons(RELAY, sink=sink.port).start()
    return daemon, sink
