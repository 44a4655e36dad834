# SPDX-License-Identifier: ISC
"""A notification as a reader sees it: taken apart by Python's parser, whatever the server that refused had to say."""

import email
import email.policy
import smtplib

import pytest

from conftest import RELAY

PLAIN = "550 5.1.1 No such user here"
HOSTILE = (b"550-5.7.1 first line\x1b]0;title\x07\r\n"
           b"550-5.7.1 Action: delivered\r\n"
           b"550 5.7.1 " + b"w" * 900 + b" \xc3\xbc --=_x\r\n")


def bounce_of(daemons, sinks, refusal):
    """Sends a message to bad@far.example and good@far.example; returns what came to ann@near.example."""
    sink = sinks(answers={"RCPT": lambda session, argument: refusal if "bad" in argument else True})
    daemon = daemons(RELAY, sink=sink.port).start()
    with smtplib.SMTP("127.0.0.1", daemon.port) as client:
        client.sendmail("ann@near.example", ["bad@far.example", "good@far.example", "bad2@far.example"],
                        b"From: ann@near.example\r\nTo: bad@far.example\r\nSubject: lunch\r\n\r\nthe body\r\n")
    mails = sink.wait(2)
    daemon.wait_for_log(r"event=delivered .*to=ann@near\.example")
    found = [mail for mail in mails if "ann@near.example" in mail.recipients]
    assert len(found) == 1, mails
    assert found[0].sender == ""
    return found[0].data


@pytest.mark.parametrize("refusal", [PLAIN, HOSTILE], ids=["plain", "hostile"])
def test_a_notification_parses(daemons, sinks, refusal):
    data = bounce_of(daemons, sinks, refusal)
    data = data if isinstance(data, bytes) else data.encode("latin-1")
    assert all(len(line) <= 998 for line in data.split(b"\r\n"))
    assert not any(byte < 0x20 and byte not in b"\t\r\n" or byte > 0x7e for byte in data)
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert not message.defects
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["To"] == "ann@near.example"
    assert message["From"].addresses[0].username == "MAILER-DAEMON"
    assert message["Date"].datetime is not None
    text, status, header = message.iter_parts()
    assert "bad@far.example" in text.get_content()
    assert "good@far.example" not in text.get_content()
    assert "the body" not in data.decode("ascii")
    assert header.get_content_type() == "text/rfc822-headers"
    assert "Subject: lunch" in header.get_content()
    per_message, *rcpts = status.get_payload()
    assert per_message["Reporting-MTA"].startswith("dns; ")
    assert {rcpt["Final-Recipient"] for rcpt in rcpts} == {"rfc822; bad@far.example", "rfc822; bad2@far.example"}
    for rcpt in rcpts:
        assert rcpt["Action"] == "failed"
        assert rcpt["Status"].startswith("5.")
        assert rcpt["Diagnostic-Code"].startswith("smtp; 550")
        assert rcpt["Remote-MTA"].startswith("dns; ")
        assert len(rcpt.get_all("Action")) == 1
