# SPDX-License-Identifier: ISC
"""The ledger itself: client and sink agree when nothing goes wrong, and each kind of wrong is found."""

import os
import signal
import subprocess

import pytest

from ledger import Balance, bounced_recipients, compose, inspect

HERE = os.path.dirname(os.path.abspath(__file__))
RECIPIENT = "a@far.example"


@pytest.fixture(name="sink")
def fixture_sink(tmp_path):
    with subprocess.Popen([os.path.join(HERE, "sink"), str(tmp_path / "sink")], stdout=subprocess.PIPE) as process:
        yield int(process.stdout.readline()), str(tmp_path / "sink")
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def test_client_and_sink_agree(sink, tmp_path):
    port, notes = sink
    client = str(tmp_path / "client")
    subprocess.run([os.path.join(HERE, "client"), f"127.0.0.1:{port}", client, "--count", "200", "--sessions", "5",
                    "--per-session", "7", "--to", RECIPIENT, "--to", "b@far.example"], check=True, timeout=60)
    balance = Balance()
    balance.add_client(client)
    balance.add_sink(notes)
    assert balance.problems() == [] and balance.duplicates() == 0
    assert len(balance.acknowledged) == 400


def test_a_message_carries_its_id_and_checksum():
    data = compose("L.7", [RECIPIENT], 3000)
    assert 2500 < len(data) < 3500
    assert inspect(data) == ("L.7", True)
    assert inspect(b"Received: by x\r\n\tfor y\r\n" + data) == ("L.7", True)
    assert inspect(data.replace(b"\r\n", b"\n")) == ("L.7", True)
    assert inspect(data[:-3] + b"x\r\n") == ("L.7", False)
    assert inspect(data[:-20]) == ("L.7", False)
    assert inspect(b"Subject: x\r\n\r\n") == (None, False)


CASES = [
    # name, client's notes, sink's notes, queue, want
    ("all is well", ["+ a r", "+ b r"], ["= a r ok", "= b r ok"], [], ""),
    ("one is missing", ["+ a r", "+ b r"], ["= a r ok"], [], "missing"),
    ("one recipient of two is missing", ["+ a r s"], ["= a r ok"], [], "missing"),
    ("one waits", ["+ a r"], [], [{"from": "a@ledger.example", "to": "r"}], ""),
    ("one was bounced", ["+ a r"], ["! a r"], [], ""),
    ("another was bounced", ["+ a r"], ["! a s"], [], "missing"),
    ("its bounce waits", ["+ a r"], [], [{"from": "", "to": "a@ledger.example"}], ""),
    ("one in doubt arrived", ["? a r"], ["= a r ok"], [], ""),
    ("one in doubt did not", ["? a r"], [], [], ""),
    ("one was never sent", ["+ a r"], ["= a r ok", "= b r ok"], [], "from nowhere"),
    ("one came for somebody else", ["+ a r"], ["= a r ok", "= a s ok"], [], "from nowhere"),
    ("a body was changed", ["+ a r"], ["= a r corrupt"], [], "corrupt"),
]


@pytest.mark.parametrize("client, sink_notes, queue, want", [case[1:] for case in CASES],
                         ids=[case[0].replace(" ", "-") for case in CASES])
def test_each_kind_of_wrong_is_found(tmp_path, client, sink_notes, queue, want):
    (tmp_path / "client").write_text("\n".join(client) + "\n", encoding="ascii")
    (tmp_path / "sink").write_text("".join(note + "\n" for note in sink_notes) + "= cut", encoding="ascii")
    balance = Balance()
    balance.add_client(tmp_path / "client")
    balance.add_sink(tmp_path / "sink")
    balance.add_queue(queue)
    assert [problem.split(":")[0] for problem in balance.problems()] == ([f"1 {want}"] if want else [])


def test_duplicates_are_counted(tmp_path):
    (tmp_path / "sink").write_text("= a r ok\n= a r ok\n= a r ok\n= b r ok\n", encoding="ascii")
    balance = Balance()
    balance.add_sink(tmp_path / "sink")
    assert balance.duplicates() == 2


def test_a_maildir_is_counted(tmp_path):
    os.makedirs(tmp_path / "new")
    (tmp_path / "new" / "1.x").write_bytes(b"Return-Path: <x>\n" + compose("a", ["r"], 500).replace(b"\r\n", b"\n"))
    balance = Balance()
    balance.add_maildir(str(tmp_path), "r")
    assert balance.delivered["a", "r"] == 1 and not balance.corrupt


def test_a_bounce_names_its_recipients():
    status = b"Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; a@far.example\r\nAction: failed\r\n"
    assert bounced_recipients(status) == ["a@far.example"]
    assert bounced_recipients(b"Subject: x\r\n\r\nNot delivered to <a@far.example>:\r\n") == ["a@far.example"]
