# SPDX-License-Identifier: ISC
"""Power cuts: 250 means on disk (SECURITY F02, F-A, F-C)."""

import pytest

import scenarios

CUTS = 2


@pytest.mark.deadline(240)
@pytest.mark.root
def test_F02_power_cuts_lose_nothing_acknowledged(folder):
    reason = scenarios.can_mount(folder)
    if reason:
        pytest.skip(reason)
    _, words = scenarios.power_cuts(CUTS)
    print(words)
