# SPDX-License-Identifier: ISC
"""The limit of the bench itself: smtp-source straight to smtp-sink, as if the sink were a server."""

import contextlib

from load import Sink
from peers import Peer, Server


class Limit(Peer):
    name = "limit"
    title = "limit"
    is_server = False
    remark = "limit: smtp-source straight to smtp-sink, which stores nothing"

    def __init__(self, place, tools):
        super().__init__(place)
        self.tools = tools

    @contextlib.contextmanager
    def running(self, setting):
        with Sink(self.tools, counting=False) as sink:
            yield Server(sink.port, None, sink.process)
