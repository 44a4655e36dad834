# SPDX-License-Identifier: ISC
"""A server that takes mail and remembers it, in a thread of the test; how it misbehaves is the test's to say.

`answers` maps a verb, "greeting" or "message" (the reply to the final dot) to a reply, or to a function of the session
and the argument (or the Mail) that returns one, True for the usual one; a reply of None closes the connection, one of STALL never comes.
"""

import asyncio
import collections
import re
import threading
import time

STALL = "stall"
LINE_MAX = 1 << 20
WAIT_SECONDS = 15

Mail = collections.namedtuple("Mail", "sender recipients data helo session")

EXTENSIONS = ("PIPELINING", "SIZE 0", "8BITMIME", "ENHANCEDSTATUSCODES")


class Session:
    """What a connection said so far."""

    def __init__(self, number):
        self.number = number
        self.helo = ""
        self.sender = None
        self.parameters = ""
        self.recipients = []
        self.commands = []
        self.mails = 0


class Sink:
    """Listens on a free port of 127.0.0.1 until stop."""

    def __init__(self, answers=None, extensions=EXTENSIONS, port=0, delay=0.0):
        self.answers = dict(answers or {})
        self.extensions = extensions
        self.delay = delay
        self.mails = []
        self.sessions = []
        self.changed = threading.Condition()
        self.open = 0
        self.open_max = 0
        self.wanted_port = port
        self.port = None
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(started,), daemon=True)
        self.thread.start()
        assert started.wait(WAIT_SECONDS)

    def run(self, started):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(
            asyncio.start_server(self.serve, "127.0.0.1", self.wanted_port, limit=LINE_MAX))
        self.port = self.server.sockets[0].getsockname()[1]
        started.set()
        self.loop.run_forever()
        self.server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    def stop(self):
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(WAIT_SECONDS)

    def wait(self, count=1, seconds=WAIT_SECONDS):
        """Waits until count messages are there; returns them all."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while len(self.mails) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{len(self.mails)} of {count} messages came within {seconds} s"
                self.changed.wait(left)
            return list(self.mails)

    # --- a session ---

    async def serve(self, reader, writer):
        session = Session(len(self.sessions))
        self.sessions.append(session)
        self.open += 1
        self.open_max = max(self.open_max, self.open)
        try:
            await self.answer(session, writer, "greeting", "", "220 sink.example ESMTP")
            while True:
                line = await reader.readline()
                if not line.endswith(b"\n"):
                    break
                if not await self.command(session, reader, writer, line):
                    break
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError, Hangup):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def answer(self, session, writer, name, argument, usual):
        """Writes the reply that is due; returns its code."""
        return await self.say(writer, self.choose(session, name, argument, usual))

    def choose(self, session, name, argument, usual):
        reply = self.answers.get(name, usual)
        if callable(reply):
            reply = reply(session, argument)
        return usual if reply is True else reply

    async def say(self, writer, reply):
        if reply == STALL:
            await asyncio.sleep(3600)
        if reply is None:
            raise Hangup
        if self.delay:
            await asyncio.sleep(self.delay)
        data = reply if isinstance(reply, bytes) else reply.encode("utf-8") + b"\r\n"
        writer.write(data)
        await writer.drain()
        return int(data[:3]) if data[:3].isdigit() else 0

    async def command(self, session, reader, writer, line):
        text = line.decode("latin-1").rstrip("\r\n")
        verb, _, argument = text.partition(" ")
        verb = verb.upper()
        session.commands.append(text)
        if verb == "DATA":
            return await self.take_data(session, reader, writer)
        usual = self.usual(session, verb, argument)
        code = await self.answer(session, writer, verb, argument, usual)
        self.note(session, verb, argument, code)
        return verb != "QUIT"

    def usual(self, session, verb, argument):
        if verb == "EHLO":
            lines = ["sink.example", *self.extensions]
            return "\r\n".join(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines)
        return {"HELO": "250 sink.example", "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok", "RSET": "250 2.0.0 ok",
                "NOOP": "250 2.0.0 ok", "QUIT": "221 2.0.0 bye"}.get(verb, "502 5.5.1 what?")

    def note(self, session, verb, argument, code):
        path = re.search(r"<([^>]*)>", argument)
        if verb in ("EHLO", "HELO"):
            session.helo = argument
        if verb in ("EHLO", "HELO", "RSET") or verb == "MAIL":
            session.sender, session.recipients = None, []
        if verb == "MAIL" and code == 250:
            session.sender = path[1] if path else argument
            session.parameters = argument.partition(">")[2]
        if verb == "RCPT" and code in (250, 251):
            session.recipients.append(path[1] if path else argument)

    async def take_data(self, session, reader, writer):
        usual = "354 go on" if session.recipients else "554 5.5.1 no valid recipients"
        if await self.answer(session, writer, "DATA", "", usual) != 354:
            return True
        lines = []
        while True:
            line = await reader.readline()
            if not line.endswith(b"\n"):
                return False
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        data = b"".join(lines)
        mail = Mail(session.sender, list(session.recipients), data, session.helo, session.number)
        session.sender, session.recipients = None, []
        reply = self.choose(session, "message", mail, "250 2.0.0 taken")
        if isinstance(reply, str) and reply.startswith("250"):
            session.mails += 1
            with self.changed:
                self.mails.append(mail)
                self.changed.notify_all()
        await self.say(writer, reply)
        return True


class Hangup(Exception):
    """The connection is to be closed."""

