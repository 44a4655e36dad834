# SPDX-License-Identifier: ISC
"""Postern from the build tree, with its defaults: the configuration names places and a smarthost, and tunes nothing."""

import os
import shutil

from peers import Peer
from process import Failure, run_command

PAUSE_SECONDS = 10
FOLDER = "postern"


class Postern(Peer):
    name = "postern"
    title = "Postern"
    remark = "Postern: synced before 250; default configuration; logs to a file"

    def prepare(self):
        for program in ("posternd", "posternctl"):
            if not os.access(self.program(program), os.X_OK):
                raise Failure(f"{self.program(program)} is not built")
        self.version = "build tree"

    def program(self, name):
        return os.path.join(self.place.build, name)

    def configure(self, setting, port):
        self.empty()
        folder = self.place.work_file(FOLDER)
        os.makedirs(folder)
        path = os.path.join(folder, "postern.conf")
        values = {"PORT": port, "SINK": setting.sink or port, "DIR": folder}
        self.place.write_filled("postern.conf", path, values)
        return [self.program("posternd"), "-d", "-f", path]

    def started(self, setting):
        if setting.hold:
            socket = self.place.work_file(FOLDER, "run", "control.sock")
            run_command([self.program("posternctl"), "-s", socket, "pause", "mta"], PAUSE_SECONDS)

    def empty(self):
        shutil.rmtree(self.place.work_file(FOLDER), ignore_errors=True)
