# SPDX-License-Identifier: ISC
"""kill -9 of each process in turn, under load: nothing acknowledged is lost, mail goes on by itself (SECURITY F01)."""

import pytest

import scenarios

# A delivery that was cut between the other side's 250 and our commit comes again (RFC 1047): at most what one relay and
# one mailbox have under way, and what the queue had not yet committed, for each kill.
UNDER_WAY_MAX = 64
BACK_SECONDS_MAX = 1.0
ROUNDS = 5


@pytest.mark.deadline(300)
@pytest.mark.root
def test_F01_each_process_is_killed_in_turn():
    balance, words, slowest = scenarios.kills(ROUNDS)
    print(words)
    assert balance.duplicates() <= UNDER_WAY_MAX * ROUNDS * 3, words
    late = {kind: seconds for kind, seconds in slowest.items() if seconds > BACK_SECONDS_MAX}
    assert not late, f"came back late: {late}"
