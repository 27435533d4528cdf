"""MEI: who plays the staves, signs that repeat several bars, tuplets by places, numbers out of range."""

import pytest

from pianist_jax.score.load import load
from pianist_jax.score.reading import Reading
from tests.score.mei_text import bar, mei, n, pitches
from tests.score.xml_text import read, rows

SONG = (
    '<staffGrp><staffDef n="1">{voice}</staffDef><staffGrp symbol="brace">{piano}'
    '<staffDef n="2"/><staffDef n="3"/></staffGrp></staffGrp>'
)


def song(tmp_path, voice, piano, part=None):
    staves = "".join(
        f'<staff n="{staff}"><layer>{n(pitch, "1")}</layer></staff>'
        for staff, pitch in enumerate(("c5", "e4", "g3"), 1)
    )
    text = mei(f"<measure>{staves}</measure>", staves=SONG.format(voice=voice, piano=piano))
    path = tmp_path / "song.mei"
    path.write_text(text)
    return load(path, Reading(part=part))


@pytest.mark.parametrize(
    ("voice", "piano"),
    [
        ("<label>Singstimme</label>", "<label>Pianoforte</label>"),
        ("<label>Singstimme</label>", ""),
        ('<instrDef midi.instrnum="53"/>', '<instrDef midi.instrnum="6"/>'),
        ('<instrDef label="Voice_Soprano"/>', '<instrDef label="Grand_Piano" midi.instrnum="0"/>'),
    ],
)
def test_the_pianist_of_a_song_plays_alone(tmp_path, voice, piano):
    score = song(tmp_path, voice, piano)
    assert pitches(score) == [55, 64]
    assert score.hand.tolist() == [2, 1]
    assert "left out" in score.readings[0]
    assert pitches(song(tmp_path, voice, piano, part="1")) == [72]


def test_of_staves_without_names_those_of_a_brace_are_played_of_a_quartet_all(tmp_path):
    assert pitches(song(tmp_path, "", "")) == [55, 64]
    score = song(tmp_path, "<label>Flute</label>", "<label>Violin, Viola</label>")
    assert pitches(score) == [55, 64, 72]
    assert "no keyboard" in score.readings[0]


def test_signs_repeat_two_and_more_bars(tmp_path):
    first, second = bar(n("c4", "1", "a")), bar(n("d4", "2", "b") + n("e4", "2", "c"))
    once = "".join([first, second, bar("<mRpt2/>"), bar("<mSpace/>"), bar("<mRpt2/>"), bar("<mRpt2/>")])
    score = read(tmp_path, mei(once), "a.mei")
    assert [row[:2] for row in rows(score)] == [
        (60, 0), (62, 4), (64, 6), (60, 8), (62, 12), (64, 14), (60, 16), (62, 20), (64, 22)
    ]  # fmt: skip
    assert score.note_id[:6] == ("a", "b", "c", "a.2", "b.2", "c.2")
    assert score.problems == ()
    three = first + second + bar(n("f4", "1")) + bar('<multiRpt num="3"/>') + bar("<mRest/>") * 2
    assert pitches(read(tmp_path, mei(three), "a.mei")) == [60, 62, 64, 65] * 2
    # What is written in the second bar is played as written; a sign without anything before it is told.
    assert pitches(read(tmp_path, mei(first + second + bar("<mRpt2/>") + bar(n("g4", "1"))), "a.mei"))[-2:] == [60, 67]
    assert "is not there" in read(tmp_path, mei(first, bar("<mRpt2/>")), "a.mei").problems[0]


def test_a_bar_repeated_again_and_again_keeps_short_names(tmp_path):
    score = read(tmp_path, mei(bar(n("c4", "1", "a")), *[bar("<mRpt/>")] * 3), "a.mei")
    assert score.note_id == ("a", "a.2", "a.3", "a.4")


@pytest.mark.parametrize("end", ['tstamp2="0m+2.6667"', 'tstamp2="0m+3"', 'dur="2"'])
def test_tuplets_that_places_show(tmp_path, end):
    layer = n("c4") + n("d4") + n("e4") + n("f4") + n("g4")
    span = f'<tupletSpan staff="1" tstamp="1" {end} num="3" numbase="2"/>'
    score = read(tmp_path, mei(bar(layer, low=n("c3", "1"), events=span)), "a.mei")
    assert [row[1] for row in rows(score)] == pytest.approx([0, 0, 2 / 3, 4 / 3, 2, 3])
    assert score.problems == ()


def test_numbers_out_of_range_are_told_and_stop_nothing(tmp_path):
    events = '<tempo tstamp="1" midi.bpm="-3">x</tempo><dynam tstamp="nan">f</dynam><pedal tstamp="9e9" dir="down"/>'
    score = read(tmp_path, mei(bar(n("c4", "1")), bar(n("c4", "1"), events=events, attributes='n="2"')), "a.mei")
    assert pitches(score) == [60, 60]
    assert [line.partition(" taken")[0] for line in score.problems if "taken" in line] == [
        "bar 2: tstamp nan", "bar 2: tstamp 9e9", "bar 2: midi.bpm -3"
    ]  # fmt: skip


def test_the_notes_of_a_chord_may_say_its_length_and_its_dots(tmp_path):
    chord = (
        '<chord xml:id="x"><note pname="c" oct="4" dur="4" dots="1"/><note pname="e" oct="4" dur="4" dots="1"/></chord>'
    )
    score = read(tmp_path, mei(bar(chord + '<chord copyof="#x"/>' + n("d4"))), "a.mei")
    assert rows(score) == [(60, 0, 1.5), (64, 0, 1.5), (60, 1.5, 1.5), (64, 1.5, 1.5), (62, 3, 1)]


@pytest.mark.parametrize("numbase", [8, 1])
def test_a_numbase_that_is_no_count_of_notes_makes_a_plain_tuplet(tmp_path, numbase):
    layer = n("c4", "8", "a") + n("d4", "8") + n("e4", "8", "b") + n("f4", "2", dots="1")
    span = f'<tupletSpan num="3" numbase="{numbase}" startid="#a" endid="#b"/>'
    assert rows(read(tmp_path, mei(bar(layer, events=span)), "a.mei"))[-1] == (65, 1, 3)


def test_a_blank_staff_and_an_odd_share_of_a_grace_note_say_nothing(tmp_path):
    odd = n("d4", "8", grace="acc", grace_time="\u00b2%") + n("e4", "2", staff=" ") + n("f4", "2", staff="2")
    score = read(tmp_path, mei(bar(odd, low=n("c3", "1"))), "a.mei")
    assert sorted(pitches(score)) == [48, 62, 64, 65]
    assert score.hand.tolist() == [2 if pitch in (48, 65) else 1 for pitch in pitches(score)]
