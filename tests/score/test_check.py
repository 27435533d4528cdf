"""A score names what is odd about it, with its bar."""

import pytest

from pianist_jax.score.check import sound_metres
from pianist_jax.score.describe import describe
from pianist_jax.score.grid import nearest_fifths
from pianist_jax.score.written import Sign, Written, WrittenBar
from tests.score.mei_text import bar, mei, n
from tests.score.xml_text import attributes, backup, barline, direction, note, read, score_xml

FULL = note("C4", 96)


def problems(tmp_path, *bars, first=1):
    return read(tmp_path, score_xml(*bars, first=first)).problems


@pytest.mark.parametrize(
    ("bars", "told"),
    [
        ([attributes() + FULL, FULL], []),
        ([attributes() + FULL, note("C4", 72), FULL], ["bars that do not fill their metre: 2 (3 of 4 quarters)"]),
        ([attributes() + FULL, FULL + FULL, FULL + FULL, FULL],
         ["bars that do not fill their metre: 2 (8 of 4 quarters), 3 (8 of 4 quarters)"]),
        ([attributes() + note("C4", 24), FULL, note("C4", 72)], []),  # an upbeat and its rest
        ([attributes() + FULL, note("C4", 72), note("C4", 24), FULL], []),  # divided by a line
        ([attributes() + FULL, note("C4", 72) + barline("backward", kind="stop"), FULL], []),
        ([attributes() + FULL, attributes(3, 4) + note("C4", 72), note("C4", 72)], []),
    ],
)  # fmt: skip
def test_bars_that_do_not_fill_their_metre(tmp_path, bars, told):
    assert list(problems(tmp_path, *bars)) == told


def test_notes_before_the_bar_line(tmp_path):
    early = attributes() + FULL + backup(96 * 2) + note("E4", 48)
    assert problems(tmp_path, early) == ("bar 1: a note before the bar line: played at it",)


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        (direction("<dynamics><f/></dynamics>", sound='dynamics="-50"'), "dynamics -50 taken for 0"),
        ('<sound dynamics="1e9"/>', "dynamics 1e9 taken for 10000"),
        ('<sound tempo="fast"/>', "tempo fast taken for 0"),
        (note("C4", 96, attributes='dynamics="-7"') + backup(96), "dynamics -7 taken for 0"),
        (note("C4", 96, staff=0) + backup(96), "staff 0 taken for 1"),
        (note("C4", 96, staff=1000) + backup(96), "staff 1000 taken for 99"),
        (attributes(fifths=30), "fifths 30 taken for 14"),
    ],
)
def test_what_harms_nothing_is_clamped_and_told(tmp_path, inside, told):
    assert f"bar 2: {told}" in problems(tmp_path, attributes() + FULL, inside + FULL)


@pytest.mark.parametrize(("fifths", "key"), [(8, "Ab"), (-8, "E"), (7, "C#"), (12, "C"), (14, "D")])
def test_keys_beyond_those_of_midi(tmp_path, fifths, key):
    score = read(tmp_path, score_xml(attributes(fifths=fifths) + FULL))
    assert score.grid.key_signatures == ((0, key),)
    assert nearest_fifths(fifths) % 12 == fifths % 12
    count, kind = abs(fifths), "sharps" if fifths > 0 else "flats"
    if count > 7:
        assert score.problems == (f"bar 1: a key of {count} {kind}, for which MIDI gets the key that sounds the same",)
        assert dict(describe(tmp_path / "score.musicxml"))["key"] == f"{count} {kind}"


def test_of_many_bars_the_first_are_named(tmp_path):
    bars = [attributes() + FULL, *[FULL + FULL] * 9, FULL]
    (line,) = problems(tmp_path, *bars)
    assert line.startswith("bars that do not fill their metre: 2 (8 of 4 quarters), 3 (8 of 4 quarters), 4 ")
    assert line.endswith(", 7 (8 of 4 quarters) and 3 more")
    assert line in read(tmp_path, score_xml(*bars)).grid.remarks


@pytest.mark.parametrize("value", [(4.0, 0.0), (0.0, 4.0), (-3.0, 4.0)])
def test_metres_that_are_none_are_passed_over(value):
    """As readers of other formats give them."""
    written = Written(bars=[WrittenBar(4.0, 1)], times=[Sign(0, 0.0, (4.0, 4.0)), Sign(0, 0.0, value)])
    sound_metres(written)
    assert [sign.value for sign in written.times] == [(4.0, 4.0)]
    assert written.problem_lines() == [f"bar 1: a time signature of {value[0]:g}/{value[1]:g}: passed over"]


def unequal(tmp_path, text, name):
    return [line for line in read(tmp_path, text, name).problems if "unequal" in line]


def test_voices_that_do_not_end_together_are_named_with_their_bar(tmp_path):
    told = ["bar 2: voices of unequal length"]
    lines = ["**kern\t**kern", "*M4/4\t*M4/4", "=1\t=1", "1C\t1c", "=2\t=2", "1D\t4d", ".\t2e", "=3\t=3", "1E\t1e"]
    assert unequal(tmp_path, "\n".join([*lines, "==\t==", "*-\t*-", ""]), "a.krn") == told
    assert unequal(tmp_path, "\n".join([*lines[:5], *lines[-2:], "*-\t*-", ""]), "b.krn") == []
    whole, short = n("c3", "1"), n("c5", "4") + n("d5", "2")
    bars = [bar(n("c5", "1"), low=whole, attributes='n="1"'), bar(short, low=whole, attributes='n="2"')]
    assert unequal(tmp_path, mei(*bars), "a.mei") == told
    # A second layer may end early, and another staff may rest.
    early = bar(n("c5", "1"), n("a4", "4"), low="<mRest/>", attributes='n="2"')
    assert unequal(tmp_path, mei(bars[0], early), "b.mei") == []
    notes = note("C4", 96) + "<backup><duration>96</duration></backup>"
    long = notes + note("E5", 96, voice=2) + note("F5", 24, voice=2)
    assert unequal(tmp_path, score_xml(attributes() + note("C4", 96), long), "a.musicxml") == told
    early = notes + note("E5", 24, voice=2)
    assert unequal(tmp_path, score_xml(attributes() + note("C4", 96), early), "b.musicxml") == []


def test_metres_of_several_parts_are_added_up(tmp_path):
    metre = "<time><beats>3</beats><beat-type>8</beat-type><beats>2</beats><beat-type>4</beat-type></time>"
    score = read(tmp_path, score_xml(f"<attributes><divisions>24</divisions>{metre}</attributes>" + note("C4", 84)))
    assert [(sign.beats, sign.beat_type) for sign in score.time_signatures] == [(7, 8)]
    assert score.problems == ()
