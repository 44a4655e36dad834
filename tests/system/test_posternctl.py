# SPDX-License-Identifier: ISC
"""posternctl and control: what is asked is answered, to those who may ask. SECURITY rows U01, U02, U07, U08."""

import json
import os
import re
import smtplib
import socket
import struct
import subprocess
import time

import pytest

import postern

USER, OTHER = 54321, 54322
CANARY = "\x1b]0;pwned\x07\x7f"
QUEUED = """\
action "out" relay host "smtp://127.0.0.1:9"
match from any for any action "out"
"""


@pytest.fixture
def daemon(daemons):
    """A daemon that relays nothing: its mail stays in the queue."""
    house = daemons(QUEUED).start()
    house.ctl("pause", "mta")
    return house


def submit(daemon, recipient, text=b"Subject: x\n\nx\n", user=None):
    subprocess.run([postern.built("sendmail"), "-i", recipient], input=text, check=True, timeout=30, user=user,
                   env={**os.environ, "POSTERN_RUNTIME": os.path.join(daemon.folder, "run")})


def entry_of(daemon, recipient):
    return next(entry for entry in daemon.queue_list() if entry["to"] == recipient)


def test_status_tells_what_is_paused(daemon):
    assert daemon.ctl_json("show", "status")["mta"] == "paused"
    for what in "mda", "mta", "smtp":
        daemon.ctl("pause", what)
        assert f"{what.upper()} paused\n" in daemon.ctl("show", "status")
        daemon.ctl("resume", what)
        assert f"{what.upper()} running\n" in daemon.ctl("show", "status")


def test_paused_smtp_accepts_no_connection(daemon):
    daemon.ctl("pause", "smtp")
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=1) as sock, pytest.raises(socket.timeout):
        sock.recv(1)
    daemon.ctl("resume", "smtp")
    with smtplib.SMTP("127.0.0.1", daemon.port, timeout=10) as client:
        assert client.noop()[0] == 250


def test_the_queue_in_lines_and_in_json(daemon):
    submit(daemon, "a@r.example")
    entry = entry_of(daemon, "a@r.example")
    assert entry["state"] == "paused" and entry["kind"] == "relay" and entry["tries"] == 0
    text = daemon.ctl("sh", "q")
    assert entry["message"] in text and "<a@r.example>" in text
    assert "why it is still here: " in daemon.ctl("show", "envelope", entry["message"])
    short = entry["message"].lstrip("0") + ":0"
    assert daemon.ctl_json("show", "envelope", short)[0]["to"] == "a@r.example"


def test_a_queue_of_many_pages(daemon):
    with smtplib.SMTP("127.0.0.1", daemon.port, timeout=30) as client:
        for number in range(3):
            client.sendmail("a@s.example", [f"u{number}.{i}@r.example" for i in range(200)], b"Subject: x\r\n\r\nx\r\n")
    entries = daemon.queue_list()
    assert len({entry["to"] for entry in entries}) == len(entries) == 600
    assert daemon.ctl("show", "queue").count("\n") == 601
    assert daemon.ctl("remove", "all").startswith("600 envelopes removed\n")
    assert daemon.queue_list() == []


def test_the_text_of_a_message(daemon):
    body = b"".join(b"line %d \xc3\xbc\n" % number for number in range(20000))
    submit(daemon, "a@r.example", b"Subject: x\n\n" + body)
    name = entry_of(daemon, "a@r.example")["message"]
    raw = subprocess.run([postern.built("posternctl"), "-s", daemon.socket, "show", "message", "--raw", name],
                         stdout=subprocess.PIPE, check=True).stdout
    assert raw.endswith(b"\r\n\r\n" + body.replace(b"\n", b"\r\n"))
    text = daemon.ctl("show", "message", name)
    assert text.endswith("\n\n" + body.decode().replace("\xfc", "\\xc3\\xbc"))
    assert daemon.ctl_json("show", "message", name)["text"].encode() == raw


def test_schedule_and_remove(daemon):
    submit(daemon, "a@r.example")
    submit(daemon, "b@r.example")
    name = entry_of(daemon, "a@r.example")["message"]
    assert re.fullmatch(r"\d+ envelopes? scheduled\n", daemon.ctl("schedule", name))
    assert daemon.ctl("remove", name) == "1 envelope removed\n"
    assert [entry["to"] for entry in daemon.queue_list()] == ["b@r.example"]
    assert daemon.ctl_json("remove", "all")["count"] == 1
    assert daemon.queue_list() == []
    daemon.wait_for_log("event=removed .*to=a@r.example")
    daemon.wait_for_log("event=control .*address=local:0 command=remove message=" + name)


@pytest.mark.parametrize("command", [["show", "envelope"], ["show", "message"], ["remove"]])
def test_what_is_not_there(daemon, command):
    assert "no such message" in daemon.ctl(*command, "1234", check=False)
    assert "expected a message id" in daemon.ctl(*command, "../1", check=False)


