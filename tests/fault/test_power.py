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


@pytest.mark.deadline(240)
@pytest.mark.root
def test_F01_F02_as_it_is_done_to_the_peers(folder):
    """What make torture compares with (--peer), once, with Postern alone."""
    reason = scenarios.can_mount(folder)
    if reason:
        pytest.skip(reason)
    balance, rounds, cuts = scenarios.side_by_side("postern", rounds=1, cuts=1)
    assert (rounds, cuts) == (1, 1)
    assert balance.acknowledged and not balance.problems(), balance.summary()
