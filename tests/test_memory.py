"""The measure of memory sees a peak that is smaller than an earlier one."""

import pytest

from tests.memory import PROCESS, at_most


@pytest.mark.skipif(not (PROCESS / "clear_refs").exists(), reason="Linux alone tells the peak since a moment")
def test_a_peak_is_seen_behind_a_higher_one():
    bytearray(b"\1" * (200 << 20))
    with at_most(60, memory=150 << 20):
        bytearray(b"\1" * (50 << 20))
    with pytest.raises(AssertionError, match="MiB"), at_most(60, memory=40 << 20):
        bytearray(b"\1" * (100 << 20))
