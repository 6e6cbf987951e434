# SPDX-License-Identifier: Apache-2.0
"""For how long a relay lets events gather."""

import pytest

from common.relay import BATCH, rest_after


@pytest.mark.parametrize(
    ("moved", "rest"), [(0, 0.02), (1, 0.02), (5, 0.05), (15, 0.15), (BATCH - 1, 0.15)]
)
def test_a_relay_rests_the_longer_the_more_it_moved_within_bounds(moved, rest):
    assert rest_after(moved) == pytest.approx(rest)
