# SPDX-License-Identifier: ISC
"""An allocation fails, in each kind of process, while mail flows (SECURITY F09): who waits is answered with 4xx or the process
ends by its own word and is started anew; no signal ends it, and nothing that got 250 is lost."""

import os
import random
import time

import pytest

import load as load_module
import postern
import preload as preload_module
import scenarios

# userdb has nothing to do for users of a table.
KINDS = ("smtpd", "router", "queue", "relay", "mailbox", "control")
TIMES = 6
# More deaths of a kind within a minute, and its restart would wait.
DEATHS_AT_ONCE = 3
NUMBER_MAX = 256
# A question to control takes few.
NUMBER_MAX_CONTROL = 8
FAIL_SECONDS = 2
SEED = int(os.environ.get("POSTERN_SEED", "1"))


def refusals(load):
    """The codes that clients were refused with after the dot."""
    codes = set()
    for _, path in load.clients:
        with open(path, encoding="ascii") as file:
            codes.update(line.split()[2] for line in file if line.startswith("-"))
    return codes


def wait_failed(preload, before):
    deadline = time.monotonic() + FAIL_SECONDS
    while preload.failed() == before and time.monotonic() < deadline:
        time.sleep(0.01)
    return preload.failed() > before


def are_confined(daemon, kind):
    """While one starts, the allocation could be one of libseccomp's, which then makes a filter that refuses too much."""
    pids = daemon.pids(kind)
    try:
        for pid in pids:
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
                if "Seccomp:\t2" not in file.read():
                    return False
    except OSError:
        return False
    return bool(pids)


@pytest.mark.parametrize("kind", KINDS)
def test_F09_an_allocation_that_fails(folder, kind):
    preload = preload_module.make(folder)
    load = load_module.Load(folder)
    daemon = scenarios.make_daemon(load, folder, prefix=preload.prefix)
    chance = random.Random(SEED)
    failed, deaths = [], r"event=process-died .*process="
    try:
        daemon.start()
        load.start_client(daemon.port, size=3000)
        load.wait_acknowledged(20)
        while len(failed) < TIMES:
            if failed and daemon.log.count(deaths + kind) >= DEATHS_AT_ONCE:
                daemon.restart()
            postern.wait_until(lambda: are_confined(daemon, kind), 10, f"{kind} that is confined")
            number = chance.randint(1, (NUMBER_MAX_CONTROL if kind == "control" else NUMBER_MAX) >> chance.randint(0, 3))
            before = preload.failed()
            preload.fail_allocation(kind, number)
            if kind == "control":
                daemon.ctl("show", "status", check=False)
            hit = wait_failed(preload, before)
            preload.fail_allocation("", 0)
            if hit:
                failed.append(number)
            load.wait_acknowledged(10)
        balance = scenarios.settle(load, daemon)
        lines = [line for log in daemon.logs for line in log.lines]
        died = [line for line in lines if "event=process-died" in line]
        print(f"{kind}: the allocations {failed} failed, {len(died)} ended a process; " + balance.summary())
        # SIGKILL is how the parent cuts off what breaks a conversation.
        assert not [line for line in died if "signal=" in line and "signal=9 " not in line], "\n".join(died)
        assert not [line for line in died if f"process={kind}" not in line], "\n".join(died)
        lost = [line for line in lines if "event=bounced" in line]
        assert not lost, "mail was given back: " + "\n".join(lost)
        assert not [code for code in refusals(load) if not code.startswith("4")], refusals(load)
    finally:
        load.close()
        if daemon.process is not None:
            daemon.kill()
        print("\n".join(f"--- log of posternd ---\n{log.text()}" for log in daemon.logs))
