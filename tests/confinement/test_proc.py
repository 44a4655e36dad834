# SPDX-License-Identifier: ISC
"""What the kernel says about the running processes: who they are, where, with which rights and descriptors
(SECURITY 4, item 2; U05, U10)."""

import os
import pwd
import re

import confined
import postern
import pytest

ZERO = "0000000000000000"

# What a kind may hold, besides descriptors 0 to 2 (/dev/null), 3 (the parent) and a log: patterns of confined.descriptors.
LOOP = (r"anon_inode:\[event(poll|fd)\]", r"unix", r"pipe")
HOLDS = {
    "smtpd": (*LOOP, r"tcp listen", r"tcp", r"unix listen"),
    "router": LOOP,
    "userdb": (*LOOP, r"/(etc|usr|lib|run|var/lib)/.*"),
    "queue": (*LOOP, r"{spool}(/.*)?", r"/(data|lock)\.mdb"),
    "relay": (*LOOP, r"tcp"),
    "resolver": (*LOOP, r"tcp", r"udp"),
    "mailbox": (*LOOP, r"{home}(/.*)?"),
    "control": (*LOOP, r"unix listen"),
}
DESCRIPTORS_IDLE_MAX = 40


@pytest.fixture(name="running")
def fixture_running(scene):
    if postern.is_sanitized():
        pytest.skip("a build with a sanitizer is not what is installed")
    return scene.start()


def pids(scene, kind):
    scene.pid(kind)
    return scene.daemon.pids(kind)


@pytest.mark.parametrize("kind", confined.KINDS)
def test_rights_are_given_up(running, kind):
    for pid in pids(running, kind):
        status = confined.status(pid)
        assert status["Seccomp"] == "2"
        assert status["NoNewPrivs"] == "1"
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert status[name] == ZERO, name
        assert status["CapBnd"] == ZERO or confined.status(running.daemon.pid)["CapBnd"] == status["CapBnd"]


@pytest.mark.parametrize("kind", confined.KINDS)
def test_each_is_its_own_user(running, kind):
    for pid in pids(running, kind):
        status = confined.status(pid)
        wanted = 65534 if kind == "mailbox" else pwd.getpwnam(confined.ACCOUNTS[kind]).pw_uid
        assert {int(word) for word in status["Uid"].split()} == {wanted}
        assert 0 not in {int(word) for word in status["Gid"].split()}
        assert set(status["Groups"].split()) <= {status["Gid"].split()[0]}


@pytest.mark.parametrize("kind", confined.KINDS)
def test_each_sees_its_own_root(running, kind):
    for pid in pids(running, kind):
        root = os.readlink(f"/proc/{pid}/root")
        if kind == "queue":
            assert root == running.daemon.spool
        elif kind in confined.LANDLOCKED:
            assert root == "/"
        else:
            assert root == os.path.join(running.daemon.folder, "run", "empty")
            assert os.listdir(root) == []
            found = os.stat(root)
            assert found.st_uid == 0 and not found.st_mode & 0o022


@pytest.mark.parametrize("kind", confined.KINDS)
def test_limits_are_set(running, kind):
    for pid in pids(running, kind):
        limits = confined.limits(pid)
        assert limits["Max core file size"] == ("0", "0")
        assert limits["Max processes"] == ("0", "0")
        if kind not in ("queue", "mailbox"):
            assert limits["Max file size"] == ("0", "0")
        assert limits["Max open files"][0] != "unlimited"


@pytest.mark.parametrize("kind", confined.KINDS)
def test_none_can_be_read_by_another_of_its_user(running, kind):
    """Not dumpable: /proc/PID belongs to root, whoever the process is."""
    for pid in pids(running, kind):
        assert os.stat(f"/proc/{pid}/mem").st_uid == 0
        assert os.stat(f"/proc/{pid}/environ").st_uid == 0


@pytest.mark.parametrize("kind", confined.KINDS)
def test_environment_and_arguments_hold_nothing(running, kind):
    for pid in pids(running, kind):
        with open(f"/proc/{pid}/environ", "rb") as file:
            assert file.read().rstrip(b"\0") in (b"TZ=:/etc/localtime", b"")
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            assert re.fullmatch(rb"[a-z]+\0(\d+\0)?", file.read())


@pytest.mark.parametrize("kind", confined.KINDS)
def test_descriptors_are_those_of_the_kind(running, kind):
    for pid in pids(running, kind):
        held = confined.descriptors(pid)
        patterns = [pattern.replace("{spool}", re.escape(running.daemon.spool))
                    .replace("{home}", re.escape(running.load.home)) for pattern in HOLDS[kind]]
        strange = {number: what for number, what in held.items()
                   if not (number < 3 and what == "/dev/null")
                   and not any(re.fullmatch(pattern, what) for pattern in patterns)}
        assert not strange, f"{kind} holds {strange}"
        assert len(held) <= DESCRIPTORS_IDLE_MAX, held


@pytest.mark.parametrize("kind", (*confined.KINDS, "posternd"))
def test_no_page_is_writable_and_executable(running, kind):
    for pid in pids(running, kind):
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
            both = [line for line in file if re.search(r" [r-]wx", line)]
        assert not both


def test_the_parent_clears_a_strange_environment(scene):
    scene.daemon.environment = {"PATH": os.environ["PATH"], "OPENSSL_CONF": "/etc/passwd", "RES_OPTIONS": "debug",
                                "MALLOC_PERTURB_": "1", "TZ": "/etc/shadow", "LD_BIND_NOW": "1"}
    scene.start()
    for kind in confined.KINDS:
        with open(f"/proc/{scene.pid(kind)}/environ", "rb") as file:
            assert file.read().rstrip(b"\0") in (b"TZ=:/etc/localtime", b"")


def test_the_log_pump_can_only_read_and_write(running):
    pid = running.daemon.pids("log")[0]
    status = confined.status(pid)
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    assert "0" not in status["Uid"].split()
    assert set(confined.descriptors(pid)) <= {0, 1, 2}