def test_log_verbose_and_brief(daemons):
    """A connection that is refused is told at trace only."""
    house = daemons(QUEUED, options=()).start()
    house.ctl("log", "verbose")
    submit(house, "a@r.example")
    house.wait_for_log("event=connection ")
    house.ctl("log", "brief")
    mark = house.log.mark()
    house.ctl("schedule", "all")
    house.wait_for_log("event=deferred", start=mark)
    assert not [line for line in house.log.lines[mark:] if "event=connection " in line]


def test_stats_and_monitor(daemon):
    submit(daemon, "a@r.example")
    stats = dict(line.split("=") for line in daemon.ctl("show", "stats").splitlines())
    assert stats["scheduler.envelope.incoming"] == "1" and "uptime.human" in stats
    assert list(stats)[:-2] == sorted(list(stats)[:-2])
    lines = daemon.ctl("monitor", "-n", "2", "-i", "0").splitlines()
    assert len(lines) == 4 and len(lines[2].split()) == 13
    assert "-" not in lines[2].split(), "a counter that no process has"
    sample = daemon.ctl_json("monitor", "-n", "1")
    assert sample["enqueued"] == 0 and len(sample) == 13


def test_status_counts_one_as_one_and_what_the_spool_has_seen(daemon):
    submit(daemon, "a@r.example")
    submit(daemon, "b@r.example")
    daemon.ctl("remove", entry_of(daemon, "a@r.example")["message"])
    text = daemon.ctl("show", "status")
    assert re.search(r"^\d+ sessions?, 1 envelope in the queue, 0 being delivered$", text, re.MULTILINE), text
    totals = r"^since the spool was made: accepted 2, delivered 0, deferred {}, bounced 0, removed 1$"
    assert re.search(totals.format("0"), text, re.MULTILINE), text
    daemon.restart()
    text = daemon.ctl("show", "status")
    assert re.search(totals.format("[01]"), text, re.MULTILINE), text  # a start may try what waits
    assert daemon.ctl_json("show", "status")["totals"]["accepted"] == 2


def test_a_time_that_has_come_is_not_to_come(daemon):
    submit(daemon, "a@r.example")
    text = daemon.ctl("show", "envelope", entry_of(daemon, "a@r.example")["message"])
    for name in "created", "due":
        assert re.search(rf"^{name}: .* \((now|\d+s ago)\)$", text, re.MULTILINE), text


def test_stop_ends_the_daemon(daemon):
    assert daemon.ctl("stop") == "command succeeded\n"
    assert daemon.process.wait(20) == 0


