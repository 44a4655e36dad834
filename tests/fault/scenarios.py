# SPDX-License-Identifier: ISC
"""Faults under load, as long as one likes: a few rounds in make check, many in make torture.

Each scenario returns a Balance after everything was delivered, and a line that says what was done. A violation of F-A or
F-C (SECURITY 3) is an AssertionError.
"""

import os
import random
import signal
import subprocess
import time

import load as load_module
import postern
import servers

IMAGE_BYTES = 512 << 20
DRAIN_SECONDS = 120
BACK_SECONDS = 5
KINDS = ("smtpd", "router", "userdb", "queue", "relay", "resolver", "mailbox", "control", "log")
# Deaths of a process are forgotten with the parent; without that, a tenth kill would wait for its back-off.
ROUNDS_A_PARENT = 5
COMMAND_SECONDS = 60


def run(*argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=COMMAND_SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.returncode}: {done.stdout.decode('utf-8', 'replace')}"
    return done.stdout.decode("utf-8", "replace")


class Disk:
    """A file system of its own in a file: it can be cut off, and filled."""

    def __init__(self, folder, size=IMAGE_BYTES):
        self.image = os.path.join(folder, "disk.img")
        self.mounted = os.path.join(folder, "disk")
        os.makedirs(self.mounted, exist_ok=True)
        with open(self.image, "wb") as file:
            file.truncate(size)
        run("mkfs.ext4", "-q", "-m", "0", "-J", "size=8", self.image)
        self.mount()

    def mount(self):
        run("mount", "-o", "loop", self.image, self.mounted)

    def cut(self):
        """As if the power went: what was not synced is gone, and from now on every write fails."""
        run("xfs_io", "-x", "-c", "shutdown", self.mounted)

    def unmount(self):
        postern.wait_until(lambda: subprocess.run(["umount", self.mounted], stderr=subprocess.DEVNULL,
                                                  check=False).returncode == 0, 20, "umount")

    def close(self):
        if os.path.ismount(self.mounted):
            subprocess.run(["umount", "-l", self.mounted], check=False)
        os.unlink(self.image)


def can_mount(folder):
    """Why a file system cannot be had here, None when it can."""
    if os.geteuid() != 0:
        return "needs root"
    try:
        disk = Disk(folder, 64 << 20)
    except (AssertionError, OSError) as error:
        return f"no loop-mounted file system here: {error}"
    disk.close()
    return None


def make_daemon(load, folder, spool=None, extra="", **kwargs):
    statements, values = load.configuration()
    base = postern.BASE_CONFIG.replace("{folder}/spool", "{spool}")
    return postern.Daemon(extra + statements, base=base, folder=folder, spool=spool or os.path.join(folder, "spool"),
                          **values, **kwargs)


def start_load(load, daemon):
    """Little of it to a Maildir, which takes less in a second than sessions can send."""
    load.start_client(daemon.port, to=(load_module.FAR,))
    load.start_client(daemon.port, sessions=1)


def drain(daemon):
    """Waits until nothing waits any more; what shrinks has its time, however much it is."""
    waiting = len(daemon.queue_list())
    while waiting:
        before = waiting
        postern.wait_until(lambda: len(daemon.queue_list()) < before, DRAIN_SECONDS, f"fewer than {before} that wait")
        waiting = len(daemon.queue_list())


def settle(load, daemon):
    """Everything is delivered, nothing waits, the spool is sound; returns the balance."""
    load.stop_clients()
    drain(daemon)
    balance = load.balance()
    daemon.stop()
    daemon.check_spool()
    problems = balance.problems()
    assert not problems, balance.summary() + "\n" + "\n".join(problems)
    return balance


# --- power ---

def power_cuts(cuts, say=print, seconds=2.0, seed=1):
    """Power cuts under load, on ext4; after each the daemon is started again on what was on the disk."""
    folder = postern.make_folder()
    disk = Disk(folder)
    load = load_module.Load(folder)
    daemon = make_daemon(load, folder, os.path.join(disk.mounted, "spool"))
    chance = random.Random(seed)
    try:
        daemon.start()
        start_load(load, daemon)
        for number in range(cuts):
            load.wait_acknowledged(50)
            time.sleep(chance.uniform(0.2, seconds))
            before = load.acknowledged()
            disk.cut()
            daemon.kill()
            disk.unmount()
            disk.mount()
            begin = time.monotonic()
            daemon.start()
            say(f"cut {number + 1}: {before} acknowledged before, up again in {time.monotonic() - begin:.2f} s")
        load.wait_acknowledged(50)
        balance = settle(load, daemon)
        return balance, f"{cuts} power cuts: {balance.summary()}"
    finally:
        load.close()
        if daemon.process is not None:
            daemon.kill()
        disk.close()
        subprocess.run(["rm", "-rf", folder], check=False)


