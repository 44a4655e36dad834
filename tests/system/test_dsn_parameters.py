# SPDX-License-Identifier: ISC
"""RFC 3461 from client to the next server: what a sender asks for arrives there as it was given, and nothing of it where
the server does not offer DSN."""

import smtplib

import pytest

import postern
import sink

CONFIG = """\
action "out" relay host "smtp://127.0.0.1:{sink}"
match from local for any action "out"
"""


@pytest.mark.parametrize("offered", [True, False], ids=["offered", "not-offered"])
def test_what_a_sender_wants_goes_on(offered):
    server = sink.Sink(extensions=sink.EXTENSIONS + (("DSN",) if offered else ()))
    daemon = postern.Daemon(CONFIG, sink=server.port)
    try:
        daemon.start()
        with smtplib.SMTP("127.0.0.1", daemon.port) as client:
            client.ehlo("c.example")
            assert client.has_extn("dsn")
            client.sendmail("a@c.example", ["b@far.example"], "Subject: x\r\n\r\nx\r\n",
                            mail_options=["RET=HDRS", "ENVID=QQ+2B1"],
                            rcpt_options=["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;old+2Bb@far.example"])
        server.wait()
        said = [line for line in server.sessions[0].commands if line.startswith(("MAIL", "RCPT"))]
        assert ("RET=HDRS ENVID=QQ+2B1" in said[0]) == offered
        assert said[1] == "RCPT TO:<b@far.example>" + (
            " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;old+2Bb@far.example" if offered else "")
        assert offered or ("RET" not in said[0] and "ENVID" not in said[0])
    finally:
        server.stop()
        daemon.close()
