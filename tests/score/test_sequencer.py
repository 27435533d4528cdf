"""Bars as sequencers take them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pianist_jax.errors import PianistError
from pianist_jax.score.grid import ScoreGrid, TempoMark
from pianist_jax.score.sequencer import DENOMINATORS, MOST_BEATS, for_sequencers


def grid_of(onset, signatures, keys=(), tempi=(), tpq=480):
    onset = np.asarray(onset, np.int64)
    zeros = np.zeros(len(onset), np.int64)
    return ScoreGrid(tpq, onset, zeros + tpq, zeros, ("Piano",), tuple(signatures), tuple(keys), tuple(tempi))


def test_what_sequencers_take_stays_as_it_is():
    signatures, keys = ((0, 1, 4), (480, 3, 4), (6240, 6, 8)), ((0, "Bbm"), (6240, "C"))
    grid = grid_of([0, 480, 500, 6240, 7777], signatures, keys, [TempoMark(0, 100.0, 1.0, True), TempoMark(6240, 50.0)])
    new, changed = for_sequencers(grid, 960)
    assert changed == ()
    assert new.onset.tolist() == [0, 960, 1000, 12480, 15554]
    assert new.time_signatures == ((0, 1, 4), (960, 3, 4), (12480, 6, 8))
    assert new.key_signatures == ((0, "Bbm"), (12480, "C"))
    assert new.tempi == (TempoMark(0, 100.0, 1.0, True), TempoMark(12480, 50.0))
    assert new.bars().tolist() == (2 * grid.bars()).tolist()


@pytest.mark.parametrize(
    ("signature", "last", "written"),
    [
        ((25, 32), 0, (3, 4)),  # nothing stands in its last demisemiquaver
        ((25, 32), 24 / 8, (13, 16)),
        ((65, 64), 0, (4, 4)),
        ((65, 64), 64 / 16, (17, 16)),
        ((31, 32), 0, (4, 4)),
        ((4, 5), 0, (13, 16)),
        ((5, 3), 0, (27, 16)),
        ((200, 16), 0, (50, 4)),
    ],
)
def test_odd_bars_become_the_nearest_that_sequencers_take(signature, last, written):
    over, under = signature
    start, length = 1920 * 2, 1920 * over / under
    after = round(start + length)
    grid = grid_of([0, start, start + round(last * 480), after], [(0, 4, 4), (start, over, under), (after, 4, 4)])
    new, changed = for_sequencers(grid, 960)
    signs = [(tick, *sign) for tick, *sign in new.time_signatures]
    bar = 3840 * written[0] // written[1]
    assert new.bars()[:4].tolist() == [0, 3840, 7680, 7680 + bar]
    assert new.onset.tolist() == [0, 7680, 7680 + round(last * 960), 7680 + bar]
    assert changed == (() if abs(bar / 960 - length / 480) < 1 / 64 else (3,))
    assert [sign[1:] for sign in signs] == ([(4, 4)] if written == (4, 4) else [(4, 4), written, (4, 4)])


def test_halved_values_sound_the_same():
    grid = grid_of([0, 480, 1920], [(0, 2, 2)], [(0, "G")], [TempoMark(0, 400.0)])
    new, changed = for_sequencers(grid, 960, halved=True)
    assert (new.onset.tolist(), new.duration.tolist(), changed) == ([0, 480, 1920], [480, 480, 480], ())
    assert new.time_signatures == ((0, 2, 4),)
    assert new.tempi[0].quarters_per_minute == 200


def test_a_bar_that_nobody_takes_is_refused():
    with pytest.raises(PianistError, match="a bar of 200 whole notes"):
        for_sequencers(grid_of([0], [(0, 200, 1)]), 960)


@settings(max_examples=40)
@given(data=st.data())
def test_any_bars_end_within_the_limits_and_keep_the_order_of_the_notes(data):
    sign = st.tuples(st.integers(1, 130), st.sampled_from([1, 2, 3, 4, 5, 8, 12, 16, 32, 64]))
    signs, tick = [], 0
    for over, under in data.draw(st.lists(sign, min_size=1, max_size=6)):
        signs.append((tick, over, under))
        tick += data.draw(st.integers(1, 9000))
    onset = sorted(data.draw(st.lists(st.integers(0, tick), min_size=1, max_size=12)))
    grid = grid_of(onset, signs)
    if max(4 * over / under for _, over, under in signs) > 4 * MOST_BEATS:
        return
    new, _ = for_sequencers(grid, 960)
    for _, over, under in new.time_signatures:
        assert under in DENOMINATORS
        assert 1 <= over <= MOST_BEATS
    assert (np.diff(new.onset)[np.diff(onset) > 0] > 0).all()
    assert np.floor(new.bar_of(new.onset)).tolist() == np.floor(grid.bar_of(grid.onset)).tolist()
