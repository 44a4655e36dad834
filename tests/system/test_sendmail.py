# SPDX-License-Identifier: ISC
"""sendmail gives mail of local programs to the daemon, and fails clearly where it cannot. SECURITY rows U03, U04."""

import os
import socket
import subprocess
import threading
import time

import pytest

import postern

EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_TEMPFAIL = 64, 65, 67, 69, 75
TIMEOUT = 50


@pytest.fixture
def house(daemons, sinks, folder):
    """A daemon that delivers to joe here and relays the rest to a sink."""
    line, home = postern.local_user(folder)
    sink = sinks()
    daemon = daemons('table users {{ {line} }}\n'
                     'action "local" maildir userbase <users>\n'
                     'action "out" relay host "smtp://127.0.0.1:{sink}"\n'
                     'match from any for local action "local"\n'
                     'match from any for any action "out"\n', line=line, sink=sink.port).start()
    daemon.home = home
    daemon.sink = sink
    return daemon


def environment(daemon):
    return {**os.environ, "POSTERN_RUNTIME": os.path.join(daemon.folder, "run")}


def sendmail(daemon, *options, text=b"", code=0, name="sendmail", **more):
    done = subprocess.run([postern.built(name), *options], input=text, env=environment(daemon), timeout=TIMEOUT,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **more)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def maildir(home):
    """The messages in new, when there is at least one."""
    path = os.path.join(home, "Maildir", "new")
    names = postern.wait_until(lambda: os.path.isdir(path) and os.listdir(path), what="a message in " + path)
    texts = []
    for name in sorted(names):
        with open(os.path.join(path, name), "rb") as file:
            texts.append(file.read())
    return texts


def test_a_message_gets_its_fields_and_arrives(house):
    sendmail(house, "-f", "me@x.example", "-F", "Me", "joe@localhost", text=b"Subject: x\n\nhello\n.y\n.\nnot this\n")
    text, = maildir(house.home)
    header, body = text.split(b"\n\n", 1)
    assert body == b"hello\n.y\n"
    assert header.startswith(b"Return-Path: <me@x.example>\nDelivered-To: joe@localhost\nReceived: ")
    for field in b'From: "Me" <me@x.example>', b"\nDate: ", b"\nMessage-ID: <":
        assert field in header


def test_users_without_domain_are_of_this_machine(house):
    sendmail(house, "joe", text=b"To: joe\n\nx\n")
    assert len(maildir(house.home)) == 1


def test_recipients_of_the_header_and_no_bcc(house):
    sendmail(house, "-t", "-oi", text=b"To: Ann <a@r.example>, b@r.example\nBcc: c@r.example\n\nx\n.\ny\n")
    house.sink.wait(1)
    message = house.sink.mails[0]
    assert sorted(message.recipients) == ["a@r.example", "b@r.example", "c@r.example"]
    assert b"c@r.example" not in message.data
    assert message.data.endswith(b"x\r\n.\r\ny\r\n")


def test_eight_bits_and_strange_line_ends(house):
    sendmail(house, "-i", "joe@localhost", text=b"Subject: x\r\n\r\na\rb\r\n\xc3\xbc\x00\n" + b"x" * 100000)
    text, = maildir(house.home)
    assert text.split(b"\n\n", 1)[1] == b"a\nb\n\xc3\xbc\x00\n" + b"x" * 65000 + b"\n" + b"x" * 35000 + b"\n"


@pytest.mark.parametrize("options, text, code", [
    ([], b"", EX_USAGE),
    (["-t"], b"Subject: x\n\n", EX_USAGE),
    (["-q"], b"", EX_USAGE),
    (["-C", "/etc/shadow", "joe"], b"", EX_USAGE),
    (["-be"], b"", EX_USAGE),
    (["-bd"], b"", EX_USAGE),
    (["-w", "soon", "joe"], b"", EX_USAGE),
    (["-N", "sometimes", "joe"], b"", EX_USAGE),
    (["a b c"], b"x\n", EX_DATAERR),
    (["-f", "a b", "joe"], b"x\n", EX_DATAERR),
    (["-t"], b"To: a@b, <c\n\n", EX_DATAERR),
    (["nobody-of-this-name@localhost"], b"x\n", EX_NOUSER),
])
def test_exit_codes(house, options, text, code):
    done = sendmail(house, *options, text=text, code=code)
    assert done.stderr.startswith(b"sendmail: ")


