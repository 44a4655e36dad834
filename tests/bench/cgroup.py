# SPDX-License-Identifier: ISC
"""A group of processes: whatever a server starts, forks or lets loose is in it.

It knows the pids, the CPU time of all of them (those already dead included) and how to end them all. Version 2 of
cgroups is taken where there is one, else cpuacct of version 1, else the tree of processes in /proc.
"""

import os
import signal
import time

from process import Deadline, Failure, POLL_SECONDS, become_subreaper, started

PREFIX = "postern-bench-"
KILL_SECONDS = 10


class Group:
    """What the three kinds have in common."""

    kind = None

    def enter(self):
        """Called by a child before it executes its program."""

    def adopt(self, pid):
        """Tells the group its first process."""

    def kill(self):
        """Ends every process, however quickly they fork. A Failure when one survives."""
        deadline = Deadline(KILL_SECONDS)
        while self.pids():
            if deadline.passed():
                raise Failure(f"processes {self.pids()} cannot be killed")
            self.kill_once()
            time.sleep(POLL_SECONDS)

    def kill_once(self):
        for pid in self.pids():
            send_kill(pid)

    def remove(self):
        """Kills what is left and forgets the group."""
        self.kill()


class DirectoryGroup(Group):
    """A cgroup: a directory whose cgroup.procs are its processes."""

    def __init__(self, parent, name):
        self.path = os.path.join(parent, name)
        os.mkdir(self.path)

    def enter(self):
        with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write("0")

    def pids(self):
        return [int(word) for word in self.read("cgroup.procs").split()]

    def read(self, name):
        try:
            with open(os.path.join(self.path, name), encoding="ascii") as file:
                return file.read()
        except OSError:
            return ""

    def remove(self):
        super().remove()
        deadline = Deadline(KILL_SECONDS)
        while True:
            try:
                os.rmdir(self.path)
                return
            except FileNotFoundError:
                return
            except OSError as error:
                # A process that has just died can still hold the directory.
                if deadline.passed():
                    raise Failure(f"{self.path}: {error}") from error
                time.sleep(POLL_SECONDS)


class UnifiedGroup(DirectoryGroup):
    kind = "cgroup v2"

    def cpu_ms(self):
        for line in self.read("cpu.stat").splitlines():
            if line.startswith("usage_usec "):
                return int(line.split()[1]) / 1000
        raise Failure(f"{self.path}: no usage_usec in cpu.stat")

    def kill_once(self):
        try:
            with open(os.path.join(self.path, "cgroup.kill"), "w", encoding="ascii") as file:
                file.write("1")
        except OSError:
            super().kill_once()


class AccountingGroup(DirectoryGroup):
    kind = "cgroup v1 cpuacct"

    def cpu_ms(self):
        return int(self.read("cpuacct.usage")) / 1e6


class TreeGroup(Group):
    """Without cgroups: the first process, its descendants and its session, and orphans that came to us."""

    kind = "process tree"

    def __init__(self):
        self.first = None
        become_subreaper()

    def adopt(self, pid):
        self.first = pid

    def members(self):
        if self.first is None:
            return {}
        table = process_table()
        found = {self.first} & set(table)
        grown = True
        while grown:
            more = {pid for pid, stat in table.items() if pid not in found and self.belongs(pid, stat, found)}
            grown = bool(more)
            found |= more
        return {pid: table[pid] for pid in found}

    def belongs(self, pid, stat, found):
        orphan = stat["ppid"] == os.getpid() and pid not in started
        return orphan or stat["ppid"] in found or stat["session"] == self.first

    def pids(self):
        return [pid for pid, stat in self.members().items() if stat["state"] not in "ZX"]

    def cpu_ms(self):
        return sum(stat["ticks"] for stat in self.members().values()) * 1000 / os.sysconf("SC_CLK_TCK")

    def kill_once(self):
        super().kill_once()
        reap_orphans()


def process_table():
    """pid -> state, parent, session and CPU ticks (its own and those of children it has reaped)."""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                words = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        table[int(name)] = {"state": words[0], "ppid": int(words[1]), "session": int(words[3]),
                            "ticks": sum(int(word) for word in words[11:15])}
    return table


def send_kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def reap_orphans():
    """Those that became our children have to be waited for, or they stay as zombies."""
    for pid, stat in process_table().items():
        if stat["ppid"] == os.getpid() and pid not in started:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def mount_points():
    """(class, directory) of every place where a group can be made, best first."""
    places = []
    with open("/proc/self/mounts", encoding="ascii", errors="replace") as file:
        for line in file:
            _, path, kind, options = line.split()[:4]
            if kind == "cgroup2":
                places.insert(0, (UnifiedGroup, path, ""))
            elif kind == "cgroup" and "cpuacct" in options.split(","):
                places.append((AccountingGroup, path, "cpuacct"))
    for group_class, path, controller in places:
        yield group_class, os.path.normpath(path + own_path(controller))
        yield group_class, path


def own_path(controller):
    with open("/proc/self/cgroup", encoding="ascii", errors="replace") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if controller in controllers.split(","):
                return path
    return "/"


def new_group(label):
    """A fresh group, of the best kind this machine allows."""
    for group_class, parent in mount_points():
        try:
            group = group_class(parent, f"{PREFIX}{os.getpid()}-{label}-{time.monotonic_ns()}")
        except OSError:
            continue
        if accounts(group):
            return group
        group.remove()
    return TreeGroup()


def accounts(group):
    try:
        group.cpu_ms()
        return True
    except (Failure, ValueError):
        return False


def sweep(is_ours):
    """Ends the groups of every bench whose pid the function accepts."""
    for group_class, parent in mount_points():
        try:
            names = [name for name in os.listdir(parent) if name.startswith(PREFIX)]
        except OSError:
            continue
        for name in names:
            owner = name[len(PREFIX):].split("-")[0]
            if owner.isdigit() and is_ours(int(owner)):
                group = group_class.__new__(group_class)
                group.path = os.path.join(parent, name)
                group.remove()


def sweep_stale():
    """Ends what an earlier run left behind when it and its guardian were killed."""
    sweep(lambda owner: not os.path.exists(f"/proc/{owner}"))


class Guardian:
    """A process that waits for the end of the bench and then ends its groups, should it have been killed.

    The signal that a child gets at its parent's death does not do: the kernel forgets it when the child changes its
    ids, as Postfix's master does.
    """

    def __init__(self):
        owner = os.getpid()
        read_end, self.pipe = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.pipe)
            self.guard(read_end, owner)
        os.close(read_end)
        started.add(self.pid)

    @staticmethod
    def guard(read_end, owner):
        status = 1
        try:
            os.setsid()
            # The bench never writes: this returns when its end of the pipe is closed, by whatever.
            os.read(read_end, 1)
            sweep(lambda pid: pid == owner)
            status = 0
        finally:
            os._exit(status)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        os.close(self.pipe)
        os.waitpid(self.pid, 0)
