# SPDX-License-Identifier: ISC
"""A report as a reader sees it: taken apart by Python's parser, whatever the server that refused had to say; and beside
the reports of other servers (POSTERN_CORPORA, default ../shared/corpora)."""

import email
import email.policy
import glob
import os
import smtplib
import subprocess

import pytest

import house
import postern
from conftest import RELAY

CORPORA = os.environ.get("POSTERN_CORPORA", os.path.join("..", "shared", "corpora"))

PLAIN = "550 5.1.1 No such user here"
HOSTILE = (b"550-5.7.1 first line\x1b]0;title\x07\r\n"
           b"550-5.7.1 Action: delivered\r\n"
           b"550 5.7.1 " + b"w" * 900 + b" \xc3\xbc --=_x\r\n")


def bounce_of(daemons, sinks, refusal, settings=""):
    """Sends a message to bad@far.example and good@far.example; returns what came to ann@near.example."""
    sink = sinks(answers={"RCPT": lambda session, argument: refusal if "bad" in argument else True})
    daemon = daemons(settings + RELAY, sink=sink.port).start()
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


# --- every kind, by tests/tools/bounce_compose ---

ORIGINAL = b"From: ann@near.example\r\nSubject: lunch\r\n\r\nthe body\r\n"
# Kind: what is composed, Subject, Action and class of Status of each recipient.
KINDS = {
    "failed": (["rcpt a@x.example", "code 550", "enhanced 5.1.1", "said no", "hop mx.x.example"],
               "Your message could not be delivered", ["failed 5"]),
    "expired": (["rcpt a@x.example", "expired 1", "tries 9", "code 451", "said later"],
                "Your message could not be delivered", ["failed 5"]),
    "delayed": (["rcpt a@x.example", "action delayed", "code 451", "said later", "until 1795900000000"],
                "Your message is delayed", ["delayed 4"]),
    "delivered": (["rcpt a@x.example", "action delivered"], "Your message was delivered", ["delivered 2"]),
    "relayed": (["rcpt a@x.example", "action relayed", "hop mx.x.example"], "Your message was passed on", ["relayed 2"]),
    "mixed": (["rcpt a@x.example", "code 550", "rcpt b@x.example", "action delayed", "rcpt c@x.example",
               "action relayed", "more 3"], "What became of your message", ["failed 5", "delayed 4", "relayed 2"]),
}
LANGUAGES = {"en": "mail server", "de": "Mailserver", "fr": "serveur de messagerie", "es": "servidor de correo"}


def compose(lines, original=ORIGINAL):
    """The report as bytes, and parsed."""
    text = "\n".join(lines).encode("ascii") + b"\ntext\n" + original
    done = subprocess.run([postern.built("tests/tools/bounce_compose")], input=text, stdout=subprocess.PIPE, check=True,
                          timeout=20)
    return done.stdout, email.message_from_bytes(done.stdout, policy=email.policy.default)


def rcpts_of(message):
    return list(message.iter_parts())[1].get_payload()[1:]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_parses_in_every_language(kind, language):
    lines, subject, statuses = KINDS[kind]
    data, message = compose([f"language {language}", "envid QQ+2B1", *lines, "orcpt rfc822;a+2Bb@x.example"])
    assert not message.defects and not any(part.defects for part in message.walk())
    assert data.isascii() and all(len(line) <= 998 for line in data.split(b"\r\n"))
    assert message["Auto-Submitted"] == "auto-replied"
    assert language != "en" or message["Subject"] == subject
    text, status, header = message.iter_parts()
    assert text["Content-Language"] == language
    assert LANGUAGES[language] in text.get_content() and "<a@x.example>" in text.get_content()
    assert "postmaster@mail.example" in text.get_content() and "{" not in text.get_content()
    assert status.get_payload()[0]["Original-Envelope-Id"] == "QQ+1"
    rcpts = rcpts_of(message)
    assert [f"{rcpt['Action']} {rcpt['Status'][0]}" for rcpt in rcpts] == statuses
    assert rcpts[-1]["Original-Recipient"] == "rfc822;a+b@x.example"
    assert header.get_content_type() == "text/rfc822-headers" and "the body" not in header.get_content()