# --- kills ---

def victim(daemon, kind, chance):
    """A process of the kind; waits for one where they come and go (mailbox)."""
    pids = postern.wait_until(lambda: daemon.pids(kind), BACK_SECONDS + 10, f"a {kind}")
    return chance.choice(pids)


def kill_one(daemon, kind, chance):
    """Kills one, and waits until there are as many as before; returns the seconds that took."""
    pid = victim(daemon, kind, chance)
    wanted = len(daemon.pids(kind))
    begin = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    if kind != "mailbox":
        postern.wait_until(lambda: pid not in daemon.pids(kind) and len(daemon.pids(kind)) >= wanted,
                           BACK_SECONDS, f"a new {kind}")
    return time.monotonic() - begin


def kills(rounds, say=print, kinds=KINDS, seed=1):
    """SIGKILL to each kind of process in turn, under load; after each, mail goes on."""
    folder = postern.make_folder()
    load = load_module.Load(folder)
    daemon = make_daemon(load, folder)
    chance = random.Random(seed)
    slowest = dict.fromkeys(kinds, 0.0)
    killed = 0
    try:
        daemon.start()
        start_load(load, daemon)
        for number in range(rounds):
            if number and number % ROUNDS_A_PARENT == 0:
                daemon.restart()
            for kind in kinds:
                load.wait_acknowledged(20)
                slowest[kind] = max(slowest[kind], kill_one(daemon, kind, chance))
                killed += 1
            load.wait_acknowledged(20)
            say(f"round {number + 1}: {load.acknowledged()} acknowledged")
        balance = settle(load, daemon)
        words = ", ".join(f"{kind} {seconds:.2f} s" for kind, seconds in slowest.items())
        return balance, f"{killed} kills in {rounds} rounds: {balance.summary()}; slowest returns: {words}", slowest
    finally:
        load.close()
        if daemon.process is not None:
            daemon.kill()
        subprocess.run(["rm", "-rf", folder], check=False)


# --- the same for any server ---

def side_by_side(name, rounds, cuts, seconds=0, say=print, seed=1):
    """
    Rounds of kills (each a process of any kind, taken by chance, then all of them and a restart) and power cuts, to a server of
    that name; with seconds, for as long, in turn. What it loses is counted, not judged: returns (Balance, rounds, cuts) as done.
    """
    folder = postern.make_folder()
    disk = Disk(folder)
    load = load_module.Load(folder)
    server = servers.make(name, folder, load.sink_port, disk.mounted)
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    done = [0, 0]
    try:
        server.start()
        load.start_client(server.port, to=(load_module.FAR,), patience=BACK_SECONDS + DRAIN_SECONDS)
        while done[0] < rounds or done[1] < cuts or time.monotonic() < end:
            load.wait_acknowledged(50, DRAIN_SECONDS)
            time.sleep(chance.uniform(0.2, 1.0))
            if done[0] >= rounds and (done[1] < cuts or (cuts and done[1] <= done[0])):
                disk.cut()
                server.kill()
                server.unbind()
                disk.unmount()
                disk.mount()
                done[1] += 1
            else:
                os.kill(chance.choice(server.family())[0], signal.SIGKILL)
                time.sleep(chance.uniform(0.1, 0.5))
                server.kill()
                done[0] += 1
            server.start()
            say(f"{name}: {done[0]} rounds, {done[1]} cuts, {load.acknowledged()} acknowledged")
        load.wait_acknowledged(50, DRAIN_SECONDS)
        load.stop_clients()
        drain_server(server)
        balance = load.balance()
        server.stop()
        return balance, done[0], done[1]
    finally:
        load.close()
        server.close()
        disk.close()
        subprocess.run(["rm", "-rf", folder], check=False)


def drain_server(server):
    """Waits until nothing waits, or nothing moves any more; what is left then counts as lost where it was acknowledged."""
    waiting, last = server.waiting(), time.monotonic()
    while waiting and time.monotonic() - last < DRAIN_SECONDS:
        server.hurry()
        time.sleep(1)
        now = server.waiting()
        if now < waiting:
            last = time.monotonic()
        waiting = now