def test_one_bad_recipient_is_told_and_the_others_get_it(house):
    done = sendmail(house, "joe@localhost", "nobody-of-this-name@localhost", text=b"x\n", code=EX_NOUSER)
    assert b"nobody-of-this-name@localhost: 550 5.1.1" in done.stderr
    assert len(maildir(house.home)) == 1


def test_U03_a_million_bcc(house):
    text = b"Bcc: x@r.example" + b"".join(b",\n u%d@r.example" % number for number in range(1000000)) + b"\n\nx\n"
    done = sendmail(house, "-t", text=text, code=EX_DATAERR)
    assert b"Bcc" in done.stderr or b"header" in done.stderr
    assert house.queue_list() == []


def test_U03_more_than_the_daemon_takes(house):
    def flood(stream):
        try:
            for _ in range(60):
                stream.write(b"x" * (1 << 20) + b"\n")
            stream.close()
        except BrokenPipeError:
            pass

    process = subprocess.Popen([postern.built("sendmail"), "joe@localhost"], env=environment(house),
                               stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    thread = threading.Thread(target=flood, args=(process.stdin,))
    thread.start()
    code = process.wait(TIMEOUT)
    error = process.stderr.read()
    process.stderr.close()
    thread.join()
    assert code == EX_UNAVAILABLE and b"552" in error, (code, error)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_U03_closed_descriptors(house, closed):
    def close():
        for fd in closed:
            os.close(fd)

    done = subprocess.run([postern.built("sendmail"), "-v", "joe@localhost"], env=environment(house), timeout=TIMEOUT,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=close, check=False)
    assert done.returncode == 0
    assert len(maildir(house.home)) == 1


def test_U03_killed_while_reading_nothing_is_sent(house):
    process = subprocess.Popen([postern.built("sendmail"), "joe@localhost"], env=environment(house),
                               stdin=subprocess.PIPE)
    process.stdin.write(b"Subject: half\n\nhalf")
    process.stdin.flush()
    process.kill()
    process.wait()
    process.stdin.close()
    assert house.queue_list() == []
    assert not os.path.exists(os.path.join(house.home, "Maildir"))


@pytest.mark.root
def test_mail_of_a_user_is_the_users(house):
    sendmail(house, "-f", "x@y.example", "a@r.example", text=b"x\n", user=12345)
    match = house.wait_for_log(r"event=accepted .*address=(\S+)")
    assert match.group(1) == "local:12345"


def test_U04_without_a_daemon_it_says_so(folder):
    done = subprocess.run([postern.built("sendmail"), "-w", "1", "joe"], input=b"x\n", timeout=TIMEOUT, check=False,
                          env={**os.environ, "POSTERN_RUNTIME": folder}, stderr=subprocess.PIPE)
    assert done.returncode == EX_TEMPFAIL
    assert b"cannot connect to " + folder.encode() in done.stderr and b"not kept" in done.stderr
    assert os.listdir(folder) == []


def test_mail_given_while_the_daemon_restarts_arrives(house):
    house.stop()
    process = subprocess.Popen([postern.built("sendmail"), "joe@localhost"], env=environment(house),
                               stdin=subprocess.PIPE)
    process.stdin.write(b"Subject: patience\n\nx\n")
    process.stdin.close()
    house.start()
    assert process.wait(TIMEOUT) == 0
    assert b"Subject: patience" in maildir(house.home)[0]


def listening(folder):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(os.path.join(folder, "submit.sock"))
    sock.listen(5)
    sock.settimeout(20)
    return sock


class Script(threading.Thread):
    """A daemon played on a socket of its own: a list of sessions, each a list of replies; None closes."""

    def __init__(self, folder, sessions):
        super().__init__()
        self.sock = listening(folder)
        self.sessions = sessions
        self.heard = []
        self.start()

    def run(self):
        for replies in self.sessions:
            connection, _ = self.sock.accept()
            connection.settimeout(20)
            stream = connection.makefile("rwb")
            lines = []
            for reply in replies:
                if reply is None:
                    break
                stream.write(reply)
                stream.flush()
                line = stream.readline()
                while reply.startswith(b"354") and line not in (b".\r\n", b""):
                    lines.append(line)
                    line = stream.readline()
                lines.append(line)
            self.heard.append(lines)
            stream.close()
            connection.close()
        self.sock.close()


HELLO = [b"220 x\r\n", b"250-x\r\n250-8BITMIME\r\n250 SIZE\r\n", b"250 ok\r\n", b"250 ok\r\n"]
DONE = [b"354 go\r\n", b"250 ok\r\n", b"221 bye\r\n"]


def play(folder, sessions, text=b"Subject: x\n\nbody\n", options=()):
    script = Script(folder, sessions)
    done = subprocess.run([postern.built("sendmail"), *options, "joe"], input=text, timeout=TIMEOUT, check=False,
                          env={**os.environ, "POSTERN_RUNTIME": folder}, stderr=subprocess.PIPE)
    script.join()
    return done, script.heard


@pytest.mark.parametrize("first", [
    [None], [b"421 4.3.2 later\r\n"], [b"554 no\r\n"], HELLO[:2] + [None], HELLO + [None], HELLO + DONE[:1] + [None],
    HELLO + DONE[:1] + [b"421 4.3.0 restarting\r\n"],
])
def test_a_daemon_that_goes_away_is_tried_again(folder, first):
    done, heard = play(folder, [first, HELLO + DONE])
    assert done.returncode == 0, done.stderr
    assert heard[1][3] == b"DATA\r\n" and b"body\r\n" in heard[1]


@pytest.mark.parametrize("replies, code", [
    (HELLO[:2] + [b"452 4.3.1 full\r\n", b"221 bye\r\n"], EX_TEMPFAIL),
    (HELLO[:2] + [b"550 5.7.1 no\r\n", b"221 bye\r\n"], EX_UNAVAILABLE),
    (HELLO[:3] + [b"451 4.3.0 later\r\n", b"221 bye\r\n"], EX_TEMPFAIL),
    (HELLO[:3] + [b"550 5.1.1 who\r\n", b"221 bye\r\n"], EX_NOUSER),
    (HELLO[:3] + [b"550 5.7.1 no\r\n", b"221 bye\r\n"], EX_UNAVAILABLE),
    (HELLO + [b"554 5.6.0 no\r\n", b"221 bye\r\n"], EX_UNAVAILABLE),
    (HELLO + [b"354 go\r\n", b"552 5.3.4 big\r\n", b"221 bye\r\n"], EX_UNAVAILABLE),
    (HELLO + [b"354 go\r\n", b"452 4.3.1 full\r\n", b"221 bye\r\n"], EX_TEMPFAIL),
])
def test_refusals_are_told(folder, replies, code):
    done, _ = play(folder, [replies])
    assert done.returncode == code
    assert b"sendmail: " in done.stderr


def test_U07_a_reply_is_shown_escaped(folder):
    done, _ = play(folder, [HELLO[:2] + [b"550 \x1b]0;x\x07\xff\r\n", b"221 bye\r\n"]], options=["-v"])
    assert not [byte for byte in done.stderr if (byte < 0x20 and byte != 0x0a) or byte > 0x7e]
    assert b"\\x1b]0;x\\x07\\xff" in done.stderr


def test_bs_passes_smtp_through(house):
    done = sendmail(house, "-bs", text=b"EHLO me\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<joe@localhost>\r\nDATA\r\n"
                                       b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n")
    assert done.stdout.startswith(b"220 ") and b"\r\n221 " in done.stdout
    assert len(maildir(house.home)) == 1


def test_bp_and_mailq_show_the_queue(house):
    house.ctl("pause", "mta")
    sendmail(house, "a@r.example", text=b"x\n")
    for done in sendmail(house, "-bp"), sendmail(house, name="mailq"):
        assert b"<a@r.example>" in done.stdout
    house.ctl("resume", "mta")
    house.sink.wait(1)


def test_bi_and_newaliases_are_honest(house):
    for done in sendmail(house, "-bi"), sendmail(house, name="newaliases"):
        assert b"Nothing to build" in done.stdout


def test_ignored_options_of_old_callers(house):
    sendmail(house, "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "-oodb", "-m", "-x", "-L", "tag", "-Ac",
             "joe@localhost", text=b"Subject: cron\n\n.\nx\n")
    text, = maildir(house.home)
    assert b'From: "CronDaemon" <' in text and text.endswith(b".\nx\n")


def test_a_slow_program_holds_no_session(house):
    process = subprocess.Popen([postern.built("sendmail"), "joe@localhost"], env=environment(house),
                               stdin=subprocess.PIPE)
    process.stdin.write(b"Subject: slow\n\n")
    process.stdin.flush()
    time.sleep(0.3)
    assert house.ctl_json("show", "status")["sessions"] == 0
    process.stdin.close()
    assert process.wait(TIMEOUT) == 0
    assert len(maildir(house.home)) == 1