def test_the_message_comes_back_byte_for_byte():
    original = ORIGINAL + b"\tf\xfcr\r\n--=_x\r\n.\r\n"
    data, message = compose(["whole 1", *KINDS["failed"][0]], original)
    assert message["Content-Transfer-Encoding"] == "8bit"
    returned = list(message.iter_parts())[2]
    assert returned.get_content_type() == "message/rfc822" and returned["Content-Transfer-Encoding"] == "8bit"
    assert b"\r\n\r\n" + original + b"\r\n--" + message.get_boundary().encode("ascii") + b"--\r\n" in data


def test_addresses_in_utf8_make_it_international():
    data, message = compose(["rcpt j\\xc3\\xbcrg@x.example", "orcpt utf-8;j\\x{FC}rg@x.example"],
                            "Subject: Grüße\r\n\r\n".encode("utf-8"))
    text, status, header = message.iter_parts()
    assert "<jürg@x.example>" in text.get_content()
    assert status.get_content_type() == "message/global-delivery-status"
    assert header.get_content_type() == "message/global-headers"
    assert message["Content-Transfer-Encoding"] == "8bit"
    assert "Original-Recipient: utf-8;jürg@x.example\r\nFinal-Recipient: utf-8; jürg@x.example\r\n" in data.decode("utf-8")


# --- beside others ---

def reports_of_others():
    """The multipart/report of the corpus with the three parts of RFC 3462, parsed."""
    reports = []
    for path in sorted(glob.glob(os.path.join(CORPORA, "dsn", "*.eml"))):
        with open(path, "rb") as file:
            message = email.message_from_binary_file(file, policy=email.policy.compat32)
        if message.get_content_type() == "multipart/report" and message.is_multipart():
            types = [part.get_content_type() for part in message.get_payload()]
            if len(types) == 3 and types[1] == "message/delivery-status":
                reports.append(message)
    return reports


def shape_of(message):
    """Types of the parts; names of the fields about the message and about each recipient."""
    parts = message.get_payload()
    about, *rcpts = parts[1].get_payload()
    return ([part.get_content_type() for part in parts], set(about.keys()),
            set().union(*(set(rcpt.keys()) for rcpt in rcpts)) if rcpts else set())


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_the_shape_of_others(kind):
    others = [shape_of(message) for message in reports_of_others()]
    if not others:
        pytest.skip("the corpus dsn is not there")
    assert len(others) >= 10
    data, _ = compose(KINDS[kind][0])
    types, about, rcpt = shape_of(email.message_from_bytes(data, policy=email.policy.compat32))
    assert types[:2] == ["text/plain", "message/delivery-status"]
    assert types in [other[0] for other in others]
    for ours, index in ((about, 1), (rcpt, 2)):
        known = {name.lower() for other in others for name in other[index]}
        assert {name.lower() for name in ours} - known <= {"x-postern-message", "will-retry-until"}
        usual = {name.lower() for name in known if sum(name in {n.lower() for n in other[index]} for other in others)
                 > len(others) * 9 // 10}
        assert usual <= {name.lower() for name in ours}, usual


# --- the site's own words ---

TEMPLATE = """\
[failure]
Subject: Nicht zugestellt: leider
{hostname} sagt, {contact} hilft:

{recipients}
[delay]
Subject: a
{recipients}
[success]
Subject: b
{recipients}
"""


def write_template(folder, text):
    path = os.path.join(folder, "bounce.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def test_the_site_has_its_say(folder, daemons, sinks):
    path = write_template(folder, TEMPLATE)
    settings = f'bounce template "{path}"\nbounce contact "help@a.example"\nbounce language de\n'
    data = bounce_of(daemons, sinks, PLAIN, settings)
    message = email.message_from_string(data) if isinstance(data, str) else email.message_from_bytes(data)
    text = message.get_payload()[0].get_payload(decode=True).decode("utf-8")
    assert message["Subject"] == "Nicht zugestellt: leider"
    assert "sagt, help@a.example hilft:\r\n\r\n<bad@far.example>\r\n    wurde abgelehnt. Der Server" in text.replace(
        "\r\n", "\n").replace("\n", "\r\n")


def test_a_broken_template_is_told_before_anything_starts(folder):
    path = write_template(folder, TEMPLATE.replace("{contact}", "{nobody}"))
    config = os.path.join(folder, "postern.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(f'bounce template "{path}"\nmatch for any reject\n')
    code, said = house.run([postern.built("posternd"), "-n", "-f", config])
    assert code == 78 and f"{path}:3: {{nobody}}, expected" in said, said
