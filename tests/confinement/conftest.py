# SPDX-License-Identifier: ISC
"""Needs root: the processes that are looked at are other users', and not dumpable."""

import os

import confined
import pytest


@pytest.fixture(name="scene")
def fixture_scene(folder, sinks, daemons):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    scene = confined.Scene(daemons, folder, sinks)
    yield scene
    scene.close()