def test_without_a_daemon(folder):
    done = subprocess.run([postern.built("posternctl"), "-s", folder + "/none", "--json", "show", "status"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith(b"posternctl: postern does not seem to be running: cannot connect to " + folder.encode())
    assert json.loads(done.stdout)["ok"] is False


def test_a_full_standard_output_is_told(daemon):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([postern.built("posternctl"), "-s", daemon.socket, "show", "stats"], stdout=full,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and b"standard output" in done.stderr


# --- U02: other users ---

@pytest.fixture
def mixed(daemon):
    """Mail of root, of a user, and of the network: (daemon, ids by owner)."""
    submit(daemon, "root@r.example")
    submit(daemon, "user@r.example", user=USER)
    with smtplib.SMTP("127.0.0.1", daemon.port, timeout=10) as client:
        client.sendmail("a@s.example", ["net@r.example"], b"Subject: secret\r\n\r\nx\r\n")
    return daemon, {entry["to"].split("@")[0]: entry["message"] for entry in daemon.queue_list()}


@pytest.mark.root
def test_U02_a_user_sees_only_their_own_mail(mixed):
    daemon, ids = mixed
    assert len(ids) == 3
    shown = daemon.ctl("show", "queue", user=USER)
    assert ids["user"] in shown and ids["root"] not in shown and ids["net"] not in shown
    assert daemon.ctl("show", "queue", user=OTHER) == ""
    assert "Subject: x" in daemon.ctl("show", "message", ids["user"], user=USER)


@pytest.mark.root
@pytest.mark.parametrize("command", [["show", "envelope"], ["show", "message"], ["remove"]])
def test_U02_U08_an_id_is_no_authority(mixed, command):
    daemon, ids = mixed
    for owner, user in ("root", USER), ("net", USER), ("user", OTHER):
        assert "no such message" in daemon.ctl(*command, ids[owner], check=False, user=user)
    assert len(daemon.queue_list()) == 3


@pytest.mark.root
def test_U02_all_of_a_user_is_the_users_own(mixed):
    daemon, ids = mixed
    assert daemon.ctl("schedule", "all", user=OTHER) == "0 envelope scheduled\n"
    assert daemon.ctl("remove", "all", user=OTHER) == "0 envelope removed\n"
    assert daemon.ctl("remove", "all", user=USER) == "1 envelope removed\n"
    assert {entry["message"] for entry in daemon.queue_list()} == {ids["root"], ids["net"]}


@pytest.mark.root
@pytest.mark.parametrize("command", [
    ["show", "status"], ["show", "stats"], ["monitor", "-n", "1"], ["pause", "smtp"], ["resume", "mta"],
    ["log", "verbose"], ["stop"]])
def test_U02_the_administrators_commands(daemon, command):
    assert "permission denied" in daemon.ctl(*command, check=False, user=USER)
    daemon.wait_for_log(f"event=control-refused .*address=local:{USER}")
    assert daemon.ctl_json("show", "status")["mta"] == "paused"


# --- U07 ---

def test_U07_what_came_from_outside_is_escaped(daemon):
    submit(daemon, "a@r.example", f"Subject: {CANARY}\n\n{CANARY}\r".encode() + b"\x9b\xff\n")
    name = entry_of(daemon, "a@r.example")["message"]
    for command in ["show", "queue"], ["show", "envelope", name], ["show", "message", name]:
        for option in [], ["--json"]:
            done = subprocess.run([postern.built("posternctl"), "-s", daemon.socket, *command, *option],
                                  stdout=subprocess.PIPE, check=True)
            assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f-\xff]", done.stdout), done.stdout
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", daemon.log.text())


# --- U01 ---

def connect(daemon, user=0):
    """A connection to the control socket; who asks is who connects."""
    sock = socket.socket(socket.AF_UNIX)
    os.seteuid(user)
    try:
        sock.connect(daemon.socket)
    finally:
        os.seteuid(0)
    sock.settimeout(20)
    return sock


@pytest.mark.root
def test_U01_a_flood_of_connections_leaves_root_its_way(daemon):
    held = []
    try:
        for number in range(400):
            held.append(connect(daemon, USER + number % 20))
        begun = time.monotonic()
        assert "SMTP running" in daemon.ctl("show", "status")
        assert time.monotonic() - begun < 5
        daemon.wait_for_log("event=control-refused .*too many connections")
        assert daemon.log.count("event=control-refused") < 20
    finally:
        for sock in held:
            sock.close()


@pytest.mark.root
def test_U01_silent_and_half_requests_end_in_time(daemon):
    silent, half, giant = connect(daemon, USER), connect(daemon, USER), connect(daemon, USER)
    begun = time.monotonic()
    half.send(b"\x10\x00\x00")
    giant.send(struct.pack("=IHHQ", 1 << 30, 0, 0, 1))
    assert giant.recv(1) == b""
    assert time.monotonic() - begun < 5
    assert silent.recv(1) == b"" and half.recv(1) == b""
    assert 8 < time.monotonic() - begun < 15
    for sock in silent, half, giant:
        sock.close()


@pytest.mark.root
def test_U01_10000_connections_one_after_another(daemon):
    for number in range(10000):
        connect(daemon, USER + number % 7).close()
    assert "SMTP running" in daemon.ctl("show", "status")


# --- manual and completion ---

def help_commands():
    """The words of every command."""
    text = subprocess.run([postern.built("posternctl"), "--help"], stdout=subprocess.PIPE, check=True).stdout.decode()
    lines = re.findall(r"^  ([\w-]+(?: [a-z]+)?) ", text, re.MULTILINE)
    assert len(lines) > 10
    return lines


def read(path):
    with open(os.path.join(postern.TOP, path), encoding="utf-8") as file:
        return file.read()


def complete(*words):
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _posternctl; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script, "bash", os.path.join(postern.TOP, "etc/completion/posternctl.bash"),
                           postern.built("posternctl"), *words], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode().split()


def test_every_command_has_its_place_in_the_manual():
    manual = read("ctl/posternctl.8")
    for command in help_commands():
        assert re.search(rf"^\.It Cm .*\b{command}\b", manual, re.MULTILINE), command


def test_completion_knows_every_command_and_no_other():
    known = set()
    for first in complete(""):
        seconds = [word for word in complete(first, "") if word not in ("all", "")]
        known |= {f"{first} {second}" for second in seconds} or {first}
    assert known == set(help_commands())


def test_completion_offers_the_messages_of_the_queue(daemon):
    submit(daemon, "a@r.example")
    name = entry_of(daemon, "a@r.example")["message"]
    assert complete("-s", daemon.socket, "show", "envelope", "") == [name]
    assert complete("-s", daemon.socket, "remove", "") == [name, "all"]


@pytest.mark.parametrize("manual, tables", [
    ("ctl/posternctl.8", ["CONTROL_LIMITS", "CTL_LIMITS"]), ("ctl/sendmail.8", ["SENDMAIL_LIMITS"])])
def test_every_limit_is_in_the_manual(manual, tables):
    source, text = read("ctl/limits.h"), read(manual)
    rows = []
    for table in tables:
        body = re.search(rf"#define {table}\(L\) \\\n((?:\tL\(.*\n)+)", source).group(1)
        rows += re.findall(r"L\((\w+),\s*(.*?),\s*\"(.*?)\"\)", body)
    documented = re.findall(r"^\.It Dv (\w+) No (\d+)\n(.*)$", text, re.MULTILINE)
    assert [(name, str(eval(value)), meaning) for name, value, meaning in rows] == documented
