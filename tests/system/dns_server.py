# SPDX-License-Identifier: ISC
"""A name server on a free port of loopback, UDP and TCP, for `dns server "127.0.0.1@PORT"`.

`zone` maps a name to a list of "TYPE value" strings, or to a behaviour: SERVFAIL, REFUSED, SILENT (no answer),
("TRUNCATE", [...]) (the records by TCP only), or bytes, which are sent as they are behind the id. Aliases are
followed, as a resolver would. What is not there does not exist. `slow` maps a name to the seconds its answers take.
"""

import socket
import socketserver
import struct
import threading
import time

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL = 60
LINKS_MAX = 20
TRIES_MAX = 20

SERVFAIL, REFUSED, SILENT, TRUNCATE = "SERVFAIL", "REFUSED", "SILENT", "TRUNCATE"


class DnsServer:
    """Serves zone, which may be changed while it runs, until stop."""

    def __init__(self, zone=None, port=0):
        self.zone = dict(zone or {})
        self.asked = []
        self.slow = {}
        self.holders = []
        self.udp, self.tcp = self.bind(port)
        self.port = self.udp.server_address[1]
        self.threads = [threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
                        for server in (self.udp, self.tcp)]
        for thread in self.threads:
            thread.start()

    def bind(self, port):
        """Both kinds of socket on one port, any that is free for both where port is 0."""
        for _ in range(TRIES_MAX):
            udp = Server(("127.0.0.1", port), DatagramHandler, self, socket.SOCK_DGRAM)
            try:
                return udp, Server(udp.server_address, StreamHandler, self, socket.SOCK_STREAM)
            except OSError:
                udp.server_close()
        raise OSError("no port that is free for UDP and TCP")

    def stop(self):
        for server in (self.udp, self.tcp):
            server.shutdown()
            server.server_close()
        for thread in self.threads:
            thread.join()
        for holder in self.holders:
            holder.close()

    def vanish(self):
        """Stops, and keeps its port from others: who asks there hears that nobody listens."""
        self.stop()
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            holder = socket.socket(socket.AF_INET, kind)
            holder.bind(("127.0.0.1", self.port))
            if kind == socket.SOCK_DGRAM:
                holder.connect(("127.0.0.1", self.port))  # so it takes nothing but from itself
            self.holders.append(holder)

    def come_back(self):
        """A server in the place of one that vanished."""
        self.stop()
        return DnsServer(self.zone, self.port)

    def count(self, name):
        """How often something about name was asked."""
        return sum(asked == name for asked, _ in self.asked)

    # --- answering ---

    def respond(self, wire, by_tcp):
        """The answer to a query, None for silence."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append((name, dns.rdatatype.to_text(question.rdtype)))
        time.sleep(self.slow.get(name, 0))
        entry = self.zone.get(name)
        if entry == SILENT:
            return None
        if isinstance(entry, bytes):
            return wire[:2] + entry
        response = dns.message.make_response(query, recursion_available=True)
        if entry in (SERVFAIL, REFUSED):
            response.set_rcode(dns.rcode.from_text(entry))
        elif isinstance(entry, tuple) and not by_tcp:
            response.flags |= dns.flags.TC
        else:
            self.fill(response, name, question.rdtype)
        return response.to_wire(max_size=65535)

    def fill(self, response, name, rdtype):
        wanted = dns.rdatatype.to_text(rdtype)
        for _ in range(LINKS_MAX):
            entry = self.zone.get(name)
            if entry is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                return
            records = [record.split(" ", 1) for record in (entry[1] if isinstance(entry, tuple) else entry)]
            values = [value for kind, value in records if kind == wanted]
            if values:
                response.answer.append(dns.rrset.from_text_list(name + ".", TTL, "IN", wanted, values))
                return
            alias = next((value for kind, value in records if kind == "CNAME"), None)
            if alias is None:
                return
            response.answer.append(dns.rrset.from_text(name + ".", TTL, "IN", "CNAME", alias))
            name = alias.rstrip(".").lower()
        response.set_rcode(dns.rcode.SERVFAIL)


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """socketserver's loop for either kind of socket."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address, handler, zones, kind):
        self.socket_type = kind
        self.zones = zones
        super().__init__(address, handler)

    def server_activate(self):
        if self.socket_type == socket.SOCK_STREAM:
            super().server_activate()

    def get_request(self):
        if self.socket_type == socket.SOCK_STREAM:
            return super().get_request()
        data, address = self.socket.recvfrom(65535)
        return (data, self.socket), address

    def shutdown_request(self, request):
        if self.socket_type == socket.SOCK_STREAM:
            super().shutdown_request(request)


class DatagramHandler(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        answer = self.server.zones.respond(data, False)
        if answer is not None:
            sock.sendto(answer, self.client_address)


class StreamHandler(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            answer = self.server.zones.respond(self.rfile.read(struct.unpack("!H", head)[0]), True)
            if answer is not None:
                self.wfile.write(struct.pack("!H", len(answer)) + answer)
